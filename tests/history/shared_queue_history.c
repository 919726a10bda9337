/* SPDX-License-Identifier: MIT
 *
 * shared_queue_history.c - H-20, Q-02 to Q-05: recorded histories of queues in a
 * region, of each kind, by processes, one by one and in batches: they are those of a queue of that kind, and
 * whoever gave up did so while it was full, or empty.
 */
#include <pawl/queue.h>
#include <pawl/region.h>
#include <pawl/shared_queue.h>

#include "history_queue.h"

/* Of each kind; others than PRIORITY do not look at the key. */
struct record {
    int64_t key;
    uint64_t value;
};

/* So that a batch ends only where the queue does. */
enum { HANDS = 16 * HISTORY_BATCH };

/* The options of the queues that are made now. */
static struct {
    enum pawl_shared_queue_kind kind;
    enum pawl_shared_tasks tasks;
} now;

static pawl_region *region;

/* The handle, which members that are forked have too. */
static size_t size_of(size_t capacity)
{
    (void)capacity;
    return sizeof(pawl_shared_queue *);
}

static void init(void *memory, size_t capacity)
{
    bool keyed = now.kind == PAWL_SHARED_PRIORITY;

    CHECK_OK(pawl_region_create(
        &region, &(pawl_region_options){.heap = 1 << 20, .participants = 16}));
    CHECK_OK(pawl_shared_queue_create(
        memory, region,
        &(pawl_shared_queue_options){.capacity = capacity,
                                     .record_size = sizeof(struct record),
                                     .kind = now.kind,
                                     .tasks = now.tasks,
                                     .in_hand = now.tasks ? HANDS : 0,
                                     .flags = keyed ? PAWL_QUEUE_SIGNED : 0}));
}

static pawl_shared_queue *queue_at(void *memory)
{
    return *(pawl_shared_queue **)memory;
}

static _Thread_local unsigned turn;

/* In turn: not at all, for a short while, long enough to sleep. */
static pawl_deadline soon(void)
{
    return turn++ % 3 == 0 ? 0 : pawl_after_us(turn % 3 == 1 ? 5 : 200);
}

static int put(void *memory, uint64_t value)
{
    struct record r = {history_queue_amount(value), value};
    int err =
        pawl_shared_queue_put_until(queue_at(memory), &r, sizeof r, soon());

    return err == -ETIMEDOUT ? -EAGAIN : err;
}

static int get(void *memory, uint64_t *value)
{
    struct record r;
    int64_t n =
        pawl_shared_queue_get_until(queue_at(memory), &r, sizeof r, soon());

    if (n == -ETIMEDOUT)
        return -EAGAIN;
    CHECK_EQ(n, sizeof r);
    *value = r.value;
    if (now.tasks != PAWL_TASKS_NONE)
        CHECK_OK(pawl_shared_queue_task_done(queue_at(memory), NULL));
    return 0;
}

static int64_t put_many(void *memory, const uint64_t *values, size_t n)
{
    struct record r[HISTORY_BATCH];
    int64_t done;

    for (size_t i = 0; i < n; i++)
        r[i] = (struct record){history_queue_amount(values[i]), values[i]};
    done = pawl_shared_queue_put_many_until(queue_at(memory), r, sizeof *r,
                                            NULL, n, soon());
    return done == -ETIMEDOUT ? -EAGAIN : done;
}

static int64_t get_many(void *memory, uint64_t *values, size_t n)
{
    struct record r[HISTORY_BATCH];
    size_t bytes[HISTORY_BATCH];
    int64_t done = pawl_shared_queue_get_many_until(
        queue_at(memory), r, sizeof *r, bytes, NULL, n, soon());

    if (done == -ETIMEDOUT)
        return -EAGAIN;
    for (int64_t i = 0; i < done; i++) {
        CHECK_EQ(bytes[i], sizeof *r);
        values[i] = r[i].value;
        if (now.tasks != PAWL_TASKS_NONE)
            CHECK_OK(pawl_shared_queue_task_done(queue_at(memory), NULL));
    }
    return done;
}

static void end(void *memory)
{
    pawl_shared_queue_free(queue_at(memory));
    pawl_region_free(region);
}

