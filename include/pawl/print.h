/* SPDX-License-Identifier: MIT
 *
 * pawl/print.h - whole lines, however many threads and processes print.
 *
 * What several threads print with printf, or several processes to one terminal or
 * pipe, may come out mixed.  This formats a line, with its end, and hands it to the
 * kernel in one write.
 *
 * Since 0.1.
 */
#ifndef PAWL_PRINT_H
#define PAWL_PRINT_H

#include <pawl/base.h>

PAWL_BEGIN_DECLS

/* Bytes of a line, its end included; what is longer is cut, and ends with "...".
 * What is written at once to a pipe is not mixed up to this size. */
#define PAWL_LINE_MAX 4096

/* Print one line to a file descriptor, as printf would, and a newline.  What stdio
 * has in its buffers is not flushed.
 *
 * Returns    0;  -EINVAL the format, or an argument of it, is wrong;  what write
 *            fails with: -EBADF, -EPIPE, -ENOSPC, -EAGAIN a full pipe that does not
 *            block.
 * Progress   as write; a line that write takes in parts, as a full disk or a signal
 *            may cause, can be mixed.
 * Cost       one system call; no allocation by pawl.
 */
PAWL_API __attribute__((format(printf, 2, 3))) int
pawl_print_line(int fd, const char *format, ...);

PAWL_END_DECLS

#endif /* PAWL_PRINT_H */
