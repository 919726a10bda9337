/* SPDX-License-Identifier: MIT
 *
 * fork_test.c - locks and signals in the child of a fork (K-02, K-03, K-04).
 *
 * Under ThreadSanitizer a child of a process with threads must not start any;
 * what needs that is skipped there.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <pawl/error.h>
#include <pawl/mutex.h>
#include <pawl/once.h>
#include <pawl/rmutex.h>
#include <pawl/sem.h>

#include "futex/mutex_core.h"
#include "visitor.h"

struct objects {
    pawl_mutex local;
    pawl_mutex ownerless;
    pawl_rmutex recursive;
    pawl_sem sem;
    pawl_once once;
};

static int lock(void *m)
{
    return pawl_mutex_lock(m);
}

static int unlock(void *m)
{
    return pawl_mutex_unlock(m);
}

static int lock_twice(void *r)
{
    CHECK_OK(pawl_rmutex_lock(r));
    return pawl_rmutex_lock(r);
}

static int unlock_twice(void *r)
{
    CHECK_OK(pawl_rmutex_unlock(r));
    return pawl_rmutex_unlock(r);
}

static int acquire(void *s)
{
    return pawl_sem_acquire(s);
}

static int acquire_3(void *s)
{
    return pawl_sem_acquire_n(s, 3);
}

static void in_child(test_fn fn, void *arg)
{
    test_wait_child(test_spawn_child(fn, arg));
}

static struct door parked;
static struct door go_on;

/* ---- held by the thread that forks (K-03) ------------------------------- */

static void local_is_mine(void *arg)
{
    struct objects *o = arg;

    CHECK_EQ(pawl_rmutex_depth(&o->recursive), 2);
    CHECK_OK(pawl_rmutex_lock(&o->recursive));
    CHECK_OK(pawl_rmutex_unlock(&o->recursive));
    CHECK_OK(unlock_twice(&o->recursive));
    CHECK_ERR(pawl_rmutex_unlock(&o->recursive), -EPERM);

    CHECK(pawl_mutex_is_mine(&o->local));
    CHECK_EQ(pawl_mutex_owner(&o->local), syscall(SYS_gettid));
    CHECK_ERR(pawl_mutex_lock(&o->local), -EDEADLK);
    CHECK_OK(pawl_mutex_unlock(&o->local));
    CHECK_ERR(pawl_mutex_unlock(&o->local), -EPERM);
    CHECK_OK(pawl_mutex_lock(&o->local));
    CHECK_OK(pawl_mutex_unlock(&o->local));
}

TEST(fork.both_sides_own_their_copy_of_a_local_lock)
{
    struct objects o = {0};

    CHECK_OK(pawl_mutex_lock(&o.local));
    CHECK_OK(lock_twice(&o.recursive));
    in_child(local_is_mine, &o);
    local_is_mine(&o);
}

static void in_child_of_child(void *arg)
{
    in_child(local_is_mine, arg);
    local_is_mine(arg);
}

TEST(fork.a_grandchild_owns_its_copy_too)
{
    struct objects o = {0};

    CHECK_OK(pawl_mutex_lock(&o.local));
    CHECK_OK(lock_twice(&o.recursive));
    in_child(in_child_of_child, &o);
}

struct shared {
    pawl_mutex mutex;
    pawl_rmutex recursive;
    pawl_once once;
    struct door has_timed_out;
};

static void shared_is_the_parents(void *arg)
{
    struct shared *s = arg;

    CHECK(pawl_mutex_is_locked(&s->mutex));
    CHECK(!pawl_mutex_is_mine(&s->mutex));
    CHECK_EQ(pawl_mutex_owner(&s->mutex), getppid());
    CHECK_ERR(pawl_mutex_unlock(&s->mutex), -EPERM);
    CHECK_ERR(pawl_mutex_try_lock(&s->mutex), -EAGAIN);
    CHECK_ERR(pawl_mutex_lock_until(&s->mutex, pawl_after_ms(2)), -ETIMEDOUT);
    CHECK_EQ(pawl_rmutex_depth(&s->recursive), 0);
    CHECK_ERR(pawl_rmutex_unlock(&s->recursive), -EPERM);
    CHECK_ERR(pawl_rmutex_try_lock(&s->recursive), -EAGAIN);
    door_open(&s->has_timed_out);
    CHECK_OK(pawl_mutex_lock(&s->mutex)); /* once the parent has released it */
    CHECK_OK(lock_twice(&s->recursive));
    CHECK_OK(unlock_twice(&s->recursive));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
}

