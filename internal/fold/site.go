package fold

import (
	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// site is a resolved address.
type site struct {
	id      uint32
	addr    uint64 // inside the instruction, so return address - 1 for calls
	mapping int
	frames  []symbolize.Frame
	role    role
	part    part
	kind    symbolize.Kind
	delta   int32 // pcsp at the address itself; valid for exact sites if inGo
	inGo    bool
}

// role is what a function means for the stack around it.
type role uint8

const (
	plain       role = iota
	goexit           // root of a goroutine
	mstart           // root of a thread's system stack
	switchAway       // mcall, morestack: the system stack begins here
	asmcgocall       // Go calls C from here, on the system stack
	cgocallback      // C calls Go here
	switchStub       // systemstack_switch: a marker pc in g.sched, not a frame
	signal           // what lies below was interrupted, not calling
	duff
	benchmarker // calls a benchmark
	systemstack // goes on on the system stack, for the same goroutine
	sanitizing  // the goroutine calls a sanitizer's C from here, on the system stack
)

var roles = rolesOf(map[role][]string{
	goexit: names.Goexit, mstart: names.ThreadStart, switchAway: names.SwitchAway, asmcgocall: names.CallsC, cgocallback: names.CalledByC,
	switchStub: names.SwitchStub, signal: names.Interrupts, duff: names.Duff, benchmarker: names.Benchmarks,
	systemstack: names.SystemStack, sanitizing: names.CallsSanitizer,
})

func rolesOf(lists map[role][]string) map[string]role {
	m := make(map[string]role)
	for r, list := range lists {
		for _, function := range list {
			m[function] = r
		}
	}
	return m
}

// part is whose code a site is in, as far as it says whose time it is.
type part uint8

const (
	ofProgram part = iota
	ofNobody       // the kernel's: it works for whoever called it
	ofRuntime      // the runtime's, or of the packages below it
	ofCollector
)

// partOf is the part of a site that has all else. What generated code is called is the target's own affair.
func partOf(st *site) part {
	switch st.kind {
	case symbolize.Kernel, symbolize.BPF, symbolize.VDSO:
		return ofNobody
	case symbolize.JIT:
		return ofProgram
	}
	if len(st.frames) == 0 {
		return ofNobody
	}
	of := ofRuntime
	for i := range st.frames {
		function := names.Assembly(st.frames[i].Func)
		if names.Match(function, names.Collector) {
			return ofCollector
		}
		if !names.Internal(names.Package(function)) && !names.RuntimeAssembly(function) {
			of = ofProgram
		}
	}
	return of
}

// end says how a stack ended.
type end uint8

const (
	rootless    end = iota // the chain broke off
	rooted                 // at goexit or mstart
	inC                    // in the C code that called Go
	unscheduled            // at a stack switch, with no goroutine behind it
	native                 // in C code, with no goroutine behind it
	broken                 // at a word that is no return address
)

// inC says whether st is in a file's code that is not Go's, with a symbol or, in a stripped file, without.
func (st *site) inC() bool {
	return st.kind == symbolize.C || st.kind == symbolize.Unknown && st.mapping >= 0
}

// noCode says whether nothing that can be executed is at st.
func (st *site) noCode() bool { return st.mapping < 0 && st.kind != symbolize.JIT }

// ends says whether a stack ends at st.
func ends(st *site) (end, bool) {
	switch st.role {
	case goexit, mstart:
		return rooted, true
	case switchAway:
		return unscheduled, true
	}
	return rootless, false
}

// drop takes goexit away again: it is below every goroutine and says nothing.
func drop(dst []*site, st *site) []*site {
	if st.role == goexit && len(dst) > 1 {
		return dst[:len(dst)-1]
	}
	return dst
}
