/* SPDX-License-Identifier: MIT
 *
 * poll.c - sleeping on descriptors.
 */
#include "futex/poll.h"

#include <errno.h>
#include <time.h>

int pawl_poll_until(struct pollfd *fds, size_t n, pawl_deadline until)
{
    for (;;) {
        struct timespec left = {0};
        int r;

        if (until != PAWL_FOREVER && until > 0) {
            int64_t ns = until - pawl_now();

            if (ns > 0)
                left = (struct timespec){ns / 1000000000, ns % 1000000000};
        }
        r = ppoll(fds, n, until == PAWL_FOREVER ? NULL : &left, NULL);
        if (r >= 0)
            return r;
        if (errno != EINTR)
            return -errno;
    }
}
