/* SPDX-License-Identifier: MIT
 *
 * 04 - main returns while threads run.  They are not cut off: the end of the program
 * waits for all threads that are not daemons.
 */
#include <stdatomic.h>

#include "example.h"

static pawl_event all_started = PAWL_EVENT_INIT;
static atomic_int ended;

static int work(void *arg)
{
    int number = *(int *)arg;

    SAY("start%d", number);
    MUST(pawl_event_wait(&all_started));
    example_sleep(number == 1 ? 4 : 2);
    SAY("end%d", number);
    atomic_fetch_add(&ended, 1);
    return 0;
}

/* Installed before the first thread was started, so called after the last. */
static void report(void)
{
    REQUIRE(atomic_load(&ended) == 2);
    AT_LEAST(4);
    SAY("OK both ended, %.1f units", example_elapsed());
}

int main(int argc, char **argv)
{
    static pawl_thread threads[2]; /* main's own variables go when it returns */
    static int numbers[] = {1, 2};

    example_begins(argc, argv);
    REQUIRE(atexit(report) == 0);
    for (int i = 0; i < 2; i++) {
        MUST(PAWL_THREAD_INIT(&threads[i], work, &numbers[i]));
        MUST(pawl_thread_start(&threads[i]));
    }
    SAY("all started");
    pawl_event_set(&all_started);
    return 0;
}
