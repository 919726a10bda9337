/* SPDX-License-Identifier: MIT
 *
 * thread_cache_test.c - OS threads that are parked and run again: what the next
 * thread finds there, and what not.
 */
#include <fenv.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <pawl/error.h>
#include <pawl/local.h>
#include <pawl/mutex.h>
#include <pawl/rwlock.h>
#include <pawl/thread.h>

#include "test.h"

static const pawl_thread_options no_cache = {.size = sizeof no_cache,
                                             .no_cache = true};

static int run(pawl_thread_fn fn, void *arg, const pawl_thread_options *o,
               uint32_t *tid)
{
    pawl_thread t;
    int status;

    CHECK_OK(pawl_thread_init(&t, fn, arg, o));
    CHECK_OK(pawl_thread_start(&t));
    CHECK_OK(pawl_thread_join(&t, &status));
    if (tid != NULL)
        *tid = pawl_thread_native_id(&t);
    return status;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Whoever has joined a thread finds its OS thread parked. */
TEST(thread_cache.os_thread_runs_the_next_thread)
{
    uint32_t first;
    uint32_t tid;

    run(nothing, NULL, NULL, &first);
    for (int i = 0; i < 200; i++) {
        run(nothing, NULL, NULL, &tid);
        CHECK_EQ(tid, first);
    }
    run(nothing, NULL, &no_cache, &tid);
    CHECK(tid != first);
    run(nothing, NULL, NULL, &tid);
    CHECK_EQ(tid, first);
}

/* Also one that sleeps. */
TEST(thread_cache.sleeping_os_thread_is_woken)
{
    uint32_t first;
    uint32_t tid;

    run(nothing, NULL, NULL, &first);
    for (int i = 0; i < 20; i++) {
        test_until_asleep((pid_t)first);
        run(nothing, NULL, NULL, &tid);
        CHECK_EQ(tid, first);
    }
}

static bool exists(uint32_t tid)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/task/%u", (unsigned)tid);
    return access(path, F_OK) == 0;
}

static void until_gone(uint32_t tid)
{
    while (exists(tid))
        sched_yield();
}

/* The opt-out of the process. */
TEST(thread_cache.limit_of_zero_ends_what_is_parked)
{
    uint32_t first;
    uint32_t tid;

    run(nothing, NULL, NULL, &first);
    CHECK(exists(first));
    CHECK_EQ(pawl_thread_cache(0), 64);
    until_gone(first);
    run(nothing, NULL, NULL, &tid);
    until_gone(tid);
    CHECK_EQ(pawl_thread_cache(1), 0);
    run(nothing, NULL, NULL, &first);
    run(nothing, NULL, NULL, &tid);
    CHECK_EQ(tid, first);
    CHECK_EQ(pawl_thread_cache(1000), 1);
    CHECK_EQ(pawl_thread_cache(64), 64);
}

/* No more are parked than the limit allows. */
TEST(thread_cache.limit_is_kept)
{
    enum { N = 12, LIMIT = 5 };
    pawl_thread t[N];
    pawl_thread *all[N];
    int there;

    pawl_thread_cache(LIMIT);
    for (int i = 0; i < N; i++) {
        all[i] = &t[i];
        CHECK_OK(pawl_thread_init(&t[i], nothing, NULL, NULL));
    }
    CHECK_OK(pawl_thread_start_many(all, N));
    CHECK_OK(pawl_thread_join_all_until(all, N, PAWL_FOREVER));
    do {
        there = 0;
        for (int i = 0; i < N; i++)
            there += exists(pawl_thread_native_id(&t[i]));
        sched_yield();
    } while (there > LIMIT);
    CHECK_EQ(there, LIMIT);
}

/* -- What does not last ------------------------------------------------------- */

static bool blocks(int signal)
{
    sigset_t now;

    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
    return sigismember(&now, signal);
}

static int change_everything(void *arg)
{
    sigset_t set;
    cpu_set_t one;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    CPU_ZERO(&one);
    CPU_SET((unsigned)sched_getcpu(), &one);
    CHECK_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    CHECK_EQ(prctl(PR_SET_NAME, "changed"), 0);
    return setpriority(PRIO_PROCESS, 0, *(int *)arg) == 0 ? 0 : errno;
}

