/* SPDX-License-Identifier: MIT
 *
 * memory_test.c - D-14: memory in a region, and who owns it.
 */
#include <string.h>

#include <pawl/error.h>
#include <pawl/event.h>

#include "audit.h"
#include "crowd.h"

#define OPTIONS(...) (&(pawl_region_options){__VA_ARGS__})

enum { PAGE = PAWL_REGION_PAGE, MANY = 4096 };

static pawl_region *make(size_t pages)
{
    pawl_region *r;

    CHECK_OK(pawl_region_create(&r, OPTIONS(.heap = pages * PAGE)));
    return r;
}

static pawl_offset alloc(pawl_region *r, size_t bytes)
{
    pawl_offset o = 0;

    CHECK_OK(pawl_memory_alloc(r, bytes, 0, 0, &o));
    CHECK(o != 0);
    return o;
}

TEST(memory.blocks_of_all_sizes_do_not_overlap)
{
    pawl_region *r = make(200);
    pawl_offset o[300];
    size_t size[300];
    uint64_t random = test_seed(0);
    int n = 0;

    for (; n < 300; n++) {
        size[n] = 1 + test_rand_below(&random, n % 4 == 0 ? 9000 : 600);
        if (pawl_memory_alloc(r, size[n], 0, 0, &o[n]) != 0)
            break;
        CHECK(o[n] % 16 == 0);
        CHECK(pawl_memory_size(r, o[n]) >= (int64_t)size[n]);
        CHECK(o[n] + size[n] <= pawl_region_bytes(r));
        memset(pawl_region_at(r, o[n]), n & 255, size[n]);
    }
    CHECK(n > 100);
    CHECK_EQ(audit(r), n);
    for (int i = 0; i < n; i++) {
        const unsigned char *p = pawl_region_at(r, o[i]);

        for (size_t k = 0; k < size[i]; k++)
            CHECK_EQ(p[k], i & 255);
        CHECK_OK(pawl_memory_free(r, o[i]));
    }
    CHECK_EQ(audit(r), 0);
    pawl_region_free(r);
}

TEST(memory.every_class_fills_its_page)
{
    for (int c = 0; c < PAWL_HEAP_CLASSES; c++) {
        pawl_region *r = make(1);
        int n = PAGE / pawl_heap_sizes[c];
        pawl_offset o;

        for (int i = 0; i < n; i++)
            CHECK_EQ(pawl_memory_size(r, alloc(r, pawl_heap_sizes[c])),
                     pawl_heap_sizes[c]);
        CHECK_ERR(pawl_memory_alloc(r, pawl_heap_sizes[c], 0, 0, &o), -ENOSPC);
        CHECK_EQ(audit(r), n);
        pawl_region_free(r);
    }
}

TEST(memory.is_aligned_as_asked)
{
    pawl_region *r = make(64);

    for (size_t a = 1; a <= PAGE; a *= 2) {
        for (size_t bytes = 1; bytes < 3000; bytes = bytes * 3 + 1) {
            pawl_offset o;

            CHECK_OK(pawl_memory_alloc(r, bytes, a, 0, &o));
            CHECK((uintptr_t)pawl_region_at(r, o) % a == 0);
            CHECK_OK(pawl_memory_free(r, o));
        }
    }
    pawl_region_free(r);
}

TEST(memory.is_zeroed_when_asked)
{
    static const size_t sizes[] = {24, 500, 5000};
    pawl_region *r = make(4);

    for (int i = 0; i < 3; i++) {
        pawl_offset o = alloc(r, sizes[i]);
        const unsigned char *p;

        memset(pawl_region_at(r, o), 255, sizes[i]);
        CHECK_OK(pawl_memory_free(r, o));
        CHECK_OK(pawl_memory_alloc(r, sizes[i], 0, PAWL_MEMORY_ZERO, &o));
        p = pawl_region_at(r, o);
        for (size_t k = 0; k < sizes[i]; k++)
            CHECK_EQ(p[k], 0);
        CHECK_OK(pawl_memory_free(r, o));
    }
    pawl_region_free(r);
}

