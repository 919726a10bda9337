/* SPDX-License-Identifier: MIT
 *
 * bench_ring.c - the lock-free ring; its twin is a ring under a pthread mutex
 * with two conditions.  Other opponents in C, when installed: ck_ring, urcu's
 * wfcqueue (unbounded), GLib's GAsyncQueue (unbounded).
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include <pawl/ring.h>

#include "bench.h"

#ifdef PAWL_BENCH_CK
#    include <ck_ring.h>
#endif
#ifdef PAWL_BENCH_URCU
#    include <urcu/wfcqueue.h>
#endif
#ifdef PAWL_BENCH_GLIB
#    include <glib.h>
#endif

struct item8 {
    uint64_t v;
};

struct item64 {
    uint64_t v[8];
};

/* ---- pawl ---------------------------------------------------------------- */

#define PAWL_RING_ADAPTOR(object, type)                                        \
    typedef type item_##object##_pawl;                                         \
    typedef pawl_ring *queue_##object##_pawl;                                  \
    typedef int seat_##object##_pawl;                                          \
                                                                               \
    static inline void queue_make_##object##_pawl(pawl_ring **q,               \
                                                  size_t capacity)             \
    {                                                                          \
        BENCH_CHECK(pawl_ring_create(q, capacity, sizeof(type), 32) == 0);     \
    }                                                                          \
                                                                               \
    static inline void queue_free_##object##_pawl(pawl_ring **q)               \
    {                                                                          \
        pawl_ring_free(*q);                                                    \
    }                                                                          \
                                                                               \
    static inline void sit_##object##_pawl(int *seat, pawl_ring **q,           \
                                           unsigned me)                        \
    {                                                                          \
        (void)q;                                                               \
        *seat = pawl_ring_identify(me + 1);                                    \
        BENCH_CHECK(*seat == 0);                                               \
    }                                                                          \
                                                                               \
    static inline void rise_##object##_pawl(int *seat, pawl_ring **q)          \
    {                                                                          \
        (void)seat;                                                            \
        (void)q;                                                               \
    }                                                                          \
                                                                               \
    static inline bool put_##object##_pawl(int *seat, pawl_ring **q,           \
                                           const type *item)                   \
    {                                                                          \
        (void)seat;                                                            \
        return pawl_ring_push(*q, item) == 0;                                  \
    }                                                                          \
                                                                               \
    static inline bool get_##object##_pawl(int *seat, pawl_ring **q,           \
                                           type *item)                         \
    {                                                                          \
        (void)seat;                                                            \
        return pawl_ring_pop(*q, item) == 0;                                   \
    }                                                                          \
                                                                               \
    static inline size_t put_many_##object##_pawl(int *seat, pawl_ring **q,    \
                                                  const type *items, size_t n) \
    {                                                                          \
        int64_t done = pawl_ring_push_many(*q, items, n);                      \
        (void)seat;                                                            \
        return done < 0 ? 0 : (size_t)done;                                    \
    }                                                                          \
                                                                               \
    static inline size_t get_many_##object##_pawl(int *seat, pawl_ring **q,    \
                                                  type *items, size_t n)       \
    {                                                                          \
        int64_t done = pawl_ring_pop_many(*q, items, n);                       \
        (void)seat;                                                            \
        return done < 0 ? 0 : (size_t)done;                                    \
    }

PAWL_RING_ADAPTOR(ring, struct item8)
PAWL_RING_ADAPTOR(ring64, struct item64)

/* ---- pthread ------------------------------------------------------------- */

/* Who is to be woken is counted, so that nobody is called in vain; nobody sleeps
 * here, since all try. */
struct pthread_ring {
    pthread_mutex_t lock;
    pthread_cond_t not_empty;
    pthread_cond_t not_full;
    unsigned getters; /* asleep */
    unsigned putters;
    size_t capacity;
    size_t head;
    size_t count;
    char *items;
};

static void pthread_ring_make(struct pthread_ring *q, size_t capacity,
                              size_t size)
{
    memset(q, 0, sizeof(*q));
    BENCH_CHECK(pthread_mutex_init(&q->lock, NULL) == 0);
    BENCH_CHECK(pthread_cond_init(&q->not_empty, NULL) == 0);
    BENCH_CHECK(pthread_cond_init(&q->not_full, NULL) == 0);
    q->capacity = capacity;
    q->items = malloc(capacity * size);
    BENCH_CHECK(q->items != NULL);
}

static void pthread_ring_free(struct pthread_ring *q)
{
    pthread_mutex_destroy(&q->lock);
    pthread_cond_destroy(&q->not_empty);
    pthread_cond_destroy(&q->not_full);
    free(q->items);
}

