package fold

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// A source reports the words it saw; this file decides what they mean. It needs to know functions,
// which an interrupt handler does not.
//
// The caller of the leaf. A frame-pointer walk starts at the frame that the frame pointer points
// to. Before the leaf has pushed its own (and in the frameless functions, which are the hot ones:
// memmove, memclr, aeshash, the system call stubs) that frame is the caller's, and the walk yields
// the caller's caller first: about 40 % of a server's samples lose the leaf's caller. pclntab
// knows how far the stack pointer is from the return address at each instruction (pcsp), and the
// source sends the words at the stack pointer, so the return address can be put back exactly:
//
//	pcsp delta 0               return address at [sp]
//	delta 8, bp != sp (amd64)  "push rbp" is done, "mov rbp, rsp" is not: return address at [sp+8]
//	delta 8, bp == sp; others  the leaf has its own frame: nothing is missing
//	duffzero, duffcopy         called with a frame that their caller made by hand: nothing is missing
//
// On arm64 the link register holds the return address while delta is 0; while delta is not 0 and
// the frame pointer is not yet sp-8 the link register was already stored at [sp]. (Derived from
// cmd/internal/obj/arm64; run in emulated machines, not on hardware.)
//
// The end of a stack. Goroutines end at runtime.goexit, which is left out as runtime/pprof does.
// A system stack ends at mstart, mcall or morestack; what a frame-pointer walk finds behind them
// up to Go 1.24 is the goroutine that was parked there last, a wrong one. If the thread works for a
// goroutine (m.curg), that goroutine's saved stack goes on there; if not, the thread schedules, and
// the stack is rooted at [scheduler]. Where C code called Go (runtime.cgocallback), the chain leads into
// C, which need not keep frame pointers: what it yields is believed as long as it is code, and the root is [C].

// Synthetic frames: where time went that no function can be charged with.
const (
	FrameC         = "[C]"         // callers that are C code, as far as they are not known
	frameScheduler = "[scheduler]" // a thread that works for no goroutine
	frameThread    = "[thread]"    // a thread without Go code: before the runtime is up, or one of C's
	frameLost      = "[lost]"      // samples that were taken but not delivered
	frameTruncated = "[truncated]" // the stack is deeper than what was read, or what comes next is no return address
	frameOther     = "[other]"     // stacks and labels that there was no memory for
	frameKernel    = "[kernel]"    // CPU time in the kernel, which it keeps to itself
)

// walk appends the sites of a sample, leaf first: kernel, user, synthetic root.
func (b *Builder) walk(dst []*site, s *sample.Sample) []*site {
	if s.Loss == sample.Lost {
		return append(dst, b.special(frameLost))
	}
	if s.Loss == sample.InKernel {
		return append(dst, b.special(frameKernel))
	}
	for i, pc := range s.Kernel {
		dst = append(dst, b.kernelSite(pc, i > 0))
	}
	kernel := len(dst)
	if s.Loss == sample.Unwalked || len(s.User)+len(s.Curg) == 0 {
		return b.remembered(dst, s)
	}
	dst, end := b.user(dst, s)
	dst = visible(dst)
	switch {
	case len(dst) == 0 && (end == rooted || end == rootless || end == broken): // nothing but wrappers
		dst = append(dst, b.special(frameUnwalked))
	case (end == rootless || end == broken) && dst[len(dst)-1].kind == symbolize.JIT:
		dst = append(dst, b.special(frameTruncated))
		dst, end = b.origin(dst, s)
	case end == inC:
		dst = append(dst, b.special(FrameC))
	case end == rootless && s.Loss == sample.Truncated:
		dst = append(dst, b.special(frameTruncated))
		dst, end = b.top(dst, &s.Top)
	case end == broken, end == rootless && s.Goid != 0:
		dst = append(dst, b.special(frameTruncated))
	case end == unscheduled:
		dst = append(dst, b.special(frameScheduler))
	case end == native:
		dst = append(dst, b.special(frameThread))
	}
	b.remember(dst[kernel:], s)
	if s.Goid != 0 && (end == rootless || end == broken) {
		b.tally.Unrooted++
	} else if s.Goid != 0 {
		b.tally.Rooted++
	}
	return dst
}

// ofNoGoroutine says whether a stack is that of a thread that schedules, or of one without Go code.
func (b *Builder) ofNoGoroutine(stack []*site) bool {
	if len(stack) == 0 {
		return false
	}
	root := stack[len(stack)-1]
	return root.role == mstart || root == b.synthetic[frameScheduler] || root == b.synthetic[frameThread]
}

// remember keeps the stack of a goroutine that is on a CPU: while its thread waits for one, nobody
// can tell where it is but by where it was.
func (b *Builder) remember(stack []*site, s *sample.Sample) {
	if !b.keep.Wall || s.Goid == 0 || s.State != sample.Running {
		return
	}
	b.last.set(s.Goid, lastStack{stack, hashLabels(s.Labels)})
}

