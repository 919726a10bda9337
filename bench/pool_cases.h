/* SPDX-License-Identifier: MIT
 *
 * pool_cases.h - what is measured of thread pools.  Included once for each
 * implementation, with OBJECT and IMPL defined, and
 *
 *   NAME(pool), NAME(pool_make)(p, workers), NAME(pool_free)(p)
 *   NAME(job), NAME(job_set)(j, part)      which is to do that part
 *   NAME(submit)(p, j), NAME(await)(p, j)
 *   NAME(each)(p, all, chunk)              all indices, in chunks of that size,
 *                                          or of the pool's own choice
 *   NAME(map)(p, all, chunk, &sum)         the same, whose results are summed up
 *                                          in order; both are in pool_by_hand.h
 *
 * All pools have as many workers as there are CPUs, but where one is pinned.
 * Where who calls a loop takes part in it, it is one thread more.
 */

/* A task alone, with a pause before each: what it takes until its result is
 * there. */
static void NAME(round_trips)(bench_state *b, const struct bench_spec *spec)
{
    NAME(pool) p;
    struct histogram *h = (struct histogram *)calloc(1, sizeof(*h));
    /* All jobs read it, and nobody writes to its cache line. */
    static const struct pool_part nothing BENCH_ALIGNED = {0, 0, 1, NULL};
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

        NAME(job_set)(&j, &nothing);
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
    struct pool_part part BENCH_ALIGNED = {bench_turns(spec->cs_ns), 0, 1,
                                           NULL};
    NAME(pool) p;
    uint64_t from = 0;

    NAME(pool_make)(&p, bench_cpus());
    for (unsigned i = 0; i < rounds + 2; i++) {
        if (i == 2)
            from = bench_ticks();
        for (unsigned k = 0; k < batch; k++) {
            NAME(job_set)(&jobs[k], &part);
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

/* Loops one after another, without (writes 0) or with their results in order: the
 * time for each index. */
static void NAME(loops)(bench_state *b, const struct bench_spec *spec)
{
    const unsigned n = 200000 / spec->cs_ns; /* 200 us */
    const unsigned rounds = 200;
    const size_t chunk = n / (POOL_CHUNKS_EACH * bench_cpus());
    const uint64_t right = 3 * ((uint64_t)n * (n - 1) / 2) + n;
    struct pool_part all BENCH_ALIGNED = {bench_turns(spec->cs_ns), 0, n, NULL};
    NAME(pool) p;
    uint64_t from = 0;

    all.values = (uint64_t *)calloc(n, sizeof(uint64_t));
    BENCH_CHECK(all.values != NULL);
    NAME(pool_make)(&p, bench_cpus());
    for (unsigned i = 0; i < rounds + 2; i++) {
        uint64_t sum = right;

        if (i == 2)
            from = bench_ticks();
        if (spec->writes != 0)
            NAME(map)(&p, &all, chunk, &sum);
        else
            NAME(each)(&p, &all, chunk);
        BENCH_CHECK(sum == right);
    }
    bench_result(b, (double)(bench_ticks() - from) * bench_ns_per_tick /
                        ((double)rounds * n));
    BENCH_CHECK(spec->writes != 0 || pool_sum(&all) == right);
    NAME(pool_free)(&p);
    free(all.values);
}

static void NAME(add_loops)(void)
{
    static const struct {
        const char *scenario;
        unsigned ns;
        unsigned with_results;
    } loops[] = {{"for_50ns", 50, 0},
                 {"for_1us", 1000, 0},
                 {"map_50ns", 50, 1},
                 {"map_1us", 1000, 1}};
    struct bench_spec s =
        bench_row(BENCH_TEXT(OBJECT), "", BENCH_TEXT(IMPL), NAME(loops));

    s.flags = BENCH_CELL | BENCH_KEY;
    for (unsigned i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
        s.scenario = loops[i].scenario;
        s.cs_ns = loops[i].ns;
        s.writes = loops[i].with_results;
        bench_add(&s);
    }
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
    NAME(add_loops)();
}
