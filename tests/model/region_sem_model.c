/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the semaphore in a region: threads are killed at any step, asleep,
 * and on their way from a wake.
 */
#include "region.h"

#include <pawl/sem.h>

#include "atomic/ops.h"

static struct {
    MODEL_REGION_TABLE;
    pawl_sem sem;
    int permits;            /* there are, in all */
    int n[2];               /* published by a release */
    int has[MODEL_THREADS]; /* for certain */
    bool survived;
    int wants[MODEL_THREADS]; /* may have */
} s;

static void begin(int value)
{
    memset(&s, 0, sizeof s);
    MODEL_NAME(s.sem);
    CHECK_OK(pawl_sem_init(&s.sem, value, PAWL_SHARED));
    s.permits = value;
    model_region(&s, sizeof s);
}

static void setup_0(void)
{
    begin(0);
}

static void setup_1(void)
{
    begin(1);
}

static void setup_2(void)
{
    begin(2);
}

static void give(int n)
{
    s.permits += n;
    CHECK_OK(pawl_sem_release_n(&s.sem, n));
}

static void give_1(void)
{
    give(1);
}

static void give_2(void)
{
    give(2);
}

static void give_3(void)
{
    give(3);
}

static void take_n(int n)
{
    s.wants[model_self()] = n;
    CHECK_OK(pawl_sem_acquire_n(&s.sem, n));
    s.has[model_self()] = n;
}

static void take_1(void)
{
    take_n(1);
}

static void take_2(void)
{
    take_n(2);
}

static void put_back(void)
{
    int n = s.has[model_self()];

    s.has[model_self()] = 0; /* by and by */
    CHECK_OK(pawl_sem_release_n(&s.sem, n));
    s.wants[model_self()] = 0;
}

static void use(void)
{
    take_1();
    put_back();
}

static void use_2(void)
{
    take_2();
    put_back();
}

static void use_twice(void)
{
    use();
    use();
}

static void mortal_use(void)
{
    model_mortal(true);
    use();
    model_mortal(false);
    s.survived = true;
    model_looks(); /* replace() does */
}

static void mortal_take(void)
{
    model_mortal(true);
    take_1();
}

static void mortal_take_2(void)
{
    model_mortal(true);
    take_2();
}

/* What the mortal one may have taken with it. */
static void replace(void)
{
    while (!model_region_died(1) && !s.survived)
        model_yield();
    if (model_region_died(1))
        give_1();
}

/* No permit is lost but those that the dead have; and the dead keep nobody out. */
static void look(void)
{
    int has = 0;
    int wants = 0;
    int value = pawl_sem_value(&s.sem);

    for (int i = 0; i < model_threads(); i++) {
        has += s.has[i];
        wants += model_region_died(i) ? s.wants[i] : s.has[i];
    }
    CHECK(value <= s.permits - has);
    CHECK(value >= s.permits - wants);
    CHECK(pawl_sem_waiters(&s.sem) == 0);
    CHECK_ERR(pawl_sem_try_acquire(&s.sem), value > 0 ? 0 : -EAGAIN);
    if (value > 0)
        CHECK_OK(pawl_sem_release(&s.sem));
    CHECK_OK(pawl_sem_destroy(&s.sem));
}

static void check(void)
{
    model_region_at_end(look);
}

/* -- Nobody dies: no sleep has to end by itself ---------------------------------- */

MODEL(region_sem.two, .setup = setup_1, .threads = {use, use}, .check = check)
MODEL(region_sem.three, .setup = setup_1, .threads = {use, use, use},
      .check = check, .bounds = {2, 0, 0})
MODEL(region_sem.give_and_take, .setup = setup_0,
      .threads = {give_2, take_1, take_1}, .check = check, .bounds = {2, 0, 1})
MODEL(region_sem.large_request, .setup = setup_1,
      .threads = {use_twice, use_2, give_1}, .check = check,
      .bounds = {2, 0, 0})
MODEL(region_sem.claim, .setup = setup_1, .threads = {use_twice, use},
      .check = check, .bounds = {2, 0, 3}, .no_stray = true)

static void take_until(pawl_deadline until)
{
    if (pawl_sem_acquire_until(&s.sem, until) == 0)
        s.wants[model_self()] = s.has[model_self()] = 1;
}

/* It looks for the dead after 50 ms, and gives up. */
static void take_in_vain(void)
{
    take_until(model_late() + 60 * 1000000);
}

static void take_soon(void)
{
    take_until(model_soon());
}

static void take_in_vain_and_give(void)
{
    take_in_vain();
    give_2();
}

MODEL(region_sem.census_leaves_the_living_alone, .setup = setup_0,
      .threads = {take_1, take_in_vain, give_2}, .check = check,
      .bounds = {0, 2, 2}, .no_stray = true, .also = {2, 0, 0})

/* One goes during a census, and another comes in its place: the word is the same. */
MODEL(region_sem.census_while_one_goes_and_one_comes, .setup = setup_0,
      .threads = {take_soon, take_1, take_in_vain_and_give}, .check = check,
      .bounds = {1, 1, 2}, .no_stray = true, .sampled = true, .also = {2, 0, 0})

/* Somebody died with a claim, counted, and nobody has found that out. */
static void setup_claimed_by_the_dead(void)
{
    begin(2);
    s.sem.word_.v_ |= UINT64_C(1) << 32 | UINT64_C(1) << 31;
}

static void try_to_take(void)
{
    take_until(0);
}

MODEL(region_sem.attempt_ends_the_claim_of_the_dead,
      .setup = setup_claimed_by_the_dead, .threads = {take_1, try_to_take},
      .check = check)

/* -- Deaths: who sleeps looks every 50 ms --------------------------------------------- */

MODEL(region_sem.death, .setup = setup_2, .threads = {mortal_use, use},
      .check = check, .looks = true)
MODEL(region_sem.death_of_a_holder, .setup = setup_1,
      .threads = {mortal_use, use, give_1}, .check = check, .looks = true,
      .bounds = {2, 0, 0})
MODEL(region_sem.death_of_a_waiter, .setup = setup_0,
      .threads = {mortal_take, take_1, give_2}, .check = check, .looks = true,
      .bounds = {2, 0, 1}, .no_stray = true, .sampled = true, .also = {2, 0, 0})
MODEL(region_sem.death_of_a_large_waiter, .setup = setup_0,
      .threads = {mortal_take_2, take_1, give_3}, .check = check, .looks = true,
      .bounds = {2, 0, 1}, .no_stray = true, .sampled = true, .also = {2, 0, 0})
MODEL(region_sem.death_of_a_claimant, .setup = setup_1,
      .threads = {use_twice, mortal_use, replace}, .check = check,
      .looks = true, .bounds = {1, 0, 2}, .no_stray = true, .also = {2, 0, 0})
MODEL(region_sem.death_where_no_lifeline_is_watched, .setup = setup_0,
      .threads = {mortal_take, take_1, give_2}, .check = check, .looks = true,
      .waitv = MODEL_WAITV_MISSES, .bounds = {1, 0, 1}, .also = {2, 0, 0})
