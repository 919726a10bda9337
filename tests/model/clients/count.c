/* SPDX-License-Identifier: MIT
 *
 * count.c - see count.h.
 *
 * A run follows a graph as far as that goes, and then adds events.  Where there is
 * a choice it goes on with one graph and leaves the others for later, on a stack.
 * Threads are coroutines of the thread of the system that runs main; who is next
 * is decided in pthread_join, on the stack of main.
 *
 * Everything that is static, or on the heap, of the program, is as it was before
 * each run; what must outlive a run is not there, but in *C.
 */
#include "count.h"

#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "coroutine.h"
#include "seam.h"

#define STACK (256 << 10)
#define HEAP (1 << 20)
#define CELLS (1 << 14) /* of 8 bytes of plain data; a power of two */
#define NOBODY GRAPH_THREADS

/* What one thread does with each of 8 bytes: the number of its events before
 * that, plus 1; 0: nothing. */
struct cell {
    uintptr_t address;
    uint64_t run;
    uint8_t reads[GRAPH_THREADS][8];
    uint8_t writes[GRAPH_THREADS][8];
};

enum state {
    READY,
    AWAITS,  /* the store that its next load reads */
    AT_END,  /* of what the graph says of it: has `next` */
    BLOCKED, /* until its last load reads something else */
    ENDED,
};

/* Of a run. */
enum outcome { STAYS, WENT_ON, FAILED };

struct thread {
    enum state state;
    uint32_t done; /* events */
    struct event next;
    void *stack_pointer;
    char *stack;
    char *locals;
    void *(*function)(void *);
    void *argument;
};

static struct {
    struct count_options options;
    struct count *result;

    /* Of a run. */
    uint64_t run;
    struct graph g;
    struct relations r;
    struct events executed;
    struct thread threads[GRAPH_THREADS];
    uint32_t made;    /* threads */
    uint32_t current; /* or NOBODY: main */
    uint32_t adding;  /* who may go beyond the graph, or NOBODY */
    bool exploring;   /* threads run: otherwise memory is plain */
    enum outcome leaves;
    uint64_t initial[GRAPH_PLACES];
    uint64_t known[GRAPH_PLACES]; /* the run in which it was found out */
    void *scheduler;
    jmp_buf outside;
    char *heap;
    size_t heap_used;
    struct cell cells[CELLS];

    /* Of all runs. */
    const void *words[GRAPH_PLACES];
    uint8_t sizes[GRAPH_PLACES];
    uint32_t places;
    uint8_t slots[256]; /* by address: a place, plus 1 */
    struct graph *stack;
    size_t stacked;
    size_t stack_size;
    uint64_t *seen; /* hashes: of complete graphs, or of beginnings */
    size_t seen_used;
    size_t seen_size; /* a power of two */
    char *memory;     /* of the program, and a copy */
    char *memory_copy;
    size_t memory_size;
} *C;

/* The thread-local data of the client. */
extern char __start_model_locals[] __attribute__((weak));
extern char __stop_model_locals[] __attribute__((weak));
#define LOCALS ((size_t)(__stop_model_locals - __start_model_locals))

/* What a client calls of libc. */
_Noreturn void count_assert_fail(const char *what, const char *file,
                                 unsigned line, const char *function);
int count_create(pthread_t *thread, const pthread_attr_t *attributes,
                 void *(*function)(void *), void *argument);
int count_join(pthread_t thread, void **value);
int count_mutex_lock(pthread_mutex_t *m);
int count_mutex_unlock(pthread_mutex_t *m);
int count_yield(void);
void *count_malloc(size_t size);
void *count_calloc(size_t n, size_t size);
void *count_aligned_alloc(size_t align, size_t size);
void count_free(void *block);
void *count_memcpy(void *to, const void *from, size_t size);
void *count_memset(void *to, int value, size_t size);

static double seconds_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* -- The end of a run ------------------------------------------------------------ */

