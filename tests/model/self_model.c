/* SPDX-License-Identifier: MIT
 *
 * The library's own self.c, with libc's part of it replaced; and what the
 * machine must do to it between two schedules.
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "machine.h"

#define pthread_key_create model_key_create
#define pthread_key_delete model_key_delete
#define pthread_setspecific model_setspecific
#define pthread_atfork model_atfork
#define sched_yield model_sched_yield
#define syscall model_syscall
#define mmap(at, size, protection, flags, fd, offset) model_calloc(1, size)
#define munmap(at, size) model_heap_free(at)
/* As few as can be: three threads come to the second window. */
#define CHUNK 8
#define FIRST_WINDOW 8

#include "futex/self.c"

/* What self.c remembers, as it is after every thread has its ids. */
static struct {
    struct pawl_record records[MODEL_THREADS];
    pawl_u32 cursor;
    pawl_u32 key_plus_1;
    pawl_u32 forks_watched;
} kept;

static bool crowded;
static uint32_t vacant; /* then */

void model_self_keep(void)
{
    memcpy(kept.records, first_chunk, sizeof kept.records);
    kept.cursor = cursor;
    kept.key_plus_1 = key_plus_1;
    kept.forks_watched = forks_watched;
}

void model_self_restore(enum model_past past)
{
    crowded = false;
    memset(chunks, 0, sizeof chunks);
    memset(&window_, 0, sizeof window_);
    memset(&ends, 0, sizeof ends);
    memset(&pawl_walking_, 0, sizeof pawl_walking_);
    pawl_fork_count_ = 0;
    /* What threads have taken that were another's before. */
    if (cursor.v_ > MODEL_THREADS)
        memset(&first_chunk[MODEL_THREADS], 0,
               (CHUNK - MODEL_THREADS) * sizeof *first_chunk);
    if (past == MODEL_REGISTERED) {
        memcpy(first_chunk, kept.records, sizeof kept.records);
        cursor = kept.cursor;
        key_plus_1 = kept.key_plus_1;
        forks_watched = kept.forks_watched;
        return;
    }
    memset(first_chunk, 0, sizeof kept.records);
    memset(&cursor, 0, sizeof cursor);
    memset(&key_plus_1, 0, sizeof key_plus_1);
    memset(&forks_watched, 0, sizeof forks_watched);
    for (uint32_t i = 0; past == MODEL_USED && i < MODEL_THREADS; i++) {
        first_chunk[i].generation = 1;
        first_chunk[i].id.v_ = (UINT32_C(1) << SLOT_BITS | i) | ENDED;
        first_chunk[i].tid.v_ = 999;
    }
}

void model_self_crowd(uint32_t free)
{
    crowded = true;
    vacant = free;
    for (uint32_t i = MODEL_THREADS; i < CHUNK - free; i++)
        first_chunk[i].id.v_ = UINT32_C(1) << SLOT_BITS | i;
}

void model_self_forget(void)
{
    pawl_self_ = (struct pawl_self){0};
}

/* With so few threads nobody uses the records after theirs, nor lets the window
 * grow, unless others have them all: looking at them is no step. */
bool model_self_is_idle(const void *word, uint32_t threads)
{
    size_t at = (size_t)((const char *)word - (const char *)first_chunk);

    if (at >= sizeof first_chunk)
        return word == &window_ && !crowded;
    at /= sizeof *first_chunk;
    if (crowded)
        return at >= threads && at < CHUNK - vacant;
    return at >= (at < MODEL_THREADS ? threads : cursor.v_);
}

const char *model_self_name(const void *word, char *buffer, size_t size)
{
    static const struct {
        size_t offset;
        const char *name;
    } fields[] = {
        {offsetof(struct pawl_record, id), "id"},
        {offsetof(struct pawl_record, tid), "tid"},
        {offsetof(struct pawl_record, ticket), "ticket"},
        {offsetof(struct pawl_record, line), "line"},
        {offsetof(struct pawl_record, waiting), "waiting"},
        {offsetof(struct pawl_record, bury), "bury"},
        {offsetof(struct pawl_record, kind), "kind"},
        {offsetof(struct pawl_record, cpu), "cpu"},
        {offsetof(struct pawl_record, peeking), "peeking"},
    };
    static const struct {
        const void *word;
        const char *name;
    } words[] = {{&cursor, "self.cursor"},
                 {&key_plus_1, "self.key"},
                 {&forks_watched, "self.forks_watched"},
                 {&window_, "self.window"},
                 {&chunks[1], "self.chunks"},
                 {&ends, "self.ends"},
                 {&pawl_walking_, "walking"}};
    size_t at = (size_t)((const char *)word - (const char *)first_chunk);

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (word == words[i].word)
            return words[i].name;
    }
    if ((const char *)word < (const char *)first_chunk ||
        at >= sizeof first_chunk)
        return NULL;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (fields[i].offset == at % sizeof(struct pawl_record)) {
            snprintf(buffer, size, "record[%zu].%s",
                     at / sizeof(struct pawl_record), fields[i].name);
            return buffer;
        }
    }
    return NULL;
}
