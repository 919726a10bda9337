/* SPDX-License-Identifier: MIT
 *
 * queue_shared_test.c - the blocking queue between processes.
 */
#include <sched.h>
#include <signal.h>

#include "queue_cases.h"

enum { MEMORY = 1 << 16 };

struct place {
    struct queue_rig *rig; /* shared */
    struct view view;
};

static void elsewhere(struct member *me)
{
    struct place *p = me->rig;
    pawl_queue *here = NULL;

    CHECK_OK(pawl_queue_attach(&here, view_again(&p->view, false), MEMORY));
    queue_member_at(me, p->rig, here);
}

static void run(size_t capacity, struct queue_plan plan)
{
    struct place p = {.rig = test_shared_alloc(sizeof *p.rig),
                      .view = view_make(MEMORY)};
    pawl_queue_options o;
    pawl_queue *q = NULL;

    plan.flags = PAWL_SHARED;
    o = queue_options(&plan, capacity);
    queue_rig_init(p.rig, plan);
    CHECK_OK(pawl_queue_init(&q, p.view.at, MEMORY, &o));
    team_of_processes(plan.producers + plan.consumers, elsewhere, &p);
    queue_check(p.rig, q);
}

/* at different addresses, everything comes once and in order. */
TEST(queue_shared.processes_deliver_once_in_order)
{
    run(1, (struct queue_plan){2, 2, 4000, .words = 1});
    run(3, (struct queue_plan){2, 2, 4000, .words = 3});
    run(64, (struct queue_plan){3, 3, 10000, .words = 1});
}

/* */
TEST(queue_shared.processes_deliver_once_by_lifo)
{
    for (size_t capacity = 1; capacity <= 64; capacity *= 4)
        run(capacity, (struct queue_plan){2, 2, 4000, .words = 3,
                                          .kind = PAWL_QUEUE_LIFO});
}

/* */
TEST(queue_shared.processes_deliver_once_in_order_by_priority)
{
    for (size_t capacity = 1; capacity <= 64; capacity *= 4)
        run(capacity, (struct queue_plan){2, 2, 4000, .words = 3,
                                          .kind = PAWL_QUEUE_PRIORITY});
}

TEST(queue_shared.join_waits_for_all_tasks)
{
    run(2, (struct queue_plan){2, 2, 4000, .words = 1, .tasks = true});
    run(2, (struct queue_plan){2, 2, 2000, .words = 1, .tasks = true,
                               .kind = PAWL_QUEUE_LIFO});
    run(2, (struct queue_plan){2, 2, 2000, .words = 1, .tasks = true,
                               .kind = PAWL_QUEUE_PRIORITY});
}

/* a shutdown is seen by all processes. */
TEST(queue_shared.shutdown_loses_nothing)
{
    for (int i = test_iterations(30); i > 0; i--)
        run(1 + (size_t)i % 4,
            (struct queue_plan){2, 2, 60, .words = 1, .early = true,
                                .kind = (enum pawl_queue_kind)(i % 3)});
}

/* ---- killed at any moment --------------------------------------------- */

enum { HOPPERS = 3, GENERATIONS = 30, ROOM = 4, NUMBERS = 1 << 16 };
#define LAST UINT64_MAX

struct yard {
    _Alignas(PAWL_QUEUE_ALIGN) unsigned char memory[MEMORY];
    uint32_t words;
    _Atomic uint64_t put[HOPPERS]; /* so many puts have returned 0 */
    _Atomic uint64_t got[HOPPERS];
    _Atomic uint64_t seen[HOPPERS][NUMBERS]; /* the last with these low bits */
};

struct hopper {
    struct yard *yard;
    int me;
};

static void see(struct yard *y, const uint64_t *e)
{
    uint64_t number = e[0] >> 8;
    int me = (int)(e[0] & 0xff);

    for (uint32_t i = 1; i < y->words; i++)
        CHECK_EQ(e[i], e[0] + i);
    CHECK(me < HOPPERS);
    /* none comes twice. */
    CHECK(atomic_exchange(&y->seen[me][number % NUMBERS], number) != number);
    atomic_fetch_add(&y->got[me], 1);
}

