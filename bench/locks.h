/* SPDX-License-Identifier: MIT
 *
 * locks.h - the adaptors of plain locks written in C.  For each IMPL:
 *
 *   lock_t_IMPL  the type
 *   lock_init_IMPL, lock_take_IMPL, lock_give_IMPL, lock_try_IMPL (true: taken)
 *
 * Every result is checked, in all of them alike: an unchecked lock is no lock,
 * and a test of a register costs what it costs.
 */
#ifndef PAWL_BENCH_LOCKS_H
#define PAWL_BENCH_LOCKS_H

#include <pthread.h>
#include <threads.h>

#include <pawl/mutex.h>

#include "bench.h"

#ifdef PAWL_BENCH_NSYNC
#    include <nsync.h>
#endif

/* -- pawl ----------------------------------------------------------------- */

typedef pawl_mutex lock_t_pawl;

static inline void lock_init_pawl(lock_t_pawl *l)
{
    BENCH_CHECK(pawl_mutex_init(l, PAWL_LOCAL) == 0);
}

static inline void lock_take_pawl(lock_t_pawl *l)
{
    BENCH_CHECK(pawl_mutex_lock(l) == 0);
}

static inline void lock_give_pawl(lock_t_pawl *l)
{
    BENCH_CHECK(pawl_mutex_unlock(l) == 0);
}

static inline bool lock_try_pawl(lock_t_pawl *l)
{
    return pawl_mutex_try_lock(l) == 0;
}

/* -- pthread -------------------------------------------------------------- */

typedef pthread_mutex_t lock_t_pthread;

static inline void lock_init_pthread(lock_t_pthread *l)
{
    BENCH_CHECK(pthread_mutex_init(l, NULL) == 0);
}

static inline void lock_take_pthread(lock_t_pthread *l)
{
    BENCH_CHECK(pthread_mutex_lock(l) == 0);
}

static inline void lock_give_pthread(lock_t_pthread *l)
{
    BENCH_CHECK(pthread_mutex_unlock(l) == 0);
}

static inline bool lock_try_pthread(lock_t_pthread *l)
{
    return pthread_mutex_trylock(l) == 0;
}

/* -- C11 ------------------------------------------------------------------ */

typedef mtx_t lock_t_c11;

static inline void lock_init_c11(lock_t_c11 *l)
{
    BENCH_CHECK(mtx_init(l, mtx_plain) == thrd_success);
}

static inline void lock_take_c11(lock_t_c11 *l)
{
    BENCH_CHECK(mtx_lock(l) == thrd_success);
}

static inline void lock_give_c11(lock_t_c11 *l)
{
    BENCH_CHECK(mtx_unlock(l) == thrd_success);
}

static inline bool lock_try_c11(lock_t_c11 *l)
{
    return mtx_trylock(l) == thrd_success;
}

/* -- nsync ---------------------------------------------------------------- */

#ifdef PAWL_BENCH_NSYNC
typedef nsync_mu lock_t_nsync;

static inline void lock_init_nsync(lock_t_nsync *l)
{
    nsync_mu_init(l);
}

static inline void lock_take_nsync(lock_t_nsync *l)
{
    nsync_mu_lock(l);
}

static inline void lock_give_nsync(lock_t_nsync *l)
{
    nsync_mu_unlock(l);
}

static inline bool lock_try_nsync(lock_t_nsync *l)
{
    return nsync_mu_trylock(l) != 0;
}
#endif

#endif /* PAWL_BENCH_LOCKS_H */
