/* SPDX-License-Identifier: MIT
 *
 * checker_history.c - the checkers of histories themselves: small histories laid
 * down by hand, one for each kind of fault and its innocent neighbour, and
 * random ones, on which the quick verdict must agree with the exact search.
 *
 * A history is written as a drawing: what one thread did from when to when.
 */
#include <string.h>

#include "history.h"

/* ---- by hand ---------------------------------------------------------------- */

struct line {
    int kind;
    uint64_t value;
    uint64_t begin;
    uint64_t end;
    int32_t amount;
};

/* Ends with a line of end 0. */
static struct history *draw(const struct line *lines)
{
    struct history *h = history_make(1, 64);

    for (; lines->end != 0; lines++)
        h->logs[0].ops[h->logs[0].count++] =
            (struct history_op){.begin = lines->begin,
                                .end = lines->end,
                                .value = lines->value,
                                .kind = lines->kind,
                                .amount = lines->amount};
    return h;
}

/* Check that there is this fault and no other one; HISTORY_FAULTS: none.  The
 * exact search must agree, where it can be asked. */
static void expect(const struct history *h, struct history_verdict v,
                   enum history_fault fault, struct history_model model)
{
    bool finished = true;

    for (size_t i = 0; i < h->logs[0].count; i++)
        finished = finished && h->logs[0].ops[i].end != HISTORY_NEVER;
    for (int f = 0; f < HISTORY_FAULTS; f++) {
        if ((v.faults[f] > 0) != (f == (int)fault))
            test_fail(__FILE__, __LINE__, "%zu faults \"%s\", wanted \"%s\"",
                      v.faults[f], history_fault_name((enum history_fault)f),
                      fault == HISTORY_FAULTS ? "" : history_fault_name(fault));
    }
    if (finished && fault != HISTORY_LOST && fault != HISTORY_WRONG_COUNT)
        CHECK_EQ(history_search(h, &model), fault == HISTORY_FAULTS);
}

static void expect_fifo(const struct line *lines, size_t capacity,
                        enum history_fault fault)
{
    struct history *h = draw(lines);

    expect(h, history_fifo(h, capacity, HISTORY_DRAINED), fault,
           history_fifo_model(capacity));
    history_free(h);
}

static void expect_lifo(const struct line *lines, enum history_fault fault)
{
    struct history *h = draw(lines);

    expect(h, history_lifo(h, 0, HISTORY_NOT_DRAINED), fault,
           history_lifo_model(0));
    history_free(h);
}

static void expect_priority(const struct line *lines, enum history_fault fault)
{
    struct history *h = draw(lines);

    expect(h, history_priority(h, 0, HISTORY_NOT_DRAINED), fault,
           history_priority_model(0));
    history_free(h);
}

static void expect_permits(const struct line *lines, int permits, int left,
                           int most, enum history_fault fault)
{
    struct history *h = draw(lines);

    expect(h, history_permits(h, permits, left, most), fault,
           history_permits_model(permits, most));
    history_free(h);
}

#define PUT(value, begin, end) {HISTORY_PUT, value, begin, end, 1}
#define GET(value, begin, end) {HISTORY_GET, value, begin, end, 1}
#define FULL(begin, end) {HISTORY_FULL, 0, begin, end, 1}
#define EMPTY(begin, end) {HISTORY_EMPTY, 0, begin, end, 1}
#define RANKED(value, amount, begin, end)                                      \
    {HISTORY_PUT, value, begin, end, amount}
#define ACQUIRE(n, begin, end) {HISTORY_ACQUIRE, 0, begin, end, n}
#define RELEASE(n, begin, end) {HISTORY_RELEASE, 0, begin, end, n}
#define REFUSED(n, begin, end) {HISTORY_REFUSED, 0, begin, end, n}
#define GAVE_UP(n, begin, end) {HISTORY_GAVE_UP, 0, begin, end, n}
#define OVERFLOWED(n, begin, end) {HISTORY_OVERFLOW, 0, begin, end, n}
#define END {0, 0, 0, 0, 0}
#define FIFO(capacity, fault, ...)                                             \
    expect_fifo((const struct line[]){__VA_ARGS__, END}, capacity, fault)
