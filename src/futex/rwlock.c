/* SPDX-License-Identifier: MIT
 *
 * rwlock.c - the reader/writer lock of pawl/rwlock.h.
 *
 * Phase-fair as in Brandenburg and Anderson, "Spin-based reader-writer
 * synchronization for multiprocessor real-time systems" (2010), with their
 * ticket queues replaced by counts in one word, so that waits can time out.
 *
 *    63   58 57                  46 45                         32
 *   +-------+----------------------+-----------------------------+
 *   | phase | wwait: writers       | readers that hold it        |
 *   +-------+----------------------+-----------------------------+
 *    31   26 25  22 21                        8 7               0
 *   +-------+------+---------------------------+-----------------+
 *   | phase | fork | rwait: readers waiting    | marks           |
 *   +-------+------+---------------------------+-----------------+
 *
 *   WRITE      a writer holds it; writer_ names the writer soon after, and until
 *              shortly before its end
 *   RESERVED   free, but only for the starving writer
 *   STARVING   a writer that has slept for a millisecond: the next to have it
 *   SPINNING   a writer that watches: needs no wake
 *   RSLEEP, WSLEEP   readers, writers sleep on the low half
 *   DIED       the writer holds it after -EOWNERDEAD, not yet consistent
 *   LOST       not repaired: of no use until init
 *   phase      counts admissions of waiting readers.  Its low six bits are in
 *              the low half, so that the kernel stops a reader which is admitted
 *              just before it sleeps.  A writer sets them to zero when no reader
 *              waits: nobody compares then, and its unlock is simpler.
 *   fork       low bits of the fork count of the process that rwait, wwait and
 *              the marks of waiters belong to
 *
 * I1  Newcomers read only if there is no WRITE and wwait is 0.
 * I2  Waiting readers are admitted by whoever ends a write, in the same CAS:
 *     rwait moves to readers, and the phase changes.  So an admitted reader
 *     holds the lock before it knows, and no writer gets in before it.
 * I3  wwait > 0 and nobody holds it  =>  a writer is awake, or RESERVED, or a
 *     wake is on its way: the last to leave sees to that.
 * I4  The low half is WRITE alone  =>  no reader waits and no writer sleeps.
 * I5  WSLEEP and RSLEEP may be set without sleepers, but if they are clear,
 *     nobody sleeps who is not going to be woken.
 * I6  While no writer is named, writer_ is NOBODY with the fork count of the
 *     process in which that came about, and whoever is going to set WRITE sees
 *     to it first that this is its own.  So WRITE with a NOBODY of another
 *     process means: the writer had not yet written its name, or had erased it
 *     already, when a fork left it behind.
 *
 * In a region any thread may be killed anywhere (docs/owner-death.md):
 *
 * I7  With WRITE, the count of readers, which has no use then, is the slot of the
 *     writer.  Its thread lives, and is named in writer_ or notes that it wants to
 *     write here: else the lock is orphaned.  writer_ is never erased.
 * I8  Whoever is counted notes that before, and takes the note back after it is no
 *     longer: so there are never more of the living counted than have notes, and
 *     what is above that was left by the dead.  See take_census.
 * I9  A wake reaches all sleepers, so none of them has to pass it on; who sleeps
 *     watches the lifelines of those who hold the lock, as far as there is room.
 *     There is no SPINNING, which a dead spinner would leave.
 */
#include <pawl/error.h>
#include <pawl/rwlock.h>

#include "atomic/ops.h"
#include "base/single.h"
#include "base/tsan.h"
#include "futex/deadlock.h"
#include "futex/lock_names.h"
#include "futex/realm.h"
#include "futex/spin.h"
#include "futex/sys.h"

#define WRITE UINT64_C(1)
#define RESERVED UINT64_C(2)
#define STARVING UINT64_C(4)
#define SPINNING UINT64_C(8)
#define RSLEEP UINT64_C(16)
#define WSLEEP UINT64_C(32)
#define DIED UINT64_C(64)
#define LOST UINT64_C(128)
#define RWAIT (UINT64_C(1) << 8)
#define RWAITS (UINT64_C(0x3fff) << 8)
#define FORK_SHIFT 22
#define FORK (UINT64_C(0xf) << FORK_SHIFT)
#define READER (UINT64_C(1) << 32)
#define READERS (UINT64_C(0x3fff) << 32)
#define WWAIT (UINT64_C(1) << 46)
#define WWAITS (UINT64_C(0xfff) << 46)
#define PHASE_LOW (UINT64_C(1) << 26)
#define PHASES_LOW (UINT64_C(0x3f) << 26)
#define PHASE_HIGH (UINT64_C(1) << 58)
#define PHASES_HIGH (UINT64_C(0x3f) << 58)
#define PHASES (PHASES_LOW | PHASES_HIGH)

/* All that threads leave behind which do not hold the lock. */
#define TRACES                                                                 \
    (RESERVED | STARVING | SPINNING | RSLEEP | WSLEEP | WWAITS | RWAITS | FORK)

/* In writer_, with a fork count: nobody is named. */
#define UNNAMED (UINT32_C(1) << 31)

#define CHANNEL_READERS 1u
#define CHANNEL_WRITERS 2u
#define CHANNEL_STARVING 4u

/* A writer that has slept so long is handed the lock. */
#define STARVING_AFTER_NS 1000000

/* How often one looks at all notes to find them unchanged. */
#define LOOKS 8

/* -- Reading and making words -------------------------------------------------- */

static bool is_shared(const pawl_rwlock *rw)
{
    return (rw->mode_ & PAWL_SHARED) != 0;
}

static uint64_t fork_bits(bool shared)
{
    return ((uint64_t)pawl_fork_mark(shared) << FORK_SHIFT) & FORK;
}

/* The word without the traces of threads that a fork left behind. */
static uint64_t settled(uint64_t word, bool shared)
{
    if ((word & TRACES) != 0 && (word & FORK) != fork_bits(shared))
        word &= ~TRACES;
    return word;
}

/* The fork count goes when nothing is left for it to qualify. */
static uint64_t tidied(uint64_t word)
{
    return (word & TRACES & ~FORK) == 0 ? word & ~FORK : word;
}

static uint64_t readers_of(uint64_t word)
{
    return (word & WRITE) != 0 ? 0 : (word & READERS) / READER;
}

/* Without a writer, and the slot that it has in a region (I7). */
static uint64_t unwritten(uint64_t word)
{
    return (word & WRITE) != 0 ? word & ~(WRITE | READERS) : word;
}

/* The participants of the region that it lies in; NULL: in none. */
static struct pawl_participants *table_of(const pawl_rwlock *rw)
{
    return is_shared(rw) ? pawl_realm_of(rw) : NULL;
}

