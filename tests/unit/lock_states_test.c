/* SPDX-License-Identifier: MIT
 *
 * lock_states_test.c - every call on an owned lock in every state: the table of
 * the contract (16.1, "Owned lock"), for the mutex and the recursive one, local
 * and shared.  After a refusal the lock is, byte for byte, what it was.
 */
#include <string.h>

#include <pawl/cond.h>
#include <pawl/error.h>
#include <pawl/mutex.h>
#include <pawl/rmutex.h>

#include "futex/mutex_core.h"
#include "visitor.h"

struct lock {
    bool recursive;
    pawl_mutex m;
    pawl_rmutex r;
    pawl_cond cond;
};

static pawl_mutex *base_of(struct lock *l)
{
    return l->recursive ? &l->r.base : &l->m;
}

/* ---- the calls ---------------------------------------------------------- */

static int try_lock(void *lock)
{
    struct lock *l = lock;

    return l->recursive ? pawl_rmutex_try_lock(&l->r)
                        : pawl_mutex_try_lock(&l->m);
}

static int lock_until(struct lock *l, pawl_deadline until)
{
    return l->recursive ? pawl_rmutex_lock_until(&l->r, until)
                        : pawl_mutex_lock_until(&l->m, until);
}

static int lock_past(void *lock)
{
    return lock_until(lock, 0);
}

static int lock_soon(void *lock)
{
    return lock_until(lock, pawl_after_ms(2));
}

static int lock_forever(void *lock)
{
    struct lock *l = lock;

    return l->recursive ? pawl_rmutex_lock(&l->r) : pawl_mutex_lock(&l->m);
}

static int unlock(void *lock)
{
    struct lock *l = lock;

    return l->recursive ? pawl_rmutex_unlock(&l->r) : pawl_mutex_unlock(&l->m);
}

static int consistent(void *lock)
{
    struct lock *l = lock;

    return l->recursive ? pawl_rmutex_consistent(&l->r)
                        : pawl_mutex_consistent(&l->m);
}

static int cond_wait(void *lock)
{
    struct lock *l = lock;

    return pawl_cond_wait_until(&l->cond, base_of(l), 0);
}

static int cond_notify(void *lock)
{
    struct lock *l = lock;

    return pawl_cond_notify(&l->cond, base_of(l), 1);
}

/* ---- the states --------------------------------------------------------- */

enum state {
    UNLOCKED,
    MINE,   /* held by the caller */
    OTHERS, /* held by another thread */
    DIED,   /* its holder has ended */
    NOT_MENDED,
    REPAIRING, /* held by the caller after -EOWNERDEAD */
    STATES,
};

static const char *const state_names[STATES] = {
    "unlocked",    "held by me",      "held by another",
    "holder died", "not recoverable", "being repaired",
};

/* Memory of its own: the sanitizer knows locks by address, and some are left
 * held. */
static struct lock *make(bool recursive, unsigned flags)
{
    struct lock *l = test_shared_alloc(sizeof *l);

    l->recursive = recursive;
    CHECK_OK(pawl_mutex_init(&l->m, flags));
    CHECK_OK(pawl_rmutex_init(&l->r, flags));
    CHECK_OK(pawl_cond_init(&l->cond, flags));
    return l;
}

/* Bring a new lock into a state; *other is the thread that holds it. */
static void enter(struct lock *l, enum state state, struct visitor *other)
{
    switch (state) {
    case MINE:
        CHECK_OK(lock_forever(l));
        break;
    case OTHERS:
        visitor_start(other, lock_forever, unlock, l);
        CHECK_OK(visitor_enters(other));
        break;
    case DIED:
    case NOT_MENDED:
    case REPAIRING:
        CHECK_OK(visitor_dies_inside(lock_forever, l));
        if (state == DIED)
            break;
        CHECK_ERR(lock_forever(l), -EOWNERDEAD);
        if (state == NOT_MENDED)
            CHECK_OK(unlock(l));
        break;
    default:
        break;
    }
}

/* ---- the table ---------------------------------------------------------- */

enum { WAITS = 1 }; /* not called */

static const struct call {
    const char *name;
    int (*call)(void *lock);
    int mutex[STATES];
    int rmutex_mine; /* the only column where the recursive one differs */
} calls[] = {
    {"try",
     try_lock,
     {0, -EAGAIN, -EAGAIN, -EOWNERDEAD, -ENOTRECOVERABLE, -EAGAIN},
     0},
    {"until, past",
     lock_past,
     {0, -EDEADLK, -ETIMEDOUT, -EOWNERDEAD, -ENOTRECOVERABLE, -EDEADLK},
     0},
    {"until",
     lock_soon,
     {0, -EDEADLK, -ETIMEDOUT, -EOWNERDEAD, -ENOTRECOVERABLE, -EDEADLK},
     0},
    {"forever",
     lock_forever,
     {0, -EDEADLK, WAITS, -EOWNERDEAD, -ENOTRECOVERABLE, -EDEADLK},
     0},
    {"unlock", unlock, {-EPERM, 0, -EPERM, -EPERM, -EPERM, 0}, 0},
    {"consistent",
     consistent,
     {-EPERM, -EINVAL, -EPERM, -EPERM, -EPERM, 0},
     -EINVAL},
    {"condition wait",
     cond_wait,
     {-EPERM, -ETIMEDOUT, -EPERM, -EPERM, -EPERM, WAITS},
     -ETIMEDOUT},
    {"condition notify",
     cond_notify,
     {-EPERM, 0, -EPERM, -EPERM, -EPERM, WAITS},
     0},
};
enum { CALLS = sizeof calls / sizeof *calls };

