/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the mutex.
 */
#include "model.h"

#include <pawl/mutex.h>

#include "atomic/ops.h"

static struct {
    pawl_mutex m;
    pawl_mutex second;
    pawl_u32 flag;
    int n;      /* guarded by m */
    int n2;     /* guarded by second */
    int taken;  /* how often m was taken, by those who may fail to */
    int deaths; /* how often -EOWNERDEAD was told */
    bool tried[MODEL_THREADS];
} s;

static void setup(void)
{
    memset(&s, 0, sizeof s);
    MODEL_NAME(s.m);
    MODEL_NAME(s.second);
    MODEL_NAME(s.flag);
    MODEL_NAME(s.n);
    MODEL_NAME(s.n2);
    MODEL_NAME(s.taken);
}

static void setup_shared(void)
{
    setup();
    CHECK_OK(pawl_mutex_init(&s.m, PAWL_SHARED));
}

static void setup_ownerless(void)
{
    setup();
    CHECK_OK(pawl_mutex_init(&s.m, PAWL_OWNERLESS));
}

static void add(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m));
    model_section(&s.n);
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

static void add_twice(void)
{
    add();
    add();
}

static void is_free(void)
{
    CHECK(!pawl_mutex_is_locked(&s.m));
    CHECK_OK(pawl_mutex_destroy(&s.m));
    CHECK_OK(pawl_mutex_try_lock(&s.m));
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

static void added_2(void)
{
    CHECK(s.n == 2);
    is_free();
}

static void added_3(void)
{
    CHECK(s.n == 3);
    is_free();
}

MODEL(mutex.two, .setup = setup, .threads = {add, add}, .check = added_2)
MODEL(mutex.two_that_spin, .setup = setup, .threads = {add, add},
      .check = added_2, .spin = 2)
MODEL(mutex.two_on_one_cpu, .setup = setup, .threads = {add, add},
      .check = added_2, .spin = 2, .one_cpu = true)
MODEL(mutex.two_of_two_processes, .setup = setup_shared, .threads = {add, add},
      .check = added_2)
MODEL(mutex.two_of_two_processes_that_spin, .setup = setup_shared,
      .threads = {add, add}, .check = added_2, .spin = 2)
MODEL(mutex.two_ownerless, .setup = setup_ownerless, .threads = {add, add},
      .check = added_2)
/* A thread's id may be seen in the lock before it is seen in its record. */
static const char *const taken_for_dead[] = {"18A13A", NULL};

MODEL(mutex.first_use_of_two_threads, .setup = setup, .threads = {add, add},
      .check = added_2, .births = true, .regressions = taken_for_dead)
MODEL(mutex.three, .setup = setup, .threads = {add, add, add}, .check = added_3,
      .bounds = {2, 1, 0})
MODEL(mutex.three_that_spin, .setup = setup, .threads = {add, add, add},
      .check = added_3, .spin = 2, .bounds = {2, 0, 0})
MODEL(mutex.three_with_alarms, .setup = setup, .threads = {add, add, add},
      .check = added_3, .bounds = {1, 0, 2}, .also = {2, 0, 1},
      .no_stray = true)
MODEL(mutex.one_comes_twice, .setup = setup, .threads = {add_twice, add},
      .check = added_3)
MODEL(mutex.one_comes_twice_with_alarms, .setup = setup,
      .threads = {add_twice, add}, .check = added_3, .bounds = {2, 0, 2},
      .no_stray = true)
MODEL(mutex.one_comes_twice_and_spins, .setup = setup,
      .threads = {add_twice, add}, .check = added_3, .spin = 2)

/* -- Attempts ------------------------------------------------------------------- */

static void try_to_add(void)
{
    int err = pawl_mutex_try_lock(&s.m);

    if (err == -EAGAIN)
        return;
    CHECK_OK(err);
    model_section(&s.n);
    MODEL_SET(s.taken, s.taken + 1);
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

static void added_1_and_taken(void)
{
    CHECK(s.n == 1 + s.taken);
    is_free();
}

MODEL(mutex.try_against_lock, .setup = setup, .threads = {add, try_to_add},
      .check = added_1_and_taken)
MODEL(mutex.two_try_against_lock, .setup = setup,
      .threads = {add, try_to_add, try_to_add}, .check = added_1_and_taken)

static void add_soon(void)
{
    int err = pawl_mutex_lock_until(&s.m, model_soon());

    if (err == -ETIMEDOUT)
        return;
    CHECK_OK(err);
    model_section(&s.n);
    MODEL_SET(s.taken, s.taken + 1);
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

static void add_late(void)
{
    int err = pawl_mutex_lock_until(&s.m, model_late());

    model_late_ends();
    if (err == -ETIMEDOUT)
        return;
    CHECK_OK(err);
    model_section(&s.n);
    MODEL_SET(s.taken, s.taken + 1);
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

static void added_2_and_taken(void)
{
    CHECK(s.n == 2 + s.taken);
    is_free();
}

MODEL(mutex.deadline, .setup = setup, .threads = {add, add_soon},
      .check = added_1_and_taken)
MODEL(mutex.deadline_of_one_that_spins, .setup = setup,
      .threads = {add, add_soon}, .check = added_1_and_taken, .spin = 2)
MODEL(mutex.deadline_among_three, .setup = setup,
      .threads = {add, add, add_soon}, .check = added_2_and_taken,
      .bounds = {2, 0, 1}, .no_stray = true)
MODEL(mutex.deadline_of_one_that_starves, .setup = setup,
      .threads = {add_twice, add_late}, .check = added_2_and_taken,
      .bounds = {2, 0, 3}, .no_stray = true)
MODEL(mutex.two_starve_and_one_gives_up, .setup = setup,
      .threads = {add, add, add_late}, .check = added_2_and_taken,
      .bounds = {1, 0, 3}, .also = {2, 0, 1}, .no_stray = true)

/* Nobody releases it, and then the deadline of one that waits passes. */
static void keep(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m));
    model_section(&s.n);
}

static void give_up(void)
{
    int err = pawl_mutex_lock_until(&s.m, model_late());

    model_late_ends();
    if (err == 0)
        CHECK_OK(pawl_mutex_unlock(&s.m));
    else
        CHECK_ERR(err, -ETIMEDOUT);
}

static void is_kept(void)
{
    CHECK(s.n == 1 && pawl_mutex_is_locked(&s.m));
    CHECK_ERR(pawl_mutex_destroy(&s.m), -EBUSY);
}

MODEL(mutex.deadlines_while_it_is_kept, .setup = setup,
      .threads = {keep, give_up, give_up}, .check = is_kept,
      .bounds = {1, 0, 2}, .also = {2, 0, 1}, .no_stray = true)

/* -- Errors ---------------------------------------------------------------------- */

static void hold_and_ask(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m));
    CHECK(pawl_mutex_is_mine(&s.m));
    CHECK_ERR(pawl_mutex_lock(&s.m), -EDEADLK);
    CHECK_ERR(pawl_mutex_try_lock(&s.m), -EAGAIN);
    CHECK_ERR(pawl_mutex_consistent(&s.m), -EINVAL);
    model_section(&s.n);
    CHECK_OK(pawl_mutex_unlock(&s.m));
    CHECK_ERR(pawl_mutex_unlock(&s.m), -EPERM);
}

