/* SPDX-License-Identifier: MIT
 *
 * registry.c - the list of registry.h.
 *
 * I1  `next` of a carrier in the list leads to one in the list, or to NULL; that
 *     of a carrier that was removed leads to one that was in the list when it was
 *     removed, or later.
 * I2  Nobody is within enter and leave, or in synchronize_rcu, while a fork
 *     copies this process: what liburcu keeps of its readers is then that of a
 *     process without any.
 */
#include "thread/registry.h"

#include <stdlib.h>

#include <pawl/rwlock.h>

/* The types of liburcu itself, for a question that it does not answer: whether
 * the program has registered the calling thread. */
#include <urcu/static/urcu-memb.h>
#include <urcu/urcu-memb.h>

#include "atomic/ops.h"
#include "thread/lock.h"

/* Carriers that wait together for a grace period. */
#define GRAVES 32

static pawl_mutex writing = PAWL_MUTEX_INIT;
static pawl_u64 first;              /* of the list */
static struct pawl_carrier *graves; /* under `writing`: removed, not freed */
static unsigned buried;             /* ... how many */
static pawl_rwlock forking = PAWL_RWLOCK_INIT; /* I2: written by who forks */
static pawl_u32 departures;                    /* readers that are done */

static _Thread_local unsigned depth;
static _Thread_local bool registered; /* by us */
static _Thread_local bool forks;      /* and has `forking` for that */

/* -- Readers -------------------------------------------------------------- */

static void hold_forks(void)
{
    uint32_t calm = pawl_uninterruptible_begin();

    (void)!pawl_rwlock_read_lock(&forking);
    pawl_uninterruptible_end(calm);
}

void pawl_registry_enter(void)
{
    if (depth++ != 0)
        return;
    hold_forks();
    registered = !URCU_TLS(urcu_memb_reader).registered;
    if (registered)
        urcu_memb_register_thread();
    urcu_memb_read_lock();
}

void pawl_registry_leave(void)
{
    if (--depth != 0)
        return;
    /* release: pairs with the acquire in clear, which is after the grace period
     * anyway; for the eyes of ThreadSanitizer, which does not see liburcu. Before
     * the unlock: after it, a grace period may end that this does not count in. */
    pawl_add_release(&departures, 1);
    urcu_memb_read_unlock();
    if (registered)
        urcu_memb_unregister_thread();
    pawl_rwlock_read_unlock(&forking);
}

struct pawl_carrier *pawl_registry_next(const struct pawl_carrier *last)
{
    /* seq_cst: pairs with pawl_registry_add, for the carrier; D of the drawing in
     * exit.c. */
    return (struct pawl_carrier *)(uintptr_t)pawl_load64_seq(
        last != NULL ? &last->next : &first);
}

/* -- Writers -------------------------------------------------------------- */

/* Of the list, under `writing`. */
static pawl_u64 *place_of(const struct pawl_carrier *c)
{
    return c->prev != NULL ? &c->prev->next : &first;
}

static struct pawl_carrier *next_of(const struct pawl_carrier *c)
{
    /* relaxed: under `writing`. */
    return (struct pawl_carrier *)(uintptr_t)pawl_load64_relaxed(&c->next);
}

void pawl_registry_add(struct pawl_carrier *c)
{
    struct pawl_carrier *second;

    pawl_lock(&writing);
    /* relaxed: under `writing`. */
    second = (struct pawl_carrier *)(uintptr_t)pawl_load64_relaxed(&first);
    c->prev = NULL;
    /* relaxed: published by the next store. */
    pawl_store64_relaxed(&c->next, (uintptr_t)second);
    if (second != NULL)
        second->prev = c;
    /* seq_cst: pairs with pawl_registry_next; A of the drawing in exit.c. */
    pawl_store64_seq(&first, (uintptr_t)c);
    pawl_unlock(&writing);
}

/* Free what nobody can look at after a grace period. */
static void clear(struct pawl_carrier *c)
{
    hold_forks();
    urcu_memb_synchronize_rcu();
    pawl_rwlock_read_unlock(&forking);
    /* acquire: pairs with the release in pawl_registry_leave. */
    (void)pawl_load_acquire(&departures);
    while (c != NULL) {
        struct pawl_carrier *next = c->prev;

        free(c);
        c = next;
    }
}

void pawl_registry_remove(struct pawl_carrier *c)
{
    struct pawl_carrier *full = NULL;
    struct pawl_carrier *next;

    pawl_lock(&writing);
    next = next_of(c);
    if (next != NULL)
        next->prev = c->prev;
    /* release: pairs with pawl_registry_next: it was published already. */
    pawl_store64_release(place_of(c), (uintptr_t)next);
    c->prev = graves; /* readers do not look at it */
    graves = c;
    if (++buried == GRAVES) {
        full = graves;
        graves = NULL;
        buried = 0;
    }
    pawl_unlock(&writing);
    if (full != NULL)
        clear(full);
}

/* -- Forks ---------------------------------------------------------------- */

void pawl_registry_before_fork(void)
{
    uint32_t calm = pawl_uninterruptible_begin();

    forks = depth == 0 && pawl_rwlock_write_lock(&forking) == 0;
    pawl_uninterruptible_end(calm);
}

void pawl_registry_after_fork(void)
{
    if (forks)
        pawl_rwlock_write_unlock(&forking);
    forks = false;
}

void pawl_registry_in_child(struct pawl_carrier *left)
{
    pawl_mutex_init(&writing, 0);
    pawl_registry_after_fork();
    pawl_rwlock_init(&forking, 0); /* others may have queued for it */
    graves = NULL; /* with what they hold: it may be half done */
    buried = 0;
    /* relaxed: alone. */
    pawl_store64_relaxed(&first, (uintptr_t)left);
    if (left == NULL)
        return;
    left->prev = NULL;
    pawl_store64_relaxed(&left->next, 0); /* relaxed: alone */
}
