/* SPDX-License-Identifier: MIT
 *
 * ring.c - the lock-free bounded queue: see pawl/ring.h, and ring_core.h for the
 * words.
 *
 * A position has *passed* for producers when its slot is full at its lap or
 * beyond, for consumers when that is empty at the next lap or beyond; or when a
 * run covers it, and has been put, or taken so far.
 *
 * Runs: a push of several elements puts up to eight at once, into a block that it
 * swaps for that of an *anchor*, the slot of every eighth position.  The run covers
 * the positions from the anchor on; their slots are left out, and stay as they
 * are.  Only the anchor's word tells how far the run has been taken; it is *open*
 * until the last element is.  Meanwhile the anchor may be filled again, alone.
 *
 * I1  A slot only moves on: empty at lap L, full at L, empty at L + 1, each step
 *     one compare-and-swap of its word; while a run is open at an anchor, its
 *     count moves on as well.  The closed bit is set once, on the way.
 * I2  Positions are filled in order, and taken in order: who works on p has seen
 *     p - 1 passed, by its slot, its run or a hint, and I1 keeps it so.
 * I3  By I2, a slot that has not passed p proves, at the instant of its load,
 *     that p is the end on that side.  There the answer is exact: a push that
 *     finds the slot full at the lap before finds the ring full; a pop that
 *     finds it empty finds the ring empty.  Hints answer nothing.
 * I4  A hint is a position before which all have passed: written after that was
 *     seen, with release, and read with acquire.
 * I5  Every block is in one slot or in one record's hand.  Whoever holds a block
 *     alone may touch its bytes.  A run is read while its block is in the slot, and
 *     counts if the slot's word has not changed since.
 * I6  The tail's hint is never a position that a run covers: each was found not to
 *     have passed after the one before it had, and from then on the anchor's word
 *     has decided.  So a push may trust a slot that is empty at its own lap.  Empty
 *     at an older lap, it was left out in the lap before, and is free if the run
 *     was taken so far.
 *
 * Why slots are loaded and swapped in one order with all seq_cst operations:
 * with two rings that are empty,
 *
 *     push a             push b
 *     pop b: empty       pop a: empty
 *
 * must not come out, which is what a sleeper relies on that registers itself and
 * then looks once more.
 */
#include <errno.h>
#include <string.h>

#include <pawl/ring.h>

#include "atomic/cpu.h"
#include "atomic/ops.h"
#include "atomic/ring_core.h"
#include "atomic/ring_self.h"
#include "base/compiler.h"
#include "base/place.h"
#include "base/tsan.h"

#define CLOSED UINT64_C(1)

/* In the word of an anchor; see ring_core.h. */
#define TAKEN (UINT64_C(7) << 1)
#define OPEN (UINT64_C(1) << 4)

enum { BLOCK_SHIFT = 1, RUN_BLOCK_SHIFT = 5 };

typedef struct pawl_ring_record record;

/* ---- words --------------------------------------------------------------- */

static inline uint64_t lap_of(const pawl_ring *r, uint64_t position)
{
    return position & r->laps;
}

static inline uint64_t index_of(const pawl_ring *r, uint64_t position)
{
    return position ^ lap_of(r, position);
}

/* steps <= capacity */
static inline uint64_t add(const pawl_ring *r, uint64_t position,
                           uint64_t steps)
{
    uint64_t index = index_of(r, position) + steps;
    uint64_t lap = lap_of(r, position);

    if (index >= r->capacity) {
        index -= r->capacity;
        lap += r->full << 1;
    }
    return lap | index;
}

static inline uint64_t next_to(const pawl_ring *r, uint64_t position)
{
    uint64_t lap = lap_of(r, position);

    if (pawl_likely((position ^ lap) + 1 != r->capacity))
        return position + 1;
    return lap + (r->full << 1);
}

static inline bool has_values(const pawl_ring *r)
{
    return pawl_likely(r->format == PAWL_RING_VALUE);
}

static inline uint64_t one_lap(const pawl_ring *r)
{
    return r->full << 1;
}

static inline uint32_t block_of(const pawl_ring *r, uint64_t word)
{
    return (uint32_t)((word & (r->full - 1)) >> BLOCK_SHIFT);
}

static inline uint32_t run_block_of(const pawl_ring *r, uint64_t word)
{
    return (uint32_t)((word & (r->full - 1)) >> RUN_BLOCK_SHIFT);
}

/* How many elements of the open run have been taken. */
static inline uint64_t taken_of(uint64_t word)
{
    return (word & TAKEN) >> 1;
}

static inline bool is_anchor(uint64_t position)
{
    return position % PAWL_RING_RUN == 0;
}

static inline uint64_t anchor_of(uint64_t position)
{
    return position - position % PAWL_RING_RUN;
}

static inline void *bytes_at(const pawl_ring *r, uint64_t offset)
{
    return (char *)(uintptr_t)r + offset;
}

static inline pawl_pair *pair_at(const pawl_ring *r, uint64_t position)
{
    return (pawl_pair *)bytes_at(r, sizeof *r) + index_of(r, position);
}

static inline pawl_u64 *slot_at(const pawl_ring *r, uint64_t position)
{
    return bytes_at(r, sizeof *r + (index_of(r, position) << r->slot_shift));
}

static inline record *record_at(const pawl_ring *r, uint32_t i)
{
    return (record *)bytes_at(r, r->records_at) + i;
}

static inline void *block_at(const pawl_ring *r, uint32_t i)
{
    return bytes_at(r, r->blocks_at + i * r->stride);
}

/* ---- the two ends -------------------------------------------------------- */

/* The state in which a slot has passed a position, counted from the state
 * "empty at its lap". */
static inline uint64_t producers(const pawl_ring *r)
{
    return r->full;
}

static inline uint64_t consumers(const pawl_ring *r)
{
    return r->full << 1;
}

/* Whether a slot that was seen as `word` has passed `position`.  Laps wrap, so
 * their difference counts, with its sign. */
static inline bool has_passed(const pawl_ring *r, uint64_t position,
                              uint64_t word, uint64_t side)
{
    return (int64_t)(word - lap_of(r, position)) >= (int64_t)side;
}

/* The length of the run of that lap in a block; 0: it has another. */
static inline uint64_t run_length(const pawl_ring *r, const pawl_u64 *block,
                                  uint64_t lap)
{
    /* acquire: pairs with put_run; a run of later says that the anchor has
     * changed. */
    uint64_t run = pawl_load64_acquire(&block[0]);

    return lap_of(r, run) == lap ? index_of(r, run) : 0;
}

/* Whether a position that a run covers has been taken, by the word of its anchor:
 * the run is not begun, open, or closed, and the next may be there already. */
static inline bool is_taken(const pawl_ring *r, uint64_t position,
                            uint64_t word)
{
    uint64_t since = word - lap_of(r, position);

    if (!(word & OPEN) || since >= 2 * one_lap(r))
        return true;
    if (taken_of(word) == 0) /* not yet begun */
        return since >= one_lap(r);
    return taken_of(word) > position % PAWL_RING_RUN;
}

/* Whether a position whose slot has not passed has done so in a run. */
static bool is_run_passed(const pawl_ring *r, uint64_t position, uint64_t side)
{
    const pawl_u64 *anchor = slot_at(r, anchor_of(position));
    uint64_t lap = lap_of(r, position);
    uint64_t word;

    if (!has_values(r) || is_anchor(position))
        return false;
    /* seq_cst: pairs with put_run and take_run. */
    word = pawl_load64_seq(anchor);
    for (;;) {
        uint64_t seen = word;
        bool covered;
        /* seq_cst: as in passed.  After the anchor: if that is of a later lap, this
         * one was filled by then, alone or in a run. */
        uint64_t own = pawl_load64_seq(slot_at(r, position));

        if (has_passed(r, position, own, producers(r)))
            return has_passed(r, position, own, side);
        if (!has_passed(r, position, seen, producers(r)))
            return false;
        covered = has_passed(r, position, seen, r->full + one_lap(r)) ||
                  run_length(r, block_at(r, run_block_of(r, seen)), lap) >
                      position % PAWL_RING_RUN;
        /* seq_cst: as above: was it still the block of that anchor? */
        word = pawl_load64_seq(anchor);
        if (word == seen)
            return covered &&
                   (side == producers(r) || is_taken(r, position, seen));
    }
}

