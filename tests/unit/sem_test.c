/* SPDX-License-Identifier: MIT
 *
 * sem_test.c - one semaphore: permits, bounds, waiting for one and for many.
 */
#include <limits.h>
#include <string.h>

#include <pawl/error.h>
#include <pawl/sem.h>

#include "visitor.h"

static const unsigned kinds[] = {PAWL_LOCAL, PAWL_SHARED};

static int acquire(void *s)
{
    return pawl_sem_acquire(s);
}

static int acquire_3(void *s)
{
    return pawl_sem_acquire_n(s, 3);
}

static int release(void *s)
{
    return pawl_sem_release(s);
}

static pawl_sem make(int value, unsigned flags)
{
    pawl_sem s;

    CHECK_OK(pawl_sem_init(&s, value, flags));
    return s;
}

/* ---- beginning and end (S-01, S-08, R-17) ------------------------------- */

TEST(sem.all_zero_bytes_are_one_without_permits)
{
    pawl_sem s;

    memset(&s, 0, sizeof s);
    CHECK_EQ(pawl_sem_value(&s), 0);
    CHECK_ERR(pawl_sem_try_acquire(&s), -EAGAIN);
    CHECK_OK(pawl_sem_release_n(&s, PAWL_SEM_MAX));
    CHECK_EQ(pawl_sem_value(&s), PAWL_SEM_MAX);
    CHECK_OK(pawl_sem_acquire(&s));
    CHECK_OK(pawl_sem_destroy(&s));
}

TEST(sem.the_initialiser_makes_what_init_makes)
{
    static const int values[] = {0, 1, 77, PAWL_SEM_MAX};

    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 2; k++) {
            pawl_sem made = make(values[i], kinds[k]);
            pawl_sem stat = PAWL_SEM_INIT_FLAGS(values[i], kinds[k]);

            CHECK_EQ(pawl_sem_value(&made), values[i]);
            CHECK_EQ(pawl_sem_value(&stat), values[i]);
            CHECK_EQ(pawl_sem_waiters(&stat), 0);
            CHECK_ERR(pawl_sem_try_acquire(&made), values[i] > 0 ? 0 : -EAGAIN);
            CHECK_ERR(pawl_sem_try_acquire(&stat), values[i] > 0 ? 0 : -EAGAIN);
            CHECK_ERR(pawl_sem_release_n(&stat, PAWL_SEM_MAX),
                      values[i] > 1 ? -EOVERFLOW : 0);
        }
    }
}

TEST(sem.init_refuses_what_is_out_of_range)
{
    static const struct {
        int value;
        int max;
    } bad[] = {{-1, 1},  {INT_MIN, 1}, {2, 1},       {1, 0},           {0, -1},
               {-1, -1}, {1, INT_MIN}, {0, INT_MIN}, {PAWL_SEM_MAX, 1}};
    pawl_sem s = PAWL_SEM_INIT(5);
    pawl_sem before = s;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_ERR(pawl_sem_init_bounded(&s, bad[i].value, bad[i].max, 0),
                  -EINVAL);
    CHECK_ERR(pawl_sem_init(&s, -1, 0), -EINVAL);
    CHECK_ERR(pawl_sem_init(&s, INT_MIN, 0), -EINVAL);
    for (int bit = 1; bit < 32; bit++) {
        CHECK_ERR(pawl_sem_init(&s, 1, 1u << bit), -EINVAL);
        CHECK_ERR(pawl_sem_init_bounded(&s, 1, 1, PAWL_SHARED | 1u << bit),
                  -EINVAL);
    }
    CHECK_EQ(memcmp(&s, &before, sizeof s), 0);
}

TEST(sem.destroy_is_refused_while_somebody_waits)
{
    for (int k = 0; k < 2; k++) {
        pawl_sem s = make(0, kinds[k]);
        struct visitor v;

        visitor_start_asleep(&v, acquire, NULL, &s);
        CHECK_EQ(pawl_sem_waiters(&s), 1);
        CHECK_ERR(pawl_sem_destroy(&s), -EBUSY);
        CHECK_OK(pawl_sem_release(&s));
        CHECK_OK(visitor_passes(&v));
        CHECK_EQ(pawl_sem_waiters(&s), 0);
        CHECK_OK(pawl_sem_destroy(&s));
    }
}

