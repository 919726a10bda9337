/* SPDX-License-Identifier: MIT
 *
 * kernel_fault.c - every system call of the library that a kernel or a sandbox may lack
 * is refused, one at a time, by ENOSYS and by EPERM, while threads, descriptors,
 * regions, connections, processes and a pool of them are used (R-01, D-01).
 *
 * There are two outcomes.  REPLACED: nobody notices.  TOLD: what needs the call returns
 * the refusal, or the error that its header has for that, leaves nothing behind, and the
 * rest goes on.  That the call is made at all is seen where the kernel kills for it.
 *
 * calls.py holds this table against what the library calls.
 *
 * And: what is full says so when a region is made, not by a signal when its memory is
 * used.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <pawl/event.h>
#include <pawl/pipe.h>
#include <pawl/procpool.h>
#include <pawl/region.h>
#include <pawl/thread.h>
#include <pawl/timer.h>
#include <pawl/wait.h>

#include "process_cases.h"

void test_main_begins(int argc, char **argv)
{
    pawl_process_register("code", entry_code);
    pawl_process_register("stay", entry_stay);
    pawl_process_main(argc, argv);
}

/* ---- what is done ------------------------------------------------------------------ */

static int refusal; /* the errno */
static bool is_noticed;

/* Whether it was done; if not, it says so by the refusal, or by -other. */
static bool done_or(int err, int other)
{
    if (err == 0)
        return true;
    if (err != -other)
        CHECK_ERR(err, -refusal);
    is_noticed = true;
    return false;
}

static bool done(int err)
{
    return done_or(err, refusal);
}

static int set_one(void *arg)
{
    *(int *)arg = 1;
    return 0;
}

static void set_event(pawl_timer *t, void *event)
{
    (void)t;
    pawl_event_set(event);
}

static void use_thread(const pawl_thread_options *options)
{
    pawl_thread t;
    int ran = 0;

    CHECK_OK(pawl_thread_init(&t, set_one, &ran, options));
    if (done_or(pawl_thread_start(&t), EAGAIN)) {
        CHECK_OK(pawl_thread_join(&t, NULL));
        CHECK_EQ(ran, 1);
    } else {
        CHECK(!pawl_thread_is_alive(&t));
        CHECK_ERR(pawl_thread_join(&t, NULL), -ESRCH);
        CHECK_EQ(ran, 0);
    }
}

/* The second is the first's OS thread; the third has one of its own. */
static void use_threads(void)
{
    static pawl_event event;
    pawl_timer timer = PAWL_TIMER_INIT(set_event, &event);

    use_thread(NULL);
    use_thread(NULL);
    use_thread(&(pawl_thread_options){.size = sizeof(pawl_thread_options),
                                      .no_cache = true});
    if (done_or(pawl_timer_start(&timer, 0), EAGAIN)) {
        CHECK_OK(pawl_event_wait(&event));
        CHECK_OK(pawl_timer_join(&timer));
    }
}

static void use_descriptor(void)
{
    pawl_event event = PAWL_EVENT_INIT;
    pawl_wait_item item = PAWL_WAIT_EVENT(&event);
    struct pollfd fd = {.events = POLLIN};

    fd.fd = pawl_wait_fd(&item);
    if (fd.fd < 0) {
        (void)done(fd.fd);
        return;
    }
    CHECK_OK(pawl_wait_arm(&item));
    pawl_event_set(&event);
    item = PAWL_WAIT_FD(fd.fd, POLLIN);
    (void)done(pawl_wait_any(&item, 1, NULL));
    item = PAWL_WAIT_EVENT(&event);
    CHECK_OK(pawl_wait_close(&item));
}

static int fail_to_lock(void *mutex)
{
    return pawl_mutex_lock_until(mutex, pawl_after_ms(60));
}

/* With a sleeper that watches the holder. */
static void use_lock(pawl_region *r)
{
    pawl_mutex *m = pawl_region_buffer(r, NULL);
    pawl_thread t;
    int err;

    CHECK_OK(pawl_mutex_init(m, PAWL_SHARED));
    CHECK_OK(pawl_mutex_lock(m));
    CHECK_OK(pawl_thread_init(&t, fail_to_lock, m, NULL));
    CHECK_OK(pawl_thread_start(&t));
    CHECK_OK(pawl_thread_join(&t, &err));
    CHECK_ERR(err, -ETIMEDOUT);
    CHECK_OK(pawl_mutex_unlock(m));
}

