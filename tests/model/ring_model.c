/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the ring, in both formats.
 */
#include "model.h"

#include <pawl/ring.h>

#include "atomic/ring_core.h"
#include "made.h"

enum { RINGS = 2, BYTES = 4096, PARTICIPANTS = 4, ITEMS = 16 };

static struct {
    _Alignas(PAWL_RING_ALIGN) unsigned char memory[RINGS][BYTES];
    pawl_ring *r[RINGS];
    int put[ITEMS]; /* whether item i was accepted */
    int got[ITEMS]; /* how often it came out */
    int last[MODEL_THREADS + 1][MODEL_THREADS + 1]; /* order, by consumer */
    int empties[2];
    enum pawl_ring_format format;
    int checking;
} s;

static int me(void)
{
    return s.checking ? MODEL_THREADS : model_self();
}

/* ---- parts --------------------------------------------------------------- */

static void begin_as(enum pawl_ring_format format, size_t participants,
                     size_t capacity, uint64_t lap)
{
    size_t slot = format == PAWL_RING_VALUE ? 16 : 8;

    memset(&s, 0, sizeof s);
    s.format = format;
    s.checking = 1;
    for (int i = 0; i < RINGS; i++) {
        CHECK_OK(pawl_ring_init_as(format, &s.r[i], s.memory[i], BYTES,
                                   capacity, 8, participants, lap));
        model_name(&s.r[i]->tail, 8, "tail");
        model_name(&s.r[i]->head, 8, "head");
        model_name(s.r[i] + 1, slot * capacity, "slot");
    }
    s.checking = 0;
}

static void begin_for(size_t participants, size_t capacity, uint64_t lap)
{
    begin_as(PAWL_RING_SWAP, participants, capacity, lap);
}

static void begin(size_t capacity, uint64_t lap)
{
    begin_for(PARTICIPANTS, capacity, lap);
}

/* In place: what is in the block must not race. */
static int put_in_place(int ring, int item)
{
    pawl_ring_loan loan;
    int err;

    CHECK_OK(pawl_ring_reserve(s.r[ring], &loan));
    MODEL_SET(*(uint64_t *)loan.data, (uint64_t)item);
    err = pawl_ring_commit(s.r[ring], &loan);
    if (err != 0)
        CHECK_OK(pawl_ring_cancel(s.r[ring], &loan));
    return err;
}

/* Item n = 4 * producer + number. */
static int put(int ring, int item)
{
    uint64_t value = (uint64_t)item;
    int err = s.format == PAWL_RING_VALUE ? pawl_ring_push(s.r[ring], &value)
                                          : put_in_place(ring, item);

    s.put[item] += err == 0;
    return err;
}

static void has_got(int item)
{
    CHECK(item >= 0 && item < ITEMS);
    s.got[item]++;
    CHECK(s.last[me()][item / 4] <= item % 4);
    s.last[me()][item / 4] = item % 4 + 1;
}

static int get_in_place(int ring)
{
    pawl_ring_loan loan;
    int err = pawl_ring_borrow(s.r[ring], &loan);

    if (err == 0) {
        has_got((int)MODEL_GET(*(uint64_t *)loan.data));
        CHECK_OK(pawl_ring_give_back(s.r[ring], &loan));
    }
    return err;
}

static int get(int ring)
{
    uint64_t value;
    int err;

    if (s.format == PAWL_RING_SWAP)
        return get_in_place(ring);
    err = pawl_ring_pop(s.r[ring], &value);
    if (err == 0)
        has_got((int)value);
    return err;
}

/* Everything that was accepted came out once, or is still there; and as much
 * fits in as before. */
