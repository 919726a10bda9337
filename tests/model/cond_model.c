/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the condition.
 */
#include "model.h"

#include <pawl/cond.h>
#include <pawl/mutex.h>

#include "atomic/ops.h"

static struct {
    pawl_mutex m;
    pawl_cond c;
    pawl_cond second;
    int items;    /* guarded by m, as all below */
    int chosen;   /* how many waiters notifies chose */
    int notified; /* how many waits returned 0 */
    int late;     /* how many timed out */
    int turn;
    pawl_u32 whose_turn;
    bool closed;
} s;

/* All but the word of a condition is accessed under the mutex alone. */
static void guard(const pawl_cond *c)
{
    MODEL_GUARDED(c->next_);
    MODEL_GUARDED(c->count_);
    MODEL_GUARDED(c->mode_);
}

static void setup(void)
{
    memset(&s, 0, sizeof s);
    MODEL_NAME(s.m);
    MODEL_NAME(s.c);
    MODEL_NAME(s.second);
    MODEL_NAME(s.items);
    MODEL_NAME(s.closed);
    guard(&s.c);
    guard(&s.second);
}

static void setup_shared(void)
{
    setup();
    CHECK_OK(pawl_mutex_init(&s.m, PAWL_SHARED));
    CHECK_OK(pawl_cond_init(&s.c, PAWL_SHARED));
}

static void nobody_waits(void)
{
    CHECK(pawl_cond_waiters(&s.c) == 0);
    CHECK_OK(pawl_cond_destroy(&s.c));
    CHECK(!pawl_mutex_is_locked(&s.m));
    CHECK_OK(pawl_mutex_lock(&s.m));
    CHECK_ERR(pawl_cond_try_wait(&s.c, &s.m), -EAGAIN);
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

/* -- One item per notify ---------------------------------------------------------- */

static void take_item(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m));
    while (MODEL_GET(s.items) == 0)
        CHECK_OK(pawl_cond_wait(&s.c, &s.m));
    MODEL_SET(s.items, s.items - 1);
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

static void make_item(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m));
    MODEL_SET(s.items, MODEL_GET(s.items) + 1);
    CHECK_OK(pawl_cond_notify(&s.c, &s.m, 1));
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

static void make_two_items(void)
{
    make_item();
    make_item();
}

static void make_two_items_at_once(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m));
    MODEL_SET(s.items, 2);
    CHECK_OK(pawl_cond_notify_all(&s.c, &s.m));
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

static void make_two_items_by_two_notifies(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m));
    MODEL_SET(s.items, 1);
    CHECK_OK(pawl_cond_notify(&s.c, &s.m, 1));
    MODEL_SET(s.items, 2);
    CHECK_OK(pawl_cond_notify(&s.c, &s.m, 1));
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

MODEL(cond.one_waiter, .setup = setup, .threads = {take_item, make_item},
      .check = nobody_waits)
MODEL(cond.one_waiter_that_spins, .setup = setup,
      .threads = {take_item, make_item}, .check = nobody_waits, .spin = 2,
      .bounds = {2, 0, 1})
MODEL(cond.one_waiter_in_another_process, .setup = setup_shared,
      .threads = {take_item, make_item}, .check = nobody_waits)
MODEL(cond.one_waiter_with_alarms, .setup = setup,
      .threads = {take_item, make_item}, .check = nobody_waits,
      .bounds = {2, 0, 2})
MODEL(cond.two_waiters_two_notifies, .setup = setup,
      .threads = {take_item, take_item, make_two_items}, .check = nobody_waits,
      .bounds = {2, 0, 0})
MODEL(cond.two_waiters_two_notifies_stray, .setup = setup,
      .threads = {take_item, take_item, make_two_items}, .check = nobody_waits,
      .bounds = {1, 0, 1}, .also = {2, 0, 0})
MODEL(cond.two_waiters_two_notifies_of_one_section, .setup = setup,
      .threads = {take_item, take_item, make_two_items_by_two_notifies},
      .check = nobody_waits, .bounds = {2, 0, 0})
