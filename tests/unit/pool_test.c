/* SPDX-License-Identifier: MIT
 *
 * pool_test.c - the thread pool, row by row, K-04, W-15.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pawl/error.h>
#include <pawl/event.h>
#include <pawl/latch.h>
#include <pawl/pool.h>
#include <pawl/thread.h>

#include "puppet.h"
#include "test.h"

static pawl_pool *make(const pawl_pool_options *o)
{
    pawl_pool *p = NULL;

    CHECK_OK(pawl_pool_create(&p, o));
    return p;
}

static pawl_pool *make_of(int workers)
{
    return make(&(pawl_pool_options){.max_workers = workers});
}

static int answer(pawl_task *t, void *arg)
{
    t->value = arg;
    return 42;
}

static int count(pawl_task *t, void *arg)
{
    (void)t;
    atomic_fetch_add((_Atomic int *)arg, 1);
    return 0;
}

/* A task that begins, says so, and stays until it is told to end. */
struct plug {
    pawl_task task;
    pawl_event began;
    pawl_event go;
};

static int stay(pawl_task *t, void *arg)
{
    struct plug *p = arg;

    (void)t;
    pawl_event_set(&p->began);
    pawl_event_wait(&p->go);
    return 0;
}

static void plug_in(pawl_pool *pool, struct plug *p)
{
    memset(p, 0, sizeof *p);
    pawl_task_init(&p->task, stay, p);
    CHECK_OK(pawl_pool_submit(pool, &p->task));
    pawl_event_wait(&p->began);
}

static void pull(struct plug *p)
{
    pawl_event_set(&p->go);
    CHECK_OK(pawl_future_result(&p->task.future, NULL, NULL));
}

/* ---- submitting ---------------------------------------------------------------- */

/* the outcome is what the function says; a task runs once. */
TEST(pool.task_gives_status_and_value)
{
    pawl_pool *pool = make(NULL);
    pawl_task t = PAWL_TASK_INIT(answer, &t);
    int status = 0;
    void *value = NULL;

    CHECK_OK(pawl_pool_submit(pool, &t));
    CHECK_OK(pawl_future_result(&t.future, &status, &value));
    CHECK_EQ(status, 42);
    CHECK(value == &t);
    CHECK_ERR(pawl_pool_submit(pool, &t), -EALREADY);
    CHECK_ERR(pawl_future_set(&t.future, 1, NULL), -EPERM);
    pawl_task_init(&t, answer, NULL);
    CHECK_OK(pawl_pool_submit_until(pool, &t, 0));
    CHECK_OK(pawl_task_settle(&t));
    CHECK_OK(pawl_future_try_result(&t.future, &status, &value));
    CHECK(value == NULL);
    CHECK_OK(pawl_pool_end(pool));
    CHECK_OK(pawl_pool_end(NULL));
    CHECK_OK(pawl_pool_free(NULL));
}

static int submit_and_leave(pawl_task *tasks, int n)
{
    PAWL_POOL_GUARD(pool, make_of(2));
    PAWL_POOL_GUARD(none, NULL);

    for (int i = 0; i < n; i++) {
        pawl_task_init(&tasks[i], answer, NULL);
        CHECK_OK(pawl_pool_submit(pool, &tasks[i]));
    }
    return -EPERM;
}

/* it waits, also if the scope is left because of an error. */
TEST(pool.a_guard_waits_for_what_was_submitted)
{
    pawl_task t[20];

    CHECK_ERR(submit_and_leave(t, 20), -EPERM);
    for (int i = 0; i < 20; i++) {
        int status = 0;

        CHECK_OK(pawl_future_try_result(&t[i].future, &status, NULL));
        CHECK_EQ(status, 42);
    }
}

TEST(pool.what_is_no_task_is_refused)
{
    pawl_pool *pool = make_of(2);
    struct plug plug;
    pawl_task none = PAWL_TASK_INIT(NULL, NULL);
    pawl_task cancelled = PAWL_TASK_INIT(answer, NULL);

    CHECK_ERR(pawl_pool_submit(pool, &none), -EINVAL);
    CHECK_OK(pawl_task_settle(&none));
    CHECK_OK(pawl_future_cancel(&cancelled.future));
    CHECK_ERR(pawl_pool_submit(pool, &cancelled), -EALREADY);
    plug_in(pool, &plug);
    CHECK_ERR(pawl_pool_submit(pool, &plug.task), -EALREADY);
    pull(&plug);
    CHECK_ERR(pawl_pool_call(pool, NULL, NULL, NULL), -EINVAL);
    CHECK_OK(pawl_pool_end(pool));
}

enum { TASKS = 40 };

struct diary {
    pawl_task task[TASKS];
    int order[TASKS];
    int n;
};

static int write_down(pawl_task *t, void *arg)
{
    struct diary *d = arg;

    d->order[d->n++] = (int)(t - d->task); /* plain: one worker */
    return 0;
}

static int write_some(pawl_task *t, void *arg)
{
    struct diary *d = arg;

    (void)t;
    for (int i = 0; i < TASKS; i++)
        CHECK_OK(pawl_pool_submit(pawl_pool_current(), &d->task[i]));
    return 0;
}

/* with one worker the order of submission is that of beginning: one by
 * one, many at once, and from within. */
TEST(pool.one_worker_begins_in_order)
{
    for (int how = 0; how < 3; how++) {
        pawl_pool *pool = make_of(1);
        struct diary d = {.n = 0};
        pawl_task all = PAWL_TASK_INIT(write_some, &d);
        struct plug plug;

        plug_in(pool, &plug);
        for (int i = 0; i < TASKS; i++)
            pawl_task_init(&d.task[i], write_down, &d);
        if (how == 0)
            for (int i = 0; i < TASKS; i++)
                CHECK_OK(pawl_pool_submit(pool, &d.task[i]));
        else if (how == 1)
            CHECK_EQ(pawl_pool_submit_many(pool, d.task, TASKS), TASKS);
        else
            CHECK_OK(pawl_pool_submit(pool, &all));
        CHECK_EQ(d.n, 0);
        pull(&plug);
        CHECK_OK(pawl_pool_drain(pool));
        CHECK_EQ(d.n, TASKS);
        for (int i = 0; i < TASKS; i++)
            CHECK_EQ(d.order[i], i);
        CHECK_EQ(pawl_pool_workers(pool), 1);
        CHECK_OK(pawl_pool_end(pool));
    }
}

