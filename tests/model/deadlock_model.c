/* SPDX-License-Identifier: MIT
 *
 * Scenarios of threads that wait for each other.  That one of them is told shows
 * by an end: otherwise they all sleep.  That nobody is told without reason is
 * checked where it is told: the others of the circle then wait, until it has
 * released what it holds.
 */
#include "model.h"

#include <pawl/cond.h>
#include <pawl/mutex.h>
#include <pawl/rwlock.h>

#include "atomic/ops.h"

enum { A, B, C, LOCKS };

static struct {
    pawl_mutex m[LOCKS];
    pawl_rwlock rw;
    pawl_cond cond;
    pawl_u32 taken;
    bool wants[MODEL_THREADS]; /* is in its second lock */
    int told;
    int n; /* guarded by B */
} s;

static void setup(void)
{
    memset(&s, 0, sizeof s);
    MODEL_NAME(s.m[A]);
    MODEL_NAME(s.m[B]);
    MODEL_NAME(s.m[C]);
    MODEL_NAME(s.rw);
    MODEL_NAME(s.cond);
    MODEL_GUARDED(s.cond.next_);
    MODEL_GUARDED(s.cond.count_);
    MODEL_GUARDED(s.cond.mode_);
}

static void all_free(void)
{
    for (int i = 0; i < LOCKS; i++)
        CHECK_OK(pawl_mutex_destroy(&s.m[i]));
    CHECK_OK(pawl_rwlock_destroy(&s.rw));
}

static void one_at_most(void)
{
    CHECK(s.told <= 1);
    all_free();
}

/* The caller was told: threads 0 .. n-1 are the circle. */
static void check_circle(int n)
{
    s.told++;
    for (int i = 0; i < n; i++)
        CHECK(s.wants[i]);
}

/* Take the first, then the second, in a circle of n. */
static void in_circle(int first, int second, int n)
{
    int err;

    CHECK_OK(pawl_mutex_lock(&s.m[first]));
    s.wants[model_self()] = true;
    err = pawl_mutex_lock(&s.m[second]);
    if (err == -EDEADLK)
        check_circle(n);
    else
        CHECK_OK(err);
    s.wants[model_self()] = false;
    if (err == 0)
        CHECK_OK(pawl_mutex_unlock(&s.m[second]));
    CHECK_OK(pawl_mutex_unlock(&s.m[first]));
}

static void ab(void)
{
    in_circle(A, B, 2);
}

static void ba(void)
{
    in_circle(B, A, 2);
}

MODEL(deadlock.two, .setup = setup, .threads = {ab, ba}, .check = one_at_most)
MODEL(deadlock.two_that_spin, .setup = setup, .threads = {ab, ba},
      .check = one_at_most, .spin = 2, .bounds = {2, 1, 0})
MODEL(deadlock.two_with_alarms, .setup = setup, .threads = {ab, ba},
      .check = one_at_most, .bounds = {2, 0, 2}, .no_stray = true)
MODEL(deadlock.two_that_are_new, .setup = setup, .threads = {ab, ba},
      .check = one_at_most, .births = true)

static void ab_3(void)
{
    in_circle(A, B, 3);
}

static void bc_3(void)
{
    in_circle(B, C, 3);
}

static void ca_3(void)
{
    in_circle(C, A, 3);
}

MODEL(deadlock.three, .setup = setup, .threads = {ab_3, bc_3, ca_3},
      .check = one_at_most, .bounds = {2, 1, 0})
MODEL(deadlock.three_stray, .setup = setup, .threads = {ab_3, bc_3, ca_3},
      .check = one_at_most, .bounds = {1, 0, 1}, .also = {2, 0, 0})

/* -- Nobody may be told --------------------------------------------------------- */

static void nest(int first, int second)
{
    CHECK_OK(pawl_mutex_lock(&s.m[first]));
    CHECK_OK(pawl_mutex_lock(&s.m[second]));
    CHECK_OK(pawl_mutex_unlock(&s.m[second]));
    CHECK_OK(pawl_mutex_unlock(&s.m[first]));
}

static void nest_ab(void)
{
    nest(A, B);
}

static void nest_bc(void)
{
    nest(B, C);
}

