/* SPDX-License-Identifier: MIT
 *
 * tests/support/history.c - the checkers of history.h.
 *
 * With unique values a FIFO history is linearizable if and only if no value
 * comes from nowhere, twice, too early or out of order, and no "empty" falls
 * into a time in which something was inside for certain (Henzinger, Sezgin and
 * Vafeiadis, "Aspect-oriented linearizability proofs", 2013).  An item is
 * inside for certain from the end of its put to the beginning of its get, and
 * possibly from the beginning of its put to the end of its get.
 *
 * Times are doubled: 2t is the instant t, and 2t + 1 what lies between t and the
 * next one.  So an interval that excludes its ends can be told from one that
 * includes them, by integers.
 *
 * Exact search: Wing and Gong, "Testing and verifying concurrent objects", 1993,
 * with the memory of Lowe, "Testing for linearizability", 2017.
 */
#include "history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- recording ---------------------------------------------------------- */

/* Whether the kernel trusts the CPU's counter to agree between CPUs. */
static bool counter_is_trusted(void)
{
#if defined(__x86_64__)
    char name[16] = "";
    FILE *f = fopen("/sys/devices/system/clocksource/clocksource0/"
                    "current_clocksource",
                    "re");

    if (f == NULL)
        return false;
    if (fgets(name, sizeof name, f) == NULL)
        name[0] = '\0';
    fclose(f);
    return strncmp(name, "tsc", 3) == 0;
#else
    return true; /* the architecture says so */
#endif
}

struct history *history_make(int members, size_t room)
{
    size_t head =
        sizeof(struct history) + (size_t)members * sizeof(struct history_log);
    size_t size;
    struct history *h;
    struct history_op *ops;

    head = (head + 63) / 64 * 64;
    size = head + (size_t)members * room * sizeof *ops;
    h = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
             0);
    CHECK(h != MAP_FAILED);
    h->members = members;
    h->room = room;
    h->size = size;
    h->tsc = counter_is_trusted();
    h->made_ns = history_clock_();
    h->made_at = history_before_(h);
    ops = (struct history_op *)(void *)((char *)h + head);
    for (int i = 0; i < members; i++)
        h->logs[i].ops = ops + (size_t)i * room;
    return h;
}

void history_free(struct history *h)
{
    munmap(h, h->size);
}

void history_clear(struct history *h)
{
    for (int i = 0; i < h->members; i++)
        h->logs[i].count = 0;
}

size_t history_count(const struct history *h)
{
    size_t n = 0;

    for (int i = 0; i < h->members; i++)
        n += h->logs[i].count;
    return n;
}

/* ---- tools ---------------------------------------------------------------- */

static void *allocate(size_t n, size_t size)
{
    void *p = calloc(n > 0 ? n : 1, size);

    CHECK(p != NULL);
    return p;
}

struct key {
    uint64_t at;
    int64_t tag; /* an index, or a change */
};

/* Sort by `at`, keeping the order of equals: radix, digits of 11 bits. */
static void sort(struct key *keys, size_t n)
{
    enum { BITS = 11, DIGITS = 1 << BITS };
    struct key *from = keys;
    struct key *to = allocate(n, sizeof *to);
    struct key *spare = to;
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;

    for (size_t i = 0; i < n; i++) {
        least = keys[i].at < least ? keys[i].at : least;
        most = keys[i].at > most ? keys[i].at : most;
    }
    for (unsigned shift = 0;
         shift < 64 && n > 0 && (most - least) >> shift != 0; shift += BITS) {
        size_t place[DIGITS] = {0};
        size_t before = 0;
        struct key *other = to;

        for (size_t i = 0; i < n; i++)
            place[(from[i].at - least) >> shift & (DIGITS - 1)]++;
        if (place[(from[0].at - least) >> shift & (DIGITS - 1)] == n)
            continue; /* all have the same digit */
        for (int d = 0; d < DIGITS; d++) {
            size_t count = place[d];

            place[d] = before;
            before += count;
        }
        for (size_t i = 0; i < n; i++)
            to[place[(from[i].at - least) >> shift & (DIGITS - 1)]++] = from[i];
        to = from;
        from = other;
    }
    if (from != keys)
        memcpy(keys, from, n * sizeof *keys);
    free(spare);
}