#define LIFO(fault, ...)                                                       \
    expect_lifo((const struct line[]){__VA_ARGS__, END}, fault)
#define PRIORITY(fault, ...)                                                   \
    expect_priority((const struct line[]){__VA_ARGS__, END}, fault)
#define PERMITS(permits, left, most, fault, ...)                               \
    expect_permits((const struct line[]){__VA_ARGS__, END}, permits, left,     \
                   most, fault)
#define NONE HISTORY_FAULTS

TEST(checker.values_come_from_somewhere_and_once)
{
    FIFO(0, NONE, PUT(7, 1, 2), GET(7, 3, 4));
    FIFO(0, HISTORY_FROM_NOWHERE, GET(7, 3, 4));
    FIFO(0, HISTORY_FROM_NOWHERE, PUT(6, 1, 2), GET(6, 3, 4), GET(7, 3, 4));
    FIFO(0, HISTORY_TWICE, PUT(7, 1, 2), GET(7, 3, 4), GET(7, 5, 6));
    FIFO(0, HISTORY_LOST, PUT(7, 1, 2));
    FIFO(0, HISTORY_TOO_EARLY, GET(7, 1, 2), PUT(7, 3, 4));
    FIFO(0, NONE, GET(7, 1, 3), PUT(7, 2, 4)); /* at the same time */
    FIFO(0, NONE, GET(7, 1, 3), PUT(7, 3, 4)); /* nobody can tell */
}

TEST(checker.order_is_that_of_puts_which_do_not_overlap)
{
    FIFO(0, NONE, PUT(1, 1, 2), PUT(2, 3, 4), GET(1, 5, 6), GET(2, 7, 8));
    FIFO(0, HISTORY_ORDER, PUT(1, 1, 2), PUT(2, 3, 4), GET(2, 5, 6),
         GET(1, 7, 8));
    FIFO(0, NONE, PUT(1, 1, 3), PUT(2, 2, 4), GET(2, 5, 6), GET(1, 7, 8));
    FIFO(0, NONE, PUT(1, 1, 2), PUT(2, 3, 4), GET(2, 5, 7), GET(1, 6, 8));
    /* Through a third one that overlaps both. */
    FIFO(0, HISTORY_ORDER, PUT(1, 1, 2), PUT(2, 3, 4), PUT(3, 1, 4),
         GET(2, 5, 6), GET(3, 5, 8), GET(1, 7, 8));
}

TEST(checker.empty_needs_a_moment_without_anything_inside)
{
    FIFO(0, NONE, EMPTY(1, 2), PUT(1, 3, 4), GET(1, 5, 6), EMPTY(7, 8));
    FIFO(0, HISTORY_WRONG_EMPTY, PUT(1, 1, 2), EMPTY(3, 4), GET(1, 5, 6));
    FIFO(0, NONE, PUT(1, 1, 3), EMPTY(2, 4), GET(1, 5, 6));
    FIFO(0, NONE, PUT(1, 1, 2), EMPTY(3, 6), GET(1, 5, 7));
    /* Covered by two together, and not by either. */
    FIFO(0, HISTORY_WRONG_EMPTY, PUT(1, 1, 2), PUT(2, 3, 5), EMPTY(4, 9),
         GET(1, 7, 8), GET(2, 10, 11));
    /* The one went when the other came: there may have been a moment. */
    FIFO(0, NONE, PUT(1, 1, 2), PUT(2, 3, 7), EMPTY(4, 9), GET(1, 7, 8),
         GET(2, 10, 11));
}

