/* SPDX-License-Identifier: MIT
 *
 * pawl/ring.h - the lock-free bounded queue for many producers and consumers.
 *
 * First in, first out, across all threads.  Never blocks: a full or an empty
 * ring is -EAGAIN.  Holds exactly `capacity` elements of `element_size` bytes,
 * both any number from 1, copied in and out, or used in place with a loan.
 * Works between processes that map the same memory at different addresses:
 * there are no pointers in it.
 *
 * Algorithm   The slots carry the truth; head and tail are only hints.  The slot
 *   of position p (p modulo the capacity) steps
 *
 *       empty, lap L  --push p-->  full, lap L  --pop p-->  empty, lap L+1
 *
 *   each step one compare-and-swap that also moves the element.  A producer
 *   works on the first slot that is still empty in its own lap, a consumer on
 *   the first that is full, so nothing is ever claimed before it is done, and
 *   nothing can be left half done.
 *   The state of a slot in its own word goes back to W. N. Scherer and M. L.
 *   Scott's dual structures and to C.-H. Shann, T.-L. Huang and C. Chen, "A
 *   practical nonblocking queue algorithm using compare-and-swap" (2000); laps
 *   in the slots to P. Tsigas and Y. Zhang, "A simple, fast and scalable
 *   non-blocking concurrent FIFO queue" (2001) and D. Vyukov's bounded queue
 *   (2010), which is not lock-free; blocks that are swapped instead of freed are
 *   new here, as far as we know.
 *
 * Two formats, chosen by init: elements of up to 8 bytes lie in the slot itself
 * where the CPU can compare and swap 16 bytes (all of today's do); otherwise the
 * slot names a block, and each thread owns a block that it swaps for the slot's.
 * In the first, a push of several puts up to eight of them by one swap, of a block
 * again, and a pop of several takes them so.
 *
 * Progress    lock-free: whatever threads are stopped wherever they are, the
 *   others' calls end.  (With blocks: as long as a block is left for each, see
 *   `participants`.)  No system call, no allocation.  A call that meets another
 *   at the same end, or that has caught up with the other end while that moves,
 *   pauses once, for up to 128 of the CPU's pauses (1 to 3 us), which makes all
 *   of them faster: docs/ring.md.
 * Order       what was done before a push is visible after the pop of that
 *   element.  Pushes, pops, closes and their failures are linearizable: -EAGAIN
 *   means that the ring was full (or empty) at an instant within the call, and
 *   all these instants lie in one order with all seq_cst operations.
 * Death       a process may be killed at any instruction.  An element whose push
 *   returned is delivered once; at most the element in the dead one's hand is
 *   affected, and the capacity remains.  With blocks, see pawl_ring_recover.
 * Bounds      laps are compared modulo 2^(62-b), where 2^b >= capacity + blocks of
 *   the threads, or 2 * capacity + 144 up to 8 bytes.  Passing that number is
 *   harmless.  A thread would have to be stopped between a load and the
 *   compare-and-swap after it for exactly so many laps, at 10 ns each more than 30
 *   years for capacity 1 and 16 participants, 300 for capacity 1000.
 * Memory      up to 8 bytes: 16 a slot, 64 for each eight, and 8 times 128.  Else 8
 *   a slot and a block for each slot and thread, 64 more for each thread; a
 *   block is the element rounded up to 8 bytes, from 9 bytes to 16, from 49 bytes
 *   to 64.  In both cases 384 bytes.
 * Cost        one locked instruction a push and one a pop; for elements of up to 8
 *   bytes, one for up to eight pushed, or popped, at once, and one more a call.
 *
 * Since 0.1.
 */
#ifndef PAWL_RING_H
#define PAWL_RING_H

#include <pawl/base.h>

PAWL_BEGIN_DECLS

typedef struct pawl_ring pawl_ring;

/* The greatest capacity, element size and number of participants. */
#define PAWL_RING_CAPACITY_MAX (UINT32_C(1) << 31)
#define PAWL_RING_ELEMENT_MAX UINT32_MAX
#define PAWL_RING_PARTICIPANTS_MAX (UINT32_C(1) << 12)

/* The alignment of the memory of a ring. */
#define PAWL_RING_ALIGN 128

