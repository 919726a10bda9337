/* SPDX-License-Identifier: MIT
 *
 * stack_test.c - the lock-free stack, call by call.
 */
#include <stdlib.h>
#include <string.h>

#include <pawl/stack.h>

#include "test.h"

static pawl_stack *make(size_t capacity, size_t element_size)
{
    pawl_stack *s = NULL;

    CHECK_OK(pawl_stack_create(&s, capacity, element_size, 1));
    CHECK_EQ(pawl_stack_capacity(s), capacity);
    CHECK_EQ(pawl_stack_element_size(s), element_size);
    CHECK_EQ(pawl_stack_size(s), 0);
    return s;
}

TEST(stack.refuses_sizes_out_of_bounds)
{
    pawl_stack *s = (pawl_stack *)&s;
    pawl_stack *before = s;

    CHECK_EQ(pawl_stack_bytes(0, 8, 1), -EINVAL);
    CHECK_EQ(pawl_stack_bytes(8, 0, 1), -EINVAL);
    CHECK_EQ(pawl_stack_bytes(8, 8, 0), -EINVAL);
    CHECK_EQ(pawl_stack_bytes((size_t)PAWL_STACK_CAPACITY_MAX + 1, 1, 1),
             -EINVAL);
    CHECK_EQ(pawl_stack_bytes(1, (size_t)PAWL_STACK_ELEMENT_MAX + 1, 1),
             -EINVAL);
    CHECK_EQ(pawl_stack_bytes(1, 1, (size_t)PAWL_STACK_PARTICIPANTS_MAX + 1),
             -EINVAL);
    CHECK_EQ(pawl_stack_bytes(SIZE_MAX, SIZE_MAX, SIZE_MAX), -EINVAL);
    CHECK(pawl_stack_bytes(PAWL_STACK_CAPACITY_MAX, PAWL_STACK_ELEMENT_MAX,
                           PAWL_STACK_PARTICIPANTS_MAX) > 0);
    CHECK_ERR(pawl_stack_create(&s, 0, 8, 1), -EINVAL);
    CHECK(s == before);
}

TEST(stack.huge_one_is_out_of_memory)
{
    pawl_stack *s = NULL;

    if (test_under_tsan())
        TEST_SKIP("the sanitizer ends the program instead");
    CHECK_ERR(pawl_stack_create(&s, PAWL_STACK_CAPACITY_MAX,
                                PAWL_STACK_ELEMENT_MAX, 1),
              -ENOMEM);
    CHECK(s == NULL);
}

TEST(stack.init_and_attach_check_the_memory)
{
    int64_t bytes = pawl_stack_bytes(3, 24, 2);
    char *memory = aligned_alloc(PAWL_STACK_ALIGN, (size_t)bytes);
    pawl_stack *s = NULL;

    CHECK(memory != NULL);
    memset(memory, 0xff, (size_t)bytes);
    CHECK_ERR(pawl_stack_attach(&s, memory, (size_t)bytes), -EINVAL);
    CHECK_ERR(pawl_stack_init(&s, memory + 8, (size_t)bytes - 8, 3, 24, 2),
              -EINVAL);
    CHECK_ERR(pawl_stack_init(&s, memory, (size_t)bytes - 1, 3, 24, 2),
              -ENOSPC);
    CHECK_ERR(pawl_stack_init(&s, memory, (size_t)bytes, 0, 24, 2), -EINVAL);
    CHECK_ERR(pawl_stack_init(&s, NULL, (size_t)bytes, 3, 24, 2), -EINVAL);
    CHECK_ERR(pawl_stack_attach(&s, NULL, (size_t)bytes), -EINVAL);
    CHECK(s == NULL);
    CHECK_OK(pawl_stack_init(&s, memory, (size_t)bytes, 3, 24, 2));
    CHECK((char *)s == memory);
    s = NULL;
    CHECK_ERR(pawl_stack_attach(&s, memory, (size_t)bytes - 1), -EINVAL);
    CHECK_ERR(pawl_stack_attach(&s, memory, 8), -EINVAL);
    CHECK_ERR(pawl_stack_attach(&s, memory + 8, (size_t)bytes), -EINVAL);
    CHECK(s == NULL);
    CHECK_OK(pawl_stack_attach(&s, memory, (size_t)bytes));
    CHECK((char *)s == memory);
    free(memory);
}

