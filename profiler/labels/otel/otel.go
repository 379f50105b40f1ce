// Package otel puts the ids of OpenTelemetry's spans among the pprof labels of goroutines, so that a profile names the trace
// that a sample belongs to:
//
//	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(new(otel.Processor)), ...)
//
// mayfly report --id TRACE then shows what the request did. It is a module of its own: who does not use OpenTelemetry does
// not get it.
package otel

import (
	"context"
	"runtime/pprof"
	"sync"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// The keys of the labels. Ids are hexadecimal.
const (
	KeyTrace = "trace_id"
	KeySpan  = "span_id"
)

// Processor is a span processor that labels the goroutine that starts a span until it ends it. Goroutines that are started
// meanwhile inherit the labels. Labels that the program has in the span's context stay.
//
// A span is to be ended by the goroutine that started it: package runtime/pprof tells nobody a goroutine's labels, so one that
// ends another's span gets the labels that were there before it. pprof.Do and pprof.SetGoroutineLabels within a span set the
// labels of their context, in which a span processor can put nothing; use Labeled for them.
//
// The zero value is ready. Its methods may be called from several goroutines at once.
type Processor struct {
	open sync.Map // trace.SpanID -> context.Context: what was there before
}

var _ sdktrace.SpanProcessor = (*Processor)(nil)

// Labeled is ctx with the ids of its span among its labels, for pprof.Do within the span.
func Labeled(ctx context.Context) context.Context {
	return labeled(ctx, trace.SpanContextFromContext(ctx))
}

func labeled(ctx context.Context, s trace.SpanContext) context.Context {
	if !s.IsValid() {
		return ctx
	}
	return pprof.WithLabels(ctx, pprof.Labels(KeyTrace, s.TraceID().String(), KeySpan, s.SpanID().String()))
}

// OnStart labels the goroutine.
func (p *Processor) OnStart(parent context.Context, s sdktrace.ReadWriteSpan) {
	before := parent
	outer := trace.SpanContextFromContext(parent)
	if _, open := p.open.Load(outer.SpanID()); open {
		before = labeled(parent, outer)
	}
	p.open.Store(s.SpanContext().SpanID(), before)
	pprof.SetGoroutineLabels(labeled(parent, s.SpanContext()))
}

// OnEnd gives the goroutine the labels that it had before the span: those of the span around it, or of the context that it was
// started with.
func (p *Processor) OnEnd(s sdktrace.ReadOnlySpan) {
	if before, open := p.open.LoadAndDelete(s.SpanContext().SpanID()); open {
		pprof.SetGoroutineLabels(before.(context.Context))
	}
}

// Shutdown does nothing: goroutines keep their labels until their spans end.
func (p *Processor) Shutdown(context.Context) error { return nil }

// ForceFlush does nothing.
func (p *Processor) ForceFlush(context.Context) error { return nil }
