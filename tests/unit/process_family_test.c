/* SPDX-License-Identifier: MIT
 *
 * process_family_test.c - processes that know each other, outlive each other or
 * not, and end together.
 */
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include <pawl/event.h>
#include <pawl/fork.h>
#include <pawl/thread.h>

#include "crowd.h"
#include "process_cases.h"

static bool has_name(const pawl_process *p, const char *expected)
{
    char name[PAWL_PROCESS_NAME_SIZE];

    return pawl_process_name(p, name, sizeof name) == (int)strlen(expected) &&
           strcmp(name, expected) == 0;
}

/* The pid of the parent is in the blob: which check fails, or 0. */
static int entry_family(const pawl_process_call *call)
{
    pawl_process *me = pawl_process_current();
    pawl_process *parent = pawl_process_parent();
    pawl_process *child;
    pid_t pid;
    int code = 1;

    memcpy(&pid, call->blob, sizeof pid);
    if (!has_name(me, "Process-1"))
        return 1;
    if (pawl_process_pid(me) != getpid() || pawl_process_is_alive(me) != 1 ||
        pawl_process_join(me, NULL) != -EDEADLK ||
        pawl_process_wait_any(&me, 1, NULL) != -EDEADLK ||
        pawl_process_exitcode(me, &code) != -EAGAIN ||
        pawl_process_start(me) != -EALREADY ||
        pawl_process_kill(me) != -EPERM || pawl_process_close(me) != -EPERM ||
        pawl_process_sentinel(me) != -EINVAL)
        return 2;
    if (parent == NULL || !has_name(parent, "MainProcess") ||
        pawl_process_pid(parent) != pid || pawl_process_is_alive(parent) != 1 ||
        pawl_process_try_join(parent, NULL) != -EAGAIN ||
        pawl_process_kill(parent) != -EPERM ||
        pawl_process_close(parent) != -EPERM ||
        pawl_process_sentinel(parent) < 0)
        return 3;
    child =
        started("code", &(int){6}, sizeof(int), NULL, 0, PAWL_START_DEFAULT, 0);
    if (!has_name(child, "Process-1:1"))
        return 4;
    if (pawl_process_join(child, &code) != 0 || code != 6)
        return 5;
    pawl_process_free(child);
    return 0;
}

/* Wait for the end of the parent, and tell it. */
static int entry_orphan(const pawl_process_call *call)
{
    pawl_process *parent = pawl_process_parent();
    char said = 'o';
    int code;

    if (write(call->fds[0], "!", 1) != 1)
        return 1;
    if (pawl_process_join(parent, NULL) != 0 ||
        pawl_process_is_alive(parent) != 0 ||
        !is_readable(pawl_process_sentinel(parent)) ||
        pawl_process_exitcode(parent, &code) != -ECHILD)
        said = 'x';
    return write(call->fds[0], &said, 1) != 1;
}

/* Answer each byte. */
static int entry_answer(const pawl_process_call *call)
{
    char byte;

    while (read_some(call->fds[0], &byte, 1) == 1)
        if (write(call->fds[1], &byte, 1) != 1)
            return 1;
    return 0;
}

/* Two processes that hold the descriptor. */
static int entry_two(const pawl_process_call *call)
{
    (void)signal(SIGTERM, SIG_DFL);
    if (fork() != 0 && write(call->fds[0], "!", 1) != 1)
        return 1;
    for (;;)
        pause();
}

void test_main_begins(int argc, char **argv)
{
    pawl_process_register("code", entry_code);
    pawl_process_register("stay", entry_stay);
    pawl_process_register("obey", entry_obey);
    pawl_process_register("family", entry_family);
    pawl_process_register("orphan", entry_orphan);
    pawl_process_register("answer", entry_answer);
    pawl_process_register("two", entry_two);
    pawl_process_main(argc, argv);
}

/* ---- who is who ------------------------------------------------------------------ */

static void meet_family(void *arg)
{
    enum pawl_start_method method = *(enum pawl_start_method *)arg;
    pid_t pid = getpid();
    pawl_process *p = started("family", &pid, sizeof pid, NULL, 0, method, 0);

    CHECK_EQ(joined(p), 0);
    pawl_process_free(p);
}

