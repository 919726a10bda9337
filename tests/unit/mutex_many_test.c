/* SPDX-License-Identifier: MIT
 *
 * mutex_many_test.c - several mutexes at once: all or none of them (L-10).
 */
#include <pawl/error.h>
#include <pawl/mutex.h>

#include "visitor.h"

enum { N = 5 };

/* An array of them, so that their order of address is known. */
struct set {
    pawl_mutex m[N];
};

/* Memory of its own: the sanitizer knows locks by address, and some are left
 * held. */
static struct set *new_set(void)
{
    return test_shared_alloc(sizeof(struct set));
}

static int lock(void *m)
{
    return pawl_mutex_lock(m);
}

static int unlock(void *m)
{
    return pawl_mutex_unlock(m);
}

/* All orders of 4, by Heap's rule, and some subsets. */
static void check_order(struct set *s, const int order[4])
{
    pawl_mutex *ms[4];

    for (int i = 0; i < 4; i++)
        ms[i] = &s->m[order[i]];
    for (size_t n = 0; n <= 4; n++) {
        CHECK_OK(pawl_mutex_lock_many(ms, n));
        for (size_t i = 0; i < 4; i++)
            CHECK_EQ(pawl_mutex_is_mine(ms[i]), i < n);
        CHECK_OK(pawl_mutex_unlock_many(ms, n));
        CHECK_OK(pawl_mutex_try_lock_many(ms, n));
        CHECK_OK(pawl_mutex_unlock_many(ms, n));
        CHECK_OK(pawl_mutex_lock_many_until(ms, n, 0));
        CHECK_OK(pawl_mutex_unlock_many(ms, n));
        for (size_t i = 0; i < 4; i++)
            CHECK(!pawl_mutex_is_locked(ms[i]));
    }
}

TEST(mutex_many.takes_all_in_whatever_order_they_are_named)
{
    struct set *s = new_set();

    for (int a = 0; a < 4; a++) {
        for (int b = 0; b < 4; b++) {
            for (int c = 0; c < 4; c++) {
                int order[4] = {a, b, c, 6 - a - b - c};

                if (a != b && b != c && a != c)
                    check_order(s, order);
            }
        }
    }
}

/* Whichever is not to be had, in every position and every form: the others are
 * free again. */
TEST(mutex_many.takes_none_if_one_is_held)
{
    for (int held = 0; held < N; held++) {
        struct set *s = new_set();
        pawl_mutex *const ms[N] = {&s->m[3], &s->m[0], &s->m[4], &s->m[1],
                                   &s->m[2]};
        pawl_deadline until;
        struct visitor v;

        visitor_start(&v, lock, unlock, ms[held]);
        CHECK_OK(visitor_enters(&v));
        CHECK_ERR(pawl_mutex_try_lock_many(ms, N), -EAGAIN);
        CHECK_ERR(pawl_mutex_lock_many_until(ms, N, 0), -ETIMEDOUT);
        until = pawl_after_ms(3);
        CHECK_ERR(pawl_mutex_lock_many_until(ms, N, until), -ETIMEDOUT);
        CHECK(pawl_now() >= until);
        for (int i = 0; i < N; i++) {
            CHECK_EQ(pawl_mutex_is_locked(ms[i]), i == held);
            CHECK(!pawl_mutex_is_mine(ms[i]));
        }
        CHECK_OK(visitor_leaves(&v));
        CHECK_OK(pawl_mutex_lock_many(ms, N));
        CHECK_OK(pawl_mutex_unlock_many(ms, N));
    }
}

TEST(mutex_many.one_that_the_caller_holds_is_a_deadlock)
{
    if (test_under_tsan())
        TEST_SKIP("ThreadSanitizer reports the deadlock that is refused");
    for (int held = 0; held < N; held++) {
        struct set *s = new_set();
        pawl_mutex *const ms[N] = {&s->m[3], &s->m[0], &s->m[4], &s->m[1],
                                   &s->m[2]};

        CHECK_OK(pawl_mutex_lock(ms[held]));
        CHECK_ERR(pawl_mutex_lock_many(ms, N), -EDEADLK);
        CHECK_ERR(pawl_mutex_lock_many_until(ms, N, 0), -EDEADLK);
        CHECK_ERR(pawl_mutex_try_lock_many(ms, N), -EAGAIN);
        for (int i = 0; i < N; i++)
            CHECK_EQ(pawl_mutex_is_mine(ms[i]), i == held);
        CHECK_OK(pawl_mutex_unlock(ms[held]));
    }
}

