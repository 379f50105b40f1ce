package profiler

import (
	"math"
	"testing"
	"time"
)

// Tables share what there is: who needs little leaves the rest to the others, and all of it is given out.
func TestPortions(t *testing.T) {
	for _, tt := range []struct {
		all                float64
		used, limits, want []float64
	}{
		{0.1, []float64{0.1}, []float64{0.1}, []float64{0.1}},
		{0.1, []float64{0.001}, []float64{0.1}, []float64{0.1}}, // one alone has all, whatever it uses
		{0.1, []float64{0.05, 0.05}, []float64{0.05, 0.05}, []float64{0.05, 0.05}},
		{0.1, []float64{0.01, 0.05}, []float64{0.05, 0.05}, []float64{0.02, 0.08}},
		{0.12, []float64{0, 0.04, 0.04}, []float64{0.04, 0.04, 0.04}, []float64{0.01, 0.055, 0.055}},
		{0.12, []float64{0.01, 0.01}, []float64{0.06, 0.06}, []float64{0.06, 0.06}},
		{0.1, nil, nil, nil},
	} {
		got, sum := portions(tt.all, tt.used, tt.limits), 0.0
		for i, p := range got {
			if sum += p; math.Abs(p-tt.want[i]) > 1e-9 {
				t.Errorf("%g for those that use %v of %v: %v, want %v", tt.all, tt.used, tt.limits, got, tt.want)
				break
			}
		}
		if len(got) != len(tt.want) || len(got) > 0 && math.Abs(sum-tt.all) > 1e-9 {
			t.Errorf("%g is given out as %v", tt.all, got)
		}
	}
}

// rated is an on-CPU source that knows its rate.
type rated struct {
	cpuSource
	hz *int
}

func (r rated) SetRate(hz int) error { *r.hz = hz; return nil }

// Recordings divide the rate of on-CPU samples, and get it back when others leave.
func TestBudgetDividesRate(t *testing.T) {
	b := NewBudget(0)
	var rates [40]int
	var leave [40]func()
	for i := range rates {
		leave[i] = b.admit(&recording{rate: 999, source: rated{hz: &rates[i]}})
		if want := max(999/(i+1), lowestRate); rates[0] != want || rates[i] != want || b.Rate(999) != want {
			t.Fatalf("%d recordings: %d and %d Hz, said to be %d; want %d", i+1, rates[0], rates[i], b.Rate(999), want)
		}
	}
	for i := range leave[1:] {
		leave[i+1]()
	}
	if rates[0] != 999 {
		t.Errorf("the last one has %d Hz", rates[0])
	}
	leave[0]()
	if b.end(); len(b.members) != 0 {
		t.Errorf("%d recordings have not left", len(b.members))
	}
	if got := portion(20, 7); got != 20 {
		t.Errorf("of 20 Hz one has %d", got)
	}
}

// What the eBPF programs of a recording took stays spent when it has left.
func TestBudgetSpent(t *testing.T) {
	b := NewBudget(0)
	leave := b.admit(&recording{source: costly{cost: time.Hour}})
	during := b.Spent()
	leave()
	if after := b.Spent(); during < time.Hour || after < during || after > during+time.Minute {
		t.Errorf("%v, and then %v", during, after)
	}
}
