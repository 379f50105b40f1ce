// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
//
// regs.bpf.h: a thread's registers as the kernel hands them to a program, and where it keeps the thread's thread-local
// storage (struct thread_struct, relocated by BTF: no vmlinux.h).

#if defined(__TARGET_ARCH_x86)
struct thread_struct {
	unsigned long fsbase;
} __attribute__((preserve_access_index));
// struct pt_regs (arch/x86/include/asm/ptrace.h).
struct regs {
	u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};
#define PC(r) ((r)->ip)
#define SP(r) ((r)->sp)
#define FP(r) ((r)->bp)
#define LR(r) 0
#define GREG(r) ((r)->r14) // ABIInternal keeps g in R14 (cmd/compile/abi-internal.md)
#define ARG(r) ((r)->ax)   // a function's first argument
#define GOGO(r) ((r)->dx)  // the g that runtime.gogo continues (runtime/asm_amd64.s)
#define TLS_BASE thread.fsbase
#elif defined(__TARGET_ARCH_arm64)
struct uw {
	unsigned long tp_value;
} __attribute__((preserve_access_index));
struct thread_struct {
	struct uw uw;
} __attribute__((preserve_access_index));
// struct user_pt_regs (arch/arm64/include/uapi/asm/ptrace.h).
struct regs {
	u64 x[31], sp, pc, pstate;
};
#define PC(r) ((r)->pc)
#define SP(r) ((r)->sp)
#define FP(r) ((r)->x[29])
#define LR(r) ((r)->x[30])
#define GREG(r) ((r)->x[28]) // g is R28 on arm64
#define ARG(r) ((r)->x[0])
#define GOGO(r) ((r)->x[6]) // runtime/asm_arm64.s
#define TLS_BASE thread.uw.tp_value
#else
#error "no registers for this architecture"
#endif
