/* SPDX-License-Identifier: MIT
 *
 * tests/support/remap.h - the same memory at another address in each process.
 */
#ifndef PAWL_TEST_REMAP_H
#define PAWL_TEST_REMAP_H

#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

enum { FAMILY_MAX = 16 };

/* Processes that do the same with one object, each with its own view of it. */
struct family {
    void (*fn)(void *object, int me);
    void *object; /* the parent's view */
    size_t size;
    int fd;
    int me;
    int members;
    pid_t pids[FAMILY_MAX];
    atomic_int *arrived; /* they begin when all are here */
};

static inline void *family_view_(const struct family *f)
{
    void *view =
        mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);

    CHECK(view != MAP_FAILED);
    return view;
}

/* A zeroed object of so many bytes. */
static inline void *family_object(struct family *f, size_t size)
{
    *f = (struct family){.size = size};
    f->fd = memfd_create("pawl-test", MFD_CLOEXEC);
    CHECK(f->fd >= 0);
    CHECK_EQ(ftruncate(f->fd, (off_t)size), 0);
    f->object = family_view_(f);
    f->arrived = test_shared_alloc(sizeof *f->arrived);
    return f->object;
}

static inline void family_member_(void *arg)
{
    struct family *f = arg;
    void *views[FAMILY_MAX];

    /* The parent's view is still mapped, so every new one lies elsewhere; each
     * child uses another one of several. */
    for (int i = 0; i <= f->me; i++)
        views[i] = family_view_(f);
    CHECK(views[f->me] != f->object);
    CHECK_EQ(munmap(f->object, f->size), 0);
    atomic_fetch_add(f->arrived, 1);
    while (atomic_load(f->arrived) < f->members)
        sched_yield();
    f->fn(views[f->me], f->me);
}

static inline void family_begins(struct family *f, int members,
                                 void (*fn)(void *object, int me))
{
    CHECK(members <= FAMILY_MAX);
    f->fn = fn;
    f->members = members;
    atomic_store(f->arrived, 0);
    for (f->me = 0; f->me < members; f->me++)
        f->pids[f->me] = test_spawn_child(family_member_, f);
}

static inline void family_ends(struct family *f)
{
    for (int i = 0; i < f->members; i++)
        test_wait_child(f->pids[i]);
}

static inline void family(struct family *f, int members,
                          void (*fn)(void *object, int me))
{
    family_begins(f, members, fn);
    family_ends(f);
}

#endif /* PAWL_TEST_REMAP_H */
