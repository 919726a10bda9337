/* SPDX-License-Identifier: MIT
 *
 * wheel_test.c - the timing wheel against a table that is searched from end to
 * end: what comes out, when, and in which order.
 */
#include <stdlib.h>

#include "test.h"
#include "thread/wheel.h"

#define START INT64_C(1000000000000000) /* a machine that runs for 11 days */
#define S INT64_C(1000000000)

enum { MANY = 60 }; /* fewer than are looked at for the earliest */

struct rig {
    struct pawl_wheel wheel;
    pawl_timer timers[MANY];
    bool is_in[MANY]; /* the oracle */
    pawl_deadline now;
    uint64_t random;
    bool cancelled; /* a timer that was in has been removed */
};

static struct rig *make_rig(uint64_t salt)
{
    struct rig *r = calloc(1, sizeof *r);

    CHECK(r != NULL);
    r->now = START;
    r->random = test_seed(salt);
    pawl_wheel_reset(&r->wheel, r->now);
    return r;
}

/* ---- invariants ------------------------------------------------------------ */

/* I1 to I3 of wheel.h, and how many timers are in. */
static size_t check_wheel(const struct pawl_wheel *w)
{
    size_t n = 0;

    for (unsigned i = 0; i < PAWL_WHEEL_LEVELS * PAWL_WHEEL_SLOTS; i++) {
        const struct pawl_wheel_slot *s = &w->slots[i];
        unsigned level = i / PAWL_WHEEL_SLOTS;
        unsigned slot = i % PAWL_WHEEL_SLOTS;
        unsigned shift = 12 + 6 * level;

        if ((w->occupied[level][slot / 64] >> slot % 64 & 1) == 0)
            continue;
        CHECK((w->levels >> level & 1) != 0);
        CHECK(s->timers.next_ != &s->timers);
        for (struct pawl_timer_link_ *l = s->timers.next_; l != &s->timers;
             l = l->next_) {
            const pawl_timer *t = (const pawl_timer *)(const void *)l;
            pawl_deadline at = t->when_ > w->base ? t->when_ : w->base;
            int64_t ahead = (at >> shift) - (w->base >> shift);

            CHECK(l->next_->prev_ == l && l->prev_->next_ == l);
            CHECK(t->when_ >= s->least);
            CHECK_EQ((at >> shift) % PAWL_WHEEL_SLOTS, slot);
            CHECK(ahead >= 0 && ahead < PAWL_WHEEL_SLOTS);
            if (t->when_ < w->base)
                CHECK_EQ(level, 0);
            n++;
        }
    }
    return n;
}

/* ---- the oracle --------------------------------------------------------------- */

static pawl_deadline earliest(const struct rig *r)
{
    pawl_deadline least = PAWL_FOREVER;

    for (int i = 0; i < MANY; i++)
        if (r->is_in[i] && r->timers[i].when_ < least)
            least = r->timers[i].when_;
    return least;
}

static size_t count(const struct rig *r)
{
    size_t n = 0;

    for (int i = 0; i < MANY; i++)
        n += r->is_in[i];
    return n;
}

static void put(struct rig *r, int i, pawl_deadline when)
{
    pawl_deadline look;

    r->timers[i].when_ = when;
    look = pawl_wheel_put(&r->wheel, &r->timers[i]);
    CHECK(look <= when);
    r->is_in[i] = true;
}

static void take_out(struct rig *r, int i)
{
    pawl_wheel_remove(&r->wheel, &r->timers[i]);
    r->is_in[i] = false;
    r->cancelled = true;
}

/* Take what is due, in order; then the wheel knows when the next one is. */
static void take_all(struct rig *r)
{
    pawl_deadline next = 0;
    int idle = 0;

    for (;;) {
        pawl_timer *t = pawl_wheel_take(&r->wheel, r->now, &next);

        if (t != NULL) {
            CHECK(r->is_in[t - r->timers]);
            CHECK(t->when_ <= r->now);
            CHECK_EQ(t->when_, earliest(r));
            r->is_in[t - r->timers] = false;
        } else if (next > r->now) {
            break;
        } else {
            CHECK(++idle < 100); /* pieces of work, not a standstill */
        }
    }
    CHECK(earliest(r) > r->now);
    CHECK(next <= earliest(r));
    if (!r->cancelled)
        CHECK_EQ(next, earliest(r));
    CHECK_EQ(check_wheel(&r->wheel), count(r));
}