struct order {
    pawl_pool *pool;
    pawl_task *task;
};

static int submit_until(void *order, pawl_deadline until)
{
    struct order *o = order;

    return pawl_pool_submit_until(o->pool, o->task, until);
}

/* back-pressure; what was cancelled stands in line until it has settled. */
TEST(pool.full_line_keeps_them_waiting)
{
    pawl_pool *pool =
        make(&(pawl_pool_options){.max_workers = 1, .capacity = 2});
    struct order order = {.pool = pool};
    _Atomic int ran = 0;
    pawl_task t[6];
    struct plug plug;
    struct puppet p;
    pawl_deadline until = pawl_after_ms(3);

    plug_in(pool, &plug);
    puppet_begin(&p);
    for (int i = 0; i < 6; i++)
        pawl_task_init(&t[i], count, &ran);
    CHECK_EQ(pawl_pool_submit_many_until(pool, t, 4, 0), 2);
    CHECK_ERR(pawl_pool_try_submit(pool, &t[2]), -EAGAIN);
    CHECK_EQ(pawl_pool_try_submit_many(pool, &t[2], 2), -EAGAIN);
    CHECK_ERR(pawl_pool_submit_until(pool, &t[2], 0), -ETIMEDOUT);
    CHECK_ERR(pawl_pool_submit_until(pool, &t[2], until), -ETIMEDOUT);
    CHECK(pawl_now() >= until);
    CHECK_OK(pawl_future_cancel(&t[0].future));
    CHECK_ERR(pawl_pool_try_submit(pool, &t[2]), -EAGAIN);
    CHECK_OK(pawl_task_settle(&t[0]));
    CHECK_OK(pawl_pool_try_submit(pool, &t[2]));
    order.task = &t[3];
    puppet_do(&p, submit_until, &order, PAWL_FOREVER);
    puppet_until_asleep(&p);
    pull(&plug);
    CHECK_OK(puppet_result(&p));
    CHECK_OK(pawl_pool_drain(pool));
    CHECK_EQ(atomic_load(&ran), 3);

    /* A shutdown releases who waits for room. */
    plug_in(pool, &plug);
    CHECK_OK(pawl_pool_submit(pool, &t[4]));
    CHECK_OK(pawl_pool_submit(pool, &t[5]));
    pawl_task_init(&t[0], count, &ran);
    order.task = &t[0];
    puppet_do(&p, submit_until, &order, PAWL_FOREVER);
    puppet_until_asleep(&p);
    CHECK_OK(pawl_pool_shutdown(pool, false));
    CHECK_ERR(puppet_result(&p), -ESHUTDOWN);
    pull(&plug);
    puppet_end(&p);
    CHECK_OK(pawl_pool_end(pool));
    CHECK_EQ(atomic_load(&ran), 5);
}

static int tell_thread(pawl_task *t, void *arg)
{
    (void)arg;
    t->value = pawl_thread_current();
    return 0;
}

/* if the line is full the caller runs it. */
TEST(pool.caller_runs)
{
    pawl_pool *pool = make(&(pawl_pool_options){
        .max_workers = 1, .capacity = 1, .caller_runs = true});
    struct plug plug;
    pawl_task waits = PAWL_TASK_INIT(tell_thread, NULL);
    pawl_task here = PAWL_TASK_INIT(tell_thread, NULL);
    void *value = NULL;

    plug_in(pool, &plug);
    CHECK_OK(pawl_pool_try_submit(pool, &waits));
    CHECK_OK(pawl_pool_try_submit(pool, &here));
    CHECK_OK(pawl_future_try_result(&here.future, NULL, &value));
    CHECK(value == pawl_thread_current());
    CHECK_ERR(pawl_future_try_result(&waits.future, NULL, NULL), -EAGAIN);
    pull(&plug);
    CHECK_OK(pawl_future_result(&waits.future, NULL, &value));
    CHECK(value != pawl_thread_current());
    CHECK_OK(pawl_pool_end(pool));
}

struct nested {
    pawl_task inner[3];
    _Atomic int ran;
};

static int submit_three(pawl_task *t, void *arg)
{
    struct nested *n = arg;

    (void)t;
    for (int i = 0; i < 3; i++)
        CHECK_OK(pawl_pool_submit(pawl_pool_current(), &n->inner[i]));
    return 0;
}

/* A worker does not wait for room in its own pool, which it would have to
 * make. */
TEST(pool.worker_does_not_wait_for_room)
{
    pawl_pool *pool =
        make(&(pawl_pool_options){.max_workers = 1, .capacity = 1});
    struct nested n = {.ran = 0};
    pawl_task outer = PAWL_TASK_INIT(submit_three, &n);

    for (int i = 0; i < 3; i++)
        pawl_task_init(&n.inner[i], count, &n.ran);
    CHECK_OK(pawl_pool_submit(pool, &outer));
    CHECK_OK(pawl_future_result(&outer.future, NULL, NULL));
    CHECK_OK(pawl_pool_end(pool));
    CHECK_EQ(atomic_load(&n.ran), 3);
}

