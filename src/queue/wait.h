/* SPDX-License-Identifier: MIT
 *
 * wait.h - how a thread waits for room, or for an element.
 */
#ifndef PAWL_QUEUE_WAIT_H
#define PAWL_QUEUE_WAIT_H

#include <pawl/error.h>

#include "futex/eventcount.h"
#include "queue/end.h"

/* Attempt until that gives anything but -EAGAIN, or the deadline passes:
 * -ETIMEDOUT.  Those who can change the answer tell `own`.  Either the answer
 * is seq_cst, as the event count demands, or it is given under a lock that those
 * hold too: then who comes second in the lock has seen the other, the waiter the
 * change, or the notifier the waiter. */
static inline int64_t pawl_wait_for(int64_t (*attempt)(void *call), void *call,
                                    struct pawl_end *own, pawl_deadline until)
{
    struct pawl_spin spin;
    int64_t done = -EAGAIN;
    int err = 0;

    if (until > 0 && pawl_end_spins(own, &spin)) {
        while ((done = attempt(call)) == -EAGAIN && pawl_spin_again(&spin))
            ;
        pawl_spin_ends(&spin, done != -EAGAIN);
    }
    while (done == -EAGAIN) {
        uint32_t key;

        if (err == -ETIMEDOUT)
            return err;
        key = pawl_eventcount_prepare(&own->waiters);
        done = attempt(call);
        if (done != -EAGAIN) {
            pawl_eventcount_cancel(&own->waiters, key);
            break;
        }
        err = pawl_eventcount_wait_until(&own->waiters, key, until);
        done = attempt(call);
    }
    return done;
}

#endif /* PAWL_QUEUE_WAIT_H */
