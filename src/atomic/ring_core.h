/* SPDX-License-Identifier: MIT
 *
 * ring_core.h - the memory of a ring.
 *
 *     header      constants | tail | head, on lines of their own
 *     slots       16 bytes (value) or 8 bytes (swap) each
 *     records     one for each block that is not in a slot
 *     blocks      one for each record, and for each slot (swap), or for every
 *                 eighth, an anchor (value)
 *
 * The word of a slot, and a hint, for a ring with shift s:
 *
 *      63 .......... s+1    s     s-1 ......... 1     0
 *     +-----------------+------+-----------------+--------+
 *     |       lap       | full |      block      | closed |      a slot
 *     +-----------------+------+-----------------+--------+
 *     |       lap       |            index                |      a hint
 *     +-----------------+---------------------------------+
 *
 * Slot and hint have their laps at the same place, so that what a slot lacks to
 * a position is one subtraction, and passing the greatest lap is nothing
 * special.  An index is less than the number of blocks, hence fits.
 *
 *     word                   means (for position p = lap * capacity + index)
 *     empty, lap             waits for the element of p
 *     full, lap              holds it; block (swap) or second word (value)
 *     closed                 the push that would come next in this slot, and all
 *                            after it, are refused; never cleared
 *
 * The `block` of an anchor holds more, for a run of elements that begins there:
 *
 *      s-1 ....... 5      4      3 .... 1
 *     +-------------+----------+----------+
 *     |    block    |   open   |   taken  |
 *     +-------------+----------+----------+
 *
 *     word                        means, for the run of position p
 *     full, lap, open, taken 0    its first element is here, in the second word, the
 *                                 others are in the block
 *     empty, lap + 1, open        so many of them, from the first on, are taken
 *     full, lap + 1, open         the same, and the next lap's element is here
 *     not open                    all are taken, or there was none
 *
 *      block:   run | element 1 | ... | element 7      run: lap of p | length
 *
 * Here a `position` is what a hint holds.
 */
#ifndef PAWL_ATOMIC_RING_CORE_H
#define PAWL_ATOMIC_RING_CORE_H

#include <pawl/base.h>
#include <pawl/ring.h>

#include "base/compiler.h"

/* Blocks beyond those that participants keep. */
enum { PAWL_RING_SPARE = 4 };

/* The elements of a run, at most: all but the first fill a cache line. */
enum { PAWL_RING_RUN = 8 };
/* How many may put runs at once, at most; others put singly. */
enum { PAWL_RING_RUNNERS = 8 };

enum pawl_ring_format {
    PAWL_RING_VALUE = 1,
    PAWL_RING_SWAP = 2,
};

#define PAWL_RING_MAGIC UINT32_C(0x70726e67) /* "prng" */
#define PAWL_RING_LAYOUT UINT32_C(3)

/* All but the hints are constant after init. */
struct pawl_ring {
    pawl_u32 magic; /* written last */
    uint32_t layout;
    uint32_t format;
    uint32_t capacity;
    uint32_t element_size;
    uint32_t participants;
    uint32_t records;
    uint32_t slot_shift; /* log2 of the bytes a slot */
    uint32_t shift;
    uint64_t full;   /* the bit of a slot */
    uint64_t laps;   /* the bits of a slot and of a position */
    uint64_t vacant; /* the bits of a slot that a push of a value compares */
    uint64_t filled; /* and that a pop does */
    uint64_t stride; /* bytes a block */
    uint64_t slot_blocks; /* blocks that are in slots */
    uint64_t records_at;  /* offsets from the ring */
    uint64_t blocks_at;
    uint64_t bytes;
    /* A position before which everything has been filled, and one before which
     * everything has been taken.  Only ever written with what the writer knows
     * to be so, thus never too far ahead; any number behind. */
    pawl_u64 tail __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    pawl_u64 head __attribute__((aligned(2 * PAWL_CACHE_LINE)));
} __attribute__((aligned(2 * PAWL_CACHE_LINE)));

/* Who holds a block that is in no slot.
 *
 *     owner                  means
 *     0                      nobody: the block is free
 *     id                     that thread
 *     ANONYMOUS              some thread
 *     ORPHAN                 nobody: a task that a dead thread has left
 *     id | RECOVERS          that thread finds out what a dead owner has left
 *
 *      hand:    63 ...... 32   31 ........ 0
 *              +-------------+--------------+
 *              |   taking    |     own      |     taking NONE: quiet
 *              +-------------+--------------+
 *
 * Mid-operation `taking` is the block that the owner is about to swap for its
 * own: exactly one of the two is in its hand, and only it knows which. */
