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
#include <pawl/error.h>
#include <pawl/event.h>
#include <pawl/latch.h>
#include <pawl/mutex.h>
#include <pawl/rwlock.h>
#include <pawl/sem.h>

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
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, FUTEX_CLOCK_REALTIME, 4, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_nanosleep, 0, 3),
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
