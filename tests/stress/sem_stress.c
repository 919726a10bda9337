/* SPDX-License-Identifier: MIT
 *
 * sem_stress.c - many threads and few permits.
 */
#include <stdlib.h>
#include <unistd.h>

#include <pawl/error.h>
#include <pawl/sem.h>

#include "crowd.h"

static const unsigned kinds[] = {PAWL_LOCAL, PAWL_SHARED};

enum { MAX = 5 };

struct scene {
    pawl_sem sem;
    int rounds;
    int max;
    atomic_long inside; /* permits held now */
    atomic_long released;
    atomic_long taken;
    atomic_int left; /* threads that are not done */
    atomic_bool over;
};

static void count(atomic_long *what, long n)
{
    atomic_fetch_add_explicit(what, n, memory_order_relaxed);
}

/* n permits in any of the three forms. */
static int take(struct scene *s, int n, uint64_t *random)
{
    int err;

    switch (test_rand_below(random, 4)) {
    case 0:
        err = pawl_sem_try_acquire_n(&s->sem, n);
        CHECK(err == 0 || err == -EAGAIN);
        return err;
    case 1:
        err = pawl_sem_acquire_n_until(
            &s->sem, n, pawl_after_us(test_rand_below(random, 100)));
        CHECK(err == 0 || err == -ETIMEDOUT);
        return err;
    default:
        CHECK_OK(pawl_sem_acquire_n(&s->sem, n));
        return 0;
    }
}

/* ---- permits are conserved (S, stress invariant 3) ---------------------- */

static void take_and_give_back(void *scene, int me)
{
    struct scene *s = scene;
    uint64_t random = test_seed((uint64_t)me);

    for (int i = 0; i < s->rounds; i++) {
        int n = 1 + (int)test_rand_below(&random, (uint32_t)s->max);
        int value;

        if (take(s, n, &random) != 0)
            continue;
        CHECK(atomic_fetch_add(&s->inside, n) + n <= MAX);
        value = pawl_sem_value(&s->sem);
        CHECK(value >= 0 && value <= MAX - n);
        loiter(&random);
        atomic_fetch_sub(&s->inside, n);
        CHECK_OK(pawl_sem_release_n(&s->sem, n));
    }
}

/* Never more permits held than there are; at the end all are back and nobody is
 * counted as waiting. */
static void check_conservation(unsigned kind, int threads, int max)
{
    struct scene *s = test_shared_alloc(sizeof *s);

    CHECK_OK(pawl_sem_init_bounded(&s->sem, MAX, MAX, kind));
    s->rounds = test_iterations(100000 / threads);
    s->max = max;
    crowd(threads, take_and_give_back, s);
    CHECK_EQ(pawl_sem_value(&s->sem), MAX);
    CHECK_EQ(pawl_sem_waiters(&s->sem), 0);
    CHECK_OK(pawl_sem_destroy(&s->sem));
}

TEST(sem.single_permits_are_conserved)
{
    for (int k = 0; k < 2; k++) {
        check_conservation(kinds[k], 3, 1);
        check_conservation(kinds[k], 12, 1);
    }
}

TEST(sem.permits_in_any_number_are_conserved)
{
    for (int k = 0; k < 2; k++) {
        check_conservation(kinds[k], 3, MAX);
        check_conservation(kinds[k], 12, MAX);
    }
}

/* As a mutex: what is done under the permit is seen by the next. */
struct guarded {
    pawl_sem sem;
    long count;
    long twin;
    int rounds;
};

static void enter_often(void *scene, int me)
{
    struct guarded *g = scene;
    uint64_t random = test_seed((uint64_t)me);

    for (int i = 0; i < g->rounds; i++) {
        CHECK_OK(pawl_sem_acquire(&g->sem));
        CHECK_EQ(g->count, g->twin);
        g->count++;
        loiter(&random);
        g->twin++;
        CHECK_OK(pawl_sem_release(&g->sem));
    }
}

