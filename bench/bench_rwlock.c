/* SPDX-License-Identifier: MIT
 *
 * bench_rwlock.c - the reader/writer lock, and plain locks in its place.
 */
#include <pawl/rwlock.h>

#include "locks.h"

#define OBJECT rwlock

typedef pawl_rwlock rw_rwlock_pawl;

static inline void rw_init_rwlock_pawl(rw_rwlock_pawl *l)
{
    BENCH_CHECK(pawl_rwlock_init(l, PAWL_LOCAL) == 0);
}

static inline void rw_read_rwlock_pawl(rw_rwlock_pawl *l)
{
    BENCH_CHECK(pawl_rwlock_read_lock(l) == 0);
}

static inline void rw_read_end_rwlock_pawl(rw_rwlock_pawl *l)
{
    BENCH_CHECK(pawl_rwlock_read_unlock(l) == 0);
}

static inline void rw_write_rwlock_pawl(rw_rwlock_pawl *l)
{
    BENCH_CHECK(pawl_rwlock_write_lock(l) == 0);
}

static inline void rw_write_end_rwlock_pawl(rw_rwlock_pawl *l)
{
    BENCH_CHECK(pawl_rwlock_write_unlock(l) == 0);
}

#define IMPL pawl
#include "rwlock_cases.h"
#undef IMPL

typedef pthread_rwlock_t rw_rwlock_pthread;

static inline void rw_init_rwlock_pthread(rw_rwlock_pthread *l)
{
    BENCH_CHECK(pthread_rwlock_init(l, NULL) == 0);
}

static inline void rw_read_rwlock_pthread(rw_rwlock_pthread *l)
{
    BENCH_CHECK(pthread_rwlock_rdlock(l) == 0);
}

static inline void rw_write_rwlock_pthread(rw_rwlock_pthread *l)
{
    BENCH_CHECK(pthread_rwlock_wrlock(l) == 0);
}

static inline void rw_write_end_rwlock_pthread(rw_rwlock_pthread *l)
{
    BENCH_CHECK(pthread_rwlock_unlock(l) == 0);
}

#define rw_read_end_rwlock_pthread rw_write_end_rwlock_pthread

#define IMPL pthread
#include "rwlock_cases.h"
#undef IMPL

/* glibc's other policy, which does not starve writers. */
#define rw_rwlock_pthread_writer rw_rwlock_pthread
#define rw_read_rwlock_pthread_writer rw_read_rwlock_pthread
#define rw_read_end_rwlock_pthread_writer rw_write_end_rwlock_pthread
#define rw_write_rwlock_pthread_writer rw_write_rwlock_pthread
#define rw_write_end_rwlock_pthread_writer rw_write_end_rwlock_pthread

static inline void rw_init_rwlock_pthread_writer(rw_rwlock_pthread *l)
{
    pthread_rwlockattr_t attr;
    BENCH_CHECK(pthread_rwlockattr_init(&attr) == 0);
    BENCH_CHECK(pthread_rwlockattr_setkind_np(
                    &attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0);
    BENCH_CHECK(pthread_rwlock_init(l, &attr) == 0);
    BENCH_CHECK(pthread_rwlockattr_destroy(&attr) == 0);
}

#define IMPL pthread_writer
#include "rwlock_cases.h"
#undef IMPL

/* -- plain locks in its place --------------------------------------------- */

#define rw_rwlock_pawl_mutex lock_t_pawl
#define rw_init_rwlock_pawl_mutex lock_init_pawl
#define rw_read_rwlock_pawl_mutex lock_take_pawl
#define rw_read_end_rwlock_pawl_mutex lock_give_pawl
#define rw_write_rwlock_pawl_mutex lock_take_pawl
#define rw_write_end_rwlock_pawl_mutex lock_give_pawl

#define IMPL pawl_mutex
#include "rwlock_cases.h"
#undef IMPL

#define rw_rwlock_pthread_mutex lock_t_pthread
#define rw_init_rwlock_pthread_mutex lock_init_pthread
#define rw_read_rwlock_pthread_mutex lock_take_pthread
#define rw_read_end_rwlock_pthread_mutex lock_give_pthread
#define rw_write_rwlock_pthread_mutex lock_take_pthread
#define rw_write_end_rwlock_pthread_mutex lock_give_pthread

#define IMPL pthread_mutex
#include "rwlock_cases.h"
#undef IMPL

#ifdef PAWL_BENCH_NSYNC
#    define rw_rwlock_nsync lock_t_nsync
#    define rw_init_rwlock_nsync lock_init_nsync
#    define rw_write_rwlock_nsync lock_take_nsync
#    define rw_write_end_rwlock_nsync lock_give_nsync
#    define rw_read_rwlock_nsync nsync_mu_rlock
#    define rw_read_end_rwlock_nsync nsync_mu_runlock

#    define IMPL nsync
#    include "rwlock_cases.h"
#    undef IMPL
#endif

void bench_rwlock(void)
{
    add_loops_rwlock_pawl();
    add_loops_rwlock_pthread();
    add_loops_rwlock_pthread_writer();
    add_mixes_rwlock_pawl();
    add_mixes_rwlock_pthread();
    add_mixes_rwlock_pthread_writer();
    add_mixes_rwlock_pawl_mutex();
    add_mixes_rwlock_pthread_mutex();
#ifdef PAWL_BENCH_NSYNC
    add_loops_rwlock_nsync();
    add_mixes_rwlock_nsync();
#endif
}
