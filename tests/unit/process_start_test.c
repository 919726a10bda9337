/* SPDX-License-Identifier: MIT
 *
 * process_start_test.c - starting: what the child gets and what not, and what can
 * go wrong.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>

#include "crowd.h"
#include "process/record.h"
#include "process_cases.h"

/* Write to the first descriptor: the blob; to the second, what is seen. */
static int entry_echo(const pawl_process_call *call)
{
    const char *at = call->blob;
    size_t left = call->size;

    if ((uintptr_t)call->blob % _Alignof(max_align_t) != 0)
        return 1;
    while (left > 0) {
        ssize_t r = write(call->fds[0], at, left);

        if (r <= 0)
            return 2;
        at += r;
        left -= (size_t)r;
    }
    return 0;
}

static bool stdin_is_null(void)
{
    struct stat in;
    struct stat null;

    return fstat(0, &in) == 0 && stat("/dev/null", &null) == 0 &&
           in.st_rdev == null.st_rdev;
}

/* Which descriptors are open, beside those passed and the library's one: a line.
 * All but 0, 1 and 2 must be close-on-exec. */
static int entry_fds(const pawl_process_call *call)
{
    char text[2048];
    int n = 0;

    if (!stdin_is_null())
        return 9;
    for (int fd = 3; fd < 300; fd++) {
        int flags = fcntl(fd, F_GETFD);
        bool passed = false;

        for (size_t i = 0; i < call->n_fds; i++)
            passed = passed || call->fds[i] == fd;
        if (flags >= 0 && !passed)
            n += snprintf(text + n, sizeof text - (size_t)n, "%d ", fd);
        if (flags >= 0 && (flags & FD_CLOEXEC) == 0)
            return 8;
    }
    return write(call->fds[0], text, (size_t)n) == n ? 0 : 7;
}

/* To whatever is there under these numbers, in the language of the library. */
static int entry_chat(const pawl_process_call *call)
{
    struct pawl_report lie = {.kind = PAWL_REPORT_VALUE, .value = 99};

    for (int fd = 0; fd < 3; fd++)
        (void)!write(fd, &lie, sizeof lie);
    return call->n_fds > 0 ? 1 : 8;
}

static int entry_mask(const pawl_process_call *call)
{
    sigset_t mask;

    (void)call;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    return sigismember(&mask, SIGTERM) + 2 * sigismember(&mask, SIGCHLD);
}

/* The program is gone; the process starts others all the same. */
static int entry_respawn(const pawl_process_call *call)
{
    if (unlink(call->blob) != 0)
        return 1;
    for (enum pawl_start_method method = PAWL_START_SPAWN;
         method <= PAWL_START_FORKSERVER; method++) {
        pawl_process *p = started_with_code(12, method);

        if (joined(p) != 12)
            return 2;
        pawl_process_free(p);
    }
    return 12;
}

/* Everything that it has, as a careful daemon does. */
static int entry_close_all(const pawl_process_call *call)
{
    (void)call;
    fclose(stdin);
    fclose(stdout);
    for (int fd = 0; fd < 300; fd++)
        (void)close(fd);
    return 13;
}

static pid_t prepared;

static void prepare(void)
{
    prepared = getpid();
}

/* By whom it was prepared: 0 nobody, 1 its parent, 2 somebody else. */
static int entry_prepared(const pawl_process_call *call)
{
    (void)call;
    return prepared == 0 ? 0 : prepared == getppid() ? 1 : 2;
}

static int entry_print(const pawl_process_call *call)
{
    (void)call;
    printf("child\n"); /* left in the buffer */
    return 0;
}

void test_main_begins(int argc, char **argv)
{
    pawl_process_register("code", entry_code);
    pawl_process_register("stay", entry_stay);
    pawl_process_register("obey", entry_obey);
    pawl_process_register("echo", entry_echo);
    pawl_process_register("fds", entry_fds);
    pawl_process_register("mask", entry_mask);
    pawl_process_register("chat", entry_chat);
    pawl_process_register("print", entry_print);
    pawl_process_register("respawn", entry_respawn);
    pawl_process_register("close_all", entry_close_all);
    pawl_process_register("prepared", entry_prepared);
    pawl_process_set_preload(prepare);
    pawl_process_main(argc, argv);
}