/* on the heap: released before its end, after it, or not wanted. */
TEST(pool.calls_are_freed)
{
    pawl_pool *pool = make_of(2);
    _Atomic int ran = 0;
    pawl_task *t = NULL;
    struct plug plug[2];

    CHECK_OK(pawl_pool_call(pool, count, &ran, &t));
    CHECK_OK(pawl_future_result(&t->future, NULL, NULL));
    pawl_task_release(t);
    plug_in(pool, &plug[0]);
    plug_in(pool, &plug[1]);
    CHECK_OK(pawl_pool_call(pool, count, &ran, NULL));
    CHECK_OK(pawl_pool_call(pool, count, &ran, &t));
    pawl_task_release(t);
    CHECK_OK(pawl_pool_call(pool, count, &ran, &t)); /* cancelled in line */
    CHECK_OK(pawl_future_cancel(&t->future));
    pawl_task_release(t);
    pull(&plug[0]);
    pull(&plug[1]);
    CHECK_OK(pawl_pool_drain(pool));
    CHECK_EQ(atomic_load(&ran), 3);
    CHECK_OK(pawl_pool_end(pool));
}

/* ---- cancelling ------------------------------------------------------------------ */

/* F-05, X-03: what was cancelled never runs; once it has settled it is the
 * caller's again, though all workers are busy. */
TEST(pool.cancelled_task_can_be_taken_back)
{
    pawl_pool *pool = make_of(1);
    struct plug plug;
    _Atomic int ran = 0;
    pawl_task t[TASKS];

    plug_in(pool, &plug);
    CHECK_ERR(pawl_future_cancel(&plug.task.future), -EBUSY);
    for (int i = 0; i < TASKS; i++) {
        pawl_task_init(&t[i], count, &ran);
        CHECK_OK(pawl_pool_submit(pool, &t[i]));
    }
    for (int i = 0; i < TASKS; i += 2)
        CHECK_OK(pawl_future_cancel(&t[i].future));
    for (int i = 0; i < TASKS; i += 2) {
        CHECK_ERR(pawl_future_result(&t[i].future, NULL, NULL), -ECANCELED);
        CHECK_OK(pawl_task_settle(&t[i]));
        memset(&t[i], 0xa5, sizeof t[i]);
    }
    pull(&plug);
    CHECK_OK(pawl_pool_drain(pool));
    CHECK_EQ(atomic_load(&ran), TASKS / 2);
    CHECK_OK(pawl_pool_end(pool));
}

static int stop_when_asked(pawl_task *t, void *began)
{
    pawl_event_set(began);
    while (!pawl_future_stop_requested(&t->future))
        sched_yield();
    return -EINTR;
}

/* F-05, W-16: a task that runs can be asked to stop. */
TEST(pool.running_task_can_be_asked_to_stop)
{
    pawl_pool *pool = make_of(1);
    pawl_event began = PAWL_EVENT_INIT;
    pawl_task t = PAWL_TASK_INIT(stop_when_asked, &began);
    int status = 0;

    CHECK_OK(pawl_pool_submit(pool, &t));
    pawl_event_wait(&began);
    CHECK_OK(pawl_future_request_stop(&t.future));
    CHECK_OK(pawl_future_result(&t.future, &status, NULL));
    CHECK_EQ(status, -EINTR);
    CHECK_OK(pawl_pool_end(pool));
}

/* A task that submits another one, and stays until that is done. */
struct pair {
    pawl_task outer;
    pawl_task inner;
    pawl_event submitted;
    pawl_event go; /* to its end */
};

static int submit_and_wait(pawl_task *t, void *arg)
{
    struct pair *p = arg;
    int status = 0;
    int err;

    (void)t;
    CHECK_OK(pawl_pool_submit(pawl_pool_current(), &p->inner));
    pawl_event_set(&p->submitted);
    err = pawl_future_result(&p->inner.future, &status, NULL);
    pawl_event_wait(&p->go);
    return err == 0 ? status : -1;
}

/* all that are idle come for what a worker submits while it stays busy. */
struct party {
    pawl_task guests[3];
    pawl_latch all;
};

static int invite_and_wait(pawl_task *t, void *arg)
{
    struct party *p = arg;

    (void)t;
    for (int i = 0; i < 3; i++)
        CHECK_OK(pawl_pool_submit(pawl_pool_current(), &p->guests[i]));
    return pawl_latch_arrive_and_wait(&p->all, PAWL_FOREVER);
}

static int arrive(pawl_task *t, void *all)
{
    (void)t;
    return pawl_latch_arrive_and_wait(all, PAWL_FOREVER);
}

TEST(pool.idle_workers_come_for_all_that_a_busy_one_submits)
{
    for (int round = 0; round < test_iterations(50); round++) {
        pawl_pool *pool = make_of(4);
        struct party p = {.all = PAWL_LATCH_INIT(4)};
        pawl_task host = PAWL_TASK_INIT(invite_and_wait, &p);

        for (int i = 0; i < 3; i++)
            pawl_task_init(&p.guests[i], arrive, &p.all);
        CHECK_OK(pawl_pool_submit(pool, &host));
        CHECK_OK(pawl_future_result(&host.future, NULL, NULL));
        CHECK_OK(pawl_pool_end(pool));
    }
}

/* What a worker submits, another one takes from it. */
TEST(pool.others_take_what_a_worker_submits)
{
    pawl_pool *pool = make_of(2);

    for (int i = 0; i < 20; i++) {
        struct pair p = {.submitted = PAWL_EVENT_INIT};
        int status = 0;

        pawl_event_set(&p.go);

        pawl_task_init(&p.outer, submit_and_wait, &p);
        pawl_task_init(&p.inner, answer, NULL);
        CHECK_OK(pawl_pool_submit(pool, &p.outer));
        CHECK_OK(pawl_future_result(&p.outer.future, &status, NULL));
        CHECK_EQ(status, 42);
        CHECK_OK(pawl_pool_drain(pool));
    }
    CHECK_OK(pawl_pool_end(pool));
}

