/* SPDX-License-Identifier: MIT
 *
 * array.c - arrays of pawl/value.h.
 */
#include <pawl/value.h>

#include <errno.h>
#include <string.h>

#include "base/place.h"

#define MAGIC UINT64_C(0x7961727261776170)
#define FLAGS ((unsigned)(PAWL_SHARED | PAWL_ARRAY_RAW | PAWL_ARRAY_PADDED))

struct pawl_array {
    uint64_t magic; /* these are constant after init */
    uint64_t length;
    uint64_t element_size;
    uint32_t stride; /* from one element to the next, less element_size */
    uint32_t flags;
    pawl_rmutex lock;
    uint64_t unused[2];
    unsigned char element[];
};

_Static_assert(sizeof(struct pawl_array) == PAWL_ARRAY_ALIGN,
               "elements begin in a cache line of their own");

static uint64_t stride_of(const struct pawl_array *a)
{
    return a->element_size + a->stride;
}

int64_t pawl_array_bytes(size_t length, size_t element_size, unsigned flags)
{
    uint64_t stride = element_size;
    uint64_t bytes;

    if (length == 0 || element_size == 0 || (flags & ~FLAGS) != 0)
        return -EINVAL;
    if (element_size > INT64_MAX / 2)
        return -EOVERFLOW;
    if ((flags & PAWL_ARRAY_PADDED) != 0)
        stride = pawl_round_up(element_size, PAWL_ARRAY_ALIGN);
    if (__builtin_mul_overflow(stride, length, &bytes) ||
        bytes > INT64_MAX - sizeof(struct pawl_array))
        return -EOVERFLOW;
    return (int64_t)(bytes + sizeof(struct pawl_array));
}

int pawl_array_init(pawl_array **array, void *memory, size_t bytes,
                    size_t length, size_t element_size, unsigned flags)
{
    int64_t needs = pawl_array_bytes(length, element_size, flags);
    int err = pawl_check_place(memory, PAWL_ARRAY_ALIGN, bytes, needs);
    struct pawl_array *a = memory;

    if (err != 0)
        return err;
    memset(memory, 0, (size_t)needs);
    a->length = length;
    a->element_size = element_size;
    a->flags = flags;
    if ((flags & PAWL_ARRAY_PADDED) != 0)
        a->stride = (uint32_t)(pawl_round_up(element_size, PAWL_ARRAY_ALIGN) -
                               element_size);
    pawl_rmutex_init(&a->lock, flags & PAWL_SHARED);
    a->magic = MAGIC;
    *array = a;
    return 0;
}

int pawl_array_attach(pawl_array **array, void *memory, size_t bytes)
{
    struct pawl_array *a = memory;
    int64_t needs;

    if (!pawl_is_place(memory, PAWL_ARRAY_ALIGN, bytes, sizeof *a) ||
        a->magic != MAGIC)
        return -EINVAL;
    needs =
        pawl_array_bytes((size_t)a->length, (size_t)a->element_size, a->flags);
    if (needs < 0 || (uint64_t)needs > bytes)
        return -EINVAL;
    *array = a;
    return 0;
}

size_t pawl_array_length(const pawl_array *a)
{
    return (size_t)a->length;
}

size_t pawl_array_element_size(const pawl_array *a)
{
    return (size_t)a->element_size;
}

pawl_rmutex *pawl_array_lock(pawl_array *a)
{
    return (a->flags & PAWL_ARRAY_RAW) != 0 ? NULL : &a->lock;
}

void *pawl_array_at(pawl_array *a, size_t i)
{
    return i < a->length ? a->element + i * stride_of(a) : NULL;
}

/* ---- under the lock ------------------------------------------------------------ */

static int enter(pawl_array *a)
{
    pawl_rmutex *lock = pawl_array_lock(a);
    int err = lock != NULL ? pawl_rmutex_lock(lock) : 0;

    return err == -EOWNERDEAD ? pawl_rmutex_consistent(lock) : err;
}

static void leave(pawl_array *a)
{
    pawl_rmutex *lock = pawl_array_lock(a);

    if (lock != NULL)
        pawl_rmutex_unlock(lock);
}

/* What a copy does to one element, or to all of them where they lie side by side. */
static void copy_range(pawl_array *a, size_t first, size_t n,
                       unsigned char *out, const unsigned char *in)
{
    size_t size = (size_t)a->element_size;
    size_t step = (size_t)stride_of(a);

    if (step == size) {
        size *= n;
        step = size;
        n = n != 0;
        first *= (size_t)a->element_size;
    } else {
        first *= step;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char *at = a->element + first + i * step;

        if (out != NULL)
            memcpy(out + i * size, at, size);
        else
            memcpy(at, in + i * size, size);
    }
}

static int copy(pawl_array *a, size_t first, size_t n, void *out,
                const void *in)
{
    int err;

    if (first > a->length || n > a->length - first)
        return -ERANGE;
    err = enter(a);
    if (err != 0)
        return err;
    copy_range(a, first, n, out, in);
    leave(a);
    return 0;
}

int pawl_array_get(pawl_array *a, size_t i, void *element)
{
    return copy(a, i, 1, element, NULL);
}

int pawl_array_set(pawl_array *a, size_t i, const void *element)
{
    return copy(a, i, 1, NULL, element);
}

int pawl_array_get_range(pawl_array *a, size_t first, size_t n, void *elements)
{
    return copy(a, first, n, elements, NULL);
}

int pawl_array_set_range(pawl_array *a, size_t first, size_t n,
                         const void *elements)
{
    return copy(a, first, n, NULL, elements);
}

int pawl_array_change(pawl_array *a, size_t i, pawl_array_change_fn fn,
                      void *context)
{
    int err;

    if (i >= a->length)
        return -ERANGE;
    err = enter(a);
    if (err != 0)
        return err;
    err = fn(pawl_array_at(a, i), context);
    leave(a);
    return err;
}

/* ---- text ---------------------------------------------------------------------- */

int pawl_array_set_text(pawl_array *a, const char *text)
{
    size_t length = strlen(text);

    if (a->element_size != 1)
        return -EINVAL;
    if (length > a->length)
        return -ENOSPC;
    /* With its terminator, if there is room. */
    return copy(a, 0, length < a->length ? length + 1 : length, NULL, text);
}

int64_t pawl_array_get_text(pawl_array *a, char *text, size_t size)
{
    size_t length = 0;
    int err;

    if (a->element_size != 1)
        return -EINVAL;
    err = enter(a);
    if (err != 0)
        return err;
    while (length < a->length &&
           *(unsigned char *)pawl_array_at(a, length) != 0)
        length++;
    if (length < size) {
        copy_range(a, 0, length, (unsigned char *)text, NULL);
        text[length] = '\0';
    }
    leave(a);
    return length < size ? (int64_t)length : -ENOSPC;
}
