/* SPDX-License-Identifier: MIT
 *
 * bench_mutex.c - the mutex: alone, contended by two, and by a crowd.
 */
#include <sys/wait.h>
#include <unistd.h>

#include <pawl/region.h>
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

/* A shared mutex of pawl in a region reports the death of its holder, so its twin
 * between processes is the robust one. */
struct shared_locks {
    pawl_mutex pawl;
    pthread_mutex_t pthread;
    pawl_u32 over; /* the other process shall end */
};

static struct shared_locks *shared_begin(pawl_region **region)
{
    struct shared_locks *s;
    pthread_mutexattr_t attr;

    BENCH_CHECK(pawl_region_create(
                    region, &(pawl_region_options){.buffer = sizeof *s}) == 0);
    s = pawl_region_buffer(*region, NULL);
    BENCH_CHECK(pawl_mutex_init(&s->pawl, PAWL_SHARED) == 0);
    BENCH_CHECK(pthread_mutexattr_init(&attr) == 0);
    BENCH_CHECK(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) ==
                0);
    BENCH_CHECK(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) == 0);
    BENCH_CHECK(pthread_mutex_init(&s->pthread, &attr) == 0);
    BENCH_CHECK(pthread_mutexattr_destroy(&attr) == 0);
    return s;
}

static void shared_pair(struct shared_locks *s, bool is_pawl)
{
    if (is_pawl) {
        lock_take_pawl(&s->pawl);
        lock_give_pawl(&s->pawl);
    } else {
        lock_take_pthread(&s->pthread);
        lock_give_pthread(&s->pthread);
    }
}

static void shared_loop(bench_state *b, struct shared_locks *s, bool is_pawl)
{
    while (bench_batch(b, BENCH_BATCH))
        for (int i = 0; i < BENCH_BATCH; i++)
            shared_pair(s, is_pawl);
}

static void shared_alone(bench_state *b, bool is_pawl)
{
    pawl_region *region;

    shared_loop(b, shared_begin(&region), is_pawl);
    pawl_region_free(region);
}

/* Another process does the same all the time. */
static void shared_by_two(bench_state *b, bool is_pawl)
{
    pawl_region *region;
    struct shared_locks *s = shared_begin(&region);
    pid_t other = fork();

    if (other == 0) {
        while (__atomic_load_n(&s->over.v_, __ATOMIC_RELAXED) == 0)
            shared_pair(s, is_pawl);
        _exit(0);
    }
    BENCH_CHECK(other > 0);
    shared_loop(b, s, is_pawl);
    __atomic_store_n(&s->over.v_, 1, __ATOMIC_RELAXED);
    BENCH_CHECK(waitpid(other, NULL, 0) == other);
    pawl_region_free(region);
}

static void shared_pawl(bench_state *b, const struct bench_spec *spec)
{
    (void)spec;
    shared_alone(b, true);
}

static void shared_pthread(bench_state *b, const struct bench_spec *spec)
{
    (void)spec;
    shared_alone(b, false);
}

static void two_processes_pawl(bench_state *b, const struct bench_spec *spec)
{
    (void)spec;
    shared_by_two(b, true);
}

static void two_processes_pthread(bench_state *b, const struct bench_spec *spec)
{
    (void)spec;
    shared_by_two(b, false);
}

/* Outside a region deaths are not seen; the twin does not see them either. */
static void outside_pawl(bench_state *b, const struct bench_spec *spec)
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
    add_loop("shared_robust_two", "pawl", two_processes_pawl);
    add_loop("shared_robust_two", "pthread", two_processes_pthread);
    add_loop("shared", "pawl", outside_pawl);
}
