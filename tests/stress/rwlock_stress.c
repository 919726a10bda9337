/* SPDX-License-Identifier: MIT
 *
 * rwlock_stress.c - the reader/writer lock among many threads.
 */
#include <stdatomic.h>
#include <string.h>

#include <pawl/error.h>
#include <pawl/rwlock.h>

#include "team.h"
#include "test.h"

enum { THREADS = 6 };

struct rig {
    pawl_rwlock rw;
    int rounds;
    uint32_t patience_us; /* deadlines are up to so far away; 0: for ever */
    /* Guarded by the lock. */
    int a;
    int b;
    _Atomic int writes; /* how often a was incremented */
    _Atomic int inside; /* holders: 1 per reader, 1000 per writer */
    _Atomic int reads;
    _Atomic int deaths;
    _Atomic int told;
    _Atomic int done;
    pawl_deadline until;
};

/* Counting is relaxed: it must not order what the lock is to order. */
static int count(_Atomic int *n, int by)
{
    return atomic_fetch_add_explicit(n, by, memory_order_relaxed);
}

static void enter(struct rig *r, int weight)
{
    int before = count(&r->inside, weight);

    if (weight == 1)
        CHECK(before < 1000);
    else
        CHECK_EQ(before, 0);
}

static void leave(struct rig *r, int weight)
{
    count(&r->inside, -weight);
}

static void linger(struct member *me)
{
    if (test_rand_below(&me->random, 8) == 0)
        sched_yield();
}

static void read_data(struct member *me, struct rig *r)
{
    enter(r, 1);
    CHECK_EQ(r->a, r->b);
    linger(me);
    CHECK_EQ(r->a, r->b);
    leave(r, 1);
    count(&r->reads, 1);
}

static void write_data(struct member *me, struct rig *r)
{
    CHECK(pawl_rwlock_is_mine(&r->rw));
    enter(r, 1000);
    CHECK_EQ(r->a, r->b);
    r->a++;
    linger(me);
    r->b++;
    count(&r->writes, 1);
    leave(r, 1000);
}

/* The last writer died inside: what is guarded may be half changed. */
static void repair(struct rig *r)
{
    CHECK(pawl_rwlock_is_mine(&r->rw));
    CHECK_EQ(pawl_rwlock_downgrade(&r->rw), -EPERM);
    atomic_store_explicit(&r->inside, 0, memory_order_relaxed);
    r->b = r->a;
    count(&r->told, 1);
    CHECK_OK(pawl_rwlock_consistent(&r->rw));
}

static pawl_deadline until(struct member *me, struct rig *r)
{
    if (r->patience_us == 0 || test_rand_below(&me->random, 4) == 0)
        return PAWL_FOREVER;
    return team_soon(me, r->patience_us);
}

static void read_once(struct member *me, struct rig *r, int err)
{
    if (err == -EOWNERDEAD) {
        repair(r);
        write_data(me, r);
        CHECK_OK(pawl_rwlock_write_unlock(&r->rw));
    } else if (err == 0) {
        read_data(me, r);
        CHECK_OK(pawl_rwlock_read_unlock(&r->rw));
    } else {
        CHECK(err == -ETIMEDOUT || err == -EAGAIN);
    }
}

static void write_once(struct member *me, struct rig *r, int err)
{
    if (err == -EOWNERDEAD) {
        repair(r);
        err = 0;
    }
    if (err != 0) {
        CHECK(err == -ETIMEDOUT || err == -EAGAIN);
        return;
    }
    write_data(me, r);
    if (test_rand_below(&me->random, 3) == 0) {
        int mine = r->a;

        CHECK_OK(pawl_rwlock_downgrade(&r->rw));
        enter(r, 1);
        linger(me);
        CHECK_EQ(r->a, mine); /* no writer got between */
        leave(r, 1);
        CHECK_OK(pawl_rwlock_read_unlock(&r->rw));
    } else {
        CHECK_OK(pawl_rwlock_write_unlock(&r->rw));
    }
}

