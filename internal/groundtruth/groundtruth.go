// Package groundtruth says where the time of a program's goroutines went by what the program's own
// execution trace and the kernel's scheduler say. It is what mayfly's states are held against, for
// tests only: an execution trace costs the target more than a profile may, and has no labels.
//
// The trace knows when a goroutine ran on which thread, waited for a P, waited for something else,
// or was in a system call. Whether the thread was on a CPU meanwhile, wanted one or slept, the
// kernel's events sched_switch and sched_wakeup say. Both are timed by CLOCK_MONOTONIC.
package groundtruth

import "sort"

// States is how long goroutines were in each state, in ns: "running", "preempted", "runnable",
// "syscall", or the execution trace's word for what they waited for.
type States map[string]int64

// Total is the time in all states.
func (s States) Total() (sum int64) {
	for _, ns := range s {
		sum += ns
	}
	return sum
}

// Word is the execution trace's word for a state as the runtime's goroutine dumps spell it. The
// trace has fewer: all waiting for semaphores is "sync".
func Word(state string) string {
	if w, ok := words[state]; ok {
		return w
	}
	return state
}

var words = map[string]string{
	"throttled":               "preempted",
	"IO wait":                 "network",
	"semacquire":              "sync",
	"sync.Mutex.Lock":         "sync",
	"sync.RWMutex.Lock":       "sync",
	"sync.RWMutex.RLock":      "sync",
	"sync.WaitGroup.Wait":     "sync",
	"sync.Cond.Wait":          "sync.(*Cond).Wait",
	"chan receive (nil chan)": "forever",
	"chan send (nil chan)":    "forever",
	"select (no cases)":       "forever",
	"GC assist wait":          "GC mark assist wait for work",
	// The trace calls a goroutine running that waits with a thread of its own.
	"stopping the world":   "syscall",
	"GC mark termination":  "syscall",
	"GC assist marking":    "syscall",
	"flushing proc caches": "syscall",
	"wait for GC cycle":    "wait until GC ends",
}

// Window is a piece of time, CLOCK_MONOTONIC in ns.
type Window struct{ From, To int64 }

func (w Window) cut(from, to int64) (int64, int64) { return max(from, w.From), min(to, w.To) }

// Judge adds up the states of a goroutine within a window.
func (r *Goroutines) Judge(goid uint64, threads Threads, w Window, into States) {
	for _, s := range r.intervals[goid] {
		from, to := w.cut(s.from, s.to)
		switch {
		case from >= to:
		case s.onThread:
			threads.split(s.tid, Window{from, to}, into)
		default:
			into[s.state] += to - from
		}
	}
}

// split divides a time that a goroutine had a thread by what the thread did.
func (t Threads) split(tid int, w Window, into States) {
	all := t[tid]
	i := sort.Search(len(all), func(i int) bool { return all[i].at > w.From })
	for at := w.From; at < w.To; i++ {
		state, end := unknown, w.To
		if i > 0 {
			state = all[i-1].state
		}
		if i < len(all) {
			end = min(end, all[i].at)
		}
		into[state] += end - at
		at = end
	}
}
