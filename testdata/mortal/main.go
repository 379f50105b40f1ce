// Command mortal has threads that end: -threads of them, one after the other on -n goroutines at a time, each of
// which ends with its goroutine that was locked to it. Built with cgo, half of them are threads that C made
// and that call Go. Beside them one goroutine burns CPU in main.burn, under the label "thread" = "stays"; with -pause, which
// is for hours beside others, it begins when all have ended.
//
// With -ctl they begin to end when somebody sets word 2 of the page. Word 0
// counts the threads that have ended, and the last one, which is made when all have, stays: word 1 is its id.
// Truth: threads that ended, and the CPU time that they used.
package main

import (
	"context"
	"flag"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

var used int64 // ns, by threads that have ended

// live is the life of a thread.
func live(work time.Duration) {
	burn(work)
	atomic.AddInt64(&used, int64(run.ThreadCPU()))
}

//go:noinline
func burn(d time.Duration) {
	x := uint64(0)
	for end := run.ThreadCPU() + d; run.ThreadCPU() < end; {
		for i := uint64(0); i < 2000; i++ {
			x = x*31 + i
		}
	}
	atomic.StoreUint64(&sink, x)
}

var sink uint64

// lock makes a thread of the runtime's, which ends with the goroutine, and returns when it is about to.
func lock(work time.Duration) {
	var done sync.WaitGroup
	done.Add(1)
	go func() {
		runtime.LockOSThread()
		live(work)
		done.Done()
	}()
	done.Wait()
}

// inC does the same by a thread that C makes; nil without cgo.
var inC func(work time.Duration)

// stay is the last thread. It never waits: whenever it does not run, it is the OS that does not let it.
func stay(id *uint64) {
	runtime.LockOSThread()
	atomic.StoreUint64(id, uint64(syscall.Gettid()))
	for !run.Stopped() {
		burn(time.Millisecond)
	}
}

// burnOn burns until the end, under a label.
func burnOn() {
	pprof.Do(context.Background(), pprof.Labels("thread", "stays"), func(context.Context) {
		for !run.Stopped() {
			burn(time.Millisecond)
		}
	})
}

func main() {
	n := flag.Int("threads", 10000, "threads that end")
	at := flag.Int("n", 8, "of them at a time")
	work := flag.Duration("work", 100*time.Microsecond, "CPU time of each")
	lasting := flag.Duration("for", 0, "go on for that long with threads that end, however many; 0: until -threads have")
	pause := flag.Duration("pause", 0, "rest of each goroutine between two threads; not 0: main.burn begins with the last thread")
	ctl := flag.String("ctl", "", "publish counts in this file")
	flag.Parse()
	page := run.Page(*ctl)
	run.Ready()
	if *pause == 0 {
		go burnOn()
	}
	for *ctl != "" && atomic.LoadUint64(&page[2]) == 0 && !run.Stopped() {
		time.Sleep(time.Millisecond)
	}
	var left = int64(*n)
	end := time.Now().Add(*lasting)
	var done sync.WaitGroup
	for i := 0; i < *at; i++ {
		done.Add(1)
		go func(i int) {
			defer done.Done()
			for (atomic.AddInt64(&left, -1) >= 0 || time.Now().Before(end)) && !run.Stopped() {
				if inC != nil && i%2 == 1 {
					inC(*work)
				} else {
					lock(*work)
				}
				atomic.AddUint64(&page[0], 1)
				time.Sleep(*pause)
			}
		}(i)
	}
	done.Wait()
	if *pause != 0 {
		go burnOn()
	}
	go stay(&page[1])
	run.Wait()
	truth := run.Measure()
	truth["ended"], truth["ended_cpu_ns"] = page[0], atomic.LoadInt64(&used)
	run.Truth(truth)
}
