/* SPDX-License-Identifier: MIT
 *
 * wheel.c - the timing wheel of wheel.h, with its invariants.
 */
#include "thread/wheel.h"

#include <stddef.h>
#include <string.h>

#include "base/compiler.h"

#define FINEST 12 /* a slot of level 0 is 2^12 ns wide */
#define FAN 6     /* a slot of any other level is 2^6 of those below */
#define SLOTS PAWL_WHEEL_SLOTS

/* So many timers are moved, or looked at for the earliest, in one piece. */
#define PIECE 64
/* More than it takes to move one: with a million pending that is two accesses to
 * memory that is in no cache, and bench_timer, rearm_1m, makes six in 360 ns. */
#define MOVE_NS 256

struct place {
    unsigned level;
    unsigned slot;
};

static unsigned shift_of(unsigned level)
{
    return FINEST + FAN * level;
}

/* -- Slots ------------------------------------------------------------------- */

static struct pawl_wheel_slot *slot_at(struct pawl_wheel *w, struct place p)
{
    return &w->slots[p.level * SLOTS + p.slot];
}

static void occupy(struct pawl_wheel *w, struct place p)
{
    struct pawl_wheel_slot *s = slot_at(w, p);

    s->timers.next_ = s->timers.prev_ = &s->timers;
    s->least = PAWL_FOREVER;
    s->came = 0;
    w->occupied[p.level][p.slot / 64] |= UINT64_C(1) << p.slot % 64;
    w->levels |= 1u << p.level;
}

static bool is_occupied(const struct pawl_wheel *w, struct place p)
{
    return (w->occupied[p.level][p.slot / 64] >> p.slot % 64 & 1) != 0;
}

static void vacate(struct pawl_wheel *w, struct place p)
{
    uint64_t *words = w->occupied[p.level];

    words[p.slot / 64] &= ~(UINT64_C(1) << p.slot % 64);
    if ((words[0] | words[1] | words[2] | words[3]) == 0)
        w->levels &= ~(1u << p.level);
}

_Static_assert(SLOTS == 4 * 64, "vacate and first_from count four words");

/* The first occupied slot of a level that is, from the slot of `base` on. */
static unsigned first_from(const struct pawl_wheel *w, unsigned level)
{
    const uint64_t *words = w->occupied[level];
    unsigned from = (unsigned)((uint64_t)w->base >> shift_of(level)) % SLOTS;
    uint64_t rest = words[from / 64] >> from % 64;

    if (rest != 0)
        return from + (unsigned)__builtin_ctzll(rest);
    for (unsigned i = from / 64 + 1;; i++)
        if (words[i % 4] != 0)
            return i % 4 * 64 + (unsigned)__builtin_ctzll(words[i % 4]);
}

/* -- Putting and removing ------------------------------------------------------ */

/* The lowest level that reaches `when`, and the slot there: I1. */
static struct place place_of(const struct pawl_wheel *w, pawl_deadline when)
{
    uint64_t base = (uint64_t)w->base;
    uint64_t at = when > w->base ? (uint64_t)when : base;
    unsigned bits = 64 - (unsigned)__builtin_clzll((at - base) | 1);
    unsigned level = 0;

    /* So few bits are within the reach of the level below, even from the end of
     * the slot of `base`. */
    if (bits >= FINEST + 8)
        level = (bits - (FINEST + 8)) / FAN;
    while ((at >> shift_of(level)) - (base >> shift_of(level)) >= SLOTS)
        level++;
    return (struct place){level, (unsigned)(at >> shift_of(level)) % SLOTS};
}

/* When a slot must be looked at.  One with many timers begins to be emptied so
 * much earlier that it is empty when its time comes; but it cannot be before the
 * level below reaches its end.  The count is rounded up, so that a slot that fills
 * does not ask for an earlier look with every timer. */
static pawl_deadline look_at(const struct pawl_wheel_slot *s, unsigned level)
{
    int64_t width = INT64_C(1) << shift_of(level);
    int64_t ahead = 2 * MOVE_NS;

    if (level == 0 || s->came <= PIECE)
        return s->least;
    ahead <<= 63 - __builtin_clzll(s->came);
    if (ahead > 2 * width)
        ahead = 2 * width;
    return (s->least & ~(width - 1)) - ahead;
}

pawl_deadline pawl_wheel_put(struct pawl_wheel *w, pawl_timer *t)
{
    struct place p = place_of(w, t->when_);
    struct pawl_wheel_slot *s = slot_at(w, p);
    struct pawl_timer_link_ *last;

    if (!is_occupied(w, p))
        occupy(w, p);
    last = s->timers.prev_;
    t->link_.prev_ = last;
    t->link_.next_ = &s->timers;
    last->next_ = s->timers.prev_ = &t->link_;
    s->came++;
    if (t->when_ < s->least)
        s->least = t->when_;
    return look_at(s, p.level);
}

