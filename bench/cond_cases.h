/* SPDX-License-Identifier: MIT
 *
 * cond_cases.h - what is measured of a condition.  Included once for each
 * implementation, with OBJECT and IMPL defined, a lock adaptor as in locks.h,
 * and:
 *
 *   NAME(cond), NAME(cond_init)
 *   NAME(cond_wait)(cond *, lock *)
 *   NAME(cond_give_one)(cond *, lock *)  wake one waiter and release the lock,
 *   NAME(cond_give_all)(cond *, lock *)  in the order that is best for it
 */
#ifndef PAWL_BENCH_COND_CASES_H
#    define PAWL_BENCH_COND_CASES_H

#    define COND_CAPACITY 64

#endif /* PAWL_BENCH_COND_CASES_H */

/* -- there and back ------------------------------------------------------- */

struct NAME(table) {
    BENCH_ALIGNED LOCK(t) lock;
    BENCH_ALIGNED NAME(cond) turned[2]; /* one for each player */
    unsigned turn;                      /* under lock, as all below */
    bool over;
};

static void NAME(play)(struct worker *w)
{
    struct NAME(table) *t = (struct NAME(table) *)w->crew->shared;
    unsigned me = w->index;
    LOCK(take)(&t->lock);
    while (!t->over) {
        while (t->turn != me && !t->over)
            NAME(cond_wait)(&t->turned[me], &t->lock);
        t->turn = !me;
        w->ops++;
        if (me == 0 && !worker_goes_on(w))
            t->over = true;
        NAME(cond_give_one)(&t->turned[!me], &t->lock);
        LOCK(take)(&t->lock);
    }
    LOCK(give)(&t->lock);
}

/* One operation is there and back. */
static void NAME(ping)(bench_state *b, const struct bench_spec *spec)
{
    struct NAME(table) t;
    struct crew c;
    LOCK(init)(&t.lock);
    NAME(cond_init)(&t.turned[0]);
    NAME(cond_init)(&t.turned[1]);
    t.turn = 0;
    t.over = false;
    crew_init(&c, NAME(play), &t);
    if (!crew_run(&c, b, spec))
        return;
    c.ops = c.workers[0].ops;
    crew_report(&c, b);
    crew_free(&c);
}

/* -- broadcast ------------------------------------------------------------ */

struct NAME(hall) {
    BENCH_ALIGNED LOCK(t) lock;
    BENCH_ALIGNED NAME(cond) opened;
    BENCH_ALIGNED NAME(cond) gathered;
    unsigned round;  /* under lock, as all below */
    unsigned inside; /* how many wait for the next round */
    unsigned guests;
    bool over;
};

static void NAME(attend)(struct NAME(hall) * h)
{
    LOCK(take)(&h->lock);
    while (!h->over) {
        unsigned round = h->round;
        if (++h->inside == h->guests) {
            NAME(cond_give_one)(&h->gathered, &h->lock);
            LOCK(take)(&h->lock);
        }
        while (h->round == round)
            NAME(cond_wait)(&h->opened, &h->lock);
    }
    LOCK(give)(&h->lock);
}

static void NAME(host)(struct worker *w, struct NAME(hall) * h)
{
    uint64_t from = 0;
    LOCK(take)(&h->lock);
    while (!h->over) {
        while (h->inside != h->guests)
            NAME(cond_wait)(&h->gathered, &h->lock);
        if (from != 0)
            histogram_add(&w->wait, bench_ticks() - from);
        h->over = !worker_goes_on(w);
        h->inside = 0;
        h->round++;
        w->ops++;
        from = bench_ticks();
        NAME(cond_give_all)(&h->opened, &h->lock);
        LOCK(take)(&h->lock);
    }
    LOCK(give)(&h->lock);
}

static void NAME(fill_hall)(struct worker *w)
{
    struct NAME(hall) *h = (struct NAME(hall) *)w->crew->shared;
    if (w->index == 0)
        NAME(host)(w, h);
    else
        NAME(attend)(h);
}

/* From the broadcast until all waiters have been through the lock, wait again,
 * and the broadcaster knows.  The row counts waiters, the crew one more. */
