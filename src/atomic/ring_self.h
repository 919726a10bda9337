/* SPDX-License-Identifier: MIT
 *
 * ring_self.h - what a thread remembers about the rings that it uses.
 *
 * Apart from ring.c, which knows nothing of thread-local storage, so that a
 * model of threads can bring its own.
 */
#ifndef PAWL_ATOMIC_RING_SELF_H
#define PAWL_ATOMIC_RING_SELF_H

#include <stdint.h>

enum { PAWL_RING_SEATS = 4 }; /* a power of two */

struct pawl_ring_seat {
    const void *ring;
    uint32_t record; /* where to look first; may be wrong */
};

struct pawl_ring_self {
    uint64_t id; /* 0: none */
    struct pawl_ring_seat seats[PAWL_RING_SEATS];
};

extern _Thread_local struct pawl_ring_self pawl_ring_self_;

static inline uint64_t pawl_ring_identity(void)
{
    return pawl_ring_self_.id;
}

/* The seat of this thread at that ring. */
static inline struct pawl_ring_seat *pawl_ring_seat(const void *ring)
{
    struct pawl_ring_seat *seats = pawl_ring_self_.seats;

    return &seats[((uintptr_t)ring >> 7) & (PAWL_RING_SEATS - 1)];
}

#endif /* PAWL_ATOMIC_RING_SELF_H */
