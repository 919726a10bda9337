/* SPDX-License-Identifier: MIT
 *
 * mutex_stress.c - many threads and few mutexes.
 */
#include <stdlib.h>
#include <unistd.h>

#include <pawl/error.h>
#include <pawl/mutex.h>

#include "crowd.h"

static const unsigned kinds[] = {PAWL_LOCAL, PAWL_SHARED, PAWL_OWNERLESS,
                                 PAWL_OWNERLESS | PAWL_SHARED};
enum { KINDS = 4 };

/* What a mutex guards: plain memory, whose halves agree unless two are in. */
struct guarded {
    pawl_mutex mutex;
    long count;
    char gap[256];
    long twin;
};

static void visit(struct guarded *g, uint64_t *random)
{
    long seen = g->count;

    if (g->twin != seen)
        test_fail(__FILE__, __LINE__, "torn: %ld and %ld", seen, g->twin);
    g->count = seen + 1;
    loiter(random);
    g->twin = seen + 1;
}

/* ---- mutual exclusion (L-02 .. L-05, stress invariant 1) ---------------- */

struct exclusion {
    struct guarded g;
    int rounds;
    atomic_long entered;
};

static void enter_often(void *scene, int me)
{
    struct exclusion *e = scene;
    uint64_t random = test_seed((uint64_t)me);
    long entered = 0;

    for (int i = 0; i < e->rounds; i++) {
        pawl_mutex *m = &e->g.mutex;
        int err;

        switch (test_rand_below(&random, 4)) {
        case 0:
            err = pawl_mutex_try_lock(m);
            CHECK(err == 0 || err == -EAGAIN);
            break;
        case 1:
            err = pawl_mutex_lock_until(
                m, pawl_after_us(test_rand_below(&random, 100)));
            CHECK(err == 0 || err == -ETIMEDOUT);
            break;
        default:
            err = pawl_mutex_lock(m);
            CHECK_OK(err);
            break;
        }
        if (err == 0) {
            visit(&e->g, &random);
            entered++;
            CHECK_OK(pawl_mutex_unlock(m));
        }
        loiter(&random);
    }
    atomic_fetch_add_explicit(&e->entered, entered, memory_order_relaxed);
}

/* Never two inside, and as many visits as acquisitions; with two threads, and
 * with more than there are CPUs. */
static void check_exclusion(unsigned kind, int threads, int rounds)
{
    struct exclusion *e = test_shared_alloc(sizeof *e);

    CHECK_OK(pawl_mutex_init(&e->g.mutex, kind));
    e->rounds = test_iterations(rounds);
    crowd(threads, enter_often, e);
    CHECK_EQ(e->g.count, atomic_load(&e->entered));
    CHECK_EQ(e->g.twin, e->g.count);
    CHECK(!pawl_mutex_is_locked(&e->g.mutex));
    CHECK_OK(pawl_mutex_destroy(&e->g.mutex));
}

TEST(mutex.one_at_a_time_of_two)
{
    for (int k = 0; k < KINDS; k++)
        check_exclusion(kinds[k], 2, 300000);
}

TEST(mutex.one_at_a_time_of_more_than_there_are_cpus)
{
    for (int k = 0; k < KINDS; k++)
        check_exclusion(kinds[k],
                        4 * test_cpu_count() + 1 < CROWD_MAX
                            ? 4 * test_cpu_count() + 1
                            : CROWD_MAX,
                        30000);
}

/* ---- hand-overs and deadlines (L-04) ------------------------------------ */

struct deadlines {
    struct guarded g;
    int rounds;
    atomic_int patient_left;
    atomic_long entered;
};

/* Some wait as long as it takes, the others hardly; each unlock of one meets
 * the deadlines of others.  All the patient ones come through. */
