/* SPDX-License-Identifier: MIT
 *
 * EX-32: a pool of ten processes, and callbacks that say what has become of the tasks:
 * one for those that succeed, one for those that do not.  They run in a thread of
 * the parent, and have returned when the result is there.
 */
#include "example.h"

enum { TASKS = 9, WORKERS = 10 };

static int add_one(pawl_proccall *call)
{
    int x;

    memcpy(&x, call->argument, sizeof x);
    if (x < 0)
        return -EDOM;
    x++;
    memcpy(call->result, &x, sizeof x);
    return 0;
}

struct log { /* written by one thread */
    int done;
    int failed;
    bool in_parent;
};

static void log_result(pawl_proctask *task, int status, void *context)
{
    struct log *log = context;
    int value;

    memcpy(&value, pawl_proctask_result(task), sizeof value);
    SAY("result: %d", value);
    REQUIRE(status == 0 && value == 2);
    log->done++;
    log->in_parent = log->in_parent && pawl_process_parent() == NULL;
}

static void log_failure(pawl_proctask *task, int status, void *context)
{
    struct log *log = context;

    SAY("failed: %s", pawl_errname(status));
    REQUIRE(task != NULL && status == -EDOM);
    log->failed++;
    log->in_parent = log->in_parent && pawl_process_parent() == NULL;
}

int main(int argc, char **argv)
{
    struct log log = {.in_parent = true};
    pawl_procpool_call_options callbacks = {
        .done = log_result, .failed = log_failure, .context = &log};
    pawl_proctask *tasks[TASKS + 1];
    pawl_procpool *pool = NULL;

    MUST(pawl_procpool_register("add_one", add_one));
    pawl_process_main(argc, argv);
    example_begins(argc, argv);

    MUST(pawl_procpool_create(&pool,
                              &(pawl_procpool_options){.workers = WORKERS}));
    for (int i = 0; i <= TASKS; i++) {
        int x = i == 4 ? -1 : 1;

        MUST(pawl_procpool_call(pool, add_one, &x, sizeof x, sizeof x,
                                &callbacks, &tasks[i]));
    }
    for (int i = 0; i <= TASKS; i++) {
        int status = -1;

        MUST(pawl_future_result(&tasks[i]->future, &status, NULL));
        REQUIRE(status == (i == 4 ? -EDOM : 0));
        pawl_proctask_release(tasks[i]);
    }
    /* Each had come before its result was out. */
    REQUIRE(log.done == TASKS && log.failed == 1 && log.in_parent);
    MUST(pawl_procpool_end(pool));
    SAY("OK %d results, %d failure", log.done, log.failed);
    return 0;
}
