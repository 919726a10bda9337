/* SPDX-License-Identifier: MIT
 *
 * thread_fork_test.c - what a fork leaves of threads, and the hooks around it.
 *
 * ThreadSanitizer does not allow new threads in the child of a process that has
 * some, so those tests are left out there.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl.h>

#include "test.h"

static int nothing(void *arg)
{
    (void)arg;
    return 3;
}

static int wait_for(void *event)
{
    return pawl_event_wait(event);
}

static void begin(pawl_thread *t, pawl_thread_fn fn, void *arg)
{
    CHECK_OK(pawl_thread_init(t, fn, arg, NULL));
    CHECK_OK(pawl_thread_start(t));
}

/* In the child, which returns from here; the parent waits for it. */
static bool in_child(void)
{
    pid_t child = fork();

    CHECK(child >= 0);
    if (child != 0)
        test_wait_child(child);
    return child == 0;
}

static void check_that_threads_work(void)
{
    pawl_thread t[4];
    pawl_thread *all[4];
    int status;

    if (test_under_tsan())
        return;
    for (int i = 0; i < 4; i++)
        begin(all[i] = &t[i], nothing, NULL);
    CHECK_OK(pawl_thread_join_all_until(all, 4, PAWL_FOREVER));
    CHECK_OK(pawl_thread_join(&t[3], &status));
    CHECK_EQ(status, 3);
    CHECK_EQ(pawl_thread_active_count(), 1);
}

/* K-01, R-18: handles of the others read "not alive", and nothing hangs. */
TEST(thread_fork.others_are_not_alive_in_the_child)
{
    pawl_event go = PAWL_EVENT_INIT;
    pawl_thread ended;
    pawl_thread new;
    pawl_thread t;
    size_t which;
    int status = 7;

    begin(&ended, nothing, NULL);
    CHECK_OK(pawl_thread_join(&ended, NULL));
    CHECK_OK(pawl_thread_init(&new, nothing, NULL, NULL));
    begin(&t, wait_for, &go);
    CHECK(pawl_thread_native_id(&t) != 0);
    CHECK_EQ(pawl_thread_active_count(), 2);
    if (in_child()) {
        pawl_wait_item item = PAWL_WAIT_THREAD(&t);

        CHECK(!pawl_thread_is_alive(&t));
        CHECK_ERR(pawl_thread_join(&t, &status), -ECHILD);
        CHECK_ERR(pawl_thread_try_join(&t, &status), -ECHILD);
        CHECK_ERR(pawl_thread_exit_status(&t, &status), -ECHILD);
        CHECK_ERR(pawl_thread_request_stop(&t), -ECHILD);
        CHECK_ERR(pawl_wait_any(&item, 1, &which), -ECHILD);
        CHECK_ERR(pawl_thread_start(&t), -EALREADY);
        CHECK_EQ(status, 7);
        CHECK_OK(pawl_thread_set_name(&t, "x"));
        CHECK_OK(pawl_thread_destroy(&t));
        CHECK_OK(pawl_thread_join(&ended, &status));
        CHECK_EQ(status, 3);
        CHECK_EQ(pawl_thread_active_count(), 1);
        CHECK(pawl_thread_current() == pawl_thread_main());
        CHECK_EQ(pawl_thread_native_id(pawl_thread_main()), getpid());
        if (!test_under_tsan()) {
            CHECK_OK(pawl_thread_start(&new));
            CHECK_OK(pawl_thread_join(&new, NULL));
        }
        check_that_threads_work();
        exit(0); /* which waits for nobody */
    }
    pawl_event_set(&go);
    CHECK_OK(pawl_thread_join(&t, NULL));
    check_that_threads_work();
}

/* -- From a thread ------------------------------------------------------------ */

static int join_main(void *arg)
{
    (void)arg;
    return pawl_thread_join_until(pawl_thread_main(), pawl_after_ms(1), NULL);
}

static int fork_in_thread(void *t)
{
    pawl_thread *old_main = pawl_thread_main();
    pid_t child = fork();

    CHECK(child >= 0);
    if (child != 0) {
        test_wait_child(child);
        return 0;
    }
    /* T-10, T-13: the thread that forked is main now, with the tid it has here. */
    CHECK(pawl_thread_main() == t);
    CHECK(pawl_thread_current() == t);
    CHECK(pawl_thread_is_alive(t));
    CHECK_EQ(pawl_thread_native_id(t), getpid());
    CHECK_EQ(pawl_thread_get_native_id(), (uint32_t)gettid());
    CHECK(!pawl_thread_is_alive(old_main));
    CHECK_ERR(pawl_thread_join(old_main, NULL), -ECHILD);
    CHECK_ERR(pawl_thread_join(t, NULL), -EDEADLK);
    CHECK_EQ(pawl_thread_active_count(), 1);
    if (!test_under_tsan()) {
        pawl_thread j;
        int status;

        begin(&j, join_main, NULL);
        CHECK_OK(pawl_thread_join(&j, &status));
        CHECK_EQ(status, -ETIMEDOUT);
    }
    check_that_threads_work();
    if (test_under_tsan())
        _exit(0); /* its runtime does not survive the next line */
    return 0; /* the last thread ends, and with it the process: with 0 */
}

