package profiler

import (
	"context"
	"fmt"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
)

// Some commands are no Go programs and become one: a shell that ends with exec, env, nice, setpriv, the dynamic
// loader that is given a program, an interpreter that loads a library. They are let go and looked at until
// there is a Go runtime in the process. What they start as processes of their own is not theirs.

const (
	awaitFirst = time.Millisecond // between two tries, and longer each time
	awaitMost  = 20 * time.Millisecond
)

// await lets a command go and returns when it has become a Go program.
func (r *recording) await(ctx context.Context) error {
	p := r.options.Pending
	if err := p.Release(); err != nil {
		return err
	}
	var images goruntime.Images
	for step := awaitFirst; ; step = min(2*step, awaitMost) {
		if _, err := images.Find(r.target); err == nil {
			break
		}
		select {
		case <-r.target.Exited():
			return fmt.Errorf("record %s: %w, nor was it seen to become one: what a command starts as another process, or executes "+
				"for a moment only, has to be recorded by itself (mayfly record -- PROGRAM)", p.Exe, errNeverGo)
		case <-ctx.Done():
			return fmt.Errorf("record %s: %w, nor has it become one so far", p.Exe, errNeverGo)
		case <-time.After(step):
		}
	}
	r.options.Pending = nil
	if used, err := r.target.CPU(); err == nil {
		r.deny(fmt.Sprintf("the first %s of CPU time of the command, in which it has become a Go program", used.Round(100*time.Microsecond)))
	}
	return nil
}

// errNeverGo wraps ErrNotGo without its place.
var errNeverGo = neverGo{}

type neverGo struct{}

func (neverGo) Error() string   { return "not a Go program" }
func (neverGo) Is(e error) bool { return e == ErrNotGo }
