/* SPDX-License-Identifier: MIT
 *
 * ledger_sweep.c - S-10: a process killed, or stopped, at any instruction of taking a
 * permit or of giving one back, with nobody waiting and with somebody: the others have
 * all permits, or all but the stopped one's.
 */
#include <pawl/error.h>
#include <pawl/ledger.h>

#include "swept.h"
#include "swept_region.h"

enum { PAGE = PAWL_REGION_PAGE, BYTES = 8 * PAGE, PERMITS = 2 };

struct scene {
    _Alignas(PAWL_REGION_PAGE) unsigned char memory[BYTES];
    volatile bool returned;
};

static struct {
    bool gives_back;
    bool is_awaited;
    bool has_heir;
} plan;

static pawl_ledger *ledger_of(struct scene *s)
{
    size_t bytes;
    void *memory = pawl_region_buffer(region_of(s), &bytes);
    pawl_ledger *l;

    CHECK_OK(pawl_ledger_attach(&l, memory, bytes));
    return l;
}

static void take(struct scene *s)
{
    int err = pawl_ledger_acquire_until(ledger_of(s), region_of(s), soon());

    CHECK(err == 0 || err == -EOWNERDEAD);
}

static void prepare(void *object)
{
    struct scene *s = object;
    const struct pawl_region_plan p = {
        .participants = 4, .buffer_bytes = PAGE, .names = 1};
    pawl_ledger *l;
    pawl_region *r = region_make(s, BYTES, &p);

    CHECK_OK(pawl_ledger_init(&l, pawl_region_buffer(r, NULL), PAGE, PERMITS));
    if (plan.is_awaited)
        take(s); /* the other is the victim's */
}

static void warm(void *object)
{
    struct scene *s = object;

    CHECK(pawl_region_join(region_of(s)) > 0);
    CHECK_EQ(pawl_ledger_held(ledger_of(s), region_of(s)), 0);
    if (plan.gives_back)
        take(s);
}

static void wait_for_one(void *object)
{
    take(object);
}

static void armed(void *object)
{
    if (plan.is_awaited)
        sleeper_start(wait_for_one, object);
}

static void victim(void *object)
{
    struct scene *s = object;

    if (plan.gives_back)
        CHECK_OK(pawl_ledger_release(ledger_of(s), region_of(s)));
    else
        CHECK_OK(pawl_ledger_try_acquire(ledger_of(s), region_of(s)));
    s->returned = true;
}

static void others(void *object)
{
    struct scene *s = object;

    if (plan.is_awaited) {
        /* By the release, or by the death. */
        sleeper_join();
        CHECK_OK(pawl_ledger_release(ledger_of(s), region_of(s)));
    }
    for (int i = 0; i < PERMITS; i++)
        take(s);
    CHECK_ERR(pawl_ledger_try_acquire(ledger_of(s), region_of(s)), -EAGAIN);
    CHECK_EQ(pawl_ledger_held(ledger_of(s), region_of(s)), PERMITS);
}

/* One is the victim's, perhaps. */
static void beside_a_frozen_one(void *object)
{
    struct scene *s = object;

    for (int i = 0; i < PERMITS - 1; i++)
        take(s);
    CHECK_OK(pawl_ledger_release(ledger_of(s), region_of(s)));
}

/* One that comes after a dead one, and dies as well. */
static void heir(void *object)
{
    struct scene *s = object;

    if (plan.gives_back)
        CHECK_OK(pawl_ledger_release(ledger_of(s), region_of(s)));
    else
        take(s);
}

static void run(const char *name, enum sweep_mode mode)
{
    struct sweep_case c = {
        .name = name,
        .size = sizeof(struct scene),
        .prepare = prepare,
        .warm = warm,
        .armed = armed,
        .victim = victim,
        .second = plan.has_heir ? heir : NULL,
        .others = mode == SWEEP_KILL ? others : beside_a_frozen_one,
        .leftovers = true,
    };

    TEST_TIMEOUT(300);
    spin_for("0");
    sweep(&c, mode);
}

TEST(ledger.killed_or_frozen_anywhere)
{
    run("acquire", SWEEP_KILL);
    run("acquire", SWEEP_FREEZE);
    plan.gives_back = true;
    run("release", SWEEP_KILL);
    run("release", SWEEP_FREEZE);
    plan.is_awaited = true;
    run("release, awaited", SWEEP_KILL);
}

TEST(ledger.killed_anywhere_and_so_is_the_next)
{
    plan.has_heir = true;
    run("acquire, two victims", SWEEP_KILL);
    plan.gives_back = true;
    run("release, two victims", SWEEP_KILL);
}
