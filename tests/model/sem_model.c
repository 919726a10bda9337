/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the semaphore.
 */
#include "model.h"

#include <pawl/sem.h>

#include "atomic/ops.h"

static struct {
    pawl_sem sem;
    pawl_u32 taken; /* permits that attempts took */
    pawl_u32 missed;
    int n[2]; /* published by a release */
} s;

static void begin(int value)
{
    memset(&s, 0, sizeof s);
    CHECK_OK(pawl_sem_init(&s.sem, value, 0));
    MODEL_NAME(s.sem);
    MODEL_NAME(s.taken);
    MODEL_NAME(s.n);
}

static void setup_0(void)
{
    begin(0);
}

static void setup_1(void)
{
    begin(1);
}

static void setup_2(void)
{
    begin(2);
}

static void setup_shared(void)
{
    begin(0);
    CHECK_OK(pawl_sem_init(&s.sem, 0, PAWL_SHARED));
}

static void setup_bounded(void)
{
    begin(0);
    CHECK_OK(pawl_sem_init_bounded(&s.sem, 1, 2, 0));
}

static void holds(int value)
{
    CHECK(pawl_sem_value(&s.sem) == value);
    CHECK(pawl_sem_waiters(&s.sem) == 0);
    CHECK_OK(pawl_sem_destroy(&s.sem));
    CHECK(s.sem.word_.v_ == (uint64_t)value); /* and no other trace */
}

static void holds_0(void)
{
    holds(0);
}

static void holds_1(void)
{
    holds(1);
}

/* -- One permit at a time ----------------------------------------------------------- */

static void publish(void)
{
    MODEL_SET(s.n[0], 1);
    CHECK_OK(pawl_sem_release(&s.sem));
}

static void publish_other(void)
{
    MODEL_SET(s.n[1], 1);
    CHECK_OK(pawl_sem_release(&s.sem));
}

static void acquire_published(void)
{
    CHECK_OK(pawl_sem_acquire(&s.sem));
    CHECK(MODEL_GET(s.n[0]) == 1);
}

static void release_1(void)
{
    CHECK_OK(pawl_sem_release(&s.sem));
}

static void release_2(void)
{
    CHECK_OK(pawl_sem_release_n(&s.sem, 2));
}

static void release_1_and_1(void)
{
    release_1();
    release_1();
}

static void acquire_1(void)
{
    CHECK_OK(pawl_sem_acquire(&s.sem));
}

static void acquire_2(void)
{
    CHECK_OK(pawl_sem_acquire_n(&s.sem, 2));
}

/* As a lock: alone inside. */
static void enter(void)
{
    acquire_1();
    model_section(&s.n[0]);
    release_1();
}

static void entered_2(void)
{
    CHECK(s.n[0] == 2);
    holds_1();
}

static void entered_3(void)
{
    CHECK(s.n[0] == 3);
    holds_1();
}

static void enter_twice(void)
{
    enter();
    enter();
}

MODEL(sem.release_publishes, .setup = setup_0,
      .threads = {acquire_published, publish}, .check = holds_0)
MODEL(sem.release_publishes_to_one_that_spins, .setup = setup_0,
      .threads = {acquire_published, publish}, .check = holds_0, .spin = 2)
MODEL(sem.release_to_another_process, .setup = setup_shared,
      .threads = {acquire_published, publish}, .check = holds_0)
MODEL(sem.first_permit_reaches_one_of_two, .setup = setup_0,
      .threads = {acquire_1, acquire_1, release_1_and_1}, .check = holds_0)
MODEL(sem.two_permits_at_once_for_two, .setup = setup_0,
      .threads = {acquire_1, acquire_1, release_2}, .check = holds_0)
MODEL(sem.two_releases_for_two, .setup = setup_0,
      .threads = {acquire_1, acquire_1, release_1, release_1}, .check = holds_0,
      .bounds = {2, 0, 1})
MODEL(sem.as_a_lock_of_two, .setup = setup_1, .threads = {enter, enter},
      .check = entered_2)
MODEL(sem.as_a_lock_of_two_that_spin, .setup = setup_1,
      .threads = {enter, enter}, .check = entered_2, .spin = 2)
