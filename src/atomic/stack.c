/* SPDX-License-Identifier: MIT
 *
 * stack.c - the stack of pawl/stack.h.
 *
 *     header      constants | top | free, on lines of their own
 *     nodes       1 .. capacity + participants: a link, then the element
 *
 *     a list:    63 ...... b+1      b       b-1 ........... 0
 *               +-------------+----------+---------------------+
 *               |  tag: pops  |  closed  |  first node, 0 none |
 *               +-------------+----------+---------------------+
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
 * I4  The closed bit is set once, by a swap of the top, and kept by every swap
 *     after it.  So a push either comes before it, or sees it.
 *
 * All changes of a list's word are compare-and-swaps, so who reads it
 * synchronises with everybody who pushed before (release sequence).
 */
#include <errno.h>
#include <string.h>

#include <pawl/stack.h>

#include "atomic/copy.h"
#include "atomic/ops.h"
#include "atomic/stack_core.h"
#include "base/compiler.h"
#include "base/place.h"
#include "base/tsan.h"

#define MAGIC UINT32_C(0x7073746b) /* "pstk" */
#define LAYOUT UINT32_C(1)
#define DEPTH (UINT64_C(1) << 32)

struct pawl_stack {
    pawl_u32 magic; /* written last; all up to `bytes` is constant then */
    uint32_t layout;
    uint32_t capacity;
    uint32_t element_size;
    uint64_t closed; /* that bit of the top */
    uint64_t tag;    /* the lowest bit of the tag */
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
    return (uint32_t)(list & (s->closed - 1));
}

static inline struct node *node_at(const pawl_stack *s, uint32_t number)
{
    return (void *)((char *)(uintptr_t)(s + 1) + (number - 1) * s->stride);
}

static uint64_t stride_of(size_t element_size)
{
    return sizeof(struct node) + pawl_round_up(element_size, 8);
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
                     pawl_round_up((capacity + participants) * stride,
                                   PAWL_STACK_ALIGN));
}

