/* SPDX-License-Identifier: MIT
 *
 * directory.c - named objects in a region.
 *
 * I1  Under the lock, and where nobody died holding it, every entry is FREE or
 *     PRESENT.
 * I2  What the memory of an entry is, is decided before it becomes PRESENT, and
 *     stands in `offset` from then until it is REMOVING.
 *
 * Becoming PRESENT, or REMOVING, is one store: the instant at which the name is
 * there or gone.  A holder of the lock that dies before the first or after the
 * second leaves an entry that the next holder empties.
 */
#include "process/directory.h"

#include <errno.h>
#include <string.h>

#include "atomic/ops.h"
#include "base/tsan.h"
#include "futex/robust.h"
#include "process/heap.h"

enum { FREE, MAKING, PRESENT, REMOVING, STATE = 3, TURN = 4 };

_Static_assert(sizeof(struct pawl_entry) == 128, "the layout is fixed");

static struct pawl_directory *directory_of(const pawl_region *r)
{
    return (struct pawl_directory *)(void *)(r->base + r->map.directory);
}

/* A name as it stands in an entry. */
struct key {
    uint64_t word[PAWL_NAME_WORDS];
};

/* False if it is no name. */
static bool make_key(const char *name, struct key *k)
{
    size_t length = name != NULL ? strnlen(name, PAWL_REGION_KEY_MAX + 1) : 0;

    *k = (struct key){{0}};
    if (length == 0 || length > PAWL_REGION_KEY_MAX)
        return false;
    memcpy(k->word, name, length);
    return true;
}

static bool has_key(const struct pawl_entry *e, const struct key *k)
{
    int i = 0;

    /* acquire: pairs with the release in create_locked: if this is of a later
     * entry then the state that is looked at behind it is another. */
    while (i < PAWL_NAME_WORDS &&
           pawl_load64_acquire(&e->name[i]) == k->word[i])
        i++;
    return i == PAWL_NAME_WORDS;
}

static void set_state(struct pawl_entry *e, uint64_t state)
{
    /* relaxed: ours, under the lock. */
    uint64_t seen = pawl_load64_relaxed(&e->state);

    if (state == FREE)
        seen += TURN;
    /* release: pairs with the acquire in state_of: the entry, and its object. */
    pawl_store64_release(&e->state, (seen & ~(uint64_t)STATE) | state);
}

static uint64_t state_of(const struct pawl_entry *e)
{
    /* acquire: pairs with set_state. */
    return pawl_load64_acquire(&e->state);
}

/* The entry of that name, NULL if there is none; *seen is its state. */
static struct pawl_entry *look_up(const pawl_region *r, const struct key *k,
                                  uint64_t *seen)
{
    struct pawl_directory *d = directory_of(r);

    for (uint32_t i = 0; i < r->plan.names; i++) {
        *seen = state_of(&d->entry[i]);
        if ((*seen & STATE) == PRESENT && has_key(&d->entry[i], k))
            return &d->entry[i];
    }
    return NULL;
}

/* Free the memory of an entry, and then itself.  May be killed and done again. */
static void empty(pawl_region *r, struct pawl_entry *e)
{
    pawl_memory_free_at(r, &e->offset.v_);
    set_state(e, FREE);
}

/* Restore I1. */
static void repair(pawl_region *r)
{
    struct pawl_directory *d = directory_of(r);

    /* What the dead one was in the middle of, with an entry's offset too. */
    pawl_participants_recover(r->table);
    for (uint32_t i = 0; i < r->plan.names; i++) {
        uint64_t state = state_of(&d->entry[i]) & STATE;

        if (state == MAKING || state == REMOVING)
            empty(r, &d->entry[i]);
    }
}

static int lock(pawl_region *r)
{
    int me = pawl_region_me(r);
    int err;

    if (me < 0)
        return me;
    err = pawl_robust_lock(r->table, &directory_of(r)->lock, (uint32_t)me);
    if (err == -EOWNERDEAD) {
        repair(r);
        err = 0;
    }
    return err;
}

static void unlock(pawl_region *r)
{
    pawl_robust_unlock(&directory_of(r)->lock);
}

