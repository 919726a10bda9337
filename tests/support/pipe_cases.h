/* SPDX-License-Identifier: MIT
 *
 * tests/support/pipe_cases.h - connections, messages with a checksum, and what is
 * asked of them again and again.
 *
 * Included by one file of a program.
 */
#ifndef PAWL_TEST_PIPE_CASES_H
#define PAWL_TEST_PIPE_CASES_H

#include <pawl/error.h>
#include <pawl/pipe.h>

#include <stdlib.h>
#include <string.h>

#include "test.h"

#define PIPE_UNUSED __attribute__((unused))

struct ends {
    pawl_pipe *a;
    pawl_pipe *b;
};

PIPE_UNUSED static struct ends ends_make(const pawl_pipe_options *o)
{
    pawl_pipe *both[2] = {NULL, NULL};

    CHECK_OK(pawl_pipe_create(both, o));
    return (struct ends){both[0], both[1]};
}

/* A ring of 4 KiB, so that long messages need not be long. */
PIPE_UNUSED static struct ends ends_make_small(unsigned flags)
{
    return ends_make(&(pawl_pipe_options){.capacity = 4096, .flags = flags});
}

PIPE_UNUSED static void ends_free(struct ends *e)
{
    pawl_pipe_free(e->a);
    pawl_pipe_free(e->b);
}

/* ---- messages that can be told ---------------------------------------------- */

enum { LETTER_HEAD = 24 };

static uint64_t letter_sum_(const unsigned char *bytes, size_t n)
{
    uint64_t sum = n;

    for (size_t i = 0; i < n; i++)
        sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
    return sum;
}

/* Fill a message of n >= LETTER_HEAD bytes: who, which, and a checksum. */
PIPE_UNUSED static void letter_write(unsigned char *letter, size_t n,
                                     uint64_t who, uint64_t number)
{
    uint64_t head[3] = {who, number, 0};

    for (size_t i = LETTER_HEAD; i < n; i++)
        letter[i] = (unsigned char)(number * 31 + who * 7 + i * 13 + (i >> 8));
    memcpy(letter, head, sizeof head);
    head[2] = letter_sum_(letter, 16) ^
              letter_sum_(letter + LETTER_HEAD, n - LETTER_HEAD);
    memcpy(letter, head, sizeof head);
}

/* It is whole: who sent it, and its number. */
PIPE_UNUSED static void letter_read(const unsigned char *letter, size_t n,
                                    uint64_t *who, uint64_t *number)
{
    uint64_t head[3];

    CHECK(n >= LETTER_HEAD);
    memcpy(head, letter, sizeof head);
    CHECK_EQ(head[2], letter_sum_(letter, 16) ^
                          letter_sum_(letter + LETTER_HEAD, n - LETTER_HEAD));
    *who = head[0];
    *number = head[1];
}

PIPE_UNUSED static void send_letter(pawl_pipe *p, size_t n, uint64_t number)
{
    unsigned char *letter = malloc(n);

    CHECK(letter != NULL);
    letter_write(letter, n, 0, number);
    CHECK_OK(pawl_pipe_send(p, letter, n));
    free(letter);
}

/* The next message is that one; `err` from the receive, by `until`. */
PIPE_UNUSED static int recv_letter(pawl_pipe *p, size_t n, uint64_t number,
                                   pawl_deadline until)
{
    unsigned char *letter = malloc(n + 1);
    size_t got = 0;
    uint64_t who;
    uint64_t is;
    int err;

    CHECK(letter != NULL);
    err = pawl_pipe_recv_until(p, letter, n + 1, &got, until);
    if (err == 0) {
        CHECK_EQ(got, n);
        letter_read(letter, got, &who, &is);
        CHECK_EQ(is, number);
    }
    free(letter);
    return err;
}

PIPE_UNUSED static void send_text(pawl_pipe *p, const char *text)
{
    CHECK_OK(pawl_pipe_try_send(p, text, strlen(text)));
}

PIPE_UNUSED static void expect_text(pawl_pipe *p, const char *text)
{
    char got[100];
    size_t n = 99;

    CHECK_OK(pawl_pipe_try_recv(p, got, sizeof got, &n));
    CHECK_EQ(n, strlen(text));
    CHECK(memcmp(got, text, n) == 0);
}

PIPE_UNUSED static int try_recv(pawl_pipe *p)
{
    char got[100];

    return pawl_pipe_try_recv(p, got, sizeof got, NULL);
}

#endif /* PAWL_TEST_PIPE_CASES_H */
