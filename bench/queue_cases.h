/* SPDX-License-Identifier: MIT
 *
 * queue_cases.h - what is measured of blocking queues.  Included once for each
 * implementation, with OBJECT and IMPL defined and the adaptor:
 *
 *   NAME(queue), NAME(queue_make)(queue *, capacity), NAME(queue_free)
 *   NAME(put)(queue *, uint64_t)    waits; false: closed
 *   NAME(get)(queue *, uint64_t *)  waits; false: closed and empty
 *   NAME(close)
 *
 * One operation of a row is one word through the queue.
 */
#ifndef PAWL_BENCH_QUEUE_CASES_H
#    define PAWL_BENCH_QUEUE_CASES_H

/* Parameters, in the fields of bench_spec that locks use otherwise. */
#    define QUEUE_PRODUCERS(spec) ((spec)->cs_ns)
#    define QUEUE_CAPACITY(spec) ((spec)->nc_ns)

#endif /* PAWL_BENCH_QUEUE_CASES_H */

/* The first producer that is told to stop closes the queue. */
static void NAME(flow)(struct worker *w)
{
    NAME(queue) *q = (NAME(queue) *)w->crew->shared;
    uint64_t word = w->index + 1;
    if (w->index >= QUEUE_PRODUCERS(w->crew->spec)) {
        while (NAME(get)(q, &word))
            w->ops++;
        return;
    }
    while (worker_goes_on(w) && NAME(put)(q, word))
        ;
    NAME(close)(q);
}

static void NAME(flow_cell)(bench_state *b, const struct bench_spec *spec)
{
    BENCH_ALIGNED NAME(queue) q;
    struct crew c;
    NAME(queue_make)(&q, QUEUE_CAPACITY(spec));
    crew_init(&c, NAME(flow), &q);
    if (crew_run(&c, b, spec)) {
        crew_report(&c, b);
        crew_free(&c);
    }
    NAME(queue_free)(&q);
}

static void NAME(pair)(bench_state *b, const struct bench_spec *spec)
{
    BENCH_ALIGNED NAME(queue) q;
    uint64_t word = 1;
    NAME(queue_make)(&q, QUEUE_CAPACITY(spec));
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++) {
            BENCH_CHECK(NAME(put)(&q, word));
            BENCH_CHECK(NAME(get)(&q, &word));
        }
    }
    NAME(queue_free)(&q);
}

static void NAME(add_flow)(const char *scenario, unsigned threads,
                           unsigned producers, unsigned capacity)
{
    struct bench_spec s = bench_row(BENCH_TEXT(OBJECT), scenario,
                                    BENCH_TEXT(IMPL), NAME(flow_cell));
    s.flags = BENCH_CELL | BENCH_KEY;
    s.threads = threads;
    s.place = threads == 2 ? PLACE_SPREAD : PLACE_FREE;
    s.cs_ns = producers;
    s.nc_ns = capacity;
    bench_add(&s);
}

static void NAME(add_flows)(void)
{
    struct bench_spec s = bench_row(BENCH_TEXT(OBJECT), "uncontended",
                                    BENCH_TEXT(IMPL), NAME(pair));
    s.flags = BENCH_KEY;
    s.nc_ns = 64;
    bench_add(&s);
    NAME(add_flow)("1p1c_64_pinned", 2, 1, 64);
    NAME(add_flow)("4p4c_64", 8, 4, 64);
    NAME(add_flow)("4p4c_1024", 8, 4, 1024);
    NAME(add_flow)("1p4c_64", 5, 1, 64);
    NAME(add_flow)("4p1c_64", 5, 4, 64);
}
