/* SPDX-License-Identifier: MIT
 *
 * Two write two words together, one reads them: as one of them has left them.
 */
#include "client.h"

CLIENT_EXECUTIONS(178);

#include "atomic/seqlock.h"

static pawl_u32 version;
static pawl_u64 words[2]; /* equal */

static void write_both(uint64_t value)
{
    if (!pawl_seqlock_try_begin(&version))
        return;
    pawl_seqlock_store(&words[0], value);
    pawl_seqlock_store(&words[1], value);
    pawl_seqlock_end(&version);
}

static void write_1(void)
{
    write_both(1);
}

static void write_2(void)
{
    write_both(2);
}

static void read_both(void)
{
    uint64_t copy[2];

    if (pawl_seqlock_try_read(&version, words, copy, 2))
        assert(copy[0] == copy[1]);
}

int main(void)
{
    CLIENT_RUN(write_1, read_both, write_2);
    return 0;
}
