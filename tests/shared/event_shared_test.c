/* SPDX-License-Identifier: MIT
 *
 * event_shared_test.c - the event between processes (E-06, H-03).
 */
#include <signal.h>
#include <stdatomic.h>

#include <pawl/error.h>
#include <pawl/event.h>

#include "team.h"
#include "test.h"

enum { WAITERS = 3, ROUNDS_MAX = 300 };

struct rig {
    pawl_event e;
    pawl_event turn[WAITERS + 1];
    _Atomic int waiting;
    _Atomic int pulses; /* that are over */
    int rounds;
    int ball;
};

static struct rig *make_rig(void *at)
{
    struct rig *r = at;

    CHECK_OK(pawl_event_init(&r->e, PAWL_SHARED));
    for (int i = 0; i <= WAITERS; i++)
        CHECK_OK(pawl_event_init(&r->turn[i], PAWL_SHARED));
    r->rounds = test_iterations(ROUNDS_MAX);
    return r;
}

static void wait_rounds(void *rig)
{
    struct rig *r = rig;

    for (int i = 0; i < r->rounds; i++) {
        atomic_fetch_add(&r->waiting, 1);
        CHECK_OK(pawl_event_wait_until(&r->e, i % 2 == 0 ? PAWL_FOREVER
                                                         : pawl_after_s(1000)));
        while (atomic_load(&r->pulses) <= i)
            sched_yield(); /* while it is set, nobody would wait */
    }
}

/* E-02, E-06: pulses, when all processes sleep.  Invariant: each pulse releases
 * all, though the event is clear again before they run. */
TEST(event_shared.pulse_releases_every_process)
{
    struct rig *r = make_rig(test_shared_alloc(sizeof *r));
    pid_t child[WAITERS];

    for (int i = 0; i < WAITERS; i++)
        child[i] = test_spawn_child(wait_rounds, r);
    for (int round = 1; round <= r->rounds; round++) {
        while (atomic_load(&r->waiting) < round * WAITERS)
            sched_yield();
        for (int i = 0; i < WAITERS; i++)
            test_until_asleep(child[i]);
        pawl_event_set(&r->e);
        pawl_event_clear(&r->e);
        atomic_store(&r->pulses, round);
    }
    for (int i = 0; i < WAITERS; i++)
        test_wait_child(child[i]);
}

/* E-06: waiters that were killed leave nothing that set depends on. */
TEST(event_shared.killed_waiter_harms_nobody)
{
    struct rig *r = make_rig(test_shared_alloc(sizeof *r));
    pid_t child[2];

    atomic_store(&r->pulses, r->rounds);
    for (int round = 0; round < 20; round++) {
        atomic_store(&r->waiting, 0);
        for (int i = 0; i < 2; i++)
            child[i] = test_spawn_child(wait_rounds, r);
        for (int i = 0; i < 2; i++)
            test_until_asleep(child[i]);
        CHECK_EQ(kill(child[0], SIGKILL), 0);
        test_reap_child(child[0]);
        r->rounds = 1; /* for the one that is left, too late for the dead */
        CHECK(!pawl_event_is_set(&r->e));
        pawl_event_set(&r->e);
        test_wait_child(child[1]);
        CHECK_OK(pawl_event_wait(&r->e));
        pawl_event_clear(&r->e);
    }
}

static void pass_ball(struct rig *r, int mine, int n, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        CHECK_OK(pawl_event_wait(&r->turn[mine]));
        pawl_event_clear(&r->turn[mine]);
        CHECK_EQ(r->ball, i * n + mine);
        r->ball++;
        pawl_event_set(&r->turn[(mine + 1) % n]);
    }
}

static void pass_ball_elsewhere(struct member *me)
{
    struct rig *r = view_again(me->rig, false);

    pass_ball(r, me->index, WAITERS, r->rounds);
}

/* each process maps it at an address of its own.  Invariant: the
 * ball goes round, each sees where the one before left it. */
TEST(event_shared.works_at_different_addresses)
{
    struct view v = view_make(sizeof(struct rig));
    struct rig *r = make_rig(v.at);

    pawl_event_set(&r->turn[0]);
    team_of_processes(WAITERS, pass_ball_elsewhere, &v);
    CHECK_EQ(r->ball, WAITERS * r->rounds);
}
