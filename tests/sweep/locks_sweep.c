/* SPDX-License-Identifier: MIT
 *
 * locks_sweep.c - mutexes, reader/writer lock, condition and once, shared
 * between processes.
 *
 * Frozen: whoever holds a lock keeps the others out, but try forms and releases
 * must come back, whatever somebody else is in the middle of.
 *
 * Killed: outside a region shared locks do not notice a dead holder (in one they do:
 * robust_sweep.c).  That is listed as a gap, and apart from it: one that is killed
 * without holding the lock must not be in anybody's way.
 */
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <pawl/cond.h>
#include <pawl/error.h>
#include <pawl/mutex.h>
#include <pawl/once.h>
#include <pawl/rmutex.h>
#include <pawl/rwlock.h>

#include "futex/mutex_core.h"
#include "swept.h"

static const char holder_died[] =
    "outside a region shared locks outlive their dead holders";
static const char mark_left[] = "outside a region the dead leave their mark";

struct scene {
    pawl_mutex mutex;
    pawl_rmutex recursive;
    pawl_rwlock rwlock;
    pawl_cond cond;
    pawl_once once;
    int victim; /* its thread id */
    int calls;  /* of `asleep` */
    bool ready; /* under the mutex */
};

static void make(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_mutex_init(&s->mutex, PAWL_SHARED));
    CHECK_OK(pawl_rmutex_init(&s->recursive, PAWL_SHARED));
    CHECK_OK(pawl_rwlock_init(&s->rwlock, PAWL_SHARED));
    CHECK_OK(pawl_cond_init(&s->cond, PAWL_SHARED));
    CHECK_OK(pawl_once_init(&s->once, PAWL_SHARED));
}

static void warm(void *object)
{
    struct scene *s = object;

    take_ids(object);
    s->victim = (int)syscall(SYS_gettid);
}

static void is_0_or_again(int err)
{
    CHECK(err == 0 || err == -EAGAIN);
}

static bool victim_holds(const struct scene *s)
{
    return pawl_mutex_owner(&s->mutex) == s->victim;
}

/* ---- mutex --------------------------------------------------------------------- */

static void mutex_lock(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_mutex_lock(&s->mutex));
}

static void mutex_unlock(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_mutex_unlock(&s->mutex));
}

static void mutex_lock_unlock(void *object)
{
    mutex_lock(object);
    mutex_unlock(object);
}

static void mutex_try_lock(void *object)
{
    struct scene *s = object;
    int err = pawl_mutex_try_lock(&s->mutex);

    is_0_or_again(err);
    if (err == 0)
        mutex_unlock(object);
}

/* Everything that never waits, from inside if it is ours. */
static void mutex_use(void *object)
{
    struct scene *s = object;

    if (pawl_mutex_is_mine(&s->mutex))
        mutex_unlock(object);
    for (int i = 0; i < 3; i++) {
        mutex_try_lock(object);
        if (pawl_mutex_lock_until(&s->mutex, 0) == 0)
            mutex_unlock(object);
        (void)pawl_mutex_is_locked(&s->mutex);
        (void)pawl_mutex_owner(&s->mutex);
    }
}

static void mutex_is_free(void *object)
{
    struct scene *s = object;

    mutex_lock_unlock(object);
    CHECK_OK(pawl_mutex_destroy(&s->mutex));
}

static void mutex_can_be_had(void *object)
{
    struct scene *s = object;

    if (pawl_mutex_is_mine(&s->mutex))
        mutex_unlock(object);
    CHECK_OK(pawl_mutex_lock_until(&s->mutex, soon()));
    mutex_unlock(object);
}

/* The same, unless the victim holds it. */
static void mutex_can_be_had_if_free(void *object)
{
    struct scene *s = object;

    if (!victim_holds(s))
        mutex_can_be_had(object);
}

/* The same by trying.  A lock that is reserved for a dead process that starved
 * goes to the next one that starves, but one that only tries never does. */
static void mutex_can_be_tried_if_free(void *object)
{
    struct scene *s = object;
    pawl_deadline until = soon();

    if (victim_holds(s))
        return;
    if (pawl_mutex_is_mine(&s->mutex))
        mutex_unlock(object);
    while (pawl_mutex_try_lock(&s->mutex) != 0)
        CHECK(pawl_now() < until);
    mutex_unlock(object);
}