static void NAME(broadcast)(bench_state *b, const struct bench_spec *spec)
{
    struct NAME(hall) h;
    struct crew c;
    struct bench_spec crew = *spec;
    LOCK(init)(&h.lock);
    NAME(cond_init)(&h.opened);
    NAME(cond_init)(&h.gathered);
    h.round = h.inside = 0;
    h.guests = spec->threads;
    h.over = false;
    crew.threads++;
    crew_init(&c, NAME(fill_hall), &h);
    if (!crew_run(&c, b, &crew))
        return;
    crew_report(&c, b);
    crew_free(&c);
}

/* -- bounded buffer ------------------------------------------------------- */

struct NAME(buffer) {
    BENCH_ALIGNED LOCK(t) lock;
    BENCH_ALIGNED NAME(cond) not_empty;
    BENCH_ALIGNED NAME(cond) not_full;
    BENCH_ALIGNED uint64_t item[COND_CAPACITY]; /* under lock, as all below */
    unsigned head, count;
    unsigned producers; /* that have not ended */
};

static void NAME(produce)(struct worker *w, struct NAME(buffer) * q)
{
    while (worker_goes_on(w)) {
        LOCK(take)(&q->lock);
        while (q->count == COND_CAPACITY)
            NAME(cond_wait)(&q->not_full, &q->lock);
        q->item[(q->head + q->count) % COND_CAPACITY] = w->ops;
        q->count++;
        NAME(cond_give_one)(&q->not_empty, &q->lock);
    }
    LOCK(take)(&q->lock);
    q->producers--;
    NAME(cond_give_all)(&q->not_empty, &q->lock);
}

static void NAME(consume)(struct worker *w, struct NAME(buffer) * q)
{
    for (;;) {
        LOCK(take)(&q->lock);
        while (q->count == 0 && q->producers != 0)
            NAME(cond_wait)(&q->not_empty, &q->lock);
        if (q->count == 0)
            break;
        BENCH_KEEP(q->item[q->head]);
        q->head = (q->head + 1) % COND_CAPACITY;
        q->count--;
        NAME(cond_give_one)(&q->not_full, &q->lock);
        w->ops++;
    }
    LOCK(give)(&q->lock);
}

static void NAME(trade)(struct worker *w)
{
    struct NAME(buffer) *q = (struct NAME(buffer) *)w->crew->shared;
    if (w->index % 2 == 0)
        NAME(produce)(w, q);
    else
        NAME(consume)(w, q);
}

/* One operation is one item through the buffer. */
static void NAME(buffer_cell)(bench_state *b, const struct bench_spec *spec)
{
    struct NAME(buffer) q;
    struct crew c;
    LOCK(init)(&q.lock);
    NAME(cond_init)(&q.not_empty);
    NAME(cond_init)(&q.not_full);
    q.head = q.count = 0;
    q.producers = spec->threads / 2;
    crew_init(&c, NAME(trade), &q);
    if (!crew_run(&c, b, spec))
        return;
    crew_report(&c, b);
    crew_free(&c);
}

/* -- rows ----------------------------------------------------------------- */

static void NAME(add_cell)(const char *scenario, bench_fn *fn, unsigned threads,
                           enum bench_place place, unsigned flags)
{
    struct bench_spec s =
        bench_row(BENCH_TEXT(OBJECT), scenario, BENCH_TEXT(IMPL), fn);
    s.flags = BENCH_CELL | BENCH_KEY | flags;
    s.threads = threads;
    s.place = place;
    bench_add(&s);
}

static void NAME(add)(void)
{
    NAME(add_cell)("pingpong_one_cpu", NAME(ping), 2, PLACE_SAME, 0);
    NAME(add_cell)("pingpong_pinned", NAME(ping), 2, PLACE_SPREAD, 0);
    NAME(add_cell)("pingpong_free", NAME(ping), 2, PLACE_FREE, 0);
    NAME(add_cell)("broadcast", NAME(broadcast), 8, PLACE_FREE, BENCH_LONG);
    NAME(add_cell)("broadcast", NAME(broadcast), 32, PLACE_FREE, BENCH_LONG);
    NAME(add_cell)("buffer_1p1c_pinned", NAME(buffer_cell), 2, PLACE_SPREAD, 0);
    NAME(add_cell)("buffer_1p1c_free", NAME(buffer_cell), 2, PLACE_FREE, 0);
    NAME(add_cell)("buffer_4p4c", NAME(buffer_cell), 8, PLACE_FREE, BENCH_LONG);
}
