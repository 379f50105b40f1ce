//go:build ignore
// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
//
// host.bpf.c: one set of events for many targets.
//
// Each target has programs of its own, with the layout of its runtime as constants. Attached by themselves, all of them
// would run at each tick of each timer and at each switch between threads, whosever it is: with twenty targets that is
// twenty times the cost. These programs are attached instead. They ask a map whose thread it is, and call the programs of
// that target, if it is one.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

typedef __u64 u64;
typedef __u32 u32;
typedef _Bool bool;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct task_struct {
	int tgid;
} __attribute__((preserve_access_index));

#define MAX_TARGETS 256

// targets has the place in the arrays of programs by the process's id in the initial PID namespace.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_TARGETS);
	__type(key, u32);
	__type(value, u32);
} targets SEC(".maps");

// maybe has a bit for each target, by its process's id modulo MAYBE. Most threads are of no target, and to read a word
// takes a fraction of a lookup: this is asked at each switch of the host.
#define MAYBE 8192
u64 maybe[MAYBE / 64];

static __always_inline u32 *place(u32 tgid)
{
	if (!(maybe[tgid / 64 % (MAYBE / 64)] >> tgid % 64 & 1))
		return 0;
	return bpf_map_lookup_elem(&targets, &tgid);
}

#define PROGRAMS(name)                                                                                                 \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_PROG_ARRAY);                                                                 \
		__uint(max_entries, MAX_TARGETS);                                                                      \
		__type(key, u32);                                                                                      \
		__type(value, u32);                                                                                    \
	} name SEC(".maps")

PROGRAMS(samples);
PROGRAMS(switches);
PROGRAMS(wakeups);
PROGRAMS(new_wakeups);

SEC("perf_event")
int sample(void *ctx)
{
	u32 *at = place(bpf_get_current_pid_tgid() >> 32);

	if (at)
		bpf_tail_call(ctx, &samples, *at);
	return 0;
}

// A switch is from one thread and to another one. The program of a target leaves those of others alone, so it is called
// for its own side, and once if both are its own.
SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch_from, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	u32 *at = place(prev->tgid);

	if (at)
		bpf_tail_call(ctx, &switches, *at);
	return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch_to, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	u32 tgid = next->tgid, *at;

	if (tgid == (u32)prev->tgid)
		return 0;
	at = place(tgid);
	if (at)
		bpf_tail_call(ctx, &switches, *at);
	return 0;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(on_wakeup, struct task_struct *t)
{
	u32 *at = place(t->tgid);

	if (at)
		bpf_tail_call(ctx, &wakeups, *at);
	return 0;
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(on_wakeup_new, struct task_struct *t)
{
	u32 *at = place(t->tgid);

	if (at)
		bpf_tail_call(ctx, &new_wakeups, *at);
	return 0;
}
