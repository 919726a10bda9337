/* SPDX-License-Identifier: MIT
 *
 * pawl/sem.h - the counting semaphore, bounded or not.
 *
 * Permits have no owner: any thread may release.  n permits are taken or given
 * at once, all or nothing.  A waiter that has slept for a millisecond claims
 * the permits that come in until it has all it wants, so that neither a large
 * request nor an unlucky thread starves behind small and lucky ones.  In a region
 * (pawl/region.h) a waiter that is killed is forgotten, with its claim; the permits
 * that a dead thread has taken are not given back: see pawl/ledger.h for that.
 *
 * Memory: release touches *s for the last time in the atomic operation that
 * gives the permits, and the last waiter may free it as soon as it has its own.
 *
 * Since 0.1.
 */
#ifndef PAWL_SEM_H
#define PAWL_SEM_H

#include <pawl/base.h>
#include <pawl/time.h>

PAWL_BEGIN_DECLS

/* All zero bytes is a valid local semaphore without permits. */
typedef struct pawl_sem {
    pawl_u64 word_; /* value, waiters, marks: see sem.c */
    uint32_t max_;  /* constant after init; 0 = PAWL_SEM_MAX */
    uint32_t mode_; /* constant after init */
} pawl_sem;

/* The greatest value and bound. */
#define PAWL_SEM_MAX INT32_MAX

/* `value` must be 0..PAWL_SEM_MAX. */
#define PAWL_SEM_INIT(value) PAWL_SEM_INIT_FLAGS(value, 0)
/* The same with PAWL_SHARED as a flag. */
#define PAWL_SEM_INIT_FLAGS(value, flags)                                      \
    {                                                                          \
        {PAWL_CAST_(uint64_t, value)}, 0, PAWL_CAST_(uint32_t, flags)                              \
    }

/* Make *s a semaphore with `value` permits, and no bound but PAWL_SEM_MAX.
 *
 * Returns    0;  -EINVAL value outside 0..PAWL_SEM_MAX, or unknown flags.
 */
PAWL_API int pawl_sem_init(pawl_sem *s, int value, unsigned flags);

/* The same with a bound: no release makes the value greater than `max`.  A
 * bound of 0 is legal: nothing can be acquired or released.
 *
 * Returns    0;  -EINVAL value outside 0..max, max outside 0..PAWL_SEM_MAX, or
 *            unknown flags.
 */
PAWL_API int pawl_sem_init_bounded(pawl_sem *s, int value, int max,
                                   unsigned flags);

/* Say that *s will not be used again.  Returns 0; -EBUSY somebody waits. */
PAWL_API int pawl_sem_destroy(pawl_sem *s);

/* Take n permits at once, waiting no later than `until`.
 *
 * Returns    0;  -ETIMEDOUT none was taken;  -EINVAL n < 1, or n > 1 and
 *            greater than the bound.
 * Order      acquire: sees what was done before the releases it draws on.
 * Progress   blocking.
 * Cost       permits there: one atomic read-modify-write.
 */
PAWL_API PAWL_NODISCARD int pawl_sem_acquire_n_until(pawl_sem *s, int n,
                                                     pawl_deadline until);
PAWL_API PAWL_NODISCARD int pawl_sem_acquire_n(pawl_sem *s, int n);
/* -EAGAIN when fewer than n are free, or a starving waiter claims them. */
PAWL_API PAWL_NODISCARD int pawl_sem_try_acquire_n(pawl_sem *s, int n);

/* One permit. */
PAWL_API PAWL_NODISCARD int pawl_sem_acquire_until(pawl_sem *s,
                                                   pawl_deadline until);
PAWL_API PAWL_NODISCARD int pawl_sem_acquire(pawl_sem *s);
PAWL_API PAWL_NODISCARD int pawl_sem_try_acquire(pawl_sem *s);

/* Give n permits at once and wake up to n waiters.
 *
 * Returns    0;  -EINVAL n < 1;  -EOVERFLOW the value would exceed the bound:
 *            then none is added.  Check and addition are one atomic step.
 * Order      release.
 * Progress   lock-free, but for one futex wake if somebody sleeps.
 * Contexts   any, signal handlers included.
 */
PAWL_API int pawl_sem_release_n(pawl_sem *s, int n);
PAWL_API int pawl_sem_release(pawl_sem *s);

/* Snapshots: permits free, threads asleep. */
PAWL_API int pawl_sem_value(const pawl_sem *s);
PAWL_API int pawl_sem_waiters(const pawl_sem *s);

/* Scope guard for one permit, as PAWL_MUTEX_GUARD. */
typedef struct pawl_sem_guard {
    pawl_sem *sem; /* NULL when no permit was taken */
    int err;
} pawl_sem_guard;

PAWL_API pawl_sem_guard pawl_sem_guard_make(pawl_sem *s, pawl_deadline until);
PAWL_API void pawl_sem_guard_end(pawl_sem_guard *g);

#define PAWL_SEM_GUARD(name, s) PAWL_SEM_GUARD_UNTIL(name, s, PAWL_FOREVER)
#define PAWL_SEM_GUARD_UNTIL(name, s, until)                                   \
    __attribute__((cleanup(pawl_sem_guard_end), unused)) pawl_sem_guard name =         \
        pawl_sem_guard_make((s), (until))

PAWL_END_DECLS

#endif /* PAWL_SEM_H */
