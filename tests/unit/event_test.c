/* SPDX-License-Identifier: MIT
 *
 * event_test.c - the event, call by call.
 */
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include <pawl/error.h>
#include <pawl/event.h>

#include "puppet.h"
#include "test.h"

enum { WAITERS = 4 };

static const pawl_deadline past[] = {0, -1, INT64_MIN, 1};

static int wait_until(void *e, pawl_deadline until)
{
    return pawl_event_wait_until(e, until);
}

static void check_is_fresh(pawl_event *e)
{
    CHECK(!pawl_event_is_set(e));
    CHECK_ERR(pawl_event_try_wait(e), -EAGAIN);
    pawl_event_set(e);
    CHECK(pawl_event_is_set(e));
    CHECK_OK(pawl_event_wait(e));
    pawl_event_clear(e);
    CHECK(!pawl_event_is_set(e));
}

/* E-01: by init, by initialiser and as zero bytes, it begins clear. */
TEST(event.begins_clear)
{
    pawl_event local = PAWL_EVENT_INIT;
    pawl_event shared = PAWL_EVENT_INIT_FLAGS(PAWL_SHARED);
    pawl_event zero;
    pawl_event by_init;

    memset(&zero, 0, sizeof zero);
    check_is_fresh(&local);
    check_is_fresh(&shared);
    check_is_fresh(&zero);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        memset(&by_init, 0xff, sizeof by_init);
        CHECK_OK(pawl_event_init(&by_init, flags));
        check_is_fresh(&by_init);
    }
}

/* a refused init leaves the memory alone. */
TEST(event.init_refuses_unknown_flags)
{
    static const unsigned bad[] = {PAWL_OWNERLESS, 4, 1u << 31,
                                   PAWL_SHARED | PAWL_OWNERLESS, UINT_MAX};
    pawl_event e = PAWL_EVENT_INIT;
    pawl_event before;

    pawl_event_set(&e);
    memcpy(&before, &e, sizeof e);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_ERR(pawl_event_init(&e, bad[i]), -EINVAL);
        CHECK_EQ(memcmp(&before, &e, sizeof e), 0);
    }
    CHECK(pawl_event_is_set(&e));
}

/* E-02, E-03: set and clear are idempotent. */
TEST(event.set_and_clear_twice_as_once)
{
    pawl_event e = PAWL_EVENT_INIT;

    pawl_event_clear(&e);
    CHECK(!pawl_event_is_set(&e));
    pawl_event_set(&e);
    pawl_event_set(&e);
    CHECK(pawl_event_is_set(&e));
    pawl_event_clear(&e);
    CHECK(!pawl_event_is_set(&e));
    pawl_event_clear(&e);
    CHECK_ERR(pawl_event_try_wait(&e), -EAGAIN);
}

/* E-05, R-03: while it is set, every form of waiting returns 0, any number of
 * times. */
TEST(event.is_not_consumed_by_waits)
{
    pawl_event e = PAWL_EVENT_INIT;

    pawl_event_set(&e);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(pawl_event_try_wait(&e));
        CHECK_OK(pawl_event_wait_until(&e, 0));
        CHECK_OK(pawl_event_wait_until(&e, pawl_after_s(1000)));
        CHECK_OK(pawl_event_wait(&e));
    }
    CHECK(pawl_event_is_set(&e));
}

/* E-05, R-04, R-05, R-06: a deadline that has passed polls. */
TEST(event.past_deadline_polls)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_event e = PAWL_EVENT_INIT_FLAGS(flags);

        for (size_t i = 0; i < sizeof past / sizeof *past; i++) {
            CHECK_ERR(pawl_event_wait_until(&e, past[i]), -ETIMEDOUT);
            CHECK_ERR(pawl_event_wait_until(&e, pawl_after_ns(-1)), -ETIMEDOUT);
        }
        CHECK(!pawl_event_is_set(&e));
        pawl_event_set(&e);
        for (size_t i = 0; i < sizeof past / sizeof *past; i++)
            CHECK_OK(pawl_event_wait_until(&e, past[i]));
    }
}

/* E-05, R-04: not before the deadline. */
TEST(event.wait_lasts_until_the_deadline)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_event e = PAWL_EVENT_INIT_FLAGS(flags);
        pawl_deadline until = pawl_after_ms(5);

        CHECK_ERR(pawl_event_wait_until(&e, until), -ETIMEDOUT);
        CHECK(pawl_now() >= until);
    }
}

/* E-02: everybody who sleeps at the set returns 0, though the event is clear
 * again before they run. */
TEST(event.pulse_releases_every_sleeper)
{
    struct puppet p[WAITERS];

    puppets_begin(p, WAITERS);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_event e = PAWL_EVENT_INIT_FLAGS(flags);

        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < WAITERS; i++) {
                puppet_do(&p[i], wait_until, &e,
                          i % 2 == 0 ? PAWL_FOREVER : pawl_after_s(1000));
                puppet_until_asleep(&p[i]);
            }
            pawl_event_set(&e);
            pawl_event_clear(&e);
            for (int i = 0; i < WAITERS; i++)
                CHECK_OK(puppet_result(&p[i]));
            CHECK(!pawl_event_is_set(&e));
        }
    }
    puppets_end(p, WAITERS);
}