static void mutex_make_held(void *object)
{
    make(object);
    mutex_lock(object);
}

/* By now it starves. */
static void mutex_unlock_at_last(void *object)
{
    struct scene *s = object;

    if (pawl_mutex_is_mine(&s->mutex))
        mutex_unlock(object);
}

/* It sleeps, but not long enough to starve. */
static void mutex_lock_impatiently(void *object)
{
    struct scene *s = object;

    CHECK_ERR(pawl_mutex_lock_until(&s->mutex, pawl_after_us(300)), -ETIMEDOUT);
}

static void warm_and_lock(void *object)
{
    warm(object);
    mutex_lock(object);
}

static void mutex_sleeper(void *object)
{
    sleeper_start(mutex_lock_unlock, object);
}

static void mutex_join(void *object)
{
    sleeper_join();
    mutex_is_free(object);
}

static void until_it_starves(struct scene *s)
{
    while ((__atomic_load_n(&s->mutex.word_.v_, __ATOMIC_RELAXED) &
            PAWL_M_STARVERS) == 0)
        sched_yield();
}

static void mutex_starving_sleeper(void *object)
{
    sleeper_start(mutex_lock_unlock, object);
    until_it_starves(object);
}

static void mutex_join_if_free(void *object)
{
    if (!victim_holds(object))
        sleeper_join();
}

static void mutex_use_and_join_if_free(void *object)
{
    if (!victim_holds(object)) {
        mutex_can_be_had(object);
        sleeper_join();
    }
}

static const struct swept mutexes[] = {
    {{.name = "mutex lock and unlock",
      .size = sizeof(struct scene),
      .prepare = make,
      .warm = warm,
      .victim = mutex_lock_unlock,
      .others = mutex_use,
      .after = mutex_is_free},
     FROZEN | THAWED,
     NULL},
    {{.name = "mutex try_lock",
      .size = sizeof(struct scene),
      .prepare = make,
      .warm = warm,
      .victim = mutex_try_lock,
      .others = mutex_use,
      .after = mutex_is_free},
     FROZEN | THAWED,
     NULL},
    {{.name = "mutex lock, waiting",
      .size = sizeof(struct scene),
      .prepare = mutex_make_held,
      .warm = warm,
      .victim = mutex_lock_unlock,
      .asleep = mutex_unlock_at_last,
      .others = mutex_use,
      .after = mutex_is_free},
     FROZEN | THAWED,
     NULL},
    {{.name = "mutex unlock, one sleeps",
      .size = sizeof(struct scene),
      .prepare = make,
      .warm = warm_and_lock,
      .armed = mutex_sleeper,
      .victim = mutex_unlock,
      .others = mutex_use,
      .after = mutex_join,
      .leftovers = true},
     FROZEN | THAWED,
     NULL},
    {{.name = "mutex lock and unlock; had by others if free",
      .size = sizeof(struct scene),
      .prepare = make,
      .warm = warm,
      .victim = mutex_lock_unlock,
      .others = mutex_can_be_had_if_free},
     KILLED,
     NULL},
    {{.name = "mutex lock and unlock; had by others",
      .size = sizeof(struct scene),
      .prepare = make,
      .warm = warm,
      .victim = mutex_lock_unlock,
      .others = mutex_can_be_had},
     KILLED,
     holder_died},
    {{.name = "mutex lock, waiting for a while",
      .size = sizeof(struct scene),
      .prepare = mutex_make_held,
      .warm = warm,
      .victim = mutex_lock_impatiently,
      .others = mutex_can_be_had},
     KILLED,
     NULL},
    {{.name = "mutex lock, waiting and starving",
      .size = sizeof(struct scene),
      .prepare = mutex_make_held,
      .warm = warm,
      .victim = mutex_lock,
      .asleep = mutex_unlock_at_last,
      .others = mutex_can_be_had_if_free},
     KILLED,
     NULL},
    {{.name = "mutex lock, waiting and starving; tried by others",
      .size = sizeof(struct scene),
      .prepare = mutex_make_held,
      .warm = warm,
      .victim = mutex_lock,
      .asleep = mutex_unlock_at_last,
      .others = mutex_can_be_tried_if_free,
      .budget = SWEEP_BUDGET},
     KILLED,
     mark_left},
    {{.name = "mutex unlock, one starves; it gets it",
      .size = sizeof(struct scene),
      .prepare = make,
      .warm = warm_and_lock,
      .armed = mutex_starving_sleeper,
      .victim = mutex_unlock,
      .others = mutex_join_if_free,
      .leftovers = true},
     KILLED,
     NULL},
    {{.name = "mutex unlock, one starves; it gets it after the next use",
      .size = sizeof(struct scene),
      .prepare = make,
      .warm = warm_and_lock,
      .armed = mutex_starving_sleeper,
      .victim = mutex_unlock,
      .others = mutex_use_and_join_if_free,
      .leftovers = true},
     KILLED,
     NULL},
};

