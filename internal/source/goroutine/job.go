package goroutine

import (
	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// job is a goroutine that is not what it was when it was read before.
type job struct {
	s       *slot
	g       []byte // its g, in the memory's image: valid until the next group of chunks is read
	key     key
	at      int64
	labels  uint64
	grace   goruntime.Grace // of what labels points to
	kind    kind
	same    bool     // key is what it was
	first   bool     // nothing is known of it yet; it may have to wait
	pending bool     // labels are to be read
	stable  bool     // as slot.stable
	seen    interval // without times
}

// wantsLabels says whether labels are to be read for the job now.
func (j *job) wantsLabels() bool { return j.pending && !j.seen.late }

// unwalked gives up on a stack for this tick.
func (j *job) unwalked(count *int64) {
	*count++
	j.seen.stack, j.seen.loss, j.stable = nil, sample.Unwalked, false
}

// stackCopy is a part of a stack.
type stackCopy struct {
	mem  []byte
	base uint64 // address of mem
}

// reading is what is read to walk a stack.
type reading struct {
	stackCopy
	again []byte // a second copy, of ambiguous goroutines
	head  []byte // of the g, read after the first
	poll  []byte // the head of the pollDesc that it waited for last; nil if it is not known
	wait  int    // number of its waiter, from 1 on; 0 if it has none
}
