/* SPDX-License-Identifier: MIT
 *
 * pawl/deque.h - the blocking deque: a queue with two ends, and a list.
 *
 * Python's collections.deque, each call of which is one critical section, with
 * forms that wait at both ends, and a shutdown.  Elements are of one size and
 * copied in and out.  Bounded, local or in memory that processes map at
 * different addresses; or unbounded, local.
 *
 *     pawl_deque *d;
 *     struct line line;
 *     struct line lost;
 *
 *     pawl_deque_create(&d, &(pawl_deque_options){       the last 100 lines
 *         .capacity = 100, .element_size = sizeof line,
 *         .flags = PAWL_DEQUE_DROP});
 *
 *     pawl_deque_push_back(d, &line);                    drops the first if full
 *     pawl_deque_push_back_dropping(d, &line, &lost);    and shows it
 *     pawl_deque_get(d, -1, &line);                      the last
 *
 * When a bounded deque is full, a push waits for room (the default), or drops the
 * element at the other end (PAWL_DEQUE_DROP).
 *
 * Algorithm   a circular array under one lock; two event counts for those who
 *   wait.  Unbounded, the array doubles when it is full, and is halved when a
 *   quarter is used.
 * Order       what was done before a push is visible after the pop, or the look,
 *   that finds the element.  All calls take effect one after the other.
 * Progress    blocking, for as long as somebody else is inside a call; no form
 *   waits longer than that except for room or for an element.  A process that is
 *   killed inside a call of a shared deque leaves it locked.
 * Cost        O(1) at the ends and for an index; no system call if nobody waits.
 * Callbacks   run with the deque locked, see pawl_deque_visit: calls of the same
 *   deque return -EBUSY there and do nothing, but for the snapshots.
 * Errors      of all calls that lock: -EBUSY: called from a callback of the same
 *   deque;  -ENOTRECOVERABLE: a thread ended, or was left behind by a fork, while
 *   it was inside.  A call that fails has changed nothing.
 * Contexts    not in signal handlers.
 *
 * Since 0.1.
 */
#ifndef PAWL_DEQUE_H
#define PAWL_DEQUE_H

#include <pawl/base.h>
#include <pawl/time.h>

PAWL_BEGIN_DECLS

typedef struct pawl_deque pawl_deque;

/* ---- making one --------------------------------------------------------- */

enum {
    PAWL_DEQUE_DROP = 1 << 8, /* a push into a full one drops an element */
};

typedef struct pawl_deque_options {
    size_t capacity;     /* 1 .. PAWL_DEQUE_CAPACITY_MAX; PAWL_DEQUE_DROP: also 0,
                          * which drops all; unbounded: 0 */
    size_t element_size; /* bytes, 1 .. PAWL_DEQUE_ELEMENT_MAX */
    unsigned flags;      /* PAWL_SHARED or PAWL_UNBOUNDED; PAWL_DEQUE_DROP */
} pawl_deque_options;

#define PAWL_DEQUE_CAPACITY_MAX (UINT32_C(1) << 30)
#define PAWL_DEQUE_ELEMENT_MAX (UINT32_C(1) << 31)

/* The alignment of the memory of a deque. */
#define PAWL_DEQUE_ALIGN 128

/* The bytes of memory that a bounded deque needs.
 *
 * Returns    a number > 0;  -EINVAL an option out of its bounds, or
 *            PAWL_UNBOUNDED, which only create knows.
 */
PAWL_API int64_t pawl_deque_bytes(const pawl_deque_options *options);

/* Make an empty deque in `memory`, which has so many bytes, aligned to
 * PAWL_DEQUE_ALIGN.  To be done by one, before others attach.
 *
 * Returns    0, and the deque in *deque: it lies at `memory`;  -EINVAL as
 *            pawl_deque_bytes, or not aligned;  -ENOSPC too few bytes.
 */
PAWL_API int pawl_deque_init(pawl_deque **deque, void *memory, size_t bytes,
                             const pawl_deque_options *options);

/* Find the deque that another process has made in memory that is mapped here.
 *
 * Returns    0, and the deque in *deque;  -EINVAL there is none (yet), it has a
 *            layout that this library does not know, or the memory is not
 *            aligned or shorter than the deque.
 */
PAWL_API int pawl_deque_attach(pawl_deque **deque, void *memory, size_t bytes);

/* A deque on the heap.
 *
 * Returns    0;  -EINVAL as pawl_deque_bytes; PAWL_SHARED: the heap is not;
 *            PAWL_UNBOUNDED and a capacity, PAWL_SHARED or PAWL_DEQUE_DROP;
 *            -ENOMEM.
 */
