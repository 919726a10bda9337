/* SPDX-License-Identifier: MIT
 *
 * wait_test.c - waiting for any, and for all, of several objects, call by call.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "wait_cases.h"

enum { NOTHING = 99 };

/* What a puppet waits with. */
struct waiter {
    struct puppet puppet;
    pawl_wait_item *items;
    size_t n;
    size_t which;
    int seen; /* what was written before it became ready */
};

static int written;

static int any_until(void *object, pawl_deadline until)
{
    struct waiter *w = object;

    int err = pawl_wait_any_until(w->items, w->n, until, &w->which);

    w->seen = written;
    return err;
}

static int all_until(void *object, pawl_deadline until)
{
    struct waiter *w = object;
    int err = pawl_wait_all_until(w->items, w->n, until);

    w->seen = written;
    return err;
}

static void waiter_begin(struct waiter *w, puppet_fn fn, pawl_wait_item *items,
                         size_t n)
{
    w->items = items;
    w->n = n;
    w->which = NOTHING;
    puppet_begin(&w->puppet);
    puppet_do(&w->puppet, fn, w, PAWL_FOREVER);
}

static void waiter_begin_asleep(struct waiter *w, puppet_fn fn,
                                pawl_wait_item *items, size_t n)
{
    waiter_begin(w, fn, items, n);
    puppet_until_asleep(&w->puppet);
}

static int waiter_end(struct waiter *w)
{
    int err = puppet_result(&w->puppet);

    puppet_end(&w->puppet);
    return err;
}

static int get_until(void *q, pawl_deadline until)
{
    int v;

    return pawl_queue_get_until(q, &v, until);
}

static int acquire_until(void *s, pawl_deadline until)
{
    return pawl_sem_acquire_until(s, until);
}

static int wait_event_until(void *e, pawl_deadline until)
{
    return pawl_event_wait_until(e, until);
}

static int mutex_any_once(void *object, pawl_deadline until)
{
    struct waiter *w = object;
    int err = pawl_wait_any_until(w->items, w->n, until, &w->which);

    return err == 0 ? pawl_mutex_unlock(w->items[w->which].object_) : err;
}

/* ---- any: ready at entry, later, never ------------------------------------- */

/* what is there is found by every form, and only what takes is
 * taken. */
TEST(wait.finds_what_is_ready)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        for (int k = 0; k < KINDS; k++) {
            for (int form = 0; form < 3; form++) {
                struct world *w = world_make(flags);
                pawl_wait_item items[KINDS];
                size_t which = NOTHING;

                world_items(w, items);
                CHECK_ERR(pawl_wait_try_any(items, KINDS, &which), -EAGAIN);
                CHECK_EQ(which, NOTHING);
                make_ready(w, k);
                if (form == 0)
                    CHECK_OK(pawl_wait_try_any(items, KINDS, &which));
                else if (form == 1)
                    CHECK_OK(pawl_wait_any_until(items, KINDS, 0, &which));
                else
                    CHECK_OK(pawl_wait_any(items, KINDS, &which));
                CHECK_EQ(which, k);
                CHECK_EQ(is_there(w, k), !is_taken(k));
                if (k == A_MUTEX)
                    CHECK_OK(pawl_mutex_unlock(&w->mutex));
                world_end(w);
            }
        }
    }
}

/* nothing happens by the deadline, and nothing is kept. */
TEST(wait.ends_at_its_deadline)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        struct world *w = world_make(flags);
        pawl_wait_item items[KINDS];
        pawl_deadline until = pawl_after_ms(20);
        size_t which = NOTHING;

        world_items(w, items);
        CHECK_ERR(pawl_wait_any_until(items, KINDS, until, &which), -ETIMEDOUT);
        CHECK(pawl_now() >= until);
        CHECK_ERR(pawl_wait_any_until(items, KINDS, 0, &which), -ETIMEDOUT);
        CHECK_ERR(pawl_wait_any_until(items, KINDS, 1, &which), -ETIMEDOUT);
        CHECK_ERR(pawl_wait_any_until(items, KINDS, INT64_MIN, &which),
                  -ETIMEDOUT);
        CHECK_EQ(which, NOTHING);
        for (int k = 0; k < KINDS; k++) {
            until = pawl_after_ms(2);
            CHECK_ERR(pawl_wait_any_until(&items[k], 1, until, NULL),
                      -ETIMEDOUT);
            CHECK(pawl_now() >= until);
        }
        world_end(w);
    }
}