/* Let all waiting readers in. */
static uint64_t admitted(uint64_t word)
{
    uint64_t waiting = (word & RWAITS) / RWAIT;

    word += waiting * READER;
    word = (word & ~PHASES_LOW) | ((word + PHASE_LOW) & PHASES_LOW);
    if ((word & PHASES_LOW) == 0)
        word += PHASE_HIGH; /* wraps around at the top of the word */
    return word & ~(RWAITS | RSLEEP);
}

/* -- Leaving: what the last holder owes to those who wait ----------------------- */

/* What the word becomes when nobody holds it any more, and who must be woken:
 * *channels is 0 if nobody. */
static uint64_t freed(uint64_t word, uint32_t *channels)
{
    *channels = 0;
    if ((word & RWAITS) != 0 && (word & WRITE) != 0) {
        *channels = (word & RSLEEP) != 0 ? CHANNEL_READERS : 0;
        word = admitted(unwritten(word));
    } else if ((word & STARVING) != 0) {
        *channels = CHANNEL_STARVING;
        word = unwritten(word) | RESERVED;
    } else {
        word = unwritten(word);
        if ((word & (WSLEEP | SPINNING)) == WSLEEP) {
            *channels = CHANNEL_WRITERS;
            word &= ~WSLEEP; /* the woken one sets it again if need be */
        }
    }
    return tidied(word);
}

static void wake(const pawl_rwlock *rw, uint32_t channels, bool shared)
{
    if (channels != 0 && shared && table_of(rw) != NULL)
        pawl_futex_wake(pawl_low_half(&rw->word_), PAWL_WAKE_ALL, true,
                        PAWL_CHANNEL_ANY); /* I9 */
    else if (channels != 0)
        pawl_futex_wake(pawl_low_half(&rw->word_),
                        channels == CHANNEL_READERS ? PAWL_WAKE_ALL : 1, shared,
                        channels);
}

/* A writer stops waiting: if none is left, readers that were held back may go
 * in. */
static uint64_t without_writer(uint64_t word, uint32_t *channels)
{
    *channels = 0;
    word -= WWAIT;
    if ((word & (WWAITS | WRITE | LOST)) == 0 && (word & RWAITS) != 0) {
        *channels = (word & RSLEEP) != 0 ? CHANNEL_READERS : 0;
        word = admitted(word);
    }
    return word;
}

/* -- Death of the writer ---------------------------------------------------------- */

/* writer_ when it names no writer; all zero bytes in the first process. */
static uint32_t nobody(bool shared)
{
    uint32_t mark = pawl_fork_mark(shared);

    return mark != 0 ? UNNAMED | mark : 0;
}

static bool is_nobody(uint32_t writer)
{
    return writer == 0 || (writer & UNNAMED) != 0;
}

static uint32_t writer_id(const pawl_rwlock *rw)
{
    /* relaxed: a hint, or our own; taking over is decided by a CAS. */
    return pawl_load_relaxed(&rw->writer_);
}

static uint32_t slot_of_writer(uint64_t word)
{
    return (uint32_t)(word / READER) & PAWL_SLOT_MASK;
}

static bool is_mine(const pawl_rwlock *rw)
{
    uint32_t me = is_shared(rw) ? pawl_realm_me(rw) : pawl_self_local();
    uint64_t word;

    if (writer_id(rw) != me || table_of(rw) == NULL)
        return writer_id(rw) == me;
    word = pawl_load64_relaxed(&rw->word_); /* relaxed: ours, if we hold it */
    return me != 0 && (word & WRITE) != 0 &&
           slot_of_writer(word) == (me & PAWL_SLOT_MASK);
}

static void bury(void *object, uint32_t dead_id)
{
    pawl_rwlock *rw = object;
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&rw->word_);

    while ((seen & WRITE) != 0 && writer_id(rw) == dead_id) {
        /* relaxed: publishes nothing; stops those about to sleep. */
        if (pawl_cas64_relaxed(&rw->word_, &seen, seen & ~(RSLEEP | WSLEEP))) {
            pawl_futex_wake(pawl_low_half(&rw->word_), PAWL_WAKE_ALL, false,
                            PAWL_CHANNEL_ANY);
            return;
        }
    }
}

/* For the walk of deadlock.c.  Who is named holds it for writing. */
static uint32_t newest_writer(void *rw)
{
    /* seq_cst: pairs with the acquire of writers: see deadlock.c. */
    uint32_t writer = pawl_add_seq(&((pawl_rwlock *)rw)->writer_, 0);

    return is_nobody(writer) ? 0 : writer;
}

static const struct pawl_lock_kind lock_kind = {bury, newest_writer};

/* Before setting WRITE (I6):
 *
 *   taker                              heir
 *   no NOBODY of before    (A)         finds WRITE, and a NOBODY of before (C)
 *   sets WRITE             (B)         puts its own name there             (D)
 *
 * If C saw B, then A would have to see D, or what came of it.  But A acquires
 * what D and erase release, so C happens before B. */
static bool is_unnamed(const pawl_rwlock *rw, bool shared)
{
    /* acquire: A, pairs with inherit and erase. */
    return pawl_load_acquire(&rw->writer_) == nobody(shared);
}

/* The same, done rather than asked.  Somebody who is named will be one of this
 * process. */
static void forget_vanished(pawl_rwlock *rw, bool shared)
{
    for (;;) {
        /* acquire: A, pairs with inherit and erase. */
        uint32_t seen = pawl_load_acquire(&rw->writer_);

        if (seen == nobody(shared) || !is_nobody(seen))
            return;
        /* relaxed: looked at again. */
        pawl_cas_relaxed(&rw->writer_, &seen, nobody(shared));
    }
}

/* We are the writer now. */
static void sign(pawl_rwlock *rw, uint32_t id)
{
    /* relaxed: in a region ordered by the note that is taken back after it; others only compare it with themselves, or, once we have ended,
     * with the dead. */
    pawl_store_relaxed(&rw->writer_, id);
}

/* We are about to stop being the writer: before the release, so that the next
 * writer's name stays. */
static void erase(pawl_rwlock *rw)
{
    if (table_of(rw) != NULL)
        return; /* I7 */
    /* release: pairs with is_unnamed. */
    pawl_store_release(&rw->writer_, nobody(is_shared(rw)));
}

/* Whether the lock has lost its writer: to its end, or in a fork. */
static bool is_orphaned(const pawl_rwlock *rw, uint64_t word, uint32_t writer)
{
    if ((word & WRITE) == 0 || is_shared(rw))
        return false;
    return is_nobody(writer) ? writer != nobody(false)
                             : !pawl_thread_alive(writer);
}

/* -- Waiting, the part that readers and writers share ----------------------------- */

struct contender {
    pawl_rwlock *rw;
    struct pawl_participants *table; /* of the region; NULL: it is in none */
    pawl_u64 *note;                  /* readers: where we note it there */
    pawl_deadline until;
    pawl_deadline since; /* writers: when it first fell asleep */
    uint64_t phase;      /* readers: when it began to wait */
    uint64_t duty;       /* writers: WSLEEP once woken */
    uint64_t mark;       /* writers: SPINNING or STARVING while it is ours */
    uint32_t id;
    bool shared;
    bool waiting; /* counted in the word */
};

