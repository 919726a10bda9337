/* SPDX-License-Identifier: MIT
 *
 * owner_death_test.c - threads that end while they hold something (L-08, L-15,
 *
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <pawl/error.h>
#include <pawl/mutex.h>
#include <pawl/once.h>
#include <pawl/rmutex.h>

#include "visitor.h"

static int lock(void *m)
{
    return pawl_mutex_lock(m);
}

static int lock_patiently(void *m)
{
    return pawl_mutex_lock_until(m, pawl_after_s(1000));
}

static int unlock(void *m)
{
    return pawl_mutex_unlock(m);
}

/* Take it, and repair it if need be. */
static int lock_and_repair(void *m)
{
    int err = pawl_mutex_lock(m);

    if (err == -EOWNERDEAD)
        CHECK_OK(pawl_mutex_consistent(m));
    return err;
}

/* ---- nobody waits ------------------------------------------------------- */

/* L-08: in every form, the next one is told and holds it. */
TEST(death.the_next_to_lock_is_told_and_holds_it)
{
    for (int form = 0; form < 4; form++) {
        pawl_mutex m = PAWL_MUTEX_INIT;
        int got;

        CHECK_OK(visitor_dies_inside(lock, &m));
        CHECK(pawl_mutex_is_locked(&m));
        CHECK(!pawl_mutex_is_orphaned(&m)); /* the caller does not hold it */
        if (form == 0)
            got = pawl_mutex_lock(&m);
        else if (form == 1)
            got = pawl_mutex_try_lock(&m);
        else
            got = pawl_mutex_lock_until(&m, form == 2 ? 0 : pawl_after_s(100));
        CHECK_ERR(got, -EOWNERDEAD);
        CHECK(pawl_mutex_is_mine(&m));
        CHECK(pawl_mutex_is_orphaned(&m));
        CHECK_ERR(pawl_mutex_lock(&m), -EDEADLK);
        CHECK_OK(pawl_mutex_consistent(&m));
        CHECK(!pawl_mutex_is_orphaned(&m));
        CHECK_ERR(pawl_mutex_consistent(&m), -EINVAL);
        CHECK_OK(pawl_mutex_unlock(&m));
        CHECK_OK(pawl_mutex_lock(&m));
        CHECK_OK(pawl_mutex_unlock(&m));
    }
}

TEST(death.unlocked_without_repair_it_is_lost)
{
    pawl_mutex m = PAWL_MUTEX_INIT;

    CHECK_OK(visitor_dies_inside(lock, &m));
    CHECK_ERR(pawl_mutex_lock(&m), -EOWNERDEAD);
    CHECK_OK(pawl_mutex_unlock(&m));
    for (int i = 0; i < 2; i++) {
        CHECK_ERR(pawl_mutex_lock(&m), -ENOTRECOVERABLE);
        CHECK_ERR(pawl_mutex_try_lock(&m), -ENOTRECOVERABLE);
        CHECK_ERR(pawl_mutex_lock_until(&m, 0), -ENOTRECOVERABLE);
        CHECK_ERR(visitor_dies_inside(lock, &m), -ENOTRECOVERABLE);
        CHECK_ERR(pawl_mutex_unlock(&m), -EPERM);
        CHECK_ERR(pawl_mutex_consistent(&m), -EPERM);
    }
    CHECK_OK(pawl_mutex_destroy(&m));
    CHECK_OK(pawl_mutex_init(&m, 0)); /* the way out */
    CHECK_OK(pawl_mutex_lock(&m));
    CHECK_OK(pawl_mutex_unlock(&m));
}

/* The repairer may die too; the next one is told again. */
TEST(death.of_the_one_that_repairs_is_told_again)
{
    pawl_mutex m = PAWL_MUTEX_INIT;

    CHECK_OK(visitor_dies_inside(lock, &m));
    for (int i = 0; i < 5; i++)
        CHECK_ERR(visitor_dies_inside(lock, &m), -EOWNERDEAD);
    CHECK_ERR(visitor_dies_inside(lock_and_repair, &m), -EOWNERDEAD);
    CHECK_ERR(pawl_mutex_lock(&m), -EOWNERDEAD);
    CHECK_OK(pawl_mutex_consistent(&m));
    CHECK_OK(pawl_mutex_unlock(&m));
}

