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
	void *stack;
	int pid, tgid;
	struct pid *thread_pid;
	struct sched_entity se;
	bool throttled; // Linux 6.18: throttled by itself on the way to user space
	unsigned int frozen : 1; // by the freezer of cgroup v2, or stopped (kernel/cgroup/freezer.c)
} __attribute__((preserve_access_index));

// Linux 5.13 and before.
struct task_struct___old {
	long state;
} __attribute__((preserve_access_index));

// Bits of __state (include/linux/sched.h).
#define TASK_UNINTERRUPTIBLE 0x2
#define TASK_STOPPED 0x4 // by a signal
#define TASK_TRACED 0x8  // by a tracer
#define TASK_DEAD 0x80   // has ended, and gives its CPU away for the last time
#define TASK_FROZEN 0x8000 // by the freezer of cgroup v1, since Linux 6.1

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

enum thread_states { THREAD_UNKNOWN, THREAD_RUNS, THREAD_WANTS, THREAD_THROTTLED, THREAD_SLEEPS, THREAD_STOPPED, THREAD_STATES };

// More than the 10,000 threads at which a Go program gives up (runtime/debug.SetMaxThreads).
#define MAX_THREADS 16384
#define PROBES 32

// thread is an entry that a thread of the target has until it ends. Then another may have it, and goes
// on with its sums: of them only differences count. User space finds a thread's entry where find gave
// it one: at the thread's id modulo room, or among the PROBES - 1 behind.
//
// An entry is read while it changes: seq is odd meanwhile. Nobody else writes at the same time: a
// thread's switches and wakeups follow one another.
struct thread {
	u32 seq;
	u32 tid;   // in the thread's own PID namespace, as gettid(2) and m.procid have it
	u32 state; // enum thread_states
	u32 call;  // number of the system call that it slept in last, plus 1; 0: in none
	u32 owner; // the thread's id in the initial PID namespace; 0: it has ended
	u32 claims; // who has it or wants it: it is got by who is alone
	u64 born;  // when it got the entry, CLOCK_MONOTONIC, ns; 0: nobody ever had it
	u64 before; // ns[THREAD_RUNS] then
	u64 since; // when its state began
	u64 ns[THREAD_STATES]; // before that, by state
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_THREADS);
	__type(key, u32);
	__type(value, struct thread);
} threads SEC(".maps");

// slots says which entry a thread has, by the address of its task: its id may be given to another one
// before it leaves its CPU for the last time, its task not.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_THREADS + MAX_THREADS / 4);
	__type(key, u64);
	__type(value, u32);
} slots SEC(".maps");
#define NO_SLOT MAX_THREADS

// room is how many entries there are: user space makes the maps smaller for a program with few threads.
const volatile u32 room = MAX_THREADS;

// begun is how often a thread got an entry: while it stays as it is, the entries that have ever been had are the same.
u32 begun = 0;

// activity says whether all threads sleep, and whether they did since: how often one began to want a CPU or to have one,
// above the number of those that do now.
u64 activity = 0;
#define AWAKE_BITS 20

#include "process.bpf.h"

// Bytes of a thread's stack in the kernel (THREAD_SIZE).
const volatile u64 stack_size = 16384;
u32 slotless = 0; // threads that found no entry free

// cost is the programs' own time, of one in COST_EVERY runs: reading the clock each time would be a good part of it.
struct cost {
	u64 runs, ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct cost);
} costs SEC(".maps");

#define COST_EVERY 64

// watch returns when a run began whose time is taken, else 0.
static __always_inline u64 watch(void)
{
	u32 zero = 0;
	struct cost *c = bpf_map_lookup_elem(&costs, &zero);

	return !c || c->runs++ % COST_EVERY ? 0 : bpf_ktime_get_ns();
}

static __always_inline void tell(u64 start)
{
	u32 zero = 0;
	struct cost *c;

	if (!start)
		return;
	c = bpf_map_lookup_elem(&costs, &zero);
	if (c)
		c->ns += bpf_ktime_get_ns() - start;
}

const struct cost *unused_cost __attribute__((unused));
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

static __always_inline bool awake(u32 state) { return state != THREAD_UNKNOWN && state != THREAD_SLEEPS; }

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
	if (awake(state) != awake(old))
		__sync_fetch_and_add(&activity, awake(state) ? (1 << AWAKE_BITS) + 1 : -1);
}

// begin gives an entry to a thread.
static __always_inline void begin(struct thread *th, u32 tid)
{
	__sync_fetch_and_add(&th->seq, 1);
	th->tid = tid;
	th->before = th->ns[THREAD_RUNS];
	th->born = th->since = bpf_ktime_get_ns();
	th->state = THREAD_UNKNOWN;
	th->call = 0;
	__sync_fetch_and_add(&th->seq, 1);
	__sync_fetch_and_add(&begun, 1);
}

