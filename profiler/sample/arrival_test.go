package sample

import (
	"slices"
	"testing"
)

func TestArrivals(t *testing.T) {
	all := []Arrival{{1795997574913504123, 1795997574913506423}, {1795997574921627467, 1795997574921747967}, {5, 7}}
	const text = "1795997574913504123+2300 8123344+120500 -1795997574921627462+2"
	if got := FormatArrivals(all); got != text {
		t.Errorf("%q, want %q", got, text)
	}
	for _, tt := range []struct {
		text string
		n    int
	}{
		{text, 3}, {"", 0}, {"5+3 x", 1}, {"5+3  5+3", 1}, {"5", 0}, {"5+0", 0}, {"0+5", 0}, {"-5+3", 0}, {"5+3 -9+3", 1},
		{"5+7200000000001", 0}, {"5+7200000000000", 1}, {"9223372036854775807+1", 0}, {"4611686018427387904+1 4611686018427387904+1", 1},
	} {
		if got := ParseArrivals(tt.text); len(got) != tt.n || !slices.Equal(got, all[:tt.n]) && tt.n > 1 {
			t.Errorf("%q: %v, want %d", tt.text, got, tt.n)
		}
	}
}
