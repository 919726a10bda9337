/* SPDX-License-Identifier: MIT
 *
 * The lock-order checker (L-10, W-50): what contradicts an order, and what does
 * not.
 */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl/cond.h>
#include <pawl/deadlock.h>
#include <pawl/error.h>
#include <pawl/mutex.h>
#include <pawl/rmutex.h>
#include <pawl/rwlock.h>

#include "test.h"

/* The sanitizer's own checker would end the test. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "detect_deadlocks=0";
}

static struct {
    int calls;
    pawl_lock_inversion last;
} told;

static void tell(const pawl_lock_inversion *inversion)
{
    told.calls++;
    told.last = *inversion;
}

static void begin(void)
{
    int err = pawl_lock_order_check(true);

    if (err == -EOPNOTSUPP)
        TEST_SKIP("built without hooks");
    CHECK_OK(err);
    memset(&told, 0, sizeof told);
    pawl_lock_order_set_hook(tell);
}

static void nest(pawl_mutex *a, pawl_mutex *b)
{
    CHECK_OK(pawl_mutex_lock(a));
    CHECK_OK(pawl_mutex_lock(b));
    CHECK_OK(pawl_mutex_unlock(b));
    CHECK_OK(pawl_mutex_unlock(a));
}

TEST(lock_order.the_first_inversion_is_reported_with_both_names)
{
    pawl_mutex a = PAWL_MUTEX_INIT;
    pawl_mutex b = PAWL_MUTEX_INIT;

    begin();
    CHECK_OK(pawl_lock_set_name(&a, "a"));
    CHECK_OK(pawl_lock_set_name(&b, "b"));
    nest(&a, &b);
    nest(&a, &b);
    CHECK_EQ(told.calls, 0);
    nest(&b, &a);
    CHECK_EQ(told.calls, 1);
    CHECK(told.last.first == &b && told.last.second == &a);
    CHECK(strcmp(told.last.first_name, "b") == 0);
    CHECK(strcmp(told.last.second_name, "a") == 0);
    CHECK_EQ(told.last.thread, gettid());
    nest(&b, &a);
    nest(&a, &b);
    CHECK_EQ(told.calls, 1); /* once is enough */
}

static void nest_other_way(void *both)
{
    pawl_mutex *m = both;

    nest(&m[1], &m[0]);
}

TEST(lock_order.of_another_thread_counts)
{
    pawl_mutex m[2] = {PAWL_MUTEX_INIT, PAWL_MUTEX_INIT};

    begin();
    nest(&m[0], &m[1]);
    test_join(test_thread(nest_other_way, m));
    CHECK_EQ(told.calls, 1);
}

TEST(lock_order.a_circle_of_many_is_found)
{
    enum { N = 20 };
    pawl_mutex m[N];

    begin();
    for (int i = 0; i < N; i++)
        CHECK_OK(pawl_mutex_init(&m[i], 0));
    for (int i = 0; i + 1 < N; i++)
        nest(&m[i], &m[i + 1]);
    CHECK_EQ(told.calls, 0);
    nest(&m[0], &m[N - 1]);
    CHECK_EQ(told.calls, 0);
    nest(&m[N - 1], &m[3]);
    CHECK_EQ(told.calls, 1);
}

TEST(lock_order.locks_of_all_kinds_count)
{
    pawl_rmutex r = PAWL_RMUTEX_INIT;
    pawl_rwlock w = PAWL_RWLOCK_INIT;

    begin();
    CHECK_OK(pawl_rmutex_lock(&r));
    CHECK_OK(pawl_rmutex_lock(&r)); /* no other lock */
    CHECK_OK(pawl_rwlock_read_lock(&w));
    CHECK_OK(pawl_rwlock_read_unlock(&w));
    CHECK_OK(pawl_rmutex_unlock(&r));
    CHECK_OK(pawl_rmutex_unlock(&r));
    CHECK_EQ(told.calls, 0);
    CHECK_OK(pawl_rwlock_write_lock(&w));
    CHECK_OK(pawl_rmutex_lock(&r));
    CHECK_EQ(told.calls, 1);
    CHECK(told.last.first == &w && told.last.second == &r.base);
    CHECK_OK(pawl_rmutex_unlock(&r));
    CHECK_OK(pawl_rwlock_write_unlock(&w));
}

/* C-02: the wait for a condition takes its mutex again. */
TEST(lock_order.of_a_wait_for_a_condition_counts)
{
    pawl_mutex a = PAWL_MUTEX_INIT;
    pawl_mutex b = PAWL_MUTEX_INIT;
    pawl_cond c = PAWL_COND_INIT;

    begin();
    CHECK_OK(pawl_mutex_lock(&a));
    CHECK_OK(pawl_mutex_lock(&b));
    CHECK_OK(pawl_mutex_unlock(&a));
    CHECK_OK(pawl_mutex_unlock(&b));
    CHECK_OK(pawl_mutex_lock(&a));
    CHECK_OK(pawl_mutex_lock(&b));
    CHECK_EQ(told.calls, 0);
    CHECK_ERR(pawl_cond_wait_until(&c, &a, 0), -ETIMEDOUT);
    CHECK_EQ(told.calls, 1); /* b was held when a was taken */
    CHECK_OK(pawl_mutex_unlock(&b));
    CHECK_OK(pawl_mutex_unlock(&a));
}