static void whole(void)
{
    size_t inside = 0;
    size_t n = 0;
    size_t capacity = pawl_ring_capacity(s.r[0]);
    bool closed = pawl_ring_is_closed(s.r[0]);

    s.checking = 1;
    for (int i = 0; i < ITEMS; i++)
        inside += (size_t)(s.put[i] - s.got[i]);
    CHECK(pawl_ring_size(s.r[0]) == inside);
    while (get(0) == 0)
        n++;
    CHECK(n == inside);
    for (int i = 0; i < ITEMS; i++)
        CHECK(s.got[i] == s.put[i] && s.put[i] <= 1);
    memset(s.last, 0, sizeof s.last);
    CHECK_ERR(get(0), closed ? -ESHUTDOWN : -EAGAIN);
    for (size_t i = 0; i < capacity && !closed; i++)
        CHECK_OK(put(0, 15));
    CHECK_ERR(put(0, 15), closed ? -ESHUTDOWN : -EAGAIN);
}

static void one(void)
{
    begin(1, 0);
}

static void two(void)
{
    begin(2, 0);
}

/* The first lap is the last before they begin at 0 again. */
static void three_about_to_wrap(void)
{
    begin(3, UINT64_MAX);
}

static bool put_own(int n)
{
    int err = put(0, 4 * model_self() + n);

    CHECK(err == 0 || err == -EAGAIN);
    return err == 0;
}

static void get_any(void)
{
    int err = get(0);

    CHECK(err == 0 || err == -EAGAIN);
}

/* Who pops only what it has pushed before, or as much, finds something. */
static void put_get(void)
{
    if (put_own(0))
        CHECK_OK(get(0));
}

static void put_get_twice(void)
{
    put_get();
    if (put_own(1))
        CHECK_OK(get(0));
}

static void put_two(void)
{
    put_own(0);
    put_own(1);
}

static void put_one(void)
{
    put_own(0);
}

static void get_two(void)
{
    get_any();
    get_any();
}

/* So many at a time, or as many as fit; of the caller's, from the first on. */
static int64_t put_many(int first, size_t many)
{
    uint64_t values[4];
    int64_t n;

    for (size_t i = 0; i < many; i++)
        values[i] = (uint64_t)first + i;
    n = pawl_ring_push_many(s.r[0], values, many);
    CHECK((n > 0 && n <= (int64_t)many) || n == -EAGAIN || n == -ESHUTDOWN);
    for (int64_t i = 0; i < n; i++)
        s.put[values[i]]++;
    return n;
}

static int64_t get_many(size_t many)
{
    uint64_t values[4];
    int64_t n = pawl_ring_pop_many(s.r[0], values, many);

    CHECK((n > 0 && n <= (int64_t)many) || n == -EAGAIN || n == -ESHUTDOWN);
    for (int64_t i = 0; i < n; i++)
        has_got((int)values[i]);
    return n;
}

static void put_both(void)
{
    put_many(4 * model_self(), 2);
}

static void get_both(void)
{
    get_many(2);
}

static void put_three(void)
{
    put_many(4 * model_self(), 3);
}

static void get_three(void)
{
    get_many(3);
}

static void put_both_twice(void)
{
    put_both();
    put_many(4 * model_self() + 2, 2);
}

static void put_both_get_both(void)
{
    put_both();
    get_both();
}

/* ---- scenarios ----------------------------------------------------------- */

MODEL(ring.two_put_and_get_capacity_1, .setup = one,
      .threads = {put_get, put_get}, .check = whole)
MODEL(ring.two_put_and_get_capacity_2, .setup = two,
      .threads = {put_get, put_get}, .check = whole)
MODEL(ring.two_put_and_get_twice, .setup = one,
      .threads = {put_get_twice, put_get_twice}, .check = whole)
MODEL(ring.three_put_and_get, .setup = two,
      .threads = {put_get, put_get, put_get}, .check = whole)
MODEL(ring.two_put_one_gets, .setup = two,
      .threads = {put_one, put_one, get_two}, .check = whole)
MODEL(ring.one_puts_two_get, .setup = one,
      .threads = {put_two, get_two, get_two}, .check = whole)
MODEL(ring.laps_wrap, .setup = three_about_to_wrap,
      .threads = {put_get_twice, put_get_twice}, .check = whole)

/* Nobody keeps a block: they use the same ones, one after the other. */
static void nobody_keeps(void)
{
    begin_for(0, 2, 0);
}

MODEL(ring.blocks_are_passed_on, .setup = nobody_keeps,
      .threads = {put_get, put_get}, .check = whole)

