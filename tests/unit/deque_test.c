/* SPDX-License-Identifier: MIT
 *
 * deque_test.c - the blocking deque, call by call.
 */
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <pawl/deque.h>
#include <pawl/error.h>

#include "exhausted.h"
#include "puppet.h"
#include "test.h"

static pawl_deque *make(size_t capacity, unsigned flags)
{
    pawl_deque *d = NULL;

    CHECK_OK(
        pawl_deque_create(&d, &(pawl_deque_options){.capacity = capacity,
                                                    .element_size = sizeof(int),
                                                    .flags = flags}));
    CHECK_EQ(pawl_deque_capacity(d), capacity);
    CHECK_EQ(pawl_deque_element_size(d), sizeof(int));
    return d;
}

/* Bounded, dropping, unbounded: with room for a few. */
static pawl_deque *make_any(int i)
{
    static const struct {
        size_t capacity;
        unsigned flags;
    } modes[] = {{40, 0}, {40, PAWL_DEQUE_DROP}, {0, PAWL_UNBOUNDED}};

    return make(modes[i].capacity, modes[i].flags);
}
enum { MODES = 3 };

static void push(pawl_deque *d, int v)
{
    CHECK_OK(pawl_deque_try_push_back(d, &v));
}

/* Begin somewhere in the array, so that what follows goes over its end. */
static void turn(pawl_deque *d, int n)
{
    int v;

    for (int i = 0; i < n; i++)
        push(d, -1);
    for (int i = 0; i < n; i++)
        CHECK_OK(pawl_deque_try_pop_front(d, &v));
}

static void fill(pawl_deque *d, int n)
{
    for (int i = 0; i < n; i++)
        push(d, i);
}

/* It holds these, in this order. */
static void check_holds(pawl_deque *d, const int *want, int n)
{
    CHECK_EQ(pawl_deque_size(d), n);
    for (int i = 0; i < n; i++) {
        int v = INT_MIN;

        CHECK_OK(pawl_deque_get(d, i, &v));
        CHECK_EQ(v, want[i]);
        CHECK_OK(pawl_deque_get(d, i - n, &v));
        CHECK_EQ(v, want[i]);
    }
}
#define HOLDS(d, ...)                                                          \
    check_holds(d, (const int[]){__VA_ARGS__},                                 \
                sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static bool is_equal(const void *element, const void *what)
{
    return *(const int *)element == *(const int *)what;
}

/* ---- making one ----------------------------------------------------------- */

/* D-01 */
TEST(deque.create_refuses_bad_options)
{
    static const pawl_deque_options bad[] = {
        {.capacity = 0, .element_size = 8},
        {.capacity = 8, .element_size = 0},
        {.capacity = (size_t)PAWL_DEQUE_CAPACITY_MAX + 1, .element_size = 8},
        {.capacity = 8, .element_size = (size_t)PAWL_DEQUE_ELEMENT_MAX + 1},
        {.capacity = 8, .element_size = 8, .flags = PAWL_OWNERLESS},
        {.capacity = 8, .element_size = 8, .flags = 1u << 31},
        {.capacity = 8, .element_size = 8, .flags = PAWL_UNBOUNDED},
        {.element_size = 8, .flags = PAWL_UNBOUNDED | PAWL_SHARED},
        {.element_size = 8, .flags = PAWL_UNBOUNDED | PAWL_DEQUE_DROP},
    };
    pawl_deque *d = (pawl_deque *)&d;
    pawl_deque *before = d;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_EQ(pawl_deque_bytes(&bad[i]), -EINVAL);
        CHECK_ERR(pawl_deque_create(&d, &bad[i]), -EINVAL);
    }
    CHECK_ERR(
        pawl_deque_create(&d, &(pawl_deque_options){.capacity = 8,
                                                    .element_size = 8,
                                                    .flags = PAWL_SHARED}),
        -EINVAL);
    CHECK_EQ(pawl_deque_bytes(&(pawl_deque_options){.element_size = 8,
                                                    .flags = PAWL_UNBOUNDED}),
             -EINVAL);
    CHECK(d == before);
}

/* */
TEST(deque.init_and_attach_check_the_memory)
{
    const pawl_deque_options o = {
        .capacity = 3, .element_size = 24, .flags = PAWL_SHARED};
    int64_t bytes = pawl_deque_bytes(&o);
    char *memory = aligned_alloc(PAWL_DEQUE_ALIGN, (size_t)bytes);
    pawl_deque *d = NULL;

    CHECK(memory != NULL);
    memset(memory, 0xff, (size_t)bytes);
    CHECK_ERR(pawl_deque_attach(&d, memory, (size_t)bytes), -EINVAL);
    CHECK_ERR(pawl_deque_init(&d, memory + 8, (size_t)bytes - 8, &o), -EINVAL);
    CHECK_ERR(pawl_deque_init(&d, memory, (size_t)bytes - 1, &o), -ENOSPC);
    CHECK(d == NULL);
    CHECK_OK(pawl_deque_init(&d, memory, (size_t)bytes, &o));
    CHECK((char *)d == memory);
    d = NULL;
    CHECK_ERR(pawl_deque_attach(&d, memory, (size_t)bytes - 1), -EINVAL);
    CHECK_ERR(pawl_deque_attach(&d, memory, 8), -EINVAL);
    CHECK_ERR(pawl_deque_attach(&d, memory + 8, (size_t)bytes), -EINVAL);
    CHECK(d == NULL);
    CHECK_OK(pawl_deque_attach(&d, memory, (size_t)bytes));
    CHECK_EQ(pawl_deque_capacity(d), 3);
    CHECK_EQ(pawl_deque_element_size(d), 24);
    CHECK(pawl_deque_is_empty(d));
    free(memory);
}

