//go:build unix

package main

import (
	"net"
	"syscall"
)

const (
	triggerSignal     = syscall.SIGUSR2
	triggerSignalName = "SIGUSR2"
)

// listenPrivate listens at a unix socket that nobody else can open, not even before its rights could be changed.
func listenPrivate(path string) (net.Listener, error) {
	defer syscall.Umask(syscall.Umask(0o177))
	return net.Listen("unix", path)
}
