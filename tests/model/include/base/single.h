/* SPDX-License-Identifier: MIT
 *
 * The explorer's place of src/base/single.h: its threads share one thread of
 * the system, but they are several.
 */
#ifndef PAWL_BASE_SINGLE_H
#define PAWL_BASE_SINGLE_H

#include <stdbool.h>

static inline bool pawl_single_threaded(void)
{
    return false;
}

#endif /* PAWL_BASE_SINGLE_H */
