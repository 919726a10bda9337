/* SPDX-License-Identifier: MIT
 *
 * For the clients: there are several threads.
 */
#ifndef PAWL_BASE_SINGLE_H
#define PAWL_BASE_SINGLE_H

#include <stdbool.h>

static inline bool pawl_single_threaded(void)
{
    return false;
}

#endif /* PAWL_BASE_SINGLE_H */
