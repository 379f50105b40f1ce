package profiler_test

import (
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// The requests of one client wait in the socket of testdata/unread, which has no P to look at it, whenever the goroutine that serves them
// has had its turn: some fifty times a second. When they came in lies between when they were sent and when they were answered.
func TestUnread(t *testing.T) {
	x := target.Start(t, target.Compile(t, "unread", target.Build{}))
	type request struct{ sent, answered int64 }
	var requests []request
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			r := request{sent: proc.Monotonic()}
			answer, err := http.Get("http://" + x.Field("http"))
			if err != nil {
				t.Error(err)
				return
			}
			io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			r.answered = proc.Monotonic()
			requests = append(requests, r)
		}
	}()
	rec := record(t, x.PID, 2*time.Second, profiler.Options{Mode: profiler.Wall, MaxOverhead: 1, Keep: profiler.Keep{Timeline: true}})
	close(stop)
	<-done
	target.NeedAll(t, rec.Summary.EngineCPU == "ebpf", rec.Summary.Denied)
	target.NeedAll(t, rec.Summary.Arrivals > 0, rec.Summary.Denied) // since Linux 6.3
	const fewest = 5
	epoch := timeline.Epoch(rec.Profile)
	from := rec.Profile.TimeNanos - epoch
	came := make(map[int]bool)
	tl, err := timeline.ReadAll(rec.Profile)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range tl.Tracks {
		for _, p := range g.Pieces {
			if tl.States[p.State].Name != "readable" {
				continue
			}
			at := p.From - epoch
			i := slices.IndexFunc(requests, func(r request) bool { return r.sent <= at && at <= r.answered })
			if i < 0 {
				t.Errorf("goroutine %d: something came in at %d ns of the recording, when there was no request", g.Goid, at-from)
				continue
			}
			came[i] = true
		}
	}
	if len(came) < fewest {
		t.Errorf("%d of %d requests waited for the runtime to look, as far as the timeline knows, want %d at least", len(came),
			len(requests), fewest)
	}
}
