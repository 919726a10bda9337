/* SPDX-License-Identifier: MIT
 *
 * rwlock_test.c - the reader/writer lock, call by call.
 */
#include <limits.h>
#include <stdatomic.h>
#include <string.h>

#include <pawl/error.h>
#include <pawl/rwlock.h>

#include "futex/self.h"
#include "puppet.h"
#include "test.h"

static const pawl_deadline past[] = {0, -1, INT64_MIN, 1};

static int read_lock(void *rw, pawl_deadline until)
{
    return pawl_rwlock_read_lock_until(rw, until);
}

static int write_lock(void *rw, pawl_deadline until)
{
    return pawl_rwlock_write_lock_until(rw, until);
}

static int try_read_lock(void *rw, pawl_deadline until)
{
    (void)until;
    return pawl_rwlock_try_read_lock(rw);
}

static int try_write_lock(void *rw, pawl_deadline until)
{
    (void)until;
    return pawl_rwlock_try_write_lock(rw);
}

static int read_unlock(void *rw, pawl_deadline until)
{
    (void)until;
    return pawl_rwlock_read_unlock(rw);
}

static int write_unlock(void *rw, pawl_deadline until)
{
    (void)until;
    return pawl_rwlock_write_unlock(rw);
}

static int downgrade(void *rw, pawl_deadline until)
{
    (void)until;
    return pawl_rwlock_downgrade(rw);
}

static int consistent(void *rw, pawl_deadline until)
{
    (void)until;
    return pawl_rwlock_consistent(rw);
}

static int is_mine(void *rw, pawl_deadline until)
{
    (void)until;
    return pawl_rwlock_is_mine(rw);
}

/* Free, with nobody waiting: every form works, and it is free again. */
static void check_is_free(pawl_rwlock *rw)
{
    CHECK_EQ(pawl_rwlock_readers(rw), 0);
    CHECK(!pawl_rwlock_is_write_locked(rw));
    CHECK(!pawl_rwlock_is_mine(rw));
    CHECK_OK(pawl_rwlock_destroy(rw));
    CHECK_ERR(pawl_rwlock_read_unlock(rw), -EPERM);
    CHECK_ERR(pawl_rwlock_write_unlock(rw), -EPERM);
    CHECK_ERR(pawl_rwlock_downgrade(rw), -EPERM);
    CHECK_ERR(pawl_rwlock_consistent(rw), -EPERM);
    CHECK_OK(pawl_rwlock_try_read_lock(rw));
    CHECK_EQ(pawl_rwlock_readers(rw), 1);
    CHECK_OK(pawl_rwlock_read_unlock(rw));
    CHECK_OK(pawl_rwlock_try_write_lock(rw));
    CHECK(pawl_rwlock_is_write_locked(rw));
    CHECK_OK(pawl_rwlock_write_unlock(rw));
    CHECK_EQ(pawl_rwlock_readers(rw), 0);
    CHECK(!pawl_rwlock_is_write_locked(rw));
}

/* L-16, R-09: init, both initialisers and zero bytes. */
TEST(rwlock.begins_free)
{
    pawl_rwlock local = PAWL_RWLOCK_INIT;
    pawl_rwlock shared = PAWL_RWLOCK_INIT_FLAGS(PAWL_SHARED);
    pawl_rwlock rw;

    check_is_free(&local);
    check_is_free(&shared);
    memset(&rw, 0, sizeof rw);
    check_is_free(&rw);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        memset(&rw, 0xff, sizeof rw);
        CHECK_OK(pawl_rwlock_init(&rw, flags));
        check_is_free(&rw);
    }
}

/* a refused init leaves the memory alone. */
TEST(rwlock.init_refuses_unknown_flags)
{
    pawl_rwlock rw = PAWL_RWLOCK_INIT;

    CHECK_OK(pawl_rwlock_read_lock(&rw));
    CHECK_ERR(pawl_rwlock_init(&rw, PAWL_OWNERLESS), -EINVAL);
    CHECK_ERR(pawl_rwlock_init(&rw, 4), -EINVAL);
    CHECK_ERR(pawl_rwlock_init(&rw, UINT_MAX), -EINVAL);
    CHECK_EQ(pawl_rwlock_readers(&rw), 1);
    CHECK_OK(pawl_rwlock_read_unlock(&rw));
}

/* ---- states and calls ---------------------------------------------------- */

enum holder { NOBODY, I_READ, I_WRITE, ANOTHER_READS, ANOTHER_WRITES };

/* What every call returns, by who holds the lock.  A deadline that has passed
 * stands for "would wait".  A thread that reads must not ask again; what it is
 * told is what any reader would be. */
static const struct row {
    const char *name;
    puppet_fn call;
    int result[5];
} table[] = {
    {"try_read", try_read_lock, {0, 0, -EAGAIN, 0, -EAGAIN}},
    {"read", read_lock, {0, 0, -EDEADLK, 0, -ETIMEDOUT}},
    {"try_write", try_write_lock, {0, -EAGAIN, -EAGAIN, -EAGAIN, -EAGAIN}},
    {"write", write_lock, {0, -ETIMEDOUT, -EDEADLK, -ETIMEDOUT, -ETIMEDOUT}},
    {"read_unlock", read_unlock, {-EPERM, 0, -EPERM, 0, -EPERM}},
    {"write_unlock", write_unlock, {-EPERM, -EPERM, 0, -EPERM, -EPERM}},
    {"downgrade", downgrade, {-EPERM, -EPERM, 0, -EPERM, -EPERM}},
    {"consistent", consistent, {-EPERM, -EPERM, -EINVAL, -EPERM, -EPERM}},
    {"is_mine", is_mine, {0, 0, 1, 0, 0}},
};

