/* SPDX-License-Identifier: MIT
 *
 * unbounded_fifo.c - first in, first out, without end: a chain of segments with a
 * lock at each end.
 *
 *     head segment  ->  ...  ->  tail segment
 *      | gone | in |              | in | free |
 *             ^ taken                  ^ put
 *
 * The two-lock queue of M. M. Michael and M. L. Scott, "Simple, fast, and
 * practical non-blocking and blocking concurrent queue algorithms" (1996), whose
 * dummy node is here what is gone from the head segment.
 *
 * I1  Elements are numbered; those from `taken` up to `put` are inside.  Who
 *     holds the tail lock writes `put`, who holds the head lock writes `taken`.
 * I2  A segment is linked before `put` passes the first element in it, and never
 *     again touched by producers after `put` has passed its last.  So a consumer
 *     that has seen an element in the next segment owns the one before it.
 *
 * An empty segment goes to the spare place, for the producers, or is freed if
 * there is one: so the segments are those with elements inside, at most one more
 * at the head, and the spare one.
 */
#include "atomic/copy.h"
#include "atomic/ops.h"
#include "base/tsan.h"
#include "queue/guard.h"
#include "queue/segment.h"
#include "queue/store.h"

struct end {
    pawl_mutex mutex;
    struct pawl_segment *segment;
    size_t index;   /* of the next element in it */
    pawl_u64 count; /* `put`, or `taken` */
} __attribute__((aligned(2 * PAWL_CACHE_LINE)));

struct chain {
    size_t element_size;
    size_t length; /* of a segment */
    struct end tail;
    struct end head;
    pawl_u64 spare;  /* a segment, or 0 */
    pawl_u32 closed; /* changed under the tail lock */
};

static int64_t chain_bytes(const pawl_queue_options *o)
{
    (void)o;
    return sizeof(struct chain);
}

static void chain_init(void *store, size_t bytes, const pawl_queue_options *o)
{
    struct chain *c = store;

    (void)bytes;
    *c = (struct chain){.element_size = o->element_size,
                        .length = pawl_segment_length(o->element_size)};
}

static struct pawl_segment *swap_spare(struct chain *c, struct pawl_segment *s)
{
    pawl_tsan_release(&c->spare);
    /* seq_cst: an acquire and a release would do: pairs with itself, so that
     * producers write after the last consumer has read. */
    s = (void *)(uintptr_t)pawl_swap64_seq(&c->spare, (uintptr_t)s);
    pawl_tsan_acquire(&c->spare);
    return s;
}

static void free_from(struct pawl_segment *s)
{
    while (s != NULL) {
        struct pawl_segment *next = s->link;

        free(s);
        s = next;
    }
}

static void chain_destroy(void *store)
{
    struct chain *c = store;

    free(swap_spare(c, NULL));
    free_from(c->head.segment);
}

/* ---- put and get --------------------------------------------------------- */

/* Room for one more element; false: no memory.  Under the tail lock. */
static bool make_room(struct chain *c)
{
    struct pawl_segment *s;

    if (c->tail.segment != NULL && c->tail.index < c->length)
        return true;
    s = swap_spare(c, NULL);
    if (s == NULL)
        s = pawl_segment_make(c->element_size);
    if (s == NULL)
        return false;
    s->link = NULL;
    if (c->tail.segment != NULL)
        c->tail.segment->link = s;
    else
        c->head.segment = s; /* nobody looks before `put` says so */
    c->tail.segment = s;
    c->tail.index = 0;
    return true;
}

static int64_t chain_push(void *store, const void *elements, size_t n)
{
    struct chain *c = store;
    struct end *tail = &c->tail;
    const char *at = elements;
    uint64_t done = 0;
    int err = pawl_guard_lock(&tail->mutex);

    if (err != 0)
        return err;
    if (pawl_load_relaxed(&c->closed) != 0) { /* relaxed: under the lock */
        err = -ESHUTDOWN;
    } else {
        for (; done < n && make_room(c); done++) {
            pawl_copy(
                pawl_segment_at(tail->segment, tail->index++, c->element_size),
                at, c->element_size);
            at += c->element_size;
        }
        pawl_tsan_release(&tail->count);
        /* seq_cst: pairs with the load in pop, as the event count demands;
         * relaxed: ours. */
        pawl_store64_seq(&tail->count,
                         pawl_load64_relaxed(&tail->count) + done);
        err = -ENOMEM;
    }
    pawl_mutex_unlock(&tail->mutex);
    return done > 0 ? (int64_t)done : err;
}

/* All of the head segment is gone, and an element is in the next. */
static void drop_head(struct chain *c)
{
    struct pawl_segment *s = c->head.segment;

    c->head.segment = s->link;
    c->head.index = 0;
    free(swap_spare(c, s));
}

