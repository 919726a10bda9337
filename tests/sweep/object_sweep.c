/* SPDX-License-Identifier: MIT
 *
 * object_sweep.c - D-14: a process killed at any instruction of making or removing
 * a named object, or of repairing what another left: the name is there, with an
 * object that is whole, or it is not, and then there is no memory of it.
 */
#include <string.h>

#include <pawl/error.h>
#include <pawl/object.h>

#include "audit.h"
#include "participants.h"
#include "process/directory.h"
#include "sweep.h"
#include "swept_region.h"

enum { PAGE = PAWL_REGION_PAGE, PAGES = 2, BYTES = (6 + PAGES) * PAGE };

struct scene {
    _Alignas(PAWL_REGION_PAGE) unsigned char memory[BYTES];
    pawl_offset other; /* a block that is in use */
    bool returned;
};

static bool removes;

static pawl_object object(void)
{
    return (pawl_object){.name = "it", .type = 1, .version = 1, .bytes = 200};
}

static int write_it(void *memory, size_t bytes, void *context)
{
    (void)context;
    ((unsigned char *)memory)[0] = 1;
    ((unsigned char *)memory)[bytes - 1] = 2;
    return 0;
}

static void prepare(void *object_)
{
    struct scene *s = object_;
    const struct pawl_region_plan p = {
        .participants = 3, .heap_pages = PAGES, .names = 2};
    pawl_object o = object();
    pawl_region *r = region_make(s, BYTES, &p);
    void *at;

    /* So that the page is divided already. */
    CHECK_OK(pawl_memory_alloc(r, 200, PAWL_OBJECT_ALIGN, PAWL_MEMORY_KEPT,
                               &s->other));
    if (removes)
        CHECK_OK(pawl_object_create(r, &o, write_it, NULL, &at));
}

/* Ends in the middle of a creation. */
static int end_here(void *memory, size_t bytes, void *context)
{
    write_it(memory, bytes, NULL);
    pthread_exit(context);
}

static void die_inside(void *object_)
{
    pawl_object o = object();
    void *at;

    (void)pawl_object_create(region_of(object_), &o, end_here, NULL, &at);
}

static void *start_to_die(void *object_)
{
    die_inside(object_);
    return NULL;
}

static void prepare_with_a_dead_one(void *object_)
{
    pthread_t t;

    prepare(object_);
    CHECK_EQ(pthread_create(&t, NULL, start_to_die, object_), 0);
    CHECK_EQ(pthread_join(t, NULL), 0);
}

static void others(void *object_)
{
    struct scene *s = object_;
    pawl_region *r = region_of(s);
    pawl_object o = object();
    const unsigned char *p;
    void *at;
    int err = pawl_object_find(r, &o, &at);

    CHECK(err == 0 || err == -ENOENT);
    CHECK(!s->returned || err == (removes ? -ENOENT : 0));
    if (err == 0) {
        p = at;
        CHECK_EQ(o.bytes, 200);
        CHECK(p[0] == 1 && p[199] == 2);
    }
    /* Whoever needs the lock repairs. */
    CHECK_ERR(pawl_object_create(r, &o, NULL, NULL, &at),
              err == 0 ? -EEXIST : 0);
    pawl_region_recover(r);
    CHECK_EQ(audit(r), 2);
    CHECK_OK(pawl_object_remove(r, "it"));
    CHECK_OK(pawl_memory_free(r, s->other));
    CHECK_EQ(audit(r), 0);
    CHECK_OK(
        pawl_memory_alloc(r, (size_t)PAGES * PAGE, 0, 0, &(pawl_offset){0}));
}

static void warm(void *object_)
{
    CHECK(pawl_region_join(region_of(object_)) > 0);
}

static void victim(void *object_)
{
    struct scene *s = object_;
    pawl_object o = object();
    pawl_region r;
    void *at;

    pawl_region_view(&r, (void *)(s->memory + PAGE));
    if (removes)
        CHECK_OK(pawl_object_remove(&r, "it"));
    else
        CHECK_OK(pawl_object_create(&r, &o, write_it, NULL, &at));
    s->returned = true;
}

static void sweep_it(const char *name, sweep_fn how)
{
    struct sweep_case c = {
        .name = name,
        .size = sizeof(struct scene),
        .prepare = how,
        .warm = warm,
        .victim = victim,
        .others = others,
        .leftovers = true,
        .budget = 75000,
    };

    TEST_TIMEOUT(300);
    sweep(&c, SWEEP_KILL);
}

TEST(object.create_killed_anywhere)
{
    sweep_it("create", prepare);
}

TEST(object.create_after_a_death_killed_anywhere)
{
    sweep_it("create, after a death", prepare_with_a_dead_one);
}

TEST(object.remove_killed_anywhere)
{
    removes = true;
    sweep_it("remove", prepare);
}
