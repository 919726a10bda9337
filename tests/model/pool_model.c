/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the thread pool.  T0 is the main thread; workers come after those
 * of the scenario, and are not parked when they end, unless a scenario says so.
 */
#include <pawl/event.h>
#include <pawl/pool.h>
#include <pawl/thread.h>

#include "futex/sys.h"
#include "futex/waitable.h"
#include "machine.h"
#include "thread/future_core.h"
#include "thread/pool_core.h"
#include "thread/roll.h"

enum { TASKS = 4, STATUS = 10, BROKEN = -5 };

static struct {
    pawl_pool *p;
    pawl_task t[TASKS];
    int data[TASKS]; /* written before the submit */
    int made[TASKS]; /* ... and by the task */
    int runs[TASKS];
    int submitted[TASKS];
    int cancelled[TASKS];
    int depth;
    pawl_u32 is_ready;
    pawl_u32 is_over;
    pawl_event e;
} s;

/* ---- parts ----------------------------------------------------------------- */

static int run(pawl_task *t, void *arg)
{
    int i = (int)(t - s.t);

    CHECK(arg == &s.data[i]);
    CHECK(MODEL_GET(s.data[i]) == 1);
    CHECK(++s.runs[i] == 1);
    MODEL_SET(s.made[i], 1);
    t->value = &s.made[i];
    return STATUS + i;
}

static void make(const pawl_pool_options *o, pawl_task_fn fn)
{
    memset(&s, 0, sizeof s);
    MODEL_NAME(s.t);
    MODEL_NAME(s.data);
    MODEL_NAME(s.made);
    CHECK(pawl_thread_main() == pawl_thread_current());
    pawl_thread_cache(0);
    CHECK_OK(pawl_pool_create(&s.p, o));
    model_name(s.p, sizeof *s.p, "pool");
    for (int i = 0; i < TASKS; i++)
        pawl_task_init(&s.t[i], fn, &s.data[i]);
}

static void setup_one(void)
{
    make(&(pawl_pool_options){.max_workers = 1}, run);
}

/* Its worker is about to begin. */
static void setup_started(void)
{
    make(&(pawl_pool_options){.max_workers = 1, .prestart = 1}, run);
}

static void setup_two(void)
{
    make(&(pawl_pool_options){.max_workers = 2}, run);
}

static void setup_two_started(void)
{
    make(&(pawl_pool_options){.max_workers = 2, .prestart = 2}, run);
}

static void setup_two_of_whom_one_is_started(void)
{
    make(&(pawl_pool_options){.max_workers = 2, .prestart = 1}, run);
}

static void submit(int i)
{
    MODEL_SET(s.data[i], 1);
    CHECK_OK(pawl_pool_submit(s.p, &s.t[i]));
    s.submitted[i] = 1;
}

static void check_result(int i)
{
    int status = -1;
    void *value = NULL;

    CHECK_OK(pawl_future_result(&s.t[i].future, &status, &value));
    CHECK(status == STATUS + i && value == &s.made[i]);
    CHECK(MODEL_GET(s.made[i]) == 1);
}

static void end_pool(void)
{
    CHECK_OK(pawl_pool_shutdown(s.p, false));
    CHECK_OK(pawl_pool_join(s.p));
}

/* All that was accepted was run, or cancelled; all room, and all memory, is given
 * back. */
static void check(void)
{
    for (int i = 0; i < TASKS; i++)
        CHECK(s.runs[i] + s.cancelled[i] == s.submitted[i]);
    if (s.p->options.capacity > 0) /* and its end lets everybody in */
        CHECK(pawl_sem_value(&s.p->room) ==
              (int)s.p->options.capacity + PAWL_SEM_MAX / 2);
    CHECK_OK(pawl_pool_free(s.p));
}

static void say_ready(void)
{
    pawl_add_release(&s.is_ready, 1);
}

static void await_ready(uint32_t n)
{
    while (pawl_load_acquire(&s.is_ready) < n)
        model_yield();
}

/* ---- submit and park ------------------------------------------------------------ */

static void one_task(void)
{
    submit(0);
    check_result(0);
    end_pool();
}

MODEL(pool.one_task, .setup = setup_one, .threads = {one_task}, .check = check,
      .bounds = {2, 0, 0})
MODEL(pool.one_task_and_who_waits, .setup = setup_started,
      .threads = {one_task}, .check = check, .bounds = {2, 0, 0})
MODEL(pool.one_task_and_who_spins, .setup = setup_started,
      .threads = {one_task}, .check = check, .spin = 1, .bounds = {2, 0, 0})

/* The worker goes to bed while the second one comes. */
static void one_after_the_other(void)
{
    submit(0);
    check_result(0);
    submit(1);
    check_result(1);
    end_pool();
}

MODEL(pool.one_after_the_other, .setup = setup_started,
      .threads = {one_after_the_other}, .check = check, .bounds = {1, 1, 0},
      .also = {2, 0, 0})

/* ... without an end that would call it. */
static void leave_one(void)
{
    submit(0);
    check_result(0);
}

static void leave_two(void)
{
    leave_one();
    submit(1);
    check_result(1);
}