static void nest_ac(void)
{
    nest(A, C);
}

MODEL(deadlock.none_in_order, .setup = setup, .threads = {nest_ab, nest_ab},
      .check = all_free)
MODEL(deadlock.none_of_three_in_order, .setup = setup,
      .threads = {nest_ab, nest_bc, nest_ac}, .check = all_free,
      .bounds = {2, 1, 0})

/* It has released the one before it waits for the other. */
static void b_then_a(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m[B]));
    CHECK_OK(pawl_mutex_unlock(&s.m[B]));
    CHECK_OK(pawl_mutex_lock(&s.m[A]));
    CHECK_OK(pawl_mutex_unlock(&s.m[A]));
}

MODEL(deadlock.none_with_one_that_has_released, .setup = setup,
      .threads = {nest_ab, b_then_a}, .check = all_free)

/* A third one takes B in between, and it waits for nobody. */
static void only_b(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m[B]));
    model_section(&s.n);
    CHECK_OK(pawl_mutex_unlock(&s.m[B]));
}

MODEL(deadlock.none_when_another_comes_before, .setup = setup,
      .threads = {nest_ab, b_then_a, only_b}, .check = all_free,
      .bounds = {2, 1, 0})

/* The other end of a chain may be there only when its first link is gone. */
static void nest_ca_apart(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m[C]));
    CHECK_OK(pawl_mutex_unlock(&s.m[C]));
    CHECK_OK(pawl_mutex_lock(&s.m[A]));
    CHECK_OK(pawl_mutex_unlock(&s.m[A]));
}

MODEL(deadlock.none_with_a_link_that_is_gone, .setup = setup,
      .threads = {nest_ab, nest_bc, nest_ca_apart}, .check = all_free,
      .bounds = {3, 0, 0})

/* A circle, and one more who comes between its members. */
MODEL(deadlock.two_and_one_that_passes, .setup = setup,
      .threads = {ab, ba, only_b}, .check = one_at_most, .bounds = {2, 1, 0})
/* B changes hands while the first one sleeps on; the walker must see the new
 * holder. */
static const char *const old_holder[] = {"B2A2A18A1A14B13A1B14AA2A8A1A46A",
                                         NULL};

MODEL(deadlock.three_and_one_that_passes, .setup = setup,
      .threads = {ab_3, bc_3, ca_3, only_b}, .check = one_at_most, .spin = 2,
      .no_stray = true, .regressions = old_holder, .bounds = {2, 1, 0},
      .sampled = true)

/* -- Deadlines -------------------------------------------------------------------- */

static void ab_soon(void)
{
    int err;

    CHECK_OK(pawl_mutex_lock(&s.m[A]));
    err = pawl_mutex_lock_until(&s.m[B], model_soon());
    if (err == 0)
        CHECK_OK(pawl_mutex_unlock(&s.m[B]));
    else
        CHECK_ERR(err, -ETIMEDOUT);
    CHECK_OK(pawl_mutex_unlock(&s.m[A]));
}

static void nest_ba(void)
{
    nest(B, A);
}

MODEL(deadlock.none_with_a_deadline, .setup = setup,
      .threads = {ab_soon, nest_ba}, .check = all_free)

/* -- Reader/writer locks ------------------------------------------------------------ */

static void write_then_a(void)
{
    int err;

    CHECK_OK(pawl_rwlock_write_lock(&s.rw));
    s.wants[model_self()] = true;
    err = pawl_mutex_lock(&s.m[A]);
    if (err == -EDEADLK)
        check_circle(2);
    else
        CHECK_OK(err);
    s.wants[model_self()] = false;
    if (err == 0)
        CHECK_OK(pawl_mutex_unlock(&s.m[A]));
    CHECK_OK(pawl_rwlock_write_unlock(&s.rw));
}

static void a_then_rw(bool reads)
{
    int err;

    CHECK_OK(pawl_mutex_lock(&s.m[A]));
    s.wants[model_self()] = true;
    err = reads ? pawl_rwlock_read_lock(&s.rw) : pawl_rwlock_write_lock(&s.rw);
    if (err == -EDEADLK)
        check_circle(2);
    else
        CHECK_OK(err);
    s.wants[model_self()] = false;
    if (err == 0 && reads)
        CHECK_OK(pawl_rwlock_read_unlock(&s.rw));
    else if (err == 0)
        CHECK_OK(pawl_rwlock_write_unlock(&s.rw));
    CHECK_OK(pawl_mutex_unlock(&s.m[A]));
}

