// Package watch decides, slice by slice of a recording, whether requests break an objective: over one window, or by the rate at which
// the error budget burns. It sees profiles and counts, and nothing of the process.
package watch

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/report"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/internal/when"
)

// Options say what is watched. SLO and Window are needed.
type Options struct {
	SLO     report.SLO
	Request timeline.Selector // what a request is, by Func or Label; the zero value: what the SLO says, else a call of a server function
	Window  time.Duration     // that the objective is held against, and that has to be within it to be called healthy
	Burns   []Burn            // if there are any, one of them is what a breach is; an objective about a mean has no budget to burn
}

// Counts are requests that ended until some time and after the counts before, and how many of them took the limit or longer.
type Counts struct {
	At        time.Time
	All, Over int
}

// State is what there is to say after some counts.
type State struct {
	Breach string // that the objective is broken, in words; "" if it is not, or not surely
	Met    bool   // the last whole window had requests, and as it was it met the objective
	Counts        // of the last window
}

// Alarm follows requests. It is for one goroutine at a time.
type Alarm struct {
	Options
	requests *when.Watch
	totals   []Counts // since the begin, by time; the first is from before all windows
	began    time.Time
	keep     time.Duration
}

// New returns an alarm that has seen nothing.
func New(o Options) *Alarm {
	objective := o.SLO.Objective()
	if o.Request == (timeline.Selector{}) {
		o.Request = o.SLO.Request()
	}
	a := &Alarm{Options: o, keep: o.Window, requests: when.NewRequestWatch(objective.Breach(), o.Window, o.Request)}
	for _, b := range o.Burns {
		a.keep = max(a.keep, b.Long)
	}
	return a
}

// Follow takes up the next slice of a recording with a timeline, and returns its requests for Count, unless somebody knows better.
func (a *Alarm) Follow(p *profile.Profile) Counts {
	from := time.Unix(0, p.TimeNanos)
	if a.began.IsZero() {
		a.began = from
	}
	ended := a.requests.Follow(p)
	return Counts{from.Add(time.Duration(p.DurationNanos)), ended.All, ended.Over}
}

// Count takes up the counts that follow those before.
func (a *Alarm) Count(c Counts) State {
	if a.began.IsZero() {
		a.began = c.At
	}
	if len(a.totals) == 0 {
		a.totals = []Counts{{At: a.began}}
	}
	last := a.totals[len(a.totals)-1]
	a.totals = append(a.totals, Counts{c.At, last.All + c.All, last.Over + c.Over})
	if old := a.before(a.keep); old > len(a.totals)/2 { // not each time: there may be 260,000
		a.totals = slices.Delete(a.totals, 0, old)
	}
	s := State{Counts: a.over(a.Window)}
	whole := c.At.Sub(a.began) >= a.Window
	if a.SLO.Quantile == 0 {
		a.judgeMean(&s, whole)
		return s
	}
	s.Met = whole && s.All > 0 && float64(s.Over) <= (1-a.SLO.Quantile)*float64(s.All)
	s.Breach = a.breach(s.Counts)
	return s
}

// before is the last of the totals that is from before a window that ends now, or the first.
func (a *Alarm) before(window time.Duration) int {
	from := a.totals[len(a.totals)-1].At.Add(-window)
	n, _ := slices.BinarySearchFunc(a.totals, from, func(c Counts, from time.Time) int {
		if c.At.After(from) {
			return 1
		}
		return -1
	})
	return max(n-1, 0)
}

// over adds up a window that ends now.
func (a *Alarm) over(window time.Duration) Counts {
	now, was := a.totals[len(a.totals)-1], a.totals[a.before(window)]
	return Counts{now.At, now.All - was.All, now.Over - was.Over}
}

func (a *Alarm) breach(last Counts) string {
	if len(a.Burns) == 0 {
		if !a.SLO.Exceeds(last.Over, last.All) {
			return ""
		}
		return fmt.Sprintf("%s: %d of %d requests in %s took %s or longer", a.SLO, last.Over, last.All, tidy(a.Window), a.SLO.Limit)
	}
	for _, b := range a.Burns {
		short, long := a.over(b.Short), a.over(b.Long)
		fast, slow := a.rate(short, b.Short), a.rate(long, b.Long)
		if fast >= b.Rate && slow >= b.Rate && a.SLO.Exceeds(short.Over, short.All) {
			return fmt.Sprintf("%s: the error budget burns %.1fx over %s and %.1fx over %s, %d of %d requests took %s or longer", a.SLO,
				slow, tidy(b.Long), fast, tidy(b.Short), short.Over, short.All, a.SLO.Limit)
		}
	}
	return ""
}

// rate is how many times as fast as allowed the budget burnt in a window. What was before the first slice counts as if as many
// requests had come and none had been slow: an hour of which ten minutes were seen says little about the hour.
func (a *Alarm) rate(c Counts, window time.Duration) float64 {
	seen := c.At.Sub(a.began)
	all := float64(c.All)
	if seen < window {
		all *= float64(window) / float64(max(seen, 1))
	}
	return float64(c.Over) / max(all, 1) / (1 - a.SLO.Quantile)
}

func (a *Alarm) judgeMean(s *State, whole bool) {
	mean, n := a.requests.Value()
	s.Met = whole && n > 0 && mean < float64(a.SLO.Limit)
	if a.SLO.ExceedsMean(a.requests.Lengths()) {
		is := time.Duration(mean).Round(10 * time.Microsecond)
		s.Breach = fmt.Sprintf("%s: the mean of %d requests in %s is %s", a.SLO, n, tidy(a.Window), is)
	}
}

// tidy prints a duration without units that are 0: 5m.
func tidy(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
