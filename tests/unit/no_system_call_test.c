/* SPDX-License-Identifier: MIT
 *
 * no_system_call_test.c - R-14, H-04, W-55: what needs nobody else makes no system
 * call, also if it is shared: there is nothing of it in the kernel.
 *
 * A filter kills the process at the first one.  A second thread is there, so that
 * nothing takes the short way of a process that has but one.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl.h>

#include "test.h"

enum { ROUNDS = 1000 };

static int pipe_ends[2];

/* Ends the process when the other has got through. */
static void end_when_told(void *arg)
{
    char byte;

    (void)arg;
    _exit(read(pipe_ends[0], &byte, 1) == 1 ? 0 : 1);
}

/* From here on this thread may write, and nothing else. */
static void forbid_system_calls(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = sizeof code / sizeof *code,
                                .filter = code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        TEST_SKIP("no seccomp here");
}

struct work {
    void (*prepare)(unsigned flags); /* may call the system; once through */
    void (*go)(void);
};

static unsigned flags_;

static void child(void *arg)
{
    const struct work *w = arg;

    CHECK_EQ(pipe(pipe_ends), 0);
    test_thread(end_when_told, NULL);
    w->prepare(flags_);
    w->go(); /* the first use makes this thread known */
    forbid_system_calls();
    for (int i = 0; i < ROUNDS; i++)
        w->go();
    CHECK_EQ(write(pipe_ends[1], "", 1), 1);
    for (;;)
        ; /* until the other ends us both */
}

static void check(void (*prepare)(unsigned flags), void (*go)(void))
{
    struct work w = {prepare, go};

    if (test_under_tsan())
        TEST_SKIP("the sanitizer makes system calls of its own");
    for (flags_ = PAWL_LOCAL; flags_ <= PAWL_SHARED; flags_++)
        test_wait_child(test_spawn_child(child, &w));
}

static pawl_mutex mutex;
static pawl_rmutex rmutex;
static pawl_rwlock rwlock;
static pawl_cond cond;
static pawl_sem sem;
static pawl_event event;
static pawl_latch latch;
static pawl_once once;
static pawl_barrier barrier;
static pawl_eventcount ec;

static int no_once(void *arg)
{
    (void)arg;
    return 0;
}

static void make_locks(unsigned flags)
{
    CHECK_OK(pawl_mutex_init(&mutex, flags));
    CHECK_OK(pawl_rmutex_init(&rmutex, flags));
    CHECK_OK(pawl_rwlock_init(&rwlock, flags));
}

static void use_locks(void)
{
    pawl_mutex *many[1] = {&mutex};

    CHECK_OK(pawl_mutex_lock(&mutex));
    CHECK_ERR(pawl_mutex_try_lock(&mutex), -EAGAIN);
    CHECK_ERR(pawl_mutex_lock(&mutex), -EDEADLK);
    CHECK_OK(pawl_mutex_unlock(&mutex));
    CHECK_ERR(pawl_mutex_unlock(&mutex), -EPERM);
    CHECK_OK(pawl_mutex_lock_until(&mutex, 1));
    CHECK_OK(pawl_mutex_unlock(&mutex));
    CHECK_OK(pawl_mutex_lock_many(many, 1));
    CHECK_OK(pawl_mutex_unlock(&mutex));
    CHECK_OK(pawl_rmutex_lock(&rmutex));
    CHECK_OK(pawl_rmutex_lock(&rmutex));
    CHECK_OK(pawl_rmutex_unlock(&rmutex));
    CHECK_OK(pawl_rmutex_unlock(&rmutex));
    CHECK_OK(pawl_rwlock_read_lock(&rwlock));
    CHECK_OK(pawl_rwlock_read_unlock(&rwlock));
    CHECK_OK(pawl_rwlock_write_lock(&rwlock));
    CHECK_OK(pawl_rwlock_downgrade(&rwlock));
    CHECK_OK(pawl_rwlock_read_unlock(&rwlock));
}

