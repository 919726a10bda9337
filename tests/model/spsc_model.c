/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the queue of one producer and one consumer.
 */
#include <pawl/spsc.h>

#include "linear.h"
#include "made.h"

static struct {
    pawl_spsc *q;
    size_t capacity;
    int data[16]; /* written before the push */
    int produced;
    int consumed;
} s;

/* Items come in the order of their numbers: nothing else is possible. */
static void must_be_next(uint64_t item)
{
    CHECK((int)item == s.consumed);
    CHECK(MODEL_GET(s.data[item]) == (int)item + 1);
    s.consumed++;
}

static int push(void)
{
    struct linear_op *op = linear_begins();
    int item = s.produced;
    uint64_t element = (uint64_t)item;
    int err;

    MODEL_SET(s.data[item], item + 1);
    err = pawl_spsc_push(s.q, &element);
    CHECK(err == 0 || err == -EAGAIN);
    s.produced += err == 0;
    linear_ends(op, err == 0 ? LINEAR_PUT : LINEAR_UNKNOWN, item);
    return err;
}

static int pop(void)
{
    struct linear_op *op = linear_begins();
    uint64_t element = 0;
    int err = pawl_spsc_pop(s.q, &element);

    CHECK(err == 0 || err == -EAGAIN);
    if (err == 0)
        must_be_next(element);
    linear_ends(op, err == 0 ? LINEAR_GET : LINEAR_UNKNOWN, (int)element);
    return err;
}

static void make(size_t capacity)
{
    memset(&s, 0, sizeof s);
    s.capacity = capacity;
    CHECK_OK(pawl_spsc_create(&s.q, capacity, 8));
    model_name(s.q, 512, "spsc");
    linear_begin(LINEAR_FIFO, capacity);
}

static void one(void)
{
    make(1);
}

static void two(void)
{
    make(2);
}

static void three(void)
{
    make(3);
}

static void whole(void)
{
    size_t n = (size_t)(s.produced - s.consumed);

    CHECK(pawl_spsc_size(s.q) == n);
    for (; n > 0; n--)
        CHECK_OK(pop());
    CHECK_ERR(pop(), -EAGAIN);
    CHECK(linear_is_possible());
    linear_.used = 0;
    for (; n < s.capacity; n++)
        CHECK_OK(push());
    CHECK_ERR(push(), -EAGAIN);
    pawl_spsc_free(s.q);
}

static void produce(void)
{
    for (int i = 0; i < 3; i++)
        push();
}

static void consume(void)
{
    for (int i = 0; i < 3; i++)
        pop();
}

/* Two at a time, or as many as fit. */
static void produce_batches(void)
{
    for (int i = 0; i < 2; i++) {
        uint64_t items[2] = {(uint64_t)s.produced, (uint64_t)s.produced + 1};
        int64_t n;

        MODEL_SET(s.data[items[0]], s.produced + 1);
        MODEL_SET(s.data[items[1]], s.produced + 2);
        n = pawl_spsc_push_many(s.q, items, 2);
        CHECK(n == -EAGAIN || n == 1 || n == 2);
        s.produced += n > 0 ? (int)n : 0;
    }
}

static void consume_batches(void)
{
    for (int i = 0; i < 2; i++) {
        uint64_t items[2];
        int64_t n = pawl_spsc_pop_many(s.q, items, 2);

        CHECK(n == -EAGAIN || n == 1 || n == 2);
        for (int64_t k = 0; k < n; k++)
            must_be_next(items[k]);
    }
}

/* Looks at the first in place before it takes it. */
static void consume_in_place(void)
{
    for (int i = 0; i < 3; i++) {
        const uint64_t *first = pawl_spsc_front(s.q);

        if (first == NULL)
            continue;
        CHECK(MODEL_GET(*first) == (uint64_t)s.consumed);
        CHECK_OK(pop());
    }
}

static void look(void)
{
    for (int i = 0; i < 2; i++)
        CHECK(pawl_spsc_size(s.q) <= s.capacity);
}

static void whole_batches(void)
{
    CHECK(pawl_spsc_size(s.q) == (size_t)(s.produced - s.consumed));
}

/* Everything gets through, however often it has to be tried. */
static void produce_all(void)
{
    for (uint64_t item = 0; item < 3; item++) {
        MODEL_SET(s.data[item], (int)item + 1);
        while (pawl_spsc_push(s.q, &item) != 0)
            model_yield();
    }
}

static void consume_all(void)
{
    while (s.consumed < 3) {
        uint64_t item;

        if (pawl_spsc_pop(s.q, &item) == 0)
            must_be_next(item);
        else
            model_yield();
    }
}

static void all_came(void)
{
    CHECK(s.consumed == 3);
}

/* The head that was seen last came without what was known of the tail. */
static const char *const size_of_nothing[] = {"11A2AA5A", NULL};

#define DEEP .bounds = {4, 3, 0}

MODEL(spsc.capacity_1, .setup = one, .threads = {produce, consume},
      .check = whole, DEEP)
MODEL(spsc.capacity_2, .setup = two, .threads = {produce, consume},
      .check = whole, DEEP)
MODEL(spsc.capacity_3, .setup = three, .threads = {produce, consume},
      .check = whole, DEEP)
MODEL(spsc.batches, .setup = three,
      .threads = {produce_batches, consume_batches}, .check = whole_batches,
      DEEP)
MODEL(spsc.batches_and_single, .setup = two,
      .threads = {produce_batches, consume}, .check = whole_batches, DEEP)
MODEL(spsc.single_and_batches, .setup = one,
      .threads = {produce, consume_batches}, .check = whole_batches, DEEP)
MODEL(spsc.in_place, .setup = two, .threads = {produce, consume_in_place},
      .check = whole, DEEP)
MODEL(spsc.size, .setup = two, .threads = {produce, consume, look},
      .check = whole, .regressions = size_of_nothing, .bounds = {3, 2, 0})
MODEL(spsc.all_comes, .setup = one, .threads = {produce_all, consume_all},
      .check = all_came, .bounds = {3, 1, 0})

/* ---- made by one, found by another ------------------------------------------ */

static void make_and_put(void)
{
    uint64_t item = 7;
    pawl_spsc *q;

    CHECK_OK(pawl_spsc_init(&q, made.memory, MADE_BYTES, 2, 8));
    CHECK_OK(pawl_spsc_push(q, &item));
}

static void attach_and_get(void)
{
    uint64_t item;
    pawl_spsc *q = NULL;
    int err;

    MADE_AWAIT(pawl_spsc_attach, &q);
    CHECK(pawl_spsc_size(q) <= 1);
    err = pawl_spsc_pop(q, &item);
    CHECK(err == -EAGAIN || (err == 0 && item == 7));
}

MODEL(spsc.made_by_another, .setup = made_begin,
      .threads = {make_and_put, attach_and_get})
