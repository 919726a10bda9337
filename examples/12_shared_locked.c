/* SPDX-License-Identifier: MIT
 *
 * 12 - the same, right: under a mutex, under a recursive one, and with an atomic
 * addition, which needs no lock.
 */
#include <stdatomic.h>

#include "example.h"

enum { TIMES = 100000 };

static pawl_mutex mutex = PAWL_MUTEX_INIT;
static int by_mutex PAWL_GUARDED_BY(mutex);

static int change_by_mutex(void *arg)
{
    for (int i = 0; i < TIMES; i++) {
        PAWL_MUTEX_GUARD(held, &mutex); /* until the end of the block */
        by_mutex += *(int *)arg;
    }
    return 0;
}

static pawl_rmutex rmutex = PAWL_RMUTEX_INIT;
static int by_rmutex;

static int change_by_rmutex(void *arg)
{
    for (int i = 0; i < TIMES; i++) {
        PAWL_RMUTEX_GUARD(held, &rmutex);
        by_rmutex += *(int *)arg;
    }
    return 0;
}

static atomic_int by_atomic;

static int change_by_atomic(void *arg)
{
    for (int i = 0; i < TIMES; i++)
        atomic_fetch_add(&by_atomic, *(int *)arg);
    return 0;
}

static void add_and_subtract(pawl_thread_fn change)
{
    static int by[] = {1, -1};
    pawl_thread threads[2];
    pawl_thread *both[] = {&threads[0], &threads[1]};

    for (int i = 0; i < 2; i++)
        MUST(PAWL_THREAD_INIT(&threads[i], change, &by[i]));
    MUST(pawl_thread_start_many(both, 2));
    MUST(pawl_thread_join_all_until(both, 2, PAWL_FOREVER));
}

int main(int argc, char **argv)
{
    example_begins(argc, argv);
    add_and_subtract(change_by_mutex);
    add_and_subtract(change_by_rmutex);
    add_and_subtract(change_by_atomic);
    REQUIRE(by_mutex == 0 && by_rmutex == 0 && atomic_load(&by_atomic) == 0);
    SAY("OK 0 by mutex, 0 by rmutex, 0 by atomic, after %d operations each",
        2 * TIMES);
    return 0;
}
