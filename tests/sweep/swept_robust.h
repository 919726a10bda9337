/* SPDX-License-Identifier: MIT
 *
 * swept_robust.h - sweeps with all that is shared in a region, so that the death of
 * who holds it is seen.
 */
#ifndef PAWL_SWEEP_SWEPT_ROBUST_H
#define PAWL_SWEEP_SWEPT_ROBUST_H

#include <pawl/rmutex.h>
#include <pawl/rwlock.h>

#include "futex/realm.h"
#include "futex/robust.h"
#include "participants.h"
#include "swept.h"

/* Whatever is shared lies in a region, in this process and those it forks. */
static inline void put_all_in_a_region(void)
{
    static struct pawl_realm all = {.bytes = UINTPTR_MAX};

    TEST_TIMEOUT(300);
    spin_for("0");
    all.table = participants_make(8);
    pawl_realm_begin(&all);
}

/* Ids, and what a first wait asks libc and the kernel for, without what others may
 * hold. */
static inline void warm_robust(void *object)
{
    pawl_mutex mutex = PAWL_MUTEX_INIT_FLAGS(PAWL_SHARED);
    pawl_rmutex recursive = PAWL_RMUTEX_INIT_FLAGS(PAWL_SHARED);
    pawl_rwlock rw = PAWL_RWLOCK_INIT_FLAGS(PAWL_SHARED);
    pawl_u32 word = {0};
    struct pawl_watch watch = {&word, 0, true};

    take_ids(object);
    pawl_participant_lies_down(&word);
    (void)pawl_participant_sleep(&watch, 1, pawl_after_us(1));
    pawl_participant_gets_up();
    CHECK_OK(pawl_mutex_lock(&mutex));
    CHECK_OK(pawl_mutex_unlock(&mutex));
    CHECK_OK(pawl_rmutex_lock(&recursive));
    CHECK_OK(pawl_rmutex_unlock(&recursive));
    CHECK_OK(pawl_rwlock_write_lock(&rw));
    CHECK_OK(pawl_rwlock_downgrade(&rw));
    CHECK_OK(pawl_rwlock_read_unlock(&rw));
}

#endif /* PAWL_SWEEP_SWEPT_ROBUST_H */
