// Command shares has goroutines of 50 us to 5 ms of CPU under 50 labels, each of which gets its share of the program's CPU
// time, 0.1 to 30 %. Each burst is a goroutine of its own. Half of the labels are inherited, the others set by the goroutine; a
// third of the goroutines let others run in the middle.
//
// Truth: the labels with the CPU time of a burst, and each burst: label, begin, end, CPU time by the thread's own clock, and that
// of who starts it, who has the label meanwhile that is to be inherited.
package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

const (
	labels   = 50
	shortest = 50 * time.Microsecond
	longest  = 5 * time.Millisecond
)

type label struct {
	Name  string  `json:"name"`
	Share float64 `json:"share"`
	Burst int64   `json:"burst_ns"`

	id   int64
	set  context.Context
	done int64 // CPU time that was given out, by the one who gives it
}

// burst is label, begin, end (CLOCK_MONOTONIC), CPU time, and CPU time of its start, in ns.
type burst [5]int64

var (
	all  [labels]label
	runs []burst
	sink uint64
)

// define makes the shares: 30 %, and from 11 % down to 0.1 % in equal steps, made up to 100 %. Lengths have no order.
func define() {
	rest := 0.0
	for i := range all {
		all[i].id = int64(i)
		all[i].Name = fmt.Sprintf("l%02d", i)
		all[i].set = pprof.WithLabels(context.Background(), pprof.Labels("work", all[i].Name))
		step := float64(order(i)*17%labels) / (labels - 1)
		all[i].Burst = int64(float64(shortest) * math.Pow(float64(longest)/float64(shortest), step))
		if i > 0 {
			all[i].Share = math.Pow(0.1/11, float64(i-1)/(labels-2))
			rest += all[i].Share
		}
	}
	for i := range all {
		all[i].Share *= 0.7 / rest
	}
	all[0].Share = 0.3
}

// order has the most of the CPU time in longer bursts than the second: else nothing but switches would be measured.
func order(i int) int {
	if i < 2 {
		return 1 - i
	}
	return i
}

// next is the label that has got least of its share.
func next(total int64) *label {
	best := &all[0]
	for i := range all {
		if x := &all[i]; float64(x.done)-x.Share*float64(total) < float64(best.done)-best.Share*float64(total) {
			best = x
		}
	}
	return best
}

var speed float64 // turns of spin in a ns

//go:noinline
func spin(n int) {
	x := uint64(0)
	for i := 0; i < n; i++ {
		x = x*31 + uint64(i)
	}
	atomic.StoreUint64(&sink, x)
}

// calibrate takes the fastest of some runs: others may have been interrupted.
func calibrate() {
	const turns = 1000000
	for i := 0; i < 20; i++ {
		start := run.ThreadCPU()
		spin(turns)
		speed = math.Max(speed, turns/float64(run.ThreadCPU()-start))
	}
	const uses = 1000
	least := int64(math.MaxInt64)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i := 0; i < 20; i++ {
		var w watch
		start := run.ThreadCPU()
		for j := 0; j < uses; j++ {
			w.start()
			w.stop()
		}
		if took := (int64(run.ThreadCPU()-start) - w.took) / uses; took < least {
			least = took
		}
	}
	outside = least
}

// work is all that the goroutine of a burst does, by the thread's clock. That one is read as early and as late as can be, and not
// in between: reading it is work for the scheduler.
func (b *burst) work(l *label, yield bool, over func()) {
	var w watch
	w.start()
	b[1] = monotonic()
	turns := int(float64(l.Burst) * speed)
	if yield {
		spin(turns / 2)
		w.stop()
		runtime.Gosched()
		w.start()
		turns -= turns / 2
	}
	spin(turns)
	over()
	b[2] = monotonic()
	w.stop()
	b[3] = w.took
}

// outside is what a use of a watch takes that it does not measure, ns.
var outside int64

// watch is a stopwatch of the thread's CPU time.
type watch struct {
	began time.Duration
	first time.Duration // that the first reading took
	took  int64
}

// uninterrupted is longer than reading the clock takes where nothing interrupts it.
const uninterrupted = 5 * time.Microsecond

func (w *watch) start() {
	runtime.LockOSThread()
	at := time.Now()
	w.began = run.ThreadCPU()
	w.first = time.Since(at)
}

// stop reads the clock twice: the second time says what reading it takes. Of the first and the last reading a part lies
// outside of what they measure, as much as one reading in all; and the first one takes longer than those that follow another.
func (w *watch) stop() {
	end := run.ThreadCPU()
	again := run.ThreadCPU()
	reading := w.first
	if reading > uninterrupted {
		reading = again - end
	}
	w.took += int64(again-w.began+reading) + outside
	runtime.UnlockOSThread()
}

func monotonic() int64 {
	var ts syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}

var over int32 // no more bursts

// give starts bursts, so many at a time.
func give(n int) {
	slots := make(chan struct{}, n)
	total := int64(0)
	for i := 0; !run.Stopped() && atomic.LoadInt32(&over) == 0 && i < len(runs); i++ {
		slots <- struct{}{}
		l := next(total)
		l.done += l.Burst
		total += l.Burst
		b, yield := &runs[i], i%3 == 0
		b[0] = l.id
		over := func() { <-slots }
		if l.id%2 == 0 {
			var w watch
			pprof.SetGoroutineLabels(l.set)
			w.start()
			go b.work(l, yield, over)
			w.stop()
			pprof.SetGoroutineLabels(context.Background())
			b[4] = w.took
		} else {
			go func() {
				pprof.SetGoroutineLabels(l.set)
				b.work(l, yield, over)
				pprof.SetGoroutineLabels(context.Background())
			}()
		}
	}
	for i := 0; i < n; i++ {
		slots <- struct{}{}
	}
}

// given are the bursts that there were.
func given() []burst {
	n := 0
	for n < len(runs) && runs[n][2] != 0 {
		n++
	}
	return runs[:n]
}

func main() {
	n := flag.Int("n", 4, "bursts at a time")
	asked := flag.Bool("asked", false, "begin at SIGUSR1, end at another one, and say so")
	flag.Parse()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGUSR1)
	define()
	calibrate()
	runs = make([]burst, 1<<20)
	var done sync.WaitGroup
	done.Add(1)
	run.Ready()
	go func() {
		defer done.Done()
		if *asked {
			<-signals
			go func() { <-signals; atomic.StoreInt32(&over, 1) }()
		}
		give(*n)
		if *asked {
			fmt.Println("over")
		}
	}()
	run.Wait()
	done.Wait()
	truth := run.Measure()
	truth["labels"], truth["bursts"] = all[:], given()
	run.Truth(truth)
}
