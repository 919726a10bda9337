/* SPDX-License-Identifier: MIT
 *
 * process_stress.c - processes by the hundred, killed at random; invariants 10 and
 * 11 of the model: all joiners see one status, no zombie, no descriptor and no
 * orphan is left, and the child of a threaded program works.
 */
#include <stdatomic.h>
#include <time.h>

#include <pawl/mutex.h>
#include <pawl/queue.h>

#include "crowd.h"
#include "process_cases.h"

/* Ends after so many steps of a loop, by the number of its parent's choice. */
static int entry_count(const pawl_process_call *call)
{
    uint32_t steps;

    memcpy(&steps, call->blob, sizeof steps);
    for (uint32_t i = 0; i < steps; i++)
        sched_yield();
    return (int)(steps % 200);
}

static int entry_stubborn(const pawl_process_call *call)
{
    (void)signal(SIGTERM, SIG_IGN);
    return entry_stay(call);
}

static int entry_nest(const pawl_process_call *call);

void test_main_begins(int argc, char **argv)
{
    pawl_process_register("count", entry_count);
    pawl_process_register("stay", entry_stay);
    pawl_process_register("stubborn", entry_stubborn);
    pawl_process_register("nest", entry_nest);
    pawl_process_main(argc, argv);
}

/* ---- kills at random --------------------------------------------------------------- */

struct scene {
    int rounds;
    bool fork_too; /* not under ThreadSanitizer: there are threads */
};

static enum pawl_start_method any_method(uint64_t *random, bool fork_too)
{
    return process_methods[fork_too ? test_rand_below(random, 3)
                                    : 1 + test_rand_below(random, 2)];
}

/* Whatever happens to it, its status is one and the same, and a right one. */
static void start_kill_join(void *arg, int me)
{
    struct scene *s = arg;
    uint64_t random = test_seed((uint64_t)me);

    for (int i = 0; i < s->rounds; i++) {
        uint32_t steps = test_rand_below(&random, 40);
        pawl_process *p = started("count", &steps, sizeof steps, NULL, 0,
                                  any_method(&random, s->fork_too), 0);
        int again;
        int code;

        for (uint32_t k = test_rand_below(&random, 30); k > 0; k--)
            loiter(&random);
        if (test_rand_below(&random, 2) == 0)
            CHECK_OK(pawl_process_kill(p));
        code = joined(p);
        CHECK(code == -SIGKILL || code == (int)(steps % 200));
        CHECK_OK(pawl_process_exitcode(p, &again));
        CHECK_EQ(again, code);
        pawl_process_free(p);
    }
}

TEST(process_stress.ends_are_exact_whoever_is_killed)
{
    struct scene s = {.rounds = test_iterations(200),
                      .fork_too = !test_under_tsan()};
    int fds = open_fds();
    pawl_process *p =
        started("count", &(uint32_t){0}, 4, NULL, 0, PAWL_START_FORKSERVER, 0);

    TEST_TIMEOUT(200);
    CHECK_EQ(joined(p), 0);
    pawl_process_free(p);
    crowd(4, start_kill_join, &s);
    CHECK_EQ(pawl_process_active(NULL, 0), 0);
    CHECK_EQ(count_children(true), 0);
    CHECK_EQ(count_children(false), 1); /* the fork server */
    CHECK_EQ(open_fds(), fds + 1);
}

/* ---- forks of a program that is busy ---------------------------------------------------- */

struct busy {
    pawl_mutex lock;
    pawl_queue *queue;
    atomic_bool ends;
};

static void be_busy(void *arg)
{
    struct busy *b = arg;
    uint64_t item = 1;

    while (!atomic_load(&b->ends)) {
        void *memory = malloc(100);

        CHECK_OK(pawl_mutex_lock(&b->lock));
        CHECK_OK(pawl_mutex_unlock(&b->lock));
        CHECK_OK(pawl_queue_put(b->queue, &item));
        CHECK_OK(pawl_queue_get(b->queue, &item));
        free(memory);
    }
}

