/* SPDX-License-Identifier: MIT
 *
 * unbounded_lifo.c - last in, first out, without end: segments under a lock.
 *
 * I1  All segments but the top one are full; that has `used` elements, and may
 *     have none.
 * I2  One empty segment is kept, so that a size around a multiple of its length
 *     does not allocate each time.
 */
#include "atomic/copy.h"
#include "atomic/ops.h"
#include "queue/guard.h"
#include "queue/segment.h"
#include "queue/store.h"

struct pile {
    size_t element_size;
    size_t length; /* of a segment */
    pawl_mutex mutex;
    struct pawl_segment *top;
    struct pawl_segment *spare;
    size_t used;
    /* Changed under the mutex, and read without it. */
    pawl_u64 size;
    pawl_u64 pushed;
    pawl_u32 closed;
};

static int64_t pile_bytes(const pawl_queue_options *o)
{
    (void)o;
    return sizeof(struct pile);
}

static void pile_init(void *store, size_t bytes, const pawl_queue_options *o)
{
    struct pile *p = store;

    (void)bytes;
    *p = (struct pile){.element_size = o->element_size,
                       .length = pawl_segment_length(o->element_size)};
}

static void pile_destroy(void *store)
{
    struct pile *p = store;

    free(p->spare);
    while (p->top != NULL) {
        struct pawl_segment *s = p->top;

        p->top = s->link;
        free(s);
    }
}

static inline uint64_t size_of(const struct pile *p)
{
    /* acquire: pairs with the releases in push and pop; under the mutex, ours. */
    return pawl_load64_acquire(&p->size);
}

/* Room for one more element; false: no memory. */
static bool make_room(struct pile *p)
{
    struct pawl_segment *s = p->spare;

    if (p->top != NULL && p->used < p->length)
        return true;
    if (s == NULL)
        s = pawl_segment_make(p->element_size);
    if (s == NULL)
        return false;
    p->spare = NULL;
    s->link = p->top;
    p->top = s;
    p->used = 0;
    return true;
}

/* The top segment is empty, but another is below it. */
static void drop_top(struct pile *p)
{
    struct pawl_segment *s = p->top;

    p->top = s->link;
    p->used = p->length;
    free(p->spare);
    p->spare = s;
}

static int64_t pile_push(void *store, const void *elements, size_t n)
{
    struct pile *p = store;
    const char *at = elements;
    uint64_t done = 0;
    int err = pawl_guard_lock(&p->mutex);

    if (err != 0)
        return err;
    if (pawl_load_relaxed(&p->closed) != 0) { /* relaxed: under the mutex */
        err = -ESHUTDOWN;
    } else {
        for (; done < n && make_room(p); done++) {
            pawl_copy(pawl_segment_at(p->top, p->used++, p->element_size), at,
                      p->element_size);
            at += p->element_size;
        }
        /* release: pairs with size_of, and with pile_unfinished. */
        pawl_store64_release(&p->size, size_of(p) + done);
        pawl_store64_release(&p->pushed,
                             pawl_load64_relaxed(&p->pushed) + done); /* ours */
        err = -ENOMEM;
    }
    pawl_mutex_unlock(&p->mutex);
    return done > 0 ? (int64_t)done : err;
}

static int64_t pile_pop(void *store, void *elements, size_t n)
{
    struct pile *p = store;
    char *at = elements;
    uint64_t done = 0;
    uint64_t size;
    int err = pawl_guard_lock(&p->mutex);

    if (err != 0)
        return err;
    for (size = size_of(p); done < n && size > 0; size--, done++) {
        if (p->used == 0)
            drop_top(p);
        pawl_copy(at, pawl_segment_at(p->top, --p->used, p->element_size),
                  p->element_size);
        at += p->element_size;
    }
    pawl_store64_release(&p->size, size); /* pairs with size_of */
    /* relaxed: under the mutex. */
    err = pawl_load_relaxed(&p->closed) != 0 ? -ESHUTDOWN : -EAGAIN;
    pawl_mutex_unlock(&p->mutex);
    return done > 0 ? (int64_t)done : err;
}

static int pile_close(void *store)
{
    struct pile *p = store;
    int err = pawl_guard_lock(&p->mutex);

    if (err != 0)
        return err;
    pawl_store_release(&p->closed, 1); /* pairs with pile_is_closed */
    pawl_mutex_unlock(&p->mutex);
    return 0;
}

static bool pile_is_closed(const void *store)
{
    const struct pile *p = store;

    return pawl_load_acquire(&p->closed) != 0; /* pairs with pile_close */
}

static void pile_drain(void *store, pawl_queue_discard_fn dispose,
                       void *context)
{
    struct pile *p = store;
    struct pile all;

    if (pawl_guard_lock(&p->mutex) != 0)
        return;
    all = (struct pile){.element_size = p->element_size,
                        .length = p->length,
                        .top = p->top,
                        .used = p->used};
    p->top = NULL;
    p->used = 0;
    pawl_store64_release(&p->size, 0); /* pairs with size_of */
    pawl_mutex_unlock(&p->mutex);
    while (all.top != NULL) {
        struct pawl_segment *s = all.top;

        while (all.used > 0)
            dispose(pawl_segment_at(s, --all.used, all.element_size), context);
        all.top = s->link;
        all.used = all.length;
        free(s);
    }
}

static int pile_visit(void *store, pawl_queue_visit_fn visitor, void *context)
{
    struct pile *p = store;
    size_t used;
    int err = pawl_guard_lock(&p->mutex);

    if (err != 0)
        return err;
    used = p->used;
    for (struct pawl_segment *s = p->top; s != NULL; s = s->link) {
        while (used > 0 && err == 0)
            err = visitor(pawl_segment_at(s, --used, p->element_size), context);
        if (err != 0)
            break;
        used = p->length;
    }
    pawl_mutex_unlock(&p->mutex);
    return err;
}

static size_t pile_size(const void *store)
{
    return size_of(store);
}

static int pile_settle(void *store)
{
    struct pile *p = store;

    return pawl_guard_pass(&p->mutex);
}

static uint64_t pile_unfinished(const void *store, uint64_t done)
{
    const struct pile *p = store;

    return pawl_load64_acquire(&p->pushed) - done; /* pairs with push */
}

const struct pawl_store pawl_store_unbounded_lifo = {
    .bytes = pile_bytes,
    .init = pile_init,
    .destroy = pile_destroy,
    .push = pile_push,
    .pop = pile_pop,
    .close = pile_close,
    .is_closed = pile_is_closed,
    .drain = pile_drain,
    .visit = pile_visit,
    .size = pile_size,
    .settle = pile_settle,
    .unfinished = pile_unfinished,
};
