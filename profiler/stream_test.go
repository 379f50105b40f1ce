package profiler

import (
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/fold"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// program is one with a single function, and its goroutines' root behind it.
type program struct{}

const (
	atWork   = 0x1010
	atGoexit = 0x2001
)

func (program) Resolve(dst []symbolize.Frame, pc uint64) ([]symbolize.Frame, int) {
	if pc >= 0x2000 {
		return append(dst, symbolize.Frame{Func: "runtime.goexit", Kind: symbolize.Go}), 0
	}
	return append(dst, symbolize.Frame{Func: "main.work", File: "x.go", Line: int(pc & 0xfff), Kind: symbolize.Go}), 0
}
func (program) ResolveKernel(dst []symbolize.Frame, _ uint64) ([]symbolize.Frame, int) {
	return dst, -1
}
func (program) SPDelta(uint64) (int32, bool) { return 16, true }
func (program) InGo(uint64) bool             { return true }
func (program) Entry(uint64) bool            { return false }
func (program) Mappings() []symbolize.Mapping {
	return []symbolize.Mapping{{Start: 0x1000, Limit: 0x3000, File: "/bin/x", BuildID: "abcd"}}
}

// The rule of stream.go, case by case: what of a sample goes before the border at 1000, and what
// after it.
func TestSortSamples(t *testing.T) {
	tests := []struct {
		name          string
		s             sample.Sample
		before, after int64 // ns
	}{
		{"a stay before", sample.Sample{Time: 900, Weight: 400, State: "select"}, 400, 0},
		{"a stay to the border", sample.Sample{Time: 1000, Weight: 400, State: "select"}, 400, 0},
		{"a stay across", sample.Sample{Time: 1100, Weight: 400, State: "select"}, 300, 100},
		{"a stay from the border", sample.Sample{Time: 1400, Weight: 400, State: "select"}, 0, 400},
		{"a stay after", sample.Sample{Time: 2000, Weight: 400, State: "select"}, 0, 400},
		{"an event before", sample.Sample{Time: 1000, Weight: 400, Count: 1, State: sample.Running}, 400, 0},
		{"an event after", sample.Sample{Time: 1001, Weight: 400, Count: 1, State: sample.Running}, 0, 400},
		{"lost events", sample.Sample{Time: 1001, Weight: 400, Count: 9, State: sample.Running, Loss: sample.Lost}, 0, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &recording{before: fold.NewBuilder(program{}, fold.Keep{Wall: true}), border: 1000}
			r.builder = r.before.Next()
			tt.s.Curg = []uint64{atWork, atGoexit}
			r.sort(&tt.s)
			before, after := r.before.Profile(), r.builder.Profile()
			if a, b := wallTime(before), wallTime(after); a != tt.before || b != tt.after {
				t.Errorf("%d ns before the border and %d after it, want %d and %d", a, b, tt.before, tt.after)
			}
		})
	}
}

func wallTime(p *profile.Profile) (ns int64) {
	for _, s := range p.Sample {
		ns += s.Value[4]
	}
	return ns
}
