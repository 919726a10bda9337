/* SPDX-License-Identifier: MIT
 *
 * fifo_history.c - recorded histories of the blocking queue are those of a
 * queue: whoever gave up did so while it was full, or empty.
 */
#include <pawl/queue.h>

#include "history_queue.h"

static pawl_queue_options options(size_t capacity)
{
    return (pawl_queue_options){
        .capacity = capacity, .element_size = 8, .flags = PAWL_SHARED};
}

static size_t fifo_size(size_t capacity)
{
    pawl_queue_options o = options(capacity);

    return (size_t)pawl_queue_bytes(&o);
}

static void fifo_init(void *memory, size_t capacity)
{
    pawl_queue_options o = options(capacity);
    pawl_queue *q = NULL;

    CHECK_OK(pawl_queue_init(&q, memory, fifo_size(capacity), &o));
}

static _Thread_local unsigned turn;

/* In turn: not at all, for a short while, long enough to sleep. */
static pawl_deadline soon(void)
{
    return turn++ % 3 == 0 ? 0 : pawl_after_us(turn % 3 == 1 ? 5 : 200);
}

static int fifo_put(void *queue, uint64_t value)
{
    int err = pawl_queue_put_until(queue, &value, soon());

    return err == -ETIMEDOUT ? -EAGAIN : err;
}

static int fifo_get(void *queue, uint64_t *value)
{
    int err = pawl_queue_get_until(queue, value, soon());

    return err == -ETIMEDOUT ? -EAGAIN : err;
}

static const struct history_queue fifo = {
    .size = fifo_size,
    .init = fifo_init,
    .put = fifo_put,
    .get = fifo_get,
};

static void check(enum history_members kind)
{
    static const struct {
        size_t capacity;
        int members;
    } shapes[] = {{1, 3}, {1, 8}, {2, 4}, {3, 6}, {16, 4}};

    TEST_TIMEOUT(120);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        history_check(history_queue_verdict(
            &fifo, shapes[i].capacity, kind, shapes[i].members,
            test_iterations(60000) / shapes[i].members, history_fifo));
}

TEST(queue.history_by_threads_is_linearizable)
{
    check(HISTORY_THREADS);
}

TEST(queue.history_by_processes_is_linearizable)
{
    check(HISTORY_PROCESSES);
}
