/* SPDX-License-Identifier: MIT
 *
 * fallback_test.c - K-10: the same waits where the kernel refuses a way of sleeping
 * or waking, and with every extreme of spinning.  A switch is read once, so
 * each test, a process of its own, sets its own before the first wait.
 */
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl/cond.h>
#include <pawl/error.h>
#include <pawl/event.h>
#include <pawl/mutex.h>
#include <pawl/once.h>
#include <pawl/sem.h>

#include "futex/sys.h"
#include "visitor.h"

enum { THREADS = 4 };

struct scene {
    pawl_mutex mutex;
    pawl_cond cond;
    pawl_sem sem;
    pawl_once once;
    pawl_event event;
    int count;  /* under the mutex */
    bool ready; /* under the mutex */
    struct door inside;
    struct door go;
    atomic_int runs;
};

static struct scene *make(unsigned flags)
{
    struct scene *s = test_shared_alloc(sizeof *s);

    CHECK_OK(pawl_mutex_init(&s->mutex, flags));
    CHECK_OK(pawl_cond_init(&s->cond, flags));
    CHECK_OK(pawl_sem_init(&s->sem, 0, flags));
    CHECK_OK(pawl_once_init(&s->once, flags));
    CHECK_OK(pawl_event_init(&s->event, flags));
    door_make(&s->inside);
    door_make(&s->go);
    return s;
}

/* ---- mutual exclusion --------------------------------------------------- */

static void count_under_lock(void *arg)
{
    struct scene *s = arg;

    for (int i = 0; i < test_iterations(500); i++) {
        CHECK_OK(pawl_mutex_lock(&s->mutex));
        s->count++;
        if (i % 50 == 0)
            sched_yield();
        CHECK_OK(pawl_mutex_unlock(&s->mutex));
    }
}

static void check_exclusion(struct scene *s)
{
    struct test_thread *t[THREADS];

    for (int i = 0; i < THREADS; i++)
        t[i] = test_thread(count_under_lock, s);
    for (int i = 0; i < THREADS; i++)
        test_join(t[i]);
    CHECK_EQ(s->count, THREADS * test_iterations(500));
}

/* ---- deadlines ---------------------------------------------------------- */

static int count_run(void *arg)
{
    struct scene *s = arg;

    atomic_fetch_add(&s->runs, 1);
    return 0;
}

static int run_until(struct scene *s, pawl_deadline until)
{
    return pawl_once_run_until(&s->once, count_run, s, until);
}

static void check_deadlines(struct scene *s)
{
    pawl_deadline until = pawl_after_ms(5);

    CHECK_ERR(pawl_mutex_lock_until(&s->mutex, until), -ETIMEDOUT);
    CHECK(pawl_now() >= until);
    until = pawl_after_ms(5);
    CHECK_ERR(pawl_sem_acquire_n_until(&s->sem, 2, until), -ETIMEDOUT);
    CHECK(pawl_now() >= until);
    until = pawl_after_ms(5);
    CHECK_ERR(pawl_event_wait_until(&s->event, until), -ETIMEDOUT);
    CHECK(pawl_now() >= until);
    until = pawl_after_ms(5);
    CHECK_ERR(run_until(s, until), -ETIMEDOUT);
    CHECK(pawl_now() >= until);
    CHECK_ERR(pawl_mutex_lock_until(&s->mutex, 0), -ETIMEDOUT);
    CHECK_ERR(pawl_sem_acquire_until(&s->sem, -1), -ETIMEDOUT);
}

/* ---- sleepers are released ---------------------------------------------- */

static int lock_unlock(void *arg)
{
    struct scene *s = arg;

    CHECK_OK(pawl_mutex_lock(&s->mutex));
    return pawl_mutex_unlock(&s->mutex);
}

static int acquire_2(void *arg)
{
    struct scene *s = arg;

    CHECK_OK(pawl_sem_acquire(&s->sem));
    return pawl_sem_acquire_n_until(&s->sem, 2, pawl_after_s(1000));
}

static int wait_event(void *arg)
{
    struct scene *s = arg;

    return pawl_event_wait_until(&s->event, pawl_after_s(1000));
}

static int run(void *arg)
{
    return run_until(arg, PAWL_FOREVER);
}

static int wait_ready(void *arg)
{
    struct scene *s = arg;
    int err;

    CHECK_OK(pawl_mutex_lock(&s->mutex));
    PAWL_COND_WAIT_WHILE(err, &s->cond, &s->mutex, PAWL_FOREVER, !s->ready);
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
    return err;
}

static const visitor_fn sleepers[] = {lock_unlock, acquire_2, wait_event, run,
                                      wait_ready};
enum { SLEEPERS = sizeof sleepers / sizeof *sleepers };

/* Holds the mutex, and is inside the once. */
static int stay_inside(void *arg)
{
    struct scene *s = arg;

    door_open(&s->inside);
    door_pass(&s->go);
    return 0;
}

static void occupy(void *arg)
{
    struct scene *s = arg;

    CHECK_OK(pawl_mutex_lock(&s->mutex));
    CHECK_OK(pawl_once_run(&s->once, stay_inside, s));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
}

