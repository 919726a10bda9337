/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the reader/writer lock in a region: threads are killed at any step,
 * asleep, and on their way from a wake.
 */
#include "region.h"

#include <pawl/rwlock.h>

#include "atomic/ops.h"

static struct {
    MODEL_REGION_TABLE;
    pawl_rwlock rw;
    int n;                         /* guarded by rw */
    int done;                      /* how often n was changed */
    int told;                      /* how often -EOWNERDEAD was */
    pawl_u32 tried;                /* an attempt has been made */
    bool writes[MODEL_THREADS];    /* holds it for writing, for certain */
    bool may_write[MODEL_THREADS]; /* wants to */
} s;

static void setup(void)
{
    memset(&s, 0, sizeof s);
    MODEL_NAME(s.rw);
    MODEL_NAME(s.n);
    CHECK_OK(pawl_rwlock_init(&s.rw, PAWL_SHARED));
    model_region(&s, sizeof s);
}

static void change(void)
{
    model_section(&s.n);
    s.done++;
}

/* The lock is ours for writing, by `err`. */
static void work(int err)
{
    s.writes[model_self()] = true;
    s.told += err == -EOWNERDEAD;
    CHECK(pawl_rwlock_is_mine(&s.rw));
    if (err == -EOWNERDEAD) {
        CHECK_OK(pawl_rwlock_consistent(&s.rw));
        err = 0;
    }
    CHECK_OK(err);
    change();
    s.writes[model_self()] = false;
    CHECK_OK(pawl_rwlock_write_unlock(&s.rw));
}

static void write_once(void)
{
    s.may_write[model_self()] = true;
    work(pawl_rwlock_write_lock(&s.rw));
}

/* Nobody writes while somebody reads. */
static void read_section(void)
{
    int seen = MODEL_GET(s.n);

    model_point();
    CHECK(MODEL_GET(s.n) == seen);
}

/* A reader that is told of a death is the writer. */
static void end_read(int err)
{
    if (err == -EOWNERDEAD) {
        work(err);
        return;
    }
    CHECK_OK(err);
    read_section();
    CHECK_OK(pawl_rwlock_read_unlock(&s.rw));
}

static void read_once(void)
{
    end_read(pawl_rwlock_read_lock(&s.rw));
}

static void write_twice(void)
{
    write_once();
    write_once();
}

static void mortal_write(void)
{
    model_mortal(true);
    write_once();
}

/* One that may inherit the lock may die with it. */
static void mortal_read(void)
{
    s.may_write[model_self()] = true;
    model_mortal(true);
    read_once();
}

/* The dead keep nobody out.  Each death of a writer was told, or is told now, and
 * none twice. */
static void look(void)
{
    int err = pawl_rwlock_try_write_lock(&s.rw);
    int writing = 0;
    int killed = 0;

    CHECK(s.n == s.done);
    if (err == -EOWNERDEAD) {
        s.told++;
        CHECK_OK(pawl_rwlock_consistent(&s.rw));
        err = 0;
    }
    CHECK_OK(err);
    for (int i = 0; i < model_threads(); i++) {
        killed += s.may_write[i] && model_region_died(i);
        writing += s.writes[i] && model_region_died(i);
    }
    CHECK(s.told >= writing);
    CHECK(s.told <= killed);
    CHECK_OK(pawl_rwlock_write_unlock(&s.rw));
    CHECK_OK(pawl_rwlock_try_read_lock(&s.rw));
    CHECK_OK(pawl_rwlock_read_unlock(&s.rw));
    CHECK_OK(pawl_rwlock_try_write_lock(&s.rw));
    CHECK_OK(pawl_rwlock_write_unlock(&s.rw));
}

static void check(void)
{
    model_region_at_end(look);
}

/* -- Nobody dies: no sleep has to end by itself ---------------------------------- */

MODEL(region_rwlock.two_writers, .setup = setup,
      .threads = {write_once, write_once}, .check = check)
