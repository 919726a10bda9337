/* SPDX-License-Identifier: MIT
 *
 * forms_sweep.c - R-10: the other forms of what the sweeps of each object stop, and what
 * is called seldom: tries, ends, repairs, snapshots.  A victim goes through many of
 * them, one after the other; it is killed, stopped, or stopped and let go on, at every
 * instruction.
 */
#include <pawl/barrier.h>
#include <pawl/cond.h>
#include <pawl/event.h>
#include <pawl/latch.h>
#include <pawl/once.h>
#include <pawl/sem.h>

#include "swept_robust.h"

struct scene {
    pawl_event event;
    pawl_latch latch;
    pawl_sem sem;
    pawl_barrier barrier;
    pawl_mutex mutex[3];
    pawl_rmutex recursive;
    pawl_rwlock rwlock;
    pawl_cond cond;
    pawl_once once;
    volatile bool returned;
};

static void make(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_event_init(&s->event, PAWL_SHARED));
    CHECK_OK(pawl_latch_init(&s->latch, 5, PAWL_SHARED));
    CHECK_OK(pawl_sem_init(&s->sem, 5, PAWL_SHARED));
    CHECK_OK(pawl_barrier_init(&s->barrier, 2, PAWL_FOREVER, PAWL_SHARED));
    for (int i = 0; i < 3; i++)
        CHECK_OK(pawl_mutex_init(&s->mutex[i], PAWL_SHARED));
    CHECK_OK(pawl_rmutex_init(&s->recursive, PAWL_SHARED));
    CHECK_OK(pawl_rwlock_init(&s->rwlock, PAWL_SHARED));
    CHECK_OK(pawl_cond_init(&s->cond, PAWL_SHARED));
    CHECK_OK(pawl_once_init(&s->once, PAWL_SHARED));
}

static void is_0_or_again(int err)
{
    CHECK(err == 0 || err == -EAGAIN);
}

/* ---- signals ---------------------------------------------------------------------- */

static void signals_victim(void *object)
{
    struct scene *s = object;

    (void)pawl_event_is_set(&s->event);
    is_0_or_again(pawl_event_try_wait(&s->event));
    is_0_or_again(pawl_latch_try_wait(&s->latch));
    CHECK(pawl_latch_count(&s->latch) > 0);
    CHECK_OK(pawl_sem_try_acquire(&s->sem));
    CHECK_OK(pawl_sem_try_acquire_n(&s->sem, 2));
    CHECK_OK(pawl_sem_acquire_until(&s->sem, soon()));
    (void)pawl_sem_value(&s->sem);
    (void)pawl_sem_waiters(&s->sem);
    CHECK_OK(pawl_sem_release_n(&s->sem, 4));
    s->returned = true;
}

static void signals_use(void *object)
{
    struct scene *s = object;
    int taken = 0;

    pawl_event_clear(&s->event);
    CHECK_ERR(pawl_event_try_wait(&s->event), -EAGAIN);
    pawl_event_set(&s->event);
    CHECK_OK(pawl_event_try_wait(&s->event));
    CHECK_EQ(pawl_latch_count(&s->latch), 5);
    CHECK_OK(pawl_latch_count_down(&s->latch, 4));
    while (pawl_sem_try_acquire(&s->sem) == 0)
        taken++;
    CHECK(taken >= 1 && taken <= 5);
    CHECK(taken == 5 || !s->returned);
    CHECK_OK(pawl_sem_release_n(&s->sem, taken));
}

static void signals_are_whole(void *object)
{
    struct scene *s = object;

    CHECK(s->returned);
    CHECK_EQ(pawl_sem_value(&s->sem), 5);
    CHECK_OK(pawl_sem_destroy(&s->sem));
    CHECK_OK(pawl_latch_count_down(&s->latch, 1));
    CHECK_OK(pawl_latch_try_wait(&s->latch));
}

/* Arrives last, or leaves it to the others. */
static void latch_victim(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_latch_arrive_and_wait(&s->latch, PAWL_FOREVER));
}

static void latch_open(void *object)
{
    struct scene *s = object;

    while (pawl_latch_count(&s->latch) > 0)
        CHECK_OK(pawl_latch_count_down(&s->latch, 1));
    CHECK_OK(pawl_latch_try_wait(&s->latch));
}

