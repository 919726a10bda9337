/* SPDX-License-Identifier: MIT
 *
 * bench.h - what a benchmark in C needs: Google Benchmark behind an opaque
 * state, crews of pinned threads, clocks, and calibrated busy work.
 *
 * A row is named <object>/<scenario>/<impl>[/threads].  Rows that differ in
 * <impl> only are twins; they are compiled from one body (the *_cases.h files),
 * once for each implementation, so every call is a direct one and the twins
 * differ only in the adaptor functions.  The bodies are common C and C++, for
 * some opponents exist in C++ only; hence __atomic builtins, not <stdatomic.h>.
 *
 * There are two kinds of rows:
 *   loops   the calling thread repeats an operation; Google Benchmark chooses
 *           how often, and takes the time;
 *   cells   (BENCH_CELL) a crew of new threads works for a fixed short time;
 *           the body says what one operation took.
 */
#ifndef PAWL_BENCH_H
#define PAWL_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "histogram.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_LINE 64 /* bytes kept apart, so that two words share no line */
#define BENCH_ALIGNED __attribute__((aligned(2 * BENCH_LINE)))

/* -- names made from OBJECT and IMPL, for the *_cases.h files ------------- */

#define BENCH_PASTE3_(a, b, c) a##_##b##_##c
#define BENCH_PASTE3(a, b, c) BENCH_PASTE3_(a, b, c)
#define BENCH_TEXT_(x) #x
#define BENCH_TEXT(x) BENCH_TEXT_(x)
/* NAME(wait) is wait_sem_pawl when OBJECT is sem and IMPL is pawl. */
#define NAME(name) BENCH_PASTE3(name, OBJECT, IMPL)
/* The adaptor of a lock serves several objects, so it names only IMPL. */
#define LOCK(name) BENCH_PASTE3(lock, name, IMPL)

/* -- rows ----------------------------------------------------------------- */

typedef struct bench_state bench_state;
struct bench_spec;
typedef void bench_fn(bench_state *b, const struct bench_spec *spec);

enum bench_flags {
    BENCH_KEY = 1,    /* has a bar of its own: repeated most often */
    BENCH_CELL = 2,   /* runs once a repetition, reports its own time */
    BENCH_SINGLE = 4, /* only while the process has a single thread */
    BENCH_LONG = 8,   /* a cell of five times the usual length */
};

enum bench_place {
    PLACE_FREE,   /* the scheduler decides */
    PLACE_SPREAD, /* thread t on the CPU t modulo their number */
    PLACE_SAME,   /* all on one CPU */
};

struct bench_spec {
    const char *object;
    const char *scenario;
    const char *impl;
    bench_fn *fn;
    unsigned flags;
    unsigned threads; /* of a crew; part of the name unless 0 */
    enum bench_place place;
    /* Parameters, meant by each body in its own way. */
    unsigned cs_ns;  /* work inside the lock */
    unsigned nc_ns;  /* work outside */
    unsigned writes; /* per cent */
    unsigned pending; /* timers, in thousands */
    unsigned sample; /* time every sample-th acquisition; a power of two */
};

/* A loop row, to be changed and then given to bench_add, which copies it. */
struct bench_spec bench_row(const char *object, const char *scenario,
                            const char *impl, bench_fn *fn);
void bench_add(const struct bench_spec *spec);

/* True while there are n more operations to do; the loop of a loop row.  A call
 * for each operation would cost 1 ns, hence batches. */
bool bench_batch(bench_state *b, int64_t n);
#define BENCH_BATCH 1000

/* What one operation of a cell took, in nanoseconds, and other figures. */
void bench_result(bench_state *b, double ns);
void bench_counter(bench_state *b, const char *name, double value);
/* The row did not run; why. */
void bench_skip(bench_state *b, const char *why);

/* A wrong result is no measurement. */
__attribute__((noreturn, cold)) void bench_die(const char *what);
#define BENCH_CHECK(cond)                                                      \
    do {                                                                       \
        if (__builtin_expect(!(cond), 0))                                      \
            bench_die(#cond);                                                  \
    } while (0)

/* Not every implementation registers all cases. */
#define BENCH_UNUSED __attribute__((unused))

/* The compiler may not drop the computation of `value`. */
#define BENCH_KEEP(value) __asm__ volatile("" : : "g"(value) : "memory")

/* -- time and work (crew.c) ----------------------------------------------- */

/* The cheapest clock there is: a duration costs two reads, and a clock_gettime
 * is longer than many of the operations measured here. */
static inline uint64_t bench_ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks) : : "memory");
    return ticks;
