// Command deep burns CPU at the end of stacks that are deep or wide, one goroutine with the label stack each:
//
//	recursion  50,000 small frames
//	wide       600 frames of more than 1 KiB
//	huge       one frame of 40 KiB
//
// Each has main.main.func1 at its root, which calls main.burn by way of main.recurse, main.wide, main.huge.
package main

import (
	"context"
	"flag"
	"runtime/pprof"
	"sync"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

var kinds = map[string]func() byte{
	"recursion": func() byte { return recurse(50000) },
	"wide":      func() byte { return wide(600) },
	"huge":      huge,
}

//go:noinline
func burn() (x byte) {
	for i := 0; i < 10_000_000 && !(i%4096 == 0 && run.Stopped()); i++ {
		x = x*31 + byte(i)
	}
	return x
}

//go:noinline
func recurse(n int) byte {
	if n == 0 {
		return burn()
	}
	return recurse(n-1) + 1
}

//go:noinline
func wide(n int) byte {
	var b [1100]byte
	b[n] = 1
	if n == 0 {
		return burn() + b[5]
	}
	return wide(n-1) + b[n+1]
}

//go:noinline
func huge() byte {
	var b [40 << 10]byte
	x := burn()
	b[int(x)*100] = 1
	return b[x]
}

func main() {
	flag.Parse()
	var done sync.WaitGroup
	for name, f := range kinds {
		name, f := name, f
		done.Add(1)
		go func() {
			defer done.Done()
			pprof.Do(context.Background(), pprof.Labels("stack", name), func(context.Context) {
				for !run.Stopped() {
					f()
				}
			})
		}()
	}
	run.Ready()
	run.Wait()
	done.Wait()
	run.Truth(run.Measure())
}
