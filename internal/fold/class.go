package fold

import (
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// runtimeClass says what of the Go runtime a stack is: its collector, wherever it takes the time of a goroutine, its
// scheduler, or all else that the runtime does by itself. It is "" for what the program does, what the runtime does for it
// there included, and for what is not known.
func (b *Builder) runtimeClass(sites []uint32) string {
	own, some := true, false
	for _, id := range sites {
		switch b.sites[id].part {
		case ofCollector:
			return sample.ClassGC
		case ofProgram:
			own = false
		case ofRuntime:
			some = true
		}
	}
	switch root := b.root(sites); {
	case root == frameScheduler:
		return sample.ClassScheduler
	case own && some && strings.HasPrefix(root, "runtime."):
		return sample.ClassRuntime
	}
	return ""
}

// root is the outermost function of a stack.
func (b *Builder) root(sites []uint32) string {
	if len(sites) == 0 {
		return ""
	}
	frames := b.sites[sites[len(sites)-1]].frames
	if len(frames) == 0 {
		return ""
	}
	return names.Assembly(frames[len(frames)-1].Func)
}