static void unlock_anothers(void)
{
    int owner = pawl_mutex_owner(&s.m);

    CHECK(owner == 0 || owner == 1000);
    CHECK(!pawl_mutex_is_mine(&s.m));
    CHECK_ERR(pawl_mutex_unlock(&s.m), -EPERM);
    CHECK_ERR(pawl_mutex_consistent(&s.m), -EPERM);
}

static void added_1(void)
{
    CHECK(s.n == 1);
    is_free();
}

MODEL(mutex.errors, .setup = setup, .threads = {hold_and_ask, unlock_anothers},
      .check = added_1)

/* An ownerless mutex as a signal. */
static void setup_held_ownerless(void)
{
    setup_ownerless();
    CHECK_OK(pawl_mutex_lock(&s.m));
}

static void publish_and_unlock(void)
{
    MODEL_SET(s.n, 1);
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

static void lock_and_read(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m));
    CHECK(MODEL_GET(s.n) == 1);
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

MODEL(mutex.ownerless_is_released_by_another, .setup = setup_held_ownerless,
      .threads = {publish_and_unlock, lock_and_read, lock_and_read},
      .check = is_free)

/* -- Memory ----------------------------------------------------------------------- */

/* The one that comes second may free it. */
static void add_and_free_if_last(void)
{
    bool last;

    CHECK_OK(pawl_mutex_lock(&s.m));
    model_section(&s.n);
    last = MODEL_GET(s.n) == 2;
    CHECK_OK(pawl_mutex_unlock(&s.m));
    if (last)
        model_free(&s.m, sizeof s.m);
}

static void added_2_and_freed(void)
{
    CHECK(s.n == 2);
}