/* Both hints some positions behind. */
static void let_hints_stale(void)
{
    s.checking = 1;
    for (int i = 0; i < 5; i++) {
        CHECK_OK(put(0, 15));
        CHECK_OK(get(0));
        s.put[15] = s.got[15] = 0;
        memset(s.last, 0, sizeof s.last);
    }
    s.r[0]->tail.v_ = 1;
    s.r[0]->head.v_ = 0;
    s.checking = 0;
}

static void stale_hints(void)
{
    two();
    let_hints_stale();
}

MODEL(ring.stale_hints, .setup = stale_hints,
      .threads = {put_two, get_two, get_any}, .check = whole, .sampled = true)

/* Who finds the other's ring empty comes before the other's push. */
static void put_a_get_b(void)
{
    CHECK_OK(put(0, 0));
    s.empties[0] = get(1) == -EAGAIN;
}

static void put_b_get_a(void)
{
    CHECK_OK(put(1, 4));
    s.empties[1] = get(0) == -EAGAIN;
}

static void not_both(void)
{
    CHECK(!s.empties[0] || !s.empties[1]);
}

MODEL(ring.empty_is_in_one_order, .setup = one,
      .threads = {put_a_get_b, put_b_get_a}, .check = not_both)

static void fill_both(void)
{
    s.checking = 1;
    CHECK_OK(put(0, 14));
    CHECK_OK(put(1, 15));
    s.checking = 0;
}

static void both_full(void)
{
    one();
    fill_both();
}

static void get_a_put_b(void)
{
    CHECK_OK(get(0));
    s.empties[0] = put(1, 0) == -EAGAIN;
}

static void get_b_put_a(void)
{
    CHECK_OK(get(1));
    s.empties[1] = put(0, 4) == -EAGAIN;
}

MODEL(ring.full_is_in_one_order, .setup = both_full,
      .threads = {get_a_put_b, get_b_put_a}, .check = not_both)

/* A push that races with close is accepted and delivered, or refused. */
static void close_it(void)
{
    CHECK_OK(pawl_ring_close(s.r[0]));
    CHECK(pawl_ring_is_closed(s.r[0]));
    CHECK_ERR(put(0, 4 * model_self()), -ESHUTDOWN);
}

static void put_or_closed(void)
{
    for (int n = 0; n < 2; n++) {
        int err = put(0, 4 * model_self() + n);

        CHECK(err == 0 || err == -EAGAIN || err == -ESHUTDOWN);
    }
}

static void get_or_closed(void)
{
    for (int n = 0; n < 2; n++) {
        int err = get(0);

        CHECK(err == 0 || err == -EAGAIN || err == -ESHUTDOWN);
    }
}

static void whole_and_closed(void)
{
    CHECK(pawl_ring_is_closed(s.r[0]));
    whole();
}

MODEL(ring.close_capacity_1, .setup = one,
      .threads = {close_it, put_or_closed, get_or_closed},
      .check = whole_and_closed)
MODEL(ring.close_capacity_2, .setup = two,
      .threads = {close_it, put_or_closed, get_or_closed},
      .check = whole_and_closed)

/* Batches of blocks. */
MODEL(ring.batches, .setup = two, .threads = {put_both, get_both, put_one},
      .check = whole)

/* ---- the format with the elements in the slots ------------------------------ */

static void values_of(size_t capacity, uint64_t lap)
{
    begin_as(PAWL_RING_VALUE, 0, capacity, lap);
}

static void one_value(void)
{
    values_of(1, 0);
}

static void two_values(void)
{
    values_of(2, 0);
}

static void three_values_about_to_wrap(void)
{
    values_of(3, UINT64_MAX);
}

MODEL(ring_values.two_put_and_get_capacity_1, .setup = one_value,
      .threads = {put_get, put_get}, .check = whole, .bounds = {3, 2, 0})
MODEL(ring_values.two_put_and_get_twice_capacity_1, .setup = one_value,
      .threads = {put_get_twice, put_get_twice}, .check = whole,
      .bounds = {3, 2, 0})
