/* SPDX-License-Identifier: MIT
 *
 * ring_cases.h - what is measured of bounded queues.
 *
 * The adaptor:
 *     item                             what goes through: at least 8 bytes
 *     queue, queue_make, queue_free    of a capacity
 *     seat, sit, rise                  what a thread keeps about the queue
 *     put, get                         false: full, or empty, for now
 *     put_many, get_many               how many; if RING_MANY is defined
 *
 * Who finds the queue full or empty pauses some times and then yields; the same
 * for all.  One operation of a row is one item through the queue.
 */
#ifndef PAWL_BENCH_RING_CASES_H
#    define PAWL_BENCH_RING_CASES_H

#    define RING_PATIENCE 32
#    define RING_BATCH 16

/* Parameters, in the fields of bench_spec that locks use otherwise. */
#    define RING_PRODUCERS(spec)                                               \
        ((spec)->cs_ns) /* 0: each thread puts and gets */
#    define RING_CAPACITY(spec) ((spec)->nc_ns)

static inline void ring_wait(unsigned *turns)
{
    if (++*turns % RING_PATIENCE != 0)
        bench_pause();
    else
        sched_yield();
}

#endif /* PAWL_BENCH_RING_CASES_H */

struct NAME(rig) {
    NAME(queue) q;
};

static void NAME(produce)(struct worker *w, NAME(queue) * q)
{
    NAME(seat) seat;
    NAME(item) item;
    unsigned turns = 0;
    memset(&item, 1, sizeof(item));
    NAME(sit)(&seat, q, w->index);
    while (worker_goes_on(w)) {
        if (!NAME(put)(&seat, q, &item))
            ring_wait(&turns);
    }
    NAME(rise)(&seat, q);
}

static void NAME(consume)(struct worker *w, NAME(queue) * q)
{
    NAME(seat) seat;
    NAME(item) item;
    unsigned turns = 0;
    NAME(sit)(&seat, q, w->index);
    while (worker_goes_on(w)) {
        if (NAME(get)(&seat, q, &item)) {
            BENCH_KEEP(item);
            w->ops++;
        } else {
            ring_wait(&turns);
        }
    }
    NAME(rise)(&seat, q);
}

static void NAME(stream)(struct worker *w)
{
    struct NAME(rig) *rig = (struct NAME(rig) *)w->crew->shared;
    if (w->index < RING_PRODUCERS(w->crew->spec))
        NAME(produce)(w, &rig->q);
    else
        NAME(consume)(w, &rig->q);
}

static void NAME(pair)(bench_state *b, const struct bench_spec *spec)
{
    BENCH_ALIGNED struct NAME(rig) rig;
    NAME(seat) seat;
    NAME(item) item;
    memset(&item, 1, sizeof(item));
    NAME(queue_make)(&rig.q, RING_CAPACITY(spec));
    NAME(sit)(&seat, &rig.q, 0);
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++) {
            BENCH_CHECK(NAME(put)(&seat, &rig.q, &item));
            BENCH_CHECK(NAME(get)(&seat, &rig.q, &item));
        }
    }
    NAME(rise)(&seat, &rig.q);
    NAME(queue_free)(&rig.q);
}

static void NAME(crew_cell)(bench_state *b, const struct bench_spec *spec,
                            void (*body)(struct worker *w))
{
    BENCH_ALIGNED struct NAME(rig) rig;
    struct crew c;
    NAME(queue_make)(&rig.q, RING_CAPACITY(spec));
    crew_init(&c, body, &rig);
    if (crew_run(&c, b, spec)) {
        crew_report(&c, b);
        crew_free(&c);
    }
    NAME(queue_free)(&rig.q);
}

static void NAME(stream_cell)(bench_state *b, const struct bench_spec *spec)
{
    NAME(crew_cell)(b, spec, NAME(stream));
}

#ifndef RING_FEW
/* Also who is refused looks at the time: a queue of others may keep its room to those
 * who have put before, for ever. */
static void NAME(exchange)(struct worker *w)
{
    struct NAME(rig) *rig = (struct NAME(rig) *)w->crew->shared;
    NAME(seat) seat;
    NAME(item) item;
    unsigned turns = 0;
    bool has_put = false;
    memset(&item, 1, sizeof(item));
    NAME(sit)(&seat, &rig->q, w->index);
    while (worker_goes_on(w)) {
        if (has_put ? NAME(get)(&seat, &rig->q, &item)
                    : NAME(put)(&seat, &rig->q, &item)) {
            w->ops += has_put;
            has_put = !has_put;
        } else {
            ring_wait(&turns);
        }
    }
    NAME(rise)(&seat, &rig->q);
}

