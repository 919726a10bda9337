/* SPDX-License-Identifier: MIT
 *
 * wait_shared_test.c - wait sets over objects that processes share.
 */
#include "wait_rig.h"

struct place {
    struct view view;
};

static void elsewhere(struct member *me)
{
    struct place *p = me->rig;

    me->rig = view_again(&p->view, false);
    wait_rig_member(me);
}

static void run(struct wait_plan plan)
{
    struct place p = {.view = view_make(sizeof(struct wait_rig))};

    wait_rig_init(p.view.at, plan, PAWL_SHARED);
    team_of_processes(wait_rig_members(&plan), elsewhere, &p);
    wait_rig_check(p.view.at);
}

/* at different addresses; every permit and element is taken once. */
TEST(wait_shared.everything_is_taken_once)
{
    run((struct wait_plan){1, 1, 0, 5000, .timed = false});
    run((struct wait_plan){2, 3, 3, 3000, .timed = false});
    run((struct wait_plan){2, 3, 3, 3000, .timed = true});
}

TEST(wait_shared.locks_taken_in_all_ways_exclude)
{
    run((struct wait_plan){2, 2, 2, 2000, .lockers = true});
}

/* Some of them only looked at now and then. */
TEST(wait_shared.with_many_objects)
{
    run((struct wait_plan){2, 2, 2, 200, .padded = true});
}
