/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the mutex, and of the recursive one, in a region: threads are killed
 * at any step, asleep, and on their way from a wake.
 */
#include "region.h"

#include <pawl/mutex.h>
#include <pawl/rmutex.h>

#include "atomic/ops.h"

static struct {
    MODEL_REGION_TABLE;
    pawl_mutex m;
    pawl_rmutex r;
    int n;                     /* guarded by m */
    int done;                  /* how often n was changed */
    int told;                  /* how often -EOWNERDEAD was */
    bool holds[MODEL_THREADS]; /* for certain */
} s;

static void setup(void)
{
    memset(&s, 0, sizeof s);
    MODEL_NAME(s.m);
    MODEL_NAME(s.r);
    MODEL_NAME(s.n);
    CHECK_OK(pawl_mutex_init(&s.m, PAWL_SHARED));
    CHECK_OK(pawl_rmutex_init(&s.r, PAWL_SHARED));
    model_region(&s, sizeof s);
}

/* The lock is ours, by `err`. */
static void work(int err)
{
    s.holds[model_self()] = true;
    s.told += err == -EOWNERDEAD;
    if (err == -EOWNERDEAD) {
        CHECK(pawl_mutex_is_orphaned(&s.m));
        CHECK_OK(pawl_mutex_consistent(&s.m));
        err = 0;
    }
    CHECK_OK(err);
    model_section(&s.n);
    s.done++;
    s.holds[model_self()] = false;
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

static void add(void)
{
    work(pawl_mutex_lock(&s.m));
}

static void add_twice(void)
{
    add();
    add();
}

static void mortal(void)
{
    model_mortal(true);
    add();
}

static void mortal_twice(void)
{
    model_mortal(true);
    add_twice();
}

/* Each death of one that held it was told, or is told now, and none twice. */
static void look(void)
{
    int killed = 0;
    int holding = 0;
    int err = pawl_mutex_try_lock(&s.m);

    CHECK(s.n == s.done);
    if (err == -EOWNERDEAD) {
        s.told++;
        CHECK_OK(pawl_mutex_consistent(&s.m));
        err = 0;
    }
    CHECK_OK(err);
    for (int i = 0; i < model_threads(); i++) {
        killed += model_region_died(i);
        holding += s.holds[i];
    }
    CHECK(s.told >= holding);
    CHECK(s.told <= killed);
    CHECK_OK(pawl_mutex_unlock(&s.m));
    CHECK(!pawl_mutex_is_locked(&s.m));
    CHECK_OK(pawl_mutex_destroy(&s.m));
}

static void check(void)
{
    model_region_at_end(look);
}

/* -- Nobody dies: no sleep has to end by itself ---------------------------------- */

MODEL(region_mutex.two, .setup = setup, .threads = {add, add}, .check = check)
MODEL(region_mutex.two_that_spin, .setup = setup, .threads = {add, add},
      .check = check, .spin = 2)
MODEL(region_mutex.three, .setup = setup, .threads = {add, add, add},
      .check = check, .bounds = {2, 0, 0})
MODEL(region_mutex.three_that_spin, .setup = setup, .threads = {add, add, add},
      .check = check, .spin = 2, .bounds = {2, 0, 0})
MODEL(region_mutex.three_with_alarms, .setup = setup,
      .threads = {add, add, add}, .check = check, .bounds = {1, 0, 2},
      .also = {2, 0, 0}, .no_stray = true)
MODEL(region_mutex.one_comes_twice_with_alarms, .setup = setup,
      .threads = {add_twice, add}, .check = check, .bounds = {2, 0, 2},
      .no_stray = true)
MODEL(region_mutex.no_lifeline_is_watched, .setup = setup,
      .threads = {add, mortal}, .check = check, .waitv = MODEL_WAITV_MISSES,
      .looks = true)

/* -- One dies, at any step: another goes on without waiting for its look ---------- */

MODEL(region_mutex.death, .setup = setup, .threads = {mortal, add},
      .check = check)
MODEL(region_mutex.death_of_one_that_spins, .setup = setup,
      .threads = {mortal, add}, .check = check, .spin = 2)
MODEL(region_mutex.death_of_one_that_comes_twice, .setup = setup,
      .threads = {mortal_twice, add}, .check = check, .bounds = {2, 0, 1})
MODEL(region_mutex.death_of_one_that_starves, .setup = setup,
      .threads = {add_twice, mortal}, .check = check, .bounds = {2, 0, 2},
      .also = {2, 0, 0}, .no_stray = true, .sampled = true)

static void hold(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m));
}

static void setup_held(void)
{
    setup();
    model_as(0, hold);
}

static void hold_until_death(void)
{
    model_mortal(true);
    work(0);
}

/* All that sleep watch the first holder, or one that does not die. */
MODEL(region_mutex.death_of_the_holder_told_to_one_of_two, .setup = setup_held,
      .threads = {hold_until_death, add, add}, .check = check,
      .bounds = {2, 0, 0})
MODEL(region_mutex.death_of_the_holder_while_two_spin, .setup = setup_held,
      .threads = {hold_until_death, add, add}, .check = check, .spin = 2,
      .bounds = {2, 0, 0}, .long_bounds = {2, 0, 0}, .sampled = true)