/* ---- permits (S-02, S-03, S-05, S-07) ----------------------------------- */

TEST(sem.permits_are_counted)
{
    for (int k = 0; k < 2; k++) {
        pawl_sem s = make(3, kinds[k]);

        for (int left = 3; left > 0; left--) {
            CHECK_EQ(pawl_sem_value(&s), left);
            CHECK_OK(left == 2 ? pawl_sem_try_acquire(&s)
                               : pawl_sem_acquire(&s));
        }
        CHECK_ERR(pawl_sem_try_acquire(&s), -EAGAIN);
        CHECK_EQ(pawl_sem_value(&s), 0);
        CHECK_OK(pawl_sem_release_n(&s, 5)); /* nobody owns a permit */
        CHECK_EQ(pawl_sem_value(&s), 5);
        CHECK_OK(pawl_sem_acquire_n(&s, 4));
        CHECK_EQ(pawl_sem_value(&s), 1);
    }
}

/* S-02: all or nothing. */
TEST(sem.n_permits_are_taken_at_once_or_none)
{
    for (int k = 0; k < 2; k++) {
        pawl_sem s = make(3, kinds[k]);
        pawl_deadline until = pawl_after_ms(2);

        CHECK_ERR(pawl_sem_try_acquire_n(&s, 4), -EAGAIN);
        CHECK_ERR(pawl_sem_acquire_n_until(&s, 4, 0), -ETIMEDOUT);
        CHECK_ERR(pawl_sem_acquire_n_until(&s, 4, until), -ETIMEDOUT);
        CHECK(pawl_now() >= until);
        CHECK_EQ(pawl_sem_value(&s), 3);
        CHECK_EQ(pawl_sem_waiters(&s), 0);
        CHECK_OK(pawl_sem_try_acquire_n(&s, 3));
        CHECK_EQ(pawl_sem_value(&s), 0);
    }
}

TEST(sem.n_below_one_is_refused)
{
    static const int bad[] = {0, -1, -2, INT_MIN};
    pawl_sem s = make(3, 0);
    pawl_sem before = s;

    for (int i = 0; i < 4; i++) {
        CHECK_ERR(pawl_sem_acquire_n(&s, bad[i]), -EINVAL);
        CHECK_ERR(pawl_sem_acquire_n_until(&s, bad[i], 0), -EINVAL);
        CHECK_ERR(pawl_sem_try_acquire_n(&s, bad[i]), -EINVAL);
        CHECK_ERR(pawl_sem_release_n(&s, bad[i]), -EINVAL);
    }
    CHECK_EQ(memcmp(&s, &before, sizeof s), 0);
}

/* S-05: above the maximum nothing is added. */
TEST(sem.release_does_not_go_beyond_the_maximum)
{
    pawl_sem s = make(PAWL_SEM_MAX, 0);

    CHECK_ERR(pawl_sem_release(&s), -EOVERFLOW);
    CHECK_ERR(pawl_sem_release_n(&s, PAWL_SEM_MAX), -EOVERFLOW);
    CHECK_EQ(pawl_sem_value(&s), PAWL_SEM_MAX);
    CHECK_OK(pawl_sem_acquire(&s));
    CHECK_ERR(pawl_sem_release_n(&s, 2), -EOVERFLOW);
    CHECK_EQ(pawl_sem_value(&s), PAWL_SEM_MAX - 1);
    CHECK_OK(pawl_sem_release(&s));
    CHECK_OK(pawl_sem_acquire_n(&s, PAWL_SEM_MAX));
    CHECK_EQ(pawl_sem_value(&s), 0);
}