static void barrier_victim(void *object)
{
    struct scene *s = object;
    pawl_barrier_ticket ticket;
    int index = pawl_barrier_arrive(&s->barrier, NULL, NULL, soon(), &ticket);

    CHECK(index == 0 || index == 1 || index == -ECANCELED);
    if (index >= 0) {
        int err = pawl_barrier_try_finish(&s->barrier, ticket);

        CHECK(err == 0 || err == -EAGAIN || err == -ECANCELED);
        err = pawl_barrier_finish_until(&s->barrier, ticket, pawl_after_us(1));
        CHECK(err == 0 || err == -ETIMEDOUT || err == -ECANCELED);
    }
    CHECK_OK(pawl_barrier_abort(&s->barrier, 3));
    (void)pawl_barrier_broken(&s->barrier);
    (void)pawl_barrier_reason(&s->barrier);
    (void)pawl_barrier_generation(&s->barrier);
    CHECK_OK(pawl_barrier_reset(&s->barrier));
    (void)pawl_barrier_n_waiting(&s->barrier);
    CHECK_EQ(pawl_barrier_parties(&s->barrier), 2);
    index = pawl_barrier_try_wait(&s->barrier);
    CHECK(index == -EAGAIN || index == -ECANCELED || index == 1);
    s->returned = true;
}

/* Nobody is kept, whatever was left half done; a reset is a new beginning. */
static void barrier_use(void *object)
{
    struct scene *s = object;
    int index = pawl_barrier_try_wait(&s->barrier);

    CHECK(index == 1 || index == -EAGAIN || index == -ECANCELED);
    CHECK_OK(pawl_barrier_abort(&s->barrier, 5));
    CHECK_ERR(pawl_barrier_try_wait(&s->barrier), -ECANCELED);
    CHECK_OK(pawl_barrier_reset(&s->barrier));
    CHECK_ERR(pawl_barrier_try_wait(&s->barrier), -EAGAIN);
    CHECK_ERR(pawl_barrier_wait_until(&s->barrier, 0), -ETIMEDOUT);
    CHECK_OK(pawl_barrier_reset(&s->barrier));
}

static void barrier_is_whole(void *object)
{
    struct scene *s = object;

    CHECK(s->returned);
    CHECK_OK(pawl_barrier_reset(&s->barrier));
    CHECK_EQ(pawl_barrier_n_waiting(&s->barrier), 0);
    CHECK_OK(pawl_barrier_destroy(&s->barrier));
}

static int act(uint32_t index, void *arg)
{
    (void)index;
    (void)arg;
    return 0;
}

static void barrier_victim_acts(void *object)
{
    struct scene *s = object;
    int index =
        pawl_barrier_wait_action(&s->barrier, act, NULL, pawl_after_ms(10000));

    CHECK(index >= 0 || index == -ECANCELED);
    s->returned = true;
}

static void barrier_complete(void *object)
{
    struct scene *s = object;
    int index = pawl_barrier_wait_until(&s->barrier, soon());

    CHECK(index >= 0);
}

/* The action may have begun, and nobody knows: then it is broken. */
static void barrier_break(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_barrier_abort(&s->barrier, 5));
    CHECK(pawl_barrier_broken(&s->barrier));
    CHECK_ERR(pawl_barrier_try_wait(&s->barrier), -ECANCELED);
}

static void barrier_warm(void *object)
{
    static struct scene other;

    take_ids(object);
    make(&other);
    barrier_victim(&other);
}

static const struct swept signals[] = {
    {{.name = "event, latch, semaphore: tries and snapshots",
      .size = sizeof(struct scene),
      .prepare = make,
      .warm = take_ids,
      .victim = signals_victim,
      .others = signals_use,
      .after = signals_are_whole},
     ALL_WAYS,
     NULL},
    {{.name = "latch, arrive and wait",
      .size = sizeof(struct scene),
      .prepare = make,
      .warm = take_ids,
      .victim = latch_victim,
      .asleep = latch_open,
      .others = latch_open,
      .after = latch_open},
     KILLED | FROZEN,
     NULL},
    {{.name = "barrier, arrive, finish, abort, reset, try",
      .size = sizeof(struct scene),
      .prepare = make,
      .warm = barrier_warm,
      .victim = barrier_victim,
      .others = barrier_use,
      .after = barrier_is_whole},
     ALL_WAYS,
     NULL},
    {{.name = "barrier, wait with an action",
      .size = sizeof(struct scene),
      .prepare = make,
      .warm = barrier_warm,
      .victim = barrier_victim_acts,
      .asleep = barrier_complete,
      .others = barrier_break,
      .after = barrier_is_whole},
     ALL_WAYS,
     NULL},
};

