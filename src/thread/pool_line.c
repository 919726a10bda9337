/* SPDX-License-Identifier: MIT
 *
 * pool_line.c - the tasks of a pool that have not begun: see pool_core.h.
 */
#include <pawl/error.h>

#include "base/tsan.h"
#include "thread/future_core.h"
#include "thread/pool_core.h"

/* A worker that has work of its own looks at that of others now and then. */
#define OTHERS_EVERY 64

/* -- Looking ------------------------------------------------------------------- */

/* Whether there is something outside the deques. */
static bool has_shared(const pawl_pool *p)
{
    /* seq_cst: E at the top of pool_core.h, pairs with push and take_shared. */
    return pawl_task_at(pawl_load64_seq(&p->inbox)) != NULL ||
           pawl_load64_seq(&p->first) != 0;
}

bool pawl_line_has_work(const pawl_pool *p)
{
    uint32_t places = pawl_pool_places(p);

    if (has_shared(p))
        return true;
    for (uint32_t i = 0; i < places; i++) {
        struct pawl_worker *w = pawl_worker_at(p, i);

        if (w->deque == NULL)
            continue;
        /* seq_cst: E, pairs with add64_seq in push_own: a push that is counted
         * here is seen in the deque. */
        (void)pawl_load64_seq(&w->pushes);
        if (pawl_wsdeque_size(w->deque) > 0)
            return true;
    }
    return false;
}

bool pawl_line_has_more(const struct pawl_worker *w)
{
    return (w->deque != NULL && pawl_wsdeque_size(w->deque) > 0) ||
           has_shared(w->pool);
}

/* -- The token -------------------------------------------------------------------- */

static bool take_token(pawl_pool *p, uint64_t but_if)
{
    uint64_t seen = pawl_load64_relaxed(&p->inbox); /* relaxed: a hint */

    while ((seen & but_if) == 0)
        /* seq_cst: pairs with push. */
        if (pawl_cas64_seq(&p->inbox, &seen, seen | PAWL_POOL_SEARCHING))
            return true;
    return false;
}

bool pawl_line_take_token(pawl_pool *p)
{
    return take_token(p, PAWL_POOL_SEARCHING);
}

bool pawl_line_take_token_if_open(pawl_pool *p)
{
    return take_token(p, PAWL_POOL_SEARCHING | PAWL_POOL_CLOSED);
}

bool pawl_line_take_token_if_empty(pawl_pool *p)
{
    return take_token(p, ~(PAWL_POOL_CLOSED | PAWL_POOL_BROKEN));
}

void pawl_line_drop_token(pawl_pool *p)
{
    pawl_add64_seq(&p->inbox, 0 - PAWL_POOL_SEARCHING); /* seq_cst: pairs: D */
}

/* -- In ------------------------------------------------------------------------------ */

uint64_t pawl_line_push(pawl_pool *p, pawl_task *newest, pawl_task *oldest,
                        uint64_t flags)
{
    uint64_t seen = pawl_load64_relaxed(&p->inbox); /* relaxed: a hint */
    uint64_t as;

    do {
        if (newest != NULL && (seen & PAWL_POOL_CLOSED) != 0)
            return seen;
        as = seen | flags;
        if (newest != NULL) {
            oldest->next_ = pawl_task_at(seen);
            as = (uintptr_t)newest | (as & PAWL_POOL_FLAGS);
        }
        /* seq_cst: A and B; release: pairs with the CAS in empty_inbox. */
    } while (!pawl_cas64_seq(&p->inbox, &seen, as));
    return seen;
}

bool pawl_line_push_own(struct pawl_worker *w, pawl_task *t)
{
    if (w->deque == NULL || pawl_wsdeque_push(w->deque, (uintptr_t)t) != 0)
        return false;
    pawl_add64_seq(&w->pushes, 1); /* seq_cst: A, pairs with has_work: E */
    return true;
}

/* -- Out ------------------------------------------------------------------------------ */

static pawl_task *first_of(const pawl_pool *p)
{
    /* relaxed: under the gate. */
    return pawl_task_at(pawl_load64_relaxed(&p->first));
}

/* Under the gate: take all out of the inbox, and give the token of `w` up in the
 * same step.  Returns them oldest first; `last` is the newest. */
static pawl_task *empty_inbox(pawl_pool *p, struct pawl_worker *w)
{
    uint64_t token = w != NULL && w->searches ? PAWL_POOL_SEARCHING : 0;
    uint64_t seen = pawl_load64_relaxed(&p->inbox); /* relaxed: a hint */
    pawl_task *first = NULL;

    do {
        if (pawl_task_at(seen) == NULL)
            return NULL;
        /* seq_cst: D; acquire: pairs with push. */
    } while (
        !pawl_cas64_seq(&p->inbox, &seen, (seen & PAWL_POOL_FLAGS) & ~token));
    if (token != 0) {
        w->searches = false;
        w->has_searched = true;
    }
    p->last = pawl_task_at(seen);
    for (pawl_task *t = p->last; t != NULL;) {
        pawl_task *older = t->next_;

        t->next_ = first;
        first = t;
        t = older;
    }
    return first;
}

