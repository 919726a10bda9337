/* SPDX-License-Identifier: MIT
 *
 * wait_sem_windows_test.c - a wait set and those who claim the permits of a
 * semaphore, held where a wake-up could be lost (see seam.h).
 */
#include <pawl/wait.h>

#include "sem_seam.h"

static pawl_event never = PAWL_EVENT_INIT;

static int take_any(void *s)
{
    pawl_wait_item items[2] = {PAWL_WAIT_EVENT(&never), PAWL_WAIT_SEM(s)};

    return pawl_wait_any(items, 2, NULL);
}

static void check_gets_it(struct visitor *v)
{
    CHECK_OK(visitor_enters(v));
    visitor_leaves(v);
}

/* What is claimed is not for wait sets; what the claim leaves is. */
TEST(wait_sem_window.a_watcher_gets_what_a_claim_leaves)
{
    for (int k = 0; k < 2; k++) {
        pawl_sem *s = make_sem(0, kinds[k]);
        struct visitor large;
        struct visitor watcher;

        visitor_start_asleep(&large, claim_2, NULL, s);
        CHECK_OK(pawl_sem_release(s));
        visitor_start_asleep(&watcher, take_any, NULL, s);
        CHECK_EQ(pawl_sem_value(s), 1);
        CHECK_OK(pawl_sem_release_n(s, 2));
        check_gets_it(&large);
        check_gets_it(&watcher);
        check_is_empty(s);
    }
}

TEST(wait_sem_window.a_claim_that_is_given_up_wakes_the_watcher)
{
    for (int k = 0; k < 2; k++) {
        pawl_sem *s = make_sem(1, kinds[k]);
        struct visitor large;
        struct visitor watcher;

        visitor_start(&large, claim_2_soon_stop_after, NULL, s);
        stop_await(&here); /* its deadline has passed */
        visitor_start_asleep(&watcher, take_any, NULL, s);
        stop_release(&here);
        CHECK_ERR(visitor_enters(&large), -ETIMEDOUT);
        visitor_leaves(&large);
        check_gets_it(&watcher);
        check_is_empty(s);
    }
}

/* The claim ends with nothing left: the watcher waits for the next permit. */
TEST(wait_sem_window.a_claim_that_takes_all_leaves_the_watcher_waiting)
{
    for (int k = 0; k < 2; k++) {
        pawl_sem *s = make_sem(1, kinds[k]);
        struct visitor large;
        struct visitor watcher;

        visitor_start_asleep(&large, claim_2, NULL, s);
        visitor_start_asleep(&watcher, take_any, NULL, s);
        CHECK_OK(pawl_sem_release(s));
        check_gets_it(&large);
        CHECK_EQ(pawl_sem_value(s), 0);
        CHECK_OK(pawl_sem_release(s));
        check_gets_it(&watcher);
        check_is_empty(s);
    }
}