/* ---- D-02, D-03: the ends --------------------------------------------------- */

/* D-01 to D-03: exact capacity, both ends, from everywhere in the array. */
TEST(deque.pushes_and_pops_at_both_ends)
{
    for (int capacity = 1; capacity <= 6; capacity++) {
        pawl_deque *d = make((size_t)capacity, 0);
        uint64_t random = test_seed((uint64_t)capacity);
        int model[6];
        int n = 0;

        for (int i = 0; i < 5000; i++) {
            bool front = test_rand_below(&random, 2) == 0;
            int v = 77;

            if (test_rand_below(&random, 2) == 0) {
                int err = front ? pawl_deque_try_push_front(d, &i)
                                : pawl_deque_try_push_back(d, &i);

                CHECK_ERR(err, n == capacity ? -EAGAIN : 0);
                if (err == 0) {
                    memmove(model + 1, model, front ? (size_t)n * 4 : 0);
                    model[front ? 0 : n] = i;
                    n++;
                }
            } else {
                int err = front ? pawl_deque_try_pop_front(d, &v)
                                : pawl_deque_try_pop_back(d, &v);

                CHECK_ERR(err, n == 0 ? -EAGAIN : 0);
                CHECK_EQ(v, n == 0 ? 77 : model[front ? 0 : n - 1]);
                if (err == 0) {
                    n--;
                    memmove(model, model + 1, front ? (size_t)n * 4 : 0);
                }
            }
            check_holds(d, model, n);
            CHECK_EQ(pawl_deque_is_empty(d), n == 0);
            CHECK_EQ(pawl_deque_is_full(d), n == capacity);
        }
        pawl_deque_free(d);
    }
}

/* D-01, D-02: full, the element at the opposite end is dropped, and shown. */
TEST(deque.drops_at_the_other_end)
{
    pawl_deque *d = make(3, PAWL_DEQUE_DROP);
    int lost = 77;
    int v;

    turn(d, 2);
    fill(d, 3);
    v = 3;
    CHECK_OK(pawl_deque_push_back(d, &v));
    HOLDS(d, 1, 2, 3);
    v = 0;
    CHECK_OK(pawl_deque_push_front_until(d, &v, 0));
    HOLDS(d, 0, 1, 2);
    v = 8;
    CHECK_EQ(pawl_deque_push_back_dropping(d, &v, &lost), 1);
    CHECK_EQ(lost, 0);
    CHECK_EQ(pawl_deque_push_front_dropping(d, &v, &lost), 1);
    CHECK_EQ(lost, 8);
    CHECK_EQ(pawl_deque_push_front_dropping(d, &v, NULL), 1);
    HOLDS(d, 8, 8, 1);
    CHECK_OK(pawl_deque_try_pop_back(d, &v));
    lost = 77;
    CHECK_EQ(pawl_deque_push_back_dropping(d, &v, &lost), 0);
    CHECK_EQ(lost, 77);
    HOLDS(d, 8, 8, 1);
    pawl_deque_free(d);
    /* Each call may choose to. */
    d = make(1, 0);
    fill(d, 1);
    v = 5;
    CHECK_EQ(pawl_deque_push_front_dropping(d, &v, &lost), 1);
    CHECK_EQ(lost, 0);
    HOLDS(d, 5);
    pawl_deque_free(d);
}

/* D-01: one of capacity 0 takes everything and keeps nothing. */
TEST(deque.of_capacity_0_drops_all)
{
    pawl_deque *d = make(0, PAWL_DEQUE_DROP);
    int v = 5;
    int lost = 77;

    for (int i = 0; i < 3; i++) {
        CHECK_OK(pawl_deque_push_back(d, &v));
        CHECK_OK(pawl_deque_push_front(d, &v));
        CHECK_EQ(pawl_deque_push_back_dropping(d, &v, &lost), 1);
        CHECK_EQ(lost, 5);
        CHECK_OK(pawl_deque_extend_back(d, &v, 1));
        CHECK_ERR(pawl_deque_insert(d, 0, &v), -ENOSPC);
        CHECK_ERR(pawl_deque_try_pop_front(d, &v), -EAGAIN);
        CHECK(pawl_deque_is_empty(d) && pawl_deque_is_full(d));
        CHECK_OK(pawl_deque_rotate(d, 1));
        CHECK_OK(pawl_deque_reverse(d));
        CHECK_EQ(pawl_deque_clear(d, NULL, NULL), 0);
    }
    pawl_deque_free(d);
}

