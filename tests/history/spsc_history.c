/* SPDX-License-Identifier: MIT
 *
 * spsc_history.c - recorded histories of what has one producer are those of a queue,
 * "full" and "empty" included: the queue for one consumer, and the work-stealing
 * deque as its thieves see it while the owner pushes.
 */
#include <pawl/spsc.h>
#include <pawl/wsdeque.h>

#include "history_queue.h"

enum { OPERATIONS = 100000 };

static size_t spsc_size(size_t capacity)
{
    return (size_t)pawl_spsc_bytes(capacity, sizeof(uint64_t));
}

static void spsc_init(void *memory, size_t capacity)
{
    pawl_spsc *q;

    CHECK_OK(pawl_spsc_init(&q, memory, spsc_size(capacity), capacity,
                            sizeof(uint64_t)));
}

static int spsc_put(void *spsc, uint64_t value)
{
    return pawl_spsc_push(spsc, &value);
}

static int spsc_get(void *spsc, uint64_t *value)
{
    return pawl_spsc_pop(spsc, value);
}

static int64_t spsc_put_many(void *spsc, const uint64_t *values, size_t n)
{
    return pawl_spsc_push_many(spsc, values, n);
}

static int64_t spsc_get_many(void *spsc, uint64_t *values, size_t n)
{
    return pawl_spsc_pop_many(spsc, values, n);
}

static const struct history_queue spsc = {
    .size = spsc_size,
    .init = spsc_init,
    .put = spsc_put,
    .get = spsc_get,
    .producers = 1,
};

/* The consumer takes batches. */
static const struct history_queue spsc_of_batches = {
    .size = spsc_size,
    .init = spsc_init,
    .put = spsc_put,
    .get = spsc_get,
    .put_many = spsc_put_many,
    .get_many = spsc_get_many,
    .producers = 1,
};

static size_t deque_size(size_t capacity)
{
    return (size_t)pawl_wsdeque_bytes(capacity);
}

static void deque_init(void *memory, size_t capacity)
{
    pawl_wsdeque *d;

    CHECK_OK(pawl_wsdeque_init(&d, memory, deque_size(capacity), capacity));
}

static int deque_put(void *deque, uint64_t value)
{
    return pawl_wsdeque_push(deque, value);
}

static int deque_get(void *deque, uint64_t *value)
{
    return pawl_wsdeque_steal(deque, value);
}

static const struct history_queue deque = {
    .size = deque_size,
    .init = deque_init,
    .put = deque_put,
    .get = deque_get,
    .producers = 1,
};

static void check(const struct history_queue *queue, enum history_members kind,
                  size_t capacity, int members)
{
    TEST_TIMEOUT(120);
    history_check(history_queue_verdict(queue, capacity, kind, members,
                                        test_iterations(OPERATIONS) / members,
                                        history_fifo));
}

TEST(spsc.history_is_linearizable)
{
    for (size_t capacity = 1; capacity <= 4; capacity++) {
        check(&spsc, HISTORY_THREADS, capacity, 2);
        check(&spsc, HISTORY_PROCESSES, capacity, 2);
    }
}

TEST(spsc.history_of_batches_is_linearizable)
{
    static const size_t capacities[] = {1, 2, 3, 7, 30};

    for (size_t i = 0; i < sizeof capacities / sizeof *capacities; i++) {
        check(&spsc_of_batches, HISTORY_THREADS, capacities[i], 2);
        check(&spsc_of_batches, HISTORY_PROCESSES, capacities[i], 2);
    }
}

TEST(wsdeque.history_of_thieves_is_linearizable)
{
    for (size_t capacity = 1; capacity <= 16; capacity *= 2) {
        check(&deque, HISTORY_THREADS, capacity, 2);
        check(&deque, HISTORY_THREADS, capacity, 5);
    }
}
