/* SPDX-License-Identifier: MIT
 *
 * sys.h - sleeping and waking: the only way to the futex system call.
 *
 * A wait or wake names a word and whether it is shared between processes.  Any
 * wait may return 0 without reason (signals, stray wakes of a word that used to
 * live at the address): callers look at their word again, always.
 *
 * A wake touches no memory: the address only names a queue in the kernel.  So a
 * lock may be freed by its next holder before the wake that follows an unlock;
 * the worst outcome is a stray wake for whatever lives there now.
 *
 * In a thread that is to stop, and within a call that this ends (see
 * pawl_uninterruptible_begin), a wait says that its deadline has passed.
 *
 * Where the kernel refuses a call (ENOSYS, or EPERM from a sandbox), something
 * slower takes its place; PAWL_FALLBACK, see sys.c, forces that for tests.  What
 * the kernel refuses to one of the processes that share an object it must refuse
 * to all of them.
 */
#ifndef PAWL_FUTEX_SYS_H
#define PAWL_FUTEX_SYS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pawl/base.h>
#include <pawl/error.h>
#include <pawl/time.h>

/* Sleepers carry a set of channels; a wake reaches those that share one. */
#define PAWL_CHANNEL_ANY UINT32_MAX

#define PAWL_WAKE_ALL INT_MAX

/* Sleep until woken on one of `channels`, unless *word != expected.
 *
 * Returns    0 woken, or for no reason;  -EAGAIN *word differs;
 *            -EINTR a signal handler ran;  -ETIMEDOUT.
 *            Only 0 can mean that a wake was consumed.
 */
int pawl_futex_wait(pawl_u32 *word, uint32_t expected, pawl_deadline until,
                    bool shared, uint32_t channels);

/* Whether this thread is to stop, and in a call that this ends; then its sleeps, also
 * those that are not on a word, say that their deadline has passed. */
bool pawl_futex_is_stopped(void);

/* The longest sleep between processes without a look. */
enum { PAWL_DOZE_MS = 50 };

/* The same; but between processes it ends after PAWL_DOZE_MS with -EAGAIN, so that the
 * caller looks again: whoever had to wake it, or was woken instead of it, may be dead. */
static inline int pawl_futex_doze(pawl_u32 *word, uint32_t expected,
                                  pawl_deadline until, bool shared,
                                  uint32_t channels)
{
    pawl_deadline next =
        shared ? pawl_now() + PAWL_DOZE_MS * 1000000 : PAWL_FOREVER;
    int err = pawl_futex_wait(word, expected, until < next ? until : next,
                              shared, channels);

    return err == -ETIMEDOUT && next < until && !pawl_futex_is_stopped()
               ? -EAGAIN
               : err;
}

/* A word to watch among several, and what is expected there. */
struct pawl_watch {
    pawl_u32 *word;
    uint32_t expected;
    bool shared;
};

/* How many the kernel can watch for one sleeper. */
#define PAWL_WATCH_MAX 128

/* Whether pawl_futex_wait_any can be used at all, as far as is known. */
bool pawl_futex_can_wait_any(void);

/* Sleep until woken on one of n words, 1 <= n <= PAWL_WATCH_MAX, on any channel,
 * unless one of them differs.
 *
 * Returns    as pawl_futex_wait;  -ENOSYS the kernel cannot: from now on the
 *            question above is answered with no.
 *            A wake may be consumed on several of the words at once.
 */
int pawl_futex_wait_any(const struct pawl_watch *watch, size_t n,
                        pawl_deadline until);

/* Wake up to `count` sleepers on `channels`, longest asleep first.
 *
 * Returns    how many; 0 if that is not known.
 */
int pawl_futex_wake(pawl_u32 *word, int count, bool shared, uint32_t channels);

/* Wake `wake` sleepers on `from`, and move up to `move` more to `to`, provided
 * *from == expected.  If it differs, or the kernel cannot, wakes them all.
 *
 * Returns    whether anybody was woken; false if that is not known.
 */
bool pawl_futex_requeue(pawl_u32 *from, uint32_t expected, int wake,
                        pawl_u32 *to, int move, bool shared);

/* Read PAWL_FALLBACK, which the first wait does otherwise. */
void pawl_futex_read_environment(void);

#endif /* PAWL_FUTEX_SYS_H */
