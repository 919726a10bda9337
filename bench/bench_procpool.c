/* SPDX-License-Identifier: MIT
 *
 * bench_procpool.c - the process pool, with as many workers as there are CPUs; one
 * task, or one element, is one operation.
 *
 *   procpool/tiny    tasks that add one, 1000 at a time: submit all, wait for all
 *   procpool/map     the same as elements of a map, 20,000 at a time
 *   procpool/apply   one task, waited for, before the next
 *
 *   pawl             a process pool
 *   pawl-threads     a thread pool, which copies nothing
 *   fork             a process for each task, as many at once as there are CPUs
 *   python           multiprocessing.Pool, by tools/compare-python
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl/pool.h>
#include <pawl/procpool.h>

#include "bench.h"

enum { TASKS = 1000, ELEMENTS = 20000 };

static int add_one(pawl_proccall *call)
{
    *(int *)call->result = *(const int *)call->argument + 1;
    return 0;
}

void bench_procpool_register(void)
{
    BENCH_CHECK(pawl_procpool_register("add_one", add_one) == 0);
}

static int in[ELEMENTS];
static int out[ELEMENTS];

static void fill(void)
{
    for (int i = 0; i < ELEMENTS; i++)
        in[i] = i;
    memset(out, 0, sizeof out);
}

static void check(int n)
{
    for (int i = 0; i < n; i++)
        BENCH_CHECK(out[i] == i + 1);
}

/* ---- pawl ---------------------------------------------------------------- */

static pawl_procpool *make_pool(void)
{
    pawl_procpool *p;

    fill();
    BENCH_CHECK(pawl_procpool_create(&p, NULL) == 0);
    /* All workers have begun. */
    BENCH_CHECK(pawl_procpool_map(p, add_one, in, sizeof *in, out, sizeof *out,
                                  TASKS, NULL, NULL, NULL) == 0);
    return p;
}

static void tiny_pawl(bench_state *b, const struct bench_spec *spec)
{
    static pawl_proctask tasks[TASKS];
    pawl_procpool *p = make_pool();

    (void)spec;
    while (bench_batch(b, TASKS)) {
        for (int i = 0; i < TASKS; i++) {
            pawl_proctask_init(&tasks[i], add_one, &in[i], sizeof *in, &out[i],
                               sizeof *out);
            BENCH_CHECK(pawl_procpool_submit(p, &tasks[i]) == 0);
        }
        for (int i = 0; i < TASKS; i++)
            BENCH_CHECK(pawl_future_result(&tasks[i].future, NULL, NULL) == 0);
    }
    check(TASKS);
    BENCH_CHECK(pawl_procpool_end(p) == 0);
}

static void map_pawl(bench_state *b, const struct bench_spec *spec)
{
    pawl_procpool *p = make_pool();

    (void)spec;
    while (bench_batch(b, ELEMENTS))
        BENCH_CHECK(pawl_procpool_map(p, add_one, in, sizeof *in, out,
                                      sizeof *out, ELEMENTS, NULL, NULL,
                                      NULL) == 0);
    check(ELEMENTS);
    BENCH_CHECK(pawl_procpool_end(p) == 0);
}

static void apply_pawl(bench_state *b, const struct bench_spec *spec)
{
    pawl_procpool *p = make_pool();

    (void)spec;
    while (bench_batch(b, 1))
        BENCH_CHECK(pawl_procpool_apply(p, add_one, in, sizeof *in, out,
                                        sizeof *out, NULL) == 0);
    check(1);
    BENCH_CHECK(pawl_procpool_end(p) == 0);
}

/* ---- threads --------------------------------------------------------------- */

static int add_one_here(pawl_task *t, void *arg)
{
    const int *x = arg;

    (void)t;
    out[x - in] = *x + 1;
    return 0;
}

static pawl_pool *make_threads(void)
{
    int n = pawl_process_cpu_count();
    pawl_pool *p;

    fill();
    BENCH_CHECK(pawl_pool_create(&p, &(pawl_pool_options){.max_workers = n,
                                                          .prestart = n}) == 0);
    return p;
}

static void tiny_threads(bench_state *b, const struct bench_spec *spec)
{
    static pawl_task tasks[TASKS];
    pawl_pool *p = make_threads();

    (void)spec;
    while (bench_batch(b, TASKS)) {
        for (int i = 0; i < TASKS; i++) {
            pawl_task_init(&tasks[i], add_one_here, &in[i]);
            BENCH_CHECK(pawl_pool_submit(p, &tasks[i]) == 0);
        }
        for (int i = 0; i < TASKS; i++)
            BENCH_CHECK(pawl_future_result(&tasks[i].future, NULL, NULL) == 0);
    }
    check(TASKS);
    BENCH_CHECK(pawl_pool_end(p) == 0);
}

static int add_ones(size_t begin, size_t end, void *context)
{
    (void)context;
    for (size_t i = begin; i < end; i++)
        out[i] = in[i] + 1;
    return 0;
}

static void map_threads(bench_state *b, const struct bench_spec *spec)
{
    pawl_pool *p = make_threads();

    (void)spec;
    while (bench_batch(b, ELEMENTS))
        BENCH_CHECK(pawl_pool_for(p, 0, ELEMENTS, 1, add_ones, NULL, NULL) ==
                    0);
    check(ELEMENTS);
    BENCH_CHECK(pawl_pool_end(p) == 0);
}

static void apply_threads(bench_state *b, const struct bench_spec *spec)
{
    pawl_pool *p = make_threads();

    (void)spec;
    while (bench_batch(b, 1)) {
        pawl_task t;

        pawl_task_init(&t, add_one_here, &in[0]);
        BENCH_CHECK(pawl_pool_submit(p, &t) == 0);
        BENCH_CHECK(pawl_future_result(&t.future, NULL, NULL) == 0);
    }
    check(1);
    BENCH_CHECK(pawl_pool_end(p) == 0);
}

/* ---- a process for each ------------------------------------------------------- */

/* As many at once as there are CPUs. */
static void fork_some(bench_state *b, int at_once)
{
    int *shared =
        mmap(NULL, sizeof(int) * (size_t)at_once, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;

    BENCH_CHECK(shared != MAP_FAILED);
    fill();
    while (bench_batch(b, at_once)) {
        for (int i = 0; i < at_once; i++) {
            pid_t pid = fork();

            BENCH_CHECK(pid >= 0);
            if (pid == 0) {
                shared[i] = in[i] + 1;
                _exit(0);
            }
        }
        for (int i = 0; i < at_once; i++)
            BENCH_CHECK(wait(&status) > 0 && status == 0);
        memcpy(out, shared, sizeof(int) * (size_t)at_once);
    }
    check(at_once);
    munmap(shared, sizeof(int) * (size_t)at_once);
}

static void tiny_fork(bench_state *b, const struct bench_spec *spec)
{
    (void)spec;
    fork_some(b, pawl_process_cpu_count());
}

static void apply_fork(bench_state *b, const struct bench_spec *spec)
{
    (void)spec;
    fork_some(b, 1);
}

static void add(const char *scenario, const char *impl, bench_fn *fn)
{
    struct bench_spec s = bench_row("procpool", scenario, impl, fn);

    bench_add(&s);
}

void bench_procpool(void)
{
    add("tiny", "pawl", tiny_pawl);
    add("tiny", "pawl-threads", tiny_threads);
    add("tiny", "fork", tiny_fork);
    add("map", "pawl", map_pawl);
    add("map", "pawl-threads", map_threads);
    add("apply", "pawl", apply_pawl);
    add("apply", "pawl-threads", apply_threads);
    add("apply", "fork", apply_fork);
}