TEST(memory.wrong_arguments_are_refused)
{
    pawl_region *r = make(4);
    pawl_offset o = 7;

    CHECK_ERR(pawl_memory_alloc(r, 0, 0, 0, &o), -EINVAL);
    CHECK_ERR(pawl_memory_alloc(r, PAWL_REGION_BYTES_MAX + 1, 0, 0, &o),
              -EINVAL);
    CHECK_ERR(pawl_memory_alloc(r, 10, 3, 0, &o), -EINVAL);
    CHECK_ERR(pawl_memory_alloc(r, 10, 8192, 0, &o), -EINVAL);
    CHECK_ERR(pawl_memory_alloc(r, 10, 0, 4, &o), -EINVAL);
    CHECK_ERR(pawl_memory_alloc(r, PAWL_REGION_BYTES_MAX, 0, 0, &o), -ENOSPC);
    CHECK_ERR(pawl_memory_alloc(r, 5 * PAGE, 0, 0, &o), -ENOSPC);
    CHECK_EQ(o, 7);
    CHECK_OK(pawl_region_close(r));
    CHECK_ERR(pawl_memory_alloc(r, 1, 0, 0, &o), -EBADF);
    CHECK_ERR(pawl_memory_free(r, PAGE), -EBADF);
    CHECK_ERR(pawl_memory_keep(r, PAGE), -EBADF);
    CHECK_ERR(pawl_memory_publish(r, PAGE, &o), -EBADF);
    CHECK_ERR(pawl_memory_free_at(r, &o), -EBADF);
    CHECK_EQ(pawl_memory_size(r, PAGE), -EINVAL);
    CHECK_ERR(pawl_memory_get_stats(r, &(pawl_memory_stats){0}), -EBADF);
    CHECK(pawl_region_at(r, PAGE) == NULL);
    CHECK_EQ(pawl_region_offset(r, &o), 0);
    pawl_region_free(r);
}

TEST(memory.a_region_without_heap_is_full)
{
    pawl_region *r = make(0);
    pawl_offset o;

    CHECK_ERR(pawl_memory_alloc(r, 1, 0, 0, &o), -ENOSPC);
    CHECK_ERR(pawl_memory_free(r, PAGE), -EINVAL);
    pawl_region_free(r);
}

/* The bar for bad input. */
TEST(memory.what_is_no_block_is_not_freed)
{
    pawl_region *r = make(16);
    pawl_offset small = alloc(r, 100);
    pawl_offset run = alloc(r, 3 * PAGE);
    uint64_t before = audit(r);

    CHECK_OK(pawl_memory_free(r, 0));
    for (uint64_t o = 1; o < pawl_region_bytes(r) + 3 * PAGE; o += 8) {
        if (o == small || o == run)
            o += 8;
        CHECK_ERR(pawl_memory_free(r, o), -EINVAL);
        CHECK_ERR(pawl_memory_keep(r, o), -EINVAL);
        CHECK_EQ(pawl_memory_size(r, o), -EINVAL);
    }
    CHECK_ERR(pawl_memory_free(r, UINT64_MAX), -EINVAL);
    CHECK_ERR(pawl_memory_free(r, (uint64_t)INT64_MIN), -EINVAL);
    CHECK_EQ(audit(r), before);
    CHECK_OK(pawl_memory_free(r, small));
    CHECK_ERR(pawl_memory_free(r, small), -EINVAL);
    CHECK_OK(pawl_memory_free(r, run));
    CHECK_ERR(pawl_memory_free(r, run), -EINVAL);
    CHECK_EQ(audit(r), 0);
    pawl_region_free(r);
}

TEST(memory.empty_pages_serve_other_classes_and_runs)
{
    enum { PAGES = 8 };
    pawl_region *r = make(PAGES);
    pawl_offset o[MANY];
    pawl_offset run;
    int n;

    for (int c = 0; c < PAWL_HEAP_CLASSES; c++) {
        for (n = 0; pawl_memory_alloc(r, pawl_heap_sizes[c], 0, 0, &o[n]) == 0;)
            n++;
        CHECK_EQ(n, PAGES * (PAGE / pawl_heap_sizes[c]));
        CHECK_ERR(pawl_memory_alloc(r, PAGE, 0, 0, &run), -ENOSPC);
        for (int i = 0; i < n; i++)
            CHECK_OK(pawl_memory_free(r, o[i]));
        run = alloc(r, PAGES * PAGE);
        CHECK_ERR(pawl_memory_alloc(r, 1, 0, 0, &o[0]), -ENOSPC);
        CHECK_OK(pawl_memory_free(r, run));
    }
    CHECK_EQ(audit(r), 0);
    pawl_region_free(r);
}

