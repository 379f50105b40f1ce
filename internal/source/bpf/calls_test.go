package bpf

import (
	"errors"
	"slices"
	"testing"
)

// TestPairs has what a goroutine can do between the begin and the end of a call: call itself, panic
// out of it, move its stack, end.
func TestPairs(t *testing.T) {
	begin := func(time int64, goid, depth uint64) callEvent { return callEvent{time: time, goid: goid, depth: depth} }
	end := func(time int64, goid, depth uint64) callEvent {
		return callEvent{time: time, goid: goid, depth: depth, ends: true}
	}
	tests := []struct {
		name   string
		events []callEvent
		calls  []Call
	}{
		{"one after the other", []callEvent{begin(1, 7, 100), end(2, 7, 100), begin(3, 7, 100), end(5, 7, 100)},
			[]Call{{0, 7, 1, 2}, {0, 7, 3, 5}}},
		{"two goroutines", []callEvent{begin(1, 7, 100), begin(2, 8, 100), end(3, 7, 100), end(4, 8, 100)}, []Call{{0, 7, 1, 3}, {0, 8, 2, 4}}},
		{"the outermost counts", []callEvent{begin(1, 7, 100), begin(2, 7, 300), end(3, 7, 300), end(4, 7, 100)}, []Call{{0, 7, 1, 4}}},
		{"a panic, and the next call", []callEvent{begin(1, 7, 100), begin(3, 7, 100), end(4, 7, 100)}, []Call{{0, 7, 3, 4}}},
		{"a panic that the caller's caller recovers", []callEvent{begin(1, 7, 300), begin(3, 7, 100), end(4, 7, 100)}, []Call{{0, 7, 3, 4}}},
		{"a panic within", []callEvent{begin(1, 7, 100), begin(2, 7, 300), end(4, 7, 100)}, []Call{{0, 7, 1, 4}}},
		{"began before", []callEvent{end(1, 7, 100), begin(2, 7, 100), end(3, 7, 100)}, []Call{{0, 7, 2, 3}}},
		{"started again by morestack", []callEvent{begin(1, 7, 100), begin(2, 7, 100), end(3, 7, 100)}, []Call{{0, 7, 2, 3}}},
		{"no goroutine", []callEvent{begin(1, 0, 100), end(2, 0, 100)}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPairs()
			var calls []Call
			for _, e := range tt.events {
				if c, ok := p.add(e); ok {
					calls = append(calls, c)
				}
			}
			if !slices.Equal(calls, tt.calls) {
				t.Errorf("%+v, want %+v", calls, tt.calls)
			}
			if len(p.open) > 0 && tt.events[len(tt.events)-1].ends {
				t.Errorf("open: %v", p.open)
			}
		})
	}
}

// A target that begins calls and never ends them costs a bounded amount of memory, and is found out.
func TestPairsAreBounded(t *testing.T) {
	p := newPairs()
	for i := range uint64(2 * maxNested) {
		p.add(callEvent{goid: 1, depth: i})
	}
	if n := len(p.open[1]); n != maxNested || p.lost {
		t.Errorf("%d calls within each other, lost %v", n, p.lost)
	}
	for i := range uint64(maxOpen) {
		p.add(callEvent{goid: i + 2, depth: 100})
	}
	if len(p.open) > maxOpen || !p.lost {
		t.Errorf("%d goroutines, lost %v", len(p.open), p.lost)
	}
}

func TestDecodeCall(t *testing.T) {
	if _, err := decodeCall(make([]byte, callEventSize-1)); !errors.Is(err, errCallRecord) {
		t.Errorf("a short record: %v", err)
	}
	raw := make([]byte, callEventSize)
	raw[8], raw[28] = 9, 1
	if e, err := decodeCall(raw); err != nil || e.goid != 9 || !e.ends {
		t.Errorf("%+v, %v", e, err)
	}
}
