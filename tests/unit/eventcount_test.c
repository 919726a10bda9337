/* SPDX-License-Identifier: MIT
 *
 * eventcount_test.c - the event count, call by call.
 */
#include <limits.h>
#include <string.h>

#include <pawl/error.h>
#include <pawl/eventcount.h>

#include "eventcount_cases.h"
#include "puppet.h"
#include "test.h"

enum { WAITERS = 4 };

/* One wait from prepare to its end. */
static int wait_until(void *object, pawl_deadline until)
{
    pawl_eventcount *ec = object;

    return pawl_eventcount_wait_until(ec, pawl_eventcount_prepare(ec), until);
}

/* Puppets that sleep, in this order. */
static void all_asleep(struct puppet *ps, int n, pawl_eventcount *ec)
{
    puppets_begin(ps, n);
    for (int i = 0; i < n; i++) {
        puppet_do(&ps[i], wait_until, ec, PAWL_FOREVER);
        puppet_until_asleep(&ps[i]);
    }
}

static void check_is_fresh(pawl_eventcount *ec)
{
    uint32_t key;

    /* Nobody waits: a notification is not kept. */
    pawl_eventcount_notify(ec, 1);
    pawl_eventcount_notify_all(ec);
    key = pawl_eventcount_prepare(ec);
    CHECK_ERR(pawl_eventcount_wait_until(ec, key, 0), -ETIMEDOUT);
    key = pawl_eventcount_prepare(ec);
    pawl_eventcount_notify(ec, 1);
    CHECK_OK(pawl_eventcount_wait_until(ec, key, 0));
}

TEST(eventcount.begins_with_nobody)
{
    pawl_eventcount local = PAWL_EVENTCOUNT_INIT;
    pawl_eventcount shared = PAWL_EVENTCOUNT_INIT_FLAGS(PAWL_SHARED);
    pawl_eventcount zero;
    pawl_eventcount by_init;

    memset(&zero, 0, sizeof zero);
    check_is_fresh(&local);
    check_is_fresh(&shared);
    check_is_fresh(&zero);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        memset(&by_init, 0xff, sizeof by_init);
        CHECK_OK(pawl_eventcount_init(&by_init, flags));
        check_is_fresh(&by_init);
    }
}

/* a refused init leaves the memory alone. */
TEST(eventcount.init_refuses_unknown_flags)
{
    static const unsigned bad[] = {PAWL_OWNERLESS, 4, 1u << 31,
                                   PAWL_SHARED | PAWL_OWNERLESS, UINT_MAX};
    pawl_eventcount ec = PAWL_EVENTCOUNT_INIT_FLAGS(PAWL_SHARED);
    pawl_eventcount before = ec;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_ERR(pawl_eventcount_init(&ec, bad[i]), -EINVAL);
    CHECK_EQ(memcmp(&ec, &before, sizeof ec), 0);
}

/* A notification between prepare and wait ends the wait before it begins,
 * however many wait. */
TEST(eventcount.notified_after_prepare_does_not_sleep)
{
    pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;
    uint32_t a = pawl_eventcount_prepare(&ec);
    uint32_t b = pawl_eventcount_prepare(&ec);

    pawl_eventcount_notify(&ec, 1);
    CHECK_OK(pawl_eventcount_wait(&ec, a));
    CHECK_OK(pawl_eventcount_wait(&ec, b));
    /* Nobody waits now, whatever the count says. */
    check_is_fresh(&ec);
}

/* a deadline in the past does not sleep, but sees what is there. */
TEST(eventcount.deadline_in_the_past_looks_once)
{
    static const pawl_deadline past[] = {0, -1, INT64_MIN, 1};
    pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;

    for (size_t i = 0; i < sizeof past / sizeof past[0]; i++) {
        uint32_t key = pawl_eventcount_prepare(&ec);

        CHECK_ERR(pawl_eventcount_wait_until(&ec, key, past[i]), -ETIMEDOUT);
        key = pawl_eventcount_prepare(&ec);
        pawl_eventcount_notify(&ec, 1);
        CHECK_OK(pawl_eventcount_wait_until(&ec, key, past[i]));
    }
}

TEST(eventcount.wait_ends_at_its_deadline)
{
    pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;
    pawl_deadline until = pawl_after_ms(20);

    CHECK_ERR(wait_until(&ec, until), -ETIMEDOUT);
    CHECK(pawl_now() >= until);
}

/* Exactly n are woken, and those that have slept longest. */
TEST(eventcount.notify_wakes_n_in_order)
{
    pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;
    struct puppet p[WAITERS];

    all_asleep(p, WAITERS, &ec);
    pawl_eventcount_notify(&ec, 1);
    CHECK_OK(puppet_result(&p[0]));
    pawl_eventcount_notify(&ec, 2);
    CHECK_OK(puppet_result(&p[1]));
    CHECK_OK(puppet_result(&p[2]));
    CHECK(test_is_asleep(test_tid(p[3].thread)));
    CHECK(!puppet_has_result(&p[3]));
    pawl_eventcount_notify(&ec, 1);
    CHECK_OK(puppet_result(&p[3]));
    puppets_end(p, WAITERS);
    check_is_fresh(&ec);
}

TEST(eventcount.notify_all_wakes_all)
{
    pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;
    struct puppet p[WAITERS];

    all_asleep(p, WAITERS, &ec);
    pawl_eventcount_notify_all(&ec);
    for (int i = 0; i < WAITERS; i++)
        CHECK_OK(puppet_result(&p[i]));
    puppets_end(p, WAITERS);
}

