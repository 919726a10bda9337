/* SPDX-License-Identifier: MIT
 *
 * ring_self.c - the identity of a thread at its rings.
 */
#include <errno.h>
#include <pthread.h>

#include <pawl/ring.h>

#include "atomic/ops.h"
#include "atomic/ring_self.h"

_Thread_local struct pawl_ring_self pawl_ring_self_;

/* In the child of a fork: the records belong to the parent's thread. */
static void forget(void)
{
    pawl_ring_self_ = (struct pawl_ring_self){0};
}

int pawl_ring_identify(uint64_t id)
{
    static pawl_u32 prepared;

    if (id >= PAWL_RING_IDENTITIES)
        return -EINVAL;
    /* relaxed: preparing twice does no harm. */
    if (pawl_load_relaxed(&prepared) == 0) {
        if (pthread_atfork(NULL, NULL, forget) != 0)
            return -ENOMEM;
        pawl_store_relaxed(&prepared, 1); /* relaxed: as above */
    }
    pawl_ring_self_ = (struct pawl_ring_self){.id = id};
    return 0;
}
