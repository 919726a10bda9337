/* SPDX-License-Identifier: MIT
 *
 * clock_fault.c - the wall clock jumps: deadlines do not notice.
 *
 * The machine's clock is left alone.  This program has its own clock_gettime and
 * its relatives, whose wall clock jumps by hours at every look; and the kernel
 * is told, by a filter, to kill who asks it to wait by the wall clock.
 */
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <pawl/barrier.h>
#include <pawl/cond.h>
#include <pawl/deque.h>
#include <pawl/error.h>
#include <pawl/event.h>
#include <pawl/future.h>
#include <pawl/latch.h>
#include <pawl/mutex.h>
#include <pawl/pipe.h>
#include <pawl/pool.h>
#include <pawl/process.h>
#include <pawl/procpool.h>
#include <pawl/queue.h>
#include <pawl/region.h>
#include <pawl/rwlock.h>
#include <pawl/sem.h>
#include <pawl/shared_queue.h>
#include <pawl/thread.h>
#include <pawl/timer.h>
#include <pawl/wait.h>

#include "futex/sys.h"
#include "test.h"

/* ---- the wall clock jumps ---------------------------------------------------- */

static int looks; /* at the wall clock */

static void jump(struct timespec *t)
{
    t->tv_sec += ++looks % 2 == 0 ? 7200 : -7200;
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    long err = syscall(SYS_clock_gettime, clock, t);

    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
        jump(t);
    return (int)err;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = (suseconds_t)(now.tv_nsec / 1000);
    return 0;
}

time_t time(time_t *t)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (t != NULL)
        *t = now.tv_sec;
    return now.tv_sec;
}

/* From now on, a wait by the wall clock is death. */
static void forbid_wall_clock(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, FUTEX_CLOCK_REALTIME, 5, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_nanosleep, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_timerfd_create, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CLOCK_REALTIME, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = sizeof code / sizeof *code,
                                .filter = code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        TEST_SKIP("no seccomp here: nothing was tested");
}

/* ---- deadlines ------------------------------------------------------------------ */

struct scene {
    pawl_mutex mutex;
    pawl_mutex of_cond;
    pawl_rwlock rwlock;
    pawl_sem sem;
    pawl_cond cond;
    pawl_event event;
    pawl_latch latch;
    pawl_barrier barrier;
};

static struct scene scene;

static int lock_until(pawl_deadline until)
{
    return pawl_mutex_lock_until(&scene.mutex, until);
}

static int read_until(pawl_deadline until)
{
    return pawl_rwlock_read_lock_until(&scene.rwlock, until);
}

static int write_until(pawl_deadline until)
{
    return pawl_rwlock_write_lock_until(&scene.rwlock, until);
}

static int acquire_until(pawl_deadline until)
{
    return pawl_sem_acquire_until(&scene.sem, until);
}

static int event_until(pawl_deadline until)
{
    return pawl_event_wait_until(&scene.event, until);
}

static int latch_until(pawl_deadline until)
{
    return pawl_latch_wait_until(&scene.latch, until);
}

static int barrier_until(pawl_deadline until)
{
    CHECK_OK(pawl_barrier_reset(&scene.barrier));
    return pawl_barrier_wait_until(&scene.barrier, until);
}

static int cond_until(pawl_deadline until)
{
    return pawl_cond_wait_until(&scene.cond, &scene.of_cond, until);
}

static int (*const waits[])(pawl_deadline) = {
    lock_until,  read_until,  write_until,   acquire_until,
    event_until, latch_until, barrier_until, cond_until};

/* The holder of all that has one: another process. */
static void hold(void *arg)
{
    struct scene *s = arg;

    CHECK_OK(pawl_mutex_lock(&s->mutex));
    CHECK_OK(pawl_rwlock_write_lock(&s->rwlock));
}