static void check_woken_by_each_kind(unsigned flags)
{
    for (int k = 0; k < KINDS; k++) {
        struct world *w = world_make(flags);
        pawl_wait_item items[KINDS];
        struct waiter waiter;

        world_items(w, items);
        waiter_begin_asleep(&waiter, any_until, items, KINDS);
        written = k + 1; /* */
        make_ready(w, k);
        CHECK_OK(waiter_end(&waiter));
        CHECK_EQ(waiter.which, k);
        CHECK_EQ(waiter.seen, k + 1);
        CHECK_EQ(is_there(w, k), !is_taken(k));
        world_end(w);
    }
}

/* any of queues, events, semaphores, ... ends the wait. */
TEST(wait.is_woken_by_each_kind)
{
    check_woken_by_each_kind(PAWL_LOCAL);
    check_woken_by_each_kind(PAWL_SHARED);
}

/* Each kind alone: another way to sleep. */
TEST(wait.for_one_is_woken_by_each_kind)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        for (int k = 0; k < KINDS; k++) {
            struct world *w = world_make(flags);
            pawl_wait_item item = world_item(w, (enum kind)k);
            struct waiter waiter;

            waiter_begin_asleep(&waiter, any_until, &item, 1);
            make_ready(w, k);
            CHECK_OK(waiter_end(&waiter));
            CHECK_EQ(waiter.which, 0);
            CHECK_EQ(is_there(w, k), !is_taken(k));
            world_end(w);
        }
    }
}

/* Local and shared objects in one set. */
TEST(wait.mixes_local_and_shared)
{
    for (int k = 0; k < 2 * KINDS; k++) {
        struct world *local = world_make(PAWL_LOCAL);
        struct world *shared = world_make(PAWL_SHARED);
        pawl_wait_item items[2 * KINDS];
        struct waiter waiter;

        world_items(local, items);
        world_items(shared, items + KINDS);
        waiter_begin_asleep(&waiter, any_until, items, (size_t)2 * KINDS);
        make_ready(k < KINDS ? local : shared, k % KINDS);
        CHECK_OK(waiter_end(&waiter));
        CHECK_EQ(waiter.which, k);
        world_end(local);
        world_end(shared);
    }
}

/* All who wait are told of what is only reported. */
TEST(wait.many_watchers_are_all_woken)
{
    static const int reported[] = {AN_EVENT, A_LATCH, READABLE, WRITABLE};

    for (size_t i = 0; i < sizeof reported / sizeof reported[0]; i++) {
        struct world *w = world_make(PAWL_LOCAL);
        pawl_wait_item items[3][KINDS];
        struct waiter waiter[3];

        for (int k = 0; k < 3; k++) {
            world_items(w, items[k]);
            waiter_begin_asleep(&waiter[k], any_until, items[k], KINDS);
        }
        make_ready(w, reported[i]);
        for (int k = 0; k < 3; k++) {
            CHECK_OK(waiter_end(&waiter[k]));
            CHECK_EQ(waiter[k].which, reported[i]);
        }
        world_end(w);
    }
}

/* And of what is taken, one gets it, and the others wait on. */
TEST(wait.one_permit_is_for_one)
{
    struct world *w = world_make(PAWL_LOCAL);
    pawl_wait_item items[3][KINDS];
    struct waiter waiter[3];
    int first;

    for (int k = 0; k < 3; k++) {
        world_items(w, items[k]);
        waiter_begin_asleep(&waiter[k], any_until, items[k], KINDS);
    }
    make_ready(w, A_SEM);
    while (!puppet_has_result(&waiter[0].puppet) &&
           !puppet_has_result(&waiter[1].puppet) &&
           !puppet_has_result(&waiter[2].puppet))
        sched_yield();
    first = puppet_has_result(&waiter[0].puppet)   ? 0
            : puppet_has_result(&waiter[1].puppet) ? 1
                                                   : 2;
    CHECK_OK(waiter_end(&waiter[first]));
    for (int k = 0; k < 3; k++)
        if (k != first)
            puppet_until_asleep(&waiter[k].puppet);
    CHECK_EQ(pawl_sem_value(&w->sem), 0);
    CHECK_OK(pawl_sem_release_n(&w->sem, 2));
    for (int k = 0; k < 3; k++)
        if (k != first)
            CHECK_OK(waiter_end(&waiter[k]));
    CHECK_EQ(pawl_sem_value(&w->sem), 0);
    world_end(w);
}