TEST(fork.a_shared_lock_stays_the_parent_s)
{
    struct shared *s = test_shared_alloc(sizeof *s);
    pid_t pid;

    door_make(&s->has_timed_out);
    CHECK_OK(pawl_mutex_init(&s->mutex, PAWL_SHARED));
    CHECK_OK(pawl_rmutex_init(&s->recursive, PAWL_SHARED));
    CHECK_OK(pawl_mutex_lock(&s->mutex));
    CHECK_OK(lock_twice(&s->recursive));
    pid = test_spawn_child(shared_is_the_parents, s);
    door_pass(&s->has_timed_out);
    test_until_asleep(pid);
    CHECK_EQ(pawl_rmutex_depth(&s->recursive), 2);
    CHECK_OK(unlock_twice(&s->recursive));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
    test_wait_child(pid);
    CHECK_OK(pawl_mutex_lock(&s->mutex));
}

/* ---- held by a thread that the child does not have (K-02) --------------- */

static void local_is_orphaned(void *arg)
{
    struct objects *o = arg;

    CHECK(pawl_mutex_is_locked(&o->local));
    CHECK(!pawl_mutex_is_mine(&o->local));
    CHECK_EQ(pawl_mutex_owner(&o->local), 0);
    CHECK_ERR(pawl_mutex_unlock(&o->local), -EPERM);
    CHECK_ERR(pawl_mutex_try_lock(&o->local), -EOWNERDEAD);
    CHECK_OK(pawl_mutex_consistent(&o->local));
    CHECK_OK(pawl_mutex_unlock(&o->local));
    CHECK_OK(pawl_mutex_lock(&o->local));
    CHECK_EQ(pawl_rmutex_depth(&o->recursive), 0);
    CHECK_ERR(pawl_rmutex_lock(&o->recursive), -EOWNERDEAD); /* L-15 */
    CHECK_EQ(pawl_rmutex_depth(&o->recursive), 1);
}

TEST(fork.a_local_lock_of_a_vanished_thread_is_orphaned)
{
    struct objects o = {0};
    struct visitor a;
    struct visitor b;

    visitor_start(&a, lock, unlock, &o.local);
    visitor_start(&b, lock_twice, unlock_twice, &o.recursive);
    CHECK_OK(visitor_enters(&a));
    CHECK_OK(visitor_enters(&b));
    in_child(local_is_orphaned, &o);
    /* In the parent nothing has happened. */
    CHECK_ERR(pawl_mutex_try_lock(&o.local), -EAGAIN);
    CHECK_ERR(pawl_rmutex_try_lock(&o.recursive), -EAGAIN);
    CHECK_OK(visitor_leaves(&a));
    CHECK_OK(visitor_leaves(&b));
    CHECK_OK(pawl_mutex_lock(&o.local));
    CHECK_OK(pawl_rmutex_lock(&o.recursive));
}

/* The thread uses the library for the first time while libc forks: after it has
 * chosen the handlers to run.  (Ours runs in its prepare phase.) */
static pawl_mutex locked_first;
static struct visitor first_user;
static bool forks_with_company;
static struct door begun;

static int lock_when_told(void *m)
{
    door_open(&begun);
    door_pass(&go_on);
    return pawl_mutex_lock(m);
}

static void have_it_locked(void)
{
    if (!forks_with_company)
        return;
    forks_with_company = false; /* once */
    door_open(&go_on);
    CHECK_OK(visitor_enters(&first_user));
}

static void first_user_is_gone(void *m)
{
    CHECK_ERR(pawl_mutex_try_lock(m), -EOWNERDEAD);
}