TEST(mutex_many.one_named_twice_is_a_deadlock)
{
    static const unsigned kinds[] = {PAWL_LOCAL, PAWL_SHARED, PAWL_OWNERLESS,
                                     PAWL_OWNERLESS | PAWL_SHARED};

    for (int k = 0; k < 4; k++) {
        pawl_mutex m[3];
        pawl_mutex *const ms[] = {&m[2], &m[1], &m[0], &m[1]};

        for (int i = 0; i < 3; i++)
            CHECK_OK(pawl_mutex_init(&m[i], kinds[k]));
        CHECK_ERR(pawl_mutex_lock_many_until(ms, 4, pawl_after_ms(100)),
                  -EDEADLK);
        for (int i = 0; i < 3; i++)
            CHECK(!pawl_mutex_is_locked(&m[i]));
    }
}

/* One is not repaired: in every position. */
TEST(mutex_many.one_that_is_lost_leaves_none_held)
{
    for (int lost = 0; lost < N; lost++) {
        struct set *s = new_set();
        pawl_mutex *const ms[N] = {&s->m[3], &s->m[0], &s->m[4], &s->m[1],
                                   &s->m[2]};

        CHECK_OK(visitor_dies_inside(lock, ms[lost]));
        CHECK_ERR(pawl_mutex_lock(ms[lost]), -EOWNERDEAD);
        CHECK_OK(pawl_mutex_unlock(ms[lost]));
        CHECK_ERR(pawl_mutex_lock_many(ms, N), -ENOTRECOVERABLE);
        CHECK_ERR(pawl_mutex_try_lock_many(ms, N), -ENOTRECOVERABLE);
        for (int i = 0; i < N; i++) {
            CHECK(!pawl_mutex_is_mine(ms[i]));
            if (i != lost)
                CHECK(!pawl_mutex_is_locked(ms[i]));
        }
    }
}

/* L-08: all are held then, and one can ask which. */
TEST(mutex_many.tells_of_a_death)
{
    for (int dead = 0; dead < N; dead++) {
        for (int try_only = 0; try_only < 2; try_only++) {
            struct set *s = new_set();
            pawl_mutex *const ms[N] = {&s->m[3], &s->m[0], &s->m[4], &s->m[1],
                                       &s->m[2]};

            CHECK_OK(visitor_dies_inside(lock, ms[dead]));
            CHECK_ERR(try_only ? pawl_mutex_try_lock_many(ms, N)
                               : pawl_mutex_lock_many(ms, N),
                      -EOWNERDEAD);
            for (int i = 0; i < N; i++) {
                CHECK(pawl_mutex_is_mine(ms[i]));
                CHECK_EQ(pawl_mutex_is_orphaned(ms[i]), i == dead);
            }
            CHECK_OK(pawl_mutex_consistent(ms[dead]));
            CHECK_OK(pawl_mutex_unlock_many(ms, N));
            CHECK_OK(pawl_mutex_lock_many(ms, N));
        }
    }
}

/* L-08: who could not have all has not learned of the death, so the next one
 * must: the lock is not lost, and not taken for sound. */
TEST(mutex_many.a_death_is_not_forgotten_when_another_one_is_held)
{
    for (int form = 0; form < 3; form++) {
        struct set *s = new_set();
        pawl_mutex *const ms[] = {&s->m[1], &s->m[0], &s->m[2]};
        struct visitor v;

        CHECK_OK(visitor_dies_inside(lock, &s->m[0]));
        CHECK_OK(visitor_dies_inside(lock, &s->m[1]));
        visitor_start(&v, lock, unlock, &s->m[2]);
        CHECK_OK(visitor_enters(&v));
        if (form == 0)
            CHECK_ERR(pawl_mutex_try_lock_many(ms, 3), -EAGAIN);
        else
            CHECK_ERR(pawl_mutex_lock_many_until(
                          ms, 3, form == 1 ? 0 : pawl_after_ms(2)),
                      -ETIMEDOUT);
        CHECK(!pawl_mutex_is_mine(&s->m[0]));
        CHECK(!pawl_mutex_is_mine(&s->m[1]));
        CHECK_ERR(pawl_mutex_unlock(&s->m[0]), -EPERM);
        CHECK_ERR(pawl_mutex_consistent(&s->m[0]), -EPERM);
        CHECK_ERR(pawl_mutex_lock(&s->m[0]), -EOWNERDEAD);
        CHECK(pawl_mutex_is_orphaned(&s->m[0]));
        CHECK_ERR(pawl_mutex_try_lock(&s->m[1]), -EOWNERDEAD);
        CHECK_OK(pawl_mutex_consistent(&s->m[0]));
        CHECK_OK(pawl_mutex_consistent(&s->m[1]));
        CHECK_OK(pawl_mutex_unlock(&s->m[0]));
        CHECK_OK(pawl_mutex_unlock(&s->m[1]));
        CHECK_OK(pawl_mutex_lock(&s->m[0]));
        CHECK_OK(visitor_leaves(&v));
    }
}

