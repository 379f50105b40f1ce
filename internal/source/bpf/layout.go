//go:build amd64 || arm64

package bpf

import (
	"io"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
)

// Values of struct layout in oncpu.bpf.c.
const (
	gNone = iota
	gTLS
	gReg
)

const (
	labelsNone = iota
	labelsSlice
	labelsMap
)

// targetLayout tells the program where things are. Where a thread's g is not kept in thread-local
// storage (arm64 without cgo: runtime/tls_arm64.s, save_g) it is taken from the register that Go
// code keeps it in.
func targetLayout(l *goruntime.Layout) oncpuLayout {
	v := oncpuLayout{
		Tls: l.TLS, G_from: gTLS,
		G_stack: uint32(l.G.StackLo), G_m: uint32(l.G.M), G_goid: uint32(l.G.Goid), G_labels: uint32(l.G.Labels),
		G_schedPc: uint32(l.G.SchedPC), G_schedSp: uint32(l.G.SchedSP), G_schedBp: uint32(l.G.SchedBP),
		G_gopc: uint32(max(l.G.GoPC, 0)), M_curg: uint32(l.M.Curg), M_g0: uint32(l.M.G0), M_gsignal: uint32(l.M.GSignal),
	}
	if l.TLSFrom == goruntime.TLSUnknown {
		v.G_from = gReg
	}
	if l.Arch == "arm64" {
		v.G_schedLr = v.G_schedBp - 8 // one word before, in all releases (gobuf in runtime/runtime2.go)
	}
	switch l.Labels {
	case goruntime.LabelsSlice:
		v.LabelKind = labelsSlice
	case goruntime.LabelsMap:
		v.LabelKind = labelsMap
	default:
		v.LabelKind = labelsNone
	}
	return v
}

// completeLabels reads a label set from the target's memory: one that was too large for the
// program's buffer, or that lay on a page which was not in memory. The set is the record's only if
// the goroutine is still the same and still has it, before and after it was read.
func completeLabels(mem io.ReaderAt, l *goruntime.Layout, h *header, sets *goruntime.LabelSets) (*goruntime.LabelSet, bool) {
	if l == nil || h.Curg == 0 || h.Labels == 0 || !sameSet(mem, l, h) {
		return nil, false
	}
	set, err := sets.Read(mem, l, h.Labels)
	if err != nil || !sameSet(mem, l, h) {
		return nil, false
	}
	return set, true
}

func sameSet(mem io.ReaderAt, l *goruntime.Layout, h *header) bool {
	goid, ok := readWord(mem, h.Curg+uint64(l.G.Goid))
	if !ok || goid != h.Goid {
		return false
	}
	set, ok := readWord(mem, h.Curg+uint64(l.G.Labels))
	return ok && set == h.Labels
}

func readWord(mem io.ReaderAt, addr uint64) (uint64, bool) {
	var b [8]byte
	if addr > 1<<62 {
		return 0, false
	}
	if n, err := mem.ReadAt(b[:], int64(addr)); err != nil || n != len(b) {
		return 0, false
	}
	return u64(b[:], 0), true
}
