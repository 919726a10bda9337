/* SPDX-License-Identifier: MIT
 *
 * procpool_test.c - the process pool, row by row: O-01 to O-22, X-01 to X-14 where
 * they are about processes, K-12, W-10 to W-20.
 */
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <pawl/thread.h>

#include "process/pool_window.h"
#include "procpool_cases.h"

static int fill_bytes(pawl_proccall *call)
{
    const unsigned char *in = call->argument;
    unsigned char *out = call->result;
    unsigned char sum = 0;

    for (size_t i = 0; i < call->size; i++)
        sum = (unsigned char)(sum + in[i]);
    for (size_t i = 0; i < call->room; i++) {
        if (out[i] != 0)
            return 1; /* it begins as zero bytes */
        out[i] = (unsigned char)(sum + i);
    }
    if (call->room > 10)
        call->used = call->room - 3;
    return (uintptr_t)call->argument % 16 == 0 && (uintptr_t)out % 16 == 0 ? 0
                                                                           : 2;
}

static int until_stopped(pawl_proccall *call)
{
    CHECK_OK(pawl_sem_release(&scene_->began));
    while (!pawl_proccall_stop_requested(call))
        sched_yield();
    return 77;
}

/* Its process dies the first times. */
static int die_some_times(pawl_proccall *call)
{
    (void)call;
    if (atomic_fetch_sub(&scene_->die, 1) > 0)
        raise(SIGKILL);
    return 5;
}

/* Dies with one element: the argument. */
static int die_at_13(pawl_proccall *call)
{
    int i;

    memcpy(&i, call->argument, sizeof i);
    atomic_fetch_add(&scene_->ran[i], 1);
    if (i == 13 || i == 14 || i == 40)
        raise(SIGKILL);
    memcpy(call->result, &i, sizeof i);
    return i == 20 ? -EDOM : call->index == (size_t)i ? 0 : 99;
}

static int ignore_sigterm(pawl_proccall *call)
{
    (void)signal(SIGTERM, SIG_IGN);
    return stay(call);
}

static int die_in_beginning(pawl_proccall *call)
{
    (void)call;
    raise(SIGKILL);
    return 0;
}

/* A busy loop, and no look at anything. */
static int never_end(pawl_proccall *call)
{
    (void)call;
    CHECK_OK(pawl_sem_release(&scene_->began));
    for (volatile unsigned i = 0;; i++)
        ;
    return 0;
}

/* Ends as soon as the pool says that it is late, and before the kill if it can. */
static int end_too_late(pawl_proccall *call)
{
    while ((pawl_load_acquire(call->said_) & PAWL_SAID_LATE) == 0)
        ;
    return 0;
}

static int never_end_at_3(pawl_proccall *call)
{
    atomic_fetch_add(&scene_->ran[call->index], 1);
    return call->index == 3 ? never_end(call) : 0;
}

/* Not registered. */
static int say_five(pawl_proccall *call)
{
    (void)call;
    return 5;
}

/* Leaves its worker by the front door. */
static int leave(pawl_proccall *call)
{
    int code;

    memcpy(&code, call->argument, sizeof code);
    exit(code); // NOLINT(concurrency-mt-unsafe)
}

static pawl_procpool *inherited; /* by those who are forked */
static pawl_procmap *inherited_map;

static int use_the_pool(pawl_proccall *call)
{
    int n = 1;

    (void)call;
    if (pawl_procpool_apply(inherited, square, &n, sizeof n, &n, sizeof n,
                            NULL) != -ECHILD)
        return 1;
    return pawl_procpool_close(inherited) == -ECHILD ? 0 : 2;
}

void test_main_begins(int argc, char **argv)
{
    procpool_cases_begin();
    pawl_procpool_register("fill_bytes", fill_bytes);
    pawl_procpool_register("until_stopped", until_stopped);
    pawl_procpool_register("die_some_times", die_some_times);
    pawl_procpool_register("die_at_13", die_at_13);
    pawl_procpool_register("never_end", never_end);
    pawl_procpool_register("never_end_at_3", never_end_at_3);
    pawl_procpool_register("end_too_late", end_too_late);
    pawl_procpool_register("leave", leave);
    pawl_process_main(argc, argv);
}

/* ---- making one ------------------------------------------------------------------- */

/* O-01: so many workers, all from the beginning, as many as there are CPUs if
 * nothing is said; they are daemons with names. */
TEST(procpool.workers_are_started_at_once)
{
    pawl_procpool *p = NULL;
    int64_t pids[8];
    pawl_process *list[8];
    char name[64];

    CHECK_OK(pawl_procpool_create(&p, NULL));
    CHECK_EQ(pawl_procpool_workers(p), pawl_process_cpu_count());
    CHECK_EQ(pawl_procpool_started(p), pawl_procpool_workers(p));
    CHECK_OK(pawl_procpool_end(p));
    CHECK_EQ(pawl_process_active(NULL, 0), 0);

    p = pool_of(3, PAWL_START_FORK);
    CHECK_EQ(pawl_procpool_pids(p, pids, 2), 3);
    CHECK(pids[0] > 0 && pids[1] > 0 && pids[0] != pids[1]);
    CHECK_EQ(pawl_process_active(list, 8), 3);
    for (int i = 0; i < 3; i++) {
        CHECK(pawl_process_name(list[i], name, sizeof name) > 0);
        CHECK(strncmp(name, "PoolWorker-", 11) == 0);
        CHECK_EQ(pawl_process_is_daemon(list[i]), 1);
        pawl_process_free(list[i]);
    }
    CHECK_OK(pawl_procpool_end(p));
    CHECK_OK(pawl_procpool_end(NULL));
    CHECK_OK(pawl_procpool_free(NULL));
}

TEST(procpool.options_out_of_bounds_are_refused)
{
    const pawl_procpool_options wrong[] = {
        {.size = 1},
        {.workers = -1},
        {.workers = PAWL_PROCPOOL_WORKERS_MAX + 1},
        {.method = (enum pawl_start_method)9},
        {.flags = 1u << 20},
        {.grace_ns = -1},
        {.argument_size = 1},
        {.capacity = SIZE_MAX},
        {.memory = SIZE_MAX},
        {.at_exit = (enum pawl_pool_exit)7},
    };
    pawl_procpool *p;
    char big[8192] = {0};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK_ERR(pawl_procpool_create(&p, &wrong[i]), -EINVAL);
    CHECK_ERR(pawl_procpool_create(
                  &p, &(pawl_procpool_options){.memory = 4096,
                                               .argument = big,
                                               .argument_size = sizeof big}),
              -EMSGSIZE);
    CHECK_ERR(pawl_procpool_create(
                  &p, &(pawl_procpool_options){.method = PAWL_START_SPAWN,
                                               .initialise = die_in_beginning}),
              -ENOENT);
    CHECK_ERR(pawl_procpool_register(NULL, square), -EINVAL);
    CHECK_ERR(pawl_procpool_register("", square), -EINVAL);
    CHECK_ERR(pawl_procpool_register("square", NULL), -EINVAL);
    CHECK_ERR(pawl_procpool_register("square", count), -EEXIST);
    CHECK_OK(pawl_procpool_register("square", square));
    memset(big, 'x', 64);
    CHECK_ERR(pawl_procpool_register(big, count), -EINVAL);
}

/* ---- one task ------------------------------------------------------------------------ */

/* O-03, X-09, R-02: with each way to start. */
TEST(procpool.apply_gives_status_and_result)
{
    FOR_EACH_METHOD(method)
    {
        pawl_procpool *p = pool_of(2, method);
        int how = -7;
        int status = 0;

        for (int i = 0; i < 50; i++)
            CHECK_EQ(applied(p, i), i * i);
        CHECK_OK(
            pawl_procpool_apply(p, die, &how, sizeof how, NULL, 0, &status));
        CHECK_EQ(status, -EOWNERDEAD);
        CHECK_EQ(applied(p, 9), 81);
        CHECK_OK(pawl_procpool_end(p));
    }
}

/* known by name, or by address if workers are forked. */
TEST(procpool.functions_without_name_are_forked_only)
{
    pawl_procpool *p = pool_of(1, PAWL_START_FORK);
    int status = 0;
    pawl_proctask t;

    CHECK_OK(pawl_procpool_apply(p, say_five, NULL, 0, NULL, 0, &status));
    CHECK_EQ(status, 5);
    pawl_proctask_init(&t, NULL, NULL, 0, NULL, 0);
    CHECK_ERR(pawl_procpool_submit(p, &t), -EINVAL);
    CHECK_OK(pawl_procpool_end(p));
    p = pool_of(1, PAWL_START_SPAWN);
    pawl_proctask_init(&t, say_five, NULL, 0, NULL, 0);
    CHECK_ERR(pawl_procpool_submit(p, &t), -ENOENT);
    CHECK_OK(pawl_procpool_end(p));
}

static pawl_proc_fn invented(int i)
{
    return (pawl_proc_fn)(uintptr_t)(4096 + i);
}

/* so many; and whatever the caller calls a function, the worker has to know it. */
TEST(procpool.so_many_functions_can_be_used)
{
    enum { MOST = 256 };
    static pawl_proctask t[MOST + 1];
    pawl_procpool *p = pool_of(1, PAWL_START_SPAWN);
    char name[32];

    for (int i = 0; i <= MOST; i++) {
        snprintf(name, sizeof name, "invented-%d", i);
        CHECK_OK(pawl_procpool_register(name, invented(i)));
        pawl_proctask_init(&t[i], invented(i), NULL, 0, NULL, 0);
        CHECK_ERR(pawl_procpool_submit(p, &t[i]), i < MOST ? 0 : -ENOSPC);
    }
    for (int i = 0; i < MOST; i++)
        CHECK_EQ(status_of(&t[i]), -ENOENT);
    pawl_proctask_init(&t[0], invented(0), NULL, 0, NULL, 0);
    CHECK_OK(pawl_procpool_submit(p, &t[0])); /* once more */
    CHECK_EQ(status_of(&t[0]), -ENOENT);
    CHECK_OK(pawl_procpool_end(p));
}

TEST(procpool.a_task_runs_once)
{
    pawl_procpool *p = pool_of(1, PAWL_START_FORK);
    int x = 3;
    int y = 0;
    pawl_proctask t;

    pawl_proctask_init(&t, square, &x, sizeof x, &y, sizeof y);
    CHECK(!pawl_future_is_done(&t.future));
    CHECK_OK(pawl_procpool_submit(p, &t));
    CHECK_EQ(status_of(&t), 0);
    CHECK_EQ(status_of(&t), 0); /* O-17: any number of times */
    CHECK_EQ(y, 9);
    CHECK_EQ(t.used, sizeof y);
    CHECK_EQ(t.pid, 0);
    CHECK_ERR(pawl_procpool_submit(p, &t), -EALREADY);
    CHECK_ERR(pawl_future_cancel(&t.future), -EALREADY); /* F-05 */
    CHECK_ERR(pawl_future_set(&t.future, 0, NULL), -EPERM);
    pawl_proctask_init(&t, square, &x, sizeof x, &y, sizeof y);
    CHECK_OK(pawl_future_cancel(&t.future)); /* before it was submitted */
    CHECK_ERR(pawl_procpool_submit(p, &t), -EALREADY);
    CHECK_OK(pawl_procpool_end(p));
}

