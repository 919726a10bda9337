/* SPDX-License-Identifier: MIT
 *
 * fifo_history.c - recorded histories of the blocking queue, in all its kinds,
 * are those of a queue of that kind: whoever gave up did so while it was full,
 * or empty.
 */
#include <pawl/queue.h>

#include "history_queue.h"

/* Of a priority queue; of others, the value alone. */
struct element {
    int64_t amount;
    uint64_t value;
};

/* The options of the queues that are made now. */
static struct {
    enum pawl_queue_kind kind;
    unsigned flags;
} now;

static size_t element_size(void)
{
    return now.kind == PAWL_QUEUE_PRIORITY ? sizeof(struct element)
                                           : sizeof(uint64_t);
}

static pawl_queue_options options(size_t capacity)
{
    return (pawl_queue_options){.capacity = capacity,
                                .element_size = element_size(),
                                .flags = now.flags,
                                .kind = now.kind};
}

/* The queue, or a pointer to it. */
static size_t size_of(size_t capacity)
{
    pawl_queue_options o = options(capacity);

    return capacity > 0 ? (size_t)pawl_queue_bytes(&o) : sizeof(pawl_queue *);
}

static void init(void *memory, size_t capacity)
{
    pawl_queue_options o = options(capacity);
    pawl_queue *q = NULL;

    if (capacity > 0)
        CHECK_OK(pawl_queue_init(&q, memory, size_of(capacity), &o));
    else
        CHECK_OK(pawl_queue_create(memory, &o));
}

static pawl_queue *queue_at(void *memory)
{
    return now.flags & PAWL_UNBOUNDED ? *(pawl_queue **)memory : memory;
}

static _Thread_local unsigned turn;

/* In turn: not at all, for a short while, long enough to sleep. */
static pawl_deadline soon(void)
{
    return turn++ % 3 == 0 ? 0 : pawl_after_us(turn % 3 == 1 ? 5 : 200);
}

static int put(void *queue, uint64_t value)
{
    struct element e = {history_queue_amount(value), value};
    bool keyed = now.kind == PAWL_QUEUE_PRIORITY;
    int err = pawl_queue_put_until(queue_at(queue),
                                   keyed ? (void *)&e : (void *)&value, soon());

    return err == -ETIMEDOUT ? -EAGAIN : err;
}

static int get(void *queue, uint64_t *value)
{
    struct element e = {0, 0};
    bool keyed = now.kind == PAWL_QUEUE_PRIORITY;
    int err = pawl_queue_get_until(queue_at(queue),
                                   keyed ? (void *)&e : (void *)value, soon());

    if (keyed)
        *value = e.value;
    return err == -ETIMEDOUT ? -EAGAIN : err;
}

static void end(void *queue)
{
    if (now.flags & PAWL_UNBOUNDED)
        pawl_queue_free(queue_at(queue));
}

static const struct history_queue queue = {
    .size = size_of,
    .init = init,
    .put = put,
    .get = get,
    .end = end,
};

static void check(enum pawl_queue_kind kind, unsigned flags,
                  enum history_members members, history_checker checker)
{
    TEST_TIMEOUT(120);
    now.kind = kind;
    now.flags = flags | (kind == PAWL_QUEUE_PRIORITY ? PAWL_QUEUE_SIGNED : 0);
    for (size_t i = 0; i < HISTORY_SHAPES; i++) {
        const struct history_shape *shape = &history_shapes[i];

        history_check(history_queue_verdict(
            &queue, flags & PAWL_UNBOUNDED ? 0 : shape->capacity, members,
            shape->members, test_iterations(60000) / shape->members, checker));
    }
}

TEST(queue.history_by_threads_is_linearizable)
{
    check(PAWL_QUEUE_FIFO, 0, HISTORY_THREADS, history_fifo);
}

TEST(queue.history_by_processes_is_linearizable)
{
    check(PAWL_QUEUE_FIFO, PAWL_SHARED, HISTORY_PROCESSES, history_fifo);
}

TEST(queue.history_of_the_unbounded_is_linearizable)
{
    check(PAWL_QUEUE_FIFO, PAWL_UNBOUNDED, HISTORY_THREADS, history_fifo);
}

TEST(queue.history_of_the_lifo_by_threads_is_linearizable)
{
    check(PAWL_QUEUE_LIFO, 0, HISTORY_THREADS, history_lifo);
}

TEST(queue.history_of_the_lifo_by_processes_is_linearizable)
{
    check(PAWL_QUEUE_LIFO, PAWL_SHARED, HISTORY_PROCESSES, history_lifo);
}

TEST(queue.history_of_the_unbounded_lifo_is_linearizable)
{
    check(PAWL_QUEUE_LIFO, PAWL_UNBOUNDED, HISTORY_THREADS, history_lifo);
}

TEST(queue.history_of_the_priority_queue_by_threads_is_linearizable)
{
    check(PAWL_QUEUE_PRIORITY, 0, HISTORY_THREADS, history_priority);
}

TEST(queue.history_of_the_priority_queue_by_processes_is_linearizable)
{
    check(PAWL_QUEUE_PRIORITY, PAWL_SHARED, HISTORY_PROCESSES,
          history_priority);
}

TEST(queue.history_of_the_unbounded_priority_queue_is_linearizable)
{
    check(PAWL_QUEUE_PRIORITY, PAWL_UNBOUNDED, HISTORY_THREADS,
          history_priority);
}
