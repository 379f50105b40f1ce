// Mayfly is a profiler for Go services that miss their latency target: it samples goroutines on
// and off the CPU at 1 kHz, from outside, and writes what it saw as one pprof file.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source/perf"
)

// main maps the error of run to an exit code and one line on stderr; everything else happens
// where tests can drive it.
func main() {
	// The first signal ends what runs in good order. After it the default action is back, so the
	// second one kills, as the first does where nothing is lost by it.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)

	e := processEnv()
	if rights, err := proc.HostRights(); err == nil && e.getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(perf.Procs(rights, runtime.GOMAXPROCS(0)))
	}
	e.abrupt = func() { signal.Reset(os.Interrupt, syscall.SIGTERM) } // stop would cancel ctx too
	err := run(ctx, e, os.Args[1:])
	if text := message(err); text != "" {
		e.clear()
		fmt.Fprintln(e.stderr, "mayfly: "+text)
	}
	os.Exit(exitCode(err))
}
