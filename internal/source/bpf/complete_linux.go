//go:build amd64 || arm64

package bpf

import (
	"io"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
)

// A label set that the program could not copy is often one on a page that is not there, and reading that may
// take for ever (internal/proc, flight.go). So another goroutine reads it, and sampling goes on without.

// completePatience is what a label set may take. It is a disk's time, and not the time of what a disk is for.
const completePatience = 100 * time.Millisecond

// completer reads label sets. It is for one goroutine.
type completer struct {
	asks    chan header
	answers chan completed // one at most
	blocked bool           // an answer is still to come
	timer   *time.Timer
}

type completed struct {
	set *goruntime.LabelSet
	ok  bool
}

func newCompleter(mem io.ReaderAt, l *goruntime.Layout) *completer {
	c := &completer{asks: make(chan header), answers: make(chan completed, 1), timer: time.NewTimer(0)}
	go func() {
		sets := goruntime.NewLabelSets() // goroutines often share a large one
		for h := range c.asks {
			set, ok := completeLabels(mem, l, &h, sets)
			c.answers <- completed{set, ok}
		}
	}()
	return c
}

// complete returns the label set of a sample, false if it cannot be had.
func (c *completer) complete(h *header) (*goruntime.LabelSet, bool) {
	if c.blocked {
		select {
		case <-c.answers: // of a sample that is gone
			c.blocked = false
		default:
			return nil, false
		}
	}
	c.asks <- *h
	c.timer.Reset(completePatience)
	select {
	case a := <-c.answers:
		return a.set, a.ok
	case <-c.timer.C:
		c.blocked = true
		return nil, false
	}
}

func (c *completer) close() { close(c.asks) }
