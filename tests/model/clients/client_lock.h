/* SPDX-License-Identifier: MIT
 *
 * client_lock.h - for clients whose source has mutexes: in their place the locks of
 * the checker, for the mutex has a client of its own.
 */
#ifndef PAWL_CLIENT_LOCK_H
#define PAWL_CLIENT_LOCK_H

#include "client.h"

#include <pawl/mutex.h>

enum { CLIENT_LOCKS = 2 };

/* Which mutexes there are is known before threads begin. */
static const pawl_mutex *client_mutexes[CLIENT_LOCKS];
static pthread_mutex_t client_locks[CLIENT_LOCKS] = {PTHREAD_MUTEX_INITIALIZER,
                                                     PTHREAD_MUTEX_INITIALIZER};

static pthread_mutex_t *client_lock_of(const pawl_mutex *m)
{
    int i = 0;

    while (client_mutexes[i] != m) {
        i++;
        assert(i < CLIENT_LOCKS && "a mutex that is not known");
    }
    return &client_locks[i];
}

int pawl_mutex_init(pawl_mutex *m, unsigned flags)
{
    int i = 0;

    assert(flags == 0);
    while (client_mutexes[i] != NULL) {
        i++;
        assert(i < CLIENT_LOCKS && "too many mutexes");
    }
    client_mutexes[i] = m;
    return 0;
}

int pawl_mutex_lock(pawl_mutex *m)
{
    pthread_mutex_lock(client_lock_of(m));
    return 0;
}

int pawl_mutex_unlock(pawl_mutex *m)
{
    pthread_mutex_unlock(client_lock_of(m));
    return 0;
}

#endif /* PAWL_CLIENT_LOCK_H */
