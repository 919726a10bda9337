/* SPDX-License-Identifier: MIT
 *
 * thread_test.c - threads, call by call.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pawl/error.h>
#include <pawl/event.h>
#include <pawl/thread.h>

#include "test.h"

static int give(void *status)
{
    return *(int *)status;
}

/* T-01, T-04, T-05: it runs its function with its argument, and everybody is told
 * what that returned, as often as he asks. */
TEST(thread.join_tells_what_the_function_returned)
{
    static const int values[] = {0, 7, -ETIMEDOUT, -1, INT32_MAX, INT32_MIN};

    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        int value = values[i];
        pawl_thread t;
        int status = 99;

        CHECK_OK(pawl_thread_init(&t, give, &value, NULL));
        CHECK_OK(pawl_thread_start(&t));
        CHECK_OK(pawl_thread_join(&t, &status));
        CHECK_EQ(status, value);
        status = 99;
        CHECK_OK(pawl_thread_try_join(&t, &status));
        CHECK_EQ(status, value);
        CHECK_OK(pawl_thread_join(&t, NULL));
        status = 99;
        CHECK_OK(pawl_thread_exit_status(&t, &status));
        CHECK_EQ(status, value);
        CHECK(!pawl_thread_is_alive(&t));
    }
}

static int wait_for(void *event)
{
    return pawl_event_wait(event);
}

/* 16.1: every call in every state, and R-03: the three forms. */
TEST(thread.calls_answer_by_the_state)
{
    pawl_event go = PAWL_EVENT_INIT;
    pawl_thread t;
    int status = 99;
    uint64_t serial;
    uint64_t ident;
    uint32_t tid;

    CHECK_OK(pawl_thread_init(&t, wait_for, &go, NULL));
    CHECK_ERR(pawl_thread_join(&t, &status), -ESRCH);
    CHECK_ERR(pawl_thread_try_join(&t, &status), -ESRCH);
    CHECK_ERR(pawl_thread_join_until(&t, 0, &status), -ESRCH);
    CHECK_ERR(pawl_thread_exit_status(&t, &status), -ESRCH);
    CHECK(!pawl_thread_is_alive(&t));
    CHECK_EQ(pawl_thread_ident(&t), 0);
    CHECK_EQ(pawl_thread_native_id(&t), 0);
    CHECK_EQ(pawl_thread_serial(&t), 0);
    CHECK_OK(pawl_thread_set_daemon(&t, true));
    CHECK(pawl_thread_is_daemon(&t));
    CHECK_OK(pawl_thread_set_daemon(&t, false));
    CHECK(!pawl_thread_is_daemon(&t));

    CHECK_OK(pawl_thread_start(&t));
    CHECK_ERR(pawl_thread_start(&t), -EALREADY);
    CHECK(pawl_thread_is_alive(&t));
    serial = pawl_thread_serial(&t);
    ident = pawl_thread_ident(&t);
    tid = pawl_thread_native_id(&t);
    CHECK(serial != 0 && ident != 0 && tid != 0);
    CHECK(ident != pawl_thread_get_ident());
    CHECK(tid != pawl_thread_get_native_id());
    CHECK_ERR(pawl_thread_try_join(&t, &status), -EAGAIN);
    CHECK_ERR(pawl_thread_join_until(&t, pawl_after_ms(1), &status),
              -ETIMEDOUT);
    CHECK_ERR(pawl_thread_join_until(&t, -1, &status), -ETIMEDOUT);
    CHECK_ERR(pawl_thread_exit_status(&t, &status), -EAGAIN);
    CHECK_ERR(pawl_thread_set_daemon(&t, true), -EBUSY);
    CHECK_ERR(pawl_thread_destroy(&t), -EBUSY);
    CHECK_EQ(status, 99);

    pawl_event_set(&go);
    CHECK_OK(pawl_thread_join(&t, &status));
    CHECK_EQ(status, 0);
    CHECK_ERR(pawl_thread_start(&t), -EALREADY);
    CHECK_ERR(pawl_thread_set_daemon(&t, true), -EBUSY);
    CHECK(!pawl_thread_is_alive(&t));
    CHECK_EQ(pawl_thread_serial(&t), serial);
    CHECK_EQ(pawl_thread_ident(&t), ident);
    CHECK_EQ(pawl_thread_native_id(&t), tid);

    CHECK_OK(pawl_thread_destroy(&t));
    CHECK_OK(pawl_thread_destroy(&t));
    CHECK_ERR(pawl_thread_start(&t), -EBADF);
    CHECK_ERR(pawl_thread_join(&t, &status), -EBADF);
    CHECK_ERR(pawl_thread_exit_status(&t, &status), -EBADF);
    CHECK_ERR(pawl_thread_set_daemon(&t, true), -EBADF);
    CHECK(!pawl_thread_is_alive(&t));
    CHECK_EQ(pawl_thread_serial(&t), 0);
    CHECK_EQ(pawl_thread_ident(&t), 0);
    CHECK_EQ(pawl_thread_native_id(&t), 0);
}

static int join_it(void *t)
{
    int status = 0;

    return pawl_thread_join(t, &status) == 0 ? status : -1;
}

