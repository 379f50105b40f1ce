package groundtruth

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"

	"golang.org/x/exp/trace"
)

// Goroutines is what an execution trace says of all goroutines.
type Goroutines struct{ intervals map[uint64][]interval }

// interval is a time that a goroutine spent in one state.
type interval struct {
	from, to int64
	state    string
	onThread bool // it ran or was in a system call: what the thread did decides
	tid      int
}

// ReadTrace reads a file with an execution trace of Go 1.25 or later; earlier ones do not tell how
// their clock relates to CLOCK_MONOTONIC.
func ReadTrace(name string) (*Goroutines, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("execution trace: %w", err)
	}
	defer f.Close()
	in, err := trace.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("execution trace: %w", err)
	}
	t := &traceReader{open: make(map[uint64]interval), all: make(map[uint64][]interval)}
	for {
		ev, err := in.ReadEvent()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("execution trace: %w", err)
		}
		t.event(&ev)
	}
	return t.finish()
}

type traceReader struct {
	open  map[uint64]interval
	all   map[uint64][]interval
	clock []trace.ClockSnapshot
	last  trace.Time
}

func (t *traceReader) event(ev *trace.Event) {
	t.last = ev.Time()
	switch ev.Kind() {
	case trace.EventSync:
		if c := ev.Sync().ClockSnapshot; c != nil {
			t.clock = append(t.clock, *c)
		}
	case trace.EventStateTransition:
		if st := ev.StateTransition(); st.Resource.Kind == trace.ResourceGoroutine {
			t.transition(ev, &st)
		}
	}
}

func (t *traceReader) transition(ev *trace.Event, st *trace.StateTransition) {
	from, to := st.Goroutine()
	if from == to { // said again at the beginning of a generation
		return
	}
	goid, at := uint64(st.Resource.Goroutine()), int64(ev.Time())
	if s, ok := t.open[goid]; ok {
		s.to = at
		t.all[goid] = append(t.all[goid], s)
		delete(t.open, goid)
	}
	s := interval{from: at}
	switch to {
	case trace.GoRunning, trace.GoSyscall:
		s.onThread, s.tid = true, int(ev.Thread())
	case trace.GoRunnable:
		s.state = "runnable"
	case trace.GoWaiting:
		s.state = st.Reason
	default: // it ended
		return
	}
	t.open[goid] = s
}

// finish ends what is open and turns the trace's clock into CLOCK_MONOTONIC.
func (t *traceReader) finish() (*Goroutines, error) {
	if len(t.clock) == 0 {
		return nil, errors.New("execution trace: no clock snapshot: it was written by Go 1.24 or earlier")
	}
	for goid, s := range t.open {
		s.to = int64(t.last)
		t.all[goid] = append(t.all[goid], s)
	}
	for _, all := range t.all {
		for i := range all {
			all[i].from, all[i].to = t.monotonic(all[i].from), t.monotonic(all[i].to)
		}
	}
	return &Goroutines{t.all}, nil
}

// monotonic is a time of the trace as CLOCK_MONOTONIC: by the two snapshots around it, or the
// nearest one.
func (t *traceReader) monotonic(at int64) int64 {
	i := sort.Search(len(t.clock), func(i int) bool { return int64(t.clock[i].Trace) > at })
	if i == 0 || i == len(t.clock) {
		c := t.clock[max(i-1, 0)]
		return int64(c.Mono) + at - int64(c.Trace)
	}
	a, b := t.clock[i-1], t.clock[i]
	part := float64(at-int64(a.Trace)) / float64(b.Trace-a.Trace)
	return int64(a.Mono) + int64(part*float64(b.Mono-a.Mono))
}
