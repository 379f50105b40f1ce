package sample

import (
	"slices"
	"testing"
)

func TestAcceptQueues(t *testing.T) {
	a := AcceptQueue{"0.0.0.0:8080", 500, 480, 5600, 34}
	b := AcceptQueue{"[::1]:80", 500, 0, 0, 0}
	for text, want := range map[string][]AcceptQueue{
		a.String() + "; " + b.String(): {a, b},
		"":                             nil,
		"0.0.0.0:80 ticks=5 waiting=6 sum=6 most=1; " + b.String(): {b},
		"0.0.0.0:80 ticks=5 waiting=-1 sum=6 most=1":               nil,
		"0.0.0.0:80 ticks=5 waiting=99999999999999999999":          nil,
	} {
		if got := ParseAcceptQueues(text); !slices.Equal(got, want) {
			t.Errorf("%q: %+v", text, got)
		}
	}
	if a.Add(AcceptQueue{"", 100, 20, 40, 40}); a != (AcceptQueue{"0.0.0.0:8080", 600, 500, 5640, 40}) || a.Mean() != 9.4 {
		t.Errorf("%+v, mean %v", a, a.Mean())
	}
}
