/* SPDX-License-Identifier: MIT
 *
 * latch_shared_test.c - the latch between processes.
 */
#include <signal.h>
#include <stdatomic.h>

#include <pawl/error.h>
#include <pawl/latch.h>

#include "team.h"
#include "test.h"

enum { PROCESSES = 4, LATCHES = 300 };

struct rig {
    pawl_latch l[LATCHES];
    int latches;
    int written[LATCHES][PROCESSES];
    _Atomic int accepted;
};

static struct rig *make_rig(void *at, int count)
{
    struct rig *r = at;

    r->latches = test_iterations(LATCHES);
    if (r->latches > LATCHES)
        r->latches = LATCHES;
    for (int i = 0; i < r->latches; i++)
        CHECK_OK(pawl_latch_init(&r->l[i], count, PAWL_SHARED));
    return r;
}

static void count_and_wait(struct member *me, struct rig *r)
{
    for (int i = 0; i < r->latches; i++) {
        r->written[i][me->index] = i + 1;
        if (test_rand_below(&me->random, 2) == 0) {
            CHECK_OK(pawl_latch_arrive_and_wait(&r->l[i], PAWL_FOREVER));
        } else {
            int err = pawl_latch_arrive_and_wait(&r->l[i], team_soon(me, 50));

            while (err == -ETIMEDOUT)
                err = pawl_latch_wait_until(&r->l[i], team_soon(me, 50));
            CHECK_OK(err);
        }
        for (int k = 0; k < PROCESSES; k++)
            CHECK_EQ(r->written[i][k], i + 1);
    }
}

static void count_and_wait_here(struct member *me)
{
    count_and_wait(me, me->rig);
}

/* Invariant: nobody passes before all have counted, and all pass. */
TEST(latch_shared.opens_for_all_processes)
{
    struct rig *r = make_rig(test_shared_alloc(sizeof *r), PROCESSES);

    team_of_processes(PROCESSES, count_and_wait_here, r);
}

static void count_and_wait_elsewhere(struct member *me)
{
    count_and_wait(me, view_again(me->rig, false));
}

/* the same, each process with an address of its own. */
TEST(latch_shared.works_at_different_addresses)
{
    struct view v = view_make(sizeof(struct rig));

    make_rig(v.at, PROCESSES);
    team_of_processes(PROCESSES, count_and_wait_elsewhere, &v);
}

static void count_too_much(struct member *me)
{
    struct rig *r = me->rig;

    for (int i = 0; i < r->latches; i++) {
        int n;

        do {
            n = 1 + (int)test_rand_below(&me->random, 3);
            if (pawl_latch_count_down(&r->l[i], n) == 0)
                atomic_fetch_add(&r->accepted, n);
            else
                n--; /* the rest may be less */
        } while (n > 0 || pawl_latch_count(&r->l[i]) > 0);
        CHECK_OK(pawl_latch_wait(&r->l[i]));
    }
}

/* Invariant: what was accepted is what was there. */
TEST(latch_shared.counting_too_much_takes_nothing)
{
    struct rig *r = make_rig(test_shared_alloc(sizeof *r), 50);

    team_of_processes(PROCESSES, count_too_much, r);
    CHECK_EQ(atomic_load(&r->accepted), 50 * r->latches);
}

static void wait_for_it(void *l)
{
    CHECK_OK(pawl_latch_wait(l));
}

/* A waiter that was killed leaves nothing behind. */
TEST(latch_shared.killed_waiter_harms_nobody)
{
    struct rig *r = make_rig(test_shared_alloc(sizeof *r), 1);

    for (int i = 0; i < 10; i++) {
        pid_t child[2];

        for (int k = 0; k < 2; k++)
            child[k] = test_spawn_child(wait_for_it, &r->l[i]);
        for (int k = 0; k < 2; k++)
            test_until_asleep(child[k]);
        CHECK_EQ(kill(child[0], SIGKILL), 0);
        test_reap_child(child[0]);
        CHECK_OK(pawl_latch_count_down(&r->l[i], 1));
        test_wait_child(child[1]);
    }
}
