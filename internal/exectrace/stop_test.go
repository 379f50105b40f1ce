package exectrace

import (
	"bytes"
	"runtime"
	"runtime/trace"
	"sync"
	"sync/atomic"
	"testing"
)

// TestWorldStopped asks for all stacks while more goroutines want to run than may: those that stand still meanwhile know where
// the world was stopped.
func TestWorldStopped(t *testing.T) {
	var out bytes.Buffer
	check(t, trace.Start(&out))
	var end atomic.Bool
	var all sync.WaitGroup
	for range 4 * runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for !end.Load() {
				runtime.Gosched()
			}
		})
	}
	stacks := make([]byte, 1<<20)
	for range 30 {
		runtime.Stack(stacks, true)
		runtime.GC()
	}
	end.Store(true)
	all.Wait()
	trace.Stop()
	x := read(t, out.Bytes(), Options{})
	stood := 0
	collector := []string{"runtime.gcBgMarkWorker", "runtime.GC", "runtime.mallocgc*"}
	for _, g := range x.Tracks {
		for _, p := range g.Pieces {
			if x.States[p.State].Name != "stopping the world" {
				continue
			}
			if x.Has(&x.Stacks[p.ByStack], []string{"runtime.Stack"}) {
				stood++
			}
			if x.Has(&x.Stacks[p.ByStack], collector) {
				t.Error("the collector's stop is somebody's")
			}
		}
	}
	if stood == 0 {
		t.Error("nobody stood still for runtime.Stack")
	}
}
