/* SPDX-License-Identifier: MIT
 *
 * A balance that two threads change: each adds n and takes n away again, so that at
 * the end nothing is left; if they have taken the lock.
 */
#include <stdatomic.h>

#include "example.h"

enum { TIMES = 100000 };

static pawl_mutex mutex = PAWL_MUTEX_INIT;
static int balance PAWL_GUARDED_BY(mutex);
static atomic_int unlocked;

static int change_locked(void *arg)
{
    int n = *(int *)arg;

    for (int i = 0; i < TIMES; i++) {
        PAWL_MUTEX_GUARD(held, &mutex);
        MUST(held.err);
        balance += n;
        balance -= n;
    }
    return 0;
}

/* Loads and stores that are atomic each, but not together. */
static void add_unlocked(int n)
{
    int seen = atomic_load_explicit(&unlocked, memory_order_relaxed);

    atomic_store_explicit(&unlocked, seen + n, memory_order_relaxed);
}

static int change_unlocked(void *arg)
{
    int n = *(int *)arg;

    for (int i = 0; i < TIMES; i++) {
        add_unlocked(n);
        add_unlocked(-n);
    }
    return 0;
}

static void run(pawl_thread_fn change)
{
    static int n[] = {5, 8};
    pawl_thread threads[2];
    pawl_thread *both[] = {&threads[0], &threads[1]};

    for (int i = 0; i < 2; i++)
        MUST(PAWL_THREAD_INIT(&threads[i], change, &n[i]));
    MUST(pawl_thread_start_many(both, 2));
    MUST(pawl_thread_join_all_until(both, 2, PAWL_FOREVER));
}

int main(int argc, char **argv)
{
    example_begins(argc, argv);
    run(change_unlocked);
    SAY("without the lock: %d", atomic_load(&unlocked)); /* anything */
    run(change_locked);
    REQUIRE(balance == 0);
    SAY("OK with the lock: %d", balance);
    return 0;
}
