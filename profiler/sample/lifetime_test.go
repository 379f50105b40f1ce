package sample

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Bins adjoin and each length lies in its own.
func TestLifetimeBins(t *testing.T) {
	low := int64(0)
	for bin := range LifetimeBins - 1 {
		below := LifetimeBelow(bin)
		if below <= low || LifetimeBinOf(low) != bin || LifetimeBinOf(below-1) != bin {
			t.Fatalf("bin %d from %d to %d: has %d and %d", bin, low, below, LifetimeBinOf(low), LifetimeBinOf(below-1))
		}
		low = below
	}
	if LifetimeBinOf(low) != LifetimeBins-1 || LifetimeBinOf(math.MaxInt64) != LifetimeBins-1 || LifetimeBinOf(-1) != 0 {
		t.Error("ends")
	}
}

// Goroutines that live for 5 s on average and begin at any time of a recording of 10 s: of those that ended half lived for
// less than 2.3 s. The estimate is that of all, 3.47 s; 99 % is more than the recording can know.
func TestEstimate(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var bins [LifetimeBins]LifetimeBin
	for range 20000 {
		left := int64(r.Float64() * 10e9)
		if life := int64(r.ExpFloat64() * 5e9); life < left {
			bins[LifetimeBinOf(life)].Ended++
		} else {
			bins[LifetimeBinOf(left)].Alive++
		}
	}
	var l, ended Lifetimes
	for i, b := range bins {
		if b.Below = LifetimeBelow(i); b.Ended+b.Alive > 0 {
			l.Bins = append(l.Bins, b)
			b.Alive = 0
			ended.Bins = append(ended.Bins, b)
		}
	}
	l.Estimate()
	ended.Estimate()
	if want := 5e9 * math.Ln2; math.Abs(float64(l.P50)-want) > 0.05*want || l.P99 != -1 {
		t.Errorf("%v", l)
	}
	if ended.P50 > 2.6e9 {
		t.Errorf("without those that lived on: %v", ended)
	}
}

// All equal: both percentiles are in the bin. None: not known.
func TestEstimateFew(t *testing.T) {
	l := Lifetimes{Bins: []LifetimeBin{{Below: LifetimeBelow(LifetimeBinOf(20e6)), Ended: 7}}}
	if l.Estimate(); LifetimeBinOf(l.P50) != LifetimeBinOf(20e6) || l.P99 < l.P50 || l.P99 > l.Bins[0].Below {
		t.Errorf("%v", l)
	}
	l.Unseen = 8
	if l.Estimate(); l.P50 != 0 || LifetimeBinOf(l.P99) != LifetimeBinOf(20e6) {
		t.Errorf("with those that were not seen: %v", l)
	}
	l = Lifetimes{}
	if l.Estimate(); l.P50 != -1 || l.P99 != -1 {
		t.Errorf("%v", l)
	}
	l = Lifetimes{Bins: []LifetimeBin{{Ended: 1}}}
	if l.Estimate(); l.P50 < 1e12 {
		t.Errorf("%v", l)
	}
}
