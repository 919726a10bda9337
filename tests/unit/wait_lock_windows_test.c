/* SPDX-License-Identifier: MIT
 *
 * wait_lock_windows_test.c - a wait set and those who wait for the mutex itself,
 * held where a wake-up could be lost (see seam.h).
 */
#include <pawl/wait.h>

#include "mutex_seam.h"

static pawl_event never = PAWL_EVENT_INIT;

/* For ever, by way of a set of two. */
static int take_any(void *m)
{
    pawl_wait_item items[2] = {PAWL_WAIT_EVENT(&never), PAWL_WAIT_MUTEX(m)};

    return pawl_wait_any(items, 2, NULL);
}

/* The unlock wakes both; the sleeper is slow, and the watcher takes it without
 * knowing of others: the sleeper must see to itself. */
TEST(wait_lock_window.a_sleeper_that_was_overtaken_by_a_watcher)
{
    for (int k = 0; k < KINDS; k++) {
        pawl_mutex *m = make_mutex(kinds[k]);
        struct visitor sleeper;
        struct visitor watcher;
        struct visitor other;

        CHECK_OK(pawl_mutex_lock(m));
        visitor_start_asleep(&watcher, take_any, unlock_it, m);
        visitor_start_asleep(&sleeper, lock_stop_after, unlock_it, m);
        visitor_start_asleep(&other, lock_it, unlock_it, m);
        CHECK_OK(pawl_mutex_unlock(m));
        stop_await(&here);
        CHECK_OK(visitor_enters(&watcher));
        CHECK_OK(visitor_leaves(&watcher));
        stop_release(&here);
        check_both_get_it(m, &sleeper, &other);
    }
}

/* An unlock that leaves the lock to a spinner wakes nobody: the spinner's own
 * unlock must. */
TEST(wait_lock_window.a_spinner_looks_after_the_watcher)
{
    for (int k = 0; k < KINDS; k++) {
        pawl_mutex *m = make_mutex(kinds[k]);
        struct visitor spinner;
        struct visitor watcher;

        CHECK_OK(pawl_mutex_lock(m));
        visitor_start(&spinner, lock_stop_in_spin, unlock_it, m);
        stop_await(&here);
        visitor_start_asleep(&watcher, take_any, unlock_it, m);
        CHECK_OK(pawl_mutex_unlock(m));
        stop_release(&here);
        check_both_get_it(m, &spinner, &watcher);
    }
}

/* Nor does it while the spinner is overtaken and its deadline passes. */
TEST(wait_lock_window.a_spinner_that_leaves_looks_after_the_watcher)
{
    for (int k = 0; k < KINDS; k++) {
        pawl_mutex *m = make_mutex(kinds[k]);
        struct visitor spinner;
        struct visitor watcher;

        CHECK_OK(pawl_mutex_lock(m));
        visitor_start(&spinner, lock_soon_stop_in_spin, NULL, m);
        stop_await(&here);
        visitor_start_asleep(&watcher, take_any, unlock_it, m);
        CHECK_OK(pawl_mutex_unlock(m));
        CHECK_OK(pawl_mutex_lock(m));
        stop_release(&here);
        CHECK_ERR(visitor_enters(&spinner), -ETIMEDOUT);
        visitor_leaves(&spinner);
        CHECK_OK(pawl_mutex_unlock(m));
        CHECK_OK(visitor_enters(&watcher));
        CHECK_OK(visitor_leaves(&watcher));
        CHECK(!pawl_mutex_is_locked(m));
    }
}

/* a lock that is handed over passes by the watcher, whose turn comes with
 * the unlock of the one that starved. */
TEST(wait_lock_window.a_starving_one_comes_first)
{
    for (int k = 0; k < KINDS; k++) {
        pawl_mutex *m = make_mutex(kinds[k]);
        struct visitor starving;
        struct visitor watcher;

        CHECK_OK(pawl_mutex_lock(m));
        visitor_start_asleep(&watcher, take_any, unlock_it, m);
        visitor_start_asleep(&starving, lock_starving, unlock_it, m);
        await_hand_over(m);
        CHECK_OK(pawl_mutex_unlock(m));
        CHECK_OK(visitor_enters(&starving));
        CHECK_OK(visitor_leaves(&starving));
        CHECK_OK(visitor_enters(&watcher));
        CHECK_OK(visitor_leaves(&watcher));
        CHECK(!pawl_mutex_is_locked(m));
    }
}

/* A death wakes the watcher, also if only a sleeper has announced itself, or only
 * the watcher. */
TEST(wait_lock_window.a_death_reaches_watcher_and_sleeper)
{
    for (int first = 0; first < 2; first++) {
        pawl_mutex *m = make_mutex(PAWL_LOCAL);
        struct visitor holder;
        struct visitor sleeper;
        struct visitor watcher;
        int results[2];

        visitor_start(&holder, lock_it, NULL, m);
        CHECK_OK(visitor_enters(&holder));
        if (first == 0)
            visitor_start_asleep(&watcher, take_any, unlock_it, m);
        visitor_start_asleep(&sleeper, lock_it, unlock_it, m);
        if (first == 1)
            visitor_start_asleep(&watcher, take_any, unlock_it, m);
        visitor_leaves(&holder); /* dies */
        door_open(&watcher.go);
        door_open(&sleeper.go);
        results[0] = visitor_enters(&watcher);
        results[1] = visitor_enters(&sleeper);
        CHECK((results[0] == -EOWNERDEAD && results[1] == -ENOTRECOVERABLE) ||
              (results[1] == -EOWNERDEAD && results[0] == -ENOTRECOVERABLE));
        visitor_leaves(&watcher);
        visitor_leaves(&sleeper);
    }
}
