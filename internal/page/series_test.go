package page

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestRuns lays random spans over cells, and counts each tick on its own.
func TestRuns(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		want := map[int64]int64{}
		var spans []span
		for range random.IntN(6) {
			from := random.Int64N(20 * perCell)
			to := from + 1 + random.Int64N(8*perCell)
			spans = append(spans, span{0, 77 + from*int64(tick), 77 + to*int64(tick)})
			for at := from; at < to; at++ {
				want[at/perCell]++
			}
		}
		last := int64(0)
		for _, r := range runsOf(spans, 77) {
			if r.from < last || r.to <= r.from {
				t.Fatalf("%+v begins before %d", r, last)
			}
			for c := r.from; c < r.to; c++ {
				if want[c] != r.ticks {
					t.Fatalf("cell %d has %d ticks, want %d, of %v", c, r.ticks, want[c], spans)
				}
				delete(want, c)
			}
			last = r.to
		}
		if len(want) > 0 {
			t.Fatalf("without %v, of %v", want, spans)
		}
	}
	if runs := runsOf([]span{{0, 100, 101}}, 100); len(runs) != 1 || runs[0].ticks != 1 {
		t.Errorf("less than a tick: %v", runs)
	}
}

// TestSamePage: a profile makes the same page each time, for who keeps pages beside recordings.
func TestSamePage(t *testing.T) {
	var first []byte
	for range 5 {
		p := asked()
		b := New(Options{})
		if err := b.Add(p, slices.Values(p.Sample)); err != nil {
			t.Fatal(err)
		}
		b.AddLanes(p, slices.Values(p.Sample))
		var data bytes.Buffer
		if err := b.Data(&data); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = data.Bytes()
		}
		if !bytes.Equal(first, data.Bytes()) {
			t.Fatal("another page of the same profile")
		}
	}
}

// TestStrangeTimes: samples of two days are no timeline, and times at the ends of int64 do not overflow; the sums are there.
func TestStrangeTimes(t *testing.T) {
	for name, end := range map[string]int64{"days": 2 * 86400e9, "largest": 1<<63 - 1, "negative": -1, "zero": 0} {
		p := asked()
		p.Sample[0].NumLabel["end_timestamp_ns"] = []int64{end}
		b := New(Options{})
		if err := b.Add(p, slices.Values(p.Sample)); err != nil {
			t.Fatal(err)
		}
		b.AddLanes(p, slices.Values(p.Sample))
		var data bytes.Buffer
		if err := b.Data(&data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := b.rows.columns[2].total.String(); got != totalsOf(p)[2] {
			t.Errorf("%s: %s ns, want %s", name, got, totalsOf(p)[2])
		}
		from, to, ok := b.series.window()
		if ok && (end > 0 || to-from > int64(longest)) {
			t.Errorf("%s: a timeline from %d to %d", name, from, to)
		}
	}
}
