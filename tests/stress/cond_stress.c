/* SPDX-License-Identifier: MIT
 *
 * cond_stress.c - the condition among many threads.
 */
#include <stdatomic.h>
#include <string.h>

#include <pawl/cond.h>
#include <pawl/error.h>
#include <pawl/rmutex.h>

#include "team.h"
#include "test.h"

/* ---- exactly those that were chosen -------------------------------------- */

enum { WAITERS = 6, NOTIFIERS = 2, PLACES = 64 };

/* The line as it should be, kept under the mutex: who waits, in which order,
 * and who has been chosen. */
struct place {
    uint64_t number; /* 0: empty */
    bool chosen;
};

struct rig {
    pawl_rmutex r; /* r.base serves the conditions in all cases */
    pawl_cond c;
    bool recursive;
    bool ordered;
    int rounds;
    uint64_t numbers; /* given out */
    struct place line[PLACES];
    uint64_t promised; /* by notifies */
    uint64_t released; /* waits that returned 0 */
    int waiting;       /* not chosen yet */
    _Atomic int done;  /* waiters that have gone home */
};

static uint32_t lock(struct member *me, struct rig *g)
{
    uint32_t depth = 1;

    if (!g->recursive) {
        CHECK_OK(pawl_mutex_lock(&g->r.base));
        return depth;
    }
    depth += test_rand_below(&me->random, 3);
    for (uint32_t i = 0; i < depth; i++)
        CHECK_OK(pawl_rmutex_lock(&g->r));
    return depth;
}

static void unlock(struct rig *g, uint32_t depth)
{
    if (!g->recursive) {
        CHECK_OK(pawl_mutex_unlock(&g->r.base));
        return;
    }
    CHECK_EQ(pawl_rmutex_depth(&g->r), depth);
    for (uint32_t i = 0; i < depth; i++)
        CHECK_OK(pawl_rmutex_unlock(&g->r));
}

static struct place *take_place(struct rig *g)
{
    for (int i = 0; i < PLACES; i++) {
        if (g->line[i].number == 0) {
            g->line[i] = (struct place){.number = ++g->numbers};
            g->waiting++;
            return &g->line[i];
        }
    }
    test_fail(__FILE__, __LINE__, "no place");
}

/* The n that wait longest are chosen. */
static void choose(struct rig *g, int n)
{
    for (; n > 0 && g->waiting > 0; n--) {
        struct place *first = NULL;

        for (int i = 0; i < PLACES; i++) {
            struct place *p = &g->line[i];

            if (p->number != 0 && !p->chosen &&
                (first == NULL || p->number < first->number))
                first = p;
        }
        CHECK(first != NULL);
        first->chosen = true;
        g->waiting--;
        g->promised++;
    }
}

static void wait_in_line(struct member *me, struct rig *g)
{
    uint32_t depth = lock(me, g);
    struct place *mine = take_place(g);
    bool forever = test_rand_below(&me->random, 3) == 0;
    int err = pawl_cond_wait_until(&g->c, &g->r.base,
                                   forever ? PAWL_FOREVER : team_soon(me, 150));

    if (err == 0)
        g->released++;
    else
        CHECK_ERR(err, forever ? 0 : -ETIMEDOUT);
    if (g->ordered) {
        CHECK_EQ(err == 0, mine->chosen);
        g->waiting -= !mine->chosen;
    }
    mine->number = 0;
    unlock(g, depth);
}

static void notify_some(struct member *me, struct rig *g)
{
    uint32_t depth = lock(me, g);
    uint32_t waiting = pawl_cond_waiters(&g->c);
    int n = (int)test_rand_below(&me->random, 4);

    if (test_rand_below(&me->random, 16) == 0)
        n = INT32_MAX;
    CHECK_OK(n == INT32_MAX ? pawl_cond_notify_all(&g->c, &g->r.base)
                            : pawl_cond_notify(&g->c, &g->r.base, n));
    if (g->ordered) {
        CHECK_EQ(waiting, g->waiting);
        choose(g, n);
    } else {
        g->promised += (uint32_t)n < waiting ? (uint32_t)n : waiting;
    }
    CHECK_EQ(pawl_cond_waiters(&g->c),
             (uint32_t)n < waiting ? waiting - (uint32_t)n : 0);
    unlock(g, depth);
}

static void wait_or_notify(struct member *me)
{
    struct rig *g = me->rig;

    if (me->index < WAITERS) {
        for (int i = 0; i < g->rounds; i++)
            wait_in_line(me, g);
        atomic_fetch_add(&g->done, 1);
        return;
    }
    while (atomic_load(&g->done) < WAITERS) {
        notify_some(me, g);
        for (uint32_t n = test_rand_below(&me->random, 6); n > 0; n--)
            sched_yield();
    }
}

