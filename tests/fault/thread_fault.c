/* SPDX-License-Identifier: MIT
 *
 * thread_fault.c - threads, timers, values of threads, unbounded queues and the
 * thread pool without memory, and without new threads: each one is refused once,
 * and all from there on.  And without the keys of libc that notice a thread's end.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include <pawl/error.h>
#include <pawl/fork.h>
#include <pawl/local.h>
#include <pawl/pool.h>
#include <pawl/queue.h>
#include <pawl/thread.h>
#include <pawl/timer.h>

#include "exhausted.h"

static _Atomic int ran;

static int count(pawl_task *t, void *arg)
{
    (void)t;
    (void)arg;
    atomic_fetch_add(&ran, 1);
    return 0;
}

static int nothing(size_t i, void **value, void *context)
{
    (void)i;
    (void)value;
    (void)context;
    return 0;
}

static int may_fail(int err)
{
    CHECK(err == 0 || err == -ENOMEM || err == -EAGAIN);
    return err == 0;
}

/* What is refused has not happened; what is accepted comes to its end. */
static void use_a_pool(void *arg)
{
    pawl_pool *pool = NULL;
    pawl_map *map = NULL;
    pawl_task t[4];
    pawl_task *heap = NULL;
    int accepted = 0;

    (void)arg;
    exhausted_begins();
    if (may_fail(pawl_pool_create(
            &pool, &(pawl_pool_options){.max_workers = 3, .prestart = 1}))) {
        for (int i = 0; i < 4; i++) {
            pawl_task_init(&t[i], count, NULL);
            accepted += may_fail(pawl_pool_submit(pool, &t[i]));
        }
        accepted += may_fail(pawl_pool_call(pool, count, NULL, NULL));
        if (may_fail(pawl_pool_call(pool, count, NULL, &heap))) {
            accepted++;
            CHECK_OK(pawl_future_result(&heap->future, NULL, NULL));
            pawl_task_release(heap);
        }
        if (may_fail(pawl_map_create(&map, pool, 5, nothing, NULL, NULL)))
            for (int i = 0; i < 5; i++)
                CHECK_OK(pawl_map_next(map, NULL, NULL));
        pawl_map_free(map);
        CHECK_OK(pawl_pool_end(pool));
    }
    CHECK_EQ(atomic_load(&ran), accepted);
    exhausted_end();
}

static int run_thread(void *arg)
{
    pawl_local *l = arg;

    atomic_fetch_add(&ran, 1);
    (void)may_fail(pawl_local_set(l, l));
    return 0;
}

static void run_timer(pawl_timer *t, void *context)
{
    (void)t;
    (void)context;
    atomic_fetch_add(&ran, 1);
}

static int start_threads(pawl_local *l)
{
    pawl_thread t[4];
    pawl_thread *several[2] = {&t[2], &t[3]};
    int accepted = 0;

    for (int i = 0; i < 4; i++)
        CHECK_OK(pawl_thread_init(&t[i], run_thread, l, NULL));
    for (int i = 0; i < 2; i++) {
        if (!may_fail(pawl_thread_start(&t[i])))
            continue;
        accepted++;
        CHECK_OK(pawl_thread_join(&t[i], NULL));
    }
    if (may_fail(pawl_thread_start_many(several, 2))) {
        accepted += 2;
        CHECK_OK(pawl_thread_join_all_until(several, 2, PAWL_FOREVER));
    }
    return accepted;
}

static void fill_queue(enum pawl_queue_kind kind)
{
    pawl_queue *q;
    uint64_t item;
    int accepted = 0;
    pawl_queue_options o = {
        .kind = kind, .element_size = sizeof item, .flags = PAWL_UNBOUNDED};

    if (!may_fail(pawl_queue_create(&q, &o)))
        return;
    for (item = 0; item < 2000; item++)
        accepted += may_fail(pawl_queue_put(q, &item));
    for (; accepted > 0; accepted--)
        CHECK_OK(pawl_queue_try_get(q, &item));
    CHECK_ERR(pawl_queue_try_get(q, &item), -EAGAIN);
    pawl_queue_free(q);
}

