/* SPDX-License-Identifier: MIT
 *
 * list_test.c - H-17, H-18, W-27: lists in a region.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <pawl/error.h>
#include <pawl/list.h>

#include "crowd.h"

enum { ROOM = 8192, SLOTS = 7 };

static const size_t capacity[SLOTS] = {0, 1, 7, 8, 9, 100, 5};

static pawl_item none(void)
{
    return (pawl_item){.kind = PAWL_ITEM_NONE};
}

static pawl_item integer(int64_t n)
{
    return (pawl_item){.kind = PAWL_ITEM_INTEGER, .integer = n};
}

static pawl_item real(double x)
{
    return (pawl_item){.kind = PAWL_ITEM_REAL, .real = x};
}

static pawl_item truth(bool b)
{
    return (pawl_item){.kind = PAWL_ITEM_TRUTH, .truth = b};
}

static pawl_item bytes_of(const void *bytes, size_t size)
{
    return (pawl_item){.kind = PAWL_ITEM_BYTES, .bytes = bytes, .size = size};
}

static pawl_item text(const char *s)
{
    return (pawl_item){.kind = PAWL_ITEM_TEXT, .bytes = s, .size = strlen(s)};
}

static pawl_region *make(pawl_list **l, size_t length, const size_t *room)
{
    pawl_region *r;
    size_t bytes;
    void *memory;

    CHECK_OK(pawl_region_create(&r, &(pawl_region_options){.buffer = ROOM}));
    memory = pawl_region_buffer(r, &bytes);
    CHECK_OK(pawl_list_init(l, memory, bytes, length, room));
    return r;
}

static int set(pawl_region *r, pawl_list *l, size_t i, pawl_item item)
{
    return pawl_list_set(r, l, i, &item);
}

static int64_t index_of(const pawl_list *l, pawl_item item)
{
    return pawl_list_index(l, &item);
}

static int64_t count_of(const pawl_list *l, pawl_item item)
{
    return pawl_list_count(l, &item);
}

TEST(list.keeps_what_is_set)
{
    pawl_list *l;
    pawl_region *r = make(&l, SLOTS, capacity);
    char buffer[100];
    pawl_item x;

    CHECK_EQ(pawl_list_length(l), SLOTS);
    for (size_t i = 0; i < SLOTS; i++) {
        CHECK_EQ(pawl_list_capacity(l, i), capacity[i]);
        CHECK_OK(pawl_list_get(l, i, &x, NULL, 0));
        CHECK_EQ(x.kind, PAWL_ITEM_NONE);
    }
    /* Every kind in every slot, one after the other. */
    for (size_t i = 0; i < SLOTS; i++) {
        CHECK_OK(set(r, l, i, integer(INT64_MIN + (int64_t)i)));
        CHECK_OK(pawl_list_get(l, i, &x, NULL, 0));
        CHECK_EQ(x.kind, PAWL_ITEM_INTEGER);
        CHECK_EQ(x.integer, INT64_MIN + (int64_t)i);
        CHECK_OK(set(r, l, i, real(0.1)));
        CHECK_OK(pawl_list_get(l, i, &x, NULL, 0));
        CHECK(x.kind == PAWL_ITEM_REAL && x.real == 0.1);
        for (int b = 1; b >= 0; b--) {
            CHECK_OK(set(r, l, i, truth(b)));
            CHECK_OK(pawl_list_get(l, i, &x, NULL, 0));
            CHECK(x.kind == PAWL_ITEM_TRUTH && x.truth == b);
        }
        CHECK_OK(set(r, l, i, text("")));
        CHECK_OK(pawl_list_get(l, i, &x, buffer, 0));
        CHECK(x.kind == PAWL_ITEM_TEXT && x.size == 0);
        CHECK_OK(set(r, l, i, integer((int64_t)i)));
    }
    for (size_t i = 0; i < SLOTS; i++) {
        CHECK_OK(pawl_list_get(l, i, &x, NULL, 0));
        CHECK_EQ(x.integer, i);
    }
    pawl_region_free(r);
}

