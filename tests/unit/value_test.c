/* SPDX-License-Identifier: MIT
 *
 * value_test.c - H-05 to H-10: numbers and arrays in shared memory.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pawl/error.h>
#include <pawl/value.h>

#include "crowd.h"
#include "team.h"

/* ---- numbers ------------------------------------------------------------------ */

TEST(value.operations_on_32_bits)
{
    pawl_u32 v = {0};
    uint32_t seen = 5;

    CHECK_EQ(pawl_u32_load(&v), 0);
    pawl_u32_store(&v, 12);
    CHECK_EQ(pawl_u32_add(&v, 3), 12);
    CHECK_EQ(pawl_u32_and(&v, 9), 15);
    CHECK_EQ(pawl_u32_or(&v, 6), 9);
    CHECK_EQ(pawl_u32_xor(&v, 1), 15);
    CHECK_EQ(pawl_u32_exchange(&v, 7), 14);
    CHECK(!pawl_u32_compare_exchange(&v, &seen, 1));
    CHECK_EQ(seen, 7);
    CHECK(pawl_u32_compare_exchange(&v, &seen, 1));
    CHECK_EQ(pawl_u32_load(&v), 1);
}

TEST(value.operations_on_64_bits)
{
    const uint64_t high = UINT64_C(1) << 40;
    pawl_u64 v = {0};
    uint64_t seen = 5;

    pawl_u64_store(&v, high);
    CHECK_EQ(pawl_u64_add(&v, 3), high);
    CHECK_EQ(pawl_u64_and(&v, high | 1), high + 3);
    CHECK_EQ(pawl_u64_or(&v, 2 * high), high + 1);
    CHECK_EQ(pawl_u64_xor(&v, 1), 3 * high + 1);
    CHECK_EQ(pawl_u64_exchange(&v, 7 * high), 3 * high);
    CHECK(!pawl_u64_compare_exchange(&v, &seen, 1));
    CHECK_EQ(seen, 7 * high);
    CHECK(pawl_u64_compare_exchange(&v, &seen, 1));
    CHECK_EQ(pawl_u64_load(&v), 1);
}

/* H-06: at the width of the type. */
TEST(value.signed_numbers_wrap)
{
    pawl_u32 v = {INT32_MAX};
    pawl_u64 w = {INT64_MAX};

    CHECK_EQ((int32_t)pawl_u32_add(&v, 1), INT32_MAX);
    CHECK_EQ((int32_t)pawl_u32_load(&v), INT32_MIN);
    CHECK_EQ((int32_t)pawl_u32_add(&v, (uint32_t)-1), INT32_MIN);
    CHECK_EQ((int32_t)pawl_u32_load(&v), INT32_MAX);
    CHECK_EQ((int64_t)pawl_u64_add(&w, 1), INT64_MAX);
    CHECK_EQ((int64_t)pawl_u64_load(&w), INT64_MIN);
}

TEST(value.operations_on_doubles)
{
    pawl_f64 v = {{0}};
    double seen = -0.0;

    CHECK(pawl_f64_load(&v) == 0.0);
    CHECK(!pawl_f64_compare_exchange(&v, &seen, 1));
    CHECK(!signbit(seen));
    CHECK(pawl_f64_compare_exchange(&v, &seen, 1.5));
    CHECK(pawl_f64_add(&v, 2.25) == 1.5);
    CHECK(pawl_f64_exchange(&v, (double)NAN) == 3.75);
    seen = pawl_f64_load(&v);
    CHECK(isnan(seen));
    CHECK(pawl_f64_compare_exchange(&v, &seen, 4));
    pawl_f64_store(&v, -1);
    CHECK(pawl_f64_load(&v) == -1);
}

struct sums {
    pawl_u32 u32;
    pawl_u64 u64;
    pawl_f64 f64;
    pawl_u64 bits;
};

enum { ADDERS = 4 };

