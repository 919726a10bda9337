/* SPDX-License-Identifier: MIT
 *
 * cond_test.c - the condition, call by call.
 */
#include <limits.h>
#include <stdatomic.h>
#include <string.h>

#include <pawl/cond.h>
#include <pawl/error.h>
#include <pawl/rmutex.h>

#include "puppet.h"
#include "test.h"

static const pawl_deadline past[] = {0, -1, INT64_MIN, 1};

struct rig {
    pawl_mutex m;
    pawl_cond c;
    pawl_cond other;
    _Atomic int entered; /* calls of wait_until that have the mutex, or had */
    int data;
};

#define RIG(flags)                                                             \
    {                                                                          \
        .m = PAWL_MUTEX_INIT_FLAGS(flags), .c = PAWL_COND_INIT_FLAGS(flags),   \
        .other = PAWL_COND_INIT_FLAGS(flags)                                   \
    }

/* Give the mutex back after a wait, which must hold it as documented. */
static int after_wait(struct rig *r, int err)
{
    if (err == -ENOTRECOVERABLE) {
        CHECK(!pawl_mutex_is_mine(&r->m));
        return err;
    }
    CHECK(pawl_mutex_is_mine(&r->m));
    if (err == -EOWNERDEAD)
        CHECK_OK(pawl_mutex_consistent(&r->m));
    CHECK_OK(pawl_mutex_unlock(&r->m));
    return err;
}

static int wait_until(void *rig, pawl_deadline until)
{
    struct rig *r = rig;

    CHECK_OK(pawl_mutex_lock(&r->m));
    atomic_fetch_add(&r->entered, 1);
    return after_wait(r, pawl_cond_wait_until(&r->c, &r->m, until));
}

static int wait_on_other(void *rig, pawl_deadline until)
{
    struct rig *r = rig;

    CHECK_OK(pawl_mutex_lock(&r->m));
    return after_wait(r, pawl_cond_wait_until(&r->other, &r->m, until));
}

static void notify(struct rig *r, int n)
{
    CHECK_OK(pawl_mutex_lock(&r->m));
    CHECK_OK(pawl_cond_notify(&r->c, &r->m, n));
    CHECK_OK(pawl_mutex_unlock(&r->m));
}

/* Begin a wait of p, after those that have begun. */
static void line_up(struct rig *r, struct puppet *p, pawl_deadline until)
{
    int before = atomic_load(&r->entered);

    puppet_do(p, wait_until, r, until);
    while (atomic_load(&r->entered) == before)
        sched_yield();
    /* It gives up the mutex when it is in the line. */
    CHECK_OK(pawl_mutex_lock(&r->m));
    CHECK_OK(pawl_mutex_unlock(&r->m));
    if (until == PAWL_FOREVER)
        puppet_until_asleep(p);
}

static void check_is_fresh(pawl_cond *c, unsigned flags)
{
    pawl_mutex m = PAWL_MUTEX_INIT_FLAGS(flags);

    CHECK_EQ(pawl_cond_waiters(c), 0);
    CHECK_OK(pawl_mutex_lock(&m));
    CHECK_OK(pawl_cond_notify(c, &m, 1));
    CHECK_ERR(pawl_cond_try_wait(c, &m), -EAGAIN);
    CHECK(pawl_mutex_is_mine(&m));
    CHECK_OK(pawl_mutex_unlock(&m));
    CHECK_OK(pawl_cond_destroy(c));
}

/* C-01: init, both initialisers, zero bytes. */
TEST(cond.begins_without_waiters)
{
    pawl_cond local = PAWL_COND_INIT;
    pawl_cond shared = PAWL_COND_INIT_FLAGS(PAWL_SHARED);
    pawl_cond c;

    check_is_fresh(&local, PAWL_LOCAL);
    check_is_fresh(&shared, PAWL_SHARED);
    memset(&c, 0, sizeof c);
    check_is_fresh(&c, PAWL_LOCAL);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        memset(&c, 0xff, sizeof c);
        CHECK_OK(pawl_cond_init(&c, flags));
        check_is_fresh(&c, flags);
    }
}

/* a refused init leaves the memory alone. */
TEST(cond.init_refuses_unknown_flags)
{
    pawl_cond c = PAWL_COND_INIT_FLAGS(PAWL_SHARED);
    pawl_cond before;

    memcpy(&before, &c, sizeof c);
    CHECK_ERR(pawl_cond_init(&c, PAWL_OWNERLESS), -EINVAL);
    CHECK_ERR(pawl_cond_init(&c, 4), -EINVAL);
    CHECK_ERR(pawl_cond_init(&c, UINT_MAX), -EINVAL);
    CHECK_EQ(memcmp(&before, &c, sizeof c), 0);
}

static int always(void *arg)
{
    ++*(int *)arg;
    return 1;
}

static void check_all_refuse(pawl_cond *c, pawl_mutex *m, int err)
{
    pawl_cond before;
    int calls = 0;

    memcpy(&before, c, sizeof *c);
    CHECK_ERR(pawl_cond_wait(c, m), err);
    CHECK_ERR(pawl_cond_wait_until(c, m, 0), err);
    CHECK_ERR(pawl_cond_wait_until(c, m, pawl_after_s(1000)), err);
    CHECK_ERR(pawl_cond_try_wait(c, m), err);
    CHECK_ERR(pawl_cond_wait_for(c, m, always, &calls, PAWL_FOREVER), err);
    CHECK_EQ(calls, 0); /* not without the mutex */
    CHECK_ERR(pawl_cond_notify(c, m, 1), err);
    CHECK_ERR(pawl_cond_notify(c, m, 0), err);
    CHECK_ERR(pawl_cond_notify_all(c, m), err);
    CHECK_EQ(memcmp(&before, c, sizeof *c), 0);
}

