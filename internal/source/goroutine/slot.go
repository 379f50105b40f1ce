package goroutine

import (
	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// slot is one g struct of the target and what is known of the goroutine in it. The runtime never
// frees a g: a slot outlives many goroutines.
type slot struct {
	addr   uint64
	off    int32 // in the image of its chunk
	alive  bool  // a goroutine is in it; the fields below are about that goroutine
	stable bool  // as long as key and labels are the same, all that is known is true
	key    key
	labels uint64 // g.labels
	read   int64  // when it was last read, but for what catchUp knows; 0: never

	set     *labelSet // what was read from setFrom when the goroutine was setGoid
	setFrom uint64
	setGoid uint64

	poll   *poll    // the file that it waited for last,
	waited *objects // and other things,
	again  bool     // for the second time at least

	now  interval
	prev *interval // the interval before, held back until it is known where it ended
	gap  int64     // > 0: now was found after that many ns without a tick, and its beginning is open
	hit  int64     // when it was found

	fresh bool   // created while recording,
	vague bool   // at a time that is not known well
	born  uint32 // tick at which it was first seen
	tick  uint32 // tick of read
	birth int64  // when it began, as far as known
	held  *holding
}

// interval is a time that a goroutine spent in one state at one place.
type interval struct {
	from, to int64
	goid     uint64
	parent   uint64
	created  uint64 // the return address of the go statement
	tid      uint32
	state    state
	loss     sample.Loss
	late     bool // stack and labels were put off
	lost     bool // it had labels, and they could not be read
	stack    *stack
	set      *labelSet
	peer     *peer    // who it waits for,
	write    bool     // to take data
	on       *objects // what else it waits for
	call     string   // the system call that it is blocked in
}

// same says whether two intervals differ in nothing but their time.
func (i *interval) same(o *interval) bool {
	return i.goid == o.goid && i.state == o.state && i.stack == o.stack && i.set == o.set && i.lost == o.lost && i.tid == o.tid &&
		i.loss == o.loss && i.peer == o.peer && i.on == o.on && i.call == o.call
}

// had says whether labels was read for the goroutine before. If it has run since, it may have had another
// set meanwhile, and now a third one at the address of the first.
func (sl *slot) had(goid, labels uint64) bool { return labels == sl.setFrom && goid == sl.setGoid }

// stack is a chain of return addresses, leaf first. Equal stacks are mostly one (known.go).
type stack struct {
	pcs       []uint64
	truncated bool
}

// labelSet is an immutable set of labels.
type labelSet = goruntime.LabelSet
