/* SPDX-License-Identifier: MIT
 *
 * tests/support/team.h - several threads, or several processes, that begin
 * together and work on one rig, each with random choices of its own.
 *
 *     static void add(struct member *me)
 *     {
 *         struct rig *r = me->rig;
 *         ...  me->index, test_rand(&me->random)
 *     }
 *
 *     team_of_threads(8, add, &r);        returns when all have ended
 *     team_of_processes(4, add, shared);  in shared memory
 */
#ifndef PAWL_TEST_TEAM_H
#define PAWL_TEST_TEAM_H

#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include <pawl/time.h>

#include "test.h"

#define TEAM_INLINE __attribute__((unused)) static

enum { TEAM_MAX = 64 };

struct member {
    int index;
    uint64_t random; /* for test_rand */
    void *rig;
    void (*fn)(struct member *me);
    _Atomic int *missing; /* how many have not come yet */
};

TEAM_INLINE void team_main_(void *arg)
{
    struct member *me = arg;

    me->random = test_seed((uint64_t)me->index);
    atomic_fetch_sub(me->missing, 1);
    while (atomic_load(me->missing) > 0)
        sched_yield();
    me->fn(me);
}

TEAM_INLINE void team_of_threads(int n, void (*fn)(struct member *me),
                                 void *rig)
{
    struct test_thread *thread[TEAM_MAX];
    struct member member[TEAM_MAX];
    _Atomic int missing = n;

    CHECK(n <= TEAM_MAX);
    for (int i = 0; i < n; i++) {
        member[i] = (struct member){
            .index = i, .rig = rig, .fn = fn, .missing = &missing};
        thread[i] = test_thread(team_main_, &member[i]);
    }
    for (int i = 0; i < n; i++)
        test_join(thread[i]);
}

TEAM_INLINE void team_of_processes(int n, void (*fn)(struct member *me),
                                   void *rig)
{
    _Atomic int *missing = test_shared_alloc(sizeof *missing);
    pid_t child[TEAM_MAX];

    CHECK(n <= TEAM_MAX);
    atomic_store(missing, n);
    for (int i = 0; i < n; i++) {
        struct member member = {
            .index = i, .rig = rig, .fn = fn, .missing = missing};

        child[i] = test_spawn_child(team_main_, &member);
    }
    for (int i = 0; i < n; i++)
        test_wait_child(child[i]);
}

/* A deadline less than `us` microseconds away, sometimes in the past. */
TEAM_INLINE pawl_deadline team_soon(struct member *me, uint32_t us)
{
    uint32_t n = test_rand_below(&me->random, us);

    return n % 8 == 0 ? 0 : pawl_after_us(n);
}

/* ---- memory at different addresses --------------------------------------- */

/* Shared memory that view_again can map a second time. */
struct view {
    int fd;
    size_t size;
    void *at;
};

TEAM_INLINE struct view view_make(size_t size)
{
    struct view v = {.fd = memfd_create("pawl-test", 0), .size = size};

    CHECK(v.fd >= 0);
    CHECK_EQ(ftruncate(v.fd, (off_t)size), 0);
    v.at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, v.fd, 0);
    CHECK(v.at != MAP_FAILED);
    return v;
}

/* The same memory at another address; the first mapping goes, unless `keep`. */
TEAM_INLINE void *view_again(const struct view *v, bool keep)
{
    void *at =
        mmap(NULL, v->size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);

    CHECK(at != MAP_FAILED && at != v->at);
    if (!keep)
        CHECK_EQ(munmap(v->at, v->size), 0);
    return at;
}

#endif /* PAWL_TEST_TEAM_H */