/* L rows: locks that nobody else wants. */
TEST(no_system_call.locks)
{
    check(make_locks, use_locks);
}

static void make_signals(unsigned flags)
{
    CHECK_OK(pawl_mutex_init(&mutex, flags));
    CHECK_OK(pawl_cond_init(&cond, flags));
    CHECK_OK(pawl_sem_init(&sem, 1, flags));
    CHECK_OK(pawl_event_init(&event, flags));
    CHECK_OK(pawl_once_init(&once, flags));
    CHECK_OK(pawl_barrier_init(&barrier, 1, 0, flags));
    CHECK_OK(pawl_eventcount_init(&ec, flags));
}

static void use_signals(void)
{
    CHECK_OK(pawl_mutex_lock(&mutex));
    CHECK_OK(pawl_cond_notify(&cond, &mutex, 1));
    CHECK_OK(pawl_cond_notify_all(&cond, &mutex));
    CHECK_OK(pawl_mutex_unlock(&mutex));
    CHECK_OK(pawl_sem_acquire(&sem));
    CHECK_ERR(pawl_sem_try_acquire(&sem), -EAGAIN);
    CHECK_OK(pawl_sem_release(&sem));
    pawl_event_set(&event);
    CHECK_OK(pawl_event_wait(&event));
    pawl_event_clear(&event);
    CHECK_ERR(pawl_event_try_wait(&event), -EAGAIN);
    CHECK_OK(pawl_latch_init(&latch, 1, 0));
    CHECK_OK(pawl_latch_count_down(&latch, 1));
    CHECK_OK(pawl_latch_wait(&latch));
    CHECK_OK(pawl_once_run(&once, no_once, NULL));
    CHECK(pawl_barrier_wait(&barrier) == 0);
    pawl_eventcount_notify(&ec, 1);
    pawl_eventcount_cancel(&ec, pawl_eventcount_prepare(&ec));
}

/* C, S, E, B rows: signals that nobody waits for. */
TEST(no_system_call.signals)
{
    check(make_signals, use_signals);
}

static pawl_queue *queues[2];

static void make_queues(unsigned flags)
{
    for (int i = 0; i < 2; i++) {
        pawl_queue_options o = {.capacity = 3,
                                .element_size = i == 0 ? 8 : 40,
                                .flags = flags};
        int64_t bytes = pawl_queue_bytes(&o);

        CHECK_OK(pawl_queue_init(&queues[i], test_shared_alloc((size_t)bytes),
                                 (size_t)bytes, &o));
    }
}

static void use_queues(void)
{
    char elements[4 * 40] = "";

    for (int i = 0; i < 2; i++) {
        pawl_queue *q = queues[i];

        CHECK_ERR(pawl_queue_try_get(q, elements), -EAGAIN);
        CHECK_OK(pawl_queue_put(q, elements));
        CHECK_OK(pawl_queue_put_until(q, elements, 1));
        CHECK_OK(pawl_queue_get(q, elements));
        CHECK_EQ(pawl_queue_put_many(q, elements, 4), 2);
        CHECK_ERR(pawl_queue_try_put(q, elements), -EAGAIN);
        CHECK_EQ(pawl_queue_get_many(q, elements, 4), 3);
        for (int k = 0; k < 4; k++)
            CHECK_OK(pawl_queue_task_done(q));
        CHECK(pawl_queue_unfinished(q) == 0);
        CHECK_OK(pawl_queue_join(q));
        CHECK(pawl_queue_is_empty(q));
    }
}

/* queues with room and elements, at which nobody sleeps. */
TEST(no_system_call.queues)
{
    check(make_queues, use_queues);
}

static void call_the_system(void)
{
    (void)getppid();
}

/* And the filter bites. */
TEST(no_system_call.filter_bites)
{
    struct work w = {make_locks, call_the_system};
    int status;

    if (test_under_tsan())
        TEST_SKIP("the sanitizer makes system calls of its own");
    status = test_reap_child(test_spawn_child(child, &w));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        TEST_SKIP("no seccomp here");
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}