/* as many as there is room for; without a capacity all or, if one of them cannot
 * be, none. */
TEST(procpool.many_are_submitted_at_once)
{
    enum { TASKS = 500, LEAST = 3 };
    static pawl_proctask t[TASKS];
    static int in[TASKS], out[TASKS];
    struct scene *s = scene_make();
    pawl_procpool *p = pool_of(2, PAWL_START_FORK);
    pawl_proctask stays;

    for (int i = 0; i < TASKS; i++) {
        in[i] = i;
        pawl_proctask_init(&t[i], i < TASKS - 1 ? square : NULL, &in[i],
                           sizeof *in, &out[i], sizeof *out);
    }
    CHECK_EQ(pawl_procpool_submit_many(p, t, TASKS), -EINVAL);
    CHECK_EQ(pawl_procpool_submit_many(p, t, TASKS - 1), TASKS - 1);
    for (int i = 0; i < TASKS - 1; i++) {
        CHECK_EQ(status_of(&t[i]), 0);
        CHECK_EQ(out[i], i * i);
    }
    CHECK_EQ(pawl_procpool_submit_many(p, t, 2), -EALREADY);
    CHECK_EQ(pawl_procpool_submit_many(p, t, 0), 0);
    CHECK_OK(pawl_procpool_close(p));
    CHECK_EQ(pawl_procpool_submit_many(p, t, 2), -ESHUTDOWN);
    CHECK_OK(pawl_procpool_end(p));

    p = pool_with(&(pawl_procpool_options){
        .workers = 1, .method = PAWL_START_FORK, .capacity = LEAST});
    occupy(p, &stays, 1);
    for (int i = 0; i < LEAST + 1; i++)
        pawl_proctask_init(&t[i], square, &in[i], sizeof *in, &out[i],
                           sizeof *out);
    CHECK_EQ(pawl_procpool_try_submit_many(p, t, LEAST + 1), LEAST - 1);
    CHECK_EQ(pawl_procpool_try_submit_many(p, &t[LEAST], 1), -EAGAIN);
    CHECK_EQ(pawl_procpool_submit_many_until(p, &t[LEAST], 1, 0), -ETIMEDOUT);
    pawl_event_set(&s->go);
    CHECK_EQ(pawl_procpool_submit_many(p, &t[LEAST - 1], 2), 2);
    CHECK_OK(pawl_procpool_end(p));
    for (int i = 0; i < LEAST + 1; i++)
        CHECK_EQ(status_of(&t[i]), 0);
    scene_end();
}

/* X-09, P-24: bytes, few or many; what does not fit is refused, and never waited
 * for. */
TEST(procpool.arguments_and_results_of_all_sizes)
{
    static const size_t sizes[] = {0,   1,   15,  16,   17,
                                   100, 176, 200, 5000, 70000};
    enum { MEMORY = 256 * 1024, N = sizeof sizes / sizeof *sizes };
    pawl_procpool *p = pool_with(&(pawl_procpool_options){
        .workers = 2, .method = PAWL_START_FORK, .memory = MEMORY});
    unsigned char *in = calloc(1, MEMORY + 1);
    unsigned char *out = calloc(1, MEMORY + 1);
    pawl_proctask t;

    for (int i = 0; i < MEMORY; i++)
        in[i] = (unsigned char)(i * 7);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            unsigned char sum = 0;
            size_t used = sizes[j] > 10 ? sizes[j] - 3 : sizes[j];

            memset(out, 255, MEMORY);
            for (size_t k = 0; k < sizes[i]; k++)
                sum = (unsigned char)(sum + in[k]);
            pawl_proctask_init(&t, fill_bytes, in, sizes[i], out, sizes[j]);
            CHECK_OK(pawl_procpool_submit(p, &t));
            CHECK_EQ(status_of(&t), 0);
            CHECK_EQ(t.used, used);
            for (size_t k = 0; k < used; k++)
                CHECK_EQ(out[k], (unsigned char)(sum + k));
            CHECK_EQ(out[used], 255);
        }
    pawl_proctask_init(&t, fill_bytes, in, MEMORY - 32, out, 0);
    CHECK_OK(pawl_procpool_submit(p, &t)); /* all of it */
    CHECK_EQ(status_of(&t), 0);
    pawl_proctask_init(&t, fill_bytes, in, MEMORY, out, 1);
    CHECK_ERR(pawl_procpool_submit(p, &t), -EMSGSIZE);
    CHECK_ERR(pawl_procpool_apply(p, fill_bytes, in, 1, out, SIZE_MAX, NULL),
              -EMSGSIZE);
    CHECK_ERR(pawl_procpool_call(p, fill_bytes, in, SIZE_MAX, 0, NULL, NULL),
              -EMSGSIZE);
    CHECK_ERR(pawl_procpool_apply_until(p, fill_bytes, in, 1, out, SIZE_MAX,
                                        PAWL_FOREVER, NULL),
              -EMSGSIZE);
    CHECK_OK(pawl_procpool_end(p));
    free(in);
    free(out);
}

/* More than fits into the memory at once waits in line, and all comes to its turn. */
TEST(procpool.more_than_the_memory_holds_waits)
{
    enum { MEMORY = 64 * 1024, N = 300 };
    pawl_procpool *p = pool_with(&(pawl_procpool_options){
        .workers = 2, .method = PAWL_START_FORK, .memory = MEMORY});
    static unsigned char in[MEMORY / 2];
    static pawl_proctask t[N];

    for (int i = 0; i < N; i++) {
        pawl_proctask_init(&t[i], fill_bytes, in, (size_t)(i % 7) * MEMORY / 16,
                           NULL, 0);
        CHECK_OK(pawl_procpool_submit(p, &t[i]));
    }
    for (int i = 0; i < N; i++)
        CHECK_EQ(status_of(&t[i]), 0);
    CHECK_OK(pawl_procpool_end(p));
}

/* O-17, O-18, O-19: a poll, and a wait that is too short. */
TEST(procpool.result_is_not_there_yet)
{
    struct scene *s = scene_make();
    pawl_procpool *p = pool_of(1, PAWL_START_FORK);
    pawl_proctask t;
    int status;
    int n = 5;

    occupy(p, &t, 1);
    CHECK_ERR(pawl_future_try_result(&t.future, &status, NULL), -EAGAIN);
    CHECK_ERR(
        pawl_future_result_until(&t.future, &status, NULL, pawl_after_ms(5)),
        -ETIMEDOUT);
    CHECK(pawl_future_is_running(&t.future)); /* F-06 */
    CHECK_ERR(pawl_procpool_apply_until(p, square, &n, sizeof n, &n, sizeof n,
                                        pawl_after_ms(5), NULL),
              -ETIMEDOUT);
    CHECK_ERR(pawl_procpool_apply_until(p, square, &n, sizeof n, &n, sizeof n,
                                        0, NULL),
              -ETIMEDOUT);
    CHECK_EQ(n, 5);
    /* Longer than anybody looks after an offer: its end is told. */
    CHECK_ERR(
        pawl_future_result_until(&t.future, &status, NULL, pawl_after_ms(150)),
        -ETIMEDOUT);
    pawl_event_set(&s->go);
    CHECK_EQ(status_of(&t), 0);
    CHECK_OK(pawl_procpool_apply_until(p, square, &n, sizeof n, &n, sizeof n,
                                       PAWL_FOREVER, &status));
    CHECK_EQ(status, 0);
    CHECK_EQ(n, 25);
    CHECK_OK(pawl_procpool_end(p));
    scene_end();
}

/* ---- callbacks ---------------------------------------------------------------------- */

struct told {
    pawl_procpool *pool;
    pthread_t submitter;
    int done, failed, status, result;
    bool elsewhere;
    int forbidden[6];
    pawl_proctask next;
    int square_of_next;
};

static void on_done(pawl_proctask *t, int status, void *context)
{
    struct told *told = context;

    CHECK(!pawl_future_is_done(&t->future));
    told->done++;
    told->status = status;
    told->result = *(int *)pawl_proctask_result(t);
    told->elsewhere = !pthread_equal(pthread_self(), told->submitter);
}

static void on_failed(pawl_proctask *t, int status, void *context)
{
    struct told *told = context;

    (void)t;
    told->failed++;
    told->status = status;
}

/* O-04, EX-32: exactly one, in another thread, and before the result is out. */
TEST(procpool.one_callback_comes_before_the_result)
{
    pawl_procpool *p = pool_of(2, PAWL_START_FORK);

    for (int i = 0; i < 40; i++) {
        struct told told = {.submitter = pthread_self()};
        pawl_procpool_call_options o = {
            .done = on_done, .failed = on_failed, .context = &told};
        int how = -1;
        bool dies = i % 4 == 3;
        pawl_proctask *t;

        if (dies)
            CHECK_OK(pawl_procpool_call(p, die, &how, sizeof how, 0, &o, &t));
        else
            CHECK_OK(
                pawl_procpool_call(p, square, &i, sizeof i, sizeof i, &o, &t));
        CHECK_EQ(status_of(t), dies ? -EOWNERDEAD : 0);
        CHECK_EQ(told.done, !dies);
        CHECK_EQ(told.failed, dies);
        CHECK_EQ(told.status, dies ? -EOWNERDEAD : 0);
        CHECK(dies || (told.result == i * i && told.elsewhere));
        pawl_proctask_release(t);
    }
    CHECK_OK(pawl_procpool_end(p));
}

static void do_what_is_forbidden(pawl_proctask *t, int status, void *context)
{
    struct told *told = context;
    int n = 2;

    (void)status;
    told->forbidden[0] = pawl_future_result(&t->future, NULL, NULL);
    told->forbidden[1] = pawl_procpool_drain(told->pool);
    told->forbidden[2] = pawl_procpool_apply(told->pool, square, &n, sizeof n,
                                             &n, sizeof n, NULL);
    told->forbidden[3] = pawl_procpool_end(told->pool);
    told->forbidden[4] = pawl_procpool_map(told->pool, square, &n, sizeof n, &n,
                                           sizeof n, 1, NULL, NULL, NULL);
    /* that is allowed. */
    CHECK_OK(pawl_procpool_submit(told->pool, &told->next));
    CHECK_OK(pawl_procpool_close(told->pool));
    told->forbidden[5] = pawl_procpool_join(told->pool);
}

