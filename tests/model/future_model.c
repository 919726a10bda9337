/* SPDX-License-Identifier: MIT
 *
 * Scenarios of futures.
 */
#include <pawl/event.h>
#include <pawl/future.h>

#include "model.h"
#include "thread/future_core.h"

enum { FUTURES = 2, CALLBACKS = 2, FAILED = -5 };

static struct {
    pawl_future f[FUTURES];
    pawl_future_callback cb[CALLBACKS];
    pawl_future_entry entries[FUTURES + 1];
    pawl_as_completed completed;
    pawl_event event;
    int data[FUTURES]; /* written before the set */
    int called[CALLBACKS];
    int calls;
    int first; /* which was called first */
    int sets;
    int begun;
    int cancelled;
    int removed;
    int came[FUTURES + 1];
} s;

static void setup(void)
{
    memset(&s, 0, sizeof s);
    MODEL_NAME(s.f);
    MODEL_NAME(s.completed);
    MODEL_NAME(s.data);
    MODEL_NAME(s.called);
    for (int i = 0; i < FUTURES; i++)
        s.entries[i].future = &s.f[i];
}

static void setup_shared(void)
{
    setup();
    CHECK_OK(pawl_future_init(&s.f[0], PAWL_SHARED));
}

/* Of the pool: none of these futures is a task of one. */
int pawl_task_wait_begins(const pawl_future *f, bool *spins)
{
    (void)f;
    (void)spins;
    CHECK(!"a task");
    return 0;
}

bool pawl_task_may_help(void)
{
    return false;
}

struct pawl_worker *pawl_task_helper(const pawl_future *f)
{
    (void)f;
    CHECK(!"a task");
    return NULL;
}

int pawl_help(struct pawl_worker *helper, const struct pawl_watch *w,
              pawl_deadline until)
{
    (void)helper;
    (void)w;
    (void)until;
    CHECK(!"a task");
    return 0;
}

void pawl_help_ends(struct pawl_worker *helper)
{
    (void)helper;
}

void pawl_task_stop(pawl_future *f)
{
    (void)f;
    CHECK(!"a task");
}

/* ---- outcomes --------------------------------------------------------------- */

static void set(int i, int status)
{
    MODEL_SET(s.data[i], 1);
    CHECK_OK(pawl_future_set(&s.f[i], status, &s.data[i]));
}

static void set_0(void)
{
    set(0, 0);
}

static void set_1(void)
{
    set(1, 0);
}

static void fail_1(void)
{
    set(1, FAILED);
}

static void set_both(void)
{
    set_0();
    set_1();
}

static void work(void)
{
    int err = pawl_future_begin(&s.f[0]);

    CHECK(err == 0 || err == -ECANCELED);
    if (err != 0)
        return;
    s.begun++;
    CHECK(pawl_future_is_running(&s.f[0]));
    set_0();
}

/* One of several who would set it. */
static void set_if_first(void)
{
    static int status[MODEL_THREADS] = {10, 11, 12, 13, 14, 15};
    int err =
        pawl_future_set(&s.f[0], status[model_self()], &status[model_self()]);

    CHECK(err == 0 || err == -EALREADY);
    s.sets += err == 0;
}

static void cancel(void)
{
    int err = pawl_future_cancel(&s.f[0]);

    CHECK(err == 0 || err == -EBUSY || err == -EALREADY);
    if (err == 0) {
        s.cancelled++;
        CHECK(pawl_future_is_cancelled(&s.f[0]));
    }
}

static void only_cancel(void)
{
    CHECK_OK(pawl_future_cancel(&s.f[0]));
}

static void result(void)
{
    int status = 77;
    void *value = NULL;
    int err = pawl_future_result(&s.f[0], &status, &value);

    CHECK(err == 0 || err == -ECANCELED);
    if (err == 0) {
        CHECK(status == 0 && value == &s.data[0]);
        CHECK(MODEL_GET(s.data[0]) == 1);
    } else {
        CHECK(status == 77 && value == NULL);
    }
}

static void result_of_the_first(void)
{
    int status = 77;
    void *value = NULL;

    CHECK_OK(pawl_future_result(&s.f[0], &status, &value));
    CHECK(value != NULL && *(int *)value == status);
}

