/* SPDX-License-Identifier: MIT
 *
 * eventcount.c - the event count of pawl/eventcount.h, where the word is drawn.
 *
 *   consumer                          producer
 *   counts itself         (A)         changes the structure  (C)
 *   looks at it           (B)         reads the count        (D)
 *
 * A, B, C, D are seq_cst: it cannot be that B misses the change and D the
 * consumer.  If D sees it, the epoch moves on, so that a consumer which does not
 * sleep yet will not, and one that does is woken.
 *
 * I1  The waiters counted are at least the threads that sleep, or may go to
 *     sleep, under the epoch that stands in the word.
 *
 * A thread is counted by prepare.  It takes itself off again only while the
 * epoch is still its own: if the epoch has moved, a notification may have taken
 * it off already, and a count that is too high costs one vain system call, while
 * one that is too low loses a wake-up.  What is too high is corrected when a
 * wake finds fewer sleepers than it was meant for: those who are counted then
 * belong to older epochs, for which nobody can go to sleep any more.
 *
 * A waiter of another process may be killed with a wake that it has not used, and a
 * notifier between its change and the wake.  So waiters between processes look again
 * after a while, as if they had been notified.
 *
 * Wait sets are no waiters: they sleep on a word of their own, watched_, and are
 * all woken, by the first notification after the last of them has left its mark.
 * So a wait set that does not want what has come takes no wake from a waiter.
 *
 *   wait set                          notifier that finds the mark
 *   reads watched_        (1)         takes the mark away       (4)
 *   leaves its mark       (2)         watched_ += 1             (5)
 *   looks; sleeps on (1)  (3)         wakes all
 *
 * If 2 comes before 4, 5 comes after 1, so the sleep ends; if 4 comes first, the
 * mark stays for the next one.
 */
#include "futex/eventcount.h"

#include <pawl/error.h>

#include "base/tsan.h"
#include "futex/sys.h"
#include "futex/waitable.h"

#define WAITER PAWL_EVENTCOUNT_WAITER
#define WATCHED PAWL_EVENTCOUNT_WATCHED
#define MARKS (PAWL_EVENTCOUNT_WATCHED | PAWL_EVENTCOUNT_POLLED)

static bool is_shared(const pawl_eventcount *ec)
{
    return (ec->mode_ & PAWL_SHARED) != 0;
}

int pawl_eventcount_init(pawl_eventcount *ec, unsigned flags)
{
    if ((flags & ~(unsigned)PAWL_SHARED) != 0)
        return -EINVAL;
    ec->mode_ = flags;
    pawl_store64_relaxed(&ec->word_, 0);  /* relaxed: nobody uses it yet */
    pawl_store_relaxed(&ec->watched_, 0); /* relaxed: as above */
    return 0;
}

uint32_t pawl_eventcount_prepare(pawl_eventcount *ec)
{
    /* seq_cst: pairs with load64_seq in signal; see the top. */
    return (uint32_t)pawl_add64_seq(&ec->word_, WAITER);
}

void pawl_eventcount_cancel(pawl_eventcount *ec, uint32_t key)
{
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&ec->word_);

    /* relaxed: publishes nothing.  The count cannot be 0 here, by I1. */
    while ((uint32_t)seen == key &&
           !pawl_cas64_relaxed(&ec->word_, &seen, seen - WAITER))
        ;
}

int pawl_eventcount_wait_until(pawl_eventcount *ec, uint32_t key,
                               pawl_deadline until)
{
    int err = 0;

    /* acquire: pairs with cas64_release in wake. */
    while ((uint32_t)pawl_load64_acquire(&ec->word_) == key) {
        if (err == -ETIMEDOUT || err == -EAGAIN) { /* or time to look */
            pawl_eventcount_cancel(ec, key);
            if (err == -ETIMEDOUT)
                return err;
            break;
        }
        err = pawl_futex_doze(pawl_low_half(&ec->word_), key, until,
                              is_shared(ec), PAWL_CHANNEL_ANY);
    }
    pawl_tsan_acquire(ec);
    return 0;
}

int pawl_eventcount_wait(pawl_eventcount *ec, uint32_t key)
{
    return pawl_eventcount_wait_until(ec, key, PAWL_FOREVER);
}

/* `as` is what the word was made. */
static void wake_waiters(pawl_eventcount *ec, uint64_t as, uint32_t n)
{
    uint32_t woken = (uint32_t)pawl_futex_wake(
        pawl_low_half(&ec->word_), (int)n, is_shared(ec), PAWL_CHANNEL_ANY);

    /* relaxed: publishes nothing; fails if anybody was counted meanwhile. */
    if (woken < n && as >= WAITER)
        pawl_cas64_relaxed(&ec->word_, &as, (uint32_t)as);
}

uint64_t pawl_eventcount_wake(pawl_eventcount *ec, uint64_t seen, uint32_t n)
{
    uint64_t as;
    uint32_t k;

    pawl_tsan_release(ec);
    do {
        uint32_t waiters = (uint32_t)((seen & ~MARKS) / WAITER);

        if (waiters == 0 && (seen & MARKS) == 0)
            return 0;
        k = n < waiters ? n : waiters;
        as = ((seen & ~MARKS) - k * WAITER) & ~(uint64_t)UINT32_MAX;
        as |= (uint32_t)seen + (k > 0);
        /* release: pairs with load64_acquire in wait_until; acquire: with the
         * CAS in watch, for the fd that a mark is about. */
    } while (!pawl_cas64_acq_rel(&ec->word_, &seen, as));
    if (k > 0)
        wake_waiters(ec, as, k);
    if ((seen & WATCHED) != 0) {
        /* release: pairs with load_acquire in watch. */
        pawl_add_release(&ec->watched_, 1);
        pawl_watchers_wake(&ec->watched_, is_shared(ec));
    }
    return seen & MARKS;
}

void pawl_eventcount_watch(pawl_eventcount *ec, uint64_t mark,
                           struct pawl_watch *watch)
{
    uint64_t seen;

    /* acquire: pairs with add_release in wake: from here on the mark that it has
     * taken away is seen to be gone. */
    *watch = (struct pawl_watch){.word = &ec->watched_,
                                 .expected = pawl_load_acquire(&ec->watched_),
                                 .shared = is_shared(ec)};
    do {
        /* seq_cst: pairs with load64_seq in signal, as in prepare; a mark that
         * is there serves as well as one of our own. */
        seen = pawl_load64_seq(&ec->word_);
    } while ((seen & mark) == 0 &&
             !pawl_cas64_seq(&ec->word_, &seen, seen | mark));
}

void pawl_eventcount_notify(pawl_eventcount *ec, int n)
{
    if (n > 0)
        pawl_eventcount_signal(ec, (uint32_t)n);
}

void pawl_eventcount_notify_all(pawl_eventcount *ec)
{
    pawl_eventcount_signal(ec, UINT32_MAX);
}
