package diff

import (
	"math"
	"testing"
)

// TestSpendGoesWhereItIsSeen gives the error rate to the rows that can show a change.
func TestSpendGoesWhereItIsSeen(t *testing.T) {
	value := []float64{1000, 100, 10, 1}
	relative := []float64{0.01, 0.03, 0.1, 0.3} // ten standard errors to a third of one
	w := spend(value, relative, DefaultAlpha)
	sum := 0.0
	for i, v := range w {
		sum += v
		if i > 0 && v > w[i-1] {
			t.Errorf("%v: a smaller row gets more", w)
		}
	}
	if math.Abs(sum-1) > 1e-9 || w[0]+w[1] < 0.9 || w[3] > 0.01 {
		t.Errorf("weights %v, sum %g", w, sum)
	}
}

// TestSpendWithLittleData gives something sensible when nothing can be seen, and for one row or none.
func TestSpendWithLittleData(t *testing.T) {
	for _, relative := range [][]float64{{3, 5, 9}, {0.2}, {}, {1e-12, 1e12}, {math.Inf(1), math.Inf(1)}} {
		value := make([]float64, len(relative))
		for i := range value {
			value[i] = 1 / float64(i+1)
		}
		sum := 0.0
		for _, w := range spend(value, relative, DefaultAlpha) {
			sum += w
		}
		if len(relative) > 0 && !(math.Abs(sum-1) < 1e-9) {
			t.Errorf("%v: weights add up to %g", relative, sum)
		}
	}
}