TEST(mutex.survives_sweeps)
{
    TEST_TIMEOUT(300);
    spin_for("0");
    SWEEP_TABLE(mutexes);
}

/* One that sleeps beside the spinner, whose mark keeps releases from waking it: it
 * looks by itself. */
static void mutex_unlock_and_join_if_free(void *object)
{
    if (victim_holds(object))
        return;
    mutex_unlock_at_last(object);
    sleeper_join();
    mutex_can_be_had(object);
}

static const struct swept spun_mutexes[] = {
    {{.name = "mutex lock, spinning",
      .size = sizeof(struct scene),
      .prepare = mutex_make_held,
      .warm = warm,
      .victim = mutex_lock,
      .others = mutex_can_be_had},
     KILLED,
     NULL},
    {{.name = "mutex lock, spinning, one sleeps",
      .size = sizeof(struct scene),
      .prepare = mutex_make_held,
      .warm = warm,
      .armed = mutex_sleeper,
      .victim = mutex_lock,
      .others = mutex_unlock_and_join_if_free,
      .leftovers = true},
     KILLED,
     NULL},
};

TEST(mutex.survives_sweeps_while_one_spins)
{
    TEST_TIMEOUT(300);
    spin_for("400");
    sweep(&spun_mutexes[0].c, SWEEP_FREEZE);
    SWEEP_TABLE(spun_mutexes);
}

static const struct sweep_case two_mutexes = {
    .name = "mutex lock and unlock, two victims",
    .size = sizeof(struct scene),
    .prepare = make,
    .warm = warm,
    .victim = mutex_lock_unlock,
    .second = mutex_try_lock,
    .others = mutex_use,
    .budget = 100000,
};

TEST(mutex.survives_two_victims)
{
    TEST_TIMEOUT(300);
    spin_for("0");
    sweep(&two_mutexes, SWEEP_FREEZE);
}

/* ---- recursive mutex -------------------------------------------------------------- */

static void rmutex_use_deeply(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_rmutex_lock(&s->recursive));
    CHECK_OK(pawl_rmutex_lock(&s->recursive));
    CHECK_OK(pawl_rmutex_unlock(&s->recursive));
    CHECK_OK(pawl_rmutex_unlock(&s->recursive));
}

static void rmutex_try(void *object)
{
    struct scene *s = object;
    int err = pawl_rmutex_try_lock(&s->recursive);

    is_0_or_again(err);
    if (err == 0) {
        CHECK_OK(pawl_rmutex_lock(&s->recursive));
        CHECK_OK(pawl_rmutex_unlock(&s->recursive));
        CHECK_OK(pawl_rmutex_unlock(&s->recursive));
    }
}

static const struct swept rmutexes[] = {
    {{.name = "rmutex lock and unlock",
      .size = sizeof(struct scene),
      .prepare = make,
      .warm = warm,
      .victim = rmutex_use_deeply,
      .others = rmutex_try,
      .after = rmutex_use_deeply},
     FROZEN | THAWED,
     NULL},
};

TEST(rmutex.survives_sweeps)
{
    spin_for("0");
    SWEEP_TABLE(rmutexes);
}

/* ---- reader/writer lock ------------------------------------------------------------- */

static void read_lock(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_rwlock_read_lock(&s->rwlock));
}

static void read_unlock(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_rwlock_read_unlock(&s->rwlock));
}

static void write_lock(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_rwlock_write_lock(&s->rwlock));
}

