/* SPDX-License-Identifier: MIT
 *
 * stack_windows_test.c - threads that are stopped in the middle of a push or a
 * pop: before their n-th compare-and-swap.
 */
#include "atomic/ops.h"
#include "test.h"
#include "visitor.h"

struct stop {
    int in; /* swaps to go */
    struct door reached;
    struct door go;
};

static _Thread_local struct stop *stop;

static inline bool stopping_cas(pawl_u64 *w, uint64_t *seen, uint64_t v)
{
    if (stop != NULL && --stop->in == 0) {
        door_open(&stop->reached);
        door_pass(&stop->go);
    }
    return pawl_cas64_seq(w, seen, v);
}

#define pawl_cas64_seq stopping_cas
#include "atomic/stack.c" // NOLINT: its own copy, with the stops

struct call {
    pawl_stack *s;
    bool pushes;
    uint64_t value;
    int result;
    struct stop stop;
    struct test_thread *thread;
};

static void call_main(void *arg)
{
    struct call *c = arg;

    stop = &c->stop;
    c->result = c->pushes ? pawl_stack_push(c->s, &c->value)
                          : pawl_stack_pop(c->s, &c->value);
}

/* Begin it, and return when it stands before its n-th swap. */
static void begin(struct call *c, pawl_stack *s, bool pushes, uint64_t value,
                  int n)
{
    *c = (struct call){.s = s, .pushes = pushes, .value = value};
    c->stop.in = n;
    door_make(&c->stop.reached);
    door_make(&c->stop.go);
    c->thread = test_thread(call_main, c);
    door_pass(&c->stop.reached);
}

static int end(struct call *c)
{
    door_open(&c->stop.go);
    test_join(c->thread);
    return c->result;
}

static pawl_stack *make(size_t capacity, size_t participants)
{
    int64_t bytes = pawl_stack_bytes(capacity, sizeof(uint64_t), participants);
    pawl_stack *s = NULL;

    CHECK_OK(pawl_stack_init(
        &s, test_shared_alloc((size_t)bytes), /* page aligned */
        (size_t)bytes, capacity, sizeof(uint64_t), participants));
    return s;
}

static int push(pawl_stack *s, uint64_t v)
{
    return pawl_stack_push(s, &v);
}

static uint64_t pop(pawl_stack *s)
{
    uint64_t v = 0;

    CHECK_OK(pawl_stack_pop(s, &v));
    return v;
}

/* A pop has seen node X on top of node Y.  When it goes on, X is on top again, of
 * nothing, and Y is in somebody's hand. */
TEST(stack_window.top_that_came_back_is_another_one)
{
    pawl_stack *s = make(4, 2);
    struct call popper;
    struct call pusher;

    CHECK_OK(push(s, 1)); /* Y */
    CHECK_OK(push(s, 2)); /* X */
    begin(&popper, s, false, 0, 1);
    CHECK_EQ(pop(s), 2);
    CHECK_EQ(pop(s), 1);
    begin(&pusher, s, true, 3, 2); /* has taken Y */
    CHECK_OK(push(s, 4));          /* with X */
    CHECK_OK(end(&popper));
    CHECK_EQ(popper.value, 4);
    CHECK_EQ(pawl_stack_size(s), 0);
    CHECK_OK(end(&pusher));
    CHECK_EQ(pawl_stack_size(s), 1);
    CHECK_EQ(pop(s), 3);
    CHECK_EQ(pawl_stack_size(s), 0);
    for (uint64_t i = 0; i < 4; i++)
        CHECK_OK(push(s, i));
    CHECK_ERR(push(s, 5), -EAGAIN);
}

/* Threads that are stopped with a node in hand leave the others all of the
 * capacity, if there are no more of them than participants. */
