/* SPDX-License-Identifier: MIT
 *
 * ring_test.c - the bounded ring, one thread at a time.
 */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <pawl/error.h>
#include <pawl/ring.h>

#include "atomic/cpu.h"
#include "atomic/ring_self.h"
#include "remap.h"
#include "rings.h"
#include "team.h"
#include "test.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#    define SANITIZED 1
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#        define SANITIZED 1
#    endif
#endif

static const size_t capacities[] = {1, 2, 3, 5, 8, 1000};
static const size_t sizes[] = {1,  2,  3,  4,  7,  8,   9,   15,   16,
                               17, 24, 48, 49, 64, 100, 128, 1000, 4096};
static const enum pawl_ring_format formats[] = {PAWL_RING_VALUE,
                                                PAWL_RING_SWAP};

#define EACH(item, list)                                                       \
    for (size_t i_##item = 0, item##_n = sizeof(list) / sizeof *(list);        \
         i_##item < item##_n; i_##item++)

/* Run fn for both formats. */
static void both(void (*fn)(enum pawl_ring_format format))
{
    EACH(f, formats)
    fn(formats[i_f]);
}

static uint64_t pop64(pawl_ring *r)
{
    uint64_t value = 0;

    CHECK_OK(pawl_ring_pop(r, &value));
    return value;
}

/* ---- making one ---------------------------------------------------------- */

TEST(ring.bytes_refuses_what_is_out_of_range)
{
    CHECK_EQ(pawl_ring_bytes(0, 8, 0), -EINVAL);
    CHECK_EQ(pawl_ring_bytes(1, 0, 0), -EINVAL);
    CHECK_EQ(pawl_ring_bytes((size_t)PAWL_RING_CAPACITY_MAX + 1, 8, 0),
             -EINVAL);
    CHECK_EQ(pawl_ring_bytes(1, (size_t)PAWL_RING_ELEMENT_MAX + 1, 0), -EINVAL);
    CHECK_EQ(pawl_ring_bytes(1, 8, PAWL_RING_PARTICIPANTS_MAX + 1), -EINVAL);
    CHECK_EQ(pawl_ring_bytes(SIZE_MAX, SIZE_MAX, SIZE_MAX), -EINVAL);
    CHECK_EQ(pawl_ring_bytes(PAWL_RING_CAPACITY_MAX, PAWL_RING_ELEMENT_MAX, 0),
             -EOVERFLOW);
    CHECK(pawl_ring_bytes(PAWL_RING_CAPACITY_MAX, 8, 0) > 0);
    CHECK(pawl_ring_bytes(1, PAWL_RING_ELEMENT_MAX,
                          PAWL_RING_PARTICIPANTS_MAX) > 0);
}

/* 16 bytes of overhead per slot of 8 bytes at most, and a constant. */
TEST(ring.memory_is_what_the_header_says)
{
    for (size_t capacity = 1; capacity < 3000; capacity++) {
        int64_t n = (int64_t)capacity;

        CHECK(pawl_ring_bytes_as(PAWL_RING_VALUE, capacity, 8, 16) <=
              768 + 24 * n + 8 * (64 + 64));
        CHECK(pawl_ring_bytes_as(PAWL_RING_SWAP, capacity, 8, 16) <=
              640 + 16 * n + 20 * (64 + 8));
        CHECK(pawl_ring_bytes_as(PAWL_RING_SWAP, capacity, 64, 16) <=
              640 + 72 * n + 64 + 20 * (64 + 64));
    }
}

TEST(ring.format_follows_from_element_size_and_cpu)
{
    pawl_ring *r;

    for (size_t size = 1; size <= 16; size++) {
        CHECK_OK(pawl_ring_create(&r, 3, size, 1));
        CHECK_EQ(r->format, size <= 8 && pawl_cpu_has_pairs() ? PAWL_RING_VALUE
                                                              : PAWL_RING_SWAP);
        CHECK_EQ(pawl_ring_capacity(r), 3);
        CHECK_EQ(pawl_ring_element_size(r), size);
        pawl_ring_free(r);
    }
    pawl_ring_free(NULL);
}

TEST(ring.create_passes_errors_on)
{
    pawl_ring *r = NULL;

    CHECK_ERR(pawl_ring_create(&r, 0, 8, 0), -EINVAL);
    CHECK_ERR(
        pawl_ring_create(&r, PAWL_RING_CAPACITY_MAX, PAWL_RING_ELEMENT_MAX, 0),
        -EOVERFLOW);
    CHECK(r == NULL);
}

TEST(ring.create_without_memory)
{
#if defined(SANITIZED)
    TEST_SKIP("a sanitizer ends the program instead");
#else
    pawl_ring *r = NULL;

    /* More than any address space. */
    CHECK_ERR(pawl_ring_create(&r, PAWL_RING_CAPACITY_MAX, 1u << 30, 0),
              -ENOMEM);
    CHECK(r == NULL);
#endif
}

TEST(ring.init_needs_room_and_alignment)
{
    int64_t bytes = pawl_ring_bytes(5, 24, 2);
    char *memory = aligned_alloc(PAWL_RING_ALIGN, (size_t)bytes + 128);
    pawl_ring *r = NULL;

    CHECK(memory != NULL);
    CHECK_EQ(bytes % PAWL_RING_ALIGN, 0);
    CHECK_ERR(pawl_ring_init(&r, memory, (size_t)bytes - 1, 5, 24, 2), -ENOSPC);
    CHECK_ERR(pawl_ring_init(&r, memory + 64, (size_t)bytes, 5, 24, 2),
              -EINVAL);
    CHECK_ERR(pawl_ring_init(&r, NULL, (size_t)bytes, 5, 24, 2), -EINVAL);
    CHECK_ERR(pawl_ring_init(&r, memory, (size_t)bytes, 0, 24, 2), -EINVAL);
    CHECK_ERR(pawl_ring_init(&r, memory, (size_t)bytes, PAWL_RING_CAPACITY_MAX,
                             PAWL_RING_ELEMENT_MAX, 2),
              -EOVERFLOW);
    CHECK(r == NULL);
    CHECK_OK(pawl_ring_init(&r, memory, (size_t)bytes, 5, 24, 2));
    CHECK((void *)r == memory);
    free(memory);
}

TEST(ring.attach_finds_only_rings)
{
    size_t bytes = (size_t)pawl_ring_bytes(5, 8, 0);
    char *memory = aligned_alloc(PAWL_RING_ALIGN, bytes + 128);
    pawl_ring *made = NULL;
    pawl_ring *found = NULL;

    CHECK(memory != NULL);
    memset(memory, 0, bytes + 128);
    CHECK_ERR(pawl_ring_attach(&found, memory, bytes), -EINVAL);
    CHECK_OK(pawl_ring_init(&made, memory, bytes, 5, 8, 0));
    CHECK_ERR(pawl_ring_attach(&found, NULL, bytes), -EINVAL);
    CHECK_ERR(pawl_ring_attach(&found, memory + 8, bytes), -EINVAL);
    CHECK_ERR(pawl_ring_attach(&found, memory, bytes - 1), -EINVAL);
    CHECK_ERR(pawl_ring_attach(&found, memory, 16), -EINVAL);
    made->layout++;
    CHECK_ERR(pawl_ring_attach(&found, memory, bytes), -EINVAL);
    made->layout--;
    CHECK(found == NULL);
    CHECK_OK(pawl_ring_attach(&found, memory, bytes));
    CHECK(found == made);
    free(memory);
}

/* ---- against a model ----------------------------------------------------- */

struct model {
    pawl_ring *r;
    uint64_t put; /* elements, numbered from 0 */
    uint64_t got;
    bool closed;
};

static void agrees(const struct model *m)
{
    size_t size = (size_t)(m->put - m->got);

    CHECK_EQ(pawl_ring_size(m->r), size);
    CHECK_EQ(pawl_ring_is_empty(m->r), size == 0);
    CHECK_EQ(pawl_ring_is_full(m->r), size == m->r->capacity);
    CHECK_EQ(pawl_ring_is_closed(m->r), m->closed);
}

static int refusal(const struct model *m)
{
    if (m->closed)
        return -ESHUTDOWN;
    return m->put - m->got == m->r->capacity ? -EAGAIN : 0;
}

static void model_push(struct model *m, size_t n)
{
    size_t size = m->r->element_size;
    char *elements = malloc(n * size + 1);
    uint64_t room = m->r->capacity - (m->put - m->got);
    int want = refusal(m);

    CHECK(elements != NULL);
    for (size_t i = 0; i < n; i++)
        element_fill(elements + i * size, size, m->put + i);
    if (n == 1) {
        CHECK_ERR(pawl_ring_push(m->r, elements), want);
        m->put += want == 0;
    } else {
        int64_t done = n < room ? (int64_t)n : (int64_t)room;

        if (want != 0)
            done = n == 0 ? 0 : want;
        CHECK_EQ(pawl_ring_push_many(m->r, elements, n), done);
        m->put += done > 0 ? (uint64_t)done : 0;
    }
    free(elements);
}

static void model_pop(struct model *m, size_t n)
{
    size_t size = m->r->element_size;
    char *elements = calloc(n + 1, size);
    uint64_t there = m->put - m->got;
    int want = there != 0 ? 0 : m->closed ? -ESHUTDOWN : -EAGAIN;
    int64_t done = n < there ? (int64_t)n : (int64_t)there;

    CHECK(elements != NULL);
    if (n == 1) {
        CHECK_ERR(pawl_ring_pop(m->r, elements), want);
    } else {
        if (want != 0)
            done = n == 0 ? 0 : want;
        CHECK_EQ(pawl_ring_pop_many(m->r, elements, n), done);
    }
    for (int64_t i = 0; i < done; i++)
        CHECK(element_is(elements + (size_t)i * size, size, m->got++));
    free(elements);
}

static void model_loan(struct model *m, bool push, bool cancel)
{
    pawl_ring_loan loan;
    size_t size = m->r->element_size;
    uint64_t there = m->put - m->got;
    int want = refusal(m);

    if (push) {
        CHECK_OK(pawl_ring_reserve(m->r, &loan));
        CHECK_EQ((uintptr_t)loan.data % (size > 8 ? 16 : 8), 0);
        element_fill(loan.data, size, m->put);
        if (!cancel) {
            CHECK_ERR(pawl_ring_commit(m->r, &loan), want);
            m->put += want == 0;
        }
        if (cancel || want != 0)
            CHECK_OK(pawl_ring_cancel(m->r, &loan));
        return;
    }
    want = there != 0 ? 0 : m->closed ? -ESHUTDOWN : -EAGAIN;
    CHECK_ERR(pawl_ring_borrow(m->r, &loan), want);
    if (want == 0) {
        CHECK(element_is(loan.data, size, m->got++));
        CHECK_OK(pawl_ring_give_back(m->r, &loan));
    }
}

/* Hints may lag as far as they like, each on its own. */
static void set_back(struct model *m, uint64_t *random)
{
    pawl_ring *r = m->r;
    uint64_t lap = r->laps & -r->laps;
    uint64_t back = test_rand_below(random, 4);

    if (m->put < 4 * (uint64_t)r->capacity ||
        m->got < 4 * (uint64_t)r->capacity)
        return; /* it has not been there */
    if (test_rand_below(random, 2) == 0)
        r->tail.v_ = (r->tail.v_ & r->laps) - back * lap;
    else
        r->head.v_ = (r->head.v_ & r->laps) - back * lap;
}

static void against_model(enum pawl_ring_format format, size_t capacity,
                          size_t size, uint64_t lap, int steps)
{
    uint64_t random = test_seed(capacity * 5000 + size);
    struct model m = {.r = ring_make_at(format, capacity, size, 2, lap)};

    for (int i = 0; i < steps; i++) {
        size_t many = test_rand_below(&random, (uint32_t)capacity * 2);
        /* Long runs of pushes, then of pops, so that it fills and empties. */
        bool push = test_rand_below(&random, 8) < (i / 64 % 2 ? 3u : 5u);

        switch (test_rand_below(&random, 8)) {
        case 0:
            push ? model_push(&m, many) : model_pop(&m, many);
            break;
        case 1:
            model_loan(&m, push, test_rand_below(&random, 4) == 0);
            break;
        case 2:
            set_back(&m, &random);
            break;
        default:
            push ? model_push(&m, 1) : model_pop(&m, 1);
        }
        agrees(&m);
    }
    CHECK_OK(pawl_ring_close(m.r));
    m.closed = true;
    for (agrees(&m); m.got < m.put; agrees(&m)) {
        model_push(&m, 1);
        model_pop(&m, 1);
    }
    model_loan(&m, true, false);
    model_loan(&m, false, false);
    model_pop(&m, 2);
    CHECK_OK(pawl_ring_close(m.r));
    free(m.r);
}

static void all_shapes(enum pawl_ring_format format, int64_t laps_before_wrap)
{
    EACH(c, capacities)
    {
        EACH(s, sizes)
        {
            size_t capacity = capacities[i_c];
            size_t size = sizes[i_s];
            uint64_t lap = 0;

            if (!ring_has_format(format, size))
                continue;
            if (laps_before_wrap > 0) {
                pawl_ring *r = ring_make(format, capacity, size, 2);
                lap = (UINT64_C(1) << (63 - r->shift)) -
                      (uint64_t)laps_before_wrap;
                free(r);
            }
            against_model(format, capacity, size, lap,
                          capacity > 100 || size > 1000 ? 200 : 1000);
        }
    }
}

static void shapes(enum pawl_ring_format format)
{
    all_shapes(format, 0);
}

TEST(ring.agrees_with_a_model)
{
    both(shapes);
}

static void shapes_that_wrap(enum pawl_ring_format format)
{
    all_shapes(format, 1);
    all_shapes(format, 5);
    all_shapes(format, 20);
}

TEST(ring.laps_may_wrap)
{
    both(shapes_that_wrap);
}

/* ---- full, empty, closed ------------------------------------------------- */

static void capacity_is_exact(enum pawl_ring_format format)
{
    EACH(c, capacities)
    {
        pawl_ring *r = ring_make(format, capacities[i_c], 8, 0);

        for (int lap = 0; lap < 5; lap++) {
            uint64_t n;

            for (n = 0; pawl_ring_push(r, &n) == 0; n++)
                CHECK(n < capacities[i_c]);
            CHECK_EQ(n, capacities[i_c]);
            CHECK_ERR(pawl_ring_push(r, &n), -EAGAIN);
            for (uint64_t k = 0; k < n; k++)
                CHECK_EQ(pop64(r), k);
            CHECK_ERR(pawl_ring_pop(r, &n), -EAGAIN);
        }
        free(r);
    }
}

TEST(ring.capacity_is_exact)
{
    both(capacity_is_exact);
}

static void close_keeps_what_is_in(enum pawl_ring_format format)
{
    EACH(c, capacities)
    {
        for (uint64_t fill = 0; fill <= capacities[i_c] && fill < 10; fill++) {
            for (uint64_t ago = 0; ago < 3; ago++) {
                pawl_ring *r = ring_make(format, capacities[i_c], 8, 0);
                uint64_t none = 77;

                for (uint64_t k = 0; k < ago; k++) {
                    CHECK_OK(pawl_ring_push(r, &k));
                    CHECK_EQ(pop64(r), k);
                }
                for (uint64_t k = 0; k < fill; k++)
                    CHECK_OK(pawl_ring_push(r, &k));
                CHECK(!pawl_ring_is_closed(r));
                CHECK_OK(pawl_ring_close(r));
                CHECK(pawl_ring_is_closed(r));
                CHECK_EQ(pawl_ring_size(r), fill);
                for (uint64_t k = 0; k < fill; k++) {
                    CHECK_ERR(pawl_ring_push(r, &none), -ESHUTDOWN);
                    CHECK_EQ(pawl_ring_push_many(r, &none, 1), -ESHUTDOWN);
                    CHECK_EQ(pop64(r), k);
                }
                CHECK_ERR(pawl_ring_pop(r, &none), -ESHUTDOWN);
                CHECK_EQ(pawl_ring_pop_many(r, &none, 1), -ESHUTDOWN);
                CHECK_ERR(pawl_ring_push(r, &none), -ESHUTDOWN);
                CHECK_OK(pawl_ring_close(r));
                CHECK(pawl_ring_is_empty(r));
                CHECK_EQ(none, 77);
                free(r);
            }
        }
    }
}

TEST(ring.close_keeps_what_is_in)
{
    both(close_keeps_what_is_in);
}

/* ---- hints --------------------------------------------------------------- */

/* A hint that is any number of positions behind is repaired, and in few steps:
 * looking at each slot would take hours. */
static void positions_behind(enum pawl_ring_format format)
{
    enum { CAPACITY = 1 << 20 };
    pawl_ring *r = ring_make(format, CAPACITY, 8, 0);
    int rounds = test_iterations(20000);
    uint64_t random = test_seed(1);
    uint64_t put = 0;

    for (; put < CAPACITY - 2; put++)
        CHECK_OK(pawl_ring_push(r, &put));
    for (int i = 0; i < rounds; i++) {
        uint64_t want = put - (CAPACITY - 2);

        r->tail.v_ = 0;
        r->head.v_ = 0;
        CHECK_OK(pawl_ring_push(r, &put));
        put++;
        r->tail.v_ = test_rand_below(&random, CAPACITY);
        CHECK_EQ(pawl_ring_size(r), CAPACITY - 1);
        CHECK_EQ(pop64(r), want);
    }
    free(r);
}

static void laps_behind(enum pawl_ring_format format)
{
    EACH(c, capacities)
    {
        for (int bits = 0; bits < 48; bits += 7) {
            pawl_ring *r = ring_make_at(format, capacities[i_c], 8, 0,
                                        UINT64_C(1) << bits);
            uint64_t value = 5;

            r->tail.v_ = 0;
            CHECK(pawl_ring_is_empty(r));
            CHECK_OK(pawl_ring_push(r, &value));
            r->tail.v_ = 0;
            r->head.v_ = 0;
            CHECK_EQ(pawl_ring_size(r), 1);
            CHECK_EQ(pop64(r), 5);
            r->head.v_ = 0;
            CHECK_ERR(pawl_ring_pop(r, &value), -EAGAIN);
            free(r);
        }
    }
}

TEST(ring.stale_hints_are_repaired)
{
    both(positions_behind);
    both(laps_behind);
}

/* ---- giving way ---------------------------------------------------------- */

/* Others put `moved` elements, which are all taken; and it is empty again. */
static void run_empty_after(pawl_ring *r, int moved)
{
    uint64_t value = 0;

    for (int i = 0; i < moved; i++) {
        CHECK_OK(pawl_ring_push(r, &value));
        CHECK_OK(pawl_ring_pop(r, &value));
    }
    CHECK_ERR(pawl_ring_pop(r, &value), -EAGAIN);
}

static void keeps_distance(enum pawl_ring_format format)
{
    pawl_ring *r = ring_make(format, 8, 8, 1);
    struct pawl_ring_pace *pace = pawl_ring_pace(r);

    for (int i = 0; i < 3; i++) {
        run_empty_after(r, 0); /* nobody moves */
        CHECK(!pace->paused);
    }
    run_empty_after(r, 4);
    CHECK(pace->paused);
    for (uint32_t vain = 1; vain < 63; vain = 2 * vain + 1)
        for (uint32_t i = 0; i <= vain; i++) {
            run_empty_after(r, 1); /* as those do who answer one another */
            CHECK_EQ(pace->vain, vain);
            CHECK(pace->paused == (i == vain));
        }
    run_empty_after(r, 20); /* more than a lap */
    CHECK(pace->paused);
    CHECK_EQ(pace->vain, 0);
    free(r);

    r = ring_make(format, 3, 8, 1); /* where nobody can get ahead */
    pace = pawl_ring_pace(r);
    *pace = (struct pawl_ring_pace){0};
    for (int i = 0; i < 3; i++) {
        run_empty_after(r, 9);
        CHECK(!pace->paused);
    }
    free(r);
}

TEST(ring.distance_is_kept_where_it_pays)
{
    both(keeps_distance);
}

TEST(ring.distance_at_one_ring_tells_nothing_of_another)
{
    enum { RINGS = PAWL_RING_SEATS + 1 }; /* so two of them share a seat */
    pawl_ring *r[RINGS];

    for (int i = 0; i < RINGS; i++)
        r[i] = ring_make(PAWL_RING_SWAP, 8, 8, 1);
    for (int i = 0; i < RINGS; i++)
        run_empty_after(r[i], 0);
    for (int i = 0; i < RINGS; i++) {
        bool known = pawl_ring_pace(r[i])->ring == r[i];

        run_empty_after(r[i], 20);
        CHECK_EQ(pawl_ring_pace(r[i])->paused, known);
    }
    for (int i = 0; i < RINGS; i++)
        free(r[i]);
}

/* ---- loans --------------------------------------------------------------- */

static void loans(enum pawl_ring_format format)
{
    pawl_ring *r = ring_make(format, 2, 8, 1);
    pawl_ring_loan a;
    pawl_ring_loan b;
    uint64_t value = 3;

    CHECK_ERR(pawl_ring_borrow(r, &a), -EAGAIN);
    CHECK_OK(pawl_ring_reserve(r, &a));
    CHECK_OK(pawl_ring_reserve(r, &b));
    CHECK(a.data != b.data);
    *(uint64_t *)a.data = 1;
    *(uint64_t *)b.data = 2;
    CHECK_ERR(pawl_ring_give_back(r, &a), -EINVAL);
    CHECK_OK(pawl_ring_commit(r, &b)); /* in the order of the commits */
    CHECK_ERR(pawl_ring_commit(r, &b), -EINVAL);
    CHECK_ERR(pawl_ring_cancel(r, &b), -EINVAL);
    CHECK_OK(pawl_ring_push(r, &value));
    CHECK_ERR(pawl_ring_commit(r, &a), -EAGAIN);
    CHECK_EQ(*(uint64_t *)a.data, 1);

    CHECK_OK(pawl_ring_borrow(r, &b));
    CHECK_EQ(*(uint64_t *)b.data, 2);
    CHECK_ERR(pawl_ring_commit(r, &b), -EINVAL);
    CHECK_ERR(pawl_ring_cancel(r, &b), -EINVAL);
    CHECK_OK(pawl_ring_commit(r, &a));
    CHECK_EQ(pop64(r), 3);
    CHECK_OK(pawl_ring_push(r, &value));
    CHECK_EQ(*(uint64_t *)b.data, 2); /* still */
    CHECK_OK(pawl_ring_give_back(r, &b));
    CHECK_ERR(pawl_ring_give_back(r, &b), -EINVAL);

    CHECK_OK(pawl_ring_reserve(r, &a));
    CHECK_OK(pawl_ring_close(r));
    CHECK_ERR(pawl_ring_commit(r, &a), -ESHUTDOWN);
    CHECK_OK(pawl_ring_cancel(r, &a));
    CHECK_EQ(pop64(r), 1);
    CHECK_EQ(pop64(r), 3);
    CHECK_ERR(pawl_ring_borrow(r, &a), -ESHUTDOWN);
    free(r);
}

TEST(ring.loans)
{
    both(loans);
    CHECK_OK(pawl_ring_identify(5));
    both(loans);
}

static void run_out_of_blocks(uint64_t id)
{
    enum { PARTICIPANTS = 3, BLOCKS = PARTICIPANTS + PAWL_RING_SPARE };
    pawl_ring *r = ring_make(PAWL_RING_SWAP, 2, 16, PARTICIPANTS);
    pawl_ring_loan loan[BLOCKS + 1];
    char element[16] = "fifteen letters";

    CHECK_OK(pawl_ring_identify(id));
    CHECK_OK(pawl_ring_push(r, element));
    for (int i = 0; i < BLOCKS; i++)
        CHECK_OK(pawl_ring_reserve(r, &loan[i]));
    CHECK_ERR(pawl_ring_reserve(r, &loan[BLOCKS]), -ENOMEM);
    CHECK_ERR(pawl_ring_push(r, element), -ENOMEM);
    CHECK_ERR(pawl_ring_pop(r, element), -ENOMEM);
    CHECK_EQ(pawl_ring_push_many(r, element, 1), -ENOMEM);
    CHECK_EQ(pawl_ring_pop_many(r, element, 1), -ENOMEM);
    CHECK_ERR(pawl_ring_borrow(r, &loan[BLOCKS]), -ENOMEM);
    CHECK_OK(pawl_ring_cancel(r, &loan[2]));
    CHECK_OK(pawl_ring_pop(r, element));
    CHECK(strcmp(element, "fifteen letters") == 0);
    CHECK_ERR(pawl_ring_pop(r, element), -EAGAIN);
    CHECK_OK(pawl_ring_reserve(r, &loan[2]));
    for (int i = 0; i < BLOCKS; i++)
        CHECK_OK(pawl_ring_cancel(r, &loan[i]));
    CHECK_OK(pawl_ring_push(r, element));
    free(r);
}

TEST(ring.runs_out_of_blocks_and_recovers)
{
    run_out_of_blocks(0);
    run_out_of_blocks(9);
}

/* ---- who takes part ------------------------------------------------------ */

static int records_of(const pawl_ring *r, uint64_t id)
{
    const struct pawl_ring_record *c =
        (const void *)((const char *)r + r->records_at);
    int n = 0;

    for (uint32_t i = 0; i < r->records; i++)
        n += c[i].owner.v_ == id;
    return n;
}

TEST(ring.identity_keeps_one_block)
{
    pawl_ring *r = ring_make(PAWL_RING_SWAP, 2, 16, 2);
    pawl_ring_loan loan;
    char element[16] = "x";

    CHECK_ERR(pawl_ring_identify(PAWL_RING_IDENTITIES), -EINVAL);
    CHECK_ERR(pawl_ring_leave(r), -ENOENT);
    CHECK_OK(pawl_ring_push(r, element));
    CHECK_ERR(pawl_ring_leave(r), -ENOENT);
    CHECK_EQ(records_of(r, 0), 6);

    CHECK_OK(pawl_ring_identify(7));
    CHECK_ERR(pawl_ring_leave(r), -ENOENT);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(pawl_ring_pop(r, element));
        CHECK_OK(pawl_ring_push(r, element));
        CHECK_EQ(records_of(r, 7), 1);
    }
    CHECK_OK(pawl_ring_identify(7)); /* forgets where it was */
    CHECK_OK(pawl_ring_pop(r, element));
    CHECK_EQ(records_of(r, 7), 1);
    CHECK_OK(pawl_ring_reserve(r, &loan));
    CHECK_ERR(pawl_ring_leave(r), -EBUSY);
    CHECK_OK(pawl_ring_push(r, element)); /* by another block, for a moment */
    CHECK_EQ(records_of(r, 7), 1);
    CHECK_OK(pawl_ring_cancel(r, &loan));
    CHECK_OK(pawl_ring_leave(r));
    CHECK_EQ(records_of(r, 7), 0);
    CHECK_ERR(pawl_ring_leave(r), -ENOENT);
    free(r);
}

