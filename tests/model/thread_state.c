/* SPDX-License-Identifier: MIT
 *
 * The library's own thread.c, whose numbers begin anew with each schedule: so two
 * schedules can be compared.
 */
#include "machine.h"

#include "thread/thread.c"

static void restore(void)
{
    numbers.given.v_ = 0;
}

MODEL_RESTORED_BY(restore)
