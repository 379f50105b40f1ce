// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
//
// process.bpf.h: which process is the target. Who includes it has declared struct task_struct with a tgid.

// target_tgid is the process's id in the initial PID namespace. User space sets it when it is in
// that namespace itself; else it is learned from a thread of target_pid, as user space sees it.
volatile u32 target_tgid = 0;
const volatile u32 target_pid = 0;
const volatile u64 ns_dev = 0, ns_ino = 0;

// learn is for the running thread.
static __always_inline void learn(struct task_struct *current)
{
	struct bpf_pidns_info ns = {};

	if (!bpf_get_ns_current_pid_tgid(ns_dev, ns_ino, &ns, sizeof(ns)) && ns.tgid == target_pid)
		target_tgid = current->tgid;
}
