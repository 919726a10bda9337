/* SPDX-License-Identifier: MIT
 *
 * spsc_test.c - the queue of one producer and one consumer, call by call.
 */
#include <stdlib.h>
#include <string.h>

#include <pawl/spsc.h>

#include "test.h"

static pawl_spsc *make(size_t capacity, size_t element_size)
{
    pawl_spsc *q = NULL;

    CHECK_OK(pawl_spsc_create(&q, capacity, element_size));
    CHECK_EQ(pawl_spsc_capacity(q), capacity);
    CHECK_EQ(pawl_spsc_element_size(q), element_size);
    CHECK_EQ(pawl_spsc_size(q), 0);
    return q;
}

TEST(spsc.refuses_sizes_out_of_bounds)
{
    pawl_spsc *q = (pawl_spsc *)&q;
    pawl_spsc *before = q;

    CHECK_EQ(pawl_spsc_bytes(0, 8), -EINVAL);
    CHECK_EQ(pawl_spsc_bytes(8, 0), -EINVAL);
    CHECK_EQ(pawl_spsc_bytes((size_t)PAWL_SPSC_CAPACITY_MAX + 1, 1), -EINVAL);
    CHECK_EQ(pawl_spsc_bytes(1, (size_t)PAWL_SPSC_ELEMENT_MAX + 1), -EINVAL);
    CHECK_EQ(pawl_spsc_bytes(SIZE_MAX, SIZE_MAX), -EINVAL);
    CHECK(pawl_spsc_bytes(PAWL_SPSC_CAPACITY_MAX, PAWL_SPSC_ELEMENT_MAX) > 0);
    CHECK_ERR(pawl_spsc_create(&q, 0, 8), -EINVAL);
    CHECK(q == before);
}

TEST(spsc.huge_one_is_out_of_memory)
{
    pawl_spsc *q = NULL;

    if (test_under_tsan())
        TEST_SKIP("the sanitizer ends the program instead");
    CHECK_ERR(pawl_spsc_create(&q, PAWL_SPSC_CAPACITY_MAX,
                               PAWL_SPSC_ELEMENT_MAX),
              -ENOMEM);
    CHECK(q == NULL);
}

/* The memory is as large as said, and nothing else is refused. */
TEST(spsc.init_and_attach_check_the_memory)
{
    int64_t bytes = pawl_spsc_bytes(3, 24);
    char *memory = aligned_alloc(PAWL_SPSC_ALIGN, (size_t)bytes);
    pawl_spsc *q = NULL;

    CHECK(memory != NULL);
    memset(memory, 0xff, (size_t)bytes);
    CHECK_ERR(pawl_spsc_attach(&q, memory, (size_t)bytes), -EINVAL);
    CHECK_ERR(pawl_spsc_init(&q, memory + 8, (size_t)bytes - 8, 3, 24),
              -EINVAL);
    CHECK_ERR(pawl_spsc_init(&q, memory, (size_t)bytes - 1, 3, 24), -ENOSPC);
    CHECK_ERR(pawl_spsc_init(&q, memory, (size_t)bytes, 0, 24), -EINVAL);
    CHECK_ERR(pawl_spsc_init(&q, NULL, (size_t)bytes, 3, 24), -EINVAL);
    CHECK_ERR(pawl_spsc_attach(&q, NULL, (size_t)bytes), -EINVAL);
    CHECK(q == NULL);
    CHECK_OK(pawl_spsc_init(&q, memory, (size_t)bytes, 3, 24));
    CHECK((char *)q == memory);
    q = NULL;
    CHECK_ERR(pawl_spsc_attach(&q, memory, (size_t)bytes - 1), -EINVAL);
    CHECK_ERR(pawl_spsc_attach(&q, memory, 8), -EINVAL);
    CHECK_ERR(pawl_spsc_attach(&q, memory + 8, (size_t)bytes), -EINVAL);
    CHECK(q == NULL);
    CHECK_OK(pawl_spsc_attach(&q, memory, (size_t)bytes));
    CHECK((char *)q == memory);
    free(memory);
}

/* the capacity is exact, the order is kept, over many laps, whatever the
 * fill when the index starts again. */
