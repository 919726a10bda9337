/* SPDX-License-Identifier: MIT
 *
 * stack.c - the stack of pawl/stack.h.
 *
 *     header      constants | top | free, on lines of their own
 *     nodes       1 .. capacity + participants: a link, then the element
 *
 *     a list:    63 ............ b   b-1 ............ 0
 *               +------------------+-------------------+
 *               |  tag: pops       |  first node, 0 none|
 *               +------------------+-------------------+
 *     a link:    63 ........... 32   31 ............. 0
 *               +------------------+-------------------+
 *               |  depth           |  node below       |
 *               +------------------+-------------------+
 *
 * I1  A node is in the stack, among the free ones, or in the hand of one thread,
 *     which alone may write its link and touch its element.
 * I2  While a list's word stays the same, its first node has stayed in the list,
 *     so the link that was read between two equal words is that node's: it leaves
 *     by a pop only, which changes the tag.
 * I3  The depth of a node in the stack is the number of nodes from it to the
 *     bottom; it never exceeds the capacity.
 *
 * All changes of a list's word are compare-and-swaps, so who reads it
 * synchronises with everybody who pushed before (release sequence).
 */
#include <errno.h>
#include <string.h>

#include <pawl/stack.h>

#include "atomic/copy.h"
#include "atomic/ops.h"
#include "base/compiler.h"
#include "base/tsan.h"

#define MAGIC UINT32_C(0x7073746b) /* "pstk" */
#define LAYOUT UINT32_C(1)
#define DEPTH (UINT64_C(1) << 32)

struct pawl_stack {
    pawl_u32 magic; /* written last; all up to `bytes` is constant then */
    uint32_t layout;
    uint32_t capacity;
    uint32_t element_size;
    uint64_t tag; /* the lowest bit of the tag */
    uint64_t stride;
    uint64_t bytes;
    pawl_u64 top __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    pawl_u64 free __attribute__((aligned(2 * PAWL_CACHE_LINE)));
} __attribute__((aligned(2 * PAWL_CACHE_LINE)));

_Static_assert(sizeof(struct pawl_stack) == 384, "the header says so");

struct node {
    pawl_u64 link;
    char element[];
};

static inline uint32_t first_of(const pawl_stack *s, uint64_t list)
{
    return (uint32_t)(list & (s->tag - 1));
}

static inline struct node *node_at(const pawl_stack *s, uint32_t number)
{
    return (void *)((char *)(uintptr_t)(s + 1) + (number - 1) * s->stride);
}

static uint64_t stride_of(size_t element_size)
{
    return sizeof(struct node) + (element_size + 7) / 8 * 8;
}

/* ---- making one --------------------------------------------------------- */

int64_t pawl_stack_bytes(size_t capacity, size_t element_size,
                         size_t participants)
{
    uint64_t stride = stride_of(element_size);

    if (capacity == 0 || capacity > PAWL_STACK_CAPACITY_MAX ||
        element_size == 0 || element_size > PAWL_STACK_ELEMENT_MAX ||
        participants == 0 || participants > PAWL_STACK_PARTICIPANTS_MAX)
        return -EINVAL;
    /* At most 2^31 nodes of 2^31 bytes and a few. */
    return (int64_t)(sizeof(pawl_stack) +
                     ((capacity + participants) * stride +
                      PAWL_STACK_ALIGN - 1) /
                         PAWL_STACK_ALIGN * PAWL_STACK_ALIGN);
}

int pawl_stack_init(pawl_stack **stack, void *memory, size_t bytes,
                    size_t capacity, size_t element_size, size_t participants)
{
    int64_t needs = pawl_stack_bytes(capacity, element_size, participants);
    uint32_t nodes = (uint32_t)(capacity + participants);
    pawl_stack *s = memory;

    if (needs < 0)
        return (int)needs;
    if ((uintptr_t)memory % PAWL_STACK_ALIGN != 0)
        return -EINVAL;
    if (bytes < (uint64_t)needs)
        return -ENOSPC;
    pawl_store_relaxed(&s->magic, 0); /* relaxed: none yet */
    s->layout = LAYOUT;
    s->capacity = (uint32_t)capacity;
    s->element_size = (uint32_t)element_size;
    s->tag = 1;
    while (s->tag <= nodes)
        s->tag *= 2;
    s->stride = stride_of(element_size);
    s->bytes = (uint64_t)needs;
    for (uint32_t i = 1; i <= nodes; i++)
        /* relaxed: before the magic. */
        pawl_store64_relaxed(&node_at(s, i)->link, i < nodes ? i + 1 : 0);
    pawl_store64_relaxed(&s->top, 0);  /* relaxed: before the magic */
    pawl_store64_relaxed(&s->free, 1); /* relaxed: before the magic */
    pawl_store_release(&s->magic, MAGIC); /* pairs with attach */
    *stack = s;
    return 0;
}

