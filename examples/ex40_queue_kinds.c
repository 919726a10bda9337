/* SPDX-License-Identifier: MIT
 *
 * Queues: first in first out, last in first out, by priority; a deque that keeps the
 * last three; and two ways to shut one down.
 */
#include "example.h"

struct task {
    uint64_t priority; /* the key */
    char name[8];
};

static const struct task tasks[] = {
    {2, "b"}, {1, "a"}, {3, "d"}, {2, "c"}, /* b and c are equals */
};
enum { TASKS = sizeof tasks / sizeof *tasks };

/* In which order the tasks come out of a queue of this kind. */
static void check_order(enum pawl_queue_kind kind, const char *want)
{
    pawl_queue *q = NULL;
    char order[TASKS + 1] = "";

    MUST(pawl_queue_create(&q,
                           &(pawl_queue_options){.capacity = TASKS,
                                                 .element_size = sizeof *tasks,
                                                 .kind = kind}));
    for (int i = 0; i < TASKS; i++)
        MUST(pawl_queue_try_put(q, &tasks[i]));
    MUST_BE(-EAGAIN, pawl_queue_try_put(q, &tasks[0])); /* full */
    for (int i = 0; i < TASKS; i++) {
        struct task t;

        MUST(pawl_queue_try_get(q, &t));
        order[i] = t.name[0];
    }
    SAY("%s comes out", order);
    REQUIRE(strcmp(order, want) == 0);
    pawl_queue_free(q);
}

/* The last three of ten; what is dropped is shown. */
static void keep_three(void)
{
    pawl_deque *d = NULL;
    int dropped = -1;
    int last = 0;

    MUST(pawl_deque_create(
        &d, &(pawl_deque_options){.capacity = 3, .element_size = sizeof(int)}));
    for (int i = 0; i < 10; i++) {
        int n = pawl_deque_push_back_dropping(d, &i, &dropped);

        REQUIRE(n == (i < 3 ? 0 : 1));
        REQUIRE(i < 3 || dropped == i - 3);
    }
    for (int i = 7; i < 10; i++) {
        MUST(pawl_deque_try_pop_front(d, &last));
        REQUIRE(last == i);
    }
    MUST_BE(-EAGAIN, pawl_deque_try_pop_front(d, &last));
    pawl_deque_free(d);
}

static pawl_queue *make_full(void)
{
    pawl_queue *q = NULL;

    MUST(pawl_queue_create(
        &q, &(pawl_queue_options){.capacity = 3, .element_size = sizeof(int)}));
    for (int i = 0; i < 3; i++)
        MUST(pawl_queue_try_put(q, &i));
    return q;
}

/* What is in it is still delivered. */
static void shut_down(void)
{
    pawl_queue *q = make_full();
    int item = 0;

    MUST(pawl_queue_shutdown(q));
    MUST_BE(-ESHUTDOWN, pawl_queue_put(q, &item));
    for (int i = 0; i < 3; i++)
        MUST(pawl_queue_get(q, &item));
    MUST_BE(-ESHUTDOWN, pawl_queue_get(q, &item));
    pawl_queue_free(q);
}

static int finish(void *q)
{
    example_sleep(1);
    return pawl_queue_task_done(q);
}

/* What is in it is dropped; what somebody works on is still waited for. */
static void shut_down_now(void)
{
    pawl_queue *q = make_full();
    pawl_thread worker;
    double began = example_elapsed();
    int item = 0;

    MUST(pawl_queue_get(q, &item)); /* in flight */
    MUST(PAWL_THREAD_INIT(&worker, finish, q));
    MUST(pawl_thread_start(&worker));
    REQUIRE(pawl_queue_shutdown_now(q, NULL, NULL) == 2);
    MUST_BE(-ESHUTDOWN, pawl_queue_get(q, &item));
    MUST(pawl_queue_join(q));
    REQUIRE(example_elapsed() - began >= 1);
    REQUIRE(pawl_queue_unfinished(q) == 0);
    MUST(pawl_thread_join(&worker, NULL));
    pawl_queue_free(q);
}

int main(int argc, char **argv)
{
    example_begins(argc, argv);
    check_order(PAWL_QUEUE_FIFO, "badc");
    check_order(PAWL_QUEUE_LIFO, "cdab");
    check_order(PAWL_QUEUE_PRIORITY, "abcd");
    keep_three();
    shut_down();
    shut_down_now();
    SAY("OK badc, cdab, abcd; 7 of 10 dropped; 2 of 3 discarded");
    return 0;
}
