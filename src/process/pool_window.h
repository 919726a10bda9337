/* SPDX-License-Identifier: MIT
 *
 * pool_window.h - the tasks that the workers of a process pool may take: the memory
 * that the pool and its workers share.
 *
 * A task in the window has a record.  Positions are counted from the pool's
 * beginning; the task of position p is named in the slot p modulo the number of
 * slots, which is that of the records:
 *
 *   63 ............ 32   31 ...... 16   15 ....... 0
 *  +------------------+--------------+-------------+
 *  |     position     |    record    |    taker    |
 *  +------------------+--------------+-------------+
 *
 *   taker    a slot is           leaves it by
 *   0        OFFERED             a worker takes it -> TAKEN;  called off -> CLOSED
 *   1 ..     TAKEN, worker + 1   offered again, one lap later
 *   NOBODY   CLOSED              as above
 *
 * One compare-and-swap takes a task, and says who took it: a worker that is killed
 * at any instruction has taken its task or has not, and the pool knows.  A worker
 * tells what it has finished in a line of its own, which only it writes.  So
 * nothing here is ever held, and there is nothing to repair.
 *
 * W1  Only the pool offers, one thread at a time, and only where nothing is
 *     OFFERED; positions are taken or called off before their slot has the next
 *     one.
 * W2  `head` is not greater than the first position that is OFFERED.
 * W3  Each record is named in at most one finished line, once.
 * W4  Of ENDED and LATE, in `said` of a record, the first counts, and who sets the
 *     other sees it.  A worker that finds LATE tells nothing and takes nothing any
 *     more: whoever has said so kills it, and hits this task and no other.
 *
 * SEARCHING is a token: one worker at a time, awake and without a task, has it and
 * looks for one; COMING says that one was woken and will have it.  While somebody
 * has it, an offer wakes nobody.
 *
 *   pool                                 worker
 *   offers a task             (A)        counts itself as a sleeper  (C)
 *   is somebody searching,               gives up the token          (D)
 *     does anybody sleep?     (B)        is there a task?            (E)
 *
 * All seq_cst: if B finds him searching, E comes after A and finds the task.
 *
 * The bell is odd while the pool sleeps.  A worker that finishes a task and finds
 * it odd rings, once for each sleep:
 *
 *   worker                               pool
 *   tells what is finished    (A)        makes the bell odd          (C)
 *   reads the bell            (B)        looks what is finished      (D)
 */
#ifndef PAWL_PROCESS_POOL_WINDOW_H
#define PAWL_PROCESS_POOL_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pawl/eventcount.h>

#include "atomic/ops.h"
#include "base/compiler.h"

enum {
    PAWL_WINDOW_RECORDS_MAX = 1 << 15,
    PAWL_WINDOW_WORKERS_MAX = 1 << 10,
    PAWL_WINDOW_FUNCTIONS = 256, /* that are known by name */
    PAWL_WINDOW_NAME = 64,
    PAWL_WINDOW_ROOM = 192, /* bytes within a record */
    PAWL_WINDOW_NOBODY = 0xffff,
};

enum pawl_window_said {
    PAWL_SAID_STOP = 1, /* by the pool, at any time: somebody wants it to end */
    PAWL_SAID_LATE = 2, /* by the pool: its worker is to be killed */
    PAWL_SAID_ENDED =
        4, /* by the worker, before it tells that it has finished */
};

/* What is to be done: elements first .. n - 1 of an array.  Written by the pool
 * before it is offered, unless it says otherwise. */
struct pawl_window_record {
    uint64_t function; /* its address, or the number of its name */
    uint64_t memory;   /* offset from the window of what the next three tell */
    uint64_t argument_size; /* of one element; n of them, then from the next */
    uint64_t result_size; /* multiple of 16 on the results, then the statuses */
    uint64_t index;       /* of the first of all elements, for the user */
    uint64_t used;        /* by the worker: of the last result */
    uint32_t first;
    uint32_t n;
    pawl_u32 current; /* by the worker: the element that it works on */
    pawl_u32 said;    /* enum pawl_window_said */
    unsigned char room[PAWL_WINDOW_ROOM];
} __attribute__((aligned(2 * PAWL_CACHE_LINE)));

enum pawl_window_worker_state {
    PAWL_WORKER_NONE,
    PAWL_WORKER_STARTING,
    PAWL_WORKER_FAILED, /* its initialiser has, with `status` */
    PAWL_WORKER_READY,
    PAWL_WORKER_LEFT, /* on purpose */
};

/* Written by the worker, but for the first time. */
struct pawl_window_worker {
    pawl_u32 state;
    pawl_u32 status;
    pawl_u32 finished; /* how many it has told, ever */
    uint32_t rung;     /* the bell when it rang last */
    uint16_t line[];   /* of `records` places: records */
} __attribute__((aligned(2 * PAWL_CACHE_LINE)));

