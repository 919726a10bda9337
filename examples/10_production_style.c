/* SPDX-License-Identifier: MIT
 *
 * 10 - a table of jobs, a thread for each: any function, its argument, its result, and
 * when it began and ended.
 */
#include "example.h"

struct job {
    pawl_thread thread;
    char name[PAWL_THREAD_NAME_SIZE];
    int (*function)(int);
    int argument;
    int result;
    pawl_deadline began, ended;
};

static int job_run(void *arg)
{
    struct job *j = arg;
    char name[PAWL_THREAD_NAME_SIZE];

    SAY("%s begins", pawl_thread_name(pawl_thread_current(), name));
    j->began = pawl_now();
    j->result = j->function(j->argument);
    j->ended = pawl_now();
    SAY("%s ends: %d", name, j->result);
    return 0;
}

static int loop(int units)
{
    example_sleep(units);
    return units * units;
}

int main(int argc, char **argv)
{
    static struct job jobs[] = {
        {.function = loop, .argument = 4},
        {.function = loop, .argument = 2},
    };
    const int n = sizeof jobs / sizeof *jobs;

    example_begins(argc, argv);
    for (int i = 0; i < n; i++) {
        snprintf(jobs[i].name, sizeof jobs[i].name, "loop-%d", i);
        MUST(pawl_thread_init(
            &jobs[i].thread, job_run, &jobs[i],
            &(pawl_thread_options){.size = sizeof(pawl_thread_options),
                                   .name = jobs[i].name}));
    }
    for (int i = 0; i < n; i++)
        MUST(pawl_thread_start(&jobs[i].thread));
    for (int i = 0; i < n; i++) {
        char name[PAWL_THREAD_NAME_SIZE];

        MUST(pawl_thread_join(&jobs[i].thread, NULL));
        pawl_thread_name(&jobs[i].thread, name);
        REQUIRE(strcmp(name, jobs[i].name) == 0);
        REQUIRE(jobs[i].result == jobs[i].argument * jobs[i].argument);
        REQUIRE(jobs[i].ended - jobs[i].began >=
                jobs[i].argument * example_unit);
    }
    AT_LEAST(4);
    BELOW(6);
    SAY("OK loop-0: %d, loop-1: %d, %.1f units", jobs[0].result, jobs[1].result,
        example_elapsed());
    return 0;
}
