package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/mayfly-profiler/mayfly/internal/work"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// A command that is started and then looked for has already run its init functions. So the child
// begins as this executable itself, held at a pipe: the events are attached to it and start by
// themselves when it executes the command. The child's process stays the same from the first
// instruction on.

// recordChild starts the command, records it, and passes its exit code on.
func recordChild(ctx context.Context, e *env, f *recordFlags) error {
	out := childStdout(f.output == "-" || f.json)
	var lines *work.Lines
	if f.tests != "" || benchmarks(f.command) {
		lines = work.NewLines(out)
		out = lines
	}
	c, rec, err := recordHeld(ctx, e, f, out)
	if rec == nil {
		return err
	}
	if rec.Summary.End == profiler.EndExited { // what it has printed is complete now
		exit := c.cmd.Wait()
		rec.Profile.Comments = append(rec.Profile.Comments, done(c, rec, lines)...)
		return cmp.Or(finishRecord(e, f, rec, err), childExit(exit))
	}
	if err := finishRecord(e, f, rec, err); err != nil {
		return err
	}
	if ctx.Err() != nil { // Ctrl-C on a terminal has reached the command too; SIGTERM has not
		c.cmd.Process.Signal(syscall.SIGTERM)
	} else {
		e.say("waiting for the command to end; Ctrl-C ends it")
	}
	return childExit(c.cmd.Wait())
}

// benchmarks says whether a command is a test binary that is to run benchmarks.
func benchmarks(command []string) bool {
	return slices.ContainsFunc(command[1:], func(arg string) bool { return goFlagName(arg) == "test.bench" })
}

// done is the work of a command that has ended by itself, as comments of its profile: its benchmarks, or one run.
func done(c *held, rec *profiler.Recording, lines *work.Lines) []string {
	var w work.Work
	if lines != nil {
		w = lines.Work()
	}
	state := c.cmd.ProcessState
	if !w.Known() && state != nil && state.Success() {
		w.Runs, w.Wall, w.CPU = 1, time.Duration(rec.Profile.DurationNanos), state.UserTime()+state.SystemTime()
	}
	return w.Comments()
}

// holdCommand finds the command of a recording and starts it, held. Its standard output goes to stdout.
func holdCommand(f *recordFlags, stdout io.Writer) (c *held, path string, err error) {
	command := f.command
	if path, err = exec.LookPath(command[0]); err != nil {
		return nil, "", fmt.Errorf("start %s: %w", command[0], errors.Unwrap(err))
	}
	who, err := lookUpRunner(f.user)
	if err != nil {
		return nil, "", fmt.Errorf("start %s: %w", command[0], err)
	}
	c, err = hold(append([]string{who, path}, command...), stdout)
	return c, path, err
}

// childStdout is where a command's standard output goes: where ours goes, unless that carries data.
func childStdout(data bool) io.Writer {
	if data {
		return os.Stderr
	}
	return os.Stdout
}

// end ends a command whose recording is over, and waits for it. How it ends is its own affair.
func (h *held) end() error {
	h.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	var exit *exec.ExitError
	if err := h.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}

// recordHeld starts the command and records it. Without a recording the command has ended.
func recordHeld(ctx context.Context, e *env, f *recordFlags, stdout io.Writer) (*held, *profiler.Recording, error) {
	c, path, err := holdCommand(f, stdout)
	if err != nil {
		return nil, nil, err
	}
	rec, err := recordProcess(ctx, e, f, c.cmd.Process.Pid, &profiler.Pending{Exe: path, Release: c.release})
	c.drop()
	if rec == nil {
		c.cmd.Wait()
	}
	return c, rec, err
}

// childExit is the child's exit code as ours; killed by signal n is 128+n, as in a shell.
func childExit(err error) error {
	var exit *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrWaitDelay): // it has ended well, and left children that keep its output
		return nil
	case !errors.As(err, &exit):
		return err
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return &exitError{code: 128 + int(ws.Signal())}
	}
	return &exitError{code: exit.ExitCode()}
}

// held is a child that waits before it executes its command.
type held struct {
	cmd    *exec.Cmd
	let    *os.File // a byte here lets it go, closing it ends it
	answer *os.File // end of file when it has executed the command, else why not
}

// hold starts the child with the arguments of held-command.
func hold(args []string, stdout io.Writer) (*held, error) {
	name := args[2]
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	gateR, gateW, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	answerR, answerW, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), gateR.Close(), gateW.Close())
	}
	cmd := exec.Command(self, append([]string{heldName, "--"}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{gateR, answerW}
	cmd.WaitDelay = outputDelay
	err = cmd.Start()
	gateR.Close()
	answerW.Close()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), gateW.Close(), answerR.Close())
	}
	return &held{cmd, gateW, answerR}, nil
}

// release lets the child execute its command and returns when it has.
func (h *held) release() error {
	if _, err := h.let.Write([]byte{1}); err != nil {
		return fmt.Errorf("start %s: %w", h.cmd.Args[4], err)
	}
	why, err := io.ReadAll(io.LimitReader(h.answer, 1024))
	if err == nil && len(why) > 0 {
		err = errors.New(strings.TrimSpace(string(why)))
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", h.cmd.Args[4], err)
	}
	return nil
}

// outputDelay is how long a command that has ended is waited for when its children keep the standard output that is read here.
const outputDelay = 2 * time.Second

// drop closes the pipes. A child that still waits ends.
func (h *held) drop() {
	h.let.Close()
	h.answer.Close()
}

const heldName = "held-command"

// The thread that executes the command keeps its id then, like those of the scheduler's view and the events on it,
// if it is the process's first one, on which init functions run.
func init() {
	if len(os.Args) > 1 && os.Args[1] == heldName {
		runtime.LockOSThread()
	}
}

// heldCommand is the child's side: held-command -- RUNNER PATH ARG0 ARG...
func heldCommand(*env) *cobra.Command {
	return &cobra.Command{
		Use:    heldName,
		Hidden: true,
		Args:   cobra.MinimumNArgs(3),
		RunE: func(_ *cobra.Command, args []string) error {
			gate, answer := os.NewFile(3, "gate"), os.NewFile(4, "answer")
			if gate == nil || answer == nil {
				return usagef("%s is for mayfly's own use", heldName)
			}
			syscall.CloseOnExec(3)
			syscall.CloseOnExec(4)
			if n, err := gate.Read(make([]byte, 1)); n != 1 || err != nil {
				return &exitError{code: codeFailed} // not let go: whoever held us says why
			}
			err := become(args[0])
			if err == nil {
				err = syscall.Exec(args[1], args[2:], os.Environ())
			}
			fmt.Fprintln(answer, err)
			return &exitError{code: codeFailed}
		},
	}
}
