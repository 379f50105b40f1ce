package profiler

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/fold"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/profiler/summary"
)

// tape makes slices of a second each that adjoin. Slice i has one sample of i+1 ns, and as many
// more of noise as asked.
type tape struct {
	n     int
	noise int
}

var tapeStart = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func (x *tape) next() *Recording {
	b := fold.NewBuilder(program{}, fold.Keep{Wall: true})
	stack := []uint64{atWork, atGoexit}
	b.Add(&sample.Sample{Time: 1, Weight: int64(x.n + 1), State: "select", Curg: stack})
	for range x.noise {
		labels := []sample.Label{{Key: "noise", Value: fmt.Sprintf("%x", rand.Uint64())}}
		b.Add(&sample.Sample{Time: 1, Weight: 1e6, State: "sleep", Curg: stack, Labels: labels})
	}
	rec := &Recording{Profile: b.Profile(), fresh: 1}
	rec.Profile.TimeNanos = tapeStart.Add(time.Duration(x.n) * time.Second).UnixNano()
	rec.Profile.DurationNanos = int64(time.Second)
	rec.Summary = Summary{CPU: summary.CPU{Samples: 100, Profiled: 1e8}, Coverage: summary.Coverage{Seen: 10},
		Table: summary.Table{Rate: float64(x.n)}, Denied: []string{"sight"}, End: sliceEnd}
	x.n++
	return rec
}

// now is the end of the last slice.
func (x *tape) now() time.Time { return tapeStart.Add(time.Duration(x.n) * time.Second) }

// state adds up the wall time in a state.
func stateTime(p *profile.Profile, state string) (ns int64) {
	for _, s := range p.Sample {
		if s.Label["go.state"][0] == state {
			ns += s.Value[4]
		}
	}
	return ns
}

func add(t *testing.T, r *Ring, x *tape) *Recording {
	t.Helper()
	window, err := r.Add(x.next())
	if err != nil {
		t.Fatal(err)
	}
	return recorded(t, window)
}

