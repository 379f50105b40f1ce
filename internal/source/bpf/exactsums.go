//go:build amd64 || arm64

package bpf

import (
	"fmt"
	"strconv"
	"time"
	"unsafe"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

const (
	labelsPartial = 1 // LABELS_PARTIAL in exact.bpf.c

	maxSets  = 1 << 16 // label sets of all generations that are known at a time
	idleFor  = 3       // readings after which what has not changed may be forgotten
	crowding = 8192    // totals, MAX_TOTALS / 4, from which on it is
)

// exactSums adds up the differences between readings of exact.bpf.c's totals, which are for places in the target's memory, by
// what lies there.
type exactSums struct {
	sets    map[exactSet]*labelText
	seen    map[exactWho]*reading
	newest  uint64 // generation
	round   int
	sums    map[sumKey]*CPUTime
	decoder decoder
	partial int64
}

type exactSet struct{ set, gen uint64 }

// labelText is a label set, and a text that equal ones have in common.
type labelText struct {
	text   string
	labels []sample.Label
	whole  bool
	used   int // the round
}

type reading struct {
	total   exactTotal
	changed int // the round
}

type sumKey struct {
	who  Counted
	text string
}

func newExactSums() *exactSums {
	return &exactSums{
		sets: make(map[exactSet]*labelText), seen: make(map[exactWho]*reading), sums: make(map[sumKey]*CPUTime),
	}
}

const exactRecordSize = int(unsafe.Sizeof(exactSetRecord{}))

// learn takes in a label set.
func (s *exactSums) learn(raw []byte) error {
	if len(raw) < exactRecordSize {
		return fmt.Errorf("%w: %d bytes", errRecord, len(raw))
	}
	var r exactSetRecord
	k := exactSet{u64(raw, unsafe.Offsetof(r.Set)), u64(raw, unsafe.Offsetof(r.Gen))}
	n, size := u32(raw, unsafe.Offsetof(r.Nlabels)), u32(raw, unsafe.Offsetof(r.LabelBytes))
	whole := u32(raw, unsafe.Offsetof(r.Flags))&labelsPartial == 0
	if raw = raw[exactRecordSize:]; uint64(size) > uint64(len(raw)) {
		return fmt.Errorf("%w: %d bytes of labels", errRecord, size)
	}
	labels, err := s.decoder.labelSet(raw[:size], int(n))
	if err != nil {
		return err
	}
	t := &labelText{labels: labels, whole: whole, used: s.round}
	for _, l := range labels { // the bytes between them are any
		t.text += strconv.Quote(l.Key) + strconv.Quote(l.Value)
	}
	if !t.whole {
		s.partial++
	}
	if len(s.sets) < maxSets {
		s.sets[k] = t
	}
	return nil
}

func (s *exactSums) begin() { s.round++ }

// add takes in a reading of one total.
func (s *exactSums) add(w exactWho, t exactTotal) {
	r := s.seen[w]
	if r == nil {
		r = &reading{changed: s.round}
		s.seen[w] = r
	}
	s.newest = max(s.newest, w.Gen)
	if t == r.total {
		return
	}
	ns, stints := int64(t.Ns-r.total.Ns), int64(t.Stints-r.total.Stints)
	edges := int64(t.Edges - r.total.Edges)
	r.total, r.changed = t, s.round
	x := s.sum(w)
	x.Time += time.Duration(ns)
	x.Stints += stints
	x.Edges += edges
}

// sum is the sum that a total is a part of.
func (s *exactSums) sum(w exactWho) *CPUTime {
	var k sumKey
	var labels []sample.Label
	switch exactKinds(w.Kind) {
	case exactKindsOF_NONE:
		k.who = NoGoroutine
	case exactKindsOF_UNKNOWN:
		k.who = UnknownGoroutine
	case exactKindsOF_PROBES:
		k.who = Probes
	}
	if w.Set != 0 {
		t := s.sets[exactSet{w.Set, w.Gen}]
		if t == nil || !t.whole {
			k.who = UnknownLabels
		} else {
			k.text, labels, t.used = t.text, t.labels, s.round
		}
	}
	x := s.sums[k]
	if x == nil {
		x = &CPUTime{Who: k.who, Labels: labels}
		s.sums[k] = x
	}
	return x
}

// end returns the totals that may be forgotten: they are of an earlier generation, or there are many, and they have not
// changed for a while. Label sets of earlier generations go with them.
func (s *exactSums) end() (gone []exactWho) {
	crowded := len(s.seen) > crowding
	for w, r := range s.seen {
		if s.round-r.changed >= idleFor && (crowded || w.Gen < s.newest) {
			gone = append(gone, w)
			delete(s.seen, w)
		}
	}
	for k, t := range s.sets {
		if k.gen < s.newest && s.round-t.used >= 2*idleFor {
			delete(s.sets, k)
		}
	}
	return gone
}

// take returns the sums and begins anew. What the traps took is the probes'.
func (s *exactSums) take(st *ExactStats) []CPUTime {
	probes := s.sum(exactWho{Kind: uint64(exactKindsOF_PROBES)})
	edges, total := int64(0), time.Duration(0)
	for _, x := range s.sums {
		took := time.Duration(x.Edges) * st.Trap / 2
		x.Time -= took
		edges += x.Edges
		total += x.Time + took
	}
	probes.Edges, probes.Time = edges, probes.Time+time.Duration(edges)*st.Trap/2
	all := make([]CPUTime, 0, len(s.sums))
	for _, x := range s.sums {
		if x.Time != 0 || x.Stints != 0 {
			x.Error = st.errorOf(x, total)
			all = append(all, *x)
		}
	}
	clear(s.sums)
	return all
}

// Of struct traps and counters in exact.bpf.c; and how many traps are enough to know what one takes.
const (
	trapStep   = 32 * time.Nanosecond
	trapSteps  = 256
	trapEnough = 500

	movedUnit = 1024 // ns: of SQUARES
)

// meanTrap is what a trap takes: the mean, for it is their sum that is taken off. Those that took several times the median were
// interrupted.
func meanTrap(steps *[trapSteps]uint64, all uint64) time.Duration {
	median, n, sum := 0, uint64(0), 0.0
	for i, m := range steps {
		if n > 0 && i > 4*median {
			break
		}
		if 2*n < all {
			median = i
		}
		n += m
		sum += float64(m) * (float64(i) + 0.5)
	}
	return time.Duration(sum / float64(max(n, 1)) * float64(trapStep))
}
