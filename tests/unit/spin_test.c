/* SPDX-License-Identifier: MIT
 *
 * spin_test.c - the waiting machine: when it spins, and how it learns.
 */
#include <sched.h>
#include <stdlib.h>

#include <pawl/time.h>

#include "atomic/ops.h"
#include "futex/spin.h"
#include "queue/end.h"
#include "test.h"

/* Spin in vain until the budget is spent; how long it was. */
static uint32_t spin_in_vain(enum pawl_spin_kind kind)
{
    struct pawl_spin s;

    if (!pawl_spin_begins(&s, kind))
        return 0;
    while (pawl_spin_again(&s))
        ;
    pawl_spin_ends(&s, false);
    return s.spent;
}

/* Have a spin pay after `pauses`. */
static void spin_with_success(enum pawl_spin_kind kind, uint32_t pauses)
{
    struct pawl_spin s;

    CHECK(pawl_spin_begins(&s, kind));
    while (s.spent < pauses && pawl_spin_again(&s))
        ;
    pawl_spin_ends(&s, true);
}

static void pin_to_one_cpu(void)
{
    cpu_set_t set;
    size_t cpu = (size_t)sched_getcpu();

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    CHECK_EQ(sched_setaffinity(0, sizeof set, &set), 0);
}

TEST(spin.nobody_spins_where_one_cpu_is_allowed)
{
    unsetenv("PAWL_SPIN");
    pin_to_one_cpu();
    CHECK_EQ(spin_in_vain(PAWL_SPIN_MUTEX), 0);
    CHECK_EQ(pawl_spin_cpus(), 1);
    CHECK(!pawl_spin_patiently(PAWL_SPIN_MUTEX));
}

/* ... by the only thread that has counted: it finds out that it has more now. */
TEST(spin.cpus_are_counted_again)
{
    cpu_set_t all;
    int waits = 0;

    if (!test_can_ask_for_cpus() || pawl_spin_count_cpus() < 2)
        TEST_SKIP("there is one CPU, or nobody knows how many");
    unsetenv("PAWL_SPIN");
    CHECK_EQ(sched_getaffinity(0, sizeof all, &all), 0);
    pin_to_one_cpu();
    for (int i = 0; i < 3000; i++)
        CHECK_EQ(spin_in_vain(PAWL_SPIN_SEM), 0);
    CHECK_EQ(pawl_spin_cpus(), 1);
    CHECK_EQ(sched_setaffinity(0, sizeof all, &all), 0);
    while (spin_in_vain(PAWL_SPIN_SEM) == 0)
        CHECK(++waits <= 1025);
    CHECK_EQ(pawl_spin_cpus(), pawl_spin_count_cpus());
}

TEST(spin.zero_in_the_environment_forbids_it)
{
    setenv("PAWL_SPIN", "0", 1);
    for (int i = 0; i < 100; i++) /* it is not forgotten in between */
        for (int kind = 0; kind < PAWL_SPIN_KINDS; kind++)
            CHECK_EQ(spin_in_vain((enum pawl_spin_kind)kind), 0);
    CHECK(!pawl_spin_patiently(PAWL_SPIN_MUTEX));
}

TEST(spin.the_environment_allows_it_on_one_cpu_too)
{
    setenv("PAWL_SPIN", "20000", 1);
    pin_to_one_cpu();
    CHECK(spin_in_vain(PAWL_SPIN_SEM) > 0);
}

TEST(spin.nonsense_in_the_environment_is_harmless)
{
    setenv("PAWL_SPIN", "-5", 1);
    CHECK_EQ(spin_in_vain(PAWL_SPIN_SEM), 0);
}

/* Each spin in vain halves the budget, until nothing is left of it; success
 * restores twice of what it took, and more. */
