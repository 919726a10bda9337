/* SPDX-License-Identifier: MIT
 *
 * user.c - a program that is built with ThreadSanitizer and linked with a pawl
 * that is not.
 *
 *   user clean         hands plain data over through every object: no report
 *   user WHAT [OBJECT]  does what no program should: must be reported
 *   user --list         all of the latter, each with what the report says
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl.h>

static void must(int err)
{
    if (err < 0)
        fprintf(stderr, "unexpected: %s\n", pawl_errname(err));
}

/* ---- clean ------------------------------------------------------------- */

enum { ROUNDS = 200 };

static pawl_mutex mutex = PAWL_MUTEX_INIT;
static pawl_mutex ownerless = PAWL_MUTEX_INIT_FLAGS(PAWL_OWNERLESS);
static pawl_rmutex rmutex = PAWL_RMUTEX_INIT;
static pawl_rwlock rwlock = PAWL_RWLOCK_INIT;
static pawl_cond cond = PAWL_COND_INIT;
static pawl_sem filled = PAWL_SEM_INIT(0);
static pawl_sem emptied = PAWL_SEM_INIT(1);
static pawl_event event = PAWL_EVENT_INIT;
static pawl_barrier barrier = PAWL_BARRIER_INIT(2);
static pawl_once once = PAWL_ONCE_INIT;
static pawl_latch latch = PAWL_LATCH_INIT(1);

/* Plain data, each guarded by the object of that name. */
static struct {
    int mutex, ownerless, rmutex, rwlock, cond, sem, event, barrier, once,
        latch;
} data;

static int set_once(void *arg)
{
    (void)arg;
    data.once = 1;
    return 0;
}

static void both(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        must(pawl_mutex_lock(&mutex));
        data.mutex++;
        must(pawl_mutex_unlock(&mutex));
        must(pawl_mutex_lock(&ownerless));
        data.ownerless++;
        must(pawl_mutex_unlock(&ownerless));
        must(pawl_rmutex_lock(&rmutex));
        must(pawl_rmutex_lock(&rmutex));
        data.rmutex++;
        must(pawl_rmutex_unlock(&rmutex));
        must(pawl_rmutex_unlock(&rmutex));
        must(pawl_rwlock_write_lock(&rwlock));
        data.rwlock++;
        must(pawl_rwlock_downgrade(&rwlock));
        must(data.rwlock > 0 ? 0 : -EINVAL);
        must(pawl_rwlock_read_unlock(&rwlock));
        must(pawl_rwlock_read_lock(&rwlock));
        must(data.rwlock > 0 ? 0 : -EINVAL);
        must(pawl_rwlock_read_unlock(&rwlock));
    }
    must(pawl_once_run(&once, set_once, NULL));
    must(data.once == 1 ? 0 : -EINVAL);
    for (int i = 0; i < ROUNDS; i++) {
        int index = pawl_barrier_wait(&barrier);

        must(index);
        if (index == 0) /* only one of them, between two barriers */
            data.barrier++;
        must(pawl_barrier_wait(&barrier));
    }
}

/* What a cell is handed over in; `large` cells are copied, not pointed to. */
struct large {
    int *cell;
    int copy[8];
};

static pawl_ring *ring;
static pawl_queue *queue;
static pawl_queue *large_queue;
static pawl_spsc *spsc;
static pawl_stack *stack;
static pawl_wsdeque *deque;

static int make_queues(void)
{
    const pawl_queue_options of_words = {.capacity = 3, .element_size = 8};
    const pawl_queue_options of_structs = {
        .capacity = 3, .element_size = sizeof(struct large)};

    return pawl_ring_create(&ring, 3, sizeof(int *), 2) |
           pawl_queue_create(&queue, &of_words) |
           pawl_queue_create(&large_queue, &of_structs) |
           pawl_spsc_create(&spsc, 3, sizeof(int *)) |
           pawl_stack_create(&stack, 3, sizeof(struct large), 2) |
           pawl_wsdeque_create(&deque, 4);
}

static int *new_cell(int value)
{
    int *cell = malloc(sizeof *cell);

    if (cell == NULL)
        exit(2);
    *cell = value;
    return cell;
}

static void check_cell(int *cell, int value)
{
    must(*cell == value ? 0 : -EINVAL);
    *cell = 0;
    free(cell);
}

static void produce_cells(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct large large = {.cell = new_cell(i)};
        int *cell = new_cell(i);

        while (pawl_ring_push(ring, &cell) != 0)
            sched_yield();
        cell = new_cell(i);
        must(pawl_queue_put(queue, &cell));
        large.copy[7] = i;
        must(pawl_queue_put(large_queue, &large));
        cell = new_cell(i);
        while (pawl_spsc_push(spsc, &cell) != 0)
            sched_yield();
        large.cell = new_cell(i);
        while (pawl_stack_push(stack, &large) != 0)
            sched_yield();
        cell = new_cell(i);
        while (pawl_wsdeque_push(deque, (uint64_t)(uintptr_t)cell) != 0)
            sched_yield();
    }
}

