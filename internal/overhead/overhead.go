// Package overhead measures what recording a process costs it, by doing so and leaving it in turns: windows without, with, with
// and without follow each other, so that what drifts in a line is the same on both sides.
package overhead

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Host is where the experiment takes place.
type Host interface {
	Read() (Reading, error)
	Wait(ctx context.Context, d time.Duration)
	// Attach begins a recording in a mode. It goes on until it is detached, which it is also when ctx is done.
	Attach(ctx context.Context, mode string) (detach func() error, err error)
}

// Reading is what counters say at a moment.
type Reading struct {
	At   time.Duration // of any clock
	CPU  time.Duration // of the process
	Own  time.Duration // CPU time of who measures
	Work float64       // pieces of work that the process has done; 0: not counted
}

// Arm is what there was in some windows of one side.
type Arm struct{ wall, cpu, own, work float64 } // seconds, and pieces

func (a *Arm) add(from, to Reading) {
	a.wall += (to.At - from.At).Seconds()
	a.cpu += (to.CPU - from.CPU).Seconds()
	a.own += (to.Own - from.Own).Seconds()
	a.work += to.Work - from.Work
}

// block is windows without, with, with and without.
type block struct{ off, on Arm }

// settle is how long a recording goes on before its window begins.
const settle = 100 * time.Millisecond

// ErrNone is wrapped by the error that there is no result of any mode.
var ErrNone = errors.New("nothing was measured")

// Measure takes turns until ctx is done, a block of each mode after the other. A block that is not done then is left out. It is an
// error that there is none at all.
func Measure(ctx context.Context, h Host, modes []string, window time.Duration) (*Result, error) {
	all := make([]series, len(modes))
	for i, mode := range modes {
		all[i].mode = mode
	}
	var err error
	for err == nil && ctx.Err() == nil && !failed(all) {
		for i := range all {
			if s := &all[i]; s.err == nil && ctx.Err() == nil {
				err = s.take(ctx, h, window)
			}
		}
	}
	r := resultOf(all, window, err)
	if r.Blocks() > 0 {
		return r, nil
	}
	for _, s := range all {
		err = errors.Join(err, s.err)
	}
	if err == nil {
		err = fmt.Errorf("%w: not one block of each mode was over in time", ErrNone)
	}
	return nil, err
}

// series is the blocks of a mode.
type series struct {
	mode   string
	blocks []block
	err    error // why there are no more
}

// failed says whether there is no mode left.
func failed(all []series) bool {
	for _, s := range all {
		if s.err == nil {
			return false
		}
	}
	return true
}

// take adds a block. It fails when the process cannot be read any more; a mode that does not work is the series' own error.
func (s *series) take(ctx context.Context, h Host, window time.Duration) error {
	var b block
	if err := b.off.window(ctx, h, window); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return nil
	}
	detach, err := h.Attach(ctx, s.mode)
	if err != nil {
		if ctx.Err() == nil {
			s.err = fmt.Errorf("%s: %w", s.mode, err)
		}
		return nil
	}
	h.Wait(ctx, settle)
	err = b.on.window(ctx, h, 2*window)
	if derr := detach(); derr != nil && ctx.Err() == nil {
		s.err = fmt.Errorf("%s: %w", s.mode, derr)
		return err
	}
	if err == nil {
		err = b.off.window(ctx, h, window)
	}
	if err == nil && ctx.Err() == nil {
		s.blocks = append(s.blocks, b)
	}
	return err
}

func (a *Arm) window(ctx context.Context, h Host, d time.Duration) error {
	from, err := h.Read()
	if err != nil {
		return err
	}
	h.Wait(ctx, d)
	to, err := h.Read()
	if err == nil {
		a.add(from, to)
	}
	return err
}
