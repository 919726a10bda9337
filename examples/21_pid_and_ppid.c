/* SPDX-License-Identifier: MIT
 *
 * 21: who am I, and whose child?
 */
#include "example.h"

struct who {
    pid_t pid;
    pid_t ppid;
    pid_t parent; /* as the library says */
    char parent_name[PAWL_PROCESS_NAME_SIZE];
};

static void say_who(const char *title)
{
    char name[PAWL_PROCESS_NAME_SIZE];

    MUST(pawl_process_name(pawl_process_current(), name, sizeof name) < 0);
    SAY("%s: process %s, parent %d, pid %d", title, name, (int)getppid(),
        (int)getpid());
}

static int tell(const pawl_process_call *call)
{
    pawl_process *parent = pawl_process_parent();
    struct who me = {.pid = getpid(), .ppid = getppid()};

    say_who("child");
    REQUIRE(parent != NULL && pawl_process_is_alive(parent) == 1);
    me.parent = (pid_t)pawl_process_pid(parent);
    MUST(pawl_process_name(parent, me.parent_name, sizeof me.parent_name) < 0);
    return write(call->fds[0], &me, sizeof me) != (ssize_t)sizeof me;
}

static void meet(enum pawl_start_method method)
{
    pawl_process *p;
    struct who child;
    int line[2];
    int code;

    REQUIRE(pipe(line) == 0);
    MUST(pawl_process_create_entry(&p, "tell", NULL, 0,
                                   &(pawl_process_options){.method = method,
                                                           .fds = &line[1],
                                                           .n_fds = 1}));
    MUST(pawl_process_start(p));
    REQUIRE(read(line[0], &child, sizeof child) == (ssize_t)sizeof child);
    MUST(pawl_process_join(p, &code));
    REQUIRE(code == 0);
    REQUIRE(child.pid == pawl_process_pid(p) && child.pid != getpid());
    REQUIRE(child.parent == getpid());
    REQUIRE(strcmp(child.parent_name, "MainProcess") == 0);
    /* A child of the fork server is the server's, but knows whose it is. */
    REQUIRE((child.ppid == getpid()) == (method != PAWL_START_FORKSERVER));
    close(line[0]);
    close(line[1]);
    pawl_process_free(p);
}

int main(int argc, char **argv)
{
    MUST(pawl_process_register("tell", tell));
    pawl_process_main(argc, argv);
    example_begins(argc, argv);

    say_who("main");
    REQUIRE(pawl_process_parent() == NULL);
    meet(PAWL_START_FORK);
    meet(PAWL_START_SPAWN);
    meet(PAWL_START_FORKSERVER);
    SAY("OK 3 children of %d", (int)getpid());
    return 0;
}