/* F-05: it can be cancelled and taken back there, too. */
TEST(pool.cancelled_task_of_a_worker_can_be_taken_back)
{
    pawl_pool *pool = make_of(2);
    struct pair p = {.submitted = PAWL_EVENT_INIT};
    struct plug plug;
    int status = 0;

    pawl_task_init(&p.outer, submit_and_wait, &p);
    pawl_task_init(&p.inner, answer, NULL);
    plug_in(pool, &plug);
    CHECK_OK(pawl_pool_submit(pool, &p.outer));
    pawl_event_wait(&p.submitted);
    CHECK_OK(pawl_future_cancel(&p.inner.future));
    CHECK_OK(pawl_task_settle(&p.inner));
    pawl_event_set(&p.go);
    CHECK_OK(pawl_future_result(&p.outer.future, &status, NULL));
    CHECK_EQ(status, -1);
    pull(&plug);
    CHECK_OK(pawl_pool_end(pool));
}

static void wait_in_callback(pawl_future *f, void *event)
{
    (void)f;
    pawl_event_wait(event);
}

static int set_event(pawl_task *t, void *event)
{
    (void)t;
    pawl_event_set(event);
    return 0;
}

/* F-07: a callback may take long; others look for tasks meanwhile. */
TEST(pool.callback_may_wait_for_another_task)
{
    pawl_pool *pool = make_of(2);
    pawl_event done = PAWL_EVENT_INIT;
    pawl_future_callback cb;
    struct plug plug;
    pawl_task t = PAWL_TASK_INIT(set_event, &done);

    plug_in(pool, &plug);
    CHECK_OK(pawl_future_add_callback(&plug.task.future, &cb, wait_in_callback,
                                      &done));
    pull(&plug);
    CHECK_OK(pawl_pool_submit(pool, &t));
    CHECK_OK(pawl_future_result(&t.future, NULL, NULL));
    CHECK_OK(pawl_pool_end(pool));
}

/* if no worker can be started at all, nothing is submitted. */
TEST(pool.without_a_thread_nothing_is_submitted)
{
    pawl_pool_options o = {.stack_size = SIZE_MAX / 4};
    pawl_pool *pool = make(&o);
    pawl_task t[2] = {PAWL_TASK_INIT(answer, NULL),
                      PAWL_TASK_INIT(answer, NULL)};

    for (int i = 0; i < 3; i++) {
        CHECK(pawl_pool_submit(pool, &t[0]) < 0);
        CHECK(pawl_pool_submit_many(pool, t, 2) < 0);
        CHECK(pawl_pool_call(pool, answer, NULL, NULL) < 0);
    }
    CHECK_EQ(pawl_pool_workers(pool), 0);
    CHECK_EQ(pawl_future_state(&t[0].future), PAWL_FUTURE_PENDING);
    CHECK_OK(pawl_pool_try_drain(pool));
    CHECK_OK(pawl_pool_end(pool));
    o.prestart = 1;
    CHECK(pawl_pool_create(&pool, &o) < 0);
}

/* ---- the end ----------------------------------------------------------------------- */

/* every call in every state. */
TEST(pool.every_call_in_every_state)
{
    pawl_pool *pool = make_of(2);
    struct plug plug;
    pawl_task t = PAWL_TASK_INIT(answer, NULL);

    CHECK_OK(pawl_pool_try_drain(pool));
    CHECK_ERR(pawl_pool_join(pool), -EBUSY);
    CHECK_ERR(pawl_pool_try_join(pool), -EBUSY);
    CHECK_ERR(pawl_pool_free(pool), -EBUSY);
    plug_in(pool, &plug);
    CHECK_ERR(pawl_pool_try_drain(pool), -EAGAIN);
    CHECK_ERR(pawl_pool_drain_until(pool, pawl_after_ms(1)), -ETIMEDOUT);
    CHECK_OK(pawl_pool_shutdown(pool, false));
    CHECK_OK(pawl_pool_shutdown(pool, true));
    CHECK_ERR(pawl_pool_submit(pool, &t), -ESHUTDOWN);
    CHECK_ERR(pawl_pool_call(pool, answer, NULL, NULL), -ESHUTDOWN);
    CHECK_EQ(pawl_pool_submit_many(pool, &t, 1), -ESHUTDOWN);
    CHECK_EQ(pawl_pool_submit_many(pool, &t, 0), 0);
    CHECK_ERR(pawl_pool_try_join(pool), -EAGAIN);
    CHECK_ERR(pawl_pool_try_drain(pool), -EAGAIN);
    CHECK_ERR(pawl_pool_join_until(pool, pawl_after_ms(1)), -ETIMEDOUT);
    CHECK_ERR(pawl_pool_free(pool), -EBUSY);
    pull(&plug);
    CHECK_OK(pawl_pool_join(pool));
    CHECK_OK(pawl_pool_join(pool));
    CHECK_OK(pawl_pool_drain(pool));
    CHECK_OK(pawl_pool_shutdown(pool, false));
    CHECK_ERR(pawl_pool_submit(pool, &t), -ESHUTDOWN);
    CHECK_EQ(pawl_pool_workers(pool), 0);
    CHECK(pawl_future_state(&t.future) == PAWL_FUTURE_PENDING);
    CHECK_OK(pawl_pool_free(pool));
}

static int result_until(void *f, pawl_deadline until)
{
    return pawl_future_result_until(f, NULL, NULL, until);
}

static int all_until(void *entries, pawl_deadline until)
{
    return pawl_future_wait_until(entries, TASKS, PAWL_FUTURE_ALL_COMPLETED,
                                  until);
}

static int item_until(void *f, pawl_deadline until)
{
    pawl_wait_item item = PAWL_WAIT_FUTURE(f);

    return pawl_wait_any_until(&item, 1, until, NULL);
}

static int next_until(void *c, pawl_deadline until)
{
    size_t which;

    return pawl_as_completed_next_until(c, &which, until);
}

/* X-03, W-15: without cancelling all run; with it, what has not begun is
 * cancelled, and every form of waiting learns of it. */
