/* SPDX-License-Identifier: MIT
 *
 * process_log_test.c - the hook that is told of starts and ends (P-22).
 */
#include "crowd.h"
#include "procpool_cases.h"

enum { LOG_MAX = 64 };

/* Plain: the hook is called by one thread at a time. */
static struct entry {
    enum pawl_log_kind kind;
    int64_t pid;
    int code;
    int err;
    char name[PAWL_PROCESS_NAME_SIZE];
} log_[LOG_MAX];
static int logged;

static void keep(const pawl_log_event *event)
{
    struct entry *e = &log_[logged++];

    CHECK(logged < LOG_MAX);
    *e = (struct entry){.kind = event->kind,
                        .pid = event->pid,
                        .code = event->code,
                        .err = event->err};
    snprintf(e->name, sizeof e->name, "%s", event->name);
    errno = ENOTTY;
}

static void check_entry(int i, enum pawl_log_kind kind, int64_t pid, int code,
                        int err)
{
    CHECK(i < logged);
    CHECK_EQ(log_[i].kind, kind);
    CHECK_EQ(log_[i].pid, pid);
    CHECK_EQ(log_[i].code, code);
    CHECK_EQ(log_[i].err, err);
}

void test_main_begins(int argc, char **argv)
{
    pawl_process_register("code", entry_code);
    pawl_process_register("stay", entry_stay);
    procpool_cases_begin();
    pawl_process_main(argc, argv);
}

TEST(process_log.is_off_at_first)
{
    CHECK(pawl_log_set_hook(keep) == NULL);
    CHECK(pawl_log_set_hook(NULL) == keep);
    pawl_process_free(started_with_code(0, PAWL_START_FORK));
    CHECK_EQ(logged, 0);
}

TEST(process_log.tells_each_start_and_end_once)
{
    pawl_log_set_hook(keep);
    FOR_EACH_METHOD(method)
    {
        pawl_process *p;
        char name[PAWL_PROCESS_NAME_SIZE];
        int64_t pid;

        errno = ERANGE;
        logged = 0;
        p = started_with_code(7, method);
        pid = pawl_process_pid(p);
        CHECK_EQ(logged, 1);
        check_entry(0, PAWL_LOG_STARTED, pid, 0, 0);
        CHECK_EQ(pawl_process_start(p), -EALREADY);
        CHECK_EQ(joined(p), 7);
        CHECK_EQ(joined(p), 7);
        CHECK_EQ(logged, 2);
        check_entry(1, PAWL_LOG_ENDED, pid, 7, 0);
        CHECK_EQ(errno, ERANGE);
        pawl_process_name(p, name, sizeof name);
        CHECK(strcmp(log_[0].name, name) == 0);
        CHECK(strcmp(log_[1].name, name) == 0);
        pawl_process_free(p);
    }
}

TEST(process_log.tells_what_ended_it_or_that_nobody_knows)
{
    pawl_process *p;

    pawl_log_set_hook(keep);
    p = started_to_stay(PAWL_START_FORK);
    end_by_kill(p);
    check_entry(1, PAWL_LOG_ENDED, log_[0].pid, -SIGKILL, 0);

    p = started_with_code(5, PAWL_START_FORK);
    CHECK_EQ(waitpid((pid_t)pawl_process_pid(p), NULL, 0), pawl_process_pid(p));
    CHECK_ERR(pawl_process_join(p, NULL), -ECHILD);
    CHECK_EQ(logged, 4);
    check_entry(3, PAWL_LOG_ENDED, pawl_process_pid(p), 0, -ECHILD);
    pawl_process_free(p);
}

static int has_the_hook(void *hook)
{
    (void)hook;
    return pawl_log_set_hook(NULL) == keep && logged == 0 ? 3 : 4;
}

TEST(process_log.forked_child_has_the_hook)
{
    pawl_process *p;

    pawl_log_set_hook(keep);
    CHECK_OK(pawl_process_create(&p, has_the_hook, NULL, NULL));
    CHECK_OK(pawl_process_start(p));
    CHECK_EQ(joined(p), 3);
    CHECK_EQ(logged, 2);
    pawl_process_free(p);
}

/* A worker that dies: its end, another one, and that this takes its place. */
TEST(process_log.tells_which_worker_is_a_replacement)
{
    FOR_EACH_METHOD(method)
    {
        pawl_procpool *pool;
        int how = SIGKILL;
        int status;
        int64_t pid[2];

        pawl_log_set_hook(keep);
        logged = 0;
        pool = pool_of(1, method);
        CHECK_EQ(pawl_procpool_pids(pool, &pid[0], 1), 1);
        CHECK_OK(
            pawl_procpool_apply(pool, die, &how, sizeof how, NULL, 0, &status));
        CHECK_EQ(status, -EOWNERDEAD);
        CHECK_EQ(applied(pool, 3), 9); /* by the new one */
        CHECK_EQ(pawl_procpool_pids(pool, &pid[1], 1), 1);
        CHECK_OK(pawl_procpool_end(pool));
        CHECK_EQ(logged, 5);
        check_entry(0, PAWL_LOG_STARTED, pid[0], 0, 0);
        check_entry(1, PAWL_LOG_ENDED, pid[0], -SIGKILL, 0);
        check_entry(2, PAWL_LOG_STARTED, pid[1], 0, 0);
        check_entry(3, PAWL_LOG_REPLACED, pid[1], 0, 0);
        check_entry(4, PAWL_LOG_ENDED, pid[1], 0, 0);
        CHECK(strcmp(log_[0].name, "PoolWorker-1") == 0);
        CHECK(strcmp(log_[3].name, "PoolWorker-2") == 0);
    }
}

static atomic_int inside;

static void keep_slowly(const pawl_log_event *event)
{
    CHECK_EQ(atomic_fetch_add(&inside, 1), 0);
    for (int i = 0; i < 500; i++)
        sched_yield(); /* so that another would come */
    keep(event);
    atomic_fetch_sub(&inside, 1);
}

static void start_and_join(void *scene, int me)
{
    (void)scene;
    for (int i = 0; i < 2; i++) {
        pawl_process *p = started_with_code(me, PAWL_START_SPAWN);

        CHECK_EQ(joined(p), me);
        pawl_process_free(p);
    }
}

TEST(process_log.one_call_at_a_time)
{
    int ends = 0;

    pawl_log_set_hook(keep_slowly);
    crowd(4, start_and_join, NULL);
    CHECK_EQ(logged, 16);
    for (int i = 0; i < logged; i++) {
        int before = 0;

        ends += log_[i].kind == PAWL_LOG_ENDED;
        for (int k = 0; k < i; k++)
            before +=
                log_[k].kind == PAWL_LOG_STARTED && log_[k].pid == log_[i].pid;
        CHECK(log_[i].kind == PAWL_LOG_STARTED || before > 0);
    }
    CHECK_EQ(ends, 8);
}
