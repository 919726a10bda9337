/* SPDX-License-Identifier: MIT
 *
 * barrier_stress.c - the barrier among many threads.
 */
#include <stdatomic.h>
#include <string.h>

#include <pawl/barrier.h>
#include <pawl/error.h>

#include "team.h"
#include "test.h"

enum { PARTIES = 4, THREADS_MAX = 8 };

/* A meeting point of the test's own, between rounds. */
struct meeting {
    _Atomic int arrived;
    _Atomic int round;
};

static void meet(struct meeting *m, int n)
{
    int round = atomic_load(&m->round);

    if (atomic_fetch_add(&m->arrived, 1) == n - 1) {
        atomic_store(&m->arrived, 0);
        atomic_fetch_add(&m->round, 1);
        return;
    }
    while (atomic_load(&m->round) == round)
        sched_yield();
}

struct rig {
    pawl_barrier b;
    struct meeting meeting;
    int rounds;
    bool with_action;
    int slot[2][PARTIES]; /* plain: the barrier orders them */
    int sum[2];           /* the action's, plain */
    int actions;
    int result[THREADS_MAX];
    _Atomic int of_index[PARTIES]; /* how often each index was returned */
    _Atomic int passed;
};

/* ---- generations that pass ----------------------------------------------- */

static int sum_up(uint32_t generation, void *arg)
{
    struct rig *r = arg;

    r->actions++;
    r->sum[generation % 2] = 0;
    for (int i = 0; i < PARTIES; i++)
        r->sum[generation % 2] += r->slot[generation % 2][i];
    return 0;
}

static void go_round(struct member *me)
{
    struct rig *r = me->rig;

    for (int round = 0; round < r->rounds; round++) {
        int expected = PARTIES * round + PARTIES * (PARTIES - 1) / 2;
        int index;

        r->slot[round % 2][me->index] = round + me->index;
        index = pawl_barrier_wait_action(&r->b, r->with_action ? sum_up : NULL,
                                         r, PAWL_FOREVER);
        CHECK(index >= 0 && index < PARTIES);
        atomic_fetch_add(&r->of_index[index], 1);
        for (int i = 0; i < PARTIES; i++)
            CHECK_EQ(r->slot[round % 2][i], round + i);
        if (r->with_action)
            CHECK_EQ(r->sum[round % 2], expected);
    }
}

/* B-02, B-05: with and without an action.  Invariant: each index once per
 * generation, the action once, and all see what all wrote before. */
TEST(barrier_stress.generations_are_complete)
{
    for (int by_action = 0; by_action < 2; by_action++) {
        struct rig r = {.b = PAWL_BARRIER_INIT(PARTIES),
                        .rounds = test_iterations(3000)};

        r.with_action = by_action != 0;
        team_of_threads(PARTIES, go_round, &r);
        for (int i = 0; i < PARTIES; i++)
            CHECK_EQ(atomic_load(&r.of_index[i]), r.rounds);
        CHECK_EQ(r.actions, by_action ? r.rounds : 0);
        CHECK_EQ(pawl_barrier_generation(&r.b), r.rounds);
    }
}

/* ---- one generation, one outcome ----------------------------------------- */

/* All of n passed, or none did: then `late` of them may have timed out. */
static void check_outcome(struct rig *r, int n, int max_late)
{
    bool seen[PARTIES] = {false};
    int passed = 0;
    int late = 0;

    for (int i = 0; i < n; i++) {
        int result = r->result[i];

        if (result >= 0) {
            CHECK(result < PARTIES && !seen[result]);
            seen[result] = true;
            passed++;
        } else if (result == -ETIMEDOUT) {
            late++;
        } else {
            CHECK_ERR(result, -ECANCELED);
        }
    }
    CHECK(passed == 0 || passed == n);
    CHECK(late <= max_late);
    if (max_late > 0)
        CHECK_EQ(late > 0, pawl_barrier_broken(&r->b));
    if (late > 0)
        CHECK_ERR(pawl_barrier_reason(&r->b), -ETIMEDOUT);
}

