/* SPDX-License-Identifier: MIT
 *
 * Main counts to 100, and when it comes to 20 it starts two threads that do the same.
 * How the 300 lines are mixed is anybody's guess; observe.py checks the rest.
 */
#include "example.h"

enum { MAX = 100, START_AT = 20 };

/* Returns how many lines it has printed. */
static int count(void *arg)
{
    char name[PAWL_THREAD_NAME_SIZE];
    int max = *(int *)arg;

    pawl_thread_name(pawl_thread_current(), name);
    for (int i = 0; i < max; i++)
        SAY("%s %d", name, i);
    return max;
}

int main(int argc, char **argv)
{
    static int max = MAX;
    pawl_thread threads[2];
    int lines = 0;

    example_begins(argc, argv);
    for (int i = 0; i < MAX; i++) {
        for (int k = 0; i == START_AT && k < 2; k++) {
            MUST(pawl_thread_init(
                &threads[k], count, &max,
                &(pawl_thread_options){.size = sizeof(pawl_thread_options),
                                       .name = k == 0 ? "first" : "second"}));
            MUST(pawl_thread_start(&threads[k]));
        }
        SAY("main %d", i);
        lines++;
    }
    for (int k = 0; k < 2; k++) {
        int status = 0;

        MUST(pawl_thread_join(&threads[k], &status));
        lines += status;
    }
    REQUIRE(lines == 3 * MAX);
    SAY("OK %d lines", lines);
    return 0;
}
