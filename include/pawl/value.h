/* SPDX-License-Identifier: MIT
 *
 * pawl/value.h - numbers and arrays in shared memory.
 *
 * Two things.  Numbers that are changed by one atomic operation and need no lock:
 *
 *     pawl_u64 *hits;                       zero bytes are the number 0
 *     pawl_u64_add(hits, 1);                Python loses updates here
 *
 * And arrays of elements of any size with a lock of their own, which is recursive
 * so that one may take it around several calls.  A shared value of any type is an
 * array of one element.
 *
 *     pawl_array *a;
 *
 *     pawl_array_init(&a, memory, bytes, 100, sizeof(struct point), PAWL_SHARED);
 *     pawl_array_get(a, 7, &point);
 *
 *     Python                    pawl
 *     Value('i', lock=False)    pawl_u32, pawl_u64, pawl_f64
 *     v.value += 1              pawl_u32_add(v, 1)
 *     Value(T), Array(T, n)     pawl_array
 *     RawValue, RawArray        pawl_array, PAWL_ARRAY_RAW; or any memory
 *     a.get_lock()              pawl_array_lock
 *     a.get_obj()               pawl_array_at
 *
 * There are no addresses in them: they may lie in a region, or anywhere else.
 *
 * Since 0.1.
 */
#ifndef PAWL_VALUE_H
#define PAWL_VALUE_H

#include <pawl/base.h>
#include <pawl/rmutex.h>

PAWL_BEGIN_DECLS

/* ---- numbers --------------------------------------------------------------
 *
 * Wrap at their width: a signed number is the same bits, so
 * (int32_t)pawl_u32_add(v, (uint32_t)-1) subtracts one and says what was before.
 *
 * Order      seq_cst, all of them.
 * Progress   wait-free, but for f64_add: lock-free.
 * Cost       one atomic instruction; f64_add: one and a load, and again after each
 *            lost race.
 * Contexts   any, signal handlers included; also processes that may be killed.
 */

/* A double, as its bits. */
typedef struct pawl_f64 {
    pawl_u64 bits_;
} pawl_f64;

PAWL_API uint32_t pawl_u32_load(const pawl_u32 *v);
PAWL_API void pawl_u32_store(pawl_u32 *v, uint32_t to);
/* These return what was there before. */
PAWL_API uint32_t pawl_u32_exchange(pawl_u32 *v, uint32_t to);
PAWL_API uint32_t pawl_u32_add(pawl_u32 *v, uint32_t n);
PAWL_API uint32_t pawl_u32_and(pawl_u32 *v, uint32_t bits);
PAWL_API uint32_t pawl_u32_or(pawl_u32 *v, uint32_t bits);
PAWL_API uint32_t pawl_u32_xor(pawl_u32 *v, uint32_t bits);
/* If it is *seen, make it `to` and say true; else *seen becomes what it is. */
PAWL_API bool pawl_u32_compare_exchange(pawl_u32 *v, uint32_t *seen,
                                        uint32_t to);

/* The same for 64 bits. */
PAWL_API uint64_t pawl_u64_load(const pawl_u64 *v);
PAWL_API void pawl_u64_store(pawl_u64 *v, uint64_t to);
PAWL_API uint64_t pawl_u64_exchange(pawl_u64 *v, uint64_t to);
PAWL_API uint64_t pawl_u64_add(pawl_u64 *v, uint64_t n);
PAWL_API uint64_t pawl_u64_and(pawl_u64 *v, uint64_t bits);
PAWL_API uint64_t pawl_u64_or(pawl_u64 *v, uint64_t bits);
PAWL_API uint64_t pawl_u64_xor(pawl_u64 *v, uint64_t bits);
PAWL_API bool pawl_u64_compare_exchange(pawl_u64 *v, uint64_t *seen,
                                        uint64_t to);

/* The same for a double; compare_exchange compares bits: -0.0 is not 0.0, and a NaN
 * is itself. */
PAWL_API double pawl_f64_load(const pawl_f64 *v);
PAWL_API void pawl_f64_store(pawl_f64 *v, double to);
PAWL_API double pawl_f64_exchange(pawl_f64 *v, double to);
PAWL_API double pawl_f64_add(pawl_f64 *v, double n);
PAWL_API bool pawl_f64_compare_exchange(pawl_f64 *v, double *seen, double to);

