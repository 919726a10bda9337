/* SPDX-License-Identifier: MIT
 *
 * memory_sweep.c - D-14: a process killed, or stopped, at any instruction of
 * allocating, freeing or publishing: others allocate and free meanwhile; when it is
 * dead, what it did is done or is not, every page and block is accounted for, and
 * all memory can be had.
 */
#include <string.h>

#include "audit.h"
#include "participants.h"
#include "sweep.h"
#include "swept_region.h"

enum { PAGE = PAWL_REGION_PAGE, PAGES = 5, BYTES = (6 + PAGES) * PAGE };

struct scene {
    _Alignas(PAWL_REGION_PAGE) unsigned char memory[BYTES];
    pawl_offset block; /* what the victim frees or publishes */
    uint64_t where;    /* offset of a pointer in the region */
    uint64_t base;     /* blocks in use before the victim */
    int err;           /* what the victim's call returned */
    bool returned;
};

/* What is swept: set before the fork of those who need it. */
static struct {
    size_t bytes;  /* of the victim's block */
    bool divided;  /* there is a page of that class already */
    bool is_full;  /* nothing is free, but a page that is empty */
    bool has_dead; /* nothing is free, but what a dead one owns */
    bool allocates;
    bool frees;
    bool publishes;
    enum sweep_mode mode;
} plan;

static pawl_offset *pointer_of(struct scene *s)
{
    return (pawl_offset *)(void *)(s->memory + s->where);
}

static pawl_offset kept(pawl_region *r, size_t bytes)
{
    pawl_offset o;

    CHECK_OK(pawl_memory_alloc(r, bytes, 0, PAWL_MEMORY_KEPT, &o));
    return o;
}

static void own_all_and_end(void *object)
{
    pawl_offset o;

    while (pawl_memory_alloc(region_of(object), PAGE, 0, 0, &o) == 0)
        ;
}

static void prepare(void *object)
{
    struct scene *s = object;
    const struct pawl_region_plan p = {
        .participants = 3, .heap_pages = PAGES, .names = 1};
    pawl_region *r = region_make(s, BYTES, &p);

    s->where = kept(r, 512);
    *pointer_of(s) = 0;
    if (plan.divided)
        kept(r, plan.bytes);
    if (plan.frees || plan.publishes)
        s->block = kept(r, plan.bytes);
    if (plan.is_full) {
        /* A page of another class that is empty, and all others in use. */
        pawl_offset o = kept(r, 700);

        while (pawl_memory_alloc(r, PAGE, 0, PAWL_MEMORY_KEPT,
                                 &(pawl_offset){0}) == 0)
            ;
        CHECK_OK(pawl_memory_free(r, o));
    }
    s->base = audit(r);
    if (plan.has_dead)
        test_join(test_thread(own_all_and_end, s));
}

/* Whether a small block can be had, and is given back. */
static void use(pawl_region *r, size_t bytes)
{
    pawl_offset o;

    CHECK_OK(pawl_memory_alloc(r, bytes, 0, 0, &o));
    memset(pawl_region_at(r, o), 255, bytes);
    CHECK_OK(pawl_memory_free(r, o));
}

static bool is_block(pawl_region *r, pawl_offset o)
{
    return pawl_memory_size(r, o) > 0;
}

static void check_outcome(struct scene *s, pawl_region *r)
{
    uint64_t blocks = audit(r);
    pawl_offset there = *pointer_of(s);

    if (plan.publishes && plan.frees) { /* free_at */
        CHECK(there == 0 || there == s->block);
        CHECK_EQ(is_block(r, s->block), there != 0);
        CHECK_EQ(blocks, s->base - (there == 0));
        CHECK(!s->returned || there == 0);
    } else if (plan.publishes) {
        CHECK(there == 0 || is_block(r, there));
        CHECK_EQ(blocks, s->base - 1 + (there != 0));
        CHECK(!s->returned || there != 0);
    } else if (plan.frees) {
        CHECK_EQ(blocks, s->base - !is_block(r, s->block));
        CHECK(!s->returned || !is_block(r, s->block));
    } else {
        CHECK_EQ(blocks, s->base);
    }
    CHECK(!s->returned || s->err == 0);
}

/* All that is in use is freed, and the heap is one block. */
static void check_capacity(pawl_region *r)
{
    struct pawl_heap h = pawl_heap_of(r, 0);
    pawl_offset o;

    for (uint64_t at = h.first; at < r->map.bytes; at += 16)
        if (is_block(r, at))
            CHECK_OK(pawl_memory_free(r, at));
    CHECK_EQ(audit(r), 0);
    CHECK_OK(pawl_memory_alloc(r, (size_t)PAGES * PAGE, 0, 0, &o));
    CHECK_EQ(audit(r), 1);
}

