/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the once in a region: threads are killed at any step, asleep, and on
 * their way from a wake.
 */
#include "region.h"

#include <pawl/once.h>

static struct {
    MODEL_REGION_TABLE;
    pawl_once o;
    int made; /* published by the function */
    int begun;
    int ended;
    int fails; /* how often it shall fail */
} s;

static void begin(int fails)
{
    memset(&s, 0, sizeof s);
    MODEL_NAME(s.o);
    MODEL_NAME(s.made);
    s.fails = fails;
    CHECK_OK(pawl_once_init(&s.o, PAWL_SHARED));
    model_region(&s, sizeof s);
}

static void setup(void)
{
    begin(0);
}

static void setup_failing(void)
{
    begin(1);
}

/* One at a time. */
static int make(void *unused)
{
    (void)unused;
    s.begun++;
    model_section(&s.made);
    if (s.ended++ < s.fails)
        return -ECANCELED;
    return 0;
}

static void run(void)
{
    int err;

    while ((err = pawl_once_run(&s.o, make, NULL)) == -ECANCELED)
        ;
    CHECK_OK(err);
    CHECK(MODEL_GET(s.made) > s.fails);
}

static void mortal(void)
{
    model_mortal(true);
    run();
}

static void try_to_run(void)
{
    int err = pawl_once_try_run(&s.o, make, NULL);

    if (err != -EAGAIN)
        CHECK_OK(err);
}

static void run_soon(void)
{
    int err = pawl_once_run_until(&s.o, make, NULL, model_soon());

    if (err != -ETIMEDOUT)
        CHECK_OK(err);
}

/* It runs again only after it has failed, or its runner has died. */
static void look(void)
{
    int killed = 0;

    for (int i = 0; i < model_threads(); i++)
        killed += model_region_died(i);
    CHECK(s.begun <= 1 + s.fails + killed);
    CHECK_OK(pawl_once_try_run(&s.o, make, NULL));
    CHECK(pawl_once_is_done(&s.o));
    CHECK(s.made == s.ended);
}

static void check(void)
{
    model_region_at_end(look);
}

MODEL(region_once.two, .setup = setup, .threads = {run, run}, .check = check)
MODEL(region_once.three, .setup = setup, .threads = {run, run, run},
      .check = check, .bounds = {2, 0, 0})
MODEL(region_once.failure, .setup = setup_failing, .threads = {run, run},
      .check = check)
MODEL(region_once.death, .setup = setup, .threads = {mortal, run},
      .check = check)
MODEL(region_once.death_while_one_spins, .setup = setup,
      .threads = {mortal, run}, .check = check, .spin = 2)
MODEL(region_once.death_after_a_failure, .setup = setup_failing,
      .threads = {mortal, run}, .check = check, .bounds = {2, 0, 1})
MODEL(region_once.death_seen_by_an_attempt, .setup = setup,
      .threads = {mortal, try_to_run}, .check = check)
MODEL(region_once.deadline_and_death, .setup = setup,
      .threads = {mortal, run_soon}, .check = check)
MODEL(region_once.no_lifeline_is_watched, .setup = setup,
      .threads = {mortal, run}, .check = check, .waitv = MODEL_WAITV_MISSES,
      .looks = true)
/* Killed after its end and before its wake: the kernel wakes one. */
static const char *const not_told[] = {"12A28A", NULL};

MODEL(region_once.death_told_to_one_of_two, .setup = setup,
      .threads = {mortal, run, run}, .check = check, .regressions = not_told,
      .bounds = {2, 0, 0})
MODEL(region_once.two_deaths, .setup = setup, .threads = {mortal, mortal, run},
      .check = check, .looks = true, .bounds = {2, 0, 0})
