/* SPDX-License-Identifier: MIT
 *
 * ring_history.c - recorded histories of rings are those of a queue, "full" and
 * "empty" included: both formats, threads and processes, tiny capacities and
 * more members than CPUs.
 */
#include "history_queue.h"
#include "rings.h"

static enum pawl_ring_format format;
static size_t
    element_size; /* the value comes first, the rest follows from it */

/* The members' own blocks: some have one, some have not. */
enum { PARTICIPANTS = 4 };

static size_t ring_size(size_t capacity)
{
    int64_t bytes =
        pawl_ring_bytes_as(format, capacity, element_size, PARTICIPANTS);

    CHECK(bytes > 0);
    return (size_t)bytes;
}

static void ring_init(void *queue, size_t capacity)
{
    pawl_ring *r;

    CHECK_OK(pawl_ring_init_as(format, &r, queue, ring_size(capacity), capacity,
                               element_size, PARTICIPANTS, 0));
}

/* More members than blocks may be inside at once. */
static int ring_put(void *queue, uint64_t value)
{
    uint64_t element[RING_ELEMENT_MAX / 8];
    int64_t n;

    for (size_t i = 0; i < element_size / 8; i++)
        element[i] = value + i;
    do
        n = pawl_ring_push(queue, element);
    while (n == -ENOMEM);
    return n < 0 ? (int)n : 0;
}

static int ring_get(void *queue, uint64_t *value)
{
    uint64_t element[RING_ELEMENT_MAX / 8];
    int64_t n;

    do
        n = pawl_ring_pop(queue, element);
    while (n == -ENOMEM);
    if (n < 0)
        return (int)n;
    for (size_t i = 0; i < element_size / 8; i++)
        CHECK_EQ(element[i], element[0] + i);
    *value = element[0];
    return 0;
}

/* The block of somebody who is inside may be missing: once more. */
static int64_t ring_put_many(void *queue, const uint64_t *values, size_t n)
{
    int64_t done;

    CHECK(element_size == 8);
    while ((done = pawl_ring_push_many(queue, values, n)) == -ENOMEM)
        ;
    return done;
}

static int64_t ring_get_many(void *queue, uint64_t *values, size_t n)
{
    int64_t done;

    while ((done = pawl_ring_pop_many(queue, values, n)) == -ENOMEM)
        ;
    return done;
}

static const struct history_queue ring = {
    .size = ring_size,
    .init = ring_init,
    .put = ring_put,
    .get = ring_get,
};

static const struct history_queue ring_of_batches = {
    .size = ring_size,
    .init = ring_init,
    .put = ring_put,
    .get = ring_get,
    .put_many = ring_put_many,
    .get_many = ring_get_many,
};

static const struct history_shape shapes[] = {
    {1, 3}, {1, 8}, {2, 4}, {3, 6}, {4, 12}, {9, 6}, {16, 4}, {27, 5}};
enum { SHAPES = sizeof shapes / sizeof *shapes, OPERATIONS = 60000 };

/* Each format makes at least a million operations; more in long runs. */
static void check(const struct history_queue *queue, enum history_members kind,
                  enum pawl_ring_format which, size_t size)
{
    size_t operations = 0;
    double seconds = 0;
    int rounds = test_iterations(3);

    TEST_TIMEOUT(120);
    format = which;
    element_size = size;
    for (int i = 0; i < rounds * SHAPES; i++) {
        const struct history_shape *s = &shapes[i % SHAPES];
        struct history_verdict v =
            history_queue_verdict(queue, s->capacity, kind, s->members,
                                  OPERATIONS / s->members, history_fifo);

        history_check(v);
        operations += v.operations;
        seconds += v.seconds;
    }
    test_note("%zu operations, %.2f s per million to check", operations,
              seconds / (double)operations * 1e6);
}

TEST(ring.history_of_values_by_threads_is_linearizable)
{
    check(&ring, HISTORY_THREADS, PAWL_RING_VALUE, 8);
}

TEST(ring.history_of_values_by_processes_is_linearizable)
{
    check(&ring, HISTORY_PROCESSES, PAWL_RING_VALUE, 8);
}

TEST(ring.history_of_blocks_by_threads_is_linearizable)
{
    check(&ring, HISTORY_THREADS, PAWL_RING_SWAP, 40);
}

TEST(ring.history_of_blocks_by_processes_is_linearizable)
{
    check(&ring, HISTORY_PROCESSES, PAWL_RING_SWAP, 40);
}

TEST(ring.history_of_batches_by_threads_is_linearizable)
{
    check(&ring_of_batches, HISTORY_THREADS, PAWL_RING_VALUE, 8);
    check(&ring_of_batches, HISTORY_THREADS, PAWL_RING_SWAP, 8);
}

TEST(ring.history_of_batches_by_processes_is_linearizable)
{
    check(&ring_of_batches, HISTORY_PROCESSES, PAWL_RING_VALUE, 8);
}
