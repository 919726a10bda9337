/* SPDX-License-Identifier: MIT
 *
 * tests/support/spsc_cases.h - a stream of numbered elements, in batches and one
 * by one.
 */
#ifndef PAWL_TEST_SPSC_CASES_H
#define PAWL_TEST_SPSC_CASES_H

#include <pawl/spsc.h>

#include "team.h"
#include "test.h"

enum { SPSC_WORDS = 16, SPSC_BATCH = 7 };

struct spsc_rig {
    pawl_spsc *q;
    uint64_t n;
    uint32_t words; /* of an element */
    _Atomic bool finished;
};

TEAM_INLINE void spsc_produce_(struct spsc_rig *r, struct member *me)
{
    uint64_t e[SPSC_BATCH * SPSC_WORDS];
    uint64_t pushed = 0;

    while (pushed < r->n) {
        uint64_t k = 1 + test_rand_below(&me->random, SPSC_BATCH);
        int64_t done;

        if (k > r->n - pushed)
            k = r->n - pushed;
        for (uint64_t i = 0; i < k * r->words; i++)
            e[i] = (pushed + i / r->words) * 1000 + i % r->words;
        done = k == 1 ? pawl_spsc_push(r->q, e)
                      : pawl_spsc_push_many(r->q, e, k);
        if (done < 0)
            sched_yield();
        else
            pushed += k == 1 ? 1 : (uint64_t)done;
        CHECK(pawl_spsc_size(r->q) <= pawl_spsc_capacity(r->q));
    }
}

TEAM_INLINE void spsc_consume_(struct spsc_rig *r, struct member *me)
{
    uint64_t e[SPSC_BATCH * SPSC_WORDS];
    uint64_t popped = 0;

    while (popped < r->n) {
        uint64_t k = 1 + test_rand_below(&me->random, SPSC_BATCH);
        int64_t done = k == 1 ? pawl_spsc_pop(r->q, e)
                              : pawl_spsc_pop_many(r->q, e, k);

        if (done < 0) {
            sched_yield();
            continue;
        }
        k = k == 1 ? 1 : (uint64_t)done;
        for (uint64_t i = 0; i < k * r->words; i++)
            CHECK_EQ(e[i],
                     (popped + i / r->words) * 1000 + i % r->words);
        popped += k;
    }
    atomic_store(&r->finished, true);
}

/* Looks on. */
TEAM_INLINE void spsc_observe_(struct spsc_rig *r)
{
    while (!atomic_load(&r->finished)) {
        for (int i = 0; i < 100; i++)
            CHECK(pawl_spsc_size(r->q) <= pawl_spsc_capacity(r->q));
        sched_yield();
    }
}

TEAM_INLINE void spsc_member(struct member *me)
{
    if (me->index == 0)
        spsc_produce_(me->rig, me);
    else if (me->index == 1)
        spsc_consume_(me->rig, me);
    else
        spsc_observe_(me->rig);
}

#endif /* PAWL_TEST_SPSC_CASES_H */