_Noreturn static void leave(enum outcome how)
{
    void *nowhere;

    C->leaves = how;
    if (C->current != NOBODY)
        model_switch(&nowhere, C->scheduler);
    longjmp(C->outside, 1);
}

static void show(const struct graph *g)
{
    static const char *const orders[] = {
        [MODEL_RELAXED] = "relaxed", [MODEL_ACQUIRE] = "acquire",
        [MODEL_RELEASE] = "release", [MODEL_ACQ_REL] = "acq_rel",
        [MODEL_SEQ] = "seq_cst",
    };

    for (uint32_t t = 0; t < GRAPH_THREADS; t++) {
        for (uint32_t i = 0; i < g->length[t]; i++) {
            const struct event *e = &g->event[g->of[t][i]];

            printf("    T%u.%-3u %s %s place %u (%p): %#llx", t, i,
                   e->stores ? e->exclusive ? "stores (rmw)" : "stores      "
                             : "loads       ",
                   orders[e->order], e->place, C->words[e->place],
                   (unsigned long long)e->value);
            if (e->stores)
                printf(", %uth", graph_rank(g, g->of[t][i]));
            else if (e->from == GRAPH_INITIAL)
                printf(", from the beginning");
            else
                printf(", from T%u.%u", g->event[e->from].thread,
                       g->event[e->from].position);
            putchar('\n');
        }
    }
}

__attribute__((format(printf, 1, 2))) _Noreturn static void
fail(const char *format, ...)
{
    va_list arguments;
    int length = 0;
    char *text = C->result->failure;
    size_t size = sizeof C->result->failure;

    if (C->current != NOBODY)
        length = snprintf(text, size, "T%u: ", C->current);
    va_start(arguments, format);
    vsnprintf(text + length, size - (size_t)length, format, arguments);
    va_end(arguments);
    if (!C->options.quiet) {
        printf("  %s\n", text);
        show(&C->g);
    }
    leave(FAILED);
}

/* assert */
_Noreturn void count_assert_fail(const char *what, const char *file,
                                 unsigned line, const char *function)
{
    (void)function;
    fail("assertion: %s:%u: %s", file, line, what);
}

/* -- What has been seen --------------------------------------------------------------- */

/* False: it was there. */
static bool remember(uint64_t hash)
{
    size_t i;

    if (hash == 0)
        hash = 1;
    if (C->seen_used * 2 >= C->seen_size) {
        uint64_t *old = C->seen;
        size_t n = C->seen_size;

        C->seen_size = n == 0 ? 1 << 16 : 2 * n;
        C->seen = calloc(C->seen_size, sizeof *C->seen);
        if (C->seen == NULL)
            abort();
        C->seen_used = 0;
        for (i = 0; i < n; i++)
            if (old[i] != 0)
                remember(old[i]);
        free(old);
    }
    for (i = hash & (C->seen_size - 1); C->seen[i] != 0;
         i = (i + 1) & (C->seen_size - 1))
        if (C->seen[i] == hash)
            return false;
    C->seen[i] = hash;
    C->seen_used++;
    return true;
}

/* -- Graphs for later ----------------------------------------------------------------- */

static void push(const struct graph *g)
{
    if (C->options.way == COUNT_BY_BEGINNINGS && !remember(graph_hash(g)))
        return;
    if (C->stacked == C->stack_size) {
        C->stack_size = C->stack_size == 0 ? 256 : 2 * C->stack_size;
        C->stack = realloc(C->stack, C->stack_size * sizeof *C->stack);
        if (C->stack == NULL)
            abort();
    }
    graph_copy(&C->stack[C->stacked++], g);
}

/* The value that a load gets. */
static uint64_t value_from(const struct graph *g, uint32_t place, uint32_t from)
{
    return from == GRAPH_INITIAL ? C->initial[place] : g->event[from].value;
}

