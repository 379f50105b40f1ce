package fold

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// chain is a stack as a source reports it.
type chain struct {
	leaf    *site
	returns []uint64
	words   *sample.Leaf // what repairs the caller of the leaf; nil: it was not lost
	rest    *sample.Rest // how it goes on where frame pointers do not; nil: it needs nothing
	sp      uint64       // of the frame that rest continues
	own     bool         // it is the goroutine's own stack, which its leaf has not left yet
}

// with returns the chain with what continues it, if that belongs to it.
func (c chain) with(r *sample.Rest, ofCurg bool) chain {
	if r.From > 0 && r.From <= len(c.returns)+1 && r.OfCurg == ofCurg && !(r.Interrupted && r.From == 1) {
		c.rest, c.sp = r, r.At
	}
	return c
}

// segment appends the leaf, its caller if that was lost, and the return addresses, up to the root of
// the stack.
func (b *Builder) segment(dst []*site, c chain) ([]*site, end) {
	from := len(dst)
	dst, e := b.chain(dst, c)
	if e == rooted && dst[len(dst)-1].role == cgocallback { // the goroutine of a thread of C's has nothing above it
		return dst, inC
	}
	if (e == rootless || e == broken) && slices.ContainsFunc(dst[from:], func(st *site) bool { return st.role == cgocallback }) {
		return dst, inC
	}
	return dst, e
}

// chain appends a stack, and says how it ended.
func (b *Builder) chain(dst []*site, c chain) ([]*site, end) {
	dst, e, stop := c.at(dst, c.leaf)
	if stop {
		return dst, e
	}
	returns := c.returns
	if c.rest != nil {
		returns = returns[:c.rest.From-1]
		if c.rest.Interrupted {
			returns = returns[:len(returns)-1]
		} else if len(returns) == 0 {
			return b.unwind(dst, c)
		}
	}
	if c.words != nil {
		if b.isData(c.leaf, c.words) {
			return dst, broken
		}
		if ra, ok := b.lostCaller(c.leaf, c.words); ok && !c.elsewhere() {
			b.tally.Repaired++
			if dst, e = b.follow(dst, []uint64{ra}); e != rootless {
				return dst, e
			}
		}
	}
	switch dst, e = b.follow(dst, returns); {
	case e != rootless || c.rest == nil:
		return dst, e
	case c.rest.Interrupted:
		return b.interrupted(dst, c)
	}
	return b.unwind(dst, c)
}

// interrupted appends what a signal interrupted.
func (b *Builder) interrupted(dst []*site, c chain) ([]*site, end) {
	st := b.exactSite(c.returns[c.rest.From-2])
	if st.noCode() {
		return dst, broken
	}
	dst, e, stop := c.at(dst, st)
	if stop {
		return dst, e
	}
	return b.unwind(dst, c)
}

// elsewhere says whether the leaf's caller is not where it returns to: it is on the stack that it left, or was interrupted.
func (c chain) elsewhere() bool {
	return c.leaf.role == systemstack || c.leaf.role == asmcgocall || c.leaf.role == signal && c.rest != nil && c.rest.Interrupted
}

// at appends where the goroutine was interrupted, and says whether its stack ends there.
func (c chain) at(dst []*site, st *site) (_ []*site, e end, stop bool) {
	dst = append(dst, st)
	if e, stop = ends(st); stop && !(c.own && e == unscheduled) {
		return drop(dst, st), e, true
	}
	return dst, rootless, false
}

// follow appends return addresses, up to the root of the stack.
func (b *Builder) follow(dst []*site, returns []uint64) ([]*site, end) {
	for _, pc := range returns {
		st := b.caller(dst[len(dst)-1], pc)
		if st.noCode() {
			return dst, broken
		}
		dst = append(dst, st)
		if e, stop := ends(st); stop {
			return drop(dst, st), e
		}
	}
	return dst, rootless
}

// caller resolves what a frame returns to.
func (b *Builder) caller(callee *site, pc uint64) *site {
	if callee.role == signal {
		return b.exactSite(pc)
	}
	return b.callSite(pc)
}

// Where the frame pointers of a goroutine are none, a source sends the stack itself, and it is unwound here as the
// runtime does it (runtime.unwinder): pclntab knows at each instruction how far the stack pointer is from the return
// address. Code that is in no table (a JIT compiler's) is left by its frame pointer.
//
// On amd64 a frame is left at its upper end: there is the return address, and one word below it the caller's frame pointer.
// On arm64 both lie at the lower end: the return address at the stack pointer, the frame pointer one word below, which pcsp
// counts for the next frame; a function without a frame has its return address in the link register only
// (cmd/internal/obj/arm64). Generated code is not left there: nothing says how large its frame is.

// maxUnwound bounds the frames of a stack that is unwound: a frame is one word at least.
const maxUnwound = 2048

// unwinder is a place on a goroutine's stack.
type unwinder struct {
	b      *Builder
	stack  *sample.Words
	sp, fp uint64   // of the frame to be left
	lr     uint64   // of a leaf, on arm64
	chain  uint64   // a frame of the chain that was walked further up,
	later  []uint64 // and the return addresses from there on
}

// leave finds the return address of the frame of st, and where on the stack it lies: slot is 0 if that is nowhere. ok is false
// when it is not among the words: then slot is where it would be.
func (u *unwinder) leave(st *site) (slot, ra uint64, ok bool) {
	if u.b.arch == "arm64" {
		return u.leaveARM64(st)
	}
	if slot = u.sp + uint64(st.delta); !st.inGo {
		if u.fp < u.sp {
			return 0, 0, false
		}
		slot = u.fp + 8
	}
	if ra, ok = u.stack.Word(slot); !ok {
		return slot, 0, false
	}
	if saved := slot - 8; saved >= u.sp {
		if fp, ok := u.stack.Word(saved); ok {
			u.fp = fp
		}
	}
	u.sp = slot + 8
	return slot, ra, true
}