/* D-01, D-02: grows to any size, from both ends, and gives memory back. */
TEST(deque.unbounded_grows_and_shrinks)
{
    enum { MANY = 10000 };
    pawl_deque *d = make(0, PAWL_UNBOUNDED);
    int v;

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) {
            int back = -i - 1;

            CHECK_OK(pawl_deque_push_front_until(d, &i, -1));
            CHECK_OK(pawl_deque_push_back(d, &back));
            CHECK(!pawl_deque_is_full(d));
        }
        CHECK_EQ(pawl_deque_size(d), 2 * MANY);
        for (int i = MANY - 1; i >= 0; i--) {
            CHECK_OK(pawl_deque_try_pop_front(d, &v));
            CHECK_EQ(v, i);
            CHECK_OK(pawl_deque_try_pop_back(d, &v));
            CHECK_EQ(v, -i - 1);
        }
        CHECK_ERR(pawl_deque_try_pop_front(d, &v), -EAGAIN);
        fill(d, round * 10);
        CHECK_EQ(pawl_deque_clear(d, NULL, NULL), round * 10);
    }
    fill(d, 100);
    pawl_deque_free(d);
}

/* D-02, D-03, R-06: a deadline in the past tries once. */
TEST(deque.past_deadline_tries_once)
{
    static const pawl_deadline past[] = {0, -1, INT64_MIN, 1};
    pawl_deque *d = make(1, 0);

    for (size_t i = 0; i < sizeof past / sizeof past[0]; i++) {
        int v = 77;

        CHECK_ERR(pawl_deque_pop_front_until(d, &v, past[i]), -ETIMEDOUT);
        CHECK_ERR(pawl_deque_pop_back_until(d, &v, past[i]), -ETIMEDOUT);
        CHECK_EQ(v, 77);
        CHECK_OK(pawl_deque_push_back_until(d, &v, past[i]));
        CHECK_ERR(pawl_deque_push_back_until(d, &v, past[i]), -ETIMEDOUT);
        CHECK_ERR(pawl_deque_push_front_until(d, &v, past[i]), -ETIMEDOUT);
        HOLDS(d, 77);
        CHECK_OK(pawl_deque_pop_front_until(d, &v, past[i]));
        CHECK_OK(pawl_deque_push_front_until(d, &v, past[i]));
        CHECK_OK(pawl_deque_pop_back_until(d, &v, past[i]));
    }
    pawl_deque_free(d);
}

struct scene {
    pawl_deque *d;
    bool front;
    int value;
};

static int push_until(void *object, pawl_deadline until)
{
    struct scene *s = object;

    return s->front ? pawl_deque_push_front_until(s->d, &s->value, until)
                    : pawl_deque_push_back_until(s->d, &s->value, until);
}

static int pop_until(void *object, pawl_deadline until)
{
    struct scene *s = object;

    return s->front ? pawl_deque_pop_front_until(s->d, &s->value, until)
                    : pawl_deque_pop_back_until(s->d, &s->value, until);
}

static void sleeps(struct puppet *p, struct scene *s, pawl_deque *d, int i,
                   puppet_fn fn)
{
    *s = (struct scene){.d = d, .front = i % 2 == 0, .value = 100 + i};
    puppet_do(p, fn, s, PAWL_FOREVER);
    puppet_until_asleep(p);
}

/* D-01: elements that come in whatever way wake those who wait for them, at
 * either end. */
TEST(deque.what_comes_wakes_who_waits)
{
    enum { WAYS = 5 };
    pawl_deque *d = make(4, 0);
    struct puppet p[2];
    struct scene s[2];
    const int two[2] = {1, 2};

    puppets_begin(p, 2);
    for (int way = 0; way < WAYS; way++) {
        for (int i = 0; i < 2; i++)
            sleeps(&p[i], &s[i], d, i, pop_until);
        if (way == 0) {
            CHECK_OK(pawl_deque_extend_back(d, two, 2));
        } else {
            for (int i = 0; i < 2; i++) {
                if (way == 1)
                    CHECK_OK(pawl_deque_push_back(d, &two[i]));
                else if (way == 2)
                    CHECK_OK(pawl_deque_push_front(d, &two[i]));
                else if (way == 3)
                    CHECK_OK(pawl_deque_insert(d, 0, &two[i]));
                else
                    CHECK_EQ(pawl_deque_push_back_dropping(d, &two[i], NULL),
                             0);
            }
        }
        for (int i = 0; i < 2; i++)
            CHECK_OK(puppet_result(&p[i]));
        CHECK_EQ(s[0].value + s[1].value, 3);
        CHECK(pawl_deque_is_empty(d));
    }
    puppets_end(p, 2);
    pawl_deque_free(d);
}

static enum pawl_deque_verdict all_out(void *element, void *context)
{
    (void)element;
    (void)context;
    return PAWL_DEQUE_REMOVE;
}

/* D-02: room that comes in whatever way wakes those who wait for it. */
TEST(deque.room_wakes_who_waits)
{
    enum { WAYS = 6 };
    pawl_deque *d = make(2, 0);
    struct puppet p[2];
    struct scene s[2];
    int v;

    puppets_begin(p, 2);
    for (int way = 0; way < WAYS; way++) {
        fill(d, 2);
        for (int i = 0; i < 2; i++)
            sleeps(&p[i], &s[i], d, i, push_until);
        if (way == 0) {
            CHECK_EQ(pawl_deque_clear(d, NULL, NULL), 2);
        } else if (way == 1) {
            CHECK_EQ(pawl_deque_visit(d, all_out, NULL), 2);
        } else {
            for (int i = 0; i < 2; i++) {
                int what = i;

                if (way == 2)
                    CHECK_OK(pawl_deque_try_pop_front(d, &v));
                else if (way == 3)
                    CHECK_OK(pawl_deque_pop_back(d, &v));
                else if (way == 4)
                    CHECK_OK(pawl_deque_remove_at(d, 0, NULL));
                else
                    CHECK_OK(pawl_deque_remove(d, is_equal, &what, NULL));
                if (way != 5)
                    CHECK_OK(puppet_result(&p[way == 0 ? 0 : i]));
            }
        }
        for (int i = 0; i < 2 && (way < 2 || way == 5); i++)
            CHECK_OK(puppet_result(&p[i]));
        CHECK_EQ(pawl_deque_size(d), 2);
        pawl_deque_clear(d, NULL, NULL);
    }
    puppets_end(p, 2);
    pawl_deque_free(d);
}

