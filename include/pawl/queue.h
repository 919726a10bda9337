/* SPDX-License-Identifier: MIT
 *
 * pawl/queue.h - the blocking queue for many producers and consumers.
 *
 * Three kinds with the same verbs: first in first out, last in first out,
 * smallest first.  Bounded, local or in memory that processes map at different
 * addresses; or unbounded, local.  Elements are of one size and copied in and
 * out; the capacity is exact.  What Python's queue.Queue does with a lock and
 * three conditions, the bounded FIFO does with one locked instruction and no
 * system call, unless somebody sleeps.
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
 *     kind        stored in                                  a put or a get
 *     FIFO        a lock-free ring (pawl/ring.h)             O(1), 1 locked
 *     LIFO        a lock-free stack (pawl/stack.h)           O(1), 2 locked
 *     PRIORITY    a 4-ary heap under one lock                O(log n)
 *     FIFO, unbounded   segments under two locks, one at each end: the two-lock
 *                 queue of Michael and Scott (1996), with many elements a node
 *     LIFO, unbounded   segments under one lock
 *     PRIORITY, unbounded   the heap, in memory that grows
 *
 * Order       what was done before a put is visible after the get of that
 *   element.  All consumers agree on one order of all puts, in which those of
 *   one producer stand as it made them.  FIFO: the oldest comes first.  LIFO:
 *   the newest.  PRIORITY: the smallest, and of equals the oldest.
 * Progress    lock-free kinds, try forms: lock-free, but for one futex wake if
 *   somebody sleeps; a thread that is stopped inside a call, or killed, keeps
 *   nobody from completing theirs.  The others: blocking, for as long as somebody
 *   else puts or gets; no form waits longer than that except for room or for an
 *   element.  A process that is killed inside a call of a shared PRIORITY queue
 *   leaves it locked.
 * Errors      -EAGAIN of a try form: full, or empty;  -ETIMEDOUT of an until
 *   form: the same, until the deadline;  -ESHUTDOWN: see pawl_queue_shutdown.
 *   -ENOMEM, lock-free kinds (FIFO: only elements of more than 8 bytes; LIFO:
 *   only put), try forms only: more threads than `participants` are inside, or
 *   died there; the other forms wait (LIFO: for ever, if all of them died).
 *   Unbounded, put: no memory; all forms.
 *   -EDEADLK, kinds with a lock: called from their own comparator or visitor.
 *   -ENOTRECOVERABLE: a thread ended, or was left behind by a fork, while it held
 *   a lock.
 *   A call that fails has put or taken nothing.
 * Memory      freed when no call is inside: a consumer that got the last element
 *   may not free the queue while its producer may still be in put.  Unbounded:
 *   segments of about 4 KiB are freed when their elements have left, all but two;
 *   a heap keeps what it has grown to.  A heap has 24 bytes for each element
 *   beside it, which is rounded up to 8.
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

enum pawl_queue_kind {
    PAWL_QUEUE_FIFO,     /* Python's Queue; unbounded, SimpleQueue */
    PAWL_QUEUE_LIFO,     /* LifoQueue */
    PAWL_QUEUE_PRIORITY, /* PriorityQueue, but that equals keep their order */
};

/* Flags of the PRIORITY kind. */
enum {
    PAWL_QUEUE_SIGNED = 1 << 8,    /* the key is an int64_t, not a uint64_t */
    PAWL_QUEUE_MAX_FIRST = 1 << 9, /* the greatest comes first */
};

/* Less than 0, 0, more than 0: as a comes before, is equal to, comes after b.
 * Called with the queue locked: calls of it return -EDEADLK.  Has to return. */
typedef int (*pawl_queue_compare_fn)(const void *a, const void *b,
                                     void *context);

/* What is not said is 0. */
typedef struct pawl_queue_options {
    size_t capacity;     /* 1 .. PAWL_QUEUE_CAPACITY_MAX; unbounded: 0 */
    size_t element_size; /* bytes, 1 .. PAWL_QUEUE_ELEMENT_MAX */
    unsigned flags;      /* PAWL_SHARED or PAWL_UNBOUNDED, and those above */
    /* Lock-free kinds: threads that are inside at one time; 0 means 64.  FIFO: it
     * costs memory, and matters, for elements of more than 8 bytes only: each
     * thread keeps the memory of an element. */
    uint32_t participants;
    enum pawl_queue_kind kind;
    /* PRIORITY: the place of the key, 8 bytes, in the element; or, if it is not
     * shared, who compares two elements. */
    size_t key_offset;
    pawl_queue_compare_fn compare;
    void *context; /* for compare */
} pawl_queue_options;

#define PAWL_QUEUE_CAPACITY_MAX (UINT32_C(1) << 30)
#define PAWL_QUEUE_ELEMENT_MAX (UINT32_C(1) << 31)

/* The alignment of the memory of a queue. */
#define PAWL_QUEUE_ALIGN 128

/* The bytes of memory that a queue needs.
 *
 * Returns    a number > 0;  -EINVAL an option out of its bounds, or one that is
 *            not of its kind, or PAWL_UNBOUNDED, which only create knows;
 *            -EOVERFLOW no memory is that large.
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
 *            the heap is not;  -EINVAL PAWL_UNBOUNDED and a capacity;  -ENOMEM.
 */