int pawl_stack_attach(pawl_stack **stack, void *memory, size_t bytes)
{
    pawl_stack *s = memory;

    if ((uintptr_t)memory % PAWL_STACK_ALIGN != 0 || bytes < sizeof *s)
        return -EINVAL;
    /* acquire: pairs with the release in init. */
    if (pawl_load_acquire(&s->magic) != MAGIC || s->layout != LAYOUT ||
        s->bytes > bytes)
        return -EINVAL;
    *stack = s;
    return 0;
}

/* ---- lists --------------------------------------------------------------- */

/* What lies below the first node of a list; 0 if there is none.  Right if the
 * list is the same after this. */
static inline uint64_t link_of(const pawl_stack *s, uint64_t list)
{
    uint32_t first = first_of(s, list);

    /* acquire: pairs with the release in put: who sees the link of a later life
     * of the node sees that it has left this list. */
    return first == 0 ? 0 : pawl_load64_acquire(&node_at(s, first)->link);
}

/* The list, and its depth when it was that. */
static uint64_t look(const pawl_stack *s, const pawl_u64 *list, uint32_t *depth)
{
    /* seq_cst: what is said of it is said of an instant; pairs with the swaps. */
    uint64_t seen = pawl_load64_seq(list);

    for (;;) {
        uint64_t again;

        *depth = (uint32_t)(link_of(s, seen) / DEPTH);
        /* seq_cst: as above; I2. */
        again = pawl_load64_seq(list);
        if (pawl_likely(again == seen))
            return seen;
        seen = again;
    }
}

/* Put a node that is in hand at the front, unless the list is `limit` deep.
 * Returns whether it did. */
static bool put(pawl_stack *s, pawl_u64 *list, uint32_t number, uint32_t limit)
{
    struct node *n = node_at(s, number);

    for (;;) {
        uint32_t depth;
        uint64_t seen = look(s, list, &depth);
        uint64_t as = (seen & ~(s->tag - 1)) | number;

        if (depth >= limit)
            return false;
        /* release: pairs with the acquire in link_of. */
        pawl_store64_release(&n->link, ((uint64_t)depth + 1) * DEPTH | first_of(s, seen));
        /* seq_cst, release: pairs with the loads of look and take. */
        if (pawl_likely(pawl_cas64_seq(list, &seen, as)))
            return true;
    }
}

/* Take the first node in hand; 0 if there is none. */
static uint32_t take(pawl_stack *s, pawl_u64 *list)
{
    for (;;) {
        /* seq_cst: "none" is said of an instant; acquire: pairs with put. */
        uint64_t seen = pawl_load64_seq(list);
        uint64_t below = link_of(s, seen) % DEPTH;
        uint64_t tag = (seen & ~(s->tag - 1)) + s->tag;
        uint32_t number = first_of(s, seen);

        if (number == 0)
            return 0;
        /* seq_cst, acquire: pairs with put. */
        if (pawl_likely(pawl_cas64_seq(list, &seen, tag | below)))
            return number;
    }
}

/* ---- elements ------------------------------------------------------------ */

int pawl_stack_push(pawl_stack *s, const void *element)
{
    uint32_t number = take(s, &s->free);

    if (pawl_unlikely(number == 0)) {
        /* Others hold them all; is that because the stack is full? */
        return pawl_stack_size(s) == s->capacity ? -EAGAIN : -ENOMEM;
    }
    pawl_tsan_acquire(node_at(s, number));
    pawl_copy(node_at(s, number)->element, element, s->element_size);
    pawl_tsan_release(node_at(s, number));
    if (pawl_likely(put(s, &s->top, number, s->capacity)))
        return 0;
    put(s, &s->free, number, UINT32_MAX);
    return -EAGAIN;
}

int pawl_stack_pop(pawl_stack *s, void *element)
{
    uint32_t number = take(s, &s->top);

    if (number == 0)
        return -EAGAIN;
    pawl_tsan_acquire(node_at(s, number));
    pawl_copy(element, node_at(s, number)->element, s->element_size);
    pawl_tsan_release(node_at(s, number));
    put(s, &s->free, number, UINT32_MAX);
    return 0;
}

/* ---- snapshots ----------------------------------------------------------- */

size_t pawl_stack_size(const pawl_stack *s)
{
    uint32_t depth;

    look(s, &s->top, &depth);
    return depth;
}

size_t pawl_stack_capacity(const pawl_stack *s)
{
    return s->capacity;
}

size_t pawl_stack_element_size(const pawl_stack *s)
{
    return s->element_size;
}
