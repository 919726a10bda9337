/* SPDX-License-Identifier: MIT
 *
 * The library's own wait.c, and what must be done to it between two schedules.
 */
#include "machine.h"

#include "futex/wait.c"

static void restore(void)
{
    bell = (pawl_eventcount)PAWL_EVENTCOUNT_INIT;
}

MODEL_RESTORED_BY(restore)
