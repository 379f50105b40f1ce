//go:build linux

// Command blocked has a page of memory that nobody can read: a userfaultfd is registered for it and never served, so that
// whoever touches it waits until the program ends. -after the line ready the value of the label "blocked" of a
// goroutine that waits, and with -burn of one that burns CPU, lies there. Other goroutines, with the
// label "worker", burn and wait as ever.
//
// Where userfaultfd is denied it prints the error number in the line "ready errno=N". Truth: nothing but the process's.
package main

import (
	"context"
	"flag"
	"fmt"
	"runtime/pprof"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

//go:noinline
func burn() {
	for x := uint64(0); !run.Stopped(); x++ {
		sink = x
	}
}

var sink uint64

func main() {
	after := flag.Duration("after", 0, "when the labels are set")
	both := flag.Bool("burn", false, "a goroutine that burns has the label, too")
	flag.Parse()
	value, err := run.Unreadable()
	if err != nil {
		run.Ready(fmt.Sprintf("errno=%d", err))
		run.Wait()
		return
	}
	run.Ready()
	go pprof.Do(context.Background(), pprof.Labels("worker", "burns"), func(context.Context) { burn() })
	go pprof.Do(context.Background(), pprof.Labels("worker", "waits"), func(context.Context) { select {} })
	go func() {
		time.Sleep(*after)
		if *both {
			go pprof.Do(context.Background(), pprof.Labels("blocked", value), func(context.Context) { burn() })
		}
		pprof.Do(context.Background(), pprof.Labels("blocked", value), func(context.Context) { time.Sleep(time.Hour) })
	}()
	run.Wait()
	run.Truth(run.Measure())
}
