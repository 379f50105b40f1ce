package goroutine

import (
	"cmp"
	"slices"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// A label set at one address is that of one call of pprof.Do or SetGoroutineLabels: a scope. Goroutines that are started
// in it begin with it. One that lives on when the goroutine that set the labels has left the scope keeps them, whatever it
// does then: the reader of a connection that was dialled for a request, a worker that a pool started during one. Its time
// counts for that request's labels.
//
// What is reported is proved: the goroutine was found with the set the first time that it was found, when another had it
// already, and that one has left; or several have had it since before the recording, and their common parent has ended. And
// the label is one that is taken and left all the time, for much less long.

const (
	maxScopes  = 1 << 16
	maxMembers = 16

	leastTaken = 20                     // that often a label was taken and left, or it is none of requests
	timesUsual = 10                     // that much longer than usual,
	leastKept  = 100 * time.Millisecond // and that long at least, is a label kept
)

// scope is who has a label set.
type scope struct {
	holders int
	members []member // who was found with it, maxMembers at most, in the order in which they were
}

// member is a goroutine, and the tick that found it with the set.
type member struct {
	goid  uint64
	tick  uint32
	begun bool // before, with other labels: it set these
}

// giver is the goroutine that one has its set from, 0 if that is not proved: its parent, who has set the labels, or who had
// them at an earlier tick.
func (x *holding) giver(parent uint64) uint64 {
	if !x.begins {
		return 0
	}
	for _, m := range x.scope.members {
		if m.goid == parent && m.tick <= x.tick {
			return parent
		}
	}
	for _, m := range x.scope.members {
		if m.tick < x.tick || m.begun && m.tick == x.tick {
			return m.goid
		}
	}
	return 0
}

// Kept says that goroutines have labels of somebody who has left them, or ended.
type Kept struct {
	Created    uint64       // the return address of the go statement that started them
	Label      sample.Label // of one of them
	Goroutines int64
	Time       int64 // for how long they have had it, together, as far as it was seen, ns
	Usual      int64 // nine of ten who took and left the label had it for less, ns
}

// join enters a holding into its scope.
func (h *holds) join(x *holding, sl *slot, j *job) {
	s := h.scopes[x.addr]
	if s == nil {
		if len(h.scopes) == maxScopes {
			return
		}
		s = pop(&h.left)
		h.scopes[x.addr] = s
	}
	x.scope, x.tick, x.begins = s, h.clock.tick, sl.fresh && !sl.vague && sl.born == h.clock.tick
	if s.holders++; len(s.members) < maxMembers {
		s.members = append(s.members, member{j.key.goid, x.tick, sl.born < x.tick})
	}
}

// leave takes a holding out of its scope.
func (h *holds) leave(x *holding) {
	if s := x.scope; s != nil {
		if s.holders--; s.holders == 0 {
			delete(h.scopes, x.addr)
			s.members = s.members[:0]
			h.left = append(h.left, s)
		}
	}
	x.scope = nil
}

// kept finds the goroutines that have labels of a scope that was left, as of now.
func (h *holds) kept(chunks []*chunk, began int64) []Kept {
	holders := make(map[*scope][]*slot)
	asked := make(map[uint64]*slot) // givers and parents
	living(chunks, func(_ *chunk, sl *slot) {
		if x := sl.held; x != nil && x.scope != nil && len(asked) < maxScopes {
			holders[x.scope] = append(holders[x.scope], sl)
			asked[x.giver(sl.now.parent)], asked[sl.now.parent] = nil, nil
		}
	})
	living(chunks, func(_ *chunk, sl *slot) {
		if _, ok := asked[sl.key.goid]; ok {
			asked[sl.key.goid] = sl
		}
	})
	usual := h.usual()
	rows := make(map[Kept]*Kept) // by where they were created, and the label's key
	for _, list := range holders {
		if !left(list, asked) {
			continue
		}
		for _, sl := range list {
			sl.keeps(rows, usual, began)
		}
	}
	var all []Kept
	for _, row := range rows {
		all = append(all, *row)
	}
	slices.SortFunc(all, func(a, b Kept) int { return cmp.Or(cmp.Compare(b.Time, a.Time), cmp.Compare(a.Created, b.Created)) })
	return all[:min(len(all), maxHeldRows)]
}

// left says whether it is proved that all who have a set have it from others who have it no more.
func left(list []*slot, living map[uint64]*slot) bool {
	old := 0
	for _, sl := range list {
		x := sl.held
		from := x.giver(sl.now.parent)
		switch giver := living[from]; {
		case from != 0 && giver != nil && giver.within(x):
			return false
		case from != 0:
		case sl.fresh || x.from != 0 || sl.now.parent == 0 || living[sl.now.parent] != nil || sl.now.parent != list[0].now.parent:
			return false
		default:
			old++
		}
	}
	return old != 1
}

// within says whether a goroutine has the labels of a holding: them, or others beside them in a nested pprof.Do.
func (sl *slot) within(x *holding) bool {
	has := sl.held
	if has == nil || has.addr == x.addr {
		return has != nil
	}
	if len(has.set.Labels) <= len(x.set.Labels) {
		return false
	}
	for _, l := range x.set.Labels {
		if !slices.Contains(has.set.Labels, l) {
			return false
		}
	}
	return true
}

// keeps enters a goroutine that has a label for much longer than is usual.
func (sl *slot) keeps(rows map[Kept]*Kept, usual map[string]int64, began int64) {
	x := sl.held
	lasts := sl.now.to - max(x.from, began)
	for _, l := range x.set.Labels {
		most, ok := usual[l.Key]
		if !ok || lasts < max(timesUsual*most, int64(leastKept)) {
			continue
		}
		key := Kept{Created: sl.now.created, Label: sample.Label{Key: l.Key}}
		row := rows[key]
		if row == nil {
			row = &Kept{Created: sl.now.created, Label: l, Usual: most}
			rows[key] = row
		}
		row.Goroutines++
		row.Time += lasts
		return
	}
}

// usual is for how long labels are had that are taken and left all the time: nine of ten times that were seen to end.
func (h *holds) usual() map[string]int64 {
	usual := make(map[string]int64)
	for key, k := range h.keys {
		var all spread
		for _, s := range k.spreads() {
			for i, n := range s.ended {
				all.ended[i] += n
			}
		}
		if row := all.row(); row.Ended >= leastTaken {
			usual[key] = row.Quantile(0.9)
		}
	}
	return usual
}
