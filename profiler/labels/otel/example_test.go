package otel_test

import (
	"context"
	"fmt"
	"runtime/pprof"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/mayfly-profiler/mayfly/profiler/labels/otel"
)

func ExampleLabeled() {
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(new(otel.Processor)))
	ctx, span := provider.Tracer("example").Start(context.Background(), "request")
	defer span.End()
	pprof.Do(otel.Labeled(ctx), pprof.Labels("step", "render"), func(ctx context.Context) {
		id, ok := pprof.Label(ctx, otel.KeyTrace)
		fmt.Println(ok, id == span.SpanContext().TraceID().String())
	})
	// Output: true true
}
