/* SPDX-License-Identifier: MIT
 *
 * poll.h - sleeping on descriptors.
 */
#ifndef PAWL_FUTEX_POLL_H
#define PAWL_FUTEX_POLL_H

#include <poll.h>
#include <stddef.h>

#include <pawl/time.h>

/* poll, with a deadline, and not ended by signals: how many are ready, 0 none by
 * then, -ENOMEM. */
int pawl_poll_until(struct pollfd *fds, size_t n, pawl_deadline until);

#endif /* PAWL_FUTEX_POLL_H */
