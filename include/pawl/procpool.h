/* SPDX-License-Identifier: MIT
 *
 * pawl/procpool.h - the process pool: tasks are submitted, worker processes run
 * them, futures tell their outcome, and the death of a worker is no more than one
 * task that has failed.
 *
 *     static int square(pawl_proccall *call)
 *     {
 *         int x = *(const int *)call->argument;
 *
 *         *(int *)call->result = x * x;
 *         return 0;                       its status
 *     }
 *
 *     int main(int argc, char **argv)
 *     {
 *         pawl_procpool_register("square", square);
 *         pawl_process_main(argc, argv);
 *
 *         pawl_procpool_create(&pool, NULL);      as many as there are CPUs
 *         pawl_procpool_apply(pool, square, &x, sizeof x, &y, sizeof y, &status);
 *         pawl_procpool_map(pool, square, in, sizeof *in, out, sizeof *out, 1000,
 *                           NULL, NULL, &status);
 *         pawl_procpool_end(pool);                close, join, free
 *     }
 *
 * Arguments and results are bytes: they are copied into memory that the processes
 * share, and back.  Several arguments are a struct.  A function that was registered
 * is known by its name in all workers; where workers are forked, any function can
 * be called.
 *
 *   call                 open      closed      terminated   broken            ended
 *   submit               0         -ESHUTDOWN  -ESHUTDOWN   -ENOTRECOVERABLE  as before
 *   close, terminate     0         0           0            0                 0
 *   drain                waits     waits       waits        waits             0
 *   join                 -EBUSY    waits       waits        waits             0
 *   free                 -EBUSY    -EBUSY      -EBUSY       -EBUSY            0
 *   in a callback: join, drain, the wait for a task: -EDEADLK (the wait for several
 *   futures does not notice)
 *
 * Death       A worker that dies, by SIGKILL or by what its task does, is replaced.
 *   Its task, of a map: its element, has the status -EOWNERDEAD, and task->pid and
 *   task->code say who has died of what.  All others are run, once: no task is lost
 *   or run twice, whenever a worker dies, but those with `retries`.  A worker that
 *   is stopped keeps its task and nothing else.  If the parent dies so do they.
 * Deadlines   of tasks that run end their worker, by SIGKILL, and nothing else: a
 *   worker that has finished in time lives on, and what it does next is not touched.
 *   The task is not tried again.  pawl_proctask_kill does the same at any time.
 * Order       what came before a submit is visible to the task, as far as it is in
 *   shared memory; what the task did, to who waits for it.
 * Memory      of a task: the pool lets go of it before its outcome is out, so who
 *   has a result, or -ECANCELED, may free it.  Arguments and results together up to
 *   176 bytes lie in the record of the task; more of them needs `memory`, which
 *   does not grow: a task that will never fit is refused, one that does not fit now
 *   waits in line, and those behind it with it.
 * Callbacks   are called by a thread of the library, one after the other.  One that
 *   is slow keeps results from those who wait.
 * Fork        a pool belongs to the process that has made it: in others, its
 *   workers among them, calls are -ECHILD, and so is the wait for a task that was
 *   not done.
 * The end     of the program: see pawl_procpool_options.at_exit.  Workers are
 *   daemons.
 * Contexts    not in signal handlers.
 *
 * Since 0.1.
 */
#ifndef PAWL_PROCPOOL_H
#define PAWL_PROCPOOL_H

#include <pawl/base.h>
#include <pawl/future.h>
#include <pawl/pool.h>
#include <pawl/process.h>
#include <pawl/time.h>

PAWL_BEGIN_DECLS

typedef struct pawl_procpool pawl_procpool;

/* ---- functions --------------------------------------------------------------- */

/* What a function is called with, in a worker. */
typedef struct pawl_proccall {
    const void *argument; /* aligned to 16, of a map as in an array */
    size_t size;          /* its bytes */
    void *result;         /* zero bytes at first; aligned likewise */
    size_t room;          /* for so many */
    size_t used;          /* of these; all, unless it is made less: not in a map */
    size_t index;  /* of the element of a map */
    int worker;    /* 0 .. workers - 1: its place, also of its successor */
    void *context; /* NULL at first; kept for the next calls of this worker */
    const pawl_u32 *said_;
} pawl_proccall;

/* Returns its status: 0, or how it failed. */
typedef int (*pawl_proc_fn)(pawl_proccall *call);

/* Whether somebody has called pawl_future_request_stop for the task. */
PAWL_API bool pawl_proccall_stop_requested(const pawl_proccall *call);

