/* SPDX-License-Identifier: MIT
 *
 * stack_sweep.c - Q-05, Q-23: a process killed, stopped, or stopped and let go on, at
 * every instruction of an operation on a stack: the others' pushes and pops end, what
 * is inside comes once and newest first, and the capacity is exact; nothing is lost
 * but what the victim had popped.
 */
#include <pawl/stack.h>

#include "swept.h"

enum { BYTES = 4096, CAPACITY = 3, PARTICIPANTS = 3, WORDS = 3 };

/* The victim's elements are numbered from here. */
enum { FOREIGN = 1000000 };

struct scene {
    _Alignas(PAWL_STACK_ALIGN) unsigned char memory[BYTES];
    uint64_t put;     /* others': elements pushed, numbered */
    uint64_t got;     /* of these, by the others */
    uint64_t foreign; /* the victim's, popped by the others */
    int pushed;       /* by the victim, and by a second one */
    int popped;
    int victims; /* that have ended */
    bool closed;
};

/* What is swept: set before the fork of those who need it. */
static struct {
    sweep_fn victim;
    sweep_fn second;
    uint64_t fill;
    uint64_t pushes; /* of the victims, at most */
    uint64_t pops;
    bool closes;
} plan;

static pawl_stack *stack_of(struct scene *s)
{
    return (pawl_stack *)(void *)s->memory;
}

static int put(struct scene *s, uint64_t n)
{
    const uint64_t element[WORDS] = {n, n + 1, n + 2};

    return pawl_stack_push(stack_of(s), element);
}

static int put_next(struct scene *s)
{
    int err = put(s, s->put + 1);

    s->put += err == 0;
    return err;
}

static int get(struct scene *s, uint64_t *n)
{
    uint64_t element[WORDS];
    int err = pawl_stack_pop(stack_of(s), element);

    if (err != 0)
        return err;
    CHECK(element[1] == element[0] + 1 && element[2] == element[0] + 2);
    *n = element[0];
    return 0;
}

/* ---- the others ----------------------------------------------------------- */

/* What is inside, newest first. */
static void get_all(struct scene *s)
{
    uint64_t last = UINT64_MAX;
    uint64_t n;
    int err;

    while ((err = get(s, &n)) == 0) {
        if (n >= FOREIGN) {
            s->foreign++;
            continue;
        }
        CHECK(n < last);
        last = n;
        s->got++;
    }
    CHECK_ERR(err, s->closed ? -ESHUTDOWN : -EAGAIN);
    CHECK_EQ(pawl_stack_size(stack_of(s)), 0);
    CHECK(s->foreign <= plan.pushes);
    CHECK(s->put - s->got <= plan.pops);
}

static void fill(struct scene *s, uint64_t n)
{
    while (n-- > 0)
        CHECK_OK(put_next(s));
}

static void prepare(void *object)
{
    struct scene *s = object;
    pawl_stack *made;

    CHECK(pawl_stack_bytes(CAPACITY, sizeof(uint64_t[WORDS]), PARTICIPANTS) <=
          BYTES);
    CHECK_OK(pawl_stack_init(&made, s->memory, BYTES, CAPACITY,
                             sizeof(uint64_t[WORDS]), PARTICIPANTS));
    fill(s, plan.fill);
}

static void others(void *object)
{
    struct scene *s = object;

    s->closed = pawl_stack_is_closed(stack_of(s));
    get_all(s);
    if (s->closed) {
        CHECK(plan.closes);
        CHECK_ERR(put_next(s), -ESHUTDOWN);
        return;
    }
    for (int lap = 0; lap < 3; lap++) {
        fill(s, CAPACITY);
        CHECK_EQ(pawl_stack_size(stack_of(s)), CAPACITY);
        CHECK_ERR(put_next(s), -EAGAIN);
        get_all(s);
    }
    fill(s, plan.fill);
}

/* The victims went on, and have ended. */
static void after(void *object)
{
    struct scene *s = object;

    CHECK_EQ(s->victims, plan.second != NULL ? 2 : 1);
    CHECK_EQ(pawl_stack_is_closed(stack_of(s)), plan.closes);
    s->closed = plan.closes;
    get_all(s);
    CHECK_EQ(s->put + (uint64_t)s->pushed,
             s->got + s->foreign + (uint64_t)s->popped);
    if (plan.closes)
        return;
    fill(s, CAPACITY);
    CHECK_ERR(put_next(s), -EAGAIN);
    get_all(s);
}

/* ---- victims --------------------------------------------------------------- */

/* At once: another one may be stopped in the middle of this. */
static void note(int *count, int n)
{
    __atomic_fetch_add(count, n, __ATOMIC_SEQ_CST);
}

/* The linker shall have found how elements are copied. */
static void warm(void *object)
{
    static _Alignas(PAWL_STACK_ALIGN) unsigned char memory[BYTES];
    uint64_t element[WORDS] = {0};
    pawl_stack *other;

    (void)object;
    CHECK_OK(pawl_stack_init(&other, memory, BYTES, CAPACITY, sizeof element,
                             PARTICIPANTS));
    CHECK_OK(pawl_stack_push(other, element));
    CHECK_OK(pawl_stack_pop(other, element));
}

static void victim_push(void *object)
{
    struct scene *s = object;
    int err = put(s, FOREIGN);

    CHECK(err == 0 || err == -EAGAIN);
    note(&s->pushed, err == 0);
    note(&s->victims, 1);
}

static void victim_pop(void *object)
{
    struct scene *s = object;
    uint64_t n;
    int err = get(s, &n);

    CHECK(err == 0 || err == -EAGAIN);
    note(&s->popped, err == 0);
    note(&s->victims, 1);
}

static void victim_close(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_stack_close(stack_of(s)));
    note(&s->victims, 1);
}

/* Thawed later, a victim stands still while the others work, as when frozen. */
static void sweep_filled(struct sweep_case c, uint64_t fill)
{
    plan.fill = fill;
    sweep(&c, SWEEP_KILL);
    sweep(&c, SWEEP_THAW);
}

static void sweep_it(const char *name)
{
    const struct sweep_case c = {
        .name = name,
        .size = sizeof(struct scene),
        .prepare = prepare,
        .warm = warm,
        .victim = plan.victim,
        .second = plan.second,
        .others = others,
        .after = after,
        .budget = plan.second != NULL ? 10000 : 0,
    };

    TEST_TIMEOUT(300);
    if (plan.second != NULL && !sweep_is_long()) {
        sweep_filled(c, 1);
        return;
    }
    for (uint64_t inside = 0; inside <= CAPACITY; inside++)
        sweep_filled(c, inside);
}

TEST(stack.push_stopped_anywhere)
{
    plan.victim = victim_push;
    plan.pushes = 1;
    sweep_it("stack push");
}

TEST(stack.pop_stopped_anywhere)
{
    plan.victim = victim_pop;
    plan.pops = 1;
    sweep_it("stack pop");
}

TEST(stack.close_stopped_anywhere)
{
    plan.victim = victim_close;
    plan.closes = true;
    sweep_it("stack close");
}

TEST(stack.two_stopped_anywhere)
{
    plan.victim = victim_push;
    plan.second = victim_pop;
    plan.pushes = 1;
    plan.pops = 1;
    sweep_it("stack push and pop, two victims");
    plan.second = victim_push;
    plan.pushes = 2;
    plan.pops = 0;
    sweep_it("stack push and push, two victims");
    plan.victim = victim_pop;
    plan.second = victim_pop;
    plan.pushes = 0;
    plan.pops = 2;
    sweep_it("stack pop and pop, two victims");
}