TEST(stack_window.stopped_threads_leave_the_capacity)
{
    pawl_stack *s = make(2, 3);
    struct call calls[2];

    CHECK_OK(push(s, 1));
    begin(&calls[0], s, false, 0, 2); /* has popped 1, keeps its node */
    begin(&calls[1], s, true, 9, 2);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(push(s, 2));
        CHECK_OK(push(s, 3));
        CHECK_ERR(push(s, 4), -EAGAIN);
        CHECK_EQ(pop(s), 3);
        CHECK_EQ(pop(s), 2);
    }
    CHECK_OK(end(&calls[0]));
    CHECK_EQ(calls[0].value, 1);
    CHECK_OK(end(&calls[1]));
    CHECK_EQ(pop(s), 9);
}

/* More of them than participants: said as what it is, and nothing is changed. */
TEST(stack_window.more_threads_inside_than_participants)
{
    pawl_stack *s = make(2, 1);
    struct call calls[2];

    begin(&calls[0], s, true, 1, 2);
    begin(&calls[1], s, true, 2, 2);
    CHECK_OK(push(s, 3));
    CHECK_ERR(push(s, 4), -ENOMEM);
    CHECK_EQ(pawl_stack_size(s), 1);
    CHECK_OK(end(&calls[0]));
    CHECK_ERR(push(s, 4), -EAGAIN); /* full: that comes first */
    CHECK_ERR(end(&calls[1]), -EAGAIN);
    CHECK_EQ(pop(s), 1);
    CHECK_EQ(pop(s), 3);
}

/* a push that has its node when the stack is closed puts it back, and is
 * refused; a pop that has seen the top before finds the new one. */
TEST(stack_window.close_in_the_middle)
{
    pawl_stack *s = make(3, 2);
    struct call pusher;
    struct call popper;

    CHECK_OK(push(s, 1));
    begin(&pusher, s, true, 2, 2);
    begin(&popper, s, false, 0, 1);
    CHECK_OK(pawl_stack_close(s));
    CHECK_ERR(end(&pusher), -ESHUTDOWN);
    CHECK_EQ(pawl_stack_size(s), 1);
    CHECK_OK(end(&popper));
    CHECK_EQ(popper.value, 1);
    CHECK_ERR(pawl_stack_pop(s, &popper.value), -ESHUTDOWN);
    CHECK(pawl_stack_is_closed(s));
}

/* Closed comes first where nodes are short, too. */
TEST(stack_window.closed_while_nodes_are_short)
{
    pawl_stack *s = make(1, 1);
    struct call calls[2];

    begin(&calls[0], s, true, 1, 2);
    begin(&calls[1], s, true, 2, 2);
    CHECK_OK(pawl_stack_close(s));
    CHECK_ERR(push(s, 3), -ESHUTDOWN);
    CHECK_ERR(end(&calls[0]), -ESHUTDOWN);
    CHECK_ERR(end(&calls[1]), -ESHUTDOWN);
}

/* The count of pushes goes on when the tag wraps, and the closed bit stays as it
 * is. */
TEST(stack_window.counts_pushes_across_the_last_tag)
{
    pawl_stack *s = make(3, 2);
    uint64_t mask = pawl_stack_pushed_mask(s);

    CHECK_EQ(pawl_stack_pushed(s), 0);
    pawl_store64_relaxed(&s->top, mask * s->tag); /* relaxed: alone */
    for (uint64_t i = 0; i < 5; i++) {
        CHECK_EQ(pawl_stack_pushed(s), (mask + 2 * i) & mask);
        CHECK_OK(push(s, i));
        CHECK_OK(push(s, i + 1));
        CHECK_EQ(pawl_stack_pushed(s), (mask + 2 * i + 2) & mask);
        CHECK_EQ(pop(s), i + 1);
        CHECK_EQ(pop(s), i);
        CHECK(!pawl_stack_is_closed(s));
    }
    pawl_store64_relaxed(&s->top, mask * s->tag); /* relaxed: alone */
    CHECK_OK(push(s, 1));
    CHECK_OK(pawl_stack_close(s));
    CHECK_EQ(pop(s), 1);
    CHECK(pawl_stack_is_closed(s));
}