static void others(void *object)
{
    struct scene *s = object;
    pawl_region *r = region_of(s);

    if (!plan.is_full && !plan.has_dead) {
        use(r, 32);
        use(r, plan.bytes < PAGE ? plan.bytes : 40);
    }
    if (plan.mode != SWEEP_KILL)
        return;
    pawl_region_recover(r);
    check_outcome(s, r);
    if (!plan.is_full && !plan.frees)
        use(r, plan.bytes);
    check_capacity(r);
}

/* The victim has finished, after the others. */
static void after(void *object)
{
    struct scene *s = object;
    pawl_region *r = region_of(s);

    CHECK(s->returned);
    pawl_region_recover(r);
    check_outcome(s, r);
    check_capacity(r);
}

/* ---- victims ------------------------------------------------------------------- */

static void join_only(void *table)
{
    joined(table);
}

/* The linker shall have found what it needs. */
static void warm_repairs(void)
{
    participants *t = participants_make(1);

    pawl_repair_with(PAWL_REPAIR_HEAP, NULL);
    test_join(test_thread(join_only, t));
    CHECK_EQ(pawl_participants_recover(t), 1);
}

static void warm(void *object)
{
    struct scene *s = object;
    pawl_region *r;

    if (plan.has_dead)
        warm_repairs();
    r = region_of(s);

    CHECK(pawl_region_join(r) > 0);
    if (plan.publishes && !plan.frees) {
        CHECK_OK(pawl_memory_free(r, s->block));
        CHECK_OK(pawl_memory_alloc(r, plan.bytes, 0, 0, &s->block));
    } else if (plan.publishes) {
        *pointer_of(s) = s->block;
    }
}

static void victim(void *object)
{
    struct scene *s = object;
    pawl_region r;
    pawl_offset o;

    pawl_region_view(&r, (void *)(s->memory + PAGE));
    if (plan.publishes && plan.frees)
        s->err = pawl_memory_free_at(&r, pointer_of(s));
    else if (plan.publishes)
        s->err = pawl_memory_publish(&r, s->block, pointer_of(s));
    else if (plan.frees)
        s->err = pawl_memory_free(&r, s->block);
    else
        s->err = pawl_memory_alloc(&r, plan.bytes, 0, 0, &o);
    s->returned = true;
}

static void sweep_it(const char *name)
{
    struct sweep_case c = {
        .name = name,
        .size = sizeof(struct scene),
        .prepare = prepare,
        .warm = warm,
        .victim = victim,
        .others = others,
        .after = after,
        .leftovers = true, /* their lifelines lie in memory that is wiped */
        .budget = 120000,
    };

    TEST_TIMEOUT(300);
    plan.mode = SWEEP_KILL;
    sweep(&c, SWEEP_KILL);
    plan.mode = SWEEP_THAW;
    c.budget = 40000;
    sweep(&c, SWEEP_THAW);
}

TEST(memory.alloc_of_a_small_block_stopped_anywhere)
{
    plan.bytes = 1000;
    plan.divided = true;
    sweep_it("alloc, small");
}

TEST(memory.alloc_of_a_new_page_stopped_anywhere)
{
    plan.bytes = 1000;
    sweep_it("alloc, divides a page");
}

TEST(memory.alloc_of_a_run_stopped_anywhere)
{
    plan.bytes = (size_t)3 * PAGE;
    sweep_it("alloc, three pages");
}

TEST(memory.alloc_when_full_stopped_anywhere)
{
    plan.bytes = 2000;
    plan.is_full = true;
    sweep_it("alloc, empties a page");
}

TEST(memory.alloc_of_what_the_dead_had_stopped_anywhere)
{
    plan.bytes = 2000;
    plan.has_dead = true;
    sweep_it("alloc, after repairs");
}

TEST(memory.free_of_a_small_block_stopped_anywhere)
{
    plan.bytes = 100;
    plan.frees = true;
    sweep_it("free, small");
}

TEST(memory.free_of_a_run_stopped_anywhere)
{
    plan.bytes = (size_t)3 * PAGE;
    plan.frees = true;
    sweep_it("free, three pages");
}

TEST(memory.publish_stopped_anywhere)
{
    plan.bytes = 100;
    plan.publishes = true;
    sweep_it("publish");
}

TEST(memory.free_at_stopped_anywhere)
{
    plan.bytes = 100;
    plan.publishes = true;
    plan.frees = true;
    sweep_it("free_at, small");
    plan.bytes = (size_t)2 * PAGE;
    sweep_it("free_at, two pages");
}
