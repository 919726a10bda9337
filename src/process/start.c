/* SPDX-License-Identifier: MIT
 *
 * start.c - the three ways to start a process.
 *
 * A pidfd is opened by number.  That it is the child's, whoever else waits for
 * children, is certain because the child lives after that: it waits for what only
 * then is sent to it.
 */
#include "process/record.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/single.h"
#include "process/pidfd.h"
#include "process/pipe.h"
#include "thread/exit.h"

/* Where a spawned process finds its link. */
#define LINK_FD 3

static char *program; /* argv[0]; NULL: pawl_process_main was not called */
static const char *executable;
static enum pawl_start_method chosen; /* under the lock of the children */

/* -- Which way ------------------------------------------------------------------ */

void pawl_process_allow_spawn(char *name)
{
    static char unnamed[] = "pawl";

    program = name != NULL ? name : unnamed;
}

void pawl_process_set_executable(const char *path)
{
    executable = path;
}

bool pawl_process_may_exist(const char *entry)
{
    return executable != NULL || pawl_process_entry(entry) != NULL;
}

static bool has_threads(void)
{
    struct stat tasks;

    if (pawl_single_threaded())
        return false;
    /* libc does not say when all have ended. */
    return stat("/proc/self/task", &tasks) != 0 || tasks.st_nlink != 2 + 1;
}

int pawl_process_set_start_method(enum pawl_start_method method, bool force)
{
    int err = 0;

    if (method == PAWL_START_DEFAULT ||
        (unsigned)method > PAWL_START_FORKSERVER)
        return -EINVAL;
    pawl_children_lock();
    if (chosen != PAWL_START_DEFAULT && !force)
        err = -EALREADY;
    else
        chosen = method;
    pawl_children_unlock();
    return err;
}

enum pawl_start_method pawl_process_start_method(void)
{
    enum pawl_start_method method;

    pawl_children_lock();
    method = chosen;
    pawl_children_unlock();
    if (method != PAWL_START_DEFAULT)
        return method;
    return has_threads() ? PAWL_START_SPAWN : PAWL_START_FORK;
}

/* -- Links ------------------------------------------------------------------------ */

static int make_link(pawl_process *p)
{
    int ends[2];
    int err;

    pawl_children_lock();
    err = pawl_link_make(ends);
    if (err == 0) {
        p->link = ends[0];
        p->child_link = ends[1];
        pawl_process_enlist(p);
    }
    pawl_children_unlock();
    return err;
}

static void drop_link(pawl_process *p)
{
    pawl_children_lock();
    pawl_process_delist(p);
    pawl_children_unlock();
}

/* The child has its end. */
static void give_child_link(pawl_process *p)
{
    pawl_children_lock();
    close(p->child_link);
    p->child_link = -1;
    pawl_children_unlock();
}

static int open_pidfd(pawl_process *p)
{
    int fd;

    pawl_children_lock();
    fd = p->pidfd = pawl_pidfd_open(p->pid);
    if (fd < 0)
        p->pidfd = -1;
    pawl_children_unlock();
    /* -ESRCH: it has ended already, and somebody has waited for it. */
    return fd >= 0 || fd == -EOPNOTSUPP || fd == -ESRCH ? 0 : fd;
}

/* What was started must not run. */
static void undo(pawl_process *p)
{
    if (p->served)
        (void)pawl_pidfd_signal(p->pidfd, p->pid, SIGKILL);
    else if (p->pid > 0 && kill(p->pid, SIGKILL) == 0)
        while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    p->pid = 0;
    p->served = false;
}

/* -- FORK ---------------------------------------------------------------------------- */

static int start_fork(pawl_process *p)
{
    char name[PAWL_PROCESS_NAME_SIZE];
    pid_t parent = getpid();
    int err;

    pawl_process_name(pawl_process_current(), name, sizeof name);
    pawl_process_keep(p);
    p->pid = fork();
    err = -errno;
    if (p->pid == 0)
        pawl_process_run_forked(p, p->child_link, parent, name);
    pawl_process_keep(NULL);
    give_child_link(p);
    if (p->pid < 0)
        return err;
    if ((p->flags & PAWL_PROCESS_GROUP) != 0)
        (void)setpgid(p->pid, p->pid); /* or the child, whoever is first */
    err = open_pidfd(p);
    if (err == 0)
        err = pawl_link_report(p->link, PAWL_REPORT_GO, 0, -1);
    if (err != -EPIPE && err != -ECONNRESET)
        return err; /* 0, or it would wait for ever */
    /* It is not there any more, it has ended: joins will tell how. */
    if (p->pidfd >= 0) {
        pawl_children_lock();
        close(p->pidfd); /* whose it is, is not certain */
        p->pidfd = -1;
        pawl_children_unlock();
    }
    return 0;
}

