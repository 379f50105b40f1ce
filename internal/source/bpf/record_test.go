//go:build amd64 || arm64

package bpf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/mayfly-profiler/mayfly/internal/cost"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// encode is the inverse of decode, in the layout of struct record: the tests' only maker of
// records that no kernel made.
func encode(h header, user, curg, kernel []uint64, labels []sample.Label) []byte {
	h.Nuser, h.Ncurg, h.Nkernel, h.Nlabels = uint16(len(user)), uint16(len(curg)), uint16(len(kernel)), uint16(len(labels))
	var tail []byte
	for _, part := range [][]uint64{user, curg, kernel} {
		for _, w := range part {
			tail = binary.LittleEndian.AppendUint64(tail, w)
		}
	}
	words := len(tail)
	for _, l := range labels {
		tail = binary.LittleEndian.AppendUint32(tail, uint32(len(l.Key)))
		tail = binary.LittleEndian.AppendUint32(tail, uint32(len(l.Value)))
		for _, s := range []string{l.Key, l.Value} {
			tail = append(tail, s...)
			tail = append(tail, make([]byte, int(pad8(uint64(len(s))))-len(s))...)
		}
	}
	h.LabelBytes = uint32(len(tail) - words)
	return append(append([]byte{}, unsafe.Slice((*byte)(unsafe.Pointer(&h)), headerSize)...), tail...)
}

var someLabels = []sample.Label{{Key: "endpoint", Value: "/fulfil"}, {Key: "", Value: strings.Repeat("x", 4096)}, {Key: "k", Value: ""}}

func someRecord() []byte {
	h := header{Time: 5, Goid: 42, G: 1, Curg: 2, Labels: 3, Sp: 0x7000, Fp: 0x7100, Lr: 9, Words: [2]uint64{11, 12},
		CurgSp: 0x8000, CurgFp: 0x8100, CurgLr: 15, CurgWords: [2]uint64{13, 14}, Pid: 100, Tid: 101,
		Flags: uint32(oncpuRecordFlagsLEAF_VALID | oncpuRecordFlagsHAS_CURG)}
	return encode(h, []uint64{0x401000, 0x402000}, []uint64{0x403000}, []uint64{1 << 63}, someLabels)
}

func TestDecode(t *testing.T) {
	var d decoder
	var s sample.Sample
	for range 2 { // the second time from the table of label sets
		if err := d.decode(someRecord(), &s); err != nil {
			t.Fatal(err)
		}
		if s.Goid != 42 || s.PID != 100 || s.TID != 101 || s.Time != 5 || s.State != sample.Running || s.Loss != sample.Whole {
			t.Errorf("sample %+v", s)
		}
		if len(s.User) != 2 || s.User[1] != 0x402000 || len(s.Curg) != 1 || s.Curg[0] != 0x403000 || len(s.Kernel) != 1 {
			t.Errorf("stacks %x %x %x", s.User, s.Curg, s.Kernel)
		}
		if !s.Leaf.Valid || s.Leaf.Words != [2]uint64{11, 12} || s.Leaf.SP != 0x7000 || s.Leaf.LR != 9 || s.CurgLeaf.Valid ||
			s.CurgLeaf.Words[1] != 14 || s.CurgLeaf.LR != 15 || s.Rest.Interrupted {
			t.Errorf("leaf %+v %+v", s.Leaf, s.CurgLeaf)
		}
		if len(s.Labels) != 3 || s.Labels[0] != someLabels[0] || s.Labels[1] != someLabels[1] || s.Labels[2] != someLabels[2] {
			t.Errorf("labels %v", s.Labels)
		}
	}
}

