/* SPDX-License-Identifier: MIT
 *
 * made.h - memory that is made something by one thread while another waits for
 * that; before, it holds what it likes.
 */
#ifndef MODEL_MADE_H
#define MODEL_MADE_H

#include "model.h"

enum { MADE_BYTES = 4096 };

static struct {
    _Alignas(4096) unsigned char memory[MADE_BYTES];
} made;

__attribute__((unused)) static void made_begin(void)
{
    memset(made.memory, 0x55, sizeof made.memory);
    model_name(made.memory, sizeof made.memory, "memory");
}

/* Attach as soon as it can be done. */
#define MADE_AWAIT(attach, object)                                             \
    while (attach(object, made.memory, MADE_BYTES) != 0)                       \
        model_yield()

#endif /* MODEL_MADE_H */