MODEL(sem.as_a_lock_of_three, .setup = setup_1,
      .threads = {enter, enter, enter}, .check = entered_3)
MODEL(sem.one_comes_twice, .setup = setup_1, .threads = {enter_twice, enter},
      .check = entered_3)
/* Woken too late, a millisecond later: it claims. */
MODEL(sem.claim, .setup = setup_1, .threads = {enter_twice, enter},
      .check = entered_3, .bounds = {3, 0, 2}, .no_stray = true)
MODEL(sem.claim_against_two, .setup = setup_1,
      .threads = {enter_twice, enter, enter}, .bounds = {2, 0, 2},
      .no_stray = true)

/* -- Several permits: all or none ------------------------------------------------------ */

static void take_2_give_2(void)
{
    acquire_2();
    model_section(&s.n[0]);
    release_2();
}

static void inside_2(void)
{
    CHECK(s.n[0] == 2);
    holds(2);
}

MODEL(sem.all_of_two_or_none, .setup = setup_2,
      .threads = {take_2_give_2, take_2_give_2}, .check = inside_2)
MODEL(sem.two_wanted_one_by_one, .setup = setup_0,
      .threads = {acquire_2, release_1, release_1}, .check = holds_0)
MODEL(sem.one_and_two_wanted, .setup = setup_0,
      .threads = {acquire_1, acquire_2, release_1_and_1, release_1},
      .check = holds_0, .bounds = {2, 0, 1}, .no_stray = true)
/* The large request does not starve, and holds nobody back in the end. */
MODEL(sem.large_request_claims, .setup = setup_1,
      .threads = {enter_twice, acquire_2, release_1_and_1}, .check = holds_1,
      .bounds = {2, 0, 2}, .no_stray = true)

/* -- Attempts ---------------------------------------------------------------------------- */

static void try_1(void)
{
    int err = pawl_sem_try_acquire(&s.sem);

    if (err == 0)
        pawl_add_relaxed(&s.taken, 1);
    else
        CHECK_ERR(err, -EAGAIN);
}

static void acquire_1_soon(void)
{
    int err = pawl_sem_acquire_until(&s.sem, model_soon());

    if (err == 0)
        pawl_add_relaxed(&s.taken, 1);
    else
        CHECK_ERR(err, -ETIMEDOUT);
}

static void acquire_2_soon(void)
{
    int err = pawl_sem_acquire_n_until(&s.sem, 2, model_soon());

    if (err == 0)
        pawl_add_relaxed(&s.taken, 2);
    else
        CHECK_ERR(err, -ETIMEDOUT);
}

/* One that has slept before, so that it may claim. */
static void acquire_2_late(void)
{
    int err = pawl_sem_acquire_n_until(&s.sem, 2, model_late());

    model_late_ends();
    if (err == 0)
        pawl_add_relaxed(&s.taken, 2);
    else
        CHECK_ERR(err, -ETIMEDOUT);
}

static void conserved_1(void)
{
    holds(1 - (int)s.taken.v_);
}

static void conserved_2(void)
{
    holds(2 - (int)s.taken.v_);
}

MODEL(sem.try_against_try, .setup = setup_1, .threads = {try_1, try_1},
      .check = conserved_1)
MODEL(sem.deadline_against_release, .setup = setup_0,
      .threads = {acquire_1_soon, release_1}, .check = conserved_1)
MODEL(sem.deadline_against_release_spinning, .setup = setup_0,
      .threads = {acquire_1_soon, release_1}, .check = conserved_1, .spin = 2)
MODEL(sem.two_deadlines_against_release, .setup = setup_0,
      .threads = {acquire_1_soon, acquire_1_soon, release_1},
      .check = conserved_1, .bounds = {2, 0, 2}, .no_stray = true)
MODEL(sem.deadline_for_two_against_releases, .setup = setup_0,
      .threads = {acquire_2_soon, release_1, release_1}, .check = conserved_2)
MODEL(sem.deadlines_for_one_and_two, .setup = setup_0,
      .threads = {acquire_2_soon, acquire_1_soon, release_1_and_1},
      .check = conserved_2, .bounds = {1, 0, 2}, .also = {2, 0, 1},
      .no_stray = true)
