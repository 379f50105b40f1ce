package blame

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/frameworks"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// users are the functions that call the package of a pool, and wait in it or below it. It may serve connections, too: that is
// not to call it.
func (t facts) users(stack int32) []timeline.Frame {
	pkg := t.Funcs[t.Stacks[stack].Frames[t.Stacks[stack].ForAt].Fn].Pkg
	known := map[int32]bool{}
	var users []timeline.Frame
	for i := range t.Stacks {
		frames := t.Stacks[i].Frames
		in := func(f timeline.Frame) bool { return t.Funcs[f.Fn].Pkg == pkg }
		first := slices.IndexFunc(frames, in)
		if first < 0 {
			continue
		}
		by := slices.IndexFunc(frames[first:], func(f timeline.Frame) bool { return !in(f) || t.serving(f) })
		if by >= 0 && !known[frames[first+by].Fn] && !t.serving(frames[first+by]) {
			known[frames[first+by].Fn] = true
			users = append(users, timeline.Frame{Fn: frames[first+by].Fn})
		}
	}
	return users
}

// serving says whether a function serves, accepts, or runs beside what does.
func (t facts) serving(f timeline.Frame) bool {
	role := t.Funcs[f.Fn].Framework.Role
	return role != frameworks.None && role < frameworks.Pool
}
