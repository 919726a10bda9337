/* SPDX-License-Identifier: MIT
 *
 * pool_stop_test.c - asking the task of a pool to stop (T-34, F-05, O-02, W-16): it is
 * woken from whatever it may be called off, and nobody else is.
 */
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <pawl/cond.h>
#include <pawl/error.h>
#include <pawl/event.h>
#include <pawl/mutex.h>
#include <pawl/pool.h>
#include <pawl/sem.h>
#include <pawl/thread.h>
#include <pawl/wait.h>

#include "test.h"

static pawl_pool *make(const pawl_pool_options *o)
{
    pawl_pool *p = NULL;

    CHECK_OK(pawl_pool_create(&p, o));
    return p;
}

static int status_of(pawl_task *t)
{
    int status = 1;

    CHECK_OK(pawl_future_result(&t->future, &status, NULL));
    return status;
}

/* What a task waits for in vain. */
static struct {
    pawl_event never;
    pawl_mutex held; /* by the test */
    pawl_mutex mutex;
    pawl_cond cond;
    pawl_sem sem;
    pawl_future future;
    pawl_task *other;
} scene;

static int wait_for_event(void)
{
    return PAWL_INTERRUPTIBLE(pawl_event_wait(&scene.never));
}

static int wait_for_mutex(void)
{
    return PAWL_INTERRUPTIBLE(pawl_mutex_lock(&scene.held));
}

static int wait_for_sem(void)
{
    return PAWL_INTERRUPTIBLE(pawl_sem_acquire(&scene.sem));
}

static int wait_for_future(void)
{
    return PAWL_INTERRUPTIBLE(pawl_future_result(&scene.future, NULL, NULL));
}

static int wait_for_futures(void)
{
    pawl_future_entry e = {.future = &scene.future};

    return PAWL_INTERRUPTIBLE(
        pawl_future_wait(&e, 1, PAWL_FUTURE_ALL_COMPLETED));
}

static int wait_for_task(void)
{
    return PAWL_INTERRUPTIBLE(
        pawl_future_result(&scene.other->future, NULL, NULL));
}

static int wait_for_tasks(void)
{
    pawl_future_entry e = {.future = &scene.other->future};

    return PAWL_INTERRUPTIBLE(
        pawl_future_wait(&e, 1, PAWL_FUTURE_FIRST_COMPLETED));
}

static int wait_for_condition(void)
{
    int err = pawl_mutex_lock(&scene.mutex);

    if (err == 0) {
        err = PAWL_INTERRUPTIBLE(pawl_cond_wait(&scene.cond, &scene.mutex));
        CHECK_OK(pawl_mutex_unlock(&scene.mutex));
    }
    return err;
}

static int wait_in_a_set(void)
{
    pawl_wait_item items[] = {PAWL_WAIT_EVENT(&scene.never), PAWL_WAIT_STOP()};
    size_t which = 9;

    CHECK_OK(pawl_wait_any(items, 2, &which));
    CHECK_EQ(which, 1);
    return -ECANCELED;
}

static int (*const waits[])(void) = {
    wait_for_event,   wait_for_mutex, wait_for_sem,   wait_for_future,
    wait_for_futures, wait_for_task,  wait_for_tasks, wait_for_condition,
    wait_in_a_set,
};
enum { WAITS = sizeof waits / sizeof *waits };

struct patient {
    pawl_task task;
    int (*wait)(void);
    _Atomic pid_t tid;
    pawl_event waits;
};

static int wait_in_vain(pawl_task *t, void *arg)
{
    struct patient *p = arg;
    int err;

    CHECK(!pawl_thread_stop_requested());
    atomic_store(&p->tid, gettid());
    pawl_event_set(&p->waits);
    err = p->wait();
    CHECK(pawl_thread_stop_requested());
    CHECK(pawl_future_stop_requested(&t->future));
    return err;
}

static int is_not_asked(pawl_task *t, void *unused)
{
    (void)unused;
    CHECK(!pawl_thread_stop_requested());
    CHECK(!pawl_future_stop_requested(&t->future));
    return PAWL_INTERRUPTIBLE(
        pawl_event_wait_until(&scene.never, pawl_after_ms(1)));
}

static int stay_until_asked(pawl_task *t, void *unused)
{
    (void)t;
    (void)unused;
    return PAWL_INTERRUPTIBLE(pawl_event_wait(&scene.never));
}

