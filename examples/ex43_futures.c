/* SPDX-License-Identifier: MIT
 *
 * A tour of futures and the thread pool: results, in the order in which they come;
 * waiting for the first or for all; cancelling; callbacks; tasks that wait for tasks of
 * their own pool; a shutdown that cancels what has not begun.
 */
#include "example.h"

enum { TASKS = 8, WORKERS = 2 };

static pawl_pool *make_pool(int workers, bool helps)
{
    pawl_pool *pool = NULL;

    MUST(pawl_pool_create(
        &pool, &(pawl_pool_options){.max_workers = workers, .helps = helps}));
    return pool;
}

static void *as_value(int n)
{
    return (void *)(intptr_t)n;
}

static int square(pawl_task *task, void *arg)
{
    int n = (int)(intptr_t)arg;

    example_sleep(0.1 * (TASKS - n)); /* the last are done first, perhaps */
    task->value = as_value(n * n);
    return 0;
}

/* Each comes once, in the order in which they are done. */
static int as_they_complete(pawl_pool *pool)
{
    pawl_task tasks[TASKS];
    pawl_future_entry entries[TASKS];
    pawl_as_completed completed;
    bool seen[TASKS] = {false};
    size_t which = 0;
    int sum = 0;

    for (int i = 0; i < TASKS; i++) {
        pawl_task_init(&tasks[i], square, as_value(i));
        entries[i] = (pawl_future_entry){.future = &tasks[i].future};
        MUST(pawl_pool_submit(pool, &tasks[i]));
    }
    MUST(pawl_as_completed_begin(&completed, entries, TASKS));
    while (pawl_as_completed_next(&completed, &which) == 0) {
        void *value = NULL;
        int status = -1;

        REQUIRE(!seen[which]);
        seen[which] = true;
        MUST(pawl_future_try_result(&tasks[which].future, &status, &value));
        REQUIRE(status == 0 && value == as_value((int)(which * which)));
        SAY("%zu squared is %d", which, (int)(intptr_t)value);
        sum += (int)(intptr_t)value;
    }
    pawl_as_completed_end(&completed);
    REQUIRE(sum == 140);
    return sum;
}

static int wait_for_event(pawl_task *task, void *event)
{
    (void)task;
    return pawl_event_wait(event);
}

static int fail(pawl_task *task, void *unused)
{
    (void)task;
    (void)unused;
    return -EIO; /* the task's status, not that of any wait */
}

static void wait_for_first_and_all(pawl_pool *pool)
{
    static pawl_event go = PAWL_EVENT_INIT;
    pawl_task tasks[2];
    pawl_future_entry entries[2];
    int status = 0;

    pawl_task_init(&tasks[0], wait_for_event, &go);
    pawl_task_init(&tasks[1], fail, NULL);
    for (int i = 0; i < 2; i++) {
        entries[i] = (pawl_future_entry){.future = &tasks[i].future};
        MUST(pawl_pool_submit(pool, &tasks[i]));
    }
    MUST(pawl_future_wait(entries, 2, PAWL_FUTURE_FIRST_COMPLETED));
    REQUIRE(!entries[0].done && entries[1].done);
    MUST(pawl_future_wait(entries, 2, PAWL_FUTURE_FIRST_FAILED));
    MUST_BE(-EAGAIN,
            pawl_future_try_wait(entries, 2, PAWL_FUTURE_ALL_COMPLETED));
    pawl_event_set(&go);
    MUST(pawl_future_wait(entries, 2, PAWL_FUTURE_ALL_COMPLETED));
    MUST(pawl_future_result(&tasks[1].future, &status, NULL));
    REQUIRE(status == -EIO);
}

static int never(pawl_task *task, void *unused)
{
    (void)task;
    (void)unused;
    example_fails(__FILE__, __LINE__, "a cancelled task", " runs");
}

static pawl_event inside = PAWL_EVENT_INIT;
static pawl_event done = PAWL_EVENT_INIT;

static int occupy(pawl_task *task, void *unused)
{
    (void)task;
    (void)unused;
    pawl_event_set(&inside);
    return pawl_event_wait(&done);
}

static int wait_for_result(void *future)
{
    return pawl_future_result(future, NULL, NULL);
}

