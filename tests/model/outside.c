/* SPDX-License-Identifier: MIT
 *
 * What src/thread says to the world outside of the explorer: the kernel's
 * attributes of a thread, which undo.c looks after, are no part of what is explored.
 */
#include "thread/undo.h"

void pawl_undo_remember(struct pawl_inheritance *has)
{
    (void)has;
}

void pawl_undo_signals(const struct pawl_inheritance *has)
{
    (void)has;
}

bool pawl_undo_all(const struct pawl_inheritance *has)
{
    (void)has;
    return true;
}

void pawl_undo_look(struct pawl_inheritance *mine)
{
    (void)mine;
}

bool pawl_undo_bequeath(const struct pawl_inheritance *has,
                        struct pawl_inheritance *mine, bool all)
{
    (void)has;
    (void)mine;
    (void)all;
    return false;
}

void pawl_undo_inherit(struct pawl_inheritance *has,
                       const struct pawl_inheritance *wants)
{
    (void)has;
    (void)wants;
}
