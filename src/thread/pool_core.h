/* SPDX-License-Identifier: MIT
 *
 * pool_core.h - a thread pool from the inside.
 *
 *   pool.c         makes, drains and ends it
 *   pool_submit.c  puts tasks in line
 *   pool_line.c    is the line: what has been submitted and not begun
 *   pool_work.c    has workers, who take tasks from the line and run them
 *
 * A task stands in line in one of three places: the inbox, to which everybody
 * pushes; the list behind the gate, to which the inbox is moved, turned round,
 * when the list is empty; and the deque of the worker that has submitted it.
 *
 *    63                                          3        2        1        0
 *   +---------------------------------------------+-----------+--------+--------+
 *   | inbox: the newest task, or 0                | SEARCHING | BROKEN | CLOSED |
 *   +---------------------------------------------+-----------+--------+--------+
 *    31            26 25                13 12                                  0
 *   +----------------+--------------------+-------------------------------------+
 *   | state          | workers            | of these, asleep                    |
 *   +----------------+--------------------+-------------------------------------+
 *
 * SEARCHING is a token: one worker at a time, awake and without a task, has it
 * and looks for one, or has just been woken or started to do so.  While somebody
 * has it a submit wakes nobody.
 *
 *   submit                               worker
 *   puts a task in line      (A)         is counted as asleep       (C)
 *   is somebody searching,               gives up the token, if it
 *     does anybody sleep?    (B)           has it                   (D)
 *                                        is there a task?           (E)
 *
 * All of these are seq_cst.  If B finds somebody searching, that is before D, so
 * E finds the task; if B finds neither him nor a sleeper, it is before C, and so
 * is A: E finds the task.
 *
 * I1  Something stands in line  =>  somebody is searching; or somebody who has
 *     just put it there, or taken something from before it, is about to look
 *     whether to wake somebody; or all workers that there may be are awake, and
 *     each looks before it sleeps.
 *
 * Before a worker gives a result away it takes the token, if nothing stands in
 * line: who gets the result and submits the next task finds it, and wakes nobody.
 */
#ifndef PAWL_THREAD_POOL_CORE_H
#define PAWL_THREAD_POOL_CORE_H

#include <pawl/eventcount.h>
#include <pawl/mutex.h>
#include <pawl/pool.h>
#include <pawl/sem.h>
#include <pawl/thread.h>
#include <pawl/wsdeque.h>

#include "atomic/ops.h"
#include "base/check.h"
#include "base/compiler.h"
#include "futex/self.h"
#include "thread/roll.h"

/* Of pawl_pool.inbox. */
#define PAWL_POOL_CLOSED UINT64_C(1)
#define PAWL_POOL_BROKEN UINT64_C(2)
#define PAWL_POOL_SEARCHING UINT64_C(4)
#define PAWL_POOL_FLAGS UINT64_C(7)

/* Of pawl_pool.state. */
#define PAWL_POOL_SLEEPER UINT32_C(1)
#define PAWL_POOL_SLEEPERS (PAWL_POOL_SLEEPER * ((1 << 13) - 1))
#define PAWL_POOL_WORKER (UINT32_C(1) << 13)
#define PAWL_POOL_WORKERS (PAWL_POOL_WORKER * ((1 << 13) - 1))

/* pawl_task.held_ */
enum {
    PAWL_TASK_HELD = 1,    /* a pool refers to it */
    PAWL_TASK_AWAITED = 2, /* and somebody sleeps until it does not */
};

/* A task that a thread runs, and below it those that wait for it. */
struct pawl_task_frame {
    pawl_task *task;
    struct pawl_task_frame *below;
};

struct pawl_worker {
    pawl_pool *pool;          /* constant */
    pawl_wsdeque *deque;      /* of tasks that it has submitted; NULL: none */
    pawl_u64 pushes;          /* into the deque: see pawl_line_has_work */
    pawl_u32 word;            /* of its sleep: see pool_work.c */
    struct pawl_worker *next; /* in the list of sleepers, or of those that have
                                 lost their place; under `beds` */
    struct pawl_worker **link;
    bool is_asleep; /* in that list */
    bool is_there;  /* under `beds`: counted as a worker */
    bool searches;  /* its own, as is what follows: it has the token */
    bool has_searched; /* had it, when it took the task that it begins */
    uint32_t turns;
    pawl_thread thread;
} __attribute__((aligned(2 * PAWL_CACHE_LINE)));

struct pawl_pool {
    pawl_pool_options options; /* constant, as are the next two */
    uint32_t forks;
    char name[PAWL_THREAD_NAME_SIZE];
    pawl_u32 has_worker;     /* there is one, as long as it is open */
    int broken_status;       /* under `gate` */
    pawl_sem room;           /* if the line has a capacity */
    pawl_eventcount changes; /* for those who drain and join */
    struct pawl_roll_entry on_roll; /* of all pools */

    pawl_u64 inbox __attribute__((aligned(2 * PAWL_CACHE_LINE)));

    /* What was taken from there, oldest first: written under `gate`. */
    pawl_mutex gate __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    pawl_u64 first;
    pawl_task *last;

