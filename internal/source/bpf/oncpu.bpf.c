//go:build ignore
// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
//
// oncpu.bpf.c: one on-CPU sample of a Go thread, taken in the timer interrupt.
//
// A perf event of type cpu-clock on each CPU calls sample(), or one of another type, which has nothing to do unless a
// thread of the target runs there. If so, it finds out which goroutine that is, copies its pprof labels, walks its frame pointers and
// sends one record to the ring buffer. User space does all the rest (symbols, the caller of the
// leaf, where to cut a stack), because only user space knows which function an address is in.
//
// Three rules of the verifier shape the code:
//  - A loop whose state lives on the BPF stack is verified once per iteration and path, and never
//    finishes for 64 labels or 512 frames. A global function is verified once, whoever calls it; so
//    the bodies of loops are such, which take numbers only. Their cursor lives in map memory, which
//    the verifier forgets at each read. (bpf_loop would do the same, from Linux 5.17 on.)
//  - An index read from map memory must be bounded right before its use, in the same register.
//  - What is not executed on this kernel is not verified: bpf_core_enum_value_exists and
//    bpf_core_field_exists are constants when the program is loaded.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

typedef __u64 u64;
typedef __u32 u32;
typedef __u16 u16;
typedef __u8 u8;
typedef __s64 s64;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#include "regs.bpf.h"

#if defined(__TARGET_ARCH_x86)
#define USER_MODE(r) ((r)->cs & 3)
// Where Go calls C on the thread's system stack but stays itself, it keeps its stack pointer here, which C
// preserves (racecall, asancall and msancall in runtime/*_amd64.s).
#define GOSP(r) ((r)->r12)
#else
#define USER_MODE(r) (((r)->pstate & 0xf) == 0)
#define GOSP(r) ((r)->x[19]) // racecall (runtime/race_arm64.s)
#endif

struct task_struct {
	struct thread_struct thread;
	void *stack;
} __attribute__((preserve_access_index));

struct pt_regs {
	long dummy;
} __attribute__((preserve_access_index));

// struct bpf_perf_event_data (include/uapi/linux/bpf_perf_event.h).
struct perf_ctx {
	struct regs regs;
	u64 sample_period;
	u64 addr;
};

#define MAX_USER 512   // frames of the user stack
#define MAX_CURG 256   // frames of m.curg's saved stack
#define MAX_KERNEL 127 // kernel.perf_event_max_stack's default
#define MAX_REST 768   // words of stack for user space to unwind
#define MAX_TOP 256    // words of the end of a stack that is deeper than what is walked
#define MAX_WORDS (MAX_USER + MAX_CURG + MAX_KERNEL + 1 + MAX_REST + MAX_TOP)
#define MAX_FRAMED 4096 // functions
#define MAX_TURNS 16        // stack switches in one frame-pointer chain
#define WINDOW 1024         // bytes of stack that are read at a time
#define MAX_LOADS 64        // such reads in a chain: a deep stack of large frames does not keep interrupts off for long
#define ROOT 64             // bytes at the end of a goroutine's stack (newproc1 in runtime/proc.go) in which it returns to goexit
#define CREDIT 64           // samples of an event that may be taken at once
#define SAVED 32            // words of a C stack in which Go's stack pointer is looked for
#define MIN_ADDR 4096
#define MAX_STACK (4ull << 30) // bytes; runtime/debug.SetMaxStack's default is a quarter

#include "target.bpf.h"

// The target as user space sees it: its pid, and the PID namespace that this is a pid of, if that
// is not the initial one.
const volatile u32 target_pid = 0;
const volatile u64 ns_dev = 0, ns_ino = 0;
// Its id in the initial PID namespace. User space sets it when it is in that namespace itself;
// elsewhere it is learned from the first thread of target_pid that is met.
volatile u32 target_tgid = 0;
// Whether samples are wanted: not before a held command has executed its program, and not after the
// target has executed another one.
volatile u32 armed = 0, execs = 0;
// With how many bytes in the ring its reader is woken, who else comes in his own time: a hundred CPUs fill it faster.
const volatile u64 high_water = 2 << 20;

// Of events that the program is called at one by one: how far apart samples on a CPU are to be, ns. 0: each call is a sample.
const volatile u64 apart = 0;

// code is what user space knows of the target's Go code, in run-time addresses; all 0 until it does.
// framed is the number of functions in the map of that name.
struct code {
	u64 text, etext;
	u64 sigtramp, sigtramp_end; // what the kernel calls for a signal
	u64 cgocallback, cgocallback_end; // what C calls: its frame pointer is C's
	u32 framed, pad;
};