/* -- In a region: notes, and what the dead have left ------------------------------ */

/* A note about a lock:
 *
 *    63           27 26        13 12    1     0
 *   +---------------+------------+-------+---------+
 *   | which lock, 0 | turn       | phase | WAITING |   of one who reads
 *   | means none    +------------+-------+---------+
 *   |               |        turn        | STARVES |   of one who wants to write
 *   +---------------+--------------------+---------+
 *
 * Who reads, or may, has one for each lock.  With WAITING it is among the readers
 * that wait, if the phase is that of the lock, and else among those who hold it.
 * The turn is another one each time, so that two looks tell whether there was a
 * change. */
#define NOTE_LOCK_SHIFT 27
#define NOTE_TURN (UINT64_C(1) << 13)
#define NOTE_TURNS (UINT64_C(0x3fff) << 13)
#define NOTE_WAITING UINT64_C(1)
#define NOTE_STARVES UINT64_C(1)

static uint64_t note_of(const struct pawl_participants *t, const pawl_rwlock *rw)
{
    return ((uint64_t)((uintptr_t)rw - (uintptr_t)t) >> 3) << NOTE_LOCK_SHIFT;
}

static bool is_note_of(uint64_t note, uint64_t lock)
{
    return note >> NOTE_LOCK_SHIFT == lock >> NOTE_LOCK_SHIFT;
}

static void take_note(pawl_u64 *note, uint64_t what)
{
    /* relaxed: our own. */
    uint64_t turn = (pawl_load64_relaxed(note) + NOTE_TURN) & NOTE_TURNS;

    /* release: pairs with census and is_orphaned_there.  With what comes before
     * when the note is taken back; a CAS that counts us releases it when not. */
    pawl_store64_release(note, what | turn);
}

static void note_nothing(pawl_u64 *note)
{
    if (note != NULL)
        take_note(note, 0);
}

static uint64_t note_of_phase(uint64_t word)
{
    return ((word & PHASES_LOW) / PHASE_LOW | (word & PHASES_HIGH) / PHASE_HIGH << 6)
           << 1;
}

/* One of the caller's notes about what it reads: the one of this lock, or if `lock`
 * is 0 a free one; NULL: there is none. */
static pawl_u64 *reader_note(struct pawl_participants *t, uint32_t me,
                             uint64_t lock)
{
    pawl_u64 *note = &t->slot[me & PAWL_SLOT_MASK].note[PAWL_NOTE_READS];

    for (int i = 0; i < PAWL_READS; i++)
        if (is_note_of(pawl_load64_relaxed(&note[i]), lock)) /* relaxed: ours */
            return &note[i];
    return NULL;
}

static pawl_u64 *writer_note(const struct contender *c)
{
    return &c->table->slot[c->id & PAWL_SLOT_MASK].note[PAWL_NOTE_MARK];
}

/* Whether nobody lives who could be the writer that the word names. */
static bool is_orphaned_there(const struct contender *c, uint64_t word)
{
    uint32_t slot = slot_of_writer(word);
    uint32_t id = pawl_participant_in(c->table, slot);

    if ((word & WRITE) == 0 || id == c->id)
        return (word & WRITE) != 0 && writer_id(c->rw) != id;
    /* acquire: pairs with the CAS that has set WRITE, for the note. */
    if (id == 0 || pawl_load64_acquire(&c->rw->word_) != word)
        return id == 0;
    /* acquire: pairs with take_note: the name is there before the note goes. */
    if (is_note_of(
            pawl_load64_acquire(&c->table->slot[slot].note[PAWL_NOTE_MARK]),
            note_of(c->table, c->rw)))
        return false;
    return writer_id(c->rw) != id;
}

/* Who has notes about a lock, and lives. */
struct census {
    uint64_t readers;
    uint64_t waiting;
    uint64_t writers;
    bool starves;
    uint64_t sum; /* of all notes, of other locks and of none too: another one if
                     any has changed, so also if one was there in between */
};

static void count_one(struct census *n, uint64_t note, uint64_t lock,
                      uint64_t phase)
{
    n->sum = (n->sum ^ note) * UINT64_C(0x100000001b3);
    if (!is_note_of(note, lock))
        return;
    if ((note & NOTE_WAITING) != 0 && (note & (NOTE_TURN - 2)) == phase)
        n->waiting++;
    else
        n->readers++;
}

static struct census count_living(const struct contender *c, uint64_t phase)
{
    struct census n = {0};
    uint64_t lock = note_of(c->table, c->rw);

    for (uint32_t i = 0; i < c->table->slots; i++) {
        pawl_u64 *note = c->table->slot[i].note;
        uint64_t wants;

        if (pawl_participant_in(c->table, i) == 0)
            continue;
        n.sum = (n.sum ^ i) * UINT64_C(0x100000001b3);
        /* acquire: pairs with take_note, as the one below. */
        wants = pawl_load64_acquire(&note[PAWL_NOTE_MARK]);
        n.sum = (n.sum ^ wants) * UINT64_C(0x100000001b3);
        if (is_note_of(wants, lock)) {
            n.writers++;
            n.starves = n.starves || (wants & NOTE_STARVES) != 0;
        }
        for (int k = 0; k < PAWL_READS; k++)
            /* acquire: pairs with take_note. */
            count_one(&n, pawl_load64_acquire(&note[PAWL_NOTE_READS + k]), lock,
                      phase);
    }
    return n;
}

static uint64_t at_most(uint64_t word, uint64_t mask, uint64_t one, uint64_t n)
{
    return (word & mask) / one > n ? (word & ~mask) | n * one : word;
}

/* The word without what the dead have left; *channels as freed. */
static uint64_t without_dead(uint64_t word, const struct census *n,
                             uint32_t *channels)
{
    *channels = 0;
    if ((word & WRITE) == 0)
        word = at_most(word, READERS, READER, n->readers);
    word = at_most(word, RWAITS, RWAIT, n->waiting);
    word = at_most(word, WWAITS, WWAIT, n->writers);
    if (!n->starves)
        word &= ~(STARVING | RESERVED);
    if ((word & (WRITE | READERS | WWAITS | LOST)) == 0 && (word & RWAITS) != 0)
        word = admitted(word);
    return tidied(word);
}

/* Correct the counts, alone.  Two looks find the same notes, free ones and those of
 * other locks included, which have another turn if they were ours in between: so these
 * were all there were between them, when the word was loaded, and whoever was counted
 * then is among them.  As nobody else takes out what the dead have left, the word, if
 * it is the same at the end, counts no more that live.  Returns whether it has
 * changed. */