TEST(memory.a_page_with_one_block_in_use_is_kept)
{
    pawl_region *r = make(2);
    pawl_offset o[2 * 128];
    pawl_offset run;

    for (int i = 0; i < 256; i++)
        o[i] = alloc(r, 32);
    for (int i = 0; i < 255; i++)
        CHECK_OK(pawl_memory_free(r, o[i]));
    strcpy(pawl_region_at(r, o[255]), "kept");
    CHECK_ERR(pawl_memory_alloc(r, 2 * PAGE, 0, 0, &run), -ENOSPC);
    run = alloc(r, PAGE);
    memset(pawl_region_at(r, run), 0, PAGE);
    CHECK(strcmp(pawl_region_at(r, o[255]), "kept") == 0);
    for (int i = 0; i < 127; i++)
        o[i] = alloc(r, 32);
    CHECK_ERR(pawl_memory_alloc(r, 32, 0, 0, &o[127]), -ENOSPC);
    pawl_region_free(r);
}

/* ---- addresses ------------------------------------------------------------------ */

struct node {
    PAWL_OFFSET_TO(struct node) next;
    int value;
};

TEST(memory.offsets_are_the_same_at_every_address)
{
    pawl_region *r = make(4);
    pawl_region *again;
    struct node *n;
    pawl_offset head = 0;
    PAWL_OFFSET_TO(struct node) first;

    for (int i = 0; i < 10; i++) {
        pawl_offset o = alloc(r, sizeof(struct node));

        n = pawl_region_at(r, o);
        n->value = i;
        n->next.offset = head;
        head = o;
        CHECK_EQ(pawl_region_offset(r, n), o);
    }
    CHECK_OK(pawl_region_attach_fd(&again, pawl_region_fd(r)));
    first.offset = head;
    n = PAWL_AT(again, first);
    for (int i = 9; i >= 0; i--) {
        CHECK_EQ(n->value, i);
        n = PAWL_AT(again, n->next);
    }
    CHECK(n == NULL);
    CHECK_EQ(pawl_region_offset(r, NULL), 0);
    CHECK_EQ(pawl_region_offset(r, &n), 0);
    CHECK(pawl_region_at(r, pawl_region_bytes(r)) == NULL);
    pawl_region_free(r);
    pawl_region_free(again);
}

/* ---- who owns it ----------------------------------------------------------------- */

struct owner {
    pawl_region *region;
    pawl_offset owned;
    pawl_offset run;
    pawl_offset kept;
    pawl_offset born_kept;
    pawl_offset *where;
};

static void allocate_and_end(void *arg)
{
    struct owner *w = arg;
    pawl_region *r = w->region;

    w->owned = alloc(r, 40);
    w->run = alloc(r, 2 * PAGE);
    w->kept = alloc(r, 40);
    CHECK_OK(pawl_memory_keep(r, w->kept));
    CHECK_ERR(pawl_memory_keep(r, w->kept), -EPERM);
    CHECK_OK(pawl_memory_alloc(r, 40, 0, PAWL_MEMORY_KEPT, &w->born_kept));
    CHECK_OK(pawl_memory_publish(r, alloc(r, 40), w->where));
}

TEST(memory.of_a_thread_that_ended_is_free)
{
    struct owner w = {.region = make(8)};
    pawl_region *r = w.region;
    pawl_memory_stats stats;
    pawl_offset mine = alloc(r, 64);

    w.where = pawl_region_at(r, mine);
    *w.where = 0;
    test_join(test_thread(allocate_and_end, &w));
    CHECK_EQ(audit(r), 6);
    CHECK_ERR(pawl_memory_keep(r, w.owned), -EPERM);
    CHECK_OK(pawl_memory_get_stats(r, &stats));
    CHECK_EQ(stats.owned, 3);
    CHECK_EQ(stats.blocks, 6);
    CHECK_EQ(stats.bytes, 4 * 48 + 64 + 2 * PAGE);
    CHECK_EQ(pawl_region_recover(r), 1);
    CHECK_EQ(audit(r), 4);
    CHECK_ERR(pawl_memory_free(r, w.owned), -EINVAL);
    CHECK_ERR(pawl_memory_free(r, w.run), -EINVAL);
    CHECK_OK(pawl_memory_free(r, w.kept));
    CHECK_OK(pawl_memory_free(r, w.born_kept));
    CHECK(*w.where != 0);
    CHECK_OK(pawl_memory_free_at(r, w.where));
    CHECK_EQ(*w.where, 0);
    CHECK_OK(pawl_memory_free_at(r, w.where));
    CHECK_EQ(audit(r), 1);
    pawl_region_free(r);
}

