package goroutine

import (
	"slices"
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// What a goroutine waits for is in its memory. Who waits for channels is entered in each of them by a sudog; g.waiting is
// the first, and they are linked (runtime/chan.go, select.go). Who waits for a semaphore has one sudog with the
// semaphore's address, of a sync.Cond one with that of its list. Since Go 1.26 g.waiting is that as well; before, the
// sudog is a variable of semacquire1 and so on the stack, like the list of a Cond (onstack.go).
//
// Nothing of this is believed because it stands where it should. A sudog has the goroutine that it is of. A channel is
// one if somebody is entered in the queue in question, and then it is empty for who receives, full for who sends: else
// the goroutine would not be there. And the goroutine has not run between the g that led there and the last word that
// was read, which its key proves as it does for stacks.
//
// One read leads to the next, so it takes rounds: in each, all that is needed for all goroutines is read with one
// system call. The first is the one that reads the stacks: with them come the first sudogs, those that lie next to
// them (spans.go), and the channels that the goroutines in the same g wait for again and again. Mostly that is all.

const (
	maxCases    = 8  // of a select that are read; in snapshots
	maxCasesAll = 64 // more
	maxSets     = 1 << 14
	fetchSize   = 128 // more than a sudog or a channel
)

// A waitClass is what a wait reason says about the kind of thing that is waited for.
type waitClass struct {
	how  waitPlace
	kind sample.ObjectKind
	op   sample.Op
	back uint64 // of the object's address to the word that is waited for
}

// waitPlace is where the object is found.
type waitPlace uint8

const (
	nowhere   waitPlace = iota
	channels            // of sudogs from g.waiting on
	semaphore           // sudog.elem
	condition           // the same, of a list
)

// The distances are those of sync.Mutex, RWMutex, WaitGroup and Cond since Go 1.20; runtime/sema.go and package sync of
// the target agree on them.
var waitClasses = map[string]waitClass{
	"chan receive":        {how: channels, op: sample.Receive},
	"chan send":           {how: channels, op: sample.Send},
	"select":              {how: channels},
	"sync.Mutex.Lock":     {how: semaphore, kind: sample.Mutex, back: 4},
	"sync.RWMutex.RLock":  {how: semaphore, kind: sample.RWMutex, back: 12},
	"sync.RWMutex.Lock":   {how: semaphore, kind: sample.RWMutex, back: 8},
	"sync.WaitGroup.Wait": {how: semaphore, kind: sample.WaitGroup, back: 8},
	"semacquire":          {how: semaphore, kind: sample.Semaphore},
	"sync.Cond.Wait":      {how: condition, kind: sample.Cond, back: condList},
}

// condList is where a sync.Cond has its list: behind its Locker.
const condList = 16

// waitFinder finds what goroutines wait for.
type waitFinder struct {
	mem     *memory
	most    int // cases of a select; 0: nothing is looked for
	classes [256]waitClass
	f       waitFields
	onStack bool // of semaphores and conditions: before Go 1.26
	sets    map[uint64]*objects
	times   map[uint64]bool // whether the type at an address is time.Time

	learnt [condition + 1]int // where on the stack something was found last, from sp; -1: nowhere yet
	wide   int                // stacks that may still be searched in this tick
	todo   []waiter
	pieces []proc.Piece
	spans  spans
	slab   slab
}

// waitFields are offsets in g, sudog and hchan, and how much of these is read.
type waitFields struct {
	waiting                         int
	g, elem, link, c                int
	count, size, timer, recvq, send int
	elemSize, elemType              int
	when, period                    int // in timers, -1: not known
	sudogBytes, chanBytes           int
}

// newWaitFinder looks for at most that many cases of a select. It is without effect where the layout is not known.
func newWaitFinder(state *stateReader, most int) waitFinder {
	l := state.mem.l
	g, sg, ch := &l.G, &l.Sudog, &l.Hchan
	f := waitFields{
		waiting: int(g.Waiting), g: int(sg.G), elem: int(sg.Elem), link: int(sg.WaitLink), c: int(sg.C),
		count: int(ch.QCount), size: int(ch.DataQSiz), timer: int(ch.Timer), recvq: int(ch.RecvQ), send: int(ch.SendQ),
		elemSize: int(ch.ElemSize), elemType: int(ch.ElemType), when: int(l.Timer.When), period: int(l.Timer.Period),
	}
	if f.timer < 0 || max(f.when, f.period) > fetchSize-8 || f.period < 0 {
		f.when = -1
	}
	f.sudogBytes = max(f.g, f.elem, f.link, f.c) + 8
	f.chanBytes = max(f.count, f.size, f.timer, f.recvq, f.send, f.elemSize, f.elemType) + 8
	if min(f.waiting, f.g, f.elem, f.link, f.c, f.count, f.size, f.recvq, f.send, f.elemSize, f.elemType) < 0 ||
		f.waiting > state.mem.f.size-8 || max(f.sudogBytes, f.chanBytes) > fetchSize {
		most = 0
	}
	w := waitFinder{mem: state.mem, most: most, f: f, onStack: !l.WaitingLeadsToLocks(), learnt: [...]int{-1, -1, -1, -1}}
	if most == 0 {
		return w
	}
	w.sets, w.times = make(map[uint64]*objects), make(map[uint64]bool)
	for i := range w.classes {
		reason := string(state.names[i])
		for _, bubble := range []string{" (synctest)", " (durable)"} { // those of package testing/synctest
			reason = strings.TrimSuffix(reason, bubble)
		}
		w.classes[i] = waitClasses[reason]
	}
	return w
}

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
	x.spans.choose(x)
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

// inHeap says whether an address can be that of something that the runtime allocated.
func (x *waitFinder) inHeap(j *job, addr uint64) bool {
	return addr >= 4096 && addr%8 == 0 && addr-j.s.addr+heapSpan <= 2*heapSpan
}

// sudog returns a sudog of the waiter's goroutine. It is nil if there is none at the address.
func (x *waitFinder) sudog(w *waiter, addr uint64) (mem []byte, known bool) {
	f := &x.f
	if !x.inHeap(w.job, addr) {
		return nil, true
	}
	if mem = x.spans.get(addr, f.sudogBytes); mem == nil {
		if mem, known = w.get(addr, f.sudogBytes); !known {
			x.spans.missed(addr)
		}
	}
	known = known || mem != nil
	if mem != nil && word(mem, f.g) != w.job.s.addr {
		return nil, true
	}
	return mem, known
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

// enter takes the address of a semaphore or list for that of what it is a part of.
func (w *waiter) enter(addr uint64) {
	if addr > 4096 && addr < 1<<62 && addr%4 == 0 {
		w.found = append(w.found, sample.Object{Kind: w.class.kind, Addr: addr - w.class.back})
	}
}

// intern returns the objects, a new list of them if it is not known.
func (x *waitFinder) intern(list []sample.Object, all bool) *objects {
	h := uint64(len(list))
	for _, o := range list {
		for _, v := range [...]uint64{o.Addr, o.Cap, o.Len, uint64(o.Kind)<<8 | uint64(o.Op), uint64(o.Due)} {
			h = (h ^ v) * 0x9e3779b97f4a7c15
			h ^= h >> 29
		}
	}
	if o := x.sets[h]; o != nil && o.all == all && slices.Equal(o.list, list) {
		return o
	}
	if len(x.sets) >= maxSets {
		clear(x.sets)
	}
	o := x.slab.objects(list, all)
	x.sets[h] = o
	return o
}