// claim makes an entry the thread's, unless somebody else has it or wants it at the same moment. (An atomic operation that
// says what was there before needs Linux 5.12; what one reads after its own addition includes that.)
static __always_inline bool claim(struct thread *th, u32 pid)
{
	if (th->owner)
		return 0;
	__sync_fetch_and_add(&th->claims, 1);
	if (*(volatile u32 *)&th->claims == 1) {
		th->owner = pid;
		return 1;
	}
	__sync_fetch_and_add(&th->claims, -1);
	return 0;
}

static __always_inline void release(struct thread *th)
{
	th->owner = 0;
	__sync_fetch_and_add(&th->claims, -1);
}

// take looks for an entry that nobody has. It returns its number, or NO_SLOT. It is global, so that a verifier checks it
// once, and not at each call of find.
__noinline u32 take(u32 tid, u32 pid)
{
	struct thread *th;
	u32 slot;

	for (u32 i = 0; i < PROBES; i++) {
		slot = (tid + i) % room;
		th = bpf_map_lookup_elem(&threads, &slot);
		if (th && claim(th, pid)) {
			begin(th, tid);
			return slot;
		}
	}
	__sync_fetch_and_add(&slotless, 1);
	return NO_SLOT;
}

// drop is for a thread that has ended.
static __always_inline void drop(u64 task, u32 *at)
{
	struct thread *th = bpf_map_lookup_elem(&threads, at);

	if (th) {
		enter(th, THREAD_UNKNOWN, 0);
		release(th);
	}
	bpf_map_delete_elem(&slots, &task);
}

static __noinline struct thread *find(struct task_struct *t)
{
	u64 task = (u64)t;
	u32 pid = t->pid, slot, *at = bpf_map_lookup_elem(&slots, &task);
	struct thread *th;

	if (at) {
		th = bpf_map_lookup_elem(&threads, at);
		if (!th || th->owner == pid)
			return th;
		drop(task, at); // it called execve, and has the process's id now
	}
	slot = take(own_tid(t), pid);
	if (bpf_map_update_elem(&slots, &task, &slot, BPF_NOEXIST)) {
		th = bpf_map_lookup_elem(&threads, &slot);
		if (th)
			release(th);
		__sync_fetch_and_add(&slotless, 1);
		return 0;
	}
	return bpf_map_lookup_elem(&threads, &slot);
}

static __noinline void set(struct task_struct *t, u32 state, u32 call)
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
	struct pt_regs *regs;
	long nr;

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		regs = (void *)bpf_task_pt_regs((void *)t);
	else // see oncpu.bpf.c
		regs = BPF_CORE_READ(t, stack) + stack_size - bpf_core_type_size(struct pt_regs);
	nr = regs ? BPF_CORE_READ(regs, CALL) : -1;

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

static __always_inline u32 state_of(struct task_struct *t)
{
	if (bpf_core_field_exists(t->__state))
		return t->__state;
	return ((struct task_struct___old *)t)->state;
}

static __always_inline bool stopped(struct task_struct *t, u32 state)
{
	if (state & (TASK_STOPPED | TASK_TRACED | TASK_FROZEN))
		return 1;
	if (state & TASK_UNINTERRUPTIBLE)
		return 0; // waits in vfork for its child to execute something: counts as frozen then (kernel/fork.c)
	return bpf_core_field_exists(t->frozen) && BPF_CORE_READ_BITFIELD(t, frozen);
}

// leave is for a task of the target that gives its CPU away.
static __always_inline void leave(bool preempt, struct task_struct *t)
{
	u64 task = (u64)t;
	u32 *at, state = state_of(t), to = THREAD_SLEEPS, nr = 0;

	if (!preempt && state & TASK_DEAD) {
		at = bpf_map_lookup_elem(&slots, &task);
		if (at)
			drop(task, at);
		return;
	}
	if (preempt || !state) // a task that is preempted stays runnable whatever its state says
		to = throttled(t) ? THREAD_THROTTLED : THREAD_WANTS;
	else if (stopped(t, state))
		to = THREAD_STOPPED;
	else
		nr = call(t);
	set(t, to, nr);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	u64 start = watch();

	if (!target_tgid)
		learn(prev);
	if (!target_tgid)
		return 0;
	if ((u32)prev->tgid == target_tgid)
		leave(preempt, prev);
	set(next, THREAD_RUNS, 0);
	tell(start);
	return 0;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(on_wakeup, struct task_struct *t)
{
	u64 start = watch();

	set(t, THREAD_WANTS, 0);
	tell(start);
	return 0;
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(on_wakeup_new, struct task_struct *t)
{
	u64 start = watch();

	set(t, THREAD_WANTS, 0);
	tell(start);
	return 0;
}
