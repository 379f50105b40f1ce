package timeline

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
)

// A wait is for a resource. The profile does not say which mutex or which pool it was; the code says
// it nearly as well: the function that calls Lock, or that asks the pool, and what is below it.

// SiteOf is where a piece waits.
func (t *Timeline) SiteOf(stack int32, k Kind) Site {
	key := siteKey{stack, k}
	s, ok := t.sites[key]
	if !ok {
		s = t.newSite(&t.Stacks[stack], k)
		t.sites[key] = s
	}
	return s
}

// newSite skips the frames that belong to the waiting itself.
func (t *Timeline) newSite(s *Stack, k Kind) Site {
	if k == Pool && s.ForAt >= 0 {
		return Site{s.Frames[s.ForAt], s.ForAt}
	}
	if k == Limit && s.App >= 0 {
		return Site{s.Frames[s.App], s.App}
	}
	i := 0
	for i < len(s.Frames) && slices.Contains(names.WaitPackages, t.Funcs[s.Frames[i].Fn].Pkg) {
		i++
	}
	if i >= len(s.Frames) {
		return Site{At: -1}
	}
	return Site{s.Frames[i], int32(i)}
}

// Nowhere is no function.
var Nowhere = Frame{Fn: -1}

// Place is the function to name for a piece: the application's nearest to the leaf, else the leaf's
// that is not the runtime's.
func (t *Timeline) Place(stack int32) Frame {
	s := &t.Stacks[stack]
	if s.App >= 0 {
		return s.Frames[s.App]
	}
	for _, f := range s.Frames {
		if t.Funcs[f.Fn].Pkg != "runtime" && t.Funcs[f.Fn].Pkg != "" {
			return f
		}
	}
	if len(s.Frames) > 0 {
		return s.Frames[0]
	}
	return Nowhere
}

// Root is the function that a goroutine was started with.
func (t *Timeline) Root(stack int32) string {
	frames := t.Stacks[stack].Frames
	for i := len(frames) - 1; i >= 0; i-- {
		if name := t.Funcs[frames[i].Fn].Name; !names.Match(name, names.Goexit) {
			return name
		}
	}
	return ""
}

// Started is the function that a goroutine was started with, "" if it never had a stack. What stands for a stack that could
// not be walked is none.
func (t *Timeline) Started(g *Track) string {
	for i := range g.Pieces {
		if root := t.Root(g.Pieces[i].Stack); root != "" && root[0] != '[' {
			return root
		}
	}
	return ""
}

// On says whether a function is on a stack, at or after a line of it: who has not come to the line
// yet has not asked for the resource.
func (t *Timeline) On(stack int32, f Frame) bool {
	for _, g := range t.Stacks[stack].Frames {
		if g.Fn == f.Fn {
			return g.Line == 0 || f.Line == 0 || g.Line >= f.Line
		}
	}
	return false
}
