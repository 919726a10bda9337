/* SPDX-License-Identifier: MIT
 *
 * procpool_sweep.c - X-10, O-13, O-20, W-16: a worker of a process pool killed, or stopped,
 * at any instruction of taking a task, waiting for one, and telling that it is
 * finished: only the task in its hand is affected, all others are run once.  So it is if
 * the pool says meanwhile that this task is late, which the worker finds out, or has
 * forestalled.
 */
#include <string.h>

#include "process/pool_window.h"
#include "swept.h"

enum { RECORDS = 4, WORKERS = 2, VICTIM = 0, OTHER = 1, TASKS_MAX = 16 };

struct scene {
    _Alignas(4096) unsigned char memory[1 << 16];
    struct pawl_window_owner owner;
    uint32_t position[RECORDS];
    uint16_t taker[RECORDS];
    int task[RECORDS]; /* the number of the one in a record; -1: free */
    uint32_t seen[WORKERS];
    int offered;
    int ran[TASKS_MAX];      /* by whom: worker + 1 */
    int finished[TASKS_MAX]; /* how often it was told */
    bool is_late[TASKS_MAX]; /* its worker is to be killed */
    int returned;            /* calls of the victim's */
    bool has_sleeper;
};

static struct {
    bool waits; /* the victim waits, instead of taking what is there */
    bool late;  /* what it has in its hand has no time left */
    int offers; /* before the victim */
    int turns;  /* of the victim's */
    enum sweep_mode mode;
} plan;

static struct pawl_window *window_of(struct scene *s)
{
    return (struct pawl_window *)(void *)s->memory;
}

static void offer(struct scene *s)
{
    uint32_t r = 0;

    while (s->task[r] >= 0)
        r++;
    CHECK(r < RECORDS);
    CHECK(pawl_window_has_slot(&s->owner));
    s->task[r] = s->offered++;
    /* relaxed: the offer publishes it. */
    pawl_store_relaxed(&pawl_window_record(window_of(s), r)->said, 0);
    pawl_window_offer(&s->owner, r);
}

static void gather(struct scene *s, uint32_t worker)
{
    int r;

    while ((r = pawl_window_next_finished(window_of(s), worker,
                                          &s->seen[worker])) >= 0) {
        CHECK(s->task[r] >= 0);
        CHECK_EQ(pawl_window_taker(&s->owner, (uint32_t)r), worker + 1);
        CHECK_EQ(s->ran[s->task[r]], (int)worker + 1);
        CHECK(!s->is_late[s->task[r]]);
        s->finished[s->task[r]]++;
        s->task[r] = -1;
    }
}

/* What a worker does with a task.  False: it takes no more. */
static bool work(struct scene *s, uint32_t worker, int record)
{
    int *ran = &s->ran[s->task[record]];

    CHECK_EQ(*ran, 0);
    *ran = (int)worker + 1;
    if (!pawl_window_end_task(window_of(s), (uint32_t)record))
        return false;
    (void)pawl_window_finish(window_of(s), worker, (uint32_t)record);
    return true;
}

static void prepare(void *object)
{
    struct scene *s = object;

    CHECK(pawl_window_bytes(RECORDS, WORKERS) <= sizeof s->memory);
    pawl_window_init(window_of(s), RECORDS, WORKERS);
    s->owner = (struct pawl_window_owner){
        .window = window_of(s), .position = s->position, .taker = s->taker};
    memset(s->task, 255, sizeof s->task);
    /* So that the slots have been round, and the hint is somewhere. */
    for (int i = 0; i < 3; i++) {
        int r;

        offer(s);
        r = pawl_window_take(window_of(s), OTHER);
        CHECK(r >= 0);
        work(s, OTHER, r);
        gather(s, OTHER);
    }
    for (int i = 0; i < plan.offers; i++)
        offer(s);
    pawl_store_seq(&window_of(s)->bell, 1); /* the pool sleeps */
}

static void victim(void *object)
{
    struct scene *s = object;

    for (int i = 0; i < plan.turns; i++) {
        int r = plan.waits ? pawl_window_await(window_of(s), VICTIM)
                           : pawl_window_take(window_of(s), VICTIM);

        if (r < 0 || !work(s, VICTIM, r))
            break;
        s->returned++;
    }
}

static void warm(void *object)
{
    pawl_eventcount ec = PAWL_EVENTCOUNT_INIT_FLAGS(PAWL_SHARED);

    take_ids(object);
    CHECK_ERR(pawl_eventcount_wait_until(&ec, pawl_eventcount_prepare(&ec),
                                         pawl_after_us(1)),
              -ETIMEDOUT);
}

