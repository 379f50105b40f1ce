package profiler

import "testing"

func TestNextRate(t *testing.T) {
	for _, tt := range []struct {
		now, asked int
		spent      float64
		want       int
	}{
		{999, 999, 0.5, 999}, {999, 999, 0.8, 499}, {499, 999, 0.5, 499}, {499, 999, 0.2, 998}, {998, 999, 0.2, 999},
		{60, 999, 3, 49}, {49, 999, 3, 49}, {20, 20, 3, 20},
	} {
		if got := nextRate(tt.now, tt.asked, tt.spent); got != tt.want {
			t.Errorf("%d of %d, %.1f of the budget spent: %d, want %d", tt.now, tt.asked, tt.spent, got, tt.want)
		}
	}
}