/* Inlined, so that the size is known. */
static inline size_t pthread_ring_put(struct pthread_ring *q, const char *items,
                                      size_t n, size_t size)
{
    size_t done = 0;
    pthread_mutex_lock(&q->lock);
    while (done < n && q->count < q->capacity) {
        size_t at = q->head + q->count;
        if (at >= q->capacity)
            at -= q->capacity;
        memcpy(q->items + at * size, items + done * size, size);
        q->count++;
        done++;
    }
    bool wake = done != 0 && q->getters != 0;
    pthread_mutex_unlock(&q->lock);
    if (wake)
        pthread_cond_signal(&q->not_empty);
    return done;
}

static inline size_t pthread_ring_get(struct pthread_ring *q, char *items,
                                      size_t n, size_t size)
{
    size_t done = 0;
    pthread_mutex_lock(&q->lock);
    while (done < n && q->count != 0) {
        memcpy(items + done * size, q->items + q->head * size, size);
        if (++q->head == q->capacity)
            q->head = 0;
        q->count--;
        done++;
    }
    bool wake = done != 0 && q->putters != 0;
    pthread_mutex_unlock(&q->lock);
    if (wake)
        pthread_cond_signal(&q->not_full);
    return done;
}

#define PTHREAD_RING_ADAPTOR(object, type)                                     \
    typedef type item_##object##_pthread;                                      \
    typedef struct pthread_ring queue_##object##_pthread;                      \
    typedef int seat_##object##_pthread;                                       \
                                                                               \
    static inline void queue_make_##object##_pthread(struct pthread_ring *q,   \
                                                     size_t capacity)          \
    {                                                                          \
        pthread_ring_make(q, capacity, sizeof(type));                          \
    }                                                                          \
                                                                               \
    static inline void queue_free_##object##_pthread(struct pthread_ring *q)   \
    {                                                                          \
        pthread_ring_free(q);                                                  \
    }                                                                          \
                                                                               \
    static inline void sit_##object##_pthread(                                 \
        int *seat, struct pthread_ring *q, unsigned me)                        \
    {                                                                          \
        (void)seat;                                                            \
        (void)q;                                                               \
        (void)me;                                                              \
    }                                                                          \
                                                                               \
    static inline void rise_##object##_pthread(int *seat,                      \
                                               struct pthread_ring *q)         \
    {                                                                          \
        (void)seat;                                                            \
        (void)q;                                                               \
    }                                                                          \
                                                                               \
    static inline bool put_##object##_pthread(                                 \
        int *seat, struct pthread_ring *q, const type *item)                   \
    {                                                                          \
        (void)seat;                                                            \
        return pthread_ring_put(q, (const char *)item, 1, sizeof(type)) == 1;  \
    }                                                                          \
                                                                               \
    static inline bool get_##object##_pthread(                                 \
        int *seat, struct pthread_ring *q, type *item)                         \
    {                                                                          \
        (void)seat;                                                            \
        return pthread_ring_get(q, (char *)item, 1, sizeof(type)) == 1;        \
    }                                                                          \
                                                                               \
    static inline size_t put_many_##object##_pthread(                          \
        int *seat, struct pthread_ring *q, const type *items, size_t n)        \
    {                                                                          \
        (void)seat;                                                            \
        return pthread_ring_put(q, (const char *)items, n, sizeof(type));      \
    }                                                                          \
                                                                               \
    static inline size_t get_many_##object##_pthread(                          \
        int *seat, struct pthread_ring *q, type *items, size_t n)              \
    {                                                                          \
        (void)seat;                                                            \
        return pthread_ring_get(q, (char *)items, n, sizeof(type));            \
    }

PTHREAD_RING_ADAPTOR(ring, struct item8)
PTHREAD_RING_ADAPTOR(ring64, struct item64)

/* ---- ck_ring: many producers and consumers, capacity n - 1 --------------- */

#ifdef PAWL_BENCH_CK
typedef struct item8 item_ring_ck;
typedef struct {
    ck_ring_t ring;
    ck_ring_buffer_t *buffer;
} queue_ring_ck;
typedef int seat_ring_ck;

static inline void queue_make_ring_ck(queue_ring_ck *q, size_t capacity)
{
    q->buffer = calloc(capacity, sizeof(*q->buffer));
    BENCH_CHECK(q->buffer != NULL);
    ck_ring_init(&q->ring, (unsigned)capacity);
}

static inline void queue_free_ring_ck(queue_ring_ck *q)
{
    free(q->buffer);
}

static inline void sit_ring_ck(int *seat, queue_ring_ck *q, unsigned me)
{
    (void)seat;
    (void)q;
    (void)me;
}

static inline void rise_ring_ck(int *seat, queue_ring_ck *q)
{
    (void)seat;
    (void)q;
}

static inline bool put_ring_ck(int *seat, queue_ring_ck *q,
                               const struct item8 *item)
{
    (void)seat;
    return ck_ring_enqueue_mpmc(&q->ring, q->buffer, (void *)item->v);
}