volatile struct code code = {};

enum record_flags {
	FROM_KERNEL = 1,    // interrupted in kernel mode
	ON_G0 = 2,          // on the thread's system stack
	HAS_CURG = 4,       // the thread runs a goroutine, or works for one
	USER_TRUNCATED = 8, // the user stack is deeper than MAX_USER
	CURG_TRUNCATED = 16,
	LABELS_PARTIAL = 32, // the label set did not fit or could not be read whole
	LEAF_VALID = 64,
	CURG_LEAF_VALID = 128,
	LABELS_EMPTY = 256, // g.labels is nil
	DOUBTFUL = 512,     // what was taken for a g is none: no goroutine
	REST_OF_CURG = 1024, // the words of rest belong to curg's chain, not to user's
	INTERRUPTED = 2048,  // by a signal: the word before rest is where, and curg_fp and curg_lr are what the registers were
};

// record is followed by u64 user[nuser], curg[ncurg], kernel[nkernel] (leaf first), rest[nrest], top[ntop]
// and label_bytes bytes of labels: struct label, key, value, each padded to 8 bytes.
//
// rest is the goroutine's stack from rest_at on, where the chain of frame pointers is no more one: what
// comes before it is the first rest_from words of the chain. The chain's other words were found from a frame on
// that seems to be one, at resume; 0: there are none. top is the end of the stack, if the chain did not get there.
struct record {
	u64 time; // CLOCK_MONOTONIC, ns
	u64 goid, g, curg, labels;
	u64 created; // the return address of the go statement that made the goroutine
	u64 sp, fp, lr, words[2];
	u64 curg_sp, curg_fp, curg_lr, curg_words[2];
	u64 rest_at, resume, top_at;
	u32 pid, tid;
	u32 flags;
	u16 nuser, ncurg, nkernel, nlabels;
	u16 nrest, rest_from, ntop, pad;
	u32 label_bytes;
	u64 period; // how many events the sample stands for; of a timer ns
};

enum counters {
	FIRED,      // samples that only_count counted
	LOST,       // records that the ring buffer had no room for
	NO_G,       // no g could be read
	SPENT,      // ns that sample() took where the target ran
	HAPPENED,   // events that it was called at, if apart is set
	COUNTERS,
};

// struct ucontext as the kernel leaves it for a signal handler, up to the last register that is of use.
#if defined(__TARGET_ARCH_x86)
struct context {
	u64 flags, link, stack[3];
	u64 r8, r9, r10, r11, r12, r13, r14, r15, di, si, bp, bx, dx, ax, cx, sp, ip;
};
#define CONTEXT_LR(c) 0
#define RETURNS_TO_KERNEL 0
#define BELOW 0
#else
struct context {
	u64 flags, link, stack[3], mask[16], pad, fault; // struct sigcontext, from fault on, is aligned to 16 bytes
	u64 x[29], bp, lr, sp, ip;
};
_Static_assert(__builtin_offsetof(struct context, x) == 184, "arch/arm64/include/uapi/asm/ucontext.h");
#define CONTEXT_LR(c) ((c)->lr)
#define RETURNS_TO_KERNEL 1 // a handler does, to the vdso
#define SIGINFO 128 // bytes; the kernel leaves one before the ucontext
#define BELOW 8     // a function's frame begins at its stack pointer, and the caller's frame pointer is saved below it
#endif
#define MAX_SIGNAL_STACK (1 << 20)
#define SS_AUTODISARM (1u << 31) // include/uapi/linux/signal.h

struct scratch {
	struct record r;
	u64 words[MAX_WORDS];
	u8 tail[MAX_LABEL_BYTES + MAX_STRING + 64]; // words and tail are one buffer; labels may start inside words
	// cursors of the loops
	u64 lo, hi; // m.curg's stack
	u64 nwords, limit, fp, turns;
	u64 at;          // the stack pointer of the frame that is being left
	u64 floor, last; // where its frame pointer may point at least; its program counter
	u64 loads;       // that are left
	u64 rest_bytes;
	u32 odd, deep;   // the chain is none here; it goes on, but not for us
	u64 window_at, window[WINDOW / 8]; // a copy of the stack around fp
	u64 off; // bytes used in words+tail
	u64 saw, gap, credit; // of events that samples are drawn from: when the last one was, how far apart, and time that samples may use
	struct regs regs; // what is too large for the BPF stack
	struct context context;
	u64 header[MAX_LABELS * 4];
	u64 bucket_addr, bucket_left, slot, table;
	u64 bucket[34]; // 8 tophash bytes, 8 keys, 8 values, overflow pointer: 272 bytes
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, u32);
	__type(value, u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20); // user space changes it, and high_water with it
} records SEC(".maps");

