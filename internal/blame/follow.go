package blame

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/frameworks"
	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// Follow charges all time of a request.
func (b *Blamer) Follow(r *timeline.Request, out func(Atom)) {
	b.steps = 0
	b.followTrack(r, timeline.Span{Track: r.Main, From: r.From, To: r.To}, route{trust: 1, app: timeline.Nowhere, where: -1}, out)
}

// mostSteps is how many pieces are looked at for one request.
const mostSteps = 200_000

// followTrack charges what a goroutine did in a stretch of time. r is the request whose children count as
// its own, nil when a goroutine is followed that is none of them.
func (b *Blamer) followTrack(r *timeline.Request, s timeline.Span, via route, out func(Atom)) {
	if len(b.path) >= deepestSeen || len(b.path) >= deepest && via.proof == Guessed || slices.Contains(b.path, s.Track) ||
		b.steps > mostSteps {
		out(via.lost(s.From, s.To))
		return
	}
	b.path = append(b.path, s.Track)
	defer func() { b.path = b.path[:len(b.path)-1] }()
	at := b.unborn(s, via, out)
	s.Track.During(at, s.To, func(p *timeline.Piece, from, to int64) {
		b.steps++
		if from > at {
			out(via.lost(at, from))
		}
		at = to
		b.apart(timeline.Span{Track: s.Track, From: from, To: to}, via, out, func(s timeline.Span) { b.charge(p, r, s, via, out) })
	})
	if at < s.To {
		out(via.lost(at, s.To))
	}
}

// lost is time of which nothing is known.
func (via route) lost(from, to int64) Atom {
	return Atom{Kind: timeline.Unknown, At: timeline.Nowhere, State: -1, Where: -1, NS: float64(to - from), Chain: via.chain,
		Proof: via.proof, Trust: via.trust}
}

// charge charges one piece of a goroutine's life.
func (b *Blamer) charge(p *timeline.Piece, r *timeline.Request, s timeline.Span, via route, out func(Atom)) {
	if p.By != 0 && b.followEdge(p, r, s, via, out) {
		return
	}
	a := b.plain(p, s, via)
	switch p.Kind {
	case timeline.GoScheduler:
		b.queueForP(s, via, out)
		return
	case timeline.CPU:
		a.Trust *= b.running
	case timeline.Network:
		if p.By == 0 && !b.polls(p) && b.helped(p, r, s, via, out) {
			return
		}
		a.NS -= b.unpolled(p, s, via, out)
		if p.By == 0 && 2*b.saturated(s) > s.To-s.From {
			a.Proof, a.Trust = max(a.Proof, Guessed), a.Trust*timeTrust // the answer may have been there, and nobody ran who takes it
		}
		b.answer(p, s, &a)
		if s.To-s.From >= shortest && b.followSelf(a, s, via, out) {
			return
		}
	case timeline.OSScheduler, timeline.Quota:
		b.denied(p, s, a, out)
		return
	case timeline.GC:
		if a.At = b.allocator; p.By == 0 && p.ByStack != b.Nothing {
			a = b.stoodStill(p, a)
		}
	case timeline.Stopped:
		a.At = timeline.Nowhere // wherever the program happened to be
	case timeline.Children, timeline.Channel, timeline.Lock, timeline.Pool, timeline.Limit:
		if p.By == 0 && s.To-s.From >= shortest && b.guess(p, r, s, via, out) {
			return
		}
		a = b.unexplained(p, a)
	}
	out(a)
}

// denied charges time in which a thread wanted a CPU: to the quota where that was used up, else to what it would have done.
func (b *Blamer) denied(p *timeline.Piece, s timeline.Span, a Atom, out func(Atom)) {
	a.Denied = true
	if a.Kind = b.work(p.Stack); a.Kind == timeline.GC {
		a.At = b.allocator
	}
	held := 0.0
	b.eachCell(s.From, s.To, func(l *load, ns int64) {
		if p.Kind == timeline.Quota || l.isThrottled() {
			held += float64(ns)
		}
	})
	if held > 0 {
		quota := b.spent(a)
		quota.NS = held
		out(quota)
	}
	if a.NS -= held; a.NS > 0 {
		out(a)
	}
}

// stoodStill charges time in which a goroutine of the application had stopped the world to what that one did: not only the
// collector stops it, but also who asks for all stacks, or changes GOMAXPROCS.
func (b *Blamer) stoodStill(p *timeline.Piece, a Atom) Atom {
	s := &b.Stacks[p.ByStack]
	if s.App < 0 || b.Has(s, names.Collector) {
		return a
	}
	a.Kind, a.At, a.Where, a.State, a.Queued = timeline.CPU, s.Frames[s.App], p.ByStack, -1, true
	a.Chain = b.link(a.Chain, Link{timeline.GoScheduler, a.At, Behind})
	return a
}

// plain is a piece charged to itself.
func (b *Blamer) plain(p *timeline.Piece, s timeline.Span, via route) Atom {
	a := Atom{Kind: p.Kind, At: b.Place(p.Stack), State: p.State, Stack: p.Stack, Where: p.Stack, NS: float64(s.To - s.From), Chain: via.chain,
		Proof: via.proof, Trust: via.trust}
	if b.Stacks[p.Stack].App < 0 && via.app.Fn >= 0 && p.Kind != timeline.CPU {
		a.At, a.Where = via.app, via.where // a library's goroutine waits on behalf of the application
	}
	return a
}

// unexplained is a wait that nothing is known to have ended: that of a channel which the runtime ended is
// one for a timer.
func (b *Blamer) unexplained(p *timeline.Piece, a Atom) Atom {
	switch {
	case p.Kind == timeline.Channel && p.By != 0:
		a.Kind = timeline.Timer
	case p.Kind == timeline.Children:
		a.Kind = timeline.Unknown // of goroutines that nothing ties to the request
	}
	if p.By == 0 {
		a.Proof = max(a.Proof, Guessed)
		a.Trust *= unexplainedTrust
	}
	return a
}

// work is what a goroutine would do with a CPU: collect, or the program's own.
func (b *Blamer) work(stack int32) timeline.Kind {
	k, ok := b.works[stack]
	if !ok {
		k = b.KindOf("running", stack)
		b.works[stack] = k
	}
	return k
}

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

// polls says whether a piece is a wait of the goroutine itself for the network poller.
func (b *Blamer) polls(p *timeline.Piece) bool { return b.States[p.State].Name == "IO wait" }

// joins says whether a piece waits for a call that another request makes.
func (b *Blamer) joins(p *timeline.Piece) bool { return b.Stacks[p.Stack].For.Role == frameworks.Joins }
