/* SPDX-License-Identifier: MIT
 *
 * pawl/list.h - a list of values of different kinds in a region.
 *
 *     static const size_t capacity[] = {0, 20, 0};
 *     pawl_list *l;
 *
 *     pawl_list_init(&l, memory, bytes, 3, capacity);
 *     pawl_list_set(r, l, 1, &(pawl_item){.kind = PAWL_ITEM_TEXT,
 *                                         .bytes = "shared", .size = 6});
 *     pawl_list_get(l, 1, &item, buffer, sizeof buffer);
 *
 * Its length, and the room in each slot, are fixed when it is made; the kind of what
 * is in a slot is not.  Bytes and text are as long as was said, zero bytes included;
 * text differs in its kind only, and is not looked at.
 *
 * A slot has room for two values.  A new one is written beside the one that is there,
 * and then becomes it by one store: so who reads gets a value that somebody has set,
 * whole, and waits for nobody.
 *
 *   Python                        pawl
 *   ShareableList(seq)            pawl_list_init, pawl_list_set
 *   l[i], l[i] = x, len(l)        pawl_list_get, pawl_list_set, pawl_list_length
 *   l.index(x), l.count(x)        pawl_list_index, pawl_list_count
 *
 * Death       a process killed at any instruction of set leaves the value that was
 *   there, or the new one.  It delays nobody but those who set.
 *
 * The memory lies in the region that is passed to set.  There are no addresses in it.
 *
 * Since 0.1.
 */
#ifndef PAWL_LIST_H
#define PAWL_LIST_H

#include <pawl/base.h>
#include <pawl/region.h>

PAWL_BEGIN_DECLS

typedef struct pawl_list pawl_list;

enum pawl_item_kind {
    PAWL_ITEM_NONE,
    PAWL_ITEM_INTEGER,
    PAWL_ITEM_REAL,
    PAWL_ITEM_TRUTH,
    PAWL_ITEM_BYTES,
    PAWL_ITEM_TEXT,
};

typedef struct pawl_item {
    uint32_t kind; /* says which of these counts */
    bool truth;
    int64_t integer;
    double real;
    const void *bytes; /* of bytes and text, with their */
    size_t size;
} pawl_item;

#define PAWL_LIST_ALIGN 64

/* ---- making one, and finding one --------------------------------------------- */

/* The bytes that a list needs whose slot i has room for capacity[i] bytes; or, if
 * `capacity` is NULL, none for any, but for numbers.
 *
 * Returns    a number > 0;  -EINVAL a length of 0;  -EOVERFLOW more than
 *            PAWL_REGION_BYTES_MAX.
 */
PAWL_API int64_t pawl_list_bytes(size_t length, const size_t *capacity);

/* Make a list in `memory`, which has so many bytes, aligned to PAWL_LIST_ALIGN; in
 * all its slots is PAWL_ITEM_NONE.  To be done by one, before others attach.
 *
 * Returns    0, and the list in *list: it lies at `memory`;  -EINVAL, -EOVERFLOW as
 *            pawl_list_bytes;  -EINVAL not aligned;  -ENOSPC too few bytes.
 */
PAWL_API int pawl_list_init(pawl_list **list, void *memory, size_t bytes,
                            size_t length, const size_t *capacity);

/* Find the list that another process has made in memory that is mapped here.
 *
 * Returns    0, and the list in *list;  -EINVAL there is none, or it does not fit
 *            into so many bytes, or the memory is not aligned.
 */
PAWL_API int pawl_list_attach(pawl_list **list, void *memory, size_t bytes);

/* Constant. */
PAWL_API size_t pawl_list_length(const pawl_list *list);
/* The room in a slot, in bytes;  -ERANGE there is no such slot. */
PAWL_API int64_t pawl_list_capacity(const pawl_list *list, size_t i);

/* ---- values -------------------------------------------------------------------- */

/* Copy the value of a slot out.  Bytes and text go to `buffer`, which has room for so
 * many, and no terminator is added; item->bytes is `buffer` then.
 *
 * Returns    0;  -ERANGE there is no such slot;  -ENOSPC the buffer is too small:
 *            kind and size are in *item, and nothing is in the buffer that means
 *            anything.
 * Order      acquire: sees what was done before that value was set.
 * Progress   lock-free: again only if the slot was set meanwhile.
 */
PAWL_API int pawl_list_get(const pawl_list *list, size_t i, pawl_item *item,
                           void *buffer, size_t room);

/* Put a value into a slot.
 *
 * Returns    0;  -ERANGE there is no such slot;  -ENOSPC it has no room for so many
 *            bytes;  -EINVAL an unknown kind, or the list is not in the
 *            region;  -EAGAIN, -ENOMEM, -EBADF as pawl_region_join.
 * Order      release.
 * Progress   blocking, under a lock of the list; one whose holder died is taken
 *            over, one whose holder is stopped is waited for.
 */
PAWL_API int pawl_list_set(pawl_region *region, pawl_list *list, size_t i,
                           const pawl_item *item);

/* The first slot with that value, and how many there are: of the same kind, and
 * equal; 0.0 equals -0.0, and NaN nothing.  Each slot as it is when it is looked at.
 *
 * Returns    index: its number, -ENOENT;  count: a number;  -EINVAL an unknown kind.
 * Order      acquire.
 * Progress   lock-free.
 */
PAWL_API int64_t pawl_list_index(const pawl_list *list, const pawl_item *item);
PAWL_API int64_t pawl_list_count(const pawl_list *list, const pawl_item *item);

PAWL_END_DECLS

#endif /* PAWL_LIST_H */
