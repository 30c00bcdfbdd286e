/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/* What the kernel keeps of a thread on amd64, as far as it is read. For the BPF program only. */
#ifndef GOINJECT_ARCH_TASK_H
#define GOINJECT_ARCH_TASK_H

struct thread_struct {
	unsigned long fsbase;
} __attribute__((preserve_access_index));

#endif