/* -- SPAWN, FORKSERVER ------------------------------------------------------------------ */

static int arrange(posix_spawn_file_actions_t *actions,
                   posix_spawnattr_t *attributes, int link)
{
    sigset_t none;
    int err;

    sigemptyset(&none);
    err = posix_spawnattr_setsigmask(attributes, &none);
    if (err == 0)
        err = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK);
    /* If it is 3 already, it loses close-on-exec all the same. */
    if (err == 0)
        err = posix_spawn_file_actions_adddup2(actions, link, LINK_FD);
    if (err == 0)
        err = posix_spawn_file_actions_addclosefrom_np(actions, LINK_FD + 1);
    if (err == 0)
        err = posix_spawn_file_actions_addopen(actions, STDIN_FILENO,
                                               "/dev/null", O_RDONLY, 0);
    return err;
}

pid_t pawl_process_spawn(int link, const char *key)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char argument[64];
    char *argv[] = {program, argument, NULL};
    pid_t pid;
    int err;

    if (program == NULL)
        return -EOPNOTSUPP;
    snprintf(argument, sizeof argument, "%s=%d", key, LINK_FD);
    err = posix_spawn_file_actions_init(&actions);
    if (err != 0)
        return -err;
    err = posix_spawnattr_init(&attributes);
    if (err == 0) {
        err = arrange(&actions, &attributes, link);
        if (err == 0)
            err = posix_spawn(
                &pid, executable != NULL ? executable : "/proc/self/exe",
                &actions, &attributes, argv, environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return err == 0 ? pid : -err;
}

/* What belongs to the ends that are passed: tickets, and descriptors behind those
 * in fds.  Returns how many descriptors these are then, or -EBADF. */
static int export_pipes(const pawl_process_call *call,
                        struct pawl_pipe_ticket *tickets, int *fds)
{
    int n = (int)call->n_fds;

    for (size_t i = 0; i < call->n_pipes; i++) {
        int err = pawl_pipe_export(call->pipes[i], &tickets[i], fds + n);

        if (err != 0)
            return err;
        n += (int)tickets[i].n_fds;
    }
    return n;
}

static int send_letter(const pawl_process *p)
{
    const pawl_process *self = pawl_process_current();
    struct pawl_pipe_ticket tickets[PAWL_PIPES_PASSED_MAX];
    int fds[PAWL_PROCESS_FDS_MAX + PAWL_PIPE_DESCRIPTORS];
    struct pawl_letter letter = {.magic = PAWL_LETTER_MAGIC,
                                 .layout = sizeof letter,
                                 .flags = p->flags,
                                 .parent = getpid(),
                                 .blob_size = p->call.size,
                                 .n_passed = (uint32_t)p->call.n_fds,
                                 .n_pipes = (uint32_t)p->call.n_pipes};
    int n;
    int err;

    if (p->call.n_fds > 0)
        memcpy(fds, p->call.fds, p->call.n_fds * sizeof *fds);
    n = export_pipes(&p->call, tickets, fds);
    if (n < 0)
        return n;
    letter.n_fds = (uint32_t)n;

    pawl_process_name(self, letter.parent_name, sizeof letter.parent_name);
    pawl_process_name(p, letter.name, sizeof letter.name);
    memcpy(letter.entry, p->entry, sizeof letter.entry);
    memcpy(letter.identity, p->identity, sizeof letter.identity);
    err = pawl_link_send(p->link, &letter, sizeof letter, fds, letter.n_fds);
    if (err == 0)
        err = pawl_link_send(p->link, p->call.blob, p->call.size, NULL, 0);
    if (err == 0)
        err = pawl_link_send(p->link, tickets,
                             p->call.n_pipes * sizeof *tickets, NULL, 0);
    return err;
}

/* Tell it what to run, and hear whether it will. */
static int instruct(pawl_process *p)
{
    struct pawl_report ready;
    int sent = send_letter(p);
    int fd;
    int err;

    if (sent != 0 && sent != -EPIPE && sent != -ECONNRESET)
        return sent;
    /* Also if it went away while it was told: it may have said why. */
    err = pawl_link_next(p->link, &ready, &fd);
    if (err == -ECONNRESET || (err == 0 && ready.kind != PAWL_REPORT_READY))
        return -ENOEXEC; /* it has ended, of which the fork server tells */
    return err == 0 ? ready.value : err;
}

static int start_spawn(pawl_process *p)
{
    pid_t pid = pawl_process_spawn(p->child_link, PAWL_ARGUMENT_PROCESS);
    int err;

    give_child_link(p);
    if (pid < 0)
        return pid;
    p->pid = pid;
    err = open_pidfd(p);
    return err == 0 ? instruct(p) : err;
}

/* -ECONNRESET: the server has ended. */
static int have_forked(pawl_process *p)
{
    struct pawl_report forked;
    int err = pawl_forkserver_ask(p->child_link);

    give_child_link(p); /* before the wait: else it would not be ended */
    if (err == 0)
        err = pawl_link_next(p->link, &forked, &p->pidfd);
    if (err != 0)
        return err;
    if (forked.value < 0)
        return forked.value;
    p->pid = forked.value;
    p->served = true;
    return 0;
}

static int start_served(pawl_process *p)
{
    int err = have_forked(p);

    if (err == -ECONNRESET) { /* killed, maybe: another one */
        pawl_forkserver_bury();
        drop_link(p);
        err = make_link(p);
        if (err == 0)
            err = have_forked(p);
    }
    if (err == -ECONNRESET) { /* no: it is no server */
        pawl_forkserver_bury();
        err = -ENOEXEC;
    }
    return err == 0 ? instruct(p) : err;
}

/* -- All -------------------------------------------------------------------------------- */

/* 0: the caller starts it. */
static int claim(pawl_process *p)
{
    int err = 0;

    pawl_children_lock();
    if (p->state == PAWL_PROCESS_CLOSED)
        err = -EBADF;
    else if (p->role == PAWL_ROLE_CHILD && p->owner != getpid())
        err = -ECHILD;
    else if (p->state != PAWL_PROCESS_NEW || p->starting)
        err = -EALREADY;
    else
        p->starting = true;
    pawl_children_unlock();
    return err;
}

/* -EBADF: one of the descriptors or ends to pass is none. */
static int check_passed(const pawl_process_call *call)
{
    for (size_t i = 0; i < call->n_fds; i++)
        if (fcntl(call->fds[i], F_GETFD) < 0)
            return -EBADF;
    for (size_t i = 0; i < call->n_pipes; i++)
        if (call->pipes[i] == NULL || pawl_pipe_is_closed(call->pipes[i]))
            return -EBADF;
    return 0;
}

static int start(pawl_process *p)
{
    enum pawl_start_method method = p->method;
    int err = check_passed(&p->call);

    if (err == 0)
        err = pawl_children_watch();

    if (err == 0)
        err = make_link(p);
    if (err != 0)
        return err;
    if (method == PAWL_START_DEFAULT)
        method = pawl_process_start_method();
    fflush(stdout);
    fflush(stderr);
    if (method == PAWL_START_FORK && p->fn == NULL &&
        pawl_process_entry(p->entry) == NULL)
        err = -ENOENT;
    else if (method == PAWL_START_FORK)
        err = start_fork(p);
    else if (method == PAWL_START_SPAWN)
        err = start_spawn(p);
    else
        err = start_served(p);
    if (err != 0)
        undo(p);
    /* It has them. */
    for (size_t i = 0; err == 0 && i < p->call.n_pipes; i++)
        pawl_pipe_close(p->call.pipes[i]);
    return err;
}

int pawl_process_start(pawl_process *p)
{
    int saved = errno;
    int err = pawl_exit_gate();

    if (err == 0)
        err = claim(p);
    if (err != 0)
        return err;
    pawl_children_reap();
    err = start(p);
    pawl_children_lock();
    p->starting = false;
    if (err == 0) {
        p->state = PAWL_PROCESS_RUNNING;
        p->refs++;
        pawl_process_log(PAWL_LOG_STARTED, p);
    } else {
        pawl_process_delist(p);
    }
    pawl_children_unlock();
    errno = saved;
    return err;
}
