/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the event count.  The structure is a count of items; what is at
 * stake is the wake-up.
 */
#include "model.h"

#include <pawl/eventcount.h>

#include "atomic/ops.h"

static struct {
    pawl_eventcount ec;
    pawl_u64 items;
    pawl_u64 taken;
    int n; /* written before the first item is there */
} s;

static void setup(void)
{
    memset(&s, 0, sizeof s);
    MODEL_NAME(s.ec);
    MODEL_NAME(s.items);
    MODEL_NAME(s.taken);
    MODEL_NAME(s.n);
}

static void setup_shared(void)
{
    setup();
    CHECK_OK(pawl_eventcount_init(&s.ec, PAWL_SHARED));
}

/* seq_cst, as the contract demands. */
static bool take(void)
{
    uint64_t seen = pawl_load64_seq(&s.items);

    while (seen > 0)
        if (pawl_cas64_seq(&s.items, &seen, seen - 1)) {
            pawl_add64_seq(&s.taken, 1);
            return true;
        }
    return false;
}

static void consume(void)
{
    while (!take()) {
        uint32_t key = pawl_eventcount_prepare(&s.ec);

        if (take()) {
            pawl_eventcount_cancel(&s.ec, key);
            break;
        }
        CHECK_OK(pawl_eventcount_wait(&s.ec, key));
    }
    CHECK(MODEL_GET(s.n) == 1);
}

/* Gives up in time, or takes one. */
static void consume_or_give_up(void)
{
    uint32_t key;
    int err;

    if (take())
        return;
    key = pawl_eventcount_prepare(&s.ec);
    if (take()) {
        pawl_eventcount_cancel(&s.ec, key);
        return;
    }
    err = pawl_eventcount_wait_until(&s.ec, key, model_soon());
    CHECK(err == 0 || err == -ETIMEDOUT);
    if (!take())
        return;
    CHECK(MODEL_GET(s.n) == 1);
}

static void produce(int items)
{
    pawl_add64_seq(&s.items, (uint64_t)items);
    pawl_eventcount_notify(&s.ec, items);
}

static void produce_one(void)
{
    MODEL_SET(s.n, 1);
    produce(1);
}

static void produce_one_by_one(void)
{
    MODEL_SET(s.n, 1);
    produce(1);
    produce(1);
}

static void produce_two(void)
{
    MODEL_SET(s.n, 1);
    produce(2);
}

static void produce_two_for_all(void)
{
    MODEL_SET(s.n, 1);
    pawl_add64_seq(&s.items, 2);
    pawl_eventcount_notify_all(&s.ec);
}

static void none_is_left(void)
{
    CHECK(pawl_load64_seq(&s.items) == 0);
}

MODEL(eventcount.one_item, .setup = setup, .threads = {consume, produce_one},
      .check = none_is_left)
MODEL(eventcount.one_item_for_another_process, .setup = setup_shared,
      .threads = {consume, produce_one}, .check = none_is_left)
MODEL(eventcount.two_items_one_by_one, .setup = setup,
      .threads = {consume, consume, produce_one_by_one}, .check = none_is_left)
MODEL(eventcount.two_items_at_once, .setup = setup,
      .threads = {consume, consume, produce_two}, .check = none_is_left)
MODEL(eventcount.two_items_for_all, .setup = setup,
      .threads = {consume, consume, produce_two_for_all}, .check = none_is_left)

/* Who gives up takes no wake from who waits. */
MODEL(eventcount.giving_up_loses_no_wake, .setup = setup,
      .threads = {consume_or_give_up, consume, produce_one_by_one})

/* Consumes twice: the count is corrected while it comes back. */
static void consume_twice(void)
{
    consume();
    consume();
}

MODEL(eventcount.coming_back_is_counted, .setup = setup,
      .threads = {consume_twice, produce_one_by_one}, .check = none_is_left)

static void prepare_and_cancel(void)
{
    pawl_eventcount_cancel(&s.ec, pawl_eventcount_prepare(&s.ec));
}

MODEL(eventcount.cancelling_takes_nobody_off, .setup = setup,
      .threads = {prepare_and_cancel, consume, produce_one},
      .check = none_is_left)

/* Who was woken knows what was done before the notification. */
static void await_notification(void)
{
    uint32_t key = pawl_eventcount_prepare(&s.ec);

    if (pawl_load64_seq(&s.items) != 0)
        pawl_eventcount_cancel(&s.ec, key);
    else
        CHECK_OK(pawl_eventcount_wait(&s.ec, key));
    CHECK(MODEL_GET(s.n) == 1);
}

MODEL(eventcount.notification_publishes, .setup = setup,
      .threads = {await_notification, produce_one})

/* There and back: each sleeps for the other. */
static struct {
    pawl_eventcount ec[2];
    pawl_u32 turn;
    int n;
} t;

static void setup_turns(void)
{
    memset(&t, 0, sizeof t);
    MODEL_NAME(t.ec[0]);
    MODEL_NAME(t.ec[1]);
    MODEL_NAME(t.turn);
}

static void await_turn(uint32_t turn)
{
    while (pawl_load_seq(&t.turn) != turn) {
        pawl_eventcount *ec = &t.ec[turn % 2];
        uint32_t key = pawl_eventcount_prepare(ec);

        if (pawl_load_seq(&t.turn) == turn) {
            pawl_eventcount_cancel(ec, key);
            break;
        }
        CHECK_OK(pawl_eventcount_wait(ec, key));
    }
    model_section(&t.n);
    pawl_swap_seq(&t.turn, turn + 1);
    pawl_eventcount_notify(&t.ec[(turn + 1) % 2], 1);
}

static void even_turns(void)
{
    await_turn(0);
    await_turn(2);
}

static void odd_turns(void)
{
    await_turn(1);
    await_turn(3);
}

static void all_turns_were_taken(void)
{
    CHECK(t.n == 4);
}

MODEL(eventcount.there_and_back, .setup = setup_turns,
      .threads = {even_turns, odd_turns}, .check = all_turns_were_taken)

/* The contract is needed: with less than seq_cst a wake-up is lost. */
static void produce_with_release(void)
{
    MODEL_SET(s.n, 1);
    pawl_store64_release(&s.items, 1);
    pawl_eventcount_notify(&s.ec, 1);
}

MODEL(eventcount.release_is_not_enough, .setup = setup,
      .threads = {consume, produce_with_release}, .must_fail = "deadlock",
      .weak_only = true)
