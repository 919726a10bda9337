/* SPDX-License-Identifier: MIT
 *
 * tests/support/wait_rig.h - producers that make objects of all kinds ready at
 * random, wait sets over random choices of these, and threads that wait for one
 * of them by its own functions; with exact accounts.
 *
 * What can be taken is taken exactly once: permits, and elements of queues by who
 * finds them readable.  Each mutex guards a counter.  Everybody goes on until all
 * that was produced has been taken; so if something is there and all sleep who
 * could take it, the test hangs.
 */
#ifndef PAWL_TEST_WAIT_RIG_H
#define PAWL_TEST_WAIT_RIG_H

#include <string.h>

#include <pawl/error.h>
#include <pawl/wait.h>

#include "team.h"
#include "test.h"

enum { RIG_QUEUES = 3, RIG_SEMS = 3, RIG_MUTEXES = 2, RIG_BYTES = 1 << 13 };

struct wait_plan {
    int producers;
    int watchers;
    int direct;   /* who wait for one object each */
    int each;     /* permits and elements of a producer */
    bool timed;   /* short deadlines */
    bool lockers; /* watchers take mutexes too, and so do the direct ones */
    bool padded;  /* more objects than the kernel can watch */
};

struct wait_rig {
    struct wait_plan plan;
    pawl_sem sem[RIG_SEMS];
    pawl_mutex mutex[RIG_MUTEXES];
    int64_t guarded[RIG_MUTEXES];
    _Atomic int64_t locked[RIG_MUTEXES];
    pawl_event done; /* everything is taken */
    pawl_event idle; /* never set */
    _Atomic int64_t untaken;
    _Atomic int64_t permits;
    _Atomic int64_t elements;
    uint64_t memory[RIG_QUEUES][RIG_BYTES / 8] __attribute__((aligned(128)));
};

TEAM_INLINE pawl_queue *rig_queue(struct wait_rig *r, uint32_t i)
{
    pawl_queue *q = NULL;

    CHECK_OK(pawl_queue_attach(&q, r->memory[i], sizeof r->memory[i]));
    return q;
}

TEAM_INLINE void wait_rig_init(struct wait_rig *r, struct wait_plan plan,
                               unsigned flags)
{
    static const enum pawl_queue_kind kinds[RIG_QUEUES] = {
        PAWL_QUEUE_FIFO, PAWL_QUEUE_LIFO, PAWL_QUEUE_PRIORITY};
    pawl_queue_options o = {.capacity = 2, .element_size = 8, .flags = flags};
    pawl_queue *q;

    plan.each = test_iterations(plan.each);
    r->plan = plan;
    for (int i = 0; i < RIG_SEMS; i++)
        CHECK_OK(pawl_sem_init(&r->sem[i], 0, flags));
    for (int i = 0; i < RIG_MUTEXES; i++)
        CHECK_OK(pawl_mutex_init(&r->mutex[i], flags));
    for (int i = 0; i < RIG_QUEUES; i++) {
        o.kind = kinds[i];
        CHECK_OK(pawl_queue_init(&q, r->memory[i], sizeof r->memory[i], &o));
    }
    CHECK_OK(pawl_event_init(&r->done, flags));
    CHECK_OK(pawl_event_init(&r->idle, flags));
    atomic_store(&r->untaken, (int64_t)plan.producers * plan.each);
}

/* One less to take.  The last one lets everybody go: queues are shut down, and in
 * each semaphore there is a permit, which everybody puts back. */
TEAM_INLINE void rig_took_(struct wait_rig *r, _Atomic int64_t *account)
{
    atomic_fetch_add(account, 1);
    if (atomic_fetch_sub(&r->untaken, 1) != 1)
        return;
    pawl_event_set(&r->done);
    for (uint32_t i = 0; i < RIG_SEMS; i++)
        CHECK_OK(pawl_sem_release(&r->sem[i]));
    for (uint32_t i = 0; i < RIG_QUEUES; i++)
        CHECK_OK(pawl_queue_shutdown(rig_queue(r, i)));
}

