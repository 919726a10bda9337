/* SPDX-License-Identifier: MIT
 *
 * signals_sweep.c - event, latch, semaphore and barrier, shared between
 * processes: with one of them stopped at any instruction, the operations that
 * their headers call lock-free work for the others; killed there, it leaves
 * nothing behind that harms them, or what it leaves is listed as a gap.
 */
#include <pawl/barrier.h>
#include <pawl/error.h>
#include <pawl/event.h>
#include <pawl/latch.h>
#include <pawl/sem.h>

#include "swept.h"

struct scene {
    pawl_event event;
    pawl_latch latch;
    pawl_sem sem;
    pawl_barrier barrier;
    int calls; /* of `asleep` */
    int taken; /* permits that the others had, the first time */
};

/* ---- event ------------------------------------------------------------------ */

static void event_make(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_event_init(&s->event, PAWL_SHARED));
}

static void event_make_set(void *object)
{
    struct scene *s = object;

    event_make(s);
    pawl_event_set(&s->event);
}

static void event_set(void *object)
{
    struct scene *s = object;

    pawl_event_set(&s->event);
}

static void event_clear(void *object)
{
    struct scene *s = object;

    pawl_event_clear(&s->event);
}

static void event_wait(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_event_wait(&s->event));
}

static void event_wait_briefly(void *object)
{
    struct scene *s = object;
    pawl_deadline until = soon();

    CHECK_OK(pawl_event_wait_until(&s->event, until));
    CHECK(pawl_now() < until); /* woken, not awake by itself */
}

static void event_use(void *object)
{
    struct scene *s = object;

    for (int i = 0; i < 2; i++) {
        pawl_event_clear(&s->event);
        CHECK(!pawl_event_is_set(&s->event));
        CHECK_ERR(pawl_event_try_wait(&s->event), -EAGAIN);
        CHECK_ERR(pawl_event_wait_until(&s->event, 0), -ETIMEDOUT);
        pawl_event_set(&s->event);
        CHECK(pawl_event_is_set(&s->event));
        CHECK_OK(pawl_event_wait(&s->event));
    }
}

static void event_make_with_sleeper(void *object)
{
    event_make(object);
    sleeper_start(event_wait, object);
}

static void join(void *object)
{
    (void)object;
    sleeper_join();
}

static void event_make_with_brief_sleeper(void *object)
{
    event_make(object);
    sleeper_start(event_wait_briefly, object);
}

static void event_set_and_join(void *object)
{
    event_use(object);
    sleeper_join();
}

static const struct swept events[] = {
    {{.name = "event set",
      .size = sizeof(struct scene),
      .prepare = event_make,
      .warm = take_ids,
      .victim = event_set,
      .others = event_use,
      .after = event_use},
     ALL_WAYS,
     NULL},
    {{.name = "event clear",
      .size = sizeof(struct scene),
      .prepare = event_make_set,
      .warm = take_ids,
      .victim = event_clear,
      .others = event_use,
      .after = event_use},
     ALL_WAYS,
     NULL},
    {{.name = "event wait",
      .size = sizeof(struct scene),
      .prepare = event_make,
      .warm = take_ids,
      .victim = event_wait,
      .asleep = event_set,
      .others = event_use,
      .after = event_use},
     ALL_WAYS,
     NULL},
    {{.name = "event set, one sleeps",
      .size = sizeof(struct scene),
      .prepare = event_make_with_sleeper,
      .warm = take_ids,
      .victim = event_set,
      .others = event_use,
      .after = join,
      .leftovers = true},
     FROZEN | THAWED,
     NULL},
    {{.name = "event set, one sleeps and is waited for",
      .size = sizeof(struct scene),
      .prepare = event_make_with_brief_sleeper,
      .warm = take_ids,
      .victim = event_set,
      .others = event_set_and_join},
     KILLED,
     NULL},
};

TEST(event.survives_sweeps)
{
    TEST_TIMEOUT(300);
    spin_for("0");
    SWEEP_TABLE(events);
}

TEST(event.survives_sweeps_while_one_spins)
{
    spin_for("200");
    sweep(&events[2].c, SWEEP_FREEZE);
    sweep(&events[2].c, SWEEP_THAW);
    sweep(&events[2].c, SWEEP_KILL);
}

/* ---- latch ------------------------------------------------------------------ */

static void latch_make(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_latch_init(&s->latch, 5, PAWL_SHARED));
}

/* All or nothing. */
static void latch_count(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_latch_count_down(&s->latch, 2));
}

static void latch_wait(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_latch_wait(&s->latch));
}

