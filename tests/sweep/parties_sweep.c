/* SPDX-License-Identifier: MIT
 *
 * parties_sweep.c - B-13: a party killed at any instruction of its wait, asleep too, as
 * the first to arrive and as the last, while another sleeps: the other ends, either way,
 * and the barrier is as good as new after a reset.
 */
#include <pawl/error.h>
#include <pawl/parties.h>

#include "swept.h"
#include "swept_region.h"

enum { PAGE = PAWL_REGION_PAGE, BYTES = 8 * PAGE };

struct scene {
    _Alignas(PAWL_REGION_PAGE) unsigned char memory[BYTES];
    int index; /* what the sleeper got */
    volatile bool returned;
};

static bool is_last;

static pawl_parties *parties_of(struct scene *s)
{
    pawl_parties *p;

    CHECK_OK(
        pawl_parties_attach(&p, pawl_region_buffer(region_of(s), NULL), PAGE));
    return p;
}

static void prepare(void *object)
{
    struct scene *s = object;
    const struct pawl_region_plan plan = {
        .participants = 4, .buffer_bytes = PAGE, .names = 1};
    pawl_parties *p;
    pawl_region *r = region_make(s, BYTES, &plan);

    CHECK_OK(pawl_parties_init(&p, pawl_region_buffer(r, NULL), PAGE, 2));
}

/* It is known from then on. */
static void warm(void *object)
{
    struct scene *s = object;

    CHECK_ERR(pawl_parties_wait_until(parties_of(s), region_of(s), 0),
              -ETIMEDOUT);
    CHECK_OK(pawl_parties_reset(parties_of(s), region_of(s)));
}

static void wait_there(void *object)
{
    struct scene *s = object;

    s->index = pawl_parties_wait_until(parties_of(s), region_of(s), soon());
}

static void armed(void *object)
{
    if (is_last)
        sleeper_start(wait_there, object);
}

static void victim(void *object)
{
    struct scene *s = object;

    s->returned = pawl_parties_wait(parties_of(s), region_of(s)) >= 0;
}

static void others(void *object)
{
    struct scene *s = object;
    struct test_thread *t;
    int index;

    if (is_last) {
        sleeper_join();
        CHECK(s->index == -ECANCELED || s->index == 0);
        CHECK(!s->returned || s->index == 0);
    } else {
        wait_there(s);
        CHECK_ERR(s->index, -ECANCELED);
    }
    CHECK_OK(pawl_parties_reset(parties_of(s), region_of(s)));
    /* What the sleeper left, and the dead one, is forgotten by that. */
    t = test_thread(wait_there, s);
    index = pawl_parties_wait_until(parties_of(s), region_of(s), soon());
    test_join(t);
    CHECK(index >= 0 && s->index == 1 - index);
}

static void run(const char *name)
{
    struct sweep_case c = {
        .name = name,
        .size = sizeof(struct scene),
        .prepare = prepare,
        .warm = warm,
        .armed = armed,
        .victim = victim,
        .others = others,
        .leftovers = true,
    };

    TEST_TIMEOUT(300);
    spin_for("0");
    sweep(&c, SWEEP_KILL);
}

TEST(parties.killed_anywhere)
{
    run("the first to arrive");
    is_last = true;
    run("the last to arrive");
}