TEST(ring.more_identities_than_participants)
{
    pawl_ring *r = ring_make(PAWL_RING_SWAP, 2, 16, 2);
    char element[16] = "x";

    for (uint64_t id = 1; id <= 20; id++) {
        CHECK_OK(pawl_ring_identify(id));
        CHECK_OK(pawl_ring_push(r, element));
        CHECK_OK(pawl_ring_pop(r, element));
    }
    CHECK_EQ(records_of(r, 1), 1);
    CHECK_EQ(records_of(r, 2), 1);
    CHECK_EQ(records_of(r, 0), PAWL_RING_SPARE);
    CHECK_OK(pawl_ring_leave(r) == -ENOENT ? 0 : -1);
    free(r);
}

/* More rings than a thread has seats for. */
TEST(ring.many_rings_at_once)
{
    enum { RINGS = 40 };
    pawl_ring *r[RINGS];
    uint64_t element[2] = {0};

    CHECK_OK(pawl_ring_identify(7));
    for (int i = 0; i < RINGS; i++)
        r[i] = ring_make(PAWL_RING_SWAP, 3, 16, 1);
    for (uint64_t k = 0; k < 100; k++) {
        for (int i = 0; i < RINGS; i++) {
            element[0] = k * RINGS + (uint64_t)i;
            CHECK_OK(pawl_ring_push(r[i], element));
        }
        for (int i = 0; i < RINGS; i++) {
            CHECK_OK(pawl_ring_pop(r[i], element));
            CHECK_EQ(element[0], k * RINGS + (uint64_t)i);
            CHECK_EQ(records_of(r[i], 7), 1);
        }
    }
    for (int i = 0; i < RINGS; i++)
        free(r[i]);
}

