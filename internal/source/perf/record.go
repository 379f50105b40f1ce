package perf

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// errRecord is what a parser says of bytes that are no record. The kernel writes none of those; the
// bytes come from shared memory all the same.
var errRecord = errors.New("malformed perf record")

// Types of records, and a flag of theirs (include/uapi/linux/perf_event.h).
const (
	typeLost   = 2
	typeComm   = 3
	typeSample = 9

	miscCommExec = 1 << 13
)

// Markers in a call chain: what follows is of the kernel, of the user.
const (
	contextKernel = ^uint64(0) - 128 + 1
	contextUser   = ^uint64(0) - 512 + 1
	contextMax    = ^uint64(0) - 4095 + 1
)

const headerSize = 8

// header is what every record begins with.
type header struct {
	kind uint32
	misc uint16
	size uint16
}

func parseHeader(b []byte) (header, error) {
	if len(b) < headerSize {
		return header{}, fmt.Errorf("%w: %d bytes", errRecord, len(b))
	}
	h := header{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:])}
	if h.size < headerSize || h.size%8 != 0 {
		return h, fmt.Errorf("%w: size %d", errRecord, h.size)
	}
	return h, nil
}

// parseLost returns the number of lost samples.
func parseLost(body []byte) (uint64, error) {
	w := words{b: body}
	w.next() // the event's id
	n := w.next()
	return n, w.err()
}

// parseComm returns the process that has a new name.
func parseComm(body []byte) (pid uint32, err error) {
	if len(body) < 8 {
		return 0, fmt.Errorf("%w: %d bytes of a name", errRecord, len(body))
	}
	return binary.LittleEndian.Uint32(body), nil
}

// parseTime returns when something happened that is no sample: the last of the words that follow each
// record (PERF_SAMPLE_TID, PERF_SAMPLE_TIME with sample_id_all).
func parseTime(body []byte) int64 {
	if len(body) < 16 {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(body[len(body)-8:]))
}

// regs are the registers that are asked for, in the order of their numbers.
type regs struct{ bp, lr, sp, pc, g uint64 }

// event is a sample as the kernel reports it.
type event struct {
	pid, tid     uint32
	time         int64
	kernel, user []uint64 // leaf first
	regs         regs
	hasRegs      bool // false: a thread without user registers, one of the kernel's
	stack        [2]uint64
	hasStack     bool
}

// maxFrames bounds the call chain: twice the largest kernel.perf_event_max_stack that makes sense.
const maxFrames = 1024

// stackBytes are copied from the stack pointer on.
const stackBytes = 16

// parseSample fills e from the body of a sample: TID, TIME, CALLCHAIN, REGS_USER, STACK_USER. The slices
// of e are used again.
func parseSample(body []byte, e *event) error {
	*e = event{kernel: e.kernel[:0], user: e.user[:0]}
	w := words{b: body}
	ids := w.next()
	e.pid, e.tid = uint32(ids), uint32(ids>>32)
	e.time = int64(w.next())
	if err := w.chain(e); err != nil {
		return err
	}
	if abi := w.next(); abi != 0 {
		e.regs, e.hasRegs = w.regs(), true
	}
	if size := w.next(); size == stackBytes {
		e.stack[0], e.stack[1] = w.next(), w.next()
		e.hasStack = w.next() >= stackBytes // what could be read of it
	}
	return w.err()
}

// chain reads the call chain into its two halves.
func (w *words) chain(e *event) error {
	n := w.next()
	if n > maxFrames || n*8 > uint64(len(w.b)) {
		return fmt.Errorf("%w: %d frames in %d bytes", errRecord, n, len(w.b))
	}
	dst := &e.user
	for range n {
		switch pc := w.next(); {
		case pc == contextKernel:
			dst = &e.kernel
		case pc == contextUser:
			dst = &e.user
		case pc < contextMax:
			*dst = append(*dst, pc)
		}
	}
	return nil
}

// words reads a sequence of 8-byte words; reading past the end yields 0 and an error at the end.
type words struct {
	b     []byte
	short bool
}

func (w *words) next() uint64 {
	if len(w.b) < 8 {
		w.short = true
		return 0
	}
	v := binary.LittleEndian.Uint64(w.b)
	w.b = w.b[8:]
	return v
}

func (w *words) err() error {
	if w.short {
		return fmt.Errorf("%w: too short", errRecord)
	}
	return nil
}