MODEL(region_rwlock.writer_and_reader, .setup = setup,
      .threads = {write_once, read_once}, .check = check)
MODEL(region_rwlock.writer_and_reader_that_spin, .setup = setup,
      .threads = {write_once, read_once}, .check = check, .spin = 2)
MODEL(region_rwlock.writer_and_two_readers, .setup = setup,
      .threads = {write_once, read_once, read_once}, .check = check,
      .bounds = {2, 0, 0})
MODEL(region_rwlock.two_writers_and_reader, .setup = setup,
      .threads = {write_once, write_once, read_once}, .check = check,
      .bounds = {2, 0, 0})
MODEL(region_rwlock.three_writers, .setup = setup,
      .threads = {write_once, write_once, write_once}, .check = check,
      .bounds = {2, 0, 0})
MODEL(region_rwlock.starving_writer, .setup = setup,
      .threads = {write_twice, write_once}, .check = check, .bounds = {2, 0, 2},
      .no_stray = true)
MODEL(region_rwlock.starving_writer_and_reader, .setup = setup,
      .threads = {write_twice, write_once, read_once}, .check = check,
      .bounds = {1, 0, 2}, .no_stray = true, .sampled = true, .also = {2, 0, 0})

static void downgrade(void)
{
    CHECK_OK(pawl_rwlock_write_lock(&s.rw));
    change();
    CHECK_OK(pawl_rwlock_downgrade(&s.rw));
    read_section();
    CHECK_OK(pawl_rwlock_read_unlock(&s.rw));
}

MODEL(region_rwlock.downgrade, .setup = setup,
      .threads = {downgrade, write_once, read_once}, .check = check,
      .bounds = {2, 0, 0})

/* -- One dies, at any step: another goes on without waiting for its look ---------- */

MODEL(region_rwlock.death_told_to_a_writer, .setup = setup,
      .threads = {mortal_write, write_once}, .check = check, .sampled = true,
      .also = {2, 0, 0})
MODEL(region_rwlock.death_of_a_reader, .setup = setup,
      .threads = {mortal_read, write_once}, .check = check, .bounds = {1, 1, 0},
      .also = {2, 0, 0})
MODEL(region_rwlock.death_of_a_reader_and_strays, .setup = setup,
      .threads = {mortal_read, write_once}, .check = check, .sampled = true,
      .also = {2, 0, 0})

static void hold_for_writing(void)
{
    CHECK_OK(pawl_rwlock_write_lock(&s.rw));
}

static void setup_written(void)
{
    setup();
    model_as(0, hold_for_writing);
}

static void write_until_death(void)
{
    s.may_write[0] = true;
    model_mortal(true);
    work(0);
}

static void hold_for_reading(void)
{
    CHECK_OK(pawl_rwlock_read_lock(&s.rw));
}

static void setup_read(void)
{
    setup();
    model_as(0, hold_for_reading);
}

static void read_until_death(void)
{
    model_mortal(true);
    end_read(0);
}

MODEL(region_rwlock.death_of_the_holder_told_to_a_reader,
      .setup = setup_written, .threads = {write_until_death, read_once},
      .check = check, .sampled = true, .also = {2, 0, 0})
MODEL(region_rwlock.death_of_the_holder_with_both, .setup = setup_written,
      .threads = {write_until_death, read_once, write_once}, .check = check,
      .bounds = {2, 0, 0}, .long_bounds = {2, 0, 0}, .sampled = true)
MODEL(region_rwlock.death_of_the_holder_with_two_readers,
      .setup = setup_written,
      .threads = {write_until_death, read_once, read_once}, .check = check,
      .bounds = {2, 0, 0}, .long_bounds = {2, 0, 0}, .sampled = true)
MODEL(region_rwlock.death_of_the_only_reader, .setup = setup_read,
      .threads = {read_until_death, write_once}, .check = check,
      .sampled = true, .also = {2, 0, 0})
