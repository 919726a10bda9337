/* SPDX-License-Identifier: MIT
 *
 * graph.c - see graph.h.
 */
#include "graph.h"

#include <string.h>

#include "seam.h"

enum { STRONG = MODEL_SEQ }; /* all its bits */

static bool is_strong(const struct event *e)
{
    return e->order == STRONG;
}

/* -- Building -------------------------------------------------------------------- */

bool graph_has_room(const struct graph *g, const struct event *e)
{
    return g->count < GRAPH_EVENTS &&
           (!e->stores || g->stores[e->place] < GRAPH_STORES);
}

void graph_copy(struct graph *to, const struct graph *from)
{
    to->count = from->count;
    to->places = from->places;
    memcpy(to->event, from->event, from->count * sizeof *from->event);
    memcpy(to->length, from->length, sizeof from->length);
    for (uint32_t t = 0; t < GRAPH_THREADS; t++)
        memcpy(to->of[t], from->of[t], from->length[t]);
    memcpy(to->stores, from->stores, sizeof from->stores);
    memcpy(to->mo, from->mo, from->places * sizeof *from->mo);
}

uint32_t graph_add(struct graph *g, struct event e, uint32_t at)
{
    uint32_t new = g->count++;
    uint8_t *mo = g->mo[e.place];

    if (g->places <= e.place)
        g->places = e.place + 1u;
    e.position = g->length[e.thread];
    g->event[new] = e;
    g->of[e.thread][g->length[e.thread]++] = (uint8_t)new;
    if (e.stores) {
        memmove(mo + at + 1, mo + at, g->stores[e.place] - at);
        mo[at] = (uint8_t)new;
        g->stores[e.place]++;
    }
    return new;
}

void graph_remove(struct graph *g, const struct events *gone, uint8_t *as)
{
    uint32_t kept = 0;

    memset(g->length, 0, sizeof g->length);
    as[GRAPH_INITIAL] = GRAPH_INITIAL;
    for (uint32_t i = 0; i < g->count; i++) {
        struct event e = g->event[i];

        if (events_has(gone, i))
            continue;
        as[i] = (uint8_t)kept;
        g->event[kept] = e;
        g->of[e.thread][g->length[e.thread]++] = (uint8_t)kept++;
    }
    for (uint32_t i = 0; i < kept; i++)
        if (!g->event[i].stores)
            g->event[i].from = as[g->event[i].from];
    for (uint32_t p = 0; p < g->places; p++) {
        uint8_t n = 0;

        for (uint32_t i = 0; i < g->stores[p]; i++)
            if (!events_has(gone, g->mo[p][i]))
                g->mo[p][n++] = as[g->mo[p][i]];
        g->stores[p] = n;
    }
    g->count = kept;
}

uint32_t graph_rank(const struct graph *g, uint32_t e)
{
    uint32_t rank = 0;

    if (!g->event[e].stores)
        e = g->event[e].from;
    if (e == GRAPH_INITIAL)
        return 0;
    while (g->mo[g->event[e].place][rank++] != e)
        ;
    return rank;
}

/* -- Relations -------------------------------------------------------------------- */

static uint32_t before_in_thread(const struct graph *g, uint32_t e)
{
    return g->of[g->event[e].thread][g->event[e].position - 1];
}

/* What whoever acquires from the store e knows: what was released by it, or by
 * those before it in the chain of read-modify-writes. */
static void join_released(const struct graph *g, const struct relations *r,
                          uint32_t e, struct events *known)
{
    while (e != GRAPH_INITIAL) {
        if ((g->event[e].order & MODEL_RELEASE) != 0) {
            events_join(known, &r->hb[e]);
            events_add(known, e);
        }
        if (!g->event[e].exclusive)
            return;
        e = g->event[before_in_thread(g, e)].from;
    }
}

