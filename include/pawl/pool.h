/* SPDX-License-Identifier: MIT
 *
 * pawl/pool.h - the thread pool: tasks are submitted, threads run them, futures
 * tell their outcome.
 *
 *     static int compress(pawl_task *task, void *block)
 *     {
 *         task->value = ...;              what the future's value will be
 *         return 0;                       its status
 *     }
 *
 *     pawl_pool *pool;
 *     pawl_task task = PAWL_TASK_INIT(compress, &block);
 *
 *     pawl_pool_create(&pool, NULL);
 *     pawl_pool_submit(pool, &task);      nothing is allocated
 *     pawl_future_result(&task.future, &status, &value);
 *     pawl_pool_end(pool);                waits for all that was submitted
 *
 * Threads are started when a task comes and no worker is idle, up to a number.
 * What is submitted from outside is begun in that order.  What a worker submits
 * it begins itself, newest first, unless another worker is idle and takes the
 * oldest; with one worker all is begun in the order of submission.
 *
 *   call                      open       shut down   ended         broken
 *   submit                    0          -ESHUTDOWN  -ESHUTDOWN    -ENOTRECOVERABLE
 *   shutdown                  0          0           0             0
 *   drain                     waits      waits       0             waits
 *   join                      -EBUSY     waits       0             waits
 *   free                      -EBUSY     -EBUSY      0             -EBUSY, until it
 *                                                                  has ended
 *   join, drain, end by a worker of the pool: -EDEADLK
 *
 * Memory      of a task: the pool lets go of it before its outcome is out, so who
 *   has a result may free it; but who gets -ECANCELED first calls
 *   pawl_task_settle, for what somebody has cancelled may still stand in line.
 * Fork        a pool has no threads in the child: its calls are -ECHILD there,
 *   and so is the wait for a task that was not done.
 * The end     of the program: see enum pawl_pool_exit.
 * Contexts    not in signal handlers.
 *
 * Since 0.1.
 */
#ifndef PAWL_POOL_H
#define PAWL_POOL_H

#include <pawl/base.h>
#include <pawl/future.h>
#include <pawl/time.h>

PAWL_BEGIN_DECLS

typedef struct pawl_pool pawl_pool;

/* ---- tasks ---------------------------------------------------------------- */

struct pawl_task;

/* What a task does.  Returns its status: 0, or how it failed.  May set
 * task->value.
 *
 * pawl_future_request_stop(&task->future) asks it to stop while it runs.  It finds
 * out by pawl_future_stop_requested(&task->future); and as long as it runs, the
 * thread's own stop_requested, PAWL_WAIT_STOP() and PAWL_INTERRUPTIBLE
 * (pawl/thread.h) are the task's: they know of requests to this task, not of those
 * to the thread, to one that it runs while it waits (`helps`), or to the next. */
typedef int (*pawl_task_fn)(struct pawl_task *task, void *arg);

/* One task, in memory of the caller's. */
typedef struct pawl_task {
    pawl_future future; /* to be waited for, cancelled, ... */
    void *value;        /* what the function leaves here becomes the future's */
    pawl_task_fn fn_;
    void *arg_;
    struct pawl_task *next_; /* in line */
    pawl_u64 pool_;          /* to which it was given */
    pawl_u32 held_;          /* a pool refers to it: see pool.c */
    pawl_u32 refs_;          /* of one that pawl_pool_call has made */
    pawl_u64 interrupt_[2];  /* how it is called off its waits */
} pawl_task;

#define PAWL_TASK_INIT(fn, arg)                                                \
    {PAWL_FUTURE_INIT_FLAGS(PAWL_FUTURE_TASK_),                                \
     NULL,                                                                     \
     fn,                                                                       \
     arg,                                                                      \
     NULL,                                                                     \
     {0},                                                                      \
     {0},                                                                      \
     {0},                                                                      \
     {{0}, {0}}}

/* Make *task one that will call fn(task, arg), once.  Needed again for another
 * turn, when it has settled. */
PAWL_API void pawl_task_init(pawl_task *task, pawl_task_fn fn, void *arg);

/* Wait until *task is done and its pool has let go of it.  If it was cancelled,
 * it is taken out of line, with all others that were.
 *
 * Returns    0, also if it was never submitted;  -ECHILD.
 * Progress   blocking.
 * Cost       cancelled: looks at all that stand in line.
 */
PAWL_API int pawl_task_settle(pawl_task *task);

/* ---- making a pool --------------------------------------------------------- */

/* What the end of the program does with the tasks of a pool that is open. */
enum pawl_pool_exit {
    PAWL_POOL_JOIN,    /* all of them are run first */
    PAWL_POOL_CANCEL,  /* those that run are waited for, others cancelled */
    PAWL_POOL_ABANDON, /* they are cut off */
};