static void bring_into(enum holder holder, pawl_rwlock *rw, struct puppet *p)
{
    if (holder == I_READ)
        CHECK_OK(pawl_rwlock_read_lock(rw));
    if (holder == I_WRITE)
        CHECK_OK(pawl_rwlock_write_lock(rw));
    if (holder == ANOTHER_READS)
        CHECK_OK(puppet_call(p, read_lock, rw));
    if (holder == ANOTHER_WRITES)
        CHECK_OK(puppet_call(p, write_lock, rw));
}

/* What a call that was refused must leave as it was. */
static bool is_held_by(enum holder holder, const pawl_rwlock *rw)
{
    return pawl_rwlock_readers(rw) ==
               (holder == I_READ || holder == ANOTHER_READS) &&
           pawl_rwlock_is_write_locked(rw) ==
               (holder == I_WRITE || holder == ANOTHER_WRITES) &&
           pawl_rwlock_is_mine(rw) == (holder == I_WRITE);
}

/* Release all, each thread what it holds itself. */
static void let_go(enum holder holder, pawl_rwlock *rw, struct puppet *p)
{
    if (pawl_rwlock_is_mine(rw))
        CHECK_OK(pawl_rwlock_write_unlock(rw));
    if (holder == ANOTHER_WRITES)
        CHECK_OK(puppet_call(p, write_unlock, rw));
    if (holder == ANOTHER_READS && pawl_rwlock_readers(rw) > 0)
        CHECK_OK(puppet_call(p, read_unlock, rw));
    while (pawl_rwlock_readers(rw) > 0)
        CHECK_OK(pawl_rwlock_read_unlock(rw));
}

/* L-16, L-06, R-04, R-06, R-17: every call, whoever holds it; what is refused
 * changes nothing. */
TEST(rwlock.every_call_in_every_state)
{
    struct puppet p;

    puppet_begin(&p);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
            for (int holder = NOBODY; holder <= ANOTHER_WRITES; holder++) {
                pawl_rwlock rw = PAWL_RWLOCK_INIT_FLAGS(flags);
                int result;

                if (holder == ANOTHER_READS && table[i].call == read_unlock &&
                    test_under_tsan())
                    continue; /* it believes that readers are known */
                bring_into((enum holder)holder, &rw, &p);
                CHECK_ERR(pawl_rwlock_destroy(&rw),
                          holder == NOBODY ? 0 : -EBUSY);
                result = table[i].call(&rw, past[i % 4]);
                if (result != table[i].result[holder])
                    test_fail(__FILE__, __LINE__,
                              "%s when held by %d: %s, not %s", table[i].name,
                              holder, pawl_errname(result),
                              pawl_errname(table[i].result[holder]));
                if (result < 0 && !is_held_by((enum holder)holder, &rw))
                    test_fail(__FILE__, __LINE__, "%s when held by %d changed",
                              table[i].name, holder);
                let_go((enum holder)holder, &rw, &p);
                CHECK_OK(pawl_rwlock_destroy(&rw));
            }
        }
    }
    puppet_end(&p);
}

/* every form of deadline that has passed. */
TEST(rwlock.past_deadline_tries_once)
{
    struct puppet p;

    puppet_begin(&p);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_rwlock rw = PAWL_RWLOCK_INIT_FLAGS(flags);
        pawl_deadline until;

        for (size_t i = 0; i < 4; i++) {
            CHECK_OK(pawl_rwlock_read_lock_until(&rw, past[i]));
            CHECK_ERR(pawl_rwlock_write_lock_until(&rw, past[i]), -ETIMEDOUT);
            CHECK_OK(pawl_rwlock_read_unlock(&rw));
            CHECK_OK(pawl_rwlock_write_lock_until(&rw, past[i]));
            CHECK_OK(pawl_rwlock_write_unlock(&rw));
        }
        CHECK_OK(puppet_call(&p, write_lock, &rw));
        until = pawl_after_ms(4);
        CHECK_ERR(pawl_rwlock_read_lock_until(&rw, until), -ETIMEDOUT);
        CHECK(pawl_now() >= until);
        until = pawl_after_ms(4);
        CHECK_ERR(pawl_rwlock_write_lock_until(&rw, until), -ETIMEDOUT);
        CHECK(pawl_now() >= until);
        CHECK_OK(puppet_call(&p, write_unlock, &rw));
        check_is_free(&rw);
    }
    puppet_end(&p);
}

/* L-16: any thread may release a read lock, only the writer the write lock. */
TEST(rwlock.readers_are_not_known_and_the_writer_is)
{
    struct puppet p;

    puppet_begin(&p);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_rwlock rw = PAWL_RWLOCK_INIT_FLAGS(flags);

        if (!test_under_tsan()) { /* it believes that readers are known */
            CHECK_OK(puppet_call(&p, read_lock, &rw));
            CHECK_OK(puppet_call(&p, read_lock, &rw));
            CHECK_EQ(pawl_rwlock_readers(&rw), 2);
            CHECK_OK(pawl_rwlock_read_unlock(&rw));
            CHECK_OK(pawl_rwlock_read_unlock(&rw));
        }
        CHECK_ERR(pawl_rwlock_read_unlock(&rw), -EPERM);
        CHECK_OK(puppet_call(&p, write_lock, &rw));
        CHECK_EQ(puppet_call(&p, is_mine, &rw), 1);
        CHECK(!pawl_rwlock_is_mine(&rw));
        CHECK_ERR(pawl_rwlock_write_unlock(&rw), -EPERM);
        CHECK_ERR(pawl_rwlock_downgrade(&rw), -EPERM);
        CHECK_EQ(puppet_call(&p, is_mine, &rw), 1);
        CHECK_ERR(puppet_call(&p, write_lock, &rw), -EDEADLK);
        CHECK_ERR(puppet_call(&p, read_lock, &rw), -EDEADLK);
        CHECK_OK(puppet_call(&p, write_unlock, &rw));
        check_is_free(&rw);
    }
    puppet_end(&p);
}

