/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the barrier.
 */
#include "model.h"

#include <pawl/barrier.h>

#include "atomic/ops.h"

static struct {
    pawl_barrier b;
    int before[3][2]; /* written by each party before each generation */
    int acted;        /* how often the action ran */
    int indices;      /* bits: which were handed out */
    int passed;
    int broken;
    pawl_u32 flag;
} s;

static void begin(uint32_t parties, unsigned flags)
{
    memset(&s, 0, sizeof s);
    CHECK_OK(pawl_barrier_init(&s.b, parties, PAWL_FOREVER, flags));
    MODEL_NAME(s.b);
    MODEL_NAME(s.before);
    MODEL_NAME(s.acted);
    MODEL_NAME(s.flag);
}

static void setup_2(void)
{
    begin(2, 0);
}

static void setup_3(void)
{
    begin(3, 0);
}

static void setup_shared(void)
{
    begin(2, PAWL_SHARED);
}

/* The scenario's own notes: only one thread runs at a time. */
static void note_index(int index)
{
    CHECK((s.indices & 1 << index) == 0);
    s.indices |= 1 << index;
    s.passed++;
}

static int write_before(int round)
{
    int me = model_self();

    MODEL_SET(s.before[me][round], 1);
    return me;
}

static void sees_all(int parties, int round)
{
    for (int i = 0; i < parties; i++)
        CHECK(MODEL_GET(s.before[i][round]) == 1);
}

/* -- Passing --------------------------------------------------------------------- */

static void pass(int parties, int round)
{
    int index;

    write_before(round);
    index = pawl_barrier_wait(&s.b);
    CHECK(index >= 0 && index < parties);
    note_index(index);
    sees_all(parties, round);
}

static void pass_2(void)
{
    pass(2, 0);
}

static void pass_3(void)
{
    pass(3, 0);
}

static void pass_2_twice(void)
{
    pass(2, 0);
    s.indices &= ~(1 << 4);
    write_before(1);
    CHECK(pawl_barrier_wait(&s.b) >= 0);
    s.passed++;
    sees_all(2, 1);
}

static void all_passed(int n, uint32_t generations)
{
    CHECK(s.passed == n);
    CHECK(pawl_barrier_n_waiting(&s.b) == 0);
    CHECK(!pawl_barrier_broken(&s.b));
    CHECK(pawl_barrier_generation(&s.b) == generations);
    CHECK_OK(pawl_barrier_destroy(&s.b));
}

static void passed_2(void)
{
    all_passed(2, 1);
    CHECK(s.indices == 3);
}

static void passed_3(void)
{
    all_passed(3, 1);
    CHECK(s.indices == 7);
}

static void passed_2_twice(void)
{
    all_passed(4, 2);
}

MODEL(barrier.two, .setup = setup_2, .threads = {pass_2, pass_2},
      .check = passed_2)
MODEL(barrier.two_that_spin, .setup = setup_2, .threads = {pass_2, pass_2},
      .check = passed_2, .spin = 2)
MODEL(barrier.two_processes, .setup = setup_shared, .threads = {pass_2, pass_2},
      .check = passed_2)
MODEL(barrier.three, .setup = setup_3, .threads = {pass_3, pass_3, pass_3},
      .check = passed_3)
MODEL(barrier.three_that_spin, .setup = setup_3,
      .threads = {pass_3, pass_3, pass_3}, .check = passed_3, .spin = 2,
      .bounds = {2, 0, 0})
MODEL(barrier.used_twice, .setup = setup_2,
      .threads = {pass_2_twice, pass_2_twice}, .check = passed_2_twice)
MODEL(barrier.used_twice_spinning, .setup = setup_2,
      .threads = {pass_2_twice, pass_2_twice}, .check = passed_2_twice,
      .spin = 2)

/* More threads than parties: two of three pass, the third breaks it. */
static void pass_or_break(void)
{
    int index = pawl_barrier_wait_until(&s.b, model_soon());

    if (index >= 0)
        s.passed++;
    else if (index == -ETIMEDOUT)
        s.broken++;
    else
        CHECK_ERR(index, -ECANCELED);
}

static void some_passed(void)
{
    CHECK(s.passed == 0 || s.passed == 2);
    CHECK(s.broken <= 1);
    CHECK(pawl_barrier_broken(&s.b) == (s.broken > 0));
    CHECK(pawl_barrier_n_waiting(&s.b) == 0);
    if (s.broken > 0)
        CHECK_ERR(pawl_barrier_reason(&s.b), -ETIMEDOUT);
}

