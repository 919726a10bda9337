/* SPDX-License-Identifier: MIT
 *
 * pawl/queue.h - the blocking queue for many producers and consumers.
 *
 * First in, first out, bounded: a lock-free ring (pawl/ring.h) to which threads
 * that find it full or empty can sleep.  Elements are of one size and copied in
 * and out; the capacity is exact.  Local, or in memory that processes map at
 * different addresses.  What Python's queue.Queue does with a lock and three
 * conditions, this does with one locked instruction and no system call, unless
 * somebody sleeps.
 *
 *     pawl_queue *q;
 *     struct job job;
 *
 *     pawl_queue_create(&q, &(pawl_queue_options){
 *         .capacity = 64, .element_size = sizeof job});
 *
 *     pawl_queue_put(q, &job);                 many producers
 *
 *     while (pawl_queue_get(q, &job) == 0) {   many consumers
 *         run(&job);
 *         pawl_queue_task_done(q);
 *     }
 *
 *     pawl_queue_join(q);                      all that was put is done
 *     pawl_queue_shutdown(q);                  consumers end
 *
 * Order       what was done before a put is visible after the get of that
 *   element.  Elements of one producer come in the order of its puts, those of
 *   several in one order that all consumers agree on.
 * Progress    try forms: lock-free, but for one futex wake if somebody sleeps; a
 *   thread that is stopped inside a call, or killed, keeps nobody from
 *   completing theirs.
 * Errors      -EAGAIN of a try form: full, or empty;  -ETIMEDOUT of an until
 *   form: the same, until the deadline;  -ESHUTDOWN: see pawl_queue_shutdown.
 *   -ENOMEM, try forms only, elements of more than 8 bytes only: more threads
 *   than `participants` are inside, or died there; the other forms wait.
 *   A call that fails has put or taken nothing.
 * Memory      freed when no call is inside: a consumer that got the last element
 *   may not free the queue while its producer may still be in put.
 *
 * Since 0.1.
 */
#ifndef PAWL_QUEUE_H
#define PAWL_QUEUE_H

#include <pawl/base.h>
#include <pawl/time.h>

PAWL_BEGIN_DECLS

typedef struct pawl_queue pawl_queue;

/* ---- making one --------------------------------------------------------- */

typedef struct pawl_queue_options {
    size_t capacity;     /* 1 .. PAWL_RING_CAPACITY_MAX */
    size_t element_size; /* bytes, 1 .. PAWL_RING_ELEMENT_MAX */
    unsigned flags;      /* PAWL_SHARED, or 0 */
    /* Threads that use it at one time; 0 means 64.  Costs memory, and matters,
     * for elements of more than 8 bytes only: each thread keeps the memory of an
     * element. */
    uint32_t participants;
} pawl_queue_options;

/* The alignment of the memory of a queue. */
#define PAWL_QUEUE_ALIGN 128

/* The bytes of memory that a queue needs.
 *
 * Returns    a number > 0;  -EINVAL an option out of its bounds;  -EOVERFLOW no
 *            memory is that large.
 */
PAWL_API int64_t pawl_queue_bytes(const pawl_queue_options *options);

/* Make an empty queue in `memory`, which has so many bytes, aligned to
 * PAWL_QUEUE_ALIGN.  To be done by one, before others attach.
 *
 * Returns    0, and the queue in *queue: it lies at `memory`;  -EINVAL,
 *            -EOVERFLOW as pawl_queue_bytes;  -EINVAL not aligned;  -ENOSPC too
 *            few bytes.
 */
PAWL_API int pawl_queue_init(pawl_queue **queue, void *memory, size_t bytes,
                             const pawl_queue_options *options);

/* Find the queue that another process has made in memory that is mapped here.
 *
 * Returns    0, and the queue in *queue;  -EINVAL there is none (yet), it has a
 *            layout that this library does not know or a format that this CPU
 *            cannot use, or the memory is not aligned or shorter than the queue.
 */
PAWL_API int pawl_queue_attach(pawl_queue **queue, void *memory, size_t bytes);

/* A queue on the heap.
 *
 * Returns    0;  -EINVAL, -EOVERFLOW as pawl_queue_bytes;  -EINVAL PAWL_SHARED:
 *            the heap is not;  -ENOMEM.
 */
PAWL_API int pawl_queue_create(pawl_queue **queue,
                               const pawl_queue_options *options);
/* Free what create has made; NULL is legal. */
PAWL_API void pawl_queue_free(pawl_queue *queue);

/* ---- elements ----------------------------------------------------------- */

/* Put a copy of *element at the end; wait while the queue is full.
 *
 * Returns    0;  -ESHUTDOWN;  -ETIMEDOUT (until);  -EAGAIN, -ENOMEM (try).
 * Order      release.
 * Cost       room, and nobody sleeps: one locked instruction.
 * Contexts   try: any, signal handlers included.
 */
PAWL_API int pawl_queue_put(pawl_queue *queue, const void *element);
PAWL_API PAWL_NODISCARD int pawl_queue_try_put(pawl_queue *queue,
                                               const void *element);
PAWL_API PAWL_NODISCARD int pawl_queue_put_until(pawl_queue *queue,
                                                 const void *element,
                                                 pawl_deadline until);

