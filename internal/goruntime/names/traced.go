package names

// traced is the runtime's own words for waits that execution traces have others for (runtime/traceruntime.go: traceBlockReasonStrings;
// runtime/runtime2.go: waitReasonStrings). A goroutine is "preempted" there when the collector scans its stack.
var traced = map[string]string{
	"network": "IO wait", "sync.(*Cond).Wait": "sync.Cond.Wait", "forever": "select (no cases)",
	"GC mark assist wait for work": "GC assist wait",
	"GC background sweeper wait":   "GC sweep wait", "wait until GC ends": "wait for GC cycle", "preempted": "garbage collection scan",
	"": "unknown",
}

// Waits that the stack says more about: "sync" is a lock, a WaitGroup or the collector.
const (
	TracedSync   = "sync"
	TracedSystem = "system goroutine wait"
)

// WaitReason is the runtime's own word for a trace's.
func WaitReason(traceReason string) string {
	if own, ok := traced[traceReason]; ok {
		return own
	}
	return traceReason
}