/* E-02 here too: who waits at a set is released, even if it is cleared before
 * they look. */
TEST(wait.a_pulse_releases)
{
    struct world *w = world_make(PAWL_LOCAL);
    pawl_wait_item items[KINDS];
    struct waiter waiter;

    world_items(w, items);
    waiter_begin_asleep(&waiter, any_until, items, KINDS);
    pawl_event_set(&w->event);
    pawl_event_clear(&w->event);
    CHECK_OK(waiter_end(&waiter));
    CHECK_EQ(waiter.which, AN_EVENT);
    /* But not one that came before. */
    CHECK_ERR(pawl_wait_try_any(items, KINDS, NULL), -EAGAIN);
    CHECK_ERR(pawl_wait_any_until(items, KINDS, pawl_after_us(100), NULL),
              -ETIMEDOUT);
    world_end(w);
}

/* both ends of a queue that was shut down are ready. */
TEST(wait.a_shutdown_makes_both_ends_ready)
{
    struct world *w = world_make(PAWL_LOCAL);
    pawl_wait_item items[KINDS];
    struct waiter getter;
    struct waiter putter;

    world_items(w, items);
    waiter_begin_asleep(&getter, any_until, &items[READABLE], 1);
    waiter_begin_asleep(&putter, any_until, &items[WRITABLE], 1);
    CHECK_OK(pawl_queue_shutdown(w->empty));
    CHECK_OK(waiter_end(&getter));
    CHECK_OK(pawl_queue_shutdown(w->full));
    CHECK_OK(waiter_end(&putter));
    CHECK_OK(pawl_wait_try_any(&items[READABLE], 1, NULL));
    CHECK_OK(pawl_wait_try_any(&items[WRITABLE], 1, NULL));
    world_end(w);
}

/* ---- those who wait for one object ------------------------------------------ */

/* A watcher in front of a sleeper takes no wake from it, whether it wants what
 * has come or not. */
TEST(wait.takes_no_wake_from_sleepers)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        struct world *w = world_make(flags);
        pawl_wait_item items[3] = {world_item(w, READABLE),
                                   world_item(w, A_LATCH),
                                   world_item(w, AN_EVENT)};
        struct waiter watcher;
        struct puppet p[2];

        puppets_begin(p, 2);
        waiter_begin_asleep(&watcher, any_until, items, 3);
        puppet_do(&p[0], get_until, w->empty, PAWL_FOREVER);
        puppet_until_asleep(&p[0]);
        puppet_do(&p[1], wait_event_until, &w->event, PAWL_FOREVER);
        puppet_until_asleep(&p[1]);
        make_ready(w, READABLE);
        CHECK_OK(puppet_result(&p[0]));
        make_ready(w, AN_EVENT);
        CHECK_OK(puppet_result(&p[1]));
        CHECK_OK(waiter_end(&watcher));
        puppets_end(p, 2);
        world_end(w);
    }
}

/* Two permits, one of them for the sleeper: both get one. */
TEST(wait.permits_reach_watchers_and_sleepers)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        for (int order = 0; order < 2; order++) {
            struct world *w = world_make(flags);
            pawl_wait_item items[KINDS];
            struct waiter watcher;
            struct puppet p;

            world_items(w, items);
            puppet_begin(&p);
            if (order == 0)
                waiter_begin_asleep(&watcher, any_until, items, KINDS);
            puppet_do(&p, acquire_until, &w->sem, PAWL_FOREVER);
            puppet_until_asleep(&p);
            if (order == 1)
                waiter_begin_asleep(&watcher, any_until, items, KINDS);
            make_ready(w, A_SEM);
            make_ready(w, A_SEM);
            CHECK_OK(puppet_result(&p));
            CHECK_OK(waiter_end(&watcher));
            CHECK_EQ(watcher.which, A_SEM);
            CHECK_EQ(pawl_sem_value(&w->sem), 0);
            CHECK_EQ(pawl_sem_waiters(&w->sem), 0);
            puppet_end(&p);
            world_end(w);
        }
    }
}

