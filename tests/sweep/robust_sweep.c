/* SPDX-License-Identifier: MIT
 *
 * robust_sweep.c - R-10, L-15, L-16, C-10, H-01, H-02: locks, a once and a
 * semaphore in a region, with a process that is killed at any instruction: while it holds them, waits
 * for them, or is handed them.  The others go on, and are told of a dead holder if
 * there was one.
 */
#include <pawl/cond.h>
#include <pawl/error.h>
#include <pawl/event.h>
#include <pawl/mutex.h>
#include <pawl/once.h>
#include <pawl/rmutex.h>
#include <pawl/rwlock.h>
#include <pawl/sem.h>

#include "futex/mutex_core.h"
#include "swept_robust.h"

struct scene {
    pawl_mutex mutex;
    pawl_rmutex recursive;
    pawl_rwlock rwlock;
    pawl_cond cond;
    pawl_once once;
    pawl_sem sem;
    int done;    /* by the once */
    int inside;  /* the victim certainly holds it; under the lock */
    int changed; /* by the victim and others, twice each */
    bool called; /* the victim's notify has returned; under the mutex */
    int woken;   /* of the others; under the mutex */
    int calls;   /* of `asleep` */
    pawl_event go_on;
};

static void make(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_mutex_init(&s->mutex, PAWL_SHARED));
    CHECK_OK(pawl_rmutex_init(&s->recursive, PAWL_SHARED));
    CHECK_OK(pawl_rwlock_init(&s->rwlock, PAWL_SHARED));
    CHECK_OK(pawl_cond_init(&s->cond, PAWL_SHARED));
    CHECK_OK(pawl_once_init(&s->once, PAWL_SHARED));
    CHECK_OK(pawl_sem_init(&s->sem, 0, PAWL_SHARED));
    CHECK_OK(pawl_event_init(&s->go_on, PAWL_SHARED));
}

/* -- Mutex ----------------------------------------------------------------- */

/* What it guards is changed twice: odd in between, which only a death shows. */
static void change(struct scene *s)
{
    CHECK_EQ(s->changed % 2, 0);
    s->changed++;
    s->changed++;
}

static void repair(struct scene *s, int err)
{
    CHECK(err == 0 || err == -EOWNERDEAD);
    if (err == 0) {
        CHECK_EQ(s->inside, 0);
        return;
    }
    s->changed += s->changed % 2;
    s->inside = 0;
}

static void mutex_take(struct scene *s)
{
    int err = pawl_mutex_lock_until(&s->mutex, soon());

    repair(s, err);
    if (err == -EOWNERDEAD)
        CHECK_OK(pawl_mutex_consistent(&s->mutex));
}

static void mutex_use(void *object)
{
    struct scene *s = object;

    mutex_take(s);
    change(s);
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
}

static void mutex_victim(void *object)
{
    struct scene *s = object;
    int err = pawl_mutex_lock(&s->mutex);

    CHECK_OK(err);
    s->inside = 1;
    change(s);
    s->inside = 0;
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
}

static void mutex_unlock(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_mutex_unlock(&s->mutex));
}

static void mutex_warm_and_lock(void *object)
{
    struct scene *s = object;

    warm_robust(object);
    CHECK_OK(pawl_mutex_lock(&s->mutex));
}

static void mutex_make_held(void *object)
{
    struct scene *s = object;

    make(object);
    CHECK_OK(pawl_mutex_lock(&s->mutex));
}

static void mutex_one_sleeps(void *object)
{
    sleeper_start(mutex_use, object);
}

/* Until it starves, which takes it a millisecond. */
static void mutex_one_starves(void *object)
{
    struct scene *s = object;

    sleeper_start(mutex_use, object);
    while ((__atomic_load_n(&s->mutex.word_.v_, __ATOMIC_RELAXED) &
            PAWL_M_NAMED) == 0)
        sched_yield();
}

static void mutex_join(void *object)
{
    sleeper_join();
    mutex_use(object);
    mutex_use(object);
}

