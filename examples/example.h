/* SPDX-License-Identifier: MIT
 *
 * example.h - what the examples have in common.
 *
 *   01_sequential                run it; the last line is OK and what was checked
 *   01_sequential --unit 1000    with real seconds: a unit of time is 50 ms else
 *   01_sequential --repeat 100   again and again, each time in a new process
 *   01_sequential --any-time     without upper bounds of times
 *
 * An example asserts what is guaranteed: counts, sums, the order of what is ordered,
 * and that nothing is too early.  Too late is ten times what it should take.
 */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl.h>

static int64_t example_unit = 50000000; /* ns */
static bool example_any_time;
static pawl_deadline example_start;

/* One line of output, in one piece. */
#define SAY(...) ((void)pawl_print_line(STDOUT_FILENO, __VA_ARGS__))

/* What must hold.  Otherwise the program ends. */
#define REQUIRE(condition)                                                     \
    ((condition) ? (void)0 : example_fails(__FILE__, __LINE__, #condition, ""))
/* A call that must return 0. */
#define MUST(call) MUST_BE(0, call)
/* A call that must return this code. */
#define MUST_BE(code, call) example_must(__FILE__, __LINE__, #call, code, call)

/* So much time has passed, in units; and not ten times as much as `most`. */
#define AT_LEAST(units) REQUIRE(example_elapsed() >= (units))
#define BELOW(most) REQUIRE(example_any_time || example_elapsed() < 10 * (most))

__attribute__((noreturn, unused)) static void
example_fails(const char *file, int line, const char *what, const char *got)
{
    (void)pawl_print_line(STDERR_FILENO, "%s:%d: failed: %s%s", file, line,
                          what, got);
    _exit(1);
}

__attribute__((unused)) static void
example_must(const char *file, int line, const char *what, int want, int got)
{
    char text[64];

    if (got == want)
        return;
    snprintf(text, sizeof text, " returned %d (%s)", got,
             got < 0 ? pawl_errname(got) : "");
    example_fails(file, line, what, text);
}

/* A point in time that is so many units from now. */
__attribute__((unused)) static pawl_deadline example_after(double units)
{
    return pawl_after_ns((int64_t)(units * (double)example_unit));
}

/* Sleep: wait for what nobody does. */
__attribute__((unused)) static void example_sleep(double units)
{
    static pawl_event never = PAWL_EVENT_INIT;

    MUST_BE(-ETIMEDOUT, pawl_event_wait_until(&never, example_after(units)));
}

/* Units of time since the program began. */
__attribute__((unused)) static double example_elapsed(void)
{
    return (double)(pawl_now() - example_start) / (double)example_unit;
}

/* Run the program once, in a process of its own. */
static void example_run_again(char **argv)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        execv("/proc/self/exe", argv);
        _exit(127);
    }
    REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* The first call of main. */
__attribute__((unused)) static void example_begins(int argc, char **argv)
{
    static char once[] = "1";
    int repeat = 1;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--any-time") == 0)
            example_any_time = true;
        else if (i + 1 < argc && strcmp(argv[i], "--unit") == 0)
            example_unit = 1000000 * (int64_t)atoi(argv[++i]);
        else if (i + 1 < argc && strcmp(argv[i], "--repeat") == 0) {
            repeat = atoi(argv[++i]);
            argv[i] = once; /* for those that are run again */
        } else
            example_fails(__FILE__, __LINE__, "usage: [--unit MS] ",
                          "[--repeat N] [--any-time]");
    }
    for (; repeat > 1; repeat--)
        example_run_again(argv);
    example_start = pawl_now();
}

#endif /* EXAMPLE_H */