MODEL(ring_values.two_put_and_get_twice_capacity_2, .setup = two_values,
      .threads = {put_get_twice, put_get_twice}, .check = whole,
      .bounds = {3, 2, 0})
MODEL(ring_values.three_put_and_get, .setup = two_values,
      .threads = {put_get, put_get, put_get}, .check = whole,
      .bounds = {2, 2, 0})
MODEL(ring_values.two_put_one_gets, .setup = two_values,
      .threads = {put_one, put_one, get_two}, .check = whole,
      .bounds = {3, 2, 0})
MODEL(ring_values.one_puts_two_get, .setup = one_value,
      .threads = {put_two, get_two, get_two}, .check = whole,
      .bounds = {3, 2, 0})
MODEL(ring_values.laps_wrap, .setup = three_values_about_to_wrap,
      .threads = {put_get_twice, put_get_twice}, .check = whole,
      .bounds = {3, 2, 0})
MODEL(ring_values.batches_capacity_1, .setup = one_value,
      .threads = {put_both, get_both, put_one}, .check = whole,
      .bounds = {3, 2, 0})
MODEL(ring_values.batches_capacity_2, .setup = two_values,
      .threads = {put_both, get_both, put_one}, .check = whole,
      .bounds = {3, 2, 0})

static void stale_hints_of_values(void)
{
    two_values();
    let_hints_stale();
}

MODEL(ring_values.stale_hints, .setup = stale_hints_of_values,
      .threads = {put_two, get_two, get_any}, .check = whole)
MODEL(ring_values.empty_is_in_one_order, .setup = one_value,
      .threads = {put_a_get_b, put_b_get_a}, .check = not_both,
      .bounds = {3, 2, 0})

static void both_full_of_values(void)
{
    one_value();
    fill_both();
}

MODEL(ring_values.full_is_in_one_order, .setup = both_full_of_values,
      .threads = {get_a_put_b, get_b_put_a}, .check = not_both,
      .bounds = {3, 2, 0})
MODEL(ring_values.close_capacity_1, .setup = one_value,
      .threads = {close_it, put_or_closed, get_or_closed},
      .check = whole_and_closed, .bounds = {3, 2, 0})
MODEL(ring_values.close_capacity_2, .setup = two_values,
      .threads = {close_it, put_or_closed, get_or_closed},
      .check = whole_and_closed, .bounds = {3, 2, 0})

/* ---- runs ------------------------------------------------------------------- */

static void three_values(void)
{
    values_of(3, 0);
}

/* Some laps of runs, from the scenario's fourth thread; then a run of three of
 * which so many have been taken. */
static void run_begun(int taken)
{
    s.checking = 1;
    for (int i = 0; i < 2; i++) {
        CHECK(put_many(12, 3) == 3);
        CHECK(get_many(3) == 3);
        memset(s.last, 0, sizeof s.last);
        memset(s.put, 0, sizeof s.put);
        memset(s.got, 0, sizeof s.got);
    }
    CHECK(put_many(12, 3) == 3);
    for (int i = 0; i < taken; i++)
        CHECK_OK(get(0));
    s.checking = 0;
}

static void run_of_three(void)
{
    three_values();
    run_begun(0);
}

static void run_of_two_left(void)
{
    three_values();
    run_begun(1);
}

static void run_of_one_left(void)
{
    three_values();
    run_begun(2);
}

static void no_run_left(void)
{
    three_values();
    run_begun(3);
}

static void no_run_left_hints_stale(void)
{
    no_run_left();
    s.r[0]->tail.v_ = 0;
    s.r[0]->head.v_ = 1; /* a head's may lie inside a run */
}

/* The last lap before they begin at 0 again. */
static void wrapping_run(void)
{
    three_values_about_to_wrap();
    s.checking = 1;
    CHECK(put_many(12, 2) == 2);
    CHECK_OK(get(0));
    s.checking = 0;
}

MODEL(ring_runs.two_put_one_gets, .setup = three_values,
      .threads = {put_three, put_both, get_three}, .check = whole,
      .bounds = {2, 2, 0})
MODEL(ring_runs.run_meets_single, .setup = three_values,
      .threads = {put_three, put_two, get_two}, .check = whole,
      .bounds = {2, 2, 0})
