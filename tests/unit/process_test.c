/* SPDX-License-Identifier: MIT
 *
 * process_test.c - the states of a process, and how it ends: for each way to start
 * one.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <time.h>

#include "crowd.h"
#include "process_cases.h"

static int entry_die(const pawl_process_call *call)
{
    int signal;

    memcpy(&signal, call->blob, sizeof signal);
    raise(signal);
    return 0;
}

/* Dumps core into the folder, if it can. */
static int entry_dump(const pawl_process_call *call)
{
    const struct rlimit small = {.rlim_cur = 1 << 16, .rlim_max = 1 << 16};

    (void)signal(SIGABRT, SIG_DFL);
    if (chdir(call->blob) == 0 && setrlimit(RLIMIT_CORE, &small) == 0)
        raise(SIGABRT);
    return 1;
}

/* Takes 50 ms of CPU time. */
static int entry_work(const pawl_process_call *call)
{
    (void)call;
    while (clock() < CLOCKS_PER_SEC / 20)
        ;
    return 0;
}

static int entry_exit(const pawl_process_call *call)
{
    exit(entry_code(call)); // NOLINT(concurrency-mt-unsafe)
}

static int entry_leave(const pawl_process_call *call)
{
    _exit(entry_code(call));
}

static int entry_pawl_exit(const pawl_process_call *call)
{
    pawl_process_exit(entry_code(call));
}

/* Leaves a grandchild behind, made without the library, which has all fds. */
static int entry_abandon(const pawl_process_call *call)
{
    if (fork() == 0) {
        char byte;

        (void)!read(call->fds[0], &byte, 1); /* until the test ends it */
        _exit(0);
    }
    return 3;
}

static int entry_obey_and_abandon(const pawl_process_call *call);

