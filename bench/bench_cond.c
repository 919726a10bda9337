/* SPDX-License-Identifier: MIT
 *
 * bench_cond.c - the condition: hand-over, broadcast, and a bounded buffer.
 */
#include <pawl/cond.h>

#include "locks.h"

#define OBJECT cond

typedef pawl_cond cond_cond_pawl;

static inline void cond_init_cond_pawl(cond_cond_pawl *c)
{
    BENCH_CHECK(pawl_cond_init(c, PAWL_LOCAL) == 0);
}

static inline void cond_wait_cond_pawl(cond_cond_pawl *c, lock_t_pawl *l)
{
    BENCH_CHECK(pawl_cond_wait(c, l) == 0);
}

static inline void cond_give_one_cond_pawl(cond_cond_pawl *c, lock_t_pawl *l)
{
    BENCH_CHECK(pawl_cond_notify(c, l, 1) == 0);
    lock_give_pawl(l);
}

static inline void cond_give_all_cond_pawl(cond_cond_pawl *c, lock_t_pawl *l)
{
    BENCH_CHECK(pawl_cond_notify_all(c, l) == 0);
    lock_give_pawl(l);
}

#define IMPL pawl
#include "cond_cases.h"
#undef IMPL

typedef pthread_cond_t cond_cond_pthread;

static inline void cond_init_cond_pthread(cond_cond_pthread *c)
{
    BENCH_CHECK(pthread_cond_init(c, NULL) == 0);
}

static inline void cond_wait_cond_pthread(cond_cond_pthread *c,
                                          lock_t_pthread *l)
{
    BENCH_CHECK(pthread_cond_wait(c, l) == 0);
}

/* Unlock first: glibc does not move waiters to the lock, so one that is woken
 * under the lock runs into it. */
static inline void cond_give_one_cond_pthread(cond_cond_pthread *c,
                                              lock_t_pthread *l)
{
    lock_give_pthread(l);
    BENCH_CHECK(pthread_cond_signal(c) == 0);
}

static inline void cond_give_all_cond_pthread(cond_cond_pthread *c,
                                              lock_t_pthread *l)
{
    lock_give_pthread(l);
    BENCH_CHECK(pthread_cond_broadcast(c) == 0);
}

#define IMPL pthread
#include "cond_cases.h"
#undef IMPL

/* The same, signalled under the lock: the other common way to write it. */
#define lock_t_pthread_inside lock_t_pthread
#define lock_init_pthread_inside lock_init_pthread
#define lock_take_pthread_inside lock_take_pthread
#define lock_give_pthread_inside lock_give_pthread
#define cond_cond_pthread_inside cond_cond_pthread
#define cond_init_cond_pthread_inside cond_init_cond_pthread
#define cond_wait_cond_pthread_inside cond_wait_cond_pthread

static inline void cond_give_one_cond_pthread_inside(cond_cond_pthread *c,
                                                     lock_t_pthread *l)
{
    BENCH_CHECK(pthread_cond_signal(c) == 0);
    lock_give_pthread(l);
}

static inline void cond_give_all_cond_pthread_inside(cond_cond_pthread *c,
                                                     lock_t_pthread *l)
{
    BENCH_CHECK(pthread_cond_broadcast(c) == 0);
    lock_give_pthread(l);
}

#define IMPL pthread_inside
#include "cond_cases.h"
#undef IMPL

#ifdef PAWL_BENCH_NSYNC
typedef nsync_cv cond_cond_nsync;

static inline void cond_init_cond_nsync(cond_cond_nsync *c)
{
    nsync_cv_init(c);
}

static inline void cond_wait_cond_nsync(cond_cond_nsync *c, lock_t_nsync *l)
{
    nsync_cv_wait(c, l);
}

static inline void cond_give_one_cond_nsync(cond_cond_nsync *c, lock_t_nsync *l)
{
    nsync_cv_signal(c);
    lock_give_nsync(l);
}

static inline void cond_give_all_cond_nsync(cond_cond_nsync *c, lock_t_nsync *l)
{
    nsync_cv_broadcast(c);
    lock_give_nsync(l);
}

#    define IMPL nsync
#    include "cond_cases.h"
#    undef IMPL
#endif

void bench_cond(void)
{
    add_cond_pawl();
    add_cond_pthread();
    add_cond_pthread_inside();
#ifdef PAWL_BENCH_NSYNC
    add_cond_nsync();
#endif
}