/* last in, first out; the capacity is exact, at every fill. */
TEST(stack.last_in_first_out_within_its_capacity)
{
    static const size_t capacities[] = {1, 2, 3, 5, 8, 1000};

    for (size_t c = 0; c < sizeof capacities / sizeof capacities[0]; c++) {
        size_t capacity = capacities[c];
        pawl_stack *s = make(capacity, sizeof(uint64_t));
        uint64_t v = 0;

        for (size_t keep = 0; keep < capacity; keep += 1 + capacity / 7) {
            for (uint64_t i = pawl_stack_size(s); i < capacity; i++)
                CHECK_OK(pawl_stack_push(s, &i));
            v = 99999;
            CHECK_ERR(pawl_stack_push(s, &v), -EAGAIN);
            CHECK_EQ(pawl_stack_size(s), capacity);
            for (uint64_t i = capacity; i-- > keep;) {
                CHECK_OK(pawl_stack_pop(s, &v));
                CHECK_EQ(v, i);
                CHECK_EQ(pawl_stack_size(s), i);
            }
        }
        while (pawl_stack_pop(s, &v) == 0)
            ;
        v = 77;
        CHECK_ERR(pawl_stack_pop(s, &v), -EAGAIN);
        CHECK_EQ(v, 77);
        pawl_stack_free(s);
    }
}

/* Any size goes in and comes out whole, and touches no neighbour. */
TEST(stack.elements_of_any_size)
{
    static const size_t sizes[] = {1, 2, 3, 4, 7, 8, 9, 16, 24, 63, 64, 4096};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t size = sizes[i];
        pawl_stack *s = make(3, size);
        unsigned char in[4096];
        unsigned char out[4097];

        for (int round = 0; round < 20; round++) {
            for (int k = 1; k <= 3; k++) {
                memset(in, round + k, size);
                CHECK_OK(pawl_stack_push(s, in));
            }
            for (int k = 3; k >= 1; k--) {
                memset(in, round + k, size);
                memset(out, 0, sizeof out);
                CHECK_OK(pawl_stack_pop(s, out));
                CHECK_EQ(memcmp(out, in, size), 0);
                CHECK_EQ(out[size], 0);
            }
        }
        pawl_stack_free(s);
    }
}

/* nothing is pushed after the close; what is there is delivered. */
TEST(stack.close_refuses_pushes_and_delivers_the_rest)
{
    pawl_stack *s = make(2, sizeof(int));
    int v = 1;

    CHECK_OK(pawl_stack_push(s, &v));
    v = 2;
    CHECK_OK(pawl_stack_push(s, &v));
    CHECK(!pawl_stack_is_closed(s));
    for (int i = 0; i < 2; i++) { /* idempotent */
        CHECK_OK(pawl_stack_close(s));
        CHECK(pawl_stack_is_closed(s));
    }
    v = 3;
    CHECK_ERR(pawl_stack_push(s, &v), -ESHUTDOWN); /* full */
    CHECK_EQ(pawl_stack_size(s), 2);
    for (int want = 2; want > 0; want--) {
        CHECK_OK(pawl_stack_pop(s, &v));
        CHECK_EQ(v, want);
        CHECK_ERR(pawl_stack_push(s, &v), -ESHUTDOWN);
        CHECK(pawl_stack_is_closed(s));
    }
    v = 77;
    CHECK_ERR(pawl_stack_pop(s, &v), -ESHUTDOWN);
    CHECK_EQ(v, 77);
    pawl_stack_free(s);
    s = make(2, sizeof(int));
    CHECK_OK(pawl_stack_close(s));
    CHECK_ERR(pawl_stack_pop(s, &v), -ESHUTDOWN);
    CHECK_ERR(pawl_stack_push(s, &v), -ESHUTDOWN);
    pawl_stack_free(s);
}