MODEL(cond.two_waiters_two_notifiers, .setup = setup,
      .threads = {take_item, take_item, make_item, make_item},
      .check = nobody_waits, .bounds = {2, 0, 0})
MODEL(cond.broadcast, .setup = setup,
      .threads = {take_item, take_item, make_two_items_at_once},
      .check = nobody_waits, .bounds = {2, 0, 0})
MODEL(cond.broadcast_stray, .setup = setup,
      .threads = {take_item, take_item, make_two_items_at_once},
      .check = nobody_waits, .bounds = {1, 0, 1}, .also = {2, 0, 0})
/* With no CPU at all, so to speak, a release wakes one and moves the other to
 * the queue of the mutex. */
MODEL(cond.broadcast_moves_waiters, .setup = setup,
      .threads = {take_item, take_item, make_two_items_at_once},
      .check = nobody_waits, .cpus = 1, .bounds = {2, 1, 0})
MODEL(cond.broadcast_moves_waiters_stray, .setup = setup,
      .threads = {take_item, take_item, make_two_items_at_once},
      .check = nobody_waits, .cpus = 1, .bounds = {1, 0, 1}, .also = {2, 0, 0})
MODEL(cond.broadcast_moves_waiters_of_another_process, .setup = setup_shared,
      .threads = {take_item, take_item, make_two_items_at_once},
      .check = nobody_waits, .cpus = 1, .bounds = {2, 1, 0})
MODEL(cond.two_waiters_of_another_process, .setup = setup_shared,
      .threads = {take_item, take_item, make_two_items}, .check = nobody_waits,
      .bounds = {2, 0, 0})

/* -- Exactness: as many waits return 0 as notifies chose ---------------------------- */