// The words that continue a stack come behind it, and are no frames.
func TestDecodeRest(t *testing.T) {
	h := header{RestAt: 0x7100, Resume: 0x7200, TopAt: 0x7ff0, RestFrom: 1, CurgFp: 0x7180, CurgLr: 0x401000,
		Flags: uint32(oncpuRecordFlagsREST_OF_CURG | oncpuRecordFlagsINTERRUPTED)}
	h.Nrest, h.Ntop = 2, 1
	raw := encode(h, []uint64{1}, []uint64{2}, []uint64{3}, someLabels)
	words := []byte{4, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0}
	raw = slices.Insert(raw, headerSize+3*8, words...)
	var d decoder
	var s sample.Sample
	if err := d.decode(raw, &s); err != nil {
		t.Fatal(err)
	}
	if len(s.User) != 1 || len(s.Curg) != 1 || len(s.Kernel) != 1 || len(s.Labels) != len(someLabels) {
		t.Errorf("sample %+v", s)
	}
	if r := s.Rest; r.At != 0x7100 || !slices.Equal(r.Words.Words, []uint64{4, 5}) || !r.OfCurg || r.From != 1 || r.Resumed != 0x7200 {
		t.Errorf("rest %+v", r)
	}
	if r := s.Rest; !r.Interrupted || r.BP != 0x7180 || r.LR != 0x401000 {
		t.Errorf("rest %+v", r)
	}
	if s.Top.At != 0x7ff0 || !slices.Equal(s.Top.Words, []uint64{6}) {
		t.Errorf("top %+v", s.Top)
	}
}

func TestDecodeRefusesEveryPrefix(t *testing.T) {
	raw := someRecord()
	var d decoder
	var s sample.Sample
	for n := range raw {
		if err := d.decode(raw[:n], &s); !errors.Is(err, errRecord) {
			t.Fatalf("%d of %d bytes: %v", n, len(raw), err)
		}
	}
}

