package blame

import (
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// TestGuesses has a timeline without edges for each rule of what is inferred.
func TestGuesses(t *testing.T) {
	tests := []struct {
		name  string
		build func(*world)
		want  string
		ms    float64
	}{
		{"who reads ahead for the connection is no child that is waited for", func(w *world) {
			w.goroutine(1, 0).in("sync.WaitGroup.Wait", 100, "sync.(*WaitGroup).Wait main.fan"+handler)
			w.kid(2, 0).in("IO wait@client", 120, "internal/poll.(*FD).Read net/http.(*connReader).backgroundRead")
			w.kid(3, 0).in("IO wait@db", 100, "internal/poll.(*FD).Read main.fan.func1")
		}, "network main.fan.func1 db", 95},
		{"a rate limiter is a timer", func(w *world) {
			w.goroutine(1, 0).in("select", 100, "runtime.selectgo golang.org/x/time/rate.(*Limiter).wait main.pass"+handler)
		}, "timer main.pass", 100},
		{"waits that are all equally long are for a timer", func(w *world) {
			for i := range int64(12) {
				w.goroutine(i+1, 40*float64(i)).in("select", 40*float64(i)+100, "runtime.selectgo main.pause"+handler)
			}
		}, "timer main.pause", 100},
		{"a ticker ends waits at the multiples of its period", func(w *world) {
			f := w.goroutine(50, 0)
			for i := range int64(12) {
				w.goroutine(i+1, 100*float64(i)+7*float64(i)).in("chan receive", 100*float64(i+1), "runtime.chanrecv1 main.add"+handler)
				f.in("select", 100*float64(i+1), "runtime.selectgo main.flusher")
			}
		}, "timer main.flusher", 93},
		{"a channel that always as many are behind is a limit", func(w *world) {
			for i := range int64(10) {
				w.goroutine(i+1, 0).in("chan send", 20*float64(i)+1, "runtime.chansend1 main.gate"+handler).
					in("IO wait@peer", 20*float64(i+1), "internal/poll.(*FD).Read main.ask main.gate"+handler)
			}
		}, "limit main.gate", 0},
		{"an answer has the peer of the connection that its reader reads", func(w *world) {
			w.goroutine(1, 0).in("select", 100, "runtime.selectgo net/http.(*persistConn).roundTrip main.ask"+handler)
			w.goroutine(2, 0).in("IO wait@upstream", 100, "internal/poll.(*FD).Read net/http.(*persistConn).readLoop").
				in("select", 200, "runtime.selectgo net/http.(*persistConn).readLoop")
			w.goroutine(3, 0).in("IO wait@other", 180, "internal/poll.(*FD).Read net/http.(*persistConn).readLoop").
				in("select", 200, "runtime.selectgo net/http.(*persistConn).readLoop")
		}, "network main.ask upstream", 100},
		{"a thread that is stopped while others compute does not stop the process", func(w *world) {
			w.goroutine(1, 0).in("IO wait@db", 100, "internal/poll.(*FD).Read main.query"+handler)
			w.goroutine(2, 0).in("syscall", 20, "syscall.read main.main").in("stopped", 90, "syscall.read main.main")
			w.goroutine(3, 0).in("running", 100, "main.work")
		}, "network main.query db", 100},
		{"a process of which threads want a CPU is not stopped for sure", func(w *world) {
			w.goroutine(1, 0).in("IO wait@db", 100, "internal/poll.(*FD).Read main.query"+handler)
			w.goroutine(2, 0).in("syscall", 20, "syscall.read main.main").in("stopped", 90, "syscall.read main.main")
			w.goroutine(3, 0).in("preempted", 100, "main.work")
		}, "unknown", 70},
		{"who serves connections of a pool's package does not hold one of the pool", func(w *world) {
			const fast = "github.com/valyala/fasthttp."
			calls := " " + fast + "(*Client).Get main.quote " + fast + "(*Server).serveConn"
			w.goroutine(9, 0).in("IO wait@accept", 900, "internal/poll.(*FD).Accept "+fast+"(*Server).Serve main.serve")
			for i := range int64(6) {
				w.goroutine(i+1, 0).in("select", 20*float64(i)+1, "runtime.selectgo "+fast+"(*HostClient).AcquireConn"+calls).
					in("IO wait@peer", 20*float64(i+1), "internal/poll.(*FD).Read "+fast+"(*HostClient).do"+calls).
					in("IO wait@client", 900, "internal/poll.(*FD).Read "+fast+"(*Server).serveConn")
			}
		}, "pool main.quote", 80},
		{"who waits when the process is stopped waits for that", func(w *world) {
			w.goroutine(1, 0).in("IO wait@db", 100, "internal/poll.(*FD).Read main.ask"+handler)
			w.goroutine(2, 0).in("syscall", 20, "syscall.read main.main").in("stopped", 90, "syscall.read main.main").
				in("syscall", 100, "syscall.read main.main")
		}, "stopped", 70},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			w.Evidence = timeline.ByTime
			tt.build(w)
			id := int64(1)
			if tt.want == "pool main.quote" {
				id = 6
			}
			if tt.want == "limit main.gate" {
				id, tt.ms = 10, 180
			}
			last := w.ByID[id].Pieces[0].To
			first := w.ByID[id].Pieces[0].From
			if sum, _ := w.blamed(id, float64(first)/1e6, float64(last)/1e6); sum[tt.want] < 0.95*tt.ms {
				t.Errorf("%v; want %s %.0f ms", sum, tt.want, tt.ms)
			}
		})
	}
}

// kid is a goroutine that the first one started.
func (w *world) kid(id int64, at float64) *life { return w.goroutine(id, at).parent(1) }

// TestSaturated has an answer that takes long while all Ps are busy, and one while they are not: only of the second is it
// known that the peer is late.
func TestSaturated(t *testing.T) {
	for _, busy := range []float64{10, 90} {
		w := newWorld()
		w.Evidence = timeline.ByMemory
		w.goroutine(1, 0).in("IO wait@db", 100, "internal/poll.(*FD).Read main.query"+handler)
		for id := range int64(2) {
			w.goroutine(2+id, 0).in("running", busy, "main.crunch").in("sleep", 900, "time.Sleep main.crunch")
		}
		w.Settle()
		b := New(w.Timeline)
		b.Follow(&timeline.Request{Main: w.ByID[1], From: 0, To: 100e6}, func(a Atom) {
			if a.Kind == timeline.Network && (a.Proof == Guessed) != (busy > 50) {
				t.Errorf("busy for %.0f of 100 ms: known by %d, trust %.2f", busy, a.Proof, a.Trust)
			}
		})
	}
}
