/* SPDX-License-Identifier: MIT
 *
 * mutex_windows_test.c - what happens between two instructions of a mutex:
 * threads are held where a wake-up could be lost (see seam.h).
 */
#include "mutex_seam.h"

/* Held by us, with one that comes and waits. */
static pawl_mutex *make_held(struct visitor *v, visitor_fn enter,
                             visitor_fn leave, unsigned flags)
{
    pawl_mutex *m = make_mutex(flags);

    CHECK_OK(pawl_mutex_lock(m));
    visitor_start(v, enter, leave, m);
    return m;
}

/* Unlocked by us while one sleeps and another one stands in its spin. */
static pawl_mutex *make_spun_for(struct visitor *sleeper,
                                 struct visitor *spinner, visitor_fn enter,
                                 visitor_fn leave, unsigned flags)
{
    pawl_mutex *m = make_held(sleeper, lock_it, unlock_it, flags);

    test_until_asleep(test_tid(sleeper->thread));
    visitor_start(spinner, enter, leave, m);
    stop_await(&here);
    CHECK_OK(pawl_mutex_unlock(m));
    return m;
}

/* ---- about to sleep (I1) ------------------------------------------------ */

TEST(mutex_window.an_unlock_just_before_the_sleep_is_seen)
{
    for (int k = 0; k < KINDS; k++) {
        struct visitor v;
        pawl_mutex *m = make_held(&v, lock_stop_before, unlock_it, kinds[k]);

        stop_await(&here);
        CHECK_OK(pawl_mutex_unlock(m));
        stop_release(&here);
        CHECK_OK(visitor_passes(&v));
    }
}

/* The word looks the same but for WAITERS, which the unlock has taken away. */
TEST(mutex_window.unlock_and_lock_just_before_the_sleep_are_seen)
{
    for (int k = 0; k < KINDS; k++) {
        struct visitor v;
        pawl_mutex *m = make_held(&v, lock_stop_before, unlock_it, kinds[k]);

        stop_await(&here);
        CHECK_OK(pawl_mutex_unlock(m));
        CHECK_OK(pawl_mutex_lock(m));
        stop_release(&here);
        test_until_asleep(test_tid(v.thread));
        CHECK_OK(pawl_mutex_unlock(m));
        CHECK_OK(visitor_passes(&v));
    }
}

/* L-08 */
static void check_death_seen(visitor_fn stops)
{
    pawl_mutex *m = make_mutex(PAWL_LOCAL);
    struct visitor holder;
    struct visitor v;

    visitor_start(&holder, lock_it, NULL, m);
    CHECK_OK(visitor_enters(&holder));
    visitor_start(&v, stops, unlock_it, m);
    stop_await(&here);
    visitor_leaves(&holder);
    stop_release(&here);
    CHECK_ERR(visitor_passes(&v), -EOWNERDEAD);
}

TEST(mutex_window.a_death_just_before_the_sleep_is_seen)
{
    check_death_seen(lock_stop_before);
}

/* It dies, and finds nobody announced, just before the announcement. */
static int lock_stop_before_announcement(void *m)
{
    stop_before_announcement = &here;
    return lock_it(m);
}

TEST(mutex_window.a_death_just_before_the_announcement_is_seen)
{
    check_death_seen(lock_stop_before_announcement);
}

/* ---- just woken (I1) ---------------------------------------------------- */

/* The lock was taken by a third one meanwhile; both sleepers get it later. */
TEST(mutex_window.one_that_was_overtaken_looks_after_the_other_sleepers)
{
    for (int k = 0; k < KINDS; k++) {
        for (int free_again = 0; free_again < 2; free_again++) {
            pawl_mutex *m = make_mutex(kinds[k]);
            struct visitor first;
            struct visitor second;

            CHECK_OK(pawl_mutex_lock(m));
            visitor_start_asleep(&first, lock_stop_after, unlock_it, m);
            visitor_start_asleep(&second, lock_it, unlock_it, m);
            CHECK_OK(pawl_mutex_unlock(m));
            stop_await(&here); /* the first has been woken */
            CHECK_OK(pawl_mutex_try_lock(m));
            if (free_again) {
                CHECK_OK(pawl_mutex_unlock(m));
                stop_release(&here);
            } else {
                stop_release(&here);
                test_until_asleep(test_tid(first.thread));
                CHECK_OK(pawl_mutex_unlock(m));
            }
            check_both_get_it(m, &first, &second);
        }
    }
}

