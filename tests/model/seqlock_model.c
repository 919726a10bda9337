/* SPDX-License-Identifier: MIT
 *
 * Scenarios of words that are read together.
 */
#include "model.h"

#include "atomic/seqlock.h"

enum { WORDS = 2 };

static struct {
    pawl_u32 version;
    pawl_u64 words[WORDS];
    int written;
    int writers;
} s;

static void setup(void)
{
    memset(&s, 0, sizeof s);
    MODEL_NAME(s.version);
    MODEL_NAME(s.words);
    MODEL_NAME(s.written);
}

static void write_words(void)
{
    uint64_t value = (uint64_t)model_self() + 1;

    while (!pawl_seqlock_try_begin(&s.version))
        model_yield();
    CHECK(s.writers++ == 0);
    MODEL_SET(s.written, (int)value);
    for (int i = 0; i < WORDS; i++)
        pawl_seqlock_store(&s.words[i], value);
    s.writers--;
    pawl_seqlock_end(&s.version);
}

static void write_twice(void)
{
    write_words();
    write_words();
}

static void read_words(void)
{
    uint64_t copy[WORDS];

    if (!pawl_seqlock_try_read(&s.version, s.words, copy, WORDS))
        return;
    CHECK(copy[0] == copy[1]);
}

static void read_twice(void)
{
    read_words();
    read_words();
}

/* All is of one writer. */
static void check(void)
{
    CHECK(s.words[0].v_ == s.words[1].v_);
    CHECK(s.words[0].v_ == (uint64_t)s.written);
    CHECK((s.version.v_ & 1) == 0);
}

MODEL(seqlock.read_against_write, .setup = setup,
      .threads = {write_words, read_words}, .check = check)
MODEL(seqlock.read_against_two_writes, .setup = setup,
      .threads = {write_twice, read_twice}, .check = check, .bounds = {3, 2, 0})
MODEL(seqlock.two_write, .setup = setup, .threads = {write_words, write_words},
      .check = check)
MODEL(seqlock.read_against_two_who_write, .setup = setup,
      .threads = {write_words, write_words, read_words}, .check = check,
      .bounds = {2, 2, 0})
