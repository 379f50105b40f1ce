package page

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Lanes are what single goroutines did. There are too many for a page, so that it has the slowest requests, each moment of
// their goroutines, and the goroutines that did most, in steps: of each the state that it was in longest.
const (
	defaultLanes  = 100 // of requests, the slowest, and of goroutines
	kidsOfRequest = 12  // goroutines that a request started, or that ended its waits
	laneSteps     = 1500
	lanePieces    = 1200 // of all requests, for each of these lanes; requests behind are left out
	laneTick      = time.Microsecond
)

// lane is a stretch of a goroutine's life.
type lane struct {
	track  *timeline.Track
	pieces []timeline.Piece
	whole  bool // in steps, and not each moment of it
}

// shownRequest is a request with its lanes, its own first.
type shownRequest struct {
	*timeline.Request
	lanes []int
}

// life is what a timeline tells of single goroutines.
type life struct {
	*timeline.Timeline
	lanes    []lane
	requests []shownRequest
	found    int // requests
}

// newLife chooses what of a timeline is shown: so many requests and goroutines.
func newLife(t *timeline.Timeline, requests timeline.Selector, lanes int) *life {
	l := &life{Timeline: t}
	all := t.Find(requests).Whole
	l.found = len(all)
	slices.SortStableFunc(all, func(x, y *timeline.Request) int { return cmp.Compare(y.Length(), x.Length()) })
	room := lanes * lanePieces
	for _, r := range all[:min(len(all), lanes)] {
		if room = l.request(r, room); room < 0 {
			break
		}
	}
	l.busiest(lanes)
	return l
}

// request adds a request unless it takes more pieces than there is room for, and returns the room that is left.
func (l *life) request(r *timeline.Request, room int) int {
	s := shownRequest{Request: r}
	for _, track := range l.around(r) {
		ln := lane{track: track}
		track.During(r.From, r.To, func(p *timeline.Piece, from, to int64) {
			q := *p
			q.From, q.To = from, to
			ln.pieces = append(ln.pieces, q)
		})
		if len(ln.pieces) == 0 {
			continue
		}
		if room -= len(ln.pieces); room < 0 {
			return room
		}
		s.lanes = append(s.lanes, len(l.lanes))
		l.lanes = append(l.lanes, ln)
	}
	if len(s.lanes) > 0 {
		l.requests = append(l.requests, s)
	}
	return room
}

// around is a request's goroutine, those that it started, and those that ended its waits.
func (l *life) around(r *timeline.Request) []*timeline.Track {
	tracks := append([]*timeline.Track{r.Main}, r.Kids...)
	for i := 0; i < len(tracks) && len(tracks) < kidsOfRequest; i++ {
		tracks[i].During(r.From, r.To, func(p *timeline.Piece, _, _ int64) {
			if by := l.ByID[p.By]; p.By > 0 && by != nil && len(tracks) < kidsOfRequest && !slices.Contains(tracks, by) {
				tracks = append(tracks, by)
			}
		})
	}
	return tracks[:min(len(tracks), kidsOfRequest)]
}

// busiest adds the goroutines that did most else than to wait for work.
func (l *life) busiest(lanes int) {
	busy := make(map[*timeline.Track]int64, len(l.Tracks))
	for _, t := range l.Tracks {
		for i := range t.Pieces {
			if p := &t.Pieces[i]; !l.Stacks[p.Stack].Idle() && (!p.Waits() || p.Kind == timeline.Lock) {
				busy[t] += p.Length()
			}
		}
	}
	all := slices.Clone(l.Tracks)
	slices.SortFunc(all, func(x, y *timeline.Track) int {
		return cmp.Or(cmp.Compare(busy[y], busy[x]), cmp.Compare(x.Goid, y.Goid))
	})
	step := max((l.To-l.From)/laneSteps, int64(time.Millisecond))
	for _, t := range all[:min(len(all), lanes)] {
		l.lanes = append(l.lanes, lane{t, l.inSteps(t, step), true})
	}
}

// inSteps is a track in steps of time, each with the piece that was longest in it.
func (l *life) inSteps(t *timeline.Track, step int64) (pieces []timeline.Piece) {
	first, last := max(t.Pieces[0].From, l.From), min(t.Pieces[len(t.Pieces)-1].To, l.To)
	for at := first - (first-l.From)%step; at < last; at += step {
		var best timeline.Piece
		longest := int64(0)
		t.During(at, at+step, func(p *timeline.Piece, from, to int64) {
			if to-from > longest {
				best, longest = *p, to-from
			}
		})
		if longest == 0 {
			continue
		}
		best.From, best.To, best.By = max(at, first), min(at+step, last), 0
		if n := len(pieces) - 1; n >= 0 && pieces[n].To == best.From && pieces[n].Stack == best.Stack && aboutOf(&pieces[n]) == aboutOf(&best) {
			pieces[n].To = best.To
			continue
		}
		pieces = append(pieces, best)
	}
	return pieces
}