static void do_anything(struct member *me, struct rig *r)
{
    switch (test_rand_below(&me->random, 8)) {
    case 0:
        read_once(me, r, pawl_rwlock_try_read_lock(&r->rw));
        break;
    case 1:
        write_once(me, r, pawl_rwlock_try_write_lock(&r->rw));
        break;
    case 2:
    case 3:
        write_once(me, r, pawl_rwlock_write_lock_until(&r->rw, until(me, r)));
        break;
    default:
        read_once(me, r, pawl_rwlock_read_lock_until(&r->rw, until(me, r)));
        break;
    }
}

static void work(struct member *me)
{
    struct rig *r = me->rig;

    for (int i = 0; i < r->rounds; i++)
        do_anything(me, r);
}

static void check_end(struct rig *r)
{
    CHECK_EQ(pawl_rwlock_readers(&r->rw), 0);
    CHECK(!pawl_rwlock_is_write_locked(&r->rw));
    CHECK_OK(pawl_rwlock_destroy(&r->rw));
    CHECK_OK(pawl_rwlock_try_write_lock(&r->rw));
    CHECK_EQ(r->a, r->b);
    CHECK_EQ(r->a, atomic_load(&r->writes) + atomic_load(&r->deaths));
    CHECK_OK(pawl_rwlock_write_unlock(&r->rw));
    CHECK_OK(pawl_rwlock_try_read_lock(&r->rw));
    CHECK_OK(pawl_rwlock_read_unlock(&r->rw));
}

/* L-16, R-11: all calls, with and without deadlines.  Invariant: a writer is
 * alone, a downgraded one is not overtaken, and in the end nobody is left
 * behind in the lock. */
TEST(rwlock_stress.writers_are_alone)
{
    static const uint32_t patience_us[] = {0, 20, 300};

    for (int i = 0; i < 3; i++) {
        struct rig r = {.rw = PAWL_RWLOCK_INIT,
                        .rounds = test_iterations(15000),
                        .patience_us = patience_us[i]};

        team_of_threads(THREADS, work, &r);
        check_end(&r);
    }
}

static void give_up_often(struct member *me)
{
    struct rig *r = me->rig;

    for (int i = 0; i < r->rounds; i++) {
        pawl_deadline soon = team_soon(me, 30);

        if (me->index < THREADS / 2)
            write_once(me, r, pawl_rwlock_write_lock_until(&r->rw, soon));
        else
            read_once(me, r,
                      me->index == THREADS - 1
                          ? pawl_rwlock_read_lock(&r->rw)
                          : pawl_rwlock_read_lock_until(&r->rw, soon));
    }
}

/* L-16: nothing but deadlines of a few microseconds.
 * Invariant: the same; those behind a writer that gave up got in. */
TEST(rwlock_stress.giving_up_leaves_nobody_behind)
{
    struct rig r = {.rw = PAWL_RWLOCK_INIT, .rounds = test_iterations(15000)};

    team_of_threads(THREADS, give_up_often, &r);
    check_end(&r);
}

/* ---- fairness, by progress ----------------------------------------------- */

static void one_against_many(struct member *me, bool one_writes)
{
    struct rig *r = me->rig;
    bool writes = (me->index == 0) == one_writes;

    for (int i = 0; me->index != 0 || i < r->rounds; i++) {
        if (me->index != 0 &&
            atomic_load_explicit(&r->done, memory_order_relaxed) != 0)
            return;
        if (writes)
            write_once(me, r, pawl_rwlock_write_lock(&r->rw));
        else
            read_once(me, r, pawl_rwlock_read_lock(&r->rw));
    }
    atomic_store(&r->done, 1);
}

static void writer_against_readers(struct member *me)
{
    one_against_many(me, true);
}

static void reader_against_writers(struct member *me)
{
    one_against_many(me, false);
}

/* Invariant: one writer comes through a stream of readers, a few thousand
 * times. */