struct seen {
    bool blocks_1, blocks_2;
    int cpus;
    int nice;
    char name[16];
};

static int look(void *arg)
{
    struct seen *s = arg;

    s->blocks_1 = blocks(SIGUSR1);
    s->blocks_2 = blocks(SIGUSR2);
    s->cpus = test_cpu_count();
    s->nice = getpriority(PRIO_PROCESS, 0);
    CHECK_EQ(prctl(PR_GET_NAME, s->name), 0);
    return 0;
}

/* Signal mask, CPUs, priority and OS name are those of a new thread: they come
 * from the one that starts it.  Awake or asleep in between. */
TEST(thread_cache.next_thread_finds_nothing_changed)
{
    const pawl_thread_options named = {.size = sizeof named, .name = "named"};
    int nice = getpriority(PRIO_PROCESS, 0);
    int other = geteuid() == 0 ? nice + 1 : nice;
    int cpus = test_cpu_count();
    uint32_t first;
    uint32_t tid;
    struct seen s;

    run(nothing, NULL, NULL, &first);
    for (int i = 0; i < 40; i++) {
        CHECK_EQ(run(change_everything, &other, NULL, &tid), 0);
        CHECK_EQ(tid, first);
        if (i % 2 != 0)
            test_until_asleep((pid_t)first);
        run(look, &s, i % 4 < 2 ? &named : NULL, &tid);
        CHECK_EQ(tid, first);
        CHECK(!s.blocks_1 && !s.blocks_2);
        CHECK_EQ(s.cpus, cpus);
        CHECK_EQ(s.nice, nice);
        CHECK_EQ(strcmp(s.name, i % 4 < 2 ? "named" : "Thread"), 0);
    }
}

/* As a new one would inherit them. */
TEST(thread_cache.next_thread_inherits_from_its_starter)
{
    uint32_t first;
    uint32_t tid;
    sigset_t set;
    struct seen s;

    run(nothing, NULL, NULL, &first);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(
            pthread_sigmask(i % 2 == 0 ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL),
            0);
        run(look, &s, NULL, &tid);
        CHECK_EQ(tid, first);
        CHECK_EQ(s.blocks_2, i % 2 == 0);
        CHECK(!s.blocks_1);
    }
}

static void allow(const cpu_set_t *cpus)
{
    CHECK_EQ(sched_setaffinity(0, sizeof *cpus, cpus), 0);
}

/* ... whether its OS thread has slept or not, and whatever becomes of the starter
 * then: a loop that pins the caller to one CPU after another, and starts a thread
 * on each, is right. */
TEST(thread_cache.next_thread_inherits_the_cpus_of_the_start)
{
    uint32_t first;
    cpu_set_t all;
    cpu_set_t one;
    pawl_thread t;
    struct seen s;

    if (!test_can_ask_for_cpus())
        TEST_SKIP("the CPUs of a thread cannot be asked for");
    CHECK_EQ(sched_getaffinity(0, sizeof all, &all), 0);
    run(nothing, NULL, NULL, &first);
    for (int i = 0; i < 300; i++) {
        CPU_ZERO(&one);
        CPU_SET((unsigned)sched_getcpu(), &one);
        if (i % 30 == 0)
            test_until_asleep((pid_t)first);
        allow(i % 2 == 0 ? &one : &all);
        CHECK_OK(pawl_thread_init(&t, look, &s, NULL));
        CHECK_OK(pawl_thread_start(&t));
        allow(i % 2 == 0 ? &all : &one);
        CHECK_OK(pawl_thread_join(&t, NULL));
        CHECK_EQ(pawl_thread_native_id(&t), first);
        CHECK_EQ(s.cpus, i % 2 == 0 ? 1 : CPU_COUNT(&all));
    }
}

static int lock_and_leave(void *m)
{
    return pawl_mutex_lock(m);
}

static int lock_twice(void *m)
{
    int err = pawl_mutex_try_lock(m);

    if (err == -EOWNERDEAD) {
        pawl_mutex_consistent(m);
        pawl_mutex_unlock(m);
    }
    return err;
}

