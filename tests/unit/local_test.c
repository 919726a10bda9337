/* SPDX-License-Identifier: MIT
 *
 * local_test.c - thread-local values (T-26).
 */
#include <stdlib.h>
#include <unistd.h>

#include <pawl/error.h>
#include <pawl/local.h>
#include <pawl/thread.h>

#include "test.h"

static int run(pawl_thread_fn fn, void *arg, bool no_cache)
{
    pawl_thread_options o = {.size = sizeof o, .no_cache = no_cache};
    pawl_thread t;
    int status;

    CHECK_OK(pawl_thread_init(&t, fn, arg, &o));
    CHECK_OK(pawl_thread_start(&t));
    CHECK_OK(pawl_thread_join(&t, &status));
    return status;
}

/* Without an initialiser a value is absent until it is set; NULL is a value. */
TEST(local.is_absent_until_it_is_set)
{
    static pawl_local l;
    int x;
    void *value = &x;

    CHECK_ERR(pawl_local_get(&l, &value), -ENOENT);
    CHECK_ERR(pawl_local_clear(&l), -ENOENT);
    CHECK(value == &x);
    CHECK_OK(pawl_local_set(&l, NULL));
    CHECK_OK(pawl_local_get(&l, &value));
    CHECK(value == NULL);
    CHECK_OK(pawl_local_set(&l, &x));
    CHECK_OK(pawl_local_get(&l, &value));
    CHECK(value == &x);
    CHECK_OK(pawl_local_clear(&l));
    CHECK_ERR(pawl_local_get(&l, &value), -ENOENT);
    pawl_local_destroy(&l);
}

static int makes;
static int destroys;

static int make_int(void **value, void *context)
{
    int *fail = context;

    if (*fail != 0)
        return *fail;
    *value = malloc(1);
    makes++;
    return 0;
}

static void free_int(void *value, void *context)
{
    (void)context;
    destroys++;
    free(value);
}

static int get_twice(void *l)
{
    void *a;
    void *b;
    int err = pawl_local_get(l, &a);

    if (err != 0)
        return err;
    return pawl_local_get(l, &b) == 0 && a == b ? 0 : 1;
}

/* The initialiser runs once in each thread that asks, and again after it has
 * failed. */
TEST(local.initialiser_makes_one_for_each_thread)
{
    int fail = 0;
    pawl_local l = PAWL_LOCAL_INIT(make_int, free_int, &fail);
    void *value;

    for (int i = 0; i < 6; i++) {
        CHECK_EQ(run(get_twice, &l, i % 2 != 0), 0);
        CHECK_EQ(makes, i + 1);
        CHECK_EQ(destroys, i + 1);
    }
    fail = -EPERM;
    CHECK_ERR(get_twice(&l), -EPERM);
    fail = 0;
    CHECK_OK(get_twice(&l));
    CHECK_OK(get_twice(&l));
    CHECK_EQ(makes, 7);
    CHECK_EQ(destroys, 6);
    CHECK_OK(pawl_local_get(&l, &value));
    free_int(value, NULL);
    CHECK_OK(pawl_local_clear(&l));
}

/* -- Order ------------------------------------------------------------------- */

enum { LOCALS = 40 };

static pawl_local ordered[LOCALS];
static int order[200];
static int count;

static void note(void *value, void *context)
{
    CHECK(count < 200);
    order[count++] = (int)(intptr_t)value;
    (void)context;
}

static int use_in_order(void *arg)
{
    (void)arg;
    for (intptr_t i = 0; i < LOCALS; i++)
        CHECK_OK(pawl_local_set(&ordered[(i * 7) % LOCALS], (void *)i));
    /* The first use counts. */
    CHECK_OK(pawl_local_set(&ordered[0], (void *)0));
    return 0;
}

TEST(local.destructors_run_in_reverse_order_of_first_use)
{
    for (int i = 0; i < LOCALS; i++)
        pawl_local_init(&ordered[i], NULL, note, NULL);
    for (int round = 0; round < 4; round++) {
        count = 0;
        CHECK_EQ(run(use_in_order, NULL, round % 2 != 0), 0);
        CHECK_EQ(count, LOCALS);
        for (int i = 0; i < LOCALS; i++)
            CHECK_EQ(order[i], LOCALS - 1 - i);
    }
}

static void set_again(void *value, void *l)
{
    intptr_t left = (intptr_t)value;

    order[count++] = (int)left;
    if (left > 0)
        CHECK_OK(pawl_local_set(l, (void *)(left - 1)));
}