static void add_up(struct member *me)
{
    struct sums *s = me->rig;

    for (int i = 0; i < test_iterations(50000); i++) {
        pawl_u32_add(&s->u32, 1);
        pawl_u64_add(&s->u64, 3);
        pawl_f64_add(&s->f64, 0.5);
        pawl_u64_xor(&s->bits, UINT64_C(1) << (8 * me->index + i % 8));
    }
}

/* W-44: Python loses updates of `value += 1`. */
TEST(value.no_update_is_lost_between_processes)
{
    struct sums *s = test_shared_alloc(sizeof *s);
    uint64_t n = (uint64_t)test_iterations(50000) * ADDERS;

    team_of_processes(ADDERS, add_up, s);
    CHECK_EQ(pawl_u32_load(&s->u32), (uint32_t)n);
    CHECK_EQ(pawl_u64_load(&s->u64), 3 * n);
    CHECK(pawl_f64_load(&s->f64) == 0.5 * (double)n);
}

/* ---- arrays --------------------------------------------------------------------- */

struct point {
    int x;
    char c;
};

static void *place(size_t bytes)
{
    void *p = aligned_alloc(PAWL_ARRAY_ALIGN, (bytes + 127) / 64 * 64);

    CHECK(p != NULL);
    memset(p, 255, bytes);
    return p;
}

static pawl_array *array_of(size_t n, size_t size, unsigned flags)
{
    int64_t bytes = pawl_array_bytes(n, size, flags);
    pawl_array *a;

    CHECK(bytes > 0);
    CHECK_OK(pawl_array_init(&a, place((size_t)bytes), (size_t)bytes, n, size,
                             flags));
    CHECK_EQ(pawl_array_length(a), n);
    CHECK_EQ(pawl_array_element_size(a), size);
    return a;
}

/* H-08 */
TEST(array.is_zero_and_keeps_what_is_set)
{
    static const unsigned flags[] = {0, PAWL_SHARED, PAWL_ARRAY_RAW,
                                     PAWL_ARRAY_PADDED,
                                     PAWL_ARRAY_PADDED | PAWL_ARRAY_RAW};

    for (int f = 0; f < 5; f++) {
        pawl_array *a = array_of(10, sizeof(struct point), flags[f]);
        struct point p;

        for (int i = 0; i < 10; i++) {
            CHECK_OK(pawl_array_get(a, (size_t)i, &p));
            CHECK(p.x == 0 && p.c == 0);
            p = (struct point){.x = i, .c = 'c'};
            CHECK_OK(pawl_array_set(a, (size_t)i, &p));
        }
        for (int i = 0; i < 10; i++) {
            CHECK_OK(pawl_array_get(a, (size_t)i, &p));
            CHECK(p.x == i && p.c == 'c');
            CHECK_EQ(((struct point *)pawl_array_at(a, (size_t)i))->x, i);
        }
        CHECK_ERR(pawl_array_get(a, 10, &p), -ERANGE);
        CHECK_ERR(pawl_array_set(a, SIZE_MAX, &p), -ERANGE);
        CHECK(pawl_array_at(a, 10) == NULL);
        CHECK_EQ(pawl_array_lock(a) == NULL, (flags[f] & PAWL_ARRAY_RAW) != 0);
        free(a);
    }
}

TEST(array.padded_elements_share_no_line)
{
    pawl_array *a = array_of(3, 65, PAWL_ARRAY_PADDED);

    for (size_t i = 0; i < 3; i++)
        CHECK((uintptr_t)pawl_array_at(a, i) % 64 == 0);
    CHECK_EQ((char *)pawl_array_at(a, 2) - (char *)pawl_array_at(a, 1), 128);
    free(a);
}

