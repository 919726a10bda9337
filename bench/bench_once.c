/* SPDX-License-Identifier: MIT
 *
 * bench_once.c - once, when it has been done already: all that is ever paid
 * again.
 */
#include <pthread.h>
#include <threads.h>

#include <pawl/once.h>

#include "bench.h"

static int run_count;

static int initialise(void *arg)
{
    ++*(int *)arg;
    return 0;
}

static void initialise_plain(void)
{
    run_count++;
}

static void done_pawl(bench_state *b, const struct bench_spec *spec)
{
    static pawl_once once = PAWL_ONCE_INIT;
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++)
            BENCH_CHECK(pawl_once_run(&once, initialise, &run_count) == 0);
    }
}

static void done_pthread(bench_state *b, const struct bench_spec *spec)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++)
            BENCH_CHECK(pthread_once(&once, initialise_plain) == 0);
    }
}

static void done_c11(bench_state *b, const struct bench_spec *spec)
{
    static once_flag once = ONCE_FLAG_INIT;
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++)
            call_once(&once, initialise_plain);
    }
}

static void add(const char *impl, bench_fn *fn)
{
    struct bench_spec s = bench_row("once", "done", impl, fn);
    s.flags = BENCH_KEY;
    bench_add(&s);
}

void bench_once(void)
{
    add("pawl", done_pawl);
    add("pthread", done_pthread);
    add("c11", done_c11);
}
