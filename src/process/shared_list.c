/* SPDX-License-Identifier: MIT
 *
 * shared_list.c - the lists of pawl/list.h.
 *
 * A slot is {turn, copy 0, copy 1}, a copy {head, words}.
 *
 *   head    63 ... 56   55 ........................ 0
 *          +-----------+-----------------------------+
 *          |   kind    |  size of its bytes          |
 *          +-----------+-----------------------------+
 *
 * I1  The value of a slot is in the copy that the lowest bit of `turn` says.
 * I2  Under the lock, the other copy is written; then `turn` grows by one.
 *
 * So a copy is written again only when `turn` is another than it was while it was
 * the value: who has read it and finds `turn` as before has read it whole.  And a
 * holder of the lock that dies leaves nothing to repair.
 */
#include <pawl/list.h>
#include <pawl/memory.h>

#include <errno.h>
#include <string.h>

#include "atomic/ops.h"
#include "base/place.h"
#include "futex/robust.h"
#include "process/region.h"

#define MAGIC UINT64_C(0x7473696c6c776170)

#define KIND_SHIFT 56
#define SIZE_MASK ((UINT64_C(1) << KIND_SHIFT) - 1)

struct place {
    uint64_t slot; /* in words from the beginning of the list */
    uint64_t capacity;
};

struct pawl_list {
    uint64_t magic; /* these are constant after init */
    uint64_t bytes;
    uint64_t length;
    pawl_u32 lock; /* of those who set */
    uint32_t unused[9];
    struct place place[];
};

_Static_assert(sizeof(struct pawl_list) == PAWL_LIST_ALIGN,
               "the layout is fixed");

/* ---- where things are ------------------------------------------------------------ */

/* Those of a copy: a number has one. */
static uint64_t data_words(uint64_t capacity)
{
    return capacity > 8 ? pawl_round_up(capacity, 8) / 8 : 1;
}

static uint64_t slot_words(uint64_t capacity)
{
    return 1 + 2 * (1 + data_words(capacity));
}

static pawl_u64 *turn_of(const pawl_list *l, size_t i)
{
    return (pawl_u64 *)(uintptr_t)l + l->place[i].slot;
}

/* The copy of that turn. */
static pawl_u64 *copy_of(const pawl_list *l, size_t i, uint64_t turn)
{
    return turn_of(l, i) + 1 +
           (turn & 1) * (1 + data_words(l->place[i].capacity));
}

static uint64_t capacity_of(const size_t *capacity, size_t i)
{
    return capacity != NULL ? capacity[i] : 0;
}

int64_t pawl_list_bytes(size_t length, const size_t *capacity)
{
    uint64_t bytes = sizeof(struct pawl_list);

    if (length == 0)
        return -EINVAL;
    if (length > PAWL_REGION_BYTES_MAX / sizeof(struct place))
        return -EOVERFLOW;
    bytes += length * sizeof(struct place);
    for (size_t i = 0; i < length && bytes <= PAWL_REGION_BYTES_MAX; i++) {
        if (capacity_of(capacity, i) > PAWL_REGION_BYTES_MAX)
            return -EOVERFLOW;
        bytes += slot_words(capacity_of(capacity, i)) * sizeof(pawl_u64);
    }
    return bytes <= PAWL_REGION_BYTES_MAX ? (int64_t)bytes : -EOVERFLOW;
}

int pawl_list_init(pawl_list **list, void *memory, size_t bytes, size_t length,
                   const size_t *capacity)
{
    int64_t needs = pawl_list_bytes(length, capacity);
    int err = pawl_check_place(memory, PAWL_LIST_ALIGN, bytes, needs);
    struct pawl_list *l = memory;
    uint64_t slot;

    if (err != 0)
        return err;
    memset(memory, 0, (size_t)needs);
    l->bytes = (uint64_t)needs;
    l->length = length;
    slot = (sizeof *l + length * sizeof(struct place)) / sizeof(pawl_u64);
    for (size_t i = 0; i < length; i++) {
        l->place[i] = (struct place){slot, capacity_of(capacity, i)};
        slot += slot_words(l->place[i].capacity);
    }
    l->magic = MAGIC;
    *list = l;
    return 0;
}

