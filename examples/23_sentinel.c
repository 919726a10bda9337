/* SPDX-License-Identifier: MIT
 *
 * 23: an end marker.  The producer puts it last; the one consumer stops at it.
 */
#include "example.h"

enum { ITEMS = 10 };

/* A record of no bytes is no item: nothing else has to be agreed on. */
static int produce(void *arg)
{
    pawl_shared_queue *q = arg;

    for (int64_t item = 0; item < ITEMS; item++)
        MUST(pawl_shared_queue_put(q, &item, sizeof item));
    MUST(pawl_shared_queue_put(q, "", 0));
    return 0;
}

static int consume(void *arg)
{
    pawl_shared_queue *q = arg;
    int64_t item;
    int64_t bytes;
    int seen = 0;

    while ((bytes = pawl_shared_queue_get(q, &item, sizeof item)) > 0) {
        REQUIRE(item == seen); /* in order */
        seen++;
    }
    REQUIRE(bytes == 0);
    return seen == ITEMS ? 0 : 1;
}

int main(int argc, char **argv)
{
    pawl_shared_queue *q;
    pawl_region *region;
    pawl_process *p[2];
    int code;

    example_begins(argc, argv);
    MUST(pawl_region_create(&region, &(pawl_region_options){.heap = 1 << 16}));
    MUST(pawl_shared_queue_create(
        &q, region,
        &(pawl_shared_queue_options){
            .name = "items", .capacity = 4, .record_size = sizeof(int64_t)}));
    MUST(pawl_process_create(&p[0], consume, q, NULL));
    MUST(pawl_process_create(&p[1], produce, q, NULL));
    for (int i = 0; i < 2; i++)
        MUST(pawl_process_start(p[i]));
    for (int i = 0; i < 2; i++) {
        MUST(pawl_process_join(p[i], &code));
        REQUIRE(code == 0);
        pawl_process_free(p[i]);
    }
    REQUIRE(pawl_shared_queue_size(q) == 0);
    pawl_shared_queue_free(q);
    pawl_region_free(region);
    SAY("OK %d items, and the marker is none", ITEMS);
    return 0;
}