/* P-01, P-16, P-17, K-06: names, pids, what one may do to oneself and the parent;
 * and that a child has children. */
TEST(process_family.knows_itself_and_its_parent)
{
    CHECK(has_name(pawl_process_current(), "MainProcess"));
    CHECK_EQ(pawl_process_pid(pawl_process_current()), getpid());
    CHECK(pawl_process_parent() == NULL);
    FOR_EACH_METHOD(method) /* each as the first child */
    test_wait_child(test_spawn_child(meet_family, &method));
}

/* P-06, K-04: a handle that came along in a fork is of no use, and does no harm. */
struct inherited {
    pawl_process *running;
    pawl_process *ended;
    pawl_process *fresh;
};

static void use_inherited(void *arg)
{
    struct inherited *in = arg;
    pawl_process *list[3] = {in->running, in->ended, in->fresh};
    int code;

    CHECK_EQ(pawl_process_active(NULL, 0), 0);
    CHECK(pawl_process_parent() == NULL);
    for (int i = 0; i < 3; i++) {
        char name[PAWL_PROCESS_NAME_SIZE];

        CHECK_ERR(pawl_process_join(list[i], NULL), -ECHILD);
        CHECK_ERR(pawl_process_exitcode(list[i], &code), -ECHILD);
        CHECK_ERR(pawl_process_is_alive(list[i]), -ECHILD);
        CHECK_ERR(pawl_process_kill(list[i]), -ECHILD);
        CHECK_ERR(pawl_process_sentinel(list[i]), -ECHILD);
        CHECK_ERR(pawl_process_close(list[i]), -ECHILD);
        CHECK_ERR(pawl_process_wait_any(&list[i], 1, NULL), -ECHILD);
        CHECK(pawl_process_name(list[i], name, sizeof name) > 0);
        CHECK_ERR(pawl_process_start(list[i]), -ECHILD);
        pawl_process_free(list[i]);
    }
    FOR_EACH_METHOD(method)
    {
        pawl_process *p =
            started("code", &(int){4}, sizeof(int), NULL, 0, method, 0);

        CHECK_EQ(joined(p), 4);
        pawl_process_free(p);
    }
}

TEST(process_family.inherited_handles_are_refused)
{
    FOR_EACH_METHOD(method)
    {
        struct inherited in = {
            .running = started_to_stay(method),
            .ended = started_with_code(1, method),
            .fresh = create_with("stay", NULL, 0, NULL, 0, method, 0)};

        CHECK_EQ(joined(in.ended), 1);
        test_wait_child(test_spawn_child(use_inherited, &in));
        CHECK_EQ(pawl_process_is_alive(in.running), 1);
        end_by_kill(in.running);
        CHECK_EQ(joined(in.ended), 1);
        pawl_process_free(in.ended);
        pawl_process_free(in.fresh);
    }
}

static void look_around(void *seen)
{
    *(size_t *)seen += pawl_process_active(NULL, 0);
}

/* K-05: hooks of a fork may ask who there is, on both sides. */
TEST(process_family.hooks_of_a_fork_may_call)
{
    static size_t seen[3];
    pawl_process *p;

    for (int i = 0; i < 2; i++) { /* before and after the library's own */
        CHECK_OK(pawl_at_fork(look_around, look_around, NULL, &seen[i]));
        p = started_to_stay(PAWL_START_FORKSERVER);
        end_by_kill(p);
    }
    p = started_to_stay(PAWL_START_FORK);
    seen[0] = seen[1] = 0;
    test_wait_child(test_spawn_child(look_around, &seen[2]));
    CHECK_EQ(seen[0], 2);
    CHECK_EQ(seen[1], 2);
    end_by_kill(p);
}

/* ---- the end of the parent --------------------------------------------------------- */

struct middle {
    enum pawl_start_method method;
    unsigned flags;
    const char *entry;
    int pipe[2];   /* held by the child, if alive: no end of file */
    int orders[2]; /* "obey" reads from it */
};

/* Starts a child, and stays. */
static void be_middle(void *arg)
{
    struct middle *m = arg;
    int fds[2] = {m->pipe[1], m->orders[0]};

    if (strcmp(m->entry, "obey") == 0) {
        fds[0] = m->orders[0];
        fds[1] = m->pipe[1];
    }
    close(m->orders[1]);
    started(m->entry, NULL, 0, fds, 2, m->method, m->flags);
    CHECK_EQ(write(m->pipe[1], "s", 1), 1);
    for (;;)
        pause();
}