/* All that is left sleeps, and nothing stands in line. */
static void check_asleep(void)
{
    for (int i = 0; i < TASKS; i++)
        CHECK(s.runs[i] == s.submitted[i]);
    CHECK(pawl_pool_is_quiet(s.p));
    CHECK((s.p->inbox.v_ & PAWL_POOL_SEARCHING) == 0);
}

MODEL(pool.sleeps, .setup = setup_started, .threads = {leave_two},
      .check = check_asleep, .services = true, .bounds = {2, 0, 0})

/* Whoever is in bed is used before another one is started, even if it gets up by
 * itself. */
static void leave_two_drained(void)
{
    leave_one();
    CHECK_OK(pawl_pool_drain(s.p));
    submit(1);
    check_result(1);
}

static void check_one_worker(void)
{
    CHECK(pawl_pool_workers(s.p) == 1);
    check_asleep();
}

MODEL(pool.idle_one_first, .setup = setup_two_of_whom_one_is_started,
      .threads = {leave_two_drained}, .check = check_one_worker,
      .services = true, .bounds = {1, 1, 0}, .also = {2, 0, 0})

static void submit_1(void)
{
    submit(1);
    check_result(1);
    say_ready();
}

static void submit_2(void)
{
    submit(2);
    check_result(2);
    say_ready();
}

static void submit_0_and_end(void)
{
    submit(0);
    check_result(0);
    await_ready(1);
    end_pool();
}

static void submit_0_and_end_after_two(void)
{
    submit(0);
    check_result(0);
    await_ready(2);
    end_pool();
}

MODEL(pool.two_submit, .setup = setup_one,
      .threads = {submit_0_and_end, submit_1}, .check = check,
      .bounds = {1, 0, 0})
MODEL(pool.two_submit_to_one_that_parks, .setup = setup_started,
      .threads = {submit_0_and_end, submit_1}, .check = check,
      .bounds = {1, 0, 0}, .long_bounds = {2, 0, 0})
MODEL(pool.two_submit_to_two, .setup = setup_two,
      .threads = {submit_0_and_end, submit_1}, .check = check,
      .bounds = {1, 0, 0}, .sampled = true)
MODEL(pool.two_submit_to_two_that_park, .setup = setup_two_started,
      .threads = {submit_0_and_end, submit_1}, .check = check, .no_stray = true,
      .bounds = {1, 0, 0}, .sampled = true)
MODEL(pool.three_submit_to_two, .setup = setup_two_started,
      .threads = {submit_0_and_end_after_two, submit_1, submit_2},
      .check = check, .no_stray = true, .bounds = {1, 0, 0}, .sampled = true)

/* Two at once, one wake in flight. */
static void submit_two(void)
{
    submit(0);
    submit(1);
    check_result(0);
    check_result(1);
    end_pool();
}

MODEL(pool.two_tasks_for_two, .setup = setup_two_started,
      .threads = {submit_two}, .check = check, .bounds = {1, 0, 0})

static void submit_chain(void)
{
    for (int i = 0; i < 3; i++) {
        MODEL_SET(s.data[i], 1);
        s.submitted[i] = 1;
    }
    CHECK(pawl_pool_submit_many(s.p, s.t, 3) == 3);
    for (int i = 0; i < 3; i++)
        check_result(i);
    end_pool();
}

MODEL(pool.chain, .setup = setup_started, .threads = {submit_chain},
      .check = check, .bounds = {1, 1, 0}, .also = {2, 0, 0})
MODEL(pool.chain_for_two, .setup = setup_two_started, .threads = {submit_chain},
      .check = check, .bounds = {1, 0, 0})

/* Nobody has to run at the same time as another: with one that blocks, the other
 * one has to come.  A task that needs another is run beside it. */
static int wait_for_event(pawl_task *t, void *arg)
{
    int i = (int)(t - s.t);

    if (i == 0)
        pawl_event_wait(&s.e);
    else
        pawl_event_set(&s.e);
    s.runs[i]++;
    model_looks();
    (void)arg;
    return STATUS + i;
}

static void setup_dependent(void)
{
    make(&(pawl_pool_options){.max_workers = 2}, wait_for_event);
}

static void setup_dependent_started(void)
{
    make(&(pawl_pool_options){.max_workers = 2, .prestart = 2}, wait_for_event);
}

static void submit_dependent(void)
{
    submit(0);
    submit(1);
    CHECK_OK(pawl_future_result(&s.t[0].future, NULL, NULL));
    end_pool();
}

MODEL(pool.one_needs_the_other, .setup = setup_dependent,
      .threads = {submit_dependent}, .check = check, .bounds = {1, 0, 0})
MODEL(pool.one_needs_the_other_that_sleeps, .setup = setup_dependent_started,
      .threads = {submit_dependent}, .check = check, .bounds = {1, 0, 0})

/* The second is submitted by whoever gets the result of the first, while the
 * worker keeps the token for him. */
static void submit_next(void)
{
    submit(0);
    check_result(0);
    submit(1);
    CHECK_OK(pawl_pool_drain(s.p));
    CHECK(MODEL_GET(s.made[1]) == 1);
    check_result(1);
    end_pool();
}

MODEL(pool.drained, .setup = setup_started, .threads = {submit_next},
      .check = check, .bounds = {1, 1, 0}, .also = {2, 0, 0})