/* H-08: slices have the length that is said, and are there or not. */
TEST(array.ranges_are_all_or_nothing)
{
    static const unsigned flags[] = {0, PAWL_ARRAY_PADDED};

    for (int f = 0; f < 2; f++) {
        pawl_array *a = array_of(8, sizeof(int), flags[f]);
        const int in[4] = {1, 2, 3, 4};
        int out[8];

        CHECK_OK(pawl_array_set_range(a, 2, 4, in));
        CHECK_OK(pawl_array_get_range(a, 0, 8, out));
        for (int i = 0; i < 8; i++)
            CHECK_EQ(out[i], i >= 2 && i < 6 ? i - 1 : 0);
        CHECK_ERR(pawl_array_set_range(a, 5, 4, in), -ERANGE);
        CHECK_ERR(pawl_array_get_range(a, 9, 0, out), -ERANGE);
        CHECK_ERR(pawl_array_get_range(a, 1, SIZE_MAX, out), -ERANGE);
        CHECK_OK(pawl_array_get_range(a, 8, 0, out));
        CHECK_OK(pawl_array_get_range(a, 5, 3, out));
        CHECK(out[0] == 4 && out[1] == 0 && out[2] == 0);
        free(a);
    }
}

TEST(array.impossible_ones_are_refused)
{
    size_t bytes = (size_t)pawl_array_bytes(4, 4, 0);
    char *memory = place(bytes + 64);
    pawl_array *a = NULL;

    CHECK_EQ(pawl_array_bytes(0, 4, 0), -EINVAL);
    CHECK_EQ(pawl_array_bytes(4, 0, 0), -EINVAL);
    CHECK_EQ(pawl_array_bytes(4, 4, 2), -EINVAL);
    CHECK_EQ(pawl_array_bytes(SIZE_MAX, 4, 0), -EOVERFLOW);
    CHECK_EQ(pawl_array_bytes(4, SIZE_MAX, PAWL_ARRAY_PADDED), -EOVERFLOW);
    CHECK_ERR(pawl_array_init(&a, memory + 8, bytes, 4, 4, 0), -EINVAL);
    CHECK_ERR(pawl_array_init(&a, NULL, bytes, 4, 4, 0), -EINVAL);
    CHECK_ERR(pawl_array_init(&a, memory, bytes - 1, 4, 4, 0), -ENOSPC);
    CHECK_ERR(pawl_array_attach(&a, memory, bytes), -EINVAL);
    CHECK(a == NULL);
    CHECK_OK(pawl_array_init(&a, memory, bytes, 4, 4, 0));
    CHECK_ERR(pawl_array_attach(&a, memory, bytes - 1), -EINVAL);
    CHECK_ERR(pawl_array_attach(&a, memory, 8), -EINVAL);
    CHECK_OK(pawl_array_attach(&a, memory, bytes));
    free(memory);
}

/* H-09. */
TEST(array.text_ends_at_the_first_zero_byte)
{
    pawl_array *a = array_of(5, 1, 0);
    pawl_array *wide = array_of(5, 2, 0);
    char text[8];

    CHECK_EQ(pawl_array_get_text(a, text, sizeof text), 0);
    CHECK_OK(pawl_array_set_text(a, "hello"));
    CHECK_EQ(pawl_array_get_text(a, text, sizeof text), 5);
    CHECK(strcmp(text, "hello") == 0);
    CHECK_EQ(pawl_array_get_text(a, text, 5), -ENOSPC);
    CHECK_OK(pawl_array_set_text(a, "abc"));
    CHECK_EQ(pawl_array_get_text(a, text, 4), 3);
    CHECK(strcmp(text, "abc") == 0);
    CHECK_OK(pawl_array_get_range(a, 0, 5, text));
    CHECK(memcmp(text, "abc\0o", 5) == 0);
    CHECK_ERR(pawl_array_set_text(a, "longer"), -ENOSPC);
    CHECK_EQ(pawl_array_get_text(a, text, sizeof text), 3);
    CHECK_ERR(pawl_array_set_text(wide, "x"), -EINVAL);
    CHECK_EQ(pawl_array_get_text(wide, text, 8), -EINVAL);
    free(a);
    free(wide);
}

/* H-07: the lock is recursive. */
TEST(array.may_be_used_under_its_lock)
{
    pawl_array *a = array_of(2, sizeof(int), 0);
    int v = 1;

    CHECK_OK(pawl_rmutex_lock(pawl_array_lock(a)));
    CHECK_OK(pawl_array_set(a, 0, &v));
    CHECK_OK(pawl_array_get(a, 0, &v));
    CHECK_OK(pawl_rmutex_unlock(pawl_array_lock(a)));
    CHECK_ERR(pawl_rmutex_unlock(pawl_array_lock(a)), -EPERM);
    free(a);
}

