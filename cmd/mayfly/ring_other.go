//go:build !unix

package main

import (
	"net"
	"os"
)

// There is no signal to spare here, and nothing to record either.
var triggerSignal = os.Interrupt

const triggerSignalName = "SIGUSR2"

func listenPrivate(path string) (net.Listener, error) { return net.Listen("unix", path) }
