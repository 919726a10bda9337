/* SPDX-License-Identifier: MIT
 *
 * pawl/cond.h - the condition: wait for a change of what a mutex guards.
 *
 * Exact: notify(n) releases min(n, waiters) of those that wait at that moment,
 * the longest waiting first, and no others, now or later.  A wait returns 0 if
 * and only if a notify chose it: no spurious return, and a notification is
 * never swallowed by a waiter that is timing out.  Notified waiters are moved
 * to the mutex, so a broadcast is no stampede.
 *
 * Every call names the mutex, and the caller must hold it.  The first call ties
 * the condition to that mutex for life (by distance, so that both may be mapped
 * anywhere).  Several conditions may serve one mutex.  For a recursive mutex
 * pass `&r->base`: all its levels are released and restored.
 *
 * Between processes the order of release is best effort; all else holds.  When
 * the mutex becomes LOST, those who wait and are not notified are not woken
 * either: nobody can hold the mutex to tell them.
 *
 * Since 0.1.
 */
#ifndef PAWL_COND_H
#define PAWL_COND_H

#include <pawl/error.h>
#include <pawl/mutex.h>

PAWL_BEGIN_DECLS

/* All zero bytes is a valid local condition.  At most PAWL_COND_WAITERS_MAX
 * threads wait on one at a time. */
typedef struct pawl_cond {
    pawl_u32 word_;  /* all of these: see cond.c */
    pawl_u32 next_;  /* written under the mutex */
    pawl_u32 count_; /* written under the mutex */
    pawl_u32 mode_;  /* written under the mutex */
} pawl_cond;

#define PAWL_COND_WAITERS_MAX 65535

#define PAWL_COND_INIT PAWL_COND_INIT_FLAGS(0)
/* The same with PAWL_SHARED as a flag; it must be that of the mutex. */
#define PAWL_COND_INIT_FLAGS(flags)                                            \
    {                                                                          \
        {0}, {0}, {0},                                                         \
        {                                                                      \
            PAWL_CAST_(uint32_t, flags)                                                  \
        }                                                                      \
    }

/* Make *c a condition without waiters.  Returns 0; -EINVAL unknown flags. */
PAWL_API int pawl_cond_init(pawl_cond *c, unsigned flags);

/* Say that *c will not be used again.  Never waits.  Returns 0, or -EBUSY while
 * somebody waits on it. */
PAWL_API int pawl_cond_destroy(pawl_cond *c);

/* Release *m, wait to be notified, re-acquire *m.  With a deadline that has
 * passed, *m is released and re-acquired without sleeping.
 *
 * Returns    0                 notified.
 *            -ETIMEDOUT        `until` passed, and no notify chose the caller.
 *            -EOWNERDEAD       re-acquired after the death of a holder: as
 *                              pawl_mutex_lock.  Whether this wait was
 *                              notified is not told: look at your data.
 *            *m is held in all these cases.
 *            -ENOTRECOVERABLE  *m could not be re-acquired and is not held.
 *            -EPERM            the caller does not hold *m; nothing happened.
 *            -EINVAL           *m is ownerless, or is not the mutex that *c is
 *                              tied to, or differs in PAWL_SHARED.
 *            -EOVERFLOW        PAWL_COND_WAITERS_MAX threads wait already.
 * Order      release of *m, then acquire of *m.
 * Progress   blocking; only re-acquiring *m may overrun `until`.
 * Cost       one futex wait, or a short spin when it pays.
 */
PAWL_API PAWL_NODISCARD int pawl_cond_wait_until(pawl_cond *c, pawl_mutex *m,
                                                 pawl_deadline until);
/* All but -ETIMEDOUT. */
PAWL_API PAWL_NODISCARD int pawl_cond_wait(pawl_cond *c, pawl_mutex *m);
/* Give others a chance at *m, without sleeping: -EAGAIN unless notified. */
PAWL_API PAWL_NODISCARD int pawl_cond_try_wait(pawl_cond *c, pawl_mutex *m);

/* Wait until pred(arg) returns non-zero.  It is called with *m held: before any
 * wait, after every one, and once more after the deadline.
 *
 * Returns    0 it returned a positive value;  its negative value, as it is;
 *            -ETIMEDOUT, and every error of pawl_cond_wait_until.
 */
typedef int (*pawl_predicate_fn)(void *arg);
PAWL_API PAWL_NODISCARD int pawl_cond_wait_for(pawl_cond *c, pawl_mutex *m,
                                               pawl_predicate_fn pred,
                                               void *arg, pawl_deadline until);

/* The same with an expression: a statement that sets the int `err`.
 *
 *     PAWL_COND_WAIT_WHILE(err, &c, &m, until, count == 0);
 */
#define PAWL_COND_WAIT_WHILE(err, c, m, until, expr)                           \
    do {                                                                       \
        (err) = 0;                                                             \
        while ((err) == 0 && (expr))                                           \
            (err) = pawl_cond_wait_until((c), (m), (until));                   \
        if ((err) == -ETIMEDOUT && !(expr))                                    \
            (err) = 0;                                                         \
    } while (0)

/* Release up to n of the threads that wait on *c now.  They run once the caller
 * has released *m.
 *
 * Returns    0;  -EPERM the caller does not hold *m;  -EINVAL n < 0, or *m as
 *            above.
 * Progress   wait-free; never waits for a waiter, dead or alive.  In a region it
 *            passes over waiters that have ended, and what it gives to one that
 *            ends before it returns goes to another.
 * Cost       nobody waits: two loads.  Otherwise some stores; the system call
 *            that wakes is made by the unlock of *m.
 */
PAWL_API int pawl_cond_notify(pawl_cond *c, pawl_mutex *m, int n);
/* All of them. */
PAWL_API int pawl_cond_notify_all(pawl_cond *c, pawl_mutex *m);

/* How many threads wait and have not been notified: a snapshot. */
PAWL_API uint32_t pawl_cond_waiters(const pawl_cond *c);

PAWL_END_DECLS

#endif /* PAWL_COND_H */
