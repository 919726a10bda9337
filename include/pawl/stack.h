/* SPDX-License-Identifier: MIT
 *
 * pawl/stack.h - the lock-free bounded stack for many producers and consumers.
 *
 * Last in, first out.  Never blocks: a full or an empty stack is -EAGAIN.  Holds
 * exactly `capacity` elements of `element_size` bytes, copied in and out.  Works
 * between processes that map the same memory at different addresses: there are no
 * pointers in it.
 *
 * Algorithm   Treiber's list (1986) of numbered nodes.  The top is one word: the
 *   number of a node, and a tag that every pop counts up, so that a top which
 *   comes back is not taken for the one that was seen (ABA); and whether the
 *   stack is closed, so that no push comes after the close.  Each node knows how
 *   deep the stack is below it, so full is told from one node.  Nodes that are
 *   not in use form a second list of the same kind.
 * Progress    lock-free: whatever threads are stopped wherever they are, the
 *   others' calls end.  No system call, no allocation.
 * Order       what was done before a push is visible after the pop of that
 *   element.  Linearizable: -EAGAIN means that the stack was full (or empty) at
 *   an instant within the call.
 * Death       a process may be killed at any instruction: the element in its hand
 *   is affected, and one node is lost (see `participants`), the capacity remains.
 * Bounds      a thread would have to be stopped between a load and the
 *   compare-and-swap after it for exactly 2^(63-b) pops, or a multiple, where 2^b
 *   is more than capacity + participants: at 10 ns each, 3 years for 1000.
 * Memory      the element rounded up to 8 bytes and 8 more, for each element and
 *   participant; and 384 bytes.
 * Cost        two locked instructions a push, two a pop.
 *
 * Since 0.1.
 */
#ifndef PAWL_STACK_H
#define PAWL_STACK_H

#include <pawl/base.h>

PAWL_BEGIN_DECLS

typedef struct pawl_stack pawl_stack;

/* The greatest capacity, element size and number of participants. */
#define PAWL_STACK_CAPACITY_MAX (UINT32_C(1) << 30)
#define PAWL_STACK_ELEMENT_MAX (UINT32_C(1) << 31)
#define PAWL_STACK_PARTICIPANTS_MAX (UINT32_C(1) << 30)

/* The alignment of its memory. */
#define PAWL_STACK_ALIGN 128

/* The bytes of memory that a stack needs.
 *
 * participants  how many threads may be inside a push or a pop at one time, or
 *   have been killed there: that many nodes are kept beyond the capacity.
 *
 * Returns    a number > 0;  -EINVAL a size of 0, or one above its maximum.
 */
PAWL_API int64_t pawl_stack_bytes(size_t capacity, size_t element_size,
                                  size_t participants);

/* Make an empty stack in `memory`, which has so many bytes, aligned to
 * PAWL_STACK_ALIGN, local or shared.  To be done by one, before others attach.
 *
 * Returns    0, and the stack in *stack: it lies at `memory`;  -EINVAL as
 *            pawl_stack_bytes, or not aligned;  -ENOSPC too few bytes.
 */
PAWL_API int pawl_stack_init(pawl_stack **stack, void *memory, size_t bytes,
                             size_t capacity, size_t element_size,
                             size_t participants);

/* Find the stack that another process has made in memory that is mapped here.
 *
 * Returns    0, and the stack in *stack;  -EINVAL there is none (yet), it has a
 *            layout that this library does not know, or the memory is not
 *            aligned or shorter than the stack.
 */
PAWL_API int pawl_stack_attach(pawl_stack **stack, void *memory, size_t bytes);

/* A stack on the heap.  Returns 0;  -EINVAL as pawl_stack_bytes;  -ENOMEM. */
PAWL_API int pawl_stack_create(pawl_stack **stack, size_t capacity,
                               size_t element_size, size_t participants);
/* Free what create has made; NULL is legal. */
PAWL_API void pawl_stack_free(pawl_stack *stack);

/* Copy an element to the top.
 *
 * Returns    0;  -EAGAIN full;  -ESHUTDOWN closed;  -ENOMEM not full, but more
 *            threads are inside, or died there, than there are `participants`.
 * Contexts   any, signal handlers included.
 */
PAWL_API PAWL_NODISCARD int pawl_stack_push(pawl_stack *stack,
                                            const void *element);

/* Take the top element and copy it out.
 *
 * Returns    0;  -EAGAIN empty;  -ESHUTDOWN empty, and closed.
 * Contexts   any, signal handlers included.
 */
PAWL_API PAWL_NODISCARD int pawl_stack_pop(pawl_stack *stack, void *element);

/* Say that nothing more will come.  Exactly the pushes that are in the stack
 * before this instant will be popped; all others are -ESHUTDOWN, and so are the
 * pops of the empty stack.  For ever: a closed stack is not opened again.
 *
 * Returns    0, also if it was closed already.
 * Progress   lock-free.
 * Contexts   any, signal handlers included.
 */
PAWL_API int pawl_stack_close(pawl_stack *stack);
PAWL_API bool pawl_stack_is_closed(const pawl_stack *stack);

/* The size at an instant within the call. */
PAWL_API size_t pawl_stack_size(const pawl_stack *stack);

/* Constant. */
PAWL_API size_t pawl_stack_capacity(const pawl_stack *stack);
PAWL_API size_t pawl_stack_element_size(const pawl_stack *stack);

PAWL_END_DECLS

#endif /* PAWL_STACK_H */
