/* SPDX-License-Identifier: MIT
 *
 * 22: a queue between processes, and waiting until all that was put is done.
 *
 * The consumer is a daemon: it does not keep the program alive, and ends with it.  If
 * it died with an item, the item would be delivered again (PAWL_TASKS_AGAIN).
 */
#include "example.h"

enum { ITEMS = 10 };

struct shop {
    pawl_shared_queue *q;
    pawl_u32 *done; /* in the region: a shared number */
};

static int consume(void *arg)
{
    struct shop *s = arg;
    int64_t item;

    for (;;) {
        REQUIRE(pawl_shared_queue_get(s->q, &item, sizeof item) ==
                (int64_t)sizeof item);
        SAY("consumer %d: item %d", (int)getpid(), (int)item);
        pawl_u32_add(s->done, 1);
        MUST(pawl_shared_queue_task_done(s->q, NULL));
    }
}

int main(int argc, char **argv)
{
    pawl_region *region;
    pawl_process *p;
    struct shop s;
    int64_t last;

    example_begins(argc, argv);
    MUST(pawl_region_create(
        &region, &(pawl_region_options){.heap = 1 << 16, .buffer = 64}));
    s.done = pawl_region_buffer(region, NULL);
    MUST(pawl_shared_queue_create(
        &s.q, region,
        &(pawl_shared_queue_options){.name = "items",
                                     .capacity = 4,
                                     .record_size = sizeof last,
                                     .tasks = PAWL_TASKS_AGAIN}));
    MUST(pawl_process_create(
        &p, consume, &s,
        &(pawl_process_options){.flags = PAWL_PROCESS_DAEMON}));
    MUST(pawl_process_start(p));

    for (int64_t item = 0; item < ITEMS; item++) {
        MUST(pawl_shared_queue_put(s.q, &item, sizeof item));
        SAY("main %d: put %d", (int)getpid(), (int)item);
    }
    MUST(pawl_shared_queue_join(s.q));
    REQUIRE(pawl_u32_load(s.done) == ITEMS);
    REQUIRE(pawl_shared_queue_unfinished(s.q) == 0);
    SAY("OK %d items done", ITEMS);
    return 0; /* and the consumer ends */
}