/* ---- arrays ---------------------------------------------------------------- */

typedef struct pawl_array pawl_array;

enum {
    PAWL_ARRAY_RAW = 1 << 8,    /* no lock: pawl_array_lock is NULL */
    PAWL_ARRAY_PADDED = 1 << 9, /* each element in cache lines of its own */
};

#define PAWL_ARRAY_ALIGN 64

/* The bytes that an array needs.
 *
 * Returns    a number > 0;  -EINVAL a size of 0, or an unknown flag;  -EOVERFLOW no
 *            memory is that large.
 */
PAWL_API int64_t pawl_array_bytes(size_t length, size_t element_size,
                                  unsigned flags);

/* Make an array in `memory`, which has so many bytes, aligned to PAWL_ARRAY_ALIGN;
 * its elements become zero bytes.  Flags: PAWL_SHARED, if processes share it, and
 * those above.  To be done by one, before others attach.
 *
 * Returns    0, and the array in *array: it lies at `memory`;  -EINVAL, -EOVERFLOW as
 *            pawl_array_bytes;  -EINVAL not aligned;  -ENOSPC too few bytes.
 */
PAWL_API int pawl_array_init(pawl_array **array, void *memory, size_t bytes,
                             size_t length, size_t element_size,
                             unsigned flags);

/* Find the array that another process has made in memory that is mapped here.
 *
 * Returns    0, and the array in *array;  -EINVAL there is none, or it does not fit
 *            into so many bytes, or the memory is not aligned.
 */
PAWL_API int pawl_array_attach(pawl_array **array, void *memory, size_t bytes);

/* Constant. */
PAWL_API size_t pawl_array_length(const pawl_array *array);
PAWL_API size_t pawl_array_element_size(const pawl_array *array);

/* Copy an element out, or in, under the lock.
 *
 * Returns    0;  -ERANGE there is no such element;  -ENOTRECOVERABLE, -EOVERFLOW,
 *            -EDEADLK, -EAGAIN, -ENOMEM of the lock: see pawl/rmutex.h.  After the
 *            death of a holder the lock is taken, and made consistent: an element
 *            may be half written then.
 */
PAWL_API int pawl_array_get(pawl_array *array, size_t i, void *element);
PAWL_API int pawl_array_set(pawl_array *array, size_t i, const void *element);

/* Copy n elements from the first-th on, one after the other, in one critical
 * section.  Returns as get; -ERANGE if one of them does not exist: nothing is copied
 * then. */
PAWL_API int pawl_array_get_range(pawl_array *array, size_t first, size_t n,
                                  void *elements);
PAWL_API int pawl_array_set_range(pawl_array *array, size_t first, size_t n,
                                  const void *elements);

/* Have fn change an element in place, under the lock: returns what fn returned, or
 * the errors of get. */
typedef int (*pawl_array_change_fn)(void *element, void *context);
PAWL_API int pawl_array_change(pawl_array *array, size_t i,
                               pawl_array_change_fn fn, void *context);

/* Text in an array of single bytes.  set writes it and a terminator, if there is
 * room for one, and leaves what is behind it; get copies up to the first zero byte,
 * and terminates.
 *
 * Returns    set: 0, -ENOSPC too long;  get: the length, -ENOSPC more than `size`
 *            with its terminator;  -EINVAL the elements are no single bytes; the
 *            errors of the lock.
 */
PAWL_API int pawl_array_set_text(pawl_array *array, const char *text);
PAWL_API int64_t pawl_array_get_text(pawl_array *array, char *text,
                                     size_t size);

/* The lock, to hold it around several calls; NULL if it is raw. */
PAWL_API pawl_rmutex *pawl_array_lock(pawl_array *array);

/* Where an element lies; NULL if there is none.  For those who hold the lock, or
 * need none. */
PAWL_API void *pawl_array_at(pawl_array *array, size_t i);

PAWL_END_DECLS

#endif /* PAWL_VALUE_H */
