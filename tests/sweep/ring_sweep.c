/* SPDX-License-Identifier: MIT
 *
 * ring_sweep.c - kill, stop, or stop and let go on, a process at every
 * instruction of an operation on a ring: the others' pushes and pops end and are
 * exact, whatever there is in the ring; nothing is lost but what the victim had
 * in its hand; and of the victim's block, if it was killed, no doubt remains.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pawl/ring.h>

#include "rings.h"
#include "sweep.h"

enum { BYTES = 8192, VICTIM = 7, OTHERS = 8, HEIR = 9, DEAD = 10 };

/* What is being swept: set before the fork of those who need it. */
static struct {
    enum pawl_ring_format format;
    size_t capacity;
    uint64_t fill;
    bool keeps;    /* the victim has its block already */
    uint64_t most; /* elements that it pushes or pops */
    bool pushes;
    bool pops;
    bool closes;
    bool runs;      /* what is inside was put at once, from the first slot on */
    uint64_t begun; /* and so many of it were taken */
    bool two;       /* victims */
    bool has_dead;  /* there is one who kept a block */
    enum sweep_mode mode;
} plan;

struct scene {
    _Alignas(PAWL_RING_ALIGN) unsigned char memory[BYTES];
    uint64_t put;     /* others': elements pushed, numbered */
    uint64_t got;     /* the next one that must come */
    uint64_t missing; /* popped by the victim, or in its hand */
    uint64_t foreign; /* the victim's elements that were popped */
    int64_t result;   /* the victim's, if it ended */
    bool has_victim;  /* the next one is its heir */
    bool ended;
    bool closed;
};

/* The victim's elements are numbered from here. */
#define FOREIGN UINT64_C(1000000)

static pawl_ring *ring_of(struct scene *s)
{
    pawl_ring *r;

    CHECK_OK(pawl_ring_attach(&r, s->memory, BYTES));
    return r;
}

static size_t size_of(void)
{
    return plan.format == PAWL_RING_VALUE ? 8 : 24;
}

/* ---- the others ---------------------------------------------------------- */

static int put_next(struct scene *s, pawl_ring *r)
{
    uint64_t element[3] = {s->put, s->put + 1, s->put + 2};
    int err = pawl_ring_push(r, element);

    s->put += err == 0;
    return err;
}

/* One element: the next of the others', but for those that the victim may have
 * taken; or the next of the victim's. */
static int get_next(struct scene *s, pawl_ring *r)
{
    uint64_t element[3];
    int err = pawl_ring_pop(r, element);

    if (err != 0)
        return err;
    if (size_of() > 8)
        CHECK(element[1] == element[0] + 1 && element[2] == element[0] + 2);
    if (element[0] >= FOREIGN) {
        CHECK(plan.pushes);
        CHECK(plan.two || element[0] == FOREIGN + s->foreign);
        s->foreign++;
        CHECK(s->foreign <= plan.most);
        return 0;
    }
    CHECK(element[0] >= s->got);
    s->missing += element[0] - s->got;
    s->got = element[0] + 1;
    return 0;
}

static void get_all(struct scene *s, pawl_ring *r)
{
    int err;

    while ((err = get_next(s, r)) == 0)
        ;
    CHECK(err == (s->closed ? -ESHUTDOWN : -EAGAIN));
    s->missing += s->put - s->got; /* at the end of what was there */
    s->got = s->put;
    CHECK(s->missing <= (plan.pops ? plan.most : 0));
    CHECK(pawl_ring_is_empty(r));
    CHECK_EQ(pawl_ring_size(r), 0);
}

static void fill(struct scene *s, pawl_ring *r, uint64_t n)
{
    uint64_t elements[16];

    if (plan.runs && n > 1) {
        for (uint64_t i = 0; i < n; i++)
            elements[i] = s->put + i;
        CHECK_EQ(pawl_ring_push_many(r, elements, n), (int64_t)n);
        s->put += n;
        return;
    }
    for (uint64_t i = 0; i < n; i++)
        CHECK_OK(put_next(s, r));
}

/* One who keeps a block, and has it in a loan, when it ends. */
static void keep_and_end(void *object)
{
    pawl_ring_loan loan;

    CHECK_OK(pawl_ring_identify(DEAD));
    CHECK_OK(pawl_ring_reserve(ring_of(object), &loan));
}

static void prepare(void *object)
{
    struct scene *s = object;
    pawl_ring *r;

    CHECK(pawl_ring_bytes_as(plan.format, plan.capacity, size_of(), 3) <=
          BYTES);
    CHECK_OK(pawl_ring_init_as(plan.format, &r, s->memory, BYTES, plan.capacity,
                               size_of(), 3, 0));
    CHECK_OK(pawl_ring_identify(OTHERS));
    if (!plan.runs)
        fill(s, r, 1); /* not at the very beginning */
    get_all(s, r);
    fill(s, r, plan.fill);
    for (uint64_t i = 0; i < plan.begun; i++)
        CHECK_OK(get_next(s, r));
    if (plan.has_dead)
        test_join(test_thread(keep_and_end, s));
}