// span is a function of the target, from code.text on.
struct span {
	u32 from, to, delta;
};

// framed has the assembly functions with a frame, by address. They may use the frame pointer for data. In most of
// their code the return address is delta bytes above the stack pointer, with the caller's frame pointer below it.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_FRAMED);
	__type(key, u32);
	__type(value, struct span);
} framed SEC(".maps");

// For bpf2go -type: a value of the type must be reachable in BTF.
const struct record *unused_record __attribute__((unused));
const struct span *unused_span __attribute__((unused));
const enum record_flags *unused_flags __attribute__((unused));
const enum counters *unused_counters __attribute__((unused));

static __always_inline void add(u32 k, u64 n)
{
	u64 *v = bpf_map_lookup_elem(&counts, &k);
	if (v)
		*v += n;
}

static __always_inline void count(u32 k) { add(k, 1); }

#define READ(dst, src) bpf_probe_read_user(&(dst), sizeof(dst), (const void *)(src))

static __always_inline struct scratch *mine(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&scratches, &zero);
}

// ---- stacks ----
//
// A goroutine's chain of frame pointers is followed as long as each frame lies above the last one, on the
// goroutine's stack, and returns into Go code. Assembly may use the frame pointer for data (md5, sha512, P-256;
// golang.org/issue/63508): in a function with a frame it does so after it has saved its caller's, which only
// pclntab can find (framed); without one, what it calls or returns to saves data as if it were a frame
// pointer. There the chain ends, and the words of the stack are sent for user space to unwind, as the
// runtime does it: by how far the stack pointer is from the return address.

// push appends a word behind those of the stack. It says whether there was room. The number is read right before its use: one
// that the compiler has put aside is any number to verifiers before Linux 6.12.
static __always_inline int push(struct scratch *s, u64 word)
{
	u64 n = *(volatile u64 *)&s->nwords;

	if (n >= MAX_WORDS)
		return 0;
	s->words[n] = word;
	s->nwords = n + 1;
	return 1;
}

static __always_inline int on_stack(struct scratch *s, u64 a) { return a - s->lo < s->hi - s->lo; }

static __always_inline int in_text(u64 pc) { return pc - code.text < code.etext - code.text; }

// frame_of returns delta of the function of framed that pc lies in, or 0: a binary search.
__noinline u32 frame_of(u64 pc)
{
	u32 lo = 0, hi = code.framed, off = pc - code.text;

	if (!in_text(pc))
		return 0;
	for (int i = 0; i < 13 && lo < hi; i++) {
		u32 mid = (lo + hi) / 2;
		struct span *f = bpf_map_lookup_elem(&framed, &mid);
		if (!f)
			return 0;
		if (off < f->from)
			hi = mid;
		else if (off >= f->to)
			lo = mid + 1;
		else
			return f->delta;
	}
	return 0;
}

// read_frame reads the two words at fp. Frames lie close together: one copy of a piece of the stack
// serves some ten of them, at the price of one; not where they are large.
static __always_inline int read_frame(struct scratch *s, u64 fp, u64 *f)
{
	u64 at = fp - s->window_at, i;

	if (at > WINDOW - 16) {
		s->loads--;
		if (fp - s->at > WINDOW / 2)
			return bpf_probe_read_user(f, 16, (void *)fp);
		if (bpf_probe_read_user(s->window, WINDOW, (void *)fp)) {
			s->window_at = 0; // the end of the stack is near
			return bpf_probe_read_user(f, 16, (void *)fp);
		}
		s->window_at = fp;
		at = 0;
	}
	i = at / 8;
	asm volatile("%0 &= 127" : "+r"(i));
	f[0] = s->window[i];
	i++;
	asm volatile("%0 &= 127" : "+r"(i));
	f[1] = s->window[i];
	return 0;
}

enum { NOT_INTERRUPTED, ON_GOROUTINE, ON_SYSTEM };