static void write_unlock(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
}

static void read_lock_unlock(void *object)
{
    read_lock(object);
    read_unlock(object);
}

static void write_lock_unlock(void *object)
{
    write_lock(object);
    write_unlock(object);
}

static void write_downgrade_unlock(void *object)
{
    struct scene *s = object;

    write_lock(object);
    CHECK_OK(pawl_rwlock_downgrade(&s->rwlock));
    read_unlock(object);
}

static void rwlock_use(void *object)
{
    struct scene *s = object;

    for (int i = 0; i < 3; i++) {
        int err = pawl_rwlock_try_read_lock(&s->rwlock);

        is_0_or_again(err);
        if (err == 0)
            read_unlock(object);
        err = pawl_rwlock_try_write_lock(&s->rwlock);
        is_0_or_again(err);
        if (err == 0)
            write_unlock(object);
    }
}

static void make_reading(void *object)
{
    make(object);
    read_lock(object);
}

static void make_writing(void *object)
{
    make(object);
    write_lock(object);
}

static void stop_reading(void *object)
{
    struct scene *s = object;

    if (s->calls++ == 0)
        read_unlock(object);
}

static void stop_writing(void *object)
{
    struct scene *s = object;

    if (s->calls++ == 0)
        write_unlock(object);
}

static void stop_reading_and_use(void *object)
{
    stop_reading(object);
    rwlock_use(object);
}

static void stop_writing_and_use(void *object)
{
    stop_writing(object);
    rwlock_use(object);
}

static void rwlock_is_free(void *object)
{
    struct scene *s = object;

    write_lock_unlock(object);
    read_lock_unlock(object);
    CHECK_OK(pawl_rwlock_destroy(&s->rwlock));
}

static void rwlock_can_be_had(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_rwlock_write_lock_until(&s->rwlock, soon()));
    write_unlock(object);
    CHECK_OK(pawl_rwlock_read_lock_until(&s->rwlock, soon()));
    read_unlock(object);
}

static void rwlock_can_be_had_after_reading(void *object)
{
    read_unlock(object);
    rwlock_can_be_had(object);
}

static void rwlock_can_be_had_after_writing(void *object)
{
    write_unlock(object);
    rwlock_can_be_had(object);
}

static const struct swept rwlocks[] = {
    {{.name = "rwlock read",
      .size = sizeof(struct scene),
      .prepare = make,
      .warm = warm,
      .victim = read_lock_unlock,
      .others = rwlock_use,
      .after = rwlock_is_free},
     FROZEN | THAWED,
     NULL},
    {{.name = "rwlock write, downgrade",
      .size = sizeof(struct scene),
      .prepare = make,
      .warm = warm,
      .victim = write_downgrade_unlock,
      .others = rwlock_use,
      .after = rwlock_is_free},
     FROZEN | THAWED,
     NULL},
    {{.name = "rwlock read, waiting",
      .size = sizeof(struct scene),
      .prepare = make_writing,
      .warm = warm,
      .victim = read_lock_unlock,
      .asleep = stop_writing,
      .others = stop_writing_and_use,
      .after = rwlock_is_free},
     FROZEN | THAWED,
     NULL},
    {{.name = "rwlock write, waiting",
      .size = sizeof(struct scene),
      .prepare = make_reading,
      .warm = warm,
      .victim = write_lock_unlock,
      .asleep = stop_reading,
      .others = stop_reading_and_use,
      .after = rwlock_is_free},
     FROZEN | THAWED,
     NULL},
    {{.name = "rwlock read; had by others",
      .size = sizeof(struct scene),
      .prepare = make,
      .warm = warm,
      .victim = read_lock_unlock,
      .others = rwlock_can_be_had},
     KILLED,
     holder_died},
    {{.name = "rwlock write; had by others",
      .size = sizeof(struct scene),
      .prepare = make,
      .warm = warm,
      .victim = write_lock_unlock,
      .others = rwlock_can_be_had},
     KILLED,
     holder_died},
    {{.name = "rwlock read, waiting until it sleeps",
      .size = sizeof(struct scene),
      .prepare = make_writing,
      .warm = warm,
      .victim = read_lock,
      .others = rwlock_can_be_had_after_writing},
     KILLED,
     mark_left},
    {{.name = "rwlock write, waiting until it sleeps",
      .size = sizeof(struct scene),
      .prepare = make_reading,
      .warm = warm,
      .victim = write_lock,
      .others = rwlock_can_be_had_after_reading},
     KILLED,
     mark_left},
};