TEST(spsc.holds_exactly_its_capacity_in_order)
{
    static const size_t capacities[] = {1, 2, 3, 5, 8, 1000};

    for (size_t c = 0; c < sizeof capacities / sizeof capacities[0]; c++) {
        size_t capacity = capacities[c];
        pawl_spsc *q = make(capacity, sizeof(uint64_t));
        uint64_t pushed = 0;
        uint64_t popped = 0;
        uint64_t v = 0;

        for (size_t keep = 0; keep < capacity; keep += 1 + capacity / 7) {
            while (pawl_spsc_push(q, &pushed) == 0)
                pushed++;
            CHECK_EQ(pawl_spsc_push(q, &pushed), -EAGAIN);
            CHECK_EQ(pushed - popped, capacity);
            CHECK_EQ(pawl_spsc_size(q), capacity);
            while (pushed - popped > keep) {
                CHECK_OK(pawl_spsc_pop(q, &v));
                CHECK_EQ(v, popped);
                popped++;
                CHECK_EQ(pawl_spsc_size(q), pushed - popped);
            }
        }
        while (popped < pushed) {
            CHECK_OK(pawl_spsc_pop(q, &v));
            CHECK_EQ(v, popped++);
        }
        v = 77;
        CHECK_EQ(pawl_spsc_pop(q, &v), -EAGAIN);
        CHECK_EQ(v, 77);
        pawl_spsc_free(q);
    }
}

/* Any size goes in and comes out whole, and touches no neighbour. */
TEST(spsc.elements_of_any_size)
{
    static const size_t sizes[] = {1, 2, 3, 4, 7, 8, 9, 16, 24, 63, 64, 4096};

    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        size_t size = sizes[s];
        pawl_spsc *q = make(3, size);
        unsigned char in[4096];
        unsigned char out[4097];

        for (int i = 0; i < 20; i++) {
            for (int k = 0; k < 3; k++) {
                memset(in, i * 3 + k + 1, size);
                CHECK_OK(pawl_spsc_push(q, in));
            }
            for (int k = 0; k < 3; k++) {
                const unsigned char *front = pawl_spsc_front(q);

                memset(in, i * 3 + k + 1, size);
                CHECK(front != NULL && memcmp(front, in, size) == 0);
                memset(out, 0, sizeof out);
                CHECK_OK(pawl_spsc_pop(q, out));
                CHECK_EQ(memcmp(out, in, size), 0);
                CHECK_EQ(out[size], 0);
            }
            CHECK(pawl_spsc_front(q) == NULL);
        }
        pawl_spsc_free(q);
    }
}

/* Batches take what fits, and go around the end of the memory in order. */
TEST(spsc.batches_take_what_fits)
{
    pawl_spsc *q = make(7, sizeof(uint32_t));
    uint32_t in[10];
    uint32_t out[10];
    uint32_t pushed = 0;
    uint32_t popped = 0;

    CHECK_EQ(pawl_spsc_pop_many(q, out, 10), -EAGAIN);
    CHECK_EQ(pawl_spsc_pop_many(q, out, 0), 0);
    for (int round = 0; round < 200; round++) {
        size_t n = (size_t)(round * 5 % 10) + 1;
        size_t room = 7 - (pushed - popped);
        int64_t done;

        for (size_t i = 0; i < n; i++)
            in[i] = pushed + (uint32_t)i;
        done = pawl_spsc_push_many(q, in, n);
        CHECK_EQ(done, room == 0 ? -EAGAIN : (int64_t)(n < room ? n : room));
        pushed += done > 0 ? (uint32_t)done : 0;
        CHECK_EQ(pawl_spsc_push_many(q, in, 0), 0);
        n = (size_t)(round * 3 % 7) + 1;
        done = pawl_spsc_pop_many(q, out, n);
        for (int64_t i = 0; i < done; i++)
            CHECK_EQ(out[i], popped + (uint32_t)i);
        CHECK_EQ(done, (int64_t)(n < pushed - popped ? n : pushed - popped));
        popped += (uint32_t)done;
        CHECK_EQ(pawl_spsc_size(q), pushed - popped);
    }
    pawl_spsc_free(q);
}
