package main

import (
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	tests := []struct {
		in   string
		want time.Duration // -1: refused
	}{
		{"10s", 10 * time.Second}, {"10", 10 * time.Second}, {"0.5", 500 * time.Millisecond},
		{"1m30s", 90 * time.Second}, {"250us", 250 * time.Microsecond}, {"0", 0}, {"1e1", 10 * time.Second},
		{"", -1}, {"ten", -1}, {"-1", -1}, {"-1s", -1}, {"NaN", -1}, {"Inf", -1}, {"1e300", -1}, {"-1e300", -1}, {"10 s", -1},
	}
	for _, tt := range tests {
		var d duration
		err := d.Set(tt.in)
		if got := time.Duration(d); (err != nil) != (tt.want < 0) || err == nil && got != tt.want {
			t.Errorf("Set(%q) = %v, %v, want %v", tt.in, got, err, tt.want)
		}
	}
}
