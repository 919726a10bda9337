/* SPDX-License-Identifier: MIT
 *
 * bench_queue.c - the blocking queue; its twin is a ring of words under a pthread
 * mutex with two conditions, which signals after the unlock, and only if somebody
 * waits.  Capacity 1, as a signal from one thread to another, gives the ping-pong
 * and the wakes.
 */
#include <pthread.h>
#include <string.h>

#include <pawl/queue.h>

#include "bench.h"

#define OBJECT queue

/* ---- pawl ---------------------------------------------------------------- */

typedef pawl_queue *queue_queue_pawl;

static inline void queue_make_queue_pawl(pawl_queue **q, size_t capacity)
{
    pawl_queue_options o = {.capacity = capacity, .element_size = 8};
    BENCH_CHECK(pawl_queue_create(q, &o) == 0);
}

static inline void queue_free_queue_pawl(pawl_queue **q)
{
    pawl_queue_free(*q);
}

static inline bool put_queue_pawl(pawl_queue **q, uint64_t word)
{
    return pawl_queue_put(*q, &word) == 0;
}

static inline bool get_queue_pawl(pawl_queue **q, uint64_t *word)
{
    return pawl_queue_get(*q, word) == 0;
}

static inline void close_queue_pawl(pawl_queue **q)
{
    pawl_queue_shutdown(*q);
}

/* In place: signals are not freed. */
typedef struct {
    pawl_queue *q;
    BENCH_ALIGNED char memory[2048];
} signal_queue_pawl;

static inline void signal_init_queue_pawl(signal_queue_pawl *s)
{
    pawl_queue_options o = {.capacity = 1, .element_size = 8};
    BENCH_CHECK(pawl_queue_init(&s->q, s->memory, sizeof(s->memory), &o) == 0);
}

static inline void signal_send_queue_pawl(signal_queue_pawl *s)
{
    BENCH_CHECK(put_queue_pawl(&s->q, 1));
}

static inline void signal_await_queue_pawl(signal_queue_pawl *s)
{
    uint64_t word;
    BENCH_CHECK(get_queue_pawl(&s->q, &word));
}

static inline void signal_clear_queue_pawl(signal_queue_pawl *s)
{
    (void)s; /* the get did */
}

#define IMPL pawl
#include "signal_cases.h"

#include "queue_cases.h"
#undef IMPL

/* ---- pthread ------------------------------------------------------------- */

struct pthread_queue {
    pthread_mutex_t lock;
    pthread_cond_t not_empty;
    pthread_cond_t not_full;
    unsigned getters; /* asleep */
    unsigned putters;
    bool closed;
    size_t capacity;
    size_t head;
    size_t count;
    uint64_t *words;
};
typedef struct pthread_queue queue_queue_pthread;

static void queue_make_queue_pthread(struct pthread_queue *q, size_t capacity)
{
    memset(q, 0, sizeof(*q));
    BENCH_CHECK(pthread_mutex_init(&q->lock, NULL) == 0);
    BENCH_CHECK(pthread_cond_init(&q->not_empty, NULL) == 0);
    BENCH_CHECK(pthread_cond_init(&q->not_full, NULL) == 0);
    q->capacity = capacity;
    q->words = malloc(capacity * sizeof(*q->words));
    BENCH_CHECK(q->words != NULL);
}

static void queue_free_queue_pthread(struct pthread_queue *q)
{
    pthread_mutex_destroy(&q->lock);
    pthread_cond_destroy(&q->not_empty);
    pthread_cond_destroy(&q->not_full);
    free(q->words);
}

static bool put_queue_pthread(struct pthread_queue *q, uint64_t word)
{
    pthread_mutex_lock(&q->lock);
    while (q->count == q->capacity && !q->closed) {
        q->putters++;
        pthread_cond_wait(&q->not_full, &q->lock);
        q->putters--;
    }
    bool done = !q->closed;
    if (done) {
        size_t at = q->head + q->count;
        q->words[at < q->capacity ? at : at - q->capacity] = word;
        q->count++;
    }
    bool wake = done && q->getters != 0;
    pthread_mutex_unlock(&q->lock);
    if (wake)
        pthread_cond_signal(&q->not_empty);
    return done;
}

static bool get_queue_pthread(struct pthread_queue *q, uint64_t *word)
{
    pthread_mutex_lock(&q->lock);
    while (q->count == 0 && !q->closed) {
        q->getters++;
        pthread_cond_wait(&q->not_empty, &q->lock);
        q->getters--;
    }
    bool done = q->count != 0;
    if (done) {
        *word = q->words[q->head];
        if (++q->head == q->capacity)
            q->head = 0;
        q->count--;
    }
    bool wake = done && q->putters != 0;
    pthread_mutex_unlock(&q->lock);
    if (wake)
        pthread_cond_signal(&q->not_full);
    return done;
}

static void close_queue_pthread(struct pthread_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_mutex_unlock(&q->lock);
    pthread_cond_broadcast(&q->not_empty);
    pthread_cond_broadcast(&q->not_full);
}

typedef struct pthread_queue signal_queue_pthread;

static inline void signal_init_queue_pthread(signal_queue_pthread *s)
{
    static uint64_t words[2]; /* nobody reads what goes through */
    queue_make_queue_pthread(s, 1);
    free(s->words);
    s->words = words;
}

static inline void signal_send_queue_pthread(signal_queue_pthread *s)
{
    BENCH_CHECK(put_queue_pthread(s, 1));
}

static inline void signal_await_queue_pthread(signal_queue_pthread *s)
{
    uint64_t word;
    BENCH_CHECK(get_queue_pthread(s, &word));
}

static inline void signal_clear_queue_pthread(signal_queue_pthread *s)
{
    (void)s; /* the get did */
}

#define IMPL pthread
#include "signal_cases.h"

#include "queue_cases.h"
#undef IMPL

void bench_queue(void)
{
    add_flows_queue_pawl();
    add_flows_queue_pthread();
    add_signal_queue_pawl(SIGNAL_ALL);
    add_signal_queue_pthread(SIGNAL_ALL);
}