/* ---- limits -------------------------------------------------------------- */

#define ONE_READER_WAITS (UINT64_C(1) << 8) /* see rwlock.c */
#define ONE_WRITER_WAITS (UINT64_C(1) << 46)
#define ONE_FORK (UINT64_C(1) << 22)

static void skip_under_tsan(void)
{
    if (test_under_tsan())
        TEST_SKIP("ThreadSanitizer allows a thread 64 read locks");
}

/* the bound on readers; nothing is added beyond. */
TEST(rwlock.too_many_readers_are_refused)
{
    skip_under_tsan();
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_rwlock rw = PAWL_RWLOCK_INIT_FLAGS(flags);

        for (int i = 0; i < PAWL_RWLOCK_READERS_MAX; i++)
            CHECK_OK(pawl_rwlock_read_lock(&rw));
        CHECK_ERR(pawl_rwlock_read_lock(&rw), -EOVERFLOW);
        CHECK_ERR(pawl_rwlock_read_lock_until(&rw, 0), -EOVERFLOW);
        CHECK_ERR(pawl_rwlock_try_read_lock(&rw), -EOVERFLOW);
        CHECK_EQ(pawl_rwlock_readers(&rw), PAWL_RWLOCK_READERS_MAX);
        CHECK_ERR(pawl_rwlock_try_write_lock(&rw), -EAGAIN);
        for (int i = 0; i < PAWL_RWLOCK_READERS_MAX; i++)
            CHECK_OK(pawl_rwlock_read_unlock(&rw));
        check_is_free(&rw);
    }
}

/* The same for those who wait.  So many threads are too dear: the counts are
 * written where they stand. */
TEST(rwlock.too_many_waiters_are_refused)
{
    struct puppet p;

    puppet_begin(&p);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_rwlock rw = PAWL_RWLOCK_INIT_FLAGS(flags);
        /* Those who wait belong to this process: see FORK in rwlock.c. */
        const uint64_t here = (pawl_fork_mark(flags != 0) & 15) * ONE_FORK;
        const uint64_t readers =
            here + PAWL_RWLOCK_READERS_MAX * ONE_READER_WAITS;
        const uint64_t writers =
            here + PAWL_RWLOCK_WRITERS_MAX * ONE_WRITER_WAITS;

        CHECK_OK(puppet_call(&p, write_lock, &rw));
        rw.word_.v_ += readers;
        CHECK_ERR(pawl_rwlock_read_lock(&rw), -EOVERFLOW);
        /* The downgrade would make one reader more than there may be. */
        CHECK_ERR(puppet_call(&p, downgrade, &rw), -EOVERFLOW);
        CHECK_EQ(puppet_call(&p, is_mine, &rw), 1);
        CHECK_EQ(pawl_rwlock_readers(&rw), 0);
        rw.word_.v_ -= readers;
        rw.word_.v_ += writers;
        CHECK_ERR(pawl_rwlock_write_lock(&rw), -EOVERFLOW);
        CHECK_ERR(pawl_rwlock_write_lock_until(&rw, pawl_after_s(1000)),
                  -EOVERFLOW);
        rw.word_.v_ -= writers;
        CHECK_OK(puppet_call(&p, downgrade, &rw));
        CHECK_OK(puppet_call(&p, read_unlock, &rw));
        check_is_free(&rw);
    }
    puppet_end(&p);
}

/* Readers that hold and readers that wait are bounded together: those who wait
 * may be admitted to those who hold. */
TEST(rwlock.waiting_readers_count_against_the_bound)
{
    struct puppet p;

    skip_under_tsan();
    puppet_begin(&p);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_rwlock rw = PAWL_RWLOCK_INIT_FLAGS(flags);

        for (int i = 0; i < PAWL_RWLOCK_READERS_MAX; i++)
            CHECK_OK(pawl_rwlock_read_lock(&rw));
        puppet_do(&p, write_lock, &rw, PAWL_FOREVER);
        puppet_until_asleep(&p);
        CHECK_ERR(pawl_rwlock_read_lock(&rw), -EOVERFLOW);
        for (int i = 0; i < PAWL_RWLOCK_READERS_MAX; i++)
            CHECK_OK(pawl_rwlock_read_unlock(&rw));
        CHECK_OK(puppet_result(&p));
        CHECK_OK(puppet_call(&p, write_unlock, &rw));
        check_is_free(&rw);
    }
    puppet_end(&p);
}

/* ---- who comes when ------------------------------------------------------ */

/* L-16: readers share; a writer waits for all of them. */
TEST(rwlock.writer_waits_for_the_last_reader)
{
    struct puppet p;

    puppet_begin(&p);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_rwlock rw = PAWL_RWLOCK_INIT_FLAGS(flags);

        CHECK_OK(pawl_rwlock_read_lock(&rw));
        CHECK_OK(pawl_rwlock_read_lock(&rw));
        puppet_do(&p, write_lock, &rw, PAWL_FOREVER);
        puppet_until_asleep(&p);
        CHECK_ERR(pawl_rwlock_destroy(&rw), -EBUSY);
        CHECK_OK(pawl_rwlock_read_unlock(&rw));
        puppet_until_asleep(&p);
        CHECK(!pawl_rwlock_is_write_locked(&rw));
        CHECK_OK(pawl_rwlock_read_unlock(&rw));
        CHECK_OK(puppet_result(&p));
        CHECK_OK(puppet_call(&p, write_unlock, &rw));
        check_is_free(&rw);
    }
    puppet_end(&p);
}

/* L-16, R-13: once a writer waits, newcomers wait behind it; when it is through
 * they all get in together, before the next writer. */