TEST(rwlock_stress.readers_do_not_starve_a_writer)
{
    struct rig r = {.rw = PAWL_RWLOCK_INIT, .rounds = test_iterations(2000)};

    team_of_threads(THREADS, writer_against_readers, &r);
    check_end(&r);
}

/* and one reader through a stream of writers. */
TEST(rwlock_stress.writers_do_not_starve_a_reader)
{
    struct rig r = {.rw = PAWL_RWLOCK_INIT, .rounds = test_iterations(2000)};

    team_of_threads(THREADS, reader_against_writers, &r);
    check_end(&r);
}

static void hand_over_late(struct member *me)
{
    struct rig *r = me->rig;

    for (int i = 0; i < r->rounds; i++) {
        pawl_deadline held_until;

        if (me->index != 0) {
            write_once(me, r,
                       pawl_rwlock_write_lock_until(
                           &r->rw, pawl_after_us(900 + test_rand_below(
                                                           &me->random, 600))));
            continue;
        }
        if (pawl_rwlock_write_lock_until(&r->rw, pawl_after_ms(5)) != 0)
            continue;
        enter(r, 1000);
        held_until = pawl_after_us(700 + test_rand_below(&me->random, 900));
        while (pawl_now() < held_until)
            sched_yield();
        leave(r, 1000);
        CHECK_OK(pawl_rwlock_write_unlock(&r->rw));
    }
}

/* L-04, R-13: writers that wait for about a millisecond, after which the lock
 * is reserved for them, with deadlines at about that time.  Invariant: a lock
 * that was reserved is taken or given on: in the end it is free. */
TEST(rwlock_stress.hand_over_races_with_the_deadline)
{
    struct rig r = {.rw = PAWL_RWLOCK_INIT, .rounds = test_iterations(600)};

    team_of_threads(3, hand_over_late, &r);
    check_end(&r);
}

/* Two threads meet. */
static void meet(struct rig *r, int times)
{
    atomic_fetch_add(&r->done, 1);
    while (atomic_load(&r->done) < 2 * times)
        sched_yield();
}

static void spin_until(pawl_deadline then)
{
    while (pawl_now() < then)
        ;
}

static void release_at_the_deadline(struct member *me)
{
    struct rig *r = me->rig;

    for (int i = 0; i < r->rounds; i++) {
        if (me->index == 0) {
            CHECK_OK(pawl_rwlock_write_lock(&r->rw));
            r->until = pawl_after_us(2000);
        }
        meet(r, 3 * i + 1);
        if (me->index == 0) {
            /* After 1.4 ms it is woken in vain, and reserves the lock. */
            spin_until(r->until - 600000);
            CHECK_OK(pawl_rwlock_write_unlock(&r->rw));
            if (pawl_rwlock_try_write_lock(&r->rw) == 0) {
                spin_until(r->until +
                           1000 * (int64_t)test_rand_below(&me->random, 60));
                CHECK_OK(pawl_rwlock_write_unlock(&r->rw));
            }
        } else {
            write_once(me, r, pawl_rwlock_write_lock_until(&r->rw, r->until));
        }
        meet(r, 3 * i + 2);
        if (me->index == 0) {
            CHECK_OK(pawl_rwlock_try_write_lock(&r->rw));
            CHECK_OK(pawl_rwlock_write_unlock(&r->rw));
        }
        meet(r, 3 * i + 3);
    }
}

/* L-04, R-13: the lock is reserved for a writer just when its deadline passes.
 * Invariant: it takes the lock, or leaves it free. */
TEST(rwlock_stress.reservation_meets_the_deadline)
{
    struct rig r = {.rw = PAWL_RWLOCK_INIT, .rounds = test_iterations(300)};

    team_of_threads(2, release_at_the_deadline, &r);
    check_end(&r);
}

/* ---- death --------------------------------------------------------------- */

static void write_and_die(struct member *me)
{
    struct rig *r = me->rig;
    int err = pawl_rwlock_write_lock(&r->rw);

    if (err == -EOWNERDEAD)
        repair(r);
    else
        CHECK_OK(err);
    enter(r, 1000);
    r->a++; /* and not b */
    count(&r->deaths, 1);
    leave(r, 1000);
}