static void use_region(const char *name, unsigned flags)
{
    const pawl_region_options o = {
        .name = name, .buffer = 4096, .participants = 4, .flags = flags};
    pawl_region *r = NULL;
    pawl_region *again = NULL;
    int err = pawl_region_create(&r, &o);

    if (!done(err)) {
        CHECK(r == NULL);
        return;
    }
    if (done(name != NULL ? pawl_region_attach(&again, name)
                          : pawl_region_attach_fd(&again, pawl_region_fd(r))))
        pawl_region_free(again);
    err = pawl_region_join(r);
    if (done(err < 0 ? err : 0) && name == NULL)
        use_lock(r);
    pawl_region_free(r);
    if (name != NULL && flags == 0)
        CHECK_OK(pawl_region_unlink(name));
    err = name != NULL ? pawl_region_attach(&again, name) : -ENOENT;
    if (err != -ENOENT && !done(err)) /* it cannot know that it is gone */
        (void)pawl_region_unlink(name);
}

static void use_regions(void)
{
    char name[64];

    snprintf(name, sizeof name, "pawl-kernel-%d", (int)getpid());
    use_region(NULL, 0);
    use_region(name, 0);
    use_region(name, PAWL_REGION_OWNED);
}

static void use_pipe(void)
{
    pawl_pipe *ends[2] = {NULL, NULL};
    char got[8];
    int fd = STDIN_FILENO;
    size_t n = 0;
    size_t n_fds = 1;

    if (!done(pawl_pipe_create(ends,
                               &(pawl_pipe_options){.flags = PAWL_PIPE_FDS})))
        return;
    if (done(pawl_pipe_try_send(ends[0], "one", 3))) {
        CHECK_OK(pawl_pipe_recv(ends[1], got, sizeof got, &n));
        CHECK_EQ(n, 3);
    }
    if (done(pawl_pipe_send_fds_until(ends[1], "two", 3, &fd, 1,
                                      PAWL_FOREVER)) &&
        done(pawl_pipe_recv_fds_until(ends[0], got, sizeof got, &n, &fd, &n_fds,
                                      PAWL_FOREVER))) {
        CHECK(n == 3 && n_fds == 1);
        close(fd);
    }
    pawl_pipe_free(ends[0]);
    pawl_pipe_free(ends[1]);
}

/* Leader of a group, with one end of a connection. */
static void use_process(enum pawl_start_method method)
{
    const int code = 7;
    pawl_pipe *ends[2];
    pawl_process *p;

    if (!done(pawl_pipe_create(ends, NULL)))
        return;
    CHECK_OK(pawl_process_create_entry(
        &p, "code", &code, sizeof code,
        &(pawl_process_options){.flags = PAWL_PROCESS_GROUP |
                                         PAWL_PROCESS_DIES_WITH_PARENT,
                                .method = method,
                                .pipes = ends,
                                .n_pipes = 1}));
    if (done_or(pawl_process_start(p), ENOEXEC))
        CHECK_EQ(joined(p), code);
    else
        CHECK_ERR(pawl_process_join(p, NULL), -ESRCH);
    pawl_process_free(p);
    pawl_pipe_free(ends[0]);
    pawl_pipe_free(ends[1]);
}

static void use_processes(void)
{
    FOR_EACH_METHOD(method)
    {
        pawl_process *p = create_with("stay", NULL, 0, NULL, 0, method, 0);

        use_process(method);
        if (done_or(pawl_process_start(p), ENOEXEC))
            end_by_kill(p);
        else
            pawl_process_free(p);
    }
}

static int add_one(pawl_proccall *call)
{
    *(int *)call->result = *(const int *)call->argument + 1;
    return 0;
}

static void use_pool(void)
{
    pawl_procpool *pool = NULL;
    int n = 1;
    int status = 1;

    if (!done_or(
            pawl_procpool_create(
                &pool, &(pawl_procpool_options){.workers = 1,
                                                .method = PAWL_START_FORK}),
            EAGAIN))
        return;
    CHECK_OK(pawl_procpool_apply(pool, add_one, &n, sizeof n, &n, sizeof n,
                                 &status));
    CHECK_EQ(status, 0);
    CHECK_EQ(n, 2);
    CHECK_OK(pawl_procpool_end(pool));
}