static void mutex_unlock_and_use(void *object)
{
    struct scene *s = object;

    if (pawl_mutex_is_mine(&s->mutex))
        mutex_unlock(object);
    mutex_use(object);
    mutex_use(object);
}

static void mutex_unlock_once(void *object)
{
    struct scene *s = object;

    if (s->calls++ == 0)
        mutex_unlock(object);
}

static void mutex_unlock_and_join(void *object)
{
    struct scene *s = object;

    if (pawl_mutex_is_mine(&s->mutex))
        mutex_unlock(object);
    mutex_join(object);
}

/* One that sleeps before the victim does: the victim is woken second. */
static void mutex_hold_one_sleeps(void *object)
{
    mutex_one_sleeps(object);
}

static void mutex_is_lost(void *object)
{
    struct scene *s = object;
    int err = pawl_mutex_lock_until(&s->mutex, soon());

    if (err == -EOWNERDEAD) { /* not repaired */
        CHECK_OK(pawl_mutex_unlock(&s->mutex));
        CHECK_ERR(pawl_mutex_lock_until(&s->mutex, soon()), -ENOTRECOVERABLE);
    } else {
        CHECK_OK(err);
        CHECK_OK(pawl_mutex_unlock(&s->mutex));
    }
}

#define CASE(text, ...)                                                        \
    {                                                                          \
        {.name = text, .size = sizeof(struct scene), __VA_ARGS__}, KILLED,     \
            NULL                                                               \
    }

static const struct swept mutexes[] = {
    CASE("robust mutex, lock and unlock", .prepare = make, .warm = warm_robust,
         .victim = mutex_victim, .others = mutex_unlock_and_use),
    CASE("robust mutex, lock and unlock; not repaired", .prepare = make,
         .warm = warm_robust, .victim = mutex_victim, .others = mutex_is_lost),
    CASE("robust mutex, unlock, one sleeps", .prepare = make,
         .warm = mutex_warm_and_lock, .armed = mutex_one_sleeps,
         .victim = mutex_unlock, .others = mutex_join, .leftovers = true),
    CASE("robust mutex, unlock, one starves", .prepare = make,
         .warm = mutex_warm_and_lock, .armed = mutex_one_starves,
         .victim = mutex_unlock, .others = mutex_join, .leftovers = true),
    CASE("robust mutex, lock, waiting", .prepare = mutex_make_held,
         .warm = warm_robust, .victim = mutex_victim,
         .asleep = mutex_unlock_once, .others = mutex_unlock_and_use),
    CASE("robust mutex, lock, waiting behind one", .prepare = mutex_make_held,
         .warm = warm_robust, .armed = mutex_hold_one_sleeps,
         .victim = mutex_victim, .asleep = mutex_unlock_once,
         .others = mutex_unlock_and_join, .leftovers = true),
};

TEST(robust.mutex_in_a_region_survives_sweeps)
{
    put_all_in_a_region();
    SWEEP_TABLE(mutexes);
}

/* One that waits is stopped, not killed: what is reserved for it goes to others. */
static const struct sweep_case stopped = {
    .name = "robust mutex, lock, waiting",
    .size = sizeof(struct scene),
    .prepare = mutex_make_held,
    .warm = warm_robust,
    .victim = mutex_victim,
    .others = mutex_unlock_and_use,
    .budget = 20000,
};

TEST(robust.a_waiter_that_is_stopped_is_in_nobodys_way)
{
    put_all_in_a_region();
    sweep(&stopped, SWEEP_FREEZE);
}

/* -- Recursive mutex --------------------------------------------------------- */

static void rmutex_victim(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_rmutex_lock(&s->recursive));
    CHECK_OK(pawl_rmutex_lock(&s->recursive));
    s->inside = 1;
    change(s);
    s->inside = 0;
    CHECK_OK(pawl_rmutex_unlock(&s->recursive));
    CHECK_OK(pawl_rmutex_unlock(&s->recursive));
}

