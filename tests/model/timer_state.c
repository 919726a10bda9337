/* SPDX-License-Identifier: MIT
 *
 * The library's own timer.c, and what must be done to it between two schedules.
 */
#include "machine.h"

#include "thread/timer.c"

static void restore(void)
{
    /* A wheel is made new with its shard's first timer. */
    for (uint32_t i = 0; i < SHARDS; i++)
        memset(&shards[i], 0, offsetof(struct shard, wheel));
    memset(&service, 0, sizeof service);
}

MODEL_RESTORED_BY(restore)
