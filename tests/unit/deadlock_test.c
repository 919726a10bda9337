/* SPDX-License-Identifier: MIT
 *
 * Threads that wait for each other for ever (L-02, L-10, D-16): who is told, who
 * is not, and with which names.
 */
#include <sched.h>
#include <string.h>

#include <pawl/cond.h>
#include <pawl/deadlock.h>
#include <pawl/error.h>
#include <pawl/mutex.h>
#include <pawl/rmutex.h>
#include <pawl/rwlock.h>
#include <pawl/thread.h>

#include "atomic/ops.h"
#include "visitor.h"

/* The deadlocks here are made on purpose, and resolved. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "detect_deadlocks=0";
}

/* -- Locks of all kinds ------------------------------------------------------- */

enum how { MUTEX, RMUTEX, WRITE, READ };

struct lock {
    enum how how; /* WRITE and READ are of one object */
    union {
        pawl_mutex mutex;
        pawl_rmutex rmutex;
        pawl_rwlock rw;
    };
};

static int take(struct lock *l, enum how how, pawl_deadline until)
{
    switch (how) {
    case MUTEX:
        return pawl_mutex_lock_until(&l->mutex, until);
    case RMUTEX:
        return pawl_rmutex_lock_until(&l->rmutex, until);
    case WRITE:
        return pawl_rwlock_write_lock_until(&l->rw, until);
    default:
        return pawl_rwlock_read_lock_until(&l->rw, until);
    }
}

static int give(struct lock *l, enum how how)
{
    switch (how) {
    case MUTEX:
        return pawl_mutex_unlock(&l->mutex);
    case RMUTEX:
        return pawl_rmutex_unlock(&l->rmutex);
    case WRITE:
        return pawl_rwlock_write_unlock(&l->rw);
    default:
        return pawl_rwlock_read_unlock(&l->rw);
    }
}

/* Nobody holds it, and nobody has left a trace in it. */
static void check_is_free(struct lock *l)
{
    switch (l->how) {
    case MUTEX:
        CHECK_OK(pawl_mutex_destroy(&l->mutex));
        break;
    case RMUTEX:
        CHECK_OK(pawl_rmutex_destroy(&l->rmutex));
        break;
    default:
        CHECK_OK(pawl_rwlock_destroy(&l->rw));
        break;
    }
}

/* -- Threads that hold one and want another --------------------------------------- */

struct player {
    struct lock *holds;
    struct lock *wants;
    enum how want_how;
    pawl_deadline until;
    bool interruptible;
    int result; /* of the second lock */
    struct door ready;
    struct door go;
    struct door gone;
    struct door over;
    struct door leave;
    pawl_thread thread;
};

static int want(struct player *p)
{
    if (p->interruptible)
        return PAWL_INTERRUPTIBLE(take(p->wants, p->want_how, p->until));
    return take(p->wants, p->want_how, p->until);
}

static int play(void *arg)
{
    struct player *p = arg;

    CHECK_OK(take(p->holds, p->holds->how, PAWL_FOREVER));
    door_open(&p->ready);
    door_pass(&p->go);
    door_open(&p->gone);
    p->result = want(p);
    if (p->result == 0)
        CHECK_OK(give(p->wants, p->want_how));
    door_open(&p->over);
    door_pass(&p->leave); /* who is told still holds what it held */
    CHECK_OK(give(p->holds, p->holds->how));
    return 0;
}

/* Returns when it holds its lock. */
static void begin(struct player *p, struct lock *holds, struct lock *wants)
{
    *p = (struct player){.holds = holds,
                         .wants = wants,
                         .want_how = wants->how,
                         .until = PAWL_FOREVER,
                         .result = 1};
    door_make(&p->ready);
    door_make(&p->go);
    door_make(&p->gone);
    door_make(&p->over);
    door_make(&p->leave);
    CHECK_OK(PAWL_THREAD_INIT(&p->thread, play, p));
    CHECK_OK(pawl_thread_start(&p->thread));
    door_pass(&p->ready);
}

static void go(struct player *p)
{
    door_open(&p->go);
}