static inline bool passed(const pawl_ring *r, uint64_t position, uint64_t side,
                          uint64_t *word)
{
    /* seq_cst: pairs with the swaps in put and take; see the head of this
     * file. */
    *word = pawl_load64_seq(slot_at(r, position));
    return has_passed(r, position, *word, side) ||
           is_run_passed(r, position, side);
}

/* A position within a lap of the end that has passed, where `at` has, seen as
 * `word`: the lap of its slot, or of its anchor, which no lap leaves out. */
static uint64_t last_lap_of(const pawl_ring *r, uint64_t at, uint64_t word,
                            uint64_t side)
{
    if (has_values(r)) {
        /* seq_cst: as in passed. */
        word = pawl_load64_seq(slot_at(r, anchor_of(at)));
        if (!has_passed(r, at, word, side + one_lap(r)))
            return at;
        at = anchor_of(at);
    }
    return at + lap_of(r, word - lap_of(r, at) - side);
}

/* The first position after `at` that has not passed, where `at` has, seen as
 * `word`.  A hint may be as old as it likes: from within one lap of the end, steps
 * that double and are halved again do the rest.  Goes on only while others do. */
static uint64_t first_after(const pawl_ring *r, uint64_t at, uint64_t word,
                            uint64_t side)
{
    at = last_lap_of(r, at, word, side);
    do {
        uint64_t step = 1;

        while (passed(r, add(r, at, step), side, &word)) {
            at = add(r, at, step);
            step = step * 2 < r->capacity ? step * 2 : r->capacity;
        }
        while (step > 1) {
            step /= 2;
            if (passed(r, add(r, at, step), side, &word))
                at = add(r, at, step);
        }
        at = next_to(r, at);
        /* It had not passed, but was not the first then: once more (I6). */
    } while (passed(r, at, side, &word));
    return at;
}

/* The end, found from its hint, and the word of its slot when it was there. */
static uint64_t find_end(const pawl_ring *r, const pawl_u64 *hint,
                         uint64_t side, uint64_t *word)
{
    /* acquire: pairs with the stores of hints (I4). */
    uint64_t at = pawl_load64_acquire(hint);

    while (passed(r, at, side, word))
        at = first_after(r, at, *word, side);
    return at;
}

/* A slot seen as `word` waits for the element of `at`. */
static inline bool is_vacant(const pawl_ring *r, uint64_t at, uint64_t word)
{
    return word - lap_of(r, at) < r->full && !(word & CLOSED);
}

/* The same if runs have left the slot out in the laps before: then it is as some
 * earlier pop left it, and free as soon as the last of them is taken so far. */
static bool is_left_out(const pawl_ring *r, uint64_t at, uint64_t word)
{
    uint64_t anchor;

    if (is_anchor(at) || (word & (r->full | CLOSED)) ||
        (int64_t)(word - lap_of(r, at)) >= 0)
        return false;
    /* seq_cst: pairs with take_run (I3). */
    anchor = pawl_load64_seq(slot_at(r, anchor_of(at)));
    return is_taken(r, at - one_lap(r), anchor);
}

/* A slot seen as `word` holds the element of `at`. */
static inline bool is_filled(const pawl_ring *r, uint64_t at, uint64_t word)
{
    return word - lap_of(r, at) - r->full < r->full;
}

/* ---- giving way ---------------------------------------------------------- */

/* A cache line takes as long from one CPU to another as ten operations and more
 * in a cache of one's own, so two who meet at every operation do less than one of
 * them alone.  Who has met somebody pauses, once in a call, and lets the other
 * work meanwhile.  docs/ring.md has the figures. */
enum {
    MEETING_PAUSES = 128, /* after somebody was at the same end */
    DISTANCE_PAUSES = 64, /* for the other end to get ahead */
    BLOCKS_PAUSES = 256,  /* the same, with two lines or more for an element */
    DISTANCE_PAYS = 4,    /* elements that come of that, if it was worth it */
    VAIN_MOST = 255, /* ends that are met without a pause before the next */
};

/* How far it is from one position to a later one, in elements. */
static inline uint64_t way(const pawl_ring *r, uint64_t from, uint64_t to)
{
    uint64_t laps = lap_of(r, to - lap_of(r, from)) >> (r->shift + 1);

    return laps * r->capacity + index_of(r, to) - index_of(r, from);
}

/* So much came of the pause at the last end; nothing if the other end needs the
 * caller's CPU. */
static void judge_pause(struct pawl_ring_pace *p, uint64_t moved)
{
    if (moved >= DISTANCE_PAYS)
        p->vain = 0;
    else if (p->vain < VAIN_MOST)
        p->vain = p->vain * 2 + 1;
    p->left = p->vain;
    p->paused = false;
}

/* The caller found the ring full, or empty, at that position: it has caught up
 * with the other end.  If that one moves, then to leave it alone for a moment
 * gives many elements, or places, at once, instead of a line for each.  Whether
 * it does is learned: two threads that answer one another gain nothing, and then
 * nearly never pause.  Returns whether it has paused. */
static bool keep_distance(const pawl_ring *r, uint64_t at)
{
    struct pawl_ring_pace *p = pawl_ring_pace(r);
    uint32_t most = has_values(r) ? DISTANCE_PAUSES : BLOCKS_PAUSES;
    uint64_t moved;

    if (r->capacity < DISTANCE_PAYS)
        return false;
    if (p->ring != r)
        *p = (struct pawl_ring_pace){.ring = r, .at = at};
    moved = way(r, p->at, at);
    p->at = at;
    if (p->paused)
        judge_pause(p, moved);
    if (moved == 0)
        return false; /* as far as is known, nobody moves */
    p->paused = p->left == 0;
    if (p->paused)
        pawl_cpu_relax_for(r->capacity / 2 < most ? r->capacity / 2 : most);
    else
        p->left--;
    return p->paused;
}

/* What comes of looking on: where to look next, or what to answer.  Two words,
 * which are returned in registers. */
struct outlook {
    uint64_t at;
    int64_t err;
};

/* Nothing could be done with the slot of `at`, seen as `word`: for somebody
 * else was faster (`lost`), or it has passed, or it is the end.  `done` is what the
 * call has done before, `looked` whether it has been here. */
PAWL_COLD static struct outlook look_on(pawl_ring *r, uint64_t side,
                                        uint64_t at, uint64_t word, size_t done,
                                        bool looked, bool lost)
{
    pawl_u64 *hint = side == producers(r) ? &r->tail : &r->head;
    bool behind =
        !lost && (has_passed(r, at, word, side) || is_run_passed(r, at, side));

    if (!behind && !lost) { /* the end (I3) */
        if (word & CLOSED)
            return (struct outlook){at, -ESHUTDOWN};
        if (looked || done != 0 || !keep_distance(r, at))
            return (struct outlook){at, -EAGAIN};
    } else if (!looked) {
        uint64_t fresh;

        pawl_cpu_relax_for(MEETING_PAUSES);
        /* acquire: pairs with the stores of the hint (I4). */
        fresh = pawl_load64_acquire(hint);
        if ((int64_t)(fresh - at) > 0)
            at = fresh;
    } else if (behind) {
        at = first_after(r, at, word, side);
        /* release: pairs with the loads of the hint (I4). */
        pawl_store64_release(hint, at);
    }
    return (struct outlook){at, 0};
}

/* One call's way along the slots.  Never passed to a function that is not inlined:
 * so it lives in registers. */
struct walk {
    uint64_t side;
    uint64_t at;
    size_t done;
    int64_t err; /* what to answer, if nothing is done */
    bool looked;
};

static inline void start_at_tail(struct walk *w, const pawl_ring *r)
{
    /* acquire: pairs with the stores of the hint (I4). */
    uint64_t at = pawl_load64_acquire(&r->tail);

    *w = (struct walk){.side = producers(r), .at = at};
}

static inline void start_at_head(struct walk *w, const pawl_ring *r)
{
    /* acquire: pairs with the stores of the hint (I4). */
    uint64_t at = pawl_load64_acquire(&r->head);

    *w = (struct walk){.side = consumers(r), .at = at};
}

