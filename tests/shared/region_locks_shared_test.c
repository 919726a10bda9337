/* SPDX-License-Identifier: MIT
 *
 * region_locks_shared_test.c - R-10, L-15, L-16, C-10, H-01, H-02, K-03: locks, a
 * once and a semaphore in a region, whose holders and waiters are processes that end in
 * the middle, or leave.
 */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl/cond.h>
#include <pawl/error.h>
#include <pawl/mutex.h>
#include <pawl/once.h>
#include <pawl/region.h>
#include <pawl/rmutex.h>
#include <pawl/rwlock.h>
#include <pawl/sem.h>
#include <pawl/thread.h>
#include <pawl/value.h>
#include <pawl/wait.h>

#include "test.h"

struct scene {
    pawl_mutex mutex;
    pawl_rmutex recursive;
    pawl_rwlock rwlock;
    pawl_cond cond;
    pawl_once once;
    pawl_sem sem;
    atomic_int stage;
    atomic_int told; /* how many have got -EOWNERDEAD */
    _Alignas(64) unsigned char array[4096];
};

static pawl_region *region;

static struct scene *scene_make(uint32_t participants)
{
    struct scene *s;

    CHECK_OK(pawl_region_create(
        &region, &(pawl_region_options){.buffer = sizeof *s,
                                        .participants = participants}));
    s = pawl_region_buffer(region, NULL);
    CHECK_OK(pawl_mutex_init(&s->mutex, PAWL_SHARED));
    CHECK_OK(pawl_rmutex_init(&s->recursive, PAWL_SHARED));
    CHECK_OK(pawl_rwlock_init(&s->rwlock, PAWL_SHARED));
    CHECK_OK(pawl_cond_init(&s->cond, PAWL_SHARED));
    CHECK_OK(pawl_once_init(&s->once, PAWL_SHARED));
    CHECK_OK(pawl_sem_init(&s->sem, 0, PAWL_SHARED));
    return s;
}

/* Go on in a child, which has done what it shall. */
static void pause_for_ever(struct scene *s)
{
    atomic_fetch_add(&s->stage, 1);
    for (;;)
        pause();
}

static void until_stage(struct scene *s, int stage)
{
    while (atomic_load(&s->stage) < stage)
        sched_yield();
}

static void kill_child(pid_t pid)
{
    kill(pid, SIGKILL);
    CHECK(WIFSIGNALED(test_reap_child(pid)));
}

/* A child that has done `fn`, which pauses, and is dead then. */
static void one_dies_in(test_fn fn, struct scene *s)
{
    int stage = atomic_load(&s->stage);
    pid_t pid = test_spawn_child(fn, s);

    until_stage(s, stage + 1);
    kill_child(pid);
}

static void lock_and_pause(void *arg)
{
    struct scene *s = arg;

    CHECK_OK(pawl_mutex_lock(&s->mutex));
    pause_for_ever(s);
}

TEST(region_locks.names_who_takes_part)
{
    struct scene *s = scene_make(4);
    pid_t pid = test_spawn_child(lock_and_pause, s);

    until_stage(s, 1);
    CHECK(pawl_mutex_is_locked(&s->mutex));
    CHECK(!pawl_mutex_is_mine(&s->mutex));
    CHECK_EQ(pawl_mutex_owner(&s->mutex), pid);
    CHECK_ERR(pawl_mutex_unlock(&s->mutex), -EPERM);
    CHECK_ERR(pawl_mutex_try_lock(&s->mutex), -EAGAIN);
    CHECK_ERR(pawl_mutex_lock_until(&s->mutex, pawl_after_ms(2)), -ETIMEDOUT);
    CHECK_EQ((int)(s->mutex.word_.v_ & 0x3fffffff) & 0xfff, 0); /* slot 0 */
    kill_child(pid);
    CHECK_EQ(pawl_mutex_owner(&s->mutex), 0);
    CHECK_ERR(pawl_mutex_try_lock(&s->mutex), -EOWNERDEAD);
    CHECK_EQ(pawl_mutex_owner(&s->mutex), gettid());
    CHECK(pawl_mutex_is_orphaned(&s->mutex));
    CHECK_ERR(pawl_mutex_lock(&s->mutex), -EDEADLK);
    CHECK_OK(pawl_mutex_consistent(&s->mutex));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
    CHECK_OK(pawl_mutex_lock(&s->mutex));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
    CHECK_OK(pawl_mutex_destroy(&s->mutex));
    pawl_region_free(region);
}

