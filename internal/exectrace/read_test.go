package exectrace

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// recorded is a trace that testdata/traced wrote, and its truth.
type recorded struct {
	name  string
	trace []byte // not compressed
	Go    string
	Calls []int64
}

func recordings(t testing.TB) (all []recorded) {
	t.Helper()
	files, err := filepath.Glob("testdata/go*.trace.gz")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d traces, %v", len(files), err)
	}
	for _, path := range files {
		r := recorded{name: strings.TrimSuffix(filepath.Base(path), ".trace.gz")}
		f, err := os.Open(path)
		check(t, err)
		z, err := gzip.NewReader(f)
		check(t, err)
		r.trace, err = io.ReadAll(z)
		check(t, errors.Join(err, f.Close()))
		truth, err := os.ReadFile("testdata/" + r.name + ".json")
		check(t, err)
		check(t, json.Unmarshal(truth, &r))
		all = append(all, r)
	}
	return all
}

func read(t testing.TB, data []byte, o Options) *Trace {
	t.Helper()
	x, err := Read(bytes.NewReader(data), o)
	check(t, err)
	return x
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestReleases reads traces of all releases since 1.22: each call of the handler is a request, as long as the service says and
// not much longer.
func TestReleases(t *testing.T) {
	for _, r := range recordings(t) {
		t.Run(r.name, func(t *testing.T) {
			x := read(t, r.trace, Options{})
			tile(t, x)
			if x.Unread != "" || x.Procs < 1 || x.Dated != (r.name >= "go1.25") {
				t.Errorf("unread %q, GOMAXPROCS %d, dated %v", x.Unread, x.Procs, x.Dated)
			}
			found := x.Find(timeline.Selector{})
			if len(found.Whole) != len(r.Calls) || found.Cut+found.Streams != 0 {
				t.Fatalf("%d requests, %d cut, %d streams; the service had %d calls", len(found.Whole), found.Cut, found.Streams, len(r.Calls))
			}
			near(t, found.Whole, r.Calls, 5e6)
			near(t, x.Find(timeline.Selector{By: timeline.TraceTask, Name: "order"}).Whole, r.Calls, 2e6)
			for _, h := range x.Find(timeline.Selector{By: timeline.TraceRegion, Name: "hold"}).Whole {
				if h.Length() < 2e6 {
					t.Errorf("a region of a sleep of 2 ms takes %d ns", h.Length())
				}
			}
		})
	}
}

// near holds the lengths of requests against those of the calls in them.
func near(t *testing.T, requests []*timeline.Request, calls []int64, most int64) {
	t.Helper()
	calls = slices.Sorted(slices.Values(calls))
	lengths := make([]int64, len(requests))
	for i, q := range requests {
		lengths[i] = q.Length()
	}
	slices.Sort(lengths)
	if len(lengths) != len(calls) {
		t.Fatalf("%d requests, %d calls", len(lengths), len(calls))
	}
	for i, l := range lengths {
		if l < calls[i]-most/10 || l > calls[i]+most {
			t.Errorf("request %d by length takes %d ns, the handler %d", i, l, calls[i])
		}
	}
}

// tile checks that a goroutine's pieces follow each other without holes, in a window that has them all.
func tile(t *testing.T, x *Trace) {
	t.Helper()
	for _, g := range x.Tracks {
		at := g.Pieces[0].From
		for _, p := range g.Pieces {
			if p.From != at || p.To <= p.From || p.From < x.From || p.To > x.To {
				t.Fatalf("goroutine %d: a piece from %d to %d after %d, in %d to %d", g.Goid, p.From, p.To, at, x.From, x.To)
			}
			at = p.To
		}
	}
}

// TestWhoWoke: a wait for the lock is ended by a handler that gives it back, a sleep by the runtime; and a connection's goroutine
// is started by the listener's.
func TestWhoWoke(t *testing.T) {
	for _, r := range recordings(t) {
		x := read(t, r.trace, Options{})
		on := func(stack int32, name string) bool { return x.Has(&x.Stacks[stack], []string{name}) }
		locks, sleeps, conns := 0, 0, 0
		for _, g := range x.Tracks {
			for _, p := range g.Pieces {
				switch {
				case p.Kind == timeline.Lock && on(p.Stack, "main.(*service).ServeHTTP"):
					locks++
					by := x.ByID[p.By]
					if by == nil || by == g || !on(p.ByStack, "main.(*service).ServeHTTP") || x.States[p.State].Name != "sync.Mutex.Lock" {
						t.Errorf("%s: a %s of goroutine %d is ended by %d", r.name, x.States[p.State].Name, g.Goid, p.By)
					}
				case p.Kind == timeline.Timer && on(p.Stack, "main.(*service).hold"):
					if sleeps++; p.By == 0 || p.By == g.Goid {
						t.Errorf("%s: a sleep is ended by %d", r.name, p.By)
					}
				}
			}
			if on(g.Birth, "net/http.(*Server).Serve") {
				conns++
				if x.ByID[g.Parent] == nil {
					t.Errorf("%s: a connection is started by %d, who is not there", r.name, g.Parent)
				}
			}
		}
		if locks < 30 || sleeps < 55 || conns < 4 {
			t.Errorf("%s: %d waits for the lock, %d sleeps, %d connections", r.name, locks, sleeps, conns)
		}
	}
}

// TestEpoch moves times to where a recording of the same seconds has them.
func TestEpoch(t *testing.T) {
	r := recordings(t)[0]
	a, b := read(t, r.trace, Options{Epoch: 1e18}), read(t, r.trace, Options{Epoch: 1e18 + 12345})
	if b.From-a.From != 12345 || b.To-a.To != 12345 || !a.Dated || a.From < 1e18 {
		t.Errorf("from %d and %d", a.From, b.From)
	}
}

// TestBroken reads a trace up to where it is broken, and says so.
func TestBroken(t *testing.T) {
	for _, r := range recordings(t) {
		whole := read(t, r.trace, Options{})
		x, err := Read(bytes.NewReader(r.trace[:len(r.trace)*2/3]), Options{})
		if err == nil { // there may be but one generation
			tile(t, x)
			if x.Unread == "" || x.Events >= whole.Events {
				t.Errorf("%s: cut, unread %q, %d of %d events", r.name, x.Unread, x.Events, whole.Events)
			}
		} else if !errors.Is(err, ErrNotTrace) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", r.name, err)
		}
	}
}

