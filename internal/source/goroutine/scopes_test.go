package goroutine

import "testing"

// scopes is a heap with goroutine 1, which takes and leaves label sets, in slot 0, and sets in the other slots' memory.
type scopes struct {
	*heap
	s *scanner
}

const (
	setA = 4 // slots whose stacks have the sets: two equal ones, one with more labels
	setB = 5
	setC = 6
)

func newScopes(t *testing.T) *scopes {
	h := newHeap(t, 7)
	h.labels(setA, "endpoint", "/a")
	h.labels(setB, "endpoint", "/a")
	h.labels(setC, "endpoint", "/a", "step", "2")
	h.park(0, 1, 4, 64, 1)
	return &scopes{h, h.scanner(Options{Full: true})}
}

func (x *scopes) steps(n int) {
	for range n {
		x.step(x.s)
	}
}

// take gives the goroutine of a slot a set, 0 for none.
func (x *scopes) take(slot, set int) {
	*x.byte(slot, 191)++
	x.set(slot, gLayout.Labels, 0)
	if set > 0 {
		x.set(slot, gLayout.Labels, x.lo(set))
	}
}

// start starts a goroutine with a set.
func (x *scopes) start(slot int, goid, parent, set int) {
	x.put(base+16, uint64(goid))
	x.park(slot, uint64(goid), 4, 64, 1)
	x.set(slot, gLayout.ParentGoid, uint64(parent))
	x.set(slot, gLayout.GoPC, 0x7000)
	x.take(slot, set)
}

// requests are served, n of 5 ms.
func (x *scopes) requests(n int) {
	for i := range n {
		x.take(0, setA+i%2)
		x.steps(5)
		x.take(0, 0)
		x.steps(1)
	}
}

// serve has requests served, and then begins one that starts a goroutine.
func (x *scopes) serve() {
	x.requests(30)
	x.take(0, setA)
	x.steps(2)
	x.start(1, 2, 1, setA)
}

func (x *scopes) check(t *testing.T, goroutines, ns int64) {
	t.Helper()
	x.s.close()
	kept := x.s.stats.Kept
	if goroutines == 0 {
		if len(kept) > 0 {
			t.Errorf("%+v", kept)
		}
		return
	}
	if len(kept) != 1 || kept[0].Goroutines != goroutines || kept[0].Created != 0x7000 || kept[0].Label.Value != "/a" {
		t.Fatalf("%+v, want %d goroutines", kept, goroutines)
	}
	if k := kept[0]; k.Time < ns*95/100 || k.Time > ns*105/100 || k.Usual < 4e6 || k.Usual > 8e6 {
		t.Errorf("%+v, want %d ns", k, ns)
	}
}

func TestKept(t *testing.T) {
	for _, tt := range []struct {
		name       string
		goroutines int64
		ns         int64
		run        func(x *scopes)
	}{
		{"of a request that is over", 1, 305e6, func(x *scopes) {
			x.serve()
			x.steps(5)
			x.take(0, 0)
			x.steps(300)
		}},
		{"of one whose goroutine ended", 1, 305e6, func(x *scopes) {
			x.requests(30)
			x.start(2, 2, 1, setA)
			x.steps(2)
			x.start(1, 3, 2, setA)
			x.steps(5)
			x.die(2)
			x.steps(300)
		}},
		{"of one that is served yet", 0, 0, func(x *scopes) {
			x.serve()
			x.steps(300)
		}},
		{"of one that has a label more just then", 0, 0, func(x *scopes) {
			x.serve()
			x.steps(300)
			x.take(0, setC)
			x.steps(2)
		}},
		{"of one before, and it serves the next", 1, 305e6, func(x *scopes) {
			x.serve()
			x.steps(5)
			x.take(0, setB)
			x.steps(300)
		}},
		{"its own, set before it was seen", 0, 0, func(x *scopes) {
			x.requests(30)
			x.start(1, 2, 1, setA)
			x.steps(300)
		}},
		{"found together, so that nobody knows whose they are", 0, 0, func(x *scopes) {
			x.requests(30)
			x.start(1, 2, 9, setA)
			x.start(2, 3, 9, setA)
			x.steps(5)
			x.die(2)
			x.steps(300)
		}},
		{"of a label that is no request's", 0, 0, func(x *scopes) {
			x.requests(3)
			x.take(0, setA)
			x.steps(2)
			x.start(1, 2, 1, setA)
			x.steps(5)
			x.take(0, 0)
			x.steps(300)
		}},
		{"started as soon as they were set, by one that was not seen", 1, 305e6, func(x *scopes) {
			x.requests(30)
			x.take(0, setA)
			x.start(1, 2, 9, setA)
			x.steps(5)
			x.take(0, 0)
			x.steps(300)
		}},
		{"for a moment", 0, 0, func(x *scopes) {
			x.serve()
			x.steps(5)
			x.take(0, 0)
			x.steps(50)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := newScopes(t)
			x.steps(1)
			tt.run(x)
			x.check(t, tt.goroutines, tt.ns)
		})
	}
}

// Two that were there before the recording have one set, and who started both has ended: it was theirs by inheritance. Of
// one alone, or while that one lives, it may be their own.
func TestKeptFromBefore(t *testing.T) {
	for name, tt := range map[string]struct {
		parent int
		both   bool
		want   int64
	}{
		"both":            {9, true, 2},
		"one":             {9, false, 0},
		"its parent live": {1, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			x := newScopes(t)
			x.start(1, 2, tt.parent, setC)
			x.start(2, 3, tt.parent, setC)
			if !tt.both {
				x.die(2)
			}
			x.s.track.births.next = 100
			x.s.stats.Begin = x.clock
			x.requests(60)
			x.check(t, tt.want, 2*360e6)
		})
	}
}
