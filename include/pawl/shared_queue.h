/* SPDX-License-Identifier: MIT
 *
 * pawl/shared_queue.h - queues of records between processes, which survive the
 * death of any of them.
 *
 *     pawl_shared_queue *q;
 *
 *     pawl_shared_queue_open(&q, region, &(pawl_shared_queue_options){
 *         .name = "jobs", .capacity = 64, .record_size = 200,
 *         .tasks = PAWL_TASKS_AGAIN});
 *
 *     pawl_shared_queue_put(q, text, strlen(text) + 1);     any process
 *
 *     while (pawl_shared_queue_get(q, text, sizeof text) >= 0) {  any process
 *         work(text);
 *         pawl_shared_queue_task_done(q, NULL);
 *     }
 *
 *     pawl_shared_queue_join(q);                            all is done
 *
 * What Python's multiprocessing.Queue, SimpleQueue and JoinableQueue do with a pipe,
 * a thread and three semaphores.  A record is 0 to record_size bytes.  When put has
 * returned 0, the record is in shared memory and does not depend on the caller
 * any more: it may exit, or be killed.
 *
 *     kind        what comes next           put, get            if one is stopped
 *     FIFO        the oldest                lock-free           the others go on
 *     LIFO        the newest                O(1), a lock        may wait for it
 *     DEQUE       the first, or the last    O(1), a lock        may wait for it
 *     PRIORITY    the smallest key, and     O(log n), a lock    may wait for it
 *                 of equals the oldest
 *
 * A handle is a process's; fork's child has its parent's too.  Many threads may use
 * one.  Each of them takes part in the region (pawl_region_join) from its first call.
 *
 * Death       a process may be killed at any instruction of any function here.  Each
 *   record whose put has returned is delivered once; one whose put has not returned,
 *   once or not at all.  Only the record (get_many: those) that the dead one was
 *   getting, or had got as a task, is treated as `tasks` says.  The capacity remains.
 *   Who is stopped is not dead.  A wake that died with somebody is replaced within
 *   50 ms.
 * Tasks       by default a record is gone when get has returned (at most once), also
 *   with a getter that is killed inside.  With tasks, what a thread has got is its
 *   task until it says task_done or dies; then it counts as done
 *   (PAWL_TASKS_GONE: at most once), or is delivered again, before the others
 *   (PAWL_TASKS_AGAIN: at least once).  That it died is found by those who get when
 *   nothing else is there, by those who join, and (FIFO) at every 64th get.
 * Order       what was done before a put is visible after the get of that record;
 *   what was done before task_done, after join.
 * Errors      -EAGAIN of a try form: full, or empty;  -ETIMEDOUT of an until form:
 *   the same, until the deadline;  -ESHUTDOWN: see pawl_shared_queue_shutdown;
 *   -EBADF: the handle, or the region, is closed;  -ENOMEM: more threads take part
 *   in the region than it has participants, or (FIFO: reserves of it; try forms) as
 *   many tasks are held as there is room for.  A call that fails has put or taken
 *   nothing.
 * Memory      FIFO: capacity + participants of the region + in_hand records, each of
 *   record_size + 8 bytes rounded up to 64 (up to 40: to 16); the other kinds, 32 more.
 *
 * Since 0.1.
 */
#ifndef PAWL_SHARED_QUEUE_H
#define PAWL_SHARED_QUEUE_H

#include <pawl/base.h>
#include <pawl/memory.h>
#include <pawl/region.h>
#include <pawl/time.h>
#include <pawl/wait.h>

PAWL_BEGIN_DECLS

/* A process's handle. */
typedef struct pawl_shared_queue pawl_shared_queue;

enum pawl_shared_queue_kind {
    PAWL_SHARED_FIFO,
    PAWL_SHARED_LIFO,
    PAWL_SHARED_PRIORITY,
    PAWL_SHARED_DEQUE,
};

enum pawl_shared_tasks {
    PAWL_TASKS_NONE,  /* what was got is gone */
    PAWL_TASKS_GONE,  /* tasks of the dead count as done */
    PAWL_TASKS_AGAIN, /* tasks of the dead are delivered again */
};

/* What is not said is 0. */
typedef struct pawl_shared_queue_options {
    /* In the region's directory (pawl/object.h).  NULL: in a block of the caller's
     * (pawl/memory.h), to be published or kept by its offset. */
    const char *name;
    size_t capacity;    /* 1 .. PAWL_SHARED_QUEUE_CAPACITY_MAX */
    size_t record_size; /* bytes, 1 .. PAWL_SHARED_QUEUE_RECORD_MAX */
    enum pawl_shared_queue_kind kind;
    enum pawl_shared_tasks tasks;
    /* With tasks: how many may be held at one time beyond one for each participant
     * of the region. */
    uint32_t in_hand;
    /* PRIORITY: the place of the key, a uint64_t (with flags of pawl/queue.h,
     * PAWL_QUEUE_SIGNED and PAWL_QUEUE_MAX_FIRST, as they say), which each record
     * has to have. */
    size_t key_offset;
    unsigned flags;
} pawl_shared_queue_options;

