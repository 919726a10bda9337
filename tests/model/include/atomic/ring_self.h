/* SPDX-License-Identifier: MIT
 *
 * The explorer's place of src/atomic/ring_self.h: what belongs to a thread
 * belongs to a coroutine.
 */
#ifndef PAWL_ATOMIC_RING_SELF_H
#define PAWL_ATOMIC_RING_SELF_H

#include <stdbool.h>
#include <stdint.h>

struct pawl_ring_seat {
    const void *ring;
    uint32_t record;
};

struct pawl_ring_pace {
    const void *ring;
    uint64_t at;
    uint32_t vain;
    uint32_t left;
    bool paused;
};

/* In machine.c: each thread of a scenario has an identity. */
uint64_t pawl_ring_identity(void);
struct pawl_ring_seat *pawl_ring_seat(const void *ring);
struct pawl_ring_pace *pawl_ring_pace(const void *ring);

#endif /* PAWL_ATOMIC_RING_SELF_H */
