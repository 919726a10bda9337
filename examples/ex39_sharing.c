/* SPDX-License-Identifier: MIT
 *
 * ex39_sharing.c - a number, an array, a list, a dict and a lock that four processes
 * share, of whom one is killed while it has the lock.
 *
 * Python: Value, Array, ShareableList and Lock of multiprocessing, and dict and
 * Namespace of a Manager.  There `v.value += 1` loses counts, and after the kill all
 * others hang.  Here the number needs no lock, and who gets the lock next is told, and
 * puts right what was left half done.  The dict is small, so it is a list of keys, each
 * with its value behind it; no server has it.
 */
#include "example.h"

#include <signal.h>

enum { PROCESSES = 4, ROUNDS = 2000, ACCOUNTS = 8, EACH = 1000 };
enum { KEYS = 5, NAME = 16 }; /* of the dict */

/* At the beginning of the region's buffer; the array and the lists are behind it. */
struct shared {
    _Alignas(PAWL_ARRAY_ALIGN) pawl_u64 rounds; /* Value('L') */
    pawl_mutex lock; /* of the accounts, the dict, and of: */
    uint64_t from, to;
    int64_t had[2];     /* what was in these two before, while this is 1: */
    pawl_u32 half_done; /* a transfer */
    int repaired;
};

struct view {
    pawl_region *region;
    struct shared *shared;
    pawl_array *accounts; /* Array('q', 8, lock=False): `lock` guards it */
    pawl_list *notes;     /* ShareableList: what each has done */
    pawl_list *dict; /* key, value, key, value: who has had how many turns */
};

static int64_t *account(const struct view *v, uint64_t i)
{
    return pawl_array_at(v->accounts, i % ACCOUNTS);
}

/* Hold the lock, and have all the money there. */
static void take(const struct view *v)
{
    struct shared *s = v->shared;
    int err = pawl_mutex_lock(&s->lock);

    if (err == -EOWNERDEAD) {
        if (pawl_u32_load(&s->half_done) == 1) { /* as if it had not begun */
            *account(v, s->from) = s->had[0];
            *account(v, s->to) = s->had[1];
            pawl_u32_store(&s->half_done, 0);
        }
        s->repaired++;
        err = pawl_mutex_consistent(&s->lock);
    }
    MUST(err);
}

/* -- A dict, under the lock ----------------------------------------------------- */

static int64_t place_of(const struct view *v, const pawl_item *key)
{
    return pawl_list_index(v->dict, key); /* values are no texts */
}

/* dict.get(name, 0) */
static int64_t dict_get(const struct view *v, const char *name)
{
    const pawl_item key = {
        .kind = PAWL_ITEM_TEXT, .bytes = name, .size = strlen(name)};
    int64_t at = place_of(v, &key);
    pawl_item value;

    if (at < 0)
        return 0;
    MUST(pawl_list_get(v->dict, (size_t)at + 1, &value, NULL, 0));
    return value.integer;
}

/* dict[name] = n.  A value is there before its key, and each is put in one step: whoever
 * is killed leaves what was, or what is to be. */
static void dict_set(const struct view *v, const char *name, int64_t n)
{
    const pawl_item nothing = {.kind = PAWL_ITEM_NONE};
    const pawl_item value = {.kind = PAWL_ITEM_INTEGER, .integer = n};
    const pawl_item key = {
        .kind = PAWL_ITEM_TEXT, .bytes = name, .size = strlen(name)};
    int64_t at = place_of(v, &key);
    bool is_new = at < 0;

    if (is_new)
        at = place_of(v, &nothing);
    REQUIRE(at >= 0); /* else it is full */
    MUST(pawl_list_set(v->region, v->dict, (size_t)at + 1, &value));
    if (is_new)
        MUST(pawl_list_set(v->region, v->dict, (size_t)at, &key));
}

/* -- Accounts, under the lock --------------------------------------------------- */

static void transfer(const struct view *v, const char *who, uint64_t from,
                     uint64_t to, int64_t amount, bool die)
{
    struct shared *s = v->shared;

    take(v);
    s->from = from;
    s->to = to;
    s->had[0] = *account(v, from);
    s->had[1] = *account(v, to);
    pawl_u32_store(&s->half_done, 1);
    *account(v, from) -= amount;
    if (die)
        raise(SIGKILL);
    *account(v, to) += amount;
    pawl_u32_store(&s->half_done, 0);
    dict_set(v, who, dict_get(v, who) + 1);
    MUST(pawl_mutex_unlock(&s->lock));
}

