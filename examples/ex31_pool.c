/* SPDX-License-Identifier: MIT
 *
 * EX-31: five tasks of different length on a pool of four processes, without waiting
 * for each; then close and join.
 */
#include "example.h"

enum { TASKS = 5, WORKERS = 4 };

struct job {
    int number;
    int64_t ns;
};

struct report {
    int pid;
    int64_t began; /* by the clock that all processes have */
    int64_t ended;
};

static int work(pawl_proccall *call)
{
    const struct job *j = call->argument;
    struct report *r = call->result;
    pawl_event never = PAWL_EVENT_INIT;

    r->pid = (int)getpid();
    r->began = pawl_now();
    SAY("task %d starts in %d", j->number, r->pid);
    MUST_BE(-ETIMEDOUT, pawl_event_wait_until(&never, pawl_after_ns(j->ns)));
    SAY("task %d ends", j->number);
    r->ended = pawl_now();
    return 0;
}

static int count_pids(const struct report *r)
{
    int different = 0;

    for (int i = 0; i < TASKS; i++) {
        int k = 0;

        while (r[k].pid != r[i].pid)
            k++;
        different += k == i;
    }
    return different;
}

int main(int argc, char **argv)
{
    struct job jobs[TASKS];
    struct report reports[TASKS];
    pawl_proctask tasks[TASKS];
    pawl_procpool *pool = NULL;
    int64_t first_end = INT64_MAX;
    int64_t last_start = 0;
    int late = 0;

    MUST(pawl_procpool_register("work", work));
    pawl_process_main(argc, argv);
    example_begins(argc, argv);

    MUST(pawl_procpool_create(&pool,
                              &(pawl_procpool_options){.workers = WORKERS}));
    for (int i = 0; i < TASKS; i++) {
        jobs[i] = (struct job){.number = i,
                               .ns = example_unit * (2 + (i * 7) % 5) / 2};
        pawl_proctask_init(&tasks[i], work, &jobs[i], sizeof jobs[i],
                           &reports[i], sizeof reports[i]);
        MUST(pawl_procpool_submit(pool, &tasks[i]));
    }
    MUST_BE(-EBUSY, pawl_procpool_join(pool));
    MUST(pawl_procpool_close(pool));
    MUST_BE(-ESHUTDOWN,
            pawl_procpool_apply(pool, work, &jobs[0], sizeof jobs[0],
                                &reports[0], sizeof reports[0], &late));
    MUST(pawl_procpool_join(pool));
    SAY("all done");

    for (int i = 0; i < TASKS; i++) {
        int status = -1;

        MUST(pawl_future_try_result(&tasks[i].future, &status, NULL));
        REQUIRE(status == 0 && reports[i].pid != getpid());
        if (reports[i].ended < first_end)
            first_end = reports[i].ended;
        if (reports[i].began > last_start)
            last_start = reports[i].began;
    }
    REQUIRE(count_pids(reports) <= WORKERS);
    REQUIRE(last_start >= first_end); /* somebody had to be free */
    MUST(pawl_procpool_free(pool));
    SAY("OK %d tasks, %d processes", TASKS, count_pids(reports));
    return 0;
}