static void rmutex_use(void *object)
{
    struct scene *s = object;
    int err = pawl_rmutex_lock_until(&s->recursive, soon());

    repair(s, err);
    CHECK_EQ(pawl_rmutex_depth(&s->recursive), 1);
    if (err == -EOWNERDEAD)
        CHECK_OK(pawl_rmutex_consistent(&s->recursive));
    CHECK_OK(pawl_rmutex_lock(&s->recursive));
    change(s);
    CHECK_OK(pawl_rmutex_unlock(&s->recursive));
    CHECK_OK(pawl_rmutex_unlock(&s->recursive));
}

static const struct swept rmutexes[] = {
    CASE("robust rmutex, lock and unlock", .prepare = make, .warm = warm_robust,
         .victim = rmutex_victim, .others = rmutex_use),
};

TEST(robust.rmutex_in_a_region_survives_sweeps)
{
    put_all_in_a_region();
    SWEEP_TABLE(rmutexes);
}

/* -- Reader/writer lock ------------------------------------------------------- */

static void write_victim(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_rwlock_write_lock(&s->rwlock));
    s->inside = 1;
    change(s);
    s->inside = 0;
    CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
}

static void read_victim(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_rwlock_read_lock(&s->rwlock));
    CHECK_EQ(s->changed % 2, 0);
    CHECK_OK(pawl_rwlock_read_unlock(&s->rwlock));
}

static void downgrade_victim(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_rwlock_write_lock(&s->rwlock));
    s->inside = 1;
    change(s);
    s->inside = 0;
    CHECK_OK(pawl_rwlock_downgrade(&s->rwlock));
    CHECK_OK(pawl_rwlock_read_unlock(&s->rwlock));
}

/* In place of a dead writer the caller is one, whatever it asked for. */
static void repair_rwlock(struct scene *s, int err)
{
    repair(s, err);
    if (err == -EOWNERDEAD)
        CHECK_OK(pawl_rwlock_consistent(&s->rwlock));
}

static void write_use(void *object)
{
    struct scene *s = object;

    repair_rwlock(s, pawl_rwlock_write_lock_until(&s->rwlock, soon()));
    CHECK(pawl_rwlock_is_mine(&s->rwlock));
    change(s);
    CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
}

static void read_use(void *object)
{
    struct scene *s = object;
    int err = pawl_rwlock_read_lock_until(&s->rwlock, soon());

    repair_rwlock(s, err);
    if (err == -EOWNERDEAD)
        CHECK_OK(pawl_rwlock_downgrade(&s->rwlock));
    CHECK_EQ(s->changed % 2, 0);
    CHECK_OK(pawl_rwlock_read_unlock(&s->rwlock));
}

static void rwlock_use(void *object)
{
    struct scene *s = object;

    read_use(object);
    write_use(object);
    read_use(object);
    CHECK_EQ(pawl_rwlock_readers(&s->rwlock), 0);
    CHECK_OK(pawl_rwlock_destroy(&s->rwlock));
}

static void write_use_first(void *object)
{
    write_use(object);
    rwlock_use(object);
}

/* By trying alone: nobody shall be kept out by the dead. */
static void rwlock_try(void *object)
{
    struct scene *s = object;
    int err = pawl_rwlock_try_write_lock(&s->rwlock);

    repair_rwlock(s, err);
    CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
    CHECK_OK(pawl_rwlock_try_read_lock(&s->rwlock));
    CHECK_OK(pawl_rwlock_read_unlock(&s->rwlock));
}

static void make_reading(void *object)
{
    struct scene *s = object;

    make(object);
    CHECK_OK(pawl_rwlock_read_lock(&s->rwlock));
}

static void make_writing(void *object)
{
    struct scene *s = object;

    make(object);
    CHECK_OK(pawl_rwlock_write_lock(&s->rwlock));
}

