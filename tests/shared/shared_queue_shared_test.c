/* SPDX-License-Identifier: MIT
 *
 * shared_queue_shared_test.c - H-20 to H-26 between processes: found by name, durable
 * when put has returned, and used on when somebody was killed, or stopped.
 */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl/error.h>
#include <pawl/region.h>
#include <pawl/shared_queue.h>
#include <pawl/wait.h>

#include "test.h"

enum { SIZE = 100 };

/* What the processes of a test share. */
struct scene {
    pawl_region *region;
    pawl_shared_queue *q;
    pawl_shared_queue *second;
    atomic_int stage;
    atomic_int got;
};

static struct scene *make(enum pawl_shared_tasks tasks, size_t capacity)
{
    struct scene *s = test_shared_alloc(sizeof *s);

    CHECK_OK(pawl_region_create(&s->region,
                                &(pawl_region_options){.heap = 1 << 20}));
    CHECK_OK(pawl_shared_queue_create(
        &s->q, s->region,
        &(pawl_shared_queue_options){.name = "q",
                                     .capacity = capacity,
                                     .record_size = SIZE,
                                     .tasks = tasks}));
    return s;
}

static void until(atomic_int *stage, int value)
{
    while (atomic_load(stage) < value)
        sched_yield();
}

static void put_number(struct scene *s, int n)
{
    CHECK_OK(pawl_shared_queue_put(s->q, &n, sizeof n));
}

static int get_number(struct scene *s)
{
    char record[SIZE];
    int n;

    CHECK_EQ(pawl_shared_queue_get(s->q, record, sizeof record), sizeof n);
    memcpy(&n, record, sizeof n);
    return n;
}

static void kill_child(pid_t pid)
{
    kill(pid, SIGKILL);
    CHECK(WIFSIGNALED(test_reap_child(pid)));
}

/* ---- W-08, H-20 ------------------------------------------------------------------ */

static void put_and_exit_hard(void *arg)
{
    struct scene *s = arg;
    pawl_shared_queue *q;

    CHECK_OK(pawl_shared_queue_find(&q, s->region, "q"));
    for (int i = 0; i < 1000; i++)
        CHECK_OK(pawl_shared_queue_put(q, &i, sizeof i));
    _exit(0);
}

TEST(shared_queue_shared.what_was_put_survives_its_producer)
{
    struct scene *s = make(PAWL_TASKS_NONE, 1000);

    test_wait_child(test_spawn_child(put_and_exit_hard, s));
    CHECK_EQ(pawl_shared_queue_size(s->q), 1000);
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(get_number(s), i);
}

/* ---- W-09, H-22 ------------------------------------------------------------------ */

static void get_one(void *arg)
{
    struct scene *s = arg;

    (void)get_number(s);
    atomic_fetch_add(&s->got, 1);
}

TEST(shared_queue_shared.killed_while_waiting_starves_nobody)
{
    struct scene *s = make(PAWL_TASKS_NONE, 4);

    for (int round = 0; round < test_iterations(10); round++) {
        pid_t first = test_spawn_child(get_one, s);
        pid_t second;
        int got = atomic_load(&s->got);

        test_until_asleep(first);
        second = test_spawn_child(get_one, s);
        test_until_asleep(second);
        /* The first may be woken, and die with the wake or with the record. */
        kill(first, SIGSTOP);
        put_number(s, round);
        kill_child(first);
        put_number(s, round);
        test_wait_child(second);
        CHECK_EQ(atomic_load(&s->got), got + 1);
        while (pawl_shared_queue_size(s->q) > 0)
            (void)get_number(s);
    }
}

static void put_into_full(void *arg)
{
    put_number(arg, 7);
}

TEST(shared_queue_shared.killed_while_it_waits_for_room_has_put_nothing)
{
    struct scene *s = make(PAWL_TASKS_AGAIN, 1);
    pid_t pid;

    put_number(s, 1);
    pid = test_spawn_child(put_into_full, s);
    test_until_asleep(pid);
    kill_child(pid);
    CHECK_EQ(get_number(s), 1);
    CHECK_OK(pawl_shared_queue_task_done(s->q, NULL));
    CHECK_OK(pawl_shared_queue_join(s->q));
    CHECK_EQ(pawl_shared_queue_unfinished(s->q), 0);
}

/* ---- H-25 ------------------------------------------------------------------------ */

static void get_and_stay(void *arg)
{
    struct scene *s = arg;

    (void)get_number(s);
    atomic_store(&s->stage, 1);
    until(&s->stage, 2);
    CHECK_OK(pawl_shared_queue_task_done(s->q, NULL));
}

static void join_it(void *arg)
{
    struct scene *s = arg;

    CHECK_OK(pawl_shared_queue_join(s->q));
}

TEST(shared_queue_shared.a_workers_death_ends_the_join)
{
    struct scene *s = make(PAWL_TASKS_GONE, 4);
    pid_t worker;
    pid_t joiner;

    put_number(s, 1);
    worker = test_spawn_child(get_and_stay, s);
    until(&s->stage, 1);
    joiner = test_spawn_child(join_it, s);
    test_until_asleep(joiner);
    kill_child(worker);
    test_wait_child(joiner);
}

static void get_again(void *arg)
{
    struct scene *s = arg;

    CHECK_EQ(get_number(s), 1);
    CHECK_OK(pawl_shared_queue_task_done(s->q, NULL));
}

TEST(shared_queue_shared.a_task_of_the_dead_comes_to_one_who_sleeps)
{
    struct scene *s = make(PAWL_TASKS_AGAIN, 4);
    pid_t worker;
    pid_t other;

    put_number(s, 1);
    worker = test_spawn_child(get_and_stay, s);
    until(&s->stage, 1);
    other = test_spawn_child(get_again, s);
    test_until_asleep(other);
    kill_child(worker);
    test_wait_child(other);
    CHECK_OK(pawl_shared_queue_join(s->q));
}