TEST(rwlock.phases_alternate)
{
    struct puppet r[2];
    struct puppet w[2];

    puppets_begin(r, 2);
    puppets_begin(w, 2);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_rwlock rw = PAWL_RWLOCK_INIT_FLAGS(flags);

        CHECK_OK(pawl_rwlock_read_lock(&rw));
        puppet_do(&w[0], write_lock, &rw, PAWL_FOREVER);
        puppet_until_asleep(&w[0]);
        CHECK_ERR(pawl_rwlock_try_read_lock(&rw), -EAGAIN);
        CHECK_ERR(pawl_rwlock_read_lock_until(&rw, 0), -ETIMEDOUT);
        for (int i = 0; i < 2; i++) {
            puppet_do(&r[i], read_lock, &rw,
                      i == 0 ? PAWL_FOREVER : pawl_after_s(1000));
            puppet_until_asleep(&r[i]);
        }
        CHECK_OK(pawl_rwlock_read_unlock(&rw));
        CHECK_OK(puppet_result(&w[0]));
        puppet_do(&w[1], write_lock, &rw, PAWL_FOREVER);
        puppet_until_asleep(&w[1]);
        CHECK_OK(puppet_call(&w[0], write_unlock, &rw));
        for (int i = 0; i < 2; i++)
            CHECK_OK(puppet_result(&r[i]));
        CHECK_EQ(pawl_rwlock_readers(&rw), 2);
        puppet_until_asleep(&w[1]);
        CHECK_OK(pawl_rwlock_read_unlock(&rw));
        CHECK_OK(pawl_rwlock_read_unlock(&rw));
        CHECK_OK(puppet_result(&w[1]));
        CHECK_OK(puppet_call(&w[1], write_unlock, &rw));
        check_is_free(&rw);
    }
    puppets_end(r, 2);
    puppets_end(w, 2);
}

/* L-16: the readers that a waiting writer holds back get in when it gives up,
 * beside the reader that holds the lock. */
TEST(rwlock.writer_that_times_out_lets_readers_in)
{
    struct puppet r;
    struct puppet w[2];

    puppet_begin(&r);
    puppets_begin(w, 2);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_rwlock rw = PAWL_RWLOCK_INIT_FLAGS(flags);

        CHECK_OK(pawl_rwlock_read_lock(&rw));
        puppet_do(&w[0], write_lock, &rw, pawl_after_ms(30));
        puppet_do(&r, read_lock, &rw, PAWL_FOREVER);
        CHECK_ERR(puppet_result(&w[0]), -ETIMEDOUT);
        CHECK_OK(puppet_result(&r));
        CHECK_EQ(pawl_rwlock_readers(&rw), 2);
        /* Not while another writer waits. */
        puppet_do(&w[0], write_lock, &rw, PAWL_FOREVER);
        puppet_until_asleep(&w[0]);
        puppet_do(&w[1], write_lock, &rw, pawl_after_ms(1));
        CHECK_ERR(puppet_result(&w[1]), -ETIMEDOUT);
        CHECK_ERR(pawl_rwlock_try_read_lock(&rw), -EAGAIN);
        CHECK_OK(pawl_rwlock_read_unlock(&rw));
        CHECK_OK(pawl_rwlock_read_unlock(&rw));
        CHECK_OK(puppet_result(&w[0]));
        CHECK_OK(puppet_call(&w[0], write_unlock, &rw));
        check_is_free(&rw);
    }
    puppet_end(&r);
    puppets_end(w, 2);
}

/* Of two writers that sleep the second still gets the lock if the first gives
 * up: what stands in the word for sleepers outlasts who wrote it. */
TEST(rwlock.writer_is_woken_after_another_timed_out)
{
    struct puppet w[3];

    puppets_begin(w, 3);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_rwlock rw = PAWL_RWLOCK_INIT_FLAGS(flags);

        CHECK_OK(pawl_rwlock_write_lock(&rw));
        puppet_do(&w[0], write_lock, &rw, pawl_after_ms(20));
        puppet_do(&w[1], write_lock, &rw, PAWL_FOREVER);
        puppet_do(&w[2], write_lock, &rw, PAWL_FOREVER);
        CHECK_ERR(puppet_result(&w[0]), -ETIMEDOUT);
        puppet_until_asleep(&w[1]);
        puppet_until_asleep(&w[2]);
        CHECK_OK(pawl_rwlock_write_unlock(&rw));
        for (int left = 2; left > 0; left--) {
            int who = 1 + puppets_first(&w[1], 2);

            CHECK_OK(puppet_result(&w[who]));
            CHECK_OK(puppet_call(&w[who], write_unlock, &rw));
        }
        check_is_free(&rw);
    }
    puppets_end(w, 3);
}

/* L-16: a reader that gives up is not counted on. */
TEST(rwlock.reader_that_times_out_leaves_no_trace)
{
    struct puppet r[2];

    puppets_begin(r, 2);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_rwlock rw = PAWL_RWLOCK_INIT_FLAGS(flags);

        CHECK_OK(pawl_rwlock_write_lock(&rw));
        puppet_do(&r[0], read_lock, &rw, pawl_after_ms(2));
        puppet_do(&r[1], read_lock, &rw, PAWL_FOREVER);
        CHECK_ERR(puppet_result(&r[0]), -ETIMEDOUT);
        puppet_until_asleep(&r[1]);
        CHECK_ERR(pawl_rwlock_destroy(&rw), -EBUSY);
        CHECK_OK(pawl_rwlock_write_unlock(&rw));
        CHECK_OK(puppet_result(&r[1]));
        CHECK_EQ(pawl_rwlock_readers(&rw), 1);
        CHECK_OK(pawl_rwlock_read_unlock(&rw));
        check_is_free(&rw);
    }
    puppets_end(r, 2);
}

