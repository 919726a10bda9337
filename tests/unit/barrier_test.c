/* SPDX-License-Identifier: MIT
 *
 * barrier_test.c - the barrier, call by call.  A ticket of the split form
 * stands in for a thread that waits, wherever it matters when it runs on.
 */
#include <limits.h>
#include <stdatomic.h>
#include <string.h>

#include <pawl/barrier.h>
#include <pawl/error.h>

#include "puppet.h"
#include "test.h"

enum { PARTIES = 4 };

static const pawl_deadline past[] = {0, -1, INT64_MIN, 1};

static int wait_until(void *b, pawl_deadline until)
{
    return pawl_barrier_wait_until(b, until);
}

static int wait_by_default(void *b, pawl_deadline until)
{
    (void)until;
    return pawl_barrier_wait(b);
}

/* Arrive, which must give this index. */
static pawl_barrier_ticket arrive(pawl_barrier *b, int index)
{
    pawl_barrier_ticket ticket;

    CHECK_ERR(pawl_barrier_arrive(b, NULL, NULL, PAWL_FOREVER, &ticket), index);
    return ticket;
}

/* One generation passes. */
static void pass(pawl_barrier *b)
{
    int parties = (int)pawl_barrier_parties(b);

    for (int i = 0; i < parties; i++)
        arrive(b, i);
}

static void check_is_fresh(pawl_barrier *b, uint32_t parties)
{
    CHECK_EQ(pawl_barrier_parties(b), parties);
    CHECK_EQ(pawl_barrier_n_waiting(b), 0);
    CHECK(!pawl_barrier_broken(b));
    CHECK_EQ(pawl_barrier_generation(b), 0);
    CHECK_EQ(pawl_barrier_reason(b), 0);
    pass(b);
    CHECK_EQ(pawl_barrier_generation(b), 1);
    CHECK_EQ(pawl_barrier_n_waiting(b), 0);
    CHECK_OK(pawl_barrier_destroy(b));
}

/* B-01, B-10: by init and by initialiser. */
TEST(barrier.begins_empty_and_unbroken)
{
    pawl_barrier local = PAWL_BARRIER_INIT(3);
    pawl_barrier shared = PAWL_BARRIER_INIT_FLAGS(3, PAWL_SHARED);
    pawl_barrier b;

    check_is_fresh(&local, 3);
    check_is_fresh(&shared, 3);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        memset(&b, 0xff, sizeof b);
        CHECK_OK(pawl_barrier_init(&b, 3, PAWL_FOREVER, flags));
        check_is_fresh(&b, 3);
        memset(&b, 0xff, sizeof b);
        CHECK_OK(pawl_barrier_init(&b, PAWL_BARRIER_PARTIES_MAX, 1000, flags));
        check_is_fresh(&b, PAWL_BARRIER_PARTIES_MAX);
    }
}

/* B-01, R-01: a refused init leaves the memory alone. */
TEST(barrier.init_refuses_what_is_out_of_bounds)
{
    pawl_barrier b = PAWL_BARRIER_INIT(2);
    pawl_barrier before;

    arrive(&b, 0);
    memcpy(&before, &b, sizeof b);
    CHECK_ERR(pawl_barrier_init(&b, 0, PAWL_FOREVER, 0), -EINVAL);
    CHECK_ERR(
        pawl_barrier_init(&b, PAWL_BARRIER_PARTIES_MAX + 1, PAWL_FOREVER, 0),
        -EINVAL);
    CHECK_ERR(pawl_barrier_init(&b, UINT32_MAX, PAWL_FOREVER, 0), -EINVAL);
    CHECK_ERR(pawl_barrier_init(&b, 1, PAWL_FOREVER, PAWL_OWNERLESS), -EINVAL);
    CHECK_ERR(pawl_barrier_init(&b, 1, PAWL_FOREVER, 4), -EINVAL);
    CHECK_ERR(pawl_barrier_init(&b, 1, PAWL_FOREVER, UINT_MAX), -EINVAL);
    CHECK_EQ(memcmp(&before, &b, sizeof b), 0);
}

/* All zero bytes: a barrier for nobody. */
TEST(barrier.zero_refuses_everything)
{
    pawl_barrier_ticket ticket = {0};
    pawl_barrier zero;
    pawl_barrier b;

    memset(&zero, 0, sizeof zero);
    memset(&b, 0, sizeof b);
    CHECK_ERR(pawl_barrier_wait(&b), -EINVAL);
    CHECK_ERR(pawl_barrier_wait_until(&b, 0), -EINVAL);
    CHECK_ERR(pawl_barrier_wait_action(&b, NULL, NULL, 0), -EINVAL);
    CHECK_ERR(pawl_barrier_try_wait(&b), -EINVAL);
    CHECK_ERR(pawl_barrier_arrive(&b, NULL, NULL, 0, &ticket), -EINVAL);
    CHECK_ERR(pawl_barrier_abort(&b, 1), -EINVAL);
    CHECK_ERR(pawl_barrier_reset(&b), -EINVAL);
    CHECK_EQ(pawl_barrier_parties(&b), 0);
    CHECK_EQ(memcmp(&zero, &b, sizeof b), 0);
}