static void consume_cells(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct large large;
        int *cell;
        uint64_t word;

        while (pawl_ring_pop(ring, &cell) != 0)
            sched_yield();
        check_cell(cell, i);
        must(pawl_queue_get(queue, &cell));
        check_cell(cell, i);
        must(pawl_queue_get(large_queue, &large));
        must(large.copy[7] == i ? 0 : -EINVAL);
        check_cell(large.cell, i);
        while (pawl_spsc_pop(spsc, &cell) != 0)
            sched_yield();
        check_cell(cell, i);
        while (pawl_stack_pop(stack, &large) != 0)
            sched_yield();
        check_cell(large.cell, large.copy[7]);
        while (pawl_wsdeque_steal(deque, &word) != 0)
            sched_yield();
        check_cell((int *)(uintptr_t)word, i);
    }
}

static void *consume(void *arg)
{
    int err;

    both();
    consume_cells();
    for (int i = 0; i < ROUNDS; i++) {
        must(pawl_sem_acquire(&filled));
        data.sem--;
        must(pawl_sem_release(&emptied));
    }
    must(pawl_event_wait(&event));
    data.event++;
    must(pawl_latch_wait(&latch));
    data.latch++;
    must(pawl_mutex_lock(&mutex));
    PAWL_COND_WAIT_WHILE(err, &cond, &mutex, PAWL_FOREVER, data.cond == 0);
    must(err);
    data.cond++;
    must(pawl_mutex_unlock(&mutex));
    return arg;
}

/* ---- regions: more than the sanitizer can follow locks; a holder is killed ---- */

enum { REGIONS = 80 };

static void *take_over(void *lock)
{
    must(pawl_mutex_lock(lock) == -EOWNERDEAD ? 0 : -EINVAL);
    must(pawl_mutex_consistent(lock));
    must(pawl_mutex_unlock(lock));
    return lock;
}

static void die_holding(pawl_mutex *lock)
{
    pid_t child = fork();

    if (child == 0) {
        must(pawl_mutex_lock(lock));
        kill(getpid(), SIGKILL);
    }
    must(waitpid(child, NULL, 0) == child ? 0 : -ECHILD);
}

static void survive(void)
{
    pawl_region *region[REGIONS];
    pawl_mutex *lock = NULL;
    pthread_t other;

    for (int i = 0; i < REGIONS; i++) {
        must(pawl_region_create(&region[i],
                                &(pawl_region_options){.buffer = 4096}));
        must(pawl_region_join(region[i]));
    }
    lock = pawl_region_buffer(region[0], NULL);
    must(pawl_mutex_init(lock, PAWL_SHARED));
    must(pawl_mutex_lock(lock));
    must(pawl_mutex_unlock(lock));
    die_holding(lock);
    pthread_create(&other, NULL, take_over, lock);
    pthread_join(other, NULL);
    die_holding(lock);
    take_over(lock);
    must(pawl_mutex_destroy(lock));
    for (int i = 0; i < REGIONS; i++)
        pawl_region_free(region[i]);
}

static int clean(void)
{
    pthread_t other;

    survive();
    must(make_queues());
    pthread_create(&other, NULL, consume, NULL);
    both();
    produce_cells();
    for (int i = 0; i < ROUNDS; i++) {
        must(pawl_sem_acquire(&emptied));
        data.sem++;
        must(pawl_sem_release(&filled));
    }
    data.event = 1;
    pawl_event_set(&event);
    data.latch = 1;
    must(pawl_latch_count_down(&latch, 1));
    must(pawl_mutex_lock(&mutex));
    data.cond = 1;
    must(pawl_cond_notify(&cond, &mutex, 1));
    must(pawl_mutex_unlock(&mutex));
    pthread_join(other, NULL);
    return data.mutex == 2 * ROUNDS && data.cond == 2 ? 0 : 1;
}

/* ---- misuse -------------------------------------------------------------- */

