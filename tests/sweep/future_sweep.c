/* SPDX-License-Identifier: MIT
 *
 * future_sweep.c - F-08, R-09: futures between processes, and waits for several objects
 * at once, with a process killed, stopped, or stopped and let go on, at every
 * instruction: nobody waits for it but in the functions that block, and who does
 * sleeps no longer than until the outcome is known.
 */
#include <pawl/event.h>
#include <pawl/future.h>
#include <pawl/latch.h>
#include <pawl/sem.h>
#include <pawl/wait.h>

#include "swept_robust.h"

struct scene {
    pawl_future future;
    pawl_event event;
    pawl_latch latch;
    pawl_sem sem;
    pawl_mutex mutex;
    volatile bool returned;
    volatile bool won;
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

/* With both halves. */
static void *value_for(int status)
{
    return (void *)(uintptr_t)(UINT64_C(0x100000001) * (unsigned)status);
}

static int set_to(struct scene *s, int status)
{
    return pawl_future_set(&s->future, status, value_for(status));
}

static void future_set(void *object)
{
    struct scene *s = object;

    CHECK_OK(set_to(s, 7));
    s->returned = true;
}

/* Unless others are first. */
static void future_try_to_set(void *object)
{
    struct scene *s = object;
    int err = set_to(s, 8);

    CHECK(err == 0 || err == -EALREADY);
    s->won = err == 0;
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
    void *value;
    int status;

    CHECK_OK(pawl_future_result_until(&s->future, &status, &value, soon()));
    CHECK_EQ(status, 7);
    CHECK(value == value_for(7));
}

/* What only looks never waits; what it says is of one moment. */
static void future_look(struct scene *s)
{
    enum pawl_future_state state = pawl_future_state(&s->future);
    bool done = state >= PAWL_FUTURE_CANCELLED;
    void *value;
    int status;
    int err = pawl_future_try_result(&s->future, &status, &value);

    CHECK_ERR(err, state == PAWL_FUTURE_FINISHED    ? 0
                   : state == PAWL_FUTURE_CANCELLED ? -ECANCELED
                                                    : -EAGAIN);
    CHECK(err != 0 || status == 7 || status == 8);
    CHECK(err != 0 || value == value_for(status));
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
    CHECK_ERR(set_to(s, 8), -EALREADY);
}

/* Beside who sets it too. */
static void future_be_set(void *object)
{
    struct scene *s = object;
    int status;
    int err;

    future_look(s);
    err = set_to(s, 7);
    CHECK(err == -EALREADY || (err == 0 && !s->won));
    future_is_set(object);
    CHECK_OK(pawl_future_try_result(&s->future, &status, NULL));
    CHECK_EQ(status, err == 0 ? 7 : 8);
}

static void future_was_set_by_one(void *object)
{
    struct scene *s = object;
    int status;

    future_is_set(object);
    CHECK_OK(pawl_future_try_result(&s->future, &status, NULL));
    CHECK_EQ(status, s->won ? 8 : 7);
}

static void future_be_cancelled(void *object)
{
    struct scene *s = object;
    int err;

    future_look(s);
    err = pawl_future_cancel(&s->future);
    CHECK(err == -EALREADY || (err == 0 && !s->won));
    CHECK_EQ(pawl_future_is_cancelled(&s->future), err == 0);
    future_look(s);
}

static void future_was_set_or_cancelled(void *object)
{
    struct scene *s = object;

    future_look(s);
    CHECK_EQ(pawl_future_is_cancelled(&s->future), !s->won);
}

static void set_it(void *object)
{
    (void)set_to(object, 7);
}

static void one_waits(void *object)
{
    sleeper_start(future_wait, object);
}

static void future_set_and_join(void *object)
{
    set_it(object);
    future_is_set(object);
    sleeper_join();
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

static void nothing(void *object)
{
    (void)object;
}

#define FUTURE(text, how, ...)                                                 \
    {                                                                          \
        {.name = text,                                                         \
         .size = sizeof(struct scene),                                         \
         .warm = take_ids,                                                     \
         __VA_ARGS__},                                                         \
            how, NULL                                                          \
    }

static const struct swept futures[] = {
    FUTURE("future begin", KILLED | FROZEN, .prepare = future_make,
           .victim = future_begin, .others = future_use_begun),
    FUTURE("future request_stop", ALL_WAYS, .prepare = future_make_running,
           .victim = future_ask_to_stop, .others = future_only_look,
           .after = future_use_running),
    FUTURE("future request_stop; set by others", KILLED | FROZEN,
           .prepare = future_make_running, .victim = future_ask_to_stop,
           .others = future_use_running),
    FUTURE("future cancel", ALL_WAYS, .prepare = future_make,
           .victim = future_cancel, .others = future_only_look,
           .after = future_is_cancelled),
    FUTURE("future cancel; used by others", KILLED | FROZEN,
           .prepare = future_make, .victim = future_cancel,
           .others = future_use_cancelled),
    FUTURE("future set", ALL_WAYS, .prepare = future_make_running,
           .victim = future_set, .others = future_only_look,
           .after = future_is_set),
    FUTURE("future set; set by others", ALL_WAYS,
           .prepare = future_make_running, .victim = future_try_to_set,
           .others = future_be_set, .after = future_was_set_by_one),
    FUTURE("future set; cancelled by others", ALL_WAYS, .prepare = future_make,
           .victim = future_try_to_set, .others = future_be_cancelled,
           .after = future_was_set_or_cancelled),
    FUTURE("future set, one waits", KILLED, .prepare = future_make_running,
           .armed = one_waits, .victim = future_set,
           .others = future_join_if_set, .leftovers = true),
    FUTURE("future set, one waits; set by others", KILLED,
           .prepare = future_make_running, .armed = one_waits,
           .victim = future_set, .others = future_set_and_join),
    FUTURE("future result, waiting", ALL_WAYS, .prepare = future_make_running,
           .victim = future_wait, .asleep = set_it, .others = future_only_look,
           .after = nothing),
};

TEST(future.survives_sweeps)
{
    TEST_TIMEOUT(300);
    spin_for("0");
    SWEEP_TABLE(futures);
}

/* ---- waits for several ------------------------------------------------------------------ */

static void set_make(void *object)
{
    struct scene *s = object;

    future_make_running(object);
    CHECK_OK(pawl_event_init(&s->event, PAWL_SHARED));
    CHECK_OK(pawl_latch_init(&s->latch, 2, PAWL_SHARED));
    CHECK_OK(pawl_sem_init(&s->sem, 0, PAWL_SHARED));
    CHECK_OK(pawl_mutex_init(&s->mutex, PAWL_SHARED));
}

enum { ALL = 4 };

static void set_of(struct scene *s, pawl_wait_item *items)
{
    items[0] = PAWL_WAIT_SEM(&s->sem);
    items[1] = PAWL_WAIT_EVENT(&s->event);
    items[2] = PAWL_WAIT_LATCH(&s->latch);
    items[3] = PAWL_WAIT_FUTURE(&s->future);
}

/* For one that comes, and then for all. */
static void set_wait(void *object)
{
    struct scene *s = object;
    pawl_wait_item items[ALL + 1];

    set_of(s, items);
    CHECK_OK(pawl_wait_any_until(items, ALL, soon(), NULL));
    pawl_event_set(&s->event);
    items[ALL] = PAWL_WAIT_MUTEX(&s->mutex);
    CHECK_OK(pawl_wait_all_until(items + 1, ALL, soon()));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
    s->returned = true;
}

/* One after the other, as often as the victim sleeps. */
static void set_serve(void *object)
{
    struct scene *s = object;

    if (pawl_latch_try_wait(&s->latch) != 0 && pawl_event_is_set(&s->event))
        CHECK_OK(pawl_latch_count_down(&s->latch, 2));
    pawl_event_set(&s->event);
    set_it(object);
}

static void set_use(void *object)
{
    struct scene *s = object;
    int err;

    for (int i = 0; i < 2; i++) {
        pawl_event_set(&s->event);
        pawl_event_clear(&s->event);
        CHECK_OK(pawl_sem_release(&s->sem));
        err = pawl_sem_try_acquire(&s->sem);
        CHECK(err == 0 || err == -EAGAIN);
    }
    future_look(s);
    set_it(object);
    while (pawl_latch_count(&s->latch) > 0)
        CHECK_OK(pawl_latch_count_down(&s->latch, 1));
    pawl_event_set(&s->event);
}

/* Another one waits for the same, and gets it. */
static void set_use_and_wait(void *object)
{
    struct scene *s = object;
    pawl_wait_item items[ALL];

    set_use(object);
    CHECK_OK(pawl_sem_release_n(&s->sem, 4));
    set_of(s, items);
    CHECK_OK(pawl_wait_any_until(items, ALL, soon(), NULL));
    CHECK_OK(pawl_wait_all_until(items + 1, ALL - 1, soon()));
    CHECK_OK(pawl_sem_acquire_until(&s->sem, soon()));
}

static void set_has_returned(void *object)
{
    struct scene *s = object;

    CHECK(s->returned);
}

static void set_warm(void *object)
{
    static struct scene other;

    warm_robust(object);
    set_make(&other);
    set_use(&other);
    set_wait(&other);
}

static const struct swept sets[] = {
    {{.name = "wait for any, and for all",
      .size = sizeof(struct scene),
      .prepare = set_make,
      .warm = set_warm,
      .victim = set_wait,
      .asleep = set_serve,
      .others = set_use_and_wait,
      .after = set_has_returned},
     KILLED | THAWED,
     NULL},
};

static void set_victim_sets(void *object)
{
    struct scene *s = object;

    pawl_event_set(&s->event);
}

static void set_victim_releases(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_sem_release(&s->sem));
}

static void set_wait_for_one(void *object)
{
    struct scene *s = object;
    pawl_wait_item items[ALL];

    set_of(s, items);
    CHECK_OK(pawl_wait_any_until(items, ALL, soon(), NULL));
}

static void set_one_waits(void *object)
{
    sleeper_start(set_wait_for_one, object);
}

/* What is there wakes it, or it looks by itself. */
static void set_join(void *object)
{
    struct scene *s = object;

    if (pawl_sem_value(&s->sem) == 0 && !pawl_future_is_done(&s->future) &&
        !pawl_event_is_set(&s->event))
        pawl_event_set(&s->event);
    sleeper_join();
}

#define WAITED(text, what)                                                     \
    {                                                                          \
        {.name = text,                                                         \
         .size = sizeof(struct scene),                                         \
         .prepare = set_make,                                                  \
         .warm = set_warm,                                                     \
         .armed = set_one_waits,                                               \
         .victim = what,                                                       \
         .others = set_join,                                                   \
         .leftovers = true},                                                   \
            KILLED, NULL                                                       \
    }

static const struct swept waited[] = {
    WAITED("future set, one waits in a set", future_set),
    WAITED("event set, one waits in a set", set_victim_sets),
    WAITED("sem release, one waits in a set", set_victim_releases),
};

TEST(wait.survives_the_death_of_a_waker)
{
    TEST_TIMEOUT(300);
    spin_for("0");
    SWEEP_TABLE(waited);
}

TEST(wait.survives_sweeps)
{
    TEST_TIMEOUT(300);
    spin_for("0");
    SWEEP_TABLE(sets);
}

TEST(wait.in_a_region_survives_sweeps)
{
    struct sweep_case c = sets[0].c;

    c.name = "wait for any, and for all, in a region";
    c.leftovers = true;
    put_all_in_a_region();
    sweep(&c, SWEEP_KILL);
}
