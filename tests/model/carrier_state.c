/* SPDX-License-Identifier: MIT
 *
 * The library's own carrier.c, and what must be done to it and its neighbours
 * between two schedules.
 */
#include "machine.h"

#include "thread/carrier.c"

static void restore(void)
{
    memset(&main_carrier, 0, sizeof main_carrier);
    main_now = &main_carrier;
    prepared = (pawl_once)PAWL_ONCE_INIT;
    serials.given.v_ = stack_size_.v_ = 0;
    foreigners.v_ = 0;
    pawl_cache_clear();
    pawl_cache_limit(UINT32_MAX);
    pawl_join_in_child(NULL);
    pawl_registry_in_child(NULL);
}

MODEL_RESTORED_BY(restore)