static bool correct(const struct contender *c)
{
    for (int i = 0; i < LOOKS; i++) {
        /* acquire: pairs with the CAS of those who are counted, for their notes. */
        uint64_t phase = note_of_phase(pawl_load64_acquire(&c->rw->word_));
        struct census first = count_living(c, phase);
        uint64_t seen = pawl_load64_acquire(&c->rw->word_); /* acquire: as above */
        struct census n = count_living(c, phase);
        uint32_t channels;
        uint64_t as;

        if (n.sum != first.sum || note_of_phase(seen) != phase)
            continue;
        as = without_dead(seen, &n, &channels);
        if (as == seen)
            return false;
        /* release: the next holders synchronise with the one that died, by the
         * answer that it is dead, and with the releases before, which this
         * continues. */
        if (!pawl_cas64_release(&c->rw->word_, &seen, as))
            continue;
        pawl_futex_wake(pawl_low_half(&c->rw->word_), PAWL_WAKE_ALL, true,
                        PAWL_CHANNEL_ANY);
        return true;
    }
    return false; /* too much comes and goes: later */
}

/* Correct the counts by a census (I8), unless another is at it.  Returns whether they
 * have changed. */
static PAWL_COLD bool take_census(const struct contender *c)
{
    bool corrected;

    if (!pawl_census_begin(c->table, c->id, c->rw))
        return false;
    corrected = correct(c);
    pawl_census_end(c->table, c->rw);
    return corrected;
}

/* The lifelines that a sleeper watches besides the word. */
enum { LIFELINES = 15 };

struct bed {
    struct pawl_watch watch[1 + LIFELINES];
    uint32_t id[LIFELINES]; /* whose lifelines they are */
    size_t n;
    bool dead; /* somebody has notes who does not live */
};

static bool has_note(const struct contender *c, uint32_t slot)
{
    const pawl_u64 *note = &c->table->slot[slot].note[PAWL_NOTE_READS];
    uint64_t lock = note_of(c->table, c->rw);

    for (int k = 0; k < PAWL_READS; k++) {
        /* relaxed: ordered by the acquire in watch_holders. */
        uint64_t seen = pawl_load64_relaxed(&note[k]);

        if (is_note_of(seen, lock) && (seen & NOTE_WAITING) == 0)
            return true;
    }
    return false;
}

/* Watch those who hold the lock, as far as there is room. */
static void watch_holders(const struct contender *c, uint64_t word, struct bed *b)
{
    bool written = (word & WRITE) != 0;

    /* acquire: pairs with the CAS of those who are counted, for their notes. */
    (void)pawl_load64_acquire(&c->rw->word_);
    for (uint32_t i = 0; i < c->table->slots && b->n < LIFELINES; i++) {
        uint32_t id;

        if (written ? slot_of_writer(word) != i : !has_note(c, i))
            continue;
        id = pawl_participant_in(c->table, i);
        if (id == c->id)
            continue;
        if (pawl_participant_watch(c->table, id, &b->watch[1 + b->n]) != 0)
            b->dead = true;
        else
            b->id[b->n++] = id;
    }
}

static int sleep_in_region(const struct contender *c, uint64_t word)
{
    struct bed b = {
        .watch = {{pawl_low_half(&c->rw->word_), (uint32_t)word, true}}};
    bool look;
    int err;

    watch_holders(c, word, &b);
    if (b.dead && ((word & WRITE) != 0 || take_census(c)))
        return -EAGAIN;
    err = pawl_participant_sleep(b.watch, b.n + 1, c->until);
    look = err == -EINTR;
    for (size_t i = 0; i < b.n; i++)
        if (pawl_participant_bury(c->table, b.id[i]))
            look = true;
    if (look)
        take_census(c);
    return err;
}

/* Become the writer in place of a dead one. */
static bool inherit_there(const struct contender *c, uint64_t word)
{
    pawl_u64 *note = writer_note(c);
    bool noted = is_note_of(pawl_load64_relaxed(note), /* relaxed: our own */
                            note_of(c->table, c->rw));
    uint64_t as = (word & ~READERS) | DIED | (c->id & PAWL_SLOT_MASK) * READER;
    uint64_t seen = word;
    uint32_t dead = writer_id(c->rw);
    bool won;

    if (!is_orphaned_there(c, word))
        return false;
    if (!noted)
        take_note(note, note_of(c->table, c->rw));
    /* release: the note.  What the dead one did is ordered by the answer that it is
     * dead. */
    won = pawl_cas64_release(&c->rw->word_, &seen, as);
    if (won) {
        sign(c->rw, c->id);
        pawl_participant_buried(c->table, dead);
    }
    if (!noted)
        note_nothing(note);
    return won;
}

/* -- Becoming the writer, and sleeping --------------------------------------------- */

/* Become the writer in place of a lost one.  Returns whether we did. */
static bool inherit(const struct contender *c, uint64_t word)
{
    pawl_rwlock *rw = c->rw;
    uint32_t writer = writer_id(rw);

    if (c->table != NULL)
        return inherit_there(c, word);

    if (!is_orphaned(rw, word, writer))
        return false;
    /* acq_rel: D, pairs with is_unnamed; and with the end of the dead thread,
     * in pawl_thread_alive. */
    if (!pawl_cas_acq_rel(&rw->writer_, &writer, pawl_self_local()))
        return false;
    /* relaxed: we are the writer now. */
    while (!pawl_cas64_relaxed(&rw->word_, &word, word | DIED))
        ;
    return true;
}

static bool is_past(pawl_deadline until)
{
    return until != PAWL_FOREVER && (until <= 0 || until <= pawl_now());
}

/* Sleep until the low half is no longer that of `word`, which has our sleeper's
 * mark.  -EAGAIN: look again. */
static int sleep_on(const struct contender *c, uint64_t word, uint32_t channels)
{
    pawl_rwlock *rw = c->rw;
    pawl_u32 *half = pawl_low_half(&rw->word_);
    int err = -EAGAIN;

    if (c->table != NULL)
        return sleep_in_region(c, word);
    if (c->shared)
        return pawl_futex_wait(half, (uint32_t)word, c->until, true, channels);
    if (pawl_lock_wait_begins(rw, &lock_kind, newest_writer(rw), c->until) != 0)
        err = -EDEADLK;
    else if (!is_orphaned(rw, word, writer_id(rw)))
        err = pawl_futex_wait(half, (uint32_t)word, c->until, false, channels);
    pawl_wait_ends();
    return err;
}

/* Find out who we are to the lock.  0, or why that cannot be. */
static int introduce(struct contender *c)
{
    c->shared = is_shared(c->rw);
    if (c->shared)
        return pawl_realm_join(c->rw, &c->table, &c->id);
    c->id = pawl_self_local();
    return 0;
}

/* -- Reading ------------------------------------------------------------------------ */

static bool is_open_to_readers(uint64_t word)
{
    return (word & (WRITE | RESERVED | LOST | WWAITS)) == 0;
}

