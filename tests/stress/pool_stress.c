/* SPDX-License-Identifier: MIT
 *
 * pool_stress.c - a pool among many threads: each task gets exactly one outcome.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <pawl/error.h>
#include <pawl/pool.h>
#include <pawl/thread.h>

#include "team.h"
#include "test.h"

enum { MEMBERS = 5, TASKS = 60, NESTED = 3 };

/* A task, and those that it submits. */
struct unit {
    pawl_task task;
    _Atomic int runs;
    int payload; /* plain: written before the submit, changed by the task */
    bool submitted;
    struct rig *rig;
    struct unit *inner; /* NESTED of them, or NULL */
};

struct rig {
    pawl_pool *pool;
    struct unit units[MEMBERS][TASKS];
    struct unit inner[MEMBERS][TASKS][NESTED];
    bool ends;    /* it is shut down meanwhile */
    bool cancels; /* and what has not begun is cancelled */
};

static int run(pawl_task *t, void *arg)
{
    struct unit *u = arg;
    int waits = 0;

    CHECK(t == &u->task);
    CHECK_EQ(u->payload, 7);
    u->payload = 8;
    atomic_fetch_add(&u->runs, 1);
    for (int i = 0; u->inner != NULL && i < NESTED; i++) {
        int err = pawl_pool_submit(u->rig->pool, &u->inner[i].task);

        if (err == 0) {
            u->inner[i].submitted = true;
            waits++;
        } else {
            CHECK_ERR(err, -ESHUTDOWN);
            CHECK(u->rig->ends);
        }
    }
    for (int i = 0; i < waits; i++) {
        int err = pawl_future_result(&u->inner[i].task.future, NULL, NULL);

        CHECK(err == 0 || (err == -ECANCELED && u->rig->cancels));
    }
    t->value = u;
    return 3;
}

static void unit_make(struct unit *u, struct rig *r)
{
    pawl_task_init(&u->task, run, u);
    u->payload = 7;
    u->rig = r;
}

/* What became of it. */
static void check_unit(struct unit *u, bool may_be_cancelled)
{
    int status = 0;
    void *value = NULL;
    int err;

    if (!u->submitted) {
        CHECK_EQ(pawl_future_state(&u->task.future), PAWL_FUTURE_PENDING);
        CHECK_EQ(atomic_load(&u->runs), 0);
        return;
    }
    err = pawl_future_result(&u->task.future, &status, &value);
    if (err == 0) {
        CHECK_EQ(status, 3);
        CHECK(value == u);
        CHECK_EQ(u->payload, 8);
        CHECK_EQ(atomic_load(&u->runs), 1);
    } else {
        CHECK_ERR(err, -ECANCELED);
        CHECK(may_be_cancelled);
        CHECK_EQ(atomic_load(&u->runs), 0);
    }
    CHECK_OK(pawl_task_settle(&u->task));
}

static void submit_and_cancel(struct member *me)
{
    struct rig *r = me->rig;
    struct unit *units = r->units[me->index];
    int done = 0;

    for (int i = 0; i < TASKS; i++) {
        int err;

        if (r->ends && test_rand_below(&me->random, 40) == 0)
            CHECK_OK(pawl_pool_shutdown(r->pool, r->cancels));
        err = test_rand_below(&me->random, 2) == 0
                  ? pawl_pool_submit(r->pool, &units[i].task)
                  : pawl_pool_submit_until(r->pool, &units[i].task,
                                           team_soon(me, 100));
        units[i].submitted = err == 0;
        if (err == -ESHUTDOWN)
            CHECK(r->ends);
        else
            CHECK(err == 0 || err == -ETIMEDOUT);
        if (err == 0 && test_rand_below(&me->random, 4) == 0)
            (void)pawl_future_cancel(&units[i].task.future);
        if (test_rand_below(&me->random, 8) == 0)
            for (; done <= i; done++) {
                check_unit(&units[done], true);
                memset(&units[done].task, 0xa5, sizeof units[done].task);
            }
        if (test_rand_below(&me->random, 64) == 0) {
            int drained = pawl_pool_drain_until(r->pool, team_soon(me, 200));

            CHECK(drained == 0 || drained == -ETIMEDOUT);
        }
    }
    for (; done < TASKS; done++)
        check_unit(&units[done], true);
}

static void race(int workers, size_t capacity, bool ends, bool cancels)
{
    struct rig *r = calloc(1, sizeof *r);

    CHECK(r != NULL);
    r->ends = ends;
    r->cancels = cancels;
    CHECK_OK(
        pawl_pool_create(&r->pool, &(pawl_pool_options){.max_workers = workers,
                                                        .capacity = capacity,
                                                        .idle_ns = 200000,
                                                        .helps = true}));
    for (int m = 0; m < MEMBERS; m++)
        for (int i = 0; i < TASKS; i++) {
            unit_make(&r->units[m][i], r);
            if ((m + i) % 4 != 0)
                continue;
            r->units[m][i].inner = r->inner[m][i];
            for (int k = 0; k < NESTED; k++)
                unit_make(&r->inner[m][i][k], r);
        }
    team_of_threads(MEMBERS, submit_and_cancel, r);
    CHECK_OK(pawl_pool_end(r->pool));
    for (int m = 0; m < MEMBERS; m++)
        for (int i = 0; i < TASKS; i++)
            for (int k = 0; k < NESTED; k++)
                if (r->units[m][i].inner != NULL)
                    check_unit(&r->inner[m][i][k], cancels);
    free(r);
}