MODEL(region_rwlock.death_of_the_only_reader_with_two_writers,
      .setup = setup_read,
      .threads = {read_until_death, write_once, write_once}, .check = check,
      .bounds = {2, 0, 0})

/* -- Looks are needed: nobody watches one that waits ------------------------------- */

MODEL(region_rwlock.death_of_a_waiting_writer, .setup = setup_written,
      .threads = {write_until_death, mortal_write, read_once}, .check = check,
      .looks = true, .bounds = {1, 0, 0}, .long_bounds = {2, 0, 0},
      .sampled = true)
MODEL(region_rwlock.death_told_to_a_reader, .setup = setup,
      .threads = {mortal_write, read_once}, .check = check, .looks = true,
      .sampled = true, .also = {2, 0, 0})
MODEL(region_rwlock.death_of_a_reader_that_writers_wait_for, .setup = setup,
      .threads = {mortal_read, write_once, read_once}, .check = check,
      .looks = true, .bounds = {2, 0, 0})
MODEL(region_rwlock.death_of_a_writer_among_three, .setup = setup,
      .threads = {write_once, mortal_write, read_once}, .check = check,
      .looks = true, .bounds = {1, 0, 0}, .long_bounds = {2, 0, 0})
MODEL(region_rwlock.death_of_a_writer_among_writers, .setup = setup,
      .threads = {write_once, mortal_write, write_once}, .check = check,
      .looks = true, .bounds = {1, 0, 0}, .long_bounds = {2, 0, 0})
MODEL(region_rwlock.death_of_one_that_starves, .setup = setup,
      .threads = {write_twice, mortal_write, read_once}, .check = check,
      .looks = true, .bounds = {1, 0, 2}, .long_bounds = {2, 0, 0},
      .no_stray = true, .sampled = true)
MODEL(region_rwlock.death_of_two, .setup = setup,
      .threads = {mortal_write, mortal_read, write_once}, .check = check,
      .looks = true, .bounds = {1, 0, 0}, .sampled = true)
MODEL(region_rwlock.no_lifeline_is_watched, .setup = setup,
      .threads = {mortal_write, read_once}, .check = check,
      .waitv = MODEL_WAITV_MISSES, .looks = true, .sampled = true,
      .also = {2, 0, 0})

/* -- Attempts and deadlines ---------------------------------------------------------- */

static void try_to_write(void)
{
    int err = pawl_rwlock_try_write_lock(&s.rw);

    if (err != -EAGAIN)
        work(err);
}

static void try_to_read(void)
{
    int err = pawl_rwlock_try_read_lock(&s.rw);

    if (err != -EAGAIN)
        end_read(err);
}

static void write_soon(void)
{
    int err;

    s.may_write[model_self()] = true;
    err = pawl_rwlock_write_lock_until(&s.rw, model_soon());
    if (err != -ETIMEDOUT)
        work(err);
}

static void read_soon(void)
{
    int err = pawl_rwlock_read_lock_until(&s.rw, model_soon());

    if (err != -ETIMEDOUT)
        end_read(err);
}

static void mortal_write_soon(void)
{
    model_mortal(true);
    write_soon();
}

static void mortal_read_soon(void)
{
    s.may_write[model_self()] = true;
    model_mortal(true);
    read_soon();
}

MODEL(region_rwlock.death_seen_by_an_attempt_to_write, .setup = setup,
      .threads = {mortal_read, try_to_write}, .check = check, .sampled = true,
      .also = {2, 0, 0})
MODEL(region_rwlock.death_seen_by_an_attempt_to_read, .setup = setup,
      .threads = {mortal_write, try_to_read}, .check = check, .sampled = true,
      .also = {2, 0, 0})
MODEL(region_rwlock.deadline_of_a_writer_and_death, .setup = setup,
      .threads = {mortal_read, write_soon}, .check = check, .sampled = true,
      .also = {2, 0, 0})
