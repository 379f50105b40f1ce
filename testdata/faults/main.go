// Command faults touches fresh pages of memory, a fault each, from two goroutines with the label "touch": "most" touches four of five in
// touchMost, "few" the others in touchFew, in bursts of at most 64. It begins at SIGUSR1 and says "over" when -pages have been touched.
//
// Truth: pages touched by label.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

const (
	page  = 4096
	burst = 64 // pages that are mapped at a time
)

var sink byte

//go:noinline
func touchMost(b []byte) {
	for i := 0; i < len(b); i += page {
		b[i] = 1
		sink += b[i]
	}
}

//go:noinline
func touchFew(b []byte) {
	for i := 0; i < len(b); i += page {
		b[i] = 1
		sink += b[i]
	}
}

// fault touches n pages, as many a second as rate says (0: as fast as can be).
func fault(touch func([]byte), n, rate int) {
	began := time.Now()
	for done := 0; done < n; {
		k := burst
		if rate > 0 {
			k = 1
			time.Sleep(time.Until(began.Add(time.Duration(done) * time.Second / time.Duration(rate))))
		}
		if k > n-done {
			k = n - done
		}
		b, err := syscall.Mmap(-1, 0, k*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
		run.Check(err)
		touch(b)
		run.Check(syscall.Munmap(b))
		done += k
	}
}

func main() {
	pages := flag.Int("pages", 1000, "that are touched in all")
	rate := flag.Int("rate", 0, "of them a second; 0: as many as can be")
	flag.Parse()
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	most := *pages * 4 / 5
	few := *pages - most
	run.Ready()
	go func() {
		<-asked
		var done sync.WaitGroup
		start := func(name string, touch func([]byte), n, rate int) {
			done.Add(1)
			go pprof.Do(context.Background(), pprof.Labels("touch", name), func(context.Context) {
				defer done.Done()
				fault(touch, n, rate)
			})
		}
		start("most", touchMost, most, *rate*4/5)
		start("few", touchFew, few, *rate/5)
		done.Wait()
		fmt.Println("over")
	}()
	run.Wait()
	truth := run.Measure()
	truth["most"], truth["few"] = most, few
	run.Truth(truth)
}