/* B-01: one party never waits. */
TEST(barrier.one_party_passes_alone)
{
    pawl_barrier b = PAWL_BARRIER_INIT(1);

    CHECK_ERR(pawl_barrier_wait(&b), 0);
    CHECK_ERR(pawl_barrier_wait_until(&b, 0), 0);
    CHECK_ERR(pawl_barrier_try_wait(&b), 0);
    arrive(&b, 0);
    CHECK_EQ(pawl_barrier_generation(&b), 4);
}

/* B-02: the index is the order of arrival; the last one has parties - 1. */
TEST(barrier.index_is_the_order_of_arrival)
{
    struct puppet p[PARTIES - 1];

    puppets_begin(p, PARTIES - 1);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_barrier b = PAWL_BARRIER_INIT_FLAGS(PARTIES, flags);

        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < PARTIES - 1; i++) {
                CHECK_EQ(pawl_barrier_n_waiting(&b), i);
                puppet_do(&p[i], i == 1 ? wait_by_default : wait_until, &b,
                          PAWL_FOREVER);
                puppet_until_asleep(&p[i]);
            }
            CHECK_ERR(pawl_barrier_destroy(&b), -EBUSY);
            CHECK_ERR(pawl_barrier_wait(&b), PARTIES - 1);
            /* B-10: 0 as soon as the generation has ended. */
            CHECK_EQ(pawl_barrier_n_waiting(&b), 0);
            CHECK_EQ(pawl_barrier_generation(&b), round + 1);
            for (int i = 0; i < PARTIES - 1; i++)
                CHECK_ERR(puppet_result(&p[i]), i);
        }
        CHECK_OK(pawl_barrier_destroy(&b));
    }
    puppets_end(p, PARTIES - 1);
}

/* B-03: one that times out breaks the barrier for all, and is the only one to
 * be told so. */
TEST(barrier.timeout_breaks_it_for_everybody)
{
    struct puppet p[2];

    puppets_begin(p, 2);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_barrier b = PAWL_BARRIER_INIT_FLAGS(PARTIES, flags);
        pawl_deadline until;

        for (int i = 0; i < 2; i++) {
            puppet_do(&p[i], wait_until, &b, PAWL_FOREVER);
            puppet_until_asleep(&p[i]);
        }
        until = pawl_after_ms(5);
        CHECK_ERR(pawl_barrier_wait_until(&b, until), -ETIMEDOUT);
        CHECK(pawl_now() >= until);
        for (int i = 0; i < 2; i++)
            CHECK_ERR(puppet_result(&p[i]), -ECANCELED);
        CHECK(pawl_barrier_broken(&b));
        CHECK_EQ(pawl_barrier_n_waiting(&b), 0);
        CHECK_ERR(pawl_barrier_reason(&b), -ETIMEDOUT);
        CHECK_ERR(pawl_barrier_wait(&b), -ECANCELED);
        CHECK_OK(pawl_barrier_reset(&b));
        pass(&b);
    }
    puppets_end(p, 2);
}

/* B-04, R-04, R-05: a deadline that has passed breaks it at once, unless the
 * caller is the last. */
TEST(barrier.past_deadline_breaks_it_but_lets_the_last_pass)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_barrier b = PAWL_BARRIER_INIT_FLAGS(2, flags);

        for (size_t i = 0; i < sizeof past / sizeof *past; i++) {
            pawl_barrier_ticket ticket = arrive(&b, 0);

            CHECK_ERR(pawl_barrier_wait_until(&b, past[i]), 1);
            CHECK_ERR(pawl_barrier_finish_until(&b, ticket, past[i]), 0);
            CHECK_ERR(pawl_barrier_wait_until(&b, past[i]), -ETIMEDOUT);
            CHECK(pawl_barrier_broken(&b));
            CHECK_ERR(pawl_barrier_wait_until(&b, past[i]), -ECANCELED);
            CHECK_OK(pawl_barrier_reset(&b));
        }
    }
}

/* B-04: the try form neither arrives nor breaks. */
TEST(barrier.try_wait_passes_or_leaves_no_trace)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_barrier b = PAWL_BARRIER_INIT_FLAGS(3, flags);
        pawl_barrier_ticket first;

        CHECK_ERR(pawl_barrier_try_wait(&b), -EAGAIN);
        CHECK_EQ(pawl_barrier_n_waiting(&b), 0);
        first = arrive(&b, 0);
        CHECK_ERR(pawl_barrier_try_wait(&b), -EAGAIN);
        CHECK_EQ(pawl_barrier_n_waiting(&b), 1);
        CHECK(!pawl_barrier_broken(&b));
        arrive(&b, 1);
        CHECK_ERR(pawl_barrier_try_wait(&b), 2);
        CHECK_OK(pawl_barrier_try_finish(&b, first));
        CHECK_OK(pawl_barrier_abort(&b, 0));
        CHECK_ERR(pawl_barrier_try_wait(&b), -ECANCELED);
    }
}

