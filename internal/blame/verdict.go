package blame

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// turn is a resource's side of a wait: what holders lose their time to is charged to it, or passed on.
type turn struct {
	kind  timeline.Kind
	at    timeline.Frame
	limit int
	where int32 // the stack that at is on, -1: none
	long  bool  // the holder has it much longer than others do
}

// verdict says what the cause is when a holder loses its time to a. What keeps the holder from running,
// another resource that it waits for, or a disk that would be as slow without the lock, is the cause of
// its waiters too. But if the holder does what it is there to do, the cause is that only one, or only so
// many, can do it at a time.
func (b *Blamer) verdict(t turn, a Atom) Atom {
	if a.Denied || a.Queued || t.long {
		return a
	}
	switch a.Kind {
	case timeline.GC, timeline.GoScheduler, timeline.OSScheduler, timeline.Quota, timeline.Lock,
		timeline.Pool, timeline.Limit, timeline.Channel, timeline.Stopped:
		return a
	case timeline.Syscall:
		if a.State >= 0 && b.Has(&b.Stacks[a.Stack], disk) {
			return a
		}
	}
	a.Chain = b.link(a.Chain, Link{a.Kind, a.At, WaitsFor})
	a.Kind, a.At, a.Where, a.State, a.Limit = t.kind, t.at, t.where, -1, t.limit
	return a
}

// disk are the functions that wait for a disk.
var disk = slices.Concat(names.Disk, []string{
	"golang.org/x/sys/unix.Fsync", "golang.org/x/sys/unix.Fdatasync", "golang.org/x/sys/unix.Msync",
})

// plain is a piece charged to itself.
func (b *Blamer) plain(p *timeline.Piece, s timeline.Span, via route) Atom {
	a := Atom{Kind: p.Kind, At: b.Place(p.Stack), State: p.State, Stack: p.Stack, Where: p.Stack, NS: float64(s.To - s.From), Chain: via.chain,
		Proof: via.proof, Trust: via.trust}
	if b.Stacks[p.Stack].App < 0 && via.app.Fn >= 0 && p.Kind != timeline.CPU {
		a.At, a.Where = via.app, via.where // a library's goroutine waits on behalf of the application
	}
	return a
}
