/* SPDX-License-Identifier: MIT
 *
 * stream_sweep.c - the queue between two (spsc) and the work-stealing deque, with a
 * process killed, stopped, or stopped and let go on, at every instruction of an
 * operation: whoever is at the other end goes on; each word comes once, in order.
 */
#include <pawl/spsc.h>
#include <pawl/wsdeque.h>

#include "swept.h"

enum { BYTES = 4096, CAPACITY = 4, MOST = 64 };

struct scene {
    _Alignas(PAWL_SPSC_ALIGN) unsigned char memory[BYTES];
    volatile uint64_t put; /* words are numbered from 1 */
    uint64_t got;          /* by the others */
    volatile int taken;    /* by the victim: how many; wsdeque: which */
    uint64_t victims[MOST];
    int count[MOST]; /* wsdeque: how often a word came */
    volatile bool ended;
};

/* What is swept: set before the fork of those who need it. */
static struct {
    uint64_t fill;
    enum sweep_mode mode;
} plan;

/* ---- the queue between two --------------------------------------------------- */

static pawl_spsc *spsc_of(struct scene *s)
{
    return (pawl_spsc *)(void *)s->memory;
}

static void spsc_fill(struct scene *s)
{
    uint64_t n = s->put + 1;

    while (pawl_spsc_push(spsc_of(s), &n) == 0)
        s->put = n++;
}

static void spsc_prepare(void *object)
{
    struct scene *s = object;
    pawl_spsc *made;

    CHECK_OK(pawl_spsc_init(&made, s->memory, BYTES, CAPACITY, 8));
    for (uint64_t n = 1; n <= plan.fill; n++)
        CHECK_OK(pawl_spsc_push(spsc_of(s), &n));
    s->put = plan.fill;
}

/* All that is there, one after the other. */
static void spsc_drain(struct scene *s)
{
    const uint64_t *front;
    uint64_t n;

    while ((front = pawl_spsc_front(spsc_of(s))) != NULL) {
        CHECK_EQ(*front, s->got + 1);
        CHECK_OK(pawl_spsc_pop(spsc_of(s), &n));
        CHECK_EQ(n, ++s->got);
    }
    CHECK_EQ(pawl_spsc_size(spsc_of(s)), 0);
}

/* The consumer, beside a producer that stopped: three may come, in one piece. */
static void spsc_consume(void *object)
{
    struct scene *s = object;

    spsc_drain(s);
    CHECK(s->got >= plan.fill);
    CHECK(!s->ended || s->got == s->put);
}

static void spsc_all_came(void *object)
{
    struct scene *s = object;

    CHECK(s->ended);
    spsc_drain(s);
    CHECK_EQ(s->got, s->put);
}

/* The producer, beside a consumer that stopped: there is as much room as there was,
 * or what that one has taken more. */
static void spsc_produce(void *object)
{
    struct scene *s = object;

    spsc_fill(s);
    CHECK(s->put >= CAPACITY && s->put <= CAPACITY + 3);
    CHECK(!s->ended || s->put == CAPACITY + (uint64_t)s->taken);
    CHECK_EQ(pawl_spsc_size(spsc_of(s)), CAPACITY);
    if (plan.mode != SWEEP_KILL)
        return;
    /* Somebody takes the place of the dead: nothing is lost but what it took. */
    s->got = s->put - CAPACITY;
    spsc_drain(s);
    CHECK_EQ(s->got, s->put);
}

static void spsc_rest_came(void *object)
{
    struct scene *s = object;

    CHECK(s->ended);
    for (int i = 0; i < s->taken; i++)
        CHECK_EQ(s->victims[i], i + 1);
    s->got = (uint64_t)s->taken;
    spsc_drain(s);
    CHECK_EQ(s->got, s->put);
}

static void spsc_victim_push(void *object)
{
    struct scene *s = object;
    uint64_t n = plan.fill + 1;

    s->put += pawl_spsc_push(spsc_of(s), &n) == 0;
    s->ended = true;
}

static void spsc_victim_push_many(void *object)
{
    struct scene *s = object;
    const uint64_t n[3] = {plan.fill + 1, plan.fill + 2, plan.fill + 3};
    int64_t pushed = pawl_spsc_push_many(spsc_of(s), n, 3);

    s->put += pushed > 0 ? (uint64_t)pushed : 0;
    s->ended = true;
}

static void spsc_victim_pop(void *object)
{
    struct scene *s = object;

    if (pawl_spsc_front(spsc_of(s)) != NULL)
        s->taken = pawl_spsc_pop(spsc_of(s), s->victims) == 0;
    s->ended = true;
}

static void spsc_victim_pop_many(void *object)
{
    struct scene *s = object;
    int64_t n = pawl_spsc_pop_many(spsc_of(s), s->victims, 3);

    s->taken = n > 0 ? (int)n : 0;
    s->ended = true;
}

/* Both copies go through libc. */
static void spsc_warm(void *object)
{
    static _Alignas(PAWL_SPSC_ALIGN) unsigned char memory[BYTES];
    uint64_t n[3] = {0};
    pawl_spsc *other;

    (void)object;
    CHECK_OK(pawl_spsc_init(&other, memory, BYTES, CAPACITY, 8));
    CHECK_EQ(pawl_spsc_push_many(other, n, 3), 3);
    CHECK_EQ(pawl_spsc_pop_many(other, n, 3), 3);
}