/* Who released in time has died in peace. */
static void lock_and_unlock(void *m)
{
    CHECK_OK(pawl_mutex_lock(m));
    CHECK_OK(pawl_mutex_unlock(m));
}

TEST(death.after_the_unlock_is_nobody_s_business)
{
    pawl_mutex m = PAWL_MUTEX_INIT;

    for (int i = 0; i < 100; i++) {
        test_join(test_thread(lock_and_unlock, &m));
        CHECK_OK(pawl_mutex_lock(&m));
        CHECK_OK(pawl_mutex_unlock(&m));
    }
}

/* A thread that lives now is not taken for the dead holder of long ago, though
 * it may have its place in the table. */
static void take_an_id(void *m)
{
    CHECK_ERR(pawl_mutex_try_lock(m), -EAGAIN);
}

static int stay_with_an_id(void *m)
{
    return pawl_mutex_try_lock(m);
}

TEST(death.is_told_however_many_threads_live_and_have_lived_since)
{
    enum { LIVING = 100 };
    pawl_mutex orphan = PAWL_MUTEX_INIT;
    pawl_mutex other = PAWL_MUTEX_INIT;
    struct visitor living[LIVING];

    CHECK_OK(pawl_mutex_lock(&other));
    CHECK_OK(visitor_dies_inside(lock, &orphan));
    for (int i = 0; i < test_iterations(1000); i++)
        test_join(test_thread(take_an_id, &other));
    for (int i = 0; i < LIVING; i++) {
        visitor_start(&living[i], stay_with_an_id, NULL, &other);
        CHECK_ERR(visitor_enters(&living[i]), -EAGAIN);
    }
    CHECK_ERR(pawl_mutex_try_lock(&orphan), -EOWNERDEAD);
    for (int i = 0; i < LIVING; i++)
        visitor_leaves(&living[i]);
}

/* Any number of locks at once. */
enum { MANY = 200 };

static int lock_all(void *arg)
{
    pawl_mutex *ms = arg;

    for (int i = 0; i < MANY; i++)
        CHECK_OK(pawl_mutex_lock(&ms[i]));
    return 0;
}

TEST(death.is_told_of_every_lock_that_was_held)
{
    pawl_mutex *ms = calloc(MANY, sizeof *ms);

    CHECK(ms != NULL);
    /* The sanitizer's own list of locks held is short. */
    if (test_under_tsan())
        TEST_SKIP("ThreadSanitizer follows 64 locks per thread");
    CHECK_OK(visitor_dies_inside(lock_all, ms));
    for (int i = 0; i < MANY; i++)
        CHECK_ERR(pawl_mutex_try_lock(&ms[i]), -EOWNERDEAD);
    free(ms);
}

/* ---- ways to die -------------------------------------------------------- */

static void lock_and_exit(void *m)
{
    CHECK_OK(pawl_mutex_lock(m));
    pthread_exit(NULL);
}

static void lock_and_be_cancelled(void *m)
{
    CHECK_OK(pawl_mutex_lock(m));
    pthread_cancel(pthread_self());
    pthread_testcancel();
}

TEST(death.by_exit_or_cancellation_is_told)
{
    pawl_mutex m = PAWL_MUTEX_INIT;

    test_join(test_thread(lock_and_exit, &m));
    CHECK_ERR(pawl_mutex_lock(&m), -EOWNERDEAD);
    CHECK_OK(pawl_mutex_consistent(&m));
    CHECK_OK(pawl_mutex_unlock(&m));
    test_join(test_thread(lock_and_be_cancelled, &m));
    CHECK_ERR(pawl_mutex_lock(&m), -EOWNERDEAD);
}

