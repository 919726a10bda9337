/* SPDX-License-Identifier: MIT
 *
 * thread_test.c - threads, call by call.
 */
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

/* T-05: many may wait, asleep, and all learn the same. */
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