func TestLimits(t *testing.T) {
	r := recordings(t)[3]
	for want, o := range map[string]Options{
		"longer than the limit of": {Bytes: 20_000},
		"states of goroutines":     {Pieces: 500},
		"more than 20 goroutines":  {Goroutines: 20},
		"stacks":                   {Stacks: 30},
		"more than 40 functions":   {Functions: 40},
	} {
		x, err := Read(bytes.NewReader(r.trace), o)
		if err != nil {
			if !strings.Contains(err.Error(), "broken") && !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v", want, err)
			}
			continue
		}
		if tile(t, x); !strings.Contains(x.Unread, want) {
			t.Errorf("unread %q, want %q", x.Unread, want)
		}
	}
}

func TestNotTrace(t *testing.T) {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(make([]byte, 1<<20))
	w.Close()
	for name, data := range map[string][]byte{
		"nothing": nil, "words": []byte("Could not enable tracing: already enabled"), "a header": []byte(header), "zeros": z.Bytes(),
		"old": []byte("go 1.19 trace\x00\x00\x00" + strings.Repeat("x", 100)),
	} {
		if _, err := Read(bytes.NewReader(data), Options{}); !errors.Is(err, ErrNotTrace) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := recordings(t)[0]
	var c bytes.Buffer
	w = gzip.NewWriter(&c)
	w.Write(r.trace)
	w.Close()
	if !Is(r.trace[:64]) || !Is(c.Bytes()[:512]) || Is(z.Bytes()) || Is(nil) {
		t.Error("what a trace is")
	}
}
