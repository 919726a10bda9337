/* SPDX-License-Identifier: MIT
 *
 * rmutex_stress.c - many threads and one recursive mutex.
 */
#include <stdlib.h>
#include <unistd.h>

#include <pawl/error.h>
#include <pawl/rmutex.h>

#include "crowd.h"

static const unsigned kinds[] = {PAWL_LOCAL, PAWL_SHARED};

struct scene {
    pawl_rmutex lock;
    long count; /* under the lock */
    long twin;
    int rounds;
    atomic_long entered;
    atomic_long died;
    atomic_long told;
    atomic_bool over;
};

/* One level deeper in any of the three forms. */
static int enter(pawl_rmutex *r, uint64_t *random)
{
    switch (test_rand_below(random, 4)) {
    case 0:
        return pawl_rmutex_try_lock(r);
    case 1:
        return pawl_rmutex_lock_until(
            r, pawl_after_us(test_rand_below(random, 100)));
    default:
        return pawl_rmutex_lock(r);
    }
}

/* Go down to a random depth and up again, a step at a time. */
static void descend(struct scene *s, uint64_t *random, uint32_t depth)
{
    CHECK_EQ(pawl_rmutex_depth(&s->lock), depth);
    CHECK_EQ(s->count, s->twin);
    s->count++;
    loiter(random);
    if (depth < 8 && test_rand_below(random, 3) != 0) {
        s->twin++;
        CHECK_OK(enter(&s->lock, random)); /* the holder never waits */
        descend(s, random, depth + 1);
        CHECK_EQ(pawl_rmutex_depth(&s->lock), depth);
        s->count++;
    }
    s->twin++;
    CHECK_OK(pawl_rmutex_unlock(&s->lock));
}

static void enter_often(void *scene, int me)
{
    struct scene *s = scene;
    uint64_t random = test_seed((uint64_t)me);

    for (int i = 0; i < s->rounds; i++) {
        int err = enter(&s->lock, &random);

        CHECK(err == 0 || err == -EAGAIN || err == -ETIMEDOUT);
        if (err == 0)
            descend(s, &random, 1);
        else
            CHECK_EQ(pawl_rmutex_depth(&s->lock), 0);
    }
}

/* Never two inside at any depth; released as often as taken, it is free
 * (L-12, L-13). */
TEST(rmutex.one_at_a_time_at_any_depth)
{
    for (int k = 0; k < 2; k++) {
        for (int threads = 2; threads <= 8; threads += 6) {
            struct scene *s = test_shared_alloc(sizeof *s);

            CHECK_OK(pawl_rmutex_init(&s->lock, kinds[k]));
            s->rounds = test_iterations(100000 / threads);
            crowd(threads, enter_often, s);
            CHECK_EQ(s->count, s->twin);
            CHECK(!pawl_mutex_is_locked(&s->lock.base));
            CHECK_OK(pawl_rmutex_destroy(&s->lock));
        }
    }
}

static void live_and_die(void *arg)
{
    struct scene *s = arg;
    uint64_t random = test_seed((uint64_t)(uintptr_t)&random);

    for (;;) {
        int err = pawl_rmutex_lock(&s->lock);

        CHECK(err == 0 || err == -EOWNERDEAD);
        CHECK_EQ(pawl_rmutex_depth(&s->lock), 1);
        if (err == -EOWNERDEAD) {
            atomic_fetch_add_explicit(&s->told, 1, memory_order_relaxed);
            CHECK_OK(pawl_rmutex_consistent(&s->lock));
        }
        s->count++;
        for (uint32_t i = test_rand_below(&random, 3); i > 0; i--)
            CHECK_OK(pawl_rmutex_lock(&s->lock));
        atomic_fetch_add_explicit(&s->entered, 1, memory_order_relaxed);
        if (test_rand_below(&random, 8) == 0) {
            atomic_fetch_add_explicit(&s->died, 1, memory_order_relaxed);
            return;
        }
        while (pawl_rmutex_depth(&s->lock) > 0)
            CHECK_OK(pawl_rmutex_unlock(&s->lock));
    }
}

static void raise_mortals(void *scene, int me)
{
    struct scene *s = scene;

    (void)me;
    for (int i = 0; i < s->rounds; i++)
        test_join(test_thread(live_and_die, s));
}

/* L-15: every death is told once, whatever the depth, which is 1 then. */
TEST(rmutex.every_death_at_any_depth_is_told_once)
{
    struct scene *s = test_shared_alloc(sizeof *s);

    s->rounds = test_iterations(1000);
    crowd(4, raise_mortals, s);
    CHECK_ERR(pawl_rmutex_try_lock(&s->lock), -EOWNERDEAD);
    CHECK_EQ(pawl_rmutex_depth(&s->lock), 1);
    CHECK_EQ(atomic_load(&s->died), atomic_load(&s->told) + 1);
    CHECK_EQ(s->count, atomic_load(&s->entered));
}

static void keep_busy(void *scene, int me)
{
    struct scene *s = scene;
    uint64_t random = test_seed((uint64_t)me);

    while (!atomic_load_explicit(&s->over, memory_order_relaxed)) {
        if (enter(&s->lock, &random) == 0)
            descend(s, &random, 1);
    }
}

/* K-02: whatever the depth in a thread that the child does not have. */
TEST(rmutex.the_child_of_a_fork_gets_it)
{
    struct scene *s = calloc(1, sizeof *s);
    struct crowd c;

    if (test_under_tsan())
        TEST_SKIP("ThreadSanitizer waits for holders that the child has not");
    CHECK(s != NULL);
    crowd_begins(&c, 3, keep_busy, s);
    for (int i = 0; i < test_iterations(1000); i++) {
        pid_t pid = fork();

        CHECK(pid >= 0);
        if (pid == 0) {
            int err = pawl_rmutex_lock_until(&s->lock, pawl_after_s(20));

            CHECK(err == 0 || err == -EOWNERDEAD);
            CHECK_EQ(pawl_rmutex_depth(&s->lock), 1);
            if (err == -EOWNERDEAD)
                CHECK_OK(pawl_rmutex_consistent(&s->lock));
            CHECK_OK(pawl_rmutex_lock(&s->lock));
            CHECK_OK(pawl_rmutex_unlock(&s->lock));
            CHECK_OK(pawl_rmutex_unlock(&s->lock));
            CHECK_OK(pawl_rmutex_try_lock(&s->lock));
            _exit(0);
        }
        test_wait_child(pid);
    }
    atomic_store(&s->over, true);
    crowd_ends(&c);
    free(s);
}