/* ---- what the child gets ------------------------------------------------------- */

struct clock {
    pawl_process *process;
    int ticks;
};

static int run_clock(void *arg)
{
    struct clock *c = arg;

    return pawl_process_current() == c->process ? c->ticks : 99;
}

/* P-02: a function gets its object. */
TEST(process_start.function_gets_its_argument)
{
    struct clock c = {.ticks = 3};

    CHECK_OK(pawl_process_create(&c.process, run_clock, &c, NULL));
    c.ticks = 4; /* read when it is started */
    CHECK_OK(pawl_process_start(c.process));
    c.ticks = 5;
    CHECK_EQ(joined(c.process), 4);
    pawl_process_free(c.process);
}

struct reader {
    int fd;
    const unsigned char *expected;
    size_t size;
};

static void read_and_compare(void *arg)
{
    struct reader *r = arg;
    unsigned char part[4096];
    size_t at = 0;
    ssize_t n;

    while ((n = read_some(r->fd, part, sizeof part)) > 0) {
        CHECK(at + (size_t)n <= r->size);
        CHECK(memcmp(part, r->expected + at, (size_t)n) == 0);
        at += (size_t)n;
    }
    CHECK_EQ(at, r->size);
}

/* P-24: a blob of any size, none included. */
TEST(process_start.blob_arrives_whole)
{
    static const size_t sizes[] = {0, 1, 4095, 100000, 5000000};
    unsigned char *blob = malloc(5000000);
    uint64_t random = test_seed(1);

    CHECK(blob != NULL);
    for (size_t i = 0; i < 5000000; i++)
        blob[i] = (unsigned char)test_rand(&random);
    FOR_EACH_METHOD(method)
    {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            int out[2];
            struct reader r = {.expected = blob, .size = sizes[i]};
            pawl_process *p;

            make_pipe(out);
            p = started("echo", blob, sizes[i], &out[1], 1, method, 0);
            close(out[1]);
            r.fd = out[0];
            read_and_compare(&r);
            CHECK_EQ(joined(p), 0);
            close(out[0]);
            pawl_process_free(p);
        }
    }
    free(blob);
}

/* P-27, P-03: a fresh child has 0 (which is /dev/null), 1, 2, what was passed, and
 * one of the library's; and a descriptor that is not close-on-exec, and not passed,
 * does not come along. */
TEST(process_start.fresh_child_has_what_was_passed)
{
    int leaky = fcntl(1, F_DUPFD, 100); /* not close-on-exec */

    CHECK(leaky >= 100);
    for (enum pawl_start_method method = PAWL_START_SPAWN;
         method <= PAWL_START_FORKSERVER; method++) {
        int fds[PAWL_PROCESS_FDS_MAX];
        int out[2];
        char text[2048];
        char *end;
        pawl_process *p;

        make_pipe(out);
        for (int i = 0; i < PAWL_PROCESS_FDS_MAX; i++)
            fds[i] = out[1];
        p = started("fds", NULL, 0, fds, PAWL_PROCESS_FDS_MAX, method, 0);
        CHECK_EQ(joined(p), 0);
        close(out[1]);
        read_text(out[0], text, sizeof text);
        CHECK(strtol(text, &end, 10) >= 3);
        CHECK_EQ(strcmp(end, " "), 0); /* one, and no more */
        close(out[0]);
        pawl_process_free(p);
    }
    close(leaky);
}

static int look_at_stdin(void *unused)
{
    (void)unused;
    return stdin_is_null();
}

/* P-03: nor does a forked child take its parent's input away. */
TEST(process_start.stdin_of_a_forked_child_is_null)
{
    int in[2];
    pawl_process *p;

    make_pipe(in);
    CHECK_EQ(dup2(in[0], 0), 0);
    CHECK(!stdin_is_null());
    CHECK_OK(pawl_process_create(&p, look_at_stdin, NULL, NULL));
    CHECK_OK(pawl_process_start(p));
    CHECK_EQ(joined(p), 1);
    pawl_process_free(p);
}

