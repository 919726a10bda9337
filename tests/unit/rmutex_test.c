/* SPDX-License-Identifier: MIT
 *
 * rmutex_test.c - the recursive mutex: depth, refusals, waiting.
 */
#include <string.h>

#include <pawl/error.h>
#include <pawl/rmutex.h>

#include "visitor.h"

static const unsigned kinds[] = {PAWL_LOCAL, PAWL_SHARED};

static int lock(void *r)
{
    return pawl_rmutex_lock(r);
}

static int try_lock(void *r)
{
    return pawl_rmutex_try_lock(r);
}

static int lock_past(void *r)
{
    return pawl_rmutex_lock_until(r, 0);
}

static int unlock(void *r)
{
    return pawl_rmutex_unlock(r);
}

static int depth(void *r)
{
    return (int)pawl_rmutex_depth(r);
}

/* What another thread gets for one call. */
static int from_outside(visitor_fn call, void *r)
{
    struct visitor v;
    int got;

    visitor_start(&v, call, NULL, r);
    got = visitor_enters(&v);
    visitor_leaves(&v);
    return got;
}

TEST(rmutex.all_zero_bytes_and_the_initialiser_are_valid)
{
    for (int k = 0; k < 2; k++) {
        pawl_rmutex stat = PAWL_RMUTEX_INIT_FLAGS(kinds[k]);
        pawl_rmutex made;

        memset(&made, 0, sizeof made);
        if (k == 0)
            CHECK_EQ(memcmp(&made, &stat, sizeof made), 0);
        CHECK_OK(pawl_rmutex_init(&made, kinds[k]));
        CHECK_EQ(memcmp(&made, &stat, sizeof made), 0);
        CHECK_OK(pawl_rmutex_lock(&stat));
        CHECK_OK(pawl_rmutex_lock(&stat));
        CHECK_EQ(pawl_rmutex_depth(&stat), 2);
        CHECK_OK(pawl_rmutex_unlock(&stat));
        CHECK_OK(pawl_rmutex_unlock(&stat));
    }
}

/* L-11: no ownerless recursion. */
TEST(rmutex.init_refuses_unknown_flags)
{
    for (int bit = 1; bit < 32; bit++) {
        pawl_rmutex r = PAWL_RMUTEX_INIT;
        pawl_rmutex before;

        CHECK_OK(pawl_rmutex_lock(&r));
        CHECK_OK(pawl_rmutex_lock(&r));
        before = r;
        CHECK_ERR(pawl_rmutex_init(&r, 1u << bit), -EINVAL);
        CHECK_EQ(memcmp(&r, &before, sizeof r), 0);
        CHECK_EQ(pawl_rmutex_depth(&r), 2);
    }
}

/* L-12: in all three forms; L-13: as often as it was taken. */
TEST(rmutex.taken_five_times_it_is_released_five_times)
{
    for (int k = 0; k < 2; k++) {
        pawl_rmutex r;

        CHECK_OK(pawl_rmutex_init(&r, kinds[k]));
        for (int i = 0; i < 5; i++) {
            switch (i % 3) {
            case 0:
                CHECK_OK(pawl_rmutex_lock(&r));
                break;
            case 1:
                CHECK_OK(pawl_rmutex_try_lock(&r));
                break;
            default:
                CHECK_OK(pawl_rmutex_lock_until(&r, 0));
                break;
            }
            CHECK_EQ(pawl_rmutex_depth(&r), i + 1);
            CHECK_ERR(from_outside(try_lock, &r), -EAGAIN);
        }
        for (int i = 5; i > 0; i--) {
            CHECK_EQ(pawl_rmutex_depth(&r), i);
            CHECK_ERR(from_outside(try_lock, &r), -EAGAIN);
            CHECK_ERR(from_outside(lock_past, &r), -ETIMEDOUT);
            CHECK_OK(pawl_rmutex_unlock(&r));
        }
        CHECK_EQ(pawl_rmutex_depth(&r), 0);
        CHECK(!pawl_mutex_is_locked(&r.base));
        CHECK_ERR(pawl_rmutex_unlock(&r), -EPERM);
        CHECK_OK(pawl_rmutex_try_lock(&r));
        CHECK_EQ(pawl_rmutex_depth(&r), 1);
    }
}

/* L-12: 2^31 - 1 levels. */
TEST(rmutex.it_is_not_taken_deeper_than_the_limit)
{
    pawl_rmutex r = PAWL_RMUTEX_INIT;
    pawl_rmutex before;

    CHECK_EQ(PAWL_RMUTEX_DEPTH_MAX, INT32_MAX);
    CHECK_OK(pawl_rmutex_lock(&r));
    r.depth_ = PAWL_RMUTEX_DEPTH_MAX - 1; /* two thousand million calls */
    CHECK_OK(pawl_rmutex_lock(&r));
    CHECK_EQ(pawl_rmutex_depth(&r), PAWL_RMUTEX_DEPTH_MAX);
    before = r;
    CHECK_ERR(pawl_rmutex_lock(&r), -EOVERFLOW);
    CHECK_ERR(pawl_rmutex_try_lock(&r), -EOVERFLOW);
    CHECK_ERR(pawl_rmutex_lock_until(&r, 0), -EOVERFLOW);
    CHECK_EQ(memcmp(&r, &before, sizeof r), 0);
    CHECK_OK(pawl_rmutex_unlock(&r));
    CHECK_OK(pawl_rmutex_lock(&r));
    CHECK_ERR(pawl_rmutex_lock(&r), -EOVERFLOW);
}