static void all_modes(struct sweep_case c)
{
    TEST_TIMEOUT(300);
    c.size = sizeof(struct scene);
    for (plan.fill = 0; plan.fill <= CAPACITY; plan.fill++) {
        plan.mode = SWEEP_KILL;
        sweep(&c, SWEEP_KILL);
        plan.mode = SWEEP_THAW; /* it stands still meanwhile, as when frozen */
        sweep(&c, SWEEP_THAW);
    }
}

static void spsc_sweep(const char *name, sweep_fn victim, sweep_fn others,
                       sweep_fn after)
{
    all_modes((struct sweep_case){.name = name,
                                  .prepare = spsc_prepare,
                                  .warm = spsc_warm,
                                  .victim = victim,
                                  .others = others,
                                  .after = after});
}

TEST(spsc.push_stopped_anywhere)
{
    spsc_sweep("spsc push", spsc_victim_push, spsc_consume, spsc_all_came);
    spsc_sweep("spsc push_many", spsc_victim_push_many, spsc_consume,
               spsc_all_came);
}

TEST(spsc.pop_stopped_anywhere)
{
    spsc_sweep("spsc pop", spsc_victim_pop, spsc_produce, spsc_rest_came);
    spsc_sweep("spsc pop_many", spsc_victim_pop_many, spsc_produce,
               spsc_rest_came);
}

/* ---- the work-stealing deque --------------------------------------------------- */

static pawl_wsdeque *wsdeque_of(struct scene *s)
{
    return (pawl_wsdeque *)(void *)s->memory;
}

static void wsdeque_prepare(void *object)
{
    struct scene *s = object;
    pawl_wsdeque *made;

    CHECK_OK(pawl_wsdeque_init(&made, s->memory, BYTES, CAPACITY));
    for (uint64_t n = 1; n <= plan.fill; n++)
        CHECK_OK(pawl_wsdeque_push(made, n));
    s->put = plan.fill;
}

static void came(struct scene *s, uint64_t n)
{
    CHECK(n > 0 && n < MOST);
    CHECK_EQ(s->count[n], 0);
    s->count[n] = 1;
}

/* Thieves, beside an owner that stopped: oldest first, until there is nothing. */
static void wsdeque_steal(void *object)
{
    struct scene *s = object;
    uint64_t last = 0;
    uint64_t n;

    while (pawl_wsdeque_steal(wsdeque_of(s), &n) == 0) {
        CHECK(n > last);
        last = n;
        came(s, n);
    }
}

/* The owner, beside a thief that stopped: all room but what that one may be taking
 * can be used, and all comes back, newest first. */
static void wsdeque_own(void *object)
{
    struct scene *s = object;

    for (int lap = 0; lap < 3; lap++) {
        uint64_t n = s->put + 1;
        uint64_t last = UINT64_MAX;

        while (pawl_wsdeque_push(wsdeque_of(s), n) == 0)
            s->put = n++;
        CHECK(lap == 0 || pawl_wsdeque_size(wsdeque_of(s)) == CAPACITY);
        while (pawl_wsdeque_pop(wsdeque_of(s), &n) == 0) {
            CHECK(n < last);
            last = n;
            came(s, n);
        }
    }
}

/* All words but one that a victim took have come; it took no other. */
static void wsdeque_count(struct scene *s, int missing)
{
    int count = 0;

    if (s->taken > 0)
        came(s, (uint64_t)s->taken);
    for (int i = 0; i < MOST; i++)
        count += s->count[i];
    CHECK((uint64_t)(count + missing) >= s->put);
}

static void wsdeque_steal_killed(void *object)
{
    struct scene *s = object;

    wsdeque_steal(object);
    if (plan.mode == SWEEP_KILL)
        wsdeque_count(s, 1);
}

static void wsdeque_own_killed(void *object)
{
    struct scene *s = object;

    wsdeque_own(object);
    if (plan.mode == SWEEP_KILL)
        wsdeque_count(s, 1);
}

static void wsdeque_after(void *object)
{
    struct scene *s = object;

    CHECK(s->ended);
    wsdeque_steal(object);
    wsdeque_count(s, 0);
}

static void wsdeque_victim_push(void *object)
{
    struct scene *s = object;

    s->put += pawl_wsdeque_push(wsdeque_of(s), plan.fill + 1) == 0;
    s->ended = true;
}

static void wsdeque_victim_pop(void *object)
{
    struct scene *s = object;
    uint64_t n;

    if (pawl_wsdeque_pop(wsdeque_of(s), &n) == 0)
        s->taken = (int)n;
    s->ended = true;
}

static void wsdeque_victim_steal(void *object)
{
    struct scene *s = object;
    uint64_t n;

    if (pawl_wsdeque_steal(wsdeque_of(s), &n) == 0)
        s->taken = (int)n;
    s->ended = true;
}

static void wsdeque_sweep(const char *name, sweep_fn victim, sweep_fn others)
{
    all_modes((struct sweep_case){.name = name,
                                  .prepare = wsdeque_prepare,
                                  .victim = victim,
                                  .others = others,
                                  .after = wsdeque_after});
}

TEST(wsdeque.owner_stopped_anywhere)
{
    wsdeque_sweep("wsdeque push", wsdeque_victim_push, wsdeque_steal_killed);
    wsdeque_sweep("wsdeque pop", wsdeque_victim_pop, wsdeque_steal_killed);
}

TEST(wsdeque.thief_stopped_anywhere)
{
    wsdeque_sweep("wsdeque steal", wsdeque_victim_steal, wsdeque_own_killed);
}