/* ---- what is refused ----------------------------------------------------------------- */

/* Which scenes make a call. */
enum {
    THREADS = 1 << 0,
    DESCRIPTOR = 1 << 1,
    REGIONS = 1 << 2,
    PIPE = 1 << 3,
    PROCESSES = 1 << 4,
    POOL = 1 << 5,
};

static const struct {
    unsigned bit;
    const char *name;
    void (*play)(void);
} scenes[] = {
    {THREADS, "threads", use_threads},
    {DESCRIPTOR, "descriptor", use_descriptor},
    {REGIONS, "regions", use_regions},
    {PIPE, "pipe", use_pipe},
    {PROCESSES, "processes", use_processes},
    {POOL, "pool", use_pool},
};

enum { SCENES = sizeof scenes / sizeof *scenes };

enum outcome { REPLACED, TOLD };

struct call {
    const char *name;
    uint32_t number;
    unsigned scenes;
    enum outcome missing;   /* ENOSYS */
    enum outcome forbidden; /* EPERM */
};

#ifndef SYS_symlink /* of younger machines */
#    define SYS_symlink SYS_symlinkat
#    define SYS_readlink SYS_readlinkat
#endif

/* The same numbers on all machines; old headers do not know them. */
enum {
    SYS_PIDFD_SEND_SIGNAL = 424,
    SYS_PIDFD_OPEN = 434,
    SYS_CLONE3 = 435,
    SYS_CLOSE_RANGE = 436,
};

static const struct call calls[] = {
    {"clone", SYS_clone, PROCESSES | POOL, TOLD, TOLD},
    /* libc makes threads and spawns by it: glibc 2.36 goes on without, if there is
     * none, but not if it is forbidden. */
    {"clone3", SYS_CLONE3, THREADS | PROCESSES | POOL, REPLACED, TOLD},
    {"close_range", SYS_CLOSE_RANGE, PROCESSES, REPLACED, REPLACED},
    {"epoll_create1", SYS_epoll_create1, POOL, TOLD, TOLD},
    {"epoll_ctl", SYS_epoll_ctl, POOL, TOLD, TOLD},
    {"eventfd2", SYS_eventfd2, DESCRIPTOR | POOL, TOLD, TOLD},
    {"execve", SYS_execve, PROCESSES, TOLD, TOLD},
    {"fallocate", SYS_fallocate, REGIONS | PIPE | POOL, REPLACED, REPLACED},
    {"flock", SYS_flock, REGIONS, REPLACED, REPLACED},
    {"ftruncate", SYS_ftruncate, REGIONS | PIPE | POOL, TOLD, TOLD},
    {"get_robust_list", SYS_get_robust_list, REGIONS, REPLACED, REPLACED},
    {"getrandom", SYS_getrandom, REGIONS | PIPE, REPLACED, REPLACED},
    {"getsockopt", SYS_getsockopt, PROCESSES, TOLD, TOLD},
    {"linkat", SYS_linkat, REGIONS, TOLD, TOLD},
    {"memfd_create", SYS_memfd_create, REGIONS | PIPE | POOL, REPLACED,
     REPLACED},
    {"pidfd_open", SYS_PIDFD_OPEN, PROCESSES | POOL, REPLACED, REPLACED},
    {"pidfd_send_signal", SYS_PIDFD_SEND_SIGNAL, PROCESSES, REPLACED, REPLACED},
    {"ppoll", SYS_ppoll, DESCRIPTOR, TOLD, TOLD},
    {"prctl", SYS_prctl, THREADS | POOL, REPLACED, REPLACED},
    {"readlink", SYS_readlink, REGIONS, TOLD, TOLD},
    {"sched_getaffinity", SYS_sched_getaffinity, THREADS, REPLACED, REPLACED},
    {"sched_getattr", SYS_sched_getattr, THREADS, REPLACED, REPLACED},
    {"sendmsg", SYS_sendmsg, PIPE | PROCESSES | POOL, TOLD, TOLD},
    {"setpgid", SYS_setpgid, PROCESSES, REPLACED, REPLACED},
    {"shutdown", SYS_shutdown, PROCESSES, REPLACED, REPLACED},
    {"signalfd4", SYS_signalfd4, PROCESSES, TOLD, TOLD},
    {"socketpair", SYS_socketpair, PIPE | PROCESSES | POOL, TOLD, TOLD},
    {"symlink", SYS_symlink, REGIONS, TOLD, TOLD},
    {"timerfd_create", SYS_timerfd_create, POOL, TOLD, TOLD},
    {"timerfd_settime", SYS_timerfd_settime, POOL, REPLACED, REPLACED},
    {"waitid", SYS_waitid, PROCESSES, REPLACED, REPLACED},
};