static void wait_and_work(void *object)
{
    struct scene *s = object;
    int r = pawl_window_await(window_of(s), OTHER);

    CHECK(r >= 0);
    work(s, OTHER, r);
}

/* The victim sleeps, and so does another, who came later: the wake is the victim's.  If
 * that has looked by itself meanwhile, and lain down behind the other, it is the other's;
 * then the victim sleeps once more. */
static void asleep(void *object)
{
    struct scene *s = object;

    if (!s->has_sleeper && plan.mode != SWEEP_THAW) {
        s->has_sleeper = true;
        sleeper_start(wait_and_work, s);
    }
    gather(s, OTHER);
    offer(s);
    pawl_window_call(window_of(s), 1);
}

static void take_all(struct scene *s)
{
    int r;

    while ((r = pawl_window_take(window_of(s), OTHER)) >= 0)
        work(s, OTHER, r);
    gather(s, OTHER);
}

/* Every task was told once, but for the one in the victim's hand. */
static void account(struct scene *s)
{
    int in_hand = 0;

    for (uint32_t r = 0; r < RECORDS; r++)
        if (s->task[r] >= 0) {
            CHECK_EQ(pawl_window_taker(&s->owner, r), VICTIM + 1);
            in_hand++;
        }
    CHECK(in_hand <= 1);
    for (int i = 0; i < s->offered; i++) {
        CHECK(s->finished[i] <= 1);
        in_hand -= s->finished[i] == 0;
    }
    CHECK_EQ(in_hand, 0);
}

/* A sleeper is woken by an offer, whatever the victim was about to do; if one has
 * been made that the victim has not taken, by the burial. */
static void one_who_sleeps(struct scene *s)
{
    if (!s->has_sleeper)
        sleeper_start(wait_and_work, s);
    if (!s->has_sleeper || !pawl_window_has_offers(window_of(s))) {
        offer(s);
        pawl_window_call(window_of(s), 1);
    }
    if (plan.mode != SWEEP_KILL)
        pawl_window_call_all(window_of(s)); /* it may have been the victim */
    sleeper_join();
}

/* Time is over for what the victim has in its hand. */
static void condemn(struct scene *s)
{
    gather(s, VICTIM);
    for (uint32_t r = 0; r < RECORDS; r++)
        if (s->task[r] >= 0 && pawl_window_taker(&s->owner, r) == VICTIM + 1)
            s->is_late[s->task[r]] = pawl_window_condemn(window_of(s), r);
}

static void others(void *object)
{
    struct scene *s = object;

    if (plan.late)
        condemn(s);
    if (plan.mode == SWEEP_KILL) {
        gather(s, VICTIM);
        CHECK(s->returned <= plan.turns);
        pawl_window_bury(window_of(s), VICTIM);
    }
    if (!s->has_sleeper)
        take_all(s);
    one_who_sleeps(s);
    take_all(s);
    for (int i = 0; i < 3; i++) { /* the slots of the next lap */
        offer(s);
        take_all(s);
    }
    gather(s, VICTIM);
    account(s);
}

/* The victim has finished, or waits to be killed. */
static void after(void *object)
{
    struct scene *s = object;

    take_all(s);
    gather(s, VICTIM);
    for (int i = 0; i < s->offered; i++)
        CHECK_EQ(s->finished[i], !s->is_late[i]);
    for (int i = 0; i < RECORDS; i++) {
        offer(s);
        take_all(s);
    }
}

static void sweep_it(const char *name)
{
    struct sweep_case c = {
        .name = name,
        .size = sizeof(struct scene),
        .prepare = prepare,
        .warm = warm,
        .victim = victim,
        .asleep = plan.waits ? asleep : NULL,
        .others = others,
        .after = after,
    };

    TEST_TIMEOUT(300);
    spin_for("0");
    plan.mode = SWEEP_KILL;
    sweep(&c, SWEEP_KILL);
    plan.mode = SWEEP_FREEZE;
    sweep(&c, SWEEP_FREEZE);
    plan.mode = SWEEP_THAW;
    sweep(&c, SWEEP_THAW);
}

TEST(procpool.worker_that_takes_and_finishes_stopped_anywhere)
{
    plan.offers = 3;
    plan.turns = 2;
    sweep_it("procpool take, finish");
}

TEST(procpool.worker_that_is_late_stopped_anywhere)
{
    plan.offers = 3;
    plan.turns = 2;
    plan.late = true;
    sweep_it("procpool take, end, finish, late");
}

TEST(procpool.worker_that_waits_stopped_anywhere)
{
    plan.waits = true;
    plan.turns = 1;
    sweep_it("procpool wait, finish");
}
