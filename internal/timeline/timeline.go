// Package timeline is what the goroutines of a program did in some seconds: for each a track of pieces, each piece with a
// state, a stack and labels, and the requests that are found in it.
//
//	t, err := timeline.Read(head, samples)
//	requests := t.Find(timeline.Selector{}).Whole
package timeline

import (
	"errors"
	"slices"

	"cmp"

	"github.com/mayfly-profiler/mayfly/internal/frameworks"
	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// ErrNoTimeline is wrapped by errors about profiles that do not say when anything happened.
var ErrNoTimeline = errors.New("the profile has no timeline: record one with mayfly record --timeline")

// Piece is a stretch of a goroutine's life in which nothing changed.
type Piece struct {
	From, To      int64 // Unix ns
	By            int64 // the goroutine that ended this wait; 0: not known; Runtime: none did
	ByStack       int32 // where that one did, in Timeline.Stacks, or who stopped the world; Timeline.Nothing: not known
	Stack, Labels int32
	State         int32
	On            int32 // what it waits for, in Timeline.Objects; 0: not known
	Kind          Kind
	Guess         bool // the stack is that of a neighbour, or of an earlier moment
	Left          bool // the labels are those that the request before left on the goroutine
	Unseen        bool // of a trace: no moment in it was seen of which the labels are; they are those of a moment near it
}

// Runtime is who ended a wait that no goroutine did: the network poller, a timer, the scheduler.
const Runtime = int64(sample.WokenByRuntime)

// Evidence is what a timeline knows of who waits for whom.
type Evidence string

// The evidence that there is, the best first.
const (
	ByTrace  Evidence = "trace"  // the runtime's own events: pieces say who ended them
	ByMemory Evidence = "memory" // which channel or lock a goroutine waits on, read from the target's memory
	ByTime   Evidence = "time"   // nothing but what was at the same time
)

// Length is how long the piece is, ns.
func (p *Piece) Length() int64 { return p.To - p.From }

// Waits says whether the goroutine waited to be woken: it neither ran, nor wanted to, nor was in a system call.
func (p *Piece) Waits() bool {
	return p.By != 0 || p.Kind.Waits() && p.Kind != Syscall
}

// Stale says whether a piece's stack may be of an earlier moment, or of none.
func (p *Piece) Stale() bool {
	return p.Guess || p.Kind == CPU || p.Kind == GC || p.Kind == GoScheduler || p.Kind.Denied() || p.Kind == Stopped || p.Kind == Syscall
}

// Track is the life of a goroutine.
type Track struct {
	Goid, Parent int64
	Birth        int32   // where the parent started it, in Timeline.Stacks; Timeline.Nothing: not known
	Pieces       []Piece // by time, not overlapping
}

// During calls visit for the pieces of a track that overlap [from, to), clipped.
func (t *Track) During(from, to int64, visit func(p *Piece, from, to int64)) {
	i, _ := slices.BinarySearchFunc(t.Pieces, from+1, func(p Piece, at int64) int { return cmp.Compare(p.To, at) })
	for ; i < len(t.Pieces) && t.Pieces[i].From < to; i++ {
		p := &t.Pieces[i]
		visit(p, max(p.From, from), min(p.To, to))
	}
}

// Alive says whether the goroutine was seen in [from, to).
func (t *Track) Alive(from, to int64) bool {
	return t.Pieces[0].From < to && t.Pieces[len(t.Pieces)-1].To > from
}

// State is a goroutine's state with what is known of whom it waits for.
type State struct{ Name, Peer, Call string }

// Frame is a function of Timeline.Funcs and a line of it, 0 where that is not known.
type Frame struct{ Fn, Line int32 }

// exactCall is a call of a function whose begin and end were recorded.
type exactCall struct {
	goid     int64
	fn       int32
	from, to int64
}

// Task is a task of runtime/trace or, on one goroutine, a region.
type Task struct {
	Goid     int64 // that began it
	Type     string
	Region   bool
	From, To int64 // before and after the window where the trace does not have begin and end
}

// Stack is one distinct stack, leaf first.
type Stack struct {
	Frames []Frame
	App    int32            // the first frame of the application, -1 without one
	For    frameworks.Entry // what a framework waits for there, zero if the wait is the application's own
	ForAt  int32            // the frame that says so, -1 without one
	marks  marks            // what it means for requests
}

// idle says whether a stack is that of a server's goroutine between two requests.
func (s *Stack) idle() bool { return s.marks&keeps != 0 && s.marks&handles == 0 }

// Idle says that of any goroutine that waits for requests, or for connections.
func (s *Stack) Idle() bool { return s.marks&(keeps|listens) != 0 && s.marks&handles == 0 }

// Function is one function of the profile.
type Function struct {
	Name, Pkg, File string
	Line            int32 // where it begins, 0: not known
	App             bool  // of the program itself: neither standard library nor dependency
	Framework       frameworks.Entry
}

// Site is where a goroutine waits: the function that asked for the resource. For a pool, which many
// functions ask, it is the pool's own; for a semaphore the application's.
type Site struct {
	User Frame
	At   int32 // its place in the stack, leaf first; -1: nobody asked
}

type siteKey struct {
	stack int32
	kind  Kind
}

// Timeline is a profile, by goroutine and time.
type Timeline struct {
	Tracks   []*Track
	ByID     map[int64]*Track
	Stacks   []Stack
	States   []State
	Labels   []map[string]string // the program's own; 0 is none
	Objects  [][]sample.Object   // what waits are for, as memory had it; 0 is nothing
	Funcs    []Function
	From, To int64 // Unix ns
	Evidence Evidence
	Procs    int                        // GOMAXPROCS, 0: not known
	Nothing  int32                      // the empty stack, 0
	CPUs     int                        // that the target may use, 0: not known
	Quota    float64                    // CPUs' time that its control groups allow it, 0: no limit, or not known
	Accepts  []sample.AcceptQueue       // connections that nobody had accepted yet, by where the target listens
	Epoch    int64                      // Unix ns minus CLOCK_MONOTONIC, 0: not known
	calls    []exactCall                // exact ones, in any order
	arrivals map[int64][]sample.Arrival // by goroutine and time: what it read from sockets
	onCPU    cells                      // CPU time of all samples
	Tasks    []Task                     // of runtime/trace
	Scans    float64                    // at the goroutine table, per second; 0: not known

	sites map[siteKey]Site
}

// Has says whether one of the names is on the stack.
func (t *Timeline) Has(s *Stack, list []string) bool {
	return slices.ContainsFunc(s.Frames, func(f Frame) bool { return names.Match(t.Funcs[f.Fn].Name, list) })
}
