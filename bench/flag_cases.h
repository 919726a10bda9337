/* SPDX-License-Identifier: MIT
 *
 * flag_cases.h - what is measured of an event or a latch besides
 * signal_cases.h: asking and waiting when it is up already, and raising it
 * when nobody waits.  Adaptor as there, and NAME(signal_is_up).
 */
static void NAME(ask)(bench_state *b, const struct bench_spec *spec)
{
    BENCH_ALIGNED NAME(signal) flag;
    NAME(signal_init)(&flag);
    NAME(signal_send)(&flag);
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++)
            BENCH_CHECK(NAME(signal_is_up)(&flag));
    }
}

static void NAME(pass)(bench_state *b, const struct bench_spec *spec)
{
    BENCH_ALIGNED NAME(signal) flag;
    NAME(signal_init)(&flag);
    NAME(signal_send)(&flag);
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++)
            NAME(signal_await)(&flag);
    }
}

static void NAME(raise)(bench_state *b, const struct bench_spec *spec)
{
    BENCH_ALIGNED NAME(signal) flag;
    NAME(signal_init)(&flag);
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++) {
            NAME(signal_send)(&flag);
            NAME(signal_clear)(&flag);
        }
    }
}

static void NAME(add)(void)
{
    struct bench_spec s =
        bench_row(BENCH_TEXT(OBJECT), "ask", BENCH_TEXT(IMPL), NAME(ask));
    bench_add(&s);
    s = bench_row(BENCH_TEXT(OBJECT), "pass", BENCH_TEXT(IMPL), NAME(pass));
    bench_add(&s);
    s = bench_row(BENCH_TEXT(OBJECT), "raise_clear", BENCH_TEXT(IMPL),
                  NAME(raise));
    bench_add(&s);
    NAME(add_signal)(SIGNAL_ALL);
}
