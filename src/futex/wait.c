/* SPDX-License-Identifier: MIT
 *
 * wait.c - the wait sets of pawl/wait.h, on what waitable.h asks of the objects.
 *
 *   watcher                            change to ready
 *   leaves marks          (A)          changes the object    (C)
 *   looks at the objects  (B)          finds the mark        (D)
 *   sleeps on what the marks           takes it away, wakes all
 *   left behind
 *
 * Mark and state are in one word, or both sides are seq_cst (queue): it cannot be
 * that B misses C and D misses A.  If D comes after B, the word to sleep on has
 * changed, or the wake finds the sleeper.
 *
 * The kernel watches the words of all objects for one sleeper.  Where it cannot,
 * a watcher sleeps on the bell instead: one event count for all local objects of
 * the process, which is rung whenever watchers of a local object are woken.  The
 * bell of another process cannot be rung, so those who sleep on it look at shared
 * objects now and then, unless the kernel watches these beside the bell.
 *
 * If a descriptor is among the items (a connection, a process), all sleep is in
 * poll, on these and on a descriptor that is written to when the bell is rung.
 */
#include <pawl/error.h>
#include <pawl/wait.h>

#include "atomic/ops.h"
#include "base/compiler.h"
#include "futex/doorbell.h"
#include "futex/eventcount.h"
#include "futex/lifeline.h"
#include "futex/spin.h"
#include "futex/waitable.h"

/* Between looks at objects that cannot wake who waits. */
#define PAUSE_FIRST_NS 50000
#define PAUSE_MOST_NS 2000000

/* The budget of a spin is in pauses; so many objects are looked at in the time of
 * one: 3 ns each, and 13 ns.  bench_wait, wait64. */
#define LOOKS_PER_PAUSE 4

static pawl_eventcount bell = PAWL_EVENTCOUNT_INIT;

struct set {
    pawl_wait_item *items;
    size_t n;
    int64_t pause;    /* before the next look, where looking is all there is */
    bool mortal;      /* it has items that somebody may die holding */
    bool polls;       /* it has items with descriptors */
    bool asks_kernel; /* it has items at which a look is not cheap */
};

/* -- Waking ------------------------------------------------------------------ */

void pawl_watchers_wake(pawl_u32 *word, bool shared)
{
    uint64_t seen;

    pawl_futex_wake(word, PAWL_WAKE_ALL, shared, PAWL_CHANNEL_ANY);
    if (shared)
        return;
    /* seq_cst: pairs with add64_seq in prepare.  A read-modify-write, which
     * finds the last count: either it finds the watcher, or the watcher, which
     * was counted later, sees the object as it is now. */
    seen = pawl_add64_seq(&bell.word_, 0);
    if (pawl_unlikely(seen >= PAWL_EVENTCOUNT_WAITER)) {
        pawl_eventcount_wake(&bell, seen, UINT32_MAX);
        pawl_doorbells_ring();
    }
}

/* -- Looking ----------------------------------------------------------------- */

/* Where to begin: behind the last one found; in a new set, anywhere. */
static size_t first_of(const struct set *s)
{
    uint32_t turn = s->items[0].turn_;

    if (turn != 0)
        return turn % s->n;
    pawl_self_.turn = pawl_self_.turn * 1664525 + 1013904223;
    return (size_t)(((uint64_t)pawl_self_.turn * s->n) >> 32);
}

/* Look at all until one has an answer other than -EAGAIN. */
static int look(struct set *s, bool first, size_t *which)
{
    size_t i = s->n != 0 ? first_of(s) : 0;

    for (size_t k = 0; k < s->n; k++, i = i + 1 < s->n ? i + 1 : 0) {
        pawl_wait_item *item = &s->items[i];
        int err = item->how_->look(item, first);

        if (err == -EAGAIN)
            continue;
        s->items[0].turn_ = (uint32_t)i + 1;
        if (which != NULL)
            *which = i;
        return err;
    }
    return -EAGAIN;
}

/* -- Sleeping ---------------------------------------------------------------- */

/* A pawl_bury_fn, for a thread that dies while we sleep. */
static void bury(void *set, uint32_t dead_id)
{
    const struct set *s = set;

    for (size_t i = 0; i < s->n; i++) {
        const pawl_wait_item *item = &s->items[i];

        if (item->how_->bury != NULL)
            item->how_->bury(item->object_, dead_id);
    }
}

