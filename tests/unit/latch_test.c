/* SPDX-License-Identifier: MIT
 *
 * latch_test.c - the latch, call by call.
 */
#include <limits.h>
#include <stdatomic.h>
#include <string.h>

#include <pawl/error.h>
#include <pawl/latch.h>

#include "puppet.h"
#include "test.h"

enum { WAITERS = 4 };

static const pawl_deadline past[] = {0, -1, INT64_MIN, 1};

static int wait_until(void *l, pawl_deadline until)
{
    return pawl_latch_wait_until(l, until);
}

static int arrive_and_wait(void *l, pawl_deadline until)
{
    return pawl_latch_arrive_and_wait(l, until);
}

/* Counts down from two to open. */
static void check_two_are_left(pawl_latch *l)
{
    CHECK_EQ(pawl_latch_count(l), 2);
    CHECK_ERR(pawl_latch_try_wait(l), -EAGAIN);
    CHECK_OK(pawl_latch_count_down(l, 1));
    CHECK_EQ(pawl_latch_count(l), 1);
    CHECK_ERR(pawl_latch_try_wait(l), -EAGAIN);
    CHECK_OK(pawl_latch_count_down(l, 1));
    CHECK_EQ(pawl_latch_count(l), 0);
    CHECK_OK(pawl_latch_try_wait(l));
}

/* init and both initialisers make the same latch. */
TEST(latch.opens_at_zero)
{
    pawl_latch local = PAWL_LATCH_INIT(2);
    pawl_latch shared = PAWL_LATCH_INIT_FLAGS(2, PAWL_SHARED);
    pawl_latch by_init;

    check_two_are_left(&local);
    check_two_are_left(&shared);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        memset(&by_init, 0xff, sizeof by_init);
        CHECK_OK(pawl_latch_init(&by_init, 2, flags));
        check_two_are_left(&by_init);
    }
}

/* All zero bytes is an open latch, as is one made with count 0. */
TEST(latch.zero_is_open)
{
    pawl_latch zero;
    pawl_latch by_init;

    memset(&zero, 0, sizeof zero);
    CHECK_OK(pawl_latch_wait(&zero));
    CHECK_OK(pawl_latch_init(&by_init, 0, 0));
    CHECK_OK(pawl_latch_wait(&by_init));
    CHECK_ERR(pawl_latch_count_down(&by_init, 1), -EOVERFLOW);
    CHECK_OK(pawl_latch_count_down(&by_init, 0));
    CHECK_ERR(pawl_latch_arrive_and_wait(&by_init, PAWL_FOREVER), -EOVERFLOW);
}

/* a refused init leaves the memory alone. */
TEST(latch.init_refuses_what_is_out_of_bounds)
{
    pawl_latch l = PAWL_LATCH_INIT(3);

    CHECK_ERR(pawl_latch_init(&l, -1, 0), -EINVAL);
    CHECK_ERR(pawl_latch_init(&l, INT_MIN, 0), -EINVAL);
    CHECK_ERR(pawl_latch_init(&l, 1, PAWL_OWNERLESS), -EINVAL);
    CHECK_ERR(pawl_latch_init(&l, 1, 4), -EINVAL);
    CHECK_ERR(pawl_latch_init(&l, 1, UINT_MAX), -EINVAL);
    CHECK_EQ(pawl_latch_count(&l), 3);
}

/* Bounds: the largest count, in steps and at once. */
TEST(latch.counts_as_far_as_its_maximum)
{
    pawl_latch l;

    CHECK_OK(pawl_latch_init(&l, PAWL_LATCH_MAX, 0));
    CHECK_EQ(pawl_latch_count(&l), PAWL_LATCH_MAX);
    CHECK_OK(pawl_latch_count_down(&l, 1));
    CHECK_ERR(pawl_latch_count_down(&l, PAWL_LATCH_MAX), -EOVERFLOW);
    CHECK_EQ(pawl_latch_count(&l), PAWL_LATCH_MAX - 1);
    CHECK_OK(pawl_latch_count_down(&l, PAWL_LATCH_MAX - 1));
    CHECK_OK(pawl_latch_wait(&l));
}

/* A count-down is all or nothing. */
TEST(latch.count_down_beyond_zero_is_refused)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_latch l = PAWL_LATCH_INIT_FLAGS(3, flags);

        CHECK_ERR(pawl_latch_count_down(&l, 4), -EOVERFLOW);
        CHECK_ERR(pawl_latch_count_down(&l, INT_MAX), -EOVERFLOW);
        CHECK_ERR(pawl_latch_count_down(&l, -1), -EINVAL);
        CHECK_ERR(pawl_latch_count_down(&l, INT_MIN), -EINVAL);
        CHECK_EQ(pawl_latch_count(&l), 3);
        CHECK_OK(pawl_latch_count_down(&l, 0));
        CHECK_EQ(pawl_latch_count(&l), 3);
        CHECK_OK(pawl_latch_count_down(&l, 3));
        CHECK_ERR(pawl_latch_count_down(&l, 1), -EOVERFLOW);
        CHECK_OK(pawl_latch_wait(&l));
    }
}