/* It has its child; and the fork server, if any, waits for work. */
static pid_t begin_middle(struct middle *m, int says)
{
    char said[2];
    pid_t pid;

    make_pipe(m->pipe);
    make_pipe(m->orders);
    pid = test_spawn_child(be_middle, m);
    close(m->pipe[1]);
    close(m->orders[0]);
    for (int i = 0; i < says; i++)
        CHECK_EQ(read_some(m->pipe[0], said, 1), 1);
    return pid;
}

static void end_middle(struct middle *m, pid_t pid)
{
    kill(pid, SIGKILL);
    CHECK(WIFSIGNALED(test_reap_child(pid)));
    (void)m;
}

/* P-14, P-15, W-21, K-12: a child that is to die with its parent does, however the
 * parent ends; daemons are so. */
TEST(process_family.child_dies_with_its_parent)
{
    static const unsigned flags[] = {PAWL_PROCESS_DIES_WITH_PARENT,
                                     PAWL_PROCESS_DAEMON};

    FOR_EACH_METHOD(method)
    {
        for (int i = 0; i < 2; i++) {
            struct middle m = {
                .method = method, .flags = flags[i], .entry = "stay"};
            pid_t pid = begin_middle(&m, 2);
            char byte;

            end_middle(&m, pid);
            CHECK_EQ(read_some(m.pipe[0], &byte, 1), 0);
            close(m.pipe[0]);
            close(m.orders[1]);
        }
    }
}

/* P-15: others live on. */
TEST(process_family.child_outlives_its_parent)
{
    FOR_EACH_METHOD(method)
    {
        struct middle m = {.method = method, .entry = "obey"};
        pid_t pid = begin_middle(&m, 1);
        char byte;

        end_middle(&m, pid);
        CHECK(!is_readable(m.pipe[0]));
        CHECK_EQ(write(m.orders[1], "x", 1), 1);
        CHECK_EQ(read_some(m.pipe[0], &byte, 1), 0);
        close(m.pipe[0]);
        close(m.orders[1]);
    }
}

/* P-17: the death of the parent can be waited for. */
TEST(process_family.child_learns_of_its_parents_end)
{
    FOR_EACH_METHOD(method)
    {
        struct middle m = {.method = method, .entry = "orphan"};
        pid_t pid = begin_middle(&m, 2);
        char byte = 0;

        end_middle(&m, pid);
        CHECK_EQ(read_some(m.pipe[0], &byte, 1), 1);
        CHECK_EQ(byte, 'o');
        CHECK_EQ(read_some(m.pipe[0], &byte, 1), 0);
        close(m.pipe[0]);
        close(m.orders[1]);
    }
}

struct answerer {
    enum pawl_start_method method;
    pawl_process *p;
    int ask[2];
    int answer[2];
};

static void start_answerer(void *arg)
{
    struct answerer *a = arg;
    int fds[2] = {a->ask[0], a->answer[1]};

    a->p = started("answer", NULL, 0, fds, 2, a->method,
                   PAWL_PROCESS_DIES_WITH_PARENT);
}

static void expect_answers(struct answerer *a)
{
    for (int i = 0; i < 20; i++) {
        char byte = (char)i;

        CHECK_EQ(write(a->ask[1], &byte, 1), 1);
        CHECK_EQ(read_some(a->answer[0], &byte, 1), 1);
        CHECK_EQ(byte, i);
        sched_yield();
    }
}

static void end_answerer(struct answerer *a)
{
    end_by_kill(a->p);
    for (int i = 0; i < 2; i++) {
        close(a->ask[i]);
        close(a->answer[i]);
    }
}

/* K-12: it is the parent process that counts, not the thread that has started. */
TEST(process_family.child_survives_the_thread_that_started_it)
{
    FOR_EACH_METHOD(method)
    {
        struct answerer a = {.method = method};
        struct test_thread *t;
        pid_t tid;

        if (test_under_tsan() && method == PAWL_START_FORK)
            continue; /* no forks after threads */
        make_pipe(a.ask);
        make_pipe(a.answer);
        t = test_thread(start_answerer, &a);
        tid = test_tid(t);
        test_join(t);
        until_gone(tid); /* for the kernel, too */
        expect_answers(&a);
        end_answerer(&a);
    }
}

