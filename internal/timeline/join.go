package timeline

// A trace says when a goroutine had a P, not what it ran and whether its thread had a CPU; it has no labels, and no peers. A
// recording of the same seconds has those, by goroutine and time: to a scan's exactness, a ms or so.

// Join adds what only a recording of the same seconds knows to a timeline that was read from a trace, both in Unix ns.
func (b *Builder) Join(rec *Timeline) {
	j := &joiner{Builder: b, rec: rec, stacks: make(map[int32]int32), labels: make(map[int32]int32), byName: make(map[string]int32)}
	for i, f := range b.Funcs {
		j.byName[f.Name] = int32(i)
	}
	var out []Piece
	for _, g := range b.Tracks {
		if r := rec.ByID[g.Goid]; r != nil {
			out = j.join(out[:0], g.Pieces, r)
			g.Pieces = b.renew(g.Pieces, out)
			continue
		}
		for i := range g.Pieces {
			g.Pieces[i].Unseen = true // labels and all
		}
	}
	b.arrivals = rec.arrivals
	b.cutUnread()
	b.callsCame()
	if lost := b.stolen(rec.onCPU); len(lost) > 0 {
		for _, g := range b.Tracks {
			out = b.takeStolen(out[:0], g.Pieces, lost)
			g.Pieces = b.renew(g.Pieces, out)
		}
	}
	b.CPUs, b.Scans, b.Quota, b.Accepts = rec.CPUs, rec.Scans, rec.Quota, rec.Accepts
	if b.Procs == 0 {
		b.Procs = rec.Procs
	}
	b.Settle()
}

type joiner struct {
	*Builder
	rec            *Timeline
	stacks, labels map[int32]int32 // of the recording, in the trace's numbers
	byName         map[string]int32
	frames         []Frame
	at             int // where the last label was in the recording's pieces of the goroutine
}

// join appends what pieces of the trace are with what the recording says of their goroutine.
func (j *joiner) join(out, pieces []Piece, r *Track) []Piece {
	j.at = 0
	for _, p := range pieces {
		first := len(out)
		switch {
		case p.Kind == CPU, p.Kind == GC, p.Kind == Syscall:
			out = j.split(out, p, r)
		case p.Kind == Network:
			p.State = j.refined(p, r, func(s State) State { return State{j.States[p.State].Name, s.Peer, ""} })
			out = append(out, p)
		case p.Kind == Unknown, p.Waits() && p.Stack == j.Nothing:
			out = append(out, j.waited(p, r))
		default:
			out = append(out, p)
		}
		for i := first; i < len(out); i++ {
			j.label(&out[i], r)
		}
	}
	return out
}

// split cuts a piece in which a goroutine had a P, or its thread was in the kernel, by what the recording says of it.
func (j *joiner) split(out []Piece, p Piece, r *Track) []Piece {
	if p.Kind == Syscall {
		p.State = j.refined(p, r, func(s State) State { return State{j.States[p.State].Name, "", s.Call} })
	}
	at := p.From
	r.During(p.From, p.To, func(q *Piece, from, to int64) {
		s := p
		switch {
		case q.Kind.Denied() || q.Kind == Stopped:
			s.Kind, s.State = q.Kind, j.denied(p, q)
		case p.Kind != Syscall && q.Kind == Syscall && j.rec.States[q.State].Call == "" && j.sawIn(&p, q):
			// No call: a page fault, of which the trace knows nothing.
			if s.Kind, s.State = q.Kind, j.State(j.rec.States[q.State]); j.rec.Stacks[q.Stack].App >= 0 {
				s.Stack = j.stack(q.Stack)
			}
		case p.Kind != Syscall && (q.Kind == CPU || q.Kind == GC) && !q.Guess && q.Stack != j.rec.Nothing && j.fits(p, q):
			s.Kind, s.Stack = q.Kind, j.stack(q.Stack)
		default:
			return
		}
		if from > at {
			rest := p
			rest.From, rest.To = at, from
			out = append(out, rest)
		}
		s.From, s.To = from, to
		out, at = append(out, s), to
	})
	if at < p.To {
		p.From = at
		out = append(out, p)
	}
	return out
}

