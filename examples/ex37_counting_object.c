/* SPDX-License-Identifier: MIT
 *
 * The same as objects: each has its own counter.  (The course from which this is
 * known forgets to count inside the loop, and never ends.)
 */
#include "example.h"

enum { MAX = 100, START_AT = 20 };

struct counter {
    pawl_thread thread;
    int i;
};

static int counter_run(void *arg)
{
    struct counter *self = arg;

    while (self->i < MAX)
        self->i++;
    return 0;
}

static void counter_start(struct counter *self)
{
    self->i = 0;
    MUST(PAWL_THREAD_INIT(&self->thread, counter_run, self));
    MUST(pawl_thread_start(&self->thread));
}

int main(int argc, char **argv)
{
    struct counter a;
    struct counter b;

    example_begins(argc, argv);
    for (int i = 0; i < MAX; i++) {
        if (i == START_AT) {
            counter_start(&a);
            counter_start(&b);
        }
    }
    MUST(pawl_thread_join(&a.thread, NULL));
    MUST(pawl_thread_join(&b.thread, NULL));
    REQUIRE(a.i == MAX && b.i == MAX);
    SAY("OK %d and %d", a.i, b.i);
    return 0;
}
