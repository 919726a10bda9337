/* SPDX-License-Identifier: MIT
 *
 * Scenarios of futures between processes: threads are killed at any step.  A future
 * knows nothing of regions; it lies in one because only there a thread can die.
 */
#include "region.h"

#include <pawl/future.h>

static struct {
    MODEL_REGION_TABLE;
    pawl_future f;
    int made[MODEL_THREADS]; /* by each who sets it, before */
    int sets;
    int cancels;
    int begins;
} s;

static void setup(void)
{
    memset(&s, 0, sizeof s);
    MODEL_NAME(s.f);
    MODEL_NAME(s.made);
    CHECK_OK(pawl_future_init(&s.f, PAWL_SHARED));
    model_region(&s, sizeof s);
}

/* With both halves, of which none is 0. */
static void *value_for(int status)
{
    return (void *)(uintptr_t)(UINT64_C(0x100000001) * (unsigned)status);
}

/* One of several who would. */
static void set(void)
{
    int me = (int)model_self();
    int err;

    MODEL_SET(s.made[me], 1);
    err = pawl_future_set(&s.f, me + 1, value_for(me + 1));
    CHECK(err == 0 || err == -EALREADY);
    s.sets += err == 0;
    CHECK(pawl_future_is_done(&s.f));
}

static void mortal_set(void)
{
    model_mortal(true);
    set();
}

static void cancel(void)
{
    int err = pawl_future_cancel(&s.f);

    CHECK(err == 0 || err == -EALREADY || err == -EBUSY);
    s.cancels += err == 0;
}

static void mortal_cancel(void)
{
    model_mortal(true);
    cancel();
}

static void begin(void)
{
    int err = pawl_future_begin(&s.f);

    CHECK(err == 0 || err == -EALREADY || err == -ECANCELED);
    s.begins += err == 0;
}

/* What has not begun is cancelled by that. */
static void stop_and_set(void)
{
    int err = pawl_future_request_stop(&s.f);

    CHECK(err == 0 || err == -EALREADY);
    s.cancels += pawl_future_is_cancelled(&s.f);
    set();
}

static void mortal_begin_and_set(void)
{
    model_mortal(true);
    begin();
    set();
}

/* Of one, and whole. */
static void is_right(int status, const void *value)
{
    CHECK(status >= 1 && status <= model_threads());
    CHECK(value == value_for(status));
    CHECK(MODEL_GET(s.made[status - 1]) == 1);
}

static void result(void)
{
    int status = 0;
    void *value = NULL;
    int err = pawl_future_result(&s.f, &status, &value);

    if (err == 0)
        is_right(status, value);
    else
        CHECK_ERR(err, -ECANCELED);
}

static void mortal_result(void)
{
    model_mortal(true);
    result();
}

static void try_result(void)
{
    int status = 0;
    void *value = NULL;
    int err = pawl_future_try_result(&s.f, &status, &value);

    if (err == 0)
        is_right(status, value);
    else
        CHECK(err == -EAGAIN || err == -ECANCELED);
}

/* Who was killed after the end cannot say so. */
static void one_outcome(void)
{
    int killed = 0;

    for (int i = 0; i < model_threads(); i++)
        killed += model_region_died(i);
    CHECK(s.sets <= 1 && (s.sets == 0 || s.cancels == 0));
    CHECK(s.sets + s.cancels > 0 || killed > 0);
    CHECK(pawl_future_is_done(&s.f));
    result();
    CHECK_ERR(pawl_future_set(&s.f, 9, NULL), -EALREADY);
}

static void check(void)
{
    model_region_at_end(one_outcome);
}

MODEL(region_future.two, .setup = setup, .threads = {set, set}, .check = check)
MODEL(region_future.two_and_one_waits, .setup = setup,
      .threads = {set, set, result}, .check = check, .bounds = {2, 0, 0})
MODEL(region_future.two_and_one_looks, .setup = setup,
      .threads = {set, set, try_result}, .check = check)
MODEL(region_future.three, .setup = setup, .threads = {set, set, set},
      .check = check, .bounds = {2, 0, 0})
MODEL(region_future.set_beside_cancel, .setup = setup,
      .threads = {set, cancel, result}, .check = check, .bounds = {2, 0, 0})
MODEL(region_future.set_beside_begin_and_stop, .setup = setup,
      .threads = {set, begin, stop_and_set}, .check = check,
      .bounds = {2, 1, 0})
MODEL(region_future.spinning, .setup = setup, .threads = {set, set},
      .check = check, .spin = 2)
MODEL(region_future.death, .setup = setup, .threads = {mortal_set, set},
      .check = check)
MODEL(region_future.death_while_one_spins, .setup = setup,
      .threads = {mortal_set, set}, .check = check, .spin = 2)
MODEL(region_future.death_while_one_waits, .setup = setup,
      .threads = {mortal_set, set, result}, .check = check, .looks = true,
      .bounds = {2, 0, 0})
MODEL(region_future.death_and_a_cancel, .setup = setup,
      .threads = {mortal_set, cancel}, .check = check)
MODEL(region_future.death_in_a_cancel, .setup = setup,
      .threads = {mortal_cancel, set, result}, .check = check, .looks = true,
      .bounds = {2, 0, 0})
MODEL(region_future.death_of_who_has_begun, .setup = setup,
      .threads = {mortal_begin_and_set, stop_and_set}, .check = check)
MODEL(region_future.death_of_who_waits, .setup = setup,
      .threads = {mortal_result, set, set}, .check = check, .bounds = {2, 0, 0})
MODEL(region_future.two_deaths, .setup = setup,
      .threads = {mortal_set, mortal_set, set}, .check = check,
      .bounds = {2, 0, 0})
