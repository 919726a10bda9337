/* SPDX-License-Identifier: MIT
 *
 * wait_fd.c - the file descriptors of pawl/wait.h.
 *
 * One eventfd per object, or end of a queue, its number kept in the object.
 * Arming empties it and leaves a mark in the object's word; the change to ready
 * that takes the mark away writes.  So each arming is answered by one write at
 * most, and a write that comes late, after the next arming has emptied the
 * descriptor, makes it readable once in vain.
 *
 * Several threads may poll it.  Who arms it and finds the object ready has emptied
 * what others have yet to see, and writes again.
 */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <pawl/wait.h>

#include "atomic/ops.h"
#include "futex/waitable.h"

void pawl_fd_write(uint32_t fd_plus_1)
{
    int saved = errno; /* pawl never changes errno */
    uint64_t one = 1;
    ssize_t n;

    /* Fails if the count is at its maximum: then it is readable. */
    do {
        n = write((int)fd_plus_1 - 1, &one, sizeof one);
    } while (n < 0 && errno == EINTR);
    errno = saved;
}

/* Returns whether it was readable. */
static bool empty(int fd)
{
    int saved = errno;
    uint64_t count;
    ssize_t n;

    do {
        n = read(fd, &count, sizeof count);
    } while (n < 0 && errno == EINTR);
    errno = saved;
    return n > 0;
}

static int place_of(const pawl_wait_item *item, pawl_u32 **place)
{
    if (item->how_ == NULL || item->how_->fd == NULL)
        return -EINVAL;
    *place = item->how_->fd(item);
    return *place != NULL ? 0 : -EOPNOTSUPP;
}

static bool has_own(const pawl_wait_item *item)
{
    return item->how_ != NULL && item->how_->own_fd != NULL;
}

int pawl_wait_fd(const pawl_wait_item *item)
{
    pawl_u32 *place;
    uint32_t seen;
    int saved = errno;
    int err = place_of(item, &place);
    int fd;

    if (has_own(item))
        return item->how_->own_fd(item);
    if (err != 0)
        return err;
    /* relaxed: the number says it all. */
    seen = pawl_load_relaxed(place);
    if (seen != 0)
        return (int)seen - 1;
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) {
        err = -errno;
        errno = saved;
        return err;
    }
    /* relaxed: arming publishes it. */
    if (pawl_cas_relaxed(place, &seen, (uint32_t)fd + 1))
        return fd;
    close(fd); /* somebody else was faster */
    return (int)seen - 1;
}

int pawl_wait_arm(const pawl_wait_item *item)
{
    pawl_wait_item look = *item;
    pawl_u32 *place;
    uint32_t fd_plus_1;
    bool was_readable;
    int err = place_of(item, &place);

    if (has_own(item))
        return item->how_->arm_own_fd(item);
    if (err != 0)
        return err;
    /* relaxed: the number says it all. */
    fd_plus_1 = pawl_load_relaxed(place);
    if (fd_plus_1 == 0)
        return -EBADF;
    was_readable = empty((int)fd_plus_1 - 1);
    /* Look first, for a mark that is left behind costs a write. */
    if (look.how_->look(&look, true) != 0 && look.how_->arm(&look))
        return 0;
    if (was_readable)
        pawl_fd_write(fd_plus_1);
    return -EALREADY;
}

void pawl_fd_close(pawl_u32 *place)
{
    /* relaxed: nobody else uses the object. */
    uint32_t fd_plus_1 = pawl_load_relaxed(place);
    int saved = errno;

    if (fd_plus_1 == 0)
        return;
    pawl_store_relaxed(place, 0); /* relaxed: as above */
    close((int)fd_plus_1 - 1);
    errno = saved;
}

int pawl_wait_close(const pawl_wait_item *item)
{
    pawl_u32 *place;
    int err = place_of(item, &place);

    if (err != 0)
        return err;
    /* relaxed: nobody else uses the object. */
    if (pawl_load_relaxed(place) == 0)
        return -EBADF;
    pawl_fd_close(place);
    return 0;
}