static void rwlock_let_go(void *object)
{
    struct scene *s = object;

    if (s->calls++ != 0)
        return;
    if (pawl_rwlock_is_mine(&s->rwlock))
        CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
    else
        CHECK_OK(pawl_rwlock_read_unlock(&s->rwlock));
}

static void rwlock_let_go_and_use(void *object)
{
    rwlock_let_go(object);
    rwlock_use(object);
}

static void one_writer_sleeps(void *object)
{
    sleeper_start(write_use, object);
}

static void one_reader_sleeps(void *object)
{
    sleeper_start(read_use, object);
}

static void rwlock_join(void *object)
{
    sleeper_join();
    rwlock_use(object);
}

static void warm_and_write(void *object)
{
    struct scene *s = object;

    warm_robust(object);
    CHECK_OK(pawl_rwlock_write_lock(&s->rwlock));
}

static void warm_and_read(void *object)
{
    struct scene *s = object;

    warm_robust(object);
    CHECK_OK(pawl_rwlock_read_lock(&s->rwlock));
}

static void write_unlock(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
}

static void read_unlock(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_rwlock_read_unlock(&s->rwlock));
}

static const struct swept rwlocks[] = {
    CASE("robust rwlock, read", .prepare = make, .warm = warm_robust,
         .victim = read_victim, .others = rwlock_use),
    CASE("robust rwlock, read; then write", .prepare = make,
         .warm = warm_robust, .victim = read_victim, .others = write_use_first),
    CASE("robust rwlock, write", .prepare = make, .warm = warm_robust,
         .victim = write_victim, .others = rwlock_use),
    CASE("robust rwlock, write; then tried", .prepare = make,
         .warm = warm_robust, .victim = write_victim, .others = rwlock_try),
    CASE("robust rwlock, read; then tried", .prepare = make,
         .warm = warm_robust, .victim = read_victim, .others = rwlock_try),
    CASE("robust rwlock, write and downgrade", .prepare = make,
         .warm = warm_robust, .victim = downgrade_victim, .others = rwlock_use),
    CASE("robust rwlock, read, waiting", .prepare = make_writing,
         .warm = warm_robust, .victim = read_victim, .asleep = rwlock_let_go,
         .others = rwlock_let_go_and_use),
    CASE("robust rwlock, write, waiting", .prepare = make_reading,
         .warm = warm_robust, .victim = write_victim, .asleep = rwlock_let_go,
         .others = rwlock_let_go_and_use),
    CASE("robust rwlock, read unlock, a writer sleeps", .prepare = make,
         .warm = warm_and_read, .armed = one_writer_sleeps,
         .victim = read_unlock, .others = rwlock_join, .leftovers = true),
    CASE("robust rwlock, write unlock, a reader sleeps", .prepare = make,
         .warm = warm_and_write, .armed = one_reader_sleeps,
         .victim = write_unlock, .others = rwlock_join, .leftovers = true),
};

TEST(robust.rwlock_in_a_region_survives_sweeps)
{
    put_all_in_a_region();
    SWEEP_TABLE(rwlocks);
}

/* -- Condition ----------------------------------------------------------------- */

static void cond_victim_waits(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_mutex_lock(&s->mutex));
    CHECK_OK(pawl_cond_wait(&s->cond, &s->mutex));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
}

static void cond_victim_notifies(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_mutex_lock(&s->mutex));
    CHECK_OK(pawl_cond_notify(&s->cond, &s->mutex, 1));
    s->called = true;
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
}

static void cond_victim_notifies_all(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_mutex_lock(&s->mutex));
    CHECK_OK(pawl_cond_notify_all(&s->cond, &s->mutex));
    s->called = true;
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
}

static void cond_lock(struct scene *s)
{
    int err = pawl_mutex_lock_until(&s->mutex, soon());

    CHECK(err == 0 || err == -EOWNERDEAD);
    if (err == -EOWNERDEAD)
        CHECK_OK(pawl_mutex_consistent(&s->mutex));
}

