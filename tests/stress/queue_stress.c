/* SPDX-License-Identifier: MIT
 *
 * queue_stress.c - the blocking queue among many threads, in all its kinds.
 */
#include "queue_cases.h"

static const struct {
    enum pawl_queue_kind kind;
    unsigned flags;
} kinds[] = {
    {PAWL_QUEUE_FIFO, 0},     {PAWL_QUEUE_FIFO, PAWL_UNBOUNDED},
    {PAWL_QUEUE_LIFO, 0},     {PAWL_QUEUE_LIFO, PAWL_UNBOUNDED},
    {PAWL_QUEUE_PRIORITY, 0}, {PAWL_QUEUE_PRIORITY, PAWL_UNBOUNDED},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void run(int kind, size_t capacity, struct queue_plan plan)
{
    struct queue_rig r = {0};
    pawl_queue_options o;

    plan.kind = kinds[kind].kind;
    plan.flags = kinds[kind].flags;
    o = queue_options(&plan, capacity);
    queue_rig_init(&r, plan);
    CHECK_OK(pawl_queue_create(&r.q, &o));
    team_of_threads(plan.producers + plan.consumers, queue_member, &r);
    queue_check(&r, r.q);
    pawl_queue_free(r.q);
}

static void deliver(int kind)
{
    run(kind, 1, (struct queue_plan){1, 1, 30000, .words = 1});
    run(kind, 1, (struct queue_plan){4, 4, 5000, .words = 1});
    run(kind, 3, (struct queue_plan){3, 1, 10000, .words = 1});
    run(kind, 3, (struct queue_plan){1, 5, 20000, .words = 1});
    run(kind, 64, (struct queue_plan){4, 4, 20000, .words = 1});
    run(kind, 1, (struct queue_plan){2, 2, 5000, .words = QUEUE_WORDS});
    run(kind, 7, (struct queue_plan){4, 4, 5000, .words = 3});
}

/* Invariant: everything comes once and whole, in the order of its
 * producer. */
TEST(queue_stress.fifo_delivers_once_in_order)
{
    deliver(0);
}

/* */
TEST(queue_stress.unbounded_fifo_delivers_once_in_order)
{
    deliver(1);
}

/* Invariant: everything comes once and whole. */
TEST(queue_stress.lifo_delivers_once)
{
    deliver(2);
}

TEST(queue_stress.unbounded_lifo_delivers_once)
{
    deliver(3);
}

/* Invariant: everything comes once and whole, what a producer has put with
 * rising keys in that order. */
TEST(queue_stress.priority_delivers_once_in_order)
{
    deliver(4);
}

TEST(queue_stress.unbounded_priority_delivers_once_in_order)
{
    deliver(5);
}

/* Invariant: join returns, and only when all is reported. */
TEST(queue_stress.join_waits_for_all_tasks)
{
    for (int i = test_iterations(20); i > 0; i--)
        for (int kind = 0; kind < KINDS; kind++)
            run(kind, 2,
                (struct queue_plan){2, 3, 1000, .words = 1, .tasks = true});
}

/* Invariant: a put that races with the shutdown is either delivered or
 * refused, and everybody is released. */
TEST(queue_stress.shutdown_loses_nothing)
{
    for (int i = test_iterations(100); i > 0; i--) {
        for (int kind = 0; kind < KINDS; kind++) {
            run(kind, 1 + (size_t)i % 4,
                (struct queue_plan){3, 3, 60, .words = 1, .early = true});
            run(kind, 1 + (size_t)i % 4,
                (struct queue_plan){3, 2, 40, .words = 3, .early = true});
        }
    }
}

/* the same, and what is discarded is accounted for. */
TEST(queue_stress.shutdown_now_loses_nothing)
{
    for (int i = test_iterations(100); i > 0; i--)
        for (int kind = 0; kind < KINDS; kind++)
            run(kind, 1 + (size_t)i % 4,
                (struct queue_plan){3, 3, 60, .words = 1, .early = true,
                                    .now = true});
}