/* L-13, L-14 */
TEST(rmutex.other_threads_can_neither_release_it_nor_see_its_depth)
{
    for (int k = 0; k < 2; k++) {
        pawl_rmutex r;
        pawl_rmutex before;

        CHECK_OK(pawl_rmutex_init(&r, kinds[k]));
        CHECK_ERR(from_outside(unlock, &r), -EPERM);
        CHECK_OK(pawl_rmutex_lock(&r));
        CHECK_OK(pawl_rmutex_lock(&r));
        before = r;
        CHECK_ERR(from_outside(unlock, &r), -EPERM);
        CHECK_EQ(from_outside(depth, &r), 0);
        CHECK_EQ(memcmp(&r, &before, sizeof r), 0);
        CHECK_EQ(pawl_rmutex_depth(&r), 2);
        CHECK(pawl_mutex_is_mine(&r.base));
    }
}

/* L-13: the waiter comes in with the last release, and not before. */
TEST(rmutex.a_waiter_gets_it_after_the_last_unlock)
{
    for (int k = 0; k < 2; k++) {
        pawl_rmutex r;
        struct visitor v[3];

        CHECK_OK(pawl_rmutex_init(&r, kinds[k]));
        CHECK_OK(pawl_rmutex_lock(&r));
        CHECK_OK(pawl_rmutex_lock(&r));
        for (int i = 0; i < 3; i++) {
            visitor_start_asleep(&v[i], lock, unlock, &r);
            door_open(&v[i].go);
        }
        CHECK_OK(pawl_rmutex_unlock(&r));
        CHECK(pawl_mutex_is_mine(&r.base));
        for (int i = 0; i < 3; i++)
            test_until_asleep(test_tid(v[i].thread));
        CHECK_OK(pawl_rmutex_unlock(&r));
        for (int i = 0; i < 3; i++)
            CHECK_OK(visitor_passes(&v[i]));
        CHECK(!pawl_mutex_is_locked(&r.base));
        CHECK_OK(pawl_rmutex_destroy(&r));
    }
}

TEST(rmutex.destroy_is_refused_while_it_is_held)
{
    pawl_rmutex r = PAWL_RMUTEX_INIT;

    CHECK_OK(pawl_rmutex_lock(&r));
    CHECK_OK(pawl_rmutex_lock(&r));
    CHECK_ERR(pawl_rmutex_destroy(&r), -EBUSY);
    CHECK_OK(pawl_rmutex_unlock(&r));
    CHECK_ERR(pawl_rmutex_destroy(&r), -EBUSY);
    CHECK_EQ(pawl_rmutex_depth(&r), 1);
    CHECK_OK(pawl_rmutex_unlock(&r));
    CHECK_OK(pawl_rmutex_destroy(&r));
}

/* L-07, R-16 */
TEST(rmutex.guards_nest)
{
    pawl_rmutex r = PAWL_RMUTEX_INIT;
    struct visitor v;

    {
        PAWL_RMUTEX_GUARD(outer, &r);
        CHECK_OK(outer.err);
        {
            PAWL_RMUTEX_GUARD(inner, &r);
            CHECK_OK(inner.err);
            CHECK_EQ(pawl_rmutex_depth(&r), 2);
        }
        CHECK_EQ(pawl_rmutex_depth(&r), 1);
        for (int i = 0; i < 3; i++) {
            PAWL_RMUTEX_GUARD_UNTIL(inner, &r, 0);
            CHECK_OK(inner.err);
            if (i == 1)
                continue;
            CHECK_EQ(pawl_rmutex_depth(&r), 2);
        }
        CHECK_EQ(pawl_rmutex_depth(&r), 1);
    }
    CHECK(!pawl_mutex_is_locked(&r.base));

    visitor_start(&v, lock, unlock, &r);
    CHECK_OK(visitor_enters(&v));
    {
        PAWL_RMUTEX_GUARD_UNTIL(held, &r, pawl_after_ms(1));
        CHECK_ERR(held.err, -ETIMEDOUT);
    }
    CHECK(pawl_mutex_is_locked(&r.base));
    CHECK_OK(visitor_leaves(&v));
    CHECK_OK(visitor_dies_inside(lock, &r));
    {
        PAWL_RMUTEX_GUARD(held, &r);
        CHECK_ERR(held.err, -EOWNERDEAD);
        CHECK_OK(pawl_rmutex_consistent(&r));
    }
    CHECK_OK(pawl_rmutex_lock(&r));
    r.depth_ = PAWL_RMUTEX_DEPTH_MAX;
    {
        PAWL_RMUTEX_GUARD(held, &r);
        CHECK_ERR(held.err, -EOVERFLOW);
    }
    CHECK_EQ(pawl_rmutex_depth(&r), PAWL_RMUTEX_DEPTH_MAX);
}
