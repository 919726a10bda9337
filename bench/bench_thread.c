/* SPDX-License-Identifier: MIT
 *
 * bench_thread.c - start a thread and wait for its end.
 *
 *   thread/start_join     as it comes: pawl runs it in a parked OS thread
 *   thread/start_join_new in a new OS thread
 *   thread/start_join_pinned   the first, with the OS threads on two CPUs at the
 *                         beginning; the scheduler may move them
 */
#include <pthread.h>
#include <sched.h>
#include <threads.h>

#include <pawl/thread.h>

#include "bench.h"

static int run_pawl(void *arg)
{
    return arg != NULL;
}

static void *run_pthread(void *arg)
{
    return arg;
}

static void start_and_join(const pawl_thread_options *o, pawl_thread_fn fn)
{
    pawl_thread t;

    BENCH_CHECK(pawl_thread_init(&t, fn, NULL, o) == 0);
    BENCH_CHECK(pawl_thread_start(&t) == 0);
    BENCH_CHECK(pawl_thread_join(&t, NULL) == 0);
}

static void parked_pawl(bench_state *b, const struct bench_spec *spec)
{
    (void)spec;
    while (bench_batch(b, 16))
        for (int i = 0; i < 16; i++)
            start_and_join(NULL, run_pawl);
}

/* Go to a CPU, and stay there only until the scheduler thinks otherwise. */
static void go_to(unsigned cpu)
{
    cpu_set_t before;
    cpu_set_t one;

    if (sched_getaffinity(0, sizeof before, &before) != 0 ||
        !CPU_ISSET(cpu, &before))
        return;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
    sched_setaffinity(0, sizeof before, &before);
}

static int go_to_another(void *arg)
{
    go_to(1);
    return arg != NULL;
}

static void pinned_pawl(bench_state *b, const struct bench_spec *spec)
{
    go_to(0);
    start_and_join(NULL, go_to_another);
    parked_pawl(b, spec);
}

static void new_pawl(bench_state *b, const struct bench_spec *spec)
{
    static const pawl_thread_options o = {.size = sizeof o, .no_cache = true};

    (void)spec;
    while (bench_batch(b, 16))
        for (int i = 0; i < 16; i++)
            start_and_join(&o, run_pawl);
}

static void new_pthread(bench_state *b, const struct bench_spec *spec)
{
    (void)spec;
    while (bench_batch(b, 16)) {
        for (int i = 0; i < 16; i++) {
            pthread_t t;

            BENCH_CHECK(pthread_create(&t, NULL, run_pthread, NULL) == 0);
            BENCH_CHECK(pthread_join(t, NULL) == 0);
        }
    }
}

static void new_c11(bench_state *b, const struct bench_spec *spec)
{
    (void)spec;
    while (bench_batch(b, 16)) {
        for (int i = 0; i < 16; i++) {
            thrd_t t;

            BENCH_CHECK(thrd_create(&t, run_pawl, NULL) == thrd_success);
            BENCH_CHECK(thrd_join(t, NULL) == thrd_success);
        }
    }
}

static void add(const char *scenario, const char *impl, bench_fn *fn)
{
    struct bench_spec s = bench_row("thread", scenario, impl, fn);

    s.flags = BENCH_KEY;
    bench_add(&s);
}

void bench_thread(void)
{
    add("start_join", "pawl", parked_pawl);
    add("start_join", "pthread", new_pthread);
    add("start_join", "c11", new_c11);
    add("start_join_pinned", "pawl", pinned_pawl);
    add("start_join_pinned", "pthread", new_pthread);
    add("start_join_new", "pawl", new_pawl);
    add("start_join_new", "pthread", new_pthread);
}
