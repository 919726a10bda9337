/* SPDX-License-Identifier: MIT
 *
 * The program that counts the executions of a client, with each order of seq_cst, and
 * compares with what the client says:
 *
 *     mutex_count
 *     mutex_count --slow       in the plain way: see count.h
 *     mutex_count --seconds N  at most, each
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "count.h"

int client_main(void);
extern const unsigned long long client_executions; /* client.h */

static void usage(const char *program)
{
    fprintf(stderr, "usage: %s [--slow] [--seconds N]\n", program);
    exit(2);
}

static void print(const struct count *c)
{
    printf("%llu executions, %llu blocked, of at most %u events, in %.1f s\n",
           (unsigned long long)c->complete, (unsigned long long)c->blocked,
           c->most, c->seconds);
    if (c->twice != 0)
        printf("  %llu of them twice: a mistake of the counter\n",
               (unsigned long long)c->twice);
    if (c->failure[0] != '\0')
        printf("FAILED: %s\n", c->failure);
    if (c->gave_up)
        printf("there are more\n");
}

static bool is_as_said(const struct count_options *options)
{
    struct count c;

    count_executions(client_main, options, &c);
    print(&c);
    if (c.failure[0] != '\0' || c.twice != 0 || c.gave_up)
        return false;
    if (c.complete != client_executions)
        printf("FAILED: the client says %llu\n", client_executions);
    return c.complete == client_executions;
}

int main(int argc, char **argv)
{
    struct count_options options = {.way = COUNT_BY_REVISITS};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--slow") == 0)
            options.way = COUNT_BY_BEGINNINGS;
        else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            options.seconds = strtod(argv[++i], NULL);
        else
            usage(argv[0]);
    }
    options.psc = GRAPH_PSC_PAPER;
    if (!is_as_said(&options))
        return 1;
    options.psc = GRAPH_PSC_GENMC;
    return is_as_said(&options) ? 0 : 1;
}
