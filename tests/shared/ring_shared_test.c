/* SPDX-License-Identifier: MIT
 *
 * ring_shared_test.c - rings between processes, each of which maps them
 * elsewhere, and some of which are killed.
 */
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include <pawl/error.h>

#include "remap.h"
#include "rings.h"
#include "team.h"

enum { PARTICIPANTS = 3, MEMBERS = 6, CAPACITY = 5 };

static enum pawl_ring_format format;
static size_t element_size;
static int each;

/* In shared memory, the ring first. */
struct scene {
    _Alignas(PAWL_RING_ALIGN) unsigned char memory[8192];
    atomic_int left;         /* producers that are not done */
    atomic_ullong sum;       /* of all elements that were taken */
    atomic_ullong count;     /* how many */
    atomic_ullong pushed[8]; /* of each process: pushes that have returned */
    atomic_ullong popped[8]; /* pops that have returned */
};

static pawl_ring *attach(struct scene *s)
{
    pawl_ring *r;

    CHECK_OK(pawl_ring_attach(&r, s->memory, sizeof s->memory));
    return r;
}

static void produce(struct scene *s, pawl_ring *r, int me)
{
    unsigned char element[RING_ELEMENT_MAX];

    for (int i = 1; i <= each;) {
        int err;

        element_fill(element, element_size, (uint64_t)i << 8 | (unsigned)me);
        err = pawl_ring_push(r, element);
        i += err == 0;
        if (err != 0) {
            CHECK(err == -EAGAIN || err == -ENOMEM);
            sched_yield();
        }
    }
    if (atomic_fetch_sub(&s->left, 1) == 1)
        CHECK_OK(pawl_ring_close(r));
}

static void consume(struct scene *s, pawl_ring *r)
{
    uint64_t last[MEMBERS] = {0};
    unsigned char element[RING_ELEMENT_MAX];
    int err;

    while ((err = pawl_ring_pop(r, element)) != -ESHUTDOWN) {
        uint64_t id;

        if (err != 0) {
            CHECK(err == -EAGAIN || err == -ENOMEM);
            sched_yield();
            continue;
        }
        memcpy(&id, element, 8);
        CHECK(element_is(element, element_size, id));
        CHECK((id & 0xff) < MEMBERS && id >> 8 > last[id & 0xff]);
        last[id & 0xff] = id >> 8;
        atomic_fetch_add(&s->sum, id >> 8);
        atomic_fetch_add(&s->count, 1);
    }
}

static void take_part(void *object, int me)
{
    struct scene *s = object;

    if (me % 3 != 0)
        CHECK_OK(pawl_ring_identify((uint64_t)me + 1));
    if (me < MEMBERS / 2)
        produce(s, attach(s), me);
    else
        consume(s, attach(s));
}

static void stream(enum pawl_ring_format which, size_t size)
{
    struct family f;
    struct scene *s = family_object(&f, sizeof *s);
    unsigned long long n = (unsigned long long)test_iterations(8000);
    pawl_ring *r;

    format = which;
    element_size = size;
    each = (int)n;
    CHECK_OK(pawl_ring_init_as(format, &r, s->memory, sizeof s->memory,
                               CAPACITY, size, PARTICIPANTS, 0));
    atomic_store(&s->left, MEMBERS / 2);
    family(&f, MEMBERS, take_part);
    CHECK_EQ(atomic_load(&s->count), n * (MEMBERS / 2));
    CHECK_EQ(atomic_load(&s->sum), n * (n + 1) / 2 * (MEMBERS / 2));
    CHECK(pawl_ring_is_empty(r));
}

TEST(ring_shared.values_arrive_once_and_in_order)
{
    stream(PAWL_RING_VALUE, 8);
}

TEST(ring_shared.blocks_arrive_once_and_in_order)
{
    stream(PAWL_RING_SWAP, 8);
    stream(PAWL_RING_SWAP, 200);
}

/* ---- killed at any moment ------------------------------------------------ */

enum { HOPPERS = 3, GENERATIONS = 60 };

struct hopper {
    struct scene *s;
    int me;
    uint64_t id;
};