// denied is the state of a piece in which a thread had no CPU. Whether it was in a system call then says where one request ends.
func (j *joiner) denied(p Piece, q *Piece) int32 {
	name := j.rec.States[q.State].Name
	if p.Kind == Syscall {
		name += inCall
	}
	return j.State(State{Name: name})
}

// inCall is what the state's name of who has no CPU in a system call ends with.
const inCall = " in a system call"

// fits says whether what ran at the end of q, when its sample was taken, may have run in p, too. Who did not come out of a
// handler in p was in none: the sample is of the request after it.
func (j *joiner) fits(p Piece, q *Piece) bool {
	return q.To <= p.To || j.Stacks[p.Stack].marks&handles != 0 || j.Stacks[j.stack(q.Stack)].marks&handles == 0
}

// waited is a wait of which the trace does not say where, or not even what for, as the recording has it: one that began before the trace,
// as those of all who accept connections, or one for a coroutine. It is one wait, whose ends the trace knows; so it is what the recording
// saw for longest of what it saw in it, and not what is drawn into it from the scan after.
func (j *joiner) waited(p Piece, r *Track) Piece {
	var best *Piece
	most := int64(0)
	r.During(p.From, p.To, func(q *Piece, from, to int64) {
		same := p.Kind == Unknown && q.Waits() && q.Kind != Unknown || j.States[p.State].Name == j.rec.States[q.State].Name
		if same && to-from > most && j.sawIn(&p, q) {
			best, most = q, to-from
		}
	})
	if best != nil {
		p.Stack, p.State, p.Kind = j.stack(best.Stack), j.State(j.rec.States[best.State]), best.Kind
	}
	return p
}

// refined is a piece's state with what the recording knows beyond its name.
func (j *joiner) refined(p Piece, r *Track, with func(State) State) int32 {
	best, most := p.State, int64(0)
	r.During(p.From, p.To, func(q *Piece, from, to int64) {
		s := j.rec.States[q.State]
		if q.Kind == p.Kind && (s.Peer != "" || s.Call != "") && to-from > most {
			best, most = j.State(with(s)), to-from
		}
	})
	return best
}

// label gives a piece the labels that its goroutine had in the middle of it.
func (j *joiner) label(p *Piece, r *Track) {
	p.Labels, p.Unseen = 0, true
	at := p.From + p.Length()/2
	for j.at < len(r.Pieces) && r.Pieces[j.at].To <= at { // pieces come by time
		j.at++
	}
	if j.at == len(r.Pieces) || r.Pieces[j.at].From > at {
		return
	}
	q := &r.Pieces[j.at]
	id, ok := j.labels[q.Labels]
	if !ok {
		id = j.LabelSet(j.rec.Labels[q.Labels])
		j.labels[q.Labels] = id
	}
	p.Labels, p.Left, p.Unseen = id, q.Left, !j.sawIn(p, q)
}

// sawIn says whether a piece of the recording was seen in a moment that lies in a piece of the trace. A sample on a CPU was, at its
// end; a scan is half its distance from the next away from an interval's borders, which are between two scans.
func (j *joiner) sawIn(p, q *Piece) bool {
	switch {
	case q.Guess:
		return false
	case q.Kind == CPU || q.Kind == GC:
		return p.From < q.To && q.To <= p.To
	}
	half := q.Length() / 2
	if j.rec.Scans > 0 {
		half = min(half, int64(0.5e9/j.rec.Scans))
	}
	return q.From+half < p.To && q.To-half >= p.From
}

// stack is the number of a stack of the recording.
func (j *joiner) stack(of int32) int32 {
	id, ok := j.stacks[of]
	if !ok {
		j.frames = j.frames[:0]
		for _, f := range j.rec.Stacks[of].Frames {
			fn := j.rec.Funcs[f.Fn]
			n, known := j.byName[fn.Name]
			if !known {
				n = j.Function(fn.Name, fn.File, fn.Line)
				j.byName[fn.Name] = n
			}
			j.frames = append(j.frames, Frame{n, f.Line})
		}
		id = j.Stack(j.frames)
		j.stacks[of] = id
	}
	return id
}
