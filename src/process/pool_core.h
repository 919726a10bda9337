/* SPDX-License-Identifier: MIT
 *
 * pool_core.h - a process pool from the inside.
 *
 *   pool.c         makes, closes, joins and frees it
 *   pool_task.c    tasks: from submit to cancel
 *   pool_serve.c   the thread that gives outcomes away and looks after the workers
 *   pool_due.c     which of the tasks has the next deadline
 *   pool_map.c     maps, made of tasks
 *   pool_worker.c  what a worker process does
 *   pool_window.c  what the processes share
 *
 *   a task is    leaves it by
 *   NEW          submit -> LINE or WINDOW
 *   LINE         room in the window -> WINDOW;  cancel -> OFF;  terminate, its
 *                deadline -> OVER
 *   WINDOW       its worker has finished -> OVER, or has died -> OVER, LINE;
 *                cancel, terminate, its deadline, if nobody has taken it -> OFF,
 *                OVER.  If somebody has, its deadline is the end of the worker: W4
 *   OVER         the thread gives the outcome away
 *   OFF          by who cancels it: its pool does not know it any more
 *
 * The window has few records, the line, a list through the tasks, any number of
 * tasks.  Arguments and results of a task in line are nowhere but in the caller's
 * memory.
 *
 * All of this lies in the memory of one process.  What its workers can reach, and
 * leave behind when they die, is the window and the blocks of its records.
 */
#ifndef PAWL_PROCESS_POOL_CORE_H
#define PAWL_PROCESS_POOL_CORE_H

#include <pawl/error.h>
#include <pawl/eventcount.h>
#include <pawl/memory.h>
#include <pawl/mutex.h>
#include <pawl/procpool.h>
#include <pawl/region.h>
#include <pawl/sem.h>

#include "atomic/ops.h"
#include "base/check.h"
#include "futex/self.h"
#include "process/pool_window.h"
#include "process/region.h"
#include "thread/future_core.h"
#include "thread/lock.h"
#include "thread/roll.h"

enum pawl_proctask_state {
    PAWL_PROCTASK_NEW,
    PAWL_PROCTASK_LINE,
    PAWL_PROCTASK_WINDOW,
    PAWL_PROCTASK_OVER,
    PAWL_PROCTASK_OFF,
};

/* What epoll tells of, beside the places of workers. */
#define PAWL_WATCH_BELL (UINT32_MAX - 1)
#define PAWL_WATCH_TIMER UINT32_MAX

enum pawl_procpool_state {
    PAWL_PROCPOOL_OPEN,
    PAWL_PROCPOOL_CLOSED,
    PAWL_PROCPOOL_BROKEN,
    PAWL_PROCPOOL_TERMINATED,
};

/* A worker, as its pool sees it. */
typedef struct pawl_procworker {
    pawl_process *process; /* NULL: there is none */
    int64_t pid;
    uint32_t seen; /* finished tasks */
    bool
        is_dead; /* known to be; of the thread of the pool alone, as is this: */
    int code;    /* as by pawl_process_join */
} pawl_procworker;

/* A record of the window, as its pool sees it. */
struct pawl_procplace {
    pawl_proctask *task; /* NULL: free */
    pawl_offset block;   /* 0: none */
};

struct pawl_procline {
    pawl_proctask *first;
    pawl_proctask *last;
};

struct pawl_procpool {
    pawl_procpool_options options; /* constant, as what follows up to `lock` */
    char name[PAWL_PROCESS_NAME_SIZE];
    uint32_t forks;
    pawl_region *region;
    uint64_t memory; /* of the region's heap */
    struct pawl_window *window;
    int bell;  /* eventfd, that wakes the thread */
    int timer; /* timerfd, armed by offers */
    int watch; /* epoll, of these and of the workers by their place */
    pawl_sem room;

    pawl_mutex lock;
    /* What follows, under the lock. */
    enum pawl_procpool_state state;
    int broken_status;
    bool has_ended;
    uint32_t refs;        /* its owner, its thread */
    uint64_t outstanding; /* tasks: LINE, WINDOW, OVER */
    struct pawl_procline line;
    pawl_proctask *due; /* the first of those with a deadline, or NULL */
    struct pawl_window_owner offers;
    struct pawl_procplace *place; /* of each record */
    uint16_t *free; /* records, and from its end those that are stuck */
    uint32_t free_records;
    uint32_t
        stuck_records; /* a thread without a slot could not free the block */
    pawl_proc_fn
        known[PAWL_WINDOW_FUNCTIONS]; /* by their number in the window */
    uint32_t functions;
    pawl_procworker *worker;
    uint64_t started; /* workers, ever */
    bool sleeps;      /* the thread of the pool, or it is about to */
    pawl_deadline sleeps_until;
    bool helped;   /* one who waits looks in its place */
    bool is_armed; /* the timer */
    pawl_u32
        gathered; /* finished tasks that were seen, ever; read by helpers */
    pawl_proctask *handed; /* by helpers, to the thread: those with callbacks */
    pawl_deadline kill_at; /* SIGKILL to all; PAWL_FOREVER: not */
    pawl_eventcount changes; /* for those who drain and join */

