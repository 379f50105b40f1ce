//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// withChildren has a command end together with all that it started, when its time is over.
func withChildren(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