static void push_as_8(void *ring)
{
    char element[16] = "x";

    CHECK_OK(pawl_ring_identify(8));
    CHECK_OK(pawl_ring_push(ring, element));
}

/* What a thread remembers of a ring may be about an older one in that place. */
TEST(ring.seat_at_an_older_ring_is_not_trusted)
{
    pawl_ring *r = ring_make(PAWL_RING_SWAP, 4, 16, 2);
    char element[16] = "x";

    CHECK_OK(pawl_ring_identify(7));
    CHECK_OK(pawl_ring_push(r, element));
    CHECK_OK(pawl_ring_init_as(PAWL_RING_SWAP, &r, r, (size_t)r->bytes, 4, 16,
                               2, 0));
    test_join(test_thread(push_as_8, r));
    CHECK_EQ(records_of(r, 8), 1);
    CHECK_OK(pawl_ring_push(r, element));
    CHECK_EQ(records_of(r, 7), 1);
    free(r);
}

static bool is_number(uint64_t id, void *number)
{
    return id == *(uint64_t *)number;
}

static struct pawl_ring_record *find_record(pawl_ring *r, uint64_t id)
{
    struct pawl_ring_record *c = (void *)((char *)r + r->records_at);

    for (uint32_t i = 0; i < r->records; i++)
        if (c[i].owner.v_ == id)
            return &c[i];
    return NULL;
}