static bool is_decided(const struct set *s)
{
    bool decided = false;

    for (size_t i = 0; i < s->n && !decided; i++) {
        const pawl_wait_item *item = &s->items[i];

        if (item->how_->is_decided != NULL)
            decided = item->how_->is_decided(item->object_);
    }
    return decided;
}

/* What to sleep on. */
struct bed {
    struct pawl_watch watch[PAWL_WATCH_MAX];
    size_t watches;
    struct pollfd poll[PAWL_WATCH_MAX];
    size_t polls;
    size_t marked; /* of the items */
    uint32_t key;  /* of the bell */
    int doorbell;  /* for polling; -1: none */
    bool rung;     /* local objects ring the bell */
    bool polled;   /* some shared ones cannot wake us */
    bool mortal;   /* who would wake us may die first: look now and then */
    bool dozes;    /* other processes would wake us: the same */
};

/* Where the bell is heard by those who poll. */
static void take_doorbell(struct bed *b)
{
    b->doorbell = pawl_doorbell_take();
    if (b->doorbell < 0)
        b->polled = true;
    else
        b->poll[b->polls++] = (struct pollfd){
            .fd = pawl_doorbell_fd(b->doorbell), .events = POLLIN};
}

static void choose_bed(struct bed *b, const struct set *s)
{
    b->watches = 0;
    b->polls = 0;
    b->marked = 0;
    b->doorbell = -1;
    b->polled = false;
    b->mortal = false;
    b->dozes = false;
    if (s->polls)
        take_doorbell(b);
    /* For one, any kernel will do; of nothing, the bell will tell. */
    b->rung = s->n == 0 || s->n > PAWL_WATCH_MAX || s->polls ||
              (s->n > 1 && !pawl_futex_can_wait_any());
    if (b->rung) {
        b->key = pawl_eventcount_prepare(&bell);
        b->watch[b->watches++] =
            (struct pawl_watch){pawl_low_half(&bell.word_), b->key, false};
    }
}

static void leave_bed(const struct bed *b, const struct set *s)
{
    for (size_t i = 0; i < b->marked; i++)
        if (s->items[i].how_->leave_bed != NULL)
            s->items[i].how_->leave_bed(&s->items[i]);
    if (b->rung)
        pawl_eventcount_cancel(&bell, b->key);
    if (b->doorbell >= 0)
        pawl_doorbell_leave(b->doorbell);
}

/* False: it is ready. */
static bool add_descriptor(struct bed *b, const pawl_wait_item *item)
{
    struct pollfd p;
    enum pawl_bed how = item->how_->bed(item, &p);

    if (how == PAWL_BED_EXACT && b->polls < PAWL_WATCH_MAX)
        b->poll[b->polls++] = p;
    else
        b->polled = true;
    return how != PAWL_BED_NONE;
}

static void add_watch(struct bed *b, const struct set *s, struct pawl_watch w)
{
    size_t most = s->polls || (b->rung && !pawl_futex_can_wait_any())
                      ? 1
                      : PAWL_WATCH_MAX;

    if (b->watches < most)
        b->watch[b->watches++] = w;
    else
        b->polled = true;
}

/* Leave all marks.  False: something is ready. */
static bool leave_marks(struct bed *b, const struct set *s)
{
    for (size_t i = 0; i < s->n; b->marked = ++i) {
        const pawl_wait_item *item = &s->items[i];
        struct pawl_watch w;
        int holder = 0;

        if (item->how_->bed != NULL) {
            if (!add_descriptor(b, item))
                return false;
            continue;
        }
        if (!item->how_->watch(item, &w))
            return false;
        if (!b->rung || w.shared)
            add_watch(b, s, w);
        b->mortal = b->mortal || item->how_->wakers_die;
        b->dozes = b->dozes || w.shared;
        if (w.shared && item->how_->watch_holder != NULL)
            holder = item->how_->watch_holder(item->object_, &w);
        if (holder < 0)
            return false;
        if (holder > 0) {
            add_watch(b, s, w);
            b->mortal = true;
        }
    }
    return true;
}

/* As pawl_futex_wait.  Who stops this thread rings the bell. */
static int sleep_in_poll(struct bed *b, pawl_deadline until)
{
    int r;

    if (pawl_futex_is_stopped())
        return -ETIMEDOUT;
    r = pawl_poll_until(b->poll, b->polls, until);
    return r == 0 || pawl_futex_is_stopped() ? -ETIMEDOUT : 0;
}