TEST(rwlock.survives_sweeps)
{
    TEST_TIMEOUT(300);
    spin_for("0");
    SWEEP_TABLE(rwlocks);
}

/* ---- condition -------------------------------------------------------------------------- */

static void cond_wait(void *object)
{
    struct scene *s = object;
    int err;

    mutex_lock(object);
    PAWL_COND_WAIT_WHILE(err, &s->cond, &s->mutex, PAWL_FOREVER, !s->ready);
    CHECK_OK(err);
    mutex_unlock(object);
}

static void cond_notify(void *object)
{
    struct scene *s = object;

    mutex_lock(object);
    s->ready = true;
    CHECK_OK(pawl_cond_notify_all(&s->cond, &s->mutex));
    mutex_unlock(object);
}

/* Whoever has the mutex notifies without waiting for anybody. */
static void cond_use(void *object)
{
    struct scene *s = object;
    int err = pawl_mutex_try_lock(&s->mutex);

    is_0_or_again(err);
    (void)pawl_cond_waiters(&s->cond);
    if (err == 0) {
        s->ready = true;
        CHECK_OK(pawl_cond_notify(&s->cond, &s->mutex, 1));
        CHECK_OK(pawl_cond_notify_all(&s->cond, &s->mutex));
        CHECK_ERR(pawl_cond_try_wait(&s->cond, &s->mutex), -EAGAIN);
        mutex_unlock(object);
    }
}

/* One that waited has died: others wait and are notified all the same. */
static void cond_goes_on(void *object)
{
    struct scene *s = object;

    if (victim_holds(s))
        return;
    sleeper_start(cond_wait, object);
    while (pawl_cond_waiters(&s->cond) < 1)
        ;
    cond_notify(object);
    sleeper_join();
}

static const struct swept conds[] = {
    {{.name = "cond wait",
      .size = sizeof(struct scene),
      .prepare = make,
      .warm = warm,
      .victim = cond_wait,
      .asleep = cond_notify,
      .others = cond_use,
      .after = cond_notify},
     FROZEN | THAWED,
     NULL},
    {{.name = "cond notify",
      .size = sizeof(struct scene),
      .prepare = make,
      .warm = warm,
      .victim = cond_notify,
      .others = cond_use,
      .after = cond_notify},
     FROZEN | THAWED,
     NULL},
    {{.name = "cond wait, until it sleeps; others go on",
      .size = sizeof(struct scene),
      .prepare = make,
      .warm = warm,
      .victim = cond_wait,
      .others = cond_goes_on},
     KILLED,
     NULL},
};

TEST(cond.survives_sweeps)
{
    TEST_TIMEOUT(300);
    spin_for("0");
    SWEEP_TABLE(conds);
}

/* ---- once ------------------------------------------------------------------------------- */

static int do_it(void *arg)
{
    struct scene *s = arg;

    s->ready = true;
    return 0;
}

static void once_run(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_once_run(&s->once, do_it, s));
}

static void once_use(void *object)
{
    struct scene *s = object;

    is_0_or_again(pawl_once_try_run(&s->once, do_it, s));
    if (pawl_once_is_done(&s->once))
        CHECK_OK(pawl_once_run(&s->once, do_it, s));
}

static void once_is_done(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_once_run_until(&s->once, do_it, s, soon()));
    CHECK(s->ready);
}

static const struct swept onces[] = {
    {{.name = "once run",
      .size = sizeof(struct scene),
      .prepare = make,
      .warm = warm,
      .victim = once_run,
      .others = once_use,
      .after = once_is_done},
     FROZEN | THAWED,
     NULL},
    {{.name = "once run; done by others",
      .size = sizeof(struct scene),
      .prepare = make,
      .warm = warm,
      .victim = once_run,
      .others = once_is_done},
     KILLED,
     holder_died},
};

TEST(once.survives_sweeps)
{
    spin_for("0");
    SWEEP_TABLE(onces);
}
