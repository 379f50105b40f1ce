package page

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
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

// AddLanes adds what single goroutines did. A profile without a timeline has no lanes; one whose timeline is none of a
// recording says so among its notes.
func (b *Builder) AddLanes(head *profile.Profile, samples iter.Seq[*profile.Sample]) {
	t, err := timeline.Read(head, samples)
	switch {
	case err == nil:
		b.AddTimeline(t)
	case !errors.Is(err, timeline.ErrNoTimeline):
		b.notes = append(b.notes, "no requests and goroutines: "+err.Error())
	}
}

// AddTimeline is AddLanes for a timeline that was read already.
func (b *Builder) AddTimeline(t *timeline.Timeline) {
	l := &life{Timeline: t}
	all := t.Find(b.options.Requests).Whole
	l.found = len(all)
	slices.SortStableFunc(all, func(x, y *timeline.Request) int { return cmp.Compare(y.Length(), x.Length()) })
	lanes := b.options.Lanes
	if lanes == 0 {
		lanes = defaultLanes
	}
	room := lanes * lanePieces
	for _, r := range all[:min(len(all), lanes)] {
		if room = l.request(r, room); room < 0 {
			break
		}
	}
	l.busiest(lanes)
	b.life = l
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
		if n := len(pieces) - 1; n >= 0 && pieces[n].To == best.From && pieces[n].State == best.State && pieces[n].Stack == best.Stack {
			pieces[n].To = best.To
			continue
		}
		pieces = append(pieces, best)
	}
	return pieces
}

// place puts the stacks of the lanes into the trie: before it is written.
func (b *Builder) place() map[int32]int32 {
	nodes := map[int32]int32{}
	if b.life == nil {
		return nodes
	}
	for _, ln := range b.life.lanes {
		for _, p := range ln.pieces {
			if _, ok := nodes[p.Stack]; ok {
				continue
			}
			n := int32(0) // the empty stack
			for _, f := range slices.Backward(b.life.Stacks[p.Stack].Frames) {
				fn := b.life.Funcs[f.Fn]
				n = b.stacks.child(n, b.stacks.frame(b.texts.of(fn.Name), b.texts.of(fn.File)))
			}
			nodes[p.Stack] = n
		}
	}
	return nodes
}

// putLanes writes lanes, their pieces, and requests; node is where each stack is in the trie, place where that went.
func (b *Builder) putLanes(a *arrays, start int64, node map[int32]int32, place []int32) {
	var goid, parent []int64
	var name, count, whole, state, kind, stack, on []int32
	var gap, length, by []int64
	l := b.life
	for _, ln := range l.lanes {
		goid, parent = append(goid, ln.track.Goid), append(parent, ln.track.Parent)
		name, count, whole = append(name, b.texts.of(l.Started(ln.track))), append(count, int32(len(ln.pieces))), append(whole, number(ln.whole))
		last := int64(0)
		for _, p := range ln.pieces {
			from, to := (p.From-start)/int64(laneTick), (p.To-start)/int64(laneTick)
			gap, length, last = append(gap, from-last), append(length, to-from), to
			state, kind = append(state, b.texts.of(l.States[p.State].Name)), append(kind, int32(p.Kind))
			stack, on = append(stack, place[node[p.Stack]]), append(on, b.texts.of(l.waitsFor(&p)))
			by = append(by, p.By)
		}
	}
	put(a, "lane goid", goid)
	put(a, "lane parent", parent)
	put(a, "lane name", name)
	put(a, "lane pieces", count)
	put(a, "lane whole", whole)
	put(a, "piece gap", gap)
	put(a, "piece length", length)
	put(a, "piece state", state)
	put(a, "piece kind", kind)
	put(a, "piece stack", stack)
	put(a, "piece by", by)
	put(a, "piece on", on)
	b.putRequests(a, start)
}

func (b *Builder) putRequests(a *arrays, start int64) {
	var name, lanes, lane []int32
	var from, length []int64
	for _, r := range b.life.requests {
		name, lanes = append(name, b.texts.of(b.life.NameOf(r.Request))), append(lanes, int32(len(r.lanes)))
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

// waitsFor is what is known of whom, or what, a piece waits for.
func (l *life) waitsFor(p *timeline.Piece) string {
	s := l.States[p.State]
	if text := cmp.Or(s.Peer, s.Call); text != "" {
		return text
	}
	if on := l.Objects[p.On]; len(on) == 1 {
		return fmt.Sprintf("%v %#x", on[0].Kind, on[0].Addr)
	}
	return ""
}

func number(yes bool) int32 {
	if yes {
		return 1
	}
	return 0
}