static int64_t monotonic(void)
{
    struct timespec t;

    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void wait_for_nothing(void *fallback)
{
    setenv("PAWL_FALLBACK", fallback, 1);
    pawl_futex_read_environment();
    CHECK_OK(pawl_mutex_lock(&scene.of_cond));
    forbid_wall_clock();
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        int64_t began = monotonic();
        pawl_deadline until = pawl_after_ms(5);

        CHECK(until >= began + 5000000);
        CHECK_ERR(waits[i](until), -ETIMEDOUT);
        CHECK(monotonic() >= until);
        /* Not hours late either: the watchdog sees to that. */
    }
    CHECK_EQ(looks, 0); /* nor has anybody looked */
}

/* ---- the other layers ------------------------------------------------------------ */

/* What they wait for, in vain. */
static struct others {
    pawl_event *go; /* for those who keep the others waiting: processes, too */
    pawl_queue *queue;
    pawl_deque *deque;
    pawl_thread thread;
    pawl_timer timer;
    pawl_pool *pool;
    pawl_task task;
    pawl_region *region;
    pawl_shared_queue *shared;
    pawl_pipe *ends[2];
    pawl_process *process;
    pawl_procpool *procpool;
} others;

static int stay(void *go)
{
    return pawl_event_wait(go);
}

static int stay_as_task(pawl_task *t, void *go)
{
    (void)t;
    return stay(go);
}

static int stay_as_worker(pawl_proccall *call)
{
    (void)call;
    return stay(others.go);
}

static void never(pawl_timer *t, void *context)
{
    (void)context;
    CHECK(t == NULL);
}

static int queue_until(pawl_deadline until)
{
    char item;

    return pawl_queue_get_until(others.queue, &item, until);
}

static int deque_until(pawl_deadline until)
{
    char item;

    return pawl_deque_pop_back_until(others.deque, &item, until);
}

static int thread_until(pawl_deadline until)
{
    return pawl_thread_join_until(&others.thread, until, NULL);
}

static int timer_until(pawl_deadline until)
{
    return pawl_timer_join_until(&others.timer, until);
}

static int pool_until(pawl_deadline until)
{
    return pawl_pool_drain_until(others.pool, until);
}

static int future_until(pawl_deadline until)
{
    return pawl_future_result_until(&others.task.future, NULL, NULL, until);
}

static int any_until(pawl_deadline until)
{
    pawl_wait_item items[] = {PAWL_WAIT_READABLE(others.queue),
                              PAWL_WAIT_TIMER(&others.timer)};

    return pawl_wait_any_until(items, 2, until, NULL);
}

static int shared_queue_until(pawl_deadline until)
{
    char item;

    return (int)pawl_shared_queue_get_until(others.shared, &item, 1, until);
}

static int pipe_until(pawl_deadline until)
{
    return pawl_pipe_poll_until(others.ends[0], until);
}

static int process_until(pawl_deadline until)
{
    return pawl_process_join_until(others.process, until, NULL);
}

static int procpool_until(pawl_deadline until)
{
    return pawl_procpool_drain_until(others.procpool, until);
}

static int (*const other_waits[])(pawl_deadline) = {
    queue_until,   deque_until,  thread_until,  timer_until,
    pool_until,    future_until, any_until,     shared_queue_until,
    process_until, pipe_until,   procpool_until};

static void make_others(void)
{
    static pawl_proctask task;
    const pawl_process_options fork = {.method = PAWL_START_FORK};

    others.go = test_shared_alloc(sizeof *others.go);
    CHECK_OK(pawl_event_init(others.go, PAWL_SHARED));
    CHECK_OK(pawl_region_create(&others.region,
                                &(pawl_region_options){.heap = 65536}));
    CHECK_OK(pawl_shared_queue_create(
        &others.shared, others.region,
        &(pawl_shared_queue_options){.capacity = 1, .record_size = 1}));
    CHECK_OK(pawl_pipe_create(others.ends, NULL));
    CHECK_OK(pawl_process_create(&others.process, stay, others.go, &fork));
    CHECK_OK(pawl_process_start(others.process));
    CHECK_OK(pawl_procpool_create(
        &others.procpool,
        &(pawl_procpool_options){.workers = 1, .method = PAWL_START_FORK}));
    pawl_proctask_init(&task, stay_as_worker, NULL, 0, NULL, 0);
    CHECK_OK(pawl_procpool_submit(others.procpool, &task));
    CHECK_OK(pawl_queue_create(
        &others.queue,
        &(pawl_queue_options){.capacity = 1, .element_size = 1}));
    CHECK_OK(pawl_deque_create(
        &others.deque,
        &(pawl_deque_options){.capacity = 1, .element_size = 1}));
    CHECK_OK(pawl_thread_init(&others.thread, stay, others.go, NULL));
    CHECK_OK(pawl_thread_start(&others.thread));
    CHECK_OK(pawl_timer_init(&others.timer, never, NULL));
    CHECK_OK(pawl_timer_start(&others.timer, pawl_after_s(3000)));
    CHECK_OK(pawl_pool_create(&others.pool, NULL));
    pawl_task_init(&others.task, stay_as_task, others.go);
    CHECK_OK(pawl_pool_submit(others.pool, &others.task));
}