TEST(wait.a_mutex_reaches_watchers_and_sleepers)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        struct world *w = world_make(flags);
        pawl_wait_item items[3][KINDS];
        struct waiter waiter[3];
        struct puppet p;

        for (int k = 0; k < 3; k++) {
            world_items(w, items[k]);
            waiter_begin_asleep(&waiter[k], mutex_any_once, items[k], KINDS);
        }
        puppet_begin(&p);
        puppet_do(&p, lock_, &w->mutex, PAWL_FOREVER);
        puppet_until_asleep(&p);
        make_ready(w, A_MUTEX);
        CHECK_OK(puppet_result(&p));
        CHECK_OK(puppet_call(&p, unlock_, &w->mutex));
        for (int k = 0; k < 3; k++) {
            CHECK_OK(waiter_end(&waiter[k]));
            CHECK_EQ(waiter[k].which, A_MUTEX);
        }
        CHECK(!pawl_mutex_is_locked(&w->mutex));
        CHECK_OK(pawl_mutex_destroy(&w->mutex));
        puppet_end(&p);
        world_end(w);
    }
}

/* What nobody watches any more is as it was. */
TEST(wait.leaves_nothing_that_lasts)
{
    struct world *w = world_make(PAWL_LOCAL);
    pawl_wait_item items[KINDS];
    int v;

    world_items(w, items);
    CHECK_ERR(pawl_wait_any_until(items, KINDS, pawl_after_us(200), NULL),
              -ETIMEDOUT);
    for (int round = 0; round < 3; round++) {
        pawl_event_set(&w->event);
        pawl_event_clear(&w->event);
        CHECK_OK(pawl_sem_release(&w->sem));
        CHECK_OK(pawl_sem_try_acquire(&w->sem));
        CHECK_OK(puppet_call(&w->holder, unlock_, &w->mutex));
        CHECK_OK(puppet_call(&w->holder, lock_, &w->mutex));
        make_ready(w, READABLE);
        CHECK_OK(pawl_queue_try_get(w->empty, &v));
    }
    CHECK_EQ(__atomic_load_n(&w->sem.word_.v_, __ATOMIC_RELAXED), 0);
    CHECK_EQ(__atomic_load_n(&w->event.word_.v_, __ATOMIC_RELAXED) & 7, 0);
    CHECK_EQ(__atomic_load_n(&w->mutex.word_.v_, __ATOMIC_RELAXED) &
                 (UINT64_C(0x9) << 32 | UINT64_C(1) << 31),
             0);
    world_end(w);
}

/* ---- fairness ------------------------------------------------------------------ */

TEST(wait.each_of_the_ready_has_its_turn)
{
    pawl_sem sem[5];
    pawl_wait_item items[5];
    size_t which;
    size_t before;

    for (int i = 0; i < 5; i++) {
        CHECK_OK(pawl_sem_init(&sem[i], i == 3 ? 0 : 1000, 0));
        items[i] = PAWL_WAIT_SEM(&sem[i]);
    }
    CHECK_OK(pawl_wait_any(items, 5, &before));
    for (int i = 0; i < 100; i++) {
        size_t expected = (before + 1) % 5;

        expected = expected == 3 ? 4 : expected;
        CHECK_OK(pawl_wait_any(items, 5, &which));
        CHECK_EQ(which, expected);
        before = which;
    }
}

/* A set that is made anew each time prefers nobody either. */
TEST(wait.a_new_set_begins_anywhere)
{
    pawl_event e = PAWL_EVENT_INIT;
    int found[3] = {0};

    pawl_event_set(&e);
    for (int i = 0; i < 300; i++) {
        pawl_wait_item items[3] = {PAWL_WAIT_EVENT(&e), PAWL_WAIT_EVENT(&e),
                                   PAWL_WAIT_EVENT(&e)};
        size_t which;

        CHECK_OK(pawl_wait_any(items, 3, &which));
        found[which]++;
    }
    for (int i = 0; i < 3; i++)
        CHECK(found[i] > 30);
}

/* ---- errors ----------------------------------------------------------------------- */

/* nothing to wait for, for ever, is refused. */
TEST(wait.an_empty_set)
{
    pawl_deadline until = pawl_after_ms(5);
    size_t which = NOTHING;

    CHECK_ERR(pawl_wait_any(NULL, 0, &which), -EINVAL);
    CHECK_ERR(pawl_wait_try_any(NULL, 0, &which), -EAGAIN);
    CHECK_ERR(pawl_wait_any_until(NULL, 0, until, &which), -ETIMEDOUT);
    CHECK(pawl_now() >= until);
    CHECK_OK(pawl_wait_all(NULL, 0));
    CHECK_EQ(which, NOTHING);
}

