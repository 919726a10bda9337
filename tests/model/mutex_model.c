/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the mutex.
 */
#include "model.h"

#include <pawl/mutex.h>

static struct {
    pawl_mutex m;
    int n;
} s;

static void setup(void)
{
    memset(&s, 0, sizeof s);
    MODEL_NAME(s.m);
    MODEL_NAME(s.n);
}

/* What the lock guards: alone inside, and with all that came before. */
static void section(void)
{
    int n = MODEL_GET(s.n);

    model_point();
    MODEL_SET(s.n, n + 1);
}

static void lock_and_add(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m));
    section();
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

static void check(void)
{
    CHECK(s.n == 2);
}
static void check3(void)
{
    CHECK(s.n == 3);
}

MODEL(mutex.two, .setup = setup, .threads = {lock_and_add, lock_and_add},
      .check = check)
MODEL(mutex.three, .setup = setup,
      .threads = {lock_and_add, lock_and_add, lock_and_add}, .check = check3)
