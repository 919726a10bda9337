/* SPDX-License-Identifier: MIT
 *
 * lock_names.h - names of locks, and forgetting them: see lock_names.c.
 */
#ifndef PAWL_FUTEX_LOCK_NAMES_H
#define PAWL_FUTEX_LOCK_NAMES_H

#include "atomic/ops.h"
#include "base/compiler.h"

extern pawl_u32 pawl_lock_names_; /* there are so many */

PAWL_COLD void pawl_lock_forget_name(const void *lock);

/* A lock begins, or ends, at this address. */
static inline void pawl_lock_changes(const void *lock)
{
    /* relaxed: who names a lock that others use already says so to them. */
    if (pawl_unlikely(pawl_load_relaxed(&pawl_lock_names_) != 0))
        pawl_lock_forget_name(lock);
}

#endif /* PAWL_FUTEX_LOCK_NAMES_H */