MODEL(mutex.freed_by_the_last_holder, .setup = setup,
      .threads = {add_and_free_if_last, add_and_free_if_last},
      .check = added_2_and_freed)
MODEL(mutex.freed_by_the_last_holder_that_spins, .setup = setup,
      .threads = {add_and_free_if_last, add_and_free_if_last},
      .check = added_2_and_freed, .spin = 2)

static void tell_and_add(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m));
    pawl_store_release(&s.flag, 1);
    model_section(&s.n);
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

static void destroy_when_told(void)
{
    if (pawl_load_acquire(&s.flag) == 1 && pawl_mutex_destroy(&s.m) == 0)
        CHECK(MODEL_GET(s.n) == 1);
}

MODEL(mutex.destroy_sees_what_the_last_holder_did, .setup = setup,
      .threads = {tell_and_add, destroy_when_told}, .check = added_1)

/* -- Deaths ------------------------------------------------------------------------ */

static void take_and_die(void)
{
    int err = pawl_mutex_lock(&s.m);

    if (err == -EOWNERDEAD) {
        s.deaths++;
        CHECK_OK(pawl_mutex_consistent(&s.m));
        err = 0;
    }
    CHECK_OK(err);
    model_section(&s.n);
    model_die();
}

static void add_after_a_death(void)
{
    int err = pawl_mutex_lock(&s.m);

    if (err == -EOWNERDEAD) {
        CHECK(pawl_mutex_is_orphaned(&s.m));
        MODEL_SET(s.deaths, s.deaths + 1);
        CHECK_OK(pawl_mutex_consistent(&s.m));
        err = 0;
    }
    CHECK_OK(err);
    model_section(&s.n);
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

static void orphaned_or_told(int threads, int deaths)
{
    CHECK(s.n == threads);
    if (s.deaths == deaths) {
        is_free();
        return;
    }
    CHECK(s.deaths == deaths - 1);
    CHECK_ERR(pawl_mutex_try_lock(&s.m), -EOWNERDEAD);
}

static void one_death_of_two(void)
{
    orphaned_or_told(2, 1);
}

static void one_death_of_three(void)
{
    orphaned_or_told(3, 1);
}

MODEL(mutex.death_of_the_holder, .setup = setup,
      .threads = {take_and_die, add_after_a_death}, .check = one_death_of_two)
MODEL(mutex.death_of_the_holder_while_one_spins, .setup = setup,
      .threads = {take_and_die, add_after_a_death}, .check = one_death_of_two,
      .spin = 2)
MODEL(mutex.death_of_one_of_three, .setup = setup,
      .threads = {take_and_die, add_after_a_death, add_after_a_death},
      .check = one_death_of_three, .bounds = {2, 0, 0})
MODEL(mutex.death_of_one_that_takes_it_with_alarms, .setup = setup,
      .threads = {add_after_a_death, take_and_die, add_after_a_death},
      .check = one_death_of_three, .bounds = {1, 0, 2}, .also = {2, 0, 1},
      .no_stray = true)

static void two_deaths(void)
{
    CHECK(s.n == 3);
    CHECK(s.deaths == 1 || s.deaths == 2);
}

MODEL(mutex.two_deaths, .setup = setup,
      .threads = {take_and_die, take_and_die, add_after_a_death},
      .check = two_deaths, .bounds = {2, 0, 0})

/* Not repaired, it is lost for everybody. */
static void take_and_give_up_repair(void)
{
    int err = pawl_mutex_lock(&s.m);

    if (err == -ENOTRECOVERABLE)
        return;
    model_section(&s.n);
    if (err == -EOWNERDEAD)
        s.deaths++;
    else
        CHECK_OK(err);
    CHECK_OK(pawl_mutex_unlock(&s.m));
}

static void lost_or_orphaned(void)
{
    CHECK_ERR(pawl_mutex_lock(&s.m),
              s.deaths == 1 ? -ENOTRECOVERABLE : -EOWNERDEAD);
}

MODEL(mutex.death_that_nobody_repairs, .setup = setup,
      .threads = {take_and_die, take_and_give_up_repair,
                  take_and_give_up_repair},
      .check = lost_or_orphaned, .bounds = {2, 0, 0})

MODEL(mutex.lost_lock_tells_all_who_sleep, .setup = setup,
      .threads = {take_and_die, take_and_give_up_repair,
                  take_and_give_up_repair, take_and_give_up_repair},
      .check = lost_or_orphaned, .bounds = {2, 0, 0})

/* The heir may free it, although the dead thread looks after sleepers. */
static void inherit_and_free(void)
{
    int err = pawl_mutex_lock(&s.m);

    if (err == 0) {
        CHECK_OK(pawl_mutex_unlock(&s.m));
        return;
    }
    CHECK_ERR(err, -EOWNERDEAD);
    CHECK(MODEL_GET(s.n) == 1);
    CHECK_OK(pawl_mutex_consistent(&s.m));
    CHECK_OK(pawl_mutex_unlock(&s.m));
    model_free(&s.m, sizeof s.m);
}

MODEL(mutex.freed_by_the_heir, .setup = setup,
      .threads = {take_and_die, inherit_and_free})

/* -- Forks -------------------------------------------------------------------------- */

static void fork_and_lock(void)
{
    int err;

    model_fork();
    err = pawl_mutex_lock(&s.m);
    if (err == -EOWNERDEAD)
        CHECK_OK(pawl_mutex_consistent(&s.m));
    else
        CHECK_OK(err);
    CHECK_OK(pawl_mutex_unlock(&s.m));
    is_free();
}

MODEL(mutex.fork, .setup = setup, .threads = {add, add, fork_and_lock},
      .no_stray = true)
MODEL(mutex.fork_while_one_spins, .setup = setup,
      .threads = {add, add, fork_and_lock}, .spin = 2)
MODEL(mutex.fork_while_one_starves, .setup = setup,
      .threads = {add_twice, add, fork_and_lock}, .bounds = {1, 0, 2},
      .also = {2, 0, 1}, .no_stray = true)

static void lock_and_fork(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m));
    model_section(&s.n);
    model_fork();
    CHECK(pawl_mutex_is_mine(&s.m));
    CHECK_OK(pawl_mutex_unlock(&s.m));
    is_free();
}