// interrupted appends where a signal interrupted the thread, and says on which stack, if the kernel's record of it is at
// at: it names the signal stack that it lies on. A goroutine's own stack is for user space to unwind from there on.
__noinline int interrupted(u64 at)
{
	struct scratch *s = mine();
	struct context *c;
	int own;

	if (!s)
		return NOT_INTERRUPTED;
	c = &s->context;
	if (bpf_probe_read_user(c, sizeof(*c), (void *)at) || c->link || (u32)c->stack[1] & ~SS_AUTODISARM ||
	    c->stack[2] > MAX_SIGNAL_STACK || at - c->stack[0] >= c->stack[2])
		return NOT_INTERRUPTED;
	own = on_stack(s, c->sp);
	if ((!own && c->sp - c->stack[0] < c->stack[2]) || c->ip < MIN_ADDR || !push(s, c->ip))
		return NOT_INTERRUPTED;
	s->at = s->floor = c->sp;
	s->fp = c->bp;
	s->last = c->ip;
	if (!own)
		return ON_SYSTEM;
	s->r.flags |= INTERRUPTED;
	s->r.curg_fp = c->bp;
	s->r.curg_lr = CONTEXT_LR(c);
	s->odd = 1;
	return ON_GOROUTINE;
}

static __always_inline int in_handler(u64 pc) { return pc - code.sigtramp < code.sigtramp_end - code.sigtramp; }

// entering is interrupted for a handler that has not begun yet or has not called anybody, or that has returned and its thread
// not yet. context_of is where the record would be for the handler that has, or whose callee has, its frame at fp, with the
// return address ra: 0 if nothing says that it is one. The callee may have no frame of its own: it returns to the handler.
#if defined(__TARGET_ARCH_x86)
static __always_inline int entering(u64 pc, u64 sp)
{
	int on = interrupted(sp);

	return on ? on : interrupted(sp + 8); // the return address is between
}

static __always_inline u64 context_of(struct scratch *s, u64 fp, u64 ra)
{
	return in_handler(s->last) || in_handler(s->r.words[0]) || in_handler(s->r.words[1]) ? fp + 16 : 0;
}
#else
static __always_inline int entering(u64 pc, u64 sp)
{
	int on = interrupted(sp + SIGINFO);

	return on || !in_handler(pc) ? on : interrupted(sp + frame_of(pc) + SIGINFO);
}

static __always_inline u64 context_of(struct scratch *s, u64 fp, u64 ra)
{
	if (in_text(ra) || (!in_handler(s->last) && !in_handler(s->r.lr)))
		return 0;
	return fp + BELOW + frame_of(code.sigtramp) + SIGINFO;
}
#endif

// one_frame appends the return address of the frame at s->fp: [fp] is the caller's frame pointer,
// [fp+8] the return address, on amd64 and arm64 alike.
__noinline int one_frame(void)
{
	struct scratch *s = mine();
	u64 fp, f[2], at;
	int strict, on;

	if (!s)
		return 1;
	fp = s->fp;
	strict = code.etext && on_stack(s, s->at) &&
		 s->last - code.cgocallback >= code.cgocallback_end - code.cgocallback;
	if (strict && !fp && s->hi - s->at <= ROOT)
		return 1;
	if (strict && (fp < s->floor || fp > s->hi - 16 || (fp & 7))) {
		s->odd = 1;
		return 1;
	}
	if (fp < MIN_ADDR || (fp & 7))
		return 1;
	if (s->nwords >= s->limit || !s->loads) {
		s->deep = 1;
		return 1;
	}
	if (read_frame(s, fp, f) || f[1] < MIN_ADDR || (code.etext && on_stack(s, fp) && !in_text(f[1]))) {
		s->odd = strict;
		return 1;
	}
	at = on_stack(s, fp) ? 0 : context_of(s, fp, f[1]);
	on = at ? interrupted(at) : NOT_INTERRUPTED;
	if (on)
		return on == ON_GOROUTINE;
	if (!push(s, f[1]))
		return 1;
	s->last = f[1];
	s->at = s->floor = fp + 16;
	// Callers lie higher on the same stack. systemstack and cgo calls cross from one stack to
	// another, which may lie lower; a cycle looks the same, so only a few are allowed.
	if (f[0] <= fp && ++s->turns > MAX_TURNS) {
		s->fp = 0;
		return 1;
	}
	s->fp = f[0];
	return 0;
}

// follow appends at most max frames from s->fp on.
__noinline int follow(u32 max)
{
	for (u32 i = 0; i < MAX_USER; i++) {
		if (i >= max || one_frame())
			break;
	}
	return 0;
}