// placed is lanes whose stacks and labels are in the page's index.
type placed struct {
	*life
	index *index
	nodes map[int32]int32 // by stack
	sets  map[about]int32
}

// about is what a piece has besides its stack, as numbers of the timeline.
type about struct{ state, labels, on int32 }

func aboutOf(p *timeline.Piece) about { return about{p.State, p.Labels, p.On} }

// place puts what the lanes have into the index: before that is written. A piece has the labels of the samples that it was made
// of, so that what keeps some rows keeps the pieces that belong to them.
func (l *life) place(x *index) *placed {
	p := &placed{life: l, index: x, nodes: make(map[int32]int32), sets: make(map[about]int32)}
	for _, ln := range l.lanes {
		for i := range ln.pieces {
			piece := &ln.pieces[i]
			if _, ok := p.nodes[piece.Stack]; !ok {
				p.nodes[piece.Stack] = p.node(piece.Stack)
			}
			if a := aboutOf(piece); p.sets[a] == 0 {
				p.sets[a] = p.set(a) + 1
			}
		}
	}
	return p
}

// node is where a stack is in the trie.
func (p *placed) node(stack int32) (n int32) {
	for _, f := range slices.Backward(p.Stacks[stack].Frames) {
		fn := p.Funcs[f.Fn]
		n = p.index.stacks.child(n, p.index.frame(fn.Name, fn.File))
	}
	return n
}

func (p *placed) set(a about) int32 {
	state, own := p.States[a.state], p.Labels[a.labels]
	var list [][2]int32
	for _, key := range slices.Sorted(maps.Keys(own)) {
		list = append(list, p.index.pair(key, own[key]))
	}
	add := func(key, value string) {
		if value != "" {
			list = append(list, p.index.pair(key, value))
		}
	}
	add(sample.KeyState, state.Name)
	add(sample.KeyPeer, state.Peer)
	add(sample.KeySyscall, state.Call)
	on, _ := lastingObject(p.Objects[a.on])
	add(sample.KeyWaitOn, on)
	return p.index.set(list)
}

// put writes lanes, their pieces, and requests; place is where the nodes of the trie went.
func (p *placed) put(a *arrays, place []int32, start int64) {
	var goid, parent []int64
	var name, count, whole, kind, stack, set []int32
	var gap, length, by []int64
	for _, ln := range p.lanes {
		goid, parent = append(goid, ln.track.Goid), append(parent, ln.track.Parent)
		name, whole = append(name, p.index.texts.of(p.Started(ln.track))), append(whole, number(ln.whole))
		count = append(count, int32(len(ln.pieces)))
		last := int64(0)
		for i := range ln.pieces {
			piece := &ln.pieces[i]
			from, to := (piece.From-start)/int64(laneTick), (piece.To-start)/int64(laneTick)
			gap, length, last = append(gap, from-last), append(length, to-from), to
			kind, stack = append(kind, int32(piece.Kind)), append(stack, place[p.nodes[piece.Stack]])
			set, by = append(set, p.sets[aboutOf(piece)]-1), append(by, piece.By)
		}
	}
	put(a, "lane goid", goid)
	put(a, "lane parent", parent)
	put(a, "lane name", name)
	put(a, "lane pieces", count)
	put(a, "lane whole", whole)
	put(a, "piece gap", gap)
	put(a, "piece length", length)
	put(a, "piece kind", kind)
	put(a, "piece stack", stack)
	put(a, "piece set", set)
	put(a, "piece by", by)
	p.putRequests(a, start)
}

func (p *placed) putRequests(a *arrays, start int64) {
	var name, lanes, lane []int32
	var from, length []int64
	for _, r := range p.requests {
		name, lanes = append(name, p.index.texts.of(p.NameOf(r.Request))), append(lanes, int32(len(r.lanes)))
		from, length = append(from, (r.From-start)/int64(laneTick)), append(length, r.Length()/int64(laneTick))
		for _, i := range r.lanes {
			lane = append(lane, int32(i))
		}
	}
	put(a, "request name", name)
	put(a, "request from", from)
	put(a, "request length", length)
	put(a, "request lanes", lanes)
	put(a, "request lane", lane)
}

func number(yes bool) int32 {
	if yes {
		return 1
	}
	return 0
}
