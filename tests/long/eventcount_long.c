/* SPDX-License-Identifier: MIT
 *
 * eventcount_long.c - a hundred million hand-overs through an event count.
 *
 * One PAWL_TEST_LONG is five million; tools/test --long sets 20.
 */
#include "eventcount_cases.h"

/* Invariant: every item is taken, everybody gets through. */
TEST(eventcount_long.one_to_one_loses_no_wake)
{
    TEST_TIMEOUT(600);
    hand_over((struct plan){1, 1, 1, 2500000, false});
}

TEST(eventcount_long.many_to_many_loses_no_wake)
{
    TEST_TIMEOUT(600);
    hand_over((struct plan){4, 4, 1, 625000, true});
}