static void be_process_one(void)
{
    CHECK_EQ(getpid(), 1);
    /* The leak check would ask the wrong /proc. */
    CHECK_EQ(setenv("ASAN_OPTIONS", "detect_leaks=0", 1), 0);
    FOR_EACH_METHOD(method)
    {
        struct answerer a = {.method = method};

        make_pipe(a.ask);
        make_pipe(a.answer);
        start_answerer(&a);
        expect_answers(&a);
        end_answerer(&a);
    }
}

static void have_process_one(void *unused)
{
    pid_t pid;

    (void)unused;
    if (unshare(CLONE_NEWPID) != 0)
        TEST_SKIP("no right to make a PID namespace");
    pid = fork(); /* the harness' own would look for its parent's number */
    if (pid == 0) {
        be_process_one();
        _exit(0);
    }
    test_wait_child(pid);
}

/* K-12: a parent that is process 1 has not ended. */
TEST(process_family.parent_may_be_process_one)
{
    test_wait_child(test_spawn_child(have_process_one, NULL));
}

/* W-22, W-41, K-08: the descendants get the signal, too. */
TEST(process_family.group_is_signalled_as_a_whole)
{
    FOR_EACH_METHOD(method)
    {
        int out[2];
        char byte;
        pawl_process *p;

        make_pipe(out);
        p = started("two", NULL, 0, &out[1], 1, method, PAWL_PROCESS_GROUP);
        close(out[1]);
        CHECK_EQ(read_some(out[0], &byte, 1), 1);
        CHECK_EQ(getpgid((pid_t)pawl_process_pid(p)), pawl_process_pid(p));
        CHECK_OK(pawl_process_signal_group(p, SIGTERM));
        CHECK_EQ(joined(p), -SIGTERM);
        CHECK_EQ(read_some(out[0], &byte, 1), 0); /* both are gone */
        CHECK_OK(pawl_process_signal_group(p, SIGTERM));
        close(out[0]);
        pawl_process_free(p);
    }
}

/* ---- the end of the program --------------------------------------------------------- */

static struct {
    int log[2];
    int daemon_lives[2];
    pawl_event exit_began;
} scene;

static void log_line(const char *line)
{
    CHECK_EQ(write(scene.log[1], line, strlen(line)), (ssize_t)strlen(line));
}

static void early_handler(void)
{
    log_line("early handler\n");
}

static void late_handler(void)
{
    log_line("late handler\n");
    pawl_event_set(&scene.exit_began);
}

static void on_term(int signal)
{
    (void)signal;
    log_line("daemon\n");
    _exit(0);
}

static int be_daemon(void *unused)
{
    (void)unused;
    close(scene.daemon_lives[0]);
    CHECK(signal(SIGTERM, on_term) != SIG_ERR);
    CHECK_EQ(write(scene.daemon_lives[1], "!", 1), 1);
    for (;;)
        pause();
}

static int be_child(void *unused)
{
    char byte;

    (void)unused;
    close(scene.daemon_lives[1]);
    CHECK_EQ(read_some(scene.daemon_lives[0], &byte, 1), 0);
    log_line("child\n");
    return 0;
}

static int be_thread(void *unused)
{
    (void)unused;
    CHECK_OK(pawl_event_wait(&scene.exit_began));
    log_line("thread\n");
    return 0;
}

static void be_program(void *unused)
{
    static pawl_thread t;
    pawl_process *daemon;
    pawl_process *child;
    char byte;

    (void)unused;
    CHECK_EQ(atexit(early_handler), 0);
    CHECK_OK(pawl_process_create(
        &daemon, be_daemon, NULL,
        &(pawl_process_options){.flags = PAWL_PROCESS_DAEMON}));
    CHECK_OK(pawl_process_start(daemon));
    CHECK_EQ(read_some(scene.daemon_lives[0], &byte, 1), 1);
    CHECK_OK(pawl_process_create(&child, be_child, NULL, NULL));
    CHECK_OK(pawl_process_start(child));
    pawl_process_free(child); /* it is waited for all the same */
    close(scene.daemon_lives[0]);
    close(scene.daemon_lives[1]);
    CHECK_OK(pawl_thread_init(&t, be_thread, NULL, NULL));
    CHECK_OK(pawl_thread_start(&t));
    CHECK_EQ(atexit(late_handler), 0);
    exit(0); // NOLINT(concurrency-mt-unsafe)
}

