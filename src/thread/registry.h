/* SPDX-License-Identifier: MIT
 *
 * registry.h - all carriers, for those who ask which threads there are.
 *
 * A list that is read under RCU (liburcu, memb flavour): looking at it keeps no
 * thread from starting or ending.  A carrier that is removed is freed a grace
 * period later; many at once, for a grace period costs as much as many ends of
 * threads.
 */
#ifndef PAWL_THREAD_REGISTRY_H
#define PAWL_THREAD_REGISTRY_H

#include "thread/carrier.h"

void pawl_registry_add(struct pawl_carrier *c);
/* *c, from malloc, is freed when nobody looks at it any more. */
void pawl_registry_remove(struct pawl_carrier *c);

/* Between these, carriers that are in the list, or are those of a thread that has
 * not ended, stay valid.  May be nested. */
void pawl_registry_enter(void);
void pawl_registry_leave(void);

/* The first one, or the next; NULL: no more.  Within the two above. */
struct pawl_carrier *pawl_registry_next(const struct pawl_carrier *last);

/* Around a fork, and in its child: only *left is left, or, if NULL, none. */
void pawl_registry_before_fork(void);
void pawl_registry_after_fork(void);
void pawl_registry_in_child(struct pawl_carrier *left);

#endif /* PAWL_THREAD_REGISTRY_H */