/* W-27: Python drops zero bytes at the end. */
TEST(list.random_bytes_come_back_as_they_were)
{
    pawl_list *l;
    pawl_region *r = make(&l, SLOTS, capacity);
    uint64_t random = test_seed(0);
    unsigned char in[SLOTS][100];
    size_t size[SLOTS] = {0};
    unsigned char out[101];
    pawl_item x;

    for (size_t i = 0; i < SLOTS; i++)
        CHECK_OK(set(r, l, i, bytes_of(in[i], 0)));
    for (int n = 0; n < test_iterations(5000); n++) {
        size_t i = test_rand_below(&random, SLOTS);
        bool is_text = test_rand_below(&random, 2) == 0;

        size[i] = test_rand_below(&random, (uint32_t)capacity[i] + 1);
        for (size_t k = 0; k < size[i]; k++)
            in[i][k] = (unsigned char)(test_rand_below(&random, 3) * 100);
        x = bytes_of(in[i], size[i]);
        x.kind = is_text ? PAWL_ITEM_TEXT : PAWL_ITEM_BYTES;
        CHECK_OK(pawl_list_set(r, l, i, &x));
        for (size_t k = 0; k < SLOTS; k++) {
            memset(out, 77, sizeof out);
            CHECK_OK(pawl_list_get(l, k, &x, out, size[k]));
            CHECK(x.bytes == out);
            CHECK_EQ(x.size, size[k]);
            CHECK(memcmp(out, in[k], size[k]) == 0);
            CHECK_EQ(out[size[k]], 77);
            CHECK(k != i || (x.kind == PAWL_ITEM_TEXT) == is_text);
        }
    }
    pawl_region_free(r);
}

TEST(list.what_does_not_fit_is_refused)
{
    pawl_list *l;
    pawl_region *r = make(&l, SLOTS, capacity);
    char out[100];
    pawl_item x;

    for (size_t i = 0; i < SLOTS; i++) {
        CHECK_OK(set(r, l, i, integer(5)));
        CHECK_ERR(set(r, l, i, bytes_of(out, capacity[i] + 1)), -ENOSPC);
        CHECK_ERR(set(r, l, i, bytes_of(out, SIZE_MAX)), -ENOSPC);
        CHECK_ERR(set(r, l, i, (pawl_item){.kind = PAWL_ITEM_TEXT + 1}),
                  -EINVAL);
        CHECK_OK(pawl_list_get(l, i, &x, NULL, 0));
        CHECK(x.kind == PAWL_ITEM_INTEGER && x.integer == 5);
    }
    CHECK_ERR(set(r, l, SLOTS, none()), -ERANGE);
    CHECK_ERR(set(r, l, SIZE_MAX, none()), -ERANGE);
    CHECK_ERR(pawl_list_get(l, SLOTS, &x, NULL, 0), -ERANGE);
    CHECK_EQ(pawl_list_capacity(l, SLOTS), -ERANGE);
    CHECK_OK(set(r, l, 5, text("hello")));
    CHECK_ERR(pawl_list_get(l, 5, &x, out, 4), -ENOSPC);
    CHECK(x.kind == PAWL_ITEM_TEXT && x.size == 5);
    CHECK_EQ(pawl_list_index(l, &(pawl_item){.kind = 77}), -EINVAL);
    CHECK_EQ(pawl_list_count(l, &(pawl_item){.kind = 77}), -EINVAL);
    pawl_region_free(r);
}

TEST(list.index_and_count_compare_kinds_and_values)
{
    pawl_list *l;
    pawl_region *r = make(&l, SLOTS, capacity);
    const double nan_value = (double)NAN;

    CHECK_OK(set(r, l, 1, integer(1)));
    CHECK_OK(set(r, l, 2, text("one")));
    CHECK_OK(set(r, l, 3, truth(true)));
    CHECK_OK(set(r, l, 4, real(-0.0)));
    CHECK_OK(set(r, l, 5, bytes_of("one\0", 4)));
    CHECK_OK(set(r, l, 6, integer(1)));
    CHECK_EQ(index_of(l, integer(1)), 1);
    CHECK_EQ(count_of(l, integer(1)), 2);
    CHECK_EQ(index_of(l, text("one")), 2);
    CHECK_EQ(index_of(l, bytes_of("one", 3)), -ENOENT);
    CHECK_EQ(index_of(l, bytes_of("one\0", 4)), 5);
    CHECK_EQ(index_of(l, bytes_of("one\1", 4)), -ENOENT);
    CHECK_EQ(index_of(l, truth(true)), 3);
    CHECK_EQ(count_of(l, truth(false)), 0);
    CHECK_EQ(index_of(l, real(0.0)), 4);
    CHECK_EQ(index_of(l, real(1)), -ENOENT);
    CHECK_OK(set(r, l, 4, real(nan_value)));
    CHECK_EQ(index_of(l, real(nan_value)), -ENOENT);
    CHECK_EQ(index_of(l, none()), 0);
    CHECK_EQ(count_of(l, none()), 1);
    pawl_region_free(r);
}

