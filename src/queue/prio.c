/* SPDX-License-Identifier: MIT
 *
 * prio.c - smallest first: a heap under a lock.
 *
 *     header      constants | lock and counts
 *     entries     room of them, the first `size` of which are a 4-ary heap
 *     blocks      room of them: an element each, which stays where it was put
 *
 * I1  The blocks that the entries name are a permutation of all blocks: behind
 *     the heap stand the free ones.
 * I2  Entries are ordered by key (or by the comparator), then by number: no two
 *     are equal, and of equal keys the oldest is the least.
 * I3  Room that was given is never taken back, and a closed heap gets no more
 *     elements: so the block of an element that was taken out of it stays as it
 *     is.
 *
 * The heap is Williams' (1964), with four children a node: half the depth, and
 * the four lie on two cache lines.
 */
#include <stdlib.h>
#include <string.h>

#include "atomic/copy.h"
#include "atomic/ops.h"
#include "queue/guard.h"
#include "queue/store.h"

enum { CHILDREN = 4, FIRST_ROOM = 16 };

struct entry {
    uint64_t key;    /* made so that the smallest comes first */
    uint64_t number; /* how many were put before it */
    uint64_t block;
};

struct heap {
    uint32_t flags;
    uint64_t capacity; /* 0: unbounded */
    uint64_t element_size;
    uint64_t stride;
    uint64_t key_offset;
    pawl_queue_compare_fn compare; /* NULL: by key */
    void *context;
    /* All of these are changed under the mutex, and read without it. */
    pawl_mutex mutex __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    pawl_u64 size;
    pawl_u64 pushed;
    pawl_u32 closed;
    /* Unbounded: where they are; bounded: NULL, behind the header. */
    uint64_t room;
    struct entry *entries;
    char *blocks;
} __attribute__((aligned(2 * PAWL_CACHE_LINE)));

static inline struct entry *entries_of(struct heap *h)
{
    return h->entries != NULL ? h->entries : (struct entry *)(h + 1);
}

static inline void *block_at(struct heap *h, uint64_t block)
{
    char *blocks =
        h->blocks != NULL ? h->blocks : (char *)(entries_of(h) + h->room);

    return blocks + block * h->stride;
}

static inline size_t size_of(const struct heap *h)
{
    /* acquire: pairs with the release in set_size; under the mutex, ours. */
    return pawl_load64_acquire(&h->size);
}

static inline void set_size(struct heap *h, uint64_t size)
{
    pawl_store64_release(&h->size, size); /* pairs with size_of */
}

/* ---- making one --------------------------------------------------------- */

static int64_t prio_bytes(const pawl_queue_options *o)
{
    uint64_t stride = (o->element_size + 7) / 8 * 8;

    if (o->compare != NULL) {
        if ((o->flags & PAWL_SHARED) != 0 || o->key_offset != 0 ||
            (o->flags & PAWL_QUEUE_SIGNED) != 0)
            return -EINVAL;
    } else if (o->element_size < sizeof(uint64_t) ||
               o->key_offset > o->element_size - sizeof(uint64_t)) {
        return -EINVAL;
    }
    /* At most 2^30 elements of 2^31 bytes and a few. */
    return (int64_t)(sizeof(struct heap) +
                     o->capacity * (sizeof(struct entry) + stride));
}

static void prio_init(void *store, size_t bytes, const pawl_queue_options *o)
{
    struct heap *h = store;

    (void)bytes;
    *h = (struct heap){
        .flags = o->flags,
        .capacity = o->capacity,
        .element_size = o->element_size,
        .stride = (o->element_size + 7) / 8 * 8,
        .key_offset = o->key_offset,
        .compare = o->compare,
        .context = o->context,
        .room = o->capacity,
    };
    pawl_mutex_init(&h->mutex, o->flags & PAWL_SHARED);
    for (uint64_t i = 0; i < h->room; i++)
        entries_of(h)[i].block = i;
}

static void prio_destroy(void *store)
{
    struct heap *h = store;

    free(h->entries);
    free(h->blocks);
}

/* More room, for an unbounded heap.  Changes nothing if there is no memory. */
static bool grow(struct heap *h)
{
    uint64_t room = h->room == 0 ? FIRST_ROOM : 2 * h->room;
    struct entry *entries;
    char *blocks;

    if (room > (size_t)INT64_MAX / (sizeof *entries + h->stride))
        return false;
    entries = realloc(h->entries, room * sizeof *entries);
    if (entries == NULL)
        return false;
    h->entries = entries;
    blocks = realloc(h->blocks, room * h->stride);
    if (blocks == NULL)
        return false;
    h->blocks = blocks;
    for (uint64_t i = h->room; i < room; i++)
        entries[i].block = i;
    h->room = room;
    return true;
}

/* ---- the heap ------------------------------------------------------------ */

static uint64_t key_of(const struct heap *h, const char *element)
{
    uint64_t key;

    memcpy(&key, element + h->key_offset, sizeof key);
    if (h->flags & PAWL_QUEUE_SIGNED)
        key ^= UINT64_C(1) << 63;
    return h->flags & PAWL_QUEUE_MAX_FIRST ? ~key : key;
}

static bool is_before(struct heap *h, const struct entry *a,
                      const struct entry *b)
{
    if (pawl_unlikely(h->compare != NULL)) {
        int sign = h->compare(block_at(h, a->block), block_at(h, b->block),
                              h->context);

        if (sign != 0)
            return (sign < 0) != ((h->flags & PAWL_QUEUE_MAX_FIRST) != 0);
    } else if (a->key != b->key) {
        return a->key < b->key;
    }
    return a->number < b->number;
}

