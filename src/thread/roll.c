/* SPDX-License-Identifier: MIT
 *
 * roll.c - the executors of roll.h.
 */
#include "thread/roll.h"

#include <pawl/error.h>

#include "base/check.h"
#include "base/compiler.h"
#include "futex/self.h"

void pawl_roll_lock(struct pawl_roll *r)
{
    int err = pawl_mutex_lock(&r->lock);

    PAWL_CHECK(err == 0 || err == -EOWNERDEAD, &r->lock,
               "the list of pools cannot be locked");
    /* In the child of a fork there are none, and the lock may have been held by
     * a thread that is gone. */
    if (pawl_unlikely(r->forks != pawl_fork_count_)) {
        (void)pawl_mutex_consistent(&r->lock);
        r->first = NULL;
        r->forks = pawl_fork_count_;
    }
}

void pawl_roll_unlock(struct pawl_roll *r)
{
    pawl_mutex_unlock(&r->lock);
}

void pawl_roll_add(struct pawl_roll *r, struct pawl_roll_entry *e)
{
    pawl_roll_lock(r);
    e->next = r->first;
    e->link = &r->first;
    if (e->next != NULL)
        e->next->link = &e->next;
    r->first = e;
    pawl_roll_unlock(r);
}

void pawl_roll_remove(struct pawl_roll *r, struct pawl_roll_entry *e)
{
    for (;;) {
        uint32_t key = pawl_eventcount_prepare(&r->left);
        bool is_ending;

        pawl_roll_lock(r);
        is_ending = e->is_ending;
        if (!is_ending) {
            *e->link = e->next;
            if (e->next != NULL)
                e->next->link = e->link;
        }
        pawl_roll_unlock(r);
        if (!is_ending) {
            pawl_eventcount_cancel(&r->left, key);
            return;
        }
        pawl_eventcount_wait(&r->left, key);
    }
}

static struct pawl_roll_entry *next_busy(struct pawl_roll *r)
{
    struct pawl_roll_entry *e;

    pawl_roll_lock(r);
    e = r->first;
    while (e != NULL && !r->is_busy(e))
        e = e->next;
    if (e != NULL)
        e->is_ending = true;
    pawl_roll_unlock(r);
    return e;
}

bool pawl_roll_settle(struct pawl_roll *r, pawl_deadline until)
{
    struct pawl_roll_entry *e;
    bool any = false;
    int err = 0;

    while (err == 0 && (e = next_busy(r)) != NULL) {
        any = true;
        err = r->settle(e, until);
        pawl_roll_lock(r);
        e->is_ending = false;
        pawl_roll_unlock(r);
        pawl_eventcount_notify_all(&r->left);
    }
    return any;
}
