// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
//
// target.bpf.h: where things are in the target's runtime, and in its threads. Who includes it has declared
// struct task_struct with a thread and a stack, and struct pt_regs.

#define MAX_LABELS 64
#define MAX_STRING 4096      // bytes of one label key or value
#define MAX_LABEL_BYTES 8192 // of all labels of a set
#define MAX_GOID (1ull << 48) // more goroutines than any process can have created

enum { G_NONE, G_TLS, G_REG };
enum { LABELS_NONE, LABELS_SLICE, LABELS_MAP };

// layout is what user space knows of the target's runtime (internal/goruntime), all offsets in bytes.
struct layout {
	s64 tls; // g is at TLS base + tls
	u32 g_from, label_kind;
	u32 g_m, g_sched_pc, g_sched_sp, g_sched_bp, g_goid, g_labels;
	u32 g_gopc; // 0: not known
	u32 g_stack; // lo and hi
	u32 m_curg, m_g0, m_gsignal;
	u32 g_sched_lr; // 0: there is no link register
};

const volatile struct layout target = {};

static __always_inline u64 tls_base(void)
{
	struct task_struct *t;

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf)) { // Linux 5.11: without a copy
		t = (void *)bpf_get_current_task_btf();
		return t->TLS_BASE;
	}
	t = (void *)bpf_get_current_task();
	return BPF_CORE_READ(t, TLS_BASE);
}

// Bytes of a thread's stack in the kernel (THREAD_SIZE).
const volatile u64 stack_size = 16384;

// user_regs is where the kernel keeps the registers that its thread left user space with. Before Linux 5.15 there is no
// function that says so; they lie at the end of the thread's stack then, without a gap.
static __always_inline void *user_regs(void)
{
	struct task_struct *t;

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	t = (void *)bpf_get_current_task();
	return BPF_CORE_READ(t, stack) + stack_size - bpf_core_type_size(struct pt_regs);
}
