/* SPDX-License-Identifier: MIT
 *
 * 09 - a thread as a part of an object, as a class that extends Thread.  Its run may
 * be called directly too: then it runs in the caller, and nothing is started.
 */
#include "example.h"

struct summer {
    pawl_thread thread;
    int upto;
    long sum;        /* the result */
    uint64_t ran_in; /* which thread that was */
};

static int summer_run(void *arg)
{
    struct summer *self = arg;

    for (int i = 1; i <= self->upto; i++)
        self->sum += i;
    self->ran_in = pawl_thread_get_ident();
    return 0;
}

static void summer_init(struct summer *self, int upto)
{
    *self = (struct summer){.upto = upto};
    MUST(PAWL_THREAD_INIT(&self->thread, summer_run, self));
}

int main(int argc, char **argv)
{
    struct summer a;
    struct summer b;
    struct summer direct;

    example_begins(argc, argv);
    summer_init(&a, 100);
    summer_init(&b, 1000);
    MUST(pawl_thread_start(&a.thread));
    MUST(pawl_thread_start(&b.thread));
    MUST(pawl_thread_join(&a.thread, NULL));
    MUST(pawl_thread_join(&b.thread, NULL));
    REQUIRE(a.sum == 5050 && b.sum == 500500);
    REQUIRE(a.ran_in == pawl_thread_ident(&a.thread));

    summer_init(&direct, 10);
    summer_run(&direct);
    REQUIRE(direct.sum == 55 && direct.ran_in == pawl_thread_get_ident());
    MUST_BE(-ESRCH, pawl_thread_join(&direct.thread, NULL)); /* not started */
    SAY("OK sums %ld and %ld in threads, %ld here", a.sum, b.sum, direct.sum);
    return 0;
}