/* All consistent graphs that are g, of which C->r knows, and the event e, a load;
 * `blocks` on any value
 * but 0: of these only the newest, for with the others it will wait for ever. */
static void push_loads(const struct graph *g, struct event e, bool blocks)
{
    struct graph with;

    for (uint32_t rank = 0; rank <= g->stores[e.place]; rank++) {
        uint8_t from = rank == 0 ? GRAPH_INITIAL : g->mo[e.place][rank - 1];

        event_loads(&e, from, value_from(g, e.place, from));
        if (blocks && e.value != 0 && rank < g->stores[e.place])
            continue;
        graph_copy(&with, g);
        graph_add(&with, e, 0);
        if (graph_is_consistent_with_last(&with, C->options.psc, &C->r))
            push(&with);
    }
}

/* All consistent graphs that are g and the event e, a store.  `revisits`: a load in
 * g reads it, and C->r is of another graph. */
static void push_stores(const struct graph *g, const struct event *e,
                        bool revisits)
{
    struct relations r;
    struct graph with;
    uint32_t first = 0;
    uint32_t last = g->stores[e->place];

    if (e->exclusive) /* after what it has loaded */
        first = last =
            graph_rank(g, g->of[e->thread][g->length[e->thread] - 1]);
    for (uint32_t at = first; at <= last; at++) {
        graph_copy(&with, g);
        graph_add(&with, *e, at);
        if (revisits
                ? graph_is_consistent(&with, C->options.psc, &r)
                : graph_is_consistent_with_last(&with, C->options.psc, &C->r))
            push(&with);
    }
}

/* -- Revisits ---------------------------------------------------------------------------
 *
 * A store may be read by a load that was added before it.  Then all that was added
 * after the load, and on which the store does not depend, is forgotten; but only if
 * that was what it would be if it were added now, in the order in which it was: each
 * load reads the newest store, and each store is the newest.  So each graph is come
 * to in one way. */

/* Whether e is maximal among what was added before it and what the store depends
 * on. */
static bool is_maximal(const struct graph *g, uint32_t e,
                       const struct events *prefix)
{
    uint32_t store = g->event[e].stores ? e : g->event[e].from;
    uint32_t place = g->event[e].place;
    bool newer = store == GRAPH_INITIAL;

    for (uint32_t i = 0; i < g->count; i++)
        if (!g->event[i].stores && g->event[i].from == e &&
            (i <= e || events_has(prefix, i)))
            return false;
    for (uint32_t i = 0; i < g->stores[place]; i++) {
        uint32_t other = g->mo[place][i];

        if (newer && (other <= e || events_has(prefix, other)))
            return false;
        if (other == store)
            newer = true;
    }
    return true;
}

static void revisit(const struct graph *g, const struct relations *r,
                    const struct event *store)
{
    struct events prefix = {{0}};
    struct graph less;
    uint8_t as[256];

    if (g->length[store->thread] > 0) {
        uint32_t last = g->of[store->thread][g->length[store->thread] - 1];

        prefix = r->porf[last];
        events_add(&prefix, last);
    }
    for (uint32_t load = 0; load < g->count; load++) {
        struct events gone = {{0}};
        bool may = true;

        if (g->event[load].stores || g->event[load].place != store->place ||
            events_has(&prefix, load))
            continue;
        for (uint32_t e = load; e < g->count && may; e++) {
            if (events_has(&prefix, e))
                continue;
            if (e != load)
                events_add(&gone, e);
            may = is_maximal(g, e, &prefix);
        }
        if (!may)
            continue;
        graph_copy(&less, g);
        less.event[load].from =
            GRAPH_INITIAL; /* what it has read may be gone */
        graph_remove(&less, &gone, as);
        /* The store will have this number. */
        event_loads(&less.event[as[load]], (uint8_t)less.count, store->value);
        push_stores(&less, store, true);
    }
}

/* -- Threads ------------------------------------------------------------------------------- */

static struct thread *me(void)
{
    return &C->threads[C->current];
}

