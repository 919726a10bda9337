/* SPDX-License-Identifier: MIT
 *
 * heap.h - how the memory of pawl/memory.h is kept.
 *
 * A page of 4 KiB is free, divided into blocks of one class, or part of a run of
 * whole pages, which is one block.  Each page has a word, and 128 small words for
 * blocks; none of them lies in the page, so nothing that a user writes harms them.
 *
 *   page    63 ........ 32   31 ......................... 3   2 .. 0
 *          +--------------+--------------------------------+--------+
 *          |   version    |  slot, class or length         |  kind  |
 *          +--------------+--------------------------------+--------+
 *
 *   kind      argument   leaves it by
 *   FREE                 a thread takes it -> CLAIMED
 *   CLAIMED   slot       -> SMALL, RUN, TAIL; given up -> FREE
 *   SMALL     class      found empty, by a thread that has all its blocks -> FREE
 *   RUN       pages      freed -> CLAIMED
 *   TAIL                 a page of the run before it; freed -> FREE
 *
 *   The version counts how often the page became FREE.
 *
 *   block   15 .. 13   12 ...... 0
 *          +---------+------------+      of a RUN: the first word of its
 *          |  state  |    slot    |      first page
 *          +---------+------------+
 *
 *   state        leaves it by
 *   FREE         alloc -> ALLOCATING; a thread that wants the page -> RETIRING
 *   ALLOCATING   alloc -> OWNED or KEPT; the page was another by then -> FREE
 *   OWNED        keep, publish -> KEPT;  free -> FREEING
 *   KEPT         free -> FREEING
 *   FREEING      free -> FREE
 *   RETIRING     the page is not empty -> FREE; else it stays until the page is
 *                divided again
 */
#ifndef PAWL_PROCESS_HEAP_H
#define PAWL_PROCESS_HEAP_H

#include <pawl/memory.h>

#include "atomic/ops.h"
#include "process/region.h"

enum {
    PAWL_HEAP_SMALLEST = 32,
    PAWL_HEAP_BLOCKS = PAWL_REGION_PAGE / PAWL_HEAP_SMALLEST,
    PAWL_HEAP_CLASSES = 13,
};

enum pawl_page_kind {
    PAWL_PAGE_FREE,
    PAWL_PAGE_CLAIMED,
    PAWL_PAGE_SMALL,
    PAWL_PAGE_RUN,
    PAWL_PAGE_TAIL,
};

enum pawl_block_state {
    PAWL_BLOCK_FREE,
    PAWL_BLOCK_ALLOCATING,
    PAWL_BLOCK_OWNED,
    PAWL_BLOCK_KEPT,
    PAWL_BLOCK_FREEING,
    PAWL_BLOCK_RETIRING,
};

#define PAWL_BLOCK(state, slot) ((uint16_t)((unsigned)(state) << 13 | (slot)))
#define PAWL_BLOCK_STATE(word) ((enum pawl_block_state)((word) >> 13))

#define PAWL_PAGE_KIND(word) ((enum pawl_page_kind)((word) & 7))
#define PAWL_PAGE_ARGUMENT(word) ((uint32_t)(word) >> 3)

/* Where searches begin: hints, no more. */
struct pawl_heap_hints {
    pawl_u32 free_page;
    pawl_u32 page[PAWL_HEAP_CLASSES];
    uint32_t unused[2];
};

/* A heap as seen by one who works on it. */
struct pawl_heap {
    struct pawl_heap_hints *hints;
    pawl_u64 *page;  /* words */
    pawl_u16 *block; /* PAWL_HEAP_BLOCKS words for each page */
    pawl_u64 *note;  /* of the slot in whose name he works */
    unsigned char *base;
    uint64_t first; /* offset of the first page */
    uint32_t pages;
    uint32_t slot;
};

extern const uint16_t pawl_heap_sizes[PAWL_HEAP_CLASSES];

static inline uint64_t pawl_heap_index_bytes(uint64_t pages)
{
    return sizeof(struct pawl_heap_hints) +
           pages * (sizeof(pawl_u64) + PAWL_HEAP_BLOCKS * sizeof(pawl_u16));
}

/* See it from that slot. */
struct pawl_heap pawl_heap_of(const pawl_region *r, uint32_t slot);

/* A pawl_repair_fn. */
void pawl_heap_repair(struct pawl_participants *t, uint32_t slot);

#endif /* PAWL_PROCESS_HEAP_H */