TEST(region_locks.not_repaired_is_lost_to_all)
{
    struct scene *s = scene_make(4);

    one_dies_in(lock_and_pause, s);
    CHECK_ERR(pawl_mutex_lock(&s->mutex), -EOWNERDEAD);
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
    CHECK_ERR(pawl_mutex_lock(&s->mutex), -ENOTRECOVERABLE);
    CHECK_ERR(pawl_mutex_try_lock(&s->mutex), -ENOTRECOVERABLE);
    CHECK_OK(pawl_mutex_init(&s->mutex, PAWL_SHARED));
    CHECK_OK(pawl_mutex_lock(&s->mutex));
    pawl_region_free(region);
}

static void lock_and_end(void *arg)
{
    struct scene *s = arg;
    int err = pawl_mutex_lock(&s->mutex);

    if (err == -EOWNERDEAD) {
        atomic_fetch_add(&s->told, 1);
        CHECK_OK(pawl_mutex_consistent(&s->mutex));
    } else {
        CHECK_OK(err);
    }
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
}

static void lock_and_leave(void *arg)
{
    struct scene *s = arg;

    CHECK_OK(pawl_mutex_lock(&s->mutex));
    switch (atomic_load(&s->stage)) {
    case 0:
        _exit(0); /* no handler, no flush */
    case 1:
        exit(0);
    default:
        abort();
    }
}

/* K-09: whichever way its holder leaves, the lock is there for the next one. */
TEST(region_locks.the_next_is_told_however_its_holder_left)
{
    struct scene *s = scene_make(4);

    for (int i = 0; i < 3; i++) {
        int status;

        atomic_store(&s->stage, i);
        status = test_reap_child(test_spawn_child(lock_and_leave, s));
        CHECK_EQ(WIFEXITED(status), i < 2);
        CHECK_ERR(pawl_mutex_lock(&s->mutex), -EOWNERDEAD);
        CHECK_OK(pawl_mutex_consistent(&s->mutex));
        CHECK_OK(pawl_mutex_unlock(&s->mutex));
    }
    pawl_region_free(region);
}

/* All get through, and one of them is told. */
TEST(region_locks.death_wakes_all_and_one_is_told)
{
    enum { WAITERS = 6 };
    struct scene *s = scene_make(WAITERS + 1);
    pid_t waiter[WAITERS];

    for (int round = 0; round < 20; round++) {
        pid_t holder = test_spawn_child(lock_and_pause, s);

        until_stage(s, round + 1);
        for (int i = 0; i < WAITERS; i++)
            waiter[i] = test_spawn_child(lock_and_end, s);
        for (int i = 0; i < WAITERS; i++)
            test_until_asleep(waiter[i]);
        kill_child(holder);
        for (int i = 0; i < WAITERS; i++)
            test_wait_child(waiter[i]);
        CHECK_EQ(atomic_load(&s->told), round + 1);
    }
    /* Nobody is left to be woken, which the first unlock finds out. */
    for (int i = 0; i < 2; i++) {
        CHECK_OK(pawl_mutex_lock(&s->mutex));
        CHECK_OK(pawl_mutex_unlock(&s->mutex));
    }
    CHECK_EQ((int)(uint32_t)s->mutex.word_.v_, 0);
    pawl_region_free(region);
}

static uint64_t word_of(const pawl_mutex *m)
{
    return __atomic_load_n(&m->word_.v_, __ATOMIC_RELAXED);
}

/* Return when somebody starves for it: NAMED, and not SPINNING. */
static void until_starving(const struct scene *s)
{
    while ((word_of(&s->mutex) >> 36 & 3) != 2)
        sched_yield();
}

/* The waiter sleeps for a millisecond, to starve, and then, from just before the
 * kill, for 50 ms until it looks.  It is enough that the death was faster now and
 * then, for a busy machine may be slow; and then there are more rounds. */
TEST(region_locks.a_waiter_is_woken_by_the_death_not_by_a_look)
{
    enum { ROUNDS = 30, ROUNDS_MAX = 150, ENOUGH = 6 };
    struct scene *s = scene_make(3);
    int rounds = 0;
    int soon = 0;

    if (getenv("PAWL_FALLBACK") != NULL)
        TEST_SKIP("looks now and then");
    while (rounds < ROUNDS || (soon < ENOUGH && rounds < ROUNDS_MAX)) {
        pid_t holder = test_spawn_child(lock_and_pause, s);
        pid_t waiter;
        pawl_deadline died;

        until_stage(s, ++rounds);
        waiter = test_spawn_child(lock_and_end, s);
        until_starving(s);
        test_until_asleep(waiter);
        kill(holder, SIGKILL);
        died = pawl_now();
        test_wait_child(waiter);
        soon += pawl_now() - died < 35000000;
        CHECK(WIFSIGNALED(test_reap_child(holder)));
    }
    test_note("%d of %d before a look", soon, rounds);
    CHECK(soon >= ENOUGH);
    pawl_region_free(region);
}

