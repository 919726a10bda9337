/* SPDX-License-Identifier: MIT
 *
 * 16 - three permits for six threads.  Those who have one meet at a barrier for three,
 * so that it is seen that three do have one at a time.
 */
#include <stdatomic.h>

#include "example.h"

enum { THREADS = 6, PERMITS = 3 };

static pawl_sem permits = PAWL_SEM_INIT(PERMITS);
static pawl_barrier three = PAWL_BARRIER_INIT(PERMITS);
static atomic_int inside;
static atomic_int most;

static int enter(void *arg)
{
    int now;
    int seen;

    (void)arg;
    MUST(pawl_sem_acquire(&permits));
    now = atomic_fetch_add(&inside, 1) + 1;
    seen = atomic_load(&most);
    while (seen < now && !atomic_compare_exchange_weak(&most, &seen, now))
        ;
    SAY("one of %d inside", now);
    REQUIRE(pawl_barrier_wait(&three) >= 0);
    example_sleep(1);
    atomic_fetch_sub(&inside, 1);
    return pawl_sem_release(&permits);
}

int main(int argc, char **argv)
{
    pawl_thread threads[THREADS];
    int status = -1;

    example_begins(argc, argv);
    for (int i = 0; i < THREADS; i++) {
        MUST(PAWL_THREAD_INIT(&threads[i], enter, NULL));
        MUST(pawl_thread_start(&threads[i]));
    }
    for (int i = 0; i < THREADS; i++) {
        MUST(pawl_thread_join(&threads[i], &status));
        REQUIRE(status == 0);
    }
    REQUIRE(atomic_load(&most) == PERMITS);
    REQUIRE(pawl_sem_value(&permits) == PERMITS);
    AT_LEAST(THREADS / PERMITS);
    BELOW(THREADS / PERMITS);
    SAY("OK %d at a time, %d permits again, %.1f units", atomic_load(&most),
        pawl_sem_value(&permits), example_elapsed());
    return 0;
}