static pawl_task *take_shared(struct pawl_worker *w)
{
    pawl_pool *p = w->pool;
    pawl_task *t;

    if (!has_shared(p))
        return NULL;
    pawl_pool_lock(&p->gate);
    t = first_of(p);
    if (t != NULL) {
        /* relaxed: that there was more is known already. */
        pawl_store64_relaxed(&p->first, (uintptr_t)t->next_);
    } else {
        t = empty_inbox(p, w);
        if (t != NULL && t->next_ != NULL)
            /* seq_cst: pairs with has_shared, for who has missed the inbox. */
            pawl_store64_seq(&p->first, (uintptr_t)t->next_);
    }
    pawl_mutex_unlock(&p->gate);
    return t;
}

/* Of anybody's deque but the thief's. */
static pawl_task *steal(pawl_pool *p, const struct pawl_worker *thief)
{
    uint32_t places = pawl_pool_places(p);
    uint32_t from = thief != NULL ? thief->turns : 0;
    uint64_t word;

    for (uint32_t i = 0; i < places; i++) {
        struct pawl_worker *w = pawl_worker_at(p, (from + i) % places);

        if (w != thief && w->deque != NULL &&
            pawl_wsdeque_steal(w->deque, &word) == 0)
            return pawl_task_at(word);
    }
    return NULL;
}

pawl_task *pawl_line_take(struct pawl_worker *w)
{
    pawl_task *t = NULL;
    uint64_t word;

    if (++w->turns % OTHERS_EVERY == 0)
        t = take_shared(w);
    if (t == NULL && w->deque != NULL && pawl_wsdeque_pop(w->deque, &word) == 0)
        t = pawl_task_at(word);
    if (t == NULL)
        t = take_shared(w);
    return t != NULL ? t : steal(w->pool, w);
}

/* -- All at once -------------------------------------------------------------------------- */

/* Under the gate: all that stands in line, into the list. */
static void gather(pawl_pool *p)
{
    pawl_task *last = p->last;
    pawl_task *t = empty_inbox(p, NULL);

    if (t != NULL && first_of(p) != NULL)
        last->next_ = t;
    else if (t != NULL)
        /* relaxed: purge stores it again; clear leaves nothing there. */
        pawl_store64_relaxed(&p->first, (uintptr_t)t);
    while ((t = steal(p, NULL)) != NULL) {
        t->next_ = NULL;
        if (first_of(p) != NULL)
            p->last->next_ = t;
        else
            pawl_store64_relaxed(&p->first, (uintptr_t)t); /* relaxed: same */
        p->last = t;
    }
}

/* It will not be run. */
static void reject(pawl_task *t, int status)
{
    bool on_heap =
        pawl_load_relaxed(&t->refs_) != 0; /* relaxed: ours keeps it */

    pawl_tsan_acquire(t);
    if (status == 0)
        (void)pawl_future_cancel(&t->future);
    if (pawl_future_begin(&t->future) != 0) {
        pawl_task_let_go(t);
        return;
    }
    /* release: who settles it then sees that it runs. */
    pawl_store_release(&t->held_, 0);
    pawl_future_call(&t->future,
                     pawl_future_set_task(&t->future, status, NULL));
    if (on_heap)
        pawl_task_release(t);
}

void pawl_line_clear(pawl_pool *p, int status)
{
    pawl_task *t;
    pawl_task *next;

    pawl_pool_lock(&p->gate);
    gather(p);
    t = first_of(p);
    pawl_store64_relaxed(&p->first, 0); /* relaxed: nothing is put in line */
    pawl_mutex_unlock(&p->gate);
    for (; t != NULL; t = next) {
        next = t->next_;
        pawl_line_left(p);
        reject(t, status);
    }
}

bool pawl_line_purge(pawl_pool *p)
{
    pawl_task *cancelled = NULL;
    pawl_task *kept = NULL;
    pawl_task **end = &kept;
    pawl_task *t;
    pawl_task *next;

    pawl_pool_lock(&p->gate);
    gather(p);
    t = first_of(p);
    for (; t != NULL; t = next) {
        next = t->next_;
        if (pawl_future_is_cancelled(&t->future)) {
            t->next_ = cancelled;
            cancelled = t;
        } else {
            *end = t;
            end = &t->next_;
            p->last = t;
        }
    }
    *end = NULL;
    /* seq_cst: as in take_shared, for who has missed inbox or deque as well. */
    pawl_store64_seq(&p->first, (uintptr_t)kept);
    pawl_mutex_unlock(&p->gate);
    for (; cancelled != NULL; cancelled = next) {
        next = cancelled->next_;
        pawl_line_left(p);
        pawl_task_let_go(cancelled);
    }
    return kept != NULL;
}
