/* SPDX-License-Identifier: MIT
 *
 * seqlock.h - words that are read together without keeping their writer waiting.
 *
 *   writer                              reader
 *   version is odd now     (A)          version, even      (D)
 *   stores words, each     (B)          loads words, each  (E)
 *   version is even again  (C)          the same version?  (F)
 *
 * Each of B is a release and each of E an acquire: an E that finds a B has A
 * before it, so F differs from D.
 */
#ifndef PAWL_ATOMIC_SEQLOCK_H
#define PAWL_ATOMIC_SEQLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "atomic/cpu.h"
#include "atomic/ops.h"

/* Begin to write; false: somebody else does. */
static inline bool pawl_seqlock_try_begin(pawl_u32 *version)
{
    uint32_t seen = pawl_load_relaxed(version); /* relaxed: the CAS decides */

    /* acquire: pairs with the release in pawl_seqlock_end: A. */
    return (seen & 1) == 0 && pawl_cas_acquire(version, &seen, seen + 1);
}

static inline void pawl_seqlock_end(pawl_u32 *version)
{
    /* release: pairs with D; C of the drawing. */
    pawl_store_release(version, pawl_load_relaxed(version) + 1);
}

static inline void pawl_seqlock_store(pawl_u64 *word, uint64_t value)
{
    pawl_store64_release(word, value); /* release: B, pairs with E */
}

/* Copy n words; false: they were being written. */
static inline bool pawl_seqlock_try_read(const pawl_u32 *version,
                                         const pawl_u64 *word, uint64_t *copy,
                                         size_t n)
{
    uint32_t seen = pawl_load_acquire(version); /* acquire: D, pairs with C */

    for (size_t i = 0; i < n; i++)
        copy[i] = pawl_load64_acquire(&word[i]); /* acquire: E, pairs with B */
    /* relaxed: F, ordered by the acquires before it. */
    return (seen & 1) == 0 && pawl_load_relaxed(version) == seen;
}

#endif /* PAWL_ATOMIC_SEQLOCK_H */