/* -- Looks are needed --------------------------------------------------------------- */

/* A later holder is killed before its wake; or the one that the kernel woke. */
MODEL(region_mutex.death_among_three, .setup = setup,
      .threads = {mortal, add, add}, .check = check, .looks = true,
      .bounds = {2, 0, 0})
MODEL(region_mutex.death_of_a_spinner_among_three, .setup = setup,
      .threads = {add, mortal, add}, .check = check, .looks = true, .spin = 2,
      .bounds = {2, 0, 0}, .long_bounds = {2, 0, 0}, .sampled = true)
MODEL(region_mutex.death_among_three_with_alarms, .setup = setup,
      .threads = {add, mortal, add}, .check = check, .looks = true,
      .bounds = {1, 0, 2}, .also = {2, 0, 0}, .no_stray = true, .sampled = true)
MODEL(region_mutex.two_deaths, .setup = setup, .threads = {mortal, mortal, add},
      .check = check, .looks = true, .bounds = {2, 0, 0})

/* -- Attempts and deadlines ------------------------------------------------------- */

static void try_to_add(void)
{
    int err = pawl_mutex_try_lock(&s.m);

    if (err != -EAGAIN)
        work(err);
}

static void add_soon(void)
{
    int err = pawl_mutex_lock_until(&s.m, model_soon());

    if (err != -ETIMEDOUT)
        work(err);
}

static void mortal_soon(void)
{
    model_mortal(true);
    add_soon();
}

MODEL(region_mutex.death_seen_by_an_attempt, .setup = setup,
      .threads = {mortal, try_to_add}, .check = check)
MODEL(region_mutex.deadline_and_death, .setup = setup,
      .threads = {mortal, add_soon}, .check = check)
MODEL(region_mutex.deadline_of_a_spinner_and_death, .setup = setup,
      .threads = {add, mortal_soon}, .check = check, .spin = 2)
MODEL(region_mutex.deadline_of_the_mortal, .setup = setup,
      .threads = {add_twice, mortal_soon}, .check = check, .bounds = {2, 0, 2},
      .no_stray = true)

/* -- Nobody repairs it ---------------------------------------------------------------- */

static void do_not_repair(void)
{
    int err = pawl_mutex_lock(&s.m);

    if (err == -ENOTRECOVERABLE)
        return;
    if (err == -EOWNERDEAD)
        s.told++;
    else
        CHECK_OK(err);
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

static void look_at_the_lost(void)
{
    int err = pawl_mutex_try_lock(&s.m);

    CHECK(s.told <= 1);
    if (s.told == 1)
        CHECK_ERR(err, -ENOTRECOVERABLE);
    else if (s.holds[0] && model_region_died(0))
        CHECK_ERR(err, -EOWNERDEAD);
    else
        CHECK(err == 0 || (err == -EOWNERDEAD && model_region_died(0)));
}

static void check_lost(void)
{
    model_region_at_end(look_at_the_lost);
}

/* The one that the kernel woke was not the one that the lock was handed to. */
static const char *const not_told[] = {"B12A22D27A", NULL};

MODEL(region_mutex.death_that_nobody_repairs, .setup = setup_held,
      .threads = {hold_until_death, do_not_repair, do_not_repair},
      .check = check_lost, .regressions = not_told, .bounds = {2, 0, 0})

/* -- The recursive one -------------------------------------------------------------- */

/* Whatever depth the dead had, the heir has 1. */
static void lock_recursively(void)
{
    int err = pawl_rmutex_lock(&s.r);

    s.holds[model_self()] = true;
    s.told += err == -EOWNERDEAD;
    CHECK(pawl_rmutex_depth(&s.r) == 1);
    if (err == -EOWNERDEAD) {
        CHECK_OK(pawl_rmutex_consistent(&s.r));
        err = 0;
    }
    CHECK_OK(err);
}

static void recurse(void)
{
    lock_recursively();
    CHECK_OK(pawl_rmutex_lock(&s.r));
    CHECK(pawl_rmutex_depth(&s.r) == 2);
    model_section(&s.n);
    s.done++;
    CHECK_OK(pawl_rmutex_unlock(&s.r));
    s.holds[model_self()] = false;
    CHECK_OK(pawl_rmutex_unlock(&s.r));
}

static void mortal_recurse(void)
{
    model_mortal(true);
    recurse();
}

static void look_at_depth(void)
{
    CHECK(s.n == s.done);
    lock_recursively();
    CHECK(s.told == 0 || model_region_died(0));
    CHECK_OK(pawl_rmutex_unlock(&s.r));
    CHECK(s.told <= 1 && s.told >= s.holds[0]);
    CHECK_OK(pawl_rmutex_destroy(&s.r));
}

static void check_depth(void)
{
    model_region_at_end(look_at_depth);
}

MODEL(region_mutex.recursive, .setup = setup, .threads = {recurse, recurse},
      .check = check_depth, .sampled = true, .also = {2, 0, 0})
MODEL(region_mutex.recursive_and_death, .setup = setup,
      .threads = {mortal_recurse, recurse}, .check = check_depth,
      .sampled = true, .also = {2, 0, 0})