static bool is_admitted(const struct contender *c, uint64_t word)
{
    return c->waiting && (word & PHASES) != c->phase;
}

/* Read if the lock is open.  Returns 0, -EAGAIN, -ENOTRECOVERABLE, -EOVERFLOW. */
static int try_read(pawl_rwlock *rw, uint64_t *seen, bool shared)
{
    for (;;) {
        uint64_t word = settled(*seen, shared);

        if ((word & LOST) != 0)
            return -ENOTRECOVERABLE;
        if (!is_open_to_readers(word))
            return -EAGAIN;
        if (readers_of(word) == PAWL_RWLOCK_READERS_MAX)
            return -EOVERFLOW;
        /* acquire: pairs with the release in pawl_rwlock_write_unlock; release: in
         * a region, the note that we read. */
        if (pawl_cas64_acq_rel(&rw->word_, seen, word + READER))
            return 0;
    }
}

/* Note what we are about to be counted as. */
static void note_reading(const struct contender *c)
{
    if (c->note != NULL)
        take_note(c->note, note_of(c->table, c->rw));
}

static void note_waiting(const struct contender *c, uint64_t word)
{
    if (c->note != NULL)
        take_note(c->note, note_of(c->table, c->rw) | note_of_phase(word) |
                               NOTE_WAITING);
}

/* Count ourselves among those who wait.  Returns 0, or as try_read if that has
 * become possible. */
static int join_readers(struct contender *c, uint64_t *seen)
{
    for (;;) {
        int err;

        note_reading(c);
        err = try_read(c->rw, seen, c->shared);
        uint64_t word;

        if (err != -EAGAIN)
            return err == 0 ? 1 : err;
        word = settled(*seen, c->shared);
        if ((word & RWAITS) == RWAITS ||
            readers_of(word) + (word & RWAITS) / RWAIT >=
                PAWL_RWLOCK_READERS_MAX)
            return -EOVERFLOW;
        c->phase = word & PHASES;
        word = ((word + RWAIT) & ~FORK) | fork_bits(c->shared);
        note_waiting(c, word);
        /* release: the note. */
        if (pawl_cas64_release(&c->rw->word_, seen, word)) {
            c->waiting = true;
            *seen = word;
            return 0;
        }
    }
}

static bool spin_reading(const struct contender *c)
{
    struct pawl_spin spin;
    bool admitted_now;

    if (!c->shared && pawl_thread_is_here(writer_id(c->rw)))
        return false;
    if (!pawl_spin_begins(&spin, PAWL_SPIN_RWLOCK))
        return false;
    /* acquire: pairs with the release of whoever admits us. */
    while (!(admitted_now =
                 is_admitted(c, pawl_load64_acquire(&c->rw->word_))) &&
           pawl_spin_again(&spin))
        ;
    pawl_spin_ends(&spin, admitted_now);
    return admitted_now;
}

/* Stop waiting, unless admitted: returns whether we are. */
static bool leave_readers(struct contender *c)
{
    /* acquire: pairs with the release of whoever admits us. */
    uint64_t seen = pawl_load64_acquire(&c->rw->word_);

    for (;;) {
        if (is_admitted(c, seen))
            return true;
        /* relaxed: we have got nothing. */
        if (pawl_cas64_relaxed(&c->rw->word_, &seen, tidied(seen - RWAIT)))
            return false;
        seen = pawl_load64_acquire(&c->rw->word_); /* acquire: as above */
    }
}

/* Counted in rwait now: until admitted, or the deadline has passed. */
static int await_read(struct contender *c)
{
    if (spin_reading(c))
        return 0;
    for (;;) {
        /* acquire: pairs with the release of whoever admits us. */
        uint64_t seen = pawl_load64_acquire(&c->rw->word_);
        int err;

        if (is_admitted(c, seen))
            return 0;
        if ((seen & LOST) != 0)
            return leave_readers(c) ? 0 : -ENOTRECOVERABLE;
        if (inherit(c, seen)) {
            leave_readers(c); /* nobody admits while we are the writer */
            return -EOWNERDEAD;
        }
        /* relaxed: publishes nothing.  The kernel compares the low half under
         * its queue lock: it sees the admission, or that sees RSLEEP. */
        if ((seen & RSLEEP) == 0 &&
            !pawl_cas64_relaxed(&c->rw->word_, &seen, seen | RSLEEP))
            continue;
        err = sleep_on(c, seen | RSLEEP, CHANNEL_READERS);
        if (err == -ETIMEDOUT || err == -EDEADLK)
            return leave_readers(c) ? 0 : err;
    }
}

static int read_contended(struct contender *c, uint64_t seen)
{
    int err = try_read(c->rw, &seen, c->shared);

    if (err == -EAGAIN && c->table != NULL && is_past(c->until)) {
        take_census(c); /* who only tries must not be kept out by the dead */
        seen = pawl_load64_relaxed(&c->rw->word_); /* relaxed: a hint */
        err = try_read(c->rw, &seen, true);
    }
    if (err != -EAGAIN)
        return err;
    if (is_mine(c->rw))
        return -EDEADLK;
    if (inherit(c, seen))
        return -EOWNERDEAD;
    if (is_past(c->until))
        return -ETIMEDOUT;
    /* Leave the lock alone for a moment, as in mutex.c, before we wait. */
    if (pawl_spin_patiently(PAWL_SPIN_RWLOCK))
        seen = pawl_load64_relaxed(&c->rw->word_); /* relaxed: a hint */
    err = join_readers(c, &seen);
    if (err != 0)
        return err > 0 ? 0 : err;
    return await_read(c);
}

static PAWL_COLD int read_slow(pawl_rwlock *rw, pawl_deadline until)
{
    struct contender c = {.rw = rw, .until = until};
    /* relaxed: a hint; a CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&rw->word_);
    int err = introduce(&c);

    if (err != 0)
        return err;
    if (c.table != NULL) {
        c.note = reader_note(c.table, c.id, 0);
        if (c.note == NULL)
            return -EOVERFLOW;
        note_reading(&c);
    }
    err = read_contended(&c, seen);
    if (err == 0)
        note_reading(&c);
    else
        note_nothing(c.note);
    return err;
}

static int read_lock(pawl_rwlock *rw, pawl_deadline until)
{
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&rw->word_);

    if (pawl_likely((seen & ~(READERS | PHASES)) == 0 &&
                    (seen & READERS) != READERS) &&
        pawl_likely(table_of(rw) == NULL)) {
        if (pawl_single_threaded() && !is_shared(rw)) {
            pawl_store64_relaxed(&rw->word_, seen + READER); /* relaxed: alone */
            return 0;
        }
        /* acquire: pairs with the release in pawl_rwlock_write_unlock. */
        if (pawl_likely(pawl_cas64_acquire(&rw->word_, &seen, seen + READER)))
            return 0;
    }
    return read_slow(rw, until);
}

