/* SPDX-License-Identifier: MIT
 *
 * tests/support/eventcount_cases.h - items handed over through a counter, with
 * an event count to sleep on.
 */
#ifndef PAWL_TEST_EVENTCOUNT_CASES_H
#define PAWL_TEST_EVENTCOUNT_CASES_H

#include <pawl/error.h>
#include <pawl/eventcount.h>

#include "team.h"
#include "test.h"

/* How many the word counts. */
TEAM_INLINE uint32_t test_eventcount_waiters(const pawl_eventcount *ec)
{
    return (uint32_t)(__atomic_load_n(&ec->word_.v_, __ATOMIC_RELAXED) >> 32);
}

struct plan {
    int producers;
    int consumers;
    int batch;   /* items per notification */
    int batches; /* of each producer */
    bool timed;  /* consumers: with short deadlines */
};

struct handover {
    struct plan plan;
    pawl_eventcount items_there;
    pawl_eventcount room_there;
    _Atomic int items;
    _Atomic int room; /* few: producers sleep, too */
    _Atomic int to_take;
};

/* Take n from *count, or nothing.  seq_cst, as the contract demands. */
TEAM_INLINE bool take_(_Atomic int *count, int n)
{
    int seen = atomic_load(count);

    while (seen >= n)
        if (atomic_compare_exchange_weak(count, &seen, seen - n))
            return true;
    return false;
}

TEAM_INLINE void take_or_sleep_(struct member *me, pawl_eventcount *ec,
                                _Atomic int *count, int n, bool timed)
{
    while (!take_(count, n)) {
        uint32_t key = pawl_eventcount_prepare(ec);

        if (take_(count, n)) {
            pawl_eventcount_cancel(ec, key);
            return;
        }
        if (timed) {
            int err = pawl_eventcount_wait_until(ec, key, team_soon(me, 40));

            if (err != 0)
                CHECK_ERR(err, -ETIMEDOUT);
        } else {
            CHECK_OK(pawl_eventcount_wait(ec, key));
        }
    }
}

TEAM_INLINE void hand_over_(struct member *me)
{
    struct handover *h = me->rig;
    const struct plan *plan = &h->plan;

    if (me->index < plan->producers) {
        for (int i = 0; i < plan->batches; i++) {
            take_or_sleep_(me, &h->room_there, &h->room, plan->batch, false);
            atomic_fetch_add(&h->items, plan->batch);
            pawl_eventcount_notify(&h->items_there, plan->batch);
            if (test_rand_below(&me->random, 16) == 0)
                sched_yield();
        }
        return;
    }
    while (atomic_fetch_sub(&h->to_take, 1) > 0) {
        take_or_sleep_(me, &h->items_there, &h->items, 1, plan->timed);
        atomic_fetch_add(&h->room, 1);
        /* A producer needs room for a batch, so any of them may be served. */
        if (plan->batch == 1)
            pawl_eventcount_notify(&h->room_there, 1);
        else
            pawl_eventcount_notify_all(&h->room_there);
    }
}

TEAM_INLINE void handover_init_(struct handover *h, struct plan plan,
                                unsigned flags)
{
    plan.batches = test_iterations(plan.batches);
    h->plan = plan;
    CHECK_OK(pawl_eventcount_init(&h->items_there, flags));
    CHECK_OK(pawl_eventcount_init(&h->room_there, flags));
    atomic_store(&h->items, 0);
    atomic_store(&h->room, plan.batch + 1);
    atomic_store(&h->to_take, plan.producers * plan.batch * plan.batches);
}

TEAM_INLINE void handover_check_(struct handover *h)
{
    CHECK_EQ(atomic_load(&h->items), 0);
    CHECK_EQ(atomic_load(&h->room), h->plan.batch + 1);
}

TEAM_INLINE void hand_over(struct plan plan)
{
    struct handover h;

    handover_init_(&h, plan, PAWL_LOCAL);
    team_of_threads(plan.producers + plan.consumers, hand_over_, &h);
    handover_check_(&h);
}

#endif /* PAWL_TEST_EVENTCOUNT_CASES_H */
