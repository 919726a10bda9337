/* SPDX-License-Identifier: MIT
 *
 * check.h - invariants whose failure means that memory is corrupt or that the
 * kernel gave an impossible answer.  There is no error code for that: the
 * process says what it saw and stops.
 */
#ifndef PAWL_BASE_CHECK_H
#define PAWL_BASE_CHECK_H

#include "base/compiler.h"

/* Print one line to stderr and abort. */
PAWL_COLD _Noreturn void pawl_check_failed(const char *what, const void *object,
                                           const char *file, int line);

#define PAWL_CHECK(cond, object, sentence)                                     \
    do {                                                                       \
        if (pawl_unlikely(!(cond)))                                            \
            pawl_check_failed(sentence, object, __FILE__, __LINE__);           \
    } while (0)

#endif /* PAWL_BASE_CHECK_H */
