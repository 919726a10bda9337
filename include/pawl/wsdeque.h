/* SPDX-License-Identifier: MIT
 *
 * pawl/wsdeque.h - the work-stealing deque.
 *
 * One thread, the owner, pushes and pops words (pointers, indices) at one end,
 * last in, first out; any number of others steal from the other end, first in,
 * first out.  The owner pays no atomic read-modify-write but for the last word.
 * Bounded: a full deque is -EAGAIN, and the owner does the work itself or puts
 * it elsewhere.  No pointers inside.
 *
 * Algorithm   Chase and Lev (2005), in the form that Le, Pop, Cohen and Zappa
 *   Nardelli (2013) proved for weak memory, with seq_cst accesses instead of
 *   fences.
 * Progress    owner: wait-free.  steal: lock-free; it fails only because somebody
 *   else got the word.  No system call, no allocation.
 * Order       what was done before a push is visible to who gets that word.  A
 *   push is a release; who must wake a thief that sleeps says so to an event
 *   count whose notify comes after a seq_cst operation of its own.
 * Bounds      positions have 64 bits, and count pushes: no wrap.
 *
 * Since 0.1.
 */
#ifndef PAWL_WSDEQUE_H
#define PAWL_WSDEQUE_H

#include <pawl/base.h>

PAWL_BEGIN_DECLS

typedef struct pawl_wsdeque pawl_wsdeque;

#define PAWL_WSDEQUE_CAPACITY_MAX (UINT32_C(1) << 31)

/* The alignment of its memory. */
#define PAWL_WSDEQUE_ALIGN 128

/* The bytes of memory for `capacity` words, a power of two.
 *
 * Returns    a number > 0;  -EINVAL not a power of two, or above the maximum.
 */
PAWL_API int64_t pawl_wsdeque_bytes(size_t capacity);

/* Make an empty deque in `memory`, which has so many bytes, aligned to
 * PAWL_WSDEQUE_ALIGN.
 *
 * Returns    0, and the deque in *deque: it lies at `memory`;  -EINVAL as
 *            pawl_wsdeque_bytes, or not aligned;  -ENOSPC too few bytes.
 */
PAWL_API int pawl_wsdeque_init(pawl_wsdeque **deque, void *memory, size_t bytes,
                               size_t capacity);

/* A deque on the heap.  Returns 0;  -EINVAL as pawl_wsdeque_bytes;  -ENOMEM. */
PAWL_API int pawl_wsdeque_create(pawl_wsdeque **deque, size_t capacity);
/* Free what create has made; NULL is legal. */
PAWL_API void pawl_wsdeque_free(pawl_wsdeque *deque);

/* The owner: add a word at its end.  Returns 0;  -EAGAIN full. */
PAWL_API PAWL_NODISCARD int pawl_wsdeque_push(pawl_wsdeque *deque,
                                              uint64_t word);
/* The owner: take the word that it added last.  Returns 0;  -EAGAIN empty. */
PAWL_API PAWL_NODISCARD int pawl_wsdeque_pop(pawl_wsdeque *deque,
                                             uint64_t *word);

/* Anybody else: take the word that was added first.
 *
 * Returns    0;  -EAGAIN it was empty at an instant within the call, but for
 *            what the owner pushed unknown to the caller: its push is an ordinary
 *            store, which others see in its own time.
 */
PAWL_API PAWL_NODISCARD int pawl_wsdeque_steal(pawl_wsdeque *deque,
                                               uint64_t *word);

/* How many words there are: exact for the owner while nobody steals, otherwise
 * of an instant within the call, where the owner's pop may count as begun. */
PAWL_API size_t pawl_wsdeque_size(const pawl_wsdeque *deque);

/* Constant. */
PAWL_API size_t pawl_wsdeque_capacity(const pawl_wsdeque *deque);

PAWL_END_DECLS

#endif /* PAWL_WSDEQUE_H */