/* Invariant (16.3, 9): each task that was accepted runs once or is cancelled, and
 * everybody learns which; after it has settled its memory is not touched; no call
 * hangs.  With one worker to six, bounded or not, shut down or not. */
TEST(pool_stress.each_task_has_one_outcome)
{
    int rounds = test_iterations(400);
    uint64_t random = test_seed(77);

    for (int i = 0; i < rounds; i++) {
        int workers = 1 + (int)test_rand_below(&random, 6);
        size_t capacity = test_rand_below(&random, 10); /* 0: any */

        race(workers, capacity, i % 3 != 0, i % 3 == 2);
    }
}

/* ---- one wake is not lost -------------------------------------------------------- */

struct chat {
    pawl_pool *pool;
    int rounds;
};

static int nothing(pawl_task *t, void *arg)
{
    (void)t;
    (void)arg;
    return 0;
}

static void talk(struct member *me)
{
    struct chat *c = me->rig;

    for (int i = 0; i < c->rounds; i++) {
        pawl_task t[3];
        int n = 1 + (int)test_rand_below(&me->random, 3);

        for (int k = 0; k < n; k++)
            pawl_task_init(&t[k], nothing, NULL);
        CHECK_EQ(pawl_pool_submit_many(c->pool, t, (size_t)n), n);
        if (test_rand_below(&me->random, 16) == 0)
            sched_yield();
        for (int k = 0; k < n; k++)
            CHECK_OK(pawl_future_result(&t[k].future, NULL, NULL));
    }
}

/* Invariant: a task is begun without another submit coming to its help. */
TEST(pool_stress.no_task_is_left_in_line)
{
    for (int members = 1; members <= 3; members++)
        for (int workers = 1; workers <= 3; workers++) {
            struct chat c = {.rounds = test_iterations(10000)};

            CHECK_OK(pawl_pool_create(
                &c.pool, &(pawl_pool_options){.max_workers = workers}));
            team_of_threads(members, talk, &c);
            CHECK_OK(pawl_pool_end(c.pool));
        }
}

/* ---- ends from all sides ----------------------------------------------------------- */

struct siege {
    pawl_pool *pool;
    _Atomic int ran;
    _Atomic int refused;
};

static int count(pawl_task *t, void *arg)
{
    struct siege *s = arg;

    (void)t;
    atomic_fetch_add(&s->ran, 1);
    if (atomic_load(&s->ran) % 50 == 0)
        CHECK_OK(pawl_pool_shutdown(s->pool, false));
    return 0;
}

static void besiege(struct member *me)
{
    struct siege *s = me->rig;
    int accepted = 0;

    for (int i = 0; i < 30; i++) {
        int err = pawl_pool_call(s->pool, count, s, NULL);

        if (err == 0)
            accepted++;
        else
            CHECK_ERR(err, -ESHUTDOWN);
    }
    CHECK_OK(pawl_pool_shutdown(s->pool, false));
    CHECK_OK(pawl_pool_join(s->pool));
    atomic_fetch_add(&s->refused, 30 - accepted);
    CHECK_ERR(pawl_pool_call(s->pool, count, s, NULL), -ESHUTDOWN);
}

/* Invariant: what was accepted has run when join returns, to whomever; tasks shut
 * it down too. */
TEST(pool_stress.shutdown_from_all_sides_loses_nothing)
{
    int rounds = test_iterations(1000);

    for (int i = 0; i < rounds; i++) {
        struct siege s = {.ran = 0};

        CHECK_OK(pawl_pool_create(
            &s.pool, &(pawl_pool_options){.max_workers = 1 + i % 4}));
        team_of_threads(4, besiege, &s);
        CHECK_EQ(atomic_load(&s.ran) + atomic_load(&s.refused), 4 * 30);
        CHECK_OK(pawl_pool_free(s.pool));
    }
}

static int count_run(pawl_task *t, void *ran)
{
    (void)t;
    atomic_fetch_add((_Atomic int *)ran, 1);
    return 0;
}

/* Invariant: who drains returns, whichever worker falls asleep last, and whichever
 * of them was looking for a task. */
TEST(pool_stress.drain_comes_to_its_end)
{
    pawl_pool_options o = {.max_workers = 3, .prestart = 2};
    int rounds = test_iterations(1500);
    _Atomic int ran = 0;

    (void)pawl_thread_cache(0); /* new threads come late */

    for (int i = 0; i < rounds; i++) {
        pawl_pool *pool = NULL;
        pawl_task t[6];

        CHECK_OK(pawl_pool_create(&pool, &o));
        for (int k = 0; k < 6; k++) {
            pawl_task_init(&t[k], count_run, &ran);
            CHECK_OK(pawl_pool_submit(pool, &t[k]));
        }
        CHECK_OK(pawl_pool_drain(pool));
        CHECK_EQ(atomic_load(&ran), 6 * (i + 1));
        CHECK_OK(pawl_pool_end(pool));
    }
}