void pawl_wheel_remove(struct pawl_wheel *w, pawl_timer *t)
{
    struct pawl_timer_link_ *prev = t->link_.prev_;
    struct pawl_timer_link_ *next = t->link_.next_;

    prev->next_ = next;
    next->prev_ = prev;
    if (prev == next && prev->next_ == prev) { /* what is left is the head */
        unsigned i =
            (unsigned)(pawl_container_of(prev, struct pawl_wheel_slot, timers) -
                       w->slots);

        vacate(w, (struct place){i / SLOTS, i % SLOTS});
    }
}

void pawl_wheel_reset(struct pawl_wheel *w, pawl_deadline base)
{
    w->base = base;
    w->levels = 0;
    memset(w->occupied, 0, sizeof w->occupied);
}

/* -- Taking -------------------------------------------------------------------- */

static pawl_timer *timer_of(struct pawl_timer_link_ *link)
{
    return pawl_container_of(link, pawl_timer, link_);
}

/* Take the earliest that is due out of a slot of level 0, of those among the first
 * PIECE or, if none of them is due, of all.  If there is none, or one in another
 * slot, all of which are at `others` or later, may be earlier: s->least is exact. */
static pawl_timer *take_from(struct pawl_wheel *w, struct pawl_wheel_slot *s,
                             pawl_deadline now, pawl_deadline others)
{
    struct pawl_timer_link_ *l = s->timers.next_;
    pawl_timer *found = timer_of(l);
    unsigned seen = 0;

    for (; l != &s->timers; l = l->next_) {
        if (timer_of(l)->when_ < found->when_)
            found = timer_of(l);
        if (found->when_ == s->least ||
            (++seen >= PIECE && found->when_ <= now))
            break;
    }
    if (l == &s->timers && (found->when_ > now || found->when_ > others)) {
        s->least = found->when_;
        return NULL;
    }
    pawl_wheel_remove(w, found);
    return found;
}

/* Move the first PIECE timers of a slot to lower levels. */
static void move_down(struct pawl_wheel *w, struct place p)
{
    struct pawl_wheel_slot *s = slot_at(w, p);

    for (int i = 0; i < PIECE && is_occupied(w, p); i++) {
        pawl_timer *t = timer_of(s->timers.next_);

        pawl_wheel_remove(w, t);
        pawl_wheel_put(w, t);
    }
}

/* What there is to do. */
struct agenda {
    pawl_deadline least;  /* no deadline is earlier */
    struct place first;   /* the slot that says so */
    pawl_deadline others; /* none in another slot is earlier */
    pawl_deadline look;   /* when a slot is to be emptied ahead of its time */
    struct place crowded; /* that slot */
};

static void consider(struct pawl_wheel *w, struct place p, struct agenda *a)
{
    const struct pawl_wheel_slot *s = slot_at(w, p);
    pawl_deadline look = look_at(s, p.level);

    if (s->least <= a->least) {
        a->others = a->least;
        a->least = s->least;
        a->first = p;
    } else if (s->least < a->others) {
        a->others = s->least;
    }
    if (look < s->least && look < a->look) {
        a->look = look;
        a->crowded = p;
    }
}

/* In each level the first slot has the least deadlines; the one after it may be
 * crowded, and then its time may come soon after. */
static struct agenda make_agenda(struct pawl_wheel *w)
{
    struct agenda a = {.least = PAWL_FOREVER,
                       .others = PAWL_FOREVER,
                       .look = PAWL_FOREVER};

    for (uint32_t left = w->levels; left != 0; left &= left - 1) {
        unsigned level = (unsigned)__builtin_ctz(left);
        struct place p = {level, first_from(w, level)};

        consider(w, p, &a);
        p.slot = (p.slot + 1) % SLOTS;
        if (level > 0 && is_occupied(w, p))
            consider(w, p, &a);
    }
    return a;
}

/* Keeps I1 if no deadline is earlier. */
static void advance(struct pawl_wheel *w, pawl_deadline to)
{
    if (to > w->base)
        w->base = to;
}

pawl_timer *pawl_wheel_take(struct pawl_wheel *w, pawl_deadline now,
                            pawl_deadline *next)
{
    for (;;) {
        struct agenda a = make_agenda(w);

        if (w->levels == 0 || a.least > now) {
            advance(w, now);
            *next = a.least < a.look ? a.least : a.look;
            if (*next > now)
                return NULL;
            move_down(w, a.crowded);
            break;
        }
        advance(w, a.least);
        if (a.first.level == 0) {
            pawl_timer *t = take_from(w, slot_at(w, a.first), now,
                                      a.others);

            if (t != NULL)
                return t;
            continue;
        }
        move_down(w, a.first);
        if (is_occupied(w, a.first))
            break;
    }
    *next = now;
    return NULL;
}