static int wanted(const struct call *c, enum state state, bool recursive)
{
    if (recursive && state == MINE)
        return c->rmutex_mine;
    if (recursive && state == REPAIRING && c->rmutex_mine == 0)
        return 0;
    return c->mutex[state];
}

/* Whether two words differ by no more than what a waiter that gave up may leave
 * behind: that somebody may sleep, and in which process that was so. */
static bool is_like(pawl_mutex a, pawl_mutex b)
{
    return ((a.word_.v_ ^ b.word_.v_) & ~(PAWL_M_WAITERS | PAWL_M_FORK)) == 0;
}

static void check_cell(const struct call *c, enum state state, bool recursive,
                       unsigned flags)
{
    struct lock *l = make(recursive, flags);
    int want = wanted(c, state, recursive);
    struct lock before;
    struct visitor other;
    int got;

    if (want == WAITS)
        return;
    enter(l, state, &other);
    before = *l;
    got = c->call(l);
    if (got != want)
        test_fail(__FILE__, __LINE__, "%s of %s%s, %s: %s, not %s", c->name,
                  flags != 0 ? "shared " : "", recursive ? "rmutex" : "mutex",
                  state_names[state], pawl_errname(got), pawl_errname(want));
    if (got == -ETIMEDOUT && is_like(l->m, before.m) &&
        is_like(l->r.base, before.r.base)) {
        before.m = l->m;
        before.r.base = l->r.base;
    }
    if (got < 0 && got != -EOWNERDEAD && c->call != cond_wait &&
        memcmp(l, &before, sizeof *l) != 0)
        test_fail(__FILE__, __LINE__, "%s of %s%s, %s: refused, but changed",
                  c->name, flags != 0 ? "shared " : "",
                  recursive ? "rmutex" : "mutex", state_names[state]);
    if (state == OTHERS)
        CHECK_OK(visitor_leaves(&other));
}

static void check_table(bool recursive, unsigned flags)
{
    for (int c = 0; c < CALLS; c++) {
        for (int s = 0; s < STATES; s++) {
            /* The death of a sharer is not told yet. */
            if (flags == 0 || s < DIED)
                check_cell(&calls[c], (enum state)s, recursive, flags);
        }
    }
}

/* L-02, L-03, L-04, L-05, L-08 */
TEST(lock.every_call_on_a_mutex_in_every_state)
{
    check_table(false, PAWL_LOCAL);
}

TEST(lock.every_call_on_a_shared_mutex_in_every_state)
{
    check_table(false, PAWL_SHARED);
}

/* L-12, L-13, L-15 */
TEST(lock.every_call_on_an_rmutex_in_every_state)
{
    check_table(true, PAWL_LOCAL);
}

TEST(lock.every_call_on_a_shared_rmutex_in_every_state)
{
    check_table(true, PAWL_SHARED);
}

/* ---- what the queries say (L-06, L-14) ---------------------------------- */

static void check_queries(enum state state, bool recursive)
{
    /* Which nobody repaired has no holder. */
    const bool locked[STATES] = {false, true, true, true, false, true};
    struct lock *l = make(recursive, PAWL_LOCAL);
    bool mine = state == MINE || state == REPAIRING;
    struct visitor other;
    pawl_mutex *m = base_of(l);
    int owner;

    enter(l, state, &other);
    owner = pawl_mutex_owner(m);
    CHECK_EQ(pawl_mutex_is_locked(m), locked[state]);
    CHECK_EQ(pawl_mutex_is_mine(m), mine);
    CHECK_EQ(pawl_mutex_is_orphaned(m), state == REPAIRING);
    if (recursive)
        CHECK_EQ(pawl_rmutex_depth(&l->r), mine ? 1 : 0);
    if (state == OTHERS) {
        CHECK_EQ(owner, test_tid(other.thread));
        CHECK_OK(visitor_leaves(&other));
    } else if (mine) {
        CHECK(owner > 0);
    } else {
        CHECK_EQ(owner, 0);
    }
}

TEST(lock.queries_are_right_in_every_state)
{
    for (int s = 0; s < STATES; s++) {
        check_queries((enum state)s, false);
        check_queries((enum state)s, true);
    }
}

/* */
TEST(lock.destroy_is_refused_while_it_is_held)
{
    static const int want[STATES] = {0, -EBUSY, -EBUSY, -EBUSY, 0, -EBUSY};

    for (int recursive = 0; recursive < 2; recursive++) {
        for (int s = 0; s < STATES; s++) {
            struct lock *l = make(recursive, PAWL_LOCAL);
            struct lock before;
            struct visitor other;

            enter(l, (enum state)s, &other);
            before = *l;
            CHECK_ERR(recursive ? pawl_rmutex_destroy(&l->r)
                                : pawl_mutex_destroy(&l->m),
                      want[s]);
            CHECK_EQ(memcmp(l, &before, sizeof *l), 0);
            if (s == OTHERS)
                CHECK_OK(visitor_leaves(&other));
            if (s == MINE)
                CHECK_OK(unlock(l));
        }
    }
}