func recorded(t *testing.T, w *Window) *Recording {
	t.Helper()
	if w == nil {
		return nil
	}
	rec, err := w.Recording()
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// A window is the slices before and after the trigger, all of them and each once.
func TestRingWindow(t *testing.T) {
	r, x := NewRing(RingOptions{Before: 5 * time.Second, After: 2 * time.Second}), new(tape)
	for range 20 {
		if add(t, r, x) != nil {
			t.Fatal("a window without a trigger")
		}
	}
	at := x.now().Add(-300 * time.Millisecond)
	if _, ok := r.Trigger(at, "test", "a test"); !ok {
		t.Fatal("refused")
	}
	var window *Recording
	for window == nil && x.n < 40 {
		window = add(t, r, x)
	}
	p := window.Profile
	if err := p.CheckValid(); err != nil {
		t.Fatal(err)
	}
	// at is in second 19.7: slices 14 (from 14.7) to 21 (to 21.7).
	if want := tapeStart.Add(14 * time.Second).UnixNano(); p.TimeNanos != want || p.DurationNanos != int64(8*time.Second) {
		t.Errorf("window from %v for %v", time.Unix(0, p.TimeNanos).UTC(), time.Duration(p.DurationNanos))
	}
	if got, want := stateTime(p, "select"), int64(15+16+17+18+19+20+21+22); got != want {
		t.Errorf("samples of %d ns, want %d", got, want)
	}
	s := window.Summary
	if s.CPU.Samples != 800 || s.Coverage.Seen != 17 || s.Table.Rate != 17.5 || math.Abs(s.CPU.RateReached-1000) > 1e-6 || len(s.Denied) != 1 {
		t.Errorf("summary %+v", s)
	}
	if want := "window around 2026-01-02T03:04:24.7Z: a test"; s.End != want {
		t.Errorf("end %q, want %q", s.End, want)
	}
	if r.pending != nil || len(r.kept) != 6 {
		t.Errorf("%d slices kept, pending %v", len(r.kept), r.pending)
	}
}

// The last seconds are whole slices, no more than the ring keeps.
func TestRingLast(t *testing.T) {
	r, x := NewRing(RingOptions{Before: 5 * time.Second}), new(tape)
	if w := r.Last(time.Second, "nothing"); w != nil {
		t.Errorf("an empty ring has %+v", w)
	}
	for range 20 {
		add(t, r, x)
	}
	for d, slices := range map[time.Duration]int64{time.Nanosecond: 1, 2 * time.Second: 2, 2500 * time.Millisecond: 3, time.Hour: 5} {
		p := recorded(t, r.Last(d, "a test")).Profile
		if end := tapeStart.Add(20 * time.Second).UnixNano(); p.TimeNanos+p.DurationNanos != end || p.DurationNanos != slices*int64(time.Second) {
			t.Errorf("%s: %v before the end for %v", d, time.Duration(end-p.TimeNanos), time.Duration(p.DurationNanos))
		}
	}
}

// Goroutines that the slices have in common are counted once, and ratios are weighted by the slices' lengths.
func TestMergeSummaries(t *testing.T) {
	at := func(n int, seen int64, unlabeled float64) kept {
		start := tapeStart.Add(time.Duration(n) * time.Second)
		s := Summary{CPU: summary.CPU{Samples: 1}, Coverage: summary.Coverage{Seen: seen}, Labels: summary.Labels{Unlabeled: unlabeled}}
		return kept{start: start, end: start.Add(time.Second), summary: s, fresh: 2}
	}
	s := mergeSummaries([]kept{at(0, 5, 0.5), at(1, 3, 0.1)})
	if s.CPU.Samples != 2 || s.Coverage.Seen != 7 || s.Labels.Unlabeled != 0.3 {
		t.Errorf("%+v", s)
	}
}

// Twenty dumps in a row are files that pprof reads, and none has a gap.
func TestRingDumps(t *testing.T) {
	r, x := NewRing(RingOptions{Before: 3 * time.Second, After: time.Second}), &tape{noise: 20}
	dumps := 0
	for range 200 {
		if window := add(t, r, x); window != nil {
			var file bytes.Buffer
			if err := window.Profile.Write(&file); err != nil {
				t.Fatal(err)
			}
			p, err := profile.Parse(&file)
			if err != nil {
				t.Fatal(err)
			}
			first, n := int((p.TimeNanos-tapeStart.UnixNano())/1e9), int(p.DurationNanos/1e9)
			want := int64(0)
			for i := first; i < first+n; i++ {
				want += int64(i + 1)
			}
			if got := stateTime(p, "select"); got != want || stateTime(p, "sleep") != int64(n)*20e6 {
				t.Errorf("dump %d: slices %d to %d hold %d ns, want %d", dumps, first, first+n, got, want)
			}
			dumps++
		}
		r.Trigger(x.now(), "test", "again")
	}
	if dumps < 20 {
		t.Errorf("%d dumps", dumps)
	}
}

// Triggers are refused until the cool-down has passed, and say until when.
func TestRingCoolDown(t *testing.T) {
	r, x := NewRing(RingOptions{Before: 3 * time.Second, After: time.Second, CoolDown: 10 * time.Second}), new(tape)
	taken := 0
	for i := range 100 {
		add(t, r, x)
		next, ok := r.Trigger(x.now(), "test", "again")
		if ok {
			taken++
		}
		if want := tapeStart.Add(time.Duration(1+i/10*10) * time.Second); !ok && !next.Equal(want.Add(10*time.Second)) {
			t.Errorf("slice %d: refused until %v", i, next)
		}
	}
	if taken != 10 {
		t.Errorf("%d triggers taken in 100 s with a cool-down of 10 s", taken)
	}
}

// A kind of trigger that comes all the time does not keep another from its window, which is asked for while the first
// one's is being waited for.
func TestRingKindsOfTriggers(t *testing.T) {
	r, x := NewRing(RingOptions{Before: 3 * time.Second, After: 2 * time.Second, CoolDown: time.Hour}), new(tape)
	for range 5 {
		add(t, r, x)
	}
	if _, ok := r.Trigger(x.now(), "http", "anybody"); !ok {
		t.Fatal("the first is refused")
	}
	if w := add(t, r, x); w != nil {
		t.Fatal("a window before its end")
	}
	if _, ok := r.Trigger(x.now(), "http", "anybody again"); ok {
		t.Error("the second of a kind is taken")
	}
	if _, ok := r.Trigger(x.now(), "when", "p99"); !ok {
		t.Error("another kind is refused")
	}
	var rec *Recording
	for range 2 {
		rec = add(t, r, x)
	}
	if rec == nil || rec.Profile.DurationNanos != int64(6*time.Second) || !strings.HasSuffix(rec.Summary.End, ": anybody; p99") {
		t.Fatalf("%+v: want the 3 s before the first, and up to 2 s after the second", rec)
	}
	if _, ok := r.Trigger(x.now(), "when", "p99"); ok {
		t.Error("another kind has no cool-down")
	}
}

// What a ring holds, and what a window of it needs, has a bound in bytes; a window that it shortened
// says so. Here a slice is about 20 KB, and 2 MB while it is written.
func TestRingLimit(t *testing.T) {
	const limit = 20 << 20
	r, x := NewRing(RingOptions{Before: time.Hour, Limit: limit}), &tape{noise: 1000}
	for range 50 {
		add(t, r, x)
		held := 0
		for _, k := range r.kept {
			held += cap(k.data)
		}
		if r.need() > limit || held != r.Bytes() {
			t.Fatalf("%d bytes counted, %d held, %d needed, limit %d", r.Bytes(), held, r.need(), limit)
		}
	}
	if len(r.kept) < 2 || len(r.kept) > 20 {
		t.Errorf("%d slices in %d bytes", len(r.kept), r.Bytes())
	}
	r.Trigger(x.now(), "test", "full")
	window := add(t, r, x)
	if window == nil {
		t.Fatal("no window")
	}
	if d := window.Summary.Denied; len(d) != 2 {
		t.Errorf("denied: %q", d)
	}
}

// A sample of a window does not take more than the limit counts for it, an interval of a timeline with many labels
// included. What is left when it has been written is nearly all that there was while it was.
func TestRingSampleBytes(t *testing.T) {
	const n = 20000
	r := NewRing(RingOptions{Before: time.Hour})
	b := fold.NewBuilder(program{}, fold.Keep{Wall: true, Timeline: true})
	stack := []uint64{atWork}
	for range 30 {
		stack = append(stack, atWork+4)
	}
	stack = append(stack, atGoexit)
	for i := range n {
		labels := []sample.Label{{Key: "endpoint", Value: "/a"}, {Key: "tenant", Value: "t1"}, {Key: "request", Value: fmt.Sprint(i)}}
		b.Add(&sample.Sample{Time: int64(i + 1), Weight: 1, Goid: uint64(i), Parent: 1, State: "sleep", Curg: stack, Labels: labels})
	}
	p := b.Profile()
	p.TimeNanos, p.DurationNanos = tapeStart.UnixNano(), int64(time.Second)
	r.Add(&Recording{Profile: p})
	heap := func() int {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	b, p = nil, nil
	before := heap()
	rec := recorded(t, r.Rest("now"))
	if err := rec.Profile.Write(io.Discard); err != nil {
		t.Fatal(err)
	}
	each := (heap() - before) / len(rec.Profile.Sample)
	t.Logf("%d bytes a sample", each)
	if len(rec.Profile.Sample) != n || each > fold.SampleBytes {
		t.Errorf("%d samples of %d bytes each, %d are counted", len(rec.Profile.Sample), each, fold.SampleBytes)
	}
}

// The end of the stream completes a window.
func TestRingRest(t *testing.T) {
	r, x := NewRing(RingOptions{Before: 3 * time.Second, After: time.Minute}), new(tape)
	if w := r.Rest("the end"); w != nil {
		t.Fatalf("an empty ring: %v", w)
	}
	for range 5 {
		add(t, r, x)
	}
	r.Trigger(x.now(), "test", "a test")
	rec := recorded(t, r.Rest("the end"))
	if rec == nil || rec.Profile.DurationNanos != int64(3*time.Second) {
		t.Fatalf("%v", rec)
	}
	if want := "a test; the end"; !strings.HasSuffix(rec.Summary.End, want) {
		t.Errorf("%q", rec.Summary.End)
	}
	if r.Rest("") != nil {
		t.Error("twice")
	}
	if rec := recorded(t, r.Rest("the end")); rec == nil || !strings.HasSuffix(rec.Summary.End, ": the end") {
		t.Error("the end is a trigger, whatever the cool-down says")
	}
}

// A stream that begins anew has nothing to do with what was kept: there would be a gap. Who waits for a window gets what there was.
func TestRingGap(t *testing.T) {
	r, x := NewRing(RingOptions{Before: time.Minute, After: time.Minute}), new(tape)
	add(t, r, x)
	add(t, r, x)
	r.Trigger(x.now(), "test", "a test")
	x.n++
	rec := add(t, r, x)
	if rec == nil || stateTime(rec.Profile, "select") != 1+2 || !strings.HasSuffix(rec.Summary.End, ": a test") {
		t.Errorf("the window of the program before: %v", rec)
	}
	if len(r.kept) != 1 || r.Bytes() != len(r.kept[0].data) {
		t.Errorf("%d slices, %d bytes", len(r.kept), r.Bytes())
	}
	if w := r.Rest(""); w != nil {
		t.Errorf("the trigger is of the program before: a window of %d slices", len(w.in))
	}
}