static int lock(void *m, pawl_deadline until)
{
    return pawl_mutex_lock_until(m, until);
}

static int unlock(void *m, pawl_deadline until)
{
    (void)until;
    return pawl_mutex_unlock(m);
}

/* C-03, C-07: the caller must hold the mutex, not just anybody. */
TEST(cond.mutex_must_be_held_by_the_caller)
{
    struct puppet p;

    puppet_begin(&p);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        struct rig r = RIG(flags);

        check_all_refuse(&r.c, &r.m, -EPERM);
        CHECK_OK(puppet_call(&p, lock, &r.m));
        check_all_refuse(&r.c, &r.m, -EPERM);
        CHECK_OK(puppet_call(&p, unlock, &r.m));
        CHECK(!pawl_mutex_is_locked(&r.m));
    }
    puppet_end(&p);
}

/* C-01: no ownerless mutex; the sharing of both is the same; one mutex for
 * life.  A refused call does not tie. */
TEST(cond.mutex_must_be_the_right_one)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        struct rig r = RIG(flags);
        pawl_mutex ownerless = PAWL_MUTEX_INIT_FLAGS(flags | PAWL_OWNERLESS);
        pawl_mutex unlike = PAWL_MUTEX_INIT_FLAGS(flags ^ PAWL_SHARED);
        pawl_mutex second = PAWL_MUTEX_INIT_FLAGS(flags);

        CHECK_OK(pawl_mutex_lock(&ownerless));
        CHECK_OK(pawl_mutex_lock(&unlike));
        check_all_refuse(&r.c, &ownerless, -EINVAL);
        check_all_refuse(&r.c, &unlike, -EINVAL);
        CHECK_OK(pawl_mutex_lock(&r.m));
        CHECK_OK(pawl_cond_notify(&r.c, &r.m, 0)); /* ties */
        CHECK_OK(pawl_mutex_lock(&second));
        check_all_refuse(&r.c, &second, -EINVAL);
        CHECK_ERR(pawl_cond_notify(&r.c, &r.m, -1), -EINVAL);
        CHECK_ERR(pawl_cond_notify(&r.c, &r.m, INT_MIN), -EINVAL);
        CHECK(pawl_mutex_is_mine(&r.m));
        CHECK_OK(pawl_mutex_unlock(&second));
        CHECK_OK(pawl_mutex_unlock(&unlike));
        CHECK_OK(pawl_mutex_unlock(&ownerless));
        CHECK_ERR(pawl_cond_try_wait(&r.c, &r.m), -EAGAIN);
        CHECK_OK(pawl_mutex_unlock(&r.m));
        CHECK_OK(pawl_mutex_destroy(&unlike));
        CHECK_OK(pawl_mutex_destroy(&second));
        CHECK_OK(pawl_mutex_destroy(&r.m));
    }
}

/* the bound on waiters.  So many threads are too dear: the count is
 * written where it stands. */
TEST(cond.too_many_waiters_are_refused)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        struct rig r = RIG(flags);

        CHECK_OK(pawl_mutex_lock(&r.m));
        CHECK_ERR(pawl_cond_try_wait(&r.c, &r.m), -EAGAIN);
        r.c.count_.v_ = PAWL_COND_WAITERS_MAX; /* see cond.c */
        CHECK_EQ(pawl_cond_waiters(&r.c), PAWL_COND_WAITERS_MAX);
        CHECK_ERR(pawl_cond_wait(&r.c, &r.m), -EOVERFLOW);
        CHECK_ERR(pawl_cond_try_wait(&r.c, &r.m), -EOVERFLOW);
        CHECK_ERR(pawl_cond_wait_until(&r.c, &r.m, 0), -EOVERFLOW);
        CHECK(pawl_mutex_is_mine(&r.m));
        CHECK_EQ(pawl_cond_waiters(&r.c), PAWL_COND_WAITERS_MAX);
        r.c.count_.v_ = 0;
        CHECK_ERR(pawl_cond_try_wait(&r.c, &r.m), -EAGAIN);
        CHECK_OK(pawl_mutex_unlock(&r.m));
    }
}

/* C-04, R-04, R-05: deadlines. */
TEST(cond.wait_lasts_until_the_deadline)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        struct rig r = RIG(flags);
        pawl_deadline until;

        for (int i = 0; i < 4; i++)
            CHECK_ERR(wait_until(&r, past[i]), -ETIMEDOUT);
        for (int i = 0; i < 3; i++) {
            until = pawl_after_ms(3);
            CHECK_ERR(wait_until(&r, until), -ETIMEDOUT);
            CHECK(pawl_now() >= until);
        }
        CHECK_EQ(pawl_cond_waiters(&r.c), 0);
        CHECK_OK(pawl_cond_destroy(&r.c));
    }
}

static int lock_and_unlock(void *m, pawl_deadline until)
{
    CHECK_OK(pawl_mutex_lock_until(m, until));
    return pawl_mutex_unlock(m);
}

