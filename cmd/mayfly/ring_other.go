//go:build !unix

package main

import "os"

// There is no signal to spare here, and nothing to record either.
var triggerSignal = os.Interrupt

const triggerSignalName = "SIGUSR2"
