//go:build ignore
// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
//
// exact.bpf.c: the CPU time of label sets, counted and not sampled.
//
// Which goroutine a thread runs changes in two places of the runtime, and its labels in a third: where runtime.gogo
// goes on with one, where runtime.mcall leaves it for the scheduler, and in runtime_setProfLabel of runtime/pprof. A
// uprobe in each says so, on an instruction that the kernel emulates: any other one is single-stepped, at ten times the
// price. The time since the last such moment goes to who ran. What the scheduler does for a goroutine behind mcall, to
// park or to end it, is no goroutine's: so is what it does to find the next one.
//
// (One that is preempted at a function's stack check leaves by runtime.morestack, and is seen to have left when the next
// one is gone on with. That is some 100 times a second at most.)
//
// That time is the clock's, and the thread may have had less of it: it was preempted, or the hypervisor took the CPU.
// The scheduler says for how long it really ran (sched_stat_runtime, at each of its ticks and each switch). What
// is too much of a piece between two of those goes off one of its stints: by chance, each in proportion to its length,
// for it can have been in any; and off the longest where the chosen one is too short. So the sums are those of the
// threads' own clocks, and no label is favoured.
//
// At each tick the target's memory is read for who runs, as oncpu.bpf.c does it: what is known of a thread is put right,
// and how often that was needed is counted.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

typedef __u64 u64;
typedef __u32 u32;
typedef __u8 u8;
typedef __s64 s64;
typedef _Bool bool;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

// bpf_tracing.h has register macros of its own.
#include "regs.bpf.h"

struct task_struct {
	struct thread_struct thread;
	void *stack;
	int pid, tgid;
	unsigned int __state;
} __attribute__((preserve_access_index));

struct pt_regs {
	long dummy;
} __attribute__((preserve_access_index));

// Linux 5.13 and before.
struct task_struct___old {
	long state;
} __attribute__((preserve_access_index));

#include "target.bpf.h"
#include "process.bpf.h"

#define TASK_DEAD 0x80
#define MAX_THREADS 16384
#define MAX_TOTALS 32768
#define MAX_SETS 16384
#define MAX_WORDS 1
#define CHECK_EVERY 1000000 // ns
#define RESIDUE 20000 // ns, at most: between the scheduler's last count of a thread and its switch
enum { LABELS_PARTIAL = 1 };

const volatile u64 sweepgen = 0; // the address of mheap_.sweepgen: see who
const volatile u32 most = 0; // probes hit in a second
u64 second = 0, hits = 0;
u32 tripped = 0;
volatile u32 over = 0; // nothing is counted any more

// who is what time is counted for. A label set is known by where it is in the target's memory and by how many
// collections of garbage had ended: within one such generation memory that some g.labels refers to is not used again
// (internal/goruntime/grace.go).
struct who {
	u64 kind; // enum kinds
	u64 set;  // of a goroutine
	u64 gen;
};

enum kinds {
	OF_NONE, // the thread works for no goroutine
	OF_GOROUTINE,
	OF_UNKNOWN, // nothing is known about the thread yet
	OF_PROBES,  // the programs of the probes
};
#define UNKNOWN_G (~0ull)

struct total {
	u64 ns; // may be taken from: only sums mean something
	u64 stints;
	u64 edges; // ends of the time that are probes, each of which adds half of what a trap takes
};

struct thread {
	struct who now;             // who runs
	struct who first, of, most; // whose the first stint of the piece was, the chosen one, and the longest
	u64 g, left; // the goroutine, or the one that was left last
	u64 checked; // when it was held against the target's memory
	u64 at;      // until when time is counted; 0: it has no CPU
	u64 said;    // when the scheduler last counted
	u64 ran;     // ns that the scheduler has counted in this piece
	u64 counted; // and the clock
	u64 chosen, longest;
	u64 away;    // ns for which it had no CPU while busy
	u32 busy; // a program works on it that may be interrupted
	u32 edge; // a probe was at
};

enum exact_counters {
	HITS,
	CHECKS,   // ticks at which the target's memory was read
	WRONG,    // and said something else
	UNPLACED, // ns of what there was no room for
	UNSENT,   // label sets that could not be sent
	ADDED,    // ns that the scheduler counted beyond the clock
	SQUARES,  // of what went off stints, in 1,024 ns
	EXACT_COUNTERS,
};

// set_record is followed by label_bytes bytes of labels: see oncpu.bpf.c.
struct set_record {
	u64 set, gen;
	u32 flags, nlabels, label_bytes, pad;
};

