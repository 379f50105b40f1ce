package profiler

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A recording always ends. Whoever reads the target's memory may never come back (internal/proc, flight.go), and
// the sources read it from within Run. So nobody waits for them without end: a read that has lasted for longer
// than readPatience does not return, what the sources have emitted by then is the recording, and what is missing is
// said. Their threads are left behind, with all that they use, until they do come back or mayfly ends.

const (
	readPatience = time.Second           // with one read of the target's memory
	pollEvery    = 50 * time.Millisecond // between two looks at whether it has returned
)

// errBlocked is wrapped by errors of recordings that could not go on, or not begin.
var errBlocked = errors.New("the target's memory cannot be read")

func blockedFor(d time.Duration) error {
	return fmt.Errorf("%w: a read has not returned for %s (a page that somebody has to bring in: userfaultfd, FUSE, NFS, swap)",
		errBlocked, d.Round(100*time.Millisecond))
}

// within returns what comes from done, or errBlocked when a read of the target's memory does not return.
func (r *recording) within(done <-chan error) error {
	t := time.NewTicker(pollEvery)
	defer t.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-t.C:
			if d := r.target.Blocked(); d > readPatience {
				return blockedFor(d)
			}
		}
	}
}

// enter does something that comes before the first sample, or nothing else. When ctx ends it is left behind, too.
func (r *recording) enter(ctx context.Context, what func() error) error {
	left, done, result := make(chan error, 1), make(chan error, 1), make(chan error, 2)
	go func() { err := what(); left <- err; done <- err }()
	go func() { result <- r.within(done) }()
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(readPatience, func() { result <- context.Cause(ctx) })
	})
	defer stop()
	err := <-result
	select {
	case <-left:
	default:
		r.left = left
	}
	return err
}

// leave closes the recording, as soon as nobody uses it.
func (r *recording) leave() {
	if r.left == nil {
		r.close()
		return
	}
	go func() { <-r.left; r.close() }()
}