TEST(region_locks.what_the_dead_have_marked_is_not_reserved)
{
    struct scene *s = scene_make(3);
    pid_t waiter = test_spawn_child(lock_and_pause, s);

    until_stage(s, 1);
    kill_child(waiter);
    CHECK_ERR(pawl_mutex_lock(&s->mutex), -EOWNERDEAD);
    CHECK_OK(pawl_mutex_consistent(&s->mutex));
    waiter = test_spawn_child(lock_and_pause, s);
    until_starving(s);
    kill_child(waiter);
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
    CHECK_OK(pawl_mutex_try_lock(&s->mutex));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
    CHECK_EQ((int)(word_of(&s->mutex) >> 36 & 3), 0);
    pawl_region_free(region);
}

/* ---- threads -------------------------------------------------------------------- */

static void thread_locks(void *arg)
{
    struct scene *s = arg;

    CHECK_OK(pawl_mutex_lock(&s->mutex));
}

static int pawl_thread_locks(void *arg)
{
    thread_locks(arg);
    return 0;
}

TEST(region_locks.threads_that_end_leave_theirs)
{
    struct scene *s = scene_make(2);
    pawl_thread t;

    test_join(test_thread(thread_locks, s));
    CHECK_ERR(pawl_mutex_lock(&s->mutex), -EOWNERDEAD);
    CHECK_OK(pawl_mutex_consistent(&s->mutex));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
    /* Its carrier goes on, and may run another. */
    CHECK_OK(pawl_thread_init(&t, pawl_thread_locks, s, NULL));
    CHECK_OK(pawl_thread_start(&t));
    CHECK_OK(pawl_thread_join(&t, NULL));
    CHECK_ERR(pawl_mutex_lock(&s->mutex), -EOWNERDEAD);
    CHECK_EQ(pawl_region_participants(region), 1);
    pawl_region_free(region);
}

static void try_parents(void *arg)
{
    struct scene *s = arg;

    CHECK(!pawl_mutex_is_mine(&s->mutex));
    CHECK_ERR(pawl_mutex_unlock(&s->mutex), -EPERM);
    CHECK_ERR(pawl_mutex_try_lock(&s->mutex), -EAGAIN);
    CHECK_ERR(pawl_rwlock_read_unlock(&s->rwlock), -EPERM);
    CHECK_OK(pawl_rwlock_try_read_lock(&s->rwlock));
    CHECK_OK(pawl_rwlock_read_unlock(&s->rwlock));
}

/* K-03. */
TEST(region_locks.a_forked_child_holds_nothing)
{
    struct scene *s = scene_make(3);

    CHECK_OK(pawl_mutex_lock(&s->mutex));
    CHECK_OK(pawl_rwlock_read_lock(&s->rwlock));
    test_wait_child(test_spawn_child(try_parents, s));
    CHECK_EQ(pawl_rwlock_readers(&s->rwlock), 1);
    CHECK_OK(pawl_rwlock_read_unlock(&s->rwlock));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
    pawl_region_free(region);
}

static void find_no_slot(void *arg)
{
    struct scene *s = arg;

    CHECK_ERR(pawl_mutex_lock(&s->mutex), -EAGAIN);
    CHECK_ERR(pawl_mutex_try_lock(&s->mutex), -EAGAIN);
    CHECK_ERR(pawl_mutex_unlock(&s->mutex), -EPERM);
    CHECK(!pawl_mutex_is_mine(&s->mutex));
    CHECK(!pawl_mutex_is_locked(&s->mutex));
    CHECK_ERR(pawl_rmutex_lock(&s->recursive), -EAGAIN);
    CHECK_EQ(pawl_rmutex_depth(&s->recursive), 0);
    CHECK_ERR(pawl_rmutex_unlock(&s->recursive), -EPERM);
    CHECK_ERR(pawl_rwlock_read_lock(&s->rwlock), -EAGAIN);
    CHECK_ERR(pawl_rwlock_write_lock(&s->rwlock), -EAGAIN);
    CHECK_ERR(pawl_rwlock_read_unlock(&s->rwlock), -EPERM);
    CHECK_ERR(pawl_rwlock_write_unlock(&s->rwlock), -EPERM);
}

