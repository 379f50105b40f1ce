package timeline

import (
	"fmt"
	"testing"
)

const ms = int64(1e6)

// world builds a timeline by hand.
type world struct{ *Builder }

func newWorld(e Evidence) world {
	w := world{NewBuilder(e)}
	w.From, w.To = 1, 1000*ms
	return w
}

// on is the number of a stack of functions, leaf first.
func (w world) on(names ...string) int32 {
	var frames []Frame
	for _, n := range names {
		frames = append(frames, Frame{Fn: w.Function(n, "/src/"+PackageOf(n)+"/x.go", 0), Line: 7})
	}
	return w.Stack(frames)
}

func (w world) piece(from, to int64, state State, stack int32) Piece {
	s := w.State(state)
	return Piece{From: from, To: to, State: s, Stack: stack, Kind: w.KindAt(s, stack)}
}

const (
	serveHTTP = "net/http.serverHandler.ServeHTTP"
	serveConn = "net/http.(*conn).serve"
)

// TestJoin has a goroutine of which the trace says that it ran and then waited for the network, and the recording what it ran, that
// its thread had no CPU for a while, whom it waited for, and its labels.
func TestJoin(t *testing.T) {
	tr, rec := newWorld(ByTrace), newWorld(ByTime)
	read := tr.on("internal/poll.(*FD).Read", "main.ask", serveHTTP, serveConn)
	wait := tr.piece(40*ms, 60*ms, State{Name: "IO wait"}, read)
	wait.By, wait.ByStack = 9, read
	tr.AddTrack(&Track{Goid: 5, Parent: 2, Pieces: []Piece{tr.piece(10*ms, 40*ms, State{Name: "running"}, read), wait}})
	tr.AddTrack(&Track{Goid: 6, Pieces: []Piece{tr.piece(10*ms, 40*ms, State{Name: "running"}, read)}}) // no scan saw it

	labels := rec.LabelSet(map[string]string{"endpoint": "/a"})
	burn := rec.on("main.burn", serveHTTP, serveConn)
	samples := []Piece{
		rec.piece(5*ms, 20*ms, State{Name: "running"}, burn),
		rec.piece(20*ms, 30*ms, State{Name: "preempted"}, burn),
		rec.piece(30*ms, 41*ms, State{Name: "running"}, rec.Nothing), // a hole: nobody knows what
		rec.piece(41*ms, 90*ms, State{Name: "IO wait", Peer: "10.0.0.7:5432"}, rec.on("internal/poll.(*FD).Read", "main.ask")),
	}
	for i := range samples {
		samples[i].Labels = labels
	}
	rec.AddTrack(&Track{Goid: 5, Pieces: samples})
	rec.CPUs = 3
	accept := []string{"internal/poll.(*FD).Accept", "main.serve"}
	tr.AddTrack(&Track{Goid: 7, Pieces: []Piece{tr.piece(1, 90*ms, State{}, tr.Nothing)}}) // has waited since before the trace
	rec.AddTrack(&Track{Goid: 7, Pieces: []Piece{rec.piece(1, 80*ms, State{Name: "IO wait", Peer: "accept 10.0.0.1:80"}, rec.on(accept...))}})
	tr.Join(rec.Timeline)

	got := ""
	for _, p := range tr.ByID[5].Pieces {
		leaf := tr.Funcs[tr.Stacks[p.Stack].Frames[0].Fn].Name
		got += fmt.Sprintf("%d-%d %s %s %s %s by %d\n", p.From/ms, p.To/ms, p.Kind, leaf, tr.States[p.State].Peer,
			tr.Labels[p.Labels]["endpoint"], p.By)
	}
	want := `10-20 cpu main.burn  /a by 0
20-30 os-scheduler internal/poll.(*FD).Read  /a by 0
30-40 cpu internal/poll.(*FD).Read  /a by 0
40-60 network internal/poll.(*FD).Read 10.0.0.7:5432 /a by 9
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	p := tr.ByID[7].Pieces
	peer := tr.States[p[0].State].Peer
	if len(p) != 1 || p[0].Kind != Network || peer != "accept 10.0.0.1:80" || p[0].To != 90*ms {
		t.Errorf("who accepts: %+v", p)
	}
	if n := len(tr.ByID[6].Pieces); n != 1 || tr.CPUs != 3 || tr.Evidence != ByTrace {
		t.Errorf("%d pieces of a goroutine that no scan saw, %d CPUs, evidence %s", n, tr.CPUs, tr.Evidence)
	}
}

// TestJoinPageFault has a goroutine that runs, as far as the trace knows, and whose thread was seen to sleep meanwhile. What a scan draws
// into it of a call before is none.
func TestJoinPageFault(t *testing.T) {
	tr, rec := newWorld(ByTrace), newWorld(ByTime)
	find, write := []string{"main.find", serveHTTP, serveConn}, []string{"syscall.write", "main.find", serveHTTP, serveConn}
	tr.AddTrack(&Track{Goid: 5, Pieces: []Piece{tr.piece(1, 10*ms, State{Name: "syscall"}, tr.on(write...)),
		tr.piece(10*ms, 40*ms, State{Name: "running"}, tr.on(find...))}})
	rec.AddTrack(&Track{Goid: 5, Pieces: []Piece{rec.piece(1, 10*ms+ms/4, State{Name: "syscall", Call: "write"}, rec.on(write...)),
		rec.piece(10*ms+ms/4, 20*ms, State{Name: "running"}, rec.on(find...)),
		rec.piece(20*ms, 30*ms, State{Name: "syscall"}, rec.on(find...)), rec.piece(30*ms, 40*ms, State{Name: "running"}, rec.on(find...))}})
	tr.Join(rec.Timeline)
	for _, p := range tr.ByID[5].Pieces[1:] {
		if faults := p.From >= 20*ms && p.To <= 30*ms; p.Kind != CPU && !faults || p.Kind != Syscall && faults {
			t.Errorf("%s from %d to %d ms", p.Kind, p.From/ms, p.To/ms)
		}
	}
}

// TestJoinCoroutine has a handler that pulls from an iterator, of which a trace says neither where nor why it waits, and its answer. What
// a recording draws into the end of the last wait is of the next scan, after the answer, and does not end the request.
func TestJoinCoroutine(t *testing.T) {
	tr, rec := newWorld(ByTrace), newWorld(ByTime)
	read := []string{"internal/poll.(*FD).Read", "net/http.(*connReader).Read", serveConn}
	pull := []string{"runtime.coroswitch", "main.page", serveHTTP, serveConn}
	last := tr.piece(20*ms, 22*ms, State{Name: "coroutine"}, tr.Nothing)
	first := tr.piece(10*ms, 20*ms, State{Name: "coroutine"}, tr.Nothing)
	last.By, first.By = 9, 9
	tr.AddTrack(&Track{Goid: 5, Pieces: []Piece{
		tr.piece(1, 9*ms, State{Name: "IO wait"}, tr.on(read...)), tr.piece(9*ms, 10*ms, State{Name: "running"}, tr.on(serveConn)), first, last,
		tr.piece(22*ms, 23*ms, State{Name: "running"}, tr.on("syscall.write", "net/http.(*response).finishRequest", serveConn)),
		tr.piece(23*ms, 90*ms, State{Name: "IO wait"}, tr.on(read...)),
	}})
	rec.AddTrack(&Track{Goid: 5, Pieces: []Piece{
		rec.piece(1, 9*ms, State{Name: "IO wait"}, rec.on(read...)), rec.piece(9*ms, 18*ms, State{Name: "coroutine"}, rec.on(pull...)),
		rec.piece(18*ms, 90*ms, State{Name: "IO wait"}, rec.on(read...)),
	}})
	tr.Join(rec.Timeline)
	p := tr.ByID[5].Pieces
	if p[2].Stack == tr.Nothing || p[2].To != 20*ms || tr.States[p[3].State].Name != "coroutine" || p[3].Stack != tr.Nothing {
		t.Errorf("%+v", p)
	}
	if all := tr.Find(Selector{}).Whole; len(all) != 1 || all[0].From != 9*ms || all[0].To != 23*ms {
		t.Errorf("%d requests", len(all))
	}
}

// TestJoinAtBorders has three requests on a connection: one that sleeps, one that is over before a scan sees it or its handler waits,
// and one of which a sample is taken after its request was read. What a recording extrapolates is none of the request before.
func TestJoinAtBorders(t *testing.T) {
	tr, rec := newWorld(ByTrace), newWorld(ByTime)
	read := []string{"syscall.read", "net/http.(*connReader).Read", serveConn}
	answer := []string{"syscall.write", "net/http.(*response).finishRequest", serveConn}
	sleep := []string{"time.Sleep", "main.refresh", serveHTTP, serveConn}
	var pieces []Piece
	add := func(w world, state string, from, to int64, stack []string) *Piece {
		pieces = append(pieces, w.piece(from*ms/10, to*ms/10, State{Name: state}, w.on(stack...)))
		return &pieces[len(pieces)-1]
	}
	add(tr, "IO wait", 10, 100, read)
	add(tr, "syscall", 100, 101, read)
	add(tr, "sleep", 101, 400, sleep)
	add(tr, "syscall", 400, 401, answer)
	add(tr, "running", 401, 402, read)
	add(tr, "syscall", 402, 403, read)
	add(tr, "running", 403, 411, answer) // all of the second
	add(tr, "syscall", 411, 412, answer)
	add(tr, "IO wait", 412, 600, read)
	add(tr, "running", 600, 601, read)
	add(tr, "syscall", 601, 602, read)
	add(tr, "running", 602, 610, answer) // all of the third
	add(tr, "syscall", 610, 611, answer)
	add(tr, "IO wait", 611, 900, read)
	tr.AddTrack(&Track{Goid: 5, Parent: 2, Pieces: pieces})

	pieces = nil
	refresh, price := rec.LabelSet(map[string]string{"endpoint": "/refresh"}), rec.LabelSet(map[string]string{"endpoint": "/price"})
	add(rec, "IO wait", 1, 95, read)
	add(rec, "sleep", 95, 400, sleep).Labels = refresh
	hole := add(rec, "running", 400, 410, nil)
	hole.Guess, hole.Labels = true, refresh
	add(rec, "running", 410, 420, nil).Guess = true
	add(rec, "IO wait", 420, 595, read)
	add(rec, "running", 595, 605, []string{"main.price", serveHTTP, serveConn}).Labels = price
	add(rec, "IO wait", 605, 900, read)
	rec.AddTrack(&Track{Goid: 5, Parent: 2, Pieces: pieces})
	rec.Scans = 1000
	tr.Join(rec.Timeline)
	got := ""
	for _, r := range tr.Find(Selector{}).Whole {
		got += fmt.Sprintf(" %s %.1f %v", tr.Labels[r.Labels]["endpoint"], float64(r.Length())/float64(ms), r.Unknown)
	}
	if want := " /refresh 30.0 false  0.9 true /price 1.0 false"; got != want {
		t.Errorf("got %s, want%s", got, want)
	}
}

// TestKernelWork has CPU time in system calls: on files it is time of the call, on sockets not.
func TestKernelWork(t *testing.T) {
	w := newWorld(ByTime)
	for stack, want := range map[int32]Kind{
		w.on("syscall.Syscall6", "syscall.pwrite", "internal/poll.(*FD).Pwrite", "os.(*File).WriteAt", "main.append"): Syscall,
		w.on("internal/runtime/syscall/linux.Syscall6", "syscall.Fsync", "os.(*File).Sync", "main.append"):            Syscall,
		w.on("syscall.write", "internal/poll.(*FD).Write", "net.(*netFD).Write", "net.(*conn).Write", "main.send"):    CPU,
		w.on("os.(*File).checkValid", "os.(*File).Write", "main.append"):                                              CPU,
	} {
		if got := w.KindOf("running", stack); got != want {
			t.Errorf("%s: %s, want %s", w.Funcs[w.Stacks[stack].Frames[0].Fn].Name, got, want)
		}
	}
}

// TestStolen has two goroutines that have a P for 40 ms each, and 24 ms of CPU time in the first 20 ms cells and all in the second: what
// is missing was a wait for a CPU.
func TestStolen(t *testing.T) {
	tr, rec := newWorld(ByTrace), newWorld(ByTime)
	burn := tr.on("main.burn", serveHTTP, serveConn)
	for id := range int64(2) {
		tr.AddTrack(&Track{Goid: id + 1, Pieces: []Piece{tr.piece(100*ms, 140*ms, State{Name: "running"}, burn)}})
	}
	collector := &Track{Goid: 3, Pieces: []Piece{tr.piece(100*ms, 140*ms, State{Name: "wait for GC cycle"}, tr.on("runtime.gcBgMarkWorker"))}}
	tr.AddTrack(collector)
	rec.onCPU = cells{5: 24 * ms, 6: 40 * ms}
	tr.Join(rec.Timeline)
	if p := collector.Pieces; len(p) != 1 || p[0].Kind != GC {
		t.Errorf("who waits for the collector: %d pieces, %s", len(p), p[0].Kind)
	}
	for _, g := range tr.Tracks[:2] {
		got := ""
		for _, p := range g.Pieces {
			got += fmt.Sprintf(" %d-%d %s", p.From/ms, p.To/ms, p.Kind)
		}
		if got != " 100-112 cpu 112-120 os-scheduler 120-140 cpu" {
			t.Errorf("goroutine %d:%s", g.Goid, got)
		}
	}
	rec.onCPU = nil // nobody sampled
	again := newWorld(ByTrace)
	again.AddTrack(&Track{Goid: 1, Pieces: []Piece{again.piece(100*ms, 140*ms, State{Name: "running"}, again.on("main.burn"))}})
	if again.Join(rec.Timeline); len(again.Tracks[0].Pieces) != 1 {
		t.Errorf("%d pieces without samples", len(again.Tracks[0].Pieces))
	}
}

// TestLearn has two methods. Requests that looks saw have labels; of the short ones some have none, and some those of the one before.
func TestLearn(t *testing.T) {
	w := newWorld(ByTrace)
	w.Scans = 1000
	id := int64(0)
	request := func(method, seen string, length int64) {
		id++
		begin := 10*ms + id*ms
		p := w.piece(begin, begin+length, State{Name: "running"}, w.on("main."+method, "example.com/middleware.Log", serveHTTP))
		if seen != "" {
			p.Labels = w.LabelSet(map[string]string{"method": seen, "request": fmt.Sprint(id)})
			p.Unseen = length < ms
		}
		if method == "Odd" {
			p.Unseen = true
		}
		w.AddTrack(&Track{Goid: id, Parent: 1, Pieces: []Piece{p}})
	}
	for range 20 {
		request("Put", "put", 5*ms)
		request("Get", "get", 5*ms)
		request("Put", "", ms/2)
		request("Get", "put", ms/2) // what was seen is of the one before
		request("Odd", "", ms/2)    // nobody with that handler was seen: middleware.Log has both
		request("Bare", "", ms/2)   // has no labels, whenever it is seen
	}
	w.Settle()
	count := map[string]int{}
	for _, r := range w.Find(Selector{}).Whole {
		fn := w.Funcs[w.Stacks[r.Main.Pieces[0].Stack].Frames[0].Fn].Name
		count[fmt.Sprint(fn, " ", w.Labels[r.Labels]["method"], " ", r.Learnt, " ", r.Unknown)]++
	}
	want := map[string]int{"main.Put put false false": 20, "main.Get get false false": 20, "main.Put put true false": 20,
		"main.Get get true false": 20, "main.Odd  false true": 20, "main.Bare  false false": 20}
	if fmt.Sprint(count) != fmt.Sprint(want) {
		t.Errorf("got %v\nwant %v", count, want)
	}
}

// TestUnwatched has a trace that begins before the recording, and a goroutine that no scan came upon: the labels of what only the trace
// has are not known.
func TestUnwatched(t *testing.T) {
	tr, rec := newWorld(ByTrace), newWorld(ByTime)
	handler, idle := []string{"time.Sleep", "main.handle", serveHTTP, serveConn}, []string{"net/http.(*connReader).Read", serveConn}
	for id := range int64(6) {
		var pieces []Piece
		for at := int64(10); at < 900; at += 100 {
			pieces = append(pieces, tr.piece(at*ms, (at+50)*ms, State{Name: "IO wait"}, tr.on(idle...)),
				tr.piece((at+50)*ms, (at+100)*ms, State{Name: "sleep"}, tr.on(handler...)))
		}
		tr.AddTrack(&Track{Goid: id, Pieces: pieces})
		if id == 5 {
			continue
		}
		pieces = nil
		for at := int64(410); at < 900; at += 100 {
			p := rec.piece((at+50)*ms, (at+100)*ms, State{Name: "sleep"}, rec.on(handler...))
			p.Labels = rec.LabelSet(map[string]string{"endpoint": []string{"/a", "/b"}[id%2]})
			pieces = append(pieces, rec.piece(at*ms, (at+50)*ms, State{Name: "IO wait"}, rec.on(idle...)), p)
		}
		rec.AddTrack(&Track{Goid: id, Pieces: pieces})
	}
	rec.Scans = 1000
	tr.Join(rec.Timeline)
	for _, r := range tr.Find(Selector{}).Whole {
		if known := r.From >= 410*ms && r.Main.Goid != 5; known == r.Unknown || known == (r.Labels == 0) {
			t.Errorf("goroutine %d, %d ms: %v, unknown: %v", r.Main.Goid, r.From/ms, tr.Labels[r.Labels], r.Unknown)
		}
	}
}

// TestServed cuts a kept connection's life at its waits and, where the next request was there already, at its read; an answer is there
// when it begins to be written. Requests that a window has a part of, streams and profiles are not among them.
func TestServed(t *testing.T) {
	w := newWorld(ByTrace)
	idle := w.on("internal/poll.(*FD).Read", "net/http.(*connReader).Read", serveConn)
	handler := w.on("main.handle", serveHTTP, serveConn)
	answer := w.on("syscall.write", "net/http.(*response).finishRequest", serveConn)
	at := 5 * ms
	var pieces []Piece
	add := func(state string, length int64, stack int32) {
		pieces = append(pieces, w.piece(at, at+length, State{Name: state}, stack))
		at += length
	}
	track := func(id, parent int64) {
		w.AddTrack(&Track{Goid: id, Parent: parent, Pieces: pieces})
		pieces, at = nil, 5*ms
	}
	add("IO wait", 3*ms, idle)
	add("runnable", ms, idle)
	add("syscall", ms, idle)
	add("sleep", 4*ms, handler)
	add("syscall", ms, answer)
	add("syscall", ms, idle) // the next is there
	add("sleep", 6*ms, handler)
	add("syscall", ms, answer)
	add("syscall", ms, idle) // it is not
	add("IO wait", 9*ms, idle)
	track(1, 9)

	at = 1 // the window begins in it, and ends in the next
	add("sleep", 8*ms, handler)
	add("IO wait", 3*ms, idle)
	add("sleep", w.To-at, handler)
	track(2, 0)

	for range 5 {
		add("running", ms, w.on("net/http.(*response).FlushError", "main.events", serveHTTP, serveConn))
		add("sleep", ms, w.on("main.events", serveHTTP, serveConn))
	}
	track(3, 9)
	add("sleep", 9*ms, w.on("net/http/pprof.Trace", serveHTTP, serveConn))
	track(4, 9)
	w.Settle()

	got := w.Find(Selector{})
	lengths := ""
	for _, r := range got.Whole {
		lengths += fmt.Sprint(" ", r.Length()/ms)
	}
	if lengths != " 6 7" || got.Cut != 2 || got.Streams != 1 {
		t.Errorf("requests of%s ms, %d cut, %d streams; want 6 7, 2, 1", lengths, got.Cut, got.Streams)
	}
}
