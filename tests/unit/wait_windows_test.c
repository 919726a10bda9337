/* SPDX-License-Identifier: MIT
 *
 * wait_windows_test.c - what happens between two instructions of a wait set:
 * threads are held where a wake-up could be lost (see seam.h).
 */
#include <sched.h>
#include <stdlib.h>

#include "seam.h"

#include "futex/wait.c"

#include "wait_cases.h"

static struct stop here;

static struct world *make(unsigned flags)
{
    stop_make(&here);
    return world_make(flags);
}

/* A watcher with a set of its own. */
struct watcher {
    struct visitor visitor;
    struct world *world;
    pawl_wait_item items[KINDS];
    size_t n;
    size_t which;
};

static int any_of(void *object)
{
    struct watcher *w = object;

    return pawl_wait_any(w->items, w->n, &w->which);
}

static int any_stop_before_marks(void *w)
{
    stop_before_marks = &here;
    return any_of(w);
}

static int any_stop_before(void *w)
{
    stop_before_wait = &here;
    return any_of(w);
}

static int any_stop_after(void *w)
{
    stop_after_wait = &here;
    return any_of(w);
}

static int any_stop_before_announcement(void *w)
{
    stop_before_announcement = &here;
    return any_of(w);
}

static int any_soon_stop_after(void *object)
{
    struct watcher *w = object;

    stop_after_wait = &here;
    return pawl_wait_any_until(w->items, w->n, pawl_after_us(500), &w->which);
}

/* A permit is kept. */
static int leave(void *object)
{
    struct watcher *w = object;

    return w->items[w->which].object_ == &w->world->mutex
               ? pawl_mutex_unlock(&w->world->mutex)
               : 0;
}

/* With all kinds of objects, or `only` one. */
static void watcher_start(struct watcher *w, visitor_fn fn, struct world *world,
                          int only)
{
    world_items(world, w->items);
    w->world = world;
    w->n = KINDS;
    if (only < KINDS) {
        w->items[0] = w->items[only];
        w->n = 1;
    }
    w->which = 99;
    visitor_start(&w->visitor, fn, leave, w);
}

/* Somebody else takes what is there, as if it had never been. */
static void take_away(struct world *w, int kind)
{
    int v = 1;

    switch (kind) {
    case A_SEM:
        CHECK_OK(pawl_sem_try_acquire(&w->sem));
        break;
    case A_MUTEX:
        CHECK_OK(puppet_call(&w->holder, lock_, &w->mutex));
        break;
    case READABLE:
        CHECK_OK(pawl_queue_try_get(w->empty, &v));
        break;
    case WRITABLE:
        CHECK_OK(pawl_queue_try_put(w->full, &v));
        break;
    default:
        break;
    }
}

static void check_gets(struct watcher *w, struct world *world, int kind)
{
    CHECK_OK(visitor_enters(&w->visitor));
    CHECK_EQ(w->which, w->n == 1 ? 0 : kind);
    CHECK_EQ(is_there(world, kind), !is_taken(kind));
    CHECK_OK(visitor_leaves(&w->visitor));
}

static void for_each(void (*check)(unsigned flags, int kind, int only))
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++)
        for (int kind = 0; kind < KINDS; kind++) {
            check(flags, kind, KINDS);
            check(flags, kind, kind);
        }
}

/* ---- about to leave marks ---------------------------------------------------- */

/* What becomes ready after the look and before the mark has no mark to find. */
TEST(wait_window.ready_just_before_the_marks_is_seen)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        for (int kind = 0; kind < KINDS; kind++) {
            struct world *w = make(flags);
            struct watcher watcher;

            watcher_start(&watcher, any_stop_before_marks, w, KINDS);
            stop_await(&here);
            make_ready(w, kind);
            stop_release(&here);
            check_gets(&watcher, w, kind);
            world_end(w);
        }
    }
}

/* ---- about to sleep -------------------------------------------------------- */

static void ready_just_before_the_sleep(unsigned flags, int kind, int only)
{
    struct world *w = make(flags);
    struct watcher watcher;

    watcher_start(&watcher, any_stop_before, w, only);
    stop_await(&here);
    make_ready(w, kind);
    stop_release(&here);
    check_gets(&watcher, w, kind);
    world_end(w);
}

/* The marks are there, the sleep is not. */
TEST(wait_window.ready_just_before_the_sleep_is_seen)
{
    for_each(ready_just_before_the_sleep);
}

TEST(wait_window.ready_just_before_the_sleep_is_seen_by_the_bell)
{
    CHECK_EQ(setenv("PAWL_FALLBACK", "waitv", 1), 0);
    for_each(ready_just_before_the_sleep);
}

