/* SPDX-License-Identifier: MIT
 *
 * once_windows_test.c - what happens between two instructions of a once:
 * threads are held where a wake-up could be lost (see seam.h).
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "seam.h"

#include "futex/once.c"

static const unsigned kinds[] = {PAWL_LOCAL, PAWL_SHARED};

enum { DIES = 1 };

static struct stop here;
static struct door inside;
static struct door go;
static int slow_result;
static atomic_int runs;

static pawl_once *make_once(unsigned flags)
{
    pawl_once *o = test_shared_alloc(sizeof *o);

    CHECK_OK(pawl_once_init(o, flags));
    stop_make(&here);
    door_make(&inside);
    door_make(&go);
    atomic_store(&runs, 0);
    return o;
}

static int slow(void *arg)
{
    (void)arg;
    door_open(&inside);
    door_pass(&go);
    if (slow_result == DIES)
        pthread_exit(NULL);
    return slow_result;
}

static void run_slow_one(void *o)
{
    CHECK_ERR(pawl_once_run(o, slow, NULL), slow_result);
}

static int count_run(void *arg)
{
    (void)arg;
    atomic_fetch_add(&runs, 1);
    return 0;
}

static int run_stop_before(void *o)
{
    stop_before_wait = &here;
    return pawl_once_run(o, count_run, NULL);
}

static int run_stop_before_announcement(void *o)
{
    stop_before_announcement = &here;
    return pawl_once_run(o, count_run, NULL);
}

static int run_stop_after(void *o)
{
    stop_after_wait = &here;
    return pawl_once_run(o, count_run, NULL);
}

static int run_soon_stop_after(void *o)
{
    int err;

    do {
        stop_after_wait = &here;
        err = pawl_once_run_until(o, count_run, NULL, pawl_after_us(500));
    } while (err == -ETIMEDOUT && stop_after_wait != NULL);
    return err;
}

/* Success, failure or death of the runner, just before or after another one's
 * sleep: it is seen. */
static void check_end(int result, visitor_fn waiter, unsigned flags)
{
    pawl_once *o = make_once(flags);
    struct test_thread *runner;
    struct visitor v;

    slow_result = result;
    runner = test_thread(run_slow_one, o);
    door_pass(&inside);
    visitor_start(&v, waiter, NULL, o);
    if (waiter != run_stop_after)
        stop_await(&here);
    else
        test_until_asleep(test_tid(v.thread));
    door_open(&go);
    if (waiter == run_stop_after)
        stop_await(&here);
    test_join(runner);
    stop_release(&here);
    CHECK_OK(visitor_passes(&v));
    CHECK(pawl_once_is_done(o));
    CHECK_EQ(atomic_load(&runs), result == 0 ? 0 : 1);
}

TEST(once_window.the_end_of_the_run_just_before_the_sleep_is_seen)
{
    for (int k = 0; k < 2; k++) {
        check_end(0, run_stop_before, kinds[k]);
        check_end(-EIO, run_stop_before, kinds[k]);
    }
    check_end(DIES, run_stop_before, PAWL_LOCAL);
    check_end(0, run_stop_before_announcement, PAWL_LOCAL);
    check_end(-EIO, run_stop_before_announcement, PAWL_LOCAL);
    check_end(DIES, run_stop_before_announcement, PAWL_LOCAL);
}

TEST(once_window.the_end_of_the_run_at_the_deadline_is_seen)
{
    for (int k = 0; k < 2; k++) {
        check_end(0, run_soon_stop_after, kinds[k]);
        check_end(-EIO, run_soon_stop_after, kinds[k]);
    }
    check_end(DIES, run_soon_stop_after, PAWL_LOCAL);
}

TEST(once_window.one_that_was_woken_late_sees_the_end)
{
    for (int k = 0; k < 2; k++) {
        check_end(0, run_stop_after, kinds[k]);
        check_end(-EIO, run_stop_after, kinds[k]);
    }
    check_end(DIES, run_stop_after, PAWL_LOCAL);
}

/* After a failure, a third one runs it before the one that was woken: that one
 * sleeps again and is woken again. */
TEST(once_window.one_that_was_overtaken_after_a_failure_waits_on)
{
    for (int k = 0; k < 2; k++) {
        pawl_once *o = make_once(kinds[k]);
        struct test_thread *runner;
        struct visitor v;

        slow_result = -EIO;
        runner = test_thread(run_slow_one, o);
        door_pass(&inside);
        visitor_start_asleep(&v, run_stop_after, NULL, o);
        door_open(&go);
        stop_await(&here);
        test_join(runner);
        slow_result = 0;
        runner = test_thread(run_slow_one, o);
        door_pass(&inside);
        stop_release(&here);
        test_until_asleep(test_tid(v.thread));
        door_open(&go);
        CHECK_OK(visitor_passes(&v));
        test_join(runner);
        CHECK_EQ(atomic_load(&runs), 0);
    }
}