PAWL_API int pawl_queue_create(pawl_queue **queue,
                               const pawl_queue_options *options);
/* Free what create has made; NULL is legal. */
PAWL_API void pawl_queue_free(pawl_queue *queue);

/* ---- elements ----------------------------------------------------------- */

/* Put a copy of *element; wait while the queue is full.  An unbounded queue never
 * is.
 *
 * Returns    0;  -ESHUTDOWN;  -ETIMEDOUT (until);  -EAGAIN (try);  -ENOMEM,
 *            -EDEADLK, -ENOTRECOVERABLE: see the top.
 * Order      release.
 * Cost       see the top; no system call if there is room and nobody sleeps.
 * Contexts   try, lock-free kinds: any, signal handlers included.
 */
PAWL_API int pawl_queue_put(pawl_queue *queue, const void *element);
PAWL_API PAWL_NODISCARD int pawl_queue_try_put(pawl_queue *queue,
                                               const void *element);
PAWL_API PAWL_NODISCARD int pawl_queue_put_until(pawl_queue *queue,
                                                 const void *element,
                                                 pawl_deadline until);

/* Take the next element and copy it to *element; wait while the queue is empty.
 *
 * Returns    0;  -ESHUTDOWN shut down, and empty;  -ETIMEDOUT (until);  -EAGAIN
 *            (try);  -ENOMEM, -EDEADLK, -ENOTRECOVERABLE: see the top.
 * Order      acquire.
 * Cost       see the top; no system call if there is an element and nobody sleeps.
 * Contexts   try, lock-free kinds: any, signal handlers included.
 */
PAWL_API PAWL_NODISCARD int pawl_queue_get(pawl_queue *queue, void *element);
PAWL_API PAWL_NODISCARD int pawl_queue_try_get(pawl_queue *queue,
                                               void *element);
PAWL_API PAWL_NODISCARD int pawl_queue_get_until(pawl_queue *queue,
                                                 void *element,
                                                 pawl_deadline until);

/* Put up to n elements that lie one after the other: wait until there is room
 * for one, then put what fits, with one wake-up for all.  Others' may come
 * between them where the kind is lock-free.
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

/* Look at each element that is inside, with the queue locked: PRIORITY and
 * unbounded kinds.  They come in the order of their gets; PRIORITY: in none.
 *
 * visitor     has to return: 0 to see the next one, anything else to end.
 *
 * Returns    0;  what visitor returned, if it was not 0;  -EOPNOTSUPP a
 *            lock-free kind, which has no such moment;  -EDEADLK called from a
 *            visitor or a comparator;  -ENOTRECOVERABLE: see the top.
 * Order      acquire.
 * Progress   blocking, and so are all other calls until it returns; those that a
 *            visitor makes return -EDEADLK.
 */
typedef int (*pawl_queue_visit_fn)(const void *element, void *context);
PAWL_API int pawl_queue_visit(pawl_queue *queue, pawl_queue_visit_fn visitor,
                              void *context);

/* ---- the end ------------------------------------------------------------ */

/* Accept nothing more.  Puts, those that wait included, fail with -ESHUTDOWN and
 * have put nothing; what is in the queue is still delivered; then gets fail with
 * -ESHUTDOWN too, those that wait included.  A put in progress either fails or
 * its element is delivered.  For ever; doing it again does nothing.
 *
 * Returns    0;  -EDEADLK, -ENOTRECOVERABLE: see the top.
 * Contexts   lock-free kinds: any, signal handlers included.
 */
PAWL_API int pawl_queue_shutdown(pawl_queue *queue);

/* The same, and take out what is in the queue, each element counting as done.
 * Elements that were taken before and are not reported done still count.
 *
 * discard     called with each, with nothing locked; NULL: they are dropped.  The
 *             element is aligned as in an array of them, may be changed, and is
 *             gone when discard returns.
 *
 * Returns    how many were discarded;  the errors of shutdown.
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

/* How many elements are unfinished, at an instant as said below.  A bounded
 * LIFO counts them modulo 2^(63-b), where 2^b is more than capacity +
 * participants. */
PAWL_API uint64_t pawl_queue_unfinished(const pawl_queue *queue);

/* ---- snapshots ---------------------------------------------------------- */

/* The size at an instant within the call; it may be another one at the return.
 * PRIORITY and unbounded LIFO: at an instant that may lie before the call, though
 * not before anything that the caller has done or knows of. */
PAWL_API size_t pawl_queue_size(const pawl_queue *queue);
PAWL_API bool pawl_queue_is_empty(const pawl_queue *queue);
PAWL_API bool pawl_queue_is_full(const pawl_queue *queue);

/* Constant.  The capacity of an unbounded queue is 0, and it is never full. */
PAWL_API size_t pawl_queue_capacity(const pawl_queue *queue);
PAWL_API size_t pawl_queue_element_size(const pawl_queue *queue);

PAWL_END_DECLS

#endif /* PAWL_QUEUE_H */
