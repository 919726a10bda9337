/* SPDX-License-Identifier: MIT
 *
 * copy.h - elements copied in and out of lock-free structures.
 */
#ifndef PAWL_ATOMIC_COPY_H
#define PAWL_ATOMIC_COPY_H

#include <stddef.h>
#include <string.h>

#include "base/compiler.h"

/* memcpy, with a short way for words. */
static inline void pawl_copy(void *to, const void *from, size_t bytes)
{
    if (pawl_likely(bytes == 8))
        memcpy(to, from, 8);
    else
        memcpy(to, from, bytes);
}

#endif /* PAWL_ATOMIC_COPY_H */