/* n <= capacity */
static inline void step_over(struct walk *w, const pawl_ring *r, uint64_t n)
{
    w->at = add(r, w->at, n);
    w->done += n;
}

static inline void step(struct walk *w, const pawl_ring *r)
{
    w->at = next_to(r, w->at);
    w->done++;
}

/* Nothing could be done with the slot of w->at. */
PAWL_ALWAYS_INLINE void look(struct walk *w, pawl_ring *r, uint64_t word,
                             bool lost)
{
    struct outlook o =
        look_on(r, w->side, w->at, word, w->done, w->looked, lost);

    w->at = o.at;
    w->err = o.err;
    w->looked = true;
}

/* Tell the others how far it has come.  Returns what the call answers. */
static inline int64_t arrive(const struct walk *w, pawl_u64 *hint)
{
    if (pawl_unlikely(w->done == 0))
        return w->err;
    /* release: pairs with the loads of the hint (I4). */
    pawl_store64_release(hint, w->at);
    return (int64_t)w->done;
}

/* ---- elements in the slots ----------------------------------------------- */

/* Elements of the usual sizes, which need no call to be copied. */
static inline bool has_words(const pawl_ring *r)
{
    return r->element_size % 4 == 0;
}

static inline uint64_t read_word(const pawl_ring *r, const void *element)
{
    uint64_t value = 0;

    if (pawl_likely(r->element_size == 8))
        memcpy(&value, element, 8);
    else
        memcpy(&value, element, 4);
    return value;
}

static inline void write_word(const pawl_ring *r, void *element, uint64_t value)
{
    if (pawl_likely(r->element_size == 8))
        memcpy(element, &value, 8);
    else
        memcpy(element, &value, 4);
}

static inline uint64_t read_element(const pawl_ring *r, const void *element)
{
    uint64_t value = 0;

    if (pawl_likely(has_words(r)))
        return read_word(r, element);
    memcpy(&value, element, r->element_size);
    return value;
}

static inline void write_element(const pawl_ring *r, void *element,
                                 uint64_t value)
{
    if (pawl_likely(has_words(r)))
        write_word(r, element, value);
    else
        memcpy(element, &value, r->element_size);
}

/* Put `value` at `at`, if the slot there, of which *word is seen, waits for it. */
static inline bool put_value(pawl_ring *r, uint64_t at, uint64_t value,
                             uint64_t *word)
{
    pawl_pair *slot = pair_at(r, at);
    struct pawl_pair_value seen;

    /* seq_cst: pairs with the swaps of all others (I3). */
    seen.first = *word = pawl_load64_seq(&slot->first);
    /* relaxed: counts only if the swap finds both words so. */
    seen.second = pawl_load64_relaxed(&slot->second);
    if (pawl_unlikely((seen.first ^ lap_of(r, at)) & r->vacant))
        return false;
    /* seq_cst: pairs with take_value, which takes the element. */
    return pawl_likely(pawl_cas_pair_seq(
        slot, seen, (struct pawl_pair_value){seen.first | r->full, value}));
}

/* Take the element of `at`, if the slot there, of which *word is seen, holds
 * it. */
static inline bool take_value(pawl_ring *r, uint64_t at, uint64_t *value,
                              uint64_t *word)
{
    pawl_pair *slot = pair_at(r, at);
    uint64_t seen;

    /* seq_cst: pairs with put_value (I3). */
    seen = *word = pawl_load64_seq(&slot->first);
    /* relaxed: both words were written at once, and if the swap finds the first
     * unchanged, so is the second (I1). */
    *value = pawl_load64_relaxed(&slot->second);
    if (pawl_unlikely(((seen ^ lap_of(r, at)) & r->filled) != r->full))
        return false;
    /* seq_cst: pairs with put_value, of this lap and the next. */
    return pawl_likely(pawl_cas64_seq(&slot->first, &seen, seen + r->full));
}

/* The same for a slot that runs have left out; *lost: somebody else was faster. */
PAWL_NOINLINE static bool put_left_out(pawl_ring *r, uint64_t at,
                                       uint64_t value, uint64_t *word,
                                       bool *lost)
{
    pawl_pair *slot = pair_at(r, at);
    struct pawl_pair_value seen;

    /* seq_cst: pairs with the swaps of all others (I3). */
    seen.first = *word = pawl_load64_seq(&slot->first);
    /* relaxed: counts only if the swap finds both words so. */
    seen.second = pawl_load64_relaxed(&slot->second);
    *lost = ((seen.first ^ lap_of(r, at)) & r->vacant) == 0;
    if (*lost || !is_left_out(r, at, seen.first))
        return false;
    /* seq_cst: pairs with take_value, which takes the element. */
    *lost = !pawl_cas_pair_seq(
        slot, seen, (struct pawl_pair_value){lap_of(r, at) | r->full, value});
    return !*lost;
}

enum use {
    IDLE,    /* kept by its owner, who is outside */
    KEPT,    /* kept by its owner, who is inside or has a loan */
    PASSING, /* for one operation or loan, then free */
};

static inline uint64_t hand(uint64_t own, uint32_t taking)
{
    return (uint64_t)taking << 32 | own;
}

static inline uint32_t own_of(uint64_t hand)
{
    return (uint32_t)hand;
}

static inline uint32_t taking_of(uint64_t hand)
{
    return (uint32_t)(hand >> 32);
}

static bool claim(record *c, uint64_t owner)
{
    uint64_t seen = 0;

    /* acquire: pairs with set_free; what its last owner did to the block. */
    return pawl_cas64_acquire(&c->owner, &seen, owner);
}

static void set_free(record *c)
{
    pawl_store_relaxed(&c->use, IDLE); /* relaxed: our own, until freed */
    /* release: pairs with claim. */
    pawl_store64_release(&c->owner, 0);
}

/* A record for one operation. */
static record *pass_through(pawl_ring *r, uint32_t from)
{
    uint64_t id = pawl_ring_identity();

    for (uint32_t i = 0; i < r->records; i++) {
        uint32_t k = from + i < r->records ? from + i : from + i - r->records;
        record *c = record_at(r, k);

        if (claim(c, id != 0 ? id : PAWL_RING_ANONYMOUS)) {
            pawl_store_relaxed(&c->use, PASSING); /* relaxed: our own */
            pawl_order_for_signals();
            return c;
        }
    }
    return NULL;
}

static inline uint32_t own_block(const record *c)
{
    /* relaxed: our own. */
    return own_of(pawl_load64_relaxed(&c->hand));
}

/* The length of a run of up to n elements that may be put at `at`, an anchor seen
 * as *seen: no older run is open there, and the last one's place is free.  0 if
 * there can be none. */
static uint64_t run_that_fits(const pawl_ring *r, uint64_t at, size_t n,
                              struct pawl_pair_value *seen)
{
    const pawl_pair *slot = pair_at(r, at);
    uint64_t lap = lap_of(r, at);
    uint64_t k = r->capacity - index_of(r, at);
    uint64_t last;

    k = k < PAWL_RING_RUN ? k : PAWL_RING_RUN;
    k = k < n ? k : n;
    if (k < 2)
        return 0;
    /* seq_cst: pairs with the swaps of all others (I3). */
    seen->first = pawl_load64_seq(&slot->first);
    /* relaxed: counts only if the swap finds both words so. */
    seen->second = pawl_load64_relaxed(&slot->second);
    if (((seen->first ^ lap) & (r->vacant | OPEN)) != 0)
        return 0;
    /* seq_cst: pairs with take_value. */
    last = pawl_load64_seq(slot_at(r, at + k - 1));
    return (last & r->full) && lap_of(r, last + one_lap(r)) == lap ? 0 : k;
}