TEST(thread_fork.thread_that_forks_is_main_in_the_child)
{
    for (int i = 0; i < 5; i++) {
        pawl_thread t;
        int status;

        begin(&t, fork_in_thread, &t);
        CHECK_OK(pawl_thread_join(&t, &status));
        CHECK_EQ(status, 0);
    }
}

static void fork_in_foreign_thread(void *arg)
{
    pid_t child = fork();

    (void)arg;
    CHECK(child >= 0);
    if (child != 0) {
        test_wait_child(child);
        return;
    }
    CHECK(pawl_thread_main() != NULL);
    CHECK(pawl_thread_current() == pawl_thread_main());
    CHECK(!pawl_thread_is_daemon(pawl_thread_main()));
    CHECK_EQ(pawl_thread_native_id(pawl_thread_main()), getpid());
    CHECK_EQ(pawl_thread_active_count(), 1);
    check_that_threads_work();
    _exit(0);
}

TEST(thread_fork.foreign_thread_that_forks_is_main_in_the_child)
{
    CHECK_EQ(pawl_thread_active_count(), 1);
    test_join(test_thread(fork_in_foreign_thread, NULL));
}

/* -- At any moment --------------------------------------------------------------- */

struct storm {
    _Atomic bool over;
    pawl_thread self[2];
};

static int start_and_join(void *arg)
{
    struct storm *s = arg;
    uint64_t random = test_seed(1);

    while (!atomic_load(&s->over)) {
        pawl_thread_options o = {.size = sizeof o,
                                 .no_cache = test_rand_below(&random, 4) == 0};
        pawl_thread_info infos[8];
        pawl_thread t;

        CHECK_OK(pawl_thread_init(&t, nothing, NULL, &o));
        CHECK_OK(pawl_thread_start(&t));
        if (test_rand_below(&random, 2) == 0)
            (void)pawl_thread_enumerate(infos, 8);
        CHECK_OK(pawl_thread_join(&t, NULL));
    }
    return 0;
}

/* K-01, stress invariant 11: whatever others are doing when a fork comes, the
 * child has threads that work. */
TEST(thread_fork.child_works_whatever_others_were_doing)
{
    struct storm s = {.over = false};

    if (test_under_tsan())
        TEST_SKIP("ThreadSanitizer allows no threads in such a child");
    for (int i = 0; i < 2; i++)
        begin(&s.self[i], start_and_join, &s);
    for (int i = 0; i < test_iterations(100); i++)
        if (in_child()) {
            check_that_threads_work();
            _exit(0);
        }
    atomic_store(&s.over, true);
    for (int i = 0; i < 2; i++)
        CHECK_OK(pawl_thread_join(&s.self[i], NULL));
}

/* -- Hooks (K-05) ------------------------------------------------------------------ */

static char calls[64];

static void note(const char *call, const void *n)
{
    size_t at = strlen(calls);

    snprintf(calls + at, sizeof calls - at, "%s%d ", call, *(const int *)n);
}

static void before(void *n)
{
    note("b", n);
}

static void in_parent(void *n)
{
    note("p", n);
}

static void after_in_child(void *n)
{
    note("c", n);
}

static size_t warned;

static void warn(size_t n)
{
    warned = n;
}

TEST(thread_fork.hooks_run_before_in_reverse_and_after_in_order)
{
    static int number[] = {1, 2};

    CHECK_OK(pawl_at_fork(before, in_parent, after_in_child, &number[0]));
    CHECK_OK(pawl_at_fork(before, in_parent, after_in_child, &number[1]));
    CHECK_OK(pawl_at_fork(NULL, NULL, NULL, NULL));
    if (in_child())
        _exit(strcmp(calls, "b2 b1 c1 c2 ") == 0 ? 0 : 1);
    CHECK_EQ(strcmp(calls, "b2 b1 p1 p2 "), 0);
}