/* O-11, O-14, O-16, R-15, W-13: nothing that a callback does breaks the pool. */
TEST(procpool.waits_in_a_callback_are_refused)
{
    struct told told = {.pool = pool_of(1, PAWL_START_FORK)};
    int n = 4;
    pawl_proctask t;

    pawl_proctask_init(&told.next, square, &n, sizeof n, &told.square_of_next,
                       sizeof n);
    pawl_proctask_init(&t, square, &n, sizeof n, &told.result, sizeof n);
    t.done = do_what_is_forbidden;
    t.context = &told;
    CHECK_OK(pawl_procpool_submit(told.pool, &t));
    CHECK_EQ(status_of(&t), 0);
    for (int i = 0; i < 6; i++)
        CHECK_ERR(told.forbidden[i], -EDEADLK);
    CHECK_EQ(status_of(&told.next), 0);
    CHECK_EQ(told.square_of_next, 16);
    CHECK_OK(pawl_procpool_join(told.pool));
    CHECK_OK(pawl_procpool_free(told.pool));
}

struct narrow {
    struct told told;
    pawl_procmap *map;
    pawl_proctask second;
    int err[6];
};

static void fill_in_callback(pawl_proctask *t, int status, void *context)
{
    struct narrow *n = context;
    pawl_procpool *p = n->told.pool;

    (void)t;
    (void)status;
    CHECK_OK(pawl_procpool_submit(p, &n->told.next)); /* its own room */
    CHECK_ERR(pawl_procpool_try_submit(p, &n->second), -EAGAIN);
    n->err[0] = pawl_procpool_submit(p, &n->second);
    n->err[1] = pawl_procpool_submit_until(p, &n->second, pawl_after_s(600));
    n->err[2] = (int)pawl_procpool_submit_many(p, &n->second, 1);
    n->err[3] = pawl_procmap_next(n->map, NULL, NULL);
    n->err[4] = pawl_procmap_next_done(n->map, NULL, NULL);
    CHECK_OK(pawl_procpool_kill(p)); /* */
    CHECK_OK(pawl_procpool_terminate(p));
    n->err[5] = pawl_procpool_join(p);
}

/* O-16, X-01: nobody but the thread that calls back would make room; and the end of a
 * pool may come from there. */
TEST(procpool.a_callback_does_not_wait_for_room)
{
    struct scene *s = scene_make();
    struct narrow n = {
        .told.pool = pool_with(&(pawl_procpool_options){
            .workers = 2, .method = PAWL_START_FORK, .capacity = 2})};
    pawl_proctask stays;
    pawl_proctask t;
    int x = 4;

    (void)s;
    occupy(n.told.pool, &stays, 1);
    CHECK_OK(pawl_procmap_create(&n.map, n.told.pool, stay, NULL, 0, NULL, 0, 2,
                                 NULL, NULL));
    pawl_proctask_init(&n.told.next, stay, NULL, 0, NULL, 0);
    pawl_proctask_init(&n.second, stay, NULL, 0, NULL, 0);
    pawl_proctask_init(&t, square, &x, sizeof x, &x, sizeof x);
    t.until = pawl_after_ms(5); /* behind the map, or never */
    t.failed = fill_in_callback;
    t.context = &n;
    CHECK_OK(pawl_procpool_submit(n.told.pool, &t));
    CHECK_EQ(status_of(&t), -ETIMEDOUT);
    for (int i = 0; i < 6; i++)
        CHECK_ERR(n.err[i], -EDEADLK);
    CHECK_OK(pawl_procpool_join(n.told.pool));
    CHECK_ERR(pawl_future_result(&n.told.next.future, NULL, NULL), -ECANCELED);
    pawl_procmap_free(n.map);
    CHECK_OK(pawl_procpool_free(n.told.pool));
    scene_end();
}

/* ---- many calls ---------------------------------------------------------------------- */

/* O-05, O-06: all run, in order, whichever fail; the first failure is told. */
TEST(procpool.map_runs_every_element)
{
    static int in[1000], statuses[1000];
    struct scene *s = scene_make();
    pawl_procpool *p = pool_of(2, PAWL_START_FORK);
    static const size_t chunks[] = {0, 1, 7, 999, 1000, 5000};

    for (int i = 0; i < 1000; i++)
        in[i] = i;
    for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++)
        for (int n = 0; n <= 1000; n += n < 10 ? 1 : 495) {
            pawl_procmap_options o = {.chunk = chunks[c]};
            int status = 1;

            memset(s->ran, 0, sizeof s->ran);
            memset(statuses, 255, sizeof statuses);
            CHECK_OK(pawl_procpool_map(p, count, in, sizeof *in, NULL, 0,
                                       (size_t)n, statuses, &o, &status));
            CHECK_EQ(status, n > 3 ? -3 : 0);
            for (int i = 0; i < n; i++) {
                CHECK_EQ(GOT(s->ran[i]), 1);
                CHECK_EQ(statuses[i], i % 10 == 3 ? -i : 0);
            }
            CHECK_EQ(GOT(s->ran[n]), 0);
        }
    CHECK_OK(pawl_procpool_end(p));
    scene_end();
}

TEST(procpool.map_with_each_way_to_start)
{
    static int in[300], out[300];

    for (int i = 0; i < 300; i++)
        in[i] = i;
    FOR_EACH_METHOD(method)
    {
        pawl_procpool *p = pool_of(2, method);
        int status = 1;

        memset(out, 0, sizeof out);
        CHECK_OK(pawl_procpool_map(p, square, in, sizeof *in, out, sizeof *out,
                                   300, NULL, NULL, &status));
        CHECK_EQ(status, 0);
        for (int i = 0; i < 300; i++)
            CHECK_EQ(out[i], i * i);
        CHECK_OK(pawl_procpool_end(p));
    }
}

/* O-07: in input order, a failure in its place, and it goes on. */
TEST(procpool.imap_gives_elements_in_order)
{
    static int in[100];
    struct scene *s = scene_make();
    pawl_procpool *p = pool_of(2, PAWL_START_FORK);
    pawl_procmap *m;
    size_t index;
    int status;

    for (int i = 0; i < 100; i++)
        in[i] = i;
    CHECK_OK(pawl_procmap_create(&m, p, count, in, sizeof *in, NULL, 0, 100,
                                 NULL, &(pawl_procmap_options){.chunk = 3}));
    for (size_t i = 0; i < 100; i++) {
        CHECK_OK(pawl_procmap_next(m, &index, &status));
        CHECK_EQ(index, i);
        CHECK_EQ(status, i % 10 == 3 ? -(int)i : 0);
    }
    CHECK_ERR(pawl_procmap_next(m, &index, &status), -ESHUTDOWN);
    CHECK_ERR(pawl_procmap_try_next(m, NULL, NULL), -ESHUTDOWN);
    pawl_procmap_free(m);
    pawl_procmap_free(NULL);

    CHECK_OK(pawl_procmap_create(&m, p, stay, NULL, 0, NULL, 0, 2, NULL,
                                 &(pawl_procmap_options){.chunk = 1}));
    CHECK_ERR(pawl_procmap_try_next(m, &index, &status), -EAGAIN);
    CHECK_ERR(pawl_procmap_next_until(m, &index, &status, pawl_after_ms(5)),
              -ETIMEDOUT);
    pawl_event_set(&s->go);
    CHECK_OK(pawl_procmap_next(m, NULL, NULL));
    pawl_procmap_free(m); /* early */
    CHECK_OK(pawl_procpool_end(p));
    scene_end();
}

/* O-08: what is done comes first, though what was before it is not. */
TEST(procpool.imap_unordered_gives_what_is_done)
{
    struct scene *s = scene_make();
    pawl_procpool *p = pool_of(2, PAWL_START_FORK);
    static int in[40], out[40];
    bool seen[40] = {false};
    pawl_proctask t;
    pawl_procmap *m;
    size_t index;
    int status;

    occupy(p, &t, 1);
    for (int i = 0; i < 40; i++)
        in[i] = i;
    CHECK_OK(pawl_procmap_create(&m, p, square, in, sizeof *in, out,
                                 sizeof *out, 40, NULL,
                                 &(pawl_procmap_options){.chunk = 3}));
    for (int i = 0; i < 40; i++) {
        CHECK_OK(pawl_procmap_next_done(m, &index, &status));
        CHECK(!seen[index]);
        seen[index] = true;
        CHECK_EQ(out[index], (int)(index * index));
    }
    CHECK_ERR(pawl_procmap_next_done(m, NULL, NULL), -ESHUTDOWN);
    pawl_procmap_free(m);
    CHECK_OK(pawl_procmap_create(&m, p, stay, NULL, 0, NULL, 0, 2, NULL,
                                 &(pawl_procmap_options){.chunk = 1}));
    CHECK_ERR(pawl_procmap_try_next_done(m, &index, &status), -EAGAIN);
    CHECK_ERR(
        pawl_procmap_next_done_until(m, &index, &status, pawl_after_ms(5)),
        -ETIMEDOUT);
    pawl_event_set(&s->go);
    pawl_procmap_free(m); /* early, with its registrations: F-11 */
    CHECK_EQ(status_of(&t), 0);
    CHECK_OK(pawl_procpool_end(p));
    scene_end();
}

static void map_told(pawl_procmap *m, int status, void *context)
{
    struct told *told = context;

    CHECK(!pawl_future_is_done(pawl_procmap_future(m)));
    told->failed += status != 0;
    told->done += status == 0;
    told->status = status;
}

/* O-05: map_async. */
TEST(procpool.map_tells_its_end_once)
{
    static int in[100];
    struct scene *s = scene_make();
    pawl_procpool *p = pool_of(2, PAWL_START_FORK);

    (void)s;
    for (int i = 0; i < 100; i++)
        in[i] = i;
    for (int failing = 0; failing < 2; failing++) {
        struct told told = {0};
        pawl_procmap *m;
        int status = 1;

        CHECK_OK(pawl_procmap_create(
            &m, p, count, in + (failing ? 0 : 4), sizeof *in, NULL, 0,
            failing ? 100 : 6, NULL,
            &(pawl_procmap_options){
                .done = map_told, .failed = map_told, .context = &told}));
        CHECK_OK(pawl_future_result(pawl_procmap_future(m), &status, NULL));
        CHECK_EQ(status, failing ? -3 : 0);
        CHECK_EQ(told.status, status);
        CHECK_EQ(told.done, !failing);
        CHECK_EQ(told.failed, failing);
        pawl_procmap_free(m);
    }
    CHECK_OK(pawl_procpool_end(p));
    scene_end();
}

TEST(procpool.maps_that_cannot_be_are_refused)
{
    pawl_procpool *p = pool_with(&(pawl_procpool_options){
        .workers = 1, .method = PAWL_START_SPAWN, .memory = 4096});
    pawl_procmap *m;
    char x[8192];

    CHECK_ERR(pawl_procmap_create(&m, p, NULL, x, 1, NULL, 0, 1, NULL, NULL),
              -EINVAL);
    CHECK_ERR(pawl_procmap_create(&m, p, square, x, 1, NULL, 0, 1, NULL,
                                  &(pawl_procmap_options){.size = 1}),
              -EINVAL);
    CHECK_ERR(pawl_procmap_create(&m, p, square, x, 1, NULL, 0, 1, NULL,
                                  &(pawl_procmap_options){.retries = -1}),
              -EINVAL);
    CHECK_ERR(
        pawl_procmap_create(&m, p, square, x, 8192, NULL, 0, 1, NULL, NULL),
        -EMSGSIZE);
    CHECK_ERR(
        pawl_procmap_create(&m, p, square, x, 4096, NULL, 0, 1, NULL, NULL),
        -EMSGSIZE);
    CHECK_ERR(
        pawl_procmap_create(&m, p, use_the_pool, x, 1, NULL, 0, 1, NULL, NULL),
        -ENOENT);
    CHECK_ERR(pawl_procmap_create(&m, p, square, x, 1, NULL, 0, SIZE_MAX / 8,
                                  NULL, &(pawl_procmap_options){.chunk = 1}),
              -ENOMEM);
    CHECK_OK(pawl_procpool_end(p));
}

