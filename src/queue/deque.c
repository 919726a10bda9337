/* SPDX-License-Identifier: MIT
 *
 * deque.c - the blocking deque of pawl/deque.h: a circular array under a mutex,
 * and two event counts.
 *
 *            first                 first + size
 *              v                     v
 *     +--------+---+---+---+---+---+-+------+
 *     |  free  | 0 | 1 | 2 |  ...    | free |     modulo room
 *     +--------+---+---+---+---+---+-+------+
 *
 * I1  size <= room; bounded, room is the capacity.
 * I2  Calls from callbacks find the mutex theirs, and are refused: so nobody sees
 *     the array while it is being changed.
 */
#include <stdlib.h>
#include <string.h>

#include <pawl/deque.h>

#include "atomic/copy.h"
#include "atomic/ops.h"
#include "base/place.h"
#include "futex/waitable.h"
#include "queue/end.h"
#include "queue/guard.h"
#include "queue/wait.h"

#define MAGIC UINT32_C(0x70647175) /* "pdqu" */
#define LAYOUT UINT32_C(1)

enum { FIRST_ROOM = 16 };

struct pawl_deque {
    pawl_u32 magic; /* written last; all before the event counts is constant */
    uint32_t layout;
    uint32_t flags;
    uint64_t bytes; /* of the memory */
    uint64_t capacity;
    uint64_t element_size;
    struct pawl_end not_empty __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    struct pawl_end not_full __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    pawl_mutex mutex __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    /* These two are also read without it: how many there are outside of calls. */
    pawl_u64 published;
    pawl_u32 closed;
    uint64_t size;
    uint64_t first;
    uint64_t room;
    char *elements; /* unbounded; else NULL: behind the header */
} __attribute__((aligned(2 * PAWL_CACHE_LINE)));

enum end { FRONT, BACK };

static inline bool is_unbounded(const pawl_deque *d)
{
    return (d->flags & PAWL_UNBOUNDED) != 0;
}

static inline bool is_closed(const pawl_deque *d)
{
    return pawl_load_acquire(&d->closed) != 0; /* pairs with shutdown */
}

/* The slot of that index, which is less than 2 * room. */
static inline char *slot(pawl_deque *d, uint64_t index)
{
    char *elements = d->elements != NULL ? d->elements : (char *)(d + 1);
    uint64_t at = d->first + index;

    return elements + (at < d->room ? at : at - d->room) * d->element_size;
}

/* Move the front by so many slots, less than room. */
static inline void move_front(pawl_deque *d, uint64_t forward)
{
    d->first += forward;
    if (d->first >= d->room)
        d->first -= d->room;
}

static inline void copy_in(pawl_deque *d, uint64_t index, const void *element)
{
    pawl_copy(slot(d, index), element, d->element_size);
}

static inline void copy_out(pawl_deque *d, uint64_t index, void *element)
{
    if (element != NULL)
        pawl_copy(element, slot(d, index), d->element_size);
}

static inline void move(pawl_deque *d, uint64_t to, uint64_t from)
{
    pawl_copy(slot(d, to), slot(d, from), d->element_size);
}

/* ---- making one --------------------------------------------------------- */

static bool are_legal(const pawl_deque_options *o)
{
    const unsigned known = PAWL_SHARED | PAWL_UNBOUNDED | PAWL_DEQUE_DROP;

    if ((o->flags & ~known) != 0 || o->element_size == 0 ||
        o->element_size > PAWL_DEQUE_ELEMENT_MAX)
        return false;
    if (o->flags & PAWL_UNBOUNDED)
        return o->capacity == 0 && o->flags == PAWL_UNBOUNDED;
    return o->capacity <= PAWL_DEQUE_CAPACITY_MAX &&
           (o->capacity > 0 || (o->flags & PAWL_DEQUE_DROP) != 0);
}

static int64_t bytes_of(const pawl_deque_options *o)
{
    if (!are_legal(o))
        return -EINVAL;
    /* At most 2^30 elements of 2^31 bytes, and a few. */
    return (int64_t)(sizeof(pawl_deque) +
                     pawl_round_up(o->capacity * o->element_size,
                                   PAWL_DEQUE_ALIGN));
}

