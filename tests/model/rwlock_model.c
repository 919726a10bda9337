/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the reader/writer lock.
 */
#include "model.h"

#include <pawl/rwlock.h>

#include "atomic/ops.h"

static struct {
    pawl_rwlock rw;
    pawl_u32 flag;
    pawl_u32 reads;
    int n; /* guarded by rw */
    int taken;
    int deaths;
} s;

static void setup(void)
{
    memset(&s, 0, sizeof s);
    MODEL_NAME(s.rw);
    MODEL_NAME(s.n);
    MODEL_NAME(s.flag);
    MODEL_NAME(s.reads);
}

static void setup_shared(void)
{
    setup();
    CHECK_OK(pawl_rwlock_init(&s.rw, PAWL_SHARED));
}

/* A writer is alone. */
static void write_once(void)
{
    CHECK_OK(pawl_rwlock_write_lock(&s.rw));
    CHECK(pawl_rwlock_is_mine(&s.rw));
    model_section(&s.n);
    CHECK_OK(pawl_rwlock_write_unlock(&s.rw));
}

static void write_twice(void)
{
    write_once();
    write_once();
}

/* Nobody writes while somebody reads. */
static void read_section(void)
{
    int seen = MODEL_GET(s.n);

    model_point();
    CHECK(MODEL_GET(s.n) == seen);
}

static void read_once(void)
{
    CHECK_OK(pawl_rwlock_read_lock(&s.rw));
    read_section();
    CHECK_OK(pawl_rwlock_read_unlock(&s.rw));
}

static void read_twice(void)
{
    read_once();
    read_once();
}

static void is_free(void)
{
    CHECK(pawl_rwlock_readers(&s.rw) == 0);
    CHECK(!pawl_rwlock_is_write_locked(&s.rw));
    CHECK_OK(pawl_rwlock_destroy(&s.rw));
    CHECK_OK(pawl_rwlock_try_write_lock(&s.rw));
    CHECK_OK(pawl_rwlock_write_unlock(&s.rw));
    CHECK_OK(pawl_rwlock_try_read_lock(&s.rw));
    CHECK_OK(pawl_rwlock_read_unlock(&s.rw));
}

static void written_1(void)
{
    CHECK(s.n == 1 + s.taken);
    is_free();
}

static void written_2(void)
{
    CHECK(s.n == 2 + s.taken);
    is_free();
}

static void written_3(void)
{
    CHECK(s.n == 3 + s.taken);
    is_free();
}

MODEL(rwlock.writer_and_reader, .setup = setup,
      .threads = {write_once, read_once}, .check = written_1)
MODEL(rwlock.writer_and_reader_spinning, .setup = setup,
      .threads = {write_once, read_once}, .check = written_1, .spin = 2)
MODEL(rwlock.writer_and_reader_of_two_processes, .setup = setup_shared,
      .threads = {write_once, read_once}, .check = written_1)
MODEL(rwlock.two_writers, .setup = setup, .threads = {write_once, write_once},
      .check = written_2)
MODEL(rwlock.two_writers_spinning, .setup = setup,
      .threads = {write_once, write_once}, .check = written_2, .spin = 2)
MODEL(rwlock.two_writers_of_two_processes, .setup = setup_shared,
      .threads = {write_once, write_once}, .check = written_2)
MODEL(rwlock.writer_and_two_readers, .setup = setup,
      .threads = {write_once, read_once, read_once}, .check = written_1,
      .bounds = {2, 1, 0})
MODEL(rwlock.writer_and_two_readers_stray, .setup = setup,
      .threads = {write_once, read_once, read_once}, .check = written_1,
      .bounds = {2, 0, 1})
MODEL(rwlock.writer_and_two_readers_spinning, .setup = setup,
      .threads = {write_once, read_once, read_once}, .check = written_1,
      .spin = 2, .bounds = {2, 0, 0})
MODEL(rwlock.two_writers_and_reader, .setup = setup,
      .threads = {write_once, write_once, read_once}, .check = written_2,
      .bounds = {2, 0, 0})
MODEL(rwlock.two_writers_and_reader_stray, .setup = setup,
      .threads = {write_once, write_once, read_once}, .check = written_2,
      .bounds = {1, 0, 1}, .also = {2, 0, 0})
