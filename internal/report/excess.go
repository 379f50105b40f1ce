package report

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/blame"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

const (
	// enough requests of each set are blamed; more change nothing but the time that it takes.
	enough = 1500
	// rounds of the bootstrap.
	rounds = 400
)

// causeKey is what time is charged to.
type causeKey struct {
	kind timeline.Kind
	fn   int32
}

// account is where the time of one request went, by cause.
type account map[causeKey]spent

// spent is ns. Time in which other processes had the CPUs is charged to them, as os-scheduler; for
// whose work a CPU was wanted then is counted beside, as denied: had there been no such work, nobody
// would have waited for a CPU.
type spent struct{ own, denied float64 }

func (s spent) add(o spent, weight float64) spent {
	return spent{s.own + weight*o.own, s.denied + weight*o.denied}
}

// excess is how much longer the slow requests took than the fast ones, by cause: means in ns.
type excess struct {
	causes []weighed // of all causes, largest first
	total  float64   // of the whole requests
	slow   []account
	fast   []account
	detail map[causeKey]*detail
}

type weighed struct {
	causeKey
	slow, fast spent
}

func (w weighed) excess() float64 { return w.slow.own - w.fast.own }
func (w weighed) denied() float64 { return w.slow.denied - w.fast.denied }

// weight is how much of the excess there would be no more without the cause.
func (w weighed) weight() float64 { return w.excess() + w.denied() }

// others is time in which other processes had the CPUs.
var others = causeKey{timeline.OSScheduler, -1}

// detail is what is known of a cause beyond its key, weighed by the slow requests' time.
type detail struct {
	lines  map[int32]float64
	chains map[int32]float64
	states map[int32]float64
	stacks map[int32]float64
	wheres map[int32]float64
	limits map[int32]float64
	proofs map[blame.Proof]float64
	trust  float64 // ns times how sure the links are
	all    float64 // ns
}

func newDetail() *detail {
	m := func() map[int32]float64 { return make(map[int32]float64) }
	return &detail{lines: m(), chains: m(), states: m(), stacks: m(), wheres: m(), limits: m(), proofs: make(map[blame.Proof]float64)}
}

func (d *detail) add(a blame.Atom) {
	d.lines[a.At.Line] += a.NS
	d.chains[a.Chain] += a.NS
	d.states[a.State] += a.NS
	if a.State >= 0 {
		d.stacks[a.Stack] += a.NS
	} else {
		d.stacks[-1] += a.NS
	}
	d.wheres[a.Where] += a.NS
	d.limits[int32(a.Limit)] += a.NS
	d.proofs[a.Proof] += a.NS
	d.trust += a.Trust * a.NS
	d.all += a.NS
}

// compare blames the time of slow and fast requests.
func (b reporter) compare(slow, fast []*timeline.Request, rng *rand.Rand) *excess {
	e := &excess{detail: map[causeKey]*detail{}}
	slow, fast = draw(slow, rng), draw(fast, rng)
	for _, r := range slow {
		e.slow = append(e.slow, b.account(r, e.detail))
	}
	for _, r := range fast {
		e.fast = append(e.fast, b.account(r, nil))
	}
	e.total = meanLength(slow) - meanLength(fast)
	e.causes = weigh(e.slow, e.fast)
	return e
}

// draw is at most enough of the requests, at random.
func draw(all []*timeline.Request, rng *rand.Rand) []*timeline.Request {
	if len(all) <= enough {
		return all
	}
	some := make([]*timeline.Request, enough)
	for i, k := range rng.Perm(len(all))[:enough] {
		some[i] = all[k]
	}
	return some
}

func meanLength(rs []*timeline.Request) float64 {
	sum := 0.0
	for _, r := range rs {
		sum += float64(r.Length())
	}
	return sum / float64(max(len(rs), 1))
}

// account charges the time of one request, and adds to what is known of its causes.
func (b reporter) account(r *timeline.Request, details map[causeKey]*detail) account {
	acc := account{}
	b.Follow(r, func(a blame.Atom) {
		k := causeKey{a.Kind, a.At.Fn}
		if a.Denied {
			acc[k] = acc[k].add(spent{denied: a.NS}, 1)
			k = others
		}
		acc[k] = acc[k].add(spent{own: a.NS}, 1)
		if details == nil {
			return
		}
		d := details[k]
		if d == nil {
			d = newDetail()
			details[k] = d
		}
		d.add(a)
	})
	return acc
}

