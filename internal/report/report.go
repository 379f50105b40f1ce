// Package report names the cause of slow requests from a profile with a timeline.
//
//	groups, err := report.New(p, report.Options{SLO: slo, Request: sel})
//
// It finds the requests in the profile (package timeline), splits the slow from the fast, follows what the slow ones waited for
// to what caused the waiting (package blame), and compares with the fast ones of the same window (excess.go). It sees a profile
// and nothing else.
package report

import (
	"cmp"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/blame"
	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// New reports on the requests in p, one report for each group, the worst first. It uses p's samples
// up: they are not needed any more when they were read, and there are many.
func New(p *profile.Profile, o Options) ([]*Report, error) {
	t, err := timeline.ReadAll(p)
	if err != nil {
		return nil, err
	}
	return Of(t, o)
}

// NewFrom is New for samples that come one by one, as those of a samples.File do. head is the profile without them.
func NewFrom(head *profile.Profile, samples iter.Seq[*profile.Sample], o Options) ([]*Report, error) {
	t, err := timeline.Read(head, samples)
	if err != nil {
		return nil, err
	}
	return Of(t, o)
}

// Of reports on a timeline, whatever it was read from.
func Of(t *timeline.Timeline, o Options) ([]*Report, error) {
	found, unknown, err := o.find(t)
	if err != nil {
		return nil, err
	}
	b := reporter{blame.New(t)}
	var reports []*Report
	for _, g := range t.Groups(found.Whole, o.By) {
		r := b.report(g, unknown, o)
		r.Unfinished, r.Streams, r.Evidence = found.Cut, found.Streams, t.Evidence
		r.Notes = append(append(r.Notes, before(t.Accepts)...), o.Notes...)
		r.recording, r.trace = o.Recording, o.Trace
		reports = append(reports, r)
	}
	setAside(reports, o.SLO)
	rank := map[Verdict]int{Broken: 0, Undecided: 1, Met: 2, Few: 3}
	slices.SortStableFunc(reports, func(a, b *Report) int { return rank[a.Verdict] - rank[b.Verdict] })
	return reports, nil
}

// setAside makes the undecided groups that have too few requests, whatever they were, ones that are not judged, as
// long as any other is.
func setAside(reports []*Report, o SLO) {
	few := func(r *Report) bool { return r.Verdict == Undecided && r.Requests < o.fewest() }
	if !slices.ContainsFunc(reports, func(r *Report) bool { return !few(r) }) {
		return
	}
	for _, r := range reports {
		if few(r) {
			r.Verdict = Few
		}
	}
}

// find returns the requests that the objective is about, at least one that is whole, and those that may be among them, or in
// one of their groups: their labels are not known.
func (o *Options) find(t *timeline.Timeline) (found timeline.Found, unknown []*timeline.Request, err error) {
	request := o.Request
	if request == (timeline.Selector{}) {
		request = o.SLO.Request()
	}
	if found = t.Find(request); o.Hanging {
		o.hang(&found)
	}
	n := len(found.Whole)
	if n == 0 {
		return found, nil, fmt.Errorf("no whole request in %s of profile: %s", short(float64(t.To-t.From)),
			printable.Line(request.Hint(found.Cut)))
	}
	c := o.SLO.Objective().Condition
	var among []*timeline.Request
	grouped := o.By == ""
	for _, r := range found.Whole {
		_, has := t.Labels[r.Labels][o.By]
		switch {
		case r.Unknown && (o.By != "" || len(c.Labels) > 0):
			unknown = append(unknown, r)
		case c.Matches(t.Labels[r.Labels]):
			among, grouped = append(among, r), grouped || has
		}
	}
	if !grouped && len(c.Labels) == 0 {
		o.Notes = append(slices.Clip(o.Notes), fmt.Sprintf("no request has the label %s: all are one group", o.By))
		return found, nil, nil
	}
	if found.Whole = among; len(among) == 0 {
		return found, nil, fmt.Errorf("none of %d whole requests has the labels of %s: see them with --worst 3", n,
			printable.Line(o.SLO.String()))
	}
	return found, unknown, nil
}

// hang adds the parts that took the limit or longer to the whole requests.
func (o *Options) hang(f *timeline.Found) {
	n := len(f.Whole)
	for _, r := range f.Parts {
		if r.Length() >= int64(o.SLO.Limit) {
			f.Whole = append(f.Whole, r)
		}
	}
	if n = len(f.Whole) - n; n == 0 {
		return
	}
	f.Cut -= n
	slices.SortStableFunc(f.Whole, func(a, b *timeline.Request) int { return cmp.Compare(a.From, b.From) })
	o.Notes = append(slices.Clip(o.Notes), fmt.Sprintf("%d requests began before the recording or had not ended with it: they took longer "+
		"than is seen of them", n))
}

// report says what there is to say about one group, to which any of unknown may belong.
func (b reporter) report(g timeline.Group, unknown []*timeline.Request, o Options) *Report {
	lengths := lengthsOf(g.Requests)
	var slow, fast []*timeline.Request
	for _, r := range g.Requests {
		if r.Length() >= int64(o.SLO.Limit) {
			slow = append(slow, r)
		} else {
			fast = append(fast, r)
		}
	}
	r := &Report{
		SLO: o.SLO.String(), Group: map[string]string{}, Requests: len(g.Requests), Slow: len(slow),
		P99: quantile(lengths, 0.99), Value: o.SLO.value(lengths), Window: Window{b.From, b.To},
		SlowMean: int64(meanLength(slow)), FastMean: int64(meanLength(fast)),
		Scans: b.Scans, Short: b.short(g.Requests, lengths), Causes: []Charge{},
		States: States{b.meanStates(slow), b.meanStates(fast)}, RuledOut: []Ruled{}, Labels: []Skew{}, Notes: []string{},
	}
	for _, q := range g.Requests {
		if q.Learnt {
			r.Learnt++
		}
	}
	if g.Label != "" {
		r.Group[g.Label] = g.Value
	}
	others := lengthsOf(unknown)
	r.Verdict, r.Why = o.SLO.judgeAmong(lengths, others)
	r.Unknown, r.all = len(others), o.SLO.measure(together(lengths, others))
	if r.Verdict == Broken && len(slow) > 0 {
		rng := rand.New(rand.NewPCG(uint64(len(slow)), uint64(len(fast))))
		e := b.compare(slow, fast, rng)
		r.Cause = b.cause(e, g, rng)
		r.Causes = b.charges(e)
		r.RuledOut = e.ruledOut(append(r.Cause.passed, r.Cause.Kind))
		r.Labels = b.skewed(slow, fast, o)
		r.view = b.newView(slow, fast, r.States, rng)
	}
	return r
}

// lengthsOf is how long requests took, ns, ascending.
func lengthsOf(rs []*timeline.Request) []int64 {
	lengths := make([]int64, len(rs))
	for i, r := range rs {
		lengths[i] = r.Length()
	}
	slices.Sort(lengths)
	return lengths
}

// cause puts the largest part of the excess into words.
func (b reporter) cause(e *excess, g timeline.Group, rng *rand.Rand) *Cause {
	w, of, second := top(e.causes)
	c := &Cause{Kind: w.kind, Share: of.weight / max(e.total, 1), Confidence: e.confidence(rng), Chain: []string{}, alone: len(e.fast) == 0,
		traced: b.Evidence == timeline.ByTrace}
	c.Share = min(max(c.Share, 0), 1)
	d := e.detail[w.causeKey]
	if d != nil {
		steps := b.ending(heaviest(d.chains), w)
		for _, s := range steps {
			c.passed = append(c.passed, s.Kind)
		}
		c.Chain = b.words(steps)
		if s := heaviest(d.states); s >= 0 {
			c.Peer = b.States[s].Peer + b.States[s].Call
			if strings.HasPrefix(c.Peer, "unconnected ") {
				c.Peer = "" // its own address
			}
		}
		c.Limit = int(heaviest(d.limits))
		if s := heaviest(d.stacks); s >= 0 {
			c.what, c.role = b.Stacks[s].For.What, b.Stacks[s].For.Role
		}
	}
	c.weigh(d, b.Evidence)
	b.within(c)
	c.beside(of, second)
	if w.kind == timeline.CPU && w.denied() > w.excess() {
		c.Confidence = min(c.Confidence, contended)
	}
	c.few(len(e.slow), len(e.fast))
	if names := b.callers(w, d); len(names) > 0 {
		c.Chain = append(c.Chain, "called by "+strings.Join(names, ", "))
	}
	if w.fn >= 0 {
		f := b.Funcs[w.fn]
		c.Function, c.File, c.Line = f.Name, f.File, int64(f.Line)
		if d != nil {
			c.Line = cmp.Or(int64(heaviest(d.lines)), c.Line)
		}
	}
	if c.Kind == timeline.Quota {
		c.Quota = b.Timeline.Quota
	}
	c.Sentence, c.Remedy = c.sentence(g), c.remedy()
	return c
}

// mostCallers is how many of those are named that call the cause's function.
const mostCallers = 3

// callers are the application's functions that call the cause's, the nearest first: it may be one that many
// share.
func (b reporter) callers(w weighed, d *detail) (names []string) {
	stack := int32(-1)
	if d != nil {
		stack = heaviest(d.wheres)
	}
	if stack <= 0 && w.kind == timeline.CPU {
		stack = b.BusiestStack(w.fn)
	}
	if stack <= 0 || w.fn < 0 {
		return nil
	}
	below := true
	for _, f := range b.Stacks[stack].Frames {
		switch fn := &b.Funcs[f.Fn]; {
		case f.Fn == w.fn:
			below = false
		case !below && fn.App && len(names) < mostCallers:
			names = append(names, shortName(fn.Name))
		}
	}
	return names
}

// short is how many requests lasted for less than two scans. The shorter one is, the likelier it was
// not seen at all; so the others weigh too much in quantiles. Of recorded calls none is missing.
func (b reporter) short(rs []*timeline.Request, lengths []int64) int {
	if b.Scans == 0 || rs[0].Exact {
		return 0
	}
	i, _ := slices.BinarySearch(lengths, int64(2e9/b.Scans))
	return i
}

// charges are the causes that explain a twentieth of the excess or more, five at most.
func (b reporter) charges(e *excess) []Charge {
	out := []Charge{}
	for _, w := range e.causes[:min(len(e.causes), 5)] {
		c := Charge{Kind: w.kind, Slow: int64(w.slow.own), Fast: int64(w.fast.own), Share: w.excess() / max(e.total, 1),
			Denied: w.denied() / max(e.total, 1)}
		if w.fn >= 0 {
			c.Function = b.Funcs[w.fn].Name
		}
		if c.Share >= 0.05 {
			out = append(out, c)
		}
	}
	return out
}

// meanStates is the mean time in each state of the requests' own goroutines.
func (b reporter) meanStates(rs []*timeline.Request) map[timeline.Kind]int64 {
	var sum [timeline.Kinds]int64
	for _, r := range rs {
		at := r.From
		r.Main.During(r.From, r.To, func(p *timeline.Piece, from, to int64) {
			sum[p.Kind] += to - from
			sum[timeline.Unknown] += max(from-at, 0)
			at = to
		})
		sum[timeline.Unknown] += max(r.To-at, 0)
	}
	m := map[timeline.Kind]int64{}
	for k, ns := range sum {
		if len(rs) > 0 {
			m[timeline.Kind(k)] = ns / int64(len(rs))
		}
	}
	return m
}

// ending is the steps of a chain, the last of which says what the cause itself is.
func (b reporter) ending(chain int32, w weighed) []blame.Link {
	steps := b.ChainOf(chain)
	last := blame.Link{Kind: w.kind, At: timeline.Frame{Fn: w.fn}, Role: blame.WaitsFor}
	for _, s := range steps {
		if s.Kind == w.kind && s.At.Fn == w.fn {
			return steps
		}
	}
	return append(steps, last)
}
