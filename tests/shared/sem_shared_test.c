/* SPDX-License-Identifier: MIT
 *
 * sem_shared_test.c - semaphores between processes, at different addresses
 * (S-10, H-03).
 */
#include <pawl/error.h>
#include <pawl/sem.h>

#include "remap.h"

enum { MAX = 4 };

struct scene {
    pawl_sem sem;
    int rounds;
    atomic_long inside;
    atomic_long released;
    atomic_long taken;
    atomic_int left;
};

static void take_and_give_back(void *object, int me)
{
    struct scene *s = object;
    uint64_t random = test_seed((uint64_t)me);

    for (int i = 0; i < s->rounds; i++) {
        int n = 1 + (int)test_rand_below(&random, MAX);
        int err;

        switch (test_rand_below(&random, 4)) {
        case 0:
            err = pawl_sem_try_acquire_n(&s->sem, n);
            CHECK(err == 0 || err == -EAGAIN);
            break;
        case 1:
            err = pawl_sem_acquire_n_until(
                &s->sem, n, pawl_after_us(test_rand_below(&random, 100)));
            CHECK(err == 0 || err == -ETIMEDOUT);
            break;
        default:
            err = pawl_sem_acquire_n(&s->sem, n);
            CHECK_OK(err);
            break;
        }
        if (err != 0)
            continue;
        CHECK(atomic_fetch_add(&s->inside, n) + n <= MAX);
        if (i % 64 == 0)
            sched_yield();
        atomic_fetch_sub(&s->inside, n);
        CHECK_OK(pawl_sem_release_n(&s->sem, n));
    }
}

/* Never more permits held than there are; at the end all are back. */
TEST(sem.permits_are_conserved_between_processes)
{
    for (int members = 2; members <= 8; members += 3) {
        struct family f;
        struct scene *s = family_object(&f, sizeof *s);

        CHECK_OK(pawl_sem_init_bounded(&s->sem, MAX, MAX, PAWL_SHARED));
        s->rounds = test_iterations(200000 / members);
        family(&f, members, take_and_give_back);
        CHECK_EQ(pawl_sem_value(&s->sem), MAX);
        CHECK_EQ(pawl_sem_waiters(&s->sem), 0);
        CHECK_OK(pawl_sem_destroy(&s->sem));
    }
}

static void produce_or_consume(void *object, int me)
{
    struct scene *s = object;

    for (int i = 0; i < s->rounds; i++) {
        if (me % 2 == 0) {
            atomic_fetch_add(&s->released, 1);
            CHECK_OK(pawl_sem_release(&s->sem));
        } else {
            CHECK_OK(pawl_sem_acquire(&s->sem));
            CHECK(atomic_fetch_add(&s->taken, 1) < atomic_load(&s->released));
        }
    }
}

/* Nothing is taken that was not released. */
TEST(sem.one_process_releases_what_another_takes)
{
    for (int members = 2; members <= 6; members += 2) {
        struct family f;
        struct scene *s = family_object(&f, sizeof *s);

        CHECK_OK(pawl_sem_init(&s->sem, 0, PAWL_SHARED));
        s->rounds = test_iterations(20000);
        family(&f, members, produce_or_consume);
        CHECK_EQ(pawl_sem_value(&s->sem), 0);
        CHECK_EQ(pawl_sem_waiters(&s->sem), 0);
    }
}

static void over_release(void *object, int me)
{
    struct scene *s = object;

    (void)me;
    for (int i = 0; i < s->rounds; i++) {
        int n = 1 + i % 3;
        int err = pawl_sem_release_n(&s->sem, n);

        CHECK(err == 0 || err == -EOVERFLOW);
        CHECK(pawl_sem_value(&s->sem) <= MAX);
        if (err == 0)
            atomic_fetch_add(&s->released, n);
        if (pawl_sem_try_acquire(&s->sem) == 0)
            atomic_fetch_add(&s->taken, 1);
    }
}

/* S-09, W-29: racing releases of several processes stay within the bound. */
TEST(sem.the_bound_holds_between_processes)
{
    struct family f;
    struct scene *s = family_object(&f, sizeof *s);

    CHECK_OK(pawl_sem_init_bounded(&s->sem, 1, MAX, PAWL_SHARED));
    s->rounds = test_iterations(50000);
    family(&f, 4, over_release);
    CHECK_EQ(pawl_sem_value(&s->sem),
             1 + atomic_load(&s->released) - atomic_load(&s->taken));
}

static void sleep_for_two(void *object, int me)
{
    struct scene *s = object;

    (void)me;
    CHECK_OK(pawl_sem_acquire_n(&s->sem, 2));
}

/* A child that waits is counted, in every process. */
TEST(sem.waiters_of_all_processes_are_counted)
{
    struct family f;
    struct scene *s = family_object(&f, sizeof *s);

    CHECK_OK(pawl_sem_init(&s->sem, 1, PAWL_SHARED));
    family_begins(&f, 3, sleep_for_two);
    for (int i = 0; i < 3; i++)
        test_until_asleep(f.pids[i]);
    CHECK_EQ(pawl_sem_waiters(&s->sem), 3);
    CHECK_EQ(pawl_sem_value(&s->sem), 1);
    CHECK_ERR(pawl_sem_destroy(&s->sem), -EBUSY);
    CHECK_OK(pawl_sem_release_n(&s->sem, 5));
    family_ends(&f);
    CHECK_EQ(pawl_sem_waiters(&s->sem), 0);
    CHECK_EQ(pawl_sem_value(&s->sem), 0);
}
