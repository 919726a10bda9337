/* SPDX-License-Identifier: MIT
 *
 * EX-35: a process with a string as its argument, and who speaks when.
 */
#include "example.h"

static int events[2]; /* a letter for each line, in the order of the lines */

static void happen(char event)
{
    REQUIRE(write(events[1], &event, 1) == 1);
}

static int run_proc(void *name)
{
    happen('c');
    SAY("Run child process %s (%d)...", (const char *)name, (int)getpid());
    return 0;
}

int main(int argc, char **argv)
{
    char name[] = "test";
    char seen[5] = "";
    pawl_process *p;
    int code;

    example_begins(argc, argv);
    REQUIRE(pipe(events) == 0);
    happen('p');
    SAY("Parent process %d.", (int)getpid());
    MUST(pawl_process_create(&p, run_proc, name, NULL));
    happen('w');
    SAY("Child process will start.");
    MUST(pawl_process_start(p));
    MUST(pawl_process_join(p, &code));
    happen('e');
    SAY("Child process end.");
    REQUIRE(code == 0);
    REQUIRE(read(events[0], seen, 4) == 4);
    REQUIRE(strcmp(seen, "pwce") == 0);
    pawl_process_free(p);
    SAY("OK 4 events in order");
    return 0;
}