/* Waits until it is notified, or finds the mutex orphaned, which ends a wait too. */
static void cond_wait(void *object)
{
    struct scene *s = object;
    int err;

    cond_lock(s);
    err = pawl_cond_wait_until(&s->cond, &s->mutex, soon());
    CHECK(err == 0 || err == -EOWNERDEAD);
    if (err == -EOWNERDEAD)
        CHECK_OK(pawl_mutex_consistent(&s->mutex));
    s->woken++;
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
}

static void cond_notify_one(void *object)
{
    struct scene *s = object;

    cond_lock(s);
    CHECK_OK(pawl_cond_notify(&s->cond, &s->mutex, 1));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
}

static void cond_one_waits(void *object)
{
    sleeper_start(cond_wait, object);
}

/* One notify each, for the victim and for the one that lives: whichever of them is
 * passed over, the latter ends. */
static void cond_notify_and_join(void *object)
{
    struct scene *s = object;

    cond_notify_one(object);
    sleeper_join();
    CHECK_EQ(s->woken, 1);
    CHECK_OK(pawl_cond_destroy(&s->cond));
    mutex_use(object);
}

/* If the victim's notify has returned, nobody else need call. */
static void cond_join_if_called(void *object)
{
    struct scene *s = object;

    if (!s->called)
        cond_notify_one(object);
    sleeper_join();
    CHECK_EQ(s->woken, 1);
    CHECK_OK(pawl_cond_destroy(&s->cond));
    mutex_use(object);
}

static const struct swept conds[] = {
    CASE("robust cond, wait; another one waits", .prepare = make,
         .warm = warm_robust, .armed = cond_one_waits,
         .victim = cond_victim_waits, .others = cond_notify_and_join,
         .leftovers = true),
    CASE("robust cond, wait, notified; another one waits", .prepare = make,
         .warm = warm_robust, .armed = cond_one_waits,
         .victim = cond_victim_waits, .asleep = cond_notify_one,
         .others = cond_notify_and_join, .leftovers = true),
    CASE("robust cond, notify; one waits", .prepare = make, .warm = warm_robust,
         .armed = cond_one_waits, .victim = cond_victim_notifies,
         .others = cond_join_if_called, .leftovers = true),
    CASE("robust cond, notify all; one waits", .prepare = make,
         .warm = warm_robust, .armed = cond_one_waits,
         .victim = cond_victim_notifies_all, .others = cond_join_if_called,
         .leftovers = true),
};

TEST(robust.cond_in_a_region_survives_sweeps)
{
    put_all_in_a_region();
    SWEEP_TABLE(conds);
}

/* -- Once ----------------------------------------------------------------------- */

/* A dead runner may have begun it; the next does it in full. */
static int once_do(void *object)
{
    struct scene *s = object;

    s->inside = 1;
    s->done = 1;
    s->inside = 0;
    return 0;
}

static int once_never(void *object)
{
    (void)object;
    return -EPERM;
}

static void once_victim(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_once_run(&s->once, once_do, s));
}

static int once_fail(void *object)
{
    (void)object;
    return -EIO;
}

static void once_victim_fails(void *object)
{
    struct scene *s = object;

    CHECK_ERR(pawl_once_run(&s->once, once_fail, s), -EIO);
}

static void once_is_done(const struct scene *s)
{
    CHECK(pawl_once_is_done(&s->once));
    CHECK_EQ(s->done, 1);
    CHECK_EQ(s->inside, 0);
}

static void once_run(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_once_run_until(&s->once, once_do, s, soon()));
    once_is_done(s);
}

/* Nobody is kept waiting by the dead. */
static void once_try(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_once_try_run(&s->once, once_do, s));
    once_is_done(s);
}

static void once_run_and_again(void *object)
{
    struct scene *s = object;

    once_run(object);
    CHECK_OK(pawl_once_run(&s->once, once_never, s));
}

static void join_and_run(void *object)
{
    sleeper_join();
    once_run_and_again(object);
}

/* Runs it until `asleep` lets it go on: so that the victim waits. */
static int once_do_slowly(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_event_wait(&s->go_on));
    return once_do(object);
}