void test_main_begins(int argc, char **argv)
{
    pawl_process_register("code", entry_code);
    pawl_process_register("stay", entry_stay);
    pawl_process_register("obey", entry_obey);
    pawl_process_register("die", entry_die);
    pawl_process_register("dump", entry_dump);
    pawl_process_register("work", entry_work);
    pawl_process_register("exit", entry_exit);
    pawl_process_register("leave", entry_leave);
    pawl_process_register("pawl_exit", entry_pawl_exit);
    pawl_process_register("abandon", entry_abandon);
    pawl_process_register("obey_and_abandon", entry_obey_and_abandon);
    pawl_process_main(argc, argv);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* ---- creation ------------------------------------------------------------------ */

/* P-01: creation starts nothing; names count; bad arguments are refused. */
TEST(process.is_new_until_it_is_started)
{
    char name[PAWL_PROCESS_NAME_SIZE];
    pawl_process *p;
    pawl_process *q;
    int code;

    CHECK_OK(pawl_process_create(&p, nothing, NULL, NULL));
    CHECK_OK(pawl_process_create(&q, nothing, NULL,
                                 &(pawl_process_options){.name = "clock"}));
    CHECK_EQ(pawl_process_name(p, name, sizeof name), 9);
    CHECK_EQ(strcmp(name, "Process-1"), 0);
    CHECK_EQ(pawl_process_name(q, name, 4), 5);
    CHECK_EQ(strcmp(name, "clo"), 0);
    CHECK_EQ(count_children(false) + count_children(true), 0);
    CHECK_EQ(pawl_process_is_alive(p), 0);
    CHECK_ERR(pawl_process_join(p, NULL), -ESRCH);
    CHECK_ERR(pawl_process_exitcode(p, &code), -ESRCH);
    CHECK_ERR((int)pawl_process_pid(p), -ESRCH);
    CHECK_ERR(pawl_process_terminate(p), -ESRCH);
    CHECK_ERR(pawl_process_kill(p), -ESRCH);
    CHECK_ERR(pawl_process_interrupt(p), -ESRCH);
    CHECK_ERR(pawl_process_sentinel(p), -ESRCH);
    CHECK_OK(pawl_process_set_daemon(p, true));
    CHECK_EQ(pawl_process_is_daemon(p), 1);
    CHECK_OK(pawl_process_set_daemon(p, false));
    CHECK_EQ(pawl_process_is_daemon(p), 0);
    CHECK_OK(pawl_process_set_name(p, "other"));
    CHECK_ERR(pawl_process_set_name(p, NULL), -EINVAL);
    CHECK_EQ(pawl_process_name(p, name, sizeof name), 5);
    CHECK_OK(pawl_process_close(p));
    pawl_process_free(p);
    pawl_process_free(q);
    pawl_process_free(NULL);
}

TEST(process.bad_arguments_are_refused_at_creation)
{
    static int fds[PAWL_PROCESS_FDS_MAX + 1];
    pawl_process *p;

    CHECK_ERR(pawl_process_create(&p, NULL, NULL, NULL), -EINVAL);
    CHECK_ERR(
        pawl_process_create(&p, nothing, NULL,
                            &(pawl_process_options){.flags = PAWL_SHARED}),
        -EINVAL);
    CHECK_ERR(pawl_process_create(&p, nothing, NULL,
                                  &(pawl_process_options){.size = 1}),
              -EINVAL);
    CHECK_ERR(pawl_process_create(
                  &p, nothing, NULL,
                  &(pawl_process_options){.method = PAWL_START_SPAWN}),
              -EINVAL);
    CHECK_ERR(
        pawl_process_create(&p, nothing, NULL,
                            &(pawl_process_options){.fds = fds, .n_fds = 1}),
        -EINVAL);
    CHECK_ERR(pawl_process_create_entry(
                  &p, "code", NULL, 0,
                  &(pawl_process_options){.method = PAWL_START_FORKSERVER + 1}),
              -EINVAL);
    CHECK_ERR(pawl_process_create_entry(&p, NULL, NULL, 0, NULL), -EINVAL);
    CHECK_ERR(pawl_process_create_entry(&p, "", NULL, 0, NULL), -EINVAL);
    CHECK_ERR(pawl_process_create_entry(&p, "code", NULL, 1, NULL), -EINVAL);
    CHECK_ERR(pawl_process_create_entry(&p, "unknown", NULL, 0, NULL), -ENOENT);
    CHECK_ERR(pawl_process_create_entry(&p, "code", fds,
                                        PAWL_PROCESS_BLOB_MAX + 1, NULL),
              -EMSGSIZE);
    CHECK_ERR(pawl_process_create_entry(
                  &p, "code", NULL, 0,
                  &(pawl_process_options){.fds = fds,
                                          .n_fds = PAWL_PROCESS_FDS_MAX + 1}),
              -EMSGSIZE);
}

/* P-21: names of entries are one each. */
TEST(process.entries_have_different_names)
{
    char longer[PAWL_PROCESS_NAME_SIZE + 1];

    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    CHECK_OK(pawl_process_register("code", entry_code));
    CHECK_ERR(pawl_process_register("code", entry_stay), -EEXIST);
    CHECK_ERR(pawl_process_register(NULL, entry_stay), -EINVAL);
    CHECK_ERR(pawl_process_register("", entry_stay), -EINVAL);
    CHECK_ERR(pawl_process_register("x", NULL), -EINVAL);
    CHECK_ERR(pawl_process_register(longer, entry_stay), -EINVAL);
    longer[sizeof longer - 2] = '\0';
    CHECK_OK(pawl_process_register(longer, entry_stay));
}

/* ---- states ---------------------------------------------------------------------- */

/* P-03, P-05, P-07, P-13: the column "running" of the table. */
TEST(process.runs_until_it_ends)
{
    FOR_EACH_METHOD(method)
    {
        pawl_process *p = started_to_stay(method);
        int code = 1;

        CHECK_ERR(pawl_process_start(p), -EALREADY);
        CHECK_ERR(pawl_process_try_join(p, &code), -EAGAIN);
        CHECK_ERR(pawl_process_join_until(p, 0, &code), -ETIMEDOUT);
        CHECK_ERR(pawl_process_join_until(p, -1, &code), -ETIMEDOUT);
        CHECK_ERR(pawl_process_exitcode(p, &code), -EAGAIN);
        CHECK_EQ(pawl_process_is_alive(p), 1);
        CHECK_ERR(pawl_process_set_daemon(p, true), -EBUSY);
        CHECK_OK(pawl_process_set_name(p, "stayer"));
        CHECK(pawl_process_pid(p) > 0);
        CHECK(!is_readable(pawl_process_sentinel(p)));
        CHECK_ERR(pawl_process_close(p), -EBUSY);
        CHECK_EQ(code, 1);
        end_by_kill(p);
    }
}

/* P-05, P-06, P-11: the columns "ended" and "closed". */
TEST(process.what_has_ended_stays_so)
{
    FOR_EACH_METHOD(method)
    {
        pawl_process *p = started_with_code(9, method);
        int64_t pid = pawl_process_pid(p);
        char name[8];
        int code = 0;

        for (int i = 0; i < 3; i++)
            CHECK_EQ(joined(p), 9);
        CHECK_OK(pawl_process_try_join(p, NULL));
        CHECK_OK(pawl_process_join_until(p, 0, NULL));
        CHECK_OK(pawl_process_exitcode(p, &code));
        CHECK_EQ(code, 9);
        CHECK_EQ(pawl_process_is_alive(p), 0);
        CHECK_EQ(pawl_process_pid(p), pid);
        CHECK_ERR(pawl_process_start(p), -EALREADY);
        CHECK_ERR(pawl_process_set_daemon(p, true), -EBUSY);
        CHECK(is_readable(pawl_process_sentinel(p)));
        CHECK_OK(pawl_process_terminate(p));
        CHECK_OK(pawl_process_kill(p));
        CHECK_OK(pawl_process_close(p));

        CHECK_OK(pawl_process_close(p));
        CHECK_ERR(pawl_process_start(p), -EBADF);
        CHECK_ERR(pawl_process_join(p, NULL), -EBADF);
        CHECK_ERR(pawl_process_exitcode(p, &code), -EBADF);
        CHECK_ERR(pawl_process_is_alive(p), -EBADF);
        CHECK_ERR((int)pawl_process_pid(p), -EBADF);
        CHECK_ERR(pawl_process_kill(p), -EBADF);
        CHECK_ERR(pawl_process_sentinel(p), -EBADF);
        CHECK_ERR(pawl_process_set_daemon(p, true), -EBADF);
        CHECK_ERR(pawl_process_is_daemon(p), -EBADF);
        CHECK_ERR(pawl_process_set_name(p, "x"), -EBADF);
        CHECK_ERR(pawl_process_name(p, name, sizeof name), -EBADF);
        pawl_process_free(p);
    }
}

/* P-06: a join with a deadline does not end before it. */
TEST(process.join_waits_until_its_deadline)
{
    FOR_EACH_METHOD(method)
    {
        pawl_process *p = started_to_stay(method);
        pawl_deadline until = pawl_after_ms(30);

        CHECK_ERR(pawl_process_join_until(p, until, NULL), -ETIMEDOUT);
        CHECK(pawl_now() >= until);
        end_by_kill(p);
    }
}

/* ---- ends ---------------------------------------------------------------------------- */

/* P-04: exit codes, and the value that is more than one. */
TEST(process.exit_code_is_what_its_function_returned)
{
    static const struct {
        const char *entry;
        int given;
        int code;
        int value;
    } cases[] = {
        {"code", 0, 0, 0},
        {"code", 7, 7, 7},
        {"code", 255, 255, 255},
        {"code", 256, 1, 256},
        {"code", -1, 1, -1},
        {"code", INT32_MIN, 1, INT32_MIN},
        {"exit", 300, 44, 44},
        {"exit", -1, 255, 255},
        {"leave", 7, 7, 7},
        {"pawl_exit", 5, 5, 5},
        {"pawl_exit", 1000, 1, 1000},
    };

    FOR_EACH_METHOD(method)
    {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            pawl_process *p = started(cases[i].entry, &cases[i].given,
                                      sizeof(int), NULL, 0, method, 0);
            pawl_process_end end;

            CHECK_EQ(joined(p), cases[i].code);
            CHECK_OK(pawl_process_result(p, &end));
            CHECK_EQ(end.code, cases[i].code);
            CHECK_EQ(end.value, cases[i].value);
            CHECK(!end.dumped);
            CHECK(end.max_rss > 0 || method == PAWL_START_FORKSERVER);
            pawl_process_free(p);
        }
    }
}

