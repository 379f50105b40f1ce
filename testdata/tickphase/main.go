// Command tickphase runs short goroutines that timers start: one of 1 ms of CPU every 8 ms and one
// of 1.5 ms every 20 ms. Their phase against the kernel's scheduler tick stays what it was at the
// start, which is why a profiler that samples on the tick sees too much of them or too little.
//
// Every burst is a goroutine of its own. Truth: the bursts and the time that they took by the wall
// clock, per kind; cpu_ns is the process's CPU time between ready and the end, which is also the
// window of the profile that -pprof FILE writes (runtime/pprof at its default 100 Hz).
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

// rhythm starts a goroutine every Period that burns for Burst.
type rhythm struct {
	Period time.Duration `json:"period_ns"`
	Burst  time.Duration `json:"burst_ns"`
	Bursts int           `json:"bursts"`
	Busy   time.Duration `json:"busy_ns"`
}

func (r *rhythm) run() {
	for next := time.Now().Add(r.Period); !run.Stopped(); next = next.Add(r.Period) {
		time.Sleep(time.Until(next))
		start := time.Now()
		done := make(chan struct{})
		go func() { burst(r.Burst); close(done) }()
		<-done
		r.Busy += time.Since(start)
		r.Bursts++
	}
}

//go:noinline
func burst(d time.Duration) {
	x := uint64(0)
	for start := time.Now(); time.Since(start) < d; {
		for i := uint64(0); i < 200; i++ {
			x = x*31 + i
		}
	}
	atomic.StoreUint64(&sink, x)
}

var sink uint64

// parse reads "8ms:1ms,20ms:1.5ms".
func parse(text string) (all []*rhythm) {
	for _, part := range strings.Split(text, ",") {
		pb := strings.SplitN(part, ":", 2)
		if len(pb) != 2 {
			run.Check(fmt.Errorf("tickphase: %q is not PERIOD:BURST", part))
		}
		period, err := time.ParseDuration(pb[0])
		run.Check(err)
		burst, err := time.ParseDuration(pb[1])
		run.Check(err)
		all = append(all, &rhythm{Period: period, Burst: burst})
	}
	return all
}

func main() {
	mix := flag.String("mix", "8ms:1ms,20ms:1.5ms", "`PERIOD:BURST,...`")
	profile := flag.String("pprof", "", "write runtime/pprof's profile of the run to this file")
	flag.Parse()
	rhythms := parse(*mix)
	if *profile != "" {
		f, err := os.Create(*profile)
		run.Check(err)
		run.Check(pprof.StartCPUProfile(f))
	}
	run.Ready()
	var done sync.WaitGroup
	for _, r := range rhythms {
		done.Add(1)
		go func(r *rhythm) { r.run(); done.Done() }(r)
	}
	run.Wait()
	done.Wait()
	truth := run.Measure()
	truth["rhythms"] = rhythms
	pprof.StopCPUProfile()
	run.Truth(truth)
}
