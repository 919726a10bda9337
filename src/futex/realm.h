/* SPDX-License-Identifier: MIT
 *
 * realm.h - who the caller is to a shared object.
 *
 * In memory where threads have lifelines (a region) an object names them by their
 * ids there, and finds them dead; elsewhere by the kernel's thread ids, which say
 * nothing.  Which of the two follows from the address of the object: each process
 * has a list of such memory, its realms, and each thread remembers the last stretch
 * of addresses that it used, be it a realm or what lies between two.
 */
#ifndef PAWL_FUTEX_REALM_H
#define PAWL_FUTEX_REALM_H

#include "atomic/ops.h"
#include "futex/lifeline.h"
#include "futex/self.h"

struct pawl_realm {
    struct pawl_realm *next;
    uintptr_t base;
    size_t bytes;
    struct pawl_participants *table;
};

/* Before anything in it is used, and after; by any thread. */
void pawl_realm_begin(struct pawl_realm *r);
void pawl_realm_end(struct pawl_realm *r);

extern pawl_u32 pawl_realm_changes_; /* of the list */

/* Whether the caller remembers where that is. */
static inline bool pawl_realm_is_near(const void *object)
{
    return pawl_likely((uintptr_t)object - pawl_self_.near.base <
                       pawl_self_.near.bytes) &&
           /* relaxed: who learned of the object learned of its realm. */
           pawl_likely(pawl_load_relaxed(&pawl_realm_changes_) ==
                       pawl_self_.near.changes);
}

/* The caller's id to a shared object, 0 if that is not known at once. */
static inline uint32_t pawl_realm_known_id(const void *object)
{
    return pawl_realm_is_near(object) ? pawl_self_.near.id : 0;
}

/* The participants of the realm of an object; NULL if it is in none. */
PAWL_COLD struct pawl_participants *pawl_realm_find(const void *object);
static inline struct pawl_participants *pawl_realm_of(const void *object)
{
    return pawl_realm_is_near(object) ? pawl_self_.near.table
                                      : pawl_realm_find(object);
}

/* The caller's id to a shared object, 0 if it has none yet. */
PAWL_COLD uint32_t pawl_realm_find_me(const void *object);
static inline uint32_t pawl_realm_me(const void *object)
{
    uint32_t id = pawl_realm_known_id(object);

    return pawl_likely(id != 0) ? id : pawl_realm_find_me(object);
}

/* The same; takes a slot if need be, in *table unless that is NULL afterwards.
 *
 * Returns    0;  -EAGAIN, -ENOMEM as pawl_participants_join.
 */
PAWL_COLD int pawl_realm_join(const void *object,
                              struct pawl_participants **table, uint32_t *id);

/* The calling thread leaves all realms. */
void pawl_realm_leave_all(void);

#endif /* PAWL_FUTEX_REALM_H */
