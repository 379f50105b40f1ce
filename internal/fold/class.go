package fold

import (
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// runtimeClass says what of the Go runtime a stack is: its collector, wherever it takes the time of a goroutine, its
// scheduler, or all else that the runtime does by itself. It is "" for what the program does, what the runtime does for it
// there included, and for what is not known.
func (b *Builder) runtimeClass(sites []uint32) string {
	own, frames := true, 0
	for _, id := range sites {
		st := b.sites[id]
		if st.kind == symbolize.Kernel || st.kind == symbolize.BPF || st.kind == symbolize.VDSO {
			continue
		}
		for i := range st.frames {
			function := names.Assembly(st.frames[i].Func)
			if names.Match(function, names.Collector) {
				return sample.ClassGC
			}
			own = own && ofRuntime(function)
			frames++
		}
	}
	switch root := b.root(sites); {
	case root == frameScheduler:
		return sample.ClassScheduler
	case own && frames > 0 && strings.HasPrefix(root, "runtime."):
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

// ofRuntime says whether a function is the runtime's, or of the packages below it.
func ofRuntime(function string) bool {
	return names.Internal(names.Package(function)) || names.RuntimeAssembly(function)
}
