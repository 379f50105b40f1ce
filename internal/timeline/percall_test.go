package timeline

import "testing"

// TestArrive has calls of gRPC as scans see them: the goroutine of the connection is runnable before it starts the call's, and
// may wait again when that is first seen. A call waits for what its connection waits for, from when the socket has data.
func TestArrive(t *testing.T) {
	const serve, child = "google.golang.org/grpc.(*Server).serveStreams", "main.child"
	const started, stream = serve + ".func2", "google.golang.org/grpc/internal/transport.(*http2Server).HandleStreams"
	reading, runnable, running := State{Name: "IO wait"}, State{Name: "runnable"}, State{Name: "running"}
	for name, tt := range map[string]struct {
		root  string
		late  int64 // from the end of the connection's run to the call's first scan
		waits int64 // of the call, before
	}{
		"at once":               {started, 0, 201 * ms},
		"a scan later":          {started, 2 * ms, 203 * ms},
		"much later":            {started, 50 * ms, 0},
		"a goroutine of a call": {child, 0, 0},
	} {
		w := newWorld(ByMemory)
		reads, runs := w.on("internal/poll.(*FD).Read", serve), w.on(stream, serve)
		w.AddTrack(&Track{Goid: 1, Pieces: []Piece{w.piece(0, 100*ms, reading, reads), w.piece(100*ms, 300*ms, runnable, reads),
			w.piece(300*ms, 301*ms, running, runs), w.piece(301*ms, w.To, reading, reads)}})
		born := 301*ms + tt.late
		w.AddTrack(&Track{Goid: 2, Parent: 1, Pieces: []Piece{w.piece(born, born+10*ms, running, w.on("main.answer", tt.root))}})
		w.Settle()
		w.arrive()
		g := w.ByID[2]
		if before := born - g.Pieces[0].From; before != tt.waits || before > 0 && g.Pieces[0].Kind != GoScheduler {
			t.Errorf("%s: waited for %d ms in %s before it was started, want %d", name, before/ms, g.Pieces[0].Kind, tt.waits/ms)
		}
	}
}