/* P-05, P-08, P-09, P-10, K-08: killed by signal N is -N. */
TEST(process.signals_end_it)
{
    FOR_EACH_METHOD(method)
    {
        int signals[] = {SIGTERM, SIGKILL, SIGINT, SIGUSR1};
        int (*const senders[])(pawl_process *) = {
            pawl_process_terminate, pawl_process_kill, pawl_process_interrupt};

        for (int i = 0; i < 4; i++) {
            pawl_process *p = started_to_stay(method);

            CHECK_OK(i < 3 ? senders[i](p) : pawl_process_signal(p, SIGUSR1));
            CHECK_EQ(joined(p), -signals[i]);
            pawl_process_free(p);
        }
        for (int i = 0; i < 4; i++) {
            pawl_process *p =
                started("die", &signals[i], sizeof(int), NULL, 0, method, 0);

            CHECK_EQ(joined(p), -signals[i]);
            pawl_process_free(p);
        }
    }
}

/* P-05: the time that it took; a fork server does not tell it. */
TEST(process.cpu_time_is_counted)
{
    FOR_EACH_METHOD(method)
    {
        pawl_process *p = started("work", NULL, 0, NULL, 0, method, 0);
        pawl_process_end end;

        CHECK_EQ(joined(p), 0);
        CHECK_OK(pawl_process_result(p, &end));
        if (method == PAWL_START_FORKSERVER)
            CHECK_EQ(end.user_ns + end.system_ns + end.max_rss, 0);
        else
            CHECK(end.user_ns + end.system_ns >= 40000000);
        pawl_process_free(p);
    }
}