/* The end of a claim passes on what it held back. */
MODEL(sem.deadline_of_a_claim, .setup = setup_1,
      .threads = {enter_twice, acquire_2_late, release_1_and_1},
      .bounds = {2, 0, 3}, .no_stray = true)

static void acquire_2_late_or_give_up(void)
{
    int err = pawl_sem_acquire_n_until(&s.sem, 3, model_late());

    model_late_ends();
    CHECK_ERR(err, -ETIMEDOUT);
}

/* Two permits for one who wants three, and claims, and one who wants one. */
MODEL(sem.claim_in_vain, .setup = setup_0,
      .threads = {acquire_2_late_or_give_up, acquire_1, release_1_and_1},
      .check = holds_1, .bounds = {1, 0, 3}, .also = {2, 0, 1},
      .no_stray = true)

/* A permit that one sleeper cannot use reaches the other. */
MODEL(sem.permit_reaches_who_can_use_it, .setup = setup_0,
      .threads = {acquire_2_soon, acquire_1, release_1}, .check = holds_0,
      .no_stray = true)

/* A large request that does not claim holds nobody back. */
static void acquire_3_soon(void)
{
    CHECK_ERR(pawl_sem_acquire_n_until(&s.sem, 3, model_soon()), -ETIMEDOUT);
}

static void try_1_at_once(void)
{
    CHECK_OK(pawl_sem_try_acquire(&s.sem));
}

MODEL(sem.try_beside_a_large_request, .setup = setup_1,
      .threads = {acquire_3_soon, try_1_at_once}, .check = holds_0,
      .no_stray = true)

/* -- The bound ---------------------------------------------------------------------------- */

static void release_or_overflow(void)
{
    int err = pawl_sem_release(&s.sem);

    if (err == -EOVERFLOW)
        pawl_add_relaxed(&s.missed, 1);
    else
        CHECK_OK(err);
}

static void full(void)
{
    CHECK(s.missed.v_ == 1);
    holds(2);
}

MODEL(sem.bound, .setup = setup_bounded,
      .threads = {release_or_overflow, release_or_overflow}, .check = full)

static void bounded(void)
{
    CHECK(pawl_sem_value(&s.sem) == 2 - (int)s.missed.v_ ||
          pawl_sem_value(&s.sem) == 2);
}

MODEL(sem.bound_and_a_taker, .setup = setup_bounded,
      .threads = {release_or_overflow, release_or_overflow, acquire_1},
      .check = bounded)

/* -- Memory ----------------------------------------------------------------------------------- */

static void acquire_and_free(void)
{
    acquire_1();
    model_free(&s.sem, sizeof s.sem);
}

MODEL(sem.freed_by_the_last_waiter, .setup = setup_0,
      .threads = {acquire_and_free, release_1})
MODEL(sem.freed_by_the_last_waiter_that_spins, .setup = setup_0,
      .threads = {acquire_and_free, release_1}, .spin = 2)

/* A permit brings what was published before any release it may be from. */
static void acquire_2_published(void)
{
    acquire_1();
    acquire_1();
    CHECK(MODEL_GET(s.n[0]) == 1);
    CHECK(MODEL_GET(s.n[1]) == 1);
}

MODEL(sem.permits_of_two, .setup = setup_0,
      .threads = {acquire_2_published, publish, publish_other},
      .check = holds_0)

/* -- Forks --------------------------------------------------------------------------------------- */

static void fork_and_use(void)
{
    int value;

    model_fork();
    CHECK(pawl_sem_waiters(&s.sem) == 0);
    value = pawl_sem_value(&s.sem);
    CHECK_OK(pawl_sem_release(&s.sem));
    CHECK_OK(pawl_sem_acquire(&s.sem));
    while (value-- > 0)
        CHECK_OK(pawl_sem_acquire(&s.sem));
    CHECK_ERR(pawl_sem_acquire_until(&s.sem, model_soon()), -ETIMEDOUT);
    holds(0);
}

MODEL(sem.fork, .setup = setup_0,
      .threads = {acquire_1, release_1, fork_and_use}, .no_stray = true)
