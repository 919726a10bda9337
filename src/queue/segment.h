/* SPDX-License-Identifier: MIT
 *
 * segment.h - memory for many elements, of which unbounded queues are chains.
 */
#ifndef PAWL_QUEUE_SEGMENT_H
#define PAWL_QUEUE_SEGMENT_H

#include <stdint.h>
#include <stdlib.h>

/* About a page; at least one element. */
enum { PAWL_SEGMENT_BYTES = 4096 - 2 * sizeof(void *) };

struct pawl_segment {
    struct pawl_segment *link;
    /* The elements lie one after the other. */
    char elements[] __attribute__((aligned(8)));
};

static inline size_t pawl_segment_length(size_t element_size)
{
    size_t n =
        (PAWL_SEGMENT_BYTES - sizeof(struct pawl_segment)) / element_size;

    return n > 0 ? n : 1;
}

static inline struct pawl_segment *pawl_segment_make(size_t element_size)
{
    size_t bytes = pawl_segment_length(element_size) * element_size;
    struct pawl_segment *s = malloc(sizeof *s + bytes);

    if (s != NULL)
        s->link = NULL;
    return s;
}

static inline void *pawl_segment_at(struct pawl_segment *s, size_t index,
                                    size_t element_size)
{
    return s->elements + index * element_size;
}

#endif /* PAWL_QUEUE_SEGMENT_H */