static void relate(const struct graph *g, struct relations *r, uint32_t i)
{
    const struct event *e = &g->event[i];

    memset(&r->porf[i], 0, sizeof r->porf[i]);
    memset(&r->hb[i], 0, sizeof r->hb[i]);
    if (e->position > 0) {
        uint32_t before = before_in_thread(g, i);

        r->porf[i] = r->porf[before];
        r->hb[i] = r->hb[before];
        events_add(&r->porf[i], before);
        events_add(&r->hb[i], before);
    }
    if (!e->stores && e->from != GRAPH_INITIAL) {
        events_join(&r->porf[i], &r->porf[e->from]);
        events_add(&r->porf[i], e->from);
        if ((e->order & MODEL_ACQUIRE) != 0)
            join_released(g, r, e->from, &r->hb[i]);
    }
}

bool graph_relate(const struct graph *g, struct relations *r)
{
    struct events done = {{0}};
    uint32_t next[GRAPH_THREADS] = {0};
    uint32_t left = g->count;
    bool moved = true;

    while (left > 0 && moved) {
        moved = false;
        for (uint32_t t = 0; t < GRAPH_THREADS; t++) {
            while (next[t] < g->length[t]) {
                uint32_t i = g->of[t][next[t]];
                const struct event *e = &g->event[i];

                if (!e->stores && e->from != GRAPH_INITIAL &&
                    !events_has(&done, e->from))
                    break;
                relate(g, r, i);
                events_add(&done, i);
                next[t]++;
                left--;
                moved = true;
            }
        }
    }
    return left == 0;
}

/* -- Consistency -------------------------------------------------------------------- */

/* Each read-modify-write stores right after what it has loaded. */
static bool is_atomic(const struct graph *g, const uint8_t *rank)
{
    for (uint32_t i = 0; i < g->count; i++)
        if (g->event[i].exclusive &&
            rank[i] != rank[before_in_thread(g, i)] + 1)
            return false;
    return true;
}

/* irreflexive(hb; eco): what comes before does not stand behind, at its place. */
static bool is_coherent(const struct graph *g, const struct relations *r,
                        const uint8_t *rank)
{
    uint8_t at[GRAPH_PLACES][GRAPH_EVENTS];
    uint8_t n[GRAPH_PLACES] = {0};

    for (uint32_t i = 0; i < g->count; i++) {
        uint32_t p = g->event[i].place;

        for (uint32_t j = 0; j < n[p]; j++) {
            uint32_t other = at[p][j];

            if (rank[other] > rank[i]
                    ? events_has(&r->hb[i], other)
                    : rank[other] < rank[i] && events_has(&r->hb[other], i))
                return false;
        }
        at[p][n[p]++] = (uint8_t)i;
    }
    return true;
}

/* The first event of the thread of e after it, or the last before it, that is at
 * another place, or (`any`) at all. */
static uint32_t neighbour(const struct graph *g, uint32_t e, int step, bool any)
{
    const struct event *here = &g->event[e];

    for (int i = here->position + step; i >= 0 && i < g->length[here->thread];
         i += step) {
        uint32_t other = g->of[here->thread][i];

        if (any || g->event[other].place != here->place)
            return other;
    }
    return GRAPH_INITIAL;
}

/* Whether the seq_cst event a has to come before the seq_cst event b. */
static bool precedes(const struct graph *g, enum graph_psc psc,
                     const struct relations *r, const uint8_t *rank, uint32_t a,
                     uint32_t b, uint32_t after_a, uint32_t before_b)
{
    const struct event *ea = &g->event[a];
    const struct event *eb = &g->event[b];

    if (ea->thread == eb->thread)
        return ea->position < eb->position;
    if (ea->place == eb->place) {
        if (rank[a] < rank[b] && eb->stores) /* mo, rb */
            return true;
        if (psc == GRAPH_PSC_GENMC ? eb->from == a && !eb->stores
                                   : events_has(&r->hb[b], a))
            return true;
    }
    return after_a != GRAPH_INITIAL && before_b != GRAPH_INITIAL &&
           events_has(&r->hb[before_b], after_a);
}