static void latch_wait_briefly(void *object)
{
    struct scene *s = object;
    pawl_deadline until = soon();

    CHECK_OK(pawl_latch_wait_until(&s->latch, until));
    CHECK(pawl_now() < until); /* woken, not awake by itself */
}

static void latch_open(void *object)
{
    struct scene *s = object;

    while (pawl_latch_count(&s->latch) > 0)
        CHECK_OK(pawl_latch_count_down(&s->latch, 1));
}

static void latch_use(void *object)
{
    struct scene *s = object;
    int left = pawl_latch_count(&s->latch);

    CHECK(left == 5 || left == 3);
    CHECK_ERR(pawl_latch_try_wait(&s->latch), -EAGAIN);
    CHECK_ERR(pawl_latch_count_down(&s->latch, 6), -EOVERFLOW);
    CHECK_OK(pawl_latch_count_down(&s->latch, 3));
    CHECK_EQ(pawl_latch_count(&s->latch), left - 3);
    if (left == 5)
        CHECK_ERR(pawl_latch_try_wait(&s->latch), -EAGAIN);
    else
        CHECK_OK(pawl_latch_wait(&s->latch));
}

static void latch_is_open(void *object)
{
    struct scene *s = object;

    CHECK_EQ(pawl_latch_count(&s->latch), 0);
    CHECK_OK(pawl_latch_wait(&s->latch));
    CHECK_ERR(pawl_latch_count_down(&s->latch, 1), -EOVERFLOW);
}

static void latch_open_and_join(void *object)
{
    latch_open(object);
    latch_is_open(object);
    sleeper_join();
}

static void latch_make_with_sleeper(void *object)
{
    struct scene *s = object;

    latch_make(s);
    CHECK_OK(pawl_latch_count_down(&s->latch, 3));
    sleeper_start(latch_wait_briefly, s);
}

static const struct swept latches[] = {
    {{.name = "latch count down 2",
      .size = sizeof(struct scene),
      .prepare = latch_make,
      .warm = take_ids,
      .victim = latch_count,
      .others = latch_use,
      .after = latch_is_open},
     ALL_WAYS,
     NULL},
    {{.name = "latch wait",
      .size = sizeof(struct scene),
      .prepare = latch_make,
      .warm = take_ids,
      .victim = latch_wait,
      .asleep = latch_open,
      .others = latch_open,
      .after = latch_is_open},
     ALL_WAYS,
     NULL},
    {{.name = "latch count down, one sleeps",
      .size = sizeof(struct scene),
      .prepare = latch_make_with_sleeper,
      .warm = take_ids,
      .victim = latch_count,
      .others = latch_open_and_join},
     KILLED,
     NULL},
};

TEST(latch.survives_sweeps)
{
    TEST_TIMEOUT(300);
    spin_for("0");
    SWEEP_TABLE(latches);
}

TEST(latch.survives_sweeps_while_one_spins)
{
    spin_for("200");
    sweep(&latches[1].c, SWEEP_FREEZE);
    sweep(&latches[1].c, SWEEP_THAW);
    sweep(&latches[1].c, SWEEP_KILL);
}

/* ---- semaphore --------------------------------------------------------------- */

static void sem_make(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_sem_init(&s->sem, 0, PAWL_SHARED));
}

static void sem_make_with_two(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_sem_init_bounded(&s->sem, 2, 3, PAWL_SHARED));
}

static void sem_make_with_one(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_sem_init(&s->sem, 1, PAWL_SHARED));
}

static void sem_release(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_sem_release(&s->sem));
}

static void sem_acquire(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_sem_acquire(&s->sem));
}

static void sem_acquire_two(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_sem_acquire_n(&s->sem, 2));
}

static int sem_drain(struct scene *s)
{
    int n = 0;

    while (pawl_sem_try_acquire(&s->sem) == 0)
        n++;
    return n;
}

static void sem_release_two(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_sem_release_n(&s->sem, 2));
}

/* The victim gives two: it has, or has not yet, but never one. */
static void sem_use_with_giver(void *object)
{
    struct scene *s = object;
    int n;

    for (int i = 0; i < 3; i++) {
        CHECK_OK(pawl_sem_release(&s->sem));
        CHECK_OK(pawl_sem_try_acquire(&s->sem));
    }
    CHECK_OK(pawl_sem_release_n(&s->sem, 2));
    n = sem_drain(s);
    CHECK(n == 2 || n == 4);
    s->taken = n;
}

static void sem_has_all(void *object)
{
    struct scene *s = object;

    CHECK_EQ(s->taken + sem_drain(s), 4);
    CHECK_OK(pawl_sem_destroy(&s->sem));
}