/* C-04: also with a deadline that has passed the mutex is really released. */
TEST(cond.past_deadline_lets_others_in)
{
    struct puppet p;

    puppet_begin(&p);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        struct rig r = RIG(flags);

        CHECK_OK(pawl_mutex_lock(&r.m));
        puppet_do(&p, lock_and_unlock, &r.m, PAWL_FOREVER);
        puppet_until_asleep(&p);
        while (!puppet_has_result(&p))
            CHECK_ERR(pawl_cond_try_wait(&r.c, &r.m), -EAGAIN);
        CHECK_OK(puppet_result(&p));
        CHECK_OK(pawl_mutex_unlock(&r.m));
    }
    puppet_end(&p);
}

/* C-07: a notify that finds nobody is forgotten. */
TEST(cond.notify_is_not_remembered)
{
    struct puppet p;

    puppet_begin(&p);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        struct rig r = RIG(flags);

        notify(&r, 5);
        CHECK_ERR(wait_until(&r, pawl_after_ms(1)), -ETIMEDOUT);
        line_up(&r, &p, PAWL_FOREVER);
        notify(&r, 0);
        puppet_until_asleep(&p);
        CHECK_EQ(pawl_cond_waiters(&r.c), 1);
        notify(&r, 7); /* six too many */
        CHECK_OK(puppet_result(&p));
        CHECK_ERR(wait_until(&r, 0), -ETIMEDOUT);
    }
    puppet_end(&p);
}

/* ---- whom a notify releases ---------------------------------------------- */

enum { CROWD = 7 };

/* C-07, C-08, C-09: notify(n) releases the n that wait longest. */
TEST(cond.notify_releases_the_longest_waiting)
{
    static const int amounts[] = {1, 2, 0, 1, 3};
    struct rig r = RIG(PAWL_LOCAL);
    struct puppet p[CROWD];
    int first = 0;

    puppets_begin(p, CROWD);
    for (int i = 0; i < CROWD; i++)
        line_up(&r, &p[i], i % 2 == 0 ? PAWL_FOREVER : pawl_after_s(1000));
    for (int k = 0; k < 5; k++) {
        CHECK_EQ(pawl_cond_waiters(&r.c), CROWD - first);
        notify(&r, amounts[k]);
        for (int i = 0; i < amounts[k]; i++)
            CHECK_OK(puppet_result(&p[first + i]));
        first += amounts[k];
        for (int i = first; i < CROWD; i++)
            puppet_until_asleep(&p[i]);
    }
    CHECK_EQ(first, CROWD);
    puppets_end(p, CROWD);
}

/* C-08: all that wait, each once, in both modes. */
TEST(cond.notify_all_releases_all)
{
    struct puppet p[CROWD];

    puppets_begin(p, CROWD);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        struct rig r = RIG(flags);

        for (int round = 0; round < 5; round++) {
            for (int i = 0; i < CROWD; i++)
                line_up(&r, &p[i], PAWL_FOREVER);
            CHECK_EQ(pawl_cond_waiters(&r.c), CROWD);
            CHECK_OK(pawl_mutex_lock(&r.m));
            CHECK_OK(pawl_cond_notify_all(&r.c, &r.m));
            CHECK_EQ(pawl_cond_waiters(&r.c), 0);
            CHECK_ERR(pawl_cond_destroy(&r.c), -EBUSY);
            CHECK_OK(pawl_mutex_unlock(&r.m));
            for (int i = 0; i < CROWD; i++)
                CHECK_OK(puppet_result(&p[i]));
            CHECK_OK(pawl_cond_destroy(&r.c));
        }
    }
    puppets_end(p, CROWD);
}

/* Which of the crowd leave by their deadlines, one bit each. */
static const unsigned leavers[] = {0x02, 0x06, 0x0c, 0x12, 0x1e, 0x2a, 0x2c,
                                   0x34, 0x3e, 0x01, 0x40, 0x55, 0x7e, 0x3f};

/* Line the crowd up, and have some leave.  Returns false if one left before the
 * last was there, so that its place was not the one that was meant. */
static bool form_line(struct rig *r, struct puppet *p, unsigned leaving,
                      int64_t patience_ms)
{
    bool in_time;

    for (int i = 0; i < CROWD; i++) {
        bool leaves = (leaving >> i & 1) != 0;

        /* The later ones leave sooner if the set is odd. */
        line_up(r, &p[i],
                !leaves
                    ? PAWL_FOREVER
                    : pawl_after_ms(patience_ms +
                                    2 * (leaving % 2 == 0 ? i : CROWD - i)));
    }
    in_time = pawl_cond_waiters(&r->c) == CROWD;
    for (int i = 0; i < CROWD; i++) {
        if ((leaving >> i & 1) != 0)
            CHECK_ERR(puppet_result(&p[i]), -ETIMEDOUT);
        else
            puppet_until_asleep(&p[i]);
    }
    return in_time;
}

/* C-07: the order is exact in local mode also for those behind a waiter that
 * left the middle of the line, and behind several. */