/* Every block is in one place. */
static void blocks_are_whole(pawl_ring *r)
{
    const uint64_t *slot = (const void *)(r + 1);
    struct pawl_ring_record *c = (void *)((char *)r + r->records_at);
    uint32_t blocks = r->capacity + r->records;
    char *seen = calloc(blocks, 1);

    CHECK(seen != NULL);
    for (uint32_t i = 0; i < r->capacity; i++)
        CHECK_EQ(seen[(slot[i] & (r->full - 1)) >> 1]++, 0);
    for (uint32_t i = 0; i < r->records; i++) {
        CHECK_EQ(c[i].hand.v_ >> 32, PAWL_RING_NONE);
        CHECK_EQ(seen[(uint32_t)c[i].hand.v_]++, 0);
    }
    free(seen);
}

TEST(ring.recover_asks_who_is_dead)
{
    pawl_ring *r = ring_make(PAWL_RING_SWAP, 2, 16, 2);
    char element[16] = "x";
    uint64_t dead = 8;

    CHECK_ERR(pawl_ring_recover(r, is_number, &dead), -EINVAL);
    CHECK_OK(pawl_ring_identify(7));
    CHECK_OK(pawl_ring_push(r, element));
    CHECK_EQ(pawl_ring_recover(r, is_number, &dead), 0);
    CHECK_EQ(records_of(r, 7), 1);
    CHECK_OK(pawl_ring_identify(9));
    dead = 7;
    CHECK_EQ(pawl_ring_recover(r, is_number, &dead), 1);
    CHECK_EQ(records_of(r, 0), 6);
    blocks_are_whole(r);
    free(r);
}

