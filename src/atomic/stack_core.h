/* SPDX-License-Identifier: MIT
 *
 * stack_core.h - what the queue on a stack needs beyond pawl/stack.h.
 */
#ifndef PAWL_ATOMIC_STACK_CORE_H
#define PAWL_ATOMIC_STACK_CORE_H

#include <pawl/stack.h>

/* Pop the top element without copying it: *element shows it until give_back.
 * Errors as pop. */
int pawl_stack_borrow(pawl_stack *stack, uint32_t *loan, void **element);
void pawl_stack_give_back(pawl_stack *stack, uint32_t loan);

/* How many elements have been pushed, at an instant within the call, modulo
 * mask + 1: a power of two, and constant. */
uint64_t pawl_stack_pushed(const pawl_stack *stack);
uint64_t pawl_stack_pushed_mask(const pawl_stack *stack);

#endif /* PAWL_ATOMIC_STACK_CORE_H */
