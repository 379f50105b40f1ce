package timeline

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
)

// A kept connection handles one request after the other, and scans need not see it idle in between: a client that has the next
// request ready leaves it no time. What tells two requests apart then is a stack between them that has left the handler, another
// handler, or another value of a label that tells requests apart.

// stretches finds where goroutines are inside a function.
type stretches struct {
	*Timeline
	inside, gap []bool  // by stack
	entry       []int32 // the handler, by stack
	named       bool    // the function is one that somebody names, and no server's handler: it begins when it is called
	ids         *Identifying
	all         []*Request
}

// stretch is the request that a goroutine is inside.
type stretch struct {
	*Request
	labels, entry int32 // that it had last
}

func (w *stretches) of(g *Track) {
	open := stretch{entry: -1}
	for i := range g.Pieces {
		p := &g.Pieces[i]
		switch {
		case !w.inside[p.Stack]:
			if open.Request != nil && w.ends(&open, p) {
				open = stretch{entry: -1}
			}
			continue // a stale piece is part of the request if the function comes back
		case open.Request == nil || w.another(&open, p):
			open = stretch{&Request{Main: g, From: w.woken(g.Pieces[:i], p.From)}, 0, -1}
			w.all = append(w.all, open.Request)
		}
		open.To = p.To
		if p.Labels != 0 && !p.Left {
			open.labels = p.Labels
		}
		if e := w.entry[p.Stack]; e >= 0 && !p.Guess {
			open.entry = e
		}
	}
}

// woken is when a connection's goroutine was woken for a request whose handler begins at a time: from then on it waits for a P or for a
// CPU, and reads the request. before is what it did until then.
func (w *stretches) woken(before []Piece, at int64) int64 {
	if w.named {
		return at
	}
	for _, p := range slices.Backward(before) {
		m := w.Stacks[p.Stack].marks
		if p.To != at || p.Guess || p.Waits() || m&keeps == 0 || m&(handles|answers) != 0 {
			break
		}
		at = p.From
	}
	return at
}

// ends says whether a piece outside is not one that only looks so, as its stack is of another moment.
func (w *stretches) ends(open *stretch, p *Piece) bool {
	if w.faults(p) {
		return false
	}
	stale := (p.Stale() || w.gap[p.Stack]) && p.Length() < Bridge
	return !stale || w.differ(open.labels, p.Labels, w.ids) || w.leaves(p, open.labels)
}

// faults says whether a goroutine waits for a page: it runs all the while, as far as Go knows, and so does not come out of its handler,
// whatever stack it is said to have, which is that of its last sample.
func (w *stretches) faults(p *Piece) bool {
	s := &w.Stacks[p.Stack]
	return p.Kind == Syscall && w.States[p.State] == State{Name: "syscall"} && s.marks&answers == 0 && !w.Has(s, names.SystemCalls)
}

// leaves says whether a piece shows that a connection's goroutine is out of its handler. Of who waits for a CPU the stack may be that
// of its last sample, which was taken with the same labels: it says so if those are not the request's.
func (w *stretches) leaves(p *Piece, labels int32) bool {
	return w.Stacks[p.Stack].idle() && !p.Guess && p.Kind != Stopped && (!p.Kind.Denied() || labels != 0 && p.Labels == 0)
}

// another says whether a piece is of another request than the one before it.
func (w *stretches) another(open *stretch, p *Piece) bool {
	e := w.entry[p.Stack]
	return w.differ(open.labels, p.Labels, w.ids) || !p.Guess && !p.Kind.Denied() && e >= 0 && open.entry >= 0 && e != open.entry
}

// passOn are what net/http calls a handler through: they call one for a request.
var passOn = slices.Concat(names.ServeHTTP, names.PassRequest)

// entryOf is the program's function that net/http calls as the handler, -1 if another is between: that one may call several.
func (t *Timeline) entryOf(frames []Frame) int32 {
	at := slices.IndexFunc(frames, func(f Frame) bool { return names.Match(t.Funcs[f.Fn].Name, names.ServeHTTP) })
	for at--; at >= 0; at-- {
		f := frames[at].Fn
		if !names.Match(t.Funcs[f].Name, passOn) {
			if t.Funcs[f].App {
				return f
			}
			break
		}
	}
	return -1
}