/* Returns when it sleeps for the lock that it wants, and will not get up before it
 * is woken: who gets up is not in the circle until it has announced itself anew,
 * and then it is the last one. */
static void go_to_sleep(struct player *p)
{
    pid_t tid = (pid_t)pawl_thread_native_id(&p->thread);

    go(p);
    door_pass(&p->gone); /* at a door it sleeps, too */
    if (p->interruptible)
        test_until_asleep(tid); /* it looks for a stop now and then */
    else
        test_until_asleep_for_good(tid);
}

/* What it got; it goes on to its end. */
static int ends(struct player *p)
{
    door_pass(&p->over);
    door_open(&p->leave);
    CHECK_OK(pawl_thread_join(&p->thread, NULL));
    return p->result;
}

/* n of them in a circle: the last one to wait is told, the others get what they
 * want, one after the other. */
static void go_round(const enum how *how, const enum how *want_how, size_t n)
{
    struct lock locks[8];
    struct player players[8];

    memset(locks, 0, sizeof locks);
    for (size_t i = 0; i < n; i++)
        locks[i].how = how[i];
    for (size_t i = 0; i < n; i++) {
        begin(&players[i], &locks[i], &locks[(i + 1) % n]);
        players[i].want_how = want_how[(i + 1) % n];
    }
    for (size_t i = 0; i + 1 < n; i++)
        go_to_sleep(&players[i]);
    go(&players[n - 1]);
    CHECK_ERR(ends(&players[n - 1]), -EDEADLK);
    for (size_t i = n - 1; i-- > 0;)
        CHECK_ERR(ends(&players[i]), 0);
    for (size_t i = 0; i < n; i++)
        check_is_free(&locks[i]);
}

TEST(deadlock.the_last_of_two_is_told)
{
    static const enum how how[] = {MUTEX, MUTEX};

    go_round(how, how, 2);
}

TEST(deadlock.the_last_of_eight_is_told)
{
    static const enum how how[] = {MUTEX, MUTEX, MUTEX, MUTEX,
                                   MUTEX, MUTEX, MUTEX, MUTEX};

    go_round(how, how, 8);
}

TEST(deadlock.locks_of_all_kinds_make_a_circle)
{
    static const enum how how[] = {RMUTEX, WRITE, MUTEX, WRITE};
    static const enum how want[] = {RMUTEX, READ, MUTEX, WRITE};

    for (size_t turn = 0; turn < 4; turn++) {
        enum how a[4];
        enum how b[4];

        for (size_t i = 0; i < 4; i++) {
            a[i] = how[(i + turn) % 4];
            b[i] = want[(i + turn) % 4];
        }
        go_round(a, b, 4);
    }
}

/* -- No deadlock, or not for ever ----------------------------------------------------- */

/* The first waits with a deadline: it is late, and nobody is told. */
TEST(deadlock.a_wait_with_a_deadline_is_none)
{
    struct lock a = {.how = MUTEX};
    struct lock b = {.how = MUTEX};
    struct player timed, patient;

    begin(&timed, &a, &b);
    begin(&patient, &b, &a);
    timed.until = pawl_after_ms(50);
    go(&timed);
    go(&patient);
    CHECK_ERR(ends(&timed), -ETIMEDOUT);
    CHECK_ERR(ends(&patient), 0);
    check_is_free(&a);
    check_is_free(&b);
}

/* Nor is the other way round, when the one with the deadline comes last. */
TEST(deadlock.nor_is_it_for_who_waits_with_a_deadline)
{
    struct lock a = {.how = MUTEX};
    struct lock b = {.how = WRITE};
    struct player timed, patient;

    begin(&timed, &a, &b);
    begin(&patient, &b, &a);
    go_to_sleep(&patient);
    timed.until = pawl_after_ms(20);
    go(&timed);
    CHECK_ERR(ends(&timed), -ETIMEDOUT);
    CHECK_ERR(ends(&patient), 0);
}

