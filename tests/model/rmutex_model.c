/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the recursive mutex.
 */
#include "model.h"

#include <pawl/cond.h>
#include <pawl/rmutex.h>

static struct {
    pawl_rmutex r;
    pawl_cond c;
    int n; /* guarded by r */
    int taken;
    int deaths;
    bool ready;
} s;

static void setup(void)
{
    memset(&s, 0, sizeof s);
    MODEL_NAME(s.r);
    MODEL_NAME(s.c);
    MODEL_NAME(s.n);
    MODEL_NAME(s.ready);
    MODEL_GUARDED(s.c.next_);
    MODEL_GUARDED(s.c.count_);
    MODEL_GUARDED(s.c.mode_);
}

static void nested(void)
{
    CHECK_OK(pawl_rmutex_lock(&s.r));
    CHECK_OK(pawl_rmutex_lock(&s.r));
    CHECK(pawl_rmutex_depth(&s.r) == 2);
    model_section(&s.n);
    CHECK_OK(pawl_rmutex_unlock(&s.r));
    CHECK(pawl_rmutex_depth(&s.r) == 1);
    model_section(&s.n);
    CHECK_OK(pawl_rmutex_unlock(&s.r));
    CHECK(pawl_rmutex_depth(&s.r) == 0);
}

static void is_free(void)
{
    CHECK(pawl_rmutex_depth(&s.r) == 0);
    CHECK_OK(pawl_rmutex_destroy(&s.r));
    CHECK_OK(pawl_rmutex_try_lock(&s.r));
    CHECK_OK(pawl_rmutex_unlock(&s.r));
}

static void nested_4(void)
{
    CHECK(s.n == 4);
    is_free();
}

static void nested_6(void)
{
    CHECK(s.n == 6);
    is_free();
}

MODEL(rmutex.two, .setup = setup, .threads = {nested, nested},
      .check = nested_4)
MODEL(rmutex.two_that_spin, .setup = setup, .threads = {nested, nested},
      .check = nested_4, .spin = 2, .sampled = true, .also = {2, 0, 0})
MODEL(rmutex.three, .setup = setup, .threads = {nested, nested, nested},
      .check = nested_6, .bounds = {2, 0, 0})

/* Others neither hold it nor see its depth. */
static void intrude(void)
{
    int err;

    CHECK_ERR(pawl_rmutex_unlock(&s.r), -EPERM);
    CHECK(pawl_rmutex_depth(&s.r) == 0);
    err = pawl_rmutex_try_lock(&s.r);
    if (err == -EAGAIN)
        return;
    CHECK_OK(err);
    model_section(&s.n);
    s.taken++;
    CHECK_OK(pawl_rmutex_unlock(&s.r));
}

static void nested_and_taken(void)
{
    CHECK(s.n == 2 + s.taken);
    is_free();
}

MODEL(rmutex.others_neither_release_nor_enter, .setup = setup,
      .threads = {nested, intrude}, .check = nested_and_taken)

static void nested_soon(void)
{
    int err = pawl_rmutex_lock_until(&s.r, model_soon());

    if (err == -ETIMEDOUT)
        return;
    CHECK_OK(err);
    CHECK_OK(pawl_rmutex_lock_until(&s.r, model_soon()));
    model_section(&s.n);
    s.taken++;
    CHECK_OK(pawl_rmutex_unlock(&s.r));
    CHECK_OK(pawl_rmutex_unlock(&s.r));
}

MODEL(rmutex.deadline, .setup = setup, .threads = {nested, nested_soon},
      .check = nested_and_taken)

/* After a death the depth is one. */
static void nest_and_die(void)
{
    CHECK_OK(pawl_rmutex_lock(&s.r));
    CHECK_OK(pawl_rmutex_lock(&s.r));
    model_section(&s.n);
    model_die();
}

static void nested_after_a_death(void)
{
    int err = pawl_rmutex_lock(&s.r);

    if (err == -EOWNERDEAD) {
        s.deaths++;
        CHECK_OK(pawl_rmutex_consistent(&s.r));
        err = 0;
    }
    CHECK_OK(err);
    CHECK(pawl_rmutex_depth(&s.r) == 1);
    model_section(&s.n);
    CHECK_OK(pawl_rmutex_unlock(&s.r));
}

static void told_or_orphaned(void)
{
    CHECK(s.n == 2);
    CHECK_ERR(pawl_rmutex_lock(&s.r), s.deaths == 1 ? 0 : -EOWNERDEAD);
    if (s.deaths == 0)
        CHECK_OK(pawl_rmutex_consistent(&s.r));
    CHECK_OK(pawl_rmutex_unlock(&s.r));
    is_free();
}

/* The first may find the dead one's lock, or come before it. */
static void nest_or_inherit_and_die(void)
{
    int err = pawl_rmutex_lock(&s.r);

    if (err == -EOWNERDEAD)
        CHECK_OK(pawl_rmutex_consistent(&s.r));
    else
        CHECK_OK(err);
    model_section(&s.n);
    model_die();
}

MODEL(rmutex.death_inside_two_levels, .setup = setup,
      .threads = {nest_and_die, nested_after_a_death},
      .check = told_or_orphaned)

static void two_deaths(void)
{
    CHECK(s.n == 3);
}

MODEL(rmutex.two_deaths, .setup = setup,
      .threads = {nest_or_inherit_and_die, nest_or_inherit_and_die,
                  nested_after_a_death},
      .check = two_deaths, .bounds = {2, 0, 0})

/* A wait releases all levels and restores them. */
static void wait_inside_two_levels(void)
{
    CHECK_OK(pawl_rmutex_lock(&s.r));
    CHECK_OK(pawl_rmutex_lock(&s.r));
    while (!MODEL_GET(s.ready))
        CHECK_OK(pawl_cond_wait(&s.c, &s.r.base));
    CHECK(pawl_rmutex_depth(&s.r) == 2);
    CHECK_OK(pawl_rmutex_unlock(&s.r));
    CHECK_OK(pawl_rmutex_unlock(&s.r));
    CHECK_ERR(pawl_rmutex_unlock(&s.r), -EPERM);
}

static void notify_inside_two_levels(void)
{
    CHECK_OK(pawl_rmutex_lock(&s.r));
    CHECK_OK(pawl_rmutex_lock(&s.r));
    MODEL_SET(s.ready, true);
    CHECK_OK(pawl_cond_notify(&s.c, &s.r.base, 1));
    CHECK_OK(pawl_rmutex_unlock(&s.r));
    CHECK_OK(pawl_rmutex_unlock(&s.r));
}

MODEL(rmutex.wait_releases_all_levels, .setup = setup,
      .threads = {wait_inside_two_levels, notify_inside_two_levels},
      .check = is_free)
