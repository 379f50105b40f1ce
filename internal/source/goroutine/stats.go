package goroutine

import (
	"time"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Stats say how the sampling went.
type Stats struct {
	Begin, End int64 // CLOCK_MONOTONIC of the first and the last tick
	Complete   int64 // and of the end of the first by which every goroutine had been read; 0: never
	Ticks      int64
	Missed     int64         // ticks that were due while an earlier one was late or still busy
	Asked      float64       // Hz
	Reached    float64       // ticks per second, measured
	Lowest     float64       // Hz: the lowest rate that the budget enforced; Asked when it never did
	BackOff    int           // the most ticks for which the budget left quiet goroutines alone; 32 (4 in a timeline) when it never did
	CPU        time.Duration // of the sampling thread, by its own clock
	Slowest    time.Duration // the longest tick
	RealTime   bool          // the sampling thread had real-time priority (SCHED_FIFO)

	Samples    int64 // emitted
	Reads      int64 // pieces of the table that were read
	Goroutines int64 // slots of the table, those of dead goroutines included
	Unwatched  int64 // goroutines beyond what is watched, at most at a time
	Unread     int64 // readings that failed: memory that could not be read, unknown statuses

	Seen    int64 // goroutines seen at all
	New     int64 // of them, created while recording
	Procs   int   // GOMAXPROCS at the beginning; 0: not known
	Created int64 // goroutines that the runtime created while recording, by its own count of ids
	Lives   [len(lifeBounds) + 1]sample.Life
	// Lifetimes are of all goroutines, then of the values of labels that were seen most often, since the beginning. They are as
	// of the last Flush or, of very many goroutines, empty until the end.
	Lifetimes []sample.Lifetimes
	Kept      []Kept // goroutines that have labels of somebody who has left them; as of the same
	Runs      int64  // times that a goroutine ran and stopped between two ticks, modulo 256 each

	GC GC

	NoPeers error // why it is not known who goroutines wait for; nil if it is

	Walked        int64 // stacks
	Torn          int64 // stacks that were dropped because the goroutine ran while they were read
	Rootless      int64 // stacks that were dropped because they do not end below a goroutine
	Truncated     int64 // stacks that are deeper than what is read, or lead into C
	LabelsLost    int64 // readings whose label set could not be read: it was gone before it was
	LabelsForeign int64 // goroutines whose g.labels points to something else than a label set
}

var lifeBounds = [...]time.Duration{
	500 * time.Microsecond, time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond,
}

func bucket(life time.Duration) int {
	for i, b := range lifeBounds {
		if life < b {
			return i
		}
	}
	return len(lifeBounds)
}

// finish computes what follows from the rest.
func (s *Stats) finish() {
	for i := range s.Lives[:len(lifeBounds)] {
		s.Lives[i].Below = lifeBounds[i]
	}
	if d := s.End - s.Begin; d > 0 && s.Ticks > 1 {
		s.Reached = float64(s.Ticks-1) / time.Duration(d).Seconds()
	}
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
