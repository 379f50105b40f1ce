package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// `go run` has the flag -exec as `go test` has. It executes one program, so that the recording of that
// writes the file itself, and prints what there is to say.

func isGoRun(command []string) bool { return isGo(command, "run") }

// goBools are the build flags without a value (go help build).
var goBools = strings.Fields("a n race msan asan cover v work x json linkshared modcacherw trimpath buildvcs")

// goRunFlags are those of go run itself: what stands behind the package is the program's.
func goRunFlags(command []string) (flags []string) {
	for i := 2; i < len(command) && goFlagName(command[i]) != ""; i++ {
		flags = append(flags, command[i])
		name := goFlagName(command[i])
		if !strings.Contains(command[i], "=") && !slices.Contains(goBools, name) {
			i++ // its value
		}
	}
	return flags
}

func (f *recordFlags) checkGoRun() error {
	if isGoRun(f.command) && goFlag(goRunFlags(f.command), "exec") {
		return usagef("record: go run has an -exec of its own: record the program (go build)")
	}
	return nil
}

// recordGoRun records the program that a go run executes, and passes go run's exit code on.
func recordGoRun(ctx context.Context, e *env, f *recordFlags) error {
	output := f.output
	if output != "-" {
		path, err := filepath.Abs(output) // go run -C executes in another folder
		if err != nil {
			return fmt.Errorf("write %s: %w", f.output, err)
		}
		output = path
	}
	more := []string{"--output=" + output}
	if e.quiet {
		more = append(more, "-q")
	}
	if e.verbose {
		more = append(more, "-v")
	}
	wrapper, err := f.wrapper(more...)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, f.command[0], withExec(f.command[1:], wrapper)...)
	cmd.Cancel = func() error { return endRun(cmd.Process.Pid) }
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", f.command[0], cause(err))
	}
	return childExit(cmd.Wait())
}

// endRun ends the recording under a go run, which then ends by itself; or the go command, while it builds.
func endRun(pid int) error {
	p, err := proc.Open(pid)
	if err != nil {
		return nil // it has ended
	}
	defer p.Close()
	for _, child := range p.Children() {
		if c, err := os.FindProcess(child); err == nil {
			_ = c.Signal(syscall.SIGTERM) // it may have ended
		}
	}
	return nil
}