TEST(cond.order_is_kept_behind_those_who_leave)
{
    struct puppet p[CROWD];

    puppets_begin(p, CROWD);
    for (size_t k = 0; k < sizeof leavers / sizeof *leavers; k++) {
        struct rig r = RIG(PAWL_LOCAL);
        int64_t patience_ms = 5;

        while (!form_line(&r, p, leavers[k], patience_ms)) {
            patience_ms *= 2;
            notify(&r, INT_MAX);
            for (int i = 0; i < CROWD; i++) {
                if ((leavers[k] >> i & 1) == 0)
                    CHECK_OK(puppet_result(&p[i]));
            }
        }
        for (int i = 0; i < CROWD; i++) {
            if ((leavers[k] >> i & 1) != 0)
                continue;
            notify(&r, 1);
            CHECK_OK(puppet_result(&p[i]));
            for (int later = i + 1; later < CROWD; later++) {
                if ((leavers[k] >> later & 1) == 0)
                    puppet_until_asleep(&p[later]);
            }
        }
        CHECK_EQ(pawl_cond_waiters(&r.c), 0);
        CHECK_OK(pawl_cond_destroy(&r.c));
    }
    puppets_end(p, CROWD);
}

/* C-05: between processes the order is best effort, the number is exact: after
 * some have left, each notify releases one. */
TEST(cond.number_is_exact_behind_those_who_leave)
{
    struct puppet p[CROWD];

    puppets_begin(p, CROWD);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        for (size_t k = 0; k < sizeof leavers / sizeof *leavers; k++) {
            struct rig r = RIG(flags);
            unsigned left = ~leavers[k] & ((1u << CROWD) - 1);

            form_line(&r, p, leavers[k], 5);
            while (left != 0) {
                int who;

                notify(&r, 1);
                who = puppets_first(p, CROWD);
                CHECK_OK(puppet_result(&p[who]));
                CHECK((left >> who & 1) != 0);
                left &= ~(1u << who);
                for (int i = 0; i < CROWD; i++) {
                    if ((left >> i & 1) != 0)
                        puppet_until_asleep(&p[i]);
                }
            }
            CHECK_OK(pawl_cond_destroy(&r.c));
        }
    }
    puppets_end(p, CROWD);
}

/* C-05: between processes a notify may call more waiters than it has permits
 * for, when some have left.  Who is called in vain sleeps again, and is
 * released by a later notify. */
TEST(cond.called_in_vain_is_not_released)
{
    struct rig r = RIG(PAWL_SHARED);
    struct puppet p[CROWD];
    unsigned left = (1u << CROWD) - 1;

    allow_interruptions();
    puppets_begin(p, CROWD);
    form_line(&r, p, 1u << 3, 5); /* one leaves the middle */
    left &= ~(1u << 3);
    while (left != 0) {
        int who;

        notify(&r, 1);
        who = puppets_first(p, CROWD);
        CHECK_OK(puppet_result(&p[who]));
        left &= ~(1u << who);
        for (int i = 0; i < CROWD; i++) {
            if ((left >> i & 1) == 0)
                continue;
            puppet_until_asleep(&p[i]);
            interrupt(test_tid(p[i].thread)); /* it looks whether it is */
            puppet_until_asleep(&p[i]);
        }
    }
    CHECK_OK(pawl_cond_destroy(&r.c));
    puppets_end(p, CROWD);
}

/* C-07: who comes after the notify is not released by it, not even the notifier
 * itself, which waits before the one that it chose has run. */
TEST(cond.notify_does_not_reach_who_comes_later)
{
    struct puppet p;

    puppet_begin(&p);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        struct rig r = RIG(flags);

        for (int round = 0; round < 20; round++) {
            line_up(&r, &p, PAWL_FOREVER);
            CHECK_OK(pawl_mutex_lock(&r.m));
            CHECK_OK(pawl_cond_notify(&r.c, &r.m, 1));
            if (round % 2 == 0)
                CHECK_ERR(pawl_cond_try_wait(&r.c, &r.m), -EAGAIN);
            else
                CHECK_ERR(pawl_cond_wait_until(&r.c, &r.m, pawl_after_us(200)),
                          -ETIMEDOUT);
            CHECK_OK(pawl_mutex_unlock(&r.m));
            CHECK_OK(puppet_result(&p));
        }
    }
    puppet_end(&p);
}

/* Whether somebody sleeps on the mutex: WAITERS of pawl/mutex.h. */
static bool has_sleepers(pawl_mutex *m)
{
    return (__atomic_load_n(&m->word_.v_, __ATOMIC_RELAXED) >> 31 & 1) != 0;
}

/* C-05: a waiter whose deadline has passed, but which has not got the mutex
 * back, may still be chosen, and then returns 0; the one behind it waits on. */
TEST(cond.late_waiter_that_is_chosen_returns_0)
{
    struct puppet p[2];

    puppets_begin(p, 2);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        struct rig r = RIG(flags);

        line_up(&r, &p[0], pawl_after_ms(20));
        line_up(&r, &p[1], PAWL_FOREVER);
        CHECK_OK(pawl_mutex_lock(&r.m));
        if (pawl_cond_waiters(&r.c) == 2) { /* if this thread was in time */
            while (!has_sleepers(&r.m))
                sched_yield();
            puppet_until_asleep(&p[0]);
            CHECK_OK(pawl_cond_notify(&r.c, &r.m, 1));
            CHECK_EQ(pawl_cond_waiters(&r.c), 1);
            CHECK_OK(pawl_mutex_unlock(&r.m));
            CHECK_OK(puppet_result(&p[0]));
            puppet_until_asleep(&p[1]);
        } else {
            CHECK_OK(pawl_mutex_unlock(&r.m));
            CHECK_ERR(puppet_result(&p[0]), -ETIMEDOUT);
        }
        notify(&r, 1);
        CHECK_OK(puppet_result(&p[1]));
    }
    puppets_end(p, 2);
}

