package goroutine

import (
	"cmp"
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Goroutine is one goroutine at one moment.
type Goroutine struct {
	ID, ParentID    uint64 // ParentID is 0 before Go 1.21, and for those that the runtime started first
	State           sample.State
	Stack           []uint64 // return addresses, leaf first, down to runtime.goexit; empty while it runs
	Loss            sample.Loss
	Labels          []sample.Label
	LabelsTruncated bool
	StartPC, GoPC   uint64          // entry of its function; the return address of the go statement
	ThreadID        uint32          // of the thread that runs it or waits for its system call; else 0
	WaitReason      string          // why it waits; empty when it does not
	Peer            proc.Peer       // who an "IO wait" waits for; zero when it does not, or that is not known
	Write           bool            // it waits for the peer to take data, not to send some
	WaitOn          []sample.Object // what else it waits for, the cases of a select; nil when it does not, or that is not known
	WaitCut         bool            // WaitOn lacks cases
	// WaitSince is a time at which it was waiting already, the kernel's CLOCK_MONOTONIC in ns. Only the garbage
	// collector writes it (runtime/mgcmark.go): 0 means that no collection has passed since.
	WaitSince int64
}

// Snapshot reads once all goroutines, running a recording or not, and calls visit for each in the
// order of their ids. The goroutines are not seen at one and the same moment, but within the time
// that it takes to read them, some 20 us per hundred. visit may keep what it is given.
func (t *Table) Snapshot(visit func(*Goroutine)) error {
	s, err := newScanner(gatherer(t.process.Mem()), t.scan.mem.l, t.scan.mem.v, t.options)
	if err != nil {
		return err
	}
	s.of(t.process)
	s.stacks.waiting = newWaitFinder(s.stacks.state, maxCasesAll)
	all, err := s.snapshot()
	for _, g := range all {
		visit(g)
	}
	return t.ending(err)
}

// snapshot reads all chunks until every stack is walked, which is more than once only for very
// many goroutines.
func (s *scanner) snapshot() ([]*Goroutine, error) {
	byID := make(map[uint64]*Goroutine)
	s.visit = func(j *job, g []byte) {
		if byID[j.key.goid] == nil || j.seen.stack != nil {
			byID[j.key.goid] = s.goroutine(j, g)
		}
	}
	all := mode{full: true, all: true}
	err := s.tick(all)
	for err == nil && (s.mem.cold > 0 || s.mem.n < s.mem.entries()) {
		err = s.tick(all)
	}
	s.enter()
	return s.living(byID), err
}

// living returns those of goroutines that lived at the end, by id.
func (s *scanner) living(byID map[uint64]*Goroutine) []*Goroutine {
	all := make([]*Goroutine, 0, len(byID))
	for _, c := range s.mem.chunks {
		for i := range c.slots {
			sl := &c.slots[i]
			if g := byID[sl.key.goid]; sl.alive && g != nil {
				if sl.set != nil {
					g.Labels, g.LabelsTruncated = sl.set.Labels, sl.set.Truncated
				}
				if sl.now.peer != nil {
					g.Peer = sl.now.peer.whole()
				}
				all = append(all, g)
			}
		}
	}
	slices.SortFunc(all, func(a, b *Goroutine) int { return cmp.Compare(a.ID, b.ID) })
	return slices.CompactFunc(all, func(a, b *Goroutine) bool { return a.ID == b.ID })
}

func (s *scanner) goroutine(j *job, g []byte) *Goroutine {
	f := &s.mem.f
	r := &Goroutine{
		ID: j.key.goid, ParentID: optional(g, f.parent), State: s.state.names[j.seen.state], Loss: j.seen.loss,
		StartPC: word(g, f.startpc), GoPC: optional(g, f.gopc), ThreadID: j.seen.tid,
	}
	if j.key.status == gwaiting || j.key.status == gleaked {
		r.WaitReason = string(s.state.names[g[f.reason]])
		r.WaitSince = s.mem.kernelTime(int64(optional(g, f.since)))
	}
	if j.seen.peer != nil {
		r.Write = j.seen.write
	}
	if on := j.seen.on; on != nil {
		r.WaitOn, r.WaitCut = slices.Clone(on.list), !on.all
	}
	if j.seen.stack != nil {
		r.Stack = slices.Clone(j.seen.stack.pcs)
	}
	return r
}
