/* SPDX-License-Identifier: MIT
 *
 * model.h - scenarios for the explorer.
 *
 *     static struct {
 *         pawl_mutex m;
 *         int n;
 *     } s;
 *
 *     static void setup(void) { memset(&s, 0, sizeof s); MODEL_NAME(s.m); }
 *
 *     static void add(void)
 *     {
 *         CHECK_OK(pawl_mutex_lock(&s.m));
 *         MODEL_SET(s.n, MODEL_GET(s.n) + 1);
 *         CHECK_OK(pawl_mutex_unlock(&s.m));
 *     }
 *
 *     static void check(void) { CHECK(s.n == 2); }
 *
 *     MODEL(mutex.two_threads, .setup = setup, .threads = {add, add},
 *           .check = check)
 *
 * A file of scenarios is a program, which runs each under every schedule within
 * bounds, and under many random ones; see explore.c for its options.  setup and
 * check run before and after the threads, alone.  Threads are coroutines: each
 * atomic operation and each futex call is a point where another may go on.
 *
 * What a scenario fails by: a CHECK; a data race on what it accesses by
 * MODEL_GET and MODEL_SET; a deadlock; too many steps; use of freed memory.
 */
#ifndef MODEL_H
#define MODEL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <pawl/error.h>
#include <pawl/time.h>

#include "seam.h"

#define MODEL_THREADS 6

/* How far the exhaustive exploration goes.  A deviation from the schedule that
 * runs each thread until it blocks costs one of: */
struct model_bounds {
    int preemptions; /* a thread is interrupted although it could go on */
    int stale;       /* a load that is not of the newest value, or a store that
                        is not the newest in the order of its location */
    int events;      /* a time-out, a wake or a signal for no reason, a jump of
                        the clock, each although others could go on */
};

/* Whether the kernel can wait for several words at once. */
enum model_waitv {
    MODEL_WAITV,
    MODEL_WAITV_MISSES, /* and that is known */
    MODEL_WAITV_FAILS,  /* the first call finds out */
};

struct model_scenario {
    const char *name;
    void (*setup)(void);
    void (*threads[MODEL_THREADS])(void);
    void (*check)(void);
    const char *must_fail; /* the failure that must be found: begins so */
    uint32_t spin;         /* looks of a spinner; 0: nobody spins */
    uint32_t cpus;         /* CPUs + 1, as pawl_spin_cpus says; 0: two */
    bool one_cpu;          /* all threads seem to run on one CPU */
    enum model_waitv waitv;
    bool births;           /* threads have no ids before they need them */
    bool services;         /* threads that the library makes need not end */
    bool ends;             /* the program: a thread calls pawl_exit_run */
    bool free_seq;         /* seq_cst operations are in any order that C++20 allows,
                              not in that of execution */
    bool no_stray;         /* no wakes and signals without reason */
    bool looks;            /* that sleeps end after 50 ms is needed */
    bool weak_only;        /* must_fail: cannot be found without stale loads */
    const char *outcomes;  /* all that check may observe, and does: "00 01" */
    const char *const *regressions; /* choices that failed once; ends by NULL */
    struct model_bounds bounds;     /* within which it is exhausted, or fails;
                                       all zero: 2, 1, 1 */
    bool sampled;                   /* ... or not, for it takes too long */
    struct model_bounds also;        /* within which it is exhausted as well: more
                                        of one kind, less of another */
    struct model_bounds long_bounds; /* with --long; all zero: none */
    const struct model_scenario *next;
};

#define MODEL(scenario, ...) MODEL_AT_(#scenario, __LINE__, __VA_ARGS__)
#define MODEL_AT_(scenario, line, ...) MODEL_AT__(scenario, line, __VA_ARGS__)
#define MODEL_AT__(scenario, line, ...)                                        \
    static struct model_scenario model_scenario_##line = {.name = scenario,    \
                                                          __VA_ARGS__};        \
    __attribute__((constructor)) static void model_register_##line(void)       \
    {                                                                          \
        model_register(&model_scenario_##line);                                \
    }

void model_register(struct model_scenario *scenario);

/* -- Checks ------------------------------------------------------------------ */

__attribute__((noreturn, format(printf, 1, 2))) void
model_fail(const char *format, ...);

#define CHECK(cond)                                                            \
    ((cond) ? (void)0                                                          \
            : model_fail("check: %s:%d: %s", __FILE__, __LINE__, #cond))
#define CHECK_ERR(expr, want)                                                  \
    model_check_err(__FILE__, __LINE__, #expr, (expr), (want))
#define CHECK_OK(expr) CHECK_ERR(expr, 0)

void model_check_err(const char *file, int line, const char *expr, int got,
                     int want);

/* In the check of a litmus test: the outcome of this run. */
__attribute__((format(printf, 1, 2))) void model_observe(const char *format,
                                                         ...);

/* -- Plain data -------------------------------------------------------------- */

/* Reads and writes that must not race.  They are no points of the schedule. */
void model_read(const void *data);
void model_write(const void *data);

#define MODEL_GET(x) (model_read(&(x)), (x))
#define MODEL_SET(x, v) (model_write(&(x)), (void)((x) = (v)))

/* The library accesses this by atomic operations, but only under a lock: they
 * are treated as such reads and writes.  So there are far fewer schedules, and
 * an access without the lock is found. */
void model_guarded(const void *p, size_t size);
#define MODEL_GUARDED(x) model_guarded(&(x), sizeof(x))

/* A point of the schedule that touches nothing. */
void model_point(void);

/* What a lock guards: finds whoever is inside too, and whoever does not see what
 * was done inside before. */
static inline void model_section(int *n)
{
    int seen = MODEL_GET(*n);

    model_point();
    MODEL_SET(*n, seen + 1);
}

/* One of 0..n-1, all of which are explored. */
int model_choose(int n);

/* Whatever touches these bytes from now on fails. */
void model_free(const void *p, size_t size);

/* How many blocks of the library's memory are not freed. */
int model_heap_live(void);

/* Names for the trace. */
void model_name(const void *p, size_t size, const char *name);
#define MODEL_NAME(x) model_name(&(x), sizeof(x), #x)

/* -- Time, threads, processes ------------------------------------------------ */

/* A deadline that passes whenever the explorer likes: less than a millisecond
 * from the start, or later than all that the library waits for by itself. */
pawl_deadline model_soon(void);
pawl_deadline model_late(void);

/* The time of model_late has no meaning any more. */
void model_late_ends(void);

/* Which thread this is: its place in .threads; and how many stand there. */
int model_self(void);
int model_threads(void);

/* What a thread does next depends on what others have done, and they on what it
 * does now, although no operation tells: what a check compares by the time. */
void model_looks(void);

/* How many threads are in a futex wait. */
int model_sleepers(void);

/* Sleep until the descriptor of pawl_wait_fd is readable; what has been written
 * to it and not been read. */
void model_poll(int fd);
uint32_t model_fd_written(int fd);

/* The calling thread ends here, as a thread of a process does: what it holds is
 * orphaned. */
__attribute__((noreturn)) void model_die(void);

/* From now on the calling thread may be killed, at any of its steps, asleep, and
 * when it has been woken; or not any more.  What the kernel does to a thread with
 * a lifeline is done.  Or it is killed here. */
void model_mortal(bool is_so);
__attribute__((noreturn)) void model_kill(void);

/* Fork, and go on in the child: the other threads are not there. */
void model_fork(void);

/* After so many more threads, the system refuses the next n. */
void model_refuse_threads(uint32_t after, uint32_t n);

#endif /* MODEL_H */
