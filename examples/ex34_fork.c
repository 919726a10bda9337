/* SPDX-License-Identifier: MIT
 *
 * EX-34: fork, getpid and getppid by hand, and what the statuses mean.
 */
#include <signal.h>

#include "example.h"

static int wait_for(pid_t child)
{
    int status;

    REQUIRE(waitpid(child, &status, 0) == child);
    return pawl_exit_code(status);
}

int main(int argc, char **argv)
{
    pid_t parent = getpid();
    pid_t child;
    pid_t victim;
    int code;

    example_begins(argc, argv);
    printf("printed once, though it is in a buffer when we fork\n");
    child = pawl_fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        SAY("child %d of %d: fork has returned 0", (int)getpid(),
            (int)getppid());
        REQUIRE(getpid() != parent && getppid() == parent);
        _exit(7);
    }
    SAY("parent %d: fork has returned %d", (int)getpid(), (int)child);
    code = wait_for(child);
    REQUIRE(code == 7);
    REQUIRE(waitpid(child, NULL, 0) == -1 && errno == ECHILD);

    victim = pawl_fork();
    REQUIRE(victim >= 0);
    if (victim == 0)
        for (;;)
            pause();
    REQUIRE(kill(victim, SIGKILL) == 0);
    REQUIRE(wait_for(victim) == -9);
    SAY("OK exit code %d, killed by signal 9, second wait: ECHILD", code);
    return 0;
}
