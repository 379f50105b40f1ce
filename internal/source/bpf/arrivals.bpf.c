//go:build ignore
// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
//
// arrivals.bpf.c: when what a goroutine reads from a TCP socket had come in.
//
// A goroutine that waits for its socket is woken when the runtime looks at the network, and not when something comes in:
// while all Ps are busy that may be milliseconds later, and neither the runtime nor its trace know of them. The kernel's
// tracepoints do: sock/sk_data_ready says when a socket has something to read (Linux 6.3), tcp/tcp_rcv_space_adjust when it
// is read, in the reader's thread.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

typedef __u64 u64;
typedef __s64 s64;
typedef __u32 u32;
typedef __u8 u8;
typedef _Bool bool;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

// bpf_tracing.h has register macros of its own.
#include "regs.bpf.h"

struct task_struct {
	struct thread_struct thread;
	void *stack;
	int tgid;
} __attribute__((preserve_access_index));

struct pt_regs {
	long dummy;
} __attribute__((preserve_access_index));

#include "target.bpf.h"
#include "process.bpf.h"

struct sock_common {
	u32 skc_portpair;
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
} __attribute__((preserve_access_index));

// What was read sooner is not reported: ns.
const volatile u64 least = 0;

u64 lost = 0;

struct arrival {
	u64 came; // CLOCK_MONOTONIC, ns
	u64 read;
	u64 goid;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} records SEC(".maps");

// unread is since when which of the target's sockets has something to read. Only those are in it that it has read from, and those read
// from last if they are too many: whose address is another's by now has other ports.
struct unread {
	u64 since; // 0: there is nothing
	u32 ports;
	u32 unused;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, struct unread);
} sockets SEC(".maps");

const struct arrival *unused_arrival __attribute__((unused));

SEC("tp_btf/sk_data_ready")
int BPF_PROG(on_ready, struct sock *sk)
{
	u64 key = (u64)sk;
	struct unread *u = bpf_map_lookup_elem(&sockets, &key);

	if (u && !u->since && u->ports == sk->__sk_common.skc_portpair)
		u->since = bpf_ktime_get_ns();
	return 0;
}

// goid is the id of the goroutine that made the system call, 0 if it is not known.
static __always_inline u64 goid(void)
{
	struct regs *regs;
	u64 g = 0, id = 0;

	if (target.g_from == G_REG) {
		regs = user_regs();
		bpf_probe_read_kernel(&g, sizeof(g), &GREG(regs));
	} else {
		bpf_probe_read_user(&g, sizeof(g), (void *)(tls_base() + target.tls));
	}
	if (g)
		bpf_probe_read_user(&id, sizeof(id), (void *)(g + target.g_goid));
	return id < MAX_GOID ? id : 0;
}

static __always_inline void report(u64 came, u64 now)
{
	u64 id = goid();
	struct arrival *a;

	if (!id)
		return;
	a = bpf_ringbuf_reserve(&records, sizeof(*a), 0);
	if (!a) {
		__sync_fetch_and_add(&lost, 1);
		return;
	}
	a->came = came;
	a->read = now;
	a->goid = id;
	bpf_ringbuf_submit(a, BPF_RB_NO_WAKEUP);
}

SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(on_read, struct sock *sk)
{
	struct task_struct *t = (void *)bpf_get_current_task_btf();
	struct unread *u, first = {};
	u64 key = (u64)sk, came, now;
	u32 ports;

	if (!target_tgid)
		learn(t);
	if (!target_tgid || (u32)t->tgid != target_tgid)
		return 0;
	ports = sk->__sk_common.skc_portpair;
	u = bpf_map_lookup_elem(&sockets, &key);
	if (!u || u->ports != ports) {
		first.ports = ports;
		bpf_map_update_elem(&sockets, &key, &first, BPF_ANY);
		return 0;
	}
	came = u->since;
	u->since = 0;
	now = bpf_ktime_get_ns();
	if (came && now - came >= least)
		report(came, now);
	return 0;
}
