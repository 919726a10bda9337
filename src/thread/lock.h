/* SPDX-License-Identifier: MIT
 *
 * lock.h - the locks of this layer's own: nobody ends, or is called off, while
 * holding one.  In the child of a fork that came while somebody else held it, it
 * is found in order, for the steps under these locks leave nothing half done that
 * the child looks at.
 */
#ifndef PAWL_THREAD_LOCK_H
#define PAWL_THREAD_LOCK_H

#include <pawl/error.h>
#include <pawl/mutex.h>

#include "futex/self.h"

PAWL_NO_TSA_ static inline void pawl_lock(pawl_mutex *m)
{
    uint32_t calm = pawl_uninterruptible_begin();

    if (pawl_mutex_lock(m) == -EOWNERDEAD)
        pawl_mutex_consistent(m);
    pawl_uninterruptible_end(calm);
}

PAWL_NO_TSA_ static inline void pawl_unlock(pawl_mutex *m)
{
    pawl_mutex_unlock(m);
}

#endif /* PAWL_THREAD_LOCK_H */