static void result_or_give_up(void)
{
    int err = pawl_future_result_until(&s.f[0], NULL, NULL, model_soon());

    CHECK(err == 0 || err == -ETIMEDOUT);
    CHECK(err != 0 || MODEL_GET(s.data[0]) == 1);
}

static void result_and_free(void)
{
    result();
    model_free(&s.f[0], sizeof s.f[0]);
}

static void await_either(void)
{
    pawl_wait_item items[] = {PAWL_WAIT_FUTURE(&s.f[0]),
                              PAWL_WAIT_EVENT(&s.event)};
    size_t which = 2;

    CHECK_OK(pawl_wait_any(items, 2, &which));
    CHECK(which == 0);
    CHECK(MODEL_GET(s.data[0]) == 1);
}

static void stop(void)
{
    int err = pawl_future_request_stop(&s.f[0]);

    CHECK(err == 0 || err == -EALREADY);
}

static void work_until_stopped(void)
{
    int err = pawl_future_begin(&s.f[0]);

    CHECK(err == 0 || err == -ECANCELED);
    if (err != 0)
        return;
    while (!pawl_future_stop_requested(&s.f[0]))
        model_yield();
    set_0();
}

static void fork_and_set(void)
{
    int err;

    model_fork();
    err = pawl_future_set(&s.f[0], 0, &s.data[0]);
    CHECK(err == 0 || err == -EALREADY);
    CHECK(pawl_future_is_done(&s.f[0]));
}

static void is_done(void)
{
    CHECK(pawl_future_is_done(&s.f[0]));
}

static void one_has_set(void)
{
    CHECK(s.sets == 1);
}

/* It was begun, or cancelled. */
static void one_or_the_other(void)
{
    CHECK(s.begun + s.cancelled == 1);
}

static void set_or_cancelled(void)
{
    CHECK(s.sets + s.cancelled == 1);
}

MODEL(future.result, .setup = setup, .threads = {result, work},
      .check = is_done)
MODEL(future.result_spinning, .setup = setup, .threads = {result, work},
      .check = is_done, .spin = 2)
MODEL(future.result_of_another_process, .setup = setup_shared,
      .threads = {result, work}, .check = is_done)
MODEL(future.result_for_two, .setup = setup, .threads = {result, result, work},
      .check = is_done)
MODEL(future.result_until, .setup = setup,
      .threads = {result_or_give_up, result, set_0}, .check = is_done)
MODEL(future.first_set_counts, .setup = setup,
      .threads = {set_if_first, set_if_first, result_of_the_first},
      .check = one_has_set)
MODEL(future.cancelled_or_begun, .setup = setup,
      .threads = {cancel, work, result}, .check = one_or_the_other)
MODEL(future.set_or_cancelled, .setup = setup,
      .threads = {cancel, set_if_first}, .check = set_or_cancelled)
MODEL(future.freed_by_who_has_the_result, .setup = setup,
      .threads = {result_and_free, set_0})
MODEL(future.freed_after_a_cancel, .setup = setup,
      .threads = {result_and_free, only_cancel})
MODEL(future.in_a_wait_set, .setup = setup,
      .threads = {await_either, result, set_0})
MODEL(future.in_a_wait_set_by_the_bell, .setup = setup,
      .threads = {await_either, set_0}, .waitv = MODEL_WAITV_MISSES)
MODEL(future.stop, .setup = setup,
      .threads = {stop, work_until_stopped, result}, .check = is_done,
      .bounds = {2, 1, 0})
MODEL(future.fork, .setup = setup, .threads = {fork_and_set, set_0},
      .check = NULL)

/* ---- callbacks ------------------------------------------------------------------ */

static void call(pawl_future *f, void *context)
{
    int i = (int)((int *)context - s.called);

    CHECK(f == &s.f[0]);
    CHECK(pawl_future_is_done(f));
    MODEL_SET(s.called[i], s.called[i] + 1);
    if (s.calls++ == 0)
        s.first = i;
    /* Nobody touches it any more. */
    model_free(&s.cb[i], sizeof s.cb[i]);
}

static void add(int i)
{
    CHECK_OK(pawl_future_add_callback(&s.f[0], &s.cb[i], call, &s.called[i]));
}

static void add_0(void)
{
    add(0);
}

static void add_1(void)
{
    add(1);
}

static void add_both(void)
{
    add(0);
    add(1);
}

