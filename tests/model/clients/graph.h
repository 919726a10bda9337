/* SPDX-License-Identifier: MIT
 *
 * graph.h - execution graphs, and which of them RC11 allows.
 *
 * An event is a load or a store of a place.  A read-modify-write is two, one after
 * the other; a compare-and-swap that fails is a load.  A graph has, besides the
 * order of each thread, for each load the store that it reads (rf), and for each
 * place the order of its stores (mo).
 *
 * RC11 is that of Lahav, Vafeiadis, Kang, Hur and Dreyer, "Repairing sequential
 * consistency in C/C++11" (2017), for programs without fences, with the release
 * sequences of C++20.
 */
#ifndef CLIENT_GRAPH_H
#define CLIENT_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

enum {
    GRAPH_EVENTS = 192,
    GRAPH_THREADS = 4,
    GRAPH_PLACES = 96,
    GRAPH_STORES = 48,   /* of one place */
    GRAPH_INITIAL = 255, /* reads what was there before all events */
};

struct event {
    uint64_t value;
    uint64_t expected; /* a load of a compare-and-swap: see if_not */
    uint8_t thread;
    uint8_t position; /* in its thread */
    uint8_t place;
    uint8_t order;  /* enum model_order */
    uint8_t if_not; /* the order of a load of anything but `expected` ... */
    uint8_t if_so;  /* ... and of `expected` */
    bool stores;    /* else it loads */
    bool exclusive; /* a store: after the load of a read-modify-write */
    uint8_t from;   /* a load: rf */
};

static inline void event_loads(struct event *e, uint8_t from, uint64_t value)
{
    e->from = from;
    e->value = value;
    e->order = value == e->expected ? e->if_so : e->if_not;
}

/* Events are in the order in which they were added; those of a thread are so in
 * the order of the thread too. */
struct graph {
    uint32_t count;
    uint32_t places; /* in use: those below */
    struct event event[GRAPH_EVENTS];
    uint8_t length[GRAPH_THREADS];
    uint8_t of[GRAPH_THREADS][GRAPH_EVENTS];
    uint8_t stores[GRAPH_PLACES];
    uint8_t mo[GRAPH_PLACES][GRAPH_STORES];
};

struct events {
    uint64_t words[GRAPH_EVENTS / 64];
};

/* For each event those that come before it, not itself. */
struct relations {
    struct events porf[GRAPH_EVENTS]; /* in the order of threads and rf */
    struct events hb[GRAPH_EVENTS];   /* in happens-before */
};

static inline bool events_has(const struct events *s, uint32_t e)
{
    return (s->words[e / 64] >> e % 64 & 1) != 0;
}

static inline void events_add(struct events *s, uint32_t e)
{
    s->words[e / 64] |= UINT64_C(1) << e % 64;
}

static inline void events_join(struct events *s, const struct events *other)
{
    for (int i = 0; i < GRAPH_EVENTS / 64; i++)
        s->words[i] |= other->words[i];
}

/* How the seq_cst operations are ordered. */
enum graph_psc {
    GRAPH_PSC_PAPER, /* po != loc; hb; po != loc  and  hb of one place */
    GRAPH_PSC_GENMC, /* po; hb; po */
};

/* False: the graph is too large. */
bool graph_has_room(const struct graph *g, const struct event *e);
/* What is in use of it. */
void graph_copy(struct graph *to, const struct graph *from);
/* Add the next event of its thread.  A store becomes the `at`th of its place. */
uint32_t graph_add(struct graph *g, struct event e, uint32_t at);
/* What is left without `gone`; *as says what a number has become. */
void graph_remove(struct graph *g, const struct events *gone, uint8_t *as);

/* Where e stands in the order of its place: 0 is what was there before.  A load
 * stands where it reads. */
uint32_t graph_rank(const struct graph *g, uint32_t e);

/* False: the order of threads and rf has a cycle. */
bool graph_relate(const struct graph *g, struct relations *r);

bool graph_is_consistent(const struct graph *g, enum graph_psc psc,
                         struct relations *r);
/* The same if it is without the last event, and these are the relations of all
 * others; then of that too. */
bool graph_is_consistent_with_last(const struct graph *g, enum graph_psc psc,
                                   struct relations *r);

/* The same for all graphs that differ in the order of addition only. */
uint64_t graph_hash(const struct graph *g);

#endif /* CLIENT_GRAPH_H */
