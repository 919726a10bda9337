/* SPDX-License-Identifier: MIT
 *
 * lock_names.c - names of locks: a table by address, which only those look at who
 * name a lock, end one, or report.
 */
#include "futex/lock_names.h"

#include <string.h>

#include <pawl/deadlock.h>
#include <pawl/error.h>

#include "futex/mutex_core.h"

enum { BUCKETS = 256 };

struct named {
    const void *lock;
    struct named *next;
    char name[PAWL_LOCK_NAME_SIZE];
};

pawl_u32 pawl_lock_names_;

static struct {
    pawl_mutex mutex;
    struct named *bucket[BUCKETS];
    struct named *unused; /* those that were used before */
    size_t used;          /* of `entry`, ever */
    struct named entry[PAWL_LOCK_NAMES_MAX];
} table;

/* Unannotated: this one is nobody's business. */
static void enter(void)
{
    uint32_t calm = pawl_uninterruptible_begin();

    if (pawl_mutex_acquire(&table.mutex, PAWL_FOREVER) == -EOWNERDEAD)
        pawl_mutex_consistent(&table.mutex); /* each change is one store */
    pawl_uninterruptible_end(calm);
}

static void leave(void)
{
    pawl_mutex_release(&table.mutex);
}

/* The place that leads to the entry of *lock, or to none. */
static struct named **place_of(const void *lock)
{
    uint64_t hash = (uintptr_t)lock * UINT64_C(0x9e3779b97f4a7c15);
    struct named **place = &table.bucket[hash >> 56];

    while (*place != NULL && (*place)->lock != lock)
        place = &(*place)->next;
    return place;
}

static void forget(const void *lock)
{
    struct named **place = place_of(lock);
    struct named *gone = *place;

    if (gone == NULL)
        return;
    *place = gone->next;
    gone->next = table.unused;
    table.unused = gone;
    pawl_add_relaxed(&pawl_lock_names_, UINT32_MAX); /* relaxed: a hint */
}

void pawl_lock_forget_name(const void *lock)
{
    enter();
    forget(lock);
    leave();
}

/* One without a lock; NULL: all are taken. */
static struct named *find_unused(void)
{
    struct named *found = table.unused;

    if (found != NULL)
        table.unused = found->next;
    else if (table.used < PAWL_LOCK_NAMES_MAX)
        found = &table.entry[table.used++];
    return found;
}

int pawl_lock_set_name(const void *lock, const char *name)
{
    struct named *named = NULL;

    enter();
    forget(lock);
    if (name != NULL)
        named = find_unused();
    if (named != NULL) {
        size_t n = strnlen(name, sizeof named->name - 1);

        named->lock = lock;
        named->next = NULL;
        memcpy(named->name, name, n);
        memset(named->name + n, 0, sizeof named->name - n);
        *place_of(lock) = named;
        pawl_add_relaxed(&pawl_lock_names_, 1); /* relaxed: a hint */
    }
    leave();
    return name == NULL || named != NULL ? 0 : -ENOMEM;
}

const char *pawl_lock_name(const void *lock, char name[PAWL_LOCK_NAME_SIZE])
{
    const struct named *found;

    name[0] = '\0';
    if (pawl_load_relaxed(&pawl_lock_names_) == 0) /* relaxed: a hint */
        return name;
    enter();
    found = *place_of(lock);
    if (found != NULL)
        memcpy(name, found->name, sizeof found->name);
    leave();
    return name;
}
