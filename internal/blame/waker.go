package blame

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// Who ends the waits on a channel, if nobody saw it? Somebody who does something whenever such a wait ends,
// and not as often at other times. Goroutines of one make, those that were started with the same function,
// count together. If what they did before was to wait themselves, and the waits end at multiples of one
// period, a ticker ends them.

const (
	actNear    = int64(1500e3) // how close to the end of a wait one is seen to act
	mostEnds   = 400           // ends of waits that are looked at
	fewestEnds = 8
	wakes60    = 0.6 // of the ends somebody has to be there
	lift30     = 0.3 // more often than at other times
)

// act is a moment at which a goroutine did something: its state changed.
type act struct {
	at int64
	g  *timeline.Track
}

// wakers find out who ends waits, by what goroutines did at their ends.
type wakers struct {
	facts
	acts    []act // who did something when, by time; built when needed
	byPlace map[resourceKey]*waker
	beside  map[*timeline.Track]bool
	app     map[*timeline.Track]bool // whether code of the application is on its stacks
	roots   map[*timeline.Track]string
	crews   map[string]int // by root, how many there are
}

func newWakers(t facts) wakers {
	return wakers{facts: t, byPlace: make(map[resourceKey]*waker), beside: make(map[*timeline.Track]bool),
		app: make(map[*timeline.Track]bool), roots: make(map[*timeline.Track]string), crews: make(map[string]int)}
}

// waker is who ends the waits at one place.
type waker struct {
	root     string // what its goroutines were started with, "" if there is none
	periodic bool   // they wait for a ticker
	constant bool   // nobody ends them, and all are equally long: a timer of the waiter's own
}

// isBeside says whether a goroutine only runs beside requests, by most of its life.
func (ws *wakers) isBeside(g *timeline.Track) bool {
	is, ok := ws.beside[g]
	if !ok {
		var in, all int64
		for i := range g.Pieces {
			p := &g.Pieces[i]
			if all += p.Length(); ws.Beside(p.Stack) {
				in += p.Length()
			}
		}
		is = 2*in > all
		ws.beside[g] = is
	}
	return is
}

// allActs is everything that goroutines did that do not only run beside requests, by time.
func (ws *wakers) allActs() []act {
	if ws.acts != nil {
		return ws.acts
	}
	for _, g := range ws.Tracks {
		if ws.isBeside(g) {
			continue
		}
		for i := range g.Pieces {
			ws.acts = append(ws.acts, act{g.Pieces[i].From, g})
		}
		ws.acts = append(ws.acts, act{g.Pieces[len(g.Pieces)-1].To, g})
	}
	slices.SortFunc(ws.acts, func(a, b act) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.g.Goid, b.g.Goid)) })
	return ws.acts
}

// actsAt calls visit for what was done around a time.
func (ws *wakers) actsAt(at int64, visit func(act)) {
	acts := ws.allActs()
	i, _ := slices.BinarySearchFunc(acts, at-actNear, func(a act, at int64) int { return cmp.Compare(a.at, at) })
	for ; i < len(acts) && acts[i].at <= at+actNear; i++ {
		visit(acts[i])
	}
}

// rootOf is the function that a goroutine was started with.
func (ws *wakers) rootOf(g *timeline.Track) string {
	root, ok := ws.roots[g]
	if !ok {
		for i := range g.Pieces {
			if root = ws.Root(g.Pieces[i].Stack); root != "" && !g.Pieces[i].Guess {
				break
			}
		}
		ws.roots[g] = root
	}
	return root
}

// waitsAt is the waits at one place, by their ends, and the goroutines that wait there.
func (ws *wakers) waitsAt(k resourceKey) (waits []*timeline.Piece, of []*timeline.Track) {
	type wait struct {
		p *timeline.Piece
		g *timeline.Track
	}
	var all []wait
	for _, g := range ws.Tracks {
		for i := range g.Pieces {
			if p := &g.Pieces[i]; p.Kind == k.kind && !p.Guess && p.Length() >= shortest && ws.keyOf(p) == k {
				all = append(all, wait{p, g})
			}
		}
	}
	slices.SortFunc(all, func(a, b wait) int { return cmp.Or(cmp.Compare(a.p.To, b.p.To), cmp.Compare(a.g.Goid, b.g.Goid)) })
	for _, w := range all {
		waits, of = append(waits, w.p), append(of, w.g)
	}
	return waits, of
}

