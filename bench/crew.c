/* SPDX-License-Identifier: MIT
 *
 * crew.c - crews of threads, calibrated work, and the clock behind them.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

double bench_ns_per_tick = 1;

static double turns_per_ns = 1;
static int64_t cell_length_ns;
static cpu_set_t allowed;

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void sleep_ns(int64_t ns)
{
    struct timespec left = {ns / 1000000000, ns % 1000000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

void bench_die(const char *what)
{
    fprintf(stderr, "benchmark gave a wrong result: %s\n", what);
    abort();
}

/* -- time and work -------------------------------------------------------- */

__attribute__((noinline, aligned(BENCH_LINE))) void bench_work(uint64_t turns)
{
    for (; turns != 0; turns--)
        __asm__ volatile("");
}

uint64_t bench_turns(unsigned ns)
{
    return (uint64_t)(ns * turns_per_ns);
}

/* The fastest of several trials: whatever disturbs one makes it slower. */
static void calibrate(void)
{
    int64_t best = INT64_MAX;
    const uint64_t turns = 1000000;
    for (int i = 0; i < 20; i++) {
        int64_t from = clock_ns(CLOCK_MONOTONIC);
        bench_work(turns);
        int64_t took = clock_ns(CLOCK_MONOTONIC) - from;
        if (took < best)
            best = took;
    }
    turns_per_ns = (double)turns / (double)best;

    uint64_t ticks = bench_ticks();
    int64_t from = clock_ns(CLOCK_MONOTONIC);
    sleep_ns(20000000);
    ticks = bench_ticks() - ticks;
    bench_ns_per_tick =
        (double)(clock_ns(CLOCK_MONOTONIC) - from) / (double)ticks;
}

void bench_prepare(int64_t cell_ns)
{
    cell_length_ns = cell_ns;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        bench_die("sched_getaffinity");
    calibrate();
}

int64_t bench_cell_ns(void)
{
    return cell_length_ns;
}

unsigned bench_cpus(void)
{
    return (unsigned)CPU_COUNT(&allowed);
}

static void *companion(void *arg)
{
    (void)arg;
    for (;;)
        pause();
    return NULL;
}

void bench_start_companion(void)
{
    pthread_t thread;
    BENCH_CHECK(pthread_create(&thread, NULL, companion, NULL) == 0);
    BENCH_CHECK(pthread_detach(thread) == 0);
}

/* -- crews ---------------------------------------------------------------- */

/* The n-th CPU this process may use. */
static size_t cpu_number(unsigned n)
{
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed) && n-- == 0)
            return cpu;
    }
    bench_die("no such CPU");
}

void bench_take_place(enum bench_place place, unsigned n)
{
    if (place == PLACE_FREE)
        return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu_number(place == PLACE_SAME ? 0 : n % bench_cpus()), &set);
    BENCH_CHECK(pthread_setaffinity_np(pthread_self(), sizeof(set), &set) == 0);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct crew *c = w->crew;
    bench_take_place(c->spec->place, w->index);
    __atomic_add_fetch(&c->arrived, 1, __ATOMIC_ACQ_REL);
    /* Yielding lets the others arrive when there are more threads than CPUs,
     * and once all run it notices the start faster than a sleep would. */
    while (!__atomic_load_n(&c->go, __ATOMIC_ACQUIRE))
        sched_yield();
    int64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    w->start = bench_ticks();
    c->body(w);
    w->end = bench_ticks();
    w->cpu_ns = (uint64_t)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu);
    return NULL;
}

void crew_init(struct crew *c, void (*body)(struct worker *w), void *shared)
{
    memset(c, 0, sizeof(*c));
    c->body = body;
    c->shared = shared;
}

static void make_workers(struct crew *c, unsigned n)
{
    size_t bytes = n * sizeof(*c->workers);
    c->workers = aligned_alloc(2 * BENCH_LINE, bytes);
    BENCH_CHECK(c->workers != NULL);
    memset(c->workers, 0, bytes);
    for (unsigned i = 0; i < n; i++) {
        c->workers[i].crew = c;
        c->workers[i].index = i;
        c->workers[i].random = 0x9e3779b97f4a7c15u * (i + 1);
    }
}

