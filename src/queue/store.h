/* SPDX-License-Identifier: MIT
 *
 * store.h - what a queue keeps its elements in: one for each kind, without
 * waiting, which is queue.c's.
 *
 *     fifo.c             a ring
 *     lifo.c             a stack
 *     prio.c             a heap, bounded or not
 *     unbounded_fifo.c   segments
 *     unbounded_lifo.c   segments
 *
 * A store answers exactly: "full", "empty" and "closed" were so at an instant
 * within the call, in one order with what wait.h demands.
 */
#ifndef PAWL_QUEUE_STORE_H
#define PAWL_QUEUE_STORE_H

#include <pawl/queue.h>

#include "base/compiler.h"

/* `store` is memory behind the header of the queue, aligned alike. */
struct pawl_store {
    /* The memory it needs, for options whose sizes and flags are those of a queue
     * of its kind; -EINVAL, -EOVERFLOW. */
    int64_t (*bytes)(const pawl_queue_options *options);
    void (*init)(void *store, size_t bytes, const pawl_queue_options *options);
    /* Whether what init of the same layout has made can be used here; NULL: yes. */
    bool (*attach)(void *store, size_t bytes);
    /* Free what it has allocated; NULL: nothing. */
    void (*destroy)(void *store);

    /* Put, or take, up to n > 0 elements.  How many, at least 1; -EAGAIN full, or
     * empty; -ESHUTDOWN closed; -ENOMEM; the errors of pawl_guard_lock. */
    int64_t (*push)(void *store, const void *elements, size_t n);
    int64_t (*pop)(void *store, void *elements, size_t n);
    /* -ENOMEM means that others hold the blocks for elements within their calls,
     * or died there: get some back, or let them run.  NULL: it means what it
     * says. */
    void (*relieve)(void *store);

    int (*close)(void *store);
    bool (*is_closed)(const void *store);
    /* Take out all elements of a closed one, and show each of them to `dispose`
     * while nothing is locked. */
    void (*drain)(void *store, pawl_queue_discard_fn dispose, void *context);
    /* As pawl_queue_visit; NULL: it has no lock for that. */
    int (*visit)(void *store, pawl_queue_visit_fn visitor, void *context);

    size_t (*size)(const void *store);
    /* Where size and is_closed are not seq_cst, else NULL: after this they show
     * what anybody did who does not see afterwards what the caller did before.
     * Returns 0; the errors of pawl_guard_lock. */
    int (*settle)(void *store);
    /* How many have been pushed, less `done`. */
    uint64_t (*unfinished)(const void *store, uint64_t done);
};

extern const struct pawl_store pawl_store_fifo;
extern const struct pawl_store pawl_store_lifo;
extern const struct pawl_store pawl_store_prio;
extern const struct pawl_store pawl_store_unbounded_fifo;
extern const struct pawl_store pawl_store_unbounded_lifo;

enum { PAWL_STORE_PARTICIPANTS = 64 };

static inline uint32_t pawl_store_participants(const pawl_queue_options *o)
{
    return o->participants != 0 ? o->participants : PAWL_STORE_PARTICIPANTS;
}

/* Give the calling thread, which has none, an identity at its rings. */
PAWL_COLD void pawl_store_identify(void);

#endif /* PAWL_QUEUE_STORE_H */