static void dump_in(void *folder)
{
    (void)entry_dump(&(pawl_process_call){.blob = folder});
}

/* Where the kernel writes cores: here, that is, in the folder of the process. */
static bool cores_come_here(void)
{
    char pattern[2] = "|";
    int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        (void)!read(fd, pattern, 1);
        close(fd);
    }
    return pattern[0] != '|' && pattern[0] != '/';
}

static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *file;

    CHECK(folder != NULL);
    while ((file = readdir(folder)) != NULL)
        (void)unlinkat(dirfd(folder), file->d_name, 0);
    closedir(folder);
    CHECK_EQ(rmdir(path), 0);
}

/* P-05: that it has dumped core, as waitpid says of another that does the same. */
TEST(process.that_core_was_dumped_is_told)
{
    char folder[] = "/tmp/pawl-test-XXXXXX";
    int status;

    if (!cores_come_here())
        TEST_SKIP("cores are not written where the process is");
    CHECK(mkdtemp(folder) != NULL);
    status = test_reap_child(test_spawn_child(dump_in, folder));
    FOR_EACH_METHOD(method)
    {
        pawl_process *p =
            started("dump", folder, sizeof folder, NULL, 0, method, 0);
        pawl_process_end end;

        CHECK_EQ(joined(p), pawl_exit_code(status));
        CHECK_OK(pawl_process_result(p, &end));
        CHECK_EQ(end.dumped, WIFSIGNALED(status) && WCOREDUMP(status));
        pawl_process_free(p);
    }
    remove_folder(folder);
}

/* P-08, P-09: who is stopped has not ended, and ends by SIGKILL at once, by others
 * when it goes on. */
TEST(process.stopped_is_not_ended)
{
    FOR_EACH_METHOD(method)
    {
        for (int continues = 0; continues < 2; continues++) {
            pawl_process *p = started_to_stay(method);
            pid_t pid = (pid_t)pawl_process_pid(p);

            CHECK_OK(pawl_process_signal(p, SIGSTOP));
            while (process_state(pid, NULL) != 'T')
                sched_yield();
            CHECK_OK(pawl_process_terminate(p));
            CHECK_ERR(pawl_process_join_until(p, pawl_after_ms(5), NULL),
                      -ETIMEDOUT);
            CHECK_EQ(pawl_process_is_alive(p), 1);
            CHECK(!is_readable(pawl_process_sentinel(p)));
            CHECK_ERR(pawl_process_close(p), -EBUSY);
            CHECK_OK(continues ? pawl_process_signal(p, SIGCONT)
                               : pawl_process_kill(p));
            CHECK_EQ(joined(p), continues ? -SIGTERM : -SIGKILL);
            pawl_process_free(p);
        }
    }
}

