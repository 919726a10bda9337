/* SPDX-License-Identifier: MIT
 *
 * consumer.c - somebody else's program, which found pawl in one of the ways
 * that people find libraries.
 */
#include <stdio.h>

#include <pawl.h>

static pawl_mutex lock = PAWL_MUTEX_INIT;

int main(void)
{
    unsigned version = PAWL_VERSION_MAJOR * 10000 + PAWL_VERSION_MINOR * 100 +
                       PAWL_VERSION_PATCH;

    if (pawl_version() != version) {
        fprintf(stderr, "headers %u, library %u\n", version, pawl_version());
        return 1;
    }
    if (pawl_mutex_lock(&lock) != 0 || pawl_mutex_unlock(&lock) != 0)
        return 1;
    return pawl_mutex_unlock(&lock) == -EPERM ? 0 : 1;
}
