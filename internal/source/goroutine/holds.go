package goroutine

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// For how long goroutines live, and have the values of their labels. A goroutine has a value from the tick that finds it
// with it until the one that finds it without, or it ends. Two label sets that are equal and not at one address are those of
// two calls of pprof.Do: the second one begins anew. Where sets differ, what they have in common goes on: a nested
// pprof.Do adds a label to those that its goroutine has.

const (
	maxHeldKeys   = 16  // labels that are looked at
	maxHeldValues = 128 // values of one; if there are more they are "(other)", all of them
	maxHeldRows   = 32  // that are reported, those that were seen most often
	maxHeldText   = 256 // bytes of a key or value: texts are kept after all who had them have ended
)

// holds are the lifetimes of goroutines and of the values of their labels.
type holds struct {
	clock *clock
	keys  map[string]*heldKey
	all   spread // of goroutines
	free  []*holding

	scopes map[uint64]*scope // by g.labels
	left   []*scope          // to be used again
}

func newHolds(c *clock) holds {
	return holds{clock: c, keys: make(map[string]*heldKey), scopes: make(map[uint64]*scope)}
}

// heldKey is the values of a label.
type heldKey struct {
	values map[string]*spread
	other  *spread // nil as long as values are told apart
}

// spread is how long something lasted.
type spread struct {
	key, value string
	into       *spread // what counts for it, once its values are not told apart any more
	unknown    int64
	ended      [sample.LifetimeBins]uint32
	alive      [sample.LifetimeBins]uint32 // as of the last report
}

// holding is the labels of a goroutine, and since when it has them.
type holding struct {
	set  *labelSet
	addr uint64 // g.labels
	list []held // for each label of set

	from   int64  // since when it has the set; 0: not known
	scope  *scope // nil: not followed
	tick   uint32 // that found the goroutine in it
	begins bool   // that tick was the first to find the goroutine, which is new
}

// held is a value that a goroutine has; from is 0 when it is not known since when.
type held struct {
	of   *spread
	from int64
}

// enter enters the labels that a goroutine was found with, gap ns after it was read before.
func (h *holds) enter(sl *slot, j *job, gap int64) {
	old, set := sl.held, j.seen.set
	if set == noSet || set != nil && len(set.Labels) == 0 {
		set = nil
	}
	switch {
	case old == nil && set == nil, old != nil && old.addr == j.labels && old.set == set:
		return
	case old != nil && set != nil && old.addr == j.labels && slices.Equal(old.set.Labels, set.Labels):
		old.set = set // the same, read again
		return
	}
	border := j.at - gap/2
	from := border
	if gap > 2*h.clock.period || sl.birth == from && !sl.fresh {
		from = 0
	}
	sl.held = nil
	if set != nil {
		sl.held = h.take(old, set, j.labels, from)
		h.join(sl.held, sl, j)
	}
	if old != nil {
		h.drop(old, border)
	}
}

// take makes a holding of a set. It takes from the holding before what goes on.
func (h *holds) take(old *holding, set *labelSet, addr uint64, from int64) *holding {
	x := pop(&h.free)
	x.set, x.addr, x.list, x.from = set, addr, x.list[:0], from
	anew := old == nil || slices.Equal(old.set.Labels, set.Labels)
	for _, l := range set.Labels {
		if !anew {
			if i := slices.Index(old.set.Labels, l); i >= 0 {
				x.list = append(x.list, old.list[i])
				old.list[i].of = nil
				continue
			}
		}
		of := h.spread(l)
		if of != nil && from == 0 {
			of.unknown++
		}
		x.list = append(x.list, held{of, from})
	}
	return x
}

// pop takes one from a list of those that are not used any more, or makes one.
func pop[T any](list *[]*T) *T {
	n := len(*list)
	if n == 0 {
		return new(T)
	}
	x := (*list)[n-1]
	*list = (*list)[:n-1]
	return x
}

// drop ends what is left of a holding.
func (h *holds) drop(x *holding, at int64) {
	for _, l := range x.list {
		l.end(at)
	}
	h.leave(x)
	clear(x.list)
	x.set = nil
	h.free = append(h.free, x)
}

func (l held) end(at int64) {
	if s := l.counts(); s != nil {
		s.ended[sample.LifetimeBinOf(at-l.from)]++
	}
}

