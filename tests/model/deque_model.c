/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the blocking deque.
 */
#include <pawl/deque.h>

#include "linear.h"
#include "made.h"

enum { EACH = 4, ITEMS = 4 * EACH };

static struct {
    pawl_deque *d;
    pawl_deque_options options;
    int data[ITEMS]; /* written before the push */
} s;

enum end { FRONT, BACK };

static int push_until(enum end end, int item, pawl_deadline until)
{
    struct linear_op *op = linear_begins();
    int64_t element = item;
    int err;

    MODEL_SET(s.data[item], item);
    err = end == FRONT ? pawl_deque_push_front_until(s.d, &element, until)
                       : pawl_deque_push_back_until(s.d, &element, until);
    linear_ends(op,
                err == -ESHUTDOWN ? LINEAR_PUT_CLOSED
                : err != 0        ? LINEAR_FULL
                : end == FRONT    ? LINEAR_PUT_FRONT
                                  : LINEAR_PUT,
                item);
    return err;
}

static int pop_until(enum end end, pawl_deadline until)
{
    struct linear_op *op = linear_begins();
    int64_t element = 0;
    int err = end == FRONT ? pawl_deque_pop_front_until(s.d, &element, until)
                           : pawl_deque_pop_back_until(s.d, &element, until);

    CHECK(err != 0 || MODEL_GET(s.data[element]) == (int)element);
    linear_ends(op,
                err == -ESHUTDOWN ? LINEAR_GET_CLOSED
                : err != 0        ? LINEAR_EMPTY
                : end == FRONT    ? LINEAR_GET
                                  : LINEAR_GET_BACK,
                (int)element);
    return err;
}

/* Never waits: makes room at the other end. */
static void push_dropping(enum end end, int item)
{
    struct linear_op *op = linear_begins();
    int64_t element = item;
    int64_t dropped = -1;
    int n;

    MODEL_SET(s.data[item], item);
    n = end == FRONT ? pawl_deque_push_front_dropping(s.d, &element, &dropped)
                     : pawl_deque_push_back_dropping(s.d, &element, &dropped);
    CHECK(n == 0 || n == 1);
    linear_ends(op, end == FRONT ? LINEAR_PUT_FRONT : LINEAR_PUT, item);
    if (n == 1) {
        CHECK(MODEL_GET(s.data[dropped]) == (int)dropped);
        linear_also(op, end == FRONT ? LINEAR_DROP_BACK : LINEAR_DROP_FRONT,
                    (int)dropped);
    }
}

static int own(int number)
{
    return EACH * model_self() + number;
}

static void make(size_t capacity, unsigned flags)
{
    memset(&s, 0, sizeof s);
    s.options = (pawl_deque_options){
        .capacity = capacity, .element_size = 8, .flags = flags};
    CHECK_OK(pawl_deque_create(&s.d, &s.options));
    model_name(s.d, 1024, "deque");
    linear_begin(LINEAR_FIFO, capacity);
}

static void one(void)
{
    make(1, 0);
}

static void two(void)
{
    make(2, 0);
}

static void one_that_drops(void)
{
    make(1, PAWL_DEQUE_DROP);
}

static void unbounded(void)
{
    make(0, PAWL_UNBOUNDED);
}

static void one_inside(void)
{
    one();
    CHECK_OK(push_until(BACK, ITEMS - EACH, 0));
}

static void one_of_two_inside(void)
{
    two();
    CHECK_OK(push_until(BACK, ITEMS - EACH, 0));
}

static void whole(void)
{
    bool closed = pawl_deque_is_shutdown(s.d);
    size_t n = pawl_deque_size(s.d);

    for (; n > 0; n--)
        CHECK_OK(pop_until(FRONT, 0));
    CHECK_ERR(pop_until(BACK, 0), closed ? -ESHUTDOWN : -ETIMEDOUT);
    CHECK(linear_is_possible());
    linear_.used = 0;
    for (; n < s.options.capacity && !closed; n++)
        CHECK_OK(push_until(FRONT, (int)n, 0));
    pawl_deque_free(s.d);
    CHECK(model_heap_live() == 0);
}

/* ---- threads --------------------------------------------------------------- */

static void push_front_one(void)
{
    CHECK_OK(push_until(FRONT, own(0), PAWL_FOREVER));
}

static void push_back_one(void)
{
    CHECK_OK(push_until(BACK, own(0), PAWL_FOREVER));
}

static void push_both(void)
{
    push_front_one();
    CHECK_OK(push_until(BACK, own(1), PAWL_FOREVER));
}

static void pop_front_one(void)
{
    CHECK_OK(pop_until(FRONT, PAWL_FOREVER));
}

static void pop_back_one(void)
{
    CHECK_OK(pop_until(BACK, PAWL_FOREVER));
}

static void pop_both(void)
{
    pop_front_one();
    pop_back_one();
}

static void try_front(void)
{
    int err = pop_until(FRONT, 0);

    CHECK(err == 0 || err == -ETIMEDOUT);
}

static void try_back(void)
{
    int err = pop_until(BACK, 0);

    CHECK(err == 0 || err == -ETIMEDOUT);
}

static void pop_or_give_up(void)
{
    int err = pop_until(BACK, model_soon());

    CHECK(err == 0 || err == -ETIMEDOUT);
}

static void push_or_give_up(void)
{
    int err = push_until(FRONT, own(0), model_soon());

    CHECK(err == 0 || err == -ETIMEDOUT);
}

