/* SPDX-License-Identifier: MIT
 *
 * tests/support/queue_cases.h - producers and consumers around one queue, with
 * exact accounts.
 */
#ifndef PAWL_TEST_QUEUE_CASES_H
#define PAWL_TEST_QUEUE_CASES_H

#include <string.h>

#include <pawl/error.h>
#include <pawl/queue.h>

#include "team.h"
#include "test.h"

enum { QUEUE_MEMBERS = 16, QUEUE_WORDS = 8, QUEUE_BATCH = 5 };

struct queue_plan {
    int producers;
    int consumers;
    int each;       /* elements of a producer */
    uint32_t words; /* of an element; the first says what it is */
    bool early;     /* shut down while they put */
    bool now;       /* and discarding */
    bool tasks;     /* consumers report, and the last producer joins */
    enum pawl_queue_kind kind;
    unsigned flags;
};

/* The key of a PRIORITY queue is what an element says it is: a producer's are
 * put in ascending order, so they also come in that order. */
TEAM_INLINE pawl_queue_options queue_options(const struct queue_plan *plan,
                                             size_t capacity)
{
    return (pawl_queue_options){.capacity =
                                    plan->flags & PAWL_UNBOUNDED ? 0 : capacity,
                                .element_size = plan->words * sizeof(uint64_t),
                                .flags = plan->flags,
                                .participants = 4,
                                .kind = plan->kind};
}

struct queue_rig {
    struct queue_plan plan;
    pawl_queue *q; /* in the view of who uses it */
    _Atomic int left;
    _Atomic bool shut;                     /* the shutdown has returned */
    uint64_t accepted[QUEUE_MEMBERS];      /* of each producer */
    _Atomic uint64_t taken[QUEUE_MEMBERS]; /* of each producer, the sum */
    _Atomic uint64_t discarded[QUEUE_MEMBERS];
    _Atomic uint64_t unreported;
};

TEAM_INLINE void queue_fill_(const struct queue_rig *r, uint64_t *e,
                             int producer, uint64_t number)
{
    for (uint32_t i = 0; i < r->plan.words; i++)
        e[i] = (number << 8 | (unsigned)producer) + i;
}

/* put in each of its forms.  How many, or an error. */
TEAM_INLINE int64_t queue_put_(struct queue_rig *r, pawl_queue *q,
                               struct member *me, int producer, uint64_t number)
{
    uint64_t e[QUEUE_BATCH * QUEUE_WORDS];
    uint64_t left = (uint64_t)r->plan.each + 1 - number;
    uint64_t n = 1 + test_rand_below(&me->random, QUEUE_BATCH);
    int err;

    n = n < left ? n : left;
    for (uint64_t i = 0; i < n; i++)
        queue_fill_(r, e + i * r->plan.words, producer, number + i);
    switch (test_rand_below(&me->random, 6)) {
    case 0:
        return pawl_queue_put_many(q, e, n);
    case 1:
        return pawl_queue_try_put_many(q, e, n);
    case 2:
        return pawl_queue_put_many_until(q, e, n, team_soon(me, 100));
    case 3:
        err = pawl_queue_try_put(q, e);
        break;
    case 4:
        err = pawl_queue_put_until(q, e, team_soon(me, 100));
        break;
    default:
        err = pawl_queue_put(q, e);
        break;
    }
    return err == 0 ? 1 : err;
}

TEAM_INLINE int64_t queue_get_(pawl_queue *q, struct member *me, uint64_t *e)
{
    size_t n = 1 + test_rand_below(&me->random, QUEUE_BATCH);
    int err;

    switch (test_rand_below(&me->random, 6)) {
    case 0:
        return pawl_queue_get_many(q, e, n);
    case 1:
        return pawl_queue_try_get_many(q, e, n);
    case 2:
        return pawl_queue_get_many_until(q, e, n, team_soon(me, 100));
    case 3:
        err = pawl_queue_try_get(q, e);
        break;
    case 4:
        err = pawl_queue_get_until(q, e, team_soon(me, 100));
        break;
    default:
        err = pawl_queue_get(q, e);
        break;
    }
    return err == 0 ? 1 : err;
}

/* Nothing else may come out while the queue is open. */
TEAM_INLINE bool queue_is_busy_(int64_t n)
{
    return n == -EAGAIN || n == -ETIMEDOUT || n == -ENOMEM;
}

