/* SPDX-License-Identifier: MIT
 *
 * tests/support/rings.h - rings of both formats, and elements that can be told
 * apart in every byte.
 */
#ifndef PAWL_TEST_RINGS_H
#define PAWL_TEST_RINGS_H

#include <stdlib.h>
#include <string.h>

#include <pawl/ring.h>

#include "atomic/ring_core.h"
#include "test.h"

#define RINGS_INLINE __attribute__((unused)) static

enum { RING_ELEMENT_MAX = 4096 };

/* Whether that format can hold such elements. */
RINGS_INLINE bool ring_has_format(enum pawl_ring_format format,
                                  size_t element_size)
{
    return format == PAWL_RING_SWAP || element_size <= 8;
}

RINGS_INLINE pawl_ring *ring_make_at(enum pawl_ring_format format,
                                     size_t capacity, size_t element_size,
                                     size_t participants, uint64_t lap)
{
    int64_t bytes =
        pawl_ring_bytes_as(format, capacity, element_size, participants);
    void *memory;
    pawl_ring *r;

    CHECK(bytes > 0);
    memory = aligned_alloc(PAWL_RING_ALIGN, (size_t)bytes);
    CHECK(memory != NULL);
    memset(memory, 0xa5, (size_t)bytes);
    CHECK_OK(pawl_ring_init_as(format, &r, memory, (size_t)bytes, capacity,
                               element_size, participants, lap));
    return r;
}

RINGS_INLINE pawl_ring *ring_make(enum pawl_ring_format format, size_t capacity,
                                  size_t element_size, size_t participants)
{
    return ring_make_at(format, capacity, element_size, participants, 0);
}

/* The same in memory that children share; never freed. */
RINGS_INLINE pawl_ring *ring_make_shared(enum pawl_ring_format format,
                                         size_t capacity, size_t element_size,
                                         size_t participants)
{
    int64_t bytes =
        pawl_ring_bytes_as(format, capacity, element_size, participants);
    pawl_ring *r;

    CHECK(bytes > 0);
    CHECK_OK(pawl_ring_init_as(format, &r, test_shared_alloc((size_t)bytes),
                               (size_t)bytes, capacity, element_size,
                               participants, 0));
    return r;
}

/* Element number n: its bytes depend on n and on where they are. */
RINGS_INLINE void element_fill(void *element, size_t size, uint64_t n)
{
    unsigned char *byte = element;

    for (size_t i = 0; i < size; i++)
        byte[i] = (unsigned char)((n >> (i % 8 * 8)) + i / 8);
}

RINGS_INLINE bool element_is(const void *element, size_t size, uint64_t n)
{
    unsigned char want[RING_ELEMENT_MAX];

    CHECK(size <= sizeof want);
    element_fill(want, size, n);
    return memcmp(element, want, size) == 0;
}

#endif /* PAWL_TEST_RINGS_H */
