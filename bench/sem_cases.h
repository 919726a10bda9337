/* SPDX-License-Identifier: MIT
 *
 * sem_cases.h - what is measured of a semaphore besides signal_cases.h, whose
 * adaptor it shares: send is release, await is acquire.
 */
#ifndef PAWL_BENCH_SEM_CASES_H
#    define PAWL_BENCH_SEM_CASES_H

#    define SEM_CROWD 8
#    define SEM_PERMITS 2
#    define SEM_SECTION_NS 100

#endif /* PAWL_BENCH_SEM_CASES_H */

static void NAME(pair)(bench_state *b, const struct bench_spec *spec)
{
    BENCH_ALIGNED NAME(signal) sem;
    NAME(signal_init)(&sem);
    NAME(signal_send)(&sem);
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++) {
            NAME(signal_await)(&sem);
            NAME(signal_send)(&sem);
        }
    }
}

struct NAME(pool) {
    BENCH_ALIGNED NAME(signal) permits;
    BENCH_ALIGNED uint64_t turns;
};

static void NAME(use_pool)(struct worker *w)
{
    struct NAME(pool) *p = (struct NAME(pool) *)w->crew->shared;
    while (worker_goes_on(w)) {
        uint64_t from = bench_ticks();
        NAME(signal_await)(&p->permits);
        histogram_add(&w->wait, bench_ticks() - from);
        bench_work(p->turns);
        NAME(signal_send)(&p->permits);
        w->ops++;
    }
}

static void NAME(crowd)(bench_state *b, const struct bench_spec *spec)
{
    struct NAME(pool) p;
    struct crew c;
    NAME(signal_init)(&p.permits);
    for (int i = 0; i < SEM_PERMITS; i++)
        NAME(signal_send)(&p.permits);
    p.turns = bench_turns(spec->cs_ns);
    crew_init(&c, NAME(use_pool), &p);
    if (!crew_run(&c, b, spec))
        return;
    crew_report(&c, b);
    crew_fairness(&c, b);
    crew_free(&c);
}

static void NAME(add)(void)
{
    struct bench_spec s = bench_row(BENCH_TEXT(OBJECT), "uncontended",
                                    BENCH_TEXT(IMPL), NAME(pair));
    s.flags = BENCH_KEY;
    bench_add(&s);
    s.scenario = "single_threaded";
    s.flags = BENCH_KEY | BENCH_SINGLE;
    bench_add(&s);
    NAME(add_signal)(SIGNAL_PING);
    s = bench_row(BENCH_TEXT(OBJECT), "two_permits", BENCH_TEXT(IMPL),
                  NAME(crowd));
    s.flags = BENCH_CELL | BENCH_LONG;
    s.threads = SEM_CROWD;
    s.cs_ns = SEM_SECTION_NS;
    bench_add(&s);
}