TEST(eventcount.notify_of_less_than_one_does_nothing)
{
    pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;
    uint32_t key = pawl_eventcount_prepare(&ec);

    pawl_eventcount_notify(&ec, 0);
    pawl_eventcount_notify(&ec, -1);
    pawl_eventcount_notify(&ec, INT_MIN);
    CHECK_ERR(pawl_eventcount_wait_until(&ec, key, 0), -ETIMEDOUT);
}

TEST(eventcount.notify_of_more_than_wait_wakes_all)
{
    pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;
    struct puppet p[2];

    all_asleep(p, 2, &ec);
    pawl_eventcount_notify(&ec, INT_MAX);
    CHECK_OK(puppet_result(&p[0]));
    CHECK_OK(puppet_result(&p[1]));
    puppets_end(p, 2);
    check_is_fresh(&ec);
}

/* Who cancelled, or timed out, takes no wake from those who sleep. */
TEST(eventcount.who_left_takes_no_wake)
{
    pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;
    struct puppet p;
    uint32_t key;

    all_asleep(&p, 1, &ec);
    for (int i = 0; i < 3; i++) {
        key = pawl_eventcount_prepare(&ec);
        pawl_eventcount_cancel(&ec, key);
        CHECK_ERR(wait_until(&ec, 0), -ETIMEDOUT);
        CHECK_ERR(wait_until(&ec, pawl_after_us(50)), -ETIMEDOUT);
    }
    CHECK_EQ(test_eventcount_waiters(&ec), 1);
    CHECK(!puppet_has_result(&p));
    pawl_eventcount_notify(&ec, 1);
    CHECK_OK(puppet_result(&p));
    puppet_end(&p);
}

/* Who prepared before a notification was taken off the count by it.  A cancel
 * after that takes nobody else off; and what is too high comes down again. */
TEST(eventcount.late_cancel_hides_nobody)
{
    pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;
    uint32_t keys[3];
    struct puppet p[2];

    for (int i = 0; i < 3; i++)
        keys[i] = pawl_eventcount_prepare(&ec);
    pawl_eventcount_notify(&ec, 3);
    all_asleep(p, 2, &ec);
    for (int i = 0; i < 3; i++)
        pawl_eventcount_cancel(&ec, keys[i]);
    CHECK_EQ(test_eventcount_waiters(&ec), 2);
    pawl_eventcount_notify(&ec, 1);
    CHECK_OK(puppet_result(&p[0]));
    pawl_eventcount_notify(&ec, 1);
    CHECK_OK(puppet_result(&p[1]));
    puppets_end(p, 2);

    for (int i = 0; i < 3; i++)
        keys[i] = pawl_eventcount_prepare(&ec);
    pawl_eventcount_notify(&ec, 1);
    for (int i = 0; i < 3; i++)
        pawl_eventcount_cancel(&ec, keys[i]);
    /* The next wake finds nobody and sets the count right. */
    pawl_eventcount_notify(&ec, 1);
    CHECK_EQ(test_eventcount_waiters(&ec), 0);
}

/* "Counts at least the waiters, and no more for long": a hundred notifications
 * that each find three who are about to wait do not drive the count up. */
TEST(eventcount.count_comes_back_to_the_waiters)
{
    pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;

    for (int i = 0; i < 100; i++) {
        uint32_t keys[3];

        for (int k = 0; k < 3; k++)
            keys[k] = pawl_eventcount_prepare(&ec);
        pawl_eventcount_notify(&ec, 1);
        for (int k = 0; k < 3; k++)
            CHECK_OK(pawl_eventcount_wait(&ec, keys[k]));
        CHECK(test_eventcount_waiters(&ec) <= 3);
    }
}

/* Nobody waits: the word is not written. */
TEST(eventcount.notify_without_waiters_writes_nothing)
{
    pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;
    pawl_eventcount before = ec;

    for (int i = 0; i < 10; i++) {
        pawl_eventcount_notify(&ec, 1);
        pawl_eventcount_notify_all(&ec);
    }
    CHECK_EQ(memcmp(&ec, &before, sizeof ec), 0);
}

/* The epoch goes from 2^32-1 to 0 and leaves the count alone. */
TEST(eventcount.epoch_wraps)
{
    pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;
    struct puppet p[2];

    ec.word_.v_ = UINT32_MAX;
    all_asleep(p, 2, &ec);
    pawl_eventcount_notify(&ec, 1);
    CHECK_OK(puppet_result(&p[0]));
    CHECK_EQ((uint32_t)ec.word_.v_, 0);
    CHECK_EQ(test_eventcount_waiters(&ec), 1);
    pawl_eventcount_notify(&ec, 1);
    CHECK_OK(puppet_result(&p[1]));
    puppets_end(p, 2);
}

/* a signal handler does not end the wait. */
TEST(eventcount.signals_do_not_end_the_wait)
{
    pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;
    struct puppet p;

    allow_interruptions();
    all_asleep(&p, 1, &ec);
    for (int i = 0; i < 20; i++) {
        interrupt(test_tid(p.thread));
        puppet_until_asleep(&p);
    }
    CHECK(!puppet_has_result(&p));
    CHECK_EQ(test_eventcount_waiters(&ec), 1);
    pawl_eventcount_notify(&ec, 1);
    CHECK_OK(puppet_result(&p));
    puppet_end(&p);
}