/* L-16: downgrade: no writer gets between, readers that wait are admitted. */
TEST(rwlock.downgrade_admits_readers_and_no_writer)
{
    struct puppet r[2];
    struct puppet w;

    puppets_begin(r, 2);
    puppet_begin(&w);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_rwlock rw = PAWL_RWLOCK_INIT_FLAGS(flags);

        CHECK_OK(pawl_rwlock_write_lock(&rw));
        puppet_do(&w, write_lock, &rw, PAWL_FOREVER);
        puppet_until_asleep(&w);
        for (int i = 0; i < 2; i++) {
            puppet_do(&r[i], read_lock, &rw, PAWL_FOREVER);
            puppet_until_asleep(&r[i]);
        }
        CHECK_OK(pawl_rwlock_downgrade(&rw));
        CHECK(!pawl_rwlock_is_mine(&rw));
        CHECK(!pawl_rwlock_is_write_locked(&rw));
        CHECK_ERR(pawl_rwlock_write_unlock(&rw), -EPERM);
        CHECK_ERR(pawl_rwlock_downgrade(&rw), -EPERM);
        for (int i = 0; i < 2; i++)
            CHECK_OK(puppet_result(&r[i]));
        CHECK_EQ(pawl_rwlock_readers(&rw), 3);
        puppet_until_asleep(&w);
        for (int i = 0; i < 3; i++)
            CHECK_OK(pawl_rwlock_read_unlock(&rw));
        CHECK_OK(puppet_result(&w));
        CHECK_OK(puppet_call(&w, write_unlock, &rw));
        check_is_free(&rw);
    }
    puppets_end(r, 2);
    puppet_end(&w);
}

/* a writer that has slept for a millisecond is handed the lock: until it
 * has run, nobody else gets in. */
TEST(rwlock.starving_writer_is_handed_the_lock)
{
    struct puppet w;

    puppet_begin(&w);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_rwlock rw = PAWL_RWLOCK_INIT_FLAGS(flags);
        int overtakes = 0;

        CHECK_OK(pawl_rwlock_write_lock(&rw));
        puppet_do(&w, write_lock, &rw, PAWL_FOREVER);
        puppet_until_asleep(&w);
        /* Take it away from the sleeper again and again.  At the latest when it
         * has been woken after a millisecond, it reserves the lock. */
        for (;;) {
            pawl_deadline later = pawl_after_ms(2);

            while (pawl_now() < later)
                sched_yield();
            CHECK_OK(pawl_rwlock_write_unlock(&rw));
            if (pawl_rwlock_try_write_lock(&rw) != 0)
                break;
            overtakes++;
            CHECK(overtakes < 1000);
        }
        CHECK_OK(puppet_result(&w));
        CHECK_ERR(pawl_rwlock_try_write_lock(&rw), -EAGAIN);
        CHECK_OK(puppet_call(&w, write_unlock, &rw));
        check_is_free(&rw);
    }
    puppet_end(&w);
}

/* signals do not end a wait. */
TEST(rwlock.waits_outlast_signals)
{
    static const puppet_fn calls[] = {read_lock, write_lock};
    static const puppet_fn ends[] = {read_unlock, write_unlock};

    allow_interruptions();
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        for (int k = 0; k < 2; k++) {
            pawl_rwlock rw = PAWL_RWLOCK_INIT_FLAGS(flags);
            struct puppet p;

            puppet_begin(&p);
            CHECK_OK(pawl_rwlock_write_lock(&rw));
            puppet_do(&p, calls[k], &rw, pawl_after_s(1000));
            for (int i = 0; i < 20; i++) {
                puppet_until_asleep(&p);
                interrupt(test_tid(p.thread));
            }
            puppet_until_asleep(&p);
            CHECK_OK(pawl_rwlock_write_unlock(&rw));
            CHECK_OK(puppet_result(&p));
            CHECK_OK(puppet_call(&p, ends[k], &rw));
            check_is_free(&rw);
            puppet_end(&p);
        }
    }
}

/* ---- a reader that does not run for long --------------------------------- */

static _Atomic int is_held_up;
static _Atomic int may_run_on;

static void hold_up(int number)
{
    (void)number;
    atomic_store(&is_held_up, 1);
    while (atomic_load(&may_run_on) == 0)
        sched_yield();
}

/* Have SIGUSR2 hold its thread up; `flags` as for sigaction. */
static void allow_hold_ups(int flags)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = hold_up;
    action.sa_flags = flags;
    CHECK_EQ(sigaction(SIGUSR2, &action, NULL), 0);
}

static void hold_up_now(struct puppet *p)
{
    atomic_store(&is_held_up, 0);
    atomic_store(&may_run_on, 0);
    CHECK_EQ(syscall(SYS_tgkill, getpid(), test_tid(p->thread), SIGUSR2), 0);
    while (atomic_load(&is_held_up) == 0)
        sched_yield();
}

static void begin_hold_up(struct puppet *p)
{
    puppet_until_asleep(p);
    hold_up_now(p);
}

static void end_hold_up(void)
{
    atomic_store(&may_run_on, 1);
}

/* The word without the marks, which may be left of those who slept. */
static uint64_t counts_of(const pawl_rwlock *rw)
{
    return __atomic_load_n(&rw->word_.v_, __ATOMIC_RELAXED) >> 8;
}

/* A writer gives up, and a reader behind it gets in. */
static void let_a_phase_go_by(pawl_rwlock *rw, struct puppet *w,
                              struct puppet *r)
{
    puppet_do(w, write_lock, rw, pawl_after_us(500));
    while (!puppet_has_result(w) && pawl_rwlock_try_read_lock(rw) == 0)
        CHECK_OK(pawl_rwlock_read_unlock(rw));
    puppet_do(r, read_lock, rw, PAWL_FOREVER);
    CHECK_ERR(puppet_result(w), -ETIMEDOUT);
    CHECK_OK(puppet_result(r));
    CHECK_OK(puppet_call(r, read_unlock, rw));
}