TEST(region_locks.need_a_slot)
{
    struct scene *s = scene_make(1);

    CHECK(pawl_region_join(region) > 0);
    test_join(test_thread(find_no_slot, s));
    CHECK_OK(pawl_mutex_lock(&s->mutex));
    pawl_region_free(region);
}

static void find_all_left(void *arg)
{
    struct scene *s = arg;

    CHECK_ERR(pawl_mutex_lock(&s->mutex), -EOWNERDEAD);
    CHECK_OK(pawl_mutex_consistent(&s->mutex));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
    CHECK_ERR(pawl_rmutex_lock(&s->recursive), -EOWNERDEAD);
    CHECK_OK(pawl_rmutex_consistent(&s->recursive));
    CHECK_OK(pawl_rmutex_unlock(&s->recursive));
    CHECK_OK(pawl_rwlock_write_lock(&s->rwlock));
    CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
}

static void take_all(struct scene *s)
{
    CHECK_OK(pawl_mutex_lock(&s->mutex));
    CHECK_OK(pawl_rmutex_lock(&s->recursive));
    CHECK_OK(pawl_rmutex_lock(&s->recursive));
    CHECK_OK(pawl_rwlock_read_lock(&s->rwlock));
}

/* Who gives its slot back, or closes its last mapping, holds nothing any more: for
 * others, and for itself, it is as if it had died. */
TEST(region_locks.who_leaves_leaves_them)
{
    struct scene *s = scene_make(2);
    pawl_region *again;

    if (test_under_tsan())
        TEST_SKIP("ThreadSanitizer knows of no other end of a lock");
    take_all(s);
    CHECK_OK(pawl_region_leave(region));
    CHECK(!pawl_mutex_is_mine(&s->mutex));
    CHECK_ERR(pawl_mutex_unlock(&s->mutex), -EPERM);
    CHECK_ERR(pawl_rmutex_unlock(&s->recursive), -EPERM);
    CHECK_ERR(pawl_rwlock_read_unlock(&s->rwlock), -EPERM);
    find_all_left(s);
    take_all(s);
    CHECK_OK(pawl_region_leave(region));
    test_join(test_thread(find_all_left, s));
    take_all(s);
    test_wait_child(test_spawn_child(try_parents, s)); /* it is ours again */
    CHECK_OK(pawl_region_attach_fd(&again, pawl_region_fd(region)));
    CHECK_OK(pawl_region_close(region)); /* the first of two */
    s = pawl_region_buffer(again, NULL);
    CHECK(pawl_mutex_is_mine(&s->mutex));
    CHECK_OK(pawl_region_leave(again));
    find_all_left(s);
    pawl_region_free(again);
    pawl_region_free(region);
}

/* ---- another PID namespace -------------------------------------------------------- */

struct distant {
    struct scene *s;
    atomic_int pid;
};

/* Has its number there, which others have elsewhere. */
static void lock_in_another_namespace(void *arg)
{
    struct distant *d = arg;
    pid_t pid;

    if (unshare(CLONE_NEWPID) != 0)
        TEST_SKIP("no right to make a PID namespace");
    pid = fork(); /* the harness' own would look for its parent's number */
    if (pid == 0) {
        CHECK_EQ(gettid(), 1);
        lock_and_pause(d->s);
    }
    atomic_store(&d->pid, pid);
    test_reap_child(pid);
}

/* A holder is known by its slot and lifeline, not by its number: two are process 1, and
 * one of them dies. */
TEST(region_locks.of_another_pid_namespace)
{
    struct scene *s = scene_make(4);
    struct distant *d = test_shared_alloc(2 * sizeof *d);
    struct scene *other;
    pid_t child[2];

    other = (struct scene *)(void *)s->array;
    CHECK_OK(pawl_mutex_init(&other->mutex, PAWL_SHARED));
    d[0].s = s;
    d[1].s = other;
    for (int i = 0; i < 2; i++) {
        child[i] = test_spawn_child(lock_in_another_namespace, &d[i]);
        while (atomic_load(&d[i].s->stage) == 0) {
            if (waitpid(child[i], NULL, WNOHANG) == child[i])
                TEST_SKIP("no right to make a PID namespace");
            sched_yield();
        }
        while (atomic_load(&d[i].pid) == 0)
            sched_yield();
    }
    CHECK_ERR(pawl_mutex_try_lock(&s->mutex), -EAGAIN);
    kill(atomic_load(&d[0].pid), SIGKILL);
    CHECK_EQ(test_reap_child(child[0]), 0);
    CHECK_ERR(pawl_mutex_lock(&s->mutex), -EOWNERDEAD);
    CHECK_ERR(pawl_mutex_try_lock(&other->mutex), -EAGAIN);
    CHECK_EQ(pawl_region_participants(region), 2);
    kill(atomic_load(&d[1].pid), SIGKILL);
    CHECK_EQ(test_reap_child(child[1]), 0);
    CHECK_ERR(pawl_mutex_lock(&other->mutex), -EOWNERDEAD);
    pawl_region_free(region);
}

