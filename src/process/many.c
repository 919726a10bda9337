/* SPDX-License-Identifier: MIT
 *
 * many.c - waiting for any or all of several processes.
 */
#include "process/record.h"

#include <stdlib.h>

/* So many need no allocation. */
#define ON_STACK 16

struct set {
    pawl_process *const *list;
    size_t n;
    struct pollfd *beds;
    bool exact;
    bool told; /* one of them is about to be settled */
};

/* All can be joined, and none has ended: get ready to sleep.
 *
 * Returns  -EAGAIN so it is;  0 one has ended;  or why one cannot be joined. */
static int look(struct set *s, size_t *which)
{
    s->exact = true;
    s->told = false;
    for (size_t i = 0; i < s->n; i++) {
        int err = pawl_process_joinable(s->list[i]);

        if (err != 0)
            return err;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (pawl_process_settle(s->list[i])) {
            if (which != NULL)
                *which = i;
            return 0;
        }
        s->exact = pawl_process_bed(s->list[i], &s->beds[i]) && s->exact;
        s->told = s->told || pawl_process_is_being_told(s->list[i]);
    }
    return -EAGAIN;
}

static void count_in(const struct set *s, bool in)
{
    for (size_t i = 0; i < s->n; i++)
        s->list[i]->joiners += in ? 1 : (uint32_t)-1;
}

/* Under the lock, which is released meanwhile. */
static int await_any(struct set *s, pawl_deadline until, size_t *which)
{
    int64_t pause = 0;
    int err;

    while ((err = look(s, which)) == -EAGAIN) {
        pawl_deadline end = s->told ? PAWL_FOREVER : until;

        if (end != PAWL_FOREVER && (end <= 0 || end <= pawl_now()))
            return -ETIMEDOUT;
        if (!s->exact)
            end = pawl_process_next_look(&pause, end);
        count_in(s, true);
        pawl_children_unlock();
        err = pawl_poll_until(s->beds, s->n, end);
        pawl_children_lock();
        count_in(s, false);
        if (err < 0)
            return err;
    }
    return err;
}

int pawl_process_wait_any_until(pawl_process *const *list, size_t n,
                                pawl_deadline until, size_t *which)
{
    struct pollfd beds[ON_STACK];
    struct set s = {.list = list, .n = n, .beds = beds};
    int saved = errno;
    int err;

    if (n == 0 && until == PAWL_FOREVER)
        return -EINVAL;
    if (n > ON_STACK)
        s.beds = calloc(n, sizeof *s.beds);
    if (s.beds == NULL)
        return -ENOMEM;
    pawl_children_lock();
    err = await_any(&s, until, which);
    pawl_children_unlock();
    if (n > ON_STACK)
        free(s.beds);
    errno = saved;
    return err;
}

int pawl_process_wait_any(pawl_process *const *list, size_t n, size_t *which)
{
    return pawl_process_wait_any_until(list, n, PAWL_FOREVER, which);
}

int pawl_process_wait_try_any(pawl_process *const *list, size_t n,
                              size_t *which)
{
    int err = pawl_process_wait_any_until(list, n, 0, which);

    return err == -ETIMEDOUT ? -EAGAIN : err;
}

int pawl_process_wait_all_until(pawl_process *const *list, size_t n,
                                pawl_deadline until)
{
    int saved = errno;
    int err = 0;

    pawl_children_lock();
    for (size_t i = 0; i < n && err == 0; i++)
        err = pawl_process_joinable(list[i]);
    for (size_t i = 0; i < n && err == 0; i++)
        err = pawl_process_await(list[i], until);
    pawl_children_unlock();
    errno = saved;
    return err;
}

int pawl_process_wait_all(pawl_process *const *list, size_t n)
{
    return pawl_process_wait_all_until(list, n, PAWL_FOREVER);
}

int pawl_process_wait_try_all(pawl_process *const *list, size_t n)
{
    int err = pawl_process_wait_all_until(list, n, 0);

    return err == -ETIMEDOUT ? -EAGAIN : err;
}
