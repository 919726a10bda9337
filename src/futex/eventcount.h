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

/* One waiter, in the upper half of the word. */
#define PAWL_EVENTCOUNT_WAITER (UINT64_C(1) << 32)

PAWL_COLD void pawl_eventcount_wake(pawl_eventcount *ec, uint64_t seen,
                                    uint32_t n);

/* pawl_eventcount_notify for n >= 1. */
static inline void pawl_eventcount_signal(pawl_eventcount *ec, uint32_t n)
{
    /* seq_cst: pairs with add64_seq in prepare; see eventcount.c. */
    uint64_t seen = pawl_load64_seq(&ec->word_);

    if (pawl_unlikely(seen >= PAWL_EVENTCOUNT_WAITER))
        pawl_eventcount_wake(ec, seen, n);
}

#endif /* PAWL_FUTEX_EVENTCOUNT_H */
