/* SPDX-License-Identifier: MIT
 *
 * pool_fault.c - the thread pool without memory: each allocation is refused once,
 * and all from there on.  This program has its own malloc, calloc and
 * aligned_alloc, which refuse what they are told to refuse.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <pawl/error.h>
#include <pawl/pool.h>

#include "test.h"

static atomic_long asked;
static atomic_long refuse_from = -1;
static atomic_long refuse_to = -1;

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) &&                    \
    !defined(__SANITIZE_THREAD__)
#    define CAN_REFUSE 1

static bool is_refused(void)
{
    long n = atomic_fetch_add(&asked, 1);

    if (n < atomic_load(&refuse_from) || n >= atomic_load(&refuse_to))
        return false;
    errno = ENOMEM;
    return true;
}

/* glibc's own. */
void *__libc_malloc(size_t size);                 // NOLINT
void *__libc_calloc(size_t n, size_t size);       // NOLINT
void *__libc_memalign(size_t align, size_t size); // NOLINT

void *malloc(size_t size)
{
    return is_refused() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return is_refused() ? NULL : __libc_calloc(n, size);
}

void *aligned_alloc(size_t align, size_t size)
{
    return is_refused() ? NULL : __libc_memalign(align, size);
}

#else
#    define CAN_REFUSE 0
#endif

struct run {
    long from, to;
    atomic_long asked;
};

static _Atomic int ran;

static int count(pawl_task *t, void *arg)
{
    (void)t;
    (void)arg;
    atomic_fetch_add(&ran, 1);
    return 0;
}

static int nothing(size_t i, void **value, void *context)
{
    (void)i;
    (void)value;
    (void)context;
    return 0;
}

static int may_fail(int err)
{
    CHECK(err == 0 || err == -ENOMEM || err == -EAGAIN);
    return err == 0;
}

/* What is refused has not happened; what is accepted comes to its end. */
static void use_a_pool(void *arg)
{
    struct run *r = arg;
    pawl_pool *pool = NULL;
    pawl_map *map = NULL;
    pawl_task t[4];
    pawl_task *heap = NULL;
    int accepted = 0;

    atomic_store(&asked, 0);
    atomic_store(&refuse_from, r->from);
    atomic_store(&refuse_to, r->to);
    if (may_fail(pawl_pool_create(
            &pool, &(pawl_pool_options){.max_workers = 3, .prestart = 1}))) {
        for (int i = 0; i < 4; i++) {
            pawl_task_init(&t[i], count, NULL);
            accepted += may_fail(pawl_pool_submit(pool, &t[i]));
        }
        accepted += may_fail(pawl_pool_call(pool, count, NULL, NULL));
        if (may_fail(pawl_pool_call(pool, count, NULL, &heap))) {
            accepted++;
            CHECK_OK(pawl_future_result(&heap->future, NULL, NULL));
            pawl_task_release(heap);
        }
        if (may_fail(pawl_map_create(&map, pool, 5, nothing, NULL, NULL)))
            for (int i = 0; i < 5; i++)
                CHECK_OK(pawl_map_next(map, NULL, NULL));
        pawl_map_free(map);
        CHECK_OK(pawl_pool_end(pool));
    }
    CHECK_EQ(atomic_load(&ran), accepted);
    atomic_store(&r->asked, atomic_load(&asked));
    atomic_store(&refuse_to, 0);
}

static long use_in_child(struct run *r, long from, long to)
{
    r->from = from;
    r->to = to;
    test_wait_child(test_spawn_child(use_a_pool, r));
    return atomic_load(&r->asked);
}

/* each alone, and all from there on. */
TEST(pool_fault.any_allocation_may_fail)
{
    struct run *r = test_shared_alloc(sizeof *r);
    long n;

    if (!CAN_REFUSE)
        TEST_SKIP("the sanitizer has its own malloc");
    n = use_in_child(r, -1, -1);
    CHECK(n > 4); /* else nothing is tested here */
    for (long i = 0; i < n + 2; i++) {
        use_in_child(r, i, i + 1);
        use_in_child(r, i, 1000000);
    }
}
