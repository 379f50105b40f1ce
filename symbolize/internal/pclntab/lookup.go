package pclntab

import "slices"

// Frame is one function at a program counter.
type Frame struct {
	Func, File      string
	Line, StartLine int
	Inlined         bool
	Wrapper         bool // made by the compiler, such as a method wrapper: runtime/pprof leaves it out
}

const (
	// maxDepth bounds the inlined calls at one place. The compiler stops long before.
	maxDepth = 256
	noFile   = "?" // what the runtime calls the file of padding and of C code
)

// Lookup appends the functions at a link-time address to dst, innermost first; the last is the
// physical function. It appends nothing when the address is not in Go code. A return address
// must have been decremented by the caller.
//
// Inlined calls form a tree: the index of the innermost call at the address, then from each
// call to the place in its parent where it was called. In real binaries that way can be a
// circle: the mark of a call at the start of a package's init may point into the call's own
// code (seen with Go 1.26.8 in go.opentelemetry.io/otel/semconv). runtime.CallersFrames never
// returns from it. Here the walk ends when a call comes up again.
func (t *Table) Lookup(dst []Frame, pc uint64) []Frame {
	var f fn
	i := t.Find(pc)
	if i < 0 || !t.fn(i, &f) {
		return dst
	}
	w := t.work()
	defer t.charge(w, &w)
	off := uint32(pc-t.text) - f.entry
	var seenBuf [32]int32
	seen, whole := seenBuf[:0], true
	for len(seen) < maxDepth {
		ix := t.pcvalue(f.inlpc, off, &w)
		if ix < 0 || slices.Contains(seen, ix) {
			break
		}
		seen = append(seen, ix)
		call, ok := t.call(f.tree, ix)
		if !ok {
			whole = false
			break
		}
		fr := Frame{Func: t.name(call.name), StartLine: int(call.startLine), Inlined: true, Wrapper: t.isWrapper(call.funcID)}
		fr.File, fr.Line = t.line(&f, off, &w)
		dst = append(dst, fr)
		off = call.parent
	}
	fr := Frame{Func: t.name(f.name), StartLine: int(f.startLine), Wrapper: t.isWrapper(f.funcID)}
	if fr.File, fr.Line = noFile, 0; whole { // else the line is one of a call that is not known
		fr.File, fr.Line = t.line(&f, off, &w)
	}
	return append(dst, fr)
}

// SPDelta returns the distance in bytes from the stack pointer at a link-time address to the
// stack pointer at the entry of the function, as pclntab's pcsp table has it. On amd64 the
// return address lies there. ok is false outside of Go code and where the compiler recorded
// nothing.
func (t *Table) SPDelta(pc uint64) (delta int32, ok bool) {
	var f fn
	i := t.Find(pc)
	if i < 0 || !t.fn(i, &f) {
		return 0, false
	}
	w := t.work()
	defer t.charge(w, &w)
	delta = t.pcvalue(f.pcsp, uint32(pc-t.text)-f.entry, &w)
	return delta, delta >= 0
}

// call is a decoded inlinedCall.
type call struct {
	funcID       uint8
	name, parent uint32
	startLine    int32
}

func (t *Table) call(tree span, ix int32) (c call, ok bool) {
	off, ok := tree.at(uint64(ix)*t.lay.inlSize, t.lay.inlSize)
	if !ok {
		return c, false
	}
	b := t.p.bytes(off, int(t.lay.inlSize))
	if b == nil {
		return c, false
	}
	c = call{funcID: b[t.lay.inlFuncID], name: le.Uint32(b[t.lay.inlName:]), parent: le.Uint32(b[t.lay.inlParent:])}
	if t.lay.startLine {
		c.startLine = int32(le.Uint32(b[t.lay.inlStart:]))
	}
	return c, true
}

// line returns the file and line at an offset from the entry. As in the runtime, there is no
// line without a file and the other way round (runtime.funcline1).
func (t *Table) line(f *fn, off uint32, w *work) (string, int) {
	no := t.pcvalue(f.pcfile, off, w)
	line := t.pcvalue(f.pcln, off, w)
	if no < 0 || line < 0 {
		return noFile, 0
	}
	at, ok := t.cus.at(4*(uint64(f.cu)+uint64(no)), 4)
	if !ok {
		return noFile, 0
	}
	b := t.p.bytes(at, 4)
	if b == nil || le.Uint32(b) == 1<<32-1 {
		return noFile, 0
	}
	return t.str(t.files, le.Uint32(b)), int(line)
}

// isWrapper learns which funcID means "wrapper" when it is first asked. The number moved with
// the versions (21 to Go 1.21, 22 to 1.24, 23 since), but every other number belongs to the one
// or two functions of the runtime that it names (internal/abi, funcIDs), while wrappers are
// many.
func (t *Table) isWrapper(id uint8) bool {
	if id == 0 {
		return false
	}
	if !t.learned {
		t.learn()
	}
	return id == t.wrapper
}

func (t *Table) learn() {
	const many = 16
	t.learned = true
	var count [256]int
	best := uint8(0)
	for i := 0; i < t.nfunc && count[best] < many; i++ {
		b := t.fixed(i)
		if b == nil {
			continue
		}
		if id := b[t.lay.hdr-4]; id != 0 {
			if count[id]++; best == 0 || count[id] > count[best] {
				best = id
			}
		}
	}
	if count[best] > 4 {
		t.wrapper = best
	}
}