static int heard[2];

static void say_handler(void)
{
    CHECK_EQ(write(heard[1], "h", 1), 1);
}

static void exit_by_pawl(void *unused)
{
    (void)unused;
    CHECK_EQ(atexit(say_handler), 0);
    pawl_process_exit(300);
}

/* P-04: in a process that nobody started here it is exit. */
TEST(process.exit_of_others_runs_their_handlers)
{
    char byte;

    make_pipe(heard);
    CHECK_EQ(
        pawl_exit_code(test_reap_child(test_spawn_child(exit_by_pawl, NULL))),
        1);
    close(heard[1]);
    CHECK_EQ(read_some(heard[0], &byte, 1), 1);
    close(heard[0]);
}

TEST(process.signal_must_be_one)
{
    pawl_process *p = started_to_stay(PAWL_START_FORK);

    CHECK_ERR(pawl_process_signal(p, 1000), -EINVAL);
    CHECK_ERR(pawl_process_signal_group(p, SIGTERM), -EINVAL);
    CHECK_OK(pawl_process_signal(p, 0));
    end_by_kill(p);
}

/* K-07: what os.waitstatus_to_exitcode says. */
TEST(process.wait_status_is_decoded)
{
    CHECK_EQ(pawl_exit_code(0), 0);
    CHECK_EQ(pawl_exit_code(7 << 8), 7);
    CHECK_EQ(pawl_exit_code(255 << 8), 255);
    CHECK_EQ(pawl_exit_code(9), -9);
    CHECK_EQ(pawl_exit_code(0x80 | 11), -11);
    CHECK_ERR(pawl_exit_code(0x7f | SIGSTOP << 8), -EINVAL);
    CHECK_ERR(pawl_exit_code(0xffff), -EINVAL);
}

static bool is_pidfd(int fd)
{
    char path[64];
    char is[64] = "";

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return readlink(path, is, sizeof is - 1) > 0 && strstr(is, "pidfd") != NULL;
}

/* P-12, W-40, W-43: the sentinel and the join are exact, though a grandchild lives that
 * has all descriptors. */
TEST(process.sentinel_tells_the_end_of_the_process_itself)
{
    FOR_EACH_METHOD(method)
    {
        int stop[2];
        struct pollfd sentinel = {.events = POLLIN};
        pawl_process *p;

        make_pipe(stop);
        p = started("abandon", NULL, 0, stop, 1, method, 0);
        sentinel.fd = pawl_process_sentinel(p);
        CHECK_EQ(poll(&sentinel, 1, -1), 1);
        if (is_pidfd(sentinel.fd)) /* else it closes, and ends then */
            CHECK_OK(pawl_process_try_join(p, NULL));
        CHECK_EQ(joined(p), 3);
        close(stop[1]); /* not before: the grandchild lived until now */
        close(stop[0]);
        pawl_process_free(p);
    }
}

/* ---- many threads -------------------------------------------------------------------- */

struct joiners {
    pawl_process *p;
    int stop;
};

static void join_and_compare(void *scene, int me)
{
    struct joiners *j = scene;
    pawl_process_end end;
    int code = 0;

    if (me == 0)
        CHECK_EQ(write(j->stop, "*", 1), 1);
    if (me % 2 == 0)
        CHECK_OK(pawl_process_join(j->p, &code));
    else
        while (pawl_process_exitcode(j->p, &code) == -EAGAIN)
            sched_yield();
    CHECK_EQ(code, '*');
    CHECK_OK(pawl_process_exitcode(j->p, &code));
    CHECK_EQ(code, '*');
    CHECK_OK(pawl_process_result(j->p, &end));
    CHECK_EQ(end.code, '*');
    CHECK_EQ(pawl_process_is_alive(j->p), 0);
}

