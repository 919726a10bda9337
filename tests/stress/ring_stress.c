/* SPDX-License-Identifier: MIT
 *
 * ring_stress.c - rings among many threads.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <pawl/error.h>

#include "rings.h"
#include "team.h"

enum { MOST_THREADS = 16, PARTICIPANTS = 4, BATCH = 7 };

struct rig {
    pawl_ring *r;
    int producers;
    int consumers;
    int each;                        /* elements of a producer */
    bool early;                      /* closed while they push */
    int closers;                     /* of these threads, the first close it */
    atomic_int left;                 /* producers that are not done */
    atomic_bool closed;              /* close has returned */
    uint64_t accepted[MOST_THREADS]; /* of each producer */
    uint64_t got[MOST_THREADS][MOST_THREADS]; /* consumer, producer */
    atomic_ullong taken[MOST_THREADS];        /* of each producer, the sum */
};

/* An element is {number, producer, filling}. */
static void make(const struct rig *rig, void *element, int producer,
                 uint64_t number)
{
    element_fill(element, rig->r->element_size,
                 number << 8 | (unsigned)producer);
}

static uint64_t number_of(const struct rig *rig, const void *element,
                          int *producer)
{
    uint64_t id = 0;
    size_t size = rig->r->element_size;

    CHECK(size >= 8);
    memcpy(&id, element, 8);
    CHECK(element_is(element, size, id));
    *producer = (int)(id & 0xff);
    CHECK(*producer < rig->producers);
    return id >> 8;
}

/* With 0..3 threads more inside than there are blocks, one has to come again. */
static void wait_a_little(uint64_t *random)
{
    if (test_rand_below(random, 4) == 0)
        sched_yield();
}

static int64_t push_some(struct rig *rig, struct member *me, int producer,
                         uint64_t number, uint64_t left)
{
    size_t size = rig->r->element_size;
    unsigned char elements[BATCH * RING_ELEMENT_MAX / 8];
    uint64_t n = 1 + test_rand_below(&me->random, BATCH);
    pawl_ring_loan loan;
    int err;

    switch (test_rand_below(&me->random, 3)) {
    case 0:
        n = n < left ? n : left;
        for (uint64_t i = 0; i < n; i++)
            make(rig, elements + i * size, producer, number + i);
        return pawl_ring_push_many(rig->r, elements, n);
    case 1:
        err = pawl_ring_reserve(rig->r, &loan);
        if (err != 0)
            return err;
        make(rig, loan.data, producer, number);
        err = pawl_ring_commit(rig->r, &loan);
        if (err != 0)
            CHECK_OK(pawl_ring_cancel(rig->r, &loan));
        return err == 0 ? 1 : err;
    default:
        make(rig, elements, producer, number);
        err = pawl_ring_push(rig->r, elements);
        return err == 0 ? 1 : err;
    }
}

static void produce(struct rig *rig, struct member *me, int producer)
{
    uint64_t number = 1;

    while (number <= (uint64_t)rig->each) {
        bool closed = atomic_load(&rig->closed);
        int64_t n = push_some(rig, me, producer, number,
                              (uint64_t)rig->each + 1 - number);

        if (n > 0) {
            CHECK(!closed); /* nothing is accepted after close has returned */
            number += (uint64_t)n;
        } else if (n == -ESHUTDOWN) {
            CHECK(rig->early);
            break;
        } else {
            CHECK(n == -EAGAIN || n == -ENOMEM);
            wait_a_little(&me->random);
        }
    }
    rig->accepted[producer] = number - 1;
    if (atomic_fetch_sub(&rig->left, 1) == 1)
        CHECK_OK(pawl_ring_close(rig->r));
}

/* Per producer, each consumer sees growing numbers. */
static void consume_one(struct rig *rig, int consumer, const void *element)
{
    int producer;
    uint64_t number = number_of(rig, element, &producer);

    CHECK(number > rig->got[consumer][producer]);
    CHECK(number <= (uint64_t)rig->each);
    rig->got[consumer][producer] = number;
    atomic_fetch_add(&rig->taken[producer], number);
}