/* S-08, S-09 */
TEST(sem.a_bounded_one_refuses_to_exceed_its_bound)
{
    for (int k = 0; k < 2; k++) {
        pawl_sem s;

        CHECK_OK(pawl_sem_init_bounded(&s, 1, 2, kinds[k]));
        CHECK_ERR(pawl_sem_release_n(&s, 2), -EOVERFLOW);
        CHECK_EQ(pawl_sem_value(&s), 1); /* nothing was added */
        CHECK_OK(pawl_sem_release(&s));
        CHECK_ERR(pawl_sem_release(&s), -EOVERFLOW);
        CHECK_EQ(pawl_sem_value(&s), 2);
        CHECK_ERR(pawl_sem_acquire_n(&s, 3), -EINVAL);
        CHECK_ERR(pawl_sem_try_acquire_n(&s, 3), -EINVAL);
        CHECK_ERR(pawl_sem_acquire_n_until(&s, PAWL_SEM_MAX, 0), -EINVAL);
        CHECK_EQ(pawl_sem_value(&s), 2);
        CHECK_OK(pawl_sem_acquire_n(&s, 2));
        CHECK_OK(pawl_sem_release_n(&s, 2));
    }
}

/* S-08 */
TEST(sem.with_bound_0_nothing_is_acquired_or_released)
{
    pawl_sem s;

    CHECK_OK(pawl_sem_init_bounded(&s, 0, 0, 0));
    CHECK_ERR(pawl_sem_release(&s), -EOVERFLOW);
    CHECK_ERR(pawl_sem_release_n(&s, PAWL_SEM_MAX), -EOVERFLOW);
    CHECK_ERR(pawl_sem_try_acquire(&s), -EAGAIN);
    CHECK_ERR(pawl_sem_acquire_until(&s, pawl_after_ms(1)), -ETIMEDOUT);
    CHECK_ERR(pawl_sem_acquire_n(&s, 2), -EINVAL);
    CHECK_EQ(pawl_sem_value(&s), 0);
}

/* ---- waiting (S-02, S-04, S-05) ----------------------------------------- */

TEST(sem.a_waiter_gets_what_is_released)
{
    for (int k = 0; k < 2; k++) {
        pawl_sem s = make(0, kinds[k]);
        struct visitor v;

        visitor_start_asleep(&v, acquire, release, &s);
        CHECK_OK(pawl_sem_release(&s));
        CHECK_OK(visitor_enters(&v));
        CHECK_EQ(pawl_sem_value(&s), 0);
        CHECK_OK(visitor_leaves(&v));
        CHECK_EQ(pawl_sem_value(&s), 1);
    }
}

/* S-05: n permits let n waiters in. */
TEST(sem.n_permits_serve_n_waiters)
{
    enum { WAITERS = 5 };

    for (int k = 0; k < 2; k++) {
        pawl_sem s = make(0, kinds[k]);
        struct visitor v[WAITERS];

        for (int i = 0; i < WAITERS; i++) {
            visitor_start_asleep(&v[i], acquire, NULL, &s);
            CHECK_EQ(pawl_sem_waiters(&s), i + 1);
        }
        CHECK_OK(pawl_sem_release_n(&s, WAITERS));
        for (int i = 0; i < WAITERS; i++)
            CHECK_OK(visitor_passes(&v[i]));
        CHECK_EQ(pawl_sem_value(&s), 0);
        CHECK_EQ(pawl_sem_waiters(&s), 0);
    }
}

TEST(sem.n_releases_serve_n_waiters)
{
    enum { WAITERS = 5 };
    pawl_sem s = make(0, 0);
    struct visitor v[WAITERS];

    for (int i = 0; i < WAITERS; i++)
        visitor_start_asleep(&v[i], acquire, NULL, &s);
    for (int i = 0; i < WAITERS; i++)
        CHECK_OK(pawl_sem_release(&s));
    for (int i = 0; i < WAITERS; i++)
        CHECK_OK(visitor_passes(&v[i]));
}

/* One that wants three and one that wants one, in either order: there is enough
 * for both. */
TEST(sem.waiters_for_many_and_for_one_are_both_served)
{
    for (int k = 0; k < 2; k++) {
        for (int large_first = 0; large_first < 2; large_first++) {
            pawl_sem s = make(0, kinds[k]);
            struct visitor large;
            struct visitor small;

            if (large_first)
                visitor_start_asleep(&large, acquire_3, NULL, &s);
            visitor_start_asleep(&small, acquire, NULL, &s);
            if (!large_first)
                visitor_start_asleep(&large, acquire_3, NULL, &s);
            CHECK_OK(pawl_sem_release(&s));
            CHECK_OK(pawl_sem_release_n(&s, 3));
            CHECK_OK(visitor_enters(&small));
            CHECK_OK(visitor_enters(&large));
            visitor_leaves(&small);
            visitor_leaves(&large);
            CHECK_EQ(pawl_sem_value(&s), 0);
            CHECK_EQ(pawl_sem_waiters(&s), 0);
        }
    }
}