static void come_and_gone_before_the_sleep(unsigned flags, int kind, int only)
{
    struct world *w = make(flags);
    struct watcher watcher;

    if (kind == AN_EVENT || kind == A_LATCH) {
        world_end(w);
        return;
    }
    watcher_start(&watcher, any_stop_before, w, only);
    stop_await(&here);
    make_ready(w, kind);
    take_away(w, kind);
    stop_release(&here);
    test_until_asleep(test_tid(watcher.visitor.thread));
    make_ready(w, kind);
    check_gets(&watcher, w, kind);
    world_end(w);
}

/* Others were faster: it sleeps, and is woken by the next. */
TEST(wait_window.come_and_gone_before_the_sleep_the_next_is_seen)
{
    for_each(come_and_gone_before_the_sleep);
}

/* E-02: what an event has told to who waits stays told. */
TEST(wait_window.a_pulse_just_before_the_sleep_is_seen)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        struct world *w = make(flags);
        struct watcher watcher;

        watcher_start(&watcher, any_stop_before, w, KINDS);
        stop_await(&here);
        pawl_event_set(&w->event);
        pawl_event_clear(&w->event);
        stop_release(&here);
        CHECK_OK(visitor_enters(&watcher.visitor));
        CHECK_EQ(watcher.which, AN_EVENT);
        CHECK_OK(visitor_leaves(&watcher.visitor));
        world_end(w);
    }
}

/* ---- just woken ------------------------------------------------------------ */

static void come_and_gone_after_the_sleep(unsigned flags, int kind, int only)
{
    struct world *w = make(flags);
    struct watcher watcher;

    if (kind == AN_EVENT || kind == A_LATCH) {
        world_end(w);
        return;
    }
    watcher_start(&watcher, any_stop_after, w, only);
    test_until_asleep(test_tid(watcher.visitor.thread));
    make_ready(w, kind);
    stop_await(&here);
    take_away(w, kind);
    stop_release(&here);
    test_until_asleep(test_tid(watcher.visitor.thread));
    make_ready(w, kind);
    check_gets(&watcher, w, kind);
    world_end(w);
}

TEST(wait_window.one_that_was_overtaken_is_woken_again)
{
    for_each(come_and_gone_after_the_sleep);
}

/* ready in the instant of its deadline: it is found. */
static void ready_at_the_deadline(unsigned flags, int kind, int only)
{
    struct world *w = make(flags);
    struct watcher watcher;

    watcher_start(&watcher, any_soon_stop_after, w, only);
    stop_await(&here); /* its deadline has passed, or it looks once more */
    make_ready(w, kind);
    stop_release(&here);
    check_gets(&watcher, w, kind);
    world_end(w);
}

TEST(wait_window.ready_at_the_deadline_is_found)
{
    for_each(ready_at_the_deadline);
}

/* ---- two watchers ----------------------------------------------------------- */

/* One has left its marks, and does not sleep yet, while the other is woken, takes
 * it, and leaves its marks again: the first must not take those for its own. */
static void two_watchers(unsigned flags, int kind, int only)
{
    struct world *w = make(flags);
    struct watcher first;
    struct watcher second;

    watcher_start(&first, any_stop_before, w, only);
    stop_await(&here);
    watcher_start(&second, any_of, w, only);
    test_until_asleep(test_tid(second.visitor.thread));
    make_ready(w, kind);
    CHECK_OK(visitor_enters(&second.visitor));
    stop_release(&here);
    test_until_asleep(test_tid(first.visitor.thread));
    if (kind == A_SEM)
        make_ready(w, kind);
    CHECK_OK(visitor_leaves(&second.visitor));
    check_gets(&first, w, kind);
    world_end(w);
}

TEST(wait_window.what_one_watcher_takes_the_other_waits_for)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++)
        for (int kind = A_SEM; kind <= A_MUTEX; kind++) {
            two_watchers(flags, kind, KINDS);
            two_watchers(flags, kind, kind);
        }
}

/* ---- death ------------------------------------------------------------------- */

TEST(wait_window.a_death_between_the_marks_and_the_sleep_is_seen)
{
    static const visitor_fn where[] = {any_stop_before,
                                       any_stop_before_announcement};

    for (int i = 0; i < 2; i++) {
        struct world *w = make(PAWL_LOCAL);
        struct watcher watcher;

        watcher_start(&watcher, where[i], w, KINDS);
        stop_await(&here);
        puppet_end(&w->holder);
        stop_release(&here);
        CHECK_ERR(visitor_enters(&watcher.visitor), -EOWNERDEAD);
        CHECK_EQ(watcher.which, A_MUTEX);
        visitor_leaves(&watcher.visitor);
    }
}
