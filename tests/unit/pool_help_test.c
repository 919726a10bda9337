/* SPDX-License-Identifier: MIT
 *
 * pool_help_test.c - X-08 for every wait of a worker: what it waits for can only be
 * run by itself, so without help it would wait for ever.
 */
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <pawl/error.h>
#include <pawl/event.h>
#include <pawl/pool.h>
#include <pawl/thread.h>

#include "test.h"

enum { PARTS = 20 };

static int number(pawl_task *t, void *arg)
{
    (void)t;
    return (int)(intptr_t)arg;
}

/* A task that submits others and waits for them in some way. */
struct outer {
    pawl_task task;
    pawl_task part[PARTS];
    pawl_future_entry entry[PARTS];
    int (*wait)(struct outer *o);
};

static int submit_and_wait(pawl_task *t, void *arg)
{
    struct outer *o = arg;

    (void)t;
    for (int i = 0; i < PARTS; i++) {
        pawl_task_init(&o->part[i], number, (void *)(intptr_t)i);
        o->entry[i] = (pawl_future_entry){.future = &o->part[i].future};
        CHECK_OK(pawl_pool_submit(pawl_pool_current(), &o->part[i]));
    }
    return o->wait(o);
}

static int wait_for_all(struct outer *o)
{
    CHECK_OK(pawl_future_wait(o->entry, PARTS, PAWL_FUTURE_ALL_COMPLETED));
    for (int i = 0; i < PARTS; i++)
        CHECK(o->entry[i].done);
    return 0;
}

static int wait_for_first(struct outer *o)
{
    CHECK_OK(pawl_future_wait(o->entry, PARTS, PAWL_FUTURE_FIRST_COMPLETED));
    return wait_for_all(o);
}

static int wait_for_failed(struct outer *o)
{
    int failed = 0;

    CHECK_OK(pawl_future_wait(o->entry, PARTS, PAWL_FUTURE_FIRST_FAILED));
    for (int i = 1; i < PARTS; i++) /* the first one has the status 0 */
        failed += o->entry[i].done;
    CHECK(failed > 0);
    return wait_for_all(o);
}

static int wait_in_order_of_completion(struct outer *o)
{
    pawl_as_completed c;
    bool come[PARTS] = {false};
    size_t which;

    CHECK_OK(pawl_as_completed_begin(&c, o->entry, PARTS));
    for (int i = 0; i < PARTS; i++) {
        CHECK_OK(pawl_as_completed_next(&c, &which));
        CHECK(!come[which]);
        come[which] = true;
    }
    CHECK_ERR(pawl_as_completed_next(&c, &which), -ESHUTDOWN);
    pawl_as_completed_end(&c);
    return 0;
}

static int square(size_t index, void **value, void *unused)
{
    (void)unused;
    *value = (void *)(index * index);
    return 0;
}

static int wait_for_a_map(struct outer *o)
{
    pawl_map *map;
    void *value = NULL;

    CHECK_OK(pawl_map_create(&map, pawl_pool_current(), PARTS, square, NULL,
                             NULL));
    for (size_t i = 0; i < PARTS; i++) {
        CHECK_OK(pawl_map_next(map, NULL, &value));
        CHECK_EQ((size_t)value, i * i);
    }
    pawl_map_free(map);
    return wait_for_all(o);
}

static int count_indices(size_t begin, size_t end, void *sum)
{
    atomic_fetch_add((_Atomic int *)sum, (int)(end - begin));
    return 0;
}

static int wait_for_a_loop(struct outer *o)
{
    _Atomic int sum = 0;

    CHECK_OK(pawl_pool_for(pawl_pool_current(), 0, 1000, 1, count_indices, &sum,
                           NULL));
    CHECK_EQ(atomic_load(&sum), 1000);
    return wait_for_all(o);
}

static int settle_all(struct outer *o)
{
    for (int i = 0; i < PARTS; i++)
        CHECK_OK(pawl_task_settle(&o->part[i]));
    return wait_for_all(o);
}

static int (*const waits[])(struct outer *o) = {
    wait_for_all,   wait_for_first,  wait_for_failed, wait_in_order_of_completion,
    wait_for_a_map, wait_for_a_loop, settle_all,
};

TEST(pool_help.the_only_worker_may_wait_in_any_way)
{
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++)
        for (int workers = 1; workers <= 3; workers++) {
            pawl_pool_options o = {.max_workers = workers, .helps = true};
            struct outer outer = {.wait = waits[i]};
            pawl_pool *pool = NULL;
            int status = 1;

            CHECK_OK(pawl_pool_create(&pool, &o));
            pawl_task_init(&outer.task, submit_and_wait, &outer);
            CHECK_OK(pawl_pool_submit(pool, &outer.task));
            CHECK_OK(pawl_future_result(&outer.task.future, &status, NULL));
            CHECK_OK(status);
            CHECK_OK(pawl_pool_end(pool));
        }
}

