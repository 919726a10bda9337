/* SPDX-License-Identifier: MIT
 *
 * pawl/spsc.h - the queue between one producer and one consumer.
 *
 * First in, first out, bounded, never blocks.  Exactly one thread pushes and one
 * pops at a time; another may take over either part if something else (a lock, a
 * join) orders it behind the one before.  Holds exactly `capacity` elements of
 * `element_size` bytes, copied in and out.  Works between processes that map the
 * same memory at different addresses; a process may be killed at any instruction
 * and another take over its part: elements whose push returned are delivered,
 * and those whose pop returned are not delivered again.
 *
 * Algorithm   Lamport's ring (1977): each side writes its own position and reads
 *   the other's; with a remembered copy of the other's position, which is read
 *   anew only when the ring looks full, or empty (the cached positions of Giacomoni
 *   and others' FastForward, 2008, and Lee and others' MCRingBuffer, 2009).
 * Progress    wait-free; no locked instruction, no system call, no allocation.
 * Order       what was done before a push is visible after the pop of that
 *   element.
 * Memory      a multiple of the element size, and 384 bytes.
 * Contexts    any, signal handlers included, but one at a time on each side: a
 *   handler may not push while the thread it interrupts pushes.
 *
 * Since 0.1.
 */
#ifndef PAWL_SPSC_H
#define PAWL_SPSC_H

#include <pawl/base.h>

PAWL_BEGIN_DECLS

typedef struct pawl_spsc pawl_spsc;

/* The greatest capacity and element size. */
#define PAWL_SPSC_CAPACITY_MAX (UINT32_C(1) << 31)
#define PAWL_SPSC_ELEMENT_MAX (UINT32_C(1) << 31)

/* The alignment of its memory. */
#define PAWL_SPSC_ALIGN 128

/* The bytes of memory that it needs.
 *
 * Returns    a number > 0;  -EINVAL a size of 0, or one above its maximum.
 */
PAWL_API int64_t pawl_spsc_bytes(size_t capacity, size_t element_size);

/* Make an empty queue in `memory`, which has so many bytes, aligned to
 * PAWL_SPSC_ALIGN, local or shared.  To be done by one, before others attach.
 *
 * Returns    0, and the queue in *spsc: it lies at `memory`;  -EINVAL as
 *            pawl_spsc_bytes, or not aligned;  -ENOSPC too few bytes.
 */
PAWL_API int pawl_spsc_init(pawl_spsc **spsc, void *memory, size_t bytes,
                            size_t capacity, size_t element_size);

/* Find the queue that another process has made in memory that is mapped here.
 *
 * Returns    0, and the queue in *spsc;  -EINVAL there is none (yet), it has a
 *            layout that this library does not know, or the memory is not
 *            aligned or shorter than the queue.
 */
PAWL_API int pawl_spsc_attach(pawl_spsc **spsc, void *memory, size_t bytes);

/* A queue on the heap.  Returns 0;  -EINVAL as pawl_spsc_bytes;  -ENOMEM. */
PAWL_API int pawl_spsc_create(pawl_spsc **spsc, size_t capacity,
                              size_t element_size);
/* Free what create has made; NULL is legal. */
PAWL_API void pawl_spsc_free(pawl_spsc *spsc);

/* Copy an element to the end.  Returns 0;  -EAGAIN full. */
PAWL_API PAWL_NODISCARD int pawl_spsc_push(pawl_spsc *spsc,
                                           const void *element);
/* Copy the first element out.  Returns 0;  -EAGAIN empty. */
PAWL_API PAWL_NODISCARD int pawl_spsc_pop(pawl_spsc *spsc, void *element);

/* Push up to n elements that lie one after the other; they become visible
 * together.  Returns how many, fewer than n if it became full;  -EAGAIN none.
 * 0 if n is 0. */
PAWL_API PAWL_NODISCARD int64_t pawl_spsc_push_many(pawl_spsc *spsc,
                                                    const void *elements,
                                                    size_t n);
/* Pop up to n elements.  Returns how many;  -EAGAIN none.  0 if n is 0. */
PAWL_API PAWL_NODISCARD int64_t pawl_spsc_pop_many(pawl_spsc *spsc,
                                                   void *elements, size_t n);

/* The first element, in place, until the next pop of the consumer, who calls
 * this; NULL if it is empty.  Aligned as far as the element size is. */
PAWL_API const void *pawl_spsc_front(pawl_spsc *spsc);

/* The size at an instant within the call, which goes on while the consumer pops
 * all the time. */
PAWL_API size_t pawl_spsc_size(const pawl_spsc *spsc);

/* Constant. */
PAWL_API size_t pawl_spsc_capacity(const pawl_spsc *spsc);
PAWL_API size_t pawl_spsc_element_size(const pawl_spsc *spsc);

PAWL_END_DECLS

#endif /* PAWL_SPSC_H */
