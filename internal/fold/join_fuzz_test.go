package fold

import (
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

// FuzzJoin joins any slice with itself: what comes out is valid, and has all of it twice.
func FuzzJoin(f *testing.F) {
	hostile.Fuzz(f, func(t *testing.T, p *profile.Profile) {
		want := columnSums(p)
		j := NewJoin()
		j.Add(p.Copy())
		j.Add(p)
		if err := j.p.CheckValid(); err != nil {
			t.Fatal(err)
		}
		for i, got := range columnSums(j.p) {
			if got != 2*want[i] { // an overflow is the same on both sides
				t.Fatalf("column %d: %d, want twice %d", i, got, want[i])
			}
		}
	})
}

func columnSums(p *profile.Profile) []int64 {
	sums := make([]int64, len(p.SampleType))
	for _, s := range p.Sample {
		for i, v := range s.Value {
			sums[i] += v
		}
	}
	return sums
}