/* To whoever decides who goes on. */
static void give_way(enum state state)
{
    struct thread *t = me();

    t->state = state;
    memcpy(t->locals, __start_model_locals, LOCALS);
    model_switch(&t->stack_pointer, C->scheduler);
    memcpy(__start_model_locals, t->locals, LOCALS);
}

static void thread_begins(void)
{
    struct thread *t = me();

    memcpy(__start_model_locals, t->locals, LOCALS);
    t->function(t->argument);
    give_way(ENDED);
    __builtin_unreachable();
}

static void go_on_with(uint32_t t)
{
    C->current = t;
    C->threads[t].state = READY;
    model_switch(&C->scheduler, C->threads[t].stack_pointer);
    C->current = NOBODY;
    if (C->leaves != STAYS)
        longjmp(C->outside, 1);
}

int count_create(pthread_t *thread, const pthread_attr_t *attributes,
                 void *(*function)(void *), void *argument)
{
    struct thread *t = &C->threads[C->made];

    (void)attributes;
    if (C->made == GRAPH_THREADS || C->exploring)
        fail("the counter: too many threads");
    t->state = READY;
    t->done = 0;
    t->function = function;
    t->argument = argument;
    t->stack_pointer = model_first_frame(t->stack + STACK, thread_begins);
    memcpy(t->locals, __start_model_locals, LOCALS);
    *thread = (pthread_t)C->made++;
    return 0;
}

static bool may_go_on(const struct thread *t)
{
    if (t->state == AWAITS)
        return events_has(&C->executed, t->next.from);
    return t->state == READY;
}

/* Every thread is at its end of the graph: all graphs with one event more. */
static void push_all_next(void)
{
    for (uint32_t t = 0; t < C->made; t++) {
        const struct event *e = &C->threads[t].next;

        if (C->threads[t].state != AT_END)
            continue;
        if (e->stores)
            push_stores(&C->g, e, false);
        else
            push_loads(&C->g, *e, false);
    }
}

/* Nobody goes on.  If a load could still read something newer, another graph shows
 * what happens then. */
static void end_blocked(void)
{
    bool for_ever = true;

    for (uint32_t t = 0; t < C->made; t++) {
        uint32_t last;

        if (C->threads[t].state != BLOCKED)
            continue;
        last = C->g.of[t][C->g.length[t] - 1u];
        if (graph_rank(&C->g, last) < C->g.stores[C->g.event[last].place])
            for_ever = false;
    }
    if (for_ever)
        fail("some wait for ever");
    C->result->blocked++;
    leave(WENT_ON);
}

static void schedule(void)
{
    for (;;) {
        uint32_t next = NOBODY;
        uint32_t ended = 0;

        for (uint32_t t = 0; t < C->made && next == NOBODY; t++)
            if (may_go_on(&C->threads[t]))
                next = t;
        for (uint32_t t = 0; t < C->made && next == NOBODY; t++)
            if (C->threads[t].state == AT_END)
                next = C->adding = t;
        if (C->adding != NOBODY && C->options.way == COUNT_BY_BEGINNINGS) {
            push_all_next();
            leave(WENT_ON);
        }
        if (next != NOBODY) {
            go_on_with(next);
            continue;
        }
        for (uint32_t t = 0; t < C->made; t++)
            ended += C->threads[t].state == ENDED;
        if (ended == C->made)
            return;
        end_blocked();
    }
}

int count_join(pthread_t thread, void **value)
{
    (void)value;
    if (C->threads[thread].state != ENDED) {
        C->exploring = true;
        schedule();
        C->exploring = false;
    }
    return 0;
}

/* -- Events ---------------------------------------------------------------------------------- */

typedef uint32_t __attribute__((may_alias)) half_word;
typedef uint64_t __attribute__((may_alias)) whole_word;

static uint64_t read_memory(const void *word, uint32_t size)
{
    return size == 4 ? *(const half_word *)word : *(const whole_word *)word;
}

