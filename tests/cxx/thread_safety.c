/* SPDX-License-Identifier: MIT
 *
 * thread_safety.c - what clang's -Wthread-safety sees of pawl.  Compiled only:
 * as it is, it must be silent; with MISTAKE=1, 2 or 3 it must not be.
 */
#include <pawl.h>

static pawl_mutex lock = PAWL_MUTEX_INIT;
static int balance __attribute__((guarded_by(lock)));

int deposit(int amount);
int deposit(int amount)
{
#if MISTAKE != 1 /* the data without the lock */
    if (pawl_mutex_lock(&lock) != 0)
        return -1;
#endif
    balance += amount;
#if MISTAKE == 2 /* a way out with the lock held */
    if (balance < 0)
        return -1;
#endif
#if MISTAKE != 1
    pawl_mutex_unlock(&lock);
#endif
#if MISTAKE == 3 /* released twice */
    pawl_mutex_unlock(&lock);
#endif
    return 0;
}
