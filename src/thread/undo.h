/* SPDX-License-Identifier: MIT
 *
 * undo.h - a parked OS thread is to look like a new one to the next thread that
 * it runs: with the signal mask, the CPUs and the scheduling of the thread that
 * starts that, whatever the last one has changed by system calls of its own.
 */
#ifndef PAWL_THREAD_UNDO_H
#define PAWL_THREAD_UNDO_H

#include "thread/carrier.h"

/* What the calling thread blocks, as the kernel knows it. */
uint64_t pawl_undo_blocked(void);

/* Remember what the calling OS thread has. */
void pawl_undo_remember(struct pawl_inheritance *has);

/* Have the signal mask that the last thread began with. */
void pawl_undo_signals(const struct pawl_inheritance *has);
/* ... and all else.  False: it is not allowed to. */
bool pawl_undo_all(const struct pawl_inheritance *has);

/* Become like the thread `starter`, which blocks `signals`; if `all`, with all
 * that it has, as far as it is still there. */
void pawl_undo_inherit(struct pawl_inheritance *has, uint64_t signals,
                       uint32_t starter, bool all);

#endif /* PAWL_THREAD_UNDO_H */