TEST(checker.full_needs_a_moment_without_room)
{
    FIFO(1, NONE, PUT(1, 1, 2), FULL(3, 4), GET(1, 5, 6));
    FIFO(1, HISTORY_WRONG_FULL, FULL(1, 2), PUT(1, 3, 4), GET(1, 5, 6));
    FIFO(2, HISTORY_WRONG_FULL, PUT(1, 1, 2), FULL(3, 4), GET(1, 5, 6));
    FIFO(1, NONE, PUT(1, 1, 3), FULL(2, 4), GET(1, 5, 6));
    FIFO(1, NONE, PUT(1, 1, 2), FULL(4, 7), GET(1, 3, 5));
}

TEST(checker.capacity_is_not_exceeded)
{
    FIFO(2, NONE, PUT(1, 1, 2), PUT(2, 3, 4), GET(1, 5, 6), GET(2, 7, 8));
    FIFO(1, HISTORY_TOO_MANY, PUT(1, 1, 2), PUT(2, 3, 4), GET(1, 5, 6),
         GET(2, 7, 8));
    FIFO(1, NONE, PUT(1, 1, 2), PUT(2, 3, 6), GET(1, 5, 7), GET(2, 8, 9));
    /* Each had room, but not both. */
    FIFO(1, HISTORY_TOO_MANY, PUT(1, 1, 4), PUT(2, 2, 4), GET(1, 5, 6),
         GET(2, 7, 8));
}

TEST(checker.what_did_not_end_may_have_happened_or_not)
{
    FIFO(0, NONE, PUT(1, 1, HISTORY_NEVER));
    FIFO(0, NONE, PUT(1, 1, HISTORY_NEVER), GET(1, 5, 6));
    FIFO(0, NONE, PUT(1, 1, 2), GET(0, 3, HISTORY_NEVER));
    FIFO(0, NONE, PUT(1, 1, 2), GET(0, 3, HISTORY_NEVER), EMPTY(4, 5));
    FIFO(0, HISTORY_WRONG_EMPTY, PUT(1, 1, 2), EMPTY(3, 4),
         GET(0, 5, HISTORY_NEVER));
    FIFO(0, HISTORY_LOST, PUT(1, 1, 2), PUT(2, 1, 2), GET(0, 3, HISTORY_NEVER));
    FIFO(1, NONE, PUT(1, 1, HISTORY_NEVER), FULL(2, 3));
}

TEST(checker.the_last_in_goes_first)
{
    LIFO(NONE, PUT(1, 1, 2), PUT(2, 3, 4), GET(2, 5, 6), GET(1, 7, 8));
    LIFO(HISTORY_ORDER, PUT(1, 1, 2), PUT(2, 3, 4), GET(1, 5, 6), GET(2, 7, 8));
    LIFO(HISTORY_ORDER, PUT(1, 1, 2), PUT(2, 3, 4), GET(1, 5, 6));
    LIFO(NONE, PUT(1, 1, 3), PUT(2, 2, 4), GET(1, 5, 6), GET(2, 7, 8));
    LIFO(NONE, PUT(1, 1, 2), PUT(2, 3, 6), GET(1, 5, 7), GET(2, 8, 9));
    LIFO(NONE, PUT(1, 1, 2), PUT(2, 3, 4), GET(1, 5, 8), GET(2, 7, 9));
}

TEST(checker.the_least_goes_first_and_equals_in_order)
{
    PRIORITY(NONE, RANKED(1, 5, 1, 2), RANKED(2, 4, 3, 4), GET(2, 5, 6),
             GET(1, 7, 8));
    PRIORITY(HISTORY_ORDER, RANKED(1, 5, 1, 2), RANKED(2, 4, 3, 4),
             GET(1, 5, 6), GET(2, 7, 8));
    PRIORITY(HISTORY_ORDER, RANKED(1, -5, 1, 2), RANKED(2, 4, 3, 4),
             GET(2, 5, 6));
    PRIORITY(NONE, RANKED(1, 5, 1, 2), RANKED(2, 4, 3, 6), GET(1, 5, 7),
             GET(2, 8, 9));
    PRIORITY(NONE, RANKED(1, 5, 1, 2), RANKED(2, 5, 3, 4), GET(1, 5, 6));
    PRIORITY(HISTORY_ORDER, RANKED(1, 5, 1, 2), RANKED(2, 5, 3, 4),
             GET(2, 5, 6));
}