TEST(pool.shutdown_cancels_what_has_not_begun)
{
    for (int cancels = 0; cancels < 2; cancels++) {
        pawl_pool *pool = make_of(1);
        _Atomic int ran = 0;
        pawl_task t[TASKS];
        pawl_future_entry e[2][TASKS];
        pawl_as_completed c;
        struct plug plug;
        struct puppet p[4];

        plug_in(pool, &plug);
        for (int i = 0; i < TASKS; i++) {
            pawl_task_init(&t[i], count, &ran);
            CHECK_OK(pawl_pool_submit(pool, &t[i]));
            for (int k = 0; k < 2; k++)
                e[k][i] = (pawl_future_entry){.future = &t[i].future};
        }
        CHECK_OK(pawl_as_completed_begin(&c, e[1], TASKS));
        puppets_begin(p, 4);
        puppet_do(&p[0], result_until, &t[TASKS - 1].future, PAWL_FOREVER);
        puppet_do(&p[1], all_until, e[0], PAWL_FOREVER);
        puppet_do(&p[2], item_until, &t[0].future, PAWL_FOREVER);
        puppet_do(&p[3], next_until, &c, PAWL_FOREVER);
        for (int i = 0; i < 4; i++)
            puppet_until_asleep(&p[i]);
        CHECK_OK(pawl_pool_shutdown(pool, cancels));
        if (!cancels)
            pawl_event_set(&plug.go);
        CHECK_ERR(puppet_result(&p[0]), cancels ? -ECANCELED : 0);
        for (int i = 1; i < 4; i++)
            CHECK_OK(puppet_result(&p[i]));
        pawl_as_completed_end(&c);
        CHECK(pawl_future_is_done(&plug.task.future) == !cancels);
        pull(&plug);
        CHECK_OK(pawl_pool_join(pool));
        CHECK_EQ(atomic_load(&ran), cancels ? 0 : TASKS);
        for (int i = 0; i < TASKS; i++)
            CHECK_EQ(pawl_future_is_cancelled(&t[i].future), cancels);
        puppets_end(p, 4);
        CHECK_OK(pawl_pool_free(pool));
    }
}

static int end_it_from_within(pawl_task *t, void *arg)
{
    pawl_pool *pool = pawl_pool_current();
    pawl_task *late = arg;

    (void)t;
    CHECK_ERR(pawl_pool_drain(pool), -EDEADLK);
    CHECK_ERR(pawl_pool_try_drain(pool), -EDEADLK);
    CHECK_ERR(pawl_pool_end(pool), -EDEADLK);
    CHECK_ERR(pawl_pool_join(pool), -EBUSY);
    CHECK_OK(pawl_pool_shutdown(pool, true));
    CHECK_ERR(pawl_pool_join(pool), -EDEADLK);
    CHECK_ERR(pawl_pool_join_until(pool, pawl_after_s(1000)), -EDEADLK);
    CHECK_ERR(pawl_pool_submit(pool, late), -ESHUTDOWN);
    CHECK_ERR(pawl_pool_free(pool), -EBUSY);
    return 0;
}

/* a task may shut its pool down, but not wait for itself. */
TEST(pool.task_may_shut_it_down)
{
    pawl_pool *pool = make_of(2);
    pawl_task late = PAWL_TASK_INIT(answer, NULL);
    pawl_task t = PAWL_TASK_INIT(end_it_from_within, &late);

    CHECK(pawl_pool_current() == NULL);
    CHECK_OK(pawl_pool_submit(pool, &t));
    CHECK_OK(pawl_future_result(&t.future, NULL, NULL));
    CHECK_OK(pawl_pool_end(pool));
}

/* ---- workers ------------------------------------------------------------------------ */

TEST(pool.bad_options_are_refused)
{
    static const pawl_pool_options bad[] = {
        {.max_workers = -1},
        {.max_workers = PAWL_POOL_WORKERS_MAX + 1},
        {.prestart = -1},
        {.max_workers = 2, .prestart = 3},
        {.idle_ns = -1},
        {.size = 1},
        {.caller_runs = true},
        {.capacity = SIZE_MAX},
        {.at_exit = (enum pawl_pool_exit)3},
    };
    pawl_pool *pool = NULL;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_ERR(pawl_pool_create(&pool, &bad[i]), -EINVAL);
    CHECK(pool == NULL);
    pool = make(NULL);
    CHECK(pawl_pool_max_workers(pool) >= 5);
    CHECK(pawl_pool_max_workers(pool) <= 32);
    if (test_can_ask_for_cpus())
        CHECK(pawl_pool_max_workers(pool) <= test_cpu_count() + 4);
    CHECK_OK(pawl_pool_end(pool));
}

/* one more worker for each task while none is idle; one that sleeps is used
 * first.  (One that has just given its result away may not have got so far.) */
TEST(pool.workers_are_started_on_demand)
{
    enum { MOST = 5 };
    pawl_pool *pool = make_of(MOST);
    struct plug plug[MOST];
    pawl_task t;

    CHECK_EQ(pawl_pool_workers(pool), 0);
    for (int i = 0; i < 100; i++) {
        pawl_task_init(&t, answer, NULL);
        CHECK_OK(pawl_pool_submit(pool, &t));
        CHECK_OK(pawl_future_result(&t.future, NULL, NULL));
        CHECK_OK(pawl_pool_drain(pool));
        CHECK_EQ(pawl_pool_workers(pool), 1);
    }
    for (int i = 0; i < MOST; i++) {
        plug_in(pool, &plug[i]);
        CHECK_EQ(pawl_pool_workers(pool), i + 1);
    }
    pawl_task_init(&t, answer, NULL);
    CHECK_OK(pawl_pool_submit(pool, &t));
    CHECK_ERR(pawl_future_result_until(&t.future, NULL, NULL, pawl_after_ms(2)),
              -ETIMEDOUT);
    CHECK_EQ(pawl_pool_workers(pool), MOST);
    for (int i = 0; i < MOST; i++)
        pull(&plug[i]);
    CHECK_OK(pawl_future_result(&t.future, NULL, NULL));
    CHECK_OK(pawl_pool_end(pool));
}

/* All of them at once: tasks that wait for each other. */
static int meet(pawl_task *t, void *latch)
{
    (void)t;
    return pawl_latch_arrive_and_wait(latch, PAWL_FOREVER);
}