PAWL_API int pawl_deque_create(pawl_deque **deque,
                               const pawl_deque_options *options);
/* Free what create or copy has made; NULL is legal. */
PAWL_API void pawl_deque_free(pawl_deque *deque);

/* A deque on the heap, local, with the same capacity, mode and elements; open,
 * even if the other is shut down.  Returns 0;  -ENOMEM. */
PAWL_API int pawl_deque_copy(pawl_deque **copy, pawl_deque *deque);

/* ---- the ends ----------------------------------------------------------- */

/* Put a copy of *element at the front, or at the back.  Full: wait for room, or
 * drop the element at the other end.
 *
 * Returns    0;  -ESHUTDOWN;  -ETIMEDOUT (until);  -EAGAIN full (try);  -ENOMEM
 *            unbounded: there is no memory.
 * Order      release.
 */
PAWL_API int pawl_deque_push_front(pawl_deque *deque, const void *element);
PAWL_API PAWL_NODISCARD int pawl_deque_try_push_front(pawl_deque *deque,
                                                      const void *element);
PAWL_API PAWL_NODISCARD int pawl_deque_push_front_until(pawl_deque *deque,
                                                        const void *element,
                                                        pawl_deadline until);
PAWL_API int pawl_deque_push_back(pawl_deque *deque, const void *element);
PAWL_API PAWL_NODISCARD int pawl_deque_try_push_back(pawl_deque *deque,
                                                     const void *element);
PAWL_API PAWL_NODISCARD int pawl_deque_push_back_until(pawl_deque *deque,
                                                       const void *element,
                                                       pawl_deadline until);

/* The same without waiting in either mode: full, the element at the other end is
 * dropped (at capacity 0: the new one), and copied to *dropped unless that is
 * NULL.
 *
 * Returns    0: none was dropped;  1: one was;  -ESHUTDOWN;  -ENOMEM.
 */
PAWL_API int pawl_deque_push_front_dropping(pawl_deque *deque,
                                            const void *element,
                                            void *dropped);
PAWL_API int pawl_deque_push_back_dropping(pawl_deque *deque,
                                           const void *element, void *dropped);

/* Take the element at the front, or at the back, and copy it to *element; wait
 * while there is none.
 *
 * Returns    0;  -ESHUTDOWN shut down, and empty;  -ETIMEDOUT (until);  -EAGAIN
 *            empty (try).
 * Order      acquire.
 */
PAWL_API PAWL_NODISCARD int pawl_deque_pop_front(pawl_deque *deque,
                                                 void *element);
PAWL_API PAWL_NODISCARD int pawl_deque_try_pop_front(pawl_deque *deque,
                                                     void *element);
PAWL_API PAWL_NODISCARD int pawl_deque_pop_front_until(pawl_deque *deque,
                                                       void *element,
                                                       pawl_deadline until);
PAWL_API PAWL_NODISCARD int pawl_deque_pop_back(pawl_deque *deque,
                                                void *element);
PAWL_API PAWL_NODISCARD int pawl_deque_try_pop_back(pawl_deque *deque,
                                                    void *element);
PAWL_API PAWL_NODISCARD int pawl_deque_pop_back_until(pawl_deque *deque,
                                                      void *element,
                                                      pawl_deadline until);

/* Push n elements, one after the other, at once: nobody's come between them.  At
 * the front they stand in reverse then.  PAWL_DEQUE_DROP drops as many as it has
 * to.  Does not wait.
 *
 * Returns    0;  -EAGAIN there is not room for all: none is pushed;  -ESHUTDOWN;
 *            -ENOMEM.
 */
PAWL_API PAWL_NODISCARD int pawl_deque_extend_front(pawl_deque *deque,
                                                    const void *elements,
                                                    size_t n);
PAWL_API PAWL_NODISCARD int pawl_deque_extend_back(pawl_deque *deque,
                                                   const void *elements,
                                                   size_t n);

/* ---- by index ----------------------------------------------------------- */

/* Elements are numbered from the front, from 0; -1 is the last, -2 the one before
 * it.  Others may change the deque between two calls. */

/* Copy an element out; overwrite it; take it out, and copy it to *element unless
 * that is NULL.
 *
 * Returns    0;  -ERANGE there is no such element.
 * Cost       O(1); remove_at: O(distance to the nearer end).
 */
PAWL_API int pawl_deque_get(pawl_deque *deque, int64_t index, void *element);
PAWL_API int pawl_deque_set(pawl_deque *deque, int64_t index,
                            const void *element);