TEST(checker.permits_are_not_held_by_too_many)
{
    PERMITS(1, 1, 0, NONE, ACQUIRE(1, 1, 2), RELEASE(1, 3, 4), ACQUIRE(1, 5, 6),
            RELEASE(1, 7, 8));
    PERMITS(1, 1, 0, HISTORY_TOO_MANY, ACQUIRE(1, 1, 2), ACQUIRE(1, 3, 4),
            RELEASE(1, 5, 6), RELEASE(1, 7, 8));
    PERMITS(1, 1, 0, NONE, ACQUIRE(1, 1, 2), ACQUIRE(1, 3, 6), RELEASE(1, 5, 7),
            RELEASE(1, 8, 9));
    /* Readers of 9, and a writer, who needs all. */
    PERMITS(9, 9, 0, NONE, ACQUIRE(1, 1, 2), ACQUIRE(1, 1, 3), RELEASE(1, 4, 5),
            RELEASE(1, 4, 5), ACQUIRE(9, 6, 7), RELEASE(9, 8, 9));
    PERMITS(9, 9, 0, HISTORY_TOO_MANY, ACQUIRE(1, 1, 2), ACQUIRE(9, 3, 4),
            RELEASE(1, 5, 6), RELEASE(9, 7, 8));
    PERMITS(1, 1, 0, HISTORY_WRONG_COUNT, ACQUIRE(1, 1, 2));
}

TEST(checker.permits_that_are_free_are_not_refused)
{
    PERMITS(1, 0, 0, NONE, ACQUIRE(1, 1, 2), REFUSED(1, 3, 4));
    PERMITS(1, 1, 0, HISTORY_WRONG_REFUSAL, REFUSED(1, 3, 4));
    PERMITS(2, 1, 0, NONE, ACQUIRE(1, 1, 2), REFUSED(2, 3, 4));
    PERMITS(2, 1, 0, HISTORY_WRONG_REFUSAL, ACQUIRE(1, 1, 2), REFUSED(1, 3, 4));
    PERMITS(1, 1, 0, NONE, ACQUIRE(1, 1, 2), RELEASE(1, 3, 5),
            REFUSED(1, 4, 6));
    PERMITS(1, 1, 0, HISTORY_WRONG_REFUSAL, ACQUIRE(1, 1, 2), RELEASE(1, 3, 4),
            REFUSED(1, 5, 6));
}

/* Who waits may keep others out, though it does not get anything in the end. */
TEST(checker.those_who_wait_excuse_a_refusal)
{
    struct history *h =
        draw((const struct line[]){GAVE_UP(1, 1, 6), REFUSED(1, 3, 4), END});

    CHECK_EQ(history_permits(h, 1, 1, 0).total, 0);
    h->logs[0].ops[0].end = 2;
    CHECK_EQ(history_permits(h, 1, 1, 0).faults[HISTORY_WRONG_REFUSAL], 1);
    history_free(h);
}

TEST(checker.the_bound_of_permits_is_kept_and_not_claimed_for_nothing)
{
    PERMITS(1, 2, 2, NONE, RELEASE(1, 1, 2), OVERFLOWED(1, 3, 4));
    PERMITS(1, 3, 2, HISTORY_TOO_MANY, RELEASE(1, 1, 2), RELEASE(1, 3, 4));
    PERMITS(1, 1, 2, HISTORY_WRONG_REFUSAL, OVERFLOWED(1, 3, 4));
    PERMITS(1, 1, 2, NONE, OVERFLOWED(2, 3, 4));
}

/* ---- at random ---------------------------------------------------------------- */

/* A history of one that works alone, whose operations are then said to have
 * taken longer than they did: linearizable by construction. */