static int64_t pop_some(struct rig *rig, struct member *me, int consumer)
{
    size_t size = rig->r->element_size;
    unsigned char elements[BATCH * RING_ELEMENT_MAX / 8];
    pawl_ring_loan loan;
    int64_t n;

    switch (test_rand_below(&me->random, 3)) {
    case 0:
        n = pawl_ring_pop_many(rig->r, elements,
                               1 + test_rand_below(&me->random, BATCH));
        break;
    case 1:
        n = pawl_ring_borrow(rig->r, &loan);
        if (n < 0)
            return n;
        consume_one(rig, consumer, loan.data);
        CHECK_OK(pawl_ring_give_back(rig->r, &loan));
        return 1;
    default:
        n = pawl_ring_pop(rig->r, elements);
        n = n == 0 ? 1 : n;
    }
    for (int64_t i = 0; i < n; i++)
        consume_one(rig, consumer, elements + (size_t)i * size);
    return n;
}

static void consume(struct rig *rig, struct member *me, int consumer)
{
    for (;;) {
        int64_t n = pop_some(rig, me, consumer);

        if (n == -ESHUTDOWN)
            return;
        CHECK(n > 0 || n == -EAGAIN || n == -ENOMEM);
        CHECK(pawl_ring_size(rig->r) <= rig->r->capacity);
        if (n < 0)
            wait_a_little(&me->random);
    }
}

static void take_part(struct member *me)
{
    struct rig *rig = me->rig;

    /* Some have a block, some take one that is free. */
    if (me->index % 3 != 0)
        CHECK_OK(pawl_ring_identify((uint64_t)me->index + 1));
    if (me->index < rig->closers) {
        for (uint32_t n = test_rand_below(&me->random, 200); n > 0; n--)
            sched_yield();
        CHECK_OK(pawl_ring_close(rig->r));
        atomic_store(&rig->closed, true);
    } else if (me->index < rig->closers + rig->producers) {
        produce(rig, me, me->index - rig->closers);
    } else {
        consume(rig, me, me->index - rig->closers - rig->producers);
    }
}

/* Exactly what was accepted comes out, once. */
static void run(struct rig *rig)
{
    atomic_store(&rig->left, rig->producers);
    team_of_threads(rig->closers + rig->producers + rig->consumers, take_part,
                    rig);
    for (int p = 0; p < rig->producers; p++) {
        uint64_t n = rig->accepted[p];

        CHECK_EQ(atomic_load(&rig->taken[p]), n * (n + 1) / 2);
    }
    CHECK(pawl_ring_is_empty(rig->r));
    CHECK(pawl_ring_is_closed(rig->r));
    free(rig->r);
}

static const enum pawl_ring_format formats[] = {PAWL_RING_VALUE,
                                                PAWL_RING_SWAP};
static const size_t capacities[] = {1, 2, 3, 8, 100, 1024};
enum { CAPACITIES = sizeof capacities / sizeof *capacities };

static void stream(int producers, int consumers, int each, uint64_t lap)
{
    TEST_TIMEOUT(120);
    for (int f = 0; f < 2; f++) {
        for (int c = 0; c < CAPACITIES; c++) {
            static struct rig rig;
            size_t size =
                formats[f] == PAWL_RING_VALUE ? 8 : 8 * (size_t)(1 + c);

            memset(&rig, 0, sizeof rig);
            rig.r = ring_make_at(formats[f], capacities[c], size, PARTICIPANTS,
                                 lap);
            rig.producers = producers;
            rig.consumers = consumers;
            rig.each = test_iterations(capacities[c] < 8 ? each / 4 : each);
            run(&rig);
        }
    }
}

/* Invariant: what goes in comes out once, in the order of each producer. */
TEST(ring_stress.one_to_one)
{
    stream(1, 1, 40000, 0);
}

TEST(ring_stress.two_to_two)
{
    stream(2, 2, 16000, 0);
}

TEST(ring_stress.more_threads_than_cpus)
{
    stream(6, 6, 3000, 0);
}

TEST(ring_stress.one_to_many_and_many_to_one)
{
    stream(1, 5, 10000, 0);
    stream(5, 1, 2500, 0);
}

/* The first lap is the last one before they begin at 0 again. */
TEST(ring_stress.laps_wrap)
{
    stream(3, 3, 4000, ~UINT64_C(0));
}