/* A reader that has been admitted but does not run yet holds the lock, and
 * finds that out however many phases have gone by: also if the word is again
 * what it was when one reader held it before. */
TEST(rwlock.admitted_reader_may_run_many_phases_later)
{
    enum { PHASES = 300 };
    pawl_rwlock rw = PAWL_RWLOCK_INIT;
    struct puppet late;
    struct puppet r;
    struct puppet w;
    uint64_t one_reader;

    if (test_under_tsan())
        TEST_SKIP("ThreadSanitizer delays signal handlers");
    allow_hold_ups(0);
    puppet_begin(&late);
    puppet_begin(&r);
    puppet_begin(&w);
    CHECK_OK(pawl_rwlock_read_lock(&rw));
    one_reader = counts_of(&rw);
    CHECK_OK(pawl_rwlock_read_unlock(&rw));
    CHECK_OK(pawl_rwlock_write_lock(&rw));
    puppet_do(&late, read_lock, &rw, PAWL_FOREVER);
    begin_hold_up(&late);
    CHECK_OK(pawl_rwlock_write_unlock(&rw)); /* admits it */
    CHECK_EQ(pawl_rwlock_readers(&rw), 1);
    for (int i = 0; i < PHASES && counts_of(&rw) != one_reader; i++)
        let_a_phase_go_by(&rw, &w, &r);
    CHECK_EQ(pawl_rwlock_readers(&rw), 1);
    end_hold_up();
    CHECK_OK(puppet_result(&late));
    CHECK_OK(puppet_call(&late, read_unlock, &rw));
    check_is_free(&rw);
    puppet_end(&late);
    puppet_end(&r);
    puppet_end(&w);
}

/* A writer waits for `ms`, and a reader behind it, which is held up.  False: the writer
 * has given up before that; both are gone. */
static bool holds_up_behind(pawl_rwlock *rw, struct puppet *w, int ms,
                            struct puppet *late)
{
    puppet_do(w, write_lock, rw, pawl_after_ms(ms));
    while (!puppet_has_result(w) && pawl_rwlock_try_read_lock(rw) == 0)
        CHECK_OK(pawl_rwlock_read_unlock(rw));
    puppet_do(late, read_lock, rw, PAWL_FOREVER);
    while (!puppet_has_result(w) && !test_is_asleep(test_tid(late->thread)))
        sched_yield();
    hold_up_now(late);
    if (!puppet_has_result(w))
        return true;
    end_hold_up();
    CHECK_ERR(puppet_result(w), -ETIMEDOUT);
    CHECK_OK(puppet_result(late));
    CHECK_OK(puppet_call(late, read_unlock, rw));
    return false;
}

/* A reader may be admitted between its look at the word and its sleep.  Then it
 * must not fall asleep, though the word looks much the same: another writer
 * waits, and another reader behind that.  (The kernel repeats the sleep after a
 * signal handler with SA_RESTART, which brings this about at will.) */
TEST(rwlock.admitted_reader_does_not_fall_asleep)
{
    if (test_under_tsan())
        TEST_SKIP("ThreadSanitizer delays signal handlers");
    allow_hold_ups(SA_RESTART);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_rwlock rw = PAWL_RWLOCK_INIT_FLAGS(flags);
        struct puppet late;
        struct puppet r;
        struct puppet w[2];

        puppet_begin(&late);
        puppet_begin(&r);
        puppets_begin(w, 2);
        CHECK_OK(pawl_rwlock_read_lock(&rw));
        for (int ms = 50; !holds_up_behind(&rw, &w[0], ms, &late);)
            ms *= 2;
        CHECK_ERR(puppet_result(&w[0]), -ETIMEDOUT); /* admits it */
        CHECK_EQ(pawl_rwlock_readers(&rw), 2);
        puppet_do(&w[1], write_lock, &rw, PAWL_FOREVER);
        puppet_until_asleep(&w[1]);
        puppet_do(&r, read_lock, &rw, PAWL_FOREVER);
        puppet_until_asleep(&r);
        end_hold_up();
        CHECK_OK(puppet_result(&late));
        CHECK_OK(puppet_call(&late, read_unlock, &rw));
        CHECK_OK(pawl_rwlock_read_unlock(&rw));
        CHECK_OK(puppet_result(&w[1]));
        CHECK_OK(puppet_call(&w[1], write_unlock, &rw));
        CHECK_OK(puppet_result(&r));
        CHECK_OK(puppet_call(&r, read_unlock, &rw));
        check_is_free(&rw);
        puppet_end(&late);
        puppet_end(&r);
        puppets_end(w, 2);
    }
}

/* ---- death of the writer ------------------------------------------------- */

static void write_and_die(void *rw)
{
    CHECK_OK(pawl_rwlock_write_lock(rw));
}

static int unlock_downgraded(pawl_rwlock *rw)
{
    CHECK_OK(pawl_rwlock_downgrade(rw));
    CHECK_EQ(pawl_rwlock_readers(rw), 1);
    return pawl_rwlock_read_unlock(rw);
}

/* R-10, L-08, L-16: the first to come after a dead writer, by whichever call,
 * is the writer and is told; it repairs, and goes on by unlock or downgrade. */
