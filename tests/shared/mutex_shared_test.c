/* SPDX-License-Identifier: MIT
 *
 * mutex_shared_test.c - mutexes between processes, at different addresses.
 */
#include <pawl/error.h>
#include <pawl/mutex.h>

#include "remap.h"
#include "visitor.h"

static const unsigned kinds[] = {PAWL_SHARED, PAWL_SHARED | PAWL_OWNERLESS};

struct guarded {
    pawl_mutex mutex;
    int rounds;
    long count;
    long twin;
    atomic_long entered;
};

/* L-02 .. L-05 */
static void enter_often(void *object, int me)
{
    struct guarded *g = object;
    uint64_t random = test_seed((uint64_t)me);

    for (int i = 0; i < g->rounds; i++) {
        int err;

        switch (test_rand_below(&random, 4)) {
        case 0:
            err = pawl_mutex_try_lock(&g->mutex);
            CHECK(err == 0 || err == -EAGAIN);
            break;
        case 1:
            err = pawl_mutex_lock_until(
                &g->mutex, pawl_after_us(test_rand_below(&random, 100)));
            CHECK(err == 0 || err == -ETIMEDOUT);
            break;
        default:
            err = pawl_mutex_lock(&g->mutex);
            CHECK_OK(err);
            break;
        }
        if (err != 0)
            continue;
        CHECK_EQ(g->count, g->twin);
        g->count++;
        if (test_rand_below(&random, 32) == 0)
            sched_yield();
        g->twin++;
        atomic_fetch_add_explicit(&g->entered, 1, memory_order_relaxed);
        CHECK_OK(pawl_mutex_unlock(&g->mutex));
    }
}

/* Never two processes inside, and as many visits as acquisitions. */
TEST(mutex.one_process_at_a_time)
{
    for (int k = 0; k < 2; k++) {
        for (int members = 2; members <= 8; members += 3) {
            struct family f;
            struct guarded *g = family_object(&f, sizeof *g);

            CHECK_OK(pawl_mutex_init(&g->mutex, kinds[k]));
            g->rounds = test_iterations(200000 / members);
            family(&f, members, enter_often);
            CHECK_EQ(g->count, atomic_load(&g->entered));
            CHECK_EQ(g->count, g->twin);
            CHECK_OK(pawl_mutex_destroy(&g->mutex));
        }
    }
}

/* ---- who owns it (L-05, L-06, W-30) --------------------------------------- */

struct owned {
    pawl_mutex mutex;
    struct door has_looked;
};

static void look_and_wait(void *object, int me)
{
    struct owned *o = object;

    (void)me;
    CHECK(pawl_mutex_is_locked(&o->mutex));
    CHECK(!pawl_mutex_is_mine(&o->mutex));
    CHECK(!pawl_mutex_is_orphaned(&o->mutex));
    CHECK_EQ(pawl_mutex_owner(&o->mutex), getppid());
    CHECK_ERR(pawl_mutex_unlock(&o->mutex), -EPERM);
    CHECK_ERR(pawl_mutex_consistent(&o->mutex), -EPERM);
    CHECK_ERR(pawl_mutex_try_lock(&o->mutex), -EAGAIN);
    CHECK_ERR(pawl_mutex_destroy(&o->mutex), -EBUSY);
    CHECK_ERR(pawl_mutex_lock_until(&o->mutex, pawl_after_ms(2)), -ETIMEDOUT);
    door_open(&o->has_looked);
    CHECK_OK(pawl_mutex_lock(&o->mutex));
    CHECK(pawl_mutex_is_mine(&o->mutex));
    CHECK_EQ(pawl_mutex_owner(&o->mutex), getpid());
    CHECK_OK(pawl_mutex_unlock(&o->mutex));
}

TEST(mutex.another_process_sees_who_holds_it_and_waits)
{
    struct family f;
    struct owned *o = family_object(&f, sizeof *o);

    CHECK_OK(pawl_mutex_init(&o->mutex, PAWL_SHARED));
    door_make(&o->has_looked);
    CHECK_OK(pawl_mutex_lock(&o->mutex));
    family_begins(&f, 3, look_and_wait);
    for (int i = 0; i < 3; i++)
        door_pass(&o->has_looked);
    for (int i = 0; i < 3; i++)
        test_until_asleep(f.pids[i]);
    CHECK_OK(pawl_mutex_unlock(&o->mutex));
    family_ends(&f);
    CHECK_OK(pawl_mutex_try_lock(&o->mutex));
}

/* ---- ownerless as a signal (L-01) --------------------------------------- */

enum { RUNNERS = 3 };

struct relay {
    pawl_mutex gate[RUNNERS];
    int rounds;
    long ball;
};

static void pass_the_ball(void *object, int me)
{
    struct relay *r = object;

    for (int i = 0; i < r->rounds; i++) {
        CHECK_OK(pawl_mutex_lock(&r->gate[me]));
        CHECK_EQ(r->ball % RUNNERS, me);
        r->ball++;
        CHECK_OK(pawl_mutex_unlock(&r->gate[(me + 1) % RUNNERS]));
    }
}

TEST(mutex.ownerless_ones_pass_a_signal_round)
{
    struct family f;
    struct relay *r = family_object(&f, sizeof *r);

    r->rounds = test_iterations(20000);
    for (int i = 0; i < RUNNERS; i++) {
        CHECK_OK(pawl_mutex_init(&r->gate[i], kinds[1]));
        CHECK_OK(pawl_mutex_lock(&r->gate[i]));
    }
    CHECK_OK(pawl_mutex_unlock(&r->gate[0]));
    family(&f, RUNNERS, pass_the_ball);
    CHECK_EQ(r->ball, (long)RUNNERS * r->rounds);
}

/* ---- several at once (L-10) --------------------------------------------- */

enum { ACCOUNTS = 5 };

struct bank {
    pawl_mutex mutex[ACCOUNTS];
    long money[ACCOUNTS];
    int rounds;
};

static void transfer(void *object, int me)
{
    struct bank *b = object;
    uint64_t random = test_seed((uint64_t)me);

    for (int i = 0; i < b->rounds; i++) {
        int from = (int)test_rand_below(&random, ACCOUNTS);
        int to =
            (from + 1 + (int)test_rand_below(&random, ACCOUNTS - 1)) % ACCOUNTS;
        pawl_mutex *const both[] = {&b->mutex[from], &b->mutex[to]};

        CHECK_OK(pawl_mutex_lock_many(both, 2));
        b->money[from]--;
        if (i % 64 == 0)
            sched_yield();
        b->money[to]++;
        CHECK_OK(pawl_mutex_unlock_many(both, 2));
    }
}

TEST(mutex.sets_of_them_never_deadlock_between_processes)
{
    for (int k = 0; k < 2; k++) {
        struct family f;
        struct bank *b = family_object(&f, sizeof *b);
        long sum = 0;

        b->rounds = test_iterations(40000);
        for (int i = 0; i < ACCOUNTS; i++)
            CHECK_OK(pawl_mutex_init(&b->mutex[i], kinds[k]));
        family(&f, 4, transfer);
        for (int i = 0; i < ACCOUNTS; i++)
            sum += b->money[i];
        CHECK_EQ(sum, 0);
    }
}