static bool is_victim(uint64_t id, void *context)
{
    (void)context;
    return id != OTHERS;
}

static bool is_dead(uint64_t id, void *context)
{
    (void)context;
    return id == DEAD;
}

/* Every block is in one place, and nobody but the others keeps one. */
static void check_blocks(pawl_ring *r)
{
    bool values = plan.format == PAWL_RING_VALUE;
    const uint64_t *words = (const void *)(r + 1);
    const struct pawl_ring_record *c =
        (const void *)((const char *)r + r->records_at);
    uint64_t seen = 0;

    for (uint32_t i = 0; i < r->capacity; i += values ? PAWL_RING_RUN : 1) {
        uint64_t word = words[values ? 2 * i : i] & (r->full - 1);

        seen |= UINT64_C(1) << (values ? word >> 5 : word >> 1);
    }
    for (uint32_t i = 0; i < r->records; i++) {
        CHECK(c[i].owner.v_ == 0 || c[i].owner.v_ == OTHERS);
        CHECK_EQ(c[i].hand.v_ >> 32, PAWL_RING_NONE);
        seen |= UINT64_C(1) << (uint32_t)c[i].hand.v_;
    }
    CHECK_EQ(seen, (UINT64_C(1) << (r->slot_blocks + r->records)) - 1);
}

/* The ring as it should be, some laps long, and at the end filled as it was. */
static void others(void *object)
{
    struct scene *s = object;
    pawl_ring *r = ring_of(s);

    s->closed = plan.closes && pawl_ring_is_closed(r);
    get_all(s, r);
    if (s->closed) {
        CHECK_ERR(put_next(s, r), -ESHUTDOWN);
        CHECK_EQ(s->put, !plan.runs + plan.fill);
        return;
    }
    for (int lap = 0; lap < 3; lap++) {
        fill(s, r, plan.capacity);
        CHECK(pawl_ring_is_full(r));
        CHECK_ERR(put_next(s, r), -EAGAIN);
        CHECK_EQ(pawl_ring_size(r), plan.capacity);
        get_all(s, r);
    }
    if (plan.mode == SWEEP_KILL) {
        CHECK(pawl_ring_recover(r, is_victim, NULL) <=
              1 + plan.two + plan.has_dead);
        check_blocks(r);
        fill(s, r, plan.capacity);
        get_all(s, r);
    }
    fill(s, r, plan.fill);
}

/* The victim went on in the ring that the others left, and has ended. */
static void after(void *object)
{
    struct scene *s = object;
    pawl_ring *r = ring_of(s);
    int64_t done = s->result < 0 ? 0 : s->result;

    CHECK(s->ended);
    s->closed = plan.closes;
    CHECK_EQ(pawl_ring_is_closed(r), plan.closes);
    get_all(s, r);
    CHECK_EQ(s->foreign, plan.pushes ? done : 0);
    CHECK_EQ(s->missing, plan.pops ? done : 0);
    if (!plan.closes) {
        fill(s, r, plan.capacity);
        CHECK_ERR(put_next(s, r), -EAGAIN);
        get_all(s, r);
    }
}

/* ---- victims ------------------------------------------------------------- */

static void warm(void *object)
{
    struct scene *s = object;
    pawl_ring *r = ring_of(object);
    pawl_ring_loan loan;
    volatile size_t size = size_of();
    unsigned char from[24] = {0};
    unsigned char to[24];

    memcpy(to, from, size); /* the linker shall have found it by then */
    CHECK_OK(pawl_ring_identify(s->has_victim ? HEIR : VICTIM));
    s->has_victim = true;
    if (plan.keeps) {
        CHECK_OK(pawl_ring_reserve(r, &loan));
        CHECK_OK(pawl_ring_cancel(r, &loan));
    }
}

static void ends(struct scene *s, int64_t result)
{
    s->result = result;
    s->ended = true;
}

static void ends_one(struct scene *s, int err)
{
    ends(s, err == 0 ? 1 : err);
}

static void make(uint64_t *element, uint64_t n)
{
    for (uint64_t i = 0; i < 3; i++)
        element[i] = FOREIGN + n + i;
}

static void victim_push(void *object)
{
    struct scene *s = object;
    uint64_t element[3];

    make(element, 0);
    ends_one(s, pawl_ring_push((pawl_ring *)s->memory, element));
}

