/* SPDX-License-Identifier: MIT
 *
 * latch_stress.c - the latch among many threads.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <pawl/error.h>
#include <pawl/latch.h>

#include "team.h"
#include "test.h"

enum { COUNTERS = 4, WAITERS = 3, EACH = 5 };

struct rig {
    pawl_latch l;
    int written[COUNTERS]; /* plain: the latch orders them */
    _Atomic int accepted;
};

static void count_or_wait(struct member *me)
{
    struct rig *r = me->rig;

    if (me->index < COUNTERS) {
        for (int i = 0; i < EACH; i++) {
            r->written[me->index]++;
            if (test_rand_below(&me->random, 4) == 0)
                sched_yield();
            CHECK_OK(pawl_latch_count_down(&r->l, 1));
        }
        return;
    }
    for (int err = -ETIMEDOUT; err != 0;) {
        err = pawl_latch_wait_until(
            &r->l, me->index == COUNTERS ? PAWL_FOREVER : team_soon(me, 50));
        if (err != 0)
            CHECK_ERR(err, -ETIMEDOUT);
    }
    for (int i = 0; i < COUNTERS; i++)
        CHECK_EQ(r->written[i], EACH);
}

/* Invariant: who has waited sees all that was written before every count-down,
 * and everybody gets through. */
TEST(latch_stress.opens_once_for_all)
{
    int rounds = test_iterations(600);

    for (int i = 0; i < rounds; i++) {
        struct rig r = {.l = PAWL_LATCH_INIT(COUNTERS * EACH)};

        team_of_threads(COUNTERS + WAITERS, count_or_wait, &r);
        CHECK_EQ(pawl_latch_count(&r.l), 0);
        CHECK_ERR(pawl_latch_count_down(&r.l, 1), -EOVERFLOW);
    }
}

static void count_too_much(struct member *me)
{
    struct rig *r = me->rig;
    int err;

    do {
        int n = 1 + (int)test_rand_below(&me->random, 7);

        err = pawl_latch_count_down(&r->l, n);
        if (err == -EOVERFLOW) {
            n = 1; /* less may still fit */
            err = pawl_latch_count_down(&r->l, n);
        }
        if (err == 0)
            atomic_fetch_add(&r->accepted, n);
    } while (err == 0);
    CHECK_ERR(err, -EOVERFLOW);
    CHECK_OK(pawl_latch_wait(&r->l));
}

/* Invariant: what was accepted is exactly the initial count. */
TEST(latch_stress.counting_too_much_takes_nothing)
{
    int rounds = test_iterations(30);

    for (int i = 0; i < rounds; i++) {
        struct rig r = {.l = PAWL_LATCH_INIT(20000 + i)};

        team_of_threads(4, count_too_much, &r);
        CHECK_EQ(atomic_load(&r.accepted), 20000 + i);
    }
}

struct short_lived {
    _Atomic(pawl_latch *) l[2]; /* for two counters */
    int rounds;
};

static void free_after_wait(struct member *me)
{
    struct short_lived *s = me->rig;

    for (int i = 0; i < s->rounds; i++) {
        pawl_latch *l;

        if (me->index == 0) { /* makes, waits, frees */
            l = malloc(sizeof *l);
            CHECK(l != NULL);
            CHECK_OK(pawl_latch_init(l, 2, 0));
            atomic_store(&s->l[0], l);
            atomic_store(&s->l[1], l);
            CHECK_OK(pawl_latch_wait(l));
            memset(l, 0xa5, sizeof *l);
            free(l);
        } else {
            while ((l = atomic_exchange(&s->l[me->index - 1], NULL)) == NULL)
                sched_yield();
            CHECK_OK(pawl_latch_count_down(l, 1));
        }
    }
}

/* Invariant: a thread that has waited may free it; the sanitizers judge. */
TEST(latch_stress.waiter_may_free_it)
{
    struct short_lived s = {.rounds = test_iterations(15000)};

    team_of_threads(3, free_after_wait, &s);
}
