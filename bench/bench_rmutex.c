/* SPDX-License-Identifier: MIT
 *
 * bench_rmutex.c - the recursive mutex: once, and twice over.
 */
#include <pawl/rmutex.h>

#include "locks.h"

#define OBJECT rmutex

typedef pawl_rmutex lock_t_rmutex_pawl;

static inline void lock_init_rmutex_pawl(lock_t_rmutex_pawl *l)
{
    BENCH_CHECK(pawl_rmutex_init(l, PAWL_LOCAL) == 0);
}

static inline void lock_take_rmutex_pawl(lock_t_rmutex_pawl *l)
{
    BENCH_CHECK(pawl_rmutex_lock(l) == 0);
}

static inline void lock_give_rmutex_pawl(lock_t_rmutex_pawl *l)
{
    BENCH_CHECK(pawl_rmutex_unlock(l) == 0);
}

#define IMPL pawl
#include "rmutex_cases.h"
#undef IMPL

typedef pthread_mutex_t lock_t_rmutex_pthread;

static inline void lock_init_rmutex_pthread(lock_t_rmutex_pthread *l)
{
    pthread_mutexattr_t attr;
    BENCH_CHECK(pthread_mutexattr_init(&attr) == 0);
    BENCH_CHECK(pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE) == 0);
    BENCH_CHECK(pthread_mutex_init(l, &attr) == 0);
    BENCH_CHECK(pthread_mutexattr_destroy(&attr) == 0);
}

#define lock_take_rmutex_pthread lock_take_pthread
#define lock_give_rmutex_pthread lock_give_pthread

#define IMPL pthread
#include "rmutex_cases.h"
#undef IMPL

typedef mtx_t lock_t_rmutex_c11;

static inline void lock_init_rmutex_c11(lock_t_rmutex_c11 *l)
{
    BENCH_CHECK(mtx_init(l, mtx_plain | mtx_recursive) == thrd_success);
}

#define lock_take_rmutex_c11 lock_take_c11
#define lock_give_rmutex_c11 lock_give_c11

#define IMPL c11
#include "rmutex_cases.h"
#undef IMPL

void bench_rmutex(void)
{
    add_rmutex_pawl();
    add_rmutex_pthread();
    add_rmutex_c11();
}
