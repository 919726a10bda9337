/* SPDX-License-Identifier: MIT
 *
 * deque_history.c - recorded histories of the blocking deque, used as a queue and
 * as a stack, are those of a queue and of a stack: whoever gave up did so while
 * it was full, or empty.
 */
#include <pawl/deque.h>

#include "history_queue.h"

static pawl_deque_options options(size_t capacity)
{
    return (pawl_deque_options){.capacity = capacity,
                                .element_size = sizeof(uint64_t),
                                .flags = PAWL_SHARED};
}

static size_t size_of(size_t capacity)
{
    pawl_deque_options o = options(capacity);

    return (size_t)pawl_deque_bytes(&o);
}

static void init(void *memory, size_t capacity)
{
    pawl_deque_options o = options(capacity);
    pawl_deque *d = NULL;

    CHECK_OK(pawl_deque_init(&d, memory, size_of(capacity), &o));
}

static _Thread_local unsigned turn;

/* In turn: not at all, for a short while, long enough to sleep. */
static pawl_deadline soon(void)
{
    return turn++ % 3 == 0 ? 0 : pawl_after_us(turn % 3 == 1 ? 5 : 200);
}

static int again(int err)
{
    return err == -ETIMEDOUT ? -EAGAIN : err;
}

static int push_front(void *deque, uint64_t value)
{
    return again(pawl_deque_push_front_until(deque, &value, soon()));
}

static int push_back(void *deque, uint64_t value)
{
    return again(pawl_deque_push_back_until(deque, &value, soon()));
}

static int pop_front(void *deque, uint64_t *value)
{
    return again(pawl_deque_pop_front_until(deque, value, soon()));
}

static const struct history_queue fifo = {
    .size = size_of,
    .init = init,
    .put = push_back,
    .get = pop_front,
};

static const struct history_queue lifo = {
    .size = size_of,
    .init = init,
    .put = push_front,
    .get = pop_front,
};

static void check(const struct history_queue *queue, history_checker checker)
{
    TEST_TIMEOUT(120);
    for (size_t i = 0; i < HISTORY_SHAPES; i++) {
        const struct history_shape *shape = &history_shapes[i];

        history_check(history_queue_verdict(
            queue, shape->capacity,
            i % 2 == 0 ? HISTORY_THREADS : HISTORY_PROCESSES, shape->members,
            test_iterations(60000) / shape->members, checker));
    }
}

/* D-11 */
TEST(deque.history_as_a_queue_is_linearizable)
{
    check(&fifo, history_fifo);
}

TEST(deque.history_as_a_stack_is_linearizable)
{
    check(&lifo, history_lifo);
}
