/* SPDX-License-Identifier: MIT
 *
 * tests/support/exhausted.h - let allocations fail, and count what is allocated.
 *
 *     exhausted_after(2);        two more succeed, then none
 *     err = put(q, &e);
 *     exhausted_end();           all succeed again
 *
 * In one file of a program: it brings the allocator's functions for all of it,
 * on top of glibc's own.  A program with a sanitizer keeps the sanitizer's, and
 * skips the test.
 */
#ifndef PAWL_TEST_EXHAUSTED_H
#define PAWL_TEST_EXHAUSTED_H

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

#include "test.h"

static _Atomic long exhausted_left_ = -1; /* negative: no end */
static _Atomic long exhausted_blocks_;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#    define EXHAUSTED_WORKS 0
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#        define EXHAUSTED_WORKS 0
#    endif
#endif
#ifndef EXHAUSTED_WORKS
#    define EXHAUSTED_WORKS 1
#endif

#if EXHAUSTED_WORKS

void *__libc_malloc(size_t size);
void *__libc_realloc(void *at, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *at);

static bool exhausted_(void)
{
    long left = atomic_load(&exhausted_left_);

    if (left == 0)
        errno = ENOMEM;
    if (left > 0)
        atomic_store(&exhausted_left_, left - 1);
    return left == 0;
}

static void *exhausted_count_(void *at)
{
    if (at != NULL)
        atomic_fetch_add(&exhausted_blocks_, 1);
    return at;
}

void *malloc(size_t size)
{
    return exhausted_() ? NULL : exhausted_count_(__libc_malloc(size));
}

void *realloc(void *at, size_t size)
{
    if (exhausted_())
        return NULL;
    return at == NULL ? exhausted_count_(__libc_malloc(size))
                      : __libc_realloc(at, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return exhausted_() ? NULL
                        : exhausted_count_(__libc_memalign(alignment, size));
}

void free(void *at)
{
    if (at != NULL)
        atomic_fetch_sub(&exhausted_blocks_, 1);
    __libc_free(at);
}

#endif

/* n more allocations of this process succeed. */
static inline void exhausted_after(long n)
{
    if (!EXHAUSTED_WORKS)
        TEST_SKIP("the allocator is the sanitizer's");
    atomic_store(&exhausted_left_, n);
}

static inline void exhausted_end(void)
{
    atomic_store(&exhausted_left_, -1);
}

/* How many blocks are allocated and not freed, less what calloc and others
 * made: only differences count. */
static inline long exhausted_blocks(void)
{
    if (!EXHAUSTED_WORKS)
        TEST_SKIP("the allocator is the sanitizer's");
    return atomic_load(&exhausted_blocks_);
}

#endif /* PAWL_TEST_EXHAUSTED_H */
