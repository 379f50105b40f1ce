//go:build amd64 || arm64

package bpf

import (
	"testing"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Samples of an event stand for as many as the kernel says, and for those of the time in which others were counted. So do lost ones.
func TestScaleEvents(t *testing.T) {
	cycles, err := FindEvent("cycles")
	if err != nil {
		t.Fatal(err)
	}
	s := &OnCPU{options: Options{Event: &cycles}, timers: timers{event: &cycles}}
	for _, period := range []uint64{1000, 3000} {
		s.batch.add(encode(header{Period: period, Tid: 7}, []uint64{0x401000}, nil, nil, nil), 7)
	}
	s.timers.enabled, s.timers.running = 4e9, 1e9
	each, err := s.scale(2)
	if err != nil || each != 8000 || s.stats.Events != 16000+16000 {
		t.Errorf("a lost one stands for %d, all for %d, %v", each, s.stats.Events, err)
	}
	var got []sample.Sample
	if err := s.emitBatch(func(x *sample.Sample) { got = append(got, *x) }); err != nil {
		t.Fatal(err)
	}
	s.emitLost(func(x *sample.Sample) { got = append(got, *x) }, 2, each)
	for i, want := range []int64{4000, 12000, 16000} {
		if x := got[i]; x.Event != "cycles" || x.Events != want || x.Weight != 0 || x.Count != 0 {
			t.Errorf("sample %d: %+v, want %d events", i, x, want)
		}
	}
	s.batch.reset()
	s.batch.add(encode(header{Period: 500}, []uint64{0x401000}, nil, nil, nil), 7)
	s.timers.enabled, s.timers.running = 5e9, 2e9 // all of the second since
	if _, err := s.scale(0); err != nil || s.weights[0] != 500 {
		t.Errorf("%d events, %v", s.weights[0], err)
	}
}