/* C-01, C-02: a notify on one condition releases nobody of the other; the mutex is
 * used by its own functions. */
TEST(cond.conditions_on_one_mutex_are_apart)
{
    struct puppet p[2];

    puppets_begin(p, 2);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        struct rig r = RIG(flags);

        line_up(&r, &p[0], PAWL_FOREVER);
        puppet_do(&p[1], wait_on_other, &r, PAWL_FOREVER);
        puppet_until_asleep(&p[1]);
        notify(&r, INT_MAX);
        CHECK_OK(puppet_result(&p[0]));
        puppet_until_asleep(&p[1]);
        line_up(&r, &p[0], PAWL_FOREVER);
        /* Both in one go, and the first one twice. */
        CHECK_OK(pawl_mutex_lock(&r.m));
        CHECK_OK(pawl_cond_notify(&r.c, &r.m, 1));
        CHECK_OK(pawl_cond_notify(&r.other, &r.m, 1));
        CHECK_OK(pawl_cond_notify(&r.c, &r.m, 1));
        CHECK_OK(pawl_mutex_unlock(&r.m));
        CHECK_OK(puppet_result(&p[0]));
        CHECK_OK(puppet_result(&p[1]));
    }
    puppets_end(p, 2);
}

/* Two mutexes held at once, of any modes: what is notified under either comes
 * through, in whichever order they are released. */
TEST(cond.notifies_under_two_mutexes_both_arrive)
{
    struct puppet p[2];

    puppets_begin(p, 2);
    for (unsigned k = 0; k < 8; k++) {
        struct rig a = RIG(k & 1);
        struct rig b = RIG(k >> 1 & 1);
        bool swap = (k & 4) != 0;

        line_up(&a, &p[0], PAWL_FOREVER);
        line_up(&b, &p[1], PAWL_FOREVER);
        CHECK_OK(pawl_mutex_lock(&a.m));
        CHECK_OK(pawl_mutex_lock(&b.m));
        CHECK_OK(pawl_cond_notify(&a.c, &a.m, 1));
        CHECK_OK(pawl_cond_notify(&b.c, &b.m, 1));
        CHECK_OK(pawl_mutex_unlock(swap ? &a.m : &b.m));
        CHECK_OK(pawl_mutex_unlock(swap ? &b.m : &a.m));
        CHECK_OK(puppet_result(&p[0]));
        CHECK_OK(puppet_result(&p[1]));
        CHECK_OK(pawl_mutex_destroy(&a.m));
        CHECK_OK(pawl_mutex_destroy(&b.m));
    }
    puppets_end(p, 2);
}

/* ---- predicates ---------------------------------------------------------- */

struct predicate {
    int calls;
    int true_from; /* which call returns `value` first */
    int value;
    pawl_mutex *m;
};

static int evaluate(void *arg)
{
    struct predicate *p = arg;

    CHECK(pawl_mutex_is_mine(p->m));
    p->calls++;
    return p->calls >= p->true_from ? p->value : 0;
}

/* C-06: evaluated before any wait, after every one, and once more after the
 * deadline; its last value is the result. */
TEST(cond.wait_for_ends_with_the_predicate)
{
    static const struct {
        int true_from;
        int value;
        int result;
        int calls;
    } rows[] = {
        /* clang-format off */
        {1, 1, 0, 1},
        {1, 77, 0, 1},
        {1, -EIO, -EIO, 1},
        {1, -ETIMEDOUT, -ETIMEDOUT, 1}, /* as it is */
        {2, 1, 0, 2},                   /* exactly at the deadline */
        {2, -EIO, -EIO, 2},
        {3, 1, -ETIMEDOUT, 2},
        /* clang-format on */
    };

    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        struct rig r = RIG(flags);

        CHECK_OK(pawl_mutex_lock(&r.m));
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            for (int k = 0; k < 5; k++) {
                struct predicate p = {.true_from = rows[i].true_from,
                                      .value = rows[i].value,
                                      .m = &r.m};
                pawl_deadline until = k < 4 ? past[k] : pawl_after_ms(1);

                CHECK_ERR(pawl_cond_wait_for(&r.c, &r.m, evaluate, &p, until),
                          rows[i].result);
                CHECK_EQ(p.calls, rows[i].calls);
                CHECK(pawl_mutex_is_mine(&r.m));
            }
        }
        CHECK_OK(pawl_mutex_unlock(&r.m));
    }
}

static int data_is_2(void *rig)
{
    return ((struct rig *)rig)->data == 2;
}

static int wait_for_2(void *rig, pawl_deadline until)
{
    struct rig *r = rig;

    CHECK_OK(pawl_mutex_lock(&r->m));
    return after_wait(r, pawl_cond_wait_for(&r->c, &r->m, data_is_2, r, until));
}

static int wait_while_not_2(void *rig, pawl_deadline until)
{
    struct rig *r = rig;
    int err;

    CHECK_OK(pawl_mutex_lock(&r->m));
    PAWL_COND_WAIT_WHILE(err, &r->c, &r->m, until, r->data != 2);
    CHECK(err != 0 || r->data == 2);
    return after_wait(r, err);
}

