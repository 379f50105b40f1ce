package profiler

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/target"
)

// Where the kernel allows fewer samples than are asked for, there are as many as it allows, at even
// distances, and that is said: at the beginning, or when it was lowered meanwhile.
func TestMaxSampleRate(t *testing.T) {
	limit := 1000
	defer func(old func() int) { maxSampleRate = old }(maxSampleRate)
	maxSampleRate = func() int { return limit }
	x := target.Start(t, target.Compile(t, "spin", target.Build{}))
	for _, e := range []Engine{EBPF, Perf} {
		limit = 1000
		ctx, cancel := context.WithCancel(t.Context())
		o := Options{Mode: CPU, Engine: e, Rate: 4999, Started: func(Summary) {
			limit = 100
			time.AfterFunc(time.Second, cancel)
		}}
		rec, err := Record(ctx, x.PID, o)
		target.Need(t, err)
		s := rec.Summary
		denied := strings.Join(s.Denied, "; ")
		if s.RateAsked != 4999 || s.CPU.RateReached > 1500 || s.CPU.RateReached < 300 {
			t.Errorf("%s: %.0f Hz of %d", e, s.CPU.RateReached, s.RateAsked)
		}
		if !strings.Contains(denied, "750 Hz instead") || !strings.Contains(denied, "was lowered to 100") {
			t.Errorf("%s: %s", e, denied)
		}
	}
	limit = 0
	if got := allowedRate(4999); got != 4999 {
		t.Errorf("%d without a limit", got)
	}
}