/* B-02: wait takes the timeout of init; an explicit "for ever" overrides it. */
TEST(barrier.default_timeout_is_for_wait_alone)
{
    struct puppet p;

    puppet_begin(&p);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_barrier b;
        pawl_deadline since = pawl_now();

        CHECK_OK(pawl_barrier_init(&b, 2, 5000000, flags));
        CHECK_ERR(pawl_barrier_wait(&b), -ETIMEDOUT);
        CHECK(pawl_now() >= since + 5000000);
        CHECK_OK(pawl_barrier_reset(&b));
        puppet_do(&p, wait_until, &b, PAWL_FOREVER);
        puppet_until_asleep(&p);
        since = pawl_now();
        while (pawl_now() < since + 10000000)
            sched_yield(); /* twice the default goes by */
        CHECK_EQ(pawl_barrier_n_waiting(&b), 1);
        CHECK_ERR(pawl_barrier_wait(&b), 1);
        CHECK_ERR(puppet_result(&p), 0);
        /* Zero and negative durations are past, and never for ever: R-05. */
        CHECK_OK(pawl_barrier_init(&b, 2, 0, flags));
        CHECK_ERR(pawl_barrier_wait(&b), -ETIMEDOUT);
        CHECK_OK(pawl_barrier_init(&b, 2, -1, flags));
        CHECK_ERR(pawl_barrier_wait(&b), -ETIMEDOUT);
        CHECK_OK(pawl_barrier_init(&b, 2, INT64_MIN, flags));
        CHECK_ERR(pawl_barrier_wait(&b), -ETIMEDOUT);
        CHECK_OK(pawl_barrier_init(&b, 1, INT64_MAX - 1, flags));
        CHECK_ERR(pawl_barrier_wait(&b), 0);
    }
    puppet_end(&p);
}

/* ---- the table of states ------------------------------------------------- */

enum state { FILLING, COMPLETED, BROKEN };
enum call { NOT_LAST, LAST, LATE, ABORT, RESET, N_WAITING };

/* A barrier of three.  FILLING: one has arrived (two, before LAST).  COMPLETED:
 * a generation has passed, and a thread of it has not run yet (before LAST, two
 * of the next have arrived).  BROKEN: somebody was there when it broke. */
static const struct row {
    enum call call;
    enum state state;
    int result;
    int old; /* what the thread that was there gets; -EAGAIN: waits */
    bool broken;
    uint32_t n_waiting;
} table[] = {
    {NOT_LAST, FILLING, 1, -EAGAIN, false, 2},
    {NOT_LAST, COMPLETED, 0, 0, false, 1},
    {NOT_LAST, BROKEN, -ECANCELED, -ECANCELED, true, 0},
    {LAST, FILLING, 2, 0, false, 0},
    {LAST, COMPLETED, 2, 0, false, 0},
    {LAST, BROKEN, -ECANCELED, -ECANCELED, true, 0},
    {LATE, FILLING, -ETIMEDOUT, -ECANCELED, true, 0},
    {LATE, COMPLETED, -ETIMEDOUT, 0, true, 0},
    {LATE, BROKEN, -ECANCELED, -ECANCELED, true, 0},
    {ABORT, FILLING, 0, -ECANCELED, true, 0},
    {ABORT, COMPLETED, 0, 0, true, 0},
    {ABORT, BROKEN, 0, -ECANCELED, true, 0},
    {RESET, FILLING, 0, -ECANCELED, false, 0},
    {RESET, COMPLETED, 0, 0, false, 0},
    {RESET, BROKEN, 0, -ECANCELED, false, 0},
    {N_WAITING, FILLING, 1, -EAGAIN, false, 1},
    {N_WAITING, COMPLETED, 0, 0, false, 0},
    {N_WAITING, BROKEN, 0, -ECANCELED, true, 0},
};

static int count_call(uint32_t generation, void *count)
{
    (void)generation;
    ++*(int *)count;
    return 0;
}

static pawl_barrier_ticket bring_into(enum state state, pawl_barrier *b,
                                      bool before_last)
{
    pawl_barrier_ticket old = arrive(b, 0);

    if (state == COMPLETED) {
        arrive(b, 1);
        arrive(b, 2);
        if (before_last)
            arrive(b, 0);
    }
    if (state == BROKEN)
        CHECK_OK(pawl_barrier_abort(b, 77));
    else if (before_last)
        arrive(b, 1);
    return old;
}

static int call_it(enum call call, pawl_barrier *b, int *actions)
{
    pawl_barrier_ticket ticket;

    switch (call) {
    case NOT_LAST:
        return pawl_barrier_arrive(b, NULL, NULL, PAWL_FOREVER, &ticket);
    case LAST:
        return pawl_barrier_wait_action(b, count_call, actions, PAWL_FOREVER);
    case LATE:
        return pawl_barrier_wait_until(b, pawl_after_ms(1));
    case ABORT:
        return pawl_barrier_abort(b, 78);
    case RESET:
        return pawl_barrier_reset(b);
    default:
        return (int)pawl_barrier_n_waiting(b);
    }
}

/* B-03, B-07, B-08, B-09, B-10 and the state table of 16.1. */
TEST(barrier.every_call_in_every_state)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
            const struct row *r = &table[i];
            pawl_barrier b = PAWL_BARRIER_INIT_FLAGS(3, flags);
            pawl_barrier_ticket old = bring_into(r->state, &b, r->call == LAST);
            int actions = 0;
            int result = call_it(r->call, &b, &actions);
            int of_old = pawl_barrier_try_finish(&b, old);

            if (result != r->result || of_old != r->old ||
                pawl_barrier_broken(&b) != r->broken ||
                pawl_barrier_n_waiting(&b) != r->n_waiting ||
                actions != (r->call == LAST && r->state != BROKEN))
                test_fail(__FILE__, __LINE__,
                          "call %d in state %d: %d, old %d, broken %d, "
                          "n_waiting %u, %d actions",
                          (int)r->call, (int)r->state, result, of_old,
                          pawl_barrier_broken(&b), pawl_barrier_n_waiting(&b),
                          actions);
            CHECK_EQ(pawl_barrier_parties(&b), 3);
            if (r->call == ABORT)
                CHECK_EQ(pawl_barrier_reason(&b), r->state == BROKEN ? 77 : 78);
            CHECK_OK(pawl_barrier_reset(&b));
            pass(&b);
        }
    }
}

