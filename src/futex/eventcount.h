/* SPDX-License-Identifier: MIT
 *
 * eventcount.h - the event count's fast path, for the structures of the upper
 * layers: nothing but a load while nobody waits.
 */
#ifndef PAWL_FUTEX_EVENTCOUNT_H
#define PAWL_FUTEX_EVENTCOUNT_H

#include <pawl/eventcount.h>

#include "atomic/ops.h"
#include "base/compiler.h"
#include "futex/sys.h"

/* One waiter, in the upper half of the word. */
#define PAWL_EVENTCOUNT_WAITER (UINT64_C(1) << 32)

/* Somebody watches: by a wait set, by an fd. */
#define PAWL_EVENTCOUNT_WATCHED (UINT64_C(1) << 62)
#define PAWL_EVENTCOUNT_POLLED (UINT64_C(1) << 63)

/* Wake n of those who wait, and all wait sets.  Returns the marks that were
 * found, and taken away. */
PAWL_COLD uint64_t pawl_eventcount_wake(pawl_eventcount *ec, uint64_t seen,
                                        uint32_t n);

/* Leave a mark, so that the next notification after a change that a look after
 * this does not see wakes the wait set, which sleeps on *watch; or is told of
 * the mark by pawl_eventcount_wake.  Looks are seq_cst, as in prepare. */
void pawl_eventcount_watch(pawl_eventcount *ec, uint64_t mark,
                           struct pawl_watch *watch);

/* Whether anybody waits or watches; *seen is for pawl_eventcount_wake. */
static inline bool pawl_eventcount_is_heeded(const pawl_eventcount *ec,
                                             uint64_t *seen)
{
    /* seq_cst: pairs with add64_seq in prepare; see eventcount.c. */
    *seen = pawl_load64_seq(&ec->word_);
    return *seen >= PAWL_EVENTCOUNT_WAITER;
}

/* pawl_eventcount_notify for n >= 1. */
static inline void pawl_eventcount_signal(pawl_eventcount *ec, uint32_t n)
{
    uint64_t seen;

    if (pawl_unlikely(pawl_eventcount_is_heeded(ec, &seen)))
        pawl_eventcount_wake(ec, seen, n);
}

#endif /* PAWL_FUTEX_EVENTCOUNT_H */