static void wait_or_give_up(void *scene, int me)
{
    struct deadlines *d = scene;
    uint64_t random = test_seed((uint64_t)me);
    bool patient = me < 2;
    long entered = 0;

    for (int i = 0; patient ? i < d->rounds
                            : atomic_load_explicit(&d->patient_left,
                                                   memory_order_relaxed) > 0;
         i++) {
        pawl_deadline until = PAWL_FOREVER;
        int err;

        if (!patient)
            until = pawl_after_us(test_rand_below(&random, 60));
        err = pawl_mutex_lock_until(&d->g.mutex, until);
        CHECK(err == 0 || (!patient && err == -ETIMEDOUT));
        if (err == -ETIMEDOUT) {
            CHECK(pawl_now() >= until);
            continue;
        }
        visit(&d->g, &random);
        if (test_rand_below(&random, 16) == 0)
            sched_yield(); /* long enough to make them sleep */
        entered++;
        CHECK_OK(pawl_mutex_unlock(&d->g.mutex));
    }
    if (patient)
        atomic_fetch_sub_explicit(&d->patient_left, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&d->entered, entered, memory_order_relaxed);
}

TEST(mutex.no_hand_over_is_lost_to_a_deadline)
{
    for (int k = 0; k < KINDS; k++) {
        struct deadlines *d = test_shared_alloc(sizeof *d);

        CHECK_OK(pawl_mutex_init(&d->g.mutex, kinds[k]));
        d->rounds = test_iterations(40000);
        atomic_init(&d->patient_left, 2);
        crowd(6, wait_or_give_up, d);
        CHECK_EQ(d->g.count, atomic_load(&d->entered));
        CHECK_OK(pawl_mutex_try_lock(&d->g.mutex));
        CHECK_OK(pawl_mutex_unlock(&d->g.mutex));
    }
}

/* ---- fairness (R-13) ---------------------------------------------------- */

struct hogging {
    struct guarded g;
    atomic_int victims_left;
    int rounds;
};

/* The hogs hold the lock nearly all the time, and never wait between unlock and
 * lock; the victims come through all the same. */
static void hog_or_suffer(void *scene, int me)
{
    struct hogging *h = scene;
    uint64_t random = test_seed((uint64_t)me);

    if (me < 2) {
        for (int i = 0; i < h->rounds; i++) {
            CHECK_OK(pawl_mutex_lock(&h->g.mutex));
            visit(&h->g, &random);
            CHECK_OK(pawl_mutex_unlock(&h->g.mutex));
            sched_yield();
        }
        atomic_fetch_sub_explicit(&h->victims_left, 1, memory_order_relaxed);
        return;
    }
    while (atomic_load_explicit(&h->victims_left, memory_order_relaxed) > 0) {
        CHECK_OK(pawl_mutex_lock(&h->g.mutex));
        for (int i = 0; i < 50; i++)
            visit(&h->g, &random);
        CHECK_OK(pawl_mutex_unlock(&h->g.mutex));
    }
}

TEST(mutex.nobody_starves_behind_those_who_never_let_go)
{
    for (int k = 0; k < KINDS; k++) {
        for (int hogs = 1; hogs <= 3; hogs += 2) {
            struct hogging *h = test_shared_alloc(sizeof *h);

            CHECK_OK(pawl_mutex_init(&h->g.mutex, kinds[k]));
            h->rounds = test_iterations(1000);
            atomic_init(&h->victims_left, 2);
            crowd(2 + hogs, hog_or_suffer, h);
            CHECK_EQ(h->g.count, h->g.twin);
        }
    }
}

/* ---- a crowd (I1, I3, I4 of mutex.c) ------------------------------------- */

enum { IN_CROWD = 32, STALL_S = 60 };

struct crowded {
    struct guarded g;
    int rounds;
    uint32_t timed_of_8; /* how many waits of eight have a deadline */
    atomic_int left;
    struct {
        _Alignas(64) atomic_long turns; /* taken or given up */
        long entered;
    } member[IN_CROWD];
};

/* Busy for so long, as if in a critical section. */
static void be_busy_for(int64_t ns)
{
    pawl_deadline end = pawl_now() + ns;

    while (pawl_now() < end)
        ;
}

static void hurry_through(void *scene, int me)
{
    struct crowded *c = scene;
    uint64_t random = test_seed((uint64_t)me);

    for (int i = 0; i < c->rounds; i++) {
        pawl_deadline until = PAWL_FOREVER;
        int err;

        if (test_rand_below(&random, 8) < c->timed_of_8)
            until = pawl_after_us(1 + test_rand_below(&random, 5000));
        err = pawl_mutex_lock_until(&c->g.mutex, until);
        CHECK(err == 0 || (err == -ETIMEDOUT && until != PAWL_FOREVER));
        if (err == 0) {
            c->g.count++;
            be_busy_for(1000);
            c->g.twin++;
            CHECK_OK(pawl_mutex_unlock(&c->g.mutex));
            c->member[me].entered++;
        }
        be_busy_for(200);
        /* relaxed: for the watchman. */
        atomic_fetch_add_explicit(&c->member[me].turns, 1,
                                  memory_order_relaxed);
    }
    atomic_fetch_sub(&c->left, 1);
}

