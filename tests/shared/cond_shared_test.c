/* SPDX-License-Identifier: MIT
 *
 * cond_shared_test.c - the condition between processes (C-10, H-03).
 */
#include <signal.h>
#include <stdatomic.h>

#include <pawl/cond.h>
#include <pawl/error.h>
#include <pawl/rmutex.h>

#include "team.h"
#include "test.h"

enum { WAITERS = 4, NOTIFIERS = 2, CAPACITY = 2 };

struct rig {
    pawl_rmutex r; /* r.base is used as a plain mutex too */
    pawl_cond c;
    pawl_cond other;
    bool recursive;
    int rounds;
    /* Guarded by the mutex. */
    uint64_t promised;
    uint64_t released;
    int count;
    long long sum;
    _Atomic int ended;
};

static struct rig *make_rig(void *at, int rounds)
{
    struct rig *g = at;

    CHECK_OK(pawl_rmutex_init(&g->r, PAWL_SHARED));
    CHECK_OK(pawl_cond_init(&g->c, PAWL_SHARED));
    CHECK_OK(pawl_cond_init(&g->other, PAWL_SHARED));
    g->rounds = test_iterations(rounds);
    return g;
}

static void lock(struct rig *g)
{
    for (int i = 0; g->recursive && i < 3; i++)
        CHECK_OK(pawl_rmutex_lock(&g->r));
    if (!g->recursive)
        CHECK_OK(pawl_mutex_lock(&g->r.base));
}

static void unlock(struct rig *g)
{
    for (int i = 0; g->recursive && i < 3; i++) {
        CHECK_EQ(pawl_rmutex_depth(&g->r), 3 - i);
        CHECK_OK(pawl_rmutex_unlock(&g->r));
    }
    if (!g->recursive)
        CHECK_OK(pawl_mutex_unlock(&g->r.base));
}

static void wait_or_notify(struct member *me)
{
    struct rig *g = me->rig;

    for (int i = 0; me->index < WAITERS && i < g->rounds; i++) {
        bool forever = test_rand_below(&me->random, 3) == 0;
        int err;

        lock(g);
        err = pawl_cond_wait_until(&g->c, &g->r.base,
                                   forever ? PAWL_FOREVER : team_soon(me, 150));
        g->released += err == 0;
        if (err != 0)
            CHECK_ERR(err, forever ? 0 : -ETIMEDOUT);
        unlock(g);
    }
    if (me->index < WAITERS) {
        atomic_fetch_add(&g->ended, 1);
        return;
    }
    while (atomic_load(&g->ended) < WAITERS) {
        uint32_t n = test_rand_below(&me->random, 4);
        uint32_t waiting;

        lock(g);
        waiting = pawl_cond_waiters(&g->c);
        g->promised += n < waiting ? n : waiting;
        CHECK_OK(pawl_cond_notify(&g->c, &g->r.base, (int)n));
        unlock(g);
        for (n = test_rand_below(&me->random, 6); n > 0; n--)
            sched_yield();
    }
}

/* C-05, C-10, C-03: Invariant: as many return 0 as were notified, with
 * deadlines racing, through a plain and a recursive mutex. */
TEST(cond_shared.as_many_as_were_notified)
{
    for (int recursive = 0; recursive < 2; recursive++) {
        struct rig *g = make_rig(test_shared_alloc(sizeof *g), 4000);

        g->recursive = recursive != 0;
        team_of_processes(WAITERS + NOTIFIERS, wait_or_notify, g);
        CHECK_EQ(g->released, g->promised);
        CHECK_EQ(pawl_cond_waiters(&g->c), 0);
        CHECK_OK(pawl_cond_destroy(&g->c));
    }
}

static void await(struct member *me, struct rig *g, pawl_cond *c, int busy)
{
    while (g->count == busy) {
        bool forever = test_rand_below(&me->random, 2) == 0;
        int err = pawl_cond_wait_until(
            c, &g->r.base, forever ? PAWL_FOREVER : team_soon(me, 60));

        if (err != 0)
            CHECK_ERR(err, forever ? 0 : -ETIMEDOUT);
    }
}