struct pawl_ring_record {
    pawl_u64 owner;
    pawl_u64 hand;  /* written by the owner only */
    pawl_u32 use;   /* by the owner only: enum use of ring.c */
    pawl_u32 takes; /* by the owner only: 1: its block is, or will be, a task */
    pawl_u64 task;  /* the position it was taken from; by the owner only */
} __attribute__((aligned(PAWL_CACHE_LINE)));

#define PAWL_RING_ANONYMOUS (UINT64_C(1) << 62)
#define PAWL_RING_ORPHAN (PAWL_RING_ANONYMOUS | 1)
#define PAWL_RING_RECOVERS (UINT64_C(1) << 63)
#define PAWL_RING_NONE UINT32_MAX

/* pawl_ring_init and pawl_ring_bytes with a choice of format, and of the lap to
 * begin with; for them and for tests. */
int64_t pawl_ring_bytes_as(enum pawl_ring_format format, size_t capacity,
                           size_t element_size, size_t participants);
int pawl_ring_init_as(enum pawl_ring_format format, pawl_ring **ring,
                      void *memory, size_t bytes, size_t capacity,
                      size_t element_size, size_t participants, uint64_t lap);

/* How many elements have been pushed, at an instant within the call.  Exact up to
 * 2^61. */
uint64_t pawl_ring_pushed(const pawl_ring *ring);

/* ---- records ----------------------------------------------------------------
 *
 * Elements of the swap format that begin with a pawl_u64: how many bytes follow, + 1,
 * or 0 in a block that holds none (but after a get, where nobody looks). */

/* Put so many bytes.  The errors of pawl_ring_push. */
int pawl_ring_put_record(pawl_ring *ring, const void *record, size_t bytes);
/* Copy a record out.  How many bytes;  the errors of pawl_ring_pop. */
int64_t pawl_ring_get_record(pawl_ring *ring, void *record);
/* The same with up to n > 0 of them, which lie `stride` bytes apart, the i-th with
 * bytes[i].  NULL: each is put with `stride`; or their lengths are not told.  How many,
 * at least 1;  the errors. */
int64_t pawl_ring_put_records(pawl_ring *ring, const void *records,
                              size_t stride, const size_t *bytes, size_t n);
int64_t pawl_ring_get_records(pawl_ring *ring, void *records, size_t stride,
                              size_t *bytes, size_t n);

/* ---- tasks -----------------------------------------------------------------
 *
 * Elements that stay in the hand of who has taken them until they are done: of
 * rings of the swap format whose elements begin with a pawl_u64, which is 0 in all
 * blocks but those that hold an element.  What a dead thread had in its hand is
 * then known, and can be taken by another from there; so it keeps its record, and
 * nothing is moved.
 *
 * A ring is used with these functions, reserve, commit and cancel (the word 0
 * again) only, by threads with an identity. */

/* As pawl_ring_borrow; ends with finish. */
int pawl_ring_take(pawl_ring *ring, pawl_ring_loan *loan);
/* Take what a dead thread has left.  Returns 0;  -ENOENT there is nothing. */
int pawl_ring_adopt(pawl_ring *ring, pawl_ring_loan *loan);
/* Find a task in the caller's hand: the one with that number, or any if it is
 * NULL.  False: there is none. */
bool pawl_ring_holds(pawl_ring *ring, const pawl_ring_loan *task,
                     pawl_ring_loan *loan);
void pawl_ring_finish(pawl_ring *ring, pawl_ring_loan *loan);

/* As pawl_ring_recover.  What the dead held becomes an orphan, to be adopted, or
 * is done, as `keep` says.  *orphans: how many there are now. */
int pawl_ring_recover_tasks(pawl_ring *ring, pawl_ring_death_fn is_dead,
                            void *context, bool keep, uint32_t *orphans);

/* How many are in hands.  At least those that were when the call began, and still
 * are when it ends. */
uint64_t pawl_ring_tasks(const pawl_ring *ring);

#endif /* PAWL_ATOMIC_RING_CORE_H */