TEST(wait.refuses_what_is_no_item)
{
    pawl_sem s = PAWL_SEM_INIT(1);
    pawl_wait_item items[2] = {PAWL_WAIT_SEM(&s)};
    size_t which = NOTHING;

    CHECK_ERR(pawl_wait_any(items, 2, &which), -EINVAL);
    CHECK_ERR(pawl_wait_try_any(items, 2, &which), -EINVAL);
    CHECK_ERR(pawl_wait_all(items, 2), -EINVAL);
    CHECK_ERR(pawl_wait_try_all(items, 2), -EINVAL);
    CHECK_ERR(pawl_wait_fd(&items[1]), -EINVAL);
    CHECK_EQ(which, NOTHING);
    CHECK_EQ(pawl_sem_value(&s), 1);
}

TEST(wait.for_the_own_mutex_is_a_deadlock)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_event e = PAWL_EVENT_INIT;
        pawl_mutex *m = test_shared_alloc(sizeof *m);
        pawl_wait_item items[2] = {PAWL_WAIT_EVENT(&e), PAWL_WAIT_MUTEX(m)};
        size_t which = NOTHING;

        CHECK_OK(pawl_mutex_init(m, flags));
        CHECK_OK(pawl_mutex_lock(m));
        CHECK_ERR(pawl_wait_any(items, 2, &which), -EDEADLK);
        CHECK_EQ(which, 1);
        CHECK_ERR(pawl_wait_try_any(items, 2, NULL), -EDEADLK);
        pawl_event_set(&e);
        CHECK_ERR(pawl_wait_all(items, 2), -EDEADLK);
        CHECK_OK(pawl_mutex_unlock(m));
    }
}

/* who holds it may die while we sleep, or before. */
TEST(wait.tells_of_the_death_of_a_holder)
{
    for (int asleep = 0; asleep < 2; asleep++) {
        struct world *w = world_make(PAWL_LOCAL);
        pawl_wait_item items[KINDS];
        struct waiter waiter;

        world_items(w, items);
        if (asleep)
            waiter_begin_asleep(&waiter, any_until, items, KINDS);
        puppet_end(&w->holder);
        if (!asleep)
            waiter_begin(&waiter, any_until, items, KINDS);
        CHECK_ERR(puppet_result(&waiter.puppet), -EOWNERDEAD);
        CHECK_EQ(waiter.which, A_MUTEX);
        CHECK_OK(puppet_call(&waiter.puppet, unlock_, &w->mutex));
        puppet_end(&waiter.puppet);
        /* Not repaired. */
        CHECK_ERR(pawl_wait_any(items, KINDS, &waiter.which), -ENOTRECOVERABLE);
        CHECK_EQ(waiter.which, A_MUTEX);
        CHECK_ERR(pawl_wait_all(&items[A_MUTEX], 1), -ENOTRECOVERABLE);
    }
}

/* A lock that nobody can have any more wakes who waits for it. */
TEST(wait.is_woken_when_a_mutex_is_lost)
{
    struct world *w = world_make(PAWL_LOCAL);
    pawl_wait_item items[KINDS];
    struct waiter waiter;

    world_items(w, items);
    puppet_end(&w->holder);
    CHECK_ERR(pawl_mutex_lock(&w->mutex), -EOWNERDEAD);
    waiter_begin_asleep(&waiter, any_until, items, KINDS);
    CHECK_OK(pawl_mutex_unlock(&w->mutex));
    CHECK_ERR(waiter_end(&waiter), -ENOTRECOVERABLE);
    CHECK_EQ(waiter.which, A_MUTEX);
}

/* ---- all -------------------------------------------------------------------------- */

