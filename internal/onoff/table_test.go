package onoff

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestQuantile(t *testing.T) {
	tests := []struct {
		sorted  []float64
		p, want float64
	}{
		{[]float64{7}, 0.25, 7},
		{[]float64{1, 2, 3, 4, 5}, 0.5, 3},
		{[]float64{1, 2, 3, 4}, 0.5, 2.5},
		{[]float64{0, 10}, 0.25, 2.5},
		{[]float64{0, 10}, 1, 10},
	}
	for _, tt := range tests {
		if got := quantile(tt.sorted, tt.p); got != tt.want {
			t.Errorf("quantile(%v, %v) = %v, want %v", tt.sorted, tt.p, got, tt.want)
		}
	}
}

// The bootstrap's error is what theory says of the median of normal values: 1.2533 sigma/sqrt(n).
func TestSpreadError(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	var mean float64
	const sets, n, sigma = 40, 101, 0.02
	for range sets {
		x := make([]float64, n)
		for i := range x {
			x[i] = 1 + sigma*rnd.NormFloat64()
		}
		mean += spreadOf(x).Err / sets
	}
	if want := 1.2533 * sigma / math.Sqrt(n); math.Abs(mean/want-1) > 0.15 {
		t.Errorf("error of the median = %.5f, want %.5f", mean, want)
	}
	if s := spreadOf([]float64{2, 2, 2}); s != (Spread{2, 2, 2, 0}) {
		t.Errorf("spread of equal values = %v", s)
	}
}

func TestRow(t *testing.T) {
	off := Arm{Work: 1000, Wall: 1, CPU: 2}
	on := Arm{Work: 950, Wall: 1, CPU: 1.9, Samples: 1900}
	r := RowOf("full:999", []Block{{off, on}, {off, on}}, 0)
	if math.Abs(r.Wall.Median-0.95) > 1e-9 || math.Abs(r.CPU.Median-1) > 1e-9 || math.Abs(r.Rate-1000) > 1e-9 {
		t.Errorf("Row = %+v", r)
	}
	if us, _ := r.perSample(r.Wall); math.Abs(us-50) > 1e-6 { // 5 % of a CPU-second by 1000 samples
		t.Errorf("%.3f us lost per sample, want 50", us)
	}
	if us, _ := (&Row{Rate: 1}).perSample(Spread{}); !math.IsNaN(us) {
		t.Errorf("%v us lost per sample at 1 Hz, want none", us)
	}
}
