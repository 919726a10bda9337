/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the latch.
 */
#include "model.h"

#include <pawl/latch.h>

static struct {
    pawl_latch l;
    int n[2];
} s;

static void begin(int count, unsigned flags)
{
    memset(&s, 0, sizeof s);
    CHECK_OK(pawl_latch_init(&s.l, count, flags));
    MODEL_NAME(s.l);
    MODEL_NAME(s.n);
}

static void setup_1(void)
{
    begin(1, 0);
}

static void setup_2(void)
{
    begin(2, 0);
}

static void setup_shared(void)
{
    begin(2, PAWL_SHARED);
}

static void count_0(void)
{
    MODEL_SET(s.n[0], 1);
    CHECK_OK(pawl_latch_count_down(&s.l, 1));
}

static void count_1(void)
{
    MODEL_SET(s.n[1], 1);
    CHECK_OK(pawl_latch_count_down(&s.l, 1));
}

static void sees_both(void)
{
    CHECK(MODEL_GET(s.n[0]) == 1);
    CHECK(MODEL_GET(s.n[1]) == 1);
}

static void wait_for_both(void)
{
    CHECK_OK(pawl_latch_wait(&s.l));
    sees_both();
}

static void open_for_ever(void)
{
    CHECK(pawl_latch_count(&s.l) == 0);
    CHECK_OK(pawl_latch_try_wait(&s.l));
    CHECK_ERR(pawl_latch_count_down(&s.l, 1), -EOVERFLOW);
}

MODEL(latch.two_count_and_one_waits, .setup = setup_2,
      .threads = {count_0, count_1, wait_for_both}, .check = open_for_ever)
MODEL(latch.two_count_and_one_spins, .setup = setup_2,
      .threads = {count_0, count_1, wait_for_both}, .check = open_for_ever,
      .spin = 2)
MODEL(latch.two_processes, .setup = setup_shared,
      .threads = {count_0, count_1, wait_for_both}, .check = open_for_ever)

static void count_both(void)
{
    count_0();
    count_1();
}

MODEL(latch.two_wait, .setup = setup_2,
      .threads = {count_both, wait_for_both, wait_for_both},
      .check = open_for_ever)

static void arrive_0(void)
{
    MODEL_SET(s.n[0], 1);
    CHECK_OK(pawl_latch_arrive_and_wait(&s.l, PAWL_FOREVER));
    sees_both();
}

static void arrive_1(void)
{
    MODEL_SET(s.n[1], 1);
    CHECK_OK(pawl_latch_arrive_and_wait(&s.l, PAWL_FOREVER));
    sees_both();
}

MODEL(latch.arrive_and_wait, .setup = setup_2, .threads = {arrive_0, arrive_1},
      .check = open_for_ever)

static void wait_soon(void)
{
    int err = pawl_latch_wait_until(&s.l, model_soon());

    if (err == 0)
        sees_both();
    else
        CHECK_ERR(err, -ETIMEDOUT);
}

static void try_wait(void)
{
    int err = pawl_latch_try_wait(&s.l);

    if (err == 0)
        sees_both();
    else
        CHECK_ERR(err, -EAGAIN);
}

MODEL(latch.deadline, .setup = setup_2, .threads = {count_both, wait_soon},
      .check = open_for_ever)
MODEL(latch.deadline_of_one_of_two, .setup = setup_2,
      .threads = {count_both, wait_soon, wait_for_both}, .check = open_for_ever)
MODEL(latch.try, .setup = setup_2, .threads = {count_both, try_wait, try_wait},
      .check = open_for_ever)

/* One too many: who comes last is told. */
static void count_or_overflow(void)
{
    int err = pawl_latch_count_down(&s.l, 1);

    if (err == -EOVERFLOW)
        s.n[0]++;
    else
        CHECK_OK(err);
}

static void one_too_many(void)
{
    CHECK(s.n[0] == 1);
    open_for_ever();
}

MODEL(latch.counted_too_often, .setup = setup_1,
      .threads = {count_or_overflow, count_or_overflow}, .check = one_too_many)

static void wait_and_free(void)
{
    CHECK_OK(pawl_latch_wait(&s.l));
    model_free(&s.l, sizeof s.l);
}

MODEL(latch.freed_by_the_waiter, .setup = setup_2,
      .threads = {count_0, count_1, wait_and_free})
MODEL(latch.freed_by_the_waiter_that_spins, .setup = setup_2,
      .threads = {count_0, count_1, wait_and_free}, .spin = 2)