/* Look now and then whether somebody still gets through; if nobody has for
 * STALL_S, say how the lock looks. */
static void watch(struct crowded *c, struct crowd *all)
{
    long before = -1;
    pawl_deadline alarm = 0;

    while (atomic_load(&c->left) > 0) {
        long turns = 0;

        for (int i = 0; i < IN_CROWD; i++)
            turns +=
                atomic_load_explicit(&c->member[i].turns, memory_order_relaxed);
        if (turns != before)
            alarm = pawl_after_s(STALL_S);
        before = turns;
        if (pawl_now() > alarm) {
            int asleep = 0;

            for (int i = 0; i < IN_CROWD; i++)
                asleep += test_is_asleep(test_tid(all->members[i].thread));
            test_fail(__FILE__, __LINE__,
                      "stalled after %ld turns: word %#llx, %d of %d asleep",
                      turns, (unsigned long long)c->g.mutex.word_.v_, asleep,
                      atomic_load(&c->left));
        }
        usleep(20000); /* how often it looks; nothing waits for it */
    }
}

/* Many more threads than CPUs and sections of a microsecond: there are always
 * some that spin, sleep and starve, and hand-overs in every tick. */
TEST(mutex.a_crowd_never_stalls)
{
    static const uint32_t timed_of_8[] = {0, 4, 8};

    TEST_TIMEOUT(300);
    for (int k = 0; k < KINDS; k++) {
        for (int t = 0; t < 3; t++) {
            struct crowded *c = test_shared_alloc(sizeof *c);
            struct crowd all;
            long entered = 0;

            CHECK_OK(pawl_mutex_init(&c->g.mutex, kinds[k]));
            c->rounds = test_iterations(3000);
            c->timed_of_8 = timed_of_8[t];
            atomic_init(&c->left, IN_CROWD);
            crowd_begins(&all, IN_CROWD, hurry_through, c);
            watch(c, &all);
            crowd_ends(&all);
            for (int i = 0; i < IN_CROWD; i++)
                entered += c->member[i].entered;
            CHECK_EQ(c->g.count, entered);
            CHECK_EQ(c->g.twin, entered);
            CHECK_OK(pawl_mutex_destroy(&c->g.mutex));
        }
    }
}

/* ---- ownerless locks as signals (L-01) ---------------------------------- */

struct relay {
    pawl_mutex gate[4]; /* locked; each is opened by the one before */
    int rounds;
    long ball; /* belongs to whoever has been let through */
};

static void pass_the_ball(void *scene, int me)
{
    struct relay *r = scene;

    for (int i = 0; i < r->rounds; i++) {
        CHECK_OK(pawl_mutex_lock(&r->gate[me]));
        CHECK_EQ(r->ball % 4, me);
        r->ball++;
        CHECK_OK(pawl_mutex_unlock(&r->gate[(me + 1) % 4]));
    }
}

/* The ball goes round in order, and is never held by two. */
TEST(mutex.ownerless_ones_pass_a_signal_round)
{
    for (int k = 2; k < KINDS; k++) {
        struct relay *r = test_shared_alloc(sizeof *r);

        r->rounds = test_iterations(10000);
        for (int i = 0; i < 4; i++) {
            CHECK_OK(pawl_mutex_init(&r->gate[i], kinds[k]));
            CHECK_OK(pawl_mutex_lock(&r->gate[i]));
        }
        CHECK_OK(pawl_mutex_unlock(&r->gate[0]));
        crowd(4, pass_the_ball, r);
        CHECK_EQ(r->ball, 4L * r->rounds);
    }
}

/* ---- several at once (L-10) --------------------------------------------- */

enum { ACCOUNTS = 6, MONEY = 1000 };

struct bank {
    struct {
        pawl_mutex mutex;
        long money;
    } accounts[ACCOUNTS];
    int rounds;
};

