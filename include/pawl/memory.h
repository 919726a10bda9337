/* SPDX-License-Identifier: MIT
 *
 * pawl/memory.h - allocating memory in a region.
 *
 * Blocks are named by their offset from the beginning of the region, which is the
 * same in all processes.  Any thread of any process may free what another has
 * allocated.
 *
 *     struct node {
 *         PAWL_OFFSET_TO(struct node) next;
 *         int value;
 *     };
 *
 *     pawl_offset o;
 *
 *     pawl_memory_alloc(r, sizeof(struct node), 0, PAWL_MEMORY_ZERO, &o);
 *     node = pawl_region_at(r, o);                  mine: fill it at leisure
 *     pawl_memory_publish(r, o, &list->first.offset);  now everybody's
 *     node = PAWL_AT(r, node->next);
 *
 *   a block is   leaves it by
 *   FREE         alloc -> OWNED
 *   OWNED        (by a thread) publish, keep -> KEPT;  free -> FREE;
 *                the end of the thread -> FREE
 *   KEPT         free, free_at -> FREE
 *
 * So a process that is killed at any instruction loses no memory: what it was
 * about to hand over is the region's if the pointer was written, and free if not.
 *
 * Sizes       up to 2 KiB in classes, the larger of which are a third or a half
 *   larger than the one before: 32, 48, 64, 96, ... 1024, 1360, 2048.  Above, whole
 *   pages of 4 KiB, one after the other.  A page of a class that is empty becomes a
 *   free page when somebody needs one.  For each page, 264 bytes beside it.
 * Alignment   16 bytes if not asked for; powers of two up to 4096.
 * Progress    lock-free: a thread that is stopped or killed anywhere keeps nobody
 *   from allocating and freeing, but for what it has in hand: memory that others
 *   are in the middle of taking is not free, so alloc may find the region full
 *   though in a moment it is not.
 * Cost        small blocks: two locked instructions to take one, one to free it;
 *   no system call.  Pages: one for each.  A search looks at 32 pages of a class
 *   before it begins a new one, and at all before it says "full".
 * Order       what was done before a free is visible after the alloc that gets the
 *   block, what was done before a publish to those who read the pointer with
 *   acquire, or under a lock.
 *
 * Since 0.1.
 */
#ifndef PAWL_MEMORY_H
#define PAWL_MEMORY_H

#include <pawl/base.h>
#include <pawl/region.h>

PAWL_BEGIN_DECLS

/* Bytes from the beginning of a region; 0 is nowhere. */
typedef uint64_t pawl_offset;

enum {
    PAWL_MEMORY_ZERO = 1 << 0, /* fill it with zero bytes */
    PAWL_MEMORY_KEPT = 1 << 1, /* of the region from the beginning: lost if the
                                  caller dies before it has noted the offset */
};

/* Allocate at least so many bytes, aligned (0: to 16).
 *
 * Returns    0, and the block in *offset;  -EINVAL bytes is 0 or more than
 *            PAWL_REGION_BYTES_MAX, an alignment that is no power of two or above
 *            4096, an unknown flag;  -ENOSPC no room, even after what the dead
 *            left was freed;  -EAGAIN, -ENOMEM, -EBADF as pawl_region_join.
 */
PAWL_API PAWL_NODISCARD int pawl_memory_alloc(pawl_region *region, size_t bytes,
                                              size_t alignment, unsigned flags,
                                              pawl_offset *offset);

/* Give a block of the caller's to the region, and write its offset to *where,
 * which lies in the region: both, or neither if the caller is killed.  Until the
 * call has returned, or pawl_region_recover after the death of the caller, nobody
 * else may change *where.
 *
 * Returns    0;  -EINVAL there is no block, or `where` is not in the region or not
 *            aligned;  -EPERM it is not the caller's;  -EAGAIN, -ENOMEM, -EBADF.
 * Order      release.
 */
PAWL_API int pawl_memory_publish(pawl_region *region, pawl_offset offset,
                                 pawl_offset *where);

/* Give a block of the caller's to the region.  Returns as publish. */
PAWL_API int pawl_memory_keep(pawl_region *region, pawl_offset offset);

/* Free a block, whoever has allocated it; 0 is legal.
 *
 * Returns    0;  -EINVAL there is no such block, or it is free already: nothing has
 *            happened;  -EAGAIN, -ENOMEM, -EBADF as pawl_region_join.
 */
PAWL_API int pawl_memory_free(pawl_region *region, pawl_offset offset);

/* Free the block at *where and write 0 there: both, or neither if the caller is
 * killed; under the conditions, and with the errors, of publish and free. */
PAWL_API int pawl_memory_free_at(pawl_region *region, pawl_offset *where);

/* The bytes that a block really has;  -EINVAL there is no such block. */
PAWL_API int64_t pawl_memory_size(const pawl_region *region,
                                  pawl_offset offset);

/* ---- addresses ---------------------------------------------------------- */

/* The address of an offset here; NULL for 0, outside the region, or closed. */
PAWL_API void *pawl_region_at(const pawl_region *region, pawl_offset offset);

/* The offset of an address in the region; 0 for NULL or outside. */
PAWL_API pawl_offset pawl_region_offset(const pawl_region *region,
                                        const void *address);

/* A typed offset, and the address it means in a process. */
#define PAWL_OFFSET_TO(type)                                                   \
    union {                                                                    \
        pawl_offset offset;                                                    \
        type *type_;                                                           \
    }
#define PAWL_AT(region, typed)                                                 \
    PAWL_CAST_(__typeof__((typed).type_),                                      \
               pawl_region_at((region), (typed).offset))

/* ---- figures ------------------------------------------------------------- */

/* A snapshot, not of one instant while others allocate. */
typedef struct pawl_memory_stats {
    uint64_t pages;       /* in all */
    uint64_t free_pages;  /* of these */
    uint64_t small_pages; /* divided into blocks */
    uint64_t blocks;      /* in use, large ones included */
    uint64_t owned;       /* of these, by threads */
    uint64_t bytes;       /* of the blocks in use */
} pawl_memory_stats;

/* Returns 0;  -EBADF closed. */
PAWL_API int pawl_memory_get_stats(const pawl_region *region,
                                   pawl_memory_stats *stats);

PAWL_END_DECLS

#endif /* PAWL_MEMORY_H */
