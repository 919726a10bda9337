/* SPDX-License-Identifier: MIT
 *
 * timer_cases.h - what is measured of timers: arming and cancelling one while
 * others are pending, and how late they are.
 *
 * An implementation offers NAME(timer) and, of it, init (its function is
 * timer_fired), arm (again, too), cancel and end.
 */
#ifndef PAWL_BENCH_TIMER_CASES_H
#    define PAWL_BENCH_TIMER_CASES_H

#    define TIMER_SECOND INT64_C(1000000000)

#    define TIMER_PENDING_MOST 1000000u

/* Some time between 1000 and 1030 seconds from now, so that none fires here. */
static inline int64_t timer_far(uint64_t *random)
{
    *random ^= *random << 13; /* xorshift64 */
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return 1000 * TIMER_SECOND + (int64_t)(*random % (30 * TIMER_SECOND));
}

#endif /* PAWL_BENCH_TIMER_CASES_H */

/* Those that are pending while others are measured: spec->pending thousand. */
static NAME(timer) * NAME(pending);

static void NAME(fill)(const struct bench_spec *spec)
{
    static unsigned n;
    uint64_t random = 1;
    if (NAME(pending) == NULL && spec->pending > 0) {
        NAME(pending) =
            (NAME(timer) *)calloc(TIMER_PENDING_MOST, sizeof(NAME(timer)));
        BENCH_CHECK(NAME(pending) != NULL);
        for (unsigned i = 0; i < TIMER_PENDING_MOST; i++)
            NAME(init)(&NAME(pending)[i]);
    }
    for (; n > spec->pending * 1000; n--)
        NAME(cancel)(&NAME(pending)[n - 1]);
    for (; n < spec->pending * 1000; n++)
        NAME(arm)(&NAME(pending)[n], timer_now() + timer_far(&random));
}

/* One that is armed and cancelled: two operations. */
static void NAME(arm_cancel)(bench_state *b, const struct bench_spec *spec)
{
    NAME(timer) t;
    uint64_t random = 2;
    NAME(init)(&t);
    NAME(fill)(spec);
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH / 2; i++) {
            NAME(arm)(&t, timer_now() + timer_far(&random));
            NAME(cancel)(&t);
        }
    }
    NAME(end)(&t);
}

/* Any of those that are pending is cancelled and armed again, as timeouts of
 * connections are: two operations on memory that is cold. */
static void NAME(rearm)(bench_state *b, const struct bench_spec *spec)
{
    uint64_t random = 3;
    NAME(fill)(spec);
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH / 2; i++) {
            int64_t when = timer_now() + timer_far(&random);
            NAME(timer) *t =
                &NAME(pending)[(random >> 20) % (spec->pending * 1000)];
            NAME(cancel)(t);
            NAME(arm)(t, when);
        }
    }
}

static void NAME(arm_cancel_body)(struct worker *w)
{
    NAME(timer) t;
    NAME(init)(&t);
    while (worker_goes_on(w)) {
        NAME(arm)(&t, timer_now() + timer_far(&w->random));
        NAME(cancel)(&t);
        w->ops += 2;
    }
    NAME(end)(&t);
}

static void NAME(arm_cancel_crew)(bench_state *b, const struct bench_spec *spec)
{
    struct crew c;
    NAME(fill)(spec);
    crew_init(&c, NAME(arm_cancel_body), NULL);
    if (!crew_run(&c, b, spec))
        return;
    crew_report(&c, b);
    crew_fairness(&c, b);
    crew_free(&c);
}

/* One after the other, 0.1 to 0.6 ms from now; the time is how late they are in
 * the mean, with the wait for them asleep. */
static void NAME(lateness)(bench_state *b, const struct bench_spec *spec)
{
    NAME(timer) t;
    uint64_t random = 4;
    uint64_t sum = 0;
    struct histogram late;
    int64_t end;
    NAME(init)(&t);
    NAME(fill)(spec);
    memset(&late, 0, sizeof(late));
    end = timer_now() + TIMER_SECOND / 4;
    while (timer_now() < end) {
        int64_t when = timer_now() + 100000 + timer_far(&random) % 500000;
        uint64_t ns;
        NAME(arm)(&t, when);
        BENCH_CHECK(sem_wait(&timer_fires) == 0);
        BENCH_CHECK(timer_fired_at >= when);
        ns = (uint64_t)(timer_fired_at - when);
        histogram_add(&late, (uint64_t)((double)ns / bench_ns_per_tick));
        sum += ns;
    }
    bench_result(b, (double)sum / (double)late.total);
    crew_percentiles(b, &late, "");
    NAME(end)(&t);
}

BENCH_UNUSED static void NAME(add)(unsigned thousands)
{
    static const char *const names[][4] = {
        {"arm_cancel_0", "rearm_0", "arm_cancel_crew_0", "lateness_0"},
        {"arm_cancel_1k", "rearm_1k", "arm_cancel_crew_1k", "lateness_1k"},
        {"arm_cancel_1m", "rearm_1m", "arm_cancel_crew_1m", "lateness_1m"},
    };
    unsigned row = thousands == 0 ? 0 : thousands == 1 ? 1 : 2;
    struct bench_spec s =
        bench_row("timer", names[row][0], BENCH_TEXT(IMPL), NAME(arm_cancel));
    s.pending = thousands;
    s.flags = BENCH_KEY;
    bench_add(&s);
    if (thousands > 0) {
        s.scenario = names[row][1];
        s.fn = NAME(rearm);
        bench_add(&s);
    }
    s.flags = BENCH_CELL;
    s.scenario = names[row][3];
    s.fn = NAME(lateness);
    bench_add(&s);
    s.scenario = names[row][2];
    s.fn = NAME(arm_cancel_crew);
    s.threads = 4;
    bench_add(&s);
}