TEST(pool.as_many_tasks_run_at_once_as_there_may_be_workers)
{
    enum { MOST = 12 };

    for (int many = 0; many < 2; many++)
        for (int round = 0; round < test_iterations(20); round++) {
            pawl_pool *pool = make_of(MOST);
            pawl_latch latch = PAWL_LATCH_INIT(MOST);
            pawl_task t[MOST];

            for (int i = 0; i < MOST; i++) {
                pawl_task_init(&t[i], meet, &latch);
                if (!many)
                    CHECK_OK(pawl_pool_submit(pool, &t[i]));
            }
            if (many)
                CHECK_EQ(pawl_pool_submit_many(pool, t, MOST), MOST);
            CHECK_OK(pawl_pool_end(pool));
            for (int i = 0; i < MOST; i++)
                CHECK(pawl_future_is_done(&t[i].future));
        }
}

struct roll {
    _Atomic int begun;
    _Atomic int ended;
    _Atomic int failures;
    char name[32];
};

static int sign_in(void *context)
{
    struct roll *r = context;

    pthread_getname_np(pthread_self(), r->name, sizeof r->name);
    atomic_fetch_add(&r->begun, 1);
    return 0;
}

static void sign_out(void *context)
{
    atomic_fetch_add(&((struct roll *)context)->ended, 1);
}

/* started beforehand, named, and each with its initialiser before and
 * its finaliser after all tasks. */
TEST(pool.workers_are_initialised_and_finalised)
{
    struct roll r = {.begun = 0};
    char name[] = "mill";
    pawl_pool *pool = make(&(pawl_pool_options){.max_workers = 3,
                                                .prestart = 1,
                                                .name = name,
                                                .initialise = sign_in,
                                                .finalise = sign_out,
                                                .context = &r,
                                                .stack_size = 64 * 1024});
    struct plug plug[3];

    memset(name, 'x', sizeof name - 1); /* it was copied */
    CHECK_EQ(pawl_pool_workers(pool), 1);
    plug_in(pool, &plug[0]);
    CHECK_EQ(atomic_load(&r.begun), 1);
    CHECK_EQ(strcmp(r.name, "mill_0"), 0);
    plug_in(pool, &plug[1]);
    plug_in(pool, &plug[2]);
    CHECK_EQ(atomic_load(&r.begun), 3);
    CHECK_EQ(strcmp(r.name, "mill_2"), 0);
    CHECK_EQ(atomic_load(&r.ended), 0);
    for (int i = 0; i < 3; i++)
        pull(&plug[i]);
    CHECK_OK(pawl_pool_end(pool));
    CHECK_EQ(atomic_load(&r.begun), 3);
    CHECK_EQ(atomic_load(&r.ended), 3);
}

struct trap {
    pawl_event go;
    _Atomic int tries;
};

static int fall(void *context)
{
    struct trap *trap = context;

    pawl_event_wait(&trap->go);
    atomic_fetch_add(&trap->tries, 1);
    return -EIO;
}

/* X-07, W-19: if the initialiser fails the pool is broken, once and for all. */
TEST(pool.failed_initialiser_breaks_it)
{
    struct trap trap = {.tries = 0};
    pawl_pool *pool = make(&(pawl_pool_options){
        .max_workers = 3, .initialise = fall, .context = &trap});
    _Atomic int ran = 0;
    pawl_task t[TASKS];

    for (int i = 0; i < TASKS; i++) {
        pawl_task_init(&t[i], count, &ran);
        CHECK_OK(pawl_pool_submit(pool, &t[i]));
    }
    CHECK_OK(pawl_future_cancel(&t[3].future));
    pawl_event_set(&trap.go);
    for (int i = 0; i < TASKS; i++) {
        int status = 0;

        CHECK_ERR(pawl_future_result(&t[i].future, &status, NULL),
                  i == 3 ? -ECANCELED : 0);
        CHECK_ERR(status, i == 3 ? 0 : -EIO);
        CHECK_OK(pawl_task_settle(&t[i]));
    }
    pawl_task_init(&t[0], count, &ran);
    CHECK_ERR(pawl_pool_submit(pool, &t[0]), -ENOTRECOVERABLE);
    CHECK_OK(pawl_pool_drain(pool));
    CHECK_OK(pawl_pool_shutdown(pool, true));
    CHECK_ERR(pawl_pool_submit(pool, &t[0]), -ENOTRECOVERABLE);
    CHECK_OK(pawl_pool_join(pool));
    CHECK_EQ(atomic_load(&ran), 0);
    CHECK(atomic_load(&trap.tries) <= 3);
    CHECK_OK(pawl_pool_free(pool));
}

/* idle workers end, but for the last one, and come back. */
TEST(pool.idle_workers_end)
{
    enum { MOST = 4 };
    struct roll r = {.begun = 0};
    pawl_pool *pool = make(&(pawl_pool_options){.max_workers = MOST,
                                                .idle_ns = 2000000,
                                                .initialise = sign_in,
                                                .finalise = sign_out,
                                                .context = &r});
    struct plug plug[MOST];

    for (int round = 1; round <= 3; round++) {
        for (int i = 0; i < MOST; i++)
            plug_in(pool, &plug[i]);
        CHECK_EQ(pawl_pool_workers(pool), MOST);
        for (int i = 0; i < MOST; i++)
            pull(&plug[i]);
        while (pawl_pool_workers(pool) > 1 ||
               atomic_load(&r.ended) < round * (MOST - 1))
            sched_yield();
        CHECK_EQ(atomic_load(&r.begun), round * (MOST - 1) + 1);
    }
    CHECK_OK(pawl_pool_end(pool));
    CHECK_EQ(atomic_load(&r.ended), atomic_load(&r.begun));
}

struct slow_end {
    _Atomic int there;
    pawl_event go;
};

static void end_slowly(void *arg)
{
    struct slow_end *s = arg;

    atomic_fetch_add(&s->there, 1);
    pawl_event_wait(&s->go);
}