static PAWL_COLD int read_unlock_slow(pawl_rwlock *rw)
{
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&rw->word_);
    bool shared = is_shared(rw);
    uint32_t channels;
    uint64_t as;

    do {
        if (readers_of(seen) == 0)
            return -EPERM;
        as = settled(seen, shared) - READER;
        channels = 0;
        if ((as & READERS) == 0 && (as & WWAITS) != 0)
            as = freed(as, &channels);
        /* release: pairs with the acquire in take_write. */
    } while (!pawl_cas64_release(&rw->word_, &seen, as));
    wake(rw, channels, shared);
    return 0;
}

/* In a region: the caller's read lock, as its notes say. */
static PAWL_COLD int read_unlock_there(pawl_rwlock *rw,
                                       struct pawl_participants *t)
{
    uint32_t me = pawl_realm_me(rw);
    pawl_u64 *note = me != 0 ? reader_note(t, me, note_of(t, rw)) : NULL;
    int err = note != NULL ? read_unlock_slow(rw) : -EPERM;

    if (err == 0)
        note_nothing(note);
    return err;
}

static int read_unlock(pawl_rwlock *rw)
{
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&rw->word_);
    struct pawl_participants *t = table_of(rw);

    if (pawl_unlikely(t != NULL))
        return read_unlock_there(rw, t);
    if (pawl_likely((seen & ~(READERS | PHASES)) == 0 &&
                    (seen & READERS) != 0)) {
        if (pawl_single_threaded() && !is_shared(rw)) {
            pawl_store64_relaxed(&rw->word_, seen - READER); /* relaxed: alone */
            return 0;
        }
        /* release: pairs with the acquire in take_write. */
        if (pawl_likely(pawl_cas64_release(&rw->word_, &seen, seen - READER)))
            return 0;
    }
    return read_unlock_slow(rw);
}

/* -- Writing ------------------------------------------------------------------------ */

/* Take the lock for writing if it is free (for us).  Returns 0, -EAGAIN,
 * -EOWNERDEAD or -ENOTRECOVERABLE; *seen is fresh if it failed. */
static int take_write(struct contender *c, uint64_t *seen)
{
    for (;;) {
        uint64_t word = settled(*seen, c->shared);
        uint64_t as = word | WRITE;

        if ((word & LOST) != 0)
            return -ENOTRECOVERABLE;
        if ((word & WRITE) != 0 && inherit(c, *seen))
            return -EOWNERDEAD;
        if ((word & (WRITE | READERS)) != 0 ||
            ((word & RESERVED) != 0 && c->mark != STARVING))
            return -EAGAIN;
        as &= ~(RESERVED | c->mark);
        if (c->table != NULL)
            as |= (c->id & PAWL_SLOT_MASK) * READER; /* I7 */
        if ((as & RWAITS) == 0)
            as &= ~PHASES_LOW;
        if (c->waiting)
            as -= WWAIT;
        if ((as & WWAITS) != 0)
            as |= c->duty;
        forget_vanished(c->rw, c->shared);
        /* acquire: pairs with the release in read_unlock and write_unlock; release:
         * in a region, the note that we want to write. */
        if (pawl_cas64_acq_rel(&c->rw->word_, seen, tidied(as))) {
            sign(c->rw, c->id);
            return 0;
        }
    }
}

/* What the word becomes when this writer stops waiting without the lock. */
static uint64_t departed(const struct contender *c, uint64_t word,
                         uint32_t *channels)
{
    *channels = 0;
    if (!c->waiting)
        return word;
    word = without_writer(word & ~c->mark, channels);
    if ((word & WWAITS) != 0)
        word |= c->duty;
    return tidied(word);
}

/* The lock has become ours in another way: only our traces are to go. */
static int leave(const struct contender *c, uint64_t *seen, int err)
{
    uint32_t channels;

    /* relaxed: publishes nothing; nobody is admitted while we hold it. */
    while (!pawl_cas64_relaxed(
        &c->rw->word_, seen,
        departed(c, settled(*seen, c->shared), &channels)))
        ;
    return err;
}

/* The wait is over, for this reason: take the lock if it is ours to take, else
 * leave. */
static int give_up(struct contender *c, uint64_t *seen, int reason)
{
    for (;;) {
        int err = take_write(c, seen);
        uint32_t channels;

        if (err == 0)
            return 0;
        if (err == -EOWNERDEAD)
            return leave(c, seen, err);
        /* relaxed: publishes nothing; readers that this admits synchronise
         * with the release before it, which it continues. */
        if (pawl_cas64_relaxed(&c->rw->word_, seen,
                               departed(c, settled(*seen, c->shared),
                                        &channels))) {
            wake(c->rw, channels, c->shared);
            return err == -EAGAIN ? reason : err;
        }
    }
}

static int spin_writing(struct contender *c, uint64_t *seen)
{
    struct pawl_spin spin;
    int err = -EAGAIN;

    if (c->table != NULL || (*seen & (SPINNING | STARVING)) != 0)
        return err; /* I9 */
    if (!c->shared && (*seen & WRITE) != 0 &&
        pawl_thread_is_here(writer_id(c->rw)))
        return err;
    if (!pawl_spin_begins(&spin, PAWL_SPIN_RWLOCK))
        return err;
    /* relaxed: publishes nothing. */
    if (!pawl_cas64_relaxed(&c->rw->word_, seen, *seen | SPINNING))
        return take_write(c, seen); /* it may be free now */
    c->mark = SPINNING;
    do {
        *seen = pawl_load64_relaxed(&c->rw->word_); /* relaxed: a hint */
        err = take_write(c, seen);
    } while (err == -EAGAIN && pawl_spin_again(&spin));
    pawl_spin_ends(&spin, err == 0);
    return err;
}

/* Before holding newcomers back, leave the lock alone for a moment, as in
 * mutex.c. */
static int hesitate(struct contender *c, uint64_t *seen)
{
    if (!pawl_spin_patiently(PAWL_SPIN_RWLOCK))
        return -EAGAIN;
    *seen = pawl_load64_relaxed(&c->rw->word_); /* relaxed: a hint */
    return take_write(c, seen);
}

/* Count ourselves among the writers that wait, which holds new readers back.
 * Returns 0, or what take_write returns if it does. */
static int join_writers(struct contender *c, uint64_t *seen)
{
    for (;;) {
        int err = take_write(c, seen);
        uint64_t word = settled(*seen, c->shared);

        if (err != -EAGAIN)
            return err == 0 ? 1 : err;
        if ((word & WWAITS) == WWAITS)
            return -EOVERFLOW;
        word = ((word + WWAIT) & ~FORK) | fork_bits(c->shared);
        /* release: in a region, the note that we want to write. */
        if (pawl_cas64_release(&c->rw->word_, seen, word)) {
            c->waiting = true;
            *seen = word;
            return 0;
        }
    }
}