/* A permit has been taken.  False: it was the one for the end. */
TEAM_INLINE bool rig_took_permit_(struct wait_rig *r, pawl_sem *s)
{
    if (pawl_event_is_set(&r->done)) {
        CHECK_OK(pawl_sem_release(s));
        return false;
    }
    rig_took_(r, &r->permits);
    return true;
}

/* Put one permit or element somewhere; for an element there may have to be
 * waited, by a wait set or by a put. */
TEAM_INLINE void rig_produce_(struct wait_rig *r, struct member *me)
{
    for (int i = 0; i < r->plan.each; i++) {
        uint64_t v = 1;
        pawl_queue *q;

        if (test_rand_below(&me->random, 2) == 0) {
            uint32_t s = test_rand_below(&me->random, RIG_SEMS);

            CHECK_OK(pawl_sem_release(&r->sem[s]));
        } else {
            q = rig_queue(r, test_rand_below(&me->random, RIG_QUEUES));
            if (test_rand_below(&me->random, 2) == 0) {
                CHECK_OK(pawl_queue_put(q, &v));
            } else {
                pawl_wait_item room = PAWL_WAIT_WRITABLE(q);

                while (pawl_queue_try_put(q, &v) != 0)
                    CHECK_OK(pawl_wait_any(&room, 1, NULL));
            }
        }
        if (test_rand_below(&me->random, 16) == 0)
            sched_yield();
    }
}

TEAM_INLINE void rig_count_(struct wait_rig *r, struct member *me, size_t m)
{
    int64_t seen = r->guarded[m];

    if (test_rand_below(&me->random, 8) == 0)
        sched_yield();
    r->guarded[m] = seen + 1;
    atomic_fetch_add(&r->locked[m], 1);
    CHECK_OK(pawl_mutex_unlock(&r->mutex[m]));
}

enum { RIG_MOST = 220 };

/* Everything, in a random order. */
TEAM_INLINE size_t rig_items_(struct wait_rig *r, struct member *me,
                              pawl_wait_item *items, int *meaning)
{
    size_t n = 0;

    meaning[n] = 0;
    items[n++] = PAWL_WAIT_EVENT(&r->done);
    for (uint32_t i = 0; i < RIG_SEMS; i++) {
        meaning[n] = 1;
        items[n++] = PAWL_WAIT_SEM(&r->sem[i]);
    }
    for (uint32_t i = 0; i < RIG_QUEUES; i++) {
        meaning[n] = 2 + (int)i;
        items[n++] = PAWL_WAIT_READABLE(rig_queue(r, i));
    }
    if (r->plan.padded)
        while (n < RIG_MOST) {
            meaning[n] = -1;
            items[n++] = PAWL_WAIT_EVENT(&r->idle);
        }
    for (size_t i = n - 1; i > 0; i--) {
        size_t k = test_rand_below(&me->random, (uint32_t)i + 1);
        pawl_wait_item item = items[i];
        int m = meaning[i];

        items[i] = items[k];
        meaning[i] = meaning[k];
        items[k] = item;
        meaning[k] = m;
    }
    return n;
}

TEAM_INLINE pawl_deadline rig_until_(struct wait_rig *r, struct member *me)
{
    return r->plan.timed ? team_soon(me, 60) : PAWL_FOREVER;
}

TEAM_INLINE void rig_watch_(struct wait_rig *r, struct member *me)
{
    pawl_wait_item items[RIG_MOST];
    int meaning[RIG_MOST];
    size_t n = rig_items_(r, me, items, meaning);

    for (;;) {
        size_t which = RIG_MOST;
        int err = pawl_wait_any_until(items, n, rig_until_(r, me), &which);
        uint64_t v;

        if (err == -ETIMEDOUT) {
            CHECK(r->plan.timed);
            continue;
        }
        CHECK_OK(err);
        if (meaning[which] == 0)
            return;
        if (meaning[which] == 1)
            rig_took_permit_(r, items[which].object_);
        else if (pawl_queue_try_get(
                     rig_queue(r, (uint32_t)meaning[which] - 2), &v) == 0)
            rig_took_(r, &r->elements);
    }
}