struct scratch {
	struct set_record r;
	u64 words[MAX_WORDS];
	u8 tail[MAX_LABEL_BYTES + MAX_STRING + 64];
	u64 nwords, off;
	u64 header[MAX_LABELS * 4];
	u64 bucket_addr, bucket_left, slot, table;
	u64 bucket[34];
	u64 busy;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EXACT_COUNTERS);
	__type(key, u32);
	__type(value, u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_THREADS);
	__type(key, u32);
	__type(value, struct thread);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_TOTALS);
	__type(key, struct who);
	__type(value, struct total);
} totals SEC(".maps");

// traps says how often a trap took how long, in steps of TRAP_STEP ns: from the end of a probe's program to the begin of
// the one of the probe at the next instruction.
#define TRAP_STEP 32
#define TRAP_STEPS 256
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TRAP_STEPS);
	__type(key, u32);
	__type(value, u64);
} traps SEC(".maps");

// sets are those that have been sent: see send_set.
struct set_key {
	u64 set, gen;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_SETS);
	__type(key, struct set_key);
	__type(value, u32);
} sets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} records SEC(".maps");

const struct set_record *unused_set __attribute__((unused));
const enum exact_counters *unused_counters __attribute__((unused));
const enum kinds *unused_kinds __attribute__((unused));
const struct who *unused_who __attribute__((unused));
const struct total *unused_total __attribute__((unused));

#define READ(dst, src) bpf_probe_read_user(&(dst), sizeof(dst), (const void *)(src))

static __always_inline void add(u32 k, u64 n)
{
	u64 *v = bpf_map_lookup_elem(&counts, &k);

	if (v)
		*v += n;
}

static __always_inline struct scratch *mine(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&scratches, &zero);
}

#include "labels.bpf.h"

// send_set sends a label set that is met for the first time in its generation. A program that interrupts another
// one in here leaves it to the next time.
static __noinline void send_set(struct set_key *k)
{
	struct scratch *s = mine();
	u32 one = 1;
	u64 size;

	if (!s || !k || s->busy)
		return;
	s->busy = 1;
	__builtin_memset(&s->r, 0, sizeof(s->r));
	s->r.set = k->set;
	s->r.gen = k->gen;
	s->nwords = s->off = 0;
	if (target.label_kind == LABELS_SLICE ? slice_labels(s, k->set) : map_labels(s, k->set))
		s->r.flags |= LABELS_PARTIAL;
	size = *(volatile u64 *)&s->off;
	if (size > MAX_LABEL_BYTES)
		size = MAX_LABEL_BYTES;
	s->r.label_bytes = size;
	if (bpf_ringbuf_output(&records, s, sizeof(s->r) + size, BPF_RB_NO_WAKEUP))
		add(UNSENT, 1);
	else
		bpf_map_update_elem(&sets, k, &one, BPF_ANY);
	s->busy = 0;
}

static __always_inline void intern(struct who *w)
{
	struct set_key k = {w->set, w->gen};

	if (k.set && !bpf_map_lookup_elem(&sets, &k))
		send_set(&k);
}

static __noinline struct total *total_of(struct who *w)
{
	struct total zero = {}, *t;

	if (!w)
		return 0;
	t = bpf_map_lookup_elem(&totals, w);
	if (t)
		return t;
	bpf_map_update_elem(&totals, w, &zero, BPF_NOEXIST);
	return bpf_map_lookup_elem(&totals, w);
}

// count adds time, stints and edges to a who.
static __noinline void count(struct who *w, s64 ns, u64 stints, u64 edges)
{
	struct total *t;

	if (!w)
		return;
	t = total_of(w);
	if (!t) {
		add(UNPLACED, ns);
		return;
	}
	__sync_fetch_and_add(&t->ns, ns);
	if (stints)
		__sync_fetch_and_add(&t->stints, stints);
	if (edges)
		__sync_fetch_and_add(&t->edges, edges);
}

// charge counts the time until now. edge says whether that is a probe.
static __always_inline void charge(struct thread *th, u64 now, u32 edge)
{
	u64 d = now - th->at;

	if (th->at && d < 1ull << 62) {
		count(&th->now, d, 0, edge + th->edge);
		th->counted += d;
		if ((bpf_get_prandom_u32() * (th->counted & ~0u)) >> 32 < d) {
			th->chosen = d;
			th->of = th->now;
		}
		if (d > th->longest) {
			th->longest = d;
			th->most = th->now;
		}
	}
	th->at = now;
	th->edge = edge;
}

