package blame

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// on says what the last wait was for.
func (l *life) on(text string) *life {
	l.g.Pieces[len(l.g.Pieces)-1].On = l.w.On(text)
	return l
}

// byObject is how a request is charged whose waits nobody saw end, in ms, and by what.
func (w *world) byObject(id int64, from, to float64) map[string]float64 {
	w.Evidence, w.Epoch = timeline.ByMemory, 1
	w.Settle()
	b := New(w.Timeline)
	sum := map[string]float64{}
	b.Follow(&timeline.Request{Main: w.ByID[id], From: int64(from * 1e6), To: int64(to * 1e6)}, func(a Atom) {
		name := a.Kind.String() + " " + string(a.Proof.Evidence(w.Evidence))
		if a.At.Fn >= 0 {
			name += " " + b.Funcs[a.At.Fn].Name
		}
		if a.Limit > 1 {
			name += fmt.Sprintf(" of %d", a.Limit)
		}
		sum[name] += a.NS / 1e6
	})
	return sum
}

const (
	lockIn  = "sync.(*Mutex).Lock main.update"
	lockAt  = "sync.(*Mutex).Lock main.refresh"
	reads   = "internal/poll.(*FD).Read net/http.(*conn).serve"
	selects = "runtime.selectgo main.pause" + handler
)

