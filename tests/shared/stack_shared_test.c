/* SPDX-License-Identifier: MIT
 *
 * stack_shared_test.c - the lock-free stack between processes.
 */
#include <pawl/stack.h>

#include "stack_cases.h"

enum { MEMORY = 4096, PROCESSES = 4 };

struct place {
    struct stack_rig *rig; /* shared */
    struct view view;
};

static void elsewhere(struct member *me)
{
    struct place *p = me->rig;
    struct stack_rig *r = p->rig;
    pawl_stack *here = NULL;

    CHECK_OK(pawl_stack_attach(&here, view_again(&p->view, false), MEMORY));
    /* The rig is shared, so it cannot hold the address. */
    me->rig = r;
    stack_member_at(me, here);
}

/* at different addresses. */
TEST(stack_shared.works_at_different_addresses)
{
    struct place p = {.rig = test_shared_alloc(sizeof *p.rig),
                      .view = view_make(MEMORY)};
    pawl_stack *s = NULL;

    CHECK_OK(pawl_stack_init(&s, p.view.at, MEMORY, 5, 3 * sizeof(uint64_t),
                             PROCESSES));
    p.rig->threads = PROCESSES;
    p.rig->words = 3;
    p.rig->rounds = test_iterations(30000);
    team_of_processes(PROCESSES, elsewhere, &p);
    p.rig->s = s;
    stack_check(p.rig);
}
