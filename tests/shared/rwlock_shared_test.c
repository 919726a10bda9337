/* SPDX-License-Identifier: MIT
 *
 * rwlock_shared_test.c - the reader/writer lock between processes.
 */
#include <stdatomic.h>

#include <pawl/error.h>
#include <pawl/rwlock.h>

#include "team.h"
#include "test.h"

enum { PROCESSES = 4 };

struct rig {
    pawl_rwlock rw;
    int rounds;
    int a; /* guarded by rw */
    int b;
    _Atomic int writes;
    _Atomic int ended;
};

static struct rig *make_rig(void *at, int rounds)
{
    struct rig *r = at;

    CHECK_OK(pawl_rwlock_init(&r->rw, PAWL_SHARED));
    r->rounds = test_iterations(rounds);
    return r;
}

static void read_once(struct rig *r, int err)
{
    if (err != 0) {
        CHECK(err == -ETIMEDOUT || err == -EAGAIN);
        return;
    }
    CHECK(!pawl_rwlock_is_mine(&r->rw));
    CHECK_EQ(r->a, r->b);
    CHECK_OK(pawl_rwlock_read_unlock(&r->rw));
}

static void write_once(struct member *me, struct rig *r, int err)
{
    int mine;

    if (err != 0) {
        CHECK(err == -ETIMEDOUT || err == -EAGAIN);
        return;
    }
    CHECK(pawl_rwlock_is_mine(&r->rw));
    mine = ++r->a;
    if (test_rand_below(&me->random, 8) == 0)
        sched_yield();
    CHECK_EQ(r->b, mine - 1);
    r->b = mine;
    atomic_fetch_add(&r->writes, 1);
    if (test_rand_below(&me->random, 3) == 0) {
        CHECK_OK(pawl_rwlock_downgrade(&r->rw));
        sched_yield();
        CHECK_EQ(r->a, mine);
        CHECK_OK(pawl_rwlock_read_unlock(&r->rw));
    } else {
        CHECK_OK(pawl_rwlock_write_unlock(&r->rw));
    }
}

static void work(struct member *me, struct rig *r)
{
    for (int i = 0; i < r->rounds; i++) {
        pawl_deadline until = test_rand_below(&me->random, 2) == 0
                                  ? team_soon(me, 60)
                                  : PAWL_FOREVER;

        switch (test_rand_below(&me->random, 6)) {
        case 0:
            read_once(r, pawl_rwlock_try_read_lock(&r->rw));
            break;
        case 1:
            write_once(me, r, pawl_rwlock_try_write_lock(&r->rw));
            break;
        case 2:
        case 3:
            write_once(me, r, pawl_rwlock_write_lock_until(&r->rw, until));
            break;
        default:
            read_once(r, pawl_rwlock_read_lock_until(&r->rw, until));
            break;
        }
    }
}

static void check_end(struct rig *r)
{
    CHECK_EQ(pawl_rwlock_readers(&r->rw), 0);
    CHECK_OK(pawl_rwlock_destroy(&r->rw));
    CHECK_EQ(r->a, r->b);
    CHECK_EQ(r->a, atomic_load(&r->writes));
    CHECK_OK(pawl_rwlock_try_write_lock(&r->rw));
    CHECK_OK(pawl_rwlock_write_unlock(&r->rw));
}

static void work_here(struct member *me)
{
    work(me, me->rig);
}

/* L-16, R-11: Invariant: a writer is alone, and nobody is left behind. */
TEST(rwlock_shared.writers_are_alone)
{
    struct rig *r = make_rig(test_shared_alloc(sizeof *r), 8000);

    team_of_processes(PROCESSES, work_here, r);
    check_end(r);
}

static void work_elsewhere(struct member *me)
{
    work(me, view_again(me->rig, false));
}

/* L-16, R-09: the same, each process with an address of its own. */
TEST(rwlock_shared.works_at_different_addresses)
{
    struct view v = view_make(sizeof(struct rig));
    struct rig *r = make_rig(v.at, 4000);

    team_of_processes(PROCESSES, work_elsewhere, &v);
    check_end(r);
}

static void one_against_many(struct member *me, bool one_writes)
{
    struct rig *r = me->rig;
    bool writes = (me->index == 0) == one_writes;

    for (int i = 0; me->index != 0 || i < r->rounds; i++) {
        if (me->index != 0 && atomic_load(&r->ended) != 0)
            return;
        if (writes)
            write_once(me, r, pawl_rwlock_write_lock(&r->rw));
        else
            read_once(r, pawl_rwlock_read_lock(&r->rw));
    }
    atomic_store(&r->ended, 1);
}

static void writer_against_readers(struct member *me)
{
    one_against_many(me, true);
}

static void reader_against_writers(struct member *me)
{
    one_against_many(me, false);
}

/* Invariant: one process comes through a stream of others, whichever it
 * is. */
TEST(rwlock_shared.nobody_starves)
{
    struct rig *r = make_rig(test_shared_alloc(sizeof *r), 1000);

    team_of_processes(PROCESSES, writer_against_readers, r);
    check_end(r);
    atomic_store(&r->ended, 0);
    team_of_processes(PROCESSES, reader_against_writers, r);
    check_end(r);
}

static void write_here(void *rig)
{
    struct rig *r = rig;

    CHECK(!pawl_rwlock_is_mine(&r->rw));
    CHECK_ERR(pawl_rwlock_write_unlock(&r->rw), -EPERM);
    CHECK_ERR(pawl_rwlock_downgrade(&r->rw), -EPERM);
    CHECK_ERR(pawl_rwlock_try_read_lock(&r->rw), -EAGAIN);
    CHECK_OK(pawl_rwlock_write_lock(&r->rw));
    CHECK_OK(pawl_rwlock_write_unlock(&r->rw));
}

/* L-16: a child does not hold its parent's write lock, and waits for it. */
TEST(rwlock_shared.child_is_not_the_writer)
{
    struct rig *r = make_rig(test_shared_alloc(sizeof *r), 1);
    pid_t child;

    CHECK_OK(pawl_rwlock_write_lock(&r->rw));
    child = test_spawn_child(write_here, r);
    test_until_asleep(child);
    CHECK(pawl_rwlock_is_mine(&r->rw));
    CHECK_OK(pawl_rwlock_write_unlock(&r->rw));
    test_wait_child(child);
    check_end(r);
}