static void with_one_callback(void)
{
    setup();
    add(0);
}

static void with_two_callbacks(void)
{
    setup();
    add_both();
}

static void remove_0(void)
{
    int err = pawl_future_remove_callback(&s.f[0], &s.cb[0]);

    CHECK(err == 0 || err == -EALREADY);
    s.removed += err == 0;
}

static void each_was_called(void)
{
    for (int i = 0; i < CALLBACKS; i++)
        CHECK(s.called[i] == 1);
}

static void called_in_order(void)
{
    each_was_called();
    CHECK(s.first == 0);
}

static void called_or_removed(void)
{
    CHECK(s.called[0] + s.removed == 1);
    CHECK(s.called[1] <= 1);
}

MODEL(future.callback_beside_set, .setup = setup, .threads = {add_both, set_0},
      .check = each_was_called)
MODEL(future.callbacks_in_order, .setup = with_two_callbacks,
      .threads = {set_0, result}, .check = called_in_order)
MODEL(future.two_add_callbacks, .setup = setup,
      .threads = {add_0, add_1, set_0}, .check = each_was_called)
MODEL(future.callback_beside_cancel, .setup = with_one_callback,
      .threads = {add_1, cancel}, .check = each_was_called)
MODEL(future.remove_beside_set, .setup = with_two_callbacks,
      .threads = {remove_0, set_0}, .check = called_or_removed)
MODEL(future.remove_beside_add, .setup = with_one_callback,
      .threads = {remove_0, add_1, set_0}, .check = called_or_removed)
MODEL(future.callback_beside_result, .setup = with_one_callback,
      .threads = {result, add_1, set_0}, .check = each_was_called)

/* ---- many at once ------------------------------------------------------------------ */

/* What was on the stack of calls that have returned is gone. */
__attribute__((noinline)) static void free_old_stack(void)
{
    char *here = __builtin_frame_address(0);

    model_free(here - 4096, 4096 - 256);
}

static int wait_for(enum pawl_future_when when, pawl_deadline until)
{
    int err = pawl_future_wait_until(s.entries, FUTURES, when, until);

    free_old_stack();
    for (int i = 0; i < FUTURES && (err == 0 || err == -ETIMEDOUT); i++) {
        if (s.entries[i].done)
            CHECK(MODEL_GET(s.data[i]) == 1);
        CHECK(!s.entries[i].done || pawl_future_is_done(&s.f[i]));
    }
    return err;
}

static void wait_for_all(void)
{
    CHECK_OK(wait_for(PAWL_FUTURE_ALL_COMPLETED, PAWL_FOREVER));
    CHECK(s.entries[0].done && s.entries[1].done);
}

static void wait_for_one(void)
{
    CHECK_OK(wait_for(PAWL_FUTURE_FIRST_COMPLETED, PAWL_FOREVER));
    CHECK(s.entries[0].done || s.entries[1].done);
}

static void wait_for_a_failure(void)
{
    CHECK_OK(wait_for(PAWL_FUTURE_FIRST_FAILED, PAWL_FOREVER));
    CHECK(s.entries[1].done);
}

static void wait_for_all_or_give_up(void)
{
    int err = wait_for(PAWL_FUTURE_ALL_COMPLETED, model_soon());

    CHECK(err == 0 || err == -ETIMEDOUT);
    CHECK(err != 0 || (s.entries[0].done && s.entries[1].done));
}

static void wait_for_one_and_cancel_it(void)
{
    wait_for_one();
    for (int i = 0; i < FUTURES; i++)
        if (!s.entries[i].done)
            (void)pawl_future_cancel(&s.f[i]);
}

static void set_unless_cancelled(int i)
{
    int err;

    MODEL_SET(s.data[i], 1);
    err = pawl_future_set(&s.f[i], 0, NULL);
    CHECK(err == 0 || err == -EALREADY);
}

static void set_0_unless_cancelled(void)
{
    set_unless_cancelled(0);
}

static void set_1_unless_cancelled(void)
{
    set_unless_cancelled(1);
}

static void has_come(size_t which)
{
    CHECK(which < FUTURES + 1 && s.entries[which].done);
    CHECK(s.came[which]++ == 0);
    CHECK(pawl_future_is_done(s.entries[which].future));
    CHECK(MODEL_GET(s.data[s.entries[which].future - s.f]) == 1);
}

