/* SPDX-License-Identifier: MIT
 *
 * rmutex_cases.h - what is measured of a recursive lock.  Included once for
 * each implementation, with OBJECT and IMPL defined and the
 * adaptor lock_{t,init,take,give}_OBJECT_IMPL.
 */
static void NAME(pair)(bench_state *b, const struct bench_spec *spec)
{
    BENCH_ALIGNED NAME(lock_t) lock;
    NAME(lock_init)(&lock);
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++) {
            NAME(lock_take)(&lock);
            NAME(lock_give)(&lock);
        }
    }
}

static void NAME(nested)(bench_state *b, const struct bench_spec *spec)
{
    BENCH_ALIGNED NAME(lock_t) lock;
    NAME(lock_init)(&lock);
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++) {
            NAME(lock_take)(&lock);
            NAME(lock_take)(&lock);
            NAME(lock_give)(&lock);
            NAME(lock_give)(&lock);
        }
    }
}

static void NAME(add)(void)
{
    struct bench_spec s =
        bench_row(BENCH_TEXT(OBJECT), "nested", BENCH_TEXT(IMPL), NAME(nested));
    s.flags = BENCH_KEY;
    bench_add(&s);
    s.scenario = "single_threaded_nested";
    s.flags = BENCH_KEY | BENCH_SINGLE;
    bench_add(&s);
    s = bench_row(BENCH_TEXT(OBJECT), "uncontended", BENCH_TEXT(IMPL),
                  NAME(pair));
    bench_add(&s);
}
