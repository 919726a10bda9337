/* SPDX-License-Identifier: MIT
 *
 * 06 - a thread that outlives main: not a daemon, so the program lives as long.
 */
#include <stdatomic.h>

#include "example.h"

static pawl_event main_returns = PAWL_EVENT_INIT;
static atomic_bool ended;

static int work(void *arg)
{
    (void)arg;
    SAY("start");
    MUST(pawl_event_wait(&main_returns));
    example_sleep(2);
    SAY("end");
    atomic_store(&ended, true);
    return 0;
}

static void report(void)
{
    REQUIRE(atomic_load(&ended));
    AT_LEAST(2);
    SAY("OK the thread ended after main");
}

int main(int argc, char **argv)
{
    static pawl_thread thread;

    example_begins(argc, argv);
    REQUIRE(atexit(report) == 0);
    MUST(PAWL_THREAD_INIT(&thread, work, NULL));
    REQUIRE(!pawl_thread_is_daemon(&thread));
    MUST(pawl_thread_start(&thread));
    SAY("main returns");
    pawl_event_set(&main_returns);
    return 0;
}
