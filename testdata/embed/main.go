// Command embed is Go code in a program of another language, linked in (-buildmode=c-archive) or
// loaded (c-shared): goroutines of its own that work, sleep and wait, each with the label job, and a
// function for C to call, which works under the label job=call.
package main

// #include <time.h>
// static long long cpu(void) {
//	struct timespec t;
//	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
//	return t.tv_sec * 1000000000LL + t.tv_nsec;
// }
import "C"

import (
	"context"
	"runtime/pprof"
	"time"
)

// Start starts the goroutines and returns.
//
//export Start
func Start() {
	start("spin", func() {
		for {
			mix(1 << 16)
			time.Sleep(time.Millisecond)
		}
	})
	start("sleep", func() {
		for {
			time.Sleep(10 * time.Millisecond)
		}
	})
	start("wait", func() { <-make(chan int) })
}

func start(job string, f func()) {
	go pprof.Do(context.Background(), pprof.Labels("job", job), func(context.Context) { f() })
}

// Call uses ms milliseconds of the thread's CPU time.
//
//export Call
func Call(ms C.int) (sum C.int) {
	pprof.Do(context.Background(), pprof.Labels("job", "call"), func(context.Context) {
		for end := C.cpu() + C.longlong(ms)*1e6; C.cpu() < end; {
			sum += C.int(mix(1 << 12))
		}
	})
	return sum
}

var sink uint64

//go:noinline
func mix(n int) uint64 {
	x := sink
	for i := 0; i < n; i++ {
		x = x*0x9e3779b97f4a7c15 + uint64(i)
	}
	return x
}

func main() {}
