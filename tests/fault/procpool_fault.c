/* SPDX-License-Identifier: MIT
 *
 * procpool_fault.c - the process pool without memory: each allocation is refused
 * once, and all from there on, in its workers too.
 */
#include <errno.h>

#include <pawl/error.h>
#include <pawl/process.h>
#include <pawl/procpool.h>

#include "exhausted.h"

static int add_one(pawl_proccall *call)
{
    *(int *)call->result = *(const int *)call->argument + 1;
    return 0;
}

static int may_fail(int err)
{
    CHECK(err == 0 || err == -ENOMEM || err == -EAGAIN ||
          err == -ENOTRECOVERABLE);
    return err == 0;
}

/* What has been accepted comes to its end: done, or why the pool broke. */
static void end_of(pawl_proctask *t, int in, const int *out)
{
    int status = -1;

    CHECK_OK(pawl_future_result(&t->future, &status, NULL));
    CHECK(status == 0 || status == -EOWNERDEAD || status == -ENOMEM ||
          status == -EAGAIN);
    CHECK(status != 0 || *out == in + 1);
}

static void use_tasks(pawl_procpool *pool)
{
    int in[4] = {1, 2, 3, 4};
    int out[4];
    int statuses[4];
    bool accepted[4];
    pawl_proctask t[4];
    pawl_proctask *heap = NULL;

    for (int i = 0; i < 4; i++) {
        pawl_proctask_init(&t[i], add_one, &in[i], sizeof *in, &out[i],
                           sizeof *out);
        accepted[i] = may_fail(pawl_procpool_submit(pool, &t[i]));
    }
    for (int i = 0; i < 4; i++)
        if (accepted[i])
            end_of(&t[i], in[i], &out[i]);
    if (may_fail(pawl_procpool_call(pool, add_one, in, sizeof *in, sizeof *in,
                                    NULL, &heap)))
        end_of(heap, in[0], pawl_proctask_result(heap));
    pawl_proctask_release(heap);
    if (pawl_procpool_map(pool, add_one, in, sizeof *in, out, sizeof *out, 4,
                          statuses, NULL, NULL) == 0)
        for (int i = 0; i < 4; i++)
            CHECK(statuses[i] != 0 || out[i] == in[i] + 1);
}

static void use_a_pool(void *arg)
{
    pawl_procpool *pool = NULL;

    (void)arg;
    exhausted_begins();
    if (may_fail(pawl_procpool_create(
            &pool, &(pawl_procpool_options){.workers = 2,
                                            .method = PAWL_START_FORK}))) {
        use_tasks(pool);
        CHECK_OK(pawl_procpool_end(pool));
    }
    exhausted_end();
    CHECK_EQ(pawl_process_active(NULL, 0), 0);
}

/* each alone, and all from there on. */
TEST(procpool_fault.any_allocation_may_fail)
{
    exhausted_each(use_a_pool, NULL, 11);
}
