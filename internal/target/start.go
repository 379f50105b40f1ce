package target

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a target may take to get ready or to end when told to. It is a bound for
// hung programs, not a measurement: a loaded machine builds other things meanwhile.
const patience = 60 * time.Second

// Target is a running program of testdata, or one that has ended.
type Target struct {
	PID   int
	Exe   string
	Ready string // the first line it printed: "ready", or "ready NAME=VALUE ..."

	t       testing.TB
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	done    chan struct{} // closed when it has ended and all its output was read
	err     error         // of cmd.Wait; valid after done
	stopped bool          // to end, by SIGTERM

	mu     sync.Mutex
	lines  []string
	stderr bytes.Buffer
}

// Start runs exe and returns once it has printed its line "ready". The program is killed when
// the test ends, and ends by itself when the test process dies: its standard input closes then.
func Start(t testing.TB, exe string, args ...string) *Target {
	t.Helper()
	if runtime.GOOS != "linux" {
		check(t, &UnavailableError{"linux", fmt.Errorf("targets are linux programs and the host is %s", runtime.GOOS)})
	}
	x := &Target{Exe: exe, t: t, cmd: exec.Command(exe, args...), done: make(chan struct{})}
	stdout := x.pipes()
	if err := x.cmd.Start(); err != nil {
		t.Fatalf("target: start %s: %v", exe, err)
	}
	x.PID = x.cmd.Process.Pid
	t.Cleanup(x.Kill)
	ready := make(chan string, 1)
	go x.read(stdout, ready)
	select {
	case x.Ready = <-ready:
	case <-x.done:
	case <-time.After(patience):
	}
	if x.Ready != "ready" && !strings.HasPrefix(x.Ready, "ready ") {
		t.Fatalf("target: %s printed %q instead of ready\n%s", exe, x.Ready, x.Stderr())
	}
	return x
}

func (x *Target) pipes() io.Reader {
	stdin, err := x.cmd.StdinPipe()
	if err != nil {
		x.t.Fatalf("target: %v", err)
	}
	stdout, err := x.cmd.StdoutPipe()
	if err != nil {
		x.t.Fatalf("target: %v", err)
	}
	x.stdin, x.cmd.Stderr = stdin, (*stderr)(x)
	return stdout
}

func (x *Target) read(stdout io.Reader, ready chan<- string) {
	defer close(x.done)
	in := bufio.NewScanner(stdout)
	in.Buffer(nil, 16<<20)
	for first := true; in.Scan(); first = false {
		if first {
			ready <- in.Text()
		}
		x.mu.Lock()
		x.lines = append(x.lines, in.Text())
		x.mu.Unlock()
	}
	x.err = x.cmd.Wait()
}

// Field returns the value of NAME=VALUE in the ready line, or fails the test.
func (x *Target) Field(name string) string {
	x.t.Helper()
	for _, f := range strings.Fields(x.Ready) {
		if k, v, _ := strings.Cut(f, "="); k == name {
			return v
		}
	}
	x.t.Fatalf("target: %s: no %s= in the line %q", x.Exe, name, x.Ready)
	return ""
}

// Lines returns what the program has printed so far, the ready line included.
func (x *Target) Lines() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append([]string(nil), x.lines...)
}

// Stderr returns what the program has written to its standard error so far.
func (x *Target) Stderr() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.stderr.String()
}

// Stop tells the program to end, by closing its standard input and by SIGTERM (programs started
// with -d do not look at their input), and waits for it.
func (x *Target) Stop() {
	x.t.Helper()
	x.stdin.Close()
	x.stopped = true
	x.cmd.Process.Signal(syscall.SIGTERM) // it may have ended meanwhile: Wait tells
	x.Wait()
}

// Wait waits for the program to end, and fails the test when it does not or exits with an error.
func (x *Target) Wait() {
	x.t.Helper()
	select {
	case <-x.done:
	case <-time.After(patience):
		x.t.Fatalf("target: %s still runs after %v", x.Exe, patience)
	}
	if x.err != nil && !(x.stopped && x.err.Error() == "signal: terminated") {
		x.t.Fatalf("target: %s: %v\n%s", x.Exe, x.err, x.Stderr())
	}
}

// Kill ends the program at once, by SIGKILL, and waits until it is gone.
func (x *Target) Kill() {
	x.cmd.Process.Kill()
	<-x.done
}

// Truth stops the program unless it has ended and decodes its last line, the JSON object in
// which a program tells what it did, into v.
func (x *Target) Truth(v any) {
	x.t.Helper()
	x.Stop()
	lines := x.Lines()
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), v); err != nil {
		x.t.Fatalf("target: %s: truth %q: %v", x.Exe, lines[len(lines)-1], err)
	}
}

// stderr is a Target as the writer of its program's standard error.
type stderr Target

func (w *stderr) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stderr.Write(p)
}
