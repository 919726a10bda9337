/* SPDX-License-Identifier: MIT
 *
 * sem_windows_test.c - what happens between two instructions of a semaphore:
 * threads are held where a wake-up could be lost (see seam.h).
 */
#include "sem_seam.h"

/* ---- about to sleep (I2) ------------------------------------------------ */

TEST(sem_window.a_release_just_before_the_sleep_is_seen)
{
    for (int k = 0; k < 2; k++) {
        pawl_sem *s = make_sem(0, kinds[k]);
        struct visitor v;

        visitor_start(&v, get_stop_before, NULL, s);
        stop_await(&here);
        CHECK_OK(pawl_sem_release(s));
        stop_release(&here);
        CHECK_OK(visitor_passes(&v));
        check_is_empty(s);
    }
}

/* The permit comes and goes to somebody else meanwhile: it sleeps on, and is
 * woken by the next. */
TEST(sem_window.a_permit_that_others_take_first_is_not_missed)
{
    for (int k = 0; k < 2; k++) {
        pawl_sem *s = make_sem(0, kinds[k]);
        struct visitor v;

        visitor_start(&v, get_stop_before, NULL, s);
        stop_await(&here);
        CHECK_OK(pawl_sem_release(s));
        CHECK_OK(pawl_sem_try_acquire(s));
        stop_release(&here);
        test_until_asleep(test_tid(v.thread));
        CHECK_OK(pawl_sem_release(s));
        CHECK_OK(visitor_passes(&v));
        check_is_empty(s);
    }
}

/* ---- just woken --------------------------------------------------------- */

/* S-02: a woken waiter may lose the race to a newcomer, and sleeps on. */
TEST(sem_window.one_that_was_overtaken_gets_the_next_permit)
{
    for (int k = 0; k < 2; k++) {
        pawl_sem *s = make_sem(0, kinds[k]);
        struct visitor first;
        struct visitor second;

        visitor_start_asleep(&first, get_stop_after, NULL, s);
        visitor_start_asleep(&second, get, NULL, s);
        CHECK_OK(pawl_sem_release(s));
        stop_await(&here);
        CHECK_OK(pawl_sem_try_acquire(s));
        stop_release(&here);
        test_until_asleep(test_tid(first.thread));
        CHECK_OK(pawl_sem_release_n(s, 2));
        CHECK_OK(visitor_passes(&first));
        CHECK_OK(visitor_passes(&second));
        check_is_empty(s);
    }
}

/* S-04: released in the instant of its deadline: it is taken. */
TEST(sem_window.a_permit_at_the_deadline_is_taken)
{
    for (int k = 0; k < 2; k++) {
        pawl_sem *s = make_sem(0, kinds[k]);
        struct visitor v;

        visitor_start(&v, get_soon_stop_after, NULL, s);
        stop_await(&here); /* its deadline has passed */
        CHECK_OK(pawl_sem_release(s));
        stop_release(&here);
        CHECK_OK(visitor_passes(&v));
        check_is_empty(s);
    }
}

/* One that gives up does not take the wake of another with it. */
TEST(sem_window.a_timed_out_waiter_leaves_the_wake_to_others)
{
    for (int k = 0; k < 2; k++) {
        pawl_sem *s = make_sem(0, kinds[k]);
        struct visitor hasty;
        struct visitor v;

        visitor_start(&hasty, get_soon_stop_after, NULL, s);
        stop_await(&here);
        visitor_start_asleep(&v, get, NULL, s);
        CHECK_OK(pawl_sem_release(s));
        CHECK_OK(visitor_passes(&v));
        stop_release(&here);
        CHECK_ERR(visitor_passes(&hasty), -ETIMEDOUT);
        check_is_empty(s);
    }
}

/* A permit that one sleeper cannot use reaches another one that can, and the
 * first sleeps on. */
TEST(sem_window.a_permit_reaches_who_can_use_it)
{
    for (int k = 0; k < 2; k++) {
        for (int large_first = 0; large_first < 2; large_first++) {
            pawl_sem *s = make_sem(0, kinds[k]);
            struct visitor large;
            struct visitor small;

            if (large_first)
                visitor_start_asleep(&large, get_3_stop_after, NULL, s);
            visitor_start_asleep(&small, get, NULL, s);
            if (!large_first)
                visitor_start_asleep(&large, get_3_stop_after, NULL, s);
            CHECK_OK(pawl_sem_release(s));
            CHECK_OK(visitor_passes(&small));
            stop_await(&here);
            stop_release(&here);
            test_until_asleep(test_tid(large.thread));
            CHECK_EQ(pawl_sem_waiters(s), 1);
            CHECK_OK(pawl_sem_release_n(s, 3));
            CHECK_OK(visitor_passes(&large));
            check_is_empty(s);
        }
    }
}

/* ---- claims (I3, W-34, R-13) -------------------------------------------- */