MODEL(barrier.more_threads_than_parties, .setup = setup_2,
      .threads = {pass_or_break, pass_or_break, pass_or_break},
      .check = some_passed, .bounds = {2, 0, 2})

/* -- Deadlines: all of a generation pass, or none ------------------------------------- */

static void none_or_both(void)
{
    CHECK(s.passed == 0 || s.passed == 2);
    CHECK(s.broken == (s.passed == 0));
    CHECK(pawl_barrier_broken(&s.b) == (s.passed == 0));
}

MODEL(barrier.deadlines, .setup = setup_2,
      .threads = {pass_or_break, pass_or_break}, .check = none_or_both)
MODEL(barrier.deadlines_spinning, .setup = setup_2,
      .threads = {pass_or_break, pass_or_break}, .check = none_or_both,
      .spin = 2)

static void wait_or_be_told(void)
{
    int index = pawl_barrier_wait(&s.b);

    if (index >= 0)
        s.passed++;
    else
        CHECK_ERR(index, -ECANCELED);
}

MODEL(barrier.deadline_of_one, .setup = setup_2,
      .threads = {pass_or_break, wait_or_be_told}, .check = none_or_both)

static void all_or_none_of_three(void)
{
    CHECK(s.passed == 0 || s.passed == 3);
}

MODEL(barrier.deadline_of_one_of_three, .setup = setup_3,
      .threads = {pass_or_break, wait_or_be_told, wait_or_be_told},
      .check = all_or_none_of_three, .bounds = {2, 1, 1}, .no_stray = true)

static void setup_impatient(void)
{
    begin(2, 0);
    CHECK_OK(pawl_barrier_init(&s.b, 2, 500001, 0));
}

static void wait_by_default(void)
{
    int index = pawl_barrier_wait(&s.b);

    if (index >= 0)
        s.passed++;
    else if (index == -ETIMEDOUT)
        s.broken++;
    else
        CHECK_ERR(index, -ECANCELED);
}

MODEL(barrier.default_deadline, .setup = setup_impatient,
      .threads = {wait_by_default, wait_by_default}, .check = none_or_both)

/* Only the last passes by trying. */
static void try_to_pass(void)
{
    int index;

    write_before(0);
    index = pawl_barrier_try_wait(&s.b);
    if (index == -EAGAIN)
        index = pawl_barrier_wait(&s.b);
    CHECK(index >= 0);
    note_index(index);
    sees_all(2, 0);
}

MODEL(barrier.try, .setup = setup_2, .threads = {try_to_pass, pass_2},
      .check = passed_2)

/* -- The action ------------------------------------------------------------------------- */

static int act(uint32_t generation, void *unused)
{
    CHECK(generation == 0 && unused == NULL);
    sees_all(2, 0);
    model_section(&s.acted);
    CHECK_ERR(pawl_barrier_wait(&s.b), -EDEADLK);
    return 0;
}

static void pass_with_action(void)
{
    int index;

    write_before(0);
    index = pawl_barrier_wait_action(&s.b, act, NULL, PAWL_FOREVER);
    CHECK(index >= 0);
    note_index(index);
    CHECK(MODEL_GET(s.acted) == 1);
    sees_all(2, 0);
}

MODEL(barrier.action, .setup = setup_2,
      .threads = {pass_with_action, pass_with_action}, .check = passed_2)
MODEL(barrier.action_while_one_spins, .setup = setup_2,
      .threads = {pass_with_action, pass_with_action}, .check = passed_2,
      .spin = 2)

static int fail(uint32_t generation, void *unused)
{
    (void)generation;
    (void)unused;
    return -EPERM;
}

static void wait_for_a_failure(void)
{
    int index = pawl_barrier_wait_action(&s.b, fail, NULL, PAWL_FOREVER);

    if (index == -EPERM)
        s.broken++;
    else
        CHECK_ERR(index, -ECANCELED);
}

static void broken_by_the_action(void)
{
    CHECK(s.broken == 1);
    CHECK(pawl_barrier_broken(&s.b));
    CHECK_ERR(pawl_barrier_reason(&s.b), -EPERM);
}

MODEL(barrier.action_fails, .setup = setup_2,
      .threads = {wait_for_a_failure, wait_for_a_failure},
      .check = broken_by_the_action)

/* The next generation does not begin before the action has ended. */
static int act_slowly(uint32_t generation, void *unused)
{
    (void)generation;
    (void)unused;
    model_section(&s.acted);
    return 0;
}

static void pass_twice_with_action(void)
{
    for (int i = 0; i < 2; i++) {
        CHECK(pawl_barrier_wait_action(&s.b, act_slowly, NULL, PAWL_FOREVER) >=
              0);
        s.passed++;
        CHECK(MODEL_GET(s.acted) > i);
        /* Both have seen it before the next. */
        model_point();
    }
}

