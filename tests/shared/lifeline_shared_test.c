/* SPDX-License-Identifier: MIT
 *
 * lifeline_shared_test.c - R-10: the death of processes, however they die; and
 * of those that only look dead.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl/error.h>

#include "participants.h"

struct scene {
    participants *table;
    atomic_int id;       /* the child's */
    atomic_llong killed; /* when */
    int pipe[2];
};

static struct scene *scene_make(uint32_t slots)
{
    struct scene *s = test_shared_alloc(sizeof *s);

    s->table = participants_make(slots);
    CHECK_EQ(pipe2(s->pipe, O_CLOEXEC), 0);
    return s;
}

static void join_and_wait(void *arg)
{
    struct scene *s = arg;

    atomic_store(&s->id, (int)joined(s->table));
    for (;;)
        pause();
}

static uint32_t id_of_child(struct scene *s)
{
    while (atomic_load(&s->id) == 0)
        sched_yield();
    return (uint32_t)atomic_load(&s->id);
}

static void kill_child(pid_t pid)
{
    kill(pid, SIGKILL);
    CHECK(WIFSIGNALED(test_reap_child(pid)));
}

TEST(lifeline_shared.a_killed_process_is_dead_and_its_slot_free)
{
    struct scene *s = scene_make(2);
    uint32_t before = 0;

    joined(s->table);
    for (int i = 0; i < 50; i++) {
        pid_t pid;
        uint32_t id;

        atomic_store(&s->id, 0);
        pid = test_spawn_child(join_and_wait, s);
        id = id_of_child(s);
        CHECK(id != before);
        CHECK(pawl_participant_alive(s->table, id));
        CHECK(before == 0 || !pawl_participant_alive(s->table, before));
        kill_child(pid);
        CHECK(!pawl_participant_alive(s->table, id));
        before = id;
    }
}

TEST(lifeline_shared.a_stopped_process_is_alive)
{
    struct scene *s = scene_make(2);
    pid_t pid = test_spawn_child(join_and_wait, s);
    uint32_t id = id_of_child(s);
    siginfo_t info;

    kill(pid, SIGSTOP);
    CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WSTOPPED), 0);
    CHECK(pawl_participant_alive(s->table, id));
    CHECK_EQ(pawl_participants_recover(s->table), 0);
    CHECK(pawl_participant_alive(s->table, id));
    kill_child(pid);
    CHECK(!pawl_participant_alive(s->table, id));
    CHECK_EQ(pawl_participants_recover(s->table), 1);
}

static void join_and_exec(void *arg)
{
    struct scene *s = arg;

    atomic_store(&s->id, (int)joined(s->table));
    /* Reads what never comes; the pipe's other end is ours alone. */
    dup2(s->pipe[0], STDIN_FILENO);
    execlp("cat", "cat", (char *)NULL);
    _exit(1);
}

TEST(lifeline_shared.who_becomes_another_program_is_dead)
{
    struct scene *s = scene_make(2);
    int told[2];
    char byte;
    pid_t pid;

    CHECK_EQ(pipe2(told, O_CLOEXEC), 0);
    pid = test_spawn_child(join_and_exec, s);
    close(told[1]);
    CHECK_EQ(read(told[0], &byte, 1), 0); /* closed by the exec */
    /* The kernel closes it after it has marked the lifelines. */
    CHECK(!pawl_participant_alive(s->table, id_of_child(s)));
    close(s->pipe[1]);
    test_wait_child(pid);
}

static void be_another(void *arg)
{
    struct scene *s = arg;
    uint32_t parent = (uint32_t)atomic_load(&s->id);

    CHECK(pawl_participant_alive(s->table, parent));
    CHECK_ERR(pawl_participants_leave(s->table), -ENOENT);
    CHECK(joined(s->table) != parent);
    CHECK(pawl_participant_alive(s->table, parent));
    CHECK_EQ(pawl_participants_living(s->table), 2);
}

TEST(lifeline_shared.the_child_of_a_fork_is_another_participant)
{
    struct scene *s = scene_make(2);

    atomic_store(&s->id, (int)joined(s->table));
    for (int i = 0; i < 5; i++) {
        test_wait_child(test_spawn_child(be_another, s));
        CHECK(pawl_participant_alive(s->table, (uint32_t)atomic_load(&s->id)));
        CHECK_EQ(joined(s->table), (uint32_t)atomic_load(&s->id));
    }
}

/* ---- how long until the others know --------------------------------------- */

