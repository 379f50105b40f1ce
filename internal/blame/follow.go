package blame

import (
	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// Follow charges all time of a request.
func (b *Blamer) Follow(r *timeline.Request, out func(Atom)) {
	b.steps = 0
	b.followTrack(r, timeline.Span{Track: r.Main, From: r.From, To: r.To}, route{trust: 1, app: timeline.Nowhere, where: -1}, out)
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
		poll := b.pollsFrom(p, s)
		a.NS -= b.unpolled(timeline.Span{From: poll, To: s.To}, via, out)
		if p.By == 0 && 2*b.saturated(s) > s.To-s.From {
			a.Proof, a.Trust = max(a.Proof, Guessed), a.Trust*timeTrust // the answer may have been there, and nobody ran who takes it
		}
		b.answer(p, s, &a)
		if s.To-s.From >= shortest && b.followSelf(a, s, via, out) {
			return
		}
		a.NS -= b.crowded(p, a, timeline.Span{Track: s.Track, From: s.From, To: poll}, via, out)
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
