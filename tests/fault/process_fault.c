/* SPDX-License-Identifier: MIT
 *
 * process_fault.c - starting processes without memory: each allocation in the
 * parent is refused in turn.  Either it starts all the same, or says so and can be
 * started later; nothing is left.
 */
#include <pthread.h>

#include "exhausted.h"
#include "process_cases.h"

static int entry_seven(const pawl_process_call *call)
{
    return (int)call->size;
}

void test_main_begins(int argc, char **argv)
{
    pawl_process_register("seven", entry_seven);
    pawl_process_main(argc, argv);
}

static void refuse_nothing(void)
{
    exhausted_end();
}

/* Refuse the n-th allocation of one life of a process.  False: there was none. */
static bool live_without(long n, enum pawl_start_method method)
{
    pawl_process_options options = {.method = method};
    pawl_process *p = NULL;
    bool refusing;
    int err;
    int code;

    exhausted_between(n, n + 1);
    err = pawl_process_create_entry(&p, "seven", "1234567", 7, &options);
    if (err == 0)
        err = pawl_process_start(p);
    refusing = exhausted_end() > n;
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
    if (!EXHAUSTED_WORKS)
        TEST_SKIP("the allocator is not glibc's");
    FOR_EACH_METHOD(method)
    {
        enum pawl_start_method m = method;

        /* In a process of its own: much is allocated once only. */
        test_wait_child(test_spawn_child(live_without_each, &m));
    }
}