/* A deadline of any order of magnitude from now on, now and then a past one. */
static pawl_deadline any_deadline(struct rig *r)
{
    uint32_t bits = test_rand_below(&r->random, 63);
    int64_t ns = (int64_t)(test_rand(&r->random) >> (63 - bits));
    pawl_deadline when;

    switch (test_rand_below(&r->random, 16)) {
    case 0:
        return r->now - ns % r->now;
    case 1:
        return (pawl_deadline)test_rand(&r->random); /* negative ones too */
    case 2:
        return PAWL_FOREVER;
    case 3:
        return r->now;
    default:
        return __builtin_add_overflow(r->now, ns, &when) ? PAWL_FOREVER : when;
    }
}

static void go_on(struct rig *r)
{
    uint32_t bits = test_rand_below(&r->random, 45);
    pawl_deadline least = earliest(r);

    if (test_rand_below(&r->random, 2) == 0 && least > r->now &&
        least < PAWL_FOREVER / 2)
        r->now = least;
    else if (r->now < PAWL_FOREVER / 2)
        r->now += (int64_t)(test_rand(&r->random) >> (63 - bits));
}

/* T-32: timers come out when their time has come, not before, in the order of
 * their deadlines, whatever is put in and removed in between. */
TEST(wheel.agrees_with_a_search)
{
    int rounds = test_iterations(40);

    for (int round = 0; round < rounds; round++) {
        struct rig *r = make_rig((uint64_t)round);

        for (int i = 0; i < 5000; i++) {
            int which = (int)test_rand_below(&r->random, MANY);

            if (test_rand_below(&r->random, 8) == 0) {
                go_on(r);
                take_all(r);
            } else if (!r->is_in[which]) {
                put(r, which, any_deadline(r));
            } else if (round % 2 == 1 && test_rand_below(&r->random, 3) == 0) {
                take_out(r, which);
            }
        }
        free(r);
    }
}

/* the deadlines at the ends. */
TEST(wheel.takes_any_deadline)
{
    static const pawl_deadline past[] = {INT64_MIN, -1, 0, 1, START};
    struct rig *r = make_rig(0);
    pawl_deadline next = 0;

    for (int i = 0; i < 5; i++)
        put(r, 4 - i, past[4 - i]);
    put(r, 5, PAWL_FOREVER);
    put(r, 6, PAWL_FOREVER - 1);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(pawl_wheel_take(&r->wheel, r->now, &next) - r->timers, i);
    CHECK(pawl_wheel_take(&r->wheel, r->now, &next) == NULL);
    CHECK_EQ(next, PAWL_FOREVER - 1);
    r->now = PAWL_FOREVER - 1;
    CHECK_EQ(pawl_wheel_take(&r->wheel, r->now, &next) - r->timers, 6);
    CHECK(pawl_wheel_take(&r->wheel, r->now, &next) == NULL);
    CHECK_EQ(next, PAWL_FOREVER);
    free(r);
}

TEST(wheel.is_empty_when_zero)
{
    struct pawl_wheel *w = calloc(1, sizeof *w);
    pawl_deadline next = 0;

    CHECK(w != NULL && pawl_wheel_take(w, START, &next) == NULL);
    CHECK_EQ(next, PAWL_FOREVER);
    free(w);
}