/* ---- the end of a pool --------------------------------------------------------------- */

/* O-09, O-11, O-22. */
TEST(procpool.close_completes_what_was_submitted)
{
    struct scene *s = scene_make();
    pawl_procpool *p = pool_of(2, PAWL_START_FORK);
    static pawl_proctask t[500];
    static int in[500];
    int n = 1;
    pawl_proctask late;

    CHECK_ERR(pawl_procpool_join(p), -EBUSY);
    CHECK_ERR(pawl_procpool_try_join(p), -EBUSY);
    CHECK_ERR(pawl_procpool_free(p), -EBUSY);
    for (int i = 0; i < 500; i++) {
        in[i] = i;
        pawl_proctask_init(&t[i], count, &in[i], sizeof *in, NULL, 0);
        CHECK_OK(pawl_procpool_submit(p, &t[i]));
    }
    CHECK_OK(pawl_procpool_close(p));
    CHECK_OK(pawl_procpool_close(p));
    pawl_proctask_init(&late, square, &n, sizeof n, &n, sizeof n);
    CHECK_ERR(pawl_procpool_submit(p, &late), -ESHUTDOWN);
    CHECK_ERR(pawl_procpool_try_submit(p, &late), -ESHUTDOWN);
    CHECK_ERR(pawl_procpool_apply(p, square, &n, sizeof n, &n, sizeof n, NULL),
              -ESHUTDOWN);
    CHECK_OK(pawl_procpool_join(p));
    CHECK_OK(pawl_procpool_join(p));
    CHECK_OK(pawl_procpool_drain(p));
    for (int i = 0; i < 500; i++) {
        CHECK(pawl_future_is_done(&t[i].future));
        CHECK_EQ(GOT(s->ran[i]), 1);
    }
    CHECK_EQ(pawl_procpool_pids(p, NULL, 0), 0);
    CHECK_OK(pawl_procpool_terminate(p)); /* legal after join */
    CHECK_OK(pawl_procpool_join_until(p, 0));
    CHECK_OK(pawl_procpool_free(p));
    CHECK_EQ(pawl_process_active(NULL, 0), 0);
    scene_end();
}

TEST(procpool.drain_waits_for_all_without_an_end)
{
    struct scene *s = scene_make();
    pawl_procpool *p = pool_of(2, PAWL_START_FORK);
    pawl_proctask t[3];

    CHECK_OK(pawl_procpool_drain(p));
    occupy(p, t, 2);
    CHECK_ERR(pawl_procpool_try_drain(p), -EAGAIN);
    CHECK_ERR(pawl_procpool_drain_until(p, pawl_after_ms(5)), -ETIMEDOUT);
    CHECK_OK(pawl_procpool_close(p));
    CHECK_ERR(pawl_procpool_try_join(p), -EAGAIN);
    CHECK_ERR(pawl_procpool_join_until(p, pawl_after_ms(5)), -ETIMEDOUT);
    pawl_event_set(&s->go);
    CHECK_OK(pawl_procpool_drain(p));
    CHECK(pawl_future_is_done(&t[0].future));
    CHECK_OK(pawl_procpool_end(p));
    scene_end();
}

struct waiter {
    pawl_proctask *task;
    int err, status;
};

static void wait_for_it(void *arg)
{
    struct waiter *w = arg;

    w->err = pawl_future_result(&w->task->future, &w->status, NULL);
}

/* O-10, X-11, W-12: who waits for an outcome gets it, with several threads; who runs
 * is killed. */
TEST(procpool.terminate_fails_what_is_outstanding)
{
    struct scene *s = scene_make();
    pawl_procpool *p = pool_of(2, PAWL_START_FORK);
    struct test_thread *threads[8];
    struct waiter waiters[8];
    pawl_proctask t[600];
    struct told told = {0};

    (void)s;
    occupy(p, t, 2);
    for (int i = 2; i < 600; i++) {
        pawl_proctask_init(&t[i], stay, NULL, 0, NULL, 0);
        t[i].failed = on_failed;
        t[i].context = &told;
        CHECK_OK(pawl_procpool_submit(p, &t[i]));
    }
    for (int i = 0; i < 8; i++) {
        waiters[i] = (struct waiter){.task = &t[i < 4 ? i : 595 + i - 4]};
        threads[i] = test_thread(wait_for_it, &waiters[i]);
        test_until_asleep(test_tid(threads[i]));
    }
    CHECK_OK(pawl_procpool_terminate(p));
    CHECK_OK(pawl_procpool_terminate(p));
    for (int i = 0; i < 8; i++)
        test_join(threads[i]);
    for (int i = 0; i < 8; i++) {
        CHECK_ERR(waiters[i].err, i < 2 ? 0 : -ECANCELED);
        CHECK(i >= 2 || waiters[i].status == -EOWNERDEAD);
    }
    CHECK_OK(pawl_procpool_join(p));
    for (int i = 0; i < 600; i++)
        CHECK(pawl_future_is_done(&t[i].future));
    CHECK_EQ(t[0].code, -SIGTERM);
    CHECK(t[0].pid > 0);
    CHECK_EQ(told.failed, 598); /* O-04: exactly one */
    CHECK_EQ(told.status, -ECANCELED);
    CHECK_ERR(pawl_procpool_submit(p, &t[0]), -ESHUTDOWN);
    CHECK_OK(pawl_procpool_free(p));
    CHECK_EQ(pawl_process_active(NULL, 0), 0);
    scene_end();
}

struct cut_off {
    pawl_procpool *pool;
    int apply, map;
};

static void apply_in_vain(void *arg)
{
    struct cut_off *c = arg;

    c->apply = pawl_procpool_apply(c->pool, stay, NULL, 0, NULL, 0, NULL);
}

static void map_in_vain(void *arg)
{
    struct cut_off *c = arg;

    c->map =
        pawl_procpool_map(c->pool, stay, NULL, 0, NULL, 0, 9, NULL, NULL, NULL);
}

/* O-03, O-05, O-10: those who wait in a call that is everything at once. */
TEST(procpool.terminate_ends_the_calls_that_wait)
{
    struct scene *s = scene_make();
    struct cut_off c = {.pool = pool_of(1, PAWL_START_FORK)};
    struct test_thread *threads[2];
    pawl_proctask t;

    (void)s;
    occupy(c.pool, &t, 1);
    threads[0] = test_thread(apply_in_vain, &c);
    threads[1] = test_thread(map_in_vain, &c);
    for (int i = 0; i < 2; i++)
        test_until_asleep(test_tid(threads[i]));
    CHECK_OK(pawl_procpool_terminate(c.pool));
    for (int i = 0; i < 2; i++)
        test_join(threads[i]);
    CHECK_ERR(c.apply, -ECANCELED);
    CHECK_ERR(c.map, -ECANCELED);
    CHECK_OK(pawl_procpool_end(c.pool));
    scene_end();
}

/* nor does it help to be stopped. */
TEST(procpool.terminate_kills_who_is_stopped)
{
    struct scene *s = scene_make();
    pawl_procpool *p = pool_with(&(pawl_procpool_options){
        .workers = 2, .method = PAWL_START_FORK, .grace_ns = 10000000});
    int64_t pids[2];
    pawl_proctask t;

    (void)s;
    occupy(p, &t, 1);
    CHECK_EQ(pawl_procpool_pids(p, pids, 2), 2);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(kill((pid_t)pids[i], SIGSTOP), 0);
        while (process_state((pid_t)pids[i], NULL) != 'T')
            sched_yield(); /* SIGTERM must not overtake it */
    }
    CHECK_OK(pawl_procpool_terminate(p));
    CHECK_EQ(status_of(&t), -EOWNERDEAD);
    CHECK_EQ(t.code, -SIGKILL);
    CHECK_OK(pawl_procpool_end(p));
    scene_end();
}

/* TERM, then KILL. */
TEST(procpool.terminate_kills_who_does_not_obey)
{
    struct scene *s = scene_make();
    pawl_procpool *p = pool_with(&(pawl_procpool_options){
        .workers = 2, .method = PAWL_START_FORK, .grace_ns = 30000000});
    pawl_proctask t;
    pawl_proctask u;

    pawl_proctask_init(&t, ignore_sigterm, NULL, 0, NULL, 0);
    CHECK_OK(pawl_procpool_submit(p, &t));
    CHECK_OK(pawl_sem_acquire(&s->began));
    CHECK_OK(pawl_procpool_terminate(p));
    CHECK_EQ(status_of(&t), -EOWNERDEAD);
    CHECK_EQ(t.code, -SIGKILL);
    CHECK_OK(pawl_procpool_join(p));
    CHECK_OK(pawl_procpool_free(p));

    p = pool_of(1, PAWL_START_FORK); /* at once */
    occupy(p, &u, 1);
    CHECK_OK(pawl_procpool_kill(p));
    CHECK_EQ(status_of(&u), -EOWNERDEAD);
    CHECK_EQ(u.code, -SIGKILL);
    CHECK_OK(pawl_procpool_end(p));
    scene_end();
}

/* O-10: a map that was cut off says what was computed. */
TEST(procpool.terminate_cuts_a_map_off)
{
    struct scene *s = scene_make();
    pawl_procpool *p = pool_of(1, PAWL_START_FORK);
    pawl_procmap *m;
    int statuses[6];
    int n = 0;
    int err;

    CHECK_OK(pawl_procmap_create(&m, p, stay, NULL, 0, NULL, 0, 6, statuses,
                                 &(pawl_procmap_options){.chunk = 3}));
    CHECK_OK(pawl_sem_acquire(&s->began));
    CHECK_OK(pawl_procpool_terminate(p));
    CHECK_OK(pawl_future_result(pawl_procmap_future(m), NULL, NULL));
    CHECK_OK(pawl_procmap_next(m, NULL, &n));
    CHECK_EQ(n, -EOWNERDEAD);
    for (n = 0; (err = pawl_procmap_next(m, NULL, NULL)) != -ESHUTDOWN; n++)
        CHECK_ERR(err, -ECANCELED);
    CHECK_EQ(n, 5);
    CHECK_EQ(statuses[5], -ECANCELED);
    pawl_procmap_free(m);
    CHECK_OK(pawl_procpool_end(p));
    scene_end();
}

/* ---- death ------------------------------------------------------------------------------ */

