package exectrace

import (
	"golang.org/x/exp/trace"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// deepest is how many frames of a stack are kept, leaf first: the runtime writes 128 (tracev2.MaxFramesPerStack).
const deepest = 256

// stack is the number of a stack. A trace's own numbers are good for a generation.
func (r *reader) stack(s trace.Stack) int32 {
	if s == trace.NoStack {
		return r.Nothing
	}
	id, ok := r.stacks[s]
	if !ok {
		r.frames = r.frames[:0]
		for f := range s.Frames() {
			if len(r.frames) == deepest {
				break
			}
			if !names.Match(f.Func, names.Goexit) {
				r.frames = append(r.frames, timeline.Frame{Fn: r.Function(f.Func, f.File, 0), Line: int32(min(f.Line, 1<<30))})
			}
		}
		id = r.Stack(r.frames)
		r.stacks[s] = id
	}
	return id
}

// waitReason is the runtime's own word for a wait.
func (r *reader) waitReason(reason string, stack int32) string {
	on := func(list []string) bool { return r.Has(&r.Stacks[stack], list) }
	if reason != names.TracedSync && reason != names.TracedSystem {
		return names.WaitReason(reason)
	}
	switch {
	case on(names.Collector) || on(names.StopsWorld):
		return "wait for GC cycle"
	case reason == names.TracedSystem:
		return reason
	case on(names.Children):
		return "sync.WaitGroup.Wait"
	case on(names.ReadLocks):
		return "sync.RWMutex.RLock"
	case on(names.WriteLocks):
		return "sync.RWMutex.Lock"
	case on(names.Locks):
		return "sync.Mutex.Lock"
	}
	return "semacquire"
}