TEST(spin.the_budget_is_learned)
{
    uint32_t full;
    uint32_t last;

    setenv("PAWL_SPIN", "100000", 1);
    full = spin_in_vain(PAWL_SPIN_EVENT);
    CHECK(full > 16);
    last = full;
    for (int i = 0; i < 20 && last > 0; i++) {
        uint32_t now = spin_in_vain(PAWL_SPIN_EVENT);

        CHECK(now <= last / 2 + 1);
        last = now;
    }
    CHECK_EQ(last, 0);
    /* Other kinds have learned nothing of it. */
    CHECK_EQ(spin_in_vain(PAWL_SPIN_SEM), full);
}

/* One late answer does not make a pair that hands over to one another sleep. */
TEST(spin.what_paid_is_not_cut_short)
{
    uint32_t full;

    setenv("PAWL_SPIN", "100000", 1);
    full = spin_in_vain(PAWL_SPIN_EVENT);
    CHECK_EQ(spin_in_vain(PAWL_SPIN_MUTEX), full);
    for (int i = 0; i < 10; i++) {
        spin_with_success(PAWL_SPIN_EVENT, 1);
        spin_with_success(PAWL_SPIN_MUTEX, 1);
    }
    CHECK_EQ(spin_in_vain(PAWL_SPIN_EVENT), full / 2);
    CHECK(spin_in_vain(PAWL_SPIN_MUTEX) < full / 4);
}

/* A wait that never spins would never find out that it pays again. */
TEST(spin.now_and_then_the_full_budget_is_tried_again)
{
    uint32_t full;
    int waits = 0;

    setenv("PAWL_SPIN", "50000", 1);
    full = spin_in_vain(PAWL_SPIN_EVENT);
    while (spin_in_vain(PAWL_SPIN_EVENT) != full)
        CHECK(++waits < 100);
    /* A probe in vain is forgotten at once. */
    CHECK_EQ(spin_in_vain(PAWL_SPIN_EVENT), 0);
    /* The next comes later, and its success is remembered. */
    for (waits = 0;; waits++) {
        struct pawl_spin s;

        CHECK(waits < 1000);
        if (!pawl_spin_begins(&s, PAWL_SPIN_EVENT))
            continue;
        CHECK(pawl_spin_again(&s));
        pawl_spin_ends(&s, true);
        break;
    }
    for (int i = 0; i < 10; i++)
        spin_with_success(PAWL_SPIN_EVENT, 8);
    CHECK(spin_in_vain(PAWL_SPIN_EVENT) >= 16);
}

/* With more threads than CPUs to run them, a wait yields. */
TEST(spin.a_crowd_yields)
{
    struct pawl_spin s;

    setenv("PAWL_SPIN", "10000", 1);
    CHECK(pawl_spin_begins_among(&s, PAWL_SPIN_BARRIER, pawl_spin_cpus() + 1));
    CHECK(s.yields);
    pawl_spin_ends(&s, true);
    CHECK(pawl_spin_begins_among(&s, PAWL_SPIN_BARRIER, pawl_spin_cpus()));
    CHECK(!s.yields);
    pawl_spin_ends(&s, true);
}

/* ---- at an end of a queue ----------------------------------------------------------- */

static bool spins_at(const struct pawl_end *end)
{
    struct pawl_spin s;
    bool spins = pawl_end_spins(end, &s);

    if (spins)
        pawl_spin_ends(&s, true);
    return spins;
}

/* H-20: a process with one CPU waits for one that is on another. */
TEST(spin.a_waker_on_another_cpu_is_worth_a_spin)
{
    struct pawl_end end;
    uint64_t seen;
    uint32_t here;

    unsetenv("PAWL_SPIN");
    pin_to_one_cpu();
    here = (uint32_t)sched_getcpu();
    pawl_end_init(&end, PAWL_SHARED);
    CHECK(!spins_at(&end)); /* nothing is known */
    CHECK_EQ(pawl_eventcount_prepare(&end.waiters), 0);
    CHECK(pawl_eventcount_is_heeded(&end.waiters, &seen));
    pawl_end_wake(&end, seen, 1);
    CHECK(!spins_at(&end)); /* the caller was here itself */
    CHECK_EQ(pawl_load_relaxed(&end.cpu), here + 1);
    pawl_store_relaxed(&end.cpu, here + 2);
    CHECK(spins_at(&end));
}