/* C-06: notified while it is false, it waits on. */
TEST(cond.wait_for_waits_on_while_it_is_false)
{
    static const puppet_fn forms[] = {wait_for_2, wait_while_not_2};
    struct puppet p;

    puppet_begin(&p);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        for (int k = 0; k < 2; k++) {
            struct rig r = RIG(flags);

            CHECK_ERR(forms[k](&r, 0), -ETIMEDOUT);
            CHECK_ERR(forms[k](&r, pawl_after_ms(1)), -ETIMEDOUT);
            puppet_do(&p, forms[k], &r, PAWL_FOREVER);
            puppet_until_asleep(&p);
            for (int i = 1; i <= 2; i++) {
                CHECK_OK(pawl_mutex_lock(&r.m));
                CHECK_EQ(pawl_cond_waiters(&r.c), 1);
                r.data = i;
                CHECK_OK(pawl_cond_notify_all(&r.c, &r.m));
                CHECK_OK(pawl_mutex_unlock(&r.m));
                if (i == 1) {
                    while (pawl_cond_waiters(&r.c) == 0)
                        sched_yield();
                    puppet_until_asleep(&p);
                }
            }
            CHECK_OK(puppet_result(&p));
            CHECK_OK(forms[k](&r, 0)); /* true before any wait */
        }
    }
    puppet_end(&p);
}

/* ---- with a recursive mutex ---------------------------------------------- */

struct recursive_rig {
    pawl_rmutex m;
    pawl_cond c;
    int depth;
};

static int wait_at_depth(void *rig, pawl_deadline until)
{
    struct recursive_rig *r = rig;
    int err;

    for (int i = 0; i < r->depth; i++)
        CHECK_OK(pawl_rmutex_lock(&r->m));
    err = pawl_cond_wait_until(&r->c, &r->m.base, until);
    CHECK_EQ(pawl_rmutex_depth(&r->m), r->depth);
    for (int i = 0; i < r->depth; i++)
        CHECK_OK(pawl_rmutex_unlock(&r->m));
    CHECK_ERR(pawl_rmutex_unlock(&r->m), -EPERM);
    return err;
}

/* C-03: all k levels are released and restored. */
TEST(cond.wait_releases_all_levels)
{
    struct puppet p;

    puppet_begin(&p);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        for (int depth = 1; depth <= 5; depth += 2) {
            struct recursive_rig r = {.m = PAWL_RMUTEX_INIT_FLAGS(flags),
                                      .c = PAWL_COND_INIT_FLAGS(flags),
                                      .depth = depth};

            CHECK_ERR(pawl_cond_try_wait(&r.c, &r.m.base), -EPERM);
            CHECK_ERR(wait_at_depth(&r, 0), -ETIMEDOUT);
            CHECK_ERR(wait_at_depth(&r, pawl_after_ms(1)), -ETIMEDOUT);
            puppet_do(&p, wait_at_depth, &r, PAWL_FOREVER);
            puppet_until_asleep(&p);
            CHECK_OK(pawl_rmutex_lock(&r.m));
            CHECK_EQ(pawl_rmutex_depth(&r.m), 1);
            CHECK_OK(pawl_rmutex_lock(&r.m));
            CHECK_OK(pawl_cond_notify(&r.c, &r.m.base, 1));
            CHECK_OK(pawl_rmutex_unlock(&r.m));
            puppet_until_asleep(&p); /* still held here */
            CHECK_OK(pawl_rmutex_unlock(&r.m));
            CHECK_OK(puppet_result(&p));
            CHECK_OK(pawl_rmutex_destroy(&r.m));
        }
    }
    puppet_end(&p);
}

/* ---- signals and deaths -------------------------------------------------- */

/* signals do not end a wait, and take no notification with them. */
TEST(cond.wait_outlasts_signals)
{
    allow_interruptions();
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        struct rig r = RIG(flags);
        struct puppet p[2];

        puppets_begin(p, 2);
        line_up(&r, &p[0], PAWL_FOREVER);
        line_up(&r, &p[1], pawl_after_s(1000));
        for (int i = 0; i < 20; i++) {
            puppet_until_asleep(&p[i % 2]);
            interrupt(test_tid(p[i % 2].thread));
        }
        for (int i = 0; i < 2; i++)
            puppet_until_asleep(&p[i]);
        CHECK_EQ(pawl_cond_waiters(&r.c), 2);
        notify(&r, 1);
        if (flags == PAWL_LOCAL)
            CHECK_OK(puppet_result(&p[0]));
        notify(&r, 1);
        for (int i = flags == PAWL_LOCAL; i < 2; i++)
            CHECK_OK(puppet_result(&p[i]));
        puppets_end(p, 2);
    }
}

/* Two wait, the second one first in the kernel: an interrupted sleeper goes to
 * the end of the kernel's queue, but keeps its place in the line. */
static void line_up_crosswise(struct rig *r, struct puppet p[2])
{
    allow_interruptions();
    line_up(r, &p[0], PAWL_FOREVER);
    line_up(r, &p[1], PAWL_FOREVER);
    interrupt(test_tid(p[0].thread));
    /* It takes the mutex, finds that it was not called, and sleeps again. */
    puppet_until_asleep(&p[0]);
    CHECK_OK(pawl_mutex_lock(&r->m));
    CHECK_OK(pawl_mutex_unlock(&r->m));
    puppet_until_asleep(&p[0]);
}

/* C-05: a wake that the kernel gave to another waiter is passed on to the one
 * that was chosen. */
