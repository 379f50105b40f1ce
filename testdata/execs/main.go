// Command execs burns CPU for a while and then executes another program: execs -after 2s -- PROGRAM ARG...
//
// The process stays, all else goes: a profiler must notice. Truth: none; the function that burns is
// main.burn. With -spawn it starts processes of true instead, one after the other, under the label
// job=spawn, until it is killed.
package main

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

var sink uint64

//go:noinline
func burn(until time.Time) {
	for time.Now().Before(until) {
		for i := uint64(0); i < 1000; i++ {
			sink = sink*31 + i
		}
	}
}

func spawn() {
	for {
		run.Check(exec.Command("true").Run())
	}
}

func main() {
	children := flag.Bool("spawn", false, "start processes")
	after := flag.Duration("after", time.Second, "how long to burn before")
	flag.Parse()
	run.Ready()
	if *children {
		pprof.Do(context.Background(), pprof.Labels("job", "spawn"), func(context.Context) { spawn() })
	}
	burn(time.Now().Add(*after))
	run.Check(syscall.Exec(flag.Arg(0), flag.Args(), os.Environ()))
}