static void drain(void)
{
    CHECK_OK(pawl_pool_drain(s.p));
    say_ready();
}

MODEL(pool.drained_by_another, .setup = setup_started,
      .threads = {submit_0_and_end, drain}, .check = check, .bounds = {2, 0, 0})

/* ---- the end -------------------------------------------------------------------------- */

static void shut_down_at_once(void)
{
    submit(0);
    end_pool();
    check_result(0);
}

MODEL(pool.ended_with_work, .setup = setup_one, .threads = {shut_down_at_once},
      .check = check, .bounds = {2, 0, 0})
MODEL(pool.ended_with_work_for_two, .setup = setup_two_started,
      .threads = {shut_down_at_once}, .check = check, .bounds = {1, 0, 0},
      .long_bounds = {2, 0, 0})

/* While the worker goes to bed. */
static void only_end(void)
{
    end_pool();
}

MODEL(pool.ended_idle, .setup = setup_started, .threads = {only_end},
      .check = check, .bounds = {2, 0, 0})
MODEL(pool.ended_idle_with_two, .setup = setup_two_started,
      .threads = {only_end}, .check = check, .bounds = {2, 0, 0})
MODEL(pool.ended_by_two, .setup = setup_started,
      .threads = {only_end, only_end}, .check = check, .bounds = {2, 0, 0})

/* What comes too late is refused, the rest is run. */
static void submit_or_be_refused(void)
{
    int err;

    MODEL_SET(s.data[1], 1);
    err = pawl_pool_submit(s.p, &s.t[1]);
    CHECK(err == 0 || err == -ESHUTDOWN);
    s.submitted[1] = err == 0;
    if (err == 0)
        check_result(1);
    say_ready();
}

static void end_and_await(void)
{
    end_pool();
    await_ready(1);
}

MODEL(pool.ended_while_one_submits, .setup = setup_started,
      .threads = {end_and_await, submit_or_be_refused}, .check = check,
      .bounds = {2, 0, 0})
MODEL(pool.ended_while_the_first_submits, .setup = setup_one,
      .threads = {end_and_await, submit_or_be_refused}, .check = check,
      .bounds = {1, 1, 0}, .also = {2, 0, 0})

/* What has not begun is cancelled. */
static void shut_down_and_cancel(void)
{
    int err;

    submit(0);
    CHECK_OK(pawl_pool_shutdown(s.p, true));
    err = pawl_future_result(&s.t[0].future, NULL, NULL);
    CHECK(err == 0 || err == -ECANCELED);
    s.cancelled[0] = err != 0;
    CHECK_OK(pawl_task_settle(&s.t[0]));
    model_free(&s.t[0], sizeof s.t[0]);
    CHECK_OK(pawl_pool_join(s.p));
}

MODEL(pool.ended_and_cancelled, .setup = setup_started,
      .threads = {shut_down_and_cancel}, .check = check, .bounds = {2, 0, 0})

/* ---- cancelling -------------------------------------------------------------------------- */

static void cancel_0(void)
{
    await_ready(1);
    s.cancelled[0] = pawl_future_cancel(&s.t[0].future) == 0;
    say_ready();
}

static void submit_and_settle(void)
{
    int err;

    submit(0);
    say_ready();
    err = pawl_future_result(&s.t[0].future, NULL, NULL);
    CHECK(err == 0 || err == -ECANCELED);
    CHECK_OK(pawl_task_settle(&s.t[0]));
    await_ready(2);
    model_free(&s.t[0], sizeof s.t[0]);
    end_pool();
}

MODEL(pool.task_cancelled, .setup = setup_started,
      .threads = {submit_and_settle, cancel_0}, .check = check,
      .bounds = {2, 0, 0})

/* ---- own tasks, stealing, helping ------------------------------------------------------- */

/* Task 0 submits 1 and 2, to its own deque. */
static int run_or_submit(pawl_task *t, void *arg)
{
    int i = (int)(t - s.t);

    if (i == 0) {
        submit(1);
        submit(2);
    }
    return run(t, arg);
}

static void setup_own(void)
{
    make(&(pawl_pool_options){.max_workers = 2}, run_or_submit);
}

static void setup_own_started(void)
{
    make(&(pawl_pool_options){.max_workers = 2, .prestart = 2}, run_or_submit);
}

static void submit_tree(void)
{
    submit(0);
    for (int i = 0; i < 3; i++)
        check_result(i);
    end_pool();
}

MODEL(pool.stolen, .setup = setup_own, .threads = {submit_tree}, .check = check,
      .bounds = {1, 0, 0})
MODEL(pool.stolen_by_one_that_sleeps, .setup = setup_own_started,
      .threads = {submit_tree}, .check = check, .bounds = {1, 0, 0})

static void submit_tree_and_end(void)
{
    submit(0);
    check_result(0);
    end_pool();
    check_result(1);
    check_result(2);
}

MODEL(pool.stolen_at_the_end, .setup = setup_own_started,
      .threads = {submit_tree_and_end}, .check = check, .bounds = {1, 0, 0},
      .sampled = true)

/* A worker whose task blocks for ever on its own: what it has submitted must be
 * stolen. */
static int block_on_own(pawl_task *t, void *arg)
{
    int i = (int)(t - s.t);

    if (i == 0) {
        submit(1);
        pawl_event_wait(&s.e);
    } else {
        pawl_event_set(&s.e);
    }
    return run(t, arg);
}

