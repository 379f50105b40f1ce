//go:build ignore
// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
//
// sched.bpf.c: how long each of the target's threads was on a CPU, wanted one, slept.
//
// A goroutine that the runtime calls running may be anything but: its thread waits for a CPU, or
// for a page. The scheduler's tracepoints add up the time of each thread in each state, in a map
// that user space maps into its memory: looking at a thread costs some loads and no system call.
// Sums and not states, because whoever looks needs a CPU himself, and on a busy machine it is the
// target's: at that moment its thread is never running.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

typedef __u64 u64;
typedef __u32 u32;
typedef _Bool bool;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct upid {
	int nr;
} __attribute__((preserve_access_index));

struct pid {
	unsigned int level;
	struct upid numbers[];
} __attribute__((preserve_access_index));

struct cfs_rq {
	int throttle_count;
} __attribute__((preserve_access_index));

struct sched_entity {
	struct cfs_rq *cfs_rq;
} __attribute__((preserve_access_index));

struct task_struct {
	unsigned int __state; // 0: wants to run
	int pid, tgid;
	struct pid *thread_pid;
	struct sched_entity se;
	bool throttled; // Linux 6.18: throttled by itself on the way to user space
} __attribute__((preserve_access_index));

// What a thread asked the kernel for: below zero when it came in by a fault or an interrupt.
struct pt_regs {
#if defined(__TARGET_ARCH_x86)
	long orig_ax;
#define CALL orig_ax
#elif defined(__TARGET_ARCH_arm64)
	int syscallno;
#define CALL syscallno
#else
#error "no system call number for this architecture"
#endif
} __attribute__((preserve_access_index));

enum thread_states { THREAD_UNKNOWN, THREAD_RUNS, THREAD_WANTS, THREAD_THROTTLED, THREAD_SLEEPS, THREAD_STATES };

#define MAX_THREADS 8192

// thread is read by user space while it changes: seq is odd meanwhile. Nobody else writes at the
// same time: a thread's switches and wakeups follow one another.
struct thread {
	u32 seq;
	u32 tid;   // in the thread's own PID namespace, as gettid(2) and m.procid have it
	u32 state; // enum thread_states
	u32 call;  // number of the system call that it slept in last, plus 1; 0: in none
	u64 since; // when that began, CLOCK_MONOTONIC, ns
	u64 ns[THREAD_STATES]; // before that, by state
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_THREADS);
	__type(key, u32);
	__type(value, struct thread);
} threads SEC(".maps");

// slots finds a thread's entry by its id in the initial PID namespace.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_THREADS);
	__type(key, u32);
	__type(value, u32);
} slots SEC(".maps");

// target_tgid is the process's id in the initial PID namespace. User space sets it when it is in
// that namespace itself; else it is learned when a thread of target_pid, as user space sees it,
// leaves a CPU.
volatile u32 target_tgid = 0;
const volatile u32 target_pid = 0;
const volatile u64 ns_dev = 0, ns_ino = 0;
u32 used = 0;

const enum thread_states *unused_states __attribute__((unused));

// own_tid is the thread's id in the innermost PID namespace that it is in.
static __always_inline u32 own_tid(struct task_struct *t)
{
	void *p = BPF_CORE_READ(t, thread_pid);
	unsigned int level;
	int nr = BPF_CORE_READ(t, pid);

	if (!p)
		return nr;
	level = BPF_CORE_READ((struct pid *)p, level);
	// The stride of numbers is the kernel's struct upid, not the one above.
	p += bpf_core_field_offset(struct pid, numbers) + (level & 31) * bpf_core_type_size(struct upid) +
	     bpf_core_field_offset(struct upid, nr);
	bpf_probe_read_kernel(&nr, sizeof(nr), p);
	return nr;
}

static __always_inline struct thread *find(struct task_struct *t)
{
	u32 pid = t->pid, slot;
	u32 *at = bpf_map_lookup_elem(&slots, &pid);
	struct thread *th;

	if (at)
		return bpf_map_lookup_elem(&threads, at);
	slot = __sync_fetch_and_add(&used, 1);
	th = bpf_map_lookup_elem(&threads, &slot);
	if (!th || bpf_map_update_elem(&slots, &pid, &slot, BPF_NOEXIST))
		return 0;
	th->since = bpf_ktime_get_ns();
	th->state = THREAD_UNKNOWN;
	th->tid = own_tid(t);
	return th;
}

static __always_inline void enter(struct thread *th, u32 state, u32 call)
{
	u64 now = bpf_ktime_get_ns();
	u32 old = th->state;

	__sync_fetch_and_add(&th->seq, 1);
	if (old < THREAD_STATES)
		th->ns[old] += now - th->since;
	th->since = now;
	th->state = state;
	if (state == THREAD_SLEEPS)
		th->call = call;
	__sync_fetch_and_add(&th->seq, 1);
}

static __always_inline void set(struct task_struct *t, u32 state, u32 call)
{
	struct thread *th;

	if ((u32)t->tgid != target_tgid)
		return;
	th = find(t);
	if (th)
		enter(th, state, call);
}

// call is the system call that the task is in, plus 1, or 0.
static __always_inline u32 call(struct task_struct *t)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs((void *)t);
	long nr = regs ? BPF_CORE_READ(regs, CALL) : -1;

	return nr < 0 || nr >= 1 << 16 ? 0 : nr + 1;
}

static __always_inline bool throttled(struct task_struct *t)
{
	struct cfs_rq *rq;

	if (bpf_core_field_exists(t->throttled))
		return BPF_CORE_READ(t, throttled);
	rq = BPF_CORE_READ(t, se.cfs_rq);
	return rq && bpf_core_field_exists(rq->throttle_count) && BPF_CORE_READ(rq, throttle_count) > 0;
}

static __always_inline void learn(struct task_struct *current)
{
	struct bpf_pidns_info ns = {};

	if (!bpf_get_ns_current_pid_tgid(ns_dev, ns_ino, &ns, sizeof(ns)) && ns.tgid == target_pid)
		target_tgid = current->tgid;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	if (!target_tgid)
		learn(prev);
	if (!target_tgid)
		return 0;
	if ((u32)prev->tgid == target_tgid) {
		// A task that is preempted stays runnable whatever its __state says.
		u32 state = preempt || !prev->__state ? THREAD_WANTS : THREAD_SLEEPS;

		if (state == THREAD_WANTS && throttled(prev))
			state = THREAD_THROTTLED;
		set(prev, state, state == THREAD_SLEEPS ? call(prev) : 0);
	}
	set(next, THREAD_RUNS, 0);
	return 0;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(on_wakeup, struct task_struct *t)
{
	set(t, THREAD_WANTS, 0);
	return 0;
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(on_wakeup_new, struct task_struct *t)
{
	set(t, THREAD_WANTS, 0);
	return 0;
}

// A dead thread's id may be used again; its entry goes with it.
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *t)
{
	u32 pid = t->pid, *at;
	struct thread *th;

	if ((u32)t->tgid != target_tgid)
		return 0;
	at = bpf_map_lookup_elem(&slots, &pid);
	if (!at)
		return 0;
	th = bpf_map_lookup_elem(&threads, at);
	if (th)
		th->tid = 0;
	bpf_map_delete_elem(&slots, &pid);
	return 0;
}