// TestObjects has a timeline for each thing that memory says; without it the answer is another, or known by time only.
func TestObjects(t *testing.T) {
	tests := []struct {
		name  string
		build func(*world)
		want  string
		ms    float64
	}{
		{"two locks on one line are two", func(w *world) {
			w.goroutine(1, 0).in("running", 10, "main.update"+handler).in("sync.Mutex.Lock", 100, lockIn+handler).on("mutex 0x100").
				in("running", 101, "main.update"+handler)
			w.goroutine(2, 0).in("sync.Mutex.Lock", 5, lockIn).on("mutex 0x100").in("running", 100, "main.slow main.update")
			w.goroutine(3, 0).in("sync.Mutex.Lock", 5, lockIn).on("mutex 0x200").in("preempted", 100, "main.slow main.update")
		}, "lock memory main.update", 90},
		{"who leaves a queue has the lock in its own code", func(w *world) {
			w.goroutine(1, 0).in("running", 10, "main.update"+handler).in("sync.Mutex.Lock", 100, lockIn+handler).on("mutex 0x100").
				in("running", 101, "main.update"+handler)
			w.goroutine(2, 0).in("sync.Mutex.Lock", 5, lockIn).on("mutex 0x100").in("running", 6, "main.update").in("IO wait", 100, reads)
			w.goroutine(3, 0).in("sync.Mutex.Lock", 7, lockAt).on("mutex 0x100").in("sleep", 100, "time.Sleep main.refresh")
		}, "lock memory main.refresh", 90},
		{"who has left the code has the lock no more; who is where that lock is asked for at other times has it", func(w *world) {
			w.goroutine(1, 0).in("running", 10, "main.update"+handler).in("sync.Mutex.Lock", 100, lockIn+handler).on("mutex 0x100").
				in("running", 101, "main.update"+handler)
			w.goroutine(2, 0).in("sync.Mutex.Lock", 5, lockIn+handler).on("mutex 0x100").in("running", 6, "main.update"+handler).
				in("IO wait", 200, reads)
			w.goroutine(3, 0).in("sync.Mutex.Lock", 3, lockAt+handler).on("mutex 0x100").in("IO wait", 10, reads).
				in("sleep", 100, "time.Sleep main.refresh"+handler).in("IO wait", 200, reads)
		}, "lock memory main.refresh", 90},
		{"a kept connection that waits for the lock at other times may have it", func(w *world) {
			w.goroutine(1, 0).in("running", 10, "main.update"+handler).in("sync.Mutex.Lock", 100, lockIn+handler).on("mutex 0x100").
				in("running", 101, "main.update"+handler)
			w.goroutine(3, 0).in("sync.Mutex.Lock", 3, lockIn+handler).on("mutex 0x100").in("IO wait", 10, reads).
				in("sleep", 100, "time.Sleep main.refresh"+handler).in("IO wait", 200, reads)
		}, "lock time main.refresh", 90},
		{"readers leave a lock together, and it was a writer that they waited for", func(w *world) {
			for i := range int64(3) {
				w.goroutine(1+i, 0).in("sync.RWMutex.RLock", 100, "sync.(*RWMutex).RLock main.find"+handler).on("mutex 0x100").
					in("running", 101, "main.find"+handler)
			}
			w.goroutine(4, 0).in("sleep", 100, "time.Sleep main.rebuild").in("chan receive", 900, "runtime.chanrecv1 main.idle")
		}, "lock time main.rebuild", 100},
		{"a timer that was due ends a select", func(w *world) {
			w.goroutine(1, 0).in("select", 100, selects).on("chan 0x100 cap=0 len=0 recv, timer 0x200 due=100000000").
				in("running", 101, "main.pause"+handler)
		}, "timer memory main.pause", 100},
		{"a timer's channel alone is a wait for time", func(w *world) {
			w.goroutine(1, 0).in("chan receive", 100, "runtime.chanrecv1 main.pause"+handler).on("timer 0x200").
				in("running", 101, "main.pause"+handler)
		}, "timer memory main.pause", 100},
		{"a timer that would have been due much later does not", func(w *world) {
			w.goroutine(1, 0).in("select", 100, selects).on("chan 0x100 cap=0 len=0 recv, timer 0x200 due=5000000000").
				in("running", 101, "main.pause"+handler)
		}, "channel time main.pause", 100},
		{"a full channel is a limit of as many as it takes", func(w *world) {
			for i := range int64(2) {
				w.goroutine(2+i, 0).in("sleep", 100, "main.work main.limited")
			}
			w.goroutine(1, 0).in("running", 1, "main.limited"+handler).in("chan send", 100, "runtime.chansend1 main.limited"+handler).
				on("chan 0x100 cap=3 len=3 send").in("running", 101, "main.limited"+handler)
		}, "limit memory main.limited of 3", 99},
		{"an empty channel out of which places are taken is a limit", func(w *world) {
			for i := range int64(2) {
				w.goroutine(2+i, 0).in("sleep", 100, "main.work main.limited")
			}
			for i := range int64(3) {
				w.goroutine(10+i, 0).in("running", 1, "main.limited"+handler).in("chan receive", 100, "runtime.chanrecv1 main.limited"+handler).
					on("chan 0x100 cap=2 len=0 recv").in("running", 101, "main.limited"+handler)
			}
			w.goroutine(1, 0).in("running", 1, "main.limited"+handler).in("chan receive", 100, "runtime.chanrecv1 main.limited"+handler).
				on("chan 0x100 cap=2 len=0 recv").in("running", 101, "main.limited"+handler)
		}, "limit memory main.limited of 2", 99},
		{"who waits at the other end of a channel is who is waited for", func(w *world) {
			w.goroutine(1, 0).in("chan send", 100, "runtime.chansend1 main.submit"+handler).on("chan 0x100 cap=0 len=0 send").
				in("running", 101, "main.submit"+handler)
			w.goroutine(2, 0).in("running", 100, "main.crunch main.worker").in("chan receive", 150, "runtime.chanrecv1 main.worker").
				on("chan 0x100 cap=0 len=0 recv")
			w.goroutine(3, 0).in("running", 70, "main.other").in("chan receive", 150, "runtime.chanrecv1 main.other").
				on("chan 0x200 cap=0 len=0 recv")
		}, "channel memory main.worker", 100},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			tt.build(w)
			sum := w.byObject(1, 0, 100)
			if got := sum[tt.want]; got < tt.ms-2 || got > tt.ms+2 {
				t.Errorf("%q: %.1f ms, want %.1f; %v", tt.want, got, tt.ms, sum)
				for _, k := range slices.Sorted(maps.Keys(sum)) {
					t.Logf("%8.1f %s", sum[k], k)
				}
			}
		})
	}
}
