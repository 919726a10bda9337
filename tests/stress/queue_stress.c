/* SPDX-License-Identifier: MIT
 *
 * queue_stress.c - the blocking queue among many threads.
 */
#include "queue_cases.h"

static void run(size_t capacity, struct queue_plan plan)
{
    struct queue_rig r = {0};

    queue_rig_init(&r, plan);
    CHECK_OK(pawl_queue_create(
        &r.q, &(pawl_queue_options){.capacity = capacity,
                                    .element_size =
                                        plan.words * sizeof(uint64_t),
                                    .participants = 4}));
    team_of_threads(plan.producers + plan.consumers, queue_member, &r);
    queue_check(&r, r.q);
    pawl_queue_free(r.q);
}

/* Invariant: everything comes once, in the order of its producer. */
TEST(queue_stress.delivers_once_in_order)
{
    run(1, (struct queue_plan){1, 1, 30000, .words = 1});
    run(1, (struct queue_plan){4, 4, 5000, .words = 1});
    run(3, (struct queue_plan){3, 1, 10000, .words = 1});
    run(3, (struct queue_plan){1, 5, 20000, .words = 1});
    run(64, (struct queue_plan){4, 4, 20000, .words = 1});
}

TEST(queue_stress.delivers_large_elements_whole)
{
    run(1, (struct queue_plan){2, 2, 5000, .words = QUEUE_WORDS});
    run(7, (struct queue_plan){4, 4, 5000, .words = 3});
}

/* Invariant: join returns, and only when all is reported. */
TEST(queue_stress.join_waits_for_all_tasks)
{
    for (int i = test_iterations(20); i > 0; i--)
        run(2, (struct queue_plan){2, 3, 1000, .words = 1, .tasks = true});
}

/* Invariant: a put that races with the shutdown is either delivered or
 * refused, and everybody is released. */
TEST(queue_stress.shutdown_loses_nothing)
{
    for (int i = test_iterations(150); i > 0; i--) {
        run(1 + (size_t)i % 4,
            (struct queue_plan){3, 3, 60, .words = 1, .early = true});
        run(1 + (size_t)i % 4,
            (struct queue_plan){3, 2, 40, .words = 3, .early = true});
    }
}

/* the same, and what is discarded is accounted for. */
TEST(queue_stress.shutdown_now_loses_nothing)
{
    for (int i = test_iterations(150); i > 0; i--)
        run(1 + (size_t)i % 4, (struct queue_plan){3, 3, 60, .words = 1,
                                                   .early = true, .now = true});
}
