/* SPDX-License-Identifier: MIT
 *
 * guard.h - the lock of the structures that have one.
 */
#ifndef PAWL_QUEUE_GUARD_H
#define PAWL_QUEUE_GUARD_H

#include <pawl/error.h>
#include <pawl/mutex.h>

#include "base/compiler.h"
#include "futex/self.h"

/* Returns 0: locked; -EDEADLK: by the caller, who is in a callback;
 * -ENOTRECOVERABLE: a thread ended while it held the lock.  What it left half
 * done is not repaired. */
PAWL_NO_TSA_ static inline int pawl_guard_lock(pawl_mutex *m)
{
    int err = pawl_mutex_lock(m);

    if (pawl_unlikely(err == -ETIMEDOUT)) { /* asked to stop, but not here */
        uint32_t calm = pawl_uninterruptible_begin();

        err = pawl_mutex_lock(m);
        pawl_uninterruptible_end(calm);
    }
    if (pawl_unlikely(err == -EOWNERDEAD)) {
        pawl_mutex_unlock(m);
        return -ENOTRECOVERABLE;
    }
    return err;
}

/* Pass through the lock: of two who do, the second sees all that the first did
 * before. */
PAWL_NO_TSA_ static inline int pawl_guard_pass(pawl_mutex *m)
{
    int err = pawl_guard_lock(m);

    if (err == 0)
        pawl_mutex_unlock(m);
    return err;
}

#endif /* PAWL_QUEUE_GUARD_H */