// heaviest is the key with most time, the smallest of equals.
func heaviest(m map[int32]float64) int32 {
	best, most := int32(0), -1.0
	for k, ns := range m {
		if ns > most || ns == most && k < best {
			best, most = k, ns
		}
	}
	return best
}

// weigh is the mean time of each cause in both sets, in the order of the excess.
func weigh(slow, fast []account) []weighed {
	m := map[causeKey]*weighed{}
	add := func(set []account, to func(*weighed) *spent) {
		for _, acc := range set {
			for k, s := range acc {
				if m[k] == nil {
					m[k] = &weighed{causeKey: k}
				}
				sum := to(m[k])
				*sum = sum.add(s, 1/float64(len(set)))
			}
		}
	}
	add(slow, func(w *weighed) *spent { return &w.slow })
	add(fast, func(w *weighed) *spent { return &w.fast })
	all := make([]weighed, 0, len(m))
	for _, w := range m {
		all = append(all, *w)
	}
	sortCauses(all)
	return all
}

func sortCauses(all []weighed) {
	slices.SortFunc(all, func(a, b weighed) int {
		return cmp.Or(cmp.Compare(b.weight(), a.weight()), cmp.Compare(a.kind, b.kind), cmp.Compare(a.fn, b.fn))
	})
}

// top is the kind without which most of the excess would not be, and its function that explains most of
// the kind's. What other processes keep from the CPU and what the CPU is wanted for multiply: either of
// them gone, the wait is gone. So what a CPU was wanted for counts for the work, too. Of the program's
// own functions only the largest is taken so: without any work there would be no requests.
func top(causes []weighed) (best weighed, of, second kindWeight) {
	var byKind, own [timeline.Kinds]float64
	most := 0.0
	for _, w := range causes {
		byKind[w.kind] += w.excess()
		own[w.kind] += w.excess()
		if w.kind == timeline.CPU {
			most = max(most, w.denied())
			continue
		}
		byKind[w.kind] += w.denied()
	}
	byKind[timeline.CPU] += most
	for k, weight := range byKind {
		if weight > of.weight {
			of = kindWeight{timeline.Kind(k), weight}
		}
	}
	for k, weight := range own { // and not what both of two kinds would do away with
		if timeline.Kind(k) != of.kind && weight > second.weight {
			second = kindWeight{timeline.Kind(k), weight}
		}
	}
	if i := slices.IndexFunc(causes, func(w weighed) bool { return w.kind == of.kind }); i >= 0 && of.weight > 0 {
		return causes[i], of, second
	}
	return weighed{causeKey: causeKey{timeline.Unknown, -1}}, kindWeight{}, kindWeight{}
}

// kindWeight is how much of the excess a kind explains.
type kindWeight struct {
	kind   timeline.Kind
	weight float64
}

// What an answer is worth at most: so many were right, of those that the links and the requests gave more, on services that nobody
// had looked at before (docs/report.md).
const (
	guessed   = 0.8  // without the target's trace: 15 of 19 at most
	traced    = 0.95 // with it: 19 of 20
	inside    = 0.7  // for an answer that the process itself may give: less than where it comes from another one
	contended = 0.55 // for CPU time that was wanted for longer than it was had: what had it is as much the cause
	lonely    = 0.75 // with fewer fast requests than compared to compare with: 8 of 10, by the rule of few
)

// compared is how many fast requests it takes to know what takes time in all of them.
const compared = 10

// weigh takes from the confidence what the links are not sure of.
func (c *Cause) weigh(d *detail, seen timeline.Evidence) {
	c.Evidence = timeline.ByTime
	if d == nil || d.all <= 0 {
		c.Confidence = min(c.Confidence, guessed)
		return
	}
	proof, most := blame.Guessed, 0.0
	for p, ns := range d.proofs {
		if ns > most || ns == most && p > proof {
			proof, most = p, ns
		}
	}
	c.Evidence = proof.Evidence(seen)
	c.Confidence = min(c.Confidence*d.trust/d.all, traced)
	if seen != timeline.ByTrace || c.Evidence == timeline.ByTime {
		c.Confidence = min(c.Confidence, guessed)
	}
	if c.Share < half {
		c.Confidence = min(c.Confidence, c.Share+oneOfSeveral)
	}
}

