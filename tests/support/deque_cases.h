/* SPDX-License-Identifier: MIT
 *
 * tests/support/deque_cases.h - producers and consumers around one deque, at the
 * ends of their choice, with exact accounts.
 */
#ifndef PAWL_TEST_DEQUE_CASES_H
#define PAWL_TEST_DEQUE_CASES_H

#include <pawl/deque.h>
#include <pawl/error.h>

#include "team.h"
#include "test.h"

enum { DEQUE_MEMBERS = 16, DEQUE_WORDS = 3, DEQUE_BATCH = 4 };

struct deque_plan {
    int producers;
    int consumers;
    int each; /* elements of a producer */
    unsigned flags;
    bool queue; /* in at the back, out at the front: in order */
    bool early; /* shut down while they push */
    bool now;   /* and discarding */
};

struct deque_rig {
    struct deque_plan plan;
    pawl_deque *d;
    _Atomic int left;
    _Atomic bool shut; /* the shutdown has returned */
    uint64_t accepted[DEQUE_MEMBERS];
    _Atomic uint64_t taken[DEQUE_MEMBERS]; /* of each producer, the sum */
};

/* Count one that came out. */
TEAM_INLINE uint64_t deque_count_(struct deque_rig *r, const uint64_t *e,
                                  int *producer)
{
    *producer = (int)(e[0] & 0xff);
    CHECK(*producer < r->plan.producers);
    for (int i = 1; i < DEQUE_WORDS; i++)
        CHECK_EQ(e[i], e[0] + (uint64_t)i);
    atomic_fetch_add(&r->taken[*producer], e[0] >> 8);
    return e[0] >> 8;
}

TEAM_INLINE void deque_discard_(void *element, void *context)
{
    int producer;

    deque_count_(context, element, &producer);
}

/* Push the next ones in some way.  How many, or an error. */
TEAM_INLINE int64_t deque_push_(struct deque_rig *r, pawl_deque *d,
                                struct member *me, uint64_t number)
{
    uint64_t e[DEQUE_BATCH * DEQUE_WORDS];
    uint64_t lost[DEQUE_WORDS];
    uint64_t left = (uint64_t)r->plan.each + 1 - number;
    uint64_t n = left < DEQUE_BATCH ? left : DEQUE_BATCH;
    bool front = !r->plan.queue && test_rand_below(&me->random, 2) == 0;
    int producer;
    int err;

    for (uint64_t i = 0; i < n * DEQUE_WORDS; i++)
        e[i] = ((number + i / DEQUE_WORDS) << 8 | (unsigned)me->index) +
               i % DEQUE_WORDS;
    switch (test_rand_below(&me->random, 5)) {
    case 0:
        err = front ? pawl_deque_extend_front(d, e, n)
                    : pawl_deque_extend_back(d, e, n);
        return err == 0 ? (int64_t)n : err;
    case 1:
        err = front ? pawl_deque_push_front_until(d, e, team_soon(me, 100))
                    : pawl_deque_push_back_until(d, e, team_soon(me, 100));
        break;
    case 2:
        err = front ? pawl_deque_try_push_front(d, e)
                    : pawl_deque_try_push_back(d, e);
        break;
    case 3:
        err = front ? pawl_deque_push_front_dropping(d, e, lost)
                    : pawl_deque_push_back_dropping(d, e, lost);
        if (err == 1) {
            deque_count_(r, lost, &producer);
            err = 0;
        }
        break;
    default:
        err = front ? pawl_deque_push_front(d, e) : pawl_deque_push_back(d, e);
        break;
    }
    return err == 0 ? 1 : err;
}

TEAM_INLINE void deque_produce_(struct deque_rig *r, pawl_deque *d,
                                struct member *me)
{
    uint64_t number = 1;

