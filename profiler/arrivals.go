package profiler

import (
	"context"
	"fmt"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/fold"
	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// A timeline says when a goroutine that waited for its socket was woken. What it waited for may have come in before: the runtime looks
// at the network when a P has nothing to do, and while none has, every 10 to 20 ms. The kernel knows.

// maxArrivals is how many are kept until they are handed out, 16 bytes each.
const maxArrivals = 1 << 21

// attachArrivals is for a timeline. What does not work is denied: the timeline is worth having without.
func (r *recording) attachArrivals(l *goruntime.Layout) {
	if !r.options.Keep.Timeline || l == nil || r.options.Engine != "" && r.options.Engine != EBPF {
		return
	}
	probes, err := bpf.OpenArrivals(r.target, l)
	if err != nil {
		r.deny("how long what came in was not read: " + err.Error())
		return
	}
	r.arrivals = &arrivals{probes: probes, of: make(map[uint64][]sample.Arrival)}
}

func (a *arrivals) run(ctx context.Context) {
	lost, err := a.probes.Run(ctx, a.add)
	a.mu.Lock()
	a.lost, a.err = a.lost+lost, err
	a.mu.Unlock()
}

func (a *arrivals) add(in bpf.Arrival) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n == maxArrivals {
		a.lost++
		return
	}
	a.n++
	a.of[in.Goid] = append(a.of[in.Goid], sample.Arrival{Came: in.Came, Read: in.Read})
}

// finishArrivals says what is missing.
func (r *recording) finishArrivals() {
	if r.arrivals == nil {
		return
	}
	a := r.arrivals
	a.mu.Lock()
	defer a.mu.Unlock()
	r.summary.Arrivals = int64(a.n)
	switch {
	case a.err != nil:
		r.deny("how long what came in was not read: " + a.err.Error())
	case a.lost > 0:
		r.deny(fmt.Sprintf("how long what came in was not read: %d reads are missing", a.lost))
	}
}

// addArrivals adds what has come in since the last slice to a profile that is otherwise complete.
func (r *recording) addArrivals(b *fold.Builder, p *profile.Profile) {
	if r.arrivals == nil {
		return
	}
	a := r.arrivals
	a.mu.Lock()
	of := a.of
	a.of, a.n = make(map[uint64][]sample.Arrival), 0
	a.mu.Unlock()
	b.AddArrivals(p, of)
}