static void wait_once(pawl_deadline until)
{
    int err;

    CHECK_OK(pawl_mutex_lock(&s.m));
    err = pawl_cond_wait_until(&s.c, &s.m, until);
    CHECK(pawl_mutex_is_mine(&s.m));
    if (err == -ETIMEDOUT)
        MODEL_SET(s.late, MODEL_GET(s.late) + 1);
    else if (err == 0)
        MODEL_SET(s.notified, MODEL_GET(s.notified) + 1);
    else
        CHECK_OK(err);
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

static void wait_soon(void)
{
    wait_once(model_soon());
}

static void wait_late(void)
{
    wait_once(model_late());
    model_late_ends();
}

static void try_wait(void)
{
    wait_once(0);
}

static void notify(int n)
{
    int waiting;

    CHECK_OK(pawl_mutex_lock(&s.m));
    waiting = (int)pawl_cond_waiters(&s.c);
    CHECK_OK(pawl_cond_notify(&s.c, &s.m, n));
    CHECK((int)pawl_cond_waiters(&s.c) == (n < waiting ? waiting - n : 0));
    MODEL_SET(s.chosen, MODEL_GET(s.chosen) + (n < waiting ? n : waiting));
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

static void notify_1(void)
{
    notify(1);
}

static void notify_1_and_1(void)
{
    notify(1);
    notify(1);
}

static void notify_9(void)
{
    notify(9);
}

static void is_exact(void)
{
    CHECK(s.chosen == s.notified);
    nobody_waits();
}

MODEL(cond.deadline_against_notify, .setup = setup,
      .threads = {wait_soon, notify_1}, .check = is_exact)
MODEL(cond.deadline_against_notify_spinning, .setup = setup,
      .threads = {wait_soon, notify_1}, .check = is_exact, .spin = 2,
      .bounds = {2, 0, 1})
MODEL(cond.deadline_against_notify_of_another_process, .setup = setup_shared,
      .threads = {wait_soon, notify_1}, .check = is_exact)
MODEL(cond.deadline_against_notify_with_alarms, .setup = setup,
      .threads = {wait_late, notify_1}, .check = is_exact, .bounds = {1, 0, 2},
      .also = {2, 0, 1})
MODEL(cond.two_deadlines_against_one_notify, .setup = setup,
      .threads = {wait_soon, wait_soon, notify_1}, .check = is_exact,
      .bounds = {1, 0, 1}, .also = {2, 0, 0}, .no_stray = true)
MODEL(cond.two_deadlines_against_two_notifies, .setup = setup,
      .threads = {wait_soon, wait_soon, notify_1_and_1}, .check = is_exact,
      .bounds = {1, 0, 1}, .also = {2, 0, 0}, .no_stray = true)
MODEL(cond.two_deadlines_against_broadcast, .setup = setup,
      .threads = {wait_soon, wait_soon, notify_9}, .check = is_exact, .cpus = 1,
      .bounds = {1, 0, 1}, .also = {2, 0, 0}, .no_stray = true)
MODEL(cond.two_deadlines_between_processes, .setup = setup_shared,
      .threads = {wait_soon, wait_soon, notify_1_and_1}, .check = is_exact,
      .bounds = {1, 0, 1}, .also = {2, 0, 0}, .no_stray = true)
MODEL(cond.three_deadlines_against_two_notifies, .setup = setup,
      .threads = {wait_soon, wait_soon, wait_soon, notify_1_and_1},
      .check = is_exact, .no_stray = true, .bounds = {0, 0, 1}, .sampled = true)
MODEL(cond.three_deadlines_between_processes, .setup = setup_shared,
      .threads = {wait_soon, wait_soon, wait_soon, notify_1_and_1},
      .check = is_exact, .no_stray = true, .bounds = {0, 0, 1}, .sampled = true)
MODEL(cond.try_against_notify, .setup = setup, .threads = {try_wait, notify_1},
      .check = is_exact)
MODEL(cond.try_and_wait_against_notify, .setup = setup,
      .threads = {wait_soon, try_wait, notify_1}, .check = is_exact,
      .bounds = {2, 0, 0}, .no_stray = true)

/* The longest waiting comes first: the tickets of two waiters, known by the
 * order in which they had the mutex. */
static void wait_in_line(void)
{
    int place;

    CHECK_OK(pawl_mutex_lock(&s.m));
    place = MODEL_GET(s.turn);
    MODEL_SET(s.turn, place + 1);
    CHECK_OK(pawl_cond_wait(&s.c, &s.m));
    /* One was chosen by the first notify, the other by the second. */
    CHECK(MODEL_GET(s.chosen) > place);
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

static void notify_the_first_and_the_second(void)
{
    for (int i = 0; i < 2;) {
        CHECK_OK(pawl_mutex_lock(&s.m));
        if (MODEL_GET(s.turn) > i) {
            MODEL_SET(s.chosen, ++i);
            CHECK_OK(pawl_cond_notify(&s.c, &s.m, 1));
        }
        CHECK_OK(pawl_mutex_unlock(&s.m));
        model_yield();
    }
}

MODEL(cond.longest_waiting_first, .setup = setup,
      .threads = {wait_in_line, wait_in_line, notify_the_first_and_the_second},
      .bounds = {2, 0, 0})

/* One that leaves the middle of the line renumbers who is behind it, who may
 * look at its ticket meanwhile. */
static void wait_for_ever(void)
{
    wait_once(PAWL_FOREVER);
}

static void notify_when_one_has_left(void)
{
    for (bool done = false; !done;) {
        CHECK_OK(pawl_mutex_lock(&s.m));
        if (MODEL_GET(s.late) == 1)
            CHECK_OK(pawl_cond_notify(&s.c, &s.m, 2));
        done = MODEL_GET(s.notified) == 2;
        CHECK_OK(pawl_mutex_unlock(&s.m));
        if (!done)
            model_yield();
    }
}

MODEL(cond.renumbered_ticket_is_seen, .setup = setup,
      .threads = {wait_for_ever, wait_soon, wait_for_ever,
                  notify_when_one_has_left},
      .check = nobody_waits, .bounds = {0, 1, 2}, .sampled = true)

/* -- Predicates, errors ---------------------------------------------------------------- */

static int has_item(void *unused)
{
    (void)unused;
    return MODEL_GET(s.items) > 0 ? 1 : MODEL_GET(s.closed) ? -ECANCELED : 0;
}

static void take_item_or_stop(void)
{
    int err;

    CHECK_OK(pawl_mutex_lock(&s.m));
    err = pawl_cond_wait_for(&s.c, &s.m, has_item, NULL, model_soon());
    if (err == 0)
        MODEL_SET(s.items, s.items - 1);
    else
        CHECK(err == -ETIMEDOUT || err == -ECANCELED);
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

static void close_it(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m));
    MODEL_SET(s.closed, true);
    CHECK_OK(pawl_cond_notify_all(&s.c, &s.m));
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

MODEL(cond.predicate, .setup = setup, .threads = {take_item_or_stop, make_item},
      .check = nobody_waits)
MODEL(cond.predicate_that_says_no, .setup = setup,
      .threads = {take_item_or_stop, close_it}, .check = nobody_waits)

/* -- Several conditions of one mutex ------------------------------------------------------ */

/* A buffer of one place. */
static void put(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m));
    while (MODEL_GET(s.items) == 1)
        CHECK_OK(pawl_cond_wait(&s.second, &s.m));
    MODEL_SET(s.items, 1);
    CHECK_OK(pawl_cond_notify(&s.c, &s.m, 1));
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

static void get(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m));
    while (MODEL_GET(s.items) == 0)
        CHECK_OK(pawl_cond_wait(&s.c, &s.m));
    MODEL_SET(s.items, 0);
    CHECK_OK(pawl_cond_notify(&s.second, &s.m, 1));
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

static void put_put(void)
{
    put();
    put();
}

static void get_get(void)
{
    get();
    get();
}

MODEL(cond.buffer, .setup = setup, .threads = {put_put, get_get},
      .check = nobody_waits, .bounds = {2, 0, 1})
MODEL(cond.buffer_of_three, .setup = setup, .threads = {put_put, get, get},
      .check = nobody_waits, .bounds = {1, 0, 1}, .also = {2, 0, 0},
      .no_stray = true)

/* Two wakes are deferred to one unlock: there is room for one. */
static void wait_on(pawl_cond *c)
{
    CHECK_OK(pawl_mutex_lock(&s.m));
    while (!MODEL_GET(s.closed))
        CHECK_OK(pawl_cond_wait(c, &s.m));
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

static void wait_on_first(void)
{
    wait_on(&s.c);
}

static void wait_on_second(void)
{
    wait_on(&s.second);
}

static void notify_both(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m));
    MODEL_SET(s.closed, true);
    CHECK_OK(pawl_cond_notify(&s.c, &s.m, 1));
    CHECK_OK(pawl_cond_notify(&s.second, &s.m, 1));
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

MODEL(cond.two_conditions_of_one_section, .setup = setup,
      .threads = {wait_on_first, wait_on_second, notify_both},
      .check = nobody_waits, .bounds = {2, 0, 0})

/* -- Deaths, forks -------------------------------------------------------------------------- */

static void notify_and_die(void)
{
    int err = pawl_mutex_lock(&s.m);

    CHECK_OK(err);
    MODEL_SET(s.closed, true);
    CHECK_OK(pawl_cond_notify(&s.c, &s.m, 1));
    model_die();
}

static void notify_all_and_die(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m));
    MODEL_SET(s.closed, true);
    CHECK_OK(pawl_cond_notify_all(&s.c, &s.m));
    model_die();
}

