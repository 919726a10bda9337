/* SPDX-License-Identifier: MIT
 *
 * scope_guard.c - a scope guard whose variable nobody looks at is what guards
 * are for: no compiler may call it unused.  Compiled only.
 */
#include <pawl.h>

static pawl_mutex mutex = PAWL_MUTEX_INIT;
static pawl_rmutex rmutex = PAWL_RMUTEX_INIT;
static pawl_rwlock rwlock = PAWL_RWLOCK_INIT;
static pawl_sem sem = PAWL_SEM_INIT(1);

void hold_all(void);
void hold_all(void)
{
    PAWL_MUTEX_GUARD(a, &mutex);
    PAWL_RMUTEX_GUARD(b, &rmutex);
    PAWL_READ_GUARD(c, &rwlock);
    PAWL_SEM_GUARD(d, &sem);
    {
        PAWL_WRITE_GUARD_UNTIL(e, &rwlock, 0);
    }
}
