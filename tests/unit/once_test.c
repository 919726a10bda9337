/* SPDX-License-Identifier: MIT
 *
 * once_test.c - something is run once, or again after a failure.
 */
#include <stdatomic.h>
#include <string.h>

#include <pawl/error.h>
#include <pawl/once.h>

#include "visitor.h"

static const unsigned kinds[] = {PAWL_LOCAL, PAWL_SHARED};

static _Thread_local int result; /* of the next run in this thread */
static atomic_int runs;

static int counted(void *arg)
{
    (void)arg;
    atomic_fetch_add(&runs, 1);
    return result;
}

static int run(void *o)
{
    return pawl_once_run(o, counted, NULL);
}

static pawl_once make(unsigned flags)
{
    pawl_once o;

    CHECK_OK(pawl_once_init(&o, flags));
    return o;
}

/* ---- without company ---------------------------------------------------- */

TEST(once.all_zero_bytes_and_the_initialiser_are_valid)
{
    for (int k = 0; k < 2; k++) {
        pawl_once made = make(kinds[k]);
        pawl_once stat = PAWL_ONCE_INIT_FLAGS(kinds[k]);
        pawl_once zero;

        memset(&zero, 0, sizeof zero);
        CHECK_EQ(memcmp(&made, &stat, sizeof made), 0);
        if (k == 0)
            CHECK_EQ(memcmp(&made, &zero, sizeof made), 0);
    }
}

TEST(once.init_refuses_unknown_flags)
{
    pawl_once o = PAWL_ONCE_INIT;

    CHECK_OK(run(&o));
    for (int bit = 1; bit < 32; bit++)
        CHECK_ERR(pawl_once_init(&o, 1u << bit), -EINVAL);
    CHECK(pawl_once_is_done(&o));
}

TEST(once.runs_once)
{
    for (int k = 0; k < 2; k++) {
        pawl_once o = make(kinds[k]);

        atomic_store(&runs, 0);
        CHECK(!pawl_once_is_done(&o));
        for (int i = 0; i < 5; i++) {
            CHECK_OK(pawl_once_run(&o, counted, NULL));
            CHECK_OK(pawl_once_try_run(&o, counted, NULL));
            CHECK_OK(pawl_once_run_until(&o, counted, NULL, 0));
            CHECK(pawl_once_is_done(&o));
        }
        CHECK_EQ(atomic_load(&runs), 1);
        CHECK_OK(pawl_once_init(&o, kinds[k]));
        CHECK(!pawl_once_is_done(&o));
        CHECK_OK(pawl_once_run(&o, counted, NULL));
        CHECK_EQ(atomic_load(&runs), 2);
    }
}

/* A positive result is a success, and the caller gets 0. */
TEST(once.a_positive_result_is_success)
{
    pawl_once o = PAWL_ONCE_INIT;

    result = 42;
    CHECK_OK(run(&o));
    CHECK(pawl_once_is_done(&o));
}

/* what the function returned is told as it is, in every form, even if it
 * looks like a result of the wait. */
TEST(once.a_failure_is_told_and_run_again)
{
    static const int failures[] = {-1, -EINVAL, -ETIMEDOUT, -EAGAIN, -EDEADLK};

    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
            pawl_once o = make(kinds[k]);

            atomic_store(&runs, 0);
            result = failures[i];
            CHECK_ERR(pawl_once_run(&o, counted, NULL), failures[i]);
            CHECK(!pawl_once_is_done(&o));
            CHECK_ERR(pawl_once_run_until(&o, counted, NULL, 0), failures[i]);
            CHECK_ERR(pawl_once_run_until(&o, counted, NULL, pawl_after_s(100)),
                      failures[i]);
            CHECK_ERR(pawl_once_try_run(&o, counted, NULL), failures[i]);
            CHECK_EQ(atomic_load(&runs), 4);
            result = 0;
            CHECK_OK(pawl_once_run(&o, counted, NULL));
            CHECK_EQ(atomic_load(&runs), 5);
        }
    }
}

/* -EDEADLK from the function itself, in every form; it is still being run. */
static int run_itself(void *arg)
{
    pawl_once *o = arg;

    CHECK_ERR(pawl_once_run(o, run_itself, o), -EDEADLK);
    CHECK_ERR(pawl_once_run_until(o, run_itself, o, pawl_after_s(100)),
              -EDEADLK);
    CHECK_ERR(pawl_once_run_until(o, run_itself, o, 0), -EDEADLK);
    CHECK_ERR(pawl_once_try_run(o, run_itself, o), -EDEADLK);
    CHECK(!pawl_once_is_done(o));
    return 0;
}