static void write_memory(const void *word, uint32_t size, uint64_t value)
{
    if (size == 4)
        *(half_word *)(uintptr_t)word = (uint32_t)value;
    else
        *(whole_word *)(uintptr_t)word = value;
}

static uint32_t place_of(const void *word, uint32_t size)
{
    uintptr_t hash = (uintptr_t)word >> 2;
    uint8_t *slot;
    uint32_t place;

    hash ^= hash >> 8;
    for (;; hash++) {
        slot = &C->slots[hash & 255];
        if (*slot == 0 || C->words[*slot - 1] == word)
            break;
    }
    if (*slot == 0) {
        if (C->places == GRAPH_PLACES)
            fail("the counter: too many atomic words");
        C->words[C->places] = word;
        C->sizes[C->places] = (uint8_t)size;
        *slot = (uint8_t)++C->places;
    }
    place = *slot - 1u;
    if (C->sizes[place] != size)
        fail("the counter: %p has two sizes", word);
    if (C->known[place] != C->run) {
        C->known[place] = C->run;
        C->initial[place] = read_memory(word, size);
    }
    return place;
}

/* The graph says nothing more of this thread. */
static void add(const struct event *e, bool blocks)
{
    size_t before;

    if (C->options.way == COUNT_BY_BEGINNINGS ||
        (C->adding != C->current && !e->exclusive)) {
        me()->next = *e;
        give_way(AT_END);
    }
    if (!graph_has_room(&C->g, e))
        fail("the counter: too many events");
    if (e->stores)
        revisit(&C->g, &C->r, e);
    before = C->stacked;
    if (e->stores)
        push_stores(&C->g, e, false);
    else
        push_loads(&C->g, *e, blocks);
    if (C->stacked == before)
        leave(WENT_ON); /* it cannot happen */
    graph_copy(&C->g, &C->stack[--C->stacked]);
    graph_relate(&C->g, &C->r);
}

/* Make this the next event of the thread.  Returns its value. */
static uint64_t happens(struct event e, bool blocks)
{
    struct thread *t = me();
    uint32_t i;

    e.thread = (uint8_t)C->current;
    if (t->done == C->g.length[C->current])
        add(&e, blocks);
    i = C->g.of[C->current][t->done];
    t->next = C->g.event[i];
    if (t->next.place != e.place || t->next.stores != e.stores ||
        (e.stores && t->next.value != e.value))
        fail("the counter: the client is not deterministic");
    if (!e.stores && t->next.from != GRAPH_INITIAL &&
        !events_has(&C->executed, t->next.from))
        give_way(AWAITS);
    events_add(&C->executed, i);
    t->done++;
    if (e.stores && C->g.mo[e.place][C->g.stores[e.place] - 1] == i)
        write_memory(C->words[e.place], C->sizes[e.place], e.value);
    return C->g.event[i].value;
}

static uint64_t load(const void *word, uint32_t size, uint64_t expected,
                     unsigned if_so, unsigned if_not, bool blocks)
{
    return happens((struct event){.place = (uint8_t)place_of(word, size),
                                  .expected = expected,
                                  .if_so = (uint8_t)if_so,
                                  .if_not = (uint8_t)if_not},
                   blocks);
}

static void store(const void *word, uint32_t size, uint64_t value,
                  unsigned order, bool exclusive)
{
    happens((struct event){.place = (uint8_t)place_of(word, size),
                           .value = value,
                           .order = (uint8_t)order,
                           .stores = true,
                           .exclusive = exclusive},
            false);
}

/* The last load of the thread has to read something else. */
_Noreturn static void block(void)
{
    uint32_t last = C->g.of[C->current][me()->done - 1];
    uint32_t place = C->g.event[last].place;

    /* It never will if something newer had been there before: revisit. */
    for (uint32_t i = graph_rank(&C->g, last); i < C->g.stores[place]; i++)
        if (C->g.mo[place][i] < last)
            leave(WENT_ON);
    give_way(BLOCKED);
    __builtin_unreachable();
}

