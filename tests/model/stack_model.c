/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the lock-free stack.
 */
#include <pawl/stack.h>

#include "linear.h"
#include "made.h"

enum { EACH = 4 };

static struct {
    pawl_stack *stack;
    size_t capacity;
    int data[64]; /* written before the push */
} s;

static int push(int item)
{
    struct linear_op *op = linear_begins();
    uint64_t element = (uint64_t)item;
    int err;

    MODEL_SET(s.data[item], item);
    err = pawl_stack_push(s.stack, &element);
    CHECK(err == 0 || err == -EAGAIN || err == -ESHUTDOWN);
    linear_ends(op,
                err == 0         ? LINEAR_PUT
                : err == -EAGAIN ? LINEAR_FULL
                                 : LINEAR_PUT_CLOSED,
                item);
    return err;
}

static int pop(void)
{
    struct linear_op *op = linear_begins();
    uint64_t element = 0;
    int err = pawl_stack_pop(s.stack, &element);

    CHECK(err == 0 || err == -EAGAIN || err == -ESHUTDOWN);
    CHECK(err != 0 || MODEL_GET(s.data[element]) == (int)element);
    linear_ends(op,
                err == 0         ? LINEAR_GET
                : err == -EAGAIN ? LINEAR_EMPTY
                                 : LINEAR_GET_CLOSED,
                (int)element);
    return err;
}

static void make(size_t capacity)
{
    memset(&s, 0, sizeof s);
    s.capacity = capacity;
    CHECK_OK(pawl_stack_create(&s.stack, capacity, 8, 3));
    model_name(s.stack, 512, "stack");
    linear_begin(LINEAR_LIFO, capacity);
}

static void one(void)
{
    make(1);
}

static void two(void)
{
    make(2);
}

static void two_inside(void)
{
    make(2);
    CHECK_OK(push(32));
    CHECK_OK(push(33));
}

/* All that was pushed is there, and as much fits in as before. */
static void whole(void)
{
    size_t n = pawl_stack_size(s.stack);
    bool closed = pawl_stack_is_closed(s.stack);

    for (; n > 0; n--)
        CHECK_OK(pop());
    CHECK_ERR(pop(), closed ? -ESHUTDOWN : -EAGAIN);
    CHECK(linear_is_possible());
    linear_.used = 0;
    for (n = 0; n < s.capacity && !closed; n++)
        CHECK_OK(push(40 + (int)n));
    CHECK_ERR(push(50), closed ? -ESHUTDOWN : -EAGAIN);
    pawl_stack_free(s.stack);
    CHECK(model_heap_live() == 0);
}

static void push_one(void)
{
    push(EACH * model_self());
}

static void push_two(void)
{
    push_one();
    push(EACH * model_self() + 1);
}

static void pop_one(void)
{
    pop();
}

static void pop_two(void)
{
    pop();
    pop();
}

static void push_pop(void)
{
    push_one();
    pop();
}

static void push_pop_twice(void)
{
    push_pop();
    push(EACH * model_self() + 1);
    pop();
}

/* What another pop has seen on top comes back there, with another below it. */
static void take_two_and_put_one(void)
{
    pop();
    pop();
    push_one();
}

static void close_it(void)
{
    struct linear_op *op = linear_begins();

    CHECK_OK(pawl_stack_close(s.stack));
    linear_ends(op, LINEAR_CLOSE, 0);
    CHECK_ERR(push(EACH * model_self()), -ESHUTDOWN);
}

static void look_at_the_end(void)
{
    struct linear_op *op = linear_begins();

    linear_ends(op, LINEAR_IS_CLOSED, pawl_stack_is_closed(s.stack));
}

static void look(void)
{
    struct linear_op *op = linear_begins();

    linear_ends(op, LINEAR_SIZE, (int)pawl_stack_size(s.stack));
    look_at_the_end();
}

MODEL(stack.two_push_and_pop, .setup = one, .threads = {push_pop, push_pop},
      .check = whole, .bounds = {3, 1, 1})
MODEL(stack.two_push_and_pop_twice, .setup = two,
      .threads = {push_pop_twice, push_pop_twice}, .check = whole)
MODEL(stack.three_push_and_pop, .setup = two,
      .threads = {push_pop, push_pop, push_pop}, .check = whole)
MODEL(stack.one_on_top_comes_back, .setup = two_inside,
      .threads = {pop_one, take_two_and_put_one}, .check = whole,
      .bounds = {3, 1, 1})
MODEL(stack.one_on_top_comes_back_beside_another, .setup = two_inside,
      .threads = {pop_one, take_two_and_put_one, pop_one}, .check = whole)
MODEL(stack.one_pushes_two_pop, .setup = two,
      .threads = {push_two, pop_two, pop_one}, .check = whole)
MODEL(stack.full, .setup = one, .threads = {push_two, push_two, pop_one},
      .check = whole)
MODEL(stack.close, .setup = one, .threads = {push_two, pop_two, close_it},
      .check = whole)
MODEL(stack.snapshots, .setup = two, .threads = {push_two, pop_one, look},
      .check = whole)
MODEL(stack.end, .setup = two, .threads = {close_it, look_at_the_end},
      .check = whole)
MODEL(stack.snapshots_beside_close, .setup = two,
      .threads = {push_one, close_it, look}, .check = whole)

/* ---- made by one, found by another ------------------------------------------ */

static void make_and_put(void)
{
    uint64_t item = 7;
    pawl_stack *q;

    CHECK_OK(pawl_stack_init(&q, made.memory, MADE_BYTES, 2, 8, 2));
    CHECK_OK(pawl_stack_push(q, &item));
}

static void attach_and_get(void)
{
    uint64_t item;
    pawl_stack *q = NULL;
    int err;

    MADE_AWAIT(pawl_stack_attach, &q);
    CHECK(pawl_stack_size(q) <= 1);
    err = pawl_stack_pop(q, &item);
    CHECK(err == -EAGAIN || (err == 0 && item == 7));
}

MODEL(stack.made_by_another, .setup = made_begin,
      .threads = {make_and_put, attach_and_get})
