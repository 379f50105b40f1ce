package report

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
)

// A wait is for a resource. The profile does not say which mutex or which pool it was; the code says
// it nearly as well: the function that calls Lock, or that asks the pool, and what is below it.

// site is where a goroutine waits: the function that asked for the resource. For a pool, which many
// functions ask, it is the pool's own.
type site struct {
	user frame
	at   int32 // its place in the stack, leaf first; -1: nobody asked
}

type siteKey struct {
	stack int32
	kind  kind
}

// siteOf is where a piece waits.
func (t *timeline) siteOf(stack int32, k kind) site {
	key := siteKey{stack, k}
	s, ok := t.sites[key]
	if !ok {
		s = t.newSite(&t.stacks[stack], k)
		t.sites[key] = s
	}
	return s
}

// newSite skips the frames that belong to the waiting itself.
func (t *timeline) newSite(s *stack, k kind) site {
	i := 0
	if k == pool {
		for i = len(s.frames) - 1; i >= 0 && !names.Match(t.funcs[s.frames[i].fn].name, acquirers); i-- {
		}
		if i < 0 {
			return site{at: -1}
		}
		return site{s.frames[i], int32(i)}
	}
	for i < len(s.frames) && slices.Contains(names.WaitPackages, t.funcs[s.frames[i].fn].pkg) {
		i++
	}
	if i >= len(s.frames) {
		return site{at: -1}
	}
	return site{s.frames[i], int32(i)}
}

// place is the function to name for a piece: the application's nearest to the leaf, else the leaf's
// that is not the runtime's.
func (t *timeline) place(stack int32) frame {
	s := &t.stacks[stack]
	if s.app >= 0 {
		return s.frames[s.app]
	}
	for _, f := range s.frames {
		if t.funcs[f.fn].pkg != "runtime" && t.funcs[f.fn].pkg != "" {
			return f
		}
	}
	if len(s.frames) > 0 {
		return s.frames[0]
	}
	return nowhere
}

// on says whether a function is on a stack, at or after a line of it: who has not come to the line
// yet has not asked for the resource.
func (t *timeline) on(stack int32, f frame) bool {
	for _, g := range t.stacks[stack].frames {
		if g.fn == f.fn {
			return g.line == 0 || f.line == 0 || g.line >= f.line
		}
	}
	return false
}

// disk are the functions that wait for a disk.
var disk = slices.Concat(names.Disk, []string{"golang.org/x/sys/unix.Fsync", "golang.org/x/sys/unix.Fdatasync", "golang.org/x/sys/unix.Msync"})
