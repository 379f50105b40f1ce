package report

import (
	"fmt"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/blame"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// TestChain has a request that waits for a lock, whose holder waits for a worker; others let each other go, too.
func TestChain(t *testing.T) {
	w := timeline.NewBuilder(timeline.ByTrace)
	w.From, w.To = 1, 1000e6
	stack := w.Stack([]timeline.Frame{{Fn: w.Function("main.work", "", 0)}})
	piece := func(state string, from, to, by int64) timeline.Piece {
		s := w.State(timeline.State{Name: state})
		return timeline.Piece{From: from * 1e6, To: to * 1e6, State: s, Stack: stack, Kind: w.KindAt(s, stack), By: by}
	}
	for id, pieces := range map[int64][]timeline.Piece{
		1: {piece("running", 100, 101, 0), piece("sync.Mutex.Lock", 101, 190, 2), piece("running", 190, 200, 0)},
		2: {piece("chan receive", 50, 180, 3), piece("running", 180, 195, 0), piece("chan receive", 195, 300, 4)}, // 4 came later
		3: {piece("running", 50, 200, 0)},
		4: {piece("chan receive", 120, 170, 5), piece("running", 170, 300, 0)},
		5: {piece("running", 50, 300, 0)},
		6: {piece("IO wait", 100, 199, 1), piece("running", 199, 200, 0)}, // started by the request
	} {
		w.AddTrack(&timeline.Track{Goid: id, Pieces: pieces})
	}
	w.Settle()
	b := reporter{blame.New(w.Timeline)}
	r := &timeline.Request{Main: w.ByID[1], Kids: []*timeline.Track{w.ByID[6]}, From: 100e6, To: 200e6}
	got := b.draw(r)
	if len(got.Rows) != 4 || got.Rows[0].Name != "request" || got.Rows[3].Parts[0].Kind != timeline.CPU {
		t.Errorf("rows %+v; want those of goroutines 1, 6, 2 and 3", got.Rows)
	}
	if want := []wake{{80, 3, 2}, {90, 2, 0}, {99, 0, 1}}; fmt.Sprint(got.Wakes) != fmt.Sprint(want) {
		t.Errorf("wakes %v, want %v", got.Wakes, want)
	}
}