/* T-34: a stop would end it. */
TEST(deadlock.a_wait_that_a_stop_ends_is_none)
{
    struct lock a = {.how = MUTEX};
    struct lock b = {.how = MUTEX};
    struct player docile, patient;

    begin(&docile, &a, &b);
    begin(&patient, &b, &a);
    docile.interruptible = true;
    go_to_sleep(&docile);
    go_to_sleep(&patient);
    CHECK_OK(pawl_thread_request_stop(&docile.thread));
    CHECK_ERR(ends(&docile), -ECANCELED);
    CHECK_ERR(ends(&patient), 0);
}

/* A chain that ends with somebody who waits for nothing. */
TEST(deadlock.a_chain_is_none)
{
    struct lock locks[5];
    struct player players[4];

    memset(locks, 0, sizeof locks); /* mutexes */
    CHECK_OK(take(&locks[4], MUTEX, PAWL_FOREVER));
    for (size_t i = 0; i < 4; i++)
        begin(&players[i], &locks[i], &locks[i + 1]);
    for (size_t i = 0; i < 4; i++)
        go_to_sleep(&players[i]);
    for (size_t i = 0; i < 4; i++)
        CHECK_EQ(players[i].result, 1); /* it waits */
    CHECK_OK(give(&locks[4], MUTEX));
    for (size_t i = 4; i-- > 0;)
        CHECK_ERR(ends(&players[i]), 0);
    for (size_t i = 0; i < 5; i++)
        check_is_free(&locks[i]);
}

/* Who waits for a circle without being in it is not told; its members are. */
TEST(deadlock.who_waits_for_a_circle_is_not_in_it)
{
    struct lock a = {.how = MUTEX};
    struct lock b = {.how = MUTEX};
    struct lock c = {.how = MUTEX};
    struct player one, other, third;

    begin(&one, &a, &b);
    begin(&other, &b, &a);
    begin(&third, &c, &a);
    go_to_sleep(&one);
    go_to_sleep(&third);
    go(&other);
    CHECK_ERR(ends(&other), -EDEADLK);
    CHECK_ERR(ends(&one), 0);
    CHECK_ERR(ends(&third), 0);
}

/* A reader/writer lock that is held by readers names nobody: no answer, but no
 * wrong one either. */
TEST(deadlock.readers_are_nobody)
{
    struct lock a = {.how = READ};
    struct lock b = {.how = MUTEX};
    struct player reader, writer;

    begin(&reader, &a, &b);
    begin(&writer, &b, &a);
    writer.want_how = WRITE;
    writer.until = pawl_after_ms(50);
    go_to_sleep(&reader);
    go(&writer);
    CHECK_ERR(ends(&writer), -ETIMEDOUT);
    CHECK_ERR(ends(&reader), 0);
}

/* -- Several at once ---------------------------------------------------------------------- */

static pawl_mutex *both[2];

static int lock_both(void *unused)
{
    (void)unused;
    return pawl_mutex_lock_many(both, 2);
}

/* lock_many puts back what it has taken. */
TEST(deadlock.of_lock_many_takes_nothing)
{
    struct lock m[3];
    struct player other;
    struct visitor many;
    size_t low;

    memset(m, 0, sizeof m);
    low = &m[0] < &m[1] ? 0 : 1;
    both[0] = &m[0].mutex;
    both[1] = &m[1].mutex;
    /* It holds the one that is taken second, and wants the first. */
    begin(&other, &m[1 - low], &m[low]);
    visitor_start(&many, lock_both, NULL, NULL);
    test_until_asleep_for_good(test_tid(many.thread));
    go(&other);
    CHECK_ERR(ends(&other), -EDEADLK);
    CHECK_OK(visitor_enters(&many));
    visitor_leaves(&many);

    memset(m, 0, sizeof m);
    begin(&other, &m[1 - low], &m[low]);
    CHECK_OK(pawl_mutex_lock(&m[2].mutex));
    other.wants = &m[2];
    go_to_sleep(&other);
    /* It has the first, and would wait for who waits for the caller. */
    CHECK_ERR(pawl_mutex_lock_many(both, 2), -EDEADLK);
    CHECK(!pawl_mutex_is_locked(&m[low].mutex));
    CHECK_OK(pawl_mutex_unlock(&m[2].mutex));
    CHECK_ERR(ends(&other), 0);
}

