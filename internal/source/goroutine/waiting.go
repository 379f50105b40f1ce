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
)

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
