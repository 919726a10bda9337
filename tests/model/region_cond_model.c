/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the condition in a region: threads are killed at any step, asleep,
 * and on their way from a wake.
 */
#include "region.h"

#include <limits.h>

#include <pawl/cond.h>
#include <pawl/mutex.h>

static struct {
    MODEL_REGION_TABLE;
    pawl_mutex m;
    pawl_cond c;
    int items;                /* guarded by m */
    bool open;                /* guarded by m */
    bool over[MODEL_THREADS]; /* it has waited, and lives */
} s;

static void setup(void)
{
    memset(&s, 0, sizeof s);
    MODEL_NAME(s.m);
    MODEL_NAME(s.c);
    MODEL_NAME(s.items);
    MODEL_NAME(s.open);
    CHECK_OK(pawl_mutex_init(&s.m, PAWL_SHARED));
    CHECK_OK(pawl_cond_init(&s.c, PAWL_SHARED));
    model_region(&s, sizeof s);
}

/* Whoever had the mutex may have died with it. */
static int repaired(int err)
{
    if (err != -EOWNERDEAD)
        return err;
    CHECK_OK(pawl_mutex_consistent(&s.m));
    return 0;
}

static void lock(void)
{
    CHECK_OK(repaired(pawl_mutex_lock(&s.m)));
}

static void unlock(void)
{
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

/* Nobody is counted but the living, and they can wait. */
static void look(void)
{
    lock();
    CHECK(pawl_cond_waiters(&s.c) == 0);
    /* What the dead were called for goes to no newcomer after this. */
    CHECK_OK(pawl_cond_notify_all(&s.c, &s.m));
    CHECK_ERR(pawl_cond_try_wait(&s.c, &s.m), -EAGAIN);
    unlock();
    CHECK_OK(pawl_cond_destroy(&s.c));
}

static void check(void)
{
    model_region_at_end(look);
}

/* -- Nobody dies: no sleep has to end by itself ---------------------------------- */

static void take_item(void)
{
    lock();
    while (MODEL_GET(s.items) == 0)
        CHECK_OK(pawl_cond_wait(&s.c, &s.m));
    MODEL_SET(s.items, s.items - 1);
    unlock();
}

static void make_items(int n)
{
    lock();
    MODEL_SET(s.items, MODEL_GET(s.items) + n);
    CHECK_OK(pawl_cond_notify(&s.c, &s.m, n));
    unlock();
}

static void make_item(void)
{
    make_items(1);
}

static void make_two(void)
{
    make_items(2);
}

MODEL(region_cond.one_waiter, .setup = setup, .threads = {take_item, make_item},
      .check = check, .sampled = true, .also = {2, 0, 0})
MODEL(region_cond.one_waiter_that_spins, .setup = setup,
      .threads = {take_item, make_item}, .check = check, .spin = 2,
      .bounds = {2, 0, 1}, .also = {2, 0, 0}, .sampled = true)
MODEL(region_cond.two_waiters, .setup = setup,
      .threads = {take_item, take_item, make_two}, .check = check,
      .bounds = {1, 0, 1}, .also = {2, 0, 0}, .sampled = true)

/* -- Deaths: who sleeps looks every 50 ms --------------------------------------------- */

/* Until it is open; and then it lets the next one go on. */
static void pass(void)
{
    lock();
    while (!MODEL_GET(s.open))
        CHECK_OK(repaired(pawl_cond_wait(&s.c, &s.m)));
    model_mortal(false);
    s.over[model_self()] = true;
    model_looks(); /* open_for_one() does */
    CHECK_OK(pawl_cond_notify(&s.c, &s.m, 1));
    unlock();
}

static void mortal_pass(void)
{
    model_mortal(true);
    pass();
}

static void open_for(int n)
{
    lock();
    MODEL_SET(s.open, true);
    CHECK_OK(pawl_cond_notify(&s.c, &s.m, n));
    unlock();
}

static void open_for_all(void)
{
    open_for(INT_MAX);
}

/* Who dies with the mutex has not let the next one go on: whoever repairs does. */
static void open_for_one(void)
{
    open_for(1);
    while (!s.over[0] && !model_region_died(0))
        model_yield();
    if (s.over[0])
        return;
    if (pawl_mutex_lock(&s.m) == -EOWNERDEAD) {
        CHECK_OK(pawl_mutex_consistent(&s.m));
        CHECK_OK(pawl_cond_notify_all(&s.c, &s.m));
    }
    unlock();
}

static void mortal_open(void)
{
    model_mortal(true);
    open_for(1);
}

static void wait_soon(void)
{
    pawl_deadline until = model_soon();

    lock();
    while (!MODEL_GET(s.open)) {
        int err = repaired(pawl_cond_wait_until(&s.c, &s.m, until));

        if (err == -ETIMEDOUT)
            break;
        CHECK_OK(err);
    }
    unlock();
}

static void mortal_wait_soon(void)
{
    model_mortal(true);
    wait_soon();
}

MODEL(region_cond.death_of_a_waiter, .setup = setup,
      .threads = {mortal_pass, open_for_all}, .check = check, .looks = true,
      .sampled = true, .also = {2, 0, 0})
MODEL(region_cond.death_of_a_waiter_that_spins, .setup = setup,
      .threads = {mortal_pass, open_for_all}, .check = check, .looks = true,
      .spin = 2, .bounds = {2, 0, 1}, .also = {2, 0, 0}, .sampled = true)
MODEL(region_cond.death_of_one_of_two_that_are_called, .setup = setup,
      .threads = {mortal_pass, pass, open_for_all}, .check = check,
      .looks = true, .bounds = {1, 0, 0}, .long_bounds = {2, 0, 0})
MODEL(region_cond.permit_of_the_dead, .setup = setup,
      .threads = {mortal_pass, pass, open_for_one}, .check = check,
      .looks = true, .bounds = {1, 0, 0}, .sampled = true)
MODEL(region_cond.permit_of_the_dead_and_stale_loads, .setup = setup,
      .threads = {mortal_pass, pass, open_for_one}, .check = check,
      .looks = true, .bounds = {1, 1, 0}, .sampled = true)
MODEL(region_cond.death_of_one_that_notifies, .setup = setup,
      .threads = {pass, mortal_open, open_for_all}, .check = check,
      .looks = true, .bounds = {1, 0, 0}, .long_bounds = {2, 0, 0})
MODEL(region_cond.deadline_and_death, .setup = setup,
      .threads = {mortal_wait_soon, pass, open_for_all}, .check = check,
      .looks = true, .bounds = {1, 0, 1}, .no_stray = true, .sampled = true)
MODEL(region_cond.deadline_of_one_behind_the_dead, .setup = setup,
      .threads = {mortal_pass, wait_soon, open_for_all}, .check = check,
      .looks = true, .bounds = {1, 0, 1}, .no_stray = true, .sampled = true)
