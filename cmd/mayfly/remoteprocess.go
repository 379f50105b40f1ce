package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/mayfly-profiler/mayfly/internal/choose"
	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// firstProcess is the one that a container was started with, if it has a process namespace of its own.
const firstProcess = 1

// process finds the Go process that is meant.
func (f *remoteFlags) process(e *env) (int, error) {
	if f.pid > 0 {
		return f.pid, nil
	}
	pids, err := proc.List()
	if err != nil {
		return 0, err
	}
	images, denied := new(goruntime.Images), 0
	var found []int
	var names []string
	for _, a := range inspectAll(pids, func(pid int) (string, error) { return f.meant(pid, images) }) {
		switch {
		case a.err == nil:
			found, names = append(found, a.pid), append(names, fmt.Sprintf("%d %s", a.pid, a.v))
		case errors.Is(a.err, fs.ErrPermission), errors.Is(a.err, os.ErrDeadlineExceeded):
			denied++
		}
	}
	first := slices.Index(found, firstProcess)
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0 && denied > 0:
		return 0, fmt.Errorf("no Go process: %d of %d could not be looked into: %s", denied, len(pids), deniedRemedy("record"))
	case len(found) == 0:
		return 0, fmt.Errorf("no Go process among the %d here: --container names another container, --select says which are meant", len(pids))
	case first < 0 || len(f.chosen) > 0:
		return 0, fmt.Errorf("%d Go processes (%s): choose one, --pid PID or --select name=NAME", len(found), strings.Join(names, ", "))
	}
	e.say("of %d Go processes (%s) the container's first one; --pid or --select names another", len(found), strings.Join(names, ", "))
	return firstProcess, nil
}

// meant names the program of a Go process that is meant; none of mayfly's own is.
func (f *remoteFlags) meant(pid int, images *goruntime.Images) (main string, err error) {
	p, err := proc.Open(pid)
	if err != nil {
		return "", err
	}
	defer p.Close()
	if isOwn(p) {
		return "", errNotChosen
	}
	if main, err = namedProgram(p, images); err == nil && !choose.Any(f.chosen, subject(p, main)) {
		err = errNotChosen
	}
	return main, err
}

// isOwn says whether a process executes the same file as this one.
func isOwn(p *proc.Process) bool {
	own, err := os.Stat("/proc/self/exe")
	if err != nil {
		return false
	}
	exe, err := p.Exe()
	if err != nil {
		return false
	}
	defer exe.Close()
	st, err := exe.Stat()
	return err == nil && os.SameFile(own, st)
}

// remoteProcesses are those of mayfly's own that wait, or else those that were executed beside them.
func remoteProcesses(waits bool) (list []int) {
	pids, _ := proc.List()
	for _, pid := range pids {
		p, err := proc.Open(pid)
		if err != nil {
			continue
		}
		args := p.Cmdline()
		if pid != os.Getpid() && len(args) > 2 && args[1] == "remote" && (args[2] == "--"+holdFlag) == waits && isOwn(p) {
			list = append(list, pid)
		}
		p.Close()
	}
	return list
}

// endHold ends the process that waits, and the container with it. Where there is none, there is nothing to end.
func endHold() {
	for _, pid := range remoteProcesses(true) {
		if held, err := os.FindProcess(pid); err == nil {
			held.Signal(syscall.SIGTERM)
		}
	}
}