static void setup_block(void)
{
    make(&(pawl_pool_options){.max_workers = 2}, block_on_own);
}

static void setup_block_started(void)
{
    make(&(pawl_pool_options){.max_workers = 2, .prestart = 2}, block_on_own);
}

static void submit_blocking(void)
{
    submit(0);
    check_result(0);
    check_result(1);
    end_pool();
}

MODEL(pool.stolen_from_one_that_blocks, .setup = setup_block,
      .threads = {submit_blocking}, .check = check, .bounds = {1, 0, 0})
MODEL(pool.stolen_from_one_that_blocks_by_a_sleeper,
      .setup = setup_block_started, .threads = {submit_blocking},
      .check = check, .bounds = {1, 0, 0})

/* ... by two others, of whom the first one blocks as well. */
static int block_on_last(pawl_task *t, void *arg)
{
    int i = (int)(t - s.t);

    if (i == 0) {
        submit(1);
        submit(2);
    }
    if (i < 2)
        pawl_event_wait(&s.e);
    else
        pawl_event_set(&s.e);
    return run(t, arg);
}

static void setup_block_two(void)
{
    make(&(pawl_pool_options){.max_workers = 3}, block_on_last);
}

static void setup_block_two_started(void)
{
    make(&(pawl_pool_options){.max_workers = 3, .prestart = 3}, block_on_last);
}

static void submit_two_blocking(void)
{
    submit(0);
    for (int i = 0; i < 3; i++)
        check_result(i);
    end_pool();
}

MODEL(pool.stolen_from_one_that_blocks_by_two, .setup = setup_block_two,
      .threads = {submit_two_blocking}, .check = check, .bounds = {1, 0, 0},
      .sampled = true)
MODEL(pool.stolen_from_one_that_blocks_by_two_sleepers,
      .setup = setup_block_two_started, .threads = {submit_two_blocking},
      .check = check, .bounds = {1, 0, 0}, .sampled = true)

/* Task 0 waits for 1, and runs it meanwhile, unless somebody else does. */
static int wait_for_own(pawl_task *t, void *arg)
{
    int i = (int)(t - s.t);

    if (i == 0) {
        submit(1);
        check_result(1);
    }
    return run(t, arg);
}

static void setup_help(void)
{
    make(&(pawl_pool_options){.max_workers = 1, .helps = true}, wait_for_own);
}

static void setup_help_by_two(void)
{
    make(&(pawl_pool_options){.max_workers = 2, .helps = true}, wait_for_own);
}

static void setup_help_by_two_started(void)
{
    make(&(pawl_pool_options){.max_workers = 2, .prestart = 2, .helps = true},
         wait_for_own);
}

MODEL(pool.helps, .setup = setup_help, .threads = {submit_blocking},
      .check = check, .bounds = {1, 1, 0}, .also = {2, 0, 0})
MODEL(pool.helps_or_dozes, .setup = setup_help_by_two,
      .threads = {submit_blocking}, .check = check, .bounds = {1, 0, 0})
MODEL(pool.helps_or_dozes_beside_one_that_sleeps,
      .setup = setup_help_by_two_started, .threads = {submit_blocking},
      .check = check, .bounds = {1, 0, 0})

/* It waits for one that stands in line behind it, or that another has taken. */
static int wait_for_outside(pawl_task *t, void *arg)
{
    int i = (int)(t - s.t);

    if (i == 0)
        check_result(1);
    return run(t, arg);
}

static void setup_doze(void)
{
    make(&(pawl_pool_options){.max_workers = 1, .helps = true},
         wait_for_outside);
}

static void setup_doze_beside_another(void)
{
    make(&(pawl_pool_options){.max_workers = 2, .prestart = 2, .helps = true},
         wait_for_outside);
}

static void submit_after(void)
{
    for (int i = 0; i < 2; i++) {
        MODEL_SET(s.data[i], 1);
        s.submitted[i] = 1;
    }
    CHECK(pawl_pool_submit_many(s.p, s.t, 2) == 2);
    check_result(0);
    check_result(1);
    end_pool();
}

MODEL(pool.runs_what_it_waits_for, .setup = setup_doze,
      .threads = {submit_after}, .check = check, .bounds = {1, 1, 0},
      .also = {2, 0, 0})
MODEL(pool.dozes_until_another_has_run_it, .setup = setup_doze_beside_another,
      .threads = {submit_after}, .check = check, .bounds = {1, 0, 0})

static int wait_briefly(pawl_task *t, void *arg)
{
    int i = (int)(t - s.t);

    if (i == 0) {
        int err =
            pawl_future_result_until(&s.t[1].future, NULL, NULL, model_soon());

        CHECK(err == 0 || err == -ETIMEDOUT);
    }
    return run(t, arg);
}

static void setup_doze_briefly(void)
{
    make(&(pawl_pool_options){.max_workers = 1, .helps = true}, wait_briefly);
}

static void setup_doze_briefly_of_two(void)
{
    make(&(pawl_pool_options){.max_workers = 2, .helps = true}, wait_briefly);
}

MODEL(pool.dozes_until_a_deadline, .setup = setup_doze_briefly,
      .threads = {submit_after}, .check = check, .bounds = {1, 0, 1},
      .also = {2, 0, 0})
