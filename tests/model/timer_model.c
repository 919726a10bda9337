/* SPDX-License-Identifier: MIT
 *
 * Scenarios of timers.  T0 is the main thread; the timers' own thread comes after
 * those of the scenario, and sleeps on when they have ended.
 */
#include <pawl/event.h>
#include <pawl/thread.h>
#include <pawl/timer.h>
#include <pawl/wait.h>

#include "machine.h"
#include "thread/carrier.h"
#include "thread/exit.h"

enum { TIMERS = 2, PERIOD = 2000000 };

static struct {
    pawl_timer t[TIMERS];
    int data[TIMERS]; /* written before the start */
    int made[TIMERS]; /* ... and by the function */
    int calls[TIMERS];
    pawl_u32 is_begun;
    pawl_u32 is_ready;
    pawl_event e;
    pawl_thread thread;
} s;

/* ---- parts ----------------------------------------------------------------- */

static int number(const pawl_timer *t)
{
    return (int)(t - s.t);
}

static void call(pawl_timer *t, void *context)
{
    int i = number(t);

    CHECK(context == &s.data[i]);
    CHECK(MODEL_GET(s.data[i]) == 1);
    MODEL_SET(s.made[i], s.calls[i] + 1);
    s.calls[i]++;
}

static void setup_with(pawl_timer_fn fn)
{
    memset(&s, 0, sizeof s);
    MODEL_NAME(s.t);
    MODEL_NAME(s.data);
    MODEL_NAME(s.made);
    for (int i = 0; i < TIMERS; i++)
        CHECK_OK(pawl_timer_init(&s.t[i], fn, &s.data[i]));
}

static void setup(void)
{
    setup_with(call);
}

static void start(int i)
{
    MODEL_SET(s.data[i], 1);
    CHECK_OK(pawl_timer_start(&s.t[i], model_soon()));
}

static void say_begun(void)
{
    pawl_store_release(&s.is_begun, 1);
}

static void await_begun(void)
{
    while (pawl_load_acquire(&s.is_begun) == 0)
        model_yield();
}

static void join(int i)
{
    CHECK_OK(pawl_timer_join(&s.t[i]));
    CHECK(MODEL_GET(s.made[i]) == 1 && s.calls[i] == 1);
    CHECK(!pawl_timer_is_pending(&s.t[i]));
}

static void join_0(void)
{
    await_begun();
    join(0);
}

/* ---- fire and join ------------------------------------------------------------ */

static void start_and_join(void)
{
    start(0);
    say_begun();
    join(0);
}

MODEL(timer.fires, .setup = setup, .threads = {start_and_join},
      .services = true, .bounds = {2, 1, 0})
MODEL(timer.joined_by_two, .setup = setup, .threads = {start_and_join, join_0},
      .services = true, .sampled = true, .also = {2, 0, 0})

/* The join is the end of its memory. */
static void start_and_free(void)
{
    start_and_join();
    CHECK_OK(pawl_timer_destroy(&s.t[0]));
    model_free(&s.t[0], sizeof s.t[0]);
}

MODEL(timer.freed_when_joined, .setup = setup, .threads = {start_and_free},
      .services = true, .bounds = {2, 1, 0})

static void start_and_wait(void)
{
    int err;

    start(0);
    err = pawl_timer_join_until(&s.t[0], model_soon());
    CHECK(err == 0 || err == -ETIMEDOUT);
    if (err == 0)
        CHECK(MODEL_GET(s.made[0]) == 1);
    join(0);
}

MODEL(timer.joined_by_a_deadline, .setup = setup, .threads = {start_and_wait},
      .services = true, .bounds = {2, 1, 0})

static void start_and_wait_in_a_set(void)
{
    pawl_wait_item items[2];
    size_t which = 77;

    start(0);
    items[0] = PAWL_WAIT_EVENT(&s.e);
    items[1] = pawl_timer_wait_item(&s.t[0]);
    CHECK_OK(pawl_wait_any(items, 2, &which));
    CHECK(which == 1);
    CHECK(MODEL_GET(s.made[0]) == 1);
    join(0);
}

