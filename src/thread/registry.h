/* SPDX-License-Identifier: MIT
 *
 * registry.h - all carriers, for those who ask which threads there are.
 */
#ifndef PAWL_THREAD_REGISTRY_H
#define PAWL_THREAD_REGISTRY_H

#include "thread/carrier.h"

void pawl_registry_add(struct pawl_carrier *c);
/* Returns when nobody looks at *c any more. */
void pawl_registry_remove(struct pawl_carrier *c);

/* Call look(c, context) for each, until it says false. */
void pawl_registry_each(bool (*look)(const struct pawl_carrier *c,
                                     void *context),
                        void *context);

/* In a forked child, alone: only this one is left, or, if NULL, none. */
void pawl_registry_reset(struct pawl_carrier *left);

#endif /* PAWL_THREAD_REGISTRY_H */
