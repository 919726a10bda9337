/* SPDX-License-Identifier: MIT
 *
 * value_sweep.c - H-05 to H-19: a process killed, or stopped, at every instruction of
 * using numbers, arrays and lists in shared memory.
 */
#include <math.h>
#include <string.h>

#include <pawl/list.h>
#include <pawl/value.h>

#include "process/region.h"
#include "swept_robust.h"

#include "swept_region.h"

enum { PAGE = PAWL_REGION_PAGE, BYTES = 8 * PAGE, LENGTH = 4 };

/* ---- numbers -------------------------------------------------------------------- */

struct numbers {
    pawl_u32 u32;
    pawl_u64 u64;
    pawl_f64 f64;
};

static void numbers_victim(void *object)
{
    struct numbers *n = object;
    uint32_t seen32 = 5;
    uint64_t seen64 = 5;
    double seen = 3;

    pawl_u32_store(&n->u32, 1);
    CHECK_EQ(pawl_u32_add(&n->u32, 1), 1);
    CHECK_EQ(pawl_u32_or(&n->u32, 4), 2);
    CHECK_EQ(pawl_u32_and(&n->u32, 4), 6);
    CHECK_EQ(pawl_u32_xor(&n->u32, 1), 4);
    CHECK(pawl_u32_compare_exchange(&n->u32, &seen32, 7));
    CHECK_EQ(pawl_u32_exchange(&n->u32, 8), 7);
    CHECK_EQ(pawl_u32_load(&n->u32), 8);
    pawl_u64_store(&n->u64, 1);
    CHECK_EQ(pawl_u64_add(&n->u64, 1), 1);
    CHECK_EQ(pawl_u64_or(&n->u64, 4), 2);
    CHECK_EQ(pawl_u64_and(&n->u64, 4), 6);
    CHECK_EQ(pawl_u64_xor(&n->u64, 1), 4);
    CHECK(pawl_u64_compare_exchange(&n->u64, &seen64, 7));
    CHECK_EQ(pawl_u64_exchange(&n->u64, 8), 7);
    CHECK_EQ(pawl_u64_load(&n->u64), 8);
    pawl_f64_store(&n->f64, 1);
    CHECK(pawl_f64_add(&n->f64, 2) >= 1);
    CHECK(pawl_f64_compare_exchange(&n->f64, &seen, 7));
    CHECK(pawl_f64_exchange(&n->f64, 8) >= 7);
    CHECK(pawl_f64_load(&n->f64) >= 8);
}

/* Each is what it was between two operations; the others' take effect at once. */
static void numbers_use(void *object)
{
    static const int word[] = {0, 1, 2, 6, 4, 5, 7, 8};
    static const int real[] = {0, 1, 3, 7, 8};
    struct numbers *n = object;
    uint32_t a = pawl_u32_load(&n->u32);
    uint64_t b = pawl_u64_load(&n->u64);
    double c = pawl_f64_load(&n->f64);
    int found = 0;

    for (int i = 0; i < 8; i++)
        found += (a == (uint32_t)word[i]) + (b == (uint64_t)word[i]);
    for (int i = 0; i < 5; i++)
        found += fabs(c - real[i]) < 0.1;
    CHECK_EQ(found, 3);
    CHECK_EQ(pawl_u32_add(&n->u32, 10), a);
    CHECK_EQ(pawl_u32_load(&n->u32), a + 10);
    CHECK_EQ(pawl_u64_add(&n->u64, 10), b);
    CHECK_EQ(pawl_u64_exchange(&n->u64, b), b + 10);
    CHECK(fabs(pawl_f64_add(&n->f64, 10) - c) < 0.1);
    CHECK(fabs(pawl_f64_load(&n->f64) - c - 10) < 0.1);
}

static const struct swept numbers[] = {
    {{.name = "numbers, all operations",
      .size = sizeof(struct numbers),
      .victim = numbers_victim,
      .others = numbers_use},
     KILLED | FROZEN,
     NULL},
};

TEST(value.numbers_stopped_anywhere)
{
    SWEEP_TABLE(numbers);
}

/* ---- arrays, in a region ----------------------------------------------------------- */

struct arrays {
    _Alignas(PAWL_ARRAY_ALIGN) unsigned char words[512];
    _Alignas(PAWL_ARRAY_ALIGN) unsigned char text[512];
};

static pawl_array *words_of(void *object)
{
    return (pawl_array *)(void *)((struct arrays *)object)->words;
}

static pawl_array *text_of(void *object)
{
    return (pawl_array *)(void *)((struct arrays *)object)->text;
}

static void arrays_prepare(void *object)
{
    struct arrays *s = object;
    pawl_array *a;

    CHECK_OK(
        pawl_array_init(&a, s->words, sizeof s->words, LENGTH, 8, PAWL_SHARED));
    CHECK_OK(pawl_array_init(&a, s->text, sizeof s->text, 16, 1, PAWL_SHARED));
}

static int change(void *element, void *context)
{
    *(uint64_t *)element = *(uint64_t *)context;
    return 0;
}

static void arrays_victim(void *object)
{
    uint64_t n[2] = {1, 2};
    char text[16];

    CHECK_OK(pawl_array_set(words_of(object), 0, n));
    CHECK_OK(pawl_array_set_range(words_of(object), 1, 2, n));
    CHECK_OK(pawl_array_get(words_of(object), 1, n));
    CHECK_OK(pawl_array_get_range(words_of(object), 0, 2, n));
    CHECK_OK(pawl_array_change(words_of(object), 3, change, n));
    CHECK_OK(pawl_array_set_text(text_of(object), "word"));
    CHECK_EQ(pawl_array_get_text(text_of(object), text, sizeof text), 4);
}