/* K-13, P-14: threads, then the daemons are told to go, then all are joined. */
TEST(process_family.program_ends_in_order)
{
    char text[256];
    pid_t pid;

    make_pipe(scene.log);
    make_pipe(scene.daemon_lives);
    pid = test_spawn_child(be_program, NULL);
    close(scene.log[1]);
    close(scene.daemon_lives[0]);
    close(scene.daemon_lives[1]);
    read_text(scene.log[0], text, sizeof text);
    CHECK_EQ(strcmp(text, "late handler\nthread\ndaemon\nchild\n"
                          "early handler\n"),
             0);
    test_wait_child(pid);
}

static void end_beside_children(void *method)
{
    int fds[1] = {scene.log[1]};
    pawl_process *p =
        started("stay", NULL, 0, fds, 1, *(enum pawl_start_method *)method,
                PAWL_PROCESS_DAEMON);
    pid_t ours[2] = {(pid_t)pawl_process_pid(p), 0};

    process_state(ours[0], &ours[1]); /* its parent: us, or the fork server */
    CHECK_EQ(write(scene.daemon_lives[1], ours, sizeof ours),
             (ssize_t)sizeof ours);
    exit(0); // NOLINT(concurrency-mt-unsafe)
}

/* P-14: no daemon, no fork server and no zombie is left. */
TEST(process_family.nothing_is_left_after_the_program)
{
    make_pipe(scene.daemon_lives);
    FOR_EACH_METHOD(method)
    {
        char text[16];
        pid_t ours[2];

        make_pipe(scene.log);
        test_wait_child(test_spawn_child(end_beside_children, &method));
        CHECK_EQ(read_some(scene.daemon_lives[0], ours, sizeof ours),
                 (ssize_t)sizeof ours);
        for (int i = 0; i < 2; i++)
            CHECK_EQ(process_state(ours[i], NULL), 0);
        close(scene.log[1]);
        read_text(scene.log[0], text, sizeof text); /* to its end */
        close(scene.log[0]);
    }
}

static void start_late(void)
{
    FOR_EACH_METHOD(method)
    {
        pawl_process *p =
            create_with("code", &(int){0}, sizeof(int), NULL, 0, method, 0);

        log_line(pawl_process_start(p) == -ESHUTDOWN ? "refused\n" : "?\n");
        pawl_process_free(p);
    }
}

static void end_and_start(void *unused)
{
    pawl_process *p;

    (void)unused;
    CHECK_EQ(atexit(start_late), 0); /* before the library's: called after it */
    p = started_with_code(3, PAWL_START_FORK);
    CHECK_EQ(joined(p), 3);
    pawl_process_free(p);
    exit(0); // NOLINT(concurrency-mt-unsafe)
}

/* K-13: nobody would wait for it. */
TEST(process_family.nothing_starts_at_the_very_end)
{
    char text[64];
    pid_t pid;

    make_pipe(scene.log);
    pid = test_spawn_child(end_and_start, NULL);
    close(scene.log[1]);
    read_text(scene.log[0], text, sizeof text);
    CHECK_EQ(strcmp(text, "refused\nrefused\nrefused\n"), 0);
    test_wait_child(pid);
    close(scene.log[0]);
}

static int start_daemon_and_return(void *arg)
{
    int fds[1] = {scene.log[1]};

    started("stay", NULL, 0, fds, 1, *(enum pawl_start_method *)arg,
            PAWL_PROCESS_DAEMON);
    return 21;
}

/* P-14: the same at the end of a child that has children, forked. */
TEST(process_family.child_ends_its_own_children)
{
    FOR_EACH_METHOD(method)
    {
        char text[16];
        pawl_process *p;

        make_pipe(scene.log);
        CHECK_OK(
            pawl_process_create(&p, start_daemon_and_return, &method, NULL));
        CHECK_OK(pawl_process_start(p));
        close(scene.log[1]);
        CHECK_EQ(joined(p), 21);
        read_text(scene.log[0], text, sizeof text);
        close(scene.log[0]);
        pawl_process_free(p);
    }
}