/* The forked child: locks of vanished threads are found dead, and all works. */
static int use_all(void *arg)
{
    struct busy *b = arg;
    uint64_t item = 7;
    int err = pawl_mutex_lock(&b->lock);
    pawl_process *p;
    int code;

    if (err != 0 && err != -EOWNERDEAD)
        return 1;
    if (pawl_mutex_unlock(&b->lock) != 0)
        return 2;
    if (pawl_queue_put(b->queue, &item) != 0 ||
        pawl_queue_get(b->queue, &item) != 0)
        return 3;
    free(malloc(1000));
    p = started("count", &(uint32_t){3}, 4, NULL, 0, PAWL_START_FORK, 0);
    if (pawl_process_join(p, &code) != 0 || code != 3)
        return 4;
    pawl_process_free(p);
    return 50;
}

/* W-24, P-20: from a program with threads, at moments as they come. */
TEST(process_stress.forked_children_of_busy_threads_work)
{
    struct busy b = {.lock = PAWL_MUTEX_INIT};
    struct test_thread *threads[3];

    if (test_under_tsan())
        TEST_SKIP("no forks beside threads");
    TEST_TIMEOUT(120);
    CHECK_OK(pawl_queue_create(
        &b.queue, &(pawl_queue_options){.capacity = 64, .element_size = 8}));
    for (int i = 0; i < 3; i++)
        threads[i] = test_thread(be_busy, &b);
    for (int i = 0; i < test_iterations(400); i++) {
        pawl_process *p;

        CHECK_OK(pawl_process_create(&p, use_all, &b, NULL));
        CHECK_OK(pawl_process_start(p));
        CHECK_EQ(joined(p), 50);
        pawl_process_free(p);
    }
    atomic_store(&b.ends, true);
    for (int i = 0; i < 3; i++)
        test_join(threads[i]);
    CHECK_EQ(count_children(true), 0);
    pawl_queue_free(b.queue);
}

/* ---- parents killed at random ------------------------------------------------------------ */

/* Daemons that have daemons that have the descriptor. */
static int entry_nest(const pawl_process_call *call)
{
    uint32_t levels;
    uint64_t random = test_seed((uint64_t)getpid());

    memcpy(&levels, call->blob, sizeof levels);
    for (;;) {
        uint32_t below = levels - 1;
        pawl_process *p = started(
            levels > 0 ? "nest" : "stay", &below, sizeof below, call->fds, 1,
            any_method(&random, true), PAWL_PROCESS_DAEMON);

        if (test_rand_below(&random, 2) == 0 &&
            pawl_process_join_until(
                p, pawl_after_us(test_rand_below(&random, 2000)), NULL) == 0)
            return 1; /* it never ends by itself */
        pawl_process_terminate(p);
        pawl_process_free(p);
    }
}

static void be_nest(void *arg)
{
    pawl_process_call call = {
        .blob = &(uint32_t){1}, .size = 4, .fds = arg, .n_fds = 1};

    entry_nest(&call);
}

/* P-15, W-21: killed at any moment, also in the middle of a start: nothing that was
 * to die with it is left. */
TEST(process_stress.no_orphan_is_left_by_a_killed_parent)
{
    uint64_t random = test_seed(0);

    TEST_TIMEOUT(200);
    for (int i = 0; i < test_iterations(60); i++) {
        int out[2];
        char text[64];
        pid_t pid;

        make_pipe(out);
        pid = test_spawn_child(be_nest, &out[1]);
        close(out[1]);
        test_random_moment(&random, 20000);
        kill(pid, SIGKILL);
        test_reap_child(pid);
        read_text(out[0], text, sizeof text); /* until all are gone */
        close(out[0]);
    }
}

/* ---- daemons that do not want to go -------------------------------------------------------- */

static void end_beside_stubborn(void *arg)
{
    char byte;
    int *out = arg;

    FOR_EACH_METHOD(method)
    {
        started("stubborn", NULL, 0, &out[1], 1, method, PAWL_PROCESS_DAEMON);
        CHECK_EQ(read_some(out[0], &byte, 1), 1);
    }
    exit(0); // NOLINT(concurrency-mt-unsafe)
}

/* P-14: after the grace, SIGKILL. */
TEST(process_stress.stubborn_daemons_are_killed_in_the_end)
{
    int out[2];
    char text[16];
    pid_t pid;
    pawl_deadline earliest = pawl_after_s(5);

    make_pipe(out);
    pid = test_spawn_child(end_beside_stubborn, out);
    close(out[1]);
    test_wait_child(pid);
    CHECK(pawl_now() >= earliest);
    read_text(out[0], text, sizeof text);
}
