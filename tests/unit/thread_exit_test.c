/* SPDX-License-Identifier: MIT
 *
 * thread_exit_test.c - the end of the program: who is waited for, and in what
 * order (T-29 to T-31, T-06, K-13).  Each program is a child; what it did is in
 * shared memory, and what it printed in a pipe.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl.h>

#include "thread/exit.h"
#include "thread/service.h"

#include "test.h"

/* What a program has done, one letter each. */
static struct diary {
    _Atomic int n;
    _Atomic char text[64];
    int err[8];
} * diary;

static void note(char what)
{
    atomic_store(&diary->text[atomic_fetch_add(&diary->n, 1)], what);
}

static bool has_noted(char what)
{
    for (int i = 0; i < 64; i++)
        if (atomic_load(&diary->text[i]) == what)
            return true;
    return false;
}

static int stderr_pipe[2];

/* Run a program, and require how it ends, and what it wrote in its diary. */
static void program(test_fn fn, void *arg, int status, const char *text)
{
    char did[65] = "";
    pid_t child;
    int got;

    diary = test_shared_alloc(sizeof *diary);
    CHECK_EQ(pipe(stderr_pipe), 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        fn(arg);
        exit(0);
    }
    CHECK_EQ(waitpid(child, &got, 0), child);
    CHECK(WIFEXITED(got));
    CHECK_EQ(WEXITSTATUS(got), status);
    for (int i = 0; i < 64; i++)
        did[i] = atomic_load(&diary->text[i]);
    if (strcmp(did, text) != 0)
        test_fail(__FILE__, __LINE__, "the program did \"%s\", not \"%s\"", did,
                  text);
}

static void begin(pawl_thread *t, pawl_thread_fn fn, void *arg, bool daemon)
{
    CHECK_OK(pawl_thread_init(t, fn, arg, NULL));
    CHECK_OK(pawl_thread_set_daemon(t, daemon));
    CHECK_OK(pawl_thread_start(t));
}

/* Whether the main thread is inside exit: it has left this to tell. */
static _Atomic int main_left;

static void leave(void)
{
    atomic_store(&main_left, 1);
}

static void until_main_left(void)
{
    while (atomic_load(&main_left) == 0)
        sched_yield();
}

/* -- main returns --------------------------------------------------------------- */

static int work(void *arg)
{
    (void)arg;
    until_main_left();
    note('w');
    return 0;
}

static void main_returns_early(void *arg)
{
    static pawl_thread t[3];

    (void)arg;
    for (int i = 0; i < 3; i++)
        begin(&t[i], work, NULL, false);
    leave();
}

/* T-29: returning from main does not cut off threads that are not daemons. */
TEST(thread_exit.threads_that_are_no_daemons_are_waited_for)
{
    program(main_returns_early, NULL, 0, "www");
}

static int starts_another(void *left)
{
    static pawl_thread t[5];
    int n = *(int *)left;

    until_main_left();
    note((char)('0' + n));
    if (n > 0) {
        *(int *)left = n - 1;
        diary->err[n] = pawl_thread_init(&t[n], starts_another, left, NULL);
        diary->err[n] = pawl_thread_start(&t[n]);
    }
    return diary->err[n];
}

static void chain(void *arg)
{
    static pawl_thread t;
    static int left = 4;

    (void)arg;
    begin(&t, starts_another, &left, false);
    leave();
}

/* T-30: more may be started while these are waited for. */
TEST(thread_exit.threads_may_be_started_while_others_are_waited_for)
{
    program(chain, NULL, 0, "43210");
    for (int i = 0; i < 5; i++)
        CHECK_EQ(diary->err[i], 0);
}

static int sleep_for_ever(void *arg)
{
    pawl_event never = PAWL_EVENT_INIT;

    (void)arg;
    pawl_event_wait(&never);
    note('d');
    return 0;
}

static void destroy(void *value, void *context)
{
    (void)value;
    (void)context;
    note('x');
}

static pawl_local local = PAWL_LOCAL_INIT(NULL, destroy, NULL);

static int set_local_and_sleep(void *ready)
{
    pawl_local_set(&local, &local);
    pawl_event_set(ready);
    return sleep_for_ever(NULL);
}

static void has_daemons(void *arg)
{
    static pawl_event ready = PAWL_EVENT_INIT;
    static pawl_thread t[2];

    (void)arg;
    begin(&t[0], sleep_for_ever, NULL, true);
    begin(&t[1], set_local_and_sleep, &ready, true);
    pawl_event_wait(&ready);
    CHECK_OK(pawl_thread_start_detached(sleep_for_ever, NULL, NULL, NULL));
    note('m');
}