static inline bool get_ring_ck(int *seat, queue_ring_ck *q, struct item8 *item)
{
    (void)seat;
    return ck_ring_dequeue_mpmc(&q->ring, q->buffer, &item->v);
}
#endif

/* ---- urcu's wait-free concurrent queue: a node for each item ------------- */

#ifdef PAWL_BENCH_URCU
struct urcu_item {
    struct cds_wfcq_node node;
    struct item8 item;
};
typedef struct item8 item_ring_urcu;
typedef struct {
    struct cds_wfcq_head head BENCH_ALIGNED;
    struct cds_wfcq_tail tail BENCH_ALIGNED;
} queue_ring_urcu;
typedef int seat_ring_urcu;

static inline void queue_make_ring_urcu(queue_ring_urcu *q, size_t capacity)
{
    (void)capacity;
    cds_wfcq_init(&q->head, &q->tail);
}

static inline bool get_ring_urcu(int *seat, queue_ring_urcu *q,
                                 struct item8 *item)
{
    struct cds_wfcq_node *node = cds_wfcq_dequeue_blocking(&q->head, &q->tail);
    (void)seat;
    if (node == NULL)
        return false;
    struct urcu_item *i = (struct urcu_item *)node; /* its first member */
    *item = i->item;
    free(i);
    return true;
}

static inline void queue_free_ring_urcu(queue_ring_urcu *q)
{
    struct item8 item;
    while (get_ring_urcu(NULL, q, &item))
        ;
    cds_wfcq_destroy(&q->head, &q->tail);
}

static inline void sit_ring_urcu(int *seat, queue_ring_urcu *q, unsigned me)
{
    (void)seat;
    (void)q;
    (void)me;
}

static inline void rise_ring_urcu(int *seat, queue_ring_urcu *q)
{
    (void)seat;
    (void)q;
}

static inline bool put_ring_urcu(int *seat, queue_ring_urcu *q,
                                 const struct item8 *item)
{
    struct urcu_item *i = malloc(sizeof(*i));
    (void)seat;
    BENCH_CHECK(i != NULL);
    cds_wfcq_node_init(&i->node);
    i->item = *item;
    cds_wfcq_enqueue(&q->head, &q->tail, &i->node);
    return true;
}
#endif

/* ---- GLib ---------------------------------------------------------------- */

#ifdef PAWL_BENCH_GLIB
typedef struct item8 item_ring_glib;
typedef GAsyncQueue *queue_ring_glib;
typedef int seat_ring_glib;

static inline void queue_make_ring_glib(GAsyncQueue **q, size_t capacity)
{
    (void)capacity;
    *q = g_async_queue_new();
}

static inline void queue_free_ring_glib(GAsyncQueue **q)
{
    g_async_queue_unref(*q);
}

static inline void sit_ring_glib(int *seat, GAsyncQueue **q, unsigned me)
{
    (void)seat;
    (void)q;
    (void)me;
}

static inline void rise_ring_glib(int *seat, GAsyncQueue **q)
{
    (void)seat;
    (void)q;
}

static inline bool put_ring_glib(int *seat, GAsyncQueue **q,
                                 const struct item8 *item)
{
    (void)seat;
    g_async_queue_push(*q, (gpointer)item->v);
    return true;
}

static inline bool get_ring_glib(int *seat, GAsyncQueue **q, struct item8 *item)
{
    (void)seat;
    item->v = (uint64_t)g_async_queue_try_pop(*q);
    return item->v != 0;
}
#endif

/* ---- rows ---------------------------------------------------------------- */

#define OBJECT ring

#define RING_MANY
#define IMPL pawl
#include "ring_cases.h"
#undef IMPL

#define IMPL pthread
#include "ring_cases.h"
#undef IMPL
#undef RING_MANY

#ifdef PAWL_BENCH_CK
#    define IMPL ck
#    include "ring_cases.h"
#    undef IMPL
#endif

#ifdef PAWL_BENCH_URCU
#    define IMPL urcu
#    include "ring_cases.h"
#    undef IMPL
#endif

#ifdef PAWL_BENCH_GLIB
#    define IMPL glib
#    include "ring_cases.h"
#    undef IMPL
#endif

#undef OBJECT
#define OBJECT ring64
#define RING_FEW
#define RING_MANY

#define IMPL pawl
#include "ring_cases.h"
#undef IMPL

#define IMPL pthread
#include "ring_cases.h"
#undef IMPL

void bench_ring(void)
{
    add_ring_pawl();
    add_ring_pthread();
#ifdef PAWL_BENCH_CK
    add_ring_ck();
#endif
#ifdef PAWL_BENCH_URCU
    add_ring_urcu();
#endif
#ifdef PAWL_BENCH_GLIB
    add_ring_glib();
#endif
    add_ring64_pawl();
    add_ring64_pthread();
}
