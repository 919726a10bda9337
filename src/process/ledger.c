/* SPDX-License-Identifier: MIT
 *
 * ledger.c - the permits of pawl/ledger.h.
 *
 *   permit    leaves it by
 *   0         acquire -> id
 *   id        release -> 0;  death of that thread, acquire -> id of another
 *
 * A look at all permits is not one instant: one that was seen held may be given back
 * while another, free until then, is taken.  Who gives back counts that; who has
 * found none and sees another count than before looks again.  So at the end of a look
 * that nothing was given back in, no permit was free.
 */
#include <pawl/ledger.h>

#include "atomic/ops.h"
#include "base/place.h"
#include "process/region.h"
#include "queue/wait.h"

#define MAGIC UINT32_C(0x6c656467) /* "ledg" */
#define LAYOUT UINT32_C(1)

struct pawl_ledger {
    pawl_u32 magic; /* written last; these are constant */
    uint32_t layout;
    uint32_t permits;
    uint32_t unused;
    struct pawl_end free; /* who waits for one */
    pawl_u32 returned;    /* how often one was given back */
    pawl_u32 holder[] __attribute__((aligned(2 * PAWL_CACHE_LINE)));
};

_Static_assert(sizeof(struct pawl_ledger) == PAWL_LEDGER_ALIGN,
               "the layout is fixed");

int64_t pawl_ledger_bytes(size_t permits)
{
    if (permits == 0 || permits > PAWL_LEDGER_PERMITS_MAX)
        return -EINVAL;
    return (int64_t)pawl_round_up(sizeof(struct pawl_ledger) +
                                      permits * sizeof(pawl_u32),
                                  PAWL_LEDGER_ALIGN);
}

int pawl_ledger_init(pawl_ledger **ledger, void *memory, size_t bytes,
                     size_t permits)
{
    int err = pawl_check_place(memory, PAWL_LEDGER_ALIGN, bytes,
                               pawl_ledger_bytes(permits));
    struct pawl_ledger *l = memory;

    if (err != 0)
        return err;
    l->layout = LAYOUT;
    l->permits = (uint32_t)permits;
    pawl_end_init(&l->free, PAWL_SHARED);
    pawl_store_relaxed(&l->returned, 0); /* relaxed: before the magic, all */
    for (size_t i = 0; i < permits; i++)
        pawl_store_relaxed(&l->holder[i], 0); /* relaxed: as above */
    pawl_store_release(&l->magic, MAGIC);     /* pairs with attach */
    *ledger = l;
    return 0;
}

int pawl_ledger_attach(pawl_ledger **ledger, void *memory, size_t bytes)
{
    struct pawl_ledger *l = memory;

    if (!pawl_is_place(memory, PAWL_LEDGER_ALIGN, bytes, sizeof *l))
        return -EINVAL;
    /* acquire: pairs with the release in init. */
    if (pawl_load_acquire(&l->magic) != MAGIC || l->layout != LAYOUT ||
        pawl_ledger_bytes(l->permits) > (int64_t)bytes)
        return -EINVAL;
    *ledger = l;
    return 0;
}

/* The caller's id;  -ENOMEM, -EBADF. */
static int enter(pawl_region *r)
{
    int id = pawl_region_me(r);

    return id == -EAGAIN ? -ENOMEM : id;
}

/* Where a participant begins to look, so that not all begin at one. */
static uint32_t first_for(const pawl_ledger *l, uint32_t me)
{
    return (me & PAWL_SLOT_MASK) % l->permits;
}

static pawl_u32 *permit_at(pawl_ledger *l, uint32_t me, uint32_t i)
{
    return &l->holder[(first_for(l, me) + i) % l->permits];
}

/* Take one that is free, or held by somebody dead.  0, -EOWNERDEAD, -EAGAIN. */
static int look_for_one(pawl_ledger *l, struct pawl_participants *t,
                        uint32_t me, bool of_the_dead)
{
    for (uint32_t i = 0; i < l->permits; i++) {
        pawl_u32 *permit = permit_at(l, me, i);
        /* seq_cst: pairs with release, as the event count demands. */
        uint32_t seen = pawl_load_seq(permit);

        if (of_the_dead ? seen == 0 || pawl_participant_alive(t, seen)
                        : seen != 0)
            continue;
        /* seq_cst: as above; acquires what the last holder did. */
        if (pawl_cas_seq(permit, &seen, me))
            return of_the_dead ? -EOWNERDEAD : 0;
    }
    return -EAGAIN;
}

struct call {
    pawl_ledger *l;
    struct pawl_participants *t;
    uint32_t me;
};

static int64_t attempt(void *call)
{
    const struct call *c = call;

    for (;;) {
        /* seq_cst: before the looks, and pairs with release. */
        uint32_t before = pawl_load_seq(&c->l->returned);
        int err = look_for_one(c->l, c->t, c->me, false);

        if (err == -EAGAIN)
            err = look_for_one(c->l, c->t, c->me, true);
        /* seq_cst: as above. */
        if (err != -EAGAIN || pawl_load_seq(&c->l->returned) == before)
            return err;
    }
}

/* The deadline is NULL for the try form. */
static int acquire(pawl_ledger *l, pawl_region *r, const pawl_deadline *until)
{
    struct call c = {.l = l};
    int id = enter(r);
    int err;

    if (id < 0)
        return id;
    c.t = r->table;
    c.me = (uint32_t)id;
    err = (int)attempt(&c);
    if (err != -EAGAIN || until == NULL)
        return err;
    return (int)pawl_wait_for(attempt, &c, &l->free, *until);
}

int pawl_ledger_try_acquire(pawl_ledger *l, pawl_region *r)
{
    return acquire(l, r, NULL);
}

int pawl_ledger_acquire_until(pawl_ledger *l, pawl_region *r,
                              pawl_deadline until)
{
    return acquire(l, r, &until);
}

int pawl_ledger_acquire(pawl_ledger *l, pawl_region *r)
{
    return pawl_ledger_acquire_until(l, r, PAWL_FOREVER);
}

int pawl_ledger_release(pawl_ledger *l, pawl_region *r)
{
    int id = enter(r);

    if (id < 0)
        return id;
    for (uint32_t i = 0; i < l->permits; i++) {
        pawl_u32 *permit = permit_at(l, (uint32_t)id, i);

        /* relaxed: only the caller writes its own id. */
        if (pawl_load_relaxed(permit) != (uint32_t)id)
            continue;
        /* seq_cst: pairs with the looks of those who wait; a release to the next
         * holder. */
        pawl_store_seq(permit, 0);
        /* seq_cst: pairs with attempt. */
        pawl_add_seq(&l->returned, 1);
        pawl_end_tell(&l->free, 1);
        return 0;
    }
    return -EPERM;
}

uint32_t pawl_ledger_value(const pawl_ledger *l, pawl_region *r)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < l->permits; i++) {
        /* relaxed: a snapshot. */
        uint32_t seen = pawl_load_relaxed(&l->holder[i]);

        n += seen == 0 || !pawl_region_is_alive(r, (int)seen);
    }
    return n;
}

uint32_t pawl_ledger_permits(const pawl_ledger *l)
{
    return l->permits;
}

uint32_t pawl_ledger_held(const pawl_ledger *l, pawl_region *r)
{
    int id = enter(r);
    uint32_t n = 0;

    for (uint32_t i = 0; i < l->permits && id > 0; i++)
        /* relaxed: only the caller writes its own id. */
        n += pawl_load_relaxed(&l->holder[i]) == (uint32_t)id;
    return n;
}