/* A destructor of thread-local data, whose key is older or younger than that of
 * the library, may still give back what the thread holds. */
static pthread_key_t older_key;
static pthread_key_t younger_key;

static void unlock_at_end(void *m)
{
    CHECK_OK(pawl_mutex_unlock(m));
}

struct three {
    pawl_mutex m[3];
};

static void lock_and_leave_it_to_destructors(void *arg)
{
    struct three *t = arg;

    CHECK_EQ(pthread_setspecific(older_key, &t->m[0]), 0);
    CHECK_EQ(pthread_setspecific(younger_key, &t->m[1]), 0);
    for (int i = 0; i < 3; i++)
        CHECK_OK(pawl_mutex_lock(&t->m[i]));
}

TEST(death.comes_after_the_destructors_of_thread_local_data)
{
    struct three t = {0};

    CHECK_EQ(pthread_key_create(&older_key, unlock_at_end), 0);
    CHECK_OK(pawl_mutex_lock(&t.m[0]));
    CHECK_OK(pawl_mutex_unlock(&t.m[0]));
    CHECK_EQ(pthread_key_create(&younger_key, unlock_at_end), 0);
    test_join(test_thread(lock_and_leave_it_to_destructors, &t));
    CHECK_OK(pawl_mutex_try_lock(&t.m[0]));
    CHECK_OK(pawl_mutex_try_lock(&t.m[1]));
    CHECK_ERR(pawl_mutex_try_lock(&t.m[2]), -EOWNERDEAD);
}

/* The main thread may end before the others. */
static pawl_mutex of_main = PAWL_MUTEX_INIT;

static void outlive_main(void *main_tid)
{
    CHECK_ERR(pawl_mutex_lock(&of_main), -EOWNERDEAD);
    (void)main_tid;
    exit(0);
}

static void die_as_main(void *arg)
{
    struct test_thread *t;

    (void)arg;
    CHECK_OK(pawl_mutex_lock(&of_main));
    t = test_thread(outlive_main, NULL);
    test_until_asleep(test_tid(t));
    pthread_exit(NULL);
}

TEST(death.of_the_main_thread_is_told)
{
    if (test_under_tsan())
        TEST_SKIP("ThreadSanitizer does not let the main thread end first");
    test_wait_child(test_spawn_child(die_as_main, NULL));
}

/* ---- somebody waits ----------------------------------------------------- */

/* the death itself wakes who sleeps, not a poll. */
TEST(death.wakes_the_one_that_waits)
{
    static const visitor_fn forms[] = {lock, lock_patiently};

    for (int i = 0; i < 2; i++) {
        pawl_mutex m = PAWL_MUTEX_INIT;
        struct visitor holder;
        struct visitor v;

        visitor_start(&holder, lock, NULL, &m);
        CHECK_OK(visitor_enters(&holder));
        visitor_start_asleep(&v, forms[i], unlock, &m);
        visitor_leaves(&holder);
        CHECK_ERR(visitor_passes(&v), -EOWNERDEAD);
        CHECK_ERR(pawl_mutex_lock(&m), -ENOTRECOVERABLE);
    }
}

enum { WAITERS = 5 };

static int lock_repair_unlock(void *m)
{
    int err = lock_and_repair(m);

    CHECK_OK(pawl_mutex_unlock(m));
    return err;
}

/* Exactly one is told, of several who sleep when the holder dies. */
static void check_one_is_told(pawl_mutex *m, visitor_fn enter, int others)
{
    struct visitor holder;
    struct visitor v[WAITERS];
    int told = 0;

    visitor_start(&holder, lock, NULL, m);
    CHECK_OK(visitor_enters(&holder));
    for (int i = 0; i < WAITERS; i++)
        visitor_start_asleep(&v[i], enter, NULL, m);
    visitor_leaves(&holder);
    for (int i = 0; i < WAITERS; i++) {
        int err = visitor_passes(&v[i]);

        told += err == -EOWNERDEAD;
        CHECK(err == others || err == -EOWNERDEAD);
    }
    CHECK_EQ(told, 1);
}