/* `needs` is of bytes_of, and there are so many. */
static pawl_deque *make(void *memory, int64_t needs,
                        const pawl_deque_options *o)
{
    pawl_deque *d = memory;

    pawl_store_relaxed(&d->magic, 0); /* relaxed: none yet */
    d->layout = LAYOUT;
    d->flags = o->flags;
    d->bytes = (uint64_t)needs;
    d->capacity = o->capacity;
    d->element_size = o->element_size;
    pawl_end_init(&d->not_empty, o->flags & PAWL_SHARED);
    pawl_end_init(&d->not_full, o->flags & PAWL_SHARED);
    pawl_mutex_init(&d->mutex, o->flags & PAWL_SHARED);
    pawl_store64_relaxed(&d->published, 0); /* relaxed: before the magic */
    pawl_store_relaxed(&d->closed, 0);      /* relaxed: before the magic */
    d->size = 0;
    d->first = 0;
    d->room = o->capacity;
    d->elements = NULL;
    pawl_store_release(&d->magic, MAGIC); /* pairs with attach */
    return d;
}

int64_t pawl_deque_bytes(const pawl_deque_options *o)
{
    return o->flags & PAWL_UNBOUNDED ? -EINVAL : bytes_of(o);
}

int pawl_deque_init(pawl_deque **deque, void *memory, size_t bytes,
                    const pawl_deque_options *o)
{
    int64_t needs = pawl_deque_bytes(o);
    int err = pawl_check_place(memory, PAWL_DEQUE_ALIGN, bytes, needs);

    if (err != 0)
        return err;
    *deque = make(memory, needs, o);
    return 0;
}

int pawl_deque_attach(pawl_deque **deque, void *memory, size_t bytes)
{
    pawl_deque *d = memory;

    if (!pawl_is_place(memory, PAWL_DEQUE_ALIGN, bytes, sizeof *d))
        return -EINVAL;
    /* acquire: pairs with the release in make. */
    if (pawl_load_acquire(&d->magic) != MAGIC || d->layout != LAYOUT ||
        d->bytes > bytes)
        return -EINVAL;
    *deque = d;
    return 0;
}

int pawl_deque_create(pawl_deque **deque, const pawl_deque_options *o)
{
    int64_t bytes = bytes_of(o);
    void *memory;

    if (bytes < 0)
        return (int)bytes;
    if (o->flags & PAWL_SHARED)
        return -EINVAL;
    memory = aligned_alloc(PAWL_DEQUE_ALIGN, (size_t)bytes);
    if (memory == NULL)
        return -ENOMEM;
    *deque = make(memory, bytes, o);
    return 0;
}

void pawl_deque_free(pawl_deque *d)
{
    if (d != NULL) {
        pawl_end_destroy(&d->not_empty);
        pawl_end_destroy(&d->not_full);
        free(d->elements);
    }
    free(d);
}

/* ---- the lock and the room ------------------------------------------------ */

static int enter(pawl_deque *d)
{
    int err = pawl_guard_lock(&d->mutex);

    return err == -EDEADLK ? -EBUSY : err;
}

