package goroutine

import (
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// classOf is what a job's state says.
func (x *waitFinder) classOf(j *job) waitClass {
	reason := j.g[x.mem.f.reason]
	if x.most == 0 || j.key.status != gleaked && (j.key.status != gwaiting || j.seen.state != state(reason)) {
		return waitClass{}
	}
	return x.classes[reason]
}

// ask appends to the pieces that are read with the stacks of the planned jobs what they wait for, as far as it
// is known where that is.
func (x *waitFinder) ask(ps []proc.Piece, jobs []job, todo []int, readings []reading) []proc.Piece {
	x.todo = x.todo[:0]
	if x.most == 0 {
		return ps
	}
	for n := range readings {
		j := &jobs[todo[n]]
		class := x.classOf(j)
		if class.how == nowhere {
			continue
		}
		w := x.add(j, class)
		w.head = grow(w.head, x.mem.f.head)
		readings[n].wait = len(x.todo)
		if w.first = word(j.g, x.f.waiting); !x.inHeap(j, w.first) {
			w.first = 0
		}
	}
	x.chooseSpans()
	ps = x.spans.appendTo(ps)
	for i := range x.todo {
		w := &x.todo[i]
		if w.first != 0 && !x.spans.wanted(w.first) {
			w.want(w.first, x.f.sudogBytes)
		}
		x.guess(w)
		ps = w.appendWanted(ps)
	}
	return ps
}

// guess wants what the goroutine in the same g waited for twice in a row.
func (x *waitFinder) guess(w *waiter) {
	last := w.job.s.waited
	if last == nil || !w.job.s.again {
		return
	}
	for _, o := range last.list[:min(len(last.list), maxCases)] {
		switch {
		case w.class.how == channels && (o.Kind == sample.Chan || o.Kind == sample.Timer):
			w.want(o.Addr, x.f.chanBytes)
		case w.class.how == condition && x.onStack && o.Kind == sample.Cond:
			w.want(o.Addr+condList, condBytes)
		}
	}
}

// add returns an empty waiter. The memory of those before is used again.
func (x *waitFinder) add(j *job, class waitClass) *waiter {
	n := len(x.todo)
	x.todo = slices.Grow(x.todo, 1)[:n+1]
	w := &x.todo[n]
	*w = waiter{job: j, class: class, fetched: w.fetched[:0], found: w.found[:0], head: w.head}
	return w
}

// take takes what ask asked for.
func (x *waitFinder) take(ps []proc.Piece) {
	ps = x.spans.take(ps)
	for i := range x.todo {
		ps = x.todo[i].take(ps)
	}
}

// walked notes that a job was walked, so that what was read with its stack is true.
func (x *waitFinder) walked(j *job, r *reading) {
	if r.wait == 0 || j.key.sp < r.base || j.key.sp-r.base >= uint64(len(r.mem)) {
		return
	}
	x.todo[r.wait-1].stack = r.mem[j.key.sp-r.base:]
}

// find goes on until it is known what all who were walked wait for.
func (x *waitFinder) find() error {
	defer x.forget()
	for range x.most + 2 {
		x.pieces = x.pieces[:0]
		for i := range x.todo {
			if w := &x.todo[i]; w.stack != nil && !w.done {
				x.decide(w)
			}
		}
		for i := range x.todo { // once nothing is added to them any more
			if w := &x.todo[i]; w.stack != nil && !w.done {
				x.pieces = w.appendWanted(x.pieces)
				x.pieces = append(x.pieces, proc.Piece{Addr: w.job.s.addr, Buf: w.head})
			}
		}
		if len(x.pieces) == 0 {
			return nil
		}
		if err := x.mem.Gather(x.pieces); err != nil {
			return err
		}
		x.takeRound()
	}
	return nil
}

// takeRound enters what a round has read. Who has run meanwhile is left alone.
func (x *waitFinder) takeRound() {
	ps := x.pieces
	for i := range x.todo {
		w := &x.todo[i]
		if w.stack == nil || w.done {
			continue
		}
		ps = w.take(ps)
		w.done = !ps[0].OK || x.mem.f.key(w.head) != w.job.key
		ps = ps[1:]
	}
}

// forget lets go of jobs and stacks.
func (x *waitFinder) forget() {
	for i := range x.todo {
		x.todo[i].job, x.todo[i].stack = nil, nil
	}
	x.todo = x.todo[:0]
}

// decide finds out what a waiter waits for from what was read, or notes what to read next.
func (x *waitFinder) decide(w *waiter) {
	w.found, w.cut = w.found[:0], false
	if w.class.how == channels {
		w.done = x.channels(w)
	} else {
		w.done = x.queued(w)
	}
	if w.done && len(w.found) > 0 {
		on := x.intern(w.found, !w.cut)
		w.job.seen.on = on
		w.job.s.waited, w.job.s.again = on, on == w.job.s.waited
	}
}

// queued finds the semaphore or condition. It says whether that is done, be it without success.
func (x *waitFinder) queued(w *waiter) (done bool) {
	f := &x.f
	if w.first == 0 {
		return !x.onStack || x.searchStack(w)
	}
	sg, known := x.sudog(w, w.first)
	if sg != nil && word(sg, f.c) == 0 {
		w.enter(word(sg, f.elem))
	}
	return known
}

// chooseSpans decides which spans are read for the waiters: those that would need more than one sudog, or do not know where
// theirs is.
func (f *waitFinder) chooseSpans() {
	x := &f.spans
	x.list = x.list[:0]
	need := false
	for i := range f.todo {
		w := &f.todo[i]
		many := w.class.how == channels && w.class.op == sample.NoOp
		if many && w.first != 0 {
			x.want(w.first)
		}
		need = need || many || f.onStack && w.class.how == semaphore
	}
	for _, base := range x.misses {
		if need && base != 0 {
			x.want(base)
		}
	}
}
