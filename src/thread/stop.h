/* SPDX-License-Identifier: MIT
 *
 * stop.h - asking for a stop: see stop.c.
 */
#ifndef PAWL_THREAD_STOP_H
#define PAWL_THREAD_STOP_H

#include <stdint.h>

#include "futex/self.h"

/* Ask whoever heeds *in to stop, unless its stop word is not `calm`: then it has
 * been asked, or is somebody else. */
void pawl_interrupt_raise(struct pawl_interrupt *in, uint64_t calm);

/* What the task that the calling thread runs heeds, the innermost one; NULL: it
 * runs none.  In pool_work.c. */
struct pawl_interrupt *pawl_task_heeds(void);

#endif /* PAWL_THREAD_STOP_H */