// remembered is the stack of a sample that came without one. Where it was last on a CPU a goroutine
// still is while its thread waits for one, or for a page, unless its labels are others by now: then it ran meanwhile.
// In any other state it has been elsewhere since.
func (b *Builder) remembered(dst []*site, s *sample.Sample) []*site {
	if s.State == sample.Running && s.Count == 0 {
		return append(dst, b.special(frameRunning))
	}
	// A thread that sleeps with a goroutine that runs, as far as Go knows, is in no call that Go has made.
	faults := s.State == sample.Syscall && s.Call == "" && s.Loss == sample.Whole
	if s.State == sample.Preempted || s.State == sample.Throttled || faults {
		if last := b.last.get(s.Goid); s.Goid != 0 && len(last.sites) > 0 && last.labels == hashLabels(s.Labels) {
			return append(dst, last.sites...)
		}
	}
	return append(dst, b.special(frameUnwalked))
}

// visible leaves out addresses without a frame: wrappers that the compiler made, which nobody wrote
// and runtime/pprof does not show either.
func visible(stack []*site) []*site {
	kept := stack[:0]
	for _, st := range stack {
		if len(st.frames) > 0 {
			kept = append(kept, st)
		}
	}
	return kept
}

// user appends the user stack and says how it ended.
func (b *Builder) user(dst []*site, s *sample.Sample) ([]*site, end) {
	if len(s.User) == 0 {
		return b.saved(dst, s)
	}
	leaf := b.exactSite(s.User[0])
	if len(s.Curg) > 0 && (b.outside(leaf, s.User) || leaf.role == sanitizing && callsC(s)) {
		return b.cgo(dst, leaf, s)
	}
	if leaf.inC() && s.Goid == 0 {
		return b.thread(dst, leaf, s.User[1:])
	}
	from := len(dst)
	dst, e := b.segment(dst, chain{leaf: leaf, returns: s.User[1:], words: &s.Leaf, own: s.Goid != 0 && len(s.Curg) == 0}.with(&s.Rest, false))
	if e == rooted || len(s.Curg) == 0 {
		return dst, e
	}
	if e != unscheduled { // the system stack's frames end where it began
		if i := slices.IndexFunc(dst[from:], func(st *site) bool { return st.role == systemstack }); i >= 0 {
			dst = dst[:from+i+1]
		}
	}
	return b.saved(dst, s)
}

// outside says whether a leaf is C code, or the vdso that C called. C that the Go linker linked (the race
// detector) is in pclntab, too, but not with its stack.
func (b *Builder) outside(leaf *site, user []uint64) bool {
	if leaf.kind == symbolize.VDSO {
		return len(user) == 1 || b.callSite(user[1]).kind != symbolize.Go
	}
	return leaf.inC() || leaf.kind == symbolize.Go && !leaf.inGo
}

// callsC says whether s.Curg is where the goroutine itself calls C on the system stack, and not what it has in g.sched,
// which comes with words.
func callsC(s *sample.Sample) bool { return s.Rest.OfCurg && !s.CurgLeaf.Valid }

// saved appends the stack that a goroutine has in g.sched.
func (b *Builder) saved(dst []*site, s *sample.Sample) ([]*site, end) {
	first := b.callSite(s.Curg[0])
	if first.role == goexit {
		return dst, inC // the goroutine of a thread of C's that is not in Go (runtime/proc.go, oneNewExtraM)
	}
	if first.role == switchStub {
		// gosave_systemstack_switch stores this pc, with sp at the return address of the function
		// that called C (runtime/asm_amd64.s).
		if ra := s.CurgLeaf.Words[0]; s.CurgLeaf.Valid && b.symbols.InGo(ra-1) {
			c := chain{leaf: b.callSite(ra), returns: s.Curg[1:]}.with(&s.Rest, true)
			if c.rest != nil && c.rest.From == 1 {
				c.sp += 8
			}
			return b.segment(dst, c)
		}
		if len(s.Curg) == 1 {
			return dst, rootless
		}
		return b.segment(dst, chain{leaf: b.callSite(s.Curg[1]), returns: s.Curg[2:]})
	}
	return b.segment(dst, chain{leaf: first, returns: s.Curg[1:], words: &s.CurgLeaf}.with(&s.Rest, true))
}

// cgo appends the stack of a thread that is in C code on behalf of a goroutine. C code need not
// keep frame pointers, so its frames are believed only as long as they lie in C code.
func (b *Builder) cgo(dst []*site, leaf *site, s *sample.Sample) ([]*site, end) {
	dst, _ = b.c(append(dst, leaf), s.User[1:])
	return b.saved(dst, s)
}

// thread appends the stack of a thread that is in C code, for no goroutine that is known: the dynamic
// loader's, that of a thread that C has made; or Go called it, and nobody knows for whom.
func (b *Builder) thread(dst []*site, leaf *site, returns []uint64) ([]*site, end) {
	dst, rest := b.c(append(dst, leaf), returns)
	if len(rest) > 0 && b.symbols.InGo(rest[0]-1) {
		return b.segment(dst, chain{leaf: b.callSite(rest[0]), returns: rest[1:]})
	}
	return dst, native
}

// c appends callers as long as they are C code, and returns what is left.
func (b *Builder) c(dst []*site, returns []uint64) (_ []*site, rest []uint64) {
	for i, pc := range returns {
		st := b.callSite(pc)
		if !st.inC() {
			return dst, returns[i:]
		}
		dst = append(dst, st)
	}
	return dst, nil
}
