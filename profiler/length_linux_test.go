package profiler

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/fold"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// slow is a source that has much to hand out when it is told to end.
type slow struct {
	cpuSource
	release chan struct{}
}

func (s slow) Run(ctx context.Context, _ func(*sample.Sample)) error {
	<-ctx.Done()
	<-s.release
	return nil
}
func (slow) Name() string     { return "slow" }
func (slow) Start() error     { return nil }
func (slow) Stats() bpf.Stats { return bpf.Stats{} }
func (slow) doubts() []string { return nil }
func (slow) Close() error     { return nil }

// A recording is as long as it was observed, however long it takes to resolve what was seen.
func TestLengthIsWhatWasObserved(t *testing.T) {
	r, err := openTarget(os.Getpid(), Options{Mode: CPU})
	if err != nil {
		t.Fatal(err)
	}
	if r.symbols, err = symbolize.New(r.target, symbolize.Options{NoKernel: true}); err != nil {
		t.Fatal(err)
	}
	defer r.symbols.Close()
	source := slow{release: make(chan struct{})}
	r.source, r.slices = source, fold.NewSlices(fold.NewBuilder(program{}, fold.Keep{}))
	ctx, cancel := context.WithCancel(t.Context())
	r.options.Started = func(Summary) {
		cancel()
		time.AfterFunc(time.Second, func() { close(source.release) })
	}
	var rec *Recording
	if err := r.stream(ctx, 0, func(one *Recording) error { rec = one; return nil }); err != nil {
		t.Fatal(err)
	}
	if length := time.Duration(rec.Profile.DurationNanos); length >= time.Second {
		t.Errorf("the recording is %v long; it was told to end at once", length)
	}
}