// settle is for the end of a piece: the scheduler has said how long the thread ran in it.
static __always_inline void settle(struct thread *th)
{
	u64 ran = *(volatile u64 *)&th->ran;
	s64 more = ran - th->counted;
	u64 size;

	if (!ran)
		return;
	__sync_fetch_and_add(&th->ran, -ran);
	if (more < -(s64)th->longest)
		more = -(s64)th->longest;
	size = -more >> 10;
	if (more > 0) { // the scheduler begins before its switch is over
		count(&th->first, more, 0, 0);
		add(ADDED, more);
	} else if (th->longest) {
		count(more < -(s64)th->chosen ? &th->most : &th->of, more, 0, 0);
		add(SQUARES, size * size);
	}
	th->first = th->now;
	th->counted = th->longest = th->chosen = 0;
}

static __always_inline u64 generation(void)
{
	u32 gen = 0;

	READ(gen, sweepgen);
	return gen;
}

// become says who the thread runs from now on.
static __always_inline void become(struct thread *th, u64 g)
{
	u64 goid = 0;
	struct who w = {OF_NONE};

	th->g = g;
	if (g)
		READ(goid, g + target.g_goid);
	if (goid) { // g0 has none
		w.kind = OF_GOROUTINE;
		w.gen = generation();
		READ(w.set, g + target.g_labels);
	}
	if (!w.set)
		w.gen = 0;
	th->now = w;
	intern(&w);
}

static __always_inline struct thread *thread_of(u32 tid)
{
	struct thread fresh = {};
	struct thread *th = bpf_map_lookup_elem(&threads, &tid);

	if (th)
		return th;
	fresh.now.kind = fresh.first.kind = OF_UNKNOWN;
	bpf_map_update_elem(&threads, &tid, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&threads, &tid);
}

// ---- probes ----