/* */
TEST(wait.all_need_all)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        for (int last = 0; last < KINDS; last++) {
            struct world *w = world_make(flags);
            pawl_wait_item items[KINDS];
            struct waiter waiter;

            world_items(w, items);
            CHECK_ERR(pawl_wait_try_all(items, KINDS), -EAGAIN);
            for (int k = 0; k < KINDS; k++)
                if (k != last)
                    make_ready(w, k);
            CHECK_ERR(pawl_wait_try_all(items, KINDS), -EAGAIN);
            CHECK_ERR(pawl_wait_all_until(items, KINDS, 0), -ETIMEDOUT);
            CHECK_ERR(pawl_wait_all_until(items, KINDS, pawl_after_ms(2)),
                      -ETIMEDOUT);
            /* nothing is kept. */
            for (int k = 0; k < KINDS; k++)
                CHECK_EQ(is_there(w, k), k != last);
            waiter_begin_asleep(&waiter, all_until, items, KINDS);
            written = last + 1; /* */
            make_ready(w, last);
            CHECK_OK(puppet_result(&waiter.puppet));
            CHECK_EQ(waiter.seen, last + 1);
            for (int k = 0; k < KINDS; k++)
                CHECK_EQ(is_there(w, k), !is_taken(k));
            CHECK_OK(puppet_call(&waiter.puppet, unlock_, &w->mutex));
            puppet_end(&waiter.puppet);
            make_ready(w, A_SEM);
            CHECK_OK(pawl_wait_try_all(items, KINDS));
            CHECK_OK(pawl_mutex_unlock(&w->mutex));
            world_end(w);
        }
    }
}

/* What is only reported may come and go; an event is remembered, for who waits at
 * a set is released, but an element that others take is not. */
TEST(wait.all_are_ready_at_the_end)
{
    struct world *w = world_make(PAWL_LOCAL);
    pawl_wait_item items[2] = {world_item(w, READABLE), world_item(w, A_SEM)};
    struct waiter waiter;
    int v;

    make_ready(w, READABLE);
    waiter_begin_asleep(&waiter, all_until, items, 2); /* for the permit */
    CHECK_OK(pawl_queue_try_get(w->empty, &v));
    make_ready(w, A_SEM);
    /* It finds nothing to read, and gives the permit back. */
    CHECK_OK(pawl_sem_acquire_until(&w->sem, pawl_after_s(1000)));
    puppet_until_asleep(&waiter.puppet);
    CHECK_OK(pawl_sem_release(&w->sem));
    puppet_until_asleep(&waiter.puppet);
    CHECK_EQ(pawl_sem_value(&w->sem), 1);
    make_ready(w, READABLE);
    CHECK_OK(waiter_end(&waiter));
    CHECK_EQ(pawl_sem_value(&w->sem), 0);
    world_end(w);
}

TEST(wait.all_tell_of_a_death_and_hold_all)
{
    struct world *w = world_make(PAWL_LOCAL);
    pawl_mutex other = PAWL_MUTEX_INIT;
    pawl_wait_item items[3] = {PAWL_WAIT_MUTEX(&other), world_item(w, A_MUTEX),
                               world_item(w, A_SEM)};

    puppet_end(&w->holder);
    /* A death that was found but not reported is found again. */
    CHECK_ERR(pawl_wait_try_all(items, 3), -EAGAIN);
    make_ready(w, A_SEM);
    CHECK_ERR(pawl_wait_all(items, 3), -EOWNERDEAD);
    CHECK(pawl_mutex_is_mine(&other) && pawl_mutex_is_orphaned(&w->mutex));
    CHECK_EQ(pawl_sem_value(&w->sem), 0);
}

/* The order in which it is taken is not that of the items: what comes first is
 * waited for with the rest left free. */
TEST(wait.all_take_in_an_order_of_their_own)
{
    struct {
        pawl_mutex low;
        pawl_sem sem;
        pawl_mutex high;
    } s = {PAWL_MUTEX_INIT, PAWL_SEM_INIT(0), PAWL_MUTEX_INIT};
    pawl_wait_item items[3] = {PAWL_WAIT_MUTEX(&s.high),
                               PAWL_WAIT_MUTEX(&s.low), PAWL_WAIT_SEM(&s.sem)};
    struct puppet holder;
    struct waiter waiter;

    puppet_begin(&holder);
    CHECK_OK(puppet_call(&holder, lock_, &s.low));
    waiter_begin_asleep(&waiter, all_until, items, 3);
    CHECK(!pawl_mutex_is_locked(&s.high)); /* waits for the permit */
    CHECK_OK(puppet_call(&holder, unlock_, &s.low));
    CHECK(!pawl_mutex_is_locked(&s.low));
    CHECK_OK(puppet_call(&holder, lock_, &s.low));
    CHECK_OK(pawl_sem_release(&s.sem));
    while (pawl_sem_value(&s.sem) != 0)
        sched_yield();
    puppet_until_asleep(&waiter.puppet);
    CHECK(!pawl_mutex_is_locked(&s.high)); /* waits for the lower one */
    CHECK_OK(puppet_call(&holder, unlock_, &s.low));
    CHECK_OK(waiter_end(&waiter));
}