MODEL(timer.in_a_wait_set, .setup = setup, .threads = {start_and_wait_in_a_set},
      .services = true, .bounds = {2, 1, 0})
MODEL(timer.in_a_wait_set_without_waitv, .setup = setup,
      .threads = {start_and_wait_in_a_set}, .services = true,
      .waitv = MODEL_WAITV_MISSES, .bounds = {2, 1, 0})

/* Two of two threads: one thread serves both. */
static void start_and_join_1(void)
{
    CHECK_OK(pawl_timer_init(&s.t[1], call, &s.data[1]));
    start(1);
    join(1);
}

MODEL(timer.of_two_threads, .setup = setup,
      .threads = {start_and_join, start_and_join_1}, .services = true,
      .bounds = {1, 1, 1}, .also = {2, 0, 0}, .sampled = true)

/* The later one first: the earlier one must not wait for it. */
static void start_late_and_soon(void)
{
    MODEL_SET(s.data[1], 1);
    CHECK_OK(pawl_timer_start(&s.t[1], PAWL_FOREVER));
    start(0);
    join(0);
    CHECK_OK(pawl_timer_cancel(&s.t[1]));
    CHECK(s.calls[1] == 0);
}

MODEL(timer.before_a_later_one, .setup = setup,
      .threads = {start_late_and_soon}, .services = true, .bounds = {2, 1, 0})

/* ---- cancelling ------------------------------------------------------------------ */

static void cancel(void)
{
    int err;

    await_begun();
    err = pawl_timer_cancel(&s.t[0]);
    CHECK(err == 0 || err == -EBUSY || err == -EALREADY);
    if (err == -EALREADY)
        CHECK(MODEL_GET(s.made[0]) == 1);
    if (err == 0)
        CHECK(s.calls[0] == 0);
}

static void start_and_see(void)
{
    int err;

    start(0);
    say_begun();
    err = pawl_timer_join(&s.t[0]);
    CHECK(err == 0 || err == -ECANCELED);
    CHECK(s.calls[0] == (err == 0));
}

static void start_and_cancel(void)
{
    start(0);
    say_begun();
    cancel();
    CHECK(pawl_timer_join(&s.t[0]) == (s.calls[0] == 1 ? 0 : -ECANCELED));
}

MODEL(timer.cancelled, .setup = setup, .threads = {start_and_cancel},
      .services = true)
MODEL(timer.cancelled_by_another, .setup = setup,
      .threads = {start_and_see, cancel}, .services = true, .bounds = {2, 0, 0})

/* After it the memory may go, whatever the outcome. */
static void cancel_and_free(void)
{
    int err;

    start(0);
    err = pawl_timer_cancel_wait(&s.t[0]);
    CHECK(err == 0 || err == -EALREADY);
    CHECK(s.calls[0] == (err != 0));
    if (err != 0)
        CHECK(MODEL_GET(s.made[0]) == 1);
    model_free(&s.t[0], sizeof s.t[0]);
    model_free(&s.data[0], sizeof s.data[0]);
}

MODEL(timer.cancelled_and_freed, .setup = setup, .threads = {cancel_and_free},
      .services = true)

static void cancel_wait(void)
{
    int err;

    await_begun();
    err = pawl_timer_cancel_wait(&s.t[0]);
    CHECK(err == 0 || err == -EALREADY);
}

MODEL(timer.cancelled_by_two, .setup = setup,
      .threads = {start_and_see, cancel_wait, cancel_wait}, .services = true,
      .bounds = {1, 1, 1}, .sampled = true)

static void cancel_wait_briefly(void)
{
    int err;

    start(0);
    err = pawl_timer_cancel_wait_until(&s.t[0], model_soon());
    CHECK(err == 0 || err == -EALREADY || err == -ETIMEDOUT);
    if (err == -ETIMEDOUT)
        join(0);
}

MODEL(timer.cancelled_by_a_deadline, .setup = setup,
      .threads = {cancel_wait_briefly}, .services = true)

