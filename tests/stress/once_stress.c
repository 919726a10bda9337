/* SPDX-License-Identifier: MIT
 *
 * once_stress.c - many threads, each of which wants the same thing done.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <pawl/error.h>
#include <pawl/once.h>

#include "crowd.h"

static const unsigned kinds[] = {PAWL_LOCAL, PAWL_SHARED};

enum { THREADS = 5 };

/* What is to be done: plain memory, written once. */
struct task {
    pawl_once once;
    int failures_left; /* inside the once */
    int begun;         /* inside the once */
    int value;         /* inside the once, and read after it */
};

struct scene {
    struct task *tasks;
    int rounds;
    atomic_int line[2]; /* so that all arrive at a task together */
    atomic_long failed;
    atomic_long died;
};

static int do_task(void *arg)
{
    struct task *t = arg;

    t->begun++;
    if (t->begun % 3 == 0)
        sched_yield(); /* long enough to make others sleep */
    if (t->failures_left > 0) {
        t->failures_left--;
        return -EIO;
    }
    t->value++;
    return 0;
}

/* In any of the three forms, until it is done. */
static void get_done(struct scene *s, struct task *t, uint64_t *random)
{
    int err;

    do {
        switch (test_rand_below(random, 4)) {
        case 0:
            err = pawl_once_try_run(&t->once, do_task, t);
            CHECK(err == 0 || err == -EAGAIN || err == -EIO);
            break;
        case 1:
            err = pawl_once_run_until(&t->once, do_task, t, pawl_after_us(20));
            CHECK(err == 0 || err == -ETIMEDOUT || err == -EIO);
            break;
        default:
            err = pawl_once_run(&t->once, do_task, t);
            CHECK(err == 0 || err == -EIO);
            break;
        }
        if (err == -EIO)
            atomic_fetch_add_explicit(&s->failed, 1, memory_order_relaxed);
    } while (err != 0);
    CHECK(pawl_once_is_done(&t->once));
    CHECK_EQ(t->value, 1); /* seen by everybody */
}

static void arrive(struct scene *s, int round)
{
    atomic_int *line = &s->line[round % 2];

    if (atomic_fetch_add_explicit(line, 1, memory_order_relaxed) ==
        THREADS - 1) {
        atomic_store_explicit(&s->line[(round + 1) % 2], 0,
                              memory_order_relaxed);
        atomic_fetch_add_explicit(line, 1, memory_order_relaxed);
    }
    while (atomic_load_explicit(line, memory_order_relaxed) <= THREADS &&
           atomic_load_explicit(line, memory_order_relaxed) > 0)
        sched_yield();
}

static void do_all(void *scene, int me)
{
    struct scene *s = scene;
    uint64_t random = test_seed((uint64_t)me);

    for (int i = 0; i < s->rounds; i++) {
        if (i % 8 == 0)
            arrive(s, i / 8);
        get_done(s, &s->tasks[i], &random);
    }
}

/* Each is done exactly once, after exactly as many failures as were asked for;
 * each failure is told once; all see what was done. */
TEST(once.each_task_succeeds_exactly_once)
{
    for (int k = 0; k < 2; k++) {
        struct scene s = {.rounds = test_iterations(10000)};
        long failures = 0;

        s.tasks = calloc((size_t)s.rounds, sizeof *s.tasks);
        CHECK(s.tasks != NULL);
        for (int i = 0; i < s.rounds; i++) {
            CHECK_OK(pawl_once_init(&s.tasks[i].once, kinds[k]));
            s.tasks[i].failures_left = i % 4;
            failures += i % 4;
        }
        crowd(THREADS, do_all, &s);
        for (int i = 0; i < s.rounds; i++) {
            CHECK_EQ(s.tasks[i].value, 1);
            CHECK_EQ(s.tasks[i].begun, 1 + i % 4);
        }
        CHECK_EQ(atomic_load(&s.failed), failures);
        free(s.tasks);
    }
}

/* ---- deaths ------------------------------------------------------------- */

static int do_or_die(void *arg)
{
    struct task *t = arg;

    t->begun++;
    if (t->begun % 2 == 0)
        sched_yield();
    if (t->begun <= 3)
        pthread_exit(NULL);
    t->value++;
    return 0;
}

static void run_or_die(void *arg)
{
    struct task *t = arg;

    CHECK_OK(pawl_once_run(&t->once, do_or_die, t));
    CHECK_EQ(t->value, 1);
}

/* Three who run it die; one of the others, asleep or not, runs it then. */
TEST(once.the_death_of_a_runner_lets_another_run)
{
    int rounds = test_iterations(1000);

    for (int i = 0; i < rounds; i++) {
        struct task *t = calloc(1, sizeof *t);
        struct test_thread *threads[THREADS];

        CHECK(t != NULL);
        for (int k = 0; k < THREADS; k++)
            threads[k] = test_thread(run_or_die, t);
        for (int k = 0; k < THREADS; k++)
            test_join(threads[k]);
        CHECK_EQ(t->begun, 4);
        CHECK_EQ(t->value, 1);
        CHECK(pawl_once_is_done(&t->once));
        free(t);
    }
}

/* ---- forks (K-02) ------------------------------------------------------- */

struct forking {
    pawl_once once;
    atomic_bool over;
};

static int stay_a_while(void *random)
{
    loiter(random);
    sched_yield();
    return -EIO; /* so that it is run again and again */
}

static void keep_running(void *scene, int me)
{
    struct forking *f = scene;
    uint64_t random = test_seed((uint64_t)me);

    while (!atomic_load_explicit(&f->over, memory_order_relaxed))
        CHECK_ERR(pawl_once_run(&f->once, stay_a_while, &random), -EIO);
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Whoever ran it or waited for it: the child runs it itself. */
TEST(once.the_child_of_a_fork_runs_what_nobody_runs_there)
{
    struct forking *f = calloc(1, sizeof *f);
    struct crowd c;

    CHECK(f != NULL);
    crowd_begins(&c, 3, keep_running, f);
    for (int i = 0; i < test_iterations(1000); i++) {
        pid_t pid = fork();

        CHECK(pid >= 0);
        if (pid == 0) {
            CHECK_OK(pawl_once_run_until(&f->once, do_nothing, NULL,
                                         pawl_after_s(20)));
            CHECK(pawl_once_is_done(&f->once));
            _exit(0);
        }
        test_wait_child(pid);
    }
    atomic_store(&f->over, true);
    crowd_ends(&c);
    free(f);
}