/* -- Atomic operations: seam.h ------------------------------------------------------------------ */

/* The clients have none of a part: include/atomic/ops.h. */
static uint32_t whole(struct model_part part)
{
    if (part.shift != 0 || part.bits != 8 * part.size)
        fail("the counter: a part of a word");
    return part.size;
}

/* Of the two halves of a read-modify-write. */
static unsigned loading(unsigned order)
{
    return order >= MODEL_SEQ ? MODEL_SEQ : order & MODEL_ACQUIRE;
}

static unsigned storing(unsigned order)
{
    return order >= MODEL_SEQ ? MODEL_SEQ : order & MODEL_RELEASE;
}

model_value model_load(const void *word, struct model_part part,
                       enum model_order order, const char *what)
{
    (void)what;
    if (!C->exploring)
        return read_memory(word, whole(part));
    return load(word, whole(part), 0, order, order, false);
}

void model_store(void *word, struct model_part part, model_value value,
                 enum model_order order, const char *what)
{
    (void)what;
    if (!C->exploring)
        write_memory(word, whole(part), value);
    else
        store(word, whole(part), value, order, false);
}

static model_value change(void *word, struct model_part part, model_value value,
                          enum model_order order, bool adds)
{
    uint32_t size = whole(part);
    model_value old;

    if (!C->exploring)
        old = read_memory(word, size);
    else
        old = load(word, size, 0, loading(order), loading(order), false);
    if (adds)
        value += old;
    if (size == 4)
        value = (uint32_t)value;
    if (!C->exploring)
        write_memory(word, size, value);
    else
        store(word, size, value, storing(order), true);
    return old;
}

model_value model_swap(void *word, struct model_part part, model_value value,
                       enum model_order order, const char *what)
{
    (void)what;
    return change(word, part, value, order, false);
}

model_value model_add(void *word, struct model_part part, model_value value,
                      enum model_order order, const char *what)
{
    (void)what;
    return change(word, part, value, order, true);
}

bool model_cas(void *word, struct model_part part, model_value *seen,
               model_value value, enum model_order order, const char *what)
{
    uint32_t size = whole(part);
    model_value expected = *seen;

    (void)what;
    if (!C->exploring)
        *seen = read_memory(word, size);
    else
        *seen =
            load(word, size, expected, loading(order),
                 order == MODEL_SEQ_ALWAYS ? MODEL_SEQ : MODEL_RELAXED, false);
    if (*seen != expected)
        return false;
    if (!C->exploring)
        write_memory(word, size, value);
    else
        store(word, size, value, storing(order), true);
    return true;
}

bool model_cas_pair(void *first, void *second, const model_value seen[2],
                    const model_value values[2], const char *what)
{
    (void)first;
    (void)second;
    (void)seen;
    (void)values;
    (void)what;
    fail("the counter: 16 bytes at once");
}

void model_pause(void)
{
}

/* CLIENT_PAUSE: in a loop that awaits the value of one word. */
void model_yield(void)
{
    if (C->exploring)
        block();
}

/* -- Of libc --------------------------------------------------------------------------------------- */

int count_mutex_lock(pthread_mutex_t *m)
{
    if (!C->exploring)
        return 0;
    if (load(m, 4, 0, MODEL_ACQUIRE, MODEL_ACQUIRE, true) != 0)
        block();
    store(m, 4, 1, MODEL_RELAXED, true);
    return 0;
}

int count_mutex_unlock(pthread_mutex_t *m)
{
    if (C->exploring)
        store(m, 4, 0, MODEL_RELEASE, false);
    return 0;
}

int count_yield(void)
{
    fail("the counter: sched_yield, and nobody knows what for");
}

