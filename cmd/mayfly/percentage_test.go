package main

import "testing"

func TestPercentage(t *testing.T) {
	for in, want := range map[string]percentage{"5%": 0.05, "0.05": 0.05, "100%": 1, "0.5%": 0.005} {
		var p percentage
		if err := p.Set(in); err != nil || p != want {
			t.Errorf("%s: %v, %v; want %v", in, p, err, want)
		}
	}
	for _, in := range []string{"", "%", "5", "0", "-1%", "101%", "NaN", "five"} {
		var p percentage
		if err := p.Set(in); err == nil {
			t.Errorf("%s: accepted as %v", in, p)
		}
	}
}
