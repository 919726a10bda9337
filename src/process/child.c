/* SPDX-License-Identifier: MIT
 *
 * child.c - what a process does that was started here, before and after its
 * function.
 */
#include "process/record.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "process/pipe.h"
#include "thread/exit.h"

struct entry {
    struct entry *next;
    pawl_process_entry_fn fn;
    char name[PAWL_PROCESS_NAME_SIZE];
};

static struct entry
    *entries; /* under the lock of the children; never removed */
static pawl_process_preload_fn preload;

static bool must_run_exit_handlers; /* this program was spawned, not forked */

/* -- Entries ----------------------------------------------------------------- */

pawl_process_entry_fn pawl_process_entry(const char *name)
{
    struct entry *e;

    pawl_children_lock();
    e = entries;
    while (e != NULL && strcmp(e->name, name) != 0)
        e = e->next;
    pawl_children_unlock();
    return e != NULL ? e->fn : NULL;
}

int pawl_process_register(const char *name, pawl_process_entry_fn entry)
{
    pawl_process_entry_fn known;
    struct entry *e;

    if (name == NULL || entry == NULL || name[0] == '\0' ||
        strlen(name) >= PAWL_PROCESS_NAME_SIZE)
        return -EINVAL;
    known = pawl_process_entry(name);
    if (known != NULL)
        return known == entry ? 0 : -EEXIST;
    e = malloc(sizeof *e);
    if (e == NULL)
        return -ENOMEM;
    e->fn = entry;
    snprintf(e->name, sizeof e->name, "%s", name);
    pawl_children_lock();
    e->next = entries;
    entries = e;
    pawl_children_unlock();
    return 0;
}

/* -- The end ------------------------------------------------------------------ */

_Noreturn void pawl_process_exit(int value)
{
    int code = value >= 0 && value <= 255 ? value : 1;
    const pawl_process *parent = pawl_process_parent();

    if (parent != NULL && code != value)
        (void)pawl_link_report(parent->link, PAWL_REPORT_VALUE, value, -1);
    if (parent == NULL || must_run_exit_handlers)
        exit(code);
    pawl_exit_run();
    fflush(stdout);
    fflush(stderr);
    _exit(code);
}

/* -- The beginning -------------------------------------------------------------- */

static void take_null_for_stdin(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (fd > STDIN_FILENO) {
        (void)dup2(fd, STDIN_FILENO);
        close(fd);
    } else if (fd == STDIN_FILENO) {
        (void)fcntl(fd, F_SETFD, 0);
    }
}

static void obey(unsigned flags, int link)
{
    if ((flags & PAWL_PROCESS_GROUP) != 0)
        (void)setpgid(0, 0);
    if ((flags & (PAWL_PROCESS_DAEMON | PAWL_PROCESS_DIES_WITH_PARENT)) != 0)
        pawl_link_die_with(link);
}

_Noreturn void pawl_process_run_forked(pawl_process *p, int link, pid_t parent,
                                       const char *parent_name)
{
    pawl_process_entry_fn entry = pawl_process_entry(p->entry);
    struct pawl_report go;
    int fd;

    pawl_exit_forget();
    must_run_exit_handlers = false;
    pawl_process_become(p, link, parent, parent_name);
    pawl_pipes_keep(p->call.pipes, p->call.n_pipes);
    take_null_for_stdin();
    if (pawl_link_next(link, &go, &fd) != 0)
        _exit(1); /* the start has failed, or its process has ended */
    obey(p->flags, link);
    pawl_process_exit(p->fn != NULL ? p->fn(p->arg) : entry(&p->call));
}

static struct pawl_process fresh = {.refs = 1};

