/* SPDX-License-Identifier: MIT
 *
 * wsdeque_test.c - the work-stealing deque, call by call.
 */
#include <stdlib.h>
#include <string.h>

#include <pawl/wsdeque.h>

#include "test.h"

static pawl_wsdeque *make(size_t capacity)
{
    pawl_wsdeque *d = NULL;

    CHECK_OK(pawl_wsdeque_create(&d, capacity));
    CHECK_EQ(pawl_wsdeque_capacity(d), capacity);
    CHECK_EQ(pawl_wsdeque_size(d), 0);
    return d;
}

TEST(wsdeque.refuses_sizes_out_of_bounds)
{
    static const size_t bad[] = {
        0, 3, 12, (size_t)PAWL_WSDEQUE_CAPACITY_MAX * 2, SIZE_MAX};
    pawl_wsdeque *d = (pawl_wsdeque *)&d;
    pawl_wsdeque *before = d;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_EQ(pawl_wsdeque_bytes(bad[i]), -EINVAL);
        CHECK_ERR(pawl_wsdeque_create(&d, bad[i]), -EINVAL);
    }
    CHECK(d == before);
    CHECK(pawl_wsdeque_bytes(PAWL_WSDEQUE_CAPACITY_MAX) > 0);
}

TEST(wsdeque.init_checks_the_memory)
{
    int64_t bytes = pawl_wsdeque_bytes(4);
    char *memory = aligned_alloc(PAWL_WSDEQUE_ALIGN, (size_t)bytes);
    pawl_wsdeque *d = NULL;

    CHECK(memory != NULL);
    memset(memory, 0xff, (size_t)bytes);
    CHECK_ERR(pawl_wsdeque_init(&d, memory + 8, (size_t)bytes, 4), -EINVAL);
    CHECK_ERR(pawl_wsdeque_init(&d, memory, (size_t)bytes - 1, 4), -ENOSPC);
    CHECK_ERR(pawl_wsdeque_init(&d, memory, (size_t)bytes, 5), -EINVAL);
    CHECK_ERR(pawl_wsdeque_init(&d, NULL, (size_t)bytes, 4), -EINVAL);
    CHECK(d == NULL);
    CHECK_OK(pawl_wsdeque_init(&d, memory, (size_t)bytes, 4));
    CHECK_EQ(pawl_wsdeque_size(d), 0);
    free(memory);
}

/* The owner's end is a stack, the other a queue; the capacity is exact. */
TEST(wsdeque.owner_takes_the_last_thieves_the_first)
{
    for (size_t capacity = 1; capacity <= 64; capacity *= 2) {
        pawl_wsdeque *d = make(capacity);
        uint64_t v = 77;

        for (uint64_t round = 0; round < 5; round++) {
            CHECK_ERR(pawl_wsdeque_pop(d, &v), -EAGAIN);
            CHECK_ERR(pawl_wsdeque_steal(d, &v), -EAGAIN);
            for (uint64_t i = 0; i < capacity; i++)
                CHECK_OK(pawl_wsdeque_push(d, round * 100 + i));
            CHECK_ERR(pawl_wsdeque_push(d, 1), -EAGAIN);
            CHECK_EQ(pawl_wsdeque_size(d), capacity);
            for (uint64_t i = 0; i < capacity / 2; i++) {
                CHECK_OK(pawl_wsdeque_steal(d, &v));
                CHECK_EQ(v, round * 100 + i);
            }
            for (uint64_t i = capacity; i-- > capacity / 2;) {
                CHECK_EQ(pawl_wsdeque_size(d), i + 1 - capacity / 2);
                CHECK_OK(pawl_wsdeque_pop(d, &v));
                CHECK_EQ(v, round * 100 + i);
            }
            v = 77;
            CHECK_ERR(pawl_wsdeque_pop(d, &v), -EAGAIN);
            CHECK_ERR(pawl_wsdeque_steal(d, &v), -EAGAIN);
            CHECK_EQ(v, 77);
        }
        pawl_wsdeque_free(d);
    }
}

/* What was stolen makes room. */
TEST(wsdeque.stealing_makes_room)
{
    pawl_wsdeque *d = make(2);
    uint64_t v;

    CHECK_OK(pawl_wsdeque_push(d, 0));
    CHECK_OK(pawl_wsdeque_push(d, 1));
    for (uint64_t i = 2; i < 100; i++) {
        CHECK_ERR(pawl_wsdeque_push(d, i), -EAGAIN);
        CHECK_OK(pawl_wsdeque_steal(d, &v));
        CHECK_EQ(v, i - 2);
        CHECK_OK(pawl_wsdeque_push(d, i));
    }
    pawl_wsdeque_free(d);
}