static __always_inline int too_many(u64 now)
{
	u64 s = now / 1000000000;

	if (tripped || over)
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

// enter is how a probe begins: the time until it counts for who ran. Those that are there for a while only are not
// limited.
static __always_inline struct thread *enter(u64 *now, u32 limited)
{
	u64 id = bpf_get_current_pid_tgid();
	struct thread *th = thread_of(id);

	if (!th)
		return 0;
	target_tgid = id >> 32;
	th->busy = 1; // before the clock is read: what interrupts this is not to read a later one
	*now = bpf_ktime_get_ns();
	if (limited ? too_many(*now) : over || tripped) {
		th->busy = 0;
		return 0;
	}
	charge(th, *now, 1);
	return th;
}

// leave is how it ends: the program's own time is nobody else's. It may have lost its CPU meanwhile.
static __always_inline void leave(struct thread *th, u64 now)
{
	struct who probes = {OF_PROBES};
	u64 end = bpf_ktime_get_ns(), took = end - now - th->away;

	add(HITS, 1);
	if (took < 1ull << 62) {
		count(&probes, took, 0, 0);
		th->counted += took;
	}
	th->at = end;
	th->away = 0;
	th->busy = 0;
}

// At the jump of runtime.gogo.
SEC("uprobe")
int on_gogo(struct regs *ctx)
{
	u64 now, g = GOGO(ctx);
	struct thread *th = enter(&now, 1);

	if (!th)
		return 0;
	if (!g || g != th->g || th->now.kind == OF_UNKNOWN) { // else its stack was only moved
		become(th, g);
		count(&th->now, 0, 1, 0);
	}
	leave(th, now);
	return 0;
}

// In runtime.mcall: the goroutine is left, for the scheduler.
SEC("uprobe")
int on_mcall(struct regs *ctx)
{
	u64 now;
	struct thread *th = enter(&now, 1);

	if (!th)
		return 0;
	th->left = th->g;
	become(th, 0);
	leave(th, now);
	return 0;
}

// At the begin of runtime.schedule, for a while: on_again is to have a probe before it.
SEC("uprobe")
int on_schedule(struct regs *ctx)
{
	u64 now;
	struct thread *th = enter(&now, 0);

	if (!th)
		return 0;
	become(th, 0);
	leave(th, now);
	return 0;
}

// At the instruction behind that, for as long: what a trap takes.
SEC("uprobe")
int on_again(struct regs *ctx)
{
	u64 now, at, *n;
	u32 step, tid = bpf_get_current_pid_tgid();
	struct thread *th = bpf_map_lookup_elem(&threads, &tid);

	if (!th)
		return 0;
	at = th->edge ? th->at : 0;
	th = enter(&now, 0);
	if (!th)
		return 0;
	step = at ? (now - at) / TRAP_STEP : TRAP_STEPS;
	n = bpf_map_lookup_elem(&traps, &step);
	if (n)
		__sync_fetch_and_add(n, 1);
	leave(th, now);
	return 0;
}

// At the begin of runtime/pprof.runtime_setProfLabel.
SEC("uprobe")
int on_labels(struct regs *ctx)
{
	u64 now;
	struct thread *th = enter(&now, 1);

	if (!th)
		return 0;
	become(th, GREG(ctx));
	th->now.set = ARG(ctx);
	th->now.gen = th->now.set ? generation() : 0;
	intern(&th->now);
	leave(th, now);
	return 0;
}

// ---- the scheduler ----

// current_g is the goroutine that the thread works for by the target's memory, 0 for none, UNKNOWN_G where it cannot be
// told.
static __always_inline u64 current_g(void)
{
	u64 base, g = 0, m = 0, g0 = 0, curg = 0, gsignal = 0;
	struct regs *regs;

	if (target.g_from == G_TLS) {
		base = tls_base();
		if (!base || READ(g, base + target.tls) || !g)
			return 0;
	} else if (target.g_from == G_REG) {
		regs = user_regs();
		if (!regs || bpf_probe_read_kernel(&g, sizeof(g), &GREG(regs)) || !g)
			return UNKNOWN_G;
	} else {
		return UNKNOWN_G;
	}
	if (READ(m, g + target.g_m) || !m || READ(curg, m + target.m_curg))
		return UNKNOWN_G;
	READ(g0, m + target.m_g0);
	READ(gsignal, m + target.m_gsignal);
	return g == curg || g == g0 || g == gsignal ? curg : UNKNOWN_G;
}

// check holds what is known of the current thread against the target's memory.
static __always_inline void check(struct thread *th)
{
	struct who before = th->now;
	u64 g = current_g(), was = th->g;

	if (g == UNKNOWN_G || (before.kind == OF_NONE && g == th->left)) // mcall is at work for it
		return;
	become(th, g);
	if (before.kind == OF_UNKNOWN)
		return;
	add(CHECKS, 1);
	if (before.kind != th->now.kind || before.set != th->now.set || (th->now.kind == OF_GOROUTINE && was != g))
		add(WRONG, 1);
}

// The scheduler has counted some time of a thread: at its tick, before a switch, or when another CPU wants to know.
SEC("tp_btf/sched_stat_runtime")
int BPF_PROG(on_runtime, struct task_struct *t, u64 ns)
{
	u32 tid = t->pid;
	struct thread *th;
	u64 now;

	if (over || !target_tgid || (u32)t->tgid != target_tgid)
		return 0;
	th = bpf_map_lookup_elem(&threads, &tid);
	if (th && th->at)
		__sync_fetch_and_add(&th->ran, ns);
	if (tid != (u32)bpf_get_current_pid_tgid() || (th && th->busy))
		return 0;
	now = bpf_ktime_get_ns();
	if (th)
		th->said = now;
	if (th && now - th->checked < CHECK_EVERY) // whoever reads the thread's clock has the scheduler count, too
		return 0;
	th = thread_of(tid);
	if (!th)
		return 0;
	charge(th, now, 0);
	settle(th);
	check(th);
	th->checked = now;
	return 0;
}

static __always_inline u32 state_of(struct task_struct *t)
{
	if (bpf_core_field_exists(t->__state))
		return t->__state;
	return ((struct task_struct___old *)t)->state;
}

// off is for a thread that gives its CPU away. The scheduler has counted its time until just before, and the time since
// is the next thread's. (Of threads of real-time priority it says nothing: of those the clock's time counts.)
static __always_inline void off(struct task_struct *t, u64 now)
{
	u32 tid = t->pid;
	struct thread *th = bpf_map_lookup_elem(&threads, &tid);

	if (!th)
		return;
	if (state_of(t) & TASK_DEAD) {
		bpf_map_delete_elem(&threads, &tid);
		return;
	}
	if (th->busy) {
		th->away -= now;
		return;
	}
	charge(th, now - th->said < RESIDUE ? th->said : now, 0);
	settle(th);
	th->at = th->counted = th->longest = th->chosen = 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct thread *th;
	u64 now;

	if (over)
		return 0;
	if (!target_tgid)
		learn(prev);
	if (!target_tgid || ((u32)prev->tgid != target_tgid && (u32)next->tgid != target_tgid))
		return 0;
	now = bpf_ktime_get_ns();
	if ((u32)prev->tgid == target_tgid)
		off(prev, now);
	if ((u32)next->tgid != target_tgid)
		return 0;
	th = thread_of(next->pid);
	if (!th)
		return 0;
	if (th->busy) {
		th->away += now;
		return 0;
	}
	th->at = now;
	th->edge = 0;
	th->first = th->now;
	return 0;
}
