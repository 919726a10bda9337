/* SPDX-License-Identifier: MIT
 *
 * The library's own sys.c, and what it knows of the kernel between two schedules.
 */
#include <unistd.h>

#include "machine.h"

#define syscall model_syscall

#include "futex/sys.c"

const void *const model_sys_hint = &refused;

void model_sys_restore(enum model_waitv waitv)
{
    refused.v_ = waitv == MODEL_WAITV_MISSES ? KNOWN | NO_WAITV : KNOWN;
}
