//go:build amd64 || arm64

package bpf

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// setRecord is a record of exact.bpf.c with one label.
func setRecord(set, gen uint64, flags uint32, key, value string) []byte {
	u := binary.LittleEndian
	b := u.AppendUint64(u.AppendUint64(nil, set), gen)
	labels := u.AppendUint32(u.AppendUint32(nil, uint32(len(key))), uint32(len(value)))
	for _, text := range []string{key, value} {
		labels = append(labels, text...)
		for len(labels)%8 != 0 {
			labels = append(labels, byte(set)) // what was there before
		}
	}
	for _, n := range []uint32{flags, 1, uint32(len(labels)), 0} {
		b = u.AppendUint32(b, n)
	}
	return append(b, labels...)
}

func read(s *exactSums, totals map[exactWho]exactTotal) (gone []exactWho) {
	s.begin()
	for w, t := range totals {
		s.add(w, t)
	}
	return s.end()
}

func byLabel(all []CPUTime) map[string]CPUTime {
	sums := make(map[string]CPUTime)
	for _, c := range all {
		name := ""
		if len(c.Labels) > 0 {
			name = c.Labels[0].Value
		}
		if c.Who != Goroutine {
			name = map[Counted]string{NoGoroutine: "none", UnknownLabels: "lost", UnknownGoroutine: "unknown", Probes: "probes"}[c.Who]
		}
		sums[name] = c
	}
	return sums
}

// The same place in the target's memory is another label set in another generation; the same labels at two places are one.
func TestExactSums(t *testing.T) {
	s := newExactSums()
	for _, r := range [][]byte{setRecord(0x10, 2, 0, "k", "a"), setRecord(0x10, 4, 0, "k", "b"), setRecord(0x20, 4, 0, "k", "a"),
		setRecord(0x30, 4, 1, "k", "cut")} {
		if err := s.learn(r); err != nil {
			t.Fatal(err)
		}
	}
	g := uint64(exactKindsOF_GOROUTINE)
	totals := map[exactWho]exactTotal{
		{Kind: g, Set: 0x10, Gen: 2}:         {Ns: 1000, Stints: 1, Edges: 2},
		{Kind: g, Set: 0x10, Gen: 4}:         {Ns: 100, Stints: 1},
		{Kind: g, Set: 0x20, Gen: 4}:         {Ns: 10, Stints: 1, Edges: 1},
		{Kind: g, Set: 0x30, Gen: 4}:         {Ns: 7, Stints: 1},
		{Kind: g, Set: 0x40, Gen: 4}:         {Ns: 5, Stints: 1},
		{Kind: g}:                            {Ns: 3, Stints: 1},
		{Kind: uint64(exactKindsOF_NONE)}:    {Ns: 2},
		{Kind: uint64(exactKindsOF_UNKNOWN)}: {Ns: 1},
		{Kind: uint64(exactKindsOF_PROBES)}:  {Ns: 50},
	}
	read(s, totals)
	read(s, totals) // nothing new
	got := byLabel(s.take(&ExactStats{Trap: 100}))
	for name, want := range map[string]time.Duration{"a": 1010 - 150, "b": 100, "lost": 12, "": 3,
		"none": 2, "unknown": 1, "probes": 50 + 150} {
		if got[name].Time != want {
			t.Errorf("%q: %d, want %d", name, got[name].Time, want)
		}
	}
	if got["a"].Stints != 2 || s.partial != 1 {
		t.Errorf("%d stints, %d sets in part", got["a"].Stints, s.partial)
	}
	if again := s.take(&ExactStats{Trap: 100}); len(again) != 0 {
		t.Errorf("taken twice: %v", again)
	}
}

// Totals of earlier generations are forgotten when they have not changed for a while, and then begin at 0 again.
func TestExactSumsForget(t *testing.T) {
	s := newExactSums()
	if err := s.learn(setRecord(0x10, 2, 0, "k", "a")); err != nil {
		t.Fatal(err)
	}
	old, fresh := exactWho{Kind: 1, Set: 0x10, Gen: 2}, exactWho{Kind: 1, Gen: 4}
	totals := map[exactWho]exactTotal{old: {Ns: 10}, fresh: {Ns: 1}}
	var gone []exactWho
	for range 2 * idleFor {
		gone = append(gone, read(s, totals)...)
		for _, w := range gone {
			delete(totals, w)
		}
	}
	if len(gone) != 1 || gone[0] != old || len(s.seen) != 1 {
		t.Fatalf("gone: %v; %d left", gone, len(s.seen))
	}
	totals[old] = exactTotal{Ns: 4} // a thread that slept with it
	read(s, totals)
	if got := byLabel(s.take(&ExactStats{})); got["a"].Time != 14 {
		t.Errorf("%v", got)
	}
	for range 3 * idleFor {
		read(s, map[exactWho]exactTotal{fresh: {Ns: 1}})
	}
	if len(s.sets) != 0 {
		t.Errorf("%d label sets are kept", len(s.sets))
	}
}

// Whatever a record says, it is taken in or refused.
func FuzzExactRecord(f *testing.F) {
	f.Add(setRecord(1, 2, 0, "key", "value"))
	f.Add(setRecord(1, 2, 0, "key", "value")[:40])
	f.Fuzz(func(t *testing.T, raw []byte) {
		s := newExactSums()
		if s.learn(raw) == nil {
			s.add(exactWho{Kind: 1, Set: u64(raw, 0), Gen: u64(raw, 8)}, exactTotal{Ns: 1})
			for _, c := range s.take(&ExactStats{}) {
				var _ []sample.Label = c.Labels
			}
		}
	})
}

// A stated error covers the traps, what the checks found, what the scheduler added, and what was drawn.
func TestExactError(t *testing.T) {
	x := &CPUTime{Time: 500, Edges: 10}
	for name, c := range map[string]struct {
		st   ExactStats
		want time.Duration
	}{
		"traps":  {ExactStats{Trap: 40, Checks: 1 << 40}, 200},
		"wrong":  {ExactStats{Wrong: 9, Checks: 99}, 50},
		"all":    {ExactStats{}, 500},
		"added":  {ExactStats{Checks: 1 << 40, Added: 100}, 50},
		"drawn":  {ExactStats{Checks: 1 << 40, Moved: 2 * 100 * 100}, 200},
		"nobody": {ExactStats{Checks: 1 << 40}, 0},
	} {
		if got := c.st.errorOf(x, 1000); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if got := (&ExactStats{Added: 100, Moved: 100}).errorOf(&CPUTime{}, 0); got != 0 {
		t.Errorf("of nothing: %d", got)
	}
}

// Traps that were interrupted do not count, and those that are twice as long do.
func TestMeanTrap(t *testing.T) {
	var steps [trapSteps]uint64
	if got := meanTrap(&steps, 0); got != 0 {
		t.Errorf("%s without any", got)
	}
	steps[10], steps[20], steps[200] = 60, 40, 5
	if got, want := meanTrap(&steps, 105), 14*trapStep+trapStep/2; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
