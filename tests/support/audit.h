/* SPDX-License-Identifier: MIT
 *
 * tests/support/audit.h - every page and block of a heap is accounted for.
 */
#ifndef PAWL_TEST_AUDIT_H
#define PAWL_TEST_AUDIT_H

#include "process/heap.h"
#include "test.h"

/* Check that nobody is in the middle of anything, and that all words fit together:
 * a run has its pages and no others are TAIL; a block is free or in use.  Returns
 * how many blocks are in use. */
static inline uint64_t audit(const pawl_region *r)
{
    struct pawl_heap h = pawl_heap_of(r, 0);
    pawl_memory_stats stats;
    uint64_t in_use = 0;
    uint64_t free_pages = 0;

    for (uint32_t i = 0; i < h.pages; i++) {
        uint64_t word = h.page[i].v_;
        const pawl_u16 *block = h.block + (size_t)i * PAWL_HEAP_BLOCKS;
        uint32_t argument = PAWL_PAGE_ARGUMENT(word);

        switch (PAWL_PAGE_KIND(word)) {
        case PAWL_PAGE_FREE:
            free_pages++;
            break;
        case PAWL_PAGE_SMALL:
            CHECK(argument < PAWL_HEAP_CLASSES);
            for (int b = 0; b < PAWL_REGION_PAGE / pawl_heap_sizes[argument];
                 b++) {
                enum pawl_block_state state = PAWL_BLOCK_STATE(block[b].v_);

                CHECK(state == PAWL_BLOCK_FREE || state == PAWL_BLOCK_OWNED ||
                      state == PAWL_BLOCK_KEPT);
                in_use += state != PAWL_BLOCK_FREE;
            }
            break;
        case PAWL_PAGE_RUN:
            CHECK(argument > 0 && argument <= h.pages - i);
            CHECK(PAWL_BLOCK_STATE(block[0].v_) == PAWL_BLOCK_OWNED ||
                  PAWL_BLOCK_STATE(block[0].v_) == PAWL_BLOCK_KEPT);
            in_use++;
            for (uint32_t k = 1; k < argument; k++)
                CHECK_EQ(PAWL_PAGE_KIND(h.page[i + k].v_), PAWL_PAGE_TAIL);
            i += argument - 1;
            break;
        default:
            test_fail(__FILE__, __LINE__, "page %u is in the middle: %#llx",
                      (unsigned)i, (unsigned long long)word);
        }
    }
    CHECK_OK(pawl_memory_get_stats(r, &stats));
    CHECK_EQ(stats.blocks, in_use);
    CHECK_EQ(stats.free_pages, free_pages);
    return in_use;
}

#endif /* PAWL_TEST_AUDIT_H */