/* The library's descriptors of other children do not come along in a fork. */
static int count_fds(void *arg)
{
    return open_fds() - *(int *)arg;
}

TEST(process_start.forked_child_has_no_descriptors_of_its_siblings)
{
    int fds = open_fds();
    pawl_process *siblings[6];
    pawl_process *p;

    for (int i = 0; i < 6; i++)
        siblings[i] = i < 3 ? started_to_stay(process_methods[i])
                            : started_with_code(0, process_methods[i - 3]);
    for (int i = 3; i < 6; i++)
        CHECK_EQ(joined(siblings[i]), 0);
    CHECK_OK(pawl_process_create(&p, count_fds, &fds, NULL));
    CHECK_OK(pawl_process_start(p));
    CHECK_EQ(joined(p), 1); /* its own link */
    pawl_process_free(p);
    for (int i = 0; i < 6; i++) {
        if (i < 3)
            end_by_kill(siblings[i]);
        else
            pawl_process_free(siblings[i]);
    }
}

/* P-28: a fresh child blocks no signals; a forked one those of its thread. */
TEST(process_start.signal_mask_of_a_fresh_child_is_empty)
{
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    FOR_EACH_METHOD(method)
    {
        pawl_process *p = started("mask", NULL, 0, NULL, 0, method, 0);

        CHECK_EQ(joined(p), method == PAWL_START_FORK ? 1 : 0);
        pawl_process_free(p);
    }
}

static void never(void)
{
    printf("exit handler\n");
}

/* P-03: what is in stdout's buffer is printed once, what the child leaves there
 * too; the parent's exit handlers do not run in the child. */
TEST(process_start.output_is_printed_once)
{
    int saved = dup(1);

    CHECK_EQ(atexit(never), 0);
    FOR_EACH_METHOD(method)
    {
        int out[2];
        char text[256];
        pawl_process *p;

        make_pipe(out);
        fflush(stdout);
        CHECK_EQ(dup2(out[1], 1), 1);
        setvbuf(stdout, NULL, _IOFBF, 4096);
        printf("parent\n");
        p = started("print", NULL, 0, NULL, 0, method, 0);
        CHECK_EQ(joined(p), 0);
        fflush(stdout);
        CHECK_EQ(dup2(saved, 1), 1);
        close(out[1]);
        if (method == PAWL_START_FORKSERVER) {
            /* The server keeps its stdout. */
            CHECK_EQ(read_some(out[0], text, sizeof text), 13);
            text[13] = '\0';
        } else {
            read_text(out[0], text, sizeof text);
        }
        CHECK_EQ(strcmp(text, "parent\nchild\n"), 0);
        close(out[0]);
        pawl_process_free(p);
    }
    CHECK_EQ(dup2(open("/dev/null", O_WRONLY), 1), 1); /* for never() */
}

/* P-04: how it ends is known whatever it does with its descriptors. */
TEST(process_start.child_may_close_everything)
{
    FOR_EACH_METHOD(method)
    {
        pawl_process *p = started("close_all", NULL, 0, NULL, 0, method, 0);

        CHECK_EQ(joined(p), 13);
        pawl_process_free(p);
    }
}

/* P-21: in the fork server, and nowhere else; once. */
TEST(process_start.fork_server_is_prepared)
{
    FOR_EACH_METHOD(method)
    {
        for (int i = 0; i < 2; i++) {
            pawl_process *p = started("prepared", NULL, 0, NULL, 0, method, 0);

            CHECK_EQ(joined(p), method == PAWL_START_FORKSERVER);
            pawl_process_free(p);
        }
    }
    CHECK_EQ(prepared, 0);
}

/* ---- which way ------------------------------------------------------------------- */

static int is_forked(void *arg)
{
    (void)arg;
    return 42;
}

static void look_at_method(void *arg)
{
    *(enum pawl_start_method *)arg = pawl_process_start_method();
}