TEST(lock_order.attempts_and_deadlines_contradict_nothing)
{
    pawl_mutex a = PAWL_MUTEX_INIT;
    pawl_mutex b = PAWL_MUTEX_INIT;

    begin();
    nest(&a, &b);
    CHECK_OK(pawl_mutex_lock(&b));
    CHECK_OK(pawl_mutex_try_lock(&a));
    CHECK_OK(pawl_mutex_unlock(&a));
    CHECK_OK(pawl_mutex_lock_until(&a, pawl_after_s(1)));
    CHECK_OK(pawl_mutex_unlock(&a));
    CHECK_OK(pawl_mutex_unlock(&b));
    CHECK_EQ(told.calls, 0);
    /* But what an attempt has taken is held. */
    CHECK_OK(pawl_mutex_try_lock(&b));
    CHECK_OK(pawl_mutex_lock(&a));
    CHECK_EQ(told.calls, 1);
    CHECK_OK(pawl_mutex_unlock(&a));
    CHECK_OK(pawl_mutex_unlock(&b));
}

TEST(lock_order.one_after_the_other_is_none)
{
    pawl_mutex a = PAWL_MUTEX_INIT;
    pawl_mutex b = PAWL_MUTEX_INIT;

    begin();
    nest(&a, &b);
    CHECK_OK(pawl_mutex_lock(&b));
    CHECK_OK(pawl_mutex_unlock(&b));
    CHECK_OK(pawl_mutex_lock(&a));
    CHECK_OK(pawl_mutex_unlock(&a));
    CHECK_EQ(told.calls, 0);
}

TEST(lock_order.a_new_lock_at_the_address_begins_anew)
{
    pawl_mutex a = PAWL_MUTEX_INIT;
    pawl_mutex b = PAWL_MUTEX_INIT;

    begin();
    nest(&a, &b);
    CHECK_OK(pawl_mutex_destroy(&a));
    nest(&b, &a);
    CHECK_EQ(told.calls, 0);
    CHECK_OK(pawl_mutex_init(&b, 0));
    nest(&a, &b);
    CHECK_EQ(told.calls, 0);
    nest(&b, &a);
    CHECK_EQ(told.calls, 1);
}

TEST(lock_order.nothing_is_checked_after_the_end)
{
    pawl_mutex a = PAWL_MUTEX_INIT;
    pawl_mutex b = PAWL_MUTEX_INIT;
    pawl_mutex c = PAWL_MUTEX_INIT;

    begin();
    nest(&a, &b);
    CHECK_OK(pawl_mutex_lock(&c));
    CHECK_OK(pawl_lock_order_check(false));
    nest(&b, &a);
    CHECK_OK(pawl_mutex_unlock(&c)); /* unnoticed */
    CHECK_EQ(told.calls, 0);
    CHECK_OK(pawl_lock_order_check(true));
    nest(&a, &c);
    nest(&c, &b);
    CHECK_EQ(told.calls, 0); /* c is not held */
    nest(&b, &a);
    CHECK_EQ(told.calls, 1);
    CHECK(told.last.second == &a);
    CHECK_OK(pawl_lock_order_check(false));
}

static void hold_and_end(void *m)
{
    CHECK_OK(pawl_mutex_lock(m));
}

/* L-08: what a thread held that has ended is not held any more. */
TEST(lock_order.of_a_dead_thread_ends)
{
    pawl_mutex a = PAWL_MUTEX_INIT;
    pawl_mutex b = PAWL_MUTEX_INIT;

    begin();
    nest(&a, &b);
    test_join(test_thread(hold_and_end, &b));
    CHECK_ERR(pawl_mutex_lock(&b), -EOWNERDEAD);
    CHECK_OK(pawl_mutex_consistent(&b));
    CHECK_OK(pawl_mutex_unlock(&b));
    CHECK_OK(pawl_mutex_lock(&a));
    CHECK_OK(pawl_mutex_unlock(&a));
    CHECK_EQ(told.calls, 0);
}

/* The report that nobody has asked for is one line. */
TEST(lock_order.is_reported_to_stderr)
{
    pawl_mutex a = PAWL_MUTEX_INIT;
    pawl_mutex b = PAWL_MUTEX_INIT;
    char line[256] = {0};
    int ends[2];
    ssize_t n;

    begin();
    CHECK(pawl_lock_order_set_hook(NULL) == tell);
    CHECK_OK(pawl_lock_set_name(&a, "alpha"));
    CHECK_OK(pawl_lock_set_name(&b, "beta"));
    CHECK_OK(pipe(ends));
    nest(&a, &b);
    {
        int saved = dup(2);

        CHECK_EQ(dup2(ends[1], 2), 2);
        nest(&b, &a);
        CHECK_EQ(dup2(saved, 2), 2);
    }
    n = read(ends[0], line, sizeof line - 1);
    CHECK(n > 0 && line[n - 1] == '\n');
    CHECK(strstr(line, "alpha") != NULL && strstr(line, "beta") != NULL);
}