/* One lock, two mappings, one thread. */
TEST(region_locks.are_the_same_in_every_mapping)
{
    struct scene *s = scene_make(2);
    pawl_region *again;
    struct scene *other;

    CHECK_OK(pawl_region_attach_fd(&again, pawl_region_fd(region)));
    other = pawl_region_buffer(again, NULL);
    CHECK_OK(pawl_mutex_lock(&s->mutex));
    CHECK(pawl_mutex_is_mine(&other->mutex));
    CHECK_ERR(pawl_mutex_lock(&other->mutex), -EDEADLK);
    CHECK_OK(pawl_mutex_unlock(&other->mutex));
    CHECK_OK(pawl_rwlock_read_lock(&other->rwlock));
    CHECK_OK(pawl_rwlock_read_unlock(&s->rwlock));
    pawl_region_free(again);
    CHECK_OK(pawl_mutex_lock(&s->mutex));
    pawl_region_free(region);
}

/* The address of a region that was closed is used by another one. */
TEST(region_locks.follow_the_region_not_the_address)
{
    for (int i = 0; i < 8; i++) {
        struct scene *s = scene_make(3);
        struct scene *out = test_shared_alloc(sizeof *out);

        CHECK_OK(pawl_mutex_lock(&s->mutex));
        CHECK_EQ(s->mutex.word_.v_ & 0x3fffffff,
                 (uint64_t)pawl_region_join(region));
        CHECK_OK(pawl_mutex_unlock(&s->mutex));
        CHECK_OK(pawl_mutex_init(&out->mutex, PAWL_SHARED));
        CHECK_OK(pawl_mutex_lock(&out->mutex));
        CHECK_EQ((int)(out->mutex.word_.v_ & 0x3fffffff), gettid());
        CHECK_OK(pawl_mutex_unlock(&out->mutex));
        pawl_region_free(region);
    }
}

/* ---- recursive mutex ----------------------------------------------------------- */

static void lock_deeply_and_pause(void *arg)
{
    struct scene *s = arg;

    for (int i = 0; i < 3; i++)
        CHECK_OK(pawl_rmutex_lock(&s->recursive));
    pause_for_ever(s);
}

/* L-15. */
TEST(region_locks.recursive_after_a_death_has_depth_one)
{
    struct scene *s = scene_make(3);

    one_dies_in(lock_deeply_and_pause, s);
    CHECK_ERR(pawl_rmutex_lock(&s->recursive), -EOWNERDEAD);
    CHECK_EQ(pawl_rmutex_depth(&s->recursive), 1);
    CHECK_OK(pawl_rmutex_consistent(&s->recursive));
    CHECK_OK(pawl_rmutex_unlock(&s->recursive));
    CHECK_ERR(pawl_rmutex_unlock(&s->recursive), -EPERM);
    pawl_region_free(region);
}

/* ---- reader/writer lock --------------------------------------------------------- */

static void read_and_pause(void *arg)
{
    struct scene *s = arg;

    CHECK_OK(pawl_rwlock_read_lock(&s->rwlock));
    pause_for_ever(s);
}

static void write_and_pause(void *arg)
{
    struct scene *s = arg;

    CHECK_OK(pawl_rwlock_write_lock(&s->rwlock));
    pause_for_ever(s);
}

/* L-16. */
TEST(region_locks.dead_readers_are_subtracted)
{
    struct scene *s = scene_make(8);

    CHECK_OK(pawl_rwlock_read_lock(&s->rwlock));
    for (int i = 0; i < 4; i++)
        one_dies_in(read_and_pause, s);
    CHECK_EQ(pawl_rwlock_readers(&s->rwlock), 5);
    CHECK_OK(pawl_rwlock_read_unlock(&s->rwlock));
    CHECK_OK(pawl_rwlock_try_write_lock(&s->rwlock));
    CHECK_EQ(pawl_rwlock_readers(&s->rwlock), 0);
    CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
    /* Slots that are used again leave nothing behind either. */
    for (int i = 0; i < 20; i++)
        one_dies_in(read_and_pause, s);
    CHECK_OK(pawl_rwlock_write_lock(&s->rwlock));
    CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
    CHECK_OK(pawl_rwlock_destroy(&s->rwlock));
    pawl_region_free(region);
}