/* E-03: who comes after the clear waits for the next set. */
TEST(event.pulse_does_not_release_who_comes_later)
{
    pawl_event e = PAWL_EVENT_INIT;
    struct puppet p;

    puppet_begin(&p);
    pawl_event_set(&e);
    pawl_event_clear(&e);
    CHECK_ERR(pawl_event_wait_until(&e, pawl_after_ms(1)), -ETIMEDOUT);
    puppet_do(&p, wait_until, &e, PAWL_FOREVER);
    puppet_until_asleep(&p);
    pawl_event_clear(&e);
    puppet_until_asleep(&p);
    pawl_event_set(&e);
    CHECK_OK(puppet_result(&p));
    puppet_end(&p);
}

/* E-02: a second set, without a clear in between, does not start a new wait. */
TEST(event.many_sets_release_once)
{
    pawl_event e = PAWL_EVENT_INIT;
    struct puppet p;

    puppet_begin(&p);
    puppet_do(&p, wait_until, &e, PAWL_FOREVER);
    puppet_until_asleep(&p);
    for (int i = 0; i < 5; i++) {
        pawl_event_set(&e);
        pawl_event_clear(&e);
    }
    CHECK_OK(puppet_result(&p));
    CHECK_ERR(pawl_event_try_wait(&e), -EAGAIN);
    puppet_end(&p);
}

/* E-06: a waiter that left by its deadline leaves nothing behind that the next
 * set, or the next waiter, depends on. */
TEST(event.works_after_timed_out_waiters)
{
    pawl_event e = PAWL_EVENT_INIT;
    struct puppet p;

    puppet_begin(&p);
    for (int round = 0; round < 3; round++) {
        CHECK_ERR(pawl_event_wait_until(&e, pawl_after_ms(1)), -ETIMEDOUT);
        puppet_do(&p, wait_until, &e, PAWL_FOREVER);
        puppet_until_asleep(&p);
        CHECK_ERR(pawl_event_wait_until(&e, pawl_after_ms(1)), -ETIMEDOUT);
        pawl_event_set(&e);
        CHECK_OK(puppet_result(&p));
        pawl_event_clear(&e);
    }
    puppet_end(&p);
}

/* signals do not end a wait. */
TEST(event.wait_outlasts_signals)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_event e = PAWL_EVENT_INIT_FLAGS(flags);
        struct puppet p;

        allow_interruptions();
        puppet_begin(&p);
        puppet_do(&p, wait_until, &e, pawl_after_s(1000));
        for (int i = 0; i < 20; i++) {
            puppet_until_asleep(&p);
            interrupt(test_tid(p.thread));
        }
        puppet_until_asleep(&p);
        pawl_event_set(&e);
        CHECK_OK(puppet_result(&p));
        puppet_end(&p);
    }
}

static pawl_event *set_by_handler;

static void set_it(int number)
{
    (void)number;
    pawl_event_set(set_by_handler);
    pawl_event_clear(set_by_handler);
}

/* E-02, R-19: a handler may pulse the event that its own thread waits for. */
TEST(event.pulse_by_a_signal_handler_releases_its_own_thread)
{
    pawl_event e = PAWL_EVENT_INIT;
    struct sigaction action;
    struct puppet p;

    memset(&action, 0, sizeof action);
    action.sa_handler = set_it;
    CHECK_EQ(sigaction(SIGUSR2, &action, NULL), 0);
    set_by_handler = &e;
    puppet_begin(&p);
    puppet_do(&p, wait_until, &e, PAWL_FOREVER);
    puppet_until_asleep(&p);
    CHECK_EQ(syscall(SYS_tgkill, getpid(), test_tid(p.thread), SIGUSR2), 0);
    CHECK_OK(puppet_result(&p));
    puppet_end(&p);
}

static int written;

static int read_after_wait(void *e, pawl_deadline until)
{
    int err = pawl_event_wait_until(e, until);

    return err < 0 ? err : written;
}

static int read_after_is_set(void *e, pawl_deadline until)
{
    (void)until;
    while (!pawl_event_is_set(e))
        sched_yield();
    return written;
}

static int read_after_try(void *e, pawl_deadline until)
{
    (void)until;
    while (pawl_event_try_wait(e) != 0)
        sched_yield();
    return written;
}

/* R-11, E-04: what was written before the set is seen after every way to find
 * it set. */
TEST(event.set_publishes)
{
    static const puppet_fn ways[] = {read_after_wait, read_after_is_set,
                                     read_after_try};
    struct puppet p;

    puppet_begin(&p);
    for (int i = 0; i < 3; i++) {
        pawl_event e = PAWL_EVENT_INIT;

        puppet_do(&p, ways[i], &e, PAWL_FOREVER);
        written = 5 + i;
        pawl_event_set(&e);
        CHECK_EQ(puppet_result(&p), 5 + i);
    }
    puppet_end(&p);
}

static int second;
static _Atomic int has_set;

static int write_and_set(void *e, pawl_deadline until)
{
    (void)until;
    second = 2;
    pawl_event_set(e); /* set already */
    atomic_store_explicit(&has_set, 1, memory_order_relaxed);
    return 0;
}

/* a set that finds it set publishes too. */
TEST(event.set_of_a_set_event_publishes)
{
    pawl_event e = PAWL_EVENT_INIT;
    struct puppet p;

    puppet_begin(&p);
    pawl_event_set(&e);
    puppet_do(&p, write_and_set, &e, 0);
    while (atomic_load_explicit(&has_set, memory_order_relaxed) == 0)
        sched_yield();
    CHECK_OK(pawl_event_wait(&e));
    CHECK_EQ(second, 2);
    CHECK_OK(puppet_result(&p));
    puppet_end(&p);
}
