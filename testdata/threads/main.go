// Command threads has many OS threads, each with a locked goroutine that burns a little CPU, then
// sleeps, again and again: 50 to 300 us every 25 to 100 ms on 200 threads by default, a bit more
// than half a core in all. With -every 5ms,20ms they want nearly three cores.
//
// Truth: every thread's id, bursts and CPU time by its own clock, and their sum.
package main

import (
	"flag"
	"math/rand"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

// span is a flag "MIN,MAX".
type span struct{ min, max time.Duration }

func (s *span) String() string { return s.min.String() + "," + s.max.String() }

func (s *span) Set(text string) (err error) {
	parts := strings.SplitN(text, ",", 2)
	if s.min, err = time.ParseDuration(parts[0]); err == nil {
		s.max, err = time.ParseDuration(parts[len(parts)-1])
	}
	return err
}

func (s *span) pick(r *rand.Rand) time.Duration {
	return s.min + time.Duration(r.Int63n(int64(s.max-s.min)+1))
}

type thread struct {
	TID    int   `json:"tid"`
	Bursts int   `json:"bursts"`
	CPU    int64 `json:"cpu_ns"`
}

// run is the life of a thread; the seed decides its bursts and pauses.
func (t *thread) run(seed int64, burst, every *span, ready func()) {
	runtime.LockOSThread()
	t.TID = syscall.Gettid()
	r := rand.New(rand.NewSource(seed))
	ready()
	start := run.ThreadCPU()
	for !run.Stopped() {
		burn(burst.pick(r))
		t.Bursts++
		time.Sleep(every.pick(r))
	}
	t.CPU = int64(run.ThreadCPU() - start)
}

//go:noinline
func burn(d time.Duration) {
	x := uint64(0)
	for end := run.ThreadCPU() + d; run.ThreadCPU() < end; {
		for i := uint64(0); i < 5000; i++ {
			x = x*31 + i
		}
	}
	atomic.StoreUint64(&sink, x)
}

var sink uint64

func main() {
	n := flag.Int("n", 200, "threads")
	burst := &span{50 * time.Microsecond, 300 * time.Microsecond}
	every := &span{25 * time.Millisecond, 100 * time.Millisecond}
	flag.Var(burst, "burst", "CPU time of a burst, `MIN,MAX`")
	flag.Var(every, "every", "pause between bursts, `MIN,MAX`")
	flag.Parse()
	threads := make([]thread, *n)
	var ready, done sync.WaitGroup
	ready.Add(*n)
	done.Add(*n)
	for i := range threads {
		go func(i int) { threads[i].run(int64(i), burst, every, ready.Done); done.Done() }(i)
	}
	ready.Wait()
	run.Ready()
	run.Wait()
	done.Wait()
	var sum int64
	for _, t := range threads {
		sum += t.CPU
	}
	truth := run.Measure()
	truth["threads"], truth["threads_cpu_ns"] = threads, sum
	run.Truth(truth)
}
