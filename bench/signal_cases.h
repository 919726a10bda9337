/* SPDX-License-Identifier: MIT
 *
 * signal_cases.h - what is measured of anything that one thread sends and
 * another awaits: semaphores, events, latches, raw futexes.  Included once for
 * each implementation, with OBJECT and IMPL defined and the adaptor:
 *
 *   NAME(signal)        the type
 *   NAME(signal_init)   make it unsent
 *   NAME(signal_send), NAME(signal_await)
 *   NAME(signal_clear)  make it unsent again, after it was awaited
 */
#ifndef PAWL_BENCH_SIGNAL_CASES_H
#    define PAWL_BENCH_SIGNAL_CASES_H

/* A waiter counts as fresh when it began to wait this long ago: it is still
 * looking, or on its way to sleep.  After the other time it surely sleeps. */
#    define SIGNAL_FRESH_NS 600
#    define SIGNAL_ASLEEP_NS 60000

/* What to register of an implementation. */
enum { SIGNAL_PING = 1, SIGNAL_WAKE = 2, SIGNAL_ALL = 3 };

#endif /* PAWL_BENCH_SIGNAL_CASES_H */

/* -- there and back ------------------------------------------------------- */

struct NAME(court) {
    BENCH_ALIGNED NAME(signal) there;
    BENCH_ALIGNED NAME(signal) back;
    BENCH_ALIGNED bool over; /* passed on by `there` */
};

static void NAME(serve)(struct worker *w, struct NAME(court) * c)
{
    while (worker_goes_on(w)) {
        NAME(signal_send)(&c->there);
        NAME(signal_await)(&c->back);
        NAME(signal_clear)(&c->back);
        w->ops++;
    }
    c->over = true;
    NAME(signal_send)(&c->there);
}

static void NAME(strike_back)(struct NAME(court) * c)
{
    for (;;) {
        NAME(signal_await)(&c->there);
        if (c->over)
            return;
        NAME(signal_clear)(&c->there);
        NAME(signal_send)(&c->back);
    }
}

static void NAME(play)(struct worker *w)
{
    struct NAME(court) *c = (struct NAME(court) *)w->crew->shared;
    if (w->index == 0)
        NAME(serve)(w, c);
    else
        NAME(strike_back)(c);
}

static void NAME(ping)(bench_state *b, const struct bench_spec *spec)
{
    struct NAME(court) court;
    struct crew c;
    NAME(signal_init)(&court.there);
    NAME(signal_init)(&court.back);
    court.over = false;
    crew_init(&c, NAME(play), &court);
    if (!crew_run(&c, b, spec))
        return;
    crew_report(&c, b);
    crew_free(&c);
}

/* -- from the send to the running waiter ---------------------------------- */

/* One round: the sender clears the signal and says so in `clear`; the waiter
 * says in `waiting` that it is about to wait; the sender lets some time pass,
 * reads the clock and sends; the waiter reads the clock when it runs, and says
 * so in `woken`.  The sender stores nothing between its reading and the send,
 * for a store on its way to a line of the other CPU would hold up the send. */
struct NAME(relay) {
    BENCH_ALIGNED NAME(signal) signal;
    BENCH_ALIGNED uint64_t clear; /* these three: number of the round */
    BENCH_ALIGNED uint64_t waiting;
    BENCH_ALIGNED uint64_t woken;
    uint64_t woken_at;
    uint64_t delay; /* ticks */
};

static void NAME(look_until)(const uint64_t *word, uint64_t round)
{
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != round)
        bench_pause();
}

static void NAME(send_rounds)(struct worker *w, struct NAME(relay) * r)
{
    uint64_t round = 0;
    while (worker_goes_on(w)) {
        __atomic_store_n(&r->clear, ++round, __ATOMIC_RELEASE);
        NAME(look_until)(&r->waiting, round);
        uint64_t from = bench_ticks();
        while (bench_ticks() - from < r->delay)
            bench_pause();
        uint64_t sent = bench_ticks();
        NAME(signal_send)(&r->signal);
        histogram_add(&w->other, bench_ticks() - sent);
        NAME(look_until)(&r->woken, round);
        /* The clocks of two CPUs may differ by a little. */
        uint64_t took = r->woken_at - sent;
        histogram_add(&w->wait, (int64_t)took > 0 ? took : 0);
        NAME(signal_clear)(&r->signal);
        w->ops++;
    }
    __atomic_store_n(&r->clear, UINT64_MAX, __ATOMIC_RELEASE);
}

static void NAME(await_rounds)(struct NAME(relay) * r)
{
    for (uint64_t round = 1;; round++) {
        uint64_t seen;
        while ((seen = __atomic_load_n(&r->clear, __ATOMIC_ACQUIRE)) < round)
            bench_pause();
        if (seen == UINT64_MAX)
            return;
        __atomic_store_n(&r->waiting, round, __ATOMIC_RELEASE);
        NAME(signal_await)(&r->signal);
        r->woken_at = bench_ticks();
        __atomic_store_n(&r->woken, round, __ATOMIC_RELEASE);
    }
}

static void NAME(run_relay)(struct worker *w)
{
    struct NAME(relay) *r = (struct NAME(relay) *)w->crew->shared;
    if (w->index == 0)
        NAME(send_rounds)(w, r);
    else
        NAME(await_rounds)(r);
}

/* The result is the median, not the mean: a descheduled CPU in one round of a
 * thousand would be all that a mean shows. */
static void NAME(wake)(bench_state *b, const struct bench_spec *spec)
{
    struct NAME(relay) r;
    struct crew c;
    NAME(signal_init)(&r.signal);
    r.clear = r.waiting = r.woken = 0;
    r.delay = (uint64_t)(spec->nc_ns / bench_ns_per_tick);
    crew_init(&c, NAME(run_relay), &r);
    if (!crew_run(&c, b, spec))
        return;
    bench_result(b, histogram_percentile(&c.wait, 0.5) * bench_ns_per_tick);
    crew_percentiles(b, &c.wait, "");
    crew_percentiles(b, &c.other, "sender_");
    crew_free(&c);
}

/* -- rows ----------------------------------------------------------------- */

BENCH_UNUSED static void NAME(add_ping)(void)
{
    struct bench_spec s = bench_row(BENCH_TEXT(OBJECT), "pingpong_pinned",
                                    BENCH_TEXT(IMPL), NAME(ping));
    s.flags = BENCH_CELL | BENCH_KEY;
    s.threads = 2;
    s.place = PLACE_SPREAD;
    bench_add(&s);
    s.scenario = "pingpong_one_cpu";
    s.place = PLACE_SAME;
    bench_add(&s);
    s.scenario = "pingpong_free";
    s.place = PLACE_FREE;
    bench_add(&s);
}

BENCH_UNUSED static void NAME(add_wake)(void)
{
    struct bench_spec s = bench_row(BENCH_TEXT(OBJECT), "wake_fresh",
                                    BENCH_TEXT(IMPL), NAME(wake));
    s.flags = BENCH_CELL | BENCH_KEY;
    s.threads = 2;
    s.place = PLACE_SPREAD;
    s.nc_ns = SIGNAL_FRESH_NS;
    bench_add(&s);
    s.scenario = "wake_asleep";
    s.nc_ns = SIGNAL_ASLEEP_NS;
    bench_add(&s);
}

BENCH_UNUSED static void NAME(add_signal)(unsigned what)
{
    if (what & SIGNAL_PING)
        NAME(add_ping)();
    if (what & SIGNAL_WAKE)
        NAME(add_wake)();
}