/* L-08: a lock that a thread has kept is ownerless after its end, although its OS
 * thread lives, and runs the one that finds out. */
TEST(thread_cache.locks_of_an_ended_thread_are_ownerless)
{
    pawl_mutex m = PAWL_MUTEX_INIT;
    uint32_t first;
    uint32_t tid;

    run(nothing, NULL, NULL, &first);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(run(lock_and_leave, &m, NULL, &tid), 0);
        CHECK_EQ(tid, first);
        if (i % 2 == 0) {
            CHECK_EQ(run(lock_twice, &m, NULL, &tid), -EOWNERDEAD);
            CHECK_EQ(tid, first);
        } else {
            CHECK_ERR(pawl_mutex_lock(&m), -EOWNERDEAD);
            CHECK_OK(pawl_mutex_consistent(&m));
            CHECK_OK(pawl_mutex_unlock(&m));
        }
    }
}

static void wait_for_lock(void *m)
{
    CHECK_ERR(pawl_mutex_lock(m), -EOWNERDEAD);
    CHECK_OK(pawl_mutex_consistent(m));
    CHECK_OK(pawl_mutex_unlock(m));
}

struct kept {
    pawl_mutex m;
    int locked;
    struct test_thread *waiter;
};

static int keep_until_somebody_waits(void *arg)
{
    struct kept *k = arg;

    CHECK_OK(pawl_mutex_lock(&k->m));
    k->waiter = test_thread(wait_for_lock, &k->m);
    test_until_asleep(test_tid(k->waiter));
    return 0;
}

/* ... and who waits for it is woken by that end. */
TEST(thread_cache.end_of_a_thread_wakes_who_waits_for_its_lock)
{
    for (int i = 0; i < 10; i++) {
        struct kept k = {.m = PAWL_MUTEX_INIT};

        CHECK_EQ(run(keep_until_somebody_waits, &k, NULL, NULL), 0);
        test_join(k.waiter);
    }
}

static int destroyed;

static void destroy(void *value, void *context)
{
    (void)value;
    (void)context;
    destroyed++;
}

static int set_local(void *l)
{
    void *value;

    if (pawl_local_get(l, &value) != -ENOENT)
        return 1;
    return pawl_local_set(l, l);
}

TEST(thread_cache.locals_are_destroyed_with_the_thread)
{
    pawl_local l = PAWL_LOCAL_INIT(NULL, destroy, NULL);

    for (int i = 0; i < 10; i++) {
        CHECK_EQ(run(set_local, &l, NULL, NULL), 0);
        CHECK_EQ(destroyed, i + 1);
    }
}

static _Thread_local int plain;

static int count_plain(void *arg)
{
    (void)arg;
    return ++plain;
}

/* What the header says of plain thread-local variables, and what helps. */
TEST(thread_cache.plain_variables_last_as_long_as_the_os_thread)
{
    CHECK_EQ(run(count_plain, NULL, NULL, NULL), 1);
    CHECK_EQ(run(count_plain, NULL, NULL, NULL), 2);
    CHECK_EQ(run(count_plain, NULL, &no_cache, NULL), 1);
    pawl_thread_cache(0);
    CHECK_EQ(run(count_plain, NULL, NULL, NULL), 1);
}

/* -- What belongs to the end ---------------------------------------------------- */

static pthread_key_t key;
static int key_destroyed;

static void destroy_key(void *value)
{
    key_destroyed++;
    if (*(int *)value > 0) {
        --*(int *)value;
        CHECK_EQ(pthread_setspecific(key, value), 0);
    }
}

static int set_key(void *value)
{
    CHECK_EQ(pthread_setspecific(key, value), 0);
    return 0;
}

/* T-07: a thread that is not to be parked ends after the destructors of pthread
 * keys, of the first two rounds at least. */
TEST(thread_cache.without_it_pthread_keys_are_destroyed_before_the_end)
{
    int again = 1;

    CHECK_EQ(pthread_key_create(&key, destroy_key), 0);
    CHECK_EQ(run(set_key, &again, &no_cache, NULL), 0);
    CHECK_EQ(key_destroyed, 2);
}
