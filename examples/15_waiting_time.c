/* SPDX-License-Identifier: MIT
 *
 * 15 - how long to wait for a lock: not at all, two units, or ten.
 */
#include "example.h"

static pawl_mutex mutex = PAWL_MUTEX_INIT;
static pawl_latch held = PAWL_LATCH_INIT(1);
static pawl_event gave_up = PAWL_EVENT_INIT;

static int hold_it(void *arg)
{
    (void)arg;
    MUST(pawl_mutex_lock(&mutex));
    MUST(pawl_latch_count_down(&held, 1));
    example_sleep(5);
    MUST(pawl_event_wait(&gave_up)); /* which takes two units, if not more */
    SAY("released after %.1f", example_elapsed());
    MUST(pawl_mutex_unlock(&mutex));
    return 0;
}

int main(int argc, char **argv)
{
    pawl_thread holder;
    pawl_deadline began;

    example_begins(argc, argv);
    MUST(PAWL_THREAD_INIT(&holder, hold_it, NULL));
    MUST(pawl_thread_start(&holder));
    MUST(pawl_latch_wait(&held));
    began = pawl_now();
    MUST_BE(-EAGAIN, pawl_mutex_try_lock(&mutex));
    MUST_BE(-ETIMEDOUT, pawl_mutex_lock_until(&mutex, example_after(2)));
    REQUIRE(pawl_now() - began >= 2 * example_unit);
    SAY("gave up after %.1f", example_elapsed());
    pawl_event_set(&gave_up);
    MUST(pawl_mutex_lock_until(&mutex, example_after(100)));
    AT_LEAST(5);
    SAY("got it after %.1f", example_elapsed());
    MUST(pawl_mutex_unlock(&mutex));
    MUST(pawl_thread_join(&holder, NULL));
    SAY("OK %.1f units for the lock", example_elapsed());
    return 0;
}