/* The lock is free, or is taken from the dead; every element can be had. */
static void arrays_use(void *object)
{
    char text[16];
    uint64_t n;

    for (size_t i = 0; i < LENGTH; i++) {
        CHECK_OK(pawl_array_get(words_of(object), i, &n));
        CHECK(n <= 2);
        n = 9;
        CHECK_OK(pawl_array_set(words_of(object), i, &n));
        CHECK_OK(pawl_array_get(words_of(object), i, &n));
        CHECK_EQ(n, 9);
    }
    CHECK(pawl_array_get_text(text_of(object), text, sizeof text) <= 4);
    CHECK_OK(pawl_array_set_text(text_of(object), "another"));
    CHECK_EQ(pawl_array_get_text(text_of(object), text, sizeof text), 7);
}

static void arrays_warm(void *object)
{
    static struct arrays other;

    (void)object;
    warm_robust(object);
    arrays_prepare(&other);
    arrays_victim(&other);
}

TEST(value.arrays_in_a_region_killed_anywhere)
{
    static const struct sweep_case c = {.name = "array, all operations",
                                        .size = sizeof(struct arrays),
                                        .prepare = arrays_prepare,
                                        .warm = arrays_warm,
                                        .victim = arrays_victim,
                                        .others = arrays_use,
                                        .leftovers = true};

    put_all_in_a_region();
    sweep(&c, SWEEP_KILL);
}

/* ---- lists --------------------------------------------------------------------------- */

struct list {
    _Alignas(PAWL_REGION_PAGE) unsigned char memory[BYTES];
    volatile bool returned;
};

static bool may_be_locked; /* by one that is stopped */

static pawl_list *list_of(struct list *s)
{
    pawl_list *l;

    CHECK_OK(
        pawl_list_attach(&l, pawl_region_buffer(region_of(s), NULL), PAGE));
    return l;
}

static pawl_item item_of(const char *text)
{
    return (pawl_item){
        .kind = PAWL_ITEM_TEXT, .bytes = text, .size = strlen(text)};
}

static void set(struct list *s, size_t i, const char *text)
{
    pawl_item item = item_of(text);

    CHECK_OK(pawl_list_set(region_of(s), list_of(s), i, &item));
}

/* What is in a slot is a text, and one of two. */
static bool is(struct list *s, size_t i, const char *text, const char *other)
{
    char buffer[32];
    pawl_item item;

    CHECK_OK(pawl_list_get(list_of(s), i, &item, buffer, sizeof buffer));
    CHECK_EQ(item.kind, PAWL_ITEM_TEXT);
    if (item.size == strlen(text) && memcmp(buffer, text, item.size) == 0)
        return true;
    CHECK_EQ(item.size, strlen(other));
    CHECK_EQ(memcmp(buffer, other, item.size), 0);
    return false;
}

static void list_prepare(void *object)
{
    static const size_t capacity[] = {32, 32};
    const struct pawl_region_plan plan = {
        .participants = 4, .buffer_bytes = PAGE, .names = 1};
    pawl_region *r = region_make(object, BYTES, &plan);
    pawl_list *l;

    CHECK_OK(
        pawl_list_init(&l, pawl_region_buffer(r, NULL), PAGE, 2, capacity));
    set(object, 0, "before");
    set(object, 1, "another");
}

static void list_victim_sets(void *object)
{
    struct list *s = object;

    set(s, 0, "what came after");
    s->returned = true;
}

static void list_victim_reads(void *object)
{
    struct list *s = object;
    pawl_item item = item_of("another");

    CHECK(is(s, 0, "before", "") && is(s, 1, "another", ""));
    CHECK_EQ(pawl_list_index(list_of(s), &item), 1);
    CHECK_EQ(pawl_list_count(list_of(s), &item), 1);
    s->returned = true;
}

/* The old value, or the new one; and that of one that is killed can be set. */
static void list_use(void *object)
{
    struct list *s = object;
    pawl_item item = item_of("another");
    bool is_old = is(s, 0, "before", "what came after");

    CHECK(is(s, 1, "another", ""));
    CHECK_EQ(pawl_list_index(list_of(s), &item), 1);
    CHECK_EQ(pawl_list_count(list_of(s), &item), 1);
    CHECK(is_old == is(s, 0, "before", "what came after"));
    if (may_be_locked)
        return;
    for (size_t i = 0; i < 2; i++) {
        set(s, i, "short");
        CHECK(is(s, i, "short", ""));
        set(s, i, "something that is longer");
        CHECK(is(s, i, "something that is longer", ""));
    }
}

static void list_use_set(void *object)
{
    struct list *s = object;

    CHECK(!s->returned || !is(s, 0, "before", "what came after"));
    list_use(object);
}

static void list_warm(void *object)
{
    struct list *s = object;

    set(s, 0, "another");
    set(s, 0, "before");
    (void)is(s, 0, "before", "");
}

static void list_sweep(const char *name, sweep_fn victim, sweep_fn others,
                       bool sets)
{
    const struct sweep_case c = {.name = name,
                                 .size = sizeof(struct list),
                                 .prepare = list_prepare,
                                 .warm = list_warm,
                                 .victim = victim,
                                 .others = others,
                                 .leftovers = true};

    TEST_TIMEOUT(300);
    spin_for("0");
    sweep(&c, SWEEP_KILL);
    may_be_locked = sets;
    sweep(&c, SWEEP_FREEZE);
    may_be_locked = false;
}

TEST(list.stopped_anywhere)
{
    list_sweep("list set", list_victim_sets, list_use_set, true);
    list_sweep("list get, index, count", list_victim_reads, list_use, false);
}