/* The victim died before or after its swap: `taking` is the block of the slot
 * then, or its own is. */
static void dies_within(bool swapped, int later_pairs)
{
    pawl_ring *r = ring_make(PAWL_RING_SWAP, 2, 16, 2);
    struct pawl_ring_record *c;
    uint64_t *slot = (void *)(r + 1);
    uint64_t dead = 7;
    char element[16] = "x";
    uint32_t own;
    uint32_t taking;

    CHECK_OK(pawl_ring_identify(7));
    CHECK_OK(pawl_ring_push(r, element));
    CHECK_OK(pawl_ring_pop(r, element));
    c = find_record(r, 7);
    own = (uint32_t)c->hand.v_;
    taking = (uint32_t)((slot[1] & (r->full - 1)) >> 1);
    if (swapped) {
        CHECK_OK(pawl_ring_push(r, element)); /* into slot 1 */
        CHECK_EQ((uint32_t)c->hand.v_, taking);
    }
    c->hand.v_ = (uint64_t)taking << 32 | own; /* as if it had got no further */
    c->use.v_ = 1;

    CHECK_OK(pawl_ring_identify(8));
    for (int i = 0; i < later_pairs; i++) {
        CHECK_OK(pawl_ring_push(r, element));
        CHECK_OK(pawl_ring_pop(r, element));
    }
    CHECK_EQ(pawl_ring_recover(r, is_number, &dead), 1);
    CHECK_EQ((uint32_t)c->hand.v_, swapped ? taking : own);
    CHECK_EQ(c->owner.v_, 0);
    blocks_are_whole(r);
    free(r);
}

