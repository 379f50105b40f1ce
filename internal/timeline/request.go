package timeline

import (
	"slices"
	"strings"
)

// Bridge is how long a goroutine may look as if it had left a function, in a state in which its
// stack is that of an earlier moment.
const Bridge = int64(20e6)

// Request is one request: a stretch of the life of one goroutine, and what the goroutines did that
// worked for it.
type Request struct {
	ID       string // the label's value, "" for other selectors
	Main     *Track
	Kids     []*Track
	From, To int64
	Labels   int32 // of each one the value that it had longest
	Exact    bool  // begin and end were recorded, not seen by scans
	Stream   bool  // has no end of its own: a stream of events, a connection taken over, a streaming call
	Learnt   bool  // the labels are those of others with the same handler
	Unknown  bool  // the labels are not known: no scan saw the request for long enough, and nothing was learnt of its handler

	seen bool // a moment of it was seen with labels
}

// Length is how long the request took, ns.
func (r *Request) Length() int64 { return r.To - r.From }

// NameOf is the labels of a request, or the function of its goroutine if it has none.
func (t *Timeline) NameOf(r *Request) string {
	var names []string
	for k, v := range t.Labels[r.Labels] {
		names = append(names, k+"="+v)
	}
	if len(names) == 0 {
		return t.Started(r.Main)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// Span is a stretch of a goroutine's life.
type Span struct {
	Track    *Track
	From, To int64
	Fn       int32 // of a hold: the function that the goroutine is in
}

// Group is requests that have the value of a label in common.
type Group struct {
	Label, Value string
	Requests     []*Request
}

// Groups are the requests by the value of a label, the largest group first; without a key all are one.
func (t *Timeline) Groups(all []*Request, key string) []Group {
	if key == "" {
		return []Group{{Requests: all}}
	}
	by := map[string][]*Request{}
	for _, r := range all {
		v := t.Labels[r.Labels][key]
		by[v] = append(by[v], r)
	}
	var gs []Group
	for v, rs := range by {
		gs = append(gs, Group{key, v, rs})
	}
	slices.SortFunc(gs, func(a, b Group) int {
		if d := len(b.Requests) - len(a.Requests); d != 0 {
			return d
		}
		return slices.Compare([]string{a.Value}, []string{b.Value})
	})
	return gs
}
