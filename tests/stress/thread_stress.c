/* SPDX-License-Identifier: MIT
 *
 * thread_stress.c - many threads that start, join, name, stop and list others.
 *
 * In the end everybody who was started has ended, every join has told what the
 * function returned, and nothing is left: no thread, no memory, no descriptor.
 */
#include <dirent.h>
#include <malloc.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pawl.h>

#include "team.h"
#include "test.h"

static int entries(const char *path)
{
    DIR *d = opendir(path);
    int n = 0;

    CHECK(d != NULL);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n - 3; /* ., .., and of descriptors the one for the folder */
}

static size_t memory_used(void)
{
    return mallinfo2().uordblks;
}

static _Atomic int ran;

static int count(void *arg)
{
    atomic_fetch_add(&ran, 1);
    return (int)(intptr_t)arg;
}

static void start_and_join_one(int i, bool no_cache)
{
    pawl_thread_options o = {.size = sizeof o, .no_cache = no_cache};
    pawl_thread t;
    int status;

    CHECK_OK(pawl_thread_init(&t, count, (void *)(intptr_t)i, &o));
    CHECK_OK(pawl_thread_start(&t));
    CHECK_OK(pawl_thread_join(&t, &status));
    CHECK_EQ(status, i);
}

static void start_some_of_each(int n)
{
    for (int i = 0; i < n; i++) {
        start_and_join_one(i, i % 16 == 0);
        if (i % 8 == 0)
            CHECK_OK(pawl_thread_start_detached(count, NULL, NULL, NULL));
    }
}

/* After 100 000 starts: no thread, no descriptor, no memory more than after the
 * first few. */
TEST(thread.starts_leave_nothing_behind)
{
    int n = test_iterations(100000);
    int tasks;
    int fds;
    size_t memory;

    TEST_TIMEOUT(240);
    start_and_join_one(0, true); /* a sanitizer starts others beside the first */
    tasks = entries("/proc/self/task");
    start_some_of_each(200);
    fds = entries("/proc/self/fd");
    memory = memory_used();
    start_some_of_each(n);
    while (pawl_thread_active_count() > 1)
        sched_yield();
    CHECK_EQ(pawl_thread_active_count(), 1);
    CHECK_EQ(entries("/proc/self/fd"), fds);
    pawl_thread_cache(0);
    while (entries("/proc/self/task") > tasks)
        sched_yield();
    /* Those that have ended and wait for a grace period: 32 at most; and the
     * caches of libc. */
    CHECK(memory_used() < memory + 200000);
    CHECK_EQ(atomic_load(&ran), 1 + 200 + 25 + n + (n + 7) / 8);
}

/* -- All at once ------------------------------------------------------------- */

enum { SLOTS = 12 };

struct rig {
    struct slot {
        pawl_mutex lock; /* of whoever uses the rest */
        pawl_thread thread;
        int want;    /* its status */
        bool exists; /* and has to be joined */
    } slots[SLOTS];
    _Atomic int started;
    _Atomic int ended;
    pawl_event never;
};

struct job {
    struct rig *rig;
    int status;
    bool waits; /* until it is stopped */
};

static int work(void *arg)
{
    const struct job *job = arg;

    if (job->waits)
        CHECK_ERR(PAWL_INTERRUPTIBLE(pawl_event_wait(&job->rig->never)),
                  -ECANCELED);
    atomic_fetch_add(&job->rig->ended, 1);
    return job->status;
}

static void end_slot(struct member *me, struct slot *s)
{
    int status = -1;

    CHECK_OK(pawl_thread_request_stop(&s->thread));
    if (test_rand_below(&me->random, 2) == 0)
        while (pawl_thread_is_alive(&s->thread))
            (void)!pawl_thread_join_until(&s->thread, team_soon(me, 200), NULL);
    CHECK_OK(pawl_thread_join(&s->thread, &status));
    CHECK_EQ(status, s->want);
    s->exists = false;
    memset(&s->thread, 0xee, sizeof s->thread); /* nobody may touch it */
}

static void begin_slot(struct member *me, struct rig *r, struct slot *s)
{
    struct job job = {.rig = r,
                      .status = (int)test_rand_below(&me->random, 1000),
                      .waits = test_rand_below(&me->random, 2) == 0};
    pawl_thread_options o = {.size = sizeof o,
                             .copy = sizeof job,
                             .no_cache = test_rand_below(&me->random, 8) == 0};

    s->want = job.status;
    CHECK_OK(pawl_thread_init(&s->thread, work, &job, &o));
    CHECK_OK(pawl_thread_start(&s->thread));
    atomic_fetch_add(&r->started, 1);
    s->exists = true;
}

static void look_around(void)
{
    pawl_thread_info infos[4 * SLOTS];
    size_t n = pawl_thread_enumerate(infos, 4 * SLOTS);

    CHECK(n >= 1);
    for (size_t i = 0; i < n && i < 4 * SLOTS; i++) {
        CHECK(infos[i].serial != 0);
        CHECK(infos[i].name[0] != '\0');
        for (size_t k = 0; k < i; k++)
            CHECK(infos[i].serial != infos[k].serial);
    }
}

static void use_a_slot(struct member *me)
{
    struct rig *r = me->rig;

    for (int i = 0; i < test_iterations(4000); i++) {
        struct slot *s = &r->slots[test_rand_below(&me->random, SLOTS)];

        if (pawl_mutex_try_lock(&s->lock) != 0)
            continue;
        if (!s->exists)
            begin_slot(me, r, s);
        else if (test_rand_below(&me->random, 4) == 0)
            CHECK_OK(pawl_thread_set_name(&s->thread, "renamed"));
        else
            end_slot(me, s);
        CHECK_OK(pawl_mutex_unlock(&s->lock));
        if (test_rand_below(&me->random, 16) == 0)
            look_around();
        if (test_rand_below(&me->random, 256) == 0)
            pawl_thread_cache(test_rand_below(&me->random, 2) * 5);
    }
}

TEST(thread.every_start_is_an_end_and_a_status)
{
    struct rig *r = calloc(1, sizeof *r);
    struct member last = {.random = test_seed(99)};

    TEST_TIMEOUT(240);
    CHECK(r != NULL);
    team_of_threads(6, use_a_slot, r);
    for (int i = 0; i < SLOTS; i++)
        if (r->slots[i].exists)
            end_slot(&last, &r->slots[i]);
    CHECK_EQ(atomic_load(&r->started), atomic_load(&r->ended));
    CHECK_EQ(pawl_thread_active_count(), 1);
    free(r);
}