TEST(ring.recover_finds_the_block_of_the_dead)
{
    for (int pairs = 0; pairs < 12; pairs++) {
        dies_within(false, pairs);
        dies_within(true, pairs);
    }
}

/* 8 swapped its block 2 for 0, the dead 7 its block 1 for 2, and 9 its block 3 for
 * 1; but 8 and 9 have not said so yet.  Block 2, which 8 seems to hold, is in the
 * hand of the dead; and of 1 nobody can know. */
TEST(ring.recover_leaves_open_what_it_cannot_know)
{
    pawl_ring *r = ring_make(PAWL_RING_SWAP, 1, 16, 3);
    struct pawl_ring_record *c = (void *)((char *)r + r->records_at);
    uint64_t *slot = (void *)(r + 1);
    uint64_t dead = 7;

    CHECK_OK(pawl_ring_identify(10));
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ(c[i].hand.v_, (uint64_t)PAWL_RING_NONE << 32 | (i + 1));
        c[i].owner.v_ = 7 + i;
    }
    c[0].hand.v_ = UINT64_C(2) << 32 | 1;
    c[1].hand.v_ = UINT64_C(0) << 32 | 2;
    c[2].hand.v_ = UINT64_C(1) << 32 | 3;
    *slot = (*slot & ~(r->full - 1)) | 3 << 1;
    CHECK_EQ(pawl_ring_recover(r, is_number, &dead), 0);
    CHECK_EQ(c[0].owner.v_, 7); /* as it was */
    CHECK_EQ(c[0].hand.v_, UINT64_C(2) << 32 | 1);

    c[2].hand.v_ = (uint64_t)PAWL_RING_NONE << 32 | 1; /* 9 goes on */
    CHECK_EQ(pawl_ring_recover(r, is_number, &dead), 1);
    CHECK_EQ(c[0].owner.v_, 0);
    CHECK_EQ((uint32_t)c[0].hand.v_, 2);
    c[1].hand.v_ = (uint64_t)PAWL_RING_NONE << 32 | 0; /* and 8 */
    blocks_are_whole(r);
    free(r);
}