/* Before it was started it counts as started. */
static void start_cancelled(void)
{
    CHECK_OK(pawl_timer_cancel(&s.t[0]));
    CHECK_OK(pawl_timer_start(&s.t[0], model_soon()));
    CHECK_ERR(pawl_timer_join(&s.t[0]), -ECANCELED);
    CHECK_ERR(pawl_timer_start(&s.t[0], model_soon()), -EALREADY);
}

MODEL(timer.cancelled_before, .setup = setup, .threads = {start_cancelled},
      .services = true)

/* ---- starting again ------------------------------------------------------------------ */

static void call_again(pawl_timer *t, void *context)
{
    (void)context;
    CHECK(MODEL_GET(s.data[0]) != 0);
    MODEL_SET(s.made[0], ++s.calls[0]);
    (void)t;
}

static void setup_again(void)
{
    setup_with(call_again);
}

static void restart(void)
{
    start(0);
    CHECK_OK(pawl_timer_restart(&s.t[0], model_soon()));
    CHECK_OK(pawl_timer_join(&s.t[0]));
    CHECK(MODEL_GET(s.made[0]) == 1 || MODEL_GET(s.made[0]) == 2);
    CHECK(!pawl_timer_is_pending(&s.t[0]));
}

MODEL(timer.restarted, .setup = setup_again, .threads = {restart},
      .services = true, .bounds = {2, 1, 0})

/* Against its end, by another. */
static void restart_begun(void)
{
    await_begun();
    CHECK_OK(pawl_timer_restart(&s.t[0], model_soon()));
}

static void start_and_join_all(void)
{
    start(0);
    say_begun();
    CHECK_OK(pawl_timer_join(&s.t[0]));
}

static void check_called(void)
{
    CHECK(s.calls[0] == 1 || s.calls[0] == 2);
}

static void restart_and_join(void)
{
    restart_begun();
    CHECK_OK(pawl_timer_join(&s.t[0]));
}

MODEL(timer.restarted_by_another, .setup = setup_again,
      .threads = {start_and_join_all, restart_and_join}, .check = check_called,
      .services = true, .sampled = true, .also = {2, 0, 0})

/* By itself. */
static void call_and_restart(pawl_timer *t, void *context)
{
    (void)context;
    MODEL_SET(s.made[0], ++s.calls[0]);
    CHECK_ERR(pawl_timer_cancel_wait(t), -EDEADLK);
    CHECK_ERR(pawl_timer_join(t), -EDEADLK);
    if (s.calls[0] == 1)
        CHECK_OK(pawl_timer_restart(t, model_soon()));
}

static void setup_itself(void)
{
    setup_with(call_and_restart);
}

static void join_the_second(void)
{
    start(0);
    CHECK_OK(pawl_timer_join(&s.t[0]));
    CHECK(MODEL_GET(s.made[0]) == 2);
}

MODEL(timer.restarted_by_itself, .setup = setup_itself,
      .threads = {join_the_second}, .services = true, .bounds = {2, 1, 0})

/* It comes to rest in its own function, which frees it. */
static void call_and_free(pawl_timer *t, void *context)
{
    (void)context;
    s.calls[0]++;
    CHECK_OK(pawl_timer_destroy(t));
    model_free(t, sizeof *t);
    pawl_event_set(&s.e);
}

static void setup_free(void)
{
    setup_with(call_and_free);
}

static void start_and_await(void)
{
    start(0);
    pawl_event_wait(&s.e);
}

MODEL(timer.freed_by_itself, .setup = setup_free, .threads = {start_and_await},
      .services = true)

/* ---- periods -------------------------------------------------------------------------- */

static void start_every(void)
{
    MODEL_SET(s.data[0], 1);
    CHECK_OK(pawl_timer_start_every(&s.t[0], model_soon(), PERIOD));
    say_begun();
}

static void call_and_cancel(pawl_timer *t, void *context)
{
    call_again(t, context);
    if (s.calls[0] == 2)
        CHECK_ERR(pawl_timer_cancel(t), -EBUSY);
}

static void setup_twice(void)
{
    setup_with(call_and_cancel);
}

static void join_the_cancelled(void)
{
    start_every();
    CHECK_ERR(pawl_timer_join(&s.t[0]), -ECANCELED);
    CHECK(MODEL_GET(s.made[0]) == 2);
}

