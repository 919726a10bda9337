/* SPDX-License-Identifier: MIT
 *
 * sys.c - the futex system call and what stands in for it.
 *
 * PAWL_FALLBACK, read before the first wait, is a list of words that force the
 * fallbacks:
 *
 *   requeue   FUTEX_CMP_REQUEUE is refused: wake instead of moving
 *   bitset    FUTEX_WAIT_BITSET and FUTEX_WAKE_BITSET are refused: relative
 *             time-outs, and every wake reaches everybody
 *   waitv     futex_waitv is refused, as before Linux 5.16: see wait.c
 *   pidfd     see process/pidfd.h
 *   futex     every futex call is refused: sleepers poll their word, at
 *             intervals that grow from 50 us to 2 ms
 */
#include "futex/sys.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "atomic/ops.h"
#include "base/compiler.h"
#include "futex/self.h"

enum {
    NO_REQUEUE = 1,
    NO_BITSET = 2,
    NO_FUTEX = 4,
    NO_WAITV = 8,
    KNOWN = 16, /* the environment has been read */
};

/* What is known to be refused. */
static pawl_u32 refused;

static void refuse(uint32_t what)
{
    /* relaxed: a hint that saves a system call; losing it costs one. */
    uint32_t seen = pawl_load_relaxed(&refused);

    /* relaxed: as above. */
    while (!pawl_cas_relaxed(&refused, &seen, seen | what))
        ;
}

/* Not by those who wake: they may be signal handlers, where getenv is not
 * allowed.  A process that only wakes therefore does not know that channels are
 * forced away, and wakes one that is not meant; hence tests call this first. */
PAWL_COLD void pawl_futex_read_environment(void)
{
    const char *list = getenv("PAWL_FALLBACK");
    uint32_t what = KNOWN;

    if (list != NULL) {
        if (strstr(list, "requeue") != NULL)
            what |= NO_REQUEUE;
        if (strstr(list, "bitset") != NULL)
            what |= NO_BITSET;
        if (strstr(list, "waitv") != NULL)
            what |= NO_WAITV;
        if (strstr(list, "futex") != NULL)
            what |= NO_FUTEX;
    }
    pawl_store_relaxed(&refused, what); /* relaxed: a hint, see refuse() */
}

static bool is_refused(uint32_t what)
{
    /* relaxed: a hint, see refuse(). */
    return pawl_unlikely((pawl_load_relaxed(&refused) & what) != 0);
}

/* The raw call: >= 0, or a negative errno. */
static long futex(pawl_u32 *word, int op, bool shared, uint32_t val,
                  const void *timeout_or_val2, pawl_u32 *word2, uint32_t val3)
{
    long r;
    int saved = errno; /* pawl never changes errno */

    r = syscall(SYS_futex, word, shared ? op : op | FUTEX_PRIVATE_FLAG, val,
                timeout_or_val2, word2, val3);
    if (r < 0) {
        r = -errno;
        errno = saved;
    }
    return r;
}

static struct timespec to_timespec(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / 1000000000,
                             .tv_nsec = ns % 1000000000};
}

static bool is_refusal(long r)
{
    return r == -ENOSYS || r == -EPERM;
}

/* Without any futex: look at the word now and then.  Returning 0 early is
 * allowed, so a wake that leaves the word alone is found by the caller. */
static PAWL_COLD int poll_word(const pawl_u32 *word, uint32_t expected,
                               pawl_deadline until)
{
    int64_t pause = 50000;

    for (int round = 0; round < 8; round++) {
        struct timespec ts;
        int64_t left = until == PAWL_FOREVER ? pause : until - pawl_now();

        /* relaxed: a hint, as the kernel's own comparison. */
        if (pawl_load_relaxed(word) != expected)
            return -EAGAIN;
        if (left <= 0)
            return -ETIMEDOUT;
        ts = to_timespec(left < pause ? left : pause);
        if (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL) == EINTR)
            return -EINTR;
        pause = pause < 1000000 ? pause * 2 : 2000000;
    }
    return 0;
}

/* Without bitsets: the old call, whose time-out is relative. */
static PAWL_COLD long wait_relative(pawl_u32 *word, uint32_t expected,
                                    pawl_deadline until, bool shared)
{
    struct timespec ts;
    int64_t left;

    if (until == PAWL_FOREVER)
        return futex(word, FUTEX_WAIT, shared, expected, NULL, NULL, 0);
    left = until - pawl_now();
    if (left <= 0)
        return -ETIMEDOUT;
    ts = to_timespec(left);
    return futex(word, FUTEX_WAIT, shared, expected, &ts, NULL, 0);
}

