/* SPDX-License-Identifier: MIT
 *
 * place.h - objects in memory that the user gives.
 */
#ifndef PAWL_BASE_PLACE_H
#define PAWL_BASE_PLACE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline uint64_t pawl_round_up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Whether an object may begin there, of which the first `least` bytes can be
 * looked at. */
static inline bool pawl_is_place(const void *memory, size_t align, size_t bytes,
                                 size_t least)
{
    return memory != NULL && (uintptr_t)memory % align == 0 && bytes >= least;
}

/* Whether an object that needs so many bytes, or cannot be if that is an error,
 * can be made there: 0, that error, -EINVAL or -ENOSPC. */
static inline int pawl_check_place(const void *memory, size_t align,
                                   size_t bytes, int64_t needs)
{
    if (needs < 0)
        return (int)needs;
    if (!pawl_is_place(memory, align, bytes, 0))
        return -EINVAL;
    return bytes < (uint64_t)needs ? -ENOSPC : 0;
}

#endif /* PAWL_BASE_PLACE_H */