/* ---- D-04: several ----------------------------------------------------------- */

TEST(deque.extends_at_both_ends)
{
    const int in[4] = {1, 2, 3, 4};

    for (int mode = 0; mode < MODES; mode++) {
        pawl_deque *d = make_any(mode);

        turn(d, 15);
        CHECK_OK(pawl_deque_extend_back(d, in, 0));
        CHECK_OK(pawl_deque_extend_back(d, in, 3));
        CHECK_OK(pawl_deque_extend_front(d, in, 4)); /* reversed */
        HOLDS(d, 4, 3, 2, 1, 1, 2, 3);
        pawl_deque_free(d);
    }
}

/* D-04: all or none; dropping, the last ones stay. */
TEST(deque.extend_of_a_full_one)
{
    const int in[5] = {1, 2, 3, 4, 5};
    pawl_deque *d = make(4, 0);

    turn(d, 3);
    fill(d, 2);
    CHECK_ERR(pawl_deque_extend_back(d, in, 3), -EAGAIN);
    CHECK_ERR(pawl_deque_extend_front(d, in, SIZE_MAX), -EAGAIN);
    HOLDS(d, 0, 1);
    CHECK_OK(pawl_deque_extend_back(d, in, 2));
    HOLDS(d, 0, 1, 1, 2);
    pawl_deque_free(d);
    d = make(4, PAWL_DEQUE_DROP);
    fill(d, 2);
    CHECK_OK(pawl_deque_extend_back(d, in, 3));
    HOLDS(d, 1, 1, 2, 3);
    CHECK_OK(pawl_deque_extend_front(d, in, 2));
    HOLDS(d, 2, 1, 1, 1);
    CHECK_OK(pawl_deque_extend_back(d, in, 5));
    HOLDS(d, 2, 3, 4, 5);
    pawl_deque_free(d);
}

/* ---- D-05, D-07: by index ------------------------------------------------------ */

/* D-05, D-07: inserts, removals and settings at every index, against a list. */
TEST(deque.by_index_as_a_list)
{
    enum { ROOM = 40 };

    for (int mode = 0; mode < MODES; mode++) {
        pawl_deque *d = make_any(mode);
        uint64_t random = test_seed(7);
        int model[ROOM];
        int n = 0;

        turn(d, 30);
        for (int i = 0; i < 5000; i++) {
            int what = (int)test_rand_below(&random, 3);
            int64_t index =
                (int64_t)test_rand_below(&random, 3 * ROOM) - 3 * ROOM / 2;
            int64_t at = index < 0 ? index + n : index;
            int v = 77;

            if (what == 0 && n < ROOM) {
                at = at < 0 ? 0 : at < n ? at : n;
                CHECK_OK(pawl_deque_insert(d, index, &i));
                memmove(model + at + 1, model + at, (size_t)(n - at) * 4);
                model[at] = i;
                n++;
            } else if (what == 1) {
                bool there = at >= 0 && at < n;

                CHECK_ERR(pawl_deque_remove_at(d, index, &v),
                          there ? 0 : -ERANGE);
                CHECK_EQ(v, there ? model[at] : 77);
                if (there)
                    memmove(model + at, model + at + 1, (size_t)(--n - at) * 4);
            } else if (what == 2) {
                bool there = at >= 0 && at < n;

                CHECK_ERR(pawl_deque_get(d, index, &v), there ? 0 : -ERANGE);
                CHECK_EQ(v, there ? model[at] : 77);
                CHECK_ERR(pawl_deque_set(d, index, &i), there ? 0 : -ERANGE);
                if (there)
                    model[at] = i;
            }
            if (i % 16 == 0)
                check_holds(d, model, n);
        }
        CHECK_ERR(pawl_deque_get(d, INT64_MAX, model), -ERANGE);
        CHECK_ERR(pawl_deque_get(d, INT64_MIN, model), -ERANGE);
        CHECK_ERR(pawl_deque_set(d, n, model), -ERANGE);
        CHECK_ERR(pawl_deque_remove_at(d, -n - 1, NULL), -ERANGE);
        pawl_deque_free(d);
    }
}