static int wait_alone(pawl_u32 *word, uint32_t expected, pawl_deadline until,
                      bool shared, uint32_t channels)
{
    long r = -ENOSYS;

    if (until <= 0)
        return -ETIMEDOUT; /* the kernel would call it -EINVAL */
    if (pawl_unlikely(!is_refused(KNOWN)))
        pawl_futex_read_environment();
    if (!is_refused(NO_BITSET | NO_FUTEX)) {
        struct timespec ts = to_timespec(until);

        r = futex(word, FUTEX_WAIT_BITSET, shared, expected,
                  until == PAWL_FOREVER ? NULL : &ts, NULL, channels);
        if (is_refusal(r))
            refuse(NO_BITSET);
    }
    if (is_refusal(r) && !is_refused(NO_FUTEX)) {
        r = wait_relative(word, expected, until, shared);
        if (is_refusal(r))
            refuse(NO_FUTEX);
    }
    if (is_refusal(r))
        return poll_word(word, expected, until);
    return (int)r;
}

/* -- Several words ---------------------------------------------------------- */

/* Of this kernel interface, newer than some headers, the library has its own
 * description. */
#ifndef SYS_futex_waitv
#    define SYS_futex_waitv 449
#endif

struct waitv {
    uint64_t expected;
    uint64_t word;
    uint32_t flags;
    uint32_t reserved;
};

enum { WAITV_32_BITS = 2 };

bool pawl_futex_can_wait_any(void)
{
    return !is_refused(NO_WAITV | NO_FUTEX);
}

static int wait_any(const struct pawl_watch *watch, size_t n,
                    pawl_deadline until)
{
    struct waitv v[PAWL_WATCH_MAX];
    struct timespec ts = to_timespec(until);
    int saved = errno; /* pawl never changes errno */
    long r;

    if (until <= 0)
        return -ETIMEDOUT; /* the kernel would call it -EINVAL */
    for (size_t i = 0; i < n; i++)
        v[i] = (struct waitv){
            .expected = watch[i].expected,
            .word = (uintptr_t)watch[i].word,
            .flags = WAITV_32_BITS |
                     (watch[i].shared ? 0u : (unsigned)FUTEX_PRIVATE_FLAG),
        };
    r = syscall(SYS_futex_waitv, v, n, 0L, until == PAWL_FOREVER ? NULL : &ts,
                CLOCK_MONOTONIC);
    if (r >= 0)
        return 0;
    r = -errno;
    errno = saved;
    if (is_refusal(r) || r == -EINVAL) {
        refuse(NO_WAITV);
        return -ENOSYS;
    }
    if (r == -ENOMEM) { /* it copies the list: pause, and let them look */
        pawl_deadline soon = pawl_after_ms(1);

        r = poll_word(watch[0].word, watch[0].expected,
                      soon < until ? soon : until);
        if (r == -ETIMEDOUT && soon < until)
            r = 0;
    }
    return (int)r;
}

/* -- Interruptible sleep ----------------------------------------------------- */

/* Sleep on the word and on the thread's stop word at once.  That the kernel can
 * do only without channels; otherwise, who asks for the stop wakes all who sleep
 * on the word, and as it may come too early, the sleeper looks again himself after
 * a while. */
#define LOOK_AGAIN_NS INT64_C(50000000)

static bool is_stopped(struct pawl_interrupt *in)
{
    /* seq_cst: D of the drawing in stop.c. */
    if ((pawl_load64_seq(&in->stop) & PAWL_STOP) == 0)
        return false;
    pawl_self_.interrupted = true;
    return true;
}

bool pawl_futex_is_stopped(void)
{
    return pawl_self_.interruptible != 0 && is_stopped(pawl_self_.interrupt);
}

static int wait_and_listen(struct pawl_interrupt *in, pawl_u32 *word,
                           uint32_t expected, pawl_deadline until, bool shared,
                           uint32_t channels)
{
    pawl_deadline look_at = pawl_after_ns(LOOK_AGAIN_NS);
    pawl_deadline end = look_at < until ? look_at : until;
    int err;

    /* seq_cst: C of the drawing in stop.c. */
    pawl_swap64_seq(&in->bed, (uintptr_t)word | (shared ? PAWL_BED_SHARED : 0));
    err = is_stopped(in) ? -ETIMEDOUT
                         : wait_alone(word, expected, end, shared, channels);
    /* relaxed: a wake that comes too late is stray. */
    pawl_store64_relaxed(&in->bed, 0);
    /* As after a signal: an object may have been moved meanwhile. */
    return err == -ETIMEDOUT && end != until && !is_stopped(in) ? -EINTR : err;
}

