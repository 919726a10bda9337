/* SPDX-License-Identifier: MIT
 *
 * directory.h - the names in a region.
 */
#ifndef PAWL_PROCESS_DIRECTORY_H
#define PAWL_PROCESS_DIRECTORY_H

#include <pawl/object.h>

#define PAWL_NAMES_MAX 65536

/* Names are filled up with zero bytes, and compared by words: a reader may meet one
 * that is being written. */
#define PAWL_NAME_WORDS ((PAWL_REGION_KEY_MAX + 1) / 8)

/*   entry state   leaves it by
 *   FREE          create -> MAKING
 *   MAKING        -> PRESENT; the maker failed or died -> FREE
 *   PRESENT       remove -> REMOVING
 *   REMOVING      -> FREE
 *
 * All under the lock, but for readers, who find PRESENT entries only. */
struct pawl_entry {
    pawl_u64 state;  /* times FREE << 2 | one of the above */
    pawl_u64 kind;   /* type << 32 | version */
    pawl_u64 bytes;  /* of the object */
    pawl_u64 offset; /* of the object, or 0 */
    pawl_u64 name[PAWL_NAME_WORDS];
    uint64_t unused[4];
};

struct pawl_directory {
    pawl_u32 lock;
    uint32_t unused[15];
    struct pawl_entry entry[];
};

static inline uint64_t pawl_directory_bytes(uint32_t names)
{
    return sizeof(struct pawl_directory) + names * sizeof(struct pawl_entry);
}

#endif /* PAWL_PROCESS_DIRECTORY_H */