/* Forked before its parent reads: ThreadSanitizer has a child hold that too. */
static void write_later_and_end(void *arg)
{
    struct scene *s = arg;

    until_stage(s, 2);
    CHECK_OK(pawl_rwlock_write_lock(&s->rwlock));
    CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
}

static void write_and_end(void *arg)
{
    struct scene *s = arg;

    CHECK_OK(pawl_rwlock_write_lock(&s->rwlock));
    CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
}

/* The dead one is found, and the living one is waited for. */
TEST(region_locks.a_writer_waits_for_the_living_readers_only)
{
    struct scene *s = scene_make(8);
    pid_t dead = test_spawn_child(read_and_pause, s);
    pid_t writer = test_spawn_child(write_later_and_end, s);

    until_stage(s, 1);
    CHECK_OK(pawl_rwlock_read_lock(&s->rwlock));
    atomic_fetch_add(&s->stage, 1);
    test_until_asleep(writer);
    kill_child(dead);
    test_until_asleep(writer);
    CHECK_ERR(pawl_rwlock_try_write_lock(&s->rwlock), -EAGAIN);
    CHECK_OK(pawl_rwlock_read_unlock(&s->rwlock));
    test_wait_child(writer);
    pawl_region_free(region);
}

/* More readers than a sleeper watches: one whose lifeline it does not watch dies.  It
 * looks for the dead by itself; nobody else uses the lock. */
TEST(region_locks.a_writer_misses_any_of_many_dead_readers)
{
    enum { READERS = 20, DEAD = 17 };

    struct scene *s = scene_make(READERS + 2);
    pid_t reader[READERS];
    pid_t writer;

    for (int i = 0; i < READERS; i++) { /* one by one: in the order of slots */
        reader[i] = test_spawn_child(read_and_pause, s);
        until_stage(s, i + 1);
    }
    writer = test_spawn_child(write_and_end, s);
    test_until_asleep(writer);
    kill_child(reader[DEAD]);
    while (pawl_rwlock_readers(&s->rwlock) != READERS - 1)
        sched_yield();
    for (int i = 0; i < READERS; i++) {
        if (i != DEAD)
            kill_child(reader[i]);
    }
    test_wait_child(writer);
    pawl_region_free(region);
}

TEST(region_locks.a_dead_writer_is_reported_to_a_reader)
{
    struct scene *s = scene_make(4);

    one_dies_in(write_and_pause, s);
    CHECK(pawl_rwlock_is_write_locked(&s->rwlock));
    CHECK_ERR(pawl_rwlock_read_lock(&s->rwlock), -EOWNERDEAD);
    CHECK(pawl_rwlock_is_mine(&s->rwlock));
    CHECK_OK(pawl_rwlock_consistent(&s->rwlock));
    CHECK_OK(pawl_rwlock_downgrade(&s->rwlock));
    CHECK(!pawl_rwlock_is_mine(&s->rwlock));
    CHECK_EQ(pawl_rwlock_readers(&s->rwlock), 1);
    CHECK_OK(pawl_rwlock_read_unlock(&s->rwlock));
    one_dies_in(write_and_pause, s);
    CHECK_ERR(pawl_rwlock_try_write_lock(&s->rwlock), -EOWNERDEAD);
    CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
    CHECK_ERR(pawl_rwlock_read_lock(&s->rwlock), -ENOTRECOVERABLE);
    pawl_region_free(region);
}

/* A waiting writer keeps newcomers out; not when it is dead. */
TEST(region_locks.a_dead_waiting_writer_keeps_nobody_out)
{
    struct scene *s = scene_make(8);
    pid_t writer;

    CHECK_OK(pawl_rwlock_read_lock(&s->rwlock));
    writer = test_spawn_child(write_and_end, s);
    test_until_asleep(writer);
    CHECK_ERR(pawl_rwlock_try_read_lock(&s->rwlock), -EAGAIN);
    kill_child(writer);
    CHECK_OK(pawl_rwlock_try_read_lock(&s->rwlock));
    CHECK_OK(pawl_rwlock_read_unlock(&s->rwlock));
    CHECK_OK(pawl_rwlock_read_unlock(&s->rwlock));
    CHECK_ERR(pawl_rwlock_read_unlock(&s->rwlock), -EPERM);
    CHECK_OK(pawl_rwlock_destroy(&s->rwlock));
    pawl_region_free(region);
}