/* What comes in while somebody claims is kept for it. */
TEST(sem_window.a_claim_keeps_what_comes_in)
{
    for (int k = 0; k < 2; k++) {
        pawl_sem *s = make_sem(0, kinds[k]);
        struct visitor large;
        struct visitor small;

        visitor_start_asleep(&large, claim_3, NULL, s);
        CHECK_OK(pawl_sem_release_n(s, 2));
        CHECK_ERR(pawl_sem_try_acquire(s), -EAGAIN);
        CHECK_ERR(pawl_sem_acquire_until(s, 0), -ETIMEDOUT);
        CHECK_ERR(pawl_sem_acquire_until(s, pawl_after_us(100)), -ETIMEDOUT);
        CHECK_EQ(pawl_sem_value(s), 2);
        visitor_start_asleep(&small, get, NULL, s);
        CHECK_OK(pawl_sem_release_n(s, 2));
        CHECK_OK(visitor_passes(&large));
        CHECK_OK(visitor_passes(&small)); /* what the claim did not need */
        check_is_empty(s);
        CHECK_OK(pawl_sem_release(s));
        CHECK_OK(pawl_sem_try_acquire(s)); /* as usual again */
    }
}

/* A claim that is given up lets those in whom it held back. */
TEST(sem_window.a_claim_that_ends_wakes_those_it_held_back)
{
    for (int k = 0; k < 2; k++) {
        pawl_sem *s = make_sem(1, kinds[k]);
        struct visitor large;
        struct visitor small;

        visitor_start(&large, claim_2_soon_stop_after, NULL, s);
        stop_await(&here); /* its deadline has passed */
        visitor_start_asleep(&small, get, NULL, s);
        stop_release(&here);
        CHECK_ERR(visitor_passes(&large), -ETIMEDOUT);
        CHECK_OK(visitor_passes(&small));
        check_is_empty(s);
        CHECK_OK(pawl_sem_release_n(s, 2));
        CHECK_OK(pawl_sem_try_acquire_n(s, 2));
    }
}

/* The same for one that is about to sleep because of the claim: when the claim
 * ends, the value is what it was. */
TEST(sem_window.the_end_of_a_claim_just_before_the_sleep_is_seen)
{
    for (int k = 0; k < 2; k++) {
        pawl_sem *s = make_sem(1, kinds[k]);
        struct visitor large;
        struct visitor small;

        visitor_start(&large, claim_2_soon_stop_after, NULL, s);
        stop_await(&here);
        visitor_start(&small, get_stop_before_there, NULL, s);
        stop_await(&there);
        stop_release(&here);
        CHECK_ERR(visitor_passes(&large), -ETIMEDOUT);
        stop_release(&there);
        CHECK_OK(visitor_passes(&small));
        check_is_empty(s);
    }
}

/* And when it ends by taking as many as were released. */
TEST(sem_window.a_claim_served_just_before_the_sleep_of_another_is_seen)
{
    for (int k = 0; k < 2; k++) {
        pawl_sem *s = make_sem(1, kinds[k]);
        struct visitor large;
        struct visitor small;

        visitor_start_asleep(&large, claim_2, NULL, s);
        visitor_start(&small, get_stop_before_there, NULL, s);
        stop_await(&there);
        CHECK_OK(pawl_sem_release_n(s, 2));
        CHECK_OK(visitor_passes(&large));
        CHECK_EQ(pawl_sem_value(s), 1);
        stop_release(&there);
        CHECK_OK(visitor_passes(&small));
        check_is_empty(s);
    }
}

/* S-04: the last permit of a claim comes in the instant of its deadline. */
TEST(sem_window.a_claim_served_at_the_deadline_is_taken)
{
    for (int k = 0; k < 2; k++) {
        pawl_sem *s = make_sem(1, kinds[k]);
        struct visitor large;

        visitor_start(&large, claim_2_soon_stop_after, NULL, s);
        stop_await(&here);
        CHECK_OK(pawl_sem_release(s));
        CHECK_ERR(pawl_sem_try_acquire(s), -EAGAIN);
        stop_release(&here);
        CHECK_OK(visitor_passes(&large));
        check_is_empty(s);
    }
}

/* The wake of a release reaches the one that claims, first or last in line. */
TEST(sem_window.a_release_reaches_the_one_that_claims)
{
    for (int k = 0; k < 2; k++) {
        for (int last = 0; last < 2; last++) {
            pawl_sem *s = make_sem(0, kinds[k]);
            struct visitor large;
            struct visitor small;

            if (last)
                visitor_start_asleep(&small, get, NULL, s);
            visitor_start_asleep(&large, claim_2, NULL, s);
            if (!last)
                visitor_start_asleep(&small, get, NULL, s);
            CHECK_OK(pawl_sem_release(s));
            CHECK_OK(pawl_sem_release(s));
            CHECK_OK(visitor_passes(&large));
            test_until_asleep(test_tid(small.thread));
            CHECK_EQ(pawl_sem_waiters(s), 1);
            CHECK_OK(pawl_sem_release(s));
            CHECK_OK(visitor_passes(&small));
            check_is_empty(s);
        }
    }
}