/* -- A wait that cannot fail ------------------------------------------------------------------ */

static struct {
    pawl_mutex lock;
    pawl_mutex other;
    pawl_cond cond;
    struct door waits;
} scene;

/* Holds `other` while it waits for the condition, which is a mistake.  When it is
 * late it waits for the mutex. */
static int await_condition(void *unused)
{
    (void)unused;
    CHECK_OK(pawl_mutex_lock(&scene.other));
    CHECK_OK(pawl_mutex_lock(&scene.lock));
    door_open(&scene.waits);
    CHECK_ERR(pawl_cond_wait_until(&scene.cond, &scene.lock, pawl_after_ms(50)),
              -ETIMEDOUT);
    CHECK(pawl_mutex_is_mine(&scene.lock));
    CHECK_OK(pawl_mutex_unlock(&scene.lock));
    CHECK_OK(pawl_mutex_unlock(&scene.other));
    return 0;
}

/* C-04: a wait for a condition returns with its mutex, so it is the other one who
 * is told, also when the wait closes the circle. */
TEST(deadlock.who_waits_for_a_condition_is_not_told)
{
    for (int turn = 0; turn < 2; turn++) {
        pawl_thread waiter;

        memset(&scene, 0, sizeof scene);
        door_make(&scene.waits);
        CHECK_OK(PAWL_THREAD_INIT(&waiter, await_condition, NULL));
        CHECK_OK(pawl_thread_start(&waiter));
        door_pass(&scene.waits);
        CHECK_OK(pawl_mutex_lock(&scene.lock));
        /* Let it be late before, or, most likely, while we sleep. */
        if (turn == 1)
            while (pawl_cond_waiters(&scene.cond) > 0 &&
                   (pawl_load_low_relaxed(&scene.lock.word_) >> 31) == 0)
                sched_yield();
        CHECK_ERR(pawl_mutex_lock(&scene.other), -EDEADLK);
        CHECK_OK(pawl_mutex_unlock(&scene.lock));
        CHECK_OK(pawl_thread_join(&waiter, NULL));
        CHECK_OK(pawl_mutex_destroy(&scene.lock));
        CHECK_OK(pawl_mutex_destroy(&scene.other));
    }
}

/* -- What is reported -------------------------------------------------------------------------- */

static struct {
    int calls;
    size_t n;
    size_t all;
    pawl_deadlock_wait waits[PAWL_DEADLOCK_SHOWN];
} told;

static void tell(const pawl_deadlock_wait *waits, size_t n, size_t all)
{
    told.calls++;
    told.n = n;
    told.all = all;
    memcpy(told.waits, waits, n * sizeof *waits);
}

TEST(deadlock.both_names_are_reported)
{
    struct lock a = {.how = MUTEX};
    struct lock b = {.how = WRITE};
    struct player one, other;
    uint32_t tid[2];

    memset(&told, 0, sizeof told);
    CHECK_OK(pawl_lock_set_name(&a.mutex, "accounts"));
    CHECK_OK(pawl_lock_set_name(&b.rw, "journal"));
    CHECK(pawl_deadlock_set_hook(tell) == NULL);
    begin(&one, &a, &b);
    begin(&other, &b, &a);
    tid[0] = pawl_thread_native_id(&one.thread);
    tid[1] = pawl_thread_native_id(&other.thread);
    go_to_sleep(&one);
    go(&other);
    CHECK_ERR(ends(&other), -EDEADLK);
    CHECK_ERR(ends(&one), 0);
    CHECK_EQ(told.calls, 1);
    CHECK_EQ(told.n, 2);
    CHECK_EQ(told.all, 2);
    CHECK(strcmp(told.waits[0].name, "accounts") == 0);
    CHECK(strcmp(told.waits[1].name, "journal") == 0);
    CHECK(told.waits[0].lock == &a.mutex && told.waits[1].lock == &b.rw);
    CHECK_EQ(told.waits[0].waiter, tid[1]);
    CHECK_EQ(told.waits[0].holder, tid[0]);
    CHECK_EQ(told.waits[1].waiter, tid[0]);
    CHECK_EQ(told.waits[1].holder, tid[1]);
    CHECK(pawl_deadlock_set_hook(NULL) == tell);
}