TEAM_INLINE int queue_producer_of_(const struct queue_rig *r, const uint64_t *e)
{
    int producer = (int)(e[0] & 0xff);

    CHECK(producer < r->plan.producers);
    for (uint32_t i = 1; i < r->plan.words; i++)
        CHECK_EQ(e[i], e[0] + i);
    return producer;
}

TEAM_INLINE void queue_discard_(void *element, void *context)
{
    struct queue_rig *r = context;
    const uint64_t *e = element;

    atomic_fetch_add(&r->discarded[queue_producer_of_(r, e)], e[0] >> 8);
}

TEAM_INLINE void queue_end_(struct queue_rig *r, pawl_queue *q)
{
    if (r->plan.tasks && !r->plan.early)
        CHECK_OK(pawl_queue_join(q));
    if (r->plan.now)
        CHECK(pawl_queue_shutdown_now(q, queue_discard_, r) >= 0);
    else
        CHECK_OK(pawl_queue_shutdown(q));
    atomic_store(&r->shut, true);
}

TEAM_INLINE void queue_produce_(struct queue_rig *r, pawl_queue *q,
                                struct member *me)
{
    uint64_t number = 1;

    while (number <= (uint64_t)r->plan.each) {
        bool shut = atomic_load(&r->shut);
        int64_t n = queue_put_(r, q, me, me->index, number);

        if (n > 0) {
            CHECK(!shut);
            number += (uint64_t)n;
        } else if (n == -ESHUTDOWN) {
            CHECK(r->plan.early);
            break;
        } else {
            CHECK(queue_is_busy_(n));
        }
        if (r->plan.early && me->index == 0 &&
            number > (uint64_t)r->plan.each / 2)
            break;
    }
    r->accepted[me->index] = number - 1;
    if (r->plan.early ? me->index == 0 : atomic_fetch_sub(&r->left, 1) == 1)
        queue_end_(r, q);
}

TEAM_INLINE void queue_consume_(struct queue_rig *r, pawl_queue *q,
                                struct member *me)
{
    uint64_t last[QUEUE_MEMBERS] = {0};
    uint64_t e[QUEUE_BATCH * QUEUE_WORDS];

    for (;;) {
        bool shut = atomic_load(&r->shut);
        int64_t n = queue_get_(q, me, e);

        if (n == -ESHUTDOWN)
            break;
        if (n < 0) {
            CHECK(queue_is_busy_(n));
            CHECK(!shut || n == -ENOMEM);
            continue;
        }
        for (int64_t i = 0; i < n; i++) {
            const uint64_t *at = e + (size_t)i * r->plan.words;
            int producer = queue_producer_of_(r, at);
            uint64_t number = at[0] >> 8;

            /* in order */
            CHECK(number > last[producer] || r->plan.kind == PAWL_QUEUE_LIFO);
            last[producer] = number;
            atomic_fetch_add(&r->taken[producer], number);
            if (r->plan.tasks)
                CHECK_OK(pawl_queue_task_done(q));
        }
        CHECK(pawl_queue_size(q) <= pawl_queue_capacity(q) ||
              (r->plan.flags & PAWL_UNBOUNDED));
    }
}

TEAM_INLINE void queue_member_at(struct member *me, struct queue_rig *r,
                                 pawl_queue *q)
{
    if (me->index < r->plan.producers)
        queue_produce_(r, q, me);
    else
        queue_consume_(r, q, me);
}

TEAM_INLINE void queue_member(struct member *me)
{
    struct queue_rig *r = me->rig;

    queue_member_at(me, r, r->q);
}

TEAM_INLINE void queue_rig_init(struct queue_rig *r, struct queue_plan plan)
{
    plan.each = test_iterations(plan.each);
    r->plan = plan;
    atomic_store(&r->left, plan.producers);
}

/* Each element that was accepted came out once, or was discarded. */
TEAM_INLINE void queue_check(struct queue_rig *r, pawl_queue *q)
{
    uint64_t put = 0;

    CHECK(pawl_queue_is_empty(q));
    for (int i = 0; i < r->plan.producers; i++) {
        uint64_t n = r->accepted[i];

        CHECK_EQ(atomic_load(&r->taken[i]) + atomic_load(&r->discarded[i]),
                 n * (n + 1) / 2);
        put += n;
    }
    if (r->plan.tasks)
        CHECK_OK(pawl_queue_try_join(q));
    else if (!r->plan.now)
        CHECK_EQ(pawl_queue_unfinished(q), put);
}

#endif /* PAWL_TEST_QUEUE_CASES_H */
