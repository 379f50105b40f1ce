package goroutine

import "time"

// Stays are emitted when they end, and about once a second while they last. Who wants all that is
// known up to a moment asks for it: a tick looks at all goroutines, so that every stay reaches at
// least to that moment, and all stays are emitted up to there. What stays behind is little: the
// stacks that are put off while a large table is taken in, and stays whose beginning is still open
// (stay.go); they follow, whole, when they are decided.
//
// In a table of more than flushMost goroutines that would be too much at once. There a flush hands
// over what has been emitted, and a stay that lasts comes as late as it always does.

const flushMost = int(flushEvery / flushEach)

// batch is events that go from the sampling thread to Run.
type batch struct {
	events []event
	flush  chan struct{} // to be closed when they have been emitted; nil if nobody waits
}

// Flush returns when all that was seen before the call has been emitted, or when Run has returned.
// It is for another goroutine than the one in Run, one at a time.
func (t *Table) Flush() { t.flushes.Flush(nil) }

// step is one tick, with a flush if there is one to do.
func (r *recorder) step(flush bool) error {
	s := r.scan
	if !flush {
		return s.step()
	}
	s.countStops(s.stops)
	r.countBirths()
	if s.n > flushMost {
		return s.step()
	}
	full := s.o.Full
	s.o.Full = true
	err := s.step()
	s.o.Full = full
	for _, c := range s.chunks {
		s.flush(c, s.now())
	}
	return err
}

// Since is what was counted since an earlier reading of the same Table: Begin is the end of that
// reading. What is no count (Complete, Lowest, BackOff, Slowest) is as of now.
func (s Stats) Since(before Stats) Stats {
	if before.End == 0 {
		return s
	}
	d := s
	d.Begin = before.End
	for _, x := range []struct{ now, then *int64 }{
		{&d.Missed, &before.Missed}, {&d.Samples, &before.Samples}, {&d.Reads, &before.Reads}, {&d.Unread, &before.Unread},
		{&d.Seen, &before.Seen}, {&d.New, &before.New}, {&d.Created, &before.Created}, {&d.Runs, &before.Runs},
		{&d.Walked, &before.Walked}, {&d.Torn, &before.Torn}, {&d.Rootless, &before.Rootless},
		{&d.Truncated, &before.Truncated}, {&d.LabelsLost, &before.LabelsLost}, {&d.LabelsForeign, &before.LabelsForeign},
	} {
		*x.now -= *x.then
	}
	d.Ticks -= before.Ticks
	d.CPU -= before.CPU
	d.GC = s.GC.since(before.GC)
	for i := range d.Lives {
		d.Lives[i].Seen -= before.Lives[i].Seen
		d.Lives[i].At100 -= before.Lives[i].At100
	}
	d.Reached = 0
	if length := time.Duration(d.End - d.Begin); length > 0 {
		d.Reached = float64(d.Ticks) / length.Seconds()
	}
	return d
}