static uint32_t at_most_all(uint64_t n)
{
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* Those who wait hear of elements that came, or of room. */
PAWL_NO_TSA_ static void leave(pawl_deque *d)
{
    uint64_t before = pawl_load64_relaxed(&d->published); /* relaxed: ours */
    uint64_t now = d->size;

    pawl_store64_release(&d->published, now); /* pairs with the snapshots */
    pawl_mutex_unlock(&d->mutex);
    if (now > before)
        pawl_end_tell(&d->not_empty, at_most_all(now - before));
    else if (now < before)
        pawl_end_tell(&d->not_full, at_most_all(before - now));
}

/* Give an unbounded deque another array.  False: there is no memory. */
static bool resize(pawl_deque *d, uint64_t room)
{
    uint64_t size = d->size;
    uint64_t ahead = d->room - d->first; /* up to the end of the array */
    char *elements;

    if (room > INT64_MAX / d->element_size)
        return false;
    elements = malloc(room * d->element_size);
    if (elements == NULL)
        return false;
    if (ahead > size)
        ahead = size;
    if (size > 0) {
        memcpy(elements, slot(d, 0), ahead * d->element_size);
        memcpy(elements + ahead * d->element_size, d->elements,
               (size - ahead) * d->element_size);
    }
    free(d->elements);
    d->elements = elements;
    d->room = room;
    d->first = 0;
    return true;
}

/* Room for n more elements.  Returns 0;  -EAGAIN;  -ENOMEM. */
static int make_room(pawl_deque *d, uint64_t n)
{
    uint64_t size = d->size;
    uint64_t room = d->room > 0 ? d->room : FIRST_ROOM;

    if (n <= d->room - size)
        return 0;
    if (!is_unbounded(d))
        return -EAGAIN;
    while (room - size < n && room <= UINT64_MAX / 2)
        room *= 2;
    return room - size >= n && resize(d, room) ? 0 : -ENOMEM;
}

/* Give memory back, if elements were taken out. */
static void trim(pawl_deque *d)
{
    if (is_unbounded(d) && d->room > FIRST_ROOM && d->size <= d->room / 4)
        (void)resize(d, d->room / 2); /* or keep it */
}

/* ---- one element ---------------------------------------------------------- */

/* There is room. */
static void add(pawl_deque *d, enum end end, const void *element)
{
    if (end == FRONT)
        move_front(d, d->room - 1);
    copy_in(d, end == FRONT ? 0 : d->size, element);
    d->size++;
}

/* There is one. */
static void take(pawl_deque *d, enum end end, void *element)
{
    d->size--;
    copy_out(d, end == FRONT ? 0 : d->size, element);
    if (end == FRONT)
        move_front(d, 1);
}

/* Push one, and drop one at the other end.  It is full. */
static void add_dropping(pawl_deque *d, enum end end, const void *element,
                         void *dropped)
{
    if (d->capacity > 0) {
        take(d, end == FRONT ? BACK : FRONT, dropped);
        add(d, end, element);
    } else if (dropped != NULL) {
        pawl_copy(dropped, element, d->element_size);
    }
}

/* Returns 0;  1: one was dropped;  the errors of a push. */
static int push(pawl_deque *d, enum end end, const void *element, bool drops,
                void *dropped)
{
    int err = enter(d);

    if (err != 0)
        return err;
    err = is_closed(d) ? -ESHUTDOWN : make_room(d, 1);
    if (err == 0) {
        add(d, end, element);
    } else if (err == -EAGAIN && drops) {
        add_dropping(d, end, element, dropped);
        err = 1;
    }
    leave(d);
    return err;
}

struct call {
    pawl_deque *d;
    enum end end;
    const void *in;
    void *out;
};

static int64_t attempt_push(void *call)
{
    const struct call *c = call;
    int err =
        push(c->d, c->end, c->in, (c->d->flags & PAWL_DEQUE_DROP) != 0, NULL);

    return err == 1 ? 0 : err;
}

static int64_t attempt_pop(void *call)
{
    const struct call *c = call;
    pawl_deque *d = c->d;
    int err = enter(d);

    if (err != 0)
        return err;
    if (d->size > 0) {
        take(d, c->end, c->out);
        trim(d);
    } else {
        err = is_closed(d) ? -ESHUTDOWN : -EAGAIN;
    }
    leave(d);
    return err;
}

static int push_until(pawl_deque *d, enum end end, const void *element,
                      pawl_deadline until)
{
    struct call c = {.d = d, .end = end, .in = element};
    int64_t err = attempt_push(&c);

    if (pawl_unlikely(err == -EAGAIN))
        err = pawl_wait_for(attempt_push, &c, &d->not_full, until);
    return (int)err;
}

static int pop_until(pawl_deque *d, enum end end, void *element,
                     pawl_deadline until)
{
    struct call c = {.d = d, .end = end, .out = element};
    int64_t err = attempt_pop(&c);

    if (pawl_unlikely(err == -EAGAIN))
        err = pawl_wait_for(attempt_pop, &c, &d->not_empty, until);
    return (int)err;
}

int pawl_deque_push_front(pawl_deque *d, const void *element)
{
    return push_until(d, FRONT, element, PAWL_FOREVER);
}

int pawl_deque_try_push_front(pawl_deque *d, const void *element)
{
    struct call c = {.d = d, .end = FRONT, .in = element};

    return (int)attempt_push(&c);
}

int pawl_deque_push_front_until(pawl_deque *d, const void *element,
                                pawl_deadline until)
{
    return push_until(d, FRONT, element, until);
}

int pawl_deque_push_back(pawl_deque *d, const void *element)
{
    return push_until(d, BACK, element, PAWL_FOREVER);
}

int pawl_deque_try_push_back(pawl_deque *d, const void *element)
{
    struct call c = {.d = d, .end = BACK, .in = element};

    return (int)attempt_push(&c);
}

int pawl_deque_push_back_until(pawl_deque *d, const void *element,
                               pawl_deadline until)
{
    return push_until(d, BACK, element, until);
}

int pawl_deque_push_front_dropping(pawl_deque *d, const void *element,
                                   void *dropped)
{
    return push(d, FRONT, element, true, dropped);
}

int pawl_deque_push_back_dropping(pawl_deque *d, const void *element,
                                  void *dropped)
{
    return push(d, BACK, element, true, dropped);
}

int pawl_deque_pop_front(pawl_deque *d, void *element)
{
    return pop_until(d, FRONT, element, PAWL_FOREVER);
}

int pawl_deque_try_pop_front(pawl_deque *d, void *element)
{
    struct call c = {.d = d, .end = FRONT, .out = element};

    return (int)attempt_pop(&c);
}

int pawl_deque_pop_front_until(pawl_deque *d, void *element,
                               pawl_deadline until)
{
    return pop_until(d, FRONT, element, until);
}

int pawl_deque_pop_back(pawl_deque *d, void *element)
{
    return pop_until(d, BACK, element, PAWL_FOREVER);
}

int pawl_deque_try_pop_back(pawl_deque *d, void *element)
{
    struct call c = {.d = d, .end = BACK, .out = element};

    return (int)attempt_pop(&c);
}

int pawl_deque_pop_back_until(pawl_deque *d, void *element, pawl_deadline until)
{
    return pop_until(d, BACK, element, until);
}

/* ---- several --------------------------------------------------------------- */

static int extend(pawl_deque *d, enum end end, const void *elements, size_t n)
{
    const char *at = elements;
    int err = enter(d);

    if (err != 0)
        return err;
    if (is_closed(d))
        err = -ESHUTDOWN;
    else if ((err = make_room(d, n)) == -EAGAIN && (d->flags & PAWL_DEQUE_DROP))
        err = 0;
    for (; n > 0 && err == 0; n--, at += d->element_size) {
        if (d->size < d->room)
            add(d, end, at);
        else
            add_dropping(d, end, at, NULL);
    }
    leave(d);
    return err;
}

int pawl_deque_extend_front(pawl_deque *d, const void *elements, size_t n)
{
    return extend(d, FRONT, elements, n);
}

int pawl_deque_extend_back(pawl_deque *d, const void *elements, size_t n)
{
    return extend(d, BACK, elements, n);
}

/* ---- by index --------------------------------------------------------------- */

/* From the back if negative; -ERANGE. */
static int64_t resolve(const pawl_deque *d, int64_t index)
{
    int64_t size = (int64_t)d->size;

    if (index < 0)
        index += size;
    return index >= 0 && index < size ? index : -ERANGE;
}

/* The same, but the nearer end for what is beyond it. */
static uint64_t clip(const pawl_deque *d, int64_t index)
{
    int64_t size = (int64_t)d->size;

    if (index < 0)
        index += size;
    if (index < 0)
        return 0;
    return (uint64_t)(index < size ? index : size);
}

static void close_gap(pawl_deque *d, uint64_t at)
{
    uint64_t size = d->size;

    if (at < size / 2) {
        for (; at > 0; at--)
            move(d, at, at - 1);
        move_front(d, 1);
    } else {
        for (; at + 1 < size; at++)
            move(d, at, at + 1);
    }
    d->size = size - 1;
}

/* There is room. */
static void open_gap(pawl_deque *d, uint64_t at)
{
    uint64_t size = d->size;

    d->size = size + 1;
    if (at < size / 2) {
        move_front(d, d->room - 1);
        for (uint64_t i = 0; i < at; i++)
            move(d, i, i + 1);
    } else {
        for (uint64_t i = size; i > at; i--)
            move(d, i, i - 1);
    }
}

int pawl_deque_get(pawl_deque *d, int64_t index, void *element)
{
    int err = enter(d);

    if (err != 0)
        return err;
    index = resolve(d, index);
    if (index >= 0)
        copy_out(d, (uint64_t)index, element);
    leave(d);
    return index < 0 ? -ERANGE : 0;
}

int pawl_deque_set(pawl_deque *d, int64_t index, const void *element)
{
    int err = enter(d);

    if (err != 0)
        return err;
    index = resolve(d, index);
    if (index >= 0)
        copy_in(d, (uint64_t)index, element);
    leave(d);
    return index < 0 ? -ERANGE : 0;
}

static void remove_at(pawl_deque *d, uint64_t at, void *element)
{
    copy_out(d, at, element);
    close_gap(d, at);
    trim(d);
}

int pawl_deque_remove_at(pawl_deque *d, int64_t index, void *element)
{
    int err = enter(d);

    if (err != 0)
        return err;
    index = resolve(d, index);
    if (index >= 0)
        remove_at(d, (uint64_t)index, element);
    leave(d);
    return index < 0 ? -ERANGE : 0;
}

int pawl_deque_insert(pawl_deque *d, int64_t index, const void *element)
{
    int err = enter(d);

    if (err != 0)
        return err;
    err = is_closed(d) ? -ESHUTDOWN : make_room(d, 1);
    if (err == 0) {
        uint64_t at = clip(d, index);

        open_gap(d, at);
        copy_in(d, at, element);
    }
    leave(d);
    return err == -EAGAIN ? -ENOSPC : err;
}

/* ---- by content ------------------------------------------------------------- */

/* The first match from `from` up to `to`, which is returned if there is none. */
static uint64_t find(pawl_deque *d, pawl_deque_match_fn match, const void *what,
                     uint64_t from, uint64_t to)
{
    while (from < to && !match(slot(d, from), what))
        from++;
    return from;
}

int64_t pawl_deque_index(pawl_deque *d, pawl_deque_match_fn match,
                         const void *what, int64_t start, int64_t stop)
{
    uint64_t at;
    uint64_t to;
    int err = enter(d);

    if (err != 0)
        return err;
    to = clip(d, stop);
    at = find(d, match, what, clip(d, start), to);
    leave(d);
    return at < to ? (int64_t)at : -ENOENT;
}

int64_t pawl_deque_count(pawl_deque *d, pawl_deque_match_fn match,
                         const void *what)
{
    int64_t n = 0;
    uint64_t size;
    int err = enter(d);

    if (err != 0)
        return err;
    size = d->size;
    for (uint64_t i = 0; (i = find(d, match, what, i, size)) < size; i++)
        n++;
    leave(d);
    return n;
}

int pawl_deque_remove(pawl_deque *d, pawl_deque_match_fn match,
                      const void *what, void *element)
{
    uint64_t at;
    bool found;
    int err = enter(d);

    if (err != 0)
        return err;
    at = find(d, match, what, 0, d->size);
    found = at < d->size;
    if (found)
        remove_at(d, at, element);
    leave(d);
    return found ? 0 : -ENOENT;
}

/* The element at `from` stands behind those that are kept already. */
static void keep(pawl_deque *d, uint64_t *kept, uint64_t from)
{
    if (*kept != from)
        move(d, *kept, from);
    ++*kept;
}

int64_t pawl_deque_visit(pawl_deque *d, pawl_deque_visit_fn visitor,
                         void *context)
{
    unsigned verdict = PAWL_DEQUE_KEEP;
    uint64_t kept = 0;
    uint64_t size;
    uint64_t i;
    int err = enter(d);

    if (err != 0)
        return err;
    size = d->size;
    for (i = 0; i < size && !(verdict & PAWL_DEQUE_STOP); i++) {
        verdict = visitor(slot(d, i), context);
        if (!(verdict & PAWL_DEQUE_REMOVE))
            keep(d, &kept, i);
    }
    while (kept != i && i < size)
        keep(d, &kept, i++);
    d->size = kept + (size - i);
    size -= d->size;
    trim(d);
    leave(d);
    return (int64_t)size;
}

/* ---- all --------------------------------------------------------------------- */

int pawl_deque_rotate(pawl_deque *d, int64_t n)
{
    int64_t size;
    int err = enter(d);

    if (err != 0)
        return err;
    size = (int64_t)d->size;
    n = size > 1 ? n % size : 0;
    if (n < 0)
        n += size;
    if (d->size == d->room) {
        if (n > 0)
            move_front(d, (uint64_t)(size - n));
    } else if (n <= size / 2) {
        for (; n > 0; n--) {
            move_front(d, d->room - 1);
            move(d, 0, (uint64_t)size);
        }
    } else {
        for (; n < size; n++) {
            move(d, (uint64_t)size, 0);
            move_front(d, 1);
        }
    }
    leave(d);
    return 0;
}

static void swap(char *a, char *b, size_t bytes)
{
    char part[64];

    while (bytes > 0) {
        size_t n = bytes < sizeof part ? bytes : sizeof part;

        memcpy(part, a, n);
        memcpy(a, b, n);
        memcpy(b, part, n);
        a += n;
        b += n;
        bytes -= n;
    }
}

int pawl_deque_reverse(pawl_deque *d)
{
    uint64_t size;
    int err = enter(d);

    if (err != 0)
        return err;
    size = d->size;
    for (uint64_t i = 0; i < size / 2; i++)
        swap(slot(d, i), slot(d, size - 1 - i), d->element_size);
    leave(d);
    return 0;
}

int64_t pawl_deque_clear(pawl_deque *d, pawl_deque_discard_fn discard,
                         void *context)
{
    int64_t size;
    int err = enter(d);

    if (err != 0)
        return err;
    size = (int64_t)d->size;
    for (int64_t i = 0; i < size && discard != NULL; i++)
        discard(slot(d, (uint64_t)i), context);
    d->size = 0;
    if (is_unbounded(d)) {
        free(d->elements);
        d->elements = NULL;
        d->room = 0;
    }
    d->first = 0;
    leave(d);
    return size;
}

int pawl_deque_copy(pawl_deque **copy, pawl_deque *d)
{
    const pawl_deque_options o = {.capacity = d->capacity,
                                  .element_size = d->element_size,
                                  .flags = d->flags & ~(unsigned)PAWL_SHARED};
    pawl_deque *made;
    uint64_t size;
    int err = pawl_deque_create(&made, &o);

    if (err != 0)
        return err;
    err = enter(d);
    if (err == 0) {
        size = d->size;
        err = make_room(made, size);
        for (uint64_t i = 0; i < size && err == 0; i++)
            add(made, BACK, slot(d, i));
        /* relaxed: nobody else knows it yet. */
        pawl_store64_relaxed(&made->published, made->size);
        leave(d);
    }
    if (err != 0)
        pawl_deque_free(made);
    else
        *copy = made;
    return err;
}

/* ---- the end ------------------------------------------------------------------ */

int pawl_deque_shutdown(pawl_deque *d)
{
    int err = enter(d);

    if (err != 0)
        return err;
    pawl_store_release(&d->closed, 1); /* pairs with is_closed */
    leave(d);
    pawl_end_tell(&d->not_empty, UINT32_MAX);
    pawl_end_tell(&d->not_full, UINT32_MAX);
    return 0;
}

int64_t pawl_deque_shutdown_now(pawl_deque *d, pawl_deque_discard_fn discard,
                                void *context)
{
    int err = pawl_deque_shutdown(d);

    return err != 0 ? err : pawl_deque_clear(d, discard, context);
}

bool pawl_deque_is_shutdown(const pawl_deque *d)
{
    return is_closed(d);
}

/* ---- snapshots ----------------------------------------------------------------- */

size_t pawl_deque_size(const pawl_deque *d)
{
    return pawl_load64_acquire(&d->published); /* pairs with leave */
}

bool pawl_deque_is_empty(const pawl_deque *d)
{
    return pawl_deque_size(d) == 0;
}

bool pawl_deque_is_full(const pawl_deque *d)
{
    return !is_unbounded(d) && pawl_deque_size(d) == d->capacity;
}

size_t pawl_deque_capacity(const pawl_deque *d)
{
    return d->capacity;
}

size_t pawl_deque_element_size(const pawl_deque *d)
{
    return d->element_size;
}

/* ---- in a wait set -------------------------------------------------------- */

static bool can_pop(const pawl_deque *d)
{
    return !pawl_deque_is_empty(d) || is_closed(d);
}

static bool can_push(const pawl_deque *d)
{
    return (d->flags & PAWL_DEQUE_DROP) != 0 || !pawl_deque_is_full(d) ||
           is_closed(d);
}

/* Look; and once more behind those who were inside, whose answer counts. */
static int look(pawl_deque *d, bool (*can)(const pawl_deque *d))
{
    int err;

    if (can(d))
        return 0;
    err = pawl_guard_pass(&d->mutex);
    return err == 0 && !can(d) ? -EAGAIN : err;
}

static int may_pop(pawl_wait_item *item, bool first)
{
    (void)first;
    return look(pawl_container_of(item->object_, pawl_deque, not_empty),
                can_pop);
}

static int may_push(pawl_wait_item *item, bool first)
{
    (void)first;
    return look(pawl_container_of(item->object_, pawl_deque, not_full),
                can_push);
}

pawl_wait_item pawl_deque_readable_wait_item(pawl_deque *d)
{
    static const struct pawl_waitable how = PAWL_END_WAITABLE(may_pop);

    return pawl_waitable_item(&d->not_empty, &how);
}

pawl_wait_item pawl_deque_writable_wait_item(pawl_deque *d)
{
    static const struct pawl_waitable how = PAWL_END_WAITABLE(may_push);

    return pawl_waitable_item(&d->not_full, &how);
}