/* Put up to n elements as a run, if one fits at `at`, an anchor.  How many. */
static size_t put_run(pawl_ring *r, record **c, uint64_t at,
                      const char *elements, size_t n)
{
    uint64_t lap = lap_of(r, at);
    struct pawl_pair_value seen;
    struct pawl_pair_value v;
    uint64_t k = run_that_fits(r, at, n, &seen);
    uint32_t taking;
    uint32_t own;
    pawl_u64 *block;
    bool stored;

    if (k == 0 || (*c == NULL && (*c = pass_through(r, 0)) == NULL))
        return 0;
    taking = run_block_of(r, seen.first);
    own = own_block(*c);
    block = block_at(r, own);
    /* release: pairs with run_length and take_run: who sees this too early finds
     * that the anchor has changed, from which the block came here. */
    pawl_store64_release(&block[0], lap | k);
    for (uint64_t i = 1; i < k; i++)
        /* release: as above. */
        pawl_store64_release(&block[i],
                             read_element(r, elements + i * r->element_size));
    v.first = lap | r->full | OPEN | (uint64_t)own << RUN_BLOCK_SHIFT;
    v.second = read_element(r, elements);
    /* relaxed: for recover, as in swap_block. */
    pawl_store64_relaxed(&(*c)->hand, hand(own, taking));
    /* seq_cst: pairs with take_run, which takes the elements. */
    stored = pawl_cas_pair_seq(pair_at(r, at), seen, v);
    /* relaxed: as above. */
    pawl_store64_relaxed(&(*c)->hand,
                         hand(stored ? taking : own, PAWL_RING_NONE));
    return stored ? k : 0;
}

/* Take up to n elements from `at` on, whose slot was seen as `word`, if they are
 * the next of a run.  How many; *lost: somebody else was faster. */
static size_t take_run(pawl_ring *r, uint64_t at, uint64_t word, char *elements,
                       size_t n, bool *lost)
{
    uint64_t first = at % PAWL_RING_RUN;
    pawl_pair *anchor = pair_at(r, anchor_of(at));
    uint64_t begun = r->full;
    uint64_t values[PAWL_RING_RUN];
    const pawl_u64 *block;
    uint64_t next;
    uint64_t k;
    uint64_t end;

    *lost = false;
    if (first != 0) {
        /* seq_cst: pairs with put_run (I3). */
        word = pawl_load64_seq(&anchor->first);
        begun = one_lap(r);
    }
    if (!(word & OPEN) || taken_of(word) != first ||
        word - lap_of(r, at) - begun >= begun)
        return 0;
    block = block_at(r, run_block_of(r, word));
    k = run_length(r, block, lap_of(r, at));
    *lost = k <= first;
    if (*lost)
        return 0;
    end = n < k - first ? first + n : k;
    /* relaxed: written with the first word, as in take_value. */
    values[0] = pawl_load64_relaxed(&anchor->second);
    for (uint64_t i = first != 0 ? first : 1; i < end; i++)
        /* acquire: what is of a later run says that the anchor has changed. */
        values[i] = pawl_load64_acquire(&block[i]);
    next = first == 0 ? word + r->full : word;
    next &= ~(TAKEN | OPEN);
    if (end != k)
        next |= end << 1 | OPEN;
    /* seq_cst: pairs with put_run, and with put_value, for which it makes room. */
    *lost = !pawl_cas64_seq(&anchor->first, &word, next);
    if (*lost)
        return 0;
    for (uint64_t i = first; i < end; i++) {
        write_element(r, elements, values[i]);
        elements += r->element_size;
    }
    return end - first;
}

/* The next n elements, or as many as there is room for. */
static int64_t put_values(pawl_ring *r, const char *elements, size_t n)
{
    record *c = NULL;
    struct walk w;

    start_at_tail(&w, r);
    pawl_tsan_release(r);
    do {
        uint64_t word;
        bool lost = false;
        size_t k = 0;

        if (n - w.done > 1 && is_anchor(w.at))
            k = put_run(r, &c, w.at, elements, n - w.done);
        if (k == 0)
            k = put_value(r, w.at, read_element(r, elements), &word) ||
                put_left_out(r, w.at, read_element(r, elements), &word, &lost);
        if (pawl_likely(k != 0)) {
            step_over(&w, r, k);
            elements += k * r->element_size;
        } else {
            look(&w, r, word, lost);
        }
    } while (w.done < n && w.err == 0);
    if (c != NULL)
        set_free(c);
    return arrive(&w, &r->tail);
}

static int64_t take_values(pawl_ring *r, char *elements, size_t n)
{
    struct walk w;

    start_at_head(&w, r);
    do {
        uint64_t value;
        uint64_t word;

        if (pawl_likely(take_value(r, w.at, &value, &word))) {
            step(&w, r);
            write_element(r, elements, value);
            elements += r->element_size;
        } else {
            bool lost = ((word ^ lap_of(r, w.at)) & r->filled) == r->full;
            size_t k =
                lost ? 0 : take_run(r, w.at, word, elements, n - w.done, &lost);

            if (k != 0) {
                step_over(&w, r, k);
                elements += k * r->element_size;
            } else {
                look(&w, r, word, lost);
            }
        }
    } while (w.done < n && w.err == 0);
    pawl_tsan_acquire(r);
    return arrive(&w, &r->head);
}

/* ---- elements in blocks -------------------------------------------------- */

/* A record that has the caller for its owner, or that it may keep. */
static record *find_own(pawl_ring *r, uint64_t id, struct pawl_ring_seat *seat)
{
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < r->participants; i++) {
            record *c = record_at(r, i);
            /* relaxed: only the caller writes its own id. */
            bool mine = pawl_load64_relaxed(&c->owner) == id;

            if (pass == 0 ? mine : claim(c, id)) {
                *seat = (struct pawl_ring_seat){.ring = r, .record = i};
                return c;
            }
        }
    }
    return NULL;
}

PAWL_COLD static record *enter_slowly(pawl_ring *r)
{
    struct pawl_ring_seat *seat = pawl_ring_seat(r);
    uint64_t id = pawl_ring_identity();
    record *c = id != 0 ? find_own(r, id, seat) : NULL;
    uint32_t from = r->participants;

    if (c != NULL && pawl_load_relaxed(&c->use) == IDLE) { /* relaxed: ours */
        pawl_store_relaxed(&c->use, KEPT);                 /* relaxed: ours */
        pawl_order_for_signals();
        return c;
    }
    if (id == 0 && seat->ring == r && seat->record < r->records)
        from = seat->record;
    c = pass_through(r, from);
    if (c != NULL && id == 0)
        *seat = (struct pawl_ring_seat){
            .ring = r, .record = (uint32_t)(c - record_at(r, 0))};
    return c;
}

/* Get hold of a block.  NULL if none is left. */
static inline record *enter(pawl_ring *r)
{
    const struct pawl_ring_seat *seat = pawl_ring_seat(r);
    uint64_t id = pawl_ring_identity();

    if (pawl_likely(id != 0 && seat->ring == r && seat->record < r->records)) {
        record *c = record_at(r, seat->record);

        /* relaxed: if it is the caller's, nobody else writes either.  A signal
         * handler may, but leaves it IDLE, and looks at `own` after this. */
        if (pawl_likely(pawl_load64_relaxed(&c->owner) == id &&
                        pawl_load_relaxed(&c->use) == IDLE)) {
            pawl_store_relaxed(&c->use, KEPT); /* relaxed: as above */
            pawl_order_for_signals();
            return c;
        }
    }
    return enter_slowly(r);
}

static inline void leave(record *c)
{
    /* relaxed: our own. */
    if (pawl_likely(pawl_load_relaxed(&c->use) == KEPT)) {
        pawl_order_for_signals();
        pawl_store_relaxed(&c->use, IDLE); /* relaxed: our own */
    } else {
        set_free(c);
    }
}

/* Swap the caller's block for that of a slot seen as `word`, which becomes
 * `next` with the caller's block. */
static inline bool swap_block(pawl_ring *r, record *c, uint64_t at,
                              uint64_t word, uint64_t next)
{
    uint32_t own = own_block(c);
    uint32_t taking = block_of(r, word);

    /* relaxed: for recover, to which the death of this thread orders it; the
     * swap keeps both stores on their sides. */
    pawl_store64_relaxed(&c->hand, hand(own, taking));
    /* seq_cst: pairs with the swap that brought the block, whose bytes are the
     * caller's now, and with the one that will take the caller's (I5). */
    if (!pawl_cas64_seq(slot_at(r, at), &word, next | (uint64_t)own << 1)) {
        pawl_store64_relaxed(&c->hand,
                             hand(own, PAWL_RING_NONE)); /* relaxed: */
        return false;
    }
    pawl_store64_relaxed(&c->hand, hand(taking, PAWL_RING_NONE)); /* relaxed: */
    return true;
}