/* O-12, X-04, W-46: what the end of a scope does is said where it begins. */
TEST(procpool.a_guard_ends_or_terminates)
{
    struct scene *s = scene_make();
    pawl_proctask stays[2];
    pawl_proctask t;
    int n = 6;

    {
        PAWL_PROCPOOL_GUARD(pool, pool_of(1, PAWL_START_FORK));
        PAWL_PROCPOOL_GUARD(none, NULL);

        pawl_proctask_init(&t, square, &n, sizeof n, &n, sizeof n);
        CHECK_OK(pawl_procpool_submit(pool, &t));
    }
    CHECK(pawl_future_is_done(&t.future));
    CHECK_EQ(status_of(&t), 0);
    CHECK_EQ(n, 36);
    {
        PAWL_PROCPOOL_GUARD_TERMINATE(pool, pool_of(2, PAWL_START_FORK));
        PAWL_PROCPOOL_GUARD_TERMINATE(none, NULL);

        occupy(pool, stays, 2);
        pawl_proctask_init(&t, square, &n, sizeof n, &n, sizeof n);
        CHECK_OK(pawl_procpool_submit(pool, &t));
    }
    CHECK_ERR(pawl_future_try_result(&t.future, NULL, NULL), -ECANCELED);
    for (int i = 0; i < 2; i++) {
        int err = pawl_future_try_result(&stays[i].future, &n, NULL);

        CHECK(err == -ECANCELED || (err == 0 && n == -EOWNERDEAD));
    }
    CHECK(!pawl_event_is_set(&s->go));
    CHECK_EQ(count_children(false), 0);
    scene_end();
}

/* X-10, O-13, W-10, W-11: one task fails, with the cause; the pool goes on. */
TEST(procpool.death_fails_one_task)
{
    FOR_EACH_METHOD(method)
    {
        pawl_procpool *p = pool_of(2, method);
        static const int how[] = {SIGKILL, SIGSEGV, SIGABRT, 0, -7};
        static const int code[] = {-SIGKILL, -SIGSEGV, -SIGABRT, 0, 7};

        for (int i = 0; i < 5; i++) {
            pawl_proctask dying;
            pawl_proctask other[8];
            int in[8];
            int out[8];

            pawl_proctask_init(&dying, die, &how[i], sizeof how[i], NULL, 0);
            CHECK_OK(pawl_procpool_submit(p, &dying));
            for (int k = 0; k < 8; k++) {
                in[k] = k;
                pawl_proctask_init(&other[k], square, &in[k], sizeof *in,
                                   &out[k], sizeof *out);
                CHECK_OK(pawl_procpool_submit(p, &other[k]));
            }
            CHECK_EQ(status_of(&dying), -EOWNERDEAD);
            CHECK(dying.pid > 0);
            /* Sanitizers make an exit of some signals. */
            CHECK(dying.code == code[i] || how[i] == SIGSEGV ||
                  how[i] == SIGABRT);
            for (int k = 0; k < 8; k++) {
                CHECK_EQ(status_of(&other[k]), 0);
                CHECK_EQ(out[k], k * k);
            }
        }
        CHECK_EQ(applied(p, 12), 144);
        CHECK_OK(pawl_procpool_end(p));
    }
}

/* X-10, P-04: a task that leaves its worker by exit is one that its worker has died
 * with. */
TEST(procpool.a_worker_may_leave_by_exit)
{
    FOR_EACH_METHOD(method)
    {
        pawl_procpool *p = pool_of(1, method);
        int code = 3;
        pawl_proctask t;

        pawl_proctask_init(&t, leave, &code, sizeof code, NULL, 0);
        CHECK_OK(pawl_procpool_submit(p, &t));
        CHECK_EQ(status_of(&t), -EOWNERDEAD);
        CHECK(t.pid > 0);
        CHECK(t.code > 0); /* a leak checker has its own */
        CHECK_EQ(applied(p, 12), 144);
        CHECK_OK(pawl_procpool_end(p));
    }
}

/* X-10, K-07: nobody but the kernel knows how it has died. */
TEST(procpool.sigchld_may_be_ignored)
{
    CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    FOR_EACH_METHOD(method)
    {
        pawl_procpool *p = pool_of(2, method);
        int how = SIGKILL;
        pawl_proctask t;

        pawl_proctask_init(&t, die, &how, sizeof how, NULL, 0);
        CHECK_OK(pawl_procpool_submit(p, &t));
        CHECK_EQ(status_of(&t), -EOWNERDEAD);
        CHECK(t.pid > 0);
        CHECK_EQ(t.code, method == PAWL_START_FORKSERVER ? -SIGKILL : 0);
        CHECK_EQ(applied(p, 12), 144);
        CHECK_OK(pawl_procpool_end(p));
        CHECK_EQ(pawl_process_active(NULL, 0), 0);
    }
}

/* The dead are replaced, also those who had nothing to do. */
TEST(procpool.the_dead_are_replaced)
{
    pawl_procpool *p = pool_of(3, PAWL_START_FORK);
    int64_t before[3];
    int64_t after[3];
    pawl_deadline end = pawl_after_s(30);

    CHECK_EQ(applied(p, 2), 4);
    CHECK_EQ(pawl_procpool_pids(p, before, 3), 3);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(kill((pid_t)before[i], SIGKILL), 0);
    while (pawl_procpool_started(p) < 6 && pawl_now() < end)
        sched_yield();
    CHECK_EQ(pawl_procpool_pids(p, after, 3), 3);
    CHECK_EQ(pawl_procpool_started(p), 6);
    for (int i = 0; i < 9; i++)
        CHECK(before[i / 3] != after[i % 3]);
    CHECK_EQ(applied(p, 3), 9);
    CHECK_OK(pawl_procpool_end(p));
}

/* O-05 and X-10: of a chunk only the element that its worker died with. */
TEST(procpool.death_fails_one_element)
{
    static int in[60], out[60], statuses[60];
    struct scene *s = scene_make();
    pawl_procpool *p = pool_of(2, PAWL_START_FORK);

    for (int i = 0; i < 60; i++)
        in[i] = i;
    for (size_t chunk = 1; chunk <= 60; chunk = chunk * 3 + 1) {
        int status = 0;

        memset(s->ran, 0, sizeof s->ran);
        memset(out, 255, sizeof out);
        CHECK_OK(pawl_procpool_map(
            p, die_at_13, in, sizeof *in, out, sizeof *out, 60, statuses,
            &(pawl_procmap_options){.chunk = chunk}, &status));
        CHECK_EQ(status, -EOWNERDEAD);
        for (int i = 0; i < 60; i++) {
            bool died = i == 13 || i == 14 || i == 40;

            CHECK_EQ(GOT(s->ran[i]), 1);
            CHECK_EQ(statuses[i], died ? -EOWNERDEAD : i == 20 ? -EDOM : 0);
            CHECK(died || out[i] == i);
        }
    }
    CHECK_OK(pawl_procpool_end(p));
    scene_end();
}

/* retries, and their end. */
TEST(procpool.retries_until_it_has_killed_too_many)
{
    struct scene *s = scene_make();
    pawl_procpool *p = pool_of(2, PAWL_START_FORK);
    pawl_proctask t;

    for (int deaths = 0; deaths < 5; deaths++) {
        atomic_store(&s->die, deaths);
        pawl_proctask_init(&t, die_some_times, NULL, 0, NULL, 0);
        t.retries = 3;
        CHECK_OK(pawl_procpool_submit(p, &t));
        CHECK_EQ(status_of(&t), deaths <= 3 ? 5 : -EOWNERDEAD);
        CHECK_EQ(t.pid > 0, deaths > 3);
    }
    CHECK_ERR(pawl_procpool_call(p, die, NULL, 0, 0,
                                 &(pawl_procpool_call_options){.retries = -1},
                                 NULL),
              -EINVAL);
    CHECK_OK(pawl_procpool_end(p));
    scene_end();
}

/* X-10, the flag: Python's rule. */
TEST(procpool.fail_all_breaks_the_pool)
{
    struct scene *s = scene_make();
    pawl_procpool *p =
        pool_with(&(pawl_procpool_options){.workers = 2,
                                           .method = PAWL_START_FORK,
                                           .flags = PAWL_PROCPOOL_FAIL_ALL});
    pawl_proctask t[300];
    int how = SIGKILL;

    (void)s;
    occupy(p, t, 1);
    pawl_proctask_init(&t[1], die, &how, sizeof how, NULL, 0);
    CHECK_OK(pawl_procpool_submit(p, &t[1]));
    for (int i = 2; i < 300; i++) {
        pawl_proctask_init(&t[i], stay, NULL, 0, NULL, 0);
        int err = pawl_procpool_submit(p, &t[i]);
        CHECK(err == 0 || err == -ENOTRECOVERABLE);
        if (err != 0)
            pawl_future_cancel(&t[i].future);
        else
            CHECK_EQ(status_of(&t[i]), -EOWNERDEAD);
        if (err == 0)
            i = 298; /* the rest will be refused */
    }
    CHECK_EQ(status_of(&t[0]), -EOWNERDEAD);
    CHECK_EQ(status_of(&t[1]), -EOWNERDEAD);
    pawl_proctask_init(&t[2], stay, NULL, 0, NULL, 0);
    CHECK_ERR(pawl_procpool_submit(p, &t[2]), -ENOTRECOVERABLE);
    CHECK_OK(pawl_procpool_join(p));
    CHECK_OK(pawl_procpool_free(p));
    scene_end();
}

/* ---- deadlines ---------------------------------------------------------------------- */

/* Submit it with so much time; returns whether it had begun when that was over. */
static bool runs_late(pawl_procpool *p, pawl_proctask *t, int ms)
{
    bool began;

    t->until = pawl_after_ms(ms);
    CHECK_OK(pawl_procpool_submit(p, t));
    CHECK_EQ(status_of(t), -ETIMEDOUT);
    CHECK(pawl_now() >= t->until);
    began = pawl_sem_try_acquire(&scene_->began) == 0;
    CHECK(t->pid > 0 || !began);
    return began;
}

/* W-16: a task in a busy loop, whose time is over: its worker is killed, however often
 * it was to be tried, and replaced; nobody else is affected. */
TEST(procpool.a_deadline_ends_one_task)
{
    FOR_EACH_METHOD(method)
    {
        struct scene *s = scene_make();
        pawl_procpool *p = pool_with(&(pawl_procpool_options){
            .workers = 2, .method = method, .flags = PAWL_PROCPOOL_FAIL_ALL});
        pawl_proctask other;
        pawl_proctask t;
        struct told told = {0};
        int ms = 50;

        occupy(p, &other, 1);
        do {
            pawl_proctask_init(&t, never_end, NULL, 0, NULL, 0);
            t.retries = 5;
            t.failed = on_failed;
            t.context = &told;
            told.failed = 0;
            ms *= 2;
        } while (!runs_late(p, &t, ms));
        CHECK_EQ(t.code, -SIGKILL);
        CHECK_EQ(told.failed, 1);
        CHECK_EQ(told.status, -ETIMEDOUT);
        CHECK_EQ(applied(p, 12), 144); /* by the other, or by its successor */
        CHECK(!pawl_future_is_done(&other.future));
        pawl_event_set(&s->go);
        CHECK_EQ(status_of(&other), 0);
        CHECK_OK(pawl_procpool_end(p));
        scene_end();
        scene_ = NULL;
    }
}