static void passed_twice_with_action(void)
{
    CHECK(s.acted == 2);
    all_passed(4, 2);
}

MODEL(barrier.action_and_newcomers, .setup = setup_2,
      .threads = {pass_twice_with_action, pass_twice_with_action},
      .check = passed_twice_with_action)

/* A third comes while the action runs: it belongs to the next generation. */
static void come_third(void)
{
    int index = pawl_barrier_wait_action(&s.b, act_slowly, NULL, model_soon());

    if (index >= 0)
        s.passed++;
    else
        CHECK(index == -ETIMEDOUT || index == -ECANCELED);
}

static void two_or_none_passed(void)
{
    CHECK(s.passed == 0 || s.passed == 2);
    CHECK(s.acted >= s.passed / 2); /* a deadline breaks it during the action */
}

MODEL(barrier.third_comes_while_the_action_runs, .setup = setup_2,
      .threads = {come_third, come_third, come_third},
      .check = two_or_none_passed, .no_stray = true)

/* -- Abort and reset ----------------------------------------------------------------------- */

static void abort_it(void)
{
    CHECK_OK(pawl_barrier_abort(&s.b, 42));
}

static void broken_after_both_or_none(void)
{
    CHECK(s.passed == 0 || s.passed == 2);
    CHECK(pawl_barrier_broken(&s.b));
    CHECK(pawl_barrier_reason(&s.b) == 42);
    CHECK_ERR(pawl_barrier_wait(&s.b), -ECANCELED);
}

MODEL(barrier.abort, .setup = setup_2,
      .threads = {wait_or_be_told, wait_or_be_told, abort_it},
      .check = broken_after_both_or_none)

static void reason_is_seen(void)
{
    if (pawl_barrier_broken(&s.b))
        CHECK(pawl_barrier_reason(&s.b) == 42);
}

MODEL(barrier.reason_of_an_abort, .setup = setup_2,
      .threads = {abort_it, reason_is_seen, reason_is_seen})

static int act_and_be_aborted(uint32_t generation, void *unused)
{
    (void)generation;
    (void)unused;
    model_point();
    model_section(&s.acted);
    return 0;
}

static void wait_action_or_be_told(void)
{
    int index =
        pawl_barrier_wait_action(&s.b, act_and_be_aborted, NULL, PAWL_FOREVER);

    if (index >= 0)
        s.passed++;
    else
        CHECK_ERR(index, -ECANCELED);
}

MODEL(barrier.abort_while_the_action_runs, .setup = setup_2,
      .threads = {wait_action_or_be_told, wait_action_or_be_told, abort_it},
      .check = broken_after_both_or_none)

/* Who arrived is told, or passed; who comes later needs a second. */
static void arrive_and_wait_again(void)
{
    int index = pawl_barrier_wait_until(&s.b, model_soon());

    if (index >= 0)
        s.passed++;
    else
        CHECK(index == -ECANCELED || index == -ETIMEDOUT);
}

static void reset_it(void)
{
    CHECK_OK(pawl_barrier_reset(&s.b));
}

MODEL(barrier.reset, .setup = setup_2,
      .threads = {arrive_and_wait_again, arrive_and_wait_again, reset_it},
      .bounds = {2, 1, 1}, .no_stray = true)

/* A reset, and the same two pass at once: the first still learns its own end. */
static void wait_then_pass(void)
{
    int index = pawl_barrier_wait(&s.b);

    if (index == -ECANCELED)
        index = pawl_barrier_wait(&s.b);
    CHECK(index >= 0);
    s.passed++;
}

static void both_passed(void)
{
    CHECK(s.passed == 2);
    CHECK(!pawl_barrier_broken(&s.b));
}

MODEL(barrier.reset_and_use_again, .setup = setup_2,
      .threads = {wait_then_pass, wait_then_pass, reset_it},
      .check = both_passed)

/* Whoever is told of the reset sees what was done before it. */
static void publish_and_reset(void)
{
    MODEL_SET(s.acted, 1);
    reset_it();
}

static void wait_unless_reset(void)
{
    int index = pawl_barrier_wait_until(&s.b, model_soon());

    if (index == -ECANCELED)
        CHECK(MODEL_GET(s.acted) == 1);
    else
        CHECK_ERR(index, -ETIMEDOUT);
}

MODEL(barrier.reset_publishes, .setup = setup_2,
      .threads = {wait_unless_reset, publish_and_reset})

static void abort_and_reset(void)
{
    abort_it();
    reset_it();
}

