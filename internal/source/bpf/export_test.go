//go:build linux && amd64

package bpf

import (
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Capture samples for d and returns the records as the kernel wrote them.
func (s *OnCPU) Capture(d time.Duration) ([][]byte, error) {
	if err := s.events.start(); err != nil {
		return nil, err
	}
	time.Sleep(d)
	if err := s.events.stop(); err != nil {
		return nil, err
	}
	if err := s.drain(); err != nil {
		return nil, err
	}
	var records [][]byte
	for i := range s.batch.len() {
		records = append(records, append([]byte{}, s.batch.record(i)...))
	}
	return records, nil
}

// Decode is decode with a decoder of its own.
func Decode(raw []byte, s *sample.Sample) error { return new(decoder).decode(raw, s) }

// OpenCallsWithin is OpenCalls with another guard than MaxCallEvents.
func OpenCallsWithin(p *proc.Process, l *goruntime.Layout, code Code, most uint32) (*Calls, error) {
	return openCalls(p, l, code, most)
}