TEST(region_locks.a_reader_that_wants_to_write_is_told)
{
    struct scene *s = scene_make(2);

    CHECK_OK(pawl_rwlock_read_lock(&s->rwlock));
    CHECK_ERR(pawl_rwlock_write_lock(&s->rwlock), -EDEADLK);
    CHECK_ERR(pawl_rwlock_try_write_lock(&s->rwlock), -EAGAIN);
    CHECK_OK(pawl_rwlock_read_unlock(&s->rwlock));
    for (int i = 0; i < 17; i++) {
        pawl_rwlock *rw = &((pawl_rwlock *)(void *)s->array)[i];

        CHECK_OK(pawl_rwlock_init(rw, PAWL_SHARED));
        CHECK_EQ(pawl_rwlock_read_lock(rw), i < 16 ? 0 : -EOVERFLOW);
    }
    for (int i = 0; i < 16; i++)
        CHECK_OK(
            pawl_rwlock_read_unlock(&((pawl_rwlock *)(void *)s->array)[i]));
    pawl_region_free(region);
}

/* ---- condition ------------------------------------------------------------------- */

static void wait_and_end(void *arg)
{
    struct scene *s = arg;

    CHECK_OK(pawl_mutex_lock(&s->mutex));
    atomic_fetch_add(&s->stage, 1);
    CHECK_OK(pawl_cond_wait(&s->cond, &s->mutex));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
}

static void notify(struct scene *s, int n)
{
    CHECK_OK(pawl_mutex_lock(&s->mutex));
    CHECK_OK(pawl_cond_notify(&s->cond, &s->mutex, n));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
}

/* C-10: a notification for a waiter that is dead goes to the next, be it dead before
 * it is called or after. */
TEST(region_locks.dead_waiters_are_passed_over)
{
    struct scene *s = scene_make(8);
    pid_t dead[2];
    pid_t waiter[2];

    for (int i = 0; i < 2; i++) {
        dead[i] = test_spawn_child(wait_and_end, s);
        until_stage(s, i + 1);
        test_until_asleep(dead[i]);
    }
    for (int i = 0; i < 2; i++) {
        waiter[i] = test_spawn_child(wait_and_end, s);
        until_stage(s, i + 3);
        test_until_asleep(waiter[i]);
    }
    CHECK_EQ(pawl_cond_waiters(&s->cond), 4);
    kill_child(dead[0]);
    CHECK_EQ(pawl_cond_waiters(&s->cond), 3);
    kill(dead[1], SIGSTOP); /* it is called, but cannot take it */
    notify(s, 2);
    kill_child(dead[1]);
    for (int i = 0; i < 2; i++)
        test_wait_child(waiter[i]);
    CHECK_EQ(pawl_cond_waiters(&s->cond), 0);
    CHECK_OK(pawl_cond_destroy(&s->cond));
    pawl_region_free(region);
}

/* ---- what is built on them ------------------------------------------------------- */

static int change_and_pause(void *element, void *context)
{
    *(int *)element = 1;
    pause_for_ever(context);
    return 0;
}

static void change_array(void *arg)
{
    struct scene *s = arg;
    pawl_array *a;

    CHECK_OK(pawl_array_attach(&a, s->array, sizeof s->array));
    CHECK_OK(pawl_array_change(a, 3, change_and_pause, s));
}

TEST(region_locks.an_array_survives_who_changes_it)
{
    struct scene *s = scene_make(3);
    pawl_array *a;
    int x = 0;

    CHECK_OK(pawl_array_init(&a, s->array, sizeof s->array, 10, sizeof(int),
                             PAWL_SHARED));
    one_dies_in(change_array, s);
    CHECK_OK(pawl_array_get(a, 3, &x));
    CHECK_EQ(x, 1);
    pawl_region_free(region);
}

static void wait_for_either(void *arg)
{
    struct scene *s = arg;
    pawl_wait_item items[] = {pawl_mutex_wait_item(&s->mutex),
                              pawl_mutex_wait_item(&s->recursive.base)};
    size_t which = 9;

    CHECK_ERR(pawl_wait_any(items, 2, &which), -EOWNERDEAD);
    CHECK_EQ(which, 0);
    CHECK_OK(pawl_mutex_consistent(&s->mutex));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
}

/* Those who wait for several objects are woken by a death too. */
TEST(region_locks.a_wait_set_hears_of_a_death)
{
    struct scene *s = scene_make(4);
    pid_t holder = test_spawn_child(lock_and_pause, s);
    pid_t other = test_spawn_child(lock_deeply_and_pause, s);
    pid_t waiter;

    until_stage(s, 2);
    waiter = test_spawn_child(wait_for_either, s);
    test_until_asleep(waiter);
    kill_child(holder);
    test_wait_child(waiter);
    kill_child(other);
    pawl_region_free(region);
}

/* -- Once ----------------------------------------------------------------------- */