/* Exit codes. */
enum { NOTICED = 3, SKIPPED = 77 };

/* Afterwards `action` is the answer to that call.  Inherited, also by exec. */
static void answer(uint32_t number, uint32_t action)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog filter = {.len = sizeof code / sizeof *code,
                                      .filter = code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        _exit(SKIPPED);
}

struct run {
    const struct call *call;
    int scene;
    uint32_t action;
};

static void play(void *arg)
{
    const struct run *r = arg;
    int fds = open_fds();

    refusal = (int)(r->action & SECCOMP_RET_DATA);
    answer(r->call->number, r->action);
    scenes[r->scene].play();
    CHECK(open_fds() <= fds + 1); /* the fork server's */
    _exit(is_noticed ? NOTICED : 0);
}

/* How the scene ends that has this answer to that call. */
static int end_of(const struct call *call, int scene, uint32_t action)
{
    struct run run = {.call = call, .scene = scene, .action = action};
    int status = test_reap_child(test_spawn_child(play, &run));

    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
        TEST_SKIP("no seccomp here");
    return status;
}

static void skip_if_sanitized(void)
{
    bool is = test_under_tsan();

#if defined(__SANITIZE_ADDRESS__)
    is = true;
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
    is = true;
#    endif
#endif
    if (is)
        TEST_SKIP("the sanitizer itself needs what is refused");
}

static void check_each(void (*check)(const struct call *call, int scene))
{
    skip_if_sanitized();
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        for (int scene = 0; scene < SCENES; scene++)
            if ((calls[i].scenes & scenes[scene].bit) != 0)
                check(&calls[i], scene);
}

static void check_end(const struct call *call, int scene, int err,
                      enum outcome expected)
{
    int status = end_of(call, scene,
                        SECCOMP_RET_ERRNO | ((uint32_t)err & SECCOMP_RET_DATA));
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

    if (code != (expected == TOLD ? NOTICED : 0))
        test_note("%s by %s: %s", call->name, pawl_errname(err),
                  scenes[scene].name);
    CHECK_EQ(code, expected == TOLD ? NOTICED : 0);
}

static void check_missing(const struct call *call, int scene)
{
    check_end(call, scene, ENOSYS, call->missing);
}

static void check_forbidden(const struct call *call, int scene)
{
    check_end(call, scene, EPERM, call->forbidden);
}

/* It, or a process of its, dies by it. */
static void check_made(const struct call *call, int scene)
{
    int status = end_of(call, scene, SECCOMP_RET_KILL_PROCESS);

    if (status == 0)
        test_note("%s: not by %s", call->name, scenes[scene].name);
    CHECK(status != 0);
}

TEST(kernel_fault.each_call_may_be_missing)
{
    check_each(check_missing);
}

TEST(kernel_fault.each_call_may_be_forbidden)
{
    check_each(check_forbidden);
}

TEST(kernel_fault.each_call_is_made)
{
    check_each(check_made);
}

static void start_what_dies(void *arg)
{
    enum pawl_start_method *method = arg;

    refusal = ENOEXEC;
    answer(SYS_getsockopt, SECCOMP_RET_KILL_PROCESS);
    use_process(*method);
    _exit(is_noticed ? NOTICED : 0);
}

/* As a child that looks at the ends that it gets. */
TEST(kernel_fault.a_child_that_is_killed_before_it_runs_was_not_started)
{
    enum pawl_start_method methods[] = {PAWL_START_SPAWN,
                                        PAWL_START_FORKSERVER};

    skip_if_sanitized();
    for (int i = 0; i < 2; i++) {
        int status =
            test_reap_child(test_spawn_child(start_what_dies, &methods[i]));

        if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
            TEST_SKIP("no seccomp here");
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == NOTICED);
    }
}