static void end_others(void)
{
    CHECK_OK(pawl_timer_cancel_wait(&others.timer));
    pawl_event_set(others.go);
    CHECK_OK(pawl_thread_join(&others.thread, NULL));
    CHECK_OK(pawl_pool_end(others.pool));
    CHECK_OK(pawl_procpool_end(others.procpool));
    CHECK_OK(pawl_process_join(others.process, NULL));
}

static void wait_for_others(void *fallback)
{
    setenv("PAWL_FALLBACK", fallback, 1);
    pawl_futex_read_environment();
    forbid_wall_clock();
    make_others();
    for (size_t i = 0; i < sizeof other_waits / sizeof *other_waits; i++) {
        pawl_deadline until = pawl_after_ms(5);

        CHECK_ERR(other_waits[i](until), -ETIMEDOUT);
        CHECK(monotonic() >= until);
    }
    end_others();
    CHECK_EQ(looks, 0);
}

static void check_others(const char *fallback)
{
    if (test_under_tsan())
        TEST_SKIP("ThreadSanitizer has its own clock_gettime");
    test_wait_child(
        test_spawn_child(wait_for_others, (void *)(size_t)fallback));
}

TEST(clock.jumps_move_no_deadline_of_other_layers)
{
    check_others("");
}

TEST(clock.jumps_move_no_deadline_of_other_layers_by_old_calls)
{
    check_others("bitset,requeue,waitv,pidfd");
}

/* ---- the locks -------------------------------------------------------------------- */

static void check_deadlines(const char *fallback)
{
    struct scene *shared = test_shared_alloc(sizeof *shared);

    if (test_under_tsan())
        TEST_SKIP("ThreadSanitizer has its own clock_gettime");
    CHECK_OK(pawl_mutex_init(&shared->mutex, PAWL_SHARED));
    CHECK_OK(pawl_rwlock_init(&shared->rwlock, PAWL_SHARED));
    CHECK_OK(pawl_latch_init(&shared->latch, 1, PAWL_SHARED));
    CHECK_OK(pawl_barrier_init(&shared->barrier, 2, PAWL_FOREVER, PAWL_SHARED));
    test_wait_child(test_spawn_child(hold, shared));
    scene = *shared; /* held by one who is gone, for ever */
    test_wait_child(
        test_spawn_child(wait_for_nothing, (void *)(size_t)fallback));
}

TEST(clock.jumps_move_no_deadline)
{
    check_deadlines("");
}

TEST(clock.jumps_move_no_deadline_of_old_calls)
{
    check_deadlines("bitset,requeue");
}

TEST(clock.jumps_move_no_deadline_of_a_poll)
{
    check_deadlines("futex");
}

/* That the filter and the clock above do what they say. */
static void wait_by_the_wall_clock(void *arg)
{
    struct timespec t = {1, 0};
    int word = 0;

    (void)arg;
    forbid_wall_clock();
    syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &t,
            NULL, FUTEX_BITSET_MATCH_ANY);
}

TEST(clock.filter_kills_who_waits_by_the_wall_clock)
{
    int status =
        test_reap_child(test_spawn_child(wait_by_the_wall_clock, NULL));

    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        TEST_SKIP("no seccomp here");
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    time(NULL);
    CHECK_EQ(looks, 1);
}