/* Put `e` into the hole at `at`, or above it. */
static void sift_up(struct heap *h, uint64_t at, struct entry e)
{
    struct entry *entries = entries_of(h);

    while (at > 0) {
        uint64_t parent = (at - 1) / CHILDREN;

        if (!is_before(h, &e, &entries[parent]))
            break;
        entries[at] = entries[parent];
        at = parent;
    }
    entries[at] = e;
}

/* Put `e` into the hole at the top of `size` entries, or below it. */
static void sift_down(struct heap *h, uint64_t size, struct entry e)
{
    struct entry *entries = entries_of(h);
    uint64_t at = 0;

    for (;;) {
        uint64_t child = at * CHILDREN + 1;
        uint64_t end = child + CHILDREN < size ? child + CHILDREN : size;
        uint64_t least = child;

        if (child >= size)
            break;
        while (++child < end)
            if (is_before(h, &entries[child], &entries[least]))
                least = child;
        if (!is_before(h, &entries[least], &e))
            break;
        entries[at] = entries[least];
        at = least;
    }
    entries[at] = e;
}

static void add(struct heap *h, const void *element)
{
    uint64_t size = size_of(h);
    uint64_t number = pawl_load64_relaxed(&h->pushed); /* relaxed: ours */
    struct entry e = {.number = number, .block = entries_of(h)[size].block};

    if (h->compare == NULL)
        e.key = key_of(h, element);
    pawl_copy(block_at(h, e.block), element, h->element_size);
    sift_up(h, size, e);
    set_size(h, size + 1);
    /* release: pairs with the acquire in prio_unfinished. */
    pawl_store64_release(&h->pushed, number + 1);
}

/* Take the least out of the heap.  Its block stays until the next add. */
static void *remove_least(struct heap *h)
{
    struct entry *entries = entries_of(h);
    uint64_t size = size_of(h) - 1;
    struct entry least = entries[0];
    struct entry last = entries[size];

    if (size > 0)
        sift_down(h, size, last);
    entries[size].block = least.block;
    set_size(h, size);
    return block_at(h, least.block);
}

/* ---- put and get --------------------------------------------------------- */

static bool has_room(struct heap *h)
{
    return size_of(h) < h->room || (h->capacity == 0 && grow(h));
}

static int64_t prio_push(void *store, const void *elements, size_t n)
{
    struct heap *h = store;
    const char *at = elements;
    int64_t done = 0;
    int err = pawl_guard_lock(&h->mutex);

    if (err != 0)
        return err;
    if (pawl_load_relaxed(&h->closed) != 0) { /* relaxed: under the mutex */
        err = -ESHUTDOWN;
    } else {
        for (; n > 0 && has_room(h); n--) {
            add(h, at);
            at += h->element_size;
            done++;
        }
        err = h->capacity != 0 ? -EAGAIN : -ENOMEM;
    }
    pawl_mutex_unlock(&h->mutex);
    return done > 0 ? done : err;
}

static int64_t prio_pop(void *store, void *elements, size_t n)
{
    struct heap *h = store;
    char *at = elements;
    int64_t done = 0;
    int err = pawl_guard_lock(&h->mutex);

    if (err != 0)
        return err;
    for (; n > 0 && size_of(h) > 0; n--) {
        pawl_copy(at, remove_least(h), h->element_size);
        at += h->element_size;
        done++;
    }
    /* relaxed: under the mutex. */
    err = pawl_load_relaxed(&h->closed) != 0 ? -ESHUTDOWN : -EAGAIN;
    pawl_mutex_unlock(&h->mutex);
    return done > 0 ? done : err;
}

/* ---- the end ------------------------------------------------------------- */

static int prio_close(void *store)
{
    struct heap *h = store;
    int err = pawl_guard_lock(&h->mutex);

    if (err != 0)
        return err;
    pawl_store_release(&h->closed, 1); /* pairs with prio_is_closed */
    pawl_mutex_unlock(&h->mutex);
    return 0;
}

static bool prio_is_closed(const void *store)
{
    const struct heap *h = store;

    return pawl_load_acquire(&h->closed) != 0; /* pairs with prio_close */
}

static void prio_drain(void *store, pawl_queue_discard_fn dispose,
                       void *context)
{
    struct heap *h = store;
    void *element;

    do {
        element = NULL;
        if (pawl_guard_lock(&h->mutex) != 0)
            return;
        if (size_of(h) > 0)
            element = remove_least(h);
        pawl_mutex_unlock(&h->mutex);
        if (element != NULL)
            dispose(element, context); /* I3 */
    } while (element != NULL);
}

static int prio_visit(void *store, pawl_queue_visit_fn visitor, void *context)
{
    struct heap *h = store;
    uint64_t size;
    int err = pawl_guard_lock(&h->mutex);

    if (err != 0)
        return err;
    size = size_of(h);
    for (uint64_t i = 0; i < size && err == 0; i++)
        err = visitor(block_at(h, entries_of(h)[i].block), context);
    pawl_mutex_unlock(&h->mutex);
    return err;
}

static size_t prio_size(const void *store)
{
    return size_of(store);
}

static int prio_settle(void *store)
{
    struct heap *h = store;

    return pawl_guard_pass(&h->mutex);
}

static uint64_t prio_unfinished(const void *store, uint64_t done)
{
    const struct heap *h = store;

    return pawl_load64_acquire(&h->pushed) - done; /* pairs with add */
}

const struct pawl_store pawl_store_prio = {
    .bytes = prio_bytes,
    .init = prio_init,
    .destroy = prio_destroy,
    .push = prio_push,
    .pop = prio_pop,
    .close = prio_close,
    .is_closed = prio_is_closed,
    .drain = prio_drain,
    .visit = prio_visit,
    .size = prio_size,
    .settle = prio_settle,
    .unfinished = prio_unfinished,
};