/* Give a function its name, before pawl_process_main.  Up to 256 of them can be used
 * in a pool, with names of up to 63 bytes; any number where workers are forked.  A
 * task with one that its worker has not registered has the status -ENOENT.
 *
 * Returns    0, also for the same once more;  -EEXIST another function has this
 *            name;  -EINVAL NULL, no name, or a name that is too long;  -ENOMEM.
 */
PAWL_API int pawl_procpool_register(const char *name, pawl_proc_fn fn);

/* ---- making a pool -------------------------------------------------------------- */

enum {
    /* As Python's executor: when a worker dies with a task the pool is broken, all
     * that is outstanding has the status -EOWNERDEAD, and the workers are
     * killed. */
    PAWL_PROCPOOL_FAIL_ALL = 1 << 0,
};

/* What is not said is 0. */
typedef struct pawl_procpool_options {
    size_t size; /* sizeof(pawl_procpool_options), or 0 */
    int workers; /* 0: pawl_process_cpu_count() */
    enum pawl_start_method method; /* DEFAULT: as of an entry, when it is made */
    const char *name; /* of the processes: name-1, ...; default "PoolWorker" */
    /* Called in each worker, before its first task and at its orderly end; may be
     * NULL.  A worker whose initialiser fails is replaced; after so many failures
     * (0: 5) without a success none is any more, and with the last worker gone the
     * pool is broken: what is outstanding has the initialiser's status (or
     * -EOWNERDEAD, or what pawl_process_start returned). */
    pawl_proc_fn initialise;
    pawl_proc_fn finalise;
    const void *argument; /* of both; copied */
    size_t argument_size;
    unsigned failures_max;
    /* After so many a worker is replaced; 0: never.  A chunk of a map counts as one. */
    uint64_t tasks_max;
    size_t capacity;  /* as many are outstanding at most; 0: any number */
    size_t memory;    /* bytes for large arguments and results; 0: 4 MiB */
    int64_t grace_ns; /* between SIGTERM and SIGKILL; 0: one second */
    unsigned flags;   /* PAWL_PROCPOOL_... */
    enum pawl_pool_exit at_exit; /* CANCEL: terminate */
} pawl_procpool_options;

#define PAWL_PROCPOOL_WORKERS_MAX 1024

/* Make a pool, and start all its workers.
 *
 * options  NULL: the defaults.
 *
 * Returns    0;  -EINVAL an option out of its bounds;  -ENOENT an initialiser that
 *            is not registered, and not to be forked;  -EMSGSIZE its argument is
 *            larger than `memory`;  the errors of pawl_region_create and
 *            pawl_process_start;  -EAGAIN, -ENOMEM, -EMFILE, -ENFILE.
 */
PAWL_API int pawl_procpool_create(pawl_procpool **pool,
                                  const pawl_procpool_options *options);

/* Free a pool that has ended, or, in another process, the copy; NULL is legal.
 *
 * Returns    0;  -EBUSY: unchanged. */
PAWL_API int pawl_procpool_free(pawl_procpool *pool);

/* Accept nothing more; what was submitted is run.  terminate: nor that: what stands
 * in line is called off, -ECANCELED; workers get SIGTERM, and SIGKILL when they are
 * still there after grace_ns; what they were running has the status -EOWNERDEAD.
 * kill: SIGKILL at once.  By any thread, any number of times, from callbacks as
 * well; these do not wait.
 *
 * Returns    0;  -ECHILD. */
PAWL_API int pawl_procpool_close(pawl_procpool *pool);
PAWL_API int pawl_procpool_terminate(pawl_procpool *pool);
PAWL_API int pawl_procpool_kill(pawl_procpool *pool);

/* Wait until a pool that accepts nothing more has ended: all is done, and no worker
 * is left.
 *
 * Returns    0;  -EBUSY it is open;  -EDEADLK called by a callback;  -ETIMEDOUT
 *            (until);  -EAGAIN (try);  -ECHILD.
 */
PAWL_API PAWL_NODISCARD int pawl_procpool_join_until(pawl_procpool *pool,
                                                     pawl_deadline until);
PAWL_API int pawl_procpool_join(pawl_procpool *pool);
PAWL_API PAWL_NODISCARD int pawl_procpool_try_join(pawl_procpool *pool);

/* Wait until nothing is outstanding.
 *
 * Returns    0;  -EDEADLK, -ETIMEDOUT, -EAGAIN, -ECHILD as above. */
PAWL_API PAWL_NODISCARD int pawl_procpool_drain_until(pawl_procpool *pool,
                                                      pawl_deadline until);
