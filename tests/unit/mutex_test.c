/* SPDX-License-Identifier: MIT
 *
 * mutex_test.c - one mutex, owned and ownerless.  What each call says in each
 * state is in lock_states_test.c, deaths in owner_death_test.c.
 */
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <pawl/error.h>
#include <pawl/mutex.h>

#include "visitor.h"

static int lock(void *m)
{
    return pawl_mutex_lock(m);
}

static int try_lock(void *m)
{
    return pawl_mutex_try_lock(m);
}

static int unlock(void *m)
{
    return pawl_mutex_unlock(m);
}

static const unsigned kinds[] = {PAWL_LOCAL, PAWL_SHARED, PAWL_OWNERLESS,
                                 PAWL_OWNERLESS | PAWL_SHARED};
enum { KINDS = 4 };

static pawl_mutex make(unsigned flags)
{
    pawl_mutex m;

    CHECK_OK(pawl_mutex_init(&m, flags));
    return m;
}

/* ---- beginning and end (L-01, R-17) ------------------------------------- */

TEST(mutex.all_zero_bytes_and_the_initialiser_are_valid)
{
    pawl_mutex zero;
    pawl_mutex made = make(PAWL_LOCAL);
    pawl_mutex stat = PAWL_MUTEX_INIT;

    memset(&zero, 0, sizeof zero);
    CHECK_EQ(memcmp(&zero, &made, sizeof zero), 0);
    CHECK_EQ(memcmp(&zero, &stat, sizeof zero), 0);
    CHECK_OK(pawl_mutex_lock(&zero));
    CHECK_OK(pawl_mutex_unlock(&zero));
    CHECK_EQ(memcmp(&zero, &stat, sizeof zero), 0);
}

TEST(mutex.the_initialiser_with_flags_is_what_init_makes)
{
    for (int k = 0; k < KINDS; k++) {
        pawl_mutex made = make(kinds[k]);
        pawl_mutex stat = PAWL_MUTEX_INIT_FLAGS(kinds[k]);

        CHECK_EQ(memcmp(&made, &stat, sizeof made), 0);
    }
}

TEST(mutex.init_refuses_unknown_flags)
{
    for (int bit = 2; bit < 32; bit++) {
        pawl_mutex m = PAWL_MUTEX_INIT;
        pawl_mutex before;

        CHECK_OK(pawl_mutex_lock(&m));
        before = m;
        CHECK_ERR(pawl_mutex_init(&m, 1u << bit), -EINVAL);
        CHECK_ERR(pawl_mutex_init(&m, PAWL_SHARED | 1u << bit), -EINVAL);
        CHECK_EQ(memcmp(&m, &before, sizeof m), 0);
        CHECK_OK(pawl_mutex_unlock(&m));
    }
}

TEST(mutex.destroy_is_refused_while_it_is_held)
{
    for (int k = 0; k < KINDS; k++) {
        pawl_mutex m = make(kinds[k]);

        CHECK_OK(pawl_mutex_lock(&m));
        CHECK_ERR(pawl_mutex_destroy(&m), -EBUSY);
        CHECK(pawl_mutex_is_locked(&m));
        CHECK_OK(pawl_mutex_unlock(&m));
        CHECK_OK(pawl_mutex_destroy(&m));
    }
}

/* ---- taking and giving (L-02, L-03, L-05) ------------------------------- */

TEST(mutex.can_be_taken_again_and_again)
{
    for (int k = 0; k < KINDS; k++) {
        pawl_mutex m = make(kinds[k]);

        for (int i = 0; i < 1000; i++) {
            CHECK(!pawl_mutex_is_locked(&m));
            CHECK_OK(i % 2 == 0 ? pawl_mutex_lock(&m)
                                : pawl_mutex_try_lock(&m));
            CHECK(pawl_mutex_is_locked(&m));
            CHECK_OK(pawl_mutex_unlock(&m));
        }
    }
}

/* L-05: with other threads about, the way without locked instructions and the
 * way with them must not be mixed up. */