TEST(list.impossible_ones_are_refused)
{
    static const size_t huge[2] = {SIZE_MAX, 1};
    int64_t needs = pawl_list_bytes(SLOTS, capacity);
    pawl_region *r;
    pawl_region *other;
    pawl_list *l = NULL;
    pawl_list *there;
    char *memory;

    CHECK_OK(pawl_region_create(&r, &(pawl_region_options){.buffer = ROOM}));
    CHECK_OK(
        pawl_region_create(&other, &(pawl_region_options){.buffer = ROOM}));
    memory = pawl_region_buffer(r, NULL);
    CHECK(needs > 0);
    CHECK_EQ(pawl_list_bytes(0, capacity), -EINVAL);
    CHECK_EQ(pawl_list_bytes(SIZE_MAX, NULL), -EOVERFLOW);
    CHECK_EQ(pawl_list_bytes(2, huge), -EOVERFLOW);
    CHECK_ERR(pawl_list_init(&l, memory, (size_t)needs - 1, SLOTS, capacity),
              -ENOSPC);
    CHECK_ERR(pawl_list_init(&l, memory + 8, ROOM - 8, SLOTS, capacity),
              -EINVAL);
    CHECK_ERR(pawl_list_attach(&l, memory, ROOM), -EINVAL);
    CHECK(l == NULL);
    CHECK_OK(pawl_list_init(&l, memory, (size_t)needs, SLOTS, capacity));
    CHECK_ERR(pawl_list_attach(&there, memory, (size_t)needs - 1), -EINVAL);
    CHECK_ERR(pawl_list_attach(&there, memory, 8), -EINVAL);
    CHECK_OK(pawl_list_attach(&there, memory, (size_t)needs));
    CHECK_ERR(set(other, l, 0, none()), -EINVAL);
    CHECK_OK(pawl_region_close(other));
    CHECK_ERR(set(other, l, 0, none()), -EBADF);
    pawl_region_free(other);
    pawl_region_free(r);
}

TEST(list.is_the_same_at_every_address)
{
    pawl_list *l;
    pawl_list *there;
    pawl_region *r = make(&l, SLOTS, capacity);
    pawl_region *again;
    pawl_item x;
    char out[8];

    CHECK_OK(set(r, l, 4, text("position")));
    CHECK_OK(pawl_region_attach_fd(&again, pawl_region_fd(r)));
    CHECK(pawl_region_base(again) != pawl_region_base(r));
    CHECK_OK(pawl_list_attach(&there, pawl_region_buffer(again, NULL), ROOM));
    CHECK_OK(pawl_list_get(there, 4, &x, out, sizeof out));
    CHECK(x.size == 8 && memcmp(out, "position", 8) == 0);
    CHECK_OK(set(again, there, 6, integer(-3)));
    CHECK_EQ(index_of(l, integer(-3)), 6);
    pawl_region_free(r);
    pawl_region_free(again);
}

/* ---- many ---------------------------------------------------------------------- */

struct shop {
    pawl_region *region;
    pawl_list *list;
    atomic_int writing;
};

enum { LONG = 200, WRITERS = 2 };

static const size_t long_slots[2] = {LONG, LONG};

/* A value is so many bytes that are all alike: its size says which. */
static void set_or_look(void *scene, int me)
{
    struct shop *s = scene;
    uint64_t random = test_seed((uint64_t)me);
    unsigned char buffer[LONG];
    pawl_item x;

    for (int i = 0; me < WRITERS && i < test_iterations(20000); i++) {
        size_t size = 1 + test_rand_below(&random, LONG);

        memset(buffer, (int)size, size);
        CHECK_OK(set(s->region, s->list, test_rand_below(&random, 2),
                     bytes_of(buffer, size)));
    }
    if (me < WRITERS) {
        atomic_fetch_sub(&s->writing, 1);
        return;
    }
    while (atomic_load(&s->writing) > 0) {
        CHECK_OK(pawl_list_get(s->list, test_rand_below(&random, 2), &x, buffer,
                               sizeof buffer));
        for (size_t k = 0; k < x.size; k++)
            CHECK_EQ(buffer[k], x.size);
        memset(buffer, 9, 9);
        CHECK(count_of(s->list, bytes_of(buffer, 9)) <= 2);
    }
}

TEST(list.no_value_is_seen_half)
{
    struct shop s;

    atomic_init(&s.writing, WRITERS);
    s.region = make(&s.list, 2, long_slots);
    crowd(2 * WRITERS, set_or_look, &s);
    pawl_region_free(s.region);
}