/* D-05: an index beyond an end is that end; full, nothing is dropped. */
TEST(deque.insert_clips_and_is_refused_when_full)
{
    for (int mode = 0; mode < 2; mode++) {
        pawl_deque *d = make(4, mode == 0 ? 0 : PAWL_DEQUE_DROP);
        int v = 9;

        fill(d, 1);
        CHECK_OK(pawl_deque_insert(d, INT64_MIN, &v));
        v = 8;
        CHECK_OK(pawl_deque_insert(d, INT64_MAX, &v));
        v = 7;
        CHECK_OK(pawl_deque_insert(d, -1, &v));
        HOLDS(d, 9, 0, 7, 8);
        CHECK_ERR(pawl_deque_insert(d, 1, &v), -ENOSPC);
        HOLDS(d, 9, 0, 7, 8);
        pawl_deque_free(d);
    }
}

/* ---- D-06: by content ------------------------------------------------------------ */

TEST(deque.finds_the_first_match)
{
    const int in[] = {5, 3, 5, 4, 5, 3};
    int what = 5;
    int found = 77;

    for (int mode = 0; mode < MODES; mode++) {
        pawl_deque *d = make_any(mode);

        turn(d, 13);
        CHECK_EQ(pawl_deque_count(d, is_equal, &what), 0);
        CHECK_EQ(pawl_deque_index(d, is_equal, &what, 0, INT64_MAX), -ENOENT);
        CHECK_ERR(pawl_deque_remove(d, is_equal, &what, &found), -ENOENT);
        CHECK_EQ(found, 77);
        CHECK_OK(pawl_deque_extend_back(d, in, 6));
        CHECK_EQ(pawl_deque_count(d, is_equal, &what), 3);
        CHECK_EQ(pawl_deque_index(d, is_equal, &what, 0, INT64_MAX), 0);
        CHECK_EQ(pawl_deque_index(d, is_equal, &what, 1, INT64_MAX), 2);
        CHECK_EQ(pawl_deque_index(d, is_equal, &what, 1, 2), -ENOENT);
        CHECK_EQ(pawl_deque_index(d, is_equal, &what, -2, INT64_MAX), 4);
        CHECK_EQ(pawl_deque_index(d, is_equal, &what, -100, -5), 0);
        CHECK_EQ(pawl_deque_index(d, is_equal, &what, 3, 1), -ENOENT);
        CHECK_EQ(pawl_deque_index(d, is_equal, &what, 6, INT64_MAX), -ENOENT);
        CHECK_OK(pawl_deque_remove(d, is_equal, &what, NULL));
        HOLDS(d, 3, 5, 4, 5, 3);
        CHECK_OK(pawl_deque_remove(d, is_equal, &what, &found));
        CHECK_EQ(found, 5);
        HOLDS(d, 3, 4, 5, 3);
        found = 77;
        pawl_deque_free(d);
    }
}

/* ---- D-08: rotate and reverse ------------------------------------------------------ */

TEST(deque.rotates)
{
    static const int64_t by[] = {0, 1,  -1,      2,         -2,       3,
                                 7, -7, 1000000, INT64_MIN, INT64_MAX};

    for (size_t room = 1; room <= 8; room++) {
        for (int n = 0; n <= (int)room; n++) {
            for (size_t k = 0; k < sizeof by / sizeof by[0]; k++) {
                pawl_deque *d = make(room, 0);
                int want[8];

                turn(d, (int)(room * 2 / 3));
                fill(d, n);
                for (int i = 0; i < n; i++) {
                    int64_t to = (i + by[k] % n) % n;

                    want[to < 0 ? to + n : to] = i;
                }
                CHECK_OK(pawl_deque_rotate(d, by[k]));
                check_holds(d, want, n);
                pawl_deque_free(d);
            }
        }
    }
}

TEST(deque.reverses)
{
    enum { LARGE = 150 };
    pawl_deque *d = make(6, 0);
    char e[LARGE];

    turn(d, 4);
    CHECK_OK(pawl_deque_reverse(d));
    fill(d, 5);
    CHECK_OK(pawl_deque_reverse(d));
    HOLDS(d, 4, 3, 2, 1, 0);
    push(d, 9);
    CHECK_OK(pawl_deque_reverse(d));
    HOLDS(d, 9, 0, 1, 2, 3, 4);
    pawl_deque_free(d);
    CHECK_OK(pawl_deque_create(
        &d, &(pawl_deque_options){.capacity = 3, .element_size = LARGE}));
    for (int i = 0; i < 3; i++) {
        memset(e, i, LARGE);
        CHECK_OK(pawl_deque_push_back(d, e));
    }
    CHECK_OK(pawl_deque_reverse(d));
    for (int i = 2; i >= 0; i--) {
        CHECK_OK(pawl_deque_pop_front(d, e));
        for (int k = 0; k < LARGE; k++)
            CHECK_EQ(e[k], i);
    }
    pawl_deque_free(d);
}

/* ---- D-09: clear and copy ------------------------------------------------------------ */

struct seen {
    pawl_deque *d;
    int values[64];
    int n;
};

static void see(void *element, void *context)
{
    struct seen *s = context;

    s->values[s->n++] = *(int *)element;
}

TEST(deque.clear_shows_what_it_takes)
{
    for (int mode = 0; mode < MODES; mode++) {
        pawl_deque *d = make_any(mode);
        struct seen s = {.d = d};

        turn(d, 35);
        fill(d, 20);
        CHECK_EQ(pawl_deque_clear(d, see, &s), 20);
        CHECK_EQ(s.n, 20);
        for (int i = 0; i < 20; i++)
            CHECK_EQ(s.values[i], i);
        CHECK(pawl_deque_is_empty(d));
        CHECK_EQ(pawl_deque_clear(d, see, &s), 0);
        CHECK_EQ(s.n, 20);
        fill(d, 3);
        HOLDS(d, 0, 1, 2);
        pawl_deque_free(d);
    }
}

