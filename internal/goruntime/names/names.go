// Package names knows the functions, packages and wait reasons of the Go runtime and the standard
// library that mean something to whoever reads a stack. Releases rename and move them, so that all
// are here and nowhere else; each list holds the names of all releases since Go 1.19. It knows no
// process and imports nothing: profiles have these names too.
//
// An entry of a list that ends in a dot or a star is a prefix.
package names

import "strings"

// Entries from outside: where the kernel calls Go's signal handler, and C calls Go.
const (
	SignalEntry = "runtime.sigtramp"
	Callback    = "runtime.cgocallback"
)

// Functions that say where a stack begins or is cut, without the suffix that Assembly drops
// (runtime/asm_amd64.s, runtime/proc.go, runtime/signal_unix.go).
var (
	// Goexit: root of a goroutine.
	Goexit = []string{"runtime.goexit"}
	// ThreadStart: root of a thread's system stack.
	ThreadStart = []string{"runtime.mstart", "runtime.rt0_go"}
	// SwitchAway: the system stack begins here.
	SwitchAway = []string{"runtime.mcall", "runtime.morestack", "runtime.morestack_noctxt"}
	// SystemStack: goes on on the system stack, for the same goroutine.
	SystemStack = []string{"runtime.systemstack"}
	// CallsC: on the system stack.
	CallsC = []string{"runtime.asmcgocall"}
	// CallsSanitizer: C of a sanitizer's runtime, on the system stack but as the goroutine
	// (runtime/race_amd64.s, asan_amd64.s, msan_amd64.s).
	CallsSanitizer = []string{"racecall", "asancall", "msancall"}
	// CalledByC: C calls Go here.
	CalledByC = []string{Callback, "crosscall2"}
	// SwitchStub: a marker pc in g.sched, not a frame.
	SwitchStub = []string{"runtime.systemstack_switch"}
	// Interrupts: what lies below was interrupted, not calling.
	Interrupts = []string{SignalEntry, "runtime.sigpanic", "runtime.sigpanic0", "runtime.asyncPreempt"}
	// Duff: up to Go 1.25 on amd64: frames made by hand.
	Duff = []string{"runtime.duffzero", "runtime.duffcopy"}
	// Benchmarks: call a benchmark (testing/benchmark.go).
	Benchmarks = []string{"testing.(*B).runN", "testing.(*B).RunParallel.func1"}
	// Benchmarking is all that package testing does for one.
	Benchmarking = []string{"testing.(*B)."}
	// Panics: keep their wrappers (elideWrapperCalling).
	Panics = []string{"runtime.gopanic", "runtime.sigpanic", "runtime.panicwrap"}
)

// ABI0 is the suffix that marks functions of assembly's calling convention, where there is one.
const ABI0 = ".abi0"

// Assembly drops it.
func Assembly(function string) string { return strings.TrimSuffix(function, ABI0) }

