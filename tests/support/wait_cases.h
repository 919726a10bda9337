/* SPDX-License-Identifier: MIT
 *
 * tests/support/wait_cases.h - one object of each kind that can be waited for,
 * none of them ready, and what makes each of them so.
 *
 *     struct world *w = world_make(PAWL_LOCAL);
 *     pawl_wait_item items[KINDS];
 *
 *     world_items(w, items);
 *     make_ready(w, A_SEM);
 *     CHECK_OK(pawl_wait_any(items, KINDS, &which));
 *     CHECK_EQ(which, A_SEM);
 *     make_unready(w, A_SEM);
 *     world_end(w);
 */
#ifndef PAWL_TEST_WAIT_CASES_H
#define PAWL_TEST_WAIT_CASES_H

#include <pawl/error.h>
#include <pawl/wait.h>

#include "puppet.h"
#include "test.h"

enum kind { AN_EVENT, A_LATCH, A_SEM, A_MUTEX, READABLE, WRITABLE, KINDS };

struct world {
    pawl_event event;
    pawl_latch latch;
    pawl_sem sem;
    pawl_mutex mutex;
    pawl_queue *empty;
    pawl_queue *full;
    struct puppet holder; /* of the mutex */
    unsigned flags;
};

PUPPET_INLINE pawl_queue *queue_make_(unsigned flags)
{
    pawl_queue_options o = {
        .capacity = 2, .element_size = sizeof(int), .flags = flags};
    size_t bytes = ((size_t)pawl_queue_bytes(&o) + PAWL_QUEUE_ALIGN - 1) /
                   PAWL_QUEUE_ALIGN * PAWL_QUEUE_ALIGN;
    pawl_queue *q = NULL;

    /* Mapped memory is aligned to pages. */
    CHECK_OK(pawl_queue_init(&q, test_shared_alloc(bytes), bytes, &o));
    return q;
}

PUPPET_INLINE int lock_(void *m, pawl_deadline until)
{
    return pawl_mutex_lock_until(m, until);
}

PUPPET_INLINE int unlock_(void *m, pawl_deadline until)
{
    (void)until;
    return pawl_mutex_unlock(m);
}

PUPPET_INLINE struct world *world_make(unsigned flags)
{
    struct world *w = test_shared_alloc(sizeof *w);
    int v = 1;

    w->flags = flags;
    CHECK_OK(pawl_event_init(&w->event, flags));
    CHECK_OK(pawl_latch_init(&w->latch, 1, flags));
    CHECK_OK(pawl_sem_init(&w->sem, 0, flags));
    CHECK_OK(pawl_mutex_init(&w->mutex, flags));
    w->empty = queue_make_(flags);
    w->full = queue_make_(flags);
    CHECK_OK(pawl_queue_put(w->full, &v));
    CHECK_OK(pawl_queue_put(w->full, &v));
    puppet_begin(&w->holder);
    CHECK_OK(puppet_call(&w->holder, lock_, &w->mutex));
    return w;
}

PUPPET_INLINE pawl_wait_item world_item(struct world *w, enum kind kind)
{
    switch (kind) {
    case AN_EVENT:
        return PAWL_WAIT_EVENT(&w->event);
    case A_LATCH:
        return PAWL_WAIT_LATCH(&w->latch);
    case A_SEM:
        return PAWL_WAIT_SEM(&w->sem);
    case A_MUTEX:
        return PAWL_WAIT_MUTEX(&w->mutex);
    case READABLE:
        return PAWL_WAIT_READABLE(w->empty);
    default:
        return PAWL_WAIT_WRITABLE(w->full);
    }
}

PUPPET_INLINE void world_items(struct world *w, pawl_wait_item items[KINDS])
{
    for (int k = 0; k < KINDS; k++)
        items[k] = world_item(w, (enum kind)k);
}

PUPPET_INLINE void make_ready(struct world *w, int kind)
{
    int v = 7;

    switch (kind) {
    case AN_EVENT:
        pawl_event_set(&w->event);
        break;
    case A_LATCH:
        CHECK_OK(pawl_latch_count_down(&w->latch, 1));
        break;
    case A_SEM:
        CHECK_OK(pawl_sem_release(&w->sem));
        break;
    case A_MUTEX:
        CHECK_OK(puppet_call(&w->holder, unlock_, &w->mutex));
        break;
    case READABLE:
        CHECK_OK(pawl_queue_try_put(w->empty, &v));
        break;
    default:
        CHECK_OK(pawl_queue_try_get(w->full, &v));
        break;
    }
}

/* Whether success takes something. */
PUPPET_INLINE bool is_taken(int kind)
{
    return kind == A_SEM || kind == A_MUTEX;
}

/* Whether nobody has taken what make_ready offered, nor did it go away. */
PUPPET_INLINE bool is_there(struct world *w, int kind)
{
    switch (kind) {
    case AN_EVENT:
        return pawl_event_is_set(&w->event);
    case A_LATCH:
        return pawl_latch_count(&w->latch) == 0;
    case A_SEM:
        return pawl_sem_value(&w->sem) == 1;
    case A_MUTEX:
        return !pawl_mutex_is_locked(&w->mutex);
    case READABLE:
        return pawl_queue_size(w->empty) == 1;
    default:
        return pawl_queue_size(w->full) == 1;
    }
}

PUPPET_INLINE void world_end(struct world *w)
{
    puppet_end(&w->holder);
}

#endif /* PAWL_TEST_WAIT_CASES_H */