static void trade_elsewhere(struct member *me)
{
    struct rig *g = view_again(me->rig, false);
    bool produces = me->index % 2 == 0;

    for (int i = 0; i < g->rounds; i++) {
        lock(g);
        await(me, g, produces ? &g->other : &g->c, produces ? CAPACITY : 0);
        g->count += produces ? 1 : -1;
        g->sum += produces ? i : -i;
        CHECK_OK(pawl_cond_notify(produces ? &g->c : &g->other, &g->r.base, 1));
        unlock(g);
    }
}

/* C-01, R-09, W-05: a bounded buffer, the mutex and the two conditions mapped
 * at an address of its own in each process.  Invariant: nothing is stranded. */
TEST(cond_shared.works_at_different_addresses)
{
    struct view v = view_make(sizeof(struct rig));
    struct rig *g = make_rig(v.at, 3000);

    team_of_processes(4, trade_elsewhere, &v);
    CHECK_EQ(g->count, 0);
    CHECK_EQ(g->sum, 0);
}

static void wait_once(void *rig)
{
    struct rig *g = rig;

    lock(g);
    CHECK_OK(pawl_cond_wait(&g->c, &g->r.base));
    g->released++;
    unlock(g);
}

/* C-08, C-10: a broadcast reaches all processes, and waits for none of them,
 * not even for one that is stopped. */
TEST(cond_shared.notify_all_waits_for_nobody)
{
    struct rig *g = make_rig(test_shared_alloc(sizeof *g), 1);
    pid_t child[WAITERS];

    for (int round = 1; round <= 20; round++) {
        for (int i = 0; i < WAITERS; i++) {
            child[i] = test_spawn_child(wait_once, g);
            while (pawl_cond_waiters(&g->c) != (uint32_t)i + 1)
                sched_yield();
            test_until_asleep(child[i]);
        }
        CHECK_EQ(kill(child[0], SIGSTOP), 0);
        lock(g);
        CHECK_OK(pawl_cond_notify_all(&g->c, &g->r.base));
        unlock(g);
        CHECK_EQ(kill(child[0], SIGCONT), 0);
        for (int i = 0; i < WAITERS; i++)
            test_wait_child(child[i]);
        CHECK_EQ(g->released, WAITERS * round);
    }
}

static void look_from_elsewhere(void *view)
{
    const struct view *v = view;
    struct rig *g = v->at;
    struct rig *again = view_again(v, true);

    /* A tie holds the distance but for multiples of 128 KiB, at which mappings may
     * happen to lie. */
    while (((uintptr_t)again - (uintptr_t)g) % (128 * 1024) == 0)
        again = view_again(v, true);
    CHECK_OK(pawl_mutex_lock(&again->r.base));
    CHECK_ERR(pawl_cond_try_wait(&again->c, &again->r.base), -EAGAIN);
    CHECK_OK(pawl_cond_notify(&again->c, &again->r.base, 1));
    CHECK_ERR(pawl_cond_notify(&again->c, &g->r.base, 1), -EINVAL);
    CHECK_OK(pawl_mutex_unlock(&again->r.base));
}

/* C-01: the tie to the mutex is a distance, which is the same at every
 * address, and not a pointer. */
TEST(cond_shared.tie_holds_at_every_address)
{
    struct view v = view_make(sizeof(struct rig));
    struct rig *g = make_rig(v.at, 1);

    CHECK_OK(pawl_mutex_lock(&g->r.base));
    CHECK_OK(pawl_cond_notify(&g->c, &g->r.base, 1)); /* ties */
    CHECK_OK(pawl_mutex_unlock(&g->r.base));
    test_wait_child(test_spawn_child(look_from_elsewhere, &v));
}