/* A death found by a wait that gives up must be found again. */
TEST(wait.all_pass_a_death_on_when_they_give_up)
{
    struct world *w = world_make(PAWL_LOCAL);
    struct world *v = world_make(PAWL_LOCAL);
    pawl_mutex *low = &w->mutex < &v->mutex ? &w->mutex : &v->mutex;
    struct world *dead = low == &w->mutex ? w : v;
    pawl_wait_item items[2] = {PAWL_WAIT_MUTEX(&w->mutex),
                               PAWL_WAIT_MUTEX(&v->mutex)};

    puppet_end(&dead->holder);
    CHECK_ERR(pawl_wait_try_all(items, 2), -EAGAIN);
    CHECK_ERR(pawl_mutex_lock(&dead->mutex), -EOWNERDEAD);
    CHECK_OK(pawl_mutex_unlock(&dead->mutex));
}

TEST(wait.all_refuse_to_take_one_twice)
{
    pawl_sem s = PAWL_SEM_INIT(2);
    pawl_mutex m = PAWL_MUTEX_INIT_FLAGS(PAWL_OWNERLESS);
    pawl_event e = PAWL_EVENT_INIT;
    pawl_wait_item sems[2] = {PAWL_WAIT_SEM(&s), PAWL_WAIT_SEM(&s)};
    pawl_wait_item mutexes[3] = {PAWL_WAIT_MUTEX(&m), PAWL_WAIT_EVENT(&e),
                                 PAWL_WAIT_MUTEX(&m)};
    pawl_wait_item events[2] = {PAWL_WAIT_EVENT(&e), PAWL_WAIT_EVENT(&e)};

    pawl_event_set(&e);
    CHECK_ERR(pawl_wait_all(sems, 2), -EDEADLK);
    CHECK_ERR(pawl_wait_all(mutexes, 3), -EDEADLK);
    CHECK_OK(pawl_wait_all(events, 2));
    CHECK_EQ(pawl_sem_value(&s), 2);
    CHECK(!pawl_mutex_is_locked(&m));
    /* For any of them it makes sense. */
    CHECK_OK(pawl_wait_any(sems, 2, NULL));
}

/* ---- more than the kernel can watch ------------------------------------------ */

enum { MANY = 300 };

static void check_many(unsigned flags)
{
    static const int woken_by[] = {0, 1, 126, 127, 128, MANY - 1};
    pawl_event *e = test_shared_alloc(MANY * sizeof *e);
    pawl_wait_item *items = malloc(MANY * sizeof *items);
    struct waiter waiter;

    CHECK(items != NULL);
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(pawl_event_init(&e[i], flags));
        items[i] = PAWL_WAIT_EVENT(&e[i]);
    }
    for (size_t i = 0; i < sizeof woken_by / sizeof woken_by[0]; i++) {
        size_t which = (size_t)woken_by[i];

        waiter_begin_asleep(&waiter, any_until, items, MANY);
        pawl_event_set(&e[which]);
        CHECK_OK(waiter_end(&waiter));
        CHECK_EQ(waiter.which, which);
        pawl_event_clear(&e[which]);
    }
    waiter_begin_asleep(&waiter, all_until, items, MANY);
    for (int i = MANY - 1; i >= 0; i--)
        pawl_event_set(&e[i]);
    CHECK_OK(waiter_end(&waiter));
    free(items);
}

TEST(wait.for_more_than_the_kernel_can_watch)
{
    check_many(PAWL_LOCAL);
    check_many(PAWL_SHARED);
}

/* A large set of several kinds, with some that are shared. */
TEST(wait.for_many_of_each_kind)
{
    pawl_event idle = PAWL_EVENT_INIT;
    pawl_wait_item items[200];

    for (int i = 0; i < 200; i++)
        items[i] = PAWL_WAIT_EVENT(&idle);
    for (int k = 0; k < 2 * KINDS; k++) {
        struct world *local = world_make(PAWL_LOCAL);
        struct world *shared = world_make(PAWL_SHARED);
        struct waiter waiter;

        world_items(local, items + 20);
        world_items(shared, items + 180);
        waiter_begin_asleep(&waiter, any_until, items, 200);
        make_ready(k < KINDS ? local : shared, k % KINDS);
        CHECK_OK(waiter_end(&waiter));
        CHECK_EQ(waiter.which, k < KINDS ? 20 + k : 180 + k - KINDS);
        world_end(local);
        world_end(shared);
    }
}

