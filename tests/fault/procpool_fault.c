/* SPDX-License-Identifier: MIT
 *
 * procpool_fault.c - the process pool without memory: each allocation is refused
 * once, and all from there on, in its workers too.  This program has its own malloc,
 * calloc and aligned_alloc, which refuse what they are told to refuse.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <pawl/error.h>
#include <pawl/process.h>
#include <pawl/procpool.h>

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

static int add_one(pawl_proccall *call)
{
    *(int *)call->result = *(const int *)call->argument + 1;
    return 0;
}

static int may_fail(int err)
{
    CHECK(err == 0 || err == -ENOMEM || err == -EAGAIN ||
          err == -ENOTRECOVERABLE);
    return err == 0;
}

/* What has been accepted comes to its end: done, or why the pool broke. */
static void end_of(pawl_proctask *t, int in, const int *out)
{
    int status = -1;

    CHECK_OK(pawl_future_result(&t->future, &status, NULL));
    CHECK(status == 0 || status == -EOWNERDEAD || status == -ENOMEM ||
          status == -EAGAIN);
    CHECK(status != 0 || *out == in + 1);
}

static void use_tasks(pawl_procpool *pool)
{
    int in[4] = {1, 2, 3, 4};
    int out[4];
    int statuses[4];
    bool accepted[4];
    pawl_proctask t[4];
    pawl_proctask *heap = NULL;

    for (int i = 0; i < 4; i++) {
        pawl_proctask_init(&t[i], add_one, &in[i], sizeof *in, &out[i],
                           sizeof *out);
        accepted[i] = may_fail(pawl_procpool_submit(pool, &t[i]));
    }
    for (int i = 0; i < 4; i++)
        if (accepted[i])
            end_of(&t[i], in[i], &out[i]);
    if (may_fail(pawl_procpool_call(pool, add_one, in, sizeof *in, sizeof *in,
                                    NULL, &heap)))
        end_of(heap, in[0], pawl_proctask_result(heap));
    pawl_proctask_release(heap);
    if (pawl_procpool_map(pool, add_one, in, sizeof *in, out, sizeof *out, 4,
                          statuses, NULL, NULL) == 0)
        for (int i = 0; i < 4; i++)
            CHECK(statuses[i] != 0 || out[i] == in[i] + 1);
}

static void use_a_pool(void *arg)
{
    struct run *r = arg;
    pawl_procpool *pool = NULL;

    atomic_store(&asked, 0);
    atomic_store(&refuse_from, r->from);
    atomic_store(&refuse_to, r->to);
    if (may_fail(pawl_procpool_create(
            &pool, &(pawl_procpool_options){.workers = 2,
                                            .method = PAWL_START_FORK}))) {
        use_tasks(pool);
        CHECK_OK(pawl_procpool_end(pool));
    }
    atomic_store(&r->asked, atomic_load(&asked));
    atomic_store(&refuse_to, 0);
    CHECK_EQ(pawl_process_active(NULL, 0), 0);
}

static long use_in_child(struct run *r, long from, long to)
{
    r->from = from;
    r->to = to;
    test_wait_child(test_spawn_child(use_a_pool, r));
    return atomic_load(&r->asked);
}

/* each alone, and all from there on. */
TEST(procpool_fault.any_allocation_may_fail)
{
    struct run *r = test_shared_alloc(sizeof *r);
    long n;

    if (!CAN_REFUSE)
        TEST_SKIP("the sanitizer has its own malloc");
    n = use_in_child(r, -1, -1);
    CHECK(n > 10); /* else nothing is tested here */
    for (long i = 0; i < n + 2; i++) {
        use_in_child(r, i, i + 1);
        use_in_child(r, i, 1000000);
    }
}
