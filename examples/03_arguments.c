/* SPDX-License-Identifier: MIT
 *
 * 03 - arguments.  A thread has one, a pointer; a small struct can be copied when the
 * thread is made, so the variable may be used again at once.
 */
#include <stdatomic.h>

#include "example.h"

enum { THREADS = 6 };

struct greeting {
    char name[16];
    int number;
};

static atomic_int seen[THREADS];
static pawl_latch ended = PAWL_LATCH_INIT(THREADS);

static int greet(void *arg)
{
    const struct greeting *g = arg;
    char want[16];

    SAY("%s has %d", g->name, g->number);
    snprintf(want, sizeof want, "thread-%d", g->number);
    REQUIRE(strcmp(g->name, want) == 0);
    atomic_fetch_add(&seen[g->number], 1);
    return pawl_latch_count_down(&ended, 1);
}

int main(int argc, char **argv)
{
    struct greeting g; /* one for all */

    example_begins(argc, argv);
    for (int i = 0; i < THREADS; i++) {
        pawl_thread_options copy = {.size = sizeof copy, .copy = sizeof g};

        g.number = i;
        snprintf(g.name, sizeof g.name, "thread-%d", i);
        MUST(pawl_thread_start_detached(greet, &g, &copy, NULL));
    }
    MUST(pawl_latch_wait(&ended));
    for (int i = 0; i < THREADS; i++)
        REQUIRE(atomic_load(&seen[i]) == 1);
    SAY("OK %d threads, each with its own arguments", THREADS);
    return 0;
}
