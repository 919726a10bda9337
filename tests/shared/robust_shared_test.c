/* SPDX-License-Identifier: MIT
 *
 * robust_shared_test.c - R-10: the lock of src/futex/robust.h between processes
 * that are killed, or stopped.
 */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl/error.h>

#include "futex/robust.h"
#include "participants.h"

struct scene {
    participants *table;
    pawl_u32 word;
    atomic_int holding; /* a child holds the lock */
    atomic_int result;  /* of the waiter; 1: none yet */
    long a;             /* under the lock these two are equal */
    long b;
    atomic_long done;
    atomic_long repaired;
};

static struct scene *scene_make(uint32_t slots)
{
    struct scene *s = test_shared_alloc(sizeof *s);

    s->table = participants_make(slots);
    atomic_store(&s->result, 1);
    return s;
}

static int lock(struct scene *s)
{
    return pawl_robust_lock(s->table, &s->word, joined(s->table));
}

static void hold(void *arg)
{
    struct scene *s = arg;

    CHECK_OK(lock(s));
    atomic_store(&s->holding, 1);
    for (;;)
        pause();
}

static pid_t holder_of(struct scene *s)
{
    pid_t pid;

    atomic_store(&s->holding, 0);
    pid = test_spawn_child(hold, s);
    while (atomic_load(&s->holding) == 0)
        sched_yield();
    return pid;
}

static void wait_for_it(void *arg)
{
    struct scene *s = arg;

    atomic_store(&s->result, lock(s));
    pawl_robust_unlock(&s->word);
}

static pid_t waiter_of(struct scene *s)
{
    pid_t pid;

    atomic_store(&s->result, 1);
    pid = test_spawn_child(wait_for_it, s);
    test_until_asleep(pid);
    return pid;
}

static void kill_child(pid_t pid)
{
    kill(pid, SIGKILL);
    CHECK(WIFSIGNALED(test_reap_child(pid)));
}

TEST(robust_shared.of_a_killed_holder_the_one_that_waits_is_told)
{
    struct scene *s = scene_make(3);

    for (int i = 0; i < 20; i++) {
        pid_t holder = holder_of(s);
        pid_t waiter = waiter_of(s);

        kill_child(holder);
        test_wait_child(waiter);
        CHECK_ERR(atomic_load(&s->result), -EOWNERDEAD);
        CHECK_OK(lock(s));
        pawl_robust_unlock(&s->word);
    }
}

/* How often it has gone to sleep so far. */
static long sleeps_of(pid_t pid)
{
    char path[64];
    char line[256];
    long n = -1;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    f = fopen(path, "r");
    CHECK(f != NULL);
    while (n < 0 && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) != 1)
            n = -1;
    fclose(f);
    CHECK(n >= 0);
    return n;
}

TEST(robust_shared.a_stopped_holder_holds_it)
{
    struct scene *s = scene_make(3);
    pid_t holder = holder_of(s);
    siginfo_t info;
    pid_t waiter;
    long before;

    kill(holder, SIGSTOP);
    CHECK_EQ(waitid(P_PID, (id_t)holder, &info, WSTOPPED), 0);
    waiter = waiter_of(s);
    /* It looks, and sleeps again: too short a look to see it awake. */
    before = sleeps_of(waiter);
    while (sleeps_of(waiter) < before + 3)
        sched_yield();
    test_until_asleep(waiter);
    CHECK_EQ(atomic_load(&s->result), 1);
    kill_child(holder);
    test_wait_child(waiter);
    CHECK_ERR(atomic_load(&s->result), -EOWNERDEAD);
}

TEST(robust_shared.a_killed_waiter_leaves_the_lock_to_others)
{
    struct scene *s = scene_make(4);
    pid_t waiter[2];

    CHECK_OK(lock(s));
    waiter[0] = waiter_of(s);
    waiter[1] = waiter_of(s);
    kill_child(waiter[0]);
    pawl_robust_unlock(&s->word);
    test_wait_child(waiter[1]);
    CHECK_OK(atomic_load(&s->result));
}

/* ---- killed at any moment ---------------------------------------------------- */

enum { WORKERS = 3, PAUSE = 40 };

static void work(void *arg)
{
    struct scene *s = arg;

    for (;;) {
        if (lock(s) == -EOWNERDEAD) {
            atomic_fetch_add(&s->repaired, 1);
            s->b = s->a;
        }
        CHECK_EQ(s->a, s->b);
        s->a++;
        for (volatile int i = 0; i < PAUSE; i++)
            ;
        s->b++;
        atomic_fetch_add(&s->done, 1);
        pawl_robust_unlock(&s->word);
    }
}

TEST(robust_shared.every_kill_in_the_middle_is_told)
{
    struct scene *s = scene_make(WORKERS + 1);
    uint64_t random = test_seed(0);
    int kills = test_iterations(300);
    pid_t pid[WORKERS];

    TEST_TIMEOUT(120);
    for (int i = 0; i < WORKERS; i++)
        pid[i] = test_spawn_child(work, s);
    for (int i = 0; i < kills; i++) {
        int k = (int)test_rand_below(&random, WORKERS);
        long before = atomic_load(&s->done);

        test_random_moment(&random, 500);
        kill_child(pid[k]);
        pid[k] = test_spawn_child(work, s);
        /* Somebody goes on. */
        while (atomic_load(&s->done) == before)
            sched_yield();
    }
    for (int i = 0; i < WORKERS; i++)
        kill_child(pid[i]);
    if (lock(s) == -EOWNERDEAD)
        s->b = s->a;
    CHECK_EQ(s->a, s->b);
    /* A kill between the steps is counted in `a` only. */
    CHECK(s->a >= atomic_load(&s->done));
    CHECK(s->a <= atomic_load(&s->done) + kills + WORKERS);
    CHECK(atomic_load(&s->repaired) <= kills);
    test_note("%d kills, %ld of them of the holder", kills,
              atomic_load(&s->repaired));
    pawl_robust_unlock(&s->word);
}