/* Sleep until the lock may be ours. */
static int sleep_writing(struct contender *c, uint64_t seen)
{
    uint64_t mark = c->mark & STARVING;
    uint64_t as = (seen & ~(c->mark & SPINNING)) | WSLEEP;

    if (c->mark == 0 && c->duty != 0 && (seen & STARVING) == 0 &&
        pawl_now() - c->since >= STARVING_AFTER_NS)
        mark = STARVING;
    as |= mark;
    if (mark != 0 && c->mark == 0 && c->table != NULL)
        take_note(writer_note(c), note_of(c->table, c->rw) | NOTE_STARVES);
    /* release: the note.  The kernel compares the low half under its queue lock: it
     * sees the release, or the release sees WSLEEP. */
    if (as != seen && !pawl_cas64_release(&c->rw->word_, &seen, as))
        return -EAGAIN;
    c->mark = mark;
    if (c->since == 0)
        c->since = pawl_now();
    return sleep_on(c, as, mark != 0 ? CHANNEL_STARVING : CHANNEL_WRITERS);
}

/* Counted in wwait now: until the lock is ours or the deadline has passed. */
static int await_write(struct contender *c, uint64_t *seen)
{
    bool may_spin = true;

    for (;;) {
        int err = take_write(c, seen);

        if (err == -EAGAIN && may_spin)
            err = spin_writing(c, seen);
        may_spin = false;
        if (err == 0)
            return 0;
        if (err == -EAGAIN)
            err = sleep_writing(c, *seen);
        if (err == 0) {
            c->duty = WSLEEP;
            may_spin = true;
        }
        *seen = pawl_load64_relaxed(&c->rw->word_); /* relaxed: a hint */
        if (err == -EOWNERDEAD)
            return leave(c, seen, err);
        if (err == -ETIMEDOUT || err == -ENOTRECOVERABLE || err == -EDEADLK)
            return give_up(c, seen, err);
    }
}

/* In a region the caller's notes tell that it would wait for itself. */
static bool is_reading(const struct contender *c)
{
    return c->table != NULL &&
           reader_note(c->table, c->id, note_of(c->table, c->rw)) != NULL;
}

static int write_contended(struct contender *c, uint64_t seen)
{
    int err = take_write(c, &seen);

    if (err == -EAGAIN && c->table != NULL && is_past(c->until)) {
        take_census(c); /* who only tries must not be kept out by the dead */
        seen = pawl_load64_relaxed(&c->rw->word_); /* relaxed: a hint */
        err = take_write(c, &seen);
    }
    if (err != -EAGAIN)
        return err;
    if (is_mine(c->rw) || is_reading(c))
        return -EDEADLK;
    if (is_past(c->until))
        return -ETIMEDOUT;
    err = hesitate(c, &seen);
    if (err != -EAGAIN)
        return err;
    err = join_writers(c, &seen);
    if (err != 0)
        return err > 0 ? 0 : err;
    return await_write(c, &seen);
}

static PAWL_COLD int write_slow(pawl_rwlock *rw, pawl_deadline until)
{
    struct contender c = {.rw = rw, .until = until};
    /* relaxed: a hint; a CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&rw->word_);
    int err = introduce(&c);

    if (err != 0)
        return err;
    if (c.table != NULL)
        take_note(writer_note(&c), note_of(c.table, rw));
    err = write_contended(&c, seen);
    if (c.table != NULL)
        note_nothing(writer_note(&c));
    return err;
}

static int write_lock(pawl_rwlock *rw, pawl_deadline until)
{
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&rw->word_);

    bool shared = is_shared(rw);

    if (pawl_likely((seen & ~PHASES) == 0) &&
        pawl_likely(table_of(rw) == NULL) &&
        pawl_likely(is_unnamed(rw, shared))) {
        uint32_t id = pawl_self_id(shared);
        uint64_t as = (seen & ~PHASES_LOW) | WRITE;

        if (pawl_single_threaded() && !shared) {
            pawl_store64_relaxed(&rw->word_, as); /* relaxed: alone */
            sign(rw, id);
            return 0;
        }
        /* acquire: pairs with the release in read_unlock and write_unlock. */
        if (pawl_likely(pawl_cas64_acquire(&rw->word_, &seen, as))) {
            sign(rw, id);
            return 0;
        }
    }
    return write_slow(rw, until);
}

/* Everything but "held, repaired, and nobody waits". */
static PAWL_COLD void write_unlock_slow(pawl_rwlock *rw)
{
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&rw->word_);
    bool shared = is_shared(rw);
    uint32_t channels;
    bool lost;
    uint64_t as;

    do {
        lost = (seen & DIED) != 0;
        as = freed(settled(seen, shared), &channels);
        if (lost)
            as = (unwritten(settled(seen, shared)) &
                  ~(DIED | RESERVED | RSLEEP | WSLEEP)) |
                 LOST; /* admits nobody */
        /* release: pairs with the acquire of the next holders. */
    } while (!pawl_cas64_release(&rw->word_, &seen, as));
    if (lost)
        pawl_futex_wake(pawl_low_half(&rw->word_), PAWL_WAKE_ALL, shared,
                        PAWL_CHANNEL_ANY);
    else
        wake(rw, channels, shared);
}

static int write_unlock(pawl_rwlock *rw)
{
    if (!is_mine(rw))
        return -EPERM;
    erase(rw);
    if (pawl_single_threaded() && !is_shared(rw) &&
        pawl_load_low_relaxed(&rw->word_) == WRITE) /* relaxed: alone */
        pawl_store_low_relaxed(&rw->word_, 0);      /* relaxed: alone */
    /* release: pairs with the acquire of the next holders; that nobody needs to
     * be woken is I4. */
    else if (pawl_unlikely(table_of(rw) != NULL) ||
             pawl_unlikely(!pawl_cas_low_release(&rw->word_, WRITE, 0)))
        write_unlock_slow(rw);
    return 0;
}

static int downgrade(pawl_rwlock *rw)
{
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&rw->word_);
    bool shared = is_shared(rw);
    struct pawl_participants *t = table_of(rw);
    pawl_u64 *note = NULL;
    uint32_t me = writer_id(rw);
    uint32_t channels;
    uint64_t as;

    if (!is_mine(rw) || (seen & DIED) != 0)
        return -EPERM;
    if (t != NULL) {
        note = reader_note(t, me, 0);
        if (note == NULL)
            return -EOVERFLOW;
        take_note(note, note_of(t, rw));
    }
    erase(rw);
    do {
        as = settled(seen, shared);
        if ((as & RWAITS) / RWAIT == PAWL_RWLOCK_READERS_MAX) {
            sign(rw, me); /* still ours */
            note_nothing(note);
            return -EOVERFLOW;
        }
        channels = (as & RSLEEP) != 0 ? CHANNEL_READERS : 0;
        as = tidied(admitted(unwritten(as)) + READER);
        /* release: pairs with the acquire of the readers. */
    } while (!pawl_cas64_release(&rw->word_, &seen, as));
    wake(rw, channels, shared);
    return 0;
}