/* The victim takes one of two, of at most three. */
static void sem_use_with_taker(void *object)
{
    struct scene *s = object;
    int n;

    for (int i = 0; i < 3; i++) {
        CHECK_OK(pawl_sem_try_acquire(&s->sem));
        CHECK_OK(pawl_sem_release(&s->sem));
    }
    n = sem_drain(s);
    CHECK(n == 1 || n == 2);
    CHECK_OK(pawl_sem_release_n(&s->sem, 3));
    CHECK_ERR(pawl_sem_release(&s->sem), -EOVERFLOW);
    CHECK_EQ(sem_drain(s), 3);
    /* If it had none yet, it may have one now. */
    CHECK_OK(pawl_sem_release_n(&s->sem, 2));
    s->taken = n;
}

static void sem_lacks_one(void *object)
{
    struct scene *s = object;

    CHECK_EQ(sem_drain(s) + (s->taken == 2 ? 1 : 0), 2);
}

static void sem_use_with_waiter(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_sem_release_n(&s->sem, 2));
    CHECK_OK(pawl_sem_release_n(&s->sem, 2));
    (void)pawl_sem_value(&s->sem);
}

static void sem_has_some(void *object)
{
    struct scene *s = object;
    int n = sem_drain(s);

    CHECK(n >= 2);
    CHECK_OK(pawl_sem_destroy(&s->sem));
}

/* Others get permits although one has died that waited for them. */
static void sem_goes_on(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_sem_release_n(&s->sem, 4));
    CHECK_OK(pawl_sem_acquire_until(&s->sem, soon()));
    CHECK_OK(pawl_sem_acquire_until(&s->sem, soon()));
    CHECK_OK(pawl_sem_release(&s->sem));
}

static void sem_goes_on_and_is_destroyed(void *object)
{
    struct scene *s = object;

    sem_goes_on(object);
    CHECK_EQ(pawl_sem_waiters(&s->sem), 0);
    CHECK_OK(pawl_sem_destroy(&s->sem));
}

/* It wakes, finds nothing, and claims what comes next; then it is served. */
static void sem_disappoint_and_serve(void *object)
{
    struct scene *s = object;

    if (s->calls++ == 0) {
        CHECK_OK(pawl_sem_release(&s->sem));
        CHECK_OK(pawl_sem_try_acquire(&s->sem));
        return;
    }
    CHECK_OK(pawl_sem_release_n(&s->sem, 2));
}

static void sem_make_with_sleeper(void *object)
{
    sem_make(object);
    sleeper_start(sem_acquire, object);
}

static void sem_release_and_join(void *object)
{
    sem_release(object);
    sleeper_join();
}

static const struct swept sems[] = {
    {{.name = "sem release 2",
      .size = sizeof(struct scene),
      .prepare = sem_make,
      .warm = take_ids,
      .victim = sem_release_two,
      .others = sem_use_with_giver,
      .after = sem_has_all},
     ALL_WAYS,
     NULL},
    {{.name = "sem acquire",
      .size = sizeof(struct scene),
      .prepare = sem_make_with_two,
      .warm = take_ids,
      .victim = sem_acquire,
      .others = sem_use_with_taker,
      .after = sem_lacks_one},
     ALL_WAYS,
     NULL},
    {{.name = "sem acquire, waiting",
      .size = sizeof(struct scene),
      .prepare = sem_make,
      .warm = take_ids,
      .victim = sem_acquire,
      .asleep = sem_release_two,
      .others = sem_use_with_waiter,
      .after = sem_has_some},
     FROZEN | THAWED,
     NULL},
    {{.name = "sem acquire 2, waiting",
      .size = sizeof(struct scene),
      .prepare = sem_make,
      .warm = take_ids,
      .victim = sem_acquire_two,
      .asleep = sem_release_two,
      .others = sem_use_with_waiter,
      .after = sem_has_some},
     FROZEN,
     NULL},
    {{.name = "sem acquire 2, waiting and claiming",
      .size = sizeof(struct scene),
      .prepare = sem_make,
      .warm = take_ids,
      .victim = sem_acquire_two,
      .asleep = sem_disappoint_and_serve,
      .others = sem_use_with_waiter,
      .after = sem_has_some},
     FROZEN | THAWED,
     NULL},
    {{.name = "sem acquire, waiting; others go on",
      .size = sizeof(struct scene),
      .prepare = sem_make,
      .warm = take_ids,
      .victim = sem_acquire,
      .asleep = sem_release_two,
      .others = sem_goes_on},
     KILLED,
     NULL},
    {{.name = "sem acquire 2, waiting and claiming; others go on",
      .size = sizeof(struct scene),
      .prepare = sem_make,
      .warm = take_ids,
      .victim = sem_acquire_two,
      .asleep = sem_disappoint_and_serve,
      .others = sem_goes_on},
     KILLED,
     "a dead process's claim keeps everybody out, outside a region"},
    {{.name = "sem acquire, waiting; destroyed at the end",
      .size = sizeof(struct scene),
      .prepare = sem_make,
      .warm = take_ids,
      .victim = sem_acquire,
      .asleep = sem_release_two,
      .others = sem_goes_on_and_is_destroyed},
     KILLED,
     "the dead are counted among the waiters, outside a region"},
    {{.name = "sem release, one sleeps; another release follows",
      .size = sizeof(struct scene),
      .prepare = sem_make_with_sleeper,
      .warm = take_ids,
      .victim = sem_release,
      .others = sem_release_and_join},
     ALL_WAYS & ~THAWED,
     NULL},
    {{.name = "sem release, one sleeps; the victim's is its only one",
      .size = sizeof(struct scene),
      .prepare = sem_make_with_sleeper,
      .warm = take_ids,
      .victim = sem_release,
      .after = join},
     THAWED,
     NULL},
};

