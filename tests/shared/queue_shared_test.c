/* SPDX-License-Identifier: MIT
 *
 * queue_shared_test.c - the blocking queue between processes.
 */
#include "queue_cases.h"

enum { MEMORY = 1 << 16 };

struct place {
    struct queue_rig *rig; /* shared */
    struct view view;
};

static void elsewhere(struct member *me)
{
    struct place *p = me->rig;
    pawl_queue *here = NULL;

    CHECK_OK(pawl_queue_attach(&here, view_again(&p->view, false), MEMORY));
    queue_member_at(me, p->rig, here);
}

static void run(size_t capacity, struct queue_plan plan)
{
    struct place p = {.rig = test_shared_alloc(sizeof *p.rig),
                      .view = view_make(MEMORY)};
    pawl_queue *q = NULL;

    queue_rig_init(p.rig, plan);
    CHECK_OK(pawl_queue_init(
        &q, p.view.at, MEMORY,
        &(pawl_queue_options){.capacity = capacity,
                              .element_size = plan.words * sizeof(uint64_t),
                              .flags = PAWL_SHARED,
                              .participants = 4}));
    team_of_processes(plan.producers + plan.consumers, elsewhere, &p);
    queue_check(p.rig, q);
}

/* at different addresses, everything comes once and in order. */
TEST(queue_shared.processes_deliver_once_in_order)
{
    run(1, (struct queue_plan){2, 2, 4000, .words = 1});
    run(3, (struct queue_plan){2, 2, 4000, .words = 3});
    run(64, (struct queue_plan){3, 3, 10000, .words = 1});
}

TEST(queue_shared.join_waits_for_all_tasks)
{
    run(2, (struct queue_plan){2, 2, 4000, .words = 1, .tasks = true});
}

/* a shutdown is seen by all processes. */
TEST(queue_shared.shutdown_loses_nothing)
{
    for (int i = test_iterations(20); i > 0; i--)
        run(1 + (size_t)i % 4,
            (struct queue_plan){2, 2, 60, .words = 1, .early = true});
}