int pawl_list_attach(pawl_list **list, void *memory, size_t bytes)
{
    struct pawl_list *l = memory;

    if (!pawl_is_place(memory, PAWL_LIST_ALIGN, bytes, sizeof *l) ||
        l->magic != MAGIC || l->bytes > bytes)
        return -EINVAL;
    *list = l;
    return 0;
}

size_t pawl_list_length(const pawl_list *l)
{
    return (size_t)l->length;
}

int64_t pawl_list_capacity(const pawl_list *l, size_t i)
{
    return i < l->length ? (int64_t)l->place[i].capacity : -ERANGE;
}

/* ---- values, as words -------------------------------------------------------------- */

static bool has_bytes(uint64_t kind)
{
    return kind == PAWL_ITEM_BYTES || kind == PAWL_ITEM_TEXT;
}

static uint64_t head_of(const pawl_item *item)
{
    uint64_t size = has_bytes(item->kind) ? item->size : 0;

    return (uint64_t)item->kind << KIND_SHIFT | size;
}

/* What is in a slot's first word, if it is a number. */
static uint64_t number_of(const pawl_item *item)
{
    uint64_t n = 0;

    if (item->kind == PAWL_ITEM_INTEGER)
        n = (uint64_t)item->integer;
    else if (item->kind == PAWL_ITEM_REAL)
        memcpy(&n, &item->real, sizeof n);
    else if (item->kind == PAWL_ITEM_TRUTH)
        n = item->truth;
    return n;
}

/* How many of `size` bytes are in the word that begins there. */
static size_t in_word(size_t size, size_t from)
{
    return size - from < 8 ? size - from : 8;
}

/* acquire: pairs with put: if this is of a later value then the turn that is looked
 * at behind it is another. */
static uint64_t word_at(const pawl_u64 *word)
{
    return pawl_load64_acquire(word);
}

static void put(pawl_u64 *word, uint64_t to)
{
    /* release: pairs with word_at: the turn before is seen with it. */
    pawl_store64_release(word, to);
}

static uint64_t begin_look(const pawl_list *l, size_t i)
{
    /* acquire: pairs with the release in set_locked: the value of that turn. */
    return pawl_load64_acquire(turn_of(l, i));
}

static bool was_whole(const pawl_list *l, size_t i, uint64_t turn)
{
    /* relaxed: ordered by the acquire loads of the words before. */
    return pawl_load64_relaxed(turn_of(l, i)) == turn;
}

/* ---- get, and set ------------------------------------------------------------------ */

static void copy_bytes(const pawl_u64 *data, void *buffer, size_t size)
{
    for (size_t at = 0; at < size; at += 8) {
        uint64_t word = word_at(data + at / 8);

        memcpy((unsigned char *)buffer + at, &word, in_word(size, at));
    }
}

static void read_copy(const pawl_u64 *copy, pawl_item *item, void *buffer,
                      size_t room)
{
    uint64_t head = word_at(copy);
    uint64_t number = word_at(copy + 1);

    *item = (pawl_item){.kind = (uint32_t)(head >> KIND_SHIFT),
                        .size = (size_t)(head & SIZE_MASK)};
    if (has_bytes(item->kind)) {
        item->bytes = buffer;
        if (item->size <= room)
            copy_bytes(copy + 1, buffer, item->size);
    } else if (item->kind == PAWL_ITEM_REAL) {
        memcpy(&item->real, &number, sizeof number);
    } else if (item->kind == PAWL_ITEM_INTEGER) {
        item->integer = (int64_t)number;
    } else {
        item->truth = number != 0;
    }
}