/* acyclic(psc) */
static bool is_ordered(const struct graph *g, enum graph_psc psc,
                       const struct relations *r, const uint8_t *rank)
{
    uint8_t strong[GRAPH_EVENTS];
    uint8_t after[GRAPH_EVENTS];
    uint8_t before[GRAPH_EVENTS];
    uint32_t n = 0;
    bool moved = true;

    for (uint32_t i = 0; i < g->count; i++) {
        if (!is_strong(&g->event[i]))
            continue;
        strong[n] = (uint8_t)i;
        after[n] = (uint8_t)neighbour(g, i, 1, psc == GRAPH_PSC_GENMC);
        before[n] = (uint8_t)neighbour(g, i, -1, psc == GRAPH_PSC_GENMC);
        n++;
    }
    while (n > 0 && moved) { /* take away those that nothing precedes */
        moved = false;
        for (uint32_t b = 0; b < n; b++) {
            uint32_t a = 0;

            while (a < n &&
                   (a == b || !precedes(g, psc, r, rank, strong[a], strong[b],
                                        after[a], before[b])))
                a++;
            if (a < n)
                continue;
            n--;
            strong[b] = strong[n];
            after[b] = after[n];
            before[b] = before[n];
            b--;
            moved = true;
        }
    }
    return n == 0;
}

static void rank_all(const struct graph *g, uint8_t *rank)
{
    for (uint32_t p = 0; p < g->places; p++)
        for (uint32_t i = 0; i < g->stores[p]; i++)
            rank[g->mo[p][i]] = (uint8_t)(i + 1);
    for (uint32_t i = 0; i < g->count; i++)
        if (!g->event[i].stores)
            rank[i] =
                g->event[i].from == GRAPH_INITIAL ? 0 : rank[g->event[i].from];
}

bool graph_is_consistent(const struct graph *g, enum graph_psc psc,
                         struct relations *r)
{
    uint8_t rank[GRAPH_EVENTS];

    if (!graph_relate(g, r))
        return false;
    rank_all(g, rank);
    return is_atomic(g, rank) && is_coherent(g, r, rank) &&
           is_ordered(g, psc, r, rank);
}

bool graph_is_consistent_with_last(const struct graph *g, enum graph_psc psc,
                                   struct relations *r)
{
    uint8_t rank[GRAPH_EVENTS];
    uint32_t last = g->count - 1;
    const struct event *e = &g->event[last];

    relate(g, r, last);
    rank_all(g, rank);
    for (uint32_t i = 0; i < last; i++)
        if (g->event[i].place == e->place && rank[i] > rank[last] &&
            events_has(&r->hb[last], i))
            return false;
    /* Nothing comes after it yet, so it orders others only as what it is. */
    return (!e->stores || is_atomic(g, rank)) &&
           (!is_strong(e) || is_ordered(g, psc, r, rank));
}

/* -- Identity ---------------------------------------------------------------------------- */

static void mix(uint64_t *hash, uint64_t value)
{
    *hash = (*hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    *hash ^= *hash >> 29;
}

static uint64_t name_of(const struct graph *g, uint32_t e)
{
    return e == GRAPH_INITIAL
               ? UINT64_MAX
               : (uint64_t)g->event[e].thread << 32 | g->event[e].position;
}

uint64_t graph_hash(const struct graph *g)
{
    uint64_t hash = 1;

    for (uint32_t t = 0; t < GRAPH_THREADS; t++) {
        mix(&hash, g->length[t]);
        for (uint32_t i = 0; i < g->length[t]; i++) {
            const struct event *e = &g->event[g->of[t][i]];

            mix(&hash, (uint64_t)e->place << 32 | (uint64_t)e->order << 8 |
                           (uint64_t)e->exclusive << 1 | e->stores);
            mix(&hash, e->value);
            if (!e->stores)
                mix(&hash, name_of(g, e->from));
        }
    }
    for (uint32_t p = 0; p < g->places; p++) {
        mix(&hash, g->stores[p]);
        for (uint32_t i = 0; i < g->stores[p]; i++)
            mix(&hash, name_of(g, g->mo[p][i]));
    }
    return hash;
}
