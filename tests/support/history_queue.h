/* SPDX-License-Identifier: MIT
 *
 * tests/support/history_queue.h - drive a queue with recorded puts and gets by
 * threads or processes.
 *
 *     static const struct history_queue ring = {
 *         .size = ring_size, .init = ring_init, .put = put, .get = get,
 *     };
 *
 *     history_check(history_queue_verdict(&ring, capacity, HISTORY_THREADS, 4,
 *                                         100000, history_fifo));
 *
 * Tiny capacities and more members than CPUs find most.
 */
#ifndef PAWL_TEST_HISTORY_QUEUE_H
#define PAWL_TEST_HISTORY_QUEUE_H

#include <sched.h>

#include "history.h"
#include "team.h"

struct history_queue {
    size_t (*size)(size_t capacity);
    void (*init)(void *queue, size_t capacity);
    /* 0: done; -EAGAIN: full, or empty.  A priority queue finds the priority
     * with history_queue_amount(value). */
    int (*put)(void *queue, uint64_t value);
    int (*get)(void *queue, uint64_t *value);
    /* NULL: not in batches.  How many, or -EAGAIN; fewer than n: and then full, or
     * empty. */
    int64_t (*put_many)(void *queue, const uint64_t *values, size_t n);
    int64_t (*get_many)(void *queue, uint64_t *values, size_t n);
    void (*end)(void *queue); /* NULL: it owns nothing */
    int producers; /* so many members put and the others get; 0: see below */
};

enum { HISTORY_BATCH = 20 }; /* at most */

enum history_members { HISTORY_THREADS, HISTORY_PROCESSES };

/* Few priorities, so that there are many equals. */
static inline int32_t history_queue_amount(uint64_t value)
{
    return (int32_t)(value * UINT64_C(0x9e3779b97f4a7c15) >> 62);
}

struct history_rig {
    const struct history_queue *queue;
    void *at;
    struct history *history;
    int members;
    int operations; /* of each member */
};

/* One recorded put or get. */
TEAM_INLINE int history_queue_put(struct history_rig *rig, int member,
                                  uint64_t value)
{
    struct history_op *op =
        history_begins(rig->history, member, HISTORY_PUT, value);
    int err = rig->queue->put(rig->at, value);

    op->amount = history_queue_amount(value);
    history_ends(rig->history, op, err == 0 ? HISTORY_PUT : HISTORY_FULL);
    CHECK(err == 0 || err == -EAGAIN);
    return err;
}

TEAM_INLINE int history_queue_get(struct history_rig *rig, int member)
{
    struct history_op *op =
        history_begins(rig->history, member, HISTORY_GET, 0);
    uint64_t value = 0;
    int err = rig->queue->get(rig->at, &value);

    op->value = value;
    history_ends(rig->history, op, err == 0 ? HISTORY_GET : HISTORY_EMPTY);
    CHECK(err == 0 || err == -EAGAIN);
    return err;
}

/* A recorded batch: an operation for each element, and one for the refusal of the
 * next; all of them began when the first did.  How many operations. */
TEAM_INLINE int history_queue_batch_(struct history_rig *rig, int member,
                                     bool put, uint64_t *next, int n)
{
    struct history *h = rig->history;
    uint64_t values[HISTORY_BATCH];
    struct history_op *op;
    uint64_t begin;
    int64_t done;

    for (int i = 0; i < n; i++)
        values[i] = history_value(member, *next + (uint64_t)i);
    op = history_begins(h, member, put ? HISTORY_PUT : HISTORY_GET, values[0]);
    begin = op->begin;
    done = put ? rig->queue->put_many(rig->at, values, (size_t)n)
               : rig->queue->get_many(rig->at, values, (size_t)n);
    CHECK((done > 0 && done <= n) || done == -EAGAIN);
    done = done < 0 ? 0 : done;
    for (int64_t i = 0; i < n && i <= done; i++) {
        if (i > 0)
            op = history_begins(h, member, HISTORY_PUT, 0);
        op->begin = begin;
        op->value = values[i];
        if (put)
            op->amount = history_queue_amount(values[i]);
        if (i < done)
            history_ends(h, op, put ? HISTORY_PUT : HISTORY_GET);
        else
            history_ends(h, op, put ? HISTORY_FULL : HISTORY_EMPTY);
    }
    *next += put ? (uint64_t)done : 0;
    return (int)(done < n ? done + 1 : done);
}

/* A third put, a third get, the others do both at random. */
TEAM_INLINE bool history_queue_puts_(struct member *me)
{
    struct history_rig *rig = me->rig;

    if (rig->queue->producers > 0)
        return me->index < rig->queue->producers;
    return me->index % 3 == 0 ||
           (me->index % 3 == 2 && test_rand_below(&me->random, 2) == 0);
}

/* Half of them, where there are such, in batches. */
TEAM_INLINE void history_queue_member_(struct member *me)
{
    struct history_rig *rig = me->rig;
    uint64_t next = 1;

    for (int i = 0; i < rig->operations; i++) {
        bool put = history_queue_puts_(me);
        int left = rig->operations - i;
        int err;

        if (rig->queue->put_many != NULL && me->index % 2 != 0 && left > 1) {
            int n = 2 + (int)test_rand_below(&me->random, HISTORY_BATCH - 1);

            n = n < left ? n : left;
            i += history_queue_batch_(rig, me->index, put, &next, n) - 1;
            err = -(int)test_rand_below(&me->random, 2);
        } else if (put) {
            err = history_queue_put(rig, me->index,
                                    history_value(me->index, next));
            next += err == 0;
        } else {
            err = history_queue_get(rig, me->index);
        }
        /* Others may have to run first. */
        if (err != 0 && test_rand_below(&me->random, 4) == 0)
            sched_yield();
    }
}

/* Tiny ones, and more members than CPUs. */
enum { HISTORY_SHAPES = 5 };
static const struct history_shape {
    size_t capacity;
    int members;
} history_shapes[HISTORY_SHAPES]
    __attribute__((unused)) = {{1, 3}, {1, 8}, {2, 4}, {3, 6}, {16, 4}};

/* All members do so many operations each; then what is left is taken out. */
TEAM_INLINE struct history_verdict
history_queue_verdict(const struct history_queue *queue, size_t capacity,
                      enum history_members kind, int members, int operations,
                      history_checker checker)
{
    struct history_rig rig = {.queue = queue,
                              .at = test_shared_alloc(queue->size(capacity)),
                              .members = members,
                              .operations = operations};
    struct history_verdict v;

    /* The last one drains: at most what the others have put, and "empty". */
    rig.history =
        history_make(members + 1, (size_t)operations * (size_t)members + 1);
    queue->init(rig.at, capacity);
    if (kind == HISTORY_THREADS)
        team_of_threads(members, history_queue_member_, &rig);
    else
        team_of_processes(members, history_queue_member_, &rig);
    while (history_queue_get(&rig, members) == 0)
        ;
    v = checker(rig.history, capacity, HISTORY_DRAINED);
    history_free(rig.history);
    if (queue->end != NULL)
        queue->end(rig.at);
    munmap(rig.at, queue->size(capacity));
    return v;
}

#endif /* PAWL_TEST_HISTORY_QUEUE_H */
