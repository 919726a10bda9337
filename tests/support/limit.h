/* SPDX-License-Identifier: MIT
 *
 * limit.h - limits of the process, as setrlimit(2) has them.
 */
#ifndef LIMIT_H
#define LIMIT_H

#include <sys/resource.h>

#include "test.h"

/* From now on n.  Returns what was allowed before. */
static inline rlim_t limit_files(rlim_t n)
{
    struct rlimit limit;
    rlim_t before;

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    before = limit.rlim_cur;
    limit.rlim_cur = n;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

#endif /* LIMIT_H */
