/* SPDX-License-Identifier: MIT
 *
 * wait_stress.c - wait sets among many threads.
 */
#include <stdlib.h>

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

/* ---- the end of an object ------------------------------------------------------- */

struct thing {
    pawl_event event;
    pawl_latch latch;
    pawl_sem sem;
    pawl_mutex mutex;
};

struct relay {
    struct thing *_Atomic next;
    int rounds;
};

static void send_things(struct relay *r)
{
    for (int i = 0; i < r->rounds; i++) {
        struct thing *t = calloc(1, sizeof *t);
        struct thing *sent = t;

        CHECK(t != NULL);
        CHECK_OK(pawl_latch_init(&t->latch, 1, 0));
        if (i % 4 == 3)
            CHECK_OK(pawl_mutex_lock(&t->mutex));
        atomic_store(&r->next, t);
        if (i % 3 == 0)
            sched_yield();
        if (i % 4 == 0)
            pawl_event_set(&t->event);
        else if (i % 4 == 1)
            CHECK_OK(pawl_latch_count_down(&t->latch, 1));
        else if (i % 4 == 2)
            CHECK_OK(pawl_sem_release(&t->sem));
        else
            CHECK_OK(pawl_mutex_unlock(&t->mutex));
        while (atomic_load(&r->next) == sent)
            sched_yield();
    }
}

static void end_things(struct relay *r)
{
    for (int i = 0; i < r->rounds; i++) {
        struct thing *t;
        pawl_wait_item items[4];
        size_t which;

        while ((t = atomic_load(&r->next)) == NULL)
            sched_yield();
        items[0] = PAWL_WAIT_EVENT(&t->event);
        items[1] = PAWL_WAIT_LATCH(&t->latch);
        items[2] = PAWL_WAIT_SEM(&t->sem);
        items[3] = PAWL_WAIT_MUTEX(&t->mutex);
        CHECK_OK(pawl_wait_any(items, i % 4 == 3 ? 4 : 3, &which));
        CHECK_EQ(which, i % 4);
        if (which == 3) {
            CHECK_OK(pawl_mutex_unlock(&t->mutex));
            CHECK_OK(pawl_mutex_destroy(&t->mutex));
        }
        memset(t, 0xff, sizeof *t);
        free(t);
        atomic_store(&r->next, NULL);
    }
}

static void relay(struct member *me)
{
    if (me->index == 0)
        send_things(me->rig);
    else
        end_things(me->rig);
}

/* Invariant: what makes an object ready touches it no more, so whoever is told may
 * end it (AddressSanitizer, ThreadSanitizer). */
TEST(wait_stress.who_is_told_may_free_it)
{
    struct relay r = {.rounds = test_iterations(40000)};

    team_of_threads(2, relay, &r);
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
