/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the ring of blocks whose threads are killed at any step, and of the
 * elements that stay in a hand until they are done.
 */
#include "region.h"

#include <pawl/ring.h>

#include "atomic/ring_core.h"

enum { BYTES = 2048, CAPACITY = 2, PARTICIPANTS = 2, ITEMS = 16 };

static struct {
    MODEL_REGION_TABLE;
    _Alignas(PAWL_RING_ALIGN) unsigned char memory[BYTES];
    pawl_ring *r;
    int put[ITEMS]; /* whether item i was accepted, as its thread knows */
    int got[ITEMS]; /* how often it came out */
    uint64_t work;  /* on the item: what is done before it is finished */
    pawl_u32 waits; /* for it to be finished */
    bool misses[2];
    bool keeps; /* a task of the dead is done again */
} s;

static void begin_as(enum pawl_ring_format format, size_t capacity)
{
    memset(&s, 0, sizeof s);
    CHECK_OK(pawl_ring_init_as(format, &s.r, s.memory, BYTES, capacity,
                               format == PAWL_RING_SWAP ? 16 : 8,
                               format == PAWL_RING_SWAP ? PARTICIPANTS : 0, 0));
    model_name(&s.r->tail, 8, "tail");
    model_name(&s.r->head, 8, "head");
    model_name(s.r + 1, capacity << s.r->slot_shift, "slot");
    MODEL_NAME(s.work);
    MODEL_NAME(s.waits);
    model_region(&s, sizeof s);
}

/* ---- parts --------------------------------------------------------------- */

static bool is_dead(uint64_t id, void *unused)
{
    const struct pawl_participants *t = (const void *)s.table_;

    (void)unused;
    return id <= MODEL_THREADS &&
           !pawl_participant_alive(t, pawl_load_relaxed(&t->slot[id - 1].id));
}

static int put(int item)
{
    uint64_t value = (uint64_t)item;
    int err = pawl_ring_put_record(s.r, &value, sizeof value);

    s.put[item] += err == 0;
    return err;
}

static int get(void)
{
    uint64_t value;
    int64_t n = pawl_ring_get_record(s.r, &value);

    if (n < 0)
        return (int)n;
    CHECK(n == sizeof value && value < ITEMS);
    s.got[value]++;
    return 0;
}

static void put_any(void)
{
    int err = put(model_self());

    CHECK(err == 0 || err == -EAGAIN);
}

static void get_any(void)
{
    int err = get();

    CHECK(err == 0 || err == -EAGAIN);
}

static void recover(void)
{
    CHECK(pawl_ring_recover(s.r, is_dead, NULL) >= 0);
}

static void leave(void)
{
    int err = pawl_ring_leave(s.r);

    CHECK(err == 0 || err == -ENOENT);
}

/* Each block is in one slot or one record's hand, and nobody has one but those who
 * are there. */
static void blocks_are_whole(void)
{
    const char *base = (const void *)s.r;
    const struct pawl_ring_record *records =
        (const void *)(base + s.r->records_at);
    bool has_values = s.r->format == PAWL_RING_VALUE;
    const uint64_t *slots = (const void *)(s.r + 1);
    uint64_t seen = 0;

    for (uint64_t i = 0; i < s.r->slot_blocks; i++)
        seen |= UINT64_C(1)
                << ((slots[i] & (s.r->full - 1)) >> (has_values ? 5 : 1));
    for (uint32_t i = 0; i < s.r->records; i++) {
        CHECK(records[i].owner.v_ == 0);
        CHECK(records[i].hand.v_ >> 32 == PAWL_RING_NONE);
        seen |= UINT64_C(1) << (uint32_t)records[i].hand.v_;
    }
    CHECK(__builtin_popcountll(seen) == (int)(s.r->slot_blocks + s.r->records));
}

static void drain(void)
{
    bool died = false;

    while (s.r->format == PAWL_RING_SWAP && get() == 0)
        ;
    for (int i = 0; i < model_threads(); i++)
        died |= model_region_died(i);
    for (int i = 0; i < ITEMS; i++)
        CHECK(s.got[i] <= 1 && (died || s.got[i] == s.put[i]));
}

/* Alone, all that the dead held is found. */
static void whole(void)
{
    model_region_at_end(recover);
    blocks_are_whole();
    drain();
}

/* ---- deaths -------------------------------------------------------------- */

static void two(void)
{
    begin_as(PAWL_RING_SWAP, CAPACITY);
}

static void mortal_put(void)
{
    model_mortal(true);
    put_any();
    leave();
    model_mortal(false);
}

static void mortal_put_get(void)
{
    model_mortal(true);
    put_any();
    get_any();
    leave();
    model_mortal(false);
}

static void put_get(void)
{
    put_any();
    get_any();
    leave();
}

static void put_recover_get(void)
{
    put_any();
    recover();
    get_any();
    leave();
}

static void mortal_recover(void)
{
    model_mortal(true);
    recover();
    model_mortal(false);
}

MODEL(region_ring.death_beside_one, .setup = two,
      .threads = {mortal_put_get, put_get}, .check = whole)
MODEL(region_ring.death_repaired_meanwhile, .setup = two,
      .threads = {mortal_put, put_recover_get}, .check = whole)
MODEL(region_ring.death_repaired_by_two, .setup = two,
      .threads = {mortal_put, recover, recover}, .check = whole)
MODEL(region_ring.death_of_who_repairs, .setup = two,
      .threads = {mortal_put, mortal_recover, recover}, .check = whole)

