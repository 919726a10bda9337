/* SPDX-License-Identifier: MIT
 *
 * stack_history.c - recorded histories of the lock-free stack are those of a stack,
 * "full" and "empty" included.
 */
#include <pawl/stack.h>

#include "history_queue.h"

/* More members than nodes beyond the capacity may be inside at once. */
enum { PARTICIPANTS = 3, OPERATIONS = 100000 };

static size_t size_of(size_t capacity)
{
    return (size_t)pawl_stack_bytes(capacity, sizeof(uint64_t), PARTICIPANTS);
}

static void init(void *memory, size_t capacity)
{
    pawl_stack *s;

    CHECK_OK(pawl_stack_init(&s, memory, size_of(capacity), capacity,
                             sizeof(uint64_t), PARTICIPANTS));
}

static int put(void *stack, uint64_t value)
{
    int err;

    while ((err = pawl_stack_push(stack, &value)) == -ENOMEM)
        ;
    return err;
}

static int get(void *stack, uint64_t *value)
{
    return pawl_stack_pop(stack, value);
}

static const struct history_queue stack = {
    .size = size_of,
    .init = init,
    .put = put,
    .get = get,
};

static void check(enum history_members kind)
{
    TEST_TIMEOUT(120);
    for (size_t i = 0; i < HISTORY_SHAPES; i++) {
        const struct history_shape *shape = &history_shapes[i];

        history_check(history_queue_verdict(
            &stack, shape->capacity, kind, shape->members,
            test_iterations(OPERATIONS) / shape->members, history_lifo));
    }
}

TEST(stack.history_by_threads_is_linearizable)
{
    check(HISTORY_THREADS);
}

TEST(stack.history_by_processes_is_linearizable)
{
    check(HISTORY_PROCESSES);
}