static void check_line(bool recursive, bool ordered, unsigned flags)
{
    struct rig g = {.r = PAWL_RMUTEX_INIT_FLAGS(flags),
                    .c = PAWL_COND_INIT_FLAGS(flags),
                    .recursive = recursive,
                    .ordered = ordered,
                    .rounds = test_iterations(5000)};

    team_of_threads(WAITERS + NOTIFIERS, wait_or_notify, &g);
    CHECK_EQ(g.released, g.promised);
    CHECK_EQ(pawl_cond_waiters(&g.c), 0);
    CHECK_OK(pawl_cond_destroy(&g.c));
    CHECK_OK(pawl_mutex_destroy(&g.r.base));
}

/* C-05, C-07, W-05: tiny deadlines race with notifies.  Invariant: a wait
 * returns 0 if and only if a notify chose it, and each chose the longest
 * waiting, also when others left from the middle of the line. */
TEST(cond_stress.exactly_the_longest_waiting_are_released)
{
    check_line(false, true, PAWL_LOCAL);
}

/* C-03: the same through a recursive mutex held at several levels, which are
 * given back. */
TEST(cond_stress.the_same_with_a_recursive_mutex)
{
    check_line(true, true, PAWL_LOCAL);
}

/* C-05, C-10: in shared mode the order is best effort.  Invariant: as many
 * return 0 as were notified. */
TEST(cond_stress.as_many_as_were_notified_in_shared_mode)
{
    check_line(false, false, PAWL_SHARED);
    check_line(true, false, PAWL_SHARED);
}

/* ---- a bounded buffer ---------------------------------------------------- */

enum { CAPACITY = 2 };

struct buffer {
    pawl_mutex m;
    pawl_cond not_empty;
    pawl_cond not_full;
    int producers;
    int consumers;
    int each;
    int item[CAPACITY];
    int count;
    int left_to_produce;
    int left_to_consume;
    long long sum;
};

/* Wait on c while there are `busy` items.  Only waits that take what they were
 * notified of pass nothing on, so none may time out with a notification. */
static void wait_while(struct member *me, struct buffer *b, pawl_cond *c,
                       int busy)
{
    while (b->count == busy) {
        bool forever = test_rand_below(&me->random, 2) == 0;
        int err = pawl_cond_wait_until(
            c, &b->m, forever ? PAWL_FOREVER : team_soon(me, 60));

        if (err != 0)
            CHECK_ERR(err, forever ? 0 : -ETIMEDOUT);
    }
}

static void produce(struct member *me, struct buffer *b)
{
    for (int i = 0; i < b->each * b->consumers; i++) {
        CHECK_OK(pawl_mutex_lock(&b->m));
        wait_while(me, b, &b->not_full, CAPACITY);
        b->item[b->count++] = 1 + i % 7;
        b->sum += 1 + i % 7;
        CHECK_OK(pawl_cond_notify(&b->not_empty, &b->m, 1));
        CHECK_OK(pawl_mutex_unlock(&b->m));
    }
}

static void consume(struct member *me, struct buffer *b)
{
    for (int i = 0; i < b->each * b->producers; i++) {
        CHECK_OK(pawl_mutex_lock(&b->m));
        wait_while(me, b, &b->not_empty, 0);
        b->sum -= b->item[--b->count];
        CHECK_OK(pawl_cond_notify(&b->not_full, &b->m, 1));
        CHECK_OK(pawl_mutex_unlock(&b->m));
    }
}

static void trade(struct member *me)
{
    struct buffer *b = me->rig;

    if (me->index < b->producers)
        produce(me, b);
    else
        consume(me, b);
}

/* C-01, C-05, W-05: two conditions on one mutex, one notify per item.
 * Invariant: no item is stranded: everybody goes home, with all items. */
TEST(cond_stress.bounded_buffer_strands_nothing)
{
    static const int crowds[][2] = {{1, 1}, {1, 4}, {4, 1}, {3, 3}};

    for (unsigned k = 0; k < 8; k++) {
        unsigned flags = k / 4 == 0 ? PAWL_LOCAL : PAWL_SHARED;
        struct buffer b = {.m = PAWL_MUTEX_INIT_FLAGS(flags),
                           .not_empty = PAWL_COND_INIT_FLAGS(flags),
                           .not_full = PAWL_COND_INIT_FLAGS(flags),
                           .producers = crowds[k % 4][0],
                           .consumers = crowds[k % 4][1],
                           .each = test_iterations(1500)};

        team_of_threads(b.producers + b.consumers, trade, &b);
        CHECK_EQ(b.count, 0);
        CHECK_EQ(b.sum, 0);
        CHECK_OK(pawl_cond_destroy(&b.not_empty));
        CHECK_OK(pawl_cond_destroy(&b.not_full));
    }
}

/* ---- who keeps the mutex busy -------------------------------------------- */

struct greedy {
    pawl_mutex m;
    pawl_cond c;
    int tickets;
    int taken;
    int wanted;
};

static void be_greedy(struct member *me)
{
    struct greedy *g = me->rig;
    bool done = false;

    while (!done) {
        CHECK_OK(pawl_mutex_lock(&g->m));
        if (me->index == 0) {
            g->tickets++;
            CHECK_OK(g->taken >= g->wanted ? pawl_cond_notify_all(&g->c, &g->m)
                                           : pawl_cond_notify(&g->c, &g->m, 1));
        } else if (g->taken < g->wanted) {
            CHECK_OK(pawl_cond_wait(&g->c, &g->m));
            g->taken++;
        }
        done = g->taken >= g->wanted && pawl_cond_waiters(&g->c) == 0;
        CHECK_OK(pawl_mutex_unlock(&g->m));
    }
}