static void wait_until_it_passes(void)
{
    int index = pawl_barrier_wait(&s.b);

    while (index == -ECANCELED) {
        model_yield();
        index = pawl_barrier_wait(&s.b);
    }
    CHECK(index >= 0);
    s.passed++;
}

MODEL(barrier.abort_and_reset, .setup = setup_2,
      .threads = {wait_until_it_passes, wait_until_it_passes, abort_and_reset},
      .check = both_passed)

/* -- Arrive now, wait later --------------------------------------------------------------- */

static void arrive_and_finish(void)
{
    pawl_barrier_ticket ticket;
    int index;

    write_before(0);
    index = pawl_barrier_arrive(&s.b, NULL, NULL, PAWL_FOREVER, &ticket);
    CHECK(index >= 0);
    note_index(index);
    model_point();
    CHECK_OK(pawl_barrier_finish(&s.b, ticket));
    sees_all(2, 0);
}

static void arrive_and_poll(void)
{
    pawl_barrier_ticket ticket;
    int index;
    int err;

    write_before(0);
    index = pawl_barrier_arrive(&s.b, NULL, NULL, PAWL_FOREVER, &ticket);
    CHECK(index >= 0);
    note_index(index);
    err = pawl_barrier_try_finish(&s.b, ticket);
    if (err == -EAGAIN)
        err = pawl_barrier_finish(&s.b, ticket);
    CHECK_OK(err);
    CHECK_OK(pawl_barrier_try_finish(&s.b, ticket));
    sees_all(2, 0);
}

static void arrive_and_finish_soon(void)
{
    pawl_barrier_ticket ticket;
    int err;

    err = pawl_barrier_arrive(&s.b, NULL, NULL, PAWL_FOREVER, &ticket);
    if (err >= 0)
        err = pawl_barrier_finish_until(&s.b, ticket, model_soon());
    if (err == 0)
        s.passed++;
    else if (err == -ETIMEDOUT)
        s.broken++;
    else
        CHECK_ERR(err, -ECANCELED);
}

MODEL(barrier.split, .setup = setup_2,
      .threads = {arrive_and_finish, arrive_and_finish}, .check = passed_2)
MODEL(barrier.split_and_poll, .setup = setup_2,
      .threads = {arrive_and_poll, pass_2}, .check = passed_2)
MODEL(barrier.split_with_deadline, .setup = setup_3,
      .threads = {arrive_and_finish_soon, arrive_and_finish_soon})

/* A ticket of a generation that passed, though others have broken since. */
static void arrive_and_look_late(void)
{
    pawl_barrier_ticket ticket;

    CHECK(pawl_barrier_arrive(&s.b, NULL, NULL, PAWL_FOREVER, &ticket) >= 0);
    while (pawl_load_acquire(&s.flag) == 0)
        model_yield();
    CHECK_OK(pawl_barrier_finish(&s.b, ticket));
}

static void pass_and_break_what_follows(void)
{
    pawl_barrier_ticket ticket;

    CHECK(pawl_barrier_wait(&s.b) >= 0);
    for (int i = 0; i < 8; i++) {
        CHECK(pawl_barrier_arrive(&s.b, NULL, NULL, PAWL_FOREVER, &ticket) >=
              0);
        CHECK_OK(pawl_barrier_reset(&s.b));
        CHECK_ERR(pawl_barrier_finish(&s.b, ticket), -ECANCELED);
    }
    pawl_store_release(&s.flag, 1);
}

MODEL(barrier.late_look_at_a_generation_that_passed, .setup = setup_2,
      .threads = {arrive_and_look_late, pass_and_break_what_follows})

/* -- Memory, forks ---------------------------------------------------------------------------- */

/* The last to leave may free it, when it knows that the others have left. */
static void pass_and_free_if_last(void)
{
    CHECK(pawl_barrier_wait(&s.b) >= 0);
    if (pawl_add_acq_rel(&s.flag, 1) == 1)
        model_free(&s.b, sizeof s.b);
}

MODEL(barrier.freed_by_the_last_to_leave, .setup = setup_2,
      .threads = {pass_and_free_if_last, pass_and_free_if_last})

static void fork_and_pass(void)
{
    model_fork();
    CHECK(pawl_barrier_n_waiting(&s.b) == 0);
    CHECK_ERR(pawl_barrier_wait_until(&s.b, model_soon()), -ETIMEDOUT);
    CHECK_OK(pawl_barrier_reset(&s.b));
}

MODEL(barrier.fork, .setup = setup_2,
      .threads = {pass_2, pass_2, fork_and_pass})