MODEL(timer.twice, .setup = setup_twice, .threads = {join_the_cancelled},
      .services = true, .bounds = {2, 1, 0})

static void cancel_every(void)
{
    int err;

    await_begun();
    err = pawl_timer_cancel_wait(&s.t[0]);
    CHECK(err == 0);
    CHECK(!pawl_timer_is_pending(&s.t[0]));
}

static void join_every(void)
{
    start_every();
    CHECK_ERR(pawl_timer_join(&s.t[0]), -ECANCELED);
}

MODEL(timer.every_cancelled_by_another, .setup = setup_again,
      .threads = {join_every, cancel_every}, .services = true,
      .bounds = {2, 0, 0})

/* ---- the end of the program, and of a process ------------------------------------- */

static void start_and_end(void)
{
    start(0);
    pawl_exit_run();
    CHECK(MODEL_GET(s.made[0]) == 1);
}

MODEL(exit.awaits_a_timer, .setup = setup, .threads = {start_and_end},
      .services = true, .ends = true, .bounds = {2, 0, 0})

/* Of two threads, which have their timers apart. */
static void start_1(void)
{
    CHECK_OK(pawl_timer_init(&s.t[1], call, &s.data[1]));
    start(1);
    say_begun();
}

static void start_and_end_two(void)
{
    await_begun();
    start_and_end();
    CHECK(MODEL_GET(s.made[1]) == 1);
}

MODEL(exit.awaits_timers_of_two, .setup = setup,
      .threads = {start_and_end_two, start_1}, .services = true, .ends = true,
      .bounds = {1, 1, 0})

/* Nobody waits for daemons. */
static void start_a_daemon_and_end(void)
{
    CHECK_OK(pawl_timer_set_daemon(&s.t[1], true));
    MODEL_SET(s.data[1], 1);
    CHECK_OK(pawl_timer_start(&s.t[1], PAWL_FOREVER));
    start_and_end();
}

MODEL(exit.awaits_no_daemon_timer, .setup = setup,
      .threads = {start_a_daemon_and_end}, .services = true, .ends = true,
      .bounds = {2, 0, 0})

/* A thread that a timer starts is awaited like others. */
static int run(void *arg)
{
    (void)arg;
    MODEL_SET(s.made[1], 1);
    return 0;
}

static void call_and_start(pawl_timer *t, void *context)
{
    call(t, context);
    CHECK_OK(pawl_thread_start(&s.thread));
}

static void setup_thread(void)
{
    static const pawl_thread_options options = {
        .size = sizeof options, .daemon = PAWL_THREAD_NO_DAEMON};

    setup_with(call_and_start);
    pawl_thread_cache(0);
    CHECK_OK(pawl_thread_init(&s.thread, run, NULL, &options));
}

static void start_and_end_with_a_thread(void)
{
    start_and_end();
    CHECK(MODEL_GET(s.made[1]) == 1);
}

MODEL(exit.awaits_what_a_timer_starts, .setup = setup_thread,
      .threads = {start_and_end_with_a_thread}, .services = true, .ends = true,
      .bounds = {2, 1, 0}, .also = {2, 0, 0}, .sampled = true)

/* The child of a fork has none of what its parent had started, and is told so, but
 * may destroy nothing: the wheel is its parent's. */
static void ask_in_the_child(void)
{
    MODEL_SET(s.data[0], 1);
    CHECK_OK(pawl_timer_start(&s.t[0], PAWL_FOREVER));
    model_fork();
    CHECK(!pawl_timer_is_pending(&s.t[0]));
    CHECK_ERR(pawl_timer_start(&s.t[0], model_soon()), -ECHILD);
    CHECK_ERR(pawl_timer_cancel(&s.t[0]), -ECHILD);
    CHECK_ERR(pawl_timer_join_until(&s.t[0], model_late()), -ECHILD);
    CHECK_ERR(pawl_timer_destroy(&s.t[0]), -ECHILD);
    start(1);
    join(1);
}

MODEL(timer.in_a_child, .setup = setup, .threads = {ask_in_the_child},
      .services = true, .births = true, .bounds = {2, 1, 0})
