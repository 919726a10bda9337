/* SPDX-License-Identifier: MIT
 *
 * The explorer's place of src/atomic/copy.h: copies of elements are reads and
 * writes that must not race.
 */
#ifndef PAWL_ATOMIC_COPY_H
#define PAWL_ATOMIC_COPY_H

#include <string.h>

#include "seam.h"

static inline void pawl_copy(void *to, const void *from, size_t bytes)
{
    if (bytes == 0)
        return;
    model_read(from);
    model_write(to);
    memcpy(to, from, bytes);
}

#endif /* PAWL_ATOMIC_COPY_H */