/* Repaired, the others get it as usual. */
TEST(death.is_told_to_one_of_those_who_wait)
{
    pawl_mutex m = PAWL_MUTEX_INIT;

    check_one_is_told(&m, lock_repair_unlock, 0);
    CHECK_OK(pawl_mutex_lock(&m));
}

static int lock_and_unlock_if_held(void *m)
{
    int err = pawl_mutex_lock(m);

    if (err == 0 || err == -EOWNERDEAD)
        CHECK_OK(pawl_mutex_unlock(m));
    return err;
}

/* Not repaired: all who sleep are released with the bad news. */
TEST(death.unrepaired_releases_all_who_wait)
{
    pawl_mutex m = PAWL_MUTEX_INIT;

    check_one_is_told(&m, lock_and_unlock_if_held, -ENOTRECOVERABLE);
}

/* The sleepers watch whoever holds it, not only the one they found. */
TEST(death.of_a_later_holder_wakes_who_slept_before_it_came)
{
    pawl_mutex m = PAWL_MUTEX_INIT;
    struct visitor v[WAITERS];

    CHECK_OK(pawl_mutex_lock(&m));
    for (int i = 0; i < WAITERS; i++) {
        visitor_start_asleep(&v[i], lock_and_repair, NULL, &m);
        door_open(&v[i].go); /* dies as soon as it has it */
    }
    CHECK_OK(pawl_mutex_unlock(&m));
    for (int i = 0; i < WAITERS; i++) {
        int err = visitor_enters(&v[i]);

        CHECK(err == 0 || err == -EOWNERDEAD);
        visitor_leaves(&v[i]);
    }
    CHECK_ERR(pawl_mutex_lock(&m), -EOWNERDEAD);
}

/* A thread that dies looks after the sleepers of all its locks. */
TEST(death.wakes_those_who_wait_for_different_locks)
{
    struct three t = {0};
    struct visitor v[3];

    for (int round = 0; round < 10; round++) {
        struct visitor holders[3];

        for (int i = 0; i < 3; i++) {
            visitor_start(&holders[i], lock_and_repair, NULL, &t.m[i]);
            visitor_enters(&holders[i]);
        }
        for (int i = 0; i < 3; i++)
            visitor_start_asleep(&v[i], lock_repair_unlock, NULL, &t.m[i]);
        /* At the same time. */
        for (int i = 0; i < 3; i++)
            door_open(&holders[i].go);
        for (int i = 0; i < 3; i++) {
            CHECK_ERR(visitor_passes(&v[i]), -EOWNERDEAD);
            test_join(holders[i].thread);
        }
    }
}

/* ---- the recursive mutex (L-15) ----------------------------------------- */

static int lock_thrice(void *r)
{
    CHECK_OK(pawl_rmutex_lock(r));
    CHECK_OK(pawl_rmutex_lock(r));
    return pawl_rmutex_lock(r);
}

static int lock_recursive(void *r)
{
    int err = pawl_rmutex_lock(r);

    CHECK_EQ(pawl_rmutex_depth(r), 1);
    return err;
}

static int unlock_recursive(void *r)
{
    return pawl_rmutex_unlock(r);
}

