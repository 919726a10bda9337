/* SPDX-License-Identifier: MIT
 *
 * barrier_shared_test.c - the barrier between processes (B-13, H-03).
 */
#include <stdatomic.h>

#include <pawl/barrier.h>
#include <pawl/error.h>

#include "team.h"
#include "test.h"

enum { PARTIES = 4 };

struct rig {
    pawl_barrier b;
    int rounds;
    int slot[2][PARTIES]; /* plain: the barrier orders them */
    int sum[2];
    int actions;
    _Atomic int of_index[PARTIES];
    _Atomic int passed;
};

static struct rig *make_rig(void *at, int rounds)
{
    struct rig *r = at;

    CHECK_OK(pawl_barrier_init(&r->b, PARTIES, PAWL_FOREVER, PAWL_SHARED));
    r->rounds = test_iterations(rounds);
    return r;
}

/* The function has the same address in all of these processes; what counts is
 * that none is kept in the barrier. */
static int sum_up(uint32_t generation, void *arg)
{
    struct rig *r = arg;

    r->actions++;
    r->sum[generation % 2] = 0;
    for (int i = 0; i < PARTIES; i++)
        r->sum[generation % 2] += r->slot[generation % 2][i];
    return 0;
}

static void go_round(struct member *me, struct rig *r)
{
    for (int round = 0; round < r->rounds; round++) {
        int index;

        r->slot[round % 2][me->index] = round;
        index = pawl_barrier_wait_action(&r->b, sum_up, r, PAWL_FOREVER);
        CHECK(index >= 0 && index < PARTIES);
        atomic_fetch_add(&r->of_index[index], 1);
        CHECK_EQ(r->sum[round % 2], PARTIES * round);
    }
}

static void check_rounds(const struct rig *r)
{
    for (int i = 0; i < PARTIES; i++)
        CHECK_EQ(atomic_load(&r->of_index[i]), r->rounds);
    CHECK_EQ(r->actions, r->rounds);
    CHECK_EQ(pawl_barrier_n_waiting(&r->b), 0);
}

static void go_round_here(struct member *me)
{
    go_round(me, me->rig);
}

/* B-02, B-05, B-13: Invariant: each index and the action once per generation,
 * and all see what all wrote before. */
TEST(barrier_shared.generations_are_complete)
{
    struct rig *r = make_rig(test_shared_alloc(sizeof *r), 2000);

    team_of_processes(PARTIES, go_round_here, r);
    check_rounds(r);
}

static void go_round_elsewhere(struct member *me)
{
    go_round(me, view_again(me->rig, false));
}

/* B-13, R-09: the same, each process with an address of its own. */
TEST(barrier_shared.works_at_different_addresses)
{
    struct view v = view_make(sizeof(struct rig));
    struct rig *r = make_rig(v.at, 1000);

    team_of_processes(PARTIES, go_round_elsewhere, &v);
    check_rounds(r);
}

static int fail_at_times(uint32_t generation, void *rig)
{
    struct rig *r = rig;

    CHECK_ERR(pawl_barrier_try_wait(&r->b), -EDEADLK);
    return generation % 5 == 3 ? -EIO : 0;
}

static void weather(struct member *me)
{
    struct rig *r = me->rig;

    while (atomic_load(&r->passed) < r->rounds) {
        int index = pawl_barrier_wait_action(
            &r->b, fail_at_times, r,
            test_rand_below(&me->random, 16) == 0 ? team_soon(me, 100)
                                                  : PAWL_FOREVER);

        if (index >= 0) {
            atomic_fetch_add(&r->of_index[index], 1);
            if (index == PARTIES - 1)
                atomic_fetch_add(&r->passed, 1);
            continue;
        }
        CHECK(index == -ECANCELED || index == -ETIMEDOUT || index == -EIO);
        if (pawl_barrier_broken(&r->b) && test_rand_below(&me->random, 2) == 0)
            CHECK_OK(pawl_barrier_reset(&r->b));
    }
    CHECK_OK(pawl_barrier_abort(&r->b, 1));
}

/* B-03, B-06, B-08: deadlines, failing actions, resets.  Invariant: every index
 * was returned equally often: a generation passes as a whole or not at all. */
TEST(barrier_shared.all_pass_or_none)
{
    struct rig *r = make_rig(test_shared_alloc(sizeof *r), 1000);

    team_of_processes(PARTIES, weather, r);
    for (int i = 1; i < PARTIES; i++)
        CHECK_EQ(atomic_load(&r->of_index[i]), atomic_load(&r->of_index[0]));
}

static void wait_and_be_cancelled(void *b)
{
    CHECK_ERR(pawl_barrier_wait(b), -ECANCELED);
}

/* B-07, B-08: abort and reset reach sleepers of other processes. */
TEST(barrier_shared.abort_and_reset_cancel_other_processes)
{
    struct rig *r = make_rig(test_shared_alloc(sizeof *r), 1);

    for (int round = 0; round < 20; round++) {
        pid_t child[PARTIES - 1];

        for (int i = 0; i < PARTIES - 1; i++)
            child[i] = test_spawn_child(wait_and_be_cancelled, &r->b);
        for (int i = 0; i < PARTIES - 1; i++)
            test_until_asleep(child[i]);
        CHECK_EQ(pawl_barrier_n_waiting(&r->b), PARTIES - 1);
        if (round % 2 == 0)
            CHECK_OK(pawl_barrier_abort(&r->b, 5));
        CHECK_OK(pawl_barrier_reset(&r->b));
        for (int i = 0; i < PARTIES - 1; i++)
            test_wait_child(child[i]);
    }
}
