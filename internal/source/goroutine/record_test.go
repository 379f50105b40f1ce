package goroutine

import (
	"errors"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source"
)

// few returns a recorder whose few scans an alarm makes when the test rings it.
func few(t *testing.T, h *heap, asleep func() (uint64, bool)) *recorder {
	t.Helper()
	s := h.scanner(Options{Rate: 19, Asleep: asleep})
	r := &recorder{table: &Table{scan: s, flushes: source.NewFlushes()}, scan: s, few: true, every: handRare, most: handMost,
		full: make(chan batch, 2), free: make(chan []event, 3), rang: make(chan struct{}, 1)}
	r.table.Limit(1)
	r.alarm = proc.NewAlarm(func() {})
	t.Cleanup(r.alarm.Close)
	r.begin()
	if _, err := r.once(nil); err != nil {
		t.Fatal(err)
	}
	r.idle = true
	return r
}

// later rings when it is time for the next tick, and says whether somebody was woken.
func (r *recorder) later(h *heap) (woken bool) {
	h.clock += r.scan.clock.period
	r.ring()
	select {
	case <-r.rang:
		return true
	default:
		return false
	}
}

// A tick of few scans is made by whoever rings: nobody is woken for it.
func TestTickWakesNobody(t *testing.T) {
	h := newHeap(t, 1)
	h.park(0, 7, 2, 64, 1, 2)
	var since uint64
	r := few(t, h, func() (uint64, bool) { since++; return since, true }) // a thread was awake in between each time
	for n := range int64(20) {
		h.park(0, 7, 2, 64, 1, 2)
		if r.later(h) {
			t.Fatal("somebody was woken for a tick")
		}
		if r.scan.stats.Ticks != n+2 || !r.idle {
			t.Fatalf("%d ticks, want %d; idle %v", r.scan.stats.Ticks, n+2, r.idle)
		}
	}
	if got := total(r.scan, 7, state(2)); got == 0 && len(r.full) == 0 {
		t.Error("the goroutine was not seen")
	}
}

// Others do not wait for a flush, nor for a tick after one that has lasted, nor while nobody takes the events.
func TestTickWakes(t *testing.T) {
	for name, why := range map[string]func(*recorder){
		"flush": func(r *recorder) {
			go r.table.Flush()
			for !r.table.flushes.Waiting() {
				time.Sleep(time.Millisecond)
			}
		},
		"long": func(r *recorder) { r.long = true },
		"full": func(r *recorder) { r.scan.track.out = make([]event, backlog/2) },
	} {
		h := newHeap(t, 1)
		h.park(0, 7, 2, 64, 1, 2)
		r := few(t, h, func() (uint64, bool) { return 0, false })
		why(r)
		before := r.scan.stats.Ticks
		if woken := r.later(h); !woken || r.idle || r.scan.stats.Ticks != before {
			t.Errorf("%s: woken %v, idle %v, %d more ticks", name, woken, r.idle, r.scan.stats.Ticks-before)
		}
		r.table.flushes.End()
	}
}

// A tick that fails ends the recording.
func TestTickFails(t *testing.T) {
	h := newHeap(t, 1)
	h.park(0, 7, 2, 64, 1, 2)
	r := few(t, h, func() (uint64, bool) { return 0, false })
	h.put(base, 0) // fewer goroutines than before: it is another program's memory
	if woken := r.later(h); !woken || !errors.Is(r.failed, errGone) {
		t.Errorf("woken %v, error %v", woken, r.failed)
	}
}