TEST(deque.copy_is_another_one)
{
    for (int mode = 0; mode < MODES; mode++) {
        pawl_deque *d = make_any(mode);
        pawl_deque *copy = NULL;

        turn(d, 38);
        fill(d, 5);
        CHECK_OK(pawl_deque_shutdown(d));
        CHECK_OK(pawl_deque_copy(&copy, d));
        HOLDS(copy, 0, 1, 2, 3, 4);
        CHECK_EQ(pawl_deque_capacity(copy), pawl_deque_capacity(d));
        push(copy, 5);
        HOLDS(copy, 0, 1, 2, 3, 4, 5);
        HOLDS(d, 0, 1, 2, 3, 4);
        while (mode == 1 && !pawl_deque_is_full(copy))
            push(copy, 7);
        if (mode == 1)
            push(copy, 8); /* drops, as the other does */
        pawl_deque_free(copy);
        pawl_deque_free(d);
    }
}

/* D-09, R-09: the copy of a shared one is local. */
TEST(deque.copy_of_a_shared_one)
{
    const pawl_deque_options o = {
        .capacity = 3, .element_size = sizeof(int), .flags = PAWL_SHARED};
    size_t bytes = (size_t)pawl_deque_bytes(&o);
    pawl_deque *copy = NULL;
    pawl_deque *d = NULL;

    CHECK_OK(pawl_deque_init(&d, test_shared_alloc(bytes), bytes, &o));
    fill(d, 2);
    CHECK_OK(pawl_deque_copy(&copy, d));
    HOLDS(copy, 0, 1);
    pawl_deque_free(copy);
}

/* ---- D-10: visit ------------------------------------------------------------------------ */

struct tour {
    pawl_deque *d;
    int visited;
    uint32_t remove; /* bits of the elements that go */
    int stop;        /* after so many */
};

static enum pawl_deque_verdict visit(void *element, void *context)
{
    struct tour *t = context;
    int *v = element;
    unsigned verdict =
        t->remove >> *v & 1 ? PAWL_DEQUE_REMOVE : PAWL_DEQUE_KEEP;

    CHECK_EQ(*v, t->visited);
    *v += 100; /* may be changed */
    if (++t->visited == t->stop)
        verdict |= PAWL_DEQUE_STOP;
    return (enum pawl_deque_verdict)verdict;
}

/* D-10: all subsets removed, stopped after all lengths. */
TEST(deque.visit_keeps_removes_and_stops)
{
    enum { N = 5 };

    for (int mode = 0; mode < MODES; mode++) {
        for (uint32_t remove = 0; remove < 1 << N; remove++) {
            for (int stop = 1; stop <= N + 1; stop++) {
                pawl_deque *d = make_any(mode);
                struct tour t = {.d = d, .remove = remove, .stop = stop};
                int visited = stop < N ? stop : N;
                int want[N];
                int n = 0;

                turn(d, 37);
                fill(d, N);
                for (int i = 0; i < N; i++)
                    if (i >= visited || !(remove >> i & 1))
                        want[n++] = i < visited ? i + 100 : i;
                CHECK_EQ(pawl_deque_visit(d, visit, &t), N - n);
                CHECK_EQ(t.visited, visited);
                check_holds(d, want, n);
                pawl_deque_free(d);
            }
        }
    }
}

static int refusals;

static void call_all(pawl_deque *d)
{
    size_t size = pawl_deque_size(d);
    pawl_deque *copy = NULL;
    int v = 1;

    refusals++;
    CHECK_ERR(pawl_deque_push_front(d, &v), -EBUSY);
    CHECK_ERR(pawl_deque_push_back_until(d, &v, pawl_after_s(60)), -EBUSY);
    CHECK_ERR(pawl_deque_try_push_back(d, &v), -EBUSY);
    CHECK_ERR(pawl_deque_push_front_dropping(d, &v, &v), -EBUSY);
    CHECK_ERR(pawl_deque_push_back_dropping(d, &v, &v), -EBUSY);
    CHECK_ERR(pawl_deque_pop_front(d, &v), -EBUSY);
    CHECK_ERR(pawl_deque_pop_back_until(d, &v, pawl_after_s(60)), -EBUSY);
    CHECK_ERR(pawl_deque_try_pop_back(d, &v), -EBUSY);
    CHECK_ERR(pawl_deque_extend_front(d, &v, 1), -EBUSY);
    CHECK_ERR(pawl_deque_extend_back(d, &v, 1), -EBUSY);
    CHECK_ERR(pawl_deque_get(d, 0, &v), -EBUSY);
    CHECK_ERR(pawl_deque_set(d, 0, &v), -EBUSY);
    CHECK_ERR(pawl_deque_insert(d, 0, &v), -EBUSY);
    CHECK_ERR(pawl_deque_remove_at(d, 0, &v), -EBUSY);
    CHECK_EQ(pawl_deque_index(d, is_equal, &v, 0, 1), -EBUSY);
    CHECK_EQ(pawl_deque_count(d, is_equal, &v), -EBUSY);
    CHECK_ERR(pawl_deque_remove(d, is_equal, &v, NULL), -EBUSY);
    CHECK_EQ(pawl_deque_visit(d, all_out, NULL), -EBUSY);
    CHECK_ERR(pawl_deque_rotate(d, 1), -EBUSY);
    CHECK_ERR(pawl_deque_reverse(d), -EBUSY);
    CHECK_EQ(pawl_deque_clear(d, NULL, NULL), -EBUSY);
    CHECK_ERR(pawl_deque_copy(&copy, d), -EBUSY);
    CHECK_ERR(pawl_deque_shutdown(d), -EBUSY);
    CHECK_EQ(pawl_deque_shutdown_now(d, NULL, NULL), -EBUSY);
    CHECK(copy == NULL);
    CHECK_EQ(v, 1);
    CHECK_EQ(pawl_deque_size(d), size);
    CHECK(!pawl_deque_is_shutdown(d));
}

