/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the event.
 */
#include "model.h"

#include <pawl/event.h>

#include "atomic/ops.h"

static struct {
    pawl_event e;
    pawl_event back;
    pawl_u32 ready; /* waiters that will find any set from now on */
    int n;
    int m;
} s;

static void setup(void)
{
    memset(&s, 0, sizeof s);
    MODEL_NAME(s.e);
    MODEL_NAME(s.back);
    MODEL_NAME(s.n);
    MODEL_NAME(s.m);
}

static void setup_shared(void)
{
    setup();
    CHECK_OK(pawl_event_init(&s.e, PAWL_SHARED));
}

static void publish(void)
{
    MODEL_SET(s.n, 1);
    pawl_event_set(&s.e);
}

static void publish_other(void)
{
    MODEL_SET(s.m, 1);
    pawl_event_set(&s.e);
}

static void wait_published(void)
{
    CHECK_OK(pawl_event_wait(&s.e));
    CHECK(MODEL_GET(s.n) == 1);
}

static void is_set(void)
{
    CHECK(pawl_event_is_set(&s.e));
    CHECK_OK(pawl_event_try_wait(&s.e));
}

MODEL(event.set_publishes, .setup = setup, .threads = {wait_published, publish},
      .check = is_set)
MODEL(event.set_publishes_to_one_that_spins, .setup = setup,
      .threads = {wait_published, publish}, .check = is_set, .spin = 2)
MODEL(event.set_for_another_process, .setup = setup_shared,
      .threads = {wait_published, publish}, .check = is_set)
MODEL(event.set_releases_all, .setup = setup,
      .threads = {wait_published, wait_published, publish}, .check = is_set)

/* -- Pulses ------------------------------------------------------------------------------ */

static void pulse(void)
{
    publish();
    pawl_event_clear(&s.e);
}

/* Sets in any case, so that a waiter that comes late ends too. */
static void pulse_and_set(void)
{
    pulse();
    pawl_event_set(&s.e);
}

static void is_clear(void)
{
    CHECK(!pawl_event_is_set(&s.e));
    CHECK_ERR(pawl_event_try_wait(&s.e), -EAGAIN);
    CHECK_ERR(pawl_event_wait_until(&s.e, 0), -ETIMEDOUT);
}

MODEL(event.pulse_and_set, .setup = setup,
      .threads = {wait_published, wait_published, pulse_and_set},
      .check = is_set)

/* Who sleeps when the pulse begins is released by it. */
static void pulse_if_one_sleeps(void)
{
    if (model_sleepers() == 1)
        pulse();
    else
        publish();
}

MODEL(event.pulse_releases_who_sleeps, .setup = setup,
      .threads = {wait_published, pulse_if_one_sleeps})
static void pulse_if_two_sleep(void)
{
    if (model_sleepers() == 2)
        pulse();
    else
        publish();
}

MODEL(event.pulse_releases_two_who_sleep, .setup = setup,
      .threads = {wait_published, wait_published, pulse_if_two_sleep})

static void clear_twice(void)
{
    pawl_event_clear(&s.e);
    pawl_event_clear(&s.e);
}

MODEL(event.set_against_clear, .setup = setup,
      .threads = {publish, clear_twice, publish_other})

/* Who finds it set or cleared later sees what came before each set. */
static void wait_for_both(void)
{
    CHECK_OK(pawl_event_wait(&s.e));
    CHECK_OK(pawl_event_wait(&s.back));
    CHECK(MODEL_GET(s.n) == 1);
}

static void publish_clear_and_set_back(void)
{
    publish();
    pawl_event_clear(&s.e);
    pawl_event_set(&s.e);
    pawl_event_set(&s.back);
}

MODEL(event.two_events, .setup = setup,
      .threads = {wait_for_both, publish_clear_and_set_back})

/* Setting what is set publishes all the same. */
static void set_twice(void)
{
    pawl_event_set(&s.e);
    MODEL_SET(s.n, 1);
    pawl_event_set(&s.e);
    pawl_store_relaxed(&s.ready, 1);
}

static void look_after_ready(void)
{
    if (pawl_load_relaxed(&s.ready) == 1 && pawl_event_is_set(&s.e))
        pawl_add_relaxed(&s.ready, 1);
}

MODEL(event.set_of_a_set_event, .setup = setup,
      .threads = {set_twice, look_after_ready})

static void setter_of_set_event(void)
{
    MODEL_SET(s.n, 1);
    pawl_event_set(&s.e); /* set by another, or by this */
    pawl_event_set(&s.back);
}

static void set_only(void)
{
    pawl_event_set(&s.e);
}

static void wait_both_and_see(void)
{
    CHECK_OK(pawl_event_wait(&s.back));
    CHECK_OK(pawl_event_wait(&s.e));
    CHECK(MODEL_GET(s.n) == 1);
}

MODEL(event.two_setters, .setup = setup,
      .threads = {set_only, setter_of_set_event, wait_both_and_see})

/* -- Deadlines ------------------------------------------------------------------------------- */

static void wait_soon(void)
{
    int err = pawl_event_wait_until(&s.e, model_soon());

    if (err == 0)
        CHECK(MODEL_GET(s.n) == 1);
    else
        CHECK_ERR(err, -ETIMEDOUT);
}

static void try_wait(void)
{
    int err = pawl_event_try_wait(&s.e);

    if (err == 0)
        CHECK(MODEL_GET(s.n) == 1);
    else
        CHECK_ERR(err, -EAGAIN);
}

MODEL(event.deadline_against_set, .setup = setup,
      .threads = {wait_soon, publish}, .check = is_set)
MODEL(event.deadline_against_pulse, .setup = setup,
      .threads = {wait_soon, wait_soon, pulse}, .check = is_clear)
MODEL(event.try_against_set, .setup = setup,
      .threads = {try_wait, try_wait, publish}, .check = is_set)

/* -- Ping-pong, memory --------------------------------------------------------------------------- */

static void ping(void)
{
    publish();
    CHECK_OK(pawl_event_wait(&s.back));
    CHECK(MODEL_GET(s.n) == 2);
}

static void pong(void)
{
    CHECK_OK(pawl_event_wait(&s.e));
    MODEL_SET(s.n, MODEL_GET(s.n) + 1);
    pawl_event_set(&s.back);
}

MODEL(event.ping_pong, .setup = setup, .threads = {ping, pong})
MODEL(event.ping_pong_spinning, .setup = setup, .threads = {ping, pong},
      .spin = 2)

static void wait_and_free(void)
{
    CHECK_OK(pawl_event_wait(&s.e));
    model_free(&s.e, sizeof s.e);
}

MODEL(event.freed_by_the_waiter, .setup = setup,
      .threads = {wait_and_free, publish})
MODEL(event.freed_by_the_waiter_that_spins, .setup = setup,
      .threads = {wait_and_free, publish}, .spin = 2)
