/* SPDX-License-Identifier: MIT
 *
 * pass_cases.h - awaiting a signal that was sent already and stays so, besides
 * signal_cases.h.  Adaptor as there.
 */
static void NAME(pass)(bench_state *b, const struct bench_spec *spec)
{
    NAME(signal) s;
    NAME(signal_init)(&s);
    NAME(signal_send)(&s);
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++)
            NAME(signal_await)(&s);
    }
}

static void NAME(add)(void)
{
    struct bench_spec s =
        bench_row(BENCH_TEXT(OBJECT), "pass", BENCH_TEXT(IMPL), NAME(pass));
    bench_add(&s);
    NAME(add_signal)(SIGNAL_ALL);
}
