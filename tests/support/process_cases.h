/* SPDX-License-Identifier: MIT
 *
 * tests/support/process_cases.h - entries for processes to run, and what tests of
 * processes ask again and again.
 *
 * Included by one file of a program.
 */
#ifndef PAWL_TEST_PROCESS_CASES_H
#define PAWL_TEST_PROCESS_CASES_H

#include <pawl/error.h>
#include <pawl/process.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define PROCESS_UNUSED __attribute__((unused))

/* ---- entries --------------------------------------------------------------- */

/* Return the int in the blob. */
PROCESS_UNUSED static int entry_code(const pawl_process_call *call)
{
    int code;

    if (call->size != sizeof code)
        abort();
    memcpy(&code, call->blob, sizeof code);
    return code;
}

/* Until a signal ends it.  If a descriptor is passed, says that it is there. */
PROCESS_UNUSED static int entry_stay(const pawl_process_call *call)
{
    if (call->n_fds > 0 && write(call->fds[0], "!", 1) != 1)
        return 1;
    for (;;)
        pause();
}

/* Until the descriptor says "end of file", or gives a byte, its exit code. */
PROCESS_UNUSED static int entry_obey(const pawl_process_call *call)
{
    unsigned char code = 0;
    ssize_t r;

    do
        r = read(call->fds[0], &code, 1);
    while (r < 0 && errno == EINTR);
    return r == 1 ? code : 0;
}

/* ---- starting ---------------------------------------------------------------- */

static const enum pawl_start_method process_methods[] = {
    PAWL_START_FORK, PAWL_START_SPAWN, PAWL_START_FORKSERVER};

#define FOR_EACH_METHOD(method)                                                \
    for (enum pawl_start_method method = PAWL_START_FORK;                      \
         method <= PAWL_START_FORKSERVER; method++)

PROCESS_UNUSED static const char *method_name(enum pawl_start_method method)
{
    static const char *const names[] = {"default", "fork", "spawn",
                                        "forkserver"};

    return names[method];
}

PROCESS_UNUSED static pawl_process *
create_with(const char *entry, const void *blob, size_t size, const int *fds,
            size_t n_fds, enum pawl_start_method method, unsigned flags)
{
    pawl_process *p = NULL;

    CHECK_OK(pawl_process_create_entry(
        &p, entry, blob, size,
        &(pawl_process_options){.size = sizeof(pawl_process_options),
                                .flags = flags,
                                .method = method,
                                .fds = fds,
                                .n_fds = n_fds}));
    CHECK(p != NULL);
    return p;
}

PROCESS_UNUSED static pawl_process *
started(const char *entry, const void *blob, size_t size, const int *fds,
        size_t n_fds, enum pawl_start_method method, unsigned flags)
{
    pawl_process *p = create_with(entry, blob, size, fds, n_fds, method, flags);

    CHECK_OK(pawl_process_start(p));
    return p;
}

PROCESS_UNUSED static pawl_process *
started_with_code(int code, enum pawl_start_method method)
{
    return started("code", &code, sizeof code, NULL, 0, method, 0);
}

PROCESS_UNUSED static pawl_process *
started_to_stay(enum pawl_start_method method)
{
    return started("stay", NULL, 0, NULL, 0, method, 0);
}

PROCESS_UNUSED static void end_by_kill(pawl_process *p)
{
    int code;

    CHECK_OK(pawl_process_kill(p));
    CHECK_OK(pawl_process_join(p, &code));
    CHECK_EQ(code, -SIGKILL);
    pawl_process_free(p);
}

PROCESS_UNUSED static int joined(pawl_process *p)
{
    int code = 12345;

    CHECK_OK(pawl_process_join(p, &code));
    return code;
}

/* ---- looking at the system ---------------------------------------------------- */

PROCESS_UNUSED static int open_fds(void)
{
    DIR *fds = opendir("/proc/self/fd");
    struct dirent *entry;
    int n = 0;

    CHECK(fds != NULL);
    while ((entry = readdir(fds)) != NULL)
        n += entry->d_name[0] != '.';
    closedir(fds);
    return n - 1;
}

/* The state and the parent of a process; 0 if there is none. */
PROCESS_UNUSED static char process_state(pid_t pid, pid_t *parent)
{
    char path[64];
    char line[512];
    const char *end;
    char state = 0;
    int above = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = fopen(path, "re");
    if (f == NULL)
        return 0;
    if (fgets(line, sizeof line, f) != NULL &&
        (end = strrchr(line, ')')) != NULL)
        sscanf(end + 1, " %c %d", &state, &above);
    fclose(f);
    if (parent != NULL)
        *parent = above;
    return state;
}

/* Children of this process that have ended or not. */
PROCESS_UNUSED static int count_children(bool zombies)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    int n = 0;

    CHECK(proc != NULL);
    while ((entry = readdir(proc)) != NULL) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        pid_t parent = 0;
        char state = pid > 0 ? process_state(pid, &parent) : 0;

        if (state != 0 && parent == getpid() && (state == 'Z') == zombies)
            n++;
    }
    closedir(proc);
    return n;
}

/* Returns when that process is gone, or a zombie. */
PROCESS_UNUSED static void until_gone(pid_t pid)
{
    char state;

    while ((state = process_state(pid, NULL)) != 0 && state != 'Z')
        sched_yield();
}

PROCESS_UNUSED static void make_pipe(int ends[2])
{
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
}

/* The next bytes; how many, 0 at the end. */
PROCESS_UNUSED static ssize_t read_some(int fd, void *to, size_t size)
{
    ssize_t r;

    do
        r = read(fd, to, size);
    while (r < 0 && errno == EINTR);
    CHECK(r >= 0);
    return r;
}

/* All of it, as text. */
PROCESS_UNUSED static void read_text(int fd, char *text, size_t size)
{
    size_t n = 0;
    ssize_t r;

    while (n < size - 1 && (r = read_some(fd, text + n, size - 1 - n)) > 0)
        n += (size_t)r;
    text[n] = '\0';
}

PROCESS_UNUSED static bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) > 0;
}

#endif /* PAWL_TEST_PROCESS_CASES_H */