TEST(mutex.taken_alone_it_is_released_in_company_and_the_reverse)
{
    pawl_mutex a = PAWL_MUTEX_INIT;
    pawl_mutex b = PAWL_MUTEX_INIT;
    struct visitor v;

    CHECK_OK(pawl_mutex_lock(&a));
    visitor_start(&v, lock, unlock, &b);
    CHECK_OK(visitor_enters(&v));
    CHECK_OK(pawl_mutex_unlock(&a));
    CHECK_ERR(pawl_mutex_try_lock(&b), -EAGAIN);
    CHECK_OK(pawl_mutex_lock(&a));
    CHECK_OK(visitor_leaves(&v));
    CHECK_OK(pawl_mutex_unlock(&a));
    CHECK_OK(pawl_mutex_lock(&b));
    CHECK_OK(pawl_mutex_unlock(&b));
}

TEST(mutex.unlock_by_other_thread_is_refused)
{
    pawl_mutex m = PAWL_MUTEX_INIT;
    struct visitor v;

    CHECK_OK(pawl_mutex_lock(&m));
    visitor_start(&v, unlock, NULL, &m);
    CHECK_ERR(visitor_passes(&v), -EPERM);
    CHECK(pawl_mutex_is_mine(&m));
    CHECK_OK(pawl_mutex_unlock(&m));
    CHECK_ERR(pawl_mutex_unlock(&m), -EPERM);
    CHECK(!pawl_mutex_is_locked(&m));
}

/* L-02: instead of the hang of Python. */
TEST(mutex.taking_it_twice_is_an_error)
{
    for (int k = 0; k < 2; k++) {
        pawl_mutex m = make(kinds[k]);

        CHECK_OK(pawl_mutex_lock(&m));
        CHECK_ERR(pawl_mutex_lock(&m), -EDEADLK);
        CHECK_ERR(pawl_mutex_lock_until(&m, 0), -EDEADLK);
        CHECK_ERR(pawl_mutex_lock_until(&m, pawl_after_s(100)), -EDEADLK);
        CHECK_ERR(pawl_mutex_try_lock(&m), -EAGAIN);
        CHECK_OK(pawl_mutex_unlock(&m));
        CHECK_ERR(pawl_mutex_unlock(&m), -EPERM);
    }
}

/* L-02 with somebody asleep: neither refusal may lose the sleeper. */
TEST(mutex.taking_it_twice_does_not_disturb_those_who_wait)
{
    pawl_mutex m = PAWL_MUTEX_INIT;
    struct visitor v;

    CHECK_OK(pawl_mutex_lock(&m));
    visitor_start_asleep(&v, lock, unlock, &m);
    CHECK_ERR(pawl_mutex_lock(&m), -EDEADLK);
    CHECK_ERR(pawl_mutex_try_lock(&m), -EAGAIN);
    CHECK_OK(pawl_mutex_unlock(&m));
    CHECK_OK(visitor_passes(&v));
}

/* ---- waiting (L-04, L-05, L-09) ----------------------------------------- */

TEST(mutex.a_waiter_gets_it_after_the_unlock)
{
    for (int k = 0; k < KINDS; k++) {
        pawl_mutex m = make(kinds[k]);
        struct visitor v;

        CHECK_OK(pawl_mutex_lock(&m));
        visitor_start_asleep(&v, lock, unlock, &m);
        CHECK_OK(pawl_mutex_unlock(&m));
        CHECK_OK(visitor_enters(&v));
        CHECK_ERR(pawl_mutex_try_lock(&m), -EAGAIN);
        CHECK_OK(visitor_leaves(&v));
        CHECK_OK(pawl_mutex_lock(&m));
        CHECK_OK(pawl_mutex_unlock(&m));
    }
}

/* L-05: one unlock wakes one, whose unlock must wake the next. */
TEST(mutex.all_waiters_get_it_one_after_the_other)
{
    enum { WAITERS = 6 };

    for (int k = 0; k < KINDS; k++) {
        pawl_mutex m = make(kinds[k]);
        struct visitor v[WAITERS];

        CHECK_OK(pawl_mutex_lock(&m));
        for (int i = 0; i < WAITERS; i++) {
            visitor_start_asleep(&v[i], lock, unlock, &m);
            door_open(&v[i].go);
        }
        CHECK_OK(pawl_mutex_unlock(&m));
        for (int i = 0; i < WAITERS; i++)
            CHECK_OK(visitor_passes(&v[i]));
        CHECK(!pawl_mutex_is_locked(&m));
    }
}

/* L-04: a waiter that gives up takes nobody's wake with it. */
static int lock_shortly(void *m)
{
    return pawl_mutex_lock_until(m, pawl_after_ms(5));
}

