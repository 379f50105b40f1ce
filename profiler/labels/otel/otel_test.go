package otel

import (
	"bytes"
	"context"
	"runtime/pprof"
	"testing"

	"github.com/google/pprof/profile"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// labels are those of this goroutine, as the runtime's goroutine profile has them.
//
//go:noinline
func labels(t *testing.T) map[string]string {
	t.Helper()
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 0); err != nil {
		t.Fatal(err)
	}
	p, err := profile.Parse(&b)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Sample {
		for _, l := range s.Location {
			for _, line := range l.Line {
				if line.Function.Name != "github.com/mayfly-profiler/mayfly/profiler/labels/otel.labels" {
					continue
				}
				set := make(map[string]string)
				for key, values := range s.Label {
					set[key] = values[0]
				}
				return set
			}
		}
	}
	t.Fatal("this goroutine is not in its own profile")
	return nil
}

func TestSpansAreLabels(t *testing.T) {
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(new(Processor))).Tracer("test")
	ctx := pprof.WithLabels(context.Background(), pprof.Labels("endpoint", "/a"))
	pprof.SetGoroutineLabels(ctx)
	defer pprof.SetGoroutineLabels(context.Background())

	outer, span := tracer.Start(ctx, "outer")
	is := func(what, traceID, spanID string) {
		t.Helper()
		if got := labels(t); got["endpoint"] != "/a" || got[KeyTrace] != traceID || got[KeySpan] != spanID {
			t.Errorf("%s: %v, want trace %q, span %q", what, got, traceID, spanID)
		}
	}
	traceID, outerID := span.SpanContext().TraceID().String(), span.SpanContext().SpanID().String()
	is("in a span", traceID, outerID)

	_, inner := tracer.Start(outer, "inner")
	is("in a span of that", traceID, inner.SpanContext().SpanID().String())
	started := make(chan map[string]string)
	go func() { started <- labels(t) }()
	if got := <-started; got[KeySpan] != inner.SpanContext().SpanID().String() {
		t.Errorf("a goroutine that was started in it: %v", got)
	}
	inner.End()
	is("after it", traceID, outerID)

	pprof.Do(Labeled(outer), pprof.Labels("step", "1"), func(context.Context) { is("in pprof.Do", traceID, outerID) })
	is("after pprof.Do", traceID, outerID)

	span.End()
	is("after both", "", "")
	span.End() // ends nothing
	is("after its second end", "", "")
}