/* The same for those who sleep on the orphaned one meanwhile. */
struct three {
    pawl_mutex m[3];
};

static int lock_three(void *arg)
{
    struct three *t = arg;
    pawl_mutex *const ms[] = {&t->m[2], &t->m[1], &t->m[0]};

    return pawl_mutex_lock_many_until(ms, 3, pawl_after_ms(20));
}

TEST(mutex_many.a_death_is_told_to_those_who_slept_through_a_withdrawal)
{
    struct three t = {0};
    struct visitor many;
    struct visitor one;

    CHECK_OK(visitor_dies_inside(lock, &t.m[0]));
    CHECK_OK(pawl_mutex_lock(&t.m[2]));
    visitor_start_asleep(&many, lock_three, NULL, &t);
    visitor_start_asleep(&one, lock, unlock, &t.m[0]);
    CHECK_ERR(visitor_passes(&many), -ETIMEDOUT);
    CHECK_ERR(visitor_passes(&one), -EOWNERDEAD); /* not repaired */
    CHECK_ERR(pawl_mutex_lock(&t.m[0]), -ENOTRECOVERABLE);
    CHECK_OK(pawl_mutex_unlock(&t.m[2]));
}

TEST(mutex_many.unlock_releases_all_or_none)
{
    struct set *s = new_set();
    pawl_mutex *const ms[N] = {&s->m[3], &s->m[0], &s->m[4], &s->m[1],
                               &s->m[2]};
    pawl_mutex *const twice[] = {&s->m[1], &s->m[0], &s->m[1]};
    struct visitor v;

    CHECK_ERR(pawl_mutex_unlock_many(ms, N), -EPERM);
    CHECK_OK(pawl_mutex_unlock_many(ms, 0));
    for (int missing = 0; missing < N; missing++) {
        for (int i = 0; i < N; i++) {
            if (&s->m[i] != ms[missing])
                CHECK_OK(pawl_mutex_lock(&s->m[i]));
        }
        CHECK_ERR(pawl_mutex_unlock_many(ms, N), -EPERM);
        visitor_start(&v, lock, unlock, ms[missing]);
        CHECK_OK(visitor_enters(&v));
        CHECK_ERR(pawl_mutex_unlock_many(ms, N), -EPERM);
        CHECK_OK(visitor_leaves(&v));
        for (int i = 0; i < N; i++) {
            CHECK_EQ(pawl_mutex_is_mine(ms[i]), i != missing);
            if (i != missing)
                CHECK_OK(pawl_mutex_unlock(ms[i]));
        }
    }
    CHECK_OK(pawl_mutex_lock_many(ms, N));
    CHECK_ERR(pawl_mutex_unlock_many(twice, 3), -EPERM);
    CHECK_OK(pawl_mutex_unlock_many(ms, N));
}

TEST(mutex_many.owned_and_ownerless_ones_may_be_mixed)
{
    pawl_mutex a = PAWL_MUTEX_INIT;
    pawl_mutex b = PAWL_MUTEX_INIT_FLAGS(PAWL_OWNERLESS);
    pawl_mutex c = PAWL_MUTEX_INIT_FLAGS(PAWL_SHARED);
    pawl_mutex *const ms[] = {&a, &b, &c};

    CHECK_OK(pawl_mutex_lock_many(ms, 3));
    CHECK_ERR(pawl_mutex_try_lock(&b), -EAGAIN);
    CHECK_OK(pawl_mutex_unlock_many(ms, 3));
    CHECK_ERR(pawl_mutex_unlock_many(ms, 3), -EPERM);
    CHECK_OK(pawl_mutex_lock(&b));
    CHECK_ERR(pawl_mutex_try_lock_many(ms, 3), -EAGAIN);
    CHECK_ERR(pawl_mutex_lock_many_until(ms, 3, 0), -ETIMEDOUT);
    CHECK(!pawl_mutex_is_locked(&a));
    CHECK(!pawl_mutex_is_locked(&c));
}

/* Somebody waits for one of the set, and gets it after unlock_many. */
TEST(mutex_many.unlock_wakes_who_waits_for_one_of_them)
{
    struct set *s = new_set();
    pawl_mutex *const ms[N] = {&s->m[3], &s->m[0], &s->m[4], &s->m[1],
                               &s->m[2]};
    struct visitor v[N];

    CHECK_OK(pawl_mutex_lock_many(ms, N));
    for (int i = 0; i < N; i++)
        visitor_start_asleep(&v[i], lock, unlock, &s->m[i]);
    CHECK_OK(pawl_mutex_unlock_many(ms, N));
    for (int i = 0; i < N; i++)
        CHECK_OK(visitor_passes(&v[i]));
}
