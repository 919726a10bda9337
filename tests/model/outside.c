/* SPDX-License-Identifier: MIT
 *
 * What src/thread says to the world outside of the explorer: the program does not
 * end, and the kernel's attributes of a thread, which undo.c looks after, are no
 * part of what is explored.
 */
#include "thread/exit.h"
#include "thread/undo.h"

int pawl_exit_add(struct pawl_exit_hook *hook)
{
    (void)hook;
    return 0;
}

int pawl_exit_gate(void)
{
    return 0;
}

bool pawl_exit_is_mine(void)
{
    return false;
}

void pawl_exit_notice(void)
{
}

void pawl_exit_in_child(void)
{
}

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