    pawl_u32 state __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    pawl_mutex beds;              /* for what follows */
    struct pawl_worker *sleepers; /* who fell asleep last comes first */
    struct pawl_worker *placeless; /* retired, and another has their place */
    pawl_u32 places;               /* of worker[] that have ever been used */
    pawl_u64 worker[]; /* struct pawl_worker *, or 0; freed with the pool */
} __attribute__((aligned(2 * PAWL_CACHE_LINE)));

static inline bool pawl_pool_is_of_this_process(const pawl_pool *p)
{
    return p->forks == pawl_fork_count_;
}

static inline void pawl_pool_lock(pawl_mutex *m)
{
    PAWL_CHECK(pawl_mutex_lock(m) == 0, m, "a pool's own lock cannot be had");
}

static inline pawl_task *pawl_task_at(uint64_t word)
{
    return (pawl_task *)(uintptr_t)(word & ~PAWL_POOL_FLAGS);
}

static inline struct pawl_worker *pawl_worker_at(const pawl_pool *p, uint32_t i)
{
    /* acquire: pairs with the release in give_place. */
    return (struct pawl_worker *)(uintptr_t)pawl_load64_acquire(&p->worker[i]);
}

static inline uint32_t pawl_pool_places(const pawl_pool *p)
{
    /* acquire: pairs with the release in give_place, pool_work.c. */
    return pawl_load_acquire(&p->places);
}

/* -- The line (pool_line.c) --------------------------------------------------- */

/* Add a chain, of which `oldest` is the end, and set `flags` (CLOSED, BROKEN):
 * newest may be NULL then.  Fails if it is closed, unless it adds nothing.
 *
 * Returns    the inbox before. */
uint64_t pawl_line_push(pawl_pool *p, pawl_task *newest, pawl_task *oldest,
                        uint64_t flags);
/* To the worker's own deque; false: it is full. */
bool pawl_line_push_own(struct pawl_worker *w, pawl_task *t);

/* The next one for this worker; NULL: none.  The token may be given up. */
pawl_task *pawl_line_take(struct pawl_worker *w);

/* Whether something stands in line: anywhere, or where a worker takes it from
 * first, its own deque included. */
bool pawl_line_has_work(const pawl_pool *p);
bool pawl_line_has_more(const struct pawl_worker *w);

/* Cancel all, or, if status is not 0, give it that. */
void pawl_line_clear(pawl_pool *p, int status);
/* Take out what was cancelled.  Returns whether something is left. */
bool pawl_line_purge(pawl_pool *p);

/* One has left the line: there is room. */
static inline void pawl_line_left(pawl_pool *p)
{
    if (p->options.capacity > 0)
        pawl_sem_release_n(&p->room, 1);
}

/* The token: take it; if tasks are accepted; if the inbox is empty; give it up. */
bool pawl_line_take_token(pawl_pool *p);
bool pawl_line_take_token_if_open(pawl_pool *p);
bool pawl_line_take_token_if_empty(pawl_pool *p);
void pawl_line_drop_token(pawl_pool *p);

/* -- Submitting (pool_submit.c) -------------------------------------------------- */

/* 0, or the reason why nothing can be submitted; starts the first worker. */
int pawl_pool_may_submit(pawl_pool *p);
/* A fresh task, if the line has room, never to be run by the caller; else
 * -EAGAIN. */
int pawl_pool_submit_quietly(pawl_pool *p, pawl_task *t);

/* -- Workers (pool_work.c) ------------------------------------------------------ */

/* The worker of this pool that the calling thread is, or NULL. */
struct pawl_worker *pawl_worker_here(const pawl_pool *p);

/* Start one more, whatever there is to do, which has the token or not.  Returns as
 * pawl_thread_start; -ENOMEM. */
int pawl_pool_start_worker(pawl_pool *p, bool searches);

/* Something was put in line while the inbox was so: see that somebody comes. */
void pawl_pool_look_after(pawl_pool *p, uint64_t inbox);

/* Nobody has been woken or started: give the token up.  Those who drain and join
 * may have seen it, and are told; and who has submitted something meanwhile has
 * woken nobody because of it, which is made up for. */
void pawl_pool_call_off(pawl_pool *p);

/* Have all sleepers look around. */
void pawl_pool_call_all(pawl_pool *p);

/* Call the task's function and give the outcome away.  w: the worker, or NULL;
 * is_free: it will look for another one then, as it is within no task. */
void pawl_pool_run(struct pawl_worker *w, pawl_task *t, bool is_free);
/* The same within a call, which perhaps a stop ends: not so the task's. */
void pawl_pool_run_within(struct pawl_worker *w, pawl_task *t);

/* A task that was cancelled: nobody of the pool touches it after this. */
void pawl_task_let_go(pawl_task *t);

/* Whether it accepts nothing more; whether no worker is left; whether nothing runs
 * and nothing stands in line. */
bool pawl_pool_is_closed(const pawl_pool *p);
bool pawl_pool_is_deserted(const pawl_pool *p);
bool pawl_pool_is_quiet(pawl_pool *p);

/* Accept nothing more, for this reason. */
void pawl_pool_close(pawl_pool *p, uint64_t flags);

#endif /* PAWL_THREAD_POOL_CORE_H */