static void ask_in_every_wait(bool helps)
{
    pawl_pool *pool =
        make(&(pawl_pool_options){.max_workers = 2, .helps = helps});
    pawl_task other = PAWL_TASK_INIT(stay_until_asked, NULL);

    memset(&scene, 0, sizeof scene);
    CHECK_OK(pawl_mutex_lock(&scene.held));
    scene.other = &other;
    CHECK_OK(pawl_pool_submit(pool, &other));
    for (int i = 0; i < WAITS; i++) {
        struct patient p = {.wait = waits[i]};
        pawl_task next = PAWL_TASK_INIT(is_not_asked, NULL);

        pawl_task_init(&p.task, wait_in_vain, &p);
        CHECK_OK(pawl_pool_submit(pool, &p.task));
        CHECK_OK(pawl_event_wait(&p.waits));
        test_until_asleep(atomic_load(&p.tid));
        CHECK_OK(pawl_future_request_stop(&p.task.future));
        CHECK_ERR(status_of(&p.task), -ECANCELED);
        CHECK_ERR(pawl_future_request_stop(&p.task.future), -EALREADY);
        /* The worker is as before. */
        CHECK_OK(pawl_pool_submit(pool, &next));
        CHECK_ERR(status_of(&next), -ETIMEDOUT);
        CHECK_OK(pawl_task_settle(&p.task));
    }
    CHECK_OK(pawl_future_request_stop(&other.future));
    CHECK_ERR(status_of(&other), -ECANCELED);
    CHECK_OK(pawl_mutex_unlock(&scene.held));
    CHECK_OK(pawl_pool_end(pool));
}

TEST(pool_stop.request_wakes_the_task_and_no_later_one)
{
    ask_in_every_wait(false);
}

TEST(pool_stop.request_wakes_a_task_that_helps)
{
    ask_in_every_wait(true);
}

/* Not woken, for it does not sleep yet: it is told when it would. */
TEST(pool_stop.request_before_the_wait_counts)
{
    pawl_pool *pool = make(&(pawl_pool_options){.max_workers = 1});

    memset(&scene, 0, sizeof scene);
    for (int i = 0; i < test_iterations(2000); i++) {
        pawl_task t = PAWL_TASK_INIT(stay_until_asked, NULL);
        int err;

        CHECK_OK(pawl_pool_submit(pool, &t));
        /* At whatever moment: cancelled, before the sleep, or asleep. */
        CHECK_OK(pawl_future_request_stop(&t.future));
        err = pawl_future_result(&t.future, NULL, NULL);
        CHECK(err == 0 || err == -ECANCELED);
        CHECK_OK(pawl_task_settle(&t));
    }
    CHECK_OK(pawl_pool_end(pool));
}

/* ---- one task within another --------------------------------------------------- */

/* The outer task waits for `first`; meanwhile its worker, the only one, runs
 * `inner`, during which the outer one is asked to stop. */
static struct {
    pawl_task outer;
    pawl_task inner;
    pawl_task last; /* never begun */
    pawl_event inner_runs;
    pawl_event asked;
    _Atomic pid_t tid;
} nest;

static int run_within(pawl_task *t, void *unused)
{
    pawl_deadline until = pawl_after_ms(30);

    (void)t;
    (void)unused;
    atomic_store(&nest.tid, gettid());
    pawl_event_set(&nest.inner_runs);
    /* Called off by nobody. */
    CHECK_ERR(pawl_event_wait_until(&scene.never, until), -ETIMEDOUT);
    CHECK(pawl_now() >= until);
    CHECK_OK(pawl_event_wait(&nest.asked));
    CHECK(!pawl_thread_stop_requested());
    CHECK_ERR(PAWL_INTERRUPTIBLE(
                  pawl_event_wait_until(&scene.never, pawl_after_ms(1))),
              -ETIMEDOUT);
    return 7;
}

static int wait_outside(pawl_task *t, void *unused)
{
    (void)t;
    (void)unused;
    CHECK_OK(pawl_pool_submit(pawl_pool_current(), &nest.inner));
    return PAWL_INTERRUPTIBLE(pawl_future_result(&nest.last.future, NULL, NULL));
}