/* As pawl_futex_wait. */
static int sleep_in(struct bed *b, struct set *s, pawl_deadline until)
{
    pawl_deadline look_at = b->dozes ? pawl_after_ms(PAWL_DOZE_MS) : until;
    pawl_deadline end;
    int err;

    if (b->polled) {
        look_at = pawl_after_ns(s->pause);
        if (s->pause < PAUSE_MOST_NS)
            s->pause *= 2;
    }
    end = look_at < until ? look_at : until;
    if (s->polls)
        err = sleep_in_poll(b, end);
    else if (b->mortal)
        err = pawl_participant_sleep(b->watch, b->watches, end);
    else if (b->watches == 1)
        err = pawl_futex_wait(b->watch[0].word, b->watch[0].expected, end,
                              b->watch[0].shared, PAWL_CHANNEL_ANY);
    else
        err = pawl_futex_wait_any(b->watch, b->watches, end);
    return err == -ETIMEDOUT && end != until && !pawl_self_.interrupted ? 0
                                                                        : err;
}

/* Sleep until something changes.  -ETIMEDOUT: look once more. */
static int sleep_on(struct set *s, pawl_deadline until)
{
    struct bed b;
    int err = -EAGAIN;

    choose_bed(&b, s);
    if (leave_marks(&b, s)) {
        if (s->mortal)
            pawl_wait_begins(s, bury);
        if (!s->mortal || !is_decided(s))
            err = sleep_in(&b, s, until);
        if (s->mortal)
            pawl_wait_ends();
    }
    leave_bed(&b, s);
    return err;
}

static bool spin(struct set *s, size_t *which, int *err)
{
    struct pawl_spin spin;

    if (!pawl_spin_begins(&spin, PAWL_SPIN_WAIT))
        return false;
    while ((*err = look(s, false, which)) == -EAGAIN && pawl_spin_again(&spin))
        spin.spent += (uint32_t)(s->n / LOOKS_PER_PAUSE);
    pawl_spin_ends(&spin, *err != -EAGAIN);
    return *err != -EAGAIN;
}

/* Nothing is ready, so far. */
static PAWL_COLD int await(struct set *s, pawl_deadline until, size_t *which)
{
    int slept = until <= 0 ? -ETIMEDOUT : 0;
    int err;

    if (slept == 0 && !s->asks_kernel && spin(s, which, &err))
        return err;
    for (;;) {
        if (slept == -ETIMEDOUT)
            return slept;
        slept = sleep_on(s, until);
        err = look(s, false, which);
        if (err != -EAGAIN)
            return err;
    }
}

/* -- One of them -------------------------------------------------------------- */

/* False: not made by a macro of pawl/wait.h. */
static bool make_set(struct set *s, pawl_wait_item *items, size_t n)
{
    *s = (struct set){.items = items, .n = n, .pause = PAUSE_FIRST_NS};
    for (size_t i = 0; i < n; i++) {
        const struct pawl_waitable *how = items[i].how_;

        if (how == NULL)
            return false;
        s->mortal = s->mortal || how->bury != NULL;
        s->polls = s->polls || how->bed != NULL;
        s->asks_kernel = s->asks_kernel || how->asks_kernel;
    }
    return true;
}

int pawl_wait_any_until(pawl_wait_item *items, size_t n, pawl_deadline until,
                        size_t *which)
{
    struct set s;
    int err;

    if (!make_set(&s, items, n) || (n == 0 && until == PAWL_FOREVER))
        return -EINVAL;
    err = look(&s, true, which);
    return err == -EAGAIN ? await(&s, until, which) : err;
}

int pawl_wait_any(pawl_wait_item *items, size_t n, size_t *which)
{
    return pawl_wait_any_until(items, n, PAWL_FOREVER, which);
}

int pawl_wait_try_any(pawl_wait_item *items, size_t n, size_t *which)
{
    int err = pawl_wait_any_until(items, n, 0, which);

    return err == -ETIMEDOUT ? -EAGAIN : err;
}

/* -- All of them -------------------------------------------------------------- */

static bool takes(const pawl_wait_item *item)
{
    return item->how_->acquire_until != NULL;
}

/* Whether a is taken before b: locks last, and by address. */
static bool precedes(const pawl_wait_item *a, const pawl_wait_item *b)
{
    if (a->how_->is_lock != b->how_->is_lock)
        return b->how_->is_lock;
    return (uintptr_t)a->object_ < (uintptr_t)b->object_;
}