static const struct history_queue queue = {
    .size = size_of,
    .init = init,
    .put = put,
    .get = get,
    .end = end,
};

static const struct history_queue queue_of_batches = {
    .size = size_of,
    .init = init,
    .put = put,
    .get = get,
    .put_many = put_many,
    .get_many = get_many,
    .end = end,
};

static struct history_verdict verdict(const struct history_queue *q, size_t i,
                                      enum history_members kind,
                                      history_checker checker)
{
    const struct history_shape *shape = &history_shapes[i];

    return history_queue_verdict(q, shape->capacity, kind, shape->members,
                                 test_iterations(40000) / shape->members,
                                 checker);
}

static void check_of(const struct history_queue *q,
                     enum pawl_shared_queue_kind kind,
                     enum history_members members, history_checker checker)
{
    TEST_TIMEOUT(240);
    now.kind = kind;
    for (size_t i = 0; i < HISTORY_SHAPES; i++) {
        now.tasks = i % 2 != 0 ? PAWL_TASKS_AGAIN : PAWL_TASKS_NONE;
        history_check(verdict(q, i, members, checker));
    }
}

static void check(enum pawl_shared_queue_kind kind,
                  enum history_members members, history_checker checker)
{
    check_of(&queue, kind, members, checker);
}

static void check_batches(enum pawl_shared_queue_kind kind,
                          history_checker checker)
{
    check_of(&queue_of_batches, kind, HISTORY_PROCESSES, checker);
}

TEST(shared_queue.history_of_the_fifo_is_linearizable)
{
    check(PAWL_SHARED_FIFO, HISTORY_PROCESSES, history_fifo);
}

TEST(shared_queue.history_of_the_fifo_by_threads_is_linearizable)
{
    check(PAWL_SHARED_FIFO, HISTORY_THREADS, history_fifo);
}

TEST(shared_queue.history_of_the_lifo_is_linearizable)
{
    check(PAWL_SHARED_LIFO, HISTORY_PROCESSES, history_lifo);
}

TEST(shared_queue.history_of_the_deque_is_linearizable)
{
    check(PAWL_SHARED_DEQUE, HISTORY_PROCESSES, history_fifo);
}

TEST(shared_queue.history_of_the_priority_is_linearizable)
{
    check(PAWL_SHARED_PRIORITY, HISTORY_PROCESSES, history_priority);
}

/* half of the members put and get several at once. */
TEST(shared_queue.history_of_batches_of_the_fifo_is_linearizable)
{
    check_batches(PAWL_SHARED_FIFO, history_fifo);
}

TEST(shared_queue.history_of_batches_of_the_lifo_is_linearizable)
{
    check_batches(PAWL_SHARED_LIFO, history_lifo);
}

TEST(shared_queue.history_of_batches_of_the_priority_is_linearizable)
{
    check_batches(PAWL_SHARED_PRIORITY, history_priority);
}

/* ---- wrong ones -------------------------------------------------------------------- */

/* Once in a while a consumer gets two, and gives the second away first. */
static int get_swapped(void *memory, uint64_t *value)
{
    static _Thread_local uint64_t kept;
    static _Thread_local unsigned gets;
    uint64_t second;
    int err;

    if (kept != 0) {
        *value = kept;
        kept = 0;
        return 0;
    }
    err = get(memory, value);
    if (err != 0 || ++gets % 100 != 0 || get(memory, &second) != 0)
        return err;
    kept = *value;
    *value = second;
    return 0;
}

static const struct history_queue swapping = {
    .size = size_of,
    .init = init,
    .put = put,
    .get = get_swapped,
    .end = end,
};

TEST(shared_queue.history_of_processes_that_swap_is_rejected)
{
    size_t found = 0;

    TEST_TIMEOUT(240);
    now.kind = PAWL_SHARED_FIFO;
    for (size_t i = 0; i < HISTORY_SHAPES; i++)
        found += verdict(&swapping, i, HISTORY_PROCESSES, history_fifo)
                     .faults[HISTORY_ORDER];
    test_note("%s: found %zu times", history_fault_name(HISTORY_ORDER), found);
    CHECK(found > 0);
}
