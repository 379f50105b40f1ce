package profiler

import (
	"fmt"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Options.Events: samples where something happens that is not time. Each event has a program and a ring of its own, so that what is lost of
// one is not lost of another.

// EventNames are the events that Options.Events may have, by perf's names.
func EventNames() []string { return bpf.EventNames() }

// attachEvents opens what is asked for.
func (r *recording) attachEvents(l *goruntime.Layout) error {
	for _, name := range r.options.Events {
		s, err := r.openEvent(name, l)
		if err != nil {
			return fmt.Errorf("event %s: %w", name, err)
		}
		r.events = append(r.events, &event{name: name, source: s})
	}
	return nil
}

func (r *recording) openEvent(name string, l *goruntime.Layout) (*bpf.OnCPU, error) {
	e, err := bpf.FindEvent(name)
	if err != nil {
		return nil, err
	}
	return bpf.Open(r.target, bpf.Options{Rate: allowedRate(r.options.Rate), Layout: l, Event: &e, OnExec: r.options.Pending != nil})
}

// eventNames are the columns that the profile has of them.
func (r *recording) eventNames() (names []string) {
	for _, e := range r.events {
		names = append(names, e.name)
	}
	return names
}

// finishEvents says how often they happened.
func (r *recording) finishEvents() {
	for _, e := range r.events {
		now := e.source.Stats()
		st := now.Since(e.before)
		e.before = now
		c := sample.EventCount{Name: e.name, Count: st.Events, Samples: st.Samples, Lost: st.Lost, Counted: 1}
		if st.Enabled > 0 {
			c.Counted = float64(st.Running) / float64(st.Enabled)
		}
		r.summary.Events.Counts = append(r.summary.Events.Counts, c)
		if st.Unsampled != nil {
			r.deny(fmt.Sprintf("event %s on some CPUs: %v", e.name, st.Unsampled))
		}
	}
}

// eventsCost is what their programs have taken.
func (r *recording) eventsCost() (d time.Duration) {
	for _, e := range r.events {
		d += e.source.Cost()
	}
	return d
}