static void race_with_deadline(struct member *me)
{
    struct rig *r = me->rig;

    for (int round = 0; round < r->rounds; round++) {
        /* All but the last are there already, more or less. */
        bool is_late = me->index == round % PARTIES;
        pawl_deadline until =
            is_late ? pawl_after_us(test_rand_below(&me->random, 40))
                    : PAWL_FOREVER;

        if (me->index == (round + 1) % PARTIES) {
            pawl_deadline then =
                pawl_after_us(test_rand_below(&me->random, 40));

            while (pawl_now() < then)
                ;
        }
        if (round % 2 == 0) {
            r->result[me->index] = pawl_barrier_wait_until(&r->b, until);
        } else {
            pawl_barrier_ticket ticket;
            int index = pawl_barrier_arrive(&r->b, NULL, NULL, until, &ticket);
            int err = index < 0
                          ? index
                          : pawl_barrier_finish_until(&r->b, ticket, until);

            r->result[me->index] = err < 0 ? err : index;
        }
        meet(&r->meeting, PARTIES);
        if (me->index == 0) {
            check_outcome(r, PARTIES, 1);
            CHECK_OK(pawl_barrier_reset(&r->b));
        }
        meet(&r->meeting, PARTIES);
    }
}

/* B-03: a deadline races with the last arrival.  Invariant: the generation
 * passes as a whole, or breaks as a whole with one -ETIMEDOUT. */
TEST(barrier_stress.deadline_races_with_the_last_arrival)
{
    struct rig r = {.b = PAWL_BARRIER_INIT(PARTIES),
                    .rounds = test_iterations(4000)};

    team_of_threads(PARTIES, race_with_deadline, &r);
}

static void race_with_abort(struct member *me)
{
    struct rig *r = me->rig;

    for (int round = 0; round < r->rounds; round++) {
        if (me->index < PARTIES) {
            r->result[me->index] = pawl_barrier_wait(&r->b);
        } else {
            pawl_deadline then =
                pawl_after_us(test_rand_below(&me->random, 60));

            while (pawl_now() < then)
                ;
            CHECK_OK(pawl_barrier_abort(&r->b, round));
        }
        meet(&r->meeting, PARTIES + 1);
        if (me->index == 0) {
            check_outcome(r, PARTIES, 0);
            CHECK(pawl_barrier_broken(&r->b));
            CHECK_EQ(pawl_barrier_reason(&r->b), round);
            CHECK_OK(pawl_barrier_reset(&r->b));
        }
        meet(&r->meeting, PARTIES + 1);
    }
}

/* B-07, W-07: abort right around the last arrival.  Invariant: the generation
 * passes as a whole or is cancelled as a whole; the barrier is broken. */
TEST(barrier_stress.abort_races_with_the_last_arrival)
{
    struct rig r = {.b = PAWL_BARRIER_INIT(PARTIES),
                    .rounds = test_iterations(4000)};

    team_of_threads(PARTIES + 1, race_with_abort, &r);
}

/* Meet without giving up the CPU, so that what follows happens at once. */
static void meet_closely(struct meeting *m, int n, int round)
{
    pawl_deadline patience = pawl_after_us(200);

    atomic_fetch_add(&m->arrived, 1);
    while (atomic_load(&m->arrived) < n * (round + 1)) {
        if (pawl_now() > patience)
            sched_yield(); /* the other has no CPU */
    }
}

static void race_at_once(struct member *me)
{
    struct rig *r = me->rig;

    for (int round = 0; round < r->rounds; round++) {
        pawl_barrier_ticket ticket = {0};

        if (me->index == 0)
            CHECK_ERR(
                pawl_barrier_arrive(&r->b, NULL, NULL, PAWL_FOREVER, &ticket),
                0);
        meet_closely(&r->meeting, 2, 2 * round);
        for (uint32_t n = test_rand_below(&me->random, 64); n > 0; n--)
            atomic_signal_fence(memory_order_seq_cst);
        r->result[me->index] =
            me->index == 0
                ? pawl_barrier_finish_until(&r->b, ticket, 0)
                : pawl_barrier_wait_until(&r->b, round % 2 == 0 ? 0 : 1);
        meet_closely(&r->meeting, 2, 2 * round + 1);
        if (me->index == 0) {
            if (r->result[0] == 0)
                CHECK_ERR(r->result[1], 1);
            else
                CHECK(r->result[0] == -ETIMEDOUT && r->result[1] == -ECANCELED);
            CHECK_OK(pawl_barrier_reset(&r->b));
        }
    }
}

