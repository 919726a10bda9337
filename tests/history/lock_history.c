/* SPDX-License-Identifier: MIT
 *
 * lock_history.c - recorded histories of locks and semaphores: never more
 * holders than may be, no attempt is refused for nothing, and the count is right
 * at the end.
 */
#include <pawl/error.h>
#include <pawl/mutex.h>
#include <pawl/rmutex.h>
#include <pawl/rwlock.h>
#include <pawl/sem.h>

#include "crowd.h"
#include "history_queue.h"

enum { READERS = 1000 }; /* a writer takes so many permits */

enum { OPERATIONS = 100000, RANDOM_AMOUNT = 0 };

/* An object of any kind, and how its permits are taken and given. */
struct scene {
    pawl_mutex mutex;
    pawl_rmutex recursive;
    pawl_rwlock rwlock;
    pawl_sem sem;
    struct history *history;
    int permits;
    int most;
    int operations;
    const struct kind *kind;
    int inside; /* plain: counts those inside a lock of one permit */
};

/* `n` permits; for a lock, 1 to read or to hold and `permits` to write.
 * -EAGAIN or -ETIMEDOUT: not taken. */
struct kind {
    int (*acquire)(struct scene *s, int n, pawl_deadline until, bool attempt);
    int (*release)(struct scene *s, int n);
    int permits;
    int most;   /* bound of a semaphore */
    int amount; /* of each acquisition; RANDOM_AMOUNT: 1 or all */
};

static int held(int err)
{
    return err == -EOWNERDEAD ? 0 : err;
}

static int acquire_mutex(struct scene *s, int n, pawl_deadline until,
                         bool attempt)
{
    (void)n;
    return held(attempt ? pawl_mutex_try_lock(&s->mutex)
                        : pawl_mutex_lock_until(&s->mutex, until));
}

static int release_mutex(struct scene *s, int n)
{
    (void)n;
    return pawl_mutex_unlock(&s->mutex);
}

static int acquire_recursive(struct scene *s, int n, pawl_deadline until,
                             bool attempt)
{
    (void)n;
    return held(attempt ? pawl_rmutex_try_lock(&s->recursive)
                        : pawl_rmutex_lock_until(&s->recursive, until));
}

static int release_recursive(struct scene *s, int n)
{
    (void)n;
    return pawl_rmutex_unlock(&s->recursive);
}

static int acquire_rwlock(struct scene *s, int n, pawl_deadline until,
                          bool attempt)
{
    if (n == 1)
        return attempt ? pawl_rwlock_try_read_lock(&s->rwlock)
                       : pawl_rwlock_read_lock_until(&s->rwlock, until);
    return attempt ? pawl_rwlock_try_write_lock(&s->rwlock)
                   : pawl_rwlock_write_lock_until(&s->rwlock, until);
}

static int release_rwlock(struct scene *s, int n)
{
    return n == 1 ? pawl_rwlock_read_unlock(&s->rwlock)
                  : pawl_rwlock_write_unlock(&s->rwlock);
}

static int acquire_sem(struct scene *s, int n, pawl_deadline until,
                       bool attempt)
{
    return attempt ? pawl_sem_try_acquire_n(&s->sem, n)
                   : pawl_sem_acquire_n_until(&s->sem, n, until);
}

static int release_sem(struct scene *s, int n)
{
    return pawl_sem_release_n(&s->sem, n);
}

static void make(struct scene *s, const struct kind *k, unsigned flags,
                 unsigned mutex_flags)
{
    s->kind = k;
    s->permits = k->permits;
    s->most = k->most;
    CHECK_OK(pawl_mutex_init(&s->mutex, flags | mutex_flags));
    CHECK_OK(pawl_rmutex_init(&s->recursive, flags));
    CHECK_OK(pawl_rwlock_init(&s->rwlock, flags));
    if (k->most > 0)
        CHECK_OK(pawl_sem_init_bounded(&s->sem, k->permits, k->most, flags));
    else
        CHECK_OK(pawl_sem_init(&s->sem, k->permits, flags));
}

/* ---- members ---------------------------------------------------------------- */

static bool record_acquire(struct scene *s, struct member *me, int n)
{
    uint32_t way = test_rand_below(&me->random, 8);
    bool attempt = way < 4;
    /* With a bound, nobody need release. */
    pawl_deadline until =
        way < 7 && s->most == 0 ? PAWL_FOREVER : team_soon(me, 50);
    struct history_op *op =
        history_begins(s->history, me->index, HISTORY_ACQUIRE, 0);
    int err = s->kind->acquire(s, n, until, attempt);

    op->amount = n;
    history_ends(s->history, op,
                 err == 0  ? HISTORY_ACQUIRE
                 : attempt ? HISTORY_REFUSED
                           : HISTORY_GAVE_UP);
    CHECK(err == 0 || err == (attempt ? -EAGAIN : -ETIMEDOUT));
    return err == 0;
}

static int record_release(struct scene *s, struct member *me, int n)
{
    struct history_op *op =
        history_begins(s->history, me->index, HISTORY_RELEASE, 0);
    int err = s->kind->release(s, n);

    op->amount = n;
    history_ends(s->history, op, err == 0 ? HISTORY_RELEASE : HISTORY_OVERFLOW);
    CHECK(err == 0 || err == -EOVERFLOW);
    return err;
}

static void acquire_and_release(struct member *me)
{
    struct scene *s = me->rig;

    for (int i = 0; i < s->operations; i++) {
        int n = s->kind->amount;

        if (n == RANDOM_AMOUNT)
            n = test_rand_below(&me->random, 4) == 0 ? s->permits : 1;
        if (!record_acquire(s, me, n))
            continue;
        if (s->permits == 1) {
            CHECK_EQ(s->inside++, 0);
            loiter(&me->random);
            CHECK_EQ(--s->inside, 0);
        } else {
            loiter(&me->random);
        }
        CHECK_OK(record_release(s, me, n));
    }
}