func (u *unwinder) leaveARM64(st *site) (slot, ra uint64, ok bool) {
	if ra, u.lr = u.lr, 0; st.delta > 0 {
		slot = u.sp
		if saved, _ := u.stack.Word(slot); !u.keeps(st, ra, saved) {
			ra = saved
		}
		u.sp += uint64(st.delta)
	}
	u.uncall(st)
	return slot, ra, st.inGo && ra != 0
}

// keeps says whether st returns to what the link register has, and not to what it saved before: a function that calls nobody
// may store something else there (internal/chacha8rand.block). After a call the register points into the function itself.
func (u *unwinder) keeps(st *site, lr, saved uint64) bool {
	if lr == 0 || u.b.symbols.InGo(saved-1) || !u.b.symbols.InGo(lr-1) {
		return false
	}
	caller := u.b.callSite(lr).frames
	return len(caller) > 0 && len(st.frames) > 0 && caller[len(caller)-1].Func != st.frames[len(st.frames)-1].Func
}

// uncall takes the call of st back if a signal made it: below it lies what the link register had (runtime.unwinder.next).
func (u *unwinder) uncall(st *site) {
	if st.role == signal {
		u.lr, _ = u.stack.Word(u.sp)
		u.sp += 16
	}
}

// joins says whether the chain that was walked has the frame whose return address is at slot: from there on it is
// the goroutine's.
func (u *unwinder) joins(slot uint64) bool {
	if slot == 0 {
		return false
	}
	for u.chain != 0 && u.chain < slot-8 && len(u.later) > 1 {
		next, ok := u.stack.Word(u.chain)
		if !ok || next <= u.chain {
			u.chain = 0
			return false
		}
		u.chain, u.later = next, u.later[1:]
	}
	return u.chain != 0 && u.chain == slot-8 && len(u.later) > 0
}

// unwind appends the callers of the last frame of dst by the words of the goroutine's stack.
func (b *Builder) unwind(dst []*site, c chain) ([]*site, end) {
	u := unwinder{b: b, stack: &c.rest.Words, sp: c.sp, chain: c.rest.Resumed, later: c.returns[c.rest.From-1:]}
	if c.words != nil {
		u.fp = c.words.BP
	}
	last := dst[len(dst)-1]
	switch {
	case c.rest.Interrupted:
		u.fp, u.lr = c.rest.BP, c.rest.LR
	case b.arch != "arm64":
	case c.rest.From > 1: // sp is behind the two words that last's callee has saved
		callee := dst[len(dst)-2]
		if !callee.inGo || callee.delta == 0 {
			return dst, broken
		}
		u.sp += uint64(callee.delta) - 8
		u.uncall(callee)
	case c.words != nil:
		u.lr = c.words.LR
	}
	for range maxUnwound {
		slot, ra, ok := u.leave(last)
		if last.role != signal && u.joins(slot) { // the chain may lack the caller of what was interrupted
			return b.follow(dst, u.later)
		}
		if !ok {
			return dst, rootless
		}
		st := b.caller(last, ra)
		if st.noCode() {
			return dst, broken
		}
		if last = st; st.role == switchStub { // a marker, not a frame
			continue
		}
		dst = append(dst, st)
		if e, stop := ends(st); stop {
			return drop(dst, st), e
		}
	}
	return dst, rootless
}

// top appends the root of a stack from its last words: the lowest frame there whose callers are each where pclntab
// says, up to the goroutine's root. Wrappers are left out of it.
func (b *Builder) top(dst []*site, w *sample.Words) ([]*site, end) {
	n := len(dst)
	for i := range w.Words {
		var e end
		if dst, e = b.rooted(dst[:n], w, w.At+8*uint64(i)); e == rooted {
			return dst[:n+len(visible(dst[n:]))], e
		}
	}
	return dst[:n], rootless
}

// origin appends the function that a goroutine began with, where what it called since then cannot be followed through
// generated code: that may have left the goroutine's stack, so that nobody knows where on it the callers begin. Below the
// place where they do lie frames of calls that are over, but each of them leads to the same root.
func (b *Builder) origin(dst []*site, s *sample.Sample) ([]*site, end) {
	w := &s.Top
	if len(w.Words) == 0 {
		w = &s.Rest.Words
	}
	n := len(dst)
	dst, e := b.top(dst, w)
	if e != rooted || len(dst) == n {
		return dst[:n], rootless
	}
	return append(dst[:n], dst[len(dst)-1]), rooted
}

// rooted appends the callers of the frame at fp, and says whether that is one, up to the root.
func (b *Builder) rooted(dst []*site, w *sample.Words, fp uint64) ([]*site, end) {
	var callee *site // who has the frame at fp; nil: not known
	for range w.Words {
		next, _ := w.Word(fp)
		ra, ok := w.Word(fp + 8)
		if !ok || !b.symbols.InGo(ra-1) {
			return dst, rootless
		}
		st := b.callSite(ra)
		dst = append(dst, st)
		if st.role == goexit {
			return drop(dst, st), rooted
		}
		if !st.inGo || !b.follows(next, fp, callee, st) {
			return dst, rootless
		}
		fp, callee = next, st
	}
	return dst, rootless
}

// follows says whether the frame pointer next is the one behind fp. Between them lies the caller's frame on amd64, and that of the callee,
// if it is known, on arm64.
func (b *Builder) follows(next, fp uint64, callee, caller *site) bool {
	switch {
	case b.arch != "arm64":
		return next == fp+8+uint64(caller.delta)
	case callee == nil:
		return next > fp
	}
	return next == fp+uint64(callee.delta)
}