TEST(once.run_by_its_own_function_is_a_deadlock)
{
    for (int k = 0; k < 2; k++) {
        pawl_once o = make(kinds[k]);

        CHECK_OK(pawl_once_run(&o, run_itself, &o));
        CHECK(pawl_once_is_done(&o));
    }
}

/* the function may use another one. */
static int run_other(void *arg)
{
    return pawl_once_run(arg, counted, NULL);
}

TEST(once.the_function_may_run_another_one)
{
    pawl_once outer = PAWL_ONCE_INIT;
    pawl_once inner = PAWL_ONCE_INIT;

    CHECK_OK(pawl_once_run(&outer, run_other, &inner));
    CHECK(pawl_once_is_done(&inner));
}

/* ---- with company ------------------------------------------------------- */

/* A function that stays inside until told how to end. */
static struct door inside;
static struct door go;
static int slow_result;

static int slow(void *arg)
{
    (void)arg;
    door_open(&inside);
    door_pass(&go);
    return slow_result;
}

static int run_slow(void *o)
{
    return pawl_once_run(o, slow, NULL);
}

static int run_hasty(void *o)
{
    return pawl_once_run_until(o, counted, NULL, pawl_after_ms(5));
}

static void occupy(struct visitor *runner, pawl_once *o)
{
    door_make(&inside);
    door_make(&go);
    visitor_start(runner, run_slow, NULL, o);
    door_pass(&inside);
}

TEST(once.while_another_runs_it_the_forms_wait_or_say_so)
{
    for (int k = 0; k < 2; k++) {
        pawl_once o = make(kinds[k]);
        struct visitor runner;
        pawl_deadline until;

        slow_result = 0;
        atomic_store(&runs, 0);
        occupy(&runner, &o);
        CHECK(!pawl_once_is_done(&o));
        CHECK_ERR(pawl_once_try_run(&o, counted, NULL), -EAGAIN);
        CHECK_ERR(pawl_once_run_until(&o, counted, NULL, 0), -ETIMEDOUT);
        until = pawl_after_ms(3);
        CHECK_ERR(pawl_once_run_until(&o, counted, NULL, until), -ETIMEDOUT);
        CHECK(pawl_now() >= until);
        door_open(&go);
        CHECK_OK(visitor_passes(&runner));
        CHECK_OK(pawl_once_try_run(&o, counted, NULL));
        CHECK_EQ(atomic_load(&runs), 0);
    }
}

enum { WAITERS = 4 };

/* Some, and one in a hurry, wait while one runs it, who returns `first`: what
 * the others return, `then`, and how often they have run it. */
static void check_waiters(pawl_once *o, int first, visitor_fn others, int then,
                          int want_runs)
{
    struct visitor runner;
    struct visitor v[WAITERS];
    struct visitor hasty;

    slow_result = first;
    atomic_store(&runs, 0);
    occupy(&runner, o);
    for (int i = 0; i < WAITERS; i++)
        visitor_start_asleep(&v[i], others, NULL, o);
    visitor_start(&hasty, run_hasty, NULL, o);
    CHECK_ERR(visitor_passes(&hasty), -ETIMEDOUT);
    door_open(&go);
    CHECK_ERR(visitor_passes(&runner), first);
    for (int i = 0; i < WAITERS; i++)
        CHECK_ERR(visitor_passes(&v[i]), then);
    CHECK_EQ(atomic_load(&runs), want_runs);
}

TEST(once.all_who_wait_are_released_by_success)
{
    for (int k = 0; k < 2; k++) {
        pawl_once o = make(kinds[k]);

        check_waiters(&o, 0, run, 0, 0);
    }
}

/* The failure goes to the one that ran it; one of those who wait runs again. */
TEST(once.after_a_failure_one_who_waits_runs_it)
{
    for (int k = 0; k < 2; k++) {
        pawl_once o = make(kinds[k]);

        check_waiters(&o, -ENOENT, run, 0, 1);
        CHECK(pawl_once_is_done(&o));
    }
}

/* Each of those who wait fails in turn: nobody waits for ever. */
static int fail(void *o)
{
    result = -EBUSY;
    return run(o);
}

TEST(once.failures_are_handed_on_to_the_last_who_waits)
{
    for (int k = 0; k < 2; k++) {
        pawl_once o = make(kinds[k]);

        check_waiters(&o, -ENOENT, fail, -EBUSY, WAITERS);
        CHECK(!pawl_once_is_done(&o));
        CHECK_OK(pawl_once_run(&o, counted, NULL));
    }
}
