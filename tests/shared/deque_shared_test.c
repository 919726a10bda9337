/* SPDX-License-Identifier: MIT
 *
 * deque_shared_test.c - the blocking deque between processes.
 */
#include "deque_cases.h"

enum { MEMORY = 1 << 14 };

struct place {
    struct deque_rig *rig; /* shared */
    struct view view;
};

static void elsewhere(struct member *me)
{
    struct place *p = me->rig;
    pawl_deque *here = NULL;

    CHECK_OK(pawl_deque_attach(&here, view_again(&p->view, false), MEMORY));
    deque_member_at(me, p->rig, here);
}

static void run(size_t capacity, struct deque_plan plan)
{
    struct place p = {.rig = test_shared_alloc(sizeof *p.rig),
                      .view = view_make(MEMORY)};
    pawl_deque_options o;
    pawl_deque *d = NULL;

    plan.flags |= PAWL_SHARED;
    o = deque_rig_init(p.rig, plan, capacity);
    CHECK_OK(pawl_deque_init(&d, p.view.at, MEMORY, &o));
    team_of_processes(plan.producers + plan.consumers, elsewhere, &p);
    deque_check(p.rig, d);
}

/* R-09, D-11: at different addresses, everything comes once. */
TEST(deque_shared.processes_deliver_once)
{
    run(1, (struct deque_plan){2, 2, 2000, .flags = 0});
    run(5, (struct deque_plan){2, 2, 4000, .flags = 0});
    run(64, (struct deque_plan){3, 3, 4000, .queue = true});
}

/* A shutdown is seen by all processes. */
TEST(deque_shared.shutdown_loses_nothing)
{
    for (int i = test_iterations(20); i > 0; i--)
        run(1 + (size_t)i % 4, (struct deque_plan){2, 2, 60, .early = true});
}
