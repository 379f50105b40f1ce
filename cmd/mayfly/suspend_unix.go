//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// unstoppable keeps Ctrl-Z from stopping mayfly until the function that it returns is called: while probes are in the target's
// code each call of it pays for them, also those that nobody records. A command that mayfly starts is stopped as ever.
func unstoppable(e *env) (end func()) {
	presses := make(chan os.Signal, 1)
	signal.Notify(presses, syscall.SIGTSTP) // not Ignore, which commands inherit
	go func() {
		for range presses {
			e.warn("not stopped: there are probes in the target's code; Ctrl-C ends the recording")
		}
	}()
	return func() {
		signal.Stop(presses)
		close(presses)
	}
}