/* A long circle is shown in part. */
TEST(deadlock.a_long_circle_is_cut)
{
    enum { N = PAWL_DEADLOCK_SHOWN + 2 };
    static struct lock locks[N];
    static struct player players[N];

    memset(&told, 0, sizeof told);
    pawl_deadlock_set_hook(tell);
    for (size_t i = 0; i < N; i++)
        begin(&players[i], &locks[i], &locks[(i + 1) % N]);
    for (size_t i = 0; i + 1 < N; i++)
        go_to_sleep(&players[i]);
    go(&players[N - 1]);
    CHECK_ERR(ends(&players[N - 1]), -EDEADLK);
    for (size_t i = N - 1; i-- > 0;)
        CHECK_ERR(ends(&players[i]), 0);
    CHECK_EQ(told.n, PAWL_DEADLOCK_SHOWN);
    CHECK_EQ(told.all, N);
    for (size_t i = 0; i < told.n; i++) {
        CHECK(told.waits[i].lock == &locks[i].mutex);
        CHECK(i == 0 || told.waits[i].waiter == told.waits[i - 1].holder);
    }
}

/* -- Names ----------------------------------------------------------------------------------------- */

TEST(lock_name.is_kept_until_the_lock_ends)
{
    char name[PAWL_LOCK_NAME_SIZE];
    pawl_mutex m = PAWL_MUTEX_INIT;
    pawl_rwlock rw = PAWL_RWLOCK_INIT;

    CHECK(pawl_lock_name(&m, name) == name && name[0] == '\0');
    CHECK_OK(pawl_lock_set_name(&m, "m"));
    CHECK_OK(pawl_lock_set_name(&rw, "rw"));
    CHECK(strcmp(pawl_lock_name(&m, name), "m") == 0);
    CHECK_OK(pawl_lock_set_name(&m, "another"));
    CHECK(strcmp(pawl_lock_name(&m, name), "another") == 0);
    CHECK(strcmp(pawl_lock_name(&rw, name), "rw") == 0);
    CHECK_OK(pawl_mutex_destroy(&m));
    CHECK(pawl_lock_name(&m, name)[0] == '\0');
    CHECK_OK(pawl_rwlock_init(&rw, 0));
    CHECK(pawl_lock_name(&rw, name)[0] == '\0');
    CHECK_OK(pawl_lock_set_name(&m, "m"));
    CHECK_OK(pawl_lock_set_name(&m, NULL));
    CHECK(pawl_lock_name(&m, name)[0] == '\0');
}

TEST(lock_name.that_is_too_long_is_cut)
{
    static const char longer[] = "0123456789012345678901234567890123456789";
    char name[PAWL_LOCK_NAME_SIZE];
    pawl_mutex m = PAWL_MUTEX_INIT;

    CHECK_OK(pawl_lock_set_name(&m, longer));
    CHECK_EQ(strlen(pawl_lock_name(&m, name)), PAWL_LOCK_NAME_SIZE - 1);
    CHECK(strncmp(name, longer, PAWL_LOCK_NAME_SIZE - 1) == 0);
    CHECK_OK(pawl_mutex_destroy(&m));
}

TEST(lock_name.there_is_a_number_of_them)
{
    static pawl_mutex m[PAWL_LOCK_NAMES_MAX + 1];
    char name[PAWL_LOCK_NAME_SIZE];

    for (int turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < PAWL_LOCK_NAMES_MAX; i++)
            CHECK_OK(pawl_lock_set_name(&m[i], "x"));
        CHECK_ERR(pawl_lock_set_name(&m[PAWL_LOCK_NAMES_MAX], "y"), -ENOMEM);
        CHECK_OK(pawl_lock_set_name(&m[7], "z"));
        for (size_t i = 0; i < PAWL_LOCK_NAMES_MAX; i++) {
            CHECK(strcmp(pawl_lock_name(&m[i], name), i == 7 ? "z" : "x") == 0);
            CHECK_OK(pawl_mutex_destroy(&m[i]));
        }
    }
}