/* Every element always has both halves equal. */
struct pair {
    long a;
    long b;
};

static int step(void *element, void *context)
{
    struct pair *p = element;

    (void)context;
    CHECK_EQ(p->a, p->b);
    p->a++;
    p->b++;
    return 7;
}

static void change_and_look(struct member *me)
{
    pawl_array *a;
    struct pair p[2];

    CHECK_OK(pawl_array_attach(&a, me->rig, 4096));
    for (int i = 0; i < test_iterations(5000); i++) {
        CHECK_EQ(pawl_array_change(a, (size_t)(i & 1), step, NULL), 7);
        CHECK_OK(pawl_array_get_range(a, 0, 2, p));
        CHECK(p[0].a == p[0].b && p[1].a == p[1].b);
    }
    CHECK_ERR(pawl_array_change(a, 2, step, NULL), -ERANGE);
}

TEST(array.is_changed_by_one_at_a_time)
{
    void *memory = test_shared_alloc(4096);
    pawl_array *a;
    struct pair p[2];

    CHECK_OK(
        pawl_array_init(&a, memory, 4096, 2, sizeof(struct pair), PAWL_SHARED));
    team_of_processes(4, change_and_look, memory);
    CHECK_OK(pawl_array_get_range(a, 0, 2, p));
    CHECK_EQ(p[0].a + p[1].a, 4 * test_iterations(5000));
}

static void end_inside(void *array)
{
    CHECK_OK(pawl_rmutex_lock(pawl_array_lock(array)));
}

TEST(array.survives_a_holder_that_ended)
{
    pawl_array *a = array_of(2, sizeof(int), 0);
    int v = 3;

    test_join(test_thread(end_inside, a));
    CHECK_OK(pawl_array_set(a, 1, &v));
    CHECK_OK(pawl_array_get(a, 1, &v));
    free(a);
}

static void end_under_repair(void *array)
{
    CHECK_ERR(pawl_rmutex_lock(pawl_array_lock(array)), -EOWNERDEAD);
    CHECK_OK(pawl_rmutex_unlock(pawl_array_lock(array)));
}

/* of a lock that somebody gave up all calls say so, and change nothing. */
TEST(array.says_what_its_lock_says)
{
    pawl_array *a = array_of(4, 1, 0);
    char text[5] = "ab";
    char c = 'c';

    CHECK_OK(pawl_array_set_text(a, "xyz"));
    CHECK_OK(pawl_rmutex_lock(pawl_array_lock(a)));
    pawl_array_lock(a)->depth_ = PAWL_RMUTEX_DEPTH_MAX;
    CHECK_ERR(pawl_array_get(a, 0, &c), -EOVERFLOW);
    CHECK_ERR(pawl_array_set(a, 0, &c), -EOVERFLOW);
    pawl_array_lock(a)->depth_ = 1;
    CHECK_OK(pawl_rmutex_unlock(pawl_array_lock(a)));

    test_join(test_thread(end_inside, a));
    test_join(test_thread(end_under_repair, a));
    CHECK_ERR(pawl_array_get(a, 0, &c), -ENOTRECOVERABLE);
    CHECK_ERR(pawl_array_set(a, 0, &c), -ENOTRECOVERABLE);
    CHECK_ERR(pawl_array_get_range(a, 0, 4, text), -ENOTRECOVERABLE);
    CHECK_ERR(pawl_array_set_range(a, 0, 2, text), -ENOTRECOVERABLE);
    CHECK_ERR(pawl_array_change(a, 0, step, NULL), -ENOTRECOVERABLE);
    CHECK_ERR(pawl_array_set_text(a, "ab"), -ENOTRECOVERABLE);
    CHECK_EQ(pawl_array_get_text(a, text, 5), -ENOTRECOVERABLE);
    CHECK_EQ(c, 'c');
    CHECK(memcmp(pawl_array_at(a, 0), "xyz", 4) == 0);
    free(a);
}