/* P-20: with one thread, fork; with more, spawn; what was said, wins. */
TEST(process_start.default_depends_on_threads)
{
    enum pawl_start_method method = PAWL_START_DEFAULT;

    if (!test_under_tsan()) /* which has a thread of its own */
        CHECK_EQ(pawl_process_start_method(), PAWL_START_FORK);
    test_join(test_thread(look_at_method, &method));
    CHECK_EQ(method, PAWL_START_SPAWN);
    if (!test_under_tsan())
        CHECK_EQ(pawl_process_start_method(), PAWL_START_FORK);
    CHECK_ERR(pawl_process_set_start_method(PAWL_START_DEFAULT, true), -EINVAL);
    CHECK_ERR(pawl_process_set_start_method(PAWL_START_FORKSERVER + 1, true),
              -EINVAL);
    CHECK_OK(pawl_process_set_start_method(PAWL_START_SPAWN, false));
    CHECK_ERR(pawl_process_set_start_method(PAWL_START_FORK, false), -EALREADY);
    CHECK_EQ(pawl_process_start_method(), PAWL_START_SPAWN);
    CHECK_OK(pawl_process_set_start_method(PAWL_START_FORKSERVER, true));
    CHECK_EQ(pawl_process_start_method(), PAWL_START_FORKSERVER);
}

TEST(process_start.function_is_forked_whatever_the_default)
{
    pawl_process *p;

    CHECK_OK(pawl_process_set_start_method(PAWL_START_SPAWN, false));
    CHECK_OK(pawl_process_create(&p, is_forked, NULL, NULL));
    CHECK_OK(pawl_process_start(p));
    CHECK_EQ(joined(p), 42);
    pawl_process_free(p);
}

/* ---- failures ---------------------------------------------------------------------- */

static void write_program(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    CHECK_EQ(chmod(path, mode), 0);
}

/* P-03, P-21: what exec says, start says; no child, zombie or descriptor is left,
 * and the object can be started once the reason is gone. */
TEST(process_start.failure_of_exec_is_reported)
{
    static const struct {
        const char *text; /* NULL: no file */
        mode_t mode;
        int err;
    } cases[] = {
        {NULL, 0, -ENOENT},
        {"not for all", 0600, -EACCES},
        {"no format", 0700, -ENOEXEC},
        {"#!/bin/true\n", 0700, -ENOEXEC}, /* it runs, but asks for nothing */
        {"#!/missing/program\n", 0700, -ENOENT},
    };
    char folder[] = "/tmp/pawl-test-XXXXXX";
    char path[64];

    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/program", folder);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].text != NULL)
            write_program(path, cases[i].text, cases[i].mode);
        for (enum pawl_start_method method = PAWL_START_SPAWN;
             method <= PAWL_START_FORKSERVER; method++) {
            int code = 6;
            pawl_process *p =
                create_with("code", &code, sizeof code, NULL, 0, method, 0);
            int fds = open_fds();

            pawl_process_set_executable(path);
            CHECK_ERR(pawl_process_start(p), cases[i].err);
            CHECK_ERR(pawl_process_join(p, NULL), -ESRCH);
            CHECK_EQ(count_children(true) + count_children(false), 0);
            CHECK_EQ(open_fds(), fds);
            pawl_process_set_executable(NULL);
            if (method == PAWL_START_SPAWN) {
                CHECK_OK(pawl_process_start(p));
                CHECK_EQ(joined(p), 6);
            }
            pawl_process_free(p);
        }
        unlink(path);
    }
    rmdir(folder);
}

/* P-01: another program may have the entry; that it has not is known later. */
TEST(process_start.entry_is_missing_in_the_other_program)
{
    char self[256];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    pawl_process *p;

    CHECK(n > 0);
    self[n] = '\0';
    pawl_process_set_executable(self);
    for (enum pawl_start_method method = PAWL_START_FORK;
         method <= PAWL_START_FORKSERVER; method++) {
        p = create_with("missing", NULL, 0, NULL, 0, method, 0);
        CHECK_ERR(pawl_process_start(p), -ENOENT);
        pawl_process_free(p);
    }
    p = started_with_code(11, PAWL_START_SPAWN);
    CHECK_EQ(joined(p), 11);
    pawl_process_free(p);
    /* Longer than any name: not to be taken for what it begins with. */
    memset(self, 'x', sizeof self - 1);
    self[sizeof self - 1] = '\0';
    CHECK_ERR(pawl_process_create_entry(&p, self, NULL, 0, NULL), -ENOENT);
}

