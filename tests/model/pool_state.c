/* SPDX-License-Identifier: MIT
 *
 * The library's own pool.c, and what must be done to it between two schedules.
 */
#include "machine.h"

#include "thread/pool.c"

static void restore(void)
{
    memset(&pools, 0, sizeof pools);
}

MODEL_RESTORED_BY(restore)