// counts is where a value whose begin is known counts, nil for others.
func (l held) counts() *spread {
	if l.of == nil || l.from == 0 {
		return nil
	}
	if l.of.into != nil {
		return l.of.into
	}
	return l.of
}

// over enters the end of a goroutine.
func (h *holds) over(sl *slot, at int64) {
	if sl.held != nil {
		h.drop(sl.held, at)
		sl.held = nil
	}
	if sl.fresh && !sl.vague {
		h.all.ended[sample.LifetimeBinOf(at-sl.birth)]++
	} else {
		h.all.unknown++
	}
}

// spread is where a label counts, nil if it does not.
func (h *holds) spread(l sample.Label) *spread {
	if len(l.Key) > maxHeldText || len(l.Value) > maxHeldText {
		return nil
	}
	k := h.keys[l.Key]
	if k == nil {
		if len(h.keys) == maxHeldKeys {
			return nil
		}
		k = &heldKey{values: make(map[string]*spread)}
		h.keys[strings.Clone(l.Key)] = k
	}
	if k.other != nil {
		return k.other
	}
	s := k.values[l.Value]
	if s == nil {
		s = &spread{key: strings.Clone(l.Key), value: strings.Clone(l.Value)}
		k.values[s.value] = s
		k.merge()
		if k.other != nil {
			return k.other
		}
	}
	return s
}

// merge makes one of all values when there are too many.
func (k *heldKey) merge() {
	if len(k.values) <= maxHeldValues {
		return
	}
	k.other = &spread{value: sample.OtherValue}
	for _, s := range k.values {
		k.other.key = s.key
		k.other.unknown += s.unknown
		for i, n := range s.ended {
			k.other.ended[i] += n
		}
		s.into = k.other
	}
	k.values = nil
}

// report is the lifetimes as of now: of all goroutines, then of the values that were seen most often.
func (h *holds) report(chunks []*chunk) []sample.Lifetimes {
	values, old := h.values(), int64(0)
	clear(h.all.alive[:])
	for _, s := range values {
		clear(s.alive[:])
	}
	living(chunks, func(_ *chunk, sl *slot) {
		if !h.living(sl) {
			old++
		}
	})
	slices.SortFunc(values, func(a, b *spread) int {
		return cmp.Or(cmp.Compare(b.seen(), a.seen()), strings.Compare(a.key, b.key), strings.Compare(a.value, b.value))
	})
	rows := []sample.Lifetimes{h.all.row()}
	rows[0].Unknown += old
	for _, s := range values[:min(len(values), maxHeldRows)] {
		rows = append(rows, s.row())
	}
	return rows
}

// values is every value that is counted.
func (h *holds) values() (list []*spread) {
	for _, k := range h.keys {
		list = append(list, k.spreads()...)
	}
	return list
}

// spreads are those of all values, in no order.
func (k *heldKey) spreads() (list []*spread) {
	if k.other != nil {
		return []*spread{k.other}
	}
	for _, s := range k.values {
		list = append(list, s)
	}
	return list
}

// living enters a goroutine that lives, and says whether it was seen to begin.
func (h *holds) living(sl *slot) bool {
	if sl.held != nil {
		for _, l := range sl.held.list {
			if s := l.counts(); s != nil {
				s.alive[sample.LifetimeBinOf(sl.now.to-l.from)]++
			}
		}
	}
	if !sl.fresh || sl.vague {
		return false
	}
	h.all.alive[sample.LifetimeBinOf(sl.now.to-sl.birth)]++
	return true
}

// seen is how often the value was seen.
func (s *spread) seen() int64 {
	n := s.unknown
	for i := range s.ended {
		n += int64(s.ended[i]) + int64(s.alive[i])
	}
	return n
}

func (s *spread) row() sample.Lifetimes {
	row := sample.Lifetimes{Key: s.key, Value: s.value, Unknown: s.unknown}
	for i, ended := range s.ended {
		if alive := s.alive[i]; ended+alive > 0 {
			row.Bins = append(row.Bins, sample.LifetimeBin{Below: sample.LifetimeBelow(i), Ended: int64(ended), Alive: int64(alive)})
		}
	}
	row.Estimate()
	return row
}