/* What is not said is 0. */
typedef struct pawl_pool_options {
    size_t size;      /* sizeof(pawl_pool_options), or 0 */
    int max_workers;  /* 0: as many as there are usable CPUs (by affinity and
                        quota) and 4 more, but 32 at most */
    int prestart;     /* so many are started at once */
    const char *name; /* of the threads: name_0, name_1, ...; default "pool" */
    /* Called in each worker, before its first task and at its end; may be NULL.
     * If the first one fails the pool is broken: what waits in line gets its
     * status, and nothing can be submitted any more. */
    int (*initialise)(void *context);
    void (*finalise)(void *context);
    void *context;
    size_t capacity;   /* as many stand in line at most; 0: any number */
    bool caller_runs;  /* if the line is full, submit runs the task */
    bool helps;        /* a worker that waits for tasks of its own pool (their
                         results, futures, a map) runs others meanwhile */
    bool pins;         /* each worker to a CPU of its own, in turn */
    int64_t idle_ns;   /* after so long without work a worker ends, but for the
                         last one; 0: none does.  From then on, finaliser included,
                         it is none of max_workers */
    size_t stack_size; /* 0: the default of threads */
    enum pawl_pool_exit at_exit;
} pawl_pool_options;

#define PAWL_POOL_WORKERS_MAX 4096

/* Make a pool.
 *
 * options  NULL: the defaults.
 *
 * Returns    0;  -EINVAL an option out of its bounds;  -ENOMEM;  if it has to
 *            start threads, what pawl_thread_start returns.
 */
PAWL_API int pawl_pool_create(pawl_pool **pool,
                              const pawl_pool_options *options);

/* Free a pool that has ended, or, in the child of a fork, any; NULL is legal.
 *
 * Returns    0;  -EBUSY: unchanged. */
PAWL_API int pawl_pool_free(pawl_pool *pool);

/* Shut it down, wait for all that was submitted, and free it: the end of Python's
 * `with` block.  NULL is legal.
 *
 * Returns    0;  -EDEADLK the caller is one of its workers: unchanged. */
PAWL_API int pawl_pool_end(pawl_pool *pool);

/* Python's `with executor:`.  Ends the pool when the scope is left, however that is;
 * not for a scope of one of its tasks.
 *
 *     PAWL_POOL_GUARD(guarded, pool);
 */
PAWL_API void pawl_pool_guard_end(pawl_pool **pool);
#define PAWL_POOL_GUARD(name, pool)                                            \
    __attribute__((cleanup(pawl_pool_guard_end), unused)) pawl_pool *name =    \
        (pool)

/* ---- submitting ------------------------------------------------------------- */

/* Give it a task.  Waits only if the line has a capacity and is full; a worker of
 * the pool never waits, but runs it.
 *
 * Returns    0;  -ESHUTDOWN, -ENOTRECOVERABLE: see the top;  -EALREADY the task
 *            was submitted, cancelled or set before;  -EINVAL it has no function;
 *            -EAGAIN (try), -ETIMEDOUT (until) the line is full;
 *            what pawl_thread_start returns, if there is no worker at all and
 *            none can be started;  -ECHILD.  The task is not submitted then.
 * Order      release: pairs with the beginning of the task.
 * Progress   lock-free, but to wake or start a worker; full: blocking.
 * Cost       two locked instructions, one system call if a worker is woken.
 */
PAWL_API int pawl_pool_submit(pawl_pool *pool, pawl_task *task);
PAWL_API PAWL_NODISCARD int pawl_pool_try_submit(pawl_pool *pool,
                                                 pawl_task *task);
PAWL_API PAWL_NODISCARD int
pawl_pool_submit_until(pawl_pool *pool, pawl_task *task, pawl_deadline until);

/* Give it tasks[0..n), in this order, by one step if the line has no capacity.
 *
 * Returns    how many, from the first on: n, or less if the line is full, as
 *            above;  the errors above if it is none;  0 if n is 0.
 */
PAWL_API int64_t pawl_pool_submit_many(pawl_pool *pool, pawl_task *tasks,
                                       size_t n);
PAWL_API PAWL_NODISCARD int64_t pawl_pool_try_submit_many(pawl_pool *pool,
                                                          pawl_task *tasks,
                                                          size_t n);
PAWL_API PAWL_NODISCARD int64_t pawl_pool_submit_many_until(
    pawl_pool *pool, pawl_task *tasks, size_t n, pawl_deadline until);

/* Submit a task on the heap.
 *
 * task     the task, to be released when it is not needed any more; NULL: nobody
 *          needs it.
 *
 * Returns    as pawl_pool_submit;  -ENOMEM.
 */
PAWL_API int pawl_pool_call(pawl_pool *pool, pawl_task_fn fn, void *arg,
                            pawl_task **task);
/* At any time, whatever its state. */
PAWL_API void pawl_task_release(pawl_task *task);

/* ---- many calls ---------------------------------------------------------------- */