static pawl_local again = PAWL_LOCAL_INIT(NULL, set_again, &again);

static int set_number(void *number)
{
    return pawl_local_set(&again, number);
}

/* Values that destructors make are destroyed, but not for ever. */
TEST(local.destructors_run_in_at_most_four_rounds)
{
    CHECK_EQ(run(set_number, (void *)2, false), 0);
    CHECK_EQ(count, 3);
    count = 0;
    CHECK_EQ(run(set_number, (void *)100, false), 0);
    CHECK_EQ(count, 4);
    CHECK_EQ(order[3], 97);
    count = 0;
    CHECK_EQ(run(set_number, (void *)1, true), 0);
    CHECK_EQ(count, 2);
}

/* -- Whose ---------------------------------------------------------------------- */

static void use_foreign(void *l)
{
    CHECK_OK(get_twice(l));
}

TEST(local.foreign_threads_have_values_too)
{
    int fail = 0;
    pawl_local l = PAWL_LOCAL_INIT(make_int, free_int, &fail);

    for (int i = 0; i < 3; i++) {
        test_join(test_thread(use_foreign, &l));
        CHECK_EQ(makes, i + 1);
        CHECK_EQ(destroys, i + 1);
    }
}

static pawl_thread seen_alive;
static bool was_alive;

static void look(void *value, void *context)
{
    (void)context;
    was_alive = pawl_thread_is_alive(value);
}

static pawl_local looker = PAWL_LOCAL_INIT(NULL, look, NULL);

static int set_looker(void *t)
{
    return pawl_local_set(&looker, t);
}

/* T-07: a thread is alive until its destructors have run. */
TEST(local.thread_is_alive_while_destructors_run)
{
    for (int i = 0; i < 2; i++) {
        pawl_thread_options o = {.size = sizeof o, .no_cache = i != 0};

        was_alive = false;
        CHECK_OK(pawl_thread_init(&seen_alive, set_looker, &seen_alive, &o));
        CHECK_OK(pawl_thread_start(&seen_alive));
        CHECK_OK(pawl_thread_join(&seen_alive, NULL));
        CHECK(was_alive);
    }
}

/* A place that was given back is another local's, which is absent. */
TEST(local.destroyed_local_is_forgotten)
{
    pawl_local a = PAWL_LOCAL_INIT(NULL, NULL, NULL);
    pawl_local b = PAWL_LOCAL_INIT(NULL, NULL, NULL);
    void *value;

    CHECK_OK(pawl_local_set(&a, &a));
    pawl_local_destroy(&a);
    CHECK_ERR(pawl_local_get(&a, &value), -ENOENT);
    CHECK_ERR(pawl_local_get(&b, &value), -ENOENT);
    CHECK_OK(pawl_local_set(&b, &b));
    CHECK_ERR(pawl_local_get(&a, &value), -ENOENT);
    CHECK_OK(pawl_local_get(&b, &value));
    CHECK(value == &b);
}

TEST(local.too_many_are_refused)
{
    static pawl_local many[PAWL_LOCAL_MAX + 1];
    void *value;

    for (int i = 0; i < PAWL_LOCAL_MAX; i++)
        CHECK_OK(pawl_local_set(&many[i], &many[i]));
    CHECK_ERR(pawl_local_set(&many[PAWL_LOCAL_MAX], &value), -EAGAIN);
    for (int i = 0; i < PAWL_LOCAL_MAX; i++) {
        CHECK_OK(pawl_local_get(&many[i], &value));
        CHECK(value == &many[i]);
    }
    pawl_local_destroy(&many[5]);
    CHECK_OK(pawl_local_set(&many[PAWL_LOCAL_MAX], &value));
}

static int check_child(void *arg)
{
    pawl_local *l = arg;
    void *value;
    pid_t child;

    if (pawl_local_set(l, l) != 0)
        return 1;
    child = fork();
    if (child == 0)
        _exit(pawl_local_get(l, &value) == 0 && value == l ? 0 : 1);
    test_wait_child(child);
    return 0;
}

/* After a fork the child has the values of the thread that forked. */
TEST(local.survives_a_fork_in_the_thread_that_forks)
{
    pawl_local l = PAWL_LOCAL_INIT(NULL, NULL, NULL);

    CHECK_EQ(run(check_child, &l, false), 0);
}