/* Take the first element and copy it to *element; wait while the queue is empty.
 *
 * Returns    0;  -ESHUTDOWN shut down, and empty;  -ETIMEDOUT (until);  -EAGAIN,
 *            -ENOMEM (try).
 * Order      acquire.
 * Cost       not empty, and nobody sleeps: one locked instruction.
 * Contexts   try: any, signal handlers included.
 */
PAWL_API PAWL_NODISCARD int pawl_queue_get(pawl_queue *queue, void *element);
PAWL_API PAWL_NODISCARD int pawl_queue_try_get(pawl_queue *queue,
                                               void *element);
PAWL_API PAWL_NODISCARD int pawl_queue_get_until(pawl_queue *queue,
                                                 void *element,
                                                 pawl_deadline until);

/* Put up to n elements that lie one after the other: wait until there is room
 * for one, then put what fits, with one wake-up for all.  Others' may come
 * between them.
 *
 * Returns    how many, at least 1;  the errors of put;  0 if n is 0.
 */
PAWL_API PAWL_NODISCARD int64_t pawl_queue_put_many(pawl_queue *queue,
                                                    const void *elements,
                                                    size_t n);
PAWL_API PAWL_NODISCARD int64_t pawl_queue_try_put_many(pawl_queue *queue,
                                                        const void *elements,
                                                        size_t n);
PAWL_API PAWL_NODISCARD int64_t
pawl_queue_put_many_until(pawl_queue *queue, const void *elements, size_t n,
                          pawl_deadline until);

/* Take up to n elements: wait until there is one, then take what is there.
 *
 * Returns    how many, at least 1;  the errors of get;  0 if n is 0.
 */
PAWL_API PAWL_NODISCARD int64_t pawl_queue_get_many(pawl_queue *queue,
                                                    void *elements, size_t n);
PAWL_API PAWL_NODISCARD int64_t pawl_queue_try_get_many(pawl_queue *queue,
                                                        void *elements,
                                                        size_t n);
PAWL_API PAWL_NODISCARD int64_t
pawl_queue_get_many_until(pawl_queue *queue, void *elements, size_t n,
                          pawl_deadline until);

/* ---- the end ------------------------------------------------------------ */

/* Accept nothing more.  Puts, those that wait included, fail with -ESHUTDOWN and
 * have put nothing; what is in the queue is still delivered; then gets fail with
 * -ESHUTDOWN too, those that wait included.  A put in progress either fails or
 * its element is delivered.  For ever; doing it again does nothing.
 *
 * Returns    0.
 * Contexts   any, signal handlers included.
 */
PAWL_API int pawl_queue_shutdown(pawl_queue *queue);

/* The same, and take out what is in the queue, each element counting as done.
 * Elements that were taken before and are not reported done still count.
 *
 * discard     called with each, with nothing locked; NULL: they are dropped.  The
 *             element may be changed, and is gone when discard returns.
 *
 * Returns    how many were discarded.
 */
typedef void (*pawl_queue_discard_fn)(void *element, void *context);
PAWL_API int64_t pawl_queue_shutdown_now(pawl_queue *queue,
                                         pawl_queue_discard_fn discard,
                                         void *context);

/* Whether shutdown has been called.  Never false again after it was true. */
PAWL_API bool pawl_queue_is_shutdown(const pawl_queue *queue);

/* ---- tasks -------------------------------------------------------------- */

/* Report that the work on one element that was put is done.  What has been put
 * and not reported is unfinished.
 *
 * Returns    0;  -EOVERFLOW nothing is unfinished: unchanged.
 * Order      release: pairs with the acquire of join.
 * Progress   lock-free, but for one futex wake at zero if somebody joins.
 * Contexts   any, signal handlers included.
 */
PAWL_API int pawl_queue_task_done(pawl_queue *queue);

/* Wait until nothing is unfinished.  Everybody who waits when that is so returns,
 * even if more is put before they run.
 *
 * Returns    0;  -ETIMEDOUT (until);  -EAGAIN (try).
 * Order      acquire.
 */
PAWL_API int pawl_queue_join(pawl_queue *queue);
PAWL_API PAWL_NODISCARD int pawl_queue_try_join(pawl_queue *queue);
PAWL_API PAWL_NODISCARD int pawl_queue_join_until(pawl_queue *queue,
                                                  pawl_deadline until);

/* How many elements are unfinished, at an instant within the call. */
PAWL_API uint64_t pawl_queue_unfinished(const pawl_queue *queue);

/* ---- snapshots ---------------------------------------------------------- */

/* The size at an instant within the call; it may be another one at the return. */
PAWL_API size_t pawl_queue_size(const pawl_queue *queue);
PAWL_API bool pawl_queue_is_empty(const pawl_queue *queue);
PAWL_API bool pawl_queue_is_full(const pawl_queue *queue);

/* Constant. */
PAWL_API size_t pawl_queue_capacity(const pawl_queue *queue);
PAWL_API size_t pawl_queue_element_size(const pawl_queue *queue);

PAWL_END_DECLS

#endif /* PAWL_QUEUE_H */
