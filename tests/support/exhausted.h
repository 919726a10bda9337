/* SPDX-License-Identifier: MIT
 *
 * tests/support/exhausted.h - let requests for memory, files and threads fail, and count
 * what is allocated.
 *
 *     exhausted_after(2);        two more allocations succeed, then none
 *     err = put(q, &e);
 *     exhausted_end();           all succeed again
 *
 *     static void use(void *arg)
 *     {
 *         exhausted_begins();    each request of this is refused once
 *         ...
 *         exhausted_end();
 *     }
 *
 *     exhausted_of(EXHAUSTED_MEMORY | EXHAUSTED_FILES);
 *     exhausted_each(use, arg, 5);
 *
 * In one file of a program: it brings the functions that make such requests for all of
 * it, on top of glibc's own and of system calls.  A program with a sanitizer keeps the
 * sanitizer's, and skips the test.
 */
#ifndef PAWL_TEST_EXHAUSTED_H
#define PAWL_TEST_EXHAUSTED_H

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test.h"

/* Requests, and what they fail by. */
enum exhausted_kind {
    EXHAUSTED_MEMORY = 1,  /* malloc, calloc, realloc, aligned_alloc: ENOMEM */
    EXHAUSTED_MAPS = 2,    /* mmap: ENOMEM */
    EXHAUSTED_FILES = 4,   /* memfd_create: EMFILE; ftruncate, fallocate: ENOSPC */
    EXHAUSTED_THREADS = 8, /* pthread_create: EAGAIN */
};

static _Atomic unsigned exhausted_kinds_ = EXHAUSTED_MEMORY;
static _Atomic unsigned exhausted_now_; /* those that are counted at the moment */
static _Atomic long exhausted_asked_;
static _Atomic long exhausted_from_; /* the first that is refused */
static _Atomic long exhausted_to_;   /* the first that is not any more */
static _Atomic long exhausted_blocks_;
static _Atomic long *exhausted_told_; /* by a child of exhausted_each */

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) ||           \
    !defined(__GLIBC__)
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

/* glibc's own. */
void *__libc_malloc(size_t size);                    // NOLINT
void *__libc_calloc(size_t n, size_t size);          // NOLINT
void *__libc_realloc(void *at, size_t size);         // NOLINT
void *__libc_memalign(size_t alignment, size_t size); // NOLINT
void __libc_free(void *at);                          // NOLINT

static bool exhausted_(enum exhausted_kind kind, int err)
{
    long n;

    if ((atomic_load(&exhausted_now_) & kind) == 0)
        return false;
    n = atomic_fetch_add(&exhausted_asked_, 1);
    if (n < atomic_load(&exhausted_from_) || n >= atomic_load(&exhausted_to_))
        return false;
    errno = err;
    return true;
}

static void *exhausted_count_(void *at)
{
    if (at != NULL)
        atomic_fetch_add(&exhausted_blocks_, 1);
    return at;
}