/* ---- abort and reset ----------------------------------------------------- */

/* B-07, B-09: sleepers and later arrivals are refused until reset. */
TEST(barrier.abort_cancels_sleepers_and_newcomers)
{
    struct puppet p[3];

    puppets_begin(p, 3);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_barrier b = PAWL_BARRIER_INIT_FLAGS(PARTIES, flags);

        for (int i = 0; i < 3; i++) {
            puppet_do(&p[i], wait_until, &b, PAWL_FOREVER);
            puppet_until_asleep(&p[i]);
        }
        CHECK_OK(pawl_barrier_abort(&b, 42));
        CHECK_EQ(pawl_barrier_n_waiting(&b), 0);
        CHECK_OK(pawl_barrier_destroy(&b));
        for (int i = 0; i < 3; i++)
            CHECK_ERR(puppet_result(&p[i]), -ECANCELED);
        CHECK(pawl_barrier_broken(&b));
        CHECK_EQ(pawl_barrier_reason(&b), 42);
        CHECK_OK(pawl_barrier_abort(&b, 43)); /* changes nothing */
        CHECK_EQ(pawl_barrier_reason(&b), 42);
        CHECK_EQ(pawl_barrier_generation(&b), 1);
        CHECK_ERR(pawl_barrier_wait(&b), -ECANCELED);
        CHECK_ERR(pawl_barrier_wait_until(&b, 0), -ECANCELED);
        CHECK_OK(pawl_barrier_reset(&b));
        CHECK(!pawl_barrier_broken(&b));
        pass(&b);
    }
    puppets_end(p, 3);
}

/* B-07: it stays broken though nobody was there. */
TEST(barrier.abort_of_an_empty_barrier_breaks_it)
{
    pawl_barrier b = PAWL_BARRIER_INIT(2);

    CHECK_OK(pawl_barrier_abort(&b, INT_MIN));
    CHECK(pawl_barrier_broken(&b));
    CHECK_EQ(pawl_barrier_reason(&b), INT_MIN);
    CHECK_ERR(pawl_barrier_wait(&b), -ECANCELED);
    CHECK_OK(pawl_barrier_reset(&b));
    CHECK_OK(pawl_barrier_reset(&b));
    pass(&b);
}

/* More generations than barrier.c counts breaks, twice. */
enum { VERY_LATE = 1100 };

static void break_and_mend(pawl_barrier *b)
{
    CHECK_OK(pawl_barrier_abort(b, 1));
    CHECK_OK(pawl_barrier_reset(b));
}

/* B-07: those whose generation is complete have passed, however late they run
 * and whatever happened since: abort, resets, generations that broke. */
TEST(barrier.what_has_passed_is_not_broken_later)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_barrier b = PAWL_BARRIER_INIT_FLAGS(2, flags);
        pawl_barrier_ticket old = arrive(&b, 0);

        arrive(&b, 1);
        for (int later = 0; later < VERY_LATE; later++) {
            break_and_mend(&b);
            CHECK_OK(pawl_barrier_try_finish(&b, old));
            CHECK_OK(pawl_barrier_finish_until(&b, old, 0));
        }
        CHECK_OK(pawl_barrier_abort(&b, 0));
        CHECK_OK(pawl_barrier_finish(&b, old));
    }
}

/* B-03: and what has broken has not passed, however late it is asked.  A
 * generation that breaks by reset counts as one. */
TEST(barrier.what_has_broken_has_not_passed)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_barrier b = PAWL_BARRIER_INIT_FLAGS(2, flags);
        pawl_barrier_ticket old = arrive(&b, 0);

        CHECK_OK(pawl_barrier_reset(&b));
        for (int later = 0; later < VERY_LATE; later++) {
            CHECK_ERR(pawl_barrier_try_finish(&b, old), -ECANCELED);
            CHECK_ERR(pawl_barrier_finish(&b, old), -ECANCELED);
            break_and_mend(&b);
        }
    }
}

/* B-12: where nothing ever breaks, a thread that is late has passed, however
 * often others did since. */
TEST(barrier.late_among_surplus_threads_has_passed)
{
    pawl_barrier b = PAWL_BARRIER_INIT(2);
    pawl_barrier_ticket old = arrive(&b, 0);

    arrive(&b, 1);
    for (int later = 0; later < VERY_LATE; later++) {
        CHECK_OK(pawl_barrier_try_finish(&b, old));
        pass(&b);
    }
}

/* B-12: with more threads than parties others pass meanwhile; for six
 * generations the answer is exact: every pattern of passed and broken. */
TEST(barrier.history_is_exact_for_six_generations)
{
    for (unsigned pattern = 0; pattern < 64; pattern++) {
        pawl_barrier b = PAWL_BARRIER_INIT(2);
        pawl_barrier_ticket old[6];

        for (int i = 0; i < 6; i++) {
            old[i] = arrive(&b, 0);
            if ((pattern >> i & 1) != 0)
                arrive(&b, 1);
            else
                CHECK_OK(pawl_barrier_reset(&b));
        }
        for (int i = 0; i < 6; i++)
            CHECK_ERR(pawl_barrier_try_finish(&b, old[i]),
                      (pattern >> i & 1) != 0 ? 0 : -ECANCELED);
    }
}