/* ---- asleep --------------------------------------------------------------------- */

static int64_t cpu_ns(void)
{
    struct timespec t;

    CHECK_EQ(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* W-14: a wait is a sleep, however it is done.  A machine that is taken away for a
 * while may count that as CPU time; hardly each time. */
static void check_sleeps(pawl_wait_item *items, size_t n)
{
    int64_t least = INT64_MAX;

    for (int i = 0; i < 3; i++) {
        int64_t before = cpu_ns();
        int64_t used;

        CHECK_ERR(pawl_wait_any_until(items, n, pawl_after_ms(20), NULL),
                  -ETIMEDOUT);
        used = cpu_ns() - before;
        least = used < least ? used : least;
    }
    CHECK(least < 5000000);
}

static void check_worlds_sleep(void)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        struct world *w = world_make(flags);
        pawl_wait_item items[KINDS];

        world_items(w, items);
        check_sleeps(items, KINDS);
        check_sleeps(items, 1);
        world_end(w);
    }
}

TEST(wait.is_a_sleep)
{
    check_worlds_sleep();
    check_sleeps(NULL, 0);
}

TEST(wait.without_futex_waitv_is_a_sleep)
{
    CHECK_EQ(setenv("PAWL_FALLBACK", "waitv", 1), 0);
    check_worlds_sleep();
    check_sleeps(NULL, 0);
}

/* ---- without the kernel's help ------------------------------------------------ */

static void check_everything(void)
{
    check_woken_by_each_kind(PAWL_LOCAL);
    check_woken_by_each_kind(PAWL_SHARED);
    check_many(PAWL_LOCAL);
    check_many(PAWL_SHARED);
}

TEST(wait.without_futex_waitv)
{
    CHECK_EQ(setenv("PAWL_FALLBACK", "waitv", 1), 0);
    check_everything();
}

TEST(wait.without_any_futex)
{
    struct world *w;
    pawl_wait_item items[KINDS];
    pawl_deadline until = pawl_after_ms(20);

    CHECK_EQ(setenv("PAWL_FALLBACK", "futex", 1), 0);
    w = world_make(PAWL_LOCAL);
    world_items(w, items);
    CHECK_ERR(pawl_wait_any_until(items, KINDS, until, NULL), -ETIMEDOUT);
    CHECK(pawl_now() >= until);
    for (int k = 0; k < KINDS; k++) {
        struct world *v = world_make(PAWL_LOCAL);
        struct waiter waiter;

        world_items(v, items);
        waiter_begin(&waiter, any_until, items, KINDS);
        make_ready(v, k);
        CHECK_OK(waiter_end(&waiter));
        CHECK_EQ(waiter.which, k);
        world_end(v);
    }
    world_end(w);
}

enum { FUTEX_WAITV = 449 }; /* on every machine */

/* In a process of its own, which has no other threads yet. */
static void wait_in_a_sandbox(void *arg)
{
    const int *err = arg;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAITV, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)*err),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = sizeof code / sizeof *code,
                                .filter = code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        TEST_SKIP("no seccomp here");
    check_worlds_sleep();
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        for (int k = 0; k < KINDS; k++) {
            struct world *w = world_make(flags);
            pawl_wait_item items[KINDS];
            pawl_deadline until = pawl_after_ms(3);
            struct waiter waiter;

            world_items(w, items);
            errno = 0;
            CHECK_ERR(pawl_wait_any_until(items, KINDS, until, NULL),
                      -ETIMEDOUT);
            CHECK(pawl_now() >= until);
            CHECK_EQ(errno, 0);
            waiter_begin(&waiter, any_until, items, KINDS);
            make_ready(w, k);
            CHECK_OK(waiter_end(&waiter));
            CHECK_EQ(waiter.which, k);
            world_end(w);
        }
    }
}

/* As on old kernels, in containers, and short of memory. */
TEST(wait.where_futex_waitv_is_refused)
{
    static int errors[] = {ENOSYS, EPERM, EINVAL, ENOMEM};

    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        test_wait_child(test_spawn_child(wait_in_a_sandbox, &errors[i]));
}