/* those that end, idle, may take their time: others are started in their
 * place. */
TEST(pool.workers_that_end_keep_no_place)
{
    enum { ENDING = 5 };
    struct slow_end end = {.go = PAWL_EVENT_INIT};
    pawl_pool *pool = make(&(pawl_pool_options){.max_workers = 2,
                                                .idle_ns = 1000000,
                                                .finalise = end_slowly,
                                                .context = &end});
    struct plug busy;
    struct plug plug;

    plug_in(pool, &busy);
    for (int round = 0; round < 3; round++) {
        for (int i = 1; i <= ENDING; i++) {
            plug_in(pool, &plug);
            CHECK_EQ(pawl_pool_workers(pool), 2);
            pull(&plug);
            while (atomic_load(&end.there) < i)
                sched_yield();
            CHECK_EQ(pawl_pool_workers(pool), 1);
        }
        pawl_event_set(&end.go); /* all at once */
        plug_in(pool, &plug);
        pull(&plug);
        while (atomic_load(&end.there) < ENDING + 1)
            sched_yield();
        pawl_event_clear(&end.go);
        atomic_store(&end.there, 0);
    }
    pawl_event_set(&end.go);
    pull(&busy);
    CHECK_OK(pawl_pool_end(pool));
}

static int count_cpus(pawl_task *t, void *arg)
{
    cpu_set_t set;

    (void)t;
    CPU_ZERO(&set);
    CHECK_EQ(sched_getaffinity(0, sizeof set, &set), 0);
    return meet(t, arg) != 0 ? -1 : CPU_COUNT(&set);
}

/* each on a CPU of its own. */
TEST(pool.workers_can_be_pinned)
{
    pawl_pool *pool =
        make(&(pawl_pool_options){.max_workers = 2, .pins = true});
    pawl_latch latch = PAWL_LATCH_INIT(2);
    pawl_task t[2];

    if (!test_can_ask_for_cpus()) {
        CHECK_OK(pawl_pool_end(pool));
        TEST_SKIP("the CPUs of a thread cannot be asked for");
    }
    for (int i = 0; i < 2; i++) {
        pawl_task_init(&t[i], count_cpus, &latch);
        CHECK_OK(pawl_pool_submit(pool, &t[i]));
    }
    for (int i = 0; i < 2; i++) {
        int status = 0;

        CHECK_OK(pawl_future_result(&t[i].future, &status, NULL));
        CHECK_EQ(status, 1);
    }
    CHECK_OK(pawl_pool_end(pool));
}

/* ---- tasks that wait for tasks -------------------------------------------------------- */

static int wait_for_other(pawl_task *t, void *arg)
{
    pawl_task *other = arg;
    int status = 0;
    int err;

    CHECK_ERR(pawl_future_result(&t->future, NULL, NULL), -EDEADLK);
    CHECK_ERR(pawl_future_try_result(&t->future, NULL, NULL), -EAGAIN);
    CHECK_OK(pawl_pool_submit(pawl_pool_current(), other));
    err = pawl_future_result(&other->future, &status, NULL);
    return err != 0 ? err : status;
}

/* the only worker waits for a task that only it can run. */
TEST(pool.only_worker_cannot_wait_for_others)
{
    pawl_pool *pool = make_of(1);
    pawl_task inner = PAWL_TASK_INIT(answer, NULL);
    pawl_task outer = PAWL_TASK_INIT(wait_for_other, &inner);
    int status = 0;

    CHECK_OK(pawl_pool_submit(pool, &outer));
    CHECK_OK(pawl_future_result(&outer.future, &status, NULL));
    CHECK_ERR(status, -EDEADLK);
    CHECK_OK(pawl_pool_end(pool));
    CHECK_OK(pawl_future_result(&inner.future, &status, NULL));
    CHECK_EQ(status, 42);
}

static int fibonacci(pawl_task *t, void *arg)
{
    uintptr_t n = (uintptr_t)arg;
    pawl_task part[2];
    uintptr_t sum = 0;

    if (n < 2) {
        t->value = arg;
        return 0;
    }
    for (uintptr_t i = 0; i < 2; i++) {
        pawl_task_init(&part[i], fibonacci, (void *)(n - 1 - i));
        CHECK_OK(pawl_pool_submit(pawl_pool_current(), &part[i]));
    }
    for (int i = 0; i < 2; i++) {
        void *value = NULL;

        CHECK_OK(pawl_future_result(&part[i].future, NULL, &value));
        sum += (uintptr_t)value;
    }
    t->value = (void *)sum;
    return 0;
}

/* with helping, any number of workers does. */
TEST(pool.workers_that_wait_help)
{
    for (int workers = 1; workers <= 4; workers++) {
        pawl_pool *pool =
            make(&(pawl_pool_options){.max_workers = workers, .helps = true});
        pawl_task t = PAWL_TASK_INIT(fibonacci, (void *)15);
        void *value = NULL;

        CHECK_OK(pawl_pool_submit(pool, &t));
        CHECK_OK(pawl_future_result(&t.future, NULL, &value));
        CHECK_EQ((uintptr_t)value, 610);
        CHECK_OK(pawl_pool_end(pool));
    }
}

static int wait_for_itself(pawl_task *t, void *arg)
{
    (void)arg;
    return pawl_future_result(&t->future, NULL, NULL);
}

/* a task that waits for itself, whoever else there may be. */
TEST(pool.task_cannot_wait_for_itself)
{
    for (int helps = 0; helps < 2; helps++) {
        pawl_pool *pool =
            make(&(pawl_pool_options){.max_workers = 2, .helps = helps});
        pawl_task t = PAWL_TASK_INIT(wait_for_itself, NULL);
        int status = 0;

        CHECK_OK(pawl_pool_submit(pool, &t));
        CHECK_OK(pawl_future_result(&t.future, &status, NULL));
        CHECK_ERR(status, -EDEADLK);
        CHECK_OK(pawl_pool_end(pool));
    }
}

