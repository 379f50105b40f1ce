package goroutine

import (
	"math/bits"
	"math/rand/v2"
	"testing"
	"time"
)

// bucketOf is timeHistogram.record's choice of a counter (runtime/histogram.go).
func bucketOf(d uint64) int {
	bucketBit, bucket := uint(minBits), uint(0)
	if l := uint(bits.Len64(d)); l >= minBits {
		bucketBit, bucket = l, l-minBits+1
	}
	return int(bucket*subBuckets + uint(d>>(bucketBit-1-subBits))%subBuckets)
}

func TestBounds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100000 {
		d := r.Uint64() >> (17 + r.UintN(47))
		i := bucketOf(d)
		if lo, hi := bounds(i); d < lo || d >= hi {
			t.Fatalf("%d ns is counted in %d, which is said to be for %d to %d", d, i, lo, hi)
		}
	}
}

func TestStops(t *testing.T) {
	before, now := make(histogram, histCounts), make(histogram, histCounts)
	for _, d := range []uint64{0, 300, 70_000, 70_000, 5_000_000} {
		now[bucketOf(d)]++
	}
	st := now.since(before)
	if off := st.Time.Seconds()/0.0051403 - 1; st.Count != 5 || off < -0.13 || off > 0.13 || st.Longest < 5*time.Millisecond ||
		st.Longest > 6*time.Millisecond {
		t.Errorf("%+v", st)
	}
	if st := now.since(now); st != (Stops{}) {
		t.Errorf("nothing happened: %+v", st)
	}
	if st := histogram(nil).since(nil); st.Count != -1 {
		t.Errorf("no histogram: %+v", st)
	}
	for i := range now {
		now[i] = 1 << 63 // garbage
	}
	if st := now.since(before); st.Count != -1 {
		t.Errorf("garbage: %+v", st)
	}
}