TEST(cond.wake_of_the_wrong_waiter_is_passed_on)
{
    struct puppet p[2];

    puppets_begin(p, 2);
    for (int round = 0; round < 20; round++) {
        struct rig r = RIG(PAWL_LOCAL);

        line_up_crosswise(&r, p);
        notify(&r, 1);
        CHECK_OK(puppet_result(&p[0]));
        puppet_until_asleep(&p[1]);
        notify(&r, 1);
        CHECK_OK(puppet_result(&p[1]));
    }
    puppets_end(p, 2);
}

/* C-03, L-08: a wait that re-acquires after the death of a holder says so, and
 * holds the mutex. */
TEST(cond.wait_reports_a_dead_holder)
{
    struct rig r = RIG(PAWL_LOCAL);
    struct puppet p;
    struct puppet holder;
    int err = -ETIMEDOUT;

    puppet_begin(&p);
    for (int64_t patience_ms = 10; err == -ETIMEDOUT; patience_ms *= 2) {
        puppet_begin(&holder);
        line_up(&r, &p, pawl_after_ms(patience_ms));
        CHECK_OK(puppet_call(&holder, lock, &r.m));
        puppet_end(&holder); /* dies */
        err = puppet_result(&p);
        if (err == -ETIMEDOUT) { /* the holder was not in time */
            CHECK_ERR(pawl_mutex_lock(&r.m), -EOWNERDEAD);
            CHECK_OK(pawl_mutex_consistent(&r.m));
            CHECK_OK(pawl_mutex_unlock(&r.m));
        }
    }
    CHECK_ERR(err, -EOWNERDEAD);
    CHECK_OK(pawl_cond_destroy(&r.c));
    CHECK_ERR(wait_until(&r, 0), -ETIMEDOUT);
    puppet_end(&p);
}

static int lock_and_notify_all(void *rig, pawl_deadline until)
{
    struct rig *r = rig;

    (void)until;
    CHECK_OK(pawl_mutex_lock(&r->m));
    return pawl_cond_notify_all(&r->c, &r->m);
}

static int lock_and_notify_one(void *rig, pawl_deadline until)
{
    struct rig *r = rig;

    (void)until;
    CHECK_OK(pawl_mutex_lock(&r->m));
    return pawl_cond_notify(&r->c, &r->m, 1);
}

/* C-10, R-10: a notifier that dies before it has released the mutex has
 * notified: those it chose wake up, the first of them with -EOWNERDEAD. */
TEST(cond.death_of_the_notifier_wakes_the_notified)
{
    enum { WAITERS = 3 };

    for (int n = 1; n <= WAITERS; n += WAITERS - 1) {
        struct rig r = RIG(PAWL_LOCAL);
        struct puppet p[WAITERS];
        struct puppet notifier;
        int dead = 0;

        puppets_begin(p, WAITERS);
        puppet_begin(&notifier);
        for (int i = 0; i < WAITERS; i++)
            line_up(&r, &p[i], PAWL_FOREVER);
        CHECK_OK(puppet_call(
            &notifier, n == 1 ? lock_and_notify_one : lock_and_notify_all, &r));
        puppet_end(&notifier);
        for (int i = 0; i < n; i++) {
            int err = puppet_result(&p[puppets_first(p, WAITERS)]);

            dead += err == -EOWNERDEAD;
            CHECK(err == 0 || err == -EOWNERDEAD);
        }
        CHECK_EQ(dead, 1);
        CHECK_EQ(pawl_cond_waiters(&r.c), WAITERS - n);
        notify(&r, INT_MAX);
        for (int i = n; i < WAITERS; i++)
            CHECK_OK(puppet_result(&p[i]));
        CHECK_OK(pawl_cond_destroy(&r.c));
        puppets_end(p, WAITERS);
    }
}

/* waiters that have been notified and moved to the mutex are woken by the
 * death of whoever holds it then; one of them is told. */
TEST(cond.death_of_a_holder_wakes_the_moved)
{
    enum { WAITERS = 12 }; /* more than are woken at once */

    for (int round = 0; round < 10; round++) {
        struct rig r = RIG(PAWL_LOCAL);
        struct puppet p[WAITERS];
        struct puppet holder;
        int dead = 0;

        puppets_begin(p, WAITERS);
        puppet_begin(&holder);
        for (int i = 0; i < WAITERS; i++)
            line_up(&r, &p[i], PAWL_FOREVER);
        CHECK_OK(puppet_call(&holder, lock_and_notify_all, &r));
        CHECK_OK(puppet_call(&holder, unlock, &r.m));
        /* It may come before some of them. */
        CHECK_OK(puppet_call(&holder, lock, &r.m));
        puppet_end(&holder);
        for (int i = 0; i < WAITERS; i++) {
            int err = puppet_result(&p[i]);

            dead += err == -EOWNERDEAD;
            CHECK(err == 0 || err == -EOWNERDEAD);
        }
        /* None, if all had got it before the holder did. */
        CHECK_ERR(pawl_mutex_lock(&r.m), dead == 0 ? -EOWNERDEAD : 0);
        CHECK(dead <= 1);
        if (dead == 0)
            CHECK_OK(pawl_mutex_consistent(&r.m));
        CHECK_OK(pawl_mutex_unlock(&r.m));
        CHECK_OK(pawl_mutex_destroy(&r.m));
        puppets_end(p, WAITERS);
    }
}

/* Whether somebody spins for the mutex: SPINNING of pawl/mutex.h. */
static bool has_spinner(pawl_mutex *m)
{
    return (__atomic_load_n(&m->word_.v_, __ATOMIC_RELAXED) >> 40 & 1) != 0;
}

