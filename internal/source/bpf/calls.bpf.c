//go:build ignore
// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
//
// calls.bpf.c: when goroutines enter functions and leave them.
//
// A uprobe stands behind the stack check of each function, and one on each of its RET instructions.
// Never a uretprobe: that one writes to the return address, and Go moves stacks and looks at them.
// Which end belongs to which beginning is user space's business; the distance to the end of the stack
// helps, which stays the same when a stack is moved.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

typedef __u64 u64;
typedef __u32 u32;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#include "regs.bpf.h"

// g is where things are in a runtime.g (internal/goruntime).
const volatile u32 g_goid = 0, g_stack_hi = 0;
// A function that is called more often is none to stand in the way of: the rest is not recorded, and
// user space takes the probes away.
const volatile u32 most = 0; // hits in a second
u64 second = 0, hits = 0;
u32 tripped = 0;
u64 lost = 0;

struct call {
	u64 time; // CLOCK_MONOTONIC, ns
	u64 goid;
	u64 depth; // bytes between the stack pointer and the end of the stack
	u32 function;
	u32 ends; // 0: begins
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} records SEC(".maps");

// places says which function begins or ends at an address of the target's: its number times two, plus one where it ends.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, u64);
} places SEC(".maps");

const struct call *unused_call __attribute__((unused));

static __always_inline int too_many(u64 now)
{
	u64 s = now / 1000000000;

	if (tripped)
		return 1;
	if (s != second) {
		second = s;
		hits = 0;
	}
	__sync_fetch_and_add(&hits, 1);
	if (*(volatile u64 *)&hits <= most)
		return 0;
	tripped = 1;
	return 1;
}

SEC("uprobe")
int on_call(struct regs *ctx)
{
	u64 now = bpf_ktime_get_ns(), g = GREG(ctx), pc = PC(ctx), hi = 0, *place;
	struct call *c;

	if (too_many(now))
		return 0;
	place = bpf_map_lookup_elem(&places, &pc);
	c = place ? bpf_ringbuf_reserve(&records, sizeof(*c), 0) : 0;
	if (!c || !place) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	c->time = now;
	c->goid = 0;
	c->function = *place >> 1;
	c->ends = *place & 1;
	bpf_probe_read_user(&c->goid, sizeof(c->goid), (void *)(g + g_goid));
	bpf_probe_read_user(&hi, sizeof(hi), (void *)(g + g_stack_hi));
	c->depth = hi - SP(ctx);
	bpf_ringbuf_submit(c, BPF_RB_NO_WAKEUP);
	return 0;
}