static void push_two_dropping(void)
{
    push_dropping(BACK, own(0));
    push_dropping(FRONT, own(1));
}

static void extend_two(void)
{
    struct linear_op *op = linear_begins();
    int64_t elements[2] = {own(0), own(1)};
    int err;

    MODEL_SET(s.data[own(0)], own(0));
    MODEL_SET(s.data[own(1)], own(1));
    err = pawl_deque_extend_back(s.d, elements, 2);
    CHECK(err == 0 || err == -EAGAIN);
    if (err != 0)
        return;
    linear_ends(op, LINEAR_PUT, own(0));
    linear_also(op, LINEAR_PUT, own(1));
}

static void push_or_shutdown(void)
{
    int err = push_until(BACK, own(0), PAWL_FOREVER);

    CHECK(err == 0 || err == -ESHUTDOWN);
}

static void pop_until_shutdown(void)
{
    int err;

    while ((err = pop_until(FRONT, PAWL_FOREVER)) == 0)
        ;
    CHECK_ERR(err, -ESHUTDOWN);
}

static void shut_down(void)
{
    struct linear_op *op = linear_begins();

    CHECK_OK(pawl_deque_shutdown(s.d));
    linear_ends(op, LINEAR_CLOSE, 0);
    CHECK_ERR(push_until(BACK, own(0), PAWL_FOREVER), -ESHUTDOWN);
}

/* Takes all out: room for who waits. */
static void clear(void)
{
    struct linear_op *op = linear_begins();
    int64_t n = pawl_deque_clear(s.d, NULL, NULL);

    CHECK(n >= 0);
    if (n > 0) /* the one that was inside from the beginning */
        linear_ends(op, LINEAR_GET, ITEMS - EACH);
}

/* ---- scenarios --------------------------------------------------------------- */

MODEL(deque.hand_over, .setup = one, .threads = {pop_back_one, push_front_one},
      .check = whole)
MODEL(deque.hand_over_spinning, .setup = one,
      .threads = {pop_front_one, push_front_one}, .check = whole, .spin = 2,
      .bounds = {2, 0, 1})
MODEL(deque.each_end_to_one, .setup = two,
      .threads = {pop_front_one, pop_back_one, push_both}, .check = whole,
      .bounds = {2, 0, 0})
MODEL(deque.full, .setup = one, .threads = {push_both, pop_both},
      .check = whole, .bounds = {2, 0, 1})
MODEL(deque.full_for_two, .setup = one_inside,
      .threads = {push_front_one, push_back_one, pop_both}, .check = whole,
      .bounds = {2, 0, 0})
MODEL(deque.one_for_two, .setup = one_inside, .threads = {try_front, try_back},
      .check = whole)
MODEL(deque.one_for_three, .setup = one_inside,
      .threads = {try_front, try_back, try_front}, .check = whole,
      .bounds = {2, 1, 0})
MODEL(deque.giving_up_takes_no_element, .setup = two,
      .threads = {pop_or_give_up, pop_front_one, push_both}, .check = whole,
      .bounds = {2, 0, 0})
MODEL(deque.giving_up_takes_no_room, .setup = one_inside,
      .threads = {push_or_give_up, push_back_one, pop_both}, .check = whole,
      .bounds = {2, 0, 0})
MODEL(deque.dropping, .setup = one_that_drops,
      .threads = {push_two_dropping, push_two_dropping, try_front},
      .check = whole, .bounds = {2, 1, 0})
MODEL(deque.dropping_where_others_wait, .setup = one_inside,
      .threads = {push_two_dropping, push_or_give_up, pop_front_one},
      .check = whole, .bounds = {2, 1, 0})
MODEL(deque.several_at_once, .setup = two,
      .threads = {extend_two, pop_or_give_up, pop_or_give_up}, .check = whole,
      .bounds = {2, 0, 0})
MODEL(deque.several_do_not_fit, .setup = one_of_two_inside,
      .threads = {extend_two, try_front, try_back}, .check = whole,
      .bounds = {2, 1, 0})
MODEL(deque.clearing_makes_room, .setup = one_inside,
      .threads = {push_back_one, clear}, .check = whole)
MODEL(deque.shutdown, .setup = one,
      .threads = {push_or_shutdown, pop_until_shutdown, shut_down},
      .check = whole, .bounds = {2, 1, 0})
MODEL(deque.shutdown_of_a_full_one, .setup = one_inside,
      .threads = {push_or_shutdown, push_or_shutdown, shut_down},
      .check = whole, .bounds = {2, 0, 0})
MODEL(deque.unbounded, .setup = unbounded,
      .threads = {push_both, pop_both, push_both}, .check = whole,
      .bounds = {2, 0, 0})

/* ---- made by one, found by another ------------------------------------------ */

static void make_and_put(void)
{
    uint64_t item = 7;
    pawl_deque *q;

    CHECK_OK(pawl_deque_init(
        &q, made.memory, MADE_BYTES,
        &(pawl_deque_options){.capacity = 2, .element_size = 8}));
    CHECK_OK(pawl_deque_try_push_back(q, &item));
}

static void attach_and_get(void)
{
    uint64_t item;
    pawl_deque *q = NULL;
    int err;

    MADE_AWAIT(pawl_deque_attach, &q);
    CHECK(pawl_deque_size(q) <= 1);
    err = pawl_deque_try_pop_front(q, &item);
    CHECK(err == -EAGAIN || (err == 0 && item == 7));
}

MODEL(deque.made_by_another, .setup = made_begin,
      .threads = {make_and_put, attach_and_get})
