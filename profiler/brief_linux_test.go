package profiler_test

import (
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// pending is a process that waits for a line and then executes the program, as a shell does.
func pending(t *testing.T, exe string, args ...string) (*exec.Cmd, io.WriteCloser) {
	t.Helper()
	c := exec.Command("/bin/sh", append([]string{"-c", `read line && exec "$@"`, "sh", exe}, args...)...)
	stdin, err := c.StdinPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	return c, stdin
}

// A program may be over before anybody could read its mappings. What it did is known all the same if its
// code has fixed addresses; and a recording comes of it in any case.
func TestRecordGone(t *testing.T) {
	for _, b := range []target.Build{{}, {PIE: true}} {
		t.Run(b.String(), func(t *testing.T) {
			exe := target.Compile(t, "brief", b)
			c, stdin := pending(t, exe)
			release := func() error {
				io.WriteString(stdin, "\n")
				for ctx := t.Context(); ctx.Err() == nil && !target.Ended(c.Process.Pid); {
					time.Sleep(time.Millisecond)
				}
				return nil
			}
			rec, err := profiler.Record(t.Context(), c.Process.Pid, profiler.Options{
				Engine: profiler.EBPF, Rate: 4999, Pending: &profiler.Pending{Exe: exe, Release: release}})
			target.Need(t, err)
			var work, all int64
			for _, s := range rec.Profile.Sample {
				all += s.Value[0]
				if index(frames(s), "main.work") >= 0 {
					work += s.Value[0]
				}
			}
			if all < 50 || !b.PIE && work < all/4 || !strings.Contains(strings.Join(rec.Summary.Denied, ";"), "before its mappings could be read") {
				t.Errorf("%d of %d samples in main.work: %q", work, all, rec.Summary.Denied)
			}
			if rec.Summary.End != "the target exited" {
				t.Errorf("end: %s", rec.Summary.End)
			}
		})
	}
}