/* ---- looking ahead --------------------------------------------------------
 *
 * A swap waits until all that was stored before it has left the CPU, for a block until
 * its lines have come from the other end's; so each element would wait for its own.
 * Who comes to a line of slots asks for the blocks of all of them, and for the next
 * line of slots, which come at the same time.  That they are ready says the last of
 * them (I2); near the other end none is asked for, for there they are in use. */
enum {
    SLOTS_A_LINE = PAWL_CACHE_LINE / sizeof(pawl_u64),
    BYTES_AHEAD = 16 * PAWL_CACHE_LINE, /* of each block, at most */
};

/* The slots of the line that begins with `at` are about to be used. */
PAWL_ALWAYS_INLINE void expect_line(const pawl_ring *r, uint64_t at, bool put)
{
    const pawl_u64 *slot = slot_at(r, at);
    uint64_t last = at + SLOTS_A_LINE - 1;
    uint64_t bytes = r->stride < BYTES_AHEAD ? r->stride : BYTES_AHEAD;
    uint64_t word;

    if (index_of(r, at) + SLOTS_A_LINE > r->capacity)
        return;
    /* relaxed: nothing follows from it. */
    word = pawl_load64_relaxed(&slot[SLOTS_A_LINE - 1]);
    if (put ? !is_vacant(r, last, word) : !is_filled(r, last, word))
        return;
    for (int i = 0; i < SLOTS_A_LINE; i++) {
        const char *block;

        word = pawl_load64_relaxed(&slot[i]); /* relaxed: as above */
        block = block_at(r, block_of(r, word));
        for (uint64_t k = 0; k < bytes; k += PAWL_CACHE_LINE)
            if (put)
                pawl_cpu_expect_to_write(block + k);
            else
                pawl_cpu_expect_to_read(block + k);
    }
    pawl_cpu_expect_to_write(slot_at(r, next_to(r, last)));
}

PAWL_NOINLINE static void expect_to_put(const pawl_ring *r, uint64_t at)
{
    expect_line(r, at, true);
}

PAWL_NOINLINE static void expect_to_take(const pawl_ring *r, uint64_t at)
{
    expect_line(r, at, false);
}

static inline bool begins_line(const pawl_ring *r, uint64_t at)
{
    return pawl_unlikely(index_of(r, at) % SLOTS_A_LINE == 0);
}

/* What a push copies into the caller's block, once it has seen room. */
struct source {
    const void *bytes; /* NULL: nothing */
    size_t n;
    bool counted; /* a record: see ring_core.h */
};

PAWL_ALWAYS_INLINE void fill_block(void *block, const struct source *from)
{
    if (!from->counted) {
        memcpy(block, from->bytes, from->n);
        return;
    }
    memcpy((pawl_u64 *)block + 1, from->bytes, from->n);
    /* release: to who finds it in the hand of a dead thread, or gets it. */
    pawl_store64_release(block, from->n + 1);
}

/* Push the caller's block, with what is from there.  Returns whether it did; else
 * whether it has filled the block says from.bytes. */
PAWL_ALWAYS_INLINE bool put_block(pawl_ring *r, record *c, struct walk *w,
                                  struct source *from)
{
    do {
        /* seq_cst: pairs with the swaps of all others (I3). */
        uint64_t word = pawl_load64_seq(slot_at(r, w->at));

        if (pawl_likely(is_vacant(r, w->at, word))) {
            if (begins_line(r, w->at))
                expect_to_put(r, w->at);
            if (from->bytes != NULL) {
                fill_block(block_at(r, own_block(c)), from);
                from->bytes = NULL; /* once */
            }
            pawl_tsan_release(r);
            if (pawl_likely(swap_block(r, c, w->at, word,
                                       lap_of(r, w->at) | r->full))) {
                step(w, r);
                return true;
            }
        }
        look(w, r, word, is_vacant(r, w->at, word));
    } while (w->err == 0);
    return false;
}

/* Pop the first full slot's block into the caller's hand.  Returns whether it
 * did. */
PAWL_ALWAYS_INLINE bool take_block(pawl_ring *r, record *c, struct walk *w)
{
    do {
        /* seq_cst: pairs with put_block (I3). */
        uint64_t word = pawl_load64_seq(slot_at(r, w->at));

        if (pawl_likely(is_filled(r, w->at, word))) {
            uint64_t next = (lap_of(r, w->at) + consumers(r)) | (word & CLOSED);

            if (begins_line(r, w->at))
                expect_to_take(r, w->at);
            if (pawl_likely(swap_block(r, c, w->at, word, next))) {
                pawl_tsan_acquire(r);
                step(w, r);
                return true;
            }
        }
        look(w, r, word, is_filled(r, w->at, word));
    } while (w->err == 0);
    return false;
}

static inline int64_t put_blocks(pawl_ring *r, const char *elements, size_t n)
{
    record *c = enter(r);
    struct walk w;

    if (pawl_unlikely(c == NULL))
        return -ENOMEM;
    pawl_tsan_acquire(r); /* its block was another's */
    start_at_tail(&w, r);
    for (bool stored = true; stored && w.done < n;) {
        struct source from = {.bytes = elements, .n = r->element_size};

        stored = put_block(r, c, &w, &from);
        elements += r->element_size;
    }
    leave(c);
    return arrive(&w, &r->tail);
}

static inline int64_t take_blocks(pawl_ring *r, char *elements, size_t n)
{
    record *c = enter(r);
    struct walk w;

    if (pawl_unlikely(c == NULL))
        return -ENOMEM;
    start_at_head(&w, r);
    while (w.done < n && take_block(r, c, &w)) {
        memcpy(elements, block_at(r, own_block(c)), r->element_size);
        elements += r->element_size;
    }
    pawl_tsan_release(r);
    leave(c);
    return arrive(&w, &r->head);
}

/* ---- records -------------------------------------------------------------- */

/* Up to n of them, `stride` bytes apart; bytes NULL: each is so long. */
PAWL_ALWAYS_INLINE int64_t put_records(pawl_ring *r, const char *records,
                                       size_t stride, const size_t *bytes,
                                       size_t n)
{
    record *c = enter(r);
    struct walk w;
    bool stored = true;

    if (pawl_unlikely(c == NULL))
        return -ENOMEM;
    start_at_tail(&w, r);
    do {
        struct source from = {.bytes = records,
                              .n = bytes != NULL ? bytes[w.done] : stride,
                              .counted = true};

        pawl_tsan_acquire(r); /* its block was another's */
        stored = put_block(r, c, &w, &from);
        if (pawl_unlikely(!stored && from.bytes == NULL))
            /* release: as in fill_block: there is none. */
            pawl_store64_release(block_at(r, own_block(c)), 0);
        records += stride;
    } while (stored && w.done < n);
    pawl_tsan_release(r);
    leave(c);
    return arrive(&w, &r->tail);
}

PAWL_ALWAYS_INLINE int64_t get_records(pawl_ring *r, char *records,
                                       size_t stride, size_t *bytes, size_t n)
{
    record *c = enter(r);
    struct walk w;

    if (pawl_unlikely(c == NULL))
        return -ENOMEM;
    start_at_head(&w, r);
    while (w.done < n && pawl_likely(take_block(r, c, &w))) {
        const pawl_u64 *block = block_at(r, own_block(c));
        /* relaxed: the swap that brought the block has acquired it. */
        size_t length = pawl_load64_relaxed(block) - 1;

        memcpy(records, block + 1, length);
        if (bytes != NULL)
            bytes[w.done - 1] = length;
        records += stride;
    }
    pawl_tsan_release(r);
    leave(c);
    return arrive(&w, &r->head);
}

int pawl_ring_put_record(pawl_ring *r, const void *bytes, size_t n)
{
    int64_t done = put_records(r, bytes, n, NULL, 1);

    return done < 0 ? (int)done : 0;
}

int64_t pawl_ring_get_record(pawl_ring *r, void *bytes)
{
    size_t n = 0;
    int64_t done = get_records(r, bytes, 0, &n, 1);

    return done < 0 ? done : (int64_t)n;
}

