// Command parked has a goroutine for each way to wait, and some that do not, each with labels of its own.
//
// Truth: stacks, the runtime's own dump of all goroutines (runtime.Stack); labels, of each goroutine id.
package main

import (
	"context"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

var (
	mu     sync.Mutex
	labels = map[uint64]map[string]string{}
	here   sync.WaitGroup // those that are about to wait
	spins  uint64
)

// start starts a goroutine with labels, which it inherits.
func start(wait func(), kv ...string) {
	here.Add(1)
	pprof.Do(context.Background(), pprof.Labels(kv...), func(context.Context) {
		go func() {
			set := map[string]string{}
			for i := 0; i < len(kv); i += 2 {
				set[kv[i]] = kv[i+1]
			}
			mu.Lock()
			labels[run.Goid()] = set
			mu.Unlock()
			here.Done()
			wait()
		}()
	})
}

//go:noinline
func receive(c chan int) { <-c }

//go:noinline
func send(c chan int) { c <- 1 }

//go:noinline
func choose(a, b chan int) {
	select {
	case <-a:
	case b <- 1:
	}
}

//go:noinline
func lock(l *sync.Mutex) { l.Lock() }

//go:noinline
func deep(n int, f func()) {
	if n == 0 {
		f()
		return
	}
	deep(n-1, f)
	atomic.AddUint64(&spins, 1) // no tail call
}

//go:noinline
func burn() {
	for !run.Stopped() {
		atomic.AddUint64(&spins, 1)
	}
}

func main() {
	r, w, err := os.Pipe()
	run.Check(err)
	var fds [2]int
	run.Check(syscall.Pipe(fds[:]))
	var held, rw = new(sync.Mutex), new(sync.RWMutex)
	held.Lock()
	rw.Lock()
	a, b := make(chan int), make(chan int)
	var group sync.WaitGroup
	group.Add(1)
	cond := sync.NewCond(new(sync.Mutex))

	start(func() { receive(a) }, "work", "receive")
	start(func() { send(b) }, "work", "send", "tenant", "t1")
	start(func() { choose(make(chan int), make(chan int)) }, "work", "choose")
	start(func() { select {} }, "work", "never")
	start(func() { time.Sleep(time.Hour) }, "work", "sleep")
	start(func() { lock(held) }, "work", "mutex")
	start(func() { rw.RLock() }, "work", "reader")
	start(func() { group.Wait() }, "work", "group")
	start(func() { cond.L.Lock(); cond.Wait() }, "work", "cond")
	start(func() { r.Read(make([]byte, 1)) }, "work", "read")
	start(func() { syscall.Read(fds[0], make([]byte, 1)) }, "work", "call")
	start(func() { deep(40, func() { receive(a) }) }, "work", "deep")
	start(func() { receive(nil) }) // no labels
	start(burn, "work", "burn")
	many := []string{"work", "many"}
	for i := 0; i < 30; i++ {
		many = append(many, "k"+string(rune('A'+i)), strings.Repeat("v", i))
	}
	start(func() { receive(a) }, many...)
	here.Wait()
	time.Sleep(100 * time.Millisecond) // until they do
	run.Ready()
	run.Wait()

	text := make([]byte, 1<<20)
	text = text[:runtime.Stack(text, true)]
	mu.Lock()
	defer mu.Unlock()
	run.Truth(map[string]interface{}{"stacks": string(text), "labels": labels})
	runtime.KeepAlive(w)
}