TEST(fork.the_first_use_may_come_in_the_middle_of_it)
{
    door_make(&begun);
    door_make(&go_on);
    CHECK_EQ(pthread_atfork(have_it_locked, NULL, NULL), 0);
    visitor_start(&first_user, lock_when_told, unlock, &locked_first);
    door_pass(&begun);
    forks_with_company = true;
    in_child(first_user_is_gone, &locked_first);
    CHECK_OK(visitor_leaves(&first_user));
    CHECK_OK(pawl_mutex_lock(&locked_first));
}

static void shared_is_another_threads(void *arg)
{
    struct shared *s = arg;

    CHECK_ERR(pawl_mutex_try_lock(&s->mutex), -EAGAIN);
    CHECK_ERR(pawl_mutex_lock_until(&s->mutex, pawl_after_ms(2)), -ETIMEDOUT);
    CHECK_ERR(pawl_mutex_unlock(&s->mutex), -EPERM);
    door_open(&s->has_timed_out);
    CHECK_OK(pawl_mutex_lock(&s->mutex));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
}

TEST(fork.a_shared_lock_of_a_thread_of_the_parent_is_waited_for)
{
    struct shared *s = test_shared_alloc(sizeof *s);
    struct visitor v;
    pid_t pid;

    door_make(&s->has_timed_out);
    CHECK_OK(pawl_mutex_init(&s->mutex, PAWL_SHARED));
    visitor_start(&v, lock, unlock, &s->mutex);
    CHECK_OK(visitor_enters(&v));
    pid = test_spawn_child(shared_is_another_threads, s);
    door_pass(&s->has_timed_out);
    test_until_asleep(pid);
    CHECK_OK(visitor_leaves(&v));
    test_wait_child(pid);
}

/* An ownerless lock has no owner to miss: it stays locked, and anybody may
 * release it. */
static void ownerless_stays_locked(void *m)
{
    CHECK_ERR(pawl_mutex_try_lock(m), -EAGAIN);
    CHECK_OK(pawl_mutex_unlock(m));
    CHECK_OK(pawl_mutex_lock(m));
}

TEST(fork.an_ownerless_lock_is_released_by_the_child)
{
    pawl_mutex m = PAWL_MUTEX_INIT_FLAGS(PAWL_OWNERLESS);
    struct visitor v;

    visitor_start(&v, lock, unlock, &m);
    CHECK_OK(visitor_enters(&v));
    in_child(ownerless_stays_locked, &m);
    CHECK_OK(visitor_leaves(&v));
}

/* ---- waiters that the child does not have (K-04) ------------------------ */

static void use_in_company(void *m)
{
    CHECK_OK(pawl_mutex_lock(m));
    CHECK_OK(pawl_mutex_unlock(m));
}

/* The child holds it; nobody sleeps on it, whatever the word says. */
static void waiters_are_forgotten(void *arg)
{
    struct objects *o = arg;
    struct visitor v;

    CHECK_OK(pawl_mutex_unlock(&o->local));
    CHECK_OK(pawl_mutex_try_lock(&o->local));
    if (test_under_tsan())
        return;
    visitor_start_asleep(&v, lock, unlock, &o->local);
    CHECK_OK(pawl_mutex_unlock(&o->local));
    CHECK_OK(visitor_passes(&v));
    test_join(test_thread(use_in_company, &o->local));
}

TEST(fork.the_waiters_of_a_mutex_stay_in_the_parent)
{
    struct objects o = {0};
    struct visitor v;

    CHECK_OK(pawl_mutex_lock(&o.local));
    visitor_start_asleep(&v, lock, unlock, &o.local);
    in_child(waiters_are_forgotten, &o);
    CHECK_OK(pawl_mutex_unlock(&o.local));
    CHECK_OK(visitor_passes(&v));
}

/* A waiter that spins or starves leaves a mark, and a lock may be reserved for
 * it.  A handler holds it there while the process forks. */
static void park(int sig)
{
    (void)sig;
    door_open(&parked);
    door_pass(&go_on);
}

static uint64_t word_of(const pawl_mutex *m)
{
    return __atomic_load_n(&m->word_.v_, __ATOMIC_RELAXED);
}

static void prepare_to_park(void)
{
    struct sigaction sa;

    memset(&sa, 0, sizeof sa);
    sa.sa_handler = park;
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    door_make(&parked);
    door_make(&go_on);
}