int64_t pawl_ring_put_records(pawl_ring *r, const void *records, size_t stride,
                              const size_t *bytes, size_t n)
{
    return put_records(r, records, stride, bytes, n);
}

int64_t pawl_ring_get_records(pawl_ring *r, void *records, size_t stride,
                              size_t *bytes, size_t n)
{
    return get_records(r, records, stride, bytes, n);
}

/* ---- push and pop -------------------------------------------------------- */

/* Elements lie in the slots, and no sanitizer wants to be told. */
static inline bool is_quick(const pawl_ring *r)
{
    return has_values(r) && has_words(r) && !pawl_tsan_hears();
}

PAWL_NOINLINE static int push_slowly(pawl_ring *r, const void *element)
{
    int64_t n =
        has_values(r) ? put_values(r, element, 1) : put_blocks(r, element, 1);

    return n < 0 ? (int)n : 0;
}

PAWL_NOINLINE static int pop_slowly(pawl_ring *r, void *element)
{
    int64_t n =
        has_values(r) ? take_values(r, element, 1) : take_blocks(r, element, 1);

    return n < 0 ? (int)n : 0;
}

int pawl_ring_push(pawl_ring *r, const void *element)
{
    if (pawl_likely(is_quick(r))) {
        /* acquire: pairs with the stores of the hint (I4). */
        uint64_t at = pawl_load64_acquire(&r->tail);
        uint64_t next = next_to(r, at);
        uint64_t word;

        if (pawl_likely(put_value(r, at, read_word(r, element), &word))) {
            /* release: pairs with the loads of the hint (I4). */
            pawl_store64_release(&r->tail, next);
            return 0;
        }
    }
    return push_slowly(r, element);
}

int pawl_ring_pop(pawl_ring *r, void *element)
{
    if (pawl_likely(is_quick(r))) {
        /* acquire: pairs with the stores of the hint (I4). */
        uint64_t at = pawl_load64_acquire(&r->head);
        uint64_t next = next_to(r, at);
        uint64_t value;
        uint64_t word;

        if (pawl_likely(take_value(r, at, &value, &word))) {
            write_word(r, element, value);
            /* release: pairs with the loads of the hint (I4). */
            pawl_store64_release(&r->head, next);
            return 0;
        }
    }
    return pop_slowly(r, element);
}

int64_t pawl_ring_push_many(pawl_ring *r, const void *elements, size_t n)
{
    if (n == 0)
        return 0;
    return has_values(r) ? put_values(r, elements, n)
                         : put_blocks(r, elements, n);
}

int64_t pawl_ring_pop_many(pawl_ring *r, void *elements, size_t n)
{
    if (n == 0)
        return 0;
    return has_values(r) ? take_values(r, elements, n)
                         : take_blocks(r, elements, n);
}

/* ---- loans --------------------------------------------------------------- */

enum kind {
    ENDED,
    RESERVED,
    BORROWED,
};

static void lend(const pawl_ring *r, pawl_ring_loan *loan, enum kind kind,
                 const record *c)
{
    loan->kind_ = kind;
    if (c == NULL) {
        loan->data = &loan->value_;
        return;
    }
    loan->record_ = (uint32_t)(c - record_at(r, 0));
    loan->data = block_at(r, own_block(c));
}

static void end_loan(const pawl_ring *r, pawl_ring_loan *loan)
{
    pawl_tsan_release(r);
    if (!has_values(r))
        leave(record_at(r, loan->record_));
    loan->kind_ = ENDED;
    loan->data = NULL;
}

int pawl_ring_reserve(pawl_ring *r, pawl_ring_loan *loan)
{
    record *c = NULL;

    if (!has_values(r) && (c = enter(r)) == NULL)
        return -ENOMEM;
    pawl_tsan_acquire(r);
    loan->value_ = 0;
    lend(r, loan, RESERVED, c);
    return 0;
}

int pawl_ring_commit(pawl_ring *r, pawl_ring_loan *loan)
{
    int err;

    if (loan->kind_ != RESERVED)
        return -EINVAL;
    if (has_values(r)) {
        int64_t n = put_values(r, loan->data, 1);

        err = n < 0 ? (int)n : 0;
    } else {
        struct source in_place = {.bytes = NULL};
        struct walk w;

        start_at_tail(&w, r);
        put_block(r, record_at(r, loan->record_), &w, &in_place);
        arrive(&w, &r->tail);
        err = (int)w.err;
    }
    if (err == 0)
        end_loan(r, loan);
    return err;
}

int pawl_ring_cancel(pawl_ring *r, pawl_ring_loan *loan)
{
    if (loan->kind_ != RESERVED)
        return -EINVAL;
    end_loan(r, loan);
    return 0;
}

int pawl_ring_borrow(pawl_ring *r, pawl_ring_loan *loan)
{
    record *c = NULL;

    if (has_values(r)) {
        int64_t n;

        loan->value_ = 0;
        n = take_values(r, (char *)&loan->value_, 1);
        if (n < 0)
            return (int)n;
    } else {
        struct walk w;

        if ((c = enter(r)) == NULL)
            return -ENOMEM;
        start_at_head(&w, r);
        if (!take_block(r, c, &w)) {
            leave(c);
            return (int)w.err;
        }
        arrive(&w, &r->head);
    }
    lend(r, loan, BORROWED, c);
    return 0;
}

int pawl_ring_give_back(pawl_ring *r, pawl_ring_loan *loan)
{
    if (loan->kind_ != BORROWED)
        return -EINVAL;
    end_loan(r, loan);
    return 0;
}

/* ---- the end ------------------------------------------------------------- */

/* Set the closed bit in the slot of the tail: the next push there finds it, and
 * there is no other next push (I2).  A slot that is full at the lap before keeps
 * the bit when it is taken. */
int pawl_ring_close(pawl_ring *r)
{
    for (;;) {
        uint64_t word;
        uint64_t at = find_end(r, &r->tail, producers(r), &word);

        /* seq_cst: pairs with the swaps of put and take, which find the slot
         * closed, or have changed it before. */
        if ((word & CLOSED) ||
            pawl_cas64_seq(slot_at(r, at), &word, word | CLOSED))
            return 0;
    }
}

bool pawl_ring_is_closed(const pawl_ring *r)
{
    uint64_t word;

    find_end(r, &r->tail, producers(r), &word);
    return (word & CLOSED) != 0;
}

/* ---- snapshots ----------------------------------------------------------- */

size_t pawl_ring_size(const pawl_ring *r)
{
    uint64_t word;
    uint64_t tail;
    uint64_t head = find_end(r, &r->head, consumers(r), &word);

    for (;;) {
        uint64_t again;

        tail = find_end(r, &r->tail, producers(r), &word);
        again = find_end(r, &r->head, consumers(r), &word);
        if (again == head)
            break; /* so it was the head when `tail` was the tail */
        head = again;
    }
    return (size_t)((lap_of(r, tail) != lap_of(r, head) ? r->capacity : 0) +
                    index_of(r, tail) - index_of(r, head));
}

uint64_t pawl_ring_pushed(const pawl_ring *r)
{
    uint64_t word;
    uint64_t tail = find_end(r, &r->tail, producers(r), &word);

    return (tail >> (r->shift + 1)) * r->capacity + index_of(r, tail);
}

bool pawl_ring_is_empty(const pawl_ring *r)
{
    uint64_t word;
    uint64_t at = find_end(r, &r->head, consumers(r), &word);

    return !passed(r, at, producers(r), &word);
}

bool pawl_ring_is_full(const pawl_ring *r)
{
    uint64_t word;
    uint64_t at = find_end(r, &r->tail, producers(r), &word);

    return !passed(r, at - one_lap(r), consumers(r), &word);
}

size_t pawl_ring_capacity(const pawl_ring *r)
{
    return r->capacity;
}

size_t pawl_ring_element_size(const pawl_ring *r)
{
    return r->element_size;
}

/* ---- those who take part ------------------------------------------------- */

