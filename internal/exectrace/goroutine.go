package exectrace

import (
	"strings"

	"golang.org/x/exp/trace"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// goroutine is one that is alive.
type goroutine struct {
	track  timeline.Track
	state  int32 // with the stack where it came into it; Running has none then
	stack  int32
	start  int32 // the function that it was started with, as a stack
	since  int64
	phase  trace.GoState
	assist bool         // marks for the collector
	unsent []*goroutine // of a connection's sender: calls whose goroutines ended, and whose answers it has still to send
}

// stop is a time in which the world stood still, and where it was stopped, if not by the collector.
type stop struct {
	from, to int64
	where    int32
}

func newReader(l Options) *reader {
	r := &reader{
		Builder: timeline.NewBuilder(timeline.ByTrace), limits: l, epoch: l.Epoch, live: make(map[trace.GoID]*goroutine),
		stacks:  make(map[trace.Stack]int32),
		senders: make(map[int64]*goroutine),
		tasks:   make(map[trace.TaskID]int), regions: make(map[trace.GoID][]int),
	}
	state := func(name string) int32 { return r.State(timeline.State{Name: name}) }
	r.states.running, r.states.runnable, r.states.syscall = state("running"), state("runnable"), state("syscall")
	r.states.coroutine = state("coroutine")
	r.states.assist, r.states.stopped, r.states.unknown = state("GC assist marking"), state("stopping the world"), state("unknown")
	return r
}

func (r *reader) event(ev *trace.Event) {
	if ev.Kind() == trace.EventSync {
		clear(r.stacks) // their numbers are the generation's
		if c := ev.Sync().ClockSnapshot; c != nil && c.Mono != 0 && r.epoch == 0 && r.events == 0 {
			r.epoch = c.Wall.UnixNano() - int64(c.Trace)
		}
	}
	if r.now = max(r.now, r.time(ev)); r.events == 0 {
		r.first = r.now
	}
	r.events++
	switch ev.Kind() {
	case trace.EventStateTransition:
		if st := ev.StateTransition(); st.Resource.Kind == trace.ResourceGoroutine {
			r.transition(ev, &st)
		}
	case trace.EventStackSample:
		r.sample(ev)
	case trace.EventRangeBegin, trace.EventRangeActive, trace.EventRangeEnd:
		r.ranges(ev)
	case trace.EventMetric:
		if m := ev.Metric(); m.Name == "/sched/gomaxprocs:threads" && m.Value.Kind() == trace.ValueUint64 && m.Value.Uint64() < 1<<16 {
			r.Procs = int(m.Value.Uint64())
		}
	case trace.EventTaskBegin, trace.EventTaskEnd, trace.EventRegionBegin, trace.EventRegionEnd:
		r.annotation(ev)
	}
}

// time is when an event was, Unix ns if that is known.
func (r *reader) time(ev *trace.Event) int64 { return int64(ev.Time()) + r.epoch }

// transition takes a change of a goroutine's state in.
func (r *reader) transition(ev *trace.Event, st *trace.StateTransition) {
	id, at := st.Resource.Goroutine(), r.time(ev)
	from, to := st.Goroutine()
	g := r.live[id]
	switch {
	case g == nil && to == trace.GoNotExist, g != nil && (from == trace.GoUndetermined || from == to):
		return // ended before it was seen; said again at the beginning of a generation
	case g == nil:
		// One that is older than the trace is in it from the begin, but is said to be when it first does something.
		g = &goroutine{track: timeline.Track{Goid: int64(id)}, state: r.states.unknown, start: r.Nothing, stack: r.Nothing, since: r.first}
		if n := len(r.spare); n > 0 {
			g.track.Pieces, r.spare = r.spare[n-1], r.spare[:n-1]
		}
		r.live[id] = g
		if from == trace.GoNotExist {
			g.since = at
			g.track.Parent, g.track.Birth = who(ev), r.stack(ev.Stack())
			g.start = r.stack(st.Stack)
			g.stack = g.start
			g.arrive(r, r.live[ev.Goroutine()], at)
		}
	default:
		by, where := int64(0), r.Nothing
		switch {
		case from == trace.GoWaiting:
			by, where = who(ev), r.stack(ev.Stack())
			r.learnSender(g, by)
		case from == trace.GoRunning:
			if g.stack = r.stack(st.Stack); to == trace.GoNotExist {
				g.stack = g.start // nothing is said of where it ends
			}
		}
		g.leave(r, at, by, where)
	}
	g.enter(r, st, to)
	if len(g.unsent) > 0 && (to == trace.GoSyscall || to == trace.GoWaiting || to == trace.GoNotExist) {
		g.send(r, at)
	}
	if to == trace.GoNotExist {
		r.end(id, g)
	}
}

// end takes in what is known of a goroutine in all. The room that its life took is for the next one that begins.
func (r *reader) end(id trace.GoID, g *goroutine) {
	delete(r.live, id)
	if r.PerCall(g.start) {
		if s := r.senders[g.track.Parent]; s != nil && s.phase != trace.GoWaiting && s.phase != trace.GoNotExist {
			s.unsent = append(s.unsent, g)
			return
		}
	}
	r.keep(g)
}

// keep takes a life in that is over.
func (r *reader) keep(g *goroutine) {
	life := g.track.Pieces
	g.track.Pieces = r.Keep(life)
	r.AddTrack(&g.track)
	if len(r.spare) < mostSpare && cap(life) <= spareRoom {
		r.spare = append(r.spare, life[:0])
	}
}

// Room for lives is kept for so many goroutines, if it is for no more pieces than that.
const mostSpare, spareRoom = 1024, 64

// arrive begins the life of a goroutine that is for one call with what the call waited for before it was started, by the goroutine of its
// connection.
func (g *goroutine) arrive(r *reader, by *goroutine, at int64) {
	if by == nil || by.phase != trace.GoRunning || !r.PerCall(g.start) {
		return
	}
	if woken := r.Woken(by.track.Pieces, by.since); woken < at {
		g.add(r, r.Arrived(woken, at, g.start))
	}
}

// In gRPC the goroutine of a call hands its answer to another one of the connection, and ends. That one sends the answers of all calls:
// it lets others run before it does, and where the Ps are busy that takes as long as the call itself.

// learnSender takes in which goroutine sends what the calls of a connection answer: the one that they wake.
func (r *reader) learnSender(g *goroutine, by int64) {
	if by == timeline.Runtime || !r.Sends(g.stack) {
		return
	}
	if call := r.live[trace.GoID(by)]; call != nil && r.PerCall(call.start) {
		r.senders[call.track.Parent] = g
	}
}

// send ends the calls whose answers a goroutine has sent: when it begins to write, as who waits for one has it before the write returns.
// Of an answer that takes several writes it is the first.
func (g *goroutine) send(r *reader, at int64) {
	for i, call := range g.unsent {
		if ended := call.since; at > ended {
			call.add(r, r.Unsent(ended, at, call.start, g.track.Goid, g.stack))
		}
		r.keep(call)
		g.unsent[i] = nil
	}
	g.unsent = g.unsent[:0]
}

// who is the goroutine that did something to another one.
func who(ev *trace.Event) int64 {
	if id := ev.Goroutine(); id != trace.NoGoroutine {
		return int64(id)
	}
	return timeline.Runtime
}

// leave ends the state that a goroutine is in.
func (g *goroutine) leave(r *reader, at, by int64, where int32) {
	if at <= g.since {
		return
	}
	p := timeline.Piece{From: g.since, To: at, By: by, ByStack: where, Stack: g.stack, State: g.state, Kind: r.KindAt(g.state, g.stack)}
	g.since = at
	if g.phase == trace.GoRunnable {
		r.stood(g, p)
		return
	}
	g.add(r, p)
}

func (g *goroutine) add(r *reader, p timeline.Piece) {
	r.pieces++
	g.track.Pieces = append(g.track.Pieces, p)
}

// stood adds a piece in which a goroutine could have run; while the world stood still, nobody could.
func (r *reader) stood(g *goroutine, p timeline.Piece) {
	first := len(r.stops)
	for first > 0 && r.stops[first-1].to > p.From {
		first--
	}
	for _, s := range r.stops[first:] {
		from, to := max(s.from, p.From), min(s.to, p.To)
		if from >= to {
			continue
		}
		before, still := p, p
		before.To, still.From, still.To, p.From = from, from, to, to
		if before.To > before.From {
			g.add(r, before)
		}
		still.State, still.ByStack = r.states.stopped, s.where
		still.Kind = r.KindAt(still.State, still.Stack)
		g.add(r, still)
	}
	if p.To > p.From {
		g.add(r, p)
	}
}

// enter begins a state.
func (g *goroutine) enter(r *reader, st *trace.StateTransition, to trace.GoState) {
	ran, s := g.phase == trace.GoRunning, r.stack(st.Stack)
	if g.phase = to; s != r.Nothing {
		g.stack = s
	}
	switch to {
	case trace.GoRunning:
		if g.state = r.states.running; g.assist {
			g.state = r.states.assist
		}
	case trace.GoRunnable:
		g.state = r.states.runnable
	case trace.GoSyscall:
		g.state = r.states.syscall
	case trace.GoWaiting:
		if ran && s == r.Nothing && st.Reason == "" { // no other wait is without both
			g.state = r.states.coroutine
			return
		}
		g.state = r.State(timeline.State{Name: r.waitReason(st.Reason, g.stack)})
	default:
		g.state = r.states.unknown
	}
}

// sample is a CPU sample, which traces have while a CPU profile is taken: it says what the goroutine ran up to then.
func (r *reader) sample(ev *trace.Event) {
	g := r.live[ev.Goroutine()]
	if g == nil || g.phase != trace.GoRunning {
		return
	}
	if s := r.stack(ev.Stack()); s != r.Nothing {
		g.stack = s
		g.leave(r, r.time(ev), 0, r.Nothing)
	}
}

// What the runtime calls its ranges (runtime/traceevent.go).
const (
	rangeAssist    = "GC mark assist"
	rangeStopWorld = "stop-the-world"
)

func (r *reader) ranges(ev *trace.Event) {
	rg := ev.Range()
	switch {
	case rg.Name == rangeAssist && rg.Scope.Kind == trace.ResourceGoroutine:
		if g := r.live[rg.Scope.Goroutine()]; g != nil {
			g.mark(r, ev)
		}
	case strings.HasPrefix(rg.Name, rangeStopWorld):
		at := r.time(ev)
		if n := len(r.stops); ev.Kind() == trace.EventRangeEnd {
			if n > 0 && r.stops[n-1].to == stopped {
				r.stops[n-1].to = at
			}
		} else if n == 0 || r.stops[n-1].to != stopped {
			r.pieces++ // it takes memory like one
			r.stops = append(r.stops, stop{at, stopped, r.stopper(ev)})
		}
	}
}

// stopper is where the world was stopped, nowhere if the collector did it, for whoever happened to allocate
// (runtime/proc.go: stwReason).
func (r *reader) stopper(ev *trace.Event) int32 {
	if strings.Contains(ev.Range().Name, "(GC ") {
		return r.Nothing
	}
	return r.stack(ev.Stack())
}

// stopped is the end of a stop that has not ended.
const stopped = int64(1<<63 - 1)

// mark begins or ends work for the collector.
func (g *goroutine) mark(r *reader, ev *trace.Event) {
	if g.phase == trace.GoRunning {
		if s := r.stack(ev.Stack()); s != r.Nothing {
			g.stack = s
		}
		g.leave(r, r.time(ev), 0, r.Nothing)
	}
	if g.assist = ev.Kind() != trace.EventRangeEnd; g.phase == trace.GoRunning {
		if g.state = r.states.running; g.assist {
			g.state = r.states.assist
		}
	}
}

// annotation takes tasks and regions in.
func (r *reader) annotation(ev *trace.Event) {
	at, g := r.time(ev), ev.Goroutine()
	switch ev.Kind() {
	case trace.EventTaskBegin:
		k := ev.Task()
		r.pieces++
		r.tasks[k.ID] = len(r.Tasks)
		r.Tasks = append(r.Tasks, timeline.Task{Goid: int64(g), Type: k.Type, From: at})
	case trace.EventTaskEnd:
		if i, ok := r.tasks[ev.Task().ID]; ok {
			r.Tasks[i].To = at
			delete(r.tasks, ev.Task().ID)
		}
	case trace.EventRegionBegin:
		r.pieces++
		r.regions[g] = append(r.regions[g], len(r.Tasks))
		r.Tasks = append(r.Tasks, timeline.Task{Goid: int64(g), Type: ev.Region().Type, Region: true, From: at})
	case trace.EventRegionEnd:
		if open := r.regions[g]; len(open) > 0 { // they nest
			r.Tasks[open[len(open)-1]].To = at
			r.regions[g] = open[:len(open)-1]
		}
	}
}