MODEL(pool.dozes_until_a_deadline_beside_another,
      .setup = setup_doze_briefly_of_two, .threads = {submit_after},
      .check = check, .bounds = {1, 0, 1}, .no_stray = true, .sampled = true)

/* ---- room, refusals, idle ones ----------------------------------------------------------- */

static void setup_narrow(void)
{
    make(&(pawl_pool_options){.max_workers = 1, .capacity = 1}, run);
}

MODEL(pool.room_for_one, .setup = setup_narrow, .threads = {submit_two},
      .check = check, .bounds = {1, 1, 0}, .also = {2, 0, 0})
MODEL(pool.room_of_what_is_cancelled, .setup = setup_narrow,
      .threads = {submit_and_settle, cancel_0}, .check = check,
      .bounds = {1, 1, 0}, .also = {2, 0, 0})
MODEL(pool.room_of_what_the_end_cancels, .setup = setup_narrow,
      .threads = {shut_down_and_cancel}, .check = check, .bounds = {1, 1, 0},
      .also = {2, 0, 0})

static void setup_by_caller(void)
{
    make(&(pawl_pool_options){.max_workers = 1,
                              .capacity = 1,
                              .caller_runs = true},
         run);
}

MODEL(pool.run_by_the_caller, .setup = setup_by_caller, .threads = {submit_two},
      .check = check, .bounds = {1, 1, 0}, .also = {2, 0, 0})

static void submit_while_it_ends(void)
{
    int err = 0;

    for (int i = 0; i < 2 && err == 0; i++) {
        MODEL_SET(s.data[i], 1);
        err = pawl_pool_submit(s.p, &s.t[i]);
        CHECK(err == 0 || err == -ESHUTDOWN);
        s.submitted[i] = err == 0;
    }
    say_ready();
}

MODEL(pool.ended_while_one_waits_for_room, .setup = setup_narrow,
      .threads = {end_and_await, submit_while_it_ends}, .check = check,
      .bounds = {1, 1, 0}, .also = {2, 0, 0})

/* Idle workers end, but for the last one. */
static void setup_idle(void)
{
    make(&(pawl_pool_options){.max_workers = 2,
                              .prestart = 2,
                              .idle_ns = 1000000},
         run);
}

MODEL(pool.idle_ones_end, .setup = setup_idle, .threads = {one_task},
      .check = check, .no_stray = true, .bounds = {1, 0, 0})
MODEL(pool.idle_ones_end_and_others_come, .setup = setup_idle,
      .threads = {one_after_the_other}, .check = check, .no_stray = true,
      .bounds = {1, 0, 0})

/* The initialiser fails: whatever is submitted is refused, or gets its status. */
static int fail(void *context)
{
    (void)context;
    return BROKEN;
}

static void setup_broken(void)
{
    make(&(pawl_pool_options){.max_workers = 1, .initialise = fail}, run);
}

static void submit_to_broken(void)
{
    int status = 0;
    int err;

    MODEL_SET(s.data[0], 1);
    err = pawl_pool_submit(s.p, &s.t[0]);
    CHECK(err == 0 || err == -ENOTRECOVERABLE);
    if (err == 0) {
        CHECK_OK(pawl_future_result(&s.t[0].future, &status, NULL));
        CHECK(status == BROKEN);
    }
    end_pool();
}

MODEL(pool.broken, .setup = setup_broken, .threads = {submit_to_broken},
      .check = check, .bounds = {2, 0, 0})

/* ---- tasks on the heap, loops, maps --------------------------------------------------------- */

static int count_run(pawl_task *t, void *arg)
{
    (void)t;
    MODEL_SET(*(int *)arg, 1);
    return STATUS;
}

static void call_and_forget(void)
{
    CHECK_OK(pawl_pool_call(s.p, count_run, &s.made[0], NULL));
    end_pool();
    CHECK(MODEL_GET(s.made[0]) == 1);
}

static void call_and_release(void)
{
    pawl_task *t;
    int status = 0;

    CHECK_OK(pawl_pool_call(s.p, count_run, &s.made[0], &t));
    CHECK_OK(pawl_future_result(&t->future, &status, NULL));
    CHECK(status == STATUS && MODEL_GET(s.made[0]) == 1);
    pawl_task_release(t);
    end_pool();
}

static void setup_heap(void)
{
    setup_one();
}

static void check_heap(void)
{
    check();
}

MODEL(pool.called_and_forgotten, .setup = setup_heap,
      .threads = {call_and_forget}, .check = check_heap, .bounds = {2, 0, 0})
MODEL(pool.called_and_released, .setup = setup_heap,
      .threads = {call_and_release}, .check = check_heap, .bounds = {2, 0, 0})

static int do_part(size_t begin, size_t end, void *context)
{
    (void)context;
    for (size_t i = begin; i < end; i++) {
        CHECK(MODEL_GET(s.data[i]) == 1);
        MODEL_SET(s.made[i], s.made[i] + 1);
    }
    return 0;
}

static void loop(void)
{
    for (int i = 0; i < 3; i++)
        MODEL_SET(s.data[i], 1);
    CHECK_OK(pawl_pool_for(s.p, 0, 3, 1, do_part, NULL, NULL));
    for (int i = 0; i < 3; i++)
        CHECK(MODEL_GET(s.made[i]) == 1);
    end_pool();
}

