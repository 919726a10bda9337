/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the work-stealing deque: the owner is thread 0.
 */
#include <pawl/wsdeque.h>

#include "linear.h"

static struct {
    pawl_wsdeque *d;
    size_t capacity;
    int data[32]; /* written before the push */
} s;

static int push(int item)
{
    struct linear_op *op = linear_begins();
    int err;

    MODEL_SET(s.data[item], item);
    err = pawl_wsdeque_push(s.d, (uint64_t)item);
    CHECK(err == 0 || err == -EAGAIN);
    linear_ends(op, err == 0 ? LINEAR_PUT : LINEAR_UNKNOWN, item);
    return err;
}

static int take(int (*from)(pawl_wsdeque *d, uint64_t *word),
                enum linear_kind kind)
{
    struct linear_op *op = linear_begins();
    uint64_t word = 0;
    int err = from(s.d, &word);

    CHECK(err == 0 || err == -EAGAIN);
    CHECK(err != 0 || MODEL_GET(s.data[word]) == (int)word);
    /* A thief may not see yet what was pushed before. */
    if (err != 0 && kind == LINEAR_GET)
        op->begin = 0;
    linear_ends(op, err == 0 ? kind : LINEAR_EMPTY, (int)word);
    return err;
}

static int pop(void)
{
    return take(pawl_wsdeque_pop, LINEAR_GET_BACK);
}

static int steal(void)
{
    return take(pawl_wsdeque_steal, LINEAR_GET);
}

static void make(size_t capacity)
{
    memset(&s, 0, sizeof s);
    s.capacity = capacity;
    CHECK_OK(pawl_wsdeque_create(&s.d, capacity));
    model_name(s.d, 1024, "wsdeque");
    linear_begin(LINEAR_FIFO, capacity);
}

static void one(void)
{
    make(1);
}

static void two(void)
{
    make(2);
}

static void four(void)
{
    make(4);
}

static void two_inside(void)
{
    make(2);
    CHECK_OK(push(20));
    CHECK_OK(push(21));
}

static void whole(void)
{
    size_t n = pawl_wsdeque_size(s.d);

    for (; n > 0; n--)
        CHECK_OK(pop());
    CHECK_ERR(pop(), -EAGAIN);
    CHECK_ERR(steal(), -EAGAIN);
    CHECK(linear_is_possible());
    linear_.used = 0;
    for (; n < s.capacity; n++)
        CHECK_OK(push(24 + (int)n));
    CHECK_ERR(push(31), -EAGAIN);
    pawl_wsdeque_free(s.d);
}

static void push_pop(void)
{
    push(0);
    pop();
}

static void push_two_pop_two(void)
{
    push(0);
    push(1);
    pop();
    pop();
}

static void push_and_pop_in_turn(void)
{
    push(0);
    pop();
    push(1);
    push(2);
    pop();
}

static void pop_two_push_one(void)
{
    pop();
    pop();
    push(0);
}

/* Into what thieves have left. */
static void push_three(void)
{
    push(0);
    push(1);
    push(2);
}

static void steal_one(void)
{
    steal();
}

static void steal_two(void)
{
    steal();
    steal();
}

static void look(void)
{
    for (int i = 0; i < 2; i++)
        CHECK(pawl_wsdeque_size(s.d) <= s.capacity);
}

#define DEEP .bounds = {3, 2, 0}

MODEL(wsdeque.last_word, .setup = one, .threads = {push_pop, steal_one},
      .check = whole, DEEP)
MODEL(wsdeque.last_word_and_two_thieves, .setup = one,
      .threads = {push_pop, steal_one, steal_one}, .check = whole)
MODEL(wsdeque.two_words, .setup = two, .threads = {push_two_pop_two, steal_two},
      .check = whole, DEEP)
MODEL(wsdeque.two_words_and_two_thieves, .setup = two_inside,
      .threads = {pop_two_push_one, steal_one, steal_two}, .check = whole)
MODEL(wsdeque.in_turn, .setup = four,
      .threads = {push_and_pop_in_turn, steal_two}, .check = whole, DEEP)
MODEL(wsdeque.room_of_thieves, .setup = one, .threads = {push_three, steal_two},
      .check = whole, DEEP)
MODEL(wsdeque.room_of_two_thieves, .setup = two_inside,
      .threads = {push_three, steal_two, steal_one}, .check = whole)
MODEL(wsdeque.size, .setup = two,
      .threads = {push_two_pop_two, steal_two, look}, .check = whole)