static void victim_pop(void *object)
{
    struct scene *s = object;
    uint64_t element[3];

    ends_one(s, pawl_ring_pop((pawl_ring *)s->memory, element));
}

static void victim_close(void *object)
{
    struct scene *s = object;

    ends_one(s, pawl_ring_close((pawl_ring *)s->memory));
}

static void victim_push_many(void *object)
{
    struct scene *s = object;
    uint64_t elements[3 * 3];

    for (uint64_t i = 0; i < 3; i++)
        make(elements + i * (size_of() / 8), i);
    ends(s, pawl_ring_push_many((pawl_ring *)s->memory, elements, 3));
}

static void victim_pop_many(void *object)
{
    struct scene *s = object;
    uint64_t elements[3 * 3];

    ends(s, pawl_ring_pop_many((pawl_ring *)s->memory, elements, 3));
}

static void victim_build(void *object)
{
    struct scene *s = object;
    pawl_ring *r = (pawl_ring *)s->memory;
    pawl_ring_loan loan;
    uint64_t element[3];
    int err;

    CHECK_OK(pawl_ring_reserve(r, &loan));
    make(element, 0);
    memcpy(loan.data, element, size_of());
    err = pawl_ring_commit(r, &loan);
    if (err != 0)
        CHECK_OK(pawl_ring_cancel(r, &loan));
    ends_one(s, err);
}

static void victim_borrow(void *object)
{
    struct scene *s = object;
    pawl_ring *r = (pawl_ring *)s->memory;
    pawl_ring_loan loan;
    int err = pawl_ring_borrow(r, &loan);

    if (err == 0)
        CHECK_OK(pawl_ring_give_back(r, &loan));
    ends_one(s, err);
}

static void victim_leaves(void *object)
{
    struct scene *s = object;

    ends_one(s, pawl_ring_leave((pawl_ring *)s->memory));
}

static void victim_recovers(void *object)
{
    struct scene *s = object;

    ends_one(s, pawl_ring_recover((pawl_ring *)s->memory, is_dead, NULL));
}

/* ---- sweeps -------------------------------------------------------------- */

static void sweep_one(const char *name, sweep_fn victim)
{
    struct sweep_case c = {
        .name = name,
        .size = sizeof(struct scene),
        .prepare = prepare,
        .warm = warm,
        .victim = victim,
        .others = others,
        .after = after,
    };

    sweep(&c, plan.mode);
}

static void all_modes(const char *name, sweep_fn victim)
{
    /* Thawed later, it stands still while the others work, as when frozen. */
    static const enum sweep_mode modes[] = {SWEEP_KILL, SWEEP_THAW};

    for (int m = 0; m < 2; m++) {
        char text[100];

        plan.mode = modes[m];
        snprintf(text, sizeof text, "%s, %s, capacity %zu, %d inside%s%s", name,
                 plan.format == PAWL_RING_VALUE ? "value" : "swap",
                 plan.capacity, (int)(plan.fill - plan.begun),
                 plan.runs ? " at once" : "",
                 plan.format == PAWL_RING_SWAP && !plan.keeps ? ", first" : "");
        sweep_one(text, victim);
    }
}

/* Both formats; one element, or no element, or all but one, or all inside. */
static void all_fills(const char *name, sweep_fn victim, size_t capacity)
{
    static const enum pawl_ring_format formats[] = {PAWL_RING_VALUE,
                                                    PAWL_RING_SWAP};

    plan.capacity = capacity;
    for (int f = 0; f < 2; f++) {
        plan.format = formats[f];
        for (plan.fill = 0; plan.fill <= capacity; plan.fill++)
            if (plan.fill <= 1 || plan.fill + 1 >= capacity)
                all_modes(name, victim);
    }
}

static void all(const char *name, sweep_fn victim)
{
    TEST_TIMEOUT(400);
    plan.keeps = true;
    all_fills(name, victim, 1);
    all_fills(name, victim, 2);
    all_fills(name, victim, 4);
    /* The first use, when the victim has no block yet. */
    plan.keeps = false;
    plan.format = PAWL_RING_SWAP;
    plan.capacity = 2;
    plan.fill = 1;
    all_modes(name, victim);
}

/* a producer that stands still, or died, keeps nobody out; all that
 * was put before is delivered. */
TEST(ring.push_stopped_anywhere)
{
    plan.most = 1;
    plan.pushes = true;
    all("push", victim_push);
}

/* a consumer takes with it what it had in its hand, and no more. */
TEST(ring.pop_stopped_anywhere)
{
    plan.most = 1;
    plan.pops = true;
    all("pop", victim_pop);
}

TEST(ring.close_stopped_anywhere)
{
    plan.closes = true;
    plan.keeps = true;
    all_fills("close", victim_close, 1);
    all_fills("close", victim_close, 2);
    all_fills("close", victim_close, 4);
}

