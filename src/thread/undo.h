/* SPDX-License-Identifier: MIT
 *
 * undo.h - a parked OS thread is to look like a new one to the next thread that
 * it runs: with the signal mask, the CPUs and the scheduling of the thread that
 * starts that, whatever the last one has changed by system calls of its own.
 */
#ifndef PAWL_THREAD_UNDO_H
#define PAWL_THREAD_UNDO_H

#include "thread/carrier.h"

/* Remember what the calling OS thread has. */
void pawl_undo_remember(struct pawl_inheritance *has);

/* Have the signal mask that the last thread began with. */
void pawl_undo_signals(const struct pawl_inheritance *has);
/* ... and all else.  False: it is not allowed to. */
bool pawl_undo_all(const struct pawl_inheritance *has);

/* By a thread that is about to start another one: what that is to have, but for the
 * scheduling. */
void pawl_undo_look(struct pawl_inheritance *mine);
/* ... on an OS thread that has *has: whether it has to change to have *mine.  The
 * scheduling is looked at if `all`. */
bool pawl_undo_bequeath(const struct pawl_inheritance *has,
                        struct pawl_inheritance *mine, bool all);
/* By that OS thread. */
void pawl_undo_inherit(struct pawl_inheritance *has,
                       const struct pawl_inheritance *wants);

#endif /* PAWL_THREAD_UNDO_H */
