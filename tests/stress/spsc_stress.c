/* SPDX-License-Identifier: MIT
 *
 * spsc_stress.c - one producer and one consumer at full speed.
 */
#include <pawl/spsc.h>

#include "spsc_cases.h"

static void stream(size_t capacity, uint32_t words)
{
    /* With little room each element may cost a change of threads. */
    int n = capacity > 10 ? 300000 : 20000;
    struct spsc_rig r = {.n = (uint64_t)test_iterations(n), .words = words};

    CHECK_OK(pawl_spsc_create(&r.q, capacity, words * sizeof(uint64_t)));
    team_of_threads(3, spsc_member, &r);
    CHECK_EQ(pawl_spsc_size(r.q), 0);
    pawl_spsc_free(r.q);
}

/* Invariant: everything comes, once, in order and whole. */
TEST(spsc_stress.delivers_all_in_order)
{
    stream(1, 1);
    stream(3, 1);
    stream(1000, 1);
}

TEST(spsc_stress.delivers_large_elements_whole)
{
    stream(1, 9);
    stream(5, 9);
}