static void work_among_the_dying(struct member *me)
{
    struct rig *r = me->rig;

    if (me->index < 3)
        write_and_die(me);
    else
        for (int i = 0; i < 20; i++)
            do_anything(me, r);
}

/* three of six threads die as writers.  Invariant: each death is told to
 * exactly one thread, which then is the writer, and nobody waits for the
 * dead. */
TEST(rwlock_stress.each_death_is_told_once)
{
    int rounds = test_iterations(600);

    for (int i = 0; i < rounds; i++) {
        struct rig r = {.rw = PAWL_RWLOCK_INIT,
                        .patience_us = i % 2 == 0 ? 0 : 200};
        int err;

        team_of_threads(THREADS, work_among_the_dying, &r);
        err = pawl_rwlock_read_lock(&r.rw);
        if (err == -EOWNERDEAD) {
            repair(&r);
            CHECK_OK(pawl_rwlock_write_unlock(&r.rw));
        } else {
            CHECK_OK(err);
            CHECK_OK(pawl_rwlock_read_unlock(&r.rw));
        }
        CHECK_EQ(atomic_load(&r.told), atomic_load(&r.deaths));
        check_end(&r);
    }
}

static void lose(struct member *me)
{
    struct rig *r = me->rig;
    int err = me->index % 2 == 0
                  ? pawl_rwlock_read_lock_until(&r->rw, until(me, r))
                  : pawl_rwlock_write_lock_until(&r->rw, until(me, r));

    if (err == -EOWNERDEAD) {
        count(&r->told, 1);
        linger(me);
        CHECK_OK(pawl_rwlock_write_unlock(&r->rw));
    } else if (err != -ETIMEDOUT) {
        CHECK_ERR(err, -ENOTRECOVERABLE);
    }
}

static void die_holding(void *rw)
{
    CHECK_OK(pawl_rwlock_write_lock(rw));
}

/* the first one does not repair it.  Invariant: it alone got in. */
TEST(rwlock_stress.lost_lock_lets_nobody_in)
{
    int rounds = test_iterations(600);

    for (int i = 0; i < rounds; i++) {
        struct rig r = {.rw = PAWL_RWLOCK_INIT,
                        .patience_us = i % 2 == 0 ? 0 : 50};

        test_join(test_thread(die_holding, &r.rw));
        team_of_threads(THREADS, lose, &r);
        CHECK_EQ(atomic_load(&r.told), 1);
        CHECK_EQ(pawl_rwlock_readers(&r.rw), 0);
        CHECK(!pawl_rwlock_is_write_locked(&r.rw));
        CHECK_OK(pawl_rwlock_destroy(&r.rw));
        CHECK_ERR(pawl_rwlock_try_read_lock(&r.rw), -ENOTRECOVERABLE);
    }
}

/* who finds that destroy succeeds sees what was done under the lock. */
struct last_use {
    pawl_rwlock rw;
    _Atomic bool held;
    long value;
};

static void use_last(void *arg)
{
    struct last_use *u = arg;

    CHECK_OK(pawl_rwlock_write_lock(&u->rw));
    atomic_store_explicit(&u->held, true, memory_order_relaxed);
    u->value = 1;
    CHECK_OK(pawl_rwlock_write_unlock(&u->rw));
}

TEST(rwlock_stress.destroy_sees_what_the_last_user_did)
{
    for (int i = 0; i < test_iterations(2000); i++) {
        struct last_use u = {.rw = PAWL_RWLOCK_INIT};
        struct test_thread *t = test_thread(use_last, &u);

        while (!atomic_load_explicit(&u.held, memory_order_relaxed) ||
               pawl_rwlock_destroy(&u.rw) == -EBUSY)
            sched_yield();
        CHECK_EQ(u.value, 1);
        test_join(t);
    }
}