/* Allocate and initialise the object of an entry that is MAKING. */
static int fill(pawl_region *r, struct pawl_entry *e, const pawl_object *o,
                pawl_object_init_fn init, void *context)
{
    pawl_offset offset;
    int err = pawl_memory_alloc(r, o->bytes, PAWL_OBJECT_ALIGN,
                                PAWL_MEMORY_ZERO, &offset);

    if (err == 0)
        err = pawl_memory_publish(r, offset, &e->offset.v_);
    if (err == 0 && init != NULL)
        err = init(pawl_region_at(r, offset), o->bytes, context);
    return err;
}

static uint64_t kind_of(const pawl_object *o)
{
    return (uint64_t)o->type << 32 | o->version;
}

static struct pawl_entry *free_entry(const pawl_region *r)
{
    struct pawl_directory *d = directory_of(r);

    for (uint32_t i = 0; i < r->plan.names; i++)
        if ((state_of(&d->entry[i]) & STATE) == FREE)
            return &d->entry[i];
    return NULL;
}

/* Where the object of an entry is. */
static void *object_of(const pawl_region *r, const struct pawl_entry *e)
{
    /* acquire: pairs with the release in pawl_memory_publish, as in has_key. */
    return pawl_region_at(r, pawl_load64_acquire(&e->offset));
}

static int create_locked(pawl_region *r, const pawl_object *o,
                         const struct key *k, pawl_object_init_fn init,
                         void *context, void **memory)
{
    struct pawl_entry *e;
    uint64_t seen;
    int err;

    if (look_up(r, k, &seen) != NULL)
        return -EEXIST;
    e = free_entry(r);
    if (e == NULL)
        return -ENOSPC;
    set_state(e, MAKING);
    err = fill(r, e, o, init, context);
    if (err != 0) {
        empty(r, e);
        return err;
    }
    /* release: pairs with find and has_key: who reads one of these sees that the
     * entry is no longer what it was. */
    for (int i = 0; i < PAWL_NAME_WORDS; i++)
        pawl_store64_release(&e->name[i], k->word[i]);
    pawl_store64_release(&e->kind, kind_of(o));
    pawl_store64_release(&e->bytes, o->bytes);
    *memory = object_of(r, e);
    pawl_tsan_release(*memory);
    set_state(e, PRESENT);
    return 0;
}

int pawl_object_create(pawl_region *r, const pawl_object *o,
                       pawl_object_init_fn init, void *context, void **memory)
{
    struct key k;
    int err;

    if (!make_key(o->name, &k) || o->bytes == 0 ||
        o->bytes > PAWL_REGION_BYTES_MAX)
        return -EINVAL;
    err = lock(r);
    if (err != 0)
        return err;
    err = create_locked(r, o, &k, init, context, memory);
    unlock(r);
    return err;
}

int pawl_object_find(pawl_region *r, pawl_object *o, void **memory)
{
    const struct pawl_entry *e;
    struct key k;
    uint64_t seen;
    uint64_t kind;
    uint64_t bytes;
    void *found;

    if (!make_key(o->name, &k))
        return -EINVAL;
    if (r->base == NULL)
        return -EBADF;
    do {
        e = look_up(r, &k, &seen);
        if (e == NULL)
            return -ENOENT;
        found = object_of(r, e);
        /* acquire: pairs with the release in create_locked, as in has_key. */
        kind = pawl_load64_acquire(&e->kind);
        bytes = pawl_load64_acquire(&e->bytes);
    } while (state_of(e) != seen);
    if (kind != kind_of(o))
        return -EINVAL;
    o->bytes = (size_t)bytes;
    *memory = found;
    pawl_tsan_acquire(found);
    return 0;
}

int pawl_object_open(pawl_region *r, pawl_object *o, pawl_object_init_fn init,
                     void *context, void **memory)
{
    const size_t bytes = o->bytes; /* find overwrites it */
    int err;

    /* It may be removed between the two. */
    do {
        o->bytes = bytes;
        err = pawl_object_find(r, o, memory);
        if (err != -ENOENT)
            return err;
        err = pawl_object_create(r, o, init, context, memory);
    } while (err == -EEXIST);
    return err == 0 ? 1 : err;
}

int pawl_object_remove(pawl_region *r, const char *name)
{
    struct pawl_entry *e;
    struct key k;
    uint64_t seen;
    int err;

    if (!make_key(name, &k))
        return -EINVAL;
    err = lock(r);
    if (err != 0)
        return err;
    e = look_up(r, &k, &seen);
    if (e != NULL) {
        set_state(e, REMOVING);
        empty(r, e);
    }
    unlock(r);
    return e != NULL ? 0 : -ENOENT;
}
