/* SPDX-License-Identifier: MIT
 *
 * pawl/eventcount.h - the event count: sleeping and waking for structures that
 * have no lock.
 *
 * A condition without the mutex.  Who changes the structure changes it first
 * and then notifies; who finds nothing to do says that it is about to wait,
 * looks once more, and sleeps unless somebody has notified since it said so:
 *
 *     producer                       consumer
 *
 *     push(stack, item);             while (!pop(stack, &item)) {
 *     pawl_eventcount_notify(&ec, 1);    key = pawl_eventcount_prepare(&ec);
 *                                        if (pop(stack, &item)) {
 *                                            pawl_eventcount_cancel(&ec, key);
 *                                            break;
 *                                        }
 *                                        pawl_eventcount_wait(&ec, key);
 *                                    }
 *
 * Contract: the change before notify, and the look between prepare and wait,
 * are seq_cst operations (the default of C11 atomics) on the same word; on any
 * other order a wake-up may be lost.  A waiter that was woken looks at the
 * structure at least once more, whatever wait returned, or passes the wake on
 * with notify(ec, 1): a wake that nobody uses may have been somebody else's.
 *
 *    63     62 61                    32 31                               0
 *   +---------+------------------------+----------------------------------+
 *   |  marks  |  waiters: at least as  |  epoch: notifications that found |
 *   |         |  many as wait, and     |  a waiter                        |
 *   |         |  were not woken        |                                  |
 *   +---------+------------------------+----------------------------------+
 *
 * The marks say that somebody watches by a wait set or an fd (pawl/wait.h): who
 * watches takes no wake from those who wait.
 *
 * While nobody waits, notify is one load of a line that nobody writes.  As many
 * wakes are given as there are notifications and waiters, never more: notify
 * takes those whom it wakes off the count, so 64 changes in a row wake one
 * sleeper with one system call.  Waiters leave nothing behind that notify
 * depends on: one that was killed costs one vain system call.  With PAWL_SHARED,
 * where a process may be killed with a wake that it has not used, or before it has
 * given one, a wait ends after 50 ms as if notified.
 *
 * A waiter that is stopped between prepare and wait, while exactly a multiple
 * of 2^32 notifications find a waiter, sleeps although it was notified.
 *
 * Source: the event count of Reed and Kanodia (1979), with the count of waiters
 * that Vyukov gave it (2008).
 *
 * Since 0.1.
 */
#ifndef PAWL_EVENTCOUNT_H
#define PAWL_EVENTCOUNT_H

#include <pawl/base.h>
#include <pawl/time.h>

PAWL_BEGIN_DECLS

/* All zero bytes is a valid local event count. */
typedef struct pawl_eventcount {
    pawl_u64 word_;
    uint32_t mode_; /* constant after init */
    pawl_u32 watched_; /* what wait sets sleep on */
} pawl_eventcount;

#define PAWL_EVENTCOUNT_INIT PAWL_EVENTCOUNT_INIT_FLAGS(0)
/* The same with PAWL_SHARED as a flag. */
#define PAWL_EVENTCOUNT_INIT_FLAGS(flags)                                      \
    {                                                                          \
        {0}, PAWL_CAST_(uint32_t, flags), {0}                                  \
    }

/* Make *ec an event count that nobody waits for.
 *
 * Returns    0;  -EINVAL unknown flags.
 */
PAWL_API int pawl_eventcount_init(pawl_eventcount *ec, unsigned flags);

/* Say that the caller is about to wait.  Ends with wait, or with cancel.
 *
 * Returns    the key for wait and cancel.
 * Order      seq_cst: a change that the look after this does not see notifies
 *            after this, and finds the caller.
 * Progress   wait-free; one locked instruction.
 */
PAWL_API PAWL_NODISCARD uint32_t pawl_eventcount_prepare(pawl_eventcount *ec);

/* Do not wait, because the look found what it wanted. */
PAWL_API void pawl_eventcount_cancel(pawl_eventcount *ec, uint32_t key);

/* Sleep until somebody notifies who did not when the caller called prepare.
 *
 * Returns    0: look again; the caller does not wait any more;
 *            -ETIMEDOUT: look once more, and give up.
 * Order      acquire: pairs with the release of notify.
 * Progress   blocking.
 */
PAWL_API PAWL_NODISCARD int
pawl_eventcount_wait_until(pawl_eventcount *ec, uint32_t key,
                           pawl_deadline until);
PAWL_API int pawl_eventcount_wait(pawl_eventcount *ec, uint32_t key);

/* Wake n of those who wait, the longest asleep first, or as many as there are;
 * n < 1 does nothing.
 *
 * Order      seq_cst, release when somebody waits.
 * Progress   lock-free, but for one futex wake if somebody waits.
 * Cost       nobody waits: one load.
 * Contexts   any, signal handlers included.
 */
PAWL_API void pawl_eventcount_notify(pawl_eventcount *ec, int n);
PAWL_API void pawl_eventcount_notify_all(pawl_eventcount *ec);

PAWL_END_DECLS

#endif /* PAWL_EVENTCOUNT_H */
