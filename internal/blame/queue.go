package blame

import "github.com/mayfly-profiler/mayfly/internal/timeline"

// spent makes an atom one of time that the quota took.
func (b *Blamer) spent(a Atom) Atom {
	a.Kind, a.At, a.State, a.Where, a.Denied, a.Queued = timeline.Quota, b.spender, -1, -1, false, true
	return a
}

// queueForP charges time that a goroutine was runnable to what the Ps were busy with, or wanted a CPU
// for: the collector, the program's own functions. If the program may use fewer Ps than there are CPUs,
// the want of Ps is the cause, whatever they ran. Time in which no P is seen to do anything is charged to
// other processes only for the share of it in which threads were seen to want a CPU; for the rest nobody is
// seen to keep the goroutine from running.
func (b *Blamer) queueForP(s timeline.Span, via route, out func(Atom)) {
	b.eachCell(s.From, s.To, func(l *load, ns int64) {
		busy := l.cpu + l.gc
		idle := b.idle(l)
		denied := l.denied + idle*l.wanted
		idle *= 1 - l.wanted
		part := float64(ns) / (busy + denied + idle)
		if idle > 0 {
			out(behindNobody(via, part*idle))
		}
		if busy <= 0 && denied > 0 {
			a := via.lost(0, 0)
			a.Kind, a.NS, a.Queued = timeline.OSScheduler, part*denied, true
			out(b.throttled(a, l))
		}
		behind := func(k timeline.Kind, at timeline.Frame, work float64) {
			a := via.lost(0, ns)
			a.Kind, a.At, a.NS, a.Queued = k, at, part*work, true
			a.Trust *= b.running
			a.Chain = b.link(via.chain, Link{timeline.GoScheduler, at, Behind})
			out(a)
			if denied > 0 {
				a.NS, a.Chain = part*denied*work/busy, b.link(via.chain, Link{timeline.GoScheduler, timeline.Nowhere, Behind})
				a.Denied = true
				out(b.throttled(a, l))
			}
		}
		if l.gc > 0 {
			behind(timeline.GC, b.allocator, l.gc)
		}
		for _, w := range l.top {
			behind(b.queued(), timeline.Frame{Fn: w.fn}, w.ns)
		}
	})
}

// behindNobody is time that a goroutine was runnable while Ps were free, as far as anybody saw.
func behindNobody(via route, ns float64) Atom {
	a := via.lost(0, 0)
	a.Kind, a.NS, a.Queued = timeline.GoScheduler, ns, true
	a.Trust *= unexplainedTrust
	return a
}

// throttled makes an atom of time in which threads wanted a CPU one of the quota, if that was used up.
func (b *Blamer) throttled(a Atom, l *load) Atom {
	if l.isThrottled() {
		return b.spent(a)
	}
	return a
}

// queued is what kind of cause it is that a goroutine's turn comes late.
func (b *Blamer) queued() timeline.Kind {
	if b.Procs > 0 && b.CPUs > b.Procs {
		return timeline.GoScheduler
	}
	return timeline.CPU
}

// pollEvery is how long it can take until the runtime looks at the network when no P is free to do
// so: sysmon does if nobody has for 10 ms, and itself sleeps for up to 10 ms.
const pollEvery = int64(20e6)

// pollsFrom is from when on the answer of a network wait may have been there, and nobody looked: while the world stands still,
// nobody does for as long as that lasts.
func (b *Blamer) pollsFrom(p *timeline.Piece, s timeline.Span) int64 {
	if s.To < p.To {
		return s.To
	}
	return max(s.From, min(s.To-pollEvery, b.stillSince(s.To)))
}

// unpolled charges the end of a network wait during which all Ps were busy to what they did: the
// reply may have been there, and nobody looked. It returns how much that was.
func (b *Blamer) unpolled(s timeline.Span, via route, out func(Atom)) float64 {
	return b.queueWhile(b.isFull, s, via, out)
}

// queueWhile charges the cells of a network wait that are so to those who had the Ps or the CPUs, and returns how much that was: not
// the time in which nobody is seen to have had them. The reply may have come just then: a holder's wait stays the resource's.
func (b *Blamer) queueWhile(is func(*load) bool, s timeline.Span, via route, out func(Atom)) (sum float64) {
	held := func(a Atom) {
		if a.Kind == timeline.GoScheduler && a.At == timeline.Nowhere {
			return
		}
		sum += a.NS
		a.Queued = false
		out(a)
	}
	at := s.From
	b.eachCell(s.From, s.To, func(l *load, ns int64) {
		if is(l) {
			b.queueForP(timeline.Span{From: at, To: at + ns}, via, held)
		}
		at += ns
	})
	return sum
}
