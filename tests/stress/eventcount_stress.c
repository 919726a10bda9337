/* SPDX-License-Identifier: MIT
 *
 * eventcount_stress.c - hand-overs through an event count among many threads.
 *
 * The structure is a counter of items; what is at stake is the wake-up.  A lost
 * one shows as a hang.
 */
#include <pawl/error.h>
#include <pawl/eventcount.h>

#include "eventcount_cases.h"

/* Invariant: every item is taken, everybody gets through. */
TEST(eventcount_stress.one_to_one_loses_no_wake)
{
    hand_over((struct plan){1, 1, 1, 60000, false});
}

TEST(eventcount_stress.many_to_many_loses_no_wake)
{
    hand_over((struct plan){3, 3, 1, 20000, false});
}

TEST(eventcount_stress.batches_wake_enough)
{
    hand_over((struct plan){1, 4, 3, 20000, false});
}

/* Invariant: a wait that times out takes no wake with it. */
TEST(eventcount_stress.timeouts_lose_no_wake)
{
    hand_over((struct plan){2, 4, 1, 15000, true});
}
