/* SPDX-License-Identifier: MIT
 *
 * The library's own wait.c, and what must be done to it between two schedules.
 */
#include "machine.h"

#include "futex/wait.c"

void model_wait_restore(void)
{
    bell = (pawl_eventcount)PAWL_EVENTCOUNT_INIT;
}