MODEL(ring_runs.two_take_one_run, .setup = run_of_three,
      .threads = {get_both, get_three, put_one}, .check = whole,
      .bounds = {2, 2, 0})
MODEL(ring_runs.single_puts_behind_an_open_run, .setup = run_of_two_left,
      .threads = {put_two, get_two, get_any}, .check = whole,
      .bounds = {2, 2, 0})
MODEL(ring_runs.slots_left_out, .setup = run_of_one_left,
      .threads = {put_two, put_both, get_two}, .check = whole,
      .bounds = {2, 2, 0})
MODEL(ring_runs.blocks_go_round, .setup = no_run_left,
      .threads = {put_both_get_both, put_both_get_both, get_any},
      .check = whole, .bounds = {2, 2, 0})
MODEL(ring_runs.late_reader_of_a_block, .setup = run_of_one_left,
      .threads = {put_both_twice, get_three, get_both}, .check = whole,
      .bounds = {2, 2, 0})
MODEL(ring_runs.stale_hints, .setup = no_run_left_hints_stale,
      .threads = {put_both, put_one, get_both}, .check = whole,
      .bounds = {2, 2, 0}, .sampled = true)
/* Who searches for the tail must not find a place inside a run that is put
 * meanwhile. */
static void singles_with_a_stale_tail(void)
{
    three_values();
    s.checking = 1;
    for (int i = 12; i < 15; i++) {
        CHECK_OK(put(0, i));
        CHECK_OK(get(0));
    }
    s.r[0]->tail.v_ = 1;
    s.checking = 0;
}

MODEL(ring_runs.search_meets_run, .setup = singles_with_a_stale_tail,
      .threads = {put_one, put_three, get_any}, .check = whole,
      .bounds = {2, 2, 0})
MODEL(ring_runs.laps_wrap, .setup = wrapping_run,
      .threads = {put_three, get_three, put_one}, .check = whole,
      .bounds = {2, 2, 0})
MODEL(ring_runs.close, .setup = run_of_one_left,
      .threads = {close_it, put_both, get_both}, .check = whole_and_closed,
      .bounds = {2, 2, 0})

static void put_two_a_get_b(void)
{
    CHECK(put_many(0, 2) == 2);
    s.empties[0] = get(1) == -EAGAIN;
}

static void put_one_b_get_a(void)
{
    CHECK_OK(put(1, 4));
    s.empties[1] = get(0) == -EAGAIN;
}

MODEL(ring_runs.empty_is_in_one_order, .setup = three_values,
      .threads = {put_two_a_get_b, put_one_b_get_a}, .check = not_both,
      .bounds = {2, 2, 0})

static void one_left_and_full(void)
{
    two_values();
    s.checking = 1;
    CHECK(put_many(12, 2) == 2);
    CHECK_OK(put(1, 10));
    CHECK_OK(put(1, 11));
    s.checking = 0;
}

static void take_run_a_put_b(void)
{
    CHECK(get_many(1) == 1);
    s.empties[0] = put(1, 0) == -EAGAIN;
}

MODEL(ring_runs.full_is_in_one_order, .setup = one_left_and_full,
      .threads = {take_run_a_put_b, get_b_put_a}, .check = not_both,
      .bounds = {2, 2, 0})

/* The place that is free is that of a run's element, behind one that came alone. */
static void left_out_and_full(void)
{
    two_values();
    s.checking = 1;
    CHECK(put_many(12, 2) == 2);
    CHECK_OK(get(0));
    CHECK_OK(put(0, 14));
    CHECK_OK(put(1, 10));
    CHECK_OK(put(1, 11));
    s.checking = 0;
}

MODEL(ring_runs.left_out_is_in_one_order, .setup = left_out_and_full,
      .threads = {take_run_a_put_b, get_b_put_a}, .check = not_both,
      .bounds = {2, 2, 0})

/* ---- hints ------------------------------------------------------------------
 *
 * What a hint tells must be known before the slots are looked at, or a slot that is
 * found as it was answers for what has changed since.  Nothing but the orders of the
 * hints keeps it so where seq_cst operations need not be ordered as executed. */

