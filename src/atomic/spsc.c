/* SPDX-License-Identifier: MIT
 *
 * spsc.c - the queue of pawl/spsc.h.
 *
 * A position is {lap, index}: index < capacity, and the lap grows when the index
 * starts again, so no division is needed, and a full ring is told from an empty
 * one.
 *
 *      63                    32 31                     0
 *     +------------------------+------------------------+
 *     |          lap           |         index          |
 *     +------------------------+------------------------+
 *
 * The two positions are at most one lap apart, so laps may wrap.
 *
 * I1  Slots from head to tail are the consumer's, the others the producer's.
 * I2  tail_seen is a tail of the past, head_seen a head of the past: what they
 *     show as full or free has been so since.  They are written by one side
 *     only, and hold nothing that a successor of a killed process would miss.
 */
#include <errno.h>

#include <pawl/spsc.h>

#include "atomic/copy.h"
#include "atomic/ops.h"
#include "base/compiler.h"
#include "base/place.h"
#include "base/tsan.h"

#define MAGIC UINT32_C(0x70737063) /* "pspc" */
#define LAYOUT UINT32_C(1)
#define LAP (UINT64_C(1) << 32)

struct pawl_spsc {
    pawl_u32 magic; /* written last; all up to `bytes` is constant then */
    uint32_t layout;
    uint32_t capacity;
    uint32_t element_size;
    uint64_t bytes;
    /* The producer's. */
    pawl_u64 tail __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    uint64_t head_seen;
    /* The consumer's. */
    pawl_u64 head __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    uint64_t tail_seen;
} __attribute__((aligned(2 * PAWL_CACHE_LINE)));

_Static_assert(sizeof(struct pawl_spsc) == 384, "the header says so");

static inline uint32_t lap_of(uint64_t position)
{
    return (uint32_t)(position / LAP);
}

static inline uint32_t index_of(uint64_t position)
{
    return (uint32_t)position;
}

/* n <= capacity */
static inline uint64_t add(const pawl_spsc *q, uint64_t position, uint32_t n)
{
    uint64_t index = (uint64_t)index_of(position) + n;

    if (index < q->capacity)
        return position + n;
    return (position & ~(LAP - 1)) + LAP + (index - q->capacity);
}

/* Elements from head to tail. */
static inline uint32_t distance(const pawl_spsc *q, uint64_t head,
                                uint64_t tail)
{
    uint32_t lap = lap_of(tail) != lap_of(head) ? q->capacity : 0;

    return lap + index_of(tail) - index_of(head);
}

static inline char *slot_at(const pawl_spsc *q, uint64_t position)
{
    return (char *)(uintptr_t)(q + 1) +
           (uint64_t)index_of(position) * q->element_size;
}

/* ---- making one --------------------------------------------------------- */

int64_t pawl_spsc_bytes(size_t capacity, size_t element_size)
{
    if (capacity == 0 || capacity > PAWL_SPSC_CAPACITY_MAX ||
        element_size == 0 || element_size > PAWL_SPSC_ELEMENT_MAX)
        return -EINVAL;
    return (int64_t)(sizeof(pawl_spsc) +
                     pawl_round_up((uint64_t)capacity * element_size,
                                   PAWL_SPSC_ALIGN));
}

int pawl_spsc_init(pawl_spsc **spsc, void *memory, size_t bytes,
                   size_t capacity, size_t element_size)
{
    int64_t needs = pawl_spsc_bytes(capacity, element_size);
    int err = pawl_check_place(memory, PAWL_SPSC_ALIGN, bytes, needs);
    pawl_spsc *q = memory;

    if (err != 0)
        return err;
    pawl_store_relaxed(&q->magic, 0); /* relaxed: none yet */
    q->layout = LAYOUT;
    q->capacity = (uint32_t)capacity;
    q->element_size = (uint32_t)element_size;
    q->bytes = (uint64_t)needs;
    q->head_seen = q->tail_seen = 0;
    pawl_store64_relaxed(&q->tail, 0);    /* relaxed: before the magic */
    pawl_store64_relaxed(&q->head, 0);    /* relaxed: before the magic */
    pawl_store_release(&q->magic, MAGIC); /* pairs with attach */
    *spsc = q;
    return 0;
}

int pawl_spsc_attach(pawl_spsc **spsc, void *memory, size_t bytes)
{
    pawl_spsc *q = memory;

    if (!pawl_is_place(memory, PAWL_SPSC_ALIGN, bytes, sizeof *q))
        return -EINVAL;
    /* acquire: pairs with the release in init. */
    if (pawl_load_acquire(&q->magic) != MAGIC || q->layout != LAYOUT ||
        q->bytes > bytes)
        return -EINVAL;
    *spsc = q;
    return 0;
}

/* ---- elements ------------------------------------------------------------ */

