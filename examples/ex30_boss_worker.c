/* SPDX-License-Identifier: MIT
 *
 * Events: a worker that waits until the boss has made ten cups of tea; a periodic one
 * that sleeps by waiting, so that it can be stopped at once; and a pulse, which
 * releases all who wait although the event is clear again when they run.
 */
#include <stdatomic.h>

#include "example.h"

enum { CUPS = 10, RUNNERS = 3 };

static pawl_event tea_is_made = PAWL_EVENT_INIT;
static int cups; /* the event orders it */

static int wait_for_tea(void *arg)
{
    (void)arg;
    MUST(pawl_event_wait(&tea_is_made));
    REQUIRE(cups == CUPS);
    SAY("worker: %d cups", cups);
    return 0;
}

static pawl_event stop = PAWL_EVENT_INIT;
static atomic_int beats;

static int beat(void *arg)
{
    (void)arg;
    /* An interruptible sleep of one unit. */
    while (pawl_event_wait_until(&stop, example_after(1)) == -ETIMEDOUT)
        SAY("beat %d", atomic_fetch_add(&beats, 1));
    return 0;
}

static pawl_event start_shot = PAWL_EVENT_INIT;
static atomic_int running;

static int run(void *arg)
{
    (void)arg;
    MUST(pawl_event_wait(&start_shot));
    atomic_fetch_add(&running, 1);
    return 0;
}

static void make_tea(void)
{
    pawl_thread worker;

    MUST(PAWL_THREAD_INIT(&worker, wait_for_tea, NULL));
    MUST(pawl_thread_start(&worker));
    for (; cups < CUPS; cups++)
        example_sleep(0.05);
    SAY("boss: %d cups", cups);
    pawl_event_set(&tea_is_made);
    MUST(pawl_thread_join(&worker, NULL));
}

/* How long the periodic worker took to stop, in units. */
static double stop_the_beat(void)
{
    pawl_thread periodic;
    double asked;

    MUST(PAWL_THREAD_INIT(&periodic, beat, NULL));
    MUST(pawl_thread_start(&periodic));
    while (atomic_load(&beats) < 3)
        example_sleep(0.1);
    asked = example_elapsed();
    pawl_event_set(&stop);
    MUST(pawl_thread_join(&periodic, NULL));
    REQUIRE(example_any_time || example_elapsed() - asked < 10);
    return example_elapsed() - asked;
}

static void pulse(void)
{
    pawl_thread runners[RUNNERS];

    for (int i = 0; i < RUNNERS; i++) {
        MUST(PAWL_THREAD_INIT(&runners[i], run, NULL));
        MUST(pawl_thread_start(&runners[i]));
    }
    /* Once is enough for those who wait already. */
    while (atomic_load(&running) < RUNNERS) {
        pawl_event_set(&start_shot);
        pawl_event_clear(&start_shot);
        example_sleep(0.1);
    }
    MUST_BE(-EAGAIN, pawl_event_try_wait(&start_shot));
    for (int i = 0; i < RUNNERS; i++)
        MUST(pawl_thread_join(&runners[i], NULL));
}

int main(int argc, char **argv)
{
    double took;

    example_begins(argc, argv);
    make_tea();
    took = stop_the_beat();
    pulse();
    SAY("OK %d cups; %d beats, stopped within %.2f units; %d released", CUPS,
        atomic_load(&beats), took, atomic_load(&running));
    return 0;
}
