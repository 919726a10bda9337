/* SPDX-License-Identifier: MIT
 *
 * members_sweep.c - D-14, H-13, S-10, B-13: what else is done with the things in a region:
 * blocks kept and asked about, objects opened and found, permits taken in all forms,
 * parties that try, leave and reset.  A victim goes through them, one after the other,
 * and is killed at any instruction.
 */
#include <pawl/ledger.h>
#include <pawl/memory.h>
#include <pawl/object.h>
#include <pawl/parties.h>

#include "audit.h"
#include "swept.h"
#include "swept_region.h"

enum {
    PAGE = PAWL_REGION_PAGE,
    PAGES = 2,
    BYTES = (9 + PAGES) * PAGE,
    PERMITS = 2
};

struct scene {
    _Alignas(PAWL_REGION_PAGE) unsigned char memory[BYTES];
    pawl_offset block; /* kept */
    volatile bool returned;
};

static unsigned char *buffer_of(struct scene *s)
{
    return pawl_region_buffer(region_of(s), NULL);
}

static pawl_ledger *ledger_of(struct scene *s)
{
    pawl_ledger *l;

    CHECK_OK(pawl_ledger_attach(&l, buffer_of(s), PAGE));
    return l;
}

static pawl_parties *parties_of(struct scene *s)
{
    pawl_parties *p;

    CHECK_OK(pawl_parties_attach(&p, buffer_of(s) + PAGE, PAGE));
    return p;
}

static pawl_object object(void)
{
    return (pawl_object){.name = "it", .type = 1, .version = 1, .bytes = 200};
}

static void prepare(void *scene)
{
    struct scene *s = scene;
    const struct pawl_region_plan plan = {.participants = 4,
                                          .buffer_bytes = 2 * PAGE,
                                          .heap_pages = PAGES,
                                          .names = 2};
    pawl_region *r = region_make(s, BYTES, &plan);
    pawl_ledger *l;
    pawl_parties *p;

    CHECK_OK(pawl_ledger_init(&l, buffer_of(s), PAGE, PERMITS));
    CHECK_OK(pawl_parties_init(&p, buffer_of(s) + PAGE, PAGE, 2));
    CHECK_OK(pawl_memory_alloc(r, 100, 0, PAWL_MEMORY_KEPT, &s->block));
}

/* ---- memory and objects ------------------------------------------------------------ */

static void memory_victim(void *scene)
{
    struct scene *s = scene;
    pawl_region *r = region_of(s);
    pawl_object o = object();
    pawl_memory_stats stats;
    pawl_offset block;
    void *at;

    CHECK_EQ(pawl_object_open(r, &o, NULL, NULL, &at), 1);
    CHECK_OK(pawl_object_find(r, &o, &at));
    CHECK_EQ(pawl_object_open(r, &o, NULL, NULL, &at), 0);
    CHECK_OK(pawl_memory_alloc(r, 100, 0, 0, &block));
    CHECK_EQ(pawl_region_offset(r, pawl_region_at(r, block)), block);
    CHECK(pawl_memory_size(r, block) >= 100);
    CHECK_OK(pawl_memory_keep(r, block));
    CHECK_OK(pawl_memory_get_stats(r, &stats));
    CHECK_OK(pawl_memory_free(r, block));
    s->returned = true;
}

/* The object is there, whole, or not at all; a block more was kept, or not. */
static void memory_use(void *scene)
{
    struct scene *s = scene;
    pawl_region *r = region_of(s);
    pawl_object o = object();
    uint64_t blocks;
    void *at;
    int err = pawl_object_find(r, &o, &at);

    CHECK(err == 0 || (err == -ENOENT && !s->returned));
    CHECK(err != 0 || o.bytes == 200);
    CHECK_EQ(pawl_object_open(r, &o, NULL, NULL, &at), err == 0 ? 0 : 1);
    pawl_region_recover(r);
    CHECK(pawl_memory_size(r, s->block) >= 100);
    blocks = audit(r);
    CHECK(blocks == 2 || (blocks == 3 && !s->returned));
    CHECK_OK(pawl_object_remove(r, "it"));
    CHECK_OK(pawl_memory_free(r, s->block));
    CHECK_EQ(audit(r), blocks - 2);
}

/* ---- permits and parties -------------------------------------------------------------- */

static void members_victim(void *scene)
{
    struct scene *s = scene;
    pawl_region *r = region_of(s);
    pawl_ledger *l = ledger_of(s);
    pawl_parties *p = parties_of(s);

    CHECK_OK(pawl_ledger_acquire(l, r));
    CHECK_OK(pawl_ledger_acquire_until(l, r, soon()));
    CHECK_EQ(pawl_ledger_value(l, r), 0);
    CHECK_EQ(pawl_ledger_held(l, r), PERMITS);
    CHECK_EQ(pawl_ledger_permits(l), PERMITS);
    CHECK_OK(pawl_ledger_release(l, r));
    CHECK_OK(pawl_ledger_release(l, r));
    CHECK_ERR(pawl_parties_try_wait(p, r), -EAGAIN);
    CHECK_ERR(pawl_parties_wait_until(p, r, 0), -ETIMEDOUT);
    CHECK_OK(pawl_parties_reset(p, r));
    CHECK_OK(pawl_parties_leave(p, r));
    CHECK(!pawl_barrier_broken(pawl_parties_barrier(p)));
    s->returned = true;
}

static void wait_there(void *scene)
{
    struct scene *s = scene;

    CHECK(pawl_parties_wait_until(parties_of(s), region_of(s), soon()) >= 0);
}

/* All permits can be had; the barrier is as good as new after a reset. */
static void members_use(void *scene)
{
    struct scene *s = scene;
    pawl_region *r = region_of(s);
    struct test_thread *t;

    for (int i = 0; i < PERMITS; i++) {
        int err = pawl_ledger_acquire_until(ledger_of(s), r, soon());

        CHECK(err == 0 || (err == -EOWNERDEAD && !s->returned));
    }
    CHECK_ERR(pawl_ledger_try_acquire(ledger_of(s), r), -EAGAIN);
    CHECK_EQ(pawl_ledger_value(ledger_of(s), r), 0);
    CHECK_OK(pawl_parties_reset(parties_of(s), r));
    t = test_thread(wait_there, s);
    wait_there(s);
    test_join(t);
}

static void warm(void *scene)
{
    CHECK(pawl_region_join(region_of(scene)) > 0);
    take_ids(scene);
}

static void sweep_it(const char *name, sweep_fn victim, sweep_fn others)
{
    const struct sweep_case c = {
        .name = name,
        .size = sizeof(struct scene),
        .prepare = prepare,
        .warm = warm,
        .victim = victim,
        .others = others,
        .leftovers = true,
    };

    TEST_TIMEOUT(300);
    spin_for("0");
    sweep(&c, SWEEP_KILL);
}

TEST(members.memory_and_objects_killed_anywhere)
{
    sweep_it("memory and objects, other forms", memory_victim, memory_use);
}

TEST(members.permits_and_parties_killed_anywhere)
{
    sweep_it("permits and parties, other forms", members_victim, members_use);
}