PAWL_API int pawl_procpool_drain(pawl_procpool *pool);
PAWL_API PAWL_NODISCARD int pawl_procpool_try_drain(pawl_procpool *pool);

/* Close, join and free it.  NULL is legal.
 *
 * Returns    0;  -EDEADLK called by a callback: unchanged. */
PAWL_API int pawl_procpool_end(pawl_procpool *pool);

/* When the scope is left, however that is: end the pool, as Python's `with executor:`
 * does; or terminate it first, as Python's `with Pool()` does, and what is
 * outstanding is lost.  Not for a scope of a callback.
 *
 *     PAWL_PROCPOOL_GUARD(guarded, pool);
 */
PAWL_API void pawl_procpool_guard_end(pawl_procpool **pool);
PAWL_API void pawl_procpool_guard_terminate(pawl_procpool **pool);
#define PAWL_PROCPOOL_GUARD(name, pool)                                        \
    PAWL_PROCPOOL_GUARD_(name, pool, pawl_procpool_guard_end)
#define PAWL_PROCPOOL_GUARD_TERMINATE(name, pool)                              \
    PAWL_PROCPOOL_GUARD_(name, pool, pawl_procpool_guard_terminate)
#define PAWL_PROCPOOL_GUARD_(name, pool, end)                                  \
    __attribute__((cleanup(end), unused)) pawl_procpool *name = (pool)

/* How many workers it is to have: constant.  How many have been started so far,
 * replacements included: a snapshot. */
PAWL_API int pawl_procpool_workers(const pawl_procpool *pool);
PAWL_API uint64_t pawl_procpool_started(pawl_procpool *pool);

/* The numbers of the workers that live, up to n of them: a snapshot.
 *
 * Returns    how many live;  -ECHILD. */
PAWL_API int64_t pawl_procpool_pids(pawl_procpool *pool, int64_t *pids,
                                    size_t n);

/* ---- tasks ------------------------------------------------------------------------ */

struct pawl_proctask;
struct pawl_future_owner;

/* Called once for each task, in a thread of the library, with its status before
 * the wait for its future ends; it may look at the result, but not free the task.
 * See pawl_proctask_init. */
typedef void (*pawl_proctask_done_fn)(struct pawl_proctask *task, int status,
                                      void *context);

/* One task, in memory of the caller's. */
typedef struct pawl_proctask {
    pawl_future future; /* to be waited for, cancelled, ... */
    const struct pawl_future_owner *owner_;
    /* Bytes of the result; more than there was room for if its status is -EMSGSIZE. */
    size_t used;
    /* The worker that died with it, 0: none did; and how, as by pawl_process_join, if
     * that is known. */
    int64_t pid;
    int code;

    /* May be set before it is submitted. */
    int retries; /* run it again, so many times, when its worker has died */
    /* If it is not done by then its status is -ETIMEDOUT; has it begun, its worker is
     * killed, and replaced.  PAWL_FOREVER at first. */
    pawl_deadline until;
    pawl_proctask_done_fn done;   /* if its status is 0; may be NULL */
    pawl_proctask_done_fn failed; /* if not; may be NULL */
    void *context;                /* of both */

    pawl_procpool *pool_; /* constant once it is submitted, as is all down to n_ */
    pawl_proc_fn fn_;
    uint64_t function_; /* what the window calls it */
    const void *argument_;
    size_t argument_size_; /* of one element, as is result_size_ */
    void *result_;
    size_t result_size_;
    int *statuses_; /* of the elements of a map; NULL: it is none */
    size_t index_;  /* of the first one */
    uint32_t n_;    /* elements */
    uint32_t forks_;
    struct pawl_proctask *next_; /* in line */
    struct pawl_proctask *prev_;
    struct pawl_proctask *due_child_; /* among those with a deadline */
    struct pawl_proctask *due_next_;
    struct pawl_proctask *due_prev_;
    uint32_t first_; /* to be run from this one on */
    uint32_t ran_;   /* so many have run, or died */
    uint32_t tried_; /* the one that died last; so often */
    int tries_;
    int status_;
    int verdict_; /* if it is not done in time; 0: it has time */
    uint16_t record_;
    uint8_t state_;
    uint8_t counted_; /* it takes some of the pool's capacity */
    pawl_u32 refs_;   /* of one that pawl_procpool_call has made */
} pawl_proctask;