    while (number <= (uint64_t)r->plan.each) {
        bool shut = atomic_load(&r->shut);
        int64_t n = deque_push_(r, d, me, number);

        if (n > 0) {
            CHECK(!shut);
            number += (uint64_t)n;
        } else if (n == -ESHUTDOWN) {
            CHECK(r->plan.early);
            break;
        } else {
            CHECK(n == -EAGAIN || n == -ETIMEDOUT);
        }
        if (r->plan.early && me->index == 0 &&
            number > (uint64_t)r->plan.each / 2)
            break;
    }
    r->accepted[me->index] = number - 1;
    if (r->plan.early ? me->index != 0 : atomic_fetch_sub(&r->left, 1) != 1)
        return;
    if (r->plan.now)
        CHECK(pawl_deque_shutdown_now(d, deque_discard_, r) >= 0);
    else
        CHECK_OK(pawl_deque_shutdown(d));
    atomic_store(&r->shut, true);
}

/* Take one in some way. */
TEAM_INLINE int deque_pop_(struct deque_rig *r, pawl_deque *d,
                           struct member *me, uint64_t *e)
{
    bool front = r->plan.queue || test_rand_below(&me->random, 2) == 0;
    int err;

    switch (test_rand_below(&me->random, 4)) {
    case 0:
        return front ? pawl_deque_try_pop_front(d, e)
                     : pawl_deque_try_pop_back(d, e);
    case 1:
        return front ? pawl_deque_pop_front_until(d, e, team_soon(me, 100))
                     : pawl_deque_pop_back_until(d, e, team_soon(me, 100));
    case 2:
        if (r->plan.queue)
            break;
        CHECK_OK(
            pawl_deque_rotate(d, (int64_t)test_rand_below(&me->random, 9) - 4));
        err = pawl_deque_remove_at(
            d, (int64_t)test_rand_below(&me->random, 4) - 2, e);
        return err == -ERANGE ? -EAGAIN : err;
    default:
        break;
    }
    return front ? pawl_deque_pop_front(d, e) : pawl_deque_pop_back(d, e);
}

TEAM_INLINE void deque_consume_(struct deque_rig *r, pawl_deque *d,
                                struct member *me)
{
    uint64_t last[DEQUE_MEMBERS] = {0};
    uint64_t e[DEQUE_WORDS];
    int err;

    while ((err = deque_pop_(r, d, me, e)) != -ESHUTDOWN) {
        int producer;
        uint64_t number;

        if (err != 0) {
            CHECK(err == -EAGAIN || err == -ETIMEDOUT);
            continue;
        }
        number = deque_count_(r, e, &producer);
        CHECK(number > last[producer] || !r->plan.queue);
        last[producer] = number;
        CHECK(pawl_deque_size(d) <= pawl_deque_capacity(d) ||
              (r->plan.flags & PAWL_UNBOUNDED));
    }
}

TEAM_INLINE void deque_member_at(struct member *me, struct deque_rig *r,
                                 pawl_deque *d)
{
    if (me->index < r->plan.producers)
        deque_produce_(r, d, me);
    else
        deque_consume_(r, d, me);
}

TEAM_INLINE void deque_member(struct member *me)
{
    struct deque_rig *r = me->rig;

    deque_member_at(me, r, r->d);
}

TEAM_INLINE pawl_deque_options deque_rig_init(struct deque_rig *r,
                                              struct deque_plan plan,
                                              size_t capacity)
{
    plan.each = test_iterations(plan.each);
    r->plan = plan;
    atomic_store(&r->left, plan.producers);
    return (pawl_deque_options){.capacity =
                                    plan.flags & PAWL_UNBOUNDED ? 0 : capacity,
                                .element_size = DEQUE_WORDS * sizeof(uint64_t),
                                .flags = plan.flags};
}

/* Each element that was accepted came out once, or was dropped or discarded. */
TEAM_INLINE void deque_check(struct deque_rig *r, pawl_deque *d)
{
    CHECK(pawl_deque_is_empty(d));
    for (int i = 0; i < r->plan.producers; i++) {
        uint64_t n = r->accepted[i];

        CHECK_EQ(atomic_load(&r->taken[i]), n * (n + 1) / 2);
    }
}

#endif /* PAWL_TEST_DEQUE_CASES_H */