/* T-16, T-31: daemons and detached threads vanish; nothing runs for them. */
TEST(thread_exit.daemons_vanish)
{
    program(has_daemons, NULL, 0, "m");
}

/* Where daemons wait as the program ends, each for what never comes. */
enum { PLACES = 18 };

static struct {
    pawl_mutex mutex, own;
    pawl_rmutex rmutex;
    pawl_rwlock rwlock;
    pawl_cond cond;
    pawl_sem sem;
    pawl_event event;
    pawl_latch latch;
    pawl_barrier barrier;
    pawl_once once;
    pawl_future future;
    pawl_queue *empty, *full;
    pawl_deque *deque;
    pawl_thread threads[PLACES];
} at = {
    .sem = PAWL_SEM_INIT(0),
    .latch = PAWL_LATCH_INIT(1),
    .barrier = PAWL_BARRIER_INIT(2),
};

static int never_ends(void *arg)
{
    (void)arg;
    return pawl_event_wait(&at.event);
}

static int wait_at(int place)
{
    uint64_t item = 0;
    pawl_wait_item items[] = {PAWL_WAIT_EVENT(&at.event),
                              PAWL_WAIT_READABLE(at.empty)};

    switch (place) {
    case 0:
        return pawl_mutex_lock(&at.mutex);
    case 1:
        return pawl_rmutex_lock(&at.rmutex);
    case 2:
        return pawl_rwlock_read_lock(&at.rwlock);
    case 3:
        return pawl_rwlock_write_lock(&at.rwlock);
    case 4:
        CHECK_OK(pawl_mutex_lock(&at.own));
        return pawl_cond_wait(&at.cond, &at.own);
    case 5:
        return pawl_sem_acquire(&at.sem);
    case 6:
        return pawl_event_wait(&at.event);
    case 7:
        return pawl_latch_wait(&at.latch);
    case 8:
        return pawl_barrier_wait(&at.barrier);
    case 9:
    case 10:
        return pawl_once_run(&at.once, never_ends, NULL);
    case 11:
        return pawl_future_result(&at.future, NULL, NULL);
    case 12:
        return pawl_queue_get(at.empty, &item);
    case 13:
        return pawl_queue_put(at.full, &item);
    case 14:
        return pawl_queue_join(at.full);
    case 15:
        return pawl_deque_pop_front(at.deque, &item);
    case 16:
        return pawl_wait_any(items, 2, NULL);
    default:
        return pawl_thread_join(&at.threads[0], NULL);
    }
}

static _Atomic pid_t waiting[PLACES];

static int wait_for_ever(void *place)
{
    int i = (int)(intptr_t)place;

    atomic_store(&waiting[i], (pid_t)syscall(SYS_gettid));
    wait_at(i);
    note('d');
    return 0;
}

static void has_daemons_everywhere(void *arg)
{
    const pawl_queue_options q = {.capacity = 1,
                                  .element_size = sizeof(uint64_t)};
    uint64_t item = 1;

    (void)arg;
    CHECK_OK(pawl_future_init(&at.future, 0));
    CHECK_OK(pawl_queue_create(&at.empty, &q));
    CHECK_OK(pawl_queue_create(&at.full, &q));
    CHECK_OK(pawl_queue_put(at.full, &item));
    CHECK_OK(pawl_deque_create(
        &at.deque, &(pawl_deque_options){.capacity = 1,
                                         .element_size = sizeof item}));
    CHECK_OK(pawl_mutex_lock(&at.mutex));
    CHECK_OK(pawl_rmutex_lock(&at.rmutex));
    CHECK_OK(pawl_rwlock_write_lock(&at.rwlock));
    for (int i = 0; i < PLACES; i++)
        begin(&at.threads[i], wait_for_ever, (void *)(intptr_t)i, true);
    for (int i = 0; i < PLACES; i++) {
        while (atomic_load(&waiting[i]) == 0)
            sched_yield();
        test_until_asleep(atomic_load(&waiting[i]));
    }
    note('m');
}

/* T-31, W-25: wherever they wait; and main has locks as it returns. */
TEST(thread_exit.daemons_vanish_wherever_they_wait)
{
    program(has_daemons_everywhere, NULL, 0, "m");
}

/* -- exit from a thread ------------------------------------------------------------ */

static int call_exit(void *arg)
{
    (void)arg;
    note('e');
    exit(7);
}