static void park_thread(struct test_thread *t)
{
    CHECK_EQ(syscall(SYS_tgkill, getpid(), test_tid(t), SIGUSR1), 0);
    door_pass(&parked);
}

static void mark_is_forgotten(void *arg)
{
    struct objects *o = arg;
    struct visitor v;

    CHECK(pawl_mutex_is_mine(&o->local));
    CHECK_OK(pawl_mutex_unlock(&o->local));
    CHECK_OK(pawl_mutex_try_lock(&o->local)); /* it is not handed over */
    CHECK_OK(pawl_mutex_unlock(&o->local));
    CHECK_OK(pawl_mutex_lock(&o->local));
    if (test_under_tsan())
        return;
    visitor_start_asleep(&v, lock, unlock, &o->local);
    CHECK_OK(pawl_mutex_unlock(&o->local)); /* no mark suppresses the wake */
    CHECK_OK(visitor_passes(&v));
}

static void reservation_is_forgotten(void *arg)
{
    struct objects *o = arg;

    CHECK(!pawl_mutex_is_locked(&o->local));
    CHECK_OK(pawl_mutex_destroy(&o->local)); /* optional: it stays as it is */
    CHECK_OK(pawl_mutex_try_lock(&o->local));
    CHECK_OK(pawl_mutex_unlock(&o->local));
    CHECK_OK(pawl_mutex_lock(&o->local));
    CHECK_OK(pawl_mutex_unlock(&o->local));
    CHECK_OK(pawl_mutex_destroy(&o->local));
}

/* A starving one, asleep: the mark stays for as long as we hold the lock. */
TEST(fork.a_starving_waiter_and_its_reservation_stay_in_the_parent)
{
    struct objects o = {0};
    struct visitor v;

    prepare_to_park();
    CHECK_OK(pawl_mutex_lock(&o.local));
    visitor_start_asleep(&v, lock, unlock, &o.local);
    /* It wakes up by itself to say that it starves, or, woken by us and
     * overtaken, says so then. */
    while ((word_of(&o.local) & PAWL_M_STARVERS) == 0)
        sched_yield();
    in_child(mark_is_forgotten, &o);
    park_thread(v.thread);
    CHECK_OK(pawl_mutex_unlock(&o.local));
    if ((word_of(&o.local) & PAWL_M_ID) == PAWL_M_RESERVED)
        in_child(reservation_is_forgotten, &o);
    door_open(&go_on);
    CHECK_OK(visitor_passes(&v));
}

/* One that spins: caught in the act, or tried again. */
TEST(fork.the_mark_of_a_spinner_stays_in_the_parent)
{
    struct objects o = {0};

    prepare_to_park();
    if (test_cpu_count() < 2)
        TEST_SKIP("nobody spins on one CPU");
    if (getenv("PAWL_SPIN") != NULL)
        TEST_SKIP("PAWL_SPIN is set");
    setenv("PAWL_SPIN", "1000000", 1);
    for (int i = 0; i < 300; i++) {
        struct visitor v;
        bool caught;

        CHECK_OK(pawl_mutex_lock(&o.local));
        visitor_start(&v, lock, unlock, &o.local);
        for (int look = 0; look < 10000; look++) {
            if ((word_of(&o.local) & PAWL_M_SPINNING) != 0)
                break;
        }
        park_thread(v.thread);
        caught = (word_of(&o.local) & PAWL_M_SPINNING) != 0;
        if (caught)
            in_child(mark_is_forgotten, &o);
        CHECK_OK(pawl_mutex_unlock(&o.local));
        door_open(&go_on);
        CHECK_OK(visitor_passes(&v));
        if (caught)
            return;
    }
    TEST_SKIP("no waiter was caught spinning");
}

static void sem_waiters_are_forgotten(void *s)
{
    struct visitor v;

    CHECK_EQ(pawl_sem_waiters(s), 0);
    CHECK_EQ(pawl_sem_value(s), 2);
    CHECK_OK(pawl_sem_try_acquire(s)); /* nobody claims it here */
    CHECK_OK(pawl_sem_acquire(s));
    CHECK_ERR(pawl_sem_try_acquire(s), -EAGAIN);
    CHECK_ERR(pawl_sem_acquire_until(s, pawl_after_ms(1)), -ETIMEDOUT);
    CHECK_EQ(pawl_sem_waiters(s), 0);
    CHECK_OK(pawl_sem_destroy(s));
    if (test_under_tsan())
        return;
    visitor_start_asleep(&v, acquire, NULL, s);
    CHECK_EQ(pawl_sem_waiters(s), 1);
    CHECK_OK(pawl_sem_release(s));
    CHECK_OK(visitor_passes(&v));
    CHECK_EQ(pawl_sem_value(s), 0);
}

