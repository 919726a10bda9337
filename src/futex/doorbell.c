/* SPDX-License-Identifier: MIT
 *
 * doorbell.c - the descriptors of doorbell.h.
 *
 *   place    0              nothing is there
 *            fd + 1         an eventfd that nobody uses
 *            fd + 1, TAKEN  somebody sleeps with it, or is about to
 *
 * They are never closed: whoever rings one that was left a moment ago makes it
 * readable in vain for who takes it next, and no other descriptor.
 */
#include "futex/doorbell.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "atomic/ops.h"
#include "futex/waitable.h"

#define TAKEN (UINT32_C(1) << 31)

static pawl_u32 place[PAWL_DOORBELLS];
static pawl_u32 places; /* how many were ever in use */

/* Put a new one there.  False: somebody was faster, or there is none. */
static bool put_new(pawl_u32 *at)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    uint32_t seen = 0;

    if (fd < 0)
        return false;
    /* seq_cst: see pawl_doorbell_take. */
    if (pawl_cas_seq(at, &seen, ((uint32_t)fd + 1) | TAKEN))
        return true;
    close(fd);
    return false;
}

static void drain(uint32_t seen)
{
    uint64_t count;

    (void)!read((int)(seen & ~TAKEN) - 1, &count, sizeof count);
}

int pawl_doorbell_take(void)
{
    int saved = errno;

    for (uint32_t i = 0; i < PAWL_DOORBELLS; i++) {
        uint32_t seen = pawl_load_relaxed(&place[i]); /* relaxed: a hint */
        bool mine;

        if (seen == 0)
            mine = put_new(&place[i]);
        else
            /* seq_cst: before the taker is counted; pairs with the loads in ring,
             * which come after the taker was found counted. */
            mine = (seen & TAKEN) == 0 &&
                   pawl_cas_seq(&place[i], &seen, seen | TAKEN);
        if (mine) {
            uint32_t n = pawl_load_relaxed(&places); /* relaxed: grows */

            /* seq_cst: pairs with the load in ring, as above. */
            while (n <= i && !pawl_cas_seq(&places, &n, i + 1))
                ;
            drain(pawl_load_relaxed(&place[i])); /* relaxed: ours */
            errno = saved;
            return (int)i;
        }
    }
    errno = saved;
    return -1;
}

void pawl_doorbell_leave(int bell)
{
    /* relaxed: ours; release: pairs with the CAS of the next in take. */
    pawl_store_release(&place[bell], pawl_load_relaxed(&place[bell]) & ~TAKEN);
}

int pawl_doorbell_fd(int bell)
{
    /* relaxed: ours. */
    return (int)(pawl_load_relaxed(&place[bell]) & ~TAKEN) - 1;
}

void pawl_doorbells_ring(void)
{
    /* seq_cst: pairs with the CAS in take. */
    uint32_t n = pawl_load_seq(&places);

    for (uint32_t i = 0; i < n; i++) {
        uint32_t seen = pawl_load_seq(&place[i]); /* seq_cst: as above */

        if ((seen & TAKEN) != 0)
            pawl_fd_write(seen & ~TAKEN);
    }
}

void pawl_doorbells_forget(void)
{
    uint32_t n = pawl_load_relaxed(&places); /* relaxed: alone */

    for (uint32_t i = 0; i < n; i++) {
        uint32_t seen = pawl_load_relaxed(&place[i]); /* relaxed: as above */

        if (seen != 0)
            close((int)(seen & ~TAKEN) - 1);
        pawl_store_relaxed(&place[i], 0); /* relaxed: as above */
    }
}
