/* SPDX-License-Identifier: MIT
 *
 * handover_long.c - a hundred million hand-overs through each lock and signal, and
 * the queue: whoever waits gets through.
 *
 * One PAWL_TEST_LONG is five million; tools/test --long sets 20.  Now and then somebody
 * yields, so that the others sleep.
 */
#include <pawl/barrier.h>
#include <pawl/cond.h>
#include <pawl/event.h>
#include <pawl/mutex.h>
#include <pawl/queue.h>
#include <pawl/rwlock.h>
#include <pawl/sem.h>

#include "team.h"
#include "test.h"

enum { HANDOVERS = 5000000, TIMEOUT_S = 7200 };

struct rig {
    int rounds; /* of each member */
    pawl_mutex m;
    pawl_cond c;
    pawl_rwlock rw;
    pawl_sem s[2];
    pawl_event e[2];
    pawl_barrier b;
    pawl_queue *q;
    int turn;
    long count; /* guarded */
};

static void (*step)(struct rig *r, struct member *me);

static void go_on(struct member *me)
{
    struct rig *r = me->rig;

    for (int i = 0; i < r->rounds; i++) {
        step(r, me);
        if (test_rand_below(&me->random, 64) == 0)
            sched_yield();
    }
}

static void run(int members, void (*what)(struct rig *r, struct member *me))
{
    struct rig r = {.rounds = test_iterations(HANDOVERS) / members};

    TEST_TIMEOUT(TIMEOUT_S);
    CHECK_OK(pawl_mutex_init(&r.m, 0));
    CHECK_OK(pawl_cond_init(&r.c, 0));
    CHECK_OK(pawl_rwlock_init(&r.rw, 0));
    CHECK_OK(pawl_sem_init(&r.s[0], 1, 0));
    CHECK_OK(pawl_sem_init(&r.s[1], 0, 0));
    CHECK_OK(pawl_event_init(&r.e[0], 0));
    CHECK_OK(pawl_event_init(&r.e[1], 0));
    CHECK_OK(pawl_barrier_init(&r.b, (uint32_t)members, PAWL_FOREVER, 0));
    CHECK_OK(pawl_queue_create(
        &r.q, &(pawl_queue_options){.capacity = 1, .element_size = 4}));
    pawl_event_set(&r.e[0]);
    step = what;
    team_of_threads(members, go_on, &r);
    CHECK(r.count == 0 || r.count == (long)r.rounds * members);
    pawl_queue_free(r.q);
}

static void with_mutex(struct rig *r, struct member *me)
{
    (void)me;
    CHECK_OK(pawl_mutex_lock(&r->m));
    if (++r->count % 64 == 0)
        sched_yield(); /* the others fall asleep */
    CHECK_OK(pawl_mutex_unlock(&r->m));
}

TEST(handover_long.mutex_loses_no_wake)
{
    run(4, with_mutex);
}

static void with_rwlock(struct rig *r, struct member *me)
{
    if (me->index % 2 == 0) {
        CHECK_OK(pawl_rwlock_read_lock(&r->rw));
        if (test_rand_below(&me->random, 64) == 0)
            sched_yield();
        CHECK_OK(pawl_rwlock_read_unlock(&r->rw));
    } else {
        CHECK_OK(pawl_rwlock_write_lock(&r->rw));
        CHECK_OK(pawl_rwlock_write_unlock(&r->rw));
    }
}

TEST(handover_long.rwlock_loses_no_wake)
{
    run(4, with_rwlock);
}

/* In turn. */
static void with_cond(struct rig *r, struct member *me)
{
    CHECK_OK(pawl_mutex_lock(&r->m));
    while (r->turn != me->index)
        CHECK_OK(pawl_cond_wait(&r->c, &r->m));
    r->turn = 1 - me->index;
    CHECK_OK(pawl_cond_notify(&r->c, &r->m, 1));
    CHECK_OK(pawl_mutex_unlock(&r->m));
}

TEST(handover_long.cond_loses_no_wake)
{
    run(2, with_cond);
}

static void with_sem(struct rig *r, struct member *me)
{
    CHECK_OK(pawl_sem_acquire(&r->s[me->index]));
    CHECK_OK(pawl_sem_release(&r->s[1 - me->index]));
}

TEST(handover_long.sem_loses_no_wake)
{
    run(2, with_sem);
}

static void with_event(struct rig *r, struct member *me)
{
    CHECK_OK(pawl_event_wait(&r->e[me->index]));
    pawl_event_clear(&r->e[me->index]);
    pawl_event_set(&r->e[1 - me->index]);
}

TEST(handover_long.event_loses_no_wake)
{
    run(2, with_event);
}

static void with_barrier(struct rig *r, struct member *me)
{
    (void)me;
    CHECK(pawl_barrier_wait(&r->b) >= 0);
}

TEST(handover_long.barrier_loses_no_wake)
{
    run(3, with_barrier);
}

/* Two put, two get. */
static void with_queue(struct rig *r, struct member *me)
{
    int32_t value = me->index;

    if (me->index % 2 == 0)
        CHECK_OK(pawl_queue_put(r->q, &value));
    else
        CHECK_OK(pawl_queue_get(r->q, &value));
}

TEST(handover_long.queue_loses_no_wake)
{
    run(4, with_queue);
}
