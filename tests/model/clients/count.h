/* SPDX-License-Identifier: MIT
 *
 * count.h - how many executions a client has.
 *
 * A client is a function that makes threads by pthread_create, awaits all of them
 * by pthread_join, and may look at what has come out.  It is compiled against
 * ../include (the seam of the explorer), with main and what it calls of libc
 * renamed, and with the plain accesses shown as for ThreadSanitizer: see
 * ../CMakeLists.txt.  count.c runs it once for each of its execution graphs, and
 * in each:
 *
 *   - assertions hold;
 *   - plain accesses do not race;
 *   - nobody waits for ever, for a lock or in a loop that calls CLIENT_PAUSE.
 *
 * Such a loop counts once: with the load that ends it.
 */
#ifndef CLIENT_COUNT_H
#define CLIENT_COUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "graph.h"

enum count_way {
    /* Each graph once, without remembering any: Kokologiannakis, Marmanis,
     * Gladstein and Vafeiadis, "Truly stateless, optimal dynamic partial order
     * reduction" (2022). */
    COUNT_BY_REVISITS,
    /* Every beginning of every graph, remembering all.  Slow, and so plain that
     * it shows whether the other one is right. */
    COUNT_BY_BEGINNINGS,
};

struct count_options {
    enum count_way way;
    enum graph_psc psc;
    double seconds; /* to give up after; 0: never */
    bool quiet;     /* about failures */
};

struct count {
    uint64_t complete;
    uint64_t blocked; /* somebody waits for a value that has come since */
    uint64_t twice;   /* the same once more: a mistake of the counter */
    uint32_t most;    /* events */
    double seconds;
    bool gave_up;
    char failure[200]; /* empty: none */
};

void count_executions(int (*client)(void), const struct count_options *options,
                      struct count *result);

#endif /* CLIENT_COUNT_H */
