/* SPDX-License-Identifier: MIT
 *
 * The library's own pool.c, and what must be done to it between two schedules.
 */
#include "machine.h"

#include "thread/pool.c"

static void restore(void)
{
    pools = (struct pawl_roll){.is_busy = is_busy, .settle = settle};
}

MODEL_RESTORED_BY(restore)