/* Make *task one that will call fn with these bytes, once, and copy the result to
 * `result`.  Both stay as they are until it is done.  Needed again for another turn.
 *
 * Of the callbacks exactly one is called, `failed` also with -ECANCELED when the
 * pool is terminated; neither, if somebody cancels the future. */
PAWL_API void pawl_proctask_init(pawl_proctask *task, pawl_proc_fn fn,
                                 const void *argument, size_t argument_size,
                                 void *result, size_t result_size);

/* Give the pool a task.  Waits only if the pool has a capacity and is full.
 *
 * Returns    0;  -ESHUTDOWN, -ENOTRECOVERABLE: see the top;  -EALREADY the task was
 *            submitted or cancelled before;  -EINVAL it has no function;  -ENOENT
 *            the function is not registered, and workers are not forked;  -ENOSPC
 *            256 functions have been used;  -EMSGSIZE it does not fit into
 *            `memory`;  -EAGAIN (try), -ETIMEDOUT (until) full;  -EDEADLK full, in a
 *            callback;  -ECHILD.  The task is not submitted then.
 * Order      release: pairs with the beginning of the task.
 * Progress   blocking for a few instructions and the copy; full: blocking.
 * Cost       no system call, unless a worker is woken.
 */
PAWL_API int pawl_procpool_submit(pawl_procpool *pool, pawl_proctask *task);
PAWL_API PAWL_NODISCARD int pawl_procpool_try_submit(pawl_procpool *pool,
                                                     pawl_proctask *task);
PAWL_API PAWL_NODISCARD int pawl_procpool_submit_until(pawl_procpool *pool,
                                                       pawl_proctask *task,
                                                       pawl_deadline until);

/* Give it tasks[0..n), in this order; all at once if the pool has no capacity.
 *
 * Returns    how many, from the first on: n, or less if it is full, as above;  the
 *            errors above if it is none;  0 if n is 0.
 */
PAWL_API int64_t pawl_procpool_submit_many(pawl_procpool *pool,
                                           pawl_proctask *tasks, size_t n);
PAWL_API PAWL_NODISCARD int64_t pawl_procpool_try_submit_many(
    pawl_procpool *pool, pawl_proctask *tasks, size_t n);
PAWL_API PAWL_NODISCARD int64_t pawl_procpool_submit_many_until(
    pawl_procpool *pool, pawl_proctask *tasks, size_t n, pawl_deadline until);

/* Submit a task on the heap, with copies of the argument and room for the result,
 * both in task's own memory: pawl_proctask_result.
 *
 * options  callbacks, their context, retries; NULL: none.
 * task     to be released when it is not needed any more; NULL: nobody needs it.
 *
 * Returns    as pawl_procpool_submit;  -ENOMEM.
 */
typedef struct pawl_procpool_call_options {
    size_t size; /* sizeof(pawl_procpool_call_options), or 0 */
    pawl_proctask_done_fn done;
    pawl_proctask_done_fn failed;
    void *context;
    int retries;
    pawl_deadline until; /* 0: PAWL_FOREVER */
} pawl_procpool_call_options;

PAWL_API int pawl_procpool_call(pawl_procpool *pool, pawl_proc_fn fn,
                                const void *argument, size_t argument_size,
                                size_t result_size,
                                const pawl_procpool_call_options *options,
                                pawl_proctask **task);
/* Call a task off, or, if it has begun, have its worker killed, which is replaced: its
 * status is -ECANCELED then, unless it ends by itself before that.
 *
 * Returns    0;  -EALREADY it is done, or about to be told;  -ECHILD. */
PAWL_API int pawl_proctask_kill(pawl_proctask *task);

/* At any time, whatever its state; NULL is legal. */
PAWL_API void pawl_proctask_release(pawl_proctask *task);
/* The bytes of the result; to be read when it is done. */
PAWL_API void *pawl_proctask_result(const pawl_proctask *task);

/* Submit one and wait for it.  Others are not kept from submitting.
 *
 * status   of the task; may be NULL; written on 0.
 *
 * Returns    0 it has ended, with whatever status;  -ECANCELED the pool was
 *            terminated;  the errors of submit;  until: -ETIMEDOUT, where a task
 *            that has begun goes on for nobody;  -ENOMEM (until);  -EDEADLK in a
 *            callback.
 */
PAWL_API int pawl_procpool_apply(pawl_procpool *pool, pawl_proc_fn fn,
                                 const void *argument, size_t argument_size,
                                 void *result, size_t result_size, int *status);
PAWL_API PAWL_NODISCARD int
pawl_procpool_apply_until(pawl_procpool *pool, pawl_proc_fn fn,
                          const void *argument, size_t argument_size,
                          void *result, size_t result_size, pawl_deadline until,
                          int *status);

