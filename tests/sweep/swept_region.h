/* SPDX-License-Identifier: MIT
 *
 * swept_region.h - a region as the first thing in the scene of a sweep, which each
 * process finds at the same place.
 */
#ifndef PAWL_SWEEP_SWEPT_REGION_H
#define PAWL_SWEEP_SWEPT_REGION_H

#include "process/region.h"
#include "test.h"

/* This process's view of it. */
static inline pawl_region *region_of(void *scene)
{
    static pawl_region r;
    struct pawl_region_header *h = scene;

    CHECK_OK(pawl_region_find_at(&r, h, (size_t)h->bytes));
    return &r;
}

/* Make one with this plan, for which `room` bytes will do. */
static inline pawl_region *region_make(void *scene, size_t room,
                                       const struct pawl_region_plan *plan)
{
    struct pawl_region_map map;
    pawl_region r;

    CHECK_OK(pawl_region_lay_out(plan, &map));
    CHECK(map.bytes <= room);
    CHECK_OK(pawl_region_make_at(&r, scene, (size_t)map.bytes, plan, NULL));
    return region_of(scene);
}

#endif /* PAWL_SWEEP_SWEPT_REGION_H */