TEST(sem.survives_sweeps)
{
    TEST_TIMEOUT(300);
    spin_for("0");
    SWEEP_TABLE(sems);
}

TEST(sem.survives_sweeps_while_one_spins)
{
    TEST_TIMEOUT(300);
    spin_for("200");
    sweep(&sems[2].c, SWEEP_FREEZE);
    sweep(&sems[2].c, SWEEP_THAW);
    sweep(&sems[5].c, SWEEP_KILL);
}

/* ---- barrier ------------------------------------------------------------------ */

static void barrier_make(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_barrier_init(&s->barrier, 2, PAWL_FOREVER, PAWL_SHARED));
}

/* Arrives first, or second. */
static void barrier_wait(void *object)
{
    struct scene *s = object;
    int index = pawl_barrier_wait(&s->barrier);

    CHECK(index == 0 || index == 1 || index == -ECANCELED);
}

static void barrier_complete(void *object)
{
    struct scene *s = object;

    CHECK_EQ(pawl_barrier_try_wait(&s->barrier), 1);
}

/* With one that stands somewhere in a wait, nobody is kept. */
static void barrier_use(void *object)
{
    struct scene *s = object;
    int err;

    err = pawl_barrier_try_wait(&s->barrier);
    CHECK(err == 1 || err == -EAGAIN);
    CHECK_OK(pawl_barrier_abort(&s->barrier, 5));
    CHECK(pawl_barrier_broken(&s->barrier));
    CHECK_ERR(pawl_barrier_try_wait(&s->barrier), -ECANCELED);
    CHECK_OK(pawl_barrier_reset(&s->barrier));
    CHECK(!pawl_barrier_broken(&s->barrier));
    CHECK_ERR(pawl_barrier_try_wait(&s->barrier), -EAGAIN);
    CHECK_ERR(pawl_barrier_wait_until(&s->barrier, 0), -ETIMEDOUT);
    CHECK_OK(pawl_barrier_abort(&s->barrier, 5));
}

static void barrier_can_be_reset(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_barrier_reset(&s->barrier));
    CHECK_EQ(pawl_barrier_n_waiting(&s->barrier), 0);
    CHECK_ERR(pawl_barrier_try_wait(&s->barrier), -EAGAIN);
    CHECK_OK(pawl_barrier_destroy(&s->barrier));
}

static const struct swept barriers[] = {
    {{.name = "barrier wait",
      .size = sizeof(struct scene),
      .prepare = barrier_make,
      .warm = take_ids,
      .victim = barrier_wait,
      .asleep = barrier_complete,
      .others = barrier_use,
      .after = barrier_can_be_reset},
     ALL_WAYS,
     NULL},
};

TEST(barrier.survives_sweeps)
{
    TEST_TIMEOUT(300);
    spin_for("0");
    SWEEP_TABLE(barriers);
}

/* ---- two victims -------------------------------------------------------------- */

static void sem_still_works(void *object)
{
    struct scene *s = object;
    int n;

    CHECK_OK(pawl_sem_release(&s->sem));
    n = sem_drain(s);
    CHECK(n >= 1 && n <= 3);
}

static const struct sweep_case two_sems = {
    .name = "sem release and acquire, two victims",
    .size = sizeof(struct scene),
    .prepare = sem_make_with_one,
    .warm = take_ids,
    .victim = sem_release,
    .second = sem_acquire,
    .others = sem_still_works,
    .budget = 100000,
};

TEST(sem.survives_two_victims)
{
    TEST_TIMEOUT(300);
    spin_for("0");
    sweep(&two_sems, SWEEP_FREEZE);
    sweep(&two_sems, SWEEP_KILL);
}