static void fill_and_end(void *arg)
{
    pawl_offset o;

    while (pawl_memory_alloc(arg, 32, 0, 0, &o) == 0)
        ;
}

TEST(memory.of_the_dead_is_found_when_there_is_no_other)
{
    pawl_region *r = make(3);
    pawl_offset o;

    for (int i = 0; i < 3; i++) {
        test_join(test_thread(fill_and_end, r));
        CHECK_EQ(audit(r), 3 * 128);
        o = alloc(r, 3 * PAGE);
        CHECK_OK(pawl_memory_free(r, o));
    }
    pawl_region_free(r);
}

TEST(memory.may_be_freed_by_others)
{
    struct owner w = {.region = make(8)};
    pawl_offset mine = alloc(w.region, 64);

    w.where = pawl_region_at(w.region, mine);
    test_join(test_thread(allocate_and_end, &w));
    CHECK_OK(pawl_memory_free(w.region, w.owned));
    CHECK_OK(pawl_memory_free(w.region, w.run));
    CHECK_EQ(audit(w.region), 4);
    CHECK_EQ(pawl_region_recover(w.region), 1);
    CHECK_EQ(audit(w.region), 4);
    pawl_region_free(w.region);
}

TEST(memory.is_published_in_the_region_only)
{
    pawl_region *r = make(2);
    pawl_offset o = alloc(r, 64);
    pawl_offset outside = 0;
    unsigned char *inside = pawl_region_at(r, alloc(r, 64));

    CHECK_ERR(pawl_memory_publish(r, o, &outside), -EINVAL);
    CHECK_ERR(pawl_memory_publish(r, o, NULL), -EINVAL);
    CHECK_ERR(pawl_memory_publish(r, o, (pawl_offset *)(void *)(inside + 4)),
              -EINVAL);
    CHECK_ERR(pawl_memory_free_at(r, &outside), -EINVAL);
    CHECK_ERR(pawl_memory_publish(r, o + 1, (pawl_offset *)(void *)inside),
              -EINVAL);
    CHECK_OK(pawl_memory_publish(r, o, (pawl_offset *)(void *)inside));
    CHECK_ERR(pawl_memory_publish(r, o, (pawl_offset *)(void *)inside), -EPERM);
    pawl_region_free(r);
}

/* ---- many ---------------------------------------------------------------------- */

enum { HANDS = 40 };

/* Invariant: nobody else writes into a block while it is ours. */
static void juggle(void *scene, int me)
{
    pawl_region *r = scene;
    uint64_t random = test_seed((uint64_t)me);
    pawl_offset hand[HANDS] = {0};
    size_t size[HANDS] = {0};

    for (int i = 0; i < test_iterations(6000); i++) {
        uint32_t k = test_rand_below(&random, HANDS);

        if (hand[k] != 0) {
            const unsigned char *p = pawl_region_at(r, hand[k]);

            CHECK(p[0] == me && p[size[k] - 1] == me);
            CHECK_OK(pawl_memory_free(r, hand[k]));
            hand[k] = 0;
        } else {
            size[k] =
                1 + test_rand_below(&random, (i & 15) == 0 ? 3 * PAGE : 300);
            if (pawl_memory_alloc(r, size[k], 0, 0, &hand[k]) == 0)
                memset(pawl_region_at(r, hand[k]), me, size[k]);
        }
    }
    for (int k = 0; k < HANDS; k++)
        CHECK_OK(pawl_memory_free(r, hand[k]));
}

TEST(memory.is_of_one_at_a_time)
{
    /* Room enough, and too little, so that pages change their classes. */
    static const size_t pages[] = {400, 24};

    for (int i = 0; i < 2; i++) {
        pawl_region *r = make(pages[i]);

        crowd(4, juggle, r);
        CHECK_EQ(audit(r), 0);
        CHECK_OK(pawl_memory_free(r, alloc(r, pages[i] * PAGE)));
        pawl_region_free(r);
    }
}