static int64_t chain_pop(void *store, void *elements, size_t n)
{
    struct chain *c = store;
    struct end *head = &c->head;
    char *at = elements;
    uint64_t done = 0;
    uint64_t inside;
    uint64_t taken;
    bool closed;
    int err = pawl_guard_lock(&head->mutex);

    if (err != 0)
        return err;
    taken = pawl_load64_relaxed(&head->count); /* relaxed: under the lock */
    /* seq_cst: before `put`, which is the last one if it is closed; pairs with
     * close. */
    closed = pawl_load_seq(&c->closed) != 0;
    /* seq_cst: pairs with push. */
    inside = pawl_load64_seq(&c->tail.count) - taken;
    pawl_tsan_acquire(&c->tail.count);
    for (; done < n && done < inside; done++) {
        if (head->index == c->length)
            drop_head(c);
        pawl_copy(
            at, pawl_segment_at(head->segment, head->index++, c->element_size),
            c->element_size);
        at += c->element_size;
    }
    /* seq_cst: pairs with the loads in size. */
    if (done > 0)
        pawl_store64_seq(&head->count, taken + done);
    pawl_mutex_unlock(&head->mutex);
    if (done > 0)
        return (int64_t)done;
    return closed ? -ESHUTDOWN : -EAGAIN;
}

/* ---- the end ------------------------------------------------------------- */

static int chain_close(void *store)
{
    struct chain *c = store;
    int err = pawl_guard_lock(&c->tail.mutex);

    if (err != 0)
        return err;
    (void)pawl_swap_seq(&c->closed, 1); /* seq_cst: pairs with pop */
    pawl_mutex_unlock(&c->tail.mutex);
    return 0;
}

static bool chain_is_closed(const void *store)
{
    const struct chain *c = store;

    return pawl_load_seq(&c->closed) != 0; /* seq_cst: pairs with close */
}

/* The element at *index of *segment; both go on to the next. */
static void *next_of(const struct chain *c, struct pawl_segment **segment,
                     size_t *index)
{
    if (*index == c->length) {
        *segment = (*segment)->link;
        *index = 0;
    }
    return pawl_segment_at(*segment, (*index)++, c->element_size);
}

static void chain_drain(void *store, pawl_queue_discard_fn dispose,
                        void *context)
{
    struct chain *c = store;
    struct pawl_segment *first;
    uint64_t inside;
    size_t index;

    if (pawl_guard_lock(&c->head.mutex) != 0)
        return;
    /* seq_cst: pairs with push, of which there will be no more. */
    inside = pawl_load64_seq(&c->tail.count) -
             pawl_load64_relaxed(&c->head.count); /* relaxed: ours */
    pawl_tsan_acquire(&c->tail.count);
    first = c->head.segment;
    index = c->head.index;
    c->head.segment = NULL;
    /* seq_cst: pairs with the loads in size; relaxed: ours. */
    pawl_store64_seq(&c->head.count,
                     pawl_load64_relaxed(&c->head.count) + inside);
    pawl_mutex_unlock(&c->head.mutex);
    for (struct pawl_segment *s = first; inside > 0; inside--)
        dispose(next_of(c, &s, &index), context);
    free_from(first);
}

/* Under both locks, so that a visitor's calls are refused. */
static int chain_visit(void *store, pawl_queue_visit_fn visitor, void *context)
{
    struct chain *c = store;
    struct pawl_segment *s;
    uint64_t inside;
    size_t index;
    int err = pawl_guard_lock(&c->head.mutex);

    if (err != 0)
        return err;
    err = pawl_guard_lock(&c->tail.mutex);
    if (err == 0) {
        s = c->head.segment;
        index = c->head.index;
        /* relaxed: under their locks. */
        inside = pawl_load64_relaxed(&c->tail.count) -
                 pawl_load64_relaxed(&c->head.count);
        for (; inside > 0 && err == 0; inside--)
            err = visitor(next_of(c, &s, &index), context);
        pawl_mutex_unlock(&c->tail.mutex);
    }
    pawl_mutex_unlock(&c->head.mutex);
    return err;
}

/* ---- snapshots ----------------------------------------------------------- */

static size_t chain_size(const void *store)
{
    const struct chain *c = store;
    /* seq_cst: pairs with pop. */
    uint64_t taken = pawl_load64_seq(&c->head.count);

    for (;;) {
        /* seq_cst: pairs with push, and with pop. */
        uint64_t put = pawl_load64_seq(&c->tail.count);
        uint64_t again = pawl_load64_seq(&c->head.count);

        if (again == taken)
            return put - taken;
        taken = again;
    }
}

static uint64_t chain_unfinished(const void *store, uint64_t done)
{
    const struct chain *c = store;

    return pawl_load64_seq(&c->tail.count) - done; /* seq_cst: with push */
}

const struct pawl_store pawl_store_unbounded_fifo = {
    .bytes = chain_bytes,
    .init = chain_init,
    .destroy = chain_destroy,
    .push = chain_push,
    .pop = chain_pop,
    .close = chain_close,
    .is_closed = chain_is_closed,
    .drain = chain_drain,
    .visit = chain_visit,
    .size = chain_size,
    .unfinished = chain_unfinished,
};