static void add_up(struct crew *c, unsigned n)
{
    uint64_t first = c->workers[0].start;
    uint64_t last = c->workers[0].end;
    for (unsigned i = 0; i < n; i++) {
        const struct worker *w = &c->workers[i];
        first = w->start < first ? w->start : first;
        last = w->end > last ? w->end : last;
        c->ops += w->ops;
        histogram_merge(&c->wait, &w->wait);
        histogram_merge(&c->other, &w->other);
    }
    c->ns = (double)(last - first) * bench_ns_per_tick;
}

/* Long after any row has ended.  One that has not is a lock that lost a wake-up,
 * and says so here, instead of keeping everybody waiting. */
#define PATIENCE_S 60

static void join_all(const pthread_t *threads, const struct bench_spec *spec)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    for (unsigned i = 0; i < spec->threads; i++) {
        if (pthread_timedjoin_np(threads[i], NULL, &until) != 0) {
            fprintf(stderr, "%s/%s/%s/%u:\n", spec->object, spec->scenario,
                    spec->impl, spec->threads);
            bench_die("its threads do not end");
        }
    }
}

bool crew_run(struct crew *c, bench_state *b, const struct bench_spec *spec)
{
    if (spec->place == PLACE_SPREAD && bench_cpus() < 2) {
        bench_skip(b, "needs two CPUs");
        return false;
    }
    c->spec = spec;
    make_workers(c, spec->threads);
    pthread_t *threads = calloc(spec->threads, sizeof(*threads));
    BENCH_CHECK(threads != NULL);
    for (unsigned i = 0; i < spec->threads; i++)
        BENCH_CHECK(pthread_create(&threads[i], NULL, worker_main,
                                   &c->workers[i]) == 0);
    while (__atomic_load_n(&c->arrived, __ATOMIC_ACQUIRE) != spec->threads)
        sched_yield();
    __atomic_store_n(&c->go, 1, __ATOMIC_RELEASE);
    if (!c->own_end) {
        sleep_ns(cell_length_ns * (spec->flags & BENCH_LONG ? 5 : 1));
        __atomic_store_n(&c->stop, 1, __ATOMIC_RELAXED);
    }
    join_all(threads, spec);
    free(threads);
    add_up(c, spec->threads);
    return true;
}

void crew_free(struct crew *c)
{
    free(c->workers);
    c->workers = NULL;
}

void crew_percentiles(bench_state *b, const struct histogram *h,
                      const char *prefix)
{
    static const struct {
        const char *name;
        double q;
    } points[] = {{"p50", 0.5}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1}};
    char name[32];
    if (h->total == 0)
        return;
    for (unsigned i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        snprintf(name, sizeof(name), "%s%s", prefix, points[i].name);
        bench_counter(b, name,
                      histogram_percentile(h, points[i].q) * bench_ns_per_tick);
    }
}

void crew_report(const struct crew *c, bench_state *b)
{
    uint64_t cpu = 0;
    for (unsigned i = 0; i < c->spec->threads; i++)
        cpu += c->workers[i].cpu_ns;
    if (c->ops == 0) {
        bench_skip(b, "no operation ended in time");
        return;
    }
    bench_result(b, c->ns / (double)c->ops);
    bench_counter(b, "cpu", (double)cpu / (double)c->ops);
    crew_percentiles(b, &c->wait, "");
}

void crew_fairness(const struct crew *c, bench_state *b)
{
    uint64_t least = UINT64_MAX, most = 1;
    for (unsigned i = 0; i < c->spec->threads; i++) {
        uint64_t ops = c->workers[i].ops;
        least = ops < least ? ops : least;
        most = ops > most ? ops : most;
    }
    bench_counter(b, "fairness", (double)least / (double)most);
}
