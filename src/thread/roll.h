/* SPDX-License-Identifier: MIT
 *
 * roll.h - the executors of one kind, for the end of the program: all pools of
 * threads, all pools of processes.
 *
 * What is on a roll stays where it is while the end of the program looks at it:
 * pawl_roll_remove waits for that.
 */
#ifndef PAWL_THREAD_ROLL_H
#define PAWL_THREAD_ROLL_H

#include <stdbool.h>

#include <pawl/eventcount.h>
#include <pawl/mutex.h>
#include <pawl/time.h>

/* In each executor. */
struct pawl_roll_entry {
    struct pawl_roll_entry *next;
    struct pawl_roll_entry **link; /* what leads here */
    bool is_ending;                /* the end of the program looks at it */
};

/* Static; all zero bytes but for the functions. */
struct pawl_roll {
    /* Whether it has something to do, which the program waits for; under the lock
     * of the roll. */
    bool (*is_busy)(struct pawl_roll_entry *e);
    /* Wait until it has not: 0, or why not. */
    int (*settle)(struct pawl_roll_entry *e, pawl_deadline until);

    pawl_mutex lock;
    struct pawl_roll_entry *first; /* under the lock; none in the child of a fork */
    uint32_t forks;
    pawl_eventcount left; /* one is not ending any more */
};

void pawl_roll_lock(struct pawl_roll *r);
void pawl_roll_unlock(struct pawl_roll *r);

void pawl_roll_add(struct pawl_roll *r, struct pawl_roll_entry *e);
/* Returns when the end of the program does not look at it any more. */
void pawl_roll_remove(struct pawl_roll *r, struct pawl_roll_entry *e);

/* For a pawl_exit_hook: settle one after the other.  Whether there was any. */
bool pawl_roll_settle(struct pawl_roll *r, pawl_deadline until);

#endif /* PAWL_THREAD_ROLL_H */
