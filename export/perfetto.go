package export

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// writePerfetto writes a trace for ui.perfetto.dev: a track for each goroutine with a slice for each of its states, a track for
// each request, slowest first, and counters of how many goroutines are on a CPU, runnable and blocked. An arrow goes from
// where a goroutine was started to its begin, and from where a wait was ended to what came behind it.
func writePerfetto(w io.Writer, p *profile.Profile, o Options) error {
	if _, err := o.column(p); err != nil {
		return err
	}
	for c := range p.SampleType {
		if _, err := total(p, c); err != nil {
			return fmt.Errorf("write perfetto: %w", err)
		}
	}
	t, err := timeline.Read(p, slices.Values(p.Sample))
	if err != nil {
		return fmt.Errorf("write perfetto: %w", err)
	}
	x := &perfetto{Writer: bufio.NewWriterSize(w, 64<<10), Timeline: t, next: 1}
	for i := range x.interned {
		x.interned[i] = make(map[string]uint64)
	}
	x.begin()
	x.counters(p)
	x.requests()
	x.goroutines()
	return x.Flush()
}

// Fields of TracePacket (protos/perfetto/trace/trace_packet.proto of github.com/google/perfetto).
const (
	packetClocks   = 6
	packetTime     = 8
	packetSequence = 10
	packetEvent    = 11
	packetInterned = 12
	packetFlags    = 13
	packetTrack    = 60
)

// The texts that packets have by their numbers, and their fields of InternedData.
const (
	internedName = iota
	internedKey
	internedText
)

var internedFields = [...]fieldNumber{internedName: 2, internedKey: 3, internedText: 29}

// Types of TrackEvent.
const (
	sliceBegin = 1
	sliceEnd   = 2
	instant    = 3
	counter    = 4
)

// perfetto is a trace in the making. All of it is one sequence of packets.
type perfetto struct {
	*bufio.Writer
	*timeline.Timeline
	next     uint64 // number of the next track
	flow     uint64 // of the last flow
	interned [len(internedFields)]map[string]uint64
	fresh    message // InternedData that the next packet brings
	texts    map[int32]string
	started  bool
}

// packet writes a TracePacket.
func (x *perfetto) packet(fields message) {
	if len(x.fresh) > 0 {
		fields.entry(packetInterned, x.fresh)
		x.fresh = nil
	}
	fields.uint(packetSequence, 1)
	flags := uint64(2) // SEQ_NEEDS_INCREMENTAL_STATE
	if !x.started {
		x.started, flags = true, 3 // and SEQ_INCREMENTAL_STATE_CLEARED
	}
	fields.uint(packetFlags, flags)
	var m message
	m.entry(1, fields) // Trace.packet
	x.Write(m)
}

// number is that of a text; the packet that is written next tells it.
func (x *perfetto) number(kind int, s string) uint64 {
	iid, ok := x.interned[kind][s]
	if !ok {
		iid = uint64(len(x.interned[kind]) + 1)
		x.interned[kind][s] = iid
		var m message
		m.uint(1, iid)
		m.text(2, valid(s))
		x.fresh.entry(internedFields[kind], m)
	}
	return iid
}

// begin says which time it is: times of the trace are Unix time.
func (x *perfetto) begin() {
	var clocks, m message
	for _, id := range []uint64{1, 6} { // BUILTIN_CLOCK_REALTIME, and BOOTTIME, which times are in unless they say otherwise
		var clock message
		clock.uint(1, id)
		clock.uint(2, uint64(x.From))
		clocks.entry(1, clock)
	}
	m.uint(packetTime, uint64(x.From))
	m.entry(packetClocks, clocks)
	x.packet(m)
}

// track describes a track, and returns its number. rank orders those that have the same parent.
type track struct {
	name   string
	parent uint64
	rank   int64
	unit   string // of a counter
}

func (x *perfetto) track(t track) uint64 {
	id := x.next
	x.next++
	var d, m message
	d.uint(1, id)
	d.text(2, valid(t.name))
	d.uint(5, t.parent)
	if t.unit != "" {
		var c message
		c.text(6, t.unit)
		d.entry(8, c)
	}
	d.uint(11, 3) // child_ordering: EXPLICIT
	d.int(12, min(t.rank, math.MaxInt32))
	d.uint(15, 2) // sibling_merge_behavior: NONE, equal names are different goroutines
	m.entry(packetTrack, d)
	x.packet(m)
	return id
}

// event is a TrackEvent.
type event struct {
	kind  uint64
	track uint64
	at    int64
	name  string
	notes message // more of its fields
}

func (x *perfetto) event(e event) {
	var m, packet message
	m.uint(9, e.kind)
	m.uint(11, e.track)
	if e.name != "" {
		m.uint(10, x.number(internedName, e.name))
	}
	m = append(m, e.notes...)
	packet.uint(packetTime, uint64(max(e.at, 0)))
	packet.entry(packetEvent, m)
	x.packet(packet)
}

// note adds a DebugAnnotation.
func (x *perfetto) note(to *message, key, value string) {
	if value == "" {
		return
	}
	var m message
	m.uint(1, x.number(internedKey, key))
	m.uint(17, x.number(internedText, value))
	to.entry(4, m)
}

// slice writes a piece of a goroutine's life, or the part of it from one time to another.
func (x *perfetto) slice(track uint64, p *timeline.Piece, from, to int64, flow message) {
	e := event{kind: sliceBegin, track: track, at: from, name: x.stateName(p.State), notes: flow}
	x.note(&e.notes, "stack", x.stackText(p.Stack))
	x.note(&e.notes, sample.KeyPeer, x.States[p.State].Peer)
	x.note(&e.notes, sample.KeySyscall, x.States[p.State].Call)
	if p.On != 0 {
		x.note(&e.notes, sample.KeyWaitOn, sample.FormatObjects(x.Objects[p.On], true))
	}
	x.labels(&e.notes, p.Labels)
	x.event(e)
	x.event(event{kind: sliceEnd, track: track, at: to})
}

func (x *perfetto) stateName(state int32) string {
	return cmp.Or(x.States[state].Name, string(sample.Unknown))
}

func (x *perfetto) labels(to *message, set int32) {
	for _, key := range slices.Sorted(maps.Keys(x.Labels[set])) {
		x.note(to, key, x.Labels[set][key])
	}
}

// stackText is a stack as a goroutine dump has it, a function a line, the innermost first.
func (x *perfetto) stackText(stack int32) string {
	text, ok := x.texts[stack]
	if !ok {
		var names []string
		for _, f := range x.Stacks[stack].Frames {
			names = append(names, x.Funcs[f.Fn].Name)
		}
		text = strings.Join(names, "\n")
		if x.texts == nil {
			x.texts = make(map[int32]string)
		}
		x.texts[stack] = text
	}
	return text
}