TEST(death.inside_several_levels_leaves_one)
{
    for (int form = 0; form < 3; form++) {
        static pawl_rmutex rs[3];
        pawl_rmutex *r = &rs[form];

        CHECK_OK(visitor_dies_inside(lock_thrice, r));
        CHECK_EQ(pawl_rmutex_depth(r), 0);
        CHECK_ERR(form == 0   ? pawl_rmutex_lock(r)
                  : form == 1 ? pawl_rmutex_try_lock(r)
                              : pawl_rmutex_lock_until(r, 0),
                  -EOWNERDEAD);
        CHECK_EQ(pawl_rmutex_depth(r), 1);
        CHECK(pawl_mutex_is_orphaned(&r->base));
        CHECK_OK(pawl_rmutex_lock(r)); /* deeper, and still to be repaired */
        CHECK_OK(pawl_rmutex_consistent(r));
        CHECK_ERR(pawl_rmutex_consistent(r), -EINVAL);
        CHECK_OK(pawl_rmutex_unlock(r));
        CHECK_EQ(pawl_rmutex_depth(r), 1);
        CHECK_OK(pawl_rmutex_unlock(r));
        CHECK_ERR(pawl_rmutex_unlock(r), -EPERM);
        CHECK_OK(pawl_rmutex_lock(r));
    }
}

TEST(death.inside_several_levels_wakes_who_waits)
{
    pawl_rmutex r = PAWL_RMUTEX_INIT;
    struct visitor holder;
    struct visitor v;

    visitor_start(&holder, lock_thrice, NULL, &r);
    CHECK_OK(visitor_enters(&holder));
    visitor_start_asleep(&v, lock_recursive, unlock_recursive, &r);
    visitor_leaves(&holder);
    CHECK_ERR(visitor_passes(&v), -EOWNERDEAD);
    CHECK_ERR(pawl_rmutex_lock(&r), -ENOTRECOVERABLE);
    CHECK_ERR(pawl_rmutex_try_lock(&r), -ENOTRECOVERABLE);
    CHECK_ERR(pawl_rmutex_unlock(&r), -EPERM);
    CHECK_ERR(pawl_rmutex_consistent(&r), -EPERM);
    CHECK_OK(pawl_rmutex_init(&r, 0));
    CHECK_OK(pawl_rmutex_lock(&r));
}

/* ---- once --------------------------------------------------------------- */

static struct door inside_once;
static struct door leave_once;
static atomic_int runs;

static int die_inside(void *arg)
{
    (void)arg;
    door_open(&inside_once);
    door_pass(&leave_once);
    pthread_exit(NULL);
}

static void run_and_die(void *o)
{
    int err = pawl_once_run(o, die_inside, NULL);

    test_fail(__FILE__, __LINE__, "came back with %d", err);
}

static int count_run(void *arg)
{
    (void)arg;
    atomic_fetch_add(&runs, 1);
    return 0;
}

static int run(void *o)
{
    return pawl_once_run(o, count_run, NULL);
}

TEST(death.inside_a_once_lets_the_next_one_run_it)
{
    pawl_once o = PAWL_ONCE_INIT;
    struct test_thread *t;

    door_make(&inside_once);
    door_make(&leave_once);
    for (int i = 0; i < 3; i++) {
        t = test_thread(run_and_die, &o);
        door_pass(&inside_once);
        CHECK_ERR(pawl_once_try_run(&o, count_run, NULL), -EAGAIN);
        door_open(&leave_once);
        test_join(t);
        CHECK(!pawl_once_is_done(&o));
    }
    CHECK_OK(pawl_once_try_run(&o, count_run, NULL));
    CHECK_EQ(atomic_load(&runs), 1);
}

/* One or several who sleep: one of them runs it. */
TEST(death.inside_a_once_wakes_who_waits_for_it)
{
    door_make(&inside_once);
    door_make(&leave_once);
    for (int waiters = 1; waiters <= WAITERS; waiters++) {
        pawl_once o = PAWL_ONCE_INIT;
        struct visitor v[WAITERS];
        struct test_thread *t;

        atomic_store(&runs, 0);
        t = test_thread(run_and_die, &o);
        door_pass(&inside_once);
        for (int i = 0; i < waiters; i++)
            visitor_start_asleep(&v[i], run, NULL, &o);
        door_open(&leave_once);
        for (int i = 0; i < waiters; i++)
            CHECK_OK(visitor_passes(&v[i]));
        test_join(t);
        CHECK_EQ(atomic_load(&runs), 1);
        CHECK(pawl_once_is_done(&o));
    }
}