static int outlive(void *arg)
{
    (void)arg;
    while (atomic_load(&diary->n) == 0) /* until exit is called */
        sched_yield();
    for (int i = 0; i < 100; i++)
        sched_yield();
    note('o');
    return 0;
}

static void exits_from_a_thread(void *arg)
{
    static pawl_thread t[2];

    (void)arg;
    begin(&t[0], outlive, NULL, false);
    begin(&t[1], call_exit, NULL, false);
    for (;;)
        pause(); /* main: not waited for */
}

/* T-29: it does not wait for itself, nor for main, but for the others. */
TEST(thread_exit.exit_from_a_thread_does_not_wait_for_itself)
{
    program(exits_from_a_thread, NULL, 7, "eo");
}

static int join_main(void *arg)
{
    (void)arg;
    note(pawl_thread_join(pawl_thread_main(), NULL) == 0 ? 'j' : 'J');
    return 0;
}

static void main_is_joined(void *arg)
{
    static pawl_thread t;

    (void)arg;
    begin(&t, join_main, NULL, false);
    note('m');
}

/* T-05: who joins main is told of its end, and does not hang. */
TEST(thread_exit.main_can_be_joined)
{
    program(main_is_joined, NULL, 0, "mj");
}

static void main_leaves_by_pthread_exit(void *arg)
{
    static pawl_thread t;

    (void)arg;
    CHECK(pawl_thread_current() == pawl_thread_main());
    begin(&t, join_main, NULL, false);
    pthread_exit(NULL);
}

TEST(thread_exit.main_ends_by_pthread_exit_too)
{
    if (test_under_tsan())
        TEST_SKIP(
            "the runtime of ThreadSanitizer has a thread that never ends");
    program(main_leaves_by_pthread_exit, NULL, 0, "j");
}

/* -- Order ------------------------------------------------------------------------- */

static bool executors(pawl_deadline until)
{
    CHECK(until == PAWL_FOREVER);
    note('E');
    return true;
}

static int timers_left = 2;

static int from_timer(void *arg)
{
    (void)arg;
    note('f');
    return 0;
}

static bool timers(pawl_deadline until)
{
    static pawl_thread t[2];

    (void)until;
    if (timers_left == 0)
        return false;
    timers_left--;
    note('T');
    begin(&t[timers_left], from_timer, NULL, false);
    return true;
}

static void handler_before(void)
{
    note('a');
}

static void handler_after(void)
{
    note('z');
}

static int wait_for_executors(void *arg)
{
    (void)arg;
    while (!has_noted('E'))
        sched_yield();
    note('t');
    return 0;
}

static void ends_in_order(void *arg)
{
    static struct pawl_exit_hook e = {.run = executors,
                                      .phase = PAWL_EXIT_EXECUTORS};
    static struct pawl_exit_hook m = {.run = timers, .phase = PAWL_EXIT_TIMERS};
    static pawl_thread t;

    (void)arg;
    atexit(handler_before);
    CHECK_OK(pawl_exit_add(&m));
    CHECK_OK(pawl_exit_add(&e));
    CHECK_OK(pawl_exit_add(&e));
    begin(&t, wait_for_executors, NULL, false);
    atexit(handler_after);
}

/* K-13: executors, threads, timers, which may start threads, the handlers that
 * were there first. */
TEST(thread_exit.phases_come_in_order)
{
    program(ends_in_order, NULL, 0, "zEtTfTfa");
}

/* -- The final phase ------------------------------------------------------------------ */

static pawl_thread late;
static pawl_thread daemon_thread;
static _Atomic int daemon_may_go;

static int nothing(void *arg)
{
    (void)arg;
    note('n');
    return 0;
}

static void start_late(void)
{
    diary->err[0] = pawl_thread_start(&late);
    diary->err[1] = pawl_thread_start_detached(nothing, NULL, NULL, NULL);
    diary->err[2] = pawl_thread_join(&daemon_thread, NULL);
    diary->err[3] = pawl_thread_start_many((pawl_thread *const[]){&late}, 1);
    note('l');
    /* A daemon that starts a thread now does not come back from that. */
    atomic_store(&daemon_may_go, 1);
    while (!has_noted('c'))
        sched_yield();
    for (int i = 0; i < 200; i++)
        sched_yield();
}

static int call_late(void *arg)
{
    pawl_thread t;

    (void)arg;
    CHECK_OK(pawl_thread_init(&t, nothing, NULL, NULL));
    while (atomic_load(&daemon_may_go) == 0)
        sched_yield();
    note('c');
    (void)!pawl_thread_start(&t);
    note('!');
    return 0;
}