/* A random set of n accounts in random order. */
static void choose(struct bank *b, pawl_mutex *ms[ACCOUNTS],
                   int index[ACCOUNTS], uint64_t *random)
{
    for (int i = 0; i < ACCOUNTS; i++)
        index[i] = i;
    for (int i = 0; i < ACCOUNTS; i++) {
        int k = i + (int)test_rand_below(random, (uint32_t)(ACCOUNTS - i));
        int chosen = index[k];

        index[k] = index[i];
        index[i] = chosen;
        ms[i] = &b->accounts[chosen].mutex;
    }
}

static void transfer(void *scene, int me)
{
    struct bank *b = scene;
    uint64_t random = test_seed((uint64_t)me);

    for (int i = 0; i < b->rounds; i++) {
        pawl_mutex *ms[ACCOUNTS];
        int index[ACCOUNTS];
        size_t n = 1 + test_rand_below(&random, ACCOUNTS);
        int err;

        choose(b, ms, index, &random);
        switch (test_rand_below(&random, 4)) {
        case 0:
            err = pawl_mutex_try_lock_many(ms, n);
            CHECK(err == 0 || err == -EAGAIN);
            break;
        case 1:
            err = pawl_mutex_lock_many_until(
                ms, n, pawl_after_us(test_rand_below(&random, 50)));
            CHECK(err == 0 || err == -ETIMEDOUT);
            break;
        default:
            err = pawl_mutex_lock_many(ms, n);
            CHECK_OK(err);
            break;
        }
        if (err != 0)
            continue;
        for (size_t k = 1; k < n; k++) {
            b->accounts[index[k - 1]].money--;
            loiter(&random);
            b->accounts[index[k]].money++;
        }
        CHECK_OK(pawl_mutex_unlock_many(ms, n));
    }
}

/* No deadlock, and no money is lost. */
TEST(mutex.sets_of_them_taken_in_any_order_never_deadlock)
{
    for (int k = 0; k < KINDS; k++) {
        struct bank *b = test_shared_alloc(sizeof *b);
        long sum = 0;

        b->rounds = test_iterations(50000);
        for (int i = 0; i < ACCOUNTS; i++) {
            CHECK_OK(pawl_mutex_init(&b->accounts[i].mutex, kinds[k]));
            b->accounts[i].money = MONEY;
        }
        crowd(5, transfer, b);
        for (int i = 0; i < ACCOUNTS; i++) {
            sum += b->accounts[i].money;
            CHECK(!pawl_mutex_is_locked(&b->accounts[i].mutex));
        }
        CHECK_EQ(sum, ACCOUNTS * MONEY);
    }
}

/* ---- freed at once (L-05) ----------------------------------------------- */

struct counted {
    pawl_mutex mutex;
    int references; /* under the mutex */
};

struct freeing {
    _Atomic(struct counted *) object[2];
    atomic_int ready[2];
    int rounds;
    unsigned kind;
};

/* Two threads give up their reference to the same object; the last one frees
 * it, as soon as it has unlocked.  (The first is perhaps still inside unlock:
 * a sanitizer of memory sees it if that touches the object.) */
static void give_up_reference(struct counted *c)
{
    bool last;

    CHECK_OK(pawl_mutex_lock(&c->mutex));
    last = --c->references == 0;
    CHECK_OK(pawl_mutex_unlock(&c->mutex));
    if (!last)
        return;
    CHECK_OK(pawl_mutex_destroy(&c->mutex));
    c->mutex.word_.v_ = UINT64_C(0xdeadbeefdeadbeef);
    free(c);
}

static void free_objects(void *scene, int me)
{
    struct freeing *f = scene;

    for (int i = 0; i < f->rounds; i++) {
        struct counted *c;

        if (me == 0) {
            c = malloc(sizeof *c);
            CHECK(c != NULL);
            CHECK_OK(pawl_mutex_init(&c->mutex, f->kind));
            c->references = 2;
            atomic_store(&f->object[i % 2], c);
        } else {
            while ((c = atomic_load(&f->object[i % 2])) == NULL)
                sched_yield();
            atomic_store(&f->object[i % 2], NULL);
        }
        give_up_reference(c);
        while (me == 0 && atomic_load(&f->object[i % 2]) != NULL)
            sched_yield();
    }
}