/* S-02: one by one, until it has all it wants. */
TEST(sem.a_waiter_for_many_gets_them_from_single_releases)
{
    for (int k = 0; k < 2; k++) {
        pawl_sem s = make(0, kinds[k]);
        struct visitor v;

        visitor_start_asleep(&v, acquire_3, NULL, &s);
        CHECK_OK(pawl_sem_release(&s));
        test_until_asleep(test_tid(v.thread));
        CHECK_OK(pawl_sem_release(&s));
        test_until_asleep(test_tid(v.thread));
        CHECK_EQ(pawl_sem_waiters(&s), 1);
        CHECK_OK(pawl_sem_release(&s));
        CHECK_OK(visitor_passes(&v));
        CHECK_EQ(pawl_sem_value(&s), 0);
    }
}

/* S-04: a waiter that gives up is not counted any more, and takes no wake. */
static int acquire_shortly(void *s)
{
    return pawl_sem_acquire_until(s, pawl_after_ms(5));
}

TEST(sem.a_waiter_that_gives_up_leaves_the_others_alone)
{
    for (int k = 0; k < 2; k++) {
        pawl_sem s = make(0, kinds[k]);
        struct visitor first;
        struct visitor hasty;
        struct visitor second;

        visitor_start_asleep(&first, acquire, NULL, &s);
        visitor_start(&hasty, acquire_shortly, NULL, &s);
        visitor_start_asleep(&second, acquire, NULL, &s);
        CHECK_ERR(visitor_passes(&hasty), -ETIMEDOUT);
        CHECK_EQ(pawl_sem_waiters(&s), 2);
        CHECK_OK(pawl_sem_release_n(&s, 2));
        CHECK_OK(visitor_enters(&first));
        CHECK_OK(visitor_enters(&second));
        visitor_leaves(&first);
        visitor_leaves(&second);
        CHECK_EQ(pawl_sem_waiters(&s), 0);
        CHECK_EQ(pawl_sem_value(&s), 0);
    }
}

/* S-05: nobody owns a permit. */
TEST(sem.any_thread_may_release)
{
    pawl_sem s = make(1, 0);
    struct visitor v;

    CHECK_OK(pawl_sem_acquire(&s));
    visitor_start(&v, release, release, &s);
    CHECK_OK(visitor_passes(&v));
    CHECK_EQ(pawl_sem_value(&s), 2);
}

/* S-11: the permit of a thread that ends is lost. */
TEST(sem.a_permit_is_lost_with_its_thread)
{
    pawl_sem s = make(1, 0);

    CHECK_OK(visitor_dies_inside(acquire, &s));
    CHECK_EQ(pawl_sem_value(&s), 0);
    CHECK_ERR(pawl_sem_acquire_until(&s, pawl_after_ms(1)), -ETIMEDOUT);
}

/* ---- scope guards (S-06, R-16) ------------------------------------------ */

TEST(sem.a_guard_gives_back_what_it_took)
{
    pawl_sem s = make(1, 0);

    {
        PAWL_SEM_GUARD(outer, &s);
        CHECK_OK(outer.err);
        CHECK_EQ(pawl_sem_value(&s), 0);
        {
            PAWL_SEM_GUARD_UNTIL(inner, &s, pawl_after_ms(1));
            CHECK_ERR(inner.err, -ETIMEDOUT);
        }
        CHECK_EQ(pawl_sem_value(&s), 0);
    }
    CHECK_EQ(pawl_sem_value(&s), 1);
    {
        PAWL_SEM_GUARD(held, &s);
        CHECK_OK(held.err);
        pawl_sem_guard_end(&held);
        CHECK_EQ(pawl_sem_value(&s), 1);
    }
    CHECK_EQ(pawl_sem_value(&s), 1);
}
