/* SPDX-License-Identifier: MIT
 *
 * record.h - what is known of a thread, for self.c and deadlock.c alone.
 */
#ifndef PAWL_FUTEX_RECORD_H
#define PAWL_FUTEX_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "atomic/cpu.h"
#include "atomic/ops.h"
#include "futex/self.h"

/* Beside the address of what a thread waits for.  PINNED: somebody is looking at
 * the announcement, a dying thread or a walk of deadlock.c; until that is over
 * the announcer stays.  FOR_EVER: it is a lock of the kind `kind`, and nothing
 * else ends the wait. */
#define PAWL_PINNED UINT64_C(1)
#define PAWL_FOR_EVER UINT64_C(2)
#define PAWL_ANNOUNCED (~UINT64_C(3))

struct pawl_record {
    pawl_u32 id;         /* [| ENDED [| CLAIMED]]; 0 when never used */
    pawl_u32 tid;        /* the kernel's id */
    uint32_t generation; /* by the claimer */
    pawl_u32 ticket;     /* written under the mutex of `line` */
    pawl_u64 line;       /* the condition waited on, or 0 */
    pawl_u64 waiting;    /* the object slept on [| marks], or 0 */
    pawl_u64 bury;       /* its pawl_bury_fn; valid while `waiting` is not 0 */
    pawl_u64 kind;       /* struct pawl_lock_kind * [| MUST]; see FOR_EVER */
    pawl_u64 cpu;        /* where the kernel keeps its CPU number, or 0 */
    pawl_u64 peeking;    /* the record whose `cpu` it is reading, or 0 */
    /* By who has pawl_walking_: pinned in that walk, and the one before. */
    struct pawl_record *before;
    bool is_walked;
} __attribute__((aligned(2 * PAWL_CACHE_LINE))); /* lines come in pairs */

/* The record of a slot, whose thread may be another one; NULL: there is none. */
struct pawl_record *pawl_record_of(uint32_t local_id);

/* pawl_wait_begins, with marks. */
void pawl_announce(uint64_t waiting, pawl_bury_fn bury);

static inline void *pawl_announced(uint64_t waiting)
{
    return (void *)(uintptr_t)(waiting & PAWL_ANNOUNCED);
}

/* 1 while somebody walks: see deadlock.c. */
extern pawl_u32 pawl_walking_;

#endif /* PAWL_FUTEX_RECORD_H */