void *malloc(size_t size)
{
    if (exhausted_(EXHAUSTED_MEMORY, ENOMEM))
        return NULL;
    return exhausted_count_(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
    if (exhausted_(EXHAUSTED_MEMORY, ENOMEM))
        return NULL;
    return exhausted_count_(__libc_calloc(n, size));
}

void *realloc(void *at, size_t size)
{
    if (exhausted_(EXHAUSTED_MEMORY, ENOMEM))
        return NULL;
    return at == NULL ? exhausted_count_(__libc_malloc(size))
                      : __libc_realloc(at, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    if (exhausted_(EXHAUSTED_MEMORY, ENOMEM))
        return NULL;
    return exhausted_count_(__libc_memalign(alignment, size));
}

void free(void *at)
{
    if (at != NULL)
        atomic_fetch_sub(&exhausted_blocks_, 1);
    __libc_free(at);
}

void *mmap(void *at, size_t size, int protection, int flags, int fd,
           off_t offset)
{
    if (exhausted_(EXHAUSTED_MAPS, ENOMEM))
        return MAP_FAILED;
    return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

int memfd_create(const char *name, unsigned flags)
{
    if (exhausted_(EXHAUSTED_FILES, EMFILE))
        return -1;
    return (int)syscall(SYS_memfd_create, name, flags);
}

/* The disk, or what is memory of files, is full. */
int ftruncate(int fd, off_t bytes)
{
    if (exhausted_(EXHAUSTED_FILES, ENOSPC))
        return -1;
    return (int)syscall(SYS_ftruncate, fd, bytes);
}

int fallocate(int fd, int mode, off_t from, off_t bytes)
{
    if (exhausted_(EXHAUSTED_FILES, ENOSPC))
        return -1;
    return (int)syscall(SYS_fallocate, fd, mode, from, bytes);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                   void *(*start)(void *), void *arg)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

    if (exhausted_(EXHAUSTED_THREADS, EAGAIN))
        return EAGAIN;
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    return real(thread, attr, start, arg);
}

#endif

/* What the following are about: memory, unless this says otherwise. */
static inline void exhausted_of(unsigned kinds)
{
    atomic_store(&exhausted_kinds_, kinds);
}

/* From now on requests of this process, and of those that it forks, are counted. */
static inline void exhausted_begins(void)
{
    if (!EXHAUSTED_WORKS)
        TEST_SKIP("the allocator is the sanitizer's");
    atomic_store(&exhausted_asked_, 0);
    atomic_store(&exhausted_now_, atomic_load(&exhausted_kinds_));
}

/* Those with the numbers from, ..., to - 1 are refused. */
static inline void exhausted_between(long from, long to)
{
    atomic_store(&exhausted_from_, from);
    atomic_store(&exhausted_to_, to);
    exhausted_begins();
}

/* n more succeed. */
static inline void exhausted_after(long n)
{
    exhausted_between(n, LONG_MAX);
}

/* All succeed.  Returns how many there have been since they are counted. */
static inline long exhausted_end(void)
{
    long asked = atomic_load(&exhausted_asked_);

    atomic_store(&exhausted_now_, 0);
    if (exhausted_told_ != NULL)
        atomic_store(exhausted_told_, asked);
    return asked;
}

/* How often a child asks, of which these are refused. */
static inline long exhausted_child_(test_fn use, void *arg, long from, long to)
{
    atomic_store(&exhausted_from_, from);
    atomic_store(&exhausted_to_, to);
    atomic_store(exhausted_told_, -1);
    test_wait_child(test_spawn_child(use, arg));
    CHECK(atomic_load(exhausted_told_) >= 0);
    return atomic_load(exhausted_told_);
}

/* Have child after child call use(arg), which begins and ends as above; of one of them
 * nothing is refused, of the others each request alone, and all from there on.  There
 * must be `least` of them, or nothing is tested. */
static inline void exhausted_each(test_fn use, void *arg, long least)
{
    long n;

    if (!EXHAUSTED_WORKS)
        TEST_SKIP("the allocator is the sanitizer's");
    exhausted_told_ = test_shared_alloc(sizeof *exhausted_told_);
    n = exhausted_child_(use, arg, LONG_MAX, LONG_MAX);
    test_note("%ld requests", n);
    CHECK(n >= least);
    /* Threads do not always ask as often. */
    for (long i = 0; i < n + 2; i++) {
        exhausted_child_(use, arg, i, i + 1);
        exhausted_child_(use, arg, i, LONG_MAX);
    }
}

/* How many blocks are allocated and not freed: only differences count. */
static inline long exhausted_blocks(void)
{
    if (!EXHAUSTED_WORKS)
        TEST_SKIP("the allocator is the sanitizer's");
    return atomic_load(&exhausted_blocks_);
}

#endif /* PAWL_TEST_EXHAUSTED_H */
