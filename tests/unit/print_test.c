/* SPDX-License-Identifier: MIT
 *
 * print_test.c - whole lines (section 14 of python-model.md).
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pawl/error.h>
#include <pawl/print.h>

#include "team.h"
#include "test.h"

enum { THREADS = 4, LINES = 500 };

static void make_pipe(int fds[2])
{
    CHECK_EQ(pipe(fds), 0);
}

static void check_reads(int fd, const char *want)
{
    char got[2 * PAWL_LINE_MAX];
    ssize_t n = read(fd, got, sizeof got);

    CHECK_EQ(n, strlen(want));
    CHECK_EQ(memcmp(got, want, (size_t)n), 0);
}

TEST(print.a_line_has_an_end)
{
    int fds[2];

    make_pipe(fds);
    errno = 77;
    CHECK_OK(pawl_print_line(fds[1], "%d %s", 42, "apples"));
    check_reads(fds[0], "42 apples\n");
    CHECK_OK(pawl_print_line(fds[1], "%s", ""));
    check_reads(fds[0], "\n");
    CHECK_EQ(errno, 77); /* */
}

TEST(print.long_lines_are_cut)
{
    static char text[2 * PAWL_LINE_MAX];
    static char want[PAWL_LINE_MAX + 1];
    int fds[2];

    make_pipe(fds);
    memset(text, 'x', sizeof text - 1);
    for (int extra = 0; extra < 2; extra++) {
        memset(want, 'x', PAWL_LINE_MAX - 1);
        strcpy(want + PAWL_LINE_MAX - (extra ? 4 : 1), extra ? "...\n" : "\n");
        CHECK_OK(
            pawl_print_line(fds[1], "%.*s", PAWL_LINE_MAX - 1 + extra, text));
        check_reads(fds[0], want);
    }
}

TEST(print.tells_why_it_cannot)
{
    int fds[2];

    CHECK_ERR(pawl_print_line(-1, "x"), -EBADF);
    make_pipe(fds);
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    close(fds[0]);
    CHECK_ERR(pawl_print_line(fds[1], "x"), -EPIPE);
    make_pipe(fds);
    CHECK_EQ(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    while (write(fds[1], "x", 1) == 1)
        ;
    CHECK_ERR(pawl_print_line(fds[1], "x"), -EAGAIN);
}

static void print_lines(struct member *me)
{
    int *fds = me->rig;
    char text[600];

    memset(text, 'a' + me->index, sizeof text);
    for (int i = 0; i < LINES; i++)
        CHECK_OK(pawl_print_line(fds[1], "%d %.*s", me->index,
                                 (int)test_rand_below(&me->random, 600), text));
}

static void read_lines(void *fds)
{
    FILE *in = fdopen(((int *)fds)[0], "r");
    int count[THREADS] = {0};
    char line[PAWL_LINE_MAX];

    CHECK(in != NULL);
    close(((int *)fds)[1]);
    while (fgets(line, sizeof line, in) != NULL) {
        int who = line[0] - '0';
        size_t size = strlen(line);

        CHECK(who >= 0 && who < THREADS && line[1] == ' ');
        CHECK_EQ(strspn(line + 2, (char[]){(char)('a' + who), 0}), size - 3);
        CHECK_EQ(line[size - 1], '\n');
        count[who]++;
    }
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(count[i], LINES);
    fclose(in);
}

/* No line is torn, none is lost. */
TEST(print.threads_print_whole_lines)
{
    int fds[2];
    pid_t reader;

    make_pipe(fds);
    reader = test_spawn_child(read_lines, fds);
    team_of_threads(THREADS, print_lines, fds);
    close(fds[1]);
    test_wait_child(reader);
}
