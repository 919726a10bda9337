/* SPDX-License-Identifier: MIT
 *
 * rwlock_cases.h - what is measured of a reader/writer lock, and of a plain
 * lock in its place.  Included once for each implementation, with OBJECT and
 * IMPL defined and the adaptor NAME(rw), NAME(rw_init), NAME(rw_read),
 * NAME(rw_read_end), NAME(rw_write), NAME(rw_write_end).
 */
#ifndef PAWL_BENCH_RWLOCK_CASES_H
#    define PAWL_BENCH_RWLOCK_CASES_H

#    define RWLOCK_SECTION_NS 50
#    define RWLOCK_CROWD 8

static const struct {
    const char *scenario;
    unsigned writes;
} rwlock_mixes[] = {
    {"writes0", 0}, {"writes1", 1}, {"writes10", 10}, {"writes50", 50}};

#endif /* PAWL_BENCH_RWLOCK_CASES_H */

/* -- one thread ----------------------------------------------------------- */

static void NAME(read_pair)(bench_state *b, const struct bench_spec *spec)
{
    BENCH_ALIGNED NAME(rw) lock;
    NAME(rw_init)(&lock);
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++) {
            NAME(rw_read)(&lock);
            NAME(rw_read_end)(&lock);
        }
    }
}

static void NAME(write_pair)(bench_state *b, const struct bench_spec *spec)
{
    BENCH_ALIGNED NAME(rw) lock;
    NAME(rw_init)(&lock);
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++) {
            NAME(rw_write)(&lock);
            NAME(rw_write_end)(&lock);
        }
    }
}

/* -- crews ---------------------------------------------------------------- */

struct NAME(library) {
    BENCH_ALIGNED NAME(rw) lock;
    BENCH_ALIGNED uint64_t written; /* under lock */
    uint64_t turns;
};

static void NAME(write_once)(struct worker *w, struct NAME(library) * l)
{
    uint64_t from = bench_ticks();
    NAME(rw_write)(&l->lock);
    histogram_add(&w->wait, bench_ticks() - from);
    l->written++;
    bench_work(l->turns);
    NAME(rw_write_end)(&l->lock);
}

static void NAME(read_once)(struct worker *w, struct NAME(library) * l)
{
    uint64_t from = bench_ticks();
    NAME(rw_read)(&l->lock);
    histogram_add(&w->other, bench_ticks() - from);
    BENCH_KEEP(l->written);
    bench_work(l->turns);
    NAME(rw_read_end)(&l->lock);
}

static void NAME(use_library)(struct worker *w)
{
    struct NAME(library) *l = (struct NAME(library) *)w->crew->shared;
    uint64_t writes = 0;
    while (worker_goes_on(w)) {
        if (worker_random(w) % 100 < w->crew->spec->writes) {
            NAME(write_once)(w, l);
            writes++;
        } else {
            NAME(read_once)(w, l);
        }
        w->ops++;
    }
    BENCH_CHECK(writes == w->wait.total);
}

static void NAME(mix)(bench_state *b, const struct bench_spec *spec)
{
    struct NAME(library) l;
    struct crew c;
    NAME(rw_init)(&l.lock);
    l.written = 0;
    l.turns = bench_turns(spec->cs_ns);
    crew_init(&c, NAME(use_library), &l);
    if (!crew_run(&c, b, spec))
        return;
    BENCH_CHECK(l.written == c.wait.total);
    /* The percentiles without a prefix are those of the writers. */
    crew_report(&c, b);
    crew_fairness(&c, b);
    crew_percentiles(b, &c.other, "reader_");
    crew_free(&c);
}

/* -- rows ----------------------------------------------------------------- */

BENCH_UNUSED static void NAME(add_loops)(void)
{
    struct bench_spec s = bench_row(BENCH_TEXT(OBJECT), "read_pair",
                                    BENCH_TEXT(IMPL), NAME(read_pair));
    s.flags = BENCH_KEY;
    bench_add(&s);
    s.scenario = "write_pair";
    s.fn = NAME(write_pair);
    bench_add(&s);
    s.scenario = "single_threaded_write_pair";
    s.flags = BENCH_SINGLE | BENCH_KEY;
    bench_add(&s);
    s.scenario = "single_threaded_read_pair";
    s.fn = NAME(read_pair);
    bench_add(&s);
}

BENCH_UNUSED static void NAME(add_mixes)(void)
{
    struct bench_spec s =
        bench_row(BENCH_TEXT(OBJECT), NULL, BENCH_TEXT(IMPL), NAME(mix));
    s.flags = BENCH_CELL | BENCH_KEY;
    s.threads = 2;
    s.place = PLACE_SPREAD;
    s.cs_ns = RWLOCK_SECTION_NS;
    for (unsigned i = 0; i < 4; i++) {
        s.scenario = rwlock_mixes[i].scenario;
        s.writes = rwlock_mixes[i].writes;
        bench_add(&s);
    }
    s.scenario = "writes1_crowd";
    s.writes = 1;
    s.threads = RWLOCK_CROWD;
    s.place = PLACE_FREE;
    s.flags |= BENCH_LONG;
    bench_add(&s);
}
