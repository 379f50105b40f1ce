//go:build amd64 || arm64

package perf

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// taker takes the samples of one ring. Nothing in it is waited for by those of other rings: who is late finds the
// goroutine gone.
type taker struct {
	ring   *ring
	pid    uint32  // of the target
	rings  int     // of the target
	reader *reader // nil: nothing is known of the runtime's layout
	execs  *execs
	rate   *rate

	mu    sync.Mutex // with who weighs, for all that follows
	event event
	batch *batch // that samples are added to
	spare *batch // the one that was weighed last
}

// takeAll takes what the ring has, and says whether that is to be weighed soon.
func (t *taker) takeAll() (urgent bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.ring.each(t.take); err != nil {
		return false, fmt.Errorf("read samples: %w", err)
	}
	_, executed := t.execs.last()
	return executed || t.batch.full(t.rings), nil
}

// swap hands out all that the ring has had since the last call. The batch is the caller's until the next one.
func (t *taker) swap() (*batch, error) {
	_, err := t.takeAll()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spare.reset()
	t.batch, t.spare = t.spare, t.batch
	return t.spare, err
}

func (t *taker) take(h header, body []byte) error {
	switch h.kind {
	case typeSample:
		if t.rate.skips() {
			t.batch.skipped++
			return nil
		}
		if err := parseSample(body, &t.event); err != nil {
			return err
		}
		if t.other(t.event.pid) {
			return nil
		}
		t.batch.add(t.observe(&t.event), &t.event)
	case typeLost:
		n, err := parseLost(body)
		if err != nil {
			return err
		}
		t.batch.lost += int64(n)
	case typeComm:
		pid, err := parseComm(body)
		if err != nil {
			return err
		}
		if h.misc&miscCommExec != 0 && !t.other(pid) {
			t.execs.note(parseTime(body))
		}
	}
	return nil
}

// other says whether a record is of another process: without source.ThreadsOnly the target's children inherit the events, and what these
// execute.
// The kernel knows no process of a thread that exits.
func (t *taker) other(pid uint32) bool { return int32(pid) > 0 && pid != t.pid }

// observe makes a sample of an event, without stacks and weight.
func (t *taker) observe(e *event) sample.Sample {
	sm := sample.Sample{Time: e.time, PID: e.pid, TID: e.tid, State: sample.Running, Count: 1}
	if !e.hasRegs || len(e.user) == 0 {
		sm.Loss = sample.Unwalked
		return sm
	}
	sm.Leaf = sample.Leaf{SP: e.regs.sp, BP: e.regs.bp, LR: e.regs.lr, Words: e.stack, Valid: e.hasStack}
	if len(e.user) >= maxStack {
		sm.Loss = sample.Truncated
	}
	if t.reader == nil {
		return sm
	}
	g, v := t.reader.find(e)
	switch v {
	case found:
		sm.Goid, sm.Created, sm.Labels = g.goid, g.created, g.set
	case late:
		t.batch.late++
		sm.LabelsLost = t.reader.l.G.Labels >= 0
	case left:
		t.batch.noG++
		sm.LabelsLost = t.reader.l.G.Labels >= 0
	case noG:
		t.batch.noG++
	}
	return sm
}

// maxStack is kernel.perf_event_max_stack, unless somebody has changed it.
const maxStack = 127

// rate is what part of the samples is kept.
type rate struct {
	full int          // Hz, that are taken
	kept atomic.Int64 // Hz; 0: all
}

// skips draws whether a sample is left out.
func (r *rate) skips() bool {
	hz := r.kept.Load()
	return hz > 0 && hz < int64(r.full) && rand.Int64N(int64(r.full)) >= hz
}

// execs are the programs that the target has executed.
type execs struct {
	expected bool // one, which a held command was to execute: it does not count

	mu    sync.Mutex
	n     int
	first int64 // that counts, CLOCK_MONOTONIC in ns; 0: none
}

// note notes that the target has executed a program.
func (x *execs) note(at int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.n++; x.first == 0 && (x.n > 1 || !x.expected) {
		x.first = max(at, 1)
	}
}

// last says when the target's program ended in which it was sampled, if it has.
func (x *execs) last() (at int64, executed bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.first, x.first > 0
}