/* L-04: the deadline of the one that was woken passes before it could look. */
TEST(mutex_window.a_timed_out_waiter_takes_what_has_become_free)
{
    for (int k = 0; k < KINDS; k++) {
        struct visitor v;
        pawl_mutex *m =
            make_held(&v, lock_soon_stop_after, unlock_it, kinds[k]);

        stop_await(&here); /* its deadline has passed */
        CHECK_OK(pawl_mutex_unlock(m));
        stop_release(&here);
        CHECK_OK(visitor_passes(&v));
    }
}

TEST(mutex_window.a_timed_out_waiter_leaves_the_wake_to_others)
{
    for (int k = 0; k < KINDS; k++) {
        pawl_mutex *m = make_mutex(kinds[k]);
        struct visitor hasty;
        struct visitor v;

        CHECK_OK(pawl_mutex_lock(m));
        visitor_start(&hasty, lock_soon_stop_after, NULL, m);
        stop_await(&here);
        visitor_start_asleep(&v, lock_it, unlock_it, m);
        CHECK_OK(pawl_mutex_unlock(m));
        CHECK_OK(visitor_enters(&v)); /* not the one that has given up */
        stop_release(&here);
        CHECK_ERR(visitor_passes(&hasty), -ETIMEDOUT);
        CHECK_OK(visitor_leaves(&v));
    }
}

/* ---- starving (R-13, I4) ------------------------------------------------ */

TEST(mutex_window.an_unlock_hands_over_to_the_starving_one)
{
    for (int k = 0; k < KINDS; k++) {
        pawl_mutex *m = make_mutex(kinds[k]);
        struct visitor v;

        CHECK_OK(pawl_mutex_lock(m));
        visitor_start_asleep(&v, lock_starving_stop_after, unlock_it, m);
        await_hand_over(m);
        CHECK_OK(pawl_mutex_unlock(m));
        stop_await(&here);
        /* Nobody else gets it, or gives it. */
        CHECK_ERR(pawl_mutex_try_lock(m), -EAGAIN);
        CHECK_ERR(pawl_mutex_lock_until(m, 0), -ETIMEDOUT);
        CHECK_ERR(pawl_mutex_unlock(m), -EPERM);
        CHECK(pawl_mutex_is_locked(m));
        CHECK_EQ(pawl_mutex_owner(m), 0);
        stop_release(&here);
        CHECK_OK(visitor_enters(&v));
        CHECK_ERR(pawl_mutex_try_lock(m), -EAGAIN);
        CHECK_OK(visitor_leaves(&v));
        CHECK_OK(pawl_mutex_try_lock(m)); /* as usual again */
        CHECK_OK(pawl_mutex_unlock(m));
        CHECK_OK(pawl_mutex_try_lock(m));
    }
}

/* The wake goes to the one that it is reserved for, first or last in line. */
TEST(mutex_window.a_hand_over_reaches_the_right_one)
{
    for (int k = 0; k < KINDS; k++) {
        for (int last = 0; last < 2; last++) {
            pawl_mutex *m = make_mutex(kinds[k]);
            struct visitor starving;
            struct visitor v;

            CHECK_OK(pawl_mutex_lock(m));
            if (last)
                visitor_start_asleep(&v, lock_it, unlock_it, m);
            visitor_start_asleep(&starving, lock_starving, unlock_it, m);
            if (!last)
                visitor_start_asleep(&v, lock_it, unlock_it, m);
            await_hand_over(m);
            door_open(&v.go); /* where all are woken, it may be first */
            CHECK_OK(pawl_mutex_unlock(m));
            CHECK_OK(visitor_passes(&starving));
            CHECK_OK(visitor_enters(&v)); /* it is not forgotten */
            CHECK_OK(visitor_leaves(&v));
        }
    }
}

/* L-04: reserved for it in the instant of its deadline: it is taken. */
TEST(mutex_window.a_hand_over_at_the_deadline_is_taken)
{
    for (int k = 0; k < KINDS; k++) {
        struct visitor v;
        pawl_mutex *m =
            make_held(&v, lock_starving_soon_stop_after, unlock_it, kinds[k]);

        stop_await(&here); /* its deadline has passed */
        await_hand_over(m);
        CHECK_OK(pawl_mutex_unlock(m));
        CHECK_ERR(pawl_mutex_try_lock(m), -EAGAIN); /* it was handed over */
        stop_release(&here);
        CHECK_OK(visitor_passes(&v));
        CHECK_OK(pawl_mutex_try_lock(m));
    }
}

