/* SPDX-License-Identifier: MIT
 *
 * process_fault.c - starting processes without memory: each allocation in the
 * parent is refused in turn.  Either it starts all the same, or says so and can be
 * started later; nothing is left.
 */
#include <pthread.h>

#include <pawl/fork.h>
#include <pawl/procpool.h>

#include "exhausted.h"
#include "process_cases.h"

static int entry_seven(const pawl_process_call *call)
{
    return (int)call->size;
}

void test_main_begins(int argc, char **argv)
{
    pawl_process_register("seven", entry_seven);
    pawl_process_register("stay", entry_stay);
    pawl_process_main(argc, argv);
}

/* ---- what allocates, and starts nothing ----------------------------------------- */

static int register_entry(void)
{
    return pawl_process_register("another", entry_seven);
}

static int add_one(pawl_proccall *call)
{
    (void)call;
    return 1;
}

static int register_function(void)
{
    return pawl_procpool_register("add_one", add_one);
}

static int add_hooks(void)
{
    return pawl_at_fork(NULL, NULL, NULL, NULL);
}

static pawl_mutex guarded;

static int add_guard(void)
{
    return pawl_fork_guard(&guarded);
}

static pawl_process *waited_for;

/* More than need no allocation. */
static int wait_for_many(void)
{
    pawl_process *list[40];

    for (int i = 0; i < 40; i++)
        list[i] = waited_for;
    return pawl_process_wait_try_any(list, 40, NULL);
}

/* R-01, P-06, K-05: without memory it says so, and has done nothing. */
TEST(process_fault.what_cannot_be_kept_is_refused)
{
    static const struct {
        int (*fn)(void);
        int then;
    } calls[] = {{register_entry, 0},
                 {register_function, 0},
                 {add_hooks, 0},
                 {add_guard, 0},
                 {wait_for_many, -EAGAIN}};

    if (!EXHAUSTED_WORKS)
        TEST_SKIP("the allocator is not glibc's");
    waited_for = started("stay", NULL, 0, NULL, 0, PAWL_START_FORK, 0);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        int err;

        exhausted_between(0, 1);
        err = calls[i].fn();
        CHECK(exhausted_end() >= 1);
        CHECK_ERR(err, -ENOMEM);
        CHECK_ERR(calls[i].fn(), calls[i].then);
    }
    end_by_kill(waited_for);
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