static PAWL_COLD int wait_interruptibly(pawl_u32 *word, uint32_t expected,
                                        pawl_deadline until, bool shared,
                                        uint32_t channels)
{
    struct pawl_interrupt *in = pawl_self_.interrupt;
    struct pawl_watch both[2] = {
        {word, expected, shared},
        /* relaxed: the kernel compares it again. */
        {pawl_low_half(&in->stop), (uint32_t)pawl_load64_relaxed(&in->stop),
         false},
    };
    int err = -ENOSYS;

    if (is_stopped(in))
        return -ETIMEDOUT;
    if (channels == PAWL_CHANNEL_ANY && pawl_futex_can_wait_any())
        err = wait_any(both, 2, until);
    if (err == -ENOSYS)
        err = wait_and_listen(in, word, expected, until, shared, channels);
    return err;
}

static PAWL_COLD int wait_any_interruptibly(const struct pawl_watch *watch,
                                            size_t n, pawl_deadline until)
{
    struct pawl_interrupt *in = pawl_self_.interrupt;
    struct pawl_watch all[PAWL_WATCH_MAX];
    bool has_room = n < PAWL_WATCH_MAX;
    pawl_deadline look_at = pawl_after_ns(LOOK_AGAIN_NS);
    pawl_deadline end = has_room || until < look_at ? until : look_at;
    int err;

    memcpy(all, watch, n * sizeof *all);
    if (has_room)
        all[n] = (struct pawl_watch){
            pawl_low_half(&in->stop),
            /* relaxed: the kernel compares it again. */
            (uint32_t)pawl_load64_relaxed(&in->stop), false};
    if (is_stopped(in))
        return -ETIMEDOUT;
    err = wait_any(all, n + has_room, end);
    return err == -ETIMEDOUT && end != until && !is_stopped(in) ? -EINTR : err;
}

int pawl_futex_wait(pawl_u32 *word, uint32_t expected, pawl_deadline until,
                    bool shared, uint32_t channels)
{
    if (pawl_unlikely(pawl_self_.interruptible != 0))
        return wait_interruptibly(word, expected, until, shared, channels);
    return wait_alone(word, expected, until, shared, channels);
}

int pawl_futex_wait_any(const struct pawl_watch *watch, size_t n,
                        pawl_deadline until)
{
    if (pawl_unlikely(pawl_self_.interruptible != 0))
        return wait_any_interruptibly(watch, n, until);
    return wait_any(watch, n, until);
}

/* -- Waking ------------------------------------------------------------------ */

int pawl_futex_wake(pawl_u32 *word, int count, bool shared, uint32_t channels)
{
    long r = -ENOSYS;

    if (is_refused(NO_FUTEX))
        return 0; /* everybody polls */
    if (channels == PAWL_CHANNEL_ANY) {
        r = futex(word, FUTEX_WAKE, shared, (uint32_t)count, NULL, NULL, 0);
    } else if (!is_refused(NO_BITSET)) {
        r = futex(word, FUTEX_WAKE_BITSET, shared, (uint32_t)count, NULL, NULL,
                  channels);
        if (is_refusal(r))
            refuse(NO_BITSET);
    }
    /* Sleepers without channels can only be woken together: the one that is
     * meant is among them, the others look and sleep again. */
    if (is_refusal(r) && channels != PAWL_CHANNEL_ANY)
        r = futex(word, FUTEX_WAKE, shared, INT_MAX, NULL, NULL, 0);
    if (is_refusal(r))
        refuse(NO_FUTEX);
    return r > 0 ? (int)r
                 : 0; /* -EFAULT: the object is gone, and its waiters */
}

bool pawl_futex_requeue(pawl_u32 *from, uint32_t expected, int wake,
                        pawl_u32 *to, int move, bool shared)
{
    long r = -ENOSYS;

    if (!is_refused(NO_REQUEUE | NO_FUTEX)) {
        r = futex(from, FUTEX_CMP_REQUEUE, shared, (uint32_t)wake,
                  (const void *)(uintptr_t)move, to, expected);
        if (is_refusal(r))
            refuse(NO_REQUEUE);
    }
    if (r < 0) /* -EAGAIN: *from differs */
        r = pawl_futex_wake(from, move > INT_MAX - wake ? INT_MAX : wake + move,
                            shared, PAWL_CHANNEL_ANY);
    return r > 0;
}
