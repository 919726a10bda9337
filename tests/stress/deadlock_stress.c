/* SPDX-License-Identifier: MIT
 *
 * deadlock_stress.c - threads that take two locks each, in order or not.
 */
#include <string.h>

#include <pawl/deadlock.h>
#include <pawl/error.h>
#include <pawl/mutex.h>
#include <pawl/rmutex.h>
#include <pawl/rwlock.h>

#include "crowd.h"

/* The deadlocks here are made on purpose, and resolved. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "detect_deadlocks=0";
}

/* Lock i is a mutex, a recursive one or a reader/writer lock. */
struct lock {
    pawl_mutex mutex;
    pawl_rmutex rmutex;
    pawl_rwlock rw;
};

enum { LOCKS = 8 };

struct table {
    struct lock lock[LOCKS];
    int threads;
    int rounds;
    atomic_long told;
    atomic_long reports;
    atomic_long passed;
};

static int take(struct lock *l, int kind, pawl_deadline until)
{
    switch (kind % 4) {
    case 0:
        return pawl_mutex_lock_until(&l->mutex, until);
    case 1:
        return pawl_rwlock_write_lock_until(&l->rw, until);
    case 2:
        return pawl_rmutex_lock_until(&l->rmutex, until);
    default:
        return pawl_rwlock_read_lock_until(&l->rw, until);
    }
}

static int give(struct lock *l, int kind)
{
    switch (kind % 4) {
    case 0:
        return pawl_mutex_unlock(&l->mutex);
    case 1:
        return pawl_rwlock_write_unlock(&l->rw);
    case 2:
        return pawl_rmutex_unlock(&l->rmutex);
    default:
        return pawl_rwlock_read_unlock(&l->rw);
    }
}

/* -- In order (invariant: nobody is told) ----------------------------------------- */

/* Two locks, or three, the one with the lower number first. */
static void nest_in_order(void *scene, int me)
{
    struct table *t = scene;
    uint64_t random = test_seed((uint64_t)me);

    for (int i = 0; i < t->rounds; i++) {
        int at[3];
        int n = 0;

        for (int k = 0; k < LOCKS && n < 3; k++)
            if (test_rand_below(&random, 3) == 0)
                at[n++] = k;
        for (int k = 0; k < n; k++)
            CHECK_OK(take(&t->lock[at[k]], at[k], PAWL_FOREVER));
        loiter(&random);
        while (n-- > 0)
            CHECK_OK(give(&t->lock[at[n]], at[n]));
    }
}

static void run_in_order(int threads)
{
    struct table *t = test_shared_alloc(sizeof *t);

    t->rounds = test_iterations(2000000 / threads);
    crowd(threads, nest_in_order, t);
}

TEST(deadlock.nobody_is_told_who_keeps_the_order)
{
    run_in_order(2);
    run_in_order(8);
    run_in_order(32);
}

/* -- Philosophers (invariant: all come to their end, and who was told was in a
 *    circle, for all others of it still wait) ---------------------------------------- */

static struct table *table;

static void count_report(const pawl_deadlock_wait *waits, size_t n, size_t all)
{
    CHECK(n == all && n >= 2 && n <= LOCKS);
    for (size_t i = 0; i < n; i++) {
        CHECK_EQ(waits[i].holder, waits[(i + 1) % n].waiter);
        CHECK(waits[i].lock != waits[(i + 1) % n].lock);
    }
    atomic_fetch_add(&table->reports, 1);
}

/* The left one, then the right one; who is told puts the left one down. */
static void dine(void *scene, int me)
{
    struct table *t = scene;
    uint64_t random = test_seed((uint64_t)me);
    int right = (me + 1) % t->threads;
    int left_kind = me % 3; /* read locks have no holder */
    int right_kind = right % 3;

    for (int i = 0; i < t->rounds; i++) {
        int err;

        CHECK_OK(take(&t->lock[me], left_kind, PAWL_FOREVER));
        loiter(&random);
        err = take(&t->lock[right], right_kind, PAWL_FOREVER);
        if (err == 0) {
            atomic_fetch_add(&t->passed, 1);
            CHECK_OK(give(&t->lock[right], right_kind));
        } else {
            CHECK_ERR(err, -EDEADLK);
            atomic_fetch_add(&t->told, 1);
        }
        CHECK_OK(give(&t->lock[me], left_kind));
    }
}

static void run_philosophers(int n)
{
    struct table *t = test_shared_alloc(sizeof *t);

    table = t;
    t->threads = n;
    t->rounds = test_iterations(500000 / n);
    pawl_deadlock_set_hook(count_report);
    crowd(n, dine, t);
    CHECK_EQ(atomic_load(&t->told) + atomic_load(&t->passed),
             (long)n * t->rounds);
    CHECK_EQ(atomic_load(&t->told), atomic_load(&t->reports));
    for (int i = 0; i < n; i++) {
        CHECK_OK(pawl_mutex_destroy(&t->lock[i].mutex));
        CHECK_OK(pawl_rmutex_destroy(&t->lock[i].rmutex));
        CHECK_OK(pawl_rwlock_destroy(&t->lock[i].rw));
    }
    test_note("%d philosophers: %ld times told, %ld times through", n,
              atomic_load(&t->told), atomic_load(&t->passed));
}

TEST(deadlock.philosophers_all_dine)
{
    run_philosophers(2);
    run_philosophers(3);
    run_philosophers(8);
}

/* -- Random pairs, some with deadlines (invariant: all come to their end) --------------- */

static void nest_at_random(void *scene, int me)
{
    struct table *t = scene;
    uint64_t random = test_seed((uint64_t)me);

    for (int i = 0; i < t->rounds; i++) {
        int a = (int)test_rand_below(&random, LOCKS / 2) * 2;
        int b = (int)test_rand_below(&random, LOCKS / 2) * 2;
        pawl_deadline until = test_rand_below(&random, 4) == 0
                                  ? pawl_after_us(50)
                                  : PAWL_FOREVER;
        int err;

        if (a == b)
            continue;
        /* Mutexes and recursive ones: a reader's wait has no holder. */
        CHECK_OK(take(&t->lock[a], a, PAWL_FOREVER));
        err = take(&t->lock[b], b, until);
        if (err == 0)
            CHECK_OK(give(&t->lock[b], b));
        else if (err == -EDEADLK)
            CHECK(until == PAWL_FOREVER);
        else
            CHECK(err == -ETIMEDOUT && until != PAWL_FOREVER);
        CHECK_OK(give(&t->lock[a], a));
    }
}

TEST(deadlock.random_pairs_with_and_without_deadlines_end)
{
    struct table *t = test_shared_alloc(sizeof *t);

    t->rounds = test_iterations(200000);
    crowd(6, nest_at_random, t);
}
