/* SPDX-License-Identifier: MIT
 *
 * region.h - how a region is laid out, and a process's view of one.
 */
#ifndef PAWL_PROCESS_REGION_H
#define PAWL_PROCESS_REGION_H

#include <errno.h>
#include <sys/types.h>

#include <pawl/region.h>

#include "futex/realm.h"

#define PAWL_REGION_PAGE 4096

/* What decides the layout. */
struct pawl_region_plan {
    uint64_t buffer_bytes;
    uint64_t heap_pages;
    uint32_t participants;
    uint32_t names;
};

/* The first page.  All constant once the region is made. */
struct pawl_region_header {
    uint64_t magic;
    uint32_t layout; /* the number of this description */
    uint32_t reserved;
    uint64_t bytes; /* of all */
    struct pawl_region_plan plan;
    char name[PAWL_REGION_NAME_MAX + 8];
    uint64_t check; /* pawl_region_sum */
};

/* Over all that comes before `check`. */
uint64_t pawl_region_sum(const struct pawl_region_header *h);

/* Offsets that follow from a plan. */
struct pawl_region_map {
    uint64_t table;
    uint64_t table_end;
    uint64_t directory;
    uint64_t index; /* of the heap */
    uint64_t buffer;
    uint64_t heap;
    uint64_t bytes;
};

struct pawl_region {
    unsigned char *base; /* NULL: closed */
    struct pawl_participants *table;
    struct pawl_region_plan plan;
    struct pawl_region_map map;
    int fd;       /* -1: the memory is the caller's, and stays mapped */
    dev_t device; /* of the file, with its number */
    ino_t number;
    bool owned;               /* by the process that made it, with its name */
    struct pawl_region *next; /* of this process */
    struct pawl_realm realm;
};

/* 0, or -EINVAL for a plan out of its bounds. */
int pawl_region_lay_out(const struct pawl_region_plan *plan,
                        struct pawl_region_map *map);

/* The plan that these options mean.  0 or -EINVAL. */
int pawl_region_plan_of(const pawl_region_options *o,
                        struct pawl_region_plan *plan);

/* Make a region in zeroed memory, which is shared and page-aligned; find one there.
 * 0, -EINVAL, or (make) -ENOSPC. */
int pawl_region_make_at(pawl_region *r, void *memory, size_t bytes,
                        const struct pawl_region_plan *plan, const char *name);
int pawl_region_find_at(pawl_region *r, void *memory, size_t bytes);

/* The region that a table of participants belongs to. */
void pawl_region_view(pawl_region *r, struct pawl_participants *table);

/* The caller's slot in the region: its id, or the errors of pawl_region_join. */
static inline int pawl_region_me(pawl_region *r)
{
    uint32_t id;

    if (pawl_unlikely(r->base == NULL))
        return -EBADF;
    id = pawl_participants_seated(r->table);
    return pawl_likely(id != 0) ? (int)id : pawl_participants_join(r->table);
}

#endif /* PAWL_PROCESS_REGION_H */
