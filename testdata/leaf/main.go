// Command leaf spends its CPU time in leaves whose callers it knows: the place where a walk along
// frame pointers loses a frame.
//
//	main.callerA 30 %  runtime.memclrNoHeapPointers
//	main.callerB 20 %  runtime.memmove
//	main.callerC 20 %  main.mix, a small function without a frame
//	main.callerD 15 %  a system call (getppid), several frames of package syscall below it
//	main.callerE 10 %  main.recurse, 10 deep, then main.mix
//	main.callerF  5 %  main.deep, 300 deep, then main.mix
//
// One goroutine, locked to its thread, gives each caller slices of CPU time in rounds, measured by
// the thread's own clock, so that the proportions hold and the sums are exact. Truth: per caller
// the leaf (its function name, or the end of it), how often the function above the leaf stands
// directly above itself, and the CPU time. What is not in the list went to main.measure and the
// runtime. With -pprof FILE runtime/pprof profiles the same window.
package main

import (
	"flag"
	"math/rand"
	"os"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

// pair is a caller of a leaf; calling it takes about 100 us of CPU.
type pair struct {
	Caller string        `json:"caller"`
	Leaf   string        `json:"leaf"`
	Above  string        `json:"above"`  // the function directly above the leaf
	Levels int           `json:"levels"` // how many frames of Above there are
	CPU    time.Duration `json:"cpu_ns"`

	share time.Duration // of a round of 20 ms
	call  func()
}

var pairs = []*pair{
	{Caller: "main.callerA", Leaf: "runtime.memclrNoHeapPointers", Above: "main.callerA", Levels: 1, share: 6, call: callerA},
	{Caller: "main.callerB", Leaf: "runtime.memmove", Above: "main.callerB", Levels: 1, share: 4, call: callerB},
	{Caller: "main.callerC", Leaf: "main.mix", Above: "main.callerC", Levels: 1, share: 4, call: callerC},
	{Caller: "main.callerD", Leaf: "Syscall6", Above: "syscall.RawSyscall6", Levels: 1, share: 3, call: callerD},
	{Caller: "main.callerE", Leaf: "main.mix", Above: "main.recurse", Levels: 11, share: 2, call: callerE},
	{Caller: "main.callerF", Leaf: "main.mix", Above: "main.deep", Levels: 301, share: 1, call: callerF},
}

var (
	from, to = make([]byte, 32<<10), make([]byte, 32<<10)
	sink     uint64
)

//go:noinline
func callerA() {
	for i := 0; i < 200; i++ {
		for j := range to {
			to[j] = 0
		}
	}
}

//go:noinline
func callerB() {
	for i := 0; i < 200; i++ {
		copy(to, from)
	}
}

//go:noinline
func callerC() {
	for i := 0; i < 1000; i++ {
		sink = mix(sink)
	}
}

//go:noinline
func callerD() {
	for i := 0; i < 300; i++ {
		syscall.RawSyscall(syscall.SYS_GETPPID, 0, 0, 0)
	}
}

//go:noinline
func callerE() { sink = recurse(10, sink) }

//go:noinline
func callerF() { sink = deep(300, sink) }

//go:noinline
func recurse(n int, x uint64) uint64 {
	if n > 0 {
		return recurse(n-1, x) + 1
	}
	for i := 0; i < 1000; i++ {
		x = mix(x)
	}
	return x
}

//go:noinline
func deep(n int, x uint64) uint64 {
	if n > 0 {
		return deep(n-1, x) + 1
	}
	for i := 0; i < 1000; i++ {
		x = mix(x)
	}
	return x
}

// mix calls nothing and needs no stack, so it has no frame of its own.
//
//go:noinline
func mix(x uint64) uint64 {
	for i := uint64(0); i < 100; i++ {
		x = x*31 + i
	}
	return x
}

// measure lets p run for its share of a round.
//
//go:noinline
func (p *pair) measure() {
	start := run.ThreadCPU()
	var used time.Duration
	for ; used < p.share*time.Millisecond; used = run.ThreadCPU() - start {
		p.call()
	}
	p.CPU += used
}

func main() {
	profile := flag.String("pprof", "", "write runtime/pprof's profile of the run to this file")
	flag.Parse()
	if *profile != "" {
		f, err := os.Create(*profile)
		run.Check(err)
		run.Check(pprof.StartCPUProfile(f))
	}
	run.Ready()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		for !run.Stopped() {
			for _, i := range rand.Perm(len(pairs)) { // samples 10 ms apart would meet the same ones time and again
				pairs[i].measure()
			}
		}
	}()
	run.Wait()
	<-done
	truth := run.Measure()
	truth["pairs"] = pairs
	pprof.StopCPUProfile()
	run.Truth(truth)
}