MODEL(region_rwlock.deadline_of_a_reader_and_death, .setup = setup,
      .threads = {mortal_write, read_soon}, .check = check, .sampled = true,
      .also = {2, 0, 0})
MODEL(region_rwlock.deadline_of_a_mortal_writer, .setup = setup_written,
      .threads = {write_until_death, mortal_write_soon, read_once},
      .check = check, .looks = true, .bounds = {1, 0, 1}, .no_stray = true,
      .sampled = true)
MODEL(region_rwlock.deadline_of_a_mortal_reader, .setup = setup_written,
      .threads = {write_until_death, mortal_read_soon, write_once},
      .check = check, .looks = true, .bounds = {1, 0, 1}, .no_stray = true,
      .sampled = true)

/* A census leaves the living alone: who is counted is seen with its note. */
static void end_write(void)
{
    work(0);
}

static void end_reading(void)
{
    end_read(0);
}

MODEL(region_rwlock.attempt_against_a_reader, .setup = setup,
      .threads = {read_once, try_to_write}, .check = check, .bounds = {1, 2, 0},
      .also = {2, 0, 0})
MODEL(region_rwlock.attempt_beside_a_waiting_reader, .setup = setup_written,
      .threads = {end_write, read_once, try_to_write}, .check = check,
      .bounds = {1, 2, 0}, .also = {2, 0, 0})
MODEL(region_rwlock.attempt_beside_a_waiting_writer, .setup = setup_read,
      .threads = {end_reading, write_once, try_to_read}, .check = check,
      .bounds = {1, 2, 0}, .also = {2, 0, 0})

/* During the census of an attempt one goes, and another comes in its place: the word
 * is the same. */
static void read_during_the_attempt(void)
{
    int err = pawl_rwlock_read_lock(&s.rw);

    while (pawl_load_acquire(&s.tried) == 0)
        model_yield();
    end_read(err);
}

static void try_to_write_once(void)
{
    try_to_write();
    pawl_store_release(&s.tried, 1);
}

MODEL(region_rwlock.attempt_while_one_goes_and_one_comes, .setup = setup_read,
      .threads = {end_reading, read_during_the_attempt, try_to_write_once},
      .check = check, .bounds = {2, 1, 0})

/* One comes and goes between the two looks of a census. */
static void end_reading_and_read(void)
{
    end_reading();
    read_once();
}

MODEL(region_rwlock.attempt_while_one_comes_and_goes, .setup = setup_read,
      .threads = {end_reading_and_read, read_during_the_attempt,
                  try_to_write_once},
      .check = check, .bounds = {2, 1, 0})

/* Only the dead keep it out. */
static void read_at_once(void)
{
    model_region_await_death(1);
    CHECK_OK(pawl_rwlock_try_read_lock(&s.rw));
    CHECK_OK(pawl_rwlock_read_unlock(&s.rw));
}

static void write_at_once(void)
{
    model_region_await_death(0);
    CHECK_OK(pawl_rwlock_try_write_lock(&s.rw));
    CHECK_OK(pawl_rwlock_write_unlock(&s.rw));
}

static void die(void)
{
    model_kill();
}

static void die_waiting(void)
{
    model_mortal(true);
    (void)!pawl_rwlock_write_lock_until(&s.rw, model_soon());
    model_kill();
}

/* It reads on, and does not die. */
static void keep_reading(void)
{
    model_region_await_death(1);
}

static void no_check(void)
{
}

MODEL(region_rwlock.dead_reader_keeps_no_attempt_out, .setup = setup_read,
      .threads = {die, write_at_once}, .check = check)
MODEL(region_rwlock.dead_waiter_keeps_no_attempt_out, .setup = setup_read,
      .threads = {keep_reading, die_waiting, read_at_once}, .check = no_check,
      .bounds = {1, 0, 0}, .long_bounds = {2, 0, 0})

/* A writer has died while it waited, counted: nobody watches it, and nothing tells
 * those whom it holds back but an attempt. */