TEST(mutex.a_waiter_that_gives_up_leaves_the_others_alone)
{
    for (int k = 0; k < KINDS; k++) {
        pawl_mutex m = make(kinds[k]);
        struct visitor first;
        struct visitor second;
        struct visitor hasty;

        CHECK_OK(pawl_mutex_lock(&m));
        visitor_start_asleep(&first, lock, unlock, &m);
        visitor_start(&hasty, lock_shortly, NULL, &m);
        visitor_start_asleep(&second, lock, unlock, &m);
        CHECK_ERR(visitor_passes(&hasty), -ETIMEDOUT);
        CHECK_OK(pawl_mutex_unlock(&m));
        door_open(&first.go);
        door_open(&second.go);
        CHECK_OK(visitor_enters(&first));
        CHECK_OK(visitor_enters(&second));
        CHECK_OK(visitor_leaves(&first));
        CHECK_OK(visitor_leaves(&second));
    }
}

/* L-04: a timed waiter is woken by the unlock, long before its deadline. */
static int lock_patiently(void *m)
{
    return pawl_mutex_lock_until(m, pawl_after_s(1000));
}

TEST(mutex.a_timed_waiter_gets_it_after_the_unlock)
{
    for (int k = 0; k < KINDS; k++) {
        pawl_mutex m = make(kinds[k]);
        struct visitor v;

        CHECK_OK(pawl_mutex_lock(&m));
        visitor_start_asleep(&v, lock_patiently, unlock, &m);
        CHECK_OK(pawl_mutex_unlock(&m));
        CHECK_OK(visitor_passes(&v));
    }
}

/* ---- the ownerless kind (L-01, T-20) ------------------------------------------ */

TEST(mutex.an_ownerless_one_is_released_by_any_thread)
{
    for (int k = 2; k < KINDS; k++) {
        pawl_mutex m = make(kinds[k]);
        struct visitor v;

        CHECK_OK(pawl_mutex_lock(&m));
        visitor_start(&v, unlock, NULL, &m);
        CHECK_OK(visitor_passes(&v));
        CHECK(!pawl_mutex_is_locked(&m));
        CHECK_ERR(pawl_mutex_unlock(&m), -EPERM);
    }
}

TEST(mutex.an_ownerless_one_has_no_owner)
{
    for (int k = 2; k < KINDS; k++) {
        pawl_mutex m = make(kinds[k]);
        struct visitor v;

        CHECK_OK(pawl_mutex_lock(&m));
        CHECK(pawl_mutex_is_locked(&m));
        CHECK(!pawl_mutex_is_mine(&m));
        CHECK(!pawl_mutex_is_orphaned(&m));
        CHECK_EQ(pawl_mutex_owner(&m), 0);
        CHECK_ERR(pawl_mutex_consistent(&m), -EPERM);
        CHECK_ERR(pawl_mutex_try_lock(&m), -EAGAIN);
        CHECK_ERR(pawl_mutex_lock_until(&m, 0), -ETIMEDOUT);
        CHECK_OK(pawl_mutex_unlock(&m));
        /* L-08: its holder may end. */
        CHECK_OK(visitor_dies_inside(lock, &m));
        CHECK_ERR(pawl_mutex_try_lock(&m), -EAGAIN);
        visitor_start(&v, unlock, NULL, &m);
        CHECK_OK(visitor_passes(&v));
        CHECK_OK(pawl_mutex_lock(&m));
    }
}

/* L-01: Python's lock used as a signal. */
TEST(mutex.an_ownerless_one_serves_as_a_signal)
{
    for (int k = 2; k < KINDS; k++) {
        pawl_mutex m = make(kinds[k]);
        struct visitor v;

        CHECK_OK(pawl_mutex_lock(&m));
        visitor_start_asleep(&v, lock, NULL, &m);
        CHECK_OK(pawl_mutex_unlock(&m));
        CHECK_OK(visitor_passes(&v));
        CHECK(pawl_mutex_is_locked(&m));
    }
}

/* ---- questions (L-06) --------------------------------------------------- */