/* P-05, W-20: the status is there for everybody once it is for one. */
TEST(process.all_joiners_get_the_same)
{
    FOR_EACH_METHOD(method)
    {
        for (int i = 0; i < test_iterations(30); i++) {
            int stop[2];
            struct joiners j;

            if (test_under_tsan() && method == PAWL_START_FORK)
                break; /* no forks after threads */
            make_pipe(stop);
            j.p = started("obey", NULL, 0, stop, 1, method, 0);
            j.stop = stop[1];
            crowd(4, join_and_compare, &j);
            close(stop[0]);
            close(stop[1]);
            pawl_process_free(j.p);
        }
    }
}

static void join_or_look(void *scene, int me)
{
    struct joiners *j = scene;
    char byte = 3;

    if (me == 0)
        CHECK_EQ(write(j->stop, &byte, 1), 1);
    if (me < 2) {
        int code = 0;

        CHECK_OK(pawl_process_join(j->p, &code));
        CHECK_EQ(code, 3);
    } else {
        while (pawl_process_active(NULL, 0) > 0)
            sched_yield();
    }
}

/* Obeys, but leaves a grandchild that has its descriptors. */
static int entry_obey_and_abandon(const pawl_process_call *call)
{
    int code = entry_obey(call);

    if (fork() == 0)
        pause();
    return code;
}

/* P-07, P-18: who only looks does not take the end away from those who join. */
TEST(process.looking_does_not_disturb_joins)
{
    FOR_EACH_METHOD(method)
    {
        for (int i = 0; i < test_iterations(60); i++) {
            int stop[2];
            struct joiners j;

            if (test_under_tsan() && method == PAWL_START_FORK)
                break; /* no forks after threads */
            make_pipe(stop);
            j.p = started("obey_and_abandon", NULL, 0, stop, 1, method, 0);
            j.stop = stop[1];
            crowd(4, join_or_look, &j);
            close(stop[0]);
            close(stop[1]);
            pawl_process_free(j.p);
        }
    }
}

static void join_it(void *p)
{
    CHECK_EQ(joined(p), -SIGKILL);
}

/* P-11: close does not take descriptors away from who sleeps on them. */
TEST(process.close_is_refused_while_somebody_joins)
{
    pawl_process *p = started_to_stay(PAWL_START_FORK);
    struct test_thread *t = test_thread(join_it, p);
    char state;

    do
        state = process_state(test_tid(t), NULL);
    while (state != 'S');
    CHECK_ERR(pawl_process_close(p), -EBUSY);
    CHECK_OK(pawl_process_kill(p));
    test_join(t);
    CHECK_OK(pawl_process_close(p));
    pawl_process_free(p);
}

struct closing {
    pawl_process *p;
    bool among; /* by wait_any */
};

static void join_until_it_ends(void *arg)
{
    struct closing *c = arg;

    if (c->among)
        CHECK_OK(pawl_process_wait_any(&c->p, 1, NULL));
    else
        CHECK_OK(pawl_process_join(c->p, NULL));
}

/* P-11: nor when it has just ended: who joined has it. */
TEST(process.close_waits_for_those_who_are_about_to_return)
{
    for (int i = 0; i < test_iterations(40); i++) {
        struct closing c = {.p = started_to_stay(PAWL_START_SPAWN),
                            .among = i % 2 != 0};
        struct test_thread *t = test_thread(join_until_it_ends, &c);

        while (process_state(test_tid(t), NULL) != 'S')
            sched_yield();
        CHECK_OK(pawl_process_kill(c.p));
        while (pawl_process_close(c.p) == -EBUSY)
            ;
        test_join(t);
        pawl_process_free(c.p);
    }
}

/* ---- several ---------------------------------------------------------------------------- */