/* Largest value of each prefix, by index. */
struct maxima {
    size_t n;
    struct best {
        uint64_t value;
        int64_t tag;
    } *best;
};

static struct maxima maxima_make(size_t n)
{
    return (struct maxima){n, allocate(n + 1, sizeof(struct best))};
}

static void maxima_add(struct maxima *m, size_t index, uint64_t value,
                       int64_t tag)
{
    for (size_t i = index + 1; i <= m->n; i += i & (~i + 1)) {
        if (value > m->best[i].value)
            m->best[i] = (struct best){value, tag};
    }
}

/* The largest added at an index below `end`; value 0 if there is none. */
static struct best maxima_below(const struct maxima *m, size_t end)
{
    struct best best = {0, -1};

    for (size_t i = end; i > 0; i -= i & (~i + 1)) {
        if (m->best[i].value > best.value)
            best = m->best[i];
    }
    return best;
}

/* How many of n sorted keys are below `at`. */
static size_t rank(const struct key *keys, size_t n, uint64_t at)
{
    size_t low = 0;

    while (n > 0) {
        size_t half = n / 2;

        if (keys[low + half].at < at) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

/* ---- times ---------------------------------------------------------------- */

/* The instant itself, and right after it. */
static uint64_t at(uint64_t t)
{
    return t == HISTORY_NEVER ? UINT64_MAX - 1 : 2 * t;
}

static uint64_t after(uint64_t t)
{
    return at(t) + 1;
}

/* A number that changes in time: its changes, sorted. */
struct course {
    struct key *changes;
    size_t n;
};

static struct course course_make(size_t most)
{
    return (struct course){allocate(most, sizeof(struct key)), 0};
}

static void course_change(struct course *c, uint64_t when, int64_t by)
{
    c->changes[c->n++] = (struct key){when, by};
}

/* Times, ends included. */
struct region {
    uint64_t from;
    uint64_t to;
};

/* When the number, `start` at first, was in low..high. */
static struct region *course_regions(const struct course *c, int64_t start,
                                     int64_t low, int64_t high, size_t *count)
{
    struct region *regions = allocate(c->n + 1, sizeof *regions);
    int64_t value = start;
    bool inside = value >= low && value <= high;
    size_t n = 0;

    regions[0].from = 0;
    for (size_t i = 0; i < c->n;) {
        uint64_t when = c->changes[i].at;
        bool now;

        for (; i < c->n && c->changes[i].at == when; i++)
            value += c->changes[i].tag;
        now = value >= low && value <= high;
        if (now && !inside)
            regions[n].from = when;
        if (!now && inside && when > regions[n].from)
            regions[n++].to = when - 1;
        inside = now;
    }
    if (inside)
        regions[n++].to = UINT64_MAX;
    *count = n;
    return regions;
}

/* Whether begin..end lies in one of them. */
static bool is_covered(const struct region *regions, size_t n, uint64_t begin,
                       uint64_t end)
{
    size_t low = 0;

    while (n > 0) {
        size_t half = n / 2;

        if (regions[low + half].from <= at(begin)) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low > 0 && regions[low - 1].to >= at(end);
}

/* ---- verdicts -------------------------------------------------------------- */

const char *history_fault_name(enum history_fault fault)
{
    static const char *const names[] = {"value from nowhere",
                                        "value got before it was put",
                                        "value got or put twice",
                                        "value lost",
                                        "order",
                                        "wrong \"empty\"",
                                        "wrong \"full\"",
                                        "too many at a time",
                                        "wrong refusal",
                                        "wrong count at the end"};

    return names[fault];
}

static void fault(struct history_verdict *v, enum history_fault f, uint64_t a,
                  uint64_t b)
{
    v->faults[f]++;
    if (v->total++ == 0)
        snprintf(v->first, sizeof v->first, "%s (%#llx, %#llx)",
                 history_fault_name(f), (unsigned long long)a,
                 (unsigned long long)b);
}

void history_check(struct history_verdict v)
{
    char text[512] = "";
    size_t length = 0;

    if (v.total == 0)
        return;
    for (int f = 0; f < HISTORY_FAULTS; f++) {
        if (v.faults[f] > 0)
            length += (size_t)snprintf(
                text + length, sizeof text - length, ", %zu %s", v.faults[f],
                history_fault_name((enum history_fault)f));
    }
    test_fail(__FILE__, __LINE__,
              "%zu faults in %zu operations%s; the first: %s", v.total,
              v.operations, text, v.first);
}

/* ---- queues ---------------------------------------------------------------- */

/* What became of one value. */
struct item {
    uint64_t value;
    uint64_t put_begin;
    uint64_t put_end;
    uint64_t get_begin;
    uint64_t get_end;
    int64_t amount;
};

struct answer {
    uint64_t begin;
    uint64_t end;
};

struct queue {
    struct item *items;
    size_t n;
    struct answer *empties;
    size_t n_empties;
    struct answer *fulls;
    size_t n_fulls;
    uint64_t pending_since; /* when the first get that did not end began */
    size_t pending_gets;
};

/* All operations of a kind, by value. */
static struct key *by_value(const struct history *h, enum history_kind kind,
                            const struct history_op **all, size_t *count)
{
    struct key *keys = allocate(history_count(h), sizeof *keys);
    size_t number = 0;
    size_t n = 0;

    for (int i = 0; i < h->members; i++) {
        for (size_t j = 0; j < h->logs[i].count; j++, number++) {
            const struct history_op *op = &h->logs[i].ops[j];

            all[number] = op;
            /* A get that did not end got nobody knows what. */
            if (op->kind != (int32_t)kind ||
                (kind == HISTORY_GET && op->end == HISTORY_NEVER))
                continue;
            keys[n++] = (struct key){op->value, (int64_t)number};
        }
    }
    sort(keys, n);
    *count = n;
    return keys;
}

/* Marry puts and gets. */
static void match(const struct history *h, struct queue *q,
                  struct history_verdict *v)
{
    const struct history_op **all = allocate(history_count(h), sizeof *all);
    size_t n_puts;
    size_t n_gets;
    struct key *puts = by_value(h, HISTORY_PUT, all, &n_puts);
    struct key *gets = by_value(h, HISTORY_GET, all, &n_gets);
    size_t g = 0;

    q->items = allocate(n_puts, sizeof *q->items);
    for (size_t p = 0; p < n_puts; p++) {
        const struct history_op *put = all[puts[p].tag];
        struct item *item = &q->items[q->n];

        if (p > 0 && puts[p].at == puts[p - 1].at) {
            fault(v, HISTORY_TWICE, puts[p].at, 0);
            continue;
        }
        *item = (struct item){.value = put->value,
                              .put_begin = put->begin,
                              .put_end = put->end,
                              .get_begin = HISTORY_NEVER,
                              .get_end = HISTORY_NEVER,
                              .amount = put->amount};
        for (; g < n_gets && gets[g].at < puts[p].at; g++)
            fault(v, HISTORY_FROM_NOWHERE, gets[g].at, 0);
        if (g < n_gets && gets[g].at == puts[p].at) {
            item->get_begin = all[gets[g].tag]->begin;
            item->get_end = all[gets[g].tag]->end;
            for (g++; g < n_gets && gets[g].at == puts[p].at; g++)
                fault(v, HISTORY_TWICE, gets[g].at, 0);
            if (item->get_end < item->put_begin)
                fault(v, HISTORY_TOO_EARLY, item->value, 0);
        }
        q->n++;
    }
    for (; g < n_gets; g++)
        fault(v, HISTORY_FROM_NOWHERE, gets[g].at, 0);
    free(puts);
    free(gets);
    free(all);
}

/* The rest of what a history says. */
static void collect(const struct history *h, struct queue *q)
{
    size_t n = history_count(h);

    q->empties = allocate(n, sizeof *q->empties);
    q->fulls = allocate(n, sizeof *q->fulls);
    q->pending_since = HISTORY_NEVER;
    for (int i = 0; i < h->members; i++) {
        for (size_t j = 0; j < h->logs[i].count; j++) {
            const struct history_op *op = &h->logs[i].ops[j];

            if (op->kind == HISTORY_GET && op->end == HISTORY_NEVER) {
                q->pending_gets++;
                if (op->begin < q->pending_since)
                    q->pending_since = op->begin;
            } else if (op->kind == HISTORY_EMPTY) {
                q->empties[q->n_empties++] =
                    (struct answer){op->begin, op->end};
            } else if (op->kind == HISTORY_FULL) {
                q->fulls[q->n_fulls++] = (struct answer){op->begin, op->end};
            }
        }
    }
}

/* Values that were not got: lost, unless an unfinished get has one. */
static void check_losses(struct queue *q, struct history_verdict *v,
                         enum history_end end)
{
    size_t allowed = q->pending_gets;

    for (size_t i = 0; i < q->n; i++) {
        struct item *item = &q->items[i];

        if (item->get_end != HISTORY_NEVER || item->put_end == HISTORY_NEVER)
            continue;
        if (end == HISTORY_DRAINED && allowed == 0)
            fault(v, HISTORY_LOST, item->value, 0);
        if (allowed > 0)
            allowed--;
        item->get_begin = q->pending_since;
    }
}

static void check_empties(const struct queue *q, struct history_verdict *v)
{
    struct course inside = course_make(2 * q->n); /* for certain */
    struct region *regions;
    size_t n;

    for (size_t i = 0; i < q->n && q->n_empties > 0; i++) {
        const struct item *item = &q->items[i];

        if (item->put_end < item->get_begin) {
            course_change(&inside, after(item->put_end), 1);
            course_change(&inside, at(item->get_begin), -1);
        }
    }
    sort(inside.changes, inside.n);
    regions = course_regions(&inside, 0, 1, INT64_MAX, &n);
    for (size_t i = 0; i < q->n_empties; i++) {
        if (is_covered(regions, n, q->empties[i].begin, q->empties[i].end))
            fault(v, HISTORY_WRONG_EMPTY, q->empties[i].begin,
                  q->empties[i].end);
    }
    free(regions);
    free(inside.changes);
}

/* "Full" while fewer than that can have been inside. */
static void check_fulls(const struct queue *q, struct history_verdict *v,
                        int64_t capacity)
{
    struct course inside = course_make(2 * q->n); /* possibly */
    struct region *regions;
    size_t n;

    for (size_t i = 0; i < q->n && q->n_fulls > 0; i++) {
        course_change(&inside, at(q->items[i].put_begin), 1);
        course_change(&inside, after(q->items[i].get_end), -1);
    }
    sort(inside.changes, inside.n);
    regions = course_regions(&inside, 0, 0, capacity - 1, &n);
    for (size_t i = 0; i < q->n_fulls; i++) {
        if (is_covered(regions, n, q->fulls[i].begin, q->fulls[i].end))
            fault(v, HISTORY_WRONG_FULL, q->fulls[i].begin, q->fulls[i].end);
    }
    free(regions);
    free(inside.changes);
}

/* Put although as many as may be were inside for certain. */
static void check_capacity(const struct queue *q, struct history_verdict *v,
                           int64_t capacity)
{
    struct course inside = course_make(2 * q->n);
    struct region *regions;
    size_t n;

    for (size_t i = 0; i < q->n; i++) {
        const struct item *item = &q->items[i];

        if (item->put_end < item->get_begin) {
            course_change(&inside, after(item->put_end), 1);
            course_change(&inside, at(item->get_begin), -1);
        }
    }
    sort(inside.changes, inside.n);
    regions = course_regions(&inside, 0, capacity + 1, INT64_MAX, &n);
    for (size_t i = 0; i < n; i++)
        fault(v, HISTORY_TOO_MANY, regions[i].from / 2, regions[i].to / 2);
    free(regions);
    regions = course_regions(&inside, 0, capacity, INT64_MAX, &n);
    for (size_t i = 0; i < q->n; i++) {
        const struct item *item = &q->items[i];

        if (is_covered(regions, n, item->put_begin, item->put_end))
            fault(v, HISTORY_TOO_MANY, item->value, 0);
    }
    free(regions);
    free(inside.changes);
}

/* Items in the order of one of their times. */
static struct key *by_time(const struct queue *q, size_t which)
{
    struct key *keys = allocate(q->n, sizeof *keys);

    for (size_t i = 0; i < q->n; i++) {
        uint64_t when;

        memcpy(&when, (const char *)&q->items[i] + which, sizeof when);
        keys[i] = (struct key){when, (int64_t)i};
    }
    sort(keys, q->n);
    return keys;
}

/* a was put before b, and b got before a: for each b, of all a that were put
 * before it, look at the one that was got last. */
static void check_fifo_order(const struct queue *q, struct history_verdict *v)
{
    struct key *ended = by_time(q, offsetof(struct item, put_end));
    struct key *begun = by_time(q, offsetof(struct item, put_begin));
    const struct item *last = NULL;
    size_t a = 0;

    for (size_t b = 0; b < q->n; b++) {
        const struct item *item = &q->items[begun[b].tag];

        for (; a < q->n && ended[a].at < begun[b].at; a++) {
            const struct item *earlier = &q->items[ended[a].tag];

            if (last == NULL || earlier->get_begin > last->get_begin)
                last = earlier;
        }
        if (last != NULL && last->get_begin > item->get_end)
            fault(v, HISTORY_ORDER, last->value, item->value);
    }
    free(ended);
    free(begun);
}

/* a was put, then b on top of it, then a got, and b only later: for each a, of
 * all b that were put after it and before it was got, look at the one that was
 * got last. */
static void check_lifo_order(const struct queue *q, struct history_verdict *v)
{
    struct key *ended = by_time(q, offsetof(struct item, put_end));
    struct key *begun = by_time(q, offsetof(struct item, put_begin));
    struct maxima tops = maxima_make(q->n); /* by rank of put_end */
    size_t b = q->n;

    for (size_t a = q->n; a-- > 0;) {
        const struct item *below = &q->items[ended[a].tag];
        struct best top;

        for (; b > 0 && begun[b - 1].at > below->put_end; b--) {
            const struct item *item = &q->items[begun[b - 1].tag];

            maxima_add(&tops, rank(ended, q->n, item->put_end), item->get_begin,
                       begun[b - 1].tag);
        }
        top = maxima_below(&tops, rank(ended, q->n, below->get_begin));
        if (below->get_end != HISTORY_NEVER && top.value > below->get_end)
            fault(v, HISTORY_ORDER, below->value, q->items[top.tag].value);
    }
    free(tops.best);
    free(ended);
    free(begun);
}

/* Got while something better was inside for certain: for each get, of all that
 * are better and were put before it, look at the one that was got last. */
static void check_best_first(const struct queue *q, struct history_verdict *v)
{
    struct key *ended = by_time(q, offsetof(struct item, put_end));
    struct key *gets = by_time(q, offsetof(struct item, get_begin));
    struct key *amounts = allocate(q->n, sizeof *amounts);
    struct maxima better = maxima_make(q->n); /* by rank of amount */
    size_t a = 0;

    for (size_t i = 0; i < q->n; i++)
        amounts[i] =
            (struct key){(uint64_t)q->items[i].amount + INT64_MAX, (int64_t)i};
    sort(amounts, q->n);
    for (size_t g = 0; g < q->n; g++) {
        const struct item *item = &q->items[gets[g].tag];
        uint64_t amount = (uint64_t)item->amount + INT64_MAX;
        struct best best;

        for (; a < q->n && ended[a].at < gets[g].at; a++) {
            const struct item *other = &q->items[ended[a].tag];

            maxima_add(&better,
                       rank(amounts, q->n, (uint64_t)other->amount + INT64_MAX),
                       other->get_begin, ended[a].tag);
        }
        if (item->get_end == HISTORY_NEVER)
            continue;
        best = maxima_below(&better, rank(amounts, q->n, amount));
        if (best.value > item->get_end)
            fault(v, HISTORY_ORDER, q->items[best.tag].value, item->value);
    }
    free(better.best);
    free(amounts);
    free(ended);
    free(gets);
}

/* Equals leave in order: each amount is a FIFO. */
static void check_equals(const struct queue *q, struct history_verdict *v)
{
    struct key *amounts = allocate(q->n, sizeof *amounts);
    struct queue equals = {.items = allocate(q->n, sizeof(struct item))};

    for (size_t i = 0; i < q->n; i++)
        amounts[i] =
            (struct key){(uint64_t)q->items[i].amount + INT64_MAX, (int64_t)i};
    sort(amounts, q->n);
    for (size_t i = 0; i < q->n;) {
        uint64_t amount = amounts[i].at;

        for (equals.n = 0; i < q->n && amounts[i].at == amount; i++)
            equals.items[equals.n++] = q->items[amounts[i].tag];
        check_fifo_order(&equals, v);
    }
    free(equals.items);
    free(amounts);
}

typedef void (*order_fn)(const struct queue *q, struct history_verdict *v);

static void check_priority_order(const struct queue *q,
                                 struct history_verdict *v)
{
    check_best_first(q, v);
    check_equals(q, v);
}

static struct history_verdict check_queue(const struct history *h,
                                          size_t capacity, enum history_end end,
                                          order_fn order)
{
    struct history_verdict v = {.operations = history_count(h)};
    struct queue q = {0};
    uint64_t began = history_clock_();

    match(h, &q, &v);
    collect(h, &q);
    check_losses(&q, &v, end);
    order(&q, &v);
    check_empties(&q, &v);
    if (capacity > 0) {
        check_fulls(&q, &v, (int64_t)capacity);
        check_capacity(&q, &v, (int64_t)capacity);
    }
    free(q.items);
    free(q.empties);
    free(q.fulls);
    v.seconds = (double)(history_clock_() - began) / 1e9;
    return v;
}

struct history_verdict history_fifo(const struct history *h, size_t capacity,
                                    enum history_end end)
{
    return check_queue(h, capacity, end, check_fifo_order);
}

struct history_verdict history_lifo(const struct history *h, size_t capacity,
                                    enum history_end end)
{
    return check_queue(h, capacity, end, check_lifo_order);
}

struct history_verdict history_priority(const struct history *h,
                                        size_t capacity, enum history_end end)
{
    return check_queue(h, capacity, end, check_priority_order);
}

/* ---- permits ---------------------------------------------------------------- */

/* Refusals of one kind.  `course` is the number of free permits: at least for
 * those who were refused some, at most for those who could not give. */
static void check_refusals(const struct history *h, struct history_verdict *v,
                           enum history_kind kind, const struct course *course,
                           int64_t start, int64_t most)
{
    enum { AMOUNTS_MAX = 64 };
    int32_t amounts[AMOUNTS_MAX];
    struct region *regions[AMOUNTS_MAX];
    size_t counts[AMOUNTS_MAX];
    int n = 0;

    for (int i = 0; i < h->members; i++) {
        for (size_t j = 0; j < h->logs[i].count; j++) {
            const struct history_op *op = &h->logs[i].ops[j];
            int a = 0;

            if (op->kind != (int32_t)kind || op->end == HISTORY_NEVER)
                continue;
            while (a < n && amounts[a] != op->amount)
                a++;
            if (a == n) {
                CHECK(n < AMOUNTS_MAX);
                amounts[n++] = op->amount;
                /* Free permits: enough to take, or few enough to add to. */
                regions[a] = course_regions(
                    course, start,
                    kind == HISTORY_REFUSED ? op->amount : INT64_MIN,
                    kind == HISTORY_REFUSED ? INT64_MAX : most - op->amount,
                    &counts[a]);
            }
            if (is_covered(regions[a], counts[a], op->begin, op->end))
                fault(v, HISTORY_WRONG_REFUSAL, op->begin, op->end);
        }
    }
    for (int a = 0; a < n; a++)
        free(regions[a]);
}

/* Less than what semaphores wait for, as long as it takes to fall asleep. */
#define CLAIMS_AFTER_NS 900000

/* How many units of the stamps are so many nanoseconds. */
static uint64_t stamps_in(const struct history *h, uint64_t ns)
{
    double past = (double)(history_clock_() - h->made_ns);
    double stamps = (double)(history_before_(h) - h->made_at);

    return (uint64_t)((double)ns * stamps / past);
}

/* When others may be kept out, however much is free: a waiter that has slept for
 * a millisecond claims everything until it has what it wants. */
static void add_claim(struct course *open, const struct history_op *op,
                      uint64_t patience)
{
    enum { EVERYTHING = 1 << 20 };
    uint64_t from = op->begin + patience;

    if (op->end != HISTORY_NEVER && op->end > from &&
        (op->kind == HISTORY_ACQUIRE || op->kind == HISTORY_GAVE_UP)) {
        course_change(open, at(from), -EVERYTHING);
        course_change(open, after(op->end), EVERYTHING);
    }
}

struct history_verdict history_permits(const struct history *h, int64_t permits,
                                       int64_t left, int64_t most)
{
    struct history_verdict v = {.operations = history_count(h)};
    struct course high = course_make(2 * v.operations); /* free at most */
    struct course low = course_make(2 * v.operations);  /* free at least */
    struct course open = course_make(4 * v.operations); /* and not claimed */
    uint64_t patience = stamps_in(h, CLAIMS_AFTER_NS);
    struct region *regions;
    int64_t end = permits;
    size_t n;

    for (int i = 0; i < h->members; i++) {
        for (size_t j = 0; j < h->logs[i].count; j++) {
            const struct history_op *op = &h->logs[i].ops[j];

            add_claim(&open, op, patience);
            if (op->kind == HISTORY_ACQUIRE) {
                course_change(&high, after(op->end), -op->amount);
                course_change(&low, at(op->begin), -op->amount);
                end -= op->amount;
            } else if (op->kind == HISTORY_RELEASE) {
                course_change(&high, at(op->begin), op->amount);
                course_change(&low, after(op->end), op->amount);
                end += op->amount;
            } else if (op->kind == HISTORY_GAVE_UP) {
                /* May have kept others out while it waited. */
                course_change(&low, at(op->begin), -op->amount);
                course_change(&low, after(op->end), op->amount);
            }
        }
    }
    memcpy(open.changes + open.n, low.changes, low.n * sizeof *low.changes);
    open.n += low.n;
    sort(high.changes, high.n);
    sort(low.changes, low.n);
    sort(open.changes, open.n);
    regions = course_regions(&high, permits, INT64_MIN, -1, &n);
    for (size_t i = 0; i < n; i++)
        fault(&v, HISTORY_TOO_MANY, regions[i].from / 2, regions[i].to / 2);
    free(regions);
    check_refusals(h, &v, HISTORY_REFUSED, &open, permits, 0);
    if (most > 0) {
        regions = course_regions(&low, permits, most + 1, INT64_MAX, &n);
        for (size_t i = 0; i < n; i++)
            fault(&v, HISTORY_TOO_MANY, regions[i].from / 2, regions[i].to / 2);
        free(regions);
        check_refusals(h, &v, HISTORY_OVERFLOW, &high, permits, most);
    }
    if (end != left)
        fault(&v, HISTORY_WRONG_COUNT, (uint64_t)end, (uint64_t)left);
    free(high.changes);
    free(low.changes);
    free(open.changes);
    return v;
}

/* ---- the exact decision ------------------------------------------------------ */

static bool remove_item(struct history_state *s, int64_t index)
{
    s->count--;
    memmove(&s->item[index], &s->item[index + 1],
            (size_t)(s->count - index) * sizeof s->item[0]);
    return true;
}

static bool insert_item(struct history_state *s, int64_t index,
                        const struct history_op *op)
{
    memmove(&s->item[index + 1], &s->item[index],
            (size_t)(s->count - index) * sizeof s->item[0]);
    s->item[index].value = op->value;
    s->item[index].amount = op->amount;
    s->count++;
    return true;
}

/* A queue that is kept in the order in which items leave, by `index`, where the
 * next one is inserted. */
static bool queue_step(const struct history_model *m, struct history_state *s,
                       const struct history_op *op, int64_t index)
{
    bool full = m->capacity > 0 && s->count == m->capacity;

    switch (op->kind) {
    case HISTORY_PUT:
        return !full && insert_item(s, index, op);
    case HISTORY_FULL:
        return full;
    case HISTORY_GET:
        return s->count > 0 && s->item[0].value == op->value &&
               remove_item(s, 0);
    case HISTORY_EMPTY:
        return s->count == 0;
    default:
        return false;
    }
}

static bool fifo_step(const struct history_model *m, struct history_state *s,
                      const struct history_op *op)
{
    return queue_step(m, s, op, s->count);
}

static bool lifo_step(const struct history_model *m, struct history_state *s,
                      const struct history_op *op)
{
    return queue_step(m, s, op, 0);
}

static bool priority_step(const struct history_model *m,
                          struct history_state *s, const struct history_op *op)
{
    int64_t index = 0;

    while (index < s->count && s->item[index].amount <= op->amount)
        index++;
    return queue_step(m, s, op, index);
}

static bool permits_step(const struct history_model *m, struct history_state *s,
                         const struct history_op *op)
{
    int64_t most = m->capacity > 0 ? m->capacity : INT64_MAX;

    switch (op->kind) {
    case HISTORY_ACQUIRE:
        s->count -= op->amount;
        return s->count >= 0;
    case HISTORY_RELEASE:
        s->count += op->amount;
        return s->count <= most;
    case HISTORY_REFUSED:
        return s->count < op->amount;
    case HISTORY_OVERFLOW:
        return s->count + op->amount > most;
    default:
        return op->kind == HISTORY_GAVE_UP;
    }
}

struct history_model history_fifo_model(size_t capacity)
{
    return (struct history_model){.capacity = (int64_t)capacity,
                                  .step = fifo_step};
}

struct history_model history_lifo_model(size_t capacity)
{
    return (struct history_model){.capacity = (int64_t)capacity,
                                  .step = lifo_step};
}

struct history_model history_priority_model(size_t capacity)
{
    return (struct history_model){.capacity = (int64_t)capacity,
                                  .step = priority_step};
}

struct history_model history_permits_model(int64_t permits, int64_t most)
{
    return (struct history_model){
        .start.count = permits, .capacity = most, .step = permits_step};
}

struct search {
    const struct history_model *model;
    const struct history_op *ops[HISTORY_SEARCH_MAX];
    int n;
    /* What has been tried in vain: done operations and the state after them. */
    struct tried {
        uint64_t done;
        uint64_t state; /* a hash, never 0 */
    } *tried;
    size_t tried_size; /* a power of two */
    size_t tried_count;
};

static uint64_t hash_state(const struct history_model *m,
                           const struct history_state *s)
{
    uint64_t hash = (uint64_t)s->count + 1;

    if (m->step != permits_step) {
        for (int64_t i = 0; i < s->count; i++)
            hash = (hash ^ s->item[i].value) * UINT64_C(0x9e3779b97f4a7c15) +
                   (hash >> 29);
    }
    return hash | 1;
}

/* Where this is, or would be. */
static struct tried *find_tried(const struct search *s, uint64_t done,
                                uint64_t state)
{
    uint64_t hash = (done ^ state) * UINT64_C(0x9e3779b97f4a7c15);
    size_t i = (hash ^ hash >> 32) & (s->tried_size - 1);

    while (s->tried[i].state != 0 &&
           (s->tried[i].done != done || s->tried[i].state != state))
        i = (i + 1) & (s->tried_size - 1);
    return &s->tried[i];
}

static void make_room(struct search *s)
{
    struct search old = *s;

    s->tried_size = old.tried_size * 2;
    s->tried = allocate(s->tried_size, sizeof *s->tried);
    for (size_t i = 0; i < old.tried_size; i++) {
        if (old.tried[i].state != 0)
            *find_tried(s, old.tried[i].done, old.tried[i].state) =
                old.tried[i];
    }
    free(old.tried);
}

/* Remember; false if it was known. */
static bool is_new(struct search *s, uint64_t done, uint64_t state)
{
    struct tried *place = find_tried(s, done, state);

    if (place->state != 0)
        return false;
    *place = (struct tried){done, state};
    if (++s->tried_count == s->tried_size / 2)
        make_room(s);
    return true;
}

static bool search_from(struct search *s, uint64_t done,
                        const struct history_state *state)
{
    uint64_t all = s->n == 64 ? UINT64_MAX : (UINT64_C(1) << s->n) - 1;
    uint64_t first_end = HISTORY_NEVER;

    if (done == all)
        return true;
    if (!is_new(s, done, hash_state(s->model, state)))
        return false;
    for (int i = 0; i < s->n; i++) {
        if ((done >> i & 1) == 0 && s->ops[i]->end < first_end)
            first_end = s->ops[i]->end;
    }
    /* The next one must have begun before any that is left had ended. */
    for (int i = 0; i < s->n; i++) {
        struct history_state next = *state;

        if ((done >> i & 1) == 0 && s->ops[i]->begin <= first_end &&
            s->model->step(s->model, &next, s->ops[i]) &&
            search_from(s, done | UINT64_C(1) << i, &next))
            return true;
    }
    return false;
}

bool history_search(const struct history *h, const struct history_model *m)
{
    struct search s = {.model = m, .tried_size = 1 << 10};
    bool found;

    CHECK(history_count(h) <= HISTORY_SEARCH_MAX);
    for (int i = 0; i < h->members; i++) {
        for (size_t j = 0; j < h->logs[i].count; j++) {
            CHECK(h->logs[i].ops[j].end != HISTORY_NEVER);
            s.ops[s.n++] = &h->logs[i].ops[j];
        }
    }
    s.tried = allocate(s.tried_size, sizeof *s.tried);
    found = search_from(&s, 0, &m->start);
    free(s.tried);
    return found;
}