/* T-32: to the nanosecond, through all the levels. */
TEST(wheel.is_exact)
{
    struct rig *r = make_rig(1);
    pawl_deadline next = 0;

    for (int bits = 0; bits < 62; bits++) {
        pawl_deadline when = r->now + (INT64_C(1) << bits) + 1;

        if (when < r->now)
            break;
        put(r, 0, when);
        CHECK(pawl_wheel_take(&r->wheel, r->now, &next) == NULL);
        CHECK_EQ(next, when);
        CHECK(pawl_wheel_take(&r->wheel, when - 1, &next) == NULL);
        CHECK_EQ(next, when);
        CHECK(pawl_wheel_take(&r->wheel, when, &next) == &r->timers[0]);
        r->now = when;
    }
    free(r);
}

/* ---- a crowd --------------------------------------------------------------- */

enum { CROWD = 100000 };

struct crowd {
    struct pawl_wheel wheel;
    pawl_timer timers[CROWD];
};

static struct crowd *make_crowd(pawl_deadline from, uint32_t width)
{
    struct crowd *c = calloc(1, sizeof *c);
    uint64_t random = test_seed(0);

    CHECK(c != NULL);
    pawl_wheel_reset(&c->wheel, START);
    for (int i = 0; i < CROWD; i++) {
        c->timers[i].when_ = from + test_rand_below(&random, width);
        pawl_wheel_put(&c->wheel, &c->timers[i]);
    }
    return c;
}

/* Take them all on a clock that goes on by what is done: 10 us for a piece, 0.1 us
 * for a timer.  None is later than `late`; how many pieces it took. */
static int take_crowd(struct crowd *c, int n, int64_t late)
{
    pawl_deadline now = START;
    pawl_deadline next = 0;
    int pieces = 0;

    while (n > 0) {
        const pawl_timer *t = pawl_wheel_take(&c->wheel, now, &next);

        if (t != NULL) {
            CHECK(t->when_ <= now && now - t->when_ <= late);
            n--;
            now += 100;
        } else if (next <= now) {
            pieces++;
            now += 10000;
        } else {
            now = next;
        }
    }
    CHECK_EQ(check_wheel(&c->wheel), 0);
    CHECK(pieces < 5 * CROWD / 64); /* four levels down */
    return pieces;
}

/* T-32: a slot full of timers is emptied before its time, in pieces, so that none
 * of them has to wait for others to be moved; also if one comes right before. */
TEST(wheel.is_not_late_in_a_crowd)
{
    pawl_deadline from =
        (START + 300 * S) >> 30 << 30; /* where a slot begins */
    struct crowd *c = make_crowd(from, UINT32_C(1) << 30);
    pawl_timer lone = {.when_ = from - 1};

    pawl_wheel_put(&c->wheel, &lone);
    CHECK(take_crowd(c, CROWD + 1, 30000) >= CROWD / 64);
    free(c);
}

/* ... but not so early that the level below does not reach it: nothing is moved to
 * where it was. */
TEST(wheel.moves_nothing_in_vain)
{
    struct crowd *c = make_crowd(START + 300 * S, 100000);

    take_crowd(c, CROWD, S);
    free(c);
}

/* The bound of a slot may be older than what is in it. */
TEST(wheel.is_in_order_after_a_cancellation)
{
    struct rig *r = make_rig(8);
    pawl_deadline slot = (START + S / 500) & ~INT64_C(4095);
    pawl_deadline next;

    put(r, 0, slot + 1000); /* in a level above */
    CHECK(pawl_wheel_take(&r->wheel, slot - 1000, &next) == NULL);
    put(r, 1, slot + 500);
    put(r, 2, slot + 2000);
    take_out(r, 1);
    CHECK(pawl_wheel_take(&r->wheel, slot + 3000, &next) == &r->timers[0]);
    CHECK(pawl_wheel_take(&r->wheel, slot + 3000, &next) == &r->timers[2]);
    free(r);
}

/* T-32: many with one deadline cost no more than many with many. */
TEST(wheel.takes_equals_at_once)
{
    struct crowd *c = make_crowd(START + 300 * S, 1);
    pawl_deadline next = 0;

    for (int taken = 0; taken < CROWD;) {
        const pawl_timer *t =
            pawl_wheel_take(&c->wheel, START + 300 * S, &next);

        if (t != NULL)
            CHECK_EQ(t - c->timers, taken++);
    }
    free(c);
}