// wakerOf finds who ends the waits at p's place.
func (ws *wakers) wakerOf(k resourceKey) *waker {
	if w := ws.byPlace[k]; w != nil {
		return w
	}
	w := &waker{}
	ws.byPlace[k] = w
	waits, of := ws.waitsAt(k)
	if len(waits) < fewestEnds {
		return w
	}
	waiter := make(map[*timeline.Track]bool)
	for _, g := range of {
		waiter[g] = true // those who are let go at once act together
	}
	rng := rand.New(rand.NewPCG(uint64(len(waits)), 1))
	hits, base := map[string]int{}, map[string]int{}
	n := 0
	for _, i := range rng.Perm(len(waits))[:min(len(waits), mostEnds)] {
		n++
		p := waits[i]
		ws.count(hits, p.To, waiter)
		ws.count(base, p.From+int64(rng.Float64()*float64(max(p.Length()-2*actNear, 1))), waiter)
	}
	best := lift30
	for root, h := range hits {
		share, lift := float64(h)/float64(n), float64(h-base[root])/float64(n)
		if share >= wakes60 && (lift > best || lift == best && root < w.root) {
			best, w.root = lift, root
		}
	}
	if w.root == "" {
		w.constant = constant(waits)
		return w
	}
	w.periodic = ws.periodic(w.root, waits)
	return w
}

// count adds the makes of goroutines that act around a time, others than the waiters and with code of the
// application.
func (ws *wakers) count(in map[string]int, at int64, waiter map[*timeline.Track]bool) {
	seen := map[string]bool{}
	ws.actsAt(at, func(a act) {
		if root := ws.rootOf(a.g); !waiter[a.g] && root != "" && !seen[root] && ws.isApp(a.g) {
			seen[root] = true
			in[root]++
		}
	})
}

// constant says whether most waits are as long as the longest, but for a few: those for a timer of the
// waiter's own are, and those that were cut in two are shorter.
func constant(waits []*timeline.Piece) bool {
	lengths := make([]int64, len(waits))
	for i, p := range waits {
		lengths[i] = p.Length()
	}
	slices.Sort(lengths)
	high := lengths[len(lengths)*9/10]
	i, _ := slices.BinarySearch(lengths, high-max(high/20, 2e6))
	return high >= 5e6 && 5*(len(lengths)-i) >= 3*len(lengths)
}

// periodic says whether the waits end at multiples of one period, and those who end them waited too just
// before they did.
func (ws *wakers) periodic(root string, waits []*timeline.Piece) bool {
	var ticks []int64
	idle := 0
	for _, p := range waits {
		if p.Length() < 5e6 || len(ticks) > 0 && p.To-ticks[len(ticks)-1] < 5e6 {
			continue
		}
		ticks = append(ticks, p.To)
		ws.actsAt(p.To, func(a act) {
			if ws.rootOf(a.g) == root && ws.waitsBefore(a) {
				idle++
			}
		})
	}
	if len(ticks) < 6 || 2*idle < len(ticks) {
		return false
	}
	gaps := make([]int64, len(ticks)-1)
	for i := range gaps {
		gaps[i] = ticks[i+1] - ticks[i]
	}
	sorted := slices.Sorted(slices.Values(gaps))
	period := sorted[len(sorted)/4]
	fits := 0
	for _, gap := range gaps {
		if off := abs(gap - (gap+period/2)/period*period); off < max(period/20, 3e6) {
			fits++
		}
	}
	return period >= 20e6 && 5*fits >= 4*len(gaps)
}

// isApp is hasApp, looked up once.
func (ws *wakers) isApp(g *timeline.Track) bool {
	is, ok := ws.app[g]
	if !ok {
		is = ws.hasApp(g)
		ws.app[g] = is
	}
	return is
}

// waitsBefore says whether a goroutine waited on a channel until it acted.
func (ws *wakers) waitsBefore(a act) bool {
	i, is := slices.BinarySearchFunc(a.g.Pieces, a.at, func(p timeline.Piece, at int64) int { return cmp.Compare(p.To, at) })
	return is && a.g.Pieces[i].Kind == timeline.Channel
}

// actorAt is the goroutine of a make that did something nearest to the end of a wait.
func (ws *wakers) actorAt(root string, s timeline.Span) (best *timeline.Track) {
	if root == "" {
		return nil
	}
	off := actNear + 1
	ws.actsAt(s.To, func(a act) {
		if d := abs(a.at - s.To); a.g != s.Track && d < off && ws.rootOf(a.g) == root {
			best, off = a.g, d
		}
	})
	return best
}

// workers is how many goroutines of a make there are at once, by the middle of the window.
func (ws *wakers) workers(root string) (n int) {
	if n, ok := ws.crews[root]; ok {
		return n
	}
	defer func() { ws.crews[root] = n }()
	at := ws.From + (ws.To-ws.From)/2
	for _, g := range ws.Tracks {
		if g.Alive(at, at+1) && ws.rootOf(g) == root {
			n++
		}
	}
	return n
}