TEST(mutex.may_be_freed_as_soon_as_it_is_unlocked)
{
    for (int k = 0; k < KINDS; k++) {
        struct freeing f = {.rounds = test_iterations(100000),
                            .kind = kinds[k]};

        crowd(2, free_objects, &f);
    }
}

/* who finds that destroy succeeds sees what was done under the lock. */
struct last_user {
    pawl_mutex mutex;
    atomic_bool held;
    long value; /* under the lock */
};

static void use_last(void *arg)
{
    struct last_user *u = arg;

    CHECK_OK(pawl_mutex_lock(&u->mutex));
    atomic_store_explicit(&u->held, true, memory_order_relaxed);
    u->value = 1;
    CHECK_OK(pawl_mutex_unlock(&u->mutex));
}

TEST(mutex.destroy_sees_what_the_last_user_did)
{
    for (int i = 0; i < test_iterations(2000); i++) {
        struct last_user *u = calloc(1, sizeof *u);
        struct test_thread *t;

        CHECK(u != NULL);
        t = test_thread(use_last, u);
        while (!atomic_load_explicit(&u->held, memory_order_relaxed) ||
               pawl_mutex_destroy(&u->mutex) == -EBUSY)
            sched_yield();
        CHECK_EQ(u->value, 1);
        free(u);
        test_join(t);
    }
}

/* ---- deaths (L-08) ------------------------------------------------------ */

struct mortals {
    struct guarded g;
    atomic_long died;
    atomic_long told;
    atomic_long entered;
    int rounds;
};

static void live_and_die(void *arg)
{
    struct mortals *m = arg;
    uint64_t random = test_seed((uint64_t)(uintptr_t)&random);

    for (;;) {
        int err = pawl_mutex_lock(&m->g.mutex);

        CHECK(err == 0 || err == -EOWNERDEAD);
        if (err == -EOWNERDEAD) {
            atomic_fetch_add_explicit(&m->told, 1, memory_order_relaxed);
            CHECK_OK(pawl_mutex_consistent(&m->g.mutex));
        }
        visit(&m->g, &random);
        atomic_fetch_add_explicit(&m->entered, 1, memory_order_relaxed);
        if (test_rand_below(&random, 8) == 0) {
            atomic_fetch_add_explicit(&m->died, 1, memory_order_relaxed);
            return; /* without unlocking */
        }
        CHECK_OK(pawl_mutex_unlock(&m->g.mutex));
    }
}

static void raise_mortals(void *scene, int me)
{
    struct mortals *m = scene;

    (void)me;
    for (int i = 0; i < m->rounds; i++)
        test_join(test_thread(live_and_die, m));
}

/* Every death is told exactly once, and nobody waits for the dead. */
TEST(mutex.every_death_of_a_holder_is_told_once)
{
    struct mortals *m = test_shared_alloc(sizeof *m);

    m->rounds = test_iterations(1000);
    crowd(4, raise_mortals, m);
    CHECK_ERR(pawl_mutex_try_lock(&m->g.mutex), -EOWNERDEAD);
    CHECK_EQ(atomic_load(&m->died), atomic_load(&m->told) + 1);
    CHECK_EQ(m->g.count, atomic_load(&m->entered));
}

/* Who inherits a lock may free it at once, though the one that died is perhaps
 * still looking for those who wait: a sanitizer of memory sees it if that
 * touches the object. */
struct inheritance {
    pawl_mutex mutex;
    atomic_bool held;
};

static void die_holding(void *arg)
{
    struct inheritance *h = arg;

    CHECK_OK(pawl_mutex_lock(&h->mutex));
    atomic_store(&h->held, true);
}

static void inherit_and_free(void *scene, int me)
{
    uint64_t random = test_seed((uint64_t)me);
    int rounds = *(int *)scene;

    for (int i = 0; i < rounds; i++) {
        struct inheritance *h = calloc(1, sizeof *h);
        struct test_thread *t;
        int err;

        CHECK(h != NULL);
        t = test_thread(die_holding, h);
        while (!atomic_load(&h->held))
            sched_yield();
        do
            err = pawl_mutex_lock_until(
                &h->mutex, pawl_after_us(test_rand_below(&random, 40)));
        while (err == -ETIMEDOUT);
        CHECK_ERR(err, -EOWNERDEAD);
        CHECK_OK(pawl_mutex_consistent(&h->mutex));
        CHECK_OK(pawl_mutex_unlock(&h->mutex));
        h->mutex.word_.v_ = UINT64_C(0xdeadbeefdeadbeef);
        free(h);
        test_join(t);
    }
}

