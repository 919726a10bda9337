/* SPDX-License-Identifier: MIT
 *
 * event_stress.c - the event among many threads.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <pawl/error.h>
#include <pawl/event.h>

#include "puppet.h"
#include "team.h"
#include "test.h"

static int wait_until(void *e, pawl_deadline until)
{
    return pawl_event_wait_until(e, until);
}

/* E-02, W-03: in every round all threads sleep when the pulse comes.
 * Invariant: all return 0, each round, though the flag was never seen set. */
TEST(event_stress.pulse_reaches_every_sleeper)
{
    enum { SLEEPERS = 6 };
    int rounds = test_iterations(300);
    pawl_event e = PAWL_EVENT_INIT;
    struct puppet p[SLEEPERS];

    puppets_begin(p, SLEEPERS);
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < SLEEPERS; i++)
            puppet_do(&p[i], wait_until, &e,
                      i % 2 == 0 ? PAWL_FOREVER : pawl_after_s(1000));
        for (int i = 0; i < SLEEPERS; i++)
            puppet_until_asleep(&p[i]);
        pawl_event_set(&e);
        pawl_event_clear(&e);
        for (int i = 0; i < SLEEPERS; i++)
            CHECK_OK(puppet_result(&p[i]));
    }
    puppets_end(p, SLEEPERS);
}

struct storm {
    pawl_event e;
    _Atomic uint32_t begun; /* sets that have begun */
    _Atomic uint32_t ended; /* and that have been cleared again */
    _Atomic int waiting;    /* threads that have more waits to do */
    _Atomic int released;
    int waits;
};

enum { STORM_WAITERS = 4, STORM_PULSERS = 2 };

static void storm(struct member *me)
{
    struct storm *s = me->rig;

    if (me->index >= STORM_WAITERS) {
        while (atomic_load(&s->waiting) > 0) {
            atomic_fetch_add(&s->begun, 1);
            pawl_event_set(&s->e);
            if (test_rand_below(&me->random, 4) == 0)
                sched_yield();
            pawl_event_clear(&s->e);
            atomic_fetch_add(&s->ended, 1);
            for (uint32_t n = test_rand_below(&me->random, 4); n > 0; n--)
                sched_yield();
        }
        return;
    }
    for (int i = 0; i < s->waits; i++) {
        uint32_t ended = atomic_load(&s->ended);
        uint32_t begun = atomic_load(&s->begun);
        bool forever = test_rand_below(&me->random, 2) == 0;
        int err = pawl_event_wait_until(&s->e, forever ? PAWL_FOREVER
                                                       : team_soon(me, 200));

        if (err == 0)
            atomic_fetch_add(&s->released, 1);
        else
            CHECK_ERR(err, forever ? 0 : -ETIMEDOUT);
        /* All that had begun before had ended: a set must have come since. */
        if (err == 0 && begun == ended)
            CHECK(atomic_load(&s->begun) != begun);
    }
    atomic_fetch_sub(&s->waiting, 1);
}

/* E-02, E-03, W-03: pulses from several threads, waits with tiny deadlines.
 * Invariant: none returns 0 without a set; none sleeps through all of them. */
TEST(event_stress.pulse_storm)
{
    struct storm s = {.e = PAWL_EVENT_INIT,
                      .waiting = STORM_WAITERS,
                      .waits = test_iterations(4000)};

    team_of_threads(STORM_WAITERS + STORM_PULSERS, storm, &s);
    CHECK(atomic_load(&s.released) > 0);
    CHECK(!pawl_event_is_set(&s.e));
}

struct ping_pong {
    pawl_event ping;
    pawl_event pong;
    int ball; /* plain: the events order it */
    int rounds;
};

static void play(struct member *me)
{
    struct ping_pong *g = me->rig;
    pawl_event *mine = me->index == 0 ? &g->ping : &g->pong;
    pawl_event *theirs = me->index == 0 ? &g->pong : &g->ping;

    for (int i = 0; i < g->rounds; i++) {
        int err = -ETIMEDOUT;

        while (err == -ETIMEDOUT)
            err = pawl_event_wait_until(mine, i % 3 == 0 ? team_soon(me, 100)
                                                         : PAWL_FOREVER);
        CHECK_OK(err);
        pawl_event_clear(mine);
        CHECK_EQ(g->ball, 2 * i + me->index);
        g->ball++;
        pawl_event_set(theirs);
    }
}

/* E-05, R-11: two threads in turn.  Invariant: each sees the ball where the
 * other left it, and neither waits for ever. */
TEST(event_stress.ping_pong)
{
    struct ping_pong g = {.ping = PAWL_EVENT_INIT,
                          .pong = PAWL_EVENT_INIT,
                          .rounds = test_iterations(20000)};

    pawl_event_set(&g.ping);
    team_of_threads(2, play, &g);
    CHECK_EQ(g.ball, 2 * g.rounds);
}

struct short_lived {
    _Atomic(pawl_event *) e;
    int rounds;
};

static void free_after_wait(struct member *me)
{
    struct short_lived *s = me->rig;

    for (int i = 0; i < s->rounds; i++) {
        pawl_event *e;

        if (me->index == 0) { /* makes, waits, frees */
            e = calloc(1, sizeof *e);
            CHECK(e != NULL);
            atomic_store(&s->e, e);
            CHECK_OK(pawl_event_wait(e));
            memset(e, 0xa5, sizeof *e);
            free(e);
        } else { /* sets */
            while ((e = atomic_exchange(&s->e, NULL)) == NULL)
                sched_yield();
            if (i % 3 == 0)
                sched_yield();
            pawl_event_set(e);
        }
    }
}

/* E-06: the setter touches the event for the last time in the set itself.
 * Invariant: a waiter may free it; the address sanitizer and ThreadSanitizer
 * judge. */
TEST(event_stress.waiter_may_free_it)
{
    struct short_lived s = {.rounds = test_iterations(20000)};

    team_of_threads(2, free_after_wait, &s);
}
