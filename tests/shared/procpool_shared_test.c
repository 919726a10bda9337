/* SPDX-License-Identifier: MIT
 *
 * procpool_shared_test.c - process pools within process pools, and beside one
 * another, with each way to start: P-14, K-12, X-12, O-21.
 */
#include <pawl/thread.h>

#include "procpool_cases.h"

enum { INNER = 2 };

/* A pool of the worker's own, kept from call to call. */
static pawl_procpool *own_pool(pawl_proccall *call)
{
    pawl_procpool *p = call->context;

    if (p == NULL && pawl_procpool_create(
                         &p, &(pawl_procpool_options){.workers = INNER}) != 0)
        abort();
    call->context = p;
    return p;
}

static int square_by_others(pawl_proccall *call)
{
    int status = -1;
    int err =
        pawl_procpool_apply(own_pool(call), square, call->argument, call->size,
                            call->result, call->room, &status);

    return err != 0 ? err : status;
}

static int tell_pids(pawl_proccall *call)
{
    return pawl_procpool_pids(own_pool(call), call->result, INNER) == INNER ? 0
                                                                            : 1;
}

static int end_own_pool(pawl_proccall *call)
{
    int err = pawl_procpool_end(call->context);

    call->context = NULL;
    return err;
}

void test_main_begins(int argc, char **argv)
{
    procpool_cases_begin();
    pawl_procpool_register("square_by_others", square_by_others);
    pawl_procpool_register("tell_pids", tell_pids);
    pawl_procpool_register("end_own_pool", end_own_pool);
    pawl_process_main(argc, argv);
}

/* P-14, W-23: Python forbids it. */
TEST(procpool_shared.a_worker_may_have_a_pool)
{
    static int in[200], out[200];

    if (test_under_tsan())
        TEST_SKIP("no threads in the child of a process that has threads");
    for (int i = 0; i < 200; i++)
        in[i] = i;
    FOR_EACH_METHOD(method)
    {
        pawl_procpool *p = pool_of(2, method);
        int status = -1;

        CHECK_OK(pawl_procpool_map(p, square_by_others, in, sizeof *in, out,
                                   sizeof *out, 200, NULL, NULL, &status));
        CHECK_EQ(status, 0);
        for (int i = 0; i < 200; i++)
            CHECK_EQ(out[i], i * i);
        /* Left open by its worker, it goes with it. */
        CHECK_OK(pawl_procpool_end(p));
        CHECK_EQ(pawl_process_active(NULL, 0), 0);
    }
}

/* K-12: whoever dies takes those below along. */
TEST(procpool_shared.the_pool_of_a_dead_worker_is_gone)
{
    if (test_under_tsan())
        TEST_SKIP("no threads in the child of a process that has threads");
    FOR_EACH_METHOD(method)
    {
        pawl_procpool *p = pool_of(1, method);
        int64_t inner[INNER] = {0};
        int status = -1;
        int how = SIGKILL;
        int n = 6;

        CHECK_OK(pawl_procpool_apply(p, tell_pids, NULL, 0, inner, sizeof inner,
                                     &status));
        CHECK_EQ(status, 0);
        CHECK_OK(
            pawl_procpool_apply(p, die, &how, sizeof how, NULL, 0, &status));
        CHECK_EQ(status, -EOWNERDEAD);
        for (int i = 0; i < INNER; i++)
            until_gone((pid_t)inner[i]);
        CHECK_OK(pawl_procpool_apply(p, square_by_others, &n, sizeof n, &n,
                                     sizeof n, &status));
        CHECK_EQ(n, 36);
        CHECK_OK(
            pawl_procpool_apply(p, end_own_pool, NULL, 0, NULL, 0, &status));
        CHECK_EQ(status, 0);
        CHECK_OK(pawl_procpool_end(p));
    }
}

/* ---- side by side ------------------------------------------------------------------ */

static void use_one(void *arg)
{
    enum pawl_start_method method = *(enum pawl_start_method *)arg;

    for (int i = 0; i < 3; i++) {
        pawl_procpool *p = pool_of(2, method);

        for (int k = 0; k < 100; k++)
            CHECK_EQ(applied(p, k), k * k);
        CHECK_OK(pawl_procpool_end(p));
    }
}

/* Pools are made and ended by threads at once; workers are forked meanwhile. */
TEST(procpool_shared.pools_side_by_side)
{
    struct test_thread *threads[6];
    enum pawl_start_method methods[6];

    for (int i = 0; i < 6; i++) {
        methods[i] = process_methods[i % 3];
        threads[i] = test_thread(use_one, &methods[i]);
    }
    for (int i = 0; i < 6; i++)
        test_join(threads[i]);
    CHECK_EQ(pawl_process_active(NULL, 0), 0);
}

struct caller {
    pawl_procpool *pool;
    int from;
};

static void call_often(void *arg)
{
    const struct caller *c = arg;

    for (int i = 0; i < test_iterations(500); i++)
        CHECK_EQ(applied(c->pool, c->from + i), (c->from + i) * (c->from + i));
}

/* O-03: others are not kept from submitting; each gets its own result. */
TEST(procpool_shared.many_call_at_once)
{
    pawl_procpool *p = pool_of(2, PAWL_START_FORK);
    struct test_thread *threads[8];
    struct caller callers[8];

    for (int i = 0; i < 8; i++) {
        callers[i] = (struct caller){.pool = p, .from = i * 1000};
        threads[i] = test_thread(call_often, &callers[i]);
    }
    for (int i = 0; i < 8; i++)
        test_join(threads[i]);
    CHECK_OK(pawl_procpool_end(p));
}
