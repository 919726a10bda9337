/* SPDX-License-Identifier: MIT
 *
 * plain.c - who reads and writes plain memory, and whether they know of each other.
 *
 * The library's sources are compiled as for ThreadSanitizer, which calls a function
 * before each access that is no atomic operation; here are those functions, so
 * that every plain access of the library is checked like what a scenario declares.
 *
 * A cell says who wrote some bytes last, and who has read them since, by the clocks
 * of machine.c.  It is of a word of four bytes; or of one byte, if less than a word
 * has been accessed.  Two accesses race if one of them writes and the later one
 * does not know of the earlier: in whatever order they came here.
 *
 * Atomic operations and plain accesses of one word race like plain ones.  A block
 * of the library's memory begins as written by the thread that has it made.
 *
 * Not looked at: the stack of the running thread, and what is thread-local, errno
 * too.
 */
#include "machine.h"

#define CELLS 32768 /* a power of two; half of them are used */
#define WORD 4u

/* Of a byte at `at`, the key is odd. */
#define WORD_KEY(at) ((at) << 1)
#define BYTE_KEY(at) ((at) << 1 | 1)

static struct {
    struct model_cell cells[CELLS];
    uint16_t used[CELLS / 2]; /* where they are */
    uint32_t used_n;
    uint32_t run;
    uintptr_t errno_at;
} P;

struct model_here model_here;

extern char __start_model_locals[];
extern char __stop_model_locals[];

void model_plain_begin(void)
{
    P.run++;
    P.used_n = 0;
    P.errno_at = (uintptr_t)&errno;
    model_here.clocks = NULL;
}

/* -- Cells ----------------------------------------------------------------------- */

static struct model_cell *slot_of(uintptr_t key)
{
    uintptr_t hash = key >> 3;

    hash ^= hash >> 13;
    for (uint32_t i = (uint32_t)hash;; i++) {
        struct model_cell *c = &P.cells[i & (CELLS - 1)];

        if (c->run != P.run || c->key == key)
            return c;
    }
}

static const void *address_of(const struct model_cell *c)
{
    return (const void *)(c->key >> 1);
}

static __attribute__((noinline)) void make_cell(struct model_cell *c,
                                                uintptr_t key)
{
    uint32_t owner;
    uint32_t clock;

    if (P.used_n == CELLS / 2)
        model_fail("machine: too much plain data");
    P.used[P.used_n++] = (uint16_t)(c - P.cells);
    *c = (struct model_cell){.key = key, .run = P.run};
    model_check_freed(address_of(c));
    if (model_heap_owner(address_of(c), &owner, &clock)) {
        c->writer = (uint8_t)owner;
        c->written = clock;
    }
}

static struct model_cell *cell_of(uintptr_t key)
{
    struct model_cell *c = slot_of(key);

    if (c->run != P.run)
        make_cell(c, key);
    return c;
}

/* -- Races -------------------------------------------------------------------------- */

/* What thread i did at its time `clock` happened before now. */
static bool is_known(uint32_t i, uint32_t clock)
{
    return i == model_here.thread || model_here.clocks[i] >= clock;
}

static __attribute__((noreturn, noinline)) void
report(const struct model_cell *c, bool writes, uint32_t other, const char *did,
       const void *code)
{
    char where[32];

    model_fail("data race on %s: T%u %s what T%u %s%s",
               model_name_of(address_of(c)), model_here.thread,
               writes ? "writes" : "reads", other, did,
               model_code(code, where, sizeof where));
}

/* Who reads, and writes if `writes`, what plain accesses have come to. */
static void check_plain(const struct model_cell *c, bool writes,
                        const void *code)
{
    if (c->written != 0 && !is_known(c->writer, c->written))
        report(c, writes, c->writer, "wrote", code);
    if (!writes)
        return;
    for (uint32_t left = c->readers; left != 0; left &= left - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(left);

        if (!is_known(i, c->read[i]))
            report(c, true, i, "read", code);
    }
}

static void check_rest(const struct model_cell *c, bool writes,
                       const void *code)
{
    uint32_t i;

    if (c->freed)
        model_fail("use of freed memory: %s", model_name_of(address_of(c)));
    if (c->location == 0)
        return;
    i = model_user_unknown(c->location - 1u, writes);
    if (i < MODEL_THREADS)
        report(c, writes, i, "used by an atomic operation", code);
}

static inline void check(const struct model_cell *c, bool writes,
                         const void *code)
{
    check_plain(c, writes, code);
    if (c->freed | c->location)
        check_rest(c, writes, code);
}

static inline void note(struct model_cell *c, bool writes)
{
    uint32_t me = model_here.thread;
    uint32_t clock = model_here.clocks[me];

    if (writes) {
        c->writer = (uint8_t)me;
        c->written = clock;
    } else {
        c->readers |= (uint8_t)(1 << me);
        c->read[me] = clock;
    }
}