/* W-16: what has not begun when its time is over never does; what has no deadline, or
 * time left, is not affected; and room is given back. */
TEST(procpool.a_deadline_calls_off_what_waits)
{
    enum { TASKS = 700 };
    static pawl_proctask t[TASKS];
    static int in[TASKS];
    struct scene *s = scene_make();
    pawl_procpool *p = pool_with(&(pawl_procpool_options){
        .workers = 1, .method = PAWL_START_FORK, .capacity = TASKS + 1});
    pawl_proctask stays;
    struct told told = {0};
    uint64_t state = test_seed(16);
    int late = 0;

    occupy(p, &stays, 1);
    for (int i = 0; i < TASKS; i++) {
        in[i] = i;
        pawl_proctask_init(&t[i], count, &in[i], sizeof *in, NULL, 0);
        if (i % 3 == 0)
            t[i].until = pawl_after_us(test_rand_below(&state, 30000));
        if (i % 3 == 1)
            t[i].until = pawl_after_s(100 + test_rand_below(&state, 100));
        t[i].failed = on_failed;
        t[i].context = &told;
        CHECK_OK(pawl_procpool_try_submit(p, &t[i]));
    }
    for (int i = 1; i < TASKS; i += 7) /* from anywhere in the heap */
        if (i % 3 == 1)
            CHECK_OK(pawl_future_cancel(&t[i].future));
    for (int i = 0; i < TASKS; i += 3) {
        CHECK_EQ(status_of(&t[i]), -ETIMEDOUT);
        CHECK_EQ(t[i].pid, 0);
        late++;
    }
    CHECK_EQ(told.failed, late);
    pawl_proctask_init(&t[0], count, &in[0], sizeof *in, NULL, 0);
    CHECK_OK(pawl_procpool_try_submit(p, &t[0]));
    pawl_event_set(&s->go);
    CHECK_OK(pawl_procpool_drain(p));
    for (int i = 1; i < TASKS; i++) {
        bool runs = i % 3 == 2 || (i % 3 == 1 && i % 7 != 1);

        CHECK_EQ(GOT(s->ran[i]), runs);
        if (runs)
            CHECK_EQ(status_of(&t[i]), i % 10 == 3 ? -i : 0);
    }
    CHECK_EQ(pawl_procpool_started(p), 1);
    CHECK_OK(pawl_procpool_end(p));
    scene_end();
}

struct order {
    pawl_deadline last;
    int told;
};

static void in_order(pawl_proctask *t, int status, void *context)
{
    struct order *o = context;

    CHECK_EQ(status, -ETIMEDOUT);
    CHECK(t->until >= o->last);
    o->last = t->until;
    o->told++;
}

/* W-16: whose time is over first is told first, also when many are at once; their memory
 * is free again. */
TEST(procpool.deadlines_come_in_order)
{
    enum { TASKS = 60 };
    static int large[2048] = {5};
    struct scene *s = scene_make();
    pawl_procpool *p = pool_with(&(pawl_procpool_options){
        .workers = 1, .method = PAWL_START_FORK, .memory = 1 << 20});
    uint64_t state = test_seed(17);
    pawl_proctask stays;
    int n = 0;

    occupy(p, &stays, 1);
    for (int round = 0; round < 50; round++) {
        pawl_proctask t[TASKS];
        struct order order = {0};

        for (int i = 0; i < TASKS; i++) {
            pawl_proctask_init(&t[i], stay, large, sizeof large, NULL, 0);
            t[i].until = 1 + test_rand_below(&state, 1000); /* long ago */
            t[i].failed = in_order;
            t[i].context = &order;
        }
        CHECK_EQ(pawl_procpool_submit_many(p, t, TASKS), TASKS);
        for (int i = 0; i < TASKS; i++)
            CHECK_EQ(status_of(&t[i]), -ETIMEDOUT);
        CHECK_EQ(order.told, TASKS);
    }
    pawl_event_set(&s->go);
    CHECK_EQ(status_of(&stays), 0);
    /* There is room. */
    CHECK_OK(pawl_procpool_apply(p, square, large, sizeof large, &n, sizeof n,
                                 NULL));
    CHECK_EQ(n, 25);
    CHECK_OK(pawl_procpool_end(p));
    scene_end();
}

/* W-16: a worker that was in time is not killed when the time has come. */
TEST(procpool.in_time_is_in_time)
{
    pawl_procpool *p = pool_of(2, PAWL_START_FORK);
    pawl_procpool_call_options o = {.until = pawl_after_ms(100)};
    int late = 0;
    int x = 9;

    for (int i = 0; i < 20; i++) {
        pawl_proctask *t;

        CHECK_OK(pawl_procpool_call(p, square, &x, sizeof x, sizeof x, &o, &t));
        CHECK(status_of(t) == 0 || pawl_now() >= o.until);
        late += t->pid > 0;
        pawl_proctask_release(t);
    }
    while (pawl_now() < o.until)
        sched_yield();
    for (int i = 0; i < 20; i++)
        CHECK_EQ(applied(p, i), i * i);
    CHECK_EQ(pawl_procpool_started(p), 2 + late);
    CHECK_OK(pawl_procpool_end(p));
}

/* W-16: a task that ends after its worker was condemned is late all the same, and the
 * worker takes no other. */
TEST(procpool.too_late_is_late)
{
    pawl_procpool *p = pool_of(1, PAWL_START_FORK);

    for (int i = 0; i < 30; i++) {
        pawl_proctask t[2];
        int x = i;

        pawl_proctask_init(&t[0], end_too_late, NULL, 0, NULL, 0);
        t[0].until = pawl_after_ms(2);
        pawl_proctask_init(&t[1], square, &x, sizeof x, &x, sizeof x);
        CHECK_EQ(pawl_procpool_submit_many(p, t, 2), 2);
        CHECK_EQ(status_of(&t[0]), -ETIMEDOUT);
        CHECK_EQ(status_of(&t[1]), 0);
        CHECK_EQ(x, i * i);
    }
    CHECK_OK(pawl_procpool_end(p));
}

/* W-16 and O-05: of a map what was computed stays, and the rest is too late. */
TEST(procpool.a_map_may_have_a_deadline)
{
    enum { N = 12 };
    struct scene *s = scene_make();
    pawl_procpool *p = pool_of(1, PAWL_START_FORK);
    int statuses[N];
    int ran = 0;

    for (int ms = 20; ran < 3; ms *= 2) {
        int status = 0;

        memset(s->ran, 0, sizeof s->ran);
        CHECK_OK(pawl_procpool_map(
            p, never_end_at_3, NULL, 0, NULL, 0, N, statuses,
            &(pawl_procmap_options){
                .chunk = 6, .retries = 2, .until = pawl_after_ms(ms)},
            &status));
        CHECK_EQ(status, -ETIMEDOUT);
        for (ran = 0; ran < N && statuses[ran] == 0; ran++)
            CHECK_EQ(GOT(s->ran[ran]), 1);
        CHECK(ran <= 3);
        for (int i = ran; i < N; i++) {
            CHECK_EQ(statuses[i], -ETIMEDOUT);
            CHECK(GOT(s->ran[i]) <= (i <= 3));
        }
    }
    CHECK_EQ(applied(p, 5), 25);
    CHECK_OK(pawl_procpool_end(p));
    scene_end();
}

/* Return when all timers of this process have gone off: timerfd_create(2). */
static void until_no_timer_runs(void)
{
    bool runs;

    do {
        runs = false;
        for (int fd = 0; fd < 256; fd++) {
            char name[64];
            char line[128];
            long s;
            long ns;
            FILE *file;

            snprintf(name, sizeof name, "/proc/self/fdinfo/%d", fd);
            file = fopen(name, "re");
            while (file != NULL && fgets(line, sizeof line, file) != NULL)
                if (sscanf(line, "it_value: (%ld, %ld)", &s, &ns) == 2)
                    runs = runs || s != 0 || ns != 0;
            if (file != NULL)
                fclose(file);
        }
    } while (runs && sched_yield() == 0);
}

/* F-05, W-16: a task is called off, or killed if it runs. */
TEST(procpool.a_task_can_be_killed)
{
    struct scene *s = scene_make();
    pawl_procpool *p = pool_of(2, PAWL_START_FORK);
    pawl_proctask stays;
    pawl_proctask t;
    pawl_proctask u;
    pawl_proctask v;
    struct told told = {0};

    occupy(p, &stays, 1);
    pawl_proctask_init(&t, never_end, NULL, 0, NULL, 0);
    t.retries = 5;
    t.failed = on_failed;
    t.context = &told;
    CHECK_OK(pawl_procpool_submit(p, &t));
    CHECK_OK(pawl_sem_acquire(&s->began));
    until_no_timer_runs(); /* the pool has no other reason to look */
    CHECK_OK(pawl_proctask_kill(&t));
    CHECK_EQ(status_of(&t), -ECANCELED);
    CHECK(t.pid > 0);
    CHECK_EQ(t.code, -SIGKILL);
    CHECK_EQ(told.failed, 1);
    CHECK_ERR(pawl_proctask_kill(&t), -EALREADY);
    occupy(p, &v, 1);
    pawl_proctask_init(&u, stay, NULL, 0, NULL, 0);
    CHECK_OK(pawl_procpool_submit(p, &u));
    CHECK_OK(pawl_proctask_kill(&u)); /* has not begun */
    CHECK_ERR(pawl_future_result(&u.future, NULL, NULL), -ECANCELED);
    CHECK_OK(pawl_proctask_kill(&u));
    CHECK_OK(pawl_proctask_kill(&v));
    CHECK_EQ(status_of(&v), -ECANCELED);
    CHECK_EQ(applied(p, 7), 49);
    CHECK_EQ(pawl_procpool_started(p), 4);
    CHECK(!pawl_future_is_done(&stays.future));
    pawl_event_set(&s->go);
    CHECK_EQ(status_of(&stays), 0);
    CHECK_OK(pawl_procpool_end(p));
    pawl_proctask_init(&t, stay, NULL, 0, NULL, 0);
    CHECK_OK(pawl_proctask_kill(&t)); /* never submitted */
    CHECK_ERR(pawl_future_result(&t.future, NULL, NULL), -ECANCELED);
    scene_end();
}

/* ---- those who do not move ------------------------------------------------------------ */

/* A worker that is stopped keeps its task, and nobody else: though a wake may be
 * for it, when all are asleep. */
