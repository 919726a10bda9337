/* SPDX-License-Identifier: MIT
 *
 * 24: two consumers, and how each of them learns that this was all: one marker for each;
 * one marker too few, and one waits in vain; no marker, but a shutdown.
 */
#include "example.h"

enum { CONSUMERS = 2, ITEMS = 20 };

struct shop {
    pawl_shared_queue *q;
    pawl_u64 *sum;   /* in the region */
    pawl_u64 *count; /* beside it */
};

/* Returns 0 stopped by a marker, 1 by a shutdown, 2 nothing came any more. */
static int consume(void *arg)
{
    struct shop *s = arg;
    int64_t item;

    for (;;) {
        int64_t bytes = pawl_shared_queue_get_until(
            s->q, &item, sizeof item, pawl_after_ns(6 * example_unit));

        if (bytes <= 0) {
            REQUIRE(bytes == 0 || bytes == -ESHUTDOWN || bytes == -ETIMEDOUT);
            return bytes == 0 ? 0 : bytes == -ESHUTDOWN ? 1 : 2;
        }
        pawl_u64_add(s->sum, (uint64_t)item);
        pawl_u64_add(s->count, 1);
    }
}

/* Returns how many ended by each of the three. */
static void run(int markers, bool shuts_down, int ended[3])
{
    pawl_process *p[CONSUMERS];
    pawl_region *region;
    struct shop s;
    int code;

    ended[0] = ended[1] = ended[2] = 0;
    MUST(pawl_region_create(
        &region, &(pawl_region_options){.heap = 1 << 16, .buffer = 64}));
    s.sum = pawl_region_buffer(region, NULL);
    s.count = s.sum + 1;
    MUST(pawl_shared_queue_create(
        &s.q, region,
        &(pawl_shared_queue_options){
            .name = "items", .capacity = 4, .record_size = sizeof(int64_t)}));
    for (int i = 0; i < CONSUMERS; i++) {
        MUST(pawl_process_create(&p[i], consume, &s, NULL));
        MUST(pawl_process_start(p[i]));
    }
    for (int64_t item = 1; item <= ITEMS; item++)
        MUST(pawl_shared_queue_put(s.q, &item, sizeof item));
    for (int i = 0; i < markers; i++)
        MUST(pawl_shared_queue_put(s.q, "", 0));
    if (shuts_down)
        MUST(pawl_shared_queue_shutdown(s.q));
    for (int i = 0; i < CONSUMERS; i++) {
        MUST(pawl_process_join(p[i], &code));
        REQUIRE(code >= 0 && code <= 2);
        ended[code]++;
        pawl_process_free(p[i]);
    }
    /* Each item once, whoever had it. */
    REQUIRE(pawl_u64_load(s.count) == ITEMS);
    REQUIRE(pawl_u64_load(s.sum) == ITEMS * (ITEMS + 1) / 2);
    pawl_shared_queue_free(s.q);
    pawl_region_free(region);
}

int main(int argc, char **argv)
{
    int ended[3];

    example_begins(argc, argv);
    run(CONSUMERS, false, ended);
    REQUIRE(ended[0] == CONSUMERS);
    SAY("a marker for each: both ended");
    run(1, false, ended);
    REQUIRE(ended[0] == 1 && ended[2] == 1);
    AT_LEAST(6);
    SAY("one marker for two: one was left waiting");
    run(0, true, ended);
    REQUIRE(ended[1] == CONSUMERS);
    SAY("shutdown: both ended");
    SAY("OK 3 x %d items, each once", ITEMS);
    return 0;
}