MODEL(rwlock.two_writers_and_reader_spinning, .setup = setup,
      .threads = {write_once, write_once, read_once}, .check = written_2,
      .spin = 2, .bounds = {2, 0, 0})
MODEL(rwlock.reader_comes_twice, .setup = setup,
      .threads = {write_once, read_twice}, .check = written_1,
      .bounds = {3, 0, 1})
MODEL(rwlock.writer_comes_twice, .setup = setup,
      .threads = {write_twice, read_once}, .check = written_2,
      .bounds = {3, 0, 1})
MODEL(rwlock.three_writers, .setup = setup,
      .threads = {write_once, write_once, write_once}, .check = written_3,
      .bounds = {2, 0, 0})
MODEL(rwlock.starving_writer, .setup = setup,
      .threads = {write_twice, write_once}, .check = written_3,
      .bounds = {2, 0, 3}, .no_stray = true)
MODEL(rwlock.starving_writer_and_reader, .setup = setup,
      .threads = {write_twice, write_once, read_once}, .check = written_3,
      .bounds = {1, 0, 2}, .also = {2, 0, 1}, .no_stray = true)

/* -- Fairness between the phases -------------------------------------------------- */

/* A reader that waits during a write comes before the next one.  The count of
 * waiting readers is what pawl/rwlock.h promises no access to: rwlock.c. */
static bool readers_wait(void)
{
    return (s.rw.word_.v_ >> 8 & 0x3fff) != 0;
}

static void write_and_let_readers_in(void)
{
    bool waited;
    uint32_t reads;

    CHECK_OK(pawl_rwlock_write_lock(&s.rw));
    model_section(&s.n);
    waited = readers_wait();
    reads = pawl_load_relaxed(&s.reads);
    CHECK_OK(pawl_rwlock_write_unlock(&s.rw));
    CHECK_OK(pawl_rwlock_write_lock(&s.rw));
    model_section(&s.n);
    CHECK(!waited || pawl_load_relaxed(&s.reads) > reads);
    CHECK_OK(pawl_rwlock_write_unlock(&s.rw));
}

static void read_and_count(void)
{
    CHECK_OK(pawl_rwlock_read_lock(&s.rw));
    read_section();
    pawl_add_relaxed(&s.reads, 1);
    CHECK_OK(pawl_rwlock_read_unlock(&s.rw));
}

MODEL(rwlock.waiting_reader_comes_before_the_next_write, .setup = setup,
      .threads = {write_and_let_readers_in, read_and_count}, .check = written_2)
MODEL(rwlock.waiting_reader_comes_before_another_writer, .setup = setup,
      .threads = {write_and_let_readers_in, read_and_count, write_once},
      .check = written_3, .bounds = {2, 0, 0})

/* A newcomer does not read while a writer waits, so a writer waits for one
 * phase of readers. */
static void read_after_the_writer_waits(void)
{
    bool writer_waits;

    CHECK_OK(pawl_rwlock_read_lock(&s.rw));
    writer_waits = (s.rw.word_.v_ >> 46 & 0xfff) != 0;
    if (writer_waits)
        CHECK_ERR(pawl_rwlock_try_read_lock(&s.rw), -EAGAIN);
    read_section();
    CHECK_OK(pawl_rwlock_read_unlock(&s.rw));
}

MODEL(rwlock.newcomers_wait_for_a_waiting_writer, .setup = setup,
      .threads = {read_after_the_writer_waits, write_once}, .check = written_1)

/* -- Attempts ------------------------------------------------------------------------ */

static void try_write(void)
{
    int err = pawl_rwlock_try_write_lock(&s.rw);

    if (err == -EAGAIN)
        return;
    CHECK_OK(err);
    model_section(&s.n);
    MODEL_SET(s.taken, s.taken + 1);
    CHECK_OK(pawl_rwlock_write_unlock(&s.rw));
}

static void try_read(void)
{
    int err = pawl_rwlock_try_read_lock(&s.rw);

    if (err == -EAGAIN)
        return;
    CHECK_OK(err);
    read_section();
    CHECK_OK(pawl_rwlock_read_unlock(&s.rw));
}

