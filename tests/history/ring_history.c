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
static bool many; /* by push_many and pop_many, of one */

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
        n = many ? pawl_ring_push_many(queue, element, 1)
                 : pawl_ring_push(queue, element);
    while (n == -ENOMEM);
    return n < 0 ? (int)n : 0;
}

static int ring_get(void *queue, uint64_t *value)
{
    uint64_t element[RING_ELEMENT_MAX / 8];
    int64_t n;

    do
        n = many ? pawl_ring_pop_many(queue, element, 1)
                 : pawl_ring_pop(queue, element);
    while (n == -ENOMEM);
    if (n < 0)
        return (int)n;
    for (size_t i = 0; i < element_size / 8; i++)
        CHECK_EQ(element[i], element[0] + i);
    *value = element[0];
    return 0;
}

static const struct history_queue ring = {
    .size = ring_size,
    .init = ring_init,
    .put = ring_put,
    .get = ring_get,
};

static const struct shape {
    size_t capacity;
    int members;
} shapes[] = {{1, 3}, {1, 8}, {2, 4}, {3, 6}, {4, 12}, {16, 4}};
enum { SHAPES = sizeof shapes / sizeof *shapes, OPERATIONS = 60000 };

/* Each format makes at least a million operations; more in long runs. */
static void check(enum history_members kind, enum pawl_ring_format which,
                  size_t size)
{
    size_t operations = 0;
    double seconds = 0;
    int rounds = test_iterations(3);

    TEST_TIMEOUT(120);
    format = which;
    element_size = size;
    for (int i = 0; i < rounds * SHAPES; i++) {
        const struct shape *s = &shapes[i % SHAPES];
        struct history_verdict v =
            history_queue_verdict(&ring, s->capacity, kind, s->members,
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
    check(HISTORY_THREADS, PAWL_RING_VALUE, 8);
}

TEST(ring.history_of_values_by_processes_is_linearizable)
{
    check(HISTORY_PROCESSES, PAWL_RING_VALUE, 8);
}

TEST(ring.history_of_blocks_by_threads_is_linearizable)
{
    check(HISTORY_THREADS, PAWL_RING_SWAP, 40);
}

TEST(ring.history_of_blocks_by_processes_is_linearizable)
{
    check(HISTORY_PROCESSES, PAWL_RING_SWAP, 40);
}

TEST(ring.history_of_batches_is_linearizable)
{
    many = true;
    check(HISTORY_THREADS, PAWL_RING_VALUE, 8);
    check(HISTORY_THREADS, PAWL_RING_SWAP, 8);
}
