/* SPDX-License-Identifier: MIT
 *
 * Five runners at a start line.  Nobody runs before the last has come; and if one
 * loses patience, the start is off for all.
 */
#include "example.h"

enum { RUNNERS = 5 };

static pawl_barrier line = PAWL_BARRIER_INIT(RUNNERS);

static int run(void *arg)
{
    int me = *(int *)arg;
    int place = pawl_barrier_wait(&line);

    SAY("runner %d: %s %d", me, place < 0 ? pawl_errname(place) : "place",
        place);
    return place;
}

/* Does not wait for ever. */
static int run_impatiently(void *arg)
{
    int place = pawl_barrier_wait_until(&line, example_after(1));

    SAY("runner %d: %s", *(int *)arg, place < 0 ? pawl_errname(place) : "runs");
    return place;
}

static void until_waiting(uint32_t n)
{
    while (pawl_barrier_n_waiting(&line) < n)
        example_sleep(0.01);
    REQUIRE(pawl_barrier_n_waiting(&line) == n);
}

int main(int argc, char **argv)
{
    static int numbers[RUNNERS] = {0, 1, 2, 3, 4};
    pawl_thread threads[RUNNERS];
    int place = 0;
    unsigned places = 0;

    example_begins(argc, argv);
    for (int i = 0; i < RUNNERS; i++) {
        MUST(PAWL_THREAD_INIT(&threads[i], run, &numbers[i]));
        MUST(pawl_thread_start(&threads[i]));
        if (i < RUNNERS - 1)
            until_waiting((uint32_t)i + 1);
    }
    for (int i = 0; i < RUNNERS; i++) {
        MUST(pawl_thread_join(&threads[i], &place));
        REQUIRE(place >= 0 && place < RUNNERS);
        places |= 1u << place;
    }
    REQUIRE(places == (1u << RUNNERS) - 1);

    /* The fifth does not come. */
    for (int i = 0; i < RUNNERS - 1; i++) {
        MUST(PAWL_THREAD_INIT(&threads[i],
                              i == RUNNERS - 2 ? run_impatiently : run,
                              &numbers[i]));
        MUST(pawl_thread_start(&threads[i]));
        if (i < RUNNERS - 2)
            until_waiting((uint32_t)i + 1);
    }
    for (int i = 0; i < RUNNERS - 1; i++) {
        MUST(pawl_thread_join(&threads[i], &place));
        REQUIRE(place == (i == RUNNERS - 2 ? -ETIMEDOUT : -ECANCELED));
    }
    REQUIRE(pawl_barrier_broken(&line));
    SAY("OK places 0 to %d; then 1 timed out, %d were called off", RUNNERS - 1,
        RUNNERS - 2);
    return 0;
}
