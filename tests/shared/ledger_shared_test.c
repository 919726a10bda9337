/* SPDX-License-Identifier: MIT
 *
 * ledger_shared_test.c - S-10: permits held by processes that are killed, or stopped.
 */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include <pawl/error.h>
#include <pawl/ledger.h>
#include <pawl/region.h>

#include "test.h"

enum { PERMITS = 2, WORKERS = 4 };

struct scene {
    pawl_region *region;
    pawl_ledger *ledger;
    atomic_int holding;
    atomic_uint inside; /* a bit for each worker that says that it holds one */
    atomic_uint acquired;
};

static struct scene *make(void)
{
    struct scene *s = test_shared_alloc(sizeof *s);
    size_t bytes;
    void *memory;

    CHECK_OK(
        pawl_region_create(&s->region, &(pawl_region_options){.buffer = 4096}));
    memory = pawl_region_buffer(s->region, &bytes);
    CHECK_OK(pawl_ledger_init(&s->ledger, memory, bytes, PERMITS));
    return s;
}

static void hold(void *arg)
{
    struct scene *s = arg;

    CHECK(pawl_ledger_acquire(s->ledger, s->region) == 0);
    atomic_fetch_add(&s->holding, 1);
    for (;;)
        sched_yield();
}

static void acquire_of_the_dead(void *arg)
{
    struct scene *s = arg;

    CHECK_ERR(pawl_ledger_acquire(s->ledger, s->region), -EOWNERDEAD);
}

TEST(ledger_shared.a_death_ends_the_wait)
{
    struct scene *s = make();
    pid_t holder[PERMITS];
    pid_t waiter;
    int status;

    for (int i = 0; i < PERMITS; i++)
        holder[i] = test_spawn_child(hold, s);
    while (atomic_load(&s->holding) < PERMITS)
        sched_yield();
    /* Stopped is not dead. */
    kill(holder[1], SIGSTOP);
    CHECK_EQ(waitpid(holder[1], &status, WUNTRACED), holder[1]);
    CHECK_ERR(pawl_ledger_try_acquire(s->ledger, s->region), -EAGAIN);
    waiter = test_spawn_child(acquire_of_the_dead, s);
    test_until_asleep(waiter);
    kill(holder[0], SIGKILL);
    test_wait_child(waiter);
    CHECK_EQ(pawl_ledger_value(s->ledger, s->region), 1);
    kill(holder[1], SIGKILL);
    test_reap_child(holder[1]);
    CHECK_EQ(pawl_ledger_value(s->ledger, s->region), 2);
}

/* ---- a storm ---------------------------------------------------------------------- */

struct worker {
    struct scene *s;
    int place;
};

static void work(void *arg)
{
    struct worker *w = arg;
    struct scene *s = w->s;

    for (;;) {
        uint32_t others;
        int err = pawl_ledger_acquire(s->ledger, s->region);

        CHECK(err == 0 || err == -EOWNERDEAD);
        others = atomic_fetch_or(&s->inside, 1u << w->place);
        /* S-02: never more than there are. */
        CHECK(__builtin_popcount(others) < PERMITS);
        atomic_fetch_add(&s->acquired, 1);
        atomic_fetch_and(&s->inside, ~(1u << w->place));
        CHECK_OK(pawl_ledger_release(s->ledger, s->region));
    }
}

/* Stopped first, so that the mark goes while the permit is still held. */
static void end_worker(struct scene *s, int i, pid_t pid)
{
    int status;

    kill(pid, SIGSTOP);
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFSTOPPED(status));
    atomic_fetch_and(&s->inside, ~(1u << i));
    kill(pid, SIGKILL);
    CHECK(WIFSIGNALED(test_reap_child(pid)));
}

TEST(ledger_shared.a_storm_of_kills_loses_no_permit)
{
    struct scene *s = make();
    struct worker w[WORKERS];
    pid_t pid[WORKERS];
    uint64_t random = test_seed(1);
    uint32_t before;

    for (int i = 0; i < WORKERS; i++) {
        w[i] = (struct worker){s, i};
        pid[i] = test_spawn_child(work, &w[i]);
    }
    for (int n = test_iterations(100); n > 0; n--) {
        int i = (int)test_rand_below(&random, WORKERS);

        before = atomic_load(&s->acquired);
        while (atomic_load(&s->acquired) == before)
            test_random_moment(&random, 100);
        test_random_moment(&random, 500);
        end_worker(s, i, pid[i]);
        pid[i] = test_spawn_child(work, &w[i]);
    }
    for (int i = 0; i < WORKERS; i++)
        end_worker(s, i, pid[i]);
    CHECK_EQ(pawl_ledger_value(s->ledger, s->region), PERMITS);
    for (int i = 0; i < PERMITS; i++) {
        int err = pawl_ledger_try_acquire(s->ledger, s->region);

        CHECK(err == 0 || err == -EOWNERDEAD);
    }
    CHECK_ERR(pawl_ledger_try_acquire(s->ledger, s->region), -EAGAIN);
}
