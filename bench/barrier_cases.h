/* SPDX-License-Identifier: MIT
 *
 * barrier_cases.h - what is measured of a barrier.  Included once for each
 * implementation, with OBJECT and IMPL defined and the adaptor NAME(gate),
 * NAME(gate_init)(gate *, unsigned parties), NAME(gate_pass), NAME(gate_end).
 */
struct NAME(meeting) {
    BENCH_ALIGNED NAME(gate) gate;
    BENCH_ALIGNED uint64_t last; /* number of the round that is the last */
};

/* Thread 0 says which round is the last before it arrives for that round, so
 * all who pass it know.  A slow thread may read it a round early, hence a
 * number and not a flag. */
static void NAME(meet)(struct worker *w)
{
    struct NAME(meeting) *m = (struct NAME(meeting) *)w->crew->shared;
    uint64_t round = 0;
    do {
        round++;
        if (w->index == 0 && !worker_goes_on(w))
            __atomic_store_n(&m->last, round, __ATOMIC_RELAXED);
        NAME(gate_pass)(&m->gate);
    } while (__atomic_load_n(&m->last, __ATOMIC_RELAXED) != round);
    w->ops = round;
}

/* One operation is one round of all. */
static void NAME(rounds)(bench_state *b, const struct bench_spec *spec)
{
    struct NAME(meeting) m;
    struct crew c;
    NAME(gate_init)(&m.gate, spec->threads);
    m.last = 0;
    crew_init(&c, NAME(meet), &m);
    if (!crew_run(&c, b, spec))
        return;
    c.ops /= spec->threads;
    crew_report(&c, b);
    crew_free(&c);
    NAME(gate_end)(&m.gate);
}

static void NAME(add)(void)
{
    static const unsigned parties[] = {2, 4, 8};
    struct bench_spec s = bench_row(BENCH_TEXT(OBJECT), "cycle_pinned",
                                    BENCH_TEXT(IMPL), NAME(rounds));
    s.flags = BENCH_CELL | BENCH_KEY;
    s.place = PLACE_SPREAD;
    for (unsigned i = 0; i < 3; i++) {
        s.threads = parties[i];
        bench_add(&s);
    }
    s.scenario = "cycle_free";
    s.place = PLACE_FREE;
    for (unsigned i = 0; i < 3; i++) {
        s.threads = parties[i];
        bench_add(&s);
    }
}
