/* SPDX-License-Identifier: MIT
 *
 * doorbell.h - descriptors by which those who sleep in poll are woken when a local
 * object changes: one for each that sleeps, kept for the next.
 */
#ifndef PAWL_FUTEX_DOORBELL_H
#define PAWL_FUTEX_DOORBELL_H

/* So many threads can sleep with one at a time. */
#define PAWL_DOORBELLS 64

/* Take one, which is not readable; before the caller is counted among those who
 * wait for the bell of wait.c.
 *
 * Returns    its number;  -1 there is none to be had. */
int pawl_doorbell_take(void);
void pawl_doorbell_leave(int bell);
int pawl_doorbell_fd(int bell);

/* Make all that are taken readable. */
void pawl_doorbells_ring(void);

/* In the child of a fork: they are the parent's. */
void pawl_doorbells_forget(void);

#endif /* PAWL_FUTEX_DOORBELL_H */
