package timeline

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/frameworks"
	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
)

// waitsFor is what a framework says about a wait with this stack: that of the frame nearest to the leaf,
// as far as the application has not been called back, which then waits for something of its own.
func (t *Timeline) waitsFor(s *Stack) (frameworks.Entry, int32) {
	for i, f := range s.Frames {
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

// isIdle says whether a stack is of a server's goroutine that has nothing to do.
func (t *Timeline) isIdle(s *Stack) bool {
	idle := false
	for _, f := range s.Frames {
		switch t.Funcs[f.Fn].Framework.Role {
		case frameworks.Handles:
			return false
		case frameworks.Serves, frameworks.Accepts:
			idle = true
		}
	}
	return idle && !t.serves(s)
}

// serves says whether a stack is inside of a request of a server that calls the handler from the function
// that it calls once for each connection: fasthttp's. What that calls of its own package is not a request.
func (t *Timeline) serves(s *Stack) bool {
	for i := 1; i < len(s.Frames); i++ {
		fn := &t.Funcs[s.Frames[i].Fn]
		if fn.Framework.Role != frameworks.Serves || !slices.Contains(perConnection, fn.Name) {
			continue
		}
		callee := &t.Funcs[s.Frames[i-1].Fn]
		if callee.Pkg != fn.Pkg && (callee.App || !t.standard(callee)) {
			return true
		}
	}
	return false
}

// perConnection are the servers that have no function of their own around the handler.
var perConnection = []string{"github.com/valyala/fasthttp.(*Server).serveConn", "github.com/valyala/fasthttp.(*Server).serveConnCounted"}

// standard says whether a function is the standard library's.
func (t *Timeline) standard(f *Function) bool {
	return slices.Contains(names.WaitPackages, f.Pkg) || !hasDomain(f.Pkg)
}

// Beside says whether a goroutine with this stack only runs beside requests: nothing waits for it.
func (t *Timeline) Beside(stack int32) bool {
	return slices.ContainsFunc(t.Stacks[stack].Frames, func(f Frame) bool { return t.Funcs[f.Fn].Framework.Role == frameworks.Beside })
}
