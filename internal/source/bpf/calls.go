package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
)

// MaxCallEvents is how many beginnings and ends of calls a second are recorded. A probe is a
// trap into the kernel each time it is hit: this keeps their cost to the target bounded.
const MaxCallEvents = 20_000

// ErrTooMany says that functions were called more often than MaxCallEvents allows, and that the
// probes were taken away.
var ErrTooMany = fmt.Errorf("more than %d calls a second: their probes were taken away", MaxCallEvents/2)

// Call is one whole call of a function by a goroutine. Times are CLOCK_MONOTONIC, ns.
type Call struct {
	Function   int // its place among Code.Functions
	Goid       uint64
	Begin, End int64
}

// Code is functions and the file that they are in: an executable, or a library that the target has
// mapped. The file may be closed when OpenCalls has returned.
type Code struct {
	File      *os.File
	Bias      uint64 // what run-time addresses are above those of the file
	Functions []goruntime.Function
}

// callEvent is a beginning or an end as calls.bpf.c reports it.
type callEvent struct {
	time     int64
	goid     uint64
	depth    uint64 // of the stack, in bytes
	function int
	ends     bool
}

var errOpenCalls = fmt.Errorf("read calls: more than %d goroutines are inside of calls, or a panic ended them there", maxOpen)

var errCallRecord = errors.New("read calls: a record of another size")

// callEventSize is the size of struct call in calls.bpf.c.
const callEventSize = 32

func decodeCall(raw []byte) (callEvent, error) {
	if len(raw) < callEventSize {
		return callEvent{}, errCallRecord
	}
	u := binary.NativeEndian
	return callEvent{
		time: int64(u.Uint64(raw)), goid: u.Uint64(raw[8:]), depth: u.Uint64(raw[16:]),
		function: int(u.Uint32(raw[24:])), ends: u.Uint32(raw[28:]) != 0,
	}, nil
}

// pairs finds out which end belongs to which beginning. Calls of one goroutine are nested, the
// inner one deeper in the stack. What a panic left without an end is found out when the goroutine is
// at work at the same depth or higher up.
type pairs struct {
	open map[uint64][]callEvent // by goroutine, the outermost first
	lost bool                   // more goroutines than maxOpen: calls that were under way are forgotten
}

// maxOpen bounds how many goroutines are inside calls, and maxNested how deep: goroutines that a panic ended
// are never heard of again.
const (
	maxOpen   = 1 << 16
	maxNested = 1 << 10
)

func newPairs() *pairs { return &pairs{open: make(map[uint64][]callEvent)} }

// add returns a call that e ends, if it is none within another.
func (p *pairs) add(e callEvent) (Call, bool) {
	stack := p.open[e.goid]
	for n := len(stack); n > 0; n-- {
		o := stack[n-1]
		if o.depth < e.depth {
			break
		}
		stack = stack[:n-1]
		if e.ends && o.depth == e.depth && o.function == e.function {
			p.set(e.goid, stack)
			return Call{e.function, e.goid, o.time, e.time}, len(stack) == 0
		}
	}
	if !e.ends && e.goid != 0 && len(stack) < maxNested {
		stack = append(stack, e)
	}
	p.set(e.goid, stack)
	return Call{}, false
}

func (p *pairs) set(goid uint64, stack []callEvent) {
	if len(stack) == 0 {
		delete(p.open, goid)
		return
	}
	if len(p.open) >= maxOpen && p.open[goid] == nil {
		clear(p.open)
		p.lost = true
	}
	p.open[goid] = stack
}