/* K-01: no more processes; and later one. */
TEST(thread_fork.checked_fork_says_that_there_can_be_no_more)
{
    static int number = 1;
    struct rlimit usual;
    struct rlimit none;
    pid_t child;

    CHECK_EQ(getrlimit(RLIMIT_NPROC, &usual), 0);
    if (getuid() == 0 && setresuid(65534, 65534, 65534) != 0)
        TEST_SKIP("root has no limit");
    CHECK_OK(pawl_at_fork(before, in_parent, after_in_child, &number));
    none = usual;
    none.rlim_cur = 0;
    CHECK_EQ(setrlimit(RLIMIT_NPROC, &none), 0);
    errno = 12345;
    child = pawl_fork();
    if (child == 0)
        _exit(1);
    CHECK_ERR((int)child, -EAGAIN);
    CHECK_EQ(errno, 12345);
    CHECK_EQ(strcmp(calls, "b1 p1 "), 0);
    CHECK_EQ(setrlimit(RLIMIT_NPROC, &usual), 0);
    child = pawl_fork();
    if (child == 0)
        _exit(0);
    test_wait_child(child);
}

/* P-03: what stdout has buffered is written once. */
TEST(thread_fork.checked_fork_flushes_stdout)
{
    int pipe_fds[2];
    char text[32] = "";
    ssize_t n;

    CHECK_EQ(pipe(pipe_fds), 0);
    if (in_child()) {
        pid_t child;

        CHECK_EQ(dup2(pipe_fds[1], STDOUT_FILENO), STDOUT_FILENO);
        fputs("once", stdout);
        child = pawl_fork();
        CHECK(child >= 0);
        if (child > 0)
            test_wait_child(child);
        fflush(stdout);
        _exit(0);
    }
    n = read(pipe_fds[0], text, sizeof text - 1);
    CHECK_EQ(n, 4);
    CHECK_EQ(strcmp(text, "once"), 0);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static int read_one(void *file)
{
    return fgetc(file);
}

/* K-01: a stream that somebody waits to read from is locked meanwhile. */
TEST(thread_fork.checked_fork_does_not_wait_for_readers)
{
    int pipe_fds[2];
    FILE *file;
    pawl_thread t;
    pid_t child;
    int status;

    CHECK_EQ(pipe(pipe_fds), 0);
    file = fdopen(pipe_fds[0], "r");
    CHECK(file != NULL);
    begin(&t, read_one, file);
    while (ftrylockfile(file) == 0) {
        funlockfile(file);
        sched_yield();
    }
    child = pawl_fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(0);
    test_wait_child(child);
    CHECK_EQ(write(pipe_fds[1], "x", 1), 1);
    CHECK_OK(pawl_thread_join(&t, &status));
    CHECK_EQ(status, 'x');
    fclose(file);
    close(pipe_fds[1]);
}

/* K-01: who forks beside other threads can be warned. */
TEST(thread_fork.checked_fork_warns)
{
    pid_t child;
    pawl_event go = PAWL_EVENT_INIT;
    pawl_thread t;

    CHECK(pawl_fork_set_warning(warn) == NULL);
    child = pawl_fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(0);
    test_wait_child(child);
    CHECK_EQ(warned, 0);

    begin(&t, wait_for, &go);
    child = pawl_fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(warned == 2 ? 0 : 1);
    test_wait_child(child);
    CHECK_EQ(warned, 2);
    CHECK(pawl_fork_set_warning(NULL) == warn);
    pawl_event_set(&go);
    CHECK_OK(pawl_thread_join(&t, NULL));
}

/* ---- guards (K-02) ---------------------------------------------------------- */

static struct {
    pawl_mutex first;
    pawl_mutex second;
    int pair[2]; /* equal, unless somebody is inside */
    atomic_bool ends;
} guarded;

/* Inside of both for most of the time. */
static int change_the_pair(void *unused)
{
    (void)unused;
    while (!atomic_load(&guarded.ends)) {
        CHECK_OK(pawl_mutex_lock(&guarded.second));
        CHECK_OK(pawl_mutex_lock(&guarded.first));
        guarded.pair[0]++;
        sched_yield();
        guarded.pair[1]++;
        CHECK_OK(pawl_mutex_unlock(&guarded.first));
        CHECK_OK(pawl_mutex_unlock(&guarded.second));
    }
    return 0;
}

/* K-02: the child finds what is guarded whole, and its locks free. */
TEST(thread_fork.guarded_locks_are_free_in_the_child)
{
    pawl_mutex shared = PAWL_MUTEX_INIT_FLAGS(PAWL_SHARED);
    pawl_mutex ownerless = PAWL_MUTEX_INIT_FLAGS(PAWL_OWNERLESS);
    pawl_thread t[2];

    CHECK_ERR(pawl_fork_guard(&shared), -EINVAL);
    CHECK_ERR(pawl_fork_guard(&ownerless), -EINVAL);
    CHECK_OK(pawl_fork_guard(&guarded.first)); /* taken last */
    CHECK_OK(pawl_fork_guard(&guarded.second));
    for (int i = 0; i < 2; i++)
        begin(&t[i], change_the_pair, NULL);
    for (int i = 0; i < test_iterations(100); i++) {
        if (in_child()) {
            CHECK_OK(pawl_mutex_try_lock(&guarded.second));
            CHECK_OK(pawl_mutex_try_lock(&guarded.first));
            CHECK_EQ(guarded.pair[0], guarded.pair[1]);
            _exit(0);
        }
        CHECK(!pawl_mutex_is_mine(&guarded.first));
        CHECK(!pawl_mutex_is_mine(&guarded.second));
    }
    atomic_store(&guarded.ends, true);
    for (int i = 0; i < 2; i++)
        CHECK_OK(pawl_thread_join(&t[i], NULL));
}

static int hold_and_end(void *m)
{
    return pawl_mutex_lock(m);
}

/* K-02: who forks inside stays inside, on both sides; what a dead thread has left
 * is told to the next holder, not to the fork. */
TEST(thread_fork.guard_leaves_what_the_forking_thread_holds)
{
    pawl_thread t;

    CHECK_OK(pawl_fork_guard(&guarded.first));
    CHECK_OK(pawl_mutex_lock(&guarded.first));
    if (in_child()) {
        CHECK_OK(pawl_mutex_unlock(&guarded.first));
        _exit(0);
    }
    CHECK_OK(pawl_mutex_unlock(&guarded.first));

    begin(&t, hold_and_end, &guarded.first);
    CHECK_OK(pawl_thread_join(&t, NULL));
    if (in_child()) {
        CHECK_ERR(pawl_mutex_lock(&guarded.first), -EOWNERDEAD);
        _exit(0);
    }
    CHECK_ERR(pawl_mutex_lock(&guarded.first), -EOWNERDEAD);
    CHECK_OK(pawl_mutex_unlock(&guarded.first)); /* lost */
    if (in_child()) {
        CHECK_ERR(pawl_mutex_lock(&guarded.first), -ENOTRECOVERABLE);
        _exit(0);
    }
}

/* ---- processes, in a program whose main does not say what it is ------------- */

static int five(const pawl_process_call *call)
{
    (void)call;
    return 5;
}

static int five_times(pawl_proccall *call)
{
    (void)call;
    return 5;
}

/* P-21: a fresh process would be main once more. */
TEST(thread_fork.what_main_does_not_allow_is_not_spawned)
{
    int code = 0;

    CHECK_OK(pawl_process_register("five", five));
    CHECK_OK(pawl_procpool_register("five_times", five_times));
    for (enum pawl_start_method method = PAWL_START_FORK;
         method <= PAWL_START_FORKSERVER; method++) {
        pawl_process_options o = {.method = method};
        pawl_procpool_options of_pool = {.workers = 1, .method = method};
        bool forks = method == PAWL_START_FORK;
        pawl_procpool *pool;
        pawl_process *p;

        CHECK_OK(pawl_process_create_entry(&p, "five", NULL, 0, &o));
        CHECK_ERR(pawl_process_start(p), forks ? 0 : -EOPNOTSUPP);
        CHECK_ERR(pawl_process_join(p, &code), forks ? 0 : -ESRCH);
        CHECK_EQ(code, 5);
        pawl_process_free(p);
        CHECK_ERR(pawl_procpool_create(&pool, &of_pool),
                  forks ? 0 : -EOPNOTSUPP);
        if (forks)
            CHECK_OK(pawl_procpool_end(pool));
    }
}

static void refuse_processes(void *unused)
{
    struct rlimit none = {.rlim_cur = 0, .rlim_max = 0};
    static int number = 1;

    (void)unused;
    if (getuid() == 0 && setresuid(65534, 65534, 65534) != 0)
        TEST_SKIP("root has no limit");
    CHECK_EQ(setrlimit(RLIMIT_NPROC, &none), 0);
    CHECK_OK(pawl_at_fork(before, in_parent, after_in_child, &number));
    CHECK_EQ(pawl_fork(), -EAGAIN);
    CHECK_EQ(strcmp(calls, "b1 p1 "), 0);
}

/* K-01, K-05: the hooks are called around a fork that fails, too. */
TEST(thread_fork.checked_fork_says_that_there_are_too_many)
{
    test_wait_child(test_spawn_child(refuse_processes, NULL));
}