static void write_by(pawl_deadline until)
{
    int err = pawl_rwlock_write_lock_until(&s.rw, until);

    if (err == -ETIMEDOUT)
        return;
    CHECK_OK(err);
    model_section(&s.n);
    MODEL_SET(s.taken, s.taken + 1);
    CHECK_OK(pawl_rwlock_write_unlock(&s.rw));
}

static void write_soon(void)
{
    write_by(model_soon());
}

static void write_late(void)
{
    write_by(model_late());
    model_late_ends();
}

static void read_soon(void)
{
    int err = pawl_rwlock_read_lock_until(&s.rw, model_soon());

    if (err == -ETIMEDOUT)
        return;
    CHECK_OK(err);
    read_section();
    CHECK_OK(pawl_rwlock_read_unlock(&s.rw));
}

MODEL(rwlock.try_write, .setup = setup, .threads = {try_write, write_once},
      .check = written_1)
MODEL(rwlock.try_write_against_reader, .setup = setup,
      .threads = {try_write, read_once, write_once}, .check = written_1,
      .bounds = {2, 0, 0})
MODEL(rwlock.try_read, .setup = setup, .threads = {try_read, write_once},
      .check = written_1)
MODEL(rwlock.deadline_of_a_reader, .setup = setup,
      .threads = {read_soon, write_once}, .check = written_1)
MODEL(rwlock.deadline_of_a_reader_among_three, .setup = setup,
      .threads = {read_soon, read_once, write_once}, .check = written_1,
      .bounds = {2, 0, 1}, .no_stray = true)
MODEL(rwlock.deadline_of_a_writer, .setup = setup,
      .threads = {write_soon, write_once}, .check = written_1)
MODEL(rwlock.deadline_of_a_writer_against_a_reader, .setup = setup,
      .threads = {write_soon, read_once}, .bounds = {3, 1, 1})
/* The readers that a writer held back go in when it leaves. */
MODEL(rwlock.deadline_of_a_writer_among_readers, .setup = setup,
      .threads = {read_once, write_soon, read_once}, .no_stray = true)
MODEL(rwlock.deadline_of_a_writer_among_writers, .setup = setup,
      .threads = {write_once, write_soon, write_once}, .check = written_2,
      .bounds = {2, 0, 1}, .no_stray = true)
MODEL(rwlock.deadline_of_a_starving_writer, .setup = setup,
      .threads = {write_twice, write_late}, .check = written_2,
      .bounds = {2, 0, 3}, .no_stray = true)

/* -- Downgrade -------------------------------------------------------------------------- */

static void write_and_downgrade(void)
{
    CHECK_OK(pawl_rwlock_write_lock(&s.rw));
    model_section(&s.n);
    CHECK_OK(pawl_rwlock_downgrade(&s.rw));
    CHECK(!pawl_rwlock_is_mine(&s.rw));
    read_section();
    CHECK_OK(pawl_rwlock_read_unlock(&s.rw));
}

MODEL(rwlock.downgrade, .setup = setup,
      .threads = {write_and_downgrade, write_once}, .check = written_2)
MODEL(rwlock.downgrade_with_reader, .setup = setup,
      .threads = {write_and_downgrade, read_once}, .check = written_1)
MODEL(rwlock.downgrade_with_both, .setup = setup,
      .threads = {write_and_downgrade, write_once, read_once},
      .check = written_2, .bounds = {2, 0, 0})

/* -- Errors, memory ------------------------------------------------------------------------ */

static void write_and_ask(void)
{
    CHECK_OK(pawl_rwlock_write_lock(&s.rw));
    CHECK_ERR(pawl_rwlock_write_lock(&s.rw), -EDEADLK);
    CHECK_ERR(pawl_rwlock_read_lock(&s.rw), -EDEADLK);
    CHECK_ERR(pawl_rwlock_consistent(&s.rw), -EINVAL);
    model_section(&s.n);
    CHECK_OK(pawl_rwlock_write_unlock(&s.rw));
    CHECK_ERR(pawl_rwlock_write_unlock(&s.rw), -EPERM);
}

static void unlock_anothers(void)
{
    CHECK_ERR(pawl_rwlock_write_unlock(&s.rw), -EPERM);
    CHECK_ERR(pawl_rwlock_read_unlock(&s.rw), -EPERM);
    CHECK_ERR(pawl_rwlock_downgrade(&s.rw), -EPERM);
    CHECK_ERR(pawl_rwlock_consistent(&s.rw), -EPERM);
}