static void ask_the_outer(bool late)
{
    pawl_pool *pool =
        make(&(pawl_pool_options){.max_workers = 2, .helps = true});

    memset(&scene, 0, sizeof scene);
    memset(&nest, 0, sizeof nest);
    pawl_task_init(&nest.outer, wait_outside, NULL);
    pawl_task_init(&nest.inner, run_within, NULL);
    pawl_task_init(&nest.last, stay_until_asked, NULL);
    /* The other worker runs what the outer task waits for. */
    CHECK_OK(pawl_pool_submit(pool, &nest.last));
    while (!pawl_future_is_running(&nest.last.future))
        sched_yield();
    CHECK_OK(pawl_pool_submit(pool, &nest.outer));
    CHECK_OK(pawl_event_wait(&nest.inner_runs));
    test_until_asleep(atomic_load(&nest.tid));
    if (!late)
        CHECK_OK(pawl_future_request_stop(&nest.outer.future));
    pawl_event_set(&nest.asked);
    CHECK_EQ(status_of(&nest.inner), 7);
    if (late) { /* for the outer one, it waits as before */
        test_until_asleep(atomic_load(&nest.tid));
        CHECK_OK(pawl_future_request_stop(&nest.outer.future));
    }
    CHECK_ERR(status_of(&nest.outer), -ECANCELED);
    CHECK_OK(pawl_future_request_stop(&nest.last.future));
    CHECK_ERR(status_of(&nest.last), -ECANCELED);
    CHECK_OK(pawl_pool_end(pool));
}

TEST(pool_stop.request_is_not_for_what_runs_within)
{
    ask_the_outer(false);
}

TEST(pool_stop.request_reaches_who_has_run_another_within)
{
    ask_the_outer(true);
}

/* A submit that a stop may end runs the task itself, which is not ended. */
static int submit_to_full(void *arg)
{
    pawl_pool *pool = arg;
    pawl_task stays = PAWL_TASK_INIT(is_not_asked, NULL);
    pawl_task runs = PAWL_TASK_INIT(is_not_asked, NULL);

    CHECK_OK(pawl_pool_submit(pool, &stays)); /* fills the line */
    pawl_event_wait(&nest.asked);
    CHECK(pawl_thread_stop_requested());
    CHECK_OK(PAWL_INTERRUPTIBLE(pawl_pool_submit(pool, &runs)));
    CHECK_ERR(status_of(&runs), -ETIMEDOUT);
    CHECK(pawl_thread_stop_requested());
    CHECK_ERR(PAWL_INTERRUPTIBLE(pawl_event_wait(&scene.never)), -ECANCELED);
    CHECK_OK(pawl_future_cancel(&stays.future));
    CHECK_OK(pawl_task_settle(&stays));
    return 0;
}

TEST(pool_stop.request_to_a_thread_is_not_for_its_task)
{
    pawl_pool *pool = make(&(pawl_pool_options){
        .max_workers = 1, .capacity = 1, .caller_runs = true});
    pawl_task plug = PAWL_TASK_INIT(stay_until_asked, NULL);
    pawl_thread t;

    memset(&scene, 0, sizeof scene);
    memset(&nest, 0, sizeof nest);
    CHECK_OK(pawl_pool_submit(pool, &plug));
    while (!pawl_future_is_running(&plug.future))
        sched_yield();
    CHECK_OK(PAWL_THREAD_INIT(&t, submit_to_full, pool));
    CHECK_OK(pawl_thread_start(&t));
    CHECK_OK(pawl_thread_request_stop(&t));
    pawl_event_set(&nest.asked);
    CHECK_OK(pawl_thread_join(&t, NULL));
    CHECK_OK(pawl_future_request_stop(&plug.future));
    CHECK_ERR(status_of(&plug), -ECANCELED);
    CHECK_OK(pawl_pool_end(pool));
}

/* What a loop calls is not ended either, nor is the loop left before its parts. */
static _Atomic int parts_done;

static int be_a_part(size_t begin, size_t end, void *unused)
{
    pawl_deadline until = pawl_after_us(200);

    (void)unused;
    CHECK_ERR(pawl_event_wait_until(&scene.never, until), -ETIMEDOUT);
    CHECK(pawl_now() >= until);
    atomic_fetch_add(&parts_done, (int)(end - begin));
    return 0;
}

static int loop_when_asked(void *arg)
{
    pawl_event_wait(&nest.asked);
    CHECK_OK(PAWL_INTERRUPTIBLE(
        pawl_pool_for(arg, 0, 50, 1, be_a_part, NULL, NULL)));
    CHECK_EQ(atomic_load(&parts_done), 50);
    return 0;
}

TEST(pool_stop.request_does_not_cut_a_loop_short)
{
    pawl_pool *pool = make(&(pawl_pool_options){.max_workers = 2});
    pawl_thread t;

    memset(&scene, 0, sizeof scene);
    memset(&nest, 0, sizeof nest);
    CHECK_OK(PAWL_THREAD_INIT(&t, loop_when_asked, pool));
    CHECK_OK(pawl_thread_start(&t));
    CHECK_OK(pawl_thread_request_stop(&t));
    pawl_event_set(&nest.asked);
    CHECK_OK(pawl_thread_join(&t, NULL));
    CHECK_OK(pawl_pool_end(pool));
}