/* the three forms, and deadlines that have passed. */
TEST(latch.past_deadline_polls)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_latch l = PAWL_LATCH_INIT_FLAGS(1, flags);

        for (size_t i = 0; i < sizeof past / sizeof *past; i++)
            CHECK_ERR(pawl_latch_wait_until(&l, past[i]), -ETIMEDOUT);
        CHECK_EQ(pawl_latch_count(&l), 1);
        CHECK_OK(pawl_latch_count_down(&l, 1));
        for (size_t i = 0; i < sizeof past / sizeof *past; i++)
            CHECK_OK(pawl_latch_wait_until(&l, past[i]));
        CHECK_OK(pawl_latch_try_wait(&l));
    }
}

/* not before the deadline. */
TEST(latch.wait_lasts_until_the_deadline)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_latch l = PAWL_LATCH_INIT_FLAGS(2, flags);
        pawl_deadline until = pawl_after_ms(5);

        CHECK_ERR(pawl_latch_wait_until(&l, until), -ETIMEDOUT);
        CHECK(pawl_now() >= until);
        /* It counts all the same. */
        CHECK_ERR(pawl_latch_arrive_and_wait(&l, 0), -ETIMEDOUT);
        CHECK_EQ(pawl_latch_count(&l), 1);
        CHECK_OK(pawl_latch_arrive_and_wait(&l, 0));
    }
}

/* Everybody who sleeps is released by the count-down that reaches zero, and by
 * none before it. */
TEST(latch.zero_releases_every_sleeper)
{
    struct puppet p[WAITERS];

    puppets_begin(p, WAITERS);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_latch l = PAWL_LATCH_INIT_FLAGS(3, flags);

        for (int i = 0; i < WAITERS; i++) {
            puppet_do(&p[i], wait_until, &l,
                      i % 2 == 0 ? PAWL_FOREVER : pawl_after_s(1000));
            puppet_until_asleep(&p[i]);
        }
        CHECK_EQ(pawl_latch_count(&l), 3);
        CHECK_OK(pawl_latch_count_down(&l, 2));
        CHECK_EQ(pawl_latch_count(&l), 1);
        CHECK_ERR(pawl_latch_count_down(&l, 2), -EOVERFLOW);
        for (int i = 0; i < WAITERS; i++)
            puppet_until_asleep(&p[i]);
        CHECK_OK(pawl_latch_count_down(&l, 1));
        for (int i = 0; i < WAITERS; i++)
            CHECK_OK(puppet_result(&p[i]));
        CHECK_EQ(pawl_latch_count(&l), 0);
    }
    puppets_end(p, WAITERS);
}

TEST(latch.all_pass_who_arrive_and_wait)
{
    struct puppet p[WAITERS];

    puppets_begin(p, WAITERS);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_latch l = PAWL_LATCH_INIT_FLAGS(WAITERS, flags);

        for (int i = 0; i < WAITERS; i++) {
            CHECK_EQ(pawl_latch_count(&l), WAITERS - i);
            puppet_do(&p[i], arrive_and_wait, &l, PAWL_FOREVER);
            if (i < WAITERS - 1)
                puppet_until_asleep(&p[i]);
        }
        for (int i = 0; i < WAITERS; i++)
            CHECK_OK(puppet_result(&p[i]));
    }
    puppets_end(p, WAITERS);
}

/* signals do not end a wait. */
TEST(latch.wait_outlasts_signals)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_latch l = PAWL_LATCH_INIT_FLAGS(1, flags);
        struct puppet p;

        allow_interruptions();
        puppet_begin(&p);
        puppet_do(&p, wait_until, &l, pawl_after_s(1000));
        for (int i = 0; i < 20; i++) {
            puppet_until_asleep(&p);
            interrupt(test_tid(p.thread));
        }
        puppet_until_asleep(&p);
        CHECK_OK(pawl_latch_count_down(&l, 1));
        CHECK_OK(puppet_result(&p));
        puppet_end(&p);
    }
}

static int written[2];
static pawl_latch publisher = PAWL_LATCH_INIT(2);

static int write_and_count(void *slot, pawl_deadline until)
{
    (void)until;
    *(int *)slot = 7;
    return pawl_latch_count_down(&publisher, 1);
}

/* what every count-down wrote, not only the last one, is seen. */
TEST(latch.count_down_publishes)
{
    struct puppet p[2];

    puppets_begin(p, 2);
    puppet_do(&p[0], write_and_count, &written[0], 0);
    puppet_do(&p[1], write_and_count, &written[1], 0);
    CHECK_OK(pawl_latch_wait(&publisher));
    CHECK_EQ(written[0] + written[1], 14);
    CHECK_OK(puppet_result(&p[0]));
    CHECK_OK(puppet_result(&p[1]));
    puppets_end(p, 2);
}
