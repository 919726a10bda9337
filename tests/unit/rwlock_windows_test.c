/* SPDX-License-Identifier: MIT
 *
 * rwlock_windows_test.c - forks while a writer is between two instructions (see
 * seam.h): it holds the lock without being named (K-02).
 */
#include <sys/mman.h>

#include "atomic/ops.h"
#include "seam.h"

static struct stop here;
static _Thread_local struct stop *stop_after_take;
static _Thread_local struct stop *stop_before_release;
static _Thread_local struct stop *stop_after_release;

/* At once, or after a wait. */
static inline bool seam_take(pawl_u64 *word, uint64_t *seen, uint64_t as)
{
    bool taken = pawl_cas64_acquire(word, seen, as);

    if (taken)
        stop_here(&stop_after_take);
    return taken;
}

static inline bool seam_take_late(pawl_u64 *word, uint64_t *seen, uint64_t as)
{
    bool taken = pawl_cas64_acq_rel(word, seen, as);

    if (taken)
        stop_here(&stop_after_take);
    return taken;
}

static inline bool seam_release(pawl_u64 *word, uint32_t seen, uint32_t as)
{
    bool released;

    stop_here(&stop_before_release);
    released = pawl_cas_low_release(word, seen, as);
    stop_here(&stop_after_release);
    return released;
}

#define pawl_cas64_acquire seam_take
#define pawl_cas64_acq_rel seam_take_late
#define pawl_cas_low_release seam_release

#include "futex/rwlock.c"

static int lock_it(void *rw)
{
    return pawl_rwlock_write_lock(rw);
}

static int lock_stop_after(void *rw)
{
    stop_after_take = &here;
    return lock_it(rw);
}

static int unlock_it(void *rw)
{
    return pawl_rwlock_write_unlock(rw);
}

static int unlock_stop_before(void *rw)
{
    stop_before_release = &here;
    return unlock_it(rw);
}

static int unlock_stop_after(void *rw)
{
    stop_after_release = &here;
    return unlock_it(rw);
}

static void take_it(void *rw)
{
    CHECK_OK(pawl_rwlock_try_write_lock(rw));
    CHECK_OK(pawl_rwlock_write_unlock(rw));
}

static void inherit_it(void *rw)
{
    CHECK_ERR(pawl_rwlock_try_write_lock(rw), -EOWNERDEAD);
    CHECK_OK(pawl_rwlock_consistent(rw));
    CHECK_OK(pawl_rwlock_write_unlock(rw));
    take_it(rw);
}

/* In a child of the fork, while the visitor stands at its stop. */
static void in_child_at_stop(test_fn fn, void *rw)
{
    stop_await(&here);
    test_wait_child(test_spawn_child(fn, rw));
    stop_release(&here);
}

TEST(rwlock_window.a_fork_before_the_writer_is_named_orphans_it)
{
    pawl_rwlock rw = PAWL_RWLOCK_INIT;
    struct visitor v;

    stop_make(&here);
    visitor_start(&v, lock_stop_after, unlock_it, &rw);
    in_child_at_stop(inherit_it, &rw);
    CHECK_OK(visitor_passes(&v));
    take_it(&rw);
}

TEST(rwlock_window.a_fork_after_the_name_is_erased_orphans_it)
{
    pawl_rwlock rw = PAWL_RWLOCK_INIT;
    struct visitor v;

    stop_make(&here);
    visitor_start(&v, lock_it, unlock_stop_before, &rw);
    CHECK_OK(visitor_enters(&v));
    door_open(&v.go);
    in_child_at_stop(inherit_it, &rw);
    CHECK_OK(visitor_leaves(&v));
    take_it(&rw);
}

/* Once released, the lock may be gone, though its last writer is perhaps still
 * on its way out. */
static void take_another(void *unused)
{
    pawl_rwlock rw = PAWL_RWLOCK_INIT;

    (void)unused;
    take_it(&rw);
}

TEST(rwlock_window.a_fork_after_the_release_looks_at_nothing)
{
    pawl_rwlock *rw = mmap(NULL, sizeof *rw, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct visitor v;

    CHECK(rw != MAP_FAILED);
    stop_make(&here);
    visitor_start(&v, lock_it, unlock_stop_after, rw);
    CHECK_OK(visitor_enters(&v));
    door_open(&v.go);
    stop_await(&here);
    take_it(rw);
    CHECK_OK(pawl_rwlock_destroy(rw));
    CHECK_EQ(munmap(rw, sizeof *rw), 0);
    test_wait_child(test_spawn_child(take_another, NULL));
    stop_release(&here);
    CHECK_OK(visitor_leaves(&v));
}

/* A writer of the child that is not named yet is no vanished one. */
static void take_and_look(void *rw)
{
    struct visitor v;

    visitor_start(&v, lock_stop_after, unlock_it, rw);
    stop_await(&here);
    CHECK_ERR(pawl_rwlock_try_write_lock(rw), -EAGAIN);
    CHECK_ERR(pawl_rwlock_try_read_lock(rw), -EAGAIN);
    stop_release(&here);
    CHECK_OK(visitor_passes(&v));
    take_it(rw);
}

TEST(rwlock_window.the_child_s_own_writers_do_not_orphan_it)
{
    pawl_rwlock rw = PAWL_RWLOCK_INIT;

    stop_make(&here);
    take_it(&rw);
    test_wait_child(test_spawn_child(take_and_look, &rw));
    take_and_look(&rw);
}