MODEL(mutex.fork_of_the_holder, .setup = setup, .threads = {add, lock_and_fork},
      .bounds = {2, 1, 1})

/* -- Several at once ----------------------------------------------------------------- */

static void take_both(pawl_mutex *first, pawl_mutex *second)
{
    pawl_mutex *both[] = {first, second};

    CHECK_OK(pawl_mutex_lock_many(both, 2));
    model_section(&s.n);
    model_section(&s.n2);
    CHECK_OK(pawl_mutex_unlock_many(both, 2));
}

static void take_1_2(void)
{
    take_both(&s.m, &s.second);
}

static void take_2_1(void)
{
    take_both(&s.second, &s.m);
}

static void added_2_2(void)
{
    CHECK(s.n2 == 2);
    added_2();
}

MODEL(mutex.sets_in_both_orders, .setup = setup,
      .threads = {take_1_2, take_2_1}, .check = added_2_2)

/* All or none, though a deadline passes and a holder dies. */
static void try_both(void)
{
    pawl_mutex *both[] = {&s.m, &s.second};
    int err = pawl_mutex_try_lock_many(both, 2);

    if (err == -EAGAIN) {
        CHECK(!pawl_mutex_is_mine(&s.m) && !pawl_mutex_is_mine(&s.second));
        return;
    }
    CHECK_OK(err);
    model_section(&s.n);
    MODEL_SET(s.taken, s.taken + 1);
    CHECK_OK(pawl_mutex_unlock_many(both, 2));
}

static void take_both_soon(void)
{
    pawl_mutex *both[] = {&s.second, &s.m};
    int err = pawl_mutex_lock_many_until(both, 2, model_soon());

    if (err == -ETIMEDOUT)
        return;
    if (err == -EOWNERDEAD) {
        CHECK(pawl_mutex_is_orphaned(&s.second) !=
              pawl_mutex_is_orphaned(&s.m));
        pawl_mutex_consistent(&s.m);
        pawl_mutex_consistent(&s.second);
        err = 0;
    }
    CHECK_OK(err);
    CHECK_OK(pawl_mutex_unlock_many(both, 2));
}

MODEL(mutex.try_a_set, .setup = setup, .threads = {add, try_both},
      .check = added_1_and_taken)
MODEL(mutex.deadline_of_a_set, .setup = setup, .threads = {add, take_both_soon},
      .check = added_1)

static void hold_second_and_die(void)
{
    CHECK_OK(pawl_mutex_lock(&s.second));
    model_die();
}

static void still_orphaned_or_told(void)
{
    int err = pawl_mutex_lock(&s.second);

    CHECK(err == 0 || err == -EOWNERDEAD);
    added_1();
}

MODEL(mutex.death_in_a_set, .setup = setup,
      .threads = {hold_second_and_die, add, take_both_soon},
      .check = still_orphaned_or_told, .bounds = {2, 0, 0})