/* Two sleepers of every kind; all deadlines are kept, all sleepers released. */
static void check_sleepers(struct scene *s)
{
    struct visitor v[2 * SLEEPERS];
    struct test_thread *holder = test_thread(occupy, s);
    uint32_t waiting = 0;

    door_pass(&s->inside);
    for (int i = 0; i < 2 * SLEEPERS; i++)
        visitor_start(&v[i], sleepers[i % SLEEPERS], NULL, s);
    check_deadlines(s);
    door_open(&s->go);
    test_join(holder);
    while (waiting < 2) {
        CHECK_OK(pawl_mutex_lock(&s->mutex));
        waiting = pawl_cond_waiters(&s->cond);
        s->ready = waiting == 2;
        if (s->ready)
            CHECK_OK(pawl_cond_notify_all(&s->cond, &s->mutex));
        CHECK_OK(pawl_mutex_unlock(&s->mutex));
        sched_yield();
    }
    CHECK_OK(pawl_sem_release(&s->sem));
    CHECK_OK(pawl_sem_release_n(&s->sem, 3));
    CHECK_OK(pawl_sem_release_n(&s->sem, 2));
    pawl_event_set(&s->event);
    for (int i = 0; i < 2 * SLEEPERS; i++)
        CHECK_OK(visitor_passes(&v[i]));
    CHECK_EQ(atomic_load(&s->runs), 0);
    CHECK_EQ(pawl_sem_value(&s->sem), 0);
    CHECK_EQ(pawl_sem_waiters(&s->sem), 0);
}

static void set_switches(const char *fallback, const char *spin)
{
    setenv("PAWL_FALLBACK", fallback, 1);
    pawl_futex_read_environment();
    if (spin != NULL)
        setenv("PAWL_SPIN", spin, 1);
    else
        unsetenv("PAWL_SPIN");
}

static void check_all(const char *fallback, const char *spin)
{
    set_switches(fallback, spin);
    for (int shared = 0; shared < 2; shared++) {
        check_exclusion(make(shared ? PAWL_SHARED : PAWL_LOCAL));
        check_sleepers(make(shared ? PAWL_SHARED : PAWL_LOCAL));
    }
}

/* ---- PAWL_FALLBACK ------------------------------------------------------ */

TEST(fallback.nothing_is_refused)
{
    check_all("", NULL);
}

TEST(fallback.requeue_is_refused)
{
    check_all("requeue", NULL);
}

TEST(fallback.bitset_is_refused)
{
    check_all("bitset", NULL);
}

TEST(fallback.every_futex_call_is_refused)
{
    check_all("futex", NULL);
}

TEST(fallback.all_are_refused)
{
    check_all("requeue,bitset,futex", "0");
}

TEST(fallback.requeue_and_bitset_are_refused_and_nobody_spins)
{
    check_all("requeue,bitset", "0");
}

/* ---- PAWL_SPIN ---------------------------------------------------------- */

TEST(spin.is_forbidden)
{
    check_all("", "0");
}

TEST(spin.is_as_long_as_it_gets)
{
    check_all("", "9223372036854775807");
}

TEST(spin.is_nonsense)
{
    check_all("", "-5 apples");
}

/* ---- a kernel that really refuses --------------------------------------- */

/* From now on this process gets `err` for futex calls with these operations
 * (all, if `first` is 0). */
static void refuse(int err, unsigned first, unsigned second)
{
    const uint32_t op = offsetof(struct seccomp_data, args[1]);
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, op),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K,
                 first == 0 ? 0 : (uint32_t)FUTEX_CMD_MASK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, first, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, second, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)err),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = sizeof code / sizeof *code,
                                .filter = code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        TEST_SKIP("no seccomp here");
}

struct refusal {
    struct scene *s;
    int err;
    unsigned first;
    unsigned second;
};

/* A process of its own, without threads: libc must not be refused anything. */
static void wait_refused(void *arg)
{
    struct refusal *r = arg;
    struct scene *s = r->s;
    pawl_deadline until = pawl_after_ms(5);

    refuse(r->err, r->first, r->second);
    CHECK_ERR(pawl_mutex_lock_until(&s->mutex, until), -ETIMEDOUT);
    CHECK(pawl_now() >= until);
    until = pawl_after_ms(5);
    CHECK_ERR(pawl_sem_acquire_n_until(&s->sem, 2, until), -ETIMEDOUT);
    CHECK(pawl_now() >= until);
    atomic_fetch_add(&s->runs, 1);
    CHECK_OK(pawl_mutex_lock(&s->mutex));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
    CHECK_OK(pawl_sem_acquire_n(&s->sem, 2));
    CHECK_OK(pawl_event_wait(&s->event));
    CHECK_OK(pawl_sem_release(&s->sem));
}

static bool has_ended(pid_t pid)
{
    siginfo_t info = {0};

    CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
    return info.si_pid == pid;
}

static void check_refusal(int err, unsigned first, unsigned second)
{
    struct refusal r = {make(PAWL_SHARED), err, first, second};
    struct scene *s = r.s;
    pid_t pid;

    if (test_under_tsan())
        TEST_SKIP("ThreadSanitizer itself needs what is refused");
    set_switches("", "0");
    CHECK_OK(pawl_mutex_lock(&s->mutex));
    pid = test_spawn_child(wait_refused, &r);
    while (atomic_load(&s->runs) == 0 && !has_ended(pid))
        sched_yield();
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
    CHECK_OK(pawl_sem_release(&s->sem));
    CHECK_OK(pawl_sem_release(&s->sem));
    pawl_event_set(&s->event);
    test_wait_child(pid);
    CHECK_EQ(pawl_sem_value(&s->sem), 1);
}

TEST(kernel.without_bitset_waits)
{
    check_refusal(ENOSYS, FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET);
}

TEST(kernel.without_bitset_wakes)
{
    check_refusal(ENOSYS, FUTEX_WAKE_BITSET, FUTEX_WAKE_BITSET);
}

TEST(kernel.without_futex)
{
    check_refusal(ENOSYS, 0, 0);
}

TEST(kernel.with_a_sandbox_that_forbids_futex)
{
    check_refusal(EPERM, 0, 0);
}