/* Mutexes are always ready in the end, so they have watchers of their own. */
TEAM_INLINE void rig_lock_(struct wait_rig *r, struct member *me, bool watcher)
{
    while (!pawl_event_is_set(&r->done)) {
        pawl_wait_item items[RIG_MUTEXES];
        size_t which = test_rand_below(&me->random, RIG_MUTEXES);
        int err;

        for (int i = 0; i < RIG_MUTEXES; i++)
            items[i] = PAWL_WAIT_MUTEX(&r->mutex[i]);
        if (!watcher) {
            err = pawl_mutex_lock_until(&r->mutex[which], rig_until_(r, me));
        } else if (which == 0) {
            err = pawl_wait_all_until(items, RIG_MUTEXES, rig_until_(r, me));
            for (size_t i = 1; err == 0 && i < RIG_MUTEXES; i++)
                rig_count_(r, me, i);
        } else {
            err = pawl_wait_any_until(items, RIG_MUTEXES, rig_until_(r, me),
                                      &which);
        }
        if (err == 0)
            rig_count_(r, me, which);
        else
            CHECK_ERR(err, -ETIMEDOUT);
    }
}

/* Waits for one object, by its own functions. */
TEAM_INLINE void rig_wait_direct_(struct wait_rig *r, struct member *me)
{
    uint32_t which = (uint32_t)me->index % (RIG_SEMS + RIG_QUEUES);
    int err = 0;
    uint64_t v;

    while (err == 0 || err == -ETIMEDOUT) {
        pawl_deadline until = rig_until_(r, me);

        if (which < RIG_SEMS) {
            err = pawl_sem_acquire_until(&r->sem[which], until);
            if (err == 0 && !rig_took_permit_(r, &r->sem[which]))
                return;
        } else {
            err =
                pawl_queue_get_until(rig_queue(r, which - RIG_SEMS), &v, until);
            if (err == 0)
                rig_took_(r, &r->elements);
        }
    }
    CHECK_ERR(err, -ESHUTDOWN);
}

TEAM_INLINE int wait_rig_members(const struct wait_plan *p)
{
    return p->producers + p->watchers + p->direct + (p->lockers ? 4 : 0);
}

TEAM_INLINE void wait_rig_member(struct member *me)
{
    struct wait_rig *r = me->rig;
    const struct wait_plan *p = &r->plan;
    int i = me->index;

    if (i < p->producers)
        rig_produce_(r, me);
    else if ((i -= p->producers) < p->watchers)
        rig_watch_(r, me);
    else if ((i -= p->watchers) < p->direct)
        rig_wait_direct_(r, me);
    else
        rig_lock_(r, me, i % 2 == 0);
}

TEAM_INLINE void wait_rig_check(struct wait_rig *r)
{
    CHECK_EQ(atomic_load(&r->untaken), 0);
    CHECK_EQ(atomic_load(&r->permits) + atomic_load(&r->elements),
             (int64_t)r->plan.producers * r->plan.each);
    for (int i = 0; i < RIG_SEMS; i++) {
        CHECK_EQ(pawl_sem_value(&r->sem[i]), 1);
        CHECK_EQ(pawl_sem_waiters(&r->sem[i]), 0);
    }
    for (uint32_t i = 0; i < RIG_QUEUES; i++)
        CHECK(pawl_queue_is_empty(rig_queue(r, i)));
    for (int i = 0; i < RIG_MUTEXES; i++) {
        CHECK_EQ(r->guarded[i], atomic_load(&r->locked[i]));
        CHECK_OK(pawl_mutex_destroy(&r->mutex[i]));
    }
}

#endif /* PAWL_TEST_WAIT_RIG_H */