/* B-03: the same with both at the very same instant. */
TEST(barrier_stress.time_out_meets_the_last_arrival)
{
    struct rig r = {.b = PAWL_BARRIER_INIT(2),
                    .rounds = test_iterations(40000)};

    team_of_threads(2, race_at_once, &r);
}

/* ---- storms -------------------------------------------------------------- */

static int do_anything(uint32_t generation, void *arg)
{
    struct rig *r = arg;

    switch (generation % 16) {
    case 3:
        return -EIO;
    case 7:
        CHECK_OK(pawl_barrier_abort(&r->b, 7));
        return 0;
    case 11:
        CHECK_OK(pawl_barrier_reset(&r->b));
        return 0;
    case 13:
        CHECK_ERR(pawl_barrier_wait(&r->b), -EDEADLK);
        return 0;
    default:
        return 0;
    }
}

enum { DISTURBERS = 1 };

static void disturb(struct member *me, struct rig *r)
{
    while (atomic_load(&r->passed) < r->rounds) {
        for (uint32_t n = test_rand_below(&me->random, 30); n > 0; n--)
            sched_yield();
        switch (test_rand_below(&me->random, 3)) {
        case 0:
            CHECK_OK(pawl_barrier_abort(&r->b, 1));
            break;
        default:
            CHECK_OK(pawl_barrier_reset(&r->b));
            break;
        }
    }
    CHECK_OK(pawl_barrier_abort(&r->b, 2)); /* and let all go home */
}

/* Wait in one of the ways. */
static int come_along(struct member *me, struct rig *r)
{
    pawl_barrier_ticket ticket;
    pawl_deadline until = test_rand_below(&me->random, 8) == 0
                              ? team_soon(me, 100)
                              : PAWL_FOREVER;
    int index;
    int err;

    switch (test_rand_below(&me->random, 4)) {
    case 0:
        return pawl_barrier_try_wait(&r->b);
    case 1:
        index = pawl_barrier_arrive(&r->b, do_anything, r, until, &ticket);
        if (index < 0)
            return index;
        do {
            for (uint32_t n = test_rand_below(&me->random, 20); n > 0; n--)
                sched_yield();
            err = pawl_barrier_try_finish(&r->b, ticket);
        } while (err == -EAGAIN && test_rand_below(&me->random, 4) != 0);
        if (err == -EAGAIN)
            err = pawl_barrier_finish_until(&r->b, ticket, until);
        return err < 0 ? err : index;
    default:
        return pawl_barrier_wait_action(&r->b, do_anything, r, until);
    }
}

static void weather(struct member *me)
{
    struct rig *r = me->rig;

    if (me->index < DISTURBERS) {
        disturb(me, r);
        return;
    }
    while (atomic_load(&r->passed) < r->rounds) {
        int result = come_along(me, r);

        if (result >= 0) {
            CHECK(result < PARTIES);
            atomic_fetch_add(&r->of_index[result], 1);
            if (result == PARTIES - 1)
                atomic_fetch_add(&r->passed, 1);
        } else if (result == -ECANCELED || result == -ETIMEDOUT ||
                   result == -EIO) {
            if (pawl_barrier_broken(&r->b) &&
                test_rand_below(&me->random, 2) == 0)
                CHECK_OK(pawl_barrier_reset(&r->b));
        } else {
            CHECK_ERR(result, -EAGAIN);
        }
    }
    CHECK_OK(pawl_barrier_abort(&r->b, 3));
}

