//go:build amd64 || arm64

package perf

import (
	"encoding/binary"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// A memory that does not answer holds up the ring that it is read for, and no other one.
func TestTakersDoNotWait(t *testing.T) {
	m, l := newSpace()
	asked, answer := make(chan struct{}), make(chan struct{})
	slow, _ := newSpace()
	slow.onRead = func(uint64) {
		select {
		case asked <- struct{}{}:
			<-answer
		case <-answer:
		}
	}
	shared, x := newMemo(), new(execs)
	take := func(m *space) *taker {
		return &taker{ring: oneSample(), pid: 7, reader: newReader(m, l, shared, func() int64 { return 0 }), execs: x, rate: new(rate),
			batch: new(batch), spare: new(batch)}
	}
	held, other := take(slow), take(m)
	done := make(chan error)
	go func() {
		_, err := held.takeAll()
		done <- err
	}()
	<-asked
	if _, err := other.takeAll(); err != nil || len(other.batch.samples) != 1 || other.batch.samples[0].Goid != 42 {
		t.Errorf("%v, %+v", err, other.batch)
	}
	close(answer)
	if err := <-done; err != nil || len(held.batch.samples) != 1 {
		t.Errorf("%v, %+v", err, held.batch)
	}
}

// All batches together hold what one may: many rings are weighed the sooner.
func TestBatchesShareRoom(t *testing.T) {
	b := &batch{}
	for range batchSamples / 4 {
		b.add(sample.Sample{}, &event{})
	}
	if b.full(3) || !b.full(4) || !b.full(128) {
		t.Errorf("%d samples are too many for one of 3: %v, 4: %v, 128: %v", len(b.samples), b.full(3), b.full(4), b.full(128))
	}
}

// oneSample is a ring with a sample of goroutine 42 of newSpace.
func oneSample() *ring {
	words := []uint64{typeSample, 7<<32 | 7, 0, 2, contextUser, 0x1234, 1}
	regs := map[int]uint64{6: 0, 7: 0x1800, 8: 0x1234, 22: theG} // amd64: BP, SP, IP, R14
	order := []int{6, 7, 8, 22}
	if regsMask&(1<<28) != 0 { // arm64: R28, R29, LR, SP, PC
		regs, order = map[int]uint64{28: theG, 31: 0x1800, 32: 0x1234}, []int{28, 29, 30, 31, 32}
	}
	for _, r := range order {
		words = append(words, regs[r])
	}
	words = append(words, 0) // no stack
	words[0] |= uint64(8*len(words)) << 48
	r := &ring{mem: make([]byte, os.Getpagesize()), data: make([]byte, 4096)}
	for i, w := range words {
		binary.LittleEndian.PutUint64(r.data[8*i:], w)
	}
	(*unix.PerfEventMmapPage)(unsafe.Pointer(&r.mem[0])).Data_head = uint64(8 * len(words))
	return r
}

// Nothing is allocated for a sample, known label set or not.
func TestFindAllocatesNothing(t *testing.T) {
	find := findSets(t)
	for range 4 {
		find()
	}
	if n := testing.AllocsPerRun(100, find); n != 0 {
		t.Errorf("%v allocations a sample", n)
	}
}

func BenchmarkFind(b *testing.B) {
	find := findSets(b)
	b.ReportAllocs()
	for b.Loop() {
		find()
	}
}

// findSets finds a goroutine that has another label set each time, of two.
func findSets(t testing.TB) (find func()) {
	m, l := newSpace()
	const other = 0x80000
	for i, w := range []uint64{other + 24, 1, 1, theText, 1, theText, 1} {
		m.words[other+8*uint64(i)] = w
	}
	r := newReader(m, l, newMemo(), func() int64 { return 0 })
	r.know(&goruntime.Vars{SweepGen: sweepGen, GCPhase: phase})
	e := &event{tid: 7, regs: regs{g: theG, sp: 0x1800}}
	return func() {
		m.words[theG+16] ^= theSet ^ other
		if g, v := r.find(e); v != found || len(g.set) != 1 {
			t.Fatalf("%v, %v", g, v)
		}
	}
}