/* Two of each lock kind, behind functions without arguments. */
#define LOCK_FUNCTIONS(kind, type, init, lock_fn, unlock_fn)                   \
    static type kind##_one = init;                                             \
    static type kind##_two = init;                                             \
    static int kind##_lock(void)                                               \
    {                                                                          \
        return pawl_##lock_fn(&kind##_one);                                    \
    }                                                                          \
    static int kind##_unlock(void)                                             \
    {                                                                          \
        return pawl_##unlock_fn(&kind##_one);                                  \
    }                                                                          \
    static int kind##_lock_second(void)                                        \
    {                                                                          \
        return pawl_##lock_fn(&kind##_two);                                    \
    }                                                                          \
    static int kind##_unlock_second(void)                                      \
    {                                                                          \
        return pawl_##unlock_fn(&kind##_two);                                  \
    }                                                                          \
    static type *kind##_create(void)                                           \
    {                                                                          \
        static const type fresh = init;                                        \
        type *p = malloc(sizeof *p);                                           \
                                                                               \
        if (p == NULL)                                                         \
            exit(2);                                                           \
        memcpy(p, &fresh, sizeof fresh);                                       \
        return p;                                                              \
    }                                                                          \
    static int kind##_use_after_free(void)                                     \
    {                                                                          \
        type *p = kind##_create();                                             \
                                                                               \
        must(pawl_##lock_fn(p));                                               \
        must(pawl_##unlock_fn(p));                                             \
        free(p);                                                               \
        return pawl_##lock_fn(p);                                              \
    }                                                                          \
    /* Refused, but that is not heard. */                                      \
    static int kind##_destroy_while_held(void)                                 \
    {                                                                          \
        type *p = kind##_create();                                             \
                                                                               \
        must(pawl_##lock_fn(p));                                               \
        must(type##_destroy(p) == -EBUSY ? 0 : -EINVAL);                       \
        free(p);                                                               \
        return pawl_##unlock_fn(p);                                            \
    }

LOCK_FUNCTIONS(mutex, pawl_mutex, PAWL_MUTEX_INIT, mutex_lock, mutex_unlock)
LOCK_FUNCTIONS(rmutex, pawl_rmutex, PAWL_RMUTEX_INIT, rmutex_lock,
               rmutex_unlock)
LOCK_FUNCTIONS(read, pawl_rwlock, PAWL_RWLOCK_INIT, rwlock_read_lock,
               rwlock_read_unlock)
LOCK_FUNCTIONS(write, pawl_rwlock, PAWL_RWLOCK_INIT, rwlock_write_lock,
               rwlock_write_unlock)

static const struct kind {
    const char *name;
    int (*lock)(void);
    int (*unlock)(void);
    int (*lock_second)(void);
    int (*unlock_second)(void);
    int (*use_after_free)(void);
    int (*destroy_while_held)(void);
} kinds[] = {
#define KIND(kind)                                                             \
    {#kind,                                                                    \
     kind##_lock,                                                              \
     kind##_unlock,                                                            \
     kind##_lock_second,                                                       \
     kind##_unlock_second,                                                     \
     kind##_use_after_free,                                                    \
     kind##_destroy_while_held}
    KIND(mutex),
    KIND(rmutex),
    KIND(write),
    KIND(read),
#undef KIND
};

static int turn; /* relaxed: orders the accesses in time, and nothing else */
static int guarded;

static void *touch_without_lock(void *arg)
{
    while (__atomic_load_n(&turn, __ATOMIC_RELAXED) == 0)
        sched_yield();
    guarded++;
    return arg;
}

/* One takes the lock, the other forgets to. */
static void race(const struct kind *k)
{
    pthread_t other;

    pthread_create(&other, NULL, touch_without_lock, NULL);
    must(k->lock());
    guarded++;
    must(k->unlock());
    __atomic_store_n(&turn, 1, __ATOMIC_RELAXED);
    pthread_join(other, NULL);
}

/* Two locks in both orders. */
static void order(const struct kind *k)
{
    must(k->lock());
    must(k->lock_second());
    must(k->unlock_second());
    must(k->unlock());
    must(k->lock_second());
    must(k->lock());
    must(k->unlock());
    must(k->unlock_second());
}

static void unlock_twice(const struct kind *k)
{
    must(k->lock());
    must(k->unlock());
    (void)k->unlock();
}

static void *unlock_for_another(void *kind)
{
    (void)((const struct kind *)kind)->unlock();
    return kind;
}

static void unlock_by_another(const struct kind *k)
{
    pthread_t other;

    must(k->lock());
    pthread_create(&other, NULL, unlock_for_another, (void *)(size_t)k);
    pthread_join(other, NULL);
    must(k->unlock());
}

static void destroy_while_held(const struct kind *k)
{
    (void)k->destroy_while_held();
}

static void use_after_free(const struct kind *k)
{
    (void)k->use_after_free();
}

#define ANY 15
#define NOT_READ 7

/* What may be done wrong, with which kinds, and what the report says. */
static const struct misuse {
    const char *name;
    void (*fn)(const struct kind *k);
    unsigned kinds; /* bits, in their order */
    const char *report;
} misuses[] = {
    {"race", race, ANY, "data race"},
    {"order", order, ANY, "lock-order-inversion"},
    {"unlock-twice", unlock_twice, ANY, "unlock of an unlocked mutex"},
    /* A read lock does not know its readers, nor does the sanitizer. */
    {"unlock-by-another", unlock_by_another, NOT_READ,
     "unlock of an unlocked mutex"},
    {"destroy-while-held", destroy_while_held, ANY, "heap-use-after-free"},
    {"use-after-free", use_after_free, ANY, "heap-use-after-free"},
};

enum {
    KINDS = sizeof kinds / sizeof *kinds,
    MISUSES = sizeof misuses / sizeof *misuses
};

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    const char *which = argc > 2 ? argv[2] : "";

    if (strcmp(what, "clean") == 0)
        return clean();
    for (int m = 0; m < MISUSES; m++) {
        for (int k = 0; k < KINDS; k++) {
            if ((misuses[m].kinds >> k & 1) == 0)
                continue;
            if (strcmp(what, "--list") == 0)
                printf("%s %s %s\n", misuses[m].name, kinds[k].name,
                       misuses[m].report);
            else if (strcmp(what, misuses[m].name) == 0 &&
                     strcmp(which, kinds[k].name) == 0)
                misuses[m].fn(&kinds[k]);
        }
    }
    return 0;
}
