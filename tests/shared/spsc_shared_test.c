/* SPDX-License-Identifier: MIT
 *
 * spsc_shared_test.c - one producer and one consumer in two processes.
 */
#include <signal.h>

#include <pawl/spsc.h>

#include "spsc_cases.h"

enum { CAPACITY = 5, WORDS = 3, MEMORY = 4096 };

static void elsewhere(struct member *me)
{
    struct spsc_rig r = {.n = (uint64_t)test_iterations(100000),
                         .words = WORDS};

    CHECK_OK(pawl_spsc_attach(&r.q, view_again(me->rig, false), MEMORY));
    me->rig = &r;
    spsc_member(me);
}

/* at different addresses. */
TEST(spsc_shared.works_at_different_addresses)
{
    struct view v = view_make(MEMORY);
    pawl_spsc *q;

    CHECK_OK(pawl_spsc_init(&q, v.at, MEMORY, CAPACITY,
                            WORDS * sizeof(uint64_t)));
    team_of_processes(2, elsewhere, &v);
    CHECK_EQ(pawl_spsc_size(q), 0);
}

struct line {
    _Atomic uint64_t returned; /* pushes that returned */
};

struct push_forever {
    pawl_spsc *q;
    struct line *line;
};

static void push_forever(void *arg)
{
    struct push_forever *p = arg;

    for (uint64_t i = atomic_load(&p->line->returned);; i++) {
        while (pawl_spsc_push(p->q, &i) != 0)
            sched_yield();
        atomic_store(&p->line->returned, i + 1);
    }
}

/* A producer is killed wherever it is, again and again, and another takes over
 * from what it has reported: of the element in its hand there are none, one, or,
 * if the successor sends it again, two; all others come once and in order. */
TEST(spsc_shared.killed_producer_is_succeeded)
{
    struct push_forever p = {
        .q = test_shared_alloc(MEMORY),
        .line = test_shared_alloc(sizeof(struct line)),
    };
    uint64_t next = 0;
    uint64_t random = test_seed(0);
    int deaths = test_iterations(200);

    CHECK_OK(pawl_spsc_init(&p.q, p.q, MEMORY, CAPACITY, sizeof(uint64_t)));
    for (int i = 0; i < deaths; i++) {
        pid_t child = test_spawn_child(push_forever, &p);
        uint64_t until = next + 1 + test_rand_below(&random, 100);
        bool again = true;
        uint64_t v;

        while (next < until) {
            if (pawl_spsc_pop(p.q, &v) != 0) {
                sched_yield();
                continue;
            }
            CHECK(v == next || (again && v + 1 == next));
            again = false;
            next = v + 1;
        }
        CHECK_EQ(kill(child, SIGKILL), 0);
        test_reap_child(child);
        /* What the dead one left is whole. */
        CHECK(pawl_spsc_size(p.q) <= CAPACITY);
        while (pawl_spsc_pop(p.q, &v) == 0) {
            CHECK(v == next || (again && v + 1 == next));
            again = false;
            next = v + 1;
        }
        CHECK(next == atomic_load(&p.line->returned) ||
              next == atomic_load(&p.line->returned) + 1);
    }
}
