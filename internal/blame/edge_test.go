package blame

import (
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// world is a timeline made by hand, in ms.
type world struct{ *timeline.Builder }

func newWorld() *world {
	w := &world{timeline.NewBuilder(timeline.ByTrace)}
	w.From, w.To, w.Procs, w.CPUs = 0, 10_000e6, 2, 2
	return w
}

// stack is a stack, leaf first, its functions apart by spaces; main's are the application's.
func (w *world) stack(text string) int32 {
	var frames []timeline.Frame
	for name := range strings.FieldsSeq(text) {
		frames = append(frames, timeline.Frame{Fn: w.Function(name, "", 0), Line: 1})
	}
	return w.Stack(frames)
}

// life is a goroutine of a world.
type life struct {
	w  *world
	g  *timeline.Track
	at float64
}

func (w *world) goroutine(id int64, at float64) *life {
	g := &timeline.Track{Goid: id}
	w.Tracks = append(w.Tracks, g)
	w.ByID[id] = g // AddTrack wants the pieces first
	return &life{w, g, at}
}

func (l *life) parent(id int64) *life { l.g.Parent = id; return l }

// in adds a state until a time.
func (l *life) in(state string, until float64, stack string) *life {
	return l.ended(state, until, stack, 0, "")
}

// ended adds a wait that a goroutine ended, in a stack; -1: the runtime did.
func (l *life) ended(state string, until float64, stack string, by int64, where string) *life {
	name, peer, _ := strings.Cut(state, "@")
	p := timeline.Piece{From: int64(l.at * 1e6), To: int64(until * 1e6), Stack: l.w.stack(stack),
		State: l.w.State(timeline.State{Name: name, Peer: peer}), By: by}
	if where != "" {
		p.ByStack = l.w.stack(where)
	}
	p.Kind = l.w.KindAt(p.State, p.Stack)
	l.g.Pieces = append(l.g.Pieces, p)
	l.at = until
	return l
}

// blamed is how a request of a goroutine's is charged, in ms by "kind function".
func (w *world) blamed(id int64, from, to float64) (map[string]float64, *Blamer) {
	w.Settle()
	b := New(w.Timeline)
	sum := map[string]float64{}
	r := &timeline.Request{Main: w.ByID[id], From: int64(from * 1e6), To: int64(to * 1e6)}
	for _, g := range w.Tracks {
		if g.Parent == id {
			r.Kids = append(r.Kids, g)
		}
	}
	b.Follow(r, func(a Atom) {
		name := a.Kind.String()
		if a.At.Fn >= 0 {
			name += " " + b.Funcs[a.At.Fn].Name
		}
		if a.State >= 0 && b.States[a.State].Peer != "" {
			name += " " + b.States[a.State].Peer
		}
		sum[name] += a.NS / 1e6
	})
	return sum, b
}

const handler = " net/http.serverHandler.ServeHTTP net/http.(*conn).serve"

// TestEdges has a timeline for each rule of the walk; without the rule the largest part is another.
func TestEdges(t *testing.T) {
	const idle = "internal/poll.(*FD).Read net.(*conn).Read net/http.(*conn).serve"
	tests := []struct {
		name  string
		build func(*world)
		want  string
		ms    float64
	}{
		{"a wait is explained within itself", func(w *world) {
			// Who reads ahead has waited for the client since the request began, and is let go at its end.
			w.goroutine(1, 0).in("running", 90, "main.work"+handler).
				ended("sync.Cond.Wait", 91, "sync.(*Cond).Wait net/http.(*connReader).abortPendingRead net/http.(*conn).serve", 2,
					"sync.(*Cond).Broadcast net/http.(*connReader).backgroundRead")
			w.goroutine(2, 0).ended("IO wait@client", 90, "internal/poll.(*FD).Read net/http.(*connReader).backgroundRead", 1,
				"net.(*conn).SetReadDeadline").in("running", 91, "net/http.(*connReader).backgroundRead")
		}, "cpu main.work", 90},
		{"the network is a leaf, whoever noticed its end", func(w *world) {
			w.goroutine(1, 0).ended("IO wait@db", 100, "internal/poll.(*FD).Read net.(*conn).Read main.query"+handler,
				2, "runtime.gcStart main.other")
			w.goroutine(2, 0).in("running", 100, "main.other")
		}, "network main.query db", 100},
		{"who stops the world is what others stand still for", func(w *world) {
			w.goroutine(1, 0).ended("stopping the world", 100, "main.work"+handler, 0, "runtime.Stack main.dump")
		}, "cpu main.dump", 100},
		{"the collector stops the world for who allocates", func(w *world) {
			w.goroutine(1, 0).ended("stopping the world", 100, "main.work"+handler, 0, "runtime.gcStart runtime.mallocgc main.parse")
		}, "gc main.work", 100},
		{"a channel that the runtime ends is a timer", func(w *world) {
			w.goroutine(1, 0).ended("select", 100, "runtime.selectgo main.pause"+handler, -1, "")
		}, "timer main.pause", 100},
		{"an answer that the connection's goroutine reads", func(w *world) {
			w.goroutine(1, 0).ended("select", 100, "runtime.selectgo net/http.(*persistConn).roundTrip net/http.(*Client).Do main.ask"+handler, 2,
				"runtime.selectgo net/http.(*persistConn).readLoop")
			w.goroutine(2, 0).ended("IO wait@upstream", 99, "internal/poll.(*FD).Read net/http.(*persistConn).readLoop", -1, "").
				in("running", 100, "net/http.(*persistConn).readLoop")
		}, "network main.ask upstream", 99},
		{"what a child does is the request's", func(w *world) {
			w.goroutine(1, 0).ended("chan receive", 100, "runtime.chanrecv1 main.load"+handler, 2, "runtime.chansend1 main.load.func1")
			w.goroutine(2, 0).parent(1).ended("IO wait@db", 99, "internal/poll.(*FD).Read main.load.func1", -1, "").
				in("running", 100, "main.load.func1")
		}, "network main.load.func1 db", 99},
		{"who joins a call waits for what the call waits for", func(w *world) {
			const do = "golang.org/x/sync/singleflight.(*Group)."
			w.goroutine(1, 0).ended("sync.WaitGroup.Wait", 100, "sync.(*WaitGroup).Wait "+do+"Do main.get"+handler, 2,
				"sync.(*WaitGroup).Done "+do+"doCall "+do+"Do main.get"+handler)
			w.goroutine(2, 0).ended("IO wait@db", 99, "internal/poll.(*FD).Read main.fetch "+do+"doCall "+do+"Do main.get"+handler, -1, "").
				in("running", 100, "main.get"+handler)
		}, "network main.fetch db", 99},
		{"turns at a lock are the lock's, whatever the holders wait for", func(w *world) {
			lock, unlock := "sync.(*Mutex).Lock main.book"+handler, "sync.(*Mutex).Unlock main.book"+handler
			call := "internal/poll.(*FD).Read main.ask main.book" + handler
			for i := range int64(5) { // each is let in by the one before
				g := w.goroutine(i+1, 0)
				if i > 0 {
					g.ended("sync.Mutex.Lock", 20*float64(i), lock, i, unlock)
				}
				g.ended("IO wait@carrier", 20*float64(i+1)-1, call, -1, "").in("running", 20*float64(i+1), "main.book"+handler)
			}
		}, "lock main.book", 81},
		{"a channel whose places go round is a limit", func(w *world) {
			send, receive := "runtime.chansend1 main.gate"+handler, "runtime.chanrecv1 main.gate.func1 main.gate"+handler
			call := "internal/poll.(*FD).Read main.ask main.gate" + handler
			for i := range int64(6) {
				g := w.goroutine(i+1, 0)
				if i > 0 {
					g.ended("chan send", 20*float64(i), send, i, receive)
				}
				g.ended("IO wait@peer", 20*float64(i+1)-1, call, -1, "").in("running", 20*float64(i+1), "main.gate"+handler)
			}
		}, "limit main.gate", 101},
		{"a worker that serves one after the other", func(w *world) {
			g := w.goroutine(9, 0)
			for i := range int64(5) {
				g.ended("sleep", 20*float64(i+1)-1, "time.Sleep main.convert main.worker", -1, "").in("running", 20*float64(i+1), "main.worker")
				w.goroutine(i+1, 0).ended("chan receive", 20*float64(i+1), "runtime.chanrecv1 main.await"+handler, 9, "runtime.chansend1 main.worker")
			}
		}, "channel main.worker", 99},
		{"a reader that hands on what comes in serves nobody", func(w *world) {
			g := w.goroutine(9, 0)
			for i := range int64(5) {
				g.ended("IO wait@peer", 20*float64(i+1)-1, "internal/poll.(*FD).Read main.reader", -1, "").in("running", 20*float64(i+1), "main.reader")
				w.goroutine(i+1, 0).ended("chan receive", 20*float64(i+1), "runtime.chanrecv1 main.await"+handler, 9, "runtime.chansend1 main.reader")
			}
		}, "network main.reader peer", 95},
		{"a server waits for input, and its timer", func(w *world) {
			sel := "runtime.selectgo main.flusher"
			f := w.goroutine(9, 0).ended("select", 30, sel, 2, "runtime.chansend1 main.add"+handler).ended("select", 99, sel, -1, "").
				in("running", 100, "main.flusher")
			f.ended("select", 200, sel, -1, "")
			w.goroutine(1, 0).ended("chan receive", 100, "runtime.chanrecv1 main.add"+handler, 9, "runtime.chansend1 main.flusher")
			w.goroutine(2, 0).ended("IO wait@client", 29, idle, -1, "").in("running", 30, "main.add"+handler)
		}, "timer main.flusher", 98},
		{"a queue whose holder gets no P is seen through", func(w *world) {
			w.goroutine(8, 0).in("running", 100, "main.burn")
			w.goroutine(7, 0).in("running", 100, "main.burn")
			w.goroutine(1, 0).ended("sync.Mutex.Lock", 100, "sync.(*Mutex).Lock main.book"+handler, 2, "sync.(*Mutex).Unlock main.book"+handler)
			w.goroutine(2, 0).in("runnable", 95, "main.book"+handler).in("running", 100, "main.book"+handler)
		}, "cpu main.burn", 90},
		{"opening a connection is no wait for a pool", func(w *world) {
			w.goroutine(1, 0).ended("select", 100, "runtime.selectgo net/http.(*Transport).getConn main.ask"+handler, 2,
				"runtime.chansend1 net/http.(*wantConn).tryDeliver net/http.(*Transport).dialConnFor")
			w.goroutine(2, 0).parent(1).ended("IO wait@peer", 99, "internal/poll.(*FD).WaitWrite net.(*sysDialer).dialSingle "+
				"net/http.(*Transport).dialConn net/http.(*Transport).dialConnFor", -1, "").in("running", 100, "net/http.(*Transport).dialConnFor")
		}, "network main.ask peer", 99},
		{"a goroutine's past is its creator's", func(w *world) {
			w.goroutine(1, 0).ended("chan receive", 100, "runtime.chanrecv1 main.wait"+handler, 3, "runtime.chansend1 main.late")
			w.goroutine(2, 0).ended("IO wait@queue", 79, "internal/poll.(*FD).Read main.poll", -1, "").in("running", 80, "main.poll")
			w.goroutine(3, 80).parent(2).in("running", 100, "main.late")
		}, "network main.poll queue", 79},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			tt.build(w)
			id := int64(1)
			if strings.Contains(tt.name, "turns") || strings.Contains(tt.name, "worker") || strings.Contains(tt.name, "reader that") {
				id = 5
			} else if strings.Contains(tt.name, "go round") {
				id = 6
			}
			last := w.ByID[id].Pieces[len(w.ByID[id].Pieces)-1].To
			sum, _ := w.blamed(id, 0, float64(last)/1e6)
			if sum[tt.want] < 0.95*tt.ms {
				t.Errorf("%v; want %s %.0f ms", sum, tt.want, tt.ms)
			}
		})
	}
}