TEST(sem.with_one_permit_it_excludes)
{
    for (int k = 0; k < 2; k++) {
        for (int threads = 2; threads <= 10; threads += 4) {
            struct guarded *g = test_shared_alloc(sizeof *g);

            CHECK_OK(pawl_sem_init(&g->sem, 1, kinds[k]));
            g->rounds = test_iterations(100000 / threads);
            crowd(threads, enter_often, g);
            CHECK_EQ(g->count, (long)threads * g->rounds);
            CHECK_EQ(pawl_sem_value(&g->sem), 1);
        }
    }
}

/* Producers and consumers: nothing is taken that was not released, and all that
 * was released is taken. */
static void produce_or_consume(void *scene, int me)
{
    struct scene *s = scene;
    uint64_t random = test_seed((uint64_t)me);

    for (int i = 0; i < s->rounds; i++) {
        if (me % 2 == 0) {
            count(&s->released, 1);
            CHECK_OK(pawl_sem_release(&s->sem));
        } else {
            CHECK_OK(pawl_sem_acquire(&s->sem));
            count(&s->taken, 1);
            CHECK(atomic_load(&s->taken) <= atomic_load(&s->released));
        }
        loiter(&random);
    }
}

TEST(sem.nothing_is_taken_that_was_not_released)
{
    for (int k = 0; k < 2; k++) {
        for (int threads = 2; threads <= 8; threads *= 2) {
            struct scene *s = test_shared_alloc(sizeof *s);

            CHECK_OK(pawl_sem_init(&s->sem, 0, kinds[k]));
            s->rounds = test_iterations(100000 / threads);
            crowd(threads, produce_or_consume, s);
            CHECK_EQ(pawl_sem_value(&s->sem), 0);
            CHECK_EQ(pawl_sem_waiters(&s->sem), 0);
        }
    }
}

/* ---- the bound (S-09) --------------------------------------------------- */

static void over_release(void *scene, int me)
{
    struct scene *s = scene;
    uint64_t random = test_seed((uint64_t)me);

    for (int i = 0; i < s->rounds; i++) {
        int n = 1 + (int)test_rand_below(&random, 3);

        if (me == 0) {
            if (take(s, n, &random) == 0)
                count(&s->taken, n);
        } else {
            int err = pawl_sem_release_n(&s->sem, n);

            CHECK(err == 0 || err == -EOVERFLOW);
            if (err == 0)
                count(&s->released, n);
        }
        CHECK(pawl_sem_value(&s->sem) <= MAX);
    }
    atomic_fetch_sub_explicit(&s->left, 1, memory_order_relaxed);
    /* Until nobody waits for a permit. */
    while (me != 0 && atomic_load(&s->left) > 0) {
        if (pawl_sem_release(&s->sem) == 0)
            count(&s->released, 1);
    }
}

/* Racing releases never go beyond the bound, and a refused one adds nothing. */
TEST(sem.racing_releases_stay_within_the_bound)
{
    for (int k = 0; k < 2; k++) {
        struct scene *s = test_shared_alloc(sizeof *s);

        CHECK_OK(pawl_sem_init_bounded(&s->sem, 2, MAX, kinds[k]));
        s->rounds = test_iterations(100000);
        atomic_init(&s->left, 4);
        crowd(4, over_release, s);
        CHECK_EQ(pawl_sem_value(&s->sem),
                 2 + atomic_load(&s->released) - atomic_load(&s->taken));
    }
}

/* ---- fairness (R-13, W-34) ---------------------------------------------- */

static void want_all_or_one(void *scene, int me)
{
    struct scene *s = scene;
    int n = me == 0 ? MAX : 1;

    for (int i = 0; me > 0 || i < s->rounds; i++) {
        if (me > 0 && atomic_load_explicit(&s->left, memory_order_relaxed) == 0)
            return;
        CHECK_OK(pawl_sem_acquire_n(&s->sem, n));
        CHECK(atomic_fetch_add(&s->inside, n) + n <= MAX);
        if (me == 0)
            sched_yield();
        atomic_fetch_sub(&s->inside, n);
        CHECK_OK(pawl_sem_release_n(&s->sem, n));
    }
    atomic_store_explicit(&s->left, 0, memory_order_relaxed);
}

/* One wants all the permits, the others one each, all the time: it gets them
 * again and again. */
