/* SPDX-License-Identifier: MIT
 *
 * forkserver.c - the fork server, and its owner's side.
 *
 *   owner                               server
 *   a byte and the child's end   -->    forks
 *   of a link
 *                                <--    FORKED on that link, and a pidfd
 *   a letter                     -->    (the child, on the link: link.h)
 *                                <--    STATUS on that link, when it has ended
 *
 * The link between owner and server has no name in any file system and is passed
 * by inheritance: nobody else can speak with the server.  It ends when the owner
 * closes that, which the kernel does at the latest.
 */
#include "process/record.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/pidfd.h"

/* -- The owner --------------------------------------------------------------- */

static struct {
    pawl_mutex lock; /* held while this process forks, see process.c */
    int link;        /* -1 or 0: there is none */
    pid_t pid;
} server;

static void lock_server(void)
{
    pawl_process_lock(&server.lock);
}

static void unlock_server(void)
{
    pawl_process_unlock(&server.lock);
}

void pawl_forkserver_before_fork(void)
{
    lock_server();
}

void pawl_forkserver_after_fork(bool child)
{
    if (child && server.link > 0) {
        close(server.link);
        server.link = -1;
    }
    unlock_server();
}

/* Under the lock. */
static int begin(void)
{
    int ends[2];
    int err = pawl_link_make(ends);
    pid_t pid;

    if (err != 0)
        return err;
    pid = pawl_process_spawn(ends[1], PAWL_ARGUMENT_SERVER);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return pid;
    }
    server.link = ends[0];
    server.pid = pid;
    return 0;
}

/* Under the lock. */
static void end(void)
{
    if (server.link <= 0)
        return;
    close(server.link);
    server.link = -1;
    while (waitpid(server.pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

void pawl_forkserver_end(void)
{
    lock_server();
    end();
    unlock_server();
}

int pawl_forkserver_ask(int theirs)
{
    int err;

    lock_server();
    err = server.link > 0 ? 0 : begin();
    if (err == 0)
        err = pawl_link_send(server.link, "", 1, &theirs, 1);
    unlock_server();
    return err == -EPIPE ? -ECONNRESET : err;
}

void pawl_forkserver_bury(void)
{
    lock_server();
    /* It says nothing on this link: this is the end. */
    if (server.link > 0 && pawl_link_is_readable(server.link))
        end();
    unlock_server();
}

/* -- The server --------------------------------------------------------------- */

struct served {
    struct served *next;
    pid_t pid;
    int link;
};

static struct served *children;

/* Fork at the other end of `link`. */
static void serve(int owner, int signals, int link, const sigset_t *mask)
{
    struct served *child = malloc(sizeof *child);
    pid_t pid = child != NULL ? fork() : -1;
    int pidfd;

    if (pid == 0) {
        close(owner);
        close(signals);
        for (struct served *c = children; c != NULL; c = c->next)
            close(c->link);
        sigprocmask(SIG_SETMASK, mask, NULL);
        pawl_process_run_fresh(link, true);
    }
    if (pid < 0) {
        (void)pawl_link_report(link, PAWL_REPORT_FORKED,
                               child != NULL ? -errno : -ENOMEM, -1);
        free(child);
        close(link);
        return;
    }
    *child = (struct served){.next = children, .pid = pid, .link = link};
    children = child;
    pidfd = pawl_pidfd_open(pid);
    (void)pawl_link_report(link, PAWL_REPORT_FORKED, pid, pidfd);
    if (pidfd >= 0)
        close(pidfd);
}

static void tell_status(pid_t pid, int status)
{
    for (struct served **at = &children; *at != NULL; at = &(*at)->next) {
        struct served *child = *at;

        if (child->pid != pid)
            continue;
        (void)pawl_link_report(child->link, PAWL_REPORT_STATUS, status, -1);
        close(child->link);
        *at = child->next;
        free(child);
        return;
    }
}

static void reap(int signals)
{
    struct signalfd_siginfo info;
    int status;
    pid_t pid;

    (void)!read(signals, &info, sizeof info);
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        tell_status(pid, status);
}

_Noreturn void pawl_forkserver_run(int owner, pawl_process_preload_fn preload)
{
    struct pollfd inputs[2] = {{.fd = owner, .events = POLLIN},
                               {.events = POLLIN}};
    sigset_t child_signal;
    sigset_t mask;

    (void)prctl(PR_SET_NAME, "fork-server");
    if (preload != NULL)
        preload();
    /* This program is ours alone: what follows disturbs nobody. */
    (void)signal(SIGCHLD, SIG_DFL);
    sigemptyset(&child_signal);
    sigaddset(&child_signal, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child_signal, &mask);
    inputs[1].fd = signalfd(-1, &child_signal, SFD_CLOEXEC | SFD_NONBLOCK);
    if (inputs[1].fd < 0)
        _exit(1);
    for (;;) {
        if (pawl_poll_until(inputs, 2, PAWL_FOREVER) < 0)
            _exit(1);
        if (inputs[1].revents != 0)
            reap(inputs[1].fd);
        if (inputs[0].revents != 0) {
            size_t n = 1;
            int link = -1;
            char byte;

            if (pawl_link_receive(owner, &byte, 1, &link, &n) != 0)
                exit(0); /* the owner has ended */
            if (link >= 0)
                serve(owner, inputs[1].fd, link, &mask);
        }
    }
}
