/* SPDX-License-Identifier: MIT
 *
 * seam.h - how the library's own sources reach the explorer's machine.
 *
 * The sources are compiled unchanged, with this folder before src/ on the
 * include path.  So "atomic/ops.h" and a few others are the ones beside this
 * file, and futex/sys.h is implemented by machine.c.  Every operation says what
 * part of which word it touches, and with which order.
 */
#ifndef MODEL_SEAM_H
#define MODEL_SEAM_H

#include <stdbool.h>
#include <stdint.h>

/* Memory orders.  The lowest two bits are what the order contains. */
enum model_order {
    MODEL_RELAXED = 0,
    MODEL_ACQUIRE = 1,
    MODEL_RELEASE = 2,
    MODEL_ACQ_REL = 3,
    MODEL_SEQ = 7,
    MODEL_SEQ_ALWAYS = 15, /* of a compare-and-swap: also if it fails */
};

typedef uint64_t model_value;

/* A part of a word: a word is one location, whatever part is accessed. */
struct model_part {
    uint8_t size;  /* of the word, in bytes: 4 or 8 */
    uint8_t shift; /* the part, in bits */
    uint8_t bits;
};

#define MODEL_WORD_32 ((struct model_part){4, 0, 32})
#define MODEL_WORD_64 ((struct model_part){8, 0, 64})
#define MODEL_LOW_32 ((struct model_part){8, 0, 32})
#define MODEL_HIGH_32 ((struct model_part){8, 32, 32})

/* `what` is the name of the operation, for the trace. */
model_value model_load(const void *word, struct model_part part,
                       enum model_order order, const char *what);
void model_store(void *word, struct model_part part, model_value value,
                 enum model_order order, const char *what);
model_value model_swap(void *word, struct model_part part, model_value value,
                       enum model_order order, const char *what);
model_value model_add(void *word, struct model_part part, model_value value,
                      enum model_order order, const char *what);
/* Relaxed if it fails, as a rule; *seen is then what it saw. */
bool model_cas(void *word, struct model_part part, model_value *seen,
               model_value value, enum model_order order, const char *what);

/* Two words of 8 bytes at once; seq_cst.  What is seen if it fails is not
 * told. */
bool model_cas_pair(void *first, void *second, const model_value seen[2],
                    const model_value values[2], const char *what);

/* Plain data; see model.h. */
void model_read(const void *data);
void model_write(const void *data);

/* A pause in a bounded loop: others may run, and need not. */
void model_pause(void);
/* A pause in an unbounded loop: others run, if any can. */
void model_yield(void);

#endif /* MODEL_SEAM_H */