static void copy_program(const char *path)
{
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    ssize_t n;

    CHECK(from >= 0 && to >= 0);
    while ((n = sendfile(to, from, NULL, 1 << 20)) > 0)
        ;
    CHECK_EQ(n, 0);
    close(from);
    close(to);
}

/* P-21: a program that is replaced while it runs starts processes of its own
 * version. */
TEST(process_start.program_may_have_been_deleted)
{
    char folder[] = "/tmp/pawl-test-XXXXXX";
    char path[64];
    pawl_process *p;

    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/program", folder);
    copy_program(path);
    pawl_process_set_executable(path);
    p = started("respawn", path, strlen(path) + 1, NULL, 0, PAWL_START_SPAWN,
                0);
    CHECK_EQ(joined(p), 12);
    pawl_process_free(p);
    CHECK_EQ(access(path, F_OK), -1);
    rmdir(folder);
}

/* A program told to be a process, by one that is no pawl, or another: what it answers,
 * or 1 if it has ended without a word. */
static int answer_to(const struct pawl_letter *letter, size_t n)
{
    struct pawl_report ready = {.value = 1};
    int ends[2];
    int fd;
    pid_t pid;

    CHECK_OK(pawl_link_make(ends));
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        if (dup2(ends[1], 100) != 100)
            _exit(2);
        execl("/proc/self/exe", "program", PAWL_ARGUMENT_PROCESS "=100", NULL);
        _exit(3);
    }
    close(ends[1]);
    CHECK_OK(pawl_link_send(ends[0], letter, n, NULL, 0));
    CHECK_EQ(shutdown(ends[0], SHUT_WR), 0);
    if (pawl_link_next(ends[0], &ready, &fd) == 0)
        CHECK_EQ(ready.kind, PAWL_REPORT_READY);
    CHECK_EQ(pawl_exit_code(test_reap_child(pid)), 1);
    close(ends[0]);
    return ready.value;
}

/* P-03: it runs nothing, and says why if it can. */
TEST(process_start.letters_that_are_none_are_refused)
{
    const struct pawl_letter good = {.magic = PAWL_LETTER_MAGIC,
                                     .layout = sizeof good,
                                     .parent = getpid(),
                                     .entry = "unknown"};
    struct pawl_letter letter = good;

    CHECK_ERR(answer_to(&letter, sizeof letter), -ENOENT);
    letter.magic++;
    CHECK_ERR(answer_to(&letter, sizeof letter), -ENOEXEC);
    letter = good;
    letter.layout++;
    CHECK_ERR(answer_to(&letter, sizeof letter), -ENOEXEC);
    letter = good;
    letter.n_fds = letter.n_passed = 2; /* which have not come */
    CHECK_ERR(answer_to(&letter, sizeof letter), -EMFILE);
    CHECK_EQ(answer_to(&good, sizeof good - 1), 1);
    CHECK_EQ(answer_to(&good, 0), 1);
    letter = good;
    letter.blob_size = 1; /* nor has this */
    CHECK_EQ(answer_to(&letter, sizeof letter), 1);
}

TEST(process_start.only_descriptors_can_be_passed)
{
    int wrong = 999;

    FOR_EACH_METHOD(method)
    {
        pawl_process *p = create_with("stay", NULL, 0, &wrong, 1, method, 0);

        CHECK_ERR(pawl_process_start(p), -EBADF);
        pawl_process_free(p);
    }
    CHECK_EQ(count_children(true), 0);
}

static void limit(bool files, rlim_t n)
{
    struct rlimit l;

    CHECK_EQ(files ? getrlimit(RLIMIT_NOFILE, &l) : getrlimit(RLIMIT_NPROC, &l),
             0);
    l.rlim_cur = n;
    CHECK_EQ(files ? setrlimit(RLIMIT_NOFILE, &l) : setrlimit(RLIMIT_NPROC, &l),
             0);
}

