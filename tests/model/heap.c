/* SPDX-License-Identifier: MIT
 *
 * heap.c - malloc and its kin for the library under the explorer.  No block is
 * used twice in a run, so whatever touches one that is freed is found.
 */
#include <stdlib.h>

#include "machine.h"

enum { HEAP = 1 << 20, ALIGN = 128, BLOCKS = 1024 };

static _Alignas(4096) char heap[HEAP];
static size_t used;
static int live;
/* All that were made, in the order of their addresses. */
static struct {
    const char *from;
    uint32_t thread;
    uint32_t clock; /* 0: before all threads */
} blocks[BLOCKS];
static uint32_t blocks_used;

void model_heap_restore(void)
{
    used = 0;
    blocks_used = 0;
    live = 0;
}

int model_heap_live(void)
{
    return live;
}

/* The size stands before the block. */
static size_t *size_of(void *block)
{
    return (size_t *)(void *)((char *)block - ALIGN);
}

void *model_aligned_alloc(size_t align, size_t size)
{
    size_t bytes = (size + 2 * ALIGN - 1) / ALIGN * ALIGN;
    char *block = heap + used + ALIGN;

    if (align > ALIGN || used + bytes > sizeof heap || blocks_used == BLOCKS)
        model_fail("machine: too much memory");
    used += bytes;
    live++;
    *size_of(block) = size;
    blocks[blocks_used].from = block;
    blocks[blocks_used].thread = model_here.thread;
    blocks[blocks_used++].clock =
        model_here.clocks != NULL ? model_here.clocks[model_here.thread] : 0;
    return block;
}

bool model_heap_owner(const void *p, uint32_t *thread, uint32_t *clock)
{
    uint32_t first = 0;
    uint32_t n = blocks_used;

    if ((uintptr_t)p - (uintptr_t)heap >= used)
        return false;
    while (n > 1) {
        uint32_t half = n / 2;

        if (blocks[first + half].from <= (const char *)p)
            first += half;
        n -= half;
    }
    *thread = blocks[first].thread;
    *clock = blocks[first].clock;
    return true;
}

void *model_malloc(size_t size)
{
    return model_aligned_alloc(ALIGN, size);
}

void *model_calloc(size_t n, size_t size)
{
    return memset(model_malloc(n * size), 0, n * size);
}

void model_heap_free(void *block)
{
    if (block == NULL)
        return;
    model_free(block, *size_of(block));
    live--;
}

void *model_realloc(void *block, size_t size)
{
    char *as = model_malloc(size);

    if (block != NULL) {
        memcpy(as, block, *size_of(block) < size ? *size_of(block) : size);
        model_heap_free(block);
    }
    return as;
}