static void starts_too_late(void *arg)
{
    (void)arg;
    atexit(start_late);
    CHECK_OK(pawl_thread_init(&late, nothing, NULL, NULL));
    begin(&daemon_thread, call_late, NULL, true);
}

/* T-06, T-30, T-31 */
TEST(thread_exit.nothing_is_started_at_the_very_end)
{
    program(starts_too_late, NULL, 0, "lc");
    for (int i = 0; i < 4; i++)
        CHECK_EQ(diary->err[i], -ESHUTDOWN);
}

/* -- Options -------------------------------------------------------------------------- */

static void does_not_wait(void *arg)
{
    static pawl_thread t;

    (void)arg;
    pawl_thread_exit_policy(false, -1);
    begin(&t, sleep_for_ever, NULL, false);
    note('m');
}

TEST(thread_exit.waiting_can_be_switched_off)
{
    program(does_not_wait, NULL, 0, "m");
}

static void waits_not_for_ever(void *arg)
{
    static pawl_thread t[2];

    (void)arg;
    CHECK_EQ(dup2(stderr_pipe[1], 2), 2);
    pawl_thread_exit_policy(true, 20000000);
    begin(&t[0], sleep_for_ever, NULL, false);
    CHECK_OK(pawl_thread_set_name(&t[0], "straggler"));
    begin(&t[1], sleep_for_ever, NULL, true);
    CHECK_OK(pawl_thread_set_name(&t[1], "some daemon"));
    note('m');
}

TEST(thread_exit.limit_ends_the_wait_and_names_who_runs)
{
    char text[512] = "";
    ssize_t n;

    program(waits_not_for_ever, NULL, 0, "m");
    CHECK_EQ(close(stderr_pipe[1]), 0);
    n = read(stderr_pipe[0], text, sizeof text - 1);
    CHECK(n > 0);
    CHECK(strstr(text, "still running at exit: straggler\n") != NULL);
    CHECK(strstr(text, "some daemon") == NULL);
    CHECK(strstr(text, "MainThread") == NULL);
}

/* -- Failures (T-22) --------------------------------------------------------------------- */

static int fail(void *arg)
{
    (void)arg;
    return -ENOENT;
}

static void fails(void *arg)
{
    pawl_thread t;

    CHECK_EQ(dup2(stderr_pipe[1], 2), 2);
    CHECK_OK(pawl_thread_init(&t, fail, NULL, NULL));
    CHECK_OK(pawl_thread_set_name(&t, "loser"));
    CHECK_OK(pawl_thread_set_daemon(&t, arg != NULL));
    CHECK_OK(pawl_thread_start(&t));
    CHECK_OK(pawl_thread_join(&t, NULL));
}

TEST(thread_exit.failures_nobody_may_join_are_printed)
{
    char text[512] = "";

    program(fails, NULL, 0, "");
    CHECK_EQ(close(stderr_pipe[1]), 0);
    CHECK_EQ(read(stderr_pipe[0], text, sizeof text - 1), 0);
    program(fails, text, 0, "");
    CHECK_EQ(close(stderr_pipe[1]), 0);
    CHECK(read(stderr_pipe[0], text, sizeof text - 1) > 0);
    CHECK(strstr(text, "thread loser failed with -2 (ENOENT)\n") != NULL);
}

/* -- The library's own threads ------------------------------------------------------------- */

static pawl_event served = PAWL_EVENT_INIT;

static void serve(void *arg)
{
    char name[PAWL_THREAD_NAME_SIZE];
    sigset_t set;

    CHECK(arg == &served);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
    for (int i = 1; i < 32; i++)
        CHECK(i == SIGKILL || i == SIGSTOP || sigismember(&set, i));
    CHECK(pawl_thread_current() != NULL);
    CHECK(pawl_thread_is_daemon(pawl_thread_current()));
    CHECK_EQ(strcmp(pawl_thread_name(pawl_thread_current(), name), "svc"), 0);
    note('s');
    pawl_event_set(&served);
    sleep_for_ever(NULL);
}

static void has_a_service(void *arg)
{
    (void)arg;
    CHECK_OK(pawl_service_start("svc", serve, &served));
    pawl_event_wait(&served);
    CHECK_EQ(pawl_thread_active_count(), 1);
    note('m');
}

TEST(thread_exit.services_keep_nothing_alive)
{
    program(has_a_service, NULL, 0, "sm");
}