/* B-03, B-06 to B-09: resets, aborts, deadlines and failing actions from all
 * sides.  Invariant: every index was returned equally often, so each generation
 * passed for all its threads or for none. */
TEST(barrier_stress.storm)
{
    struct rig r = {.b = PAWL_BARRIER_INIT(PARTIES),
                    .rounds = test_iterations(2500)};

    team_of_threads(PARTIES + DISTURBERS, weather, &r);
    for (int i = 1; i < PARTIES; i++)
        CHECK_EQ(atomic_load(&r.of_index[i]), atomic_load(&r.of_index[0]));
    CHECK_EQ(pawl_barrier_n_waiting(&r.b), 0);
}

/* What is known of a generation: its number, and how it ended. */
enum { HEARSAY = 4096, HAS_PASSED = 1, HAS_BROKEN = 2 };
static _Atomic uint32_t hearsay[HEARSAY];

static void compare_notes(uint32_t generation, bool passed)
{
    uint32_t mine = generation << 2 | (passed ? HAS_PASSED : HAS_BROKEN);
    uint32_t theirs = atomic_exchange(&hearsay[generation % HEARSAY], mine);

    if (theirs != 0 && theirs >> 2 == generation)
        CHECK_EQ(theirs & 3, mine & 3);
}

static void weather_in_a_crowd(struct member *me)
{
    struct rig *r = me->rig;

    if (me->index < DISTURBERS) {
        disturb(me, r);
        return;
    }
    while (atomic_load(&r->passed) < r->rounds) {
        pawl_barrier_ticket ticket;
        int index =
            pawl_barrier_arrive(&r->b, do_anything, r, PAWL_FOREVER, &ticket);
        uint32_t generation = ticket.word_ >> 6 & 0x3ffffff; /* barrier.c */
        int err = index;

        if (index >= 0) {
            err = pawl_barrier_finish(&r->b, ticket);
            /* The answer is exact for six generations. */
            if (((pawl_barrier_generation(&r->b) - generation) & 0x3ffffff) <=
                6)
                compare_notes(generation, err == 0);
        }
        if (index == PARTIES - 1)
            atomic_fetch_add(&r->passed, 1);
        if (err < 0 && pawl_barrier_broken(&r->b))
            CHECK_OK(pawl_barrier_reset(&r->b));
    }
    CHECK_OK(pawl_barrier_abort(&r->b, 3));
}

/* B-12: the same with more threads than parties.  Invariant: all threads of a
 * generation tell the same of it. */
TEST(barrier_stress.storm_with_surplus_threads)
{
    struct rig r = {.b = PAWL_BARRIER_INIT(PARTIES),
                    .rounds = test_iterations(2500)};

    team_of_threads(PARTIES + 2 + DISTURBERS, weather_in_a_crowd, &r);
}

static void crowd_in(struct member *me)
{
    struct rig *r = me->rig;

    while (pawl_barrier_generation(&r->b) < (uint32_t)r->rounds) {
        int index = pawl_barrier_wait_action(
            &r->b, r->with_action ? sum_up : NULL, r, PAWL_FOREVER);

        if (index >= 0) {
            CHECK(index < 2);
            atomic_fetch_add(&r->of_index[index], 1);
        } else {
            CHECK_ERR(index, -ECANCELED);
        }
    }
    CHECK_OK(pawl_barrier_abort(&r->b, 0)); /* the odd one out */
}

/* B-12: seven threads at a barrier of two.  Invariant: each generation is two
 * threads with the indices 0 and 1. */
TEST(barrier_stress.surplus_threads_are_no_error)
{
    for (int by_action = 0; by_action < 2; by_action++) {
        struct rig r = {.b = PAWL_BARRIER_INIT(2),
                        .rounds = test_iterations(5000)};

        r.with_action = by_action != 0;
        team_of_threads(7, crowd_in, &r);
        CHECK_EQ(atomic_load(&r.of_index[0]), atomic_load(&r.of_index[1]));
        CHECK(atomic_load(&r.of_index[0]) >= r.rounds);
    }
}