static void wait_for_the_dead(void)
{
    int err = pawl_mutex_lock(&s.m);

    while (err == 0 && !MODEL_GET(s.closed))
        err = pawl_cond_wait(&s.c, &s.m);
    if (err == -EOWNERDEAD)
        CHECK_OK(pawl_mutex_consistent(&s.m));
    else
        CHECK_OK(err);
    CHECK(MODEL_GET(s.closed));
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

MODEL(cond.death_of_the_notifier, .setup = setup,
      .threads = {wait_for_the_dead, notify_and_die}, .check = nobody_waits)
MODEL(cond.death_of_the_notifier_of_two, .setup = setup,
      .threads = {wait_for_the_dead, wait_for_the_dead, notify_all_and_die},
      .check = nobody_waits, .bounds = {2, 0, 0})

/* One that was moved to the queue of the mutex is told when its holder dies. */
static void wait_and_die(void)
{
    int err = pawl_mutex_lock(&s.m);

    while (err == 0 && !MODEL_GET(s.closed))
        err = pawl_cond_wait(&s.c, &s.m);
    CHECK_OK(err);
    model_die();
}

MODEL(cond.moved_waiter_is_told_of_a_death, .setup = setup,
      .threads = {wait_for_the_dead, wait_and_die, close_it}, .cpus = 1,
      .bounds = {2, 0, 0})

/* Nobody repairs it: those who wait and were chosen are told. */
static void wait_for_the_lost(void)
{
    int err = pawl_mutex_lock(&s.m);

    if (err == 0) {
        if (!MODEL_GET(s.closed))
            err = pawl_cond_wait(&s.c, &s.m);
        if (err == 0)
            CHECK_OK(pawl_mutex_unlock(&s.m));
    }
    if (err == -EOWNERDEAD)
        CHECK_OK(pawl_mutex_unlock(&s.m));
    else
        CHECK(err == 0 || err == -ENOTRECOVERABLE);
}

MODEL(cond.mutex_is_lost, .setup = setup,
      .threads = {wait_for_the_lost, wait_for_the_lost, notify_all_and_die},
      .bounds = {2, 0, 0})
MODEL(cond.mutex_is_lost_to_moved_waiters, .setup = setup,
      .threads = {wait_for_the_lost, wait_for_the_lost, notify_all_and_die},
      .cpus = 1, .bounds = {2, 0, 0})

/* A wake that went to one which was not chosen is passed on, even if the mutex
 * is lost meanwhile.  The first waits; so does the second, after it; the first
 * is chosen, but after a stray wake the second is woken in its place. */
static void end_wait(int err)
{
    if (err == 0 || err == -EOWNERDEAD || err == -ETIMEDOUT)
        CHECK_OK(pawl_mutex_unlock(&s.m));
    else
        CHECK_ERR(err, -ENOTRECOVERABLE);
}

static void end_turn(uint32_t turn)
{
    pawl_store_release(&s.whose_turn, turn + 1);
}

/* With the mutex, when it is the turn of the caller; or an error. */
static int lock_at(uint32_t turn)
{
    while (pawl_load_acquire(&s.whose_turn) != turn)
        model_yield();
    return pawl_mutex_lock(&s.m);
}

static void wait_first(void)
{
    CHECK_OK(lock_at(0));
    end_turn(0);
    end_wait(pawl_cond_wait(&s.c, &s.m));
}

static void wait_second(void)
{
    CHECK_OK(lock_at(1));
    end_turn(1);
    end_wait(pawl_cond_wait_until(&s.c, &s.m, model_soon()));
}

static void notify_third_and_die(void)
{
    CHECK_OK(lock_at(2));
    CHECK_OK(pawl_cond_notify(&s.c, &s.m, 1));
    end_turn(2);
    model_die();
}

static void lose_the_mutex(void)
{
    end_wait(lock_at(3));
}

MODEL(cond.wake_is_passed_on_though_the_mutex_is_lost, .setup = setup,
      .threads = {wait_first, wait_second, notify_third_and_die,
                  lose_the_mutex},
      .bounds = {0, 0, 1}, .sampled = true)

static void fork_and_notify(void)
{
    int err;

    model_fork();
    err = pawl_mutex_lock(&s.m);
    if (err == -EOWNERDEAD)
        CHECK_OK(pawl_mutex_consistent(&s.m));
    else
        CHECK_OK(err);
    CHECK(pawl_cond_waiters(&s.c) == 0);
    CHECK_OK(pawl_cond_notify_all(&s.c, &s.m));
    CHECK_ERR(pawl_cond_wait_until(&s.c, &s.m, model_soon()), -ETIMEDOUT);
    CHECK_OK(pawl_mutex_unlock(&s.m));
    nobody_waits();
}

MODEL(cond.fork, .setup = setup,
      .threads = {take_item, make_item, fork_and_notify}, .bounds = {2, 1, 0})