TEST(procpool.the_stopped_keep_nobody_waiting)
{
    struct scene *s = scene_make();
    pawl_procpool *p = pool_of(2, PAWL_START_FORK);
    pawl_proctask t;
    int64_t pids[2];

    CHECK_EQ(applied(p, 1), 1);
    CHECK_EQ(pawl_procpool_pids(p, pids, 2), 2);
    for (int i = 0; i < 6; i++) {
        test_until_asleep((pid_t)pids[0]);
        test_until_asleep((pid_t)pids[1]);
        CHECK_EQ(kill((pid_t)pids[i % 2], SIGSTOP), 0);
        CHECK_EQ(applied(p, i), i * i);
        CHECK_EQ(kill((pid_t)pids[i % 2], SIGCONT), 0);
    }
    occupy(p, &t, 1); /* and one of them with a task */
    for (int i = 0; i < 2; i++)
        CHECK_EQ(kill((pid_t)pids[i], SIGSTOP), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(kill((pid_t)pids[i], SIGCONT), 0);
    CHECK_EQ(applied(p, 7), 49);
    pawl_event_set(&s->go);
    CHECK_EQ(status_of(&t), 0);
    CHECK_OK(pawl_procpool_end(p));
    scene_end();
}

static void make_a_pool_and_stay(void *arg)
{
    int *out = arg;
    pawl_procpool *p;
    int64_t pids[3];

    CHECK_OK(pawl_procpool_create(&p, &(pawl_procpool_options){.workers = 3}));
    CHECK_EQ(pawl_procpool_pids(p, pids, 3), 3);
    CHECK_EQ(write(out[1], pids, sizeof pids), sizeof pids);
    for (;;)
        pause();
}

/* X-14, K-12. */
TEST(procpool.workers_die_with_their_parent)
{
    int64_t pids[3];
    int ends[2];
    pid_t child;

    make_pipe(ends);
    child = test_spawn_child(make_a_pool_and_stay, ends);
    CHECK_EQ(read_some(ends[0], pids, sizeof pids), sizeof pids);
    CHECK_EQ(kill(child, SIGKILL), 0);
    test_reap_child(child);
    for (int i = 0; i < 3; i++)
        until_gone((pid_t)pids[i]);
}

/* ---- initialisers -------------------------------------------------------------------------- */

TEST(procpool.initialiser_and_finaliser_run_once_in_each)
{
    FOR_EACH_METHOD(method)
    {
        struct scene *s = scene_make();
        pawl_procpool *p = pool_with(&(pawl_procpool_options){
            .workers = 3, .method = method, .finalise = leave_scene});

        CHECK_EQ(applied(p, 4), 16);
        CHECK_OK(pawl_procpool_end(p));
        CHECK_EQ(GOT(s->initialised), 3);
        CHECK_EQ(GOT(s->finalised), 3);
        scene_end();
        scene_ = NULL;
    }
}

/* O-15, X-07: it fails again and again; the pool breaks, with its status. */
TEST(procpool.failing_initialiser_breaks_the_pool)
{
    struct scene *s = scene_make();
    pawl_procpool *p;
    pawl_proctask t;
    int err;

    atomic_store(&s->refuse, 1000000);
    p = pool_with(&(pawl_procpool_options){
        .workers = 2, .method = PAWL_START_FORK, .failures_max = 3});
    pawl_proctask_init(&t, stay, NULL, 0, NULL, 0);
    err = pawl_procpool_submit(p, &t);
    CHECK(err == 0 || err == -ENOTRECOVERABLE);
    if (err == 0)
        CHECK_EQ(status_of(&t), -EPERM);
    pawl_proctask_init(&t, stay, NULL, 0, NULL, 0);
    CHECK_ERR(pawl_procpool_submit(p, &t), -ENOTRECOVERABLE);
    CHECK_OK(pawl_procpool_join(p));
    CHECK(pawl_procpool_started(p) <= 5);
    CHECK_OK(pawl_procpool_free(p));

    p = pool_with(&(pawl_procpool_options){.workers = 1,
                                           .method = PAWL_START_FORK,
                                           .initialise = die_in_beginning});
    pawl_proctask_init(&t, stay, NULL, 0, NULL, 0);
    err = pawl_procpool_submit(p, &t);
    if (err == 0)
        CHECK_EQ(status_of(&t), -EOWNERDEAD);
    CHECK_OK(pawl_procpool_end(p));
    scene_end();
}

/* A success forgives what was before: 4 failures of 5, again and again. */
TEST(procpool.initialiser_may_fail_at_first)
{
    struct scene *s = scene_make();
    pawl_procpool *p;

    atomic_store(&s->refuse, 4);
    p = pool_of(1, PAWL_START_FORK);
    for (int i = 1; i <= 3; i++) {
        int64_t pid;

        CHECK_EQ(applied(p, 5), 25);
        CHECK_EQ(GOT(s->initialised), i);
        CHECK_EQ(pawl_procpool_started(p), 5 * i);
        atomic_store(&s->refuse, 4);
        CHECK_EQ(pawl_procpool_pids(p, &pid, 1), 1);
        CHECK_EQ(kill((pid_t)pid, SIGKILL), 0);
    }
    CHECK_OK(pawl_procpool_end(p));
    scene_end();
}

/* O-20, W-18: after so many tasks there is another process; none is lost, none comes
 * twice. */
TEST(procpool.workers_are_replaced_after_their_tasks)
{
    enum { N = 200, MOST = 7 };
    static int in[N];

    for (int i = 0; i < N; i++)
        in[i] = i;
    FOR_EACH_METHOD(method)
    {
        int n = method == PAWL_START_SPAWN ? 40 : N;
        struct scene *s = scene_make();
        pawl_procpool *p = pool_with(&(pawl_procpool_options){
            .workers = 2, .method = method, .tasks_max = MOST});

        CHECK_OK(pawl_procpool_map(p, count, in, sizeof *in, NULL, 0, (size_t)n,
                                   NULL, &(pawl_procmap_options){.chunk = 1},
                                   NULL));
        for (int i = 0; i < n; i++)
            CHECK_EQ(GOT(s->ran[i]), 1);
        for (int i = 0; i < GOT(s->workers); i++)
            CHECK(GOT(s->tasks_of[i]) <= MOST);
        CHECK(GOT(s->workers) >= n / MOST);
        CHECK_OK(pawl_procpool_end(p));
        scene_end();
        scene_ = NULL;
    }
}

/* ---- cancelling ----------------------------------------------------------------------------- */

/* F-05, F-06: what has not begun; in line as in the window. */
TEST(procpool.what_is_cancelled_never_runs)
{
    enum { N = 800 };
    struct scene *s = scene_make();
    pawl_procpool *p = pool_of(2, PAWL_START_FORK);
    static pawl_proctask t[N];
    static int in[N];
    pawl_proctask busy[2];

    occupy(p, busy, 2);
    for (int i = 0; i < N; i++) {
        in[i] = i;
        pawl_proctask_init(&t[i], count, &in[i], sizeof *in, NULL, 0);
        CHECK_OK(pawl_procpool_submit(p, &t[i]));
    }
    CHECK_ERR(pawl_future_cancel(&busy[0].future), -EBUSY);
    CHECK(!pawl_future_is_running(&t[0].future));
    for (int i = 0; i < N; i += 2) {
        CHECK_OK(pawl_future_cancel(&t[i].future));
        CHECK_OK(pawl_future_cancel(&t[i].future));
        CHECK_ERR(pawl_future_try_result(&t[i].future, NULL, NULL), -ECANCELED);
    }
    pawl_event_set(&s->go);
    CHECK_OK(pawl_procpool_drain(p));
    for (int i = 0; i < N; i++)
        CHECK_EQ(GOT(s->ran[i]), i % 2);
    for (int i = 1; i < N; i += 2)
        CHECK_EQ(status_of(&t[i]), i % 10 == 3 ? -i : 0);
    CHECK_OK(pawl_procpool_end(p));
    scene_end();
}

TEST(procpool.drain_ends_when_the_last_is_cancelled)
{
    struct scene *s = scene_make();
    pawl_procpool *p = pool_of(1, PAWL_START_FORK);
    pawl_proctask busy;
    pawl_proctask *t;
    int n = 0;

    occupy(p, &busy, 1);
    CHECK_OK(pawl_procpool_call(p, count, &n, sizeof n, 0, NULL, &t));
    pawl_event_set(&s->go);
    CHECK_EQ(status_of(&busy), 0);
    (void)pawl_future_cancel(&t->future);
    CHECK_OK(pawl_procpool_drain(p));
    pawl_proctask_release(t);
    pawl_proctask_release(NULL);
    CHECK_OK(pawl_procpool_end(p));
    scene_end();
}

/* T-34: a flag for those who look at it. */
TEST(procpool.a_running_task_can_be_asked_to_stop)
{
    struct scene *s = scene_make();
    pawl_procpool *p = pool_of(1, PAWL_START_FORK);
    pawl_proctask t[2];

    for (int i = 0; i < 2; i++) {
        pawl_proctask_init(&t[i], until_stopped, NULL, 0, NULL, 0);
        CHECK_OK(pawl_procpool_submit(p, &t[i]));
    }
    CHECK_OK(pawl_sem_acquire(&s->began));
    CHECK_OK(pawl_future_request_stop(&t[1].future)); /* not begun: cancelled */
    CHECK_OK(pawl_future_request_stop(&t[0].future));
    CHECK_EQ(status_of(&t[0]), 77);
    CHECK_ERR(pawl_future_result(&t[1].future, NULL, NULL), -ECANCELED);
    CHECK_ERR(pawl_future_request_stop(&t[0].future), -EALREADY);
    CHECK_OK(pawl_procpool_end(p));
    scene_end();
}

/* ---- back-pressure ---------------------------------------------------------------------------- */

struct submitter {
    pawl_procpool *pool;
    pawl_proctask task;
    int err;
};

static void submit_it(void *arg)
{
    struct submitter *s = arg;

    s->err = pawl_procpool_submit(s->pool, &s->task);
}

/* X-01, W-47: try, until, for ever; a close releases who waits. */
TEST(procpool.capacity_holds_submitters_back)
{
    struct scene *s = scene_make();
    pawl_procpool *p = pool_with(&(pawl_procpool_options){
        .workers = 1, .method = PAWL_START_FORK, .capacity = 2});
    pawl_proctask busy[2];
    struct submitter other = {.pool = p};
    struct test_thread *thread;
    pawl_proctask t;

    occupy(p, busy, 1);
    pawl_proctask_init(&busy[1], stay, NULL, 0, NULL, 0);
    CHECK_OK(pawl_procpool_submit(p, &busy[1]));
    pawl_proctask_init(&t, stay, NULL, 0, NULL, 0);
    CHECK_ERR(pawl_procpool_try_submit(p, &t), -EAGAIN);
    CHECK_ERR(pawl_procpool_submit_until(p, &t, 0), -ETIMEDOUT);
    CHECK_ERR(pawl_procpool_submit_until(p, &t, pawl_after_ms(5)), -ETIMEDOUT);
    CHECK_OK(pawl_future_cancel(&busy[1].future)); /* makes room */
    CHECK_OK(pawl_procpool_try_submit(p, &t));
    pawl_proctask_init(&other.task, stay, NULL, 0, NULL, 0);
    thread = test_thread(submit_it, &other);
    test_until_asleep(test_tid(thread));
    CHECK_OK(pawl_procpool_close(p));
    test_join(thread);
    CHECK_ERR(other.err, -ESHUTDOWN);
    pawl_event_set(&s->go);
    CHECK_EQ(status_of(&t), 0);
    CHECK_OK(pawl_procpool_end(p));
    scene_end();
}

static void apply_it(void *pool)
{
    CHECK_EQ(applied(pool, 9), 81);
}

/* O-03, X-01: who waits for room in an apply is not the one who makes it. */
TEST(procpool.apply_may_wait_for_room)
{
    struct scene *s = scene_make();
    pawl_procpool *p = pool_with(&(pawl_procpool_options){
        .workers = 1, .method = PAWL_START_FORK, .capacity = 1});

    for (int i = 0; i < 5; i++) {
        pawl_proctask busy;
        struct test_thread *t;

        pawl_event_clear(&s->go);
        occupy(p, &busy, 1);
        until_no_timer_runs(); /* the pool has no other reason to look */
        t = test_thread(apply_it, p);
        test_until_asleep(test_tid(t));
        pawl_event_set(&s->go);
        test_join(t);
        CHECK_EQ(status_of(&busy), 0);
    }
    CHECK_OK(pawl_procpool_end(p));
    scene_end();
}

/* ---- no descriptors ---------------------------------------------------------- */

static rlim_t allow_descriptors(int n)
{
    struct rlimit limit;
    rlim_t before;

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    before = limit.rlim_cur;
    limit.rlim_cur = (rlim_t)n;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

/* Each that is needed is refused; nothing is left behind. */
TEST(procpool.without_descriptors_none_is_made)
{
    int fds = open_fds();
    pawl_procpool *p = NULL;
    int err = -1;
    int most = 0;

    for (int i = 0; err != 0; i++) {
        rlim_t before = allow_descriptors(fds + i);

        err = pawl_procpool_create(
            &p,
            &(pawl_procpool_options){.workers = 2, .method = PAWL_START_FORK});
        allow_descriptors((int)before);
        most = i;
        CHECK(err == 0 || err == -EMFILE);
        CHECK(err == 0 || open_fds() == fds);
        CHECK(err == 0 || pawl_process_active(NULL, 0) == 0);
    }
    CHECK(most > 3);
    CHECK_EQ(applied(p, 8), 64);
    CHECK_OK(pawl_procpool_end(p));
    CHECK_EQ(open_fds(), fds);
}

/* The same for processes, and the thread. */
TEST(procpool.without_processes_none_is_made)
{
    struct rlimit none;
    pawl_procpool *p;
    rlim_t before;

    CHECK_EQ(getrlimit(RLIMIT_NPROC, &none), 0);
    before = none.rlim_cur;
    if (getuid() == 0 && setresuid(65534, 65534, 65534) != 0)
        TEST_SKIP("root has no limit");
    none.rlim_cur = 0;
    CHECK_EQ(setrlimit(RLIMIT_NPROC, &none), 0);
    FOR_EACH_METHOD(method)
    CHECK_ERR(pawl_procpool_create(
                  &p, &(pawl_procpool_options){.workers = 2, .method = method}),
              -EAGAIN);
    none.rlim_cur = before;
    CHECK_EQ(setrlimit(RLIMIT_NPROC, &none), 0);
    CHECK_EQ(pawl_process_active(NULL, 0), 0);
    p = pool_of(2, PAWL_START_FORK);
    CHECK_EQ(applied(p, 8), 64);
    CHECK_OK(pawl_procpool_end(p));
}

/* A worker that cannot be replaced now is replaced later; if it never can, the pool
 * breaks and says why: O-15. */
TEST(procpool.workers_that_cannot_be_started)
{
    for (unsigned most = 2; most <= 1u << 30; most += (1u << 30) - 2) {
        pawl_procpool *p = pool_with(&(pawl_procpool_options){
            .workers = 1, .method = PAWL_START_FORK, .failures_max = most});
        int how = SIGKILL;
        int n = 3;
        pawl_proctask t;
        rlim_t before;

        pawl_proctask_init(&t, square, &n, sizeof n, &n, sizeof n);
        before = allow_descriptors(3);
        CHECK_OK(pawl_procpool_apply(p, die, &how, sizeof how, NULL, 0, NULL));
        if (most == 2) {
            int err = pawl_procpool_submit(p, &t);

            CHECK(err == 0 || err == -ENOTRECOVERABLE);
            if (err == 0)
                CHECK_EQ(status_of(&t), -EMFILE);
            CHECK_ERR(pawl_procpool_apply(p, square, &n, sizeof n, &n, sizeof n,
                                          NULL),
                      -ENOTRECOVERABLE);
        } else {
            CHECK_OK(pawl_procpool_submit(p, &t));
            CHECK_ERR(pawl_future_result_until(&t.future, NULL, NULL,
                                               pawl_after_ms(25)),
                      -ETIMEDOUT);
        }
        allow_descriptors((int)before);
        if (most > 2)
            CHECK_EQ(status_of(&t), 0);
        CHECK_OK(pawl_procpool_end(p));
    }
}

/* ---- the executor face --------------------------------------------------------------------------- */

/* F-08, F-11: futures of a pool are futures. */
TEST(procpool.futures_can_be_waited_for_together)
{
    enum { N = 50 };
    pawl_procpool *p = pool_of(2, PAWL_START_FORK);
    pawl_proctask t[N];
    pawl_future_entry entries[N];
    pawl_as_completed c;
    int in[N];
    int out[N];
    bool seen[N] = {false};
    size_t which;

    for (int i = 0; i < N; i++) {
        in[i] = i;
        pawl_proctask_init(&t[i], square, &in[i], sizeof *in, &out[i],
                           sizeof *out);
        entries[i] = (pawl_future_entry){.future = &t[i].future};
        CHECK_OK(pawl_procpool_submit(p, &t[i]));
    }
    CHECK_OK(pawl_as_completed_begin(&c, entries, N));
    for (int i = 0; i < N; i++) {
        CHECK_OK(pawl_as_completed_next(&c, &which));
        CHECK(!seen[which]);
        seen[which] = true;
        CHECK_EQ(out[which], (int)(which * which));
    }
    pawl_as_completed_end(&c);
    CHECK_OK(pawl_future_wait(entries, N, PAWL_FUTURE_ALL_COMPLETED));
    CHECK_OK(pawl_procpool_end(p));
}

/* tasks nobody needs any more are freed by who needs them last. */
TEST(procpool.tasks_on_the_heap_are_released_at_any_time)
{
    pawl_procpool *p = pool_of(2, PAWL_START_FORK);

    for (int i = 0; i < 200; i++) {
        pawl_proctask *t = NULL;

        CHECK_OK(pawl_procpool_call(p, square, &i, sizeof i, sizeof i, NULL,
                                    i % 3 == 0 ? NULL : &t));
        if (i % 3 == 1) {
            CHECK_EQ(status_of(t), 0);
            CHECK_EQ(*(int *)pawl_proctask_result(t), i * i);
        }
        if (i % 6 == 2)
            (void)pawl_future_cancel(&t->future);
        pawl_proctask_release(t);
    }
    CHECK_OK(pawl_procpool_end(p));
}

/* ---- other processes -------------------------------------------------------------------------------- */

static void use_in_child(void *arg)
{
    pawl_proctask *t = arg;
    pawl_procpool *p = inherited;
    pawl_procmap *m;
    int n = 1;

    CHECK_ERR(pawl_procpool_submit(p, &t[1]), -ECHILD);
    CHECK_EQ(pawl_procpool_submit_many(p, t, 2), -ECHILD);
    CHECK_ERR(pawl_proctask_kill(&t[0]), -ECHILD);
    CHECK_ERR(pawl_procpool_apply(p, square, &n, sizeof n, &n, sizeof n, NULL),
              -ECHILD);
    CHECK_ERR(pawl_procmap_create(&m, p, square, &n, sizeof n, &n, sizeof n, 1,
                                  NULL, NULL),
              -ECHILD);
    CHECK_ERR(pawl_procpool_close(p), -ECHILD);
    CHECK_ERR(pawl_procpool_terminate(p), -ECHILD);
    CHECK_ERR(pawl_procpool_kill(p), -ECHILD);
    CHECK_ERR(pawl_procpool_join(p), -ECHILD);
    CHECK_ERR(pawl_procpool_drain(p), -ECHILD);
    CHECK_EQ(pawl_procpool_pids(p, NULL, 0), -ECHILD);
    CHECK_ERR(pawl_future_result(&t[0].future, NULL, NULL), -ECHILD);
    CHECK_ERR(pawl_procmap_next(inherited_map, NULL, NULL), -ECHILD);
    CHECK_ERR(pawl_procmap_next_done(inherited_map, NULL, NULL), -ECHILD);
    pawl_procmap_free(inherited_map); /* waits for nobody */
    CHECK_OK(pawl_procpool_free(p));
}

/* O-21, X-12. */
TEST(procpool.handles_are_of_one_process)
{
    struct scene *s = scene_make();
    pawl_procpool *p = pool_of(1, PAWL_START_FORK);
    pawl_proctask t[2];
    int how = SIGKILL;
    int status;

    occupy(p, t, 1);
    pawl_proctask_init(&t[1], stay, NULL, 0, NULL, 0);
    CHECK_OK(pawl_procmap_create(&inherited_map, p, stay, NULL, 0, NULL, 0, 2,
                                 NULL, NULL));
    inherited = p;
    test_wait_child(test_spawn_child(use_in_child, t));
    pawl_event_set(&s->go);
    CHECK_EQ(status_of(&t[0]), 0);
    pawl_procmap_free(inherited_map);
    /* The next worker is forked when `inherited` is set. */
    CHECK_OK(pawl_procpool_apply(p, die, &how, sizeof how, NULL, 0, &status));
    CHECK_OK(pawl_procpool_apply(p, use_the_pool, NULL, 0, NULL, 0, &status));
    CHECK_EQ(status, 0);
    CHECK_OK(pawl_procpool_end(p));
    scene_end();
}

/* what a program that ends does with its pool. */
static void leave_a_pool(void *arg)
{
    static int in[100];
    static pawl_proctask t[100];
    pawl_procpool *p = pool_with(
        &(pawl_procpool_options){.workers = 2,
                                 .method = PAWL_START_FORK,
                                 .at_exit = *(enum pawl_pool_exit *)arg});

    for (int i = 0; i < 100; i++) {
        in[i] = i;
        pawl_proctask_init(&t[i], count, &in[i], sizeof *in, NULL, 0);
        CHECK_OK(pawl_procpool_submit(p, &t[i]));
    }
    exit(0);
}

TEST(procpool.the_end_of_the_program)
{
    for (enum pawl_pool_exit e = PAWL_POOL_JOIN; e <= PAWL_POOL_ABANDON; e++) {
        struct scene *s = scene_make();
        int ran = 0;

        test_wait_child(test_spawn_child(leave_a_pool, &e));
        for (int i = 0; i < 100; i++) {
            CHECK(GOT(s->ran[i]) <= 1);
            ran += GOT(s->ran[i]);
        }
        CHECK(e != PAWL_POOL_JOIN || ran == 100);
        scene_end();
        scene_ = NULL;
    }
}