int pawl_stack_init(pawl_stack **stack, void *memory, size_t bytes,
                    size_t capacity, size_t element_size, size_t participants)
{
    int64_t needs = pawl_stack_bytes(capacity, element_size, participants);
    int err = pawl_check_place(memory, PAWL_STACK_ALIGN, bytes, needs);
    uint32_t nodes = (uint32_t)(capacity + participants);
    pawl_stack *s = memory;

    if (err != 0)
        return err;
    pawl_store_relaxed(&s->magic, 0); /* relaxed: none yet */
    s->layout = LAYOUT;
    s->capacity = (uint32_t)capacity;
    s->element_size = (uint32_t)element_size;
    s->closed = 1;
    while (s->closed <= nodes)
        s->closed *= 2;
    s->tag = s->closed * 2;
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

    if (!pawl_is_place(memory, PAWL_STACK_ALIGN, bytes, sizeof *s))
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

/* Put a node that is in hand at the front.  -EAGAIN: the list is `limit` deep;
 * -ESHUTDOWN: it is closed. */
static int put(pawl_stack *s, pawl_u64 *list, uint32_t number, uint32_t limit)
{
    struct node *n = node_at(s, number);

    for (;;) {
        uint32_t depth;
        uint64_t seen = look(s, list, &depth);
        uint64_t as = (seen & ~(s->closed - 1)) | number;

        if (seen & s->closed)
            return -ESHUTDOWN;
        if (depth >= limit)
            return -EAGAIN;
        /* release: pairs with the acquire in link_of. */
        pawl_store64_release(&n->link, ((uint64_t)depth + 1) * DEPTH | first_of(s, seen));
        /* seq_cst, release: pairs with the loads of look and take. */
        if (pawl_likely(pawl_cas64_seq(list, &seen, as)))
            return 0;
    }
}

/* Take the first node in hand.  -EAGAIN: there is none; -ESHUTDOWN: nor will
 * there be. */
static int take(pawl_stack *s, pawl_u64 *list, uint32_t *number)
{
    for (;;) {
        /* seq_cst: "none" is said of an instant; acquire: pairs with put. */
        uint64_t seen = pawl_load64_seq(list);
        uint64_t below = link_of(s, seen) % DEPTH;
        uint64_t tag = (seen & ~(s->closed - 1)) + s->tag;

        *number = first_of(s, seen);
        if (*number == 0)
            return seen & s->closed ? -ESHUTDOWN : -EAGAIN;
        /* seq_cst, acquire: pairs with put. */
        if (pawl_likely(pawl_cas64_seq(list, &seen, tag | below)))
            return 0;
    }
}

/* ---- elements ------------------------------------------------------------ */

/* Others hold all free nodes; is that because the stack is full? */
PAWL_COLD static int no_node(const pawl_stack *s)
{
    uint32_t depth;
    uint64_t seen = look(s, &s->top, &depth);

    if (seen & s->closed)
        return -ESHUTDOWN;
    return depth == s->capacity ? -EAGAIN : -ENOMEM;
}

int pawl_stack_push(pawl_stack *s, const void *element)
{
    uint32_t number;
    int err;

    if (pawl_unlikely(take(s, &s->free, &number) != 0))
        return no_node(s);
    pawl_tsan_acquire(node_at(s, number));
    pawl_copy(node_at(s, number)->element, element, s->element_size);
    pawl_tsan_release(node_at(s, number));
    err = put(s, &s->top, number, s->capacity);
    if (pawl_unlikely(err != 0))
        put(s, &s->free, number, UINT32_MAX);
    return err;
}

int pawl_stack_borrow(pawl_stack *s, uint32_t *loan, void **element)
{
    int err = take(s, &s->top, loan);

    if (err != 0)
        return err;
    pawl_tsan_acquire(node_at(s, *loan));
    *element = node_at(s, *loan)->element;
    return 0;
}

void pawl_stack_give_back(pawl_stack *s, uint32_t loan)
{
    pawl_tsan_release(node_at(s, loan));
    put(s, &s->free, loan, UINT32_MAX);
}

int pawl_stack_pop(pawl_stack *s, void *element)
{
    uint32_t loan;
    void *at;
    int err = pawl_stack_borrow(s, &loan, &at);

    if (err != 0)
        return err;
    pawl_copy(element, at, s->element_size);
    pawl_stack_give_back(s, loan);
    return 0;
}

/* ---- the end ------------------------------------------------------------- */

int pawl_stack_close(pawl_stack *s)
{
    /* seq_cst: pairs with the swaps, which find it closed or came before. */
    uint64_t seen = pawl_load64_seq(&s->top);

    /* seq_cst: as above (I4). */
    while (!(seen & s->closed) &&
           !pawl_cas64_seq(&s->top, &seen, seen | s->closed))
        ;
    return 0;
}

bool pawl_stack_is_closed(const pawl_stack *s)
{
    /* seq_cst: pairs with close. */
    return (pawl_load64_seq(&s->top) & s->closed) != 0;
}

/* ---- snapshots ----------------------------------------------------------- */

size_t pawl_stack_size(const pawl_stack *s)
{
    uint32_t depth;

    look(s, &s->top, &depth);
    return depth;
}

uint64_t pawl_stack_pushed(const pawl_stack *s)
{
    uint32_t depth;
    uint64_t seen = look(s, &s->top, &depth);

    return (seen / s->tag + depth) & pawl_stack_pushed_mask(s);
}

uint64_t pawl_stack_pushed_mask(const pawl_stack *s)
{
    return UINT64_MAX / s->tag;
}

size_t pawl_stack_capacity(const pawl_stack *s)
{
    return s->capacity;
}

size_t pawl_stack_element_size(const pawl_stack *s)
{
    return s->element_size;
}