/* ---- full memory --------------------------------------------------------------------- */

enum { ROOM = 1 << 20 };

/* 0, and all of its memory can be used; or why there is no such region, of which
 * nothing is left. */
static int make_region(const char *name, size_t bytes)
{
    const pawl_region_options o = {.name = name, .buffer = bytes};
    int fds = open_fds();
    pawl_region *r = NULL;
    size_t n;
    int err = pawl_region_create(&r, &o);

    if (err == 0) {
        memset(pawl_region_buffer(r, &n), 'x', bytes);
        CHECK(n >= bytes);
        pawl_region_free(r);
    }
    if (name != NULL)
        CHECK_ERR(pawl_region_unlink(name), err == 0 ? 0 : -ENOENT);
    CHECK_EQ(open_fds(), fds);
    return err;
}

/* Where names are there is room for that many bytes. */
static void get_small_folder(void)
{
    char options[32];

    snprintf(options, sizeof options, "size=%d", ROOM);
    if ((unshare(CLONE_NEWNS) != 0 &&
         unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("pawl", "/dev/shm", "tmpfs", 0, options) != 0)
        _exit(SKIPPED);
}

static void fill_folder(void *reserves)
{
    get_small_folder();
    if (!*(bool *)reserves)
        answer(SYS_fallocate, SECCOMP_RET_ERRNO | ENOSYS);
    CHECK_ERR(make_region("pawl-full", 2 * ROOM), -ENOSPC);
    CHECK_OK(make_region("pawl-full", ROOM / 2));
    CHECK_ERR(make_region("pawl-full", ROOM), -ENOSPC); /* and a header */
    CHECK_OK(make_region("pawl-full", ROOM / 2));
    _exit(0);
}

static void check_child(test_fn fn, void *arg)
{
    int status = test_reap_child(test_spawn_child(fn, arg));

    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
        TEST_SKIP("no folder or filter of one's own here");
    CHECK_EQ(status, 0);
}

/* Whether or not the kernel can reserve memory. */
TEST(kernel_fault.full_folder)
{
    bool reserves[] = {true, false};

    skip_if_sanitized();
    for (int i = 0; i < 2; i++)
        check_child(fill_folder, &reserves[i]);
}

static void limit_files(void *name)
{
    const struct rlimit limit = {ROOM, ROOM};
    pawl_pipe *ends[2];

    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    CHECK_ERR(make_region(NULL, ROOM), -ENOSPC);
    CHECK_ERR(make_region(name, ROOM), -ENOSPC);
    CHECK_OK(make_region(name, ROOM / 2));
    CHECK_ERR(pawl_pipe_create(ends, &(pawl_pipe_options){.capacity = ROOM}),
              -ENOSPC);
    _exit(0);
}

static void limit_memory(void *name)
{
    const struct rlimit limit = {0, 0};

    CHECK_OK(make_region(name, ROOM));
    CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
    CHECK_ERR(make_region(NULL, ROOM), -ENOMEM);
    CHECK_ERR(make_region(name, ROOM), -ENOMEM);
    _exit(0);
}

TEST(kernel_fault.limits)
{
    char name[64];

    skip_if_sanitized();
    snprintf(name, sizeof name, "pawl-limit-%d", (int)getpid());
    check_child(limit_files, name);
    check_child(limit_memory, name);
}

/* A file that is truncated by its owner, of which the header warns. */
static void truncate_it(void *name)
{
    pawl_region *r;
    pawl_region *again;

    CHECK_OK(pawl_region_create(
        &r, &(pawl_region_options){.name = name, .buffer = ROOM}));
    CHECK_EQ(ftruncate(pawl_region_fd(r), ROOM / 2), 0);
    CHECK_ERR(pawl_region_attach(&again, name), -EINVAL);
    CHECK_ERR(pawl_region_attach_fd(&again, pawl_region_fd(r)), -EINVAL);
    CHECK_OK(pawl_region_unlink(name));
    ((volatile char *)pawl_region_buffer(r, NULL))[ROOM - 1] = 1;
}

TEST(kernel_fault.truncated_file)
{
    char name[64];
    int status;

    skip_if_sanitized();
    snprintf(name, sizeof name, "pawl-short-%d", (int)getpid());
    status = test_reap_child(test_spawn_child(truncate_it, name));
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}