// seek_frame points s->fp to the first word of the window that looks like a saved frame pointer with a return
// address behind it, if there is one.
__noinline int seek_frame(void)
{
	struct scratch *s = mine();
	u64 at, fp;

	if (!s)
		return 0;
	for (u32 i = 0; i < WINDOW / 8 - 1; i++) {
		at = s->window_at + 8 * i;
		fp = s->window[i];
		if (fp > at && fp <= s->hi - 16 && !(fp & 7) && in_text(s->window[i + 1])) {
			s->fp = at;
			break;
		}
	}
	return 0;
}

static __always_inline int is_frame(struct scratch *s, u64 fp)
{
	u64 f[2];

	return fp + BELOW >= s->at && fp <= s->hi - 16 && !(fp & 7) && !bpf_probe_read_user(f, sizeof(f), (void *)fp) &&
	       f[0] >= fp + 16 && f[0] <= s->hi - 16 && in_text(f[1]);
}

// resume looks for the chain in the last words before end, up to which user space will unwind, and goes on there.
// Whether it is the chain, user space will see: it gets to the same frame, or it does not.
static __always_inline void resume(struct scratch *s, u64 end, u32 max)
{
	s->deep = 1;
	if (!is_frame(s, s->fp)) { // what a signal interrupted has a frame pointer, mostly
		s->fp = 0;
		s->window_at = end - WINDOW;
		if (bpf_probe_read_user(s->window, WINDOW, (void *)s->window_at)) {
			s->window_at = 0;
			return;
		}
		seek_frame();
	} else if (s->fp < s->at && READ(s->fp, s->fp)) { // user space has no word of that one
		s->fp = 0;
	}
	if (!s->fp)
		return;
	s->deep = s->odd = 0;
	s->r.resume = s->at = s->floor = s->fp;
	follow(max);
	s->deep |= s->odd;
}

// leave_framed goes on at the frame that an assembly function has. It says whether there was a chain.
static __always_inline int leave_framed(struct scratch *s, u32 delta, u32 max)
{
	u64 fp = s->at + delta - 8;

	s->odd = 1;
	if (!is_frame(s, fp))
		return 0;
	s->odd = 0;
	s->fp = s->floor = fp;
	follow(max);
	return !s->odd;
}

// walk appends at most s->limit words: pc, then the return addresses of the chain at fp. It returns how
// many, and says with s->deep whether the stack went on.
static __noinline u32 walk(struct scratch *s, u64 pc, u64 fp, u64 sp)
{
	u64 from;
	u32 max, delta;

	if (!s)
		return 0;
	from = s->nwords;
	max = s->limit;
	if (max > MAX_USER || !push(s, pc))
		return 0;
	s->window_at = 0;
	s->limit = from + max;
	s->loads = MAX_LOADS;
	s->fp = fp;
	s->at = sp;
	s->floor = sp - 16; // before Go 1.26 calls of duffzero have a frame made by hand below the stack pointer
	s->last = pc;
	s->turns = 0;
	s->deep = 0;
	s->odd = 0;
	delta = on_stack(s, sp) ? frame_of(pc) : 0;
	if (code.etext && !on_stack(s, sp) && (s->hi > s->lo || in_handler(pc) || (RETURNS_TO_KERNEL && !in_text(pc))) &&
	    entering(pc, sp) == ON_GOROUTINE) {
		; // user space unwinds all of it
	} else if (!delta) {
		follow(max);
	} else if (!s->r.rest_at && leave_framed(s, delta, max)) {
		s->r.rest_at = sp;
		s->r.rest_from = 1;
		s->r.resume = sp + delta - 8;
		s->rest_bytes = delta + 16;
		return s->nwords - from;
	} else {
		s->nwords = from + 1; // it has not made its frame yet, or has left it
		s->at = sp;
		s->fp = fp;
	}
	if (!s->odd)
		return s->nwords - from;
	if (s->r.rest_at) { // one is enough
		s->deep = 1;
		return s->nwords - from;
	}
	s->r.rest_at = s->at;
	s->rest_bytes = s->hi - s->at;
	s->r.rest_from = s->nwords - from;
	if (s->hi - s->at > MAX_REST * 8)
		resume(s, s->at + MAX_REST * 8, max);
	return s->nwords - from;
}

// copy appends the words of the stack from at on, bytes at most.
static __noinline u32 copy(struct scratch *s, u64 at, u64 bytes)
{
	u64 n, page = 4096 - (at & 4095);

	if (!s)
		return 0;
	n = s->nwords;
	if (bytes > MAX_REST * 8)
		bytes = MAX_REST * 8;
	if (n > MAX_WORDS - MAX_TOP) // the labels' room lies behind
		return 0;
	if (bpf_probe_read_user(&s->words[n], bytes, (void *)at)) {
		if (page >= bytes) // what lies on the next page may not be in memory
			return 0;
		bytes = page;
		if (bpf_probe_read_user(&s->words[n], bytes, (void *)at))
			return 0;
	}
	s->nwords = n + bytes / 8;
	return bytes / 8;
}

