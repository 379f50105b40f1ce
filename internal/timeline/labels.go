package timeline

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A request need not have its labels from its begin to its end: a middleware sets them when it knows the route, what that calls sets
// more, and a part of it may have others. It is one request all the same, with what it did before, and of each label it has the value
// that it had longest.

const (
	// many is how many values make a label one that may tell requests apart.
	many = 16
	// mostValues is how many values of a label are remembered, mostKeys of how many labels.
	mostValues = 256
	mostKeys   = 64
)

// Identifying finds out which labels tell requests apart: those with many values, most of which one request takes, once. A route may
// have as many values, but one request after the other takes the same.
type Identifying struct{ keys map[string]*taken }

// taken is how often goroutines took a value of a label.
type taken struct {
	values       map[string]bool
	times, again int // in all, and a value that was taken before
}

// NewIdentifying knows no labels.
func NewIdentifying() *Identifying { return &Identifying{keys: make(map[string]*taken)} }

// Take counts that a goroutine takes a value of a label for a request.
func (x *Identifying) Take(key, value string) {
	k := x.keys[key]
	if k == nil {
		if len(x.keys) == mostKeys {
			return
		}
		k = &taken{values: make(map[string]bool)}
		x.keys[key] = k
	}
	k.times++
	switch {
	case k.values[value]:
		k.again++
	case len(k.values) < mostValues:
		k.values[value] = true
	}
}

// tells says whether a label tells requests apart.
func (k *taken) tells() bool { return len(k.values) > many && k.again*3 < k.times }

// Keys are the labels that tell requests apart, sorted.
func (x *Identifying) Keys() []string {
	var keys []string
	for key, k := range x.keys {
		if k.tells() {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Differ says whether two label sets, of which a and b tell the values, "" for none, are those of two requests: one of the labels that
// tell requests apart is another, and none is the same. Within a trace one span follows the other.
func (x *Identifying) Differ(a, b func(key string) string) (other bool) {
	for key, k := range x.keys {
		if u, v := a(key), b(key); u != "" && v != "" && k.tells() {
			if u == v {
				return false
			}
			other = true
		}
	}
	return other
}

// identifying are the labels that tell requests apart, by the stacks that are inside one; where there are none, by all. Who is started
// with labels has not taken them.
func (t *Timeline) identifying(inside []bool) *Identifying {
	ids := NewIdentifying()
	any := slices.Contains(inside, true)
	for _, g := range t.Tracks {
		var last map[string]string
		labels := int32(0)
		for i := range g.Pieces {
			p := &g.Pieces[i]
			if p.Labels == 0 || p.Labels == labels || any && !inside[p.Stack] {
				continue
			}
			if labels = p.Labels; last == nil {
				last = make(map[string]string)
			}
			for k, v := range t.Labels[labels] {
				if had := last[k]; had != v && (had != "" || !t.inherits(g, k, v)) {
					ids.Take(k, v)
				}
				last[k] = v
			}
		}
	}
	return ids
}

// inherits says whether the goroutine that started g had a value of a label then.
func (t *Timeline) inherits(g *Track, key, value string) (had bool) {
	parent, born := t.ByID[g.Parent], g.Pieces[0].From
	if parent == nil {
		return false
	}
	parent.During(born-Near, born+1, func(p *Piece, _, _ int64) { had = had || t.Labels[p.Labels][key] == value })
	return had
}

// differ says whether two label sets belong to different requests.
func (t *Timeline) differ(a, b int32, ids *Identifying) bool {
	if a == b || a == 0 || b == 0 {
		return false
	}
	return ids.Differ(func(key string) string { return t.Labels[a][key] }, func(key string) string { return t.Labels[b][key] })
}

// labeller finds the labels of requests.
type labeller struct {
	*Timeline
	ids  *Identifying
	sets map[string]int32 // those that are none of a goroutine's, by content
}

// label finds the labels of a request: of each one the value that its goroutine had longest, where it was seen with any; the
// goroutines that it started speak for one that had none.
func (l *labeller) label(r *Request) {
	left, last, own := leftOf(r)
	replaced := left != 0 && last != left
	all, seen := l.times(r, replaced, r.Main)
	if len(seen) == 0 {
		_, seen = l.times(r, replaced, r.Kids...)
	}
	if r.seen = len(seen) > 0 && (own || left == 0); len(seen) == 0 {
		seen = all
	}
	r.Labels = l.longest(seen)
}

// leftOf is the labels that the request before left on, 0 if there are none, those that this one had last, and whether it has got any of
// its own. With the same ones at its end it has not replaced them: something that it did had others.
func leftOf(r *Request) (left, last int32, own bool) {
	r.Main.During(r.From, r.To, func(p *Piece, _, _ int64) {
		switch {
		case p.Labels == 0:
			return
		case p.Left:
			left = p.Labels
		default:
			own = true
		}
		last = p.Labels
	})
	return left, last, own
}

// times is for how long some goroutines had which labels during a request, and for how long they were seen with them; those that were
// replaced do not count.
func (l *labeller) times(r *Request, replaced bool, of ...*Track) (all, seen map[int32]int64) {
	all, seen = make(map[int32]int64), make(map[int32]int64)
	for _, g := range of {
		g.During(r.From, r.To, func(p *Piece, from, to int64) {
			if p.Labels == 0 || p.Left && replaced {
				return
			}
			if all[p.Labels] += to - from; !p.Unseen {
				seen[p.Labels] += to - from
			}
		})
	}
	return all, seen
}

// longest is the label set of the values that were there longest, of equals the first in order.
func (l *labeller) longest(times map[int32]int64) int32 {
	ids := slices.Sorted(maps.Keys(times))
	switch len(ids) {
	case 0:
		return 0
	case 1:
		return ids[0]
	}
	byKey := map[string]map[string]int64{}
	for _, id := range ids {
		for k, v := range l.Labels[id] {
			if byKey[k] == nil {
				byKey[k] = map[string]int64{}
			}
			byKey[k][v] += times[id]
		}
	}
	set := make(map[string]string, len(byKey))
	for k, values := range byKey {
		for _, v := range slices.Sorted(maps.Keys(values)) {
			if had, ok := set[k]; !ok || values[v] > values[had] {
				set[k] = v
			}
		}
	}
	for _, id := range ids {
		if maps.Equal(set, l.Labels[id]) {
			return id
		}
	}
	return l.add(set)
}

// add is the number of a label set.
func (l *labeller) add(set map[string]string) int32 {
	name := content(set)
	id, ok := l.sets[name]
	if !ok {
		id = int32(len(l.Labels))
		l.sets[name] = id
		l.Labels = append(l.Labels, set)
	}
	return id
}

// content is a label set as a word.
func content(set map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(set)) {
		b.WriteString(strconv.Quote(k) + strconv.Quote(set[k]))
	}
	return b.String()
}
