/* SPDX-License-Identifier: MIT
 *
 * pool_due.c - the tasks of a process pool that have a deadline, the first one at
 * hand: a pairing heap (Fredman, Sedgewick, Sleator and Tarjan 1986) through the
 * tasks.
 *
 * due_child_ is the first of those below, which due_next_ joins; due_prev_ leads
 * back, of the first to the one above.  No deadline is before that of the one above.
 */
#include "process/pool_core.h"

/* Of two heaps one; either may be NULL. */
static pawl_proctask *meld(pawl_proctask *a, pawl_proctask *b)
{
    pawl_proctask *below;

    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    below = a->until <= b->until ? b : a;
    a = below == b ? a : b;
    below->due_prev_ = a;
    below->due_next_ = a->due_child_;
    if (a->due_child_ != NULL)
        a->due_child_->due_prev_ = below;
    a->due_child_ = below;
    return a;
}

/* Take the first off a list of heaps; NULL: there is none. */
static pawl_proctask *take(pawl_proctask **list)
{
    pawl_proctask *t = *list;

    if (t != NULL) {
        *list = t->due_next_;
        t->due_next_ = NULL;
        t->due_prev_ = NULL;
    }
    return t;
}

/* Of all heaps in a list one: of each two, and then of these, from the last on. */
static pawl_proctask *meld_all(pawl_proctask *list)
{
    pawl_proctask *pairs = NULL;
    pawl_proctask *heap = NULL;

    while (list != NULL) {
        pawl_proctask *a = take(&list);

        a = meld(a, take(&list));
        a->due_next_ = pairs;
        pairs = a;
    }
    while (pairs != NULL)
        heap = meld(heap, take(&pairs));
    return heap;
}

void pawl_procpool_expect(pawl_procpool *p, pawl_proctask *t)
{
    if (t->until != PAWL_FOREVER)
        p->due = meld(p->due, t);
}

void pawl_procpool_forget(pawl_procpool *p, pawl_proctask *t)
{
    pawl_proctask *below = t->due_child_;

    if (t == p->due) {
        p->due = NULL;
    } else if (t->due_prev_ == NULL) {
        return; /* it is not in */
    } else {
        *(t->due_prev_->due_child_ == t ? &t->due_prev_->due_child_
                                        : &t->due_prev_->due_next_) =
            t->due_next_;
        if (t->due_next_ != NULL)
            t->due_next_->due_prev_ = t->due_prev_;
    }
    t->due_child_ = t->due_next_ = t->due_prev_ = NULL;
    p->due = meld(p->due, meld_all(below));
}
