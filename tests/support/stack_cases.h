/* SPDX-License-Identifier: MIT
 *
 * tests/support/stack_cases.h - threads that push and pop at random.
 */
#ifndef PAWL_TEST_STACK_CASES_H
#define PAWL_TEST_STACK_CASES_H

#include <pawl/stack.h>

#include "team.h"
#include "test.h"

enum { STACK_WORDS = 16 };

struct stack_rig {
    pawl_stack *s;
    int threads;
    uint32_t words; /* of an element */
    int rounds;
    _Atomic uint64_t sum_in;
    _Atomic uint64_t sum_out;
    _Atomic int64_t count; /* pushed less popped */
    _Atomic int64_t upper; /* begun pushes less popped: at least the size */
    _Atomic int64_t lower; /* pushed less begun pops: at most the size */
};

TEAM_INLINE void stack_member_at(struct member *me, pawl_stack *s)
{
    struct stack_rig *r = me->rig;
    int64_t capacity = (int64_t)pawl_stack_capacity(s);

    for (int i = 0; i < r->rounds; i++) {
        uint64_t e[STACK_WORDS];

        if (test_rand_below(&me->random, 2) == 0) {
            uint64_t v = ((uint64_t)me->index + 1) << 32 | (uint64_t)i;
            int err;

            for (uint32_t k = 0; k < r->words; k++)
                e[k] = v + k;
            atomic_fetch_add(&r->upper, 1);
            err = pawl_stack_push(s, e);
            if (err == 0) {
                atomic_fetch_add(&r->sum_in, v);
                atomic_fetch_add(&r->count, 1);
                atomic_fetch_add(&r->lower, 1);
            } else {
                CHECK_ERR(err, -EAGAIN);
                /* It was full at some instant, so others' pushes filled it. */
                atomic_fetch_sub(&r->upper, 1);
            }
            CHECK(atomic_load(&r->lower) <= capacity);
        } else {
            int err;

            atomic_fetch_sub(&r->lower, 1);
            err = pawl_stack_pop(s, e);
            if (err == 0) {
                for (uint32_t k = 1; k < r->words; k++)
                    CHECK_EQ(e[k], e[0] + k);
                atomic_fetch_add(&r->sum_out, e[0]);
                atomic_fetch_sub(&r->count, 1);
                atomic_fetch_sub(&r->upper, 1);
            } else {
                CHECK_ERR(err, -EAGAIN);
                atomic_fetch_add(&r->lower, 1);
            }
            CHECK(atomic_load(&r->upper) >= 0);
        }
        CHECK((int64_t)pawl_stack_size(s) <= capacity);
    }
}

TEAM_INLINE void stack_member(struct member *me)
{
    struct stack_rig *r = me->rig;

    stack_member_at(me, r->s);
}

/* What is left makes up the difference, and then all of the capacity is there. */
TEAM_INLINE void stack_check(struct stack_rig *r)
{
    uint64_t e[STACK_WORDS];
    size_t capacity = pawl_stack_capacity(r->s);

    CHECK_EQ(pawl_stack_size(r->s), atomic_load(&r->count));
    while (pawl_stack_pop(r->s, e) == 0) {
        atomic_fetch_add(&r->sum_out, e[0]);
        atomic_fetch_sub(&r->count, 1);
    }
    CHECK_EQ(atomic_load(&r->count), 0);
    CHECK_EQ(atomic_load(&r->sum_in), atomic_load(&r->sum_out));
    for (size_t i = 0; i < capacity; i++)
        CHECK_OK(pawl_stack_push(r->s, e));
    CHECK_ERR(pawl_stack_push(r->s, e), -EAGAIN);
}

#endif /* PAWL_TEST_STACK_CASES_H */