static void setup_awaited_by_the_dead(void)
{
    setup();
    s.rw.word_.v_ = UINT64_C(1) << 46;
}

MODEL(region_rwlock.attempt_lets_those_in_that_the_dead_hold_back,
      .setup = setup_awaited_by_the_dead,
      .threads = {read_once, read_once, try_to_read}, .check = check,
      .bounds = {2, 0, 0})

/* A reader died, counted.  Two attempts look for the dead at the same time, and another
 * reader comes in between: that one is not taken for the dead one. */
static void setup_read_by_the_dead(void)
{
    setup();
    s.rw.word_.v_ = UINT64_C(1) << 32;
}

MODEL(region_rwlock.two_attempts_take_one_dead_reader_out,
      .setup = setup_read_by_the_dead,
      .threads = {try_to_write, try_to_write, read_once}, .check = check,
      .bounds = {2, 0, 0})

/* Who dies in the middle of it keeps no other from correcting the counts. */
static void try_to_write_and_die(void)
{
    s.may_write[0] = true;
    model_mortal(true);
    try_to_write();
    model_kill();
}

static void try_to_write_after_the_death(void)
{
    model_region_await_death(0);
    s.may_write[1] = true;
    work(pawl_rwlock_try_write_lock(&s.rw));
}

MODEL(region_rwlock.death_of_one_that_takes_a_dead_reader_out,
      .setup = setup_read_by_the_dead,
      .threads = {try_to_write_and_die, try_to_write_after_the_death},
      .check = check)

/* The section of those who correct counts, by itself. */
static void correct(bool dies)
{
    struct pawl_participants *t = (struct pawl_participants *)s.table_;
    uint32_t me = (uint32_t)pawl_participants_join(t);

    while (!pawl_census_begin(t, me, &s.rw))
        model_yield();
    model_section(&s.n);
    if (dies)
        model_kill();
    pawl_census_end(t, &s.rw);
    s.done++;
}

static void correct_once(void)
{
    correct(false);
}

static void correct_and_die(void)
{
    correct(true);
}

static void check_corrected(void)
{
    CHECK(s.n == 3);
    CHECK(s.done == 3 - model_region_died(0));
}

MODEL(region_rwlock.one_corrects_at_a_time, .setup = setup,
      .threads = {correct_once, correct_once, correct_once},
      .check = check_corrected)
MODEL(region_rwlock.one_corrects_after_the_other_has_died, .setup = setup,
      .threads = {correct_and_die, correct_once, correct_once},
      .check = check_corrected)

/* -- Nobody repairs it ------------------------------------------------------------------ */

static void do_not_repair(int err)
{
    if (err == -ENOTRECOVERABLE)
        return;
    if (err == -EOWNERDEAD)
        s.told++;
    else
        CHECK_OK(err);
    if (pawl_rwlock_is_mine(&s.rw))
        CHECK_OK(pawl_rwlock_write_unlock(&s.rw));
    else
        CHECK_OK(pawl_rwlock_read_unlock(&s.rw));
}

static void write_without_repair(void)
{
    do_not_repair(pawl_rwlock_write_lock(&s.rw));
}

static void read_without_repair(void)
{
    do_not_repair(pawl_rwlock_read_lock(&s.rw));
}

static void look_at_the_lost(void)
{
    int err = pawl_rwlock_try_write_lock(&s.rw);

    CHECK(s.told <= 1);
    if (s.told == 1)
        CHECK_ERR(err, -ENOTRECOVERABLE);
    else
        CHECK(err == 0 || (err == -EOWNERDEAD && model_region_died(0)));
}

static void check_lost(void)
{
    model_region_at_end(look_at_the_lost);
}

MODEL(region_rwlock.death_that_nobody_repairs, .setup = setup_written,
      .threads = {write_until_death, write_without_repair, read_without_repair},
      .check = check_lost, .bounds = {2, 0, 0})