// Functions that tell what a wait, or time on a CPU, is for.
var (
	Collector = []string{"runtime.gcAssistAlloc", "runtime.gcAssistAlloc1", "runtime.gcBgMarkWorker", "runtime.gcDrain", "runtime.bgsweep",
		"runtime.gcStart", "runtime.gcMarkDone", "runtime.gcMarkTermination", "runtime.deductAssistCredit", "runtime.gcDrainN",
		"runtime.(*sweepLocked).sweep"}

	// StopsWorld are those that wait for the collector in "semacquire".
	StopsWorld = []string{"runtime.gcStart", "runtime.stopTheWorld", "runtime.gcMarkDone"}

	// HoldsWorld are those that run while the world stands still, for as long as the program has much of what they go through: all
	// goroutines' stacks (runtime.Stack, and so /debug/pprof/goroutine?debug=2), statistics of memory, the heap.
	HoldsWorld = []string{"runtime.tracebackothers", "runtime.readmemstats_m", "runtime.writeheapdump_m", "runtime.mdump"}

	// Allocator: Go 1.26 has an entry for each size class, mallocgcSmallNoScanSC2 for one
	// (runtime/malloc_generated.go), which compiled code calls directly since Go 1.27.
	Allocator = []string{"runtime.mallocgc*"}

	// Broadcasts let all waiters go at once.
	Broadcasts = []string{"runtime.closechan", "sync.(*Cond).Broadcast"}

	// WaitPackages wait on behalf of their callers.
	WaitPackages = []string{"runtime", "sync", "internal/sync", "internal/runtime/sync", "sync/atomic", "internal/synctest"}

	// TimerFunction starts the function of a time.AfterFunc in a goroutine of its own (time/sleep.go).
	TimerFunction = []string{"time.goFunc"}

	Files = []string{"os.(*File)."}
	// FileFaults are the kernel's, when a page of a mapped file is touched that is not in memory (mm/filemap.c).
	FileFaults = []string{"filemap_fault", "filemap_map_pages"}
	// SystemCalls go into the kernel; what they are called with is of package internal/runtime/syscall, or what it was before.
	SystemCalls = []string{"syscall.", "internal/runtime/syscall*", "runtime/internal/syscall.", "golang.org/x/sys/unix."}

	Disk     = []string{"os.(*File).Sync", "syscall.Fsync", "syscall.Fdatasync", "internal/poll.(*FD).Fsync"}
	Sockets  = []string{"net.(*conn).", "net.(*netFD).", "net.(*TCPListener).", "net.(*sysDialer)."}
	Children = []string{"sync.(*WaitGroup).Wait"}
	// What waits for a lock; a WriteLocks waits in Locks, too. The code of Mutex went to internal/sync in Go 1.24.
	ReadLocks  = []string{"sync.(*RWMutex).RLock", "internal/sync.(*RWMutex).RLock"}
	WriteLocks = []string{"sync.(*RWMutex).Lock"}
	Locks      = []string{"sync.(*Mutex).", "internal/sync.(*Mutex)."}

	ServeHTTP = []string{"net/http.serverHandler.ServeHTTP"} // once for each request, HTTP/2 included
	// PassRequest is what calls one handler for a request, as ServeHTTP does.
	PassRequest = []string{"net/http.HandlerFunc.ServeHTTP", "net/http.(*ServeMux).ServeHTTP"}
	ServeConn   = []string{"net/http.(*conn).serve"} // once for each connection

	// ReadRequest reads the next request of a connection, FinishRequest is what follows its handler (net/http/server.go).
	ReadRequest   = []string{"net/http.(*connReader).Read"}
	FinishRequest = []string{"net/http.(*response).finishRequest"}
	// FlushResponse sends what a handler has written so far; with Hijacked it has taken the connection over.
	FlushResponse = []string{"net/http.(*response).Flush*", "net/http.(*http2responseWriter).Flush*",
		"net/http/internal/http2.(*responseWriter).Flush*"}
	Hijacked = []string{"net/http.(*response).Hijack"}
	// CallHTTP2 is what goroutines for one call of HTTP/2 are started in, which went to a package of its own in Go 1.27.
	CallHTTP2 = []string{"net/http.(*http2serverConn).runHandler", "net/http/internal/http2.(*serverConn).runHandler"}
	// Exchange is what reads the body of a request, and sends what answers it; ReadAhead looks whether the client goes away.
	Exchange  = []string{"net/http.(*connReader).", "net/http.(*response).", "net/http.checkConnErrorWriter."}
	ReadAhead = []string{"net/http.(*connReader).backgroundRead"}
	// ProfileHandlers serve the process's own profiles and traces.
	ProfileHandlers = []string{"net/http/pprof.*"}
)

// Match says whether a function is one of a list.
func Match(function string, list []string) bool {
	for _, n := range list {
		if function == n || strings.HasSuffix(n, ".") && strings.HasPrefix(function, n) {
			return true
		}
		if prefix, ok := strings.CutSuffix(n, "*"); ok && strings.HasPrefix(function, prefix) {
			return true
		}
	}
	return false
}
