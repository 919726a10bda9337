/* SPDX-License-Identifier: MIT
 *
 * mutex_cases.h - what is measured of a plain lock.  Included once for each
 * implementation, with OBJECT and IMPL defined and an adaptor as in locks.h.
 */
#ifndef PAWL_BENCH_MUTEX_CASES_H
#    define PAWL_BENCH_MUTEX_CASES_H

/* Sections of cs_ns inside the lock and nc_ns outside.  Where these are short
 * only every 16th acquisition is timed, for the clock costs as much as they. */
static const struct mutex_cell {
    const char *pinned, *free, *crowd;
    unsigned cs_ns, nc_ns, sample;
} mutex_cells[] = {
    {"cs0nc0_pinned", "cs0nc0_free", NULL, 0, 0, 16},
    {"cs50nc0_pinned", "cs50nc0_free", NULL, 50, 0, 16},
    {"cs50nc200_pinned", "cs50nc200_free", "cs50nc200_crowd", 50, 200, 1},
    {"cs200nc200_pinned", "cs200nc200_free", NULL, 200, 200, 1},
    {"cs1000nc0_pinned", "cs1000nc0_free", NULL, 1000, 0, 1},
    {"cs1000nc200_pinned", "cs1000nc200_free", "cs1000nc200_crowd", 1000, 200,
     1},
};
#    define MUTEX_CELLS (sizeof(mutex_cells) / sizeof(mutex_cells[0]))

static const unsigned mutex_crowds[] = {4, 8, 32};

#    define MUTEX_INCREMENTS 100000
#    define MUTEX_INCREMENTERS 30

/* What to register of an implementation. */
enum { MUTEX_LOOPS = 1, MUTEX_PINNED = 2, MUTEX_FREE = 4, MUTEX_ALL = 7 };

#endif /* PAWL_BENCH_MUTEX_CASES_H */

/* -- one thread ----------------------------------------------------------- */

static void NAME(pair)(bench_state *b, const struct bench_spec *spec)
{
    BENCH_ALIGNED LOCK(t) lock;
    LOCK(init)(&lock);
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++) {
            LOCK(take)(&lock);
            LOCK(give)(&lock);
        }
    }
}

static void NAME(try_pair)(bench_state *b, const struct bench_spec *spec)
{
    BENCH_ALIGNED LOCK(t) lock;
    LOCK(init)(&lock);
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++) {
            BENCH_CHECK(LOCK(try)(&lock));
            LOCK(give)(&lock);
        }
    }
}

/* -- crews ---------------------------------------------------------------- */

struct NAME(arena) {
    BENCH_ALIGNED LOCK(t) lock;
    BENCH_ALIGNED uint64_t count; /* under lock */
    uint64_t inside, outside;     /* turns of work */
};

static void NAME(contend)(struct worker *w)
{
    struct NAME(arena) *a = (struct NAME(arena) *)w->crew->shared;
    unsigned mask = w->crew->spec->sample - 1;
    while (worker_goes_on(w)) {
        if ((w->ops & mask) == 0) {
            uint64_t from = bench_ticks();
            LOCK(take)(&a->lock);
            histogram_add(&w->wait, bench_ticks() - from);
        } else {
            LOCK(take)(&a->lock);
        }
        a->count++;
        if (a->inside != 0)
            bench_work(a->inside);
        LOCK(give)(&a->lock);
        if (a->outside != 0)
            bench_work(a->outside);
        w->ops++;
    }
}

static void NAME(increment)(struct worker *w)
{
    struct NAME(arena) *a = (struct NAME(arena) *)w->crew->shared;
    for (int i = 0; i < MUTEX_INCREMENTS; i++) {
        LOCK(take)(&a->lock);
        a->count++;
        LOCK(give)(&a->lock);
    }
    w->ops = MUTEX_INCREMENTS;
}

static void NAME(crew)(bench_state *b, const struct bench_spec *spec,
                       bool count)
{
    struct NAME(arena) a;
    LOCK(init)(&a.lock);
    a.count = 0;
    a.inside = bench_turns(spec->cs_ns);
    a.outside = bench_turns(spec->nc_ns);
    struct crew c;
    crew_init(&c, count ? NAME(increment) : NAME(contend), &a);
    c.own_end = count;
    if (!crew_run(&c, b, spec))
        return;
    BENCH_CHECK(a.count == c.ops);
    crew_report(&c, b);
    crew_fairness(&c, b);
    crew_free(&c);
}

static void NAME(contention)(bench_state *b, const struct bench_spec *spec)
{
    NAME(crew)(b, spec, false);
}

static void NAME(increments)(bench_state *b, const struct bench_spec *spec)
{
    NAME(crew)(b, spec, true);
}

/* -- rows ----------------------------------------------------------------- */

static void NAME(add_cell)(const struct mutex_cell *cell, const char *scenario,
                           unsigned threads, enum bench_place place)
{
    struct bench_spec s = bench_row(BENCH_TEXT(OBJECT), scenario,
                                    BENCH_TEXT(IMPL), NAME(contention));
    s.flags = BENCH_CELL | (place == PLACE_FREE ? 0 : BENCH_KEY);
    if (threads > 2)
        s.flags |= BENCH_LONG | BENCH_KEY;
    s.threads = threads;
    s.place = place;
    s.cs_ns = cell->cs_ns;
    s.nc_ns = cell->nc_ns;
    s.sample = cell->sample;
    bench_add(&s);
}

BENCH_UNUSED static void NAME(add_loops)(void)
{
    struct bench_spec s = bench_row(BENCH_TEXT(OBJECT), "uncontended",
                                    BENCH_TEXT(IMPL), NAME(pair));
    s.flags = BENCH_KEY;
    bench_add(&s);
    s.scenario = "single_threaded";
    s.flags = BENCH_KEY | BENCH_SINGLE;
    bench_add(&s);
    s.scenario = "try";
    s.flags = 0;
    s.fn = NAME(try_pair);
    bench_add(&s);
}

BENCH_UNUSED static void NAME(add_crews)(unsigned what)
{
    for (unsigned i = 0; i < MUTEX_CELLS; i++) {
        const struct mutex_cell *cell = &mutex_cells[i];
        if (what & MUTEX_PINNED)
            NAME(add_cell)(cell, cell->pinned, 2, PLACE_SPREAD);
        if (what & MUTEX_FREE)
            NAME(add_cell)(cell, cell->free, 2, PLACE_FREE);
        for (unsigned j = 0; j < 3 && cell->crowd != NULL; j++)
            NAME(add_cell)(cell, cell->crowd, mutex_crowds[j], PLACE_FREE);
    }
    struct bench_spec s = bench_row(BENCH_TEXT(OBJECT), "increments",
                                    BENCH_TEXT(IMPL), NAME(increments));
    s.flags = BENCH_CELL | BENCH_KEY;
    s.threads = MUTEX_INCREMENTERS;
    bench_add(&s);
}

BENCH_UNUSED static void NAME(add)(unsigned what)
{
    if (what & MUTEX_LOOPS)
        NAME(add_loops)();
    if (what & (MUTEX_PINNED | MUTEX_FREE))
        NAME(add_crews)(what);
}
