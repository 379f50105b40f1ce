//go:build unix

package main

import "syscall"

const (
	triggerSignal     = syscall.SIGUSR2
	triggerSignalName = "SIGUSR2"
)