/* The room seen by the producer, if it is less than `wanted` looked up anew. */
static inline uint32_t room(pawl_spsc *q, uint64_t tail, size_t wanted)
{
    uint32_t free = q->capacity - distance(q, q->head_seen, tail);

    if (pawl_unlikely(free < wanted)) {
        /* acquire: pairs with the release of pop: the slots have been read. */
        q->head_seen = pawl_load64_acquire(&q->head);
        free = q->capacity - distance(q, q->head_seen, tail);
    }
    return free;
}

/* The same for the consumer and what there is. */
static inline uint32_t filled(pawl_spsc *q, uint64_t head, size_t wanted)
{
    uint32_t n = distance(q, head, q->tail_seen);

    if (pawl_unlikely(n < wanted)) {
        /* acquire: pairs with the release of push: the slots are written. */
        q->tail_seen = pawl_load64_acquire(&q->tail);
        n = distance(q, head, q->tail_seen);
    }
    return n;
}

/* Those of n slots from a position on that come before the end of the memory. */
static inline uint32_t in_a_row(const pawl_spsc *q, uint64_t position,
                                uint32_t n)
{
    uint32_t until_end = q->capacity - index_of(position);

    return n < until_end ? n : until_end;
}

int pawl_spsc_push(pawl_spsc *q, const void *element)
{
    uint64_t tail = pawl_load64_relaxed(&q->tail); /* relaxed: our own */

    if (pawl_unlikely(room(q, tail, 1) == 0))
        return -EAGAIN;
    pawl_tsan_acquire(&q->head);
    pawl_copy(slot_at(q, tail), element, q->element_size);
    pawl_tsan_release(&q->tail);
    /* release: pairs with the acquire in filled. */
    pawl_store64_release(&q->tail, add(q, tail, 1));
    return 0;
}

int pawl_spsc_pop(pawl_spsc *q, void *element)
{
    uint64_t head = pawl_load64_relaxed(&q->head); /* relaxed: our own */

    if (pawl_unlikely(filled(q, head, 1) == 0))
        return -EAGAIN;
    pawl_tsan_acquire(&q->tail);
    pawl_copy(element, slot_at(q, head), q->element_size);
    pawl_tsan_release(&q->head);
    /* release: pairs with the acquire in room. */
    pawl_store64_release(&q->head, add(q, head, 1));
    return 0;
}

int64_t pawl_spsc_push_many(pawl_spsc *q, const void *elements, size_t n)
{
    uint64_t tail = pawl_load64_relaxed(&q->tail); /* relaxed: our own */
    uint32_t free = room(q, tail, n);
    uint32_t all = n < free ? (uint32_t)n : free;
    uint32_t first = in_a_row(q, tail, all);
    size_t size = q->element_size;

    if (all == 0)
        return n == 0 ? 0 : -EAGAIN;
    pawl_tsan_acquire(&q->head);
    pawl_copy(slot_at(q, tail), elements, first * size);
    pawl_copy(slot_at(q, 0), (const char *)elements + first * size,
              (all - first) * size);
    pawl_tsan_release(&q->tail);
    /* release: pairs with the acquire in filled. */
    pawl_store64_release(&q->tail, add(q, tail, all));
    return all;
}

int64_t pawl_spsc_pop_many(pawl_spsc *q, void *elements, size_t n)
{
    uint64_t head = pawl_load64_relaxed(&q->head); /* relaxed: our own */
    uint32_t there = filled(q, head, n);
    uint32_t all = n < there ? (uint32_t)n : there;
    uint32_t first = in_a_row(q, head, all);
    size_t size = q->element_size;

    if (all == 0)
        return n == 0 ? 0 : -EAGAIN;
    pawl_tsan_acquire(&q->tail);
    pawl_copy(elements, slot_at(q, head), first * size);
    pawl_copy((char *)elements + first * size, slot_at(q, 0),
              (all - first) * size);
    pawl_tsan_release(&q->head);
    /* release: pairs with the acquire in room. */
    pawl_store64_release(&q->head, add(q, head, all));
    return all;
}

const void *pawl_spsc_front(pawl_spsc *q)
{
    uint64_t head = pawl_load64_relaxed(&q->head); /* relaxed: our own */

    if (filled(q, head, 1) == 0)
        return NULL;
    pawl_tsan_acquire(&q->tail);
    return slot_at(q, head);
}

/* ---- snapshots ----------------------------------------------------------- */

size_t pawl_spsc_size(const pawl_spsc *q)
{
    /* acquire: before the tail.  Pairs with the release of pop. */
    uint64_t head = pawl_load64_acquire(&q->head);

    for (;;) {
        /* acquire: before the second look.  Pairs with the release of push. */
        uint64_t tail = pawl_load64_acquire(&q->tail);
        /* acquire: as the first, which it may take the place of. */
        uint64_t again = pawl_load64_acquire(&q->head);

        if (again == head) /* so it was the head when `tail` was the tail */
            return distance(q, head, tail);
        head = again;
    }
}

size_t pawl_spsc_capacity(const pawl_spsc *q)
{
    return q->capacity;
}

size_t pawl_spsc_element_size(const pawl_spsc *q)
{
    return q->element_size;
}