static void a_then_read(void)
{
    a_then_rw(true);
}

static void a_then_write(void)
{
    a_then_rw(false);
}

MODEL(deadlock.writer_and_reader, .setup = setup,
      .threads = {write_then_a, a_then_read}, .check = one_at_most)
MODEL(deadlock.writer_and_writer, .setup = setup,
      .threads = {write_then_a, a_then_write}, .check = one_at_most)

/* -- Conditions ----------------------------------------------------------------------- */

/* Who waits for a condition holds A, and is not told within the wait. */
static void wait_with_a(void)
{
    int err;

    CHECK_OK(pawl_mutex_lock(&s.m[A]));
    err = pawl_mutex_lock(&s.m[B]);
    if (err == -EDEADLK) {
        CHECK_OK(pawl_mutex_unlock(&s.m[A]));
        return;
    }
    CHECK_OK(err);
    err = pawl_cond_wait_until(&s.cond, &s.m[B], model_soon());
    CHECK(err == 0 || err == -ETIMEDOUT);
    model_section(&s.n);
    CHECK_OK(pawl_mutex_unlock(&s.m[B]));
    CHECK_OK(pawl_mutex_unlock(&s.m[A]));
}

static void notify_and_want_a(void)
{
    int err;

    CHECK_OK(pawl_mutex_lock(&s.m[B]));
    CHECK_OK(pawl_cond_notify(&s.cond, &s.m[B], 1));
    err = pawl_mutex_lock(&s.m[A]);
    if (err == 0)
        CHECK_OK(pawl_mutex_unlock(&s.m[A]));
    else
        CHECK_ERR(err, -EDEADLK);
    CHECK_OK(pawl_mutex_unlock(&s.m[B]));
}

MODEL(deadlock.who_waits_for_a_condition_is_not_told, .setup = setup,
      .threads = {wait_with_a, notify_and_want_a}, .check = all_free,
      .bounds = {2, 1, 0})

/* -- Memory that is gone ------------------------------------------------------------------ */

static void hold_b(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m[B]));
    pawl_store_release(&s.taken, 1); /* release: pairs with ab_and_free */
    CHECK_OK(pawl_mutex_unlock(&s.m[B]));
}

/* The last user of B frees it, when a walk may just come by. */
static void ab_and_free(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m[A]));
    if (pawl_load_acquire(&s.taken) != 0) {
        CHECK_OK(pawl_mutex_lock(&s.m[B]));
        CHECK_OK(pawl_mutex_unlock(&s.m[B]));
        model_free(&s.m[B], sizeof s.m[B]);
    }
    CHECK_OK(pawl_mutex_unlock(&s.m[A]));
}

static void only_a(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m[A]));
    CHECK_OK(pawl_mutex_unlock(&s.m[A]));
}

MODEL(deadlock.a_walk_looks_at_no_lock_that_is_gone, .setup = setup,
      .threads = {hold_b, ab_and_free, only_a}, .bounds = {3, 0, 0})

/* -- Deaths --------------------------------------------------------------------------------- */

static int inherit(pawl_mutex *m)
{
    int err = pawl_mutex_lock(m);

    if (err == -EOWNERDEAD)
        err = pawl_mutex_consistent(m);
    return err;
}

/* It dies in its second lock's section, or if it was told with the first. */
static void ab_and_die(void)
{
    CHECK_OK(inherit(&s.m[A]));
    (void)inherit(&s.m[B]);
    model_die();
}

static void ba_heir(void)
{
    int err;

    CHECK_OK(inherit(&s.m[B]));
    err = inherit(&s.m[A]);
    if (err == 0)
        CHECK_OK(pawl_mutex_unlock(&s.m[A]));
    else
        CHECK_ERR(err, -EDEADLK);
    CHECK_OK(pawl_mutex_unlock(&s.m[B]));
}

MODEL(deadlock.with_one_that_dies, .setup = setup,
      .threads = {ab_and_die, ba_heir})