MODEL(rwlock.errors, .setup = setup,
      .threads = {write_and_ask, unlock_anothers}, .check = written_1)

static void tell_and_write(void)
{
    CHECK_OK(pawl_rwlock_write_lock(&s.rw));
    pawl_store_release(&s.flag, 1);
    model_section(&s.n);
    CHECK_OK(pawl_rwlock_write_unlock(&s.rw));
}

static void destroy_when_told(void)
{
    if (pawl_load_acquire(&s.flag) == 1 && pawl_rwlock_destroy(&s.rw) == 0)
        CHECK(MODEL_GET(s.n) == 1);
}

MODEL(rwlock.destroy_sees_what_the_last_writer_did, .setup = setup,
      .threads = {tell_and_write, destroy_when_told}, .check = written_1)

static void write_and_free_if_last(void)
{
    bool last;

    CHECK_OK(pawl_rwlock_write_lock(&s.rw));
    model_section(&s.n);
    last = MODEL_GET(s.n) == 2;
    CHECK_OK(pawl_rwlock_write_unlock(&s.rw));
    if (last)
        model_free(&s.rw, sizeof s.rw);
}

MODEL(rwlock.freed_by_the_last_writer, .setup = setup,
      .threads = {write_and_free_if_last, write_and_free_if_last})

/* -- Deaths ----------------------------------------------------------------------------------- */

static void write_and_die(void)
{
    int err = pawl_rwlock_write_lock(&s.rw);

    if (err == -EOWNERDEAD) {
        MODEL_SET(s.deaths, s.deaths + 1);
        CHECK_OK(pawl_rwlock_consistent(&s.rw));
    } else {
        CHECK_OK(err);
    }
    model_section(&s.n);
    model_die();
}

static void write_after_a_death(void)
{
    int err = pawl_rwlock_write_lock(&s.rw);

    if (err == -EOWNERDEAD) {
        MODEL_SET(s.deaths, s.deaths + 1);
        CHECK_OK(pawl_rwlock_consistent(&s.rw));
    } else {
        CHECK_OK(err);
    }
    model_section(&s.n);
    CHECK_OK(pawl_rwlock_write_unlock(&s.rw));
}

static void read_after_a_death(void)
{
    int err = pawl_rwlock_read_lock(&s.rw);

    if (err == -EOWNERDEAD) {
        MODEL_SET(s.deaths, s.deaths + 1);
        CHECK_OK(pawl_rwlock_consistent(&s.rw));
        CHECK_OK(pawl_rwlock_downgrade(&s.rw));
    } else {
        CHECK_OK(err);
    }
    read_section();
    CHECK_OK(pawl_rwlock_read_unlock(&s.rw));
}

/* Told once, or still to be told. */
static void told_once(void)
{
    if (s.deaths == 0) {
        CHECK_ERR(pawl_rwlock_try_read_lock(&s.rw), -EOWNERDEAD);
        CHECK_OK(pawl_rwlock_consistent(&s.rw));
        CHECK_OK(pawl_rwlock_write_unlock(&s.rw));
    } else {
        CHECK(s.deaths == 1);
    }
    is_free();
}

/* The dead thread looked for sleepers before the other announced that it sleeps,
 * which then did not see who the writer was. */
static const char *const asleep_1[] = {"10A26A13A5A", NULL};
static const char *const asleep_2[] = {"10A24A6A5A", NULL};

MODEL(rwlock.death_of_the_writer_told_to_a_writer, .setup = setup,
      .threads = {write_and_die, write_after_a_death}, .check = told_once,
      .regressions = asleep_1)
MODEL(rwlock.death_of_the_writer_told_to_a_reader, .setup = setup,
      .threads = {write_and_die, read_after_a_death}, .check = told_once,
      .regressions = asleep_2)
MODEL(rwlock.death_of_the_writer_with_both, .setup = setup,
      .threads = {write_and_die, write_after_a_death, read_after_a_death},
      .check = told_once, .bounds = {2, 0, 0})
