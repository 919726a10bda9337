/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the once.
 */
#include "model.h"

#include <pawl/once.h>

#include "atomic/ops.h"

static struct {
    pawl_once o;
    int made;  /* published by the function */
    int runs;  /* how often it ran */
    int fails; /* how often it shall fail */
    int late;
} s;

static void setup(void)
{
    memset(&s, 0, sizeof s);
    MODEL_NAME(s.o);
    MODEL_NAME(s.made);
    MODEL_NAME(s.runs);
}

static void setup_shared(void)
{
    setup();
    CHECK_OK(pawl_once_init(&s.o, PAWL_SHARED));
}

static void setup_failing(void)
{
    setup();
    s.fails = 1;
}

static int make(void *unused)
{
    (void)unused;
    model_section(&s.runs);
    if (MODEL_GET(s.runs) <= s.fails)
        return -ECANCELED;
    MODEL_SET(s.made, MODEL_GET(s.made) + 1);
    return 0;
}

static void run(void)
{
    CHECK_OK(pawl_once_run(&s.o, make, NULL));
    CHECK(MODEL_GET(s.made) == 1);
}

static void look(void)
{
    if (pawl_once_is_done(&s.o))
        CHECK(MODEL_GET(s.made) == 1);
}

static void ran_once(void)
{
    CHECK(s.made == 1 && s.runs == 1 + s.fails);
    CHECK(pawl_once_is_done(&s.o));
}

MODEL(once.two, .setup = setup, .threads = {run, run}, .check = ran_once)
MODEL(once.two_that_spin, .setup = setup, .threads = {run, run},
      .check = ran_once, .spin = 2)
MODEL(once.two_processes, .setup = setup_shared, .threads = {run, run},
      .check = ran_once)
MODEL(once.three, .setup = setup, .threads = {run, run, run}, .check = ran_once)
MODEL(once.done_is_seen_with_what_was_made, .setup = setup,
      .threads = {run, look, look}, .check = ran_once)
MODEL(once.first_use_of_two_threads, .setup = setup, .threads = {run, run},
      .check = ran_once, .births = true)

/* A failure goes to who ran it, and the next runs it again. */
static void run_until_it_succeeds(void)
{
    int err = pawl_once_run(&s.o, make, NULL);

    if (err == -ECANCELED)
        err = pawl_once_run(&s.o, make, NULL);
    CHECK_OK(err);
    CHECK(MODEL_GET(s.made) == 1);
}

MODEL(once.failure, .setup = setup_failing,
      .threads = {run_until_it_succeeds, run_until_it_succeeds},
      .check = ran_once)
MODEL(once.failure_while_one_spins, .setup = setup_failing,
      .threads = {run_until_it_succeeds, run_until_it_succeeds},
      .check = ran_once, .spin = 2)
MODEL(once.failure_with_two_that_wait, .setup = setup_failing,
      .threads = {run_until_it_succeeds, run_until_it_succeeds,
                  run_until_it_succeeds},
      .check = ran_once, .bounds = {2, 0, 0})

static void run_soon(void)
{
    int err = pawl_once_run_until(&s.o, make, NULL, model_soon());

    if (err == -ETIMEDOUT)
        return;
    CHECK_OK(err);
    CHECK(MODEL_GET(s.made) == 1);
}

static void try_run(void)
{
    int err = pawl_once_try_run(&s.o, make, NULL);

    if (err == -EAGAIN)
        return;
    CHECK_OK(err);
    CHECK(MODEL_GET(s.made) == 1);
}

MODEL(once.deadline, .setup = setup, .threads = {run, run_soon},
      .check = ran_once)
MODEL(once.try, .setup = setup, .threads = {run, try_run, try_run},
      .check = ran_once)

/* Called by its own function. */
static int run_itself(void *unused)
{
    CHECK_ERR(pawl_once_run(&s.o, make, unused), -EDEADLK);
    CHECK_ERR(pawl_once_try_run(&s.o, make, unused), -EDEADLK);
    return make(unused);
}

static void run_recursively(void)
{
    CHECK_OK(pawl_once_run(&s.o, run_itself, NULL));
}

MODEL(once.runs_itself, .setup = setup, .threads = {run_recursively, run},
      .check = ran_once)

/* The thread that runs it ends inside. */
static int die_inside(void *unused)
{
    (void)unused;
    model_die();
}

static void run_and_die(void)
{
    (void)!pawl_once_run(&s.o, die_inside, NULL);
}

static void made_once(void)
{
    CHECK(s.made == 1 && s.runs == 1);
}

MODEL(once.death_inside, .setup = setup, .threads = {run_and_die, run},
      .check = made_once)
MODEL(once.death_inside_while_two_wait, .setup = setup,
      .threads = {run_and_die, run, run}, .check = made_once)
MODEL(once.two_deaths_inside, .setup = setup,
      .threads = {run_and_die, run_and_die, run}, .check = made_once,
      .bounds = {2, 0, 0})

static void fork_and_run(void)
{
    model_fork();
    CHECK_OK(pawl_once_run(&s.o, make, NULL));
    CHECK(s.made >= 1); /* the parent's may have been half-way */
}

MODEL(once.fork, .setup = setup, .threads = {run, run, fork_and_run})