/* P-06: wait-any and wait-all over processes with one deadline. */
TEST(process.one_of_many_is_found)
{
    enum { N = 20 }; /* more than need no allocation */
    pawl_process *list[N];
    int stop[N][2];
    size_t which = 77;

    CHECK_ERR(pawl_process_wait_any(NULL, 0, NULL), -EINVAL);
    CHECK_ERR(pawl_process_wait_try_any(NULL, 0, NULL), -EAGAIN);
    CHECK_OK(pawl_process_wait_all(NULL, 0));
    for (int i = 0; i < N; i++) {
        make_pipe(stop[i]);
        list[i] = started("obey", NULL, 0, stop[i], 1,
                          process_methods[i < 3 ? i : 0], 0);
    }
    CHECK_ERR(pawl_process_wait_try_any(list, N, &which), -EAGAIN);
    CHECK_ERR(pawl_process_wait_any_until(list, N, pawl_after_ms(5), &which),
              -ETIMEDOUT);
    CHECK_ERR(pawl_process_wait_try_all(list, N), -EAGAIN);
    CHECK_ERR(pawl_process_wait_all_until(list, N, pawl_after_ms(5)),
              -ETIMEDOUT);
    CHECK_EQ(which, 77);
    for (size_t i = 0; i < N; i++) {
        size_t next = (i * 7 + 2) % N;

        CHECK_EQ(write(stop[next][1], "", 1), 1);
        CHECK_OK(pawl_process_wait_any(list, N - i, &which));
        CHECK_EQ(joined(list[which]), 0);
        CHECK_EQ(pawl_process_is_alive(list[which]), 0);
        /* The order of the list is not that of the pipes any more. */
        for (size_t k = 0; k < N - i; k++)
            CHECK_EQ(pawl_process_is_alive(list[k]), k != which);
        pawl_process_free(list[which]);
        list[which] = list[N - i - 1];
    }
}

TEST(process.all_of_many_have_ended)
{
    pawl_process *list[3];
    int stop[2];

    make_pipe(stop);
    for (int i = 0; i < 3; i++)
        list[i] = started("obey", NULL, 0, stop, 1, process_methods[i], 0);
    CHECK_ERR(pawl_process_wait_all_until(list, 3, pawl_after_ms(5)),
              -ETIMEDOUT);
    CHECK_EQ(write(stop[1], "ab", 2), 2);
    CHECK_ERR(pawl_process_wait_all_until(list, 3, pawl_after_ms(20)),
              -ETIMEDOUT);
    CHECK_EQ(write(stop[1], "c", 1), 1);
    CHECK_OK(pawl_process_wait_all(list, 3));
    for (int i = 0; i < 3; i++) {
        CHECK_OK(pawl_process_try_join(list[i], NULL));
        pawl_process_free(list[i]);
    }
}

TEST(process.a_list_with_a_wrong_one_is_refused)
{
    pawl_process *list[2] = {started_to_stay(PAWL_START_FORK), NULL};

    CHECK_OK(pawl_process_create(&list[1], nothing, NULL, NULL));
    CHECK_ERR(pawl_process_wait_any(list, 2, NULL), -ESRCH);
    CHECK_ERR(pawl_process_wait_all(list, 2), -ESRCH);
    CHECK_OK(pawl_process_close(list[1]));
    CHECK_ERR(pawl_process_wait_any(list, 2, NULL), -EBADF);
    pawl_process_free(list[1]);
    end_by_kill(list[0]);
}

/* ---- nothing is left ------------------------------------------------------------------------ */

/* P-07, P-18: who nobody asks for leaves no zombie; no descriptor is left. */
TEST(process.the_forgotten_are_waited_for)
{
    int fds = open_fds();
    pawl_process *list[4];
    pid_t pids[3];
    pawl_process *p;

    for (int i = 0; i < 3; i++) {
        p = started_with_code(0, process_methods[i]);
        pids[i] = (pid_t)pawl_process_pid(p);
        pawl_process_free(p);
    }
    for (int i = 0; i < 2; i++)
        until_gone(pids[i]);
    p = started_to_stay(PAWL_START_FORK);
    CHECK_EQ(count_children(true), 0);

    while (pawl_process_active(list, 4) != 1)
        for (int i = 0; i < 2; i++)
            pawl_process_free(list[i]); /* the third was still there */
    CHECK(list[0] == p);
    pawl_process_free(list[0]);
    CHECK_EQ(pawl_process_active(NULL, 0), 1);
    end_by_kill(p);
    CHECK_EQ(pawl_process_active(NULL, 0), 0);
    CHECK_EQ(open_fds(), fds + 1); /* the fork server's */
    CHECK_EQ(count_children(true), 0);
    CHECK_EQ(count_children(false), 1);
}
