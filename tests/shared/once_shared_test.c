/* SPDX-License-Identifier: MIT
 *
 * once_shared_test.c - a once between processes, at different addresses.
 */
#include <pawl/error.h>
#include <pawl/once.h>

#include "remap.h"
#include "visitor.h"

enum { TASKS = 2000, FAMILY = 4 };

struct task {
    pawl_once once;
    int failures_left;
    int begun;
    int value;
};

struct scene {
    int rounds;
    atomic_long failed;
    struct task tasks[TASKS];
};

static int do_task(void *arg)
{
    struct task *t = arg;

    t->begun++;
    if (t->begun % 3 == 0)
        sched_yield();
    if (t->failures_left > 0) {
        t->failures_left--;
        return -EIO;
    }
    t->value++;
    return 0;
}

static void do_all(void *object, int me)
{
    struct scene *s = object;
    uint64_t random = test_seed((uint64_t)me);

    for (int i = 0; i < s->rounds; i++) {
        struct task *t = &s->tasks[i];
        int err;

        do {
            pawl_deadline until = test_rand_below(&random, 4) == 0
                                      ? pawl_after_us(20)
                                      : PAWL_FOREVER;

            err = pawl_once_run_until(&t->once, do_task, t, until);
            CHECK(err == 0 || err == -EIO ||
                  (err == -ETIMEDOUT && until != PAWL_FOREVER));
            if (err == -EIO)
                atomic_fetch_add(&s->failed, 1);
        } while (err != 0);
        CHECK(pawl_once_is_done(&t->once));
        CHECK_EQ(t->value, 1);
    }
}

/* Each is done exactly once, after exactly as many failures as asked for; all
 * processes see what was done. */
TEST(once.each_task_succeeds_in_exactly_one_process)
{
    struct family f;
    struct scene *s = family_object(&f, sizeof *s);
    long failures = 0;

    s->rounds = test_iterations(TASKS) < TASKS ? test_iterations(TASKS) : TASKS;
    for (int i = 0; i < s->rounds; i++) {
        CHECK_OK(pawl_once_init(&s->tasks[i].once, PAWL_SHARED));
        s->tasks[i].failures_left = i % 4;
        failures += i % 4;
    }
    family(&f, FAMILY, do_all);
    for (int i = 0; i < s->rounds; i++) {
        CHECK_EQ(s->tasks[i].value, 1);
        CHECK_EQ(s->tasks[i].begun, 1 + i % 4);
    }
    CHECK_EQ(atomic_load(&s->failed), failures);
}

struct slow_scene {
    pawl_once once;
    struct door inside;
    struct door has_looked;
    struct door go;
};

static int stay_inside(void *arg)
{
    struct slow_scene *s = arg;

    for (int i = 0; i < FAMILY; i++)
        door_open(&s->inside); /* for the parent and the others */
    for (int i = 1; i < FAMILY; i++)
        door_pass(&s->has_looked);
    door_pass(&s->go);
    return 0;
}

static int never(void *arg)
{
    (void)arg;
    return -EPERM;
}

static void run_or_wait(void *object, int me)
{
    struct slow_scene *s = object;

    if (me == 0) {
        CHECK_OK(pawl_once_run(&s->once, stay_inside, s));
        return;
    }
    door_pass(&s->inside);
    CHECK_ERR(pawl_once_try_run(&s->once, never, NULL), -EAGAIN);
    CHECK_ERR(pawl_once_run_until(&s->once, never, NULL, pawl_after_ms(2)),
              -ETIMEDOUT);
    door_open(&s->has_looked);
    CHECK_OK(pawl_once_run(&s->once, never, NULL));
}

TEST(once.other_processes_wait_for_the_one_that_runs_it)
{
    struct family f;
    struct slow_scene *s = family_object(&f, sizeof *s);

    CHECK_OK(pawl_once_init(&s->once, PAWL_SHARED));
    door_make(&s->inside);
    door_make(&s->has_looked);
    door_make(&s->go);
    family_begins(&f, FAMILY, run_or_wait);
    door_pass(&s->inside);
    for (int i = 1; i < FAMILY; i++)
        test_until_asleep(f.pids[i]);
    CHECK(!pawl_once_is_done(&s->once));
    door_open(&s->go);
    family_ends(&f);
    CHECK(pawl_once_is_done(&s->once));
}
