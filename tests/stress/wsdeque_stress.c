/* SPDX-License-Identifier: MIT
 *
 * wsdeque_stress.c - an owner and its thieves.
 */
#include <stdlib.h>

#include <pawl/wsdeque.h>

#include "team.h"
#include "test.h"

struct rig {
    pawl_wsdeque *d;
    uint64_t n;
    int *written;         /* plain: the deque orders them */
    _Atomic int *taken;   /* how often each was */
    _Atomic bool finished;
};

static void take(struct rig *r, uint64_t v)
{
    CHECK(v < r->n);
    CHECK_EQ(r->written[v], (int)v + 1);
    CHECK_EQ(atomic_fetch_add(&r->taken[v], 1), 0);
}

static void own(struct rig *r, struct member *me)
{
    uint64_t v;

    for (uint64_t i = 0; i < r->n;) {
        /* Few at a time: the last word is where they meet. */
        for (uint32_t k = test_rand_below(&me->random, 4); k > 0 && i < r->n;
             k--) {
            r->written[i] = (int)i + 1;
            if (pawl_wsdeque_push(r->d, i) == 0)
                i++;
        }
        for (uint32_t k = test_rand_below(&me->random, 4); k > 0; k--)
            if (pawl_wsdeque_pop(r->d, &v) == 0)
                take(r, v);
        CHECK(pawl_wsdeque_size(r->d) <= pawl_wsdeque_capacity(r->d));
    }
    while (pawl_wsdeque_pop(r->d, &v) == 0)
        take(r, v);
    atomic_store(&r->finished, true);
}

static void steal(struct rig *r)
{
    uint64_t last = 0;
    uint64_t v;

    while (!atomic_load(&r->finished)) {
        if (pawl_wsdeque_steal(r->d, &v) != 0)
            continue;
        take(r, v);
        CHECK(last == 0 || v > last); /* a thief sees them in order */
        last = v;
    }
}

static void own_or_steal(struct member *me)
{
    if (me->index == 0)
        own(me->rig, me);
    else
        steal(me->rig);
}

static void run(size_t capacity, int thieves)
{
    struct rig r = {.n = (uint64_t)test_iterations(200000)};
    void *taken;

    r.written = calloc(r.n, sizeof *r.written);
    r.taken = taken = calloc(r.n, sizeof *r.taken);
    CHECK(r.written != NULL && taken != NULL);
    CHECK_OK(pawl_wsdeque_create(&r.d, capacity));
    team_of_threads(1 + thieves, own_or_steal, &r);
    for (uint64_t i = 0; i < r.n; i++)
        CHECK_EQ(atomic_load(&r.taken[i]), 1);
    pawl_wsdeque_free(r.d);
    free(r.written);
    free(taken);
}

/* Invariant: each word is taken once, with what was written before it. */
TEST(wsdeque_stress.each_word_is_taken_once)
{
    run(1, 1);
    run(4, 1);
    run(256, 3);
}