/* One that starved and gave up has left no reservation. */
TEST(mutex_window.a_starving_one_that_gives_up_reserves_nothing)
{
    for (int k = 0; k < KINDS; k++) {
        struct visitor v;
        pawl_mutex *m =
            make_held(&v, lock_starving_soon_stop_after, NULL, kinds[k]);

        stop_await(&here);
        stop_release(&here);
        CHECK_ERR(visitor_passes(&v), -ETIMEDOUT);
        CHECK_OK(pawl_mutex_unlock(m));
        CHECK_OK(pawl_mutex_try_lock(m));
        CHECK_OK(pawl_mutex_unlock(m));
    }
}

/* L-08: somebody fell asleep while the lock was reserved; the one that it was
 * reserved for took it and died. */
TEST(mutex_window.the_death_of_the_one_it_was_reserved_for_is_told)
{
    pawl_mutex *m = make_mutex(PAWL_LOCAL);
    struct visitor starving;
    struct visitor v;

    CHECK_OK(pawl_mutex_lock(m));
    visitor_start_asleep(&starving, lock_starving_stop_after, NULL, m);
    await_hand_over(m);
    CHECK_OK(pawl_mutex_unlock(m));
    stop_await(&here); /* reserved */
    visitor_start_asleep(&v, lock_it, unlock_it, m);
    stop_release(&here);
    CHECK_OK(visitor_passes(&starving));
    CHECK_ERR(visitor_passes(&v), -EOWNERDEAD);
}

/* A lock is reserved for all who starve: one that begins to while it is takes
 * it, rather than sleep on it, and the one that was woken gets it next. */
TEST(mutex_window.one_that_begins_to_starve_takes_a_reserved_lock)
{
    for (int k = 0; k < KINDS; k++) {
        pawl_mutex *m = make_mutex(kinds[k]);
        struct visitor starving;
        struct visitor v;

        CHECK_OK(pawl_mutex_lock(m));
        visitor_start_asleep(&starving, lock_starving_stop_after, unlock_it, m);
        await_hand_over(m);
        CHECK_OK(pawl_mutex_unlock(m));
        stop_await(&here); /* reserved */
        visitor_start(&v, lock_starving, unlock_it, m);
        CHECK_OK(visitor_enters(&v));
        stop_release(&here);
        test_until_asleep(test_tid(starving.thread));
        CHECK_OK(visitor_leaves(&v));
        CHECK_OK(visitor_passes(&starving));
        CHECK_OK(pawl_mutex_try_lock(m));
    }
}

/* L-08: the holder dies while somebody starves. */
TEST(mutex_window.a_death_is_told_to_the_starving_one)
{
    pawl_mutex *m = make_mutex(PAWL_LOCAL);
    struct visitor holder;
    struct visitor starving;

    visitor_start(&holder, lock_it, NULL, m);
    CHECK_OK(visitor_enters(&holder));
    visitor_start_asleep(&starving, lock_starving, unlock_it, m);
    visitor_leaves(&holder);
    CHECK_ERR(visitor_enters(&starving), -EOWNERDEAD);
    CHECK_OK(pawl_mutex_destroy(make_mutex(PAWL_LOCAL)));
    CHECK_ERR(pawl_mutex_try_lock(m), -EAGAIN);
    CHECK_OK(visitor_leaves(&starving));
    CHECK_ERR(pawl_mutex_try_lock(m), -ENOTRECOVERABLE);
}

/* L-08: a thread that held several locks wakes the sleepers of all of them, none
 * of whom wakes up by itself. */
enum { HELD = 3 };

static int lock_several(void *arg)
{
    pawl_mutex **ms = arg;

    for (int i = 0; i < HELD; i++)
        CHECK_OK(pawl_mutex_lock(ms[i]));
    return 0;
}

TEST(mutex_window.a_death_wakes_the_sleepers_of_every_lock)
{
    pawl_mutex *ms[HELD];
    struct visitor holder;
    struct visitor v[2 * HELD];

    for (int i = 0; i < HELD; i++)
        ms[i] = make_mutex(PAWL_LOCAL);
    visitor_start(&holder, lock_several, NULL, ms);
    CHECK_OK(visitor_enters(&holder));
    for (int i = 0; i < 2 * HELD; i++) {
        visitor_start_asleep(&v[i], lock_it, NULL, ms[i % HELD]);
        door_open(&v[i].go); /* dies inside too */
    }
    visitor_leaves(&holder);
    for (int i = 0; i < 2 * HELD; i++) {
        CHECK_ERR(visitor_passes(&v[i]), -EOWNERDEAD);
    }
}

