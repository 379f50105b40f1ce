package timeline

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/frameworks"
)

// waitsFor is what a framework says about a wait with these frames: that of the one nearest to the leaf,
// as far as the application has not been called back, which then waits for something of its own.
func (t *Timeline) waitsFor(frames []Frame) (frameworks.Entry, int32) {
	for i, f := range frames {
		fn := &t.Funcs[f.Fn]
		if fn.App {
			break
		}
		if fn.Framework.Role >= frameworks.Pool {
			return fn.Framework, int32(i)
		}
	}
	return frameworks.Entry{}, -1
}

// plays says whether a function with a role is among frames.
func (t *Timeline) plays(frames []Frame, role frameworks.Role) bool {
	return slices.ContainsFunc(frames, func(f Frame) bool { return t.Funcs[f.Fn].Framework.Role == role })
}

// Beside says whether a goroutine with this stack only runs beside requests: nothing waits for it.
func (t *Timeline) Beside(stack int32) bool {
	return t.plays(t.Stacks[stack].Frames, frameworks.Beside)
}