/* The generation wraps around, while threads of the last one are there. */
TEST(barrier.generation_wraps_around)
{
    struct puppet p;

    puppet_begin(&p);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_barrier b = PAWL_BARRIER_INIT_FLAGS(2, flags);
        pawl_barrier_ticket old;

        b.word_.v_ = UINT64_C(0x3ffffff) << 6; /* see barrier.c */
        CHECK_EQ(pawl_barrier_generation(&b), 0x3ffffff);
        old = arrive(&b, 0);
        CHECK_OK(pawl_barrier_reset(&b));
        CHECK_EQ(pawl_barrier_generation(&b), 0);
        CHECK_ERR(pawl_barrier_finish(&b, old), -ECANCELED);
        b.word_.v_ = UINT64_C(0x3ffffff) << 6;
        puppet_do(&p, wait_until, &b, PAWL_FOREVER);
        puppet_until_asleep(&p);
        CHECK_ERR(pawl_barrier_wait(&b), 1);
        CHECK_EQ(pawl_barrier_generation(&b), 0);
        CHECK_ERR(puppet_result(&p), 0);
        CHECK_EQ(pawl_barrier_parties(&b), 2);
        pass(&b);
    }
    puppet_end(&p);
}

/* B-08: reset cancels sleepers, and the barrier is usable at once. */
TEST(barrier.reset_cancels_sleepers_and_starts_afresh)
{
    struct puppet p[3];

    puppets_begin(p, 3);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_barrier b = PAWL_BARRIER_INIT_FLAGS(PARTIES, flags);

        for (int i = 0; i < 3; i++) {
            puppet_do(&p[i], wait_until, &b, PAWL_FOREVER);
            puppet_until_asleep(&p[i]);
        }
        CHECK_OK(pawl_barrier_reset(&b));
        CHECK(!pawl_barrier_broken(&b));
        CHECK_EQ(pawl_barrier_n_waiting(&b), 0);
        pass(&b); /* a whole generation before they have run */
        for (int i = 0; i < 3; i++)
            CHECK_ERR(puppet_result(&p[i]), -ECANCELED);
        /* The reason is that of the latest break, and a reset is none. */
        CHECK_EQ(pawl_barrier_reason(&b), 0);
    }
    puppets_end(p, 3);
}

/* ---- the action ---------------------------------------------------------- */

static int plain[PARTIES];

struct action_rig {
    pawl_barrier *b;
    int calls;
    uint32_t generation;
    int result;  /* what the action returns */
    int sum;     /* of what the parties wrote */
    int verdict; /* what the action wrote */
};

static int sum_up(uint32_t generation, void *arg)
{
    struct action_rig *r = arg;

    r->calls++;
    r->generation = generation;
    r->sum = 0;
    for (int i = 0; i < PARTIES; i++)
        r->sum += plain[i];
    r->verdict = 100 + r->sum;
    return r->result;
}

/* Writes, waits, and returns what the action wrote, plus the index. */
static int write_and_wait(void *arg, pawl_deadline until)
{
    struct action_rig *r = arg;
    int index;

    plain[until % 1000]++;
    index = pawl_barrier_wait_action(r->b, sum_up, r, PAWL_FOREVER);
    return index < 0 ? index : r->verdict;
}

/* B-05, R-11: runs once, in the last to arrive, sees what all wrote, and all
 * see what it wrote. */
TEST(barrier.action_sees_all_and_is_seen_by_all)
{
    struct puppet p[PARTIES];

    puppets_begin(p, PARTIES);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_barrier b = PAWL_BARRIER_INIT_FLAGS(PARTIES, flags);
        struct action_rig r = {.b = &b};

        memset(plain, 0, sizeof plain);
        for (int round = 1; round <= 10; round++) {
            for (int i = 0; i < PARTIES; i++)
                puppet_do(&p[i], write_and_wait, &r, i);
            for (int i = 0; i < PARTIES; i++)
                CHECK_EQ(puppet_result(&p[i]), 100 + PARTIES * round);
            CHECK_EQ(r.calls, round);
            CHECK_EQ(r.generation, round - 1);
        }
    }
    puppets_end(p, PARTIES);
}

/* B-06, B-11: a negative result goes to the last to arrive, the others are
 * cancelled, the barrier is broken. */
TEST(barrier.failing_action_breaks_it)
{
    struct puppet p;

    puppet_begin(&p);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_barrier b = PAWL_BARRIER_INIT_FLAGS(2, flags);
        struct action_rig r = {.b = &b, .result = -EIO};
        pawl_barrier_ticket ticket;

        puppet_do(&p, wait_until, &b, PAWL_FOREVER);
        puppet_until_asleep(&p);
        CHECK_ERR(pawl_barrier_wait_action(&b, sum_up, &r, 0), -EIO);
        CHECK_ERR(puppet_result(&p), -ECANCELED);
        CHECK(pawl_barrier_broken(&b));
        CHECK_ERR(pawl_barrier_reason(&b), -EIO);
        CHECK_EQ(r.calls, 1);
        CHECK_ERR(pawl_barrier_wait_action(&b, sum_up, &r, 0), -ECANCELED);
        CHECK_EQ(r.calls, 1);
        CHECK_OK(pawl_barrier_reset(&b));
        /* A positive result is a success.  The split form runs it in arrive. */
        r.result = 5;
        arrive(&b, 0);
        CHECK_ERR(pawl_barrier_arrive(&b, sum_up, &r, 0, &ticket), 1);
        CHECK_EQ(r.calls, 2);
        CHECK_OK(pawl_barrier_finish(&b, ticket));
        r.result = INT_MIN;
        ticket = arrive(&b, 0);
        CHECK_ERR(
            pawl_barrier_arrive(&b, sum_up, &r, 0, &(pawl_barrier_ticket){0}),
            INT_MIN);
        CHECK_ERR(pawl_barrier_finish(&b, ticket), -ECANCELED);
    }
    puppet_end(&p);
}

