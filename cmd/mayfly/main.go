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
)

// main maps the error of run to an exit code and one line on stderr; everything else happens
// where tests can drive it.
func main() {
	// The first signal ends what runs in good order. After it the default action is back, so the
	// second one kills, as the first does where nothing is lost by it.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)

	e := processEnv()
	if rights, err := proc.HostRights(); err == nil {
		runtime.GOMAXPROCS(procs(rights, e.getenv("GOMAXPROCS"), runtime.GOMAXPROCS(0)))
	}
	e.abrupt = func() { signal.Reset(os.Interrupt, syscall.SIGTERM) } // stop would cancel ctx too
	err := run(ctx, e, os.Args[1:])
	if text := message(err); text != "" {
		e.clear()
		fmt.Fprintln(e.stderr, "mayfly: "+text)
	}
	os.Exit(exitCode(err))
}

// procs is the number of Ps to go with: the runtime's own, or where the perf engine is all there is twice as many. Each of that
// engine's readers, one a CPU, sleeps in a system call and has to run the moment that it is woken, while what was sampled stands
// still. For that it needs a P at once, and others have as many as there are CPUs.
func procs(r proc.Rights, asked string, own int) int {
	if asked != "" || r.CapSysAdmin || r.CapBPF && r.CapPerfmon {
		return own
	}
	return 2 * own
}
