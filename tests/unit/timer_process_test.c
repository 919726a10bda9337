/* SPDX-License-Identifier: MIT
 *
 * timer_process_test.c - timers at the end of a program (T-29 to T-31), and in the
 * child of a fork (K-04).
 *
 * Each test is about a process of its own.  Under ThreadSanitizer a child of a
 * process with threads must not start any; what needs that is left out there.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl/error.h>
#include <pawl/event.h>
#include <pawl/timer.h>
#include <pawl/wait.h>

#include "test.h"

static _Atomic int *runs; /* shared with the test */

static void count(pawl_timer *t, void *left)
{
    atomic_fetch_add(runs, 1);
    if (left != NULL && --*(int *)left > 0)
        CHECK_OK(pawl_timer_restart(t, pawl_after_ms(5)));
}

/* Run fn in a process, which it ends; how often count was called there. */
static int runs_in(test_fn fn)
{
    runs = test_shared_alloc(sizeof *runs);
    atomic_store(runs, 0);
    test_wait_child(test_spawn_child(fn, NULL));
    return atomic_load(runs);
}

/* ---- the end of the program -------------------------------------------------- */

static pawl_timer timer;
static pawl_timer other;

static void ends_with_one_pending(void *arg)
{
    (void)arg;
    CHECK_OK(pawl_timer_init(&timer, count, NULL));
    CHECK_OK(pawl_timer_start(&timer, pawl_after_ms(30)));
    exit(0);
}

/* T-29, T-33: a pending timer keeps the program alive. */
TEST(timer_process.end_waits_for_a_pending_timer)
{
    CHECK_EQ(runs_in(ends_with_one_pending), 1);
}

static void start_one(void *t)
{
    CHECK_OK(pawl_timer_init(t, count, NULL));
    CHECK_OK(pawl_timer_start(t, pawl_after_ms(30)));
}

static void ends_with_those_of_many_threads(void *arg)
{
    static pawl_timer timers[4];

    (void)arg;
    for (int i = 0; i < 4; i++)
        test_join(test_thread(start_one, &timers[i]));
    exit(0);
}

/* T-29: whichever thread has made them. */
TEST(timer_process.end_waits_for_the_timers_of_all_threads)
{
    CHECK_EQ(runs_in(ends_with_those_of_many_threads), 4);
}

static void ends_with_a_chain(void *arg)
{
    static int left = 5;

    (void)arg;
    CHECK_OK(pawl_timer_init(&timer, count, &left));
    CHECK_OK(pawl_timer_start(&timer, 0));
    exit(0);
}

/* T-30: a timer may be armed while the end waits. */
TEST(timer_process.end_waits_for_what_is_armed_meanwhile)
{
    CHECK_EQ(runs_in(ends_with_a_chain), 5);
}

static void ends_with_a_daemon(void *arg)
{
    (void)arg;
    CHECK_OK(pawl_timer_init(&timer, count, NULL));
    CHECK_OK(pawl_timer_set_daemon(&timer, true));
    CHECK_OK(pawl_timer_start_every(&timer, pawl_after_s(1000), 1));
    exit(0);
}

/* T-29: a daemon does not. */
TEST(timer_process.end_does_not_wait_for_a_daemon)
{
    CHECK_EQ(runs_in(ends_with_a_daemon), 0);
}

static void cancel_other(pawl_timer *t, void *context)
{
    (void)t;
    (void)context;
    CHECK_OK(pawl_timer_cancel(&other));
}

static void ends_with_one_to_be_cancelled(void *arg)
{
    (void)arg;
    CHECK_OK(pawl_timer_init(&timer, cancel_other, NULL));
    CHECK_OK(pawl_timer_init(&other, count, NULL));
    CHECK_OK(pawl_timer_set_daemon(&timer, true));
    CHECK_OK(pawl_timer_start(&other, pawl_after_s(1000)));
    CHECK_OK(pawl_timer_start(&timer, pawl_after_ms(20)));
    exit(0);
}

/* T-29: a cancelled timer is not waited for any longer. */
TEST(timer_process.end_notices_a_cancellation)
{
    CHECK_EQ(runs_in(ends_with_one_to_be_cancelled), 0);
}

static void end_here(pawl_timer *t, void *context)
{
    (void)t;
    (void)context;
    exit(0);
}

static void is_ended_by_a_function(void *arg)
{
    (void)arg;
    CHECK_OK(pawl_timer_init(&timer, end_here, NULL));
    CHECK_OK(pawl_timer_init(&other, count, NULL));
    CHECK_OK(pawl_timer_start(&other, pawl_after_s(1000)));
    CHECK_OK(pawl_timer_start(&timer, 0));
    for (;;)
        pause();
}

/* T-29: exit in the function of a timer waits for no timer, for none can run. */
TEST(timer_process.function_ends_the_program)
{
    CHECK_EQ(runs_in(is_ended_by_a_function), 0);
}

static void start_too_late(void)
{
    /* This handler is older than pawl's, so it runs after that. */
    CHECK_ERR(pawl_timer_restart(&timer, 0), -ESHUTDOWN);
    atomic_fetch_add(runs, 100);
}