PAWL_API int pawl_deque_remove_at(pawl_deque *deque, int64_t index,
                                  void *element);

/* Put a copy of *element before the one with that index.  An index beyond an end
 * means that end.
 *
 * Returns    0;  -ENOSPC full, in either mode;  -ESHUTDOWN;  -ENOMEM.
 * Cost       O(distance to the nearer end).
 */
PAWL_API PAWL_NODISCARD int pawl_deque_insert(pawl_deque *deque, int64_t index,
                                              const void *element);

/* ---- by content --------------------------------------------------------- */

/* Whether this is what is looked for.  A callback: see the top. */
typedef bool (*pawl_deque_match_fn)(const void *element, const void *what);

/* The index of the first match from the front, among those from `start` up to,
 * but without, `stop`; these two may be negative, or beyond the ends.  0 and
 * INT64_MAX: among all.
 *
 * Returns    the index;  -ENOENT.
 */
PAWL_API int64_t pawl_deque_index(pawl_deque *deque, pawl_deque_match_fn match,
                                  const void *what, int64_t start,
                                  int64_t stop);

/* How many match. */
PAWL_API int64_t pawl_deque_count(pawl_deque *deque, pawl_deque_match_fn match,
                                  const void *what);

/* Take out the first match from the front, and copy it to *element unless that is
 * NULL.
 *
 * Returns    0;  -ENOENT.
 */
PAWL_API int pawl_deque_remove(pawl_deque *deque, pawl_deque_match_fn match,
                               const void *what, void *element);

/* Look at each element, from the front, with the deque locked.  `visitor` may
 * change the element, and says what becomes of it.  It has to return.
 *
 * Returns    how many were removed.
 */
enum pawl_deque_verdict {
    PAWL_DEQUE_KEEP = 0,
    PAWL_DEQUE_REMOVE = 1,
    PAWL_DEQUE_STOP = 2, /* keep it, and look at no more */
    PAWL_DEQUE_REMOVE_AND_STOP = 3,
};
typedef enum pawl_deque_verdict (*pawl_deque_visit_fn)(void *element,
                                                       void *context);
PAWL_API int64_t pawl_deque_visit(pawl_deque *deque,
                                  pawl_deque_visit_fn visitor, void *context);

/* ---- all ---------------------------------------------------------------- */

/* Move n elements from the back to the front, one after the other; negative:
 * from the front to the back.
 *
 * Returns    0.
 * Cost       O(1) if it is full; else O(size), as short a way round as there is.
 */
PAWL_API int pawl_deque_rotate(pawl_deque *deque, int64_t n);

/* Turn the order round.  Returns 0. */
PAWL_API int pawl_deque_reverse(pawl_deque *deque);

/* Take all out.  `discard` sees each of them, from the front; it is a callback,
 * see the top; NULL: none.
 *
 * Returns    how many there were.
 */
typedef void (*pawl_deque_discard_fn)(void *element, void *context);
PAWL_API int64_t pawl_deque_clear(pawl_deque *deque,
                                  pawl_deque_discard_fn discard, void *context);

/* ---- the end ------------------------------------------------------------ */

/* Accept nothing more.  Pushes, those that wait included, fail with -ESHUTDOWN and
 * have pushed nothing; what is in the deque is still delivered; then pops fail
 * with -ESHUTDOWN too, those that wait included.  For ever; doing it again does
 * nothing.  What does not add elements goes on.
 *
 * Returns    0.
 */
PAWL_API int pawl_deque_shutdown(pawl_deque *deque);

/* The same, and clear it.  Returns what clear does. */
PAWL_API int64_t pawl_deque_shutdown_now(pawl_deque *deque,
                                         pawl_deque_discard_fn discard,
                                         void *context);

/* Whether shutdown has been called.  Never false again after it was true. */
PAWL_API bool pawl_deque_is_shutdown(const pawl_deque *deque);

/* ---- snapshots ---------------------------------------------------------- */

/* The size at an instant within the call; it may be another one at the return. */
PAWL_API size_t pawl_deque_size(const pawl_deque *deque);
PAWL_API bool pawl_deque_is_empty(const pawl_deque *deque);
PAWL_API bool pawl_deque_is_full(const pawl_deque *deque);

/* Constant.  The capacity of an unbounded deque is 0, and it is never full. */
PAWL_API size_t pawl_deque_capacity(const pawl_deque *deque);
PAWL_API size_t pawl_deque_element_size(const pawl_deque *deque);

PAWL_END_DECLS

#endif /* PAWL_DEQUE_H */