static void as_completed(size_t n)
{
    size_t which = n;

    CHECK_OK(pawl_as_completed_begin(&s.completed, s.entries, n));
    for (int i = 0; i < FUTURES; i++) {
        CHECK_OK(pawl_as_completed_next(&s.completed, &which));
        has_come(which);
    }
    CHECK_ERR(pawl_as_completed_next(&s.completed, &which), -ESHUTDOWN);
    pawl_as_completed_end(&s.completed);
    model_free(&s.completed, sizeof s.completed);
    model_free(s.entries, sizeof s.entries);
}

static void take_both(void)
{
    as_completed(FUTURES);
}

static void take_both_of_three(void)
{
    s.entries[FUTURES].future = &s.f[0]; /* a second time */
    as_completed(FUTURES + 1);
}

/* Ends before all have come. */
static void take_some(void)
{
    size_t which = FUTURES;
    int err;

    CHECK_OK(pawl_as_completed_begin(&s.completed, s.entries, FUTURES));
    err = pawl_as_completed_next_until(&s.completed, &which, model_soon());
    CHECK(err == 0 || err == -ETIMEDOUT);
    if (err == 0)
        has_come(which);
    pawl_as_completed_end(&s.completed);
    model_free(&s.completed, sizeof s.completed);
    model_free(s.entries, sizeof s.entries);
}

MODEL(future_many.all, .setup = setup, .threads = {wait_for_all, set_0, set_1})
MODEL(future_many.all_of_one_thread, .setup = setup,
      .threads = {wait_for_all, set_both})
MODEL(future_many.all_spinning, .setup = setup,
      .threads = {wait_for_all, set_both}, .spin = 2)
MODEL(future_many.first, .setup = setup,
      .threads = {wait_for_one, set_0, set_1}, .bounds = {2, 1, 0})
MODEL(future_many.first_of_one_thread, .setup = setup,
      .threads = {wait_for_one, set_both})
MODEL(future_many.first_and_cancel, .setup = setup,
      .threads = {wait_for_one_and_cancel_it, set_0_unless_cancelled,
                  set_1_unless_cancelled},
      .bounds = {2, 1, 0})
MODEL(future_many.failure, .setup = setup,
      .threads = {wait_for_a_failure, set_0, fail_1})
MODEL(future_many.giving_up, .setup = setup,
      .threads = {wait_for_all_or_give_up, set_0, set_1})
MODEL(future_many.giving_up_of_one_thread, .setup = setup,
      .threads = {wait_for_all_or_give_up, set_both})
MODEL(future_many.two_wait, .setup = setup,
      .threads = {wait_for_all, result, set_both}, .bounds = {2, 1, 0})
MODEL(future_many.as_completed, .setup = setup,
      .threads = {take_both, set_0, set_1})
MODEL(future_many.as_completed_of_one_thread, .setup = setup,
      .threads = {take_both, set_both})
MODEL(future_many.as_completed_spinning, .setup = setup,
      .threads = {take_both, set_both}, .spin = 2)
MODEL(future_many.as_completed_with_equals, .setup = setup,
      .threads = {take_both_of_three, set_both})
MODEL(future_many.as_completed_ended_early, .setup = setup,
      .threads = {take_some, set_0, set_1}, .bounds = {2, 0, 1})
MODEL(future_many.as_completed_ended_early_of_one, .setup = setup,
      .threads = {take_some, set_both})

/* ---- asking a task to stop ----------------------------------------------------- */

static void ask_to_stop(void)
{
    MODEL_SET(s.data[1], 1);
    CHECK_OK(pawl_future_request_stop(&s.f[0]));
}

static void work_until_asked(void)
{
    int err = pawl_future_begin(&s.f[0]);

    CHECK(err == 0 || err == -ECANCELED);
    if (err != 0)
        return;
    while (!pawl_future_stop_requested(&s.f[0]))
        model_yield();
    CHECK(MODEL_GET(s.data[1]) == 1);
    set_0();
}

MODEL(future.asked_to_stop, .setup = setup,
      .threads = {work_until_asked, ask_to_stop})
MODEL(future.asked_to_stop_and_awaited, .setup = setup,
      .threads = {work_until_asked, ask_to_stop, result})
