/* SPDX-License-Identifier: MIT
 *
 * stack_stress.c - the lock-free stack among many threads.
 */
#include <pawl/stack.h>

#include "stack_cases.h"

static void storm(size_t capacity, int threads, uint32_t words)
{
    struct stack_rig r = {.threads = threads, .words = words};

    CHECK_OK(pawl_stack_create(&r.s, capacity, words * sizeof(uint64_t),
                               (size_t)threads));
    r.rounds = test_iterations(60000);
    team_of_threads(threads, stack_member, &r);
    stack_check(&r);
    pawl_stack_free(r.s);
}

/* Invariant: what went in came out once, or is there; never above capacity, and
 * never full or empty without reason. */
TEST(stack_stress.nothing_is_lost_or_doubled)
{
    storm(1, 4, 1);
    storm(2, 6, 1);
    storm(64, 4, 1);
}

TEST(stack_stress.large_elements_are_whole)
{
    storm(3, 4, 9);
}
