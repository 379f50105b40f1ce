package goroutine

import (
	"encoding/binary"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
)

// status values of a goroutine (runtime/runtime2.go).
const (
	gidle      = 0
	grunnable  = 1
	grunning   = 2
	gsyscall   = 3
	gwaiting   = 4
	gdead      = 6
	gcopystack = 8
	gpreempted = 9
	gleaked    = 10 // Go 1.26: blocked for ever, the leak detector says
	gdeadextra = 11 // Go 1.26: dead, of a thread that C made
	gscan      = 0x1000
)

// kind is what a status means for reading the goroutine.
type kind uint8

const (
	odd     kind = iota // no status at all
	dead                // the slot is not in use
	running             // has a thread; g.sched is out of date
	inCall              // in a system call or in C; syscallsp and syscallpc are valid
	parked              // g.sched is valid
)

var kinds = [...]kind{
	gidle: dead, grunnable: parked, grunning: running, gsyscall: inCall, gwaiting: parked, gdead: dead,
	gcopystack: running, gpreempted: parked, gleaked: parked, gdeadextra: dead,
}

func kindOf(status uint32) kind {
	if int(status) < len(kinds) {
		return kinds[status]
	}
	return odd
}

// fields are the offsets of what is read in a g, checked against its size. -1: there is none.
type fields struct {
	lo, hi, m              int
	sp, pc, bp             int // sched
	callSP, callPC, callBP int // syscall*
	status, goid, reason   int
	since, seq, parent     int
	gopc, startpc, labels  int
	size                   int
	head                   int // bytes from the start of a g that hold its key
	procid                 int // in m
}

func newFields(l *goruntime.Layout) (f fields, ok bool) {
	g := &l.G
	f = fields{
		lo: int(g.StackLo), hi: int(g.StackHi), m: int(g.M), sp: int(g.SchedSP), pc: int(g.SchedPC), bp: int(g.SchedBP),
		callSP: int(g.SyscallSP), callPC: int(g.SyscallPC), callBP: int(g.SyscallBP), status: int(g.Status), goid: int(g.Goid),
		reason: int(g.WaitReason), since: int(g.WaitSince), seq: int(g.TrackingSeq), parent: int(g.ParentGoid), gopc: int(g.GoPC),
		startpc: int(g.StartPC), labels: int(g.Labels), size: int(g.Size), procid: int(l.M.Procid),
	}
	for _, off := range []int{f.lo, f.hi, f.m, f.sp, f.pc, f.bp, f.callSP, f.callPC, f.status, f.goid, f.reason, f.seq, f.startpc} {
		if off < 0 || off > f.size-8 {
			return f, false
		}
	}
	for _, off := range []int{f.callBP, f.since, f.parent, f.gopc, f.labels} {
		if off < -1 || off > f.size-8 {
			return f, false
		}
	}
	f.head = max(f.lo, f.sp, f.pc, f.callSP, f.callPC, f.status, f.goid, f.seq) + 8
	return f, f.size >= 64 && f.size <= maxG && f.procid >= 0
}

// maxG bounds the size of a g in bytes, which is 456 in Go 1.26.
const maxG = 2048

// optional reads a field that may not exist.
func optional(g []byte, off int) uint64 {
	if off < 0 {
		return 0
	}
	return word(g, off)
}

// key is what changes when a goroutine runs: two equal keys mean that it did not run in between,
// but for 256 parks that end at the same place, and for the exceptions of ambiguous.
type key struct {
	goid, sp, pc, lo uint64
	status           uint32
	seq              uint8
}

func (f *fields) key(g []byte) key {
	k := key{goid: word(g, f.goid), sp: word(g, f.sp), pc: word(g, f.pc), lo: word(g, f.lo), seq: g[f.seq]}
	k.status = binary.LittleEndian.Uint32(g[f.status:]) &^ gscan
	if k.status == gsyscall {
		k.sp, k.pc = word(g, f.callSP), word(g, f.callPC)
	}
	return k
}
