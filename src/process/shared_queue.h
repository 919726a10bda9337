/* SPDX-License-Identifier: MIT
 *
 * shared_queue.h - the queues of pawl/shared_queue.h in a region: a core, and a store
 * behind it.
 *
 *     shared_fifo.c      FIFO: a ring whose blocks are records
 *     shared_order.c     the others: cells under a lock
 *
 * Nothing of what they hold is counted anywhere: what is in the queue and in whose
 * hand is one word of the record, which one store changes.  So there is nothing for
 * a death to leave half done.
 */
#ifndef PAWL_PROCESS_SHARED_QUEUE_H
#define PAWL_PROCESS_SHARED_QUEUE_H

#include <pawl/shared_queue.h>

#include "process/region.h"
#include "queue/end.h"

#define PAWL_SHARED_QUEUE_TYPE UINT32_C(0x70617771) /* "pawq" */
#define PAWL_SHARED_QUEUE_LAYOUT UINT32_C(1)

/* In the region. */
struct pawl_shared_queue_core {
    pawl_u32 magic; /* written last; all before the event counts is constant */
    uint32_t layout;
    uint64_t bytes; /* of all */
    uint32_t kind;
    uint32_t tasks;
    uint32_t flags;
    uint32_t hands; /* tasks that may be held at one time */
    uint64_t capacity;
    uint64_t record_size;
    uint64_t key_offset;
    struct pawl_end not_empty __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    struct pawl_end not_full __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    /* Who waits until nothing is unfinished, and how often that was so since they
     * were told. */
    pawl_eventcount idle __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    pawl_u64 idles;
    pawl_u32 orphans; /* tasks of the dead, to be adopted: a hint */
} __attribute__((aligned(2 * PAWL_CACHE_LINE)));

/* What an operation knows. */
struct pawl_shared_call {
    struct pawl_shared_queue_core *core;
    struct pawl_participants *table;
    uint32_t me;
    void *store;
};

enum pawl_shared_side { PAWL_SIDE_BACK, PAWL_SIDE_FRONT };

/* Records that lie `size` bytes apart, the i-th with bytes[i]; NULL: with `size`. */
struct pawl_shared_put_batch {
    const char *records;
    size_t size;
    const size_t *bytes;
    size_t n;
};

struct pawl_shared_get_batch {
    char *records;
    size_t size;
    size_t *bytes;           /* NULL: not told */
    pawl_shared_task *tasks; /* NULL: not told */
    size_t n;
};

struct pawl_shared_store {
    /* The memory it needs; -EINVAL, -EOVERFLOW.  The core has its constants. */
    int64_t (*bytes)(const struct pawl_shared_queue_core *core);
    void (*init)(const struct pawl_shared_queue_core *core, void *store);
    /* Whether what init of the same layout has made can be used here. */
    bool (*attach)(const struct pawl_shared_queue_core *core, void *store);

    /* 0, or how many bytes;  -EAGAIN full, or empty;  -ESHUTDOWN;  -ENOMEM.  With
     * tasks, get takes what the dead have left before it says "empty". */
    int (*put)(const struct pawl_shared_call *c, enum pawl_shared_side side,
               const void *record, size_t bytes);
    int64_t (*get)(const struct pawl_shared_call *c, enum pawl_shared_side side,
                   void *record, pawl_shared_task *task);
    /* Up to b->n > 0 at the back, and from the front.  How many, at least 1;  the
     * errors of the first. */
    int64_t (*put_many)(const struct pawl_shared_call *c,
                        const struct pawl_shared_put_batch *b);
    int64_t (*get_many)(const struct pawl_shared_call *c,
                        const struct pawl_shared_get_batch *b);
    /* Whether a get, or a put, would not have to wait, in one order with what wait.h
     * demands.  0;  -EAGAIN it would;  the errors of a get. */
    int (*may_get)(const struct pawl_shared_call *c);
    int (*may_put)(const struct pawl_shared_call *c);
    /* False: the caller has no such task. */
    bool (*done)(const struct pawl_shared_call *c,
                 const pawl_shared_task *task);
    /* Whether nothing was unfinished at an instant within the call; those of the dead
     * are recovered before. */
    bool (*is_idle)(const struct pawl_shared_call *c);
    /* Repair what the dead left.  How many tasks wait to be adopted. */
    uint32_t (*recover)(const struct pawl_shared_call *c);

    void (*close)(const struct pawl_shared_call *c);
    bool (*is_closed)(const struct pawl_shared_call *c);
    size_t (*size)(const struct pawl_shared_call *c);
    uint64_t (*in_hand)(const struct pawl_shared_call *c);
};

extern const struct pawl_shared_store pawl_shared_fifo;
extern const struct pawl_shared_store pawl_shared_order;

static inline bool pawl_shared_has_tasks(const struct pawl_shared_call *c)
{
    return c->core->tasks != PAWL_TASKS_NONE;
}

/* Tell about the i-th that was got. */
static inline void pawl_shared_note(const struct pawl_shared_get_batch *b,
                                    size_t i, int64_t bytes,
                                    const pawl_shared_task *task)
{
    if (b->bytes != NULL)
        b->bytes[i] = (size_t)bytes;
    if (b->tasks != NULL)
        b->tasks[i] = *task;
}

#endif /* PAWL_PROCESS_SHARED_QUEUE_H */