static void some(const char *name, sweep_fn victim)
{
    TEST_TIMEOUT(400);
    plan.keeps = true;
    all_fills(name, victim, 3);
}

TEST(ring.push_many_stopped_anywhere)
{
    plan.most = 3;
    plan.pushes = true;
    some("push_many", victim_push_many);
}

TEST(ring.pop_many_stopped_anywhere)
{
    plan.most = 3;
    plan.pops = true;
    some("pop_many", victim_pop_many);
}

TEST(ring.commit_stopped_anywhere)
{
    plan.most = 1;
    plan.pushes = true;
    some("commit", victim_build);
}

TEST(ring.borrow_stopped_anywhere)
{
    plan.most = 1;
    plan.pops = true;
    some("borrow", victim_borrow);
}

/* the block that a thread kept is its own, or is back, when it gives it back, and
 * when another gives back that of a dead one. */
TEST(ring.leave_and_recover_stopped_anywhere)
{
    TEST_TIMEOUT(400);
    plan.format = PAWL_RING_SWAP;
    plan.capacity = 2;
    plan.keeps = true;
    plan.fill = 1;
    all_modes("leave", victim_leaves);
    plan.has_dead = true;
    all_modes("recover", victim_recovers);
}

/* Two of them, at any two instructions: the second begins where the first stopped. */
static void sweep_two(const char *name, sweep_fn first, sweep_fn second)
{
    static const enum sweep_mode modes[] = {SWEEP_KILL, SWEEP_FREEZE};

    for (int m = 0; m < 2; m++) {
        char text[100];
        const struct sweep_case c = {
            .name = text,
            .size = sizeof(struct scene),
            .prepare = prepare,
            .warm = warm,
            .victim = first,
            .second = second,
            .others = others,
            .budget = 12000,
        };

        plan.mode = modes[m];
        snprintf(text, sizeof text, "ring, %s, %s, %d inside, two victims",
                 name, plan.format == PAWL_RING_VALUE ? "value" : "swap",
                 (int)plan.fill);
        sweep(&c, plan.mode);
    }
}

static void sweep_pairs(uint64_t fill)
{
    plan.fill = fill;
    plan.pushes = true;
    plan.pops = true;
    plan.most = 1;
    sweep_two("push and pop", victim_push, victim_pop);
    sweep_two("pop and push", victim_pop, victim_push);
    plan.most = 2;
    plan.pops = false;
    sweep_two("push and push", victim_push, victim_push);
    plan.pops = true;
    plan.pushes = false;
    sweep_two("pop and pop", victim_pop, victim_pop);
}

TEST(ring.two_stopped_anywhere)
{
    static const enum pawl_ring_format formats[] = {PAWL_RING_VALUE,
                                                    PAWL_RING_SWAP};

    TEST_TIMEOUT(400);
    plan.two = true;
    plan.keeps = true;
    plan.capacity = 2;
    for (int f = 0; f < 2; f++) {
        plan.format = formats[f];
        sweep_pairs(1);
        for (uint64_t inside = 0; sweep_is_long() && inside <= 2; inside += 2)
            sweep_pairs(inside);
    }
}

/* What is inside is a run, or what is left of one; one group, and one with a
 * rest. */
static void all_runs(const char *name, sweep_fn victim)
{
    static const size_t capacities[] = {3, 10};

    TEST_TIMEOUT(400);
    plan.format = PAWL_RING_VALUE;
    plan.runs = true;
    for (int c = 0; c < 2; c++) {
        plan.capacity = capacities[c];
        for (plan.fill = 0; plan.fill <= plan.capacity; plan.fill++)
            for (plan.begun = 0; plan.begun < 3 && plan.begun <= plan.fill;
                 plan.begun++)
                if (plan.fill <= 3 || plan.fill == plan.capacity)
                    all_modes(name, victim);
    }
}

TEST(ring.push_many_beside_runs_stopped_anywhere)
{
    plan.most = 3;
    plan.pushes = true;
    all_runs("push_many", victim_push_many);
}

TEST(ring.pop_many_beside_runs_stopped_anywhere)
{
    plan.most = 3;
    plan.pops = true;
    all_runs("pop_many", victim_pop_many);
}

TEST(ring.push_beside_runs_stopped_anywhere)
{
    plan.most = 1;
    plan.pushes = true;
    all_runs("push", victim_push);
}

TEST(ring.pop_beside_runs_stopped_anywhere)
{
    plan.most = 1;
    plan.pops = true;
    all_runs("pop", victim_pop);
}

TEST(ring.close_beside_runs_stopped_anywhere)
{
    plan.closes = true;
    all_runs("close", victim_close);
}