/* Two of the dead: one was about to swap its block 1 for 0, which the other had got
 * for its block 2.  What is in the hand of the first is known only when it is known of
 * the second. */
TEST(ring.recover_uses_what_it_has_found)
{
    pawl_ring *r = ring_make(PAWL_RING_SWAP, 1, 16, 2);
    struct pawl_ring_record *c = (void *)((char *)r + r->records_at);
    uint64_t *slot = (void *)(r + 1);
    uint64_t dead = 7;

    CHECK_OK(pawl_ring_identify(10));
    c[0].owner.v_ = 7;
    c[0].hand.v_ = UINT64_C(0) << 32 | 1;
    c[1].owner.v_ = 7;
    c[1].hand.v_ = UINT64_C(0) << 32 | 2;
    *slot = (*slot & ~(r->full - 1)) | UINT64_C(2) << 1;
    CHECK_EQ(pawl_ring_recover(r, is_number, &dead), 2);
    CHECK_EQ((uint32_t)c[0].hand.v_, 1);
    CHECK_EQ((uint32_t)c[1].hand.v_, 0);
    blocks_are_whole(r);
    free(r);
}

/* Who recovers may die at it. */
TEST(ring.recover_after_a_dead_recoverer)
{
    pawl_ring *r = ring_make(PAWL_RING_SWAP, 1, 16, 1);
    uint64_t dead = 7;
    struct pawl_ring_record *c;

    CHECK_OK(pawl_ring_identify(9));
    c = find_record(r, 0);
    c->owner.v_ = PAWL_RING_RECOVERS | 6;
    CHECK_EQ(pawl_ring_recover(r, is_number, &dead), 0);
    dead = 6;
    CHECK_EQ(pawl_ring_recover(r, is_number, &dead), 1);
    CHECK_EQ(c->owner.v_, 0);
    free(r);
}

