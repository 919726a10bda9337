/* SPDX-License-Identifier: MIT
 *
 * parties_shared_test.c - B-13: a party of another process is killed, or stopped.
 */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include <pawl/error.h>
#include <pawl/parties.h>

#include "test.h"

struct scene {
    pawl_region *region;
    pawl_parties *parties;
    atomic_int stage;
};

static struct scene *make(size_t n)
{
    struct scene *s = test_shared_alloc(sizeof *s);
    size_t bytes;
    void *memory;

    CHECK_OK(
        pawl_region_create(&s->region, &(pawl_region_options){.buffer = 4096}));
    memory = pawl_region_buffer(s->region, &bytes);
    CHECK_OK(pawl_parties_init(&s->parties, memory, bytes, n));
    return s;
}

static void wait_in_vain(void *arg)
{
    struct scene *s = arg;

    CHECK_ERR(pawl_parties_wait(s->parties, s->region), -ECANCELED);
}

TEST(parties_shared.killed_while_waiting_ends_the_others_wait)
{
    struct scene *s = make(3);
    pid_t victim = test_spawn_child(wait_in_vain, s);
    pid_t other;

    test_until_asleep(victim);
    other = test_spawn_child(wait_in_vain, s);
    test_until_asleep(other);
    kill(victim, SIGKILL);
    test_reap_child(victim);
    test_wait_child(other);
    CHECK_EQ(pawl_barrier_reason(pawl_parties_barrier(s->parties)),
             -EOWNERDEAD);
}

static void pass_and_stay(void *arg)
{
    struct scene *s = arg;

    CHECK(pawl_parties_wait(s->parties, s->region) >= 0);
    atomic_fetch_add(&s->stage, 1);
    while (atomic_load(&s->stage) < 2)
        sched_yield();
    CHECK(pawl_parties_wait(s->parties, s->region) >= 0);
}

static void pass_twice(void *arg)
{
    struct scene *s = arg;

    for (int i = 0; i < 2; i++)
        CHECK(pawl_parties_wait(s->parties, s->region) >= 0);
}

TEST(parties_shared.stopped_is_waited_for)
{
    struct scene *s = make(2);
    pid_t slow = test_spawn_child(pass_and_stay, s);
    pid_t other = test_spawn_child(pass_twice, s);
    int status;

    while (atomic_load(&s->stage) < 1)
        sched_yield();
    kill(slow, SIGSTOP);
    CHECK_EQ(waitpid(slow, &status, WUNTRACED), slow);
    test_until_asleep(other);
    CHECK(!pawl_barrier_broken(pawl_parties_barrier(s->parties)));
    atomic_store(&s->stage, 2);
    kill(slow, SIGCONT);
    test_wait_child(slow);
    test_wait_child(other);
}

TEST(parties_shared.killed_between_two_waits_breaks_the_second)
{
    struct scene *s = make(2);
    pid_t victim = test_spawn_child(pass_and_stay, s);

    CHECK(pawl_parties_wait(s->parties, s->region) >= 0);
    while (atomic_load(&s->stage) < 1)
        sched_yield();
    kill(victim, SIGKILL);
    test_reap_child(victim);
    CHECK_ERR(pawl_parties_wait(s->parties, s->region), -ECANCELED);
}
