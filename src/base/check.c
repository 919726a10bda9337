/* SPDX-License-Identifier: MIT
 *
 * check.c - the last words of a process whose memory is corrupt.
 */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void pawl_check_failed(const char *what, const void *object, const char *file,
                       int line)
{
    fprintf(stderr, "pawl: %s (object %p, %s:%d)\n", what, object, file, line);
    abort();
}
