/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * Where all stubs lead to: R13 is the row of the site, and R12 may be overwritten, too. Go's convention leaves both to
 * whoever is called, at an entry and at a return, and the stack convention all registers. All else is as at the site. Nothing is written below the stack pointer: a function
 * without a stack check may have used up all that there is.
 *
 * Go's own signals find a program counter here that is none of Go's, and leave the goroutine where it is.
 */
	.intel_syntax noprefix
	.section .start, "ax"
	.globl start
start:
	.quad common - start
	.quad faults
	.quad faults_end
pool:	.quad 0
pool_end: .quad 0
inside:	.quad 0
displaced: .quad 0

/* Offsets in struct gi_slot, as inline.h asserts them. */
	.set RESUME, 8
	.set REGISTERS, 88

common:
	mov r12, rax
	seto al
	lahf
	movzx eax, ax
	shl rax, 32
	or r13, rax
	/* A slot: of those that are free, one that threads on other stacks are not likely to ask for. */
	mov rax, rsp
	shr rax, 11
	and eax, 63
	shl rax, 16
	add rax, [rip + pool]
1:	lock bts dword ptr [rax], 0
	jnc 2f
	pause
	add rax, 65536
	cmp rax, [rip + pool_end]
	jb 1b
	mov rax, [rip + pool]
	jmp 1b
2:	mov [rax + REGISTERS], r12
	mov [rax + REGISTERS + 8], rbx
	mov [rax + REGISTERS + 16], rcx
	mov [rax + REGISTERS + 24], rdi
	mov [rax + REGISTERS + 32], rsi
	mov [rax + REGISTERS + 40], r8
	mov [rax + REGISTERS + 48], r9
	mov [rax + REGISTERS + 56], r10
	mov [rax + REGISTERS + 64], r11
	mov [rax + REGISTERS + 72], rdx
	mov [rax + REGISTERS + 80], rsp
	mov [rax + REGISTERS + 88], rbp
	mov qword ptr [rax + REGISTERS + 96], 0
	mov qword ptr [rax + REGISTERS + 104], 0
	mov [rax + REGISTERS + 112], r14
	mov [rax + REGISTERS + 120], r15
	mov r12, rax
	lea rsp, [rax + 65536]
	mov rdi, rax
	mov esi, r13d
	shr r13, 32
	/* The flags as they stand in their register: the low byte of them is in AH, the overflow in AL. */
	mov eax, r13d
	movzx edx, ah
	movzx eax, al
	shl eax, 11
	or edx, eax
	mov rcx, [rip + inside]
	mov r8, [rip + displaced]
	call goinject_inline
	mov [r12 + RESUME], rax
	mov eax, r13d
	add al, 127
	sahf
	/* Nothing from here on changes a flag. */
	mov rax, [r12 + REGISTERS]
	mov rbx, [r12 + REGISTERS + 8]
	mov rcx, [r12 + REGISTERS + 16]
	mov rdi, [r12 + REGISTERS + 24]
	mov rsi, [r12 + REGISTERS + 32]
	mov r8, [r12 + REGISTERS + 40]
	mov r9, [r12 + REGISTERS + 48]
	mov r10, [r12 + REGISTERS + 56]
	mov r11, [r12 + REGISTERS + 64]
	mov rdx, [r12 + REGISTERS + 72]
	mov rsp, [r12 + REGISTERS + 80]
	mov rbp, [r12 + REGISTERS + 88]
	mov r14, [r12 + REGISTERS + 112]
	mov r15, [r12 + REGISTERS + 120]
	mov r13, [r12 + RESUME]
	mov dword ptr [r12], 0
	jmp r13