/* -- The public face ------------------------------------------------------------------ */

/* Calls a lock function between the sanitizer's hooks. */
static PAWL_COLD int lock_annotated(pawl_rwlock *rw, pawl_deadline until,
                                    bool reading)
{
    unsigned flags = (reading ? PAWL_TSAN_READ : 0u) |
                     (until != PAWL_FOREVER || pawl_self_.interruptible != 0
                          ? PAWL_TSAN_TRY
                          : 0u);
    int err;

    pawl_tsan_locking(rw, flags);
    err = reading ? read_lock(rw, until) : write_lock(rw, until);
    if (err == -EOWNERDEAD)
        flags &= ~(unsigned)PAWL_TSAN_READ; /* it became a writer */
    pawl_tsan_locked(rw, flags, err == 0 || err == -EOWNERDEAD);
    return err;
}

int pawl_rwlock_init(pawl_rwlock *rw, unsigned flags)
{
    if ((flags & ~(unsigned)PAWL_SHARED) != 0)
        return -EINVAL;
    rw->mode_ = flags;
    pawl_store_relaxed(&rw->writer_, 0); /* relaxed: nobody uses it yet */
    pawl_store64_relaxed(&rw->word_, 0); /* relaxed: as above */
    pawl_lock_changes(rw);
    if (pawl_tsan_on())
        pawl_tsan_created(rw);
    return 0;
}

int pawl_rwlock_destroy(pawl_rwlock *rw)
{
    /* acquire: pairs with the release of the last unlock. */
    uint64_t seen = pawl_load64_acquire(&rw->word_);

    seen = settled(seen, is_shared(rw));
    if ((seen & (WRITE | READERS | RWAITS | WWAITS)) != 0)
        return -EBUSY;
    pawl_lock_changes(rw);
    if (pawl_tsan_on())
        pawl_tsan_destroyed(rw);
    return 0;
}

int pawl_rwlock_read_lock_until(pawl_rwlock *rw, pawl_deadline until)
{
    if (pawl_tsan_on())
        return lock_annotated(rw, until, true);
    return read_lock(rw, until);
}

int pawl_rwlock_read_lock(pawl_rwlock *rw)
{
    return pawl_rwlock_read_lock_until(rw, PAWL_FOREVER);
}

/* A try form reports that it would have to wait, also for itself. */
static int as_try(int err)
{
    return err == -ETIMEDOUT || err == -EDEADLK ? -EAGAIN : err;
}

int pawl_rwlock_try_read_lock(pawl_rwlock *rw)
{
    return as_try(pawl_rwlock_read_lock_until(rw, 0));
}

int pawl_rwlock_read_unlock(pawl_rwlock *rw)
{
    int err;

    if (!pawl_tsan_on())
        return read_unlock(rw);
    if (pawl_rwlock_readers(rw) == 0) {
        pawl_tsan_wrong_unlock(rw);
        return -EPERM;
    }
    pawl_tsan_unlocking(rw, PAWL_TSAN_READ);
    err = read_unlock(rw);
    pawl_tsan_unlocked(rw, PAWL_TSAN_READ);
    return err;
}

int pawl_rwlock_write_lock_until(pawl_rwlock *rw, pawl_deadline until)
{
    if (pawl_tsan_on())
        return lock_annotated(rw, until, false);
    return write_lock(rw, until);
}

int pawl_rwlock_write_lock(pawl_rwlock *rw)
{
    return pawl_rwlock_write_lock_until(rw, PAWL_FOREVER);
}

int pawl_rwlock_try_write_lock(pawl_rwlock *rw)
{
    return as_try(pawl_rwlock_write_lock_until(rw, 0));
}

int pawl_rwlock_write_unlock(pawl_rwlock *rw)
{
    int err;

    if (!pawl_tsan_on())
        return write_unlock(rw);
    if (!is_mine(rw)) {
        pawl_tsan_wrong_unlock(rw);
        return -EPERM;
    }
    pawl_tsan_unlocking(rw, 0);
    err = write_unlock(rw);
    pawl_tsan_unlocked(rw, 0);
    return err;
}

int pawl_rwlock_downgrade(pawl_rwlock *rw)
{
    bool annotate = pawl_tsan_on() && is_mine(rw);
    int err;

    /* To the sanitizer, the write lock is given up and a read lock taken. */
    if (annotate)
        pawl_tsan_unlocking(rw, 0);
    err = downgrade(rw);
    if (annotate) {
        pawl_tsan_unlocked(rw, 0);
        pawl_tsan_locking(rw, PAWL_TSAN_TRY | (err == 0 ? PAWL_TSAN_READ : 0u));
        pawl_tsan_locked(rw, PAWL_TSAN_TRY | (err == 0 ? PAWL_TSAN_READ : 0u),
                         true);
    }
    return err;
}

int pawl_rwlock_consistent(pawl_rwlock *rw)
{
    /* relaxed: ours, if we are the writer. */
    uint64_t seen = pawl_load64_relaxed(&rw->word_);

    if (!is_mine(rw))
        return -EPERM;
    if ((seen & DIED) == 0)
        return -EINVAL;
    /* relaxed: the unlock publishes it. */
    while (!pawl_cas64_relaxed(&rw->word_, &seen, seen & ~DIED))
        ;
    return 0;
}

uint32_t pawl_rwlock_readers(const pawl_rwlock *rw)
{
    return (uint32_t)readers_of(pawl_load64_relaxed(&rw->word_)); /* relaxed:
                                                                     snapshot */
}

bool pawl_rwlock_is_write_locked(const pawl_rwlock *rw)
{
    return (pawl_load64_relaxed(&rw->word_) & WRITE) != 0; /* relaxed: snapshot */
}

bool pawl_rwlock_is_mine(const pawl_rwlock *rw)
{
    return is_mine(rw);
}

pawl_rwlock_guard pawl_rwlock_guard_read(pawl_rwlock *rw, pawl_deadline until)
{
    int err = pawl_rwlock_read_lock_until(rw, until);
    pawl_rwlock_guard g = {rw, err, err == -EOWNERDEAD};

    if (err < 0 && err != -EOWNERDEAD)
        g.rwlock = NULL;
    return g;
}

pawl_rwlock_guard pawl_rwlock_guard_write(pawl_rwlock *rw, pawl_deadline until)
{
    pawl_rwlock_guard g = {rw, pawl_rwlock_write_lock_until(rw, until), true};

    if (g.err < 0 && g.err != -EOWNERDEAD)
        g.rwlock = NULL;
    return g;
}

void pawl_rwlock_guard_end(pawl_rwlock_guard *g)
{
    if (g->rwlock == NULL)
        return;
    if (g->writing)
        pawl_rwlock_write_unlock(g->rwlock);
    else
        pawl_rwlock_read_unlock(g->rwlock);
    g->rwlock = NULL;
}
