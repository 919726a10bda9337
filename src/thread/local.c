/* SPDX-License-Identifier: MIT
 *
 * local.c - the thread-local values of pawl/local.h.
 *
 * A key is a place in a table, which all threads have, and a number that no other
 * key ever has:
 *
 *    63 ........ 10   9 ....... 0
 *   +--------------+-------------+
 *   |    number    |    place    |
 *   +--------------+-------------+
 *
 * A thread's value belongs to a local if it stands in its place with the same key.
 */
#include <pawl/error.h>
#include <pawl/local.h>
#include <pawl/once.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "atomic/ops.h"
#include "base/compiler.h"
#include "futex/self.h"
#include "thread/carrier.h"
#include "thread/lock.h"

#define PLACES PAWL_LOCAL_MAX
#define FIRST_ROOM 16
#define ROUNDS 4

struct value {
    uint64_t key; /* 0: none */
    void *value;
    pawl_local_destroy_fn destroy;
    void *context;
    uint64_t turn; /* of its first use: later ones are destroyed first */
};

/* The calling thread's: `room` of them. */
static _Thread_local struct {
    struct value *values;
    uint32_t room;
    uint64_t turns;
} mine;

static pawl_mutex giving = PAWL_MUTEX_INIT; /* guards all below */
static uint64_t numbers;
static uint64_t given[PLACES]; /* the keys, or 0 */
static pawl_once prepared = PAWL_ONCE_INIT;
static pthread_key_t ends;

/* -- Keys -------------------------------------------------------------------- */

static uint32_t place_of(uint64_t key)
{
    return (uint32_t)(key % PLACES);
}

static void thread_ends(void *round)
{
    if (pawl_carrier_self_ != NULL) {
        /* carrier.c does it, a little later, unless that has been. */
        if ((uintptr_t)round < 2 && pthread_setspecific(ends, (void *)2) == 0)
            return;
    }
    pawl_local_thread_ends();
}

static int prepare(void *unused)
{
    (void)unused;
    return pthread_key_create(&ends, thread_ends) == 0 ? 0 : -EAGAIN;
}

/* The key of a local; 0: there is none to be had. */
static uint64_t key_of(pawl_local *l)
{
    uint64_t key = pawl_load64_relaxed(&l->key_); /* relaxed: under the lock */

    for (uint32_t place = 0; key == 0 && place < PLACES; place++)
        if (given[place] == 0) {
            key = ++numbers * PLACES + place;
            given[place] = key;
            /* release: pairs with load64_acquire in get. */
            pawl_store64_release(&l->key_, key);
        }
    return key;
}

static PAWL_COLD int give_key(pawl_local *l, uint64_t *key)
{
    int err;
    uint32_t calm = pawl_uninterruptible_begin();

    err = pawl_once_run(&prepared, prepare, NULL);
    pawl_uninterruptible_end(calm);
    if (err != 0)
        return err;
    pawl_lock(&giving);
    *key = key_of(l);
    pawl_unlock(&giving);
    return *key != 0 ? 0 : -EAGAIN;
}

void pawl_local_init(pawl_local *l, pawl_local_make_fn make,
                     pawl_local_destroy_fn destroy, void *context)
{
    pawl_store64_relaxed(&l->key_, 0); /* relaxed: nobody uses it yet */
    l->make_ = make;
    l->destroy_ = destroy;
    l->context_ = context;
}

void pawl_local_destroy(pawl_local *l)
{
    uint64_t key = pawl_load64_relaxed(&l->key_); /* relaxed: nobody uses it */

    if (key == 0)
        return;
    pawl_lock(&giving);
    given[place_of(key)] = 0;
    pawl_unlock(&giving);
    pawl_store64_relaxed(&l->key_, 0); /* relaxed: as above */
}

/* -- Values --------------------------------------------------------------------- */

static struct value *find(uint64_t key)
{
    uint32_t place = place_of(key);

    if (place >= mine.room || mine.values[place].key != key || key == 0)
        return NULL;
    return &mine.values[place];
}

/* Make room for a place, and have the thread's end noticed. */
static int grow(uint32_t place)
{
    uint32_t room = mine.room != 0 ? mine.room : FIRST_ROOM;
    struct value *values;

    if (mine.room == 0 && pthread_setspecific(ends, (void *)1) != 0)
        return -ENOMEM;
    if (place < mine.room)
        return 0;
    while (room <= place)
        room *= 2;
    values = realloc(mine.values, room * sizeof *values);
    if (values == NULL)
        return -ENOMEM;
    memset(values + mine.room, 0, (room - mine.room) * sizeof *values);
    mine.values = values;
    mine.room = room;
    return 0;
}

int pawl_local_set(pawl_local *l, void *value)
{
    /* acquire: pairs with the release in key_of. */
    uint64_t key = pawl_load64_acquire(&l->key_);
    struct value *v = find(key);
    int err = 0;

    if (v == NULL) {
        if (key == 0)
            err = give_key(l, &key);
        if (err == 0)
            err = grow(place_of(key));
        if (err != 0)
            return err;
        v = &mine.values[place_of(key)];
        *v = (struct value){.key = key,
                            .destroy = l->destroy_,
                            .context = l->context_,
                            .turn = ++mine.turns};
    }
    v->value = value;
    return 0;
}

static PAWL_COLD int make(pawl_local *l, void **value)
{
    void *made = NULL;
    int err;

    if (l->make_ == NULL)
        return -ENOENT;
    err = l->make_(&made, l->context_);
    if (err < 0)
        return err;
    err = pawl_local_set(l, made);
    if (err == 0)
        *value = made;
    else if (l->destroy_ != NULL)
        l->destroy_(made, l->context_);
    return err;
}

int pawl_local_get(pawl_local *l, void **value)
{
    /* acquire: pairs with the release in key_of. */
    const struct value *v = find(pawl_load64_acquire(&l->key_));

    if (pawl_unlikely(v == NULL))
        return make(l, value);
    *value = v->value;
    return 0;
}

int pawl_local_clear(pawl_local *l)
{
    /* acquire: as above. */
    struct value *v = find(pawl_load64_acquire(&l->key_));

    if (v == NULL)
        return -ENOENT;
    v->key = 0;
    return 0;
}

/* -- The end of a thread -------------------------------------------------------- */

/* The one that was used first after all others before `turn`; NULL: none. */
static struct value *last_before(uint64_t turn)
{
    struct value *last = NULL;

    for (uint32_t i = 0; i < mine.room; i++) {
        struct value *v = &mine.values[i];

        if (v->key != 0 && v->turn <= turn &&
            (last == NULL || v->turn > last->turn))
            last = v;
    }
    return last;
}

void pawl_local_thread_ends(void)
{
    if (mine.room == 0)
        return;
    for (int round = 0; round < ROUNDS && last_before(UINT64_MAX); round++) {
        uint64_t turn = mine.turns; /* what comes later is of the next round */
        struct value *v;

        while ((v = last_before(turn)) != NULL) {
            struct value dead = *v;
            bool is_known;

            v->key = 0; /* destructors may move the table */
            pawl_lock(&giving);
            is_known = given[place_of(dead.key)] == dead.key;
            pawl_unlock(&giving);
            if (is_known && dead.destroy != NULL)
                dead.destroy(dead.value, dead.context);
        }
    }
    free(mine.values);
    mine.values = NULL;
    mine.room = 0;
    mine.turns = 0;
}