MODEL(pool.loop, .setup = setup_started, .threads = {loop}, .check = check,
      .bounds = {1, 1, 0}, .also = {2, 0, 0})
MODEL(pool.loop_of_two, .setup = setup_two, .threads = {loop}, .check = check,
      .bounds = {2, 0, 0})

/* Nobody begins after one has failed. */
static int fail_at_1(size_t begin, size_t end, void *context)
{
    (void)context;
    for (size_t i = begin; i < end; i++) {
        MODEL_SET(s.made[i], 1);
        if (i == 1)
            return STATUS;
    }
    return 0;
}

static void loop_that_fails(void)
{
    int status = 0;

    CHECK_OK(pawl_pool_for(s.p, 0, 3, 1, fail_at_1, NULL, &status));
    CHECK(status == STATUS && MODEL_GET(s.made[1]) == 1);
    end_pool();
}

MODEL(pool.loop_that_fails, .setup = setup_started,
      .threads = {loop_that_fails}, .check = check, .bounds = {1, 1, 0},
      .also = {2, 0, 0})

static int element(size_t index, void **value, void *context)
{
    (void)context;
    MODEL_SET(s.made[index], 1);
    *value = &s.made[index];
    return (int)index;
}

static void map(void)
{
    pawl_map *m;
    pawl_map_options o = {.buffer = 1};

    CHECK_OK(pawl_map_create(&m, s.p, 2, element, NULL, &o));
    for (int i = 0; i < 2; i++) {
        int status = -1;
        void *value = NULL;

        CHECK_OK(pawl_map_next(m, &status, &value));
        CHECK(status == i && value == &s.made[i]);
        CHECK(MODEL_GET(s.made[i]) == 1);
    }
    CHECK_ERR(pawl_map_next(m, NULL, NULL), -ESHUTDOWN);
    pawl_map_free(m);
    end_pool();
}

MODEL(pool.map, .setup = setup_started, .threads = {map}, .check = check,
      .bounds = {1, 1, 0}, .also = {2, 0, 0})

static void map_in_part(void)
{
    pawl_map *m;

    CHECK_OK(pawl_map_create(&m, s.p, 2, element, NULL, NULL));
    CHECK_OK(pawl_map_next(m, NULL, NULL));
    pawl_map_free(m);
    end_pool();
}

MODEL(pool.map_in_part, .setup = setup_started, .threads = {map_in_part},
      .check = check, .bounds = {1, 1, 0}, .also = {2, 0, 0})

/* ---- no thread to be had ------------------------------------------------------------------- */

static void setup_refused(void)
{
    setup_one();
    model_refuse_threads(0, 1);
}

static void create_in_vain(void)
{
    pawl_pool *p;

    CHECK_ERR(pawl_pool_create(
                  &p, &(pawl_pool_options){.max_workers = 1, .prestart = 1}),
              -EAGAIN);
    end_pool();
}

MODEL(pool.refused_its_first_worker, .setup = setup_refused,
      .threads = {create_in_vain}, .check = check)

/* ---- parked threads as workers ------------------------------------------------------------ */

static void setup_cached(void)
{
    setup_one();
    pawl_thread_cache(64);
}

static void end_and_begin_another(void)
{
    pawl_pool *first = s.p;

    submit(0);
    check_result(0);
    end_pool();
    CHECK_OK(pawl_pool_free(first));
    CHECK_OK(pawl_pool_create(&s.p, &(pawl_pool_options){.max_workers = 1}));
    submit(1);
    check_result(1);
    end_pool();
    pawl_thread_cache(0);
}

MODEL(pool.another_on_parked_threads, .setup = setup_cached,
      .threads = {end_and_begin_another}, .check = check, .bounds = {2, 0, 0})

/* ---- workers by hand ------------------------------------------------------------ */

/* Threads of the scenario that do a worker's work, from a state on that is made
 * before: no thread has to begin, fall asleep or end first. */
static struct pawl_worker hand[2];

static void add_hand(int i)
{
    struct pawl_worker *w = &hand[i];

    memset(w, 0, sizeof *w);
    w->pool = s.p;
    w->is_there = true;
    s.p->worker[i].v_ = (uintptr_t)w;
    s.p->places.v_ = (uint32_t)i + 1;
    s.p->state.v_ += PAWL_POOL_WORKER;
    s.p->has_worker.v_ = 1;
    model_name(w, sizeof *w, i == 0 ? "hand 0" : "hand 1");
}

static void make_with_hands(int max_workers, int n, pawl_task_fn fn)
{
    make(&(pawl_pool_options){.max_workers = max_workers}, fn);
    for (int i = 0; i < n; i++)
        add_hand(i);
}

static void setup_hand(void)
{
    make_with_hands(1, 1, run);
}

static void setup_two_hands(void)
{
    make_with_hands(2, 2, run);
}

/* Run a task, or sleep until there is one, or all is over. */
static void work_by_hand(int i)
{
    struct pawl_watch watch = {&s.is_over, 0, false};

    pawl_help(&hand[i], &watch, PAWL_FOREVER);
}

