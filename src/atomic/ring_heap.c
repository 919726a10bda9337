/* SPDX-License-Identifier: MIT
 *
 * ring_heap.c - rings on the heap: the only allocation in this layer.
 */
#include <errno.h>
#include <stdlib.h>

#include <pawl/ring.h>

int pawl_ring_create(pawl_ring **ring, size_t capacity, size_t element_size,
                     size_t participants)
{
    int64_t bytes = pawl_ring_bytes(capacity, element_size, participants);
    void *memory;
    int err;

    if (bytes < 0)
        return (int)bytes;
    memory = aligned_alloc(PAWL_RING_ALIGN, (size_t)bytes);
    if (memory == NULL)
        return -ENOMEM;
    err = pawl_ring_init(ring, memory, (size_t)bytes, capacity, element_size,
                         participants);
    if (err != 0)
        free(memory);
    return err;
}

void pawl_ring_free(pawl_ring *ring)
{
    free(ring);
}
