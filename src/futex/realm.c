/* SPDX-License-Identifier: MIT
 *
 * realm.c - the list of realm.h, and what a thread remembers of it.
 */
#include "futex/realm.h"

#include <errno.h>

#include <pawl/mutex.h>

static pawl_mutex list_lock;
static struct pawl_realm *realms; /* under list_lock */
pawl_u32 pawl_realm_changes_;

static void lock_list(void)
{
    uint32_t calm = pawl_uninterruptible_begin();

    /* A fork may have left it behind.  The list is whole after each store. */
    if (pawl_mutex_lock(&list_lock) == -EOWNERDEAD)
        pawl_mutex_consistent(&list_lock);
    pawl_uninterruptible_end(calm);
}

static void unlock_list(void)
{
    /* relaxed: see pawl_realm_is_near. */
    pawl_add_relaxed(&pawl_realm_changes_, 1);
    pawl_mutex_unlock(&list_lock);
}

/* A pawl_repair_fn.  What a dead thread has left in locks, they find out by
 * themselves: by its notes if it is still in its slot, and because nobody has such
 * notes after this. */
static void forget_notes(struct pawl_participants *t, uint32_t slot)
{
    for (int i = PAWL_NOTE_MARK; i < PAWL_NOTE_FREE; i++)
        /* relaxed: published by the end of the repair. */
        pawl_store64_relaxed(&t->slot[slot].note[i], 0);
}

void pawl_realm_begin(struct pawl_realm *r)
{
    pawl_repair_with(PAWL_REPAIR_LOCKS, forget_notes);
    lock_list();
    r->next = realms;
    realms = r;
    unlock_list();
}

void pawl_realm_end(struct pawl_realm *r)
{
    lock_list();
    for (struct pawl_realm **x = &realms; *x != NULL; x = &(*x)->next) {
        if (*x == r) {
            *x = r->next;
            break;
        }
    }
    unlock_list();
}

/* Remember the stretch that `at` lies in, and who the caller is there. */
static void look_around(uintptr_t at)
{
    struct pawl_near near = {.bytes = UINTPTR_MAX};
    uintptr_t end = UINTPTR_MAX;

    /* relaxed: see pawl_realm_is_near.  No realm has ever been: no lock. */
    near.changes = pawl_load_relaxed(&pawl_realm_changes_);
    if (near.changes != 0) {
        lock_list();
        near.changes =
            pawl_load_relaxed(&pawl_realm_changes_); /* relaxed: ditto */
        for (struct pawl_realm *r = realms; r != NULL; r = r->next) {
            if (at - r->base < r->bytes) {
                near.base = r->base;
                end = r->base + r->bytes;
                near.table = r->table;
                break;
            }
            if (r->base > at && r->base < end)
                end = r->base;
            if (r->base < at && r->base + r->bytes > near.base)
                near.base = r->base + r->bytes;
        }
        pawl_mutex_unlock(&list_lock);
        near.bytes = end - near.base;
    }
    near.id = near.table != NULL ? pawl_participants_me(near.table)
                                 : pawl_self_shared();
    pawl_self_.near = near;
}

struct pawl_participants *pawl_realm_find(const void *object)
{
    look_around((uintptr_t)object);
    return pawl_self_.near.table;
}

uint32_t pawl_realm_find_me(const void *object)
{
    look_around((uintptr_t)object);
    return pawl_self_.near.id;
}

int pawl_realm_join(const void *object, struct pawl_participants **table,
                    uint32_t *id)
{
    *table = pawl_realm_of(object);
    *id = pawl_self_.near.id;
    if (pawl_unlikely(*id == 0)) {
        int me = pawl_participants_join(*table);

        if (me < 0)
            return me;
        pawl_self_.near.id = *id = (uint32_t)me;
    }
    return 0;
}

/* The participants of a realm in which the caller has a slot; NULL: there is none. */
static struct pawl_participants *table_with_me(void)
{
    struct pawl_participants *t = NULL;

    lock_list();
    for (struct pawl_realm *r = realms; r != NULL && t == NULL; r = r->next)
        if (pawl_participants_me(r->table) != 0)
            t = r->table;
    pawl_mutex_unlock(&list_lock);
    return t;
}

void pawl_realm_leave_all(void)
{
    struct pawl_participants *t;

    if (pawl_participant_self_.key == 0)
        return;
    /* Without the lock, for repairs may ask where they are.  A table stays mapped
     * as long as we have a slot there. */
    while ((t = table_with_me()) != NULL)
        pawl_participants_leave(t);
}