TEST(sem.who_wants_many_does_not_starve_behind_who_wants_one)
{
    for (int k = 0; k < 2; k++) {
        for (int small = 2; small <= 8; small += 3) {
            struct scene *s = test_shared_alloc(sizeof *s);

            CHECK_OK(pawl_sem_init(&s->sem, MAX, kinds[k]));
            s->rounds = test_iterations(100);
            atomic_init(&s->left, 1);
            crowd(1 + small, want_all_or_one, s);
            CHECK_EQ(pawl_sem_value(&s->sem), MAX);
            CHECK_EQ(pawl_sem_waiters(&s->sem), 0);
        }
    }
}

/* ---- freed at once ------------------------------------------------------ */

struct freeing {
    _Atomic(pawl_sem *) sem;
    unsigned kind;
    int rounds;
};

/* One thread waits for what another one releases, and frees it then; the other
 * one is perhaps still inside release. */
static void wait_and_free(void *scene, int me)
{
    struct freeing *f = scene;

    for (int i = 0; i < f->rounds; i++) {
        pawl_sem *s;

        if (me == 0) {
            s = malloc(sizeof *s);
            CHECK(s != NULL);
            CHECK_OK(pawl_sem_init(s, 0, f->kind));
            atomic_store(&f->sem, s);
            CHECK_OK(i % 2 == 0 ? pawl_sem_acquire(s)
                                : pawl_sem_acquire_n(s, 2));
            CHECK_OK(pawl_sem_destroy(s));
            s->mode_ = 0xdead;
            free(s);
        } else {
            while ((s = atomic_exchange(&f->sem, NULL)) == NULL)
                sched_yield();
            if (i % 3 == 0)
                sched_yield();
            CHECK_OK(pawl_sem_release_n(s, 1 + i % 2));
        }
    }
}

TEST(sem.may_be_freed_as_soon_as_the_last_wait_is_over)
{
    for (int k = 0; k < 2; k++) {
        struct freeing f = {.kind = kinds[k], .rounds = test_iterations(50000)};

        crowd(2, wait_and_free, &f);
    }
}

/* ---- forks (K-04) ------------------------------------------------------- */

static void keep_busy(void *scene, int me)
{
    struct scene *s = scene;
    uint64_t random = test_seed((uint64_t)me);

    while (!atomic_load_explicit(&s->over, memory_order_relaxed)) {
        int n = 1 + (int)test_rand_below(&random, 3);

        if (take(s, n, &random) == 0) {
            loiter(&random);
            CHECK_OK(pawl_sem_release_n(&s->sem, n));
        }
    }
}

/* The child finds some value, and nobody who waits or claims. */
TEST(sem.the_child_of_a_fork_has_its_permits_for_itself)
{
    struct scene *s = calloc(1, sizeof *s);
    struct crowd c;

    CHECK(s != NULL);
    CHECK_OK(pawl_sem_init(&s->sem, 3, 0));
    crowd_begins(&c, 4, keep_busy, s);
    for (int i = 0; i < test_iterations(1000); i++) {
        pid_t pid = fork();

        CHECK(pid >= 0);
        if (pid == 0) {
            int value = pawl_sem_value(&s->sem);

            CHECK(value >= 0 && value <= 3);
            CHECK_EQ(pawl_sem_waiters(&s->sem), 0);
            for (; value > 0; value--)
                CHECK_OK(pawl_sem_try_acquire(&s->sem));
            CHECK_ERR(pawl_sem_try_acquire(&s->sem), -EAGAIN);
            CHECK_ERR(pawl_sem_acquire_until(&s->sem, pawl_after_us(1)),
                      -ETIMEDOUT);
            CHECK_EQ(pawl_sem_waiters(&s->sem), 0);
            CHECK_OK(pawl_sem_release_n(&s->sem, 3));
            CHECK_OK(pawl_sem_acquire_n(&s->sem, 3));
            CHECK_OK(pawl_sem_destroy(&s->sem));
            _exit(0);
        }
        test_wait_child(pid);
    }
    atomic_store(&s->over, true);
    crowd_ends(&c);
    CHECK_EQ(pawl_sem_value(&s->sem), 3);
    CHECK_EQ(pawl_sem_waiters(&s->sem), 0);
    free(s);
}