static __attribute__((noinline)) void check_bytes(const struct model_cell *c,
                                                  bool writes, const void *code)
{
    for (uint32_t i = 0; i < WORD; i++) {
        const struct model_cell *byte =
            slot_of(BYTE_KEY((uintptr_t)address_of(c) + i));

        if (byte->run == P.run)
            check(byte, writes, code);
    }
}

static inline void access_word(uintptr_t at, bool writes, const void *code)
{
    struct model_cell *c = cell_of(WORD_KEY(at));

    check(c, writes, code);
    note(c, writes);
    if (c->has_bytes)
        check_bytes(c, writes, code);
}

static void access_byte(uintptr_t at, bool writes, const void *code)
{
    struct model_cell *word = cell_of(WORD_KEY(at & ~(uintptr_t)(WORD - 1)));
    struct model_cell *c = cell_of(BYTE_KEY(at));

    word->has_bytes = true;
    check(word, writes, code);
    check(c, writes, code);
    note(c, writes);
}

static bool is_own(uintptr_t at)
{
    return at - model_here.stack < model_here.stack_size ||
           (at >= (uintptr_t)__start_model_locals &&
            at < (uintptr_t)__stop_model_locals) ||
           at == P.errno_at;
}

static __attribute__((noinline)) void trace_access(const void *p, bool writes,
                                                   const void *code)
{
    char where[32];

    model_trace("%s %s%s", writes ? "writes" : "reads", model_name_of(p),
                model_code(code, where, sizeof where));
}

static inline __attribute__((always_inline)) void
access_memory(const void *p, size_t size, bool writes, const void *code)
{
    uintptr_t at = (uintptr_t)p;
    uintptr_t end = at + size;

    if (model_here.clocks == NULL || is_own(at))
        return;
    while (at < end) {
        if (at % WORD == 0 && end - at >= WORD) {
            access_word(at, writes, code);
            at += WORD;
        } else {
            access_byte(at++, writes, code);
        }
    }
    if (model_tracing)
        trace_access(p, writes, code);
}

/* -- What machine.c says ------------------------------------------------------------ */

void model_read(const void *data)
{
    access_memory(data, 1, false, NULL);
}

void model_write(const void *data)
{
    access_memory(data, 1, true, NULL);
}

struct model_cell *model_cell_at(const void *word, uint32_t location)
{
    struct model_cell *c = cell_of(WORD_KEY((uintptr_t)word));

    c->location = (uint16_t)(location + 1);
    return c;
}

void model_check_cell(const struct model_cell *c, bool writes)
{
    check_plain(c, writes, NULL);
}

/* All accesses come before. */
void model_plain_free(const void *p, size_t size)
{
    uintptr_t from = (uintptr_t)p;

    for (uint32_t i = 0; i < P.used_n && model_here.clocks != NULL; i++) {
        struct model_cell *c = &P.cells[P.used[i]];

        if ((uintptr_t)address_of(c) - from >= size)
            continue;
        if (c->location == 0)
            check(c, true, NULL);
        c->freed = true;
    }
}

/* -- What the compiler calls ----------------------------------------------------------- */

#define CODE __builtin_return_address(0)
#define ACCESS(name, size, writes)                                             \
    void name(const void *p);                                                  \
    void name(const void *p)                                                   \
    {                                                                          \
        access_memory(p, size, writes, CODE);                                  \
    }
#define ACCESSES(size)                                                         \
    ACCESS(__tsan_read##size, size, false)                                     \
    ACCESS(__tsan_write##size, size, true)                                     \
    ACCESS(__tsan_unaligned_read##size, size, false)                           \
    ACCESS(__tsan_unaligned_write##size, size, true)

/* clang-format off */
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)
/* clang-format on */

void __tsan_read_range(const void *p, size_t size);
void __tsan_write_range(const void *p, size_t size);
void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
void *__tsan_memcpy(void *to, const void *from, size_t size);
void *__tsan_memmove(void *to, const void *from, size_t size);
void *__tsan_memset(void *to, int byte, size_t size);

void __tsan_read_range(const void *p, size_t size)
{
    access_memory(p, size, false, CODE);
}

void __tsan_write_range(const void *p, size_t size)
{
    access_memory(p, size, true, CODE);
}

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
    (void)caller;
}

void __tsan_func_exit(void)
{
}

void *__tsan_memcpy(void *to, const void *from, size_t size)
{
    access_memory(from, size, false, CODE);
    access_memory(to, size, true, CODE);
    return memcpy(to, from, size);
}

void *__tsan_memmove(void *to, const void *from, size_t size)
{
    access_memory(from, size, false, CODE);
    access_memory(to, size, true, CODE);
    return memmove(to, from, size);
}

void *__tsan_memset(void *to, int byte, size_t size)
{
    access_memory(to, size, true, CODE);
    return memset(to, byte, size);
}