int pawl_ring_leave(pawl_ring *r)
{
    uint64_t id = pawl_ring_identity();
    int err = -ENOENT;

    for (uint32_t i = 0; id != 0 && i < r->records && err == -ENOENT; i++) {
        record *c = record_at(r, i);

        /* relaxed: only the caller writes its own id, and its own use. */
        if (pawl_load64_relaxed(&c->owner) != id ||
            pawl_load_relaxed(&c->use) == PASSING)
            continue;
        /* relaxed: as above. */
        err = pawl_load_relaxed(&c->use) == IDLE ? 0 : -EBUSY;
        if (err == 0)
            set_free(c);
    }
    return err;
}

enum { SEARCHES = 8 }; /* then the blocks move too fast: another time */

/* Which of the two blocks that a dead thread may hold is in its hand?  The one
 * that is not in use elsewhere; and a block that is seen in a slot, or in a hand
 * that is quiet, is.  Nothing that is loaded here can be older than the death,
 * before which the block that the dead one does hold had left where it was.
 * NONE if neither was seen: others may carry one from where we had not looked
 * to where we had. */
static uint32_t find_held(const pawl_ring *r, const record *dead, uint32_t own,
                          uint32_t taking)
{
    uint64_t step = has_values(r) ? PAWL_RING_RUN : 1;

    for (int search = 0; search < SEARCHES; search++) {
        for (uint64_t i = 0; i < r->capacity; i += step) {
            /* seq_cst: pairs with swap_block and put_run. */
            uint64_t word = pawl_load64_seq(slot_at(r, i));
            uint32_t block =
                has_values(r) ? run_block_of(r, word) : block_of(r, word);

            if (block == own || block == taking)
                return block == own ? taking : own;
        }
        for (uint32_t i = 0; i < r->records; i++) {
            const record *c = record_at(r, i);
            /* relaxed: coherence with what happened before the death. */
            uint64_t seen = pawl_load64_relaxed(&c->hand);
            uint32_t block = own_of(seen);

            if (c != dead && taking_of(seen) == PAWL_RING_NONE &&
                (block == own || block == taking))
                return block == own ? taking : own;
        }
    }
    return PAWL_RING_NONE;
}

/* A record whose owner has died, now the caller's. */
static bool repair(const pawl_ring *r, record *c)
{
    /* relaxed: orders nothing that the caller's claim has not. */
    uint64_t left = pawl_load64_relaxed(&c->hand);
    uint32_t held = own_of(left);

    if (taking_of(left) != PAWL_RING_NONE)
        held = find_held(r, c, own_of(left), taking_of(left));
    if (held == PAWL_RING_NONE)
        return false;
    /* relaxed: freeing the record publishes it. */
    pawl_store64_relaxed(&c->hand, hand(held, PAWL_RING_NONE));
    return true;
}

/* What to do with the record of a dead thread that is repaired: it is free then, or
 * an orphan. */
typedef void (*settle_fn)(pawl_ring *r, record *c);

/* Look once at all records.  How many were recovered; and *left, how many not. */
static int recover_some(pawl_ring *r, pawl_ring_death_fn is_dead, void *context,
                        settle_fn settle, int *left)
{
    uint64_t me = pawl_ring_identity();
    int recovered = 0;

    *left = 0;
    for (uint32_t i = 0; i < r->records; i++) {
        record *c = record_at(r, i);
        /* relaxed: decides nothing; the claim does. */
        uint64_t owner = pawl_load64_relaxed(&c->owner);
        uint64_t seen = owner;

        if (owner == 0 || (owner & PAWL_RING_ANONYMOUS) != 0 ||
            !is_dead(owner & ~PAWL_RING_RECOVERS, context))
            continue;
        /* acquire: pairs with the release below, by another who tried. */
        if (!pawl_cas64_acquire(&c->owner, &seen, me | PAWL_RING_RECOVERS))
            continue;
        if (repair(r, c)) {
            settle(r, c);
            recovered++;
        } else {
            /* release: pairs with the claim above.  As it was found. */
            pawl_store64_release(&c->owner, owner);
            ++*left;
        }
    }
    return recovered;
}

static int recover(pawl_ring *r, pawl_ring_death_fn is_dead, void *context,
                   settle_fn settle)
{
    int recovered = 0;
    int left;
    int n;

    if (pawl_ring_identity() == 0)
        return -EINVAL;
    /* The block that one of the dead had taken tells of another, once it is known. */
    do {
        n = recover_some(r, is_dead, context, settle, &left);
        recovered += n;
    } while (n > 0 && left > 0);
    return recovered;
}

static void settle_plain(pawl_ring *r, record *c)
{
    (void)r;
    set_free(c);
}

int pawl_ring_recover(pawl_ring *r, pawl_ring_death_fn is_dead, void *context)
{
    return recover(r, is_dead, context, settle_plain);
}

/* ---- tasks --------------------------------------------------------------- *
 *
 * The word of a block is 0 while it is spare.  So of a record that takes and is
 * quiet, the word of its block says whether it has taken: no mark has to be made
 * between the swap and the death. */

static pawl_u64 *word_of(const pawl_ring *r, const record *c)
{
    return block_at(r, own_block(c));
}

/* What comes into its hand now is a task. */
static void begin_to_take(record *c)
{
    /* relaxed: the swap that takes it releases this, or the end of the life of the
     * thread. */
    pawl_store_relaxed(&c->takes, 1);
}

/* There is none any more.  Nothing else writes this word: who finds it so has seen
 * the end of each task that was there. */
static void end_taking(record *c)
{
    /* seq_cst: pairs with has_task: who looks next for those who wait for it sees
     * them, or they see this. */
    pawl_store_seq(&c->takes, 0);
}

/* Whether there is a task in that hand; or one may come, if its owner lives. */
static bool has_task(const pawl_ring *r, const record *c)
{
    uint64_t seen;

    /* seq_cst: pairs with end_taking. */
    if (pawl_load_seq(&c->takes) == 0)
        return false;
    /* relaxed: no older than what the caller has seen taken from the ring. */
    seen = pawl_load64_relaxed(&c->hand);
    /* acquire: pairs with finish. */
    return taking_of(seen) != PAWL_RING_NONE ||
           pawl_load64_acquire((pawl_u64 *)block_at(r, own_of(seen))) != 0;
}

static void lend_task(const pawl_ring *r, pawl_ring_loan *loan, const record *c)
{
    lend(r, loan, BORROWED, c);
    loan->value_ = pawl_load64_relaxed(&c->task); /* relaxed: our own */
}

int pawl_ring_take(pawl_ring *r, pawl_ring_loan *loan)
{
    record *c = enter(r);
    struct walk w;

    if (c == NULL)
        return -ENOMEM;
    pawl_tsan_acquire(r); /* its block was another's */
    begin_to_take(c);
    start_at_head(&w, r);
    if (!take_block(r, c, &w)) {
        end_taking(c);
        leave(c);
        return (int)w.err;
    }
    pawl_store64_relaxed(&c->task, w.at); /* relaxed: our own */
    arrive(&w, &r->head);
    lend_task(r, loan, c);
    return 0;
}

int pawl_ring_adopt(pawl_ring *r, pawl_ring_loan *loan)
{
    for (uint32_t i = 0; i < r->records; i++) {
        record *c = record_at(r, i);
        uint64_t seen = PAWL_RING_ORPHAN;

        /* relaxed: a hint.  acquire: pairs with settle_task. */
        if (pawl_load64_relaxed(&c->owner) != seen ||
            !pawl_cas64_acquire(&c->owner, &seen, pawl_ring_identity()))
            continue;
        pawl_store_relaxed(&c->use, PASSING); /* relaxed: our own */
        pawl_tsan_acquire(r);
        lend_task(r, loan, c);
        return 0;
    }
    return -ENOENT;
}

bool pawl_ring_holds(pawl_ring *r, const pawl_ring_loan *task,
                     pawl_ring_loan *loan)
{
    const struct pawl_ring_seat *seat = pawl_ring_seat(r);
    uint64_t id = pawl_ring_identity();
    uint32_t first = 0;

    if (task != NULL)
        first = task->record_;
    else if (seat->ring == r)
        first = seat->record;
    for (uint32_t i = 0; i < (task != NULL ? 1 : r->records); i++) {
        uint32_t at = (first + i) % r->records;
        const record *c = record_at(r, at);

        /* relaxed: only the caller writes its own id, and its own task. */
        if (pawl_load64_relaxed(&c->owner) == id && has_task(r, c) &&
            (task == NULL || pawl_load64_relaxed(&c->task) == task->value_)) {
            lend_task(r, loan, c);
            return true;
        }
    }
    return false;
}