/* One takes what another gives, and the bound refuses what is too much. */
static void acquire_or_release(struct member *me)
{
    struct scene *s = me->rig;

    for (int i = 0; i < 2 * s->operations; i++) {
        int n = 1 + (int)test_rand_below(&me->random, (uint32_t)s->most);

        if (test_rand_below(&me->random, 2) == 0)
            record_release(s, me, n);
        else
            record_acquire(s, me, n);
        loiter(&me->random);
    }
}

static size_t run(const struct kind *k, enum history_members members,
                  unsigned mutex_flags)
{
    static const int crowds[] = {2, 3, 8};
    void (*fn)(struct member *me) =
        k->most > 0 ? acquire_or_release : acquire_and_release;
    size_t operations = 0;

    for (int c = 0; c < 3; c++) {
        struct scene *s = test_shared_alloc(sizeof *s);
        int n = crowds[c];
        int left;

        make(s, k, members == HISTORY_PROCESSES ? PAWL_SHARED : PAWL_LOCAL,
             mutex_flags);
        s->operations = OPERATIONS / n;
        s->history = history_make(n, (size_t)s->operations * 2);
        if (members == HISTORY_THREADS)
            team_of_threads(n, fn, s);
        else
            team_of_processes(n, fn, s);
        operations += history_count(s->history);
        left = k->acquire == acquire_sem ? pawl_sem_value(&s->sem) : k->permits;
        CHECK(k->most > 0 || left == k->permits);
        history_check(history_permits(s->history, k->permits, left, k->most));
        history_free(s->history);
        munmap(s, sizeof *s);
    }
    return operations;
}

static void check(const struct kind *k, enum history_members members,
                  unsigned mutex_flags)
{
    int rounds = test_iterations(2);
    size_t operations = 0;

    TEST_TIMEOUT(120);
    for (int round = 0; round < rounds; round++)
        operations += run(k, members, mutex_flags);
    test_note("%zu operations", operations);
}

static const struct kind mutex = {acquire_mutex, release_mutex, 1, 0, 1};
static const struct kind recursive = {acquire_recursive, release_recursive, 1,
                                      0, 1};
static const struct kind rwlock = {acquire_rwlock, release_rwlock, READERS, 0,
                                   RANDOM_AMOUNT};
static const struct kind binary = {acquire_sem, release_sem, 1, 0, 1};
static const struct kind bounded = {acquire_sem, release_sem, 1, 3, 1};
static const struct kind several = {acquire_sem, release_sem, 3, 0,
                                    RANDOM_AMOUNT};

TEST(history.of_a_mutex_by_threads_excludes)
{
    check(&mutex, HISTORY_THREADS, 0);
}

TEST(history.of_a_mutex_by_processes_excludes)
{
    check(&mutex, HISTORY_PROCESSES, 0);
}

TEST(history.of_an_ownerless_mutex_by_threads_excludes)
{
    check(&mutex, HISTORY_THREADS, PAWL_OWNERLESS);
}

TEST(history.of_an_ownerless_mutex_by_processes_excludes)
{
    check(&mutex, HISTORY_PROCESSES, PAWL_OWNERLESS);
}

TEST(history.of_a_recursive_mutex_by_threads_excludes)
{
    check(&recursive, HISTORY_THREADS, 0);
}

TEST(history.of_a_recursive_mutex_by_processes_excludes)
{
    check(&recursive, HISTORY_PROCESSES, 0);
}

TEST(history.of_a_rwlock_by_threads_excludes_writers)
{
    check(&rwlock, HISTORY_THREADS, 0);
}

TEST(history.of_a_rwlock_by_processes_excludes_writers)
{
    check(&rwlock, HISTORY_PROCESSES, 0);
}

TEST(history.of_a_semaphore_by_threads_counts)
{
    check(&binary, HISTORY_THREADS, 0);
    check(&bounded, HISTORY_THREADS, 0);
    check(&several, HISTORY_THREADS, 0);
}

TEST(history.of_a_semaphore_by_processes_counts)
{
    check(&binary, HISTORY_PROCESSES, 0);
    check(&bounded, HISTORY_PROCESSES, 0);
    check(&several, HISTORY_PROCESSES, 0);
}

/* ---- a wrong one ------------------------------------------------------------- */

/* Looks, and takes a moment later: two may get in. */
static int acquire_by_looking(struct scene *s, int n, pawl_deadline until,
                              bool attempt)
{
    int free = pawl_sem_value(&s->sem);

    (void)until;
    (void)attempt;
    if (free < n)
        return attempt ? -EAGAIN : -ETIMEDOUT;
    sched_yield();
    return 0; /* without taking */
}

static int release_nothing(struct scene *s, int n)
{
    (void)s;
    (void)n;
    return 0;
}

static const struct kind broken = {acquire_by_looking, release_nothing, 2, 0,
                                   2};

TEST(history.of_a_lock_that_lets_two_in_is_rejected)
{
    struct scene *s = test_shared_alloc(sizeof *s);
    struct history_verdict v;

    make(s, &broken, PAWL_LOCAL, 0);
    s->operations = 20000;
    s->history = history_make(3, (size_t)s->operations * 2);
    team_of_threads(3, acquire_and_release, s);
    v = history_permits(s->history, 2, 2, 0);
    CHECK(v.faults[HISTORY_TOO_MANY] > 0);
}