    struct pawl_roll_entry on_roll; /* of all pools */
};

static inline bool pawl_procpool_is_here(const pawl_procpool *p)
{
    return p->forks == pawl_fork_count_;
}

/* ---- pool.c ---- */

/* The pool of a task, locked; NULL: it has none any more, or not yet, or another
 * process has. */
pawl_procpool *pawl_procpool_hold(const pawl_proctask *t);
/* One who needed it does not any more; the last frees it.  Under the lock, which is
 * released. */
void pawl_procpool_drop(pawl_procpool *p);
/* Of a worker, at its place, whose state is STARTING then.  The errors of
 * pawl_process_start. */
int pawl_procpool_start_worker(pawl_procpool *p, uint32_t place);

/* ---- pool_task.c, under the lock ---- */

/* Bring tasks from the line into the window, as many as fit: how many. */
uint32_t pawl_procpool_refill(pawl_procpool *p);
pawl_proctask *pawl_procline_pop(struct pawl_procline *line);
void pawl_procline_push_first(struct pawl_procline *line, pawl_proctask *t);
void pawl_procline_remove(struct pawl_procline *line, pawl_proctask *t);
void pawl_procpool_free_record(pawl_procpool *p, uint32_t record);
/* 0, -ESHUTDOWN or -ENOTRECOVERABLE. */
int pawl_procpool_accepts(const pawl_procpool *p);
/* What the window calls a function: 0;  -ENOENT it has no name;  -ENOSPC. */
int pawl_procpool_function(pawl_procpool *p, pawl_proc_fn fn, uint64_t *as);
/* The place of the worker that runs it + 1, or 0. */
uint32_t pawl_procpool_runner(const pawl_procpool *p, const pawl_proctask *t);

/* ---- pool_due.c, under the lock ---- */

/* A task that is outstanding now has its deadline, if it has one. */
void pawl_procpool_expect(pawl_procpool *p, pawl_proctask *t);
/* It has none any more. */
void pawl_procpool_forget(pawl_procpool *p, pawl_proctask *t);

static inline pawl_deadline pawl_procpool_next_due(const pawl_procpool *p)
{
    return p->due != NULL ? p->due->until : PAWL_FOREVER;
}

/* ---- pool_task.c ---- */

/* Submit without waiting for room: all n of them, or none. */
int pawl_procpool_submit_now(pawl_procpool *p, pawl_proctask *tasks, size_t n,
                             bool counted);
/* Copy what was computed of a task in the window, up to element `end`, to where it
 * belongs. */
void pawl_proctask_copy(pawl_procpool *p, pawl_proctask *t, uint32_t record,
                        uint32_t end);
/* Give the outcome of a task that is OVER away: nobody of the pool touches it after
 * this. */
void pawl_proctask_deliver(pawl_proctask *t, int status, bool called_off);
/* Bytes that it needs outside its record. */
uint64_t pawl_proctask_block_bytes(const pawl_proctask *t);

/* ---- pool_serve.c ---- */

/* The pool whose callbacks the calling thread runs, or NULL. */
extern _Thread_local const pawl_procpool *pawl_procpool_served_;

static inline bool pawl_procpool_is_mine(const pawl_procpool *p)
{
    return p == pawl_procpool_served_ && pawl_procpool_is_here(p);
}

/* A service: see thread/service.h. */
void pawl_procpool_serve(void *pool);
/* Have it look. */
void pawl_procpool_poke(pawl_procpool *p);
/* Have it look after some time whether somebody has taken what was offered.  Under
 * the lock. */
void pawl_procpool_offered(pawl_procpool *p);

/* While the thread sleeps, one of those who wait for a task may take its place: for
 * as long as spinning pays, which saves two wakes.  Under the lock, before it waits,
 * or before it submits. */
bool pawl_procpool_help_begins(pawl_procpool *p);
/* If that was true: spin until t is done, or no longer.  Under no lock. */
void pawl_procpool_help(pawl_procpool *p, const pawl_proctask *t);

/* ---- pool_worker.c ---- */

#define PAWL_WORKER_ENTRY "pawl.worker"

/* What it is started with; the descriptors of the region and of the bell. */
struct pawl_worker_letter {
    uint32_t place;
    uint64_t of_window; /* offset in the region */
};

/* The name of a function; NULL: it has none. */
const char *pawl_proc_name(pawl_proc_fn fn);
/* That workers can be started, whether functions are registered or not. */
int pawl_worker_register(void);

#endif /* PAWL_PROCESS_POOL_CORE_H */