TEST(rwlock.death_of_the_writer_is_reported_to_the_next)
{
    static const puppet_fn calls[] = {read_lock, write_lock, try_read_lock,
                                      try_write_lock};

    for (int k = 0; k < 4; k++) {
        for (int by_downgrade = 0; by_downgrade < 2; by_downgrade++) {
            pawl_rwlock rw = PAWL_RWLOCK_INIT;

            test_join(test_thread(write_and_die, &rw));
            CHECK(pawl_rwlock_is_write_locked(&rw));
            CHECK(!pawl_rwlock_is_mine(&rw));
            CHECK_ERR(pawl_rwlock_write_unlock(&rw), -EPERM);
            CHECK_ERR(pawl_rwlock_consistent(&rw), -EPERM);
            CHECK_ERR(pawl_rwlock_destroy(&rw), -EBUSY);
            CHECK_ERR(calls[k](&rw, 0), -EOWNERDEAD);
            CHECK(pawl_rwlock_is_mine(&rw));
            CHECK_EQ(pawl_rwlock_readers(&rw), 0);
            CHECK_ERR(pawl_rwlock_downgrade(&rw), -EPERM);
            CHECK_ERR(pawl_rwlock_try_read_lock(&rw), -EAGAIN);
            CHECK_ERR(pawl_rwlock_read_lock(&rw), -EDEADLK);
            CHECK_ERR(pawl_rwlock_read_unlock(&rw), -EPERM);
            CHECK(pawl_rwlock_is_mine(&rw));
            CHECK_OK(pawl_rwlock_consistent(&rw));
            CHECK_ERR(pawl_rwlock_consistent(&rw), -EINVAL);
            if (by_downgrade)
                CHECK_OK(unlock_downgraded(&rw));
            else
                CHECK_OK(pawl_rwlock_write_unlock(&rw));
            check_is_free(&rw);
        }
    }
}

/* not repaired, it is lost for everybody, until init. */
TEST(rwlock.not_repaired_it_is_lost)
{
    pawl_rwlock rw = PAWL_RWLOCK_INIT;
    pawl_rwlock_guard g;

    test_join(test_thread(write_and_die, &rw));
    CHECK_ERR(pawl_rwlock_read_lock(&rw), -EOWNERDEAD);
    CHECK_OK(pawl_rwlock_write_unlock(&rw));
    for (int round = 0; round < 2; round++) {
        CHECK_ERR(pawl_rwlock_read_lock(&rw), -ENOTRECOVERABLE);
        CHECK_ERR(pawl_rwlock_write_lock(&rw), -ENOTRECOVERABLE);
        CHECK_ERR(pawl_rwlock_read_lock_until(&rw, 0), -ENOTRECOVERABLE);
        CHECK_ERR(pawl_rwlock_write_lock_until(&rw, 0), -ENOTRECOVERABLE);
        CHECK_ERR(pawl_rwlock_try_read_lock(&rw), -ENOTRECOVERABLE);
        CHECK_ERR(pawl_rwlock_try_write_lock(&rw), -ENOTRECOVERABLE);
        CHECK_ERR(pawl_rwlock_read_unlock(&rw), -EPERM);
        CHECK_ERR(pawl_rwlock_write_unlock(&rw), -EPERM);
        CHECK_ERR(pawl_rwlock_downgrade(&rw), -EPERM);
        CHECK_ERR(pawl_rwlock_consistent(&rw), -EPERM);
        g = pawl_rwlock_guard_read(&rw, PAWL_FOREVER);
        CHECK(g.rwlock == NULL && g.err == -ENOTRECOVERABLE);
        CHECK(!pawl_rwlock_is_mine(&rw));
        CHECK(!pawl_rwlock_is_write_locked(&rw));
        CHECK_EQ(pawl_rwlock_readers(&rw), 0);
        CHECK_OK(pawl_rwlock_destroy(&rw));
    }
    CHECK_OK(pawl_rwlock_init(&rw, 0));
    check_is_free(&rw);
}

/* those who wait are told too, and nobody of them gets in. */
TEST(rwlock.not_repaired_it_is_lost_for_those_who_wait)
{
    enum { READERS = 2, WRITERS = 2 };

    for (int with_writers = 0; with_writers <= WRITERS; with_writers++) {
        pawl_rwlock rw = PAWL_RWLOCK_INIT;
        struct puppet p[READERS + WRITERS];
        int n = READERS + with_writers;

        puppets_begin(p, n);
        test_join(test_thread(write_and_die, &rw));
        CHECK_ERR(pawl_rwlock_write_lock(&rw), -EOWNERDEAD);
        for (int i = 0; i < n; i++) {
            puppet_do(&p[i], i < READERS ? read_lock : write_lock, &rw,
                      PAWL_FOREVER);
            puppet_until_asleep(&p[i]);
        }
        CHECK_OK(pawl_rwlock_write_unlock(&rw));
        for (int i = 0; i < n; i++)
            CHECK_ERR(puppet_result(&p[i]), -ENOTRECOVERABLE);
        CHECK_EQ(pawl_rwlock_readers(&rw), 0);
        CHECK_OK(pawl_rwlock_destroy(&rw));
        CHECK_ERR(pawl_rwlock_try_read_lock(&rw), -ENOTRECOVERABLE);
        puppets_end(p, n);
    }
}

static int repair_and_unlock(void *rw, pawl_deadline until)
{
    (void)until;
    CHECK_OK(pawl_rwlock_consistent(rw));
    return pawl_rwlock_write_unlock(rw);
}

/* sleepers are woken by the death itself; exactly one of them, reader or
 * writer, becomes the writer, and the others go on waiting. */