enum deed { WAIT_IN_IT, QUERY_IN_IT, ABORT_IN_IT, RESET_IN_IT, RESET_AND_FAIL };

struct deed_rig {
    pawl_barrier *b;
    enum deed deed;
    int calls;
};

static int act(uint32_t generation, void *arg)
{
    struct deed_rig *r = arg;
    pawl_barrier_ticket ticket;

    r->calls++;
    CHECK_EQ(generation, pawl_barrier_generation(r->b));
    switch (r->deed) {
    case WAIT_IN_IT:
        CHECK_ERR(pawl_barrier_wait(r->b), -EDEADLK);
        CHECK_ERR(pawl_barrier_wait_until(r->b, 0), -EDEADLK);
        CHECK_ERR(pawl_barrier_try_wait(r->b), -EDEADLK);
        CHECK_ERR(pawl_barrier_wait_action(r->b, act, arg, 0), -EDEADLK);
        CHECK_ERR(pawl_barrier_arrive(r->b, NULL, NULL, PAWL_FOREVER, &ticket),
                  -EDEADLK);
        break;
    case QUERY_IN_IT:
        CHECK(!pawl_barrier_broken(r->b));
        CHECK_EQ(pawl_barrier_parties(r->b), 2);
        CHECK_EQ(pawl_barrier_n_waiting(r->b), 2); /* has not ended */
        CHECK_ERR(pawl_barrier_destroy(r->b), -EBUSY);
        break;
    case ABORT_IN_IT:
        CHECK_OK(pawl_barrier_abort(r->b, 9));
        CHECK(pawl_barrier_broken(r->b));
        CHECK_EQ(pawl_barrier_n_waiting(r->b), 0);
        break;
    case RESET_IN_IT:
    case RESET_AND_FAIL:
        CHECK_OK(pawl_barrier_reset(r->b));
        CHECK(!pawl_barrier_broken(r->b));
        CHECK_EQ(pawl_barrier_n_waiting(r->b), 0);
        return r->deed == RESET_IN_IT ? 0 : -EIO;
    }
    return 0;
}

/* B-05, R-15: from the action: waiting is refused; queries, abort and reset are
 * allowed, and then the generation has broken. */
TEST(barrier.action_may_do_all_but_wait)
{
    static const struct {
        enum deed deed;
        int last;
        int other;
        bool broken;
        int reason;
    } rows[] = {
        {WAIT_IN_IT, 1, 0, false, 0},
        {QUERY_IN_IT, 1, 0, false, 0},
        {ABORT_IN_IT, -ECANCELED, -ECANCELED, true, 9},
        {RESET_IN_IT, -ECANCELED, -ECANCELED, false, 0},
        {RESET_AND_FAIL, -EIO, -ECANCELED, false, 0},
    };
    struct puppet p;

    puppet_begin(&p);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            pawl_barrier b = PAWL_BARRIER_INIT_FLAGS(2, flags);
            struct deed_rig r = {.b = &b, .deed = rows[i].deed};

            puppet_do(&p, wait_until, &b, PAWL_FOREVER);
            puppet_until_asleep(&p);
            CHECK_ERR(pawl_barrier_wait_action(&b, act, &r, PAWL_FOREVER),
                      rows[i].last);
            CHECK_ERR(puppet_result(&p), rows[i].other);
            CHECK_EQ(r.calls, 1);
            CHECK_EQ(pawl_barrier_broken(&b), rows[i].broken);
            CHECK_EQ(pawl_barrier_reason(&b), rows[i].reason);
            CHECK_EQ(pawl_barrier_generation(&b), 1);
            CHECK_OK(pawl_barrier_reset(&b));
            pass(&b); /* the same thread may wait again */
            arrive(&b, 0);
            CHECK_ERR(pawl_barrier_wait(&b), 1);
        }
    }
    puppet_end(&p);
}

/* Also when the action has reset the barrier, and that of the next generation
 * runs; and from the action of another barrier in between. */
struct nest {
    pawl_barrier b;
    pawl_barrier other;
    struct puppet next;
};

static int lead_next_generation(uint32_t generation, void *arg)
{
    struct nest *n = arg;

    (void)generation;
    CHECK_EQ(pawl_barrier_generation(&n->b), 1);
    CHECK_ERR(pawl_barrier_try_wait(&n->b), -EDEADLK);
    return 0;
}

static int wait_in_next_generation(void *arg, pawl_deadline until)
{
    struct nest *n = arg;

    return pawl_barrier_wait_action(&n->b, lead_next_generation, n, until);
}

static int refuse_both(uint32_t generation, void *arg)
{
    struct nest *n = arg;

    (void)generation;
    CHECK_ERR(pawl_barrier_wait_until(&n->b, 0), -EDEADLK);
    CHECK_ERR(pawl_barrier_wait_until(&n->other, 0), -EDEADLK);
    return 0;
}