static enum pawl_deque_verdict visit_and_call(void *element, void *context)
{
    (void)element;
    call_all(context);
    return PAWL_DEQUE_KEEP;
}

static pawl_deque *matched;

static bool match_and_call(const void *element, const void *what)
{
    call_all(matched);
    return is_equal(element, what);
}

static void discard_and_call(void *element, void *context)
{
    (void)element;
    call_all(context);
}

/* D-10: a visitor that mutates is refused, and so is every callback; nothing is
 * changed. */
TEST(deque.callbacks_are_refused)
{
    for (int mode = 0; mode < MODES; mode++) {
        pawl_deque *d = matched = make_any(mode);
        int what = 2;

        fill(d, 3);
        refusals = 0;
        CHECK_EQ(pawl_deque_visit(d, visit_and_call, d), 0);
        HOLDS(d, 0, 1, 2);
        CHECK_EQ(pawl_deque_index(d, match_and_call, &what, 0, INT64_MAX), 2);
        CHECK_EQ(pawl_deque_count(d, match_and_call, &what), 1);
        CHECK_OK(pawl_deque_remove(d, match_and_call, &what, NULL));
        HOLDS(d, 0, 1);
        CHECK_EQ(pawl_deque_clear(d, discard_and_call, d), 2);
        CHECK_EQ(refusals, 3 * 4 + 2);
        pawl_deque_free(d);
    }
}

static enum pawl_deque_verdict end_the_thread(void *element, void *context)
{
    (void)element;
    (void)context;
    pthread_exit(NULL);
}

static void *visit_and_end(void *d)
{
    (void)pawl_deque_visit(d, end_the_thread, NULL);
    return NULL;
}

/* A thread that ends in a callback leaves a deque that says so. */
TEST(deque.is_lost_with_a_thread_that_ends_inside)
{
    pawl_deque *d = make(4, 0);
    pthread_t thread;
    int v = 1;

    fill(d, 2);
    CHECK_EQ(pthread_create(&thread, NULL, visit_and_end, d), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_ERR(pawl_deque_push_back(d, &v), -ENOTRECOVERABLE);
        CHECK_ERR(pawl_deque_pop_front(d, &v), -ENOTRECOVERABLE);
        CHECK_ERR(pawl_deque_reverse(d), -ENOTRECOVERABLE);
        CHECK_ERR(pawl_deque_shutdown(d), -ENOTRECOVERABLE);
        CHECK_EQ(pawl_deque_clear(d, NULL, NULL), -ENOTRECOVERABLE);
    }
    pawl_deque_free(d);
}

/* ---- the end ------------------------------------------------------------------------------ */

TEST(deque.shutdown_delivers_what_is_left)
{
    for (int mode = 0; mode < MODES; mode++) {
        pawl_deque *d = make_any(mode);
        int v = 9;

        fill(d, 3);
        for (int i = 0; i < 2; i++) {
            CHECK_OK(pawl_deque_shutdown(d));
            CHECK(pawl_deque_is_shutdown(d));
        }
        CHECK_ERR(pawl_deque_push_front(d, &v), -ESHUTDOWN);
        CHECK_ERR(pawl_deque_push_back_until(d, &v, 0), -ESHUTDOWN);
        CHECK_ERR(pawl_deque_try_push_back(d, &v), -ESHUTDOWN);
        CHECK_ERR(pawl_deque_push_front_dropping(d, &v, NULL), -ESHUTDOWN);
        CHECK_ERR(pawl_deque_extend_back(d, &v, 1), -ESHUTDOWN);
        CHECK_ERR(pawl_deque_extend_front(d, &v, 0), -ESHUTDOWN);
        CHECK_ERR(pawl_deque_insert(d, 0, &v), -ESHUTDOWN);
        HOLDS(d, 0, 1, 2);
        CHECK_OK(pawl_deque_rotate(d, 1));
        CHECK_OK(pawl_deque_set(d, 0, &v));
        HOLDS(d, 9, 0, 1);
        CHECK_OK(pawl_deque_pop_front(d, &v));
        CHECK_OK(pawl_deque_remove_at(d, 0, NULL));
        CHECK_OK(pawl_deque_pop_back(d, &v));
        CHECK_ERR(pawl_deque_pop_front(d, &v), -ESHUTDOWN);
        CHECK_ERR(pawl_deque_pop_back_until(d, &v, 0), -ESHUTDOWN);
        CHECK_ERR(pawl_deque_try_pop_front(d, &v), -ESHUTDOWN);
        CHECK_EQ(v, 1);
        pawl_deque_free(d);
    }
}

