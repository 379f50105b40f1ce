// Command capture starts short goroutines at random moments, 600 a second: five kinds of doing and
// waiting (cpu, sleep, chan, mix, db), nominally 0.3, 1, 3 or 10 ms long, beside 50 goroutines that
// are parked for good, or with -wake wake up now and then. The labels are "kind", "life" (the nominal one) and "id", a number that no
// other goroutine has.
//
// Truth: labels, the (kind, life) pairs; wall_by_label_ns, their total wall time; tasks, one
// [goid, id, index in labels, start, end, created] per goroutine, times in ns of CLOCK_MONOTONIC, at which it had
// its labels and was about to take them off, and before it was created; elapsed time and CPU time as everywhere.
package main

import (
	"context"
	"flag"
	"math/rand"
	"runtime/pprof"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

var (
	kinds = []string{"cpu", "sleep", "chan", "mix", "db"}
	lives = []time.Duration{300 * time.Microsecond, time.Millisecond, 3 * time.Millisecond, 10 * time.Millisecond}
)

// task is one finished goroutine: goid, id, index of its label pair, start, end, created.
type task [6]int64

type tasks struct {
	mu   sync.Mutex
	done []task
	wg   sync.WaitGroup
}

func monotonic() int64 {
	var ts syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}

// start starts one goroutine of a random kind and length. Long ones do not burn: the program is
// meant to leave CPU time to spare.
func (t *tasks) start(id int64) {
	k, l := rand.Intn(len(kinds)), rand.Intn(len(lives))
	if k == 0 && l > 1 {
		l = 1
	}
	kind, life := kinds[k], lives[l]
	labels := pprof.Labels("kind", kind, "life", life.String(), "id", strconv.FormatInt(id, 10))
	t.wg.Add(1)
	x := task{0, id, int64(k*len(lives) + l), 0, 0, monotonic()}
	go func() {
		defer t.wg.Done()
		pprof.Do(context.Background(), labels, func(context.Context) {
			x[3] = monotonic()
			x[0] = int64(run.Goid())
			work(kind, life)
			x[4] = monotonic()
		})
		t.mu.Lock()
		t.done = append(t.done, x)
		t.mu.Unlock()
	}()
}

//go:noinline
func work(kind string, d time.Duration) {
	switch kind {
	case "cpu":
		burn(d)
	case "sleep":
		time.Sleep(d)
	case "chan":
		c := make(chan int)
		time.AfterFunc(d, func() { close(c) })
		<-c
	case "mix":
		burn(d / 5)
		time.Sleep(d * 2 / 5)
		burn(d / 10)
		time.Sleep(d * 3 / 10)
	case "db":
		query(d)
	}
}

var sink uint64

//go:noinline
func burn(d time.Duration) {
	x := uint64(0)
	for end := time.Now().Add(d); time.Now().Before(end); {
		for i := uint64(0); i < 200; i++ {
			x = x*31 + i
		}
	}
	atomic.StoreUint64(&sink, x)
}

var requests = make(chan request, 4096)

type request struct {
	delay  time.Duration
	answer chan int
}

// serve is the database: it answers a request after the delay that it asks for.
func serve() {
	for r := range requests {
		answer := r.answer
		time.AfterFunc(r.delay, func() { answer <- 1 })
	}
}

//go:noinline
func query(d time.Duration) {
	r := request{d, make(chan int)}
	requests <- r
	<-r.answer
}

//go:noinline
func doze(mean time.Duration) {
	for {
		time.Sleep(time.Duration(rand.Int63n(2 * int64(mean))))
	}
}

//go:noinline
func park() { select {} }

func (t *tasks) truth() map[string]interface{} {
	truth := run.Measure()
	wall := make([]int64, len(kinds)*len(lives))
	for _, x := range t.done {
		wall[x[2]] += x[4] - x[3]
	}
	var labels [][2]string
	for _, k := range kinds {
		for _, l := range lives {
			labels = append(labels, [2]string{k, l.String()})
		}
	}
	truth["labels"], truth["wall_by_label_ns"], truth["tasks"] = labels, wall, t.done
	return truth
}

func main() {
	rate := flag.Float64("rate", 600, "goroutines started per second")
	parked := flag.Int("parked", 50, "goroutines that wait for ever")
	wake := flag.Duration("wake", 0, "let them wake up, each at random moments this far apart on average")
	flag.Parse()
	go serve()
	for i := 0; i < *parked; i++ {
		if *wake > 0 {
			go doze(*wake)
		} else {
			go park()
		}
	}
	var all tasks
	ended := make(chan struct{})
	start := time.Now()
	go func() {
		defer close(ended)
		for id := int64(0); !run.Stopped(); time.Sleep(100 * time.Microsecond) {
			for float64(id) < time.Since(start).Seconds()**rate {
				id++
				all.start(id)
			}
		}
	}()
	run.Ready()
	run.Wait()
	<-ended
	all.wg.Wait()
	run.Truth(all.truth())
}
