// Command execs burns CPU for a while and then executes another program: execs -after 2s -- PROGRAM ARG...
//
// The process stays, all else goes: a profiler must notice. Truth: none; the function that burns is
// main.burn.
package main

import (
	"flag"
	"os"
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

func main() {
	after := flag.Duration("after", time.Second, "how long to burn before")
	flag.Parse()
	run.Ready()
	burn(time.Now().Add(*after))
	run.Check(syscall.Exec(flag.Arg(0), flag.Args(), os.Environ()))
}
