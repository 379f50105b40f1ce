//go:build amd64 || arm64

package bpf

import (
	"context"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// TestRingFillsFast has a ring that is full long before its reader comes by itself, as one of usual size is where a hundred CPUs fill it:
// the reader is woken.
func TestRingFillsFast(t *testing.T) {
	x := target.Start(t, target.Compile(t, "spin", target.Build{}), "-n", "2")
	p, err := proc.Open(x.PID)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	s, err := Open(p, Options{Rate: fewSamples, ring: 4 << 10})
	target.Need(t, err)
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := s.Run(ctx, func(*sample.Sample) {}); err != nil {
		t.Fatal(err)
	}
	st := s.Stats()
	t.Logf("%d samples, %d lost", st.Samples, st.Lost)
	if st.Samples < 20 || st.Lost > st.Samples/2 {
		t.Errorf("%d samples, %d lost", st.Samples, st.Lost)
	}
}