/* The same for those that are about to put a run. */
static void three_values(void)
{
    begin_as(PAWL_RING_VALUE, 3);
}

static void put_run(void)
{
    const uint64_t values[2] = {0, 1};
    int64_t n = pawl_ring_push_many(s.r, values, 2);

    CHECK(n > 0 || n == -EAGAIN);
}

static void mortal_run(void)
{
    model_mortal(true);
    put_run();
    model_mortal(false);
}

static void get_run_and_recover(void)
{
    uint64_t values[2];
    int64_t n = pawl_ring_pop_many(s.r, values, 2);

    CHECK(n == -EAGAIN || (n > 0 && values[0] == 0));
    recover();
}

MODEL(region_ring.death_in_a_run, .setup = three_values,
      .threads = {mortal_run, get_run_and_recover}, .check = whole)

/* ---- tasks --------------------------------------------------------------- */

static void one_task(void)
{
    two();
    CHECK_OK(put(0));
}

static void recover_tasks(void)
{
    uint32_t orphans;

    CHECK(pawl_ring_recover_tasks(s.r, is_dead, NULL, s.keeps, &orphans) >= 0);
}

/* As a shared queue asks. */
static bool is_idle(void)
{
    uint64_t pushed = pawl_ring_pushed(s.r);

    return pawl_ring_is_empty(s.r) && pawl_ring_tasks(s.r) == 0 &&
           pawl_ring_pushed(s.r) == pushed;
}

static void do_task(pawl_ring_loan *loan)
{
    MODEL_SET(s.work, s.work + 1);
    pawl_ring_finish(s.r, loan);
}

static void take_and_do(void)
{
    pawl_ring_loan loan;

    CHECK_OK(pawl_ring_take(s.r, &loan));
    do_task(&loan);
}

/* Who finds that all is done sees what was done. */
static void look_if_idle(void)
{
    if (is_idle())
        CHECK(MODEL_GET(s.work) == 1);
}

static void idle(void)
{
    CHECK(is_idle());
}

MODEL(ring_tasks.idle_means_done, .setup = one_task,
      .threads = {take_and_do, look_if_idle}, .check = idle)
MODEL(ring_tasks.idle_means_done_in_any_order, .setup = one_task,
      .threads = {take_and_do, look_if_idle}, .check = idle, .free_seq = true)

/* Also if it has looked for more. */
static void do_and_look_for_more(void)
{
    pawl_ring_loan loan;

    take_and_do();
    CHECK_ERR(pawl_ring_take(s.r, &loan), -EAGAIN);
}

MODEL(ring_tasks.idle_beside_one_who_looks_for_more, .setup = one_task,
      .threads = {do_and_look_for_more, look_if_idle}, .check = idle)

/* Who is done sees who waits for it, or that one sees that it is done. */
static void do_and_tell(void)
{
    take_and_do();
    s.misses[0] = pawl_load_seq(&s.waits) == 0;
}

static void wait_and_look(void)
{
    pawl_store_seq(&s.waits, 1);
    s.misses[1] = !is_idle();
}

static void one_sees_the_other(void)
{
    CHECK(!s.misses[0] || !s.misses[1]);
}

MODEL(ring_tasks.waiter_is_seen, .setup = one_task,
      .threads = {do_and_tell, wait_and_look}, .check = one_sees_the_other)

/* What a dead thread had in its hand is found there by another. */
static void one_task_that_is_kept(void)
{
    one_task();
    s.keeps = true;
}

static void mortal_take_and_do(void)
{
    pawl_ring_loan loan;

    model_mortal(true);
    if (pawl_ring_take(s.r, &loan) == 0)
        do_task(&loan);
    leave();
    model_mortal(false);
}

static void adopt_and_do(void)
{
    pawl_ring_loan loan;

    if (pawl_ring_adopt(s.r, &loan) != 0)
        return;
    CHECK(((const uint64_t *)loan.data)[1] == 0);
    do_task(&loan);
    leave();
}

static void recover_and_do(void)
{
    recover_tasks();
    adopt_and_do();
}

static void done_or_there(void)
{
    pawl_ring_loan loan;

    model_region_at_end(recover_tasks);
    if (pawl_ring_adopt(s.r, &loan) == 0) {
        CHECK(s.keeps && model_region_died(0));
        CHECK(pawl_ring_tasks(s.r) == 1);
        do_task(&loan);
    } else if (get() == 0) {
        CHECK(model_region_died(0));
        s.work++;
    }
    leave();
    CHECK(is_idle());
    CHECK(s.work >= 1 || !s.keeps);
    CHECK(s.work <= 1 || model_region_died(0));
    blocks_are_whole();
}

MODEL(ring_tasks.adopted_from_the_dead, .setup = one_task_that_is_kept,
      .threads = {mortal_take_and_do, recover_and_do}, .check = done_or_there)
MODEL(ring_tasks.adopted_by_another, .setup = one_task_that_is_kept,
      .threads = {mortal_take_and_do, recover_tasks, adopt_and_do},
      .check = done_or_there)
MODEL(ring_tasks.of_the_dead_is_done, .setup = one_task,
      .threads = {mortal_take_and_do, recover_tasks}, .check = done_or_there)

/* One who finds that nothing is left sees what the dead did, whoever has repaired. */
static void look_if_idle_after_a_death(void)
{
    if (is_idle())
        CHECK(MODEL_GET(s.work) <= 1);
}

MODEL(ring_tasks.of_the_dead_is_seen, .setup = one_task,
      .threads = {mortal_take_and_do, recover_tasks,
                  look_if_idle_after_a_death},
      .check = done_or_there)