#else
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
#endif
}

static inline void bench_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" : : : "memory");
#endif
}

extern double bench_ns_per_tick;

/* Calibrate the clock and the work, find the CPUs; before any row. */
void bench_prepare(int64_t cell_ns);
unsigned bench_cpus(void); /* how many this process may use */
/* The calling thread is the n-th in that place, from now on. */
void bench_take_place(enum bench_place place, unsigned n);
int64_t bench_cell_ns(void); /* how long a cell is to work */

/* Start a thread that sleeps for ever.  libc drops the locked instructions of
 * its locks while a process has one thread, so the twins of a multi-threaded
 * program are only compared fairly when there are two. */
void bench_start_companion(void);

/* Busy work: turns of an empty loop, kept out of line so that every caller runs
 * the very same instructions. */
uint64_t bench_turns(unsigned ns);
void bench_work(uint64_t turns);

/* -- crews (crew.c) ------------------------------------------------------- */

struct crew;

struct worker {
    struct crew *crew;
    unsigned index;
    uint64_t ops;        /* what the body counts */
    uint64_t cpu_ns;     /* CPU time it took */
    uint64_t start, end; /* ticks */
    uint64_t random;
    struct histogram wait; /* ticks; what the body times */
    struct histogram other;
} BENCH_ALIGNED;

/* Threads that start together, work until told to stop, and are counted. */
struct crew {
    const struct bench_spec *spec;
    void (*body)(struct worker *w);
    void *shared; /* what they work on */
    bool own_end; /* the bodies return by themselves */
    struct worker *workers;
    double ns;                    /* from the first start to the last end */
    struct histogram wait, other; /* merged */
    uint64_t ops;
    unsigned arrived BENCH_ALIGNED; /* then go and stop: atomics */
    unsigned go BENCH_ALIGNED;
    unsigned stop;
};

void crew_init(struct crew *c, void (*body)(struct worker *w), void *shared);

/* Run `body` in spec->threads new threads.  False, and the row is skipped, if
 * this machine cannot run them as asked. */
bool crew_run(struct crew *c, bench_state *b, const struct bench_spec *spec);
void crew_free(struct crew *c);

/* Report the time of one operation, its CPU time, and the waits. */
void crew_report(const struct crew *c, bench_state *b);
/* Operations of the slowest thread over those of the fastest. */
void crew_fairness(const struct crew *c, bench_state *b);
/* The percentiles of a histogram of ticks, as counters <prefix>p50 etc. */
void crew_percentiles(bench_state *b, const struct histogram *h,
                      const char *prefix);

static inline bool worker_goes_on(const struct worker *w)
{
    return !__atomic_load_n(&w->crew->stop, __ATOMIC_RELAXED);
}

static inline uint64_t worker_random(struct worker *w)
{
    uint64_t x = w->random; /* xorshift64 */
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return w->random = x;
}

/* -- what registers rows -------------------------------------------------- */

void bench_limits(void);
void bench_mutex(void);
void bench_rmutex(void);
void bench_sem(void);
void bench_event(void);
void bench_barrier(void);
void bench_cond(void);
void bench_rwlock(void);
void bench_once(void);
void bench_latch(void);
void bench_pool(void);
void bench_pool_cxx(void); /* what exists in C++ only */
void bench_queue(void);
void bench_ring(void);
void bench_ring_cxx(void); /* what exists in C++ only */
void bench_wait(void);
void bench_timer(void);
void bench_pipe(void);
void bench_process(void);
void bench_shared_queue(void);
void bench_procpool(void);
void bench_procpool_register(void); /* before bench_process_main diverts */
void bench_process_main(int argc, char **argv); /* first thing of main */
void bench_thread(void);
void bench_cxx(void); /* std:: and absl::, for all objects */

#ifdef __cplusplus
}
#endif

#endif /* PAWL_BENCH_H */