/* Not repaired, with a starving one asleep: it hears of it too. */
static int lock_and_tell_repair(void *m)
{
    return pawl_mutex_try_lock(m);
}

TEST(mutex_window.an_unrepaired_unlock_releases_the_starving_one)
{
    pawl_mutex *m = make_mutex(PAWL_LOCAL);
    struct visitor holder;
    struct visitor starving;
    struct visitor v;

    CHECK_OK(visitor_dies_inside(lock_it, m));
    visitor_start(&holder, lock_and_tell_repair, unlock_it, m);
    CHECK_ERR(visitor_enters(&holder), -EOWNERDEAD);
    visitor_start_asleep(&starving, lock_starving, NULL, m);
    visitor_start_asleep(&v, lock_it, NULL, m);
    CHECK_OK(visitor_leaves(&holder));
    CHECK_ERR(visitor_enters(&starving), -ENOTRECOVERABLE);
    CHECK_ERR(visitor_enters(&v), -ENOTRECOVERABLE);
    visitor_leaves(&starving);
    visitor_leaves(&v);
}

/* ---- spinning (I3) ------------------------------------------------------ */

/* The unlock leaves the sleeper to the spinner, which takes the lock and wakes
 * it with its own unlock. */
TEST(mutex_window.a_spinner_that_takes_it_looks_after_the_sleeper)
{
    for (int k = 0; k < KINDS; k++) {
        struct visitor sleeper;
        struct visitor spinner;
        pawl_mutex *m = make_spun_for(&sleeper, &spinner, lock_stop_in_spin,
                                      unlock_it, kinds[k]);

        stop_release(&here);
        check_both_get_it(m, &spinner, &sleeper);
    }
}

/* The same, but the spinner is overtaken and falls asleep too. */
TEST(mutex_window.a_spinner_that_gives_up_looks_after_the_sleeper)
{
    for (int k = 0; k < KINDS; k++) {
        struct visitor sleeper;
        struct visitor spinner;
        pawl_mutex *m = make_spun_for(&sleeper, &spinner, lock_stop_in_spin,
                                      unlock_it, kinds[k]);

        CHECK_OK(pawl_mutex_lock(m));
        stop_release(&here);
        test_until_asleep(test_tid(spinner.thread));
        CHECK_OK(pawl_mutex_unlock(m));
        check_both_get_it(m, &spinner, &sleeper);
    }
}

/* And it has a deadline. */
TEST(mutex_window.a_spinner_whose_deadline_passes_looks_after_the_sleeper)
{
    for (int k = 0; k < KINDS; k++) {
        struct visitor sleeper;
        struct visitor spinner;
        pawl_mutex *m = make_spun_for(&sleeper, &spinner,
                                      lock_soon_stop_in_spin, NULL, kinds[k]);

        CHECK_OK(pawl_mutex_lock(m));
        stop_release(&here);
        CHECK_ERR(visitor_passes(&spinner), -ETIMEDOUT);
        CHECK_OK(pawl_mutex_unlock(m));
        CHECK_OK(visitor_passes(&sleeper));
    }
}

/* L-08: the holder dies while somebody spins and somebody sleeps. */
TEST(mutex_window.a_death_is_told_to_the_spinner_or_the_sleeper)
{
    pawl_mutex *m = make_mutex(PAWL_LOCAL);
    struct visitor holder;
    struct visitor sleeper;
    struct visitor spinner;
    int first;
    int second;

    visitor_start(&holder, lock_it, NULL, m);
    CHECK_OK(visitor_enters(&holder));
    visitor_start_asleep(&sleeper, lock_it, NULL, m);
    visitor_start(&spinner, lock_stop_in_spin, NULL, m);
    stop_await(&here);
    visitor_leaves(&holder);
    stop_release(&here);
    door_open(&sleeper.go); /* either dies inside as soon as it is there */
    door_open(&spinner.go);
    first = visitor_enters(&sleeper);
    second = visitor_enters(&spinner);
    CHECK_ERR(first, -EOWNERDEAD);
    CHECK_ERR(second, -EOWNERDEAD);
    visitor_leaves(&sleeper);
    visitor_leaves(&spinner);
}