static void get_put(void)
{
    CHECK_OK(get(0));
    CHECK_OK(put(0, 4 * model_self()));
}

static void full_of(enum pawl_ring_format format)
{
    begin_as(format, format == PAWL_RING_SWAP ? PARTICIPANTS : 0, 2, 0);
    s.checking = 1;
    CHECK_OK(put(0, 12));
    CHECK_OK(put(0, 13));
    s.checking = 0;
}

static void full_of_blocks(void)
{
    full_of(PAWL_RING_SWAP);
}

static void full_of_values(void)
{
    full_of(PAWL_RING_VALUE);
}

MODEL(ring_hints.own_push_is_found, .setup = two, .threads = {put_get, put_get},
      .check = whole, .free_seq = true)
MODEL(ring_hints.own_place_is_found, .setup = full_of_blocks,
      .threads = {get_put, get_put}, .check = whole, .free_seq = true)
MODEL(ring_hints.own_value_is_found, .setup = two_values,
      .threads = {put_get, put_get}, .check = whole, .free_seq = true)
MODEL(ring_hints.own_place_for_a_value_is_found, .setup = full_of_values,
      .threads = {get_put, get_put}, .check = whole, .free_seq = true)

/* Who finds a ring empty, for another took its last element, sees what that one has
 * put into the other ring before; also if a third one has found the end for him. */
static void one_in_a(void)
{
    two();
    s.checking = 1;
    CHECK_OK(put(0, 12));
    s.checking = 0;
}

static void put_b_take_a(void)
{
    CHECK_OK(put(1, 0));
    s.empties[0] = get(0) == 0;
}

static void find_both_empty(void)
{
    s.empties[1] = get(0) == -EAGAIN && get(1) == -EAGAIN;
}

MODEL(ring_hints.end_found_by_another, .setup = one_in_a,
      .threads = {put_b_take_a, get_any, find_both_empty}, .check = not_both,
      .free_seq = true)

/* What is inside is no more than fits, whichever hint is newer. */
static void look_at_size(void)
{
    CHECK(pawl_ring_size(s.r[0]) <= pawl_ring_capacity(s.r[0]));
}

MODEL(ring_hints.size, .setup = two, .threads = {put_get, look_at_size},
      .check = whole, .free_seq = true, .bounds = {1, 3, 0})

/* Runs and those that read them late, in any order. */
MODEL(ring_hints.late_reader_of_a_block, .setup = run_of_one_left,
      .threads = {put_both_twice, get_three, get_both}, .check = whole,
      .free_seq = true, .bounds = {1, 2, 0})
MODEL(ring_hints.empty_after_a_run, .setup = three_values,
      .threads = {put_two_a_get_b, put_one_b_get_a}, .check = not_both,
      .free_seq = true, .bounds = {2, 2, 0})
MODEL(ring_hints.full_after_a_run, .setup = one_left_and_full,
      .threads = {take_run_a_put_b, get_b_put_a}, .check = not_both,
      .free_seq = true, .bounds = {2, 2, 0})
MODEL(ring_hints.own_run_is_found, .setup = three_values,
      .threads = {put_both_get_both, put_both_get_both}, .check = whole,
      .free_seq = true, .bounds = {2, 2, 0})

/* ---- made by one, found by another ------------------------------------------ */

static void make_and_put(void)
{
    uint64_t item = 7;
    pawl_ring *q;

    CHECK_OK(pawl_ring_init(&q, made.memory, MADE_BYTES, 2, 8, 2));
    CHECK_OK(pawl_ring_push(q, &item));
}

static void attach_and_get(void)
{
    uint64_t item;
    pawl_ring *q = NULL;
    int err;

    MADE_AWAIT(pawl_ring_attach, &q);
    CHECK(pawl_ring_size(q) <= 1);
    err = pawl_ring_pop(q, &item);
    CHECK(err == -EAGAIN || (err == 0 && item == 7));
}

MODEL(ring.made_by_another, .setup = made_begin,
      .threads = {make_and_put, attach_and_get})