TEST(mutex.questions_are_answered_right_about_others)
{
    for (int k = 0; k < 2; k++) {
        pawl_mutex m = make(kinds[k]);
        struct visitor v;

        visitor_start(&v, lock, unlock, &m);
        CHECK_OK(visitor_enters(&v));
        CHECK(pawl_mutex_is_locked(&m));
        CHECK(!pawl_mutex_is_mine(&m));
        CHECK(!pawl_mutex_is_orphaned(&m));
        CHECK_EQ(pawl_mutex_owner(&m), test_tid(v.thread));
        CHECK_OK(visitor_leaves(&v));
        CHECK(!pawl_mutex_is_locked(&m));
        CHECK_EQ(pawl_mutex_owner(&m), 0);

        CHECK_OK(pawl_mutex_lock(&m));
        CHECK(pawl_mutex_is_mine(&m));
        CHECK_EQ(pawl_mutex_owner(&m), syscall(SYS_gettid));
        CHECK_OK(pawl_mutex_unlock(&m));
        CHECK(!pawl_mutex_is_mine(&m));
    }
}

/* ---- scope guards (L-07, R-16) ------------------------------------------ */

static int work_under_guard(pawl_mutex *m, bool leave_early)
{
    PAWL_MUTEX_GUARD(held, m);
    CHECK_OK(held.err);
    CHECK(pawl_mutex_is_mine(m));
    if (leave_early)
        return 1;
    return 2;
}

TEST(mutex.a_guard_releases_on_every_way_out)
{
    pawl_mutex m = PAWL_MUTEX_INIT;

    CHECK_EQ(work_under_guard(&m, true), 1);
    CHECK(!pawl_mutex_is_locked(&m));
    CHECK_EQ(work_under_guard(&m, false), 2);
    CHECK(!pawl_mutex_is_locked(&m));
    for (int i = 0; i < 3; i++) {
        PAWL_MUTEX_GUARD_UNTIL(held, &m, 0);
        CHECK_OK(held.err);
        if (i == 1)
            continue;
        CHECK(pawl_mutex_is_mine(&m));
    }
    CHECK(!pawl_mutex_is_locked(&m));
}

TEST(mutex.a_guard_that_did_not_get_it_releases_nothing)
{
    pawl_mutex m = PAWL_MUTEX_INIT;
    struct visitor v;

    CHECK_OK(pawl_mutex_lock(&m));
    {
        PAWL_MUTEX_GUARD(held, &m);
        CHECK_ERR(held.err, -EDEADLK);
    }
    CHECK(pawl_mutex_is_mine(&m));
    CHECK_OK(pawl_mutex_unlock(&m));

    visitor_start(&v, lock, unlock, &m);
    CHECK_OK(visitor_enters(&v));
    {
        PAWL_MUTEX_GUARD_UNTIL(held, &m, pawl_after_ms(1));
        CHECK_ERR(held.err, -ETIMEDOUT);
    }
    CHECK(pawl_mutex_is_locked(&m));
    CHECK_OK(visitor_leaves(&v));
}

TEST(mutex.a_guard_ended_by_hand_releases_once)
{
    pawl_mutex m = PAWL_MUTEX_INIT;

    {
        PAWL_MUTEX_GUARD(held, &m);
        CHECK_OK(held.err);
        pawl_mutex_guard_end(&held);
        CHECK(!pawl_mutex_is_locked(&m));
        CHECK_OK(visitor_dies_inside(try_lock, &m));
    }
    CHECK_ERR(pawl_mutex_try_lock(&m), -EOWNERDEAD);
}

/* R-16: -EOWNERDEAD means held. */
TEST(mutex.a_guard_copes_with_the_death_of_the_holder)
{
    pawl_mutex m = PAWL_MUTEX_INIT;

    CHECK_OK(visitor_dies_inside(lock, &m));
    {
        PAWL_MUTEX_GUARD(held, &m);
        CHECK_ERR(held.err, -EOWNERDEAD);
        CHECK(pawl_mutex_is_orphaned(&m));
        CHECK_OK(pawl_mutex_consistent(&m));
    }
    CHECK_OK(visitor_dies_inside(lock, &m));
    {
        PAWL_MUTEX_GUARD(held, &m);
        CHECK_ERR(held.err, -EOWNERDEAD);
    }
    {
        PAWL_MUTEX_GUARD(held, &m);
        CHECK_ERR(held.err, -ENOTRECOVERABLE);
    }
    CHECK_ERR(pawl_mutex_lock(&m), -ENOTRECOVERABLE);
}