static void use_threads(void *arg)
{
    static pawl_local local; /* used until the last thread has ended */
    pawl_timer timer = PAWL_TIMER_INIT(run_timer, NULL);
    int accepted;

    (void)arg;
    exhausted_begins();
    accepted = start_threads(&local);
    if (may_fail(pawl_timer_start(&timer, 0))) {
        accepted++;
        CHECK_OK(pawl_timer_join(&timer));
    }
    fill_queue(PAWL_QUEUE_FIFO);
    fill_queue(PAWL_QUEUE_LIFO);
    fill_queue(PAWL_QUEUE_PRIORITY);
    CHECK_EQ(atomic_load(&ran), accepted);
    exhausted_end();
}

/* */
TEST(pool_fault.any_allocation_may_fail)
{
    exhausted_each(use_a_pool, NULL, 5);
}

TEST(pool_fault.any_thread_may_fail)
{
    exhausted_of(EXHAUSTED_THREADS);
    exhausted_each(use_a_pool, NULL, 1);
}

TEST(thread_fault.any_allocation_may_fail)
{
    exhausted_each(use_threads, NULL, 5);
}

TEST(thread_fault.any_thread_may_fail)
{
    exhausted_of(EXHAUSTED_THREADS);
    exhausted_each(use_threads, NULL, 3);
}

static void nothing_at_all(void *unused)
{
    (void)unused;
}

static void count_fork(void *n)
{
    ++*(int *)n;
}

/* K-05: what could not be registered is not called. */
TEST(thread_fault.hooks_and_guards_need_memory)
{
    static pawl_mutex guarded;
    static int forks;
    int hook;
    int guard;

    exhausted_after(0);
    hook = pawl_at_fork(count_fork, NULL, NULL, &forks);
    guard = pawl_fork_guard(&guarded);
    exhausted_end();
    CHECK_ERR(hook, -ENOMEM);
    CHECK_ERR(guard, -ENOMEM);
    test_wait_child(test_spawn_child(nothing_at_all, NULL));
    CHECK_EQ(forks, 0);
    CHECK_OK(pawl_at_fork(count_fork, NULL, NULL, &forks));
    CHECK_OK(pawl_fork_guard(&guarded));
    test_wait_child(test_spawn_child(nothing_at_all, NULL));
    CHECK_EQ(forks, 1);
}

/* ---- keys ------------------------------------------------------------------------ */

static int take_keys(pthread_key_t *keys)
{
    int n = 0;

    while (n < PTHREAD_KEYS_MAX && pthread_key_create(&keys[n], NULL) == 0)
        n++;
    return n;
}

/* Without a key for the end of threads none is started; with one again, all are. */
TEST(thread_fault.no_key_is_left)
{
    static pthread_key_t keys[PTHREAD_KEYS_MAX];
    static pawl_local local;
    int n = take_keys(keys);
    pawl_thread t;
    pawl_timer timer = PAWL_TIMER_INIT(run_timer, NULL);
    pawl_pool *pool = NULL;

    CHECK(n > 3);
    CHECK_OK(pawl_thread_init(&t, run_thread, &local, NULL));
    CHECK_ERR(pawl_thread_start(&t), -ENOMEM);
    CHECK(!pawl_thread_is_alive(&t));
    CHECK_ERR(pawl_thread_join(&t, NULL), -ESRCH);
    CHECK_ERR(pawl_thread_start_detached(run_thread, &local, NULL, NULL), -ENOMEM);
    CHECK_EQ(atomic_load(&ran), 0);
    while (n > 0)
        pthread_key_delete(keys[--n]);
    CHECK_OK(pawl_thread_start(&t));
    CHECK_OK(pawl_thread_join(&t, NULL));
    CHECK_OK(pawl_timer_start(&timer, 0));
    CHECK_OK(pawl_timer_join(&timer));
    CHECK_OK(pawl_pool_create(&pool, &(pawl_pool_options){.max_workers = 1}));
    CHECK_OK(pawl_pool_call(pool, count, NULL, NULL));
    CHECK_OK(pawl_pool_end(pool));
    CHECK_EQ(atomic_load(&ran), 3);
}
