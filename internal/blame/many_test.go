package blame

import (
	"fmt"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// TestManyLocks has a lock for each of hundreds of things, for which readers wait: who has it is searched for in all that was recorded
// for some of them, and then for the others together.
func TestManyLocks(t *testing.T) {
	w := newWorld()
	const locks = 400
	for i := range int64(locks) {
		w.goroutine(i+1, 0).in("sync.RWMutex.RLock", 50, "sync.(*RWMutex).RLock main.find"+handler).
			on(fmt.Sprintf("mutex 0x%x", 0x100*(i+1))).in("running", 60, "main.find"+handler)
	}
	w.goroutine(locks+1, 0).in("sleep", 50, "time.Sleep main.rebuild").in("chan receive", 900, "runtime.chanrecv1 main.idle")
	w.Evidence = timeline.ByMemory
	w.Settle()
	b := New(w.Timeline)
	held := map[string]float64{}
	for i := range int64(locks) {
		b.Follow(&timeline.Request{Main: w.ByID[i+1], From: 0, To: int64(50e6)}, func(a Atom) { held[b.Funcs[a.At.Fn].Name] += a.NS })
	}
	searched := 0
	for _, n := range b.searched {
		searched += n
	}
	if searched != mostSearched+1 || len(b.resources) != locks+1 {
		t.Errorf("%d searches for %d locks, want %d", searched, len(b.resources), mostSearched+1)
	}
	if held["main.rebuild"] < 0.95*locks*50e6 {
		t.Errorf("who has them: %v", held)
	}
}
