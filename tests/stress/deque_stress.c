/* SPDX-License-Identifier: MIT
 *
 * deque_stress.c - the blocking deque among many threads.
 */
#include "deque_cases.h"

static void run(size_t capacity, struct deque_plan plan)
{
    struct deque_rig r = {0};
    pawl_deque_options o = deque_rig_init(&r, plan, capacity);

    CHECK_OK(pawl_deque_create(&r.d, &o));
    team_of_threads(plan.producers + plan.consumers, deque_member, &r);
    deque_check(&r, r.d);
    pawl_deque_free(r.d);
}

/* D-11: Invariant: everything comes once and whole, whatever the ends. */
TEST(deque_stress.delivers_once)
{
    run(1, (struct deque_plan){1, 1, 20000, .flags = 0});
    run(1, (struct deque_plan){4, 4, 3000, .flags = 0});
    run(2, (struct deque_plan){1, 5, 10000, .flags = 0});
    run(5, (struct deque_plan){5, 1, 3000, .flags = 0});
    run(64, (struct deque_plan){4, 4, 5000, .flags = 0});
    run(0, (struct deque_plan){4, 4, 5000, .flags = PAWL_UNBOUNDED});
}

/* D-11: Invariant: in at the back and out at the front, it is a queue: what comes
 * from one producer comes in its order. */
TEST(deque_stress.is_a_queue)
{
    run(1, (struct deque_plan){3, 3, 3000, .queue = true});
    run(7, (struct deque_plan){3, 3, 5000, .queue = true});
    run(0, (struct deque_plan){3, 3, 5000, .flags = PAWL_UNBOUNDED,
                               .queue = true});
}

/* Invariant: a push that races with the shutdown is either delivered, dropped,
 * discarded or refused, and everybody is released. */
TEST(deque_stress.shutdown_loses_nothing)
{
    for (int i = test_iterations(150); i > 0; i--) {
        run(1 + (size_t)i % 4,
            (struct deque_plan){3, 3, 60, .early = true, .now = i % 2 == 0});
        run(0, (struct deque_plan){3, 2, 60, .early = true, .now = i % 2 == 0,
                                   .flags = PAWL_UNBOUNDED});
    }
}

struct snapshots {
    pawl_deque *d;
    int rounds;
    _Atomic bool over;
};

static void drop_or_look(struct member *me)
{
    struct snapshots *s = me->rig;
    uint64_t e[DEQUE_BATCH] = {0};

    while (me->index > 0 && !atomic_load(&s->over)) {
        CHECK(pawl_deque_is_full(s->d));
        CHECK_EQ(pawl_deque_size(s->d), 3);
    }
    for (int i = 0; i < s->rounds && me->index == 0; i++) {
        if (i % 2 == 0)
            CHECK_EQ(pawl_deque_push_back_dropping(s->d, e, NULL), 1);
        else
            CHECK_OK(pawl_deque_extend_front(s->d, e, DEQUE_BATCH));
    }
    atomic_store(&s->over, true);
}

/* D-02, D-04: Invariant: a full one that drops is full at every instant. */
TEST(deque_stress.dropping_is_one_step)
{
    struct snapshots s = {.rounds = test_iterations(300000)};
    uint64_t e[3] = {0};

    CHECK_OK(pawl_deque_create(
        &s.d, &(pawl_deque_options){.capacity = 3,
                                    .element_size = sizeof e[0],
                                    .flags = PAWL_DEQUE_DROP}));
    CHECK_OK(pawl_deque_extend_back(s.d, e, 3));
    team_of_threads(2, drop_or_look, &s);
    pawl_deque_free(s.d);
}