static bool is_over(void)
{
    return pawl_load_acquire(&s.is_over) != 0;
}

static void say_it_is_over(void)
{
    pawl_store_release(&s.is_over, 1);
    pawl_watchers_wake(&s.is_over, false);
}

static void hand_0_works(void)
{
    while (!is_over())
        work_by_hand(0);
}

static void hand_1_works(void)
{
    while (!is_over())
        work_by_hand(1);
}

/* Who goes to bed last tells it. */
static void drain_and_end(void)
{
    CHECK_OK(pawl_pool_drain(s.p));
    say_it_is_over();
}

MODEL(pool.drained_by_one_who_goes_to_bed, .setup = setup_hand,
      .threads = {drain_and_end, hand_0_works}, .bounds = {2, 1, 0})

/* ... or was told too early, as another one still had the token. */
static void setup_hand_that_searches(void)
{
    setup_two_hands();
    s.p->inbox.v_ = PAWL_POOL_SEARCHING;
    hand[0].searches = true;
}

MODEL(pool.drained_by_the_last_of_two, .setup = setup_hand_that_searches,
      .threads = {drain_and_end, hand_0_works, hand_1_works},
      .bounds = {1, 1, 0}, .also = {2, 0, 0})

/* The token that keeps a joiner waiting is given up. */
static void setup_closed_and_searched(void)
{
    setup_one();
    s.p->inbox.v_ = PAWL_POOL_SEARCHING | PAWL_POOL_CLOSED;
}

static void call_off(void)
{
    pawl_pool_call_off(s.p);
}

MODEL(pool.joined_when_called_off, .setup = setup_closed_and_searched,
      .threads = {end_pool, call_off}, .check = check)

static void leave_one_and_end(void)
{
    leave_one();
    say_it_is_over();
}

/* ... without the token. */
MODEL(pool.submitted_to_one_who_goes_to_bed, .setup = setup_hand,
      .threads = {leave_one_and_end, hand_0_works}, .bounds = {2, 1, 0})

/* Two stand in line.  The first one needs the second. */
static void setup_chain_in_line(void)
{
    make_with_hands(2, 2, wait_for_event);
    submit(0);
    submit(1);
}

static void run_both(int i, bool searches)
{
    while (!is_over()) {
        if (searches && !hand[i].searches)
            hand[i].searches = pawl_line_take_token(s.p);
        work_by_hand(i);
        model_looks();
        if (s.runs[0] + s.runs[1] == 2)
            say_it_is_over();
    }
}

static void hand_0_runs_both(void)
{
    run_both(0, false);
}

static void hand_1_searches_and_runs_both(void)
{
    run_both(1, true);
}

MODEL(pool.passed_on_to_one_who_goes_to_bed, .setup = setup_chain_in_line,
      .threads = {hand_0_runs_both, hand_1_searches_and_runs_both},
      .bounds = {1, 1, 0}, .also = {2, 0, 0})

/* ... and whoever has taken the first one believes that its own deque is not
 * empty: the 64th look is at what is shared. */
static int wait_for_second(pawl_task *t, void *arg)
{
    int i = (int)(t - s.t);

    if (i == 0)
        pawl_event_wait(&s.e);
    else if (i == 1)
        pawl_event_set(&s.e);
    s.runs[i]++;
    model_looks();
    (void)arg;
    return STATUS + i;
}

static void setup_chain_and_own(void)
{
    make_with_hands(2, 2, wait_for_second);
    submit(0);
    submit(1);
    CHECK_OK(pawl_wsdeque_create(&hand[0].deque, 2));
    CHECK(pawl_line_push_own(&hand[0], &s.t[2]));
    hand[0].turns = 63;
}

MODEL(pool.passed_on_beside_own_ones, .setup = setup_chain_and_own,
      .threads = {hand_0_runs_both, hand_1_searches_and_runs_both},
      .bounds = {1, 2, 0}, .also = {2, 0, 0})

/* What is not cancelled stays in line, and is run. */
static void setup_cancelled_in_line(void)
{
    setup_hand();
    submit(0);
    submit(1);
    s.cancelled[1] = pawl_future_cancel(&s.t[1].future) == 0;
}

static void settle_1_and_await_0(void)
{
    CHECK_OK(pawl_task_settle(&s.t[1]));
    model_free(&s.t[1], sizeof s.t[1]);
    check_result(0);
    say_it_is_over();
}

MODEL(pool.settled_before_one_who_goes_to_bed, .setup = setup_cancelled_in_line,
      .threads = {settle_1_and_await_0, hand_0_works}, .bounds = {2, 1, 0})

/* Without a wait for the result before. */
static void settle_0(void)
{
    CHECK_OK(pawl_task_settle(&s.t[0]));
    model_free(&s.t[0], sizeof s.t[0]);
}

static void submit_and_settle_0(void)
{
    submit(0);
    settle_0();
    say_it_is_over();
}

MODEL(pool.settled_while_it_runs, .setup = setup_hand,
      .threads = {submit_and_settle_0, hand_0_works}, .bounds = {2, 1, 0})

static void setup_in_line(void)
{
    setup_hand();
    submit(0);
}

static void reject_all(void)
{
    pawl_line_clear(s.p, BROKEN);
}

