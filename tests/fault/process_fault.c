/* SPDX-License-Identifier: MIT
 *
 * process_fault.c - starting processes without memory: each allocation in the
 * parent is refused in turn.  Either it starts all the same, or says so and can be
 * started later; nothing is left.
 *
 * This program has its own malloc, calloc and realloc.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "process_cases.h"

static atomic_long asked;
static atomic_long refused = -1; /* the number of the one to refuse */

static int entry_seven(const pawl_process_call *call)
{
    return (int)call->size;
}

void test_main_begins(int argc, char **argv)
{
    pawl_process_register("seven", entry_seven);
    pawl_process_main(argc, argv);
}

#ifdef __has_feature /* clang */
#    if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#        define SANITIZED 1
#    endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#    define SANITIZED 1
#endif

#if defined(__GLIBC__) && !defined(SANITIZED)
static const bool can_refuse = true;

static bool is_refused(void)
{
    if (atomic_load(&refused) < 0 ||
        atomic_fetch_add(&asked, 1) != atomic_load(&refused))
        return false;
    errno = ENOMEM;
    return true;
}

/* glibc's own. */
void *__libc_malloc(size_t size);           // NOLINT
void *__libc_calloc(size_t n, size_t size); // NOLINT
void *__libc_realloc(void *p, size_t size); // NOLINT

void *malloc(size_t size)
{
    return is_refused() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return is_refused() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    return is_refused() ? NULL : __libc_realloc(p, size);
}

#else
static const bool can_refuse; /* the allocator is the sanitizer's */
#endif

static void refuse_nothing(void)
{
    atomic_store(&refused, -1);
}

/* Refuse the n-th allocation of one life of a process.  False: there was none. */
static bool live_without(long n, enum pawl_start_method method)
{
    pawl_process_options options = {.method = method};
    pawl_process *p = NULL;
    bool refusing;
    int err;
    int code;

    atomic_store(&asked, 0);
    atomic_store(&refused, n);
    err = pawl_process_create_entry(&p, "seven", "1234567", 7, &options);
    if (err == 0)
        err = pawl_process_start(p);
    refusing = atomic_load(&asked) > n;
    refuse_nothing();
    if (err != 0) {
        CHECK_ERR(err, -ENOMEM);
        CHECK(refusing);
        if (p == NULL) /* it was not even created */
            return true;
        CHECK_ERR(pawl_process_join(p, NULL), -ESRCH);
        CHECK_OK(pawl_process_start(p));
    }
    CHECK_OK(pawl_process_join(p, &code));
    CHECK_EQ(code, 7);
    pawl_process_free(p);
    return refusing;
}

static void live_without_each(void *method)
{
    long n = 0;
    int fds = open_fds();

    CHECK_EQ(pthread_atfork(NULL, NULL, refuse_nothing), 0);
    while (live_without(n, *(enum pawl_start_method *)method))
        n++;
    test_note("%s: %ld allocations", method_name(*(enum pawl_start_method *)method), n);
    CHECK(n >= 1);
    CHECK(open_fds() <= fds + 1); /* the fork server's */
    CHECK_EQ(count_children(true), 0);
}

TEST(process_fault.each_allocation_may_fail)
{
    if (!can_refuse)
        TEST_SKIP("the allocator is not glibc's");
    FOR_EACH_METHOD(method)
    {
        enum pawl_start_method m = method;

        /* In a process of its own: much is allocated once only. */
        test_wait_child(test_spawn_child(live_without_each, &m));
    }
}