static bool takes_twice(const struct set *s)
{
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < i && takes(&s->items[i]); k++)
            if (s->items[k].object_ == s->items[i].object_ &&
                takes(&s->items[k]))
                return true;
    return false;
}

/* What is to be taken after `last`; after NULL, first.  NULL: no more. */
static const pawl_wait_item *next_to_take(const struct set *s,
                                          const pawl_wait_item *last)
{
    const pawl_wait_item *next = NULL;

    for (size_t i = 0; i < s->n; i++) {
        const pawl_wait_item *item = &s->items[i];

        if (takes(item) && (last == NULL || precedes(last, item)) &&
            (next == NULL || precedes(item, next)))
            next = item;
    }
    return next;
}

/* Give back what is taken before `end`; NULL: all. */
static void put_back(const struct set *s, const pawl_wait_item *end)
{
    const pawl_wait_item *item = NULL;

    while ((item = next_to_take(s, item)) != end)
        item->how_->put_back(item->object_);
}

/* Take all, or nothing. */
static int take_all(const struct set *s, pawl_deadline until)
{
    const pawl_wait_item *item = NULL;
    int result = 0;

    while ((item = next_to_take(s, item)) != NULL) {
        int err = item->how_->acquire_until(item->object_, until);

        if (err == -EOWNERDEAD) {
            result = err;
        } else if (err != 0) {
            put_back(s, item);
            return err;
        }
    }
    return result;
}

/* What takes nothing: wait for one after the other. */
static int await_others(const struct set *s, pawl_deadline until)
{
    int err = 0;

    for (size_t i = 0; i < s->n && err == 0; i++) {
        struct set one;

        if (make_set(&one, &s->items[i], 1) && !takes(&s->items[i]) &&
            (err = look(&one, false, NULL)) == -EAGAIN)
            err = await(&one, until, NULL);
    }
    return err;
}

/* Begin, or see whether it is still so. */
static bool others_are_ready(const struct set *s, bool first)
{
    bool ready = true;

    for (size_t i = 0; i < s->n; i++)
        if (!takes(&s->items[i]) &&
            s->items[i].how_->look(&s->items[i], first) != 0)
            ready = false;
    return ready;
}

int pawl_wait_all_until(pawl_wait_item *items, size_t n, pawl_deadline until)
{
    struct set s;

    if (!make_set(&s, items, n))
        return -EINVAL;
    if (takes_twice(&s))
        return -EDEADLK;
    others_are_ready(&s, true);
    for (;;) {
        int err = await_others(&s, until);

        if (err == 0)
            err = take_all(&s, until);
        if ((err != 0 && err != -EOWNERDEAD) || others_are_ready(&s, false))
            return err;
        put_back(&s, NULL);
    }
}

int pawl_wait_all(pawl_wait_item *items, size_t n)
{
    return pawl_wait_all_until(items, n, PAWL_FOREVER);
}

int pawl_wait_try_all(pawl_wait_item *items, size_t n)
{
    int err = pawl_wait_all_until(items, n, 0);

    return err == -ETIMEDOUT ? -EAGAIN : err;
}

/* -- A descriptor among them ----------------------------------------------------- */

static struct pollfd to_poll(const pawl_wait_item *item)
{
    return (struct pollfd){.fd = (int)item->pad_,
                           .events = (short)item->epoch_};
}

static int look_at_fd(pawl_wait_item *item, bool first)
{
    struct pollfd p = to_poll(item);
    int r = pawl_poll_until(&p, 1, 0);

    (void)first;
    if (r <= 0)
        return r == 0 ? -EAGAIN : r;
    return (p.revents & POLLNVAL) != 0 ? -EBADF : 0;
}

static enum pawl_bed bed_of_fd(const pawl_wait_item *item, struct pollfd *poll)
{
    *poll = to_poll(item);
    return PAWL_BED_EXACT;
}

pawl_wait_item pawl_fd_wait_item(int fd, short events)
{
    static const struct pawl_waitable how = {
        .look = look_at_fd, .bed = bed_of_fd, .asks_kernel = true};
    pawl_wait_item item = pawl_waitable_item(NULL, &how);

    item.pad_ = (uint32_t)fd;
    item.epoch_ = (uint64_t)events;
    return item;
}