static void once_run_slowly(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_once_run(&s->once, once_do_slowly, s));
}

static void once_begin_slowly(void *object)
{
    struct scene *s = object;

    sleeper_ = test_thread(once_run_slowly, object);
    while (__atomic_load_n(&s->once.word_.v_, __ATOMIC_RELAXED) == 0)
        sched_yield();
}

static void once_go_on(void *object)
{
    struct scene *s = object;

    pawl_event_set(&s->go_on);
}

static void once_go_on_and_join(void *object)
{
    once_go_on(object);
    join_and_run(object);
}

static void once_victim_waits(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_once_run(&s->once, once_never, s));
}

static const struct swept onces[] = {
    CASE("robust once, run", .prepare = make, .warm = warm_robust,
         .victim = once_victim, .others = once_run_and_again),
    CASE("robust once, run; then tried", .prepare = make, .warm = warm_robust,
         .victim = once_victim, .others = once_try),
    CASE("robust once, run and fail", .prepare = make, .warm = warm_robust,
         .victim = once_victim_fails, .others = once_run_and_again),
    CASE("robust once, wait", .prepare = make, .warm = warm_robust,
         .armed = once_begin_slowly, .victim = once_victim_waits,
         .asleep = once_go_on, .others = once_go_on_and_join,
         .leftovers = true),
};

TEST(robust.once_in_a_region_survives_sweeps)
{
    put_all_in_a_region();
    SWEEP_TABLE(onces);
}

/* -- Semaphore ------------------------------------------------------------------ */

static void sem_victim(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_sem_acquire(&s->sem));
}

static void sem_victim_two(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_sem_acquire_n(&s->sem, 2));
}

static void sem_serve(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_sem_release_n(&s->sem, 2));
}

/* What it waits for comes and is gone: so it claims what comes next. */
static void sem_disappoint_and_serve(void *object)
{
    struct scene *s = object;

    if (s->calls++ == 0) {
        int err;

        CHECK_OK(pawl_sem_release(&s->sem));
        err = pawl_sem_try_acquire(&s->sem);
        CHECK(err == 0 || err == -EAGAIN); /* another one has been quicker */
    } else {
        sem_serve(object);
    }
}

static void sem_is_whole(struct scene *s)
{
    CHECK_OK(pawl_sem_release(&s->sem));
    CHECK_OK(pawl_sem_try_acquire_n(&s->sem, 2));
    CHECK_EQ(pawl_sem_waiters(&s->sem), 0);
    CHECK_OK(pawl_sem_destroy(&s->sem));
}

static void sem_use(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_sem_release_n(&s->sem, 4));
    CHECK_OK(pawl_sem_acquire_n_until(&s->sem, 2, soon()));
    CHECK_OK(pawl_sem_acquire_until(&s->sem, soon()));
    sem_is_whole(s);
}

/* Nobody is refused on account of the dead. */
static void sem_try(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_sem_release_n(&s->sem, 4));
    CHECK_OK(pawl_sem_try_acquire_n(&s->sem, 2));
    CHECK_OK(pawl_sem_try_acquire(&s->sem));
    sem_is_whole(s);
}

static void sem_take_one(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_sem_acquire_until(&s->sem, soon()));
}

static void sem_one_sleeps(void *object)
{
    sleeper_start(sem_take_one, object);
}

static void sem_join(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_sem_release_n(&s->sem, 2));
    sleeper_join();
    sem_use(object);
}

static const struct swept sems[] = {
    CASE("robust sem, acquire, waiting", .prepare = make, .warm = warm_robust,
         .victim = sem_victim, .asleep = sem_serve, .others = sem_use),
    CASE("robust sem, acquire 2, waiting and claiming", .prepare = make,
         .warm = warm_robust, .victim = sem_victim_two,
         .asleep = sem_disappoint_and_serve, .others = sem_use),
    CASE("robust sem, acquire 2, waiting and claiming; then tried",
         .prepare = make, .warm = warm_robust, .victim = sem_victim_two,
         .asleep = sem_disappoint_and_serve, .others = sem_try),
    CASE("robust sem, acquire 2, waiting and claiming; another one sleeps",
         .prepare = make, .warm = warm_robust, .armed = sem_one_sleeps,
         .victim = sem_victim_two, .asleep = sem_disappoint_and_serve,
         .others = sem_join, .leftovers = true),
};

