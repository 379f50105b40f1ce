// Command signals burns CPU on a thread that sends itself signals, and gets more from another one, so that much of its time is
// in the runtime's handler. What they interrupt is
//
//	main.step (without a frame), or RawSyscall and what that calls < main.burn < main.work < main.main.func1
//
// on a goroutine with the label load. Truth: how many signals it got from the other thread.
package main

import (
	"context"
	"flag"
	"runtime"
	"runtime/pprof"
	"sync/atomic"
	"syscall"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

var (
	sink uint64
	done uint32 // calls of burn

	pid = uintptr(syscall.Getpid())
)

//go:noinline
func step(x uint64) uint64 {
	for i := uint64(0); i < 200; i++ {
		x = x*31 + i
	}
	return x
}

//go:noinline
func burn(tid uintptr) {
	syscall.RawSyscall(syscall.SYS_TGKILL, pid, tid, uintptr(syscall.SIGURG))
	var last [4]uint64
	for i := 0; i < 4; i++ {
		last[i%4] = step(sink)
	}
	sink = last[1]
}

//go:noinline
func work(tid uintptr) {
	for !run.Stopped() {
		burn(tid)
		atomic.AddUint32(&done, 1)
	}
}

// send sends a signal for each call of burn, as far as it gets a CPU.
func send(tid, signals uintptr) uintptr {
	for before := uint32(0); !run.Stopped(); signals++ {
		for before == atomic.LoadUint32(&done) && !run.Stopped() {
		}
		before = atomic.LoadUint32(&done)
		syscall.RawSyscall(syscall.SYS_TGKILL, pid, tid, uintptr(syscall.SIGURG))
	}
	return signals
}

func main() {
	flag.Parse()
	runtime.GOMAXPROCS(2)
	thread := make(chan uintptr)
	go func() {
		runtime.LockOSThread()
		pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("load", "work")))
		tid := uintptr(syscall.Gettid())
		thread <- tid
		work(tid)
	}()
	tid := <-thread
	sent := make(chan uintptr)
	go func() { sent <- send(tid, 0) }()
	run.Ready()
	run.Wait()
	truth := run.Measure()
	truth["signals"] = <-sent
	run.Truth(truth)
}
