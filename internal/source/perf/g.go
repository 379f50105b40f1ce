package perf

import (
	"encoding/binary"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// A sample says which g ran; whose labels these are is read from memory a moment later, when the g
// may run on with other labels, or be another goroutine. So what is read is believed if
//
//	it was read within a millisecond of the sample (fresh), or
//	an earlier reading, before the sample, found the same goroutine with the same label set: then it
//	had it in between.
//
// The second is what saves goroutines that run for long on a machine so busy that the reader gets
// no CPU. In all other cases the sample has no goroutine and no labels, and counts as late.
//
// Once the g has been read its set can be read at leisure: it is intact for as long as goruntime.Grace
// lasts, even if the goroutine has ended or has another set by then. Where the grace is over, or not
// known, the goroutine has to have the set still.
//
// The register holds a g in Go code only; elsewhere it holds anything. A word is believed to be a g
// when its m says so (m.curg or m.g0), or the stack pointer lies in its stack; g structs are
// never freed, so once is enough. In assembly that uses the register for data, and in the vdso, the
// thread's m tells: it is known from the thread's other samples, and is asked for its id (m.procid) each
// time, as an m is freed some time after its thread. The stack pointer says whether m.curg ran or m.g0.

const (
	fresh    = int64(time.Millisecond)
	cacheFor = int64(20 * time.Millisecond) // a label set is read anew after that
	maxG     = 4096                         // bytes of one
)

// reader reads goroutines. Each ring has its own, so that none waits for another's reading.
type reader struct {
	mem   proc.Memory
	l     *goruntime.Layout
	now   func() int64
	g     []byte
	word8 [8]byte
	sets  *goruntime.LabelSets
	vars  *goruntime.Vars // nil: no grace is known
	grace goruntime.Grace // of all sets that are read from its time on
	memo  *memo
}

// verdict says what became of a reading.
type verdict uint8

const (
	noG   verdict = iota // none there
	late                 // too late to tell, or over
	left                 // a system stack, and no goroutine behind it by now: the stack says whether there was one
	found                // believed
)

// newReader returns nil if the layout does not say enough.
func newReader(mem proc.Memory, l *goruntime.Layout, m *memo, now func() int64) *reader {
	if l == nil || l.G.Size <= 0 || l.G.Size > maxG || l.M.Curg < 0 || l.M.G0 < 0 {
		return nil
	}
	return &reader{mem: mem, l: l, now: now, g: make([]byte, l.G.Size), sets: goruntime.NewLabelSets(), memo: m}
}

// know tells where the runtime's variables are, nil if that is not known.
func (r *reader) know(v *goruntime.Vars) { r.vars, r.grace = v, goruntime.ReadGrace(r.mem, v) }

// find returns the goroutine that an event is of; the reading is empty unless it was found.
func (r *reader) find(e *event) (reading, verdict) {
	at := e.time
	g, v := r.running(e.regs, e.tid)
	if v != found {
		return reading{}, v
	}
	if r.word(r.l.G.Goid) == 0 { // a g0: the thread runs the scheduler or works for another
		curg := r.pointer(r.word(r.l.G.M), r.l.M.Curg)
		if curg == 0 || !r.load(curg) || r.word(r.l.G.Goid) == 0 {
			return reading{}, left
		}
		g = curg
	}
	if r.dead() {
		r.memo.forget(g)
		return reading{}, late // what it had is gone, and another may have had the g since
	}
	now := reading{goid: r.word(r.l.G.Goid), created: r.word(r.l.G.GoPC), at: r.now()}
	if r.l.G.Labels >= 0 {
		now.labels = r.word(r.l.G.Labels)
	}
	before, ok := r.memo.reading(g)
	same := ok && before.goid == now.goid && before.labels == now.labels
	if now.since = now.at; same {
		now.since = before.since
	}
	if same && now.at-before.read < cacheFor {
		now.set, now.read = before.set, before.read
	} else if !r.readLabels(g, &now) {
		r.memo.forget(g)
		return reading{}, late
	}
	r.memo.keep(g, now)
	if now.at-at < fresh || now.since <= at {
		return now, found
	}
	return reading{}, late
}

// running loads the g that ran on a thread.
func (r *reader) running(regs regs, tid uint32) (uint64, verdict) {
	if r.load(regs.g) && r.isG(regs.g, regs.sp) {
		r.learn(tid)
		return regs.g, found
	}
	m := r.memo.m(tid)
	if m == 0 || r.pointer(m, r.l.M.Procid) != uint64(tid) {
		return 0, noG // C, or a thread of C
	}
	for _, field := range []int32{r.l.M.Curg, r.l.M.G0} {
		if g := r.pointer(m, field); r.load(g) && r.onStack(regs.sp) {
			return g, found
		}
	}
	return 0, late // it runs another one by now, or a signal handler ran
}

// learn notes the m of a thread that runs the g that was loaded.
func (r *reader) learn(tid uint32) {
	m := r.word(r.l.G.M)
	if m != 0 && r.memo.m(tid) != m && r.pointer(m, r.l.M.Procid) == uint64(tid) {
		r.memo.learn(tid, m)
	}
}

// readLabels reads the label set, and says whether it is the one that the goroutine had.
func (r *reader) readLabels(g uint64, now *reading) bool {
	if now.labels == 0 {
		return true
	}
	set, err := r.sets.Read(r.mem, r.l, now.labels)
	if err != nil {
		return false
	}
	now.set, now.read = set.Labels, r.now()
	if r.grace.Lasts(r.mem, r.vars, r.word8[:goruntime.GraceSize]) {
		return true
	}
	r.grace = goruntime.ReadGrace(r.mem, r.vars) // for the sets to come
	return r.load(g) && r.word(r.l.G.Goid) == now.goid && r.word(r.l.G.Labels) == now.labels
}

// load reads the g at the address into r.g.
func (r *reader) load(g uint64) bool {
	if g < 4096 || g > 1<<62 || g%8 != 0 {
		return false
	}
	n, _ := r.mem.ReadAt(r.g, int64(g))
	return n == len(r.g)
}

// gDead is _Gdead (runtime/runtime2.go).
const gDead = 6

// dead says whether the g that was loaded is of a goroutine that has ended.
func (r *reader) dead() bool {
	o := r.l.G.Status
	return o >= 0 && int(o)+4 <= len(r.g) && binary.LittleEndian.Uint32(r.g[o:]) == gDead
}

// isG says whether what was loaded is a g.
func (r *reader) isG(g, sp uint64) bool {
	if r.memo.isG(g) {
		return true
	}
	m := r.word(r.l.G.M)
	if !r.onStack(sp) && (m == 0 || r.pointer(m, r.l.M.Curg) != g && r.pointer(m, r.l.M.G0) != g) {
		return false
	}
	r.memo.believe(g)
	return true
}

// onStack says whether an address lies in the stack of the g that was loaded.
func (r *reader) onStack(sp uint64) bool {
	return sp >= r.word(r.l.G.StackLo) && sp < r.word(r.l.G.StackHi)
}

// word is a field of the g that was loaded.
func (r *reader) word(offset int32) uint64 {
	if offset < 0 || int(offset)+8 > len(r.g) {
		return 0
	}
	return binary.LittleEndian.Uint64(r.g[offset:])
}

// pointer reads a field of another struct, 0 if it cannot be read.
func (r *reader) pointer(base uint64, offset int32) uint64 {
	if base < 4096 || base > 1<<62 {
		return 0
	}
	b := r.word8[:] // not one of the call's own: it would be allocated
	if n, _ := r.mem.ReadAt(b, int64(base)+int64(offset)); n < len(b) {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}