/* P-03: no more processes: as it was; later it can be started. */
TEST(process_start.limit_of_processes_is_reported)
{
    struct rlimit before;

    CHECK_EQ(getrlimit(RLIMIT_NPROC, &before), 0);
    if (getuid() == 0 && setresuid(65534, 65534, 65534) != 0)
        TEST_SKIP("root has no limit");
    FOR_EACH_METHOD(method)
    {
        int code = 5;
        pawl_process *p =
            create_with("code", &code, sizeof code, NULL, 0, method, 0);

        limit(false, 0);
        CHECK_ERR(pawl_process_start(p), -EAGAIN);
        CHECK_ERR(pawl_process_start(p), -EAGAIN);
        CHECK_EQ(pawl_process_is_alive(p), 0);
        CHECK_ERR(pawl_process_join(p, NULL), -ESRCH);
        limit(false, before.rlim_cur);
        CHECK_OK(pawl_process_start(p));
        CHECK_EQ(joined(p), 5);
        pawl_process_free(p);
    }
}

/* However many descriptors there are: it works, or says that there are too few, and
 * then nothing has happened. */
TEST(process_start.too_few_descriptors_are_reported)
{
    FOR_EACH_METHOD(method)
    {
        int fds = open_fds();
        int err = -EMFILE;
        int code = 5;
        pawl_process *p =
            create_with("code", &code, sizeof code, NULL, 0, method, 0);

        for (int more = 0; err == -EMFILE; more++) {
            CHECK(more < 20);
            limit(true, (rlim_t)(fds + more));
            err = pawl_process_start(p);
            limit(true, 200);
            if (err == -EMFILE) {
                CHECK(open_fds() <= fds + 1); /* the fork server's */
                CHECK_EQ(count_children(true), 0);
                CHECK_ERR(pawl_process_join(p, NULL), -ESRCH);
            }
        }
        CHECK_OK(err);
        CHECK_EQ(joined(p), 5);
        pawl_process_free(p);
    }
}

/* U-04: descriptors 0, 1 and 2 of the parent may be closed. */
static void start_without_standard(void *arg)
{
    (void)arg;
    close(0);
    close(1);
    close(2);
    FOR_EACH_METHOD(method)
    {
        pawl_process *p = started("chat", NULL, 0, NULL, 0, method, 0);
        pawl_process_end end;

        CHECK_EQ(joined(p), 8);
        CHECK_OK(pawl_process_result(p, &end));
        CHECK_EQ(end.value, 8);
        pawl_process_free(p);
    }
}

TEST(process_start.works_without_standard_descriptors)
{
    test_wait_child(test_spawn_child(start_without_standard, NULL));
}

/* ---- others who wait ------------------------------------------------------------------ */

/* K-07, W-42: the status is taken away: unknown, and no hang.  Not for served
 * children, which nobody else can wait for. */
TEST(process_start.status_that_was_taken_is_unknown)
{
    FOR_EACH_METHOD(method)
    {
        pawl_process *p = started_with_code(0, method);
        pawl_process_end end;
        int code = 77;

        if (method == PAWL_START_FORKSERVER) {
            CHECK_EQ(joined(p), 0);
            pawl_process_free(p);
            break;
        }
        CHECK_EQ(waitpid(-1, NULL, 0), pawl_process_pid(p));
        CHECK_ERR(pawl_process_join(p, &code), -ECHILD);
        CHECK_ERR(pawl_process_join(p, NULL), -ECHILD);
        CHECK_ERR(pawl_process_exitcode(p, &code), -ECHILD);
        CHECK_ERR(pawl_process_result(p, &end), -ECHILD);
        CHECK_EQ(code, 77);
        CHECK_EQ(pawl_process_is_alive(p), 0);
        CHECK_OK(pawl_process_kill(p));
        CHECK_OK(pawl_process_wait_all(&p, 1));
        CHECK_OK(pawl_process_close(p));
        pawl_process_free(p);
    }
}

