/* SPDX-License-Identifier: MIT
 *
 * EX-33: a pool of five processes, and a caller who waits for each task before the next:
 * strictly one after the other, whoever runs them.
 */
#include "example.h"

enum { TASKS = 5, WORKERS = 5 };

struct job {
    int number;
    int64_t ns;
};

struct report {
    int number;
    int64_t began;
    int64_t ended;
};

static int work(pawl_proccall *call)
{
    const struct job *j = call->argument;
    struct report *r = call->result;
    pawl_event never = PAWL_EVENT_INIT;

    *r = (struct report){.number = j->number, .began = pawl_now()};
    SAY("task %d starts", j->number);
    MUST_BE(-ETIMEDOUT, pawl_event_wait_until(&never, pawl_after_ns(j->ns)));
    SAY("task %d ends", j->number);
    r->ended = pawl_now();
    return j->number * 10;
}

int main(int argc, char **argv)
{
    struct report reports[TASKS];
    pawl_procpool *pool = NULL;

    MUST(pawl_procpool_register("work", work));
    pawl_process_main(argc, argv);
    example_begins(argc, argv);

    MUST(pawl_procpool_create(&pool,
                              &(pawl_procpool_options){.workers = WORKERS}));
    for (int i = 0; i < TASKS; i++) {
        struct job j = {.number = i, .ns = example_unit / 2};
        int status = -1;

        MUST(pawl_procpool_apply(pool, work, &j, sizeof j, &reports[i],
                                 sizeof reports[i], &status));
        REQUIRE(status == i * 10 && reports[i].number == i);
        REQUIRE(i == 0 || reports[i].began >= reports[i - 1].ended);
    }
    AT_LEAST(TASKS * 0.5);
    MUST(pawl_procpool_end(pool));
    SAY("OK %d tasks, one after the other", TASKS);
    return 0;
}
