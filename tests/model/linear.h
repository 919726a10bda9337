/* SPDX-License-Identifier: MIT
 *
 * linear.h - could one thread have done what the threads of a schedule did, each
 * call at an instant between its begin and its end?  For queues of all orders.
 *
 *     linear_begin(LINEAR_FIFO, capacity);              in setup
 *
 *     struct linear_op *op = linear_begins();           around a call
 *     int err = pawl_queue_try_get(q, &item);
 *     linear_ends(op, err == 0 ? LINEAR_GET : LINEAR_EMPTY, item);
 *
 *     CHECK(linear_is_possible());                      in check
 *
 * An exact decision, by trying (Wing and Gong, "Testing and verifying concurrent
 * objects", 1993); a schedule has a dozen calls.  Items are small numbers, each
 * put once.
 */
#ifndef MODEL_LINEAR_H
#define MODEL_LINEAR_H

#include "model.h"

enum linear_order { LINEAR_FIFO, LINEAR_LIFO, LINEAR_PRIORITY };

enum linear_kind {
    LINEAR_UNKNOWN, /* never ended, or promises nothing */
    LINEAR_PUT,     /* at the back */
    LINEAR_PUT_FRONT,
    LINEAR_GET, /* the next in order; of two ends: the front */
    LINEAR_GET_BACK,
    LINEAR_DROP_FRONT, /* to make room: the call has put another */
    LINEAR_DROP_BACK,
    LINEAR_FULL, /* refusals */
    LINEAR_EMPTY,
    LINEAR_PUT_CLOSED,
    LINEAR_GET_CLOSED,
    LINEAR_CLOSE,
    LINEAR_SIZE, /* questions, and their answers */
    LINEAR_IS_CLOSED,
    LINEAR_REPORT,   /* one is done */
    LINEAR_OVERFLOW, /* none is unfinished */
    LINEAR_UNFINISHED,
};

enum { LINEAR_MOST = 24, LINEAR_ROOM = 12 };

struct linear_op {
    uint32_t begin;
    uint32_t end;
    enum linear_kind kind;
    int value;
};

struct linear_state {
    int8_t items[LINEAR_ROOM];
    int count;
    int unfinished;
    bool closed;
};

static struct {
    struct linear_op ops[LINEAR_MOST];
    uint32_t used;
    uint32_t clock;
    enum linear_order order;
    int capacity; /* 0: none */
} linear_;

/* With a capacity of 0: unbounded. */
__attribute__((unused)) static void linear_begin(enum linear_order order,
                                                 size_t capacity)
{
    linear_.used = 0;
    linear_.clock = 0;
    linear_.order = order;
    linear_.capacity = (int)capacity;
}

__attribute__((unused)) static struct linear_op *linear_begins(void)
{
    struct linear_op *op = &linear_.ops[linear_.used++];

    model_looks();
    if (linear_.used > LINEAR_MOST)
        model_fail("linear: too many calls");
    *op = (struct linear_op){.begin = ++linear_.clock, .end = UINT32_MAX};
    return op;
}

__attribute__((unused)) static void
linear_ends(struct linear_op *op, enum linear_kind kind, int value)
{
    model_looks();
    op->kind = kind;
    op->value = value;
    op->end = ++linear_.clock;
}

/* One more effect of a call that has ended. */
__attribute__((unused)) static void
linear_also(const struct linear_op *op, enum linear_kind kind, int value)
{
    struct linear_op *also = linear_begins();

    *also = *op;
    also->kind = kind;
    also->value = value;
}

static bool linear_put_(struct linear_state *s, int item, bool front)
{
    int at = front || linear_.order != LINEAR_FIFO ? 0 : s->count;

    if (s->closed || s->count == LINEAR_ROOM ||
        (linear_.capacity != 0 && s->count == linear_.capacity))
        return false;
    while (linear_.order == LINEAR_PRIORITY && at < s->count &&
           s->items[at] <= item)
        at++;
    memmove(s->items + at + 1, s->items + at, (size_t)(s->count - at));
    s->items[at] = (int8_t)item;
    s->count++;
    s->unfinished++;
    return true;
}

static bool linear_get_(struct linear_state *s, int item, bool back)
{
    int at = back ? s->count - 1 : 0;

    if (s->count == 0 || s->items[at] != item)
        return false;
    s->count--;
    memmove(s->items + at, s->items + at + 1, (size_t)(s->count - at));
    return true;
}

/* Whether it could do that now. */
static bool linear_step_(struct linear_state *s, const struct linear_op *op)
{
    switch (op->kind) {
    case LINEAR_PUT:
    case LINEAR_PUT_FRONT:
        return linear_put_(s, op->value, op->kind == LINEAR_PUT_FRONT);
    case LINEAR_GET:
    case LINEAR_GET_BACK:
        return linear_get_(s, op->value, op->kind == LINEAR_GET_BACK);
    case LINEAR_DROP_FRONT:
    case LINEAR_DROP_BACK:
        return s->count == linear_.capacity &&
               linear_get_(s, op->value, op->kind == LINEAR_DROP_BACK);
    case LINEAR_FULL:
        return !s->closed && s->count == linear_.capacity;
    case LINEAR_EMPTY:
        return !s->closed && s->count == 0;
    case LINEAR_PUT_CLOSED:
        return s->closed;
    case LINEAR_GET_CLOSED:
        return s->closed && s->count == 0;
    case LINEAR_CLOSE:
        s->closed = true;
        return true;
    case LINEAR_SIZE:
        return s->count == op->value;
    case LINEAR_IS_CLOSED:
        return s->closed == (op->value != 0);
    case LINEAR_REPORT:
        return s->unfinished-- > 0;
    case LINEAR_OVERFLOW:
        return s->unfinished == 0;
    case LINEAR_UNFINISHED:
        return s->unfinished == op->value;
    case LINEAR_UNKNOWN:
        break;
    }
    return true;
}

static bool linear_from_(uint32_t left, const struct linear_state *s)
{
    uint32_t first_end = UINT32_MAX;

    if (left == 0)
        return true;
    for (uint32_t i = 0; i < linear_.used; i++) {
        if ((left >> i & 1) != 0 && linear_.ops[i].end < first_end)
            first_end = linear_.ops[i].end;
    }
    for (uint32_t i = 0; i < linear_.used; i++) {
        struct linear_state next = *s;

        if ((left >> i & 1) != 0 && linear_.ops[i].begin <= first_end &&
            linear_step_(&next, &linear_.ops[i]) &&
            linear_from_(left & ~(UINT32_C(1) << i), &next))
            return true;
    }
    return false;
}

__attribute__((unused)) static bool linear_is_possible(void)
{
    struct linear_state s = {.count = 0};

    return linear_from_((UINT32_C(1) << linear_.used) - 1, &s);
}

#endif /* MODEL_LINEAR_H */