MODEL(rwlock.death_of_the_writer_with_two_readers, .setup = setup,
      .threads = {write_and_die, read_after_a_death, read_after_a_death},
      .check = told_once, .bounds = {2, 0, 0})
MODEL(rwlock.death_of_the_writer_with_two_writers, .setup = setup,
      .threads = {write_and_die, write_after_a_death, write_after_a_death},
      .check = told_once, .bounds = {2, 0, 0})
MODEL(rwlock.death_of_the_writer_while_others_spin, .setup = setup,
      .threads = {write_and_die, write_after_a_death}, .check = told_once,
      .spin = 2)
static void write_twice_after_a_death(void)
{
    write_after_a_death();
    write_after_a_death();
}

MODEL(rwlock.death_of_a_writer_that_starves, .setup = setup,
      .threads = {write_twice_after_a_death, write_and_die,
                  write_after_a_death},
      .bounds = {1, 0, 2}, .also = {2, 0, 1}, .no_stray = true)

static void two_deaths(void)
{
    CHECK(s.n == 3);
    CHECK(s.deaths == 1 || s.deaths == 2);
}

MODEL(rwlock.two_deaths, .setup = setup,
      .threads = {write_and_die, write_and_die, write_after_a_death},
      .check = two_deaths, .bounds = {2, 0, 0})

/* Not repaired, it is lost. */
static void write_without_repair(void)
{
    int err = pawl_rwlock_write_lock(&s.rw);

    if (err == -ENOTRECOVERABLE)
        return;
    CHECK(err == 0 || err == -EOWNERDEAD);
    if (err == -EOWNERDEAD)
        s.deaths++;
    CHECK_OK(pawl_rwlock_write_unlock(&s.rw));
}

static void read_without_repair(void)
{
    int err = pawl_rwlock_read_lock(&s.rw);

    if (err == -ENOTRECOVERABLE)
        return;
    if (err == -EOWNERDEAD) {
        s.deaths++;
        CHECK_ERR(pawl_rwlock_downgrade(&s.rw), -EPERM);
        CHECK_OK(pawl_rwlock_write_unlock(&s.rw));
        return;
    }
    CHECK_OK(err);
    CHECK_OK(pawl_rwlock_read_unlock(&s.rw));
}

static void lost_or_orphaned(void)
{
    if (s.deaths == 0) {
        CHECK_ERR(pawl_rwlock_write_lock(&s.rw), -EOWNERDEAD);
        return;
    }
    CHECK(s.deaths == 1);
    CHECK_ERR(pawl_rwlock_write_lock(&s.rw), -ENOTRECOVERABLE);
    CHECK_OK(pawl_rwlock_destroy(&s.rw)); /* nobody is counted any more */
}

MODEL(rwlock.death_that_nobody_repairs, .setup = setup,
      .threads = {write_and_die, write_without_repair, read_without_repair},
      .check = lost_or_orphaned, .bounds = {2, 0, 0})
MODEL(rwlock.death_that_no_reader_repairs, .setup = setup,
      .threads = {write_and_die, read_without_repair, read_without_repair},
      .check = lost_or_orphaned, .bounds = {2, 0, 0})

MODEL(rwlock.lost_lock_tells_all_who_sleep, .setup = setup,
      .threads = {write_and_die, write_without_repair, write_without_repair,
                  read_without_repair},
      .check = lost_or_orphaned, .bounds = {1, 0, 0})

/* -- Forks --------------------------------------------------------------------------------------- */

static void fork_and_write(void)
{
    int err;

    model_fork();
    err = pawl_rwlock_write_lock(&s.rw);
    if (err == -EOWNERDEAD)
        CHECK_OK(pawl_rwlock_consistent(&s.rw));
    else
        CHECK_OK(err);
    CHECK_OK(pawl_rwlock_write_unlock(&s.rw));
    is_free();
}

MODEL(rwlock.fork, .setup = setup,
      .threads = {write_once, write_once, fork_and_write})
MODEL(rwlock.fork_while_one_spins, .setup = setup,
      .threads = {write_once, write_once, fork_and_write}, .spin = 2,
      .bounds = {2, 0, 0})
MODEL(rwlock.fork_while_one_downgrades, .setup = setup,
      .threads = {write_once, fork_and_write})