/* Invariant: a push that races with close is accepted and delivered, or refused
 * and not; none is accepted after close has returned. */
TEST(ring_stress.push_races_with_close)
{
    int rounds = test_iterations(200);

    TEST_TIMEOUT(120);
    for (int i = 0; i < rounds; i++) {
        static struct rig rig;

        memset(&rig, 0, sizeof rig);
        rig.r = ring_make(formats[i % 2], capacities[i / 2 % CAPACITIES], 8,
                          PARTICIPANTS);
        rig.closers = 1 + i % 3 / 2;
        rig.producers = 3;
        rig.consumers = 2;
        rig.each = 1000000000;
        rig.early = true;
        run(&rig);
    }
}

/* Invariant: the elements in circulation are never more or fewer than were put
 * in at first, whoever takes one and puts it back. */
static void circulate(struct member *me)
{
    struct rig *rig = me->rig;
    unsigned char element[RING_ELEMENT_MAX];

    if (me->index % 3 != 0)
        CHECK_OK(pawl_ring_identify((uint64_t)me->index + 1));
    for (int i = 0; i < rig->each; i++) {
        int err;

        while ((err = pawl_ring_pop(rig->r, element)) != 0) {
            CHECK(err == -EAGAIN || err == -ENOMEM);
            wait_a_little(&me->random);
        }
        CHECK(element_is(element, rig->r->element_size, element[0]));
        /* There is room: one was taken.  But "full" may be an old truth. */
        while ((err = pawl_ring_push(rig->r, element)) != 0) {
            CHECK(err == -ENOMEM);
            wait_a_little(&me->random);
        }
    }
}

TEST(ring_stress.elements_circulate)
{
    TEST_TIMEOUT(120);
    for (int f = 0; f < 2; f++) {
        for (size_t capacity = 1; capacity <= 6; capacity++) {
            size_t size = formats[f] == PAWL_RING_VALUE ? 1 : 33;
            struct rig rig = {
                .r = ring_make(formats[f], capacity, size, PARTICIPANTS),
                .each = test_iterations(2000)};
            unsigned char element[64];
            unsigned seen = 0;

            for (uint64_t k = 0; k < capacity; k++) {
                element_fill(element, size, k);
                CHECK_OK(pawl_ring_push(rig.r, element));
            }
            team_of_threads(5, circulate, &rig);
            CHECK(pawl_ring_is_full(rig.r));
            while (pawl_ring_pop(rig.r, element) == 0)
                seen |= 1u << element[0];
            CHECK_EQ(seen, (1u << capacity) - 1);
            free(rig.r);
        }
    }
}

/* Invariant: what was written before a push is seen after its pop; plain memory,
 * so ThreadSanitizer judges too. */
struct parcel {
    uint64_t number;
    uint64_t twice;
};

static void hand_over(struct member *me)
{
    struct rig *rig = me->rig;

    for (int i = 0; i < rig->each; i++) {
        struct parcel *p;
        int err;

        if (me->index % 2 == 0) {
            p = malloc(sizeof *p);
            CHECK(p != NULL);
            p->number = (uint64_t)i;
            p->twice = 2 * (uint64_t)i;
        }
        while ((err = me->index % 2 == 0 ? pawl_ring_push(rig->r, &p)
                                         : pawl_ring_pop(rig->r, &p)) != 0) {
            CHECK(err == -EAGAIN || err == -ENOMEM);
            wait_a_little(&me->random);
        }
        if (me->index % 2 != 0) {
            CHECK_EQ(p->twice, 2 * p->number);
            free(p);
        }
    }
}

TEST(ring_stress.push_publishes)
{
    TEST_TIMEOUT(120);
    for (int f = 0; f < 2; f++) {
        for (size_t capacity = 1; capacity < 20; capacity += 6) {
            struct rig rig = {.r = ring_make(formats[f], capacity,
                                             sizeof(void *), PARTICIPANTS),
                              .each = test_iterations(10000)};

            team_of_threads(4, hand_over, &rig);
            CHECK(pawl_ring_is_empty(rig.r));
            free(rig.r);
        }
    }
}