TEST(shared_queue_shared.stopped_is_not_dead)
{
    struct scene *s = make(PAWL_TASKS_AGAIN, 4);
    char record[SIZE];
    int status;
    pid_t worker;

    put_number(s, 1);
    worker = test_spawn_child(get_and_stay, s);
    until(&s->stage, 1);
    kill(worker, SIGSTOP);
    CHECK_EQ(waitpid(worker, &status, WUNTRACED), worker);
    CHECK(WIFSTOPPED(status));
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(pawl_shared_queue_recover(s->q), 0);
        CHECK_ERR((int)pawl_shared_queue_try_get(s->q, record, SIZE), -EAGAIN);
        put_number(s, i);
        CHECK_EQ(get_number(s), i);
        CHECK_OK(pawl_shared_queue_task_done(s->q, NULL));
    }
    CHECK_ERR(pawl_shared_queue_try_join(s->q), -EAGAIN);
    atomic_store(&s->stage, 2);
    kill(worker, SIGCONT);
    test_wait_child(worker);
    CHECK_OK(pawl_shared_queue_join(s->q));
}

static void shut_it_down(void *arg)
{
    struct scene *s = arg;

    CHECK_OK(pawl_shared_queue_shutdown(s->q));
}

static void get_nothing(void *arg)
{
    struct scene *s = arg;
    char record[SIZE];

    CHECK_ERR((int)pawl_shared_queue_get(s->q, record, SIZE), -ESHUTDOWN);
}

/* Q-12, W-37: by a third process. */
TEST(shared_queue_shared.shutdown_wakes_all_processes)
{
    struct scene *s = make(PAWL_TASKS_NONE, 4);
    pid_t a = test_spawn_child(get_nothing, s);
    pid_t b = test_spawn_child(get_nothing, s);

    test_until_asleep(a);
    test_until_asleep(b);
    test_wait_child(test_spawn_child(shut_it_down, s));
    test_wait_child(a);
    test_wait_child(b);
}

/* A process that was killed has left a slot of the region, and a hand in the queue:
 * many more than there are of both. */
static void get_and_die(void *arg)
{
    (void)get_number(arg);
    raise(SIGKILL);
}

TEST(shared_queue_shared.generations_of_workers_die_with_one_record)
{
    struct scene *s = make(PAWL_TASKS_AGAIN, 4);

    put_number(s, 1);
    for (int i = 0; i < 200; i++)
        CHECK(WIFSIGNALED(test_reap_child(test_spawn_child(get_and_die, s))));
    CHECK_EQ(get_number(s), 1);
    CHECK_OK(pawl_shared_queue_task_done(s->q, NULL));
    CHECK_OK(pawl_shared_queue_join(s->q));
}

/* ---- Q-20 ------------------------------------------------------------------------ */

static int get_of_two(struct scene *s)
{
    pawl_shared_queue *q[] = {s->q, s->second};
    pawl_wait_item items[] = {PAWL_WAIT_SHARED_READABLE(q[0]),
                              PAWL_WAIT_SHARED_READABLE(q[1])};
    char record[SIZE];
    int n;

    for (;;) {
        size_t which;
        int64_t bytes;

        CHECK_OK(pawl_wait_any(items, 2, &which));
        bytes = pawl_shared_queue_try_get(q[which], record, sizeof record);
        if (bytes == -EAGAIN)
            continue;
        CHECK_EQ(bytes, sizeof n);
        memcpy(&n, record, sizeof n);
        CHECK_EQ((size_t)n % 2, which);
        return n;
    }
}

static void get_one_of_two(void *arg)
{
    (void)get_of_two(arg);
}

static struct scene *make_two(enum pawl_shared_tasks tasks)
{
    struct scene *s = make(tasks, 4);

    CHECK_OK(pawl_shared_queue_create(
        &s->second, s->region,
        &(pawl_shared_queue_options){
            .capacity = 4, .record_size = SIZE, .tasks = tasks}));
    return s;
}

TEST(shared_queue_shared.a_set_is_woken_by_another_process)
{
    struct scene *s = make_two(PAWL_TASKS_NONE);
    pawl_shared_queue *first = s->q;

    for (int n = 0; n < 10; n++) {
        pid_t pid = test_spawn_child(get_one_of_two, s);

        test_until_asleep(pid);
        s->q = n % 2 == 0 ? first : s->second;
        put_number(s, n);
        s->q = first;
        test_wait_child(pid);
    }
}

/* Who waits in a set takes no wake with it when it is killed. */
TEST(shared_queue_shared.killed_in_a_set_starves_nobody)
{
    struct scene *s = make_two(PAWL_TASKS_NONE);

    for (int round = 0; round < test_iterations(10); round++) {
        pid_t watcher = test_spawn_child(get_one_of_two, s);
        pid_t getter;

        test_until_asleep(watcher);
        getter = test_spawn_child(get_one, s);
        test_until_asleep(getter);
        kill(watcher, SIGSTOP);
        put_number(s, 2 * round);
        kill_child(watcher);
        test_wait_child(getter);
    }
}

/* A worker dies with a task: one who sleeps in a set finds it. */
TEST(shared_queue_shared.a_task_of_the_dead_comes_to_a_set)
{
    struct scene *s = make_two(PAWL_TASKS_AGAIN);
    pid_t worker;
    pid_t other;

    put_number(s, 2);
    worker = test_spawn_child(get_and_stay, s);
    until(&s->stage, 1);
    other = test_spawn_child(get_one_of_two, s);
    test_until_asleep(other);
    kill_child(worker);
    test_wait_child(other);
}
