// Command routine uses a library that keeps values of its own where the runtime has the pointer to
// a goroutine's pprof labels: such a goroutine has no labels that anyone could read. Others, which
// the library does not touch, have theirs.
package main

import (
	"context"
	"time"

	"github.com/timandy/routine"

	"github.com/mayfly-profiler/mayfly/testdata/foreign/tally"
)

var user = routine.NewThreadLocal[string]()

func main() {
	t := tally.New()
	own := t.Set("main.local")
	for range 4 {
		go func() {
			for {
				begin := time.Now()
				local()
				own.Count(begin)
			}
		}()
	}
	t.Set("main.labelled", "kind", "plain").Loop(2, time.Millisecond, labelled)
	t.Run()
}

func local() {
	user.Set("somebody")
	if tally.Work(2 * time.Millisecond); user.Get() != "somebody" {
		panic("the library lost its value")
	}
}

func labelled(context.Context) { tally.Work(time.Millisecond) }