const (
	// nearly is from which share of a cause on another kind explains nearly as much: looks and drawn states are not more exact.
	nearly = 0.8
	// either is what an answer is worth at most when there is another one that explains nearly as much.
	either = 0.55
)

// beside says whether another kind explains nearly as much.
func (c *Cause) beside(of, second kindWeight) {
	if second.weight > nearly*of.weight && second.kind != timeline.Unknown {
		c.Also = second.kind.String()
		c.Confidence = min(c.Confidence, either)
	}
}

// within caps the confidence of a wait for an answer that this process itself gives, or may give: where the walk did not go
// on into it, the cause may be what its handler waits for.
func (b reporter) within(c *Cause) {
	if c.Kind == timeline.Network && (c.Peer == "" || b.Own(c.Peer)) {
		c.Confidence = min(c.Confidence, inside)
	}
}

// few caps the confidence of an answer that rests on a few requests: drawn again they are the same ones. That n of n are alike is
// worth (n+1)/(n+2), by Laplace's rule of succession. And where hardly any request was fast, nothing tells what makes them slow from what
// they all spend time on.
func (c *Cause) few(slow, fast int) {
	n := float64(slow)
	if c.Confidence = min(c.Confidence, (n+1)/(n+2)); fast < compared {
		c.Confidence = min(c.Confidence, lonely)
	}
}

// oneOfSeveral is what is added to the share of a cause that explains less than half: so much is it worth to name it.
const oneOfSeveral = 0.1

// confidence is how often the same cause comes out when the requests are drawn again.
func (e *excess) confidence(rng *rand.Rand) float64 {
	want, _, _ := top(e.causes)
	same := 0
	slow, fast := e.flat(e.slow), e.flat(e.fast)
	again := make([]weighed, len(e.causes))
	for range rounds {
		for i, w := range e.causes {
			again[i] = weighed{causeKey: w.causeKey}
		}
		redraw(slow, rng, func(x entry, weight float64) { again[x.cause].slow = again[x.cause].slow.add(x.spent, weight) })
		redraw(fast, rng, func(x entry, weight float64) { again[x.cause].fast = again[x.cause].fast.add(x.spent, weight) })
		byWeight := slices.Clone(again)
		sortCauses(byWeight)
		if got, _, _ := top(byWeight); got.causeKey == want.causeKey {
			same++
		}
	}
	return float64(same) / rounds
}

// entry is a line of an account; cause is a place in excess.causes.
type entry struct {
	cause int
	spent
}

// flat is accounts as lists, which are walked hundreds of times.
func (e *excess) flat(set []account) [][]entry {
	place := make(map[causeKey]int, len(e.causes))
	for i, w := range e.causes {
		place[w.causeKey] = i
	}
	lists := make([][]entry, len(set))
	for i, acc := range set {
		for k, s := range acc {
			lists[i] = append(lists[i], entry{place[k], s})
		}
	}
	return lists
}

// redraw draws as many accounts as there are, and calls add for their lines with the weight of a request.
func redraw(set [][]entry, rng *rand.Rand, add func(x entry, weight float64)) {
	for range set {
		for _, x := range set[rng.IntN(len(set))] {
			add(x, 1/float64(len(set)))
		}
	}
}

// ruledOut is the kinds that explain nothing, as far as the requests tell: less than a twentieth, and that are not among those
// named. What somebody waits for who holds a lock is charged to the lock, and not ruled out.
func (e *excess) ruledOut(named []timeline.Kind) []Ruled {
	var sum [timeline.Kinds]Ruled
	for _, w := range e.causes {
		s := &sum[w.kind]
		s.Slow += int64(w.slow.own)
		s.Fast += int64(w.fast.own)
	}
	out := []Ruled{}
	for k := range sum {
		s := sum[k]
		s.Kind, s.Share = timeline.Kind(k), float64(s.Slow-s.Fast)/max(e.total, 1)
		if s.Share < 0.05 && !slices.Contains(named, s.Kind) && s.Kind != timeline.Children && s.Kind != timeline.Unknown {
			out = append(out, s)
		}
	}
	return out
}