/* A part of a range of indices.  Returns 0, or a status that ends the loop. */
typedef int (*pawl_for_fn)(size_t begin, size_t end, void *context);

/* Have fn called for all of begin .. end - 1, in parts, by the workers and the
 * caller at once.  Parts are large at first and get smaller, so that all are done
 * at about the same time.  When a part has a status other than 0, no more are
 * begun.
 *
 * grain    indices that a part has at least, but for the last one; 0: 1.
 * status   may be NULL: 0, or the first status that was not; written on 0.
 *
 * Returns    0 when no part runs any more;  -ESHUTDOWN, -ENOTRECOVERABLE, -ECHILD:
 *            nothing was called.  Where no worker is free the caller does it all.
 * Order      all parts see what came before, and are seen by the caller.
 */
PAWL_API int pawl_pool_for(pawl_pool *pool, size_t begin, size_t end,
                           size_t grain, pawl_for_fn fn, void *context,
                           int *status);

typedef struct pawl_map pawl_map;

/* Compute the element at `index`: *value is NULL at first.  Returns its status. */
typedef int (*pawl_map_fn)(size_t index, void **value, void *context);

/* What is not said is 0. */
typedef struct pawl_map_options {
    size_t size;  /* sizeof(pawl_map_options), or 0 */
    size_t chunk; /* elements that one task computes; 0: 1 */
    size_t
        buffer; /* so many elements are computed ahead of next, or a chunk; 0:
                      any number */
} pawl_map_options;

/* Have fn called for 0 .. n - 1 by the workers, to get the results in that order.
 *
 * Returns    0;  -EINVAL;  -ENOMEM;  -ESHUTDOWN, -ENOTRECOVERABLE, -ECHILD;  what
 *            pawl_thread_start returns, if there is no worker and none can be
 *            started. */
PAWL_API int pawl_map_create(pawl_map **map, pawl_pool *pool, size_t n,
                             pawl_map_fn fn, void *context,
                             const pawl_map_options *options);

/* Wait for the next element, for one thread at a time.
 *
 * status, value   may be NULL; written on 0.
 *
 * Returns    0 whatever its status: it goes on;  -ESHUTDOWN there are no more;
 *            -ECANCELED it was not computed, for the pool was shut down or broke:
 *            it goes on;  -ETIMEDOUT (until), -EAGAIN (try);  -EDEADLK, -ECHILD as
 *            pawl_future_result.
 * Order      acquire.
 */
PAWL_API PAWL_NODISCARD int pawl_map_next_until(pawl_map *map, int *status,
                                                void **value,
                                                pawl_deadline until);
PAWL_API PAWL_NODISCARD int pawl_map_next(pawl_map *map, int *status,
                                          void **value);
PAWL_API PAWL_NODISCARD int pawl_map_try_next(pawl_map *map, int *status,
                                              void **value);

/* At any time: what has not begun is cancelled, and what runs waited for.  NULL is
 * legal. */
PAWL_API void pawl_map_free(pawl_map *map);

/* ---- the end ------------------------------------------------------------------ */

/* Accept nothing more.  What was submitted is still run, or, if cancel_pending,
 * cancelled, unless it has begun.  By any number of threads, any number of times,
 * from tasks as well; does not wait.
 *
 * Returns    0;  -ECHILD. */
PAWL_API int pawl_pool_shutdown(pawl_pool *pool, bool cancel_pending);

/* Wait until a pool that was shut down has ended: all is done, and no worker is
 * left.
 *
 * Returns    0;  -EBUSY it is open;  -EDEADLK the caller is one of its workers;
 *            -ETIMEDOUT (until);  -EAGAIN (try);  -ECHILD.
 */
PAWL_API PAWL_NODISCARD int pawl_pool_join_until(pawl_pool *pool,
                                                 pawl_deadline until);
PAWL_API int pawl_pool_join(pawl_pool *pool);
PAWL_API PAWL_NODISCARD int pawl_pool_try_join(pawl_pool *pool);

/* Wait until all that was submitted is done, and nothing stands in line.
 *
 * Returns    0;  -EDEADLK, -ETIMEDOUT, -EAGAIN, -ECHILD as above. */
PAWL_API PAWL_NODISCARD int pawl_pool_drain_until(pawl_pool *pool,
                                                  pawl_deadline until);
PAWL_API int pawl_pool_drain(pawl_pool *pool);
PAWL_API PAWL_NODISCARD int pawl_pool_try_drain(pawl_pool *pool);

/* How many workers there are: a snapshot.  The most there can be: constant. */
PAWL_API int pawl_pool_workers(const pawl_pool *pool);
PAWL_API int pawl_pool_max_workers(const pawl_pool *pool);

/* The pool of which the calling thread is a worker, or NULL. */
PAWL_API pawl_pool *pawl_pool_current(void);

PAWL_END_DECLS

#endif /* PAWL_POOL_H */
