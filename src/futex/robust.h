/* SPDX-License-Identifier: MIT
 *
 * robust.h - a lock of the library's own, in a region, that survives its holder.
 *
 *    31        30   29                            0
 *   +---------+----+-------------------------------+
 *   | WAITERS | 0  |  id of the holder, 0: nobody  |
 *   +---------+----+-------------------------------+
 *
 * For what is short and rare.  It is not fair, it does not spin, and whoever holds
 * it is a participant; locks for users will do better (docs/owner-death.md).
 */
#ifndef PAWL_FUTEX_ROBUST_H
#define PAWL_FUTEX_ROBUST_H

#include "futex/lifeline.h"

/* Take the lock as participant `me`.
 *
 * Returns    0;  -EOWNERDEAD taken, the last holder died: repair what it guards;
 *            -EDEADLK the caller holds it.
 */
int pawl_robust_lock(struct pawl_participants *t, pawl_u32 *word, uint32_t me);
void pawl_robust_unlock(pawl_u32 *word);

#endif /* PAWL_FUTEX_ROBUST_H */