static void NAME(exchange_cell)(bench_state *b, const struct bench_spec *spec)
{
    NAME(crew_cell)(b, spec, NAME(exchange));
}
#endif

#ifdef RING_MANY
static void NAME(batches)(struct worker *w)
{
    struct NAME(rig) *rig = (struct NAME(rig) *)w->crew->shared;
    NAME(seat) seat;
    NAME(item) items[RING_BATCH];
    unsigned turns = 0;
    bool puts = w->index < RING_PRODUCERS(w->crew->spec);
    memset(items, 1, sizeof(items));
    NAME(sit)(&seat, &rig->q, w->index);
    while (worker_goes_on(w)) {
        size_t n = puts ? NAME(put_many)(&seat, &rig->q, items, RING_BATCH)
                        : NAME(get_many)(&seat, &rig->q, items, RING_BATCH);
        if (n == 0)
            ring_wait(&turns);
        if (!puts)
            w->ops += n;
    }
    NAME(rise)(&seat, &rig->q);
}

static void NAME(batch_cell)(bench_state *b, const struct bench_spec *spec)
{
    NAME(crew_cell)(b, spec, NAME(batches));
}

static void NAME(batch_pair)(bench_state *b, const struct bench_spec *spec)
{
    BENCH_ALIGNED struct NAME(rig) rig;
    NAME(seat) seat;
    NAME(item) items[RING_BATCH];
    memset(items, 1, sizeof(items));
    NAME(queue_make)(&rig.q, RING_CAPACITY(spec));
    NAME(sit)(&seat, &rig.q, 0);
    while (bench_batch(b, 64 * RING_BATCH)) {
        for (int i = 0; i < 64; i++) {
            BENCH_CHECK(NAME(put_many)(&seat, &rig.q, items, RING_BATCH) ==
                        RING_BATCH);
            BENCH_CHECK(NAME(get_many)(&seat, &rig.q, items, RING_BATCH) ==
                        RING_BATCH);
        }
    }
    NAME(rise)(&seat, &rig.q);
    NAME(queue_free)(&rig.q);
}
#endif

/* ---- rows ---------------------------------------------------------------- */

static void NAME(add_cell)(const char *scenario, bench_fn *fn, unsigned threads,
                           unsigned producers, unsigned capacity)
{
    struct bench_spec s =
        bench_row(BENCH_TEXT(OBJECT), scenario, BENCH_TEXT(IMPL), fn);
    s.flags = BENCH_CELL | BENCH_KEY;
    s.threads = threads;
    s.place = threads == 2 ? PLACE_SPREAD : PLACE_FREE;
    s.cs_ns = producers;
    s.nc_ns = capacity;
    bench_add(&s);
}

static void NAME(add)(void)
{
    struct bench_spec s = bench_row(BENCH_TEXT(OBJECT), "uncontended",
                                    BENCH_TEXT(IMPL), NAME(pair));
    s.flags = BENCH_KEY;
    s.nc_ns = 1024;
    bench_add(&s);
    NAME(add_cell)("1p1c_pinned", NAME(stream_cell), 2, 1, 1024);
    NAME(add_cell)("4p4c", NAME(stream_cell), 8, 4, 1024);
#ifndef RING_FEW
    NAME(add_cell)("2p2c", NAME(stream_cell), 4, 2, 1024);
    NAME(add_cell)("8p8c", NAME(stream_cell), 16, 8, 1024);
    NAME(add_cell)("1p4c", NAME(stream_cell), 5, 1, 1024);
    NAME(add_cell)("4p1c", NAME(stream_cell), 5, 4, 1024);
    NAME(add_cell)("1p1c_64_pinned", NAME(stream_cell), 2, 1, 64);
    NAME(add_cell)("4p4c_64", NAME(stream_cell), 8, 4, 64);
    NAME(add_cell)("1p1c_65536_pinned", NAME(stream_cell), 2, 1, 65536);
    NAME(add_cell)("4p4c_65536", NAME(stream_cell), 8, 4, 65536);
    NAME(add_cell)("pairwise_pinned", NAME(exchange_cell), 2, 0, 1024);
    NAME(add_cell)("pairwise", NAME(exchange_cell), 8, 0, 1024);
#endif
#ifdef RING_MANY
    s.scenario = "batch_uncontended";
    s.fn = NAME(batch_pair);
    bench_add(&s);
    NAME(add_cell)("batch_1p1c_pinned", NAME(batch_cell), 2, 1, 1024);
#endif
}