TEST(forms.of_signals_stopped_anywhere)
{
    TEST_TIMEOUT(300);
    spin_for("0");
    SWEEP_TABLE(signals);
}

/* ---- locks ------------------------------------------------------------------------- */

/* What another one has left who died with it. */
static void take_all_and_end(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_mutex_lock(&s->mutex[0]));
    CHECK_OK(pawl_rmutex_lock(&s->recursive));
    CHECK_OK(pawl_rwlock_write_lock(&s->rwlock));
}

static void make_orphaned(void *object)
{
    make(object);
    test_join(test_thread(take_all_and_end, object));
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int at_once(void *arg)
{
    (void)arg;
    return 1;
}

static void orphans_victim(void *object)
{
    struct scene *s = object;

    (void)pawl_mutex_is_locked(&s->mutex[0]);
    CHECK_ERR(pawl_mutex_try_lock(&s->mutex[0]), -EOWNERDEAD);
    CHECK(pawl_mutex_is_orphaned(&s->mutex[0]));
    CHECK_OK(pawl_mutex_consistent(&s->mutex[0]));
    CHECK(pawl_mutex_is_mine(&s->mutex[0]) &&
          pawl_mutex_owner(&s->mutex[0]) > 0);
    CHECK_OK(pawl_mutex_unlock(&s->mutex[0]));
    CHECK_ERR(pawl_rmutex_try_lock(&s->recursive), -EOWNERDEAD);
    CHECK_OK(pawl_rmutex_consistent(&s->recursive));
    CHECK_EQ(pawl_rmutex_depth(&s->recursive), 1);
    CHECK_OK(pawl_rmutex_unlock(&s->recursive));
    CHECK_ERR(pawl_rwlock_try_write_lock(&s->rwlock), -EOWNERDEAD);
    CHECK(pawl_rwlock_is_write_locked(&s->rwlock));
    CHECK_OK(pawl_rwlock_consistent(&s->rwlock));
    CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
    s->returned = true;
}

static void locks_victim(void *object)
{
    struct scene *s = object;
    pawl_mutex *many[] = {&s->mutex[0], &s->mutex[1], &s->mutex[2]};

    CHECK_OK(pawl_mutex_lock_many(many, 3));
    CHECK_OK(pawl_mutex_unlock_many(many, 3));
    CHECK_OK(pawl_mutex_try_lock_many(many, 2));
    CHECK_OK(pawl_mutex_unlock_many(many, 2));
    CHECK_OK(pawl_rwlock_try_read_lock(&s->rwlock));
    CHECK_EQ(pawl_rwlock_readers(&s->rwlock), 1);
    CHECK_OK(pawl_rwlock_read_unlock(&s->rwlock));
    CHECK_OK(pawl_mutex_lock(&s->mutex[0]));
    CHECK_ERR(pawl_cond_try_wait(&s->cond, &s->mutex[0]), -EAGAIN);
    CHECK_OK(pawl_cond_wait_for(&s->cond, &s->mutex[0], at_once, s, soon()));
    (void)pawl_cond_waiters(&s->cond);
    CHECK_OK(pawl_mutex_unlock(&s->mutex[0]));
    CHECK_OK(pawl_once_try_run(&s->once, do_nothing, s));
    CHECK(pawl_once_is_done(&s->once));
    s->returned = true;
}

/* Each lock can be had, and is as good as new after a repair. */
static void locks_use(void *object)
{
    struct scene *s = object;
    int err;

    for (int lap = 0; lap < 2; lap++) {
        for (int i = 0; i < 3; i++) {
            err = pawl_mutex_lock_until(&s->mutex[i], soon());
            CHECK(err == 0 || (err == -EOWNERDEAD && lap == 0));
            if (err != 0)
                CHECK_OK(pawl_mutex_consistent(&s->mutex[i]));
            CHECK_OK(pawl_mutex_unlock(&s->mutex[i]));
        }
        err = pawl_rmutex_lock_until(&s->recursive, soon());
        CHECK(err == 0 || (err == -EOWNERDEAD && lap == 0));
        CHECK_EQ(pawl_rmutex_depth(&s->recursive), 1);
        if (err != 0)
            CHECK_OK(pawl_rmutex_consistent(&s->recursive));
        CHECK_OK(pawl_rmutex_unlock(&s->recursive));
        err = pawl_rwlock_write_lock_until(&s->rwlock, soon());
        CHECK(err == 0 || (err == -EOWNERDEAD && lap == 0));
        if (err != 0)
            CHECK_OK(pawl_rwlock_consistent(&s->rwlock));
        CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
        CHECK_OK(pawl_rwlock_read_lock_until(&s->rwlock, soon()));
        CHECK_OK(pawl_rwlock_read_unlock(&s->rwlock));
    }
    CHECK_OK(pawl_once_run_until(&s->once, do_nothing, s, soon()));
    CHECK(pawl_once_is_done(&s->once));
    CHECK_EQ(pawl_cond_waiters(&s->cond), 0);
}

#define LOCKS(text, with, what)                                                \
    {                                                                          \
        {.name = text,                                                         \
         .size = sizeof(struct scene),                                         \
         .prepare = with,                                                      \
         .warm = warm_robust,                                                  \
         .victim = what,                                                       \
         .others = locks_use,                                                  \
         .leftovers = true},                                                   \
            KILLED, NULL                                                       \
    }

static const struct swept locks[] = {
    LOCKS("locks in a region, taken from the dead", make_orphaned,
          orphans_victim),
    LOCKS("locks in a region, tries, several at once", make, locks_victim),
};

TEST(forms.of_locks_in_a_region_killed_anywhere)
{
    put_all_in_a_region();
    SWEEP_TABLE(locks);
}

/* Outside a region, stopped: tries and releases of the others come back. */
static void tries_use(void *object)
{
    struct scene *s = object;
    pawl_mutex *many[] = {&s->mutex[0], &s->mutex[1], &s->mutex[2]};
    int err;

    for (int i = 0; i < 3; i++) {
        err = pawl_mutex_try_lock(&s->mutex[i]);
        is_0_or_again(err);
        if (err == 0)
            CHECK_OK(pawl_mutex_unlock(&s->mutex[i]));
    }
    err = pawl_mutex_try_lock_many(many, 3);
    is_0_or_again(err);
    if (err == 0)
        CHECK_OK(pawl_mutex_unlock_many(many, 3));
    err = pawl_rmutex_try_lock(&s->recursive);
    is_0_or_again(err);
    if (err == 0)
        CHECK_OK(pawl_rmutex_unlock(&s->recursive));
    err = pawl_rwlock_try_write_lock(&s->rwlock);
    is_0_or_again(err);
    if (err == 0)
        CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
    err = pawl_rwlock_try_read_lock(&s->rwlock);
    is_0_or_again(err);
    if (err == 0)
        CHECK_OK(pawl_rwlock_read_unlock(&s->rwlock));
    is_0_or_again(pawl_once_try_run(&s->once, do_nothing, s));
}

static void tries_victim(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_mutex_try_lock(&s->mutex[0]));
    CHECK_OK(pawl_mutex_unlock(&s->mutex[0]));
    CHECK_OK(pawl_rmutex_try_lock(&s->recursive));
    CHECK_OK(pawl_rmutex_unlock(&s->recursive));
    CHECK_OK(pawl_rwlock_try_write_lock(&s->rwlock));
    CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
    locks_victim(object);
}

static const struct swept stopped[] = {
    {{.name = "locks, tries, several at once",
      .size = sizeof(struct scene),
      .prepare = make,
      .warm = warm_robust,
      .victim = tries_victim,
      .others = tries_use},
     FROZEN,
     NULL},
};

TEST(forms.of_locks_stopped_anywhere)
{
    TEST_TIMEOUT(300);
    spin_for("0");
    SWEEP_TABLE(stopped);
}