/* T-05, T-17: many may wait, asleep, and all learn the same. */
TEST(thread.many_join_one)
{
    enum { JOINERS = 6 };
    pawl_event go = PAWL_EVENT_INIT;
    pawl_thread t;
    pawl_thread joiner[JOINERS];

    CHECK_OK(pawl_thread_init(&t, wait_for, &go, NULL));
    CHECK_OK(pawl_thread_start(&t));
    for (int i = 0; i < JOINERS; i++) {
        CHECK_OK(pawl_thread_init(&joiner[i], join_it, &t, NULL));
        CHECK_OK(pawl_thread_start(&joiner[i]));
        test_until_asleep((pid_t)pawl_thread_native_id(&joiner[i]));
    }
    pawl_event_set(&go);
    for (int i = 0; i < JOINERS; i++) {
        int status = 99;

        CHECK_OK(pawl_thread_join(&joiner[i], &status));
        CHECK_EQ(status, 0);
    }
}

static int join_myself(void *t)
{
    int status;

    if (pawl_thread_current() != t)
        return 1;
    return pawl_thread_join(t, &status) == -EDEADLK &&
                   pawl_thread_try_join(t, &status) == -EDEADLK
               ? 0
               : 2;
}

/* T-05, T-12: a thread knows who it is, and does not wait for itself. */
TEST(thread.join_of_oneself_is_refused)
{
    pawl_thread t;
    int status = 99;

    CHECK_OK(pawl_thread_init(&t, join_myself, &t, NULL));
    CHECK_OK(pawl_thread_start(&t));
    CHECK_OK(pawl_thread_join(&t, &status));
    CHECK_EQ(status, 0);
    CHECK_ERR(pawl_thread_join(pawl_thread_main(), &status), -EDEADLK);
    CHECK(pawl_thread_current() == pawl_thread_main());
    CHECK_ERR(pawl_thread_join(pawl_thread_main(), &status), -EDEADLK);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* T-01: what is out of its bounds is refused, and the object left alone. */
TEST(thread.init_refuses_what_is_out_of_bounds)
{
    static char long_name[PAWL_THREAD_NAME_SIZE + 1];
    const size_t size = sizeof(pawl_thread_options);
    const pawl_thread_options bad[] = {
        {.size = 0},
        {.size = size - 1},
        {.size = size, .name = long_name},
        {.size = size, .copy = PAWL_THREAD_COPY_MAX + 1},
        {.size = size, .daemon = (enum pawl_thread_daemon)3},
        {.size = size, .stack = long_name},
        {.size = size, .cpus = long_name},
        {.size = size, .cpus_size = 8},
        {.size = size, .priority = -1},
    };
    pawl_thread t;
    pawl_thread before;

    memset(long_name, 'x', PAWL_THREAD_NAME_SIZE);
    memset(&t, 0xa5, sizeof t);
    memcpy(&before, &t, sizeof t);
    CHECK_ERR(pawl_thread_init(&t, NULL, NULL, NULL), -EINVAL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_ERR(pawl_thread_init(&t, nothing, long_name, &bad[i]), -EINVAL);
    CHECK_ERR(pawl_thread_init(&t, nothing, NULL,
                               &(pawl_thread_options){.size = size, .copy = 1}),
              -EINVAL);
    CHECK_EQ(memcmp(&t, &before, sizeof t), 0);
}

struct counter {
    int value;
    pawl_thread thread;
    int result;
};

static int square(void *arg)
{
    struct counter *c =
        PAWL_THREAD_OF(pawl_thread_current(), struct counter, thread);

    (void)arg;
    c->result = c->value * c->value;
    return 0;
}

static int add_copies(void *arg)
{
    int *copy = arg;

    return copy[0] + copy[1];
}

/* T-02: a thread in a struct of the caller's; T-01: an argument by value. */
TEST(thread.arguments_by_the_struct_around_it_and_by_value)
{
    struct counter c = {.value = 12};
    pawl_thread t[3];
    int pair[2];
    int status;

    CHECK_OK(pawl_thread_init(&c.thread, square, NULL, NULL));
    CHECK_OK(pawl_thread_start(&c.thread));
    CHECK_OK(pawl_thread_join(&c.thread, NULL));
    CHECK_EQ(c.result, 144);
    for (int i = 0; i < 3; i++) {
        pair[0] = i;
        pair[1] = 10 * i;
        CHECK_OK(pawl_thread_init(
            &t[i], add_copies, pair,
            &(pawl_thread_options){.size = sizeof(pawl_thread_options),
                                   .copy = sizeof pair}));
        CHECK_OK(pawl_thread_start(&t[i]));
    }
    pair[0] = pair[1] = 1000;
    for (int i = 0; i < 3; i++) {
        CHECK_OK(pawl_thread_join(&t[i], &status));
        CHECK_EQ(status, 11 * i);
    }
}

/* -- Names (T-08) ---------------------------------------------------------- */

static void check_name(const pawl_thread *t, const char *want)
{
    char name[PAWL_THREAD_NAME_SIZE];

    if (strcmp(pawl_thread_name(t, name), want) != 0)
        test_fail(__FILE__, __LINE__, "the name is \"%s\", not \"%s\"", name,
                  want);
}

/* What the kernel calls a thread of this process. */
static void check_os_name(uint32_t tid, const char *want)
{
    char path[64];
    char text[32] = "";
    FILE *f;

    snprintf(path, sizeof path, "/proc/self/task/%u/comm", (unsigned)tid);
    f = fopen(path, "r");
    CHECK(f != NULL);
    CHECK(fgets(text, sizeof text, f) != NULL);
    fclose(f);
    text[strcspn(text, "\n")] = '\0';
    if (strcmp(text, want) != 0)
        test_fail(__FILE__, __LINE__, "the kernel says \"%s\", not \"%s\"",
                  text, want);
}

TEST(thread.default_names_count_and_tell_the_function)
{
    pawl_thread a;
    pawl_thread b;
    pawl_thread c;

    CHECK_OK(pawl_thread_init(&a, nothing, NULL, NULL));
    CHECK_OK(pawl_thread_init(
        &b, nothing, NULL,
        &(pawl_thread_options){.size = sizeof(pawl_thread_options),
                               .name = "own"}));
    CHECK_OK(PAWL_THREAD_INIT(&c, nothing, NULL));
    check_name(&a, "Thread-1");
    check_name(&b, "own");
    check_name(&c, "Thread-2 (nothing)");
    check_name(pawl_thread_main(), "MainThread");
    CHECK_ERR(pawl_thread_set_name(&a, NULL), -EINVAL);
    CHECK_OK(pawl_thread_destroy(&a));
    CHECK_ERR(pawl_thread_set_name(&a, "x"), -EBADF);
}

TEST(thread.name_can_be_changed_at_any_time)
{
    pawl_event go = PAWL_EVENT_INIT;
    char too_long[PAWL_THREAD_NAME_SIZE + 1] = "";
    char longest[PAWL_THREAD_NAME_SIZE] = "";
    pawl_thread t;

    memset(too_long, 'y', PAWL_THREAD_NAME_SIZE);
    memset(longest, 'z', PAWL_THREAD_NAME_SIZE - 1);
    CHECK_OK(PAWL_THREAD_INIT(&t, wait_for, &go));
    CHECK_OK(pawl_thread_set_name(&t, "before"));
    check_name(&t, "before");
    CHECK_OK(pawl_thread_start(&t));
    test_until_asleep((pid_t)pawl_thread_native_id(&t));
    check_os_name(pawl_thread_native_id(&t), "before");
    CHECK_OK(pawl_thread_set_name(&t, "while it runs"));
    check_name(&t, "while it runs");
    check_os_name(pawl_thread_native_id(&t), "while it runs");
    /* Truncated on the boundary of a character: 14 bytes, and half of two. */
    CHECK_OK(pawl_thread_set_name(&t, "fourteen bytes\xc3\xa4"));
    check_name(&t, "fourteen bytes\xc3\xa4");
    check_os_name(pawl_thread_native_id(&t), "fourteen bytes");
    CHECK_ERR(pawl_thread_set_name(&t, too_long), -EINVAL);
    check_name(&t, "fourteen bytes\xc3\xa4");
    CHECK_OK(pawl_thread_set_name(&t, longest));
    check_name(&t, longest);
    check_os_name(pawl_thread_native_id(&t), "zzzzzzzzzzzzzzz");
    pawl_event_set(&go);
    CHECK_OK(pawl_thread_join(&t, NULL));
    check_name(&t, longest);
    CHECK_OK(pawl_thread_set_name(&t, "after"));
    check_name(&t, "after");
}

/* The kernel is told the function of a default name. */
TEST(thread.os_name_is_set_at_start)
{
    pawl_event go = PAWL_EVENT_INIT;
    pawl_thread t;

    CHECK_OK(PAWL_THREAD_INIT(&t, wait_for, &go));
    CHECK_OK(pawl_thread_start(&t));
    test_until_asleep((pid_t)pawl_thread_native_id(&t));
    check_os_name(pawl_thread_native_id(&t), "wait_for");
    pawl_event_set(&go);
    CHECK_OK(pawl_thread_join(&t, NULL));
}

/* -- Who is there (T-09 to T-15) --------------------------------------------- */

static int see_myself(void *seen)
{
    uint64_t *id = seen;

    id[0] = pawl_thread_get_ident();
    id[1] = pawl_thread_get_native_id();
    id[2] = (uint64_t)gettid();
    id[3] = pawl_thread_serial(pawl_thread_current());
    return 0;
}

/* T-09, T-10, T-15: what a thread says of itself is what others say, and the kernel. */
TEST(thread.ids_are_those_that_the_thread_sees)
{
    uint64_t last = pawl_thread_serial(pawl_thread_main());

    CHECK(last != 0);
    CHECK_EQ(pawl_thread_native_id(pawl_thread_main()), gettid());
    CHECK_EQ(pawl_thread_ident(pawl_thread_current()), pawl_thread_get_ident());
    for (int i = 0; i < 20; i++) {
        pawl_thread t;
        uint64_t seen[4];

        CHECK_OK(pawl_thread_init(&t, see_myself, seen, NULL));
        CHECK_OK(pawl_thread_start(&t));
        CHECK(pawl_thread_ident(&t) != 0);
        CHECK_OK(pawl_thread_join(&t, NULL));
        CHECK_EQ(seen[0], pawl_thread_ident(&t));
        CHECK_EQ(seen[1], pawl_thread_native_id(&t));
        CHECK_EQ(seen[1], seen[2]);
        CHECK_EQ(seen[3], pawl_thread_serial(&t));
        CHECK(pawl_thread_serial(&t) > last); /* never used again */
        last = pawl_thread_serial(&t);
    }
}

static int tell_daemon(void *arg)
{
    pawl_thread t;

    (void)arg;
    CHECK_OK(pawl_thread_init(&t, nothing, NULL, NULL));
    return pawl_thread_is_daemon(&t);
}

/* T-01, T-11: inherited from the thread that makes it, unless it is said. */
TEST(thread.daemon_is_inherited)
{
    pawl_thread t;
    int status;

    for (int daemon = 0; daemon < 2; daemon++) {
        CHECK_OK(pawl_thread_init(&t, tell_daemon, NULL, NULL));
        CHECK(!pawl_thread_is_daemon(&t));
        CHECK_OK(pawl_thread_set_daemon(&t, daemon != 0));
        CHECK_OK(pawl_thread_start(&t));
        CHECK_OK(pawl_thread_join(&t, &status));
        CHECK_EQ(status, daemon);
        CHECK_OK(pawl_thread_init(
            &t, tell_daemon, NULL,
            &(pawl_thread_options){.size = sizeof(pawl_thread_options),
                                   .daemon = daemon ? PAWL_THREAD_DAEMON
                                                    : PAWL_THREAD_NO_DAEMON}));
        CHECK_EQ(pawl_thread_is_daemon(&t), daemon);
    }
}

static void be_foreign(void *go)
{
    char name[PAWL_THREAD_NAME_SIZE];
    pawl_thread *me = pawl_thread_current();
    pawl_thread t;
    int status;

    CHECK(me != NULL && me == pawl_thread_current());
    CHECK(me != pawl_thread_main());
    CHECK(pawl_thread_is_alive(me) && pawl_thread_is_daemon(me));
    CHECK_EQ(pawl_thread_native_id(me), gettid());
    CHECK_EQ(strncmp(pawl_thread_name(me, name), "Dummy-", 6), 0);
    CHECK_ERR(pawl_thread_join(me, &status), -EINVAL);
    CHECK_ERR(pawl_thread_try_join(me, &status), -EINVAL);
    CHECK_ERR(pawl_thread_exit(1), -EPERM);
    CHECK_OK(pawl_thread_init(&t, nothing, NULL, NULL));
    CHECK(pawl_thread_is_daemon(&t));
    pawl_event_wait(go);
}

/* T-12, T-14, T-15: foreign threads have a handle when they ask for one, until
 * they end. */
TEST(thread.foreign_threads_are_there_while_they_live)
{
    pawl_event go = PAWL_EVENT_INIT;
    struct test_thread *foreign;

    CHECK_EQ(pawl_thread_active_count(), 1);
    foreign = test_thread(be_foreign, &go);
    test_until_asleep(test_tid(foreign));
    CHECK_EQ(pawl_thread_active_count(), 2);
    pawl_event_set(&go);
    test_join(foreign);
    CHECK_EQ(pawl_thread_active_count(), 1);
    CHECK_ERR(pawl_thread_exit(1), -EPERM);
}

static const pawl_thread_info *info_of(const pawl_thread_info *infos, size_t n,
                                       const pawl_thread *t)
{
    for (size_t i = 0; i < n; i++)
        if (infos[i].thread == t)
            return &infos[i];
    return NULL;
}

/* T-14, T-15 */
TEST(thread.enumerate_tells_who_runs)
{
    enum { N = 5 };
    pawl_event go = PAWL_EVENT_INIT;
    pawl_thread t[N];
    pawl_thread new;
    pawl_thread_info infos[N + 3];
    pawl_thread_info two[2];

    CHECK_EQ(pawl_thread_active_count(), 1);
    CHECK_OK(pawl_thread_init(&new, nothing, NULL, NULL));
    for (int i = 0; i < N; i++) {
        CHECK_OK(PAWL_THREAD_INIT(&t[i], wait_for, &go));
        CHECK_OK(pawl_thread_set_daemon(&t[i], i % 2 != 0));
        CHECK_OK(pawl_thread_start(&t[i]));
        CHECK_EQ(pawl_thread_active_count(), i + 2);
    }
    CHECK_EQ(pawl_thread_enumerate(infos, N + 3), N + 1);
    for (int i = 0; i < N; i++) {
        const pawl_thread_info *info = info_of(infos, N + 1, &t[i]);

        CHECK(info != NULL);
        CHECK_EQ(info->serial, pawl_thread_serial(&t[i]));
        CHECK_EQ(info->daemon, i % 2 != 0);
        check_name(&t[i], info->name);
        CHECK(info->native_id == 0 ||
              info->native_id == pawl_thread_native_id(&t[i]));
    }
    CHECK(info_of(infos, N + 1, pawl_thread_main()) != NULL);
    CHECK(info_of(infos, N + 1, &new) == NULL);
    CHECK_OK(pawl_thread_set_name(&t[0], "renamed"));
    CHECK_EQ(pawl_thread_enumerate(infos, N + 3), N + 1);
    CHECK_EQ(strcmp(info_of(infos, N + 1, &t[0])->name, "renamed"), 0);
    CHECK_EQ(pawl_thread_enumerate(two, 2), N + 1);
    CHECK(two[0].thread != two[1].thread);
    pawl_event_set(&go);
    for (int i = 0; i < N; i++) {
        CHECK_OK(pawl_thread_join(&t[i], NULL));
        CHECK(info_of(infos, pawl_thread_enumerate(infos, N + 3), &t[i]) ==
              NULL);
    }
    CHECK_EQ(pawl_thread_active_count(), 1);
}

/* -- Cycles (T-05) ----------------------------------------------------------- */

static int join_the_other(void *other)
{
    return pawl_thread_join(other, NULL);
}

/* Of two that wait for each other, one is told. */
TEST(thread.join_cycle_is_found)
{
    pawl_thread t[3];
    int found = 0;

    for (int i = 0; i < 3; i++)
        CHECK_OK(
            pawl_thread_init(&t[i], join_the_other, &t[(i + 1) % 3], NULL));
    CHECK_OK(
        pawl_thread_start_many((pawl_thread *const[]){&t[0], &t[1], &t[2]}, 3));
    for (int i = 0; i < 3; i++) {
        int status;

        CHECK_OK(pawl_thread_join(&t[i], &status));
        CHECK(status == 0 || status == -EDEADLK);
        found += status == -EDEADLK;
    }
    CHECK_EQ(found, 1);
}

/* -- Several (T-04, T-05) ------------------------------------------------------ */

static int count_here(void *here)
{
    return __atomic_add_fetch((int *)here, 1, __ATOMIC_SEQ_CST);
}

TEST(thread.start_many_starts_all)
{
    enum { N = 8 };
    pawl_thread t[N];
    pawl_thread *all[N];
    int here = 0;
    int sum = 0;

    CHECK_OK(pawl_thread_start_many(NULL, 0));
    for (int i = 0; i < N; i++) {
        all[i] = &t[i];
        CHECK_OK(pawl_thread_init(&t[i], count_here, &here, NULL));
    }
    CHECK_OK(pawl_thread_start_many(all, N));
    CHECK_OK(pawl_thread_join_all_until(all, N, PAWL_FOREVER));
    for (int i = 0; i < N; i++) {
        int status;

        CHECK_OK(pawl_thread_try_join(&t[i], &status));
        sum += status;
    }
    CHECK_EQ(sum, N * (N + 1) / 2);
}

TEST(thread.start_many_starts_all_or_none)
{
    enum { N = 4 };
    pawl_thread t[N];
    pawl_thread *all[N];
    int here = 0;

    for (int i = 0; i < N; i++) {
        all[i] = &t[i];
        CHECK_OK(pawl_thread_init(&t[i], count_here, &here, NULL));
    }
    CHECK_OK(pawl_thread_start(&t[N - 1]));
    CHECK_OK(pawl_thread_join(&t[N - 1], NULL));
    CHECK_EQ(here, 1);
    CHECK_ERR(pawl_thread_start_many(all, N), -EALREADY);
    for (int i = 0; i < N - 1; i++) {
        CHECK_ERR(pawl_thread_join(&t[i], NULL), -ESRCH);
        CHECK(!pawl_thread_is_alive(&t[i]));
        CHECK_EQ(pawl_thread_native_id(&t[i]), 0);
    }
    CHECK_EQ(here, 1);
    CHECK_OK(pawl_thread_start_many(all, N - 1));
    CHECK_OK(pawl_thread_join_all_until(all, N - 1, PAWL_FOREVER));
    CHECK_EQ(here, N);
}

TEST(thread.join_any_finds_the_one_that_ended)
{
    enum { N = 20 };
    pawl_event go[N];
    pawl_thread t[N];
    pawl_thread *all[N];
    pawl_wait_item items[2];
    pawl_event other = PAWL_EVENT_INIT;
    size_t which = 99;

    for (int i = 0; i < N; i++) {
        all[i] = &t[i];
        CHECK_OK(pawl_event_init(&go[i], 0));
        CHECK_OK(pawl_thread_init(&t[i], wait_for, &go[i], NULL));
    }
    CHECK_ERR(pawl_thread_join_any_until(all, 0, PAWL_FOREVER, &which),
              -EINVAL);
    CHECK_ERR(pawl_thread_join_any_until(all, N, PAWL_FOREVER, &which), -ESRCH);
    for (int i = 0; i < N; i++)
        CHECK_OK(pawl_thread_start(&t[i]));
    CHECK_ERR(pawl_thread_join_any_until(all, N, pawl_after_ms(1), &which),
              -ETIMEDOUT);
    CHECK_ERR(pawl_thread_join_all_until(all, N, pawl_after_ms(1)), -ETIMEDOUT);
    pawl_event_set(&go[17]);
    CHECK_OK(pawl_thread_join_any_until(all, N, PAWL_FOREVER, &which));
    CHECK_EQ(which, 17);
    pawl_event_set(&go[2]);
    CHECK_OK(pawl_thread_join_any_until(all, 3, PAWL_FOREVER, &which));
    CHECK_EQ(which, 2);

    items[0] = PAWL_WAIT_EVENT(&other);
    items[1] = PAWL_WAIT_THREAD(&t[5]);
    CHECK_ERR(pawl_wait_try_any(items, 2, &which), -EAGAIN);
    pawl_event_set(&go[5]);
    CHECK_OK(pawl_wait_any(items, 2, &which));
    CHECK_EQ(which, 1);
    for (int i = 0; i < N; i++)
        pawl_event_set(&go[i]);
    CHECK_OK(pawl_thread_join_all_until(all, N, PAWL_FOREVER));
}

/* -- Without an object (T-16) ---------------------------------------------------- */

struct detached {
    int magic;
    pawl_event *done;
    uint64_t *ident;
};

static int run_detached(void *copy)
{
    struct detached *d = copy;
    pawl_thread *me = pawl_thread_current();
    int status;

    CHECK_EQ(d->magic, 4711);
    CHECK(pawl_thread_is_daemon(me));
    CHECK_ERR(pawl_thread_join(me, &status), -EINVAL);
    *d->ident = pawl_thread_get_ident();
    pawl_event_set(d->done);
    return 0;
}

TEST(thread.detached_runs_without_an_object)
{
    pawl_event done = PAWL_EVENT_INIT;
    uint64_t seen = 0;
    uint64_t ident = 1;

    for (int i = 0; i < 10; i++) {
        struct detached d = {4711, &done, &seen};

        CHECK_OK(pawl_thread_start_detached(
            run_detached, &d,
            &(pawl_thread_options){.size = sizeof(pawl_thread_options),
                                   .copy = sizeof d,
                                   .no_cache = i % 2 != 0},
            &ident));
        memset(&d, 0, sizeof d);
        CHECK_OK(pawl_event_wait(&done));
        CHECK_EQ(seen, ident);
        pawl_event_clear(&done);
    }
    CHECK_ERR(pawl_thread_start_detached(NULL, NULL, NULL, NULL), -EINVAL);
}

/* -- Ends (T-18, T-22, T-27) ------------------------------------------------------- */

static int cleaned;
static int hooked;
static int hook_status;

static void clean(int *n)
{
    cleaned += *n;
}

static void leave(int depth, int status)
{
    int n __attribute__((cleanup(clean))) = 1;

    if (depth > 0)
        leave(depth - 1, status);
    else
        pawl_thread_exit(status);
    CHECK(n == 0); /* never */
}

static int leave_from_depth(void *status)
{
    leave(7, *(int *)status);
    return 99;
}

static void hook(pawl_thread *t, int status)
{
    CHECK(t == pawl_thread_current());
    CHECK(pawl_thread_is_alive(t));
    hook_status = status;
    hooked++;
}

TEST(thread.exit_from_any_depth_unwinds)
{
    int value = -5;

    CHECK(pawl_thread_set_error_hook(hook) == NULL);
    for (int i = 0; i < 3; i++) {
        pawl_thread t;
        int status;

        CHECK_OK(pawl_thread_init(&t, leave_from_depth, &value, NULL));
        CHECK_OK(pawl_thread_start(&t));
        CHECK_OK(pawl_thread_join(&t, &status));
        CHECK_EQ(status, value);
        CHECK_EQ(cleaned, 8 * (i + 1));
    }
    CHECK_EQ(hooked, 0);
}

TEST(thread.failure_is_reported_to_the_hook)
{
    static int values[] = {-7, 0, 3};
    pawl_thread t;
    int status;

    CHECK(pawl_thread_set_error_hook(hook) == NULL);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(pawl_thread_init(&t, give, &values[i], NULL));
        CHECK_OK(pawl_thread_start(&t));
        CHECK_OK(pawl_thread_join(&t, &status));
        CHECK_EQ(status, values[i]);
        CHECK_EQ(hooked, 1);
        CHECK_EQ(hook_status, -7);
    }
    CHECK(pawl_thread_set_error_hook(NULL) == hook);
}

/* Main can be joined, and by nobody who is it. */
static int join_main_in_vain(void *arg)
{
    (void)arg;
    return pawl_thread_join_until(pawl_thread_main(), pawl_after_ms(1), NULL);
}

TEST(thread.main_is_waited_for_in_vain_while_it_runs)
{
    pawl_thread t;
    int status;

    CHECK_OK(pawl_thread_init(&t, join_main_in_vain, NULL, NULL));
    CHECK_OK(pawl_thread_start(&t));
    CHECK_OK(pawl_thread_join(&t, &status));
    CHECK_EQ(status, -ETIMEDOUT);
}

/* T-04: what the system refuses leaves the object as it was. */
TEST(thread.start_that_fails_can_be_repeated)
{
    const size_t absurd = (size_t)1 << 46;
    pawl_thread t[2];
    pawl_thread *both[] = {&t[0], &t[1]};
    uint64_t ident = 5;
    size_t before = 1;
    int here = 0;
    int err;

    CHECK_EQ(pawl_thread_cache(0), 64);
    CHECK_OK(pawl_thread_init(&t[0], count_here, &here, NULL));
    CHECK_OK(pawl_thread_init(&t[1], count_here, &here, NULL));
    CHECK_OK(pawl_thread_stack_size(absurd, &before));
    CHECK_EQ(before, 0);
    for (int i = 0; i < 3; i++) {
        err = pawl_thread_start(&t[0]);
        CHECK(err == -EAGAIN || err == -ENOMEM);
        err = pawl_thread_start_many(both, 2);
        CHECK(err == -EAGAIN || err == -ENOMEM);
        err = pawl_thread_start_detached(count_here, &here, NULL, &ident);
        CHECK(err == -EAGAIN || err == -ENOMEM);
        CHECK_EQ(ident, 5);
        CHECK_ERR(pawl_thread_join(&t[0], NULL), -ESRCH);
        CHECK_EQ(pawl_thread_native_id(&t[0]), 0);
        CHECK_EQ(pawl_thread_serial(&t[0]), 0);
        CHECK_EQ(pawl_thread_active_count(), 1);
    }
    CHECK_ERR(pawl_thread_stack_size(1, &before), -EINVAL);
    CHECK_OK(pawl_thread_stack_size(0, &before));
    CHECK_EQ(before, absurd);
    CHECK_OK(pawl_thread_start_many(both, 2));
    CHECK_OK(pawl_thread_join_all_until(both, 2, PAWL_FOREVER));
    CHECK_EQ(here, 2);
}

/* -- Attributes (T-01, T-23) -------------------------------------------------------- */

static int tell_stack(void *size)
{
    pthread_attr_t attr;
    void *at;

    CHECK_EQ(pthread_getattr_np(pthread_self(), &attr), 0);
    CHECK_EQ(pthread_attr_getstack(&attr, &at, size), 0);
    pthread_attr_destroy(&attr);
    return 0;
}

static size_t stack_of(const pawl_thread_options *o)
{
    pawl_thread t;
    size_t size = 0;

    CHECK_OK(pawl_thread_init(&t, tell_stack, &size, o));
    CHECK_OK(pawl_thread_start(&t));
    CHECK_OK(pawl_thread_join(&t, NULL));
    return size;
}

/* In ascending order, for libc gives a large stack that it has left over to who
 * asks for less. */
TEST(thread.stack_size_is_that_of_the_process_or_of_the_thread)
{
    enum { MIB = 1 << 20 };
    pawl_thread_options o = {.size = sizeof o, .stack_size = 20 * MIB};
    size_t before;

    if (!test_can_ask_for_cpus())
        TEST_SKIP("pthread_getattr_np asks for CPUs, which is refused here");
    CHECK(stack_of(NULL) < 20 * MIB);
    CHECK(stack_of(&o) >= 20 * MIB && stack_of(&o) < 30 * MIB);
    CHECK_OK(pawl_thread_stack_size(30 * MIB, &before));
    CHECK_EQ(before, 0);
    CHECK(stack_of(NULL) >= 30 * MIB && stack_of(NULL) < 40 * MIB);
    o.stack_size = 50 * MIB;
    CHECK(stack_of(&o) >= 50 * MIB);
    CHECK_OK(pawl_thread_stack_size(0, &before));
    CHECK_EQ(before, 30 * MIB);
}

static int tell_address(void *at)
{
    int local = 0;

    *(uintptr_t *)at = (uintptr_t)&local;
    return local;
}

TEST(thread.stack_and_cpus_may_be_given)
{
    static char stack[1 << 20] __attribute__((aligned(4096)));
    pawl_thread_options o = {
        .size = sizeof o, .stack = stack, .stack_size = sizeof stack};
    uintptr_t at = 0;
    cpu_set_t one;
    pawl_thread t;

    CHECK_OK(pawl_thread_init(&t, tell_address, &at, &o));
    CHECK_OK(pawl_thread_start(&t));
    CHECK_OK(pawl_thread_join(&t, NULL));
    CHECK(at >= (uintptr_t)stack && at < (uintptr_t)stack + sizeof stack);
    CPU_ZERO(&one);
    CPU_SET((unsigned)sched_getcpu(), &one);
    o = (pawl_thread_options){
        .size = sizeof o, .cpus = &one, .cpus_size = sizeof one};
    CHECK_OK(pawl_thread_init(&t, nothing, NULL, &o));
    CHECK_OK(pawl_thread_start(&t));
    CHECK_OK(pawl_thread_join(&t, NULL));
    CPU_ZERO(&one); /* no CPU at all: the kernel refuses */
    CHECK_OK(pawl_thread_init(&t, nothing, NULL, &o));
    CHECK_ERR(pawl_thread_start(&t), -EINVAL);
}

static int list_threads(void *arg)
{
    pawl_thread_info infos[4];

    (void)arg;
    return pawl_thread_enumerate(infos, 4) >= 2 ? 0 : 1;
}

enum way { BY_STARTER, WITH_DEADLINE, BY_ANOTHER, BY_BOTH, BY_NOBODY, WAYS };

static void start_and_wait(enum way way)
{
    pawl_thread_options o = {.size = sizeof o, .stack_size = (size_t)8 << 20};
    pawl_event go = PAWL_EVENT_INIT;
    pawl_thread t;
    pawl_thread other;
    bool is_joined = way == BY_ANOTHER || way == BY_BOTH;

    CHECK_OK(pawl_thread_init(&t, wait_for, &go, &o));
    CHECK_OK(pawl_thread_start(&t));
    if (is_joined) {
        CHECK_OK(pawl_thread_init(&other, join_it, &t, NULL));
        CHECK_OK(pawl_thread_start(&other));
    }
    pawl_event_set(&go);
    if (way == BY_STARTER || way == BY_BOTH)
        CHECK_OK(pawl_thread_join(&t, NULL));
    if (way == WITH_DEADLINE)
        CHECK_OK(pawl_thread_join_until(&t, pawl_after_ms(60000), NULL));
    if (is_joined)
        CHECK_OK(pawl_thread_join(&other, NULL));
    while (way == BY_NOBODY && pawl_thread_is_alive(&t))
        sched_yield();
}

static size_t mapped_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    size_t pages = 0;

    CHECK(f != NULL);
    CHECK_EQ(fscanf(f, "%zu", &pages), 1);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* T-05: an OS thread of its own goes with the thread, whoever joins that, and
 * however, or nobody. */
TEST(thread.os_thread_goes_whoever_joins_it)
{
    enum { THREADS = 100 };

    setenv("PAWL_SPIN", "0", 1); /* who joins sleeps */
    for (int way = 0; way < WAYS; way++) {
        size_t before;

        start_and_wait((enum way)way);
        before = mapped_bytes();
        for (int i = 0; i < THREADS; i++)
            start_and_wait((enum way)way);
        CHECK(mapped_bytes() < before + THREADS / 2 * ((size_t)8 << 20));
    }
}

/* Readers of the registry that have ended are not waited for, nor looked at, when
 * carriers are freed: after every 32 ends. */
TEST(thread.readers_of_the_registry_may_end)
{
    pawl_thread_options o = {.size = sizeof o, .no_cache = true};

    for (int i = 0; i < 200; i++) {
        pawl_thread t;
        int status;

        CHECK_OK(pawl_thread_init(&t, list_threads, NULL, &o));
        CHECK_OK(pawl_thread_start(&t));
        CHECK_OK(pawl_thread_join(&t, &status));
        CHECK_EQ(status, 0);
    }
}

/* ---- odds and ends ------------------------------------------------------------ */

static pawl_thread *called_by;

static int note_caller(void *unused)
{
    (void)unused;
    called_by = pawl_thread_current();
    return 5;
}

/* T-03: called directly, the function of a thread is a function: no other thread
 * runs it, and the object is as it was. */
TEST(thread.function_can_be_called_directly)
{
    pawl_thread t;
    int status = 0;

    CHECK_OK(pawl_thread_init(&t, note_caller, NULL, NULL));
    CHECK_EQ(note_caller(NULL), 5);
    CHECK(called_by == pawl_thread_main());
    CHECK_ERR(pawl_thread_try_join(&t, NULL), -ESRCH);
    CHECK_OK(pawl_thread_start(&t));
    CHECK_OK(pawl_thread_join(&t, &status));
    CHECK_EQ(status, 5);
    CHECK(called_by == &t);
}

static atomic_int interrupted_tid;

static void note_interruption(int signal)
{
    (void)signal;
    atomic_store(&interrupted_tid, gettid());
}

static int interrupt(void *go)
{
    CHECK_ERR(pawl_thread_interrupt_main(0), -EINVAL);
    CHECK_ERR(pawl_thread_interrupt_main(-1), -EINVAL);
    CHECK_ERR(pawl_thread_interrupt_main(4000), -EINVAL);
    CHECK_OK(pawl_thread_interrupt_main(SIGINT));
    while (atomic_load(&interrupted_tid) == 0)
        sched_yield();
    pawl_event_set(go);
    return 0;
}

/* T-19: the handler runs in the main thread, whose wait goes on. */
TEST(thread.main_can_be_interrupted)
{
    struct sigaction action = {.sa_handler = note_interruption};
    pawl_event go = PAWL_EVENT_INIT;
    pawl_thread t;

    CHECK_EQ(sigaction(SIGINT, &action, NULL), 0);
    CHECK_OK(pawl_thread_init(&t, interrupt, &go, NULL));
    CHECK_OK(pawl_thread_start(&t));
    CHECK_OK(pawl_event_wait(&go));
    CHECK_EQ(atomic_load(&interrupted_tid), getpid());
    CHECK_OK(pawl_thread_join(&t, NULL));
}
