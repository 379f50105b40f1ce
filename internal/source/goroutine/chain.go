package goroutine

import "github.com/mayfly-profiler/mayfly/internal/goruntime"

// unwinder follows frame pointers in copies of stacks. It reads nothing else.
type unwinder struct {
	arch                      string
	root                      uint64 // the return address at the bottom of each stack
	cgoCallback, asyncPreempt goruntime.Range
	spDelta                   func(pc uint64) (delta int32, ok bool) // Options.SPDelta
}

func newUnwinder(l *goruntime.Layout, v *goruntime.Vars, o Options) unwinder {
	u := unwinder{arch: l.Arch, root: v.Goexit + 1, cgoCallback: v.CgoCallback, asyncPreempt: v.AsyncPreempt, spDelta: o.SPDelta}
	if l.Arch == "arm64" {
		u.root = v.Goexit + 4 // sys.PCQuantum
	}
	return u
}

const maxFrames = 1024

// ending says how a chain ended.
type ending uint8

const (
	broken  ending = iota // in something that is no frame, or that is not below a goroutine
	whole                 // at goexit
	started               // at once: no frame at all
	beyond                // it leaves the copy, or has too many frames
	intoC                 // in C, which called Go: from there on frame pointers mean nothing
)

type chainStart struct {
	pc, sp, fp, hi uint64
	anywhere       bool // the goroutine may have been stopped where it had not set up its frame
}

// chain appends the return addresses to pcs.
func (u *unwinder) chain(pcs []uint64, c stackCopy, at chainStart) ([]uint64, ending) {
	pcs = append(pcs, at.pc)
	fp := at.fp
	switch {
	case len(c.mem) == 0:
		return pcs, broken
	case at.pc == u.root:
		return pcs, whole // that of a thread of C's, outside of Go (runtime/proc.go, oneNewExtraM)
	case fp == 0:
		return pcs, started
	case at.anywhere:
		pcs = u.lostCaller(pcs, c, at.sp, fp)
	}
	for low := c.base; ; {
		last := pcs[len(pcs)-1]
		if fp < low || fp%8 != 0 || fp > at.hi-16 {
			if u.cgoCallback.Contains(last) {
				return pcs, intoC
			}
			return pcs, broken
		}
		if fp-c.base+16 > uint64(len(c.mem)) || len(pcs) >= maxFrames {
			return pcs, beyond
		}
		next, ret := word(c.mem, int(fp-c.base)), word(c.mem, int(fp-c.base)+8)
		pcs = append(pcs, ret)
		switch {
		case ret == u.root:
			return pcs, whole
		case u.asyncPreempt.Contains(last):
			pcs = u.lostCaller(pcs, c, fp+16, next) // runtime/preempt_amd64.s
		}
		low, fp = fp+16, next
	}
}

// lostCaller appends the caller of the last function in pcs if frame pointers do not lead to it: a
// function that was stopped before it had pushed the frame pointer has its caller's, which leads
// to the caller's caller. That happens to goroutines that were preempted, at the check of the stack
// before the prologue or anywhere by a signal. pclntab knows how deep the stack is at that point.
func (u *unwinder) lostCaller(pcs []uint64, c stackCopy, sp, fp uint64) []uint64 {
	if u.spDelta == nil || u.arch != "amd64" {
		return pcs
	}
	d, ok := u.spDelta(pcs[len(pcs)-1])
	switch {
	case ok && d == 8 && fp != sp: // "push rbp" is done, "mov rbp, rsp" is not
		sp += 8
	case !ok || d != 0:
		return pcs
	}
	if sp < c.base || sp-c.base+8 > uint64(len(c.mem)) {
		return pcs
	}
	ret := word(c.mem, int(sp-c.base))
	if _, ok := u.spDelta(ret - 1); !ok || ret == u.root {
		return pcs
	}
	return append(pcs, ret)
}
