/* SPDX-License-Identifier: MIT
 *
 * queue_history.c - recorded histories of queues: some right ones, behind a
 * lock, which must be found linearizable, and wrong ones, which must not.
 */
#include <stdatomic.h>

#include <pawl/mutex.h>

#include "history_queue.h"

enum { ROOM = 4096 };

/* Everything under one lock.  What is wrong with it, if anything, is told by
 * `wrong`; faults come at random, seldom. */
struct locked {
    pawl_mutex mutex;
    int wrong;
    uint64_t random;
    uint64_t first; /* positions, growing */
    uint64_t last;
    uint64_t capacity;
    uint64_t items[ROOM]; /* by position modulo ROOM */
};

enum wrong {
    NOTHING,
    SWAPS,
    REPEATS,
    LOSES,
    SAYS_EMPTY,
    SAYS_FULL,
    TAKES_TOO_MANY,
    LIFO,
    INVENTS,
};

static int wrong; /* what init gives its queue */

static size_t locked_size(size_t capacity)
{
    (void)capacity;
    return sizeof(struct locked);
}

static void locked_init(void *queue, size_t capacity)
{
    struct locked *q = queue;

    q->wrong = wrong;
    q->random = test_seed(1);
    q->capacity = capacity;
    CHECK_OK(pawl_mutex_init(&q->mutex, PAWL_SHARED));
}

/* One operation in 500 goes wrong. */
static bool goes(struct locked *q, enum wrong how)
{
    return q->wrong == (int)how && test_rand_below(&q->random, 500) == 0;
}

static uint64_t *item(struct locked *q, uint64_t position)
{
    return &q->items[position % ROOM];
}

static int locked_put(void *queue, uint64_t value)
{
    struct locked *q = queue;
    int err = 0;

    CHECK_OK(pawl_mutex_lock(&q->mutex));
    if (goes(q, LOSES) && q->last - q->first < q->capacity)
        ;
    else if (goes(q, SAYS_FULL))
        err = -EAGAIN;
    else if (q->last - q->first < q->capacity + goes(q, TAKES_TOO_MANY))
        *item(q, q->last++) = value;
    else
        err = -EAGAIN;
    CHECK_OK(pawl_mutex_unlock(&q->mutex));
    return err;
}

static int locked_get(void *queue, uint64_t *value)
{
    struct locked *q = queue;
    int err = 0;

    CHECK_OK(pawl_mutex_lock(&q->mutex));
    if (q->last == q->first || goes(q, SAYS_EMPTY)) {
        err = -EAGAIN;
    } else if (q->wrong == LIFO) {
        *value = *item(q, --q->last);
    } else {
        if (q->last - q->first > 1 && goes(q, SWAPS)) {
            uint64_t second = *item(q, q->first + 1);

            *item(q, q->first + 1) = *item(q, q->first);
            *item(q, q->first) = second;
        }
        *value = *item(q, q->first);
        if (goes(q, INVENTS))
            *value += UINT64_C(1) << 32;
        if (!goes(q, REPEATS))
            q->first++;
    }
    CHECK_OK(pawl_mutex_unlock(&q->mutex));
    return err;
}

static const struct history_queue locked = {
    .size = locked_size,
    .init = locked_init,
    .put = locked_put,
    .get = locked_get,
};

/* The least amount first, equals in order: a list, sorted. */
static int sorted_put(void *queue, uint64_t value)
{
    struct locked *q = queue;
    int err = 0;

    CHECK_OK(pawl_mutex_lock(&q->mutex));
    if (q->last - q->first == q->capacity) {
        err = -EAGAIN;
    } else {
        uint64_t at = q->last++;
        /* Wrong: newest first among equals. */
        int32_t bias = goes(q, SWAPS) ? 1 : 0;

        while (at > q->first && history_queue_amount(*item(q, at - 1)) >
                                    history_queue_amount(value) - bias) {
            *item(q, at) = *item(q, at - 1);
            at--;
        }
        *item(q, at) = value;
    }
    CHECK_OK(pawl_mutex_unlock(&q->mutex));
    return err;
}

static const struct history_queue sorted = {
    .size = locked_size,
    .init = locked_init,
    .put = sorted_put,
    .get = locked_get,
};

/* ---- right ones ----------------------------------------------------------- */

enum { OPERATIONS = 100000 };

/* About a million operations; ten million and more in long runs. */
static void check_right(const struct history_queue *queue, enum wrong how,
                        enum history_members kind, history_checker checker)
{
    size_t operations = 0;
    double seconds = 0;
    int rounds = test_iterations(2);

    TEST_TIMEOUT(120);
    wrong = (int)how;
    for (int i = 0; i < rounds * HISTORY_SHAPES; i++) {
        const struct history_shape *shape =
            &history_shapes[i % HISTORY_SHAPES];
        struct history_verdict v =
            history_queue_verdict(queue, shape->capacity, kind, shape->members,
                                  OPERATIONS / shape->members, checker);

        history_check(v);
        operations += v.operations;
        seconds += v.seconds;
    }
    test_note("%zu operations, %.2f s per million to check", operations,
              seconds / (double)operations * 1e6);
}