TEST(deque.shutdown_releases_who_waits)
{
    pawl_deque *full = make(1, 0);
    pawl_deque *empty = make(1, 0);
    struct puppet p[4];
    struct scene s[4];

    fill(full, 1);
    puppets_begin(p, 4);
    for (int i = 0; i < 4; i++)
        sleeps(&p[i], &s[i], i < 2 ? full : empty, i,
               i < 2 ? push_until : pop_until);
    CHECK_OK(pawl_deque_shutdown(full));
    CHECK_OK(pawl_deque_shutdown(empty));
    for (int i = 0; i < 4; i++) {
        CHECK_ERR(puppet_result(&p[i]), -ESHUTDOWN);
        CHECK_EQ(s[i].value, 100 + i);
    }
    HOLDS(full, 0);
    puppets_end(p, 4);
    pawl_deque_free(full);
    pawl_deque_free(empty);
}

TEST(deque.shutdown_now_discards)
{
    pawl_deque *d = make(4, 0);
    struct seen s = {.d = d};
    int v = 9;

    fill(d, 3);
    CHECK_EQ(pawl_deque_shutdown_now(d, see, &s), 3);
    CHECK_EQ(s.n, 3);
    CHECK_ERR(pawl_deque_try_pop_front(d, &v), -ESHUTDOWN);
    CHECK_ERR(pawl_deque_try_push_front(d, &v), -ESHUTDOWN);
    CHECK_EQ(pawl_deque_shutdown_now(d, see, &s), 0);
    pawl_deque_free(d);
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* Whichever allocation fails, what is there stays as it is. */
TEST(deque.out_of_memory_changes_nothing)
{
    pawl_deque *copy = NULL;
    pawl_deque *d = NULL;
    int in[20] = {0};
    int v = 9;

    exhausted_after(0);
    CHECK_ERR(pawl_deque_create(
                  &d, &(pawl_deque_options){.capacity = 1, .element_size = 1}),
              -ENOMEM);
    exhausted_end();
    CHECK(d == NULL);
    d = make(0, PAWL_UNBOUNDED);
    exhausted_after(0);
    CHECK_ERR(pawl_deque_push_back(d, &v), -ENOMEM);
    CHECK_ERR(pawl_deque_insert(d, 0, &v), -ENOMEM);
    exhausted_end();
    CHECK(pawl_deque_is_empty(d));
    turn(d, 5);
    fill(d, 16); /* all the room there is */
    exhausted_after(0);
    CHECK_ERR(pawl_deque_push_front(d, &v), -ENOMEM);
    CHECK_ERR(pawl_deque_push_back_until(d, &v, pawl_after_s(60)), -ENOMEM);
    CHECK_ERR(pawl_deque_push_back_dropping(d, &v, NULL), -ENOMEM);
    CHECK_ERR(pawl_deque_insert(d, 3, &v), -ENOMEM);
    CHECK_ERR(pawl_deque_extend_front(d, in, 20), -ENOMEM);
    CHECK_ERR(pawl_deque_copy(&copy, d), -ENOMEM);
    exhausted_after(1);
    CHECK_ERR(pawl_deque_copy(&copy, d), -ENOMEM);
    exhausted_end();
    CHECK_ERR(pawl_deque_extend_back(d, in, SIZE_MAX / 8), -ENOMEM);
    CHECK_ERR(pawl_deque_extend_back(d, in, SIZE_MAX), -ENOMEM);
    CHECK(copy == NULL);
    HOLDS(d, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    fill(d, 100);
    /* Giving memory back may fail, which nobody sees. */
    exhausted_after(0);
    for (int i = 0; i < 116; i++)
        CHECK_OK(pawl_deque_try_pop_front(d, &v));
    exhausted_end();
    CHECK_EQ(v, 99);
    pawl_deque_free(d);
}

/* D-01: one that was long has no more room than it needs: filled again, it asks
 * for memory soon. */
TEST(deque.unbounded_gives_memory_back)
{
    pawl_deque *d = make(0, PAWL_UNBOUNDED);
    int err = 0;
    int v = 1;

    fill(d, 10000);
    while (pawl_deque_size(d) > 8)
        CHECK_OK(pawl_deque_try_pop_back(d, &v));
    exhausted_after(0);
    while ((err = pawl_deque_push_back(d, &v)) == 0)
        CHECK(pawl_deque_size(d) <= 32);
    exhausted_end();
    CHECK_ERR(err, -ENOMEM);
    pawl_deque_free(d);
}

/* D-01: bounded ones allocate nothing after creation. */
TEST(deque.bounded_never_allocates)
{
    pawl_deque *d = make(4, 0);
    int v;

    exhausted_after(0);
    for (int i = 0; i < 100; i++) {
        fill(d, 4);
        CHECK_OK(pawl_deque_rotate(d, i));
        CHECK_OK(pawl_deque_reverse(d));
        CHECK_OK(pawl_deque_try_pop_back(d, &v));
        CHECK_OK(pawl_deque_insert(d, 2, &v));
        CHECK_EQ(pawl_deque_clear(d, NULL, NULL), 4);
    }
    exhausted_end();
    pawl_deque_free(d);
}
