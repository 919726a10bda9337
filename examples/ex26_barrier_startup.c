/* SPDX-License-Identifier: MIT
 *
 * Five parts of a program get ready and meet at a barrier.  In the first round the
 * database is not there and calls it off: nobody waits for ever.  In the second, the
 * last to arrive says that all are ready, before any of them goes on.
 */
#include <stdatomic.h>

#include "example.h"

enum { PARTS = 5, DATABASE = 2, NO_DATABASE = -ENOENT };

static const char *const names[PARTS] = {"files", "cache", "database", "pool",
                                         "log"};
static pawl_barrier barrier = PAWL_BARRIER_INIT(PARTS);
static atomic_int ready;
static bool has_database; /* main writes it while no thread runs */

static int say_ready(uint32_t generation, void *arg)
{
    (void)generation;
    (void)arg;
    SAY("ready");
    atomic_fetch_add(&ready, 1);
    return 0;
}

/* The status: the order of arrival, or why not. */
static int begin(void *arg)
{
    int me = *(int *)arg;
    int index;

    if (me == DATABASE && !has_database) {
        SAY("%s: not there", names[me]);
        MUST(pawl_barrier_abort(&barrier, NO_DATABASE));
        return NO_DATABASE;
    }
    index = pawl_barrier_wait_action(&barrier, say_ready, NULL, PAWL_FOREVER);
    if (index >= 0) {
        REQUIRE(atomic_load(&ready) == 1);
        SAY("%s: number %d", names[me], index);
    } else {
        REQUIRE(pawl_barrier_reason(&barrier) == NO_DATABASE);
        SAY("%s: called off", names[me]);
    }
    return index;
}

static void run_round(int status[PARTS])
{
    static int numbers[PARTS];
    pawl_thread threads[PARTS];

    for (int i = 0; i < PARTS; i++) {
        numbers[i] = i;
        MUST(pawl_thread_init(
            &threads[i], begin, &numbers[i],
            &(pawl_thread_options){.size = sizeof(pawl_thread_options),
                                   .name = names[i]}));
        MUST(pawl_thread_start(&threads[i]));
    }
    for (int i = 0; i < PARTS; i++)
        MUST(pawl_thread_join(&threads[i], &status[i]));
}

int main(int argc, char **argv)
{
    int status[PARTS];
    unsigned indices = 0;

    example_begins(argc, argv);
    run_round(status);
    for (int i = 0; i < PARTS; i++)
        REQUIRE(status[i] == (i == DATABASE ? NO_DATABASE : -ECANCELED));
    REQUIRE(pawl_barrier_broken(&barrier) && atomic_load(&ready) == 0);

    MUST(pawl_barrier_reset(&barrier));
    has_database = true;
    run_round(status);
    for (int i = 0; i < PARTS; i++)
        indices |= 1u << status[i];
    REQUIRE(indices == (1u << PARTS) - 1 && atomic_load(&ready) == 1);
    SAY("OK 4 called off, then %d together", PARTS);
    return 0;
}