/* ---- making one --------------------------------------------------------- */

/* The bytes of memory that a ring needs.
 *
 * participants  how many threads will keep a block of their own, when elements
 *   are larger than 8 bytes: see pawl_ring_identify.  Four more blocks are there
 *   for everybody else, for one operation or loan at a time.
 *
 * Returns    a number > 0;  -EINVAL a size of 0, or one above its maximum;
 *            -EOVERFLOW no memory is that large.
 */
PAWL_API int64_t pawl_ring_bytes(size_t capacity, size_t element_size,
                                 size_t participants);

/* Make an empty ring in `memory`, which has so many bytes, aligned to
 * PAWL_RING_ALIGN, local or shared.  To be done by one, before others attach.
 *
 * Returns    0, and the ring in *ring: it lies at `memory`;  -EINVAL as
 *            pawl_ring_bytes, or not aligned;  -EOVERFLOW as there;  -ENOSPC
 *            too few bytes.
 */
PAWL_API int pawl_ring_init(pawl_ring **ring, void *memory, size_t bytes,
                            size_t capacity, size_t element_size,
                            size_t participants);

/* Find the ring that another process has made in memory that is mapped here.
 *
 * Returns    0, and the ring in *ring;  -EINVAL there is none (yet), it has a
 *            layout that this library does not know or a format that this CPU
 *            cannot use, or the memory is not aligned or shorter than the ring.
 */
PAWL_API int pawl_ring_attach(pawl_ring **ring, void *memory, size_t bytes);

/* A ring on the heap.  Returns 0;  -EINVAL, -EOVERFLOW as pawl_ring_bytes;
 * -ENOMEM. */
PAWL_API int pawl_ring_create(pawl_ring **ring, size_t capacity,
                              size_t element_size, size_t participants);
/* Free what create has made; NULL is legal. */
PAWL_API void pawl_ring_free(pawl_ring *ring);

/* ---- one element -------------------------------------------------------- */

/* Copy an element to the end.
 *
 * Returns    0;  -EAGAIN full;  -ESHUTDOWN closed;  -ENOMEM no block is left:
 *            more threads are inside, hold loans or died inside than there are
 *            blocks (never with elements of up to 8 bytes).
 * Contexts   any, signal handlers included.
 */
PAWL_API PAWL_NODISCARD int pawl_ring_push(pawl_ring *ring,
                                           const void *element);

/* Copy the first element out.
 *
 * Returns    0;  -EAGAIN empty;  -ESHUTDOWN empty, and closed;  -ENOMEM as push.
 * Contexts   any, signal handlers included.
 */
PAWL_API PAWL_NODISCARD int pawl_ring_pop(pawl_ring *ring, void *element);

/* ---- several ------------------------------------------------------------ */

/* Push up to n elements that lie one after the other, in order.  Others' may
 * come between them; each is there, and may be popped, as soon as it is in.  Of
 * elements of up to 8 bytes, up to eight go in at once, at every eighth place of
 * the ring, unless that is nearly full; so there is no limit, but batches of many
 * are cheaper, and those of multiples of eight are cheapest.
 *
 * Returns    how many were pushed: fewer than n if the ring became full, closed,
 *            or out of blocks;  the errors of push if none was.  0 if n is 0.
 */
PAWL_API PAWL_NODISCARD int64_t pawl_ring_push_many(pawl_ring *ring,
                                                    const void *elements,
                                                    size_t n);
/* Pop up to n elements.  Returns how many; the errors of pop if none was. */
PAWL_API PAWL_NODISCARD int64_t pawl_ring_pop_many(pawl_ring *ring,
                                                   void *elements, size_t n);

/* ---- in place ----------------------------------------------------------- */

/* An element in the caller's hand.  Not to be copied or moved; used by the
 * thread that got it.  While it lasts it keeps one block. */
typedef struct pawl_ring_loan {
    void *data;       /* element_size bytes, aligned to 8; from 9 bytes to 16 */
    uint32_t record_; /* whose block it is */
    uint32_t kind_;
    uint64_t value_; /* the element, if it needs no block */
} pawl_ring_loan;

/* Lend memory to build an element in.  It reserves no place in the ring.
 *
 * Returns    0: then commit or cancel;  -ENOMEM no block is left.
 */