/* ---- asleep, for there is nothing to help with ----------------------------------- */

static struct {
    pawl_task other;
    pawl_event go; /* for the other one */
    pawl_event waits;
    _Atomic pid_t tid;
    _Atomic int helped;
} scene;

static int wait_to_go(pawl_task *t, void *unused)
{
    (void)t;
    (void)unused;
    CHECK_OK(pawl_event_wait(&scene.go));
    return 5;
}

static int count_here(pawl_task *t, void *unused)
{
    (void)t;
    (void)unused;
    if (gettid() == atomic_load(&scene.tid))
        atomic_fetch_add(&scene.helped, 1);
    return 0;
}

static int wait_in_vain_first(pawl_task *t, void *many)
{
    pawl_future_entry e = {.future = &scene.other.future};
    pawl_as_completed c;
    size_t which;

    (void)t;
    atomic_store(&scene.tid, gettid());
    CHECK_ERR(pawl_future_wait_until(&e, 1, PAWL_FUTURE_ALL_COMPLETED,
                                     pawl_after_ms(1)),
              -ETIMEDOUT);
    CHECK(!e.done);
    CHECK_OK(pawl_as_completed_begin(&c, &e, 1));
    CHECK_ERR(pawl_as_completed_next_until(&c, &which, pawl_after_ms(1)),
              -ETIMEDOUT);
    pawl_event_set(&scene.waits);
    if (many != NULL)
        CHECK_OK(pawl_future_wait(&e, 1, PAWL_FUTURE_ALL_COMPLETED));
    else
        CHECK_OK(pawl_as_completed_next(&c, &which));
    pawl_as_completed_end(&c);
    return 0;
}

/* Called for what is submitted meanwhile, woken by the end of what it waits for. */
TEST(pool_help.who_waits_asleep_is_called_and_woken)
{
    for (int many = 0; many < 2; many++) {
        pawl_pool_options o = {.max_workers = 2, .helps = true};
        pawl_task waiter;
        pawl_pool *pool = NULL;
        int status = 1;

        memset(&scene, 0, sizeof scene);
        CHECK_OK(pawl_pool_create(&pool, &o));
        pawl_task_init(&scene.other, wait_to_go, NULL);
        CHECK_OK(pawl_pool_submit(pool, &scene.other));
        pawl_task_init(&waiter, wait_in_vain_first, many ? &scene : NULL);
        CHECK_OK(pawl_pool_submit(pool, &waiter));
        CHECK_OK(pawl_event_wait(&scene.waits));
        for (int i = 0; i < 20; i++) {
            pawl_task t = PAWL_TASK_INIT(count_here, NULL);

            test_until_asleep(atomic_load(&scene.tid));
            CHECK_OK(pawl_pool_submit(pool, &t));
            CHECK_OK(pawl_future_result(&t.future, NULL, NULL));
        }
        CHECK_EQ(atomic_load(&scene.helped), 20);
        test_until_asleep(atomic_load(&scene.tid));
        pawl_event_set(&scene.go);
        CHECK_OK(pawl_future_result(&waiter.future, &status, NULL));
        CHECK_OK(status);
        CHECK_OK(pawl_pool_end(pool));
    }
}

/* ---- deadlines ---------------------------------------------------------------------- */

static int submit_itself(pawl_task *t, void *unused)
{
    (void)unused;
    (void)t;
    if (!pawl_event_is_set(&scene.go))
        (void)pawl_pool_call(pawl_pool_current(), submit_itself, NULL, NULL);
    return 0;
}

static int wait_for_a_while(pawl_task *t, void *unused)
{
    (void)t;
    (void)unused;
    (void)pawl_pool_call(pawl_pool_current(), submit_itself, NULL, NULL);
    return pawl_future_result_until(&scene.other.future, NULL, NULL,
                                    pawl_after_ms(5));
}

/* There is always something to help with, but the deadline passes all the same. */
TEST(pool_help.deadline_passes_however_much_there_is_to_do)
{
    pawl_pool_options o = {.max_workers = 2, .helps = true};
    pawl_task waiter = PAWL_TASK_INIT(wait_for_a_while, NULL);
    pawl_pool *pool = NULL;
    int status = 1;

    memset(&scene, 0, sizeof scene);
    CHECK_OK(pawl_pool_create(&pool, &o));
    pawl_task_init(&scene.other, wait_to_go, NULL);
    CHECK_OK(pawl_pool_submit(pool, &scene.other));
    while (!pawl_future_is_running(&scene.other.future))
        sched_yield();
    CHECK_OK(pawl_pool_submit(pool, &waiter));
    CHECK_OK(pawl_future_result(&waiter.future, &status, NULL));
    CHECK_ERR(status, -ETIMEDOUT);
    pawl_event_set(&scene.go);
    CHECK_OK(pawl_pool_drain(pool));
    CHECK_OK(pawl_pool_end(pool));
}