// copy_stack appends what user space needs of the goroutine's stack.
static __always_inline void copy_stack(struct scratch *s)
{
	u64 at = s->r.rest_at;

	if (at)
		s->r.nrest = copy(s, at, s->rest_bytes);
	if (!s->hi || !(s->r.flags & (USER_TRUNCATED | CURG_TRUNCATED)))
		return;
	s->r.top_at = s->hi - MAX_TOP * 8;
	if (s->r.top_at < s->lo)
		s->r.top_at = s->lo;
	s->r.ntop = copy(s, s->r.top_at, MAX_TOP * 8);
}

#include "labels.bpf.h"

static __noinline void read_labels(struct scratch *s)
{
	u64 set = 0;
	int err;

	if (!s)
		return;
	if (target.label_kind == LABELS_NONE)
		return;
	if (READ(set, s->r.curg + target.g_labels)) {
		s->r.flags |= LABELS_PARTIAL;
		return;
	}
	s->r.labels = set;
	if (!set) {
		s->r.flags |= LABELS_EMPTY;
		return;
	}
	err = target.label_kind == LABELS_SLICE ? slice_labels(s, set) : map_labels(s, set);
	if (err)
		s->r.flags |= LABELS_PARTIAL;
}

// ---- goroutine ----

// fits says whether memory has at curg what a goroutine has: an id and a stack.
static __always_inline int fits(struct scratch *s, u64 curg)
{
	u64 stack[2];

	if (bpf_probe_read_user(stack, sizeof(stack), (void *)(curg + target.g_stack)))
		return 0;
	READ(s->r.goid, curg + target.g_goid);
	s->lo = stack[0];
	s->hi = stack[1];
	return s->r.goid && s->r.goid < MAX_GOID && stack[0] >= MIN_ADDR && stack[0] < stack[1] &&
	       stack[1] - stack[0] <= MAX_STACK;
}

// find_goroutine follows g -> m -> curg. g itself is the system stack's pseudo goroutine while the
// thread schedules, collects garbage or runs C code; the goroutine it works for is m.curg.
//
// A wrong layout would give wrong labels without any other sign, so each sample has to prove its g: m is
// what g.m points to, and has this very g as curg, g0 or gsignal. A register proves nothing: R14 is g in
// compiled Go code only, not in assembly, C, the vdso.
static __always_inline void find_goroutine(struct scratch *s, u64 greg)
{
	u64 g = 0, m = 0, g0 = 0, gsignal = 0, curg = 0;

	if (target.g_from == G_TLS) {
		u64 base = tls_base();
		if (base)
			READ(g, base + target.tls);
	} else if (target.g_from == G_REG) {
		g = greg;
	}
	s->r.g = g;
	if (!g) {
		if (target.g_from)
			count(NO_G);
		return;
	}
	if (READ(m, g + target.g_m) || !m) {
		s->r.flags |= DOUBTFUL;
		return;
	}
	READ(curg, m + target.m_curg);
	READ(g0, m + target.m_g0);
	if (g == g0)
		s->r.flags |= ON_G0;
	else if (g != curg)
		READ(gsignal, m + target.m_gsignal);
	if ((g != g0 && g != curg && g != gsignal) || (curg && !fits(s, curg))) {
		s->r.flags |= DOUBTFUL;
		s->r.goid = s->lo = s->hi = 0;
		return;
	}
	if (!curg)
		return;
	s->r.curg = curg;
	s->r.flags |= HAS_CURG;
	if (target.g_gopc)
		READ(s->r.created, curg + target.g_gopc);
}

// return_to_go returns where the return address into Go code is, if sp is what the stack pointer of a goroutine was in
// the function that calls C: at it, or in one with a frame (asancall) behind the caller's frame pointer.
static __always_inline u64 return_to_go(struct scratch *s, u64 sp)
{
	u64 f[2];

	if (!on_stack(s, sp) || (sp & 7) || bpf_probe_read_user(f, sizeof(f), (void *)sp))
		return 0;
	if (in_text(f[0]))
		return sp;
	return f[0] > sp && on_stack(s, f[0]) && in_text(f[1]) ? sp + 8 : 0;
}