/* Push and pop for ever, and count what has returned. */
static void hop(void *arg)
{
    struct hopper *h = arg;
    pawl_ring *r = attach(h->s);
    unsigned char element[RING_ELEMENT_MAX];

    CHECK_OK(pawl_ring_identify(h->id));
    for (uint64_t n = 1;; n++) {
        element_fill(element, element_size, n << 8 | (unsigned)h->me);
        if (pawl_ring_push(r, element) == 0)
            atomic_fetch_add(&h->s->pushed[h->me], 1);
        if (pawl_ring_pop(r, element) == 0) {
            uint64_t id;

            memcpy(&id, element, 8);
            CHECK(element_is(element, element_size, id));
            atomic_fetch_add(&h->s->popped[h->me], 1);
        }
        if (n % 16 == 0)
            sched_yield();
    }
}

static bool is_not_alive(uint64_t id, void *alive)
{
    const uint64_t *ids = alive;

    for (int i = 0; i < HOPPERS; i++)
        if (ids[i] == id)
            return false;
    return true;
}

/* Invariant: each process that is killed adds or takes away one element at most;
 * the capacity remains, and all blocks come back. */
static void kill_some(enum pawl_ring_format which, size_t size)
{
    struct scene *s = test_shared_alloc(sizeof *s);
    int generations = test_iterations(GENERATIONS);
    struct hopper hopper[HOPPERS];
    uint64_t alive[HOPPERS];
    uint64_t random = test_seed(size);
    uint64_t next_id = 10;
    pid_t child[HOPPERS];
    unsigned char element[RING_ELEMENT_MAX] = {0};
    pawl_ring *r;
    long inside = 0;
    long doubtful = HOPPERS + generations;

    TEST_TIMEOUT(120);
    format = which;
    element_size = size;
    CHECK_OK(pawl_ring_init_as(format, &r, s->memory, sizeof s->memory,
                               CAPACITY, size, PARTICIPANTS, 0));
    CHECK_OK(pawl_ring_identify(1));
    for (int i = 0; i < HOPPERS; i++) {
        hopper[i] =
            (struct hopper){.s = s, .me = i, .id = alive[i] = next_id++};
        child[i] = test_spawn_child(hop, &hopper[i]);
    }
    for (int g = 0; g < generations; g++) {
        int i = g % HOPPERS;
        uint64_t before = atomic_load(&s->popped[i]);

        /* It is killed when it has done something, at a random moment. */
        while (atomic_load(&s->popped[i]) < before + 3)
            sched_yield();
        for (uint32_t n = test_rand_below(&random, 5000); n > 0; n--)
            (void)atomic_load(&s->left);
        CHECK_EQ(kill(child[i], SIGKILL), 0);
        test_reap_child(child[i]);
        hopper[i].id = alive[i] = next_id++;
        /* While the others go on, this may have to be done again. */
        CHECK(pawl_ring_recover(r, is_not_alive, alive) >= 0);
        child[i] = test_spawn_child(hop, &hopper[i]);
    }
    for (int i = 0; i < HOPPERS; i++) {
        CHECK_EQ(kill(child[i], SIGKILL), 0);
        test_reap_child(child[i]);
        alive[i] = 0;
        inside +=
            (long)atomic_load(&s->pushed[i]) - (long)atomic_load(&s->popped[i]);
    }
    CHECK(pawl_ring_recover(r, is_not_alive, alive) >= 0);
    for (uint32_t i = 0; i < r->records; i++) {
        const struct pawl_ring_record *c =
            (const void *)((const char *)r + r->records_at);

        CHECK_EQ(c[i].owner.v_, 0);
        CHECK_EQ(c[i].hand.v_ >> 32, PAWL_RING_NONE);
    }
    while (pawl_ring_pop(r, element) == 0) {
        uint64_t id;

        memcpy(&id, element, 8);
        CHECK(element_is(element, element_size, id));
        inside--;
    }
    CHECK(inside <= doubtful && inside >= -doubtful);
    for (int lap = 0; lap < 3; lap++) {
        for (int i = 0; i < CAPACITY; i++)
            CHECK_OK(pawl_ring_push(r, element));
        CHECK_ERR(pawl_ring_push(r, element), -EAGAIN);
        for (int i = 0; i < CAPACITY; i++)
            CHECK_OK(pawl_ring_pop(r, element));
    }
}

TEST(ring_shared.kills_leave_a_ring_of_values_whole)
{
    kill_some(PAWL_RING_VALUE, 8);
}

TEST(ring_shared.kills_leave_a_ring_of_blocks_whole)
{
    kill_some(PAWL_RING_SWAP, 56);
}
