/* SPDX-License-Identifier: MIT
 *
 * ring_self.h - what a thread remembers about the rings that it uses.
 *
 * Apart from ring.c, which knows nothing of thread-local storage, so that a
 * model of threads can bring its own.
 */
#ifndef PAWL_ATOMIC_RING_SELF_H
#define PAWL_ATOMIC_RING_SELF_H

#include <stdbool.h>
#include <stdint.h>

enum { PAWL_RING_SEATS = 4 }; /* a power of two */

struct pawl_ring_seat {
    const void *ring;
    uint32_t record; /* where to look first; may be wrong */
};

/* How a thread gets on with the other end: see keep_distance in ring.c. */
struct pawl_ring_pace {
    const void *ring;
    uint64_t at;  /* where it found that ring full or empty, last */
    uint32_t vain; /* ends to be met without a pause, after one in vain */
    uint32_t left; /* of these */
    bool paused;  /* at the last end */
};

struct pawl_ring_self {
    uint64_t id; /* 0: none */
    struct pawl_ring_seat seats[PAWL_RING_SEATS];
    struct pawl_ring_pace paces[PAWL_RING_SEATS];
};

extern _Thread_local struct pawl_ring_self pawl_ring_self_;

static inline uint64_t pawl_ring_identity(void)
{
    return pawl_ring_self_.id;
}

static inline unsigned pawl_ring_place_(const void *ring)
{
    return ((uintptr_t)ring >> 7) & (PAWL_RING_SEATS - 1);
}

/* The seat of this thread at that ring, or at another one. */
static inline struct pawl_ring_seat *pawl_ring_seat(const void *ring)
{
    return &pawl_ring_self_.seats[pawl_ring_place_(ring)];
}

static inline struct pawl_ring_pace *pawl_ring_pace(const void *ring)
{
    return &pawl_ring_self_.paces[pawl_ring_place_(ring)];
}

#endif /* PAWL_ATOMIC_RING_SELF_H */