// caller_of_c finds where a goroutine that switched to the system stack to call C returns to: its stack pointer is in the
// register, or where C saved it in its first frames below g0's g.sched.sp.
static __noinline u64 caller_of_c(struct scratch *s, u64 gosp)
{
	u64 g0 = 0, m = 0, top = 0, at, n, stack[2];

	if (!s)
		return 0;
	at = return_to_go(s, gosp);
	if (at)
		return at;
	READ(m, s->r.curg + target.g_m);
	READ(g0, m + target.m_g0);
	READ(top, g0 + target.g_sched_sp);
	if (READ(stack, g0 + target.g_stack) || s->r.sp - stack[0] >= stack[1] - stack[0])
		return 0; // generated code on a stack of its own
	top = (top & ~15ull) - 8 * SAVED;
	if (top + 8 * SAVED < s->r.sp || bpf_probe_read_user(s->window, 8 * SAVED, (void *)top))
		return 0;
	for (n = SAVED; n > 0; n--) {
		at = return_to_go(s, s->window[n - 1]);
		if (at)
			return at;
	}
	return 0;
}

// walk_caller_of_c appends the goroutine's stack, all of it for user space to unwind.
static __always_inline void walk_caller_of_c(struct scratch *s, u64 gosp)
{
	u64 pc = 0, sp = caller_of_c(s, gosp);

	if (!sp)
		s->r.flags |= USER_TRUNCATED; // for the end of the goroutine's stack
	if (!sp || READ(pc, sp) || !push(s, pc))
		return;
	s->r.ncurg = 1;
	s->r.rest_at = s->r.curg_sp = sp + 8;
	s->rest_bytes = s->hi - sp - 8;
	s->r.rest_from = 1;
	s->r.flags |= REST_OF_CURG;
	if (s->hi - sp > MAX_REST * 8)
		s->r.flags |= CURG_TRUNCATED;
}

static __always_inline void walk_user(struct scratch *s, u64 gosp)
{
	u64 pc = 0, fp = 0, lo = s->lo, from_c = 0;

	if (!bpf_probe_read_user(s->r.words, sizeof(s->r.words), (void *)s->r.sp))
		s->r.flags |= LEAF_VALID;
	if (s->r.flags & ON_G0)
		s->lo = s->hi; // the goroutine's own stack comes below
	else
		from_c = s->r.curg && s->r.g == s->r.curg && code.etext && !on_stack(s, s->r.sp);
	s->limit = MAX_USER;
	s->r.nuser = walk(s, s->words[0], s->r.fp, s->r.sp);
	s->lo = lo;
	if (s->deep)
		s->r.flags |= USER_TRUNCATED;
	if (from_c && !s->r.rest_at)
		walk_caller_of_c(s, gosp);
	if (!(s->r.flags & ON_G0) || !s->r.curg)
		return;
	// On the system stack for a goroutine: whether the chain above went through to the goroutine
	// or ended at a stack switch, only user space can tell. Send g.sched's stack as well.
	READ(pc, s->r.curg + target.g_sched_pc);
	READ(fp, s->r.curg + target.g_sched_bp);
	READ(s->r.curg_sp, s->r.curg + target.g_sched_sp);
	if (target.g_sched_lr)
		READ(s->r.curg_lr, s->r.curg + target.g_sched_lr);
	s->r.curg_fp = fp;
	if (pc < MIN_ADDR)
		return;
	if (!bpf_probe_read_user(s->r.curg_words, sizeof(s->r.curg_words), (void *)s->r.curg_sp))
		s->r.flags |= CURG_LEAF_VALID;
	s->limit = MAX_CURG;
	s->r.ncurg = walk(s, pc, fp, s->r.curg_sp);
	if (s->deep)
		s->r.flags |= CURG_TRUNCATED;
	if (s->r.rest_at)
		s->r.flags |= REST_OF_CURG;
}

static __always_inline void walk_kernel(struct scratch *s, void *ctx)
{
	u64 n = s->nwords;
	long bytes;

	if (n > MAX_USER + MAX_CURG)
		return;
	bytes = bpf_get_stack(ctx, &s->words[n], MAX_KERNEL * 8, 0);
	if (bytes <= 0)
		return;
	s->r.nkernel = (u64)bytes / 8;
	s->nwords = n + s->r.nkernel;
}

// is_target says whether the current thread is the target's.
static __always_inline int is_target(void)
{
	struct bpf_pidns_info ns = {};
	u32 tgid = bpf_get_current_pid_tgid() >> 32;

	if (target_tgid)
		return tgid == target_tgid;
	if (bpf_get_ns_current_pid_tgid(ns_dev, ns_ino, &ns, sizeof(ns)) || ns.tgid != target_pid)
		return 0;
	target_tgid = tgid;
	return 1;
}