/* ---- many calls -------------------------------------------------------------------- */

typedef struct pawl_procmap pawl_procmap;

/* Called once, when all elements are done, with the first status in input order that
 * is not 0, or 0; as the callbacks of a task. */
typedef void (*pawl_procmap_done_fn)(pawl_procmap *map, int status,
                                     void *context);

/* What is not said is 0. */
typedef struct pawl_procmap_options {
    size_t size;  /* sizeof(pawl_procmap_options), or 0 */
    size_t chunk; /* elements that one task computes.  0: a fourth of what each
                     worker would get if all were divided, as Python's map; imap's
                     is 1.  Less where they would not fit into the pool's memory. */
    int retries;  /* of an element whose worker has died */
    /* Elements that are not done by then have the status -ETIMEDOUT, and so have
     * those of a chunk whose worker is killed for that.  0: PAWL_FOREVER. */
    pawl_deadline until;
    pawl_procmap_done_fn done;
    pawl_procmap_done_fn failed;
    void *context;
} pawl_procmap_options;

/* Have fn called for n elements of `argument_size` bytes, one after the other in
 * memory, with the results in as many of `result_size` bytes, of which each is
 * written when it was computed.  All elements are run, whichever fail.  Both arrays,
 * and `statuses`, stay until the map is freed.
 *
 * statuses   of the elements, n of them; NULL: not wanted.
 *
 * Returns    0;  -EINVAL;  -ENOMEM;  the errors of submit, where the pool has no
 *            capacity: that does not count here.
 */
PAWL_API int pawl_procmap_create(pawl_procmap **map, pawl_procpool *pool,
                                 pawl_proc_fn fn, const void *arguments,
                                 size_t argument_size, void *results,
                                 size_t result_size, size_t n, int *statuses,
                                 const pawl_procmap_options *options);

/* Wait for the next element: of next, in input order; of next_done, of any that is
 * done, in the order in which chunks are.  To be called by one thread at a time, and
 * only one of both for a map.
 *
 * index, status   may be NULL; written on 0, index on -ECANCELED as well.
 *
 * Returns    0 whatever its status: it goes on;  -ESHUTDOWN there are no more;
 *            -ECANCELED it was not computed, for the pool was terminated or broke: it
 *            goes on;  -ETIMEDOUT (until), -EAGAIN (try);  -EDEADLK, -ECHILD as
 *            pawl_future_result.
 * Order      acquire.
 */
PAWL_API PAWL_NODISCARD int pawl_procmap_next_until(pawl_procmap *map,
                                                    size_t *index, int *status,
                                                    pawl_deadline until);
PAWL_API PAWL_NODISCARD int pawl_procmap_next(pawl_procmap *map, size_t *index,
                                              int *status);
PAWL_API PAWL_NODISCARD int pawl_procmap_try_next(pawl_procmap *map,
                                                  size_t *index, int *status);
PAWL_API PAWL_NODISCARD int pawl_procmap_next_done_until(pawl_procmap *map,
                                                         size_t *index,
                                                         int *status,
                                                         pawl_deadline until);
PAWL_API PAWL_NODISCARD int pawl_procmap_next_done(pawl_procmap *map,
                                                   size_t *index, int *status);
PAWL_API PAWL_NODISCARD int
pawl_procmap_try_next_done(pawl_procmap *map, size_t *index, int *status);

/* Done when all elements are and the callback has returned; its status is the
 * callback's.  To be waited for, not cancelled. */
PAWL_API pawl_future *pawl_procmap_future(pawl_procmap *map);

/* At any time but in its own callback: what has not begun is cancelled, and what runs
 * waited for.  NULL is legal. */
PAWL_API void pawl_procmap_free(pawl_procmap *map);

/* All of that at once: Python's map, and starmap with a struct.
 *
 * status   may be NULL: 0, or the first status in input order that is not; written
 *          on 0.
 *
 * Returns    0 all are done;  -ECANCELED the pool was terminated or broke before;
 *            the errors of pawl_procmap_create;  -EDEADLK in a callback.
 */
PAWL_API int pawl_procpool_map(pawl_procpool *pool, pawl_proc_fn fn,
                               const void *arguments, size_t argument_size,
                               void *results, size_t result_size, size_t n,
                               int *statuses,
                               const pawl_procmap_options *options,
                               int *status);

PAWL_END_DECLS

#endif /* PAWL_PROCPOOL_H */