TEST(ring.child_of_a_fork_is_somebody_else)
{
    pawl_ring *r = ring_make_shared(PAWL_RING_SWAP, 2, 16, 2);
    char element[16] = "x";
    pid_t child;

    CHECK_OK(pawl_ring_identify(7));
    CHECK_OK(pawl_ring_push(r, element));
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_ERR(pawl_ring_leave(r), -ENOENT);
        CHECK_OK(pawl_ring_pop(r, element));
        CHECK_EQ(records_of(r, 0), 5);
        _exit(0);
    }
    test_wait_child(child);
    CHECK_EQ(records_of(r, 7), 1);
    CHECK_OK(pawl_ring_leave(r));
}

/* ---- anywhere ------------------------------------------------------------ */

static void two_views(enum pawl_ring_format format)
{
    size_t bytes = (size_t)pawl_ring_bytes_as(format, 3, 8, 2);
    struct view v = view_make(bytes);
    pawl_ring *a;
    pawl_ring *b;

    CHECK_OK(pawl_ring_init_as(format, &a, v.at, bytes, 3, 8, 2, 0));
    CHECK_OK(pawl_ring_attach(&b, view_again(&v, true), bytes));
    CHECK(a != b);
    for (uint64_t k = 0; k < 50; k++) {
        uint64_t other = k + 1000;

        CHECK_OK(pawl_ring_push(a, &k));
        CHECK_OK(pawl_ring_push(b, &other));
        CHECK_EQ(pawl_ring_size(a), 2);
        CHECK_EQ(pop64(b), k);
        CHECK_EQ(pop64(a), other);
    }
    CHECK_OK(pawl_ring_close(a));
    CHECK(pawl_ring_is_closed(b));
}

TEST(ring.works_at_two_addresses)
{
    both(two_views);
    CHECK_OK(pawl_ring_identify(5));
    both(two_views);
}

/* ---- signal handlers ----------------------------------------------------- */

static pawl_ring *signalled;

/* What went in and came out, for the main thread and for the handler. */
struct account {
    volatile uint64_t main; /* the sum of the main thread's */
    volatile int handlers;  /* how many of the handler's */
};
static struct account out_main;
static struct account out_handler;
static volatile int handled;

static void count(struct account *a, uint64_t value)
{
    if (value == UINT64_MAX)
        a->handlers++;
    else
        a->main += value;
}

static void push_and_pop(int sig)
{
    uint64_t value = UINT64_MAX;

    (void)sig;
    CHECK_OK(pawl_ring_push(signalled, &value));
    CHECK_OK(pawl_ring_push(signalled, &value));
    CHECK_OK(pawl_ring_pop(signalled, &value));
    count(&out_handler, value);
    handled++;
}

/* Everything comes out once, though a handler pushes and pops in the midst of
 * pushes and pops. */
static void interrupted(enum pawl_ring_format format)
{
    struct itimerval often = {.it_interval = {.tv_usec = 50},
                              .it_value = {.tv_usec = 50}};
    struct itimerval never = {.it_value = {0}};
    int rounds = test_iterations(150000);
    uint64_t in = 0;
    uint64_t value;

    signalled = ring_make(format, 1024, 8, 1);
    out_main = out_handler = (struct account){0};
    handled = 0;
    CHECK(signal(SIGALRM, push_and_pop) != SIG_ERR);
    CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
    for (int i = 0; i < rounds || handled == 0; i++) {
        value = (uint64_t)i;
        in += value;
        CHECK_OK(pawl_ring_push(signalled, &value));
        do {
            CHECK_OK(pawl_ring_pop(signalled, &value));
            count(&out_main, value);
        } while (pawl_ring_size(signalled) > 500);
    }
    CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
    CHECK(signal(SIGALRM, SIG_IGN) != SIG_ERR);
    while (pawl_ring_pop(signalled, &value) == 0)
        count(&out_main, value);
    CHECK_EQ(out_main.main + out_handler.main, in);
    CHECK_EQ(out_main.handlers + out_handler.handlers, 2 * handled);
    if (format == PAWL_RING_SWAP)
        blocks_are_whole(signalled);
    free(signalled);
}

TEST(ring.signal_handler_may_push_and_pop)
{
    both(interrupted);
    CHECK_OK(pawl_ring_identify(5));
    both(interrupted);
}
