package goroutine

import (
	"encoding/binary"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// heap is the memory of a tiny Go program: the runtime's variables, a few g's and their stacks.
//
//	base            variables, one per word
//	base + allgs    the array
//	base + gs       g structs, 512 bytes each
//	base + stacks   stacks, stackSize each
type heap struct {
	t      testing.TB
	mem    []byte
	clock  int64
	before func(addr uint64) // called before each piece is read
	reads  int               // pieces read
	main   uint64            // runtime.main
}

const (
	base      = 0x10000
	allgs     = 0x1000
	gs        = 0x4000
	gSize     = 512
	maxHeapG  = 64
	stacks0   = 0x10000
	stackSize = 64 << 10

	goexit = 0x700000
	entry  = 0x710000 // of the goroutines' function
	gopark = 0x720000 // return address in it
)

// offsets in the heap's g
var gLayout = goruntime.GFields{
	StackLo: 0, StackHi: 8, M: 48, SchedSP: 56, SchedPC: 64, SchedBP: 96, SyscallSP: 104, SyscallPC: 112, SyscallBP: 120,
	Status: 144, Goid: 152, WaitSince: 168, WaitReason: 176, TrackingSeq: 191, ParentGoid: 272, GoPC: 280,
	StartPC: 296, Waiting: 312, Labels: 344,
	Size: gSize - 8,
}

func (h *heap) layout() *goruntime.Layout {
	l := &goruntime.Layout{Version: "go1.26.8", Minor: 26, Arch: "amd64", Labels: goruntime.LabelsSlice}
	l.G = gLayout
	l.Sudog = goruntime.SudogFields{G: 0, Elem: 32, WaitLink: 72, C: 96}
	l.Hchan = goruntime.HchanFields{QCount: 0, DataQSiz: 8, ElemSize: 24, Closed: 28, Timer: 32, ElemType: 40, RecvQ: 64, SendQ: 80}
	l.P.GoidCache, l.Sched.GoidGen, l.M.Procid = goruntime.None, 0, 64
	return l
}

func (h *heap) vars() *goruntime.Vars {
	return &goruntime.Vars{Allglen: base, Allgptr: base + 8, Sched: base + 16, SweepGen: base + 32, Goexit: goexit, Main: h.main,
		AsyncPreempt: goruntime.Range{Lo: 0x730000, Hi: 0x730100}, CgoCallback: goruntime.Range{Lo: 0x740000, Hi: 0x740100}}
}

func newHeap(t testing.TB, n int) *heap {
	h := &heap{t: t, mem: make([]byte, stacks0+stackSize*(n+1)), clock: 1e9}
	h.put(base, uint64(n))
	h.put(base+8, base+allgs)
	h.put(base+16, 1) // sched.goidgen
	for i := range n {
		h.put(base+allgs+8*uint64(i), h.g(i))
		h.put(h.g(i), h.lo(i))
		h.put(h.g(i)+8, h.lo(i)+stackSize)
		h.put(h.g(i)+144, gdead)
	}
	return h
}

func (h *heap) g(i int) uint64  { return base + gs + uint64(i)*gSize }
func (h *heap) lo(i int) uint64 { return base + stacks0 + uint64(i)*stackSize }

func (h *heap) put(addr, v uint64) { binary.LittleEndian.PutUint64(h.mem[addr-base:], v) }

// set writes a field of goroutine i.
func (h *heap) set(i int, off int32, v uint64) { h.put(h.g(i)+uint64(off), v) }

func (h *heap) byte(i int, off int32) *byte { return &h.mem[h.g(i)+uint64(off)-base] }

// park makes goroutine i wait with a reason, on a stack with the given return addresses above
// gopark and frames of size bytes, and goexit below them.
func (h *heap) park(i int, goid uint64, reason byte, size int, returns ...uint64) {
	*h.byte(i, 191)++
	h.set(i, 144, gwaiting)
	h.set(i, 152, goid)
	*h.byte(i, 176) = reason
	h.set(i, 296, entry)
	h.stack(i, gopark, size, append(returns, goexit+1)...)
}

// stack writes frames and the saved registers that lead to them.
func (h *heap) stack(i int, pc uint64, size int, returns ...uint64) {
	fp := h.lo(i) + stackSize - 16 - uint64(size*(len(returns)-1))
	h.set(i, 56, fp-32)
	h.set(i, 64, pc)
	h.set(i, 96, fp)
	for k, ret := range returns {
		next := fp + uint64(size)
		if k == len(returns)-1 {
			next = 0
		}
		h.put(fp, next)
		h.put(fp+8, ret)
		fp = next
	}
}

func (h *heap) run(i int) { h.set(i, 144, grunning) }

func (h *heap) die(i int) {
	*h.byte(i, 191)++
	h.set(i, 144, gdead)
}

// labels writes a label set and returns its address.
func (h *heap) labels(i int, kv ...string) {
	at := h.lo(i) // the far end of the stack is not used
	list := at + 24
	text := list + 16*uint64(len(kv))
	h.put(at, list)
	h.put(at+8, uint64(len(kv)/2))
	h.put(at+16, uint64(len(kv)/2))
	for k, s := range kv {
		h.put(list+16*uint64(k), text)
		h.put(list+16*uint64(k)+8, uint64(len(s)))
		copy(h.mem[text-base:], s)
		text += uint64(len(s))
	}
	h.set(i, 344, at)
}

// ReadAt implements proc.Memory.
func (h *heap) ReadAt(b []byte, off int64) (int, error) {
	h.reads++
	if h.before != nil {
		h.before(uint64(off))
	}
	if off < base || off > base+int64(len(h.mem)) {
		return 0, proc.ErrFault
	}
	n := copy(b, h.mem[off-base:])
	if n < len(b) {
		return n, proc.ErrFault
	}
	return n, nil
}

// Gather implements proc.Gatherer, in the order of the pieces as the kernel does.
func (h *heap) Gather(ps []proc.Piece) error { return single{h}.Gather(ps) }

// scanner returns a scanner of the heap whose clock is the heap's.
func (h *heap) scanner(o Options) *scanner {
	h.t.Helper()
	if o.Rate == 0 {
		o.Rate = 1000
	}
	s, err := newScanner(h, h.layout(), h.vars(), o)
	if err != nil {
		h.t.Fatal(err)
	}
	s.clock.now = func() int64 { return h.clock }
	return s
}

// step is one tick, a millisecond after the last.
func (h *heap) step(s *scanner) {
	h.t.Helper()
	h.clock += 1e6
	if err := s.tick(mode{}); err != nil {
		h.t.Fatal(err)
	}
}

// total is the weight of all events of a goroutine in a state.
func total(s *scanner, goid uint64, st state) (ns int64) {
	for _, e := range s.track.out {
		if e.goid == goid && e.state == st {
			ns += e.to - e.from
		}
	}
	return ns
}