TEST(robust.sem_in_a_region_survives_sweeps)
{
    put_all_in_a_region();
    SWEEP_TABLE(sems);
}

/* -- Two victims -------------------------------------------------------------- */

/* One that comes after a dead one, and dies as well. */
static void cond_heir_notifies(void *object)
{
    struct scene *s = object;

    cond_lock(s);
    CHECK_OK(pawl_cond_notify(&s->cond, &s->mutex, 1));
    s->called = true;
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
}

static const struct sweep_case two[] = {
    {.name = "robust mutex, two victims",
     .size = sizeof(struct scene),
     .prepare = make,
     .warm = warm_robust,
     .victim = mutex_victim,
     .second = mutex_use,
     .others = mutex_unlock_and_use,
     .budget = 30000},
    {.name = "robust rwlock, a writer and a reader",
     .size = sizeof(struct scene),
     .prepare = make,
     .warm = warm_robust,
     .victim = write_victim,
     .second = read_use,
     .others = rwlock_use,
     .budget = 10000},
    {.name = "robust rwlock, a reader and a writer",
     .size = sizeof(struct scene),
     .prepare = make,
     .warm = warm_robust,
     .victim = read_victim,
     .second = write_use,
     .others = rwlock_use,
     .budget = 20000},
    {.name = "robust rwlock, a writer and another",
     .size = sizeof(struct scene),
     .prepare = make,
     .warm = warm_robust,
     .victim = write_victim,
     .second = write_use,
     .others = rwlock_use,
     .budget = 20000},
    {.name = "robust cond, a waiter and a notifier; another one waits",
     .size = sizeof(struct scene),
     .prepare = make,
     .warm = warm_robust,
     .armed = cond_one_waits,
     .victim = cond_victim_waits,
     .second = cond_heir_notifies,
     .others = cond_join_if_called,
     .leftovers = true,
     .budget = 8000},
    {.name = "robust cond, a notifier and another; one waits",
     .size = sizeof(struct scene),
     .prepare = make,
     .warm = warm_robust,
     .armed = cond_one_waits,
     .victim = cond_victim_notifies,
     .second = cond_heir_notifies,
     .others = cond_join_if_called,
     .leftovers = true,
     .budget = 8000},
    {.name = "robust once, a runner and another",
     .size = sizeof(struct scene),
     .prepare = make,
     .warm = warm_robust,
     .victim = once_victim,
     .second = once_victim,
     .others = once_run_and_again,
     .budget = 10000},
};

TEST(robust.locks_in_a_region_survive_two_victims)
{
    put_all_in_a_region();
    for (size_t i = 0; i < sizeof two / sizeof *two; i++)
        sweep(&two[i], SWEEP_KILL);
}

/* -- Stopped, not killed: nobody is taken for dead -------------------------------- */

static void rwlock_try_only(void *object)
{
    struct scene *s = object;

    for (int i = 0; i < 2; i++) {
        int err = pawl_rwlock_try_write_lock(&s->rwlock);

        CHECK(err == 0 || err == -EAGAIN);
        if (err == 0)
            CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
    }
}

static const struct sweep_case stopped_writer = {
    .name = "robust rwlock, write",
    .size = sizeof(struct scene),
    .prepare = make,
    .warm = warm_robust,
    .victim = write_victim,
    .others = rwlock_try_only,
};

TEST(robust.a_writer_that_is_stopped_is_not_dead)
{
    put_all_in_a_region();
    sweep(&stopped_writer, SWEEP_FREEZE);
}