void *count_aligned_alloc(size_t align, size_t size)
{
    size_t at = (C->heap_used + align - 1) / align * align;

    if (at + size > HEAP)
        fail("the counter: too much memory");
    C->heap_used = at + size;
    return C->heap + at;
}

void *count_malloc(size_t size)
{
    return count_aligned_alloc(64, size);
}

void *count_calloc(size_t n, size_t size)
{
    return count_malloc(n * size);
}

void count_free(void *block)
{
    (void)block;
}

/* -- Plain accesses ---------------------------------------------------------------------------------- */

static struct cell *cell_of(uintptr_t address)
{
    uintptr_t hash = address >> 3;

    hash ^= hash >> 7;
    for (uintptr_t i = hash;; i++) {
        struct cell *c = &C->cells[i & (CELLS - 1)];

        if (c->run != C->run) {
            memset(c, 0, sizeof *c);
            c->run = C->run;
            c->address = address;
        }
        if (c->address == address)
            return c;
    }
}

/* Whether what thread t did before its event number `then` happened before now. */
static bool is_known(uint32_t t, uint32_t then)
{
    uint32_t done = me()->done;

    return t == C->current ||
           (done > 0 && then < C->g.length[t] &&
            events_has(&C->r.hb[C->g.of[C->current][done - 1]],
                       C->g.of[t][then]));
}

static void touch(uintptr_t byte, bool writes)
{
    struct cell *c = cell_of(byte & ~(uintptr_t)7);
    uint32_t b = byte & 7;

    for (uint32_t t = 0; t < C->made; t++)
        if ((c->writes[t][b] != 0 && !is_known(t, c->writes[t][b] - 1u)) ||
            (writes && c->reads[t][b] != 0 &&
             !is_known(t, c->reads[t][b] - 1u)))
            fail("data race on %p with T%u", (void *)byte, t);
    (writes ? c->writes : c->reads)[C->current][b] = (uint8_t)(me()->done + 1);
}

static void access_plainly(const void *p, size_t size, bool writes)
{
    if (C == NULL || !C->exploring || C->current == NOBODY ||
        ((const char *)p >= __start_model_locals &&
         (const char *)p < __stop_model_locals))
        return;
    for (size_t i = 0; i < size; i++)
        touch((uintptr_t)p + i, writes);
}

void model_read(const void *data)
{
    access_plainly(data, 1, false);
}

void model_write(const void *data)
{
    access_plainly(data, 1, true);
}

/* What the compiler calls with -fsanitize=thread. */
#define CALLED_BY_COMPILER(name, ...)                                          \
    void name(__VA_ARGS__);                                                    \
    void name(__VA_ARGS__)
