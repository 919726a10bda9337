/* SPDX-License-Identifier: MIT
 *
 * future_sweep.c - F-08, R-09: futures between processes, with a process killed, stopped, or stopped and let go on, at every
 * instruction: nobody waits for it but in the functions that block, and who does
 * sleeps no longer than until the outcome is known.
 */
#include <pawl/future.h>

#include "swept.h"

struct scene {
    pawl_future future;
    volatile bool returned;
};

/* ---- futures ------------------------------------------------------------------------ */

static void future_make(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_future_init(&s->future, PAWL_SHARED));
}

static void future_make_running(void *object)
{
    struct scene *s = object;

    future_make(object);
    CHECK_OK(pawl_future_begin(&s->future));
}

static void future_begin(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_future_begin(&s->future));
    s->returned = true;
}

static void future_set(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_future_set(&s->future, 7, NULL));
    s->returned = true;
}

static void future_cancel(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_future_cancel(&s->future));
    s->returned = true;
}

static void future_ask_to_stop(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_future_request_stop(&s->future));
    s->returned = true;
}

static void future_wait(void *object)
{
    struct scene *s = object;
    int status;

    CHECK_OK(pawl_future_result_until(&s->future, &status, NULL, soon()));
    CHECK_EQ(status, 7);
}

/* What only looks never waits; what it says is of one moment. */
static void future_look(struct scene *s)
{
    enum pawl_future_state state = pawl_future_state(&s->future);
    bool done = state >= PAWL_FUTURE_CANCELLED;
    int status;
    int err = pawl_future_try_result(&s->future, &status, NULL);

    CHECK_ERR(err, state == PAWL_FUTURE_FINISHED    ? 0
                   : state == PAWL_FUTURE_CANCELLED ? -ECANCELED
                                                    : -EAGAIN);
    CHECK(err != 0 || status == 7);
    CHECK_EQ(pawl_future_is_done(&s->future), done);
    (void)pawl_future_stop_requested(&s->future);
}

static void future_use_begun(void *object)
{
    struct scene *s = object;
    int err;

    future_look(s);
    err = pawl_future_begin(&s->future);
    CHECK(err == -EALREADY || (err == 0 && !s->returned));
    CHECK_ERR(pawl_future_cancel(&s->future), -EBUSY);
    future_set(object);
    future_look(s);
}

static void future_use_cancelled(void *object)
{
    struct scene *s = object;
    int err;

    future_look(s);
    err = pawl_future_begin(&s->future);
    CHECK(err == -ECANCELED || (err == 0 && !s->returned));
    if (err == 0) {
        future_set(object);
        CHECK_ERR(pawl_future_cancel(&s->future), -EALREADY);
    }
    future_look(s);
}

static void future_use_running(void *object)
{
    struct scene *s = object;

    future_look(s);
    CHECK(pawl_future_stop_requested(&s->future) || !s->returned);
    future_set(object);
    CHECK_ERR(pawl_future_request_stop(&s->future), -EALREADY);
    future_look(s);
}

static void future_only_look(void *object)
{
    future_look(object);
}

static void future_is_set(void *object)
{
    struct scene *s = object;

    future_look(s);
    CHECK_EQ(pawl_future_state(&s->future), PAWL_FUTURE_FINISHED);
    CHECK_ERR(pawl_future_set(&s->future, 8, NULL), -EALREADY);
}

static void future_look_and_be_set(void *object)
{
    struct scene *s = object;
    int err;

    future_look(s);
    err = pawl_future_set(&s->future, 7, NULL);
    CHECK(err == -EALREADY || (err == 0 && !s->returned));
    future_is_set(object);
}

static void one_waits(void *object)
{
    sleeper_start(future_wait, object);
}

/* What is set wakes who waits, whether the waker lives or not. */
static void future_join_if_set(void *object)
{
    struct scene *s = object;

    future_look(s);
    if (pawl_future_is_done(&s->future))
        sleeper_join();
}

static void future_is_cancelled(void *object)
{
    struct scene *s = object;

    CHECK_ERR(pawl_future_begin(&s->future), -ECANCELED);
    CHECK_OK(pawl_future_cancel(&s->future));
    future_look(s);
}

static void set_it(void *object)
{
    struct scene *s = object;

    (void)pawl_future_set(&s->future, 7, NULL);
}

static void nothing(void *object)
{
    (void)object;
}

#define FUTURE(text, how, why, ...)                                            \
    {                                                                          \
        {.name = text,                                                         \
         .size = sizeof(struct scene),                                         \
         .warm = take_ids,                                                     \
         __VA_ARGS__},                                                         \
            how, why                                                           \
    }

static const char still_locked[] =
    "a process that dies while it sets or cancels a future keeps it locked";

static const struct swept futures[] = {
    FUTURE("future begin", KILLED | FROZEN, NULL, .prepare = future_make,
           .victim = future_begin, .others = future_use_begun),
    FUTURE("future request_stop", ALL_WAYS, NULL,
           .prepare = future_make_running, .victim = future_ask_to_stop,
           .others = future_only_look, .after = future_use_running),
    FUTURE("future request_stop; set by others", KILLED, still_locked,
           .prepare = future_make_running, .victim = future_ask_to_stop,
           .others = future_use_running),
    FUTURE("future cancel", ALL_WAYS, NULL, .prepare = future_make,
           .victim = future_cancel, .others = future_only_look,
           .after = future_is_cancelled),
    FUTURE("future cancel; used by others", KILLED, still_locked,
           .prepare = future_make, .victim = future_cancel,
           .others = future_use_cancelled),
    FUTURE("future set", ALL_WAYS, NULL, .prepare = future_make_running,
           .victim = future_set, .others = future_only_look,
           .after = future_is_set),
    FUTURE("future set; set by others", KILLED, still_locked,
           .prepare = future_make_running, .victim = future_set,
           .others = future_look_and_be_set),
    FUTURE("future set, one waits", KILLED, NULL,
           .prepare = future_make_running, .armed = one_waits,
           .victim = future_set, .others = future_join_if_set,
           .leftovers = true),
    FUTURE("future result, waiting", ALL_WAYS, NULL,
           .prepare = future_make_running, .victim = future_wait,
           .asleep = set_it, .others = future_only_look, .after = nothing),
};

TEST(future.survives_sweeps)
{
    TEST_TIMEOUT(300);
    spin_for("0");
    SWEEP_TABLE(futures);
}