static struct history *invent(const struct history_model *model,
                              uint64_t *random, int operations)
{
    struct history *h = history_make(1, (size_t)operations);
    struct history_state state = model->start;
    uint64_t next = 1;

    for (int i = 0; i < operations; i++) {
        struct history_op *op = &h->logs[0].ops[h->logs[0].count++];
        bool put = test_rand_below(random, 2) == 0;
        uint64_t now = 100 + 10 * (uint64_t)i;

        op->begin = now - test_rand_below(random, 40);
        op->end = now + test_rand_below(random, 40);
        op->amount = 1 + (int)test_rand_below(random, 3);
        op->kind = put ? HISTORY_PUT : HISTORY_GET;
        op->value = put ? next++ : state.item[0].value;
        if (!model->step(model, &state, op)) {
            op->kind = put ? HISTORY_FULL : HISTORY_EMPTY;
            CHECK(model->step(model, &state, op));
        }
    }
    return h;
}

/* Change something: now it may be linearizable or not. */
static void disturb(struct history *h, uint64_t *random)
{
    uint32_t n = (uint32_t)h->logs[0].count;
    struct history_op *a = &h->logs[0].ops[test_rand_below(random, n)];
    struct history_op *b = &h->logs[0].ops[test_rand_below(random, n)];
    struct history_op was = *a;

    switch (test_rand_below(random, 3)) {
    case 0: /* they happened in each other's place */
        a->begin = b->begin;
        a->end = b->end;
        b->begin = was.begin;
        b->end = was.end;
        break;
    case 1: /* they were shorter */
        a->end = a->begin +
                 test_rand_below(random, (uint32_t)(a->end - a->begin) + 1);
        b->begin =
            b->end - test_rand_below(random, (uint32_t)(b->end - b->begin) + 1);
        break;
    default: /* what was refused was another one */
        if (a->kind == HISTORY_FULL || a->kind == HISTORY_EMPTY) {
            a->begin = b->begin;
            a->end = b->end;
        }
        break;
    }
}

enum { ROUNDS = 5000 };

/* What the quick verdict and the exact one said. */
struct tally {
    int agreed_right;
    int agreed_wrong;
    int missed;
};

static struct tally compare(struct history_model model, history_checker check,
                            size_t capacity)
{
    struct tally t = {0};
    uint64_t random = test_seed(capacity);
    int rounds = test_iterations(ROUNDS);

    for (int i = 0; i < rounds; i++) {
        struct history *h =
            invent(&model, &random, 2 + (int)test_rand_below(&random, 10));
        bool right;
        bool exact;

        CHECK_EQ(check(h, capacity, HISTORY_NOT_DRAINED).total, 0);
        for (uint32_t d = test_rand_below(&random, 4); d > 0; d--)
            disturb(h, &random);
        right = check(h, capacity, HISTORY_NOT_DRAINED).total == 0;
        exact = history_search(h, &model);
        CHECK(right || !exact); /* the innocent are not condemned */
        t.agreed_right += right && exact;
        t.agreed_wrong += !right && !exact;
        t.missed += right && !exact;
        history_free(h);
    }
    test_note("capacity %zu: %d right, %d wrong, %d wrong and not noticed",
              capacity, t.agreed_right, t.agreed_wrong, t.missed);
    CHECK(t.agreed_right > rounds / 20 && t.agreed_wrong > rounds / 20);
    return t;
}

TEST(checker.of_fifos_is_exact)
{
    CHECK_EQ(compare(history_fifo_model(0), history_fifo, 0).missed, 0);
}

/* Here the quick verdict knows necessary conditions only. */
TEST(checker.of_bounded_fifos_misses_little)
{
    struct tally t = compare(history_fifo_model(1), history_fifo, 1);

    CHECK(t.missed < t.agreed_wrong);
    t = compare(history_fifo_model(2), history_fifo, 2);
    CHECK(t.missed < t.agreed_wrong);
}

TEST(checker.of_lifos_misses_little)
{
    struct tally t = compare(history_lifo_model(0), history_lifo, 0);

    CHECK(t.missed < t.agreed_wrong);
}

TEST(checker.of_priority_queues_misses_little)
{
    struct tally t = compare(history_priority_model(0), history_priority, 0);

    CHECK(t.missed < t.agreed_wrong);
}
