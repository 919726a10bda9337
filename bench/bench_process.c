/* SPDX-License-Identifier: MIT
 *
 * bench_process.c - start a process that returns at once, and wait for it: by fork,
 * by executing the program anew, and by the fork server.
 *
 *   process/fork         pawl FORK         fork and waitpid
 *   process/spawn        pawl SPAWN        posix_spawn and waitpid, of a program that
 *                                          is as large and ends at once
 *   process/forkserver   pawl FORKSERVER   the same posix_spawn: what it replaces
 *
 * The process has a second thread, as all here.
 */
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl/process.h>

#include "bench.h"

#define EMPTY_PROGRAM "--empty-program"

static int return_at_once(const pawl_process_call *call)
{
    (void)call;
    return 0;
}

void bench_process_main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], EMPTY_PROGRAM) == 0)
        _exit(0);
    BENCH_CHECK(pawl_process_register("empty", return_at_once) == 0);
    bench_procpool_register();
    pawl_process_main(argc, argv);
}

static void start_and_join(bench_state *b, enum pawl_start_method method)
{
    pawl_process_options options = {.method = method};

    while (bench_batch(b, 1)) {
        pawl_process *p;
        int code;

        BENCH_CHECK(pawl_process_create_entry(&p, "empty", NULL, 0, &options) ==
                    0);
        BENCH_CHECK(pawl_process_start(p) == 0);
        BENCH_CHECK(pawl_process_join(p, &code) == 0 && code == 0);
        pawl_process_free(p);
    }
}

static void wait_for(pid_t pid)
{
    int status;

    BENCH_CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void fork_pawl(bench_state *b, const struct bench_spec *spec)
{
    (void)spec;
    start_and_join(b, PAWL_START_FORK);
}

static void fork_posix(bench_state *b, const struct bench_spec *spec)
{
    (void)spec;
    while (bench_batch(b, 1)) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(0);
        wait_for(pid);
    }
}

static void spawn_pawl(bench_state *b, const struct bench_spec *spec)
{
    (void)spec;
    start_and_join(b, PAWL_START_SPAWN);
}

static void spawn_posix(bench_state *b, const struct bench_spec *spec)
{
    char program[] = "empty";
    char argument[] = EMPTY_PROGRAM;
    char *argv[] = {program, argument, NULL};

    (void)spec;
    while (bench_batch(b, 1)) {
        pid_t pid;

        BENCH_CHECK(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv,
                                environ) == 0);
        wait_for(pid);
    }
}

static void forkserver_pawl(bench_state *b, const struct bench_spec *spec)
{
    (void)spec;
    start_and_join(b, PAWL_START_FORKSERVER);
}

static void add(const char *scenario, const char *impl, bench_fn *fn)
{
    struct bench_spec s = bench_row("process", scenario, impl, fn);

    bench_add(&s);
}

void bench_process(void)
{
    add("fork", "pawl", fork_pawl);
    add("fork", "posix", fork_posix);
    add("spawn", "pawl", spawn_pawl);
    add("spawn", "posix", spawn_posix);
    add("forkserver", "pawl", forkserver_pawl);
    add("forkserver", "posix", spawn_posix);
}