/* The ends that are passed: what comes behind the blob, and these descriptors. */
static int receive_pipes(int link, const struct pawl_letter *letter,
                         const int *fds, pawl_process_call *call)
{
    static pawl_pipe *pipes[PAWL_PIPES_PASSED_MAX];
    struct pawl_pipe_ticket tickets[PAWL_PIPES_PASSED_MAX];
    int err = pawl_link_receive(link, tickets,
                                letter->n_pipes * sizeof *tickets, NULL, NULL);

    for (uint32_t i = 0; i < letter->n_pipes && err == 0; i++) {
        err = pawl_pipe_import(&pipes[i], &tickets[i], fds);
        fds += tickets[i].n_fds;
    }
    call->pipes = pipes;
    call->n_pipes = letter->n_pipes;
    return err;
}

/* Receive what is passed: 0, or what READY says. */
static int receive(int link, struct pawl_letter *letter,
                   pawl_process_call *call)
{
    static int fds[PAWL_PROCESS_FDS_MAX];
    size_t n_fds = PAWL_PROCESS_FDS_MAX;
    void *blob;
    int err = pawl_link_receive(link, letter, sizeof *letter, fds, &n_fds);

    if (err != 0)
        return err;
    if (letter->magic != PAWL_LETTER_MAGIC || letter->layout != sizeof *letter)
        return -ENOEXEC;
    if (n_fds != letter->n_fds)
        return -EMFILE;
    blob = malloc(letter->blob_size + 1);
    if (blob == NULL)
        return -ENOMEM;
    *call = (pawl_process_call){.blob = blob,
                                .size = letter->blob_size,
                                .fds = fds,
                                .n_fds = letter->n_passed};
    err = pawl_link_receive(link, blob, letter->blob_size, NULL, NULL);
    if (err == 0)
        err = receive_pipes(link, letter, fds + letter->n_passed, call);
    if (err == 0 && pawl_process_entry(letter->entry) == NULL)
        err = -ENOENT;
    return err;
}

_Noreturn void pawl_process_run_fresh(int link, bool forked)
{
    struct pawl_letter letter;
    pawl_process_call call;
    int err = pawl_children_watch();

    if (err == 0)
        err = receive(link, &letter, &call);
    if (err == -ECONNRESET)
        _exit(1); /* the start has failed, or its process has ended */
    if (err != 0) {
        (void)pawl_link_report(link, PAWL_REPORT_READY, err, -1);
        _exit(1);
    }
    must_run_exit_handlers = !forked;
    snprintf(fresh.name, sizeof fresh.name, "%s", letter.name);
    snprintf(fresh.identity, sizeof fresh.identity, "%s", letter.identity);
    fresh.flags = letter.flags;
    pawl_process_become(&fresh, link, letter.parent, letter.parent_name);
    (void)prctl(PR_SET_NAME, letter.name);
    obey(letter.flags, link);
    err = pawl_link_report(link, PAWL_REPORT_READY, 0, -1);
    if (err != 0)
        _exit(1);
    pawl_process_exit(pawl_process_entry(letter.entry)(&call));
}

void pawl_process_set_preload(pawl_process_preload_fn fn)
{
    preload = fn;
}

/* The number behind `key` and "=" in an argument; -1: it is another. */
static int number_in(const char *argument, const char *key)
{
    size_t n = strlen(key);

    if (strncmp(argument, key, n) != 0 || argument[n] != '=')
        return -1;
    return (int)strtol(argument + n + 1, NULL, 10);
}

/* 1 and 2 may be closed.  They must not become something else, which is then
 * printed to. */
static void fill_standard(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

void pawl_process_main(int argc, char **argv)
{
    int link = argc == 2 ? number_in(argv[1], PAWL_ARGUMENT_PROCESS) : -1;
    int owner = argc == 2 ? number_in(argv[1], PAWL_ARGUMENT_SERVER) : -1;

    pawl_process_allow_spawn(argc > 0 ? argv[0] : NULL);
    if (link < 0 && owner < 0)
        return;
    fill_standard();
    /* It was to survive one exec. */
    (void)fcntl(link >= 0 ? link : owner, F_SETFD, FD_CLOEXEC);
    if (owner >= 0)
        pawl_forkserver_run(owner, preload);
    pawl_process_run_fresh(link, false);
}
