/* SPDX-License-Identifier: MIT
 *
 * pool_cases.h - what is measured of thread pools.  Included once for each
 * implementation, with OBJECT and IMPL defined, and
 *
 *   NAME(pool), NAME(pool_make)(p, workers), NAME(pool_free)(p)
 *   NAME(job), NAME(job_set)(j, turns)     work of so many turns
 *   NAME(submit)(p, j), NAME(await)(p, j)
 *
 * All pools have as many workers as there are CPUs, but where one is pinned.
 */
#ifndef PAWL_BENCH_POOL_PIN
#    define PAWL_BENCH_POOL_PIN
#    include <sched.h>

/* The calling thread to the n-th of these CPUs. */
static inline void pool_pin(const cpu_set_t *cpus, unsigned n)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, cpus) && n-- == 0)
            CPU_SET(cpu, &one);
    BENCH_CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
}
#endif

/* A task alone, with a pause before each: what it takes until its result is
 * there. */
static void NAME(round_trips)(bench_state *b, const struct bench_spec *spec)
{
    NAME(pool) p;
    struct histogram *h = (struct histogram *)calloc(1, sizeof(*h));
    uint64_t pause = bench_turns(spec->nc_ns);
    unsigned rounds = spec->nc_ns != 0 ? 1000 : 20000;

    bool pinned = spec->place == PLACE_SPREAD;
    cpu_set_t before;

    BENCH_CHECK(h != NULL);
    BENCH_CHECK(sched_getaffinity(0, sizeof(before), &before) == 0);
    if (pinned) /* the workers are started here, and stay */
        pool_pin(&before, 0);
    NAME(pool_make)(&p, pinned ? 1 : bench_cpus());
    if (pinned)
        pool_pin(&before, 1);
    for (unsigned i = 0; i < rounds; i++) {
        NAME(job) j;
        uint64_t from;

        NAME(job_set)(&j, 0);
        bench_work(pause);
        from = bench_ticks();
        NAME(submit)(&p, &j);
        NAME(await)(&p, &j);
        if (i >= rounds / 10)
            histogram_add(h, bench_ticks() - from);
    }
    NAME(pool_free)(&p);
    BENCH_CHECK(sched_setaffinity(0, sizeof(before), &before) == 0);
    bench_result(b, histogram_percentile(h, 0.5) * bench_ns_per_tick);
    crew_percentiles(b, h, "");
    free(h);
}

/* Many tasks, then their results: the time for each task. */
static BENCH_UNUSED void NAME(batches)(bench_state *b,
                                       const struct bench_spec *spec)
{
    const unsigned batch = spec->writes;
    const unsigned rounds = 200000 / batch / (1 + spec->cs_ns / 200);
    NAME(job) *jobs = new_jobs(NAME(job), batch);
    uint64_t turns = bench_turns(spec->cs_ns);
    NAME(pool) p;
    uint64_t from = 0;

    NAME(pool_make)(&p, bench_cpus());
    for (unsigned i = 0; i < rounds + 2; i++) {
        if (i == 2)
            from = bench_ticks();
        for (unsigned k = 0; k < batch; k++) {
            NAME(job_set)(&jobs[k], turns);
            NAME(submit)(&p, &jobs[k]);
        }
        for (unsigned k = 0; k < batch; k++)
            NAME(await)(&p, &jobs[k]);
    }
    bench_result(b, (double)(bench_ticks() - from) * bench_ns_per_tick /
                        ((double)rounds * batch));
    NAME(pool_free)(&p);
    free_jobs(jobs);
}

static BENCH_UNUSED void NAME(add)(void)
{
    struct bench_spec s = bench_row(BENCH_TEXT(OBJECT), "round_trip",
                                    BENCH_TEXT(IMPL), NAME(round_trips));
    s.flags = BENCH_CELL | BENCH_KEY;
    bench_add(&s);
    s.scenario = "round_trip_pinned"; /* one worker, on another CPU */
    s.place = PLACE_SPREAD;
    if (bench_cpus() > 1)
        bench_add(&s);
    s.place = PLACE_FREE;
    s.scenario = "round_trip_idle"; /* after 60 us without work */
    s.nc_ns = 60000;
    bench_add(&s);

    s = bench_row(BENCH_TEXT(OBJECT), "tiny", BENCH_TEXT(IMPL), NAME(batches));
    s.flags = BENCH_CELL | BENCH_KEY;
    s.writes = 10000;
    bench_add(&s);
    s.scenario = "fan_64x1us";
    s.writes = 64;
    s.cs_ns = 1000;
    bench_add(&s);
}