static int wait_and_yield_to_spinner(void *rig, pawl_deadline until)
{
    struct rig *r = rig;
    pawl_deadline patience;
    int err;

    CHECK_OK(pawl_mutex_lock(&r->m));
    atomic_fetch_add(&r->entered, 1);
    err = pawl_cond_wait_until(&r->c, &r->m, until);
    patience = pawl_after_ms(1);
    while (!has_spinner(&r->m) && pawl_now() < patience)
        ;
    return after_wait(r, err);
}

/* the same if nobody but the moved is left to wake: all that were awake
 * have been through, each passing the mutex to one that spun, and the last one
 * to spin dies with it. */
TEST(cond.death_of_a_spinner_wakes_the_moved)
{
    enum { WAITERS = 10, ROUNDS = 10 };

    for (int round = 0; round < ROUNDS; round++) {
        struct rig r = RIG(PAWL_LOCAL);
        struct puppet p[WAITERS];
        struct puppet mortal;
        int through = 0;

        puppets_begin(p, WAITERS);
        puppet_begin(&mortal);
        for (int i = 0; i < WAITERS; i++) {
            puppet_do(&p[i], wait_and_yield_to_spinner, &r, PAWL_FOREVER);
            puppet_until_asleep(&p[i]);
        }
        notify(&r, INT_MAX);
        while (through < 1 + round % 4) { /* two to four are woken at once */
            through = 0;
            for (int i = 0; i < WAITERS; i++)
                through += puppet_has_result(&p[i]);
        }
        puppet_do(&mortal, lock, &r.m, PAWL_FOREVER);
        puppet_result(&mortal);
        puppet_end(&mortal);
        for (int i = 0; i < WAITERS; i++) {
            int err = puppet_result(&p[i]);

            CHECK(err == 0 || err == -EOWNERDEAD);
        }
        puppets_end(p, WAITERS);
    }
}

/* C-03: a mutex that was not repaired cannot be re-acquired: the notified are
 * told so, and hold nothing. */
TEST(cond.wait_reports_a_lost_mutex)
{
    enum { WAITERS = 3 };
    struct rig r = RIG(PAWL_LOCAL);
    struct puppet p[WAITERS];
    struct puppet holder;

    puppets_begin(p, WAITERS);
    puppet_begin(&holder);
    for (int i = 0; i < WAITERS; i++)
        line_up(&r, &p[i], PAWL_FOREVER);
    CHECK_OK(puppet_call(&holder, lock, &r.m));
    puppet_end(&holder);
    CHECK_ERR(pawl_mutex_lock(&r.m), -EOWNERDEAD);
    CHECK_OK(pawl_cond_notify_all(&r.c, &r.m));
    CHECK_OK(pawl_mutex_unlock(&r.m)); /* not repaired */
    for (int i = 0; i < WAITERS; i++)
        CHECK_ERR(puppet_result(&p[i]), -ENOTRECOVERABLE);
    check_all_refuse(&r.c, &r.m, -EPERM);
    puppets_end(p, WAITERS);
}

/* C-03, C-05: also if the wake reaches another waiter, which is told that the
 * mutex is lost: the chosen one is told so too. */
TEST(cond.lost_mutex_is_reported_to_the_chosen)
{
    struct puppet p[2];

    for (int round = 0; round < 5; round++) {
        struct rig r = RIG(PAWL_LOCAL);
        struct puppet holder;

        puppets_begin(p, 2);
        puppet_begin(&holder);
        line_up_crosswise(&r, p);
        CHECK_OK(puppet_call(&holder, lock, &r.m));
        puppet_end(&holder);
        CHECK_ERR(pawl_mutex_lock(&r.m), -EOWNERDEAD);
        CHECK_OK(pawl_cond_notify(&r.c, &r.m, 1));
        CHECK_OK(pawl_mutex_unlock(&r.m)); /* not repaired */
        for (int i = 0; i < 2; i++)
            CHECK_ERR(puppet_result(&p[i]), -ENOTRECOVERABLE);
        puppets_end(p, 2);
    }
}

/* ---- memory order -------------------------------------------------------- */

static int read_data(void *rig, pawl_deadline until)
{
    struct rig *r = rig;
    int err;

    CHECK_OK(pawl_mutex_lock(&r->m));
    err = pawl_cond_wait_until(&r->c, &r->m, until);
    err = err < 0 ? err : r->data;
    r->data++;
    CHECK_OK(pawl_mutex_unlock(&r->m));
    return err;
}

/* release of the mutex, then acquire. */
TEST(cond.wait_passes_the_mutex_on)
{
    struct rig r = RIG(PAWL_LOCAL);
    struct puppet p[3];

    puppets_begin(p, 3);
    for (int i = 0; i < 3; i++) {
        puppet_do(&p[i], read_data, &r, PAWL_FOREVER);
        while (pawl_cond_waiters(&r.c) != (uint32_t)i + 1)
            sched_yield();
    }
    CHECK_OK(pawl_mutex_lock(&r.m));
    r.data = 10;
    CHECK_OK(pawl_cond_notify_all(&r.c, &r.m));
    CHECK_OK(pawl_mutex_unlock(&r.m));
    for (int i = 0; i < 3; i++)
        CHECK(puppet_result(&p[i]) >= 10);
    CHECK_OK(pawl_mutex_lock(&r.m));
    CHECK_EQ(r.data, 13);
    CHECK_OK(pawl_mutex_unlock(&r.m));
    puppets_end(p, 3);
}
