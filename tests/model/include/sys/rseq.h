/* SPDX-License-Identifier: MIT
 *
 * The explorer's place of <sys/rseq.h>: where the kernel keeps the number of
 * the CPU that the running thread is on.  Valid as long as the thread.
 */
#ifndef MODEL_SYS_RSEQ_H
#define MODEL_SYS_RSEQ_H

#include <stdint.h>

struct rseq {
    uint32_t cpu_id_start;
    uint32_t cpu_id;
};

struct rseq *model_rseq(void);

#define __rseq_size 32
/* self.c adds it to the address of the thread. */
#define __rseq_offset ((char *)model_rseq() - thread)

#endif /* MODEL_SYS_RSEQ_H */
