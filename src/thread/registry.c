/* SPDX-License-Identifier: MIT
 *
 * registry.c - the list of registry.h.
 */
#include "thread/registry.h"

#include <pawl/mutex.h>

static pawl_mutex lock = PAWL_MUTEX_INIT;
static struct pawl_carrier *first; /* under lock */

/* Nobody ends while holding it, so no answer but 0 matters. */
static void enter(void)
{
    (void)!pawl_mutex_lock(&lock);
}

static void leave(void)
{
    pawl_mutex_unlock(&lock);
}

void pawl_registry_add(struct pawl_carrier *c)
{
    enter();
    c->prev = NULL;
    c->next = first;
    if (first != NULL)
        first->prev = c;
    first = c;
    leave();
}

void pawl_registry_remove(struct pawl_carrier *c)
{
    enter();
    if (c->next != NULL)
        c->next->prev = c->prev;
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        first = c->next;
    leave();
}

void pawl_registry_each(bool (*look)(const struct pawl_carrier *c,
                                     void *context),
                        void *context)
{
    enter();
    for (const struct pawl_carrier *c = first; c != NULL; c = c->next)
        if (!look(c, context))
            break;
    leave();
}

void pawl_registry_reset(struct pawl_carrier *left)
{
    pawl_mutex_init(&lock, 0);
    first = left;
    if (left != NULL)
        left->next = left->prev = NULL;
}