PAWL_API PAWL_NODISCARD int pawl_ring_reserve(pawl_ring *ring,
                                              pawl_ring_loan *loan);
/* Push what was built.
 *
 * Returns    0: the loan has ended;  -EAGAIN full, -ESHUTDOWN closed: the loan
 *            goes on;  -EINVAL not a loan of reserve.
 */
PAWL_API PAWL_NODISCARD int pawl_ring_commit(pawl_ring *ring,
                                             pawl_ring_loan *loan);
/* End a loan of reserve.  Returns 0;  -EINVAL it is none. */
PAWL_API int pawl_ring_cancel(pawl_ring *ring, pawl_ring_loan *loan);

/* Pop the first element without copying it: loan->data shows it until
 * pawl_ring_give_back.  Its place in the ring is free at once.
 *
 * Returns    0;  -EAGAIN, -ESHUTDOWN, -ENOMEM as pop.
 */
PAWL_API PAWL_NODISCARD int pawl_ring_borrow(pawl_ring *ring,
                                             pawl_ring_loan *loan);
/* End a loan of borrow.  Returns 0;  -EINVAL it is none. */
PAWL_API int pawl_ring_give_back(pawl_ring *ring, pawl_ring_loan *loan);

/* ---- the end ------------------------------------------------------------ */

/* Say that nothing more will come.  Exactly the pushes that are in the ring
 * before this instant will be delivered; all others are -ESHUTDOWN, and so are
 * the pops of the empty ring.  For ever: a closed ring is not opened again.
 *
 * Returns    0, also if it was closed already.
 * Progress   lock-free.
 * Contexts   any, signal handlers included.
 */
PAWL_API int pawl_ring_close(pawl_ring *ring);
PAWL_API bool pawl_ring_is_closed(const pawl_ring *ring);

/* ---- snapshots ---------------------------------------------------------- */

/* The size at an instant within the call, as the slots show it. */
PAWL_API size_t pawl_ring_size(const pawl_ring *ring);
PAWL_API bool pawl_ring_is_empty(const pawl_ring *ring);
PAWL_API bool pawl_ring_is_full(const pawl_ring *ring);

/* Constant. */
PAWL_API size_t pawl_ring_capacity(const pawl_ring *ring);
PAWL_API size_t pawl_ring_element_size(const pawl_ring *ring);

/* ---- who takes part: for elements of more than 8 bytes ------------------- */

/* A thread with an identity keeps the first block that it takes from a ring, if
 * one of the `participants` is left.  Others, and threads that hold a loan or
 * are interrupted by a signal handler, take a block for each operation, which
 * costs them two more atomic operations, and is lost if they are killed.
 *
 * The identity is a number that no two threads, in all processes that use the
 * rings of this one, ever have; for instance the kernel's thread id and the time
 * when the thread began.  0, the default, is none.  The child of a fork has none.
 * Blocks that were kept under an old identity remain that one's.
 *
 * Returns    0;  -EINVAL id >= PAWL_RING_IDENTITIES;  -ENOMEM libc is out of
 *            memory.
 */
#define PAWL_RING_IDENTITIES (UINT64_C(1) << 62)
PAWL_API int pawl_ring_identify(uint64_t id);

/* Give the caller's block back, before the thread ends.
 *
 * Returns    0;  -ENOENT it keeps none;  -EBUSY a loan uses it.
 */
PAWL_API int pawl_ring_leave(pawl_ring *ring);

/* Give back the blocks of threads that have died, however they did.
 *
 * is_dead(id, context) says whether that thread will never run again: stopped is
 * not dead.  What a thread had in its hand when it died is found out by looking
 * for its blocks in the ring; under traffic this may fail, and then another call
 * may succeed.  Blocks of threads without identity cannot be recovered.
 *
 * Returns    how many were given back;  -EINVAL the caller has no identity.
 * Progress   lock-free; looks at every slot.
 */
typedef bool (*pawl_ring_death_fn)(uint64_t id, void *context);
PAWL_API int pawl_ring_recover(pawl_ring *ring, pawl_ring_death_fn is_dead,
                               void *context);

PAWL_END_DECLS

#endif /* PAWL_RING_H */