#define PAWL_SHARED_QUEUE_CAPACITY_MAX (UINT32_C(1) << 20)
#define PAWL_SHARED_QUEUE_RECORD_MAX (UINT32_C(1) << 30)

/* ---- making one, and finding one ------------------------------------------ */

/* Make a queue in the region, which has to last longer than the handle.
 *
 * Returns    0, and a handle in *queue;  -EINVAL an option out of its bounds, or
 *            not of its kind, or more than 4096 participants and in_hand;  -EEXIST
 *            there is that name;  -ENOSPC no room in the region;  -ENOMEM here;
 *            -EAGAIN, -EBADF as pawl_region_join.
 */
PAWL_API int pawl_shared_queue_create(pawl_shared_queue **queue,
                                      pawl_region *region,
                                      const pawl_shared_queue_options *options);

/* Find the queue with that name, or at that offset.
 *
 * Returns    0, and a handle in *queue;  -ENOENT there is no such name;  -EINVAL
 *            what is there is no queue of a layout that this library knows, or it
 *            is no name;  -ENOMEM;  -EBADF as pawl_region_join.
 */
PAWL_API int pawl_shared_queue_find(pawl_shared_queue **queue,
                                    pawl_region *region, const char *name);
PAWL_API int pawl_shared_queue_at(pawl_shared_queue **queue,
                                  pawl_region *region, pawl_offset offset);

/* Find it, or make it; race-free.  One that is there stays as it is, whatever the
 * options.  Returns 0 found;  1 made;  the errors of both but -ENOENT, -EEXIST. */
PAWL_API int pawl_shared_queue_open(pawl_shared_queue **queue,
                                    pawl_region *region,
                                    const pawl_shared_queue_options *options);

/* Remove the name, and free the memory of the queue.  Nobody uses it any more.
 * Returns as pawl_object_remove. */
PAWL_API int pawl_shared_queue_remove(pawl_region *region, const char *name);

/* Where it is, for pawl_memory_publish, pawl_memory_keep and pawl_memory_free. */
PAWL_API pawl_offset pawl_shared_queue_offset(const pawl_shared_queue *queue);

/* Give up the handle: puts and gets by it, those that wait included, return -EBADF
 * (within 50 ms).  Others' handles, and what is in the queue, are not affected.
 * Tasks in the caller's hand stay there.  Idempotent.  Returns 0. */
PAWL_API int pawl_shared_queue_close(pawl_shared_queue *queue);
/* Close it, and free the handle; NULL is legal.  Nobody uses it any more. */
PAWL_API void pawl_shared_queue_free(pawl_shared_queue *queue);

/* ---- records -------------------------------------------------------------- */

/* A record that was got with tasks, by its thread.  Opaque. */
typedef struct pawl_shared_task {
    uint64_t number_;
    uint64_t place_;
} pawl_shared_task;

/* Put a copy of the record; wait while the queue is full.
 *
 * Returns    0;  -ESHUTDOWN;  -EMSGSIZE more than record_size bytes;  -ETIMEDOUT
 *            (until);  -EAGAIN (try);  -EINVAL too short to have a key;  -ENOMEM,
 *            -EBADF: see the top.
 * Order      release.
 * Cost       FIFO: one locked instruction and the copy; no system call if there is
 *            room and nobody sleeps.
 */
PAWL_API int pawl_shared_queue_put(pawl_shared_queue *queue, const void *record,
                                   size_t bytes);
PAWL_API PAWL_NODISCARD int pawl_shared_queue_try_put(pawl_shared_queue *queue,
                                                      const void *record,
                                                      size_t bytes);
PAWL_API PAWL_NODISCARD int
pawl_shared_queue_put_until(pawl_shared_queue *queue, const void *record,
                            size_t bytes, pawl_deadline until);

/* Take the next record and copy it to `record`, where at least record_size bytes are;
 * wait while the queue is empty.
 *
 * Returns    how many bytes, >= 0;  -ESHUTDOWN shut down, and empty;  -EMSGSIZE
 *            size < record_size;  -ETIMEDOUT (until);  -EAGAIN (try);  -ENOMEM,
 *            -EBADF: see the top.
 * Order      acquire.
 * Cost       as put.
 */
PAWL_API PAWL_NODISCARD int64_t pawl_shared_queue_get(pawl_shared_queue *queue,
                                                      void *record,
                                                      size_t size);