static _Noreturn void be_process(const struct view *v, int who)
{
    char text[32];
    pawl_item note = {.kind = PAWL_ITEM_TEXT, .bytes = text};
    char name[NAME];

    snprintf(name, sizeof name, "process %d", who);
    for (int i = 0; i < ROUNDS; i++) {
        bool die = who == 0 && i == ROUNDS / 2;

        transfer(v, name, (uint64_t)(i + who), (uint64_t)(3 * i + 1), 1 + i % 7,
                 die);
        pawl_u64_add(&v->shared->rounds, 1);
    }
    note.size = (size_t)snprintf(text, sizeof text, "%d is done", who);
    MUST(pawl_list_set(v->region, v->notes, (size_t)who, &note));
    _exit(0);
}

static int64_t aligned(int64_t bytes)
{
    return (bytes + PAWL_LIST_ALIGN - 1) / PAWL_LIST_ALIGN * PAWL_LIST_ALIGN;
}

static void make(struct view *v)
{
    static const size_t capacity[PROCESSES] = {16, 16, 16, 16};
    static const size_t of_dict[2 * KEYS] = {NAME, 0,    NAME, 0,    NAME,
                                             0,    NAME, 0,    NAME, 0};
    int64_t array = pawl_array_bytes(ACCOUNTS, sizeof(int64_t), PAWL_ARRAY_RAW);
    int64_t list = pawl_list_bytes(PROCESSES, capacity);
    int64_t dict = pawl_list_bytes(2 * KEYS, of_dict);
    char *memory;

    REQUIRE(array > 0 && list > 0 && dict > 0);
    array = aligned(array);
    list = aligned(list);
    MUST(pawl_region_create(
        &v->region,
        &(pawl_region_options){.buffer = sizeof *v->shared +
                                         (size_t)(array + list + dict)}));
    v->shared = pawl_region_buffer(v->region, NULL);
    memory = (char *)(v->shared + 1);
    MUST(pawl_mutex_init(&v->shared->lock, PAWL_SHARED));
    MUST(pawl_array_init(&v->accounts, memory, (size_t)array, ACCOUNTS,
                         sizeof(int64_t), PAWL_SHARED | PAWL_ARRAY_RAW));
    MUST(pawl_list_init(&v->notes, memory + array, (size_t)list, PROCESSES,
                        capacity));
    MUST(pawl_list_init(&v->dict, memory + array + list, (size_t)dict, 2 * KEYS,
                        of_dict));
    for (uint64_t i = 0; i < ACCOUNTS; i++)
        *account(v, i) = EACH;
}

static void run(const struct view *v)
{
    pid_t pid[PROCESSES];

    for (int i = 0; i < PROCESSES; i++) {
        pid[i] = fork();
        REQUIRE(pid[i] >= 0);
        if (pid[i] == 0)
            be_process(v, i);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;

        REQUIRE(waitpid(pid[i], &status, 0) == pid[i]);
        if (i == 0)
            REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        else
            REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

/* What it has noted, if anything. */
static void check_note(const struct view *v, int who, bool is_done)
{
    char text[32];
    char want[32];
    pawl_item note;

    snprintf(want, sizeof want, "%d is done", who);
    MUST(pawl_list_get(v->notes, (size_t)who, &note, text, sizeof text));
    REQUIRE(note.kind ==
            (is_done ? (uint32_t)PAWL_ITEM_TEXT : (uint32_t)PAWL_ITEM_NONE));
    REQUIRE(!is_done || (note.size == strlen(want) &&
                         memcmp(note.bytes, want, note.size) == 0));
}

int main(int argc, char **argv)
{
    struct view v;
    int64_t sum = 0;

    example_begins(argc, argv);
    make(&v);
    run(&v);

    take(&v); /* had it died last, we would repair */
    for (uint64_t i = 0; i < ACCOUNTS; i++)
        sum += *account(&v, i);
    MUST(pawl_mutex_unlock(&v.shared->lock));
    REQUIRE(sum == ACCOUNTS * EACH);
    REQUIRE(pawl_u64_load(&v.shared->rounds) ==
            (PROCESSES - 1) * ROUNDS + ROUNDS / 2);
    REQUIRE(v.shared->repaired == 1);
    for (int i = 0; i < PROCESSES; i++) {
        char name[NAME];

        snprintf(name, sizeof name, "process %d", i);
        REQUIRE(dict_get(&v, name) == (i == 0 ? ROUNDS / 2 : ROUNDS));
        check_note(&v, i, i != 0);
    }
    REQUIRE(dict_get(&v, "process 4") == 0);
    SAY("OK 1 killed, 1 repaired, %lld in all accounts, %llu rounds",
        (long long)sum, (unsigned long long)pawl_u64_load(&v.shared->rounds));
    pawl_region_free(v.region);
    return 0;
}
