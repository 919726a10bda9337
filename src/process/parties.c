/* SPDX-License-Identifier: MIT
 *
 * parties.c - the barrier of pawl/parties.h: one of pawl/barrier.h, and the ids of those
 * who wait at it.
 *
 *   place     leaves it by
 *   0         the first wait -> id
 *   id        leave -> 0;  found dead, after the barrier is broken for it -> 0
 *
 * A party is in its place before it arrives.  So if it has arrived and is dead then
 * there is a place that says so.
 */
#include <pawl/parties.h>

#include "atomic/ops.h"
#include "base/place.h"
#include "futex/barrier_core.h"
#include "process/region.h"

#define MAGIC UINT32_C(0x70617274) /* "part" */
#define LAYOUT UINT32_C(1)

/* How long it sleeps without a look at the others. */
#define LOOK_AGAIN_MS 50

struct pawl_parties {
    pawl_u32 magic; /* written last; these are constant */
    uint32_t layout;
    uint32_t parties;
    uint32_t unused;
    pawl_barrier barrier __attribute__((aligned(PAWL_CACHE_LINE)));
    pawl_u32 place[] __attribute__((aligned(2 * PAWL_CACHE_LINE)));
};

_Static_assert(sizeof(struct pawl_parties) == PAWL_PARTIES_ALIGN,
               "the layout is fixed");

/* ---- making one ----------------------------------------------------------- */

int64_t pawl_parties_bytes(size_t parties)
{
    if (parties == 0 || parties > PAWL_BARRIER_PARTIES_MAX)
        return -EINVAL;
    return (int64_t)pawl_round_up(sizeof(struct pawl_parties) +
                                      parties * sizeof(pawl_u32),
                                  PAWL_PARTIES_ALIGN);
}

int pawl_parties_init(pawl_parties **parties, void *memory, size_t bytes,
                      size_t n)
{
    int err = pawl_check_place(memory, PAWL_PARTIES_ALIGN, bytes,
                               pawl_parties_bytes(n));
    struct pawl_parties *p = memory;

    if (err != 0)
        return err;
    p->layout = LAYOUT;
    p->parties = (uint32_t)n;
    pawl_barrier_init(&p->barrier, (uint32_t)n, PAWL_FOREVER, PAWL_SHARED);
    for (size_t i = 0; i < n; i++)
        pawl_store_relaxed(&p->place[i], 0); /* relaxed: before the magic */
    pawl_store_release(&p->magic, MAGIC);    /* pairs with attach */
    *parties = p;
    return 0;
}

int pawl_parties_attach(pawl_parties **parties, void *memory, size_t bytes)
{
    struct pawl_parties *p = memory;

    if (!pawl_is_place(memory, PAWL_PARTIES_ALIGN, bytes, sizeof *p))
        return -EINVAL;
    /* acquire: pairs with the release in init. */
    if (pawl_load_acquire(&p->magic) != MAGIC || p->layout != LAYOUT ||
        pawl_parties_bytes(p->parties) > (int64_t)bytes)
        return -EINVAL;
    *parties = p;
    return 0;
}

/* ---- who takes part ------------------------------------------------------- */

/* The caller's id;  -ENOMEM, -EBADF. */
static int enter(pawl_region *r)
{
    int id = pawl_region_me(r);

    return id == -EAGAIN ? -ENOMEM : id;
}

static pawl_u32 *place_of(pawl_parties *p, uint32_t id)
{
    for (uint32_t i = 0; i < p->parties; i++)
        /* relaxed: only the caller writes its own id. */
        if (pawl_load_relaxed(&p->place[i]) == id)
            return &p->place[i];
    return NULL;
}

/* Write the caller down, if there is a place. */
static void sit_down(pawl_parties *p, uint32_t id)
{
    if (place_of(p, id) != NULL)
        return;
    for (uint32_t i = 0; i < p->parties; i++) {
        uint32_t seen = 0;

        /* release: it is seen by those who see that we have arrived. */
        if (pawl_cas_release(&p->place[i], &seen, id))
            return;
    }
}

/* Find the dead, and break the barrier for them before they are forgotten. */
static void look_for_the_dead(pawl_parties *p, struct pawl_participants *t)
{
    for (uint32_t i = 0; i < p->parties; i++) {
        /* acquire: pairs with sit_down. */
        uint32_t seen = pawl_load_acquire(&p->place[i]);

        if (seen == 0 || pawl_participant_alive(t, seen))
            continue;
        pawl_barrier_abort(&p->barrier, -EOWNERDEAD);
        /* release: it is broken for who finds the place free. */
        pawl_cas_release(&p->place[i], &seen, 0);
    }
}

/* ---- waiting -------------------------------------------------------------- */

static int finish(pawl_parties *p, struct pawl_participants *t,
                  pawl_barrier_ticket ticket, pawl_deadline until)
{
    for (;;) {
        pawl_deadline next;
        int err;

        look_for_the_dead(p, t);
        next = pawl_after_ms(LOOK_AGAIN_MS);
        err = pawl_barrier_await(&p->barrier, ticket,
                                 next < until ? next : until);
        if (err == 0)
            return pawl_barrier_try_finish(&p->barrier, ticket);
        if (next >= until)
            return pawl_barrier_finish_until(&p->barrier, ticket, until);
    }
}

int pawl_parties_wait_until(pawl_parties *p, pawl_region *r,
                            pawl_deadline until)
{
    pawl_barrier_ticket ticket;
    int id = enter(r);
    int index;
    int err = 0;

    if (id < 0)
        return id;
    sit_down(p, (uint32_t)id);
    look_for_the_dead(p, r->table);
    index = pawl_barrier_arrive(&p->barrier, NULL, NULL, until, &ticket);
    if (index >= 0 && (uint32_t)index + 1 < p->parties)
        err = finish(p, r->table, ticket, until);
    return err < 0 ? err : index;
}

int pawl_parties_wait(pawl_parties *p, pawl_region *r)
{
    return pawl_parties_wait_until(p, r, PAWL_FOREVER);
}

int pawl_parties_try_wait(pawl_parties *p, pawl_region *r)
{
    int id = enter(r);

    if (id < 0)
        return id;
    look_for_the_dead(p, r->table);
    return pawl_barrier_try_wait(&p->barrier);
}

int pawl_parties_leave(pawl_parties *p, pawl_region *r)
{
    int id = enter(r);
    pawl_u32 *place;

    if (id < 0)
        return id;
    place = place_of(p, (uint32_t)id);
    if (place == NULL)
        return -ENOENT;
    /* release: pairs with nothing; what we did as a party comes before. */
    pawl_store_release(place, 0);
    return 0;
}

int pawl_parties_reset(pawl_parties *p, pawl_region *r)
{
    int id = enter(r);

    if (id < 0)
        return id;
    look_for_the_dead(p, r->table);
    return pawl_barrier_reset(&p->barrier);
}

pawl_barrier *pawl_parties_barrier(pawl_parties *p)
{
    return &p->barrier;
}
