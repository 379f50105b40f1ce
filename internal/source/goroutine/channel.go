package goroutine

import (
	"encoding/binary"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// channels finds the channels of a receive, a send or a select. It says whether that is done. If anything is not as
// it must be, nothing is found: half of a select is no answer.
func (x *waitFinder) channels(w *waiter) (done bool) {
	f := &x.f
	done = true
	sg := w.first
	for last := uint64(0); sg != 0; {
		if w.cut = len(w.found) == x.most; w.cut {
			return done
		}
		mem, known := x.sudog(w, sg)
		if !known {
			return false
		}
		if mem == nil {
			return w.nothing()
		}
		c := word(mem, f.c)
		if c < last || !x.inHeap(w.job, c) {
			return w.nothing() // a select locks its channels, and links its sudogs, in the order of their addresses
		}
		sg, last = word(mem, f.link), c
		ch, known := w.get(c, f.chanBytes)
		o, isOne := x.channel(c, ch, w.class.op)
		if known && !isOne {
			return w.nothing()
		}
		if known && o.Kind == sample.Timer && f.when >= 0 {
			known = w.due(&o, word(ch, f.timer), f)
			o.Due = x.mem.kernelTime(o.Due)
		}
		done = done && known
		w.found = append(w.found, o)
	}
	return done
}

// due enters when a timer fires. It says whether that is done, be it without success.
func (w *waiter) due(o *sample.Object, timer uint64, f *waitFields) (known bool) {
	if timer < 4096 || timer%8 != 0 || timer > 1<<62 {
		return true
	}
	mem, known := w.get(timer, max(f.when, f.period)+8)
	if mem != nil {
		if when, period := int64(word(mem, f.when)), int64(word(mem, f.period)); when > 0 && period >= 0 {
			o.Due, o.Every = when, period
		}
	}
	return known
}

// nothing gives up.
func (w *waiter) nothing() (done bool) {
	w.found = w.found[:0]
	return true
}

// channel makes sense of a channel at which somebody waits, to do op if that is known. ok is false if it makes none.
func (x *waitFinder) channel(addr uint64, mem []byte, op sample.Op) (o sample.Object, ok bool) {
	if mem == nil {
		return o, false
	}
	f := &x.f
	o = sample.Object{Kind: sample.Chan, Op: op, Addr: addr, Cap: word(mem, f.size), Len: word(mem, f.count)}
	receivers, senders := word(mem, f.recvq) != 0, word(mem, f.send) != 0
	if op == sample.NoOp {
		switch {
		case receivers && !senders:
			o.Op = sample.Receive
		case senders && !receivers:
			o.Op = sample.Send
		}
	}
	switch o.Op {
	case sample.Receive:
		ok = receivers && o.Len == 0
	case sample.Send:
		ok = senders && o.Len == o.Cap
	default: // a select that would do both
		ok = receivers && senders && o.Cap == 0
	}
	if o.Cap >= 1<<40 || !ok {
		return o, false
	}
	switch {
	case f.timer >= 0 && word(mem, f.timer) != 0:
		o.Kind, o.Cap = sample.Timer, 0
	case o.Cap == 1 && binary.LittleEndian.Uint16(mem[f.elemSize:]) == timeSize && o.Op == sample.Receive:
		o.Time = x.isTime(word(mem, f.elemType))
	}
	return o, true
}

const (
	timeSize  = 24   // of time.Time
	typeSize  = 48   // of internal/abi.Type, the same since Go 1.4 at least: the size first, the kind at byte 23
	maxTypes  = 1024 // that are remembered
	kindAt    = 23
	isStruct  = 25
	timeParts = 3 // wall, ext, loc
)

// isTime says whether the type at an address is time.Time: the struct of 24 bytes with three fields that package
// time declared (internal/abi/type.go: StructType, Name). The channel of a timer has it as its elements, and had
// nothing else by which to know it before Go 1.23.
func (x *waitFinder) isTime(addr uint64) bool {
	known, ok := x.times[addr]
	if ok || addr < 4096 || addr > 1<<62 {
		return known
	}
	if len(x.times) >= maxTypes {
		clear(x.times)
	}
	var t [typeSize + 24]byte // the name of the package, and the list of fields
	var name [6]byte          // flags, length, text
	if n, _ := x.mem.ReadAt(t[:], int64(addr)); n == len(t) && word(t[:], 0) == timeSize && t[kindAt]&31 == isStruct &&
		word(t[:], typeSize+16) == timeParts {
		if at := word(t[:], typeSize); at < 1<<62 {
			n, _ = x.mem.ReadAt(name[:], int64(at))
			known = n == len(name) && string(name[1:]) == "\x04time"
		}
	}
	x.times[addr] = known
	return known
}