/* The only worker is busy: what stands in line can be cancelled, and who waits for
 * it is told; what runs cannot. */
static void cancel(void)
{
    pawl_pool *pool = make_pool(1, false);
    pawl_task busy = PAWL_TASK_INIT(occupy, NULL);
    pawl_task idle = PAWL_TASK_INIT(never, NULL);
    pawl_task shut_down = PAWL_TASK_INIT(never, NULL);
    pawl_thread waiter;
    int status = 0;

    MUST(pawl_pool_submit(pool, &busy));
    MUST(pawl_event_wait(&inside));
    MUST(pawl_pool_submit(pool, &idle));
    MUST(pawl_pool_submit(pool, &shut_down));
    MUST(PAWL_THREAD_INIT(&waiter, wait_for_result, &idle.future));
    MUST(pawl_thread_start(&waiter));
    MUST(pawl_future_cancel(&idle.future));
    MUST(pawl_future_cancel(&idle.future)); /* twice is fine */
    MUST_BE(-EBUSY, pawl_future_cancel(&busy.future));
    MUST(pawl_thread_join(&waiter, &status));
    REQUIRE(status == -ECANCELED);

    MUST(pawl_pool_shutdown(pool, true)); /* and cancel the rest */
    MUST_BE(-ECANCELED, pawl_future_result(&shut_down.future, NULL, NULL));
    pawl_event_set(&done);
    MUST(pawl_pool_end(pool));
    MUST(pawl_task_settle(&idle));
    MUST(pawl_task_settle(&shut_down));
    MUST_BE(-EALREADY, pawl_future_cancel(&busy.future));
}

struct order {
    pawl_future_callback place;
    int number;
};

static int called[3];
static int calls;

static void note_order(pawl_future *f, void *context)
{
    REQUIRE(pawl_future_is_done(f));
    called[calls++] = ((struct order *)context)->number;
}

/* Callbacks come in the order in which they were added, late ones at once. */
static void call_back(void)
{
    pawl_future f = PAWL_FUTURE_INIT;
    struct order orders[3];

    for (int i = 0; i < 3; i++) {
        orders[i].number = i;
        if (i == 2)
            MUST(pawl_future_set(&f, 0, NULL));
        MUST(pawl_future_add_callback(&f, &orders[i].place, note_order,
                                      &orders[i]));
    }
    REQUIRE(calls == 3);
    for (int i = 0; i < 3; i++)
        REQUIRE(called[i] == i);
}

/* Fibonacci: each task waits for one that it has submitted to the same pool.  With
 * one worker that would be the end, if it did not run others while it waits. */
static int fibonacci(pawl_task *task, void *arg)
{
    int n = (int)(intptr_t)arg;
    pawl_task one;
    pawl_task two;
    void *a = NULL;
    void *b = NULL;

    task->value = as_value(n);
    if (n < 2)
        return 0;
    pawl_task_init(&one, fibonacci, as_value(n - 1));
    pawl_task_init(&two, fibonacci, as_value(n - 2));
    MUST(pawl_pool_submit(pawl_pool_current(), &one));
    MUST(pawl_pool_submit(pawl_pool_current(), &two));
    MUST(pawl_future_result(&one.future, NULL, &a));
    MUST(pawl_future_result(&two.future, NULL, &b));
    task->value = as_value((int)((intptr_t)a + (intptr_t)b));
    return 0;
}

static int nested(void)
{
    pawl_pool *pool = make_pool(1, true);
    pawl_task task = PAWL_TASK_INIT(fibonacci, as_value(10));
    void *value = NULL;

    MUST(pawl_pool_submit(pool, &task));
    MUST(pawl_future_result(&task.future, NULL, &value));
    MUST(pawl_pool_end(pool));
    REQUIRE(value == as_value(55));
    return (int)(intptr_t)value;
}

int main(int argc, char **argv)
{
    pawl_pool *pool;
    int sum;

    example_begins(argc, argv);
    pool = make_pool(WORKERS, false);
    sum = as_they_complete(pool);
    wait_for_first_and_all(pool);
    MUST(pawl_pool_end(pool));
    cancel();
    call_back();
    SAY("OK squares sum to %d; 2 cancelled; 3 callbacks in order; nested: %d",
        sum, nested());
    return 0;
}
