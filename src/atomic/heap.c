/* SPDX-License-Identifier: MIT
 *
 * heap.c - lock-free structures on the heap: the only allocation in this layer.
 */
#include <errno.h>
#include <stdlib.h>

#include <pawl/ring.h>
#include <pawl/spsc.h>
#include <pawl/stack.h>
#include <pawl/wsdeque.h>

/* Memory of so many bytes, or what `bytes` is if it is an error.  All of them are
 * aligned alike, and their sizes are multiples of that. */
static int64_t allocate(void **memory, int64_t bytes)
{
    if (bytes < 0)
        return bytes;
    *memory = aligned_alloc(PAWL_RING_ALIGN, (size_t)bytes);
    return *memory == NULL ? -ENOMEM : bytes;
}

_Static_assert(PAWL_RING_ALIGN == PAWL_SPSC_ALIGN &&
                   PAWL_RING_ALIGN == PAWL_STACK_ALIGN &&
                   PAWL_RING_ALIGN == PAWL_WSDEQUE_ALIGN,
               "allocate aligns them alike");

int pawl_ring_create(pawl_ring **ring, size_t capacity, size_t element_size,
                     size_t participants)
{
    void *memory = NULL;
    int64_t bytes = allocate(
        &memory, pawl_ring_bytes(capacity, element_size, participants));

    return bytes < 0 ? (int)bytes
                     : pawl_ring_init(ring, memory, (size_t)bytes, capacity,
                                      element_size, participants);
}

void pawl_ring_free(pawl_ring *ring)
{
    free(ring);
}

int pawl_spsc_create(pawl_spsc **spsc, size_t capacity, size_t element_size)
{
    void *memory = NULL;
    int64_t bytes = allocate(&memory, pawl_spsc_bytes(capacity, element_size));

    return bytes < 0 ? (int)bytes
                     : pawl_spsc_init(spsc, memory, (size_t)bytes, capacity,
                                      element_size);
}

void pawl_spsc_free(pawl_spsc *spsc)
{
    free(spsc);
}

int pawl_stack_create(pawl_stack **stack, size_t capacity, size_t element_size,
                      size_t participants)
{
    void *memory = NULL;
    int64_t bytes = allocate(
        &memory, pawl_stack_bytes(capacity, element_size, participants));

    return bytes < 0 ? (int)bytes
                     : pawl_stack_init(stack, memory, (size_t)bytes, capacity,
                                       element_size, participants);
}

void pawl_stack_free(pawl_stack *stack)
{
    free(stack);
}

int pawl_wsdeque_create(pawl_wsdeque **deque, size_t capacity)
{
    void *memory = NULL;
    int64_t bytes = allocate(&memory, pawl_wsdeque_bytes(capacity));

    return bytes < 0
               ? (int)bytes
               : pawl_wsdeque_init(deque, memory, (size_t)bytes, capacity);
}

void pawl_wsdeque_free(pawl_wsdeque *deque)
{
    free(deque);
}
