package timeline

import (
	"slices"
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
)

// In a trace every state is exact, and so are the borders of requests. A request begins when its goroutine is started, or when the wait
// before it ends, or when it came in where that is known; it ends when its answer is written, else when the next begins or its
// goroutine does. Under load the next request of a connection is often there already and nobody waits for it: then the read that fetches
// it is the border.

// served finds the requests of all servers in a trace.
func (t *Timeline) served() []*Request {
	var all []*Request
	for _, g := range t.Tracks {
		all = t.servedBy(g, all)
	}
	return all
}

func (t *Timeline) servedBy(g *Track, all []*Request) []*Request {
	r := &Request{Main: g, From: t.beginOf(g), Exact: true}
	seen := marks(0)
	flushed, sent := 0, int64(0)
	end := func(at, next int64) {
		if r.To = at; sent > r.From {
			r.To = sent
		}
		next = max(next, r.To)
		if seen&(handles|answers) != 0 && seen&profiling == 0 {
			r.Stream = seen&streams != 0 || flushed >= severalFlushes
			all = append(all, r)
		}
		r = &Request{Main: g, From: next, Exact: true}
		seen, flushed, sent = 0, 0, 0
	}
	for i := range g.Pieces {
		p := &g.Pieces[i]
		m := t.Stacks[p.Stack].marks
		switch {
		case p.Waits() && m&outside != 0 && p.Stack != t.Nothing && t.States[p.State] != unsent:
			end(p.From, p.To)
			continue
		case seen&(handles|answers) != 0 && (m&reads != 0 && m&handles == 0 && t.inCall(p) || t.States[p.State] == readable):
			end(p.From, t.cameFor(g, p)) // it is there already, and nobody waits for it
		}
		if m&keeps == 0 {
			m &^= answers // somebody's client
		}
		if seen |= m; m&flushes != 0 {
			flushed++
		}
		if m&answers != 0 && t.inCall(p) {
			sent = p.From // the client has the answer before the write returns
		}
	}
	end(t.endOf(g), 0)
	return all
}

// inCall says whether a goroutine is in a system call, with or without a CPU.
func (t *Timeline) inCall(p *Piece) bool {
	return p.Kind == Syscall || p.Kind.Denied() && strings.HasSuffix(t.States[p.State].Name, inCall)
}

// severalFlushes are more than an answer needs that is sent in one go, or with its header ahead.
const severalFlushes = 3

// beginOf is when a goroutine was started: before the window if the trace does not say.
func (t *Timeline) beginOf(g *Track) int64 {
	if g.Pieces[0].From <= t.From {
		return t.From - 1
	}
	return g.Pieces[0].From
}

// endOf is when a goroutine ended: after the window if the trace does not say.
func (t *Timeline) endOf(g *Track) int64 {
	if last := g.Pieces[len(g.Pieces)-1].To; last < t.To {
		return last
	}
	return t.To + 1
}

// inside finds the stretches of a trace in which a function is on the stack.
func (t *Timeline) inside(functions []string) []*Request {
	in := make([]bool, len(t.Stacks))
	for i := range t.Stacks {
		in[i] = t.Has(&t.Stacks[i], functions)
	}
	var all []*Request
	for _, g := range t.Tracks {
		open := false
		for i := range g.Pieces {
			p := &g.Pieces[i]
			if in[p.Stack] && !open {
				r := &Request{Main: g, From: p.From, Exact: true}
				if i == 0 {
					r.From = t.beginOf(g)
				}
				all = append(all, r)
			}
			if open = in[p.Stack]; open {
				all[len(all)-1].To = p.To
				if i == len(g.Pieces)-1 {
					all[len(all)-1].To = t.endOf(g)
				}
			}
		}
	}
	return all
}

// enters says whether a request is inside a function at some time.
func (t *Timeline) enters(r *Request, inside []bool) (is bool) {
	r.Main.During(r.From, r.To, func(p *Piece, _, _ int64) { is = is || inside[p.Stack] })
	return is
}

// tasks finds the tasks, or regions, of a type; "" is all tasks.
func (t *Timeline) tasks(name string, region bool) []*Request {
	var all []*Request
	for _, k := range t.Tasks {
		g := t.ByID[k.Goid]
		if g != nil && k.Region == region && (name == "" || k.Type == name) {
			all = append(all, &Request{ID: k.Type, Main: g, From: k.From, To: k.To, Exact: true})
		}
	}
	return all
}

// traced finds requests in a trace; inside is which stacks are inside what the selector names.
func (t *Timeline) traced(s Selector, inside []bool) []*Request {
	switch {
	case s.By == TraceTask || s.By == TraceRegion:
		return t.tasks(s.Name, s.By == TraceRegion)
	case s.Name != "" && !names.Match(s.Name, servers):
		return t.inside(s.Functions())
	}
	all := t.served()
	switch {
	case s.Name != "": // one of several servers
		return slices.DeleteFunc(all, func(r *Request) bool { return !t.enters(r, inside) })
	case len(all) == 0:
		return t.tasks("", false)
	}
	return all
}