// What is remembered of label sets has a bound in bytes, whatever their number and their size.
func TestInternedLabelsAreBounded(t *testing.T) {
	for _, size := range []int{1, 4000} {
		var d decoder
		var s sample.Sample
		full := 0
		for i := range 20000 {
			want := fmt.Sprint(strings.Repeat("x", size), i)
			if err := d.decode(encode(header{Goid: 1}, nil, nil, nil, []sample.Label{{Key: "request", Value: want}}), &s); err != nil ||
				s.Labels[0].Value != want {
				t.Fatal(err, s.Labels)
			}
			held := 0
			for text, set := range d.labels {
				held += len(text) + cap(set)*int(unsafe.Sizeof(sample.Label{}))
				if i%1000 != 0 {
					break
				}
			}
			if held > maxInterned || d.interned > maxInterned || len(d.labels) > maxInterned/internCost {
				t.Fatalf("%d sets of %d bytes, %d counted", len(d.labels), held, d.interned)
			}
			full = max(full, d.interned)
		}
		if full < maxInterned/2 {
			t.Errorf("at most %d bytes of label sets of %d bytes remembered", full, size)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(someRecord())
	f.Add([]byte{})
	f.Add(append(bytes.Repeat([]byte{0xff}, headerSize), make([]byte, 1<<14)...)) // as much of everything as a record can claim
	f.Fuzz(func(t *testing.T, raw []byte) {
		cost.Small.Hold(t, func() {
			var d decoder
			var s sample.Sample
			if err := d.decode(raw, &s); err != nil {
				if !errors.Is(err, errRecord) {
					t.Fatalf("untyped error %v", err)
				}
				return
			}
			if 8*(len(s.User)+len(s.Curg)+len(s.Kernel)) > len(raw) {
				t.Fatalf("%d frames from %d bytes", len(s.User)+len(s.Curg)+len(s.Kernel), len(raw))
			}
			n := 0
			for _, l := range s.Labels {
				n += len(l.Key) + len(l.Value)
			}
			if n > len(raw) {
				t.Fatalf("%d bytes of labels from %d", n, len(raw))
			}
		})
	})
}

func BenchmarkDecode(b *testing.B) {
	raw := encode(header{Goid: 1}, make([]uint64, 25), nil, make([]uint64, 8), someLabels[:1])
	var d decoder
	var s sample.Sample
	b.ReportAllocs()
	for b.Loop() {
		if err := d.decode(raw, &s); err != nil {
			b.Fatal(err)
		}
	}
}

func TestShareAddsUp(t *testing.T) {
	var b batch
	for range 7 {
		b.add([]byte{1}, 7)
	}
	each, first := b.share(1000, 3)
	if first+each*9 != 1000 || each != 100 {
		t.Errorf("10 parts of 1000: first %d, others %d", first, each)
	}
	b.reset()
	if each, first = b.share(500, 0); each != 0 || first != 0 {
		t.Errorf("no sample stands for %d, %d", first, each)
	}
	b.add([]byte{1}, 7)
	if _, first = b.share(100, 0); first != 600 {
		t.Errorf("carried over: %d, want 600", first)
	}
}

// Each thread's samples share its time; what threads without a sample had is left for the next ones.
func TestAccounts(t *testing.T) {
	var a accounts
	w := make([]int64, 3)
	a.read([]ExecTime{{Slot: 0, TID: 1, NS: 600}, {Slot: 4, TID: 2, NS: 300}, {Slot: 5, TID: 3, NS: 100}})
	left, ok := a.share(w, []uint32{1, 2, 1}, 900) // a tenth was stolen
	if !ok || left != 900-540-270 || w[0] != 270 || w[1] != 270 || w[2] != 270 {
		t.Fatalf("weights %v, left %d, %v", w, left, ok)
	}
	// The second has ended, the first did nothing.
	a.read([]ExecTime{{Slot: 0, TID: 1, NS: 600}, {Slot: 4, TID: 2, NS: 350}, {Slot: 5, TID: 3, NS: 1050}})
	if left, ok = a.share(w[:2], []uint32{3, 2}, left+1010); !ok || w[0] < 1045 || w[1] < 45 || left > 5 {
		t.Errorf("weights %v, left %d, %v", w[:2], left, ok)
	}
	a.read([]ExecTime{{Slot: 0, TID: 1, NS: 700}})
	if _, ok = a.share(w[:2], []uint32{1, 9}, 100); ok {
		t.Error("a thread that is not known was given a share")
	}
	if _, ok = a.share(w[:1], []uint32{1}, 1000); ok {
		t.Error("there is more CPU time than the known threads had")
	}
}

// An entry that another thread has now goes on with the sums of those before it: each is charged what it had.
func TestAccountsOfThreadsThatEnd(t *testing.T) {
	var a accounts
	a.read([]ExecTime{{Slot: 7, TID: 10, NS: 500}})
	a.read([]ExecTime{{Slot: 7, TID: 30, Before: 900, NS: 950}}) // 20 lived between the two
	a.read([]ExecTime{{Slot: 7, TID: 30, Before: 900, NS: 960}})
	if a.execTime != 960 || a.pending[10] != 900 || a.pending[30] != 60 {
		t.Errorf("exec time %d, pending %v", a.execTime, a.pending)
	}
	a.read([]ExecTime{{Slot: 7, TID: 40, Before: 960, NS: 960}})
	if a.read([]ExecTime{{Slot: 7, TID: 40, Before: 960, NS: 965}}); a.pending[30] != 60 || a.pending[40] != 5 || a.execTime != 965 {
		t.Errorf("exec time %d, pending %v", a.execTime, a.pending)
	}
}

// What threads had of CPUs beyond the process's clock was stolen; what they had less was not, and no
// more than a skew of the two clocks is held against the time after it.
func TestSteal(t *testing.T) {
	var th steal
	const ms = int64(time.Millisecond)
	for i, step := range []struct {
		held, used int64
		n          int
		want       int64
	}{
		{100 * ms, 100 * ms, 10, 0},
		{210 * ms, 100 * ms, 10, 10 * ms},
		{309 * ms, 100 * ms, 10, 0},      // read a moment too early
		{420 * ms, 110 * ms, 10, 0},      // which the next reading makes up for
		{520 * ms, 90 * ms, 0, 0},        // nobody to give it to
		{620 * ms, 100 * ms, 5, 10 * ms}, // now there is
		{630 * ms, 1000 * ms, 5, 0},      // a thread that the scheduler's view did not have
		{740 * ms, 100 * ms, 9, 9 * ms},
	} {
		if got := th.take(step.held, step.used, step.n); got != step.want {
			t.Errorf("step %d: %d, want %d", i, got, step.want)
		}
	}
}