static int reset_and_nest(uint32_t generation, void *arg)
{
    struct nest *n = arg;

    (void)generation;
    CHECK_OK(pawl_barrier_reset(&n->b));
    CHECK_ERR(puppet_call(&n->next, wait_in_next_generation, n), 0);
    CHECK_EQ(pawl_barrier_generation(&n->b), 2);
    CHECK_ERR(pawl_barrier_wait_until(&n->b, 0), -EDEADLK);
    CHECK_ERR(pawl_barrier_wait_action(&n->other, refuse_both, n, 0), 0);
    CHECK_ERR(pawl_barrier_wait_until(&n->other, 0), 0);
    CHECK_ERR(pawl_barrier_wait_until(&n->b, 0), -EDEADLK);
    return 0;
}

TEST(barrier.its_own_action_may_not_wait_whatever_has_come_since)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        struct nest n = {.b = PAWL_BARRIER_INIT_FLAGS(1, flags),
                         .other = PAWL_BARRIER_INIT_FLAGS(1, flags)};

        puppet_begin(&n.next);
        CHECK_ERR(pawl_barrier_wait_action(&n.b, reset_and_nest, &n, 0),
                  -ECANCELED);
        CHECK_ERR(pawl_barrier_wait(&n.b), 0);
        puppet_end(&n.next);
    }
}

/* what was done before an abort or a reset is seen by those whom it
 * cancels, and by who finds the barrier broken. */
struct news {
    pawl_barrier b;
    int (*end)(struct news *n);
    long text;
};

static int abort_it(struct news *n)
{
    return pawl_barrier_abort(&n->b, 1);
}

static int reset_it(struct news *n)
{
    return pawl_barrier_reset(&n->b);
}

static int write_and_end(void *arg, pawl_deadline until)
{
    struct news *n = arg;

    (void)until;
    n->text = 1;
    return n->end(n);
}

TEST(barrier.its_end_publishes)
{
    int (*const ends[])(struct news *n) = {abort_it, reset_it};
    struct puppet p;

    puppet_begin(&p);
    for (int asked = 0; asked < 2; asked++) {
        for (int i = 0; i < 2 - asked; i++) {
            struct news n = {.b = PAWL_BARRIER_INIT(2), .end = ends[i]};
            pawl_barrier_ticket ticket = arrive(&n.b, 0);

            puppet_do(&p, write_and_end, &n, PAWL_FOREVER);
            if (asked) {
                while (!pawl_barrier_broken(&n.b))
                    sched_yield();
            } else {
                CHECK_ERR(pawl_barrier_finish(&n.b, ticket), -ECANCELED);
            }
            CHECK_EQ(n.text, 1);
            CHECK_OK(puppet_result(&p));
        }
    }
    puppet_end(&p);
}

static _Atomic int in_action;
static _Atomic int may_end;

static int linger(uint32_t generation, void *arg)
{
    (void)generation;
    (void)arg;
    atomic_store(&in_action, 1);
    while (atomic_load(&may_end) == 0)
        sched_yield();
    return 0;
}

static int wait_lingering(void *b, pawl_deadline until)
{
    return pawl_barrier_wait_action(b, linger, NULL, until);
}

static int arrive_split(void *b, pawl_deadline until)
{
    pawl_barrier_ticket ticket;

    return pawl_barrier_arrive(b, NULL, NULL, until, &ticket);
}

/* B-05, B-12, R-07: while the action runs nobody passes, and a surplus thread
 * waits for the next generation, within its deadline and without breaking
 * anything. */
TEST(barrier.nobody_passes_before_the_action_has_ended)
{
    struct puppet p[3];

    puppets_begin(p, 3);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_barrier b = PAWL_BARRIER_INIT_FLAGS(2, flags);
        pawl_barrier_ticket ticket = arrive(&b, 0);
        pawl_deadline until;

        atomic_store(&in_action, 0);
        atomic_store(&may_end, 0);
        puppet_do(&p[0], wait_lingering, &b, 0);
        while (atomic_load(&in_action) == 0)
            sched_yield();
        CHECK_ERR(pawl_barrier_try_finish(&b, ticket), -EAGAIN);
        CHECK_ERR(pawl_barrier_try_wait(&b), -EAGAIN);
        until = pawl_after_ms(3);
        CHECK_ERR(pawl_barrier_arrive(&b, NULL, NULL, until,
                                      &(pawl_barrier_ticket){0}),
                  -ETIMEDOUT);
        CHECK(pawl_now() >= until);
        CHECK_ERR(
            pawl_barrier_arrive(&b, NULL, NULL, 0, &(pawl_barrier_ticket){0}),
            -ETIMEDOUT);
        CHECK(!pawl_barrier_broken(&b));
        CHECK_EQ(pawl_barrier_n_waiting(&b), 2);
        CHECK_EQ(pawl_barrier_generation(&b), 0);
        puppet_do(&p[1], arrive_split, &b, PAWL_FOREVER);
        puppet_until_asleep(&p[1]);
        puppet_do(&p[2], wait_until, &b, PAWL_FOREVER);
        puppet_until_asleep(&p[2]);
        atomic_store(&may_end, 1);
        CHECK_ERR(puppet_result(&p[0]), 1);
        CHECK_OK(pawl_barrier_finish(&b, ticket));
        /* These two are the next generation. */
        CHECK_EQ(puppet_result(&p[1]) + puppet_result(&p[2]), 1);
        CHECK_EQ(pawl_barrier_generation(&b), 2);
    }
    puppets_end(p, 3);
}