TEST(rwlock.death_of_the_writer_wakes_a_sleeper)
{
    enum { SLEEPERS = 4 };

    for (int readers = 0; readers <= SLEEPERS; readers++) {
        pawl_rwlock rw = PAWL_RWLOCK_INIT;
        struct puppet writer;
        struct puppet p[SLEEPERS];
        int dead = 0;

        puppet_begin(&writer);
        puppets_begin(p, SLEEPERS);
        CHECK_OK(puppet_call(&writer, write_lock, &rw));
        for (int i = 0; i < SLEEPERS; i++) {
            puppet_do(&p[i], i < readers ? read_lock : write_lock, &rw,
                      PAWL_FOREVER);
            puppet_until_asleep(&p[i]);
        }
        puppet_end(&writer); /* dies */
        for (int left = SLEEPERS; left > 0; left--) {
            int who = puppets_first(p, SLEEPERS);

            if (puppet_result(&p[who]) == -EOWNERDEAD) {
                dead++;
                CHECK_EQ(puppet_call(&p[who], is_mine, &rw), 1);
                CHECK_OK(puppet_call(&p[who], repair_and_unlock, &rw));
            } else {
                CHECK_OK(p[who].result);
                CHECK_OK(puppet_call(
                    &p[who], who < readers ? read_unlock : write_unlock, &rw));
            }
        }
        CHECK_EQ(dead, 1);
        check_is_free(&rw);
        puppets_end(p, SLEEPERS);
    }
}

/* ---- guards -------------------------------------------------------------- */

static int read_guarded(pawl_rwlock *rw, pawl_deadline until)
{
    PAWL_READ_GUARD_UNTIL(held, rw, until);
    if (held.err == 0) {
        CHECK_EQ(pawl_rwlock_readers(rw), 1);
        CHECK(!held.writing);
    }
    return held.err;
}

static int write_guarded(pawl_rwlock *rw, pawl_deadline until)
{
    PAWL_WRITE_GUARD_UNTIL(held, rw, until);
    if (held.err == 0 || held.err == -EOWNERDEAD)
        CHECK(pawl_rwlock_is_mine(rw));
    if (held.err == -EOWNERDEAD)
        CHECK_OK(pawl_rwlock_consistent(rw));
    return held.err;
}

/* R-16, L-07: the guards release what they got, also after -EOWNERDEAD, and do
 * nothing if they got nothing. */
TEST(rwlock.guards_release_what_they_got)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_rwlock rw = PAWL_RWLOCK_INIT_FLAGS(flags);

        CHECK_OK(read_guarded(&rw, PAWL_FOREVER));
        check_is_free(&rw);
        CHECK_OK(write_guarded(&rw, PAWL_FOREVER));
        check_is_free(&rw);
        {
            PAWL_READ_GUARD(outer, &rw);
            CHECK_OK(outer.err);
            CHECK_ERR(write_guarded(&rw, 0), -ETIMEDOUT);
            CHECK_EQ(pawl_rwlock_readers(&rw), 1);
            pawl_rwlock_guard_end(&outer);
            pawl_rwlock_guard_end(&outer); /* a second time does nothing */
            CHECK_EQ(pawl_rwlock_readers(&rw), 0);
        }
        {
            PAWL_WRITE_GUARD(outer, &rw);
            CHECK_OK(outer.err);
            CHECK_ERR(read_guarded(&rw, 0), -EDEADLK);
            CHECK_ERR(write_guarded(&rw, 0), -EDEADLK);
            CHECK(pawl_rwlock_is_mine(&rw));
        }
        check_is_free(&rw);
    }
}

TEST(rwlock.guards_cope_with_a_death)
{
    pawl_rwlock rw = PAWL_RWLOCK_INIT;

    test_join(test_thread(write_and_die, &rw));
    CHECK_ERR(write_guarded(&rw, PAWL_FOREVER), -EOWNERDEAD);
    check_is_free(&rw);
    test_join(test_thread(write_and_die, &rw));
    {
        PAWL_READ_GUARD(held, &rw);
        CHECK_ERR(held.err, -EOWNERDEAD);
        CHECK(held.writing);
        CHECK_OK(pawl_rwlock_consistent(&rw));
    }
    check_is_free(&rw);
    test_join(test_thread(write_and_die, &rw));
    CHECK_ERR(read_guarded(&rw, PAWL_FOREVER), -EOWNERDEAD);
    CHECK_ERR(read_guarded(&rw, PAWL_FOREVER), -ENOTRECOVERABLE);
}

/* ---- memory order -------------------------------------------------------- */

static pawl_rwlock guard_of_data = PAWL_RWLOCK_INIT;
static int data;
static _Atomic int is_written;

static int write_data(void *by_downgrade, pawl_deadline until)
{
    (void)until;
    CHECK_OK(pawl_rwlock_write_lock(&guard_of_data));
    data = 5;
    if (*(int *)by_downgrade) {
        CHECK_OK(pawl_rwlock_downgrade(&guard_of_data));
        atomic_store_explicit(&is_written, 1, memory_order_relaxed);
        CHECK_OK(pawl_rwlock_read_unlock(&guard_of_data));
    } else {
        CHECK_OK(pawl_rwlock_write_unlock(&guard_of_data));
        atomic_store_explicit(&is_written, 1, memory_order_relaxed);
    }
    return 0;
}

/* what the writer wrote is seen by readers and by the next writer, after
 * unlock and after downgrade. */
TEST(rwlock.writes_are_published)
{
    struct puppet p;

    puppet_begin(&p);
    for (int k = 0; k < 4; k++) {
        int by_downgrade = k / 2;

        data = 0;
        atomic_store(&is_written, 0);
        puppet_do(&p, write_data, &by_downgrade, 0);
        while (atomic_load_explicit(&is_written, memory_order_relaxed) == 0)
            sched_yield();
        if (k % 2 == 0) {
            CHECK_OK(pawl_rwlock_read_lock(&guard_of_data));
            CHECK_EQ(data, 5);
            CHECK_OK(pawl_rwlock_read_unlock(&guard_of_data));
        } else {
            CHECK_OK(pawl_rwlock_write_lock(&guard_of_data));
            CHECK_EQ(data, 5);
            data = 6;
            CHECK_OK(pawl_rwlock_write_unlock(&guard_of_data));
        }
        CHECK_OK(puppet_result(&p));
    }
    puppet_end(&p);
}