static void starts_too_late(void *arg)
{
    (void)arg;
    CHECK_EQ(atexit(start_too_late), 0);
    CHECK_OK(pawl_timer_init(&timer, count, NULL));
    CHECK_OK(pawl_timer_start(&timer, 0));
    exit(0);
}

/* T-30: in the final phase no timer is armed. */
TEST(timer_process.start_is_refused_at_the_very_end)
{
    CHECK_EQ(runs_in(starts_too_late), 101);
}

/* ---- forks ------------------------------------------------------------------- */

static pawl_timer pending;
static pawl_timer fired;
static pawl_timer cancelled;
static pawl_timer fresh;

/* K-04: what was pending is of no use here; the rest is as it was. */
static void in_child(void *arg)
{
    pawl_wait_item item = PAWL_WAIT_TIMER(&pending);

    (void)arg;
    CHECK_ERR(pawl_timer_start(&pending, 0), -ECHILD);
    CHECK_ERR(pawl_timer_restart(&pending, 0), -ECHILD);
    CHECK_ERR(pawl_timer_restart_every(&pending, 0, 1), -ECHILD);
    CHECK_ERR(pawl_timer_cancel(&pending), -ECHILD);
    CHECK_ERR(pawl_timer_cancel_wait(&pending), -ECHILD);
    CHECK_ERR(pawl_timer_join(&pending), -ECHILD);
    CHECK_ERR(pawl_timer_try_join(&pending), -ECHILD);
    CHECK_ERR(pawl_timer_destroy(&pending), -ECHILD);
    CHECK_ERR(pawl_wait_any(&item, 1, NULL), -ECHILD);
    CHECK(!pawl_timer_is_pending(&pending));
    CHECK_OK(pawl_timer_join(&fired));
    CHECK_ERR(pawl_timer_cancel(&fired), -EALREADY);
    CHECK_ERR(pawl_timer_join(&cancelled), -ECANCELED);
    CHECK_OK(pawl_timer_cancel(&cancelled));
    CHECK_ERR(pawl_timer_join(&fresh), -ESRCH);
    if (test_under_tsan())
        return;
    /* On a thread of its own. */
    CHECK_OK(pawl_timer_start(&fresh, pawl_after_ms(1)));
    CHECK_OK(pawl_timer_join(&fresh));
    CHECK_OK(pawl_timer_restart(&fired, 0));
    CHECK_OK(pawl_timer_join(&fired));
    CHECK_OK(pawl_timer_restart(&cancelled, pawl_after_s(1000)));
    CHECK_OK(pawl_timer_cancel_wait(&cancelled));
    CHECK_OK(pawl_timer_init(&pending, count, NULL)); /* whatever was there */
    CHECK_OK(pawl_timer_start(&pending, 0));
    CHECK_OK(pawl_timer_join(&pending));
    CHECK_EQ(atomic_load(runs), 1 + 3);
}

static void set_the_scene(void)
{
    runs = test_shared_alloc(sizeof *runs);
    CHECK_OK(pawl_timer_init(&pending, count, NULL));
    CHECK_OK(pawl_timer_init(&fired, count, NULL));
    CHECK_OK(pawl_timer_init(&cancelled, count, NULL));
    CHECK_OK(pawl_timer_init(&fresh, count, NULL));
    CHECK_OK(pawl_timer_start(&pending, pawl_after_s(1000)));
    CHECK_OK(pawl_timer_start(&fired, 0));
    CHECK_OK(pawl_timer_join(&fired));
    CHECK_OK(pawl_timer_start(&cancelled, pawl_after_s(1000)));
    CHECK_OK(pawl_timer_cancel(&cancelled));
}

/* K-04: nothing fires in the child, which may arm timers of its own. */
TEST(timer_process.child_has_timers_of_its_own)
{
    set_the_scene();
    test_wait_child(test_spawn_child(in_child, NULL));
    CHECK_OK(pawl_timer_restart(&pending, 0)); /* and the parent's go on */
    CHECK_OK(pawl_timer_join(&pending));
}

struct fork_in_function {
    pawl_event done;
    pid_t child;
};

static void fork_here(pawl_timer *t, void *context)
{
    struct fork_in_function *f = context;

    f->child = fork();
    CHECK(f->child >= 0);
    if (f->child == 0) {
        CHECK_ERR(pawl_timer_cancel(t), -ECHILD);
        CHECK_ERR(pawl_timer_cancel(&pending), -ECHILD);
        return; /* to the timers' thread, which the child does not have */
    }
    pawl_event_set(&f->done);
}

/* K-04: a fork in a function: the child ends when it returns. */
TEST(timer_process.function_forks)
{
    struct fork_in_function f = {.done = PAWL_EVENT_INIT};
    pawl_timer t;

    if (test_under_tsan())
        TEST_SKIP("its runtime does not survive the end of a forked thread");
    set_the_scene();
    CHECK_OK(pawl_timer_init(&t, fork_here, &f));
    CHECK_OK(pawl_timer_start(&t, 0));
    CHECK_OK(pawl_event_wait(&f.done));
    test_wait_child(f.child);
    CHECK_OK(pawl_timer_join(&t));
    CHECK_OK(pawl_timer_cancel(&pending));
}
