/* SPDX-License-Identifier: MIT
 *
 * bench_mutex.c - the mutex: alone, contended by two, and by a crowd.
 */
#include <pawl/time.h>

#include "locks.h"

#define OBJECT mutex

#define IMPL pawl
#include "mutex_cases.h"
#undef IMPL

#define IMPL pthread
#include "mutex_cases.h"
#undef IMPL

#define IMPL c11
#include "mutex_cases.h"
#undef IMPL

#ifdef PAWL_BENCH_NSYNC
#    define IMPL nsync
#    include "mutex_cases.h"
#    undef IMPL
#endif

/* -- variants of one implementation --------------------------------------- */

typedef pawl_mutex lock_t_pawl_ownerless;

static inline void lock_init_pawl_ownerless(lock_t_pawl_ownerless *l)
{
    BENCH_CHECK(pawl_mutex_init(l, PAWL_OWNERLESS) == 0);
}

#define lock_take_pawl_ownerless lock_take_pawl
#define lock_give_pawl_ownerless lock_give_pawl
#define lock_try_pawl_ownerless lock_try_pawl

#define IMPL pawl_ownerless
#include "mutex_cases.h"
#undef IMPL

typedef pthread_mutex_t lock_t_pthread_adaptive;

static inline void lock_init_pthread_adaptive(lock_t_pthread_adaptive *l)
{
    pthread_mutexattr_t attr;
    BENCH_CHECK(pthread_mutexattr_init(&attr) == 0);
    BENCH_CHECK(pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP) ==
                0);
    BENCH_CHECK(pthread_mutex_init(l, &attr) == 0);
    BENCH_CHECK(pthread_mutexattr_destroy(&attr) == 0);
}

#define lock_take_pthread_adaptive lock_take_pthread
#define lock_give_pthread_adaptive lock_give_pthread
#define lock_try_pthread_adaptive lock_try_pthread

#define IMPL pthread_adaptive
#include "mutex_cases.h"
#undef IMPL

/* -- loops of their own --------------------------------------------------- */

/* The deadline is far away and never looked at: what is measured is what a
 * deadline costs when the lock is free. */
static void timed_pawl(bench_state *b, const struct bench_spec *spec)
{
    BENCH_ALIGNED pawl_mutex m = PAWL_MUTEX_INIT;
    pawl_deadline until = pawl_after_s(3600);
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++) {
            BENCH_CHECK(pawl_mutex_lock_until(&m, until) == 0);
            lock_give_pawl(&m);
        }
    }
}

static void timed_pthread(bench_state *b, const struct bench_spec *spec)
{
    BENCH_ALIGNED pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += 3600;
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++) {
            BENCH_CHECK(pthread_mutex_clocklock(&m, CLOCK_MONOTONIC, &until) ==
                        0);
            lock_give_pthread(&m);
        }
    }
}

/* The owned mutex of pawl reports the death of its holder, so its twin between
 * processes is the robust one. */
static void shared_pawl(bench_state *b, const struct bench_spec *spec)
{
    BENCH_ALIGNED pawl_mutex m = PAWL_MUTEX_INIT_FLAGS(PAWL_SHARED);
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++) {
            lock_take_pawl(&m);
            lock_give_pawl(&m);
        }
    }
}

static void shared_pthread(bench_state *b, const struct bench_spec *spec)
{
    BENCH_ALIGNED pthread_mutex_t m;
    pthread_mutexattr_t attr;
    BENCH_CHECK(pthread_mutexattr_init(&attr) == 0);
    BENCH_CHECK(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) ==
                0);
    BENCH_CHECK(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) == 0);
    BENCH_CHECK(pthread_mutex_init(&m, &attr) == 0);
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++) {
            lock_take_pthread(&m);
            lock_give_pthread(&m);
        }
    }
    BENCH_CHECK(pthread_mutexattr_destroy(&attr) == 0);
}

static void add_loop(const char *scenario, const char *impl, bench_fn *fn)
{
    struct bench_spec s = bench_row("mutex", scenario, impl, fn);
    s.flags = BENCH_KEY;
    bench_add(&s);
}

void bench_mutex(void)
{
    add_mutex_pawl(MUTEX_ALL);
    add_mutex_pthread(MUTEX_ALL);
    add_mutex_pthread_adaptive(MUTEX_LOOPS | MUTEX_PINNED);
    add_mutex_pawl_ownerless(MUTEX_LOOPS | MUTEX_PINNED);
    add_mutex_c11(MUTEX_LOOPS);
#ifdef PAWL_BENCH_NSYNC
    add_mutex_nsync(MUTEX_LOOPS | MUTEX_PINNED);
#endif
    add_loop("timed", "pawl", timed_pawl);
    add_loop("timed", "pthread", timed_pthread);
    add_loop("shared_robust", "pawl", shared_pawl);
    add_loop("shared_robust", "pthread", shared_pthread);
}