MODEL(pool.settled_while_it_is_rejected, .setup = setup_in_line,
      .threads = {settle_0, reject_all})

/* By two, while a worker has taken it. */
static void setup_cancelled_and_taken(void)
{
    setup_in_line();
    CHECK(pawl_line_take(&hand[0]) == &s.t[0]);
    CHECK_OK(pawl_future_cancel(&s.t[0].future));
}

static void settle_only(void)
{
    CHECK_OK(pawl_task_settle(&s.t[0]));
}

static void run_0(void)
{
    pawl_pool_run(&hand[0], &s.t[0], false);
}

MODEL(pool.settled_by_two, .setup = setup_cancelled_and_taken,
      .threads = {settle_only, settle_only, run_0}, .bounds = {2, 0, 0})

/* The token was taken to wake one that has got up, or to start one, and there is
 * nothing to do; what comes meanwhile wakes nobody. */
static void setup_hand_of_two(void)
{
    make_with_hands(2, 1, run);
}

static void look_after(void)
{
    pawl_pool_look_after(s.p, 0);
}

MODEL(pool.submitted_while_one_wakes_in_vain, .setup = setup_hand_of_two,
      .threads = {leave_one_and_end, look_after, hand_0_works},
      .services = true, .bounds = {1, 0, 0})

/* A worker is refused while one joins. */
static void setup_closed_and_refused(void)
{
    setup_closed_and_searched();
    model_refuse_threads(0, 1);
}

static void start_in_vain(void)
{
    CHECK_ERR(pawl_pool_start_worker(s.p, true), -EAGAIN);
    pawl_pool_call_off(s.p);
}

MODEL(pool.joined_when_one_is_refused, .setup = setup_closed_and_refused,
      .threads = {end_pool, start_in_vain}, .check = check, .bounds = {1, 1, 0},
      .also = {2, 0, 0})

/* Who cannot start another one has kept one that is there from getting up. */
static void setup_one_without_token_and_refused(void)
{
    setup_two_of_whom_one_is_started();
    s.p->inbox.v_ = 0;
    pawl_worker_at(s.p, 0)->searches = false;
    model_refuse_threads(0, 1);
}

MODEL(pool.submitted_when_one_is_refused,
      .setup = setup_one_without_token_and_refused, .threads = {leave_one},
      .services = true, .bounds = {2, 0, 0})

/* A worker that is about to be started, beside one that has fallen asleep. */
static void setup_hand_asleep_and_token_taken(void)
{
    make_with_hands(2, 1, run);
    s.p->state.v_ += PAWL_POOL_SLEEPER;
    s.p->inbox.v_ = PAWL_POOL_SEARCHING;
    submit(0);
}

static void drain_0(void)
{
    CHECK_OK(pawl_pool_drain(s.p));
    CHECK(MODEL_GET(s.made[0]) == 1);
}

static void start_worker(void)
{
    CHECK_OK(pawl_pool_start_worker(s.p, true));
}

MODEL(pool.drained_while_a_worker_comes,
      .setup = setup_hand_asleep_and_token_taken,
      .threads = {drain_0, start_worker}, .services = true, .bounds = {2, 0, 0})

/* While what stands in line is looked through the worker goes. */
static void setup_cancelled_in_line_at_the_end(void)
{
    setup_started();
    submit(0);
    submit(1);
    s.cancelled[1] = pawl_future_cancel(&s.t[1].future) == 0;
    CHECK_OK(pawl_pool_shutdown(s.p, false));
}

static void settle_and_join(void)
{
    CHECK_OK(pawl_task_settle(&s.t[1]));
    check_result(0);
    CHECK_OK(pawl_pool_join(s.p));
}

MODEL(pool.settled_at_the_end, .setup = setup_cancelled_in_line_at_the_end,
      .threads = {settle_and_join}, .check = check, .bounds = {2, 0, 0})

/* Who has joined it need not look for workers again. */
static void end_and_look(void)
{
    end_and_await();
    CHECK(pawl_pool_workers(s.p) == 0);
}

MODEL(pool.ended_before_the_first_submits, .setup = setup_one,
      .threads = {end_and_look, submit_or_be_refused}, .check = check,
      .bounds = {2, 0, 0})

/* ---- the list of all pools ------------------------------------------------------------------ */

static struct pawl_roll roll;
static struct pawl_roll_entry entry;
static bool is_settled; /* under the lock of the roll, or by who settles */

static bool is_busy(struct pawl_roll_entry *e)
{
    CHECK(e == &entry);
    return !is_settled;
}

static int settle_entry(struct pawl_roll_entry *e, pawl_deadline until)
{
    (void)until;
    model_point();
    model_write(e);
    is_settled = true;
    return 0;
}

static void setup_roll(void)
{
    roll = (struct pawl_roll){.is_busy = is_busy, .settle = settle_entry};
    is_settled = false;
    pawl_roll_add(&roll, &entry);
}

static void end_all(void)
{
    (void)pawl_roll_settle(&roll, PAWL_FOREVER);
}

/* The end of the program is done with it, or does not come to it. */
static void remove_and_free(void)
{
    pawl_roll_remove(&roll, &entry);
    model_free(&entry, sizeof entry);
}

MODEL(roll.left_at_the_end, .setup = setup_roll,
      .threads = {end_all, remove_and_free})
