/* SPDX-License-Identifier: MIT
 *
 * pool_window.c - offering, taking and finishing tasks: see pool_window.h.
 */
#include "process/pool_window.h"

#include "base/place.h"
#include "futex/eventcount.h"
#include "futex/spin.h"

#define TAKER UINT64_C(0xffff)

/* Of `searching`: one was woken, and has not said who it is. */
#define COMING UINT32_C(0xffff)

static uint64_t slot_word(uint32_t position, uint32_t record, uint32_t taker)
{
    return (uint64_t)position << 32 | (uint64_t)record << 16 | taker;
}

static uint32_t position_in(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

static uint32_t record_in(uint64_t word)
{
    return (uint32_t)(word >> 16 & 0xffff);
}

static uint32_t taker_in(uint64_t word)
{
    return (uint32_t)(word & TAKER);
}

static pawl_u64 *slot_of(const struct pawl_window *w, uint32_t position)
{
    return (pawl_u64 *)(uintptr_t)&w->slot[position % w->records];
}

/* -- Layout ------------------------------------------------------------------- */

static size_t after_slots(uint32_t records)
{
    return pawl_round_up(sizeof(struct pawl_window) +
                             records * sizeof(pawl_u64),
                         2 * PAWL_CACHE_LINE);
}

static size_t stride(uint32_t records)
{
    return pawl_round_up(sizeof(struct pawl_window_worker) +
                             records * sizeof(uint16_t),
                         2 * PAWL_CACHE_LINE);
}

size_t pawl_window_bytes(uint32_t records, uint32_t workers)
{
    return after_slots(records) + records * sizeof(struct pawl_window_record) +
           workers * stride(records);
}

void pawl_window_init(struct pawl_window *w, uint32_t records, uint32_t workers)
{
    w->records = records;
    w->workers = workers;
    w->of_record = after_slots(records);
    w->of_worker = w->of_record + records * sizeof(struct pawl_window_record);
    w->worker_stride = stride(records);
    (void)pawl_eventcount_init(&w->offers, PAWL_SHARED);
    /* relaxed: nobody else is there yet. */
    for (uint32_t i = 0; i < records; i++)
        pawl_store64_relaxed(&w->slot[i],
                             slot_word(i - records, 0, PAWL_WINDOW_NOBODY));
    w->magic = PAWL_WINDOW_MAGIC;
}

/* -- Looking -------------------------------------------------------------------- */

/* The first position that is OFFERED, as the slot shows it; false: nothing is. */
static bool first_offer(const struct pawl_window *w, uint64_t *seen)
{
    /* acquire: pairs with store_release in take: W2. */
    uint32_t p = pawl_load_acquire(&w->head);

    for (;;) {
        int32_t ahead;

        /* seq_cst: pairs with store64_seq in offer; E at the top. */
        *seen = pawl_load64_seq(slot_of(w, p));
        ahead = (int32_t)(position_in(*seen) - p);
        if (ahead < 0)
            return false; /* not offered yet */
        if (ahead == 0 && taker_in(*seen) == 0)
            return true;
        /* W1: all before this are taken. */
        p = position_in(*seen) + 1 - (ahead > 0 ? w->records : 0);
    }
}

bool pawl_window_has_offers(const struct pawl_window *w)
{
    uint64_t seen;

    return first_offer(w, &seen);
}

/* -- The pool ------------------------------------------------------------------ */

bool pawl_window_has_slot(const struct pawl_window_owner *o)
{
    /* acquire: pairs with cas64_seq in take. */
    return taker_in(pawl_load64_acquire(slot_of(o->window, o->next))) != 0;
}

void pawl_window_offer(struct pawl_window_owner *o, uint32_t record)
{
    pawl_u64 *slot = slot_of(o->window, o->next);
    uint64_t old = pawl_load64_acquire(slot); /* acquire: as in has_slot */

    /* Who has taken that one could not be seen any more.  If its record is in
     * another slot by now, that is noted when this one is used again. */
    o->taker[record_in(old)] = (uint16_t)taker_in(old);
    o->position[record] = o->next;
    /* seq_cst: pairs with load64_seq in take, and is A at the top. */
    pawl_store64_seq(slot, slot_word(o->next, record, 0));
    o->next++;
}

bool pawl_window_call_off(struct pawl_window_owner *o, uint32_t record)
{
    uint64_t seen = slot_word(o->position[record], record, 0);

    /* seq_cst: pairs with cas64_seq in take: one of both has it. */
    return pawl_cas64_seq_always(slot_of(o->window, o->position[record]), &seen,
                                 seen | PAWL_WINDOW_NOBODY);
}

uint32_t pawl_window_taker(const struct pawl_window_owner *o, uint32_t record)
{
    /* acquire: pairs with cas64_seq in take. */
    uint64_t seen =
        pawl_load64_acquire(slot_of(o->window, o->position[record]));

    return position_in(seen) == o->position[record] ? taker_in(seen)
                                                    : o->taker[record];
}

bool pawl_window_condemn(struct pawl_window *w, uint32_t record)
{
    /* seq_cst: pairs with or_seq in end_task: W4. */
    return (pawl_or_seq(&pawl_window_record(w, record)->said, PAWL_SAID_LATE) &
            PAWL_SAID_ENDED) == 0;
}

void pawl_window_call(struct pawl_window *w, uint32_t n)
{
    uint32_t nobody = 0;
    uint64_t seen;

    /* seq_cst: pairs with the token's store in give_up_token; B at the top. */
    if (n == 0 || (n == 1 && pawl_load_seq(&w->searching) != 0))
        return;
    if (!pawl_eventcount_is_heeded(&w->offers, &seen))
        return;
    /* seq_cst: as above.  Who has the token already, or takes it now, looks. */
    if (!pawl_cas_seq_always(&w->searching, &nobody, COMING) && n == 1)
        return;
    pawl_eventcount_wake(&w->offers, seen, n);
}

int pawl_window_next_finished(struct pawl_window *w, uint32_t worker,
                              uint32_t *seen)
{
    struct pawl_window_worker *me = pawl_window_worker(w, worker);

    /* seq_cst: pairs with store_seq in finish; D at the top. */
    if (pawl_load_seq(&me->finished) == *seen)
        return -1;
    return me->line[(*seen)++ % w->records];
}

void pawl_window_bury(struct pawl_window *w, uint32_t worker)
{
    uint32_t token = worker + 1;
    uint32_t coming = COMING;

    /* seq_cst: pairs with load_seq in call.  All look for themselves now. */
    pawl_cas_seq_always(&w->searching, &token, 0);
    pawl_cas_seq_always(&w->searching, &coming, 0); /* seq_cst: as above */
    pawl_eventcount_notify_all(&w->offers);
}

void pawl_window_call_all(struct pawl_window *w)
{
    /* seq_cst: pairs with load_seq in call.  Who has it does not need it. */
    pawl_store_seq(&w->searching, 0);
    pawl_eventcount_notify_all(&w->offers);
}

void pawl_window_end(struct pawl_window *w)
{
    pawl_store_seq(&w->ended, 1); /* seq_cst: pairs with load_seq in has_ended,
                                     before the look at the event count */
    pawl_eventcount_notify_all(&w->offers);
}

/* -- A worker -------------------------------------------------------------------- */

int pawl_window_take(struct pawl_window *w, uint32_t worker)
{
    uint64_t seen;

    while (first_offer(w, &seen)) {
        uint32_t p = position_in(seen);

        /* seq_cst: pairs with offer, and with the next offer in this slot. */
        if (pawl_cas64_seq_always(slot_of(w, p), &seen, seen | (worker + 1))) {
            /* release: pairs with load_acquire in first_offer.  May step back, if
             * the caller was stopped before it: then others pass over what is
             * taken. */
            pawl_store_release(&w->head, p + 1);
            return (int)record_in(seen);
        }
    }
    return -1;
}

/* The token, if nobody has it, or if the caller is the one who was woken. */
static bool take_token(struct pawl_window *w, uint32_t worker)
{
    uint32_t seen = 0;

    /* seq_cst: pairs with call. */
    if (pawl_cas_seq_always(&w->searching, &seen, worker + 1))
        return true;
    /* seq_cst: as above. */
    return seen == COMING &&
           pawl_cas_seq_always(&w->searching, &seen, worker + 1);
}

static void give_up_token(struct pawl_window *w, uint32_t worker)
{
    uint32_t mine = worker + 1;

    /* seq_cst: pairs with load_seq in call; D at the top.  A burial may have
     * taken it by mistake for that of one who was coming: no harm. */
    pawl_cas_seq_always(&w->searching, &mine, 0);
}

static bool has_ended(struct pawl_window *w)
{
    return pawl_load_seq(&w->ended) != 0; /* seq_cst: pairs with store_seq by
                                             the pool, before it notifies */
}

static int search(struct pawl_window *w, uint32_t worker)
{
    struct pawl_spin spin;
    int record = -1;

    if (pawl_spin_begins(&spin, PAWL_SPIN_POOL)) {
        while ((record = pawl_window_take(w, worker)) < 0 && !has_ended(w) &&
               pawl_spin_again(&spin))
            ;
        pawl_spin_ends(&spin, record >= 0);
    }
    return record;
}

int pawl_window_await(struct pawl_window *w, uint32_t worker)
{
    int record = pawl_window_take(w, worker);

    if (record >= 0)
        return record;
    while (record < 0 && !has_ended(w)) {
        uint32_t key;

        if (take_token(w, worker)) {
            record = search(w, worker);
            give_up_token(w, worker);
            if (record >= 0)
                break;
        }
        key = pawl_eventcount_prepare(&w->offers);
        record = pawl_window_take(w, worker);
        if (record >= 0 || has_ended(w))
            pawl_eventcount_cancel(&w->offers, key);
        else
            (void)pawl_eventcount_wait(&w->offers, key);
    }
    /* It slept, or searched while offers woke nobody: others may be needed. */
    if (record >= 0 && pawl_window_has_offers(w))
        pawl_window_call(w, 1);
    return record;
}

bool pawl_window_end_task(struct pawl_window *w, uint32_t record)
{
    /* seq_cst: pairs with or_seq in condemn: W4. */
    return (pawl_or_seq(&pawl_window_record(w, record)->said, PAWL_SAID_ENDED) &
            PAWL_SAID_LATE) == 0;
}

bool pawl_window_must_ring(struct pawl_window *w, uint32_t worker)
{
    struct pawl_window_worker *me = pawl_window_worker(w, worker);
    uint32_t bell = pawl_load_seq(&w->bell); /* seq_cst: B at the top */

    if ((bell & 1) == 0 || me->rung == bell)
        return false;
    me->rung = bell;
    return true;
}

bool pawl_window_finish(struct pawl_window *w, uint32_t worker, uint32_t record)
{
    struct pawl_window_worker *me = pawl_window_worker(w, worker);
    uint32_t n = pawl_load_relaxed(&me->finished); /* relaxed: our own */

    me->line[n % w->records] = (uint16_t)record;
    /* seq_cst: pairs with load_seq in next_finished; A at the top. */
    pawl_store_seq(&me->finished, n + 1);
    return pawl_window_must_ring(w, worker);
}