void pawl_ring_finish(pawl_ring *r, pawl_ring_loan *loan)
{
    record *c = record_at(r, loan->record_);

    /* release: pairs with has_task: what was done before is visible then. */
    pawl_store64_release(word_of(r, c), 0);
    end_taking(c);
    end_loan(r, loan);
}

static void settle_done(pawl_ring *r, record *c)
{
    /* release: as in finish. */
    pawl_store64_release(word_of(r, c), 0);
    end_taking(c);
    set_free(c);
}

static void settle_task(pawl_ring *r, record *c)
{
    if (!has_task(r, c)) {
        settle_done(r, c);
        return;
    }
    /* release: pairs with adopt. */
    pawl_store64_release(&c->owner, PAWL_RING_ORPHAN);
}

int pawl_ring_recover_tasks(pawl_ring *r, pawl_ring_death_fn is_dead,
                            void *context, bool keep, uint32_t *orphans)
{
    int n = recover(r, is_dead, context, keep ? settle_task : settle_done);

    *orphans = 0;
    for (uint32_t i = 0; i < r->records; i++)
        /* relaxed: a hint; adopt decides. */
        *orphans +=
            pawl_load64_relaxed(&record_at(r, i)->owner) == PAWL_RING_ORPHAN;
    return n;
}

uint64_t pawl_ring_tasks(const pawl_ring *r)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < r->records; i++)
        n += has_task(r, record_at(r, i));
    return n;
}

/* ---- making one ---------------------------------------------------------- */

static size_t stride_of(size_t element_size)
{
    size_t unit = element_size <= 8 ? 8 : element_size <= 48 ? 16 : 64;

    return pawl_round_up(element_size, unit);
}

/* The constants of a ring.  Returns 0, -EINVAL or -EOVERFLOW. */
static int design(struct pawl_ring *r, enum pawl_ring_format format,
                  size_t capacity, size_t element_size, size_t participants)
{
    uint64_t numbers = (uint64_t)capacity;

    if (capacity == 0 || capacity > PAWL_RING_CAPACITY_MAX ||
        element_size == 0 || element_size > PAWL_RING_ELEMENT_MAX ||
        participants > PAWL_RING_PARTICIPANTS_MAX)
        return -EINVAL;
    *r = (struct pawl_ring){
        .layout = PAWL_RING_LAYOUT,
        .format = (uint32_t)format,
        .capacity = (uint32_t)capacity,
        .element_size = (uint32_t)element_size,
    };
    if (format == PAWL_RING_VALUE) {
        r->slot_shift = 4;
        r->stride = sizeof(uint64_t) * PAWL_RING_RUN;
        r->records = capacity <= PAWL_RING_RUNNERS ? (uint32_t)capacity - 1
                                                   : PAWL_RING_RUNNERS;
        r->slot_blocks = (numbers + PAWL_RING_RUN - 1) / PAWL_RING_RUN;
        numbers = (r->slot_blocks + r->records) << (RUN_BLOCK_SHIFT - 1);
    } else {
        r->slot_shift = 3;
        r->participants = (uint32_t)participants;
        r->records = r->participants + PAWL_RING_SPARE;
        r->stride = stride_of(element_size);
        r->slot_blocks = numbers;
        numbers += r->records;
    }
    r->shift = 1;
    while (UINT64_C(1) << (r->shift - 1) < numbers)
        r->shift++;
    r->full = UINT64_C(1) << r->shift;
    r->laps = ~UINT64_C(0) << r->shift << 1;
    r->vacant = r->laps | r->full | CLOSED;
    r->filled = r->laps | r->full | OPEN;
    /* Nothing here exceeds 2^64: 2^31 blocks of 2^32 bytes are the most. */
    r->records_at = pawl_round_up(
        sizeof *r + ((uint64_t)capacity << r->slot_shift), PAWL_CACHE_LINE);
    r->blocks_at = r->records_at + r->records * sizeof(record);
    r->bytes =
        pawl_round_up(r->blocks_at + (r->slot_blocks + r->records) * r->stride,
                      PAWL_RING_ALIGN);
    return r->bytes > PTRDIFF_MAX ? -EOVERFLOW : 0;
}

static enum pawl_ring_format format_for(size_t element_size)
{
    return element_size <= 8 && pawl_cpu_has_pairs() ? PAWL_RING_VALUE
                                                     : PAWL_RING_SWAP;
}

int64_t pawl_ring_bytes_as(enum pawl_ring_format format, size_t capacity,
                           size_t element_size, size_t participants)
{
    struct pawl_ring r;
    int err = design(&r, format, capacity, element_size, participants);

    return err != 0 ? err : (int64_t)r.bytes;
}

int pawl_ring_init_as(enum pawl_ring_format format, pawl_ring **ring,
                      void *memory, size_t bytes, size_t capacity,
                      size_t element_size, size_t participants, uint64_t lap)
{
    struct pawl_ring *r = memory;
    struct pawl_ring plan;
    int err = design(&plan, format, capacity, element_size, participants);
    uint64_t first;

    if (err != 0)
        return err;
    err = pawl_check_place(memory, PAWL_RING_ALIGN, bytes, (int64_t)plan.bytes);
    if (err != 0)
        return err;
    pawl_store_relaxed(&r->magic, 0); /* relaxed: none yet */
    memcpy(&r->layout, &plan.layout,
           sizeof plan - offsetof(struct pawl_ring, layout));
    first = lap << r->shift << 1;
    /* relaxed: nobody else is here yet, down to the end. */
    pawl_store64_relaxed(&r->tail, first);
    pawl_store64_relaxed(&r->head, first);
    for (uint64_t i = 0; i < capacity; i++) {
        uint64_t block = i << BLOCK_SHIFT;

        if (format == PAWL_RING_VALUE) {
            block = is_anchor(i) ? i / PAWL_RING_RUN << RUN_BLOCK_SHIFT : 0;
            /* relaxed: as above. */
            pawl_store64_relaxed(&pair_at(r, i)->second, 0);
        }
        /* relaxed: as above. */
        pawl_store64_relaxed(slot_at(r, i), first | block);
    }
    if (format == PAWL_RING_VALUE)
        for (uint64_t i = 0; i < r->slot_blocks + r->records; i++)
            /* relaxed: as above; a run of none. */
            pawl_store64_relaxed(block_at(r, (uint32_t)i), 0);
    for (uint32_t i = 0; i < r->records; i++) {
        record *c = record_at(r, i);

        /* relaxed: as above. */
        pawl_store64_relaxed(&c->owner, 0);
        pawl_store64_relaxed(&c->hand,
                             hand(r->slot_blocks + i, PAWL_RING_NONE));
        pawl_store_relaxed(&c->use, IDLE);
        pawl_store_relaxed(&c->takes, 0); /* relaxed: as above */
    }
    /* release: pairs with attach. */
    pawl_store_release(&r->magic, PAWL_RING_MAGIC);
    *ring = r;
    return 0;
}

int64_t pawl_ring_bytes(size_t capacity, size_t element_size,
                        size_t participants)
{
    return pawl_ring_bytes_as(format_for(element_size), capacity, element_size,
                              participants);
}

int pawl_ring_init(pawl_ring **ring, void *memory, size_t bytes,
                   size_t capacity, size_t element_size, size_t participants)
{
    return pawl_ring_init_as(format_for(element_size), ring, memory, bytes,
                             capacity, element_size, participants, 0);
}

int pawl_ring_attach(pawl_ring **ring, void *memory, size_t bytes)
{
    struct pawl_ring *r = memory;

    if (!pawl_is_place(memory, PAWL_RING_ALIGN, bytes, sizeof *r))
        return -EINVAL;
    /* acquire: pairs with init. */
    if (pawl_load_acquire(&r->magic) != PAWL_RING_MAGIC ||
        r->layout != PAWL_RING_LAYOUT || bytes < r->bytes ||
        (r->format == PAWL_RING_VALUE && !pawl_cpu_has_pairs()))
        return -EINVAL;
    *ring = r;
    return 0;
}