static int pause_inside(void *arg)
{
    pause_for_ever(arg);
    return 0;
}

static void run_and_pause(void *arg)
{
    struct scene *s = arg;

    (void)!pawl_once_run(&s->once, pause_inside, s);
}

static int count_a_run(void *arg)
{
    struct scene *s = arg;

    return atomic_fetch_add(&s->told, 1) == 0 ? -EIO : 0;
}

/* The first one fails, the second does it. */
static void run_and_end(void *arg)
{
    struct scene *s = arg;
    int err = pawl_once_run(&s->once, count_a_run, s);

    CHECK(err == 0 || err == -EIO);
}

TEST(region_locks.a_killed_runner_of_a_once_is_replaced)
{
    struct scene *s = scene_make(8);

    one_dies_in(run_and_pause, s);
    CHECK(!pawl_once_is_done(&s->once));
    CHECK_ERR(pawl_once_try_run(&s->once, count_a_run, s), -EIO);
    one_dies_in(run_and_pause, s);
    CHECK_OK(pawl_once_run_until(&s->once, count_a_run, s, 0));
    CHECK(pawl_once_is_done(&s->once));
    CHECK_EQ(atomic_load(&s->told), 2);
    pawl_region_free(region);
}

TEST(region_locks.who_waits_for_a_killed_runner_runs)
{
    enum { WAITERS = 4 };
    struct scene *s = scene_make(8);
    pid_t runner = test_spawn_child(run_and_pause, s);
    pid_t waiters[WAITERS];

    until_stage(s, 1);
    CHECK_ERR(pawl_once_try_run(&s->once, count_a_run, s), -EAGAIN);
    CHECK_ERR(pawl_once_run_until(&s->once, count_a_run, s, pawl_after_ms(2)),
              -ETIMEDOUT);
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = test_spawn_child(run_and_end, s);
        test_until_asleep(waiters[i]);
    }
    kill_child(runner);
    for (int i = 0; i < WAITERS; i++)
        CHECK_EQ(test_reap_child(waiters[i]), 0);
    CHECK_EQ(atomic_load(&s->told), 2);
    CHECK(pawl_once_is_done(&s->once));
    pawl_region_free(region);
}

/* -- Semaphore ------------------------------------------------------------------ */

static void acquire_two(void *arg)
{
    struct scene *s = arg;

    CHECK_OK(pawl_sem_acquire_n(&s->sem, 2));
}

/* A child that waits for two permits and claims the one that there is, after all
 * that it was woken for have gone elsewhere. */
static pid_t one_claims(struct scene *s)
{
    pid_t pid = test_spawn_child(acquire_two, s);

    test_until_asleep(pid);
    do {
        CHECK_OK(pawl_sem_release(&s->sem));
        sched_yield();
    } while (pawl_sem_try_acquire(&s->sem) == 0);
    return pid;
}

TEST(region_locks.a_claim_ends_with_its_thread)
{
    struct scene *s = scene_make(4);

    for (int i = 0; i < 2; i++) {
        pid_t pid = one_claims(s);

        CHECK_EQ(pawl_sem_value(&s->sem), 1);
        CHECK_ERR(pawl_sem_try_acquire(&s->sem), -EAGAIN);
        /* Longer than until it looks for the dead: this one lives. */
        CHECK_ERR(pawl_sem_acquire_until(&s->sem, pawl_after_ms(130)),
                  -ETIMEDOUT);
        CHECK_EQ(pawl_sem_waiters(&s->sem), 1);
        CHECK_ERR(pawl_sem_destroy(&s->sem), -EBUSY);
        kill_child(pid);
        CHECK_EQ(pawl_sem_waiters(&s->sem), 0);
        CHECK_OK(pawl_sem_destroy(&s->sem));
        if (i == 0)
            CHECK_OK(pawl_sem_try_acquire(&s->sem));
        else
            CHECK_OK(pawl_sem_acquire(&s->sem));
    }
    CHECK_EQ(s->sem.word_.v_, 0); /* by the one that had to wait */
    kill_child(one_claims(s)); /* which we are not taken for */
    CHECK_EQ(pawl_sem_waiters(&s->sem), 0);
    pawl_region_free(region);
}

/* One that lives gets what it claims. */
TEST(region_locks.a_claim_is_served)
{
    struct scene *s = scene_make(4);
    pid_t pid = one_claims(s);

    CHECK_OK(pawl_sem_release(&s->sem));
    CHECK_EQ(test_reap_child(pid), 0);
    CHECK_EQ(s->sem.word_.v_, 0);
    pawl_region_free(region);
}