enum { WATCHERS = 3, KILLS = 30 };

struct watching {
    struct scene *s;
    atomic_int round;
    atomic_llong seen[WATCHERS]; /* in microseconds after the kill */
};

struct watcher {
    struct watching *w;
    int me;
};

static void watch_deaths(void *arg)
{
    struct watcher *me = arg;
    struct watching *w = me->w;

    for (int i = 1; i <= KILLS; i++) {
        pawl_u32 never = {0};
        struct pawl_watch watch[2] = {{.word = &never, .shared = true}};
        uint32_t id;

        while (atomic_load(&w->round) < i)
            sched_yield();
        id = (uint32_t)atomic_load(&w->s->id);
        while (pawl_participant_watch(w->s->table, id, &watch[1]) == 0)
            CHECK(pawl_futex_wait_any(watch, 2, pawl_after_s(30)) !=
                  -ETIMEDOUT);
        pawl_participant_buried(w->s->table, id);
        atomic_store(&w->seen[me->me],
                     (pawl_now() - atomic_load(&w->s->killed)) / 1000);
    }
}

static int by_value(const void *a, const void *b)
{
    long long x = *(const long long *)a;
    long long y = *(const long long *)b;

    return x < y ? -1 : x > y;
}

TEST(lifeline_shared.death_wakes_the_watchers_of_other_processes)
{
    struct scene *s = scene_make(2);
    struct watching *w = test_shared_alloc(sizeof *w);
    struct watcher me[WATCHERS];
    pid_t watchers[WATCHERS];
    long long took[KILLS];

    if (!can_watch_two())
        TEST_SKIP("no futex_waitv");
    w->s = s;
    for (int i = 0; i < WATCHERS; i++) {
        me[i] = (struct watcher){w, i};
        watchers[i] = test_spawn_child(watch_deaths, &me[i]);
    }
    for (int i = 1; i <= KILLS; i++) {
        pid_t pid;

        atomic_store(&s->id, 0);
        pid = test_spawn_child(join_and_wait, s);
        id_of_child(s);
        for (int k = 0; k < WATCHERS; k++)
            atomic_store(&w->seen[k], -1);
        atomic_store(&w->round, i);
        for (int k = 0; k < WATCHERS; k++)
            test_until_asleep(watchers[k]);
        atomic_store(&s->killed, pawl_now());
        kill(pid, SIGKILL);
        took[i - 1] = 0;
        for (int k = 0; k < WATCHERS; k++) {
            while (atomic_load(&w->seen[k]) < 0)
                sched_yield();
            if (atomic_load(&w->seen[k]) > took[i - 1])
                took[i - 1] = atomic_load(&w->seen[k]);
        }
        test_reap_child(pid);
    }
    for (int i = 0; i < WATCHERS; i++)
        test_wait_child(watchers[i]);
    qsort(took, KILLS, sizeof *took, by_value);
    test_note("all of %d watchers knew after %lld us (median), %lld us (most)",
              WATCHERS, took[KILLS / 2], took[KILLS - 1]);
}

/* ---- killed at any moment ---------------------------------------------------- */

static void hop(void *arg)
{
    struct scene *s = arg;

    for (;;) {
        joined(s->table);
        CHECK_OK(pawl_participants_leave(s->table));
    }
}

TEST(lifeline_shared.no_kill_costs_a_slot)
{
    enum { HOPPERS = 3, SLOTS = 4 };
    struct scene *s = scene_make(SLOTS);
    uint64_t random = test_seed(0);
    pid_t pid[HOPPERS];

    TEST_TIMEOUT(120);
    for (int i = 0; i < HOPPERS; i++)
        pid[i] = test_spawn_child(hop, s);
    for (int i = 0; i < test_iterations(300); i++) {
        int k = (int)test_rand_below(&random, HOPPERS);

        test_random_moment(&random, 500);
        kill_child(pid[k]);
        pid[k] = test_spawn_child(hop, s);
    }
    for (int k = 0; k < HOPPERS; k++)
        kill_child(pid[k]);
    CHECK_EQ(pawl_participants_living(s->table), 0);
    for (int k = 0; k < SLOTS; k++) {
        atomic_store(&s->id, 0);
        test_spawn_child(join_and_wait, s);
        id_of_child(s);
    }
    CHECK_EQ(pawl_participants_living(s->table), SLOTS);
    CHECK_ERR(pawl_participants_join(s->table), -EAGAIN);
}