#define ACCESSES(bytes)                                                        \
    CALLED_BY_COMPILER(__tsan_read##bytes, void *p)                            \
    {                                                                          \
        access_plainly(p, bytes, false);                                       \
    }                                                                          \
    CALLED_BY_COMPILER(__tsan_write##bytes, void *p)                           \
    {                                                                          \
        access_plainly(p, bytes, true);                                        \
    }                                                                          \
    CALLED_BY_COMPILER(__tsan_unaligned_read##bytes, void *p)                  \
    {                                                                          \
        access_plainly(p, bytes, false);                                       \
    }                                                                          \
    CALLED_BY_COMPILER(__tsan_unaligned_write##bytes, void *p)                 \
    {                                                                          \
        access_plainly(p, bytes, true);                                        \
    }
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

CALLED_BY_COMPILER(__tsan_read_range, void *p, unsigned long size)
{
    access_plainly(p, size, false);
}

CALLED_BY_COMPILER(__tsan_write_range, void *p, unsigned long size)
{
    access_plainly(p, size, true);
}

CALLED_BY_COMPILER(__tsan_init, void)
{
}

CALLED_BY_COMPILER(__tsan_func_entry, void *from)
{
    (void)from;
}

CALLED_BY_COMPILER(__tsan_func_exit, void)
{
}

void *__tsan_memcpy(void *to, const void *from, unsigned long size);
void *__tsan_memcpy(void *to, const void *from, unsigned long size)
{
    access_plainly(from, size, false);
    access_plainly(to, size, true);
    return memcpy(to, from, size);
}

void *__tsan_memset(void *to, int value, unsigned long size);
void *__tsan_memset(void *to, int value, unsigned long size)
{
    access_plainly(to, size, true);
    return memset(to, value, size);
}

void *count_memcpy(void *to, const void *from, size_t size)
{
    return __tsan_memcpy(to, from, size);
}

void *count_memset(void *to, int value, size_t size)
{
    return __tsan_memset(to, value, size);
}

/* -- All runs ------------------------------------------------------------------------------------------- */

/* What the program may write to of its own. */
static int find_memory(struct dl_phdr_info *info, size_t size, void *unused)
{
    uintptr_t constant = 0;

    (void)size;
    (void)unused;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];

        if (h->p_type == PT_GNU_RELRO)
            constant = info->dlpi_addr + h->p_vaddr + h->p_memsz;
    }
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        uintptr_t from = info->dlpi_addr + h->p_vaddr;
        uintptr_t to = from + h->p_memsz;

        if (h->p_type != PT_LOAD || (h->p_flags & PF_W) == 0)
            continue;
        if (constant > from && constant <= to)
            from = constant;
        C->memory = (char *)from;
        C->memory_size = to - from;
    }
    return 1; /* the program comes first */
}

static void *get_memory(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        abort();
    return p;
}

static void prepare(void)
{
    C = get_memory(sizeof *C);
    for (uint32_t t = 0; t < GRAPH_THREADS; t++) {
        C->threads[t].stack = get_memory(STACK);
        C->threads[t].locals = get_memory(LOCALS + 1);
    }
    C->heap = get_memory(HEAP);
    dl_iterate_phdr(find_memory, NULL);
    C->memory_copy = get_memory(C->memory_size);
    memcpy(C->memory_copy, C->memory, C->memory_size);
}

static void give_back(void)
{
    memcpy(C->memory, C->memory_copy, C->memory_size);
    for (uint32_t t = 0; t < GRAPH_THREADS; t++) {
        munmap(C->threads[t].stack, STACK);
        munmap(C->threads[t].locals, LOCALS + 1);
    }
    munmap(C->heap, HEAP);
    munmap(C->memory_copy, C->memory_size);
    free(C->stack);
    free(C->seen);
    munmap(C, sizeof *C);
    C = NULL;
}

static void run(int (*client)(void))
{
    struct count *result = C->result;

    memcpy(C->memory, C->memory_copy, C->memory_size);
    memset(C->heap, 0, C->heap_used);
    C->heap_used = 0;
    C->run++;
    graph_copy(&C->g, &C->stack[--C->stacked]);
    graph_relate(&C->g, &C->r);
    C->executed = (struct events){{0}};
    C->made = 0;
    C->current = C->adding = NOBODY;
    C->exploring = false;
    C->leaves = STAYS;
    if (setjmp(C->outside) != 0)
        return;
    if (client() != 0)
        fail("main fails");
    result->complete++;
    if (C->g.count > result->most)
        result->most = C->g.count;
    if (C->options.way == COUNT_BY_REVISITS && !remember(graph_hash(&C->g)))
        result->twice++;
}

void count_executions(int (*client)(void), const struct count_options *options,
                      struct count *result)
{
    static const struct graph nothing;
    double start = seconds_now();

    memset(result, 0, sizeof *result);
    prepare();
    C->options = *options;
    C->result = result;
    push(&nothing);
    while (C->stacked > 0 && result->failure[0] == '\0' && !result->gave_up) {
        run(client);
        result->seconds = seconds_now() - start;
        if (options->seconds > 0 && result->seconds > options->seconds)
            result->gave_up = true;
    }
    give_back();
}