static int start_obedient_and_return(void *arg)
{
    started("obey", NULL, 0, arg, 1, PAWL_START_FORK, 0);
    return 22;
}

/* P-14: and waits for those that are no daemons. */
TEST(process_family.child_waits_for_its_own_children)
{
    int stop[2];
    pawl_process *p;

    make_pipe(stop);
    CHECK_OK(pawl_process_create(&p, start_obedient_and_return, stop, NULL));
    CHECK_OK(pawl_process_start(p));
    CHECK_ERR(pawl_process_join_until(p, pawl_after_ms(30), NULL), -ETIMEDOUT);
    CHECK_EQ(write(stop[1], "", 1), 1);
    CHECK_EQ(joined(p), 22);
    pawl_process_free(p);
}

/* ---- the fork server --------------------------------------------------------------------- */

/* The fork server is the only child of this process that the library lists not. */
static pid_t find_server(pid_t child)
{
    pid_t parent = 0;

    CHECK(process_state(child, &parent) != 0);
    return parent;
}

/* P-21: killed, it takes the statuses with it; the next start begins another. */
TEST(process_family.fork_server_may_be_killed)
{
    int stop[2];
    pawl_process *p;
    pawl_process *q;
    pid_t server;

    make_pipe(stop);
    p = started("obey", NULL, 0, stop, 1, PAWL_START_FORKSERVER, 0);
    server = find_server((pid_t)pawl_process_pid(p));
    CHECK(server != getpid());
    kill(server, SIGKILL);
    until_gone(server);
    CHECK_ERR(pawl_process_try_join(p, NULL), -EAGAIN);
    q = started_with_code(2, PAWL_START_FORKSERVER);
    CHECK_EQ(joined(q), 2);
    pawl_process_free(q);
    CHECK_EQ(write(stop[1], "a", 1), 1);
    CHECK_ERR(pawl_process_join(p, NULL), -ECHILD);
    CHECK_EQ(pawl_process_is_alive(p), 0);
    pawl_process_free(p);
    CHECK_EQ(count_children(true), 0);
}

static void try_to_join(void *p)
{
    CHECK_OK(pawl_process_try_join(p, NULL));
}

/* P-12: after the sentinel, a join has its status, if it takes the server a while to
 * tell it. */
TEST(process_family.join_waits_for_the_server_after_the_sentinel)
{
    pawl_process *p = started_to_stay(PAWL_START_FORKSERVER);
    pid_t server = find_server((pid_t)pawl_process_pid(p));
    int sentinel = pawl_process_sentinel(p);
    struct test_thread *t;

    kill(server, SIGSTOP);
    while (process_state(server, NULL) != 'T')
        sched_yield();
    CHECK_OK(pawl_process_kill(p));
    until_gone((pid_t)pawl_process_pid(p));
    if (!is_readable(sentinel)) {
        kill(server, SIGCONT);
        TEST_SKIP("no pidfd: the sentinel is what the server tells");
    }
    t = test_thread(try_to_join, p);
    while (process_state(test_tid(t), NULL) != 'S')
        sched_yield();
    kill(server, SIGCONT);
    test_join(t);
    CHECK_EQ(joined(p), -SIGKILL);
    pawl_process_free(p);
}

/* It ends with its owner, even if that is killed. */
static void own_a_server(void *arg)
{
    int *out = arg;
    pawl_process *p = started_to_stay(PAWL_START_FORKSERVER);
    pid_t server = find_server((pid_t)pawl_process_pid(p));

    CHECK_EQ(write(*out, &server, sizeof server), (ssize_t)sizeof server);
    for (;;)
        pause();
}

TEST(process_family.fork_server_ends_with_its_owner)
{
    int out[2];
    pid_t server;
    pid_t owner;

    make_pipe(out);
    owner = test_spawn_child(own_a_server, &out[1]);
    CHECK_EQ(read_some(out[0], &server, sizeof server), (ssize_t)sizeof server);
    kill(owner, SIGKILL);
    test_reap_child(owner);
    until_gone(server);
}
