/* SPDX-License-Identifier: MIT
 *
 * deadlock.h - threads that wait for each other: see deadlock.c.
 */
#ifndef PAWL_FUTEX_DEADLOCK_H
#define PAWL_FUTEX_DEADLOCK_H

#include <stdint.h>

#include <pawl/time.h>

#include "futex/self.h"

/* How a kind of lock is looked at by those who do not wait for it. */
struct pawl_lock_kind {
    pawl_bury_fn bury;
    /* Its holder, if that is known; the newest value, by a seq_cst
     * read-modify-write. */
    uint32_t (*holder)(void *lock);
};

/* pawl_wait_begins for a local lock with a holder, who was seen just now.  If the
 * wait is for ever, and that can only be for ever, it does not begin.
 *
 * Returns    0;  -EDEADLK: the caller calls pawl_wait_ends all the same. */
int pawl_lock_wait_begins(void *lock, const struct pawl_lock_kind *kind,
                          uint32_t holder, pawl_deadline until);

/* Between these two the waits of the calling thread for locks do not fail: of the
 * threads that wait for each other another one is told.  Returns what the other
 * takes. */
static inline bool pawl_must_lock_begin(void)
{
    bool must = pawl_self_.must_lock;

    pawl_self_.must_lock = true;
    return must;
}

static inline void pawl_must_lock_end(bool must)
{
    pawl_self_.must_lock = must;
}

#endif /* PAWL_FUTEX_DEADLOCK_H */