TEST(mutex.may_be_freed_by_who_inherits_it)
{
    int rounds = test_iterations(4000);

    crowd(3, inherit_and_free, &rounds);
}

/* ---- forks (K-02) ------------------------------------------------------- */

enum { LOCKS = 3 };

struct forking {
    struct guarded owned[LOCKS];
    atomic_bool over;
};

static void keep_busy(void *scene, int me)
{
    struct forking *f = scene;
    uint64_t random = test_seed((uint64_t)me);

    while (!atomic_load_explicit(&f->over, memory_order_relaxed)) {
        struct guarded *g = &f->owned[test_rand_below(&random, LOCKS)];
        uint32_t how = test_rand_below(&random, 4);
        pawl_deadline until = how == 0 ? pawl_after_us(50) : PAWL_FOREVER;

        if (pawl_mutex_lock_until(&g->mutex, until) != 0)
            continue;
        visit(g, &random);
        if (how == 1)
            sched_yield();
        CHECK_OK(pawl_mutex_unlock(&g->mutex));
    }
}

/* Whoever held, spun, slept or starved: the child gets every lock. */
static void take_all(struct forking *f)
{
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < LOCKS; i++) {
            pawl_mutex *m = &f->owned[i].mutex;
            int err = pawl_mutex_lock_until(m, pawl_after_s(20));

            if (err == -EOWNERDEAD && round == 0)
                CHECK_OK(pawl_mutex_consistent(m));
            else
                CHECK_OK(err);
            CHECK(pawl_mutex_is_mine(m));
            CHECK_OK(pawl_mutex_unlock(m));
            CHECK_OK(pawl_mutex_try_lock(m));
            CHECK_OK(pawl_mutex_unlock(m));
            CHECK_OK(pawl_mutex_destroy(m));
        }
    }
}

TEST(mutex.the_child_of_a_fork_gets_every_lock)
{
    struct forking *f = calloc(1, sizeof *f);
    struct crowd c;

    CHECK(f != NULL);
    crowd_begins(&c, 4, keep_busy, f);
    for (int i = 0; i < test_iterations(2000); i++) {
        pid_t pid = fork();

        CHECK(pid >= 0);
        if (pid == 0) {
            take_all(f);
            _exit(0);
        }
        test_wait_child(pid);
    }
    atomic_store(&f->over, true);
    crowd_ends(&c);
    for (int i = 0; i < LOCKS; i++)
        CHECK_EQ(f->owned[i].count, f->owned[i].twin);
    free(f);
}

/* K-02: the fork comes while other threads use the library for the first time.
 * Whatever the child finds locked, it finds orphaned. */
struct first_use {
    pawl_mutex m[2];
    atomic_bool over;
};

static void use_first(void *scene, int me)
{
    struct first_use *u = scene;

    CHECK_OK(pawl_mutex_lock(&u->m[me]));
    while (!atomic_load_explicit(&u->over, memory_order_relaxed))
        sched_yield();
    CHECK_OK(pawl_mutex_unlock(&u->m[me]));
}

static void fork_at_first_use(void *arg)
{
    struct first_use u = {0};
    struct crowd c;
    pid_t pid;

    (void)arg;
    crowd_begins(&c, 2, use_first, &u);
    while (!pawl_mutex_is_locked(&u.m[0]) && !pawl_mutex_is_locked(&u.m[1]))
        ;
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        for (int i = 0; i < 2; i++) {
            if (pawl_mutex_is_locked(&u.m[i]))
                CHECK_ERR(pawl_mutex_try_lock(&u.m[i]), -EOWNERDEAD);
            else
                CHECK_OK(pawl_mutex_try_lock(&u.m[i]));
        }
        _exit(0);
    }
    test_wait_child(pid);
    atomic_store(&u.over, true);
    crowd_ends(&c);
}

TEST(mutex.the_child_of_a_fork_at_the_first_use_gets_every_lock)
{
    for (int i = 0; i < test_iterations(400); i++)
        test_wait_child(test_spawn_child(fork_at_first_use, NULL));
}
