/* SPDX-License-Identifier: MIT
 *
 * eventcount_shared_test.c - the event count between processes.
 */
#include <signal.h>

#include "eventcount_cases.h"

/* Invariant: every item is taken, everybody gets through. */
TEST(eventcount_shared.processes_lose_no_wake)
{
    struct handover *h = test_shared_alloc(sizeof *h);

    handover_init_(h, (struct plan){2, 2, 1, 10000, false}, PAWL_SHARED);
    team_of_processes(4, hand_over_, h);
    handover_check_(h);
}

static void hand_over_elsewhere(struct member *me)
{
    me->rig = view_again(me->rig, false);
    hand_over_(me);
}

/* the same, each process with an address of its own. */
TEST(eventcount_shared.works_at_different_addresses)
{
    struct view v = view_make(sizeof(struct handover));

    handover_init_(v.at, (struct plan){2, 2, 1, 5000, false}, PAWL_SHARED);
    team_of_processes(4, hand_over_elsewhere, &v);
}

struct deaths {
    pawl_eventcount ec;
    _Atomic int item;
    _Atomic pid_t tid;
};

static void wait_for_item(void *arg)
{
    struct deaths *d = arg;

    atomic_store(&d->tid, getpid());
    while (atomic_load(&d->item) == 0) {
        uint32_t key = pawl_eventcount_prepare(&d->ec);

        if (atomic_load(&d->item) != 0)
            pawl_eventcount_cancel(&d->ec, key);
        else
            CHECK_OK(pawl_eventcount_wait(&d->ec, key));
    }
}

static pid_t spawn_waiter(struct deaths *d)
{
    pid_t pid;

    atomic_store(&d->tid, 0);
    pid = test_spawn_child(wait_for_item, d);
    while (atomic_load(&d->tid) == 0)
        sched_yield();
    test_until_asleep(pid);
    return pid;
}

/* A waiter that was killed takes no wake from one that lives, wherever it
 * stood in the line, and its count goes. */
TEST(eventcount_shared.killed_waiters_take_no_wake)
{
    struct deaths *d = test_shared_alloc(sizeof *d);
    pid_t live;

    CHECK_OK(pawl_eventcount_init(&d->ec, PAWL_SHARED));
    for (int before = 0; before < 4; before++) {
        pid_t dead[4];

        atomic_store(&d->item, 0);
        for (int i = 0; i < before; i++)
            dead[i] = spawn_waiter(d);
        live = spawn_waiter(d);
        for (int i = before; i < 3; i++)
            dead[i] = spawn_waiter(d);
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(kill(dead[i], SIGKILL), 0);
            test_reap_child(dead[i]);
        }
        atomic_store(&d->item, 1);
        pawl_eventcount_notify(&d->ec, 1);
        test_wait_child(live);
        for (int i = 0; i < 3; i++)
            pawl_eventcount_notify(&d->ec, 1);
        CHECK_EQ(test_eventcount_waiters(&d->ec), 0);
    }
}