struct visit {
    pawl_task task;
    pawl_task *other;
    pawl_event waits;
    pid_t tid;
};

static int wait_with_deadline(pawl_task *t, void *arg)
{
    struct visit *v = arg;

    (void)t;
    CHECK_ERR(pawl_future_result_until(&v->other->future, NULL, NULL,
                                       pawl_after_ms(2)),
              -ETIMEDOUT);
    v->tid = gettid();
    pawl_event_set(&v->waits);
    return pawl_future_result(&v->other->future, NULL, NULL);
}

/* who waits, asleep, is called for what is submitted meanwhile, and woken
 * by the end of what it waits for. */
TEST(pool.worker_that_waits_asleep_is_called)
{
    pawl_pool *pool =
        make(&(pawl_pool_options){.max_workers = 2, .helps = true});
    struct plug plug;
    struct visit v = {.other = &plug.task};
    pawl_task t;
    int status = 0;

    plug_in(pool, &plug);
    pawl_task_init(&v.task, wait_with_deadline, &v);
    CHECK_OK(pawl_pool_submit(pool, &v.task));
    pawl_event_wait(&v.waits);
    for (int i = 0; i < 20; i++) {
        pawl_task_init(&t, answer, NULL);
        CHECK_OK(pawl_pool_submit(pool, &t));
        CHECK_OK(pawl_future_result(&t.future, NULL, NULL));
    }
    test_until_asleep(v.tid);
    pull(&plug);
    CHECK_OK(pawl_future_result(&v.task.future, &status, NULL));
    CHECK_OK(status);
    CHECK_OK(pawl_pool_drain(pool));
    CHECK_OK(pawl_pool_end(pool));
}

/* ---- forks, and the end of the program ---------------------------------------------------- */

struct family {
    pawl_pool *pool;
    pawl_task *running;
    pawl_task *waiting;
};

static void find_nobody_there(void *arg)
{
    struct family *f = arg;
    pawl_task t = PAWL_TASK_INIT(answer, NULL);
    pawl_pool *own;

    CHECK_ERR(pawl_pool_submit(f->pool, &t), -ECHILD);
    CHECK_EQ(pawl_pool_submit_many(f->pool, &t, 1), -ECHILD);
    CHECK_ERR(pawl_pool_call(f->pool, answer, NULL, NULL), -ECHILD);
    CHECK_ERR(pawl_future_result(&f->running->future, NULL, NULL), -ECHILD);
    CHECK_ERR(pawl_future_result(&f->waiting->future, NULL, NULL), -ECHILD);
    CHECK_ERR(pawl_task_settle(f->waiting), -ECHILD);
    CHECK_ERR(pawl_pool_drain(f->pool), -ECHILD);
    CHECK_ERR(pawl_pool_shutdown(f->pool, true), -ECHILD);
    CHECK_ERR(pawl_pool_join(f->pool), -ECHILD);
    CHECK_OK(pawl_pool_end(f->pool));
    if (test_under_tsan()) /* no new threads there */
        return;
    own = make_of(2);
    CHECK_OK(pawl_pool_submit(own, &t));
    CHECK_OK(pawl_future_result(&t.future, NULL, NULL));
    CHECK_OK(pawl_pool_end(own));
}

/* K-04: in the child a pool has no workers, and nothing hangs. */
TEST(pool.child_of_a_fork_has_no_workers)
{
    pawl_pool *pool = make_of(1);
    pawl_task waiting = PAWL_TASK_INIT(answer, NULL);
    struct plug plug;
    struct family f = {pool, &plug.task, &waiting};

    plug_in(pool, &plug);
    CHECK_OK(pawl_pool_submit(pool, &waiting));
    test_wait_child(test_spawn_child(find_nobody_there, &f));
    pull(&plug);
    CHECK_OK(pawl_future_result(&waiting.future, NULL, NULL));
    CHECK_OK(pawl_pool_end(pool));
}

enum { LATE = 5 };

struct last_words {
    _Atomic int ran;
    enum pawl_pool_exit policy;
};

struct late {
    struct plug plug;
    pawl_task tasks[LATE];
    pawl_future_callback callbacks[LATE];
    int cancelled;
};

static int count_late(pawl_task *t, void *arg)
{
    (void)t;
    atomic_fetch_add(&((struct last_words *)arg)->ran, 1);
    return 0;
}

/* The only worker goes on when all that waited behind it has been called off. */
static void count_cancelled(pawl_future *f, void *arg)
{
    struct late *late = arg;

    if (pawl_future_is_cancelled(f) && ++late->cancelled == LATE)
        pawl_event_set(&late->plug.go);
}

static void end_in_the_middle(void *arg)
{
    static struct late late; /* outlives the end of main */
    struct last_words *w = arg;
    pawl_pool *pool =
        make(&(pawl_pool_options){.max_workers = 1, .at_exit = w->policy});

    plug_in(pool, &late.plug);
    for (int i = 0; i < LATE; i++) {
        pawl_task_init(&late.tasks[i], count_late, w);
        CHECK_OK(pawl_future_add_callback(&late.tasks[i].future,
                                          &late.callbacks[i], count_cancelled,
                                          &late));
        CHECK_OK(pawl_pool_submit(pool, &late.tasks[i]));
    }
    if (w->policy == PAWL_POOL_JOIN)
        pawl_event_set(&late.plug.go);
    exit(0);
}

/* X-05, W-17: what the end of the program does with what was submitted. */
TEST(pool.end_of_the_program_goes_by_the_policy)
{
    struct last_words *w = test_shared_alloc(sizeof *w);

    for (int policy = PAWL_POOL_JOIN; policy <= PAWL_POOL_ABANDON; policy++) {
        w->policy = (enum pawl_pool_exit)policy;
        atomic_store(&w->ran, 0);
        test_wait_child(test_spawn_child(end_in_the_middle, w));
        CHECK_EQ(atomic_load(&w->ran), w->policy == PAWL_POOL_JOIN ? LATE : 0);
    }
}