TEST(process_start.sigchld_may_be_ignored)
{
    CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    FOR_EACH_METHOD(method)
    {
        int stop[2];
        pawl_process *p;

        make_pipe(stop);
        p = started("obey", NULL, 0, stop, 1, method, 0);
        CHECK_ERR(pawl_process_try_join(p, NULL), -EAGAIN);
        CHECK_EQ(write(stop[1], "x", 1), 1);
        if (method == PAWL_START_FORKSERVER)
            CHECK_EQ(joined(p), 'x');
        else
            CHECK_ERR(pawl_process_join(p, NULL), -ECHILD);
        close(stop[0]);
        close(stop[1]);
        pawl_process_free(p);
    }
}

/* ---- signals meanwhile ------------------------------------------------------------------- */

static volatile sig_atomic_t alarms;

static void count_alarm(int signal)
{
    (void)signal;
    alarms = alarms + 1;
}

/* no call returns -EINTR, or wakes early. */
TEST(process_start.signals_do_not_disturb)
{
    struct sigaction action = {.sa_handler = count_alarm}; /* no SA_RESTART */
    struct itimerval often = {.it_interval = {0, 300}, .it_value = {0, 300}};
    struct itimerval off = {.it_value = {0, 0}};

    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
    FOR_EACH_METHOD(method)
    {
        for (int i = 0; i < test_iterations(10); i++) {
            pawl_process *p = started_with_code(4, method);
            pawl_deadline until;

            CHECK_EQ(joined(p), 4);
            pawl_process_free(p);
            p = started_to_stay(method);
            until = pawl_after_ms(3);
            CHECK_ERR(pawl_process_join_until(p, until, NULL), -ETIMEDOUT);
            CHECK(pawl_now() >= until);
            end_by_kill(p);
        }
    }
    CHECK_EQ(setitimer(ITIMER_REAL, &off, NULL), 0);
    CHECK(alarms > 0);
}

/* ---- threads -------------------------------------------------------------------------------- */

struct starters {
    enum pawl_start_method method;
    int times;
};

static void start_and_join(void *scene, int me)
{
    struct starters *s = scene;

    for (int i = 0; i < s->times; i++) {
        int code = (me * 40 + i) % 256;
        pawl_process *p = started_with_code(code, s->method);

        CHECK_EQ(joined(p), code);
        pawl_process_free(p);
    }
}

/* U-23, W-24: many threads start processes at once. */
TEST(process_start.threads_start_processes_at_once)
{
    int fds = open_fds();

    FOR_EACH_METHOD(method)
    {
        struct starters s = {.method = method, .times = test_iterations(40)};

        if (test_under_tsan() && method == PAWL_START_FORK)
            continue; /* no forks beside threads */
        crowd(4, start_and_join, &s);
    }
    CHECK_EQ(open_fds(), fds + 1); /* the fork server's */
    CHECK_EQ(count_children(true), 0);
}

struct racers {
    pawl_process *p;
    _Atomic int started;
};

static void start_it(void *scene, int me)
{
    struct racers *r = scene;
    int err = pawl_process_start(r->p);

    (void)me;
    if (err == 0)
        atomic_fetch_add(&r->started, 1);
    else
        CHECK_ERR(err, -EALREADY);
}

/* P-03: once per object. */
TEST(process_start.one_of_many_starts_succeeds)
{
    for (int i = 0; i < test_iterations(30); i++) {
        int code = 1;
        struct racers r = {.p = create_with("code", &code, sizeof code, NULL, 0,
                                            PAWL_START_SPAWN, 0)};

        crowd(3, start_it, &r);
        CHECK_EQ(atomic_load(&r.started), 1);
        CHECK_EQ(joined(r.p), 1);
        pawl_process_free(r.p);
    }
}

/* P-19, K-11: what may be used is what affinity leaves. */
TEST(process_start.cpus_are_counted)
{
    int online = pawl_cpu_count();
    int mine = pawl_process_cpu_count();
    cpu_set_t one;

    CHECK_EQ(online, sysconf(_SC_NPROCESSORS_ONLN));
    CHECK(mine >= 1);
    if (sched_getaffinity(0, sizeof one, &one) != 0)
        TEST_SKIP("the kernel does not tell");
    CHECK(mine <= CPU_COUNT(&one));
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    CHECK_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    CHECK_EQ(pawl_process_cpu_count(), 1);
    CHECK_EQ(pawl_cpu_count(), online);
}