PAWL_API PAWL_NODISCARD int64_t
pawl_shared_queue_try_get(pawl_shared_queue *queue, void *record, size_t size);
PAWL_API PAWL_NODISCARD int64_t pawl_shared_queue_get_until(
    pawl_shared_queue *queue, void *record, size_t size, pawl_deadline until);

/* Get a record as a task that can be told from others: *task. */
PAWL_API PAWL_NODISCARD int64_t
pawl_shared_queue_get_task(pawl_shared_queue *queue, void *record, size_t size,
                           pawl_shared_task *task);
PAWL_API PAWL_NODISCARD int64_t
pawl_shared_queue_try_get_task(pawl_shared_queue *queue, void *record,
                               size_t size, pawl_shared_task *task);
PAWL_API PAWL_NODISCARD int64_t pawl_shared_queue_get_task_until(
    pawl_shared_queue *queue, void *record, size_t size, pawl_shared_task *task,
    pawl_deadline until);

/* DEQUE: the same at the other ends, with the same answers.  -EINVAL other kinds. */
PAWL_API int pawl_shared_queue_put_front(pawl_shared_queue *queue,
                                         const void *record, size_t bytes);
PAWL_API PAWL_NODISCARD int
pawl_shared_queue_try_put_front(pawl_shared_queue *queue, const void *record,
                                size_t bytes);
PAWL_API PAWL_NODISCARD int
pawl_shared_queue_put_front_until(pawl_shared_queue *queue, const void *record,
                                  size_t bytes, pawl_deadline until);
PAWL_API PAWL_NODISCARD int64_t
pawl_shared_queue_get_back(pawl_shared_queue *queue, void *record, size_t size);
PAWL_API PAWL_NODISCARD int64_t pawl_shared_queue_try_get_back(
    pawl_shared_queue *queue, void *record, size_t size);
PAWL_API PAWL_NODISCARD int64_t pawl_shared_queue_get_back_until(
    pawl_shared_queue *queue, void *record, size_t size, pawl_deadline until);

/* ---- many at once ----------------------------------------------------------- */

/* Put up to n records, the i-th of which is bytes[i] long and lies at records + i * size
 * (bytes NULL: each is `size` long): wait until there is room for one, then put what
 * fits, with one wake-up for all.  FIFO: others' may come between them.  Who is killed
 * inside has put the first of them, or all, or none; each that it has put is delivered,
 * as after a put.
 *
 * Returns    how many, >= 1;  0 if n is 0;  the errors of put, nothing is put then:
 *            -EMSGSIZE, -EINVAL also if they are of any of the n;  -EMSGSIZE also one
 *            longer than `size`.
 * Order      release.
 * Cost       FIFO: one locked instruction and the copy for each; all else once.
 */
PAWL_API PAWL_NODISCARD int64_t
pawl_shared_queue_put_many(pawl_shared_queue *queue, const void *records,
                           size_t size, const size_t *bytes, size_t n);
PAWL_API PAWL_NODISCARD int64_t
pawl_shared_queue_try_put_many(pawl_shared_queue *queue, const void *records,
                               size_t size, const size_t *bytes, size_t n);
PAWL_API PAWL_NODISCARD int64_t pawl_shared_queue_put_many_until(
    pawl_shared_queue *queue, const void *records, size_t size,
    const size_t *bytes, size_t n, pawl_deadline until);

/* Take up to n records, and copy the i-th to records + i * size, its length to bytes[i]
 * and, with tasks, its task to tasks[i] (NULL: not told): wait until there is one, then
 * take what is there, or, with tasks, as many of that as there are hands for.  Each is a
 * task of its own; report tasks[i] done, as task_done(NULL) may take any of them.  Who is
 * killed inside had those in its hand that it has taken so far: without tasks they are
 * gone, with tasks they come again, or count as done, as `tasks` says.
 *
 * Returns    how many, >= 1;  0 if n is 0;  the errors of get;  -EMSGSIZE size <
 *            record_size.
 * Order      acquire.
 * Cost       as put_many.
 */
PAWL_API PAWL_NODISCARD int64_t
pawl_shared_queue_get_many(pawl_shared_queue *queue, void *records, size_t size,
                           size_t *bytes, pawl_shared_task *tasks, size_t n);
PAWL_API PAWL_NODISCARD int64_t pawl_shared_queue_try_get_many(
    pawl_shared_queue *queue, void *records, size_t size, size_t *bytes,
    pawl_shared_task *tasks, size_t n);
PAWL_API PAWL_NODISCARD int64_t pawl_shared_queue_get_many_until(
    pawl_shared_queue *queue, void *records, size_t size, size_t *bytes,
    pawl_shared_task *tasks, size_t n, pawl_deadline until);

