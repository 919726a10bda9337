/* SPDX-License-Identifier: MIT
 *
 * cond_core.h - what the release of a mutex does for its conditions.
 */
#ifndef PAWL_FUTEX_COND_CORE_H
#define PAWL_FUTEX_COND_CORE_H

#include <stdbool.h>

#include "futex/self.h"

/* Wake the first few of the sleepers that a notify has chosen, and move the
 * others to the queue of the mutex, which is free by now.  Touches neither object: the
 * addresses only name queues.
 *
 * Returns    whether somebody was woken, who will then take the mutex and wake
 *            the next.
 */
bool pawl_cond_wake_deferred(const struct pawl_deferred_wake *d, bool shared);

#endif /* PAWL_FUTEX_COND_CORE_H */