TEST(fork.the_waiters_of_a_semaphore_stay_in_the_parent)
{
    pawl_sem s = PAWL_SEM_INIT(2);
    struct visitor v[2];
    pid_t pid;

    for (int i = 0; i < 2; i++)
        visitor_start_asleep(&v[i], acquire_3, NULL, &s);
    CHECK_EQ(pawl_sem_waiters(&s), 2);
    in_child(sem_waiters_are_forgotten, &s);
    /* Until one of them claims what comes in. */
    CHECK_OK(pawl_sem_acquire(&s));
    for (int i = 0; i < 100000; i++) {
        CHECK_OK(pawl_sem_release(&s));
        if (pawl_sem_try_acquire(&s) == -EAGAIN)
            break;
        sched_yield();
    }
    pid = test_spawn_child(sem_waiters_are_forgotten, &s);
    test_wait_child(pid);
    CHECK_EQ(pawl_sem_waiters(&s), 2);
    CHECK_OK(pawl_sem_release_n(&s, 4));
    for (int i = 0; i < 2; i++)
        CHECK_OK(visitor_passes(&v[i]));
}

/* ---- once --------------------------------------------------------------- */

static struct door inside;
static struct door go;

static int slow(void *arg)
{
    (void)arg;
    door_open(&inside);
    door_pass(&go);
    return 0;
}

static int run_slow(void *o)
{
    return pawl_once_run(o, slow, NULL);
}

static int count_run(void *count)
{
    ++*(int *)count;
    return 0;
}

static void runs_it_itself(void *o)
{
    int count = 0;

    CHECK(!pawl_once_is_done(o));
    CHECK_OK(pawl_once_run(o, count_run, &count));
    CHECK_EQ(count, 1);
    CHECK(pawl_once_is_done(o));
}

TEST(fork.what_a_vanished_thread_was_running_is_run_by_the_child)
{
    pawl_once o = PAWL_ONCE_INIT;
    struct visitor v;

    door_make(&inside);
    door_make(&go);
    visitor_start(&v, run_slow, NULL, &o);
    door_pass(&inside);
    in_child(runs_it_itself, &o);
    door_open(&go);
    CHECK_OK(visitor_passes(&v));
    CHECK(pawl_once_is_done(&o));
}

static pid_t forked_inside;

static int fork_inside(void *arg)
{
    (void)arg;
    forked_inside = fork();
    return 0;
}

/* Both sides complete what the forking thread was running. */
TEST(fork.inside_a_once_both_sides_complete_it)
{
    pawl_once o = PAWL_ONCE_INIT;

    CHECK_OK(pawl_once_run(&o, fork_inside, NULL));
    CHECK(pawl_once_is_done(&o));
    if (forked_inside == 0)
        _exit(0);
    CHECK_EQ(test_reap_child(forked_inside), 0);
}

/* ---- many generations --------------------------------------------------- */

static int generations;

/* Each generation leaves its marks on the same objects. */
static void live_and_fork(void *arg)
{
    struct objects *o = arg;

    CHECK_OK(pawl_mutex_unlock(&o->local));
    CHECK_OK(pawl_mutex_lock(&o->local));
    CHECK_ERR(pawl_sem_acquire_until(&o->sem, pawl_after_us(10)), -ETIMEDOUT);
    if (--generations > 0)
        in_child(live_and_fork, o);
    CHECK_OK(pawl_mutex_unlock(&o->local));
}

TEST(fork.of_forks_of_forks)
{
    struct objects o = {0};

    generations = test_iterations(70); /* more than the marks can tell apart */
    CHECK_OK(pawl_mutex_lock(&o.local));
    in_child(live_and_fork, &o);
}