static __always_inline void identify(struct scratch *s)
{
	struct bpf_pidns_info ns = {};

	s->r.pid = target_pid;
	s->r.tid = bpf_get_current_pid_tgid();
	if (ns_ino && !bpf_get_ns_current_pid_tgid(ns_dev, ns_ino, &ns, sizeof(ns)))
		s->r.tid = ns.pid;
}

static __always_inline void send(struct scratch *s)
{
	u64 size = s->off, wake = BPF_RB_NO_WAKEUP;

	if (size > sizeof(s->words) + sizeof(s->tail))
		size = sizeof(s->words) + sizeof(s->tail);
	s->r.label_bytes = size - s->nwords * 8;
	// A label set that user space has to complete is read before its goroutine ends.
	if (s->r.flags & LABELS_PARTIAL || bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA) > high_water)
		wake = BPF_RB_FORCE_WAKEUP;
	if (bpf_ringbuf_output(&records, s, sizeof(s->r) + size, wake))
		count(LOST);
}

// drawn says whether an event is to be a sample. Each is with a probability of one in every, and stands for as many: every follows
// how far apart they are. Time that passes is credit for samples, some at once: while there is enough of it each event is one.
static __always_inline int drawn(struct scratch *s, u64 now)
{
	u64 since = now - s->saw, every = 1;

	s->saw = now;
	if (since > apart * CREDIT)
		since = apart * CREDIT;
	s->credit += since;
	if (s->credit > apart * CREDIT)
		s->credit = apart * CREDIT;
	if (since > apart)
		since = apart;
	s->gap += (since << 2) - (s->gap >> 6); // a moving average, times 256
	if (s->credit < apart * CREDIT / 4 * 3 && s->gap >> 8)
		every = apart / (s->gap >> 8);
	if (every > 1 && bpf_get_prandom_u32() % (u32)every)
		return 0;
	s->r.period = every > 1 ? every : 1;
	s->credit -= s->credit < apart ? s->credit : apart;
	return 1;
}

SEC("perf_event")
int sample(struct perf_ctx *ctx)
{
	u32 zero = 0;
	u64 greg, gosp;
	struct scratch *s;

	if (!armed || !is_target())
		return 0;
	s = bpf_map_lookup_elem(&scratches, &zero);
	if (!s)
		return 0;
	__builtin_memset(&s->r, 0, sizeof(s->r));
	s->r.time = bpf_ktime_get_ns();
	s->r.period = ctx->sample_period;
	if (apart) {
		count(HAPPENED);
		if (!drawn(s, s->r.time))
			return 0;
	}
	if (USER_MODE(&ctx->regs)) {
		s->words[0] = PC(&ctx->regs);
		s->r.sp = SP(&ctx->regs);
		s->r.fp = FP(&ctx->regs);
		s->r.lr = LR(&ctx->regs);
		greg = GREG(&ctx->regs);
		gosp = GOSP(&ctx->regs);
	} else {
		if (bpf_probe_read_kernel(&s->regs, sizeof(s->regs), user_regs()))
			return 0;
		s->words[0] = PC(&s->regs);
		s->r.sp = SP(&s->regs);
		s->r.fp = FP(&s->regs);
		s->r.lr = LR(&s->regs);
		greg = GREG(&s->regs);
		gosp = GOSP(&s->regs);
		s->r.flags |= FROM_KERNEL;
	}
	s->nwords = s->lo = s->hi = 0;
	identify(s);
	find_goroutine(s, greg);
	walk_user(s, gosp);
	if (s->r.flags & FROM_KERNEL)
		walk_kernel(s, ctx);
	copy_stack(s);
	s->off = s->nwords * 8;
	if (s->r.curg)
		read_labels(s);
	send(s);
	add(SPENT, bpf_ktime_get_ns() - s->r.time);
	return 0;
}

// An executed program is another program: other code, other layout.
SEC("tp_btf/sched_process_exec")
int on_exec(void *ctx)
{
	if (!is_target())
		return 0;
	armed = !execs && !armed;
	execs++;
	return 0;
}

// only_count is the floor that benchmarks hold sample() against: the timer interrupt and nothing else.
SEC("perf_event")
int only_count(struct perf_ctx *ctx)
{
	if (is_target())
		count(FIRED);
	return 0;
}