/* B-03: while the action runs a waiter may still time out; then all fail. */
TEST(barrier.timeout_during_the_action_breaks_it)
{
    struct puppet p;

    puppet_begin(&p);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_barrier b = PAWL_BARRIER_INIT_FLAGS(2, flags);
        pawl_barrier_ticket ticket = arrive(&b, 0);

        atomic_store(&in_action, 0);
        atomic_store(&may_end, 0);
        puppet_do(&p, wait_lingering, &b, 0);
        while (atomic_load(&in_action) == 0)
            sched_yield();
        CHECK_ERR(pawl_barrier_finish_until(&b, ticket, pawl_after_ms(1)),
                  -ETIMEDOUT);
        CHECK(pawl_barrier_broken(&b));
        atomic_store(&may_end, 1);
        CHECK_ERR(puppet_result(&p), -ECANCELED);
        CHECK_ERR(pawl_barrier_reason(&b), -ETIMEDOUT);
    }
    puppet_end(&p);
}

/* ---- the split form ------------------------------------------------------ */

static int finish_it(void *rig, pawl_deadline until)
{
    struct {
        pawl_barrier *b;
        pawl_barrier_ticket ticket;
    } *r = rig;

    return pawl_barrier_finish_until(r->b, r->ticket, until);
}

/* B-02: arrive now, wait later, in another thread if one likes. */
TEST(barrier.split_form_waits_later)
{
    struct puppet p;

    puppet_begin(&p);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_barrier b = PAWL_BARRIER_INIT_FLAGS(2, flags);
        pawl_barrier_ticket last;
        struct {
            pawl_barrier *b;
            pawl_barrier_ticket ticket;
        } rig = {.b = &b};

        rig.ticket = arrive(&b, 0);
        CHECK_ERR(pawl_barrier_try_finish(&b, rig.ticket), -EAGAIN);
        CHECK_ERR(pawl_barrier_try_finish(&b, rig.ticket), -EAGAIN);
        puppet_do(&p, finish_it, &rig, PAWL_FOREVER);
        puppet_until_asleep(&p);
        last = arrive(&b, 1);
        CHECK_OK(puppet_result(&p));
        CHECK_OK(pawl_barrier_finish(&b, last));
        /* A finish that times out breaks; one that comes too late for that,
         * passes. */
        rig.ticket = arrive(&b, 0);
        CHECK_ERR(pawl_barrier_finish_until(&b, rig.ticket, pawl_after_ms(1)),
                  -ETIMEDOUT);
        CHECK(pawl_barrier_broken(&b));
        CHECK_ERR(pawl_barrier_reason(&b), -ETIMEDOUT);
        CHECK_OK(pawl_barrier_reset(&b));
        rig.ticket = arrive(&b, 0);
        arrive(&b, 1);
        CHECK_OK(pawl_barrier_finish_until(&b, rig.ticket, 0));
        CHECK(!pawl_barrier_broken(&b));
        CHECK_OK(pawl_barrier_abort(&b, 0));
        CHECK_ERR(pawl_barrier_arrive(&b, NULL, NULL, PAWL_FOREVER, &last),
                  -ECANCELED);
    }
    puppet_end(&p);
}

/* A break that did not happen leaves no reason: the deadline of a thread whose
 * generation has passed is not one. */
TEST(barrier.late_finish_of_a_passed_generation_gives_no_reason)
{
    pawl_barrier b = PAWL_BARRIER_INIT(2);
    pawl_barrier_ticket old = arrive(&b, 0);

    arrive(&b, 1);
    CHECK_OK(pawl_barrier_finish_until(&b, old, 0));
    CHECK_EQ(pawl_barrier_reason(&b), 0);
}

/* B-12: five threads at a barrier of two: surplus threads are of the next
 * generation, never an error. */
TEST(barrier.surplus_threads_form_the_next_generation)
{
    struct puppet p[5];

    puppets_begin(p, 5);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_barrier b = PAWL_BARRIER_INIT_FLAGS(2, flags);
        int zeros = 0;

        for (int i = 0; i < 5; i++)
            puppet_do(&p[i], wait_until, &b, PAWL_FOREVER);
        while (pawl_barrier_generation(&b) < 2)
            sched_yield();
        zeros += pawl_barrier_wait(&b) == 0;
        for (int i = 0; i < 5; i++) {
            int index = puppet_result(&p[i]);

            CHECK(index == 0 || index == 1);
            zeros += index == 0;
        }
        CHECK_EQ(zeros, 3);
    }
    puppets_end(p, 5);
}

/* signals do not end a wait. */
TEST(barrier.wait_outlasts_signals)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_barrier b = PAWL_BARRIER_INIT_FLAGS(2, flags);
        struct puppet p;

        allow_interruptions();
        puppet_begin(&p);
        puppet_do(&p, wait_until, &b, pawl_after_s(1000));
        for (int i = 0; i < 20; i++) {
            puppet_until_asleep(&p);
            interrupt(test_tid(p.thread));
        }
        puppet_until_asleep(&p);
        CHECK_ERR(pawl_barrier_wait(&b), 1);
        CHECK_ERR(puppet_result(&p), 0);
        puppet_end(&p);
    }
}