struct pawl_window {
    uint64_t magic;
    uint32_t records; /* constant, as what follows up to `functions` */
    uint32_t workers;
    uint64_t of_record; /* offsets from here */
    uint64_t of_worker;
    uint64_t worker_stride;
    uint64_t limit; /* tasks that one worker process does; 0: any number */
    bool by_address;
    uint64_t
        initialise; /* functions; 0: none, else number or address, plus 1 */
    uint64_t finalise;
    uint64_t argument; /* of these: an offset from here, and its bytes */
    uint64_t argument_size;
    pawl_u32 functions; /* so many names, of which the last may be new */
    pawl_u32 ended;     /* no more will be offered */
    pawl_u32 ready;     /* how often a worker has become so */

    pawl_u32 head __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    pawl_u32 searching; /* worker + 1, COMING, or 0 */
    pawl_eventcount offers __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    pawl_u32 bell __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    char name[PAWL_WINDOW_FUNCTIONS][PAWL_WINDOW_NAME]
        __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    pawl_u64 slot[] __attribute__((aligned(2 * PAWL_CACHE_LINE)));
};

#define PAWL_WINDOW_MAGIC UINT64_C(0x31776f646e697770) /* changes with layout */

/* records: a power of two. */
size_t pawl_window_bytes(uint32_t records, uint32_t workers);
/* In zeroed memory. */
void pawl_window_init(struct pawl_window *w, uint32_t records,
                      uint32_t workers);

static inline struct pawl_window_record *
pawl_window_record(struct pawl_window *w, uint32_t i)
{
    return (struct pawl_window_record *)(void *)((char *)w + w->of_record) + i;
}

static inline struct pawl_window_worker *
pawl_window_worker(struct pawl_window *w, uint32_t i)
{
    return (struct pawl_window_worker *)(void *)((char *)w + w->of_worker +
                                                 i * w->worker_stride);
}

/* Where the arguments, results and statuses of a record are. */
static inline uint64_t pawl_window_results_at(uint64_t argument_size,
                                              uint32_t n)
{
    return (argument_size * n + 15) / 16 * 16;
}

static inline uint64_t pawl_window_statuses_at(uint64_t argument_size,
                                               uint64_t result_size, uint32_t n)
{
    return pawl_window_results_at(argument_size, n) +
           (result_size * n + 15) / 16 * 16;
}

static inline uint64_t pawl_window_payload(uint64_t argument_size,
                                           uint64_t result_size, uint32_t n)
{
    return pawl_window_statuses_at(argument_size, result_size, n) +
           sizeof(int32_t) * n;
}

/* ---- the pool: all under its lock -------------------------------------------- */

struct pawl_window_owner {
    struct pawl_window *window;
    uint32_t next;      /* position */
    uint32_t *position; /* of each record's task */
    uint16_t *taker;    /* of each whose slot has been used again */
};

/* Whether the next slot can be used: not if what it has is OFFERED, when others that
 * were offered after it have been called off. */
bool pawl_window_has_slot(const struct pawl_window_owner *o);
/* Offer a record; has_slot. */
void pawl_window_offer(struct pawl_window_owner *o, uint32_t record);
/* Take an offer back.  False: a worker has it. */
bool pawl_window_call_off(struct pawl_window_owner *o, uint32_t record);
/* Who has taken it: worker + 1, 0 or NOBODY. */
uint32_t pawl_window_taker(const struct pawl_window_owner *o, uint32_t record);
/* A task that is taken is to be over.  True: its worker must be killed, and does
 * nothing else until it is.  False: it has ended before. */
bool pawl_window_condemn(struct pawl_window *w, uint32_t record);
/* See that somebody comes for n offers. */
void pawl_window_call(struct pawl_window *w, uint32_t n);

/* The next that the worker has finished after *seen: its record, or -1. */
int pawl_window_next_finished(struct pawl_window *w, uint32_t worker,
                              uint32_t *seen);

/* A worker is dead: what it was about to do for others is done. */
void pawl_window_bury(struct pawl_window *w, uint32_t worker);
/* Have all workers look, whoever may have been about to. */
void pawl_window_call_all(struct pawl_window *w);
/* There will be no more offers. */
void pawl_window_end(struct pawl_window *w);

/* Whether something is offered that nobody has taken. */
bool pawl_window_has_offers(const struct pawl_window *w);

/* ---- a worker ------------------------------------------------------------------- */

/* Take the next task: its record, or -1. */
int pawl_window_take(struct pawl_window *w, uint32_t worker);
/* Wait for one; -1: there will be no more. */
int pawl_window_await(struct pawl_window *w, uint32_t worker);
/* It has ended.  False: too late, the worker is about to be killed. */
bool pawl_window_end_task(struct pawl_window *w, uint32_t record);
/* Tell that it is finished.  True: ring. */
bool pawl_window_finish(struct pawl_window *w, uint32_t worker,
                        uint32_t record);
/* Whether to ring now, for whatever reason. */
bool pawl_window_must_ring(struct pawl_window *w, uint32_t worker);

#endif /* PAWL_PROCESS_POOL_WINDOW_H */
