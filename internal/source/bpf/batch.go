//go:build amd64 || arm64

package bpf

import "github.com/mayfly-profiler/mayfly/internal/goruntime"

const (
	batchRecords = 4096
	batchBytes   = 4 << 20
)

// batch holds records until the CPU time that they stand for has been read from the events: a
// sample's weight is only known after the fact.
type batch struct {
	bytes []byte
	ends  []int                       // end of record i in bytes
	tids  []uint32                    // thread of record i
	whole map[int]*goruntime.LabelSet // label sets that were completed, by record
	carry int64                       // ns of CPU time that no sample has stood for so far
}

func (b *batch) len() int { return len(b.ends) }

func (b *batch) full() bool { return len(b.ends) >= batchRecords || len(b.bytes) >= batchBytes }

func (b *batch) add(raw []byte, tid uint32) {
	b.tids = append(b.tids, tid)
	b.bytes = append(b.bytes, raw...)
	b.ends = append(b.ends, len(b.bytes))
}

func (b *batch) record(i int) []byte {
	from := 0
	if i > 0 {
		from = b.ends[i-1]
	}
	return b.bytes[from:b.ends[i]:b.ends[i]]
}

func (b *batch) complete(i int, set *goruntime.LabelSet) {
	if b.whole == nil {
		b.whole = make(map[int]*goruntime.LabelSet)
	}
	b.whole[i] = set
}

// share divides cpu ns among the records and lost events: n parts of each ns, the remainder of the
// division on the first. CPU time without any event is carried over to the next call.
func (b *batch) share(cpu, lost int64) (each, first int64) {
	n := int64(b.len()) + lost
	b.carry += cpu
	if n == 0 {
		return 0, 0
	}
	each = b.carry / n
	first = b.carry - each*(n-1)
	b.carry = 0
	return each, first
}

func (b *batch) reset() {
	b.bytes, b.ends, b.tids = b.bytes[:0], b.ends[:0], b.tids[:0]
	clear(b.whole)
}