int pawl_list_get(const pawl_list *l, size_t i, pawl_item *item, void *buffer,
                  size_t room)
{
    uint64_t turn;

    if (i >= l->length)
        return -ERANGE;
    /* The size may be of one value and the bytes of another, until it is whole;
     * both are within the slot's room. */
    do {
        turn = begin_look(l, i);
        read_copy(copy_of(l, i, turn), item, buffer, room);
    } while (!was_whole(l, i, turn));
    return item->size <= room ? 0 : -ENOSPC;
}

static void set_locked(pawl_list *l, size_t i, const pawl_item *item)
{
    /* relaxed: ours, under the lock. */
    uint64_t turn = pawl_load64_relaxed(turn_of(l, i)) + 1;
    pawl_u64 *copy = copy_of(l, i, turn);
    uint64_t head = head_of(item);
    size_t size = (size_t)(head & SIZE_MASK);

    put(copy, head);
    if (!has_bytes(item->kind))
        put(copy + 1, number_of(item));
    for (size_t at = 0; at < size; at += 8) {
        uint64_t word = 0;

        memcpy(&word, (const unsigned char *)item->bytes + at,
               in_word(size, at));
        put(copy + 1 + at / 8, word);
    }
    /* release: pairs with begin_look. */
    pawl_store64_release(turn_of(l, i), turn);
}

int pawl_list_set(pawl_region *r, pawl_list *l, size_t i, const pawl_item *item)
{
    int me;

    if (item->kind > PAWL_ITEM_TEXT)
        return -EINVAL;
    if (i >= l->length)
        return -ERANGE;
    if (has_bytes(item->kind) && item->size > l->place[i].capacity)
        return -ENOSPC;
    me = pawl_region_me(r);
    if (me < 0)
        return me;
    if (pawl_region_offset(r, l) == 0)
        return -EINVAL;
    /* If the last holder died there is nothing to repair. */
    (void)pawl_robust_lock(r->table, &l->lock, (uint32_t)me);
    set_locked(l, i, item);
    pawl_robust_unlock(&l->lock);
    return 0;
}

/* ---- index and count ----------------------------------------------------------------- */

static bool copy_is(const pawl_u64 *copy, const pawl_item *item)
{
    uint64_t number;
    double real;

    if (word_at(copy) != head_of(item))
        return false;
    if (has_bytes(item->kind)) {
        for (size_t at = 0; at < item->size; at += 8) {
            uint64_t word = word_at(copy + 1 + at / 8);

            if (memcmp(&word, (const unsigned char *)item->bytes + at,
                       in_word(item->size, at)) != 0)
                return false;
        }
        return true;
    }
    number = word_at(copy + 1);
    memcpy(&real, &number, sizeof real);
    return item->kind == PAWL_ITEM_REAL ? real == item->real
                                        : number == number_of(item);
}

static bool slot_is(const pawl_list *l, size_t i, const pawl_item *item)
{
    uint64_t turn;
    bool is_it;

    do {
        turn = begin_look(l, i);
        is_it = copy_is(copy_of(l, i, turn), item);
    } while (!was_whole(l, i, turn));
    return is_it;
}

/* How many slots have that value, up to the first if `*first` is to be found. */
static int64_t search(const pawl_list *l, const pawl_item *item, int64_t *first)
{
    int64_t n = 0;

    if (item->kind > PAWL_ITEM_TEXT)
        return -EINVAL;
    for (size_t i = 0; i < l->length; i++) {
        if (!slot_is(l, i, item))
            continue;
        n++;
        if (first != NULL) {
            *first = (int64_t)i;
            break;
        }
    }
    return n;
}

int64_t pawl_list_index(const pawl_list *l, const pawl_item *item)
{
    int64_t first = -ENOENT;
    int64_t n = search(l, item, &first);

    return n < 0 ? n : first;
}

int64_t pawl_list_count(const pawl_list *l, const pawl_item *item)
{
    return search(l, item, NULL);
}
