/* SPDX-License-Identifier: MIT
 *
 * object_test.c - D-14: the names in a region.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <pawl/error.h>
#include <pawl/object.h>

#include "audit.h"
#include "crowd.h"

#define OPTIONS(...) (&(pawl_region_options){__VA_ARGS__})

static pawl_region *make(uint32_t names)
{
    pawl_region *r;

    CHECK_OK(
        pawl_region_create(&r, OPTIONS(.heap = 64 * 4096, .names = names)));
    return r;
}

static pawl_object of(const char *name, size_t bytes)
{
    return (pawl_object){.name = name, .type = 7, .version = 1, .bytes = bytes};
}

static int write_text(void *memory, size_t bytes, void *context)
{
    const unsigned char *p = memory;

    for (size_t i = 0; i < bytes; i++)
        CHECK_EQ(p[i], 0);
    strcpy(memory, context);
    return 0;
}

TEST(object.is_made_found_and_removed)
{
    pawl_region *r = make(3);
    pawl_region *again;
    pawl_object o = of("one", 100);
    char *p;
    char *q;

    CHECK_ERR(pawl_object_find(r, &o, (void **)&p), -ENOENT);
    CHECK_OK(
        pawl_object_create(r, &o, write_text, (char[]){"hello"}, (void **)&p));
    CHECK(strcmp(p, "hello") == 0);
    CHECK((uintptr_t)p % PAWL_OBJECT_ALIGN == 0);
    CHECK_ERR(pawl_object_create(r, &o, NULL, NULL, (void **)&q), -EEXIST);
    o.bytes = 0;
    CHECK_OK(pawl_object_find(r, &o, (void **)&q));
    CHECK(p == q);
    CHECK_EQ(o.bytes, 100);
    CHECK_OK(pawl_region_attach_fd(&again, pawl_region_fd(r)));
    CHECK_OK(pawl_object_find(again, &o, (void **)&q));
    CHECK(p != q && strcmp(q, "hello") == 0);
    CHECK_OK(pawl_object_remove(again, "one"));
    CHECK_ERR(pawl_object_remove(r, "one"), -ENOENT);
    CHECK_ERR(pawl_object_find(r, &o, (void **)&q), -ENOENT);
    CHECK_EQ(audit(r), 0);
    pawl_region_free(again);
    pawl_region_free(r);
}

TEST(object.open_finds_or_makes)
{
    pawl_region *r = make(2);
    pawl_object o = of("x", 50);
    void *p;
    void *q;

    CHECK_EQ(pawl_object_open(r, &o, write_text, (char[]){"made"}, &p), 1);
    o.bytes = 77;
    CHECK_EQ(pawl_object_open(r, &o, write_text, (char[]){"again"}, &q), 0);
    CHECK(p == q && strcmp(p, "made") == 0);
    CHECK_EQ(o.bytes, 50);
    pawl_region_free(r);
}

TEST(object.another_type_or_version_is_refused)
{
    pawl_region *r = make(2);
    pawl_object o = of("x", 50);
    pawl_object other = o;
    void *p;

    CHECK_OK(pawl_object_create(r, &o, NULL, NULL, &p));
    other.type++;
    CHECK_ERR(pawl_object_find(r, &other, &p), -EINVAL);
    CHECK_ERR(pawl_object_open(r, &other, NULL, NULL, &p), -EINVAL);
    other = o;
    other.version++;
    CHECK_ERR(pawl_object_find(r, &other, &p), -EINVAL);
    CHECK_OK(pawl_object_find(r, &o, &p));
    pawl_region_free(r);
}

TEST(object.impossible_names_and_sizes_are_refused)
{
    pawl_region *r = make(2);
    char longest[PAWL_REGION_KEY_MAX + 2];
    const char *const bad[] = {NULL, "", longest};
    pawl_object o;
    void *p = NULL;

    memset(longest, 'n', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    for (int i = 0; i < 3; i++) {
        o = of(bad[i], 8);
        CHECK_ERR(pawl_object_create(r, &o, NULL, NULL, &p), -EINVAL);
        CHECK_ERR(pawl_object_find(r, &o, &p), -EINVAL);
        CHECK_ERR(pawl_object_open(r, &o, NULL, NULL, &p), -EINVAL);
        CHECK_ERR(pawl_object_remove(r, bad[i]), -EINVAL);
    }
    longest[sizeof longest - 2] = '\0';
    o = of(longest, 0);
    CHECK_ERR(pawl_object_create(r, &o, NULL, NULL, &p), -EINVAL);
    o.bytes = PAWL_REGION_BYTES_MAX + 1;
    CHECK_ERR(pawl_object_create(r, &o, NULL, NULL, &p), -EINVAL);
    CHECK(p == NULL);
    o.bytes = 8;
    CHECK_OK(pawl_object_create(r, &o, NULL, NULL, &p));
    CHECK_OK(pawl_object_find(r, &o, &p));
    /* One that is shorter by its last letter is another. */
    longest[sizeof longest - 3] = '\0';
    CHECK_ERR(pawl_object_find(r, &o, &p), -ENOENT);
    CHECK_OK(pawl_region_close(r));
    CHECK_ERR(pawl_object_create(r, &o, NULL, NULL, &p), -EBADF);
    CHECK_ERR(pawl_object_find(r, &o, &p), -EBADF);
    CHECK_ERR(pawl_object_open(r, &o, NULL, NULL, &p), -EBADF);
    CHECK_ERR(pawl_object_remove(r, longest), -EBADF);
    pawl_region_free(r);
}