/* Put and get for ever. */
static void hop(void *arg)
{
    struct hopper *h = arg;
    struct yard *y = h->yard;
    uint64_t first = atomic_load(&y->put[h->me]) + 1;
    pawl_queue *q = NULL;
    uint64_t e[QUEUE_WORDS];

    CHECK_OK(pawl_queue_attach(&q, y->memory, MEMORY));
    for (uint64_t n = first;;) {
        int err;

        for (uint32_t i = 0; i < y->words; i++)
            e[i] = (n << 8 | (unsigned)h->me) + i;
        err = pawl_queue_put_until(q, e, pawl_after_us(200));
        if (err == 0)
            atomic_store(&y->put[h->me], n++);
        else
            CHECK_ERR(err, -ETIMEDOUT);
        err = pawl_queue_get_until(q, e, pawl_after_us(200));
        if (err == 0)
            see(y, e);
        else
            CHECK_ERR(err, -ETIMEDOUT);
    }
}

/* Who is killed takes one element with it at most, the one that it was getting;
 * what was put is delivered, and there is room for as much as before. */
static void kill_some(uint32_t words)
{
    struct yard *y = test_shared_alloc(sizeof *y);
    uint64_t random = test_seed(words);
    struct hopper hopper[HOPPERS];
    pid_t child[HOPPERS];
    uint64_t e[QUEUE_WORDS] = {0};
    uint64_t last[QUEUE_WORDS] = {0};
    pawl_queue *q = NULL;
    uint64_t lost = 0;

    TEST_TIMEOUT(120);
    y->words = words;
    CHECK_OK(pawl_queue_init(
        &q, y->memory, MEMORY,
        &(pawl_queue_options){.capacity = ROOM,
                              .element_size = words * sizeof(uint64_t),
                              .flags = PAWL_SHARED,
                              .participants = HOPPERS + 1}));
    for (int i = 0; i < HOPPERS; i++) {
        hopper[i] = (struct hopper){.yard = y, .me = i};
        child[i] = test_spawn_child(hop, &hopper[i]);
    }
    for (int g = 0; g < GENERATIONS + HOPPERS; g++) {
        int i = g % HOPPERS;
        uint64_t before = atomic_load(&y->put[i]);

        while (g < GENERATIONS && atomic_load(&y->put[i]) < before + 3)
            sched_yield();
        for (uint32_t n = test_rand_below(&random, 5000); n > 0; n--)
            (void)atomic_load(&y->put[i]);
        CHECK_EQ(kill(child[i], SIGKILL), 0);
        test_reap_child(child[i]);
        atomic_fetch_add(&y->put[i], 1); /* which it may have put */
        if (g < GENERATIONS)
            child[i] = test_spawn_child(hop, &hopper[i]);
    }
    /* The dead may have all blocks between them: then a try is refused, but who
     * waits takes them back, and has one of its own after its first call. */
    for (last[0] = LAST;
         pawl_queue_put_until(q, last, pawl_after_ms(20)) != 0;)
        if (pawl_queue_get_until(q, e, pawl_after_ms(20)) == 0)
            see(y, e);
    for (;;) {
        CHECK_OK(pawl_queue_get_until(q, e, pawl_after_s(60)));
        if (e[0] == LAST)
            break;
        see(y, e);
    }
    for (int i = 0; i < HOPPERS; i++) {
        CHECK(atomic_load(&y->got[i]) <= atomic_load(&y->put[i]));
        lost += atomic_load(&y->put[i]) - atomic_load(&y->got[i]);
    }
    /* Each that was killed: what it was getting, and what it had not put. */
    CHECK(lost <= 2 * (GENERATIONS + HOPPERS));
    for (int lap = 0; lap < 3; lap++) {
        for (int i = 0; i < ROOM; i++)
            CHECK_OK(pawl_queue_put_until(q, e, pawl_after_s(60)));
        CHECK_ERR(pawl_queue_try_put(q, e), -EAGAIN);
        for (int i = 0; i < ROOM; i++)
            CHECK_OK(pawl_queue_get_until(q, e, pawl_after_s(60)));
        CHECK_ERR(pawl_queue_try_get(q, e), -EAGAIN);
    }
}

TEST(queue_shared.kills_lose_what_was_in_a_hand)
{
    for (int i = test_iterations(1); i > 0; i--) {
        kill_some(1);
        kill_some(3);
    }
}