/* ---- tasks ---------------------------------------------------------------- */

/* Report a task of the calling thread's done: that one, or, if it is NULL, one that
 * it has (the last it got, if it has done the ones before).
 *
 * Returns    0;  -EOVERFLOW it has no such task, or has reported it before:
 *            unchanged;  -EINVAL a queue without tasks;  -EBADF the region is closed,
 *            -ENOMEM as at the top.
 * Order      release: pairs with the acquire of join.
 */
PAWL_API int pawl_shared_queue_task_done(pawl_shared_queue *queue,
                                         const pawl_shared_task *task);

/* Wait until nothing is unfinished: the queue is empty, and no task is in anybody's
 * hand.  Everybody who waits when that is so returns, even if more is put before
 * they run.
 *
 * Returns    0;  -ETIMEDOUT (until; try: -EAGAIN);  -EINVAL a queue without tasks;
 *            -EBADF, -ENOMEM as at the top.
 * Order      acquire.
 * Cost       looks at each hand.
 */
PAWL_API int pawl_shared_queue_join(pawl_shared_queue *queue);
PAWL_API PAWL_NODISCARD int
pawl_shared_queue_try_join(pawl_shared_queue *queue);
PAWL_API PAWL_NODISCARD int
pawl_shared_queue_join_until(pawl_shared_queue *queue, pawl_deadline until);

/* Records in the queue, and tasks in hands, which are not done.  Exact while nobody
 * else puts, gets or reports; those of the dead count until they are found. */
PAWL_API uint64_t pawl_shared_queue_unfinished(pawl_shared_queue *queue);

/* ---- among others ----------------------------------------------------------- */

/* For the sets of pawl/wait.h, in this process: PAWL_WAIT_SHARED_READABLE(q) is ready
 * when there is a record, or a task that somebody died with is to be had again;
 * PAWL_WAIT_SHARED_WRITABLE(q) when there is room; both when it is shut down.  Takes
 * nothing: others may be faster, so use the try forms then.
 *
 * A handle that is closed ends the wait with -EBADF, and a thread for which the
 * region has no slot with -ENOMEM.  What nobody tells, because he was killed before
 * he did, is found within 50 ms.  There is no descriptor: pawl_wait_fd says
 * -EOPNOTSUPP. */
PAWL_API pawl_wait_item
pawl_shared_queue_readable_wait_item(pawl_shared_queue *queue);
PAWL_API pawl_wait_item
pawl_shared_queue_writable_wait_item(pawl_shared_queue *queue);
#define PAWL_WAIT_SHARED_READABLE(q) pawl_shared_queue_readable_wait_item(q)
#define PAWL_WAIT_SHARED_WRITABLE(q) pawl_shared_queue_writable_wait_item(q)

/* ---- the end -------------------------------------------------------------- */

/* Accept nothing more, from anybody.  Puts fail with -ESHUTDOWN and have put nothing;
 * what is in the queue, or was left by the dead to be done again, is still delivered;
 * then gets fail with -ESHUTDOWN.  A put in progress either fails or its record is
 * delivered.  For ever; doing it again does nothing.
 *
 * Returns    0;  -EBADF, -ENOMEM as at the top.
 */
PAWL_API int pawl_shared_queue_shutdown(pawl_shared_queue *queue);

/* The same, and take out what is in the queue, each record counting as done.
 *
 * Returns    how many;  the errors of shutdown;  -ENOMEM also: as many tasks are held
 *            as there is room for, so records are left that could not be taken.  It
 *            is shut down, and may be called again.
 */
PAWL_API int64_t pawl_shared_queue_shutdown_now(pawl_shared_queue *queue);

/* Whether shutdown has been called.  Never false again after it was true, until the
 * region is closed. */
PAWL_API bool pawl_shared_queue_is_shutdown(pawl_shared_queue *queue);

/* ---- snapshots ------------------------------------------------------------ */

/* The records in the queue at an instant within the call.  0, as unfinished, if the
 * region is closed, or has no slot for the caller. */
PAWL_API size_t pawl_shared_queue_size(pawl_shared_queue *queue);

/* Constant. */
PAWL_API size_t pawl_shared_queue_capacity(const pawl_shared_queue *queue);
PAWL_API size_t pawl_shared_queue_record_size(const pawl_shared_queue *queue);

/* Look for dead participants now: give back what they have left, and make their
 * tasks done, or available again.  Returns how many tasks wait to be adopted;
 * -EBADF, -ENOMEM as at the top. */
PAWL_API int pawl_shared_queue_recover(pawl_shared_queue *queue);

PAWL_END_DECLS

#endif /* PAWL_SHARED_QUEUE_H */