/* W-06: the notifier takes the mutex again and again, without a pause.
 * Invariant: the notified get it all the same, some hundred times. */
TEST(cond_stress.notifier_does_not_starve_the_notified)
{
    struct greedy g = {.m = PAWL_MUTEX_INIT,
                       .c = PAWL_COND_INIT,
                       .wanted = test_iterations(500)};

    team_of_threads(4, be_greedy, &g);
    CHECK(g.taken >= g.wanted);
}

/* ---- broadcasts ---------------------------------------------------------- */

enum { MANY = 32 };

struct hall {
    pawl_mutex m;
    pawl_cond door;   /* the crowd waits here */
    pawl_cond filled; /* and who counts it here */
    int rounds;
    int round;
    int present;
    int answers;
};

static void attend(struct member *me)
{
    struct hall *h = me->rig;

    CHECK_OK(pawl_mutex_lock(&h->m));
    for (int i = 0; i < h->rounds; i++) {
        if (me->index == 0) {
            while (h->present < MANY - 1)
                CHECK_OK(pawl_cond_wait(&h->filled, &h->m));
            CHECK_EQ(h->answers, i * (MANY - 1));
            h->present = 0;
            h->round++;
            CHECK_EQ(pawl_cond_waiters(&h->door), MANY - 1);
            CHECK_OK(pawl_cond_notify_all(&h->door, &h->m));
            continue;
        }
        h->present++;
        if (h->present == MANY - 1)
            CHECK_OK(pawl_cond_notify(&h->filled, &h->m, 1));
        CHECK_OK(pawl_cond_wait(&h->door, &h->m));
        CHECK_EQ(h->round, i + 1); /* not without, and not too late */
        h->answers++;
    }
    CHECK_OK(pawl_mutex_unlock(&h->m));
}

/* C-08: Invariant: each broadcast releases each of the crowd exactly once. */
TEST(cond_stress.broadcast_reaches_each_once)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        struct hall h = {.m = PAWL_MUTEX_INIT_FLAGS(flags),
                         .door = PAWL_COND_INIT_FLAGS(flags),
                         .filled = PAWL_COND_INIT_FLAGS(flags),
                         .rounds = test_iterations(150)};

        team_of_threads(MANY, attend, &h);
        CHECK_EQ(h.answers, h.rounds * (MANY - 1));
    }
}

/* ---- death --------------------------------------------------------------- */

struct hospital {
    pawl_mutex m;
    pawl_cond c;
    bool notified; /* guarded by m */
    _Atomic int told;
    _Atomic int died;
    _Atomic int gone;
};

static void acquired(struct hospital *h, int err)
{
    if (err == -EOWNERDEAD) {
        atomic_fetch_add(&h->told, 1);
        CHECK_OK(pawl_mutex_consistent(&h->m));
        return;
    }
    CHECK(err == 0 || err == -ETIMEDOUT);
}

enum { PATIENTS = 10, MORTALS = 2 };

static void wait_or_die(struct member *me)
{
    struct hospital *h = me->rig;

    if (me->index < PATIENTS) {
        acquired(h, pawl_mutex_lock(&h->m));
        while (!h->notified)
            acquired(h,
                     pawl_cond_wait_until(&h->c, &h->m,
                                          test_rand_below(&me->random, 4) == 0
                                              ? team_soon(me, 100)
                                              : PAWL_FOREVER));
        CHECK_OK(pawl_mutex_unlock(&h->m));
        return;
    }
    for (uint32_t n = test_rand_below(&me->random, 20); n > 0; n--)
        sched_yield();
    acquired(h, pawl_mutex_lock(&h->m));
    h->notified = true;
    CHECK_OK(pawl_cond_notify_all(&h->c, &h->m));
    if (test_rand_below(&me->random, 2) == 0) {
        CHECK_OK(pawl_mutex_unlock(&h->m));
        acquired(h, pawl_mutex_lock(&h->m));
    }
    atomic_fetch_add(&h->died, 1); /* with the mutex */
}

/* C-10, R-10: notifiers die with the mutex, before or after its release.
 * Invariant: everybody they notified comes through, and each death is told to
 * one thread. */
TEST(cond_stress.death_of_notifiers_strands_nobody)
{
    int rounds = test_iterations(500);

    for (int i = 0; i < rounds; i++) {
        struct hospital h = {.m = PAWL_MUTEX_INIT, .c = PAWL_COND_INIT};

        team_of_threads(PATIENTS + MORTALS, wait_or_die, &h);
        acquired(&h, pawl_mutex_lock(&h.m));
        CHECK_EQ(atomic_load(&h.told), atomic_load(&h.died));
        CHECK_EQ(pawl_cond_waiters(&h.c), 0);
        CHECK_OK(pawl_mutex_unlock(&h.m));
        CHECK_OK(pawl_cond_destroy(&h.c));
    }
}
