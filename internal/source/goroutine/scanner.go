package goroutine

import (
	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// scanner reads all goroutines, tick by tick, over any memory. It knows what was read (memory), walks the stacks
// of goroutines that changed (stacks), makes intervals of what was seen (tracker), and decides when to read what
// (pacer); the order is tick's.
type scanner struct {
	clock  *clock
	stats  *Stats
	full   bool // Options.Full
	mem    *memory
	state  *stateReader
	stacks *stacks
	labels *labelReader
	track  *tracker
	pace   *pacer
	sleep  sleep

	jobs  []job              // goroutines that changed, until they are entered
	visit func(*job, []byte) // for snapshots
}

func newScanner(g proc.Gatherer, l *goruntime.Layout, v *goruntime.Vars, o Options) (*scanner, error) {
	c, st := &clock{now: proc.Monotonic}, &Stats{}
	m, err := newMemory(g, l, v, c)
	if err != nil {
		return nil, err
	}
	m.stats = st
	s := &scanner{clock: c, stats: st, full: o.Full, sleep: sleep{ask: o.Asleep}, mem: m, state: newStateReader(m, o.Threads)}
	s.stacks = newStacks(s.state, o)
	s.labels = newLabelReader(m)
	s.track = &tracker{clock: c, stats: st, split: o.Split, stride: int32(m.stride()), holds: newHolds(c)}
	s.track.lives.stats = st
	s.pace = newPacer(c, st, o)
	return s, nil
}

// of tells the scanner what of the process it does not read in its memory.
func (s *scanner) of(p *proc.Process) {
	s.stacks.peers = newPeers(s.state, p.Peer)
	s.mem.offset = p.TimeOffset()
	if maps, err := p.Maps(); err == nil {
		s.mem.anchor = proc.StackTop(maps)
	}
}