TEST(object.full_is_told_and_leaves_nothing)
{
    pawl_region *r = make(2);
    pawl_object o = of("huge", (size_t)100 * 4096);
    void *p;

    CHECK_ERR(pawl_object_create(r, &o, NULL, NULL, &p), -ENOSPC);
    CHECK_EQ(audit(r), 0);
    CHECK_OK(pawl_object_create(r, (o = of("a", 8), &o), NULL, NULL, &p));
    CHECK_OK(pawl_object_create(r, (o = of("b", 8), &o), NULL, NULL, &p));
    CHECK_ERR(pawl_object_create(r, (o = of("c", 8), &o), NULL, NULL, &p),
              -ENOSPC);
    CHECK_EQ(audit(r), 2);
    CHECK_OK(pawl_object_remove(r, "a"));
    CHECK_OK(pawl_object_create(r, &o, NULL, NULL, &p));
    pawl_region_free(r);
}

static int refuse(void *memory, size_t bytes, void *context)
{
    pawl_region *r = context;
    pawl_object o = of("inner", 8);
    void *p;

    (void)memory;
    (void)bytes;
    CHECK_ERR(pawl_object_create(r, &o, NULL, NULL, &p), -EDEADLK);
    CHECK_ERR(pawl_object_remove(r, "outer"), -EDEADLK);
    o.name = "outer";
    CHECK_ERR(pawl_object_find(r, &o, &p), -ENOENT);
    return -ERANGE;
}

TEST(object.that_cannot_be_initialised_is_not_made)
{
    pawl_region *r = make(1);
    pawl_object o = of("outer", 8);
    void *p;

    CHECK_ERR(pawl_object_create(r, &o, refuse, r, &p), -ERANGE);
    CHECK_ERR(pawl_object_find(r, &o, &p), -ENOENT);
    CHECK_EQ(audit(r), 0);
    CHECK_OK(pawl_object_create(r, &o, NULL, NULL, &p));
    pawl_region_free(r);
}

/* ---- many --------------------------------------------------------------------- */

enum { NAMES = 3 };

struct race {
    pawl_region *region;
    atomic_int here[NAMES]; /* made, less removed */
};

static int write_name(void *memory, size_t bytes, void *context)
{
    int *p = memory;

    for (size_t i = 0; i < bytes / sizeof *p; i++)
        p[i] = *(int *)context;
    return 0;
}

/* Of each name there is one at most, and what is found is whole. */
static void make_and_remove(void *scene, int me)
{
    struct race *x = scene;
    uint64_t random = test_seed((uint64_t)me);

    for (int i = 0; i < test_iterations(4000); i++) {
        int k = (int)test_rand_below(&random, NAMES);
        char name[] = {'n', (char)('0' + k), '\0'};
        pawl_object o = of(name, sizeof(int) * 8 * (size_t)(k + 1));
        void *p;
        int err;

        switch (test_rand_below(&random, 3)) {
        case 0:
            err = pawl_object_create(x->region, &o, write_name, &k, &p);
            CHECK(err == 0 || err == -EEXIST);
            if (err == 0)
                CHECK_EQ(atomic_fetch_add(&x->here[k], 1), 0);
            break;
        case 1:
            if (atomic_load(&x->here[k]) == 1 && me == 0) {
                atomic_store(&x->here[k], 0);
                CHECK_OK(pawl_object_remove(x->region, name));
            }
            break;
        default:
            err = pawl_object_find(x->region, &o, &p);
            CHECK(err == 0 || err == -ENOENT);
            if (err == 0)
                CHECK_EQ(o.bytes, sizeof(int) * 8 * (size_t)(k + 1));
        }
    }
}

TEST(object.of_each_name_there_is_one)
{
    struct race x = {.region = make(NAMES + 1)};

    crowd(4, make_and_remove, &x);
    pawl_region_free(x.region);
}
