/* SPDX-License-Identifier: MIT
 *
 * wait_stress.c - wait sets among many threads.
 */
#include "wait_rig.h"

static void run(struct wait_plan plan)
{
    struct wait_rig *r = test_shared_alloc(sizeof *r);

    wait_rig_init(r, plan, PAWL_LOCAL);
    team_of_threads(wait_rig_members(&plan), wait_rig_member, r);
    wait_rig_check(r);
}

/* Invariant: every permit and every element is taken exactly once; nobody sleeps
 * while there is one. */
TEST(wait_stress.everything_is_taken_once)
{
    run((struct wait_plan){1, 1, 0, 20000, .timed = false});
    run((struct wait_plan){2, 4, 0, 10000, .timed = false});
    run((struct wait_plan){4, 2, 0, 5000, .timed = false});
}

/* The same, with threads that wait for one object each: neither kind takes a wake
 * from the other. */
TEST(wait_stress.beside_those_who_wait_for_one)
{
    run((struct wait_plan){2, 3, 6, 10000, .timed = false});
    run((struct wait_plan){2, 1, 6, 10000, .timed = false});
}

TEST(wait_stress.with_short_deadlines)
{
    run((struct wait_plan){2, 4, 6, 10000, .timed = true});
}

/* Invariant: each mutex excludes, whichever way it is taken; sets of mutexes do
 * not deadlock. */
TEST(wait_stress.locks_taken_in_all_ways_exclude)
{
    run((struct wait_plan){2, 3, 3, 5000, .lockers = true});
    run((struct wait_plan){2, 3, 3, 5000, .lockers = true, .timed = true});
}

/* More objects than the kernel can watch: by the bell. */
TEST(wait_stress.with_many_objects)
{
    run((struct wait_plan){2, 3, 6, 3000, .padded = true});
    run((struct wait_plan){2, 3, 6, 2000, .padded = true, .timed = true});
}

/* ---- all or nothing ----------------------------------------------------------- */

enum { FORKS = 5, EATERS = 5 };

struct table {
    pawl_mutex fork[FORKS];
    pawl_sem seats;
    pawl_event open;
    int eating[FORKS];
    int meals;
    bool timed;
};

static void eat(struct member *me)
{
    struct table *t = me->rig;
    int left = me->index % FORKS;
    int right = (me->index + 1) % FORKS;
    pawl_wait_item items[4] = {
        PAWL_WAIT_MUTEX(&t->fork[left]), PAWL_WAIT_SEM(&t->seats),
        PAWL_WAIT_EVENT(&t->open), PAWL_WAIT_MUTEX(&t->fork[right])};

    for (int i = 0; i < t->meals;) {
        bool timed = t->timed && test_rand_below(&me->random, 2) == 0;
        int err = pawl_wait_all_until(
            items, 4, timed ? team_soon(me, 100) : PAWL_FOREVER);

        if (err != 0) {
            CHECK_ERR(err, -ETIMEDOUT);
            CHECK(timed);
            CHECK(!pawl_mutex_is_mine(&t->fork[left]));
            CHECK(!pawl_mutex_is_mine(&t->fork[right]));
            continue;
        }
        CHECK_EQ(t->eating[left]++, 0);
        CHECK_EQ(t->eating[right]++, 0);
        if (test_rand_below(&me->random, 4) == 0)
            sched_yield();
        t->eating[left]--;
        t->eating[right]--;
        CHECK_OK(pawl_mutex_unlock(&t->fork[left]));
        CHECK_OK(pawl_mutex_unlock(&t->fork[right]));
        CHECK_OK(pawl_sem_release(&t->seats));
        i++;
    }
}

/* Invariant: who has all has them alone, who gives up has none; no deadlock, even
 * if all may sit down. */
static void dine(int seats, bool timed)
{
    struct table t = {.seats = PAWL_SEM_INIT(seats),
                      .open = PAWL_EVENT_INIT,
                      .meals = test_iterations(5000),
                      .timed = timed};

    pawl_event_set(&t.open);
    team_of_threads(EATERS, eat, &t);
    CHECK_EQ(pawl_sem_value(&t.seats), seats);
    for (int i = 0; i < FORKS; i++)
        CHECK(!pawl_mutex_is_locked(&t.fork[i]));
}

TEST(wait_stress.all_or_nothing_at_the_table)
{
    dine(EATERS, false);
    dine(EATERS - 2, true);
}