TEST(history.of_a_fifo_by_threads_is_linearizable)
{
    check_right(&locked, NOTHING, HISTORY_THREADS, history_fifo);
}

TEST(history.of_a_fifo_by_processes_is_linearizable)
{
    check_right(&locked, NOTHING, HISTORY_PROCESSES, history_fifo);
}

TEST(history.of_a_lifo_by_threads_is_linearizable)
{
    check_right(&locked, LIFO, HISTORY_THREADS, history_lifo);
}

TEST(history.of_a_lifo_by_processes_is_linearizable)
{
    check_right(&locked, LIFO, HISTORY_PROCESSES, history_lifo);
}

TEST(history.of_a_priority_queue_by_threads_is_linearizable)
{
    check_right(&sorted, NOTHING, HISTORY_THREADS, history_priority);
}

TEST(history.of_a_priority_queue_by_processes_is_linearizable)
{
    check_right(&sorted, NOTHING, HISTORY_PROCESSES, history_priority);
}

/* ---- wrong ones ------------------------------------------------------------ */

/* Whether the fault is found, in a few runs of different shapes. */
static void check_wrong(const struct history_queue *queue, enum wrong how,
                        history_checker checker, enum history_fault fault)
{
    size_t found = 0;

    wrong = (int)how;
    for (int i = 0; i < HISTORY_SHAPES; i++) {
        const struct history_shape *shape = &history_shapes[i];
        struct history_verdict v = history_queue_verdict(
            queue, shape->capacity, HISTORY_THREADS, shape->members,
            OPERATIONS / shape->members, checker);

        found += v.faults[fault];
    }
    test_note("%s: found %zu times", history_fault_name(fault), found);
    CHECK(found > 0);
}

TEST(history.of_a_fifo_that_swaps_is_rejected)
{
    check_wrong(&locked, SWAPS, history_fifo, HISTORY_ORDER);
}

TEST(history.of_a_fifo_that_repeats_is_rejected)
{
    check_wrong(&locked, REPEATS, history_fifo, HISTORY_TWICE);
}

TEST(history.of_a_fifo_that_loses_is_rejected)
{
    check_wrong(&locked, LOSES, history_fifo, HISTORY_LOST);
}

TEST(history.of_a_fifo_that_invents_is_rejected)
{
    check_wrong(&locked, INVENTS, history_fifo, HISTORY_FROM_NOWHERE);
}

TEST(history.of_a_fifo_with_a_wrong_empty_is_rejected)
{
    check_wrong(&locked, SAYS_EMPTY, history_fifo, HISTORY_WRONG_EMPTY);
}

TEST(history.of_a_fifo_with_a_wrong_full_is_rejected)
{
    check_wrong(&locked, SAYS_FULL, history_fifo, HISTORY_WRONG_FULL);
}

TEST(history.of_a_fifo_that_takes_too_many_is_rejected)
{
    check_wrong(&locked, TAKES_TOO_MANY, history_fifo, HISTORY_TOO_MANY);
}

TEST(history.of_a_lifo_is_not_that_of_a_fifo)
{
    check_wrong(&locked, LIFO, history_fifo, HISTORY_ORDER);
}

TEST(history.of_a_fifo_is_not_that_of_a_lifo)
{
    check_wrong(&locked, NOTHING, history_lifo, HISTORY_ORDER);
}

TEST(history.of_a_fifo_is_not_that_of_a_priority_queue)
{
    check_wrong(&locked, NOTHING, history_priority, HISTORY_ORDER);
}

TEST(history.of_a_priority_queue_that_swaps_equals_is_rejected)
{
    check_wrong(&sorted, SWAPS, history_priority, HISTORY_ORDER);
}

/* Two right queues behind one front, in turn. */
struct pair {
    atomic_uint puts;
    atomic_uint gets;
    struct locked half[2];
};

static size_t pair_size(size_t capacity)
{
    (void)capacity;
    return sizeof(struct pair);
}

static void pair_init(void *queue, size_t capacity)
{
    struct pair *p = queue;

    for (int i = 0; i < 2; i++)
        locked_init(&p->half[i], capacity);
}

static int pair_put(void *queue, uint64_t value)
{
    struct pair *p = queue;

    return locked_put(&p->half[atomic_fetch_add(&p->puts, 1) % 2], value);
}

static int pair_get(void *queue, uint64_t *value)
{
    struct pair *p = queue;

    return locked_get(&p->half[atomic_fetch_add(&p->gets, 1) % 2], value);
}

static const struct history_queue pair = {
    .size = pair_size,
    .init = pair_init,
    .put = pair_put,
    .get = pair_get,
};

TEST(history.of_two_queues_in_turn_is_rejected)
{
    check_wrong(&pair, NOTHING, history_fifo, HISTORY_ORDER);
    check_wrong(&pair, NOTHING, history_fifo, HISTORY_WRONG_EMPTY);
}
