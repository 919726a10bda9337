/* SPDX-License-Identifier: MIT
 *
 * 05 - join: wait for a thread, and get what its function returned.
 */
#include "example.h"

static int work(void *arg)
{
    int units = *(int *)arg;

    SAY("start%d", units);
    example_sleep(units);
    SAY("end%d", units);
    return 10 * units;
}

int main(int argc, char **argv)
{
    pawl_thread threads[2];
    int units[] = {4, 2};
    int status = 0;

    example_begins(argc, argv);
    for (int i = 0; i < 2; i++) {
        MUST(PAWL_THREAD_INIT(&threads[i], work, &units[i]));
        MUST(pawl_thread_start(&threads[i]));
    }
    MUST_BE(-ETIMEDOUT, pawl_thread_join_until(&threads[0], 0, &status));
    REQUIRE(status == 0); /* nothing is written unless it has ended */
    for (int i = 0; i < 2; i++) {
        MUST(pawl_thread_join(&threads[i], &status));
        REQUIRE(status == 10 * units[i]);
        status = 0;
        MUST(pawl_thread_join(&threads[i], &status)); /* as often as you like */
        REQUIRE(status == 10 * units[i]);
    }
    AT_LEAST(4);
    BELOW(6);
    SAY("all done");
    SAY("OK statuses 40 and 20, %.1f units", example_elapsed());
    return 0;
}
