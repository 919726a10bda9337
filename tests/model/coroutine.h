/* SPDX-License-Identifier: MIT
 *
 * coroutine.h - how one thread of the system goes from one stack to another.  For
 * one file of a program.
 */
#ifndef MODEL_COROUTINE_H
#define MODEL_COROUTINE_H

#include <stdint.h>

/* Save the registers that a function must keep on the stack, and the stack
 * pointer in *from; then the same backwards from `to`. */
void model_switch(void **from, void *to);

#if defined(__x86_64__)
__asm__(".text\n"
        ".globl model_switch\n"
        ".type model_switch, @function\n"
        "model_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size model_switch, .-model_switch\n");

/* What the first switch to `entry` pops. */
static inline void *model_first_frame(char *top, void (*entry)(void))
{
    uintptr_t *frame = (uintptr_t *)(void *)top;

    *--frame = 0; /* entry never returns */
    *--frame = (uintptr_t)entry;
    for (int i = 0; i < 6; i++)
        *--frame = 0;
    return frame;
}
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl model_switch\n"
        ".type model_switch, %function\n"
        "model_switch:\n"
        "    sub sp, sp, #160\n"
        "    stp x19, x20, [sp]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    ret\n"
        ".size model_switch, .-model_switch\n");

static inline void *model_first_frame(char *top, void (*entry)(void))
{
    uintptr_t *frame = (uintptr_t *)(void *)(top - 160);

    for (int i = 0; i < 20; i++)
        frame[i] = 0;
    frame[11] = (uintptr_t)entry; /* x30 */
    return frame;
}
#else
#    error "model_switch is written for x86-64 and AArch64"
#endif

#endif /* MODEL_COROUTINE_H */
