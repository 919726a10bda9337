/* SPDX-License-Identifier: MIT
 *
 * 11 - what goes wrong without a lock.  One thread adds 1, another subtracts 1; each
 * loads, computes and stores, and what the other did in between is lost.  The load
 * and the store are atomic (so the program is defined); together they are not.
 */
#include <stdatomic.h>

#include "example.h"

enum { TIMES = 100000 };

static atomic_int shared;
static atomic_int operations;

static int change(void *arg)
{
    int by = *(int *)arg;

    for (int i = 0; i < TIMES; i++) {
        int seen = atomic_load_explicit(&shared, memory_order_relaxed);

        atomic_store_explicit(&shared, seen + by, memory_order_relaxed);
        atomic_fetch_add(&operations, 1);
    }
    return 0;
}

int main(int argc, char **argv)
{
    pawl_thread threads[2];
    pawl_thread *both[] = {&threads[0], &threads[1]};
    int by[] = {1, -1};

    example_begins(argc, argv);
    for (int i = 0; i < 2; i++)
        MUST(PAWL_THREAD_INIT(&threads[i], change, &by[i]));
    MUST(pawl_thread_start_many(both, 2));
    MUST(pawl_thread_join_all_until(both, 2, PAWL_FOREVER));
    REQUIRE(atomic_load(&operations) == 2 * TIMES);
    SAY("%d added and as many subtracted: %d", TIMES, atomic_load(&shared));
    SAY("OK %d operations, some of them lost, usually",
        atomic_load(&operations));
    return 0;
}
