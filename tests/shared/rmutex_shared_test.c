/* SPDX-License-Identifier: MIT
 *
 * rmutex_shared_test.c - a recursive mutex between processes, at different
 * addresses.
 */
#include <pawl/error.h>
#include <pawl/rmutex.h>

#include "remap.h"
#include "visitor.h"

struct scene {
    pawl_rmutex lock;
    int rounds;
    long count;
    long twin;
    struct door has_looked;
};

static void enter_often(void *object, int me)
{
    struct scene *s = object;
    uint64_t random = test_seed((uint64_t)me);

    for (int i = 0; i < s->rounds; i++) {
        uint32_t depth = 1 + test_rand_below(&random, 5);

        for (uint32_t d = 0; d < depth; d++) {
            CHECK_EQ(pawl_rmutex_depth(&s->lock), d);
            CHECK_OK(d > 0 && d % 2 == 0 ? pawl_rmutex_try_lock(&s->lock)
                                         : pawl_rmutex_lock(&s->lock));
        }
        CHECK_EQ(s->count, s->twin);
        s->count++;
        if (i % 64 == 0)
            sched_yield();
        s->twin++;
        for (uint32_t d = depth; d > 0; d--) {
            CHECK_EQ(pawl_rmutex_depth(&s->lock), d);
            CHECK_OK(pawl_rmutex_unlock(&s->lock));
        }
    }
}

/* Never two processes inside, at any depth (L-12, L-13). */
TEST(rmutex.one_process_at_a_time)
{
    for (int members = 2; members <= 6; members += 2) {
        struct family f;
        struct scene *s = family_object(&f, sizeof *s);

        CHECK_OK(pawl_rmutex_init(&s->lock, PAWL_SHARED));
        s->rounds = test_iterations(200000 / members);
        family(&f, members, enter_often);
        CHECK_EQ(s->count, (long)members * s->rounds);
        CHECK_EQ(s->count, s->twin);
        CHECK_OK(pawl_rmutex_destroy(&s->lock));
    }
}

static void look_and_wait(void *object, int me)
{
    struct scene *s = object;

    (void)me;
    CHECK_EQ(pawl_rmutex_depth(&s->lock), 0);
    CHECK_EQ(pawl_mutex_owner(&s->lock.base), getppid());
    CHECK_ERR(pawl_rmutex_unlock(&s->lock), -EPERM);
    CHECK_ERR(pawl_rmutex_try_lock(&s->lock), -EAGAIN);
    CHECK_ERR(pawl_rmutex_lock_until(&s->lock, pawl_after_ms(2)), -ETIMEDOUT);
    door_open(&s->has_looked);
    CHECK_OK(pawl_rmutex_lock(&s->lock));
    CHECK_EQ(pawl_rmutex_depth(&s->lock), 1);
    CHECK_OK(pawl_rmutex_unlock(&s->lock));
}

/* L-14: the depth is the holder's business. */
TEST(rmutex.another_process_waits_for_the_last_unlock)
{
    struct family f;
    struct scene *s = family_object(&f, sizeof *s);

    CHECK_OK(pawl_rmutex_init(&s->lock, PAWL_SHARED));
    door_make(&s->has_looked);
    CHECK_OK(pawl_rmutex_lock(&s->lock));
    CHECK_OK(pawl_rmutex_lock(&s->lock));
    family_begins(&f, 2, look_and_wait);
    for (int i = 0; i < 2; i++)
        door_pass(&s->has_looked);
    CHECK_OK(pawl_rmutex_unlock(&s->lock));
    for (int i = 0; i < 2; i++)
        test_until_asleep(f.pids[i]);
    CHECK_EQ(pawl_rmutex_depth(&s->lock), 1);
    CHECK_OK(pawl_rmutex_unlock(&s->lock));
    family_ends(&f);
}
