/* SPDX-License-Identifier: MIT
 *
 * 18 - a function that takes a lock and calls itself.  A recursive lock allows that;
 * a plain one says so, where others hang.
 */
#include <stdatomic.h>

#include "example.h"

enum { DEPTH = 5, THREADS = 2 };

static pawl_rmutex rmutex = PAWL_RMUTEX_INIT;
static pawl_mutex plain = PAWL_MUTEX_INIT;
static pawl_event at_the_bottom = PAWL_EVENT_INIT;
static pawl_event go_on = PAWL_EVENT_INIT;
static atomic_int bottoms;

static void descend(int level)
{
    PAWL_RMUTEX_GUARD(held, &rmutex);
    MUST(held.err);
    REQUIRE(pawl_rmutex_depth(&rmutex) == (uint32_t)level);
    if (level < DEPTH) {
        descend(level + 1);
        return;
    }
    atomic_fetch_add(&bottoms, 1);
    pawl_event_set(&at_the_bottom);
    MUST(pawl_event_wait(&go_on));
}

static int run(void *arg)
{
    (void)arg;
    descend(1);
    return 0;
}

/* The same with a plain lock: the second level is told. */
static int descend_plain(int level)
{
    PAWL_MUTEX_GUARD(held, &plain);

    return held.err != 0 || level == DEPTH ? held.err
                                           : descend_plain(level + 1);
}

int main(int argc, char **argv)
{
    pawl_thread threads[THREADS];

    example_begins(argc, argv);
    for (int i = 0; i < THREADS; i++) {
        MUST(PAWL_THREAD_INIT(&threads[i], run, NULL));
        MUST(pawl_thread_start(&threads[i]));
    }
    MUST(pawl_event_wait(&at_the_bottom));
    MUST_BE(-EAGAIN, pawl_rmutex_try_lock(&rmutex)); /* five times another's */
    pawl_event_set(&go_on);
    for (int i = 0; i < THREADS; i++)
        MUST(pawl_thread_join(&threads[i], NULL));
    REQUIRE(atomic_load(&bottoms) == THREADS);
    MUST_BE(-EDEADLK, descend_plain(1));
    MUST(pawl_mutex_try_lock(&plain)); /* and is as it was */
    MUST(pawl_mutex_unlock(&plain));
    SAY("OK depth %d in %d threads; the plain lock: -EDEADLK", DEPTH, THREADS);
    return 0;
}
